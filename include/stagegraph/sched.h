/*
 * sched: which job runs when: a pure state machine, events in, actions out, time as an argument.
 *
 * Floor: run. docs/design.md, "The scheduler"; section 6 of the contract.
 *
 * It knows jobs by number, stages, pools, priorities and edges (through two callbacks, for edges
 * are rules and never stored); no processes, no files, no clock. So thousands of simulated runs go
 * through it in a test in a second.
 *
 *   sg_sched_new
 *   loop: do sg_sched_next(s, now, &action), and the action       until SG_ACT_WAIT or SG_ACT_OVER
 *         wait for an event; sg_sched_result(s, now, job, result) / sg_sched_interrupt(s)
 *
 * A job is a node or a batch of nodes of one stage. A job starts when all its needs among the jobs
 * are finished; no barriers. One required need that is not done in the end blocks it, at once and
 * with all that requires it; of an optional one it is only waited for the end.
 *
 * Of the ready jobs the first that has a slot, room in its pool and its exclusive stage to itself
 * starts. In one pool nothing goes past a job that waits for memory; a job that is larger than its
 * pool runs alone in it. With all the room that there is it is the same, among jobs that say what
 * they take of it; the others go on meanwhile. The same events give the same actions in the same
 * order.
 */
#ifndef STAGEGRAPH_SCHED_H
#define STAGEGRAPH_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/clock.h"
#include "stagegraph/error.h"

/* How an attempt, and at last a job, came out. The names are the contract's (section 9). */
enum sg_result {
    SG_RESULT_NONE, /* not finished */
    SG_RESULT_OK,
    SG_RESULT_UNCHANGED, /* decided again: nothing to do */
    SG_RESULT_COMPLETED, /* a partial marker renamed */
    SG_RESULT_FAILED,
    SG_RESULT_TIMEOUT,
    SG_RESULT_CHECK_FAILED,
    SG_RESULT_INPUT_MOVED, /* tried once more even with retries = 0 */
    SG_RESULT_TRESPASS,    /* stops the stage at once */
    SG_RESULT_OOM,
    SG_RESULT_INTERRUPTED,
    SG_RESULT_BLOCKED,
    SG_RESULT_BUSY,
    SG_RESULT_COUNT
};

const char *sg_result_name(enum sg_result r); /* "ok", "check_failed", … */
bool sg_result_is_failure(
    enum sg_result r);                    /* FAILED TIMEOUT CHECK_FAILED INPUT_MOVED TRESPASS OOM */
bool sg_result_is_done(enum sg_result r); /* OK UNCHANGED COMPLETED: what needs it may run */

struct sg_sched_stage {
    int32_t retries, breaker; /* breaker 0: never; only OK ends a row of failures */
    int64_t backoff_ms;       /* doubling, at most 10 minutes; a job in it has no slot */
    uint32_t pool;            /* UINT32_MAX: none */
    int64_t memory;           /* bytes that one job takes from its pool's memory */
    int64_t room;             /* bytes that one job takes from all that there is; 0: not counted */
    bool exclusive;
    int64_t tail_ms; /* from the start of a job to the end of what needs it, as far as is known */
};

struct sg_sched_pool {
    int32_t size;   /* 0: no limit */
    int64_t memory; /* 0: no limit */
};

struct sg_sched_job {
    uint32_t stage;
    bool patient; /* it only waits for its needs: none that comes to nothing blocks it */
    int64_t rank; /* among ready jobs the smallest goes first; then the longest tail of its stage,
                   * then the smallest number */
};

/* Jobs [first, end) that a job needs, or that need it: those of one stage, for windows must cost
 * no more than single ones. */
struct sg_sched_edge {
    uint32_t first, end; /* may be empty; the job itself does not count */
    bool optional;       /* their failure does not block; required by another edge, it does */
};
/* Edge number k, from 0, of `job`. False: there are no more. */
typedef bool sg_sched_edges(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret);

struct sg_sched_config {
    const struct sg_sched_job *jobs; /* borrowed for the scheduler's life, as are the others */
    uint32_t n_jobs;
    const struct sg_sched_stage *stages;
    uint32_t n_stages;
    const struct sg_sched_pool *pools;
    uint32_t n_pools;
    sg_sched_edges *needs, *users; /* each other's inverses */
    void *ctx;
    int32_t slots;      /* -j, at least 1 */
    int64_t room;       /* bytes that there are for jobs of all stages; 0: no limit */
    int32_t keep_going; /* stop after so many failed nodes, 0: never; a job is one, see below */
};

