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
#include "stagegraph/hadoop.h"
#include "stagegraph/http.h"
#include "store_impl.h"

struct sg_webhdfs {
    struct sg_store base; /* first */
    struct sg_http *http;
    struct sg_arena arena; /* of what is read-only after opening */
    struct sg_namenodes nn;
    int64_t deadline_ms, lease_s;
    const char *user;      /* encoded; NULL with Kerberos */
    const char *state;     /* directory for the cache of directories; NULL: none */
    bool content_receipts; /* receipts = content */
    atomic_uint active;    /* index into nn.bases that answered last */
    atomic_bool answered;  /* something has answered in this run */
    pthread_mutex_t token_lock;
    struct sg_buf token;      /* the delegation token; "" none */
    struct wh_claims *claims; /* webhdfs_claim.c: heartbeat thread and what it knows */
    struct wh_dirs *dirs;     /* webhdfs_scan.c: the cache of directories */
};

enum wh_result {
    WH_OK,      /* 2xx (a redirect where one was asked for) */
    WH_REFUSED, /* the NameNode said no: fault.exception */
    WH_LOST     /* a mutation may have been done or not: fault.text says why */
};

struct wh_fault {
    int status;
    char exception[80]; /* "FileNotFoundException"; "" where the answer had none */
    char message[300];  /* first line of it */
};

struct wh_op {
    const char *method, *op; /* "GET", "GETFILESTATUS" */
    const char *path;        /* relative to the root; or absolute, beginning with "/" (inodes) */
    const char *query;       /* further parameters, encoded, each with its "&"; NULL */
    bool mutates;            /* a lost answer is not repeated */
    bool idempotent; /* a mutation that may be repeated all the same (MKDIRS, DELETE by inode) */
    bool data;       /* noredirect=true, then the second step at the DataNode with body */
    struct sg_span body;
    sg_http_body_fn *on_body;
    void *ctx;
};

/*
 * False: err (code store) names operation, full path, address, exception and message; the deadline
 * is over, or nothing can be reached. True: *ret says which; for REFUSED the caller decides what
 * the exception means to it, and wh_fail() makes the error where it means failure.
 */
bool wh_call(struct sg_webhdfs *w, const struct wh_op *op, struct sg_http_answer *answer,
             enum wh_result *ret, struct wh_fault *fault, struct sg_error *err) SG_MUST;
/* Always false: err says that the operation was refused, with all that is known. */
bool wh_fail(struct sg_webhdfs *w, const struct wh_op *op, const struct wh_fault *fault,
             struct sg_error *err);
bool wh_is(const struct wh_fault *fault, const char *exception); /* "FileNotFoundException" */

/* One status object, from GETFILESTATUS or an element of LISTSTATUS. */
struct wh_status {
    enum sg_entry_kind kind;
    uint64_t file_id;
    int64_t len, mtime_ms;
    int64_t children;    /* childrenNum of a directory */
    struct sg_span name; /* pathSuffix; valid during the callback */
};
void wh_entry(const struct wh_status *st, struct sg_entry *ret);
/* Absent: *ret->kind says so. path as in wh_op. */
bool wh_status(struct sg_webhdfs *w, const char *path, struct wh_status *ret,
               struct sg_error *err) SG_MUST;
/* LISTSTATUS, parsed as it comes; an absent directory: *ret_there false. A path that is a file is
 * an error. fn false stops early. */
typedef bool wh_list_fn(void *ctx, const struct wh_status *st);
bool wh_list(struct sg_webhdfs *w, const char *path, wh_list_fn *fn, void *ctx, bool *ret_there,
             struct sg_error *err) SG_MUST;
/* Adds text percent-encoded for a path ('/' kept) or a query value. */
bool wh_add_path(struct sg_buf *out, const char *path, struct sg_error *err) SG_MUST;
bool wh_add_value(struct sg_buf *out, const char *text, struct sg_error *err) SG_MUST;

#endif
