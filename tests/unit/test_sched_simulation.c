/*
 * Random runs of the scheduler, each checked step by step against a model that knows no heaps, no
 * queues and no order of work: it asks after each event which jobs may start, and why a job is
 * done.
 *
 *   test_sched_simulation            5,000 runs (SG_RUNS), seeds from 1 on
 *   test_sched_simulation SEED       one run, told line by line (or SG_SEED in the environment);
 *                                    without some jobs: SG_LEFT_OUT, a bit a job
 *   SOAK_SECONDS=N SOAK_SEED=FIRST   run after run until the time is over (`ninja soak`)
 *
 * All chances of a run are drawn from its seed and a job's number, so a job does the same when
 * others are left out: a run that fails is made small by leaving out what is not needed for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "stagegraph/sched.h"

#include "../../src/run/sched_table.h"
#include "sched_chance.h"

#define MS    SG_NS_PER_MS
#define NEVER INT64_MAX

enum phase { IDLE, RUNS, SLEEPS, OVER };

/* A job as the model sees it. */
struct job {
    enum phase phase;
    uint32_t attempt;
    bool moved;
    int64_t wake_ns;
    enum sg_result result;              /* of its last attempt; at last its own */
    bool due_done, due_retry, told;     /* a DONE or RETRY must follow; DONE was given */
    uint32_t root;                      /* when told: whose fault it is that it is not done */
    uint32_t stops, hard_stops, starts; /* starts: also those taken back */
    /* of the attempt that runs */
    int64_t end_ns;
    enum sg_result fate; /* NONE: its start will be taken back */
    bool no_retry;
};

struct sim {
    struct sg_chance c;
    bool loud;
    struct sg_sched *sched;
    int64_t now_ns;
    struct job job[SG_CHANCE_JOBS];
    int32_t in_a_row[SG_CHANCE_STAGES], failed;
    bool stopped[SG_CHANCE_STAGES], stop_told[SG_CHANCE_STAGES];
    uint32_t stopped_by[SG_CHANCE_STAGES];
    int64_t held_until_ns[SG_CHANCE_STAGES];
    bool enough, suspended;
    int interrupts;
    uint64_t trace; /* hash over all actions */
    uint32_t seen[SG_STATES];
    char wrong[300]; /* what was found; empty: nothing */
};

/* ---- the model */

