/*
 * The inputs of a need as a window that moves along with the node. docs/design.md, "Windows".
 */
#include "plan_impl.h"

/* As many inputs as are gone through for each node: fewer than it takes to keep a window. */
#define NARROW 4u

/* What an input has to tell its users: mostly nothing. */
static uint32_t tells(const struct sg_plan *p, uint32_t of, uint32_t id)
{
    const struct sg_plan_stage *x = &p->stages[of].pub;
    const uint16_t flags = p->flags[id];
    const enum sg_verdict v = (enum sg_verdict)p->verdict[id];
    uint32_t ret = 0;

    if (flags & (SG_NODE_FRESH_IN | SG_NODE_HOLE))
        return 0;
    if (p->version[id] == 0)
        ret |= SG_MEET_BIT(SG_MEET_ABSENT);
    if (sg_plan_is_early(p, of, id))
        return ret;
    if (v == SG_VERDICT_RUN)
        ret |= SG_MEET_BIT(SG_MEET_RUN);
    if (v == SG_VERDICT_BUSY)
        ret |= SG_MEET_BIT(SG_MEET_BUSY);
    if (flags & SG_NODE_HELD)
        ret |= SG_MEET_BIT(SG_MEET_HELD);
    if (flags & SG_NODE_THERE) {
        if (v == SG_VERDICT_BLOCKED)
            ret |= SG_MEET_BIT(SG_MEET_BLOCKED);
        if (v == SG_VERDICT_DEBT)
            ret |= SG_MEET_BIT(SG_MEET_DEBT);
        if (flags & SG_NODE_STALE)
            ret |= SG_MEET_BIT(SG_MEET_STALE);
    } else if (!(flags & SG_NODE_HELD) && v != SG_VERDICT_RUN && v != SG_VERDICT_BUSY &&
               x->lo + (int64_t)(id - x->base) < x->due_end) {
        ret |= SG_MEET_BIT(SG_MEET_LACKING);
    }
    return ret;
}

/* Without holes most versions lie side by side. */
static void sum_each(const struct sg_plan *p, struct sg_id_range ids, struct sg_sum *ret)
{
    uint32_t holes = 0;

    ret->n = ids.end - ids.first;
    for (uint32_t id = ids.first; id < ids.end; id++)
        holes += (p->flags[id] & SG_NODE_HOLE) != 0;
    if (holes == 0) {
        ret->value = sg_sum_of(&p->version[ids.first], ret->n);
        return;
    }
    *ret = (struct sg_sum)SG_SUM_INIT;
    for (uint32_t id = ids.first; id < ids.end; id++)
        if (!(p->flags[id] & SG_NODE_HOLE))
            sg_sum_add(ret, p->version[id]);
}

static uint32_t meet_each(const struct sg_plan *p, uint32_t of, struct sg_id_range ids,
                          struct sg_sum *ret_sum)
{
    uint32_t met = 0;

    for (uint32_t id = ids.first; id < ids.end; id++)
        met |= tells(p, of, id);
    if (ret_sum != NULL)
        sum_each(p, ids, ret_sum);
    return met;
}

static void come_in(const struct sg_plan *p, uint32_t of, uint32_t id, struct sg_window *w)
{
    uint32_t told = tells(p, of, id);

    w->end = id + 1;
    w->came++;
    for (; told != 0; told &= told - 1)
        w->behind[__builtin_ctz(told)] = id + 1;
    if (!(p->flags[id] & SG_NODE_HOLE))
        sg_sum_add(&w->sum, p->version[id]);
}

static void go_out(const struct sg_plan *p, struct sg_window *w)
{
    if (!(p->flags[w->first] & SG_NODE_HOLE))
        sg_sum_drop(&w->sum, p->version[w->first]);
    w->first++;
}

uint32_t sg_window_meet(const struct sg_plan *p, uint32_t of, struct sg_id_range ids,
                        struct sg_window *w, struct sg_sum *ret_sum)
{
    uint32_t met = 0;

    if (w == NULL || ids.end - ids.first <= NARROW)
        return meet_each(p, of, ids, ret_sum);
    if (ids.first < w->first || ids.first >= w->end || ids.end < w->end)
        *w = (struct sg_window){
            .first = ids.first, .end = ids.first, .sum = SG_SUM_INIT, .came = w->came
        };
    while (w->end < ids.end)
        come_in(p, of, w->end, w);
    while (w->first < ids.first)
        go_out(p, w);
    for (uint32_t m = 0; m < SG_MEETS; m++)
        if (w->behind[m] > ids.first)
            met |= SG_MEET_BIT(m);
    if (ret_sum != NULL)
        *ret_sum = w->sum;
    return met;
}

struct sg_id_range sg_window_done(const struct sg_plan *p, uint32_t of, struct sg_id_range ids)
{
    struct sg_id_range done = p->stages[of].done;

    if (ids.first < done.first)
        ids.first = done.first;
    if (ids.end > done.end)
        ids.end = done.end;
    return ids; /* first behind end: none */
}

bool sg_windows_of(struct sg_plan *p, const struct sg_stage *s, struct sg_error *err)
{
    struct sg_stage_state *state = &p->stages[s->id.i];

    if (state->windows == NULL)
        state->windows = SG_ARENA_NEW(&p->arena, s->n_needs, struct sg_window, err);
    return state->windows != NULL;
}

void sg_windows_forget(struct sg_plan *p)
{
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        struct sg_window *windows = p->stages[i].windows;

        for (uint32_t k = 0; windows != NULL && k < sg_plan_stage_at(p, i)->n_needs; k++)
            windows[k] = (struct sg_window){ .came = windows[k].came };
    }
}
