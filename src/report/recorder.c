#include "stagegraph/recorder.h"

#include <math.h>
#include <stdlib.h>

#define LEFT_OUT_KEPT 1000

struct sg_recorder {
    struct sg_recorder_config c;
    bool begun, broken;
    int64_t started_ms;
    int64_t n_planned;
    uint32_t left_out;
};

bool sg_recorder_new(const struct sg_recorder_config *c, struct sg_recorder **ret,
                     struct sg_error *err)
{
    struct sg_recorder *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "the history's recorder");
    r->c = *c;
    *ret = r;
    return true;
}

void sg_recorder_free(struct sg_recorder *r)
{
    free(r);
}

static void took(struct sg_recorder *r, bool ok, struct sg_error *err)
{
    if (ok)
        return;
    r->broken = true;
    (void)sg_error_wrap(err, "the history of this run is not kept");
    if (r->c.notice != NULL)
        r->c.notice(r->c.ctx, err->text);
}

static int64_t ms_of(struct sg_wall t)
{
    return t.ns / SG_NS_PER_MS;
}

/* Texts of an event live during the call only, so each row is made anew. */
static struct sg_history_run run_of(const struct sg_recorder *r, const struct sg_event *e)
{
    return (struct sg_history_run){
        .run = e->run,
        .command = r->c.command,
        .profile = e->profile,
        .request = r->c.request,
        .started_ms = r->started_ms,
        .now_s = r->c.now_s,
        .explicit_range = r->c.explicit_range,
        .exit_status = -1,
        .pid = r->c.pid,
        .host = r->c.host,
        .boot = r->c.boot,
        .n_planned = r->n_planned,
    };
}

static void begin(struct sg_recorder *r, const struct sg_event *e)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_history_run run;
    struct sg_plan_counts counts;

    if (r->begun || r->broken)
        return;
    r->begun = true;
    if (e->plan != NULL) {
        sg_plan_count(e->plan, &counts);
        r->n_planned = counts.run;
    }
    run = run_of(r, e);
    took(r, sg_history_run_begin(r->c.history, &run, &err), &err);
}

static const char *label_of(const struct sg_event *e, char label[SG_LABEL_TEXT])
{
    sg_calendar_label(&e->stage->cal, e->index, label);
    return label;
}

/* Blocked, busy and never started nodes may be the same thousands every hour: some are enough. */
static bool is_kept(struct sg_recorder *r, const struct sg_event *e)
{
    return e->kind == SG_EVENT_NODE_FINISHED || sg_result_is_done(e->result) ||
           r->left_out++ < LEFT_OUT_KEPT;
}

/* "" where there is none, or no memory for them: then they are in the log. */
static void list_applications(const struct sg_event *e, struct sg_buf *out)
{
    struct sg_error err = SG_ERROR_INIT;

    for (size_t i = 0; e->apps != NULL && i < e->apps->n; i++)
        if (!sg_buf_addf(out, &err, "%s%s", i > 0 ? " " : "", e->apps->at[i].id))
            return;
}

static void add_attempt(struct sg_recorder *r, const struct sg_event *e)
{
    static const struct sg_job_end unseen = {
        .exit_code = -1,
        .signo = -1,
        .measure = SG_JOB_MEASURE_INIT,
    };
    bool finished = e->kind == SG_EVENT_NODE_FINISHED;
    double share = finished && e->members > 1 ? e->members : 1; /* of a batch: its part */
    const struct sg_job_end *j = finished && e->end != NULL ? e->end : &unseen;
    char label[SG_LABEL_TEXT];
    struct sg_buf apps = SG_BUF_INIT;
    struct sg_history_attempt a = {
        .run = e->run,
        .node = e->node,
        .stage = e->stage->name,
        .label = label_of(e, label),
        .result = sg_result_name(e->result),
        .reason = sg_reason_name(e->reason),
        .detail = finished || e->why == NULL || e->why[0] == '\0' ? e->detail : e->why,
        .log = e->log,
        .attempt = finished ? e->attempt : 0,
        .started_ms =
            ms_of(e->time) -
            (finished && e->attempt_seconds > 0 ? (int64_t)(e->attempt_seconds * 1000) : 0),
        .seconds = finished ? e->seconds / share : NAN,
        .cpu_seconds = j->measure.cpu_seconds / share,
        .peak_bytes = j->measure.peak_bytes,
        .peak_source = sg_job_peak_source(&j->measure),
        .read_bytes = j->measure.read_bytes,
        .written_bytes = j->measure.written_bytes,
        .jvms = j->measure.jvms,
        .gc_count = j->measure.gc_count,
        .gc_seconds = j->measure.gc_seconds,
        .gc_longest_seconds = j->measure.gc_longest_seconds,
        .heap_peak_bytes = j->measure.heap_peak_bytes,
        .heap_used_bytes = j->measure.heap_used_bytes,
        .exit_code = j->exit_code,
        .signo = j->signo > 0 ? j->signo : -1,
    };
    struct sg_error err = SG_ERROR_INIT;

    begin(r, e);
    list_applications(e, &apps);
    if (apps.len > 0)
        a.applications = sg_buf_text(&apps);
    if (!r->broken && is_kept(r, e))
        took(r, sg_history_attempt_add(r->c.history, &a, &err), &err);
    sg_buf_done(&apps);
}

static void end(struct sg_recorder *r, const struct sg_event *e)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_history_run run;

    begin(r, e);
    if (r->broken)
        return;
    run = run_of(r, e);
    run.ended_ms = ms_of(e->time);
    run.exit_status = e->exit_status;
    for (int i = SG_RESULT_OK; i < SG_RESULT_COUNT; i++) {
        enum sg_result result = (enum sg_result)i;

        if (sg_result_is_failure(result))
            run.n_failed += e->n_result[i];
    }
    run.n_ok = e->n_result[SG_RESULT_OK];
    run.n_unchanged = (int64_t)e->n_result[SG_RESULT_UNCHANGED] + e->n_result[SG_RESULT_COMPLETED];
    run.n_blocked = e->n_result[SG_RESULT_BLOCKED];
    run.n_busy = e->n_result[SG_RESULT_BUSY];
    took(r, sg_history_run_end(r->c.history, &run, &err), &err);
    if (!r->broken)
        took(r, sg_history_flush(r->c.history, &err), &err);
}

static void on_event(void *ctx, const struct sg_event *e)
{
    struct sg_recorder *r = ctx;

    if (r->c.history == NULL || r->broken)
        return;
    switch (e->kind) {
    case SG_EVENT_RUN_STARTED:
        r->started_ms = ms_of(e->time);
        break;
    case SG_EVENT_PLAN:
        begin(r, e);
        break;
    case SG_EVENT_NODE_FINISHED:
    case SG_EVENT_NODE_SKIPPED:
        add_attempt(r, e);
        break;
    case SG_EVENT_RUN_FINISHED:
        end(r, e);
        break;
    case SG_EVENT_NODE_STARTED:
    case SG_EVENT_NODE_OUTPUT:
    case SG_EVENT_NODE_RETRY:
    case SG_EVENT_NOTICE:
        break;
    }
}

struct sg_sink sg_recorder_sink(struct sg_recorder *r)
{
    return (struct sg_sink){ .event = on_event, .ctx = r };
}
