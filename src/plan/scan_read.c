/*
 * Markers and sources as the store has them, into the arrays of the plan: many at a time, with what
 * the cache knows of them. docs/design.md, "The plan" and "The cache of markers".
 */
#include "scan_impl.h"

#include <string.h>

/* What a marker said, for the cache. */
struct scan_note {
    uint32_t item;
    struct sg_cached m;
};

static int64_t item_index(const struct sg_scan_batch *b, const struct sg_scan_item *i)
{
    const struct sg_plan_stage *v = &b->p->stages[i->stage].pub;

    return v->lo + (int64_t)(i->node - v->base);
}

bool sg_scan_paths(void *ctx, size_t first, size_t end, struct sg_error *err)
{
    struct sg_scan_batch *b = ctx;
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

static void chunk_cache_open(struct sg_scan_batch *b, size_t first, struct chunk_cache *ret)
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
                      const struct sg_scan_item *i, int64_t index, const struct sg_entry *entry,
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

static void keep_notes(struct sg_scan_batch *b)
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
static bool scan_partial(struct sg_plan *p, const char *path, const struct sg_scan_item *i,
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
static bool keep_marker(struct sg_plan *p, const struct sg_scan_item *i, int64_t index,
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
    struct sg_scan_batch *b = ctx;
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
bool sg_scan_listed(struct sg_plan *p, struct sg_error *err)
{
    struct sg_scan_item i = { .node = p->claimed_node };
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
static bool look_at_markers(struct sg_scan_batch *b, struct sg_error *err)
{
    struct sg_store *store = b->p->c.store;

    if (!b->looked)
        return true;
    return b->p->cache != NULL && b->n > SG_SCAN_SOME
               ? sg_store_look_many(store, b->paths, b->n, b->entries, err)
               : sg_store_stat_many(store, b->paths, b->n, b->entries, err);
}

/* Where nobody waits for answers, a chunk goes all the way at once: its paths are still in the
 * processor's cache when they are looked at, and no thread waits for another. */
static bool scan_chunk(void *ctx, size_t first, size_t end, struct sg_error *err)
{
    const struct sg_scan_batch *b = ctx;
    struct sg_entry entries[SG_CHUNK], found[SG_CHUNK];
    const char *paths[SG_CHUNK];
    bool receipts[SG_CHUNK], ok;
    struct sg_buf text = SG_BUF_INIT;
    struct sg_scan_batch own = { .p = b->p,
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

    ok = sg_scan_paths(&own, 0, own.n, err) && look_at_markers(&own, err) &&
         read_markers(&own, 0, own.n, err);
    sg_buf_done(&text);
    return ok;
}

bool sg_scan_markers(struct sg_scan_batch *b, struct sg_error *err)
{
    struct sg_store *store = b->p->c.store;

    b->looked = b->n > SG_SCAN_FEW;
    if (b->looked && b->grain == SG_CHUNK) {
        if (!sg_in_chunks(store, b->n, scan_chunk, b, err))
            return false;
        keep_notes(b);
        return true;
    }
    if (!sg_in_chunks(store, b->n, sg_scan_paths, b, err) || !look_at_markers(b, err) ||
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

static bool is_source_cached(const struct chunk_cache *c, const struct sg_scan_item *i,
                             int64_t index, const struct sg_entry *entry, struct sg_hash128 rule,
                             uint64_t *ret)
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
    struct sg_scan_batch *b = ctx;
    struct sg_plan *p = b->p;
    const bool looked = b->n > SG_SCAN_FEW && sg_store_is_write_once(p->c.store);
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
bool sg_scan_sources(struct sg_scan_batch *b, struct sg_error *err)
{
    struct sg_store *store = b->p->c.store;
    const bool looks = b->n > SG_SCAN_FEW && sg_store_is_write_once(store);

    if (looks)
        note_time(b->p);
    if (!sg_in_chunks(store, b->n, sg_scan_paths, b, err) ||
        (looks && !sg_store_stat_dirs(store, b->paths, b->n, b->entries, err)) ||
        !sg_in_chunks(store, b->n, examine_sources, b, err))
        return false;
    keep_notes(b);
    return true;
}
