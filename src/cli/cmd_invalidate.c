/* invalidate: markers removed, so that their nodes are made again. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/accept.h"
#include "stagegraph/buf.h"
#include "stagegraph/text.h"

#include "cli.h"
#include "marking.h"
#include "outputs.h"

struct target {
    const struct sg_stage *stage;
    int64_t index;
};

struct targets {
    struct target *at;
    size_t n, cap;
    bool *stages; /* that have one */
};

static bool add(struct sg_cli *cli, struct targets *t, struct sg_stage_id stage, int64_t index,
                struct sg_error *err)
{
    struct sg_node_id n = sg_plan_find(cli->plan, stage, index);
    struct sg_node_view v;

    if (n.i == SG_NO_NODE)
        return true;
    sg_plan_node(cli->plan, n, &v);
    if (v.marker == SG_MARKER_ABSENT)
        return true;
    for (size_t i = 0; cli->request.n_named && i < t->n; i++)
        if (t->at[i].stage == v.stage && t->at[i].index == index)
            return true; /* named twice */
    if (!sg_arena_grow(&cli->arena, (void **)&t->at, t->n, &t->cap, sizeof(*t->at), err))
        return false;
    t->at[t->n++] = (struct target){ v.stage, index };
    t->stages[stage.i] = true;
    return true;
}

/* The named nodes alone, not what they need; or of the named stages what is in the range. */
static bool collect(struct sg_cli *cli, struct targets *t, struct sg_error *err)
{
    const struct sg_request *r = &cli->request;
    const struct sg_graph *g = cli->graph;

    t->stages = SG_ARENA_NEW(&cli->arena, g->n_stages, bool, err);
    if (!t->stages)
        return false;
    for (uint32_t i = 0; i < r->n_named; i++)
        if (!add(cli, t, r->named[i].stage, r->named[i].index, err))
            return false;
    for (uint32_t i = 0; !r->n_named && i < g->n_stages; i++) {
        struct sg_stage_id s = g->order[i];
        const struct sg_plan_stage *v = sg_plan_stage(cli->plan, s);

        for (int64_t k = v->lo; r->only[s.i] && k < v->hi; k++) {
            struct sg_node_id n = sg_plan_find(cli->plan, s, k);
            struct sg_node_view view;

            if (n.i == SG_NO_NODE)
                continue;
            sg_plan_node(cli->plan, n, &view);
            if (view.asked && !add(cli, t, s, k, err))
                return false;
        }
    }
    return true;
}

/* Stages that need these, directly or not: what follows. */
static bool name_followers(struct sg_cli *cli, const struct targets *t, struct sg_buf *out,
                           struct sg_error *err)
{
    const struct sg_graph *g = cli->graph;
    bool *reached = SG_ARENA_NEW(&cli->arena, g->n_stages, bool, err);
    bool more = true;

    if (!reached)
        return false;
    while (more) {
        more = false;
        for (uint32_t i = 0; i < g->n_stages; i++)
            for (uint32_t k = 0; !reached[i] && k < g->stages[i].n_needs; k++) {
                uint32_t of = g->stages[i].needs[k].of.i;

                reached[i] = of != i && (reached[of] || t->stages[of]);
                more |= reached[i];
            }
    }
    for (uint32_t i = 0; i < g->n_stages; i++)
        if (reached[g->order[i].i] &&
            !sg_buf_addf(out, err, "%s%s", out->len ? ", " : "", g->stages[g->order[i].i].name))
            return false;
    return true;
}

static bool name_stages(const struct sg_cli *cli, const struct targets *t, struct sg_buf *out,
                        struct sg_error *err)
{
    const struct sg_graph *g = cli->graph;

    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = &g->stages[g->order[i].i];
        size_t n = 0;

        for (size_t k = 0; k < t->n; k++)
            n += t->at[k].stage == s;
        if (n && !sg_buf_addf(out, err, "%s%zu of %s", out->len ? ", " : "", n, s->name))
            return false;
    }
    return true;
}

