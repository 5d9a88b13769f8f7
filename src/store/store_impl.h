/*
 * store_impl: what an implementation of the store provides (private to the floor and its fakes).
 *
 * Floor: store. A store is a struct that begins with struct sg_store; store.c checks paths and
 * dispatches. The contracts of the operations are those of stagegraph/store.h, word for word.
 */
#ifndef STAGEGRAPH_STORE_IMPL_H
#define STAGEGRAPH_STORE_IMPL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/store.h"

struct sg_store_ops {
    void (*free)(struct sg_store *s); /* all of it, but for root and uri */
    bool (*stat)(struct sg_store *s, const char *path, struct sg_entry *ret, struct sg_error *err);
    bool (*stat_many)(struct sg_store *s, const char *const *paths, size_t n, struct sg_entry *ret,
                      struct sg_error *err);
    /* NULL: as stat_many */
    bool (*stat_again)(struct sg_store *s, const char *const *paths, size_t n, struct sg_entry *ret,
                       struct sg_error *err);
    /* NULL: as stat_many */
    bool (*look_many)(struct sg_store *s, const char *const *paths, size_t n, struct sg_entry *ret,
                      struct sg_error *err);
    /* NULL: nothing is made of it */
    void (*receipts)(struct sg_store *s, const char *const *paths, const struct sg_entry *seen,
                     const struct sg_entry *found, const bool *receipts, size_t n);
    /* NULL: as stat_many */
    bool (*stat_dirs)(struct sg_store *s, const char *const *paths, size_t n, struct sg_entry *ret,
                      struct sg_error *err);
    /* NULL: the store is write-once */
    bool (*birth)(struct sg_store *s, const char *dir, struct sg_birth *ret, struct sg_error *err);
    /* NULL: nothing is counted */
    void (*counted)(struct sg_store *s, struct sg_store_traffic *ret);
    bool (*list)(struct sg_store *s, const char *dir, sg_store_list_fn *fn, void *ctx,
                 struct sg_error *err);
    bool (*walk)(struct sg_store *s, const char *dir, sg_store_walk_fn *fn, void *ctx,
                 struct sg_error *err);
    bool (*read)(struct sg_store *s, const char *path, size_t limit, struct sg_buf *out,
                 struct sg_entry *ret, struct sg_error *err);
    bool (*checksum)(struct sg_store *s, const char *path, bool durable, struct sg_hash128 *ret,
                     const char **ret_algorithm, struct sg_error *err);
    bool (*is_open)(struct sg_store *s, const char *path, bool *ret, struct sg_error *err);
    bool (*flush_file)(struct sg_store *s, const char *path, struct sg_error *err);
    bool (*flush_dir)(struct sg_store *s, const char *dir, struct sg_error *err);
    bool (*make_dir)(struct sg_store *s, const char *dir, struct sg_error *err);
    bool (*remove_tree)(struct sg_store *s, const char *path, struct sg_error *err);
    bool (*put)(struct sg_store *s, const char *path, struct sg_span text, struct sg_error *err);
    bool (*read_marker)(struct sg_store *s, const char *dir, const char *name, size_t limit,
                        struct sg_buf *out, struct sg_entry *ret, struct sg_error *err);
    /* NULL: as read_marker */
    bool (*read_seen)(struct sg_store *s, const char *dir, const char *name,
                      const struct sg_entry *seen, size_t limit, struct sg_buf *out,
                      struct sg_entry *ret, struct sg_error *err);
    bool (*put_marker)(struct sg_store *s, const char *dir, const char *name,
                       struct sg_span receipt, struct sg_entry *ret, struct sg_error *err);
    bool (*rename_marker)(struct sg_store *s, const char *dir, const char *name, const char *to,
                          struct sg_entry *ret, struct sg_error *err);
    bool (*remove_marker)(struct sg_store *s, const char *dir, const char *name,
                          struct sg_error *err);
    /* NULL: as remove_marker */
    bool (*remove_listed_marker)(struct sg_store *s, const char *dir, const char *name,
                                 struct sg_error *err);
    bool (*claim_take)(struct sg_store *s, const char *path, struct sg_span text,
                       struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                       struct sg_buf *held_text, struct sg_error *err);
    /* NULL: as claim_take */
    bool (*claim_take_unflushed)(struct sg_store *s, const char *path, struct sg_span text,
                                 struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                                 struct sg_buf *held_text, struct sg_error *err);
    bool (*claim_replace)(struct sg_store *s, struct sg_store_claim *claim, struct sg_span text,
                          struct sg_error *err);
    bool (*claim_verify)(struct sg_store *s, const struct sg_store_claim *claim, bool *ret,
                         struct sg_error *err);
    /* NULL: it is known */
    bool (*claim_time)(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err);
    bool (*claim_drop)(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err);
    void (*claim_leave)(struct sg_store *s, struct sg_store_claim *claim);
    bool (*claim_list)(struct sg_store *s, const char *dir, sg_store_claim_fn *fn, void *ctx,
                       struct sg_error *err);
    bool (*claim_look)(struct sg_store *s, const char *path, sg_store_claim_fn *fn, void *ctx,
                       struct sg_error *err);
    bool (*fenced)(struct sg_store *s, struct sg_fence *ret);          /* NULL: never */
    bool (*trouble)(struct sg_store *s, struct sg_store_trouble *ret); /* NULL: never */
    bool (*now)(struct sg_store *s, struct sg_wall *ret, struct sg_error *err);
    /* NULL: there is nothing to tell */
    bool (*health)(struct sg_store *s, sg_store_health_fn *fn, void *ctx, struct sg_error *err);
};

struct sg_store {
    const struct sg_store_ops *ops;
    char *root, *uri; /* owned; sg_store_free() frees them */
    bool sync;
    atomic_bool stopped; /* checksums end as soon as they can */
    bool write_once;
    unsigned threads;
};

/* What stagegraph-webhdfs.so exports, for the remote schemes. */
typedef bool sg_store_open_fn(const struct sg_store_config *config, struct sg_store **ret,
                              struct sg_error *err);
#define SG_WEBHDFS_SYMBOL "sg_webhdfs_open"
sg_store_open_fn sg_webhdfs_open;

struct sg_io;

/* The local implementation. path is absolute; io may be NULL: the system's calls. The struct sg_io
 * is copied. */
bool sg_file_store_open(const char *path, bool sync, const struct sg_io *io, struct sg_store **ret,
                        struct sg_error *err) SG_MUST;

#endif
