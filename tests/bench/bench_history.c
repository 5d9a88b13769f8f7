/*
 * A history of many runs, in seconds instead of years.
 *
 *   bench_history DIR [RUNS [ATTEMPTS [LOGS]]]
 *
 * Makes the directory, a graph file in it and its history: so many runs (10,000), an hour from each
 * to the next, the last an hour ago, each with so many attempts (100) of five stages; with LOGS the
 * last so many of them have a log file of a few bytes. Each twentieth attempt failed. Of the runs
 * each hundredth had a range of its own, and the tenth before the last, which had one, did not end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "stagegraph/buf.h"
#include "stagegraph/history.h"

static const char head[] = "[graph]\nname = flights\nstart = 2025-01-01\npartition = hour\n"
                           "[store]\nroot = warehouse\nsync = no\n";
static const char *const stages[] = { "bronze", "silver", "gold", "platinum", "report" };

/* :runs, :attempts and :now_s are the counts and the time. */
static const char sqls[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :runs)"
    " INSERT INTO runs (run, command, profile, request, started_ms, ended_ms, now_s,"
    " explicit_range, exit_status, pid, host, boot, planned, ok, unchanged, failed, blocked, busy)"
    " SELECT strftime('%Y%m%dT%H%M%S', s, 'unixepoch') || printf('-%06x', i),"
    " 'stagegraph hourly', 'hourly', '{\"profile\":\"hourly\",\"request\":\"'"
    " || printf('%.*c', 200, 'x') || '\"}', s * 1000,"
    " CASE WHEN i = :runs - 10 THEN NULL ELSE s * 1000 + 1800000 END, s,"
    " i % 100 = 0 OR i = :runs - 10, CASE WHEN i = :runs - 10 THEN NULL ELSE 0 END, 4711,"
    " 'host', 'boot', :attempts, :attempts - :attempts / 20, 0, :attempts / 20, 0, 0"
    " FROM (SELECT i, :now_s - (:runs - i + 1) * 3600 AS s FROM n);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :attempts)"
    " INSERT INTO attempts (run, node, stage, label, attempt, result, reason, detail, log,"
    " started_ms, seconds, cpu_seconds, peak_bytes, gc_count, gc_seconds, exit_code, peak_source,"
    " read_bytes, written_bytes, jvms)"
    " SELECT run, stage || '@' || label, stage, label, 1,"
    " CASE WHEN i % 20 = 7 THEN 'failed' ELSE 'ok' END, 'missing', NULL,"
    " 'logs/' || run || '/' || stage || '/' || label || '.1.log', ms, 100 + (i * 7919) % 61,"
    " 50 + i % 7, 1000000000 + i, 14, 0.4, i % 20 = 7, 'proc', 0, 0, 1"
    " FROM (SELECT run, i, started_ms + i * 10000 AS ms,"
    " CASE i % 5 WHEN 0 THEN 'bronze' WHEN 1 THEN 'silver' WHEN 2 THEN 'gold'"
    " WHEN 3 THEN 'platinum' ELSE 'report' END AS stage,"
    " strftime('%Y-%m-%dT%H', started_ms / 1000 - i / 5 * 3600, 'unixepoch') AS label"
    " FROM runs, n ORDER BY runs.started_ms, i)";

static bool make_graph(const char *dir, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    FILE *f = sg_buf_addf(&path, err, "%s/stagegraph.ini", dir) ? fopen(path.at, "w") : NULL;
    bool ok = f != NULL && fputs(head, f) >= 0;

    for (size_t i = 0; ok && i < sizeof(stages) / sizeof(stages[0]); i++)
        ok = fprintf(f,
                     "[stage %s]\n%s%s\ncommand = true\ncheck = none\n"
                     "output = %s/dt=${ds}/hr=${HH}\n",
                     stages[i], i > 0 ? "needs = " : "", i > 0 ? stages[i - 1] : "", stages[i]) > 0;
    if (f != NULL && fclose(f) != 0)
        ok = false;
    sg_buf_done(&path);
    return ok || sg_error_set(err, SG_ERROR_SYSTEM, 0, "write %s/stagegraph.ini", dir);
}

static bool fail(sqlite3 *db, struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_SYSTEM, 0, "%s", sqlite3_errmsg(db));
}

