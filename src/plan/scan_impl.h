/*
 * scan_impl: what reads markers and sources (scan_read.c), for who says which (scan.c).
 *
 * Floor: plan. docs/design.md, "The plan".
 */
#ifndef STAGEGRAPH_SCAN_IMPL_H
#define STAGEGRAPH_SCAN_IMPL_H

#include "plan_impl.h"

#define SG_SCAN_FEW 16u /* nodes that are read without a look at which are there */
#define SG_SCAN_SOME                                                                               \
    64u /* nodes whose own identities are asked for, where that costs a request                    \
         */

struct sg_scan_item {
    uint32_t node, stage;
    const char *path; /* of the marker; of a source its own */
};

struct sg_scan_batch {
    struct sg_plan *p;
    struct sg_scan_item *items;
    struct sg_entry *entries;
    struct sg_entry *found; /* once it was read */
    const char **paths;
    bool *receipts;       /* what was found at a path is one */
    struct sg_buf *texts; /* the paths, one buffer a chunk */
    struct sg_buf *notes; /* the same: what the cache did not know */
    size_t n, grain;
    size_t before; /* items of the whole batch before these */
    bool looked;   /* the entries say what is there */
};

/* Writes paths[first, end): a sg_piece_fn, whose context is the batch. */
bool sg_scan_paths(void *ctx, size_t first, size_t end, struct sg_error *err) SG_MUST;
/* The items' markers, or sources, into the plan; what the cache did not know is noted there. */
bool sg_scan_markers(struct sg_scan_batch *b, struct sg_error *err) SG_MUST;
bool sg_scan_sources(struct sg_scan_batch *b, struct sg_error *err) SG_MUST;
/* The marker that a decision's caller has listed; nothing where he has not. */
bool sg_scan_listed(struct sg_plan *p, struct sg_error *err) SG_MUST;

#endif
