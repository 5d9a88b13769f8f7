/*
 * Ranges, stages and names to the asked set: docs/design.md, "Requests".
 */
#include "plan_impl.h"

#include <string.h>

/* ---- which stages */

/* Adds to set whatever its stages need, by stage. */
static bool close_over_needs(struct sg_plan *p, bool *set, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    uint32_t *todo = SG_ARENA_NEW(&p->arena, g->n_stages, uint32_t, err), n = 0;

    if (todo == NULL)
        return false;
    for (uint32_t i = 0; i < g->n_stages; i++)
        if (set[i])
            todo[n++] = i;
    while (n != 0) {
        const struct sg_stage *s = &g->stages[todo[--n]];

        for (uint32_t k = 0; k < s->n_needs; k++)
            if (!set[s->needs[k].of.i]) {
                set[s->needs[k].of.i] = true;
                todo[n++] = s->needs[k].of.i;
            }
    }
    return true;
}

static bool choose_stages(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    const struct sg_request *r = p->c.request;
    bool *upto = NULL;

    if (r->upto != NULL) {
        upto = SG_ARENA_NEW(&p->arena, g->n_stages, bool, err);
        if (upto == NULL)
            return false;
        memcpy(upto, r->upto, g->n_stages * sizeof(*upto));
        if (!close_over_needs(p, upto, err))
            return false;
    }
    for (uint32_t i = 0; i < g->n_stages; i++)
        p->stages[i].pub.selected =
            !g->stages[i].is_source && (r->only == NULL || r->only[i]) && (upto == NULL || upto[i]);
    return true;
}

/* ---- asked by range */

struct sg_interval sg_interval_both(struct sg_interval a, struct sg_interval b)
{
    if (a.start_s < b.start_s)
        a.start_s = b.start_s;
    if (a.end_s > b.end_s)
        a.end_s = b.end_s;
    return a;
}

struct sg_interval sg_select_range(const struct sg_plan *p)
{
    const struct sg_request *r = p->c.request;
    struct sg_interval hull = { SG_TIME_MAX, SG_TIME_MIN }, window;

    if (r->has_range)
        return r->range;
    if (r->window > 0) {
        sg_request_window(p->c.graph, r, &hull, &window);
        return hull;
    }
    for (uint32_t i = 0; r->narrowed != NULL && i < p->c.graph->n_stages; i++)
        if (r->narrowed[i]) {
            if (hull.start_s > r->narrow[i].start_s)
                hull.start_s = r->narrow[i].start_s;
            if (hull.end_s < r->narrow[i].end_s)
                hull.end_s = r->narrow[i].end_s;
        }
    if (hull.start_s > hull.end_s)
        hull = (struct sg_interval){ SG_TIME_MIN, SG_TIME_MAX };
    return hull;
}

static bool no_start(const struct sg_stage *s, struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_USAGE, 0,
                        "%s has no start: give a range (--from, --to, --date, --last)", s->name);
}

/* What may be taken: due partitions, and of a partial stage those that have begun. Between these
 * may lie some that have not, where needs begin or end: sg_plan_may_ask() says it of one. */
static struct sg_range due_range(const struct sg_plan *p, const struct sg_stage *s)
{
    struct sg_range due = { s->exists.first,
                            sg_graph_partial_end(p->c.graph, s, p->c.request->now_s, p->due_end) };

    return sg_range_cut(due, s->exists);
}

bool sg_plan_may_ask(const struct sg_plan *p, const struct sg_stage *s, int64_t index)
{
    return index < p->due_end[s->id.i] ||
           sg_graph_is_partial(p->c.graph, s, index, p->c.request->now_s, p->due_end);
}

static bool ask_by_range(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_request *r = p->c.request;
    struct sg_interval all = sg_select_range(p);

    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_stage *s = sg_plan_stage_at(p, i);
        struct sg_stage_state *state = &p->stages[i];
        struct sg_interval mine = all;

        if (!state->pub.selected)
            continue;
        if (r->narrowed != NULL && r->narrowed[i])
            mine = sg_interval_both(mine, r->narrow[i]);
        if (mine.start_s >= mine.end_s)
            continue;
        state->asked = sg_range_cut(sg_calendar_meeting(&s->cal, mine), due_range(p, s));
        if (state->asked.first == INT64_MIN && state->asked.end != INT64_MIN)
            return no_start(s, err);
    }
    return true;
}

