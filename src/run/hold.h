/*
 * hold: what an attempt must have besides its claims: room in its pool, and its exclusive stage to
 * itself, over all runs.
 *
 * Floor: run. Private. docs/design.md, "Pools over several runs".
 *
 *   sg_holds_new → again and again: sg_hold_take (worker) → sg_hold_drop or _leave → sg_holds_free
 *
 * The scheduler sees to the run's own jobs; this is for the others. A stage that has no pool and is
 * not exclusive costs no system call.
 */
#ifndef STAGEGRAPH_HOLD_H
#define STAGEGRAPH_HOLD_H

#include "stagegraph/graph.h"
#include "stagegraph/slot.h"
#include "stagegraph/store.h"
#include "stagegraph/yarn.h"

struct sg_holds; /* of a run */

struct sg_holds_config {
    const struct sg_graph *graph; /* borrowed, as are the others */
    struct sg_store *store;
    struct sg_yarn *yarn; /* NULL: none */
    const char *run_id, *host, *boot;
};
bool sg_holds_new(const struct sg_holds_config *c, struct sg_holds **ret,
                  struct sg_error *err) SG_MUST;
void sg_holds_free(struct sg_holds *h); /* NULL is fine */

struct sg_hold {
    struct sg_slot pool;
    struct sg_slot turn;             /* the exclusive stage, among runs of this state directory */
    struct sg_store_claim exclusive; /* and among all that use the store */
    bool claimed;                    /* exclusive is held */
};
#define SG_HOLD_INIT                                                                               \
    {                                                                                              \
        .pool = SG_SLOT_INIT, .turn = SG_SLOT_INIT                                                 \
    }

struct sg_hold_ask {
    const struct sg_stage *stage;
    const char *node, *nonce;
    uint32_t attempt;
};

/* All or nothing, and at once: *ret_held false means that another run has it, `why` says which
 * ("pool yarn: held by run …"). */
bool sg_hold_take(struct sg_holds *h, const struct sg_hold_ask *ask, struct sg_hold *ret,
                  bool *ret_held, char why[200], struct sg_error *err) SG_MUST;
/* False: the exclusive stage's claim could not be removed; it is dead, and taken over by the next.
 */
bool sg_hold_drop(struct sg_holds *h, struct sg_hold *hold, struct sg_error *err) SG_MUST;
/* Processes of the attempt live on and keep it. */
void sg_hold_leave(struct sg_holds *h, struct sg_hold *hold);

#define SG_HOLD_LOCKS 3
/* The locks that the shim is to inherit. */
size_t sg_hold_locks(const struct sg_hold *hold, int ret[SG_HOLD_LOCKS]);

/* The first time that a job of this run waits for this pool or exclusive stage? */
bool sg_holds_is_news(struct sg_holds *h, const struct sg_stage *stage);

#endif
