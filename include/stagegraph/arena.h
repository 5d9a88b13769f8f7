/*
 * arena: memory with one lifetime (a graph's, a plan's), freed all at once.
 *
 * Floor: base. docs/design.md, "Memory".
 *
 * What lies in an arena is never freed alone, and its pointers don't outlive it. Blocks are zeroed
 * and aligned for any type. An allocation of any size works; large ones get a block of their own.
 * What can't be had is code memory.
 */
#ifndef STAGEGRAPH_ARENA_H
#define STAGEGRAPH_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/buf.h"
#include "stagegraph/error.h"

struct sg_arena {
    struct sg_arena_block *block; /* newest first */
    size_t bytes;                 /* handed out so far, without what lies unused in blocks */
};

#define SG_ARENA_INIT                                                                              \
    {                                                                                              \
        .block = NULL                                                                              \
    }

void sg_arena_done(struct sg_arena *a);

/* n * size zeroed bytes, or NULL with err set (overflow included). n * size = 0 gives a valid
 * pointer. */
void *sg_arena_new(struct sg_arena *a, size_t n, size_t size, struct sg_error *err) SG_MUST;
/* A NUL-terminated copy; NULL with err set. Not aligned: texts lie close together. */
char *sg_arena_text(struct sg_arena *a, const char *text, struct sg_error *err) SG_MUST;
char *sg_arena_copy(struct sg_arena *a, struct sg_span s, struct sg_error *err) SG_MUST;
char *sg_arena_printf(struct sg_arena *a, struct sg_error *err, const char *fmt, ...) SG_MUST
    SG_PRINTF(3, 4);

/* Typed: struct foo *f = SG_ARENA_NEW(a, n, struct foo, err); */
#define SG_ARENA_NEW(a, n, type, err) ((type *)sg_arena_new((a), (n), sizeof(type), (err)))

/*
 * Grows an array that is built in an arena: makes room for one more of `size` bytes in *items
 * (n of them in use, *cap the room, 0 at first), doubling. The old copy stays in the arena; the
 * new room is zeroed. On failure *items and *cap are as they were.
 *     if (!sg_arena_grow(a, (void **)&f->at, f->n, &f->cap, sizeof(*f->at), err)) ...
 */
bool sg_arena_grow(struct sg_arena *a, void **items, size_t n, size_t *cap, size_t size,
                   struct sg_error *err) SG_MUST;

#endif
