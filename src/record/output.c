/*
 * The version of an output: XXH3-128 over the sorted multiset of (relative directory, length,
 * checksum's algorithm, checksum) of its data files. docs/formats.md, "Versions".
 *
 * File names are left out, since Spark's carry random ids: the same rows written again are the same
 * version. What is kept in memory is one fixed-size item a file; contents go by in pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "stagegraph/arena.h"
#include "stagegraph/marker.h"

#include "record_impl.h"

struct item {
    const char *dir, *name; /* in the arena; dir once a directory of the walk */
    int64_t len;
    struct sg_hash128 sum;
    const char *algorithm;
};

struct sg_output {
    struct sg_arena a;
    struct item *items;
    size_t n, cap;
    struct sg_output_facts facts;
    struct sg_error *err;
    bool failed;
};

static bool add_file(void *ctx, const struct sg_data_file *file)
{
    struct sg_output *o = ctx;
    struct item *i;

    o->failed = true;
    if (!sg_arena_grow(&o->a, (void **)&o->items, o->n, &o->cap, sizeof(*o->items), o->err))
        return false;
    i = &o->items[o->n];
    i->len = file->ident.len;
    i->name = sg_arena_text(&o->a, file->name, o->err);
    if (o->n != 0 && strcmp(o->items[o->n - 1].dir, file->rel_dir) == 0)
        i->dir = o->items[o->n - 1].dir;
    else
        i->dir = sg_arena_text(&o->a, file->rel_dir, o->err);
    if (i->name == NULL || i->dir == NULL)
        return false;
    o->n++;
    o->facts.files++;
    o->facts.bytes += file->ident.len;
    if (o->facts.newest_ns == 0 || file->ident.mtime_ns > o->facts.newest_ns)
        o->facts.newest_ns = file->ident.mtime_ns;
    if (o->facts.oldest_ns == 0 || file->ident.mtime_ns < o->facts.oldest_ns)
        o->facts.oldest_ns = file->ident.mtime_ns;
    o->failed = false;
    return true;
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int d = strcmp(x->dir, y->dir);

    if (d == 0)
        d = (x->len > y->len) - (x->len < y->len);
    if (d == 0)
        d = strcmp(x->algorithm, y->algorithm);
    if (d == 0)
        d = compare_u64(x->sum.hi, y->sum.hi);
    return d != 0 ? d : compare_u64(x->sum.lo, y->sum.lo);
}

static bool path_of(const char *dir, const char *rel, const char *name, struct sg_buf *ret,
                    struct sg_error *err)
{
    sg_buf_clear(ret);
    return sg_buf_addf(ret, err, "%s%s%s%s%s", dir, dir[0] != '\0' && rel[0] != '\0' ? "/" : "",
                       rel, name[0] != '\0' && (dir[0] != '\0' || rel[0] != '\0') ? "/" : "", name);
}

/* All checksums and flushes. Where one checksum can't be compared the rest is not asked for. */
static bool read_files(struct sg_store *store, const char *dir, struct sg_output *o, bool checksums,
                       bool durable)
{
    struct sg_buf path = SG_BUF_INIT;
    bool ok = true;

    for (size_t k = 0; ok && k < o->n; k++) {
        struct item *i = &o->items[k];

        ok = path_of(dir, i->dir, i->name, &path, o->err);
        if (ok && checksums && !o->facts.incomparable) {
            ok = sg_store_checksum(store, sg_buf_text(&path), durable, &i->sum, &i->algorithm,
                                   o->err);
            o->facts.incomparable = ok && i->algorithm == NULL;
        } else if (ok && durable) {
            ok = sg_store_flush_file(store, sg_buf_text(&path), o->err);
        }
    }
    sg_buf_done(&path);
    return ok;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every directory that holds data, itself or below: "a/b" is flushed, "a", which names b, and "".
 */
static bool flush_dirs(struct sg_store *store, const char *dir, struct sg_output *o)
{
    const char **dirs = NULL;
    struct sg_buf path = SG_BUF_INIT;
    size_t n = 0, cap = 0;
    bool ok = true;

    for (size_t k = 0; k < o->n; k++) {
        char *up;

        if (k != 0 && o->items[k].dir == o->items[k - 1].dir)
            continue;
        up = sg_arena_text(&o->a, o->items[k].dir, o->err);
        while (up != NULL) {
            char *copy = sg_arena_text(&o->a, up, o->err), *slash;

            if (copy == NULL ||
                !sg_arena_grow(&o->a, (void **)&dirs, n, &cap, sizeof(*dirs), o->err))
                return false;
            dirs[n++] = copy;
            if (*up == '\0')
                break;
            slash = strrchr(up, '/');
            *(slash != NULL ? slash : up) = '\0';
        }
        if (up == NULL)
            return false;
    }
    if (n != 0)
        qsort(dirs, n, sizeof(*dirs), compare_texts);
    for (size_t k = n; ok && k-- != 0;) { /* what lies deeper first */
        if (k + 1 < n && strcmp(dirs[k], dirs[k + 1]) == 0)
            continue;
        ok = path_of(dir, dirs[k], "", &path, o->err) &&
             sg_store_flush_dir(store, sg_buf_text(&path), o->err);
    }
    sg_buf_done(&path);
    return ok;
}

static bool hash_items(struct sg_output *o)
{
    struct sg_hasher *h = sg_hasher_new(o->err);

    if (h == NULL)
        return false;
    if (o->n != 0)
        qsort(o->items, o->n, sizeof(*o->items), compare_items);
    sg_hasher_u64(h, o->n);
    for (size_t k = 0; k < o->n; k++) {
        const struct item *i = &o->items[k];

        sg_hasher_text(h, i->dir);
        sg_hasher_u64(h, (uint64_t)i->len);
        sg_hasher_text(h, i->algorithm);
        sg_hasher_u64(h, i->sum.hi);
        sg_hasher_u64(h, i->sum.lo);
    }
    o->facts.version = sg_hasher_end(h);
    sg_hasher_free(h);
    return true;
}

bool sg_output_look(struct sg_store *store, const char *dir, struct sg_output **ret,
                    struct sg_output_facts *ret_facts, struct sg_error *err)
{
    struct sg_output *o = calloc(1, sizeof(*o));

    if (o == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "the files of an output");
    o->err = err;
    if (!sg_store_walk(store, dir, add_file, o, err) || o->failed) {
        sg_output_free(o);
        return false;
    }
    *ret = o;
    *ret_facts = o->facts;
    return true;
}

bool sg_output_read(struct sg_store *store, const char *dir, struct sg_output *o, bool checksums,
                    bool durable, struct sg_output_facts *ret, struct sg_error *err)
{
    o->err = err;
    if (((checksums || durable) && !read_files(store, dir, o, checksums, durable)) ||
        (durable && !flush_dirs(store, dir, o)) ||
        (checksums && !o->facts.incomparable && !hash_items(o)))
        return false;
    *ret = o->facts;
    return true;
}

void sg_output_free(struct sg_output *o)
{
    if (o == NULL)
        return;
    sg_arena_done(&o->a);
    free(o);
}

bool sg_output_examine(struct sg_store *store, const char *dir, bool checksums, bool durable,
                       struct sg_output_facts *ret, struct sg_error *err)
{
    struct sg_output *o;
    struct sg_output_facts facts;
    bool ok;

    if (!sg_output_look(store, dir, &o, &facts, err))
        return false;
    ok = sg_output_read(store, dir, o, checksums, durable, &facts, err);
    sg_output_free(o);
    if (ok)
        *ret = facts;
    return ok;
}
