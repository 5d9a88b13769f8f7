/*
 * accept: markers changed without a run: receipts for outputs that are there, and markers removed.
 *
 * Floor: run. docs/design.md, "Accepting"; sections 3 and 4 of the contract.
 *
 * Each call takes the node's claim, decides under it, and drops it. The claim and the receipt say
 * attempt SG_NO_ATTEMPT, so that a call which is killed leaves the node as it was, or changed
 * whole: its dead claim means nothing. May block; from several threads at once, of different nodes.
 */
#ifndef STAGEGRAPH_ACCEPT_H
#define STAGEGRAPH_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/attempt.h"
#include "stagegraph/plan.h"

/* What can be accepted: reasons that tell of a change which may be known not to matter. */
#define SG_ACCEPTABLE                                                                              \
    (1u << SG_REASON_CODE | 1u << SG_REASON_COMMAND | 1u << SG_REASON_PARAMS |                     \
     1u << SG_REASON_VERSION | 1u << SG_REASON_INPUT)

enum sg_accept_what {
    SG_ACCEPT_FRESH, /* nothing is to be done: its receipt is as of today */
    SG_ACCEPT_TAKE,  /* it is to be accepted, or has been */
    SG_ACCEPT_LEFT,  /* stale for a reason that was not named */
    SG_ACCEPT_BUSY   /* another run holds it, or an input of it */
};

struct sg_accepted {
    enum sg_accept_what what;
    char why[300]; /* "unstamped", "code jobs/a.py", "missing", "held by run …"; for people */
};

/* By the plan alone, what there is to do for an asked node. `reasons`: a mask within SG_ACCEPTABLE
 * of what does not matter. What is upstream does not count: it goes away, or comes back, with the
 * inputs. */
void sg_accept_look(const struct sg_node_view *v, uint32_t reasons, struct sg_accepted *ret);

/* Writes the receipt as of now, with the version that the marker has: nothing downstream goes
 * stale. Decides again under the claim, so *ret may differ from what the plan said. */
bool sg_accept_node(const struct sg_attempt_run *run, const struct sg_stage *stage, int64_t index,
                    uint32_t reasons, struct sg_accepted *ret, struct sg_error *err) SG_MUST;

/* Nodes of one stage, as many at once as the store has connections (sg_store_threads()). */
struct sg_accept_item {
    const struct sg_stage *stage;
    int64_t index;
    struct sg_accepted a; /* by the plan; only what is TAKE there is accepted, and then told anew */
    bool done;            /* false before */
};
struct sg_accept_many {
    struct sg_accept_item *items;
    size_t n;
    uint32_t reasons;
    /* Both on the caller's thread. tell: in the order of the items, but that what was done beside
     * one that failed comes after it. ends: nothing more is to begin. */
    bool (*tell)(void *ctx, const struct sg_accept_item *item, struct sg_error *err);
    bool (*ends)(void *ctx);
    void *ctx;
};
bool sg_accept_many(const struct sg_attempt_run *run, const struct sg_accept_many *ask,
                    struct sg_error *err) SG_MUST;

/* Removes the node's marker. *ret->what: TAKE it was removed, FRESH there was none, BUSY. */
bool sg_accept_revoke(const struct sg_attempt_run *run, const struct sg_stage *stage, int64_t index,
                      struct sg_accepted *ret, struct sg_error *err) SG_MUST;

#endif
