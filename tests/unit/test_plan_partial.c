/* Days that are run before they are over, as stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define PARTIAL "partial = yes\n"
#define REPORT                                                                                     \
    "[stage report]\npartition = day\nneeds = gold\ncommand = report ${ds}\n"                      \
    "output = report/${ds}\n"
#define MONTHLY                                                                                    \
    "[stage monthly]\npartition = month\nneeds = gold\ncommand = monthly ${ds}\n"                  \
    "output = monthly/${ds}\npartial = yes\n"
#define DAYS FLIGHTS PARTIAL REPORT

/* All landing hours of [from, to) of the first day. */
static void land(struct world *w, int from, int to)
{
    char node[64];

    for (int h = from; h < to; h++) {
        (void)snprintf(node, sizeof(node), "landing@2024-01-01T%02d", h);
        world_source(w, node, "rows");
    }
}

static void at_hour(struct world *w, int hour)
{
    char utc[64];

    (void)snprintf(utc, sizeof(utc), "2024-01-01T%02d:00:00Z", hour);
    world_at(w, utc);
}

static bool there(struct world *w, const char *path)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_entry e;

    assert_true(sg_store_stat(w->store, path, &e, &err));
    return e.kind != SG_ENTRY_ABSENT;
}

static void open_days(struct world *w, const char *graph)
{
    world_open_flights(w, graph);
    land(w, 0, 24);
}

static void a_day_that_has_begun_is_run_and_run_again_as_hours_come(void **state)
{
    struct world w;

    (void)state;
    open_days(&w, DAYS);
    world_plan(&w); /* 03:00 */
    assert_says(&w, "gold@2024-01-01", "run missing");
    assert_says(&w, "report@2024-01-01", "unseen");
    world_build_all(&w);
    assert_says(&w, "gold@2024-01-01", "fresh");
    assert_true(there(&w, "gold/2024-01-01/_PARTIAL"));
    assert_false(there(&w, "gold/2024-01-01/_SUCCESS"));
    at_hour(&w, 4);
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T03", "run missing");
    assert_says(&w, "gold@2024-01-01", "run upstream silver");
    world_build(&w, "bronze@2024-01-01T03");
    world_build(&w, "silver@2024-01-01T03");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "run input silver"); /* an input came */
    world_build(&w, "gold@2024-01-01");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "fresh");
    world_assert_no_notices(&w);
    world_close(&w);
}

static void a_day_begins_with_its_first_hour(void **state)
{
    struct world w;

    (void)state;
    open_days(&w, DAYS);
    world_at(&w, "2024-01-01T00:30:00Z");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "unseen");
    world_name(&w, "gold@2024-01-01");
    assert_non_null(strstr(world_plan_fails(&w), "not due before 2024-01-01T01:00Z"));
    w.request.n_named = 0;
    at_hour(&w, 1);
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "run missing");
    assert_says(&w, "gold@2024-01-02", "unseen");
    world_close(&w);
}

/* What is due all the time, or by yesterday, does not begin a day. */
static void a_table_that_is_always_due_begins_no_day(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER
                       "[source dim]\npartition = once\npath = dims\nmarker = _DONE\n"
                       "[stage gold]\npartition = day\nneeds = silver dim\ncommand = gold\n"
                       "output = gold/${ds}\npartial = yes\n");
    land(&w, 0, 24);
    world_at(&w, "2024-01-01T00:30:00Z");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "unseen");
    at_hour(&w, 2);
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "blocked missing"); /* the dims are due, and not there */
    world_source(&w, "dim", "dims");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "run missing");
    world_close(&w);
}

static void an_hour_that_is_due_may_not_be_absent(void **state)
{
    struct world w;

    (void)state;
    open_days(&w, DAYS);
    world_lose(&w, "landing@2024-01-01T01");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "blocked missing");
    world_close(&w);
}

