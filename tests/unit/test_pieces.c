#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/pieces.h"

#define MOST 1000

struct log {
    atomic_uint done[MOST];
    size_t n, grain;
    atomic_size_t n_pieces, wrong, at_once, most_at_once, meet;
    size_t fails_at;
};

static bool note(void *ctx, size_t first, size_t end, struct sg_error *err)
{
    struct log *l = ctx;
    size_t now = atomic_fetch_add(&l->at_once, 1) + 1, most = atomic_load(&l->most_at_once);

    while (most < now && !atomic_compare_exchange_weak(&l->most_at_once, &most, now))
        ;
    while (atomic_load(&l->most_at_once) < l->meet)
        ; /* for the others, who come: there is a piece for each */
    atomic_fetch_add(&l->n_pieces, 1);
    l->wrong += first % l->grain != 0 || end <= first || end > l->n || end - first > l->grain;
    for (size_t i = first; i < end; i++)
        atomic_fetch_add(&l->done[i], 1);
    atomic_fetch_sub(&l->at_once, 1);
    return first != l->fails_at || sg_error_set(err, SG_ERROR_STORE, 0, "piece %zu", first);
}

static void each_piece_is_done_once(void **state)
{
    static const size_t cases[][3] = { /* n, grain, threads */
                                       { 0, 1, 4 },     { 1, 1, 4 },          { 1000, 1, 0 },
                                       { 1000, 7, 4 },  { 1000, 1000, 4 },    { 999, 1001, 64 },
                                       { 1000, 10, 1 }, { 1000, 3, SIZE_MAX }
    };

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct log l = { .n = cases[c][0], .grain = cases[c][1], .fails_at = SIZE_MAX };
        struct sg_error err = SG_ERROR_INIT;

        assert_true(sg_in_pieces(l.n, l.grain, cases[c][2], note, &l, &err));
        assert_int_equal(l.wrong, 0);
        assert_int_equal(l.n_pieces, (l.n + l.grain - 1) / l.grain);
        assert_true(l.most_at_once <= (cases[c][2] == 0 ? 1 : cases[c][2]));
        for (size_t i = 0; i < MOST; i++)
            assert_int_equal(l.done[i], i < l.n);
    }
}

static void as_many_threads_work_as_are_asked_for(void **state)
{
    struct log l = { .n = MOST, .grain = 1, .meet = 5, .fails_at = SIZE_MAX };
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    assert_true(sg_in_pieces(l.n, l.grain, 5, note, &l, &err));
    assert_int_equal(l.most_at_once, 5);
}

static void a_failure_lets_no_more_begin_and_is_told(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct log alone = { .n = MOST, .grain = 10, .fails_at = 50 };
    struct log many = { .n = MOST, .grain = 10, .fails_at = 50 };

    (void)state;
    assert_false(sg_in_pieces(alone.n, alone.grain, 1, note, &alone, &err));
    assert_int_equal(alone.n_pieces, 6);
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_string_equal(err.text, "piece 50");
    sg_error_clear(&err);
    assert_false(sg_in_pieces(many.n, many.grain, 4, note, &many, &err));
    assert_string_equal(err.text, "piece 50");
}

static void there_is_a_processor(void **state)
{
    (void)state;
    assert_in_range(sg_processors(64), 1, 64);
    assert_int_equal(sg_processors(1), 1);
    assert_int_equal(sg_processors(0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_is_done_once),
        cmocka_unit_test(as_many_threads_work_as_are_asked_for),
        cmocka_unit_test(a_failure_lets_no_more_begin_and_is_told),
        cmocka_unit_test(there_is_a_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
