/* Which nodes a request asks for, and which it looks at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_impl.h"
#include "world.h"

#define HOURS                                                                                      \
    HEAD "[source landing]\npath = landing/${ds}/${HH}\nmarker = _DONE\n"                          \
         "[stage bronze]\nneeds = landing\ncommand = b\noutput = bronze/${ds}/${HH}\n"             \
         "[stage silver]\nneeds = bronze silver@-1\ncommand = s\noutput = silver/${ds}/${HH}\n"    \
         "[stage gold]\npartition = day\nneeds = silver dim\ncommand = g\noutput = gold/${ds}\n"   \
         "[stage dim]\npartition = once\ncommand = d\noutput = dim\n"

/* "bronze 3 silver 3 …": asked nodes of each stage that has some. */
static const char *asked(const struct world *w)
{
    static char text[600];

    text[0] = '\0';
    for (uint32_t i = 0; i < w->graph->n_stages; i++) {
        const struct sg_plan_stage *v = &w->plan->stages[i].pub;
        unsigned n = 0;
        char word[100];

        for (uint32_t id = v->base; id < v->base + (uint32_t)(v->hi - v->lo); id++)
            n += (w->plan->flags[id] & SG_NODE_ASKED) != 0;
        if (n == 0)
            continue;
        (void)snprintf(word, sizeof(word), "%s%s %u", text[0] != '\0' ? " " : "",
                       w->graph->stages[i].name, n);
        strcat(text, word);
    }
    return text;
}

static void a_range_takes_what_meets_it_is_due_and_exists(void **state)
{
    static const struct {
        const char *from, *to, *now, *asked;
    } rows[] = {
        { "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z",
          "bronze 24 silver 24 gold 1 dim 1" },
        { "2024-01-01T02:30:00Z", "2024-01-01T04:30:00Z", "2024-01-03T00:00:00Z",
          "bronze 3 silver 3 gold 1 dim 1" },
        { "2024-01-01T02:00:00Z", "2024-01-01T04:00:00Z", "2024-01-03T00:00:00Z",
          "bronze 2 silver 2 gold 1 dim 1" },
        { "2023-12-31T00:00:00Z", "2024-01-01T04:00:00Z", "2024-01-03T00:00:00Z",
          "bronze 4 silver 4 gold 1 dim 1" },
        { "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-01T12:00:00Z",
          "bronze 12 silver 12 dim 1" },
        { "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", "2024-01-01T12:59:59Z",
          "bronze 12 silver 12 dim 1" },
        { "2023-01-01T00:00:00Z", "2023-01-02T00:00:00Z", "2024-01-01T12:00:00Z", "dim 1" },
        { "2024-01-01T02:00:00Z", "2024-01-01T02:00:00Z", "2024-01-03T00:00:00Z", "" },
    };
    struct world w;

    (void)state;
    world_open(&w, HOURS);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world_at(&w, rows[i].now);
        world_range(&w, rows[i].from, rows[i].to);
        world_plan(&w);
        assert_string_equal(asked(&w), rows[i].asked);
    }
    world_close(&w);
}

static void without_a_range_each_stage_goes_from_its_start_to_its_newest_due(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, HOURS);
    world_at(&w, "2024-01-03T06:00:00Z");
    world_plan(&w);
    assert_string_equal(asked(&w), "bronze 54 silver 54 gold 2 dim 1");
    world_at(&w, "2023-06-01T00:00:00Z");
    world_plan(&w);
    assert_string_equal(asked(&w), "dim 1");
    assert_int_equal(sg_plan_range(w.plan).start_s, sg_plan_range(w.plan).end_s);
    world_close(&w);
}

static void a_stage_without_a_start_asks_for_a_range(void **state)
{
    static const char graph[] = "[store]\nroot = store\n[stage a]\npartition = hour\ncommand = a\n"
                                "output = a/${ds}/${HH}\n"
                                "[stage b]\npartition = once\ncommand = b\noutput = b\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    assert_string_equal(world_plan_fails(&w),
                        "a has no start: give a range (--from, --to, --date, --last)");
    w.request.has_range = true;
    w.request.range = (struct sg_interval){ SG_TIME_MIN, world_time("2024-01-01T00:00:00Z") };
    assert_non_null(strstr(world_plan_fails(&w), "a has no start"));
    world_range(&w, "2024-01-01T00:00:00Z", "2024-01-01T02:00:00Z");
    world_plan(&w);
    assert_string_equal(asked(&w), "a 2 b 1");
    w.request.has_range = false;
    w.request.only = world_stages(&w, "b"); /* the stage without a start is not asked */
    world_plan(&w);
    assert_string_equal(asked(&w), "b 1");
    world_close(&w);
}

