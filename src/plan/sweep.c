/*
 * The order in which nodes are judged, and the facts of each. docs/design.md, "The plan".
 *
 * Components come in topological order. A stage that is one alone is judged in time order, for it
 * needs only earlier partitions of itself; where stages need each other (gold needs silver, silver
 * needs gold@-1) a walk with a stack of its own goes to a node's needs before the node.
 */
#include "plan_impl.h"

#include <string.h>

#include "stagegraph/row.h"

enum { MET_STALE = 1, MET_BLOCKED = 2 };

static const char *need_stage(const struct sg_plan *p, const struct sg_need *n)
{
    return sg_graph_stage(p->c.graph, n->of)->name;
}

/* ---- the inputs of one node */

/* Copies the versions of a range without its holes. */
static bool without_holes(struct sg_plan *p, struct sg_id_range ids, struct sg_input *in,
                          size_t *at, struct sg_error *err)
{
    *at = p->spare.len;
    in->count = 0;
    for (uint32_t id = ids.first; id < ids.end; id++)
        if (!(p->flags[id] & SG_NODE_HOLE)) {
            if (!sg_buf_add(&p->spare, &p->version[id], sizeof(p->version[id]), err))
                return false;
            in->count++;
        }
    return true;
}

static bool has_hole(const struct sg_plan *p, struct sg_id_range ids)
{
    for (uint32_t id = ids.first; id < ids.end; id++)
        if (p->flags[id] & SG_NODE_HOLE)
            return true;
    return false;
}

bool sg_sweep_now(struct sg_plan *p, const struct sg_stage *s, int64_t index, struct sg_error *err)
{
    const struct sg_edge *edges = p->edges[s->id.i];
    bool holes = false;

    sg_buf_clear(&p->spare);
    for (uint32_t k = 0; k < s->n_needs; k++) {
        struct sg_id_range ids = sg_edge_ids(p, s, &edges[k], index);

        p->now[k].need = edges[k].need->text;
        p->now[k].from = "";
        p->now[k].count = ids.end - ids.first;
        p->now[k].versions = &p->version[ids.first];
        holes |= edges[k].holes && has_hole(p, ids);
    }
    if (!holes)
        return true;
    for (uint32_t k = 0; k < s->n_needs; k++) {
        struct sg_id_range ids = sg_edge_ids(p, s, &edges[k], index);
        size_t at;

        /* the buffer may move until all are in it */
        if (!without_holes(p, ids, &p->now[k], &at, err))
            return false;
    }
    for (uint32_t k = 0, at = 0; k < s->n_needs; at += p->now[k].count, k++)
        p->now[k].versions = (const uint64_t *)(const void *)p->spare.at + at;
    return true;
}

bool sg_sweep_lacks(const struct sg_plan *p, const struct sg_need *n, uint32_t id)
{
    const struct sg_plan_stage *x = &p->stages[n->of.i].pub;

    /* only what is not due itself, a partial node, needs what is not due */
    return !n->optional && x->lo + (int64_t)(id - x->base) < x->due_end &&
           !(p->flags[id] & (SG_NODE_THERE | SG_NODE_HOLE | SG_NODE_HELD)) &&
           p->verdict[id] != SG_VERDICT_RUN && p->verdict[id] != SG_VERDICT_BUSY;
}

/* What the inputs of one need say about their user. */
static void meet_need(const struct sg_plan *p, const struct sg_need *n, uint32_t met,
                      struct sg_facts *f, unsigned char *ret_met)
{
    *ret_met = 0;
    if (met == 0)
        return;
    if ((met & SG_MEET_BIT(SG_MEET_RUN)) && !n->order_only && f->upstream == NULL)
        f->upstream = need_stage(p, n);
    if ((met & SG_MEET_BIT(SG_MEET_HELD)) && !p->wait)
        f->input_held = true;
    if ((met & SG_MEET_BIT(SG_MEET_BUSY)) && !n->optional)
        f->input_held = true;
    if ((met & SG_MEET_BIT(SG_MEET_LACKING)) && !n->optional)
        f->lacks = true;
    if (met & SG_MEET_BIT(SG_MEET_BLOCKED))
        *ret_met |= MET_BLOCKED;
    if (met & (SG_MEET_BIT(SG_MEET_DEBT) | SG_MEET_BIT(SG_MEET_STALE)))
        *ret_met |= MET_STALE;
}

