#include "sched_table.h"

#include <assert.h>

/* ---- what the cells do */

void sg_sched_tell(struct sg_sched_notes *n, uint32_t job, enum sg_action_kind kind, bool hard)
{
    n->at[n->tail++] = (struct sg_sched_note){ .job = job, .kind = (uint8_t)kind, .hard = hard };
}

static void stay(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    (void)s;
    (void)job;
    (void)o;
}

static void finish(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    s->result[job] = (uint8_t)o->result;
    s->why[job] = (uint8_t)o->why;
    s->because[job] = o->because;
    s->stages[s->c.jobs[job].stage].left--;
    s->done += sg_result_is_done(o->result);
    s->failed += sg_result_is_failure(o->result);
    sg_sched_wait_finish(&s->waits, job);
    sg_sched_tell(&s->tells, job, SG_ACT_DONE, false);
}

static void line_up(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    (void)o;
    sg_sched_queue_add(&s->queue, job);
}

static void leave_line(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    sg_sched_queue_remove(&s->queue, job);
    finish(s, job, o);
}

static void start(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    (void)o;
    s->attempt[job]++;
}

static void end(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    sg_sched_queue_release(&s->queue, job);
    finish(s, job, o);
}

static void sleep_until(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    sg_sched_queue_release(&s->queue, job);
    s->due_ns[job] = o->at.ns;
    sg_heap_put(&s->timers, job);
}

static void back_off(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    s->result[job] = (uint8_t)o->result;
    sleep_until(s, job, o);
    sg_sched_tell(&s->tells, job, SG_ACT_RETRY, false);
}

static void put_off(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    s->attempt[job]--;
    sleep_until(s, job, o);
}

/* Not the job alone but its stage: else each job of the stage would be tried in turn. */
static void hold_stage(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    uint32_t stage = s->c.jobs[job].stage, timer = s->c.n_jobs + stage;

    s->attempt[job]--;
    if (!s->queue.lanes[stage].held || s->due_ns[timer] < o->at.ns)
        s->due_ns[timer] = o->at.ns;
    sg_heap_put(&s->timers, timer);
    sg_sched_queue_hold(&s->queue, stage, true);
    sg_sched_queue_release(&s->queue, job);
    sg_sched_queue_add(&s->queue, job);
}

static void withdraw(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    s->attempt[job]--;
    end(s, job, o);
}

static void get_up(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    sg_heap_remove(&s->timers, job);
    line_up(s, job, o);
}

static void leave_bed(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    sg_heap_remove(&s->timers, job);
    finish(s, job, o);
}

static void stop(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    (void)o;
    sg_sched_tell(&s->stops, job, SG_ACT_STOP, false);
}

static void stop_hard(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o)
{
    (void)o;
    sg_sched_tell(&s->stops, job, SG_ACT_STOP, true);
}

/* ---- the table */

enum action {
    EMPTY,
    STAY,
    LINE_UP,
    LEAVE_LINE,
    START,
    END,
    FINISH,
    BACK_OFF,
    PUT_OFF_JOB,
    HOLD_STAGE,
    WITHDRAW,
    GET_UP,
    LEAVE_BED,
    STOP,
    STOP_HARD,
    ACTIONS
};

static const struct {
    void (*act)(struct sg_sched *s, uint32_t job, const struct sg_sched_occasion *o);
    const char *says;
} actions[] = {
    [EMPTY] = { NULL, "" },
    [STAY] = { stay, "nothing" },
    [LINE_UP] = { line_up, "into the queue" },
    [LEAVE_LINE] = { leave_line, "out of the queue, DONE" },
    [START] = { start, "START" },
    [END] = { end, "slot and pool are free, DONE" },
    [FINISH] = { finish, "DONE" },
    [BACK_OFF] = { back_off, "slot and pool are free, RETRY" },
    [PUT_OFF_JOB] = { put_off, "the attempt does not count; slot and pool are free" },
    [HOLD_STAGE] = { hold_stage, "the attempt does not count; the stage is held; into the queue" },
    [WITHDRAW] = { withdraw, "the attempt does not count; slot and pool are free, DONE" },
    [GET_UP] = { get_up, "into the queue" },
    [LEAVE_BED] = { leave_bed, "no timer any more, DONE" },
    [STOP] = { stop, "STOP" },
    [STOP_HARD] = { stop_hard, "STOP hard" },
};
static_assert(sizeof(actions) / sizeof(actions[0]) == ACTIONS, "a row an action");

struct step {
    uint8_t next, action;
};

/* A cell that is empty can't be met: needs are met or lost for a job that waits; an interrupt
 * leaves none but running and finished jobs. */
