/*
 * yarn: jobs with applications on a real YARN, from a client that is as small as can be
 * (hdfs_yarn_client): what these tests need is an application that outlives its client. This driver
 * has its cluster alone, for it kills the ResourceManager.
 */
#include "hdfs.h"

#define HOUR "bronze@2024-01-01T21"

static void flights(struct e2e *t)
{
    e2e_flights(t);
    hdfs_yarn_client(t);
}

/* The state of the application in that line of apps, by curl alone. */
static const char *state_of(struct e2e *t, int line)
{
    const char *const argv[] = { "/bin/sh", "-c",
                                 e2e_text(t, ". ./client.sh; state $(sed -n %dp apps)", line),
                                 NULL };

    e2e_wait(e2e_start_argv(t, argv), 0);
    return t->out;
}
#define is_state(t, line, state) e2e_same(state_of(t, line), state, __FILE__, __LINE__)

static char *app_in(struct e2e *t, int line)
{
    char *text = e2e_read(t, "apps"), *save = NULL, *app = NULL;

    assert_non_null(text);
    app = strtok_r(text, "\n", &save);
    while (app != NULL && --line > 0)
        app = strtok_r(NULL, "\n", &save);
    assert_non_null(app);
    return app;
}

static void is_gone(struct e2e *t, int line)
{
    is_state(t, line, "KILLED");
    assert_false(e2e_is_alive(e2e_pid_in(t, app_in(t, line))));
}

static void says_killed(struct e2e *t, const char *text, int line, const char *more)
{
    e2e_says(text, e2e_text(t, "killed %s (ACCEPTED) on YARN%s", app_in(t, line), more));
}

/* Of the first application in the last event of a node's end. */
static const char *event(struct e2e *t, const char *key)
{
    char *text = e2e_read(t, "events"), *last = NULL, *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        if (strstr(line, "\"node_finished\"") != NULL)
            last = line;
    assert_non_null(last);
    return e2e_get(e2e_json(t, last), "applications[0].%s", key);
}

/* ---- what lives on is killed */

static void a_timeout_kills_the_application(void **state)
{
    struct e2e *t = *state;

    flights(t);
    /* Long enough for a container to start, on a ResourceManager that has just begun. */
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ntimeout = 20s\n");
    e2e_does(t, "bronze", ". ./client.sh; submit; sleep 600\n");
    e2e_run(t, 5, "run --json=events " HOUR);
    says_killed(t, t->err, 1, "");
    is_gone(t, 1);
    e2e_same(event(t, "id"), app_in(t, 1), __FILE__, __LINE__);
    e2e_same(event(t, "state"), "KILLED", __FILE__, __LINE__);
    e2e_same(event(t, "killed"), "true", __FILE__, __LINE__);
    assert_false(e2e_has_receipt(t, HOUR));
    e2e_run(t, 0, "history --stage bronze");
    e2e_says(t->out, app_in(t, 1));
}

static void it_is_dead_before_the_next_try_begins(void **state)
{
    struct e2e *t = *state;

    flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nretries = 1\nbackoff = 0\n");
    e2e_does(t, "bronze",
             ". ./client.sh\n"
             "if [ -e apps ]; then state $(cat apps) >was; else submit; exit 7; fi\n");
    e2e_run(t, 0, "run " HOUR);
    says_killed(t, t->err, 1, "");
    e2e_same(e2e_read(t, "was"), "KILLED", __FILE__, __LINE__);
    is_gone(t, 1);
    assert_true(e2e_is_whole(t, HOUR));
}

static void an_interrupt_kills_it(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;

    flights(t);
    e2e_does(t, "bronze", ". ./client.sh; submit; sleep 600\n");
    run = e2e_start(t, "run " HOUR);
    e2e_until_exists(t, "apps");
    e2e_kill_group(run, SIGINT);
    e2e_wait(run, E2E_DIED(SIGINT));
    says_killed(t, t->err, 1, "");
    is_gone(t, 1);
}

