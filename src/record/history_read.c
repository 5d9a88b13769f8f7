#include "stagegraph/history.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "history_impl.h"

#define N_USUAL 200

static const char *text_at(sqlite3_stmt *st, int i)
{
    return (const char *)sqlite3_column_text(st, i);
}

static int64_t seen_at(sqlite3_stmt *st, int i)
{
    return sqlite3_column_type(st, i) == SQLITE_NULL ? -1 : sqlite3_column_int64(st, i);
}

static double real_at(sqlite3_stmt *st, int i)
{
    return sqlite3_column_type(st, i) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(st, i);
}

struct runs_query {
    int64_t limit;
    sg_history_run_fn *fn;
    void *ctx;
};

static int read_runs(struct sg_history *h, void *ctx)
{
/* A run that was killed has written no counts: then its nodes are counted, each by its last try. */
#define COUNTED(column, results)                                                                   \
    " CASE WHEN coalesce(ended_ms, 0) > 0 THEN " column " ELSE (SELECT count(*) FROM"              \
    " (SELECT result, max(id) FROM attempts WHERE attempts.run = runs.run GROUP BY node)"          \
    " WHERE result IN (" results ")) END,"
    static const char sql[] =
        "SELECT run, command, profile, request, started_ms, ended_ms, now_s, explicit_range,"
        " exit_status, pid, host, boot," COUNTED("ok", "'ok'")
            COUNTED("unchanged", "'unchanged', 'completed'") COUNTED(
                "failed", "'failed', 'timeout', 'check_failed', 'input_moved', 'trespass', 'oom'")
                COUNTED("blocked", "'blocked'") COUNTED(
                    "busy",
                    "'busy'") " planned FROM runs ORDER BY started_ms DESC, rowid DESC LIMIT ?";
    struct runs_query *q = ctx;
    sqlite3_stmt *st;
    bool go = true;
    int code = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL);

    if (code != SQLITE_OK)
        return code;
    (void)sqlite3_bind_int64(st, 1, q->limit > 0 ? q->limit : -1); /* the step would fail */
    while (go && (code = sqlite3_step(st)) == SQLITE_ROW) {
        struct sg_history_run r = {
            .run = text_at(st, 0),
            .command = text_at(st, 1),
            .profile = text_at(st, 2),
            .request = text_at(st, 3),
            .started_ms = sqlite3_column_int64(st, 4),
            .ended_ms = sqlite3_column_int64(st, 5),
            .now_s = sqlite3_column_int64(st, 6),
            .explicit_range = sqlite3_column_int(st, 7) != 0,
            .exit_status = (int32_t)seen_at(st, 8),
            .pid = sqlite3_column_int(st, 9),
            .host = text_at(st, 10),
            .boot = text_at(st, 11),
            .n_ok = sqlite3_column_int64(st, 12),
            .n_unchanged = sqlite3_column_int64(st, 13),
            .n_failed = sqlite3_column_int64(st, 14),
            .n_blocked = sqlite3_column_int64(st, 15),
            .n_busy = sqlite3_column_int64(st, 16),
            .n_planned = sqlite3_column_int64(st, 17),
        };

        go = q->fn(q->ctx, &r);
    }
    sqlite3_finalize(st);
    return !go || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* What is waiting is to be seen by this process's own queries; if it can't be written it is not. */
static bool read_with(struct sg_history *h, int patience_ms, sg_history_work_fn *fn, void *ctx,
                      struct sg_error *err)
{
    struct sg_error ignored = SG_ERROR_INIT;

    if (!h->read_only)
        (void)!sg_history_flush_briefly(h, &ignored);
    h->patience_ms = patience_ms;
    return sg_history_perform(h, "read", fn, ctx, err);
}

bool sg_history_runs(struct sg_history *h, int64_t limit, sg_history_run_fn *fn, void *ctx,
                     struct sg_error *err)
{
    struct runs_query q = { .limit = limit, .fn = fn, .ctx = ctx };

    return read_with(h, SG_HISTORY_BUSY_MS, read_runs, &q, err);
}

struct attempts_query {
    const char *run, *stage, *node;
    bool failed;
    int64_t limit;
    sg_history_attempt_fn *fn;
    void *ctx;
};

/* Only the conditions that are asked for, so that SQLite finds the index that serves them. The
 * newest `limit`, told oldest first. */
