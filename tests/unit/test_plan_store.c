/* Markers and claims as they are found in the store, and what a plan makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/store/io.h"
#include "../../src/store/store_impl.h"
#include "world.h"

static void markers_of_other_tools_are_fresh_until_an_input_is_made_later(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER);
    world_build_all(&w);
    world_marker(&w, "silver@2024-01-01T00", "");
    world_marker(&w, "silver@2024-01-01T01", "spark was here\n");
    world_touch(&w, "bronze@2024-01-01T00", "2024-01-01T01:10:00Z");
    world_touch(&w, "silver@2024-01-01T00", "2024-01-01T02:00:00Z");
    world_touch(&w, "silver@2024-01-01T01", "2024-01-01T02:00:00Z");
    world_touch(&w, "bronze@2024-01-01T01", "2024-01-01T02:10:00Z");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T00", "fresh");
    assert_says(&w, "silver@2024-01-01T01", "run input bronze");
    world_assert_notice(&w, "silver: 2 nodes bear a marker of another tool");
    world_graph(&w, HEAD LANDING BRONZE "[stage silver]\nneeds = bronze\ncommand = other\n"
                                        "version = 9\noutput = silver/${ds}/${HH}\n");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T00", "fresh"); /* nobody knows what made it */
    assert_says(&w, "silver@2024-01-01T02", "run command command");
    w.accepts = true; /* an accepted receipt is never later than a foreign marker */
    world_build(&w, "bronze@2024-01-01T01");
    world_touch(&w, "bronze@2024-01-01T01", "2024-01-01T02:30:00Z");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T01", "fresh");
    world_marker(&w, "bronze@2024-01-01T00", ""); /* nor are two foreign ones compared */
    world_touch(&w, "bronze@2024-01-01T00", "2024-01-01T02:30:00Z");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T00", "fresh");
    world_lose(&w, "bronze@2024-01-01T00");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T00", "run upstream bronze");
    world_close(&w);
}

static void a_foreign_marker_has_a_version(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER);
    world_marker(&w, "bronze@2024-01-01T00", "");
    world_touch(&w, "bronze@2024-01-01T00", "2024-01-01T02:00:00Z");
    world_build(&w, "silver@2024-01-01T00");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T00", "fresh");
    world_touch(&w, "bronze@2024-01-01T00", "2024-01-01T02:00:01Z");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T00", "run input bronze");
    world_close(&w);
}

static void a_marker_of_an_unfinished_interval_is_none(void **state)
{
    static const char once[] = HEAD "[stage dim]\npartition = once\ncommand = d\noutput = dim\n";
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER);
    world_build_all(&w);
    world_marker(&w, "bronze@2024-01-01T00", "");
    world_touch(&w, "bronze@2024-01-01T00", "2024-01-01T00:59:59Z");
    world_marker(&w, "bronze@2024-01-01T01", "");
    world_touch(&w, "bronze@2024-01-01T01", "2024-01-01T02:00:00Z"); /* its very end */
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T00", "run missing marker of an unfinished interval");
    assert_says(&w, "bronze@2024-01-01T01", "fresh");
    w.request.only = world_stages(&w, "silver");
    world_lose(&w, "silver@2024-01-01T00");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T00", "blocked missing"); /* it isn't there either */
    world_graph(&w, once);
    world_marker(&w, "dim", "");
    world_plan(&w);
    assert_says(&w, "dim", "fresh"); /* all of time counts as over */
    world_close(&w);
}

static void damage_is_told_from_absence(void **state)
{
    static const char *const texts[] = { "{", "{\"stagegraph\":1,\"node\":\"bron",
                                         "{\"stagegraph\":1}\n" };
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER);
    world_build_all(&w);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        world_marker(&w, "bronze@2024-01-01T01", texts[i]);
        world_plan(&w);
        assert_says(&w, "bronze@2024-01-01T01", "run damaged");
        assert_says(&w, "silver@2024-01-01T01", "run upstream bronze");
    }
    w.request.stale = 1u << SG_REASON_MISSING;
    world_lose(&w, "silver@2024-01-01T01");
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T01", "debt damaged");
    assert_says(&w, "silver@2024-01-01T01", "blocked missing");
    world_close(&w);
}

static void a_lost_recipe_makes_nothing_stale_by_itself(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE);
    world_build_all(&w);
    assert_true(sg_store_remove_tree(w.store, "_stagegraph/recipes", &err));
    world_plan(&w);
    world_assert_counts(&w, 0, 3, 0, 0, 0);
    world_source(&w, "landing@2024-01-01T01", "more rows");
    world_graph(&w, HEAD LANDING "[stage bronze]\nneeds = landing\ncommand = other\n"
                                 "output = bronze/${ds}/${HH}\n");
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T00", "run code recipe lost");
    assert_says(&w, "bronze@2024-01-01T01", "run input landing"); /* that can be named */
    world_close(&w);
}

static void a_dead_claim_makes_its_node_stale(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER);
    world_build_all(&w);
    world_claim(&w, "bronze@2024-01-01T00", "20240101T000000-dead00", 1, false);
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T00", "run interrupted");
    assert_says(&w, "silver@2024-01-01T00", "run upstream bronze");
    w.request.only = world_stages(&w, "silver");
    world_lose(&w, "silver@2024-01-01T00");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T00", "blocked missing"); /* interrupted: not there */
    world_close(&w);
}

static void a_dead_claim_of_the_attempt_that_wrote_the_receipt_is_nothing(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER);
    world_build_all(&w);
    world_claim(&w, "bronze@2024-01-01T00", "20240101T000000-000001", 1, false);
    world_plan(&w);
    world_assert_counts(&w, 0, 6, 0, 0, 0);
    world_claim(&w, "bronze@2024-01-01T01", "20240101T000000-000001", 2, false);
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T01", "run interrupted");
    world_close(&w);
}

