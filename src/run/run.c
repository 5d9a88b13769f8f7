#include "stagegraph/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "stagegraph/files.h"
#include "stagegraph/text.h"

#include "run_impl.h"

#define GROUP_LEAST_S 1.0 /* usual duration from which a job gets a cgroup of its own */

/* An error that ends the run: no new starts, running jobs are ended, then sg_run_go returns it. */
void sg_run_fail(struct sg_run *r, const struct sg_error *err)
{
    if (!r->failed) {
        r->failed = true;
        r->err = *err;
        sg_sched_interrupt(r->sched);
    }
}

/* ---- a store that may have given our claims to others ---- */

static void kill_the_rest(void *ctx)
{
    struct sg_run *r = ctx;

    r->fence = NULL;
    sg_sched_interrupt(r->sched);
    sg_run_pump(r);
}

static void on_fence(void *ctx)
{
    struct sg_run *r = ctx;

    r->fence = NULL;
    sg_run_look_at_fence(r);
    sg_run_pump(r);
}

static void fence_timer(struct sg_run *r, int64_t ms, sg_timer_fn *fn)
{
    struct sg_mono at = { sg_mono_now().ns + ms * SG_NS_PER_MS };
    struct sg_error err = SG_ERROR_INIT;

    if (!sg_loop_timer(r->c.loop, at, fn, r, &r->fence, &err))
        sg_run_fail(r, &err);
}

/* As an interrupt does, but no grace goes on for longer than the claims last: others may begin the
 * same nodes then. */
void sg_run_look_at_fence(struct sg_run *r)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_fence f;

    if (r->lost || r->over)
        return;
    sg_timer_cancel(r->c.loop, r->fence);
    r->fence = NULL;
    sg_run_look_at_trouble(r);
    if (!sg_store_fenced(r->c.store, &f)) {
        if (f.again_ms > 0)
            fence_timer(r, f.again_ms, on_fence);
        return;
    }
    r->lost = true;
    memcpy(r->fence_why, f.why, sizeof(r->fence_why));
    if (!r->failed && r->signo == 0) {
        sg_error_set(&err, SG_ERROR_STORE, 0, "%s", f.why);
        sg_run_fail(r, &err);
    }
    if (f.left_ms > 0)
        fence_timer(r, f.left_ms, kill_the_rest);
    else
        kill_the_rest(r);
}

/* ---- YARN, which is waited for in other threads ---- */

static void on_yarn(void *ctx);

static void watch_yarn(struct sg_run *r)
{
    struct sg_mono at = { sg_mono_now().ns + SG_NS_PER_S };
    struct sg_error err = SG_ERROR_INIT;

    if (r->c.yarn != NULL && !r->over &&
        !sg_loop_timer(r->c.loop, at, on_yarn, r, &r->yarn_look, &err))
        sg_run_fail(r, &err);
}

static void on_yarn(void *ctx)
{
    struct sg_run *r = ctx;

    r->yarn_look = NULL;
    sg_run_look_at_yarn(r);
    watch_yarn(r);
}

/* ---- what the scheduler says ---- */

static void job_done(struct sg_run *r, const struct sg_action *act)
{
    struct sg_active *a = sg_active_find(r, act->job);
    char why[SG_NODE_TEXT + 32] = "";

    if (a) {
        sg_active_tell(a, false);
        sg_active_free(a);
    }
    if (act->because != UINT32_MAX) {
        struct sg_node_view v;
        char name[SG_NODE_TEXT];

        sg_plan_node(r->c.plan, (struct sg_node_id){ r->node_of[act->because] }, &v);
        sg_node_format(v.stage, v.index, name);
        (void)snprintf(why, sizeof(why), "behind %s", name);
    }
    for (uint32_t id = sg_run_next(r, act->job, SG_NO_NODE); id != SG_NO_NODE;
         id = sg_run_next(r, act->job, id)) {
        if (r->result[id] != SG_RESULT_NONE)
            continue;
        sg_run_set_result(r, id, act->result); /* it was never tried, or not again */
        sg_run_skipped(r, (struct sg_node_id){ id }, act->result, why);
    }
}

