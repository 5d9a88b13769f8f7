/*
 * webhdfs_impl: one operation over WebHDFS, and what the files of this store share.
 *
 * Floor: store; private. docs/design.md, "WebHDFS".
 *
 * wh_call() is the only way to a NameNode: it chooses the address, adds who we are, sends, tells
 * the exceptions apart by name, retries what can pass within the store's deadline, and changes to
 * the other NameNode of a pair. What it must not repeat (a mutation whose answer was lost) it
 * returns as WH_LOST, and the caller settles it by reading back.
 */
#ifndef STAGEGRAPH_WEBHDFS_IMPL_H
#define STAGEGRAPH_WEBHDFS_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/clock.h"
#include "stagegraph/hadoop.h"
#include "stagegraph/http.h"
#include "store_impl.h"

#define WH_ATTRIBUTE "user.stagegraph" /* the extended attribute that holds a receipt */

enum wh_receipts { WH_RECEIPTS_AUTO, WH_RECEIPTS_ATTRIBUTE, WH_RECEIPTS_CONTENT };

struct sg_webhdfs {
    struct sg_store base; /* first */
    struct sg_http *http;
    struct sg_arena arena; /* of what is read-only after opening */
    struct sg_namenodes nn;
    int64_t deadline_ms, lease_s;
    int64_t silence_ms; /* an operation that waits for so long is told of */
    int64_t pause_ms;   /* the first one before another try; each later one is twice as long */
    bool kerberos;
    const char *user;      /* encoded; NULL with Kerberos */
    const char *state;     /* directory for the cache of directories; NULL: none */
    const char *dir_mode;  /* parameters of MKDIRS and CREATE, each with its "&": what the umask */
    const char *file_mode; /* of Hadoop's configuration leaves */
    enum wh_receipts receipts;
    atomic_bool no_attributes; /* the NameNode has none (receipts = auto): not asked again */
    atomic_bool plain_renames; /* a server that heeds no renameoptions: see WH_PLAIN_REFUSAL */
    atomic_bool bare;          /* the marker read last had no attribute */
    atomic_bool pageless;      /* the NameNode has no LISTSTATUS_BATCH: not asked again */
    atomic_bool encrypted;     /* a file in an encryption zone has been seen */
    atomic_uint active;        /* index into nn.bases that answered last */
    atomic_bool answered;      /* something has answered in this run */
    atomic_bool closing;       /* what is still asked gets one try */
    pthread_mutex_t lock;      /* of the four below */
    int64_t date_s;            /* the server's clock as last told; 0: not yet */
    struct sg_mono date_at;    /* when that was */
    struct wh_wait *waits;     /* webhdfs_wait.c: operations under way */
    struct sg_mono answer_at;  /* when one last came to its end */
    pthread_mutex_t token_lock;
    struct sg_buf token;          /* the delegation token, encoded; "" none yet */
    bool tokenless;               /* Kerberos, but the NameNode gives no tokens */
    struct sg_mono token_renewal; /* when it is time to renew it */
    struct wh_seen *seen;         /* webhdfs_read.c: receipts that were read; under `lock` */
    struct wh_claims *claims;     /* webhdfs_claim.c: heartbeat thread and what it knows */
    struct wh_dirs *dirs;         /* webhdfs_scan.c: the cache of directories */
};

static inline struct sg_webhdfs *wh_of(struct sg_store *s)
{
    return (struct sg_webhdfs *)s; /* base is its first member */
}

/* ---- operations under way: webhdfs_wait.c ---- */

#define WH_TROUBLE_TEXT 300

