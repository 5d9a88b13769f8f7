/*
 * recipe: the parts of a stamp that all nodes built the same way share, as one list of parts.
 *
 * Floor: record. docs/formats.md, "Recipe"; docs/design.md, "One description".
 *
 * One description feeds the hash, the stored text and the explanation, so they can't drift apart:
 * a recipe is a sorted list of parts (kind, name, value); its text has a part a line; its name is
 * the XXH3-128 of its text; two recipes are compared part by part.
 */
#ifndef STAGEGRAPH_RECIPE_H
#define STAGEGRAPH_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/error.h"
#include "stagegraph/graph.h"
#include "stagegraph/hash.h"
#include "stagegraph/store.h"

/* In the order in which they give a node's reason. */
enum sg_part_kind {
    SG_PART_CODE,    /* name: path, value: its hash */
    SG_PART_COMMAND, /* name: "command", "env.NAME" or "check"; value: the words as a JSON array */
    SG_PART_PARAM,   /* name: the param, value: its value */
    SG_PART_VERSION, /* name: "version", value: the key's value */
    SG_PART_NEED     /* name: position as three digits, value: the need's canonical text */
};

struct sg_part {
    enum sg_part_kind kind;
    const char *name, *value;
};

struct sg_recipe {
    struct sg_part *parts; /* sorted by kind, then name; in the arena */
    size_t n_parts;
    struct sg_hash128 hash;
};

/* The recipe of a stage as of now: code is read (through the cache). Order-only needs are not part
 * of it. Code graph where a code pattern matches nothing. */
struct sg_code_cache;
bool sg_recipe_of(const struct sg_graph *g, const struct sg_stage *s, struct sg_code_cache *cache,
                  struct sg_arena *a, struct sg_recipe *ret, struct sg_error *err) SG_MUST;

bool sg_recipe_format(const struct sg_recipe *r, struct sg_buf *out, struct sg_error *err) SG_MUST;
/* *ret_valid false: the text is not a recipe of that hash (damaged). */
bool sg_recipe_parse(struct sg_arena *a, struct sg_span text, struct sg_hash128 hash,
                     struct sg_recipe *ret, bool *ret_valid, struct sg_error *err) SG_MUST;

/* _stagegraph/recipes/HASH in the store. Writing one that is there already costs a stat. Reading:
 * *ret_found false when it is lost or damaged. */
bool sg_recipe_write(struct sg_store *s, const struct sg_recipe *r, struct sg_error *err) SG_MUST;
bool sg_recipe_read(struct sg_store *s, struct sg_hash128 hash, struct sg_arena *a,
                    struct sg_recipe *ret, bool *ret_found, struct sg_error *err) SG_MUST;

/* Each part that differs, in order of kind and name: before or after is NULL where it is only in
 * the other. fn returns false to stop. */
typedef bool sg_recipe_diff_fn(void *ctx, enum sg_part_kind kind, const char *name,
                               const char *before, const char *after);
void sg_recipe_diff(const struct sg_recipe *before, const struct sg_recipe *after,
                    sg_recipe_diff_fn *fn, void *ctx);

#endif
