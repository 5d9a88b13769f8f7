/*
 * --with-needs: what nodes that are to run need, though it lies outside of the range, and is not
 * there, is asked for too. docs/design.md, "Requests".
 */
#include "plan_impl.h"

#include <stdlib.h>
#include <string.h>

/* May the request have it made? Never against --only and --upto. */
static bool is_makeable(const struct sg_plan *p, uint32_t stage, int64_t index)
{
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    const struct sg_request *r = p->c.request;

    if (s->is_source || index >= p->due_end[stage])
        return false;
    if (r->only != NULL || r->upto != NULL)
        return p->stages[stage].pub.selected;
    return true;
}

struct more {
    struct sg_plan *p;
    struct sg_plan *seen; /* a set of nodes: details of a scratch plan, by name */
    size_t at;            /* p->extra from here on is new */
};

static bool add(struct more *m, uint32_t stage, int64_t index, struct sg_error *err)
{
    struct sg_plan *p = m->p;
    size_t before = m->seen->detail_index.n;
    char name[SG_NODE_TEXT];
    uint32_t number;

    sg_node_format(sg_plan_stage_at(p, stage), index, name);
    if (!sg_plan_detail(m->seen, name, &number, err))
        return false;
    if (m->seen->detail_index.n == before)
        return true;
    if (!sg_arena_grow(&p->arena, (void **)&p->extra, p->n_extra, &p->cap_extra, sizeof(*p->extra),
                       err))
        return false;
    p->extra[p->n_extra++] = (struct sg_named_node){ { stage }, index };
    return true;
}

/* What was looked at for nodes before, by need: ranges of inputs only move on. */
struct looked {
    uint32_t end;    /* inputs before this id were looked at, whether they can be made */
    uint32_t behind; /* the last of them that is lacking and can't is the one before this id */
    uint32_t added;  /* inputs before this id were added, or belong to no node any more */
};

static uint32_t later(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Lacking, and not asked for already. */
static bool is_wanted(const struct more *m, const struct sg_plan *in, const struct sg_need *n,
                      uint32_t id, int64_t *ret_index)
{
    const struct sg_plan_stage *x = &in->stages[n->of.i].pub;
    struct sg_node_id known;

    if (!sg_sweep_lacks(in, n, id))
        return false;
    *ret_index = x->lo + (int64_t)(id - x->base);
    known = sg_plan_find(m->p, n->of, *ret_index);
    return known.i == SG_NO_NODE || !(m->p->flags[known.i] & SG_NODE_ASKED);
}

/* Adds what the node lacks. `in`: the plan whose view has its inputs. Lacks it something that
 * nobody can make, it won't run, and nothing is made for it. */
static bool add_needs(struct more *m, const struct sg_plan *in, uint32_t stage, int64_t index,
                      struct looked *looked, struct sg_error *err)
{
    const struct sg_stage *s = sg_plan_stage_at(in, stage);
    int64_t input;

    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_need *n = &s->needs[k];
        struct sg_id_range ids = sg_edge_ids(in, s, &in->edges[stage][k], index);

        for (uint32_t id = later(ids.first, looked[k].end); id < ids.end; id++)
            if (is_wanted(m, in, n, id, &input) && !is_makeable(m->p, n->of.i, input))
                looked[k].behind = id + 1;
        looked[k].end = later(looked[k].end, ids.end);
        if (ids.first < ids.end && looked[k].behind > ids.first) /* an empty one lies anywhere */
            return true;
    }
    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_need *n = &s->needs[k];
        struct sg_id_range ids = sg_edge_ids(in, s, &in->edges[stage][k], index);

        for (uint32_t id = later(ids.first, looked[k].added); id < ids.end; id++)
            if (is_wanted(m, in, n, id, &input) && !add(m, n->of.i, input, err))
                return false;
        looked[k].added = later(looked[k].added, ids.end);
    }
    return true;
}

static bool from_plan(struct more *m, struct sg_error *err)
{
    struct sg_plan *p = m->p;

    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;
        struct looked *looked =
            SG_ARENA_NEW(&p->arena, sg_plan_stage_at(p, i)->n_needs, struct looked, err);

        if (looked == NULL)
            return false;
        for (int64_t x = v->lo; x < v->hi; x++) {
            uint32_t id = v->base + (uint32_t)(x - v->lo);

            if (p->verdict[id] == SG_VERDICT_BLOCKED && !add_needs(m, p, i, x, looked, err))
                return false;
        }
    }
    return true;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct sg_named_node *x = a, *y = b;

    if (x->stage.i != y->stage.i)
        return x->stage.i < y->stage.i ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* The inputs of new nodes are outside of the view: each row of them has a small plan. *last: that
 * of an earlier row of the stage, or NULL, whose inputs are not looked at again. */
