/*
 * tally: how many markers were made by each recipe of each stage, for the cache of markers.
 *
 * Floor: record, private to cache. docs/formats.md, "The cache of markers".
 */
#ifndef SG_RECORD_TALLY_H
#define SG_RECORD_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/hash.h"

/* As the file has it. */
struct sg_tally_row {
    struct sg_hash128 stage, recipe;
    int64_t first, end; /* the hull of their indexes */
    uint64_t n, zero;
};

/* More are not counted: a graph changes some times a year. */
#define SG_TALLY_MOST 1024

struct sg_tally {
    struct sg_tally_row *rows; /* owned */
    size_t n, cap, last;
    bool lost; /* there were more, or no memory for them */
};

#define SG_TALLY_INIT                                                                              \
    {                                                                                              \
        .rows = NULL, .n = 0, .cap = 0, .last = 0, .lost = false                                   \
    }

/* n markers of one recipe, the first and the one behind the last of which are known. */
void sg_tally_add(struct sg_tally *t, const struct sg_tally_row *run);
void sg_tally_done(struct sg_tally *t);

#endif
