/*
 * store: where outputs and markers live: the few operations that stagegraph needs of it.
 *
 * Floor: store. docs/design.md, "Stores".
 *
 * Paths are relative to the root, "/"-separated, without a leading slash; "" is the root itself.
 * Every operation may block and may be called from several threads at once (the struct is
 * read-only after opening, or locks for itself); the event loop's thread hands them to workers.
 * Absence is an answer, not an error. What the store refuses or fails is code store, with the
 * operation and the full path in the text.
 *
 * The first implementation is `file` (src/store/file.c): O_EXCL, flock, rename, fsync. WebHDFS is
 * the second; hence claims and markers are operations of their own and not files that others write.
 */
#ifndef STAGEGRAPH_STORE_H
#define STAGEGRAPH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/buf.h"
#include "stagegraph/clock.h"
#include "stagegraph/error.h"
#include "stagegraph/hash.h"

/* Identity of a file or directory as the store shows it: equal identities, unchanged contents,
 * provided that it was older than two seconds of store time when it was seen. */
struct sg_ident {
    uint64_t id;                /* inode; on HDFS the file's id */
    int64_t len;                /* bytes; of a directory 0 */
    int64_t mtime_ns, ctime_ns; /* on HDFS ctime_ns is 0, of a directory its number of children */
};

enum sg_entry_kind {
    SG_ENTRY_ABSENT,
    SG_ENTRY_FILE,
    SG_ENTRY_DIR,
    SG_ENTRY_OTHER,
    SG_ENTRY_UNSEEN /* it may be there: sg_store_look_many() */
};

struct sg_entry {
    enum sg_entry_kind kind;
    struct sg_ident ident;
};

struct sg_store;

struct sg_store_config {
    const char *root; /* absolute path or URI */
    bool sync;        /* each step durable before the next */
    /* The rest is for hdfs:, webhdfs: and swebhdfs: alone. */
    const char *module;   /* absolute path of stagegraph-webhdfs.so */
    const char *conf_dir; /* of Hadoop's configuration; NULL: none */
    const char *user;     /* of a simple cluster; NULL: this process's */
    const char *auth;     /* auto simple kerberos */
    const char *ca;       /* certificates to trust; NULL: the system's */
    const char *receipts; /* auto attribute content */
    const char *state; /* state directory: for what is remembered of directories; NULL: nowhere */
    int32_t connections;
    int64_t deadline_s, lease_s;
    const char *(*getenv)(const char *name); /* for ${env.X} in Hadoop's files; NULL: none */
};

/* Opens the store of a root by its scheme ("/…" and "file:///…": file; hdfs:, webhdfs:, swebhdfs:
 * from the module). Creates nothing, and asks nobody: a root that does not exist yet is fine and
 * reads as empty. An unknown scheme is code graph. */
bool sg_store_open(const struct sg_store_config *config, struct sg_store **ret,
                   struct sg_error *err) SG_MUST;
/* Whether a root needs config.module. */
bool sg_store_is_remote(const char *root);
void sg_store_free(struct sg_store *s);
const char *sg_store_root(const struct sg_store *s); /* absolute path, or URI */
/* "file:///abs/path", for people */
const char *sg_store_uri(const struct sg_store *s);

bool sg_store_stat(struct sg_store *s, const char *path, struct sg_entry *ret,
                   struct sg_error *err) SG_MUST;
/*
 * n markers at once, on as many threads as pay; ret[i] belongs to paths[i]. HDFS lists the parents
 * of the directories that they lie in, and where such a directory is as it was it believes that
 * its markers are, too, if they had been closed: one that is appended to, or given another time,
 * without being replaced may be told by sg_store_stat() alone.
 */
bool sg_store_stat_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err) SG_MUST;
/* The same for a second look at what this process has looked at: a marker in a directory that is as
 * it was is taken for what it was, if the directory was older than two seconds then. */
bool sg_store_stat_again(struct sg_store *s, const char *const *paths, size_t n,
                         struct sg_entry *ret, struct sg_error *err) SG_MUST;
/*
 * The same for who will read what is there, where a status would be a request more. HDFS may tell a
 * marker by the identity of its directory, which has not changed for two seconds: of kind file it
 * is known to be there; UNSEEN, it may be: sg_store_read_seen() finds out.
 */
