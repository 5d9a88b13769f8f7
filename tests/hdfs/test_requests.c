/*
 * requests: how many there are, counted by the proxy.
 */
#include "hdfs.h"

#define DAYS 6

/* Some days of a stage, accepted: it takes no run to make them. */
static void days(struct e2e *t)
{
    static const char graph[] = //
        "[graph]\nname = days\nstart = 2024-01-01\nend = 2024-01-%02d\n"
        "[store]\nroot = %s\n"
        "[stage bronze]\ncommand = sh job.sh ${node} ${output}\n"
        "output = bronze/dt=${ds}/hr=${HH}\n"
        "[stage gold]\npartition = day\nneeds = bronze\ncommand = sh job.sh ${node} ${output}\n"
        "output = gold/dt=${ds}\n";
    char *paths[DAYS * 25];
    size_t n = 0;

    for (int day = 1; day <= DAYS; day++) {
        for (int h = 0; h < 24; h++)
            paths[n++] = e2e_text(t, "warehouse/bronze/dt=2024-01-%02d/hr=%02d/_SUCCESS", day, h);
        paths[n++] = e2e_text(t, "warehouse/gold/dt=2024-01-%02d/_SUCCESS", day);
    }
    hdfs_make_many(t, paths, n, false);
    e2e_write(t, "stagegraph.ini", e2e_text(t, graph, DAYS + 1, hdfs_root(t, "proxy")));
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-02-01T00:10Z");
    for (int day = 1; day <= DAYS; day++)
        e2e_run(t, 0, "accept --date 2024-01-%02d", day);
    e2e_lives(t);
}

static void with_nothing_to_do_a_day_of_a_stage_takes_a_request(void **state)
{
    struct e2e *t = *state;
    size_t cold, warm;

    hdfs_proxy(t);
    days(t);
    e2e_pause(t, 3500); /* what is younger than two seconds is not trusted */
    e2e_remove(t, ".stagegraph");
    e2e_write(t, ".stagegraph/x", ""); /* planning makes no state, and then keeps nothing */
    hdfs_spoil(t, "");
    e2e_plan_is(t, "", "");
    cold = hdfs_requests(t, "");
    hdfs_spoil(t, "");
    e2e_plan_is(t, "", "");
    warm = hdfs_requests(t, "");
    print_message("%d days: %zu requests cold, %zu warm\n", DAYS, cold, warm);
    if (warm > 2 * DAYS + 10)
        e2e_fail(t, "%zu requests:\n%s", warm, hdfs_log(t));
    /* A look at each marker and its receipt, no more. */
    if (cold > DAYS * (2 * 25 + 2) + 10)
        e2e_fail(t, "%zu requests cold", cold);
    assert_int_equal(hdfs_requests(t, " @"), 0); /* none to a DataNode */

    /* What is gone is seen with no more requests than that. */
    hdfs_remove(t, "warehouse/bronze/dt=2024-01-05/hr=05/_SUCCESS");
    hdfs_spoil(t, "");
    e2e_plan_is(t, "--only bronze", "bronze 2024-01-05T05 1/1 missing\n");
    if (hdfs_requests(t, "") > DAYS + 10)
        e2e_fail(t, "%zu requests:\n%s", hdfs_requests(t, ""), hdfs_log(t));
}

/* Two nodes' requests less one node's: what is a run's own cancels out. */
static void an_attempt_takes_sixteen_requests_and_two_a_data_file(void **state)
{
    struct e2e *t = *state;
    size_t one, two, one_data;

    hdfs_proxy(t);
    hdfs_flights(t, hdfs_root(t, "proxy"), "");
    e2e_run(t, 0, "run bronze@2024-01-01T21"); /* leaves its recipe */
    hdfs_land(t, "2024-01-01T21", "again\n");
    e2e_pause(t, 2500);
    hdfs_spoil(t, "");
    e2e_run(t, 0, "run bronze@2024-01-01T21");
    one = hdfs_requests(t, "");
    one_data = hdfs_requests(t, " @");
    hdfs_spoil(t, "");
    e2e_run(t, 0, "run bronze@2024-01-01T22 bronze@2024-01-01T23");
    two = hdfs_requests(t, "");
    print_message("an attempt: %zu requests; a run of one node: %zu, %zu to a DataNode\n",
                  two - one, one, one_data);
    if (two - one > 16 + 2)
        e2e_fail(t, "%zu requests:\n%s", two - one, hdfs_log(t));
    /* The empty marker, and the data file's checksum. */
    assert_true(one_data <= 2);
}

static void verbose_tells_the_requests(void **state)
{
    struct e2e *t = *state;

    hdfs_proxy(t);
    hdfs_flights(t, hdfs_root(t, "proxy"), "");
    hdfs_spoil(t, "");
    e2e_run(t, 0, "plan -v");
    e2e_says(t->out, e2e_text(t, "%zu requests", hdfs_requests(t, "")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(with_nothing_to_do_a_day_of_a_stage_takes_a_request),
        hdfs_test(an_attempt_takes_sixteen_requests_and_two_a_data_file),
        hdfs_test(verbose_tells_the_requests),
    };

    hdfs_use("plain", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
