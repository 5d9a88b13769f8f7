/*
 * Batches: which contiguous nodes of a stage go into one process. docs/design.md, "Batches".
 *
 * Greedy, from the oldest. A stage that is alone in its component only has to be counted off. In a
 * component of several stages a member must not need another one by way of a different stage, for
 * the batch would wait for itself; that is told by two numbers a node, found by walking the
 * component once for each stage that is cut:
 *
 *   T(n)  the largest index of the stage that n reaches through nodes that will run
 *   X(m)  the largest T of m's needs in other stages
 *
 * A batch that begins at `first` takes m only if X(m) < first. Batches of the component's stages
 * that were cut before are walked as one node, for they wait as one.
 */
#include "plan_impl.h"

#include <string.h>

static uint32_t first_of(const struct sg_plan *p, uint32_t id)
{
    return p->batch != NULL && p->batch[id] != 0 ? p->batch[id] - 1 : id;
}

void sg_plan_batch(const struct sg_plan *p, struct sg_node_id n, struct sg_node_id *ret_first,
                   uint32_t *ret_count)
{
    const struct sg_plan_stage *v;
    uint32_t first = first_of(p, n.i), end;

    *ret_first = (struct sg_node_id){ first };
    *ret_count = 1;
    if (p->batch == NULL || p->batch[n.i] == 0)
        return;
    v = &p->stages[sg_plan_stage_of(p, n.i)].pub;
    end = v->base + (uint32_t)(v->hi - v->lo);
    for (uint32_t id = first + 1; id < end; id++) {
        if (p->flags[id] & SG_NODE_HOLE)
            continue;
        if (p->batch[id] != first + 1)
            return;
        ++*ret_count;
    }
}

/* ---- the walk: T of all jobs of a component */

struct frame {
    uint32_t id, stage; /* a member of the job, and its stage */
    uint32_t need;      /* the one under way is the one before */
    uint32_t next, end; /* ids of it that were not looked at */
    uint32_t first;     /* of the job */
};

enum { UNSEEN, OPEN, SEEN };

struct walk {
    const struct sg_plan *p;
    struct sg_arena a;
    struct frame *frames;
    size_t n, cap;
    int64_t *reach; /* T, by the first member */
    uint8_t *seen;
    uint32_t component;
    uint32_t stage; /* whose indexes are reached; SG_NO_NODE: the walk only looks for a way round */
    bool round;     /* jobs wait for each other */
};

static int64_t index_of(const struct sg_plan *p, uint32_t stage, uint32_t id)
{
    return p->stages[stage].pub.lo + (int64_t)(id - p->stages[stage].pub.base);
}

static void raise_to(int64_t *at, int64_t to)
{
    if (*at < to)
        *at = to;
}

static bool push(struct walk *w, uint32_t stage, uint32_t first, struct sg_error *err)
{
    if (!sg_arena_grow(&w->a, (void **)&w->frames, w->n, &w->cap, sizeof(*w->frames), err))
        return false;
    w->seen[first] = OPEN;
    w->reach[first] = INT64_MIN;
    w->frames[w->n++] = (struct frame){ .id = first, .stage = stage, .first = first };
    return true;
}

/* The member after this one of the same job, or SG_NO_NODE. */
static uint32_t next_member(const struct sg_plan *p, uint32_t stage, uint32_t id)
{
    const struct sg_plan_stage *v = &p->stages[stage].pub;
    uint32_t end = v->base + (uint32_t)(v->hi - v->lo), first = first_of(p, id);

    if (p->batch == NULL || p->batch[id] == 0)
        return SG_NO_NODE;
    do
        id++;
    while (id < end && (p->flags[id] & SG_NODE_HOLE));
    return id < end && p->batch[id] == first + 1 ? id : SG_NO_NODE;
}

