/*
 * The view: a range a stage that holds what is asked for and what that needs, and what is what in
 * it.
 */
#include "plan_impl.h"

static void widen(struct sg_plan_stage *v, struct sg_range r)
{
    if (r.end <= r.first)
        return;
    if (v->lo == v->hi) {
        v->lo = r.first;
        v->hi = r.end;
        return;
    }
    if (v->lo > r.first)
        v->lo = r.first;
    if (v->hi < r.end)
        v->hi = r.end;
}

/* The hull of what the nodes of a range need: ranges only move on with the index, but those at the
 * edge of X's life may be empty. */
static struct sg_range edge_hull(const struct sg_plan *p, const struct sg_stage *s,
                                 const struct sg_edge *e, struct sg_range of)
{
    struct sg_range first = { 0, 0 }, last = { 0, 0 };

    for (int64_t x = of.first; x < of.end && first.first == first.end; x++)
        first = sg_edge_range(p, s, e, x);
    for (int64_t x = of.end - 1; x >= of.first && last.first == last.end; x--)
        last = sg_edge_range(p, s, e, x);
    return (struct sg_range){ first.first, last.end };
}

static bool widen_by_needs(struct sg_plan *p, uint32_t stage, struct sg_range of,
                           struct sg_error *err)
{
    const struct sg_stage *s = sg_plan_stage_at(p, stage);

    if (of.end <= of.first)
        return true;
    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_edge *e = &p->edges[stage][k];
        struct sg_range r = edge_hull(p, s, e, of);

        if (r.end > r.first && (r.first == INT64_MIN || r.end == INT64_MAX))
            return sg_error_set(err, SG_ERROR_USAGE, 0, "%s needs all of %s, which has no start",
                                s->name, sg_graph_stage(p->c.graph, e->need->of)->name);
        widen(&p->stages[e->need->of.i].pub, r);
    }
    return true;
}

static bool number_nodes(struct sg_plan *p, struct sg_error *err)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        struct sg_plan_stage *v = &p->stages[i].pub;

        v->base = (uint32_t)n;
        n += (uint64_t)(v->hi - v->lo);
        if (n >= SG_NO_NODE)
            return sg_error_set(err, SG_ERROR_LIMIT, 0, "more than %u partitions are in the range",
                                SG_NO_NODE - 1);
    }
    p->n_nodes = (uint32_t)n;
    p->flags = SG_ARENA_NEW(&p->arena, n, uint16_t, err);
    p->reasons = SG_ARENA_NEW(&p->arena, n, uint16_t, err);
    p->kind = SG_ARENA_NEW(&p->arena, n, uint8_t, err);
    p->verdict = SG_ARENA_NEW(&p->arena, n, uint8_t, err);
    p->reason = SG_ARENA_NEW(&p->arena, n, uint8_t, err);
    p->detail = SG_ARENA_NEW(&p->arena, n, uint32_t, err);
    p->recipe = SG_ARENA_NEW(&p->arena, n, uint32_t, err);
    p->version = SG_ARENA_NEW(&p->arena, n, uint64_t, err);
    p->inputs = SG_ARENA_NEW(&p->arena, n, uint64_t, err);
    p->known = SG_ARENA_NEW(&p->arena, n, uint16_t, err);
    p->mtime_ns = SG_ARENA_NEW(&p->arena, n, int64_t, err);
    return p->flags != NULL && p->reasons != NULL && p->kind != NULL && p->verdict != NULL &&
           p->reason != NULL && p->detail != NULL && p->recipe != NULL && p->version != NULL &&
           p->inputs != NULL && p->known != NULL && p->mtime_ns != NULL;
}

static void mark_holes(struct sg_plan *p)
{
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;
        const struct sg_calendar *c = &sg_plan_stage_at(p, i)->cal;
        struct sg_interval in;

        if (!sg_edge_may_have_holes(c))
            continue;
        for (int64_t x = v->lo; x < v->hi; x++)
            if (!sg_calendar_interval(c, x, &in))
                p->flags[v->base + (uint32_t)(x - v->lo)] |= SG_NODE_HOLE;
    }
}

/* What a node needs has been marked, but for its last ones, with what the node before it does. */
void sg_scope_needs(struct sg_plan *p, const struct sg_stage *s, int64_t index)
{
    for (uint32_t k = 0; k < s->n_needs; k++) {
        struct sg_id_range r = sg_edge_ids(p, s, &p->edges[s->id.i][k], index);
        struct sg_id_range *marked = &p->stages[s->id.i].marked[k];
        uint32_t id = r.first;

        if (id >= marked->first && id <= marked->end)
            id = marked->end;
        else
            *marked = r;
        for (; id < r.end; id++)
            p->flags[id] |= SG_NODE_NEEDED;
        if (marked->end < r.end)
            marked->end = r.end;
    }
}

/* May --force touch it? Of named nodes only they themselves, with a window never the lookback. */
static struct sg_range forced_range(const struct sg_plan *p, const struct sg_stage *s)
{
    const struct sg_request *r = p->c.request;
    const struct sg_stage_state *state = &p->stages[s->id.i];
    bool named = r->force != NULL && r->force[s->id.i];
    struct sg_interval range, window;

