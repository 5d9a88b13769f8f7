/* What becomes of a node when its job is over: checks, versions, receipts, claims. */
#include "stagegraph/attempt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "trial.h"

#define GRAPH  HEAD LANDING BRONZE
#define MARKER TRIAL_OUT "/_SUCCESS"
#define OTHER  "20240101T005959-0000dd"

static const char *with(const char *keys)
{
    static char graph[1000];

    (void)snprintf(graph, sizeof(graph), "%s%s\n", GRAPH, keys);
    return graph;
}

static bool has(const struct trial *t, const char *path)
{
    return scratch_has(&t->w.scratch, path);
}

static struct sg_hash128 version_of(const struct trial *t)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_marker m;

    if (!sg_marker_read(t->w.store, "bronze/2024-01-01/00", "_SUCCESS", TRIAL_NODE, NULL, &m, NULL,
                        &err))
        fail_msg("%s", err.text);
    assert_int_equal(m.kind, SG_MARKER_DONE);
    return m.version;
}

/* ---- checks ---- */

enum { NOTHING, OLD = 1, NEW = 2, ONLY_HIDDEN = 4 };

static void an_output_is_checked_as_its_stage_says(void **state)
{
    static const struct {
        const char *keys;
        int output; /* what is there after the job */
        enum sg_result result;
        const char *why;
    } rows[] = {
        { "", NEW, SG_RESULT_OK, "" },
        { "", OLD | NEW, SG_RESULT_OK, "" },
        { "", OLD, SG_RESULT_CHECK_FAILED, "was written by this attempt (check = written)" },
        { "", NOTHING, SG_RESULT_CHECK_FAILED, "no data file in" },
        { "", ONLY_HIDDEN, SG_RESULT_CHECK_FAILED, "no data file in" },
        { "check = rewritten", NEW, SG_RESULT_OK, "" },
        { "check = rewritten", OLD | NEW, SG_RESULT_CHECK_FAILED, "is older than this attempt" },
        { "check = exists", OLD, SG_RESULT_OK, "" },
        { "check = exists", NOTHING, SG_RESULT_CHECK_FAILED, "no data file in" },
        { "check = none", NOTHING, SG_RESULT_OK, "" },
        { "check = none", OLD, SG_RESULT_OK, "" },
        { "check = test -e x", OLD, SG_RESULT_OK, "" }, /* which has passed */
        { "check = test -e x", NOTHING, SG_RESULT_CHECK_FAILED, "no data file in" },
        { "empty = ok", NOTHING, SG_RESULT_OK, "" },
        { "empty = ok", OLD, SG_RESULT_CHECK_FAILED, "was written by this attempt" },
        { "empty = ok\ncheck = exists", ONLY_HIDDEN, SG_RESULT_OK, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trial t;
        bool ok = rows[i].result == SG_RESULT_OK;

        trial_open(&t, with(rows[i].keys));
        trial_begin(&t, TRIAL_NODE);
        if (rows[i].output & OLD) {
            scratch_write(&t.w.scratch, TRIAL_OUT "/part-9", "old");
            scratch_age(&t.w.scratch, TRIAL_OUT "/part-9", 3600);
        }
        if (rows[i].output & NEW)
            trial_work(&t, "v1");
        if (rows[i].output & ONLY_HIDDEN)
            scratch_write(&t.w.scratch, TRIAL_OUT "/_logs/part-0", "x");
        trial_end(&t, SG_RESULT_OK);
        if (trial_result(&t) != rows[i].result || strstr(trial_why(&t), rows[i].why) == NULL ||
            has(&t, MARKER) != ok || has(&t, TRIAL_CLAIM))
            fail_msg("%s, output %d: %s %s", rows[i].keys, rows[i].output,
                     sg_result_name(trial_result(&t)), trial_why(&t));
        if (ok && !has(&t, TRIAL_OUT))
            fail_msg("%s: the directory of an empty output is not made", rows[i].keys);
        assert_string_equal(trial_says(&t, TRIAL_NODE), ok ? "fresh" : "run missing");
        trial_close(&t);
    }
}

/* ---- versions ---- */

static void the_same_rows_are_the_same_version(void **state)
{
    struct sg_hash128 first, second, third;
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    t.forced = true;
    trial_make(&t, TRIAL_NODE, "v1");
    first = version_of(&t);
    trial_make(&t, TRIAL_NODE, "v1");
    second = version_of(&t);
    trial_make(&t, TRIAL_NODE, "v2");
    third = version_of(&t);
    assert_true(sg_hash128_is(first, second));
    assert_false(sg_hash128_is(first, third));
    trial_close(&t);
}

static void a_version_of_the_run_is_new_each_time(void **state)
{
    static const struct {
        const char *keys, *notice;
    } rows[] = {
        { "output_version = run", "" },
        { "version_limit = 1", "larger than version_limit" },
        { "", "lies in an encryption zone" },
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sg_hash128 first, second;
        struct trial t;

        trial_open(&t, with(rows[i].keys));
        if (i == 2)
            sg_fake_store_encrypt(t.fake);
        t.forced = true;
        for (int n = 0; n < 2; n++) {
            trial_begin(&t, TRIAL_NODE);
            trial_work(&t, "v1");
            trial_end(&t, SG_RESULT_OK);
            assert_result(&t, SG_RESULT_OK);
            assert_non_null(strstr(t.a->notice, rows[i].notice));
            if (n == 0)
                first = version_of(&t);
        }
        second = version_of(&t);
        if (sg_hash128_is(first, second))
            fail_msg("%s", rows[i].keys);
        trial_close(&t);
    }
}

static void a_job_may_say_its_version_and_then_has_to(void **state)
{
    static const char *const said[] = { "7", "7", "8", NULL };
    struct sg_hash128 versions[3];
    struct trial t;
    char path[600];

    (void)state;
    trial_open(&t, with("output_version = job"));
    t.forced = true;
    for (size_t i = 0; i < 4; i++) {
        trial_begin(&t, TRIAL_NODE);
        trial_work(&t, i == 0 ? "v1" : "v2");
        (void)snprintf(path, sizeof(path), "tmp/" TRIAL_RUN "/%s/version", t.a->nonce);
        if (said[i] != NULL)
            scratch_write(&t.w.scratch, path, said[i]);
        trial_end(&t, SG_RESULT_OK);
        if (said[i] == NULL)
            break;
        assert_result(&t, SG_RESULT_OK);
        versions[i] = version_of(&t);
    }
    assert_result(&t, SG_RESULT_CHECK_FAILED);
    assert_non_null(strstr(trial_why(&t), "STAGEGRAPH_VERSION_FILE"));
    assert_false(has(&t, MARKER));
    assert_true(sg_hash128_is(versions[0], versions[1]));
    assert_false(sg_hash128_is(versions[0], versions[2]));
    trial_close(&t);
}

/* ---- what the receipt stands for ---- */

static void an_input_that_moved_meanwhile_takes_the_receipt(void **state)
{
    static const struct {
        const char *label, *content; /* NULL: lost */
        enum sg_result result;
        const char *why;
    } rows[] = {
        { "written again, the same", "rows", SG_RESULT_OK, "" },
        { "changed", "other rows", SG_RESULT_INPUT_MOVED,
          "landing@2024-01-01T00 changed while the job ran" },
        { "lost", NULL, SG_RESULT_INPUT_MOVED, "landing@2024-01-01T00 changed" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trial t;

        trial_open(&t, GRAPH);
        trial_begin(&t, TRIAL_NODE);
        trial_work(&t, "v1");
        if (rows[i].content != NULL)
            world_source(&t.w, "landing@2024-01-01T00", rows[i].content);
        else
            world_lose(&t.w, "landing@2024-01-01T00");
        trial_end(&t, SG_RESULT_OK);
        if (trial_result(&t) != rows[i].result || strstr(trial_why(&t), rows[i].why) == NULL ||
            has(&t, MARKER) != (rows[i].result == SG_RESULT_OK) || has(&t, TRIAL_CLAIM))
            fail_msg("%s: %s %s", rows[i].label, sg_result_name(trial_result(&t)), trial_why(&t));
        trial_close(&t);
    }
}

static void the_recipe_is_there_before_the_receipt_that_names_it(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_arena arena = SG_ARENA_INIT;
    struct sg_recipe recipe;
    struct sg_marker m;
    bool found = false;
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_begin(&t, TRIAL_NODE);
    trial_work(&t, "v1");
    sg_fake_store_arm(t.fake, (struct sg_fault){ .call = "rename", .path = "recipes", .at = 1 });
    trial_end(&t, SG_RESULT_OK);
    assert_true(sg_fake_store_hit(t.fake));
    assert_result(&t, SG_RESULT_FAILED);
    assert_non_null(strstr(trial_why(&t), "write the recipe"));
    assert_false(has(&t, MARKER));
    trial_make(&t, TRIAL_NODE, "v1");
    assert_true(sg_marker_read(t.w.store, "bronze/2024-01-01/00", "_SUCCESS", TRIAL_NODE, NULL, &m,
                               NULL, &err));
    assert_true(sg_recipe_read(t.w.store, m.recipe, &arena, &recipe, &found, &err));
    assert_true(found);
    sg_arena_done(&arena);
    trial_close(&t);
}

/* ---- failed jobs ---- */

static void whatever_a_failed_job_left_is_no_marker(void **state)
{
    static const enum sg_result results[] = { SG_RESULT_FAILED, SG_RESULT_TIMEOUT, SG_RESULT_OOM,
                                              SG_RESULT_INTERRUPTED, SG_RESULT_CHECK_FAILED };
    static const char *const markers[] = { NULL, "", "{\"stagegraph\":1", "done" };

    (void)state;
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
        for (size_t k = 0; k < sizeof(markers) / sizeof(markers[0]); k++) {
            struct trial t;

            trial_open(&t, GRAPH);
            trial_begin(&t, TRIAL_NODE);
            trial_work(&t, "v1");
            if (markers[k] != NULL) {
                world_marker(&t.w, TRIAL_NODE, markers[k]);
                scratch_write(&t.w.scratch, TRIAL_OUT "/._SUCCESS.crc", "crc");
            }
            trial_end(&t, results[i]);
            if (trial_result(&t) != results[i] || strcmp(trial_why(&t), "exit 3") != 0 ||
                has(&t, MARKER) || has(&t, TRIAL_OUT "/._SUCCESS.crc") || has(&t, TRIAL_CLAIM))
                fail_msg("%s, marker %zu: %s", sg_result_name(results[i]), k, trial_why(&t));
            assert_stale(&t, TRIAL_NODE, "missing");
            trial_assert_text(&t, TRIAL_OUT "/part-0", "v1"); /* data are the job's */
            trial_close(&t);
        }
}

static void a_marker_that_can_not_be_removed_leaves_the_claim_dead(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_begin(&t, TRIAL_NODE);
    trial_work(&t, "half");
    world_marker(&t.w, TRIAL_NODE, "");
    sg_fake_store_arm(t.fake, (struct sg_fault){ .call = "unlink", .path = "_SUCCESS", .at = 1 });
    trial_end(&t, SG_RESULT_FAILED);
    assert_result(&t, SG_RESULT_FAILED);
    assert_true(has(&t, MARKER) && has(&t, TRIAL_CLAIM));
    assert_non_null(strstr(t.a->notice, "_SUCCESS")); /* and says so */
    assert_stale(&t, TRIAL_NODE, "interrupted");      /* in spite of the marker */
    trial_close(&t);
}

static void a_receipt_of_another_tools_hand_is_replaced_by_ours(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_begin(&t, TRIAL_NODE);
    trial_work(&t, "v1");
    world_marker(&t.w, TRIAL_NODE, ""); /* as Spark does */
    scratch_write(&t.w.scratch, TRIAL_OUT "/._SUCCESS.crc", "crc");
    trial_end(&t, SG_RESULT_OK);
    assert_result(&t, SG_RESULT_OK);
    (void)version_of(&t);
    assert_false(has(&t, TRIAL_OUT "/._SUCCESS.crc")); /* it would be wrong now */
    assert_whole(&t, TRIAL_NODE);
    trial_close(&t);
}

/* ---- claims ---- */

static void a_claim_lost_meanwhile_means_hands_off(void **state)
{
    static const struct {
        enum sg_result job;
        bool marker;
    } rows[] = {
        { SG_RESULT_OK, true },
        { SG_RESULT_OK, false },
        { SG_RESULT_FAILED, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trial t;
        char *claim;

        trial_open(&t, GRAPH);
        trial_begin(&t, TRIAL_NODE);
        trial_work(&t, "v1");
        assert_int_equal(unlink(scratch_path(&t.w.scratch, TRIAL_CLAIM)), 0);
        world_claim(&t.w, TRIAL_NODE, OTHER, 1, true);
        if (rows[i].marker)
            world_marker(&t.w, TRIAL_NODE, "the other's");
        claim = scratch_read(&t.w.scratch, TRIAL_CLAIM, NULL);
        trial_end(&t, rows[i].job);
        assert_result(&t, SG_RESULT_FAILED);
        if (rows[i].job == SG_RESULT_OK)
            assert_string_equal(trial_why(&t), "the claim was taken away while the job ran");
        trial_assert_text(&t, MARKER, rows[i].marker ? "the other's" : NULL);
        trial_assert_text(&t, TRIAL_CLAIM, claim);
        if (!rows[i].marker) /* held by the other still */
            assert_memory_equal(trial_says(&t, TRIAL_NODE), "busy", 4);
        free(claim);
        trial_close(&t);
    }
}

static void what_can_not_be_killed_keeps_its_claim(void **state)
{
    static const enum sg_result jobs[] = { SG_RESULT_TIMEOUT, SG_RESULT_OK };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sg_attempt_outcome o = { .result = jobs[i], .why = "stuck", .stuck = true };
        struct trial t;
        char path[600];
        int shim;

        trial_open(&t, GRAPH);
        trial_begin(&t, TRIAL_NODE);
        trial_work(&t, "half");
        shim = dup(t.a->members[0].claim.lock_fd); /* which a shim has inherited */
        sg_attempt_finish(t.a, &o);
        assert_result(&t, i == 0 ? SG_RESULT_TIMEOUT : SG_RESULT_FAILED);
        assert_false(has(&t, MARKER));
        assert_memory_equal(trial_says(&t, TRIAL_NODE), "busy", 4);
        (void)snprintf(path, sizeof(path), "tmp/" TRIAL_RUN "/%s/done", t.a->nonce);
        assert_true(has(&t, path)); /* what is alive may write to it */
        (void)close(shim);
        assert_stale(&t, TRIAL_NODE, "interrupted");
        trial_close(&t);
    }
}

static void an_attempt_that_is_given_up_leaves_its_claim_dead(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_begin(&t, TRIAL_NODE);
    sg_attempt_free(t.a);
    t.a = NULL;
    assert_true(has(&t, TRIAL_CLAIM));
    assert_stale(&t, TRIAL_NODE, "interrupted");
    sg_attempt_free(NULL);
    trial_close(&t);
}

static void members_that_were_decided_before_the_job_stay_as_they_are(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_make(&t, TRIAL_NODE, "v1");
    trial_begin(&t, TRIAL_NODE);
    assert_result(&t, SG_RESULT_UNCHANGED);
    trial_end(&t, SG_RESULT_FAILED);
    assert_result(&t, SG_RESULT_UNCHANGED);
    assert_whole(&t, TRIAL_NODE);
    trial_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_output_is_checked_as_its_stage_says),
        cmocka_unit_test(the_same_rows_are_the_same_version),
        cmocka_unit_test(a_version_of_the_run_is_new_each_time),
        cmocka_unit_test(a_job_may_say_its_version_and_then_has_to),
        cmocka_unit_test(an_input_that_moved_meanwhile_takes_the_receipt),
        cmocka_unit_test(the_recipe_is_there_before_the_receipt_that_names_it),
        cmocka_unit_test(whatever_a_failed_job_left_is_no_marker),
        cmocka_unit_test(a_marker_that_can_not_be_removed_leaves_the_claim_dead),
        cmocka_unit_test(a_receipt_of_another_tools_hand_is_replaced_by_ours),
        cmocka_unit_test(a_claim_lost_meanwhile_means_hands_off),
        cmocka_unit_test(what_can_not_be_killed_keeps_its_claim),
        cmocka_unit_test(an_attempt_that_is_given_up_leaves_its_claim_dead),
        cmocka_unit_test(members_that_were_decided_before_the_job_stay_as_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
