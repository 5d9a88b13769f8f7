#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/buf.h"

/* Address sanitizer: a request that can't be met is answered with NULL, as malloc does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static void an_empty_buffer_is_an_empty_text(void **state)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    assert_string_equal(sg_buf_text(&b), "");
    assert_int_equal(sg_buf_span(&b).len, 0);
    sg_buf_clear(&b);
    assert_null(sg_buf_move(&b));
    sg_buf_done(&b);
    assert_true(sg_buf_adds(&b, "", &err)); /* now something was added */
    assert_non_null(b.at);
    assert_string_equal(sg_buf_text(&b), "");
    sg_buf_done(&b);
}

static void what_is_added_follows_what_is_there(void **state)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    assert_true(sg_buf_adds(&b, "silver", &err));
    assert_true(sg_buf_addc(&b, '@', &err));
    assert_true(sg_buf_add(&b, "2024-xx", 5, &err));
    assert_true(sg_buf_addf(&b, &err, "%02d%s", 1, "-01"));
    assert_string_equal(sg_buf_text(&b), "silver@2024-01-01");
    assert_true(sg_buf_add(&b, "a\0b", 3, &err));
    assert_true(sg_buf_add(&b, NULL, 0, &err));
    assert_int_equal(b.len, 20);
    assert_memory_equal(b.at, "silver@2024-01-01a\0b", 21);
    sg_buf_clear(&b);
    assert_string_equal(sg_buf_text(&b), "");
    assert_true(sg_buf_adds(&b, "again", &err));
    assert_string_equal(sg_buf_text(&b), "again");
    sg_buf_done(&b);
    assert_int_equal(err.code, SG_ERROR_NONE);
}

static void a_formatted_text_of_any_length_is_whole(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    char *want;

    (void)state;
    for (size_t n = 0; n < 300; n++) {
        struct sg_buf b = SG_BUF_INIT;

        want = calloc(1, n + 2);
        assert_non_null(want);
        memset(want, 'w', n + 1);
        if (!sg_buf_addc(&b, 'w', &err) || !sg_buf_addf(&b, &err, "%s", want + 1) ||
            strcmp(sg_buf_text(&b), want) != 0 || b.len != n + 1)
            fail_msg("%zu bytes: '%s'", n, sg_buf_text(&b));
        sg_buf_done(&b);
        free(want);
    }
}

static void a_buffer_grows_to_millions_of_bytes(void **state)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    for (int i = 0; i < 3000000; i++) {
        if (!sg_buf_addc(&b, (char)('a' + i % 26), &err))
            fail_msg("%d: %s", i, err.text);
    }
    assert_int_equal(b.len, 3000000);
    assert_int_equal(strlen(sg_buf_text(&b)), 3000000);
    assert_int_equal(b.at[2999999], 'a' + 2999999 % 26);
    sg_buf_done(&b);
}

/* Each kind of add, at and around the limit of 10 bytes. */
static void beyond_the_limit_an_add_fails_and_changes_nothing(void **state)
{
    static const struct {
        const char *label, *there, *more;
        bool ok;
    } cases[] = {
        { "exactly full at once", "", "0123456789", true },
        { "exactly full in two", "01234", "56789", true },
        { "one too many at once", "", "0123456789a", false },
        { "one too many in two", "0123456789", "a", false },
        { "nothing into a full one", "0123456789", "", true },
        { "far too many", "012", "0123456789012345678901234567890123456789", false },
    };
    struct sg_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int kind = 0; kind < 3; kind++) {
            struct sg_buf b = { .limit = 10 };
            const char *more = cases[i].more;
            bool ok;

            sg_error_clear(&err);
            assert_true(sg_buf_adds(&b, cases[i].there, &err));
            ok = kind == 0   ? sg_buf_add(&b, more, strlen(more), &err)
                 : kind == 1 ? sg_buf_adds(&b, more, &err)
                             : sg_buf_addf(&b, &err, "%s", more);
            if (ok != cases[i].ok || err.code != (ok ? SG_ERROR_NONE : SG_ERROR_LIMIT) ||
                b.len != strlen(cases[i].there) + (ok ? strlen(more) : 0) ||
                strlen(sg_buf_text(&b)) != b.len ||
                strncmp(sg_buf_text(&b), cases[i].there, strlen(cases[i].there)) != 0)
                fail_msg("%s, kind %d: %s, '%s'", cases[i].label, kind, err.text, sg_buf_text(&b));
            sg_buf_done(&b);
            assert_int_equal(b.limit, 10);
        }
    }
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    static const struct {
        const char *label;
        size_t limit, more;
        enum sg_error_code code;
    } cases[] = {
        { "the usual limit", 0, SG_BUF_LIMIT, SG_ERROR_LIMIT },
        { "SIZE_MAX", 0, SIZE_MAX, SG_ERROR_LIMIT },
        { "SIZE_MAX without a limit", SIZE_MAX, SIZE_MAX, SG_ERROR_LIMIT },
        { "PTRDIFF_MAX without a limit", SIZE_MAX, PTRDIFF_MAX, SG_ERROR_LIMIT },
        { "more than there is memory", SIZE_MAX, PTRDIFF_MAX / 2, SG_ERROR_MEMORY },
        { "the most without a limit", SIZE_MAX, PTRDIFF_MAX - 4, SG_ERROR_MEMORY },
    };
    struct sg_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_buf b = { .limit = cases[i].limit };

        sg_error_clear(&err);
        assert_true(sg_buf_adds(&b, "abc", &err));
        if (sg_buf_reserve(&b, cases[i].more, &err) || err.code != cases[i].code)
            fail_msg("%s: %d, %s", cases[i].label, (int)err.code, err.text);
        if (b.len != 3 || strcmp(sg_buf_text(&b), "abc") != 0)
            fail_msg("%s: '%s'", cases[i].label, sg_buf_text(&b));
        sg_buf_done(&b);
    }
}

