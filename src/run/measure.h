/*
 * measure: what a job's process tree uses, seen from outside, and what its JVMs tell.
 *
 * Floor: run. docs/design.md, "Jobs and the shim".
 *
 *   sg_meter_start(loop, shim, group) … sg_meter_end(meter, largest, &measure)
 *
 * Memory is sampled, from the job's cgroup or from /proc, by a timer of the loop: first after 5 ms,
 * then less and less often, and never so that it takes more than a hundredth of the time. So a job
 * that is over sooner costs nothing. What was not seen stays -1 or NaN.
 */
#ifndef STAGEGRAPH_RUN_MEASURE_H
#define STAGEGRAPH_RUN_MEASURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "stagegraph/error.h"
#include "stagegraph/job.h"
#include "stagegraph/loop.h"

struct sg_cgroup;
struct sg_meter;

/* A cgroup for a job that is to start; NULL: none can be had. */
struct sg_cgroup *sg_meter_make_group(struct sg_loop *l, const char *nonce);
/* Everything below `shim`, itself not counted. group: all that is in it, borrowed; NULL: none. */
bool sg_meter_start(struct sg_loop *l, pid_t shim, const struct sg_cgroup *group,
                    struct sg_meter **ret, struct sg_error *err) SG_MUST;
/*
 * Fills peak_bytes, jvms, the gc_ and heap_ fields, and frees the meter. NULL is fine: only
 * peak_bytes is set. largest_bytes: what the kernel noted as the most of a single process, -1: not
 * known; it catches what lay between two samples.
 */
void sg_meter_end(struct sg_meter *m, int64_t largest_bytes, struct sg_job_measure *ret);

/* Has the kernel, for want of memory, killed a process of the job's cgroup; without one: of our
 * cgroup (of the machine, where no cgroup counts) while the meter ran? Of these each kill is put
 * down to the first job that asks: ask where it would explain the job's end. NULL is fine: no. */
bool sg_meter_oom(struct sg_meter *m);

#endif
