#include "stagegraph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "plan_impl.h"

/* ---- building */

static bool prepare(struct sg_plan *p, struct sg_error *err)
{
    const struct sg_graph *g = p->c.graph;
    uint32_t most = 0;

    p->stages = SG_ARENA_NEW(&p->arena, g->n_stages, struct sg_stage_state, err);
    if (p->stages == NULL)
        return false;
    for (uint32_t i = 0; i < g->n_stages; i++) {
        uint32_t n = g->stages[i].n_needs;

        p->stages[i].pub.due_end = p->due_end[i];
        p->stages[i].tally = SG_ARENA_NEW(&p->arena, n, struct sg_tally, err);
        p->stages[i].marked = SG_ARENA_NEW(&p->arena, n, struct sg_id_range, err);
        if (p->stages[i].tally == NULL || p->stages[i].marked == NULL)
            return false;
        if (n > most)
            most = n;
    }
    p->now = SG_ARENA_NEW(&p->arena, most, struct sg_input, err);
    p->parts = SG_ARENA_NEW(&p->arena, most, struct sg_digest_part, err);
    p->places = SG_ARENA_NEW(&p->arena, (size_t)most + 1, uint64_t, err);
    p->met = SG_ARENA_NEW(&p->arena, most, unsigned char, err);
    return p->now != NULL && p->parts != NULL && p->places != NULL && p->met != NULL;
}

static struct sg_plan *plan_alloc(const struct sg_plan_config *c, struct sg_error *err)
{
    struct sg_plan *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a plan");
        return NULL;
    }
    p->c = *c;
    p->asked_reasons = c->request->stale | SG_REASON_BIT(SG_REASON_FORCED);
    p->wait = c->request->wait;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void sg_plan_free(struct sg_plan *p)
{
    if (p == NULL)
        return;
    pthread_mutex_destroy(&p->lock);
    sg_buf_done(&p->spare);
    sg_arena_done(&p->arena);
    free(p);
}

bool sg_plan_recipe(struct sg_plan *p, uint32_t stage, struct sg_error *err)
{
    const struct sg_stage *s = sg_plan_stage_at(p, stage);

    if (!sg_recipe_of(p->c.graph, s, p->c.code, &p->arena, &p->stages[stage].pub.recipe, err))
        return sg_error_wrap(err, "stage %s", s->name);
    p->stages[stage].has_recipe = true;
    return true;
}

/* Of stages with asked nodes. Of those that are only looked at a recipe that can't be had is no
 * failure: nothing of them runs. */
static bool recipes_now(struct sg_plan *p, struct sg_error *err)
{
    struct sg_error ignored = SG_ERROR_INIT;

    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        struct sg_stage_state *state = &p->stages[i];

        if (state->pub.selected && state->pub.hi > state->pub.lo) {
            if (!sg_plan_recipe(p, i, err))
                return false;
        } else if (state->looked && !sg_plan_recipe(p, i, &ignored)) {
            sg_error_clear(&ignored);
        }
    }
    return true;
}

static bool begin(struct sg_plan *p, const struct sg_plan *from, struct sg_error *err)
{
    p->due_end = SG_ARENA_NEW(&p->arena, p->c.graph->n_stages, int64_t, err);
    if (p->due_end == NULL)
        return false;
    sg_graph_due(p->c.graph, p->c.request->now_s, p->due_end);
    if (!prepare(p, err) || !sg_edges_new(p, err))
        return false;
    if (from != NULL && from->n_extra != 0) {
        p->extra = SG_ARENA_NEW(&p->arena, from->n_extra, struct sg_named_node, err);
        if (p->extra == NULL)
            return false;
        memcpy(p->extra, from->extra, from->n_extra * sizeof(*p->extra));
        p->n_extra = p->cap_extra = from->n_extra;
    }
    return sg_select_request(p, err) && recipes_now(p, err);
}

