/*
 * yarn: the applications that a job has on a cluster: found by a tag, ended, and seen to be ended.
 *
 * Floor: store. docs/design.md, "YARN". What asks is the REST API of the ResourceManager, from the
 * module that also has WebHDFS (HTTP, Hadoop's configuration); here is what the others use of it.
 *
 *   sg_yarn_open → sg_yarn_tag, sg_yarn_find, sg_yarn_end … (from any thread) → sg_yarn_free
 *
 * Every attempt has a tag of its own, made of its nonce: whoever has its claim's text knows it. The
 * applications of an attempt are all that carry the tag; YARN keeps tags in lower case.
 *
 * All calls block: at most for `deadline_s`, and as long again where something is ended. Which of a
 * pair of ResourceManagers is active is found out by asking. Errors: store, with the address, for
 * what it refuses and for one that nobody answers for; memory.
 */
#ifndef STAGEGRAPH_YARN_H
#define STAGEGRAPH_YARN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/error.h"

struct sg_yarn;

struct sg_yarn_config {
    const char *module;           /* the path of stagegraph-webhdfs.so */
    const char *resource_manager; /* [yarn]: addresses, "none"; NULL: by yarn-site.xml */
    const char *conf_dir;         /* Hadoop's configuration; NULL: none */
    const char *user;             /* on a simple cluster; NULL: this process's */
    const char *auth, *ca;        /* as of the store */
    int64_t deadline_s;
    const char *(*getenv)(const char *name); /* for the configuration; may be NULL */
};

/* Does it name a ResourceManager, or is there a file that may? Costs a system call at most. */
bool sg_yarn_may_be(const struct sg_yarn_config *c);
/* Loads the module and reads the configuration; nobody is asked. *ret NULL: no ResourceManager is
 * named. Errors: graph, for an address or a file that can't be read; system. */
bool sg_yarn_open(const struct sg_yarn_config *c, struct sg_yarn **ret,
                  struct sg_error *err) SG_MUST;
void sg_yarn_free(struct sg_yarn *y); /* NULL is fine */

/* "stagegraph-<nonce>" */
#define SG_YARN_TAG 48
void sg_yarn_tag(const char *nonce, char ret[SG_YARN_TAG]);

struct sg_yarn_app {
    const char *id; /* "application_1700000000000_0001" */
    const char *name, *user, *queue;
    const char *state;        /* "ACCEPTED", "RUNNING", "FINISHED" … */
    const char *final_status; /* "UNDEFINED" while it runs; "SUCCEEDED", "FAILED", "KILLED" … */
    const char *tracking_url; /* "" where there is none */
    const char *diagnostics;
    bool alive;
    const char *killed; /* by sg_yarn_end(): the state that it was in; else NULL */
};
/* Zeroed is empty. All texts lie in the arena, none is NULL but `killed`. */
struct sg_yarn_apps {
    struct sg_arena arena;
    struct sg_yarn_app *at;
    size_t n, cap;
};
void sg_yarn_apps_done(struct sg_yarn_apps *a);

/* All applications with the tag that the ResourceManager still knows, also those that are over.
 * What *ret held is freed, in any case. */
bool sg_yarn_find(struct sg_yarn *y, const char *tag, struct sg_yarn_apps *ret,
                  struct sg_error *err) SG_MUST;
/* Waits up to patience_ms until none of them is alive; *ret is how they were seen last. */
bool sg_yarn_await(struct sg_yarn *y, const char *tag, int64_t patience_ms,
                   struct sg_yarn_apps *ret, struct sg_error *err) SG_MUST;
/*
 * Kills what is alive, and looks until none is: twice, for what a client sent before it died may
 * still arrive. The client must be gone. Where something was killed its containers get a moment to
 * end, for their nodes hear of it later. False: some may be alive; *ret is how they were seen last
 * (empty, if nobody answers).
 */
bool sg_yarn_end(struct sg_yarn *y, const char *tag, struct sg_yarn_apps *ret,
                 struct sg_error *err) SG_MUST;

/* Somebody can't wait: nothing is asked again, or waited for longer than a few seconds. From a
 * thread that may not block. */
void sg_yarn_hurry(struct sg_yarn *y);

/* Has a question, or an end, been waited for for seconds, on whatever thread? Then *ret says so,
 * for people: "waiting for http://… to say that a job's applications on YARN are over, up to 2m
 * 00s". */
bool sg_yarn_waits(struct sg_yarn *y, char *ret, size_t size);

/* How many of them are alive. */
size_t sg_yarn_alive(const struct sg_yarn_apps *a);
/* How many of them sg_yarn_end() has killed. */
size_t sg_yarn_killed(const struct sg_yarn_apps *a);
/* "application_1_0001 (RUNNING), …": those that are alive, or were killed; of many the first. */
void sg_yarn_name(const struct sg_yarn_apps *a, bool killed, char *ret, size_t size);

/* ---- for people: state and room of the cluster */

struct sg_yarn_manager {
    const char *address, *state, *ha, *version; /* "STARTED", "ACTIVE" "STANDBY", "3.4.3" */
    const char *trouble;                        /* it does not answer: why; else NULL */
};
struct sg_yarn_queue {
    const char *name, *state;
    double capacity, used; /* percent of the cluster, percent of that; NaN: not told */
    int64_t pending;       /* applications that wait; -1 */
};
struct sg_yarn_cluster {
    struct sg_arena arena;
    struct sg_yarn_manager *managers;
    size_t n_managers;
    int64_t free_mb, total_mb, free_cores, total_cores, nodes, lost_nodes, running, pending;
    struct sg_yarn_queue *queues; /* those without queues below them */
    size_t n_queues, cap_queues;
};
void sg_yarn_cluster_done(struct sg_yarn_cluster *c);
/* False where none is active; *ret then has the managers, and is to be freed too. */
bool sg_yarn_look(struct sg_yarn *y, struct sg_yarn_cluster *ret, struct sg_error *err) SG_MUST;

#endif
