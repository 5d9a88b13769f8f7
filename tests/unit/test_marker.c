#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/arena.h"
#include "stagegraph/digest.h"
#include "stagegraph/marker.h"

#include "fake_store.h"
#include "scratch_store.h"

#define NODE "silver@2024-01-01T05"
#define OUT  "silver/hr=05"

static struct scratch dir;
static struct sg_store *store;
static struct sg_error err;

static int set_up(void **state)
{
    (void)state;
    store = scratch_store_open(&dir, &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_store_close(&dir, store);
    return 0;
}

static uint64_t versions[600];
static struct sg_input few = {
    .need = "bronze", .from = "2024-01-01T05", .count = 2, .versions = versions
};
static struct sg_input many = {
    .need = "bronze", .from = "2024-01-01T05", .count = 600, .versions = versions
};

static struct sg_receipt receipt(uint64_t stamp, struct sg_input *in)
{
    for (size_t i = 0; i < 600; i++)
        versions[i] = i + 1;
    return (struct sg_receipt){ .node = NODE,
                                .state = SG_MARKER_DONE,
                                .stamp = { stamp, 1 },
                                .version = { stamp, 2 },
                                .recipe = { stamp, 3 },
                                .inputs = in,
                                .n_inputs = 1,
                                .run = "r",
                                .attempt = 1,
                                .host = "h" };
}

static bool is_same(const struct sg_marker *a, const struct sg_marker *b)
{
    return a->kind == b->kind && a->ident.id == b->ident.id && a->ident.len == b->ident.len &&
           a->ident.mtime_ns == b->ident.mtime_ns && a->ident.ctime_ns == b->ident.ctime_ns &&
           sg_hash128_is(a->stamp, b->stamp) && sg_hash128_is(a->version, b->version) &&
           sg_hash128_is(a->recipe, b->recipe) && a->inputs == b->inputs;
}

static void what_was_written_is_what_is_read(void **state)
{
    struct sg_input *inputs[] = { &few, &many };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sg_receipt r = receipt(5, inputs[i]), got;
        struct sg_arena a = SG_ARENA_INIT;
        struct sg_marker written, read;

        OK(sg_marker_write(store, OUT, "_SUCCESS", &r, &written, &err));
        OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, NULL, &read, NULL, &err));
        assert_true(is_same(&written, &read));
        assert_int_equal(read.kind, SG_MARKER_DONE);
        assert_true(read.inputs == sg_inputs_digest(inputs[i], 1));
        OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, &a, &read, &got, &err));
        assert_int_equal(got.n_inputs, 1);
        assert_memory_equal(got.inputs[0].versions, versions,
                            inputs[i]->count * sizeof(versions[0]));
        sg_arena_done(&a);
    }
}

static void a_running_receipt_has_no_stamp(void **state)
{
    struct sg_receipt r = receipt(5, &few);
    struct sg_marker written, read;

    (void)state;
    r.state = SG_MARKER_RUNNING;
    OK(sg_marker_write(store, OUT, "_SUCCESS", &r, &written, &err));
    OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, NULL, &read, NULL, &err));
    assert_true(is_same(&written, &read));
    assert_int_equal(read.kind, SG_MARKER_RUNNING);
    assert_true(sg_hash128_is(read.stamp, (struct sg_hash128){ 0, 0 }));
}

static void a_lost_inputs_file_changes_nothing_else(void **state)
{
    struct sg_receipt r = receipt(5, &many), got;
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_marker written, read;

    (void)state;
    for (int damaged = 0; damaged < 2; damaged++) {
        OK(sg_marker_write(store, OUT, "_SUCCESS", &r, &written, &err));
        assert_int_equal(scratch_count(&dir, "_stagegraph/inputs", ""), 1);
        OK(sg_store_remove_tree(store, "_stagegraph/inputs", &err));
        if (damaged) {
            struct sg_buf text = SG_BUF_INIT;
            char path[128], hex[SG_HASH128_TEXT];

            OK(sg_receipt_inputs_text(&r, &text, &err));
            sg_hash128_format(sg_hash128_of(text.at, text.len), hex);
            snprintf(path, sizeof(path), "_stagegraph/inputs/%s", hex);
            scratch_write_bytes(&dir, path, text.at, text.len / 2);
            sg_buf_done(&text);
        }
        OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, &a, &read, &got, &err));
        assert_null(got.inputs);
        assert_int_equal(got.n_inputs, 0);
        read.inputs = written.inputs;
        assert_true(is_same(&written, &read));
    }
    sg_arena_done(&a);
}

