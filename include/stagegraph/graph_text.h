/*
 * graph_text: the stages of a graph and what they need: a table, Graphviz's dot, JSON.
 *
 * Floor: report.
 */
#ifndef STAGEGRAPH_GRAPH_TEXT_H
#define STAGEGRAPH_GRAPH_TEXT_H

#include <stdbool.h>

#include "stagegraph/error.h"
#include "stagegraph/graph.h"
#include "stagegraph/out.h"

void sg_graph_text_write(struct sg_out *o, const struct sg_graph *g);
/* An edge goes from what is needed to what needs it; dashed: optional; dotted: order only. */
void sg_graph_text_dot(struct sg_out *o, const struct sg_graph *g);
/* `graph file store timezone partition stages[]`, each `name title source partition needs[]`, each
 * `stage need kind first last optional order_only`. False: memory. */
bool sg_graph_text_json(struct sg_out *o, const struct sg_graph *g, struct sg_error *err) SG_MUST;

#endif
