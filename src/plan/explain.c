/*
 * Each part of a node's stamp, then and now. The facts come from a plan of the node alone, as for a
 * decision; the rows from the same recipes and inputs that are compared there.
 */
#include "plan_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct explainer {
    struct sg_plan *p; /* of the node and its inputs */
    const struct sg_stage *s;
    int64_t index;
    struct sg_arena *a;
    const struct sg_explanation *x;
    sg_explain_fn *fn;
    void *ctx;
};

static void row(const struct explainer *e, const char *part, const char *name, const char *then,
                const char *now, bool differs)
{
    struct sg_explain_row r = {
        .part = part, .name = name, .then = then, .now = now, .differs = differs
    };

    e->fn(e->ctx, &r);
}

/* ---- recipe */

static const char *part_name(enum sg_part_kind kind)
{
    switch (kind) {
    case SG_PART_CODE:
        return "code";
    case SG_PART_COMMAND:
        return "command";
    case SG_PART_PARAM:
        return "params";
    case SG_PART_VERSION:
        return "version";
    case SG_PART_NEED:
        break;
    }
    return "need";
}

static int compare_parts(const struct sg_part *a, const struct sg_part *b)
{
    return a->kind != b->kind ? (int)a->kind - (int)b->kind : strcmp(a->name, b->name);
}

/* The recipe numbers needs from 000, since their order is in the stamp; people count from 1. */
static void part_row(const struct explainer *e, const struct sg_part *part, const char *then,
                     const char *now, bool differs)
{
    char number[24];

    (void)snprintf(number, sizeof(number), "%lu", strtoul(part->name, NULL, 10) + 1);
    row(e, part_name(part->kind), part->kind == SG_PART_NEED ? number : part->name, then, now,
        differs);
}

/* Both lists are sorted; then == NULL: not known. */
static void recipe_rows(const struct explainer *e, const struct sg_recipe *then,
                        const struct sg_recipe *now)
{
    size_t i = 0, j = 0;

    while (j < now->n_parts || (then != NULL && i < then->n_parts)) {
        const struct sg_part *was = then != NULL && i < then->n_parts ? &then->parts[i] : NULL;
        const struct sg_part *is = j < now->n_parts ? &now->parts[j] : NULL;
        int order = was != NULL && is != NULL ? compare_parts(was, is) : 0;

        if (was != NULL && (is == NULL || order < 0)) {
            part_row(e, was, was->value, NULL, true);
            i++;
        } else if (is != NULL && (was == NULL || order > 0)) {
            part_row(e, is, NULL, is->value, then != NULL);
            j++;
        } else if (is != NULL) {
            part_row(e, is, was->value, is->value, strcmp(was->value, is->value) != 0);
            i++;
            j++;
        }
    }
}

static bool explain_recipe(const struct explainer *e, struct sg_error *err)
{
    struct sg_recipe then = { .n_parts = 0 };
    bool known = e->x->marker.kind == SG_MARKER_DONE || e->x->marker.kind == SG_MARKER_ACCEPTED ||
                 e->x->marker.kind == SG_MARKER_RUNNING;
    bool found = false;

    if (known && !sg_recipe_read(e->p->c.store, e->x->marker.recipe, e->a, &then, &found, err))
        return false;
    recipe_rows(e, found ? &then : NULL, &e->p->stages[e->s->id.i].pub.recipe);
    return true;
}

/* ---- inputs */

static const char *version_text(uint64_t version, char ret[SG_HASH64_TEXT])
{
    if (version == 0)
        return "absent";
    sg_hash64_format(version, ret);
    return ret;
}

