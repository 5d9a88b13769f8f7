/* Plans as stories: a graph, a few outputs, and what the plan says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static void an_empty_store_has_everything_to_do(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T00", "run missing");
    assert_says(&w, "silver@2024-01-01T02", "run missing");
    assert_string_equal(world_reasons(&w, "silver@2024-01-01T02"), "missing upstream");
    assert_says(&w, "silver@2024-01-01T03", "unseen"); /* not due */
    assert_says(&w, "gold@2024-01-01", "unseen");
    world_assert_counts(&w, 6, 0, 0, 0, 0);
    world_build_all(&w);
    world_assert_counts(&w, 0, 6, 0, 0, 0);
    world_assert_no_notices(&w);
    world_close(&w);
}

static void a_day_is_due_with_its_last_hour(void **state)
{
    char node[64];
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    for (int h = 3; h < 24; h++) {
        (void)snprintf(node, sizeof(node), "landing@2024-01-01T%02d", h);
        world_source(&w, node, "rows");
    }
    world_at(&w, "2024-01-01T23:59:59Z");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "unseen");
    world_at(&w, "2024-01-02T00:00:00Z");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "run missing");
    world_assert_counts(&w, 49, 0, 0, 0, 0);
    world_build_all(&w);
    world_build_as(&w, "silver@2024-01-01T07", "better");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "run input silver");
    world_assert_counts(&w, 1, 48, 0, 0, 0);
    world_close(&w);
}

static void what_a_stage_is_made_of_gives_its_reason(void **state)
{
    static const char stage[] = HEAD LANDING "[param mode]\ndefault = fast\n"
                                             "[stage bronze]\nneeds = landing\n";
    static const char rest[] = "output = bronze/${ds}/${HH}\n";
    static const struct {
        const char *label, *keys, *a, *b, *says;
    } rows[] = {
        { "nothing", "command = x ${mode}\ncode = a.py b.py\n", "1", "1", "fresh" },
        { "code", "command = x ${mode}\ncode = a.py b.py\n", "2", "1", "run code a.py" },
        { "other code", "command = x ${mode}\ncode = a.py b.py\n", "1", "2", "run code b.py" },
        { "both", "command = x ${mode}\ncode = a.py b.py\n", "2", "2", "run code a.py +1" },
        { "code gone", "command = x ${mode}\ncode = a.py\n", "1", "1", "run code b.py" },
        { "command", "command = y ${mode}\ncode = a.py b.py\n", "1", "1", "run command command" },
        { "env", "command = x ${mode}\ncode = a.py b.py\nenv.TZ = UTC\n", "1", "1",
          "run command env.TZ" },
        { "check", "command = x ${mode}\ncode = a.py b.py\ncheck = exists\n", "1", "1",
          "run command check" },
        { "version", "command = x ${mode}\ncode = a.py b.py\nversion = 2\n", "1", "1",
          "run version (none) → 2" },
        { "options are no part", "command = x ${mode}\ncode = a.py b.py\noptions = --big\n", "1",
          "1", "fresh" },
        { "nor is a timeout", "command = x ${mode}\ncode = a.py b.py\ntimeout = 9h\n", "1", "1",
          "fresh" },
    };
    struct world w;
    char text[2000];

    (void)state;
    (void)snprintf(text, sizeof(text), "%scommand = x ${mode}\ncode = a.py b.py\n%s", stage, rest);
    world_open_flights(&w, HEAD LANDING BRONZE);
    scratch_write(&w.scratch, "a.py", "1");
    scratch_write(&w.scratch, "b.py", "1");
    world_graph(&w, text);
    world_range(&w, "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z");
    world_build(&w, "bronze@2024-01-01T00");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        scratch_write(&w.scratch, "a.py", rows[i].a);
        scratch_write(&w.scratch, "b.py", rows[i].b);
        (void)snprintf(text, sizeof(text), "%s%s%s", stage, rows[i].keys, rest);
        world_graph(&w, text);
        world_range(&w, "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z");
        world_plan(&w);
        if (strcmp(world_says(&w, "bronze@2024-01-01T00"), rows[i].says) != 0)
            fail_msg("%s: %s", rows[i].label, world_says(&w, "bronze@2024-01-01T00"));
    }
    world_close(&w);
}

static void a_param_is_named_with_its_old_and_new_value(void **state)
{
    static const char graph[] =
        HEAD "[param mode]\ndefault = fast\n"
             "[param how]\ndefault = so\nstamp = no\n"
             "[stage a]\ncommand = x ${mode} ${how}\noutput = a/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-01T01:00:00Z");
    world_build_all(&w);
    world_param(&w, "mode", "slow");
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T00", "run params mode fast → slow");
    world_param(&w, "how", "otherwise");
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T00", "fresh");
    world_close(&w);
}

