/*
 * hosts: two and more of them, as namespaces with a boot id and host name of their own, and short
 * leases. Each has its own state directory; what they share is HDFS.
 */
#include "hdfs.h"

static const char hour[] = "bronze@2024-01-01T22";

static void hosts(struct e2e *t, const char *keys, const char *names)
{
    char *list = e2e_text(t, "%s", names), *save = NULL;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), keys);
    for (char *name = strtok_r(list, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save))
        hdfs_other_graph(t, name);
}

static void another_hosts_claim_is_kept_as_long_as_its_owner_lives(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    hosts(t, "lease = 10s\n", "ash birch");
    e2e_gate(t, "a");
    e2e_does(t, hour, "read -r x <gate.a\n");
    first = hdfs_start_on(t, "ash", "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    e2e_pause(t, 12000); /* longer than a lease */
    second = hdfs_start_on(t, "birch", "run --json=events %s", hour);
    e2e_wait(second, 4);
    e2e_says(e2e_read(t, "events"), "\"result\":\"busy\"");
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_ran(t, hour);
    assert_true(hdfs_is_whole(t, hour));
    hdfs_is_tidy(t);
}

/* Everything of the first is killed at once, as by a power cut. */
static void a_dead_hosts_claim_is_taken_over_when_its_lease_is_over(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    pid_t pids[64];
    size_t n;

    hosts(t, "lease = 10s\n", "ash birch");
    e2e_gate(t, "a");
    e2e_does(t, hour, "[ -e again ] || { : >again; read -r x <gate.a; }\n");
    first = hdfs_start_on(t, "ash", "run %s", hour);
    (void)e2e_gate_reached(t, "a");
    e2e_kill(first, SIGSTOP);
    n = e2e_find(t, E2E_SHIM, pids, 64);
    n += e2e_find(t, E2E_JOB, pids + n, 64 - n);
    assert_true(n >= 2);
    for (size_t i = 0; i < n; i++)
        (void)kill(pids[i], SIGKILL);
    e2e_kill(first, SIGKILL);
    e2e_wait(first, E2E_DIED(SIGKILL));

    second = hdfs_start_on(t, "birch", "run %s", hour); /* who knows whether it lives */
    e2e_wait(second, 4);
    (void)e2e_jobs(t);
    second = hdfs_start_on(t, "birch", "run --wait --json=events %s", hour);
    e2e_wait(second, 0);
    e2e_says(e2e_read(t, "events"), "interrupted");
    e2e_ran(t, hour);
    assert_true(hdfs_is_whole(t, hour));
    hdfs_is_tidy(t);
}

/* Its executor stands still; its job would go on for ever. */
static void an_owner_that_lost_its_lease_ends_its_job_and_writes_nothing(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    pid_t job;

    hosts(t, "lease = 10s\n", "ash birch");
    e2e_gate(t, "a");
    e2e_does(t, hour, "[ -e again ] || { : >again; echo $$ >pid; read -r x <gate.a; }\n");
    first = hdfs_start_on(t, "ash", "run --json=first %s", hour);
    (void)e2e_gate_reached(t, "a");
    job = e2e_pid_in(t, "pid");
    e2e_stop(t, e2e_pid(first));
    second = hdfs_start_on(t, "birch", "run --wait %s", hour);
    e2e_wait(second, 0);
    assert_true(hdfs_has_receipt(t, hour));
    e2e_kill(first, SIGCONT);
    (void)e2e_end(first);
    assert_false(e2e_is_alive(job));
    e2e_says_not(e2e_read(t, "first"), "\"result\":\"ok\"");
    e2e_says(hdfs_attribute(t, e2e_marker(t, hour)), "\"host\":\"birch\"");
    assert_true(hdfs_is_whole(t, hour));
    hdfs_is_tidy(t);
    second = hdfs_start_on(t, "birch", "plan --exit-code %s", hour);
    e2e_wait(second, 0);
}

/* The NameNode is there for the other one, but not for this one. */
static void an_owner_that_cannot_renew_ends_its_job(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    pid_t job;

    hosts(t, "lease = 10s\ndeadline = 60s\n", "birch");
    hdfs_proxy(t);
    e2e_edit(t, "stagegraph.ini", hdfs_root(t, "webhdfs"), hdfs_root(t, "proxy"));
    hdfs_other_graph(t, "ash");
    e2e_gate(t, "a");
    e2e_does(t, hour, "[ -e again ] || { : >again; echo $$ >pid; read -r x <gate.a; }\n");
    first = hdfs_start_on(t, "ash", "run --json=first %s", hour);
    (void)e2e_gate_reached(t, "a");
    job = e2e_pid_in(t, "pid");
    hdfs_spoil(t, "any 1 0 drop");
    second = hdfs_start_on(t, "birch", "run --wait %s", hour);
    e2e_wait(second, 0);
    /* Ended before anybody else could begin: 3/5 of the lease. */
    assert_false(e2e_is_alive(job));
    assert_true(hdfs_is_whole(t, hour));
    hdfs_spoil(t, "");
    (void)e2e_end(first);
    e2e_says_not(e2e_read(t, "first"), "\"result\":\"ok\"");
    e2e_says(hdfs_attribute(t, e2e_marker(t, hour)), "\"host\":\"birch\"");
    hdfs_is_tidy(t);
}

static void of_sixteen_contenders_one_wins(void **state)
{
    struct e2e *t = *state;

    hdfs_flights(t, hdfs_root(t, "webhdfs"), "");
    for (int round = 0; round < 3; round++) {
        e2e_lives(t);
        /* another length: of a source names and lengths count */
        hdfs_land(t, "2024-01-01T22", e2e_text(t, "%0*d\n", round + 3, round));
        hdfs_contend(t, 16, hour);
    }
}

/* Whose claim it is after a lost answer, its name says. */
static void of_sixteen_contenders_with_lost_answers_one_wins(void **state)
{
    struct e2e *t = *state;

    hdfs_proxy(t);
    hdfs_flights(t, hdfs_root(t, "proxy"), "");
    for (int round = 0; round < 2; round++) {
        e2e_lives(t);
        hdfs_land(t, "2024-01-01T22", e2e_text(t, "%0*d\n", round + 3, round));
        hdfs_spoil(t, "RENAME 1 4 lose\nMKDIRS 2 3 lose\nDELETE 1 3 lose\nRENAME 6 3 drop\n");
        hdfs_contend(t, 16, hour);
        assert_true(hdfs_requests(t, " lose") >= 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(another_hosts_claim_is_kept_as_long_as_its_owner_lives),
        hdfs_test(a_dead_hosts_claim_is_taken_over_when_its_lease_is_over),
        hdfs_test(an_owner_that_lost_its_lease_ends_its_job_and_writes_nothing),
        hdfs_test(an_owner_that_cannot_renew_ends_its_job),
        hdfs_test(of_sixteen_contenders_one_wins),
        hdfs_test(of_sixteen_contenders_with_lost_answers_one_wins),
    };

    hdfs_use("plain", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