/* A receipt of state done that is newer than a foreign marker; two foreign ones are not compared.
 */
static bool is_later(const struct sg_plan *p, uint32_t input, int64_t than_ns)
{
    return p->kind[input] == SG_MARKER_DONE && (p->flags[input] & SG_NODE_THERE) &&
           p->mtime_ns[input] > than_ns;
}

/* Meets the inputs of need k, and notes their sum where it counts. */
static uint32_t meet(struct sg_plan *p, const struct sg_stage *s, uint32_t k,
                     struct sg_id_range ids, bool counts)
{
    const struct sg_edge *e = &p->edges[s->id.i][k];
    const struct sg_plan_stage *x = &p->stages[e->need->of.i].pub;
    struct sg_window *windows = p->stages[s->id.i].windows;
    struct sg_sum sum;
    uint32_t met = sg_window_meet(p, e->need->of.i, ids, windows != NULL ? &windows[k] : NULL,
                                  counts ? &sum : NULL);

    if (!counts)
        return met;
    p->parts[p->n_parts++] = (struct sg_digest_part){ e->text_hash, sum.n, sum.value };
    p->places[p->n_parts] = (uint64_t)(x->lo + (int64_t)(ids.first - x->base));
    p->met_parts |= met;
    return met;
}

void sg_sweep_parts(struct sg_plan *p, const struct sg_stage *s, int64_t index)
{
    p->n_parts = p->met_parts = 0;
    for (uint32_t k = 0; k < s->n_needs; k++)
        (void)meet(p, s, k, sg_edge_ids(p, s, &p->edges[s->id.i][k], index),
                   !s->needs[k].order_only);
}

/* With their sums, where the node has a receipt to hold them against. */
static void meet_inputs(struct sg_plan *p, const struct sg_stage *s, int64_t index, uint32_t id,
                        struct sg_facts *f)
{
    bool stamped = f->kind == SG_MARKER_DONE || f->kind == SG_MARKER_ACCEPTED;

    p->n_parts = p->met_parts = 0;
    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_edge *e = &p->edges[s->id.i][k];
        struct sg_id_range ids = sg_edge_ids(p, s, e, index);

        meet_need(p, e->need, meet(p, s, k, ids, stamped && !e->need->order_only), f, &p->met[k]);
        if (f->kind != SG_MARKER_FOREIGN || e->need->order_only)
            continue;
        ids = sg_window_done(p, e->need->of.i, ids);
        for (uint32_t x = ids.first; x < ids.end && f->input == NULL; x++)
            if (is_later(p, x, p->mtime_ns[id]))
                f->input = need_stage(p, e->need);
    }
}

/* ---- the receipt of one node against today */

/* The list of inputs is lost: only the stamp can tell, if none is gone, whose version was in it.
 * Then nobody can, and the node counts as it was. p->now has those of today. */
static void compare_stamp(struct sg_plan *p, const struct sg_stage *s, const struct sg_receipt *r,
                          struct sg_facts *f, unsigned char *gone)
{
    bool any = false;

    if (sg_hash128_is(sg_stamp_of(r->recipe, p->now, s->n_needs), r->stamp))
        return;
    for (uint32_t k = 0; k < s->n_needs; k++) {
        for (uint32_t i = 0; !gone[k] && !s->needs[k].order_only && i < p->now[k].count; i++)
            gone[k] = p->now[k].versions[i] == 0;
        any |= gone[k];
    }
    if (!any)
        f->input = s->n_needs != 0 ? need_stage(p, &s->needs[0]) : NULL;
}

