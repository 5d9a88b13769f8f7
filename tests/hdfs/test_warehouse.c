/*
 * warehouse: what else happens to one: copies, quotas, snapshots, permissions, files of others.
 */
#include "hdfs.h"

static const char hour[] = "bronze@2024-01-01T22";
static const char dir_of_hour[] = "warehouse/bronze/dt=2024-01-01/hr=22";

/* The warehouse as distcp copies it is in its place. */
static void copied(struct e2e *t, const char *options)
{
    const char *from = hdfs_path(t, "warehouse"), *to = hdfs_path(t, "copy");

    (void)hdfs_client(
        t, e2e_text(t, "org.apache.hadoop.tools.DistCp %s '%s' '%s'", options, from, to));
    hdfs_remove(t, "warehouse");
    hdfs_move(t, "copy", "warehouse");
}

static void a_copy_by_distcp_keeps_receipts_if_it_is_told_to(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "hdfs"), "");
    e2e_run(t, 0, "run -j2");
    (void)e2e_jobs(t);
    copied(t, "-update -px");
    assert_true(hdfs_has_receipt(t, hour));
    e2e_plan_is(t, "", "");
    e2e_write(t, "code/silver.txt", "two\n");
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21..2024-01-01T23 3/3 code code/silver.txt\n");

    /* Without: fresh, of unknown making. */
    copied(t, "-update");
    assert_null(hdfs_attribute(t, e2e_marker(t, hour)));
    e2e_plan_is(t, "", "");
    e2e_run(t, 0, "explain %s", hour);
    e2e_says(t->out, "its marker is not ours");
    e2e_run(t, 0, "run");
    e2e_ran(t, "");
    /* An input that is made again makes it stale, and then all are ours. */
    e2e_run(t, 0, "run --force %s", hour);
    e2e_ran(t, hour);
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 input bronze\n");
    e2e_run(t, 0, "accept --date 2024-01-01");
    assert_true(hdfs_has_receipt(t, "silver@2024-01-01T21"));
}

/* A full quota is no matter of time. */
static void refused(struct e2e *t, const char *node, const char *exception)
{
    e2e_run(t, E2E_ANY, "run %s", node);
    if (t->status != 1 && t->status != 74)
        e2e_fail(t, "status %d", t->status);
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), exception);
}

static void a_quota_is_told_and_not_waited_for(void **state)
{
    struct e2e *t = *state;
    const char *path = hdfs_path(t, "warehouse");

    hdfs_flights(t, hdfs_root(t, "webhdfs"),
                 "deadline = 10m\n"); /* longer than the fixture waits */
    (void)hdfs_client(t, e2e_text(t, "dfsadmin -setQuota 1 '%s'", path));
    refused(t, hour, "NSQuotaExceededException: The NameSpace quota (directories and files) of");
    e2e_ran(t, "");
    (void)hdfs_client(t, e2e_text(t, "dfsadmin -clrQuota '%s'", path));

    /* Room for no block: a recipe has one. */
    hdfs_make_dir(t, "warehouse/_stagegraph/recipes");
    (void)hdfs_client(t, e2e_text(t, "dfsadmin -setSpaceQuota 1 '%s/_stagegraph'", path));
    refused(t, hour, "DSQuotaExceededException: The DiskSpace quota of");
    (void)e2e_jobs(t);
    assert_false(hdfs_exists(t, e2e_marker(t, hour)));
    (void)hdfs_client(t, e2e_text(t, "dfsadmin -clrSpaceQuota '%s/_stagegraph'", path));
    e2e_run(t, 0, "run %s", hour);
    assert_true(hdfs_has_receipt(t, hour));
    hdfs_is_tidy(t);

    /* A receipt is an attribute, which needs no room. */
    (void)hdfs_client(t, e2e_text(t, "dfsadmin -setSpaceQuota 1 '%s'", path));
    e2e_run(t, 0, "invalidate --yes %s", hour);
    e2e_run(t, 0, "accept %s", hour);
    (void)hdfs_client(t, e2e_text(t, "dfsadmin -clrSpaceQuota '%s'", path));
}

static void what_a_snapshot_protects_is_not_deleted(void **state)
{
    struct e2e *t = *state;
    const char *path = hdfs_path(t, dir_of_hour);

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "deadline = 10m\n");
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nprepare = delete\n");
    e2e_run(t, 0, "run %s", hour);
    (void)e2e_jobs(t);
    (void)hdfs_client(t, e2e_text(t, "dfsadmin -allowSnapshot '%s'", path));
    (void)hdfs_client(t, e2e_text(t, "dfs -createSnapshot '%s' s1", path));
    e2e_run(t, E2E_ANY, "run --force %s", hour);
    assert_int_equal(t->status, 1);
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "SnapshotException: ");
    e2e_ran(t, "");
    assert_true(hdfs_exists(t, e2e_text(t, "%s/data", dir_of_hour)));
    (void)hdfs_client(t, e2e_text(t, "dfs -deleteSnapshot '%s' s1", path));
    (void)hdfs_client(t, e2e_text(t, "dfsadmin -disallowSnapshot '%s'", path));
    e2e_run(t, 0, "run %s", hour);
    assert_true(hdfs_has_receipt(t, hour));
    hdfs_is_tidy(t);
}

