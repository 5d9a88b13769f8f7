/* One attempt under way: prepared on a worker, its command run, finished on a worker. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/files.h"

#include "run_impl.h"

#define WAIT_NS SG_NS_PER_S /* between two looks at a node that another run holds */
#define HOLD_NS (SG_SLOT_RETRY_MS * SG_NS_PER_MS)

struct sg_active *sg_active_find(struct sg_run *r, uint32_t job)
{
    struct sg_active *a = r->active;

    while (a && a->job != job)
        a = a->next;
    return a;
}

void sg_active_free(struct sg_active *a)
{
    struct sg_active **at = &a->run->active;

    while (*at && *at != a)
        at = &(*at)->next;
    if (*at)
        *at = a->next;
    if (a->log_fd >= 0)
        (void)close(a->log_fd); /* the log is for people; a lost tail was noticed on write */
    sg_hold_leave(a->run->holds, &a->hold);
    sg_attempt_free(a->attempt);
    sg_yarn_apps_done(&a->apps);
    free(a->log);
    free(a);
}

/* The log of a batch has the name of its first member; the others' names lead to it. */
static void link_log(const struct sg_active *a)
{
    const char *name = strrchr(a->log, '/') + 1;

    for (uint32_t i = 0; a->n_run > 1 && i < a->attempt->n_members; i++) {
        const struct sg_member *m = &a->attempt->members[i];
        struct sg_error err = SG_ERROR_INIT;
        struct sg_buf path = SG_BUF_INIT;
        char label[SG_LABEL_TEXT];

        if (!sg_member_is_to_run(m) || m->index == a->attempt->vars.first)
            continue;
        sg_calendar_label(&a->attempt->stage->cal, m->index, label);
        if (sg_buf_addf(&path, &err, "%.*s%s.%u.log", (int)(name - a->log), a->log, label,
                        a->attempt->number)) {
            (void)unlink(sg_buf_text(&path));
            (void)!symlink(name, sg_buf_text(&path)); /* a name less */
        }
        sg_buf_done(&path);
    }
}

static void open_log(struct sg_active *a)
{
    struct sg_run *r = a->run;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf path = SG_BUF_INIT;
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    char label[SG_LABEL_TEXT];

    if (r->c.no_log)
        return;
    sg_calendar_label(&a->attempt->stage->cal, a->attempt->vars.first, label);
    if (!sg_buf_addf(&path, &err, "%s/logs/%s/%s/%s.%u.log", r->graph->state, r->c.run_id,
                     a->attempt->stage->name, label[0] ? label : "_", a->attempt->number))
        goto failed;
    if (sg_run_is_batch(r, a->job))
        (void)unlink(sg_buf_text(&path)); /* of an earlier batch it would lead to the log */
    a->log_fd = open(sg_buf_text(&path), flags, 0666);
    if (a->log_fd < 0 && errno == ENOENT) { /* the stage's first */
        char *slash = strrchr(path.at, '/');
        bool made;

        *slash = '\0';
        made = sg_files_make_dir(path.at, &err);
        *slash = '/';
        if (!made)
            goto failed;
        a->log_fd = open(sg_buf_text(&path), flags, 0666);
    }
    if (a->log_fd < 0) {
        sg_error_set(&err, SG_ERROR_SYSTEM, errno, "create %s", sg_buf_text(&path));
        goto failed;
    }
    a->log = sg_buf_move(&path);
    link_log(a);
    return;
failed:
    sg_buf_done(&path);
    (void)sg_error_wrap(&err, "no log is kept");
    if (!r->log_failed)
        sg_run_notice(r, a->node, err.text);
    r->log_failed = true;
}

static void on_output(void *ctx, const char *bytes, size_t n)
{
    struct sg_active *a = ctx;
    struct sg_run *r = a->run;
    struct sg_event e = sg_run_event(r, SG_EVENT_NODE_OUTPUT);
    struct sg_error err = SG_ERROR_INIT;

    if (a->log_fd >= 0 && !sg_files_write_fd(a->log_fd, bytes, n, &err)) {
        (void)sg_error_wrap(&err, "its log ends here: %s", a->log);
        if (!r->log_failed)
            sg_run_notice(r, a->node, err.text);
        r->log_failed = true;
        (void)close(a->log_fd); /* it failed already */
        a->log_fd = -1;
    }
    e.node = a->node;
    e.stage = a->attempt->stage;
    e.index = a->attempt->vars.first;
    e.attempt = a->attempt->number;
    e.bytes = bytes;
    e.n_bytes = n;
    e.log = a->log;
    sg_run_emit(r, &e);
}

