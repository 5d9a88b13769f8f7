#include "stagegraph/sched.h"

#include <stdlib.h>

#include "stagegraph/arena.h"

#include "sched_queue.h"
#include "sched_survey.h"
#include "sched_table.h"

#define MAX_BACKOFF_MS INT64_C(600000)

static bool answer(const struct sg_sched *s, struct sg_error *err)
{
    if (s->bug.code != SG_ERROR_NONE)
        *err = s->bug;
    return s->bug.code == SG_ERROR_NONE;
}

/* ---- what follows from a job's end */

/* All its users that require it and still wait; those that are blocked by it are appended to the
 * tells. */
static void block_users(struct sg_sched *s, uint32_t job)
{
    struct sg_sched_occasion lost = { .why = SG_WHY_NEED };
    struct sg_sched_edge e;

    lost.result = s->result[job] == SG_RESULT_BUSY ? SG_RESULT_BUSY : SG_RESULT_BLOCKED;
    lost.because = s->why[job] == SG_WHY_RESULT ? job : s->because[job];
    for (uint32_t k = 0; s->c.users(s->c.ctx, job, k, &e); k++) {
        if ((e.first > e.end || e.end > s->c.n_jobs) && s->bug.code == SG_ERROR_NONE)
            sg_error_set(&s->bug, SG_ERROR_BUG, 0, "the scheduler: job %u has users [%u, %u) of %u",
                         job, e.first, e.end, s->c.n_jobs);
        if (e.optional || s->bug.code != SG_ERROR_NONE)
            continue;
        for (uint32_t user = sg_sched_can_lose(&s->waits, e.first); user < e.end;
             user = sg_sched_can_lose(&s->waits, user))
            if (!sg_sched_step(s, user, SG_ON_NEED_LOST, &lost))
                return; /* a bug, which is told */
    }
}

/* Into the queue, or down for the next thing that it waits for. */
static void wait_on(struct sg_sched *s, uint32_t job, enum sg_sched_wait how)
{
    uint32_t need = sg_sched_wait_for(&s->waits, job, how);

    if (need != SG_NO_JOB)
        sg_sched_wait_at(&s->waits, job, need);
    else
        sg_sched_step(s, job, SG_ON_NEEDS_MET, &(struct sg_sched_occasion){ .why = SG_WHY_NEED });
}

/* What is required and is not done blocks its users; one that was busy makes them busy. They are
 * finished by that, so they lie further down in the list that is gone through here. Only when all
 * of them are known it is asked who may start. When nothing is started any more, all users are
 * running or finished. */
static void spread_ends(struct sg_sched *s)
{
    uint32_t begin = s->spread, user;

    for (; s->spread < s->tells.tail; s->spread++) {
        const struct sg_sched_note *n = &s->tells.at[s->spread];

        if (n->kind == SG_ACT_DONE && s->halt == SG_HALT_NOT &&
            !sg_result_is_done((enum sg_result)s->result[n->job]) && !s->some[n->job])
            block_users(s, n->job);
    }
    for (; begin < s->tells.tail && s->halt == SG_HALT_NOT; begin++) {
        const struct sg_sched_note *n = &s->tells.at[begin];

        while (n->kind == SG_ACT_DONE &&
               (user = sg_sched_wait_take(&s->waits, n->job)) != SG_NO_JOB)
            if (s->state[user] == SG_STATE_WAITING)
                wait_on(s, user, SG_WAIT_AGAIN);
    }
}

/* How a job ends that is not started (again). */
static struct sg_sched_occasion fate(const struct sg_sched *s, uint32_t stage)
{
    struct sg_sched_occasion o = { .result = SG_RESULT_BLOCKED, .because = UINT32_MAX };

    if (s->halt == SG_HALT_KEEP_GOING) {
        o.why = SG_WHY_KEEP_GOING;
    } else if (s->halt != SG_HALT_NOT) {
        o.why = SG_WHY_INTERRUPT;
        o.result = SG_RESULT_INTERRUPTED;
    } else {
        o.why = SG_WHY_STAGE;
        o.because = s->stages[stage].stopped_by;
    }
    return o;
}

