/*
 * pieces: one piece of work after the other, on several threads.
 *
 * Floor: base. docs/design.md, "The event loop".
 *
 * For loops over many things that wait (for a disk, for a server) or that several processors share.
 * The caller works too, and comes back when all is done.
 */
#ifndef STAGEGRAPH_PIECES_H
#define STAGEGRAPH_PIECES_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/error.h"

#define SG_PIECES_THREADS 64u /* the most that there are at once */

/* Does [first, end); from several threads at once. */
typedef bool sg_piece_fn(void *ctx, size_t first, size_t end, struct sg_error *err);

/* fn over [0, n) in pieces that begin at multiples of `grain` (at least 1), on as many threads as
 * there are pieces, at most `threads` (0 counts as 1). Where a thread is not to be had, fewer do
 * it. After a failure no more pieces begin; err is the first one's. */
bool sg_in_pieces(size_t n, size_t grain, size_t threads, sg_piece_fn *fn, void *ctx,
                  struct sg_error *err) SG_MUST;

/* How many processors this process may use, at most `most`, at least 1. */
size_t sg_processors(size_t most);

#endif
