/*
 * Need rules as edges: the same ranges as sg_need_range() gives, most of them without its
 * arithmetic.
 */
#include "plan_impl.h"

#include <string.h>

/* Seconds of a partition where all are alike and lie on UTC, else 0. */
static int64_t even_length(const struct sg_calendar *c)
{
    switch (c->unit) {
    case SG_UNIT_MINUTES:
        return (int64_t)c->minutes * 60;
    case SG_UNIT_HOUR:
        return 3600;
    case SG_UNIT_DAY:
        return c->zone == NULL || sg_zone_is_utc(c->zone) ? 86400 : 0;
    case SG_UNIT_WEEK:
    case SG_UNIT_MONTH:
    case SG_UNIT_ONCE:
        break;
    }
    return 0;
}

/* Only days can be missing, and only where a zone once skipped a date. */
bool sg_edge_may_have_holes(const struct sg_calendar *c)
{
    return c->unit == SG_UNIT_DAY && even_length(c) == 0;
}

static void make_edge(const struct sg_plan *p, const struct sg_stage *s, const struct sg_need *n,
                      struct sg_edge *e)
{
    const struct sg_stage *x = sg_graph_stage(p->c.graph, n->of);
    int64_t ours = even_length(&s->cal), theirs = even_length(&x->cal);
    bool same = sg_calendar_is(&s->cal, &x->cal);

    e->need = n;
    e->kind = SG_EDGE_RULE;
    e->clip = x->exists;
    e->holes = sg_edge_may_have_holes(&x->cal);
    e->text_hash = sg_hash64_of(n->text, strlen(n->text));
    for (uint32_t k = 0; k < s->n_needs; k++)
        e->shared |= &s->needs[k] != n && s->needs[k].of.i == n->of.i;
    if (n->kind == SG_NEED_LATEST || x->cal.unit == SG_UNIT_ONCE || s->cal.unit == SG_UNIT_ONCE) {
        e->kind = SG_EDGE_FIXED;
        e->range = sg_need_range(p->c.graph, s, n, 0, p->due_end);
    } else if (n->kind == SG_NEED_MEETS && same) {
        e->kind = SG_EDGE_SHIFT;
    } else if (n->kind == SG_NEED_OFFSET && same && !sg_edge_may_have_holes(&x->cal)) {
        e->kind = SG_EDGE_SHIFT;
        e->lo = n->lo;
        e->hi = n->hi;
    } else if (n->kind == SG_NEED_MEETS && ours != 0 && theirs != 0 && ours % theirs == 0) {
        e->kind = SG_EDGE_SPLIT;
        e->factor = ours / theirs;
    }
}

/* Who needs whom, the other way round. */
static bool uses_new(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;

    p->uses = SG_ARENA_NEW(&p->arena, g->n_stages, struct sg_uses, err);
    if (p->uses == NULL)
        return false;
    for (uint32_t i = 0; i < g->n_stages; i++)
        for (uint32_t k = 0; k < g->stages[i].n_needs; k++)
            p->uses[g->stages[i].needs[k].of.i].n++;
    for (uint32_t i = 0; i < g->n_stages; i++) {
        p->uses[i].at = SG_ARENA_NEW(&p->arena, p->uses[i].n, struct sg_use, err);
        p->uses[i].n = 0;
        if (p->uses[i].at == NULL)
            return false;
    }
    for (uint32_t i = 0; i < g->n_stages; i++)
        for (uint32_t k = 0; k < g->stages[i].n_needs; k++) {
            struct sg_uses *u = &p->uses[g->stages[i].needs[k].of.i];

            u->at[u->n++] = (struct sg_use){ i, k };
        }
    return true;
}

bool sg_edges_new(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;

    p->edges = SG_ARENA_NEW(&p->arena, g->n_stages, struct sg_edge *, err);
    if (p->edges == NULL)
        return false;
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = &g->stages[i];

        p->edges[i] = SG_ARENA_NEW(&p->arena, s->n_needs, struct sg_edge, err);
        if (p->edges[i] == NULL)
            return false;
        for (uint32_t k = 0; k < s->n_needs; k++)
            make_edge(p, s, &s->needs[k], &p->edges[i][k]);
    }
    return uses_new(p, err);
}

struct sg_range sg_edge_range(const struct sg_plan *p, const struct sg_stage *s,
                              const struct sg_edge *e, int64_t index)
{
    switch (e->kind) {
    case SG_EDGE_SHIFT:
        return sg_range_cut((struct sg_range){ index + e->lo, index + e->hi + 1 }, e->clip);
    case SG_EDGE_SPLIT:
        return sg_range_cut((struct sg_range){ index * e->factor, (index + 1) * e->factor },
                            e->clip);
    case SG_EDGE_FIXED:
        return e->range;
    case SG_EDGE_RULE:
        break;
    }
    return sg_need_range(p->c.graph, s, e->need, index, p->due_end);
}

struct sg_id_range sg_edge_ids(const struct sg_plan *p, const struct sg_stage *s,
                               const struct sg_edge *e, int64_t index)
{
    const struct sg_plan_stage *x = &p->stages[e->need->of.i].pub;
    struct sg_range r =
        sg_range_cut(sg_edge_range(p, s, e, index), (struct sg_range){ x->lo, x->hi });

    if (r.end == r.first)
        return (struct sg_id_range){ x->base, x->base };
    return (struct sg_id_range){ x->base + (uint32_t)(r.first - x->lo),
                                 x->base + (uint32_t)(r.end - x->lo) };
}