static void say(const struct sim *s, const char *fmt, ...) SG_PRINTF(2, 3);
static void say(const struct sim *s, const char *fmt, ...)
{
    va_list ap;

    if (!s->loud)
        return;
    printf("%6lld ", (long long)(s->now_ns / MS));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

static void wrong(struct sim *s, const char *fmt, ...) SG_PRINTF(2, 3);
static void wrong(struct sim *s, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (s->wrong[0] != '\0')
        return;
    n = snprintf(s->wrong, sizeof(s->wrong), "at %lld ms: ", (long long)(s->now_ns / MS));
    va_start(ap, fmt);
    vsnprintf(s->wrong + n, sizeof(s->wrong) - (size_t)n, fmt, ap);
    va_end(ap);
    say(s, "WRONG %s", s->wrong + n);
}

static bool may_go_on(const struct sim *s, uint32_t stage)
{
    return !s->enough && s->interrupts == 0 && !s->stopped[stage];
}

/* All needs have been told to be finished, the required ones done. */
static bool needs_are_met(const struct sim *s, uint32_t job)
{
    for (uint32_t i = 0; i < s->c.config.n_jobs; i++) {
        if (!(s->c.needs[job] >> i & 1))
            continue;
        if (!s->job[i].told)
            return false;
        if (!(s->c.optional[job] >> i & 1) && !sg_result_is_done(s->job[i].result))
            return false;
    }
    return true;
}

static bool is_before(const struct sim *s, uint32_t a, uint32_t b)
{
    int64_t tail_a = s->c.stages[s->c.jobs[a].stage].tail_ms;
    int64_t tail_b = s->c.stages[s->c.jobs[b].stage].tail_ms;

    if (s->c.jobs[a].rank != s->c.jobs[b].rank)
        return s->c.jobs[a].rank < s->c.jobs[b].rank;
    return tail_a != tail_b ? tail_a > tail_b : a < b;
}

static uint32_t running(const struct sim *s, uint32_t stage, uint32_t pool, int64_t *ret_memory)
{
    uint32_t n = 0;

    *ret_memory = 0;
    for (uint32_t i = 0; i < s->c.config.n_jobs; i++) {
        uint32_t of = s->c.jobs[i].stage;

        if (s->job[i].phase != RUNS || (stage != UINT32_MAX && of != stage) ||
            (pool != UINT32_MAX && s->c.stages[of].pool != pool))
            continue;
        n++;
        *ret_memory += s->c.stages[of].memory;
    }
    return n;
}

/* It waits for nothing but its turn. */
static bool is_ready(const struct sim *s, uint32_t job)
{
    uint32_t stage = s->c.jobs[job].stage;
    const struct job *j = &s->job[job];
    int64_t memory;

    if (j->due_done || !may_go_on(s, stage) || s->held_until_ns[stage] > s->now_ns)
        return false;
    if (s->c.stages[stage].exclusive && running(s, stage, UINT32_MAX, &memory) > 0)
        return false;
    return (j->phase == IDLE && needs_are_met(s, job)) ||
           (j->phase == SLEEPS && j->wake_ns <= s->now_ns);
}

static bool has_room(const struct sim *s, uint32_t job)
{
    const struct sg_sched_stage *st = &s->c.stages[s->c.jobs[job].stage];
    const struct sg_sched_pool *p;
    int64_t memory;
    uint32_t n;

    if (st->pool == UINT32_MAX)
        return true;
    p = &s->c.pools[st->pool];
    n = running(s, UINT32_MAX, st->pool, &memory);
    return n == 0 || ((p->size == 0 || n < (uint32_t)p->size) &&
                      (p->memory == 0 || memory + st->memory <= p->memory));
}

/* The job that must be started now; UINT32_MAX: none. The first by rank of each pool, if it has
 * room; of these, and of all without a pool, the first. */
static uint32_t whose_turn(const struct sim *s)
{
    uint32_t first[SG_CHANCE_POOLS], turn = UINT32_MAX;
    int64_t memory;

    memset(first, 0xff, sizeof(first));
    if (s->suspended || running(s, UINT32_MAX, UINT32_MAX, &memory) >= (uint32_t)s->c.config.slots)
        return UINT32_MAX;
    for (uint32_t i = 0; i < s->c.config.n_jobs; i++) {
        uint32_t pool = s->c.stages[s->c.jobs[i].stage].pool, *best = &turn;

        if (!is_ready(s, i))
            continue;
        if (pool != UINT32_MAX)
            best = &first[pool];
        if (*best == UINT32_MAX || is_before(s, i, *best))
            *best = i;
    }
    for (uint32_t p = 0; p < s->c.config.n_pools; p++) {
        if (first[p] != UINT32_MAX && has_room(s, first[p]) &&
            (turn == UINT32_MAX || is_before(s, first[p], turn)))
            turn = first[p];
    }
    return turn;
}

static void check_limits(struct sim *s)
{
    int64_t memory;

    if (running(s, UINT32_MAX, UINT32_MAX, &memory) > (uint32_t)s->c.config.slots)
        wrong(s, "more jobs than slots");
    for (uint32_t i = 0; i < s->c.config.n_pools; i++) {
        uint32_t n = running(s, UINT32_MAX, i, &memory);

        if (s->c.pools[i].size != 0 && n > (uint32_t)s->c.pools[i].size)
            wrong(s, "%u jobs in pool %u of size %d", n, i, s->c.pools[i].size);
        if (s->c.pools[i].memory != 0 && memory > s->c.pools[i].memory && n > 1)
            wrong(s, "%u jobs take %lld of %lld in pool %u", n, (long long)memory,
                  (long long)s->c.pools[i].memory, i);
    }
    for (uint32_t i = 0; i < s->c.config.n_stages; i++) {
        if (s->c.stages[i].exclusive && running(s, i, UINT32_MAX, &memory) > 1)
            wrong(s, "two jobs of the exclusive stage %u", i);
    }
}

/* ---- what the jobs do */

/* Of all things that were drawn when its attempt was started. */
static void start_attempt(struct sim *s, uint32_t job)
{
    struct job *j = &s->job[job];
    uint32_t id = s->c.id[job];

    j->phase = RUNS;
    j->attempt++;
    j->starts++;
    if (sg_chance_percent(&s->c, id, SG_Q_POSTPONE + j->starts % 100, s->c.postpone_percent)) {
        j->fate = SG_RESULT_NONE;
        j->end_ns = s->now_ns + sg_chance_draw(&s->c, id, SG_Q_SOON + j->starts, 5) * 7 * MS;
    } else {
        j->fate = sg_chance_result(&s->c, job, j->attempt);
        j->no_retry = sg_chance_percent(&s->c, id, SG_Q_FORBID + j->attempt, 5);
        j->end_ns = s->now_ns + sg_chance_draw(&s->c, id, SG_Q_TIME + j->attempt, 60) * MS;
    }
}

/* Most jobs that are told to stop end soon and say that they were interrupted. */
static void stop_attempt(struct sim *s, uint32_t job, bool hard)
{
    struct job *j = &s->job[job];
    int64_t end_ns =
        s->now_ns + sg_chance_draw(&s->c, s->c.id[job], SG_Q_STOPPED, hard ? 2 : 20) * MS;

    if (end_ns < j->end_ns)
        j->end_ns = end_ns;
    if (j->fate != SG_RESULT_NONE && sg_chance_percent(&s->c, s->c.id[job], SG_Q_STOPPED + 1, 80))
        j->fate = SG_RESULT_INTERRUPTED;
}

/* The runner finds that it may not start the job now. */
static void take_back(struct sim *s, uint32_t job)
{
    struct job *j = &s->job[job];
    uint32_t stage = s->c.jobs[job].stage;
    struct sg_mono at = {
        s->now_ns + (1 + sg_chance_draw(&s->c, s->c.id[job], SG_Q_HOW_LONG + j->starts, 30)) * MS
    };
    struct sg_error err = SG_ERROR_INIT;
    bool hold = sg_chance_percent(&s->c, s->c.id[job], SG_Q_HOLD + j->starts, 50), ok;

    say(s, "%s %u until %lld", hold ? "hold" : "put off", s->c.id[job], (long long)(at.ns / MS));
    ok = hold ? sg_sched_postpone(s->sched, job, at, &err)
              : sg_sched_postpone_job(s->sched, job, at, &err);
    if (!ok)
        wrong(s, "%s", err.text);
    j->attempt--;
    j->phase = SLEEPS;
    j->wake_ns = hold ? s->now_ns : at.ns;
    if (hold && may_go_on(s, stage) && s->held_until_ns[stage] < at.ns)
        s->held_until_ns[stage] = at.ns;
}

static bool is_tried_again(const struct sim *s, uint32_t job, bool free_try)
{
    const struct job *j = &s->job[job];
    uint32_t stage = s->c.jobs[job].stage, counted = j->attempt - (j->moved ? 1 : 0);

    return sg_result_is_failure(j->result) && j->result != SG_RESULT_TRESPASS && !j->no_retry &&
           may_go_on(s, stage) && (free_try || (int32_t)counted <= s->c.stages[stage].retries);
}

/* A failure for good: does anything stop? */
static void count_failure(struct sim *s, uint32_t job)
{
    uint32_t stage = s->c.jobs[job].stage;
    int32_t breaker = s->c.stages[stage].breaker;

    s->in_a_row[stage]++;
    s->failed++;
    if (may_go_on(s, stage) && (s->job[job].result == SG_RESULT_TRESPASS ||
                                (breaker > 0 && s->in_a_row[stage] >= breaker))) {
        s->stopped[stage] = true;
        s->stopped_by[stage] = job;
    }
    if (s->interrupts == 0 && s->c.config.keep_going > 0 && s->failed >= s->c.config.keep_going)
        s->enough = true;
}

static void end_attempt(struct sim *s, uint32_t job)
{
    struct job *j = &s->job[job];
    uint32_t stage = s->c.jobs[job].stage;
    bool free_try = j->fate == SG_RESULT_INPUT_MOVED && !j->moved;
    int64_t backoff_ms = s->c.stages[stage].backoff_ms << (j->attempt - 1);
    struct sg_error err = SG_ERROR_INIT;

    say(s, "%u ends %s%s", s->c.id[job], sg_result_name(j->fate), j->no_retry ? ", no retry" : "");
    j->result = j->fate;
    if (is_tried_again(s, job, free_try)) {
        j->phase = SLEEPS;
        j->wake_ns = s->now_ns + (free_try ? 0 : backoff_ms < 600000 ? backoff_ms : 600000) * MS;
        j->moved = j->moved || free_try;
        j->due_retry = true;
    } else {
        j->phase = OVER;
        j->due_done = true;
        if (j->result == SG_RESULT_OK)
            s->in_a_row[stage] = 0;
        if (sg_result_is_failure(j->result))
            count_failure(s, job);
    }
    if (!sg_sched_result(s->sched, (struct sg_mono){ s->now_ns }, job, j->fate, j->no_retry, &err))
        wrong(s, "%s", err.text);
}

/* ---- what the scheduler says */

static void check_start(struct sim *s, const struct sg_action *a)
{
    struct job *j = &s->job[a->job];
    uint32_t turn = whose_turn(s);

    if (a->job != turn)
        wrong(s, "job %u is started, but it is the turn of %d", s->c.id[a->job],
              turn == UINT32_MAX ? -1 : (int)s->c.id[turn]);
    if (j->told || j->phase == RUNS || j->phase == OVER)
        wrong(s, "job %u is started, but it runs or is over", s->c.id[a->job]);
    if (a->attempt != j->attempt + 1)
        wrong(s, "attempt %u of job %u follows attempt %u", a->attempt, s->c.id[a->job],
              j->attempt);
    start_attempt(s, a->job);
    check_limits(s);
}

static void check_stop(struct sim *s, const struct sg_action *a)
{
    struct job *j = &s->job[a->job];
    uint32_t *stops = a->hard ? &j->hard_stops : &j->stops;

    if (j->phase != RUNS || s->interrupts < (a->hard ? 2 : 1) || ++*stops > 1)
        wrong(s, "job %u is told to stop", s->c.id[a->job]);
    stop_attempt(s, a->job, a->hard);
}

static void check_retry(struct sim *s, const struct sg_action *a)
{
    struct job *j = &s->job[a->job];

    if (!j->due_retry || a->at.ns != j->wake_ns || a->result != j->result ||
        a->attempt != j->attempt)
        wrong(s, "retry of job %u at %lld ms, %s", s->c.id[a->job], (long long)(a->at.ns / MS),
              sg_result_name(a->result));
    j->due_retry = false;
}

/* A required need of the job is not done, by whose fault it is told, and the result is what
 * follows. */
static bool is_lost(const struct sim *s, uint32_t job, uint32_t because, enum sg_result result)
{
    for (uint32_t i = 0; i < s->c.config.n_jobs; i++) {
        const struct job *need = &s->job[i];

        if ((s->c.needs[job] & ~s->c.optional[job]) >> i & 1 && need->told &&
            !sg_result_is_done(need->result) && (because == UINT32_MAX || need->root == because) &&
            (result == SG_RESULT_NONE ||
             (result == SG_RESULT_BUSY) == (need->result == SG_RESULT_BUSY)))
            return true;
    }
    return false;
}

static bool is_rightly_done(const struct sim *s, const struct sg_action *a)
{
    const struct job *j = &s->job[a->job];
    uint32_t stage = s->c.jobs[a->job].stage;

    if (a->attempt != j->attempt || j->told || j->phase == RUNS ||
        j->due_done != (a->why == SG_WHY_RESULT))
        return false;
    switch (a->why) {
    case SG_WHY_RESULT:
        return a->result == j->result && a->because == UINT32_MAX;
    case SG_WHY_NEED:
        return j->phase == IDLE && is_lost(s, a->job, a->because, a->result) &&
               (a->result == SG_RESULT_BLOCKED || a->result == SG_RESULT_BUSY);
    case SG_WHY_STAGE:
        return s->stop_told[stage] && a->because == s->stopped_by[stage] &&
               a->result == SG_RESULT_BLOCKED;
    case SG_WHY_KEEP_GOING:
        return s->enough && a->because == UINT32_MAX && a->result == SG_RESULT_BLOCKED;
    case SG_WHY_INTERRUPT:
        return s->interrupts > 0 && a->because == UINT32_MAX && a->result == SG_RESULT_INTERRUPTED;
    }
    return false;
}

static void check_done(struct sim *s, const struct sg_action *a)
{
    struct job *j = &s->job[a->job];

    if (!is_rightly_done(s, a))
        wrong(s, "job %u is done: %s, why %d, because of %d", s->c.id[a->job],
              sg_result_name(a->result), (int)a->why,
              a->because == UINT32_MAX ? -1 : (int)s->c.id[a->because]);
    j->result = a->result;
    j->phase = OVER;
    j->told = true;
    j->due_done = j->due_retry = false;
    j->root = a->why == SG_WHY_RESULT ? a->job : a->because;
}

static void check_stage_stopped(struct sim *s, const struct sg_action *a)
{
    uint32_t stage = s->c.jobs[a->job].stage;

    if (!s->stopped[stage] || s->stop_told[stage] || s->stopped_by[stage] != a->job)
        wrong(s, "stage %u is stopped by job %u", stage, s->c.id[a->job]);
    s->stop_told[stage] = true;
}

/* When something may start without an event, if there is a slot. */
static int64_t next_time(const struct sim *s)
{
    int64_t at_ns = NEVER, memory;

    if (s->suspended || s->interrupts > 0 || s->enough ||
        running(s, UINT32_MAX, UINT32_MAX, &memory) >= (uint32_t)s->c.config.slots)
        return NEVER;
    for (uint32_t i = 0; i < s->c.config.n_jobs; i++) {
        const struct job *j = &s->job[i];

        if (j->phase == SLEEPS && j->wake_ns > s->now_ns && j->wake_ns < at_ns)
            at_ns = j->wake_ns;
    }
    for (uint32_t i = 0; i < s->c.config.n_stages; i++) {
        if (s->held_until_ns[i] > s->now_ns && s->held_until_ns[i] < at_ns)
            at_ns = s->held_until_ns[i];
    }
    return at_ns;
}

/* It has nothing to do now: rightly so? */
static void check_rest(struct sim *s, const struct sg_action *a)
{
    uint32_t n_over = 0, turn = whose_turn(s);

    if (turn != UINT32_MAX)
        wrong(s, "job %u could start", s->c.id[turn]);
    for (uint32_t i = 0; i < s->c.config.n_jobs; i++) {
        const struct job *j = &s->job[i];

        n_over += j->told;
        if (j->due_done || j->due_retry)
            wrong(s, "what became of job %u is not told", s->c.id[i]);
        if (!j->told && j->phase != RUNS &&
            (!may_go_on(s, s->c.jobs[i].stage) || is_lost(s, i, UINT32_MAX, SG_RESULT_NONE)))
            wrong(s, "job %u waits, and will never start", s->c.id[i]);
        if (j->phase == RUNS &&
            ((s->interrupts > 0) != (j->stops == 1) || (s->interrupts > 1) != (j->hard_stops == 1)))
            wrong(s, "job %u was not told to stop", s->c.id[i]);
    }
    if ((a->kind == SG_ACT_OVER) != (n_over == s->c.config.n_jobs))
        wrong(s, "%u of %u jobs are over", n_over, s->c.config.n_jobs);
    if (a->kind == SG_ACT_WAIT && a->at.ns != next_time(s))
        wrong(s, "it waits until %lld ms", (long long)(a->at.ns / MS));
}

static void check_counts(struct sim *s)
{
    struct sg_sched_counts n, m = { .waiting = 0 };

    sg_sched_count(s->sched, &n);
    for (uint32_t i = 0; i < s->c.config.n_jobs; i++) {
        const struct job *j = &s->job[i];

        m.running += j->phase == RUNS;
        m.done += j->told && sg_result_is_done(j->result);
        m.failed += j->told && sg_result_is_failure(j->result);
        m.blocked += j->told && !sg_result_is_done(j->result) && !sg_result_is_failure(j->result);
    }
    if (n.waiting + n.ready + n.running + n.done + n.failed + n.blocked != s->c.config.n_jobs ||
        n.running != m.running || n.done != m.done || n.failed != m.failed ||
        n.blocked != m.blocked)
        wrong(s, "it counts %u %u %u %u %u %u", n.waiting, n.ready, n.running, n.done, n.failed,
              n.blocked);
}

static void tell_action(const struct sim *s, const struct sg_action *a)
{
    static const char *const names[] = {
        [SG_ACT_START] = "start", [SG_ACT_STOP] = "stop",
        [SG_ACT_DONE] = "done",   [SG_ACT_RETRY] = "retry",
        [SG_ACT_WAIT] = "wait",   [SG_ACT_STAGE_STOPPED] = "stage stopped by",
        [SG_ACT_OVER] = "over",
    };

    if (a->kind == SG_ACT_WAIT || a->kind == SG_ACT_OVER)
        say(s, "  %s", names[a->kind]);
    else if (a->kind == SG_ACT_DONE)
        say(s, "  done %u %s, why %d, because of %d", s->c.id[a->job], sg_result_name(a->result),
            (int)a->why, a->because == UINT32_MAX ? -1 : (int)s->c.id[a->because]);
    else
        say(s, "  %s%s %u #%u", names[a->kind], a->hard ? " hard" : "", s->c.id[a->job],
            a->attempt);
}

static void remember(struct sim *s, const struct sg_action *a)
{
    const uint64_t parts[] = { a->kind, a->job,     a->attempt, a->result,
                               a->why,  a->because, a->hard,    (uint64_t)a->at.ns };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        s->trace = sg_chance_mix(s->trace ^ parts[i]);
}

/* Does all that the scheduler wants now; how it ended. */
static struct sg_action ask(struct sim *s)
{
    struct sg_action a = { .kind = SG_ACT_WAIT };

    for (int i = 0; i < 100 * SG_CHANCE_JOBS && s->wrong[0] == '\0'; i++) {
        sg_sched_next(s->sched, (struct sg_mono){ s->now_ns }, &a);
        remember(s, &a);
        tell_action(s, &a);
        switch (a.kind) {
        case SG_ACT_START:
            check_start(s, &a);
            break;
        case SG_ACT_STOP:
            check_stop(s, &a);
            break;
        case SG_ACT_DONE:
            check_done(s, &a);
            break;
        case SG_ACT_RETRY:
            check_retry(s, &a);
            break;
        case SG_ACT_STAGE_STOPPED:
            check_stage_stopped(s, &a);
            break;
        case SG_ACT_WAIT:
        case SG_ACT_OVER:
            check_rest(s, &a);
            check_counts(s);
            return a;
        }
    }
    wrong(s, "no end of actions");
    return a;
}

/* ---- a run */

/* Jobs that end, and what the weather brings, up to now, one after the other; now and then the
 * scheduler is asked only after several. */
static void live(struct sim *s, uint32_t turn)
{
    struct sg_chance_weather *w = &s->c.weather;
    uint32_t n = 0;

    for (int i = 0; i < 2; i++) {
        if (w->interrupt_ns[i] > s->now_ns)
            continue;
        w->interrupt_ns[i] = NEVER;
        s->interrupts++;
        say(s, "interrupt");
        sg_sched_interrupt(s->sched);
    }
    if (w->suspend_ns <= s->now_ns || w->resume_ns <= s->now_ns) {
        s->suspended = w->suspend_ns <= s->now_ns;
        *(s->suspended ? &w->suspend_ns : &w->resume_ns) = NEVER;
        say(s, s->suspended ? "suspend" : "resume");
        sg_sched_suspend(s->sched, s->suspended);
    }
    for (uint32_t i = 0; i < s->c.config.n_jobs; i++) {
        uint32_t job = (i + turn) % s->c.config.n_jobs;

        if (s->job[job].phase != RUNS || s->job[job].end_ns > s->now_ns)
            continue;
        if (s->job[job].fate == SG_RESULT_NONE)
            take_back(s, job);
        else
            end_attempt(s, job);
        if (sg_chance_percent(&s->c, turn, SG_Q_ASK + n++, 70))
            return;
    }
}

static int64_t next_event(const struct sim *s, const struct sg_action *rest)
{
    const struct sg_chance_weather *w = &s->c.weather;
    const int64_t times[] = { w->interrupt_ns[0], w->interrupt_ns[1], w->suspend_ns, w->resume_ns };
    int64_t at_ns = rest->at.ns;

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        at_ns = times[i] < at_ns ? times[i] : at_ns;
    for (uint32_t i = 0; i < s->c.config.n_jobs; i++) {
        if (s->job[i].phase == RUNS && s->job[i].end_ns < at_ns)
            at_ns = s->job[i].end_ns;
    }
    return at_ns;
}

static void run(struct sim *s)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_action rest;

    if (!sg_sched_new(&s->c.config, &s->sched, &err)) {
        wrong(s, "%s", err.text);
        return;
    }
    rest = ask(s);
    for (uint32_t turn = 0; rest.kind == SG_ACT_WAIT && s->wrong[0] == '\0'; turn++) {
        int64_t at_ns = next_event(s, &rest);

        if (at_ns == NEVER || turn == 100000) {
            wrong(s, "it waits for nothing");
            break;
        }
        s->now_ns = at_ns > s->now_ns ? at_ns : s->now_ns;
        live(s, turn);
        rest = ask(s);
    }
    for (int i = 0; i < SG_STATES; i++)
        s->seen[i] = s->sched->seen[i];
    sg_sched_free(s->sched);
}