/* What is not the node's any more, but was held for it. */
static void drop_hold(struct sg_active *a)
{
    struct sg_error err = SG_ERROR_INIT;

    if (!sg_hold_drop(a->run->holds, &a->hold, &err) && !a->attempt->notice[0])
        (void)snprintf(a->attempt->notice, sizeof(a->attempt->notice), "%.390s", err.text);
}

static void finish_work(void *ctx)
{
    struct sg_active *a = ctx;

    if (a->has_end)
        sg_attempt_applications(a->attempt, &a->outcome, a->why, sizeof(a->why), &a->apps);
    sg_attempt_finish(a->attempt, &a->outcome);
    if (a->outcome.stuck || a->attempt->away)
        sg_hold_leave(a->run->holds, &a->hold);
    else
        drop_hold(a);
}

/* Every further attempt would wait as long, and come to the same. */
static void start_no_more(struct sg_active *a)
{
    struct sg_run *r = a->run;
    const struct sg_member *m = a->attempt->members;
    char text[800];

    while (m->code != SG_ERROR_AWAY)
        m++; /* one has met it */
    if (!r->away && r->signo == 0) {
        (void)snprintf(text, sizeof(text),
                       "the store is away: %s: nothing more is started; when it is back, "
                       "stagegraph resume goes on",
                       m->why);
        sg_run_notice(r, "", text);
    }
    r->away = true;
    sg_sched_give_up(r->sched);
}

/*
 * The scheduler hears of the attempt; sg_run_pump() then gets its DONE or RETRY. Members that this
 * attempt did not come to are tried next, unless the whole job is tried again anyway.
 */
static void attempt_over(struct sg_active *a)
{
    struct sg_run *r = a->run;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_mono now = sg_mono_now(), later = { now.ns + WAIT_NS };
    struct sg_summary s = sg_active_sum_up(a);
    bool stuck = a->outcome.stuck, ok;
    uint32_t job = a->job;

    a->phase = PHASE_OVER;
    if (a->attempt->notice[0])
        sg_run_notice(r, a->node, a->attempt->notice);
    if (a->attempt->away)
        start_no_more(a);
    if (s.result == SG_RESULT_NONE) {
        sg_active_free(a);
        ok = sg_sched_postpone_job(r->sched, job, later, &err);
    } else if ((s.rest || s.waits) && (stuck || !sg_sched_would_retry(r->sched, job, s.result))) {
        sg_active_tell(a, false);
        sg_active_free(a);
        ok = sg_sched_again(r->sched, s.rest ? now : later, job, s.result, &s.nodes, &err);
    } else {
        ok = sg_sched_result_of(r->sched, now, job, s.result, stuck, &s.nodes, &err);
    }
    if (!ok)
        sg_run_fail(r, &err);
    sg_run_pump(r);
}

static void finish_done(void *ctx)
{
    struct sg_active *a = ctx;
    char names[300], text[400];

    if (sg_yarn_killed(&a->apps) > 0) {
        sg_yarn_name(&a->apps, true, names, sizeof(names));
        (void)snprintf(text, sizeof(text), "killed %s on YARN", names);
        sg_run_notice(a->run, a->node, text);
    }
    attempt_over(a);
}

/* A job or two at a time, on a store that answers at once: no worker is worth the waking. */
static bool do_work(struct sg_active *a, sg_work_fn *work, sg_work_fn *done, struct sg_error *err)
{
    struct sg_run *r = a->run;

    return (r->short_work ? sg_loop_work_short : sg_loop_work)(r->c.loop, work, done, a, err);
}

static void finish(struct sg_active *a, enum sg_result result)
{
    struct sg_run *r = a->run;
    struct sg_error err = SG_ERROR_INIT;

    a->phase = PHASE_FINISH;
    a->outcome.result = result;
    a->outcome.why = a->why;
    if (do_work(a, finish_work, finish_done, &err))
        return;
    sg_run_fail(r, &err); /* no thread to be had: do it here, late is better than never */
    finish_work(a);
    finish_done(a);
}

