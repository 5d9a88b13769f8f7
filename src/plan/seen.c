/*
 * What was found of a receipt whose inputs are not the recorded ones: kept in the cache of markers,
 * so that it is not read again for each plan. docs/design.md, "The cache of markers".
 *
 * Where inputs are gone, a receipt counts as it was, which its digest can't tell: each of its
 * versions has to be held against today's. What came out depends on the receipt, the versions of
 * today with their places, and on nothing else, so the record of such a marker gets a digest of
 * these in place of the recorded one, and says which needs stand on inputs that are gone. Only
 * "nothing changed" is kept: what is stale is made again, and then its record is another.
 */
#include "plan_impl.h"

#include <stdlib.h>

#define SEEN       0x8000u /* the record's digest is of what was seen; below are bits of needs */
#define SEEN_NEEDS 15u

/* What an input that is being made will be counts, or that nobody makes it: that changes without
 * its version. */
static bool is_settled(const struct sg_plan *p)
{
    return !(p->met_parts & (SG_MEET_BIT(SG_MEET_RUN) | SG_MEET_BIT(SG_MEET_HELD)));
}

/* Versions and where they are: p->places has room for the digest in front of the places. */
static uint64_t placed_digest(const struct sg_plan *p)
{
    p->places[0] = sg_digest_of(p->parts, p->n_parts);
    return sg_hash64_of(p->places, (p->n_parts + 1) * sizeof(p->places[0]));
}

bool sg_has_other_inputs(const struct sg_plan *p, uint32_t id)
{
    if (p->flags[id] & SG_NODE_COMPLETES)
        return true;
    if (p->known[id] == 0)
        return sg_digest_of(p->parts, p->n_parts) != p->inputs[id];
    return !is_settled(p) || placed_digest(p) != p->inputs[id];
}

void sg_seen_tally(struct sg_plan *p, const struct sg_stage *s, uint32_t id)
{
    if (p->known[id] != 0 && (p->flags[id] & SG_NODE_ASKED))
        for (uint32_t k = 0; k < s->n_needs && k < SEEN_NEEDS; k++)
            p->stages[s->id.i].tally[k].gone += p->known[id] >> k & 1;
}

bool sg_seen_note(struct sg_plan *p, const struct sg_stage *s, uint32_t id, uint64_t recorded,
                  const unsigned char *gone, struct sg_error *err)
{
    struct sg_seen_node n = { .node = id, .what = { .was = p->inputs[id], .worth = 1 } };
    bool any = false;

    if (recorded == 0 || p->borrows || !is_settled(p) || (p->flags[id] & SG_NODE_COMPLETES) ||
        (p->known[id] == 0 && recorded != p->inputs[id]))
        return true;
    for (uint32_t k = 0; k < s->n_needs; k++) {
        any |= gone[k];
        if (gone[k] && k >= SEEN_NEEDS)
            return true;
        n.what.seen |= (uint16_t)(gone[k] ? 1u << k : 0);
    }
    for (uint32_t k = 0; k < p->n_parts; k++)
        n.what.worth +=
            (uint32_t)(p->parts[k].n / 64); /* some hundred bytes are read as fast as none */
    n.what.inputs = any ? placed_digest(p) : recorded;
    n.what.seen |= any ? SEEN : 0;
    if (!sg_arena_grow(&p->arena, (void **)&p->seen_nodes, p->n_seen, &p->cap_seen, sizeof(n), err))
        return false;
    p->seen_nodes[p->n_seen++] = n;
    return true;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct sg_seen_node *x = a, *y = b;

    return x->node < y->node ? -1 : x->node > y->node;
}

void sg_seen_save(struct sg_plan *p)
{
    struct sg_error ignored = SG_ERROR_INIT;

    if (p->n_seen == 0)
        return;
    qsort(p->seen_nodes, p->n_seen, sizeof(*p->seen_nodes), compare_nodes);
    if (!sg_scan_begin(p, &ignored))
        return;
    for (size_t i = 0; p->cache != NULL && i < p->n_seen; i++) {
        const struct sg_seen_node *n = &p->seen_nodes[i];
        uint32_t stage = sg_plan_stage_of(p, n->node);
        const struct sg_plan_stage *v = &p->stages[stage].pub;

        sg_cache_see(p->cache, stage, v->lo + (int64_t)(n->node - v->base), &n->what);
    }
    sg_scan_end(p);
    p->n_seen = 0;
}
