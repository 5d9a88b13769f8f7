/*
 * events: a run as lines of JSON, one object an event.
 *
 * Floor: report. docs/formats.md, "Events"; section 9 of the contract.
 *
 *   sg_events_new → a run with sg_events_sink() among its sinks → sg_events_free
 *
 * Every object has `event`, `time` (RFC 3339 UTC with milliseconds) and `run`. Each line is flushed
 * when it is written. Bytes of a job are cut into whole UTF-8 characters; what is none comes as
 * U+FFFD. What was not seen is null. Where memory is lacking, an event is left out.
 */
#ifndef STAGEGRAPH_EVENTS_H
#define STAGEGRAPH_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/error.h"
#include "stagegraph/event.h"
#include "stagegraph/out.h"
#include "stagegraph/view.h"

struct sg_events_config {
    struct sg_out *out;                  /* borrowed */
    bool verbose;                        /* node_output too */
    int32_t jobs;                        /* -j, for estimates */
    const struct sg_usual_source *usual; /* NULL: nothing is known */
};

struct sg_events;
bool sg_events_new(const struct sg_events_config *c, struct sg_events **ret,
                   struct sg_error *err) SG_MUST;
void sg_events_free(struct sg_events *e); /* NULL is fine; the out stays */
struct sg_sink sg_events_sink(struct sg_events *e);

#endif