static const struct step steps[SG_STATES][SG_EVENTS] = {
    [SG_STATE_WAITING] = {
        [SG_ON_NEEDS_MET] = { SG_STATE_READY, LINE_UP },
        [SG_ON_NEED_LOST] = { SG_STATE_FINISHED, FINISH },
        [SG_ON_GIVEN_UP] = { SG_STATE_FINISHED, FINISH },
        [SG_ON_INTERRUPTED] = { SG_STATE_FINISHED, FINISH },
    },
    [SG_STATE_READY] = {
        [SG_ON_PICKED] = { SG_STATE_RUNNING, START },
        [SG_ON_GIVEN_UP] = { SG_STATE_FINISHED, LEAVE_LINE },
        [SG_ON_INTERRUPTED] = { SG_STATE_FINISHED, LEAVE_LINE },
    },
    [SG_STATE_RUNNING] = {
        [SG_ON_ENDED] = { SG_STATE_FINISHED, END },
        [SG_ON_RETRIED] = { SG_STATE_ASLEEP, BACK_OFF },
        [SG_ON_STAGE_HELD] = { SG_STATE_READY, HOLD_STAGE },
        [SG_ON_PUT_OFF] = { SG_STATE_ASLEEP, PUT_OFF_JOB },
        [SG_ON_WITHDRAWN] = { SG_STATE_FINISHED, WITHDRAW },
        [SG_ON_GIVEN_UP] = { SG_STATE_RUNNING, STAY },
        [SG_ON_INTERRUPTED] = { SG_STATE_STOPPING, STOP },
    },
    [SG_STATE_STOPPING] = {
        [SG_ON_ENDED] = { SG_STATE_FINISHED, END },
        [SG_ON_WITHDRAWN] = { SG_STATE_FINISHED, WITHDRAW },
        [SG_ON_INTERRUPTED_AGAIN] = { SG_STATE_KILLING, STOP_HARD },
    },
    [SG_STATE_KILLING] = {
        [SG_ON_ENDED] = { SG_STATE_FINISHED, END },
        [SG_ON_WITHDRAWN] = { SG_STATE_FINISHED, WITHDRAW },
    },
    [SG_STATE_ASLEEP] = {
        [SG_ON_TIME_CAME] = { SG_STATE_READY, GET_UP },
        [SG_ON_GIVEN_UP] = { SG_STATE_FINISHED, LEAVE_BED },
        [SG_ON_INTERRUPTED] = { SG_STATE_FINISHED, LEAVE_BED },
    },
    [SG_STATE_FINISHED] = {
        [SG_ON_GIVEN_UP] = { SG_STATE_FINISHED, STAY },
        [SG_ON_INTERRUPTED] = { SG_STATE_FINISHED, STAY },
        [SG_ON_INTERRUPTED_AGAIN] = { SG_STATE_FINISHED, STAY },
    },
};

static const char *const state_names[] = {
    [SG_STATE_WAITING] = "waiting",   [SG_STATE_READY] = "ready",
    [SG_STATE_RUNNING] = "running",   [SG_STATE_STOPPING] = "stopping",
    [SG_STATE_KILLING] = "killing",   [SG_STATE_ASLEEP] = "asleep",
    [SG_STATE_FINISHED] = "finished",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == SG_STATES, "a name a state");

static const char *const event_names[] = {
    [SG_ON_NEEDS_MET] = "needs met",     [SG_ON_NEED_LOST] = "need lost",
    [SG_ON_PICKED] = "picked",           [SG_ON_ENDED] = "ended",
    [SG_ON_RETRIED] = "retried",         [SG_ON_STAGE_HELD] = "stage held",
    [SG_ON_PUT_OFF] = "put off",         [SG_ON_WITHDRAWN] = "withdrawn",
    [SG_ON_TIME_CAME] = "time came",     [SG_ON_GIVEN_UP] = "given up",
    [SG_ON_INTERRUPTED] = "interrupted", [SG_ON_INTERRUPTED_AGAIN] = "interrupted again",
};
static_assert(sizeof(event_names) / sizeof(event_names[0]) == SG_EVENTS, "a name an event");

const char *sg_sched_state_name(uint32_t state)
{
    return state < SG_STATES ? state_names[state] : NULL;
}

const char *sg_sched_event_name(uint32_t event)
{
    return event < SG_EVENTS ? event_names[event] : NULL;
}

bool sg_sched_cell(uint32_t state, uint32_t event, uint32_t *ret_next, const char **ret_action)
{
    if (state >= SG_STATES || event >= SG_EVENTS || steps[state][event].action == EMPTY)
        return false;
    *ret_next = steps[state][event].next;
    *ret_action = actions[steps[state][event].action].says;
    return true;
}

bool sg_sched_step(struct sg_sched *s, uint32_t job, enum sg_sched_event event,
                   const struct sg_sched_occasion *o)
{
    enum sg_sched_state from = s->state[job];
    struct step cell = steps[from][event];

    if (cell.action == EMPTY) {
        if (s->bug.code == SG_ERROR_NONE)
            sg_error_set(&s->bug, SG_ERROR_BUG, 0, "the scheduler: job %u is %s, and %s", job,
                         state_names[from], event_names[event]);
        return false;
    }
    s->seen[from] |= UINT32_C(1) << event;
    s->in[from]--;
    s->in[cell.next]++;
    s->state[job] = cell.next;
    actions[cell.action].act(s, job, o);
    return true;
}
