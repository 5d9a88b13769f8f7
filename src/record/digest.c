/*
 * Digests: XXH3-64 over three numbers a need, one of which is the sum of its versions. Numbers are
 * hashed as the machine has them: what is kept of them is in the byte order of the machine too.
 */
#include "stagegraph/digest.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "stagegraph/hash.h"
#include "stagegraph/marker.h"

uint64_t sg_digest_of(const struct sg_digest_part *parts, uint32_t n)
{
    return XXH3_64bits(parts, n * sizeof(*parts));
}

/* As many as there may be; all but a few graphs have less than MANY. */
#define MANY 32

uint64_t sg_inputs_digest(const struct sg_input *inputs, uint32_t n)
{
    struct sg_digest_part parts[MANY];
    XXH3_state_t state;
    uint32_t used = 0;
    bool spilt = false;

    for (uint32_t i = 0; i < n; i++) {
        const struct sg_input *in = &inputs[i];

        if (in->need[0] == '|')
            continue;
        if (used == MANY) {
            if (!spilt)
                (void)XXH3_64bits_reset(&state); /* fails for NULL only, and so does update */
            (void)XXH3_64bits_update(&state, parts, sizeof(parts));
            spilt = true;
            used = 0;
        }
        parts[used++] = (struct sg_digest_part){ sg_hash64_of(in->need, strlen(in->need)),
                                                 in->count, sg_sum_of(in->versions, in->count) };
    }
    if (!spilt)
        return sg_digest_of(parts, used);
    (void)XXH3_64bits_update(&state, parts, used * sizeof(*parts));
    return XXH3_64bits_digest(&state);
}
