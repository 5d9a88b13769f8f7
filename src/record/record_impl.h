/*
 * record_impl: what the files of this floor share (private).
 */
#ifndef STAGEGRAPH_RECORD_IMPL_H
#define STAGEGRAPH_RECORD_IMPL_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/buf.h"
#include "stagegraph/error.h"
#include "stagegraph/marker.h"

#define SG_INPUTS_DIR  "_stagegraph/inputs"
#define SG_RECIPES_DIR "_stagegraph/recipes"

/* Takes back what was added behind `len`. */
static inline void sg_record_cut(struct sg_buf *b, size_t len)
{
    b->len = len;
    if (b->at != NULL)
        b->at[len] = '\0';
}

/* The text of an inputs file into ret->inputs; *ret_valid false: it is none. */
bool sg_receipt_parse_inputs(struct sg_arena *a, struct sg_span text, struct sg_receipt *ret,
                             bool *ret_valid, struct sg_error *err) SG_MUST;

#endif