static void the_first_reason_is_shown_and_all_are_known(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE);
    world_build_all(&w);
    world_source(&w, "landing@2024-01-01T01", "more rows");
    world_graph(&w, HEAD LANDING "[stage bronze]\nneeds = landing\ncommand = other\nversion = 3\n"
                                 "output = bronze/${ds}/${HH}\n");
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T01", "run command command");
    assert_string_equal(world_reasons(&w, "bronze@2024-01-01T01"), "command version input");
    assert_string_equal(world_reasons(&w, "bronze@2024-01-01T00"), "command version");
    world_close(&w);
}

static void only_reasons_that_are_asked_for_make_a_node_run(void **state)
{
    struct world w;
    struct sg_plan_counts c;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    world_lose(&w, "bronze@2024-01-01T01");
    world_source(&w, "landing@2024-01-01T02", "more rows");
    w.request.stale = 1u << SG_REASON_MISSING;
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T01", "run missing");
    assert_says(&w, "silver@2024-01-01T01", "debt upstream bronze");
    assert_says(&w, "bronze@2024-01-01T02", "debt input landing");
    assert_says(&w, "silver@2024-01-01T02", "fresh"); /* what is debt will not be rebuilt */
    world_assert_counts(&w, 1, 3, 0, 0, 2);
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.blocked_must, 0);
    w.request.stale = 1u << SG_REASON_INPUT;
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T01", "debt missing");
    assert_says(&w, "bronze@2024-01-01T02", "run input landing");
    assert_says(&w, "silver@2024-01-01T01", "fresh"); /* its input is gone, as far as it knows */
    w.request.stale = 1u << SG_REASON_COMMAND | 1u << SG_REASON_INPUT;
    world_graph(&w, HEAD LANDING
                "[stage bronze]\nneeds = landing\ncommand = other\noutput = bronze/${ds}/${HH}\n");
    w.request.stale = 1u << SG_REASON_INPUT;
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T02", "run input landing"); /* and not command */
    assert_string_equal(world_reasons(&w, "bronze@2024-01-01T02"), "command input");
    world_close(&w);
}

static void only_takes_inputs_as_they_are_and_says_so_when_they_are_stale(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    world_source(&w, "landing@2024-01-01T01", "more rows"); /* bronze is stale by it */
    world_lose(&w, "silver@2024-01-01T01");
    world_lose(&w, "silver@2024-01-01T02");
    w.request.only = world_stages(&w, "silver");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T01", "run missing");
    assert_says(&w, "bronze@2024-01-01T01", "input");
    world_assert_notice(&w, "silver: 1 node will run from bronze as it is, which is stale");
    world_assert_counts(&w, 2, 1, 0, 0, 0);
    world_lose(&w, "bronze@2024-01-01T02");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T02", "blocked missing"); /* nobody makes it now */
    world_close(&w);
}

static void upto_takes_a_stage_and_all_that_it_needs(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_at(&w, "2024-01-02T00:00:00Z");
    w.request.upto = world_stages(&w, "bronze");
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T01", "run missing");
    assert_says(&w, "bronze@2024-01-01T05", "blocked missing");
    assert_says(&w, "silver@2024-01-01T01", "unseen");
    assert_false(sg_plan_stage(w.plan, sg_graph_find_stage(w.graph, "gold")->id)->selected);
    w.request.upto = world_stages(&w, "silver");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T01", "run missing");
    assert_says(&w, "gold@2024-01-01", "unseen");
    world_close(&w);
}

static void force_touches_what_was_named_and_never_the_lookback(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    w.request.force_all = true;
    world_plan(&w);
    world_assert_counts(&w, 6, 0, 0, 0, 0);
    assert_says(&w, "silver@2024-01-01T01", "run forced");
    w.request.force_all = false;
    w.request.force = world_stages(&w, "silver");
    world_plan(&w);
    world_assert_counts(&w, 3, 3, 0, 0, 0);
    w.request.force = NULL;
    w.request.force_all = true;
    w.request.window = 1;
    w.request.lookback = 2;
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T02", "run forced");
    assert_says(&w, "silver@2024-01-01T02", "run forced");
    assert_says(&w, "bronze@2024-01-01T01", "fresh");
    world_assert_counts(&w, 2, 4, 0, 0, 0);
    w.request.window = 0;
    world_name(&w, "silver@2024-01-01T01");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T01", "run forced");
    assert_says(&w, "bronze@2024-01-01T01", "fresh");
    world_assert_counts(&w, 1, 1, 0, 0, 0);
    w.request.force_all = false;
    w.request.force = world_stages(&w, "bronze"); /* those of the stage that were reached */
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T01", "run forced");
    assert_says(&w, "silver@2024-01-01T01", "run upstream bronze");
    world_close(&w);
}