static bool may_start(const struct sg_sched *s, uint32_t stage)
{
    return s->halt == SG_HALT_NOT && !s->stages[stage].stopped;
}

static void stop_stage(struct sg_sched *s, uint32_t stage, uint32_t because)
{
    struct sg_sched_stage_state *st = &s->stages[stage];
    uint32_t end_of = stage + 1 < s->c.n_stages ? st[1].first : s->c.n_jobs;
    struct sg_sched_occasion o;

    st->stopped = true;
    st->stopped_by = because;
    if (st->left == 0)
        return;
    sg_sched_tell(&s->tells, because, SG_ACT_STAGE_STOPPED, false);
    o = fate(s, stage);
    for (uint32_t i = st->first; i < end_of; i++)
        sg_sched_step(s, s->by_stage[i], SG_ON_GIVEN_UP, &o);
    spread_ends(s);
}

static void halt(struct sg_sched *s, enum sg_sched_halt how, enum sg_sched_event event)
{
    struct sg_sched_occasion o;

    s->halt = how;
    o = fate(s, 0);
    for (uint32_t i = 0; i < s->c.n_jobs; i++)
        sg_sched_step(s, i, event, &o);
    spread_ends(s);
}

/* A job has finished: do stage and run go on? An unchanged or completed job has run no command, so
 * it says nothing about the stage. */
static void judge(struct sg_sched *s, uint32_t job, enum sg_result result,
                  const struct sg_sched_nodes *nodes)
{
    uint32_t stage = s->c.jobs[job].stage;
    struct sg_sched_stage_state *st = &s->stages[stage];
    int32_t breaker = s->c.stages[stage].breaker;

    if (result == SG_RESULT_OK || nodes->some_done)
        st->in_a_row = 0;
    if (!sg_result_is_failure(result))
        return;
    st->in_a_row++;
    s->failed_nodes += nodes->failed;
    if (may_start(s, stage) &&
        (result == SG_RESULT_TRESPASS || (breaker > 0 && st->in_a_row >= breaker)))
        stop_stage(s, stage, job);
    if (s->halt == SG_HALT_NOT && s->c.keep_going > 0 && s->failed_nodes >= s->c.keep_going)
        halt(s, SG_HALT_KEEP_GOING, SG_ON_GIVEN_UP);
}

/* ---- events */

/* The try that an input that moved gives does not count among the retries. */
static bool has_retry(const struct sg_sched *s, uint32_t job, enum sg_result result)
{
    uint32_t stage = s->c.jobs[job].stage, counted = s->attempt[job] - s->moved[job];

    if (!sg_result_is_failure(result) || result == SG_RESULT_TRESPASS || !may_start(s, stage))
        return false;
    return (result == SG_RESULT_INPUT_MOVED && !s->moved[job]) ||
           (int64_t)counted <= s->c.stages[stage].retries;
}

/* Before the second attempt the stage's backoff, before each further one twice as long. */
static struct sg_mono retry_at(const struct sg_sched *s, uint32_t job, struct sg_mono now)
{
    int64_t ms = s->c.stages[s->c.jobs[job].stage].backoff_ms;

    for (uint32_t i = 1; i < s->attempt[job] && ms > 0 && ms < MAX_BACKOFF_MS; i++)
        ms *= 2;
    return (struct sg_mono){ now.ns + (ms < MAX_BACKOFF_MS ? ms : MAX_BACKOFF_MS) * SG_NS_PER_MS };
}

bool sg_sched_would_retry(const struct sg_sched *s, uint32_t job, enum sg_result result)
{
    return job < s->c.n_jobs && has_retry(s, job, result);
}

bool sg_sched_result(struct sg_sched *s, struct sg_mono now, uint32_t job, enum sg_result result,
                     bool no_retry, struct sg_error *err)
{
    const struct sg_sched_nodes one = { .failed = 1 };

    return sg_sched_result_of(s, now, job, result, no_retry, &one, err);
}

