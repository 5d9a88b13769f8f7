/*
 * event: what a run has to say, as data: for the console, the JSON lines, the history.
 *
 * Floor: run. docs/formats.md, "Events"; section 9 of the contract.
 *
 * A sink gets events on the loop's thread, in order; pointers are valid during the call only.
 */
#ifndef STAGEGRAPH_EVENT_H
#define STAGEGRAPH_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/clock.h"
#include "stagegraph/job.h"
#include "stagegraph/plan.h"
#include "stagegraph/sched.h"
#include "stagegraph/store.h"
#include "stagegraph/yarn.h"

enum sg_event_kind {
    SG_EVENT_RUN_STARTED,
    SG_EVENT_PLAN,          /* the plan is known: e->plan */
    SG_EVENT_NODE_STARTED,  /* an attempt's command starts */
    SG_EVENT_NODE_OUTPUT,   /* bytes */
    SG_EVENT_NODE_FINISHED, /* an attempt that ran a command (or failed to) has ended */
    SG_EVENT_NODE_RETRY,    /* it will be tried again in delay_s */
    SG_EVENT_NODE_SKIPPED,  /* unchanged completed blocked busy (and interrupted, never started) */
    SG_EVENT_NOTICE,        /* text, about node or "" */
    SG_EVENT_RUN_FINISHED
};

struct sg_event {
    enum sg_event_kind kind;
    struct sg_wall time;
    const char *run;

    /* RUN_STARTED */
    const char *command; /* "hourly", "backfill", … */
    const char *profile; /* NULL */

    const struct sg_plan *plan; /* RUN_STARTED on: from PLAN */

    /* NODE_* */
    const struct sg_stage *stage;
    int64_t index;
    const char *node; /* text form */
    uint32_t attempt;
    enum sg_result result;
    enum sg_reason reason;
    const char *detail; /* of the reason; of the result for FINISHED/SKIPPED: see why */
    const char *why;    /* for people: "exit 3", "no data file was written", "lacks …" */
    const struct sg_job_end *end;    /* NODE_FINISHED; NULL when no command ran */
    const struct sg_yarn_apps *apps; /* NODE_FINISHED: of the job, on YARN; NULL: nobody asked */
    double seconds;                  /* NODE_FINISHED: of the command; RUN_FINISHED: of the run */
    double attempt_seconds; /* NODE_FINISHED: since the attempt began, with claim and all */
    double version_seconds; /* NODE_FINISHED: of versioning the output */
    uint32_t members;  /* NODE_STARTED, NODE_FINISHED: nodes that share the command; 0: none ran */
    const char *log;   /* path of the log file, NULL with --no-log */
    const char *bytes; /* NODE_OUTPUT */
    size_t n_bytes;
    bool will_retry; /* NODE_FINISHED */
    double delay_s;  /* NODE_RETRY */

    const char *text; /* NOTICE */

    /* RUN_FINISHED */
    int exit_status;                    /* 128+n when it will die of a signal */
    int signo;                          /* 0 */
    uint32_t n_result[SG_RESULT_COUNT]; /* nodes by final result */
    bool has_traffic;                   /* the store sends requests: how many since it was opened */
    struct sg_store_traffic traffic;
};

struct sg_sink {
    void (*event)(void *ctx, const struct sg_event *e);
    void *ctx;
};

#endif
