/*
 * view: what a plan says, in the words of the report: who takes part, how much, over which range.
 *
 * Floor: report. docs/design.md, "Reports of a plan".
 *
 * The one place that reads struct sg_plan for the report; tables, JSON and console know the view
 * alone, and so their tests make views by hand.
 */
#ifndef STAGEGRAPH_VIEW_H
#define STAGEGRAPH_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/clock.h"
#include "stagegraph/error.h"
#include "stagegraph/plan.h"
#include "stagegraph/usual.h"

struct sg_out;

struct sg_view_stage {
    const struct sg_stage *stage;
    uint32_t run, fresh, blocked, busy, debt; /* nodes that were asked for */
};

struct sg_view {
    const struct sg_graph *graph;
    int64_t now_s;
    struct sg_interval range; /* the hull of what was asked for; empty: nothing */
    struct sg_interval focus; /* the window where there is one, else the range */
    struct sg_plan_counts counts;
    uint32_t jobs;
    struct sg_view_stage *stages; /* those that take part, in topological order; owned */
    uint32_t n_stages;

    /* How to get at the rest, and whose. */
    const void *of;
    bool (*groups)(const void *of, enum sg_verdict verdict, sg_plan_group_fn *fn, void *ctx);
    void (*debts)(const void *of, sg_plan_debt_fn *fn, void *ctx);
    void (*notices)(const void *of, sg_plan_notice_fn *fn, void *ctx);
    /* INPUT when the plan doesn't know the node. */
    enum sg_verdict (*verdict)(const void *of, const struct sg_stage *s, int64_t index);
    /* May be NULL. NaN: too large to be played. */
    double (*play)(const void *of, const struct sg_usual_source *u, int32_t jobs);
};

/* The plan must outlive the view. */
bool sg_view_open(const struct sg_plan *p, struct sg_view *ret, struct sg_error *err) SG_MUST;
void sg_view_close(struct sg_view *v);

/* How long the planned jobs take with so many at once. Where more than one may run it is what the
 * scheduler does with the usual times; where a view can't ask that (play is NULL, or the plan
 * is too large), what no order of them can beat. *ret_partial: some stages are not known, it is at
 * least that long. NaN: none is known. */
double sg_view_estimate(const struct sg_view *v, const struct sg_usual_source *u, int32_t jobs,
                        bool *ret_partial);

/* sg_duration_format() for estimates: tenths below ten seconds alone, "0.4s", "12s", "3h 31m". */
void sg_usual_format(double seconds, char ret[SG_DURATION_TEXT]);

/* "2013-01-01 … 2013-01-31" for whole days, else the labels of the graph's default partition, one
 * alone where first and last are the same, "" for nothing; with_count adds " (744 hours)". */
#define SG_RANGE_TEXT 128
void sg_view_range_format(const struct sg_view *v, struct sg_interval i, bool with_count,
                          char ret[SG_RANGE_TEXT]);
/* "2013-01-10T00 … 2013-01-12T23", one label alone, "-" for once. */
void sg_view_partitions_format(const struct sg_stage *s, int64_t first, int64_t last,
                               char ret[SG_RANGE_TEXT]);

#endif
