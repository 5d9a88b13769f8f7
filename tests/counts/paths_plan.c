/* The view, the sweep, a decision, an explanation: three stages of hours. */
#include "plan_impl.h"

#include "counts.h"
#include "tree.h"

#define NODES   (UINT64_C(3) * COUNTS_HOURS)
#define MONTH   744
#define DECIDED 400

static void open_hours(struct counts_world *w, const char *silver, const char *gold,
                       const char *more, int64_t hours)
{
    struct sg_buf text = SG_BUF_INIT;

    counts_graph(&text, silver, gold, more);
    counts_world_open(w, sg_buf_text(&text), counts_after(hours));
    sg_buf_done(&text);
}

/* ---- view and sweep */

static void view(void *ctx)
{
    struct counts_world *w = ctx;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_plan *p;

    must(sg_plan_begin(&w->config, NULL, &p, &err), &err);
    must_be(p->n_nodes == NODES, "the view has all nodes");
    sg_plan_free(p);
}

uint64_t count_view(void)
{
    struct counts_world w;

    open_hours(&w, "bronze", "silver", "", COUNTS_HOURS);
    counted(view, &w);
    counts_world_close(&w);
    return NODES;
}

static void sweep(void *ctx)
{
    struct sg_plan *p = ctx;
    struct sg_error err = SG_ERROR_INIT;

    must(sg_sweep(p, &err) && sg_sweep_looked(p, &err) && sg_sweep_notices(p, &err), &err);
}

/* A plan as after a scan that has found all nodes done, or none. */
static struct sg_plan *scanned(const struct counts_world *w, bool done)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_plan *p;

    must(sg_plan_begin(&w->config, NULL, &p, &err), &err);
    if (done)
        must(sg_bench_fill(p, &err), &err);
    for (uint32_t id = 0; !done && id < p->n_nodes; id++)
        p->flags[id] |= SG_NODE_SCANNED;
    return p;
}

static uint64_t count_sweep(const char *silver, const char *gold, const char *more, bool done)
{
    struct counts_world w;
    struct sg_plan_counts n;
    struct sg_plan *p;

    open_hours(&w, silver, gold, more, COUNTS_HOURS);
    p = scanned(&w, done);
    counted(sweep, p);
    sg_plan_count(p, &n);
    must_be(done ? n.fresh == p->n_nodes : n.run == p->n_nodes, "all nodes are fresh, or to run");
    sg_plan_free(p);
    counts_world_close(&w);
    return n.asked;
}

uint64_t count_sweep_fresh(void)
{
    return count_sweep("bronze", "silver", "", true);
}

uint64_t count_sweep_window(void)
{
    return count_sweep("bronze@-23..0", "silver", "", true);
}

/* A year of hours for each of them, as cheap as a day. */
uint64_t count_sweep_year(void)
{
    return count_sweep("bronze@-8759..0", "silver", "", true);
}

/* Hours from two of the ones before, and days of them. */
uint64_t count_sweep_days(void)
{
    return count_sweep("bronze silver@-1", "silver\npartition = day", "", true);
}

uint64_t count_sweep_stale(void)
{
    return count_sweep("bronze", "silver", "", false);
}

/* Two stages that need each other's last year. */
#define SILVER_OF_GOLD "bronze gold@-8760..-1?"
#define GOLD_OF_SILVER "silver@-8759..0"

uint64_t count_sweep_mutual(void)
{
    return count_sweep(SILVER_OF_GOLD, GOLD_OF_SILVER, "", false);
}

static void cut(void *ctx)
{
    struct sg_plan *p = ctx;
    struct sg_error err = SG_ERROR_INIT;

    must(sg_batches_cut(p, &err), &err);
}

/* Days of 24 hours, everything stale. of_gold: how many hours of it are a batch. */
static uint64_t count_cut(const char *silver, const char *gold, uint32_t of_gold)
{
    struct counts_world w;
    struct sg_plan *p;
    struct sg_node_id first;
    uint32_t n;

    open_hours(&w, silver, gold, "batch = 24\n", COUNTS_HOURS);
    p = scanned(&w, false);
    sweep(p);
    counted(cut, p);
    sg_plan_batch(p, (struct sg_node_id){ 0 }, &first, &n);
    must_be(n == 24, "a batch is a day");
    sg_plan_batch(p, (struct sg_node_id){ p->stages[2].pub.base }, &first, &n);
    must_be(n == of_gold, "of gold too, or an hour");
    sg_plan_free(p);
    counts_world_close(&w);
    return NODES;
}

uint64_t count_batches(void)
{
    return count_cut("bronze", "silver", 24);
}

uint64_t count_batches_mutual(void)
{
    return count_cut(SILVER_OF_GOLD, GOLD_OF_SILVER, 1);
}

/* ---- with receipts in memory */