/* Of a partial marker whose list of inputs is lost. */
static void compare_lost(struct sg_plan *p, const struct sg_stage *s, struct sg_facts *f)
{
    for (uint32_t k = 0; k < s->n_needs; k++)
        for (uint32_t i = 0; !s->needs[k].optional && i < p->now[k].count; i++)
            if (f->input == NULL && p->now[k].versions[i] == 0)
                f->input = need_stage(p, &s->needs[k]);
}

static void tell_gone(struct sg_plan *p, const struct sg_stage *s, uint32_t id,
                      const unsigned char *gone)
{
    for (uint32_t k = 0; (p->flags[id] & SG_NODE_ASKED) && k < s->n_needs; k++)
        p->stages[s->id.i].tally[k].gone += gone[k];
}

static bool compare_receipt(struct sg_plan *p, const struct sg_stage *s, int64_t index, uint32_t id,
                            struct sg_facts *f, struct sg_error *err)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_buf dir = SG_BUF_INIT;
    struct sg_receipt r = { .run = NULL };
    struct sg_marker m = { .kind = SG_MARKER_ABSENT };
    unsigned char *gone = SG_ARENA_NEW(&a, s->n_needs, unsigned char, err);
    bool whole = p->flags[id] & SG_NODE_COMPLETES;
    bool ok;

    ok = gone != NULL && sg_plan_dir(p, s, index, &dir, err) &&
         sg_plan_marker(p, s, index, sg_buf_text(&dir), &a, &m, &r, NULL, err);
    if (ok && m.kind != SG_MARKER_DONE && m.kind != SG_MARKER_ACCEPTED) {
        f->kind = m.kind; /* it changed since it was scanned */
    } else if (ok && r.inputs == NULL) {
        ok = sg_sweep_now(p, s, index, err);
        if (ok)
            compare_stamp(p, s, &r, f, gone);
        if (ok && whole)
            compare_lost(p, s, f);
        tell_gone(p, s, id, gone);
    } else if (ok) {
        ok = sg_inputs_compare(p, s, index, &r, whole, &f->input, gone, err);
        if (ok)
            tell_gone(p, s, id, gone);
        if (ok && f->input == NULL && sg_version_short(m.version) == p->version[id])
            ok = sg_seen_note(p, s, id, m.inputs, gone, err);
    }
    sg_buf_done(&dir);
    sg_arena_done(&a);
    return ok;
}

/* Of one need alone that counts, with all its inputs there, and the rules of the receipt, it is
 * known without the receipt what differs. One is read all the same, for the attempt wants it too;
 * not so the list of a year, which has 140 KB. */
static bool compare_only_need(const struct sg_plan *p, const struct sg_stage *s, uint32_t id,
                              struct sg_facts *f)
{
    if (p->n_parts != 1 || p->parts[0].n <= SG_RECEIPT_VERSIONS ||
        (p->met_parts & SG_MEET_BIT(SG_MEET_ABSENT)) || f->recipe != NULL ||
        !p->stages[s->id.i].has_recipe || p->inputs[id] == 0 || p->known[id] != 0 ||
        (p->flags[id] & SG_NODE_COMPLETES))
        return false;
    for (uint32_t k = 0; k < s->n_needs; k++)
        if (!s->needs[k].order_only)
            f->input = need_stage(p, &s->needs[k]);
    return true;
}

static bool compare_stamped(struct sg_plan *p, const struct sg_stage *s, int64_t index, uint32_t id,
                            struct sg_facts *f, struct sg_error *err)
{
    bool taken;

