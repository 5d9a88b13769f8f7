#include "tree.h"

#include <stdio.h>

#include "plan_impl.h"

bool sg_bench_graph(const char *path, struct sg_graph **ret, struct sg_error *err)
{
    struct sg_diags diags = SG_DIAGS_INIT;
    bool ok = sg_graph_open(path, NULL, ret, &diags, err) &&
              sg_graph_configure(*ret, NULL, NULL, 0, NULL, 0, false, &diags, err);

    for (size_t i = 0; !ok && i < diags.n; i++)
        fprintf(stderr, "%s\n", diags.items[i].text);
    sg_diags_done(&diags);
    return ok;
}

bool sg_bench_fill(struct sg_plan *p, struct sg_error *err)
{
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;
        uint32_t recipe = 0;

        if (!sg_recipe_seen(p, i, v->recipe.hash, &recipe, err))
            return false;
        for (uint32_t id = v->base; id < v->base + (uint32_t)(v->hi - v->lo); id++) {
            p->kind[id] = SG_MARKER_DONE;
            p->flags[id] |= SG_NODE_SCANNED | SG_NODE_THERE;
            p->version[id] = id + 1;
            p->recipe[id] = recipe;
        }
    }
    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;

        for (int64_t x = v->lo; x < v->hi; x++) {
            if (!sg_sweep_now(p, sg_plan_stage_at(p, i), x, err))
                return false;
            p->inputs[v->base + (uint32_t)(x - v->lo)] =
                sg_inputs_digest(p->now, sg_plan_stage_at(p, i)->n_needs);
        }
    }
    return true;
}

static bool make_data(struct sg_store *store, const char *dir, const char *data,
                      struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool ok = sg_buf_addf(&path, err, "%s/%s", dir, data) &&
              sg_store_put(store, sg_buf_text(&path), sg_span_of(""), err);

    sg_buf_done(&path);
    return ok;
}

static bool make_node(struct sg_plan *p, const struct sg_stage *s, int64_t index, const char *data,
                      struct sg_error *err)
{
    char node[SG_NODE_TEXT], label[SG_LABEL_TEXT];
    const struct sg_plan_stage *v = &p->stages[s->id.i].pub;
    struct sg_receipt r = { .node = node,
                            .state = SG_MARKER_DONE,
                            .run = "bench",
                            .attempt = 1,
                            .host = "here",
                            .recipe = v->recipe.hash };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_input *inputs = SG_ARENA_NEW(&a, s->n_needs, struct sg_input, err);
    struct sg_buf dir = SG_BUF_INIT;
    struct sg_marker m;
    bool ok;

    sg_node_format(s, index, node);
    sg_calendar_label(&s->cal, index, label);
    r.version = (struct sg_hash128){ p->version[v->base + (uint32_t)(index - v->lo)], 0 };
    ok = inputs != NULL && sg_sweep_now(p, s, index, err);
    for (uint32_t k = 0; ok && k < s->n_needs; k++) {
        inputs[k] = p->now[k];
        inputs[k].from = label;
    }
    r.inputs = inputs;
    r.n_inputs = s->n_needs;
    if (ok)
        r.stamp = sg_stamp_of(r.recipe, inputs, s->n_needs);
    ok = ok && sg_plan_dir(p, s, index, &dir, err) &&
         (data == NULL || make_data(p->c.store, sg_buf_text(&dir), data, err)) &&
         sg_marker_write(p->c.store, sg_buf_text(&dir), s->marker, &r, &m, err);
    sg_buf_done(&dir);
    sg_arena_done(&a);
    return ok;
}

bool sg_bench_tree(const struct sg_plan_config *c, const char *data, uint32_t *ret_nodes,
                   struct sg_error *err)
{
    struct sg_plan *p;
    bool ok;

    if (!sg_plan_begin(c, NULL, &p, err))
        return false;
    ok = sg_bench_fill(p, err);
    for (uint32_t i = 0; ok && i < c->graph->n_stages; i++) {
        const struct sg_plan_stage *v = &p->stages[i].pub;

        ok = sg_recipe_write(c->store, &v->recipe, err);
        for (int64_t x = v->lo; ok && x < v->hi; x++)
            ok = make_node(p, sg_plan_stage_at(p, i), x, data, err);
    }
    *ret_nodes = p->n_nodes;
    sg_plan_free(p);
    return ok;
}
