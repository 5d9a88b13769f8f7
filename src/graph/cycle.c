/*
 * Components of stages, in topological order, and cycles of nodes.
 *
 * Stages that need each other may be fine (gold needs silver, silver needs gold@-1): node edges
 * count. Where stages form a component, its nodes are searched for a real cycle, in windows of
 * time: a way round goes back in time only by offsets and forth only within the partitions that it
 * meets, so one lap fits into two of the coarsest partitions and the offsets (no more of them than
 * laps could make up for). The edges look the same all over time, but for three things, and each of
 * them gets a window: the first partitions of a stage, days that the zone makes longer or shorter,
 * and weeks against months, which need more than a year.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/clock.h"

#define DAY_S INT64_C(86400)

/* ---- components (Tarjan), with a stack of its own ---- */

struct frame {
    uint32_t stage, next; /* the need to look at next */
};

struct tarjan {
    const struct sg_graph *g;
    uint32_t *number, *low; /* number 0: not seen yet */
    bool *open;             /* on the stack */
    uint32_t *stack, n_stack, count, n_components;
    struct frame *frames;
    uint32_t n_frames;
};

static void enter(struct tarjan *t, uint32_t stage)
{
    t->number[stage] = t->low[stage] = ++t->count;
    t->open[stage] = true;
    t->stack[t->n_stack++] = stage;
    t->frames[t->n_frames++] = (struct frame){ .stage = stage };
}

/* All needs of the stage on top have been seen. */
static void leave(struct tarjan *t)
{
    uint32_t stage = t->frames[--t->n_frames].stage, member, parent;

    if (t->n_frames > 0) {
        parent = t->frames[t->n_frames - 1].stage;
        if (t->low[stage] < t->low[parent])
            t->low[parent] = t->low[stage];
    }
    if (t->low[stage] != t->number[stage])
        return;
    do {
        member = t->stack[--t->n_stack];
        t->open[member] = false;
        t->g->stages[member].component = t->n_components;
    } while (member != stage);
    t->n_components++;
}

static void visit(struct tarjan *t, uint32_t root)
{
    struct frame *f;
    uint32_t of;

    enter(t, root);
    while (t->n_frames > 0) {
        f = &t->frames[t->n_frames - 1];
        if (f->next == t->g->stages[f->stage].n_needs) {
            leave(t);
            continue;
        }
        of = t->g->stages[f->stage].needs[f->next++].of.i;
        if (t->number[of] == 0)
            enter(t, of);
        else if (t->open[of] && t->number[of] < t->low[f->stage])
            t->low[f->stage] = t->number[of];
    }
}

bool sg_load_components(struct sg_load *l)
{
    struct sg_graph *g = l->g;
    uint32_t n = g->n_stages, used = 0;
    struct tarjan t = { .g = g };

    t.number = SG_ARENA_NEW(l->arena, n, uint32_t, l->err);
    t.low = SG_ARENA_NEW(l->arena, n, uint32_t, l->err);
    t.open = SG_ARENA_NEW(l->arena, n, bool, l->err);
    t.stack = SG_ARENA_NEW(l->arena, n, uint32_t, l->err);
    t.frames = SG_ARENA_NEW(l->arena, n, struct frame, l->err);
    g->order = SG_ARENA_NEW(l->arena, n, struct sg_stage_id, l->err);
    if (t.number == NULL || t.low == NULL || t.open == NULL || t.stack == NULL ||
        t.frames == NULL || g->order == NULL)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        if (t.number[i] == 0)
            visit(&t, i);
    }
    g->n_components = t.n_components;
    /* low is free now: the place where each component begins. */
    memset(t.low, 0, n * sizeof(*t.low));
    for (uint32_t i = 0; i < n; i++)
        t.low[g->stages[i].component]++;
    for (uint32_t c = 0; c < t.n_components; c++) {
        used += t.low[c];
        t.low[c] = used - t.low[c];
    }
    for (uint32_t i = 0; i < n; i++)
        g->order[t.low[g->stages[i].component]++].i = i;
    return true;
}

/* ---- nodes of one component within a window ---- */

/* More nodes than that are not looked at: no graph of sense has a window so large. */
#define NODES_MAX UINT32_C(8000000)

struct window {
    const struct sg_graph *g;
    const struct sg_stage **stages; /* members of the component */
    uint32_t n;
    struct sg_range *ranges; /* of each member: the partitions in the window */
    uint32_t *bases;         /* node ids of their first ones */
    uint32_t *place;         /* of each stage of the graph: its place among the members, or n */
    uint32_t n_nodes;
    const int64_t *due_end; /* everything is due: the ends of all stages */
};

