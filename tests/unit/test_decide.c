/* A node decided again from the store alone, as an attempt does under its claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "world.h"

#define CHAIN                                                                                      \
    "[stage silver]\nneeds = bronze silver@-1? |dim\ncommand = silver ${output}\n"                 \
    "output = silver/${ds}/${HH}\n"                                                                \
    "[stage dim]\npartition = once\ncommand = dim\noutput = dim\n"
#define GRAPH HEAD LANDING BRONZE CHAIN

static const struct sg_decide_ask plain;
static const struct sg_decide_ask after_upstream = { .planned_upstream = true };

static void open_built(struct world *w)
{
    world_open(w, GRAPH);
    world_at(w, "2024-01-01T02:00:00Z");
    world_source(w, "landing@2024-01-01T00", "rows");
    world_source(w, "landing@2024-01-01T01", "rows");
    world_build_all(w);
}

static void what_the_plan_would_run_is_run(void **state)
{
    struct sg_decision d;
    struct world w;

    (void)state;
    world_open(&w, GRAPH);
    world_at(&w, "2024-01-01T02:00:00Z");
    world_source(&w, "landing@2024-01-01T00", "rows");
    world_decide(&w, "bronze@2024-01-01T00", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    assert_int_equal(d.reason, SG_REASON_MISSING);
    assert_int_equal(d.own.kind, SG_MARKER_ABSENT);
    assert_int_equal(d.n_inputs, 1);
    assert_string_equal(d.inputs[0].need, "landing");
    assert_string_equal(d.inputs[0].from, "2024-01-01T00");
    assert_int_equal(d.inputs[0].count, 1);
    assert_true(d.inputs[0].versions[0] != 0);
    assert_null(d.lacks);
    world_close(&w);
}

static void all_needs_are_noted_with_what_is_absent(void **state)
{
    struct sg_decision d;
    struct sg_hash128 stamp;
    struct world w;

    (void)state;
    open_built(&w);
    world_lose(&w, "silver@2024-01-01T00");
    world_decide(&w, "silver@2024-01-01T01", (struct sg_decide_ask){ .forced = true }, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    assert_int_equal(d.reason, SG_REASON_FORCED);
    assert_int_equal(d.n_inputs, 3);
    assert_string_equal(d.inputs[1].need, "silver@-1?");
    assert_string_equal(d.inputs[1].from, "2024-01-01T00");
    assert_true(d.inputs[1].versions[0] == 0);
    assert_string_equal(d.inputs[2].need, "|dim");
    assert_string_equal(d.inputs[2].from, "");
    assert_int_equal(d.inputs[2].count, 1);
    stamp = sg_stamp_of(d.recipe.hash, d.inputs, d.n_inputs);
    assert_true(sg_hash128_is(d.stamp, stamp));
    world_decide(&w, "silver@2024-01-01T00", plain, &d);
    assert_int_equal(d.inputs[1].count, 0); /* before its start nothing is needed */
    assert_string_equal(d.inputs[1].from, "");
    world_close(&w);
}

