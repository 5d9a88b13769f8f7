/*
 * scale: graphs of hundreds of thousands of nodes are ordinary: planned in bounded memory, told in
 * a few lines, nothing that grows with a chain's length on the stack.
 */
#include "fixture.h"

/* A sanitizer's memory is its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PEAK_LIMIT_KIB (4L << 20)
#else
#define PEAK_LIMIT_KIB (256L << 10)
#endif

/* Ten years of hours, three stages: 262,800 nodes. */
static const char decade[] = //
    "[graph]\n"
    "name = decade\n"
    "start = 2014-01-01\n"
    "end = 2023-12-30\n"
    "[store]\n"
    "root = warehouse\n"
    "sync = no\n"
    "[stage bronze]\n"
    "partition = hour\n"
    "command = sh job.sh ${node} ${output}\n"
    "output = bronze/dt=${ds}/hr=${HH}\n"
    "[stage silver]\n"
    "partition = hour\n"
    "needs = bronze\n"
    "command = sh job.sh ${node} ${output}\n"
    "output = silver/dt=${ds}/hr=${HH}\n"
    "[stage gold]\n"
    "partition = hour\n"
    "needs = silver\n"
    "command = sh job.sh ${node} ${output}\n"
    "output = gold/dt=${ds}/hr=${HH}\n";

static void ten_years_of_hours_are_planned_in_bounded_memory_and_told_in_three_lines(void **state)
{
    struct e2e *t = *state;

    e2e_write(t, "stagegraph.ini", decade);
    e2e_job_script(t);
    e2e_plan_is(t, "",
                "bronze 2014-01-01T00..2023-12-29T23 87600/87600 missing\n"
                "silver 2014-01-01T00..2023-12-29T23 87600/87600 missing\n"
                "gold 2014-01-01T00..2023-12-29T23 87600/87600 missing\n");
    if (t->peak_kib > PEAK_LIMIT_KIB)
        fail_msg("a plan of 262,800 nodes took %ld KiB", t->peak_kib);
    e2e_run(t, 0, "plan");
    e2e_has_line(t->out, "bronze  2014-01-01T00 … 2023-12-29T23 *87,600 *87,600 *missing*");
    e2e_has_line(t->out, "gold    2014-01-01T00 … 2023-12-29T23 *87,600 *87,600 *missing*");
    e2e_has_line(t->out, "To run 262,800 nodes in 262,800 jobs, 0 fresh*");
    assert_true(e2e_count(t->out, "\n") < 12);
}

static void an_hour_of_ten_years_is_run_without_touching_the_rest(void **state)
{
    struct e2e *t = *state;

    e2e_write(t, "stagegraph.ini", decade);
    e2e_job_script(t);
    e2e_run(t, 0, "run gold@2020-02-29T12");
    e2e_ran(t, "bronze@2020-02-29T12 silver@2020-02-29T12 gold@2020-02-29T12");
    e2e_run(t, 0, "plan --json");
    e2e_says(t->out, "\"fresh\":3");
}

static void a_chain_of_a_hundred_thousand_is_ordinary(void **state)
{
    struct e2e *t = *state;

    e2e_job_script(t);
    e2e_write(t, "stagegraph.ini",
              "[graph]\n"
              "name = chain\n"
              "start = 2012-01-01\n"
              "end = 2023-05-29T16:00\n"
              "[store]\n"
              "root = warehouse\n"
              "sync = no\n"
              "[stage silver]\n"
              "partition = hour\n"
              "needs = silver@-1\n"
              "command = sh job.sh ${node} ${output}\n"
              "output = silver/dt=${ds}/hr=${HH}\n");
    e2e_plan_is(t, "", "silver 2012-01-01T00..2023-05-29T15 100000/100000 missing\n");
    if (t->peak_kib > PEAK_LIMIT_KIB)
        fail_msg("a plan of a chain of 100,000 took %ld KiB", t->peak_kib);
    /* Its end, by name: the one before is not there. */
    e2e_run(t, 3, "run silver@2023-05-29T15");
    e2e_says(t->out, "silver@2023-05-29T14");
    /* Its first links, made; the rest then hangs on nothing. */
    e2e_run(t, 0, "run --to 2012-01-01T03");
    e2e_ran(t, "silver@2012-01-01T00 silver@2012-01-01T01 silver@2012-01-01T02");
    e2e_plan_is(t, "", "silver 2012-01-01T03..2023-05-29T15 99997/99997 missing\n");
    /* The first again: all behind it is upstream at most. */
    e2e_plan_is(t, "--to 2012-01-01T03 --force",
                "silver 2012-01-01T00..2012-01-01T02 3/3 forced\n");
}

/* The calls on files of so many nodes, from one receipt to the next; but for the history's, which
 * are by the second, and those that measure a job, which are by how long that takes. */
static unsigned calls_of(const char *log, unsigned first, unsigned n)
{
    char call[32], object[512];
    unsigned node = 0, calls = 0;

    for (const char *at = log; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (sscanf(at, "%*d %*s %31s %*u %511[^\n]", call, object) != 2 ||
            strstr(object, "/.stagegraph/history") != NULL || strncmp(object, "/proc/", 6) == 0)
            continue;
        calls += node >= first && node < first + n;
        node += strcmp(call, "rename") == 0 && strstr(object, "/._SUCCESS.") != NULL;
    }
    assert_true(node >= first + n);
    return calls;
}

/* The second day and the last but one: an hour's neighbours are those of its day. */
static void late_nodes_of_a_run_ask_the_system_for_no_more_than_early_ones(void **state)
{
    static const char *const needs[] = { "", "needs = silver@-1\n" };
    struct e2e *t = *state;
    const char *argv[] = { e2e_text(t, "%s/killat", getenv("TEST_HELPERS")),
                           "fail=0",
                           "0", /* none fails */
                           "killat.log",
                           getenv("STAGEGRAPH_BIN"),
                           "run",
                           "-q",
                           NULL };
    unsigned early, late;

    e2e_job_script(t);
    e2e_setenv(t, "ASAN_OPTIONS", "detect_leaks=0"); /* it can't work under ptrace */
    for (size_t i = 0; i < 2; i++) {
        e2e_write(t, "stagegraph.ini",
                  e2e_text(t,
                           "[graph]\n"
                           "start = 2023-01-01\n"
                           "end = 2023-01-08\n"
                           "[store]\n"
                           "root = warehouse%zu\n"
                           "sync = no\n"
                           "[stage silver]\n"
                           "partition = hour\n"
                           "%s"
                           "command = sh job.sh ${node} ${output}\n"
                           "output = silver/dt=${ds}/hr=${HH}\n",
                           i, needs[i]));
        e2e_wait(e2e_start_argv(t, argv), E2E_ANY);
        if (t->status == 125) /* nothing may be traced here */
            skip();
        assert_int_equal(t->status, 0);
        early = calls_of(e2e_read(t, "killat.log"), 24, 24);
        late = calls_of(e2e_read(t, "killat.log"), 120, 24);
        if (late > early + early / 50)
            fail_msg("24 nodes after 120 take %u calls, after 24 %u", late, early);
        assert_in_range(early, 24 * 20, 24 * 200); /* they were counted */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(ten_years_of_hours_are_planned_in_bounded_memory_and_told_in_three_lines),
        e2e_test(an_hour_of_ten_years_is_run_without_touching_the_rest),
        e2e_test(a_chain_of_a_hundred_thousand_is_ordinary),
        e2e_test(late_nodes_of_a_run_ask_the_system_for_no_more_than_early_ones),
    };

    return cmocka_run_group_tests_name("scale", tests, NULL, NULL);
}