/* The tables are the program's. */
static bool make_tables(const char *state, struct sg_error *err)
{
    struct sg_history_run r = { .run = "none", .started_ms = 1 };
    struct sg_history *h;
    bool ok = sg_history_open(state, false, &h, NULL, err);

    if (!ok)
        return false;
    ok = sg_history_run_begin(h, &r, err);
    sg_history_close(h);
    return ok;
}

static bool fill(sqlite3 *db, long runs, long attempts, struct sg_error *err)
{
    const char *at = sqls;
    bool ok = sqlite3_exec(db, "PRAGMA synchronous = OFF; BEGIN; DELETE FROM runs", NULL, NULL,
                           NULL) == SQLITE_OK;

    while (ok && *at != '\0') {
        sqlite3_stmt *st;

        ok = sqlite3_prepare_v2(db, at, -1, &st, &at) == SQLITE_OK;
        if (!ok)
            break;
        (void)sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":runs"), runs);
        (void)sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":attempts"), attempts);
        (void)sqlite3_bind_int64(st, sqlite3_bind_parameter_index(st, ":now_s"), time(NULL));
        ok = sqlite3_step(st) == SQLITE_DONE;
        sqlite3_finalize(st);
    }
    ok = ok && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    return ok || fail(db, err);
}

static bool make_log(const char *state, const char *log, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool ok = sg_buf_addf(&path, err, "%s/%s", state, log);
    FILE *f;

    for (size_t i = 1; ok && i < path.len; i++)
        if (path.at[i] == '/') {
            path.at[i] = '\0';
            (void)mkdir(path.at, 0777); /* it mostly is there */
            path.at[i] = '/';
        }
    f = ok ? fopen(sg_buf_text(&path), "w") : NULL;
    if (ok && (f == NULL || fputs("a line of a job\n", f) < 0 || fclose(f) != 0))
        ok = sg_error_set(err, SG_ERROR_SYSTEM, 0, "write %s", sg_buf_text(&path));
    sg_buf_done(&path);
    return ok;
}

static bool make_logs(sqlite3 *db, const char *state, long n, struct sg_error *err)
{
    sqlite3_stmt *st;
    bool ok = sqlite3_prepare_v2(db, "SELECT log FROM attempts ORDER BY id DESC LIMIT ?", -1, &st,
                                 NULL) == SQLITE_OK;

    if (!ok)
        return fail(db, err);
    (void)sqlite3_bind_int64(st, 1, n);
    while (ok && sqlite3_step(st) == SQLITE_ROW)
        ok = make_log(state, (const char *)sqlite3_column_text(st, 0), err);
    sqlite3_finalize(st);
    return ok;
}

int main(int argc, char **argv)
{
    long runs = argc > 2 ? atol(argv[2]) : 10000, attempts = argc > 3 ? atol(argv[3]) : 100;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf state = SG_BUF_INIT, path = SG_BUF_INIT;
    sqlite3 *db = NULL;
    bool ok;

    if (argc < 2 || runs < 11 || attempts < 1) {
        fprintf(stderr, "usage: bench_history DIR [RUNS [ATTEMPTS [LOGS]]]\n");
        return 2;
    }
    (void)mkdir(argv[1], 0777); /* what fails is told by the next */
    ok = make_graph(argv[1], &err) && sg_buf_addf(&state, &err, "%s/.stagegraph", argv[1]);
    if (ok)
        (void)mkdir(sg_buf_text(&state), 0777); /* here too */
    ok = ok && make_tables(sg_buf_text(&state), &err) &&
         sg_buf_addf(&path, &err, "%s/history.sqlite", sg_buf_text(&state));
    if (ok && sqlite3_open(sg_buf_text(&path), &db) != SQLITE_OK)
        ok = fail(db, &err);
    ok = ok && fill(db, runs, attempts, &err) &&
         (argc <= 4 || make_logs(db, sg_buf_text(&state), atol(argv[4]), &err));
    sqlite3_close(db);
    sg_buf_done(&path);
    sg_buf_done(&state);
    if (!ok)
        fprintf(stderr, "bench_history: %s\n", err.text);
    return ok ? 0 : 1;
}
