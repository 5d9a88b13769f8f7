/*
 * What the store says of the view: claims first, then markers and sources.
 *
 * In that order, because a node that is done between the two looks is then seen with its claim and
 * its marker: it counts as held, or as done; never as missing. One that is begun between them may
 * have lost its marker to its attempt, so where inputs are missing the claims are looked at again.
 */
#include "plan_impl.h"

#include <string.h>

#include "stagegraph/claim.h"

#define BATCH 65536u /* nodes whose markers are looked at before what is new goes to the cache */
#define FEW   16u    /* nodes that are read without a look at which are there */
#define SOME  64u    /* nodes whose own identities are asked for, where that costs a request */

/* ---- markers and sources */

struct scan_item {
    uint32_t node, stage;
    const char *path; /* of the marker; of a source its own */
};

struct scan_batch {
    struct sg_plan *p;
    struct scan_item *items;
    struct sg_entry *entries;
    struct sg_entry *found; /* once it was read */
    const char **paths;
    bool *receipts;       /* what was found at a path is one */
    struct sg_buf *texts; /* the paths, one buffer a chunk */
    struct sg_buf *notes; /* the same: what the cache did not know */
    size_t n, grain;
    size_t before; /* items of the whole batch before these */
    bool looked;   /* the entries say what is there */
};

/* What a marker said, for the cache. */
struct scan_note {
    uint32_t item;
    struct sg_cached m;
};

static int64_t item_index(const struct scan_batch *b, const struct scan_item *i)
{
    const struct sg_plan_stage *v = &b->p->stages[i->stage].pub;

    return v->lo + (int64_t)(i->node - v->base);
}

static bool write_paths(void *ctx, size_t first, size_t end, struct sg_error *err)
{
    struct scan_batch *b = ctx;
    struct sg_buf *text = &b->texts[first / b->grain], dir = SG_BUF_INIT;
    size_t at[SG_CHUNK];
    bool ok = true;

    sg_buf_clear(text);
    for (size_t i = first; ok && i < end; i++) {
        const struct sg_stage *s = sg_plan_stage_at(b->p, b->items[i].stage);

        at[i - first] = text->len;
        ok = sg_plan_dir(b->p, s, item_index(b, &b->items[i]), &dir, err) &&
             sg_buf_add(text, dir.at, dir.len, err) &&
             (s->is_source || ((dir.len == 0 || sg_buf_addc(text, '/', err)) &&
                               sg_buf_adds(text, s->marker, err))) &&
             sg_buf_addc(text, '\0', err);
    }
    for (size_t i = first; ok && i < end; i++)
        b->paths[i] = text->at + at[i - first];
    sg_buf_done(&dir);
    return ok;
}

static bool is_unfinished(const struct sg_stage *s, int64_t index, int64_t mtime_ns)
{
    struct sg_interval i;
    int64_t mtime_s = mtime_ns / SG_NS_PER_S - (mtime_ns % SG_NS_PER_S < 0);

    return s->cal.unit != SG_UNIT_ONCE && sg_calendar_interval(&s->cal, index, &i) &&
           mtime_s < i.end_s;
}

/* Before a marker is read whose age then will decide whether the cache may have it. */
static void note_time(struct sg_plan *p)
{
    struct sg_error ignored = SG_ERROR_INIT;

    pthread_mutex_lock(&p->lock);
    if (p->seen.ns == 0 && !sg_store_now(p->c.store, &p->seen, &ignored))
        p->seen.ns = 1; /* older than any marker: none is kept */
    pthread_mutex_unlock(&p->lock);
}

/* One chunk's way to the markers: what the cache knows, and what it does not. */
struct chunk_cache {
    struct sg_cache *cache; /* NULL: there is none */
    struct sg_cache_look *look;
    struct sg_buf *notes;
    bool keeps;
};