/* *ret: go on. Asked on a terminal; else --yes says so. */
static bool ask(struct sg_cli *cli, const struct targets *t, const char *what, const char *follows,
                bool *ret, struct sg_error *err)
{
    bool yes = sg_options_has(&cli->options, SG_OPT_YES);
    bool dry = sg_options_has(&cli->options, SG_OPT_DRY_RUN);
    char answer[16] = "";

    if (!yes && !dry && (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)))
        return sg_error_set(err, SG_ERROR_USAGE, 0,
                            "invalidate would remove %zu marker%s (%s): say --yes where nobody can "
                            "be asked",
                            t->n, t->n == 1 ? "" : "s", what);
    (void)fprintf(stderr, "%zu marker%s %s: %s; the next run makes %s again%s%s\n", t->n,
                  t->n == 1 ? "" : "s",
                  dry         ? "would go"
                  : t->n == 1 ? "goes"
                              : "go",
                  what, t->n == 1 ? "it" : "them",
                  *follows ? ", and where they come out otherwise: " : "", follows);
    *ret = !dry;
    if (yes || dry)
        return true;
    (void)fprintf(stderr, "Remove %s? [y/N] ", t->n == 1 ? "it" : "them");
    (void)fflush(stderr); /* what can't be shown can't be answered */
    *ret = fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
    if (!*ret)
        (void)fprintf(stderr, "nothing was removed\n");
    return true;
}

static int remove_all(struct sg_marking *m, const struct targets *t, struct sg_error *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < t->n && !sg_marking_interrupted(m); i++) {
        struct sg_accepted a = { .what = SG_ACCEPT_FRESH };

        ok = sg_marking_enter(m, err) &&
             sg_accept_revoke(&m->run, t->at[i].stage, t->at[i].index, &a, err) &&
             sg_marking_note(m, t->at[i].stage, t->at[i].index, &a, err);
    }
    sg_marking_table(m, "removed");
    sg_out_printf(m->outs.people, "Removed %lld marker%s\n", (long long)m->n[SG_ACCEPT_TAKE],
                  m->n[SG_ACCEPT_TAKE] == 1 ? "" : "s");
    return !ok ? -1 : m->n[SG_ACCEPT_BUSY] ? SG_EXIT_BUSY : SG_EXIT_OK;
}

/* A stage is a word only with a range: nobody means the whole history by a word. */
static bool take_words(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_request *r = &cli->request;

    if (!sg_cli_request(cli, err))
        return false;
    if (cli->options.n_words == 0)
        return sg_error_set(err, SG_ERROR_USAGE, 0,
                            "invalidate takes nodes, like silver@2024-01-01T05, or stages and a "
                            "range (--from, --to, --date, --last)");
    r->only = r->upto;
    r->upto = NULL;
    if (r->only && !r->has_range)
        return sg_error_set(err, SG_ERROR_USAGE, 0,
                            "invalidate %s: name nodes, or give a range (--from, --to, --date, "
                            "--last)",
                            cli->options.words[0]);
    return true;
}

static int run_invalidate(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_buf what = SG_BUF_INIT, follows = SG_BUF_INIT;
    struct targets t = { .n = 0 };
    struct sg_marking m;
    bool go = false;
    int status = -1;

    if (!sg_cli_configure(cli, NULL, true, err) || !take_words(cli, err) ||
        !sg_cli_open_store(cli, err) || !sg_cli_make_plan(cli, NULL, err) || !collect(cli, &t, err))
        return -1;
    if (t.n == 0) {
        (void)fprintf(sg_options_has(&cli->options, SG_OPT_JSON) ? stderr : stdout,
                      "no marker is there: nothing to remove\n");
        return SG_EXIT_OK;
    }
    if (name_stages(cli, &t, &what, err) && name_followers(cli, &t, &follows, err) &&
        ask(cli, &t, sg_buf_text(&what), sg_buf_text(&follows), &go, err)) {
        status = SG_EXIT_OK;
        if (go && sg_marking_open(cli, "invalidated", &m, err)) {
            status = remove_all(&m, &t, err);
            sg_marking_close(&m, status < 0 ? sg_exit_of(err) : status);
        } else if (go) {
            status = -1;
        }
    }
    sg_buf_done(&what);
    sg_buf_done(&follows);
    return status;
}

const struct sg_command sg_cmd_invalidate = {
    .name = "invalidate",
    .summary = "remove markers, so that their nodes are made again",
    .usage = "NODE… | STAGE… --from D --to D [--yes]",
    .detail =
        "Only the markers of these nodes go; data stay. What needs them goes stale when they\n"
        "come out otherwise. On a terminal it asks first.",
    .groups = SG_GROUP_RANGE | SG_GROUP_REVOKE,
    .nodes = true,
    .run = run_invalidate,
};
