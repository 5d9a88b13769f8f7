/* Plans whose depth or size would break what recurses or is quadratic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define SINCE_2012                                                                                 \
    "[graph]\ndelay = 0\nstart = 2012-01-01\npartition = hour\n[store]\nroot = store\n"
#define HOURS 100000u /* from 2012-01-01 to 2023-05-29T16 */

static uint32_t runs(const struct world *w)
{
    struct sg_plan_counts c;

    sg_plan_count(w->plan, &c);
    return c.run;
}

static bool count_group(void *ctx, const struct sg_plan_group *g)
{
    uint32_t *n = ctx;

    n[0]++;
    n[1] += g->count;
    return true;
}

static void a_chain_100000_deep_is_ordinary(void **state)
{
    static const char graph[] = SINCE_2012 "[stage silver]\nneeds = silver@-1\ncommand = s\n"
                                           "output = s/${ds}/${HH}\n";
    uint32_t groups[2] = { 0, 0 };
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2023-05-29T16:00:00Z");
    world_plan(&w);
    assert_int_equal(runs(&w), HOURS);
    assert_string_equal(world_reasons(&w, "silver@2023-05-29T15"), "missing upstream");
    assert_true(sg_plan_groups(w.plan, SG_VERDICT_RUN, count_group, groups));
    assert_int_equal(groups[0], 1);
    assert_int_equal(groups[1], HOURS);
    world_build(&w, "silver@2012-01-01T00");
    world_plan(&w);
    assert_int_equal(runs(&w), HOURS - 1);
    world_close(&w);
}

/* More than one thread takes at a time, so that several read. */
static void many_markers_are_read_by_several_threads(void **state)
{
    static const char graph[] = SINCE_2012 "[source seed]\npartition = once\npath = seed\n"
                                           "marker = _DONE\n"
                                           "[stage a]\nneeds = seed\ncommand = a\n"
                                           "output = a/${ds}/${HH}\n"
                                           "[stage b]\nneeds = a\ncommand = b\n"
                                           "output = b/${ds}/${HH}\n";
    struct sg_plan_counts c;
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2012-01-15T00:00:00Z");
    world_source(&w, "seed", "one");
    world_build_all(&w);
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.fresh, 2 * 14 * 24);
    world_source(&w, "seed", "two");
    world_plan(&w);
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.run, 2 * 14 * 24);
    assert_says(&w, "a@2012-01-14T23", "run input seed");
    assert_says(&w, "b@2012-01-14T23", "run upstream a");
    world_close(&w);
}

static void a_chain_through_two_stages_is_too(void **state)
{
    static const char graph[] =
        SINCE_2012 "[stage a]\nneeds = b@-1\ncommand = a\noutput = a/${ds}/${HH}\n"
                   "[stage b]\nneeds = a\ncommand = b\noutput = b/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2023-05-29T16:00:00Z");
    world_plan(&w);
    assert_int_equal(runs(&w), 2 * HOURS);
    assert_string_equal(world_reasons(&w, "b@2023-05-29T15"), "missing upstream");
    world_close(&w);
}

static void a_chain_blocked_at_its_beginning_is_blocked_to_its_end(void **state)
{
    static const char graph[] = SINCE_2012 "[source seed]\npartition = once\npath = seed\n"
                                           "[stage a]\nneeds = a@-1 seed\ncommand = a\n"
                                           "output = a/${ds}/${HH}\n";
    struct sg_plan_counts c;
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2023-05-29T16:00:00Z");
    world_plan(&w);
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.blocked, HOURS);
    assert_int_equal(c.blocked_must, HOURS);
    world_close(&w);
}

static void with_needs_goes_back_through_a_long_chain(void **state)
{
    static const char graph[] =
        SINCE_2012 "[stage a]\nneeds = a@-1\ncommand = a\noutput = a/${ds}/${HH}\n";
    struct world w;

    (void)state;
    world_open(&w, graph);
    world_at(&w, "2012-03-01T00:00:00Z");
    world_range(&w, "2012-02-29T23:00:00Z", "2012-03-01T00:00:00Z");
    w.request.with_needs = true;
    world_plan(&w);
    assert_int_equal(runs(&w), 60 * 24);
    world_close(&w);
}

static void more_nodes_than_can_be_numbered_are_refused(void **state)
{
    struct world w;
    char text[1000] = SINCE_2012;

    (void)state;
    for (int i = 0; i < 6; i++) /* of a thousand million each */
        (void)snprintf(
            text + strlen(text), sizeof(text) - strlen(text),
            "[source s%d]\npartition = 5m\nstart = 0001-01-01\npath = s%d/${ds}/${HH}${mm}\n", i,
            i);
    (void)snprintf(
        text + strlen(text), sizeof(text) - strlen(text),
        "[stage a]\npartition = once\nneeds = s0 s1 s2 s3 s4 s5\ncommand = a\noutput = a\n");
    world_open(&w, text);
    world_at(&w, "9999-01-01T00:00:00Z");
    assert_string_equal(world_plan_fails(&w), "more than 4294967294 partitions are in the range");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_100000_deep_is_ordinary),
        cmocka_unit_test(many_markers_are_read_by_several_threads),
        cmocka_unit_test(a_chain_through_two_stages_is_too),
        cmocka_unit_test(a_chain_blocked_at_its_beginning_is_blocked_to_its_end),
        cmocka_unit_test(with_needs_goes_back_through_a_long_chain),
        cmocka_unit_test(more_nodes_than_can_be_numbered_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
