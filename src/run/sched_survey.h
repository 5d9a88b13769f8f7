/*
 * sched_survey: is what the scheduler is given something that comes to an end?
 *
 * Floor: run. docs/design.md, "The scheduler". Private to sched.
 */
#ifndef STAGEGRAPH_SCHED_SURVEY_H
#define STAGEGRAPH_SCHED_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "sched_wait.h"
#include "stagegraph/error.h"

/* Plays a run in which all comes out well, and sets the waits, which are as after init, back. Code
 * bug where a number is out of range, and where jobs wait for each other (cut into batches, say,
 * that they should not be): such a run would never end. */
bool sg_sched_survey(struct sg_sched_waits *w, struct sg_error *err) SG_MUST;

#endif
