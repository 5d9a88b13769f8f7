/* history: earlier runs, and the nodes of one. */
#include <stdio.h>
#include <string.h>

#include "stagegraph/clock.h"
#include "stagegraph/history.h"
#include "stagegraph/history_text.h"
#include "stagegraph/text.h"

#include "cli.h"
#include "outputs.h"

static bool prune_older(struct sg_cli *cli, int64_t before_ms, const struct sg_needed_runs *needed,
                        int64_t *ret_n, struct sg_error *err)
{
    struct sg_history_prune how = {
        .before_ms = before_ms,
        .keep = needed->runs,
        .n_keep = needed->n,
        .alone = !needed->alive,
    };
    struct sg_history *history;
    bool ok;

    /* without one none is made */
    if (!sg_history_open(cli->graph->state, true, &history, NULL, err))
        return false;
    if (!history)
        return true;
    sg_history_close(history);
    if (!sg_history_open(cli->graph->state, false, &history, NULL, err))
        return false;
    ok = sg_history_prune(history, &how, ret_n, err);
    sg_history_close(history);
    return ok;
}

static int prune(struct sg_cli *cli, const char *text, struct sg_error *err)
{
    struct sg_needed_runs needed;
    char count[SG_COUNT_TEXT];
    int64_t s, before_ms, n = 0;

    if (!sg_duration_parse(text, &s) || s <= 0) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "--prune %s: expected a duration like 90d", text);
        return -1;
    }
    before_ms = sg_wall_now().ns / SG_NS_PER_MS - s * 1000;
    if (!sg_cli_find_needed(cli, &needed, err) || !prune_older(cli, before_ms, &needed, &n, err))
        return -1;
    sg_count_format(n, count);
    (void)printf("removed %s run%s that began more than %s ago\n", count, n == 1 ? "" : "s", text);
    if (needed.to_resume && needed.to_resume_ms < before_ms)
        (void)printf("kept %s, which resume would take up\n", needed.to_resume);
    return SG_EXIT_OK;
}

/* A run may have no node, and of a pruned one a late node may be left. h == NULL: no run was. */
static bool check_run(struct sg_history *h, const char *run, struct sg_error *err)
{
    bool there = false;

    if (h && !sg_history_has_run(h, run, &there, err))
        return false;
    return there ||
           sg_error_set(err, SG_ERROR_USAGE, 0, "there is no run %s (see stagegraph history)", run);
}

static int run_history(struct sg_cli *cli, struct sg_error *err)
{
    const struct sg_options *o = &cli->options;
    struct sg_history_filter f = {
        .run = o->n_words ? o->words[0] : NULL,
        .stage = o->value[SG_OPT_STAGE],
        .failed = sg_options_has(o, SG_OPT_FAILED),
    };
    bool summary = sg_options_has(o, SG_OPT_SUMMARY);
    bool attempts = f.run || f.stage || f.failed || summary;
    struct sg_history *history;
    struct sg_outputs outs;
    struct sg_out *out;
    bool ok;

    if (o->value[SG_OPT_PRUNE]) {
        if (!attempts)
            return prune(cli, o->value[SG_OPT_PRUNE], err);
        sg_error_set(err, SG_ERROR_USAGE, 0, "--prune stands alone");
        return -1;
    }
    if (!sg_options_int(o, SG_OPT_LIMIT, 1, INT64_MAX,
                        summary    ? 0
                        : attempts ? 1000
                                   : 20,
                        &f.limit, err))
        return -1;
    if (f.stage && !sg_graph_find_stage(cli->graph, f.stage)) {
        const char *near = sg_graph_near_stage(cli->graph, f.stage);

        sg_error_set(err, SG_ERROR_USAGE, 0, "--stage %s: no such stage%s%s%s", f.stage,
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        return -1;
    }
    if (!sg_history_open(cli->graph->state, true, &history, NULL, err))
        return -1;
    if ((f.run && !check_run(history, f.run, err)) || !sg_outputs_open(cli, &outs, err)) {
        sg_history_close(history);
        return -1;
    }
    out = outs.json ? outs.json : &outs.standard;
    if (summary)
        ok = sg_history_text_summary(out, history, &f, outs.json != NULL, err);
    else if (attempts)
        ok = sg_history_text_attempts(out, history, &f, outs.json != NULL, err);
    else
        ok = sg_history_text_runs(out, history, f.limit, outs.json != NULL, err);
    sg_history_close(history);
    sg_outputs_close(&outs);
    return ok ? SG_EXIT_OK : -1;
}

const struct sg_command sg_cmd_history = {
    .name = "history",
    .summary = "earlier runs; with RUN, its nodes with durations, memory and GC",
    .usage = "[RUN] [OPTIONS] | --prune 90d",
    .detail =
        "--stage ends with a summary of the stage over all runs. The history is for people and\n"
        "estimates: nothing is lost with it but these.",
    .groups = SG_GROUP_HISTORY | SG_GROUP_OUTPUT,
    .nodes = true,
    .run = run_history,
};
