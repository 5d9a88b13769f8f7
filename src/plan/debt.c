/*
 * Debt: what is stale and will not run now. docs/design.md, "Debt".
 *
 * Outside of the asked set nodes are not judged: only the recipe that they were made by is held
 * against today's, which tells code, command, params, version and need rules. A few markers are
 * read; of many, the cache of markers says by which recipes they were made, in a few numbers, and
 * the view, which it counts too, is taken out. Nothing here grows with the history. Where there is
 * no cache nothing is said. Whoever wants to know exactly asks for the range.
 */
#include "plan_impl.h"

#include <string.h>

#define FEW  128                /* markers that are read; of more there may be a cache */
#define MANY ((int64_t)1 << 20) /* partitions of a cache that are still little to go through */
/* Partitions in the cache that are not due that are little: a clock that was set back. */
#define NOT_DUE 4032

/* Markers of one stage by another recipe than today's, as the cache counts them. */
struct made {
    struct sg_hash128 recipe;
    uint32_t reason;
    uint64_t n;           /* without those that are asked, or not due */
    uint64_t n_seen;      /* of them inside of the view, with those that are asked */
    struct sg_range hull; /* of all */
    struct sg_range seen; /* of those in the view that nobody asked about */
};

struct look {
    struct sg_plan *p;
    uint32_t stage;
    struct sg_range due;
    uint32_t recipe; /* the last one seen */
    struct made *made;
    size_t n_made, cap_made;
    struct sg_arena a;
    struct sg_error *err;
    bool failed;
};

static struct sg_debt_count *count_of(struct sg_debt_count *all, uint32_t stage, uint32_t reason)
{
    return &all[stage * SG_REASON_COUNT + reason];
}

static void add_hull(struct sg_debt_count *c, uint32_t n, struct sg_range hull)
{
    if (c->n == 0 || hull.first < c->first)
        c->first = hull.first;
    if (c->n == 0 || hull.end > c->end)
        c->end = hull.end;
    c->n += n;
}

static void add(struct sg_debt_count *c, int64_t index)
{
    add_hull(c, 1, (struct sg_range){ index, index + 1 });
}

static bool is_asked(const struct sg_plan *p, uint32_t stage, int64_t index)
{
    const struct sg_plan_stage *v = &p->stages[stage].pub;

    return index >= v->lo && index < v->hi &&
           (p->flags[v->base + (uint32_t)(index - v->lo)] & SG_NODE_ASKED);
}

/* Why what was made by that recipe is stale; 0: it is not. */
static bool reason_of(struct look *l, struct sg_hash128 recipe, uint32_t *ret)
{
    const struct sg_recipe_change *change = NULL;
    uint32_t reasons;

    if (!sg_recipe_seen(l->p, l->stage, recipe, &l->recipe, l->err) ||
        !sg_recipe_change(l->p, l->recipe, &change, l->err))
        return false;
    *ret = 0;
    if (change == NULL)
        return true;
    reasons = change->reasons != 0 ? change->reasons : SG_REASON_BIT(SG_REASON_CODE);
    *ret = (uint32_t)__builtin_ctz(reasons);
    return true;
}