static void job_retry(struct sg_run *r, const struct sg_action *act)
{
    struct sg_active *a = sg_active_find(r, act->job);
    struct sg_event e = sg_run_event(r, SG_EVENT_NODE_RETRY);
    uint32_t id;
    char name[SG_NODE_TEXT];

    if (a) {
        sg_active_tell(a, true);
        sg_active_free(a);
    }
    for (id = sg_run_next(r, act->job, SG_NO_NODE); id != r->last_of[act->job];
         id = sg_run_next(r, act->job, id))
        if (r->result[id] == SG_RESULT_NONE)
            break;
    sg_run_event_node(r, &e, (struct sg_node_id){ id }, name);
    e.attempt = act->attempt;
    e.result = act->result;
    e.delay_s = (double)(act->at.ns - sg_mono_now().ns) / 1e9;
    sg_run_emit(r, &e);
}

static void stage_stopped(struct sg_run *r, const struct sg_action *act)
{
    struct sg_node_view v;
    char text[400];

    sg_plan_node(r->c.plan, (struct sg_node_id){ r->node_of[act->job] }, &v);
    if (act->result == SG_RESULT_TRESPASS)
        (void)snprintf(text, sizeof(text),
                       "stage %s is stopped for this run: its job changed other partitions",
                       v.stage->name);
    else
        (void)snprintf(text, sizeof(text),
                       "stage %s is stopped for this run: %d failures in a row (breaker = %d)",
                       v.stage->name, v.stage->breaker, v.stage->breaker);
    sg_run_notice(r, "", text);
}

static void on_timer(void *ctx)
{
    struct sg_run *r = ctx;

    r->timer = NULL;
    sg_run_pump(r);
}

static void wait_until(struct sg_run *r, struct sg_mono at)
{
    struct sg_error err = SG_ERROR_INIT;

    sg_timer_cancel(r->c.loop, r->timer);
    r->timer = NULL;
    if (at.ns != INT64_MAX && !sg_loop_timer(r->c.loop, at, on_timer, r, &r->timer, &err))
        sg_run_fail(r, &err);
}

/* While memory is short nothing is started beside what runs already; one job always goes on. */
static void look_at_pressure(struct sg_run *r)
{
    bool pressed = r->pressure && r->active && sg_pressure_is_high(r->pressure, sg_mono_now());
    char text[200];

    if (pressed == r->pressed)
        return;
    r->pressed = pressed;
    sg_sched_suspend(r->sched, r->suspended || pressed);
    if (!pressed || r->pressed_told)
        return;
    r->pressed_told = true;
    (void)snprintf(text, sizeof(text),
                   "memory is short (in the last 10 s something stood still for it %.0f%% of the "
                   "time): while it is, no job is started beside another",
                   sg_pressure_some(r->pressure));
    sg_run_notice(r, "", text);
}

void sg_run_pump(struct sg_run *r)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_action act;

    while (!r->over) {
        look_at_pressure(r);
        sg_sched_next(r->sched, sg_mono_now(), &act);
        switch (act.kind) {
        case SG_ACT_START:
            if (!sg_active_start(r, &act, &err)) {
                sg_run_fail(r, &err);
                if (!sg_sched_result(r->sched, sg_mono_now(), act.job, SG_RESULT_INTERRUPTED, true,
                                     &err))
                    sg_run_fail(r, &err);
            }
            break;
        case SG_ACT_STOP:
            sg_active_stop(r, &act);
            break;
        case SG_ACT_DONE:
            job_done(r, &act);
            break;
        case SG_ACT_RETRY:
            job_retry(r, &act);
            break;
        case SG_ACT_STAGE_STOPPED:
            stage_stopped(r, &act);
            break;
        case SG_ACT_WAIT:
            if (r->pressed && act.at.ns == INT64_MAX)
                act.at.ns = sg_mono_now().ns + SG_NS_PER_S;
            wait_until(r, act.at);
            return;
        case SG_ACT_OVER:
            r->over = true;
            sg_loop_stop(r->c.loop);
            return;
        }
    }
}

/* ---- setting up ---- */

/* The jobs of the nodes [first, end), which may be none. */
static void to_jobs(const struct sg_run *r, const struct sg_node_range *nodes,
                    struct sg_sched_edge *ret)
{
    uint32_t first = nodes->first, before;

