#include "stagegraph/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks double from the first to the last size: a small graph stays small, a large one asks the
 * system seldom. What is larger than a quarter of the next block gets one of its own. */
#define FIRST_BLOCK ((size_t)4096)
#define LAST_BLOCK  ((size_t)1 << 20)

struct sg_arena_block {
    struct sg_arena_block *next;
    size_t used, cap;
    alignas(max_align_t) char at[];
};

void sg_arena_done(struct sg_arena *a)
{
    struct sg_arena_block *next;

    for (struct sg_arena_block *b = a->block; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    a->block = NULL;
    a->bytes = 0;
}

static struct sg_arena_block *new_block(size_t cap, struct sg_error *err)
{
    struct sg_arena_block *b = NULL;

    if (cap <= PTRDIFF_MAX - sizeof(*b))
        b = calloc(1, sizeof(*b) + cap); /* zeroed here, once; no byte is handed out twice */
    if (b == NULL)
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for %zu bytes", cap);
    else
        b->cap = cap;
    return b;
}

/* Room at the end of the newest block, or a new block. align is a power of two that max_align_t
 * is a multiple of. */
static void *take(struct sg_arena *a, size_t size, size_t align, struct sg_error *err)
{
    struct sg_arena_block *b = a->block, *fresh;
    size_t at, cap = FIRST_BLOCK;

    if (size == 0)
        size = 1;
    if (b != NULL) {
        at = (b->used + align - 1) & ~(align - 1);
        if (at <= b->cap && size <= b->cap - at) {
            b->used = at + size;
            a->bytes += size;
            return b->at + at;
        }
        cap = b->cap < LAST_BLOCK ? b->cap * 2 : LAST_BLOCK;
    }
    if (size > cap / 4) {
        fresh = new_block(size, err);
        if (fresh == NULL)
            return NULL;
        if (b != NULL) { /* behind the newest, which goes on being filled */
            fresh->next = b->next;
            b->next = fresh;
        } else {
            a->block = fresh;
        }
    } else {
        fresh = new_block(cap, err);
        if (fresh == NULL)
            return NULL;
        fresh->next = b;
        a->block = fresh;
    }
    fresh->used = size;
    a->bytes += size;
    return fresh->at;
}

void *sg_arena_new(struct sg_arena *a, size_t n, size_t size, struct sg_error *err)
{
    size_t all;

    if (__builtin_mul_overflow(n, size, &all)) {
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for %zu times %zu bytes", n, size);
        return NULL;
    }
    return take(a, all, alignof(max_align_t), err);
}

char *sg_arena_copy(struct sg_arena *a, struct sg_span s, struct sg_error *err)
{
    char *copy = take(a, s.len + 1, 1, err); /* no object is SIZE_MAX long */

    if (copy != NULL && s.len != 0)
        memcpy(copy, s.at, s.len); /* the NUL behind it is there: blocks are zeroed */
    return copy;
}

char *sg_arena_text(struct sg_arena *a, const char *text, struct sg_error *err)
{
    return sg_arena_copy(a, sg_span_of(text), err);
}

char *sg_arena_printf(struct sg_arena *a, struct sg_error *err, const char *fmt, ...)
{
    char small[256], *text = NULL;
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    if (n < 0)
        sg_error_set(err, SG_ERROR_SYSTEM, errno, "format");
    else if ((size_t)n < sizeof(small))
        text = sg_arena_copy(a, (struct sg_span){ .at = small, .len = (size_t)n }, err);
    else if ((text = take(a, (size_t)n + 1, 1, err)) != NULL)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return text;
}

bool sg_arena_grow(struct sg_arena *a, void **items, size_t n, size_t *cap, size_t size,
                   struct sg_error *err)
{
    size_t more = *cap == 0 ? 8 : *cap * 2;
    void *old, *grown;

    if (n < *cap)
        return true;
    if (more < *cap) {
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for twice %zu items", *cap);
        return false;
    }
    grown = sg_arena_new(a, more, size, err);
    if (grown == NULL)
        return false;
    /* By bytes: `items` is the address of a pointer of another type, cast by the caller. */
    memcpy(&old, items, sizeof(old));
    if (n != 0)
        memcpy(grown, old, n * size);
    memcpy(items, &grown, sizeof(grown));
    *cap = more;
    return true;
}