/* Its caller's, from wh_wait_begin() to wh_wait_end(); `what` and `until` are set before. */
struct wh_wait {
    struct wh_wait *next;
    char what[300]; /* "MKDIRS /warehouse/a" */
    struct sg_mono began, until;
    const char *base; /* who is asked */
    bool data_node;
    char trouble[WH_TROUBLE_TEXT]; /* of the last try, with its address; "" of the first */
};
void wh_wait_begin(struct sg_webhdfs *w, struct wh_wait *x, const char *base);
void wh_wait_at(struct sg_webhdfs *w, struct wh_wait *x, const char *base, bool data_node);
void wh_wait_trouble(struct sg_webhdfs *w, struct wh_wait *x, const char *text);
void wh_wait_end(struct sg_webhdfs *w, struct wh_wait *x, bool answered);
bool wh_trouble(struct sg_store *s, struct sg_store_trouble *ret); /* sg_store_trouble() */

/* ---- one operation: webhdfs_call.c ---- */

enum wh_result {
    WH_OK,      /* 2xx (a redirect where one was asked for) */
    WH_REFUSED, /* the NameNode said no: fault.exception */
    WH_LOST     /* a mutation may have been done or not: fault.message says why */
};

struct wh_fault {
    int status;
    char exception[80]; /* "FileNotFoundException"; "" where the answer had none */
    char message[300];  /* first line of it */
    char address[160];  /* "http://host:9870" */
};

struct wh_op {
    const char *method, *op; /* "GET", "GETFILESTATUS" */
    const char *path;        /* relative to the root; or absolute, beginning with "/" (inodes) */
    const char *query;       /* further parameters, encoded, each with its "&"; NULL */
    bool mutates;            /* a lost answer is not repeated */
    bool idempotent; /* a mutation that may be repeated all the same (MKDIRS, DELETE by inode) */
    bool data;       /* noredirect=true, then the second step at the DataNode with body */
    bool spnego;     /* with Kerberos itself, without the token: what gets and renews tokens */
    struct sg_span body;
    struct sg_mono until;        /* a deadline of its own; 0: the store's, from now */
    size_t limit;                /* of an answer that is kept; 0: 1 MiB */
    sg_http_body_fn *on_body;    /* NULL: the answer is kept */
    void (*on_again)(void *ctx); /* before on_body is told a further try's answer, from its start */
    void *ctx;
};

/*
 * False: err (code store) names operation, full path, address, exception and message; the deadline
 * is over, or nothing can be reached, or the cluster doesn't know who we are. True: *ret says
 * which; for REFUSED the caller decides what the exception means to it, and wh_fail() makes the
 * error where it means failure. `answer` is to be done by the caller in any case.
 */
bool wh_call(struct sg_webhdfs *w, const struct wh_op *op, struct sg_http_answer *answer,
             enum wh_result *ret, struct wh_fault *fault, struct sg_error *err) SG_MUST;
/* Always false: err says that the operation was refused or lost, with all that is known. */
bool wh_fail(struct sg_webhdfs *w, const struct wh_op *op, const struct wh_fault *fault,
             struct sg_error *err);
/* Always false: err says that the answer to an operation is not what it should be. */
bool wh_fail_answer(struct sg_webhdfs *w, const struct wh_op *op, const char *why,
                    struct sg_error *err);
bool wh_is(const struct wh_fault *fault, const char *exception); /* "FileNotFoundException" */
/*
 * HttpFS renames as if no renameoptions had been told: it says true or false, where a NameNode says
 * nothing or why not. The false is refused with this for an exception: something was in the way, or
 * there is no such source or parent. The true may mean that a directory was moved into the one that
 * was to be refused.
 */
#define WH_PLAIN_REFUSAL "RenameOptionsIgnored"
/* There is nothing at that path: FileNotFoundException, or a file where a directory would be. */
bool wh_is_absent(const struct wh_fault *fault);
/* What is left of an operation of several requests, and how long to wait before it is begun again
 * after a lost answer. */
