/*
 * explain_text: why a node is stale, or not: the verdict in one sentence, then every part.
 *
 * Floor: report.
 */
#ifndef STAGEGRAPH_EXPLAIN_TEXT_H
#define STAGEGRAPH_EXPLAIN_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/error.h"
#include "stagegraph/out.h"
#include "stagegraph/plan.h"

/* Asks the plan and shows it. A node outside of the view is code usage. */
bool sg_explain_text_node(struct sg_out *o, const struct sg_plan *p, struct sg_node_id n,
                          struct sg_error *err) SG_MUST;

/* The same from rows that are there: `!` in front of what differs, unequal texts cut to fit. */
void sg_explain_text_write(struct sg_out *o, const struct sg_explanation *x,
                           const struct sg_explain_row *rows, uint32_t n);

#endif
