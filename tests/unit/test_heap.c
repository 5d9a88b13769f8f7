#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "heap.h"

#define N 97

static bool smaller(const void *ctx, uint32_t a, uint32_t b)
{
    const uint32_t *keys = ctx;

    return keys[a] != keys[b] ? keys[a] < keys[b] : a < b;
}

/* Each step puts, changes or removes an id; a plain search says which one must be first. */
static void the_first_is_always_the_smallest(void **state)
{
    uint32_t items[N], where[N] = { 0 }, keys[N] = { 0 }, seed = 1, n = 0;
    struct sg_heap h = { .items = items, .where = where, .before = smaller, .ctx = keys };
    bool in[N] = { false };

    (void)state;
    for (int turn = 0; turn < 20000; turn++) {
        uint32_t id, first = N;

        seed = seed * 1664525 + 1013904223;
        id = (seed >> 8) % N;
        if (seed >> 28 < (turn / 2000 % 2 == 0 ? 5U : 11U)) {
            n -= in[id];
            in[id] = false;
            sg_heap_remove(&h, id);
        } else {
            n += !in[id];
            in[id] = true;
            keys[id] = (seed >> 16) % 50;
            sg_heap_put(&h, id);
        }
        for (uint32_t i = 0; i < N; i++) {
            assert_int_equal(in[i], where[i] != 0);
            if (in[i] && (first == N || smaller(keys, i, first)))
                first = i;
        }
        assert_int_equal(h.n, n);
        if (n > 0)
            assert_int_equal(items[0], first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_always_the_smallest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
