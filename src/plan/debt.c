/*
 * Debt: what is stale and will not run now. docs/design.md, "Debt".
 *
 * Outside of the asked set nodes are not judged: only the recipe that they were made by is held
 * against today's, which tells code, command, params, version and need rules. A few markers are
 * read; of many, what the cache of markers says is taken without a look at the store, and where
 * there is no cache nothing is said. Whoever wants to know exactly asks for the range.
 */
#include "plan_impl.h"

#include <string.h>

#define FEW  128                /* markers that are read; of more there may be a cache */
#define MANY ((int64_t)1 << 20) /* partitions of a cache that are still little */

struct look {
    struct sg_plan *p;
    uint32_t stage;
    struct sg_range due;
    uint32_t recipe; /* the last one seen */
    struct sg_error *err;
    bool failed;
};

static struct sg_debt_count *count_of(struct sg_debt_count *all, uint32_t stage, uint32_t reason)
{
    return &all[stage * SG_REASON_COUNT + reason];
}

static void add(struct sg_debt_count *c, int64_t index)
{
    if (c->n == 0 || index < c->first)
        c->first = index;
    if (c->n == 0 || index >= c->end)
        c->end = index + 1;
    c->n++;
}

static bool is_asked(const struct sg_plan *p, uint32_t stage, int64_t index)
{
    const struct sg_plan_stage *v = &p->stages[stage].pub;

    return index >= v->lo && index < v->hi &&
           (p->flags[v->base + (uint32_t)(index - v->lo)] & SG_NODE_ASKED);
}

/* One node that nobody asked about, made by that recipe. */
static bool weigh(struct look *l, int64_t index, struct sg_hash128 recipe)
{
    const struct sg_recipe_change *change = NULL;
    uint32_t reasons;

    if (!sg_recipe_seen(l->p, l->stage, recipe, &l->recipe, l->err) ||
        !sg_recipe_change(l->p, l->recipe, &change, l->err))
        return false;
    if (change == NULL)
        return true;
    reasons = change->reasons != 0 ? change->reasons : SG_REASON_BIT(SG_REASON_CODE);
    add(count_of(l->p->outside, l->stage, (uint32_t)__builtin_ctz(reasons)), index);
    return true;
}

static bool on_cached(void *ctx, int64_t index, enum sg_marker_kind kind, struct sg_hash128 recipe)
{
    struct look *l = ctx;

    if (index >= l->due.first && index < l->due.end && !is_asked(l->p, l->stage, index) &&
        (kind == SG_MARKER_DONE || kind == SG_MARKER_ACCEPTED))
        l->failed = !weigh(l, index, recipe);
    return !l->failed;
}

static bool read_few(struct look *l)
{
    const struct sg_stage *s = sg_plan_stage_at(l->p, l->stage);
    struct sg_buf dir = SG_BUF_INIT;
    bool ok = true;

    for (int64_t x = l->due.first; ok && x < l->due.end; x++) {
        struct sg_marker m = { .kind = SG_MARKER_ABSENT };
        struct sg_interval i;
        char node[SG_NODE_TEXT];

        if (is_asked(l->p, l->stage, x) || !sg_calendar_interval(&s->cal, x, &i))
            continue;
        sg_node_format(s, x, node);
        ok = sg_plan_dir(l->p, s, x, &dir, l->err) &&
             sg_marker_read(l->p->c.store, sg_buf_text(&dir), s->marker, node, NULL, &m, NULL,
                            l->err);
        if (ok && (m.kind == SG_MARKER_DONE || m.kind == SG_MARKER_ACCEPTED))
            ok = weigh(l, x, m.recipe);
    }
    sg_buf_done(&dir);
    return ok;
}

/* Due partitions that nobody asked about; INT64_MAX where the stage has no start. */
static int64_t left_out(const struct sg_plan *p, uint32_t stage)
{
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    const struct sg_plan_stage *v = &p->stages[stage].pub;
    int64_t n;

    if (s->is_source || v->due_end <= s->exists.first)
        return 0;
    if (s->exists.first == INT64_MIN)
        return INT64_MAX;
    n = v->due_end - s->exists.first -
        (int64_t)(v->n_run + v->n_fresh + v->n_blocked + v->n_busy + v->n_debt);
    for (int64_t x = v->due_end > v->lo ? v->due_end : v->lo; x < v->hi; x++)
        n += is_asked(p, stage, x); /* a partial one is counted, and is not due */
    return n;
}

