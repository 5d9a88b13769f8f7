/*
 * Batches: which contiguous nodes of a stage go into one process. docs/design.md, "Batches".
 *
 * Greedy, from the oldest. A stage that is alone in its component only has to be counted off. In a
 * component of several stages a member must not need another one by way of a different stage, for
 * the batch would wait for itself; that is told by two numbers a node, found by walking the
 * component for each stage that is cut:
 *
 *   T(n)  the largest index of the stage that n reaches through nodes that will run
 *   X(m)  the largest T of m's needs in other stages
 *
 * A batch that begins at `first` takes m only if X(m) < first. Batches of the component's stages
 * that were cut before are walked as one node, for they wait as one.
 */
#include "plan_impl.h"

#include <string.h>

#include "stagegraph/row.h"

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
    uint32_t id, stage;   /* a member of the job, and its stage */
    uint32_t first, last; /* of the job */
    uint32_t need;        /* the one under way is the one before */
    uint32_t of;          /* its stage */
    uint32_t from, end;   /* ids of its inputs */
    uint32_t reach;       /* T + 1 as an id; 0: it reaches none */
};

/* What a need reaches is a range of ids, perhaps a year of hours: it is not gone through for each
 * node that has the need. */
struct walk {
    const struct sg_plan *p;
    struct sg_arena a;
    struct frame *frames;
    size_t n, cap;
    uint32_t *row; /* by id: those whose jobs are to be walked; see row.h */
    /* By stage a tree of maxima over its n nodes: the leaf of the i-th is n + i, the parent of k is
     * k / 2. What a leaf has is `reach` of its job once that was walked; or, where only a way round
     * is looked for, whether the job is being walked. */
    uint32_t *most;
    uint32_t component;
    uint32_t stage; /* whose nodes are reached; SG_NO_NODE: the walk only looks for a way round */
    bool round;     /* jobs wait for each other */
};

static int64_t index_of(const struct sg_plan *p, uint32_t stage, uint32_t id)
{
    return p->stages[stage].pub.lo + (int64_t)(id - p->stages[stage].pub.base);
}

static uint32_t base_of(const struct walk *w, uint32_t stage)
{
    return w->p->stages[stage].pub.base;
}

static uint32_t length_of(const struct walk *w, uint32_t stage)
{
    const struct sg_plan_stage *v = &w->p->stages[stage].pub;

    return (uint32_t)(v->hi - v->lo);
}

