/*
 * output: nothing that a job prints is lost, doubled or reordered, whoever reads it and how.
 *
 * E2E_OUTPUT_MIB says how much goes through in all (64; the whole amount of the contract is 1024).
 */
#include "fixture.h"

static const char hour[] = "bronze@2024-01-01T21";
static const char *const hours[] = { "bronze@2024-01-01T20", "bronze@2024-01-01T21",
                                     "bronze@2024-01-01T22", "bronze@2024-01-01T23" };
#define HOURS 4

/* The usual graph with four hours of bronze, whose jobs print so many records each. */
static void graph_of_records(struct e2e *t, unsigned count)
{
    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "start     = 2024-01-01T21", "start     = 2024-01-01T20");
    e2e_land(t, "2024-01-01T20", "d\n");
    e2e_setenv(t, "STAGEGRAPH_BIN", getenv("STAGEGRAPH_BIN"));
    e2e_setenv(t, "RECORDS", e2e_text(t, "%s/records", getenv("TEST_HELPERS")));
    e2e_does(t, "bronze", e2e_text(t, "\"$RECORDS\" write $node %u\n", count));
}

/* What sh runs; its status. */
static void sh(struct e2e *t, int want, const char *script)
{
    const char *const argv[] = { "/bin/sh", "-c", script, NULL };

    e2e_wait(e2e_start_argv(t, argv), want);
}

static char *checker(struct e2e *t, unsigned slow_us, unsigned count)
{
    char *words = e2e_text(t, "\"$RECORDS\" check prefixed %u", slow_us);

    for (int i = 0; i < HOURS; i++)
        words = e2e_text(t, "%s %s %u", words, hours[i], count);
    return words;
}

/* The newest log of each node holds all of it, byte for byte. */
static void logs_are_whole(struct e2e *t, unsigned count)
{
    for (int i = 0; i < HOURS; i++)
        sh(t, 0,
           e2e_text(t,
                    "log=$(ls -t .stagegraph/logs/*/bronze/%s.1.log | head -n 1)\n"
                    "\"$RECORDS\" check plain %s %u <\"$log\"",
                    strchr(hours[i], '@') + 1, hours[i], count));
}

/* Nothing of what goes through is kept but what the reader lags behind. Sanitizers need more. */
static void assert_peak(struct e2e *t, long mib)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    mib *= 8;
#endif
    if (t->peak_kib > mib << 10)
        e2e_fail(t, "took %ld KiB", t->peak_kib);
}

static char *log_of(struct e2e *t, const char *node)
{
    sh(t, 0,
       e2e_text(t, "ls -t .stagegraph/logs/*/bronze/%s.1.log | head -n 1", strchr(node, '@') + 1));
    return e2e_text(t, "%.*s", (int)strcspn(t->out, "\n"), t->out);
}

/* About so many records are a mebibyte: 2,000 bytes on average, and each thousandth is large. */
static unsigned records_of(double mib)
{
    return (unsigned)(mib * (1 << 20) / 2316);
}

static void four_jobs_at_once_lose_double_and_reorder_nothing(void **state)
{
    struct e2e *t = *state;
    const char *mib = getenv("E2E_OUTPUT_MIB");
    unsigned count = records_of((mib != NULL ? atof(mib) : 64) / HOURS);

    graph_of_records(t, count);
    sh(t, 0,
       e2e_text(t, "{ \"$STAGEGRAPH_BIN\" run -j4 --upto bronze; echo $? >status; } | %s",
                checker(t, 0, count)));
    assert_string_equal(e2e_read(t, "status"), "0\n");
    assert_peak(t, 64);
    logs_are_whole(t, count);
}

static void one_job_at_a_time_is_relayed_byte_for_byte(void **state)
{
    struct e2e *t = *state;
    unsigned count = records_of(4);

    graph_of_records(t, count);
    sh(t, 0,
       e2e_text(t,
                "\"$STAGEGRAPH_BIN\" run %s >all || exit 1\n"
                /* between the two rules around it */
                "sed -n '/Output:$/,$p' all | tail -n +3 | head -n %u | \"$RECORDS\" check plain "
                "%s %u",
                hour, count, hour, count));
}

static void a_slow_reader_gets_everything(void **state)
{
    struct e2e *t = *state;
    unsigned count = records_of(4);

    graph_of_records(t, count);
    /* 64 KiB each 15 ms, at most 4 MiB a second: jobs have ended long before it has read all. */
    sh(t, 0,
       e2e_text(t, "{ \"$STAGEGRAPH_BIN\" run -j4 --upto bronze; echo $? >status; } | %s",
                checker(t, 15000, count)));
    assert_string_equal(e2e_read(t, "status"), "0\n");
    assert_peak(t, 48);
    logs_are_whole(t, count);
}

