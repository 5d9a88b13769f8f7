/*
 * first_run: what a newcomer sees: a first run, a second that runs nothing, the plan before each.
 */
#include "fixture.h"

static const char all_nodes[] = //
    "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23 gold@2024-01-01 "
    "silver@2024-01-01T21 silver@2024-01-01T22 silver@2024-01-01T23";

static const char all_missing[] = //
    "bronze 2024-01-01T21..2024-01-01T23 3/3 missing\n"
    "silver 2024-01-01T21..2024-01-01T23 3/3 missing\n"
    "gold 2024-01-01 1/1 missing\n";

static void a_first_run_makes_everything_and_a_second_runs_nothing(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run");
    e2e_ran_sorted(t, all_nodes);
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
    assert_true(e2e_has_receipt(t, "gold@2024-01-01"));
    assert_true(e2e_has_receipt(t, "bronze@2024-01-01T21"));

    e2e_run(t, 0, "run");
    e2e_ran(t, "");
    /* It says so, and how to force it. */
    e2e_says(t->out, "7 fresh");
    e2e_says(t->out, "--force");
}

static void a_plan_says_what_will_run_and_runs_nothing(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_plan_is(t, "", all_missing);
    e2e_ran(t, "");
    assert_false(e2e_exists(t, "warehouse/bronze"));
    e2e_run(t, 0, "run");
    e2e_plan_is(t, "", "");
}

static void jobs_run_after_what_they_need(void **state)
{
    struct e2e *t = *state;
    const char *jobs;

    e2e_flights(t);
    e2e_run(t, 0, "run");
    jobs = e2e_jobs(t);
    assert_true(strstr(jobs, "bronze@2024-01-01T22") < strstr(jobs, "silver@2024-01-01T22"));
    assert_true(strstr(jobs, "silver@2024-01-01T23") < strstr(jobs, "gold@2024-01-01"));
}

static void one_partition_looks_as_the_contract_shows_it(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    /* A day is not due with a single hour: the hour alone. */
    e2e_edit(t, "stagegraph.ini", "end       = 2024-01-02\n", "end       = 2024-01-03\n");
    e2e_does(t, "bronze", "echo 'bronze: 50000 records'\n");
    e2e_does(t, "silver", "echo 'silver: 50000 records'\n");
    e2e_does(t, "gold", "echo 'gold: 1 day'\n");
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-01T22:10Z");
    e2e_run(t, 0, "hourly");
    e2e_looks(t->out,
              "================================================================================\n"
              "FLIGHTS: BRONZE → SILVER · hourly · 2024-01-01T21\n"
              "================================================================================\n"
              "2 to run, 0 fresh*\n"
              "\n"
              "================================================================================\n"
              "STAGE 1: BRONZE INGESTION · bronze@2024-01-01T21 (missing)\n"
              "================================================================================\n"
              "\n"
              "[Bronze] Starting subprocess (fresh JVM)...\n"
              "[Bronze] Output:\n"
              "--------------------------------------------------------------------------------\n"
              "bronze: 50000 records\n"
              "--------------------------------------------------------------------------------\n"
              "[Bronze] SUCCESS (*s)   peak *\n"
              "\n"
              "================================================================================\n"
              "STAGE 2: SILVER TRANSFORMATION · silver@2024-01-01T21 (missing)\n"
              "================================================================================\n"
              "\n"
              "[Silver] Starting subprocess (fresh JVM)...\n"
              "[Silver] Output:\n"
              "--------------------------------------------------------------------------------\n"
              "silver: 50000 records\n"
              "--------------------------------------------------------------------------------\n"
              "[Silver] SUCCESS (*s)   peak *\n"
              "\n"
              "================================================================================\n"
              "FULL PIPELINE COMPLETE\n"
              "================================================================================\n"
              "\n"
              "Stage results:\n"
              "  [OK] BRONZE     *s\n"
              "  [OK] SILVER     *s\n"
              "\n"
              "Total pipeline time: *s (* minutes)\n"
              "================================================================================\n"
              "...\n");
    e2e_ran(t, "bronze@2024-01-01T21 silver@2024-01-01T21");
}

static void all_three_stages_of_a_day_are_numbered_in_order(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "2024-01-01T21", "2024-01-01T23");
    e2e_run(t, 0, "hourly");
    e2e_has_line(t->out, "3 to run, 0 fresh*");
    e2e_has_line(t->out, "STAGE 1: BRONZE INGESTION · bronze@2024-01-01T23 (missing)");
    e2e_has_line(t->out, "STAGE 2: SILVER TRANSFORMATION · silver@2024-01-01T23 (missing)");
    e2e_has_line(t->out, "STAGE 3: GOLD AGGREGATIONS · gold@2024-01-01 (missing)");
    e2e_has_line(t->out, "  [OK] GOLD       *s");
    /* The next hour finds them fresh. */
    e2e_run(t, 0, "hourly");
    e2e_has_line(t->out, "*3 fresh*");
}

