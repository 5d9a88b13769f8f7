/*
 * marking: what accept and invalidate share: a plan, claims of our own, and a table of what became
 * of the nodes.
 *
 * Floor: cli.
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

struct sg_cli;
struct sg_marked; /* contiguous nodes of a stage that came out alike */

struct sg_marking {
    struct sg_cli *cli;
    struct sg_outputs outs;
    char run_id[SG_RUN_ID_TEXT];
    struct sg_attempt_run run;
    sigset_t before; /* what was blocked */
    uint32_t reasons;
    bool dry; /* -n */
    int64_t n[SG_ACCEPT_BUSY + 1];
    struct sg_marked *groups;
    size_t n_groups, cap_groups;
};

/* Plans cli->request unless that is done, and from here on INT, TERM and HUP wait. */
bool sg_marking_open(struct sg_cli *cli, struct sg_marking *ret, struct sg_error *err) SG_MUST;
/* One of them has come: cli->signo is set, and what has not begun is not begun. */
bool sg_marking_interrupted(struct sg_marking *m);
bool sg_marking_note(struct sg_marking *m, const struct sg_stage *s, int64_t index,
                     const struct sg_accepted *a, struct sg_error *err) SG_MUST;
/* A row for each group that is not fresh; taken: the word for TAKE. Nothing without one. */
void sg_marking_table(struct sg_marking *m, const char *taken);
void sg_marking_close(struct sg_marking *m);

#endif