static void kinds_of_markers(void **state)
{
    struct sg_receipt r = receipt(5, &few);
    struct sg_marker m, other;
    char *big = calloc(1, SG_MARKER_LIMIT + 2);

    (void)state;
    OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, NULL, &m, NULL, &err));
    assert_int_equal(m.kind, SG_MARKER_ABSENT);
    assert_true(m.ident.id == 0 && m.ident.mtime_ns == 0);

    scratch_write(&dir, OUT "/_SUCCESS", "");
    OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, NULL, &m, NULL, &err));
    assert_int_equal(m.kind, SG_MARKER_FOREIGN);
    assert_false(sg_hash128_is(m.version, (struct sg_hash128){ 0, 0 }));
    OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, NULL, &other, NULL, &err));
    assert_true(is_same(&m, &other));
    scratch_age(&dir, OUT "/_SUCCESS", 100); /* its version is its mtime and length */
    OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, NULL, &other, NULL, &err));
    assert_false(sg_hash128_is(m.version, other.version));

    OK(sg_marker_write(store, OUT, "_SUCCESS", &r, &m, &err));
    OK(sg_marker_read(store, OUT, "_SUCCESS", "silver@2024-01-01T06", NULL, &m, NULL, &err));
    assert_int_equal(m.kind, SG_MARKER_DAMAGED);
    assert_true(sg_hash128_is(m.stamp, (struct sg_hash128){ 0, 0 }));

    memset(big, 'x', SG_MARKER_LIMIT + 1);
    scratch_write(&dir, OUT "/_SUCCESS", big);
    OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, NULL, &m, NULL, &err));
    assert_int_equal(m.kind, SG_MARKER_DAMAGED);
    assert_int_equal(m.ident.len, SG_MARKER_LIMIT + 1);
    free(big);

    assert_int_equal(unlink(scratch_path(&dir, OUT "/_SUCCESS")), 0);
    scratch_make_dir(&dir, OUT "/_SUCCESS");
    OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, NULL, &m, NULL, &err));
    assert_int_equal(m.kind, SG_MARKER_DAMAGED);
}

static void a_marker_at_the_top_of_the_store_is_one_too(void **state)
{
    struct sg_receipt r = receipt(5, &few);
    struct sg_marker m, got;

    (void)state;
    r.node = "dim";
    OK(sg_marker_write(store, "", "_SUCCESS", &r, &m, &err));
    OK(sg_marker_read(store, "", "_SUCCESS", "dim", NULL, &got, NULL, &err));
    assert_true(is_same(&m, &got));
}

/* What is done to a node that has the receipt with stamp `before`, or none (0). */
struct step {
    const char *name;
    uint64_t before, after;
    struct sg_input *inputs;
};

static const struct step steps[] = {
    { "first receipt", 0, 9, &few },
    { "over a receipt", 5, 9, &few },
    { "with an inputs file", 0, 9, &many },
    { "over a foreign marker", 1, 9, &few },
    { "removal", 5, 0, NULL },
};

static bool run_step(const struct step *s, struct sg_store *on)
{
    struct sg_receipt r;
    struct sg_marker m;

    if (s->after == 0)
        return sg_store_remove_marker(on, OUT, "_SUCCESS", &err);
    r = receipt(s->after, s->inputs);
    return sg_marker_write(on, OUT, "_SUCCESS", &r, &m, &err);
}