static void a_failed_stage_says_how_where_its_log_is_and_how_to_resume(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "2024-01-01T21", "2024-01-01T23");
    e2e_does(t, "silver", "echo 'no such column'\nexit 3\n");
    e2e_run(t, 1, "run --from 2024-01-01T23 --to 2024-01-02T00");
    e2e_looks(t->out, "...\n"
                      "[Silver] FAILED (exit 3, *s)*\n"
                      "...\n"
                      "Stage results:\n"
                      "  [OK] BRONZE     *s\n"
                      "  [FAILED] SILVER*\n"
                      "...\n"
                      "  [BLOCKED] GOLD*\n"
                      "...\n");
    e2e_says(t->out, ".stagegraph/");      /* the path of the log */
    e2e_says(t->out, "stagegraph resume"); /* the command that resumes */
    assert_false(e2e_exists(t, e2e_marker(t, "silver@2024-01-01T23")));
}

static void the_plan_table_has_a_line_a_group(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "plan");
    e2e_looks(t->out,
              "Graph flights · store file:///*/warehouse · 2024-01-01* · now 2024-01-02T00:10Z\n"
              "\n"
              "STAGE   PARTITIONS*COUNT  JOBS  REASON*EST\n"
              "bronze  2024-01-01T21 … 2024-01-01T23*3     3  missing*\n"
              "silver  2024-01-01T21 … 2024-01-01T23*3     3  missing*\n"
              "gold    2024-01-01  *1     1  missing*\n"
              "\n"
              "To run 7 nodes in 7 jobs, 0 fresh*\n"
              "...\n");
    assert_int_equal(strlen(t->err), 0);
}

static void the_plan_document_has_every_key_of_the_contract(void **state)
{
    static const char *const keys[] = { "graph",
                                        "now",
                                        "from",
                                        "to",
                                        "groups[0].stage",
                                        "groups[0].first",
                                        "groups[0].last",
                                        "groups[0].count",
                                        "groups[0].jobs",
                                        "groups[0].reason",
                                        "groups[0].detail",
                                        "groups[0].estimate_seconds",
                                        "blocked",
                                        "busy",
                                        "fresh",
                                        "debt",
                                        "totals.nodes",
                                        "totals.jobs",
                                        "totals.fresh",
                                        "totals.blocked",
                                        "totals.busy",
                                        "totals.estimate_seconds" };
    struct e2e *t = *state;
    struct e2e_doc *d;

    e2e_flights(t);
    e2e_run(t, 0, "plan --json");
    d = e2e_json(t, t->out);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (e2e_get(d, "%s", keys[i]) == NULL)
            e2e_fail(t, "plan --json lacks %s", keys[i]);
    assert_string_equal(e2e_get(d, "totals.nodes"), "7");
    assert_string_equal(e2e_get(d, "totals.jobs"), "7");
    assert_string_equal(e2e_get(d, "totals.fresh"), "0");
    assert_string_equal(e2e_get(d, "graph"), "flights");
    /* Nothing has run yet: no estimate is null, not 0. */
    assert_string_equal(e2e_get(d, "groups[0].estimate_seconds"), "null");

    e2e_run(t, 0, "run");
    e2e_run(t, 0, "plan --force --json");
    d = e2e_json(t, t->out);
    assert_string_equal(e2e_get(d, "groups[0].reason"), "forced");
    assert_string_not_equal(e2e_get(d, "groups[0].estimate_seconds"), "null");
    e2e_run(t, 0, "plan --json");
    d = e2e_json(t, t->out);
    assert_string_equal(e2e_get(d, "totals.fresh"), "7");
    assert_string_equal(e2e_get(d, "fresh.bronze"), "3");
    assert_string_equal(e2e_get(d, "fresh.gold"), "1");
}

static void plan_exit_code_tells_a_script_whether_there_is_work(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 6, "plan --exit-code");
    e2e_run(t, 0, "plan");
    e2e_run(t, 0, "run");
    e2e_run(t, 0, "plan --exit-code");
    /* The next hour is due and has no landing: blocked alone is 3, with something to run it is 6.
     */
    e2e_edit(t, "stagegraph.ini", "end       = 2024-01-02\n", "");
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-02T01:10Z");
    e2e_run(t, 3, "plan --exit-code");
    e2e_run(t, 0, "plan");
    e2e_append(t, "code/bronze.txt", "more\n");
    e2e_run(t, 6, "plan --exit-code");
}

