#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stagegraph/sched.h"

static void every_result_has_a_name_and_a_meaning(void **state)
{
    int done = 0, failures = 0;

    (void)state;
    for (int i = SG_RESULT_NONE; i < SG_RESULT_COUNT; i++) {
        enum sg_result r = (enum sg_result)i;

        for (int j = SG_RESULT_NONE; j < i; j++)
            assert_string_not_equal(sg_result_name(r), sg_result_name((enum sg_result)j));
        assert_false(sg_result_is_done(r) && sg_result_is_failure(r));
        done += sg_result_is_done(r);
        failures += sg_result_is_failure(r);
    }
    assert_int_equal(done, 3);
    assert_int_equal(failures, 6);
    assert_true(sg_result_is_done(SG_RESULT_UNCHANGED));
    assert_false(sg_result_is_failure(SG_RESULT_BUSY));
    assert_string_equal(sg_result_name(SG_RESULT_INPUT_MOVED), "input_moved");
    assert_string_equal(sg_result_name(SG_RESULT_COUNT), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_result_has_a_name_and_a_meaning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
