/* explain: every part of a node's stamp, then and now. */
#include "stagegraph/explain_text.h"

#include "cli.h"
#include "outputs.h"

static int run_explain(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_outputs outs;
    struct sg_node_id n;
    bool ok;

    if (cli->options.n_words != 1) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "explain takes one node, like silver@2024-01-01T05");
        return -1;
    }
    if (!sg_cli_configure(cli, NULL, false, err) || !sg_cli_request(cli, err))
        return -1;
    if (cli->request.n_named != 1) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "explain %s: name a node, like %s@2024-01-01",
                     cli->options.words[0], cli->options.words[0]);
        return -1;
    }
    if (!sg_cli_open_store(cli, err) || !sg_cli_make_plan(cli, NULL, err) ||
        !sg_outputs_open(cli, &outs, err))
        return -1;
    n = sg_plan_find(cli->plan, cli->request.named[0].stage, cli->request.named[0].index);
    ok = sg_explain_text_node(&outs.standard, cli->plan, n, err);
    sg_outputs_close(&outs);
    return ok ? SG_EXIT_OK : -1;
}

const struct sg_command sg_cmd_explain = {
    .name = "explain",
    .summary = "why a node is stale, or fresh: each part of its stamp, then and now",
    .usage = "NODE",
    .detail = "What the receipt in the node's marker recorded is put beside what is there now;\n"
              "\"!\" marks what differs.",
    .groups = SG_GROUP_PROFILE,
    .nodes = true,
    .run = run_explain,
};
