/*
 * scratch_store: a scratch directory with a durable store in it, as most tests of stores want it.
 */
#ifndef SG_SCRATCH_STORE_H
#define SG_SCRATCH_STORE_H

#include "stagegraph/store.h"

#include "scratch.h"

/* `err` is cleared. */
struct sg_store *scratch_store_open(struct scratch *s, struct sg_error *err);
void scratch_store_close(struct scratch *s, struct sg_store *store);

#endif