static void input_row(const struct explainer *e, const struct sg_need *n,
                      const struct sg_input *was, uint32_t id, uint32_t at)
{
    const struct sg_plan *p = e->p;
    const struct sg_stage *of = sg_plan_stage_at(p, n->of.i);
    const struct sg_plan_stage *v = &p->stages[n->of.i].pub;
    int64_t index = v->lo + (int64_t)(id - v->base);
    uint64_t now = p->version[id], then = 0;
    char name[SG_NODE_TEXT], then_text[SG_HASH64_TEXT], now_text[SG_HASH64_TEXT];
    char why[SG_LACK_WHY_TEXT];
    bool differs = false;

    sg_node_format(of, index, name);
    if (was != NULL) {
        then = sg_input_recorded(of, n, was, index, at);
        differs = !n->order_only && now != then && now != 0;
    } else if (e->x->marker.kind == SG_MARKER_FOREIGN) {
        differs = !n->order_only && p->kind[id] == SG_MARKER_DONE &&
                  (p->flags[id] & SG_NODE_THERE) && p->mtime_ns[id] > e->x->marker.ident.mtime_ns;
    }
    sg_plan_lack_why(p, (struct sg_node_id){ id }, why);
    row(e, n->order_only ? "order-only" : "input", name,
        was != NULL ? version_text(then, then_text) : NULL,
        why[0] != '\0'          ? "unsettled"
        : now == 0 && then != 0 ? "gone"
                                : version_text(now, now_text),
        differs);
}

/* The receipt counts other partitions than today: a row of its own says so. */
static bool count_row(const struct explainer *e, const struct sg_need *n,
                      const struct sg_input *was, uint32_t count, struct sg_error *err)
{
    char *then, *now;

    if (was->count == count)
        return true;
    then = sg_arena_printf(e->a, err, "%u from %s", was->count, was->from);
    now = sg_arena_printf(e->a, err, "%u", count);
    if (then == NULL || now == NULL)
        return false;
    row(e, n->order_only ? "order-only" : "input", n->text, then, now, !n->order_only);
    return true;
}

static bool explain_inputs(const struct explainer *e, struct sg_error *err)
{
    const struct sg_plan *p = e->p;
    const struct sg_receipt *r = &e->x->receipt;

    for (uint32_t k = 0; k < e->s->n_needs; k++) {
        const struct sg_need *n = &e->s->needs[k];
        struct sg_id_range ids = sg_edge_ids(p, e->s, &p->edges[e->s->id.i][k], e->index);
        const struct sg_input *was =
            r->run != NULL && r->inputs != NULL ? sg_receipt_input(r, n->text) : NULL;
        uint32_t at = 0;

        for (uint32_t id = ids.first; id < ids.end; id++)
            if (!(p->flags[id] & SG_NODE_HOLE))
                input_row(e, n, was, id, at++);
        if (was != NULL && !count_row(e, n, was, at, err))
            return false;
    }
    return true;
}

/* ---- the node */

static bool explain_damage(const struct explainer *e, const char *dir, const char *name,
                           const char *node, const char **ret, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    struct sg_entry entry;
    struct sg_receipt r = { .run = NULL };
    struct sg_hash128 file;
    enum sg_marker_kind kind;
    const char *why = NULL;
    bool ok;

    ok = sg_store_read_marker(e->p->c.store, dir, name, SG_MARKER_LIMIT, &text, &entry, err);
    if (!ok && err->code == SG_ERROR_LIMIT) {
        sg_error_clear(err);
        why = "longer than any receipt";
        ok = true;
    } else if (ok && entry.kind != SG_ENTRY_FILE) {
        why = "not a file";
    } else if (ok) {
        ok = sg_receipt_parse(e->a, sg_buf_span(&text), node, &kind, &r, &file, &why, err);
    }
    sg_buf_done(&text);
    if (ok)
        *ret = why != NULL ? why : "";
    return ok;
}

static bool explain_marker(const struct explainer *e, struct sg_explanation *ret,
                           struct sg_error *err)
{
    struct sg_buf dir = SG_BUF_INIT;
    const char *name = e->s->marker;
    char node[SG_NODE_TEXT];
    bool ok;

    sg_node_format(e->s, e->index, node);
    ok = sg_plan_dir(e->p, e->s, e->index, &dir, err) &&
         sg_plan_marker(e->p, e->s, e->index, sg_buf_text(&dir), e->a, &ret->marker, &ret->receipt,
                        &name, err);
    if (ok && ret->marker.kind == SG_MARKER_DAMAGED)
        ok = explain_damage(e, sg_buf_text(&dir), name, node, &ret->damage, err);
    sg_buf_done(&dir);
    return ok;
}