struct wh_patience {
    struct sg_mono until;
    int64_t pause_ms;
    const atomic_bool *stopped; /* the store's */
};
void wh_patience_init(const struct sg_webhdfs *w, struct wh_patience *ret); /* all of `deadline` */
/* False, at once: the time would be over. Or soon: the store was stopped. */
bool wh_wait(struct wh_patience *p);
/* Adds text percent-encoded for a path ('/' kept) or a query value. */
bool wh_add_path(struct sg_buf *out, const char *path, struct sg_error *err) SG_MUST;
bool wh_add_value(struct sg_buf *out, const char *text, struct sg_error *err) SG_MUST;
/* The name of this process's user. */
bool wh_own_user(char *ret, size_t cap, struct sg_error *err) SG_MUST;
/* "DIR/NAME", or "NAME" where dir is the root; replaces what out holds. */
bool wh_join(struct sg_buf *out, const char *dir, const char *before, const char *name,
             const char *after, struct sg_error *err) SG_MUST;
/* 16 random hex digits. */
bool wh_nonce(char ret[17], struct sg_error *err) SG_MUST;

/* ---- the delegation token: webhdfs_token.c ---- */

/* Adds "&delegation=…" of a token that is still good, having got or renewed it until then; nothing
 * where there are none to be had. */
bool wh_token_add(struct sg_webhdfs *w, struct sg_mono until, struct sg_buf *url,
                  struct sg_error *err) SG_MUST;
/* A request with this url was refused for its token: the next gets another one. */
void wh_token_spoil(struct sg_webhdfs *w, const char *url);
/* Cancels and forgets it; failure is no matter, it ends by itself. */
void wh_token_cancel(struct sg_webhdfs *w);

/* ---- answers: webhdfs_json.c ---- */

/* One status object, from GETFILESTATUS or an element of LISTSTATUS. */
struct wh_status {
    enum sg_entry_kind kind;
    uint64_t file_id;
    int64_t len, mtime_ms;
    int64_t children;    /* childrenNum of a directory */
    bool encrypted;      /* it lies in an encryption zone */
    struct sg_span name; /* pathSuffix, NUL-terminated; valid during the callback */
};
/* The status as the store's contract has it; a directory's ctime_ns is its number of children. */
void wh_entry(const struct wh_status *st, struct sg_entry *ret);

/* The scalar at a way of keys through objects (and the first element of arrays) as text: a string
 * unescaped, a number, true, false as written, null as not there. *ret_found false: not there.
 * False: the text is not JSON, or memory is short. */
bool wh_json_find(struct sg_span text, const char *const *keys, size_t n, struct sg_buf *ret,
                  bool *ret_found, struct sg_error *err) SG_MUST;
#define WH_JSON_FIND(text, ret, found, err, ...)                                                   \
    wh_json_find((text), (const char *const[]){ __VA_ARGS__ },                                     \
                 sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *), (ret),       \
                 (found), (err))
/* The value of the attribute of that name, as written, from {"XAttrs":[{"name":…,"value":…},…]}. */
bool wh_json_attribute(struct sg_span text, const char *name, struct sg_buf *ret, bool *ret_found,
                       struct sg_error *err) SG_MUST;
/* {"FileStatus":{…}} */
bool wh_json_status(struct sg_span text, struct wh_status *ret, struct sg_error *err) SG_MUST;

/*
 * {"FileStatuses":{"FileStatus":[{…},…]}} in pieces as they come, or with `page` what has the same
 * within it: {"DirectoryListing":{"partialListing":…,"remainingEntries":9000}}. Each element is
 * parsed as soon as it is whole and kept as a struct (some 70 bytes and its name); its text is not.
 * What isn't an element is kept, a byte an element, and judged at the end, so that a listing that
 * was cut or garbled anywhere is an error.
 */
