/*
 * sched_queue: the jobs that are ready, and which of them may start now: slots, pools, exclusivity.
 *
 * Floor: run. docs/design.md, "The scheduler". Private to sched.
 *
 * All that decides beside a job's order lies with its stage (pool, memory, exclusive), so ready
 * jobs lie in a heap a stage, stages that have one that may start in a heap a pool, and pools with
 * room for their first in one heap: a pool that is full costs nothing when the next job is picked.
 *
 * A job runs from sg_sched_queue_pick() to sg_sched_queue_release().
 */
#ifndef STAGEGRAPH_SCHED_QUEUE_H
#define STAGEGRAPH_SCHED_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "heap.h"
#include "stagegraph/arena.h"
#include "stagegraph/error.h"
#include "stagegraph/sched.h"

struct sg_sched_lane { /* a stage */
    struct sg_heap ready;
    uint32_t running;
    bool held;
};

struct sg_sched_berth {   /* a pool; the last one is of the stages without a pool */
    struct sg_heap lanes; /* those that may start a job as far as the stage goes */
    uint32_t running;
    int64_t memory; /* in use */
};

struct sg_sched_queue {
    const struct sg_sched_config *config;
    struct sg_sched_lane *lanes;
    struct sg_sched_berth *berths;
    struct sg_heap open; /* berths that have room for the first job of their first lane */
    uint32_t running;
    int64_t room; /* in use */
    bool full;    /* the next job waits for room, and all that take some with it */
};

/* `where` has a zeroed place a job, also for other heaps that a ready job is never in. What it
 * allocates lies in the arena; config is borrowed and was checked. */
bool sg_sched_queue_init(struct sg_sched_queue *q, const struct sg_sched_config *config,
                         uint32_t *where, struct sg_arena *a, struct sg_error *err) SG_MUST;

void sg_sched_queue_add(struct sg_sched_queue *q, uint32_t job);
void sg_sched_queue_remove(struct sg_sched_queue *q, uint32_t job); /* it will not start */
bool sg_sched_queue_has_slot(const struct sg_sched_queue *q);
/* The first of the jobs that may start now is taken out and has its slot and its part of the pool.
 * False: none may. */
bool sg_sched_queue_pick(struct sg_sched_queue *q, uint32_t *ret);
void sg_sched_queue_release(struct sg_sched_queue *q, uint32_t job);
/* While it is held, no job of the stage is picked. */
void sg_sched_queue_hold(struct sg_sched_queue *q, uint32_t stage, bool held);

#endif
