/* graph: stages and needs. */
#include "stagegraph/graph_text.h"

#include "cli.h"
#include "outputs.h"

static int run_graph(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_outputs outs;
    bool ok = true;

    if (!sg_cli_configure(cli, NULL, true, err) || !sg_outputs_open(cli, &outs, err))
        return -1;
    if (outs.json)
        ok = sg_graph_text_json(outs.json, cli->graph, err);
    else if (sg_options_has(&cli->options, SG_OPT_DOT))
        sg_graph_text_dot(&outs.standard, cli->graph);
    else
        sg_graph_text_write(&outs.standard, cli->graph);
    sg_outputs_close(&outs);
    return ok ? SG_EXIT_OK : -1;
}

const struct sg_command sg_cmd_graph = {
    .name = "graph",
    .summary = "the stages and what they need",
    .usage = "[--dot | --json]",
    .detail = "",
    .groups = SG_GROUP_GRAPH | SG_GROUP_OUTPUT,
    .run = run_graph,
};
