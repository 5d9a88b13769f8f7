/*
 * recorder: a sink that keeps runs and attempts in the history.
 *
 * Floor: report. docs/design.md, "The history".
 *
 *   sg_recorder_new → a run with sg_recorder_sink() among its sinks → sg_recorder_free
 *
 * No failure of the history fails a run: the first is told once through `notice`, and nothing more
 * is written. The run's row is there from the plan on (so that a run that dies can be resumed), an
 * attempt's row from its end; nodes that were skipped have a row with attempt 0 and no measures (of
 * what was blocked, busy or never started at most the first 1000).
 */
#ifndef STAGEGRAPH_RECORDER_H
#define STAGEGRAPH_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/error.h"
#include "stagegraph/event.h"
#include "stagegraph/history.h"

struct sg_recorder_config {
    struct sg_history *history; /* borrowed; NULL: nothing is written */
    const char *command; /* the words of the command line, for people; borrowed, as all here */
    const char *request; /* as JSON, for resume; NULL: not resumable */
    int64_t now_s;
    bool explicit_range;
    int32_t pid;
    const char *host, *boot;
    void (*notice)(void *ctx, const char *text); /* may be NULL */
    void *ctx;
};

struct sg_recorder;
bool sg_recorder_new(const struct sg_recorder_config *c, struct sg_recorder **ret,
                     struct sg_error *err) SG_MUST;
void sg_recorder_free(struct sg_recorder *r); /* NULL is fine; the history stays open */
struct sg_sink sg_recorder_sink(struct sg_recorder *r);

#endif
