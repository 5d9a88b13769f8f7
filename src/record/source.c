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

struct item {
    const char *path; /* relative to the source's path; "" when that is the file itself */
    int64_t len;
};

struct listing {
    struct sg_arena a;
    struct item *items;
    size_t n, cap;
    int64_t newest_ns;
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

/* The data files of the source, sorted by name. */
static bool list_files(struct sg_store *store, const char *path, const struct sg_entry *at,
                       struct listing *l)
{
    l->newest_ns = at->ident.mtime_ns;
    if (at->kind == SG_ENTRY_FILE)
        return add_item(l, "", &at->ident);
    if (!sg_store_walk(store, path, add_file, l, l->err) || l->failed)
        return false;
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
static bool look_at_marker(struct sg_store *store, const char *path, const char *marker, bool hash,
                           struct sg_hasher *h, bool *ret_there, struct sg_error *err)
{
    struct sg_buf name = SG_BUF_INIT, text = SG_BUF_INIT;
    struct sg_entry e;
    bool ok;

    ok = sg_buf_addf(&name, err, "%s%s%s", path, path[0] != '\0' ? "/" : "", marker);
    if (ok && hash)
        ok = sg_store_read(store, sg_buf_text(&name), MARKER_LIMIT, &text, &e, err);
    else if (ok)
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

static bool examine(struct sg_store *store, const char *path, const char *marker,
                    enum sg_source_identity identity, int64_t settle_s, struct sg_hasher *h,
                    struct listing *l, bool *ret_there, int64_t *ret_unsettled_ns,
                    struct sg_error *err)
{
    static const char *const names[] = { "listing", "content", "marker" };
    struct sg_entry at;

    *ret_there = false;
    *ret_unsettled_ns = -1;
    if (!sg_store_stat(store, path, &at, err))
        return false;
    if (at.kind != SG_ENTRY_FILE && at.kind != SG_ENTRY_DIR)
        return true;
    sg_hasher_text(h, names[identity]);
    if (marker != NULL) {
        if (!look_at_marker(store, path, marker, identity != SG_SOURCE_CONTENT, h, ret_there, err))
            return false;
        if (!*ret_there || identity == SG_SOURCE_MARKER)
            return true;
    }
    if (!list_files(store, path, &at, l))
        return false;
    if (marker == NULL && !look_settled(store, path, l, settle_s, ret_unsettled_ns, err))
        return false;
    *ret_there = *ret_unsettled_ns < 0;
    return !*ret_there || hash_files(store, path, l, identity == SG_SOURCE_CONTENT, h, err);
}

bool sg_source_examine(struct sg_store *store, const char *path, const char *marker,
                       enum sg_source_identity identity, int64_t settle_s, bool *ret_there,
                       int64_t *ret_unsettled_ns, struct sg_hash128 *ret_version,
                       struct sg_error *err)
{
    struct listing l = { .a = SG_ARENA_INIT, .err = err };
    struct sg_hasher *h;
    int64_t unsettled_ns;
    bool ok, there;

    if (!SG_EXPECT(identity != SG_SOURCE_MARKER || marker != NULL, err))
        return false;
    h = sg_hasher_new(err);
    if (h == NULL)
        return false;
    ok = examine(store, path, marker, identity, settle_s, h, &l, &there, &unsettled_ns, err);
    if (!ok && err->code == SG_ERROR_STORE && err->sys == ENOENT) {
        /* A file has gone while it was looked at: somebody is at work there. */
        sg_error_clear(err);
        ok = true;
        there = false;
        unsettled_ns = 0;
    }
    if (ok) {
        *ret_there = there;
        *ret_unsettled_ns = unsettled_ns;
        *ret_version = there ? sg_hasher_end(h) : (struct sg_hash128){ 0, 0 };
    }
    sg_hasher_free(h);
    sg_arena_done(&l.a);
    return ok;
}
