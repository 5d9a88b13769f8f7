/*
 * partial: a day that is run after each of its hours, and becomes a finished one when it is over.
 */
#include "fixture.h"

/* Hours → gold, a day that may run before it is over → report, which takes finished days alone. */
static const char days[] = //
    "[graph]\n"
    "name      = days\n"
    "start     = 2024-01-01\n"
    "partition = hour\n"
    "delay     = 5m\n"
    "%s"
    "[store]\n"
    "root = warehouse\n"
    "sync = no\n"
    "[source landing]\n"
    "path   = landing/dt=${ds}/hr=${HH}\n"
    "marker = _DONE\n"
    "[stage silver]\n"
    "needs   = landing\n"
    "command = sh job.sh ${node} ${output}\n"
    "output  = silver/dt=${ds}/hr=${HH}\n"
    "[stage gold]\n"
    "partition = day\n"
    "partial   = yes\n"
    "needs     = silver\n"
    "command   = sh job.sh ${node} ${output}\n"
    "output    = gold/dt=${ds}\n"
    "%s"
    "[stage report]\n"
    "partition = day\n"
    "needs     = gold\n"
    "command   = sh job.sh ${node} ${output}\n"
    "output    = report/dt=${ds}\n"
    "[profile hourly]\n"
    "window   = 1\n"
    "lookback = 24\n"
    "order    = newest\n"
    "stale    = missing interrupted damaged input upstream\n";

static void begin(struct e2e *t, const char *graph_keys, const char *gold_keys)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    e2e_write(t, "stagegraph.ini", e2e_text(t, days, graph_keys, gold_keys));
#pragma GCC diagnostic pop
    e2e_job_script(t);
}

static void at(struct e2e *t, const char *utc)
{
    e2e_setenv(t, "STAGEGRAPH_NOW", utc);
}

static bool has(struct e2e *t, const char *node, const char *marker)
{
    return e2e_exists(t, e2e_text(t, "%s/%s", e2e_output(t, node), marker));
}

static void after_each_hour_today_is_run_and_at_its_end_it_is_a_finished_day(void **state)
{
    struct e2e *t = *state;

    begin(t, "", "");
    for (int h = 0; h < 24; h++) {
        e2e_land(t, e2e_text(t, "2024-01-01T%02d", h), e2e_text(t, "rows %d\n", h));
        at(t, h < 23 ? e2e_text(t, "2024-01-01T%02d:10Z", h + 1) : "2024-01-02T00:10Z");
        e2e_run(t, 0, "hourly");
        e2e_ran(t, e2e_text(t,
                            h < 23 ? "silver@2024-01-01T%02d gold@2024-01-01"
                                   : "silver@2024-01-01T%02d gold@2024-01-01 "
                                     "report@2024-01-01",
                            h));
        assert_true(has(t, "gold@2024-01-01", "_PARTIAL") == (h < 23));
        assert_true(has(t, "gold@2024-01-01", "_SUCCESS") == (h == 23));
        assert_int_equal(
            e2e_count(e2e_read(t, e2e_text(t, "%s/data", e2e_output(t, "gold@2024-01-01"))),
                      "silver@"),
            h + 1);
        e2e_run(t, 0, "hourly"); /* nothing came since */
        e2e_ran(t, "");
    }
    assert_true(e2e_has_receipt(t, "gold@2024-01-01"));
    /* The next day begins with its first hour. */
    at(t, "2024-01-02T01:10Z");
    e2e_land(t, "2024-01-02T00", "rows\n");
    e2e_run(t, 0, "hourly");
    e2e_ran(t, "silver@2024-01-02T00 gold@2024-01-02");
}

static void land_day(struct e2e *t)
{
    for (int h = 0; h < 24; h++)
        e2e_land(t, e2e_text(t, "2024-01-01T%02d", h), "rows\n");
}

