/* What a job is told, and which is next. */
#include <stdlib.h>
#include <string.h>

#include "stagegraph/sched.h"
#include "stagegraph/vars.h"

#include "counts.h"

#define TOLD   500
#define JOBS   10002
#define LAYERS 3
#define SLOTS  16

/* ---- words */

static void tell_jobs(void *ctx)
{
    char *const caller[] = { (char[]){ "PATH=/usr/bin:/bin" }, (char[]){ "HOME=/home/who" },
                             (char[]){ "LANG=C.UTF-8" }, NULL };
    static const char *labels[] = { "2013-01-05T07" }, *uris[] = { "/warehouse/stage_197/x" };
    const struct counts_world *w = ctx;
    const struct sg_stage *s = &w->graph->stages[w->graph->n_stages - 1];
    struct sg_vars_input input = { "stage_198", "stage_198", labels, uris, 1 };
    struct sg_error err = SG_ERROR_INIT;

    for (int64_t x = s->exists.first; x < s->exists.first + TOLD; x++) {
        struct sg_arena a = SG_ARENA_INIT;
        struct sg_words argv = SG_WORDS_INIT, envp = SG_WORDS_INIT;
        struct sg_vars v = { .arena = &a,
                             .graph = w->graph,
                             .stage = s,
                             .first = x,
                             .last = x,
                             .count = 1,
                             .root = "/warehouse",
                             .run_id = "20240101T060012-3f2a9c",
                             .attempt = 1,
                             .nonce = "0123456789abcdef0123456789abcdef",
                             .files = { "/s/partitions", "/s/inputs", "/s/done", "/s/version" },
                             .inputs = &input,
                             .n_inputs = 1 };

        must(sg_vars_argv(&v, false, &argv, &err) && sg_vars_envp(&v, caller, &envp, &err), &err);
        must_be(argv.n == 16 && envp.n > 20, "the job is told all");
        sg_words_done(&argv);
        sg_words_done(&envp);
        sg_vars_done(&v);
        sg_arena_done(&a);
    }
}

uint64_t count_words(void)
{
    struct counts_world w;
    struct sg_buf text = SG_BUF_INIT;

    counts_wide_graph(&text, 5);
    counts_world_open(&w, sg_buf_text(&text), counts_after(COUNTS_HOURS));
    counted(tell_jobs, &w);
    counts_world_close(&w);
    sg_buf_done(&text);
    return TOLD;
}

/* ---- scheduler */

static bool needs_of(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const uint32_t need = job - JOBS / LAYERS;

    (void)ctx;
    *ret = (struct sg_sched_edge){ need, need + 1, false };
    return k == 0 && job >= JOBS / LAYERS;
}

static bool users_of(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const uint32_t user = job + JOBS / LAYERS;

    (void)ctx;
    *ret = (struct sg_sched_edge){ user, user + 1, false };
    return k == 0 && user < JOBS;
}

/* All jobs that were started end before the next ones are, oldest first; none fails. */
static void schedule(void *ctx)
{
    struct sg_mono now = { .ns = 0 };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_action a = { .kind = SG_ACT_WAIT };
    uint32_t running[SLOTS], n_running = 0, n_done = 0;
    struct sg_sched *s;

    must(sg_sched_new(ctx, &s, &err), &err);
    while (a.kind != SG_ACT_OVER) {
        sg_sched_next(s, now, &a);
        if (a.kind == SG_ACT_START)
            running[n_running++] = a.job;
        if (a.kind == SG_ACT_DONE)
            n_done++;
        if (a.kind != SG_ACT_WAIT)
            continue;
        for (uint32_t i = 0; i < n_running; i++)
            must(sg_sched_result(s, now, running[i], SG_RESULT_OK, false, &err), &err);
        n_running = 0;
    }
    must_be(n_done == JOBS, "all jobs are done");
    sg_sched_free(s);
}

/* Newest first, the last layer behind a pool of four. */
uint64_t count_sched(void)
{
    struct sg_sched_pool pool = { .size = 4 };
    struct sg_sched_stage stages[LAYERS] = { { .pool = UINT32_MAX }, { .pool = UINT32_MAX } };
    struct sg_sched_job *jobs = calloc(JOBS, sizeof(*jobs));
    struct sg_sched_config config = { .jobs = jobs,
                                      .n_jobs = JOBS,
                                      .stages = stages,
                                      .n_stages = LAYERS,
                                      .pools = &pool,
                                      .n_pools = 1,
                                      .needs = needs_of,
                                      .users = users_of,
                                      .slots = SLOTS };

    must_be(jobs != NULL, "there is memory");
    for (uint32_t i = 0; i < JOBS; i++)
        jobs[i] = (struct sg_sched_job){ .stage = i / (JOBS / LAYERS),
                                         .rank = -(int64_t)(i % (JOBS / LAYERS)) };
    counted(schedule, &config);
    free(jobs);
    return JOBS;
}
