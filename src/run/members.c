/* The nodes of a job: what became of each, and what the scheduler is to hear of the job as a whole.
 */
#include <stdio.h>

#include "run_impl.h"

bool sg_run_is_batch(const struct sg_run *r, uint32_t job)
{
    return r->last_of[job] != r->node_of[job];
}

uint32_t sg_run_next(const struct sg_run *r, uint32_t job, uint32_t node)
{
    for (node = node == SG_NO_NODE ? r->node_of[job] : node + 1; node <= r->last_of[job]; node++)
        if (r->job_of[node] == job)
            return node;
    return SG_NO_NODE;
}

struct sg_node_id sg_active_node(const struct sg_active *a, const struct sg_member *m)
{
    return sg_plan_find(a->run->c.plan, a->attempt->stage->id, m->index);
}

/* ---- behind what failed */

struct lost {
    const struct sg_run *run;
    uint32_t by;
};

static void find_lost(void *ctx, struct sg_node_id other, bool optional)
{
    struct lost *l = ctx;
    enum sg_result result = (enum sg_result)l->run->result[other.i];

    if (!optional && l->by == SG_NO_NODE && result != SG_RESULT_NONE && !sg_result_is_done(result))
        l->by = other.i;
}

/* The scheduler knows jobs; of those that are batches it only waits for the end. */
bool sg_run_is_lost(struct sg_run *r, uint32_t node)
{
    struct lost l = { .run = r, .by = SG_NO_NODE };
    struct sg_node_view v;
    char name[SG_NODE_TEXT], why[SG_NODE_TEXT + 32];
    enum sg_result result;

    if (!r->has_batches)
        return false;
    sg_plan_needs(r->c.plan, (struct sg_node_id){ node }, find_lost, &l);
    if (l.by == SG_NO_NODE)
        return false;
    sg_plan_node(r->c.plan, (struct sg_node_id){ l.by }, &v);
    sg_node_format(v.stage, v.index, name);
    (void)snprintf(why, sizeof(why), "behind %s", name); /* fits */
    result = r->result[l.by] == SG_RESULT_BUSY ? SG_RESULT_BUSY : SG_RESULT_BLOCKED;
    r->result[node] = (uint8_t)result;
    sg_run_skipped(r, (struct sg_node_id){ node }, result, why);
    return true;
}

/* ---- the job as a whole */

/* What says most of a job, first. */
static const enum sg_result order[] = {
    SG_RESULT_TRESPASS,     SG_RESULT_INPUT_MOVED, SG_RESULT_FAILED,      SG_RESULT_OOM,
    SG_RESULT_CHECK_FAILED, SG_RESULT_TIMEOUT,     SG_RESULT_INTERRUPTED, SG_RESULT_BUSY,
    SG_RESULT_BLOCKED,      SG_RESULT_OK,          SG_RESULT_COMPLETED,   SG_RESULT_UNCHANGED,
};

struct sg_sched_nodes sg_run_nodes(const struct sg_run *r, uint32_t job)
{
    struct sg_sched_nodes n = { .failed = 0 };

    for (uint32_t id = sg_run_next(r, job, SG_NO_NODE); id != SG_NO_NODE;
         id = sg_run_next(r, job, id))
        n.some_done |= sg_result_is_done((enum sg_result)r->result[id]);
    if (!sg_run_is_batch(r, job))
        n.some_done = false; /* one node is what its result says */
    return n;
}

enum sg_result sg_run_worst(const uint32_t n_result[SG_RESULT_COUNT])
{
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (n_result[order[i]] > 0)
            return order[i];
    return SG_RESULT_NONE;
}

struct sg_summary sg_active_sum_up(struct sg_active *a)
{
    struct sg_run *r = a->run;
    struct sg_summary s = { .result = SG_RESULT_NONE };
    uint32_t n_result[SG_RESULT_COUNT] = { 0 }, failed = 0;

    for (uint32_t i = 0; i < a->attempt->n_members; i++) {
        struct sg_member *m = &a->attempt->members[i];

        if (m->later) {
            s.rest = true;
        } else if (m->result == SG_RESULT_BUSY && r->c.wait && !r->signo) {
            m->later = s.waits = true;
        } else {
            r->result[sg_active_node(a, m).i] = (uint8_t)m->result;
            n_result[m->result]++;
            failed += sg_result_is_failure(m->result);
        }
    }
    s.nodes = sg_run_nodes(r, a->job);
    s.nodes.failed = failed;
    s.result = sg_run_worst(n_result);
    return s;
}

/* ---- told */

static bool was_skipped(enum sg_result r)
{
    return r == SG_RESULT_UNCHANGED || r == SG_RESULT_COMPLETED || r == SG_RESULT_BLOCKED ||
           r == SG_RESULT_BUSY;
}

void sg_active_tell(struct sg_active *a, bool retried)
{
    struct sg_run *r = a->run;

    for (uint32_t i = 0; i < a->attempt->n_members; i++) {
        const struct sg_member *m = &a->attempt->members[i];
        struct sg_node_id n = sg_active_node(a, m);
        bool again = retried && !sg_result_is_done(m->result) && m->result != SG_RESULT_BUSY;

        if (m->later)
            continue;
        if (again)
            r->result[n.i] = SG_RESULT_NONE;
        if (again && m->result == SG_RESULT_BLOCKED)
            continue; /* by a member before it, perhaps */
        if (was_skipped(m->result)) {
            sg_run_skipped(r, n, m->result, m->why);
            continue;
        }
        if (!again)
            sg_outcome_add(&r->outcome, m->result, m->code);
        sg_run_finished(a, m, again);
    }
}
