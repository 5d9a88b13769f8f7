#include "sched_survey.h"

#include <stdlib.h>

struct survey {
    const struct sg_sched_config *c;
    uint32_t *pending, *left, *met; /* met: jobs whose needs are all met, in the order found */
    uint32_t n_met, job, other;     /* job: whose edges are gone through */
    bool wrong;                     /* the edge between job and other */
};

static bool check_settings(const struct sg_sched_config *c, struct sg_error *err)
{
    if (c->slots < 1 || c->keep_going < 0 || c->room < 0)
        return sg_error_set(err, SG_ERROR_BUG, 0, "the scheduler: %d slots, keep_going %d",
                            c->slots, c->keep_going);
    for (uint32_t i = 0; i < c->n_pools; i++) {
        if (c->pools[i].size < 0 || c->pools[i].memory < 0)
            return sg_error_set(err, SG_ERROR_BUG, 0, "the scheduler: the limits of pool %u", i);
    }
    for (uint32_t i = 0; i < c->n_stages; i++) {
        const struct sg_sched_stage *st = &c->stages[i];

        if (st->retries < 0 || st->breaker < 0 || st->backoff_ms < 0 || st->memory < 0 ||
            st->room < 0 || (st->pool != UINT32_MAX && st->pool >= c->n_pools))
            return sg_error_set(err, SG_ERROR_BUG, 0, "the scheduler: the settings of stage %u", i);
    }
    for (uint32_t i = 0; i < c->n_jobs; i++) {
        if (c->jobs[i].stage >= c->n_stages)
            return sg_error_set(err, SG_ERROR_BUG, 0, "the scheduler: job %u has stage %u of %u", i,
                                c->jobs[i].stage, c->n_stages);
    }
    return true;
}

static void note_wrong(struct survey *v, uint32_t other)
{
    if (!v->wrong)
        v->other = other;
    v->wrong = true;
}

static void count_need(void *ctx, uint32_t other, bool optional)
{
    struct survey *v = ctx;

    (void)optional;
    if (other >= v->c->n_jobs)
        note_wrong(v, other);
    else
        v->pending[v->job]++;
}

static void meet_need(void *ctx, uint32_t other, bool optional)
{
    struct survey *v = ctx;

    (void)optional;
    if (other >= v->c->n_jobs || v->left[other] == 0)
        note_wrong(v, other);
    else if (--v->left[other] == 0)
        v->met[v->n_met++] = other;
}

static void find_unmet(void *ctx, uint32_t other, bool optional)
{
    struct survey *v = ctx;

    (void)optional;
    if (v->left[other] != 0)
        v->other = other;
}

/* Each job that is left has a need that is left, so as many steps back as there are jobs end on a
 * way round, if needs and users agree. */
static bool name_way_round(struct survey *v, struct sg_error *err)
{
    uint32_t n_left = v->c->n_jobs - v->n_met;

    v->job = 0;
    while (v->left[v->job] == 0)
        v->job++;
    for (uint32_t i = 0; i < n_left; i++) {
        v->other = v->job;
        v->c->needs(v->c->ctx, v->job, find_unmet, v);
        v->job = v->other;
    }
    return sg_error_set(err, SG_ERROR_BUG, 0,
                        "the scheduler: %u jobs would never start: job %u waits for itself", n_left,
                        v->job);
}

static bool follow(struct survey *v, struct sg_error *err)
{
    const struct sg_sched_config *c = v->c;

    for (v->job = 0; v->job < c->n_jobs && !v->wrong; v->job++)
        c->needs(c->ctx, v->job, count_need, v);
    for (uint32_t i = 0; i < c->n_jobs; i++) {
        v->left[i] = v->pending[i];
        if (v->left[i] == 0)
            v->met[v->n_met++] = i;
    }
    for (uint32_t i = 0; i < v->n_met && !v->wrong; i++) {
        v->job = v->met[i];
        c->users(c->ctx, v->job, meet_need, v);
    }
    if (v->wrong)
        return sg_error_set(err, SG_ERROR_BUG, 0,
                            "the scheduler: the edge between jobs %u and %u of %u", v->job,
                            v->other, c->n_jobs);
    return v->n_met == c->n_jobs || name_way_round(v, err);
}

bool sg_sched_survey(const struct sg_sched_config *c, uint32_t *pending, struct sg_error *err)
{
    struct survey v = { .c = c, .pending = pending };
    bool ok = check_settings(c, err);

    if (!ok || c->n_jobs == 0)
        return ok;
    v.left = calloc(c->n_jobs, sizeof(*v.left));
    v.met = calloc(c->n_jobs, sizeof(*v.met));
    if (v.left == NULL || v.met == NULL)
        ok = sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory to look at %u jobs", c->n_jobs);
    else
        ok = follow(&v, err);
    free(v.left);
    free(v.met);
    return ok;
}
