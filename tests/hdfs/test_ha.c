/*
 * ha: a pair of NameNodes, of which the active one is killed. This driver has its cluster alone.
 */
#include "hdfs.h"

/* All hours of the day: a load. */
static void flights_of_a_day(struct e2e *t, const char *keys)
{
    hdfs_flights(t, hdfs_root(t, "hdfs"), keys);
    e2e_edit(t, "stagegraph.ini", "start     = 2024-01-01T21", "start     = 2024-01-01T12");
    for (int h = 12; h < 21; h++)
        hdfs_land(t, e2e_text(t, "2024-01-01T%02d", h), e2e_text(t, "%d\n", h));
}

static void all_are_done(struct e2e *t)
{
    for (int h = 12; h < 24; h++) {
        for (int silver = 0; silver < 2; silver++) {
            const char *node =
                e2e_text(t, "%s@2024-01-01T%d", silver != 0 ? "silver" : "bronze", h);

            assert_true(hdfs_has_receipt(t, node));
            assert_true(hdfs_is_whole(t, node));
        }
    }
    assert_true(hdfs_is_whole(t, "gold@2024-01-01"));
    hdfs_is_tidy(t);
}

static void a_standby_that_is_named_first_is_passed_by(void **state)
{
    struct e2e *t = *state;

    hdfs_cluster(t, "kill nn1");
    hdfs_cluster(t, "active nn2");
    hdfs_cluster(t, "start nn1");
    hdfs_flights(t, hdfs_root(t, "hdfs"), "");
    e2e_run(t, 0, "run -j2");
    assert_true(hdfs_is_whole(t, "gold@2024-01-01"));
    e2e_plan_is(t, "", "");
    hdfs_is_tidy(t);
}

/* nn2 is the active one by now. */
static void a_failover_under_load_loses_nothing(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;

    flights_of_a_day(t, "deadline = 90s\n");
    run = e2e_start(t, "run -j2 --json=events");
    e2e_until_exists(t, "lock.bronze@2024-01-01T14");
    hdfs_cluster(t, "kill nn2");
    e2e_pause(t, 500);
    hdfs_cluster(t, "active nn1");
    e2e_wait(run, 0);
    assert_int_equal(e2e_count(e2e_read(t, "events"), "\"result\":\"ok\""), 25);
    all_are_done(t);
    e2e_plan_is(t, "", "");
    hdfs_cluster(t, "start nn2");
}

/* nn1 is the active one by now, and nn2 comes back as a standby. */
static void check_tells_of_both_namenodes(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "hdfs"), "");
    e2e_run(t, 0, "check --store");
    assert_int_equal(e2e_count(t->out, ": active\n"), 1);
    assert_int_equal(e2e_count(t->out, ": standby\n"), 1);
    e2e_says(t->out, "DataNodes: 1 live");
    hdfs_cluster(t, "kill nn2");
    e2e_run(t, 0, "check --store");
    assert_int_equal(e2e_count(t->out, ": active\n"), 1);
    e2e_says(t->err, "warning: NameNode http://localhost:");
    e2e_says(t->err, "refused");
    hdfs_cluster(t, "start nn2");
}

static void with_neither_there_both_addresses_are_named(void **state)
{
    struct e2e *t = *state;
    const char *a = strstr(hdfs_env("WEBHDFS_URL"), "localhost");
    const char *b = strstr(hdfs_env("WEBHDFS_URL2"), "localhost");

    hdfs_flights(t, hdfs_root(t, "hdfs"), "deadline = 10m\n");
    hdfs_cluster(t, "kill nn1");
    hdfs_cluster(t, "kill nn2");
    e2e_run(t, 74, "run");
    e2e_says(t->err, e2e_text(t, "%.*s", (int)strcspn(a, "/"), a));
    e2e_says(t->err, e2e_text(t, "%.*s", (int)strcspn(b, "/"), b));
    hdfs_cluster(t, "start nn1");
    hdfs_cluster(t, "start nn2");
    hdfs_cluster(t, "active nn1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(a_standby_that_is_named_first_is_passed_by),
        hdfs_test(a_failover_under_load_loses_nothing),
        hdfs_test(check_tells_of_both_namenodes),
        hdfs_test(with_neither_there_both_addresses_are_named),
    };

    hdfs_use("ha", true);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