static void chunk_cache_open(struct scan_batch *b, size_t first, struct chunk_cache *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->cache = b->p->cache;
    if (ret->cache == NULL)
        return;
    ret->look = sg_cache_look_new();
    ret->notes = &b->notes[first / b->grain];
    ret->keeps = !b->p->borrows && sg_cache_may_pay(ret->cache, b->p->n_nodes);
    sg_buf_clear(ret->notes);
}

static bool may_be_file(const struct sg_entry *e)
{
    return e->kind == SG_ENTRY_FILE || e->kind == SG_ENTRY_UNSEEN;
}

static bool is_cached(const struct sg_plan *p, const struct chunk_cache *c,
                      const struct scan_item *i, int64_t index, const struct sg_entry *entry,
                      struct sg_marker *ret)
{
    struct sg_cached m;

    if (c->cache == NULL || (p->whole != NULL && p->whole_node == i->node) || entry == NULL ||
        !may_be_file(entry) ||
        !sg_cache_find(c->cache, c->look, i->stage, index, &entry->ident, &m))
        return false;
    *ret = (struct sg_marker){ .kind = m.kind,
                               .ident = m.ident,
                               .version = { m.version, 0 },
                               .recipe = m.recipe,
                               .inputs = m.inputs };
    if (m.seen != 0) /* mostly the array is never touched */
        p->known[i->node] = m.seen;
    return true;
}

static void note_marker(struct chunk_cache *c, size_t item, const struct sg_marker *m)
{
    struct scan_note n = { .item = (uint32_t)item,
                           .m = { .ident = m->ident,
                                  .kind = m->kind,
                                  .version = sg_version_short(m->version),
                                  .recipe = m->recipe,
                                  .inputs = m->inputs } };
    struct sg_error ignored = SG_ERROR_INIT;

    if (m->kind != SG_MARKER_ABSENT && !sg_buf_add(c->notes, &n, sizeof(n), &ignored))
        c->keeps = false; /* no memory for what is disposable */
}

static void keep_notes(struct scan_batch *b)
{
    struct scan_note n;

    for (size_t k = 0; b->p->cache != NULL && k < (b->n + b->grain - 1) / b->grain; k++)
        for (size_t at = 0; at < b->notes[k].len; at += sizeof(n)) {
            memcpy(&n, b->notes[k].at + at, sizeof(n));
            sg_cache_add(b->p->cache, b->items[n.item].stage, item_index(b, &b->items[n.item]),
                         &n.m, b->p->seen);
        }
}

/* Reads it, but where the store shows that there is none; entry NULL: nobody looked. */
static bool get_marker(struct sg_plan *p, const char *path, const struct sg_stage *s, int64_t index,
                       const struct sg_entry *entry, struct sg_buf *dir, struct sg_marker *ret,
                       struct sg_error *err)
{
    size_t len = strlen(path) - strlen(s->marker);
    char node[SG_NODE_TEXT];

    if (entry != NULL && entry->kind == SG_ENTRY_ABSENT) {
        ret->kind = SG_MARKER_ABSENT;
        return true;
    }
    sg_node_format(s, index, node);
    sg_buf_clear(dir);
    if (!sg_buf_add(dir, path, len != 0 ? len - 1 : 0, err))
        return false;
    if (entry != NULL && may_be_file(entry)) {
        if (!sg_marker_read_seen(p->c.store, sg_buf_text(dir), s->marker, node, entry, NULL, ret,
                                 NULL, err))
            return sg_error_wrap(err, "%s", node);
        /* a foreign marker is its own time and length */
        if (ret->kind != SG_MARKER_FOREIGN || !sg_store_is_by_dir(p->c.store, &ret->ident))
            return true;
    }
    return sg_marker_read(p->c.store, sg_buf_text(dir), s->marker, node, NULL, ret, NULL, err) ||
           sg_error_wrap(err, "%s", node);
}

static bool is_stamped(enum sg_marker_kind k)
{
    return k == SG_MARKER_DONE || k == SG_MARKER_ACCEPTED;
}

