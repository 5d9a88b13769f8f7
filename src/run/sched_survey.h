/*
 * sched_survey: is what the scheduler is given something that comes to an end?
 *
 * Floor: run. docs/design.md, "The scheduler". Private to sched.
 */
#ifndef STAGEGRAPH_SCHED_SURVEY_H
#define STAGEGRAPH_SCHED_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/error.h"
#include "stagegraph/sched.h"

/* Counts the needs of each job into pending (n_jobs, zeroed), and follows all edges once. Code bug
 * where a number is out of range, where needs and users are not each other's inverses, and where
 * jobs wait for each other (cut into batches, say, that they should not be): such a run would never
 * end. */
bool sg_sched_survey(const struct sg_sched_config *c, uint32_t *pending,
                     struct sg_error *err) SG_MUST;

#endif
