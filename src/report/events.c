#include "stagegraph/events.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/json.h"
#include "stagegraph/plan_json.h"
#include "stagegraph/text.h"

/* Bytes of a job's output that may yet become a character. */
struct tail {
    struct tail *next;
    const struct sg_stage *stage;
    int64_t index;
    unsigned n;
    char bytes[4];
};

struct sg_events {
    struct sg_events_config c;
    struct tail *tails;
    struct sg_buf line;
};

bool sg_events_new(const struct sg_events_config *c, struct sg_events **ret, struct sg_error *err)
{
    struct sg_events *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "events");
    e->c = *c;
    *ret = e;
    return true;
}

void sg_events_free(struct sg_events *e)
{
    struct tail *t;

    if (e == NULL)
        return;
    while ((t = e->tails) != NULL) {
        e->tails = t->next;
        free(t);
    }
    sg_buf_done(&e->line);
    free(e);
}

/* "2013-01-07T05:00:12.345Z" */
#define TIME_TEXT (SG_UTC_TEXT + 8)
static void format_time(struct sg_wall t, char ret[TIME_TEXT])
{
    int64_t s = t.ns / SG_NS_PER_S, rest = t.ns % SG_NS_PER_S;
    char utc[SG_UTC_TEXT];
    size_t n;

    if (rest < 0) {
        s--;
        rest += SG_NS_PER_S;
    }
    sg_utc_format(s, utc);
    n = strlen(utc);
    snprintf(ret, TIME_TEXT, "%.*s.%03dZ", (int)(n - 1), utc, (int)(rest / SG_NS_PER_MS));
}

static void begin(struct sg_events *o, struct sg_json_writer *w, const struct sg_event *e,
                  const char *name)
{
    char time[TIME_TEXT];

    format_time(e->time, time);
    sg_buf_clear(&o->line);
    sg_json_writer_init(w, &o->line);
    sg_json_begin(w, NULL, '{');
    sg_json_text(w, "event", name);
    sg_json_text(w, "time", time);
    sg_json_text(w, "run", e->run);
}

static void end(struct sg_events *o, struct sg_json_writer *w)
{
    struct sg_error err = SG_ERROR_INIT;

    sg_json_end(w);
    if (!sg_json_writer_end(w, &err) || !sg_buf_addc(&o->line, '\n', &err))
        return; /* memory: an event less, but never half a line */
    sg_out_write(o->c.out, o->line.at, o->line.len);
    sg_out_flush(o->c.out);
}

static const char *or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* A count that was not seen is -1. */
static void add_seen(struct sg_json_writer *w, const char *key, int64_t v)
{
    if (v < 0)
        sg_json_null(w, key);
    else
        sg_json_i64(w, key, v);
}

static void run_started(struct sg_events *o, const struct sg_event *e)
{
    struct sg_json_writer w;

    begin(o, &w, e, "run_started");
    sg_json_text(&w, "command", or_null(e->command));
    sg_json_text(&w, "profile", or_null(e->profile));
    end(o, &w);
}

static void plan(struct sg_events *o, const struct sg_event *e)
{
    char time[TIME_TEXT];
    struct sg_plan_json how = {
        .jobs = o->c.jobs,
        .usual = o->c.usual,
        .event_time = time,
        .event_run = e->run,
    };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_view v;

    format_time(e->time, time);
    if (!sg_view_open(e->plan, &v, &err))
        return; /* memory */
    if (!sg_plan_json_write(o->c.out, &v, &how, &err))
        sg_out_write(o->c.out, "\n", 1); /* memory: the next event still begins a line */
    sg_view_close(&v);
}

static void node_started(struct sg_events *o, const struct sg_event *e)
{
    struct sg_json_writer w;

    begin(o, &w, e, "node_started");
    sg_json_text(&w, "node", e->node);
    sg_json_text(&w, "stage", e->stage->name);
    sg_json_text(&w, "reason", or_null(sg_reason_name(e->reason)));
    sg_json_text(&w, "detail", or_null(e->detail));
    sg_json_i64(&w, "attempt", e->attempt);
    sg_json_text(&w, "log", or_null(e->log));
    end(o, &w);
}