bool sg_plan_is_partial(const struct sg_plan *p, const struct sg_stage *s, int64_t index)
{
    return s->partial && index >= p->stages[s->id.i].pub.due_end;
}

/* m: the marker. Puts the partial marker in its place where that stands for it. */
static bool read_partial(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                         const char *dir, struct sg_arena *a, struct sg_marker *m,
                         struct sg_receipt *receipt, bool *ret_is, struct sg_error *err)
{
    bool early = sg_plan_is_partial(p, s, index);
    struct sg_receipt r = { .run = NULL };
    struct sg_marker partial;
    char node[SG_NODE_TEXT];

    *ret_is = false;
    if (!s->partial || (early ? is_stamped(m->kind) : m->kind != SG_MARKER_ABSENT))
        return true;
    sg_node_format(s, index, node);
    if (!sg_marker_read(p->c.store, dir, s->partial_marker, node, a, &partial, &r, err))
        return false;
    if (partial.kind == SG_MARKER_FOREIGN) /* it can only be of an unfinished interval */
        partial = (struct sg_marker){ .kind = SG_MARKER_ABSENT };
    if (!early && partial.kind == SG_MARKER_ABSENT)
        return true;
    *ret_is = true;
    *m = partial;
    if (receipt != NULL)
        *receipt = r;
    return true;
}

/* What a decision's caller has listed of the node's marker; NULL: nothing. */
static const struct sg_entry *listed_marker(const struct sg_plan *p, const struct sg_stage *s,
                                            int64_t index)
{
    const struct sg_plan_stage *v = &p->stages[s->id.i].pub;

    return p->claimed && p->claimed_node == v->base + (uint32_t)(index - v->lo) ? p->claimed_seen
                                                                                : NULL;
}

bool sg_plan_marker(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                    const char *dir, struct sg_arena *a, struct sg_marker *ret,
                    struct sg_receipt *ret_receipt, const char **ret_name, struct sg_error *err)
{
    struct sg_marker m = { .kind = SG_MARKER_ABSENT };
    struct sg_receipt r = { .run = NULL };
    const struct sg_entry *seen = listed_marker(p, s, index);
    char node[SG_NODE_TEXT];
    bool partial;

    sg_node_format(s, index, node);
    if (!(seen != NULL && seen->kind == SG_ENTRY_FILE
              ? sg_marker_read_seen(p->c.store, dir, s->marker, node, seen, a, &m, &r, err)
              : sg_marker_read(p->c.store, dir, s->marker, node, a, &m, &r, err)) ||
        !read_partial(p, s, index, dir, a, &m, &r, &partial, err))
        return false;
    *ret = m;
    if (ret_receipt != NULL && sg_marker_is_receipt(m.kind))
        *ret_receipt = r;
    if (ret_name != NULL)
        *ret_name = partial ? s->partial_marker : s->marker;
    return true;
}

/* The same while the markers of a range are read. */
static bool scan_partial(struct sg_plan *p, const char *path, const struct scan_item *i,
                         int64_t index, struct sg_buf *dir, struct sg_marker *m,
                         struct sg_error *err)
{
    const struct sg_stage *s = sg_plan_stage_at(p, i->stage);
    size_t len = strlen(path) - strlen(s->marker);
    bool is;

    sg_buf_clear(dir);
    if (!sg_buf_add(dir, path, len != 0 ? len - 1 : 0, err) ||
        !read_partial(p, s, index, sg_buf_text(dir), NULL, m, NULL, &is, err))
        return false;
    if (is && is_stamped(m->kind) && !sg_plan_is_partial(p, s, index))
        p->flags[i->node] |= SG_NODE_COMPLETES;
    return true;
}

/* The recipe that a thread met last: nearly always it is the next one's too, and nobody has to wait
 * for the others to look its number up. */