bool sg_store_look_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err) SG_MUST;
/* Is this identity of a marker that of its directory? That is never older than the marker. */
bool sg_store_is_by_dir(const struct sg_store *s, const struct sg_ident *ident);
/* Says what was found where sg_store_look_many() has told `seen`, and which of it are receipts:
 * these have been closed, of others the store may find it out, by requests. */
void sg_store_receipts(struct sg_store *s, const char *const *paths, const struct sg_entry *seen,
                       const struct sg_entry *found, const bool *receipts, size_t n);
/* n directories (or files) at once, as they are now. HDFS lists their parents. */
bool sg_store_stat_dirs(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err) SG_MUST;

/* Are files here written once and closed, so that a directory with the identity that it had holds
 * the very files that it held, but for those in directories below it? */
bool sg_store_is_write_once(const struct sg_store *s);
/* How many operations at once pay where each of them waits; 0: as many as there are processors. */
unsigned sg_store_threads(const struct sg_store *s);
/* Requests that were sent so far and bytes both ways; false: it is a store that sends none. */
struct sg_store_traffic {
    uint64_t requests, bytes;
};
bool sg_store_counted(struct sg_store *s, struct sg_store_traffic *ret);

/* Which of the directories that have had this name it is; not of stores that are write-once. A
 * number alone does not tell: file systems give that of one that was removed to the next. */
struct sg_birth {
    bool is_there;
    uint64_t id;
    int64_t born_ns; /* 0: the file system does not keep it */
};
bool sg_store_birth(struct sg_store *s, const char *dir, struct sg_birth *ret,
                    struct sg_error *err) SG_MUST;
/* Is it known to be the same one? */
bool sg_birth_is_same(const struct sg_birth *a, const struct sg_birth *b);

/* The children of one directory, in no particular order; fn returns false to stop early (which is
 * success). An absent directory has no children. Names are without slashes. */
typedef bool sg_store_list_fn(void *ctx, const char *name, const struct sg_entry *entry);
bool sg_store_list(struct sg_store *s, const char *dir, sg_store_list_fn *fn, void *ctx,
                   struct sg_error *err) SG_MUST;

/*
 * All data files below a directory, at any depth: names that begin with '_' or '.' are left out,
 * directories of such names with all that is in them. rel_dir is relative to `dir` ("" at its top).
 * Iterative; in no particular order.
 */
struct sg_data_file {
    const char *rel_dir, *name;
    struct sg_ident ident;
};
typedef bool sg_store_walk_fn(void *ctx, const struct sg_data_file *file);
bool sg_store_walk(struct sg_store *s, const char *dir, sg_store_walk_fn *fn, void *ctx,
                   struct sg_error *err) SG_MUST;

/* A whole file of at most `limit` bytes appended to `out`; ret->kind is ABSENT where there is none.
 * Longer files are code limit. ident is of the file that was read (fstat of the open one). */
bool sg_store_read(struct sg_store *s, const char *path, size_t limit, struct sg_buf *out,
                   struct sg_entry *ret, struct sg_error *err) SG_MUST;

/* Checksum of one file's contents, for versions; *ret_algorithm is static text ("xxh3-128"), or
 * NULL: the store has none that could be compared (a file in an encryption zone of HDFS). With
 * `durable` the data are flushed too (sync = yes while the output is versioned). */
bool sg_store_checksum(struct sg_store *s, const char *path, bool durable, struct sg_hash128 *ret,
                       const char **ret_algorithm, struct sg_error *err) SG_MUST;
/* From now on nobody has patience: a checksum, which may take minutes, ends soon with an error, and
 * so does what a store that doesn't answer is asked for. All else goes on. From any thread. */
void sg_store_stop(struct sg_store *s);
bool sg_store_is_stopped(const struct sg_store *s);
/* Is somebody writing it now, as far as the store can tell? For files that are empty: a file that
 * is being written may show no bytes until it is closed. Absent: no. */
bool sg_store_is_open(struct sg_store *s, const char *path, bool *ret,
                      struct sg_error *err) SG_MUST;
/* Flushes a file's data, or a directory (its names), when the store was opened with sync. */
bool sg_store_flush_file(struct sg_store *s, const char *path, struct sg_error *err) SG_MUST;
bool sg_store_flush_dir(struct sg_store *s, const char *dir, struct sg_error *err) SG_MUST;