static bool look_at_stage(struct look *l, struct sg_cache *cache, uint32_t number)
{
    const struct sg_stage *s = sg_plan_stage_at(l->p, l->stage);
    struct sg_error ignored = SG_ERROR_INIT;

    l->due = (struct sg_range){ s->exists.first, l->p->stages[l->stage].pub.due_end };
    l->recipe = 0;
    if (!l->p->stages[l->stage].has_recipe && !sg_plan_recipe(l->p, l->stage, &ignored))
        return true; /* a recipe that can't be had is told where the stage is asked for */
    if (cache == NULL)
        return read_few(l);
    sg_cache_walk(cache, number, on_cached, l);
    return !l->failed;
}

static bool look(struct sg_plan *p, bool few, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    struct look l = { .p = p, .err = err };
    struct sg_cache *cache = NULL;
    bool ok = few || sg_cache_open(g->state, sg_store_root(p->c.store), g->name, &cache, err);
    uint32_t n = 0;

    for (uint32_t i = 0; ok && cache != NULL && i < g->n_stages; i++)
        ok = sg_cache_stage(cache, g->stages[i].name, &g->stages[i].cal, &n, err);
    for (uint32_t i = 0; ok && i < g->n_stages; i++)
        if (left_out(p, i) != 0) {
            l.stage = i;
            ok = look_at_stage(&l, cache, i); /* numbered as the graph is */
        }
    sg_cache_close(cache);
    return ok;
}

bool sg_debt_look(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    struct sg_error ignored = SG_ERROR_INIT;
    int64_t left = 0, all = 0;

    for (uint32_t i = 0; i < g->n_stages; i++) {
        int64_t n = left_out(p, i);

        left = n > MANY || left + n > MANY ? MANY : left + n;
        if (n != 0 && n != INT64_MAX)
            all += p->stages[i].pub.due_end - sg_plan_stage_at(p, i)->exists.first;
        if (all > MANY)
            return true;
    }
    if (left == 0)
        return true;
    p->outside =
        SG_ARENA_NEW(&p->arena, (size_t)g->n_stages * SG_REASON_COUNT, struct sg_debt_count, err);
    if (p->outside == NULL)
        return false;
    /* It is a hint, and not worth requests. */
    if (!look(p, left <= FEW && sg_store_threads(p->c.store) == 0, &ignored))
        p->outside = NULL; /* nobody asked for it: what it met is told where it is asked for */
    return true;
}

/* ---- telling */

static void tell(const struct sg_stage *s, const struct sg_debt_count *counts, bool outside,
                 sg_plan_debt_fn *fn, void *ctx)
{
    for (int r = SG_REASON_FORCED; r < SG_REASON_COUNT; r++)
        if (counts[r].n != 0) {
            struct sg_debt d = { .stage = s,
                                 .reason = (enum sg_reason)r,
                                 .count = counts[r].n,
                                 .outside = outside,
                                 .first = counts[r].first,
                                 .end = counts[r].end };

            fn(ctx, &d);
        }
}

void sg_plan_debts(const struct sg_plan *p, sg_plan_debt_fn *fn, void *ctx)
{
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        uint32_t stage = p->c.graph->order[i].i;
        const struct sg_plan_stage *v = &p->stages[stage].pub;
        struct sg_debt_count in[SG_REASON_COUNT];

        memset(in, 0, sizeof(in));
        for (uint32_t id = v->base; v->n_debt != 0 && id < v->base + (uint32_t)(v->hi - v->lo);
             id++)
            if (p->verdict[id] == SG_VERDICT_DEBT)
                add(&in[p->reason[id]], v->lo + (int64_t)(id - v->base));
        tell(sg_plan_stage_at(p, stage), in, false, fn, ctx);
        if (p->outside != NULL)
            tell(sg_plan_stage_at(p, stage), count_of(p->outside, stage, 0), true, fn, ctx);
    }
}
