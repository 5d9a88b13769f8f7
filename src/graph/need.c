/* Node edges from the rules between stages: what a node needs, and who needs it. */
#include "stagegraph/graph.h"

static struct sg_range clip(struct sg_range r, struct sg_range bounds)
{
    if (r.first < bounds.first)
        r.first = bounds.first;
    if (r.end > bounds.end)
        r.end = bounds.end;
    if (r.end < r.first)
        r.end = r.first;
    return r;
}

static const struct sg_range nothing = { .first = 0, .end = 0 };

/* Of one graph: its calendars share the zone. */
static bool is_same(const struct sg_calendar *a, const struct sg_calendar *b)
{
    return a->unit == b->unit && a->minutes == b->minutes;
}

static struct sg_range meets_range(const struct sg_stage *s, const struct sg_stage *of,
                                   int64_t index, const int64_t *due_end)
{
    struct sg_interval i;

    if (of->cal.unit == SG_UNIT_ONCE)
        return of->exists;
    if (s->cal.unit == SG_UNIT_ONCE)
        return (struct sg_range){ .first = of->exists.first, .end = due_end[of->id.i] };
    if (is_same(&s->cal, &of->cal))
        return (struct sg_range){ .first = index, .end = index + 1 };
    if (!sg_calendar_interval(&s->cal, index, &i))
        return nothing;
    return sg_calendar_meeting(&of->cal, i);
}

static struct sg_range offset_range(const struct sg_stage *s, const struct sg_stage *of,
                                    const struct sg_need *n, int64_t index)
{
    struct sg_interval i;
    int64_t base = index;

    if (!is_same(&s->cal, &of->cal)) {
        if (!sg_calendar_interval(&s->cal, index, &i))
            return nothing;
        base = sg_calendar_index(&of->cal, i.start_s);
    }
    return (struct sg_range){ .first = sg_calendar_step(&of->cal, base, n->lo),
                              .end = sg_calendar_step(&of->cal, base, n->hi) + 1 };
}

struct sg_range sg_need_range(const struct sg_graph *g, const struct sg_stage *s,
                              const struct sg_need *n, int64_t index, const int64_t *due_end)
{
    const struct sg_stage *of = &g->stages[n->of.i];
    struct sg_range r = nothing;

    switch (n->kind) {
    case SG_NEED_MEETS:
        r = meets_range(s, of, index, due_end);
        break;
    case SG_NEED_OFFSET:
        r = offset_range(s, of, n, index);
        break;
    case SG_NEED_LATEST:
        r.end = due_end[of->id.i];
        r.first = r.end > of->exists.first ? r.end - 1 : r.end;
        break;
    }
    return clip(r, of->exists);
}

/* The partitions of s that begin in [from_s, to_s). */
static struct sg_range starting_in(const struct sg_stage *s, int64_t from_s, int64_t to_s)
{
    struct sg_range r = { .first = sg_calendar_index(&s->cal, from_s) };
    struct sg_interval i;

    (void)sg_calendar_interval(&s->cal, r.first, &i); /* it holds from_s, so it exists */
    if (i.start_s < from_s)
        r.first++;
    r.end = sg_calendar_index(&s->cal, to_s - 1) + 1;
    return r;
}

static struct sg_range meets_users(const struct sg_stage *s, const struct sg_stage *of,
                                   int64_t index, const int64_t *due_end)
{
    struct sg_interval i;

    if (of->cal.unit == SG_UNIT_ONCE)
        return s->exists;
    if (s->cal.unit == SG_UNIT_ONCE)
        return index < due_end[of->id.i] ? s->exists : nothing;
    if (is_same(&s->cal, &of->cal))
        return (struct sg_range){ .first = index, .end = index + 1 };
    if (!sg_calendar_interval(&of->cal, index, &i))
        return nothing;
    return sg_calendar_meeting(&s->cal, i);
}

static struct sg_range offset_users(const struct sg_stage *s, const struct sg_stage *of,
                                    const struct sg_need *n, int64_t index)
{
    /* The partitions of X that their starts may lie in. */
    int64_t first = sg_calendar_step(&of->cal, index, -(int64_t)n->hi);
    int64_t last = sg_calendar_step(&of->cal, index, -(int64_t)n->lo);
    struct sg_interval from, to;

    if (is_same(&s->cal, &of->cal))
        return (struct sg_range){ .first = first, .end = last + 1 };
    (void)sg_calendar_interval(&of->cal, first, &from); /* a step ends at one that exists */
    (void)sg_calendar_interval(&of->cal, last, &to);
    return starting_in(s, from.start_s, to.end_s);
}

struct sg_range sg_need_users(const struct sg_graph *g, const struct sg_stage *s,
                              const struct sg_need *n, int64_t index, const int64_t *due_end)
{
    const struct sg_stage *of = &g->stages[n->of.i];
    struct sg_range r = nothing;

    if (index < of->exists.first || index >= of->exists.end)
        return nothing;
    switch (n->kind) {
    case SG_NEED_MEETS:
        r = meets_users(s, of, index, due_end);
        break;
    case SG_NEED_OFFSET:
        r = offset_users(s, of, n, index);
        break;
    case SG_NEED_LATEST:
        if (index + 1 == due_end[of->id.i])
            r = s->exists;
        break;
    }
    return clip(r, s->exists);
}