/* ---- asked by name */

static bool is_due_at(struct sg_plan *p, int64_t *due, struct sg_named_node n, int64_t now_s)
{
    sg_graph_due(p->c.graph, now_s, due);
    return n.index < due[n.stage.i] ||
           sg_graph_is_partial(p->c.graph, sg_graph_stage(p->c.graph, n.stage), n.index, now_s,
                               due);
}

/* Says when the node is due: what is due only grows with time, so the instant is searched for. */
static bool not_due(struct sg_plan *p, struct sg_named_node n, struct sg_error *err)
{
    const struct sg_stage *s = sg_graph_stage(p->c.graph, n.stage);
    int64_t *due = SG_ARENA_NEW(&p->arena, p->c.graph->n_stages, int64_t, err);
    int64_t now = p->c.request->now_s, before = now, at = now, step = 3600;
    const int64_t far = now + INT64_C(100) * 366 * 86400;
    char text[SG_NODE_TEXT], when[SG_UTC_TEXT];

    if (due == NULL)
        return false;
    sg_node_format(s, n.index, text);
    while (at < far && !is_due_at(p, due, n, at)) {
        before = at;
        at += step;
        step *= 2;
    }
    if (at >= far)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "%s is not due", text);
    while (at - before > 1) {
        int64_t mid = before + (at - before) / 2;

        if (is_due_at(p, due, n, mid))
            at = mid;
        else
            before = mid;
    }
    sg_utc_format_short(at, when);
    return sg_error_set(err, SG_ERROR_USAGE, 0, "%s is not due before %s", text, when);
}

static bool check_named(struct sg_plan *p, struct sg_named_node n, struct sg_interval *ret,
                        struct sg_error *err)
{
    const struct sg_stage *s = sg_graph_stage(p->c.graph, n.stage);
    char text[SG_NODE_TEXT];

    sg_node_format(s, n.index, text);
    if (s->is_source)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "%s is a source's: nothing makes it", text);
    if (!sg_calendar_interval(&s->cal, n.index, ret))
        return sg_error_set(err, SG_ERROR_USAGE, 0, "%s: that date never was", text);
    if (n.index < s->exists.first)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "%s is before the start of %s", text, s->name);
    if (n.index >= s->exists.end)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "%s is after the end of %s", text, s->name);
    return sg_plan_may_ask(p, s, n.index) || not_due(p, n, err);
}

struct closure {
    struct sg_plan *p;
    bool *reachable;        /* stages that the named ones need, sources apart */
    struct sg_range *meets; /* a stage: due partitions that meet the named node's interval */
    struct sg_named_node *todo;
    size_t n_todo, cap_todo;
};

static struct sg_range due_meeting(const struct sg_plan *p, const struct sg_stage *s,
                                   struct sg_interval i)
{
    return sg_range_cut(sg_calendar_meeting(&s->cal, i), due_range(p, s));
}

/* Room for `reached`: the hull of what the closures can touch. */
static bool closure_room(struct closure *c, struct sg_error *err)
{
    struct sg_plan *p = c->p;
    const struct sg_request *r = p->c.request;

    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_stage *s = sg_plan_stage_at(p, i);
        struct sg_range *hull = &p->stages[i].asked;

        for (uint32_t k = 0; c->reachable[i] && k < r->n_named; k++) {
            struct sg_interval of;
            struct sg_range m;

            if (!check_named(p, r->named[k], &of, err))
                return false;
            m = due_meeting(p, s, of);
            if (m.end == m.first)
                continue;
            if (m.first == INT64_MIN)
                return no_start(s, err);
            if (hull->end == hull->first)
                *hull = m;
            if (hull->first > m.first)
                hull->first = m.first;
            if (hull->end < m.end)
                hull->end = m.end;
        }
        p->stages[i].reached =
            SG_ARENA_NEW(&p->arena, (size_t)sg_range_count(*hull), uint32_t, err);
        if (p->stages[i].reached == NULL)
            return false;
    }
    return true;
}

