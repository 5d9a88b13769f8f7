/*
 * history_text: earlier runs and their nodes, as tables and as JSON.
 *
 * Floor: report.
 *
 * JSON is an array of objects with the columns' names of the database (docs/formats.md, "History"),
 * times as RFC 3339 UTC, null for what was not seen.
 */
#ifndef STAGEGRAPH_HISTORY_TEXT_H
#define STAGEGRAPH_HISTORY_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/error.h"
#include "stagegraph/history.h"
#include "stagegraph/out.h"

/* The newest runs, newest first. h may be NULL: there is no history yet. */
bool sg_history_text_runs(struct sg_out *o, struct sg_history *h, int64_t limit, bool json,
                          struct sg_error *err) SG_MUST;

/* Nodes of runs, oldest first. As text, with a stage and without `failed`, the summary of that
 * stage follows, whatever the limit. Rows are written as they are read: of a long listing the first
 * are there at once, and nothing of it is kept. */
bool sg_history_text_attempts(struct sg_out *o, struct sg_history *h,
                              const struct sg_history_filter *f, bool json,
                              struct sg_error *err) SG_MUST;

/* A summary of each stage: results, and of the attempts that are ok median, 90th percentile and
 * maximum of what they took, and the medians of the first and the last quarter of them in time;
 * over the newest f->limit of each stage (0: 10,000, of a run 100,000). JSON is an array with an
 * object a stage (docs/formats.md, "History"). */
bool sg_history_text_summary(struct sg_out *o, struct sg_history *h,
                             const struct sg_history_filter *f, bool json,
                             struct sg_error *err) SG_MUST;

#endif