    if (p->stages[s->id.i].has_recipe && !sg_recipe_change(p, p->recipe[id], &f->recipe, err))
        return false;
    if (!sg_has_other_inputs(p, id)) {
        sg_seen_tally(p, s, id);
        return true;
    }
    if (compare_only_need(p, s, id, f))
        return true;
    if (!sg_ahead_take(p, s, id, f, &taken, err))
        return false;
    if (taken)
        return true;
    return compare_receipt(p, s, index, id, f, err);
}

/* ---- one node */

static bool facts_of(struct sg_plan *p, const struct sg_stage *s, int64_t index, uint32_t id,
                     struct sg_facts *f, struct sg_error *err)
{
    uint16_t flags = p->flags[id];

    memset(f, 0, sizeof(*f));
    f->kind = (enum sg_marker_kind)p->kind[id];
    f->forced = flags & SG_NODE_FORCED;
    f->dead_claim = flags & SG_NODE_DEAD;
    f->unfinished = flags & SG_NODE_UNFINISHED;
    f->held = (flags & SG_NODE_HELD) && !p->wait;
    meet_inputs(p, s, index, id, f);
    if (f->kind == SG_MARKER_DONE || f->kind == SG_MARKER_ACCEPTED)
        return compare_stamped(p, s, index, id, f, err);
    return true;
}

static void count(struct sg_plan *p, struct sg_plan_stage *v, const struct sg_judgement *j)
{
    p->counts.asked++;
    switch (j->verdict) {
    case SG_VERDICT_FRESH:
        v->n_fresh++;
        p->counts.fresh++;
        break;
    case SG_VERDICT_RUN:
        v->n_run++;
        p->counts.run++;
        break;
    case SG_VERDICT_BLOCKED:
        v->n_blocked++;
        p->counts.blocked++;
        p->counts.blocked_must += j->must;
        break;
    case SG_VERDICT_BUSY:
        v->n_busy++;
        p->counts.busy++;
        break;
    case SG_VERDICT_DEBT:
        v->n_debt++;
        p->counts.debt++;
        break;
    case SG_VERDICT_INPUT:
        break;
    }
}

static void tally(struct sg_plan *p, const struct sg_stage *s, uint32_t id,
                  const struct sg_judgement *j)
{
    struct sg_stage_state *state = &p->stages[s->id.i];

    state->n_foreign += p->kind[id] == SG_MARKER_FOREIGN && !(p->flags[id] & SG_NODE_UNFINISHED);
    if (j->verdict != SG_VERDICT_RUN)
        return;
    for (uint32_t k = 0; k < s->n_needs; k++) {
        state->tally[k].stale += (p->met[k] & MET_STALE) != 0;
        state->tally[k].blocked += (p->met[k] & MET_BLOCKED) != 0;
    }
}

/* A due node with only a partial marker is as good as done, and there for its users, who wait for
 * the rename, if its inputs are what they were. Stale by its recipe, and nobody asked for that, it
 * is the debt that a marker would be: there as well. */
static void complete(struct sg_plan *p, uint32_t id, const struct sg_judgement *j)
{
    const uint32_t recipe = SG_REASON_BIT(SG_REASON_CODE) | SG_REASON_BIT(SG_REASON_COMMAND) |
                            SG_REASON_BIT(SG_REASON_PARAMS) | SG_REASON_BIT(SG_REASON_VERSION);
    bool runs = j->verdict != SG_VERDICT_FRESH && j->verdict != SG_VERDICT_DEBT;

    if (!runs && (j->reasons & ~recipe) == 0 && !(p->flags[id] & (SG_NODE_HELD | SG_NODE_DEAD))) {
        p->flags[id] |= SG_NODE_THERE;
        p->counts.completes++;
        return;
    }
    p->flags[id] &= (uint16_t)~SG_NODE_COMPLETES;
    p->version[id] = 0;
}

static bool judge_asked(struct sg_plan *p, const struct sg_stage *s, int64_t index, uint32_t id,
                        struct sg_error *err)
{
    struct sg_judgement j;
    struct sg_facts f;

