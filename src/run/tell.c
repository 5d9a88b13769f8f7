/* What a run has to say, made into events. */
#include <stdio.h>
#include <string.h>

#include "run_impl.h"

struct sg_event sg_run_event(struct sg_run *r, enum sg_event_kind kind)
{
    return (struct sg_event){
        .kind = kind,
        .time = sg_wall_now(),
        .run = r->c.run_id,
        .command = r->c.command,
        .profile = r->c.profile,
        .plan = r->c.plan,
        .node = "",
        .detail = "",
        .why = "",
    };
}

void sg_run_emit(struct sg_run *r, const struct sg_event *e)
{
    for (uint32_t i = 0; i < r->c.n_sinks; i++)
        r->c.sinks[i].event(r->c.sinks[i].ctx, e);
}

void sg_run_notice(struct sg_run *r, const char *node, const char *text)
{
    struct sg_event e = sg_run_event(r, SG_EVENT_NOTICE);

    e.node = node;
    e.text = text;
    sg_run_emit(r, &e);
}

void sg_run_look_at_trouble(struct sg_run *r)
{
    const struct sg_mono now = sg_mono_now();
    struct sg_store_trouble t;
    char after[SG_DURATION_TEXT], text[100];

    if (sg_store_trouble(r->c.store, &t) && !r->silent) {
        r->silent = true;
        r->silent_since = now;
        sg_run_notice(r, "", t.why);
    } else if (*t.why == '\0' && r->silent && t.answered.ns > r->silent_since.ns) {
        r->silent = false;
        sg_duration_format((double)(now.ns - r->silent_since.ns) / 1e9, false, after);
        (void)snprintf(text, sizeof(text), "HDFS answers again, %s later", after);
        sg_run_notice(r, "", text);
    }
}

void sg_run_look_at_yarn(struct sg_run *r)
{
    char text[400];
    const bool waits = sg_yarn_waits(r->c.yarn, text, sizeof(text));

    if (waits && !r->yarn_told)
        sg_run_notice(r, "", text);
    r->yarn_told = waits;
}

/* Fills the event's node from the plan; name has room for its text. */
void sg_run_event_node(struct sg_run *r, struct sg_event *e, struct sg_node_id n,
                       char name[SG_NODE_TEXT])
{
    struct sg_node_view v;

    sg_plan_node(r->c.plan, n, &v);
    sg_node_format(v.stage, v.index, name);
    e->stage = v.stage;
    e->index = v.index;
    e->node = name;
    e->reason = v.reason;
    e->detail = v.detail;
}

void sg_run_skipped(struct sg_run *r, struct sg_node_id n, enum sg_result result, const char *why)
{
    struct sg_event e = sg_run_event(r, SG_EVENT_NODE_SKIPPED);
    char name[SG_NODE_TEXT];

    sg_run_event_node(r, &e, n, name);
    e.result = result;
    e.why = why;
    r->outcome.n_result[result]++;
    sg_run_emit(r, &e);
}

void sg_run_started(struct sg_active *a)
{
    for (uint32_t i = 0; i < a->attempt->n_members; i++) {
        struct sg_event e = sg_run_event(a->run, SG_EVENT_NODE_STARTED);
        const struct sg_member *m = &a->attempt->members[i];
        char name[SG_NODE_TEXT];

        if (!sg_member_is_to_run(m))
            continue;
        sg_run_event_node(a->run, &e, sg_active_node(a, m), name);
        e.reason = m->decision.reason;
        e.detail = m->decision.detail;
        e.attempt = a->attempt->number;
        e.members = a->n_run;
        e.log = a->log;
        sg_run_emit(a->run, &e);
    }
}

void sg_run_finished(struct sg_active *a, const struct sg_member *m, bool will_retry)
{
    struct sg_run *r = a->run;
    struct sg_event e = sg_run_event(r, SG_EVENT_NODE_FINISHED);
    char name[SG_NODE_TEXT];

    sg_run_event_node(r, &e, sg_active_node(a, m), name);
    if (m->decision.reason != SG_REASON_NONE) {
        e.reason = m->decision.reason;
        e.detail = m->decision.detail;
    }
    e.attempt = a->attempt->number;
    e.result = m->result;
    e.why = m->why;
    e.end = a->has_end ? &a->end : NULL;
    e.apps = a->run->c.yarn != NULL && a->has_end ? &a->apps : NULL;
    e.attempt_seconds = (double)(sg_mono_now().ns - a->started.ns) / 1e9;
    e.seconds = a->has_end ? a->end.measure.seconds : e.attempt_seconds;
    e.members = a->n_run;
    e.version_seconds = m->version_seconds;
    e.log = a->log;
    e.will_retry = will_retry;
    sg_run_emit(r, &e);
}

/* The members of a group that are no jobs of this run: blocked or busy from the beginning. */
static bool tell_group(void *ctx, const struct sg_plan_group *g)
{
    struct sg_run *r = ctx;
    enum sg_result result = g->verdict == SG_VERDICT_BUSY ? SG_RESULT_BUSY : SG_RESULT_BLOCKED;
    char why[600];

    (void)snprintf(why, sizeof(why), "held by run %s", g->run && g->run[0] ? g->run : "unknown");
    for (int64_t i = g->first; i <= g->last; i++) {
        struct sg_node_id n = sg_plan_find(r->c.plan, g->stage->id, i);
        struct sg_node_view v;

        if (n.i == SG_NO_NODE || r->job_of[n.i] != NO_JOB)
            continue;
        sg_plan_node(r->c.plan, n, &v);
        if (!v.asked || v.verdict != g->verdict) /* a hole in the calendar */
            continue;
        if (g->verdict == SG_VERDICT_BLOCKED && !sg_plan_lacks(r->c.plan, n, why))
            (void)snprintf(why, sizeof(why), "an input is not there");
        sg_run_skipped(r, n, result, why);
    }
    return true;
}

void sg_run_tell_not_jobs(struct sg_run *r)
{
    (void)sg_plan_groups(r->c.plan, SG_VERDICT_BLOCKED, tell_group, r); /* it never stops early */
    (void)sg_plan_groups(r->c.plan, SG_VERDICT_BUSY, tell_group, r);
}
