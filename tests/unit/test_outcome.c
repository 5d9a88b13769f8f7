/* The exit status of a run by what became of its nodes, and the ids of runs. */
#include "stagegraph/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Of three nodes with each of the results. */
static int status_of(uint32_t results)
{
    struct sg_outcome o = { .n_bug = 0 };

    for (int i = 0; i < 3 * SG_RESULT_COUNT; i++)
        if (results >> i / 3 & 1)
            sg_outcome_add(&o, (enum sg_result)(i / 3), SG_ERROR_NONE);
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
        if (status_of(1u << i) != rows[i].status)
            fail_msg("%s: %d", sg_result_name(rows[i].result), status_of(1u << i));
    }
}

static void of_several_the_first_of_1_5_4_3_counts(void **state)
{
    static const struct {
        const char *label;
        uint32_t results;
        int status;
    } rows[] = {
        { "nothing at all", 0, 0 },
        { "all fine", R(OK) | R(UNCHANGED) | R(COMPLETED), 0 },
        { "a failure beside successes", R(OK) | R(FAILED), 1 },
        { "a failure and a timeout", R(FAILED) | R(TIMEOUT), 1 },
        { "a check and a timeout", R(CHECK_FAILED) | R(TIMEOUT), 1 },
        { "blocked behind a failure", R(FAILED) | R(BLOCKED), 1 },
        { "timeouts alone", R(OK) | R(TIMEOUT), 5 },
        { "blocked behind a timeout", R(TIMEOUT) | R(BLOCKED), 5 },
        { "a timeout and a busy one", R(TIMEOUT) | R(BUSY), 5 },
        { "busy", R(OK) | R(BUSY), 4 },
        { "blocked behind a busy one", R(BUSY) | R(BLOCKED), 4 },
        { "everything", (1u << SG_RESULT_COUNT) - 1, 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int is = status_of(rows[i].results);

        if (is != rows[i].status)
            fail_msg("%s: %d", rows[i].label, is);
    }
}

static void a_failure_of_ours_or_of_the_machine_comes_first(void **state)
{
    static const struct {
        const char *label;
        enum sg_error_code codes[3]; /* of one node that failed each */
        int status;
    } rows[] = {
        { "the job alone", { SG_ERROR_NONE }, 1 },
        { "the store of an attempt", { SG_ERROR_STORE }, 1 },
        { "a store that is away", { SG_ERROR_NONE, SG_ERROR_AWAY, SG_ERROR_STORE }, 74 },
        { "the machine, and no store", { SG_ERROR_AWAY, SG_ERROR_SYSTEM }, 71 },
        { "no process to be had", { SG_ERROR_SYSTEM }, 71 },
        { "no memory", { SG_ERROR_MEMORY }, 71 },
        { "a job, then no process", { SG_ERROR_NONE, SG_ERROR_SYSTEM }, 71 },
        { "no process, then a job", { SG_ERROR_SYSTEM, SG_ERROR_STORE }, 71 },
        { "a bug", { SG_ERROR_BUG }, 70 },
        { "a bug beside the machine", { SG_ERROR_SYSTEM, SG_ERROR_BUG, SG_ERROR_NONE }, 70 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_outcome o = { .n_bug = 0 };

        sg_outcome_add(&o, SG_RESULT_OK, SG_ERROR_NONE);
        sg_outcome_add(&o, SG_RESULT_BLOCKED, SG_ERROR_NONE);
        for (size_t k = 0; k < 3; k++)
            sg_outcome_add(&o, SG_RESULT_FAILED, rows[i].codes[k]);
        if (sg_outcome_status(&o) != rows[i].status)
            fail_msg("%s: %d", rows[i].label, sg_outcome_status(&o));
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
        cmocka_unit_test(a_failure_of_ours_or_of_the_machine_comes_first),
        cmocka_unit_test(a_run_id_is_its_time_and_six_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
