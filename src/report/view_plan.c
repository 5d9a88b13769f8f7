/* The view of a plan: the only file of the report that reads one. */
#include <math.h>
#include <stdlib.h>

#include "stagegraph/run.h"
#include "stagegraph/view.h"

static bool groups(const void *of, enum sg_verdict verdict, sg_plan_group_fn *fn, void *ctx)
{
    return sg_plan_groups(of, verdict, fn, ctx);
}

static void debts(const void *of, sg_plan_debt_fn *fn, void *ctx)
{
    sg_plan_debts(of, fn, ctx);
}

static void notices(const void *of, sg_plan_notice_fn *fn, void *ctx)
{
    sg_plan_notices(of, fn, ctx);
}

static enum sg_verdict verdict(const void *of, const struct sg_stage *s, int64_t index)
{
    struct sg_node_id n = sg_plan_find(of, s->id, index);
    struct sg_node_view v;

    if (n.i == SG_NO_NODE)
        return SG_VERDICT_INPUT;
    sg_plan_node(of, n, &v);
    return v.verdict;
}

static double play(const void *of, const struct sg_usual_source *u, int32_t jobs)
{
    struct sg_error err = SG_ERROR_INIT; /* an estimate is never worth a failure */
    double s;

    return sg_run_estimate(of, u, jobs, &s, &err) ? s : (double)NAN;
}

static bool count_jobs(void *ctx, const struct sg_plan_group *g)
{
    uint32_t *jobs = ctx;

    *jobs += g->jobs;
    return true;
}

/* The newest partitions are what an hourly run is about; its lookback is only looked at. */
static struct sg_interval focus_of(const struct sg_plan *p, struct sg_interval range)
{
    const struct sg_request *r = sg_plan_request(p);
    struct sg_interval all, window;

    if (r->window <= 0 || r->has_range || r->n_named > 0)
        return range;
    sg_request_window(sg_plan_graph(p), r, &all, &window);
    return window;
}

bool sg_view_open(const struct sg_plan *p, struct sg_view *ret, struct sg_error *err)
{
    const struct sg_graph *g = sg_plan_graph(p);
    struct sg_view v = {
        .graph = g,
        .now_s = sg_plan_request(p)->now_s,
        .range = sg_plan_range(p),
        .of = p,
        .groups = groups,
        .debts = debts,
        .notices = notices,
        .verdict = verdict,
        .play = play,
    };

    v.stages = calloc(g->n_stages + 1, sizeof(*v.stages));
    if (v.stages == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "%u stages", g->n_stages);
    v.focus = focus_of(p, v.range);
    sg_plan_count(p, &v.counts);
    (void)sg_plan_groups(p, SG_VERDICT_RUN, count_jobs, &v.jobs); /* it never stops early */
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = sg_graph_stage(g, g->order[i]);
        const struct sg_plan_stage *ps = sg_plan_stage(p, s->id);

        if (!ps->selected || s->is_source ||
            ps->n_run + ps->n_fresh + ps->n_blocked + ps->n_busy + ps->n_debt == 0)
            continue;
        v.stages[v.n_stages++] = (struct sg_view_stage){
            .stage = s,
            .run = ps->n_run,
            .fresh = ps->n_fresh,
            .blocked = ps->n_blocked,
            .busy = ps->n_busy,
            .debt = ps->n_debt,
        };
    }
    *ret = v;
    return true;
}

void sg_view_close(struct sg_view *v)
{
    free(v->stages);
    v->stages = NULL;
    v->n_stages = 0;
}