/* ---- the executor dies: its shim ends the client, nobody the application */

static void leave_one(struct e2e *t)
{
    struct e2e_proc *run;

    flights(t);
    e2e_does(t, HOUR,
             ". ./client.sh\n"
             "if [ -e apps ]; then state $(cat apps) >was; return; fi\n"
             "mkdir -p \"$out\"; : >\"$out/_SUCCESS\"; submit; sleep 600\n");
    run = e2e_start(t, "run " HOUR);
    e2e_until_exists(t, "apps");
    e2e_kill(run, SIGKILL);
    e2e_wait(run, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_SHIM);
    is_state(t, 1, "ACCEPTED"); /* it lives */
}

static void who_takes_over_kills_it_first(void **state)
{
    struct e2e *t = *state;
    struct e2e_doc *d;

    leave_one(t);
    e2e_run(t, 0, "status --json");
    d = e2e_json(t, t->out);
    e2e_same(e2e_get(d, "dead[0].applications[0].id"), app_in(t, 1), __FILE__, __LINE__);
    e2e_same(e2e_get(d, "dead[0].applications[0].state"), "ACCEPTED", __FILE__, __LINE__);
    e2e_run(t, 0, "status");
    e2e_has_line(t->out, e2e_text(t, "    %s  ACCEPTED  queue *default", app_in(t, 1)));

    e2e_run(t, 0, "run " HOUR);
    says_killed(t, t->err, 1, ", left by dead run 20");
    e2e_same(e2e_read(t, "was"), "KILLED", __FILE__, __LINE__); /* as the new job began */
    is_gone(t, 1);
    assert_true(e2e_is_whole(t, HOUR));
    e2e_run(t, 0, "status --json");
    assert_null(e2e_get(e2e_json(t, t->out), "dead[0].node"));
}

/* invalidate takes the claim, too, where there is a marker to remove. */
static void who_only_removes_the_marker_kills_it_too(void **state)
{
    struct e2e *t = *state;

    leave_one(t);
    e2e_run(t, 0, "invalidate --yes " HOUR);
    is_gone(t, 1);
}

/* ---- exit 0 */

static void a_success_whose_application_was_killed_is_a_failure(void **state)
{
    struct e2e *t = *state;

    flights(t);
    e2e_does(t, "bronze",
             ". ./client.sh; submit\n"
             "curl -s --noproxy '*' -X PUT -H 'Content-Type: application/json' -o /dev/null \\\n"
             "    -d '{\"state\":\"KILLED\"}' $rm/apps/$app/state\n"
             "while [ $(state $app) != KILLED ]; do sleep 0.1; done\n");
    e2e_run(t, 1, "run --json=events " HOUR);
    e2e_says(t->out,
             e2e_text(t, "exit 0, but its application %s on YARN came out KILLED: Application %s ",
                      app_in(t, 1), app_in(t, 1)));
    e2e_says_not(t->err, "killed application");
    e2e_same(event(t, "killed"), "false", __FILE__, __LINE__);
    assert_false(e2e_has_receipt(t, HOUR));
}

static void a_success_whose_application_goes_on_is_a_failure(void **state)
{
    struct e2e *t = *state;

    flights(t);
    e2e_does(t, "bronze", ". ./client.sh; submit\n");
    e2e_run(t, 1, "run " HOUR);
    e2e_says(t->out,
             e2e_text(t, "exit 0, but its application %s on YARN was still ACCEPTED: killed",
                      app_in(t, 1)));
    is_gone(t, 1);
    assert_false(e2e_has_receipt(t, HOUR));
}

static void a_job_without_an_application_is_what_it_was(void **state)
{
    struct e2e *t = *state;

    flights(t);
    e2e_run(t, 0, "run -j2 --json=events");
    e2e_says(e2e_read(t, "events"), "\"applications\":[]");
    e2e_does(t, "bronze", "printenv SPARK_SUBMIT_OPTS STAGEGRAPH_YARN_TAG >tag; exit 3\n");
    e2e_run(t, 1, "run --force " HOUR);
    e2e_looks(e2e_read(t, "tag"), "-Dspark.yarn.tags=stagegraph-*\nstagegraph-*\n");
}

