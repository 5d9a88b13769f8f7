/*
 * signals: TERM in each phase of a run, as a service manager sends it, and a run as the first
 * process of a container.
 */
#include "fixture.h"

#include <unistd.h>

static const char hour[] = "bronze@2024-01-01T21";
static const char *const nodes[] = { "bronze@2024-01-01T21", "silver@2024-01-01T21" };

static void assert_no_claims(struct e2e *t, const char *when)
{
    if (system(e2e_text(t, "find %s/warehouse/_stagegraph/claims -type f 2>/dev/null | grep -q .",
                        t->dir)) == 0)
        fail_msg("%s: a claim is left", when);
}

/* ---- TERM at every step */

static void start_over(struct e2e *t)
{
    e2e_remove(t, "warehouse/bronze");
    e2e_remove(t, "warehouse/silver");
    e2e_remove(t, "warehouse/_stagegraph");
    e2e_remove(t, ".stagegraph");
    e2e_remove(t, "ran");
    t->ran_seen = 0;
}

static long run_to_silver(struct e2e *t, const char *who, long at)
{
    const char *const argv[] = { e2e_text(t, "%s/killat", getenv("TEST_HELPERS")),
                                 who,
                                 e2e_text(t, "%ld", at),
                                 "killat.log",
                                 getenv("STAGEGRAPH_BIN"),
                                 "run",
                                 "--json=events",
                                 "silver@2024-01-01T21",
                                 NULL };

    e2e_wait(e2e_start_argv(t, argv), E2E_ANY);
    return t->status == 125 ? -1 : (long)e2e_count(e2e_read(t, "killat.log"), "\n");
}

static void one_term(struct e2e *t, long at)
{
    const char *when = e2e_text(t, "TERM at call %ld", at), *events;

    start_over(t);
    (void)run_to_silver(t, "term", at);
    /* Dies of it; only where it came after the last look is it too late. */
    if (t->status != 128 + SIGTERM && t->status != 0)
        e2e_fail(t, "%s: status %d", when, t->status);
    e2e_until_gone(t, E2E_ALL);
    assert_no_claims(t, when);
    events = e2e_read(t, "events");
    e2e_says(events, "\"event\":\"run_finished\"");
    for (size_t i = 0; i < 2; i++) {
        bool done = e2e_has_receipt(t, nodes[i]);

        if (done && !e2e_is_whole(t, nodes[i]))
            fail_msg("%s: %s has a receipt and is not whole", when, nodes[i]);
        if (!done && t->status == 0)
            e2e_fail(t, "%s: status 0 without %s", when, nodes[i]);
    }
    e2e_run(t, 0, "status");
    e2e_says_not(t->out, "silver@2024-01-01T21"); /* nothing lingers */
    e2e_run(t, 0, "run silver@2024-01-01T21");
    (void)e2e_jobs(t);
    for (size_t i = 0; i < 2; i++)
        if (!e2e_is_whole(t, nodes[i]) || !e2e_has_receipt(t, nodes[i]))
            fail_msg("%s: %s is not made by the next run", when, nodes[i]);
}

static void term_may_come_at_any_step(void **state)
{
    struct e2e *t = *state;
    const char *all = getenv("E2E_SWEEP"), *seed = getenv("E2E_SEED");
    long n, step;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "sync = no", "sync = yes");
    e2e_setenv(t, "ASAN_OPTIONS", "detect_leaks=0"); /* it can't work under ptrace */
    n = run_to_silver(t, "none", 0);
    if (n < 0) {
        print_message("SKIPPED: ptrace is not permitted here: no TERM was sent\n");
        skip();
    }
    if (t->status != 0 || n < 20)
        e2e_fail(t, "without a signal: status %d after %ld calls", t->status, n);
    step = all != NULL && strcmp(all, "all") == 0 ? 1 : n / 25 + 1;
    for (long at = 1 + (seed == NULL ? 0 : atol(seed) % step); at <= n; at += step)
        one_term(t, at);
}

