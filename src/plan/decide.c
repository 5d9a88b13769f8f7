/*
 * One node decided again, and its inputs looked at again: by a plan of that node alone, so that it
 * is the same scan and the same judgement as in the plan that sent us here.
 */
#include "plan_impl.h"

#include <string.h>

/* The plan of a node whose claim is the caller's. */
static bool small_plan(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                       struct sg_plan **ret, struct sg_error *err)
{
    const struct sg_plan_stage *v;

    if (!sg_plan_small(p, s, (struct sg_range){ index, index + 1 }, ret, err))
        return false;
    v = &(*ret)->stages[s->id.i].pub;
    (*ret)->claimed = true;
    (*ret)->claimed_node = v->base + (uint32_t)(index - v->lo);
    return true;
}

/* When the markers of a need's inputs were made, in the order of its versions. */
static int64_t *times_of(const struct sg_plan *p, struct sg_id_range ids, uint32_t count,
                         struct sg_arena *a, struct sg_error *err)
{
    int64_t *times = SG_ARENA_NEW(a, count, int64_t, err);
    uint32_t at = 0;

    for (uint32_t id = ids.first; times != NULL && id < ids.end && at < count; id++)
        if (!(p->flags[id] & SG_NODE_HOLE))
            times[at++] = p->mtime_ns[id];
    return times;
}

/* What is not there gets the version that it had when the node was made. */
static void keep_gone(const struct sg_plan *p, const struct sg_stage *s, uint32_t k, int64_t index,
                      const struct sg_receipt *then, uint32_t count, uint64_t *versions)
{
    const struct sg_need *n = &s->needs[k];
    const struct sg_stage *of = sg_graph_stage(p->c.graph, n->of);
    const struct sg_plan_stage *x = &p->stages[of->id.i].pub;
    const struct sg_input *was = sg_receipt_input(then, n->text);
    struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[s->id.i][k], index);
    uint32_t at = 0;

    for (uint32_t id = ids.first; was != NULL && id < ids.end && at < count; id++) {
        if (p->flags[id] & SG_NODE_HOLE)
            continue;
        if (versions[at] == 0)
            versions[at] = sg_input_recorded(of, n, was, x->lo + (int64_t)(id - x->base), at);
        at++;
    }
}

/* The node's own receipt; without inputs where there is none. */
static bool own_receipt(struct sg_plan *p, const struct sg_stage *s, int64_t index,
                        struct sg_arena *a, struct sg_receipt *ret, struct sg_error *err)
{
    struct sg_receipt r = { .run = NULL };
    struct sg_buf dir = SG_BUF_INIT;
    struct sg_marker m;
    bool ok = sg_plan_dir(p, s, index, &dir, err) &&
              sg_plan_marker(p, s, index, sg_buf_text(&dir), a, &m, &r, NULL, err);

    if (ok)
        *ret = r;
    sg_buf_done(&dir);
    return ok;
}

/* The inputs as the receipt will name them. */
static bool name_inputs(struct sg_plan *p, const struct sg_stage *s, int64_t index, bool keeps_gone,
                        struct sg_arena *a, struct sg_decision *d, struct sg_error *err)
{
    struct sg_receipt then = { .run = NULL };
    int64_t **marked_ns;

    d->n_inputs = s->n_needs;
    d->inputs = SG_ARENA_NEW(a, s->n_needs, struct sg_input, err);
    d->marked_ns = marked_ns = SG_ARENA_NEW(a, s->n_needs, int64_t *, err);
    if (d->inputs == NULL || marked_ns == NULL || !sg_sweep_now(p, s, index, err) ||
        (keeps_gone && !own_receipt(p, s, index, a, &then, err)))
        return false;
    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_stage *of = sg_plan_stage_at(p, s->needs[k].of.i);
        struct sg_range r = sg_edge_range(p, s, &p->edges[s->id.i][k], index);
        const struct sg_input *now = &p->now[k];
        uint64_t *versions = SG_ARENA_NEW(a, now->count, uint64_t, err);
        char from[SG_LABEL_TEXT] = "";
        struct sg_interval i;

