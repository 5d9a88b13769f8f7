/*
 * lost: ends the tree of a job whose shim has died.
 *
 * Floor: run. docs/design.md, "Jobs and the shim".
 *
 * This process is a subreaper too, so what the shim had below it is now ours, or below what is
 * ours. Found are: what carries the job's nonce (in its environment, or as the name of its cgroup),
 * and children of ours that are no shims and began after this job; with all that descends from
 * them. They get TERM (CONT for stopped ones), after the grace KILL until none is left. What lives
 * on after one more grace is given up.
 */
#ifndef STAGEGRAPH_RUN_LOST_H
#define STAGEGRAPH_RUN_LOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stagegraph/error.h"
#include "stagegraph/loop.h"

struct sg_lost;

struct sg_lost_spec {
    const char *nonce;    /* copied; may be NULL */
    uint64_t since_ticks; /* when the shim started */
    int64_t grace_ms;
    bool hard;                             /* no grace */
    bool (*is_shim)(void *ctx, pid_t pid); /* a child of ours that is a living job's shim */
    void (*on_gone)(void *ctx, unsigned stuck, const char *names);
    void *ctx;
};

/* on_gone comes once, from the loop; sg_lost_free is then allowed, from within it too. */
bool sg_lost_start(struct sg_loop *l, const struct sg_lost_spec *spec, struct sg_lost **ret,
                   struct sg_error *err) SG_MUST;
void sg_lost_hurry(struct sg_lost *x); /* skips the rest of the grace */
void sg_lost_free(struct sg_lost *x);  /* NULL is fine; ends nothing */

#endif
