/*
 * A stage over many runs: how its attempts came out, what the good ones took, and whether that
 * grew. Medians and percentiles are of attempts that are ok: one that failed after a second says
 * nothing about how long the work takes.
 */
#include "stagegraph/history_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/arena.h"
#include "stagegraph/clock.h"
#include "stagegraph/json.h"
#include "stagegraph/table.h"
#include "stagegraph/text.h"

#define LEAST_FOR_TREND 8 /* two in a quarter */
#define MOST_RESULTS    24
#define MOST_OF_STAGE   10000  /* the newest say what is usual now */
#define MOST_OF_RUN     100000 /* of a stage too */

enum measure { TIME, CPU, PEAK, GC_COUNT, GC_TIME, HEAP, MEASURES };

static const struct {
    const char *title, *key;
} measures[MEASURES] = {
    [TIME] = { "TIME", "seconds" },          [CPU] = { "CPU", "cpu_seconds" },
    [PEAK] = { "PEAK", "peak_bytes" },       [GC_COUNT] = { "GC", "gc_count" },
    [GC_TIME] = { "GC TIME", "gc_seconds" }, [HEAP] = { "HEAP AFTER GC", "heap_used_bytes" },
};

static const struct sg_column columns[] = {
    { "", false, 0 },
    { "SEEN", true, 0 },
    { "MEDIAN", true, 0 },
    { "P90", true, 0 },
    { "MAX", true, 0 },
    { "OF", false, 0 },
    { "FIRST QUARTER", true, 0 },
    { "LAST QUARTER", true, 0 },
    { "CHANGE", true, 0 },
};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

struct sample {
    double value;
    const char *node; /* in the arena */
};

struct samples { /* in the order of time */
    struct sample *at;
    size_t n, cap;
};

struct stage {
    const char *name;
    int64_t rows;
    int64_t attempts;                    /* that ran a command */
    int64_t began_ms, first_ms, last_ms; /* of the first row; of the first and last attempt */
    const char **runs;
    size_t n_runs, runs_cap;
    struct {
        const char *name;
        int64_t n;
    } results[MOST_RESULTS];
    size_t n_results;
    struct samples of[MEASURES];
};

struct summary {
    struct sg_history *history;
    const struct sg_history_filter *filter;
    int64_t limit; /* of each stage, or of all */
    struct sg_arena arena;
    struct stage *stages;
    size_t n, cap;
    struct sg_error err;
};

/* ---- collecting */

static bool add_sample(struct summary *s, struct samples *to, double value, const char *node)
{
    if (isnan(value))
        return true;
    if (!sg_arena_grow(&s->arena, (void **)&to->at, to->n, &to->cap, sizeof(*to->at), &s->err))
        return false;
    to->at[to->n++] = (struct sample){ value, node };
    return true;
}

static struct stage *stage_of(struct summary *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->stages[i].name, name) == 0)
            return &s->stages[i];
    if (!sg_arena_grow(&s->arena, (void **)&s->stages, s->n, &s->cap, sizeof(*s->stages), &s->err))
        return NULL;
    s->stages[s->n].name = sg_arena_text(&s->arena, name, &s->err);
    return s->stages[s->n].name != NULL ? &s->stages[s->n++] : NULL;
}

static bool count_result(struct summary *s, struct stage *st, const char *name)
{
    size_t i = 0;

    while (i < st->n_results && strcmp(st->results[i].name, name) != 0)
        i++;
    if (i == MOST_RESULTS)
        return true; /* of a stagegraph that knows more of them */
    if (i == st->n_results) {
        st->results[i].name = sg_arena_text(&s->arena, name, &s->err);
        if (st->results[i].name == NULL)
            return false;
        st->n_results++;
    }
    st->results[i].n++;
    return true;
}

/* Attempts of one run mostly follow each other; what is left double is counted once in the end. */
static bool note_run(struct summary *s, struct stage *st, const char *run)
{
    if (st->n_runs > 0 && strcmp(st->runs[st->n_runs - 1], run) == 0)
        return true;
    if (!sg_arena_grow(&s->arena, (void **)&st->runs, st->n_runs, &st->runs_cap, sizeof(*st->runs),
                       &s->err))
        return false;
    st->runs[st->n_runs] = sg_arena_text(&s->arena, run, &s->err);
    return st->runs[st->n_runs++] != NULL;
}

static double seen(int64_t v)
{
    return v >= 0 ? (double)v : (double)NAN;
}

static bool collect(void *ctx, const struct sg_history_attempt *a)
{
    const double values[MEASURES] = {
        [TIME] = a->seconds,          [CPU] = a->cpu_seconds,
        [PEAK] = seen(a->peak_bytes), [GC_COUNT] = seen(a->gc_count),
        [GC_TIME] = a->gc_seconds,    [HEAP] = seen(a->heap_used_bytes),
    };
    struct summary *s = ctx;
    struct stage *st = stage_of(s, a->stage);
    const char *node;

    if (st == NULL || !count_result(s, st, a->result))
        return false;
    if (st->rows++ == 0)
        st->began_ms = a->started_ms;
    if (a->attempt == 0)
        return true;
    if (st->attempts++ == 0)
        st->first_ms = a->started_ms;
    st->last_ms = a->started_ms;
    if (!note_run(s, st, a->run))
        return false;
    if (strcmp(a->result, "ok") != 0)
        return true;
    node = sg_arena_text(&s->arena, a->node, &s->err);
    for (int i = 0; node != NULL && i < MEASURES; i++)
        if (!add_sample(s, &st->of[i], values[i], node))
            return false;
    return node != NULL;
}