struct wh_listing {
    struct sg_arena arena;
    struct wh_status *at;
    size_t n, cap;
    struct sg_buf frame;   /* the answer without its elements */
    struct sg_buf element; /* the one that is coming */
    unsigned depth;        /* of brackets outside elements */
    unsigned inside;       /* of brackets within an element; 0: not in one */
    bool string, escape;
    bool page;           /* set after init */
    int64_t remaining;   /* of a page, once it has ended */
    struct sg_error err; /* what went wrong first */
    bool failed;
};
void wh_listing_init(struct wh_listing *l);
void wh_listing_done(struct wh_listing *l);
void wh_listing_again(void *l);                             /* wh_op.on_again: forget all */
bool wh_listing_body(void *l, const char *bytes, size_t n); /* wh_op.on_body */
bool wh_listing_end(struct wh_listing *l, struct sg_error *err) SG_MUST;

/* ---- reading: webhdfs_read.c ---- */

/* A marker's identity that is its directory's: sg_store_is_by_dir(). */
static inline bool wh_is_by_dir(const struct sg_ident *ident)
{
    return ident->ctime_ns != 0; /* a number of children */
}

/* Absent: *ret->kind says so. path as in wh_op. */
bool wh_status(struct sg_webhdfs *w, const char *path, struct wh_status *ret,
               struct sg_error *err) SG_MUST;
/* LISTSTATUS, parsed as it comes, told when it is whole; an absent directory, and a path that is no
 * directory: *ret_there false. fn false stops early. */
typedef bool wh_list_fn(void *ctx, const struct wh_status *st);
bool wh_list(struct sg_webhdfs *w, const char *path, wh_list_fn *fn, void *ctx, bool *ret_there,
             struct sg_error *err) SG_MUST;
/* A part of the same: the children whose names come after `after` ("": from the first on), as many
 * as the server puts into one answer; *ret_more: there are others behind them. */
bool wh_list_page(struct sg_webhdfs *w, const char *path, const char *after, wh_list_fn *fn,
                  void *ctx, bool *ret_there, bool *ret_more, struct sg_error *err) SG_MUST;
/* Does what was refused say that there are no attributes here? */
bool wh_lacks_attributes(const struct wh_fault *fault);
void wh_seen_free(struct wh_seen *seen); /* NULL is fine */
/* Adds what the receipt's attribute holds, if there is one; *ret_there false: the file is gone. */
bool wh_read_attribute(struct sg_webhdfs *w, const char *path, struct sg_buf *out, bool *ret_there,
                       struct sg_error *err) SG_MUST;
bool wh_store_stat(struct sg_store *s, const char *path, struct sg_entry *ret,
                   struct sg_error *err) SG_MUST;
bool wh_store_list(struct sg_store *s, const char *dir, sg_store_list_fn *fn, void *ctx,
                   struct sg_error *err) SG_MUST;
bool wh_store_walk(struct sg_store *s, const char *dir, sg_store_walk_fn *fn, void *ctx,
                   struct sg_error *err) SG_MUST;
bool wh_store_read(struct sg_store *s, const char *path, size_t limit, struct sg_buf *out,
                   struct sg_entry *ret, struct sg_error *err) SG_MUST;
bool wh_store_checksum(struct sg_store *s, const char *path, bool durable, struct sg_hash128 *ret,
                       const char **ret_algorithm, struct sg_error *err) SG_MUST;
bool wh_store_is_open(struct sg_store *s, const char *path, bool *ret,
                      struct sg_error *err) SG_MUST;
bool wh_store_read_marker(struct sg_store *s, const char *dir, const char *name, size_t limit,
                          struct sg_buf *out, struct sg_entry *ret, struct sg_error *err) SG_MUST;
bool wh_store_read_seen(struct sg_store *s, const char *dir, const char *name,
                        const struct sg_entry *seen, size_t limit, struct sg_buf *out,
                        struct sg_entry *ret, struct sg_error *err) SG_MUST;
bool wh_store_now(struct sg_store *s, struct sg_wall *ret, struct sg_error *err) SG_MUST;

/* ---- how the cluster is: webhdfs_health.c ---- */

