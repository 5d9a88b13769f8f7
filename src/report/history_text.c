#include "stagegraph/history_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stagegraph/arena.h"
#include "stagegraph/clock.h"
#include "stagegraph/json.h"
#include "stagegraph/sched.h"
#include "stagegraph/table.h"
#include "stagegraph/text.h"

static const struct sg_column run_columns[] = {
    { "RUN", false, 0 },      { "STARTED", false, 0 }, { "TIME", true, 0 },    { "DONE", true, 0 },
    { "UNCHANGED", true, 0 }, { "FAILED", true, 0 },   { "BLOCKED", true, 0 }, { "BUSY", true, 0 },
    { "STATUS", false, 0 },   { "COMMAND", false, 0 },
};

static const struct sg_column attempt_columns[] = {
    { "RUN", false, 0 },    { "NODE", false, 0 },   { "TRY", true, 0 },  { "RESULT", false, 0 },
    { "TIME", true, 0 },    { "CPU", true, 0 },     { "PEAK", true, 0 }, { "GC", true, 0 },
    { "GC TIME", true, 0 }, { "REASON", false, 0 },
};

enum {
    RUN_COLUMNS = sizeof(run_columns) / sizeof(run_columns[0]),
    ATTEMPT_COLUMNS = sizeof(attempt_columns) / sizeof(attempt_columns[0])
};

#define RESULT_TEXT 64

/* Columns are as wide as they have to be for so many rows; what comes then makes them wider where
 * it must. So the first is shown at once, however many there are. */
#define MEASURED 1000
/* JSON is handed on when there is that much of it. */
#define EMPTY_AT ((size_t)32 << 10)

/* What is read is written as it comes: the history locks nobody out meanwhile. */
struct listing {
    struct sg_out *out;
    bool json;
    struct sg_json_writer w;
    struct sg_buf buf;
    struct sg_table table;
    unsigned skip;                         /* columns that are not shown */
    const char *(*rows)[SG_TABLE_COLUMNS]; /* until the table has begun; in the arena */
    size_t n;
    bool begun;
    struct sg_arena arena;
    struct sg_error err;
};

static void begin_table(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        sg_table_measure(&l->table, l->rows[i] + l->skip);
    sg_table_head(&l->table);
    for (size_t i = 0; i < l->n; i++)
        sg_table_row(&l->table, l->rows[i] + l->skip);
    l->begun = true;
    sg_arena_done(&l->arena);
    sg_out_flush(l->out);
}

static bool keep_row(struct listing *l, const char *const *cells)
{
    if (l->n == 0)
        l->rows = sg_arena_new(&l->arena, MEASURED, sizeof(*l->rows), &l->err);
    if (l->rows == NULL)
        return false;
    for (unsigned i = l->skip; i < l->skip + l->table.n; i++) {
        l->rows[l->n][i] = sg_arena_text(&l->arena, cells[i] != NULL ? cells[i] : "", &l->err);
        if (l->rows[l->n][i] == NULL)
            return false;
    }
    if (++l->n == MEASURED)
        begin_table(l);
    return true;
}

/* False: it is enough. */
static bool put(struct listing *l, const char *const *cells)
{
    if (!l->begun)
        return keep_row(l, cells);
    sg_table_measure(&l->table, cells + l->skip);
    sg_table_row(&l->table, cells + l->skip);
    return !sg_out_gone(l->out);
}

static void empty(struct listing *l)
{
    sg_out_write(l->out, l->buf.at, l->buf.len);
    sg_buf_clear(&l->buf);
}

static bool put_json(struct listing *l)
{
    l->n++;
    if (l->buf.len >= EMPTY_AT)
        empty(l);
    return !sg_out_gone(l->out);
}

static void add_time(struct sg_json_writer *w, const char *key, int64_t ms)
{
    char text[SG_UTC_TEXT];

    sg_utc_format(ms / 1000, text);
    sg_json_text(w, key, ms > 0 ? text : NULL);
}

static void add_seen(struct sg_json_writer *w, const char *key, int64_t v)
{
    if (v < 0)
        sg_json_null(w, key);
    else
        sg_json_i64(w, key, v);
}

/* ---- runs */

static void format_status(const struct sg_history_run *r, char ret[SG_COUNT_TEXT])
{
    if (r->ended_ms == 0 || r->exit_status < 0)
        snprintf(ret, SG_COUNT_TEXT, "unfinished");
    else if (r->exit_status == 0)
        snprintf(ret, SG_COUNT_TEXT, "ok");
    else if (r->exit_status > 128)
        snprintf(ret, SG_COUNT_TEXT, "SIG%s", sg_text_signal(r->exit_status - 128));
    else
        snprintf(ret, SG_COUNT_TEXT, "exit %d", r->exit_status);
}