/* ---- phases that last */

static void term_while_the_output_is_checked(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ncheck = sh check.sh\n");
    e2e_write(t, "check.sh", "echo $$ >check.pid\nsleep 1000\n");
    p = e2e_start(t, "run --json=events %s", hour);
    (void)e2e_pid_in(t, "check.pid");
    e2e_kill(p, SIGTERM);
    e2e_wait(p, E2E_DIED(SIGTERM));
    assert_false(e2e_is_alive(e2e_pid_in(t, "check.pid")));
    assert_no_claims(t, "check");
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
    e2e_says(e2e_read(t, "events"), "\"result\":\"interrupted\"");
}

/* The job's work is not thrown away for the seconds that its version takes. */
static void term_when_the_job_has_ended_and_its_version_is_to_be_taken(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "mkdir -p $out\ntruncate -s 64M $out/more\nread -r x <gate.a\n");
    p = e2e_start(t, "run --json=events %s", hour);
    (void)e2e_gate_reached(t, "a");
    e2e_stop(t, e2e_pid(p)); /* so that it hears of both at once */
    e2e_gate_open(t, "a");
    e2e_until_gone(t, E2E_JOB);
    e2e_until_gone(t, E2E_SHIM);
    e2e_kill(p, SIGTERM);
    e2e_kill(p, SIGCONT);
    e2e_wait(p, E2E_DIED(SIGTERM));
    assert_no_claims(t, "version");
    assert_true(e2e_has_receipt(t, hour));
    e2e_says(e2e_read(t, "events"), "\"result\":\"ok\"");
    e2e_run(t, 0, "plan --exit-code %s", hour);
}

/* A service manager has little patience, and 40 GiB take their time even where they are a hole. */
static void a_second_signal_ends_the_versioning(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "mkdir -p $out\ntruncate -s 40G $out/more\nread -r x <gate.a\n");
    p = e2e_start(t, "run --json=events %s", hour);
    (void)e2e_gate_reached(t, "a");
    e2e_gate_open(t, "a");
    e2e_until_gone(t, E2E_JOB);
    e2e_until_gone(t, E2E_SHIM);
    e2e_kill(p, SIGINT);
    e2e_kill(p, SIGTERM);
    e2e_wait(p, E2E_DIED(SIGINT));
    assert_no_claims(t, "version");
    assert_false(e2e_has_receipt(t, hour));
    e2e_says(e2e_read(t, "events"), "\"result\":\"interrupted\"");
    e2e_run(t, 6, "plan --exit-code %s", hour);
}

static void term_between_two_attempts(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n",
             "[stage bronze]\nretries = 3\nbackoff = 10m\n");
    e2e_does(t, "bronze", "exit 1\n");
    p = e2e_start(t, "run --json=events %s", hour);
    e2e_until(p, "Trying again in");
    e2e_kill(p, SIGTERM);
    e2e_wait(p, E2E_DIED(SIGTERM));
    assert_no_claims(t, "backoff");
    e2e_ran(t, hour);
    e2e_says(e2e_read(t, "events"), "\"event\":\"run_finished\"");
}

static void term_while_it_waits_for_another_run(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p, *waits;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "echo $$ >job.pid\nread -r x <gate.a\n");
    p = e2e_start(t, "run %s", hour);
    (void)e2e_pid_in(t, "job.pid");
    waits = e2e_start(t, "run --wait --json=events %s", hour);
    e2e_until_exists(t, "events");
    e2e_pause(t, 200); /* it has asked once */
    assert_false(e2e_is_over(waits));
    e2e_kill(waits, SIGTERM);
    e2e_wait(waits, E2E_DIED(SIGTERM));
    e2e_gate_open(t, "a"); /* the other is not disturbed */
    e2e_wait(p, 0);
    e2e_ran(t, hour);
    assert_true(e2e_is_whole(t, hour));
    assert_no_claims(t, "--wait");
}

