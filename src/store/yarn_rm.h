/*
 * yarn_rm: the client of the ResourceManager's REST API, in the module.
 *
 * Floor: store; private. docs/design.md, "YARN".
 */
#ifndef STAGEGRAPH_YARN_RM_H
#define STAGEGRAPH_YARN_RM_H

#include <stdatomic.h>

#include "stagegraph/hadoop.h"
#include "stagegraph/http.h"

#include "yarn_impl.h"

struct yarn_rm {
    struct sg_yarn base;
    struct sg_arena arena;
    struct sg_resource_managers rms;
    struct sg_http *http;
    const char *user;     /* "user.name=…", or "": with Kerberos */
    atomic_size_t active; /* which of them answered last */
    atomic_bool away;     /* none did, for a whole deadline: asked once only, until one does */
    int64_t retry_ms;     /* between two rounds */
    int64_t try_ms;       /* of a pair, what one has to answer in; twice as long in each round */
};

/* ---- yarn_json.c: answers. What is no JSON is an error, code store. ---- */

/* Adds those that have the tag: a server that doesn't know the parameter answers with all. */
bool yarn_json_apps(struct sg_span text, const char *tag, struct sg_yarn_apps *ret,
                    struct sg_error *err) SG_MUST;
/* Of cluster/info, cluster/metrics and cluster/scheduler: what they tell is filled in. */
bool yarn_json_info(struct sg_span text, struct sg_arena *a, struct sg_yarn_manager *ret,
                    struct sg_error *err) SG_MUST;
bool yarn_json_metrics(struct sg_span text, struct sg_yarn_cluster *ret,
                       struct sg_error *err) SG_MUST;
bool yarn_json_queues(struct sg_span text, struct sg_yarn_cluster *ret,
                      struct sg_error *err) SG_MUST;
/* The message of {"RemoteException":{…}}; "" where it is none. */
void yarn_json_message(struct sg_span text, char *ret, size_t size);

#endif
