/* hourly, backfill, run: a profile and a range, planned and carried out. */
#include "cli.h"

#define RUN_GROUPS                                                                                 \
    (SG_GROUP_RANGE | SG_GROUP_SELECT | SG_GROUP_PROFILE | SG_GROUP_RUN | SG_GROUP_OUTPUT)

static int run_profile(struct sg_cli *cli, const char *profile, bool asks_range,
                       struct sg_error *err)
{
    if (!sg_cli_configure(cli, profile, false, err) || !sg_cli_request(cli, err) ||
        !sg_cli_open_store(cli, err))
        return -1;
    if (asks_range && !cli->request.has_range && cli->request.n_named == 0) {
        sg_error_set(
            err, SG_ERROR_USAGE, 0,
            "backfill needs a range: --from D --to D (dates are inclusive), --date D or --last 7d");
        return -1;
    }
    return sg_cli_plan_and_run(cli, err);
}

static int run_hourly(struct sg_cli *cli, struct sg_error *err)
{
    return run_profile(cli, "hourly", false, err);
}

static int run_backfill(struct sg_cli *cli, struct sg_error *err)
{
    return run_profile(cli, "backfill", true, err);
}

static int run_run(struct sg_cli *cli, struct sg_error *err)
{
    return run_profile(cli, NULL, false, err);
}

const struct sg_command sg_cmd_hourly = {
    .name = "hourly",
    .summary = "the newest due partitions and a look back: run --profile hourly",
    .usage = "[OPTIONS]",
    .detail = "For cron and schedulers. What the look back finds stale for other reasons than the "
              "profile asks\nfor is told as debt and not run.",
    .groups = RUN_GROUPS,
    .run = run_hourly,
};

const struct sg_command sg_cmd_backfill = {
    .name = "backfill",
    .summary = "a range of dates: run --profile backfill --from D --to D",
    .usage = "--from D --to D [OPTIONS]",
    .detail = "Only what is stale runs, so that the same command goes on after a failure "
              "(or: stagegraph resume).\n-n shows the plan before anything is done.",
    .groups = RUN_GROUPS,
    .run = run_backfill,
};

const struct sg_command sg_cmd_run = {
    .name = "run",
    .summary = "any profile and range, or named nodes",
    .usage = "[NODE… | STAGE…] [OPTIONS]",
    .detail =
        "A NODE is stage@label, like silver@2024-01-01T05: it and what it needs, as far as their\n"
        "intervals meet its own. A STAGE is --upto STAGE. Without a range, nodes or a window each stage\n"
        "is taken from its start to its newest due partition.",
    .groups = RUN_GROUPS,
    .nodes = true,
    .run = run_run,
};
