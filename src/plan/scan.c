/*
 * What the store says of the view: claims first, then markers and sources.
 *
 * In that order, because a node that is done between the two looks is then seen with its claim and
 * its marker: it counts as held, or as done; never as missing. One that is begun between them may
 * have lost its marker to its attempt, so where inputs are missing the claims are looked at again.
 */
#include "scan_impl.h"

#include <string.h>

#include "stagegraph/claim.h"

#define BATCH 65536u /* nodes whose markers are looked at before what is new goes to the cache */

/* ---- markers and sources */

static bool is_stamped(enum sg_marker_kind k)
{
    return k == SG_MARKER_DONE || k == SG_MARKER_ACCEPTED;
}

static bool scan_full(struct sg_scan_batch *b, bool sources, struct sg_error *err)
{
    bool ok = sources ? sg_scan_sources(b, err) : sg_scan_markers(b, err);

    b->n = 0;
    return ok;
}

/* What is not due is there for nobody, whatever its marker says: only who asks for it reads it. */
static bool is_for_nobody(const struct sg_plan *p, uint32_t stage, uint32_t id)
{
    return !(p->flags[id] & SG_NODE_ASKED) && sg_plan_is_early(p, stage, id);
}

static bool scan_nodes(struct sg_scan_batch *b, size_t cap, bool sources, struct sg_error *err)
{
    struct sg_plan *p = b->p;
    const uint16_t want = SG_NODE_ASKED | SG_NODE_NEEDED | SG_NODE_LOOKED;

    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;

        if (sg_plan_stage_at(p, i)->is_source != sources)
            continue;
        for (uint32_t id = v->base; id < v->base + (uint32_t)(v->hi - v->lo); id++) {
            if (!(p->flags[id] & want) || (p->flags[id] & (SG_NODE_HOLE | SG_NODE_SCANNED)) ||
                is_for_nobody(p, i, id))
                continue;
            b->items[b->n++] = (struct sg_scan_item){ .node = id, .stage = i };
            if (b->n == cap && !scan_full(b, sources, err))
                return false;
        }
    }
    return b->n == 0 || scan_full(b, sources, err);
}

static void find_done(struct sg_plan *p)
{
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;
        uint32_t first = v->base, end = v->base + (uint32_t)(v->hi - v->lo);

        while (first < end && p->kind[first] != SG_MARKER_DONE)
            first++;
        while (end > first && p->kind[end - 1] != SG_MARKER_DONE)
            end--;
        p->stages[i].done = (struct sg_id_range){ first, end };
    }
}

/* ---- times that a directory did not tell */

#define WANTED INT64_MIN /* as a time, until it is known */

/* Inputs that may have been made after this foreign marker. */
static bool want_times(struct sg_plan *p, const struct sg_stage *s, int64_t index, uint32_t id)
{
    bool any = false;

    for (uint32_t k = 0; k < s->n_needs; k++) {
        struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[s->id.i][k], index);

        ids = sg_window_done(p, s->needs[k].of.i, ids);
        for (uint32_t x = ids.first; !s->needs[k].order_only && x < ids.end; x++)
            if (p->kind[x] == SG_MARKER_DONE && p->mtime_ns[x] < 0 && p->mtime_ns[x] != WANTED &&
                -p->mtime_ns[x] > p->mtime_ns[id]) {
                p->mtime_ns[x] = WANTED;
                any = true;
            }
    }
    return any;
}

static bool take_times(struct sg_scan_batch *b, struct sg_error *err)
{
    struct sg_store *store = b->p->c.store;
    const size_t n = b->n;

    b->n = 0;
    if (n == 0)
        return true;
    if (!sg_in_chunks(store, n, sg_scan_paths, b, err) ||
        !sg_store_stat_many(store, b->paths, n, b->entries, err))
        return false;
    for (size_t i = 0; i < n; i++) /* gone meanwhile: later than nothing */
        b->p->mtime_ns[b->items[i].node] =
            b->entries[i].kind == SG_ENTRY_FILE ? b->entries[i].ident.mtime_ns : 0;
    return true;
}

/* A foreign marker is compared by time, so there the inputs' own times count. */
static bool scan_times(struct sg_scan_batch *b, size_t cap, struct sg_error *err)
{
    struct sg_plan *p = b->p;
    bool any = false;

    for (uint32_t id = 0; id < p->n_nodes; id++) {
        uint32_t i;

        if (p->kind[id] != SG_MARKER_FOREIGN || !(p->flags[id] & SG_NODE_SCANNED) ||
            !(p->flags[id] & (SG_NODE_ASKED | SG_NODE_LOOKED)))
            continue;
        i = sg_plan_stage_of(p, id);
        any |= want_times(p, sg_plan_stage_at(p, i),
                          p->stages[i].pub.lo + (int64_t)(id - p->stages[i].pub.base), id);
    }
    for (uint32_t id = 0; any && id < p->n_nodes; id++) {
        if (p->mtime_ns[id] != WANTED)
            continue;
        b->items[b->n++] = (struct sg_scan_item){ .node = id, .stage = sg_plan_stage_of(p, id) };
        if (b->n == cap && !take_times(b, err))
            return false;
    }
    return take_times(b, err);
}

