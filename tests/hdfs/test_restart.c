/*
 * restart: the NameNode goes away in the middle of a run, for a while or for good. This driver has
 * its cluster alone.
 */
#include <signal.h>

#include "hdfs.h"
#include "stagegraph/clock.h"

static const char hour[] = "bronze@2024-01-01T22";

/* A run whose job stands at gate.a; its store is to be spoken of again when the job is let go. */
static struct e2e_proc *stands_at_gate(struct e2e *t, const char *keys, int *ret_gate)
{
    struct e2e_proc *run;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), keys);
    e2e_gate(t, "a");
    e2e_does(t, hour, "[ -e again ] || { : >again; read -r x <gate.a; }\n");
    run = e2e_start(t, "run --json=events");
    *ret_gate = e2e_gate_reached(t, "a");
    return run;
}

/* By the defaults. The job alone has something to do in HDFS, until after a minute it is time for a
 * heartbeat: HDFS comes back when that has been waited for, however soon it is up. */
static void a_run_goes_on_through_a_restart_of_a_minute(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;
    int gate;

    e2e_setenv(t, "IO_PATIENCE", "300"); /* the job's own */
    run = stands_at_gate(t, "", &gate);
    hdfs_cluster(t, "kill nn1");
    e2e_gate_let_go(gate); /* whatever comes next, nobody listens */
    e2e_pause(t, 60000);
    assert_false(e2e_is_over(run));
    e2e_until_err(run, "waiting for HDFS: ");
    hdfs_cluster(t, "up hdfs"); /* until the DataNode has come back */
    e2e_wait(run, 0);
    e2e_says(t->err, "HDFS answers again, ");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23 "
                      "gold@2024-01-01 silver@2024-01-01T21 silver@2024-01-01T22 "
                      "silver@2024-01-01T23");
    assert_true(hdfs_is_whole(t, "gold@2024-01-01"));
    e2e_plan_is(t, "", "");
    hdfs_is_tidy(t);
}

static void a_store_that_stays_away_ends_the_run_and_resume_finishes_it(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;
    const char *url;
    int gate;

    /* The job's data are written; the receipt is what can't be. */
    hdfs_flights(t, hdfs_root(t, "webhdfs"), "deadline = 10s\n");
    e2e_edit(t, "job.sh", "echo \"end ", "[ ! -e do/end ] || . ./do/end\necho \"end ");
    e2e_write(t, "do/end",
              "[ $node != bronze@2024-01-01T22 ] || [ -e again ] || "
              "{ : >again; read -r x <gate.a; }\n");
    e2e_gate(t, "a");
    run = e2e_start(t, "run --from 2024-01-01T21 --to 2024-01-02T00 --json=events");
    gate = e2e_gate_reached(t, "a");
    hdfs_cluster(t, "kill nn1");
    e2e_gate_let_go(gate);
    e2e_wait(run, 74);
    url = strstr(hdfs_env("WEBHDFS_URL"), "localhost");
    e2e_says(t->err, e2e_text(t, "%.*s", (int)strcspn(url, "/"), url)); /* what is lost */

    hdfs_cluster(t, "up hdfs"); /* however long that takes */
    /* Stale, or fresh and whole; and this one was not committed. */
    assert_false(hdfs_has_receipt(t, hour));
    e2e_edit(t, "stagegraph.ini", "deadline = 10s", "deadline = 60s");
    e2e_run(t, 0, "resume");
    assert_true(hdfs_has_receipt(t, hour));
    assert_true(hdfs_is_whole(t, "gold@2024-01-01"));
    e2e_plan_is(t, "", "");
    hdfs_is_tidy(t);
}

