/*
 * Stamps: XXH3 over a message that is put together from fixed-size integers (64 bits,
 * little-endian) and texts (their length, then their bytes). docs/formats.md, "Hashes".
 *
 * Nearly all messages are shorter than a page: those are hashed in one go, which is several times
 * faster than XXH3's stream. The result is the same.
 */
#include "stagegraph/marker.h"

#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SHORT 1024

struct message {
    bool long_; /* `state` is in use, and holds what came before `at` */
    size_t n;   /* bytes in `at` */
    XXH3_state_t state;
    char at[SHORT];
};

static void spill(struct message *m)
{
    if (!m->long_)
        (void)XXH3_128bits_reset(&m->state); /* fails for NULL only, and so does update */
    m->long_ = true;
    (void)XXH3_128bits_update(&m->state, m->at, m->n);
    m->n = 0;
}

static void add_bytes(struct message *m, const char *bytes, size_t n)
{
    while (n > SHORT - m->n) {
        size_t part = SHORT - m->n;

        memcpy(m->at + m->n, bytes, part);
        m->n = SHORT;
        bytes += part;
        n -= part;
        spill(m);
    }
    memcpy(m->at + m->n, bytes, n);
    m->n += n;
}

static inline void add_u64(struct message *m, uint64_t v)
{
    uint64_t le = htole64(v);

    if (SHORT - m->n < sizeof(le))
        spill(m);
    memcpy(m->at + m->n, &le, sizeof(le));
    m->n += sizeof(le);
}

static void add_inputs(struct message *m, const struct sg_input *inputs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct sg_input *in = &inputs[i];
        size_t len;

        if (in->need[0] == '|') /* order only */
            continue;
        len = strlen(in->need);
        add_u64(m, len);
        add_bytes(m, in->need, len);
        add_u64(m, in->count);
        for (uint32_t k = 0; k < in->count; k++)
            add_u64(m, in->versions[k]);
    }
}

struct sg_hash128 sg_stamp_of(struct sg_hash128 recipe, const struct sg_input *inputs, uint32_t n)
{
    struct message m; /* not zeroed: most of it is never used */
    XXH128_hash_t h;

    m.long_ = false;
    m.n = 0;
    add_u64(&m, recipe.hi);
    add_u64(&m, recipe.lo);
    add_inputs(&m, inputs, n);
    if (m.long_) {
        spill(&m);
        h = XXH3_128bits_digest(&m.state);
    } else {
        h = XXH3_128bits(m.at, m.n);
    }
    return (struct sg_hash128){ .hi = h.high64, .lo = h.low64 };
}

uint64_t sg_version_short(struct sg_hash128 version)
{
    return version.hi != 0 ? version.hi : 1;
}
