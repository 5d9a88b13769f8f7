#include "sched_survey.h"

#include <stdlib.h>

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

/* Each job that is left has a need that is left, so as many steps back as there are jobs end on a
 * way round. */
static bool name_way_round(struct sg_sched_waits *w, uint32_t n_left, struct sg_error *err)
{
    uint32_t job = sg_sched_unfinished(w, 0);

    for (uint32_t i = 0; i < n_left; i++)
        job = sg_sched_wait_for(w, job, true);
    return sg_error_set(err, SG_ERROR_BUG, 0,
                        "the scheduler: %u jobs would never start: job %u waits for itself", n_left,
                        job);
}

static bool check_edges(const struct sg_sched_config *c, struct sg_error *err)
{
    struct sg_sched_edge e;

    for (uint32_t i = 0; i < c->n_jobs; i++) {
        for (uint32_t k = 0; c->needs(c->ctx, i, k, &e); k++)
            if (e.first > e.end || e.end > c->n_jobs)
                return sg_error_set(err, SG_ERROR_BUG, 0,
                                    "the scheduler: job %u needs [%u, %u) of %u jobs", i, e.first,
                                    e.end, c->n_jobs);
    }
    return true;
}

/* Finishes all jobs in their order by number, those that wait when they have nothing to wait for
 * any more: what is left then waits for itself. */
static bool follow(struct sg_sched_waits *w, uint32_t *met, struct sg_error *err)
{
    const uint32_t n = w->c->n_jobs;
    uint32_t n_met = 0, user;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t need = sg_sched_wait_for(w, i, true);

        if (need == SG_NO_JOB)
            met[n_met++] = i;
        else
            sg_sched_wait_at(w, i, need);
    }
    for (uint32_t i = 0; i < n_met; i++) {
        sg_sched_wait_finish(w, met[i]);
        while ((user = sg_sched_wait_take(w, met[i])) != SG_NO_JOB) {
            uint32_t need = sg_sched_wait_for(w, user, true);

            if (need == SG_NO_JOB)
                met[n_met++] = user;
            else
                sg_sched_wait_at(w, user, need);
        }
    }
    return n_met == n || name_way_round(w, n - n_met, err);
}

bool sg_sched_survey(struct sg_sched_waits *w, struct sg_error *err)
{
    const struct sg_sched_config *c = w->c;
    uint32_t *met;
    bool ok = check_settings(c, err) && check_edges(c, err);

    if (!ok || c->n_jobs == 0)
        return ok;
    met = calloc(c->n_jobs, sizeof(*met));
    if (met == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory to look at %u jobs", c->n_jobs);
    ok = follow(w, met, err);
    free(met);
    sg_sched_waits_reset(w);
    return ok;
}
