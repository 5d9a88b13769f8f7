/*
 * Whether the partition of a source is there, and its version. docs/formats.md, "Versions".
 *
 * Without a marker, what is there may still be arriving. It has settled when its newest file (or,
 * without any, the path itself) is `settle` old by the store's clock, and no file is empty and
 * still being written: a store may show an open file with the time it was made and no bytes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/arena.h"
#include "stagegraph/marker.h"

#include "record_impl.h"

#define MARKER_LIMIT ((size_t)64 << 20)
#define STEADY_S     300 /* where settle is less: a younger file may still be open */
#define DAY_NS       (86400 * SG_NS_PER_S)
#define BLOCK        (1 << 20) /* what blocks are multiples of */

struct item {
    const char *path; /* relative to the source's path; "" when that is the file itself */
    int64_t len;
};

struct listing {
    struct sg_arena a;
    struct item *items;
    size_t n, cap;
    int64_t newest_ns;
    bool listed;            /* at one glance: marker says whether there is one */
    bool nested;            /* there are directories with data in it */
    const char *name;       /* of the marker; NULL */
    struct sg_entry marker; /* of a listing */
    struct sg_error *err;
    bool failed;
};

static bool add_item(struct listing *l, const char *path, const struct sg_ident *ident)
{
    if (path == NULL ||
        !sg_arena_grow(&l->a, (void **)&l->items, l->n, &l->cap, sizeof(*l->items), l->err))
        return false;
    l->items[l->n++] = (struct item){ .path = path, .len = ident->len };
    if (l->n == 1 || ident->mtime_ns > l->newest_ns)
        l->newest_ns = ident->mtime_ns;
    return true;
}