/* Sets next and end to the inputs of the next need within the component. False: there is none. */
static bool next_need(const struct walk *w, struct frame *f)
{
    const struct sg_plan *p = w->p;
    const struct sg_stage *s = sg_plan_stage_at(p, f->stage);

    for (;;) {
        uint32_t id;

        while (f->need < s->n_needs) {
            const struct sg_edge *e = &p->edges[f->stage][f->need++];
            struct sg_id_range ids;

            if (sg_graph_stage(p->c.graph, e->need->of)->component != w->component)
                continue;
            ids = sg_edge_ids(p, s, e, index_of(p, f->stage, f->id));
            f->next = ids.first;
            f->end = ids.end;
            return true;
        }
        id = next_member(p, f->stage, f->id);
        if (id == SG_NO_NODE)
            return false;
        f->id = id;
        f->need = 0;
    }
}

/* The job that the topmost one needs next and that was not seen yet. False: it has no more. */
static bool next_job(struct walk *w, uint32_t *ret_stage, uint32_t *ret_first)
{
    const struct sg_plan *p = w->p;
    struct frame *f = &w->frames[w->n - 1];

    do {
        while (f->next < f->end) {
            uint32_t id = f->next, first = first_of(p, id);

            if (!sg_plan_has_job(p, id) || first == f->first) {
                f->next++;
                continue;
            }
            if (w->seen[first] == UNSEEN) { /* and comes again when it is seen */
                *ret_stage = sg_plan_stage_at(p, f->stage)->needs[f->need - 1].of.i;
                *ret_first = first;
                return true;
            }
            w->round |= w->seen[first] == OPEN;
            raise_to(&w->reach[f->first], w->reach[first]);
            f->next++;
        }
    } while (next_need(w, f));
    return false;
}

static bool walk_from(struct walk *w, uint32_t stage, uint32_t first, struct sg_error *err)
{
    if (!push(w, stage, first, err))
        return false;
    while (w->n != 0) {
        struct frame *f = &w->frames[w->n - 1];
        uint32_t of, job;

        if (next_job(w, &of, &job)) {
            if (!push(w, of, job, err))
                return false;
            continue;
        }
        if (f->stage == w->stage) /* f->id is the last member by now */
            raise_to(&w->reach[f->first], index_of(w->p, f->stage, f->id));
        w->seen[f->first] = SEEN;
        w->n--;
    }
    return true;
}

struct component {
    const struct sg_stage_id *stages;
    uint32_t n;
};

static bool walk(struct walk *w, struct component c, uint32_t stage, struct sg_error *err)
{
    const struct sg_plan *p = w->p;

    w->stage = stage;
    w->round = false;
    for (uint32_t i = 0; i < c.n; i++) {
        const struct sg_plan_stage *v = &p->stages[c.stages[i].i].pub;

        memset(w->seen + v->base, UNSEEN, (size_t)(v->hi - v->lo));
    }
    for (uint32_t i = 0; i < c.n; i++) {
        const struct sg_plan_stage *v = &p->stages[c.stages[i].i].pub;

        for (uint32_t id = v->base; id < v->base + (uint32_t)(v->hi - v->lo); id++)
            if (sg_plan_has_job(p, id) && w->seen[first_of(p, id)] == UNSEEN &&
                !walk_from(w, c.stages[i].i, first_of(p, id), err))
                return false;
    }
    return true;
}

/* X of a node of the stage that was walked for. */
static int64_t reach_by_others(const struct walk *w, uint32_t stage, uint32_t id)
{
    const struct sg_plan *p = w->p;
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    int64_t most = INT64_MIN;

    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_edge *e = &p->edges[stage][k];
        struct sg_id_range ids;

        if (e->need->of.i == stage ||
            sg_graph_stage(p->c.graph, e->need->of)->component != w->component)
            continue;
        ids = sg_edge_ids(p, s, e, index_of(p, stage, id));
        for (uint32_t x = ids.first; x < ids.end; x++)
            if (sg_plan_has_job(p, x))
                raise_to(&most, w->reach[first_of(p, x)]);
    }
    return most;
}

/* ---- cutting */

/* Seconds from the start of one partition to the end of another, a local day being 24 hours. */
static int64_t span_s(const struct sg_calendar *c, int64_t first, int64_t last)
{
    struct sg_interval a, b;

    if (!sg_calendar_interval(c, first, &a) || !sg_calendar_interval(c, last, &b))
        return 0;
    if (c->zone != NULL &&
        (c->unit == SG_UNIT_DAY || c->unit == SG_UNIT_WEEK || c->unit == SG_UNIT_MONTH))
        return (sg_zone_day_of(c->zone, b.end_s) - sg_zone_day_of(c->zone, a.start_s)) * 86400;
    return b.end_s - a.start_s;
}

