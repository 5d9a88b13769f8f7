/*
 * kill: the executor, its shim, or both killed with -9 at every step of an attempt. After each
 * kill: what counts as fresh is whole, the next run completes, no node runs twice at once, and what
 * still ran is ended first.
 *
 * The sweeps go through the system calls of an attempt with tests/e2e/helpers/killat.c; every one
 * of them with E2E_SWEEP=all, else a sample that E2E_SEED shifts.
 */
#include "fixture.h"

#include <dirent.h>

static const char hour[] = "bronze@2024-01-01T21";
static const char *const nodes[] = { "bronze@2024-01-01T21", "silver@2024-01-01T21" };

/* Marks that no attempt may leave in an output: temporary files of ours. */
static bool has_temporary(struct e2e *t, const char *node)
{
    DIR *d = opendir(e2e_path(t, e2e_output(t, node)));
    struct dirent *e;
    bool found = false;

    while (d != NULL && (e = readdir(d)) != NULL)
        found = found || (e->d_name[0] == '.' && strstr(e->d_name, ".tmp") != NULL);
    if (d != NULL)
        (void)closedir(d);
    return found;
}

static bool has_claim(struct e2e *t, const char *node)
{
    const char *at = strchr(node, '@');

    return e2e_exists(
        t, e2e_text(t, "warehouse/_stagegraph/claims/%.*s/%s", (int)(at - node), node, at + 1));
}

/* What is fresh by its marker, and by the plan, is whole. */
static void assert_fresh_is_whole(struct e2e *t, const char *when)
{
    size_t whole = 0;
    struct e2e_doc *d;
    int fresh;

    for (size_t i = 0; i < 2; i++) {
        if (e2e_has_receipt(t, nodes[i]) && !e2e_is_whole(t, nodes[i]))
            fail_msg("%s: %s has a receipt and is not whole", when, nodes[i]);
        whole += e2e_has_receipt(t, nodes[i]);
    }
    e2e_run(t, 0, "plan --json silver@2024-01-01T21");
    d = e2e_json(t, t->out);
    fresh = atoi(e2e_get(d, "totals.fresh"));
    if (fresh > (int)whole)
        e2e_fail(t, "%s: %d nodes are fresh, %zu are whole", when, fresh, whole);
}

static void start_over(struct e2e *t)
{
    e2e_remove(t, "warehouse/bronze");
    e2e_remove(t, "warehouse/silver");
    e2e_remove(t, "warehouse/_stagegraph");
    e2e_remove(t, ".stagegraph");
    e2e_remove(t, "ran");
    t->ran_seen = 0;
}

/* Returns how many calls there were to kill at. */
static long run_killed(struct e2e *t, const char *who, long at)
{
    const char *const argv[] = { e2e_text(t, "%s/killat", getenv("TEST_HELPERS")),
                                 who,
                                 e2e_text(t, "%ld", at),
                                 "killat.log",
                                 getenv("STAGEGRAPH_BIN"),
                                 "run",
                                 "silver@2024-01-01T21",
                                 NULL };
    struct e2e_proc *p = e2e_start_argv(t, argv);

    e2e_wait(p, E2E_ANY);
    if (t->status == 125)
        return -1;
    return (long)e2e_count(e2e_read(t, "killat.log"), "\n");
}

static const char *last_line(struct e2e *t, const char *path)
{
    char *text = e2e_read(t, path), *last;

    if (text == NULL || *text == '\0')
        return "";
    text[strlen(text) - 1] = '\0';
    last = strrchr(text, '\n');
    return last == NULL ? text : last + 1;
}