struct node {
    uint32_t member;
    int64_t index;
};

static struct node node_of(const struct window *w, uint32_t id)
{
    uint32_t m = w->n - 1;

    while (w->bases[m] > id)
        m--;
    return (struct node){ .member = m, .index = w->ranges[m].first + (id - w->bases[m]) };
}

/* The part of a need that lies in the window, as ids [first, end); false if there is none. */
static bool edge_range(const struct window *w, struct node n, uint32_t need, uint32_t *ret_first,
                       uint32_t *ret_end)
{
    const struct sg_stage *s = w->stages[n.member];
    uint32_t m = w->place[s->needs[need].of.i];
    struct sg_range r, bounds;

    if (m == w->n)
        return false;
    bounds = w->ranges[m];
    r = sg_need_range(w->g, s, &s->needs[need], n.index, w->due_end);
    if (r.first < bounds.first)
        r.first = bounds.first;
    if (r.end > bounds.end)
        r.end = bounds.end;
    if (r.first >= r.end)
        return false;
    *ret_first = w->bases[m] + (uint32_t)(r.first - bounds.first);
    *ret_end = w->bases[m] + (uint32_t)(r.end - bounds.first);
    return true;
}

static bool node_exists(const struct window *w, struct node n)
{
    struct sg_interval unused;

    return sg_calendar_interval(&w->stages[n.member]->cal, n.index, &unused);
}

/* A node being walked through: the ids that its needs give, one after the other. */
struct step {
    uint32_t id, need, next, end;
};

/* The next node that the one of this step needs; false when there are no more. */
static bool next_need(const struct window *w, struct step *s, uint32_t *ret)
{
    struct node n = node_of(w, s->id);

    while (s->next == s->end) {
        if (s->need == w->stages[n.member]->n_needs)
            return false;
        if (!edge_range(w, n, s->need++, &s->next, &s->end))
            s->next = s->end = 0;
    }
    *ret = s->next++;
    return true;
}

enum color { WHITE, GREY, BLACK };

/* Depth first from every node. *ret_id: a node that can be reached from itself. */
static bool find_any(const struct window *w, unsigned char *colors, struct step *steps,
                     uint32_t *ret_id)
{
    uint32_t n, id;

    for (uint32_t root = 0; root < w->n_nodes; root++) {
        if (colors[root] != WHITE || !node_exists(w, node_of(w, root)))
            continue;
        n = 0;
        steps[n++] = (struct step){ .id = root };
        colors[root] = GREY;
        while (n > 0) {
            if (!next_need(w, &steps[n - 1], &id)) {
                colors[steps[--n].id] = BLACK;
            } else if (colors[id] == GREY) {
                *ret_id = id;
                return true;
            } else if (colors[id] == WHITE && node_exists(w, node_of(w, id))) {
                colors[id] = GREY;
                steps[n++] = (struct step){ .id = id };
            }
        }
    }
    return false;
}

/* Breadth first from a node of a cycle back to it: the shortest way. from[] are the predecessors.
 * The way round ends up in ids, the node itself at its beginning. */
static uint32_t find_shortest(const struct window *w, uint32_t start, uint32_t *from,
                              uint32_t *queue, uint32_t *ids)
{
    uint32_t head = 0, tail = 0, id, n = 0;
    struct step s;

    memset(from, 0xff, w->n_nodes * sizeof(*from));
    queue[tail++] = start;
    while (head < tail) {
        s = (struct step){ .id = queue[head++] };
        while (next_need(w, &s, &id)) {
            if (id == start) {
                for (id = s.id; id != start; id = from[id])
                    ids[n++] = id;
                ids[n++] = start;
                for (uint32_t i = 0; i < n / 2; i++) { /* it was found from its end */
                    id = ids[i];
                    ids[i] = ids[n - 1 - i];
                    ids[n - 1 - i] = id;
                }
                return n;
            }
            if (from[id] == UINT32_MAX && node_exists(w, node_of(w, id))) {
                from[id] = s.id;
                queue[tail++] = id;
            }
        }
    }
    return 0;
}

static void add_name(const struct window *w, uint32_t id, struct sg_buf *b)
{
    struct sg_error err = SG_ERROR_INIT;
    struct node n = node_of(w, id);
    char name[SG_NODE_TEXT];

    sg_node_format(w->stages[n.member], n.index, name);
    if (!sg_buf_addf(b, &err, "%s%s", b->len > 0 ? " needs " : "", name))
        sg_buf_clear(b); /* a shorter message */
}