/* Until the run is over; then what it had left in the pipe. */
static const char stopped[] = "{ while [ ! -e status ]; do sleep 0.05; done; cat >/dev/null; }";

static void a_reader_that_has_stopped_holds_up_no_run(void **state)
{
    struct e2e *t = *state;
    unsigned count = records_of(6);

    graph_of_records(t, count);
    e2e_run(t, 0, "plan"); /* the binary is in the cache */
    sh(t, 0, e2e_text(t, "{ \"$STAGEGRAPH_BIN\" run -j4; echo $? >status; } | %s", stopped));
    assert_string_equal(e2e_read(t, "status"), "0\n");
    assert_peak(t, 48);
    logs_are_whole(t, count);
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
}

static void what_a_stopped_reader_did_not_get_is_told(void **state)
{
    struct e2e *t = *state;
    unsigned count = records_of(8);

    graph_of_records(t, count);
    e2e_gate(t, "a");
    e2e_does(t, "silver@2024-01-01T20", "read -r x <gate.a\n");
    e2e_does(t, "silver@2024-01-01T21", "echo >got.there\n");
    e2e_does(t, "silver@2024-01-01T22", "echo >got.there2\n");
    e2e_does(t, "silver@2024-01-01T23", "echo >got.there3\n");
    {
        const char *const argv[] = { "/bin/sh", "-c",
                                     "{ \"$STAGEGRAPH_BIN\" run -j4; echo $? >status; } | "
                                     "{ until [ -e got.there ] && [ -e got.there2 ] && "
                                     "[ -e got.there3 ]; do sleep 0.05; done; "
                                     "echo >reads; tail -n 8; }",
                                     NULL };
        struct e2e_proc *p = e2e_start_argv(t, argv);

        e2e_until_exists(t, "reads");
        e2e_gate_open(t, "a");
        e2e_wait(p, 0);
    }
    assert_string_equal(e2e_read(t, "status"), "0\n");
    e2e_says(t->out, "Total pipeline time"); /* what comes after is shown again */
    logs_are_whole(t, count);
}

static void nobody_reading_stops_no_timeout_and_no_interrupt(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    graph_of_records(t, 1);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ntimeout = 1s\n");
    e2e_does(t, "bronze", "yes nobody reads this\n");
    sh(t, 0, e2e_text(t, "{ \"$STAGEGRAPH_BIN\" run %s; echo $? >status; } | %s", hour, stopped));
    assert_string_equal(e2e_read(t, "status"), "5\n");
    e2e_edit(t, "stagegraph.ini", "timeout = 1s\n", "timeout = 10m\n");
    e2e_does(t, "bronze", "echo $$ >job.pid; yes nobody reads this\n");
    e2e_remove(t, "status");
    {
        const char *const argv[] = {
            "/bin/sh", "-c",
            e2e_text(t,
                     "{ \"$STAGEGRAPH_BIN\" run %s & echo $! >run.pid; wait $!; echo $? >status; } "
                     "| %s",
                     hour, stopped),
            NULL
        };

        p = e2e_start_argv(t, argv);
    }
    (void)e2e_pid_in(t, "job.pid");
    e2e_pause(t, 300); /* the pipe is full */
    assert_int_equal(kill(e2e_pid_in(t, "run.pid"), SIGTERM), 0);
    e2e_wait(p, 0);
    assert_string_equal(e2e_read(t, "status"), "143\n");
    assert_false(e2e_is_alive(e2e_pid_in(t, "job.pid")));
}

static void a_reader_that_has_gone_ends_nothing(void **state)
{
    struct e2e *t = *state;
    unsigned count = records_of(4);

    graph_of_records(t, count);
    sh(t, 0, "{ \"$STAGEGRAPH_BIN\" run -j4; echo $? >status; } | head -c 100000 >/dev/null");
    e2e_until_exists(t, "status");
    assert_string_equal(e2e_read(t, "status"), "0\n");
    assert_string_equal(t->err, "");
    logs_are_whole(t, count);
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
}

/* A line of JSON is nobody's to drop, however long its reader takes. */
static void a_program_that_reads_events_gets_them_all(void **state)
{
    struct e2e *t = *state;
    unsigned count = records_of(8);

    graph_of_records(t, count);
    sh(t, 0,
       "{ \"$STAGEGRAPH_BIN\" run -j4 --upto bronze --json -v 2>/dev/null; echo $? >status; } | "
       "{ sleep 4; tee events | grep -v '^{\"event\".*}$' && exit 1\n"
       "tail -n 1 events | grep -q '\"event\":\"run_finished\"' && "
       "test $(grep -c '\"event\":\"node_finished\"' events) -eq 4; }");
    assert_string_equal(e2e_read(t, "status"), "0\n");
}