static uint32_t greater(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t *most_of(const struct walk *w, uint32_t stage)
{
    return w->most + 2 * (size_t)base_of(w, stage);
}

static void put(const struct walk *w, uint32_t stage, uint32_t id, uint32_t value)
{
    uint32_t *most = most_of(w, stage), at = length_of(w, stage) + (id - base_of(w, stage));

    most[at] = value;
    while ((at /= 2) != 0) {
        value = greater(most[2 * at], most[2 * at + 1]);
        if (most[at] == value)
            return;
        most[at] = value;
    }
}

static uint32_t most_in(const struct walk *w, uint32_t stage, uint32_t from, uint32_t end)
{
    const uint32_t *most = most_of(w, stage);
    uint32_t leaves = length_of(w, stage), base = base_of(w, stage), found = 0;
    uint32_t a = leaves + (from - base), b = leaves + (end - base);

    for (; a < b; a /= 2, b /= 2) {
        if (a % 2 != 0)
            found = greater(found, most[a++]);
        if (b % 2 != 0)
            found = greater(found, most[--b]);
    }
    return found;
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

static void put_members(const struct walk *w, const struct frame *f, uint32_t value)
{
    for (uint32_t id = f->first; id != SG_NO_NODE; id = next_member(w->p, f->stage, id))
        put(w, f->stage, id, value);
}

static bool push(struct walk *w, uint32_t stage, uint32_t first, struct sg_error *err)
{
    struct frame f = { .id = first, .stage = stage, .first = first, .last = first };

    if (!sg_arena_grow(&w->a, (void **)&w->frames, w->n, &w->cap, sizeof(*w->frames), err))
        return false;
    for (uint32_t id = first; id != SG_NO_NODE; id = next_member(w->p, stage, id)) {
        w->row[id] = id + 1;
        f.last = id;
    }
    if (w->stage == SG_NO_NODE)
        put_members(w, &f, true);
    w->frames[w->n++] = f;
    return true;
}

static void pop(struct walk *w)
{
    struct frame *f = &w->frames[--w->n];

    if (f->stage == w->stage)
        f->reach = greater(f->reach, f->last + 1);
    put_members(w, f, f->reach);
}

/* Sets of, from and end to the inputs of the next need within the component. False: there is none.
 */
static bool next_need(const struct walk *w, struct frame *f)
{
    const struct sg_plan *p = w->p;
    const struct sg_stage *s = sg_plan_stage_at(p, f->stage);

    for (;;) {
        while (f->need < s->n_needs) {
            const struct sg_edge *e = &p->edges[f->stage][f->need++];
            struct sg_id_range ids;

            if (sg_graph_stage(p->c.graph, e->need->of)->component != w->component)
                continue;
            ids = sg_edge_ids(p, s, e, index_of(p, f->stage, f->id));
            f->of = e->need->of.i;
            f->from = ids.first;
            f->end = ids.end;
            return true;
        }
        if (f->id == f->last)
            return false;
        f->id = next_member(p, f->stage, f->id);
        f->need = 0;
    }
}

/* All jobs of the need have been walked, or are on the way to this one. */
static void take_need(struct walk *w, struct frame *f)
{
    uint32_t first = f->end, after = f->end;

    if (w->stage != SG_NO_NODE) {
        f->reach = greater(f->reach, most_in(w, f->of, f->from, f->end));
        return;
    }
    if (f->of == f->stage) { /* its own members are no way round */
        first = f->first;
        after = f->last + 1;
    }
    w->round |= most_in(w, f->of, f->from, first < f->end ? first : f->end) != 0 ||
                most_in(w, f->of, greater(f->from, after), f->end) != 0;
}

/* The job that the topmost one needs next and that is to be walked. False: it has no more. */
static bool next_job(struct walk *w, uint32_t *ret_stage, uint32_t *ret_first)
{
    struct frame *f = &w->frames[w->n - 1];

    do {
        uint32_t id = f->from < f->end ? sg_row_next(w->row, f->from) : f->end;

        if (id < f->end) { /* and the need comes again when it is walked */
            *ret_stage = f->of;
            *ret_first = first_of(w->p, id);
            return true;
        }
        if (f->from < f->end)
            take_need(w, f);
    } while (next_need(w, f));
    return false;
}

static bool walk_from(struct walk *w, uint32_t stage, uint32_t first, struct sg_error *err)
{
    if (!push(w, stage, first, err))
        return false;
    while (w->n != 0) {
        uint32_t of, job;

        if (!next_job(w, &of, &job))
            pop(w);
        else if (!push(w, of, job, err))
            return false;
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

    w->component = sg_plan_stage_at(p, c.stages[0].i)->component;
    w->stage = stage;
    w->round = false;
    for (uint32_t i = 0; i < c.n; i++) {
        uint32_t of = c.stages[i].i, base = base_of(w, of), n = length_of(w, of);

        for (uint32_t id = base; id < base + n; id++)
            w->row[id] = id + !sg_plan_has_job(p, id);
        memset(most_of(w, of), 0, 2 * (size_t)n * sizeof(*w->most));
    }
    for (uint32_t i = 0; i < c.n; i++) {
        uint32_t of = c.stages[i].i, id = base_of(w, of), end = id + length_of(w, of);

        while ((id = sg_row_next(w->row, id)) < end)
            if (!walk_from(w, of, first_of(p, id), err))
                return false;
    }
    return true;
}

/* X + 1, as an id, of a node of the stage that was walked for; 0: it reaches none. */
static uint32_t reach_by_others(const struct walk *w, uint32_t stage, uint32_t id)
{
    const struct sg_plan *p = w->p;
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    uint32_t most = 0;

    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_edge *e = &p->edges[stage][k];
        struct sg_id_range ids;

        if (e->need->of.i == stage ||
            sg_graph_stage(p->c.graph, e->need->of)->component != w->component)
            continue;
        ids = sg_edge_ids(p, s, e, index_of(p, stage, id));
        most = greater(most, most_in(w, e->need->of.i, ids.first, ids.end));
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
        uint32_t by_others = 0;

        if (p->flags[id] & SG_NODE_HOLE)
            continue;
        if (p->verdict[id] != SG_VERDICT_RUN) {
            count = 0;
            continue;
        }
        if (w != NULL)
            by_others = reach_by_others(w, stage, id);
        if (count != 0 && !alone && by_others <= first &&
            has_room(s, index_of(p, stage, first), index_of(p, stage, id), count)) {
            p->batch[first] = p->batch[id] = first + 1;
            count++;
            continue;
        }
        first = id;
        count = 1;
        alone = by_others > id;
    }
}

static void undo(struct sg_plan *p, uint32_t stage)
{
    const struct sg_plan_stage *v = &p->stages[stage].pub;

    memset(p->batch + v->base, 0, (size_t)(v->hi - v->lo) * sizeof(*p->batch));
}

static bool is_to_cut(const struct sg_plan *p, uint32_t stage)
{
    return sg_stage_has_batches(sg_plan_stage_at(p, stage)) && p->stages[stage].pub.n_run > 1;
}

static bool make_room(struct walk *w, struct sg_error *err)
{
    uint32_t n = w->p->n_nodes;

    w->row = SG_ARENA_NEW(&w->a, (size_t)n + 1, uint32_t, err);
    w->most = SG_ARENA_NEW(&w->a, 2 * (size_t)n, uint32_t, err);
    for (uint32_t id = 0; w->row != NULL && id <= n; id++)
        w->row[id] = id;
    return w->row != NULL && w->most != NULL;
}

static bool cut_component(struct sg_plan *p, struct component c, struct walk *w,
                          struct sg_error *err)
{
    for (uint32_t i = 0; i < c.n; i++) {
        uint32_t stage = c.stages[i].i;

        if (!is_to_cut(p, stage))
            continue;
        if (w->row == NULL && !make_room(w, err))
            return false;
        if (!walk(w, c, stage, err))
            return false;
        cut(p, stage, w);
        /* Where needs reach forward in time as well, batches that are right one by one may wait
         * for each other. */
        if (!walk(w, c, SG_NO_NODE, err))
            return false;
        if (w->round)
            undo(p, stage);
    }
    return true;
}

static bool is_wanted(const struct sg_plan *p)
{
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++)
        if (is_to_cut(p, i))
            return true;
    return false;
}

bool sg_batches_cut(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    struct walk w = { .p = p };
    bool ok = true;

    if (!is_wanted(p))
        return true;
    p->batch = SG_ARENA_NEW(&p->arena, p->n_nodes, uint32_t, err);
    if (p->batch == NULL)
        return false;
    for (uint32_t i = 0, n; ok && i < g->n_stages; i += n) {
        uint32_t component = sg_graph_stage(g, g->order[i])->component;

        for (n = 1;
             i + n < g->n_stages && sg_graph_stage(g, g->order[i + n])->component == component;)
            n++;
        if (n > 1)
            ok = cut_component(p, (struct component){ &g->order[i], n }, &w, err);
        else if (is_to_cut(p, g->order[i].i))
            cut(p, g->order[i].i, NULL);
    }
    sg_arena_done(&w.a);
    return ok;
}
