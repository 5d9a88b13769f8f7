#include "stagegraph/hash.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Inlined into this file: the hashes of a plan are many and short, and with the library's own
 * functions the calls would cost as much as the hashing. */
#define XXH_INLINE_ALL
#include <xxhash.h>

/* A piece of a file: large enough that the system call does not matter, small enough for the
 * second-level cache. */
#define PIECE ((size_t)256 << 10)

struct sg_hasher {
    XXH3_state_t state; /* aligned for vector loads, by its own type */
};

static struct sg_hash128 of_xxh(XXH128_hash_t h)
{
    return (struct sg_hash128){ .hi = h.high64, .lo = h.low64 };
}

struct sg_hash128 sg_hash128_of(const void *bytes, size_t n)
{
    return of_xxh(XXH3_128bits(bytes, n));
}

uint64_t sg_hash64_of(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

struct sg_hasher *sg_hasher_new(struct sg_error *err)
{
    struct sg_hasher *h = aligned_alloc(_Alignof(struct sg_hasher), sizeof(*h));

    if (h == NULL) {
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for %zu bytes", sizeof(*h));
        return NULL;
    }
    memset(h, 0, sizeof(*h));
    sg_hasher_reset(h);
    return h;
}

void sg_hasher_free(struct sg_hasher *h)
{
    free(h);
}

void sg_hasher_reset(struct sg_hasher *h)
{
    (void)XXH3_128bits_reset(&h->state); /* fails for NULL only, and so does update */
}

void sg_hasher_bytes(struct sg_hasher *h, const void *bytes, size_t n)
{
    if (n != 0)
        (void)XXH3_128bits_update(&h->state, bytes, n);
}

void sg_hasher_u64(struct sg_hasher *h, uint64_t v)
{
    uint64_t le = htole64(v);

    (void)XXH3_128bits_update(&h->state, &le, sizeof(le));
}

void sg_hasher_text(struct sg_hasher *h, const char *text)
{
    size_t n = strlen(text);

    sg_hasher_u64(h, n);
    sg_hasher_bytes(h, text, n);
}

struct sg_hash128 sg_hasher_end(const struct sg_hasher *h)
{
    return of_xxh(XXH3_128bits_digest(&h->state));
}

bool sg_hash128_fd(int fd, const atomic_bool *stop, struct sg_hash128 *ret, int64_t *ret_len,
                   struct sg_error *err)
{
    struct sg_hasher *h = sg_hasher_new(err);
    char *piece = NULL;
    int64_t len = 0;
    bool ok = false;
    ssize_t n;

    if (h == NULL)
        return false;
    piece = malloc(PIECE);
    if (piece == NULL) {
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for %zu bytes", PIECE);
        goto done;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* only a hint */
    for (;;) {
        if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed)) {
            sg_error_set(err, SG_ERROR_SYSTEM, 0, "interrupted");
            goto done;
        }
        n = pread(fd, piece, PIECE, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            sg_error_set(err, SG_ERROR_SYSTEM, errno, "read");
            goto done;
        }
        if (n == 0)
            break;
        sg_hasher_bytes(h, piece, (size_t)n);
        len += n;
    }
    *ret = sg_hasher_end(h);
    *ret_len = len;
    ok = true;
done:
    free(piece);
    sg_hasher_free(h);
    return ok;
}

static void format_hex(uint64_t v, char ret[16])
{
    for (int i = 15; i >= 0; i--) {
        ret[i] = "0123456789abcdef"[v & 15];
        v >>= 4;
    }
}

#define DIGIT 0x10 /* a bit that all digits have */

/* Without a branch a digit: which of them are letters is as good as random, and half of these
 * branches would be guessed wrong. */
static bool parse_hex(const char *text, uint64_t *ret)
{
    static const unsigned char digits[256] = {
        ['0'] = DIGIT,      ['1'] = DIGIT | 1,  ['2'] = DIGIT | 2,  ['3'] = DIGIT | 3,
        ['4'] = DIGIT | 4,  ['5'] = DIGIT | 5,  ['6'] = DIGIT | 6,  ['7'] = DIGIT | 7,
        ['8'] = DIGIT | 8,  ['9'] = DIGIT | 9,  ['a'] = DIGIT | 10, ['b'] = DIGIT | 11,
        ['c'] = DIGIT | 12, ['d'] = DIGIT | 13, ['e'] = DIGIT | 14, ['f'] = DIGIT | 15,
    };
    uint64_t v = 0;
    unsigned all = DIGIT;

    for (int i = 0; i < 16; i++) {
        unsigned char digit = digits[(unsigned char)text[i]];

        all &= digit;
        v = v << 4 | (digit & 0xfu);
    }
    if ((all & DIGIT) == 0)
        return false;
    *ret = v;
    return true;
}

void sg_hash128_format(struct sg_hash128 h, char ret[SG_HASH128_TEXT])
{
    format_hex(h.hi, ret);
    format_hex(h.lo, ret + 16);
    ret[32] = '\0';
}

void sg_hash64_format(uint64_t h, char ret[SG_HASH64_TEXT])
{
    format_hex(h, ret);
    ret[16] = '\0';
}

bool sg_hash128_parse(const char *text, size_t n, struct sg_hash128 *ret)
{
    struct sg_hash128 h;

    if (n != 32 || !parse_hex(text, &h.hi) || !parse_hex(text + 16, &h.lo))
        return false;
    *ret = h;
    return true;
}

bool sg_hash64_parse(const char *text, size_t n, uint64_t *ret)
{
    return n == 16 && parse_hex(text, ret);
}
