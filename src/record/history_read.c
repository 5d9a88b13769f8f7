/*
 * What is read of the history. docs/design.md, "The history".
 *
 * Rows come in pages: a statement reads so many, is over, and only then they are handed out, so
 * that a reader who takes his time (a pager) locks nobody out. The next page begins behind the last
 * row, by time and id. Each question has an index that ends with the time, so that a page costs its
 * rows and no more, however long the history is. Without statistics SQLite's planner takes any
 * index that begins with a column that is compared; a `+` before the others leaves it no choice.
 */
#include "stagegraph/history.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/arena.h"

#include "history_impl.h"

#define N_USUAL      200
#define RUNS_OF_PAGE 10 /* a run's row is larger: a page has this part of so many */

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

/* What a bind fails with the step fails with. */
static void bind_int(sqlite3_stmt *st, const char *name, int64_t v)
{
    int i = sqlite3_bind_parameter_index(st, name);

    if (i > 0)
        (void)sqlite3_bind_int64(st, i, v);
}

static void bind_text(sqlite3_stmt *st, const char *name, const char *text)
{
    int i = sqlite3_bind_parameter_index(st, name);

    if (i > 0)
        (void)sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
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

/* ---- runs */

struct run_page {
    const struct sg_history_run_filter *f;
    struct sg_arena arena;
    struct sg_history_run *at; /* in the arena */
    int64_t n, most;
    int64_t before_ms, before_id; /* where it begins: what is older than that */
};

/* By its last try of each node. */
static int count_nodes(sqlite3 *db, struct sg_history_run *r)
{
    static const char sql[] =
        "SELECT result, count(*) FROM (SELECT result, max(id) FROM attempts WHERE run = :run"
        " GROUP BY node) GROUP BY result";
    const struct {
        const char *result;
        int64_t *n;
    } known[] = {
        { "ok", &r->n_ok },
        { "unchanged", &r->n_unchanged },
        { "completed", &r->n_unchanged },
        { "failed", &r->n_failed },
        { "timeout", &r->n_failed },
        { "check_failed", &r->n_failed },
        { "input_moved", &r->n_failed },
        { "trespass", &r->n_failed },
        { "oom", &r->n_failed },
        { "blocked", &r->n_blocked },
        { "busy", &r->n_busy },
    };
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (code != SQLITE_OK)
        return code;
    bind_text(st, ":run", r->run);
    while ((code = sqlite3_step(st)) == SQLITE_ROW)
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            if (strcmp(text_at(st, 0), known[i].result) == 0)
                *known[i].n += sqlite3_column_int64(st, 1);
    sqlite3_finalize(st);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int take_run(sqlite3 *db, sqlite3_stmt *st, struct run_page *p)
{
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
        .n_planned = sqlite3_column_int64(st, 12),
    };
    struct sg_error err = SG_ERROR_INIT;
    int64_t *const counts[] = { &r.n_ok, &r.n_unchanged, &r.n_failed, &r.n_blocked, &r.n_busy };

    if (r.ended_ms > 0) {
        for (int i = 0; i < 5; i++)
            *counts[i] = sqlite3_column_int64(st, 13 + i);
    } else if (!p->f->uncounted) { /* one that was killed has written no counts */
        int code = count_nodes(db, &r);

        if (code != SQLITE_OK)
            return code;
    }
    if (!sg_history_copy_run(&p->arena, &r, &p->at[p->n], &err))
        return SQLITE_NOMEM;
    p->before_ms = r.started_ms;
    p->before_id = sqlite3_column_int64(st, 18);
    p->n++;
    return SQLITE_OK;
}

static int read_runs(struct sg_history *h, void *ctx)
{
    struct run_page *p = ctx;
    char sql[1024];
    sqlite3_stmt *st;
    int code;

    snprintf(sql, sizeof(sql),
             "SELECT run, command, profile, request, started_ms, ended_ms, now_s, explicit_range,"
             " exit_status, pid, host, boot, planned, ok, unchanged, failed, blocked, busy, rowid"
             " FROM runs WHERE %s%sstarted_ms <= :ms AND (%sstarted_ms < :ms OR +rowid < :id)"
             " ORDER BY started_ms DESC, rowid DESC LIMIT :most",
             p->f->run != NULL ? "run = :run AND +" : "",
             p->f->with_range ? "explicit_range = 1 AND " : "", p->f->run != NULL ? "+" : "");
    code = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL);
    if (code != SQLITE_OK)
        return code;
    bind_text(st, ":run", p->f->run);
    bind_int(st, ":ms", p->before_ms);
    bind_int(st, ":id", p->before_id);
    bind_int(st, ":most", p->most);
    p->n = 0; /* it may be done again */
    while ((code = sqlite3_step(st)) == SQLITE_ROW && p->n < p->most) {
        code = take_run(h->db, st, p);
        if (code != SQLITE_OK)
            break;
    }
    sqlite3_finalize(st);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

bool sg_history_runs(struct sg_history *h, const struct sg_history_run_filter *f,
                     sg_history_run_fn *fn, void *ctx, struct sg_error *err)
{
    struct run_page p = { .f = f, .before_ms = INT64_MAX, .before_id = INT64_MAX };
    int64_t page = h->page / RUNS_OF_PAGE + 1, left = f->limit > 0 ? f->limit : INT64_MAX;
    bool ok = true, go = true;

    do {
        p.n = 0;
        p.most = left < page ? left : page;
        p.at = SG_ARENA_NEW(&p.arena, (size_t)p.most, struct sg_history_run, err);
        ok = p.at != NULL && read_with(h, SG_HISTORY_BUSY_MS, read_runs, &p, err);
        for (int64_t i = 0; ok && go && i < p.n; i++)
            go = fn(ctx, &p.at[i]);
        left -= p.n;
        sg_arena_done(&p.arena);
    } while (ok && go && left > 0 && p.n == p.most);
    return ok;
}

struct has_run {
    const char *run;
    bool yes;
};

static int look_for_run(struct sg_history *h, void *ctx)
{
    static const char sql[] = "SELECT EXISTS (SELECT 1 FROM runs WHERE run = :run)"
                              " OR EXISTS (SELECT 1 FROM attempts WHERE run = :run)";
    struct has_run *r = ctx;
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL);

    if (code != SQLITE_OK)
        return code;
    bind_text(st, ":run", r->run);
    code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        r->yes = sqlite3_column_int(st, 0) != 0;
    sqlite3_finalize(st);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

bool sg_history_has_run(struct sg_history *h, const char *run, bool *ret, struct sg_error *err)
{
    struct has_run r = { .run = run };

    if (!read_with(h, SG_HISTORY_BUSY_MS, look_for_run, &r, err))
        return false;
    *ret = r.yes;
    return true;
}

/* ---- attempts */

struct attempt_page {
    const struct sg_history_filter *f;
    struct sg_arena arena;
    struct sg_history_attempt *at; /* in the arena */
    int64_t n, most;
    int64_t after_ms, after_id; /* where it begins */
    int64_t last_id;            /* what was added later is not asked for: it would never end */
};

/* Of failures alone, whatever their run and node? */
static bool is_of_failures(const struct sg_history_filter *f)
{
    return f->failed && f->node == NULL && f->run == NULL;
}

/* What is asked for, in the words that leave one index: that of the node, the run, the failures,
 * the stage, or the time. */
static void add_conditions(const struct sg_history_filter *f, char *sql, size_t size)
{
    size_t at = strlen(sql);

    if (f->node != NULL)
        at += (size_t)snprintf(sql + at, size - at, "node = :node AND ");
    if (f->run != NULL)
        at +=
            (size_t)snprintf(sql + at, size - at, "%srun = :run AND ", f->node != NULL ? "+" : "");
    if (f->stage != NULL)
        at += (size_t)snprintf(sql + at, size - at, "%sstage = :stage AND ",
                               f->node != NULL || f->run != NULL || f->failed ? "+" : "");
    if (f->failed)
        at += (size_t)snprintf(sql + at, size - at, "%s" SG_HISTORY_FAILED " AND ",
                               is_of_failures(f) ? "" : "+");
    snprintf(sql + at, size - at, "+id <= :last AND ");
}

static int prepare_from(sqlite3 *db, const struct attempt_page *p, const char *select,
                        const char *indexed, const char *rest, sqlite3_stmt **ret)
{
    char sql[1200];

    snprintf(sql, sizeof(sql), "%s FROM attempts %s WHERE ", select, indexed);
    add_conditions(p->f, sql, sizeof(sql));
    snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), "%s", rest);
    return sqlite3_prepare_v2(db, sql, -1, ret, NULL);
}

