/* accept: receipts as of today for outputs that are there, without running anything. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "stagegraph/accept.h"
#include "stagegraph/claim.h"
#include "stagegraph/run.h"
#include "stagegraph/table.h"
#include "stagegraph/text.h"

#include "cli.h"
#include "marking.h"
#include "outputs.h"

#define AT_ONCE 1024 /* nodes whose results are in memory */

static bool take_reasons(struct sg_cli *cli, uint32_t *ret, struct sg_error *err)
{
    const char *text = cli->options.value[SG_OPT_REASON];
    uint32_t mask = 0;

    if (text && !sg_reasons_parse(text, &mask, err))
        return sg_error_wrap(err, "--reason");
    if (text && (mask == 0 || (mask & ~SG_ACCEPTABLE)))
        return sg_error_set(
            err, SG_ERROR_USAGE, 0,
            "--reason %s: only code, command, params, version and input can be accepted", text);
    *ret = mask;
    return true;
}

static bool note(void *ctx, const struct sg_accept_item *i, struct sg_error *err)
{
    return sg_marking_note(ctx, i->stage, i->index, &i->a, err);
}

static bool ends(void *ctx)
{
    return sg_marking_interrupted(ctx);
}

/* Some nodes of a stage, in order. */
static bool accept_some(struct sg_marking *m, struct sg_accept_item *items, size_t n,
                        struct sg_error *err)
{
    const struct sg_accept_many ask = {
        .items = items, .n = n, .reasons = m->reasons, .tell = note, .ends = ends, .ctx = m
    };
    bool any = false, ok = true;

    for (size_t i = 0; i < n; i++)
        any |= items[i].a.what == SG_ACCEPT_TAKE;
    if (any && !m->dry)
        return sg_marking_enter(m, err) && sg_accept_many(&m->run, &ask, err);
    for (size_t i = 0; ok && i < n && !ends(m); i++)
        ok = note(m, &items[i], err);
    return ok;
}

/* Those of a stage that were asked for. */
static bool accept_stage(struct sg_marking *m, struct sg_stage_id id, struct sg_accept_item *items,
                         struct sg_error *err)
{
    const struct sg_plan *p = m->cli->plan;
    const struct sg_plan_stage *s = sg_plan_stage(p, id);
    struct sg_node_view v;
    size_t n = 0;

    for (int64_t k = s->lo; k < s->hi; k++) {
        struct sg_node_id node = sg_plan_find(p, id, k);

        if (node.i == SG_NO_NODE)
            continue;
        sg_plan_node(p, node, &v);
        if (!v.asked)
            continue;
        items[n] = (struct sg_accept_item){ .stage = v.stage, .index = k };
        sg_accept_look(&v, m->reasons, &items[n++].a);
        if (n == AT_ONCE) {
            if (!accept_some(m, items, n, err))
                return false;
            n = 0;
        }
    }
    return n == 0 || accept_some(m, items, n, err);
}

/* All nodes that were asked for, stage by stage; an interrupt ends it between two nodes. */
static bool accept_all(struct sg_marking *m, struct sg_error *err)
{
    const struct sg_graph *g = m->cli->graph;
    struct sg_accept_item *items =
        SG_ARENA_NEW(&m->cli->arena, AT_ONCE, struct sg_accept_item, err);
    bool ok = items != NULL;

    for (uint32_t i = 0; ok && i < g->n_stages && !sg_marking_interrupted(m); i++)
        ok = accept_stage(m, g->order[i], items, err);
    return ok;
}

static void tell(struct sg_marking *m)
{
    static const char *const dry[] = { [SG_ACCEPT_TAKE] = "accept" };
    static const char *const done[] = { [SG_ACCEPT_TAKE] = "accepted" };
    char n[4][SG_COUNT_TEXT];
    struct sg_out *out = m->outs.people;

    sg_marking_table(m, m->dry ? dry[SG_ACCEPT_TAKE] : done[SG_ACCEPT_TAKE]);
    for (int i = 0; i < 4; i++)
        sg_count_format(m->n[i], n[i]);
    sg_out_printf(out, "%s %s node%s, %s fresh already", m->dry ? "To accept" : "Accepted",
                  n[SG_ACCEPT_TAKE], m->n[SG_ACCEPT_TAKE] == 1 ? "" : "s", n[SG_ACCEPT_FRESH]);
    if (m->n[SG_ACCEPT_LEFT])
        sg_out_printf(out, ", %s left alone", n[SG_ACCEPT_LEFT]);
    if (m->n[SG_ACCEPT_BUSY])
        sg_out_printf(out, ", %s busy", n[SG_ACCEPT_BUSY]);
    sg_out_text(out, m->dry ? "; nothing was written\n" : "\n");
}

static int run_accept(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_marking m;
    uint32_t reasons = 0;
    int status;
    bool ok;

    if (!take_reasons(cli, &reasons, err) || !sg_cli_configure(cli, NULL, false, err) ||
        !sg_cli_request(cli, err))
        return -1;
    cli->request.stale = SG_REASONS_ALL; /* what a profile says of runs is not meant here */
    cli->request.force_all = cli->request.with_needs = cli->request.wait = false;
    cli->request.force = NULL;
    if (!sg_cli_open_store(cli, err) || !sg_marking_open(cli, "accepted", &m, err))
        return -1;
    m.reasons = reasons;
    ok = accept_all(&m, err);
    tell(&m); /* what was done is told, also when the store failed on the way */
    status = !ok ? sg_exit_of(err) : m.n[SG_ACCEPT_BUSY] ? SG_EXIT_BUSY : SG_EXIT_OK;
    sg_marking_close(&m, status);
    return ok ? status : -1;
}

const struct sg_command sg_cmd_accept = {
    .name = "accept",
    .summary = "write receipts as of today for outputs that are there, running nothing",
    .usage = "[NODE… | STAGE…] [--reason REASON,…] [OPTIONS]",
    .detail =
        "For markers that an older job or another tool has made, and with --reason for nodes that\n"
        "are stale by a change which is known not to matter. Versions stay what they are, so nothing\n"
        "downstream goes stale. What is stale for another reason is left alone. Nodes, range and\n"
        "selection are those of run.",
    .groups = SG_GROUP_RANGE | SG_GROUP_PROFILE | SG_GROUP_ACCEPT,
    .nodes = true,
    .run = run_accept,
};