static void what_cannot_be_formatted_changes_nothing(void **state)
{
    static const wchar_t surrogate[] = { 0xd800, 0 };
    struct sg_buf b = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    assert_false(sg_buf_addf(&b, &err, "%ls", surrogate));
    assert_string_equal(sg_buf_text(&b), "");
    assert_true(sg_buf_adds(&b, "there", &err));
    assert_false(sg_buf_addf(&b, &err, "more %ls", surrogate));
    assert_int_equal(err.code, SG_ERROR_SYSTEM);
    assert_string_equal(sg_buf_text(&b), "there");
    sg_buf_done(&b);
}

static void a_limit_below_the_contents_lets_nothing_in(void **state)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    char many[100];

    (void)state;
    memset(many, 'm', sizeof(many));
    assert_true(sg_buf_adds(&b, "0123456789", &err));
    b.limit = 5;
    assert_false(sg_buf_add(&b, many, sizeof(many), &err));
    assert_int_equal(err.code, SG_ERROR_LIMIT);
    assert_string_equal(sg_buf_text(&b), "0123456789");
    sg_buf_done(&b);
}

static void reserved_room_is_there_without_moving(void **state)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    const char *at;

    (void)state;
    assert_true(sg_buf_reserve(&b, 1000, &err));
    assert_string_equal(sg_buf_text(&b), "");
    at = b.at;
    for (int i = 0; i < 1000; i++)
        assert_true(sg_buf_addc(&b, 'x', &err));
    assert_ptr_equal(b.at, at);
    sg_buf_done(&b);
}

static void moved_memory_is_the_callers(void **state)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    char *text;

    (void)state;
    assert_true(sg_buf_adds(&b, "mine", &err));
    text = sg_buf_move(&b);
    assert_string_equal(sg_buf_text(&b), "");
    assert_true(sg_buf_adds(&b, "yours", &err));
    assert_string_equal(text, "mine");
    free(text);
    sg_buf_done(&b);
}

static void a_span_is_compared_by_its_bytes(void **state)
{
    static const struct {
        const char *label;
        struct sg_span s;
        const char *text;
        bool is;
    } cases[] = {
        { "equal", { "abcd", 3 }, "abc", true },
        { "shorter", { "abcd", 2 }, "abc", false },
        { "longer", { "abcd", 4 }, "abc", false },
        { "other bytes", { "abx", 3 }, "abc", false },
        { "NULL is empty", { NULL, 0 }, "", true },
        { "NULL is no text", { NULL, 0 }, "a", false },
        { "a NUL within", { "a\0c", 3 }, "a", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (sg_span_is(cases[i].s, cases[i].text) != cases[i].is)
            fail_msg("%s", cases[i].label);
    }
    assert_int_equal(sg_span_of(NULL).len, 0);
    assert_int_equal(sg_span_of("four").len, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_text),
        cmocka_unit_test(what_is_added_follows_what_is_there),
        cmocka_unit_test(a_formatted_text_of_any_length_is_whole),
        cmocka_unit_test(a_buffer_grows_to_millions_of_bytes),
        cmocka_unit_test(beyond_the_limit_an_add_fails_and_changes_nothing),
        cmocka_unit_test(sizes_that_cannot_be_are_refused),
        cmocka_unit_test(what_cannot_be_formatted_changes_nothing),
        cmocka_unit_test(a_limit_below_the_contents_lets_nothing_in),
        cmocka_unit_test(reserved_room_is_there_without_moving),
        cmocka_unit_test(moved_memory_is_the_callers),
        cmocka_unit_test(a_span_is_compared_by_its_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
