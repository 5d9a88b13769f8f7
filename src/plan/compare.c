/*
 * Recipes and inputs of a receipt against those of today. docs/design.md, "Judging".
 *
 * Nodes share recipes, so a recipe is read and compared once a plan, however many nodes were built
 * with it; inputs are compared by their digest, and a receipt is read again only where that
 * differs.
 */
#include "plan_impl.h"

#include <string.h>

#include "stagegraph/text.h"

/* ---- small numbers for shared values */

static bool index_grow(struct sg_index *x, struct sg_arena *a,
                       uint64_t (*hash)(const void *, uint32_t), const void *ctx,
                       struct sg_error *err)
{
    size_t cap = x->cap == 0 ? 16 : x->cap * 2;
    uint32_t *slots = SG_ARENA_NEW(a, cap, uint32_t, err);

    if (slots == NULL)
        return false;
    for (size_t i = 0; i < x->cap; i++)
        if (x->slots[i] != 0) {
            size_t at = hash(ctx, x->slots[i]) & (cap - 1);

            while (slots[at] != 0)
                at = (at + 1) & (cap - 1);
            slots[at] = x->slots[i];
        }
    x->slots = slots;
    x->cap = cap;
    return true;
}

/* The slot where the value is or belongs; there is always a free one. */
static size_t index_slot(const struct sg_index *x, uint64_t hash, sg_index_is *is, const void *ctx,
                         const void *key)
{
    size_t at = hash & (x->cap - 1);

    while (x->slots[at] != 0 && !is(ctx, x->slots[at], key))
        at = (at + 1) & (x->cap - 1);
    return at;
}

static uint64_t recipe_hash(uint32_t stage, struct sg_hash128 h)
{
    return h.hi ^ (h.lo * 31) ^ (uint64_t)stage << 20;
}

static uint64_t seen_recipe_hash(const void *ctx, uint32_t i)
{
    const struct sg_plan *p = ctx;

    return recipe_hash(p->recipes[i].stage, p->recipes[i].hash);
}

static bool is_recipe(const void *ctx, uint32_t i, const void *key)
{
    const struct sg_plan *p = ctx;
    const struct sg_seen_recipe *r = key;

    return p->recipes[i].stage == r->stage && sg_hash128_is(p->recipes[i].hash, r->hash);
}

/* Room for one more; number 0 stands for none and is never given. */
static bool grow_from_one(struct sg_arena *a, void **items, size_t *n, size_t *cap, size_t size,
                          struct sg_error *err)
{
    if (*n == 0) {
        if (!sg_arena_grow(a, items, 0, cap, size, err))
            return false;
        *n = 1;
    }
    return sg_arena_grow(a, items, *n, cap, size, err);
}

static bool see_recipe(struct sg_plan *p, const struct sg_seen_recipe *key, uint32_t *ret,
                       struct sg_error *err)
{
    size_t slot;

    if (p->recipe_index.n * 2 >= p->recipe_index.cap &&
        !index_grow(&p->recipe_index, &p->arena, seen_recipe_hash, p, err))
        return false;
    slot = index_slot(&p->recipe_index, recipe_hash(key->stage, key->hash), is_recipe, p, key);
    if (p->recipe_index.slots[slot] == 0) {
        if (!grow_from_one(&p->arena, (void **)&p->recipes, &p->n_recipes, &p->cap_recipes,
                           sizeof(*key), err))
            return false;
        p->recipes[p->n_recipes] = *key;
        p->recipe_index.slots[slot] = (uint32_t)p->n_recipes++;
        p->recipe_index.n++;
    }
    *ret = p->recipe_index.slots[slot];
    return true;
}

/* *ret may hold the number that the caller saw last: nearly always it is the same again. */
bool sg_recipe_seen(struct sg_plan *p, uint32_t stage, struct sg_hash128 hash, uint32_t *ret,
                    struct sg_error *err)
{
    struct sg_seen_recipe key = { .hash = hash, .stage = stage };
    bool ok;

