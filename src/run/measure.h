/*
 * measure: what a job's process tree uses, seen from outside, and what its JVMs tell.
 *
 * Floor: run. docs/design.md, "Jobs and the shim".
 *
 *   sg_meter_start(loop, shim) … sg_meter_end(meter, &measure)
 *
 * Memory is sampled from /proc by a timer of the loop: first after 5 ms, then less and less often,
 * and never so that it takes more than a hundredth of the time. So a job that is over sooner costs
 * nothing. What was not seen stays -1 or NaN.
 */
#ifndef STAGEGRAPH_RUN_MEASURE_H
#define STAGEGRAPH_RUN_MEASURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "stagegraph/error.h"
#include "stagegraph/job.h"
#include "stagegraph/loop.h"

struct sg_meter;

/* Everything below `shim`, itself not counted. */
bool sg_meter_start(struct sg_loop *l, pid_t shim, struct sg_meter **ret,
                    struct sg_error *err) SG_MUST;
/* Fills peak_bytes (the largest sample), jvms, the gc_ and heap_ fields, and frees the meter. NULL
 * is fine, and changes nothing. */
void sg_meter_end(struct sg_meter *m, struct sg_job_measure *ret);

/* Has the kernel, for want of memory, killed a process of our cgroup (of the machine, where no
 * cgroup counts) while the meter ran? Each kill is put down to the first job that asks: ask where
 * it would explain the job's end. NULL is fine: no. */
bool sg_meter_oom(struct sg_meter *m);

#endif