        if (versions == NULL)
            return false;
        if (now->count != 0) {
            memcpy(versions, now->versions, now->count * sizeof(*versions));
            keep_gone(p, s, k, index, &then, now->count, versions);
            while (!sg_calendar_interval(&of->cal, r.first, &i))
                r.first++;
            sg_calendar_label(&of->cal, r.first, from);
        }
        d->inputs[k].need = s->needs[k].text;
        d->inputs[k].from = sg_arena_text(a, from, err);
        d->inputs[k].count = now->count;
        d->inputs[k].versions = versions;
        marked_ns[k] =
            times_of(p, sg_edge_ids(p, s, &p->edges[s->id.i][k], index), now->count, a, err);
        if (d->inputs[k].from == NULL || marked_ns[k] == NULL)
            return false;
    }
    d->stamp = sg_stamp_of(d->recipe.hash, d->inputs, d->n_inputs);
    return true;
}

static bool blames(const struct sg_plan *p, enum sg_decide what, const struct sg_need *n,
                   uint32_t id)
{
    return what == SG_DECIDE_BUSY ? (p->flags[id] & SG_NODE_HELD) != 0 : sg_sweep_lacks(p, n, id);
}

/* Names the first input that is held, or that is not there. */
static bool name_lacking(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                         struct sg_arena *a, struct sg_decision *d, struct sg_error *err)
{
    for (uint32_t k = 0; k < s->n_needs; k++) {
        struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[s->id.i][k], index);
        const struct sg_plan_stage *x = &p->stages[s->needs[k].of.i].pub;

        for (uint32_t id = ids.first; id < ids.end; id++) {
            const struct sg_seen_claim *c;
            char name[SG_NODE_TEXT], why[SG_LACK_WHY_TEXT];

            if (!blames(p, d->what, &s->needs[k], id))
                continue;
            sg_node_format(sg_plan_stage_at(p, s->needs[k].of.i), x->lo + (int64_t)(id - x->base),
                           name);
            c = sg_scan_claim(p, id);
            sg_plan_lack_why(p, (struct sg_node_id){ id }, why);
            d->lacks = sg_arena_text(a, name, err);
            d->lacks_why = sg_arena_text(a, why, err);
            d->run = sg_arena_text(a, c != NULL ? c->run : "", err);
            return d->lacks != NULL && d->lacks_why != NULL && d->run != NULL;
        }
    }
    return true;
}

static enum sg_decide decide_of(enum sg_verdict v)
{
    switch (v) {
    case SG_VERDICT_RUN:
        return SG_DECIDE_RUN;
    case SG_VERDICT_BLOCKED:
        return SG_DECIDE_BLOCKED;
    case SG_VERDICT_BUSY:
        return SG_DECIDE_BUSY;
    case SG_VERDICT_FRESH:
    case SG_VERDICT_DEBT: /* stale, but not by what was asked for */
    case SG_VERDICT_INPUT:
        break;
    }
    return SG_DECIDE_FRESH;
}

/* What the same job makes before the node is upstream of it, and nobody else's. */
static void mark_made(struct sg_plan *p, const struct sg_stage *s, const struct sg_decide_ask *ask)
{
    const struct sg_plan_stage *v = &p->stages[s->id.i].pub;
    struct sg_range made = sg_range_cut((struct sg_range){ ask->made_first, ask->made_end },
                                        (struct sg_range){ v->lo, v->hi });

    for (int64_t x = made.first; x < made.end; x++) {
        uint32_t id = v->base + (uint32_t)(x - v->lo);

        if (p->flags[id] & SG_NODE_HOLE)
            continue;
        p->flags[id] &= (uint16_t) ~(SG_NODE_HELD | SG_NODE_DEAD | SG_NODE_THERE);
        p->verdict[id] = SG_VERDICT_RUN;
        p->version[id] = 0;
    }
}

