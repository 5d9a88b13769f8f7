/* What a node needs, and what becomes of it when that changes, comes, or is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

static void an_input_is_its_version_not_its_time(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    world_build(&w, "bronze@2024-01-01T01"); /* again, and it came out the same */
    world_plan(&w);
    world_assert_counts(&w, 0, 6, 0, 0, 0);
    world_source(&w, "landing@2024-01-01T01", "rows"); /* touched */
    world_plan(&w);
    world_assert_counts(&w, 0, 6, 0, 0, 0);
    world_build_as(&w, "bronze@2024-01-01T01", "other");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T01", "run input bronze");
    world_assert_counts(&w, 1, 5, 0, 0, 0);
    world_close(&w);
}

static void changed_need_rules_are_an_input_reason_that_names_the_need(void **state)
{
    static const char graph[] =
        HEAD LANDING BRONZE "[source dim]\npartition = once\npath = dims\nmarker = _DONE\n"
                            "[stage silver]\nneeds = bronze %s\ncommand = silver\n"
                            "output = silver/${ds}/${HH}\n";
    static const struct {
        const char *was, *is, *says;
    } rows[] = {
        { "", "dim", "run input dim" },
        { "dim", "", "run input dim" },
        { "bronze@-1", "bronze@-1", "fresh" },
        { "", "|dim", "fresh" }, /* order only: not in the stamp */
        { "|dim", "", "fresh" },
        { "dim", "dim?", "run input dim" },
        { "dim", "|dim", "run input dim" },
        { "bronze@-1", "bronze@-2..-1", "run input bronze" },
        { "dim bronze@-1", "bronze@-1 dim", "run input bronze" }, /* their order is a part */
    };
    struct world w;
    char text[2000];

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)snprintf(text, sizeof(text), graph, rows[i].was);
        world_graph(&w, text);
        world_source(&w, "dim", "d");
        world_build(&w, "silver@2024-01-01T02");
        (void)snprintf(text, sizeof(text), graph, rows[i].is);
        world_graph(&w, text);
        world_plan(&w);
        if (strcmp(world_says(&w, "silver@2024-01-01T02"), rows[i].says) != 0)
            fail_msg("'%s' to '%s': %s", rows[i].was, rows[i].is,
                     world_says(&w, "silver@2024-01-01T02"));
    }
    world_close(&w);
}

static void a_start_that_moves_means_other_inputs(void **state)
{
    static const char stage[] = "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n"
                                "[stage b]\nneeds = a@-2..0\ncommand = b\noutput = b/${ds}/${HH}\n";
    char later[500], earlier[500];
    struct world w;

    (void)state;
    (void)snprintf(later, sizeof(later),
                   "[graph]\ndelay = 0\nstart = 2024-01-01T02:00:00Z\n[store]\nroot = store\n%s",
                   stage);
    (void)snprintf(earlier, sizeof(earlier),
                   "[graph]\ndelay = 0\nstart = 2024-01-01T01:00:00Z\n[store]\nroot = store\n%s",
                   stage);
    world_open(&w, later);
    world_at(&w, "2024-01-01T06:00:00Z");
    world_build_all(&w);
    world_graph(&w, earlier);
    world_plan(&w);
    assert_says(&w, "b@2024-01-01T02", "run input a");
    assert_says(&w, "b@2024-01-01T03", "run input a");
    assert_says(&w, "b@2024-01-01T04", "fresh"); /* its three hours are the same */
    world_close(&w);
}

static void a_once_stage_needs_each_due_partition(void **state)
{
    static const char graph[] = HEAD LANDING "[stage all]\npartition = once\nneeds = landing\n"
                                             "command = all\noutput = all\n";
    struct world w;

    (void)state;
    world_open_flights(&w, graph);
    world_plan(&w);
    assert_says(&w, "all", "run missing");
    world_build_all(&w);
    assert_says(&w, "all", "fresh");
    world_source(&w, "landing@2024-01-01T03", "rows");
    world_plan(&w);
    assert_says(&w, "all", "fresh"); /* not due */
    world_at(&w, "2024-01-01T04:00:00Z");
    world_plan(&w);
    assert_says(&w, "all", "run input landing");
    world_range(&w, "2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z");
    world_plan(&w);
    assert_says(&w, "all", "run input landing"); /* once is in any range */
    world_close(&w);
}

