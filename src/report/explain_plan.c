/* What a plan has to say on one of its nodes, kept until it is shown. */
#include <stdlib.h>

#include "stagegraph/arena.h"
#include "stagegraph/explain_text.h"

struct kept {
    struct sg_arena *arena;
    struct sg_explain_row *rows; /* in the arena */
    size_t n, cap;
    struct sg_error err;
};

static const char *copy(struct kept *k, const char *text)
{
    return text == NULL ? NULL : sg_arena_text(k->arena, text, &k->err);
}

/* A row's texts are valid during the call only. */
static void keep(void *ctx, const struct sg_explain_row *row)
{
    struct kept *k = ctx;

    if (k->err.code != SG_ERROR_NONE ||
        !sg_arena_grow(k->arena, (void **)&k->rows, k->n, &k->cap, sizeof(*k->rows), &k->err))
        return;
    k->rows[k->n++] = (struct sg_explain_row){
        .part = copy(k, row->part),
        .name = copy(k, row->name),
        .then = copy(k, row->then),
        .now = copy(k, row->now),
        .differs = row->differs,
    };
}

bool sg_explain_text_node(struct sg_out *o, const struct sg_plan *p, struct sg_node_id n,
                          struct sg_error *err)
{
    struct sg_arena arena = SG_ARENA_INIT;
    struct kept k = { .arena = &arena };
    struct sg_explanation x;
    bool ok = false;

    if (n.i >= sg_plan_nodes(p)) {
        (void)sg_error_set(err, SG_ERROR_USAGE, 0, "the node is not in the plan");
        goto done;
    }
    if (!sg_plan_explain(p, n, &arena, &x, keep, &k, err))
        goto done;
    if (k.err.code != SG_ERROR_NONE) {
        *err = k.err;
        goto done;
    }
    sg_explain_text_write(o, &x, k.rows, (uint32_t)k.n);
    ok = true;
done:
    sg_arena_done(&arena);
    return ok;
}