/* A day whose last hours came to nothing is no finished day, though no input changed since. */
static void an_unfinished_day_whose_hours_never_came_is_not_completed(void **state)
{
    struct world w;

    (void)state;
    open_days(&w, DAYS);
    at_hour(&w, 23);
    world_build_all(&w);
    world_lose(&w, "landing@2024-01-01T23");
    world_at(&w, "2024-01-02T00:00:00Z");
    world_range(&w, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "blocked input silver");
    assert_says(&w, "report@2024-01-01", "blocked missing");
    world_source(&w, "landing@2024-01-01T23", "rows");
    world_build_all(&w);
    assert_says(&w, "gold@2024-01-01", "fresh");
    assert_says(&w, "report@2024-01-01", "fresh");
    assert_true(there(&w, "gold/2024-01-01/_SUCCESS"));
    assert_false(there(&w, "gold/2024-01-01/_PARTIAL"));
    world_close(&w);
}

/* gold is due two hours after its day: all hours are there, and it ran with them. */
#define LATE HEAD LANDING BRONZE SILVER GOLD PARTIAL "delay = 2h\n" REPORT

static void open_late(struct world *w)
{
    world_open_flights(w, LATE);
    land(w, 0, 24);
    world_at(w, "2024-01-02T00:00:00Z");
    world_range(w, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z");
    world_build_all(w);
}

static void a_day_that_did_not_change_is_completed_without_a_run(void **state)
{
    struct sg_plan_counts c;
    struct sg_node_view v;
    struct sg_decision d;
    struct world w;

    (void)state;
    open_late(&w);
    assert_says(&w, "gold@2024-01-01", "fresh");
    assert_says(&w, "report@2024-01-01", "unseen");
    assert_true(there(&w, "gold/2024-01-01/_PARTIAL"));
    world_at(&w, "2024-01-02T02:00:00Z");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "fresh");
    assert_says(&w, "report@2024-01-01", "run missing"); /* there, for who waits for the rename */
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.run, 1);
    assert_int_equal(c.completes, 1);
    sg_plan_node(w.plan, world_node(&w, "gold@2024-01-01"), &v);
    assert_true(v.completes);
    world_decide(&w, "gold@2024-01-01", (struct sg_decide_ask){ .forced = false }, &d);
    assert_int_equal(d.what, SG_DECIDE_COMPLETE);
    assert_false(d.partial);
    world_decide(&w, "report@2024-01-01", (struct sg_decide_ask){ .forced = false }, &d);
    assert_int_equal(d.what, SG_DECIDE_BLOCKED); /* not before it */
    world_build(&w, "gold@2024-01-01");
    assert_true(there(&w, "gold/2024-01-01/_SUCCESS"));
    assert_false(there(&w, "gold/2024-01-01/_PARTIAL"));
    world_decide(&w, "report@2024-01-01", (struct sg_decide_ask){ .forced = false }, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    world_plan(&w);
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.completes, 0);
    world_close(&w);
}

static void what_nobody_completes_is_not_there(void **state)
{
    struct world w;

    (void)state;
    open_late(&w);
    world_at(&w, "2024-01-02T02:00:00Z");
    w.request.only = world_stages(&w, "report");
    world_plan(&w);
    assert_says(&w, "report@2024-01-01", "blocked missing");
    world_close(&w);
}

static void a_day_that_changed_is_run(void **state)
{
    struct sg_decision d;
    struct world w;

    (void)state;
    open_late(&w);
    world_at(&w, "2024-01-02T02:00:00Z");
    world_build_as(&w, "silver@2024-01-01T07", "better");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "run input silver");
    assert_says(&w, "report@2024-01-01", "run missing");
    world_build_as(&w, "silver@2024-01-01T07", "silver@2024-01-01T07");
    world_lose(&w, "silver@2024-01-01T05"); /* gone: it counts as it was */
    world_lose(&w, "landing@2024-01-01T05");
    w.request.only = world_stages(&w, "gold");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "fresh");
    world_decide(&w, "gold@2024-01-01", (struct sg_decide_ask){ .forced = true }, &d);
    assert_int_equal(d.what, SG_DECIDE_BLOCKED);
    world_close(&w);
}

