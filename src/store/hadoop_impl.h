/*
 * hadoop_impl: the configuration that hadoop.c reads, for hadoop_namenodes.c to look through.
 *
 * Floor: store; private. docs/design.md, "Hadoop's configuration".
 */
#ifndef STAGEGRAPH_HADOOP_IMPL_H
#define STAGEGRAPH_HADOOP_IMPL_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/arena.h"
#include "stagegraph/hadoop.h"

struct hadoop_property {
    const char *name;
    const char *value; /* as written; NULL: none */
    bool final;
};

struct sg_hadoop {
    struct sg_arena arena;
    const char *dir; /* "" none */
    const char *user;
    const char *(*getenv)(const char *name);
    struct hadoop_property *at; /* each name once, in the order of the files */
    size_t n, cap;
    size_t files; /* how many were there */
};

#endif