/* Makes the directory and its parents; fine if there. Durable with sync (new directories alone). */
bool sg_store_make_dir(struct sg_store *s, const char *dir, struct sg_error *err) SG_MUST;
/* Removes a tree; absent is fine. Never follows symbolic links. */
bool sg_store_remove_tree(struct sg_store *s, const char *path, struct sg_error *err) SG_MUST;

/*
 * Writes `text` so that at every instant `path` is absent, the old file, or the new one whole:
 * temporary name beside it (".NAME.NONCE.tmp"), flush, rename, flush of the directory. Makes the
 * directory. Used for recipes and input lists: when `path` is there already with the same bytes
 * nothing is written.
 */
bool sg_store_put(struct sg_store *s, const char *path, struct sg_span text,
                  struct sg_error *err) SG_MUST;

/* Markers: a file NAME in directory `dir`, whose content (or attribute) is a receipt. */
bool sg_store_read_marker(struct sg_store *s, const char *dir, const char *name, size_t limit,
                          struct sg_buf *out, struct sg_entry *ret, struct sg_error *err) SG_MUST;
/* The same of a marker that was seen just now: *ret may be what was seen then, and the text is of
 * then or newer. */
bool sg_store_read_seen(struct sg_store *s, const char *dir, const char *name,
                        const struct sg_entry *seen, size_t limit, struct sg_buf *out,
                        struct sg_entry *ret, struct sg_error *err) SG_MUST;
/* Receipt to a temporary name beside the marker, rename over it, a left-over ".NAME.crc" removed,
 * all durable with sync. *ret is the identity of the new marker; NULL: not wanted, which may cost
 * less. A failed put leaves no temporary file behind where the store still lets it be removed. */
bool sg_store_put_marker(struct sg_store *s, const char *dir, const char *name,
                         struct sg_span receipt, struct sg_entry *ret,
                         struct sg_error *err) SG_MUST;
/* Gives a marker the name `to` in the same directory, in place of what has it, durably: at every
 * instant a marker is there under one of the two names. *ret is its identity under the new one. An
 * absent marker is an error. */
bool sg_store_rename_marker(struct sg_store *s, const char *dir, const char *name, const char *to,
                            struct sg_entry *ret, struct sg_error *err) SG_MUST;
/* Removes the marker, its ".NAME.crc" and temporary names of ours; absent is fine; durable. */
bool sg_store_remove_marker(struct sg_store *s, const char *dir, const char *name,
                            struct sg_error *err) SG_MUST;
/* The same for who has just listed the directory and removes the rest himself: where it costs
 * requests, the marker alone. */
bool sg_store_remove_listed_marker(struct sg_store *s, const char *dir, const char *name,
                                   struct sg_error *err) SG_MUST;

/*
 * Claims: one exclusive, crash-safe lock with a text a path below _stagegraph/claims.
 *
 * On HDFS a claim is a directory, and what keeps it alive is a heartbeat of the process, and on the
 * same host a lock that lock_fd has: docs/design.md, "Claims on HDFS". There the text is always one
 * of record's claims (stagegraph/claim.h), for it has to go into a name.
 *
 * On `file`: a temporary file is written, locked (flock) and then linked to its name, so a claim is
 * locked from the instant it is visible; whoever holds the lock (the open file description: this
 * process, or the shim that inherited lock_fd) keeps it alive. A claim file that nobody locks is
 * dead. Only a holder of the lock of the file that is at the path removes or replaces it.
 */
struct sg_store_claim {
    char *path;            /* owned */
    int lock_fd;           /* O_CLOEXEC; to be inherited by the shim; -1 where the store has none */
    struct sg_ident ident; /* of the claim file; mtime_ns: sg_store_claim_time() */
};

enum sg_claim_outcome {
    SG_CLAIM_TAKEN, /* ret is filled */
    SG_CLAIM_HELD,  /* alive: *text has its text */
    SG_CLAIM_DEAD   /* dead: *text has its text, `dead` holds its lock: end its processes, then
                       sg_store_claim_replace() or _drop() it */
};

/* `text` is what the claim file shall say. `held_text` gets the other's text for HELD and DEAD. For
 * DEAD, *ret is the dead claim, whose lock we now hold: exactly one contender is told so. */