    ret->optional = nodes->optional;
    for (; first < nodes->end; first++) {
        before = r->jobs_before[first];
        if (r->job_of[first] == NO_JOB && before > 0 && first < r->last_of[before - 1])
            continue; /* a hole of the calendar within a batch is none of its nodes */
        ret->first = r->job_of[first] != NO_JOB ? r->job_of[first] : before;
        ret->end = r->jobs_before[nodes->end];
        return;
    }
}

typedef bool edges_of_node(const struct sg_plan *p, struct sg_node_id n, uint32_t k,
                           struct sg_node_range *ret);

/* The edges of a batch are those of its nodes, one after the other, `each` of them. One member's
 * need must not block the others: it is waited for, and the members are told apart when the job
 * starts. */
static bool edge_at(const struct sg_run *r, uint32_t job, uint32_t k, uint32_t each,
                    edges_of_node *at, struct sg_sched_edge *ret)
{
    struct sg_node_range nodes;
    uint32_t node;

    *ret = (struct sg_sched_edge){ .first = 0 };
    if (each == 0)
        return false;
    node = r->node_of[job] + k / each;
    if (node > r->last_of[job])
        return false;
    if (r->job_of[node] == job && at(r->c.plan, (struct sg_node_id){ node }, k % each, &nodes))
        to_jobs(r, &nodes, ret);
    return true;
}

static bool needs(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const struct sg_run *r = ctx;

    return edge_at(r, job, k, r->graph->stages[r->jobs[job].stage].n_needs, sg_plan_needs_at, ret);
}

static bool users(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const struct sg_run *r = ctx;

    return edge_at(r, job, k, r->n_uses[r->jobs[job].stage], sg_plan_users_at, ret);
}

/* A node is a job if it will run, or if upstream alone makes it stale: blocked or not, that is
 * decided when its inputs are done. */
static bool is_job(const struct sg_node_view *v)
{
    return v->verdict == SG_VERDICT_RUN || v->completes ||
           (v->verdict == SG_VERDICT_BLOCKED && v->reason == SG_REASON_UPSTREAM);
}

static bool make_jobs(struct sg_run *r, struct sg_error *err)
{
    const struct sg_graph *g = r->graph;
    uint32_t n = sg_plan_nodes(r->c.plan);
    struct sg_node_view v;

    r->job_of = malloc((n + 1) * sizeof(*r->job_of));
    r->jobs_before = malloc((n + 1) * sizeof(*r->jobs_before));
    r->node_of = malloc((n + 1) * sizeof(*r->node_of));
    r->last_of = malloc((n + 1) * sizeof(*r->last_of));
    r->result = calloc(n + 1, sizeof(*r->result));
    r->jobs = calloc(n + 1, sizeof(*r->jobs));
    r->gone = calloc(n + 1, sizeof(*r->gone));
    r->n_uses = calloc(g->n_stages + 1, sizeof(*r->n_uses));
    if (!r->job_of || !r->jobs_before || !r->node_of || !r->last_of || !r->result || !r->jobs ||
        !r->gone || !r->n_uses)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "%u jobs", n);
    for (uint32_t i = 0; i < n; i++) {
        struct sg_interval interval = { 0, 0 };
        struct sg_node_id first;
        uint32_t count;

        r->job_of[i] = NO_JOB;
        r->jobs_before[i] = r->n_jobs;
        sg_plan_node(r->c.plan, (struct sg_node_id){ i }, &v);
        if (!v.asked || !is_job(&v))
            continue;
        sg_plan_batch(r->c.plan, (struct sg_node_id){ i }, &first, &count);
        if (first.i != i) {
            r->job_of[i] = r->job_of[first.i];
            r->last_of[r->job_of[i]] = i;
            r->jobs[r->job_of[i]].patient = true;
            continue;
        }
        if (count > r->most_members)
            r->most_members = count;
        r->job_of[i] = r->n_jobs;
        r->node_of[r->n_jobs] = r->last_of[r->n_jobs] = i;
        r->jobs[r->n_jobs].stage = v.stage->id.i;
        (void)sg_calendar_interval(&v.stage->cal, v.index, &interval); /* an asked node exists */
        if (interval.start_s == SG_TIME_MIN)
            r->jobs[r->n_jobs].rank = INT64_MIN; /* a once goes first in either order */
        else
            r->jobs[r->n_jobs].rank =
                sg_plan_request(r->c.plan)->newest_first ? -interval.start_s : interval.start_s;
        r->n_jobs++;
    }
    r->jobs_before[n] = r->n_jobs;
    r->has_batches = r->most_members > 1;
    for (uint32_t i = 0; i < g->n_stages; i++)
        for (uint32_t k = 0; k < g->stages[i].n_needs; k++)
            r->n_uses[g->stages[i].needs[k].of.i]++;
    return true;
}

