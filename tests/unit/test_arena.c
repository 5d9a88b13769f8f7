#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/arena.h"

/* Address sanitizer: a request that can't be met is answered with NULL, as malloc does. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* Sizes from nothing to several blocks, mixed with texts: each block is aligned, zeroed, and keeps
 * what is written to it. */
static void allocations_of_all_sizes_do_not_touch_each_other(void **state)
{
    enum { N = 4000 };
    static struct {
        unsigned char *at;
        size_t size;
    } seen[N];
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    unsigned random = 12345;
    size_t all = 0;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        random = random * 1103515245 + 12345;
        seen[i].size = (random >> 8) % (i % 100 == 99 ? 3000000 : i % 10 == 9 ? 5000 : 60);
        seen[i].at = sg_arena_new(&a, 1, seen[i].size, &err);
        if (seen[i].at == NULL || (uintptr_t)seen[i].at % alignof(max_align_t) != 0)
            fail_msg("%zu of %zu bytes: %p", i, seen[i].size, (void *)seen[i].at);
        for (size_t j = 0; j < seen[i].size; j++) {
            if (seen[i].at[j] != 0)
                fail_msg("%zu of %zu bytes: byte %zu is not 0", i, seen[i].size, j);
        }
        memset(seen[i].at, (int)(i % 255 + 1), seen[i].size);
        all += seen[i].size;
        assert_non_null(sg_arena_text(&a, "odd", &err)); /* leaves the end unaligned */
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t j = 0; j < seen[i].size; j++) {
            if (seen[i].at[j] != i % 255 + 1)
                fail_msg("%zu of %zu bytes: byte %zu was overwritten", i, seen[i].size, j);
        }
    }
    assert_in_range(a.bytes, all, all + N * 5);
    sg_arena_done(&a);
    assert_int_equal(a.bytes, 0);
}

static void an_empty_allocation_has_a_pointer_of_its_own(void **state)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    void *first, *second;

    (void)state;
    first = sg_arena_new(&a, 0, 8, &err);
    second = sg_arena_new(&a, 8, 0, &err);
    assert_non_null(first);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    sg_arena_done(&a);
}

static void what_cannot_be_had_is_an_error_of_memory(void **state)
{
    static const struct {
        const char *label;
        size_t n, size;
    } cases[] = {
        { "overflow", SIZE_MAX / 2, 3 },
        { "overflow to 0", (size_t)1 << 63, 2 },
        { "all there is", 1, SIZE_MAX },
        { "with the block's head too much", 1, PTRDIFF_MAX },
        { "more than there is", PTRDIFF_MAX / 4, 2 },
    };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err;
    char *text;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sg_error_clear(&err);
        if (sg_arena_new(&a, cases[i].n, cases[i].size, &err) != NULL ||
            err.code != SG_ERROR_MEMORY)
            fail_msg("%s: %d %s", cases[i].label, (int)err.code, err.text);
        text = sg_arena_text(&a, cases[i].label, &err); /* the arena goes on */
        assert_string_equal(text, cases[i].label);
    }
    sg_arena_done(&a);
}

static void a_finished_arena_can_be_used_again(void **state)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    sg_arena_done(&a);
    for (int i = 0; i < 3; i++) {
        assert_non_null(SG_ARENA_NEW(&a, 1000, struct sg_error, &err));
        assert_string_equal(sg_arena_text(&a, "again", &err), "again");
        sg_arena_done(&a);
        sg_arena_done(&a);
    }
}

static void texts_are_copied_with_a_nul(void **state)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    char source[] = "silver";
    char *copy;

    (void)state;
    copy = sg_arena_text(&a, source, &err);
    source[0] = 'X';
    assert_string_equal(copy, "silver");
    copy = sg_arena_copy(&a, (struct sg_span){ .at = "silver", .len = 3 }, &err);
    assert_string_equal(copy, "sil");
    copy = sg_arena_copy(&a, (struct sg_span){ .at = NULL }, &err);
    assert_string_equal(copy, "");
    sg_arena_done(&a);
}

static void a_printed_text_of_any_length_is_whole(void **state)
{
    static const size_t lengths[] = { 0, 1, 254, 255, 256, 257, 5000, 2000000 };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    char *want, *got;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        want = calloc(1, lengths[i] + 1);
        assert_non_null(want);
        memset(want, 'w', lengths[i]);
        got = sg_arena_printf(&a, &err, "%s", want);
        if (got == NULL || strcmp(got, want) != 0)
            fail_msg("%zu bytes", lengths[i]);
        free(want);
    }
    assert_string_equal(sg_arena_printf(&a, &err, "%s@%04d", "gold", 7), "gold@0007");
    sg_arena_done(&a);
}

static void what_cannot_be_formatted_is_an_error(void **state)
{
    static const wchar_t surrogate[] = { 0xd800, 0 };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    assert_null(sg_arena_printf(&a, &err, "%ls", surrogate));
    assert_int_equal(err.code, SG_ERROR_SYSTEM);
    assert_int_equal(a.bytes, 0);
    sg_arena_done(&a);
}

static void a_growing_array_keeps_its_items(void **state)
{
    struct item {
        size_t i;
        char pad[5];
    } *items = NULL;
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    size_t cap = 0;

    (void)state;
    for (size_t n = 0; n < 10000; n++) {
        if (!sg_arena_grow(&a, (void **)&items, n, &cap, sizeof(*items), &err))
            fail_msg("%zu: %s", n, err.text);
        if (n >= cap || items[n].i != 0)
            fail_msg("%zu: no fresh room", n);
        items[n].i = n + 1;
    }
    for (size_t n = 0; n < 10000; n++) {
        if (items[n].i != n + 1)
            fail_msg("%zu is lost", n);
    }
    sg_arena_done(&a);
}

static void an_array_that_cannot_grow_stays_as_it_was(void **state)
{
    static const struct {
        const char *label;
        size_t cap, size;
    } cases[] = {
        { "the bytes overflow", 16, SIZE_MAX / 8 },
        { "the doubled room overflows", SIZE_MAX / 2 + 1, 1 },
        { "no memory", 16, PTRDIFF_MAX / 64 },
    };
    char there[1] = "";
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *items = there;
        size_t cap = cases[i].cap;

        sg_error_clear(&err);
        if (sg_arena_grow(&a, (void **)&items, cap, &cap, cases[i].size, &err) ||
            err.code != SG_ERROR_MEMORY || items != there || cap != cases[i].cap)
            fail_msg("%s: %d %s", cases[i].label, (int)err.code, err.text);
    }
    sg_arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_of_all_sizes_do_not_touch_each_other),
        cmocka_unit_test(an_empty_allocation_has_a_pointer_of_its_own),
        cmocka_unit_test(what_cannot_be_had_is_an_error_of_memory),
        cmocka_unit_test(a_finished_arena_can_be_used_again),
        cmocka_unit_test(texts_are_copied_with_a_nul),
        cmocka_unit_test(a_printed_text_of_any_length_is_whole),
        cmocka_unit_test(what_cannot_be_formatted_is_an_error),
        cmocka_unit_test(a_growing_array_keeps_its_items),
        cmocka_unit_test(an_array_that_cannot_grow_stays_as_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
