#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/marker.h"

static const uint64_t versions[] = { 1, 2, 3, 0 };
static const struct sg_hash128 recipe = { 7, 8 };

static struct sg_input input(const char *need, uint32_t count)
{
    return (struct sg_input){
        .need = need, .from = "2024-01-01", .count = count, .versions = versions
    };
}

static void it_depends_on_recipe_needs_and_versions_in_order(void **state)
{
    const struct sg_input sets[][2] = {
        { input("a", 1), input("b", 1) }, { input("b", 1), input("a", 1) },
        { input("a", 2), input("b", 1) }, { input("a", 2), input("b", 0) },
        { input("ab", 1), input("", 1) }, { input("a?", 1), input("b", 1) },
        { input("a", 4), input("b", 1) }, { input("a", 3), input("b", 1) },
    };
    const size_t n = sizeof(sets) / sizeof(sets[0]);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            assert_false(
                sg_hash128_is(sg_stamp_of(recipe, sets[i], 2), sg_stamp_of(recipe, sets[k], 2)));
        assert_false(sg_hash128_is(sg_stamp_of(recipe, sets[i], 2),
                                   sg_stamp_of((struct sg_hash128){ 7, 9 }, sets[i], 2)));
    }
}

static void it_does_not_depend_on_labels_and_needs_of_order_only(void **state)
{
    struct sg_input a[] = { input("a", 2), input("b", 1) };
    struct sg_input b[] = { input("|x", 3), input("a", 2), input("|y", 1), input("b", 1) };

    (void)state;
    b[1].from = "another";
    assert_true(sg_hash128_is(sg_stamp_of(recipe, a, 2), sg_stamp_of(recipe, b, 4)));
}

static void the_message_is_the_documented_one(void **state)
{
    /* recipe hi, lo; then len "ab", count, versions: 64-bit little-endian. */
    static const unsigned char message[] = {
        7,   0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 'a',
        'b', 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
    };
    struct sg_input in = input("ab", 2);

    (void)state;
    assert_true(
        sg_hash128_is(sg_stamp_of(recipe, &in, 1), sg_hash128_of(message, sizeof(message))));
}

static void long_messages_hash_as_short_ones_do(void **state)
{
    enum { MOST = 600 };
    uint64_t *v = calloc(MOST, sizeof(*v));
    unsigned char *message = malloc(16 + 16 + 3 + MOST * 8);

    (void)state;
    assert_true(v != NULL && message != NULL);
    for (uint64_t i = 0; i < MOST; i++)
        v[i] = i * 0x0101010101010101u;
    for (uint32_t n = 0; n <= MOST; n++) {
        struct sg_input in = { .need = "abc", .from = "", .count = n, .versions = v };
        uint64_t head[] = { 7, 8, 3 }, count = n;
        size_t at = 0;

        memcpy(message, head, 24);
        memcpy(message + 24, "abc", 3);
        memcpy(message + 27, &count, 8);
        at = 35;
        memcpy(message + at, v, n * sizeof(*v));
        at += n * sizeof(*v);
        if (!sg_hash128_is(sg_stamp_of(recipe, &in, 1), sg_hash128_of(message, at)))
            fail_msg("with %u versions", n);
    }
    free(v);
    free(message);
}

static void a_long_need_is_one_too(void **state)
{
    char need[5000];
    unsigned char message[6000];
    uint64_t head[] = { 7, 8, sizeof(need) - 1 }, count = 1, version = 1;
    struct sg_input in = input(need, 1);
    size_t at = 24;

    (void)state;
    memset(need, 'n', sizeof(need) - 1);
    need[sizeof(need) - 1] = '\0';
    memcpy(message, head, 24);
    memcpy(message + at, need, sizeof(need) - 1);
    at += sizeof(need) - 1;
    memcpy(message + at, &count, 8);
    memcpy(message + at + 8, &version, 8);
    assert_true(sg_hash128_is(sg_stamp_of(recipe, &in, 1), sg_hash128_of(message, at + 16)));
}

static void a_short_version_is_never_that_of_an_absent_one(void **state)
{
    (void)state;
    assert_true(sg_version_short((struct sg_hash128){ 5, 6 }) == 5);
    assert_true(sg_version_short((struct sg_hash128){ 0, 6 }) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_depends_on_recipe_needs_and_versions_in_order),
        cmocka_unit_test(it_does_not_depend_on_labels_and_needs_of_order_only),
        cmocka_unit_test(the_message_is_the_documented_one),
        cmocka_unit_test(long_messages_hash_as_short_ones_do),
        cmocka_unit_test(a_long_need_is_one_too),
        cmocka_unit_test(a_short_version_is_never_that_of_an_absent_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