static void one_kill(struct e2e *t, const char *who, long at)
{
    const char *when;
    bool was_done[2];

    e2e_lives(t);
    start_over(t);
    (void)run_killed(t, who, at);
    when = e2e_text(t, "%s killed at %s", who, last_line(t, "killat.log"));
    /* Without its executor a shim ends the job; without both nobody does, before the next run. */
    if (strcmp(who, "both") != 0)
        e2e_until_gone(t, E2E_ALL);
    else
        e2e_until_gone(t, E2E_SHIM); /* it dies in its own time */
    assert_fresh_is_whole(t, when);
    for (size_t i = 0; i < 2; i++)
        was_done[i] = e2e_has_receipt(t, nodes[i]);
    /* Busy: a child of the shim that has not become the job yet still holds the claim. */
    do
        e2e_run(t, E2E_ANY, "run silver@2024-01-01T21");
    while (t->status == 4 && strcmp(who, "both") == 0);
    if (t->status != 0)
        e2e_fail(t, "%s: the next run's status is %d", when, t->status);
    e2e_until_gone(t, E2E_JOB); /* there is none: ended first, and gone */
    (void)e2e_jobs(t);          /* fails if one ran twice at once */
    for (size_t i = 0; i < 2; i++) {
        if (!e2e_is_whole(t, nodes[i]) || !e2e_has_receipt(t, nodes[i]))
            fail_msg("%s: %s is not made by the next run", when, nodes[i]);
        if (has_temporary(t, nodes[i]))
            fail_msg("%s: a temporary file is left in the output of %s", when, nodes[i]);
        /* Of a node that was done the dead claim says nothing. */
        if (has_claim(t, nodes[i]) && !was_done[i])
            fail_msg("%s: a claim of %s is left", when, nodes[i]);
    }
    e2e_run(t, E2E_ANY, "plan --exit-code silver@2024-01-01T21");
    if (t->status != 0)
        e2e_fail(t, "%s: the run after the next would run something", when);
}

static void sweep(struct e2e *t, const char *who, long trials)
{
    const char *seed = getenv("E2E_SEED"), *all = getenv("E2E_SWEEP");
    long n, step;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "sync = no", "sync = yes");
    /* LeakSanitizer can't work under ptrace. */
    e2e_setenv(t, "ASAN_OPTIONS", "detect_leaks=0");
    n = run_killed(t, "none", 0);
    if (n < 0) {
        print_message("SKIPPED: ptrace is not permitted here: nothing was killed\n");
        skip();
    }
    if (t->status != 0 || n < 20)
        e2e_fail(t, "without a kill: status %d after %ld calls", t->status, n);
    step = all != NULL && strcmp(all, "all") == 0 ? 1 : n / trials + 1;
    for (long at = 1 + (seed == NULL ? 0 : atol(seed) % step); at <= n; at += step)
        one_kill(t, who, at);
}

static void the_executor_may_be_killed_at_any_step(void **state)
{
    sweep(*state, "executor", 100);
}

static void the_shim_may_be_killed_at_any_step(void **state)
{
    sweep(*state, "shim", 60);
}

static void both_may_be_killed_at_any_step(void **state)
{
    sweep(*state, "both", 100);
}

/* ---- while the job runs */

static void without_its_executor_the_job_is_ended_by_the_shim(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    pid_t job;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ngrace = 1s\n");
    /* It ignores TERM, and so does a child that has left the session. */
    e2e_does(t, "bronze",
             "trap '' TERM\n"
             "setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &\n"
             "echo $$ >job.pid\n"
             "while :; do sleep 1; done\n");
    p = e2e_start(t, "run %s", hour);
    job = e2e_pid_in(t, "job.pid");
    e2e_kill(p, SIGKILL);
    e2e_wait(p, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_ALL);
    assert_false(e2e_is_alive(job));
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
    e2e_plan_is(t, hour, "bronze 2024-01-01T21 1/1 interrupted*\n");
    e2e_run(t, 0, "explain %s", hour);
    e2e_says(t->out, "dead claim of run");
    e2e_remove(t, "do");
    e2e_run(t, 0, "run %s", hour);
    assert_true(e2e_is_whole(t, hour));
    assert_false(has_claim(t, hour));
}