static void a_dry_run_is_a_plan(void **state)
{
    struct e2e *t = *state;
    const char *plan;

    e2e_flights(t);
    e2e_run(t, 0, "plan");
    plan = t->out;
    e2e_run(t, 0, "run -n");
    e2e_same(t->out, plan, __FILE__, __LINE__);
    e2e_run(t, 0, "run --dry-run");
    e2e_same(t->out, plan, __FILE__, __LINE__);
    e2e_run(t, 0, "hourly -n");
    e2e_says(t->out, "missing");
    e2e_run(t, 0, "backfill --dry-run --from 2024-01-01 --to 2024-01-01");
    e2e_says(t->out, "missing");
    e2e_ran(t, "");
}

static void hourly_takes_the_newest_due_hour_and_looks_back(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "end       = 2024-01-02\n", "");
    e2e_edit(t, "stagegraph.ini", "start     = 2024-01-01T21", "start     = 2024-01-01T12");
    e2e_edit(t, "stagegraph.ini", "lookback = 2", "lookback = 1");
    /* 23:04 is before the delay of five minutes is over: the hour of 22 is not due. */
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-01T23:04Z");
    e2e_run(t, 3, "hourly --only bronze"); /* landing of the lookback's 20 is not there */
    e2e_ran(t, "bronze@2024-01-01T21");
    /* At 23:05 it is, at that instant. */
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-01T23:05Z");
    e2e_run(t, 0, "hourly --only bronze");
    e2e_ran(t, "bronze@2024-01-01T22");
    /* Newest first. */
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-02T00:05Z");
    e2e_run(t, 0, "hourly --only bronze --lookback 2 --force");
    e2e_ran(t, "bronze@2024-01-01T23");
    e2e_remove(t, e2e_marker(t, "bronze@2024-01-01T22"));
    e2e_remove(t, e2e_marker(t, "bronze@2024-01-01T23"));
    e2e_run(t, 0, "--now 2024-01-02T00:05Z hourly --only bronze");
    e2e_ran(t, "bronze@2024-01-01T23 bronze@2024-01-01T22");
}

static void hourly_force_spares_the_lookback(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    e2e_run(t, 0, "hourly --force --only bronze");
    e2e_ran(t, "bronze@2024-01-01T23");
}

static void a_backfill_without_a_range_asks_for_one(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 2, "backfill");
    e2e_says(t->err, "--from");
    e2e_ran(t, "");
}

static void a_backfill_takes_its_range_oldest_first(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "backfill --from 2024-01-01T22 --to 2024-01-02T00 --only bronze");
    e2e_ran(t, "bronze@2024-01-01T22 bronze@2024-01-01T23");
    /* A date as --to is inclusive. */
    e2e_run(t, 0, "backfill --from 2024-01-01 --to 2024-01-01");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 gold@2024-01-01 silver@2024-01-01T21 "
                      "silver@2024-01-01T22 silver@2024-01-01T23");
}

static void ranges_are_read_in_all_their_forms(void **state)
{
    static const struct {
        const char *args, *first, *last;
    } cases[] = {
        { "--date 2024-01-01", "2024-01-01T21", "2024-01-01T23" },
        { "--from 2024-01-01 --to 2024-01-01", "2024-01-01T21", "2024-01-01T23" },
        { "--from 2024-01-01T22", "2024-01-01T22", "2024-01-01T23" },
        { "--from 2024-01-01T22:00Z --to 2024-01-01T23:00Z", "2024-01-01T22", "2024-01-01T22" },
        { "--from 2024-01-01T23:00+01:00 --to 2024-01-02T00:00+01:00", "2024-01-01T22",
          "2024-01-01T22" },
        { "--to 2024-01-01T22", "2024-01-01T21", "2024-01-01T21" },
        { "--last 2h", "2024-01-01T22", "2024-01-01T23" }, /* from 22:10, which 22 meets */
        { "--from 2024-01 --to 2024-01", "2024-01-01T21", "2024-01-01T23" },
        { "--from 2024-W01 --to 2024-W01", "2024-01-01T21", "2024-01-01T23" },
        { "--bronze-start-date 2024-01-01T23", "2024-01-01T23", "2024-01-01T23" },
    };
    struct e2e *t = *state;

    e2e_flights(t);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct e2e_doc *d;

        e2e_run(t, 0, "plan --json --only bronze %s", cases[i].args);
        d = e2e_json(t, t->out);
        if (e2e_get(d, "groups[0].first") == NULL ||
            strcmp(e2e_get(d, "groups[0].first"), cases[i].first) != 0 ||
            strcmp(e2e_get(d, "groups[0].last"), cases[i].last) != 0)
            e2e_fail(t, "%s: wanted %s to %s", cases[i].args, cases[i].first, cases[i].last);
    }
}

static void a_named_node_is_made_with_what_it_needs(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run silver@2024-01-01T22");
    e2e_ran(t, "bronze@2024-01-01T22 silver@2024-01-01T22");
    e2e_run(t, 0, "run gold@2024-01-01");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T23 gold@2024-01-01 "
                      "silver@2024-01-01T21 silver@2024-01-01T23");
}

