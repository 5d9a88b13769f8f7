/*
 * digest: the inputs of a node as one number, which a plan compares, and the sum of a window of
 * versions that moves along a stage.
 *
 * Floor: record. docs/formats.md, "Hashes"; docs/design.md, "Windows".
 *
 * A node that needs a year of hours shares all but two of its versions with its neighbour. So the
 * versions of a need count as a polynomial over them, which gains one at its end and loses one at
 * its beginning in a few nanoseconds, whatever lies between:
 *
 *   struct sg_sum w = SG_SUM_INIT;
 *   sg_sum_add(&w, 5); sg_sum_add(&w, 7); sg_sum_add(&w, 9);
 *   sg_sum_drop(&w, 5);                           w is what adding 7 and 9 would have made
 *
 * Two lists of one length that differ have one sum with a chance of 2^-61 where versions are
 * hashes; lists that differ in one version never (but for versions that are equal modulo 2^61 - 1).
 * Digests are kept in caches only: no format of the store depends on them.
 */
#ifndef STAGEGRAPH_DIGEST_H
#define STAGEGRAPH_DIGEST_H

#include <stdint.h>

struct sg_input;

struct sg_sum {
    uint64_t value;
    uint64_t power; /* what the oldest of one more would be multiplied by */
    uint32_t n;     /* versions in it */
};

#define SG_SUM_INIT                                                                                \
    {                                                                                              \
        .value = 0, .power = 1, .n = 0                                                             \
    }

/* The sum is v[0] · B^(n-1) + v[1] · B^(n-2) + … + v[n-1] modulo P; OVER_B times B is 1. */
#define SG_SUM_P      ((UINT64_C(1) << 61) - 1)
#define SG_SUM_B      UINT64_C(0x171e273a7984a8ab)
#define SG_SUM_OVER_B UINT64_C(0x47e10f860d264c9)

static inline uint64_t sg_sum_reduce(uint64_t v)
{
    v = (v & SG_SUM_P) + (v >> 61);
    return v >= SG_SUM_P ? v - SG_SUM_P : v;
}

/* Of two that are reduced. */
static inline uint64_t sg_sum_times(uint64_t a, uint64_t b)
{
    unsigned __int128 both = (unsigned __int128)a * b;

    return sg_sum_reduce(((uint64_t)both & SG_SUM_P) + (uint64_t)(both >> 61));
}

/* A version at the end; 0: of what is absent, which has a place too. */
static inline void sg_sum_add(struct sg_sum *s, uint64_t version)
{
    s->value = sg_sum_reduce(sg_sum_times(s->value, SG_SUM_B) + sg_sum_reduce(version));
    s->power = sg_sum_times(s->power, SG_SUM_B);
    s->n++;
}

/* The oldest one, which is `version`; there is one. */
static inline void sg_sum_drop(struct sg_sum *s, uint64_t version)
{
    s->power = sg_sum_times(s->power, SG_SUM_OVER_B);
    s->value = sg_sum_reduce(s->value + SG_SUM_P - sg_sum_times(sg_sum_reduce(version), s->power));
    s->n--;
}

/* The sum of a list. */
static inline uint64_t sg_sum_of(const uint64_t *versions, uint32_t n)
{
    uint64_t sum = n != 0 ? sg_sum_reduce(versions[0]) : 0;

    for (uint32_t i = 1; i < n; i++)
        sum = sg_sum_reduce(sg_sum_times(sum, SG_SUM_B) + sg_sum_reduce(versions[i]));
    return sum;
}

/* What a need that is not order-only has to do with the digest. */
struct sg_digest_part {
    uint64_t need; /* XXH3-64 of its text */
    uint64_t n, sum;
};
uint64_t sg_digest_of(const struct sg_digest_part *parts, uint32_t n);

/* The same of inputs as a receipt has them; those of order only, whose need begins with '|', left
 * out. */
uint64_t sg_inputs_digest(const struct sg_input *inputs, uint32_t n);

#endif