/* A job has an open file a member, its claim, which its shim gets, and a few more: its socket, its
 * output, its log, its process, what is held for it. Jobs get the caller's limit back: there are
 * programs that go through all numbers below it, or use select(). */
static void raise_limit(struct sg_run *r)
{
    uint64_t jobs = r->n_jobs < (uint64_t)r->c.jobs ? r->n_jobs : (uint64_t)r->c.jobs;
    uint64_t want = (jobs + 1) * (r->most_members + 12) + 128;
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur >= want || l.rlim_cur == l.rlim_max)
        return;
    r->caller_files = l.rlim_cur;
    l.rlim_cur = want < l.rlim_max ? want : l.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &l) != 0) /* then a claim that can't be taken says so */
        r->caller_files = 0;
}

/*
 * How long it usually takes from the start of a stage's job to the end of what needs it, stage by
 * stage: `order` has said which partition goes first, and of one instant the longest way does.
 * Needs within a component go through time, which is `order`'s.
 */
static void set_tails(struct sg_run *r)
{
    const struct sg_graph *g = r->graph;

    for (uint32_t i = g->n_stages; i-- > 0 && r->n_jobs > 0;) {
        const struct sg_stage *s = sg_graph_stage(g, g->order[i]);
        int64_t *tail = &r->stages[s->id.i].tail_ms;
        double own = sg_plan_stage(r->c.plan, s->id)->n_run > 0
                         ? sg_usual_of(r->c.usual, s).median_s
                         : (double)NAN;

        if (!isnan(own))
            *tail += (int64_t)(own * 1000);
        for (uint32_t k = 0; k < s->n_needs; k++) {
            const struct sg_stage *of = sg_graph_stage(g, s->needs[k].of);

            if (of->component != s->component && r->stages[of->id.i].tail_ms < *tail)
                r->stages[of->id.i].tail_ms = *tail;
        }
    }
}

/* To make a group, move into it and remove it takes half a millisecond, which a job of a moment
 * need not pay. */
static bool set_groups(struct sg_run *r, struct sg_error *err)
{
    r->own_group = calloc(r->graph->n_stages + 1, sizeof(*r->own_group));
    if (!r->own_group)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "a run");
    for (uint32_t i = 0; i < r->graph->n_stages; i++) {
        const struct sg_stage *s = &r->graph->stages[i];

        if (sg_plan_stage(r->c.plan, s->id)->n_run > 0)
            r->own_group[i] = s->memory > 0 || sg_usual_of(r->c.usual, s).median_s >= GROUP_LEAST_S;
    }
    return true;
}

/* Asked for only where a stage that is to run says what it takes. */
static void set_room(struct sg_run *r)
{
    const struct sg_graph *g = r->graph;

    for (uint32_t i = 0; i < g->n_stages && r->room == 0; i++)
        if (r->stages[i].room > 0 && sg_plan_stage(r->c.plan, g->stages[i].id)->n_run > 0)
            r->room = sg_room_bytes();
    if (r->room < 0)
        r->room = 0;
}