struct last_recipe {
    struct sg_hash128 hash;
    uint32_t stage, number; /* number 0: none yet */
};

/* Several threads keep markers, each of nodes of its own. */
static bool keep_marker(struct sg_plan *p, const struct scan_item *i, int64_t index,
                        const struct sg_marker *m, struct last_recipe *last, struct sg_error *err)
{
    bool stamped = is_stamped(m->kind);

    if (p->whole != NULL && p->whole_node == i->node)
        *p->whole = *m;
    p->kind[i->node] = (uint8_t)m->kind;
    p->flags[i->node] |= SG_NODE_SCANNED;
    p->mtime_ns[i->node] =
        sg_store_is_by_dir(p->c.store, &m->ident) ? -m->ident.mtime_ns : m->ident.mtime_ns;
    p->version[i->node] = 0;
    if (m->kind == SG_MARKER_FOREIGN &&
        is_unfinished(sg_plan_stage_at(p, i->stage), index, m->ident.mtime_ns))
        p->flags[i->node] |= SG_NODE_UNFINISHED;
    if (stamped || m->kind == SG_MARKER_FOREIGN)
        p->version[i->node] = sg_version_short(m->version);
    if (!stamped)
        return true;
    p->inputs[i->node] = m->inputs;
    if (last->number == 0 || last->stage != i->stage || !sg_hash128_is(last->hash, m->recipe)) {
        if (!sg_recipe_seen(p, i->stage, m->recipe, &last->number, err))
            return false;
        last->stage = i->stage;
        last->hash = m->recipe;
    }
    p->recipe[i->node] = last->number;
    return true;
}

static enum sg_entry_kind entry_kind(enum sg_marker_kind k)
{
    if (k == SG_MARKER_ABSENT)
        return SG_ENTRY_ABSENT;
    return sg_marker_is_receipt(k) || k == SG_MARKER_FOREIGN ? SG_ENTRY_FILE : SG_ENTRY_OTHER;
}

static bool read_markers(void *ctx, size_t first, size_t end, struct sg_error *err)
{
    struct scan_batch *b = ctx;
    struct sg_buf dir = SG_BUF_INIT;
    struct chunk_cache cache;
    struct last_recipe recipe = { .number = 0 };
    bool ok = true;

    chunk_cache_open(b, first, &cache);
    for (size_t i = first; ok && i < end; i++) {
        const struct sg_stage *s = sg_plan_stage_at(b->p, b->items[i].stage);
        const struct sg_entry *entry = b->looked ? &b->entries[i] : NULL;
        struct sg_marker m = { .kind = SG_MARKER_ABSENT };
        int64_t index = item_index(b, &b->items[i]);

        if (!is_cached(b->p, &cache, &b->items[i], index, entry, &m)) {
            bool noted = cache.keeps && entry != NULL && may_be_file(entry);

            if (noted && cache.notes->len == 0)
                note_time(b->p);
            ok = get_marker(b->p, b->paths[i], s, index, entry, &dir, &m, err);
            if (ok && noted)
                note_marker(&cache, b->before + i, &m);
        }
        b->receipts[i] = ok && sg_marker_is_receipt(m.kind);
        b->found[i] = (struct sg_entry){ .kind = entry_kind(m.kind), .ident = m.ident };
        if (ok && s->partial)
            ok = scan_partial(b->p, b->paths[i], &b->items[i], index, &dir, &m, err);
        ok = ok && keep_marker(b->p, &b->items[i], index, &m, &recipe, err);
    }
    sg_cache_look_free(cache.look);
    sg_buf_done(&dir);
    return ok;
}

