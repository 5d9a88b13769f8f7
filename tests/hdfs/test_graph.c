/*
 * graph: the usual graph with its store in HDFS: what runs, what stays fresh, what goes stale.
 */
#include "hdfs.h"

static const char all[] = "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23 "
                          "gold@2024-01-01 silver@2024-01-01T21 silver@2024-01-01T22 "
                          "silver@2024-01-01T23";
static const char hour[] = "silver@2024-01-01T22";

static void are_done(struct e2e *t, const char *nodes)
{
    char *list = e2e_text(t, "%s", nodes), *save = NULL;

    for (char *node = strtok_r(list, " ", &save); node != NULL; node = strtok_r(NULL, " ", &save)) {
        assert_true(hdfs_has_receipt(t, node));
        assert_true(hdfs_is_whole(t, node));
    }
}

static void runs_and_is_fresh(struct e2e *t, const char *scheme)
{
    hdfs_flights(t, hdfs_root(t, scheme), "");
    e2e_plan_is(t, "",
                "bronze 2024-01-01T21..2024-01-01T23 3/3 missing\n"
                "silver 2024-01-01T21..2024-01-01T23 3/3 missing\n"
                "gold 2024-01-01 1/1 missing\n");
    e2e_run(t, 0, "run -j2");
    e2e_ran_sorted(t, all);
    are_done(t, all);
    hdfs_is_tidy(t);
    e2e_plan_is(t, "", "");
    e2e_run(t, 0, "run");
    e2e_ran(t, "");
}

static void the_usual_graph_runs_on_webhdfs(void **state)
{
    runs_and_is_fresh(*state, "webhdfs");
}

/* The NameNode's HTTP address is found in Hadoop's configuration by that of its RPC. */
static void the_usual_graph_runs_on_hdfs(void **state)
{
    runs_and_is_fresh(*state, "hdfs");
}

static void an_ordinary_client_sees_receipts_as_attributes_of_empty_markers(void **state)
{
    struct e2e *t = *state;
    const char *marker, *text;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "run bronze@2024-01-01T21");
    marker = hdfs_path(t, e2e_marker(t, "bronze@2024-01-01T21"));
    text = hdfs_client(t, e2e_text(t, "dfs -getfattr -d -e text '%s'", marker));
    e2e_says(text, "user.stagegraph=\"{");
    e2e_says(text, "\"node\":\"bronze@2024-01-01T21\",\"state\":\"done\"");
    text = hdfs_client(t, e2e_text(t, "dfs -stat '%%b %%F' '%s'", marker));
    assert_string_equal(text, "0 regular file\n");
}

static void receipts_are_contents_where_they_are_asked_for(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "receipts = content\n");
    e2e_run(t, 0, "run bronze@2024-01-01T21");
    assert_null(hdfs_attribute(t, e2e_marker(t, "bronze@2024-01-01T21")));
    e2e_says(hdfs_read(t, e2e_marker(t, "bronze@2024-01-01T21")), "\"state\":\"done\"");
    e2e_plan_is(t, "bronze@2024-01-01T21", "");
    /* Whoever writes attributes reads contents all the same. */
    e2e_edit(t, "stagegraph.ini", "receipts = content\n", "");
    e2e_run(t, 0, "run --upto silver");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23 "
                      "silver@2024-01-01T21 silver@2024-01-01T22 silver@2024-01-01T23");
    assert_true(hdfs_has_receipt(t, hour));
}

static void what_is_invalidated_or_changed_is_made_again(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "run -j2");
    (void)e2e_jobs(t);
    e2e_run(t, 0, "invalidate --yes %s", hour);
    assert_false(hdfs_exists(t, e2e_marker(t, hour)));
    e2e_plan_is(t, "", "silver 2024-01-01T22 1/1 missing\ngold 2024-01-01 1/1 upstream silver\n");
    /* The same bytes come out: GETFILECHECKSUM says so, and gold is left alone. */
    e2e_run(t, 0, "run --json=events");
    e2e_ran(t, hour);
    e2e_says(e2e_read(t, "events"), "\"result\":\"unchanged\"");

    e2e_write(t, "code/silver.txt", "two\n");
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21..2024-01-01T23 3/3 code code/silver.txt\n");
    e2e_does(t, "silver", "extra() { echo two; }\n");
    e2e_edit(t, "job.sh", "body >", "{ body; [ $stage != silver ] || echo two; } >");
    e2e_run(t, 0, "run");
    e2e_ran_sorted(t, "gold@2024-01-01 silver@2024-01-01T21 silver@2024-01-01T22 "
                      "silver@2024-01-01T23");
    e2e_plan_is(t, "", "");
}