bool sg_plan_begin(const struct sg_plan_config *c, const struct sg_plan *from, struct sg_plan **ret,
                   struct sg_error *err)
{
    struct sg_plan *p = plan_alloc(c, err);

    if (p == NULL)
        return false;
    if (begin(p, from, err)) {
        *ret = p;
        return true;
    }
    sg_plan_free(p);
    return false;
}

static bool build(const struct sg_plan_config *c, const struct sg_plan *from, struct sg_plan **ret,
                  struct sg_error *err)
{
    struct sg_plan *p;
    bool ok;

    if (!sg_plan_begin(c, from, &p, err))
        return false;
    ok = (from == NULL || sg_more_carry(p, from, err)) && sg_scan_cached(p, err) &&
         sg_sweep(p, err) && sg_sweep_looked(p, err) && sg_sweep_notices(p, err);
    sg_scan_end(p);
    if (ok) {
        sg_seen_save(p);
        *ret = p;
        return true;
    }
    sg_plan_free(p);
    return false;
}

bool sg_plan_new(const struct sg_plan_config *c, struct sg_plan **ret, struct sg_error *err)
{
    struct sg_plan *p = NULL, *again = NULL;
    bool more = c->request->with_needs;

    if (!build(c, NULL, &p, err))
        return false;
    /* A node that was fresh may run once an input of it is made, and then need what is gone. Each
     * round asks for more nodes, so there is a last one. */
    while (more) {
        if (!sg_more_needs(p, &more, err) || (more && !build(c, p, &again, err))) {
            sg_plan_free(p);
            return false;
        }
        if (more) {
            sg_plan_free(p);
            p = again;
        }
    }
    if (!sg_debt_look(p, err) || !sg_batches_cut(p, err)) {
        sg_plan_free(p);
        return false;
    }
    *ret = p;
    return true;
}

bool sg_plan_small(const struct sg_plan *parent, const struct sg_stage *s, struct sg_range some,
                   struct sg_plan **ret, struct sg_error *err)
{
    struct sg_plan *p = plan_alloc(&parent->c, err);

    if (p == NULL)
        return false;
    p->wait = false;
    p->due_end = parent->due_end;
    p->edges = parent->edges;
    if (prepare(p, err) && sg_scope_some(p, s, some, err)) {
        *ret = p;
        return true;
    }
    sg_plan_free(p);
    return false;
}

bool sg_plan_dir(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                 struct sg_buf *out, struct sg_error *err)
{
    sg_buf_clear(out);
    return sg_stage_path(p->c.graph, s, index, out, err);
}

/* ---- reading */

uint32_t sg_plan_stage_of(const struct sg_plan *p, uint32_t node)
{
    uint32_t lo = 0, hi = p->c.graph->n_stages;

    /* the last stage whose base is not above the node; empty ones before it share its base */
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (p->stages[mid].pub.base <= node)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

const struct sg_graph *sg_plan_graph(const struct sg_plan *p)
{
    return p->c.graph;
}

const struct sg_request *sg_plan_request(const struct sg_plan *p)
{
    return p->c.request;
}

void sg_plan_count(const struct sg_plan *p, struct sg_plan_counts *ret)
{
    *ret = p->counts;
}

const struct sg_plan_stage *sg_plan_stage(const struct sg_plan *p, struct sg_stage_id s)
{
    return &p->stages[s.i].pub;
}

uint32_t sg_plan_nodes(const struct sg_plan *p)
{
    return p->n_nodes;
}

/* Whether what is not due is in it. */
static struct sg_interval asked_hull(const struct sg_plan *p, bool early)
{
    struct sg_interval hull = { 0, 0 }, given = { SG_TIME_MIN, SG_TIME_MAX };
    bool any = false;

    if (p->c.request->n_named == 0)
        given = sg_select_range(p);
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_stage *s = sg_plan_stage_at(p, i);
        const struct sg_plan_stage *v = &p->stages[i].pub;
        struct sg_interval first, last, own;
        int64_t lo = v->lo, hi = v->hi;

        if (s->cal.unit == SG_UNIT_ONCE) /* all of time says nothing */
            continue;
        if (!early && hi > v->due_end)
            hi = v->due_end > lo ? v->due_end : lo;
        while (lo < hi && !(p->flags[v->base + (uint32_t)(lo - v->lo)] & SG_NODE_ASKED))
            lo++;
        while (lo < hi && !(p->flags[v->base + (uint32_t)(hi - 1 - v->lo)] & SG_NODE_ASKED))
            hi--;
        if (lo == hi)
            continue;
        sg_calendar_interval(&s->cal, lo, &first);
        sg_calendar_interval(&s->cal, hi - 1, &last);
        own = (struct sg_interval){ first.start_s, last.end_s };
        /* one hour of a month is asked about by its month, but nobody asked for the month */
        own = sg_interval_both(sg_interval_both(own, given), s->life);
        if (own.start_s >= own.end_s)
            continue; /* made by --with-needs, outside of the range */
        if (!any || own.start_s < hull.start_s)
            hull.start_s = own.start_s;
        if (!any || own.end_s > hull.end_s)
            hull.end_s = own.end_s;
        any = true;
    }
    return hull;
}