/* ---- nobody answers */

static void where_nobody_answers_nothing_is_doubled(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;
    int gate;

    flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nretries = 2\nbackoff = 0\n");
    e2e_edit(t, "stagegraph.ini", "[store]\n", "[store]\ndeadline = 8s\n");
    e2e_gate(t, "a");
    e2e_does(t, "bronze",
             ". ./client.sh\n"
             "if [ -e apps ]; then state $(cat apps) >was\n"
             "else submit; read -r x <gate.a; exit 1; fi\n");
    run = e2e_start(t, "run " HOUR);
    gate = e2e_gate_reached(t, "a");
    hdfs_cluster(t, "kill rm");
    e2e_gate_let_go(gate);
    e2e_wait(run, 1);
    e2e_ran(t, HOUR); /* once */
    e2e_says(t->out, "exit 1, but its applications on YARN may be alive: ");
    e2e_says(t->out, "no ResourceManager answers: http://localhost:");
    e2e_says(t->err, e2e_text(t,
                              "waiting for %s to say that a job's applications on YARN are "
                              "over, up to 8s",
                              hdfs_env("RM_URL")));

    /* A dead claim is taken over by nobody who can't ask. */
    e2e_run(t, 1, "run " HOUR);
    e2e_ran(t, "");
    e2e_says(t->out, "end the applications of dead run 20");
    e2e_run(t, 0, "status");
    e2e_says(t->out, "What runs on YARN is not known: ");

    hdfs_cluster(t, "up yarn");
    is_state(t, 1, "ACCEPTED"); /* it has lived through all that */
    e2e_edit(t, "stagegraph.ini", "deadline = 8s", "deadline = 60s");
    e2e_run(t, 0, "run " HOUR);
    e2e_same(e2e_read(t, "was"), "KILLED", __FILE__, __LINE__);
    is_gone(t, 1);
    assert_true(e2e_is_whole(t, HOUR));
}

/* ---- check --yarn */

static void check_tells_state_and_room(void **state)
{
    struct e2e *t = *state;

    flights(t);
    e2e_run(t, 0, "check --yarn");
    e2e_has_line(t->out, e2e_text(t, "ResourceManager %s: ACTIVE, STARTED, version 3.*",
                                  hdfs_env("RM_URL")));
    e2e_has_line(t->out, "YARN: room for 4.0 GiB of 4.0 GiB and 4 of 4 cores on 1 node; *");
    e2e_has_line(t->out, "  queue default: 100% of the cluster, 0% of that in use, RUNNING");
    hdfs_cluster(t, "stop rm");
    e2e_run(t, 74, "check --yarn");
    e2e_says(t->out, "efused");
    e2e_append(t, "stagegraph.ini", "[yarn]\nresource_manager = none\n");
    e2e_run(t, 2, "check --yarn");
    e2e_says(t->err, "no ResourceManager is named");
    e2e_run(t, 0, "run " HOUR); /* and nobody is asked */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        hdfs_test(a_timeout_kills_the_application),
        hdfs_test(it_is_dead_before_the_next_try_begins),
        hdfs_test(an_interrupt_kills_it),
        hdfs_test(who_takes_over_kills_it_first),
        hdfs_test(who_only_removes_the_marker_kills_it_too),
        hdfs_test(a_success_whose_application_was_killed_is_a_failure),
        hdfs_test(a_success_whose_application_goes_on_is_a_failure),
        hdfs_test(a_job_without_an_application_is_what_it_was),
        hdfs_test(where_nobody_answers_nothing_is_doubled),
        hdfs_test(check_tells_state_and_room),
    };

    hdfs_use("yarn", true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
