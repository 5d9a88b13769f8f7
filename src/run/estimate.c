/*
 * A run played with the usual times: the same jobs, ranks, edges and scheduler as a real one, a
 * clock that jumps to the next end, and nothing that goes wrong.
 */
#include <math.h>
#include <stdlib.h>

#include "heap.h"
#include "run_impl.h"

/* The most jobs that a plan is held up for: some hundredths of a second. */
#define MOST_JOBS 100000

struct play {
    struct sg_run *run;
    struct sg_heap ends; /* the jobs that run, by ends_ns */
    int64_t *ends_ns;    /* by job */
};

static bool ends_before(const void *ctx, uint32_t a, uint32_t b)
{
    const struct play *p = ctx;

    return p->ends_ns[a] != p->ends_ns[b] ? p->ends_ns[a] < p->ends_ns[b] : a < b;
}

/* What is only decided again when its inputs are done takes no time. */
static int64_t usual_ns(const struct sg_run *r, uint32_t job)
{
    struct sg_node_view v;
    double s = 0, one;

    for (uint32_t id = sg_run_next(r, job, SG_NO_NODE); id != SG_NO_NODE;
         id = sg_run_next(r, job, id)) {
        sg_plan_node(r->c.plan, (struct sg_node_id){ id }, &v);
        one = v.verdict == SG_VERDICT_RUN ? sg_usual_of(r->c.usual, v.stage).median_s : 0;
        s += isnan(one) ? 0 : one;
    }
    return (int64_t)(s * 1e9);
}

static bool play(struct play *p, double *ret_s, struct sg_error *err)
{
    struct sg_sched *sched = p->run->sched;
    struct sg_mono now = { 0 };
    struct sg_action act;
    uint32_t job;

    for (;;) {
        sg_sched_next(sched, now, &act);
        if (act.kind == SG_ACT_OVER)
            break;
        if (act.kind == SG_ACT_START) {
            p->ends_ns[act.job] = now.ns + usual_ns(p->run, act.job);
            sg_heap_put(&p->ends, act.job);
        }
        if (act.kind != SG_ACT_WAIT)
            continue;
        if (!SG_EXPECT(p->ends.n > 0, err))
            return false;
        job = p->ends.items[0];
        sg_heap_remove(&p->ends, job);
        now.ns = p->ends_ns[job];
        if (!sg_sched_result(sched, now, job, SG_RESULT_OK, false, err))
            return false;
    }
    *ret_s = (double)now.ns / 1e9;
    return true;
}

static bool make_heap(struct play *p, struct sg_error *err)
{
    size_t n = (size_t)p->run->n_jobs + 1;

    p->ends_ns = calloc(n, sizeof(*p->ends_ns));
    p->ends = (struct sg_heap){ .items = calloc(n, sizeof(uint32_t)),
                                .where = calloc(n, sizeof(uint32_t)),
                                .before = ends_before,
                                .ctx = p };
    return (p->ends_ns && p->ends.items && p->ends.where) ||
           sg_error_set(err, SG_ERROR_MEMORY, 0, "an estimate");
}

bool sg_run_estimate(const struct sg_plan *plan, const struct sg_usual_source *usual, int32_t jobs,
                     double *ret_s, struct sg_error *err)
{
    struct play p = { .run = calloc(1, sizeof(*p.run)) };
    struct sg_plan_counts counts;
    bool ok = p.run != NULL;

    if (!ok)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "an estimate");
    p.run->c = (struct sg_run_config){ .plan = plan, .jobs = jobs, .usual = usual };
    sg_plan_count(plan, &counts);
    if (counts.run <= MOST_JOBS)
        ok = sg_run_schedule(p.run, err) && make_heap(&p, err) && play(&p, ret_s, err);
    else
        *ret_s = NAN;
    sg_run_free(p.run);
    free(p.ends_ns);
    free(p.ends.items);
    free(p.ends.where);
    return ok;
}
