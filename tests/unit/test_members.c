/* Attempts on several nodes at once: who is in them, and what counts afterwards. */
#include "stagegraph/attempt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "trial.h"

#define B(rest)                                                                                    \
    "[stage b]\nneeds = landing" rest "\ncommand = b ${output_root} ${partitions}\n"               \
    "output = b/${ds}/${HH}\nbatch = 4\n"
#define N(hour) "b@2024-01-01T" hour

static const char *const nodes[] = { N("00"), N("01"), N("02"), N("03") };

static void open_at_four(struct trial *t, const char *graph)
{
    trial_open(t, graph);
    world_at(&t->w, "2024-01-01T04:00:00Z");
    world_source(&t->w, "landing@2024-01-01T01", "rows");
    world_source(&t->w, "landing@2024-01-01T02", "rows");
    world_source(&t->w, "landing@2024-01-01T03", "rows");
}

/* "ok unchanged later": by member; "-" while it is to run. */
static const char *members(const struct trial *t)
{
    static char text[400];

    text[0] = '\0';
    for (uint32_t i = 0; i < t->a->n_members; i++) {
        const struct sg_member *m = &t->a->members[i];

        if (i > 0)
            strcat(text, " ");
        strcat(text, m->later                      ? "later"
                     : m->result == SG_RESULT_NONE ? "-"
                                                   : sg_result_name(m->result));
    }
    return text;
}

static void done(const struct trial *t, const char *text)
{
    FILE *f = fopen(t->a->vars.files.done, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static bool is_claimed(const struct trial *t, const char *hour)
{
    char path[100];

    (void)snprintf(path, sizeof(path), "store/_stagegraph/claims/b/2024-01-01T%s", hour);
    return scratch_has(&t->w.scratch, path);
}

/* ---- who is in it */

static void all_are_claimed_and_get_their_receipts(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(""));
    trial_begin_batch(&t, nodes[0], 4);
    assert_string_equal(members(&t), "- - - -");
    assert_true(is_claimed(&t, "00") && is_claimed(&t, "03"));
    assert_int_equal(t.a->vars.count, 4);
    assert_int_equal(t.a->vars.last - t.a->vars.first, 3);
    trial_work(&t, "v");
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "ok ok ok ok");
    for (int i = 0; i < 4; i++)
        assert_whole(&t, nodes[i]);
    assert_false(is_claimed(&t, "00") || is_claimed(&t, "03"));
    trial_close(&t);
}

#define DAY                                                                                        \
    "[stage b]\nneeds = landing\ncommand = b ${output_root} ${partitions}\n"                       \
    "output = b/${ds}/${HH}\nbatch = 24\n"
#define HOURS 24

/* All hours of a day with an output and its marker, and a change that makes them stale. */
static void open_a_day(struct trial *t)
{
    trial_open(t, HEAD LANDING DAY);
    world_at(&t->w, "2024-01-02T00:00:00Z");
    for (int i = 1; i < HOURS; i++) {
        char source[40];

        (void)snprintf(source, sizeof(source), "landing@2024-01-01T%02d", i);
        world_source(&t->w, source, "rows");
    }
    trial_begin_batch(t, nodes[0], HOURS);
    trial_work(t, "v1");
    trial_end(t, SG_RESULT_OK);
    t->forced = true;
    trial_plan(t);
    sg_attempt_free(t->a);
}

static unsigned count_words(const char *trace, size_t n, const char *word)
{
    unsigned found = 0;

    for (const char *at = trace; (at = strstr(at, word)) != NULL && at < trace + n; at++)
        found++;
    return found;
}

static void one_flush_makes_the_claims_of_a_batch_durable_before_the_first_marker_goes(void **state)
{
    const char *trace, *gone;
    struct trial t;

    (void)state;
    open_a_day(&t);
    sg_fake_store_arm(t.fake, (struct sg_fault){ .at = 0 });
    t.a = trial_attempt(&t, nodes[0], 2, HOURS);
    assert_int_equal(t.a->vars.count, HOURS);
    trace = sg_fake_store_trace(t.fake);
    gone = strstr(trace, "unlink:_SUCCESS");
    assert_non_null(gone);
    assert_int_equal(count_words(trace, (size_t)(gone - trace), "rename:2024-01-01T"), HOURS);
    assert_int_equal(count_words(trace, strlen(trace), "fsync:b "), 1);
    assert_true(strstr(trace, "rename:2024-01-01T23") < strstr(trace, "fsync:b "));
    assert_true(strstr(trace, "fsync:b ") < gone);
    trial_close(&t);
}