/* ---- where standard output is nothing at all */

static void closed_streams_get_nothing_of_ours_into_files(void **state)
{
    static const char *const closed[] = { ">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-" };
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "echo from the job\n");
    e2e_setenv(t, "STAGEGRAPH_BIN", getenv("STAGEGRAPH_BIN"));
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
        e2e_remove(t, "warehouse/bronze");
        e2e_remove(t, "warehouse/silver");
        e2e_remove(t, "warehouse/gold");
        e2e_remove(t, ".stagegraph");
        sh(t, 0, e2e_text(t, "\"$STAGEGRAPH_BIN\" run -j2 --json=events -v %s", closed[i]));
        assert_true(e2e_is_whole(t, "gold@2024-01-01"));
        /* "FULL PIPELINE" is in what is printed alone. */
        sh(t, 1, "grep -rl 'FULL PIPELINE\\|to run,' .stagegraph warehouse events");
        e2e_run(t, 0, "history");
        e2e_says(t->out, "run -j2");
    }
}

static void a_full_disk_behind_the_output_is_told_at_the_end(void **state)
{
    struct e2e *t = *state;
    unsigned count = records_of(1);

    graph_of_records(t, count);
    sh(t, 71, "exec \"$STAGEGRAPH_BIN\" run -j4 >/dev/full");
    e2e_says(t->err, "standard output: No space left on device");
    assert_true(e2e_is_whole(t, "gold@2024-01-01")); /* it went on all the same */
    logs_are_whole(t, count);
    /* Where it failed, that says more. */
    e2e_does(t, "bronze", "exit 1\n");
    sh(t, 1, "exec \"$STAGEGRAPH_BIN\" run -j4 --force >/dev/full");
}

/* ---- long lines, and those without an end */

static void a_line_of_megabytes_is_relayed_whole(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_setenv(t, "STAGEGRAPH_BIN", getenv("STAGEGRAPH_BIN"));
    e2e_does(t, "bronze", "head -c 8000000 /dev/zero | tr '\\0' x; echo; echo after\n");
    sh(t, 0,
       e2e_text(t,
                "\"$STAGEGRAPH_BIN\" run %s >all && grep -c '^x*$' all >n || exit 1\n"
                "test $(grep '^xx*$' all | wc -c) -eq 8000001 && grep -qx after all",
                hour));
    /* Beside others it may be cut; each piece has its node then. */
    sh(t, 0,
       "\"$STAGEGRAPH_BIN\" run -j4 --force --upto bronze >all || exit 1\n"
       "for h in 21 22 23; do\n"
       "    n=$(sed -n \"s/^bronze@2024-01-01T$h | \\(x*\\)$/\\1/p\" all | tr -d '\\n' | wc -c)\n"
       "    [ $n -eq 8000000 ] || { echo $h: $n; exit 1; }\n"
       "done");
}

static void a_line_without_an_end_takes_nothing_of_ours(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "printf 'no end'\n");
    e2e_run(t, 0, "run %s", hour);
    e2e_says(t->out, "---\nno end\n---");
    assert_string_equal(e2e_read(t, e2e_text(t, "%s", log_of(t, hour))), "no end");
    e2e_run(t, 0, "run -j2 --force --upto bronze --from 2024-01-01T21 --to 2024-01-02T00");
    for (int i = 1; i < HOURS; i++)
        e2e_says(t->out, e2e_text(t, "\n%s | no end\n", hours[i]));
    /* To standard error, and our results to standard output. */
    e2e_does(t, "bronze", "printf 'no end' >&2\nexit 1\n");
    e2e_run(t, 1, "run --force %s", hour);
    e2e_says(t->out, "no end\n---");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(four_jobs_at_once_lose_double_and_reorder_nothing),
        e2e_test(one_job_at_a_time_is_relayed_byte_for_byte),
        e2e_test(a_slow_reader_gets_everything),
        e2e_test(a_reader_that_has_stopped_holds_up_no_run),
        e2e_test(what_a_stopped_reader_did_not_get_is_told),
        e2e_test(nobody_reading_stops_no_timeout_and_no_interrupt),
        e2e_test(a_reader_that_has_gone_ends_nothing),
        e2e_test(a_program_that_reads_events_gets_them_all),
        e2e_test(closed_streams_get_nothing_of_ours_into_files),
        e2e_test(a_full_disk_behind_the_output_is_told_at_the_end),
        e2e_test(a_line_of_megabytes_is_relayed_whole),
        e2e_test(a_line_without_an_end_takes_nothing_of_ours),
    };

    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