static void say_cycle(struct sg_load *l, const struct window *w, const uint32_t *ids, uint32_t n)
{
    const struct sg_stage *first = w->stages[node_of(w, ids[0]).member];
    const uint32_t most = 12;
    struct sg_buf b = SG_BUF_INIT;

    for (uint32_t i = 0; i < n && i < most; i++)
        add_name(w, ids[i], &b);
    if (n <= most)
        add_name(w, ids[0], &b);
    SG_LOAD_WRONG(l, sg_load_line(l, first, "needs"), "a cycle: %s%s", sg_buf_text(&b),
                  n <= most ? "" : " needs …");
    sg_buf_done(&b);
}

static bool search(struct sg_load *l, const struct window *w, bool *ret_found)
{
    size_t n = w->n_nodes;
    unsigned char *colors = calloc(n + 1, 1);
    struct step *steps = calloc(n + 1, sizeof(*steps));
    uint32_t *lists = NULL, start, len;
    bool ok = colors != NULL && steps != NULL;

    if (ok && find_any(w, colors, steps, &start)) {
        lists = calloc(3 * n, sizeof(*lists));
        ok = lists != NULL;
        len = ok ? find_shortest(w, start, lists, lists + n, lists + 2 * n) : 0;
        if (len > 0) {
            say_cycle(l, w, lists + 2 * n, len);
            *ret_found = true;
        }
    }
    free(colors);
    free(steps);
    free(lists);
    return ok ? true : sg_error_set(l->err, SG_ERROR_MEMORY, 0, "no memory to look for cycles");
}

/* ---- which windows ---- */

/* About how long a partition is, at most. */
static int64_t length_of(const struct sg_calendar *c)
{
    switch (c->unit) {
    case SG_UNIT_MINUTES:
        return c->minutes * INT64_C(60);
    case SG_UNIT_HOUR:
        return 3600;
    case SG_UNIT_DAY:
        return DAY_S + 3600;
    case SG_UNIT_WEEK:
        return 7 * DAY_S + 3600;
    case SG_UNIT_MONTH:
        return 31 * DAY_S + 3600;
    case SG_UNIT_ONCE:
        break;
    }
    return 0;
}

/* How far a way round can get from where it begins. */
static int64_t reach_of(const struct window *w, int64_t *ret_coarsest)
{
    int64_t coarsest = 3600, offsets = 0, most;
    bool week = false, month = false;
    const struct sg_need *n;

    for (uint32_t i = 0; i < w->n; i++) {
        if (length_of(&w->stages[i]->cal) > coarsest)
            coarsest = length_of(&w->stages[i]->cal);
        week = week || w->stages[i]->cal.unit == SG_UNIT_WEEK;
        month = month || w->stages[i]->cal.unit == SG_UNIT_MONTH;
        for (uint32_t k = 0; k < w->stages[i]->n_needs; k++) {
            n = &w->stages[i]->needs[k];
            if (w->place[n->of.i] != w->n && n->kind == SG_NEED_OFFSET)
                offsets -= n->lo * length_of(&w->g->stages[n->of.i].cal);
        }
    }
    most = 2 * coarsest * (int64_t)w->n;
    *ret_coarsest = coarsest;
    return 2 * coarsest + (offsets < most ? offsets : most) + (week && month ? 400 * DAY_S : 0);
}

static bool look_at(struct sg_load *l, struct window *w, struct sg_interval i, bool *ret_found)
{
    const struct sg_stage *s;
    uint64_t n = 0;

    for (uint32_t m = 0; m < w->n; m++) {
        s = w->stages[m];
        w->ranges[m] = sg_calendar_meeting(&s->cal, i);
        if (w->ranges[m].first < s->exists.first)
            w->ranges[m].first = s->exists.first;
        if (w->ranges[m].end > s->exists.end)
            w->ranges[m].end = s->exists.end;
        if (w->ranges[m].end < w->ranges[m].first)
            w->ranges[m].end = w->ranges[m].first;
        w->bases[m] = (uint32_t)n;
        n += (uint64_t)sg_range_count(w->ranges[m]);
        if (n > NODES_MAX)
            return true;
    }
    w->n_nodes = (uint32_t)n;
    return search(l, w, ret_found);
}

static bool has_zone_days(const struct window *w)
{
    bool days = false;

    for (uint32_t i = 0; i < w->n; i++)
        days = days ||
               (w->stages[i]->cal.unit >= SG_UNIT_DAY && w->stages[i]->cal.unit <= SG_UNIT_MONTH);
    return days && !sg_zone_is_utc(w->g->zone);
}