static bool scan_all(struct sg_plan *p, struct sg_error *err)
{
    size_t cap = p->n_nodes < BATCH ? p->n_nodes : BATCH, grain = sg_chunk_grain(p->c.store);
    size_t chunks = (cap + grain - 1) / grain;
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_scan_batch b = { .p = p, .grain = grain };
    bool ok;

    b.items = SG_ARENA_NEW(&a, cap, struct sg_scan_item, err);
    b.entries = SG_ARENA_NEW(&a, cap, struct sg_entry, err);
    b.found = SG_ARENA_NEW(&a, cap, struct sg_entry, err);
    b.paths = SG_ARENA_NEW(&a, cap, const char *, err);
    b.receipts = SG_ARENA_NEW(&a, cap, bool, err);
    b.texts = SG_ARENA_NEW(&a, chunks, struct sg_buf, err);
    b.notes = SG_ARENA_NEW(&a, chunks, struct sg_buf, err);
    ok = b.items != NULL && b.entries != NULL && b.found != NULL && b.paths != NULL &&
         b.receipts != NULL && b.texts != NULL && b.notes != NULL &&
         scan_nodes(&b, cap, false, err);
    if (ok)
        find_done(p);
    ok = ok && (!sg_store_is_write_once(p->c.store) || scan_times(&b, cap, err)) &&
         scan_nodes(&b, cap, true, err);
    for (size_t i = 0; b.notes != NULL && i < chunks; i++) {
        sg_buf_done(&b.texts[i]);
        sg_buf_done(&b.notes[i]);
    }
    sg_arena_done(&a);
    return ok;
}

/* ---- both together */

/* A dead claim whose very attempt wrote the receipt is only a left-over: the node is done. */
static bool settle_dead(struct sg_plan *p, const struct sg_seen_claim *c, struct sg_error *err)
{
    uint32_t stage = sg_plan_stage_of(p, c->node);
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    int64_t index = p->stages[stage].pub.lo + (int64_t)(c->node - p->stages[stage].pub.base);
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_buf dir = SG_BUF_INIT;
    struct sg_receipt r = { .run = NULL };
    struct sg_marker m;
    char node[SG_NODE_TEXT];
    bool ok;

    sg_node_format(s, index, node);
    ok = sg_plan_dir(p, s, index, &dir, err) &&
         sg_plan_marker(p, s, index, sg_buf_text(&dir), &a, &m, &r, NULL, err);
    if (ok && (m.kind == SG_MARKER_DONE || m.kind == SG_MARKER_ACCEPTED) && r.run != NULL &&
        c->run[0] != '\0' && strcmp(r.run, c->run) == 0 && r.attempt == c->attempt)
        p->flags[c->node] &= (uint16_t)~SG_NODE_DEAD;
    sg_buf_done(&dir);
    sg_arena_done(&a);
    return ok || sg_error_wrap(err, "%s", node);
}

/* THERE and the version. A partial marker makes nothing there: not while the node is not due
 * (early), and then not before it is judged and found complete. */
static void settle(struct sg_plan *p, uint32_t node, bool early)
{
    enum sg_marker_kind k = (enum sg_marker_kind)p->kind[node];
    bool there = !early && (is_stamped(k) || k == SG_MARKER_FOREIGN);

    if (p->flags[node] & SG_NODE_COMPLETES) {
        if (p->flags[node] & SG_NODE_ASKED)
            return; /* judge_asked() does */
        p->flags[node] &= (uint16_t)~SG_NODE_COMPLETES;
        there = false;
    }
    if (there && !(p->flags[node] & (SG_NODE_UNFINISHED | SG_NODE_DEAD))) {
        p->flags[node] |= SG_NODE_THERE;
        return;
    }
    p->flags[node] &= (uint16_t)~SG_NODE_THERE;
    p->version[node] = 0;
}

/* Is an input that a stage makes not there? */
static bool misses_inputs(const struct sg_plan *p)
{
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;

        if (!sg_plan_stage_at(p, i)->is_source)
            for (uint32_t id = v->base; id < v->base + (uint32_t)(v->hi - v->lo); id++)
                if ((p->flags[id] & SG_NODE_NEEDED) && (p->flags[id] & SG_NODE_SCANNED) &&
                    p->kind[id] == SG_MARKER_ABSENT)
                    return true;
    }
    return false;
}

