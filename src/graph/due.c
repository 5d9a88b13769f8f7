/* Which partitions are due: a prefix of each stage. */
#include "stagegraph/graph.h"

/* The index behind the last partition before `end` that exists (a date may never have been). */
static int64_t behind_last(const struct sg_stage *s, int64_t end)
{
    if (end <= s->exists.first)
        return s->exists.first;
    return sg_calendar_step(&s->cal, end, -1) + 1;
}

/* By the clock alone: the partitions whose end plus delay is past, or now. */
static int64_t due_by_clock(const struct sg_stage *s, int64_t now_s)
{
    int64_t t, end;

    if (s->cal.unit == SG_UNIT_ONCE)
        return s->exists.end;
    if (__builtin_sub_overflow(now_s, s->delay_s, &t))
        t = now_s < 0 ? INT64_MIN : INT64_MAX;
    end = sg_calendar_index(&s->cal, t);
    if (end > s->exists.end)
        end = s->exists.end;
    return behind_last(s, end);
}

/* The first partition of s that needs one which is not due; INT64_MAX if there is none. */
static int64_t first_waiting(const struct sg_graph *g, const struct sg_stage *s,
                             const struct sg_need *n, const int64_t *due_end)
{
    const struct sg_stage *of = &g->stages[n->of.i];
    int64_t q = due_end[of->id.i], index;
    struct sg_calendar c = of->cal;
    struct sg_interval i;

    if (n->optional || n->kind == SG_NEED_LATEST || of->cal.unit == SG_UNIT_ONCE ||
        q >= of->exists.end)
        return INT64_MAX;
    if (n->kind == SG_NEED_OFFSET)
        q = sg_calendar_step(&c, q, -(int64_t)n->hi);
    if (s->cal.unit == of->cal.unit && s->cal.minutes == of->cal.minutes) {
        index = q;
    } else {
        (void)sg_calendar_interval(&c, q, &i); /* of a date that never was: the next instant */
        index = sg_calendar_index(&s->cal, i.start_s);
        if (n->kind == SG_NEED_OFFSET) { /* counted from the start of s, not from its interval */
            int64_t start_s = i.start_s;

            (void)sg_calendar_interval(&s->cal, index, &i);
            if (i.start_s < start_s)
                index = sg_calendar_step(&s->cal, index, 1);
        }
    }
    if (index < s->exists.first)
        index = s->exists.first;
    if (index >= s->exists.end)
        return INT64_MAX;
    /* Behind the end of X nothing is needed of it any more. */
    return sg_need_range(g, s, n, index, due_end).end > due_end[of->id.i] ? index : INT64_MAX;
}

/* False: nothing changed. */
static bool hold_back(const struct sg_graph *g, const struct sg_stage *s, int64_t *due_end)
{
    int64_t end = due_end[s->id.i], first;

    for (uint32_t i = 0; i < s->n_needs; i++) {
        first = first_waiting(g, s, &s->needs[i], due_end);
        if (first < end)
            end = first;
    }
    end = behind_last(s, end);
    if (end == due_end[s->id.i])
        return false;
    due_end[s->id.i] = end;
    return true;
}

void sg_graph_due(const struct sg_graph *g, int64_t now_s, int64_t *due_end)
{
    uint32_t first = 0, end;
    bool changed;

    for (uint32_t i = 0; i < g->n_stages; i++)
        due_end[i] = due_by_clock(&g->stages[i], now_s);
    /* A component after those that it needs; inside one until nothing changes: since needs point
     * back in time, that is after as many rounds as it has stages. */
    while (first < g->n_stages) {
        const struct sg_stage *s = &g->stages[g->order[first].i];

        end = first + 1;
        while (end < g->n_stages && g->stages[g->order[end].i].component == s->component)
            end++;
        changed = true;
        for (uint32_t round = 0; changed && round <= end - first; round++) {
            changed = false;
            for (uint32_t k = first; k < end; k++) {
                s = &g->stages[g->order[k].i];
                if (s->cal.unit != SG_UNIT_ONCE && hold_back(g, s, due_end))
                    changed = true;
            }
        }
        first = end;
    }
}

bool sg_graph_is_partial(const struct sg_graph *g, const struct sg_stage *s, int64_t index,
                         int64_t now_s, const int64_t *due_end)
{
    bool any = false, begun = false, all = true;
    struct sg_interval i;

    if (!s->partial || index < due_end[s->id.i] || index < s->exists.first ||
        index >= s->exists.end || s->cal.unit == SG_UNIT_ONCE ||
        !sg_calendar_interval(&s->cal, index, &i) || i.start_s > now_s)
        return false;
    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_need *n = &s->needs[k];
        struct sg_range r;

        if (n->optional || n->order_only)
            continue;
        r = sg_need_range(g, s, n, index, due_end);
        if (r.end == r.first)
            continue;
        any = true;
        if (r.end > due_end[n->of.i]) {
            all = false;
            begun = begun || r.first < due_end[n->of.i];
        }
    }
    return any && (all || begun);
}

int64_t sg_graph_partial_end(const struct sg_graph *g, const struct sg_stage *s, int64_t now_s,
                             const int64_t *due_end)
{
    int64_t due = due_end[s->id.i], x;

    if (!s->partial || s->cal.unit == SG_UNIT_ONCE)
        return due;
    x = sg_calendar_index(&s->cal, now_s);
    if (x >= s->exists.end)
        x = s->exists.end - 1;
    while (x >= due && !sg_graph_is_partial(g, s, x, now_s, due_end))
        x--;
    return x >= due ? x + 1 : due;
}
