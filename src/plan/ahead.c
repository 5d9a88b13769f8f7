/*
 * Receipts of one stage read again, many at once.
 *
 * Where inputs have changed or are gone, the receipt tells which, and where a look costs a request
 * these are not made one after the other. What can't be done here the judgement does by itself.
 */
#include "plan_impl.h"

#include <stdlib.h>

#define FEW_AGAIN 16 /* receipts that are read again one by one, and by their own identity */

struct ahead {
    struct sg_plan *p;
    const struct sg_stage *s;
};

static bool compare_ahead(struct ahead *a, struct sg_compared *c, struct sg_error *err)
{
    static const struct sg_entry there = { .kind = SG_ENTRY_UNSEEN };
    struct sg_plan *p = a->p;
    const struct sg_plan_stage *v = &p->stages[a->s->id.i].pub;
    const int64_t index = v->lo + (int64_t)(c->node - v->base);
    struct sg_arena own = SG_ARENA_INIT;
    struct sg_buf dir = SG_BUF_INIT;
    struct sg_receipt r = { .run = NULL };
    struct sg_marker m;
    char node[SG_NODE_TEXT];
    bool ok;

    sg_node_format(a->s, index, node);
    ok = sg_plan_dir(p, a->s, index, &dir, err) &&
         sg_marker_read_seen(p->c.store, sg_buf_text(&dir), a->s->marker, node, &there, &own, &m,
                             &r, err);
    if (ok && (m.kind == SG_MARKER_DONE || m.kind == SG_MARKER_ACCEPTED) && r.inputs != NULL) {
        pthread_mutex_lock(&p->lock);
        ok = sg_inputs_compare(p, a->s, index, &r, false, &c->changed, c->gone, err);
        pthread_mutex_unlock(&p->lock);
        c->done = ok;
        if (sg_version_short(m.version) == p->version[c->node])
            c->recorded = m.inputs;
    }
    sg_buf_done(&dir);
    sg_arena_done(&own);
    return ok;
}

static bool compare_chunk(void *ctx, size_t first, size_t end, struct sg_error *err)
{
    struct ahead *a = ctx;

    for (size_t i = first; i < end; i++)
        if (!compare_ahead(a, &a->p->compared[i], err))
            return false;
    return true;
}

static bool needs(const struct sg_stage *s, struct sg_stage_id of)
{
    for (uint32_t k = 0; k < s->n_needs; k++)
        if (s->needs[k].of.i == of.i)
            return true;
    return false;
}

bool sg_ahead_look(struct sg_plan *p, const struct sg_stage *s, struct sg_arena *a,
                   struct sg_error *err)
{
    const struct sg_plan_stage *v = &p->stages[s->id.i].pub;
    struct ahead ahead = { p, s };

    p->n_compared = 0;
    if (sg_store_threads(p->c.store) == 0 || s->partial || s->is_source || needs(s, s->id))
        return true;
    p->compared = SG_ARENA_NEW(a, (size_t)(v->hi - v->lo), struct sg_compared, err);
    if (p->compared == NULL)
        return false;
    for (int64_t x = v->lo; x < v->hi; x++) {
        uint32_t id = v->base + (uint32_t)(x - v->lo);
        struct sg_compared *c = &p->compared[p->n_compared];

        if (!(p->flags[id] & SG_NODE_ASKED) ||
            (p->kind[id] != SG_MARKER_DONE && p->kind[id] != SG_MARKER_ACCEPTED))
            continue;
        sg_sweep_parts(p, s, x);
        if (!sg_has_other_inputs(p, id))
            continue;
        c->node = id;
        c->gone = SG_ARENA_NEW(a, s->n_needs, unsigned char, err);
        if (c->gone == NULL)
            return false;
        p->n_compared++;
    }
    if (p->n_compared <= FEW_AGAIN)
        p->n_compared = 0;
    return sg_in_chunks(p->c.store, p->n_compared, compare_chunk, &ahead, err);
}

static int compare_nodes(const void *a, const void *b)
{
    const struct sg_compared *x = a, *y = b;

    return x->node < y->node ? -1 : x->node > y->node;
}

bool sg_ahead_take(struct sg_plan *p, const struct sg_stage *s, uint32_t id, struct sg_facts *f,
                   bool *ret, struct sg_error *err)
{
    const struct sg_compared key = { .node = id }, *c = NULL;

    if (p->n_compared != 0)
        c = bsearch(&key, p->compared, p->n_compared, sizeof(key), compare_nodes);
    *ret = c != NULL && c->done;
    if (!*ret)
        return true;
    f->input = c->changed;
    for (uint32_t k = 0; (p->flags[id] & SG_NODE_ASKED) && k < s->n_needs; k++)
        p->stages[s->id.i].tally[k].gone += c->gone[k];
    return c->changed != NULL || sg_seen_note(p, s, id, c->recorded, c->gone, err);
}