static bool reach(struct closure *c, uint32_t mark, struct sg_named_node n, struct sg_error *err)
{
    struct sg_stage_state *state = &c->p->stages[n.stage.i];
    uint32_t *at = &state->reached[n.index - state->asked.first];
    struct sg_interval i;

    if (*at == mark || !sg_calendar_interval(&sg_plan_stage_at(c->p, n.stage.i)->cal, n.index, &i))
        return true;
    if (!sg_arena_grow(&c->p->arena, (void **)&c->todo, c->n_todo, &c->cap_todo, sizeof(n), err))
        return false;
    *at = mark;
    c->todo[c->n_todo++] = n;
    return true;
}

/* The closure of one named node: through nodes whose interval meets its own. The mark tells
 * closures apart, for two of them may reach one node through different intervals. */
static bool close_over_nodes(struct closure *c, uint32_t mark, struct sg_named_node named,
                             struct sg_error *err)
{
    struct sg_plan *p = c->p;
    struct sg_interval of;

    sg_calendar_interval(&sg_plan_stage_at(p, named.stage.i)->cal, named.index, &of);
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++)
        if (c->reachable[i])
            c->meets[i] = due_meeting(p, sg_plan_stage_at(p, i), of);
    if (!reach(c, mark, named, err))
        return false;
    while (c->n_todo != 0) {
        struct sg_named_node at = c->todo[--c->n_todo];
        const struct sg_stage *s = sg_plan_stage_at(p, at.stage.i);

        for (uint32_t k = 0; k < s->n_needs; k++) {
            const struct sg_edge *e = &p->edges[at.stage.i][k];
            uint32_t of_i = e->need->of.i;
            struct sg_range r;

            if (!c->reachable[of_i])
                continue;
            r = sg_range_cut(sg_edge_range(p, s, e, at.index), c->meets[of_i]);
            for (int64_t x = r.first; x < r.end; x++)
                if (!reach(c, mark, (struct sg_named_node){ { of_i }, x }, err))
                    return false;
        }
    }
    return true;
}

static bool ask_by_name(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_request *r = p->c.request;
    uint32_t n = p->c.graph->n_stages;
    struct closure c = { .p = p };

    c.reachable = SG_ARENA_NEW(&p->arena, n, bool, err);
    c.meets = SG_ARENA_NEW(&p->arena, n, struct sg_range, err);
    if (c.reachable == NULL || c.meets == NULL)
        return false;
    for (uint32_t k = 0; k < r->n_named; k++)
        c.reachable[r->named[k].stage.i] = true;
    if (!close_over_needs(p, c.reachable, err))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (sg_plan_stage_at(p, i)->is_source)
            c.reachable[i] = false;
    for (uint32_t k = 0; k < r->n_named; k++) {
        struct sg_interval of;

        if (!check_named(p, r->named[k], &of, err))
            return false;
    }
    if (!closure_room(&c, err))
        return false;
    for (uint32_t k = 0; k < r->n_named; k++)
        if (!close_over_nodes(&c, k + 1, r->named[k], err))
            return false;
    for (uint32_t i = 0; i < n; i++) {
        struct sg_stage_state *state = &p->stages[i];
        bool any = false;

        for (int64_t x = 0; !any && x < sg_range_count(state->asked); x++)
            any = state->reached[x] != 0;
        state->pub.selected &= any;
        if (!state->pub.selected)
            state->asked.end = state->asked.first;
    }
    return true;
}

bool sg_select_request(struct sg_plan *p, struct sg_error *err)
{
    if (!choose_stages(p, err))
        return false;
    if (!(p->c.request->n_named != 0 ? ask_by_name(p, err) : ask_by_range(p, err)))
        return false;
    return sg_scope_new(p, err);
}