    if (!facts_of(p, s, index, id, &f, err))
        return false;
    sg_judge(&f, p->asked_reasons, &j);
    p->verdict[id] = (uint8_t)j.verdict;
    p->reason[id] = (uint8_t)j.reason;
    p->reasons[id] = (uint16_t)j.reasons;
    p->flags[id] |= (uint16_t)(SG_NODE_JUDGED | (j.must ? SG_NODE_MUST : 0));
    if (p->flags[id] & SG_NODE_COMPLETES)
        complete(p, id, &j);
    if (j.verdict == SG_VERDICT_FRESH &&
        (p->flags[id] & (SG_NODE_THERE | SG_NODE_HELD)) == SG_NODE_THERE)
        p->flags[id] |= SG_NODE_FRESH_IN;
    count(p, &p->stages[s->id.i].pub, &j);
    tally(p, s, id, &j);
    /* mostly none, and no page of the array is touched then */
    return j.detail[0] == '\0' || sg_plan_detail(p, j.detail, &p->detail[id], err);
}

/* Not asked, but its users take it as it is: is it stale by itself? */
static bool judge_looked(struct sg_plan *p, const struct sg_stage *s, int64_t index, uint32_t id,
                         struct sg_error *err)
{
    struct sg_judgement j;
    struct sg_facts f;

    p->flags[id] |= SG_NODE_JUDGED;
    if (!(p->flags[id] & SG_NODE_THERE))
        return true;
    if (!facts_of(p, s, index, id, &f, err))
        return false;
    f.upstream = NULL;
    sg_judge(&f, SG_REASONS_ALL, &j);
    if (j.reasons != 0)
        p->flags[id] |= SG_NODE_STALE;
    else if (!(p->flags[id] & SG_NODE_HELD))
        p->flags[id] |= SG_NODE_FRESH_IN;
    return true;
}

static bool judge_node(struct sg_plan *p, const struct sg_stage *s, int64_t index, uint32_t id,
                       struct sg_error *err)
{
    return !(p->flags[id] & SG_NODE_ASKED) || judge_asked(p, s, index, id, err);
}

/* ---- all nodes */

static bool sweep_stage(struct sg_plan *p, uint32_t stage, struct sg_error *err)
{
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    const struct sg_plan_stage *v = &p->stages[stage].pub;
    struct sg_arena a = SG_ARENA_INIT;
    bool ok = v->lo == v->hi || (sg_windows_of(p, s, err) && sg_ahead_look(p, s, &a, err));

    for (int64_t x = v->lo; ok && x < v->hi; x++)
        ok = judge_node(p, s, x, v->base + (uint32_t)(x - v->lo), err);
    p->n_compared = 0;
    sg_arena_done(&a);
    return ok;
}

struct frame {
    uint32_t stage, id, need;
    uint32_t from, end; /* of the need under way */
};

/* What a need reaches may be a year of hours, most of which have been judged: they are passed over
 * at once, not one by one for each node that needs them. */
struct walk {
    struct sg_plan *p;
    struct frame *frames;
    size_t n, cap;
    uint32_t *row; /* by id: those to be judged; see row.h */
    struct sg_arena a;
};

static bool push(struct walk *w, uint32_t stage, uint32_t id, struct sg_error *err)
{
    if (!sg_arena_grow(&w->a, (void **)&w->frames, w->n, &w->cap, sizeof(*w->frames), err))
        return false;
    w->p->flags[id] |= SG_NODE_OPEN;
    w->frames[w->n++] = (struct frame){ .stage = stage, .id = id };
    return true;
}