static void a_node_that_came_fresh_is_left(void **state)
{
    struct sg_decision d;
    struct world w;

    (void)state;
    open_built(&w);
    world_lose(&w, "bronze@2024-01-01T00");
    world_plan(&w);
    assert_says(&w, "silver@2024-01-01T00", "run upstream bronze");
    world_build(&w, "bronze@2024-01-01T00"); /* and it comes out as before */
    world_decide(&w, "silver@2024-01-01T00", after_upstream, &d);
    assert_int_equal(d.what, SG_DECIDE_FRESH);
    world_build_as(&w, "bronze@2024-01-01T00", "other");
    world_decide(&w, "silver@2024-01-01T00", after_upstream, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    assert_int_equal(d.reason, SG_REASON_INPUT);
    assert_string_equal(d.detail, "bronze");
    world_close(&w);
}

static void a_changed_input_counts_where_upstream_was_asked_for(void **state)
{
    struct sg_decision d;
    struct world w;

    (void)state;
    open_built(&w);
    w.request.stale = 1u << SG_REASON_MISSING | 1u << SG_REASON_UPSTREAM;
    world_plan(&w);
    world_build_as(&w, "bronze@2024-01-01T00", "other");
    world_decide(&w, "silver@2024-01-01T00", after_upstream, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    world_decide(&w, "silver@2024-01-01T00", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_FRESH); /* debt, not a thing to do now */
    assert_int_equal(d.reason, SG_REASON_INPUT);
    world_close(&w);
}

static void every_reason_but_forced_is_decided_again(void **state)
{
    struct sg_decision d;
    struct world w;

    (void)state;
    open_built(&w);
    world_decide(&w, "bronze@2024-01-01T00", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_FRESH);
    assert_int_equal(d.own.kind, SG_MARKER_DONE);
    world_decide(&w, "bronze@2024-01-01T00", (struct sg_decide_ask){ .forced = true }, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    world_decide(&w, "bronze@2024-01-01T00", (struct sg_decide_ask){ .interrupted = true }, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    assert_int_equal(d.reason, SG_REASON_INTERRUPTED);
    world_lose(&w, "bronze@2024-01-01T00");
    world_decide(&w, "bronze@2024-01-01T00", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    assert_int_equal(d.reason, SG_REASON_MISSING);
    world_close(&w);
}

static void code_is_read_again(void **state)
{
    static const char graph[] =
        HEAD "[stage a]\ncommand = a\ncode = a.py\noutput = a/${ds}/${HH}\n";
    struct sg_decision d;
    struct sg_hash128 before;
    struct world w;

    (void)state;
    world_open(&w, HEAD "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n");
    scratch_write(&w.scratch, "a.py", "one");
    world_graph(&w, graph);
    world_at(&w, "2024-01-01T01:00:00Z");
    world_build_all(&w);
    world_decide(&w, "a@2024-01-01T00", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_FRESH);
    before = d.recipe.hash;
    scratch_write(&w.scratch, "a.py", "two, and longer");
    world_decide(&w, "a@2024-01-01T00", plain, &d); /* with the same plan */
    assert_int_equal(d.what, SG_DECIDE_RUN);
    assert_int_equal(d.reason, SG_REASON_CODE);
    assert_string_equal(d.detail, "a.py");
    assert_false(sg_hash128_is(d.recipe.hash, before));
    world_close(&w);
}

static void what_is_not_there_blocks_and_is_named(void **state)
{
    struct sg_decision d;
    struct world w;

    (void)state;
    open_built(&w);
    world_lose(&w, "bronze@2024-01-01T01");
    world_decide(&w, "silver@2024-01-01T01", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_FRESH); /* a gone input makes nothing stale */
    world_lose(&w, "silver@2024-01-01T01");
    world_decide(&w, "silver@2024-01-01T01", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_BLOCKED);
    assert_string_equal(d.lacks, "bronze@2024-01-01T01");
    world_build(&w, "bronze@2024-01-01T01");
    world_lose(&w, "dim");
    world_decide(&w, "silver@2024-01-01T01", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_BLOCKED);
    assert_string_equal(d.lacks, "dim"); /* order only, but it must be there */
    world_close(&w);
}

static void a_held_input_makes_it_busy_even_if_one_would_wait(void **state)
{
    struct sg_decision d;
    struct world w;

    (void)state;
    open_built(&w);
    w.request.wait = true;
    world_lose(&w, "silver@2024-01-01T01");
    world_claim(&w, "bronze@2024-01-01T01", "other-run", 1, true);
    world_decide(&w, "silver@2024-01-01T01", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_BUSY);
    assert_string_equal(d.lacks, "bronze@2024-01-01T01");
    assert_string_equal(d.run, "other-run");
    world_decide(&w, "silver@2024-01-01T00", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_FRESH);
    world_drop_claims(&w);
    world_decide(&w, "silver@2024-01-01T01", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    world_close(&w);
}

static void its_own_claim_is_no_hindrance(void **state)
{
    struct sg_decision d;
    struct world w;

    (void)state;
    open_built(&w);
    world_lose(&w, "silver@2024-01-01T01");
    world_claim(&w, "silver@2024-01-01T01", "this-run", 1, true);
    world_decide(&w, "silver@2024-01-01T01", plain, &d);
    assert_int_equal(d.what, SG_DECIDE_RUN);
    assert_int_equal(d.reasons, 1u << SG_REASON_MISSING);
    world_close(&w);
}

static void inputs_that_moved_meanwhile_are_named(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    const struct sg_stage *s;
    const char *moved = "x";
    struct sg_decision d;
    struct world w;
    int64_t index;

    (void)state;
    open_built(&w);
    world_parse(&w, "silver@2024-01-01T01", &s, &index);
    world_decide(&w, "silver@2024-01-01T01", (struct sg_decide_ask){ .forced = true }, &d);
    assert_true(sg_plan_inputs_moved(w.plan, s, index, &d, &w.arena, &moved, &err));
    assert_null(moved);
    world_build_as(&w, "dim", "other"); /* order only */
    assert_true(sg_plan_inputs_moved(w.plan, s, index, &d, &w.arena, &moved, &err));
    assert_null(moved);
    world_build(&w, "bronze@2024-01-01T01"); /* the same, but half written in between */
    assert_true(sg_plan_inputs_moved(w.plan, s, index, &d, &w.arena, &moved, &err));
    assert_string_equal(moved, "bronze@2024-01-01T01");
    world_decide(&w, "silver@2024-01-01T01", (struct sg_decide_ask){ .forced = true }, &d);
    assert_true(sg_plan_inputs_moved(w.plan, s, index, &d, &w.arena, &moved, &err));
    assert_null(moved);
    world_lose(&w, "silver@2024-01-01T00");
    assert_true(sg_plan_inputs_moved(w.plan, s, index, &d, &w.arena, &moved, &err));
    assert_string_equal(moved, "silver@2024-01-01T00");
    world_build_as(&w, "bronze@2024-01-01T01", "other");
    assert_true(sg_plan_inputs_moved(w.plan, s, index, &d, &w.arena, &moved, &err));
    assert_string_equal(moved, "bronze@2024-01-01T01");
    world_close(&w);
}

struct decider {
    const struct sg_plan *p;
    const struct sg_stage *s;
    unsigned wrong;
};

static void *decide_often(void *ctx)
{
    struct decider *d = ctx;

    for (int64_t i = 0; i < 40; i++) {
        struct sg_decide_ask ask = { .forced = i % 2 != 0 };
        struct sg_arena a = SG_ARENA_INIT;
        struct sg_error err = SG_ERROR_INIT;
        struct sg_decision ret;
        bool ok = sg_plan_decide(d->p, d->s, d->s->exists.first + i / 20, &ask, &a, &ret, &err);

        d->wrong += !ok || ret.what != (ask.forced ? SG_DECIDE_RUN : SG_DECIDE_FRESH);
        sg_arena_done(&a);
    }
    return NULL;
}

static void several_threads_decide_at_once(void **state)
{
    struct decider d[4];
    pthread_t threads[4];
    struct world w;

    (void)state;
    open_built(&w);
    for (int i = 0; i < 4; i++) {
        d[i] = (struct decider){ w.plan, sg_graph_find_stage(w.graph, "silver"), 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, decide_often, &d[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(d[i].wrong, 0);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_plan_would_run_is_run),
        cmocka_unit_test(all_needs_are_noted_with_what_is_absent),
        cmocka_unit_test(a_node_that_came_fresh_is_left),
        cmocka_unit_test(a_changed_input_counts_where_upstream_was_asked_for),
        cmocka_unit_test(every_reason_but_forced_is_decided_again),
        cmocka_unit_test(code_is_read_again),
        cmocka_unit_test(what_is_not_there_blocks_and_is_named),
        cmocka_unit_test(a_held_input_makes_it_busy_even_if_one_would_wait),
        cmocka_unit_test(its_own_claim_is_no_hindrance),
        cmocka_unit_test(inputs_that_moved_meanwhile_are_named),
        cmocka_unit_test(several_threads_decide_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