/* The second signal is no wait for the deadline, which is two minutes. */
static void dies_of_the_second_signal(struct e2e *t, const char *command)
{
    struct e2e_proc *p;
    int64_t began;

    hdfs_spoil(t, "change 1 0 refuse 403 SafeModeException starting\n");
    p = e2e_start(t, "%s", command);
    while (hdfs_requests(t, " refuse") == 0) {
        assert_false(e2e_is_over(p));
        e2e_pause(t, 100);
    }
    e2e_kill(p, SIGINT);
    e2e_pause(t, 1000);
    assert_false(e2e_is_over(p)); /* what has begun is ended, if the store comes back */
    began = sg_mono_now().ns;
    e2e_kill(p, SIGINT);
    e2e_wait(p, E2E_DIED(SIGINT));
    if (sg_mono_now().ns - began > 20 * SG_NS_PER_S)
        e2e_fail(t, "%s: took %lld s", command,
                 (long long)((sg_mono_now().ns - began) / SG_NS_PER_S));
    hdfs_spoil(t, "");
}

static void accept_and_invalidate_do_not_wait_after_a_second_signal(void **state)
{
    struct e2e *t = *state;

    hdfs_proxy(t);
    hdfs_flights(t, hdfs_root(t, "proxy"), "");
    e2e_run(t, 0, "run %s", hour);
    dies_of_the_second_signal(t, "invalidate bronze@2024-01-01T22 --yes");
    e2e_run(t, 0, "invalidate %s --yes", hour);
    hdfs_write(t, "warehouse/bronze/dt=2024-01-01/hr=22/_SUCCESS", "");
    dies_of_the_second_signal(t, "accept bronze@2024-01-01T22");
    e2e_run(t, 0, "accept %s", hour);
}

/* Not a wait of a minute: nothing has ever answered here. */
static void a_namenode_that_never_answered_is_an_error_at_once(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *plan;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "deadline = 10m\n");
    hdfs_cluster(t, "kill nn1");
    plan = e2e_start(t, "plan");
    e2e_wait(plan, 74); /* within the fixture's patience, which is shorter than the deadline */
    e2e_says(t->err, "localhost:");
    e2e_says(t->err, "refused");
    e2e_run(t, 74, "run");
    e2e_ran(t, "");
    hdfs_cluster(t, "start nn1");
}

/* Safe mode refuses changes and answers reads: it passes. */
static void safe_mode_is_waited_for(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;
    int gate;

    run = stands_at_gate(t, "deadline = 60s\n", &gate);
    hdfs_cluster(t, "run dfsadmin -safemode enter");
    e2e_gate_let_go(gate);
    e2e_pause(t, 1000);
    assert_false(e2e_is_over(run));
    hdfs_cluster(t, "run dfsadmin -safemode leave");
    e2e_wait(run, 0);
    e2e_plan_is(t, "", "");
}

/* Told in safe mode, with a DataNode that is dead, and when all is well. */
static void check_tells_how_hdfs_is(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "check --store");
    e2e_says(t->out, ": answers\n");
    e2e_says(t->out, "  NameNode http://localhost:");
    e2e_says(t->out, ": active\n");
    e2e_says(t->out,
             "  DataNodes: 1 live, 0 dead, 0 without a recent heartbeat, 0 failed volumes\n");
    e2e_says(t->out, " left (");
    e2e_says_not(t->err, "safe mode");

    hdfs_cluster(t, "run dfsadmin -safemode enter");
    e2e_run(t, 0, "check --store");
    e2e_says(t->err, "warning: safe mode: nothing can be written");
    hdfs_cluster(t, "run dfsadmin -safemode leave");

    hdfs_cluster(t, "kill dn");
    hdfs_cluster(t, "kill nn1");
    hdfs_cluster(t, "start nn1");
    e2e_edit(t, "stagegraph.ini", "[store]\n", "[store]\ndeadline = 60s\n");
    assert_false(hdfs_exists(t, "nothing")); /* it is there again */
    e2e_run(t, 0, "check --store");
    e2e_says(t->err, "warning: DataNodes: 0 live, ");
    hdfs_cluster(t, "start dn");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(a_run_goes_on_through_a_restart_of_a_minute),
        hdfs_test(accept_and_invalidate_do_not_wait_after_a_second_signal),
        hdfs_test(a_store_that_stays_away_ends_the_run_and_resume_finishes_it),
        hdfs_test(a_namenode_that_never_answered_is_an_error_at_once),
        hdfs_test(safe_mode_is_waited_for),
        hdfs_test(check_tells_how_hdfs_is),
    };

    hdfs_use("plain", true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