/* What the end of a process means for its node, in one place. */
static enum sg_result result_of(const struct sg_job_end *end, char *why, size_t n)
{
    switch (end->how) {
    case SG_JOB_EXITED:
        if (end->exit_code == 0)
            return SG_RESULT_OK;
        (void)snprintf(why, n, "exit %d", end->exit_code);
        return end->oom ? SG_RESULT_OOM : SG_RESULT_FAILED;
    case SG_JOB_SIGNALED:
        (void)snprintf(why, n, "signal %d, %s%s", end->signo, strsignal(end->signo),
                       end->oom ? ", out of memory" : "");
        return end->oom ? SG_RESULT_OOM : SG_RESULT_FAILED;
    case SG_JOB_TIMEOUT:
        (void)snprintf(why, n, "timeout");
        return SG_RESULT_TIMEOUT;
    case SG_JOB_STOPPED:
        (void)snprintf(why, n, "interrupted");
        return SG_RESULT_INTERRUPTED;
    case SG_JOB_NOT_STARTED:
        (void)snprintf(why, n, "%s%scan't be started: %s", end->what, end->what[0] ? " " : "",
                       strerror(end->sys_errno));
        return SG_RESULT_FAILED;
    case SG_JOB_LOST:
        (void)snprintf(why, n, "its shim died");
        return SG_RESULT_FAILED;
    }
    return SG_RESULT_FAILED;
}

/* Ended because the store was lost: that is nobody's interrupt. */
static enum sg_result unless_lost(struct sg_active *a, enum sg_result result)
{
    if (!a->run->lost || result != SG_RESULT_INTERRUPTED)
        return result;
    (void)snprintf(a->why, sizeof(a->why), "%.290s", a->run->fence_why);
    a->outcome.code = SG_ERROR_STORE;
    return SG_RESULT_FAILED;
}

static void tell_end(struct sg_active *a, const struct sg_job_end *end)
{
    char text[400];

    if (end->leftovers > 0) {
        (void)snprintf(text, sizeof(text), "ended %u process%s that outlived the command: %s",
                       end->leftovers, end->leftovers == 1 ? "" : "es", end->leftover_names);
        sg_run_notice(a->run, a->node, text);
    }
    if (end->output_held)
        sg_run_notice(a->run, a->node, "a process kept the output open after the command's exit");
    if (end->stuck > 0) {
        (void)snprintf(text, sizeof(text), "%u process%s can't be killed: %s; the claim is kept",
                       end->stuck, end->stuck == 1 ? "" : "es", end->stuck_names);
        sg_run_notice(a->run, a->node, text);
    }
}

static bool start_process(struct sg_active *a, bool check, struct sg_error *err);

static void on_end(void *ctx, const struct sg_job_end *end)
{
    struct sg_active *a = ctx;
    struct sg_error err = SG_ERROR_INIT;
    enum sg_result result = result_of(end, a->why, sizeof(a->why));
    bool was_check = a->phase == PHASE_CHECK;

    tell_end(a, end);
    if (end->how == SG_JOB_NOT_STARTED && sg_error_is_shortage(end->sys_errno))
        a->outcome.code = SG_ERROR_SYSTEM;
    if (end->stuck > 0)
        a->outcome.stuck = true;
    if (!was_check) {
        a->end = *end;
        a->has_end = true;
        a->outcome.seconds = end->measure.seconds;
    } else if (result == SG_RESULT_FAILED || result == SG_RESULT_TIMEOUT ||
               result == SG_RESULT_OOM) {
        char why[sizeof(a->why)];

        (void)snprintf(why, sizeof(why), "check: %.280s", a->why);
        memcpy(a->why, why, sizeof(why));
        result = SG_RESULT_CHECK_FAILED;
    }
    sg_job_free(a->process); /* end lies in it */
    a->process = NULL;
    result = unless_lost(a, result);
    if (result == SG_RESULT_OK && a->outcome.stuck) {
        (void)snprintf(a->why, sizeof(a->why), "processes of the job can't be killed");
        result = SG_RESULT_FAILED;
    } else if (result == SG_RESULT_OK && !was_check && a->attempt->check.n > 0) {
        if (a->cancelled) {
            (void)snprintf(a->why, sizeof(a->why), "interrupted before its check");
            result = unless_lost(a, SG_RESULT_INTERRUPTED);
        } else if (start_process(a, true, &err)) {
            return;
        } else {
            (void)snprintf(a->why, sizeof(a->why), "check: %.280s", err.text);
            a->outcome.code = err.code;
            result = SG_RESULT_CHECK_FAILED;
        }
    }
    finish(a, result);
}

