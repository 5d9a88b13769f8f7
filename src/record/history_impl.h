/*
 * history_impl: what history.c (the file), history_write.c, history_read.c and history_prune.c
 * share (private).
 */
#ifndef STAGEGRAPH_HISTORY_IMPL_H
#define STAGEGRAPH_HISTORY_IMPL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/arena.h"
#include "stagegraph/clock.h"
#include "stagegraph/history.h"

/* What is to be written. */
struct sg_history_batch {
    struct sg_arena a;
    struct sg_history_run *begun; /* NULL: there is none */
    struct sg_history_attempt *attempts;
    size_t n, cap;
};

/*
 * While there is a writer, the file, `code`, `notice` and `out` are its own; what is below `mutex`
 * is everybody's under it. sg_history_settle() ends the writer.
 */
struct sg_history {
    char *path;
    char *notice;
    bool read_only;
    sqlite3 *db;                 /* NULL until it is needed */
    int code;                    /* SQLite's, of what was done last */
    int patience_ms;             /* for others at the file */
    int64_t page;                /* rows that are read, or removed, at once */
    struct sg_history_batch out; /* is being written, or could not be */
    bool has_writer;
    pthread_t writer;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct sg_history_batch next; /* what came in since */
    int64_t late_ns; /* how late it may be written: a second, in tests what they like */
    struct sg_mono due;
    bool stop;           /* the writer is to end */
    bool over;           /* it has */
    struct sg_error err; /* set: what it failed with */
};

/* Something to be done with the open file; returns SQLite's code. */
typedef int sg_history_work_fn(struct sg_history *h, void *ctx);

/* Does it, opening the file first; a damaged one is set aside, and it is done once more with a new
 * one. Nothing is done, and that is fine, where a file that may only be read has no tables. */
bool sg_history_perform(struct sg_history *h, const char *what, sg_history_work_fn *fn, void *ctx,
                        struct sg_error *err) SG_MUST;

/* The first column of the first row; a query without one is SQLITE_DONE. */
int sg_history_number(sqlite3 *db, const char *sql, int64_t *ret);
/* Does what returns no row, and makes the statement ready to be done again. */
int sg_history_step(sqlite3_stmt *st);

/* How long others at the file are waited for: briefly where a run does. */
#define SG_HISTORY_BUSY_MS  3000
#define SG_HISTORY_BRIEF_MS 200

/* Rows of attempts that are read or removed at once. */
#define SG_HISTORY_PAGE 1000

/* What failed, was blocked or busy, as the index attempts_failed has it, word for word: SQLite
 * takes it for no other. */
#define SG_HISTORY_FAILED                                                                          \
    "result NOT IN ('ok', 'unchanged', 'completed', 'accepted', 'invalidated')"

/* sg_history_flush(), briefly. */
bool sg_history_flush_briefly(struct sg_history *h, struct sg_error *err) SG_MUST;

/* Before the file is closed: what waits is written, if it can be, and freed. */
void sg_history_write_last(struct sg_history *h);

/* Copies the texts too. */
bool sg_history_copy_run(struct sg_arena *a, const struct sg_history_run *r,
                         struct sg_history_run *ret, struct sg_error *err) SG_MUST;
bool sg_history_copy_attempt(struct sg_arena *a, const struct sg_history_attempt *at,
                             struct sg_history_attempt *ret, struct sg_error *err) SG_MUST;

/* Ends the writer, after what it is writing. False: it had failed. */
bool sg_history_settle(struct sg_history *h, struct sg_error *err) SG_MUST;

#endif