/* The marker that a decision's caller has listed. */
static bool scan_listed(struct sg_plan *p, struct sg_error *err)
{
    struct scan_item i = { .node = p->claimed_node };
    struct sg_buf path = SG_BUF_INIT, dir = SG_BUF_INIT;
    struct sg_marker m = { .kind = SG_MARKER_ABSENT };
    const struct sg_stage *s;
    struct last_recipe recipe = { .number = 0 };
    int64_t index;
    bool ok;

    if (!p->claimed || p->claimed_seen == NULL)
        return true;
    i.stage = sg_plan_stage_of(p, i.node);
    s = sg_plan_stage_at(p, i.stage);
    index = p->stages[i.stage].pub.lo + (int64_t)(i.node - p->stages[i.stage].pub.base);
    ok = sg_plan_dir(p, s, index, &path, err) && (path.len == 0 || sg_buf_addc(&path, '/', err)) &&
         sg_buf_adds(&path, s->marker, err) &&
         get_marker(p, sg_buf_text(&path), s, index, p->claimed_seen, &dir, &m, err) &&
         (!s->partial || scan_partial(p, sg_buf_text(&path), &i, index, &dir, &m, err)) &&
         keep_marker(p, &i, index, &m, &recipe, err);
    sg_buf_done(&path);
    sg_buf_done(&dir);
    return ok;
}

/* A decision compares the times of its inputs, a plan only those of what is foreign. Of a few nodes
 * these are asked all the same: what is known by itself an attempt need not read again. */
static bool look_at_markers(struct scan_batch *b, struct sg_error *err)
{
    struct sg_store *store = b->p->c.store;

    if (!b->looked)
        return true;
    return b->p->cache != NULL && b->n > SOME
               ? sg_store_look_many(store, b->paths, b->n, b->entries, err)
               : sg_store_stat_many(store, b->paths, b->n, b->entries, err);
}

/* Where nobody waits for answers, a chunk goes all the way at once: its paths are still in the
 * processor's cache when they are looked at, and no thread waits for another. */
static bool scan_chunk(void *ctx, size_t first, size_t end, struct sg_error *err)
{
    const struct scan_batch *b = ctx;
    struct sg_entry entries[SG_CHUNK], found[SG_CHUNK];
    const char *paths[SG_CHUNK];
    bool receipts[SG_CHUNK], ok;
    struct sg_buf text = SG_BUF_INIT;
    struct scan_batch own = { .p = b->p,
                              .items = &b->items[first],
                              .entries = entries,
                              .found = found,
                              .paths = paths,
                              .receipts = receipts,
                              .texts = &text,
                              .notes = &b->notes[first / b->grain],
                              .n = end - first,
                              .grain = SG_CHUNK,
                              .before = first,
                              .looked = true };

    ok = write_paths(&own, 0, own.n, err) && look_at_markers(&own, err) &&
         read_markers(&own, 0, own.n, err);
    sg_buf_done(&text);
    return ok;
}

static bool scan_marker_batch(struct scan_batch *b, struct sg_error *err)
{
    struct sg_store *store = b->p->c.store;

    b->looked = b->n > FEW;
    if (b->looked && b->grain == SG_CHUNK) {
        if (!sg_in_chunks(store, b->n, scan_chunk, b, err))
            return false;
        keep_notes(b);
        return true;
    }
    if (!sg_in_chunks(store, b->n, write_paths, b, err) || !look_at_markers(b, err) ||
        !sg_in_chunks(store, b->n, read_markers, b, err))
        return false;
    if (b->looked)
        sg_store_receipts(store, b->paths, b->entries, b->found, b->receipts, b->n);
    keep_notes(b);
    return true;
}

static enum sg_source_identity source_identity(enum sg_identity i)
{
    switch (i) {
    case SG_IDENTITY_CONTENT:
        return SG_SOURCE_CONTENT;
    case SG_IDENTITY_MARKER:
        return SG_SOURCE_MARKER;
    case SG_IDENTITY_LISTING:
        break;
    }
    return SG_SOURCE_LISTING;
}

