/*
 * code: the files that a stage's `code` patterns name, with a hash of each.
 *
 * Floor: graph. docs/design.md, "Code".
 *
 * Paths are relative to the graph file's directory, sorted bytewise. Symbolic links to files are
 * followed for content, links to directories are not walked. A file that changes while it is hashed
 * is hashed again. Hashes are remembered by (device, inode, length, mtime, ctime) while the
 * sg_code_cache lives, so that asking again before an attempt costs a stat a file.
 */
#ifndef STAGEGRAPH_CODE_H
#define STAGEGRAPH_CODE_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/arena.h"
#include "stagegraph/error.h"
#include "stagegraph/hash.h"

struct sg_code_file {
    const char *path; /* relative */
    struct sg_hash128 hash;
};

struct sg_code_cache; /* one a run; safe to use from several threads */
struct sg_code_cache *sg_code_cache_new(struct sg_error *err) SG_MUST;
void sg_code_cache_free(struct sg_code_cache *c);

/* All files that match any of the patterns. A pattern that matches nothing is code graph, naming
 * it. *ret lies in the arena. */
bool sg_code_list(struct sg_code_cache *c, struct sg_arena *a, const char *dir,
                  const char *const *patterns, size_t n_patterns, struct sg_code_file **ret,
                  size_t *ret_n, struct sg_error *err) SG_MUST;

#endif