static bool decide(struct sg_plan *p, const struct sg_stage *s, int64_t index,
                   const struct sg_decide_ask *ask, struct sg_arena *a, struct sg_decision *d,
                   struct sg_error *err)
{
    struct sg_stage_state *state = &p->stages[s->id.i];
    uint32_t id = state->pub.base + (uint32_t)(index - state->pub.lo);

    p->claimed_seen = ask->seen;
    p->whole = &d->own;
    p->whole_node = id;
    if (!sg_recipe_of(p->c.graph, s, p->c.code, a, &d->recipe, err) || !sg_scan(p, err))
        return false;
    state->pub.recipe = d->recipe;
    state->has_recipe = true;
    if (ask->planned_upstream)
        p->asked_reasons |= SG_REASON_BIT(SG_REASON_INPUT);
    /* The node's claim is the caller's by now; what it replaced, the caller says. */
    p->flags[id] &= (uint16_t) ~(SG_NODE_HELD | SG_NODE_DEAD);
    p->flags[id] |=
        (uint16_t)((ask->forced ? SG_NODE_FORCED : 0) | (ask->interrupted ? SG_NODE_DEAD : 0));
    mark_made(p, s, ask);
    if (!sg_sweep(p, err))
        return false;
    d->what = decide_of((enum sg_verdict)p->verdict[id]);
    if (p->flags[id] & SG_NODE_COMPLETES)
        d->what = SG_DECIDE_COMPLETE;
    d->partial = sg_plan_is_partial(p, s, index);
    d->reason = (enum sg_reason)p->reason[id];
    d->reasons = p->reasons[id];
    d->detail = sg_arena_text(a, p->detail[id] != 0 ? p->details[p->detail[id]] : "", err);
    return d->detail != NULL && name_inputs(p, s, index, ask->keeps_gone, a, d, err) &&
           name_lacking(p, s, index, a, d, err);
}

bool sg_plan_decide(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                    const struct sg_decide_ask *ask, struct sg_arena *a, struct sg_decision *ret,
                    struct sg_error *err)
{
    struct sg_decision d;
    struct sg_plan *small = NULL;
    char node[SG_NODE_TEXT];
    bool ok;

    memset(&d, 0, sizeof(d));
    ok = small_plan(p, s, index, &small, err) && decide(small, s, index, ask, a, &d, err);
    sg_plan_free(small);
    if (ok) {
        *ret = d;
        return true;
    }
    sg_node_format(s, index, node);
    return sg_error_wrap(err, "decide %s", node);
}

static bool needs_itself(const struct sg_stage *s)
{
    for (uint32_t k = 0; k < s->n_needs; k++)
        if (s->needs[k].of.i == s->id.i)
            return true;
    return false;
}

/* The versions of need k, those of what was made taken from the small plan. */
static bool take_versions(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                          uint32_t k, const struct sg_decide_ask *ask, struct sg_arena *a,
                          struct sg_decision *d, const char **ret_lacks, struct sg_error *err)
{
    const struct sg_plan_stage *x = &p->stages[s->id.i].pub;
    struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[s->id.i][k], index);
    struct sg_input *in = &d->inputs[k];
    uint64_t *versions = SG_ARENA_NEW(a, in->count, uint64_t, err);
    char name[SG_NODE_TEXT];
    uint32_t at = 0;

    if (versions == NULL)
        return false;
    memcpy(versions, in->versions, in->count * sizeof(*versions));
    in->versions = versions;
    for (uint32_t id = ids.first; id < ids.end && at < in->count; id++) {
        int64_t i = x->lo + (int64_t)(id - x->base);

        if (p->flags[id] & SG_NODE_HOLE)
            continue;
        if (i >= ask->made_first && i < ask->made_end) {
            versions[at] = p->version[id];
            d->marked_ns[k][at] = p->mtime_ns[id];
            if (versions[at] == 0 && !s->needs[k].optional && *ret_lacks == NULL) {
                sg_node_format(s, i, name);
                *ret_lacks = sg_arena_text(a, name, err);
                if (*ret_lacks == NULL)
                    return false;
            }
        }
        at++;
    }
    return true;
}