static void a_once_stage_that_needs_all_of_a_stage_without_a_start_says_so(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, "[store]\nroot = store\n[source a]\npartition = hour\npath = a/${ds}/${HH}\n"
                   "[stage b]\npartition = once\nneeds = a\ncommand = b\noutput = b\n");
    assert_string_equal(world_plan_fails(&w), "b needs all of a, which has no start");
    world_close(&w);
}

static void dates_of_one_stage_narrow_it_alone(void **state)
{
    struct world w;
    uint32_t silver;

    (void)state;
    world_open(&w, HOURS);
    world_at(&w, "2024-01-04T00:00:00Z");
    silver = sg_graph_find_stage(w.graph, "silver")->id.i;
    w.request.narrow =
        sg_arena_new(&w.arena, 8, sizeof(struct sg_interval), &(struct sg_error)SG_ERROR_INIT);
    w.request.narrowed = world_stages(&w, "silver");
    w.request.narrow[silver] = (struct sg_interval){ world_time("2024-01-02T00:00:00Z"),
                                                     world_time("2024-01-02T06:00:00Z") };
    world_plan(&w); /* alone, its dates are the range of all */
    assert_string_equal(asked(&w), "bronze 6 silver 6 gold 1 dim 1");
    world_range(&w, "2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z");
    world_plan(&w);
    assert_string_equal(asked(&w), "bronze 48 silver 6 gold 2 dim 1");
    w.request.narrow[silver].end_s = SG_TIME_MAX; /* only its start was given */
    world_plan(&w);
    assert_string_equal(asked(&w), "bronze 48 silver 24 gold 2 dim 1");
    w.request.has_range = false;
    world_plan(&w);
    assert_string_equal(asked(&w), "bronze 48 silver 48 gold 2 dim 1");
    world_close(&w);
}

static void a_named_node_brings_what_it_needs_within_its_interval(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, HOURS);
    world_at(&w, "2024-01-05T00:00:00Z");
    world_name(&w, "silver@2024-01-02T05");
    world_plan(&w); /* silver@-1 lies outside of its hour */
    assert_string_equal(asked(&w), "bronze 1 silver 1");
    assert_says(&w, "silver@2024-01-02T04", "input");
    world_name(&w, "gold@2024-01-03"); /* the hours of its day, a chain among them */
    world_plan(&w);
    assert_string_equal(asked(&w), "bronze 25 silver 25 gold 1 dim 1");
    assert_says(&w, "silver@2024-01-02T06", "unseen");
    assert_says(&w, "silver@2024-01-02T23", "input");
    w.request.only = world_stages(&w, "gold");
    world_plan(&w);
    assert_string_equal(asked(&w), "gold 1");
    assert_true(sg_plan_stage(w.plan, sg_graph_find_stage(w.graph, "gold")->id)->selected);
    assert_false(sg_plan_stage(w.plan, sg_graph_find_stage(w.graph, "dim")->id)->selected);
    world_close(&w);
}

static void a_named_node_that_cant_be_made_now_says_why(void **state)
{
    static const struct {
        const char *node, *says;
    } rows[] = {
        { "silver@2024-01-05T07", "silver@2024-01-05T07 is not due before 2024-01-05T08:00Z" },
        { "gold@2024-01-05", "gold@2024-01-05 is not due before 2024-01-06T00:00Z" },
        { "landing@2024-01-01T00", "landing@2024-01-01T00 is a source's: nothing makes it" },
    };
    struct world w;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world_open(&w, HOURS);
        world_at(&w, "2024-01-05T00:00:00Z");
        world_name(&w, rows[i].node);
        assert_string_equal(world_plan_fails(&w), rows[i].says);
        world_close(&w);
    }
    world_open(&w, HOURS);
    w.request.named = &(struct sg_named_node){ sg_graph_find_stage(w.graph, "silver")->id, 5 };
    w.request.n_named = 1;
    assert_string_equal(world_plan_fails(&w), "silver@1970-01-01T05 is before the start of silver");
    world_close(&w);
}

static void a_window_is_one_range_for_all_stages(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, HOURS);
    world_at(&w, "2024-01-03T06:30:00Z");
    w.request.window = 1;
    world_plan(&w);
    assert_string_equal(asked(&w), "bronze 1 silver 1 dim 1"); /* gold's day is not due */
    assert_int_equal(sg_plan_range(w.plan).start_s, world_time("2024-01-03T05:00:00Z"));
    assert_int_equal(sg_plan_range(w.plan).end_s, world_time("2024-01-03T06:00:00Z"));
    w.request.lookback = 24;
    world_plan(&w);
    assert_string_equal(asked(&w), "bronze 25 silver 25 gold 1 dim 1");
    /* gold's day began before the lookback, but the heading tells of 25 hours */
    assert_int_equal(sg_plan_range(w.plan).start_s, world_time("2024-01-02T05:00:00Z"));
    assert_int_equal(sg_plan_range(w.plan).end_s, world_time("2024-01-03T06:00:00Z"));
    world_close(&w);
}

