/* The command line and its headings, where a reader with fresh eyes stumbled. */
#include "fixture.h"

static void the_heading_tells_of_the_range_that_was_asked_for(void **state)
{
    struct e2e *t = *state;
    struct e2e_doc *d;

    e2e_flights(t);
    /* gold's day meets the hour and is asked about, but nobody asked for the day */
    e2e_run(t, 0, "plan --from 2024-01-01T22 --to 2024-01-01T23");
    e2e_looks(t->out, "Graph flights * 2024-01-01T22 (1 hour) *\n...\n");
    e2e_run(t, 0, "plan --json --from 2024-01-01T22 --to 2024-01-01T23");
    d = e2e_json(t, t->out);
    assert_string_equal(e2e_get(d, "from"), "2024-01-01T22:00:00Z");
    assert_string_equal(e2e_get(d, "to"), "2024-01-01T23:00:00Z");
    e2e_run(t, 0, "plan --window 1 --lookback 1");
    e2e_looks(t->out, "Graph flights * 2024-01-01T22 … 2024-01-01T23 (2 hours) *\n...\n");
}

static void a_plan_takes_the_options_of_a_run(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "plan -j2 -k 1 -n -q --no-log --wait --date 2024-01-01");
    e2e_says(t->out, "To run 7 nodes");
    e2e_ran(t, "");
}

static void a_blocked_group_names_what_all_its_members_lack(void **state)
{
    struct e2e *t = *state;
    struct e2e_doc *d;

    e2e_flights(t);
    e2e_remove(t, "warehouse/landing");
    e2e_run(t, 0, "plan --json --only bronze");
    d = e2e_json(t, t->out);
    assert_string_equal(e2e_get(d, "blocked[0].count"), "3");
    assert_string_equal(e2e_get(d, "blocked[0].lacks[0]"), "landing@2024-01-01T21");
    assert_string_equal(e2e_get(d, "blocked[0].lacks[1]"), "landing@2024-01-01T22");
    assert_string_equal(e2e_get(d, "blocked[0].lacks[2]"), "landing@2024-01-01T23");
    assert_null(e2e_get(d, "blocked[0].lacks[3]"));
    assert_string_equal(e2e_get(d, "totals.estimate_seconds"), "0.0"); /* nothing can run */
}

static void wrong_words_are_told_as_they_were_written(void **state)
{
    static const struct {
        const char *words, *told;
    } cases[] = {
        { "plan --only ,", "stagegraph: --only: name a stage\n" },
        { "plan --upto ,", "stagegraph: --upto: name a stage\n" },
        { "plan --stale=", "stagegraph: --stale: name a reason\n" },
        { "plan --silver-start-date 2024-01-02 --silver-end-date 2024-01-01",
          "stagegraph: the range of silver is empty: --silver-start-date 2024-01-02 is not before "
          "--silver-end-date 2024-01-01\n" },
        { "plan --silver-start-date soon",
          "stagegraph: --silver-start-date soon: expected a date*\n" },
        { "plan --date 2024-01-01T05",
          "stagegraph: --date 2024-01-01T05: expected a date, not a time*\n" },
        { "plan gold@2024-01-01 --date 2024-01-01",
          "stagegraph: name nodes, or give a range, not both at once\n" },
        { "plan gold@2024-01-01 --silver-start-date 2024-01-01",
          "stagegraph: name nodes, or give a range, not both at once\n" },
        { "plan gold@2024-01-01 --window 1",
          "stagegraph: --window and names of nodes exclude each other\n" },
        { "plan --landing-start-date 2024-01-01",
          "stagegraph: --landing-start-date: landing is a source, stages alone have dates\n" },
        { "history 20240101T000000-000000",
          "stagegraph: there is no run 20240101T000000-000000 (see stagegraph history)\n" },
        { "run -n -k -1",
          "stagegraph: --keep-going -1: expected a whole number from 0 to 1000000\n" },
        { "plan --set silver.timeout=soon",
          "stagegraph: --set silver.timeout=soon: timeout = soon: no duration*\n" },
        { "plan --mode slwo",
          "stagegraph: --mode slwo: none of its choices*; did you mean slow?\n" },
    };
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_append(t, "stagegraph.ini", "[param mode]\nchoices = fast slow\ndefault = fast\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        e2e_run(t, 2, "%s", cases[i].words);
        e2e_looks(t->err, cases[i].told);
        assert_string_equal(t->out, "");
    }
    e2e_setenv(t, "STAGEGRAPH_NOW", "soon");
    e2e_run(t, 2, "plan");
    e2e_looks(t->err, "stagegraph: $STAGEGRAPH_NOW = soon: expected *\n");
}

static void a_window_is_a_range_that_stage_dates_narrow(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_plan_is(t, "--window 2 --only bronze", "bronze 2024-01-01T22..2024-01-01T23 2/2 missing\n");
    e2e_plan_is(t, "--window 2 --only bronze --bronze-start-date 2024-01-01T23",
                "bronze 2024-01-01T23 1/1 missing\n");
    e2e_plan_is(t, "--only bronze --bronze-start-date 2024-01-01T22",
                "bronze 2024-01-01T22..2024-01-01T23 2/2 missing\n");
}

static void a_graph_that_is_named_too_late_is_told_so(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 2, "plan -f stagegraph.ini");
    e2e_looks(t->err, "stagegraph: -f GRAPH goes in front of the command\n");
    e2e_write(t, "other.ini", e2e_read(t, "stagegraph.ini"));
    e2e_remove(t, "stagegraph.ini");
    e2e_run(t, 2, "plan -f other.ini");
    e2e_looks(t->err, "stagegraph: -f goes in front of the command\n");
    e2e_run(t, 2, "plan");
    e2e_says(t->err, "no graph file");
}

static void a_root_is_written_as_jobs_shall_see_it(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "root = warehouse", "root = ./warehouse/.");
    e2e_run(t, 0, "plan");
    e2e_says(t->out, e2e_text(t, "store file://%s ", e2e_path(t, "warehouse")));
    e2e_edit(t, "stagegraph.ini", "root = ./warehouse/.", "root = ~/warehouse");
    e2e_run(t, 2, "plan");
    e2e_says(t->err, "no shell reads this");
    e2e_edit(t, "stagegraph.ini", "root = ~/warehouse", "root = hdfs:/warehouse");
    e2e_run(t, 2, "plan");
    e2e_says(t->err, "write hdfs://NAMESERVICE/DIRECTORY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(the_heading_tells_of_the_range_that_was_asked_for),
        e2e_test(a_plan_takes_the_options_of_a_run),
        e2e_test(a_blocked_group_names_what_all_its_members_lack),
        e2e_test(wrong_words_are_told_as_they_were_written),
        e2e_test(a_window_is_a_range_that_stage_dates_narrow),
        e2e_test(a_graph_that_is_named_too_late_is_told_so),
        e2e_test(a_root_is_written_as_jobs_shall_see_it),
    };

    return cmocka_run_group_tests_name("review of the command line", tests, NULL, NULL);
}