static void latest_compares_versions_not_partitions(void **state)
{
    static const char graph[] = HEAD LANDING "[stage a]\nneeds = landing@latest\ncommand = a\n"
                                             "output = a/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open_flights(&w, graph);
    world_build_all(&w);
    world_at(&w, "2024-01-01T04:00:00Z");
    world_source(&w, "landing@2024-01-01T03", "rows"); /* the same as the one before */
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T00", "fresh");
    assert_says(&w, "a@2024-01-01T03", "run missing");
    world_source(&w, "landing@2024-01-01T03", "other rows");
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T00", "run input landing");
    world_lose(&w, "landing@2024-01-01T03"); /* not come yet: what was made stays */
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T00", "fresh");
    assert_says(&w, "a@2024-01-01T03", "blocked missing");
    world_close(&w);
}

static void with_none_due_the_latest_is_not_needed(void **state)
{
    static const char graph[] =
        HEAD "[source w]\npartition = week\npath = w/${ds}\nmarker = _DONE\n"
             "start = 2024-02-01\n"
             "[stage a]\nneeds = w@latest\ncommand = a\n"
             "output = a/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-01T01:00:00Z");
    world_build_all(&w);
    assert_says(&w, "a@2024-01-01T00", "fresh");
    world_close(&w);
}

static void a_chain_needs_the_partition_before(void **state)
{
    static const char graph[] =
        HEAD "[stage a]\nneeds = a@-1\ncommand = a\noutput = a/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-01T05:00:00Z");
    world_plan(&w);
    assert_string_equal(world_reasons(&w, "a@2024-01-01T00"), "missing");
    assert_string_equal(world_reasons(&w, "a@2024-01-01T04"), "missing upstream");
    world_build_all(&w);
    world_build_as(&w, "a@2024-01-01T01", "other");
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T01", "fresh");
    assert_says(&w, "a@2024-01-01T02", "run input a");
    assert_says(&w, "a@2024-01-01T03", "run upstream a");
    assert_says(&w, "a@2024-01-01T04", "run upstream a");
    world_close(&w);
}

static void stages_that_need_each_other_are_swept_in_time(void **state)
{
    static const char graph[] =
        HEAD "[stage silver]\nneeds = gold@-1\ncommand = s\noutput = s/${ds}/${HH}\n"
             "[stage gold]\npartition = day\nneeds = silver\ncommand = g\noutput = g/${ds}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-05T00:00:00Z");
    world_plan(&w);
    world_assert_counts(&w, 4 * 25, 0, 0, 0, 0);
    world_build_all(&w);
    world_assert_counts(&w, 0, 4 * 25, 0, 0, 0);
    world_build_as(&w, "silver@2024-01-02T05", "other");
    world_plan(&w);
    assert_says(&w, "gold@2024-01-01", "fresh");
    assert_says(&w, "gold@2024-01-02", "run input silver");
    assert_says(&w, "silver@2024-01-02T06", "fresh");
    assert_says(&w, "silver@2024-01-03T00", "run upstream gold");
    assert_says(&w, "gold@2024-01-03", "run upstream silver");
    world_assert_counts(&w, 1 + 24 + 1 + 24 + 1, 4 * 25 - 51, 0, 0, 0);
    world_close(&w);
}