static void a_landing_hour_that_changes_makes_its_day_stale(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "run -j2");
    (void)e2e_jobs(t);
    hdfs_land(t, "2024-01-01T22", "another\n");
    e2e_plan_is(t, "",
                "bronze 2024-01-01T22 1/1 input landing\n"
                "silver 2024-01-01T22 1/1 upstream bronze\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    e2e_run(t, 0, "run");
    e2e_says(hdfs_read(t, e2e_text(t, "%s/data", e2e_output(t, "gold@2024-01-01"))), "another\n");
}

/* The cache knows directories; what is at their place may be another one. */
static void directories_deleted_moved_and_made_again_are_seen(void **state)
{
    struct e2e *t = *state;
    const char *day = "warehouse/silver/dt=2024-01-01";

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "run -j2");
    e2e_pause(t, 2500); /* older than what the cache trusts */
    e2e_plan_is(t, "", "");
    (void)e2e_jobs(t);

    hdfs_move(t, e2e_text(t, "%s/hr=22", day), "aside");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 missing\n");
    hdfs_move(t, "aside", e2e_text(t, "%s/hr=22", day));
    e2e_plan_is(t, "", "");

    hdfs_move(t, day, "aside");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T21..2024-01-01T23 3/3 missing\n");
    /* Made again: the same names, with nothing in one of them. */
    hdfs_make_dir(t, e2e_text(t, "%s/hr=21", day));
    hdfs_move(t, "aside/hr=22", e2e_text(t, "%s/hr=22", day));
    hdfs_move(t, "aside/hr=23", e2e_text(t, "%s/hr=23", day));
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T21 1/1 missing\n");
    /* Another hour's directory at this one's place. */
    hdfs_remove(t, e2e_text(t, "%s/hr=21", day));
    hdfs_move(t, e2e_text(t, "%s/hr=22", day), e2e_text(t, "%s/hr=21", day));
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21 1/1 damaged*\n"
                "silver 2024-01-01T22 1/1 missing\n");
    e2e_run(t, 0, "run");
    are_done(t, all);
    hdfs_is_tidy(t);
}

static void retention_makes_nothing_stale(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "run -j2");
    (void)e2e_jobs(t);
    hdfs_remove(t, "warehouse/landing/dt=2024-01-01");
    e2e_run(t, 0, "run");
    e2e_ran(t, "");
    hdfs_remove(t, "warehouse/bronze/dt=2024-01-01/hr=22");
    e2e_plan_is(t, "--only silver,gold", "");
    e2e_run(t, 3, "run");
    assert_true(hdfs_has_receipt(t, hour));
}

/* As Spark leaves it, and as a copy of one of ours without its attributes. */
static void the_marker_of_another_tool_is_fresh_and_foreign(void **state)
{
    struct e2e *t = *state;
    const char *dir = hdfs_path(t, "warehouse");

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    for (int h = 21; h <= 23; h++) {
        hdfs_write(t, e2e_text(t, "warehouse/bronze/dt=2024-01-01/hr=%d/data", h), "by Spark\n");
        hdfs_write(t, e2e_text(t, "warehouse/bronze/dt=2024-01-01/hr=%d/_SUCCESS", h), "");
    }
    e2e_plan_is(t, "--only bronze", "");
    e2e_run(t, 0, "run --upto silver");
    e2e_ran_sorted(t, "silver@2024-01-01T21 silver@2024-01-01T22 silver@2024-01-01T23");
    e2e_write(t, "code/bronze.txt", "two\n");
    e2e_plan_is(t, "--only bronze", "");

    (void)hdfs_client(t,
                      e2e_text(t, "dfs -cp '%s/silver/dt=2024-01-01/hr=22' '%s/copy'", dir, dir));
    hdfs_remove(t, "warehouse/silver/dt=2024-01-01/hr=22");
    hdfs_move(t, "warehouse/copy", "warehouse/silver/dt=2024-01-01/hr=22");
    assert_null(hdfs_attribute(t, e2e_marker(t, hour)));
    e2e_write(t, "code/silver.txt", "two\n");
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21 1/1 code code/silver.txt\n"
                "silver 2024-01-01T23 1/1 code code/silver.txt\n");
    e2e_run(t, 0, "accept %s", hour);
    assert_true(hdfs_has_receipt(t, hour));
}

