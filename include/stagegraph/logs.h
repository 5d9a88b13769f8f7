/*
 * logs: the log directories of runs in the state directory, and when they go.
 *
 * Floor: record. docs/formats.md, "State directory"; the keys log_keep and log_limit.
 *
 * STATE/logs/RUN holds what the jobs of a run said. Run ids begin with the second in which their
 * run began, so names sort by age. What does not look like a run's id is left alone.
 */
#ifndef STAGEGRAPH_LOGS_H
#define STAGEGRAPH_LOGS_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/clock.h"
#include "stagegraph/error.h"

struct sg_logs_prune {
    const char *state;
    const char *own;       /* a run that has just ended */
    int64_t keep_s, limit; /* seconds, bytes */
    struct sg_wall now;
    bool (*go_on)(void *ctx); /* asked before each directory; NULL: always */
    void *ctx;
};

/*
 * Removes the directories of runs that began more than keep_s ago; then the oldest while all of
 * them together have more than `limit` bytes. Never that of `own`, nor of a run that is alive.
 * What a run that is over has is measured once, and kept in STATE/log_sizes; so it costs a list of
 * the runs, and what is removed. *ret_n counts what was removed, also on failure; one directory
 * that can't be removed doesn't keep the others. Not there: nothing to do.
 */
bool sg_logs_prune(const struct sg_logs_prune *how, uint32_t *ret_n, struct sg_error *err) SG_MUST;

#endif
