/* Markers changed without a run: what is accepted, what is left, and what a crash leaves of it. */
#include "stagegraph/accept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trial.h"

#define GRAPH  HEAD LANDING BRONZE
#define MARKER TRIAL_OUT "/_SUCCESS"

/* The node's view by a plan over the fake store. */
static struct sg_node_view view_of(struct trial *t, const char *node)
{
    struct sg_error err = SG_ERROR_INIT;
    const struct sg_stage *s;
    struct sg_node_view v;
    int64_t index = 0;
    bool whole = false;

    trial_plan(t);
    if (!sg_node_parse(sg_plan_graph(t->run.plan), node, &s, &index, &whole, &err))
        fail_msg("%s", err.text);
    sg_plan_node(t->run.plan, sg_plan_find(t->run.plan, s->id, index), &v);
    return v;
}

static bool accept(struct trial *t, uint32_t reasons, struct sg_accepted *ret, struct sg_error *err)
{
    struct sg_node_view v = view_of(t, TRIAL_NODE);

    sg_error_clear(err);
    return sg_accept_node(&t->run, v.stage, v.index, reasons, ret, err);
}

static void foreign(struct trial *t)
{
    scratch_write(&t->w.scratch, TRIAL_OUT "/part-0", "rows");
    scratch_write(&t->w.scratch, MARKER, "");
}

static struct sg_marker marker_of(struct trial *t)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_marker m;

    if (!sg_marker_read(t->w.store, "bronze/2024-01-01/00", "_SUCCESS", TRIAL_NODE, NULL, &m, NULL,
                        &err))
        fail_msg("%s", err.text);
    return m;
}

