/*
 * What a run is expected to take: the scheduler itself, with the usual times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "stagegraph/run.h"

#include "world.h"

/* bronze 10 s, silver 20 s, gold 5 s; nothing is known of other stages */
static void usual(void *ctx, const struct sg_stage *s, struct sg_usual *ret)
{
    (void)ctx;
    ret->median_s = strcmp(s->name, "bronze") == 0   ? 10
                    : strcmp(s->name, "silver") == 0 ? 20
                    : strcmp(s->name, "gold") == 0   ? 5
                                                     : (double)NAN;
    ret->p90_s = 2 * ret->median_s;
}

static const struct sg_usual_source source = { .ask = usual };

static double estimate(const struct world *w, int32_t jobs)
{
    struct sg_error err = SG_ERROR_INIT;
    double s = -1;

    if (!sg_run_estimate(w->plan, &source, jobs, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

/* Three hours of bronze and silver. */
static void more_at_once_is_faster_as_far_as_needs_allow(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER);
    world_plan(&w);
    assert_true(estimate(&w, 1) == 90);
    assert_true(estimate(&w, 2) == 60); /* two bronze, their silver, then the third hour */
    assert_true(estimate(&w, 3) == 30);
    assert_true(estimate(&w, 100) == 30); /* the longest way */
    world_close(&w);
}

static void a_chain_is_as_long_as_it_is_with_any_number_at_once(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING
                       "[stage silver]\nneeds = landing silver@-1\ncommand = silver ${output}\n"
                       "output = silver/${ds}/${HH}\n");
    world_plan(&w);
    assert_true(estimate(&w, 8) == 60);
    world_close(&w);
}

static void pools_exclusive_stages_and_batches_count(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE "pool = p\n[pool p]\nsize = 1\n");
    world_plan(&w);
    assert_true(estimate(&w, 8) == 30);
    world_graph(&w, HEAD LANDING BRONZE "exclusive = yes\n");
    world_plan(&w);
    assert_true(estimate(&w, 8) == 30);
    world_graph(&w, HEAD LANDING BRONZE "memory = 4g\npool = p\n[pool p]\nmemory = 9g\n");
    world_plan(&w);
    assert_true(estimate(&w, 8) == 20);
    world_graph(&w,
                HEAD LANDING "[stage bronze]\nneeds = landing\ncommand = bronze ${output_root}\n"
                             "output = bronze/${ds}/${HH}\nbatch = 3\n");
    world_plan(&w);
    assert_true(estimate(&w, 8) == 30);
    world_close(&w);
}

static void what_is_not_known_takes_no_time(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w,
                       HEAD LANDING "[stage other]\nneeds = landing\ncommand = other ${output}\n"
                                    "output = other/${ds}/${HH}\n"
                                    "[stage bronze]\nneeds = other\ncommand = bronze ${output}\n"
                                    "output = bronze/${ds}/${HH}\n");
    world_plan(&w);
    assert_true(estimate(&w, 3) == 10);
    world_close(&w);
}

/* Of one hour the stage goes first that more time hangs on, whatever its place in the file. */
static void the_longest_way_goes_first(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING "[stage gold]\nneeds = landing\ncommand = gold ${output}\n"
                                        "output = gold/${ds}/${HH}\n" BRONZE SILVER);
    world_range(&w, "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z");
    world_plan(&w);
    assert_true(estimate(&w, 1) == 35);
    assert_true(estimate(&w, 2) == 30); /* gold beside silver, not before bronze */
    world_close(&w);
}

static void nothing_to_run_takes_no_time(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE);
    world_build_all(&w);
    world_plan(&w);
    assert_true(estimate(&w, 4) == 0);
    world_close(&w);
}

/* 100,000 hours are more than eleven years. */
static void a_plan_too_large_to_be_played_has_no_such_estimate(void **state)
{
    struct world w;

    (void)state;
    world_open(&w,
               HEAD "[stage bronze]\ncommand = bronze ${output}\noutput = bronze/${ds}/${HH}\n");
    world_at(&w, "2036-01-01T00:00:00Z");
    world_plan(&w);
    assert_true(isnan(estimate(&w, 4)));
    /* windows count as one: hours that need the two months before, 5.5 million needs, are a chain
     */
    world_graph(&w, HEAD "[stage bronze]\nneeds = bronze@-1500..-1\ncommand = bronze ${output}\n"
                         "output = bronze/${ds}/${HH}\n");
    world_at(&w, "2024-06-01T00:00:00Z");
    world_plan(&w);
    assert_true(estimate(&w, 4) == 10.0 * sg_plan_nodes(w.plan));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_at_once_is_faster_as_far_as_needs_allow),
        cmocka_unit_test(a_chain_is_as_long_as_it_is_with_any_number_at_once),
        cmocka_unit_test(pools_exclusive_stages_and_batches_count),
        cmocka_unit_test(what_is_not_known_takes_no_time),
        cmocka_unit_test(the_longest_way_goes_first),
        cmocka_unit_test(nothing_to_run_takes_no_time),
        cmocka_unit_test(a_plan_too_large_to_be_played_has_no_such_estimate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
