/*
 * usual: what a partition of a stage usually takes, from the history: cli hands it down.
 *
 * Floor: plan. docs/design.md, "Reports of a plan".
 *
 * The scheduler's order, a plan's estimate and the console ask the same source, so they agree.
 */
#ifndef STAGEGRAPH_USUAL_H
#define STAGEGRAPH_USUAL_H

struct sg_stage;

struct sg_usual {
    double median_s, p90_s; /* NaN: not known */
};
struct sg_usual_source {
    void (*ask)(void *ctx, const struct sg_stage *s, struct sg_usual *ret);
    void *ctx;
};

/* Like sg_usual_source.ask; NaN when there is no source (NULL). */
struct sg_usual sg_usual_of(const struct sg_usual_source *u, const struct sg_stage *s);

#endif