static void a_stage_by_name_is_made_with_all_that_it_needs(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run silver");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23 "
                      "silver@2024-01-01T21 silver@2024-01-01T22 silver@2024-01-01T23");
}

static void a_source_that_is_not_there_blocks_and_exits_3(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_remove(t, "warehouse/landing/dt=2024-01-01/hr=22/_DONE");
    e2e_plan_is(t, "",
                "bronze 2024-01-01T21 1/1 missing\n"
                "bronze 2024-01-01T23 1/1 missing\n"
                "silver 2024-01-01T21 1/1 missing\n"
                "silver 2024-01-01T23 1/1 missing\n"
                "blocked bronze 2024-01-01T22 1 missing: landing@2024-01-01T22\n"
                "blocked silver 2024-01-01T22 1 missing: bronze@2024-01-01T22\n"
                "blocked gold 2024-01-01 1 missing: silver@2024-01-01T22\n");
    e2e_run(t, 3, "run");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T23 silver@2024-01-01T21 "
                      "silver@2024-01-01T23");
    e2e_says(t->out, "landing@2024-01-01T22");
    e2e_land(t, "2024-01-01T22", "late\n");
    e2e_run(t, 0, "run");
    e2e_ran_sorted(t, "bronze@2024-01-01T22 gold@2024-01-01 silver@2024-01-01T22");
}

static void a_failure_hides_that_something_was_blocked_too(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_remove(t, "warehouse/landing/dt=2024-01-01/hr=22/_DONE");
    e2e_does(t, "bronze@2024-01-01T23", "exit 1\n");
    e2e_run(t, 1, "run");
}

static void the_graph_is_found_where_one_would_look(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "-C %s plan --json", t->dir);
    e2e_run(t, 0, "-f %s/stagegraph.ini plan", t->dir);
    e2e_setenv(t, "STAGEGRAPH_GRAPH", e2e_path(t, "stagegraph.ini"));
    e2e_run(t, 0, "-C / plan");
    e2e_says(t->out, "Graph flights");
    e2e_setenv(t, "STAGEGRAPH_GRAPH", NULL);

    /* The only graphs/NAME.ini: its directory is where the jobs are. */
    e2e_write(t, "graphs/flights.ini", e2e_read(t, "stagegraph.ini"));
    e2e_write(t, "graphs/job.sh", e2e_read(t, "job.sh"));
    for (const char *const *s = (const char *const[]){ "bronze", "silver", "gold", NULL };
         *s != NULL; s++)
        e2e_write(t, e2e_text(t, "graphs/code/%s.txt", *s), "one\n");
    e2e_remove(t, "stagegraph.ini");
    e2e_run(t, 0, "plan --only bronze --json");
    e2e_says(e2e_text(t, "%s", t->out), "landing@2024-01-01T21"); /* its warehouse is empty */
    /* Of two it can't choose. */
    e2e_write(t, "graphs/second.ini", "[graph]\n");
    e2e_run(t, 2, "plan");
    e2e_says(t->err, "-f");
    e2e_remove(t, "graphs");
    e2e_run(t, 2, "plan");
    e2e_says(t->err, "stagegraph.ini");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(a_first_run_makes_everything_and_a_second_runs_nothing),
        e2e_test(a_plan_says_what_will_run_and_runs_nothing),
        e2e_test(jobs_run_after_what_they_need),
        e2e_test(one_partition_looks_as_the_contract_shows_it),
        e2e_test(all_three_stages_of_a_day_are_numbered_in_order),
        e2e_test(a_failed_stage_says_how_where_its_log_is_and_how_to_resume),
        e2e_test(the_plan_table_has_a_line_a_group),
        e2e_test(the_plan_document_has_every_key_of_the_contract),
        e2e_test(plan_exit_code_tells_a_script_whether_there_is_work),
        e2e_test(a_dry_run_is_a_plan),
        e2e_test(hourly_takes_the_newest_due_hour_and_looks_back),
        e2e_test(hourly_force_spares_the_lookback),
        e2e_test(a_backfill_without_a_range_asks_for_one),
        e2e_test(a_backfill_takes_its_range_oldest_first),
        e2e_test(ranges_are_read_in_all_their_forms),
        e2e_test(a_named_node_is_made_with_what_it_needs),
        e2e_test(a_stage_by_name_is_made_with_all_that_it_needs),
        e2e_test(a_source_that_is_not_there_blocks_and_exits_3),
        e2e_test(a_failure_hides_that_something_was_blocked_too),
        e2e_test(the_graph_is_found_where_one_would_look),
    };

    return cmocka_run_group_tests_name("first run", tests, NULL, NULL);
}