static int prepare_attempts(sqlite3 *db, const struct attempts_query *q, sqlite3_stmt **ret)
{
    const char *const values[] = { q->run, q->stage, q->node };
    char sql[1024];
    int code, i = 1;

    snprintf(
        sql, sizeof(sql),
        "SELECT * FROM (SELECT run, node, stage, label, result, reason, detail, log, attempt,"
        " started_ms, seconds, cpu_seconds, peak_bytes, peak_source, read_bytes, written_bytes,"
        " jvms, gc_count, gc_seconds, gc_longest_seconds, heap_peak_bytes, heap_used_bytes,"
        " exit_code, signal, applications, id FROM attempts WHERE 1%s%s%s%s"
        " ORDER BY started_ms DESC, id DESC LIMIT ?) ORDER BY started_ms, id",
        q->run != NULL ? " AND run = ?" : "", q->stage != NULL ? " AND stage = ?" : "",
        q->node != NULL ? " AND node = ?" : "",
        q->failed ? " AND result NOT IN ('ok', 'unchanged', 'completed', 'accepted', 'invalidated')"
                  : "");
    code = sqlite3_prepare_v2(db, sql, -1, ret, NULL);
    if (code != SQLITE_OK)
        return code;
    for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
        if (values[k] != NULL)
            (void)sqlite3_bind_text(*ret, i++, values[k], -1, SQLITE_STATIC);
    }
    (void)sqlite3_bind_int64(*ret, i, q->limit > 0 ? q->limit : -1);
    return SQLITE_OK;
}

static int read_attempts(struct sg_history *h, void *ctx)
{
    struct attempts_query *q = ctx;
    sqlite3_stmt *st;
    bool go = true;
    int code = prepare_attempts(h->db, q, &st);

    if (code != SQLITE_OK)
        return code;
    while (go && (code = sqlite3_step(st)) == SQLITE_ROW) {
        struct sg_history_attempt a = {
            .run = text_at(st, 0),
            .node = text_at(st, 1),
            .stage = text_at(st, 2),
            .label = text_at(st, 3),
            .result = text_at(st, 4),
            .reason = text_at(st, 5),
            .detail = text_at(st, 6),
            .log = text_at(st, 7),
            .attempt = (uint32_t)sqlite3_column_int64(st, 8),
            .started_ms = sqlite3_column_int64(st, 9),
            .seconds = real_at(st, 10),
            .cpu_seconds = real_at(st, 11),
            .peak_bytes = seen_at(st, 12),
            .peak_source = text_at(st, 13),
            .read_bytes = seen_at(st, 14),
            .written_bytes = seen_at(st, 15),
            .jvms = (int32_t)seen_at(st, 16),
            .gc_count = seen_at(st, 17),
            .gc_seconds = real_at(st, 18),
            .gc_longest_seconds = real_at(st, 19),
            .heap_peak_bytes = seen_at(st, 20),
            .heap_used_bytes = seen_at(st, 21),
            .exit_code = (int32_t)seen_at(st, 22),
            .signo = (int32_t)seen_at(st, 23),
            .applications = text_at(st, 24),
        };

        go = q->fn(q->ctx, &a);
    }
    sqlite3_finalize(st);
    return !go || code == SQLITE_DONE ? SQLITE_OK : code;
}

bool sg_history_attempts(struct sg_history *h, const char *run, const char *stage, const char *node,
                         bool failed, int64_t limit, sg_history_attempt_fn *fn, void *ctx,
                         struct sg_error *err)
{
    struct attempts_query q = { .run = run,
                                .stage = stage,
                                .node = node,
                                .failed = failed,
                                .limit = limit,
                                .fn = fn,
                                .ctx = ctx };

    return read_with(h, SG_HISTORY_BUSY_MS, read_attempts, &q, err);
}

struct usual {
    const char *stage;
    double seconds[N_USUAL];
    int n;
};

static int read_usual(struct sg_history *h, void *ctx)
{
    static const char sql[] = "SELECT seconds FROM attempts WHERE stage = ? AND result = 'ok' AND"
                              " seconds IS NOT NULL ORDER BY started_ms DESC LIMIT ?";
    struct usual *u = ctx;
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL);

    if (code != SQLITE_OK)
        return code;
    (void)sqlite3_bind_text(st, 1, u->stage, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 2, N_USUAL);
    u->n = 0;
    while ((code = sqlite3_step(st)) == SQLITE_ROW && u->n < N_USUAL)
        u->seconds[u->n++] = sqlite3_column_double(st, 0);
    sqlite3_finalize(st);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int compare_reals(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

bool sg_history_usual(struct sg_history *h, const char *stage, double *ret_median, double *ret_p90,
                      int64_t *ret_n, struct sg_error *err)
{
    struct usual u = { .stage = stage };

    if (!read_with(h, SG_HISTORY_BRIEF_MS, read_usual, &u, err))
        return false;
    if (u.n != 0) {
        qsort(u.seconds, (size_t)u.n, sizeof(u.seconds[0]), compare_reals);
        *ret_median = (u.seconds[(u.n - 1) / 2] + u.seconds[u.n / 2]) / 2;
        *ret_p90 = u.seconds[(u.n * 9 + 9) / 10 - 1]; /* the nearest rank */
    }
    *ret_n = u.n;
    return true;
}
