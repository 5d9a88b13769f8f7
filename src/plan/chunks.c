/* Work over many nodes, on as many threads as pay with the store. */
#include "plan_impl.h"

#define REMOTE  4u  /* nodes that a thread takes at a time where each costs requests */
#define THREADS 16u /* of ours; a store may want more */

size_t sg_chunk_grain(const struct sg_store *store)
{
    return sg_store_threads(store) != 0 ? REMOTE : SG_CHUNK;
}

bool sg_in_chunks(const struct sg_store *store, size_t n, sg_piece_fn *fn, void *ctx,
                  struct sg_error *err)
{
    size_t threads = sg_store_threads(store); /* that wait for it: as many as it says */

    if (threads == 0 && n > SG_CHUNK)
        threads = sg_processors(THREADS);
    return sg_in_pieces(n, sg_chunk_grain(store), threads, fn, ctx, err);
}
