/*
 * peers: a plan's nodes and edges as other build systems want them written.
 *
 * A node is the file `name` in its directory, made by `COMMAND FILE`; the files of `code` are
 * inputs of their stage's nodes. Paths are relative to the directory of the graph file, whose store
 * is a directory in it.
 */
#ifndef SG_BENCH_PEERS_H
#define SG_BENCH_PEERS_H

#include "plan_impl.h"

struct sg_bench_peers {
    struct sg_plan *plan; /* only begun */
    const char *root;     /* of the store, as the files are to have it */
    const char *command, *name;
};

/* build.ninja, for ninja, samurai and n2. */
bool sg_bench_ninja(const struct sg_bench_peers *b, struct sg_error *err) SG_MUST;
/* .ninja_log (version 5) of nodes that are all made. */
bool sg_bench_ninja_log(const struct sg_bench_peers *b, struct sg_error *err) SG_MUST;
/* Makefile, for make -r: no rule of its own, and no command that takes a shell, which is what a
 * careful user of large makefiles writes. Its target is all stages that no other needs. */
bool sg_bench_make(const struct sg_bench_peers *b, struct sg_error *err) SG_MUST;
/* FILE: the paths of the nodes' files of that name, a line each. */
bool sg_bench_list(const struct sg_bench_peers *b, const char *file, const char *name,
                   struct sg_error *err) SG_MUST;

#endif