/* New York, where a day of March has 23 hours and one of November 25. */
static void a_local_day_has_the_hours_that_it_has(void **state)
{
    static const char graph[] =
        "[graph]\ndelay = 0\nstart = 2024-03-09\ntimezone = America/New_York\n"
        "[store]\nroot = store\n"
        "[source h]\npartition = hour\npath = h/${ds}/${HH}\nmarker = _DONE\n"
        "[stage day]\npartition = day\nneeds = h\ncommand = d\n"
        "output = d/${ds}\n";
    struct sg_decision d;
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-11-05T00:00:00Z");
    world_decide(&w, "day@2024-03-10", (struct sg_decide_ask){ .forced = false }, &d);
    assert_int_equal(d.what, SG_DECIDE_BLOCKED);
    assert_string_equal(d.lacks, "h@2024-03-10T05");
    assert_int_equal(d.inputs[0].count, 23);
    assert_string_equal(d.inputs[0].from, "2024-03-10T05");
    world_decide(&w, "day@2024-11-03", (struct sg_decide_ask){ .forced = false }, &d);
    assert_int_equal(d.inputs[0].count, 25);
    assert_string_equal(d.inputs[0].from, "2024-11-03T04");
    world_close(&w);
}

static void a_date_that_never_was_is_nobodys_input(void **state)
{
    static const char graph[] =
        "[graph]\ndelay = 0\nstart = 2011-12-26\npartition = day\ntimezone = Pacific/Apia\n"
        "[store]\nroot = store\n[stage d]\ncommand = d\noutput = d/${ds}\n"
        "[stage w]\npartition = week\nneeds = d\ncommand = w\noutput = w/${ds}\n"
        "[stage e]\nneeds = d@-1\ncommand = e\noutput = e/${ds}\n";
    struct sg_decision d;
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2012-01-01T11:00:00Z");
    world_build_all(&w);
    world_assert_counts(&w, 0, 6 + 1 + 6, 0, 0, 0); /* 26 27 28 29 31 1 */
    world_decide(&w, "w@2011-W52", (struct sg_decide_ask){ .forced = true }, &d);
    assert_int_equal(d.inputs[0].count, 6);
    world_build_as(&w, "d@2011-12-29", "other");
    world_plan(&w);
    assert_says(&w, "e@2011-12-31", "run input d");
    assert_says(&w, "w@2011-W52", "run input d");
    world_close(&w);
}

static void an_optional_need_may_be_absent_and_counts_when_it_comes(void **state)
{
    static const char graph[] = HEAD LANDING "[stage a]\nneeds = landing?\ncommand = a\n"
                                             "output = a/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-01T02:00:00Z");
    world_source(&w, "landing@2024-01-01T00", "rows");
    world_plan(&w);
    world_assert_counts(&w, 2, 0, 0, 0, 0);
    world_build_all(&w);
    world_assert_counts(&w, 0, 2, 0, 0, 0);
    world_source(&w, "landing@2024-01-01T01", "late rows");
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T01", "run input landing");
    world_build_all(&w);
    world_lose(&w, "landing@2024-01-01T01");
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T01", "fresh");
    world_assert_notice(&w, "landing: 1 node of a stands on inputs that are gone");
    world_close(&w);
}

static void an_optional_need_that_will_be_made_is_upstream(void **state)
{
    static const char graph[] = HEAD "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n"
                                     "[stage b]\nneeds = a?\ncommand = b\noutput = b/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-01T01:00:00Z");
    world_build(&w, "b@2024-01-01T00"); /* without a */
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T00", "run missing");
    assert_says(&w, "b@2024-01-01T00", "run upstream a");
    world_build(&w, "a@2024-01-01T00");
    world_plan(&w);
    assert_says(&w, "b@2024-01-01T00", "run input a");
    world_close(&w);
}

static void an_order_only_need_is_waited_for_and_no_reason(void **state)
{
    static const char graph[] =
        HEAD "[stage dim]\npartition = once\ncommand = d\noutput = dim\n"
             "[stage a]\nneeds = |dim\ncommand = a\noutput = a/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-01T02:00:00Z");
    world_plan(&w);
    assert_string_equal(world_reasons(&w, "a@2024-01-01T00"), "missing");
    world_build_all(&w);
    world_build_as(&w, "dim", "other");
    world_plan(&w);
    world_assert_counts(&w, 0, 3, 0, 0, 0);
    world_lose(&w, "dim");
    world_plan(&w);
    assert_says(&w, "dim", "run missing");
    assert_says(&w, "a@2024-01-01T00", "fresh");
    world_lose(&w, "a@2024-01-01T01");
    w.request.only = world_stages(&w, "a");
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T01", "blocked missing"); /* it must be there */
    world_close(&w);
}

