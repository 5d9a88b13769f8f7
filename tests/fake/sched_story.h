/*
 * sched_story: scheduling told as text: a graph, and what happens to it.
 *
 * The graph, a line each:
 *     -j 2                      slots (1)
 *     -k 3                      keep_going (0)
 *     pool yarn size=1 memory=8
 *     stage silver retries=2 backoff=10 breaker=3 pool=yarn memory=4 exclusive tail=9  (all 0)
 *     silver1: bronze1 dim1?    a job of stage silver and its needs; `?`: optional
 *     silver1 rank=7: bronze1   the rank is else the number, from 0
 *
 * What happens, a line each, EVENT => ACTIONS, up to WAIT ("wait", "wait until 30s") or "over":
 *     go                        nothing but asking for actions
 *     bronze1 failed            an attempt ended; "bronze1 failed, no retry"
 *     +30s                      time passes
 *     interrupt, suspend, resume
 *     partly bronze1 failed 2   the same where some of its nodes are done, and two failed
 *     again bronze1 failed 2    and the others of its nodes are tried now
 *     hold bronze1 60s, put off bronze1 60s        the start is taken back for so long
 *
 * Of actions, "start a1 #2" is a second attempt, "a1 ok" is DONE, "a1 blocked by b1" SG_WHY_NEED,
 * "a1 blocked (b1 stopped the stage)" SG_WHY_STAGE, "a1 blocked (enough)" SG_WHY_KEEP_GOING, and
 * "a1 interrupted (not running)" SG_WHY_INTERRUPT.
 */
#ifndef STAGEGRAPH_SCHED_STORY_H
#define STAGEGRAPH_SCHED_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/buf.h"
#include "stagegraph/sched.h"

#define SG_STORY_JOBS 32
#define SG_STORY_NAME 16

struct sg_story_edge {
    uint32_t need, user;
    bool optional;
};

struct sg_story {
    struct sg_sched_config config;
    struct sg_sched_job jobs[SG_STORY_JOBS];
    struct sg_sched_stage stages[SG_STORY_JOBS];
    struct sg_sched_pool pools[SG_STORY_JOBS];
    char job_names[SG_STORY_JOBS][SG_STORY_NAME], stage_names[SG_STORY_JOBS][SG_STORY_NAME];
    char pool_names[SG_STORY_JOBS][SG_STORY_NAME];
    struct sg_story_edge edges[4 * SG_STORY_JOBS];
    size_t n_edges;
    struct sg_sched *sched;
    struct sg_mono now;
};

/* Whatever is wrong fails the test that runs. */
void sg_story_check(const char *graph, const char *script);

/* The same in steps: */
struct sg_story *sg_story_read(const char *graph); /* without a scheduler */
void sg_story_free(struct sg_story *t);
void sg_story_begin(struct sg_story *t);
void sg_story_happen(struct sg_story *t, const char *event);
/* All actions up to WAIT or OVER, as text. */
void sg_story_ask(struct sg_story *t, struct sg_buf *out);

#endif