static bool collect_stage(void *ctx, const char *stage)
{
    struct summary *s = ctx;
    struct sg_history_filter f = *s->filter;

    f.stage = stage;
    f.limit = s->limit;
    return sg_history_attempts(s->history, &f, collect, s, &s->err) && s->err.code == SG_ERROR_NONE;
}

static int compare_stages(const void *a, const void *b)
{
    const struct stage *x = a, *y = b;

    return (x->began_ms > y->began_ms) - (x->began_ms < y->began_ms);
}

/* Of each stage the newest, so that it takes the same time however long the history is. A run's are
 * all told, as a rule. */
static bool collect_all(struct summary *s, struct sg_error *err)
{
    const struct sg_history_filter *f = s->filter;
    struct sg_history_filter limited = *f;
    bool ok;

    if (s->history == NULL)
        return true;
    s->limit = f->limit > 0 ? f->limit : f->run != NULL ? MOST_OF_RUN : MOST_OF_STAGE;
    if (f->node != NULL) { /* of one stage */
        limited.limit = s->limit;
        ok = sg_history_attempts(s->history, &limited, collect, s, err);
    } else {
        ok = f->stage != NULL ? collect_stage(s, f->stage)
                              : sg_history_stages(s->history, collect_stage, s, err);
    }
    if (s->err.code != SG_ERROR_NONE) {
        *err = s->err;
        ok = false;
    }
    if (s->n > 0)
        qsort(s->stages, s->n, sizeof(*s->stages), compare_stages);
    return ok;
}

/* ---- what it comes to */

struct figures {
    double median, p90, max;
    const char *max_node;
    double first, last; /* medians of the first and the last quarter; NaN: too few */
};

