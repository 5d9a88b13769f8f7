/*
 * hash: XXH3, 64 and 128 bits, of bytes and of files, and its text form.
 *
 * Floor: base. docs/formats.md, "Hashes".
 *
 * The text form is the canonical (big-endian) one, in lower-case hex: 32 digits for 128 bits, 16
 * for 64. The algorithm is libxxhash's XXH3 with seed 0 (https://xxhash.com). It detects change
 * and damage; it is no defence against somebody who forges data.
 */
#ifndef STAGEGRAPH_HASH_H
#define STAGEGRAPH_HASH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/error.h"

struct sg_hash128 {
    uint64_t hi, lo; /* hi is the first 16 digits of the text form */
};

#define SG_HASH128_TEXT 33 /* with the NUL */
#define SG_HASH64_TEXT  17

struct sg_hash128 sg_hash128_of(const void *bytes, size_t n);
uint64_t sg_hash64_of(const void *bytes, size_t n);

/* A hash over many pieces. Every value is fed with its length or in a fixed size, so that
 * neighbours can't be confused ("ab" "c" is not "a" "bc"). */
struct sg_hasher;
struct sg_hasher *sg_hasher_new(struct sg_error *err) SG_MUST;
void sg_hasher_free(struct sg_hasher *h);
void sg_hasher_reset(struct sg_hasher *h);
void sg_hasher_bytes(struct sg_hasher *h, const void *bytes, size_t n); /* without a length */
void sg_hasher_u64(struct sg_hasher *h, uint64_t v);                    /* little-endian */
void sg_hasher_text(struct sg_hasher *h, const char *text);             /* length, then bytes */
/* The hash of what was fed since the reset; more may be fed afterwards. */
struct sg_hash128 sg_hasher_end(const struct sg_hasher *h);

/* The contents of an open file from its beginning, read in large pieces; *ret_len is the number of
 * bytes read. The descriptor's position is neither used nor moved; one that can't seek (a pipe) is
 * an error, and so is a *stop that turns true (NULL: never). The error (code system or memory)
 * doesn't name the file. */
bool sg_hash128_fd(int fd, const atomic_bool *stop, struct sg_hash128 *ret, int64_t *ret_len,
                   struct sg_error *err) SG_MUST;

void sg_hash128_format(struct sg_hash128 h, char ret[SG_HASH128_TEXT]);
void sg_hash64_format(uint64_t h, char ret[SG_HASH64_TEXT]);
/* Exactly 32 (16) lower-case digits, nothing after them within n bytes; false: ret is untouched. */
bool sg_hash128_parse(const char *text, size_t n, struct sg_hash128 *ret) SG_MUST;
bool sg_hash64_parse(const char *text, size_t n, uint64_t *ret) SG_MUST;

static inline bool sg_hash128_is(struct sg_hash128 a, struct sg_hash128 b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

#endif