static void term_while_a_dead_claim_is_taken_over(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    pid_t job;

    e2e_flights(t);
    /* What the shell says of the sleep that TERM ended, nobody reads any more. */
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ngrace = 1s\n");
    e2e_does(t, "bronze",
             "trap '' PIPE\ntrap 'echo >got.term' TERM\necho $$ >job.pid\n"
             "while :; do sleep 0.05; done\n");
    p = e2e_start(t, "run %s", hour);
    job = e2e_pid_in(t, "job.pid");
    /* Both die, and the job lives on. */
    {
        pid_t shim = e2e_find_one(t, E2E_SHIM);

        e2e_stop(t, shim);
        e2e_kill(p, SIGKILL);
        assert_int_equal(kill(shim, SIGKILL), 0);
    }
    e2e_wait(p, E2E_DIED(SIGKILL));
    while (!e2e_exists(t, "got.term")) /* the kernel told it of its shim's death */
        e2e_pause(t, 5);
    e2e_remove(t, "got.term");
    p = e2e_start(t, "run --json=events %s", hour);
    e2e_until_exists(t, "got.term"); /* it is being ended for the next one */
    e2e_kill(p, SIGTERM);
    e2e_wait(p, E2E_DIED(SIGTERM));
    assert_false(e2e_is_alive(job));
    assert_no_claims(t, "taking over");
    e2e_ran(t, hour); /* once: it didn't begin its own */
    e2e_remove(t, "do");
    e2e_run(t, 0, "run %s", hour);
    assert_true(e2e_is_whole(t, hour));
}

/* ---- the first process of a container */

/* "unshare" with its options, or NULL where no process may make a pid namespace. */
static const char *const *container(struct e2e *t)
{
    static const char *const ways[][8] = {
        { "/usr/bin/unshare", "--pid", "--fork", "--mount-proc", NULL },
        { "/usr/bin/unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc",
          NULL },
    };

    for (size_t i = 0; i < 2; i++) {
        const char *argv[16] = { NULL };
        size_t n = 0;

        for (; ways[i][n] != NULL; n++)
            argv[n] = ways[i][n];
        argv[n] = "/bin/true";
        if (access(argv[0], X_OK) != 0)
            continue;
        e2e_wait(e2e_start_argv(t, argv), E2E_ANY);
        if (t->status == 0)
            return ways[i];
    }
    print_message("SKIPPED: no pid namespace can be made here: nothing ran as PID 1\n");
    return NULL;
}

static struct e2e_proc *start_first(struct e2e *t, const char *const *way, const char *a,
                                    const char *b)
{
    const char *argv[16] = { NULL };
    size_t n = 0;

    for (; way[n] != NULL; n++)
        argv[n] = way[n];
    argv[n++] = getenv("STAGEGRAPH_BIN");
    argv[n++] = a;
    argv[n++] = b;
    return e2e_start_argv(t, argv);
}

/* The first process of the container, as it is called out here. */
static pid_t first_of(struct e2e *t, struct e2e_proc *p)
{
    const char *path = e2e_text(t, "/proc/%d/task/%d/children", (int)e2e_pid(p), (int)e2e_pid(p));
    FILE *f = fopen(path, "re");
    int pid = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    (void)fclose(f);
    return (pid_t)pid;
}

static void as_pid_1_it_runs_and_its_exit_statuses_are_right(void **state)
{
    struct e2e *t = *state;
    const char *const *way = container(t);

    if (way == NULL)
        skip();
    e2e_flights(t);
    /* A daemon that has left its session and its parent is ended and reported. */
    e2e_does(t, "bronze",
             "[ \"$(ps -o comm= -p 1)\" = stagegraph ] || echo not in a container\n"
             "(setsid sleep 1000 >/dev/null 2>&1 &)\n");
    e2e_wait(start_first(t, way, "run", hour), 0);
    e2e_says_not(t->out, "not in a container");
    assert_true(e2e_is_whole(t, hour));
    e2e_says(t->err, "ended 1 process that outlived the command");
    e2e_until_gone(t, E2E_ALL);
    e2e_does(t, "bronze", "exit 1\n");
    e2e_wait(start_first(t, way, "run", "--force"), 1);
    e2e_until_gone(t, E2E_ALL);
    assert_no_claims(t, "PID 1");
}