/* The next input of the topmost node that has to be judged before it. */
static bool next_input(struct walk *w, uint32_t *ret_stage, uint32_t *ret_id)
{
    struct sg_plan *p = w->p;
    struct frame *f = &w->frames[w->n - 1];
    const struct sg_stage *s = sg_plan_stage_at(p, f->stage);
    const struct sg_plan_stage *v = &p->stages[f->stage].pub;
    int64_t index = v->lo + (int64_t)(f->id - v->base);

    for (;;) {
        if (f->from < f->end && (f->from = sg_row_next(w->row, f->from)) < f->end) {
            *ret_stage = s->needs[f->need - 1].of.i;
            *ret_id = f->from;
            return true;
        }
        if (f->need == s->n_needs)
            return false;
        if (sg_graph_stage(p->c.graph, s->needs[f->need].of)->component == s->component) {
            struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[f->stage][f->need], index);

            f->from = ids.first;
            f->end = ids.end;
        } else {
            f->from = f->end = 0;
        }
        f->need++;
    }
}

static bool walk_from(struct walk *w, uint32_t stage, uint32_t id, struct sg_error *err)
{
    struct sg_plan *p = w->p;

    if (!push(w, stage, id, err))
        return false;
    while (w->n != 0) {
        struct frame f = w->frames[w->n - 1];
        uint32_t of, input;

        if (next_input(w, &of, &input)) {
            /* a cycle of nodes is an error of the graph file, found when it was read */
            if (!SG_EXPECT(!(p->flags[input] & SG_NODE_OPEN), err) || !push(w, of, input, err))
                return false;
            continue;
        }
        w->n--;
        p->flags[f.id] &= (uint16_t)~SG_NODE_OPEN;
        if (!judge_node(p, sg_plan_stage_at(p, f.stage),
                        p->stages[f.stage].pub.lo + (int64_t)(f.id - p->stages[f.stage].pub.base),
                        f.id, err))
            return false;
        w->row[f.id] = f.id + 1;
    }
    return true;
}

static bool make_row(struct walk *w, struct sg_error *err)
{
    const struct sg_plan *p = w->p;

    w->row = SG_ARENA_NEW(&w->a, (size_t)p->n_nodes + 1, uint32_t, err);
    if (w->row == NULL)
        return false;
    for (uint32_t id = 0; id < p->n_nodes; id++)
        w->row[id] = id + ((p->flags[id] & (SG_NODE_ASKED | SG_NODE_JUDGED)) != SG_NODE_ASKED);
    w->row[p->n_nodes] = p->n_nodes;
    return true;
}

/* Several stages: from each node of each, in time order, so the stack stays short where it can. */
static bool sweep_component(struct walk *w, const struct sg_stage_id *stages, uint32_t n,
                            struct sg_error *err)
{
    struct sg_plan *p = w->p;

    if (w->row == NULL && !make_row(w, err))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!sg_windows_of(p, sg_plan_stage_at(p, stages[i].i), err))
            return false;
    for (uint32_t i = 0; i < n; i++) {
        const struct sg_plan_stage *v = &p->stages[stages[i].i].pub;
        uint32_t id = v->base, end = v->base + (uint32_t)(v->hi - v->lo);

        while ((id = sg_row_next(w->row, id)) < end)
            if (!walk_from(w, stages[i].i, id, err))
                return false;
    }
    return true;
}

/* Inputs that are there and of which nothing is to be told; most of a plan's are. */
static void mark_plain_inputs(struct sg_plan *p)
{
    const uint16_t all = SG_NODE_ASKED | SG_NODE_LOOKED | SG_NODE_HELD | SG_NODE_THERE;

    for (uint32_t id = 0; id < p->n_nodes; id++)
        if ((p->flags[id] & all) == SG_NODE_THERE)
            p->flags[id] |= SG_NODE_FRESH_IN;
}

/* ---- inputs that are only looked at */

typedef void looked_fn(struct sg_plan *p, uint32_t stage, uint32_t need, struct sg_id_range ids);