static void without_its_shim_the_job_is_ended_by_the_executor(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    pid_t job;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze",
             "setsid sleep 1000 &\n"
             "echo $$ >job.pid\n"
             "read -r x <gate.a\n");
    p = e2e_start(t, "run --json=events %s", hour);
    job = e2e_pid_in(t, "job.pid");
    assert_int_equal(kill(e2e_find_one(t, E2E_SHIM), SIGKILL), 0);
    e2e_wait(p, 1);
    assert_false(e2e_is_alive(job));
    e2e_until_gone(t, E2E_ALL);
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
    e2e_says(e2e_read(t, "events"), "\"result\":\"failed\"");
    e2e_remove(t, "do");
    e2e_run(t, 0, "run %s", hour);
    assert_true(e2e_is_whole(t, hour));
}

/* Kills executor and shim of a run whose job stands at gate.a: the job lives on. */
static pid_t orphan(struct e2e *t)
{
    struct e2e_proc *p;
    pid_t job, shim;
    int gate;

    e2e_gate(t, "a");
    /* What is told to end when its parent dies, ignores it. */
    e2e_does(t, "bronze", "trap '' TERM\necho $$ >>job.pids\nread -r x <gate.a\n");
    p = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    job = e2e_pid_in(t, "job.pids");
    shim = e2e_find_one(t, E2E_SHIM);
    e2e_stop(t, e2e_pid(p)); /* it shall not see the shim die */
    assert_int_equal(kill(shim, SIGKILL), 0);
    assert_int_equal(kill(e2e_pid(p), SIGKILL), 0);
    e2e_wait(p, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_SHIM);
    assert_true(e2e_is_alive(job));
    (void)gate; /* stays open: the job reads on, and gets nothing */
    return job;
}

static void a_job_that_outlived_both_is_ended_before_its_node_runs_again(void **state)
{
    struct e2e *t = *state;
    pid_t job;

    e2e_flights(t);
    job = orphan(t);
    e2e_plan_is(t, hour, "bronze 2024-01-01T21 1/1 interrupted*\n");
    assert_true(e2e_is_alive(job)); /* a plan ends nothing */
    e2e_remove(t, "do");
    e2e_run(t, 0, "run %s", hour);
    assert_false(e2e_is_alive(job));
    assert_true(e2e_is_whole(t, hour));
    assert_false(has_claim(t, hour));
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T21"); /* one after the other */
}

static void of_many_that_would_take_over_a_dead_claim_one_does(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *runs[8], *winner = NULL;
    pid_t job;
    size_t over = 0;
    int gate;

    e2e_flights(t);
    job = orphan(t);
    (void)e2e_jobs(t);
    e2e_gate(t, "b");
    e2e_does(t, "bronze", "read -r x <gate.b\n");
    for (size_t i = 0; i < 8; i++)
        runs[i] = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "b");
    assert_false(e2e_is_alive(job));
    /* The winner's job stands at the gate until all others have given up. */
    for (int i = 0; i < 3000 && over < 7; i++) {
        e2e_pause(t, 10);
        for (size_t j = over = 0; j < 8; j++) {
            over += e2e_is_over(runs[j]);
            winner = e2e_is_over(runs[j]) ? winner : runs[j];
        }
    }
    assert_int_equal(over, 7);
    e2e_gate_let_go(gate);
    for (size_t i = 0; i < 8; i++)
        e2e_wait(runs[i], runs[i] == winner ? 0 : 4);
    e2e_ran(t, hour);
    assert_true(e2e_is_whole(t, hour));
    assert_false(has_claim(t, hour));
}

static void a_claim_that_was_cut_short_is_dead_and_taken_over(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_write(t, "warehouse/_stagegraph/claims/bronze/2024-01-01T21", "{\"stagegraph_cl");
    e2e_write(t, "warehouse/_stagegraph/claims/bronze/2024-01-01T22", "");
    e2e_plan_is(t, "--only bronze",
                "bronze 2024-01-01T21..2024-01-01T22 2/2 interrupted*\n"
                "bronze 2024-01-01T23 1/1 missing\n");
    e2e_run(t, 0, "run --only bronze");
    assert_false(has_claim(t, hour));
    assert_false(has_claim(t, "bronze@2024-01-01T22"));
}

