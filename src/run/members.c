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

void sg_run_set_result(struct sg_run *r, uint32_t node, enum sg_result result)
{
    r->result[node] = (uint8_t)result;
    r->some_lost |= !sg_result_is_done(result);
}

/* The first node that this one requires and that came to nothing. */
static uint32_t find_lost(const struct sg_run *r, uint32_t node)
{
    struct sg_node_range need;

    for (uint32_t k = 0; sg_plan_needs_at(r->c.plan, (struct sg_node_id){ node }, k, &need); k++)
        for (uint32_t id = need.first; id < need.end && !need.optional; id++)
            if (r->result[id] != SG_RESULT_NONE &&
                !sg_result_is_done((enum sg_result)r->result[id]))
                return id;
    return SG_NO_NODE;
}

/* The scheduler knows jobs; of those that are batches it only waits for the end. */
bool sg_run_is_lost(struct sg_run *r, uint32_t node)
{
    uint32_t by;
    struct sg_node_view v;
    char name[SG_NODE_TEXT], why[SG_NODE_TEXT + 32];
    enum sg_result result;

    if (!r->has_batches || !r->some_lost)
        return false;
    by = find_lost(r, node);
    if (by == SG_NO_NODE)
        return false;
    sg_plan_node(r->c.plan, (struct sg_node_id){ by }, &v);
    sg_node_format(v.stage, v.index, name);
    (void)snprintf(why, sizeof(why), "behind %s", name); /* fits */
    result = r->result[by] == SG_RESULT_BUSY ? SG_RESULT_BUSY : SG_RESULT_BLOCKED;
    sg_run_set_result(r, node, result);
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
            sg_run_set_result(r, sg_active_node(a, m).i, m->result);
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
