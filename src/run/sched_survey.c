#include "sched_survey.h"

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

/* From each job to a need of it that has not finished, to one of that, and so on, until one has
 * none: that one has finished. Who is gone through is open: met again, it waits for itself. A step
 * is a job that opens or finishes, so the order in which needs lie in a window is of no matter. An
 * open job has the one that led to it (the first of all: itself) in `first`. */
static bool follow(struct sg_sched_waits *w, struct sg_error *err)
{
    for (uint32_t i = 0; i < w->c->n_jobs; i++) {
        uint32_t at = i, need;

        if (sg_sched_unfinished(w, i) != i)
            continue;
        w->first[i] = i;
        for (;;) {
            need = sg_sched_wait_for(w, at, SG_WAIT_ANY);
            if (need == SG_NO_JOB) {
                sg_sched_wait_finish(w, at);
                if (w->first[at] == at)
                    break;
                at = w->first[at];
            } else if (w->first[need] != SG_NO_JOB) {
                return sg_error_set(err, SG_ERROR_BUG, 0, "the scheduler: job %u waits for itself",
                                    need);
            } else {
                w->first[need] = at;
                at = need;
            }
        }
    }
    return true;
}

bool sg_sched_survey(struct sg_sched_waits *w, struct sg_error *err)
{
    if (!check_settings(w->c, err) || !check_edges(w->c, err) || !follow(w, err))
        return false;
    sg_sched_waits_reset(w);
    return true;
}