/* The claims of all members but the first, and what is held besides. */
static size_t more_locks(const struct sg_active *a, int first, int *ret)
{
    size_t n = sg_hold_locks(&a->hold, ret);

    for (uint32_t i = 0; i < a->attempt->n_members; i++) {
        const struct sg_member *m = &a->attempt->members[i];

        if (sg_member_is_to_run(m) && m->claim.lock_fd >= 0 && m->claim.lock_fd != first)
            ret[n++] = m->claim.lock_fd;
    }
    return n;
}

static bool start_process(struct sg_active *a, bool check, struct sg_error *err)
{
    const struct sg_stage *s = a->attempt->stage;
    int *locks = malloc((a->attempt->n_members + SG_HOLD_LOCKS) * sizeof(*locks));
    uint32_t first = 0;
    bool ok;

    if (!locks)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "the locks of a job");
    while (!sg_member_is_to_run(&a->attempt->members[first]))
        first++;
    struct sg_job_spec spec = {
        .shim = a->run->c.shim,
        .argv = check ? a->attempt->check.at : a->attempt->argv.at,
        .envp = a->attempt->envp.at,
        .workdir = s->workdir,
        .lock_fd = a->attempt->members[first].claim.lock_fd,
        .more_locks = locks,
        .nonce = a->attempt->nonce,
        .open_files = a->run->caller_files,
        .timeout_ms = s->timeout_s * 1000,
        .grace_ms = s->grace_s * 1000,
        .no_measure = check,
        .own_group = a->run->own_group[s->id.i],
        .on_output = on_output,
        .on_end = on_end,
        .ctx = a,
    };

    spec.n_more_locks = more_locks(a, spec.lock_fd, locks);
    a->phase = check ? PHASE_CHECK : PHASE_COMMAND;
    ok = sg_job_start(a->run->c.loop, &spec, &a->process, err);
    if (ok)
        sg_job_hold(a->process, a->run->output_held);
    free(locks);
    return ok;
}

/* False: not now (a->waits), or never: the members have their result. */
static bool take_hold(struct sg_active *a)
{
    struct sg_attempt *at = a->attempt;
    struct sg_hold_ask ask = {
        .stage = at->stage, .node = a->node, .nonce = at->nonce, .attempt = at->number
    };
    struct sg_error err = SG_ERROR_INIT;
    bool held = false;

    if (at->stage->pool == SG_NO_POOL && !at->stage->exclusive)
        return true;
    if (sg_nonce_new(at->nonce, &err) &&
        sg_hold_take(a->run->holds, &ask, &a->hold, &held, a->hold_why, &err)) {
        a->waits = !held;
        return held;
    }
    for (uint32_t i = 0; i < at->n_members; i++) {
        at->members[i].result = SG_RESULT_FAILED;
        at->members[i].code = err.code;
        (void)snprintf(at->members[i].why, sizeof(at->members[i].why), "%.590s", err.text);
    }
    at->away = err.code == SG_ERROR_AWAY;
    return false;
}

/* The start is given back; the run asks again soon, for nothing tells when it is free. */
static void wait_for_hold(struct sg_active *a)
{
    struct sg_run *r = a->run;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_mono at = { sg_mono_now().ns + HOLD_NS };
    char text[240];

    if (sg_holds_is_news(r->holds, a->attempt->stage)) {
        (void)snprintf(text, sizeof(text), "waiting for %s", a->hold_why);
        sg_run_notice(r, a->node, text);
    }
    if (!sg_sched_postpone(r->sched, a->job, at, &err))
        sg_run_fail(r, &err);
    sg_active_free(a);
    sg_run_pump(r);
}