    pthread_mutex_lock(&p->lock);
    ok = (*ret != 0 && is_recipe(p, *ret, &key)) || see_recipe(p, &key, ret, err);
    pthread_mutex_unlock(&p->lock);
    return ok;
}

static uint64_t detail_hash(const void *ctx, uint32_t i)
{
    const struct sg_plan *p = ctx;

    return sg_hash64_of(p->details[i], strlen(p->details[i]));
}

static bool is_detail(const void *ctx, uint32_t i, const void *key)
{
    const struct sg_plan *p = ctx;

    return strcmp(p->details[i], key) == 0;
}

bool sg_plan_detail(struct sg_plan *p, const char *text, uint32_t *ret, struct sg_error *err)
{
    size_t slot;
    char *copy;

    *ret = 0;
    if (text == NULL || text[0] == '\0')
        return true;
    if (p->detail_index.n * 2 >= p->detail_index.cap &&
        !index_grow(&p->detail_index, &p->arena, detail_hash, p, err))
        return false;
    slot = index_slot(&p->detail_index, sg_hash64_of(text, strlen(text)), is_detail, p, text);
    if (p->detail_index.slots[slot] == 0) {
        copy = sg_arena_text(&p->arena, text, err);
        if (copy == NULL || !grow_from_one(&p->arena, (void **)&p->details, &p->n_details,
                                           &p->cap_details, sizeof(copy), err))
            return false;
        p->details[p->n_details] = copy;
        p->detail_index.slots[slot] = (uint32_t)p->n_details++;
        p->detail_index.n++;
    }
    *ret = p->detail_index.slots[slot];
    return true;
}

/* ---- recipes */

struct change_maker {
    struct sg_plan *p;
    struct sg_recipe_change *change;
    unsigned n[SG_REASON_COUNT];
    struct sg_error *err;
    bool failed;
};

/* A value as a detail shows it: short, printable. */
static bool add_value(struct sg_buf *b, const char *value, struct sg_error *err)
{
    if (value == NULL || value[0] == '\0')
        return sg_buf_adds(b, "(none)", err);
    return sg_text_add_quoted(b, sg_span_of(value), 60, err);
}

static bool add_change(struct sg_buf *b, const char *name, const char *before, const char *after,
                       struct sg_error *err)
{
    return (name == NULL ||
            (sg_text_add_quoted(b, sg_span_of(name), 120, err) && sg_buf_addc(b, ' ', err))) &&
           add_value(b, before, err) && sg_buf_adds(b, " → ", err) && add_value(b, after, err);
}

/* "|silver@-1?" → "silver" */
static bool add_need_stage(struct sg_buf *b, const char *need, struct sg_error *err)
{
    if (need[0] == '|')
        need++;
    return sg_buf_add(b, need, strcspn(need, "@?"), err);
}

static enum sg_reason reason_of_part(enum sg_part_kind kind)
{
    switch (kind) {
    case SG_PART_CODE:
        return SG_REASON_CODE;
    case SG_PART_COMMAND:
        return SG_REASON_COMMAND;
    case SG_PART_PARAM:
        return SG_REASON_PARAMS;
    case SG_PART_VERSION:
        return SG_REASON_VERSION;
    case SG_PART_NEED:
        break;
    }
    return SG_REASON_INPUT;
}

static bool write_detail(struct sg_buf *b, enum sg_part_kind kind, const char *name,
                         const char *before, const char *after, struct sg_error *err)
{
    switch (kind) {
    case SG_PART_CODE:
        return sg_text_add_quoted(b, sg_span_of(name), 400, err);
    case SG_PART_COMMAND:
        return sg_text_add_quoted(b, sg_span_of(name), 120, err);
    case SG_PART_PARAM:
        return add_change(b, name, before, after, err);
    case SG_PART_VERSION:
        return add_change(b, NULL, before, after, err);
    case SG_PART_NEED:
        break;
    }
    return add_need_stage(b, after != NULL ? after : before, err);
}

