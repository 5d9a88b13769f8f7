/*
 * heap: which of some numbers comes first: a binary heap that knows the place of each of them.
 *
 * Floor: run. docs/design.md, "The scheduler".
 *
 * Numbers are ids of the caller's (jobs, stages, pools), and the order among them is the caller's
 * too. The memory is the caller's: `items` has room for all that are ever in it at once; where[id]
 * is 0 outside, so one array may serve heaps that never hold the same id. Nothing here can fail.
 */
#ifndef STAGEGRAPH_HEAP_H
#define STAGEGRAPH_HEAP_H

#include <stdbool.h>
#include <stdint.h>

/* A strict total order: of two ids exactly one comes before the other. */
typedef bool sg_heap_before(const void *ctx, uint32_t a, uint32_t b);

struct sg_heap {
    uint32_t *items, n; /* items[0] is the first, where there is one */
    uint32_t *where;    /* by id: its index in items + 1 */
    sg_heap_before *before;
    const void *ctx;
};

/* Adds id, or finds the new place of one that is in it and whose order changed. */
void sg_heap_put(struct sg_heap *h, uint32_t id);
/* Not in it: nothing. The order of id itself may be undefined by now. */
void sg_heap_remove(struct sg_heap *h, uint32_t id);

#endif
