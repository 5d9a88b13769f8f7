/*
 * What the scheduler takes for a job: nanoseconds from sg_sched_new to sg_sched_free, all actions
 * and results between, by the number of jobs. A process start takes about 650,000.
 *
 *   bench_sched [REPEATS]     prints the best of REPEATS (5) for each case, a line each
 */
#include <stdio.h>
#include <stdlib.h>

#include "stagegraph/clock.h"
#include "stagegraph/sched.h"

struct bench {
    const char *label;
    uint32_t n_jobs, layers; /* layers 0: a chain */
    int32_t slots;
    int64_t rank_sign;        /* -1: newest first */
    int32_t pool_size;        /* of the last layer; 0: no pool */
    enum sg_result first;     /* how the first job comes out */
    uint32_t interrupt_after; /* results; 0: never */
    uint32_t window;          /* of the layer before; 0: one */
};

static const struct bench cases[] = {
    { "chain", 100000, 0, 4, 1, 0, SG_RESULT_OK, 0, 0 },
    { "chain, blocked by its first job", 100000, 0, 4, 1, 0, SG_RESULT_FAILED, 0, 0 },
    { "3 layers, -j 1", 262800, 3, 1, 1, 0, SG_RESULT_OK, 0, 0 },
    { "3 layers, -j 16", 262800, 3, 16, 1, 0, SG_RESULT_OK, 0, 0 },
    { "3 layers, -j 16, newest first", 262800, 3, 16, -1, 0, SG_RESULT_OK, 0, 0 },
    { "3 layers, -j 16, pool of 1", 262800, 3, 16, 1, 1, SG_RESULT_OK, 0, 0 },
    { "3 layers, -j 16, interrupted", 262800, 3, 16, 1, 0, SG_RESULT_OK, 1000, 0 },
    { "3 layers, ten times as many", 2628000, 3, 16, 1, 0, SG_RESULT_OK, 0, 0 },
    { "3 layers, windows of 8,760", 262800, 3, 16, 1, 0, SG_RESULT_OK, 0, 8760 },
    { "3 layers, windows, newest first", 262800, 3, 16, -1, 0, SG_RESULT_OK, 0, 8760 },
    { "3 layers, windows, the first failed", 262800, 3, 16, 1, 0, SG_RESULT_FAILED, 0, 8760 },
};

/* Windows lie behind the job of the layer before that has the same place. */
static bool needs_of(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const struct bench *b = ctx;
    uint32_t width = b->layers == 0 ? 1 : b->n_jobs / b->layers, need = job - width;

    if (k > 0 || job < width)
        return false;
    *ret = (struct sg_sched_edge){ need, need + 1, false };
    if (b->window > 1)
        ret->first -= need % width < b->window ? need % width : b->window - 1;
    return true;
}

static bool users_of(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const struct bench *b = ctx;
    uint32_t width = b->layers == 0 ? 1 : b->n_jobs / b->layers, user = job + width;

    if (k > 0 || user >= b->n_jobs)
        return false;
    *ret = (struct sg_sched_edge){ user, user + 1, false };
    if (b->window > 1)
        ret->end =
            width - user % width < b->window ? user - user % width + width : user + b->window;
    return true;
}

/* All jobs that were started end before the next ones are, oldest first. */
static bool run(struct bench *b, const struct sg_sched_config *config, struct sg_error *err)
{
    struct sg_mono now = { .ns = 0 };
    uint32_t running[64], n_running = 0, n_results = 0;
    struct sg_action a = { .kind = SG_ACT_WAIT };
    struct sg_sched *s;

    if (!sg_sched_new(config, &s, err))
        return false;
    while (a.kind != SG_ACT_OVER) {
        sg_sched_next(s, now, &a);
        if (a.kind == SG_ACT_START)
            running[n_running++] = a.job;
        if (a.kind != SG_ACT_WAIT)
            continue;
        for (uint32_t i = 0; i < n_running; i++, n_results++) {
            if (b->interrupt_after != 0 && n_results == b->interrupt_after)
                sg_sched_interrupt(s);
            if (!sg_sched_result(s, now, running[i], running[i] == 0 ? b->first : SG_RESULT_OK,
                                 false, err)) {
                sg_sched_free(s);
                return false;
            }
        }
        n_running = 0;
    }
    sg_sched_free(s);
    return true;
}

static bool measure(struct bench *b, int repeats, double *ret_ns, struct sg_error *err)
{
    struct sg_sched_pool pool = { .size = b->pool_size };
    struct sg_sched_stage stages[3] = { { .pool = UINT32_MAX }, { .pool = UINT32_MAX } };
    struct sg_sched_job *jobs = calloc(b->n_jobs, sizeof(*jobs));
    struct sg_sched_config config = { .jobs = jobs,
                                      .n_jobs = b->n_jobs,
                                      .stages = stages,
                                      .n_stages = 3,
                                      .pools = &pool,
                                      .n_pools = 1,
                                      .needs = needs_of,
                                      .users = users_of,
                                      .ctx = b,
                                      .slots = b->slots };
    double best = 0;
    bool ok = jobs != NULL;

    stages[2].pool = b->pool_size == 0 ? UINT32_MAX : 0;
    for (uint32_t i = 0; ok && i < b->n_jobs; i++) {
        uint32_t width = b->layers == 0 ? b->n_jobs : b->n_jobs / b->layers;

        jobs[i].stage = i / width;
        jobs[i].rank = b->rank_sign * (int64_t)(i % width);
    }
    for (int i = 0; ok && i < repeats; i++) {
        int64_t begin_ns = sg_mono_now().ns;
        double took;

        ok = run(b, &config, err);
        took = (double)(sg_mono_now().ns - begin_ns) / b->n_jobs;
        if (i == 0 || took < best)
            best = took;
    }
    free(jobs);
    *ret_ns = best;
    return ok;
}

int main(int argc, char **argv)
{
    int repeats = argc > 1 ? atoi(argv[1]) : 5;
    struct sg_error err = SG_ERROR_INIT;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b = cases[i];
        double ns;

        if (!measure(&b, repeats, &ns, &err)) {
            fprintf(stderr, "bench_sched: %s: %s\n", b.label, err.text);
            return 1;
        }
        printf("%-34s %9u jobs %7.0f ns a job\n", b.label, b.n_jobs, ns);
    }
    return 0;
}