bool sg_sched_result_of(struct sg_sched *s, struct sg_mono now, uint32_t job, enum sg_result result,
                        bool no_retry, const struct sg_sched_nodes *nodes, struct sg_error *err)
{
    struct sg_sched_occasion o = { .result = result, .why = SG_WHY_RESULT, .because = UINT32_MAX };

    if (job >= s->c.n_jobs || result <= SG_RESULT_NONE || result >= SG_RESULT_COUNT)
        return sg_error_set(err, SG_ERROR_BUG, 0, "the scheduler: no job %u or no result %d", job,
                            (int)result);
    s->some[job] |= nodes->some_done;
    if (!no_retry && has_retry(s, job, result)) {
        /* an input that moved is no illness that time heals: the extra try comes at once */
        o.at = result == SG_RESULT_INPUT_MOVED && !s->moved[job] ? now : retry_at(s, job, now);
        if (sg_sched_step(s, job, SG_ON_RETRIED, &o) && result == SG_RESULT_INPUT_MOVED)
            s->moved[job] = true;
    } else if (sg_sched_step(s, job, SG_ON_ENDED, &o)) {
        spread_ends(s);
        judge(s, job, result, nodes);
    }
    return answer(s, err);
}

void sg_sched_give_up(struct sg_sched *s)
{
    if (s->halt == SG_HALT_NOT)
        halt(s, SG_HALT_KEEP_GOING, SG_ON_GIVEN_UP);
}

void sg_sched_interrupt(struct sg_sched *s)
{
    if (s->halt == SG_HALT_NOT || s->halt == SG_HALT_KEEP_GOING)
        halt(s, SG_HALT_INTERRUPT, SG_ON_INTERRUPTED);
    else if (s->halt == SG_HALT_INTERRUPT)
        halt(s, SG_HALT_SECOND_INTERRUPT, SG_ON_INTERRUPTED_AGAIN);
}

static bool take_back(struct sg_sched *s, uint32_t job, enum sg_sched_event event,
                      struct sg_mono at, struct sg_error *err)
{
    struct sg_sched_occasion o;

    if (job >= s->c.n_jobs)
        return sg_error_set(err, SG_ERROR_BUG, 0, "the scheduler: no job %u", job);
    o = fate(s, s->c.jobs[job].stage);
    o.at = at;
    sg_sched_step(s, job, may_start(s, s->c.jobs[job].stage) ? event : SG_ON_WITHDRAWN, &o);
    spread_ends(s);
    return answer(s, err);
}

bool sg_sched_postpone(struct sg_sched *s, uint32_t job, struct sg_mono at, struct sg_error *err)
{
    return take_back(s, job, SG_ON_STAGE_HELD, at, err);
}

bool sg_sched_postpone_job(struct sg_sched *s, uint32_t job, struct sg_mono at,
                           struct sg_error *err)
{
    return take_back(s, job, SG_ON_PUT_OFF, at, err);
}

bool sg_sched_again(struct sg_sched *s, struct sg_mono now, uint32_t job, enum sg_result result,
                    const struct sg_sched_nodes *nodes, struct sg_error *err)
{
    if (job >= s->c.n_jobs)
        return sg_error_set(err, SG_ERROR_BUG, 0, "the scheduler: no job %u", job);
    s->some[job] |= nodes->some_done;
    judge(s, job, result, nodes);
    if (!take_back(s, job, SG_ON_PUT_OFF, now, err))
        return false;
    if (s->state[job] == SG_STATE_ASLEEP) {
        s->attempt[job] = 0;
        s->moved[job] = false;
    }
    return true;
}

void sg_sched_suspend(struct sg_sched *s, bool suspended)
{
    s->suspended = suspended;
}

/* ---- actions */

/* The next of the notes that still holds: a job that was given up is not retried, one that ended is
 * not stopped. */