static void prepare_work(void *ctx)
{
    struct sg_active *a = ctx;

    if (!take_hold(a))
        return;
    sg_attempt_prepare(a->attempt);
    if (!a->attempt->to_run && !a->attempt->away)
        drop_hold(a);
}

static void prepare_done(void *ctx)
{
    struct sg_active *a = ctx;
    struct sg_error err = SG_ERROR_INIT;

    if (a->waits) {
        wait_for_hold(a);
        return;
    }
    if (!a->attempt->to_run) {
        attempt_over(a);
        return;
    }
    a->n_run = a->attempt->vars.count;
    sg_node_format(a->attempt->stage, a->attempt->vars.first, a->node);
    if (a->cancelled) {
        (void)snprintf(a->why, sizeof(a->why), "interrupted");
        finish(a, unless_lost(a, SG_RESULT_INTERRUPTED));
        return;
    }
    open_log(a);
    sg_run_started(a);
    if (!start_process(a, false, &err)) {
        (void)snprintf(a->why, sizeof(a->why), "%.290s", err.text);
        a->outcome.code = err.code;
        finish(a, SG_RESULT_FAILED);
    }
}

static void add_member(struct sg_active *a, struct sg_member *m, const struct sg_node_view *v)
{
    if (m == a->attempt->members)
        sg_node_format(v->stage, v->index, a->node);
    m->index = v->index;
    m->forced = v->forced;
    m->planned_upstream = v->reason == SG_REASON_UPSTREAM;
}

/* All members that are left lack what came to nothing in this run. */
static bool none_left(struct sg_run *r, uint32_t job, struct sg_error *err)
{
    struct sg_sched_nodes nodes = sg_run_nodes(r, job);
    uint32_t n_result[SG_RESULT_COUNT] = { 0 };

    for (uint32_t id = sg_run_next(r, job, SG_NO_NODE); id != SG_NO_NODE;
         id = sg_run_next(r, job, id))
        n_result[r->result[id]] +=
            r->result[id] == SG_RESULT_BLOCKED || r->result[id] == SG_RESULT_BUSY;
    return sg_sched_result_of(r->sched, sg_mono_now(), job, sg_run_worst(n_result), true, &nodes,
                              err);
}

bool sg_active_start(struct sg_run *r, const struct sg_action *act, struct sg_error *err)
{
    struct sg_active *a;
    struct sg_node_view v;
    uint32_t n = 0, i = 0;

    for (uint32_t id = sg_run_next(r, act->job, SG_NO_NODE); id != SG_NO_NODE;
         id = sg_run_next(r, act->job, id))
        n += r->result[id] == SG_RESULT_NONE && !sg_run_is_lost(r, id);
    if (n == 0)
        return none_left(r, act->job, err);
    a = calloc(1, sizeof(*a));
    if (!a)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "an attempt");
    sg_plan_node(r->c.plan, (struct sg_node_id){ r->node_of[act->job] }, &v);
    a->run = r;
    a->job = act->job;
    a->log_fd = -1;
    a->hold = (struct sg_hold)SG_HOLD_INIT;
    a->started = sg_mono_now();
    if (!sg_attempt_new(&r->attempt_run, v.stage, act->attempt, n, &a->attempt, err)) {
        free(a);
        return false;
    }
    for (uint32_t id = sg_run_next(r, act->job, SG_NO_NODE); id != SG_NO_NODE;
         id = sg_run_next(r, act->job, id)) {
        if (r->result[id] != SG_RESULT_NONE)
            continue;
        sg_plan_node(r->c.plan, (struct sg_node_id){ id }, &v);
        add_member(a, &a->attempt->members[i++], &v);
    }
    a->next = r->active;
    r->active = a;
    if (!do_work(a, prepare_work, prepare_done, err)) {
        sg_active_free(a);
        return false;
    }
    return true;
}

void sg_active_stop(struct sg_run *r, const struct sg_action *act)
{
    struct sg_active *a = sg_active_find(r, act->job);

    if (!a)
        return;
    a->cancelled = true;
    a->cancelled_hard = act->hard;
    if (a->process)
        sg_job_stop(a->process, act->hard);
}