static void a_day_that_ran_with_all_of_its_hours_is_renamed(void **state)
{
    struct e2e *t = *state;
    const char *receipt;

    begin(t, "", "delay = 2h\n");
    land_day(t);
    at(t, "2024-01-02T00:10Z");
    e2e_run(t, 0, "run");
    assert_int_equal(e2e_count(e2e_jobs(t), "@"), 25);
    assert_true(has(t, "gold@2024-01-01", "_PARTIAL"));
    receipt = e2e_read(t, "warehouse/gold/dt=2024-01-01/_PARTIAL");
    at(t, "2024-01-02T02:10Z");
    e2e_run(t, 2, "run report@2024-01-01 --now nonsense");
    /* Whoever takes it as it is finds no day there. */
    e2e_run(t, 0, "plan --only report");
    e2e_has_line(t->out, "*gold@2024-01-01*");
    e2e_run(t, 0, "plan --only gold --to 2024-01-01 --exit-code");
    e2e_ran(t, "");
    /* Alone, then with what needs it. */
    e2e_run(t, 0, "run --only gold --to 2024-01-01");
    e2e_ran(t, "");
    e2e_has_line(t->out, "*COMPLETED*gold@2024-01-01*");
    assert_false(has(t, "gold@2024-01-01", "_PARTIAL"));
    assert_string_equal(e2e_read(t, e2e_marker(t, "gold@2024-01-01")), receipt);
    e2e_run(t, 0, "run --to 2024-01-01");
    e2e_ran(t, "report@2024-01-01");
    e2e_run(t, 0, "run --to 2024-01-01");
    e2e_ran(t, "");
    e2e_says_not(t->out, "COMPLETED");
}

static void what_needs_the_day_runs_after_the_rename(void **state)
{
    struct e2e *t = *state;

    begin(t, "", "delay = 2h\n");
    land_day(t);
    at(t, "2024-01-02T00:10Z");
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    at(t, "2024-01-02T02:10Z");
    e2e_run(t, 0, "run --to 2024-01-01 --json");
    e2e_ran(t, "report@2024-01-01");
    e2e_has_line(t->out, "*node_skipped*gold@2024-01-01*completed*");
    assert_true(e2e_has_receipt(t, "gold@2024-01-01"));
    assert_false(has(t, "gold@2024-01-01", "_PARTIAL"));
}

/* Yesterday ran with all of its hours, by code that has changed since; it is due now. */
static void a_day_of_other_code(struct e2e *t)
{
    begin(t, "", "delay = 2h\ncode = gold.txt\n");
    e2e_write(t, "gold.txt", "one\n");
    land_day(t);
    at(t, "2024-01-02T00:10Z");
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    e2e_write(t, "gold.txt", "two\n");
    at(t, "2024-01-02T02:10Z");
}

/* An hourly run is not asked for code, and its users want the day. */
static void a_day_of_other_code_is_completed_and_stays_debt(void **state)
{
    struct e2e *t = *state;
    const char *receipt;

    a_day_of_other_code(t);
    receipt = e2e_read(t, "warehouse/gold/dt=2024-01-01/_PARTIAL");
    e2e_plan_is(t, "--profile hourly --date 2024-01-01", "report 2024-01-01 1/1 missing\n");
    e2e_run(t, 0, "run --profile hourly --date 2024-01-01");
    e2e_ran(t, "report@2024-01-01");
    assert_string_equal(e2e_read(t, e2e_marker(t, "gold@2024-01-01")), receipt);
    assert_false(has(t, "gold@2024-01-01", "_PARTIAL"));
    e2e_says(t->out, "1 gold outdated by code");
    e2e_run(t, 0, "run --date 2024-01-01 --stale=code");
    e2e_ran(t, "gold@2024-01-01");
}

/* Changed inputs are a reason that a run without `input` leaves: no finished day. */
static void a_day_of_other_inputs_is_not_completed(void **state)
{
    struct e2e *t = *state;

    begin(t, "", "delay = 2h\n");
    land_day(t);
    at(t, "2024-01-02T00:10Z");
    e2e_run(t, 0, "run");
    e2e_land(t, "2024-01-01T05", "late rows\n");
    e2e_run(t, 0, "run --only silver");
    (void)e2e_jobs(t);
    at(t, "2024-01-02T02:10Z");
    e2e_run(t, 3, "run --date 2024-01-01 --stale=missing,code");
    e2e_ran(t, "");
    assert_true(has(t, "gold@2024-01-01", "_PARTIAL"));
    assert_false(has(t, "gold@2024-01-01", "_SUCCESS"));
}

