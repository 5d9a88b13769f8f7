/*
 * gateways: what stands before the NameNode: a server with a path of its own, and HttpFS, which
 * heeds no renameoptions.
 */
#include "hdfs.h"

static const char all[] = "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23 "
                          "gold@2024-01-01 silver@2024-01-01T21 silver@2024-01-01T22 "
                          "silver@2024-01-01T23";
static const char hour[] = "bronze@2024-01-01T22";

static void through_httpfs(struct e2e *t, const char *keys)
{
    hdfs_cluster(t, "httpfs");
    hdfs_flights(t, hdfs_root(t, "httpfs"), keys);
}

static void all_are_done(struct e2e *t)
{
    char *list = e2e_text(t, "%s", all), *save = NULL;

    for (char *node = strtok_r(list, " ", &save); node != NULL; node = strtok_r(NULL, " ", &save)) {
        assert_true(hdfs_has_receipt(t, node));
        assert_true(hdfs_is_whole(t, node));
    }
    hdfs_is_tidy(t);
    e2e_plan_is(t, "", "");
}

static void a_gateways_path_stands_before_that_of_webhdfs(void **state)
{
    struct e2e *t = *state;

    hdfs_proxy(t);
    hdfs_flights(t, hdfs_root(t, "gateway"), "");
    hdfs_spoil(t, "");
    e2e_run(t, 0, "run -j2");
    e2e_ran_sorted(t, all);
    all_are_done(t);
    /* The jobs of the tests write past it. */
    assert_int_equal(hdfs_requests(t, " /gateway/default/webhdfs/v1/") + hdfs_requests(t, " @"),
                     hdfs_requests(t, ""));
    e2e_says(hdfs_attribute(t, e2e_marker(t, hour)), "\"state\":\"done\"");
    /* An error names it all, and what is not its path is none of ours. */
    e2e_edit(t, "stagegraph.ini", "/gateway/default/", "/gateway/other/");
    e2e_run(t, 74, "plan");
    e2e_says(t->err, "localhost:");
}

static void the_usual_graph_runs_through_httpfs(void **state)
{
    struct e2e *t = *state;

    through_httpfs(t, "");
    e2e_run(t, 0, "run -j2");
    e2e_ran_sorted(t, all);
    all_are_done(t);
    e2e_run(t, 0, "check --store");
    e2e_says(t->out, "health is not told");
    e2e_write(t, "code/bronze.txt", "two\n");
    e2e_run(t, 0, "run --json=events --force --only bronze");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23");
    all_are_done(t);
}

/* A receipt at the place of another: HttpFS overwrites nothing. */
static void receipts_replace_others_through_httpfs(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;
    int gate;

    through_httpfs(t, "");
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nkeep_marker = yes\n");
    e2e_run(t, 0, "run %s", hour);
    hdfs_land(t, "2024-01-01T22", "another\n");
    e2e_gate(t, "a");
    e2e_does(t, hour, "read -r x <gate.a\n");
    run = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    e2e_says(hdfs_attribute(t, e2e_marker(t, hour)), "\"state\":\"running\"");
    e2e_gate_let_go(gate);
    e2e_wait(run, 0);
    assert_true(hdfs_has_receipt(t, hour));
    assert_true(hdfs_is_whole(t, hour));
    hdfs_is_tidy(t);
    e2e_run(t, 0, "accept %s", hour);
    e2e_plan_is(t, hour, "");
}

static void of_sixteen_contenders_through_httpfs_one_wins(void **state)
{
    struct e2e *t = *state;

    through_httpfs(t, "");
    for (int round = 0; round < 3; round++) {
        e2e_lives(t);
        hdfs_land(t, "2024-01-01T22", e2e_text(t, "%0*d\n", round + 3, round));
        hdfs_contend(t, 16, hour);
    }
}

/* One asks HttpFS, the other the NameNode. */
static void is_held_for(struct e2e *t, const char *gate_name, const char *holder,
                        const char *contender)
{
    struct e2e_proc *first, *second;
    const char *text;
    int gate;

    text = e2e_read(t, "stagegraph.ini");
    hdfs_other_graph(t, "ash");
    hdfs_other_graph(t, "birch");
    e2e_edit(t, "ash.ini", hdfs_root(t, "httpfs"), hdfs_root(t, holder));
    e2e_edit(t, "birch.ini", hdfs_root(t, "httpfs"), hdfs_root(t, contender));
    e2e_gate(t, gate_name);
    e2e_does(t, hour, e2e_text(t, "read -r x <gate.%s\n", gate_name));
    first = hdfs_start_on(t, "ash", "run %s", hour);
    gate = e2e_gate_reached(t, gate_name);
    second = hdfs_start_on(t, "birch", "run --json=events %s", hour);
    e2e_wait(second, 4);
    e2e_says(e2e_read(t, "events"), "\"result\":\"busy\"");
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_ran(t, hour);
    assert_true(hdfs_is_whole(t, hour));
    hdfs_is_tidy(t);
    e2e_write(t, "stagegraph.ini", text);
}

static void a_claim_holds_for_httpfs_and_the_namenode_alike(void **state)
{
    struct e2e *t = *state;

    through_httpfs(t, "");
    is_held_for(t, "a", "webhdfs", "httpfs");
    hdfs_land(t, "2024-01-01T22", "another\n");
    is_held_for(t, "b", "httpfs", "webhdfs");
}

static void what_a_killed_run_held_is_taken_over_through_httpfs(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first;

    through_httpfs(t, "");
    e2e_gate(t, "a");
    e2e_does(t, hour, "[ -e again ] || { : >again; read -r x <gate.a; }\n");
    first = e2e_start(t, "run %s", hour);
    (void)e2e_gate_reached(t, "a");
    e2e_kill(first, SIGKILL);
    e2e_wait(first, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_JOB);
    e2e_plan_is(t, hour, "bronze 2024-01-01T22 1/1 interrupted*\n");
    (void)e2e_jobs(t);
    e2e_run(t, 0, "run %s", hour);
    e2e_ran(t, hour);
    assert_true(hdfs_is_whole(t, hour));
    hdfs_is_tidy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(a_gateways_path_stands_before_that_of_webhdfs),
        hdfs_test(the_usual_graph_runs_through_httpfs),
        hdfs_test(receipts_replace_others_through_httpfs),
        hdfs_test(of_sixteen_contenders_through_httpfs_one_wins),
        hdfs_test(a_claim_holds_for_httpfs_and_the_namenode_alike),
        hdfs_test(what_a_killed_run_held_is_taken_over_through_httpfs),
    };

    hdfs_use("plain", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