bool sg_plan_take_made(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                       const struct sg_decide_ask *ask, struct sg_arena *a, struct sg_decision *d,
                       const char **ret_lacks, struct sg_error *err)
{
    struct sg_plan *small = NULL;
    const char *lacks = NULL;
    char node[SG_NODE_TEXT];
    bool ok;

    *ret_lacks = NULL;
    if (ask->made_first >= ask->made_end || !needs_itself(s))
        return true;
    ok = small_plan(p, s, index, &small, err) && sg_scan(small, err);
    for (uint32_t k = 0; ok && k < s->n_needs; k++)
        ok = s->needs[k].of.i != s->id.i ||
             take_versions(small, s, index, k, ask, a, d, &lacks, err);
    sg_plan_free(small);
    if (!ok) {
        sg_node_format(s, index, node);
        return sg_error_wrap(err, "look at what was made before %s", node);
    }
    d->stamp = sg_stamp_of(d->recipe.hash, d->inputs, d->n_inputs);
    *ret_lacks = lacks;
    return true;
}

/* The first input, order-only ones apart, that is not the one that was seen. One that another run
 * has made anew is not, though it came out as before: our job may have read it half written. */
static bool find_moved(struct sg_plan *p, const struct sg_stage *s, int64_t index,
                       const struct sg_decision *d, struct sg_arena *a, const char **ret,
                       struct sg_error *err)
{
    for (uint32_t k = 0; k < s->n_needs && k < d->n_inputs; k++) {
        const struct sg_plan_stage *x = &p->stages[s->needs[k].of.i].pub;
        struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[s->id.i][k], index);
        const struct sg_input *was = &d->inputs[k];
        uint32_t at = 0;

        if (s->needs[k].order_only)
            continue;
        for (uint32_t id = ids.first; id < ids.end; id++) {
            char name[SG_NODE_TEXT];

            if (p->flags[id] & SG_NODE_HOLE)
                continue;
            if (at < was->count && was->versions[at] == p->version[id] &&
                (p->version[id] == 0 || d->marked_ns[k][at] == p->mtime_ns[id] ||
                 p->kind[id] == SG_MARKER_ACCEPTED)) { /* a new marker for the same data */
                at++;
                continue;
            }
            sg_node_format(sg_plan_stage_at(p, s->needs[k].of.i), x->lo + (int64_t)(id - x->base),
                           name);
            *ret = sg_arena_text(a, name, err);
            return *ret != NULL;
        }
    }
    return true;
}

/* The node itself, which has no marker while its job is ours, is not asked for. Nor are claims: who
 * works on an input has taken its marker away or replaced it first, so that while it is the same
 * nobody has begun. */
static bool look_at_inputs(struct sg_plan *small, struct sg_error *err)
{
    small->no_claims = true;
    small->flags[small->claimed_node] |= SG_NODE_SCANNED;
    return sg_scan(small, err);
}

bool sg_plan_inputs_moved(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                          const struct sg_decision *d, struct sg_arena *a, const char **ret_moved,
                          struct sg_error *err)
{
    struct sg_plan *small = NULL;
    const char *moved = NULL;
    char node[SG_NODE_TEXT];
    bool ok;

    ok = small_plan(p, s, index, &small, err) && look_at_inputs(small, err) &&
         find_moved(small, s, index, d, a, &moved, err);
    sg_plan_free(small);
    if (ok) {
        *ret_moved = moved;
        return true;
    }
    sg_node_format(s, index, node);
    return sg_error_wrap(err, "look at the inputs of %s again", node);
}