static bool from_row(struct more *m, const struct sg_stage *s, struct sg_range row,
                     struct sg_plan **last, struct sg_error *err)
{
    struct looked *looked = NULL;
    struct sg_plan *small;
    bool ok;

    if (!sg_plan_small(m->p, s, row, &small, err))
        return false;
    ok = (*last == NULL || sg_more_carry(small, *last, err)) && sg_scan(small, err);
    sg_plan_free(*last);
    *last = small;
    if (ok)
        looked = SG_ARENA_NEW(&small->arena, s->n_needs, struct looked, err);
    ok = looked != NULL;
    for (int64_t x = row.first; ok && x < row.end; x++)
        ok = add_needs(m, small, s->id.i, x, looked, err);
    return ok;
}

/* What was added since, in the order of time, whatever that needs next, and so on. */
static bool from_new(struct more *m, struct sg_error *err)
{
    const uint32_t n_stages = m->p->c.graph->n_stages;
    struct sg_plan **last = SG_ARENA_NEW(&m->seen->arena, n_stages, struct sg_plan *, err);
    bool ok = last != NULL;

    while (ok && m->at < m->p->n_extra) {
        size_t end = m->p->n_extra;

        qsort(m->p->extra + m->at, end - m->at, sizeof(*m->p->extra), compare_nodes);
        while (ok && m->at < end) {
            struct sg_named_node n = m->p->extra[m->at++]; /* the array may move */
            struct sg_range row = { n.index, n.index + 1 };

            while (m->at < end && m->p->extra[m->at].stage.i == n.stage.i &&
                   m->p->extra[m->at].index == row.end) {
                row.end++;
                m->at++;
            }
            ok = from_row(m, sg_plan_stage_at(m->p, n.stage.i), row, &last[n.stage.i], err);
        }
    }
    for (uint32_t i = 0; last != NULL && i < n_stages; i++)
        sg_plan_free(last[i]);
    return ok;
}

bool sg_more_needs(struct sg_plan *p, bool *ret_any, struct sg_error *err)
{
    struct sg_plan scratch = { .n_details = 0 };
    struct more m = { .p = p, .seen = &scratch, .at = p->n_extra };
    size_t before = p->n_extra;
    bool ok;

    ok = from_plan(&m, err) && from_new(&m, err);
    sg_arena_done(&scratch.arena);
    *ret_any = p->n_extra > before;
    return ok;
}

bool sg_more_carry(struct sg_plan *p, const struct sg_plan *from, struct sg_error *err)
{
    const uint16_t want = SG_NODE_ASKED | SG_NODE_NEEDED | SG_NODE_LOOKED;

    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub, *was = &from->stages[i].pub;

        for (int64_t x = was->lo < v->lo ? v->lo : was->lo; x < was->hi && x < v->hi; x++) {
            uint32_t to = v->base + (uint32_t)(x - v->lo), at = was->base + (uint32_t)(x - was->lo);

            /* The version of what is interrupted, or partial, was dropped: it is read again. So is
             * what was held: by now it may be done. */
            if (!(p->flags[to] & want) || sg_plan_stage_at(p, i)->partial ||
                (from->flags[at] & (SG_NODE_SCANNED | SG_NODE_DEAD | SG_NODE_HELD)) !=
                    SG_NODE_SCANNED)
                continue;
            p->flags[to] |=
                from->flags[at] & (SG_NODE_SCANNED | SG_NODE_THERE | SG_NODE_UNFINISHED);
            p->kind[to] = from->kind[at];
            p->version[to] = from->version[at];
            p->inputs[to] = from->inputs[at];
            p->known[to] = from->known[at];
            p->mtime_ns[to] = from->mtime_ns[at];
            if (from->recipe[at] != 0 &&
                !sg_recipe_seen(p, i, from->recipes[from->recipe[at]].hash, &p->recipe[to], err))
                return false;
        }
    }
    return true;
}
