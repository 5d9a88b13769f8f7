/*
 * tree: a store as it is when all nodes of a graph have been made, without running anything.
 */
#ifndef SG_BENCH_TREE_H
#define SG_BENCH_TREE_H

#include <stdint.h>

#include "stagegraph/plan.h"

/* Opens a graph file as commands do, without a profile. What is wrong goes to standard error. */
bool sg_bench_graph(const char *path, struct sg_graph **ret, struct sg_error *err) SG_MUST;

/* What a scan would find of nodes that are all done: into a plan that was only begun. */
bool sg_bench_fill(struct sg_plan *p, struct sg_error *err) SG_MUST;

/* Receipts, recipes and, with a name for it, an empty data file a node; the graph has no sources.
 * *ret_nodes: how many. */
bool sg_bench_tree(const struct sg_plan_config *c, const char *data, uint32_t *ret_nodes,
                   struct sg_error *err) SG_MUST;

#endif