bool sg_store_claim_take(struct sg_store *s, const char *path, struct sg_span text,
                         struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                         struct sg_buf *held_text, struct sg_error *err) SG_MUST;
/* The same, but the name of a claim that is TAKEN is durable only after sg_store_flush_dir() of its
 * directory, one for many claims: until then nothing is to be done under it. */
bool sg_store_claim_take_unflushed(struct sg_store *s, const char *path, struct sg_span text,
                                   struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                                   struct sg_buf *held_text, struct sg_error *err) SG_MUST;
/* Puts a claim of ours, locked, in the place of the dead one that we hold, or of our own with
 * another text (rename over it), and lets that one go. On success *claim is the new one; on failure
 * it is still the old one. */
bool sg_store_claim_replace(struct sg_store *s, struct sg_store_claim *claim, struct sg_span text,
                            struct sg_error *err) SG_MUST;
/* Is the file at the path still ours? *ret false: somebody removed or replaced it. */
bool sg_store_claim_verify(struct sg_store *s, const struct sg_store_claim *claim, bool *ret,
                           struct sg_error *err) SG_MUST;
/* The store's time when it was taken, into claim->ident.mtime_ns: 0 there means that it is not
 * known yet, and may cost a request, but after sg_store_claim_verify(). */
bool sg_store_claim_time(struct sg_store *s, struct sg_store_claim *claim,
                         struct sg_error *err) SG_MUST;
/* Removes the claim file if it is still ours, then lets go of the lock. Frees path. */
bool sg_store_claim_drop(struct sg_store *s, struct sg_store_claim *claim,
                         struct sg_error *err) SG_MUST;
/* Lets go of it without removing the file (what can't be killed keeps its claim). Frees path. */
void sg_store_claim_leave(struct sg_store *s, struct sg_store_claim *claim);

/* All claims below `dir`, alive or dead, with their texts: of a stage's directory the name is
 * "LABEL", of the directory of all stages "STAGE/LABEL". Never makes a contender fail. Temporary
 * files of dead processes are swept. Not there: none. */
typedef bool sg_store_claim_fn(void *ctx, const char *name, bool alive, struct sg_span text);
bool sg_store_claim_list(struct sg_store *s, const char *dir, sg_store_claim_fn *fn, void *ctx,
                         struct sg_error *err) SG_MUST;
/* The claim at `path` alone, under the last part of its name; `fn` is not called if there is none.
 */
bool sg_store_claim_look(struct sg_store *s, const char *path, sg_store_claim_fn *fn, void *ctx,
                         struct sg_error *err) SG_MUST;

/*
 * May others have taken over what this process has claimed, for the store could not be reached for
 * too long? True from then on: whatever runs under its claims has to be ended, at the latest after
 * left_ms, for then others may begin; and no claim verifies. File: never, the kernel holds the
 * locks.
 */
struct sg_fence {
    int64_t again_ms; /* how soon to ask again; 0: there is no need to ask */
    int64_t left_ms;
    char why[700]; /* true: for people */
};
bool sg_store_fenced(struct sg_store *s, struct sg_fence *ret);

/* Has an operation been waiting for seconds for a store that doesn't answer, on whatever thread? It
 * is waited for on; this is for people who ask what goes on. File: never. */
struct sg_store_trouble {
    struct sg_mono answered; /* when an operation was last answered; 0: none yet */
    char why[700]; /* true: "waiting for HDFS: MKDIRS /w/a at http://…: …, up to 2m 00s" */
};
bool sg_store_trouble(struct sg_store *s, struct sg_store_trouble *ret);

/* The store's own clock (file: the file system's, read from a file it writes; falls back to the
 * machine's when nothing can be written). */
bool sg_store_now(struct sg_store *s, struct sg_wall *ret, struct sg_error *err) SG_MUST;

/* How those are that keep the store, a line each: for HDFS NameNodes, safe mode, DataNodes, room,
 * clocks. `bad`: runs may fail or wait for it, or will. What can't be reached is a bad line. */
typedef void sg_store_health_fn(void *ctx, bool bad, const char *text);
bool sg_store_health(struct sg_store *s, sg_store_health_fn *fn, void *ctx,
                     struct sg_error *err) SG_MUST;

#endif
