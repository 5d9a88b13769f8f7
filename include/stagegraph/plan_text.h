/*
 * plan_text: the table of a plan, for people.
 *
 * Floor: report. docs/design.md, "Reports of a plan"; section 8 of the contract.
 *
 * A header line, a row a group of what will run, a line of totals, then what is blocked and busy
 * and what it lacks, notices, and the debt. With nothing to run it says so, and how to force it.
 */
#ifndef STAGEGRAPH_PLAN_TEXT_H
#define STAGEGRAPH_PLAN_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/out.h"
#include "stagegraph/store.h"
#include "stagegraph/view.h"

struct sg_plan_text {
    const char *program; /* "stagegraph", with -C and -f as they were given: for commands shown */
    int32_t jobs;        /* -j */
    bool verbose;        /* a column with the 90th percentile */
    const struct sg_usual_source *usual; /* NULL: nothing is known */
    struct sg_out *notices;              /* where the plan's notices go; NULL: nowhere */
};

void sg_plan_text_write(struct sg_out *o, const struct sg_view *v, const struct sg_plan_text *how);

/* The parts that a run shows too, each line ended: blocked and busy groups (at most `most` groups
 * of each, then "… and 12 more groups"), and what is stale but will not run:
 * "26,256 silver outdated by code: stagegraph backfill --stale=code". */
void sg_plan_text_lacking(struct sg_out *o, const struct sg_view *v, uint32_t most);
void sg_plan_text_debts(struct sg_out *o, const struct sg_view *v, const char *program);
/* "Nothing to do: 147 fresh. (--force runs it anyway)", or what else keeps everything from running.
 */
void sg_plan_text_nothing(struct sg_out *o, const struct sg_view *v);
/* "Store: 97 requests, 812 KiB" */
void sg_plan_text_traffic(struct sg_out *o, const struct sg_store_traffic *t);

#endif