static void with_needs_makes_what_is_missing_outside_of_the_range(void **state)
{
    static const char graph[] = HEAD LANDING "[stage a]\nneeds = landing a@-1\ncommand = a\n"
                                             "output = a/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-02T00:00:00Z");
    for (int h = 0; h < 24; h++) {
        char node[64];

        (void)snprintf(node, sizeof(node), "landing@2024-01-01T%02d", h);
        world_source(&w, node, "rows");
    }
    world_range(&w, "2024-01-01T10:00:00Z", "2024-01-01T12:00:00Z");
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T10", "blocked missing");
    world_assert_counts(&w, 0, 0, 2, 0, 0);
    w.request.with_needs = true;
    world_plan(&w);
    world_assert_counts(&w, 12, 0, 0, 0, 0);
    assert_says(&w, "a@2024-01-01T00", "run missing");
    w.request.with_needs = false;
    world_range(&w, "2024-01-01T00:00:00Z", "2024-01-01T08:00:00Z");
    world_build_all(&w);
    world_range(&w, "2024-01-01T10:00:00Z", "2024-01-01T12:00:00Z");
    w.request.with_needs = true;
    world_plan(&w);
    world_assert_counts(&w, 4, 0, 0, 0, 0); /* what is there is not made again */
    world_lose(&w, "landing@2024-01-01T08");
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T08", "blocked missing");
    assert_says(&w, "a@2024-01-01T11", "blocked missing");
    world_close(&w);
}

/* The second needs nothing of x any more, whose last partition the first lacks. */
static void what_one_node_lacks_for_good_keeps_needs_from_no_other(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, HEAD "[source x]\npartition = day\npath = x/${ds}\nmarker = _DONE\n"
                        "end = 2024-01-13\n"
                        "[stage y]\npartition = day\ncommand = y\noutput = y/${ds}\n"
                        "[stage z]\npartition = day\nneeds = x y@-10\ncommand = z\n"
                        "output = z/${ds}\n");
    world_at(&w, "2024-01-20T00:00:00Z");
    world_range(&w, "2024-01-12T00:00:00Z", "2024-01-14T00:00:00Z");
    w.request.with_needs = true;
    world_plan(&w);
    assert_says(&w, "z@2024-01-12", "blocked missing");
    assert_says(&w, "z@2024-01-13", "run missing");
    world_close(&w);
}

#define HOUR(name, needs)                                                                          \
    "[stage " name "]\nneeds = " needs "\ncommand = " name "\noutput = " name "/${ds}/${HH}\n"

/* What is new comes in rows: b 07 to 09, then a 22 and 00, then d 21 and 23. */
static void in_a_row_of_new_nodes_each_lacks_its_own(void **state)
{
    static const char graph[] =
        HEAD LANDING "[stage d]\ncommand = d\noutput = d/${ds}/${HH}\n" HOUR("a", "d@-1")
            HOUR("b", "landing a@-9") HOUR("c", "b@-3..0");
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-02T12:00:00Z");
    for (int h = 7; h <= 10; h++) {
        char node[64];

        (void)snprintf(node, sizeof(node), "landing@2024-01-02T%02d", h);
        if (h != 8)
            world_source(&w, node, "rows");
    }
    world_range(&w, "2024-01-02T10:00:00Z", "2024-01-02T11:00:00Z");
    w.request.with_needs = true;
    world_plan(&w);
    assert_says(&w, "c@2024-01-02T10", "blocked missing");
    assert_says(&w, "b@2024-01-02T07", "run missing");
    assert_says(&w, "b@2024-01-02T08", "blocked missing");
    assert_says(&w, "b@2024-01-02T09", "run missing");
    assert_says(&w, "a@2024-01-01T22", "run missing");
    assert_says(&w, "a@2024-01-01T23", "input"); /* for nobody */
    assert_says(&w, "a@2024-01-02T00", "run missing");
    assert_says(&w, "d@2024-01-01T21", "run missing");
    assert_says(&w, "d@2024-01-01T23", "run missing");
    world_assert_counts(&w, 12, 0, 2, 0, 0); /* b 07 09 10, a 22 00 01 10, d 21 23 00 09 10 */
    world_close(&w);
}

static void with_needs_never_goes_against_the_selection(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    w.request.with_needs = true;
    w.request.only = world_stages(&w, "silver");
    world_plan(&w);
    world_assert_counts(&w, 0, 0, 3, 0, 0);
    assert_says(&w, "bronze@2024-01-01T00", "input");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_store_has_everything_to_do),
        cmocka_unit_test(a_day_is_due_with_its_last_hour),
        cmocka_unit_test(what_a_stage_is_made_of_gives_its_reason),
        cmocka_unit_test(a_param_is_named_with_its_old_and_new_value),
        cmocka_unit_test(the_first_reason_is_shown_and_all_are_known),
        cmocka_unit_test(only_reasons_that_are_asked_for_make_a_node_run),
        cmocka_unit_test(only_takes_inputs_as_they_are_and_says_so_when_they_are_stale),
        cmocka_unit_test(upto_takes_a_stage_and_all_that_it_needs),
        cmocka_unit_test(force_touches_what_was_named_and_never_the_lookback),
        cmocka_unit_test(with_needs_makes_what_is_missing_outside_of_the_range),
        cmocka_unit_test(what_one_node_lacks_for_good_keeps_needs_from_no_other),
        cmocka_unit_test(in_a_row_of_new_nodes_each_lacks_its_own),
        cmocka_unit_test(with_needs_never_goes_against_the_selection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
