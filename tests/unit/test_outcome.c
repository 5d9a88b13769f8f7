/* The exit status of a run by what became of its nodes, and the ids of runs. */
#include "stagegraph/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int status_of(uint32_t results, bool plan_blocked, bool plan_busy)
{
    struct sg_outcome o = { .plan_blocked_must = plan_blocked, .plan_busy = plan_busy };

    for (int r = 0; r < SG_RESULT_COUNT; r++)
        o.n_result[r] = (results >> r & 1) * 3;
    return sg_outcome_status(&o);
}

#define R(name) (1u << SG_RESULT_##name)

static void each_result_has_its_status(void **state)
{
    static const struct {
        enum sg_result result;
        int status;
    } rows[] = {
        { SG_RESULT_NONE, 0 },         { SG_RESULT_OK, 0 },          { SG_RESULT_UNCHANGED, 0 },
        { SG_RESULT_COMPLETED, 0 },    { SG_RESULT_FAILED, 1 },      { SG_RESULT_TIMEOUT, 5 },
        { SG_RESULT_CHECK_FAILED, 1 }, { SG_RESULT_INPUT_MOVED, 1 }, { SG_RESULT_TRESPASS, 1 },
        { SG_RESULT_OOM, 1 },          { SG_RESULT_INTERRUPTED, 0 }, /* dies of the signal */
        { SG_RESULT_BLOCKED, 3 },      { SG_RESULT_BUSY, 4 },
    };

    (void)state;
    assert_int_equal(sizeof(rows) / sizeof(rows[0]), SG_RESULT_COUNT);
    for (size_t i = 0; i < SG_RESULT_COUNT; i++) {
        assert_int_equal(rows[i].result, i);
        if (status_of(1u << i, false, false) != rows[i].status)
            fail_msg("%s: %d", sg_result_name(rows[i].result), status_of(1u << i, false, false));
    }
}

static void of_several_the_first_of_1_5_4_3_counts(void **state)
{
    static const struct {
        const char *label;
        uint32_t results;
        bool plan_blocked, plan_busy;
        int status;
    } rows[] = {
        { "nothing at all", 0, false, false, 0 },
        { "all fine", R(OK) | R(UNCHANGED) | R(COMPLETED), false, false, 0 },
        { "a failure beside successes", R(OK) | R(FAILED), false, false, 1 },
        { "a failure and a timeout", R(FAILED) | R(TIMEOUT), false, false, 1 },
        { "a check and a timeout", R(CHECK_FAILED) | R(TIMEOUT), false, false, 1 },
        { "blocked behind a failure", R(FAILED) | R(BLOCKED), false, false, 1 },
        { "timeouts alone", R(OK) | R(TIMEOUT), false, false, 5 },
        { "blocked behind a timeout", R(TIMEOUT) | R(BLOCKED), false, false, 5 },
        { "a timeout and a busy one", R(TIMEOUT) | R(BUSY), false, false, 5 },
        { "busy", R(OK) | R(BUSY), false, false, 4 },
        { "blocked behind a busy one", R(BUSY) | R(BLOCKED), false, false, 4 },
        { "busy in the plan", R(OK), false, true, 4 },
        { "blocked in the plan", R(OK), true, false, 3 },
        { "both in the plan", 0, true, true, 4 },
        { "a failure, and both in the plan", R(FAILED), true, true, 1 },
        { "a timeout, and both in the plan", R(TIMEOUT), true, true, 5 },
        { "everything", (1u << SG_RESULT_COUNT) - 1, true, true, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int is = status_of(rows[i].results, rows[i].plan_blocked, rows[i].plan_busy);

        if (is != rows[i].status)
            fail_msg("%s: %d", rows[i].label, is);
    }
}

static void a_run_id_is_its_time_and_six_digits(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_wall now = { .ns = INT64_C(1704088812) * SG_NS_PER_S + 999999999 };
    char id[SG_RUN_ID_TEXT], seen[8][SG_RUN_ID_TEXT];
    size_t same = 0;

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        assert_true(sg_run_id_new(now, id, &err));
        assert_int_equal(strlen(id), 22);
        assert_memory_equal(id, "20240101T060012-", 16);
        assert_int_equal(strspn(id + 16, "0123456789abcdef"), 6);
        memcpy(seen[i], id, sizeof(id));
        for (size_t k = 0; k < i; k++)
            same += strcmp(seen[k], id) == 0;
    }
    assert_in_range(same, 0, 1); /* 28 pairs of 16 million */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_result_has_its_status),
        cmocka_unit_test(of_several_the_first_of_1_5_4_3_counts),
        cmocka_unit_test(a_run_id_is_its_time_and_six_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