static void a_day_of_other_code_is_accepted_as_finished(void **state)
{
    struct e2e *t = *state;

    a_day_of_other_code(t);
    e2e_run(t, 0, "accept --reason code --only gold --date 2024-01-01");
    e2e_says(t->out, "Accepted 1 node");
    assert_true(e2e_has_receipt(t, "gold@2024-01-01"));
    assert_false(has(t, "gold@2024-01-01", "_PARTIAL"));
    e2e_run(t, 0, "run --date 2024-01-01");
    e2e_ran(t, "report@2024-01-01");
}

/* One run of killat: at the k-th system call that matters; -1: not permitted. */
static long completed_and_killed(struct e2e *t, long k)
{
    const char *const argv[] = { e2e_text(t, "%s/killat", getenv("TEST_HELPERS")),
                                 "executor",
                                 e2e_text(t, "%ld", k),
                                 "killat.log",
                                 getenv("STAGEGRAPH_BIN"),
                                 "run",
                                 "--only=gold",
                                 "--date=2024-01-01",
                                 NULL };

    e2e_wait(e2e_start_argv(t, argv), E2E_ANY);
    return t->status == 125 ? -1 : (long)e2e_count(e2e_read(t, "killat.log"), "\n");
}

static void copy(struct e2e *t, const char *from, const char *to)
{
    e2e_remove(t, to);
    e2e_wait(e2e_start_argv(t, (const char *const[]){ "/bin/cp", "-a", e2e_path(t, from),
                                                      e2e_path(t, to), NULL }),
             0);
}

static void killed_after_the_rename_it_is_finished(void **state)
{
    struct e2e *t = *state;
    long n, renamed = 0;

    begin(t, "", "delay = 2h\n");
    e2e_setenv(t, "ASAN_OPTIONS", "detect_leaks=0");
    land_day(t);
    at(t, "2024-01-02T00:10Z");
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    at(t, "2024-01-02T02:10Z");
    copy(t, "warehouse", "before");
    n = completed_and_killed(t, 1000000);
    if (n < 0) {
        print_message("SKIPPED: ptrace is not permitted here: nothing was killed\n");
        skip();
    }
    assert_int_equal(t->status, 0);
    for (long k = n; k > 0; k--) { /* from the end back to the rename */
        copy(t, "before", "warehouse");
        (void)completed_and_killed(t, k);
        if (!has(t, "gold@2024-01-01", "_SUCCESS"))
            break;
        renamed += e2e_exists(t, "warehouse/_stagegraph/claims/gold/2024-01-01");
        e2e_run(t, 0, "run --only=gold --date=2024-01-01");
        e2e_ran(t, "");
    }
    assert_true(renamed > 0);
}

static void late_data_make_the_finished_day_run(void **state)
{
    struct e2e *t = *state;

    begin(t, "", "delay = 2h\n");
    land_day(t);
    at(t, "2024-01-02T00:10Z");
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    e2e_land(t, "2024-01-01T05", "late rows\n");
    at(t, "2024-01-02T02:10Z");
    e2e_run(t, 0, "run --to 2024-01-01");
    e2e_ran(t, "silver@2024-01-01T05 gold@2024-01-01 report@2024-01-01");
    assert_false(has(t, "gold@2024-01-01", "_PARTIAL"));
}

static void an_hour_that_never_came_blocks_the_finished_day(void **state)
{
    struct e2e *t = *state;

    begin(t, "", "");
    for (int h = 0; h < 23; h++)
        e2e_land(t, e2e_text(t, "2024-01-01T%02d", h), "rows\n");
    at(t, "2024-01-01T23:10Z");
    e2e_run(t, 0, "run");
    assert_int_equal(e2e_count(e2e_jobs(t), "@"), 24);
    at(t, "2024-01-02T00:10Z");
    e2e_run(t, 3, "run");
    e2e_ran(t, "");
    assert_false(has(t, "gold@2024-01-01", "_SUCCESS"));
    e2e_land(t, "2024-01-01T23", "rows\n");
    e2e_run(t, 0, "run");
    e2e_ran(t, "silver@2024-01-01T23 gold@2024-01-01 report@2024-01-01");
}

