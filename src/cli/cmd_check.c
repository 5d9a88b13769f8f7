/* check: the graph file and the store's settings, and everything that is wrong with them. */
#include <stdio.h>

#include "stagegraph/room.h"
#include "stagegraph/text.h"

#include "cli.h"

/* Every directory that is not there, and code pattern that matches nothing, is told; a plan stops
 * at the first. */
static bool check_files(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_diags diags = SG_DIAGS_INIT;
    bool ok = sg_graph_check_files(cli->graph, cli->code, &diags, err);

    if (ok && diags.n_errors > 0) {
        sg_cli_print_diags(&diags);
        ok = sg_error_set(err, SG_ERROR_GRAPH, 0, "%s: %zu error%s", cli->graph_path,
                          diags.n_errors, diags.n_errors == 1 ? "" : "s");
    }
    sg_diags_done(&diags);
    return ok;
}

/* It can be run, alone, and may well be killed. */
static void check_room(const struct sg_cli *cli)
{
    char wants[SG_SIZE_TEXT], has[SG_SIZE_TEXT];
    int64_t room = sg_room_bytes();

    for (uint32_t i = 0; room > 0 && i < cli->graph->n_stages; i++) {
        const struct sg_stage *s = &cli->graph->stages[i];

        if (sg_room_of(cli->graph, s) <= room)
            continue;
        sg_size_format(s->memory, wants);
        sg_size_format(room, has);
        (void)fprintf(
            stderr,
            "warning: stage %s: memory = %s, and this machine (or its cgroup) has %s: its "
            "jobs would run alone\n",
            s->name, wants, has);
    }
}

static int run_check(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_wall now;

    if (!sg_cli_configure(cli, NULL, true, err) || !sg_cli_open_store(cli, err) ||
        !check_files(cli, err))
        return -1;
    if (sg_options_has(&cli->options, SG_OPT_STORE)) {
        if (!sg_store_now(cli->store, &now, err))
            return -1;
        (void)printf("store %s: answers\n", sg_store_uri(cli->store));
    }
    check_room(cli);
    (void)printf("%s: %u stages and sources, %u profile%s, store %s: no errors\n", cli->graph_path,
                 cli->graph->n_stages, cli->graph->n_profiles,
                 cli->graph->n_profiles == 1 ? "" : "s", sg_store_uri(cli->store));
    return SG_EXIT_OK;
}

const struct sg_command sg_cmd_check = {
    .name = "check",
    .summary = "read the graph file and the store's settings, report everything wrong",
    .usage = "[--store]",
    .detail =
        "All errors are told in one go, with file and line. With --store the store is asked too.",
    .groups = SG_GROUP_CHECK,
    .run = run_check,
};