/* Around the beginning of each member, and around every change of the clock. */
static bool look_everywhere(struct sg_load *l, struct window *w, bool *ret_found)
{
    int64_t coarsest, reach = reach_of(w, &coarsest), first = l->now_s, t;
    struct sg_zone_span span;

    for (uint32_t i = 0; i < w->n && !*ret_found; i++) {
        t = w->stages[i]->life.start_s;
        if (t == SG_TIME_MIN)
            t = w->stages[i]->life.end_s < l->now_s ? w->stages[i]->life.end_s - reach : 0;
        if (t < first)
            first = t;
        if (!look_at(l, w, (struct sg_interval){ t - coarsest, t + reach + coarsest }, ret_found))
            return false;
    }
    for (t = first; has_zone_days(w) && t < l->now_s + 400 * DAY_S && !*ret_found; t = span.end_s) {
        span = sg_zone_span_at(w->g->zone, t);
        if (span.end_s == INT64_MAX)
            break;
        if (!look_at(l, w, (struct sg_interval){ span.end_s - reach, span.end_s + reach },
                     ret_found))
            return false;
    }
    return true;
}

/* ---- one component ---- */

/* True: a need of the component is @latest, which has no order in time. */
static bool reaches_itself_by_latest(struct sg_load *l, const struct window *w)
{
    const struct sg_stage *s;

    for (uint32_t i = 0; i < w->n; i++) {
        s = w->stages[i];
        for (uint32_t k = 0; k < s->n_needs; k++) {
            if (s->needs[k].kind != SG_NEED_LATEST || w->place[s->needs[k].of.i] == w->n)
                continue;
            SG_LOAD_WRONG(l, sg_load_line(l, s, "needs"),
                          "needs: %s: %s reaches itself through it, so that its newest one would "
                          "need itself",
                          s->needs[k].text, s->name);
            return true;
        }
    }
    return false;
}

/* A single stage that only looks back on itself is a chain. */
static bool is_chain(const struct sg_stage *s)
{
    for (uint32_t k = 0; k < s->n_needs; k++) {
        if (s->needs[k].of.i == s->id.i &&
            (s->needs[k].kind != SG_NEED_OFFSET || s->needs[k].hi >= 0))
            return false;
    }
    return true;
}

static bool check_component(struct sg_load *l, struct window *w, const struct sg_stage_id *ids,
                            uint32_t n)
{
    bool bad = false, found = false;

    w->n = n;
    for (uint32_t i = 0; i < l->g->n_stages; i++)
        w->place[i] = n;
    for (uint32_t i = 0; i < n; i++) {
        w->stages[i] = &l->g->stages[ids[i].i];
        w->place[ids[i].i] = i;
        bad = bad || l->bad[ids[i].i];
    }
    if (bad || reaches_itself_by_latest(l, w) || (n == 1 && is_chain(w->stages[0])))
        return true;
    return look_everywhere(l, w, &found);
}

bool sg_load_check_cycles(struct sg_load *l)
{
    const struct sg_graph *g = l->g;
    struct window w = { .g = g };
    uint32_t first = 0, end;
    int64_t *due_end;

    w.stages = SG_ARENA_NEW(l->arena, g->n_stages, const struct sg_stage *, l->err);
    w.ranges = SG_ARENA_NEW(l->arena, g->n_stages, struct sg_range, l->err);
    w.bases = SG_ARENA_NEW(l->arena, g->n_stages, uint32_t, l->err);
    w.place = SG_ARENA_NEW(l->arena, g->n_stages, uint32_t, l->err);
    due_end = SG_ARENA_NEW(l->arena, g->n_stages, int64_t, l->err);
    if (w.stages == NULL || w.ranges == NULL || w.bases == NULL || w.place == NULL ||
        due_end == NULL)
        return false;
    for (uint32_t i = 0; i < g->n_stages; i++)
        due_end[i] = g->stages[i].exists.end;
    w.due_end = due_end;
    while (first < g->n_stages) {
        end = first + 1;
        while (end < g->n_stages &&
               g->stages[g->order[end].i].component == g->stages[g->order[first].i].component)
            end++;
        /* Most stages are a component of one that doesn't need itself: nothing to look at. */
        if (end - first > 1 || !is_chain(&g->stages[g->order[first].i])) {
            if (!check_component(l, &w, &g->order[first], end - first))
                return false;
        }
        first = end;
    }
    return true;
}