/* The claim of an attempt that is over, as a run killed before its last step leaves it. */
static void leave_claim(struct e2e *t, unsigned attempt)
{
    const char *run = strstr(e2e_read(t, e2e_marker(t, hour)), "\"run\":\"");

    assert_non_null(run);
    run += strlen("\"run\":\"");
    e2e_write(t, "warehouse/_stagegraph/claims/bronze/2024-01-01T21",
              e2e_text(t,
                       "{\"stagegraph_claim\":1,\"node\":\"%s\",\"run\":\"%.*s\",\"attempt\":%u,"
                       "\"host\":\"here\",\"boot\":\"0\",\"pid\":1,"
                       "\"started\":\"2024-01-01T00:00:00Z\","
                       "\"nonce\":\"00000000000000000000000000000000\"}\n",
                       hour, (int)strcspn(run, "\""), run, attempt));
}

static void a_dead_claim_beside_its_own_receipt_makes_nothing_stale(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run %s", hour);
    (void)e2e_jobs(t);
    leave_claim(t, 1);
    e2e_run(t, 0, "plan --exit-code %s", hour);
    e2e_run(t, 0, "run %s", hour);
    e2e_ran(t, "");
    /* Of any other attempt it does. */
    leave_claim(t, 2);
    e2e_run(t, 6, "plan --exit-code %s", hour);
    e2e_run(t, 0, "run %s", hour);
    e2e_ran(t, hour);
    assert_false(has_claim(t, hour));
}

static void a_dead_claim_beside_its_own_receipt_is_dropped_by_the_next_run(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run %s", hour);
    leave_claim(t, 1);
    e2e_run(t, 0, "run %s", hour);
    assert_false(has_claim(t, hour));
}

static void a_kept_marker_says_running_while_it_does_and_never_counts(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nkeep_marker = yes\n");
    e2e_run(t, 0, "run %s", hour);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "read -r x <gate.a\n");
    p = e2e_start(t, "run --force %s", hour);
    (void)e2e_gate_reached(t, "a");
    e2e_says(e2e_read(t, e2e_marker(t, hour)), "\"state\":\"running\"");
    e2e_kill(p, SIGKILL);
    e2e_wait(p, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_ALL);
    e2e_remove(t, "warehouse/_stagegraph/claims");
    e2e_plan_is(t, hour, "bronze 2024-01-01T21 1/1 interrupted*\n");
    e2e_remove(t, "do");
    e2e_run(t, 0, "run %s", hour);
    assert_true(e2e_has_receipt(t, hour));
}

static void what_a_kill_left_of_a_marker_goes_with_the_next_attempt(void **state)
{
    struct e2e *t = *state;
    const char *left;

    e2e_flights(t);
    left = e2e_text(t, "%s/._SUCCESS.0123456789abcdef.tmp", e2e_output(t, hour));
    e2e_run(t, 0, "run %s", hour);
    e2e_write(t, left, "{\"stagegraph\":1,");
    e2e_run(t, 0, "run --force %s", hour);
    assert_false(e2e_exists(t, left));
    /* Here the marker isn't removed, but replaced. */
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nkeep_marker = yes\n");
    e2e_write(t, left, "{\"stagegraph\":1,");
    e2e_run(t, 0, "run --force %s", hour);
    assert_false(e2e_exists(t, left));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(without_its_executor_the_job_is_ended_by_the_shim),
        e2e_test(without_its_shim_the_job_is_ended_by_the_executor),
        e2e_test(a_job_that_outlived_both_is_ended_before_its_node_runs_again),
        e2e_test(of_many_that_would_take_over_a_dead_claim_one_does),
        e2e_test(a_claim_that_was_cut_short_is_dead_and_taken_over),
        e2e_test(a_dead_claim_beside_its_own_receipt_makes_nothing_stale),
        e2e_test(a_dead_claim_beside_its_own_receipt_is_dropped_by_the_next_run),
        e2e_test(a_kept_marker_says_running_while_it_does_and_never_counts),
        e2e_test(what_a_kill_left_of_a_marker_goes_with_the_next_attempt),
        e2e_test(the_executor_may_be_killed_at_any_step),
        e2e_test(the_shim_may_be_killed_at_any_step),
        e2e_test(both_may_be_killed_at_any_step),
    };

    return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