/* What a source's version was taken by: another rule, another version. */
static bool source_rule(const struct sg_stage *s, struct sg_hash128 *ret, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    bool ok = sg_buf_addf(&text, err, "%d %lld %s", (int)source_identity(s->identity),
                          (long long)s->settle_s, s->marker != NULL ? s->marker : "");

    *ret = sg_hash128_of(text.at, text.len);
    sg_buf_done(&text);
    return ok;
}

static bool is_source_cached(const struct chunk_cache *c, const struct scan_item *i, int64_t index,
                             const struct sg_entry *entry, struct sg_hash128 rule, uint64_t *ret)
{
    struct sg_cached m;

    if (c->cache == NULL || entry == NULL || entry->kind == SG_ENTRY_ABSENT ||
        !sg_cache_find(c->cache, c->look, i->stage, index, &entry->ident, &m) ||
        m.kind != SG_MARKER_FOREIGN || !sg_hash128_is(m.recipe, rule))
        return false;
    *ret = m.version;
    return true;
}

/* A steady source is kept as what it is to us: something that another tool has made. */
static void note_source(struct chunk_cache *c, size_t item, const struct sg_entry *entry,
                        struct sg_hash128 rule, struct sg_hash128 version)
{
    const struct sg_marker m = {
        .kind = SG_MARKER_FOREIGN, .ident = entry->ident, .version = version, .recipe = rule
    };

    note_marker(c, item, &m);
}

static void keep_source(struct sg_plan *p, uint32_t id, uint64_t version, int64_t unsettled_ns)
{
    p->flags[id] |= SG_NODE_SCANNED;
    p->kind[id] = SG_MARKER_ABSENT;
    p->version[id] = version;
    p->mtime_ns[id] = unsettled_ns;
    if (version != 0)
        p->flags[id] |= SG_NODE_THERE;
}

static bool examine_sources(void *ctx, size_t first, size_t end, struct sg_error *err)
{
    struct scan_batch *b = ctx;
    struct sg_plan *p = b->p;
    const bool looked = b->n > FEW && sg_store_is_write_once(p->c.store);
    struct chunk_cache cache;
    bool ok = true;

    chunk_cache_open(b, first, &cache);
    for (size_t i = first; ok && i < end; i++) {
        const struct sg_stage *s = sg_plan_stage_at(p, b->items[i].stage);
        const struct sg_entry *entry = looked ? &b->entries[i] : NULL;
        const struct sg_source source = { .path = b->paths[i],
                                          .marker = s->marker,
                                          .identity = source_identity(s->identity),
                                          .settle_s = s->settle_s,
                                          .seen = entry,
                                          .keep = entry != NULL && cache.keeps };
        struct sg_source_state st = { .unsettled_ns = -1 };
        struct sg_hash128 rule;
        uint64_t version = 0;

        ok = source_rule(s, &rule, err);
        if (ok && !is_source_cached(&cache, &b->items[i], item_index(b, &b->items[i]), entry, rule,
                                    &version)) {
            ok = sg_source_examine(p->c.store, &source, &st, err);
            version = ok && st.there ? sg_version_short(st.version) : 0;
            if (ok && st.steady)
                note_source(&cache, i, entry, rule, st.version);
        }
        if (ok)
            keep_source(p, b->items[i].node, version, st.unsettled_ns);
        else
            sg_error_wrap(err, "source %s", s->name);
    }
    sg_cache_look_free(cache.look);
    return ok;
}

/* Where files are written once, a source that is the same directory is the same source. */
static bool scan_source_batch(struct scan_batch *b, struct sg_error *err)
{
    struct sg_store *store = b->p->c.store;
    const bool looks = b->n > FEW && sg_store_is_write_once(store);

    if (looks)
        note_time(b->p);
    if (!sg_in_chunks(store, b->n, write_paths, b, err) ||
        (looks && !sg_store_stat_dirs(store, b->paths, b->n, b->entries, err)) ||
        !sg_in_chunks(store, b->n, examine_sources, b, err))
        return false;
    keep_notes(b);
    return true;
}

