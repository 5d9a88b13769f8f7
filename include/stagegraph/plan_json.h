/*
 * plan_json: a plan as one JSON document, or as the `plan` event.
 *
 * Floor: report. docs/formats.md, "plan --json"; section 9 of the contract.
 *
 * Written as a stream: any number of groups takes the memory of one. Times are RFC 3339 UTC. What
 * is not known, and the labels of a `once`, are null. `fresh` and `debt` count nodes a stage, of
 * all stages that take part (`debt` outside the range too); `debts` has the same by reason.
 */
#ifndef STAGEGRAPH_PLAN_JSON_H
#define STAGEGRAPH_PLAN_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/error.h"
#include "stagegraph/out.h"
#include "stagegraph/view.h"

struct sg_plan_json {
    int32_t jobs;                        /* -j, for totals.estimate_seconds */
    const struct sg_usual_source *usual; /* NULL: nothing is known */
    /* As an event: these come first, and the line is written whole. NULL: the document. */
    const char *event_time, *event_run;
};

/* One line with its newline. False: memory. */
bool sg_plan_json_write(struct sg_out *o, const struct sg_view *v, const struct sg_plan_json *how,
                        struct sg_error *err) SG_MUST;

#endif
