/*
 * launch: starts a job's shim, with the descriptors that stagegraph/shim.h promises it.
 *
 * Floor: run. docs/design.md, "Jobs and the shim".
 */
#ifndef STAGEGRAPH_RUN_LAUNCH_H
#define STAGEGRAPH_RUN_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stagegraph/error.h"
#include "stagegraph/job.h"

struct sg_shim_ends {
    pid_t pid;
    int control; /* our end of the socket; close-on-exec */
    int output;  /* the read end of the job's output; close-on-exec, doesn't block */
};

/* *ret_refused is 0, or E2BIG: the command line is too long, which is the job's fault and not the
 * machine's; then there is no shim, and *ret means nothing. */
bool sg_shim_launch(const struct sg_job_spec *spec, const char *group, uint64_t ignored,
                    struct sg_shim_ends *ret, int *ret_refused, struct sg_error *err) SG_MUST;

/* The signals that this process ignores, a bit each, from 1 on the lowest. A job ignores none of
 * those that the launch is told of. */
uint64_t sg_shim_ignored(void);

#endif
