/* What --with-needs carries from one plan to the next; what it asks for is in test_plan.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_impl.h"
#include "world.h"

#define A "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n"

static uint32_t hour(int64_t h)
{
    return (uint32_t)h; /* the only stage, from the first hour on */
}

/* Of a node that another run holds the next plan reads the marker anew: that may have come since,
 * and the claim, which is looked at first, may have gone. */
static void what_was_held_is_looked_at_again_and_nothing_else(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_plan *p;
    struct world w;

    (void)state;
    world_open(&w, HEAD A);
    world_at(&w, "2024-01-01T03:00:00Z");
    world_marker(&w, "a@2024-01-01T00", "");
    world_claim(&w, "a@2024-01-01T01", "other", 1, true);
    world_plan(&w);
    assert_says(&w, "a@2024-01-01T01", "busy missing");
    world_drop_claims(&w);
    world_marker(&w, "a@2024-01-01T01", "");
    world_marker(&w, "a@2024-01-01T02", "");

    assert_true(sg_plan_begin(&w.plan->c, NULL, &p, &err));
    assert_true(sg_more_carry(p, w.plan, &err));
    assert_true(sg_scan(p, &err));
    assert_int_equal(p->kind[hour(0)], SG_MARKER_FOREIGN);
    assert_int_equal(p->kind[hour(1)], SG_MARKER_FOREIGN);
    assert_int_equal(p->kind[hour(2)], SG_MARKER_ABSENT);
    assert_true(p->flags[hour(1)] & SG_NODE_THERE);
    sg_plan_free(p);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_held_is_looked_at_again_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
