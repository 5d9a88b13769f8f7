/*
 * faults: what happens between us and HDFS, by the proxy: answers lost, cut, slow, wrong, refused.
 */
#include "hdfs.h"

static const char hour[] = "bronze@2024-01-01T21";

static void through_the_proxy(struct e2e *t, const char *keys)
{
    hdfs_proxy(t);
    hdfs_flights(t, hdfs_root(t, "proxy"), keys);
}

/* Where nothing is spoiled it is not for a slow machine to fail. */
static const char *patient_graph(struct e2e *t, const char *graph)
{
    const char *at = strstr(graph, "deadline = ");

    return at == NULL
               ? graph
               : e2e_text(t, "%.*sdeadline = 60s%s", (int)(at - graph), graph, strchr(at, '\n'));
}

/* A fault may leave the node stale, or fresh and whole; and what a next run makes is fine. */
static void is_stale_or_whole(struct e2e *t, const char *fault)
{
    const char *graph = e2e_read(t, "stagegraph.ini");

    if (hdfs_has_receipt(t, hour) && !hdfs_is_whole(t, hour))
        e2e_fail(t, "%s: a receipt without its data", fault);
    hdfs_spoil(t, "");
    e2e_write(t, "stagegraph.ini", patient_graph(t, graph));
    e2e_run(t, 0, "run %s", hour);
    e2e_write(t, "stagegraph.ini", graph);
    if (!hdfs_has_receipt(t, hour) || !hdfs_is_whole(t, hour))
        e2e_fail(t, "%s: the next run did not make it", fault);
    hdfs_is_tidy(t);
}

/*
 * Each request of an attempt in turn meets the fault once: the run finds out what became of it and
 * ends well. which: as in a rule. With a stride, each so many-th alone.
 */
static void sweep(struct e2e *t, const char *which, const char *what, size_t stride)
{
    size_t k = 1, done;

    do {
        const char *rule = e2e_text(t, "%s %zu 1 %s", which, k, what);

        e2e_lives(t);
        hdfs_remove(t, "warehouse/bronze");
        hdfs_remove(t, "warehouse/_stagegraph");
        hdfs_spoil(t, rule);
        e2e_run(t, 0, "run %s", hour);
        done = hdfs_requests(t, e2e_text(t, " %.*s", (int)strcspn(what, " "), what));
        is_stale_or_whole(t, rule);
        k += stride;
    } while (done != 0);
    assert_true(k > 2);
    print_message("%s %s: all of %zu requests\n", which, what, k - stride - 1);
}

static void a_lost_answer_to_a_change_is_settled_by_reading_back(void **state)
{
    through_the_proxy(*state, "deadline = 20s\n");
    sweep(*state, "change", "lose", 1);
}

static void a_lost_answer_of_a_datanode_is_settled_too(void **state)
{
    through_the_proxy(*state, "deadline = 20s\n");
    sweep(*state, "data", "lose", 1);
}

static void a_request_that_went_nowhere_is_made_again(void **state)
{
    through_the_proxy(*state, "deadline = 20s\n");
    sweep(*state, "any", "drop", 3);
}

static void a_lost_or_cut_answer_to_a_read_is_asked_for_again(void **state)
{
    through_the_proxy(*state, "deadline = 20s\n");
    sweep(*state, "read", "cut 7", 3);
}

/* From the k-th change on no answer comes through any more, though all is done. */
static void with_all_answers_lost_from_some_point_on_nothing_is_half_committed(void **state)
{
    struct e2e *t = *state;
    size_t lost, k = 1;

    through_the_proxy(t, "deadline = 1s\n");
    do {
        const char *rule = e2e_text(t, "change %zu 0 lose\n", k);

        e2e_lives(t);
        hdfs_remove(t, "warehouse/bronze");
        hdfs_spoil(t, rule);
        e2e_run(t, E2E_ANY, "run %s", hour);
        if (t->status != 0 && t->status != 1 && t->status != 74)
            e2e_fail(t, "%s: status %d", rule, t->status);
        lost = hdfs_requests(t, " lose");
        is_stale_or_whole(t, rule);
        k += 2;
    } while (lost != 0);
    assert_true(k > 3);
}

/* The usual graph is fresh; then the proxy says something else. */
static void plan_fails(struct e2e *t, const char *rules)
{
    hdfs_spoil(t, rules);
    e2e_run(t, 74, "plan --json");
    e2e_says_not(t->out, "missing");
    e2e_says(t->err, "localhost:");
}

static void what_cannot_be_read_is_an_error_and_never_an_empty_directory(void **state)
{
    static const char *const rules[] = {
        "read 1 0 cut 0",
        "read 1 0 cut 16",
        "read 1 0 cut 200",
        "read 1 0 say {\"FileStatuses\":{\"FileStatus\":[",
        "read 1 0 say {\"FileStatuses\":{\"FileStatus\":7}}",
        "read 1 0 say {}",
        "read 1 0 say []",
        "read 1 0 say null",
        "read 1 0 say <html>It works!</html>",
        "read 1 0 say ",
        "read 1 0 nowhere",
        "read 1 0 status 401 Who are you?",
        "read 1 0 status 404 <html>Not Found</html>",
        "read 1 0 status 502 Bad Gateway",
        "read 1 0 drop",
        "read 1 0 refuse 500 NullPointerException null",
    };
    struct e2e *t = *state;

    through_the_proxy(t, "deadline = 60s\n");
    hdfs_spoil(t, "");
    e2e_run(t, 0, "run --upto bronze -j2");
    e2e_edit(t, "stagegraph.ini", "deadline = 60s", "deadline = 1s");
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        print_message("%s\n", rules[i]);
        plan_fails(t, rules[i]);
    }
    hdfs_spoil(t, "");
    e2e_edit(t, "stagegraph.ini", "deadline = 1s", "deadline = 60s");
    e2e_plan_is(t, "--upto bronze", "");
}