/* The view holds what asked nodes need, and the hull around it. */
static void the_view_is_what_is_asked_for_and_its_inputs(void **state)
{
    static const char graph[] = HEAD
        "[source landing]\npath = landing/${ds}/${HH}\nmarker = _DONE\n"
        "[stage a]\nneeds = landing@-100 landing@latest\ncommand = a\noutput = a/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2024-02-01T00:00:00Z");
    world_range(&w, "2024-01-10T00:00:00Z", "2024-01-10T02:00:00Z");
    world_plan(&w);
    assert_string_equal(asked(&w), "a 2");
    assert_says(&w, "landing@2024-01-05T20", "input");
    assert_says(&w, "landing@2024-01-05T21", "input");
    assert_says(&w, "landing@2024-01-31T23", "input");  /* the latest */
    assert_says(&w, "landing@2024-01-10T00", "unseen"); /* between: nobody looked */
    assert_says(&w, "landing@2024-01-05T19", "unseen");
    world_close(&w);
}

/* The short ways of sg_edge_range() against the rule itself. */
static void edges_agree_with_the_rule(void **state)
{
    static const char *const units[] = { "10m", "30m", "hour", "day", "week", "month", "once" };
    static const char *const zones[] = { "UTC", "America/New_York", "Pacific/Apia" };
    static const char *const needs[] = { "x", "x@-1", "x@-3..0", "x@latest", "|x?" };
    unsigned checked = 0;

    (void)state;
    for (size_t z = 0; z < 3; z++)
        for (size_t i = 0; i < 7; i++)
            for (size_t j = 0; j < 7; j++)
                for (size_t k = 0; k < 5; k++) {
                    char text[700];
                    const struct sg_stage *y;
                    struct world w;

                    if (strchr(needs[k], '-') != NULL && (i == 6 || j == 6))
                        continue; /* once has nothing to count */
                    if ((i == 4 && j == 5) || (i == 5 && j == 4))
                        continue; /* months need no weeks */
                    if (strcmp(zones[z], "UTC") != 0 && i < 3 && j >= 3)
                        continue; /* some local days begin within an hour */
                    (void)snprintf(
                        text, sizeof(text),
                        "[graph]\ndelay = 0\nstart = 2011-12-10\nend = 2012-03-20\ntimezone = %s\n"
                        "[store]\nroot = store\n"
                        "[source x]\npartition = %s\npath = x/${start_epoch}\n"
                        "[stage y]\npartition = %s\nneeds = %s\ncommand = y\n"
                        "output = y/${start_epoch}\n",
                        zones[z], units[i], units[j], needs[k]);
                    if (i == 6)
                        memcpy(strstr(text, "x/${start_epoch}"), "x/one           ", 16);
                    if (j == 6)
                        memcpy(strstr(text, "y/${start_epoch}"), "y/one           ", 16);
                    world_open(&w, text);
                    world_at(&w, "2012-04-01T00:00:00Z");
                    w.request.stale = 0;
                    w.request.window = 1; /* a small plan */
                    world_plan(&w);
                    y = sg_graph_find_stage(w.graph, "y");
                    for (int64_t n = y->exists.first; n < y->exists.end; n++) {
                        const struct sg_edge *e = &w.plan->edges[y->id.i][0];
                        struct sg_range a = sg_edge_range(w.plan, y, e, n);
                        struct sg_range b = sg_need_range(w.graph, y, e->need, n, w.plan->due_end);
                        struct sg_interval real;

                        if (!sg_calendar_interval(&y->cal, n, &real))
                            continue;
                        if (sg_range_count(a) != sg_range_count(b) ||
                            (sg_range_count(a) != 0 && (a.first != b.first || a.end != b.end)))
                            fail_msg("%s %s needs %s of %s: %lld: [%lld %lld) and [%lld %lld)",
                                     zones[z], units[j], needs[k], units[i], (long long)n,
                                     (long long)a.first, (long long)a.end, (long long)b.first,
                                     (long long)b.end);
                        checked++;
                    }
                    world_close(&w);
                }
    assert_true(checked > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_takes_what_meets_it_is_due_and_exists),
        cmocka_unit_test(without_a_range_each_stage_goes_from_its_start_to_its_newest_due),
        cmocka_unit_test(a_stage_without_a_start_asks_for_a_range),
        cmocka_unit_test(a_once_stage_that_needs_all_of_a_stage_without_a_start_says_so),
        cmocka_unit_test(dates_of_one_stage_narrow_it_alone),
        cmocka_unit_test(a_named_node_brings_what_it_needs_within_its_interval),
        cmocka_unit_test(a_named_node_that_cant_be_made_now_says_why),
        cmocka_unit_test(a_window_is_one_range_for_all_stages),
        cmocka_unit_test(the_view_is_what_is_asked_for_and_its_inputs),
        cmocka_unit_test(edges_agree_with_the_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