static bool on_part(void *ctx, enum sg_part_kind kind, const char *name, const char *before,
                    const char *after)
{
    struct change_maker *m = ctx;
    enum sg_reason r = reason_of_part(kind);
    struct sg_buf b = SG_BUF_INIT;

    m->change->reasons |= SG_REASON_BIT(r);
    if (m->n[r]++ != 0)
        return true;
    m->failed =
        !write_detail(&b, kind, name, before, after, m->err) ||
        (m->change->detail[r] = sg_arena_copy(&m->p->arena, sg_buf_span(&b), m->err)) == NULL;
    sg_buf_done(&b);
    return !m->failed;
}

/* "jobs/a.py" when it is the only one, else "jobs/a.py +2". Of need rules the first is enough: the
 * others have moved by one place. */
static bool count_details(struct change_maker *m)
{
    for (int r = SG_REASON_CODE; r < SG_REASON_INPUT; r++)
        if (m->n[r] > 1) {
            m->change->detail[r] =
                sg_arena_printf(&m->p->arena, m->err, "%s +%u", m->change->detail[r], m->n[r] - 1);
            if (m->change->detail[r] == NULL)
                return false;
        }
    return true;
}

static bool compare_recipes(struct sg_plan *p, struct sg_seen_recipe *seen, struct sg_error *err)
{
    const struct sg_recipe *now = &p->stages[seen->stage].pub.recipe;
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_recipe then = { .n_parts = 0 };
    struct change_maker m = { .p = p, .err = err };
    bool found = false, ok = true;

    m.change = SG_ARENA_NEW(&p->arena, 1, struct sg_recipe_change, err);
    if (m.change == NULL)
        return false;
    ok = sg_recipe_read(p->c.store, seen->hash, &a, &then, &found, err);
    if (ok && found) {
        sg_recipe_diff(&then, now, on_part, &m);
        ok = !m.failed && count_details(&m);
    }
    m.change->lost = m.change->reasons == 0;
    sg_arena_done(&a);
    if (ok)
        seen->change = m.change;
    return ok;
}

bool sg_recipe_change(struct sg_plan *p, uint32_t seen, const struct sg_recipe_change **ret,
                      struct sg_error *err)
{
    struct sg_seen_recipe *r = &p->recipes[seen];

    *ret = NULL;
    if (sg_hash128_is(r->hash, p->stages[r->stage].pub.recipe.hash))
        return true;
    if (r->change == NULL && !compare_recipes(p, r, err))
        return false;
    *ret = r->change;
    return true;
}

/* ---- inputs */

const struct sg_input *sg_receipt_input(const struct sg_receipt *r, const char *need)
{
    for (uint32_t i = 0; i < r->n_inputs; i++)
        if (strcmp(r->inputs[i].need, need) == 0)
            return &r->inputs[i];
    return NULL;
}

/* The place of `index` among the partitions that there are from `first` on; false: before it. */
static bool place_of(const struct sg_calendar *c, int64_t first, int64_t index, uint32_t *ret)
{
    uint32_t n = 0;
    struct sg_interval i;

    if (index < first || index - first >= UINT32_MAX)
        return false;
    if (c->unit != SG_UNIT_DAY) { /* only days can be missing */
        *ret = (uint32_t)(index - first);
        return true;
    }
    for (int64_t x = first; x < index; x++)
        n += sg_calendar_interval(c, x, &i);
    *ret = n;
    return true;
}

uint64_t sg_input_recorded(const struct sg_stage *of, const struct sg_need *n,
                           const struct sg_input *then, int64_t index, uint32_t position)
{
    int64_t first;

    /* Which partition was the latest is not compared: its place, the only one, is. */
    if (n->kind != SG_NEED_LATEST && (!sg_calendar_parse_label(&of->cal, then->from, &first) ||
                                      !place_of(&of->cal, first, index, &position)))
        return 0;
    return position < then->count ? then->versions[position] : 0;
}

