/*
 * history_impl: what history.c (the file, writing) and history_read.c share (private).
 */
#ifndef STAGEGRAPH_HISTORY_IMPL_H
#define STAGEGRAPH_HISTORY_IMPL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/arena.h"
#include "stagegraph/clock.h"
#include "stagegraph/history.h"

struct sg_history {
    char *path;
    char *notice;
    bool read_only;
    sqlite3 *db;                  /* NULL until it is needed */
    int code;                     /* SQLite's, of what was done last */
    struct sg_arena a;            /* of what waits to be written */
    struct sg_history_run *begun; /* NULL: there is none */
    struct sg_history_attempt *waiting;
    size_t n, cap;
    struct sg_mono oldest; /* of the waiting ones; when the file was in use, the time of that */
};

/* Something to be done with the open file; returns SQLite's code. */
typedef int sg_history_work_fn(struct sg_history *h, void *ctx);

/* Does it, opening the file first; a damaged one is set aside, and it is done once more with a new
 * one. Nothing is done, and that is fine, where a file that may only be read has no tables. */
bool sg_history_perform(struct sg_history *h, const char *what, sg_history_work_fn *fn, void *ctx,
                        struct sg_error *err) SG_MUST;

/* As sg_history_flush(), without waiting for others at the file: then it is tried again later. */
bool sg_history_flush_at_once(struct sg_history *h, struct sg_error *err) SG_MUST;

#endif