static bool add_file(void *ctx, const struct sg_data_file *file)
{
    struct listing *l = ctx;

    l->failed = !add_item(l,
                          file->rel_dir[0] == '\0'
                              ? sg_arena_text(&l->a, file->name, l->err)
                              : sg_arena_printf(&l->a, l->err, "%s/%s", file->rel_dir, file->name),
                          &file->ident);
    return !l->failed;
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

/* What walks leave out, but for the marker. */
static bool add_child(void *ctx, const char *name, const struct sg_entry *e)
{
    struct listing *l = ctx;

    if (l->name != NULL && strcmp(name, l->name) == 0)
        l->marker = *e;
    if (name[0] == '_' || name[0] == '.')
        return true;
    if (e->kind == SG_ENTRY_DIR)
        l->nested = true;
    else if (e->kind == SG_ENTRY_FILE)
        l->failed = !add_item(l, sg_arena_text(&l->a, name, l->err), &e->ident);
    return !l->failed;
}

/* Most sources are one directory: on a store where looking costs requests one tells all of it, and
 * where there are files, that it is one. Else *ret is what is at the path. */
static bool look_once(struct sg_store *store, const struct sg_source *source, struct sg_entry *ret,
                      struct listing *l)
{
    const bool lists = sg_store_is_write_once(store);

    l->name = source->marker;
    if (source->seen != NULL)
        *ret = *source->seen;
    if (lists && (source->seen == NULL || ret->kind == SG_ENTRY_DIR) &&
        (!sg_store_list(store, source->path, add_child, l, l->err) || l->failed))
        return false;
    if (source->seen == NULL) {
        *ret = (struct sg_entry){ .kind = SG_ENTRY_DIR };
        if ((l->n == 0 || l->nested) && !sg_store_stat(store, source->path, ret, l->err))
            return false;
    }
    l->listed = lists && ret->kind == SG_ENTRY_DIR;
    if (l->n == 0)
        l->newest_ns = ret->ident.mtime_ns;
    return true;
}

/* The data files of the source, sorted by name. */
static bool list_files(struct sg_store *store, const char *path, const struct sg_entry *at,
                       struct listing *l)
{
    if (at->kind == SG_ENTRY_FILE)
        return add_item(l, "", &at->ident);
    if (!l->listed || l->nested) {
        l->n = 0;
        l->newest_ns = at->ident.mtime_ns;
        if (!sg_store_walk(store, path, add_file, l, l->err) || l->failed)
            return false;
    }
    if (l->n != 0)
        qsort(l->items, l->n, sizeof(*l->items), compare_items);
    return true;
}

static bool item_path(const char *path, const struct item *i, struct sg_buf *ret,
                      struct sg_error *err)
{
    sg_buf_clear(ret);
    return sg_buf_addf(ret, err, "%s%s%s", path, path[0] != '\0' && i->path[0] != '\0' ? "/" : "",
                       i->path);
}

/* -1 when it has settled. */
static bool look_settled(struct sg_store *store, const char *path, const struct listing *l,
                         int64_t settle_s, int64_t *ret_unsettled_ns, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    bool ok = true, open = false;
    struct sg_wall now;

    *ret_unsettled_ns = -1;
    if (settle_s > 0) {
        int64_t age;

        if (!sg_store_now(store, &now, err))
            return false;
        age = now.ns - l->newest_ns;
        if (age / SG_NS_PER_S < settle_s)
            *ret_unsettled_ns = age > 0 ? age : 0; /* a file may be of the future */
    }
    for (size_t i = 0; ok && *ret_unsettled_ns < 0 && i < l->n; i++) {
        if (l->items[i].len != 0)
            continue;
        ok = item_path(path, &l->items[i], &text, err) &&
             sg_store_is_open(store, sg_buf_text(&text), &open, err);
        *ret_unsettled_ns = open ? SG_SOURCE_OPEN : -1;
    }
    sg_buf_done(&text);
    return ok;
}

/* Names with lengths, or with checksums. */
static bool hash_files(struct sg_store *store, const char *path, const struct listing *l,
                       bool contents, struct sg_hasher *h, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    const char *algorithm;
    struct sg_hash128 sum;
    bool ok = true;

    sg_hasher_u64(h, l->n);
    for (size_t i = 0; ok && i < l->n; i++) {
        sg_hasher_text(h, l->items[i].path);
        if (!contents) {
            sg_hasher_u64(h, (uint64_t)l->items[i].len);
            continue;
        }
        ok = item_path(path, &l->items[i], &text, err) &&
             sg_store_checksum(store, sg_buf_text(&text), false, &sum, &algorithm, err);
        if (ok && algorithm == NULL)
            ok = sg_error_set(err, SG_ERROR_STORE, 0,
                              "checksum of %s: it can't be compared in an encryption zone (write "
                              "identity = listing)",
                              sg_buf_text(&text));
        if (ok) {
            sg_hasher_text(h, algorithm);
            sg_hasher_u64(h, sum.hi);
            sg_hasher_u64(h, sum.lo);
        }
    }
    sg_buf_done(&text);
    return ok;
}

/* Whether the marker is there; its content goes into the hash, unless that is of contents alone. */
static bool look_at_marker(struct sg_store *store, const struct sg_source *source,
                           const struct listing *l, struct sg_hasher *h, bool *ret_there,
                           struct sg_error *err)
{
    const bool hash = source->identity != SG_SOURCE_CONTENT;
    struct sg_buf name = SG_BUF_INIT, text = SG_BUF_INIT;
    struct sg_entry e = l->marker;
    bool ok = true, known = l->listed && (!hash || e.kind == SG_ENTRY_ABSENT ||
                                          (e.kind == SG_ENTRY_FILE && e.ident.len == 0));

    if (!known)
        ok = sg_buf_addf(&name, err, "%s%s%s", source->path, source->path[0] != '\0' ? "/" : "",
                         source->marker);
    if (ok && !known && hash)
        ok = sg_store_read(store, sg_buf_text(&name), MARKER_LIMIT, &text, &e, err);
    else if (ok && !known)
        ok = sg_store_stat(store, sg_buf_text(&name), &e, err);
    if (ok) {
        *ret_there = e.kind != SG_ENTRY_ABSENT;
        if (hash) {
            sg_hasher_u64(h, text.len);
            sg_hasher_bytes(h, text.at, text.len);
        }
    }
    sg_buf_done(&name);
    sg_buf_done(&text);
    return ok;
}

/* An open file shows the blocks that are full, mostly none. Has this one been closed, and as it was
 * seen? */
static bool look_closed(struct sg_store *store, const char *path, const struct item *i, bool *ret,
                        struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    struct sg_entry now = { .kind = SG_ENTRY_ABSENT };
    bool open = true, ok;

    ok = item_path(path, i, &text, err) &&
         sg_store_is_open(store, sg_buf_text(&text), &open, err) &&
         (open || sg_store_stat(store, sg_buf_text(&text), &now, err));
    if (ok)
        *ret = !open && now.kind == SG_ENTRY_FILE && now.ident.len == i->len;
    sg_buf_done(&text);
    return ok;
}

/* Closing a file changes neither its directory nor, before, what is told of it: what is to be
 * believed for as long as the directory is the same must have been closed. */
static bool look_steady(struct sg_store *store, const struct sg_source *source,
                        const struct sg_entry *at, struct listing *l, bool *ret,
                        struct sg_error *err)
{
    const int64_t settle_s = source->settle_s > STEADY_S ? source->settle_s : STEADY_S;
    bool closed = true, ok = true;
    struct sg_wall now;

    *ret = false;
    if (!source->keep || !sg_store_is_write_once(store) ||
        (at->kind == SG_ENTRY_DIR && !l->listed) ||
        (l->nested && source->identity != SG_SOURCE_MARKER))
        return true;
    if (!sg_store_now(store, &now, err) ||
        (l->marker.kind == SG_ENTRY_FILE && !add_item(l, source->marker, &l->marker.ident)))
        return false;
    if ((now.ns - l->newest_ns) / SG_NS_PER_S < settle_s)
        return true;
    if (l->marker.kind == SG_ENTRY_FILE && now.ns - l->marker.ident.mtime_ns > DAY_NS)
        l->n--; /* nobody writes a day on a marker */
    for (size_t i = 0; ok && closed && i < l->n; i++)
        if (l->items[i].len % BLOCK == 0)
            ok = look_closed(store, source->path, &l->items[i], &closed, err);
    *ret = closed;
    return ok;
}

static bool examine(struct sg_store *store, const struct sg_source *source, struct sg_hasher *h,
                    struct listing *l, struct sg_source_state *st, struct sg_error *err)
{
    static const char *const names[] = { "listing", "content", "marker" };
    const bool contents = source->identity == SG_SOURCE_CONTENT;
    struct sg_entry at;

    if (!look_once(store, source, &at, l))
        return false;
    if (at.kind != SG_ENTRY_FILE && at.kind != SG_ENTRY_DIR)
        return true;
    sg_hasher_text(h, names[source->identity]);
    if (source->marker != NULL) {
        if (!look_at_marker(store, source, l, h, &st->there, err))
            return false;
        if (!st->there)
            return true;
    }
    if (source->identity != SG_SOURCE_MARKER) {
        if (!list_files(store, source->path, &at, l))
            return false;
        if (source->marker == NULL &&
            !look_settled(store, source->path, l, source->settle_s, &st->unsettled_ns, err))
            return false;
        st->there = st->unsettled_ns < 0;
        if (!st->there)
            return true;
        if (!hash_files(store, source->path, l, contents, h, err))
            return false;
    }
    return look_steady(store, source, &at, l, &st->steady, err);
}

bool sg_source_examine(struct sg_store *store, const struct sg_source *source,
                       struct sg_source_state *ret, struct sg_error *err)
{
    static const struct sg_source_state nothing = { .unsettled_ns = -1 };
    struct listing l = { .a = SG_ARENA_INIT, .err = err };
    struct sg_source_state st = nothing;
    struct sg_hasher *h;
    bool ok;

    if (!SG_EXPECT(source->identity != SG_SOURCE_MARKER || source->marker != NULL, err))
        return false;
    h = sg_hasher_new(err);
    if (h == NULL)
        return false;
    ok = examine(store, source, h, &l, &st, err);
    if (!ok && err->code == SG_ERROR_STORE && err->sys == ENOENT) {
        /* A file has gone while it was looked at: somebody is at work there. */
        sg_error_clear(err);
        ok = true;
        st = nothing;
        st.unsettled_ns = 0;
    }
    if (ok && st.there)
        st.version = sg_hasher_end(h);
    if (ok)
        *ret = st;
    sg_hasher_free(h);
    sg_arena_done(&l.a);
    return ok;
}
