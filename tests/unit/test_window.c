/* Windows of inputs that move along: what is in them, and what it costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan_impl.h"
#include "world.h"

#define HOURS(needs)                                                                               \
    "[graph]\ndelay = 0\nstart = 2012-01-01\npartition = hour\n[store]\nroot = store\n"            \
    "[stage bronze]\npartial = yes\ncommand = b\noutput = b/${ds}/${HH}\n"                         \
    "[stage silver]\nneeds = " needs "\ncommand = s\noutput = s/${ds}/${HH}\n"

static uint64_t chance(uint64_t *random, uint64_t n)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*random >> 33) % n;
}

/* Anything that flags and verdict may say. */
static void scribble(struct sg_plan *p, uint64_t *random)
{
    static const uint16_t flags[] = { SG_NODE_FRESH_IN | SG_NODE_THERE,
                                      SG_NODE_THERE,
                                      SG_NODE_HELD,
                                      SG_NODE_HELD | SG_NODE_THERE,
                                      SG_NODE_HOLE,
                                      SG_NODE_STALE | SG_NODE_THERE,
                                      0 };

    for (uint32_t id = 0; id < p->n_nodes; id++) {
        p->flags[id] = chance(random, 20) != 0 ? flags[0] : flags[chance(random, 7)];
        p->verdict[id] =
            (uint8_t)(p->flags[id] & SG_NODE_FRESH_IN ? SG_VERDICT_FRESH
                                                      : chance(random, SG_VERDICT_DEBT + 1));
        p->version[id] = p->flags[id] & SG_NODE_THERE ? *random | 1 : 0;
    }
}

/* The words of enum sg_meet, for each input. */
static uint32_t met(const struct sg_plan *p, struct sg_id_range ids, struct sg_sum *ret)
{
    const struct sg_plan_stage *v = &p->stages[0].pub;
    uint64_t versions[4000];
    uint32_t n = 0, all = 0;

    for (uint32_t id = ids.first; id < ids.end; id++) {
        const bool hole = p->flags[id] & SG_NODE_HOLE, there = p->flags[id] & SG_NODE_THERE;
        const bool held = p->flags[id] & SG_NODE_HELD;
        const bool due = v->lo + (int64_t)(id - v->base) < v->due_end;
        const int verdict = p->verdict[id];
        const bool holds[SG_MEETS] = {
            [SG_MEET_RUN] = verdict == SG_VERDICT_RUN,
            [SG_MEET_HELD] = held,
            [SG_MEET_BUSY] = verdict == SG_VERDICT_BUSY,
            [SG_MEET_LACKING] =
                !there && !held && verdict != SG_VERDICT_RUN && verdict != SG_VERDICT_BUSY,
            [SG_MEET_BLOCKED] = there && verdict == SG_VERDICT_BLOCKED,
            [SG_MEET_DEBT] = there && verdict == SG_VERDICT_DEBT,
            [SG_MEET_STALE] = there && (p->flags[id] & SG_NODE_STALE),
            [SG_MEET_ABSENT] = p->version[id] == 0,
        };

        if (hole)
            continue;
        versions[n++] = p->version[id];
        for (int m = 0; due && m < SG_MEETS; m++)
            all |= holds[m] ? 1u << m : 0;
    }
    *ret = (struct sg_sum){ .value = sg_sum_of(versions, n), .n = n };
    return all;
}

static void what_is_in_a_window_is_what_going_through_it_finds(void **state)
{
    uint64_t random = 7;
    struct world w;

    (void)state;
    world_open(&w, HOURS("bronze@-99..0"));
    world_at(&w, "2012-02-01T00:00:00Z");
    world_range(&w, "2012-01-01T00:00:00Z", "2012-03-01T00:00:00Z");
    world_plan(&w);
    for (int round = 0; round < 300; round++) {
        struct sg_window window = { .first = 0 };
        struct sg_id_range ids = { 0, 0 };
        uint32_t n = (uint32_t)(w.plan->stages[0].pub.hi - w.plan->stages[0].pub.lo);

        scribble(w.plan, &random);
        /* on, with the length that it has or another, and sometimes back */
        for (int step = 0; step < 200; step++) {
            struct sg_sum sum, naive;
            uint32_t all = met(w.plan, ids, &naive);

            assert_int_equal(sg_window_meet(w.plan, 0, ids, &window, &sum), all);
            assert_true(sum.n == naive.n && sum.value == naive.value);
            assert_int_equal(sg_window_meet(w.plan, 0, ids, NULL, &sum), all);
            assert_true(sum.n == naive.n && sum.value == naive.value);
            ids.end += (uint32_t)chance(&random, 5);
            ids.first += (uint32_t)chance(&random, 5);
            if (chance(&random, 30) == 0)
                ids.first = (uint32_t)chance(&random, n);
            if (chance(&random, 30) == 0)
                ids.end = ids.first + (uint32_t)chance(&random, 100);
            if (ids.end > n)
                ids.end = n;
            if (ids.first > ids.end)
                ids.first = ids.end;
        }
    }
    world_close(&w);
}

/* How many inputs went through the window of silver's only need. */
static uint64_t work(const struct world *w)
{
    return w->plan->stages[1].windows[0].came;
}

static void an_input_comes_into_a_window_once_however_long_that_is(void **state)
{
    static const struct {
        const char *graph;
        uint64_t most;
    } rows[] = {
        { HOURS("bronze@-23..0"), 35064 },
        { HOURS("bronze@-8759..0"), 35064 },
        { HOURS("bronze@-17519..-8760"), 35064 },
        { HOURS("silver@-8759..-1"), 35064 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_plan_counts c;
        struct world w;

        world_open(&w, rows[i].graph);
        world_at(&w, "2016-01-01T00:00:00Z");
        world_plan(&w);
        sg_plan_count(w.plan, &c);
        assert_int_equal(c.run, 2 * 35064);
        assert_true(work(&w) > 8000);
        if (work(&w) > rows[i].most)
            fail_msg("%s: %llu", rows[i].graph, (unsigned long long)work(&w));
        world_close(&w);
    }
}

/* Stages that need each other are judged in an order of their own. */
static void a_window_over_a_component_is_gone_through_once_too(void **state)
{
    struct sg_plan_counts c;
    struct world w;

    (void)state;
    world_open(&w, "[graph]\ndelay = 0\nstart = 2012-01-01\npartition = hour\n[store]\nroot = s\n"
                   "[stage gold]\npartition = day\nneeds = silver\ncommand = g\noutput = g/${ds}\n"
                   "[stage silver]\nneeds = gold@-365..-1\ncommand = s\noutput = s/${ds}/${HH}\n");
    world_at(&w, "2016-01-01T00:00:00Z");
    world_plan(&w);
    sg_plan_count(w.plan, &c);
    assert_int_equal(c.run, 35064 + 1461);
    assert_in_range(work(&w), 1000, 1461);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_a_window_is_what_going_through_it_finds),
        cmocka_unit_test(an_input_comes_into_a_window_once_however_long_that_is),
        cmocka_unit_test(a_window_over_a_component_is_gone_through_once_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
