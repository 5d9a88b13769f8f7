/*
 * sched_wait: what a job still waits for, without counting its needs.
 *
 * Floor: run. docs/design.md, "The scheduler". Private to sched.
 *
 * A job waits for one of its needs at a time, the one that is likely to end last; when that has
 * finished it is put down for the next that has not, if there is one. Ranges are searched by
 * union-find over the jobs that are finished, so a window of a year of hours that end in order is
 * one wait and not 8,760.
 */
#ifndef STAGEGRAPH_SCHED_WAIT_H
#define STAGEGRAPH_SCHED_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/error.h"
#include "stagegraph/sched.h"

#define SG_NO_JOB UINT32_MAX

struct sg_sched_waits {
    const struct sg_sched_config *c;
    uint32_t *below; /* by job + 1: the next that is not finished, from it on down; 0: none */
    uint32_t *above; /* by job: the same, upwards; n_jobs: none */
    uint32_t *lose;  /* by job: upwards, of those that what comes to nothing blocks */
    uint32_t *edge;  /* by job: the need that it waits in; those before are met */
    uint32_t *first; /* by job: who waits for it, a list through next; SG_NO_JOB */
    uint32_t *next;
};

/* What it allocates lies in the arena; config is borrowed. */
bool sg_sched_waits_init(struct sg_sched_waits *w, const struct sg_sched_config *config,
                         struct sg_arena *a, struct sg_error *err) SG_MUST;
/* As after init: no job is finished, none waits. */
void sg_sched_waits_reset(struct sg_sched_waits *w);

/* The first job from `job` on upwards that is not finished; n_jobs: none. can_lose: and that is not
 * patient. */
uint32_t sg_sched_unfinished(struct sg_sched_waits *w, uint32_t job);
uint32_t sg_sched_can_lose(struct sg_sched_waits *w, uint32_t job);
void sg_sched_wait_finish(struct sg_sched_waits *w, uint32_t job);

/* Which of the needs that are not finished: any; for who begins to wait the one at the end of a
 * range that starts later by rank; for who has waited in vain, one in the midst of those that are
 * left: in whatever order they end, about half of them end before it. */
enum sg_sched_wait { SG_WAIT_ANY, SG_WAIT_FIRST, SG_WAIT_AGAIN };
/* A need of the job that is not finished, SG_NO_JOB: there is none. */
uint32_t sg_sched_wait_for(struct sg_sched_waits *w, uint32_t job, enum sg_sched_wait how);
/* Puts the job down for `need`. */
void sg_sched_wait_at(struct sg_sched_waits *w, uint32_t job, uint32_t need);
/* Takes one that waits for the job, which is finished; SG_NO_JOB: nobody does. */
uint32_t sg_sched_wait_take(struct sg_sched_waits *w, uint32_t job);

#endif
