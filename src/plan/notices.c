/*
 * What a plan tells beside its nodes: from what others will run, and what is taken as it is. The
 * sweep counts it. docs/design.md, "The plan".
 */
#include "plan_impl.h"

#include <stdio.h>

#include "stagegraph/text.h"

static bool notice(struct sg_plan *p, char *text, struct sg_error *err)
{
    if (text == NULL || !sg_arena_grow(&p->arena, (void **)&p->notices, p->n_notices,
                                       &p->cap_notices, sizeof(text), err))
        return false;
    p->notices[p->n_notices++] = text;
    return true;
}

static const char *nodes_text(uint32_t n, char ret[SG_COUNT_TEXT + 8])
{
    char count_text[SG_COUNT_TEXT];

    sg_count_format(n, count_text);
    (void)snprintf(ret, SG_COUNT_TEXT + 8, "%s node%s", count_text, n == 1 ? "" : "s"); /* fits */
    return ret;
}

static bool notices_of_need(struct sg_plan *p, const struct sg_stage *s, uint32_t k,
                            struct sg_error *err)
{
    const struct sg_tally *t = &p->stages[s->id.i].tally[k];
    const char *of = sg_graph_stage(p->c.graph, s->needs[k].of)->name;
    char n[SG_COUNT_TEXT + 8];

    return (t->stale == 0 ||
            notice(p,
                   sg_arena_printf(&p->arena, err,
                                   "%s: %s will run from %s as it is, which is stale", s->name,
                                   nodes_text(t->stale, n), of),
                   err)) &&
           (t->blocked == 0 ||
            notice(p,
                   sg_arena_printf(&p->arena, err,
                                   "%s: %s will run from %s as it is, which is blocked", s->name,
                                   nodes_text(t->blocked, n), of),
                   err)) &&
           (t->gone == 0 ||
            notice(p,
                   sg_arena_printf(&p->arena, err,
                                   "%s: %s of %s stand%s on inputs that are gone: they count as "
                                   "they were",
                                   of, nodes_text(t->gone, n), s->name, t->gone == 1 ? "s" : ""),
                   err));
}

bool sg_sweep_notices(struct sg_plan *p, struct sg_error *err)
{
    char n[SG_COUNT_TEXT + 8];

    for (uint32_t i = 0; i < p->c.graph->n_stages; i++) {
        const struct sg_stage *s = sg_graph_stage(p->c.graph, p->c.graph->order[i]);
        const struct sg_stage_state *state = &p->stages[s->id.i];

        for (uint32_t k = 0; k < s->n_needs; k++)
            if (!notices_of_need(p, s, k, err))
                return false;
        if (state->n_foreign == 0)
            continue;
        if (!notice(p,
                    sg_arena_printf(&p->arena, err,
                                    "%s: %s bear%s a marker of another tool, without a receipt: "
                                    "taken as done, by what is not known",
                                    s->name, nodes_text(state->n_foreign, n),
                                    state->n_foreign == 1 ? "s" : ""),
                    err))
            return false;
    }
    return true;
}