static bool run_row(void *ctx, const struct sg_history_run *r)
{
    char started[SG_UTC_TEXT], time[SG_DURATION_TEXT] = "-", status[SG_COUNT_TEXT];
    char n[5][SG_COUNT_TEXT];
    const int64_t counts[5] = { r->n_ok, r->n_unchanged, r->n_failed, r->n_blocked, r->n_busy };
    const char *const cells[RUN_COLUMNS] = { r->run, started, time, n[0],   n[1],
                                             n[2],   n[3],    n[4], status, r->command };

    sg_utc_format(r->started_ms / 1000, started);
    if (r->ended_ms > 0)
        sg_duration_format((double)(r->ended_ms - r->started_ms) / 1000, true, time);
    for (int i = 0; i < 5; i++)
        sg_count_format(counts[i], n[i]);
    format_status(r, status);
    return put(ctx, cells);
}

static bool run_json(void *ctx, const struct sg_history_run *r)
{
    struct listing *l = ctx;
    struct sg_json_writer *w = &l->w;

    sg_json_begin(w, NULL, '{');
    sg_json_text(w, "run", r->run);
    sg_json_text(w, "command", r->command);
    sg_json_text(w, "profile", r->profile);
    add_time(w, "started", r->started_ms);
    add_time(w, "ended", r->ended_ms);
    add_time(w, "now", r->now_s * 1000);
    sg_json_bool(w, "explicit_range", r->explicit_range);
    add_seen(w, "exit_status", r->exit_status);
    sg_json_i64(w, "pid", r->pid);
    sg_json_text(w, "host", r->host);
    sg_json_i64(w, "planned", r->n_planned);
    sg_json_i64(w, "ok", r->n_ok);
    sg_json_i64(w, "unchanged", r->n_unchanged);
    sg_json_i64(w, "failed", r->n_failed);
    sg_json_i64(w, "blocked", r->n_blocked);
    sg_json_i64(w, "busy", r->n_busy);
    sg_json_end(w);
    return put_json(l);
}

/* ---- attempts */

static void format_seconds(double s, char ret[SG_DURATION_TEXT])
{
    if (isnan(s))
        snprintf(ret, SG_DURATION_TEXT, "-");
    else
        sg_duration_format(s, true, ret);
}

/* "failed (exit 3)": of what ended by itself */
static void format_result(const struct sg_history_attempt *a, char ret[RESULT_TEXT])
{
    bool failed = strcmp(a->result, sg_result_name(SG_RESULT_FAILED)) == 0;

    if (failed && a->exit_code >= 0)
        snprintf(ret, RESULT_TEXT, "failed (exit %d)", a->exit_code);
    else if (failed && a->signo > 0)
        snprintf(ret, RESULT_TEXT, "failed (SIG%s)", sg_text_signal(a->signo));
    else
        snprintf(ret, RESULT_TEXT, "%.40s", a->result);
}

/* The detail of a reason, or, behind a colon, why a node was left out. */
static const char *reason_gap(const struct sg_history_attempt *a)
{
    if (a->detail == NULL || a->detail[0] == '\0')
        return "";
    return strcmp(a->result, sg_result_name(SG_RESULT_BLOCKED)) == 0 ||
                   strcmp(a->result, sg_result_name(SG_RESULT_BUSY)) == 0
               ? ": "
               : " ";
}

static bool attempt_row(void *ctx, const struct sg_history_attempt *a)
{
    char attempt[SG_COUNT_TEXT] = "-", time[SG_DURATION_TEXT], cpu[SG_DURATION_TEXT];
    char gc_time[SG_DURATION_TEXT], peak[SG_SIZE_TEXT] = "-", gc[SG_COUNT_TEXT] = "-", why[600];
    char result[RESULT_TEXT];
    const char *const cells[ATTEMPT_COLUMNS] = { a->run, a->node, attempt, result,  time,
                                                 cpu,    peak,    gc,      gc_time, why };
    const char *detail = a->detail != NULL ? a->detail : "";

    if (a->attempt > 0)
        sg_count_format(a->attempt, attempt);
    format_seconds(a->seconds, time);
    format_seconds(a->cpu_seconds, cpu);
    format_seconds(a->gc_seconds, gc_time);
    if (a->peak_bytes >= 0)
        sg_size_format(a->peak_bytes, peak);
    if (a->gc_count >= 0)
        sg_count_format(a->gc_count, gc);
    format_result(a, result);
    snprintf(why, sizeof(why), "%.40s%s%.300s%s%.200s", a->reason != NULL ? a->reason : "",
             reason_gap(a), detail, a->applications != NULL ? "  " : "",
             a->applications != NULL ? a->applications : "");
    return put(ctx, cells);
}