static bool scan_full(struct scan_batch *b, bool sources, struct sg_error *err)
{
    bool ok = sources ? scan_source_batch(b, err) : scan_marker_batch(b, err);

    b->n = 0;
    return ok;
}

/* What is not due is there for nobody, whatever its marker says: only who asks for it reads it. */
static bool is_for_nobody(const struct sg_plan *p, uint32_t stage, uint32_t id)
{
    return !(p->flags[id] & SG_NODE_ASKED) && sg_plan_is_early(p, stage, id);
}

static bool scan_nodes(struct scan_batch *b, size_t cap, bool sources, struct sg_error *err)
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
            b->items[b->n++] = (struct scan_item){ .node = id, .stage = i };
            if (b->n == cap && !scan_full(b, sources, err))
                return false;
        }
    }
    return b->n == 0 || scan_full(b, sources, err);
}

/* ---- times that a directory did not tell */

#define WANTED INT64_MIN /* as a time, until it is known */

/* Inputs that may have been made after this foreign marker. */
static bool want_times(struct sg_plan *p, const struct sg_stage *s, int64_t index, uint32_t id)
{
    bool any = false;

    for (uint32_t k = 0; k < s->n_needs; k++) {
        struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[s->id.i][k], index);

        for (uint32_t x = ids.first; !s->needs[k].order_only && x < ids.end; x++)
            if (p->kind[x] == SG_MARKER_DONE && p->mtime_ns[x] < 0 && p->mtime_ns[x] != WANTED &&
                -p->mtime_ns[x] > p->mtime_ns[id]) {
                p->mtime_ns[x] = WANTED;
                any = true;
            }
    }
    return any;
}

static bool take_times(struct scan_batch *b, struct sg_error *err)
{
    struct sg_store *store = b->p->c.store;
    const size_t n = b->n;

    b->n = 0;
    if (n == 0)
        return true;
    if (!sg_in_chunks(store, n, write_paths, b, err) ||
        !sg_store_stat_many(store, b->paths, n, b->entries, err))
        return false;
    for (size_t i = 0; i < n; i++) /* gone meanwhile: later than nothing */
        b->p->mtime_ns[b->items[i].node] =
            b->entries[i].kind == SG_ENTRY_FILE ? b->entries[i].ident.mtime_ns : 0;
    return true;
}

/* A foreign marker is compared by time, so there the inputs' own times count. */
static bool scan_times(struct scan_batch *b, size_t cap, struct sg_error *err)
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
        b->items[b->n++] = (struct scan_item){ .node = id, .stage = sg_plan_stage_of(p, id) };
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
    struct scan_batch b = { .p = p, .grain = grain };
    bool ok;

    b.items = SG_ARENA_NEW(&a, cap, struct scan_item, err);
    b.entries = SG_ARENA_NEW(&a, cap, struct sg_entry, err);
    b.found = SG_ARENA_NEW(&a, cap, struct sg_entry, err);
    b.paths = SG_ARENA_NEW(&a, cap, const char *, err);
    b.receipts = SG_ARENA_NEW(&a, cap, bool, err);
    b.texts = SG_ARENA_NEW(&a, chunks, struct sg_buf, err);
    b.notes = SG_ARENA_NEW(&a, chunks, struct sg_buf, err);
    ok = b.items != NULL && b.entries != NULL && b.found != NULL && b.paths != NULL &&
         b.receipts != NULL && b.texts != NULL && b.notes != NULL &&
         scan_nodes(&b, cap, false, err) &&
         (!sg_store_is_write_once(p->c.store) || scan_times(&b, cap, err)) &&
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
    if (!sg_scan_claims(p, few, false, err) || !scan_listed(p, err) || !scan_all(p, err) ||
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

    if (p->n_nodes > FEW) {
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
    const bool many = p->n_nodes > SOME && sg_store_threads(p->c.store) == 0;
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
