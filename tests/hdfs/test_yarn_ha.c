/*
 * yarn_ha: a pair of ResourceManagers, of which the active one is killed. This driver has its
 * cluster alone.
 */
#include "hdfs.h"

#define HOUR "bronze@2024-01-01T21"

/* Whom client.sh speaks to. */
static void submits_to(struct e2e *t, const char *url)
{
    hdfs_yarn_client(t);
    e2e_edit(t, "client.sh", hdfs_env("RM_URL"), hdfs_env(url));
}

static const char *state_of(struct e2e *t)
{
    const char *const argv[] = { "/bin/sh", "-c", ". ./client.sh; state $(cat apps)", NULL };

    e2e_wait(e2e_start_argv(t, argv), 0);
    return t->out;
}

static void pair_is(struct e2e *t, const char *rm1, const char *rm2)
{
    e2e_run(t, 0, "check --yarn");
    e2e_has_line(t->out, e2e_text(t, "ResourceManager %s: %s*", hdfs_env("RM_URL"), rm1));
    e2e_has_line(t->out, e2e_text(t, "ResourceManager %s: %s*", hdfs_env("RM_URL2"), rm2));
    e2e_has_line(t->out, "YARN: room for 4.0 GiB of 4.0 GiB *");
}

static void an_application_is_killed_through_the_other_one(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;
    char *app;
    int gate;

    e2e_flights(t);
    submits_to(t, "RM_URL");
    pair_is(t, "ACTIVE, STARTED", "STANDBY, STARTED");
    e2e_edit(t, "stagegraph.ini", "[store]\n", "[store]\ndeadline = 90s\n");
    e2e_gate(t, "a");
    e2e_does(t, "bronze", ". ./client.sh; submit; read -r x <gate.a; exit 7\n");
    run = e2e_start(t, "run " HOUR);
    gate = e2e_gate_reached(t, "a");
    hdfs_cluster(t, "kill rm1");
    e2e_gate_let_go(gate);
    hdfs_cluster(t, "active rm2");
    e2e_wait(run, 1);
    app = e2e_read(t, "apps");
    app[strcspn(app, "\n")] = '\0';
    e2e_says(t->err, e2e_text(t, "killed %s (ACCEPTED) on YARN", app));
    submits_to(t, "RM_URL2");
    e2e_same(state_of(t), "KILLED", __FILE__, __LINE__);
    assert_false(e2e_is_alive(e2e_pid_in(t, app)));
    hdfs_cluster(t, "start rm1");
}

/* Whose answer is that the other one is active. */
static void a_standby_that_is_named_first_is_passed_by(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    submits_to(t, "RM_URL2");
    pair_is(t, "STANDBY, STARTED", "ACTIVE, STARTED");
    e2e_does(t, "bronze", ". ./client.sh; submit; exit 7\n");
    e2e_run(t, 1, "run " HOUR);
    e2e_says(t->err, "(ACCEPTED) on YARN");
    e2e_same(state_of(t), "KILLED", __FILE__, __LINE__);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        hdfs_test(an_application_is_killed_through_the_other_one),
        hdfs_test(a_standby_that_is_named_first_is_passed_by),
    };

    hdfs_use("yarn-ha", true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