/* The names in the trace are the last of a path: data are part-0, and members come in order. */
static void a_batch_of_a_day_has_fewer_flushes_than_its_hours_alone(void **state)
{
    unsigned flushes, flushed = 0, renamed = 0;
    const char *trace;
    struct trial t;

    (void)state;
    open_a_day(&t);
    sg_fake_store_arm(t.fake, (struct sg_fault){ .at = 0 });
    t.a = trial_attempt(&t, nodes[0], 2, HOURS);
    flushes = sg_fake_store_count(t.fake, "fsync");
    for (int i = 0; i < HOURS; i++) { /* the job makes its outputs anew */
        char path[60];

        (void)snprintf(path, sizeof(path), "store/b/2024-01-01/%02d/part-0", i);
        assert_int_equal(unlink(scratch_path(&t.w.scratch, path)), 0);
        *strrchr(path, '/') = '\0';
        assert_int_equal(rmdir(scratch_path(&t.w.scratch, path)), 0);
    }
    trial_work(&t, "v2");
    sg_fake_store_arm(t.fake, (struct sg_fault){ .at = 0 });
    trial_end(&t, SG_RESULT_OK);
    flushes += sg_fake_store_count(t.fake, "fsync");
    /* an hour alone has 6, one a data file, and one a new directory */
    assert_in_range(flushes - HOURS, HOURS, 6 * HOURS - 1);

    trace = sg_fake_store_trace(t.fake);
    assert_int_equal(count_words(trace, strlen(trace), "fsync:2024-01-01 "), 1);
    assert_true(strstr(trace, "fsync:2024-01-01 ") < strstr(trace, "rename:_SUCCESS"));
    for (const char *at = trace; at != NULL; at = strchr(at + 1, ' ')) {
        flushed += strncmp(at, " fsync:part-0", 13) == 0 || strncmp(at, "fsync:part-0", 12) == 0;
        if (strncmp(at, " rename:_SUCCESS", 16) != 0)
            continue;
        renamed++;
        assert_true(flushed >= renamed); /* no receipt before its data */
    }
    assert_int_equal(renamed, HOURS);
    assert_int_equal(flushed, HOURS);
    assert_whole(&t, nodes[3]);
    trial_close(&t);
}

static void a_fresh_one_in_the_middle_ends_the_job_before_it(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(""));
    trial_make(&t, nodes[2], "v");
    trial_begin_batch(&t, nodes[0], 4);
    assert_string_equal(members(&t), "- - unchanged later");
    assert_false(is_claimed(&t, "02") || is_claimed(&t, "03"));
    assert_int_equal(t.a->vars.count, 2);
    trial_work(&t, "v");
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "ok ok unchanged later");
    assert_stale(&t, nodes[3], "missing");
    trial_close(&t);
}

static void fresh_ones_at_the_ends_only_drop_out(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(""));
    trial_make(&t, nodes[0], "v");
    trial_make(&t, nodes[3], "v");
    trial_begin_batch(&t, nodes[0], 4);
    assert_string_equal(members(&t), "unchanged - - unchanged");
    trial_work(&t, "v");
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "unchanged ok ok unchanged");
    trial_close(&t);
}

static void a_held_one_and_one_that_lacks_drop_out(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(""));
    world_lose(&t.w, "landing@2024-01-01T00");
    world_claim(&t.w, nodes[2], "other", 1, true);
    trial_begin_batch(&t, nodes[0], 4);
    assert_string_equal(members(&t), "blocked - busy later");
    trial_work(&t, "v");
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "blocked ok busy later");
    trial_close(&t);
}

static void one_that_can_not_be_cleared_ends_the_job_before_it(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(""));
    t.forced = true;
    for (int i = 0; i < 4; i++)
        trial_make(&t, nodes[i], "v");
    trial_plan(&t);
    sg_fake_store_arm(t.fake,
                      (struct sg_fault){ .call = "unlink", .path = "02/_SUCCESS", .at = 1 });
    sg_attempt_free(t.a);
    t.a = trial_attempt(&t, nodes[0], 2, 4);
    assert_string_equal(members(&t), "- - failed later");
    assert_false(is_claimed(&t, "03"));
    trial_work(&t, "v2");
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "ok ok failed later");
    assert_whole(&t, nodes[3]);
    trial_close(&t);
}

