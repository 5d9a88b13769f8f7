#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stagegraph/row.h"

#define N 200

/* Numbers are taken out by chance, until none is left; at each step both rows are asked from
 * everywhere, as a search that goes one by one would find it. */
static void the_next_is_the_first_that_is_still_in(void **state)
{
    uint32_t up[N + 1], down[N + 1], seed = 1;
    bool out[N] = { false };

    (void)state;
    for (uint32_t i = 0; i <= N; i++)
        up[i] = down[i] = i; /* downwards number i is i + 1, and 0 ends every way */
    for (uint32_t left = N; left != 0; left--) {
        uint32_t gone, next = N, before = 0;

        do
            gone = (seed = seed * 1103515245 + 12345) / 65536 % N;
        while (out[gone]);
        out[gone] = true;
        up[gone] = gone + 1;
        down[gone + 1] = gone;
        for (uint32_t i = N; i-- != 0;) {
            next = out[i] ? next : i;
            assert_int_equal(sg_row_next(up, i), next);
        }
        for (uint32_t i = 0; i < N; i++) {
            before = out[i] ? before : i + 1;
            assert_int_equal(sg_row_next(down, i + 1), before);
        }
    }
    assert_int_equal(sg_row_next(up, 0), N);
    assert_int_equal(sg_row_next(down, N), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_is_the_first_that_is_still_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
