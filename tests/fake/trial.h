/*
 * trial: attempts on the nodes of a world, over a store with faults; the test is the job.
 *
 *   trial_open(&t, HEAD LANDING BRONZE);        01:00 of the first day, landing@…T00 is there
 *   trial_begin(&t, "bronze@2024-01-01T00");    a plan, an attempt, its prepare
 *   trial_work(&t, "rows");                     the job writes part-0 of each output
 *   trial_end(&t, SG_RESULT_OK);                finish; t.a is there until the next begin
 *   assert_whole(&t, "bronze@2024-01-01T00");   by a new store and a new plan
 *   trial_close(&t);
 */
#ifndef SG_TRIAL_H
#define SG_TRIAL_H

#include "stagegraph/attempt.h"

#include "fake_store.h"
#include "world.h"

#define TRIAL_RUN   "20240101T010000-0000aa"
#define TRIAL_NODE  "bronze@2024-01-01T00"
#define TRIAL_OUT   "store/bronze/2024-01-01/00"
#define TRIAL_CLAIM "store/_stagegraph/claims/bronze/2024-01-01T00"

struct trial {
    struct world w;
    struct sg_fake_store *fake; /* what attempts and their plan use; w.store is a plain one */
    struct sg_attempt_run run;
    struct sg_attempt *a;
    bool forced; /* what the plan is to say of the next */
    char scratch[300];
    char wrote[64]; /* by the job, last */
};

void trial_open(struct trial *t, const char *graph);
void trial_close(struct trial *t);
/* Another graph file; the store stays. */
void trial_graph(struct trial *t, const char *graph);
/* Removes all that is in the store and begins anew. */
void trial_empty(struct trial *t);
/* Another fake store, without a fault. */
void trial_renew(struct trial *t);

/* Plans again, over the fake store. */
void trial_plan(struct trial *t);
/* A new attempt on the node, and on `more` that follow it, with its prepare. */
void trial_begin(struct trial *t, const char *node);
void trial_begin_batch(struct trial *t, const char *node, uint32_t n);
/* An attempt of its own, to be ended with trial_finish() and freed. */
struct sg_attempt *trial_attempt(struct trial *t, const char *node, uint32_t number, uint32_t n);
void trial_work(struct trial *t, const char *content);
void trial_end(struct trial *t, enum sg_result job);
void trial_finish(struct sg_attempt *a, enum sg_result job, const char *why);
/* All of it: the node is OK afterwards. */
void trial_make(struct trial *t, const char *node, const char *content);

/* What became of the first member. */
enum sg_result trial_result(const struct trial *t);
const char *trial_why(const struct trial *t);

/* By a new store and plan: as world_says(). Fails if a fresh node's receipt is not that of what
 * lies in its output. */
const char *trial_says(struct trial *t, const char *node);
/* The text of a file below the scratch directory is this; NULL: there is none. */
void trial_assert_text(const struct trial *t, const char *path, const char *text);

#define assert_whole(t, node)       assert_string_equal(trial_says((t), (node)), "fresh")
#define assert_stale(t, node, what) assert_string_equal(trial_says((t), (node)), "run " what)
#define assert_result(t, expected)                                                                 \
    do {                                                                                           \
        if (trial_result(t) != (expected))                                                         \
            fail_msg("%s, not %s: %s", sg_result_name(trial_result(t)), sg_result_name(expected),  \
                     trial_why(t));                                                                \
    } while (0)

#endif
