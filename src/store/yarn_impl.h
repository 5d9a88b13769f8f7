/*
 * yarn_impl: what stands behind stagegraph/yarn.h: the module's REST client, or a test's fake.
 *
 * Floor: store; private. A client is a struct that begins with struct sg_yarn.
 */
#ifndef STAGEGRAPH_YARN_IMPL_H
#define STAGEGRAPH_YARN_IMPL_H

#include <stdatomic.h>

#include "stagegraph/yarn.h"

/* What is left of a wait when somebody is in a hurry. */
#define SG_YARN_HURRIED_MS 5000

struct sg_yarn_ops {
    void (*free)(struct sg_yarn *y);
    /* Adds to *ret, which is empty. */
    bool (*find)(struct sg_yarn *y, const char *tag, struct sg_yarn_apps *ret,
                 struct sg_error *err);
    /* Asks for its end; that it has ended is seen by looking. */
    bool (*kill)(struct sg_yarn *y, const char *id, struct sg_error *err);
    bool (*look)(struct sg_yarn *y, struct sg_yarn_cluster *ret, struct sg_error *err);
};

struct sg_yarn {
    const struct sg_yarn_ops *ops;
    int64_t deadline_ms;
    int64_t pause_ms; /* between two looks */
    int64_t quiet_ms; /* after a kill */
    atomic_bool hurried;
    const char *where;  /* who is asked, for people; NULL: YARN */
    int64_t silence_ms; /* what is told of */
    atomic_uint waiting;
    _Atomic int64_t since_ns; /* the first of them began, or another was answered */
};

/* What stagegraph-webhdfs.so exports. *ret NULL: no ResourceManager is named. */
typedef bool sg_yarn_open_fn(const struct sg_yarn_config *c, struct sg_yarn **ret,
                             struct sg_error *err);
#define SG_YARN_SYMBOL "sg_yarn_rm_open"
sg_yarn_open_fn sg_yarn_rm_open;

#endif
