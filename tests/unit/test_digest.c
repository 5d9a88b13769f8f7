#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/digest.h"
#include "stagegraph/hash.h"
#include "stagegraph/marker.h"

static const uint64_t versions[] = { 1, 2, 3, 0 };

static struct sg_input input(const char *need, uint32_t count)
{
    return (struct sg_input){
        .need = need, .from = "2024-01-01", .count = count, .versions = versions
    };
}

static void it_depends_on_needs_and_versions_in_order(void **state)
{
    const struct sg_input sets[][2] = {
        { input("a", 1), input("b", 1) }, { input("b", 1), input("a", 1) },
        { input("a", 2), input("b", 1) }, { input("a", 2), input("b", 0) },
        { input("ab", 1), input("", 1) }, { input("a?", 1), input("b", 1) },
        { input("a", 4), input("b", 1) }, { input("a", 3), input("b", 1) },
    };
    const size_t n = sizeof(sets) / sizeof(sets[0]);

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(sg_inputs_digest(sets[i], 2) != sg_inputs_digest(sets[k], 2));
}

static void it_does_not_depend_on_labels_and_needs_of_order_only(void **state)
{
    struct sg_input a[] = { input("a", 2), input("b", 1) };
    struct sg_input b[] = { input("|x", 3), input("a", 2), input("|y", 1), input("b", 1) };

    (void)state;
    b[1].from = "another";
    assert_true(sg_inputs_digest(a, 2) == sg_inputs_digest(b, 4));
}

/* As formats.md has it; by arithmetic that is as slow as can be. */
static void the_sum_is_the_documented_polynomial(void **state)
{
    const uint64_t p = (UINT64_C(1) << 61) - 1, b = UINT64_C(0x171e273a7984a8ab);
    const uint64_t v[] = { UINT64_MAX, 0, p, p + 5, 1, UINT64_C(0x0123456789abcdef) };
    const uint32_t n = sizeof(v) / sizeof(v[0]);
    uint64_t sum = 0;

    (void)state;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t product = 0;

        for (int bit = 63; bit >= 0; bit--) { /* sum * b, doubling */
            product = product * 2 % p;
            if (b >> bit & 1)
                product = (product + sum) % p;
        }
        sum = (product + v[i] % p) % p;
        assert_true(sg_sum_of(v, i + 1) == sum);
    }
    assert_true(sg_sum_of(v, 0) == 0);
}

static void the_digest_is_the_hash_of_three_numbers_a_need(void **state)
{
    struct sg_input in[40];
    struct sg_digest_part parts[40];
    char names[40][8];

    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%u", i);
        in[i] = input(names[i], i % 5);
        parts[i] = (struct sg_digest_part){ sg_hash64_of(names[i], strlen(names[i])), i % 5,
                                            sg_sum_of(versions, i % 5) };
        assert_true(sg_inputs_digest(in, i + 1) == sg_hash64_of(parts, (i + 1) * sizeof(parts[0])));
        assert_true(sg_digest_of(parts, i + 1) == sg_inputs_digest(in, i + 1));
    }
}

static void a_window_that_moves_has_the_sum_of_what_is_in_it(void **state)
{
    enum { N = 400 };
    uint64_t v[N], random = 1;
    struct sg_sum w = SG_SUM_INIT;
    uint32_t first = 0, end = 0;

    (void)state;
    for (int i = 0; i < N; i++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        v[i] = i % 7 == 0 ? 0 : random;
    }
    /* grows, moves, shrinks to nothing, and grows again */
    for (int step = 0; step < 3000; step++) {
        random = random * UINT64_C(6364136223846793005) + 1;
        if (end < N && (first == end || (random >> 60) < (step % 600 < 300 ? 12 : 4)))
            sg_sum_add(&w, v[end++]);
        else if (first < end)
            sg_sum_drop(&w, v[first++]);
        assert_int_equal(w.n, end - first);
        assert_true(w.value == sg_sum_of(v + first, end - first));
        if (first == N)
            first = end = 0;
    }
}

static void one_changed_version_always_changes_it(void **state)
{
    uint64_t v[100];

    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        v[i] = i * i * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (uint32_t i = 0; i < 100; i++) {
        uint64_t was = v[i], sum = sg_sum_of(v, 100);

        for (int bit = 0; bit < 64; bit++) {
            v[i] = was ^ UINT64_C(1) << bit;
            assert_true(sg_sum_of(v, 100) != sum);
        }
        v[i] = 0;
        assert_true(sg_sum_of(v, 100) != sum);
        v[i] = was;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_depends_on_needs_and_versions_in_order),
        cmocka_unit_test(it_does_not_depend_on_labels_and_needs_of_order_only),
        cmocka_unit_test(the_sum_is_the_documented_polynomial),
        cmocka_unit_test(the_digest_is_the_hash_of_three_numbers_a_need),
        cmocka_unit_test(a_window_that_moves_has_the_sum_of_what_is_in_it),
        cmocka_unit_test(one_changed_version_always_changes_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
