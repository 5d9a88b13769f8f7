#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/arena.h"
#include "stagegraph/marker.h"

#define NODE "silver@2024-01-01T05"

static struct sg_error err;

#define OK(x)                                                                                      \
    do {                                                                                           \
        if (!(x))                                                                                  \
            fail_msg("%s: %s", #x, err.text);                                                      \
    } while (0)

static const uint64_t two[] = { 0x0123456789abcdef, 0 };
static const uint64_t one[] = { 0xfedcba9876543210 };
static struct sg_input inputs[] = {
    { .need = "bronze", .from = "2024-01-01T05", .count = 2, .versions = two },
    { .need = "|dim", .from = "", .count = 1, .versions = one },
    { .need = "gold@-1?", .from = "", .count = 0, .versions = NULL },
};

static struct sg_receipt example(void)
{
    return (struct sg_receipt){
        .node = NODE,
        .state = SG_MARKER_DONE,
        .stamp = { 1, 2 },
        .version = { 3, 4 },
        .recipe = { 5, 6 },
        .inputs = inputs,
        .n_inputs = 3,
        .run = "20240101T060012-3f2a9c",
        .attempt = 1,
        .started_s = 1704088812,
        .seconds = 180.5,
        .host = "etl1",
    };
}

static const char *why;

/* The kind of a text in memory of exactly its length. */
static enum sg_marker_kind kind_of(const char *text, size_t n, const char *node)
{
    enum sg_marker_kind kind = SG_MARKER_ABSENT;
    char *copy = malloc(n != 0 ? n : 1);

    assert_non_null(copy);
    memcpy(copy, text, n);
    OK(sg_receipt_parse(NULL, (struct sg_span){ .at = copy, .len = n }, node, &kind, NULL, NULL,
                        &why, &err));
    assert_int_equal(kind == SG_MARKER_DAMAGED, why != NULL);
    free(copy);
    return kind;
}

static void its_text_is_that_of_the_contract(void **state)
{
    struct sg_receipt r = example();
    struct sg_buf b = SG_BUF_INIT;
    char expected[1024], sum[SG_HASH64_TEXT];
    int n;

    (void)state;
    OK(sg_receipt_format(&r, &b, &err));
    n = snprintf(expected, sizeof(expected),
                 "{\"stagegraph\":1,\"node\":\"silver@2024-01-01T05\",\"state\":\"done\","
                 "\"stamp\":\"00000000000000010000000000000002\","
                 "\"version\":\"00000000000000030000000000000004\","
                 "\"recipe\":\"00000000000000050000000000000006\","
                 "\"inputs\":[{\"need\":\"bronze\",\"from\":\"2024-01-01T05\",\"count\":2,"
                 "\"versions\":\"0123456789abcdef-\"},"
                 "{\"need\":\"|dim\",\"from\":\"\",\"count\":1,\"versions\":\"fedcba9876543210\"},"
                 "{\"need\":\"gold@-1?\",\"from\":\"\",\"count\":0,\"versions\":\"\"}],"
                 "\"run\":\"20240101T060012-3f2a9c\",\"attempt\":1,"
                 "\"started\":\"2024-01-01T06:00:12Z\",\"seconds\":180.5,\"host\":\"etl1\"");
    sg_hash64_format(sg_hash64_of(expected, (size_t)n), sum);
    snprintf(expected + n, sizeof(expected) - (size_t)n, ",\"xxh3\":\"%s\"}\n", sum);
    assert_string_equal(sg_buf_text(&b), expected);
    sg_buf_done(&b);
}

static void what_is_written_is_read_back(void **state)
{
    static const enum sg_marker_kind kinds[] = { SG_MARKER_DONE, SG_MARKER_ACCEPTED,
                                                 SG_MARKER_RUNNING };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sg_receipt r = example(), got;
        struct sg_arena a = SG_ARENA_INIT;
        struct sg_buf b = SG_BUF_INIT;
        struct sg_hash128 file;
        enum sg_marker_kind kind;

        r.state = kinds[i];
        r.host = "quoted \"\\\n\xc3\xa4";
        OK(sg_receipt_format(&r, &b, &err));
        OK(sg_receipt_parse(&a, sg_buf_span(&b), NODE, &kind, &got, &file, &why, &err));
        assert_int_equal(kind, kinds[i]);
        assert_int_equal(got.state, kinds[i]);
        assert_string_equal(got.node, r.node);
        assert_string_equal(got.run, r.run);
        assert_string_equal(got.host, r.host);
        assert_true(sg_hash128_is(got.stamp, r.stamp) && sg_hash128_is(got.version, r.version) &&
                    sg_hash128_is(got.recipe, r.recipe) &&
                    sg_hash128_is(file, (struct sg_hash128){ 0, 0 }));
        assert_true(got.attempt == 1 && got.started_s == r.started_s);
        assert_true(got.seconds > 180.49 && got.seconds < 180.51);
        assert_int_equal(got.n_inputs, 3);
        for (uint32_t k = 0; k < 3; k++) {
            assert_string_equal(got.inputs[k].need, inputs[k].need);
            assert_string_equal(got.inputs[k].from, inputs[k].from);
            assert_int_equal(got.inputs[k].count, inputs[k].count);
            for (uint32_t v = 0; v < inputs[k].count; v++)
                assert_true(got.inputs[k].versions[v] == inputs[k].versions[v]);
        }
        sg_buf_done(&b);
        sg_arena_done(&a);
    }
}

