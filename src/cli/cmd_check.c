/* check: the graph file and the store's settings, and everything that is wrong with them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stagegraph/room.h"
#include "stagegraph/text.h"

#include "cli.h"

#define ASK_S 10 /* for YARN to answer */

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

/* What has lost the store ends its jobs at three fifths of the lease and kills them at four. */
static void check_lease(const struct sg_cli *cli)
{
    const struct sg_store_settings *store = &cli->graph->store;
    const int64_t fifth = store->lease_s / 5;
    char has[SG_DURATION_TEXT], lease[SG_DURATION_TEXT], most[SG_DURATION_TEXT];

    if (!sg_store_is_remote(sg_store_root(cli->store)))
        return;
    sg_duration_format((double)store->lease_s, false, lease);
    for (uint32_t i = 0; i < cli->graph->n_stages; i++) {
        const struct sg_stage *s = &cli->graph->stages[i];

        if (s->grace_s <= fifth)
            continue;
        sg_duration_format((double)s->grace_s, false, has);
        sg_duration_format((double)fifth, false, most);
        (void)fprintf(stderr,
                      "warning: stage %s: grace = %s, but a run that has lost the store for three "
                      "fifths of lease = %s kills its jobs %s after TERM\n",
                      s->name, has, lease, most);
    }
    if (store->deadline_s <= 3 * fifth)
        return;
    sg_duration_format((double)store->deadline_s, false, has);
    sg_duration_format((double)(3 * fifth), false, most);
    (void)fprintf(stderr,
                  "warning: deadline = %s, but with lease = %s a run whose store is away for %s "
                  "has lost its claims and ends its jobs\n",
                  has, lease, most);
}

/* Of an hdfs:// root it is an error already. Without it an HTTP address is asked all the same, but
 * as if it had no Kerberos. */
static void check_configuration(const struct sg_cli *cli)
{
    const char *dir = getenv("HADOOP_CONF_DIR");

    if (dir && *dir && access(dir, F_OK) != 0 && sg_store_is_remote(sg_store_root(cli->store)))
        (void)fprintf(stderr,
                      "warning: HADOOP_CONF_DIR is %s, which is not there: Kerberos, the umask and "
                      "YARN are as without a configuration of Hadoop's\n",
                      dir);
}

static void tell_health(void *ctx, bool bad, const char *text)
{
    (void)ctx;
    if (bad)
        (void)fprintf(stderr, "warning: %s\n", text);
    else
        (void)printf("  %s\n", text);
}

/* Its clock is asked first: a store that can't be reached is an error. */
static bool check_store(const struct sg_cli *cli, struct sg_error *err)
{
    struct sg_wall now;

    if (!sg_store_now(cli->store, &now, err))
        return false;
    (void)printf("store %s: answers\n", sg_store_uri(cli->store));
    (void)fflush(stdout); /* before the warnings */
    return sg_store_health(cli->store, tell_health, NULL, err);
}

/* ---- YARN ---- */

static void print_manager(const struct sg_yarn_manager *m)
{
    if (m->trouble)
        (void)printf("ResourceManager %s: %s\n", m->address, m->trouble);
    else
        (void)printf("ResourceManager %s: %s, %s, version %s\n", m->address, m->ha, m->state,
                     m->version);
}

static void print_queue(const struct sg_yarn_queue *q)
{
    char pending[SG_COUNT_TEXT];

    sg_count_format(q->pending, pending);
    (void)printf("  queue %s:", q->name);
    if (!isnan(q->capacity))
        (void)printf(" %.0f%% of the cluster,", q->capacity);
    if (!isnan(q->used))
        (void)printf(" %.0f%% of that in use,", q->used);
    if (q->pending > 0)
        (void)printf(" %s waiting,", pending);
    (void)printf(" %s\n", q->state);
}

static void print_cluster_room(const struct sg_yarn_cluster *c)
{
    char free[SG_SIZE_TEXT], total[SG_SIZE_TEXT];

    sg_size_format(c->free_mb * 1024 * 1024, free);
    sg_size_format(c->total_mb * 1024 * 1024, total);
    (void)printf("YARN: room for %s of %s and %" PRId64 " of %" PRId64 " cores on %" PRId64
                 " node%s; %" PRId64 " applications running, %" PRId64 " waiting\n",
                 free, total, c->free_cores, c->total_cores, c->nodes, c->nodes == 1 ? "" : "s",
                 c->running, c->pending);
    if (c->lost_nodes > 0)
        (void)printf("  %" PRId64 " node%s lost\n", c->lost_nodes, c->lost_nodes == 1 ? "" : "s");
    for (size_t i = 0; i < c->n_queues; i++)
        print_queue(&c->queues[i]);
}

static bool check_yarn(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_yarn_cluster c;
    bool ok;

    if (!sg_cli_open_yarn(cli, ASK_S, err))
        return false;
    if (!cli->yarn)
        return sg_error_set(err, SG_ERROR_USAGE, 0,
                            "no ResourceManager is named: neither by resource_manager in [yarn], "
                            "nor by yarn-site.xml in $YARN_CONF_DIR or $HADOOP_CONF_DIR");
    ok = sg_yarn_look(cli->yarn, &c, err);
    for (size_t i = 0; i < c.n_managers; i++)
        print_manager(&c.managers[i]);
    if (ok)
        print_cluster_room(&c);
    sg_yarn_cluster_done(&c);
    return ok;
}

static int run_check(struct sg_cli *cli, struct sg_error *err)
{
    if (!sg_cli_configure(cli, NULL, true, err) || !sg_cli_open_store(cli, err) ||
        !check_files(cli, err))
        return -1;
    if (sg_options_has(&cli->options, SG_OPT_STORE) && !check_store(cli, err))
        return -1;
    if (sg_options_has(&cli->options, SG_OPT_YARN) && !check_yarn(cli, err))
        return -1;
    check_room(cli);
    check_lease(cli);
    check_configuration(cli);
    (void)printf("%s: %u stages and sources, %u profile%s, store %s: no errors\n", cli->graph_path,
                 cli->graph->n_stages, cli->graph->n_profiles,
                 cli->graph->n_profiles == 1 ? "" : "s", sg_store_uri(cli->store));
    return SG_EXIT_OK;
}

const struct sg_command sg_cmd_check = {
    .name = "check",
    .summary = "read the graph file and the store's settings, report everything wrong",
    .usage = "[--store] [--yarn]",
    .detail =
        "All errors are told in one go, with file and line. With --store the store is asked too,\n"
        "and HDFS how its NameNodes and DataNodes are; with --yarn the ResourceManager: is it active,\n"
        "and what room there is.",
    .groups = SG_GROUP_CHECK,
    .run = run_check,
};
