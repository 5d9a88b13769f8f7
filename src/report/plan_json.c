#include "stagegraph/plan_json.h"

#include <math.h>
#include <stdlib.h>

#include "stagegraph/json.h"

/* The writer's buffer is emptied into the out from time to time: it only ever looks forward. */
#define EMPTY_AT ((size_t)32 << 10)

struct stream {
    struct sg_out *out;
    struct sg_buf buf;
    struct sg_json_writer w;
    const struct sg_usual_source *usual;
    uint64_t *debt;   /* by stage */
    uint64_t *reason; /* by stage and reason */
};

static void empty(struct stream *s)
{
    sg_out_write(s->out, s->buf.at, s->buf.len);
    sg_buf_clear(&s->buf);
}

static void add_time(struct stream *s, const char *key, bool known, int64_t t_s)
{
    char text[SG_UTC_TEXT];

    if (known)
        sg_utc_format(t_s, text);
    sg_json_text(&s->w, key, known ? text : NULL);
}

static void add_label(struct stream *s, const char *key, const struct sg_stage *stage,
                      int64_t index)
{
    char label[SG_LABEL_TEXT];

    sg_calendar_label(&stage->cal, index, label);
    sg_json_text(&s->w, key, label[0] != '\0' ? label : NULL);
}

static const char *or_null(const char *text)
{
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* By lacks[], which names nodes alone: "unsettled: newest file 12s old, settle 5m", or null. */
static void add_lacks_why(struct sg_json_writer *w, const struct sg_plan_group *g)
{
    sg_json_begin(w, "lacks_why", '[');
    for (uint32_t i = 0; i < g->n_lacks; i++)
        sg_json_text(w, NULL, g->lacks_why != NULL ? or_null(g->lacks_why[i]) : NULL);
    sg_json_end(w);
}

static bool add_group(void *ctx, const struct sg_plan_group *g)
{
    struct stream *s = ctx;
    struct sg_json_writer *w = &s->w;

    sg_json_begin(w, NULL, '{');
    sg_json_text(w, "stage", g->stage->name);
    add_label(s, "first", g->stage, g->first);
    add_label(s, "last", g->stage, g->last);
    sg_json_i64(w, "count", g->count);
    if (g->verdict == SG_VERDICT_RUN)
        sg_json_i64(w, "jobs", g->jobs);
    sg_json_text(w, "reason", sg_reason_name(g->reason));
    if (g->verdict == SG_VERDICT_RUN) {
        sg_json_text(w, "detail", or_null(g->detail));
        sg_json_real(w, "estimate_seconds", sg_usual_of(s->usual, g->stage).median_s * g->count, 1);
    } else {
        sg_json_begin(w, "lacks", '[');
        for (uint32_t i = 0; i < g->n_lacks; i++)
            sg_json_text(w, NULL, g->lacks[i]);
        sg_json_end(w);
        if (g->verdict == SG_VERDICT_BUSY)
            sg_json_text(w, "run", or_null(g->run));
        else
            add_lacks_why(w, g);
    }
    sg_json_end(w);
    if (s->buf.len >= EMPTY_AT)
        empty(s);
    return !sg_out_gone(s->out);
}

static void add_groups(struct stream *s, const struct sg_view *v, const char *key,
                       enum sg_verdict verdict)
{
    sg_json_begin(&s->w, key, '[');
    (void)v->groups(v->of, verdict, add_group, s); /* false: the reader is gone */
    sg_json_end(&s->w);
}

static void count_debt(void *ctx, const struct sg_debt *d)
{
    struct stream *s = ctx;

    s->debt[d->stage->id.i] += d->count;
    s->reason[d->stage->id.i * SG_REASON_COUNT + d->reason] += d->count;
}

static void add_stages(struct stream *s, const struct sg_view *v)
{
    const struct sg_graph *g = v->graph;
    struct sg_json_writer *w = &s->w;

    sg_json_begin(w, "fresh", '{');
    for (uint32_t i = 0; i < v->n_stages; i++)
        sg_json_i64(w, v->stages[i].stage->name, v->stages[i].fresh);
    sg_json_end(w);
    sg_json_begin(w, "debt", '{');
    for (uint32_t i = 0; i < v->n_stages; i++) {
        uint32_t id = v->stages[i].stage->id.i;

        sg_json_i64(w, v->stages[i].stage->name, (int64_t)s->debt[id]);
        s->debt[id] = 0;
    }
    /* Outside of the range stages may have debt that take no part. */
    for (uint32_t i = 0; i < g->n_stages; i++)
        if (s->debt[i] > 0)
            sg_json_i64(w, g->stages[i].name, (int64_t)s->debt[i]);
    sg_json_end(w);
    sg_json_begin(w, "debts", '[');
    for (uint32_t i = 0; i < g->n_stages * SG_REASON_COUNT; i++) {
        if (s->reason[i] == 0)
            continue;
        sg_json_begin(w, NULL, '{');
        sg_json_text(w, "stage", g->stages[i / SG_REASON_COUNT].name);
        sg_json_text(w, "reason", sg_reason_name((enum sg_reason)(i % SG_REASON_COUNT)));
        sg_json_i64(w, "count", (int64_t)s->reason[i]);
        sg_json_end(w);
    }
    sg_json_end(w);
}

static void add_totals(struct stream *s, const struct sg_view *v, int32_t jobs)
{
    bool partial = true; /* for nobody */
    double seconds = sg_out_gone(s->out) ? NAN : sg_view_estimate(v, s->usual, jobs, &partial);

    sg_json_begin(&s->w, "totals", '{');
    sg_json_i64(&s->w, "nodes", v->counts.run);
    sg_json_i64(&s->w, "jobs", v->jobs);
    sg_json_i64(&s->w, "fresh", v->counts.fresh);
    sg_json_i64(&s->w, "blocked", v->counts.blocked);
    sg_json_i64(&s->w, "busy", v->counts.busy);
    if (v->counts.run == 0)
        seconds = 0; /* which is known: there is nothing to do */
    sg_json_real(&s->w, "estimate_seconds", partial ? NAN : seconds, 1);
    sg_json_end(&s->w);
}

static void add_document(struct stream *s, const struct sg_view *v, const struct sg_plan_json *how)
{
    struct sg_interval range = v->range;
    bool any = range.start_s < range.end_s;

    sg_json_begin(&s->w, NULL, '{');
    if (how->event_run != NULL) {
        sg_json_text(&s->w, "event", "plan");
        sg_json_text(&s->w, "time", how->event_time);
        sg_json_text(&s->w, "run", how->event_run);
    }
    sg_json_text(&s->w, "graph", v->graph->name);
    add_time(s, "now", true, v->now_s);
    add_time(s, "from", any && range.start_s != SG_TIME_MIN, range.start_s);
    add_time(s, "to", any && range.end_s != SG_TIME_MAX, range.end_s);
    add_groups(s, v, "groups", SG_VERDICT_RUN);
    add_groups(s, v, "blocked", SG_VERDICT_BLOCKED);
    add_groups(s, v, "busy", SG_VERDICT_BUSY);
    add_stages(s, v);
    add_totals(s, v, how->jobs);
    sg_json_end(&s->w);
}

bool sg_plan_json_write(struct sg_out *o, const struct sg_view *v, const struct sg_plan_json *how,
                        struct sg_error *err)
{
    struct stream s = { .out = o, .buf = SG_BUF_INIT, .usual = how->usual };
    size_t n = v->graph->n_stages;
    bool ok = false;

    s.debt = calloc(n + 1, sizeof(*s.debt));
    s.reason = calloc(n * SG_REASON_COUNT + 1, sizeof(*s.reason));
    if (s.debt == NULL || s.reason == NULL) {
        (void)sg_error_set(err, SG_ERROR_MEMORY, 0, "write the plan as JSON");
        goto done;
    }
    sg_json_writer_init(&s.w, &s.buf);
    v->debts(v->of, count_debt, &s);
    add_document(&s, v, how);
    ok = sg_json_writer_end(&s.w, err) && sg_buf_addc(&s.buf, '\n', err);
    if (ok)
        empty(&s);
    else
        (void)sg_error_wrap(err, "write the plan as JSON");
    sg_out_flush(o);
done:
    sg_buf_done(&s.buf);
    free(s.debt);
    free(s.reason);
    return ok;
}