static bool has_room(const struct sg_stage *s, int64_t first, int64_t index, uint32_t count)
{
    if (count >= SG_BATCH_MOST)
        return false;
    return s->batch_s != 0 ? span_s(&s->cal, first, index) <= s->batch_s : count < s->batch_count;
}

/* w: T for this stage, NULL where it is alone in its component. */
static void cut(struct sg_plan *p, uint32_t stage, const struct walk *w)
{
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    const struct sg_plan_stage *v = &p->stages[stage].pub;
    uint32_t first = 0, count = 0; /* of the batch that is open; count 0: none is */
    bool alone = false;            /* it reaches later ones, and takes none */

    for (uint32_t id = v->base; id < v->base + (uint32_t)(v->hi - v->lo); id++) {
        int64_t by_others = INT64_MIN;

        if (p->flags[id] & SG_NODE_HOLE)
            continue;
        if (p->verdict[id] != SG_VERDICT_RUN) {
            count = 0;
            continue;
        }
        if (w != NULL)
            by_others = reach_by_others(w, stage, id);
        if (count != 0 && !alone && by_others < index_of(p, stage, first) &&
            has_room(s, index_of(p, stage, first), index_of(p, stage, id), count)) {
            p->batch[first] = p->batch[id] = first + 1;
            count++;
            continue;
        }
        first = id;
        count = 1;
        alone = by_others >= index_of(p, stage, id);
    }
}

static void undo(struct sg_plan *p, uint32_t stage)
{
    const struct sg_plan_stage *v = &p->stages[stage].pub;

    memset(p->batch + v->base, 0, (size_t)(v->hi - v->lo) * sizeof(*p->batch));
}

static bool cut_component(struct sg_plan *p, struct component c, struct sg_error *err)
{
    struct walk w = { .p = p, .component = sg_plan_stage_at(p, c.stages[0].i)->component };
    bool ok;

    w.reach = SG_ARENA_NEW(&w.a, p->n_nodes, int64_t, err);
    w.seen = w.reach == NULL ? NULL : SG_ARENA_NEW(&w.a, p->n_nodes, uint8_t, err);
    ok = w.seen != NULL;
    for (uint32_t i = 0; ok && i < c.n; i++) {
        uint32_t stage = c.stages[i].i;

        if (!sg_stage_has_batches(sg_plan_stage_at(p, stage)) || p->stages[stage].pub.n_run < 2)
            continue;
        ok = walk(&w, c, stage, err);
        if (!ok)
            break;
        cut(p, stage, &w);
        /* Where needs reach forward in time as well, batches that are right one by one may wait
         * for each other. */
        ok = walk(&w, c, SG_NO_NODE, err);
        if (w.round)
            undo(p, stage);
    }
    sg_arena_done(&w.a);
    return ok;
}

static bool is_wanted(const struct sg_plan *p)
{
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++)
        if (sg_stage_has_batches(sg_plan_stage_at(p, i)) && p->stages[i].pub.n_run > 1)
            return true;
    return false;
}

bool sg_batches_cut(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;

    if (!is_wanted(p))
        return true;
    p->batch = SG_ARENA_NEW(&p->arena, p->n_nodes, uint32_t, err);
    if (p->batch == NULL)
        return false;
    for (uint32_t i = 0, n; i < g->n_stages; i += n) {
        uint32_t component = sg_graph_stage(g, g->order[i])->component;
        uint32_t stage = g->order[i].i;

        for (n = 1;
             i + n < g->n_stages && sg_graph_stage(g, g->order[i + n])->component == component;)
            n++;
        if (n > 1 && !cut_component(p, (struct component){ &g->order[i], n }, err))
            return false;
        if (n == 1 && sg_stage_has_batches(sg_plan_stage_at(p, stage)) &&
            p->stages[stage].pub.n_run > 1)
            cut(p, stage, NULL);
    }
    return true;
}