/* One node that nobody asked about, made by that recipe. */
static bool weigh(struct look *l, int64_t index, struct sg_hash128 recipe)
{
    uint32_t reason;

    if (!reason_of(l, recipe, &reason))
        return false;
    if (reason != 0)
        add(count_of(l->p->outside, l->stage, reason), index);
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

/* ---- from the cache's own numbers */

static bool on_made(void *ctx, const struct sg_cache_made *m)
{
    struct look *l = ctx;
    struct made *to;
    uint32_t reason = 0;

    l->failed = !reason_of(l, m->recipe, &reason);
    if (l->failed || reason == 0)
        return !l->failed;
    l->failed =
        !sg_arena_grow(&l->a, (void **)&l->made, l->n_made, &l->cap_made, sizeof(*to), l->err);
    if (l->failed)
        return false;
    to = &l->made[l->n_made++];
    *to = (struct made){ .recipe = m->recipe, .reason = reason, .n = m->n, .hull = m->hull };
    return true;
}

static struct made *find_made(const struct look *l, struct sg_hash128 recipe)
{
    for (size_t i = 0; i < l->n_made; i++)
        if (sg_hash128_is(l->made[i].recipe, recipe))
            return &l->made[i];
    return NULL;
}

/* What is in the view, or not due, is taken out; what of it nobody asked about comes in again. */
static bool take_out(void *ctx, int64_t index, enum sg_marker_kind kind, struct sg_hash128 recipe)
{
    struct look *l = ctx;
    struct made *m =
        kind == SG_MARKER_DONE || kind == SG_MARKER_ACCEPTED ? find_made(l, recipe) : NULL;
    bool due = index >= l->due.first && index < l->due.end;

    if (m == NULL || m->n == 0)
        return true;
    if (!due || is_asked(l->p, l->stage, index)) {
        m->n--;
        return true;
    }
    m->n_seen++;
    if (m->seen.end == m->seen.first)
        m->seen = (struct sg_range){ index, index + 1 };
    if (index < m->seen.first)
        m->seen.first = index;
    if (index >= m->seen.end)
        m->seen.end = index + 1;
    return true;
}

/* Where those outside of the view may be, and those that were seen inside. */
static struct sg_range hull_of(const struct made *m, struct sg_range due, struct sg_range view)
{
    struct sg_range out = sg_range_cut(m->hull, due);

    if (m->n == m->n_seen)
        return m->seen;
    if (out.first >= view.first && out.first < view.end)
        out.first = view.end;
    if (out.end > view.first && out.end <= view.end)
        out.end = view.first;
    if (m->n_seen != 0 && m->seen.first < out.first)
        out.first = m->seen.first;
    if (m->n_seen != 0 && m->seen.end > out.end)
        out.end = m->seen.end;
    return out;
}

/* *ret false: the cache does not say, or it would take long. */
static bool take_numbers(struct look *l, const struct sg_cache *cache, uint32_t number, bool *ret)
{
    const struct sg_plan_stage *v = &l->p->stages[l->stage].pub;
    const struct sg_range view = { v->lo, v->hi };
    struct sg_range before = { INT64_MAX, l->due.first }, after = { l->due.end, INT64_MIN };

    l->n_made = 0;
    *ret = sg_cache_made(cache, number, on_made, l);
    if (l->failed || !*ret)
        return !l->failed;
    for (size_t i = 0; i < l->n_made; i++) {
        if (l->made[i].hull.first < before.first)
            before.first = l->made[i].hull.first;
        if (l->made[i].hull.end > after.end)
            after.end = l->made[i].hull.end;
    }
    if ((before.first < before.end && before.end - before.first > NOT_DUE) ||
        (after.first < after.end && after.end - after.first > NOT_DUE)) {
        *ret = false; /* start or end were moved: what is due is gone through instead */
        return true;
    }
    if (l->n_made == 0)
        return true;
    sg_cache_walk(cache, number, before, take_out, l);
    sg_cache_walk(cache, number, sg_range_cut(view, l->due), take_out, l);
    sg_cache_walk(cache, number, after, take_out, l);
    for (size_t i = 0; i < l->n_made; i++)
        if (l->made[i].n != 0)
            add_hull(count_of(l->p->outside, l->stage, l->made[i].reason), (uint32_t)l->made[i].n,
                     hull_of(&l->made[i], l->due, view));
    return true;
}

/* ---- from markers */

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

/* Partitions of all stages that are due, at most MANY + 1. */
static int64_t all_due(const struct sg_plan *p)
{
    int64_t all = 0;

    for (uint32_t i = 0; i < p->c.graph->n_stages && all <= MANY; i++) {
        int64_t n = left_out(p, i);

        if (n != 0 && n != INT64_MAX)
            n = p->stages[i].pub.due_end - sg_plan_stage_at(p, i)->exists.first;
        all = n > MANY ? MANY + 1 : all + n;
    }
    return all;
}

static bool look_at_stage(struct look *l, struct sg_cache *cache, uint32_t number)
{
    const struct sg_stage *s = sg_plan_stage_at(l->p, l->stage);
    struct sg_error ignored = SG_ERROR_INIT;
    bool taken;

    l->due = (struct sg_range){ s->exists.first, l->p->stages[l->stage].pub.due_end };
    l->recipe = 0;
    if (!l->p->stages[l->stage].has_recipe && !sg_plan_recipe(l->p, l->stage, &ignored))
        return true; /* a recipe that can't be had is told where the stage is asked for */
    if (cache == NULL)
        return read_few(l);
    if (!take_numbers(l, cache, number, &taken))
        return false;
    if (!taken && all_due(l->p) <= MANY)
        sg_cache_walk(cache, number, l->due, on_cached, l);
    return !l->failed;
}

static bool look(struct sg_plan *p, bool few, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    struct look l = { .p = p, .a = SG_ARENA_INIT, .err = err };
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
    sg_arena_done(&l.a);
    return ok;
}

bool sg_debt_look(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    struct sg_error ignored = SG_ERROR_INIT;
    int64_t left = 0;

    for (uint32_t i = 0; i < g->n_stages && left < MANY; i++) {
        int64_t n = left_out(p, i);

        left = n > MANY ? MANY : left + n;
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