/* Does the need's list come out as recorded, when what is gone counts as it was? */
static bool same_versions(struct sg_plan *p, const struct sg_stage *s, const struct sg_edge *e,
                          int64_t index, const struct sg_input *then, unsigned char *ret_gone)
{
    const struct sg_stage *of = sg_graph_stage(p->c.graph, e->need->of);
    struct sg_id_range ids = sg_edge_ids(p, s, e, index);
    const struct sg_plan_stage *v = &p->stages[of->id.i].pub;
    uint32_t at = 0;
    bool same = true;

    for (uint32_t id = ids.first; id < ids.end; id++) {
        uint64_t now = p->version[id];

        if (p->flags[id] & SG_NODE_HOLE)
            continue;
        if (now == 0) {
            now = sg_input_recorded(of, e->need, then, v->lo + (int64_t)(id - v->base), at);
            /* what somebody makes just now is not gone */
            if (now != 0 && p->verdict[id] != SG_VERDICT_RUN && !(p->flags[id] & SG_NODE_HELD))
                *ret_gone = 1;
        }
        if (at >= then->count || then->versions[at] != now)
            same = false;
        at++;
    }
    return same && at == then->count;
}

/* Is something required absent that the receipt has as absent too? */
static bool was_never_there(struct sg_plan *p, const struct sg_stage *s, const struct sg_edge *e,
                            int64_t index, const struct sg_input *then)
{
    const struct sg_stage *of = sg_graph_stage(p->c.graph, e->need->of);
    struct sg_id_range ids = sg_edge_ids(p, s, e, index);
    const struct sg_plan_stage *v = &p->stages[of->id.i].pub;
    uint32_t at = 0;

    for (uint32_t id = ids.first; !e->need->optional && id < ids.end; id++) {
        if (p->flags[id] & SG_NODE_HOLE)
            continue;
        if (p->version[id] == 0 &&
            sg_input_recorded(of, e->need, then, v->lo + (int64_t)(id - v->base), at) == 0)
            return true;
        at++;
    }
    return false;
}

/* A need that only the receipt has: its stage's name. */
static bool dropped_need(struct sg_plan *p, const struct sg_stage *s, const struct sg_receipt *then,
                         const char **ret, struct sg_error *err)
{
    for (uint32_t i = 0; i < then->n_inputs; i++) {
        const char *need = then->inputs[i].need;
        struct sg_buf b = SG_BUF_INIT;
        bool still = need[0] == '|';

        for (uint32_t k = 0; !still && k < s->n_needs; k++)
            still = strcmp(s->needs[k].text, need) == 0;
        if (still)
            continue;
        if (add_need_stage(&b, need, err))
            *ret = sg_arena_copy(&p->arena, sg_buf_span(&b), err);
        sg_buf_done(&b);
        return *ret != NULL;
    }
    return true;
}

bool sg_inputs_compare(struct sg_plan *p, const struct sg_stage *s, int64_t index,
                       const struct sg_receipt *then, bool whole, const char **ret_changed,
                       unsigned char *ret_gone, struct sg_error *err)
{
    const char *changed = NULL;

    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_edge *e = &p->edges[s->id.i][k];
        const struct sg_input *was;

        ret_gone[k] = 0;
        was = sg_receipt_input(then, e->need->text);
        if (whole && was != NULL && changed == NULL && was_never_there(p, s, e, index, was))
            changed = sg_graph_stage(p->c.graph, e->need->of)->name;
        if (e->need->order_only)
            continue;
        if ((was == NULL || !same_versions(p, s, e, index, was, &ret_gone[k])) && changed == NULL)
            changed = sg_graph_stage(p->c.graph, e->need->of)->name;
    }
    if (changed == NULL && !dropped_need(p, s, then, &changed, err))
        return false;
    *ret_changed = changed;
    return true;
}