static bool next_note(struct sg_sched *s, struct sg_sched_notes *n, struct sg_sched_note *ret)
{
    while (n->head < n->tail) {
        *ret = n->at[n->head++];
        if (ret->kind == SG_ACT_RETRY && s->state[ret->job] != SG_STATE_ASLEEP)
            continue;
        if (ret->kind == SG_ACT_STOP && s->state[ret->job] == SG_STATE_FINISHED)
            continue;
        return true;
    }
    n->head = n->tail = 0;
    return false;
}

static void describe(const struct sg_sched *s, const struct sg_sched_note *n, struct sg_action *ret)
{
    *ret = (struct sg_action){
        .kind = (enum sg_action_kind)n->kind,
        .job = n->job,
        .attempt = s->attempt[n->job],
        .result = s->result[n->job],
        .why = s->why[n->job],
        .because = s->because[n->job],
        .hard = n->hard,
        .at.ns = n->kind == SG_ACT_RETRY ? s->due_ns[n->job] : 0,
    };
}

static void wake(struct sg_sched *s, struct sg_mono now)
{
    const struct sg_sched_occasion o = { .at = now };

    while (s->timers.n != 0 && s->due_ns[s->timers.items[0]] <= now.ns) {
        uint32_t id = s->timers.items[0];

        if (id >= s->c.n_jobs) {
            sg_heap_remove(&s->timers, id);
            sg_sched_queue_hold(&s->queue, id - s->c.n_jobs, false);
        } else if (!sg_sched_step(s, id, SG_ON_TIME_CAME, &o)) {
            return;
        }
    }
}

/* Nothing to do now. A time is of use only to one that may start something then. */
static void rest(const struct sg_sched *s, struct sg_action *ret)
{
    bool by_time = s->timers.n != 0 && s->halt == SG_HALT_NOT && !s->suspended &&
                   sg_sched_queue_has_slot(&s->queue);

    *ret = (struct sg_action){
        .kind = s->in[SG_STATE_FINISHED] == s->c.n_jobs ? SG_ACT_OVER : SG_ACT_WAIT,
        .job = UINT32_MAX,
        .because = UINT32_MAX,
        .at.ns = by_time ? s->due_ns[s->timers.items[0]] : INT64_MAX,
    };
}

void sg_sched_next(struct sg_sched *s, struct sg_mono now, struct sg_action *ret)
{
    struct sg_sched_note n;

    if (next_note(s, &s->stops, &n) || next_note(s, &s->tells, &n)) {
        describe(s, &n, ret);
        return;
    }
    s->spread = 0; /* the tells begin anew */
    if (s->halt == SG_HALT_NOT && !s->suspended) {
        wake(s, now);
        n = (struct sg_sched_note){ .kind = SG_ACT_START };
        if (sg_sched_queue_pick(&s->queue, &n.job)) {
            sg_sched_step(s, n.job, SG_ON_PICKED, &(struct sg_sched_occasion){ .at = now });
            describe(s, &n, ret);
            return;
        }
    }
    rest(s, ret);
}

void sg_sched_count(const struct sg_sched *s, struct sg_sched_counts *ret)
{
    *ret = (struct sg_sched_counts){
        .waiting = s->in[SG_STATE_WAITING] + s->in[SG_STATE_ASLEEP],
        .ready = s->in[SG_STATE_READY],
        .running = s->in[SG_STATE_RUNNING] + s->in[SG_STATE_STOPPING] + s->in[SG_STATE_KILLING],
        .done = (uint32_t)s->done,
        .failed = (uint32_t)s->failed,
        .blocked = s->in[SG_STATE_FINISHED] - (uint32_t)s->done - (uint32_t)s->failed,
    };
}

/* ---- beginning and end */

static bool timer_before(const void *ctx, uint32_t a, uint32_t b)
{
    const int64_t *due_ns = ctx;

    return due_ns[a] != due_ns[b] ? due_ns[a] < due_ns[b] : a < b;
}