/* T01 needs T00, which is there, but blocked in this run: so it is not for the attempt to say. */
static void behind_a_blocked_one_that_they_need_the_run_decides(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(" b@-1"));
    for (int i = 0; i < 4; i++)
        trial_make(&t, nodes[i], "v");
    world_lose(&t.w, "landing@2024-01-01T00");
    t.forced = true;
    trial_begin_batch(&t, nodes[0], 4);
    assert_string_equal(members(&t), "blocked later later later");
    assert_false(t.a->to_run || is_claimed(&t, "01"));
    trial_close(&t);
}

static void one_that_is_stale_by_a_member_alone_is_not_blocked_before_that_is_made(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(" b@-1"));
    for (int i = 0; i < 4; i++)
        trial_make(&t, nodes[i], "v");
    world_source(&t.w, "landing@2024-01-01T00", "other rows");
    world_lose(&t.w, "landing@2024-01-01T02");
    trial_begin_batch(&t, nodes[0], 4);
    assert_string_equal(members(&t), "- - later later");
    trial_work(&t, "v");
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "ok ok later later");
    assert_whole(&t, nodes[2]);
    trial_close(&t);
}

/* ---- what counts */

static void after_a_failure_whole_lines_of_the_done_file_count(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(""));
    trial_begin_batch(&t, nodes[0], 4);
    trial_work(&t, "v");
    done(&t, "2024-01-01T00\n2024-01-01T010\nx 2024-01-01T01\n2024-01-01T02\n2024-01-01T03");
    trial_end(&t, SG_RESULT_TIMEOUT);
    assert_string_equal(members(&t), "ok timeout ok timeout");
    assert_whole(&t, nodes[0]);
    assert_stale(&t, nodes[1], "missing");
    assert_stale(&t, nodes[3], "missing");
    trial_close(&t);
}

static void a_done_label_may_have_a_carriage_return_or_a_colon(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING "[stage b]\nneeds = landing\npartition = 15m\n"
                                  "command = b\noutput = b/${ds}/${HH}${mm}\nbatch = 4\n");
    trial_begin_batch(&t, "b@2024-01-01T0000", 4);
    trial_work(&t, "v");
    done(&t, "2024-01-01T0000\r\n2024-01-01T00:15\n\r\n2024-01-01T00:30 \n2024-01-01T00:45\r\n");
    trial_end(&t, SG_RESULT_FAILED);
    assert_string_equal(members(&t), "ok ok failed ok");
    trial_close(&t);
}

static void a_credited_one_is_checked_all_the_same(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(""));
    trial_begin_batch(&t, nodes[0], 2);
    done(&t, "2024-01-01T00\n2024-01-01T01\n");
    scratch_write(&t.w.scratch, "store/b/2024-01-01/01/part-0", "v");
    trial_end(&t, SG_RESULT_FAILED);
    assert_string_equal(members(&t), "check_failed ok");
    trial_close(&t);
}

static void with_a_check_command_nothing_is_credited(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B("") "check = sh check.sh\n");
    trial_begin_batch(&t, nodes[0], 2);
    trial_work(&t, "v");
    done(&t, "2024-01-01T00\n");
    trial_end(&t, SG_RESULT_FAILED);
    assert_string_equal(members(&t), "failed failed");
    trial_close(&t);
}

/* What it did to a neighbour it did for all of its nodes, not for the nearest alone. */
static void a_trespass_is_of_all_members_beside_the_neighbour(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(""));
    trial_make(&t, nodes[0], "v");
    trial_begin_batch(&t, nodes[1], 3);
    assert_int_equal(t.a->n_siblings, 1);
    trial_work(&t, "v");
    world_lose(&t.w, nodes[0]);
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "trespass trespass trespass");
    trial_close(&t);
}

/* ---- needs among them */

static void a_receipt_names_the_version_that_the_member_before_it_got(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(" b@-2..-1"));
    trial_begin_batch(&t, nodes[0], 4);
    assert_string_equal(members(&t), "- - - -");
    trial_work(&t, "v");
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "ok ok ok ok");
    for (int i = 0; i < 4; i++)
        assert_whole(&t, nodes[i]);
    trial_close(&t);
}

