/*
 * attempt: the six steps of one try at a node: claim, clear, (run), check, version, receipt, drop.
 *
 * Floor: run. docs/design.md, "An attempt"; section 4 of the contract.
 *
 *   sg_attempt_new → sg_attempt_prepare (worker) → the caller runs a->argv under a->envp
 *                  → sg_attempt_finish (worker) → sg_attempt_free
 *
 * prepare and finish may block; they touch nothing but the attempt, the store and the scratch
 * directory, and so run on worker threads, several attempts at once. A crash between any two of
 * their operations leaves a node that is stale, or fresh and whole.
 *
 * An attempt has members, the nodes of a batch in order; a single node is a batch of one. Each has
 * a claim and a result of its own. One that needs no run, or can't have one, drops out in prepare;
 * the job gets what is unbroken from the first that is to run, and the members behind a hole are
 * left alone (`later`), for an attempt of their own.
 */
#ifndef STAGEGRAPH_ATTEMPT_H
#define STAGEGRAPH_ATTEMPT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/claim.h"
#include "stagegraph/plan.h"
#include "stagegraph/sched.h"
#include "stagegraph/vars.h"
#include "stagegraph/yarn.h"

/* A neighbour that had a marker before the job ran. */
struct sg_sibling {
    int64_t index;
    const char *dir, *marker; /* the marker's path */
    struct sg_ident ident;
    unsigned char gone; /* the run's count for it then */
    bool same;          /* after the job: its marker is what it was */
    bool seen, lost;    /* the judgement of what is not */
};

/* What a dead attempt has left in the output. */
struct sg_leftover {
    struct sg_leftover *next;
    const char *path;
};

/* The output, listed once under the claim where a look costs requests. */
struct sg_output_seen {
    bool listed, holds; /* holds: there was something in it */
    struct sg_entry marker, partial_marker;
    struct sg_leftover *leftovers;
};

struct sg_member {
    int64_t index;
    bool forced, planned_upstream; /* from the plan */
    struct sg_store_claim claim;
    bool claimed;
    bool interrupted; /* a dead claim was taken over */
    bool marker_gone; /* we have taken its marker away, and put none in its place */
    char *dir;        /* its output, relative to the root */
    struct sg_output_seen seen;
    struct sg_decision decision;
    struct sg_birth output;  /* of its directory before the job */
    enum sg_result result;   /* NONE while it is to run */
    enum sg_error_code code; /* of an error of ours that made it fail; NONE: it was the job */
    bool later;              /* not in this attempt: the members before it end at a hole */
    char why[600];           /* for people; "" */
    double version_seconds;
};

static inline bool sg_member_is_to_run(const struct sg_member *m)
{
    return m->result == SG_RESULT_NONE && !m->later;
}

/* Scratch directories of a run, by number, a bit each. Its attempts share them. */
struct sg_scratches {
    _Atomic uint64_t kept; /* those that are there, with the files that a job gets, for the next */
    _Atomic uint64_t others; /* numbers of which there is none: all, when the run begins */
};
#define SG_NO_SCRATCH UINT32_MAX

/* What does not change from attempt to attempt of a run; borrowed. */
struct sg_attempt_run {
    const struct sg_plan *plan;
    struct sg_store *store;
    struct sg_yarn *yarn; /* NULL: no ResourceManager is known, and nobody asked */
    const char *run_id, *host, *boot;
    const char *scratch; /* directory of this run, absolute */
    char *const *environ_;
    /* By node of the plan: how many attempts of this run left it without a marker. What goes that
     * way while a neighbour's job runs is no trespass of that job. NULL: not counted. */
    atomic_uchar *gone;
    /* By stage: the recipe that a receipt of this run names already (half of its hash), which is
     * in the store then. NULL: not known. */
    _Atomic uint64_t *recipes;
    struct sg_scratches *scratches; /* NULL: none is kept */
};

struct sg_attempt {
    const struct sg_attempt_run *run;
    const struct sg_stage *stage;
    uint32_t number;
    struct sg_member *members;
    uint32_t n_members;
    struct sg_sibling *siblings; /* of the members that are to run; in the arena */
    uint32_t n_siblings;
    bool siblings_seen;  /* after the job */
    const char *flushed; /* the parent of outputs that was flushed last since the job ended */
    char nonce[33];
    char ended[33]; /* the nonce of the dead attempt whose applications were ended last */
    int64_t started_s;
    struct sg_arena arena;
    struct sg_vars vars;
    struct sg_words argv, check, envp; /* filled by prepare when something is to run */
    char *dir;                         /* scratch of this attempt */
    uint32_t scratch; /* its number; SG_NO_SCRATCH: it goes when the attempt is over */
    bool away;   /* the store is: it is not asked again, for each answer would take the deadline */
    bool to_run; /* after prepare: some member has no result yet */
    char notice[400]; /* something to tell, "" */
};

bool sg_attempt_new(const struct sg_attempt_run *run, const struct sg_stage *stage, uint32_t number,
                    uint32_t n_members, struct sg_attempt **ret, struct sg_error *err) SG_MUST;
/* NULL is fine. A claim that is still held is left, and dead: its node is stale. */
void sg_attempt_free(struct sg_attempt *a);

/* Steps 1 and 2. Never fails as a call: what goes wrong is a member's result and why. */
void sg_attempt_prepare(struct sg_attempt *a);

/* How the command came out. */
struct sg_attempt_outcome {
    enum sg_result result;   /* OK, or what every member that is not credited gets */
    enum sg_error_code code; /* of an error of ours that it comes from, or NONE */
    const char *why;
    double seconds;
    bool stuck; /* processes of the job are still alive: claims stay */
};

/*
 * Of the applications that the job has on YARN, when its processes are gone. They have to be over
 * before the attempt is: what lives on after a moment is killed, and after a success that, and one
 * that has not succeeded, makes it a failure (*o's result and `why`, which has room for `size`).
 * Where they can't be seen to be over, o->stuck is set: the claims are left, dead, so that whoever
 * takes them over asks again. *ret: how they were seen last. Costs nothing without a
 * ResourceManager, else a request.
 */
void sg_attempt_applications(struct sg_attempt *a, struct sg_attempt_outcome *o, char *why,
                             size_t size, struct sg_yarn_apps *ret);

/* Steps 4 to 6. */
void sg_attempt_finish(struct sg_attempt *a, const struct sg_attempt_outcome *o);

/* Drops the dead claim of a node whose very attempt wrote the receipt (its run died between the
 * two); any other claim is left alone. */
bool sg_attempt_settle(const struct sg_attempt_run *run, const struct sg_stage *stage,
                       int64_t index, struct sg_error *err) SG_MUST;

#endif