static void other_code_is_a_reason_for_a_day_that_is_to_be_completed(void **state)
{
    struct world w;

    (void)state;
    open_late(&w);
    world_graph(&w, HEAD LANDING BRONZE SILVER
                "[stage gold]\npartition = day\nneeds = silver\ncommand = better ${ds}\n"
                "output = gold/${ds}\npartial = yes\ndelay = 2h\n");
    world_at(&w, "2024-01-02T02:00:00Z");
    world_range(&w, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "run command command");
    world_close(&w);
}

static void a_partial_input_of_a_partial_stage_is_taken_when_it_is_finished(void **state)
{
    struct sg_decision d;
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS PARTIAL MONTHLY);
    land(&w, 0, 24);
    at_hour(&w, 5);
    world_plan(&w);
    assert_says(&w, "monthly@2024-01", "unseen"); /* no day of it is due */
    world_at(&w, "2024-01-02T00:00:00Z");
    world_build_all(&w);
    assert_says(&w, "monthly@2024-01", "fresh");
    world_source(&w, "landing@2024-01-02T00", "rows");
    world_at(&w, "2024-01-02T01:00:00Z");
    world_build_all(&w);
    assert_says(&w, "gold@2024-01-02", "fresh");
    assert_says(&w, "monthly@2024-01", "fresh"); /* an unfinished day is nothing to it */
    world_decide(&w, "monthly@2024-01", (struct sg_decide_ask){ .forced = true }, &d);
    assert_int_equal(d.inputs[0].count, 31);
    assert_true(d.inputs[0].versions[0] != 0);
    assert_true(d.inputs[0].versions[1] == 0);
    world_close(&w);
}

static void the_marker_that_a_job_leaves_in_an_unfinished_day_does_not_count(void **state)
{
    struct world w;

    (void)state;
    open_days(&w, DAYS);
    world_build_all(&w);
    world_marker(&w, "gold@2024-01-01", "");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "fresh");
    world_close(&w);
}

static void a_day_that_was_finished_once_stays_so_for_an_older_clock(void **state)
{
    struct world w;

    (void)state;
    open_days(&w, DAYS);
    world_at(&w, "2024-01-02T00:00:00Z");
    world_range(&w, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z");
    world_build_all(&w);
    assert_true(there(&w, "gold/2024-01-01/_SUCCESS"));
    at_hour(&w, 12); /* a resumed run keeps its time */
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "fresh");
    world_close(&w);
}

static void a_dead_claim_beside_its_receipt_is_settled_for_a_partial_marker_too(void **state)
{
    struct world w;

    (void)state;
    open_days(&w, DAYS);
    world_build_all(&w);
    world_claim(&w, "gold@2024-01-01", "another", 1, false);
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "run interrupted");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_day_that_has_begun_is_run_and_run_again_as_hours_come),
        cmocka_unit_test(a_day_begins_with_its_first_hour),
        cmocka_unit_test(a_table_that_is_always_due_begins_no_day),
        cmocka_unit_test(an_hour_that_is_due_may_not_be_absent),
        cmocka_unit_test(an_unfinished_day_whose_hours_never_came_is_not_completed),
        cmocka_unit_test(a_day_that_did_not_change_is_completed_without_a_run),
        cmocka_unit_test(what_nobody_completes_is_not_there),
        cmocka_unit_test(a_day_that_changed_is_run),
        cmocka_unit_test(other_code_is_a_reason_for_a_day_that_is_to_be_completed),
        cmocka_unit_test(a_partial_input_of_a_partial_stage_is_taken_when_it_is_finished),
        cmocka_unit_test(the_marker_that_a_job_leaves_in_an_unfinished_day_does_not_count),
        cmocka_unit_test(a_day_that_was_finished_once_stays_so_for_an_older_clock),
        cmocka_unit_test(a_dead_claim_beside_its_receipt_is_settled_for_a_partial_marker_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