static bool make_sched(struct sg_run *r, struct sg_error *err)
{
    const struct sg_graph *g = r->graph;

    r->stages = calloc(g->n_stages + 1, sizeof(*r->stages));
    r->pools = calloc(g->n_pools + 1, sizeof(*r->pools));
    if (!r->stages || !r->pools)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "the scheduler");
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = &g->stages[i];

        r->stages[i] = (struct sg_sched_stage){ .retries = s->retries,
                                                .breaker = s->breaker,
                                                .backoff_ms = s->backoff_s * 1000,
                                                .pool = s->pool,
                                                .memory = s->memory,
                                                .room = sg_room_of(g, s),
                                                .exclusive = s->exclusive };
    }
    set_room(r);
    set_tails(r);
    for (uint32_t i = 0; i < g->n_pools; i++)
        r->pools[i] =
            (struct sg_sched_pool){ .size = g->pools[i].size, .memory = g->pools[i].memory };
    struct sg_sched_config c = { .jobs = r->jobs,
                                 .n_jobs = r->n_jobs,
                                 .stages = r->stages,
                                 .n_stages = g->n_stages,
                                 .pools = r->pools,
                                 .n_pools = g->n_pools,
                                 .needs = needs,
                                 .users = users,
                                 .ctx = r,
                                 .slots = r->c.jobs,
                                 .room = r->room,
                                 .keep_going = r->c.keep_going };
    return sg_sched_new(&c, &r->sched, err);
}

bool sg_run_schedule(struct sg_run *r, struct sg_error *err)
{
    r->graph = sg_plan_graph(r->c.plan);
    return make_jobs(r, err) && make_sched(r, err);
}

bool sg_run_new(const struct sg_run_config *c, struct sg_run **ret, struct sg_error *err)
{
    struct sg_run *r = calloc(1, sizeof(*r));
    struct sg_buf path = SG_BUF_INIT;

    if (!r)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "a run");
    r->c = *c;
    if (!sg_run_schedule(r, err) ||
        !sg_buf_addf(&path, err, "%s/tmp/%s", r->graph->state, c->run_id)) {
        sg_buf_done(&path);
        sg_run_free(r);
        return false;
    }
    r->scratch = sg_buf_move(&path);
    raise_limit(r);
    atomic_init(&r->scratches.others, UINT64_MAX);
    /* of more jobs at once the others would wait for that one thread; YARN's answers take long */
    r->short_work = c->jobs <= 2 && c->yarn == NULL && !sg_store_is_write_once(c->store) &&
                    !r->graph->store.sync;
    if (c->jobs > 1 && r->n_jobs > 1)
        r->pressure = sg_pressure_new(NULL);
    if (!set_groups(r, err)) {
        sg_run_free(r);
        return false;
    }
    if (!sg_holds_new(&(struct sg_holds_config){ .graph = r->graph,
                                                 .store = c->store,
                                                 .yarn = c->yarn,
                                                 .run_id = c->run_id,
                                                 .host = c->host,
                                                 .boot = c->boot },
                      &r->holds, err)) {
        sg_run_free(r);
        return false;
    }
    r->attempt_run = (struct sg_attempt_run){ .plan = c->plan,
                                              .store = c->store,
                                              .yarn = c->yarn,
                                              .run_id = c->run_id,
                                              .host = c->host,
                                              .boot = c->boot,
                                              .scratch = r->scratch,
                                              .environ_ = c->environ_,
                                              .gone = r->gone,
                                              .scratches = &r->scratches,
                                              .recipes = calloc(r->graph->n_stages + 1,
                                                                sizeof(_Atomic uint64_t)) };
    *ret = r;
    return true;
}

void sg_run_free(struct sg_run *r)
{
    struct sg_error err = SG_ERROR_INIT;

    if (!r)
        return;
    while (r->active)
        sg_active_free(r->active);
    if (r->scratch && !sg_files_remove_tree(r->scratch, &err))
        sg_error_clear(&err); /* scratch, in nobody's way */
    sg_pressure_free(r->pressure);
    sg_holds_free(r->holds);
    sg_sched_free(r->sched);
    free(r->scratch);
    free(r->job_of);
    free(r->jobs_before);
    free(r->n_uses);
    free(r->node_of);
    free(r->last_of);
    free(r->result);
    free(r->jobs);
    free(r->gone);
    free(r->attempt_run.recipes);
    free(r->stages);
    free(r->own_group);
    free(r->pools);
    free(r);
}

/* ---- the run ---- */

