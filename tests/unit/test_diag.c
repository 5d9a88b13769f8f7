/* diag: a list of what is wrong, in the order of its lines. */
#include "stagegraph/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void texts_have_their_place_in_front(void **state)
{
    struct sg_diags d = SG_DIAGS_INIT;

    (void)state;
    sg_diags_error(&d, "x.ini", 12, "unknown key %s", "a");
    sg_diags_warn(&d, "x.ini", 0, "no line");
    sg_diags_error(&d, NULL, 5, "no file");
    assert_int_equal(d.n, 3);
    assert_int_equal(d.n_errors, 2);
    assert_string_equal(d.items[0].text, "x.ini:12: unknown key a");
    assert_int_equal(d.items[0].line, 12);
    assert_string_equal(d.items[1].text, "x.ini: no line");
    assert_true(d.items[1].warning);
    assert_string_equal(d.items[2].text, "no file");
    assert_false(d.lost);
    sg_diags_done(&d);
    assert_int_equal(d.n, 0);
    sg_diags_done(&d);
}

static void sorting_is_by_line_and_stable(void **state)
{
    static const unsigned lines[] = { 5, 1, 5, 0, 3, 5, 1 };
    static const char *const expected[] = { "3", "1", "6", "4", "0", "2", "5" };
    struct sg_diags d = SG_DIAGS_INIT;

    (void)state;
    for (unsigned i = 0; i < 7; i++)
        sg_diags_error(&d, NULL, lines[i], "%u", i);
    sg_diags_sort(&d);
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(d.items[i].text, expected[i]);
    sg_diags_done(&d);
    sg_diags_sort(&d);
}

static void many_are_kept(void **state)
{
    struct sg_diags d = SG_DIAGS_INIT;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        sg_diags_error(&d, "f", i, "x");
    assert_int_equal(d.n, 1000);
    assert_string_equal(d.items[999].text, "f:999: x");
    sg_diags_done(&d);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_their_place_in_front),
        cmocka_unit_test(sorting_is_by_line_and_stable),
        cmocka_unit_test(many_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