static void as_pid_1_term_ends_it_with_143(void **state)
{
    struct e2e *t = *state;
    const char *const *way = container(t);
    struct e2e_proc *p;

    if (way == NULL)
        skip();
    e2e_flights(t);
    e2e_does(t, "bronze", "(setsid sleep 1000 >/dev/null 2>&1 &)\necho >begun\nsleep 1000\n");
    p = start_first(t, way, "run", "--json=events");
    e2e_until_exists(t, "begun");
    assert_int_equal(kill(first_of(t, p), SIGTERM), 0);
    e2e_wait(p, 128 + SIGTERM); /* it can't die of it: nobody's default action reaches PID 1 */
    e2e_until_gone(t, E2E_ALL);
    assert_no_claims(t, "PID 1");
    e2e_says(e2e_read(t, "events"), "\"event\":\"run_finished\"");
    e2e_says(t->out, "FULL PIPELINE INTERRUPTED");
}

static void as_pid_1_it_reaps_what_others_leave_there(void **state)
{
    struct e2e *t = *state;
    const char *const *way = container(t);
    struct e2e_proc *p;
    pid_t first;

    if (way == NULL)
        skip();
    if (strcmp(way[1], "--pid") != 0) {
        print_message("SKIPPED: without root no process can be put into the container\n");
        skip();
    }
    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "echo >begun\nread -r x <gate.a\n");
    p = start_first(t, way, "run", hour);
    e2e_until_exists(t, "begun");
    first = first_of(t, p);
    {
        /* As `docker exec` does: its orphan falls to PID 1, and ends. */
        const char *const argv[] = { "/usr/bin/nsenter",
                                     "--target",
                                     e2e_text(t, "%d", (int)first),
                                     "--pid",
                                     "--mount",
                                     "/bin/sh",
                                     "-c",
                                     "(sh -c 'echo $$ >orphan; sleep 0.1' &) && "
                                     "until [ -s orphan ]; do sleep 0.01; done",
                                     NULL };

        e2e_wait(e2e_start_argv(t, argv), 0);
    }
    /* Gone, not a zombie, while the job goes on. */
    for (int64_t waited = 0;; waited += 20) {
        const char *const argv[] = {
            "/usr/bin/nsenter", "--target", e2e_text(t, "%d", (int)first),   "--pid", "--mount",
            "/bin/sh",          "-c",       "test ! -e /proc/$(cat orphan)", NULL
        };

        e2e_wait(e2e_start_argv(t, argv), E2E_ANY);
        if (t->status == 0)
            break;
        if (waited > E2E_PATIENCE_MS / 4)
            e2e_fail(t, "the orphan is not reaped");
        e2e_pause(t, 20);
    }
    assert_false(e2e_is_over(p));
    e2e_gate_open(t, "a");
    e2e_wait(p, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(term_may_come_at_any_step),
        e2e_test(term_while_the_output_is_checked),
        e2e_test(term_when_the_job_has_ended_and_its_version_is_to_be_taken),
        e2e_test(a_second_signal_ends_the_versioning),
        e2e_test(term_between_two_attempts),
        e2e_test(term_while_it_waits_for_another_run),
        e2e_test(term_while_a_dead_claim_is_taken_over),
        e2e_test(as_pid_1_it_runs_and_its_exit_statuses_are_right),
        e2e_test(as_pid_1_term_ends_it_with_143),
        e2e_test(as_pid_1_it_reaps_what_others_leave_there),
    };

    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