/* How many there can be at once: a DONE a job; for each job that was running when the last one was
 * given a RETRY, or a STOP and a hard one; a STAGE_STOPPED a stage. */
static bool make_notes(struct sg_sched *s, struct sg_error *err)
{
    size_t n = s->c.n_jobs, slots = (size_t)s->c.slots < n ? (size_t)s->c.slots : n;

    s->tells.at = SG_ARENA_NEW(&s->arena, n + slots + s->c.n_stages, struct sg_sched_note, err);
    if (s->tells.at == NULL)
        return false;
    s->stops.at = SG_ARENA_NEW(&s->arena, 2 * slots, struct sg_sched_note, err);
    return s->stops.at != NULL;
}

static bool make_arrays(struct sg_sched *s, struct sg_error *err)
{
    size_t n = s->c.n_jobs, n_timers = n + s->c.n_stages;
    uint8_t *bytes = SG_ARENA_NEW(&s->arena, 3 * n, uint8_t, err);
    bool *moved = bytes == NULL ? NULL : SG_ARENA_NEW(&s->arena, 2 * n, bool, err);
    uint32_t *words = moved == NULL ? NULL : SG_ARENA_NEW(&s->arena, 3 * n, uint32_t, err);
    uint32_t *heap = words == NULL ? NULL : SG_ARENA_NEW(&s->arena, 2 * n_timers, uint32_t, err);
    int64_t *due_ns = heap == NULL ? NULL : SG_ARENA_NEW(&s->arena, n_timers, int64_t, err);

    if (due_ns == NULL)
        return false;
    s->state = bytes; /* all waiting, all results NONE */
    s->result = bytes + n;
    s->why = bytes + 2 * n;
    s->moved = moved;
    s->some = moved + n;
    s->attempt = words;
    s->because = words + n;
    s->by_stage = words + 2 * n;
    s->due_ns = due_ns;
    /* A job is never in the queue and asleep at once: their heaps share its place. */
    s->timers = (struct sg_heap){
        .items = heap, .where = heap + n_timers, .before = timer_before, .ctx = due_ns
    };
    return make_notes(s, err);
}

static bool sort_by_stage(struct sg_sched *s, struct sg_error *err)
{
    uint32_t first = 0;

    s->stages = SG_ARENA_NEW(&s->arena, s->c.n_stages, struct sg_sched_stage_state, err);
    if (s->stages == NULL)
        return false;
    for (uint32_t i = 0; i < s->c.n_jobs; i++)
        s->stages[s->c.jobs[i].stage].left++;
    for (uint32_t i = 0; i < s->c.n_stages; i++) {
        s->stages[i].first = first;
        first += s->stages[i].left;
        s->stages[i].left = 0;
    }
    for (uint32_t i = 0; i < s->c.n_jobs; i++) {
        struct sg_sched_stage_state *st = &s->stages[s->c.jobs[i].stage];

        s->by_stage[st->first + st->left++] = i;
    }
    return true;
}

bool sg_sched_new(const struct sg_sched_config *c, struct sg_sched **ret, struct sg_error *err)
{
    struct sg_sched *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a scheduler");
    s->c = *c;
    if (!make_arrays(s, err) || !sg_sched_waits_init(&s->waits, &s->c, &s->arena, err) ||
        !sg_sched_survey(&s->waits, err) || !sort_by_stage(s, err) ||
        !sg_sched_queue_init(&s->queue, &s->c, s->timers.where, &s->arena, err)) {
        sg_sched_free(s);
        return false;
    }
    s->in[SG_STATE_WAITING] = c->n_jobs;
    for (uint32_t i = 0; i < c->n_jobs; i++) {
        s->because[i] = UINT32_MAX;
        wait_on(s, i, SG_WAIT_FIRST);
    }
    *ret = s;
    return true;
}

void sg_sched_free(struct sg_sched *s)
{
    if (s == NULL)
        return;
    sg_arena_done(&s->arena);
    free(s);
}