static void open_made(struct counts_world *w)
{
    struct sg_error err = SG_ERROR_INIT;
    uint32_t n;

    open_hours(w, "bronze", "silver bronze", "", MONTH);
    must(sg_bench_tree(&w->config, NULL, &n, &err), &err);
    must_be(n == 3 * MONTH, "all nodes were made");
}

static void plan_first(void *ctx)
{
    struct counts_world *w = ctx;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_plan_counts n;
    struct sg_plan *p;

    must(sg_plan_new(&w->config, &p, &err), &err);
    sg_plan_count(p, &n);
    must_be(n.fresh == 3 * MONTH, "all nodes are fresh");
    sg_plan_free(p);
}

/* All of it, each marker read: there is no cache. */
uint64_t count_plan_first(void)
{
    struct counts_world w;

    open_made(&w);
    counted(plan_first, &w);
    counts_world_close(&w);
    return UINT64_C(3) * MONTH;
}

static void plan_more(void *ctx)
{
    struct counts_world *w = ctx;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_plan_counts n;
    struct sg_plan *p;

    must(sg_plan_new(&w->config, &p, &err), &err);
    sg_plan_count(p, &n);
    must_be(n.run == NODES - COUNTS_HOURS / 2, "the first half is made for the second");
    sg_plan_free(p);
}

/* The second half of a year, with what it needs of the first, which needs as much before it. */
uint64_t count_with_needs(void)
{
    struct counts_world w;

    open_hours(&w, "bronze@-4380..0", "silver@-4380..0", "", COUNTS_HOURS);
    w.request.has_range = w.request.with_needs = true;
    w.request.range = (struct sg_interval){ counts_after(COUNTS_HOURS / 2), SG_TIME_MAX };
    counted(plan_more, &w);
    counts_world_close(&w);
    return NODES;
}

struct asked {
    struct sg_plan *p;
    size_t rows;
};

static void decide(void *ctx)
{
    const struct sg_plan *p = ((const struct asked *)ctx)->p;
    const struct sg_stage *s = &p->c.graph->stages[1];
    const struct sg_decide_ask ask = { .made_first = 0 };
    struct sg_error err = SG_ERROR_INIT;

    for (int64_t x = s->exists.first + 1; x <= s->exists.first + DECIDED; x++) {
        struct sg_arena a = SG_ARENA_INIT;
        struct sg_decision d;

        must(sg_plan_decide(p, s, x, &ask, &a, &d, &err), &err);
        must_be(d.what == SG_DECIDE_FRESH, "the node is fresh");
        sg_arena_done(&a);
    }
}

static void on_row(void *ctx, const struct sg_explain_row *row)
{
    struct asked *e = ctx;

    must_be(!row->differs, "nothing has changed");
    e->rows++;
}

static void explain(void *ctx)
{
    struct asked *e = ctx;
    const struct sg_stage *s = &e->p->c.graph->stages[1];
    struct sg_error err = SG_ERROR_INIT;

    for (int64_t x = s->exists.first + 1; x <= s->exists.first + DECIDED; x++) {
        struct sg_arena a = SG_ARENA_INIT;
        struct sg_explanation ret;

        must(sg_plan_explain(e->p, sg_plan_find(e->p, s->id, x), &a, &ret, on_row, e, &err), &err);
        sg_arena_done(&a);
    }
    must_be(e->rows >= (size_t)5 * DECIDED, "each part has a row");
}

static uint64_t count_asked(counted_fn *fn)
{
    struct sg_error err = SG_ERROR_INIT;
    struct asked e = { .rows = 0 };
    struct counts_world w;

    open_made(&w);
    must(sg_plan_new(&w.config, &e.p, &err), &err);
    counted(fn, &e);
    sg_plan_free(e.p);
    counts_world_close(&w);
    return DECIDED;
}

uint64_t count_decide(void)
{
    return count_asked(decide);
}

uint64_t count_explain(void)
{
    return count_asked(explain);
}

/* ---- groups */

static bool take_group(void *ctx, const struct sg_plan_group *g)
{
    *(uint64_t *)ctx += g->count;
    return true;
}

static void group_busy(void *ctx)
{
    struct sg_plan *p = ctx;
    uint64_t n = 0;

    must_be(sg_plan_groups(p, SG_VERDICT_BUSY, take_group, &n) && n == 2 * COUNTS_HOURS,
            "all of silver and gold is busy");
}

/* A chain with windows behind one hour that another run holds. */
uint64_t count_groups_busy(void)
{
    struct counts_world w;
    struct sg_plan *p;

    open_hours(&w, "silver@-1 bronze@-8759..0", "silver", "", COUNTS_HOURS);
    p = scanned(&w, false);
    p->flags[p->stages[1].pub.base] |= SG_NODE_HELD;
    sweep(p);
    counted(group_busy, p);
    sg_plan_free(p);
    counts_world_close(&w);
    return UINT64_C(2) * COUNTS_HOURS;
}