/* Spark leaves a marker of its own; an unfinished day must not pass for a finished one by it. */
static void the_marker_that_the_job_leaves_goes(void **state)
{
    struct e2e *t = *state;

    begin(t, "", "");
    e2e_land(t, "2024-01-01T00", "rows\n");
    e2e_does(t, "gold", "mkdir -p \"$out\"; : >\"$out/_SUCCESS\"\n");
    at(t, "2024-01-01T01:10Z");
    e2e_run(t, 0, "run");
    e2e_ran(t, "silver@2024-01-01T00 gold@2024-01-01");
    assert_false(has(t, "gold@2024-01-01", "_SUCCESS"));
    assert_true(has(t, "gold@2024-01-01", "_PARTIAL"));
    /* And after a failure neither of the two is left. */
    e2e_land(t, "2024-01-01T01", "rows\n");
    e2e_does(t, "gold", "mkdir -p \"$out\"; : >\"$out/_SUCCESS\"; exit 3\n");
    at(t, "2024-01-01T02:10Z");
    e2e_run(t, 1, "run");
    assert_false(has(t, "gold@2024-01-01", "_SUCCESS"));
    assert_false(has(t, "gold@2024-01-01", "_PARTIAL"));
}

static void a_named_day_may_run_when_it_has_begun(void **state)
{
    struct e2e *t = *state;

    begin(t, "", "");
    e2e_land(t, "2024-01-01T00", "rows\n");
    at(t, "2024-01-01T00:30Z");
    e2e_run(t, 2, "run gold@2024-01-01");
    e2e_says(t->err, "not due before 2024-01-01T01:05");
    at(t, "2024-01-01T01:10Z");
    e2e_run(t, 0, "run gold@2024-01-01");
    e2e_ran(t, "silver@2024-01-01T00 gold@2024-01-01");
    e2e_run(t, 0, "run gold@2024-01-01 --force");
    e2e_ran(t, "gold@2024-01-01");
    e2e_run(t, 2, "run report@2024-01-01");
    e2e_run(t, 0, "explain gold@2024-01-01");
    e2e_says(t->out, "fresh");
}

/* A local day of 25 hours, whose zone is two hours ahead at its beginning and one at its end. */
static void a_day_is_as_long_as_its_zone_says(void **state)
{
    struct e2e *t = *state;

    begin(t, "timezone = Europe/Berlin\n", "");
    for (int h = 0; h < 25; h++) {
        int hour = 22 + h; /* UTC, from 2024-10-26T22 */
        const char *day = hour < 24 ? "2024-10-26" : "2024-10-27";
        int next = hour + 1;

        e2e_land(t, e2e_text(t, "%sT%02d", day, hour % 24), "rows\n");
        at(t, e2e_text(t, "2024-10-%02dT%02d:10Z", 26 + next / 24, next % 24));
        e2e_run(t, 0, "run --from 2024-10-27");
        assert_true(has(t, "gold@2024-10-27", "_SUCCESS") == (h == 24));
        assert_true(has(t, "gold@2024-10-27", "_PARTIAL") == (h < 24));
    }
    assert_int_equal(e2e_count(e2e_jobs(t), "report@2024-10-27"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(after_each_hour_today_is_run_and_at_its_end_it_is_a_finished_day),
        e2e_test(a_day_that_ran_with_all_of_its_hours_is_renamed),
        e2e_test(what_needs_the_day_runs_after_the_rename),
        e2e_test(a_day_of_other_code_is_completed_and_stays_debt),
        e2e_test(a_day_of_other_inputs_is_not_completed),
        e2e_test(a_day_of_other_code_is_accepted_as_finished),
        e2e_test(killed_after_the_rename_it_is_finished),
        e2e_test(late_data_make_the_finished_day_run),
        e2e_test(an_hour_that_never_came_blocks_the_finished_day),
        e2e_test(the_marker_that_the_job_leaves_goes),
        e2e_test(a_named_day_may_run_when_it_has_begun),
        e2e_test(a_day_is_as_long_as_its_zone_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