static void drop_settled(void *ctx, struct sg_node_id n)
{
    struct sg_run *r = ctx;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_node_view v;

    sg_plan_node(r->c.plan, n, &v);
    if (!sg_attempt_settle(&r->attempt_run, v.stage, v.index, &err))
        sg_run_notice(r, "", err.text); /* the claim stays what it is, dead and without meaning */
}

static void tell_room(struct sg_run *r)
{
    const struct sg_graph *g = r->graph;
    char wants[SG_SIZE_TEXT], has[SG_SIZE_TEXT], text[300];

    for (uint32_t i = 0; i < g->n_stages && r->room > 0; i++) {
        if (r->stages[i].room <= r->room || sg_plan_stage(r->c.plan, g->stages[i].id)->n_run == 0)
            continue;
        sg_size_format(r->stages[i].room, wants);
        sg_size_format(r->room, has);
        (void)snprintf(text, sizeof(text),
                       "stage %s wants %s of memory, and there are %s: its jobs run alone",
                       g->stages[i].name, wants, has);
        sg_run_notice(r, "", text);
    }
}

/* Of an error that ended the run. */
static int status_of(enum sg_error_code code)
{
    if (code == SG_ERROR_STORE || code == SG_ERROR_AWAY)
        return 74;
    return code == SG_ERROR_BUG ? 70 : 71;
}

bool sg_run_go(struct sg_run *r, struct sg_error *err)
{
    struct sg_event e = sg_run_event(r, SG_EVENT_RUN_STARTED);
    struct sg_mono before = sg_mono_now();

    if (!sg_job_subreaper(err))
        return false;
    e.plan = NULL;
    sg_run_emit(r, &e);
    e = sg_run_event(r, SG_EVENT_PLAN);
    sg_run_emit(r, &e);
    sg_run_tell_not_jobs(r);
    tell_room(r);
    sg_plan_settled(r->c.plan, drop_settled, r);
    sg_run_look_at_fence(r);
    watch_yarn(r);
    sg_run_pump(r);
    if (!r->over && !sg_loop_run(r->c.loop, err))
        return false;
    sg_timer_cancel(r->c.loop, r->fence);
    sg_timer_cancel(r->c.loop, r->yarn_look);
    r->fence = r->yarn_look = NULL;
    if (r->silent) /* it may have answered since the last look, up to a second ago */
        sg_run_look_at_trouble(r);
    e = sg_run_event(r, SG_EVENT_RUN_FINISHED);
    e.signo = r->signo;
    e.exit_status = r->signo ? 128 + r->signo : sg_outcome_status(&r->outcome);
    if (r->failed && !r->signo)
        e.exit_status = status_of(r->err.code);
    e.seconds = (double)(sg_mono_now().ns - before.ns) / 1e9;
    memcpy(e.n_result, r->outcome.n_result, sizeof(e.n_result));
    e.has_traffic = sg_store_counted(r->c.store, &e.traffic);
    sg_run_emit(r, &e);
    if (r->failed) {
        *err = r->err;
        return false;
    }
    return true;
}

void sg_run_interrupt(struct sg_run *r, int signo)
{
    if (r->signo == 0) {
        r->signo = signo;
    } else {
        sg_store_stop(r->c.store);
        if (r->c.yarn)
            sg_yarn_hurry(r->c.yarn);
    }
    sg_sched_interrupt(r->sched);
    sg_run_pump(r);
}

void sg_run_suspend(struct sg_run *r, bool suspended)
{
    r->suspended = suspended;
    sg_sched_suspend(r->sched, suspended || r->pressed);
    if (!suspended) /* before a job goes on that another run may have begun again */
        sg_run_look_at_fence(r);
    for (struct sg_active *a = r->active; a; a = a->next)
        if (a->process)
            sg_job_pause(a->process, suspended);
    if (!suspended)
        sg_run_pump(r);
}

void sg_run_hold_output(struct sg_run *r, bool hold)
{
    r->output_held = hold;
    for (struct sg_active *a = r->active; a; a = a->next)
        if (a->process)
            sg_job_hold(a->process, hold);
}

const struct sg_outcome *sg_run_outcome(const struct sg_run *r)
{
    return &r->outcome;
}
