/*
 * run_impl: a run under way, shared by its three files: run.c sets up and obeys the scheduler,
 * active.c carries one attempt through its phases, tell.c makes events.
 *
 * Floor: run. Private.
 */
#ifndef STAGEGRAPH_RUN_IMPL_H
#define STAGEGRAPH_RUN_IMPL_H

#include "stagegraph/attempt.h"
#include "stagegraph/room.h"
#include "stagegraph/run.h"
#include "stagegraph/sched.h"

#include "hold.h"

#define NO_JOB UINT32_MAX

enum sg_phase { PHASE_PREPARE, PHASE_COMMAND, PHASE_CHECK, PHASE_FINISH, PHASE_OVER };

/* An attempt under way. It lives from the scheduler's START to its DONE or RETRY. */
struct sg_active {
    struct sg_run *run;
    struct sg_active *next;
    uint32_t job;
    enum sg_phase phase;
    struct sg_attempt *attempt;
    struct sg_job *process;
    struct sg_job_end end; /* of the command */
    bool has_end;
    bool cancelled, cancelled_hard;
    struct sg_hold hold;
    bool waits; /* for what another run holds: hold_why */
    char hold_why[200];
    struct sg_attempt_outcome outcome;
    struct sg_yarn_apps apps; /* of the job, once it has ended */
    char why[600];
    char node[SG_NODE_TEXT]; /* of the first that is to run */
    uint32_t n_run;          /* members that the command is for */
    char *log;
    int log_fd;
    struct sg_mono started;
};

struct sg_run {
    struct sg_run_config c;
    const struct sg_graph *graph;
    struct sg_sched *sched;
    struct sg_attempt_run attempt_run;
    struct sg_holds *holds;
    char *scratch;
    struct sg_scratches scratches; /* in it */
    atomic_uchar *gone;            /* by node of the plan: see attempt.h */
    uint32_t *job_of;              /* a node of the plan → its job, NO_JOB */
    uint32_t *jobs_before;         /* a node → how many jobs begin before it; n_jobs behind all */
    uint32_t *node_of;             /* a job → its first node */
    uint32_t *last_of;             /* a job → its last node: the same where it is no batch */
    uint8_t *result;       /* by node: what became of it; NONE while it is to be tried (again) */
    bool some_lost;        /* a node came to nothing */
    uint32_t *n_uses;      /* by stage: how many needs name it */
    uint32_t most_members; /* of a job */
    bool has_batches;
    uint64_t caller_files; /* its soft limit of open files, which ours is above; 0: it isn't */
    uint32_t n_jobs;
    struct sg_sched_job *jobs;
    struct sg_sched_stage *stages;
    bool *own_group; /* by stage: its jobs are worth a cgroup of their own */
    struct sg_sched_pool *pools;
    int64_t room; /* bytes for jobs; 0: nobody asks, or not known */
    struct sg_active *active;
    bool short_work; /* what an attempt does in the store takes a moment */
    struct sg_timer *timer;
    struct sg_timer *fence; /* when to look whether the store is lost; it is: when to kill */
    bool lost;              /* it is: fence_why */
    char fence_why[700];
    bool silent; /* it was told that the store doesn't answer: since then */
    struct sg_mono silent_since;
    struct sg_timer *yarn_look; /* when to look whether YARN is waited for */
    bool yarn_told;             /* that it is */
    bool away;                  /* nobody answers for the store: nothing more is started */
    struct sg_outcome outcome;
    struct sg_pressure *pressure; /* NULL: none to be seen, or one job at a time */
    bool suspended;               /* by TSTP */
    bool pressed, pressed_told;   /* memory is short: nothing more is started */
    int signo;
    bool log_failed;
    bool output_held;
    bool over;
    bool failed; /* err is set: the run is to end */
    struct sg_error err;
};

/* ---- tell.c ---- */

/* An event with time, run and plan filled in. */
struct sg_event sg_run_event(struct sg_run *r, enum sg_event_kind kind);
void sg_run_emit(struct sg_run *r, const struct sg_event *e);
void sg_run_notice(struct sg_run *r, const char *node, const char *text);
/* Fills the event's node from the plan; name has room for its text. */
void sg_run_event_node(struct sg_run *r, struct sg_event *e, struct sg_node_id n,
                       char name[SG_NODE_TEXT]);
/* NODE_SKIPPED, and the result counted. */
void sg_run_skipped(struct sg_run *r, struct sg_node_id n, enum sg_result result, const char *why);
/* NODE_STARTED of each member that is to run. */
void sg_run_started(struct sg_active *a);
void sg_run_finished(struct sg_active *a, const struct sg_member *m, bool will_retry);
/* NODE_SKIPPED for each node that the plan found blocked or busy and that is no job. */
void sg_run_tell_not_jobs(struct sg_run *r);

/* ---- active.c ---- */

struct sg_active *sg_active_find(struct sg_run *r, uint32_t job);
void sg_active_free(struct sg_active *a);
bool sg_active_start(struct sg_run *r, const struct sg_action *act, struct sg_error *err) SG_MUST;
void sg_active_stop(struct sg_run *r, const struct sg_action *act);

/* ---- members.c ---- */

bool sg_run_is_batch(const struct sg_run *r, uint32_t job);
/* The job's node after this one, SG_NO_NODE: its first; SG_NO_NODE behind the last. */
uint32_t sg_run_next(const struct sg_run *r, uint32_t job, uint32_t node);
struct sg_node_id sg_active_node(const struct sg_active *a, const struct sg_member *m);
void sg_run_set_result(struct sg_run *r, uint32_t node, enum sg_result result);
/* Does the node require one that came to nothing? Then it is told, and has its result. */
bool sg_run_is_lost(struct sg_run *r, uint32_t node);
/* Is some node of it done? (failed is left 0) */
struct sg_sched_nodes sg_run_nodes(const struct sg_run *r, uint32_t job);
/* The result that says most of so many nodes. */
enum sg_result sg_run_worst(const uint32_t n_result[SG_RESULT_COUNT]);

/* What an attempt that is over came to. Puts the members' results into the run. */
struct sg_summary {
    enum sg_result result; /* NONE: of no member is there one */
    struct sg_sched_nodes nodes;
    bool rest;  /* there are members that it did not come to */
    bool waits; /* there are members that another run holds, which are waited for */
};
struct sg_summary sg_active_sum_up(struct sg_active *a);
/* An event for each member that has a result. retried: those that are not done are tried again. */
void sg_active_tell(struct sg_active *a, bool retried);

/* ---- run.c ---- */

/* An error that ends the run: no new starts, running jobs are ended, then sg_run_go returns it. */
void sg_run_fail(struct sg_run *r, const struct sg_error *err);
/* Ends the run if the store says that its claims may be another's by now. */
void sg_run_look_at_fence(struct sg_run *r);
/* Tells that the store doesn't answer, once, and that it does again. */
void sg_run_look_at_trouble(struct sg_run *r);
void sg_run_look_at_yarn(struct sg_run *r);
/* The jobs of r->c.plan and their scheduler, for a run of r->c.jobs at once. */
bool sg_run_schedule(struct sg_run *r, struct sg_error *err) SG_MUST;
/* Does what the scheduler says until it says wait, or over. */
void sg_run_pump(struct sg_run *r);

#endif
