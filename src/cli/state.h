/*
 * state: what whoever changes the store has in the state directory while it lives: the entry among
 * the live runs, and the history.
 *
 * Floor: cli.
 */
#ifndef STAGEGRAPH_STATE_H
#define STAGEGRAPH_STATE_H

#include <stdbool.h>

#include "stagegraph/error.h"

struct sg_cli;
struct sg_history;

struct sg_state {
    struct sg_history *history; /* NULL: none is kept, which was told */
    const char *notice;         /* of it, told; NULL */
    int registry_fd;            /* -1: no entry */
};
#define SG_STATE_INIT                                                                              \
    {                                                                                              \
        .registry_fd = -1                                                                          \
    }

/* Makes the directory. tell(ctx, text) gets what is no failure. */
bool sg_state_enter(struct sg_cli *cli, const char *run_id, void (*tell)(void *ctx, const char *),
                    void *ctx, struct sg_state *ret, struct sg_error *err) SG_MUST;
/* Also of one that was never entered. */
void sg_state_leave(struct sg_cli *cli, const char *run_id, struct sg_state *s);

#endif