static void write_output(struct sg_events *o, const struct sg_event *e, struct sg_span text)
{
    struct sg_json_writer w;

    if (text.len == 0)
        return;
    begin(o, &w, e, "node_output");
    sg_json_text(&w, "node", e->node);
    sg_json_text(&w, "stage", e->stage->name);
    sg_json_i64(&w, "attempt", e->attempt);
    sg_json_span(&w, "text", text);
    end(o, &w);
}

/* How many bytes at the end are the beginning of a character whose rest has not come yet. */
static unsigned unfinished(const char *at, size_t n)
{
    static const char rests[] = { (char)0x80, (char)0xbf, (char)0x90, (char)0xa0, (char)0x8f };

    for (unsigned k = 1; k <= 3 && k <= n; k++) {
        char c[4] = { 0 };

        if ((at[n - k] & 0xc0) == 0x80)
            continue; /* the character begins before */
        /* Would any continuation make it one? Only the second byte has bounds of its own. */
        for (size_t i = 0; i < sizeof(rests); i++) {
            memset(c, (char)0x80, sizeof(c));
            memcpy(c, at + n - k, k);
            if (k == 1)
                c[1] = rests[i];
            if (sg_text_utf8((struct sg_span){ .at = c, .len = 4 }) > k)
                return k;
        }
        return 0;
    }
    return 0;
}

static struct tail *find_tail(struct sg_events *o, const struct sg_event *e)
{
    struct tail *t = o->tails;

    while (t != NULL && (t->stage != e->stage || t->index != e->index))
        t = t->next;
    return t;
}

/* The tail of a node, made when there is none; NULL where memory is lacking. */
static struct tail *need_tail(struct sg_events *o, const struct sg_event *e)
{
    struct tail *t = find_tail(o, e);

    if (t != NULL || (t = calloc(1, sizeof(*t))) == NULL)
        return t;
    t->stage = e->stage;
    t->index = e->index;
    t->next = o->tails;
    o->tails = t;
    return t;
}

static void node_output(struct sg_events *o, const struct sg_event *e)
{
    struct sg_buf joined = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_span s = { .at = e->bytes, .len = e->n_bytes };
    struct tail *t = find_tail(o, e);
    unsigned rest;

    if (!o->c.verbose)
        return;
    if (t != NULL && t->n > 0 && sg_buf_add(&joined, t->bytes, t->n, &err) &&
        sg_buf_add(&joined, e->bytes, e->n_bytes, &err)) {
        s = sg_buf_span(&joined);
        t->n = 0;
    }
    rest = unfinished(s.at, s.len);
    if (rest > 0 && (t = need_tail(o, e)) != NULL) {
        memcpy(t->bytes, s.at + s.len - rest, rest);
        t->n = rest;
        s.len -= rest;
    }
    write_output(o, e, s);
    sg_buf_done(&joined);
}

/* The job has ended: what still waited for its rest is shown as it is. */
static void drop_tail(struct sg_events *o, const struct sg_event *e)
{
    struct tail **at = &o->tails, *t = find_tail(o, e);

    if (t == NULL)
        return;
    write_output(o, e, (struct sg_span){ .at = t->bytes, .len = t->n });
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    free(t);
}

/* null: nobody was asked */
static void add_applications(struct sg_json_writer *w, const struct sg_yarn_apps *apps)
{
    if (apps == NULL) {
        sg_json_null(w, "applications");
        return;
    }
    sg_json_begin(w, "applications", '[');
    for (size_t i = 0; i < apps->n; i++) {
        const struct sg_yarn_app *a = &apps->at[i];

        sg_json_begin(w, NULL, '{');
        sg_json_text(w, "id", a->id);
        sg_json_text(w, "state", a->state);
        sg_json_text(w, "final_status", or_null(a->final_status));
        sg_json_text(w, "tracking_url", or_null(a->tracking_url));
        sg_json_bool(w, "killed", a->killed != NULL);
        sg_json_end(w);
    }
    sg_json_end(w);
}