/* A job's own marker, from its end until the receipt takes its place or the attempt fails. What
 * runs nothing (accept) leaves a foreign marker as it was. */
static void forget_unfinished(struct sg_plan *p, const struct sg_seen_claim *c)
{
    if ((p->flags[c->node] & SG_NODE_HELD) && c->alive && c->attempt != SG_NO_ATTEMPT &&
        p->kind[c->node] == SG_MARKER_FOREIGN)
        p->kind[c->node] = SG_MARKER_ABSENT;
}

static bool scan(struct sg_plan *p, bool few, struct sg_error *err)
{
    if (!sg_scan_claims(p, few, false, err) || !sg_scan_listed(p, err) || !scan_all(p, err) ||
        (misses_inputs(p) && !sg_scan_claims(p, few, true, err)))
        return false;
    for (size_t i = 0; i < p->n_claims; i++) {
        const struct sg_seen_claim *c = &p->claims[i];
        enum sg_marker_kind k = (enum sg_marker_kind)p->kind[c->node];

        forget_unfinished(p, c);
        if (!c->alive && (k == SG_MARKER_DONE || k == SG_MARKER_ACCEPTED) &&
            !settle_dead(p, c, err))
            return false;
    }
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;

        if (!sg_plan_stage_at(p, i)->is_source)
            for (uint32_t id = v->base; id < v->base + (uint32_t)(v->hi - v->lo); id++)
                if (p->flags[id] & SG_NODE_SCANNED) /* the hull may be far larger */
                    settle(p, id, sg_plan_is_early(p, i, id));
    }
    return true;
}

bool sg_scan_begin(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    bool ok = true;

    if (p->n_nodes > SG_SCAN_FEW) {
        ok = sg_cache_open(g->state, sg_store_root(p->c.store), g->name, &p->cache, err);
        for (uint32_t i = 0, n; ok && i < g->n_stages; i++) /* they get the numbers of the graph */
            ok = sg_cache_stage(p->cache, g->stages[i].name, &g->stages[i].cal, &n, err);
    }
    if (ok && p->cache != NULL && sg_store_threads(p->c.store) != 0)
        sg_cache_set_dear(p->cache);
    return ok;
}

/* An attempt on a node with a year of inputs looks at them twice: what the cache knows of each, as
 * it is now, need not be read. */
bool sg_scan(struct sg_plan *p, struct sg_error *err)
{
    const bool many = p->n_nodes > SG_SCAN_SOME && sg_store_threads(p->c.store) == 0;
    bool ok;

    p->borrows = true;
    ok = (!many || sg_scan_begin(p, err)) && scan(p, true, err);
    sg_cache_close(p->cache);
    p->cache = NULL;
    return ok;
}

bool sg_scan_cached(struct sg_plan *p, struct sg_error *err)
{
    return sg_scan_begin(p, err) && scan(p, false, err);
}

static bool is_to_scan(const struct sg_plan *p, uint32_t id)
{
    return (p->flags[id] & (SG_NODE_NEEDED | SG_NODE_SCANNED | SG_NODE_HOLE)) == SG_NODE_NEEDED;
}

/* What was scanned before is settled, and judged. A cache takes stages in one order, so what the
 * first scan has noted is written before. */
bool sg_scan_more(struct sg_plan *p, struct sg_error *err)
{
    struct sg_arena a = SG_ARENA_INIT;
    uint32_t *to_settle = SG_ARENA_NEW(&a, p->n_nodes, uint32_t, err), n = 0;
    bool ok;

    for (uint32_t id = 0; to_settle != NULL && id < p->n_nodes; id++)
        if (is_to_scan(p, id))
            to_settle[n++] = id;
    sg_scan_end(p);
    ok = to_settle != NULL && sg_scan_begin(p, err) && scan_all(p, err);
    for (uint32_t i = 0; ok && i < n; i++) {
        uint32_t stage = sg_plan_stage_of(p, to_settle[i]);

        if (!sg_plan_stage_at(p, stage)->is_source && (p->flags[to_settle[i]] & SG_NODE_SCANNED))
            settle(p, to_settle[i], sg_plan_is_early(p, stage, to_settle[i]));
    }
    sg_arena_done(&a);
    return ok;
}

void sg_scan_end(struct sg_plan *p)
{
    if (p->cache != NULL && sg_cache_pays(p->cache))
        (void)sg_cache_save(p->cache); /* else the next plan reads the markers again */
    sg_cache_close(p->cache);
    p->cache = NULL;
}