static void each_changed_byte_is_seen(void **state)
{
    static const unsigned char flips[] = { 0x01, 0x20, 0x80, 0xff };
    struct sg_receipt r = example();
    struct sg_buf b = SG_BUF_INIT;

    (void)state;
    OK(sg_receipt_format(&r, &b, &err));
    for (size_t i = 0; i < b.len; i++) {
        for (size_t k = 0; k < 8 + sizeof(flips); k++) {
            char was = b.at[i];

            b.at[i] = (char)(was ^ (k < 8 ? 1 << k : flips[k - 8]));
            if (kind_of(b.at, b.len, NODE) != SG_MARKER_DAMAGED)
                fail_msg("byte %zu is now %d and nobody sees it", i, b.at[i]);
            b.at[i] = '\0';
            assert_int_equal(kind_of(b.at, b.len, NODE), SG_MARKER_DAMAGED);
            b.at[i] = was;
        }
    }
    assert_int_equal(kind_of(b.at, b.len, NODE), SG_MARKER_DONE);
    sg_buf_done(&b);
}

static void each_beginning_is_damaged_but_the_empty_one_and_the_whole_line(void **state)
{
    struct sg_receipt r = example();
    struct sg_buf b = SG_BUF_INIT;

    (void)state;
    OK(sg_receipt_format(&r, &b, &err));
    assert_int_equal(kind_of(b.at, 0, NODE), SG_MARKER_FOREIGN);
    for (size_t n = 1; n < b.len - 1; n++) {
        if (kind_of(b.at, n, NODE) != SG_MARKER_DAMAGED)
            fail_msg("the first %zu bytes pass", n);
    }
    /* Only the newline is lost: nothing of what it says. */
    assert_int_equal(kind_of(b.at, b.len - 1, NODE), SG_MARKER_DONE);
    for (size_t n = 1; n < b.len; n++) { /* and each end */
        if (kind_of(b.at + n, b.len - n, NODE) == SG_MARKER_DONE)
            fail_msg("without its first %zu bytes it passes", n);
    }
    sg_buf_done(&b);
}

static void a_byte_more_is_damage(void **state)
{
    static const char *const tails[] = { "\n", " ", "x", "{}" };
    struct sg_receipt r = example();

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct sg_buf b = SG_BUF_INIT;

        OK(sg_receipt_format(&r, &b, &err) && sg_buf_adds(&b, tails[i], &err));
        assert_int_equal(kind_of(b.at, b.len, NODE), SG_MARKER_DAMAGED);
        sg_buf_done(&b);
    }
}

