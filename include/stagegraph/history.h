/*
 * history: earlier runs and attempts, in SQLite in the state directory. Disposable.
 *
 * Floor: record. docs/formats.md, "History".
 *
 * No failure of the history ever fails a run: every writing function reports through *err and
 * returns false, and the caller notes it once and goes on. A damaged file is set aside
 * (history.sqlite.damaged-N) with a notice and a new one begun. Readable with the sqlite3 shell
 * while a run goes on.
 */
#ifndef STAGEGRAPH_HISTORY_H
#define STAGEGRAPH_HISTORY_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/error.h"

struct sg_history;

/* Cheap: SQLite itself is opened by the first read or write. One thread at a time.
 * state_dir must exist. *ret_notice (may be NULL) gets text to tell, owned by the history, or NULL.
 * read_only: no file is created; *ret is NULL when there is none. */
bool sg_history_open(const char *state_dir, bool read_only, struct sg_history **ret,
                     const char **ret_notice, struct sg_error *err) SG_MUST;
/* Writes what is waiting, if it can, and frees. NULL is fine. */
void sg_history_close(struct sg_history *h);
/* The newest notice, or NULL: damage may show only when the file is read or written. Valid until
 * the next call. */
const char *sg_history_notice(struct sg_history *h);

struct sg_history_run {
    const char *run, *command, *profile; /* command: the words of the command line, for people */
    const char *request; /* the request as JSON, for resume (opaque here); NULL: not resumable */
    int64_t started_ms, ended_ms; /* wall ms; ended_ms 0: unfinished or died */
    int64_t now_s;
    bool explicit_range;
    int32_t exit_status; /* -1: unknown; 128+n: died of signal n */
    int32_t pid;
    const char *host, *boot;
    int64_t n_ok, n_unchanged, n_failed, n_blocked, n_busy, n_planned;
};

struct sg_history_attempt {
    const char *run, *node, *stage, *label, *result, *reason, *detail, *log;
    uint32_t attempt;
    int64_t started_ms;
    double seconds, cpu_seconds;              /* NaN: not seen */
    int64_t peak_bytes;                       /* -1: not seen */
    const char *peak_source;                  /* "cgroup", "proc"; NULL: not seen */
    int64_t read_bytes, written_bytes;        /* -1 */
    int32_t jvms;                             /* -1: unknown how many */
    int64_t gc_count;                         /* -1 */
    double gc_seconds, gc_longest_seconds;    /* NaN */
    int64_t heap_peak_bytes, heap_used_bytes; /* -1 */
    int32_t exit_code, signo;                 /* -1: none */
    const char *applications; /* ids of those on YARN, separated by blanks; NULL: none known */
};
/* An attempt of which nothing was measured: the initializer of these fields. */
#define SG_HISTORY_UNSEEN                                                                          \
    .seconds = NAN, .cpu_seconds = NAN, .peak_bytes = -1, .read_bytes = -1, .written_bytes = -1,   \
    .jvms = -1, .gc_count = -1, .gc_seconds = NAN, .gc_longest_seconds = NAN,                      \
    .heap_peak_bytes = -1, .heap_used_bytes = -1, .exit_code = -1, .signo = -1

/* Where others are at the file for long, it is written with the next attempts. */
bool sg_history_run_begin(struct sg_history *h, const struct sg_history_run *r,
                          struct sg_error *err) SG_MUST;
bool sg_history_run_end(struct sg_history *h, const struct sg_history_run *r,
                        struct sg_error *err) SG_MUST;
/* Never waits for the disk or for others at the file: a thread writes it a second later, with what
 * came in meanwhile, so that a node costs no transaction; later while others are at the file.
 * False: also what an earlier one failed with. */
bool sg_history_attempt_add(struct sg_history *h, const struct sg_history_attempt *a,
                            struct sg_error *err) SG_MUST;
bool sg_history_flush(struct sg_history *h, struct sg_error *err) SG_MUST;

/*
 * Reading. Rows are read a page at a time, and fn is called between the pages, when nothing is
 * locked: it may take its time, and what is written meanwhile may or may not be among the rest.
 * Strings are valid during the call of fn, which may stop with false.
 */

/* Which runs: {0} are all. */
struct sg_history_run_filter {
    const char *run; /* that one alone; NULL: all */
    bool with_range; /* only those with a range, or nodes, of their own */
    bool uncounted;  /* one that did not end says it did 0 nodes: to count them takes time */
    int64_t limit;   /* the newest; 0: all */
};
/* Newest first. */
typedef bool sg_history_run_fn(void *ctx, const struct sg_history_run *r);
bool sg_history_runs(struct sg_history *h, const struct sg_history_run_filter *f,
                     sg_history_run_fn *fn, void *ctx, struct sg_error *err) SG_MUST;
/* Whether there is a run of that name, or an attempt of one. */
bool sg_history_has_run(struct sg_history *h, const char *run, bool *ret,
                        struct sg_error *err) SG_MUST;

/* Which attempts: {0} are all. */
struct sg_history_filter {
    const char *run, *stage, *node; /* NULL: all */
    bool failed;                    /* only what failed, was blocked or busy */
    int64_t limit;                  /* the newest; 0: all */
};
/* Oldest first. */
typedef bool sg_history_attempt_fn(void *ctx, const struct sg_history_attempt *a);
bool sg_history_attempts(struct sg_history *h, const struct sg_history_filter *f,
                         sg_history_attempt_fn *fn, void *ctx, struct sg_error *err) SG_MUST;
/* The stages that have attempts, by name. */
typedef bool sg_history_stage_fn(void *ctx, const char *stage);
bool sg_history_stages(struct sg_history *h, sg_history_stage_fn *fn, void *ctx,
                       struct sg_error *err) SG_MUST;
/* Median and 90th percentile of `seconds` of the newest (at most 200) ok attempts of a stage;
 * *ret_n 0: none known. It doesn't wait long for others at the file. */
bool sg_history_usual(struct sg_history *h, const char *stage, double *ret_median, double *ret_p90,
                      int64_t *ret_n, struct sg_error *err) SG_MUST;
struct sg_history_prune {
    int64_t before_ms;       /* what began before goes */
    const char *const *keep; /* but for these runs and their attempts */
    size_t n_keep;
    bool alone; /* no run is alive: where nothing else helps the file is written anew */
};
/* In many short transactions, so that a run can write meanwhile; ended in between it has removed a
 * part. *ret_n counts the runs. A run that is alive and was not kept has a row again when it ends.
 */
bool sg_history_prune(struct sg_history *h, const struct sg_history_prune *how, int64_t *ret_n,
                      struct sg_error *err) SG_MUST;

#endif