static void what_is_gone_makes_nothing_stale_but_blocks_what_must_run(void **state)
{
    struct sg_plan_counts c;
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    world_lose(&w, "landing@2024-01-01T00");
    world_lose(&w, "landing@2024-01-01T01");
    world_plan(&w);
    world_assert_counts(&w, 0, 6, 0, 0, 0);
    world_assert_notice(&w, "landing: 2 nodes of bronze stand on inputs that are gone");
    world_lose(&w, "bronze@2024-01-01T01");
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T01", "blocked missing");
    assert_says(&w, "silver@2024-01-01T01", "fresh"); /* from what it recorded */
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.blocked_must, 1);
    world_lose(&w, "silver@2024-01-01T01");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T01", "blocked missing");
    world_close(&w);
}

static void upstream_alone_that_lacks_another_input_is_blocked_but_not_must(void **state)
{
    static const char graph[] = HEAD LANDING "[stage x]\ncommand = x\noutput = x/${ds}/${HH}\n"
                                             "[stage a]\nneeds = x landing\ncommand = a\n"
                                             "output = a/${ds}/${HH}\n"
                                             "[stage b]\nneeds = a\ncommand = b\n"
                                             "output = b/${ds}/${HH}\n";
    struct sg_plan_counts c;
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-01-01T01:00:00Z");
    world_source(&w, "landing@2024-01-01T00", "rows");
    world_build_all(&w);
    world_lose(&w, "landing@2024-01-01T00");
    world_lose(&w, "x@2024-01-01T00");
    world_plan(&w);
    assert_says(&w, "x@2024-01-01T00", "run missing");
    assert_says(&w, "a@2024-01-01T00", "blocked upstream x");
    assert_says(&w, "b@2024-01-01T00", "fresh");
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.blocked, 1);
    assert_int_equal(c.blocked_must, 0);
    world_close(&w);
}

static void users_of_a_blocked_input_that_is_there_run_from_it(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    world_lose(&w, "landing@2024-01-01T01");
    world_lose(&w, "silver@2024-01-01T01");
    w.request.force = world_stages(&w, "bronze"); /* bronze must run, and can't */
    world_plan(&w);
    assert_says(&w, "bronze@2024-01-01T01", "blocked forced");
    assert_says(&w, "silver@2024-01-01T01", "run missing");
    world_assert_notice(&w, "silver: 1 node will run from bronze as it is, which is blocked");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_input_is_its_version_not_its_time),
        cmocka_unit_test(changed_need_rules_are_an_input_reason_that_names_the_need),
        cmocka_unit_test(a_start_that_moves_means_other_inputs),
        cmocka_unit_test(a_once_stage_needs_each_due_partition),
        cmocka_unit_test(latest_compares_versions_not_partitions),
        cmocka_unit_test(with_none_due_the_latest_is_not_needed),
        cmocka_unit_test(a_chain_needs_the_partition_before),
        cmocka_unit_test(stages_that_need_each_other_are_swept_in_time),
        cmocka_unit_test(a_local_day_has_the_hours_that_it_has),
        cmocka_unit_test(a_date_that_never_was_is_nobodys_input),
        cmocka_unit_test(an_optional_need_may_be_absent_and_counts_when_it_comes),
        cmocka_unit_test(an_optional_need_that_will_be_made_is_upstream),
        cmocka_unit_test(an_order_only_need_is_waited_for_and_no_reason),
        cmocka_unit_test(what_is_gone_makes_nothing_stale_but_blocks_what_must_run),
        cmocka_unit_test(upstream_alone_that_lacks_another_input_is_blocked_but_not_must),
        cmocka_unit_test(users_of_a_blocked_input_that_is_there_run_from_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