static void markers_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        enum sg_marker_kind kind;
    } cases[] = {
        { "", SG_MARKER_FOREIGN },
        { "\n", SG_MARKER_FOREIGN },
        { " ", SG_MARKER_FOREIGN },
        { "done by somebody", SG_MARKER_FOREIGN },
        { "{\"job\":\"x\"}", SG_MARKER_FOREIGN },
        { "{\n", SG_MARKER_FOREIGN },
        { "{\"stage\":1}", SG_MARKER_FOREIGN },
        { "{\"stagegraphs\":1}", SG_MARKER_FOREIGN },
        { "stagegraph", SG_MARKER_FOREIGN },
        { "{", SG_MARKER_DAMAGED },
        { "{\"", SG_MARKER_DAMAGED },
        { "{\"stagegra", SG_MARKER_DAMAGED },
        { "{\"stagegraph", SG_MARKER_DAMAGED },
        { "{\"stagegraph\"", SG_MARKER_DAMAGED },
        { "x \"stagegraph\" y", SG_MARKER_DAMAGED },
        { "\"xxh3\"", SG_MARKER_DAMAGED },
        { "{\"stagegraph\":1}\n", SG_MARKER_DAMAGED },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (kind_of(cases[i].text, strlen(cases[i].text), NODE) != cases[i].kind)
            fail_msg("%s", cases[i].text);
    }
    assert_int_equal(kind_of("a\0b", 3, NODE), SG_MARKER_DAMAGED);
    assert_int_equal(kind_of("\0", 1, NODE), SG_MARKER_DAMAGED);
}

/* The text with `from` replaced and a checksum that fits. */
static void forge(const char *from, const char *to, struct sg_buf *ret)
{
    struct sg_receipt r = example();
    struct sg_buf b = SG_BUF_INIT;
    char sum[SG_HASH64_TEXT];
    char *at;

    OK(sg_receipt_format(&r, &b, &err));
    *strstr(b.at, ",\"xxh3\"") = '\0';
    at = strstr(b.at, from);
    assert_non_null(at);
    *at = '\0';
    OK(sg_buf_addf(ret, &err, "%s%s%s", b.at, to, at + strlen(from)));
    sg_hash64_format(sg_hash64_of(ret->at, ret->len), sum);
    OK(sg_buf_addf(ret, &err, ",\"xxh3\":\"%s\"}\n", sum));
    sg_buf_done(&b);
}

