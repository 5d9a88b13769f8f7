/*
 * file_impl: what the files of the local store share (private to the floor).
 *
 * file.c reads, file_stat.c stats many, file_write.c writes and removes, file_flush.c flushes
 * directories, file_claim.c claims. The sg_file_… functions below take full paths; those in the
 * table of file.c take paths below the root.
 */
#ifndef STAGEGRAPH_FILE_IMPL_H
#define STAGEGRAPH_FILE_IMPL_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "io.h"
#include "store_impl.h"

#define SG_FILE_SWEPT 64 /* two that share a place are swept in turn, which does no harm */

struct sg_file_store {
    struct sg_store base; /* first: a struct sg_store * is cast to it */
    const char *prefix;   /* the root, or "" where that is "/"; borrowed from base */
    struct sg_io io;
    pthread_mutex_t flush_lock;
    pthread_cond_t flush_ended;
    struct sg_file_flush *flushes;         /* file_flush.c; under the lock */
    unsigned n_flushes;                    /* threads that flush, or wait for a flush */
    _Atomic uint64_t swept[SG_FILE_SWEPT]; /* hashes of directories of claims: file_claim.c */
};

static inline struct sg_file_store *sg_file_of(struct sg_store *s)
{
    return (struct sg_file_store *)(void *)s;
}

/* An error of the store about one path: "write /x/y: No space left on device". Always false. */
bool sg_file_fail(struct sg_error *err, int sys, const char *operation, const char *path);
/* ENOENT and ENOTDIR: there is none. */
bool sg_file_is_absent(int sys);

/* The full path of one below the root; ret is NUL-terminated. */
bool sg_file_path(const struct sg_file_store *f, const char *path, char ret[PATH_MAX],
                  struct sg_error *err) SG_MUST;
/* "DIR/BEFORE NAME AFTER" in ret. */
bool sg_file_join(const char *dir, const char *before, const char *name, const char *after,
                  char ret[PATH_MAX], struct sg_error *err) SG_MUST;
/* The full path of what contains `full`; "/" of "/x". */
void sg_file_parent(const char *full, char ret[PATH_MAX]);

struct sg_entry sg_file_entry(const struct stat *st);

/* From where fd stands to the end, or to the `len` bytes that there were when it was looked at (-1:
 * not known), appended; what was read so far is taken back on failure. */
bool sg_file_read_all(const struct sg_io *io, int fd, const char *full, int64_t len, size_t limit,
                      struct sg_buf *out, struct sg_error *err) SG_MUST;
bool sg_file_make_full(struct sg_file_store *f, const char *full, struct sg_error *err) SG_MUST;
/* Only with sync. A directory that is gone has nothing to flush. One fsync() can be that of several
 * threads: it begins after each of them has called. */
bool sg_file_flush_full(struct sg_file_store *f, const char *full, struct sg_error *err) SG_MUST;

/*
 * A temporary file beside `full`, ".NAME.NONCE.tmp", new and open for reading and writing. The
 * directory is made when it is not there. The caller closes ret->fd.
 */
struct sg_file_temp {
    int fd;
    char path[PATH_MAX];
};
bool sg_file_temp_new(struct sg_file_store *f, const char *full, struct sg_file_temp *ret,
                      struct sg_error *err) SG_MUST;
/* All bytes, flushed with sync. */
bool sg_file_temp_write(struct sg_file_store *f, const struct sg_file_temp *t, struct sg_span text,
                        struct sg_error *err) SG_MUST;
/* Is it the name of a temporary file of ours beside NAME? name NULL: beside anything. */
bool sg_file_is_temp(const char *entry, const char *name);

/* The operations that are not in file.c. */
bool sg_file_birth(struct sg_store *s, const char *dir, struct sg_birth *ret,
                   struct sg_error *err) SG_MUST;
bool sg_file_stat_many(struct sg_store *s, const char *const *paths, size_t n, struct sg_entry *ret,
                       struct sg_error *err) SG_MUST;
bool sg_file_flush_dir(struct sg_store *s, const char *dir, struct sg_error *err) SG_MUST;
bool sg_file_make_dir(struct sg_store *s, const char *dir, struct sg_error *err) SG_MUST;
bool sg_file_remove_tree(struct sg_store *s, const char *path, struct sg_error *err) SG_MUST;
bool sg_file_put(struct sg_store *s, const char *path, struct sg_span text,
                 struct sg_error *err) SG_MUST;
bool sg_file_put_marker(struct sg_store *s, const char *dir, const char *name,
                        struct sg_span receipt, struct sg_entry *ret, struct sg_error *err) SG_MUST;
bool sg_file_rename_marker(struct sg_store *s, const char *dir, const char *name, const char *to,
                           struct sg_entry *ret, struct sg_error *err) SG_MUST;
bool sg_file_remove_marker(struct sg_store *s, const char *dir, const char *name,
                           struct sg_error *err) SG_MUST;
bool sg_file_claim_take(struct sg_store *s, const char *path, struct sg_span text,
                        struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                        struct sg_buf *held_text, struct sg_error *err) SG_MUST;
bool sg_file_claim_take_unflushed(struct sg_store *s, const char *path, struct sg_span text,
                                  struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                                  struct sg_buf *held_text, struct sg_error *err) SG_MUST;
bool sg_file_claim_replace(struct sg_store *s, struct sg_store_claim *claim, struct sg_span text,
                           struct sg_error *err) SG_MUST;
bool sg_file_claim_verify(struct sg_store *s, const struct sg_store_claim *claim, bool *ret,
                          struct sg_error *err) SG_MUST;
bool sg_file_claim_drop(struct sg_store *s, struct sg_store_claim *claim,
                        struct sg_error *err) SG_MUST;
void sg_file_claim_leave(struct sg_store *s, struct sg_store_claim *claim);
bool sg_file_claim_list(struct sg_store *s, const char *dir, sg_store_claim_fn *fn, void *ctx,
                        struct sg_error *err) SG_MUST;
bool sg_file_claim_look(struct sg_store *s, const char *path, sg_store_claim_fn *fn, void *ctx,
                        struct sg_error *err) SG_MUST;

#endif