    if (!named && (!r->force_all || r->n_named != 0))
        return (struct sg_range){ 0, 0 };
    if (r->n_named != 0 || r->has_range || r->window <= 0)
        return state->asked;
    sg_request_window(p->c.graph, r, &range, &window);
    return sg_range_cut(state->asked, sg_calendar_meeting(&s->cal, window));
}

static void mark_asked(struct sg_plan *p, uint32_t stage)
{
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    const struct sg_stage_state *state = &p->stages[stage];
    struct sg_range forced = forced_range(p, s);
    uint32_t base = state->pub.base;

    for (int64_t x = state->asked.first; x < state->asked.end; x++) {
        uint16_t *flags = &p->flags[base + (uint32_t)(x - state->pub.lo)];

        if ((*flags & SG_NODE_HOLE) ||
            (state->reached != NULL && state->reached[x - state->asked.first] == 0) ||
            !sg_plan_may_ask(p, s, x))
            continue;
        *flags |= SG_NODE_ASKED;
        if (x >= forced.first && x < forced.end)
            *flags |= SG_NODE_FORCED;
        sg_scope_needs(p, s, x);
    }
}

/* With --only, nodes outside the selection are taken as they are, and told of when they are stale
 * and somebody runs from them: then, after the sweep, they are looked at like asked ones, with
 * their own inputs. */
static void mark_looked(struct sg_plan *p, uint32_t stage)
{
    const struct sg_plan_stage *v = &p->stages[stage].pub;

    for (uint32_t id = v->base; id < v->base + (uint32_t)(v->hi - v->lo); id++)
        if ((p->flags[id] & (SG_NODE_HOLE | SG_NODE_NEEDED)) == SG_NODE_NEEDED)
            p->flags[id] |= SG_NODE_LOOKED;
}

static bool widen_by_looked(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    struct sg_range *before = SG_ARENA_NEW(&p->arena, g->n_stages, struct sg_range, err);

    if (before == NULL)
        return false;
    for (uint32_t i = 0; i < g->n_stages; i++)
        before[i] = (struct sg_range){ p->stages[i].pub.lo, p->stages[i].pub.hi };
    for (uint32_t i = 0; i < g->n_stages; i++) {
        struct sg_stage_state *state = &p->stages[i];

        state->looked = p->c.request->only != NULL && !state->pub.selected &&
                        !g->stages[i].is_source && before[i].end > before[i].first;
        if (state->looked && !widen_by_needs(p, i, before[i], err))
            return false;
    }
    return true;
}

static void mark_extra(struct sg_plan *p)
{
    for (size_t i = 0; i < p->n_extra; i++) {
        const struct sg_stage *s = sg_graph_stage(p->c.graph, p->extra[i].stage);
        struct sg_plan_stage *v = &p->stages[s->id.i].pub;

        v->selected = true;
        p->flags[v->base + (uint32_t)(p->extra[i].index - v->lo)] |= SG_NODE_ASKED;
        sg_scope_needs(p, s, p->extra[i].index);
    }
}

bool sg_scope_new(struct sg_plan *p, struct sg_error *err)
{
    uint32_t n = p->c.graph->n_stages;

    for (uint32_t i = 0; i < n; i++) {
        widen(&p->stages[i].pub, p->stages[i].asked);
        if (!widen_by_needs(p, i, p->stages[i].asked, err))
            return false;
    }
    for (size_t i = 0; i < p->n_extra; i++) {
        struct sg_named_node x = p->extra[i];
        struct sg_range r = { x.index, x.index + 1 };

        widen(&p->stages[x.stage.i].pub, r);
        if (!widen_by_needs(p, x.stage.i, r, err))
            return false;
    }
    if (!widen_by_looked(p, err) || !number_nodes(p, err))
        return false;
    mark_holes(p);
    for (uint32_t i = 0; i < n; i++)
        mark_asked(p, i);
    mark_extra(p);
    for (uint32_t k = 0; k < p->c.request->n_named && p->c.request->force_all; k++) {
        struct sg_named_node x = p->c.request->named[k];
        const struct sg_plan_stage *v = &p->stages[x.stage.i].pub;

        if (v->selected)
            p->flags[v->base + (uint32_t)(x.index - v->lo)] |= SG_NODE_FORCED;
    }
    for (uint32_t k = 0; k < p->c.request->n_spared; k++) {
        struct sg_named_node x = p->c.request->spared[k];
        const struct sg_plan_stage *v = &p->stages[x.stage.i].pub;

        if (x.index >= v->lo && x.index < v->hi)
            p->flags[v->base + (uint32_t)(x.index - v->lo)] &= (uint16_t)~SG_NODE_FORCED;
    }
    for (uint32_t i = 0; i < n; i++)
        if (p->stages[i].looked)
            mark_looked(p, i);
    return true;
}

bool sg_scope_some(struct sg_plan *p, const struct sg_stage *s, struct sg_range some,
                   struct sg_error *err)
{
    const struct sg_plan_stage *v = &p->stages[s->id.i].pub;

    p->stages[s->id.i].asked = some;
    widen(&p->stages[s->id.i].pub, some);
    if (!widen_by_needs(p, s->id.i, some, err) || !number_nodes(p, err))
        return false;
    mark_holes(p);
    for (int64_t x = some.first; x < some.end; x++) {
        p->flags[v->base + (uint32_t)(x - v->lo)] |= SG_NODE_ASKED;
        sg_scope_needs(p, s, x);
    }
    return true;
}
