/*
 * marking: what accept and invalidate share: a plan, claims of our own, a place among the runs and
 * in their history, and what became of the nodes, as a table and as events.
 *
 * Floor: cli.
 *
 *   sg_marking_open → (sg_marking_enter → a node → sg_marking_note)… → sg_marking_table
 *                   → sg_marking_close
 */
#ifndef STAGEGRAPH_MARKING_H
#define STAGEGRAPH_MARKING_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/accept.h"
#include "stagegraph/error.h"
#include "stagegraph/run.h"

#include "outputs.h"
#include "state.h"
#include "watch.h"

struct sg_cli;
struct sg_marked; /* contiguous nodes of a stage that came out alike */

struct sg_marking {
    struct sg_cli *cli;
    struct sg_outputs outs;
    char run_id[SG_RUN_ID_TEXT];
    struct sg_attempt_run run;
    sigset_t before; /* what was blocked */
    struct sg_watch watch;
    _Atomic(struct sg_yarn *) yarn; /* what a second signal hurries; NULL: not asked yet */
    const char *taken;              /* the result of a node that was marked: "accepted" */
    uint32_t reasons;
    bool dry; /* -n */
    bool entered;
    int64_t started_ms;
    struct sg_state state;
    int64_t n[SG_ACCEPT_BUSY + 1];
    struct sg_marked *groups;
    size_t n_groups, cap_groups;
};

/* Plans cli->request unless that is done, and from here on INT, TERM and HUP wait; a second of them
 * stops the store. */
bool sg_marking_open(struct sg_cli *cli, const char *taken, struct sg_marking *ret,
                     struct sg_error *err) SG_MUST;
/* Before the first node that is to change: from here on it is a run that is alive. Whoever finds
 * nothing to do leaves no trace. */
bool sg_marking_enter(struct sg_marking *m, struct sg_error *err) SG_MUST;
/* One of them has come: cli->signo is set, and what has not begun is not begun. */
bool sg_marking_interrupted(struct sg_marking *m);
/* What became of a node: for the table, the events and the history. */
bool sg_marking_note(struct sg_marking *m, const struct sg_stage *s, int64_t index,
                     const struct sg_accepted *a, struct sg_error *err) SG_MUST;
/* A row for each group that is not fresh; taken: the word for TAKE. Nothing without one. */
void sg_marking_table(struct sg_marking *m, const char *taken);
/* The last event, and the end of the run; exit_status as cli will give it, -1: an error. */
void sg_marking_close(struct sg_marking *m, int exit_status);

#endif