static bool attempt_json(void *ctx, const struct sg_history_attempt *a)
{
    struct listing *l = ctx;
    struct sg_json_writer *w = &l->w;

    sg_json_begin(w, NULL, '{');
    sg_json_text(w, "run", a->run);
    sg_json_text(w, "node", a->node);
    sg_json_text(w, "stage", a->stage);
    sg_json_text(w, "label", a->label != NULL && a->label[0] != '\0' ? a->label : NULL);
    add_seen(w, "attempt", a->attempt > 0 ? (int64_t)a->attempt : -1);
    sg_json_text(w, "result", a->result);
    sg_json_text(w, "reason", a->reason);
    sg_json_text(w, "detail", a->detail);
    sg_json_text(w, "log", a->log);
    add_time(w, "started", a->started_ms);
    sg_json_real(w, "seconds", a->seconds, 3);
    sg_json_real(w, "cpu_seconds", a->cpu_seconds, 3);
    add_seen(w, "peak_bytes", a->peak_bytes);
    sg_json_text(w, "peak_source", a->peak_source);
    add_seen(w, "read_bytes", a->read_bytes);
    add_seen(w, "written_bytes", a->written_bytes);
    add_seen(w, "jvms", a->jvms);
    add_seen(w, "gc_count", a->gc_count);
    sg_json_real(w, "gc_seconds", a->gc_seconds, 3);
    sg_json_real(w, "gc_longest_seconds", a->gc_longest_seconds, 3);
    add_seen(w, "heap_peak_bytes", a->heap_peak_bytes);
    add_seen(w, "heap_used_bytes", a->heap_used_bytes);
    add_seen(w, "exit_code", a->exit_code);
    add_seen(w, "signal", a->signo);
    sg_json_text(w, "applications", a->applications);
    sg_json_end(w);
    return put_json(l);
}

/* ---- both */

struct query {
    struct sg_history *history;             /* NULL: there is none */
    const struct sg_history_filter *filter; /* NULL: runs */
    int64_t limit;
};

static bool ask(const struct query *q, struct listing *l, struct sg_error *err)
{
    const struct sg_history_run_filter runs = { .limit = q->limit };
    bool ok;

    if (q->history == NULL)
        return true;
    if (q->filter == NULL)
        ok = sg_history_runs(q->history, &runs, l->json ? run_json : run_row, l, err);
    else
        ok = sg_history_attempts(q->history, q->filter, l->json ? attempt_json : attempt_row, l,
                                 err);
    if (ok && l->err.code != SG_ERROR_NONE) {
        *err = l->err;
        ok = false;
    }
    return ok;
}

static bool write_json(struct sg_out *o, const struct query *q, struct sg_error *err)
{
    struct listing l = { .out = o, .json = true };
    bool ok;

    sg_json_writer_init(&l.w, &l.buf);
    sg_json_begin(&l.w, NULL, '[');
    ok = ask(q, &l, err);
    sg_json_end(&l.w);
    ok = ok && sg_json_writer_end(&l.w, err) && sg_buf_addc(&l.buf, '\n', err);
    if (ok)
        empty(&l);
    sg_buf_done(&l.buf);
    return ok;
}

static void write_nothing(struct sg_out *o, const struct sg_history_filter *f)
{
    if (f == NULL)
        sg_out_text(o, "No runs yet.\n");
    else if (f->run != NULL && f->stage == NULL && !f->failed)
        sg_out_printf(o, "No node of run %s is in the history.\n", f->run);
    else
        sg_out_text(o, "Nothing of that in the history.\n");
}

static bool write_table(struct sg_out *o, const struct query *q, struct sg_error *err)
{
    /* Of one run its name need not be said on every row. */
    struct listing l = { .out = o, .skip = q->filter != NULL && q->filter->run != NULL ? 1 : 0 };
    unsigned n = q->filter == NULL ? RUN_COLUMNS : ATTEMPT_COLUMNS;
    bool ok;

    sg_table_init(&l.table, o, (q->filter == NULL ? run_columns : attempt_columns) + l.skip,
                  n - l.skip);
    ok = ask(q, &l, err);
    if (ok && l.n == 0)
        write_nothing(o, q->filter);
    else if (ok && !l.begun)
        begin_table(&l);
    sg_arena_done(&l.arena);
    return ok;
}

bool sg_history_text_runs(struct sg_out *o, struct sg_history *h, int64_t limit, bool json,
                          struct sg_error *err)
{
    struct query q = { .history = h, .limit = limit };
    bool ok = json ? write_json(o, &q, err) : write_table(o, &q, err);

    sg_out_flush(o);
    return ok;
}

bool sg_history_text_attempts(struct sg_out *o, struct sg_history *h,
                              const struct sg_history_filter *f, bool json, struct sg_error *err)
{
    struct query q = { .history = h, .filter = f };
    struct sg_history_filter all = *f;
    bool ok = json ? write_json(o, &q, err) : write_table(o, &q, err);

    all.limit = 0;
    if (ok && !json && h != NULL && f->stage != NULL && !f->failed && !sg_out_gone(o)) {
        sg_out_text(o, "\n");
        ok = sg_history_text_summary(o, h, &all, false, err);
    }
    sg_out_flush(o);
    return ok;
}