static int compare(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

/* Sorts them. */
static double median(struct sample *at, size_t n)
{
    qsort(at, n, sizeof(*at), compare);
    return (at[(n - 1) / 2].value + at[n / 2].value) / 2;
}

/* n > 0. The order of time is lost. */
static struct figures figure_out(struct samples *s)
{
    struct figures f = { .first = (double)NAN, .last = (double)NAN };
    size_t quarter = s->n / 4;

    if (s->n >= LEAST_FOR_TREND) {
        /* Sorting either within itself leaves the other as it is. */
        f.first = median(s->at, quarter);
        f.last = median(s->at + s->n - quarter, quarter);
    }
    f.median = median(s->at, s->n);
    f.p90 = s->at[(s->n * 9 + 9) / 10 - 1].value; /* the nearest rank */
    f.max = s->at[s->n - 1].value;
    f.max_node = s->at[s->n - 1].node;
    return f;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int64_t count_runs(struct stage *st)
{
    int64_t n = 0;

    if (st->n_runs > 0)
        qsort(st->runs, st->n_runs, sizeof(*st->runs), compare_texts);
    for (size_t i = 0; i < st->n_runs; i++)
        n += i == 0 || strcmp(st->runs[i], st->runs[i - 1]) != 0;
    return n;
}

/* ---- as text */

#define CELL_TEXT 64

static void format(enum measure m, double v, char ret[CELL_TEXT])
{
    if (isnan(v))
        snprintf(ret, CELL_TEXT, "-");
    else if (m == PEAK || m == HEAP)
        sg_size_format((int64_t)v, ret);
    else if (m == GC_COUNT)
        sg_count_format((int64_t)v, ret);
    else
        sg_duration_format(v, true, ret);
}

static void format_change(double first, double last, char ret[CELL_TEXT])
{
    if (isnan(first) || isnan(last) || first <= 0)
        snprintf(ret, CELL_TEXT, "-");
    else
        snprintf(ret, CELL_TEXT, "%+.0f%%", (last - first) / first * 100);
}

struct row {
    char text[COLUMNS][CELL_TEXT];
    const char *cells[COLUMNS];
};

static void fill_row(struct row *r, enum measure m, struct samples *s)
{
    struct figures f = figure_out(s);

    snprintf(r->text[0], CELL_TEXT, "%s", measures[m].title);
    sg_count_format((int64_t)s->n, r->text[1]);
    format(m, f.median, r->text[2]);
    format(m, f.p90, r->text[3]);
    format(m, f.max, r->text[4]);
    format(m, f.first, r->text[6]);
    format(m, f.last, r->text[7]);
    format_change(f.first, f.last, r->text[8]);
    for (int i = 0; i < COLUMNS; i++)
        r->cells[i] = r->text[i];
    r->cells[5] = f.max_node;
}

static void write_head(struct sg_out *o, struct stage *st, int64_t limit)
{
    char attempts[SG_COUNT_TEXT], runs[SG_COUNT_TEXT], first[SG_UTC_TEXT], last[SG_UTC_TEXT];
    char n[SG_COUNT_TEXT];
    int64_t n_runs = count_runs(st);

    sg_count_format(st->attempts, attempts);
    sg_count_format(n_runs, runs);
    sg_utc_format(st->first_ms / 1000, first);
    sg_utc_format(st->last_ms / 1000, last);
    sg_out_printf(o, "%s: %s%s attempt%s", st->name, st->rows == limit ? "the newest " : "",
                  attempts, st->attempts == 1 ? "" : "s");
    if (st->attempts > 0)
        sg_out_printf(o, " in %s run%s, %s … %s", runs, n_runs == 1 ? "" : "s", first, last);
    for (size_t i = 0; i < st->n_results; i++) {
        sg_count_format(st->results[i].n, n);
        sg_out_printf(o, "%s%s %s", i == 0 ? "; " : ", ", n, st->results[i].name);
    }
    sg_out_text(o, "\n");
}

static void write_stage(struct sg_out *o, struct stage *st, int64_t limit)
{
    struct row rows[MEASURES];
    struct sg_table t;
    int n = 0;

    write_head(o, st, limit);
    for (int i = 0; i < MEASURES; i++)
        if (st->of[i].n > 0)
            fill_row(&rows[n++], (enum measure)i, &st->of[i]);
    if (n == 0)
        return;
    sg_table_init(&t, o, columns, COLUMNS);
    for (int i = 0; i < n; i++)
        sg_table_measure(&t, rows[i].cells);
    sg_table_head(&t);
    for (int i = 0; i < n; i++)
        sg_table_row(&t, rows[i].cells);
}

static void write_text(struct sg_out *o, struct summary *s)
{
    for (size_t i = 0; i < s->n && !sg_out_gone(o); i++) {
        if (i > 0)
            sg_out_text(o, "\n");
        write_stage(o, &s->stages[i], s->limit);
    }
    if (s->n == 0)
        sg_out_text(o, "Nothing of that in the history.\n");
}

/* ---- as JSON */

static void write_time(struct sg_json_writer *w, const char *key, const struct stage *st,
                       int64_t ms)
{
    char text[SG_UTC_TEXT];

    sg_utc_format(ms / 1000, text);
    sg_json_text(w, key, st->attempts > 0 ? text : NULL);
}

static void write_figures(struct sg_json_writer *w, enum measure m, struct samples *s)
{
    int decimals = m == PEAK || m == HEAP ? 0 : 3;
    struct figures f;

    if (s->n == 0) {
        sg_json_null(w, measures[m].key);
        return;
    }
    f = figure_out(s);
    sg_json_begin(w, measures[m].key, '{');
    sg_json_i64(w, "seen", (int64_t)s->n);
    sg_json_real(w, "median", f.median, decimals);
    sg_json_real(w, "p90", f.p90, decimals);
    sg_json_real(w, "max", f.max, decimals);
    sg_json_text(w, "max_node", f.max_node);
    sg_json_real(w, "first_quarter", f.first, decimals);
    sg_json_real(w, "last_quarter", f.last, decimals);
    sg_json_end(w);
}

static bool write_json(struct sg_out *o, struct summary *s, struct sg_error *err)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_json_writer w;
    bool ok;

    sg_json_writer_init(&w, &b);
    sg_json_begin(&w, NULL, '[');
    for (size_t i = 0; i < s->n; i++) {
        struct stage *st = &s->stages[i];

        sg_json_begin(&w, NULL, '{');
        sg_json_text(&w, "stage", st->name);
        sg_json_i64(&w, "attempts", st->attempts);
        sg_json_i64(&w, "runs", count_runs(st));
        write_time(&w, "first", st, st->first_ms);
        write_time(&w, "last", st, st->last_ms);
        sg_json_begin(&w, "results", '{');
        for (size_t k = 0; k < st->n_results; k++)
            sg_json_i64(&w, st->results[k].name, st->results[k].n);
        sg_json_end(&w);
        for (int m = 0; m < MEASURES; m++)
            write_figures(&w, (enum measure)m, &st->of[m]);
        sg_json_end(&w);
    }
    sg_json_end(&w);
    ok = sg_json_writer_end(&w, err) && sg_buf_addc(&b, '\n', err);
    if (ok)
        sg_out_write(o, b.at, b.len);
    sg_buf_done(&b);
    return ok;
}

bool sg_history_text_summary(struct sg_out *o, struct sg_history *h,
                             const struct sg_history_filter *f, bool json, struct sg_error *err)
{
    struct summary s = { .history = h, .filter = f, .arena = SG_ARENA_INIT };
    bool ok = collect_all(&s, err);

    if (ok && json)
        ok = write_json(o, &s, err);
    else if (ok)
        write_text(o, &s);
    sg_out_flush(o);
    sg_arena_done(&s.arena);
    return ok;
}