/* A heading that names a day as a whole, because it has begun, would promise too much. */
struct sg_interval sg_plan_range(const struct sg_plan *p)
{
    struct sg_interval hull = asked_hull(p, false);

    return hull.start_s < hull.end_s ? hull : asked_hull(p, true);
}

void sg_plan_node(const struct sg_plan *p, struct sg_node_id n, struct sg_node_view *ret)
{
    uint32_t stage = sg_plan_stage_of(p, n.i);
    const struct sg_plan_stage *v = &p->stages[stage].pub;

    ret->stage = sg_plan_stage_at(p, stage);
    ret->index = v->lo + (int64_t)(n.i - v->base);
    ret->verdict = (enum sg_verdict)p->verdict[n.i];
    ret->asked = p->flags[n.i] & SG_NODE_ASKED;
    ret->forced = p->flags[n.i] & SG_NODE_FORCED;
    ret->completes = p->flags[n.i] & SG_NODE_COMPLETES;
    ret->reason = (enum sg_reason)p->reason[n.i];
    ret->reasons = p->reasons[n.i];
    ret->detail = p->detail[n.i] != 0 ? p->details[p->detail[n.i]] : "";
    ret->marker = (enum sg_marker_kind)p->kind[n.i];
}

struct sg_node_id sg_plan_find(const struct sg_plan *p, struct sg_stage_id s, int64_t index)
{
    const struct sg_plan_stage *v = &p->stages[s.i].pub;
    struct sg_node_id none = { SG_NO_NODE }, at;

    if (index < v->lo || index >= v->hi)
        return none;
    at.i = v->base + (uint32_t)(index - v->lo);
    /* the hull of the view also holds nodes that nobody asked about */
    return p->flags[at.i] & (SG_NODE_ASKED | SG_NODE_NEEDED) ? at : none;
}

/* ---- edges */

bool sg_plan_has_job(const struct sg_plan *p, uint32_t id)
{
    return p->verdict[id] == SG_VERDICT_RUN || (p->flags[id] & SG_NODE_COMPLETES) ||
           (p->verdict[id] == SG_VERDICT_BLOCKED && !(p->flags[id] & SG_NODE_MUST));
}

static bool has_index(struct sg_range r, int64_t index)
{
    return index >= r.first && index < r.end;
}

/* Needs may overlap ("bronze@-1..0, bronze"): a pair of nodes is one edge, told of at the first
 * need that has it, and optional only when every need that has it is. */