bool wh_store_health(struct sg_store *s, sg_store_health_fn *fn, void *ctx,
                     struct sg_error *err) SG_MUST;

/* ---- writing: webhdfs_write.c ---- */

/* Removes exactly this file or directory with all in it; *ret_gone: there was none (or there are no
 * inode paths). May be repeated, since ids are never used again. */
bool wh_delete_inode(struct sg_webhdfs *w, uint64_t id, bool *ret_gone,
                     struct sg_error *err) SG_MUST;
bool wh_store_flush(struct sg_store *s, const char *path, struct sg_error *err) SG_MUST;
bool wh_store_make_dir(struct sg_store *s, const char *dir, struct sg_error *err) SG_MUST;
bool wh_store_remove_tree(struct sg_store *s, const char *path, struct sg_error *err) SG_MUST;
bool wh_store_put(struct sg_store *s, const char *path, struct sg_span text,
                  struct sg_error *err) SG_MUST;
bool wh_store_put_marker(struct sg_store *s, const char *dir, const char *name,
                         struct sg_span receipt, struct sg_entry *ret,
                         struct sg_error *err) SG_MUST;
bool wh_store_rename_marker(struct sg_store *s, const char *dir, const char *name, const char *to,
                            struct sg_entry *ret, struct sg_error *err) SG_MUST;
bool wh_store_remove_marker(struct sg_store *s, const char *dir, const char *name,
                            struct sg_error *err) SG_MUST;
bool wh_store_remove_listed_marker(struct sg_store *s, const char *dir, const char *name,
                                   struct sg_error *err) SG_MUST;

/* ---- many markers at once: webhdfs_scan.c ---- */

bool wh_scan_open(struct sg_webhdfs *w, struct sg_error *err) SG_MUST;
void wh_scan_free(struct sg_webhdfs *w); /* of one that was not opened too */
bool wh_store_stat_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err) SG_MUST;
bool wh_store_stat_again(struct sg_store *s, const char *const *paths, size_t n,
                         struct sg_entry *ret, struct sg_error *err) SG_MUST;
bool wh_store_stat_dirs(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err) SG_MUST;
bool wh_store_look_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err) SG_MUST;
void wh_store_receipts(struct sg_store *s, const char *const *paths, const struct sg_entry *seen,
                       const struct sg_entry *found, const bool *receipts, size_t n);

/* ---- claims: webhdfs_claim.c ---- */

bool wh_claims_open(struct sg_webhdfs *w, struct sg_error *err) SG_MUST;
void wh_claims_free(struct sg_webhdfs *w); /* of what was not opened too */
bool wh_claim_take(struct sg_store *s, const char *path, struct sg_span text,
                   struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                   struct sg_buf *held_text, struct sg_error *err) SG_MUST;
bool wh_claim_replace(struct sg_store *s, struct sg_store_claim *claim, struct sg_span text,
                      struct sg_error *err) SG_MUST;
bool wh_claim_verify(struct sg_store *s, const struct sg_store_claim *claim, bool *ret,
                     struct sg_error *err) SG_MUST;
bool wh_claim_time(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err) SG_MUST;
bool wh_claim_drop(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err) SG_MUST;
void wh_claim_leave(struct sg_store *s, struct sg_store_claim *claim);
bool wh_claim_list(struct sg_store *s, const char *dir, sg_store_claim_fn *fn, void *ctx,
                   struct sg_error *err) SG_MUST;
bool wh_claim_look(struct sg_store *s, const char *path, sg_store_claim_fn *fn, void *ctx,
                   struct sg_error *err) SG_MUST;
bool wh_claim_fenced(struct sg_store *s, struct sg_fence *ret);
/* A mutation of a process that has claims is not sent when others may have them by now, so its
 * deadline comes earlier. False: they may already. */
bool wh_claims_allow(struct sg_webhdfs *w, struct sg_mono *deadline, struct sg_error *err) SG_MUST;

#endif
