/*
 * sched_table: what a job can be, what can happen to it, and what follows, as one table.
 *
 * Floor: run. docs/design.md, "The scheduler". Private to sched and its tests.
 *
 * sg_sched_step() is the one place where a job changes its state. What follows from a job's end for
 * others (users, its stage, the run) is sched.c's.
 */
#ifndef STAGEGRAPH_SCHED_TABLE_H
#define STAGEGRAPH_SCHED_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/clock.h"
#include "stagegraph/error.h"
#include "stagegraph/sched.h"

#include "heap.h"
#include "sched_queue.h"
#include "sched_wait.h"

enum sg_sched_state {
    SG_STATE_WAITING, /* for needs */
    SG_STATE_READY,   /* in the queue */
    SG_STATE_RUNNING,
    SG_STATE_STOPPING, /* runs, and was told to stop */
    SG_STATE_KILLING,  /* the same without grace */
    SG_STATE_ASLEEP,   /* until the time of its next attempt */
    SG_STATE_FINISHED,
    SG_STATES
};

enum sg_sched_event {
    SG_ON_NEEDS_MET, /* the last need has finished */
    SG_ON_NEED_LOST, /* a required need has finished and is not done */
    SG_ON_PICKED,
    SG_ON_ENDED,      /* the attempt, and the job with it */
    SG_ON_RETRIED,    /* the attempt ended; another one follows */
    SG_ON_STAGE_HELD, /* the start is taken back: nothing of the stage may start now */
    SG_ON_PUT_OFF,    /* the start is taken back: this job may not start now */
    SG_ON_WITHDRAWN,  /* the start is taken back, and no other one follows */
    SG_ON_TIME_CAME,
    SG_ON_GIVEN_UP, /* nothing more of its stage, or of the run, is started */
    SG_ON_INTERRUPTED,
    SG_ON_INTERRUPTED_AGAIN,
    SG_EVENTS
};

/* What comes with an event. */
struct sg_sched_occasion {
    enum sg_result result;
    enum sg_sched_why why;
    uint32_t because;
    struct sg_mono at;
};

/* Actions that wait to be given, in an array with room for all that can come before it is empty. */
struct sg_sched_note {
    uint32_t job;
    uint8_t kind; /* enum sg_action_kind */
    bool hard;
};

struct sg_sched_notes {
    struct sg_sched_note *at;
    uint32_t head, tail;
};

struct sg_sched_stage_state {
    uint32_t first, left; /* its jobs in by_stage; how many of them are not finished */
    int32_t in_a_row;     /* failures */
    bool stopped;
    uint32_t stopped_by;
};

enum sg_sched_halt { SG_HALT_NOT, SG_HALT_KEEP_GOING, SG_HALT_INTERRUPT, SG_HALT_SECOND_INTERRUPT };

struct sg_sched {
    struct sg_sched_config c;
    struct sg_arena arena;
    struct sg_error bug; /* the first empty cell that was met; each call that can fail reports it */

    /* by job */
    uint8_t *state, *result, *why;
    bool *moved; /* it had its one more try for an input that moved */
    bool *some;  /* some of its nodes are done, whatever becomes of it */
    uint32_t *attempt, *because;
    uint32_t *by_stage; /* all jobs, those of a stage together, in order */

    struct sg_sched_stage_state *stages;
    struct sg_sched_waits waits;
    struct sg_sched_queue queue;
    struct sg_heap timers; /* jobs asleep; n_jobs + a stage that is held */
    int64_t *due_ns;       /* by the timers' ids */
    struct sg_sched_notes stops, tells;
    uint32_t spread; /* of the tells, those whose users know */
    uint32_t in[SG_STATES];
    int32_t failed, done;
    int64_t failed_nodes;
    enum sg_sched_halt halt;
    bool suspended;
    uint32_t seen[SG_STATES]; /* by state, a bit an event: the cells gone through */
};

/* One more action to be given; there is room. */
void sg_sched_tell(struct sg_sched_notes *n, uint32_t job, enum sg_action_kind kind, bool hard);

/* False: the cell is empty, which s->bug tells from then on; nothing was done. */
bool sg_sched_step(struct sg_sched *s, uint32_t job, enum sg_sched_event event,
                   const struct sg_sched_occasion *o);

/* The table as data. Names are by number from 0, NULL behind the last. */
const char *sg_sched_state_name(uint32_t state);
const char *sg_sched_event_name(uint32_t event);
/* False: the cell is empty. *ret_action says what is done. */
bool sg_sched_cell(uint32_t state, uint32_t event, uint32_t *ret_next, const char **ret_action);

#endif