/* ---- all runs */

static bool passes(struct sim *s, uint64_t seed, uint64_t left_out, bool loud)
{
    memset(s, 0, sizeof(*s));
    sg_chance_init(&s->c, seed, left_out);
    s->now_ns = SG_CHANCE_BEGIN_NS;
    s->loud = loud;
    if (loud)
        sg_chance_print(&s->c);
    run(s);
    return s->wrong[0] == '\0';
}

/* The jobs that a failing run can do without. */
static uint64_t shrink(struct sim *s, uint64_t seed, uint64_t left_out)
{
    bool smaller;

    do {
        smaller = false;
        for (uint32_t size = SG_CHANCE_JOBS / 2; size > 0; size /= 2) {
            for (uint32_t at = 0; at < SG_CHANCE_JOBS; at += size) {
                uint64_t more = left_out | ((UINT64_C(1) << size) - 1) << at;

                if (more != left_out && !passes(s, seed, more, false)) {
                    left_out = more;
                    smaller = true;
                }
            }
        }
    } while (smaller);
    return left_out;
}

static void report(struct sim *s, uint64_t seed, uint64_t left_out)
{
    left_out = shrink(s, seed, left_out);
    (void)passes(s, seed, left_out, true);
    fail_msg("seed %llu: %s\nagain: SG_SEED=%llu SG_LEFT_OUT=0x%llx", (unsigned long long)seed,
             s->wrong, (unsigned long long)seed, (unsigned long long)left_out);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text == NULL || *text == '\0' ? otherwise : strtoull(text, NULL, 0);
}

