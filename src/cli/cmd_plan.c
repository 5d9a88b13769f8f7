/* plan: what run would do, and why. */
#include "cli.h"

static int run_plan(struct sg_cli *cli, struct sg_error *err)
{
    cli->options.value[SG_OPT_DRY_RUN] = ""; /* it is a run of that kind */
    if (!sg_cli_configure(cli, NULL, false, err) || !sg_cli_request(cli, err) ||
        !sg_cli_open_store(cli, err) || !sg_cli_make_plan(cli, NULL, err))
        return -1;
    return sg_cli_show_plan(cli, err);
}

const struct sg_command sg_cmd_plan = {
    .name = "plan",
    .summary = "what run would do, with the reasons; runs nothing",
    .usage = "[NODE… | STAGE…] [OPTIONS]",
    .detail =
        "Takes the options of run; those that matter only while jobs run change nothing.\nNodes that "
        "are stale because of upstream are decided again in the run, when their inputs are\ndone: "
        "their number is \"at most\". Exits 0 whatever it finds, unless --exit-code is given.",
    .groups = SG_GROUP_RANGE | SG_GROUP_SELECT | SG_GROUP_PROFILE | SG_GROUP_RUN | SG_GROUP_OUTPUT |
              SG_GROUP_PLAN,
    .nodes = true,
    .run = run_plan,
};