static void what_the_plan_says_decides_what_is_accepted(void **state)
{
    static const struct {
        enum sg_marker_kind kind;
        uint32_t reasons;
        uint32_t allowed;
        enum sg_accept_what what;
        const char *why;
    } rows[] = {
        { SG_MARKER_FOREIGN, 0, 0, SG_ACCEPT_TAKE, "unstamped" },
        { SG_MARKER_FOREIGN, 1u << SG_REASON_UPSTREAM, 0, SG_ACCEPT_TAKE, "unstamped" },
        { SG_MARKER_FOREIGN, 1u << SG_REASON_INPUT, 0, SG_ACCEPT_LEFT, "input x" },
        { SG_MARKER_FOREIGN, 1u << SG_REASON_INPUT, 1u << SG_REASON_INPUT, SG_ACCEPT_TAKE,
          "unstamped" },
        { SG_MARKER_FOREIGN, 1u << SG_REASON_MISSING, SG_ACCEPTABLE, SG_ACCEPT_LEFT, "missing x" },
        { SG_MARKER_DONE, 0, SG_ACCEPTABLE, SG_ACCEPT_FRESH, "" },
        { SG_MARKER_DONE, 1u << SG_REASON_UPSTREAM, SG_ACCEPTABLE, SG_ACCEPT_FRESH, "" },
        { SG_MARKER_DONE, 1u << SG_REASON_CODE, 0, SG_ACCEPT_LEFT, "code x" },
        { SG_MARKER_DONE, 1u << SG_REASON_CODE, 1u << SG_REASON_CODE, SG_ACCEPT_TAKE, "code x" },
        { SG_MARKER_ACCEPTED, 1u << SG_REASON_CODE, 1u << SG_REASON_CODE, SG_ACCEPT_TAKE,
          "code x" },
        { SG_MARKER_DONE, 1u << SG_REASON_CODE | 1u << SG_REASON_PARAMS, 1u << SG_REASON_CODE,
          SG_ACCEPT_LEFT, "params" },
        { SG_MARKER_DONE, 1u << SG_REASON_INTERRUPTED, ~0u, SG_ACCEPT_LEFT, "interrupted x" },
        { SG_MARKER_RUNNING, 1u << SG_REASON_INTERRUPTED, ~0u, SG_ACCEPT_LEFT, "interrupted x" },
        { SG_MARKER_DAMAGED, 1u << SG_REASON_DAMAGED, ~0u, SG_ACCEPT_LEFT, "damaged x" },
        { SG_MARKER_ABSENT, 1u << SG_REASON_MISSING, ~0u, SG_ACCEPT_LEFT, "missing x" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_node_view v = {
            .marker = rows[i].kind,
            .reasons = rows[i].reasons,
            .reason =
                rows[i].reasons ? (enum sg_reason)__builtin_ctz(rows[i].reasons) : SG_REASON_NONE,
            .detail = "x",
        };
        struct sg_accepted a;

        sg_accept_look(&v, rows[i].allowed, &a);
        if (a.what != rows[i].what || strcmp(a.why, rows[i].why) != 0)
            fail_msg("row %zu: %d %s", i, (int)a.what, a.why);
    }
}

static void a_foreign_marker_becomes_a_receipt_with_its_version(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_marker before, after;
    struct sg_accepted a;
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    foreign(&t);
    before = marker_of(&t);
    assert_int_equal(before.kind, SG_MARKER_FOREIGN);
    assert_true(accept(&t, 0, &a, &err));
    assert_int_equal(a.what, SG_ACCEPT_TAKE);
    after = marker_of(&t);
    assert_int_equal(after.kind, SG_MARKER_ACCEPTED);
    assert_true(after.version.lo == before.version.lo && after.version.hi == before.version.hi);
    assert_false(scratch_has(&t.w.scratch, TRIAL_CLAIM));
    assert_int_equal(view_of(&t, TRIAL_NODE).verdict, SG_VERDICT_FRESH);
    assert_true(accept(&t, 0, &a, &err));
    assert_int_equal(a.what, SG_ACCEPT_FRESH);
    trial_close(&t);
}

/* One store call after the other fails, or is the last of a process that dies. */
static void sweep(bool dies)
{
    struct sg_error err = SG_ERROR_INIT;
    struct trial t;
    unsigned at = 1;
    bool hit = true;

    trial_open(&t, GRAPH);
    for (; hit; at++) {
        struct sg_marker before, after;
        struct sg_node_view v;
        struct sg_accepted a;
        bool ok;

        trial_empty(&t);
        foreign(&t);
        before = marker_of(&t);
        v = view_of(&t, TRIAL_NODE);
        sg_error_clear(&err);
        sg_fake_store_arm(t.fake, (struct sg_fault){ .at = at, .dies = dies });
        ok = sg_accept_node(&t.run, v.stage, v.index, 0, &a, &err);
        hit = sg_fake_store_hit(t.fake);
        trial_renew(&t);
        after = marker_of(&t);
        if (!hit && (!ok || a.what != SG_ACCEPT_TAKE))
            fail_msg("without a fault: %s", err.text);
        if (after.kind != SG_MARKER_ACCEPTED && after.kind != SG_MARKER_FOREIGN)
            fail_msg("call %u: the marker is neither old nor new", at);
        if (after.version.lo != before.version.lo || after.version.hi != before.version.hi)
            fail_msg("call %u: another version", at);
        /* whatever was left of it, it can be said again */
        if (!accept(&t, 0, &a, &err) || marker_of(&t).kind != SG_MARKER_ACCEPTED)
            fail_msg("call %u: the next one fails: %s %s", at, err.text, a.why);
        if (view_of(&t, TRIAL_NODE).verdict != SG_VERDICT_FRESH)
            fail_msg("call %u: then it is not fresh", at);
    }
    assert_true(at > 15);
    trial_close(&t);
}

static void a_store_that_fails_leaves_the_old_marker_or_the_new_one(void **state)
{
    (void)state;
    sweep(false);
}

static void a_process_that_dies_leaves_the_old_marker_or_the_new_one(void **state)
{
    (void)state;
    sweep(true);
}

static void a_revoked_node_is_missing(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_node_view v;
    struct sg_accepted a;
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_make(&t, TRIAL_NODE, "rows");
    v = view_of(&t, TRIAL_NODE);
    assert_true(sg_accept_revoke(&t.run, v.stage, v.index, &a, &err));
    assert_int_equal(a.what, SG_ACCEPT_TAKE);
    assert_false(scratch_has(&t.w.scratch, MARKER));
    assert_false(scratch_has(&t.w.scratch, TRIAL_CLAIM));
    assert_true(scratch_has(&t.w.scratch, TRIAL_OUT "/part-0"));
    assert_stale(&t, TRIAL_NODE, "missing");
    assert_true(sg_accept_revoke(&t.run, v.stage, v.index, &a, &err));
    assert_int_equal(a.what, SG_ACCEPT_FRESH);
    trial_close(&t);
}

/* A run died there between the plan and our claim: the node stays what that made of it. */
static void what_was_interrupted_stays_so_until_it_is_revoked(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_node_view v;
    struct sg_accepted a;
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_make(&t, TRIAL_NODE, "rows");
    v = view_of(&t, TRIAL_NODE);
    world_claim(&t.w, TRIAL_NODE, "20240101T005959-0000dd", 2, false);
    assert_true(sg_accept_node(&t.run, v.stage, v.index, SG_ACCEPTABLE, &a, &err));
    assert_int_equal(a.what, SG_ACCEPT_LEFT);
    assert_string_equal(a.why, "interrupted");
    assert_true(scratch_has(&t.w.scratch, TRIAL_CLAIM));
    assert_stale(&t, TRIAL_NODE, "interrupted");
    assert_true(sg_accept_revoke(&t.run, v.stage, v.index, &a, &err));
    assert_int_equal(a.what, SG_ACCEPT_TAKE);
    assert_false(scratch_has(&t.w.scratch, TRIAL_CLAIM));
    assert_stale(&t, TRIAL_NODE, "missing");
    trial_close(&t);
}

static void what_is_held_is_busy_for_both(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_node_view v;
    struct sg_accepted a;
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_begin(&t, TRIAL_NODE); /* holds it */
    foreign(&t);
    v = (struct sg_node_view){ .stage = t.a->stage, .index = t.a->members[0].index };
    assert_true(sg_accept_node(&t.run, v.stage, v.index, 0, &a, &err));
    assert_int_equal(a.what, SG_ACCEPT_BUSY);
    assert_non_null(strstr(a.why, "held by"));
    assert_true(sg_accept_revoke(&t.run, v.stage, v.index, &a, &err));
    assert_int_equal(a.what, SG_ACCEPT_BUSY);
    assert_true(scratch_has(&t.w.scratch, MARKER));
    trial_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_plan_says_decides_what_is_accepted),
        cmocka_unit_test(a_foreign_marker_becomes_a_receipt_with_its_version),
        cmocka_unit_test(a_store_that_fails_leaves_the_old_marker_or_the_new_one),
        cmocka_unit_test(a_process_that_dies_leaves_the_old_marker_or_the_new_one),
        cmocka_unit_test(a_revoked_node_is_missing),
        cmocka_unit_test(what_was_interrupted_stays_so_until_it_is_revoked),
        cmocka_unit_test(what_is_held_is_busy_for_both),
    };

    return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