enum sg_action_kind {
    SG_ACT_START,         /* job, attempt (from 1) */
    SG_ACT_STOP,          /* job: end it; hard: without grace */
    SG_ACT_DONE,          /* job is finished for good: result, and because of which job (blocked) */
    SG_ACT_RETRY,         /* job failed with `result` and will be tried again at `at` */
    SG_ACT_STAGE_STOPPED, /* job's stage is stopped by its breaker or a trespass */
    SG_ACT_WAIT,          /* nothing to do before an event, or `at` (INT64_MAX: only an event) */
    SG_ACT_OVER           /* everything is finished */
};

/* Why a job is DONE. */
enum sg_sched_why {
    SG_WHY_RESULT,     /* its last attempt came out so */
    SG_WHY_NEED,       /* BLOCKED, BUSY: what it requires, through others perhaps, is not done */
    SG_WHY_STAGE,      /* BLOCKED: its stage was stopped */
    SG_WHY_KEEP_GOING, /* BLOCKED: nothing more is started: so many jobs had failed, or given up */
    SG_WHY_INTERRUPT   /* INTERRUPTED */
};

struct sg_action {
    enum sg_action_kind kind;
    uint32_t job;
    uint32_t attempt; /* START, RETRY; DONE: how many there were, 0 for a job that never ran */
    enum sg_result result;
    enum sg_sched_why why;
    /* SG_WHY_NEED, SG_WHY_STAGE: the job at the root of it, which had an attempt that came out
     * other than done; else UINT32_MAX */
    uint32_t because;
    bool hard;
    struct sg_mono at;
};

struct sg_sched;
/* Code bug where numbers are out of range, or where jobs wait for each other. */
bool sg_sched_new(const struct sg_sched_config *c, struct sg_sched **ret,
                  struct sg_error *err) SG_MUST;
void sg_sched_free(struct sg_sched *s);

/*
 * The next thing to do. Every DONE is given exactly once a job, also for blocked and never-started
 * ones, and before any later START. WAIT and OVER repeat. A job that waits for its next attempt
 * when its stage or the run stops is DONE as one that never ran would be: BLOCKED or INTERRUPTED.
 */
void sg_sched_next(struct sg_sched *s, struct sg_mono now, struct sg_action *ret);
/* An attempt that was started has ended; its slot is free. no_retry: it is not to be tried again,
 * e.g. the claim was lost, or a process of it is stuck. False: bug (a job that was not running). */
bool sg_sched_result(struct sg_sched *s, struct sg_mono now, uint32_t job, enum sg_result result,
                     bool no_retry, struct sg_error *err) SG_MUST;
/*
 * The same for a job of several nodes. failed: how many of them failed, as keep_going counts them.
 * some_done: some are done, now or by an attempt before, so that what needs the job goes on though
 * it ends otherwise; the caller sees to what needs those that are not.
 */
struct sg_sched_nodes {
    uint32_t failed;
    bool some_done;
};
bool sg_sched_result_of(struct sg_sched *s, struct sg_mono now, uint32_t job, enum sg_result result,
                        bool no_retry, const struct sg_sched_nodes *nodes,
                        struct sg_error *err) SG_MUST;
/* Would that result be tried again now? */
bool sg_sched_would_retry(const struct sg_sched *s, uint32_t job, enum sg_result result);
/* An attempt at some nodes of a job has ended for good, and those that it left are tried now: the
 * result counts, and the job is started again, from attempt 1. */
bool sg_sched_again(struct sg_sched *s, struct sg_mono now, uint32_t job, enum sg_result result,
                    const struct sg_sched_nodes *nodes, struct sg_error *err) SG_MUST;
/* No new starts and no retries, as after -k failures: running jobs go on, others are BLOCKED. */
void sg_sched_give_up(struct sg_sched *s);
/* First: no new starts, running jobs get STOP, all others are DONE with INTERRUPTED. Second: STOP
 * hard. STOP comes before all that is still to be told. */
void sg_sched_interrupt(struct sg_sched *s);
/* A pool or an exclusive stage is held by another run: the start that was just given is taken back,
 * attempt number included. Nothing of the stage is started before `at`. */
bool sg_sched_postpone(struct sg_sched *s, uint32_t job, struct sg_mono at,
                       struct sg_error *err) SG_MUST;
/* The node or an input is held by another run (--wait): the same for this job alone. */
bool sg_sched_postpone_job(struct sg_sched *s, uint32_t job, struct sg_mono at,
                           struct sg_error *err) SG_MUST;
/* Suspended (TSTP): no starts until resumed. */
void sg_sched_suspend(struct sg_sched *s, bool suspended);

/* All jobs, each in one of them. */
struct sg_sched_counts {
    uint32_t waiting; /* for a need, or for the time of the next attempt */
    uint32_t ready, running;
    uint32_t done, failed;
    uint32_t blocked; /* BLOCKED, BUSY, INTERRUPTED */
};
void sg_sched_count(const struct sg_sched *s, struct sg_sched_counts *ret);

#endif