static void mode_is(struct e2e *t, const char *path, const char *mode)
{
    assert_string_equal(e2e_get(hdfs_status(t, path), "FileStatus.permission"), mode);
}

static void modes_are(struct e2e *t, const char *file, const char *dir)
{
    mode_is(t, "warehouse/bronze", dir);
    mode_is(t, "warehouse/_stagegraph", dir);
    mode_is(t, "warehouse/_stagegraph/claims/bronze", dir);
    mode_is(t, "warehouse/_stagegraph/recipes", dir);
    mode_is(t, e2e_marker(t, hour), file);
}

static void what_is_written_has_the_modes_of_hadoops_umask(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "run %s", hour);
    modes_are(t, "644", "755");
    hdfs_remove(t, "warehouse/bronze");
    hdfs_remove(t, "warehouse/_stagegraph");
    e2e_write(t, "conf/core-site.xml",
              "<configuration><property><name>fs.permissions.umask-mode</name>"
              "<value>027</value></property></configuration>\n");
    e2e_setenv(t, "HADOOP_CONF_DIR", e2e_path(t, "conf"));
    e2e_run(t, 0, "run %s", hour);
    modes_are(t, "640", "750");
}

/* As somebody who is not the superuser: the jobs' files are root's. */
static void what_others_own_in_a_sticky_directory_is_not_taken(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "run %s", hour);
    (void)e2e_jobs(t);
    for (const char *const *dir = (const char *const[]){ "", "/bronze", "/bronze/dt=2024-01-01",
                                                         "/bronze/dt=2024-01-01/hr=22", NULL };
         *dir != NULL; dir++)
        hdfs_set_mode(t, e2e_text(t, "warehouse%s", *dir), "1777");
    (void)hdfs_client(t,
                      e2e_text(t, "dfs -chmod -R 777 '%s'", hdfs_path(t, "warehouse/_stagegraph")));
    e2e_edit(t, "stagegraph.ini", "[store]\n", "[store]\nuser = alice\n");
    e2e_plan_is(t, hour, "");
    e2e_run(t, 1, "run --force %s", hour);
    e2e_says(e2e_text(t, "%s%s", t->out, t->err),
             "AccessControlException: Permission denied by sticky bit");
    e2e_ran(t, "");
    assert_true(hdfs_has_receipt(t, hour));
    hdfs_is_tidy(t);

    /* What is hers is. */
    hdfs_remove(t, e2e_marker(t, hour));
    e2e_run(t, 0, "run %s", hour);
    e2e_ran(t, hour);
    assert_string_equal(e2e_get(hdfs_status(t, e2e_marker(t, hour)), "FileStatus.owner"), "alice");
    e2e_run(t, 0, "run --force %s", hour);
    assert_true(hdfs_has_receipt(t, hour));
}

/* The year's table is thrown away and loaded anew, while the job of an hour runs. */
static void a_table_that_is_made_again_under_a_job_is_a_trespass(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *run;
    int gate;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    e2e_run(t, 0, "run --only bronze");
    (void)e2e_jobs(t);
    e2e_gate(t, "a");
    e2e_does(t, hour, "read -r x <gate.a\n");
    run = e2e_start(t, "run --force %s", hour);
    gate = e2e_gate_reached(t, "a");
    hdfs_remove(t, "warehouse/bronze");
    hdfs_write(t, "warehouse/bronze/dt=2024-01-01/hr=21/data", "another's\n");
    e2e_gate_let_go(gate);
    e2e_wait(run, 1);
    e2e_says(e2e_text(t, "%s%s", t->out, e2e_stdout(run)), "bronze@2024-01-01T21");
    e2e_plan_is(t, "--only bronze", "bronze 2024-01-01T21..2024-01-01T23 3/3 missing\n");
    e2e_does(t, hour, "");
    e2e_run(t, 0, "run -j2");
    assert_true(hdfs_is_whole(t, "gold@2024-01-01"));
    hdfs_is_tidy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(a_copy_by_distcp_keeps_receipts_if_it_is_told_to),
        hdfs_test(a_quota_is_told_and_not_waited_for),
        hdfs_test(what_a_snapshot_protects_is_not_deleted),
        hdfs_test(what_is_written_has_the_modes_of_hadoops_umask),
        hdfs_test(what_others_own_in_a_sticky_directory_is_not_taken),
        hdfs_test(a_table_that_is_made_again_under_a_job_is_a_trespass),
    };

    hdfs_use("plain", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