static void node_finished(struct sg_events *o, const struct sg_event *e)
{
    static const struct sg_job_end unseen = {
        .exit_code = -1,
        .signo = -1,
        .measure = SG_JOB_MEASURE_INIT,
    };
    const struct sg_job_end *j = e->end != NULL ? e->end : &unseen;
    struct sg_json_writer w;

    drop_tail(o, e);
    begin(o, &w, e, "node_finished");
    sg_json_text(&w, "node", e->node);
    sg_json_text(&w, "stage", e->stage->name);
    sg_json_text(&w, "result", sg_result_name(e->result));
    sg_json_text(&w, "reason", or_null(sg_reason_name(e->reason)));
    sg_json_real(&w, "seconds", e->seconds, 3);
    sg_json_real(&w, "cpu_seconds", j->measure.cpu_seconds, 3);
    add_seen(&w, "peak_bytes", j->measure.peak_bytes);
    sg_json_text(&w, "peak_source", sg_job_peak_source(&j->measure));
    add_seen(&w, "read_bytes", j->measure.read_bytes);
    add_seen(&w, "written_bytes", j->measure.written_bytes);
    add_seen(&w, "jvms", j->measure.jvms);
    add_seen(&w, "gc_count", j->measure.gc_count);
    sg_json_real(&w, "gc_seconds", j->measure.gc_seconds, 3);
    sg_json_real(&w, "gc_longest_seconds", j->measure.gc_longest_seconds, 3);
    add_seen(&w, "heap_peak_bytes", j->measure.heap_peak_bytes);
    add_seen(&w, "heap_used_bytes", j->measure.heap_used_bytes);
    add_seen(&w, "exit_code", j->exit_code);
    add_seen(&w, "signal", j->signo > 0 ? j->signo : -1);
    sg_json_i64(&w, "attempt", e->attempt);
    sg_json_text(&w, "log", or_null(e->log));
    add_applications(&w, e->apps);
    end(o, &w);
}

static void node_skipped(struct sg_events *o, const struct sg_event *e)
{
    struct sg_json_writer w;

    if (e->result == SG_RESULT_INTERRUPTED)
        return; /* it never started: run_finished counts it */
    begin(o, &w, e, "node_skipped");
    sg_json_text(&w, "node", e->node);
    sg_json_text(&w, "stage", e->stage->name);
    sg_json_text(&w, "result", sg_result_name(e->result));
    sg_json_text(&w, "detail", or_null(e->why));
    end(o, &w);
}

static void run_finished(struct sg_events *o, const struct sg_event *e)
{
    struct sg_json_writer w;

    begin(o, &w, e, "run_finished");
    sg_json_i64(&w, "exit_status", e->exit_status);
    add_seen(&w, "signal", e->signo > 0 ? e->signo : -1);
    sg_json_real(&w, "seconds", e->seconds, 3);
    sg_json_begin(&w, "results", '{');
    for (int r = SG_RESULT_OK; r < SG_RESULT_COUNT; r++)
        sg_json_i64(&w, sg_result_name((enum sg_result)r), e->n_result[r]);
    sg_json_end(&w);
    if (e->has_traffic) {
        sg_json_i64(&w, "store_requests", (int64_t)e->traffic.requests);
        sg_json_i64(&w, "store_bytes", (int64_t)e->traffic.bytes);
    }
    end(o, &w);
}

static void on_event(void *ctx, const struct sg_event *e)
{
    static void (*const writers[])(struct sg_events *, const struct sg_event *) = {
        [SG_EVENT_RUN_STARTED] = run_started,     [SG_EVENT_PLAN] = plan,
        [SG_EVENT_NODE_STARTED] = node_started,   [SG_EVENT_NODE_OUTPUT] = node_output,
        [SG_EVENT_NODE_FINISHED] = node_finished, [SG_EVENT_NODE_RETRY] = NULL,
        [SG_EVENT_NODE_SKIPPED] = node_skipped,   [SG_EVENT_NOTICE] = NULL,
        [SG_EVENT_RUN_FINISHED] = run_finished,
    };
    struct sg_events *o = ctx;

    if (e->kind <= SG_EVENT_RUN_FINISHED && writers[e->kind] != NULL && !sg_out_gone(o->c.out))
        writers[e->kind](o, e);
}

struct sg_sink sg_events_sink(struct sg_events *e)
{
    return (struct sg_sink){ .event = on_event, .ctx = e };
}