static void a_claim_without_a_readable_text_is_still_a_claim(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE);
    world_build_all(&w);
    scratch_write(&w.scratch, "store/_stagegraph/claims/bronze/2024-01-01T00", "");
    scratch_write(&w.scratch, "store/_stagegraph/claims/bronze/nonsense", "");
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T00", "run interrupted");
    world_assert_counts(&w, 1, 2, 0, 0, 0);
    world_close(&w);
}

static void what_another_run_holds_is_left_to_it(void **state)
{
    struct sg_plan_counts c;
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    world_lose(&w, "bronze@2024-01-01T00");
    world_lose(&w, "silver@2024-01-01T00");
    world_lose(&w, "silver@2024-01-01T01");
    world_claim(&w, "bronze@2024-01-01T00", "other-run", 1, true);
    world_claim(&w, "bronze@2024-01-01T01", "other-run", 1, true); /* there and fresh, but held */
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T00", "busy missing");
    assert_says(&w, "silver@2024-01-01T00", "busy missing");
    assert_says(&w, "bronze@2024-01-01T01", "fresh");
    assert_says(&w, "silver@2024-01-01T01", "busy missing");
    assert_says(&w, "silver@2024-01-01T02", "fresh");
    world_assert_counts(&w, 0, 3, 0, 3, 0);
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.blocked_must, 0);
    w.request.wait = true; /* it will be waited for: then it is to run */
    world_plan(&w);
    world_assert_counts(&w, 3, 3, 0, 0, 0);
    w.request.wait = false;
    w.own_run = "other-run"; /* they are our own */
    world_plan(&w);
    world_assert_counts(&w, 3, 3, 0, 0, 0);
    world_close(&w);
}

static void an_input_that_another_run_is_making_is_not_gone(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    world_lose(&w, "bronze@2024-01-01T00");
    world_claim(&w, "bronze@2024-01-01T00", "other-run", 1, true);
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T00", "busy missing");
    assert_says(&w, "silver@2024-01-01T00", "fresh"); /* as far as this run can know */
    world_assert_no_notices(&w);
    world_close(&w);
}

/* The store as it is planned from, where another run begins with an input in the instant between
 * the look at the claims and the one at its marker. */
struct instant {
    struct world *w;
    struct sg_store *plain;
    bool is_over;
};

static int open_in_that_instant(void *ctx, const char *path, int flags, mode_t mode)
{
    struct instant *i = ctx;
    struct sg_store *planned = i->w->store;

    if (!i->is_over && strstr(path, "/bronze/2024-01-01/00/_SUCCESS") != NULL) {
        i->is_over = true;
        i->w->store = i->plain;
        world_claim(i->w, "bronze@2024-01-01T00", "other-run", 1, true);
        world_lose(i->w, "bronze@2024-01-01T00");
        i->w->store = planned;
    }
    return sg_io_system.open(NULL, path, flags, mode);
}

static void an_input_that_another_run_begins_with_meanwhile_is_held_and_not_missing(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct world w;
    struct instant i = { .w = &w };
    struct sg_io io = sg_io_system;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER);
    world_build_all(&w);
    world_lose(&w, "silver@2024-01-01T00");
    w.request.only = world_stages(&w, "silver");
    i.plain = w.store;
    io.ctx = &i;
    io.open = open_in_that_instant;
    assert_true(sg_file_store_open(sg_store_root(i.plain), false, &io, &w.store, &err));
    world_plan(&w);
    assert_true(i.is_over);
    assert_says(&w, "silver@2024-01-01T00", "busy missing");
    assert_says(&w, "silver@2024-01-01T01", "fresh");
    sg_store_free(w.store);
    w.store = i.plain;
    world_close(&w);
}

static void what_waits_for_a_busy_input_is_busy_too(void **state)
{
    static const char graph[] = HEAD "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n"
                                     "[stage b]\nneeds = a\ncommand = b\noutput = b/${ds}/${HH}\n"
                                     "[stage c]\nneeds = b\ncommand = c\noutput = c/${ds}/${HH}\n"
                                     "[stage d]\nneeds = b?\ncommand = d\noutput = d/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-01T01:00:00Z");
    world_claim(&w, "a@2024-01-01T00", "other-run", 1, true);
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T00", "busy missing");
    assert_says(&w, "b@2024-01-01T00", "busy missing");
    assert_says(&w, "c@2024-01-01T00", "busy missing");
    assert_says(&w, "d@2024-01-01T00", "run missing"); /* optional, and nobody makes it now */
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markers_of_other_tools_are_fresh_until_an_input_is_made_later),
        cmocka_unit_test(a_foreign_marker_has_a_version),
        cmocka_unit_test(a_marker_of_an_unfinished_interval_is_none),
        cmocka_unit_test(damage_is_told_from_absence),
        cmocka_unit_test(a_lost_recipe_makes_nothing_stale_by_itself),
        cmocka_unit_test(a_dead_claim_makes_its_node_stale),
        cmocka_unit_test(a_dead_claim_of_the_attempt_that_wrote_the_receipt_is_nothing),
        cmocka_unit_test(a_claim_without_a_readable_text_is_still_a_claim),
        cmocka_unit_test(what_another_run_holds_is_left_to_it),
        cmocka_unit_test(an_input_that_another_run_is_making_is_not_gone),
        cmocka_unit_test(an_input_that_another_run_begins_with_meanwhile_is_held_and_not_missing),
        cmocka_unit_test(what_waits_for_a_busy_input_is_busy_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