struct totals {
    uint64_t runs;
    uint32_t seen[SG_STATES];
};

static void random_runs_keep_all_promises(void **state)
{
    struct totals *t = *state;
    struct sim s, again;
    uint64_t one = setting("SG_SEED", 0), left_out = setting("SG_LEFT_OUT", 0);
    uint64_t first = one != 0 ? one : setting("SOAK_SEED", 1);
    uint64_t seconds = one != 0 ? 0 : setting("SOAK_SECONDS", 0);
    uint64_t runs = one != 0 ? 1 : setting("SG_RUNS", 5000);
    time_t end = time(NULL) + (time_t)seconds;

    for (uint64_t seed = first; t->runs < runs || time(NULL) < end; seed++, t->runs++) {
        if (!passes(&s, seed, left_out, one != 0))
            report(&s, seed, left_out);
        for (int i = 0; i < SG_STATES; i++)
            t->seen[i] |= s.seen[i];
        if (seed % 8 != 0)
            continue;
        (void)passes(&again, seed, left_out, false);
        if (again.trace != s.trace)
            fail_msg("seed %llu gives other actions each time", (unsigned long long)seed);
    }
    if (seconds != 0)
        print_message("soak: scheduler: %llu simulated runs from seed %llu on\n",
                      (unsigned long long)t->runs, (unsigned long long)first);
}

static void they_go_through_every_cell_of_the_table(void **state)
{
    const struct totals *t = *state;
    const char *action;
    uint32_t next;
    int missing = 0;

    if (t->runs < 1000)
        skip();
    for (uint32_t from = 0; from < SG_STATES; from++) {
        for (uint32_t event = 0; event < SG_EVENTS; event++) {
            if (!sg_sched_cell(from, event, &next, &action) || t->seen[from] >> event & 1)
                continue;
            missing++;
            print_error("never gone through: %s, %s\n", sg_sched_state_name(from),
                        sg_sched_event_name(event));
        }
    }
    assert_int_equal(missing, 0);
}

int main(int argc, char **argv)
{
    struct totals totals = { .runs = 0 };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(random_runs_keep_all_promises, &totals),
        cmocka_unit_test_prestate(they_go_through_every_cell_of_the_table, &totals),
    };

    if (argc > 1)
        setenv("SG_SEED", argv[1], 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