static bool is_first(const struct sg_plan *p, const struct sg_stage *s, uint32_t k, int64_t index,
                     int64_t input, bool *ret_optional)
{
    const struct sg_edge *edges = p->edges[s->id.i];

    *ret_optional = edges[k].need->optional;
    for (uint32_t j = 0; edges[k].shared && j < s->n_needs; j++) {
        if (j == k || edges[j].need->of.i != edges[k].need->of.i ||
            !has_index(sg_edge_range(p, s, &edges[j], index), input))
            continue;
        if (j < k)
            return false;
        *ret_optional &= edges[j].need->optional;
    }
    return true;
}

static struct sg_node_range of_stage(const struct sg_plan_stage *v, struct sg_range r)
{
    r = sg_range_cut(r, (struct sg_range){ v->lo, v->hi });
    if (r.first >= r.end)
        return (struct sg_node_range){ v->base, v->base, false };
    return (struct sg_node_range){ v->base + (uint32_t)(r.first - v->lo),
                                   v->base + (uint32_t)(r.end - v->lo), false };
}

bool sg_plan_needs_at(const struct sg_plan *p, struct sg_node_id n, uint32_t k,
                      struct sg_node_range *ret)
{
    uint32_t stage = sg_plan_stage_of(p, n.i);
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    const struct sg_plan_stage *v = &p->stages[stage].pub, *x;
    struct sg_range r;

    if (k >= s->n_needs)
        return false;
    x = &p->stages[s->needs[k].of.i].pub;
    r = sg_edge_range(p, s, &p->edges[stage][k], v->lo + (int64_t)(n.i - v->base));
    if (sg_plan_stage_at(p, s->needs[k].of.i)->partial && r.end > x->due_end)
        r.end = x->due_end;
    *ret = of_stage(x, r);
    ret->optional = s->needs[k].optional;
    return true;
}

bool sg_plan_users_at(const struct sg_plan *p, struct sg_node_id n, uint32_t k,
                      struct sg_node_range *ret)
{
    uint32_t stage = sg_plan_stage_of(p, n.i);
    const struct sg_plan_stage *x = &p->stages[stage].pub, *v;
    const struct sg_use *use;
    const struct sg_stage *s;

    if (k >= p->uses[stage].n || sg_plan_is_early(p, stage, n.i))
        return false;
    use = &p->uses[stage].at[k];
    s = sg_plan_stage_at(p, use->stage);
    v = &p->stages[use->stage].pub;
    *ret = (struct sg_node_range){ v->base, v->base, false };
    if (v->hi > v->lo)
        *ret = of_stage(v, sg_need_users(p->c.graph, s, &s->needs[use->need],
                                         x->lo + (int64_t)(n.i - x->base), p->due_end));
    ret->optional = s->needs[use->need].optional;
    return true;
}

void sg_plan_needs(const struct sg_plan *p, struct sg_node_id n, sg_plan_edge_fn *fn, void *ctx)
{
    uint32_t stage = sg_plan_stage_of(p, n.i);
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    int64_t index = p->stages[stage].pub.lo + (int64_t)(n.i - p->stages[stage].pub.base);
    struct sg_node_range r;

    for (uint32_t k = 0; sg_plan_needs_at(p, n, k, &r); k++) {
        const struct sg_plan_stage *x = &p->stages[s->needs[k].of.i].pub;
        bool optional;

        for (uint32_t id = r.first; id < r.end; id++)
            if (sg_plan_has_job(p, id) &&
                is_first(p, s, k, index, x->lo + (int64_t)(id - x->base), &optional))
                fn(ctx, (struct sg_node_id){ id }, optional);
    }
}

void sg_plan_notices(const struct sg_plan *p, sg_plan_notice_fn *fn, void *ctx)
{
    for (size_t i = 0; i < p->n_notices; i++)
        fn(ctx, p->notices[i]);
}

void sg_plan_settled(const struct sg_plan *p, sg_plan_node_fn *fn, void *ctx)
{
    for (size_t i = 0; i < p->n_claims; i++)
        if (!p->claims[i].alive && !(p->flags[p->claims[i].node] & SG_NODE_DEAD))
            fn(ctx, (struct sg_node_id){ p->claims[i].node });
}