/* The planner would take the index of all times rather than the smaller one of the failures' times.
 * That may not be there, in a file of an older version that can't be written. */
static int prepare_attempts(sqlite3 *db, const struct attempt_page *p, const char *select,
                            const char *rest, sqlite3_stmt **ret)
{
    int code = SQLITE_ERROR;

    if (is_of_failures(p->f))
        code = prepare_from(db, p, select, "INDEXED BY attempts_failed", rest, ret);
    if (code == SQLITE_ERROR)
        code = prepare_from(db, p, select, "", rest, ret);
    if (code != SQLITE_OK)
        return code;
    bind_text(*ret, ":node", p->f->node);
    bind_text(*ret, ":run", p->f->run);
    bind_text(*ret, ":stage", p->f->stage);
    bind_int(*ret, ":last", p->last_id);
    bind_int(*ret, ":ms", p->after_ms);
    bind_int(*ret, ":id", p->after_id);
    bind_int(*ret, ":most", p->most);
    return SQLITE_OK;
}

/* Where the newest `limit` begin, by the index alone. */
static int find_begin(struct sg_history *h, void *ctx)
{
    struct attempt_page *p = ctx;
    sqlite3_stmt *st;
    int code = sg_history_number(h->db, "SELECT max(id) FROM attempts", &p->last_id);

    p->after_ms = p->after_id = INT64_MIN;
    if (code != SQLITE_OK || p->f->limit <= 0)
        return code;
    code = prepare_attempts(h->db, p, "SELECT started_ms, id",
                            "started_ms IS NOT NULL ORDER BY started_ms DESC, id DESC"
                            " LIMIT 1 OFFSET :most",
                            &st);
    if (code != SQLITE_OK)
        return code;
    bind_int(st, ":most", p->f->limit - 1);
    code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        p->after_ms = sqlite3_column_int64(st, 0);
        p->after_id = sqlite3_column_int64(st, 1) - 1;
    }
    sqlite3_finalize(st);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int take_attempt(sqlite3_stmt *st, struct attempt_page *p)
{
    const struct sg_history_attempt a = {
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
    struct sg_error err = SG_ERROR_INIT;

    if (!sg_history_copy_attempt(&p->arena, &a, &p->at[p->n], &err))
        return SQLITE_NOMEM;
    p->after_ms = a.started_ms;
    p->after_id = sqlite3_column_int64(st, 25);
    p->n++;
    return SQLITE_OK;
}

static int read_attempts(struct sg_history *h, void *ctx)
{
    struct attempt_page *p = ctx;
    sqlite3_stmt *st;
    int code = prepare_attempts(
        h->db, p,
        "SELECT run, node, stage, label, result, reason, detail, log, attempt, started_ms, seconds,"
        " cpu_seconds, peak_bytes, peak_source, read_bytes, written_bytes, jvms, gc_count,"
        " gc_seconds, gc_longest_seconds, heap_peak_bytes, heap_used_bytes, exit_code, signal,"
        " applications, id",
        "started_ms >= :ms AND (+started_ms > :ms OR +id > :id) ORDER BY started_ms, id"
        " LIMIT :most",
        &st);

    if (code != SQLITE_OK)
        return code;
    p->n = 0; /* it may be done again */
    while ((code = sqlite3_step(st)) == SQLITE_ROW && p->n < p->most) {
        code = take_attempt(st, p);
        if (code != SQLITE_OK)
            break;
    }
    sqlite3_finalize(st);
    return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

bool sg_history_attempts(struct sg_history *h, const struct sg_history_filter *f,
                         sg_history_attempt_fn *fn, void *ctx, struct sg_error *err)
{
    struct attempt_page p = { .f = f, .most = h->page };
    bool ok = read_with(h, SG_HISTORY_BUSY_MS, find_begin, &p, err), go = true;

    if (!ok)
        return false;
    do {
        p.n = 0;
        p.at = SG_ARENA_NEW(&p.arena, (size_t)p.most, struct sg_history_attempt, err);
        ok = p.at != NULL && read_with(h, SG_HISTORY_BUSY_MS, read_attempts, &p, err);
        for (int64_t i = 0; ok && go && i < p.n; i++)
            go = fn(ctx, &p.at[i]);
        sg_arena_done(&p.arena);
    } while (ok && go && p.n == p.most);
    return ok;
}

/* ---- stages */

struct next_stage {
    struct sg_arena arena;
    const char *name; /* the one before; then the next, NULL: there is none */
};

/* Each is one look into the index. */
static int find_stage(struct sg_history *h, void *ctx)
{
    static const char sql[] = "SELECT min(stage) FROM attempts WHERE stage > :name";
    struct sg_error err = SG_ERROR_INIT;
    struct next_stage *s = ctx;
    const char *name;
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL);

    if (code != SQLITE_OK)
        return code;
    bind_text(st, ":name", s->name);
    code = sqlite3_step(st);
    name = code == SQLITE_ROW ? text_at(st, 0) : NULL;
    if (code == SQLITE_ROW) {
        s->name = name != NULL ? sg_arena_text(&s->arena, name, &err) : NULL;
        code = name != NULL && s->name == NULL ? SQLITE_NOMEM : SQLITE_OK;
    }
    sqlite3_finalize(st);
    return code;
}

bool sg_history_stages(struct sg_history *h, sg_history_stage_fn *fn, void *ctx,
                       struct sg_error *err)
{
    struct next_stage s = { .name = "" };
    bool ok, go = true;

    do {
        const char *before = s.name;

        ok = read_with(h, SG_HISTORY_BUSY_MS, find_stage, &s, err);
        if (ok && s.name == before)
            s.name = NULL; /* a file without tables */
        if (ok && s.name != NULL)
            go = fn(ctx, s.name);
    } while (ok && go && s.name != NULL);
    sg_arena_done(&s.arena);
    return ok;
}

/* ---- what usually takes how long */

struct usual {
    const char *stage;
    double seconds[N_USUAL];
    int n;
};

static int read_usual(struct sg_history *h, void *ctx)
{
    static const char sql[] =
        "SELECT seconds FROM attempts WHERE stage = :stage AND result = 'ok' AND"
        " seconds IS NOT NULL ORDER BY started_ms DESC LIMIT :most";
    struct usual *u = ctx;
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL);

    if (code != SQLITE_OK)
        return code;
    bind_text(st, ":stage", u->stage);
    bind_int(st, ":most", N_USUAL);
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