static void a_job_that_overwrites_its_siblings_is_a_trespass(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "run --upto bronze");
    (void)e2e_jobs(t);
    e2e_run(t, 0, "invalidate --yes bronze@2024-01-01T22");
    e2e_does(t, "bronze@2024-01-01T22", "\"$HDFSIO\" rm \"${out%/*}\"\n");
    e2e_run(t, 1, "run --json=events --only bronze");
    e2e_says(e2e_read(t, "events"), "\"result\":\"trespass\"");
    assert_false(hdfs_exists(t, e2e_marker(t, "bronze@2024-01-01T22")));
}

static void a_job_that_writes_nothing_fails_its_check(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_does(t, "bronze@2024-01-01T22", "exit 0\n");
    e2e_run(t, 1, "run --json=events bronze@2024-01-01T22");
    e2e_says(e2e_read(t, "events"), "\"result\":\"check_failed\"");
    e2e_does(t, "bronze@2024-01-01T22", "\"$HDFSIO\" touch \"$out/_SUCCESS\"; exit 1\n");
    e2e_run(t, 1, "run bronze@2024-01-01T22");
    assert_false(hdfs_exists(t, e2e_marker(t, "bronze@2024-01-01T22")));
    hdfs_is_tidy(t);
}

static void what_a_killed_run_held_is_interrupted_and_made_again(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T22", "[ -e again ] || { : >again; read -r x <gate.a; }\n");
    first = e2e_start(t, "run bronze@2024-01-01T22");
    (void)e2e_gate_reached(t, "a");
    e2e_run(t, 4, "run bronze@2024-01-01T22");
    e2e_kill(first, SIGKILL);
    e2e_wait(first, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_JOB);
    /* No lease: the run was of this host, and its lock is free. */
    e2e_plan_is(t, "bronze@2024-01-01T22", "bronze 2024-01-01T22 1/1 interrupted*\n");
    (void)e2e_jobs(t);
    e2e_run(t, 0, "run bronze@2024-01-01T22");
    e2e_ran(t, "bronze@2024-01-01T22");
    are_done(t, "bronze@2024-01-01T22");
    hdfs_is_tidy(t);
}

static void two_runs_at_once_make_each_node_once(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first;
    int gate;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run");
    gate = e2e_gate_reached(t, "a");
    e2e_run(t, 4, "run");
    e2e_says(t->out, "[BUSY] BRONZE");
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_ran_sorted(t, all);
    are_done(t, all);
    hdfs_is_tidy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(the_usual_graph_runs_on_webhdfs),
        hdfs_test(the_usual_graph_runs_on_hdfs),
        hdfs_test(an_ordinary_client_sees_receipts_as_attributes_of_empty_markers),
        hdfs_test(receipts_are_contents_where_they_are_asked_for),
        hdfs_test(what_is_invalidated_or_changed_is_made_again),
        hdfs_test(a_landing_hour_that_changes_makes_its_day_stale),
        hdfs_test(directories_deleted_moved_and_made_again_are_seen),
        hdfs_test(retention_makes_nothing_stale),
        hdfs_test(the_marker_of_another_tool_is_fresh_and_foreign),
        hdfs_test(a_job_that_overwrites_its_siblings_is_a_trespass),
        hdfs_test(a_job_that_writes_nothing_fails_its_check),
        hdfs_test(what_a_killed_run_held_is_interrupted_and_made_again),
        hdfs_test(two_runs_at_once_make_each_node_once),
    };

    hdfs_use("plain", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