static void one_that_needs_a_failed_member_fails_too(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(" b@-1"));
    trial_begin_batch(&t, nodes[0], 4);
    trial_work(&t, "v");
    assert_int_equal(unlink(scratch_path(&t.w.scratch, "store/b/2024-01-01/01/part-0")), 0);
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "ok check_failed failed failed");
    assert_string_equal(t.a->members[2].why, "needs " N("01") ", which failed");
    assert_whole(&t, nodes[0]);
    assert_stale(&t, nodes[2], "missing");
    trial_close(&t);
}

static void without_an_optional_one_it_stands_alone(void **state)
{
    struct trial t;

    (void)state;
    open_at_four(&t, HEAD LANDING B(" b@-1?"));
    trial_begin_batch(&t, nodes[0], 3);
    trial_work(&t, "v");
    assert_int_equal(unlink(scratch_path(&t.w.scratch, "store/b/2024-01-01/01/part-0")), 0);
    trial_end(&t, SG_RESULT_OK);
    assert_string_equal(members(&t), "ok check_failed ok");
    trial_make(&t, nodes[1], "v");
    assert_stale(&t, nodes[2], "input b");
    trial_close(&t);
}

/* ---- faults */

static bool one_fault(struct sg_fault fault, unsigned *ret_fresh)
{
    struct trial t;
    bool hit;

    open_at_four(&t, HEAD LANDING B(" b@-1"));
    trial_plan(&t);
    sg_fake_store_arm(t.fake, fault);
    t.a = trial_attempt(&t, nodes[0], 1, 3);
    if (t.a->to_run) {
        trial_work(&t, "v");
        trial_end(&t, SG_RESULT_OK);
    }
    hit = sg_fake_store_hit(t.fake);
    sg_fake_store_arm(t.fake, (struct sg_fault){ .at = 0 });
    trial_renew(&t);
    *ret_fresh = 0;
    for (int i = 0; i < 3; i++) /* fresh: and whole, which trial_says() sees to */
        *ret_fresh += strcmp(trial_says(&t, nodes[i]), "fresh") == 0;
    if (fault.at != 0 && !hit)
        assert_int_equal(*ret_fresh, 3);
    trial_close(&t);
    return hit;
}

static void at_every_fault_members_are_stale_or_fresh_and_whole(void **state)
{
    unsigned fresh, partly = 0, k;

    (void)state;
    for (int dies = 0; dies < 2; dies++)
        for (k = 1; one_fault((struct sg_fault){ .at = k, .dies = dies }, &fresh); k += 5)
            partly += fresh > 0 && fresh < 3;
    assert_true(partly > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_claimed_and_get_their_receipts),
        cmocka_unit_test(
            one_flush_makes_the_claims_of_a_batch_durable_before_the_first_marker_goes),
        cmocka_unit_test(a_batch_of_a_day_has_fewer_flushes_than_its_hours_alone),
        cmocka_unit_test(a_fresh_one_in_the_middle_ends_the_job_before_it),
        cmocka_unit_test(fresh_ones_at_the_ends_only_drop_out),
        cmocka_unit_test(a_held_one_and_one_that_lacks_drop_out),
        cmocka_unit_test(one_that_can_not_be_cleared_ends_the_job_before_it),
        cmocka_unit_test(behind_a_blocked_one_that_they_need_the_run_decides),
        cmocka_unit_test(one_that_is_stale_by_a_member_alone_is_not_blocked_before_that_is_made),
        cmocka_unit_test(after_a_failure_whole_lines_of_the_done_file_count),
        cmocka_unit_test(a_done_label_may_have_a_carriage_return_or_a_colon),
        cmocka_unit_test(a_credited_one_is_checked_all_the_same),
        cmocka_unit_test(with_a_check_command_nothing_is_credited),
        cmocka_unit_test(a_trespass_is_of_all_members_beside_the_neighbour),
        cmocka_unit_test(a_receipt_names_the_version_that_the_member_before_it_got),
        cmocka_unit_test(one_that_needs_a_failed_member_fails_too),
        cmocka_unit_test(without_an_optional_one_it_stands_alone),
        cmocka_unit_test(at_every_fault_members_are_stale_or_fresh_and_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
