#include "sched_wait.h"

#include "stagegraph/row.h"

bool sg_sched_waits_init(struct sg_sched_waits *w, const struct sg_sched_config *config,
                         struct sg_arena *a, struct sg_error *err)
{
    const size_t n = config->n_jobs;
    uint32_t *words = SG_ARENA_NEW(a, 6 * n + 3, uint32_t, err);

    if (words == NULL)
        return false;
    *w = (struct sg_sched_waits){ .c = config,
                                  .below = words,
                                  .above = words + n + 1,
                                  .lose = words + 2 * n + 2,
                                  .edge = words + 3 * n + 3,
                                  .first = words + 4 * n + 3,
                                  .next = words + 5 * n + 3 };
    sg_sched_waits_reset(w);
    return true;
}

void sg_sched_waits_reset(struct sg_sched_waits *w)
{
    for (uint32_t i = 0; i <= w->c->n_jobs; i++)
        w->below[i] = w->above[i] = w->lose[i] = i;
    for (uint32_t i = 0; i < w->c->n_jobs; i++) {
        w->lose[i] += w->c->jobs[i].patient;
        w->edge[i] = 0;
        w->first[i] = SG_NO_JOB;
    }
}

uint32_t sg_sched_unfinished(struct sg_sched_waits *w, uint32_t job)
{
    return sg_row_next(w->above, job);
}

uint32_t sg_sched_can_lose(struct sg_sched_waits *w, uint32_t job)
{
    return sg_row_next(w->lose, job);
}

void sg_sched_wait_finish(struct sg_sched_waits *w, uint32_t job)
{
    w->below[job + 1] = job;
    w->above[job] = w->lose[job] = job + 1;
}

static uint32_t last_of(struct sg_sched_waits *w, const struct sg_sched_edge *e, uint32_t job)
{
    uint32_t i = sg_row_next(w->below, e->end);

    if (i == job + 1)
        i = sg_row_next(w->below, job);
    return i > e->first ? i - 1 : SG_NO_JOB;
}

static uint32_t first_of(struct sg_sched_waits *w, const struct sg_sched_edge *e, uint32_t job)
{
    uint32_t i = sg_row_next(w->above, e->first);

    if (i == job)
        i = sg_row_next(w->above, job + 1);
    return i < e->end ? i : SG_NO_JOB;
}

/* One in the midst of those that have not finished. */
static uint32_t middle_of(struct sg_sched_waits *w, const struct sg_sched_edge *e, uint32_t job)
{
    uint32_t first = first_of(w, e, job), last = last_of(w, e, job), i;

    if (first == SG_NO_JOB)
        return SG_NO_JOB;
    i = sg_row_next(w->above, first + (last - first) / 2);
    return i != job ? i : last;
}

uint32_t sg_sched_wait_for(struct sg_sched_waits *w, uint32_t job, enum sg_sched_wait how)
{
    const struct sg_sched_job *jobs = w->c->jobs;
    struct sg_sched_edge e;

    for (; w->c->needs(w->c->ctx, job, w->edge[job], &e); w->edge[job]++) {
        uint32_t need;

        if (e.first >= e.end)
            continue;
        if (how == SG_WAIT_AGAIN)
            need = middle_of(w, &e, job);
        else if (how == SG_WAIT_ANY || jobs[e.first].rank <= jobs[e.end - 1].rank)
            need = last_of(w, &e, job);
        else
            need = first_of(w, &e, job);
        if (need != SG_NO_JOB)
            return need;
        if (how == SG_WAIT_AGAIN)
            how = SG_WAIT_FIRST; /* of the next edge */
    }
    return SG_NO_JOB;
}

void sg_sched_wait_at(struct sg_sched_waits *w, uint32_t job, uint32_t need)
{
    w->next[job] = w->first[need];
    w->first[need] = job;
}

uint32_t sg_sched_wait_take(struct sg_sched_waits *w, uint32_t job)
{
    uint32_t user = w->first[job];

    if (user != SG_NO_JOB)
        w->first[job] = w->next[user];
    return user;
}