static void a_checksum_that_fits_does_not_make_a_receipt(void **state)
{
    static const struct {
        const char *from, *to, *why;
    } cases[] = {
        { "\"stagegraph\":1", "\"stagegraph\":2", "a receipt of a format that is not known here" },
        { "\"stagegraph\":1,", "", "its checksum does not fit" /* no: see below */ },
        { "T05\",\"state", "T06\",\"state", "the receipt of another node" },
        { "\"done\"", "\"finished\"", "no receipt's JSON" },
        { "\"done\"", "1", "no receipt's JSON" },
        { "00000002\"", "0000002\"", "no receipt's JSON" },
        { "\"count\":2", "\"count\":3", "no receipt's JSON" },
        { "\"count\":2", "\"count\":-1", "no receipt's JSON" },
        { "\"count\":2", "\"count\":99999999999", "no receipt's JSON" },
        { "cdef-", "cdeF-", "no receipt's JSON" },
        { "\"need\":\"bronze\",", "", "no receipt's JSON" },
        { "\"inputs\":[", "\"inputs\":[1,", "no receipt's JSON" },
        { "{\"need\"", "[{\"need\"", "no receipt's JSON" },
        { "\"recipe\"", "\"recipes\"", "a receipt that lacks a key" },
        { "{\"stagegraph\"", "{\"stagegraph\"}", "no receipt's JSON" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_buf b = SG_BUF_INIT;

        forge(cases[i].from, cases[i].to, &b);
        if (i == 1) { /* without its first key it still has "xxh3" in it: no foreign marker */
            assert_int_equal(kind_of(b.at, b.len, NODE), SG_MARKER_DAMAGED);
        } else if (kind_of(b.at, b.len, NODE) != SG_MARKER_DAMAGED ||
                   strcmp(why, cases[i].why) != 0) {
            fail_msg("%s -> %s: %s", cases[i].from, cases[i].to, why != NULL ? why : "whole");
        }
        sg_buf_done(&b);
    }
}

static void further_keys_are_skipped(void **state)
{
    static const struct {
        const char *from, *to;
    } cases[] = {
        { "\"run\"", "\"more\":{\"a\":[1,{\"node\":\"x\"}]},\"run\"" },
        { "\"count\":2", "\"count\":2,\"more\":[[],{}]" },
        { "\"seconds\":180.5", "\"seconds\":null" },
        { "\"seconds\":180.5", "\"seconds\":1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_buf b = SG_BUF_INIT;

        forge(cases[i].from, cases[i].to, &b);
        if (kind_of(b.at, b.len, NODE) != SG_MARKER_DONE)
            fail_msg("%s: %s", cases[i].to, why);
        sg_buf_done(&b);
    }
}

static void many_versions_lie_in_a_file_of_their_own(void **state)
{
    enum { N = 513 };
    uint64_t *versions = calloc(N, sizeof(*versions));
    struct sg_input in = { .need = "bronze", .from = "2024-01-01T00", .versions = versions };
    struct sg_receipt r = example(), got;
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_buf b = SG_BUF_INIT, text = SG_BUF_INIT;
    struct sg_hash128 file;
    enum sg_marker_kind kind;

    (void)state;
    assert_non_null(versions);
    for (uint32_t i = 0; i < N; i++)
        versions[i] = i; /* the first is absent */
    r.inputs = &in;
    r.n_inputs = 1;
    in.count = N - 1;
    assert_false(sg_receipt_needs_inputs_file(&r));
    in.count = N;
    assert_true(sg_receipt_needs_inputs_file(&r));
    OK(sg_receipt_format(&r, &b, &err));
    assert_true(b.len < 600);
    OK(sg_receipt_inputs_text(&r, &text, &err));
    OK(sg_receipt_parse(&a, sg_buf_span(&b), NODE, &kind, &got, &file, &why, &err));
    assert_int_equal(kind, SG_MARKER_DONE);
    assert_null(got.inputs);
    assert_true(sg_hash128_is(file, sg_hash128_of(text.at, text.len)));
    sg_buf_done(&b);
    sg_buf_done(&text);
    sg_arena_done(&a);
    free(versions);
}

static void a_marker_that_is_too_long_is_damaged(void **state)
{
    char *text = malloc(SG_MARKER_LIMIT + 1);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', SG_MARKER_LIMIT + 1);
    assert_int_equal(kind_of(text, SG_MARKER_LIMIT + 1, NODE), SG_MARKER_DAMAGED);
    assert_int_equal(kind_of(text, SG_MARKER_LIMIT, NODE), SG_MARKER_FOREIGN);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_text_is_that_of_the_contract),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(each_changed_byte_is_seen),
        cmocka_unit_test(each_beginning_is_damaged_but_the_empty_one_and_the_whole_line),
        cmocka_unit_test(a_byte_more_is_damage),
        cmocka_unit_test(markers_are_told_apart),
        cmocka_unit_test(a_checksum_that_fits_does_not_make_a_receipt),
        cmocka_unit_test(further_keys_are_skipped),
        cmocka_unit_test(many_versions_lie_in_a_file_of_their_own),
        cmocka_unit_test(a_marker_that_is_too_long_is_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