static void prepare(const struct step *s)
{
    struct sg_receipt r = receipt(s->before, &few);
    struct sg_marker m;

    scratch_empty(&dir);
    scratch_write(&dir, OUT "/part-0", "data");
    if (s->before == 1) {
        scratch_write(&dir, OUT "/_SUCCESS", "");
        scratch_write(&dir, OUT "/._SUCCESS.crc", "crc");
    } else if (s->before != 0) {
        OK(sg_marker_write(store, OUT, "_SUCCESS", &r, &m, &err));
    }
}

/* Stale, or fresh and whole: no marker, or exactly the old one or the new one. */
static void check_node(const struct step *s, const struct sg_fault *fault, bool ok)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_receipt got;
    struct sg_marker m;
    uint64_t stamp;

    OK(sg_marker_read(store, OUT, "_SUCCESS", NODE, &a, &m, &got, &err));
    stamp = m.kind == SG_MARKER_DONE ? m.stamp.hi : m.kind == SG_MARKER_FOREIGN ? 1 : 0;
    if (m.kind == SG_MARKER_DAMAGED || (stamp != s->after && (ok || stamp != s->before)))
        fail_msg("%s, fault at %u (cut %zu): said %d, kind %d, stamp %d", s->name, fault->at,
                 fault->cut_at, ok, (int)m.kind, (int)stamp);
    if (m.kind == SG_MARKER_DONE && got.inputs == NULL)
        fail_msg("%s, fault at %u: a receipt without its inputs", s->name, fault->at);
    if (!fault->dies && !fault->for_good && scratch_count(&dir, "", ".tmp") != 0)
        fail_msg("%s, fault at %u: a temporary file stays", s->name, fault->at);
    OK(sg_store_remove_marker(store, OUT, "_SUCCESS", &err));
    if (scratch_count(&dir, OUT, "") != 1)
        fail_msg("%s, fault at %u: removal leaves something", s->name, fault->at);
    sg_arena_done(&a);
}

static bool try_step(const struct step *s, struct sg_fault fault)
{
    struct sg_fake_store *f;
    bool ok, hit;

    prepare(s);
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    sg_fake_store_arm(f, fault);
    sg_error_clear(&err);
    ok = run_step(s, sg_fake_store_get(f));
    hit = sg_fake_store_hit(f);
    if (!ok && !hit)
        fail_msg("%s: %s", s->name, err.text);
    sg_fake_store_close(f);
    check_node(s, &fault, ok);
    return hit;
}

static void whatever_call_fails_the_node_is_stale_or_fresh_and_whole(void **state)
{
    static const struct sg_fault kinds[] = {
        { .sys = ENOSPC },
        { .sys = EIO },
        { .sys = EIO, .for_good = true },
        { .dies = true },
        { .call = "close", .sys = EIO },
    };

    (void)state;
    for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            struct sg_fault fault = kinds[i];

            do
                fault.at++;
            while (try_step(&steps[s], fault));
        }
    }
}

static void a_receipt_cut_at_any_byte_leaves_a_node_stale_or_fresh_and_whole(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        for (int dies = 0; dies < 2; dies++) {
            struct sg_fault fault = { .cuts = true, .dies = dies != 0 };

            while (try_step(&steps[s], fault))
                fault.cut_at++;
            assert_true(fault.cut_at > 200);
        }
    }
    for (int dies = 0; dies < 2; dies++) { /* of the inputs file, and then of the receipt */
        struct sg_fault fault = { .cuts = true, .dies = dies != 0 };

        while (try_step(&steps[2], fault))
            fault.cut_at += 97;
        assert_true(fault.cut_at > 600 * 16 + 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_what_is_read),
        cmocka_unit_test(a_running_receipt_has_no_stamp),
        cmocka_unit_test(a_lost_inputs_file_changes_nothing_else),
        cmocka_unit_test(kinds_of_markers),
        cmocka_unit_test(a_marker_at_the_top_of_the_store_is_one_too),
        cmocka_unit_test(whatever_call_fails_the_node_is_stale_or_fresh_and_whole),
        cmocka_unit_test(a_receipt_cut_at_any_byte_leaves_a_node_stale_or_fresh_and_whole),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