static void what_can_never_pass_is_not_waited_for(void **state)
{
    static const char *const refused[] = {
        "change 1 0 refuse 403 AccessControlException Permission denied",
        "change 1 0 refuse 403 NSQuotaExceededException The NameSpace quota is exceeded",
        "change 1 0 refuse 403 SnapshotException is snapshottable",
    };
    struct e2e *t = *state;

    through_the_proxy(t, "deadline = 10m\n"); /* longer than the fixture waits */
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        hdfs_spoil(t, refused[i]);
        e2e_run(t, E2E_ANY, "run --only bronze");
        assert_true(t->status == 74 || t->status == 1);
        e2e_says(e2e_text(t, "%s%s", t->out, t->err), "Exception");
        (void)e2e_jobs(t);
    }
    plan_fails(t, "read 1 0 refuse 403 AccessControlException Permission denied");
    e2e_says(t->err, "AccessControlException");
    e2e_says(t->err, "Permission denied");
    assert_true(hdfs_requests(t, "") < 20);
    hdfs_spoil(t, "");
    e2e_run(t, 0, "run --only bronze");
    hdfs_is_tidy(t);
}

static void what_passes_is_waited_for(void **state)
{
    static const char *const passing[] = {
        "any 1 5 status 503 busy",
        "any 1 5 refuse 403 StandbyException Operation category READ is not supported",
        "any 3 5 refuse 403 RetriableException NameNode still not started",
        "change 2 4 refuse 403 SafeModeException Name node is in safe mode",
        "any 8 1 close 1500",
        "read 1 12 slow 1",
    };
    struct e2e *t = *state;

    through_the_proxy(t, "deadline = 60s\n");
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
        print_message("%s\n", passing[i]);
        hdfs_remove(t, "warehouse/bronze");
        hdfs_spoil(t, passing[i]);
        e2e_run(t, 0, "run %s", hour);
        assert_true(hdfs_requests(t, " -\n") < hdfs_requests(t, ""));
        is_stale_or_whole(t, passing[i]);
    }
}

static void a_slow_answer_does_not_outlast_the_deadline(void **state)
{
    struct e2e *t = *state;

    through_the_proxy(t, "deadline = 2s\n");
    plan_fails(t, "read 1 0 slow 400"); /* two minutes for the shortest */
}

static void a_marker_that_no_datanode_takes_is_the_nodes_failure(void **state)
{
    static const char *const rules[] = {
        "CREATE 1 0 nowhere",
        "data 1 0 drop",
        "data 1 0 status 500 no",
        "data 1 0 refuse 403 IOException could only be written to 0 of the 1 minReplication nodes",
    };
    struct e2e *t = *state;

    through_the_proxy(t, "deadline = 2s\n");
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        print_message("%s\n", rules[i]);
        hdfs_remove(t, "warehouse/bronze");
        hdfs_spoil(t, rules[i]);
        e2e_run(t, E2E_ANY, "run %s", hour);
        assert_true(t->status == 1 || t->status == 74);
        assert_false(hdfs_exists(t, e2e_marker(t, hour)));
        is_stale_or_whole(t, rules[i]);
    }
}

static void where_attributes_are_refused_the_receipt_is_the_content(void **state)
{
    struct e2e *t = *state;

    through_the_proxy(t, "");
    hdfs_spoil(t, "SETXATTR 1 0 refuse 403 IOException The XAttr operation has been rejected. "
                  "Support for XAttrs has been disabled by setting dfs.namenode.xattrs.enabled to "
                  "false.");
    e2e_run(t, 0, "run %s", hour);
    e2e_says(hdfs_read(t, e2e_marker(t, hour)), "\"state\":\"done\"");
    assert_null(hdfs_attribute(t, e2e_marker(t, hour)));
    e2e_plan_is(t, hour, "");
    hdfs_is_tidy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(a_lost_answer_to_a_change_is_settled_by_reading_back),
        hdfs_test(a_lost_answer_of_a_datanode_is_settled_too),
        hdfs_test(a_request_that_went_nowhere_is_made_again),
        hdfs_test(a_lost_or_cut_answer_to_a_read_is_asked_for_again),
        hdfs_test(with_all_answers_lost_from_some_point_on_nothing_is_half_committed),
        hdfs_test(what_cannot_be_read_is_an_error_and_never_an_empty_directory),
        hdfs_test(what_can_never_pass_is_not_waited_for),
        hdfs_test(what_passes_is_waited_for),
        hdfs_test(a_slow_answer_does_not_outlast_the_deadline),
        hdfs_test(a_marker_that_no_datanode_takes_is_the_nodes_failure),
        hdfs_test(where_attributes_are_refused_the_receipt_is_the_content),
    };

    hdfs_use("plain", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