/* fn for each need, of a stage that is looked at, of each node that will run. */
static void each_looked(struct sg_plan *p, looked_fn *fn)
{
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_stage *s = sg_plan_stage_at(p, i);
        const struct sg_plan_stage *v = &p->stages[i].pub;

        for (uint32_t k = 0; v->n_run != 0 && k < s->n_needs; k++)
            for (int64_t x = v->lo; p->stages[s->needs[k].of.i].looked && x < v->hi; x++)
                if (p->verdict[v->base + (uint32_t)(x - v->lo)] == SG_VERDICT_RUN)
                    fn(p, i, k, sg_edge_ids(p, s, &p->edges[i][k], x));
    }
}

/* The inputs that no node before this one has. */
static struct sg_id_range only_new(struct sg_window *w, struct sg_id_range ids)
{
    struct sg_id_range ret = ids;

    if (ids.first >= w->first && ids.first <= w->end)
        ret.first = ids.end < w->end ? ids.end : w->end;
    w->first = ids.first;
    w->end = ids.end;
    return ret;
}

static void want_looked(struct sg_plan *p, uint32_t stage, uint32_t need, struct sg_id_range ids)
{
    const struct sg_stage *of = sg_plan_stage_at(p, sg_plan_stage_at(p, stage)->needs[need].of.i);
    const struct sg_plan_stage *x = &p->stages[of->id.i].pub;

    ids = only_new(&p->stages[stage].windows[need], ids);
    for (uint32_t id = ids.first; id < ids.end; id++)
        if ((p->flags[id] & (SG_NODE_LOOKED | SG_NODE_THERE | SG_NODE_OPEN)) ==
            (SG_NODE_LOOKED | SG_NODE_THERE)) {
            p->flags[id] |= SG_NODE_OPEN;
            sg_scope_needs(p, of, x->lo + (int64_t)(id - x->base));
        }
}

static void tally_looked(struct sg_plan *p, uint32_t stage, uint32_t need, struct sg_id_range ids)
{
    uint32_t of = sg_plan_stage_at(p, stage)->needs[need].of.i;
    uint32_t met = sg_window_meet(p, of, ids, &p->stages[stage].windows[need], NULL);

    /* of what is debt the sweep has told */
    p->stages[stage].tally[need].stale +=
        (met & SG_MEET_BIT(SG_MEET_STALE)) && !(met & SG_MEET_BIT(SG_MEET_DEBT));
}

bool sg_sweep_looked(struct sg_plan *p, struct sg_error *err)
{
    bool any = false;

    sg_windows_forget(p);
    each_looked(p, want_looked);
    for (uint32_t id = 0; !any && id < p->n_nodes; id++)
        any = p->flags[id] & SG_NODE_OPEN;
    if (!any)
        return true;
    sg_windows_forget(p);
    if (!sg_scan_more(p, err))
        return false;
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;

        if (v->lo != v->hi && !sg_windows_of(p, sg_plan_stage_at(p, i), err))
            return false;

        for (int64_t x = v->lo; x < v->hi; x++) {
            uint32_t id = v->base + (uint32_t)(x - v->lo);

            if (!(p->flags[id] & SG_NODE_OPEN))
                continue;
            p->flags[id] &= (uint16_t)~SG_NODE_OPEN;
            if (!judge_looked(p, sg_plan_stage_at(p, i), x, id, err))
                return false;
        }
    }
    sg_windows_forget(p);
    each_looked(p, tally_looked);
    return true;
}

bool sg_sweep(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    struct walk w = { .p = p };
    bool ok = true;

    mark_plain_inputs(p);
    for (uint32_t i = 0, n; ok && i < g->n_stages; i += n) {
        uint32_t component = sg_graph_stage(g, g->order[i])->component;

        for (n = 1;
             i + n < g->n_stages && sg_graph_stage(g, g->order[i + n])->component == component;)
            n++;
        ok =
            n == 1 ? sweep_stage(p, g->order[i].i, err) : sweep_component(&w, &g->order[i], n, err);
    }
    sg_arena_done(&w.a);
    return ok;
}
