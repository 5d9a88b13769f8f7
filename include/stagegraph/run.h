/*
 * run: carries out a plan: attempts under the scheduler, jobs under shims, receipts at the end.
 *
 * Floor: run. docs/design.md, "A run" and "An attempt".
 *
 *   sg_run_new → sg_run_go (returns when everything has ended) → sg_run_free
 *
 * It speaks in events only. Signals reach it as sg_run_interrupt() from the loop's signal callback.
 */
#ifndef STAGEGRAPH_RUN_H
#define STAGEGRAPH_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/error.h"
#include "stagegraph/event.h"
#include "stagegraph/loop.h"
#include "stagegraph/plan.h"
#include "stagegraph/usual.h"
#include "stagegraph/yarn.h"

struct sg_run_config {
    struct sg_loop *loop;
    const struct sg_plan *plan;
    struct sg_store *store;
    struct sg_yarn *yarn; /* where jobs may have applications; NULL: nowhere */
    const char *run_id, *command, *profile;
    const char *shim;      /* absolute path */
    char *const *environ_; /* the caller's environment */
    const char *host, *boot;
    int32_t jobs, keep_going;
    bool wait; /* for claims of other runs */
    bool no_log;
    const struct sg_sink *sinks;
    uint32_t n_sinks;
    const struct sg_usual_source *usual; /* may be NULL: asked before anything starts */
};

struct sg_run;
struct sg_outcome;
bool sg_run_new(const struct sg_run_config *c, struct sg_run **ret, struct sg_error *err) SG_MUST;
void sg_run_free(struct sg_run *r);
/* Runs the loop until all is over. False: code store (74), system (71), bug (70): what could be
 * ended was ended first. */
bool sg_run_go(struct sg_run *r, struct sg_error *err) SG_MUST;
void sg_run_interrupt(struct sg_run *r, int signo); /* first: orderly; second: hard,
                                                     * nor is an output read to its end */
void sg_run_suspend(struct sg_run *r, bool suspended);
/* Whoever shows the output can't take more: what jobs print stays in their pipes. Also from within
 * an event. */
void sg_run_hold_output(struct sg_run *r, bool hold);
/* What became of all nodes, after sg_run_go. */
const struct sg_outcome *sg_run_outcome(const struct sg_run *r);

/* How long a run of the plan would take with so many jobs at once: the scheduler with each job as
 * long as is usual, and what is not known in no time. *ret_s NaN: the plan has too many jobs for
 * that to be worth it. */
bool sg_run_estimate(const struct sg_plan *plan, const struct sg_usual_source *usual, int32_t jobs,
                     double *ret_s, struct sg_error *err) SG_MUST;

/* "20240101T060012-3f2a9c" */
#define SG_RUN_ID_TEXT 32
bool sg_run_id_new(struct sg_wall now, char ret[SG_RUN_ID_TEXT], struct sg_error *err) SG_MUST;

/* The exit status of the contract's section 3 for what happened; signals come before it. */
struct sg_outcome {
    uint32_t n_result[SG_RESULT_COUNT];
    /* Of them: failures of ours, of this machine, of a store that has gone away. */
    uint32_t n_bug, n_system, n_away;
};
/* One more node with its final result; code: of the error of ours that it comes from, or NONE. */
void sg_outcome_add(struct sg_outcome *o, enum sg_result result, enum sg_error_code code);
int sg_outcome_status(const struct sg_outcome *o);

#endif