static bool explain_claim(const struct explainer *e, uint32_t id, struct sg_explanation *ret,
                          struct sg_error *err)
{
    const struct sg_seen_claim *c = sg_scan_claim(e->p, id);

    if (c == NULL)
        return true;
    ret->claim = sg_arena_printf(e->a, err, "%s run %s", c->alive ? "held by" : "dead claim of",
                                 c->run[0] != '\0' ? c->run : "(unknown)");
    return ret->claim != NULL;
}

static bool explain_source(const struct explainer *e, const struct sg_stage *of, int64_t index,
                           struct sg_explanation *ret, struct sg_error *err)
{
    struct sg_buf dir = SG_BUF_INIT;
    char node[SG_NODE_TEXT];
    bool ok = sg_plan_dir(e->p, of, index, &dir, err);

    sg_node_format(of, index, node);
    if (ok) {
        ret->source = sg_arena_text(e->a, node, err);
        ret->source_path =
            sg_arena_printf(e->a, err, "%s/%s%s%s", sg_store_root(e->p->c.store), sg_buf_text(&dir),
                            of->marker != NULL ? "/" : "", of->marker != NULL ? of->marker : "");
    }
    sg_buf_done(&dir);
    return ok && ret->source != NULL && ret->source_path != NULL;
}

/* Somebody else makes it, so whoever asks wants to know where it should be. */
static bool explain_absent(const struct explainer *e, struct sg_explanation *ret,
                           struct sg_error *err)
{
    const struct sg_plan *p = e->p;

    for (uint32_t k = 0; k < e->s->n_needs; k++) {
        const struct sg_need *n = &e->s->needs[k];
        const struct sg_stage *of = sg_plan_stage_at(p, n->of.i);
        const struct sg_plan_stage *v = &p->stages[n->of.i].pub;
        struct sg_id_range ids = sg_edge_ids(p, e->s, &p->edges[e->s->id.i][k], e->index);

        for (uint32_t id = ids.first; of->is_source && id < ids.end; id++)
            if (sg_sweep_lacks(p, n, id))
                return explain_source(e, of, v->lo + (int64_t)(id - v->base), ret, err);
    }
    return true;
}

static bool explain(struct explainer *e, struct sg_explanation *ret, struct sg_error *err)
{
    const struct sg_plan_stage *v = &e->p->stages[e->s->id.i].pub;
    uint32_t id = v->base + (uint32_t)(e->index - v->lo);

    e->x = ret;
    if (!sg_scan(e->p, err))
        return false;
    if (e->s->is_source) {
        char text[SG_HASH64_TEXT], node[SG_NODE_TEXT];

        sg_node_format(e->s, e->index, node);
        row(e, "source", node, NULL, version_text(e->p->version[id], text), false);
        return true;
    }
    return sg_plan_recipe(e->p, e->s->id.i, err) && explain_marker(e, ret, err) &&
           explain_claim(e, id, ret, err) && explain_recipe(e, err) && explain_inputs(e, err) &&
           explain_absent(e, ret, err);
}

bool sg_plan_explain(const struct sg_plan *p, struct sg_node_id n, struct sg_arena *a,
                     struct sg_explanation *ret, sg_explain_fn *fn, void *ctx, struct sg_error *err)
{
    struct explainer e = { .a = a, .fn = fn, .ctx = ctx };
    struct sg_explanation x;
    char node[SG_NODE_TEXT];
    char lacks[SG_LACKS_TEXT];
    bool ok;

    memset(&x, 0, sizeof(x));
    sg_plan_node(p, n, &x.view);
    if (x.view.verdict == SG_VERDICT_BLOCKED && sg_plan_lacks(p, n, lacks)) {
        x.lacks = sg_arena_text(a, lacks, err);
        if (x.lacks == NULL)
            return false;
    }
    e.s = x.view.stage;
    e.index = x.view.index;
    ok = sg_plan_small(p, e.s, (struct sg_range){ e.index, e.index + 1 }, &e.p, err) &&
         explain(&e, &x, err);
    sg_plan_free(e.p);
    if (ok) {
        *ret = x;
        return true;
    }
    sg_node_format(e.s, e.index, node);
    return sg_error_wrap(err, "explain %s", node);
}
