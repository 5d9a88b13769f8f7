#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/json.h"
#include "stagegraph/text.h"

/*
 * The events of a text as one line: "{ } [ ]", a key as "k:", a string as "'s'", a number as it is,
 * "t f n" for true, false, null; at the end "." or, when the text is bad, "!". The text is copied
 * to memory of exactly its length, so that a sanitizer sees a byte read behind it.
 */
static void trace(struct sg_span text, struct sg_buf *ret)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_json_reader r;
    enum sg_json_event ev;
    char *copy = malloc(text.len != 0 ? text.len : 1);
    bool ok = true;

    assert_non_null(copy);
    if (text.len != 0)
        memcpy(copy, text.at, text.len);
    sg_json_reader_init(&r, (struct sg_span){ .at = copy, .len = text.len });
    do {
        ev = sg_json_next(&r);
        switch (ev) {
        case SG_JSON_BAD:
            assert_non_null(r.why);
            assert_int_equal(sg_json_next(&r), SG_JSON_BAD); /* and stays there */
            ok = ok && sg_buf_addc(ret, '!', &err);
            break;
        case SG_JSON_END:
            assert_int_equal(sg_json_next(&r), SG_JSON_END);
            assert_int_equal(r.pos, text.len);
            ok = ok && sg_buf_addc(ret, '.', &err);
            break;
        case SG_JSON_KEY:
        case SG_JSON_STRING:
        case SG_JSON_NUMBER:
            assert_int_equal(r.text.at[r.text.len], '\0');
            ok = ok && (ev != SG_JSON_STRING || sg_buf_addc(ret, '\'', &err)) &&
                 sg_buf_add(ret, r.text.at, r.text.len, &err) &&
                 (ev == SG_JSON_NUMBER || sg_buf_addc(ret, ev == SG_JSON_KEY ? ':' : '\'', &err));
            break;
        case SG_JSON_OBJECT:
        case SG_JSON_OBJECT_END:
        case SG_JSON_ARRAY:
        case SG_JSON_ARRAY_END:
        case SG_JSON_TRUE:
        case SG_JSON_FALSE:
        case SG_JSON_NULL:
            ok = ok && sg_buf_addc(ret, "??{}[]???tfn"[ev], &err);
            break;
        }
        ok = ok && sg_buf_addc(ret, ' ', &err);
    } while (ev != SG_JSON_END && ev != SG_JSON_BAD);
    assert_true(ok);
    ret->at[--ret->len] = '\0';
    sg_json_reader_done(&r);
    free(copy);
}

static void a_document_comes_as_its_events(void **state)
{
    static const struct {
        const char *text, *events;
    } cases[] = {
        { "{}", "{ } ." },
        { "[]", "[ ] ." },
        { " \t\r\n{ \t\r\n} \t\r\n", "{ } ." },
        { "{\"a\":1}", "{ a: 1 } ." },
        { "{ \"a\" : 1 , \"b\" : [ 2 , 3 ] }", "{ a: 1 b: [ 2 3 ] } ." },
        { "[[],{},[[1]],{\"a\":{}}]", "[ [ ] { } [ [ 1 ] ] { a: { } } ] ." },
        { "[true,false,null]", "[ t f n ] ." },
        { "[\"\",\"a b\"]", "[ '' 'a b' ] ." },
        { "{\"\":0}", "{ : 0 } ." },
        { "{\"a\":1,\"a\":2}", "{ a: 1 a: 2 } ." },
        { "\"alone\"", "'alone' ." },
        { "42", "42 ." },
        { "null", "n ." },
        { " true ", "t ." },
        /* strings */
        { "\"\\\"\\\\\\/\"", "'\"\\/' ." },
        { "\"\\b\\f\\n\\r\\t\"", "'\b\f\n\r\t' ." },
        { "\"\\u0041\\u00e9\\u20AC\"", "'Aé€' ." },
        { "\"\\ud834\\udd1e\"", "'𝄞' ." },
        { "\"\\uD800\\uDC00\\uDBFF\\uDFFF\"", "'\xf0\x90\x80\x80\xf4\x8f\xbf\xbf' ." },
        { "\"\\ud7ff\\ue000\\uffff\"", "'\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf' ." },
        { "\"é€𝄞\x7f\"", "'é€𝄞\x7f' ." },
        { "{\"\\u006b\":1}", "{ k: 1 } ." },
        { "\"\\", "!" },
        { "\"\\a\"", "!" },
        { "\"\\'\"", "!" },
        { "\"\\u\"", "!" },
        { "\"\\u12\"", "!" },
        { "\"\\u123g\"", "!" },
        { "\"\\U0041\"", "!" },
        { "\"\\ud834\"", "!" },
        { "\"\\ud834x\"", "!" },
        { "\"\\ud834\\n\"", "!" },
        { "\"\\ud834\\u0041\"", "!" },
        { "\"\\ud834\\ud834\"", "!" },
        { "\"\\ud834\\u12\"", "!" },
        { "\"\\udd1e\"", "!" },
        { "\"\\udd1e\\ud834\"", "!" },
        { "\"a\nb\"", "!" },
        { "\"a\tb\"", "!" },
        { "\"\x1f\"", "!" },
        { "\"\xff\"", "!" },
        { "\"\xc3\"", "!" },
        { "\"\xed\xa0\x80\"", "!" },
        { "\"\xc0\xaf\"", "!" },
        { "'a'", "!" },
        { "\"a", "!" },
        { "a", "!" },
        /* numbers */
        { "[0,-0,1,-1,10,1234567890123456789012]", "[ 0 -0 1 -1 10 1234567890123456789012 ] ." },
        { "[0.0,1.5,-0.25,1e3,1E3,1e+3,1e-3,0e0,1.25E-10]",
          "[ 0.0 1.5 -0.25 1e3 1E3 1e+3 1e-3 0e0 1.25E-10 ] ." },
        { "01", "0 !" },
        { "-01", "-0 !" },
        { "-", "!" },
        { "+1", "!" },
        { "1.", "!" },
        { ".5", "!" },
        { "1.e3", "!" },
        { "1e", "!" },
        { "1e+", "!" },
        { "-a", "!" },
        { "1a", "1 !" },
        { "0x10", "0 !" },
        { "1 2", "1 !" },
        { "NaN", "!" },
        { "Infinity", "!" },
        { "-Infinity", "!" },
        { "\xef\xbc\x91", "!" },
        /* words */
        { "tru", "!" },
        { "True", "!" },
        { "truee", "t !" },
        { "nul", "!" },
        /* structure */
        { "", "!" },
        { "  ", "!" },
        { "{", "{ !" },
        { "[", "[ !" },
        { "}", "!" },
        { "]", "!" },
        { ",", "!" },
        { ":", "!" },
        { "[1", "[ 1 !" },
        { "[1,", "[ 1 !" },
        { "[1,]", "[ 1 !" },
        { "[,1]", "[ !" },
        { "[1,,2]", "[ 1 !" },
        { "[1 2]", "[ 1 !" },
        { "[1}", "[ 1 !" },
        { "[1:2]", "[ 1 !" },
        { "[\"a\":1]", "[ 'a' !" },
        { "{\"a\"", "{ a: !" },
        { "{\"a\"}", "{ a: !" },
        { "{\"a\":", "{ a: !" },
        { "{\"a\":}", "{ a: !" },
        { "{\"a\":1", "{ a: 1 !" },
        { "{\"a\":1,", "{ a: 1 !" },
        { "{\"a\":1,}", "{ a: 1 !" },
        { "{,\"a\":1}", "{ !" },
        { "{\"a\" 1}", "{ a: !" },
        { "{\"a\"::1}", "{ a: !" },
        { "{\"a\",1}", "{ a: !" },
        { "{\"a\":1]", "{ a: 1 !" },
        { "{1:2}", "{ !" },
        { "{a:1}", "{ !" },
        { "{true:1}", "{ !" },
        { "{{}:1}", "{ !" },
        { "{}{}", "{ } !" },
        { "{},", "{ } !" },
        { "[]]", "[ ] !" },
        { "{}x", "{ } !" },
        { "\xef\xbb\xbf{}", "!" },
        { "[1]\f", "[ 1 ] !" },
        { "[\v1]", "[ !" },
        { "[1]//", "[ 1 ] !" },
        { "/**/[1]", "!" },
        { "[1\xc2\xa0]", "[ 1 !" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_buf events = SG_BUF_INIT;

        trace(sg_span_of(cases[i].text), &events);
        if (strcmp(sg_buf_text(&events), cases[i].events) != 0)
            fail_msg("%s: %s", cases[i].text, sg_buf_text(&events));
        sg_buf_done(&events);
    }
}

static const char receipt[] =
    "{\"stagegraph\":1,\"node\":\"silver@2024-01-01T05\",\"state\":\"d\\u006fne\",\"inputs\":[{"
    "\"need\":\"bronze\",\"count\":1,\"versions\":\"0123456789abcdef\"}],\"seconds\":180.5e0,"
    "\"empty\":[ ],\"flag\":true,\"none\":null,\"title\":\"é \\ud834\\udd1e\"}";

static void a_text_cut_anywhere_is_bad(void **state)
{
    (void)state;
    for (size_t n = 0; n <= sizeof(receipt) - 1; n++) {
        struct sg_buf events = SG_BUF_INIT;
        bool whole = n == sizeof(receipt) - 1;

        trace((struct sg_span){ .at = receipt, .len = n }, &events);
        if (events.at[events.len - 1] != (whole ? '.' : '!'))
            fail_msg("%zu bytes: %s", n, sg_buf_text(&events));
        sg_buf_done(&events);
    }
}

static void a_nul_byte_anywhere_is_bad(void **state)
{
    char text[sizeof(receipt) + 1];

    (void)state;
    for (size_t at = 0; at <= sizeof(receipt) - 1; at++) {
        for (int instead = 0; instead < 2; instead++) {
            struct sg_buf events = SG_BUF_INIT;
            size_t n = sizeof(receipt) - 1, rest = n - at;

            if (instead && rest == 0)
                continue;
            memcpy(text, receipt, n);
            if (!instead)
                memmove(text + at + 1, text + at, rest);
            text[at] = '\0';
            trace((struct sg_span){ .at = text, .len = n + !instead }, &events);
            if (events.at[events.len - 1] != '!')
                fail_msg("at %zu: %s", at, sg_buf_text(&events));
            sg_buf_done(&events);
        }
    }
}

/* Any byte at any place: whatever comes, it ends, within bounds (a sanitizer looks on). */
static void a_changed_byte_ends_well_or_bad(void **state)
{
    char text[sizeof(receipt)];

    (void)state;
    for (size_t at = 0; at < sizeof(receipt) - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            struct sg_buf events = SG_BUF_INIT;

            memcpy(text, receipt, sizeof(receipt));
            text[at] = (char)byte;
            trace((struct sg_span){ .at = text, .len = sizeof(receipt) - 1 }, &events);
            assert_true(events.len > 0);
            sg_buf_done(&events);
        }
    }
}

static void an_escaped_nul_is_within_the_text(void **state)
{
    struct sg_json_reader r;

    (void)state;
    sg_json_reader_init(&r, sg_span_of("\"a\\u0000b\""));
    assert_int_equal(sg_json_next(&r), SG_JSON_STRING);
    assert_int_equal(r.text.len, 3);
    assert_memory_equal(r.text.at, "a\0b", 4);
    assert_int_equal(sg_json_next(&r), SG_JSON_END);
    sg_json_reader_done(&r);
}

static void levels_are_bounded(void **state)
{
    static const struct {
        const char *label;
        unsigned depth;
        bool ok;
    } cases[] = { { "64", 64, true }, { "65", 65, false }, { "10000", 10000, false } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int objects = 0; objects < 2; objects++) {
            struct sg_buf text = SG_BUF_INIT, events = SG_BUF_INIT;
            struct sg_error err = SG_ERROR_INIT;

            for (unsigned d = 0; d < cases[i].depth; d++)
                assert_true(sg_buf_adds(&text, objects ? "{\"k\":" : "[", &err));
            assert_true(sg_buf_adds(&text, "0", &err));
            for (unsigned d = 0; d < cases[i].depth; d++)
                assert_true(sg_buf_adds(&text, objects ? "}" : "]", &err));
            trace(sg_buf_span(&text), &events);
            if (events.at[events.len - 1] != (cases[i].ok ? '.' : '!'))
                fail_msg("%s levels, objects %d", cases[i].label, objects);
            sg_buf_done(&text);
            sg_buf_done(&events);
        }
    }
}

/* A receipt's checksum is over the line before its last key: the offset before that key's comma. */
static void pos_is_just_behind_the_event(void **state)
{
    static const char text[] = "{ \"a\" : \"\\u0041\" , \"b\" : [ 12 ] }";
    static const struct {
        enum sg_json_event ev;
        const char *upto;
    } steps[] = {
        { SG_JSON_OBJECT, "{" },
        { SG_JSON_KEY, "{ \"a\"" },
        { SG_JSON_STRING, "{ \"a\" : \"\\u0041\"" },
        { SG_JSON_KEY, "{ \"a\" : \"\\u0041\" , \"b\"" },
        { SG_JSON_ARRAY, "{ \"a\" : \"\\u0041\" , \"b\" : [" },
        { SG_JSON_NUMBER, "{ \"a\" : \"\\u0041\" , \"b\" : [ 12" },
        { SG_JSON_ARRAY_END, "{ \"a\" : \"\\u0041\" , \"b\" : [ 12 ]" },
        { SG_JSON_OBJECT_END, text },
    };
    struct sg_json_reader r;

    (void)state;
    sg_json_reader_init(&r, sg_span_of(text));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        enum sg_json_event ev = sg_json_next(&r);

        if (ev != steps[i].ev || r.pos != strlen(steps[i].upto))
            fail_msg("step %zu: event %d, pos %zu", i, (int)ev, r.pos);
    }
    sg_json_reader_done(&r);
}

/* Skips the event with this number, and looks at what comes then. */
static void a_skipped_value_is_skipped_whole(void **state)
{
    static const char text[] = "{\"a\":[1,{\"b\":[]},2],\"c\":3}";
    static const struct {
        const char *label;
        int nth;
        bool ok;
        enum sg_json_event then;
        const char *then_text;
    } cases[] = {
        { "the document", 0, true, SG_JSON_END, NULL },
        { "a key and its array", 1, true, SG_JSON_KEY, "c" },
        { "the array", 2, true, SG_JSON_KEY, "c" },
        { "a number", 3, true, SG_JSON_OBJECT, NULL },
        { "an object in the array", 4, true, SG_JSON_NUMBER, "2" },
        { "an empty array", 6, true, SG_JSON_OBJECT_END, NULL },
        { "the end of the array", 10, true, SG_JSON_KEY, "c" },
        { "a key and its number", 11, true, SG_JSON_OBJECT_END, NULL },
        { "the document's end", 13, true, SG_JSON_END, NULL },
        { "END", 14, true, SG_JSON_END, NULL },
    };
    enum sg_json_event ev = SG_JSON_BAD;
    struct sg_json_reader r;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sg_json_reader_init(&r, sg_span_of(text));
        for (int n = 0; n <= cases[i].nth; n++)
            ev = sg_json_next(&r);
        if (!sg_json_skip(&r, ev))
            fail_msg("%s: bad", cases[i].label);
        ev = sg_json_next(&r);
        if (ev != cases[i].then ||
            (cases[i].then_text != NULL && !sg_span_is(r.text, cases[i].then_text)))
            fail_msg("%s: then %d", cases[i].label, (int)ev);
        sg_json_reader_done(&r);
    }
}

static void what_is_bad_cannot_be_skipped(void **state)
{
    static const char *const texts[] = { "[1,[2}", "[[[", "{\"a\":", "{\"a\":[1", "x" };
    struct sg_json_reader r;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        sg_json_reader_init(&r, sg_span_of(texts[i]));
        if (sg_json_skip(&r, sg_json_next(&r)) || sg_json_next(&r) != SG_JSON_BAD)
            fail_msg("%s", texts[i]);
        sg_json_reader_done(&r);
    }
    sg_json_reader_init(&r, sg_span_of("{\"a\":}"));
    assert_int_equal(sg_json_next(&r), SG_JSON_OBJECT);
    assert_false(sg_json_skip(&r, sg_json_next(&r)));
    sg_json_reader_done(&r);
}

static void a_string_beyond_the_buffers_limit_is_bad(void **state)
{
    struct sg_json_reader r;

    (void)state;
    sg_json_reader_init(&r, sg_span_of("[\"0123456789\",\"0123456789a\"]"));
    r.scratch.limit = 10;
    assert_int_equal(sg_json_next(&r), SG_JSON_ARRAY);
    assert_int_equal(sg_json_next(&r), SG_JSON_STRING);
    assert_int_equal(sg_json_next(&r), SG_JSON_BAD);
    assert_string_equal(r.why, "a string is too long");
    sg_json_reader_done(&r);
}

static void integers_are_those_written_as_such(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        { "0", true, 0 },
        { "-17", true, -17 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "123456789012345678901234567890", false, 0 },
        { "1.0", false, 0 },
        { "1e3", false, 0 },
        { "", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t v = 7;

        if (sg_json_int(sg_span_of(cases[i].text), &v) != cases[i].ok ||
            v != (cases[i].ok ? cases[i].value : 7))
            fail_msg("%s: %lld", cases[i].text, (long long)v);
    }
}

static void write_all(struct sg_json_writer *w)
{
    sg_json_begin(w, NULL, '{');
    sg_json_text(w, "node", "a@2024-01-01");
    sg_json_text(w, "none", NULL);
    sg_json_i64(w, "least", INT64_MIN);
    sg_json_begin(w, "list", '[');
    sg_json_i64(w, NULL, 1);
    sg_json_begin(w, NULL, '[');
    sg_json_end(w);
    sg_json_begin(w, NULL, '{');
    sg_json_end(w);
    sg_json_text(w, NULL, "x");
    sg_json_bool(w, NULL, true);
    sg_json_null(w, NULL);
    sg_json_end(w);
    sg_json_real(w, "seconds", 180.46, 1);
    sg_json_bool(w, "flag", false);
    sg_json_span(w, "a \"key\"\n", (struct sg_span){ .at = "no\0tail", .len = 2 });
    sg_json_end(w);
}

static const char all_written[] =
    "{\"node\":\"a@2024-01-01\",\"none\":null,\"least\":-9223372036854775808,\"list\":[1,[],{},"
    "\"x\",true,null],\"seconds\":180.5,\"flag\":false,\"a \\\"key\\\"\\n\":\"no\"}";

static void commas_and_colons_are_the_writers_business(void **state)
{
    struct sg_buf out = SG_BUF_INIT, events = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_json_writer w;

    (void)state;
    sg_json_writer_init(&w, &out);
    write_all(&w);
    assert_true(sg_json_writer_end(&w, &err));
    assert_string_equal(sg_buf_text(&out), all_written);
    trace(sg_buf_span(&out), &events);
    assert_string_equal(
        sg_buf_text(&events),
        "{ node: 'a@2024-01-01' none: n least: -9223372036854775808 list: [ 1 [ ] { "
        "} 'x' t n ] seconds: 180.5 flag: f a \"key\"\n: 'no' } .");
    sg_buf_done(&out);
    sg_buf_done(&events);
}

/* A buffer that is too small by any number of bytes. */
static void the_first_error_sticks(void **state)
{
    struct sg_json_writer w;
    struct sg_error err;

    (void)state;
    for (size_t limit = 1; limit <= sizeof(all_written) - 1; limit++) {
        struct sg_buf out = { .limit = limit };
        bool ok;

        sg_error_clear(&err);
        sg_json_writer_init(&w, &out);
        write_all(&w);
        ok = sg_json_writer_end(&w, &err);
        if (ok != (limit == sizeof(all_written) - 1) || (!ok && err.code != SG_ERROR_LIMIT) ||
            strncmp(sg_buf_text(&out), all_written, out.len) != 0)
            fail_msg("limit %zu: %d %s", limit, (int)err.code, sg_buf_text(&out));
        sg_buf_done(&out);
    }
}

static void any_bytes_are_written_safely(void **state)
{
    static const struct {
        const char *label, *bytes;
        size_t len;
        const char *want;
    } cases[] = {
        { "empty", "", 0, "" },
        { "NULL", NULL, 0, "" },
        { "the two that must", "\"\\", 2, "\\\"\\\\" },
        { "the named ones", "\b\f\n\r\t", 5, "\\b\\f\\n\\r\\t" },
        { "controls", "\x01\x1b\x1f", 3, "\\u0001\\u001b\\u001f" },
        { "a NUL", "a\0b", 3, "a\\u0000b" },
        { "a slash and DEL stay", "/\x7f", 2, "/\x7f" },
        { "UTF-8 stays", "é€𝄞", 9, "é€𝄞" },
        { "invalid bytes, each",
          "a\xff\xfe"
          "b",
          4,
          "a\xef\xbf\xbd\xef\xbf\xbd"
          "b" },
        { "cut at the end", "a\xe2\x82", 3, "a\xef\xbf\xbd\xef\xbf\xbd" },
        { "a surrogate", "\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_buf out = SG_BUF_INIT;
        struct sg_error err = SG_ERROR_INIT;
        struct sg_json_writer w;
        const char *got;

        sg_json_writer_init(&w, &out);
        sg_json_span(&w, NULL, (struct sg_span){ .at = cases[i].bytes, .len = cases[i].len });
        assert_true(sg_json_writer_end(&w, &err));
        got = sg_buf_text(&out);
        if (out.len != strlen(cases[i].want) + 2 || got[0] != '"' || got[out.len - 1] != '"' ||
            memcmp(got + 1, cases[i].want, out.len - 2) != 0)
            fail_msg("%s: %s", cases[i].label, got);
        sg_buf_done(&out);
    }
}

/* Each byte in each of two places comes back, or U+FFFD for it, and the reader takes it. */
static void what_is_written_is_read_again(void **state)
{
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            struct sg_buf out = SG_BUF_INIT;
            struct sg_json_writer w;
            struct sg_json_reader r;
            char bytes[2] = { (char)a, (char)b };
            bool valid = (a < 0x80 && b < 0x80) ||
                         sg_text_utf8((struct sg_span){ .at = bytes, .len = 2 }) == 2;

            sg_json_writer_init(&w, &out);
            sg_json_span(&w, NULL, (struct sg_span){ .at = bytes, .len = 2 });
            assert_true(sg_json_writer_end(&w, &err));
            sg_json_reader_init(&r, sg_buf_span(&out));
            if (sg_json_next(&r) != SG_JSON_STRING ||
                (r.text.len == 2 && memcmp(r.text.at, bytes, 2) == 0) != valid ||
                sg_json_next(&r) != SG_JSON_END)
                fail_msg("%02x %02x: %s", (unsigned)a, (unsigned)b, sg_buf_text(&out));
            sg_json_reader_done(&r);
            sg_buf_done(&out);
        }
    }
}

static void reals_have_the_decimals_asked_for(void **state)
{
    static const struct {
        double v;
        int decimals;
        const char *want;
    } cases[] = {
        { 0, 1, "0.0" },          { 180.46, 1, "180.5" },
        { 180.46, 0, "180" },     { -2.5, 3, "-2.500" },
        { 0.001, 3, "0.001" },    { 1e21, 1, "1000000000000000000000.0" },
        { 0.5, -3, "0" },         { 0.5, 99, "0.50000000000000000" },
        { NAN, 1, "null" },       { INFINITY, 1, "null" },
        { -INFINITY, 1, "null" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_buf out = SG_BUF_INIT;
        struct sg_error err = SG_ERROR_INIT;
        struct sg_json_writer w;

        sg_json_writer_init(&w, &out);
        sg_json_real(&w, NULL, cases[i].v, cases[i].decimals);
        assert_true(sg_json_writer_end(&w, &err));
        if (strcmp(sg_buf_text(&out), cases[i].want) != 0)
            fail_msg("%s: %s", cases[i].want, sg_buf_text(&out));
        sg_buf_done(&out);
    }
}

static void the_largest_real_fits(void **state)
{
    struct sg_buf out = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_json_writer w;

    (void)state;
    sg_json_writer_init(&w, &out);
    sg_json_real(&w, NULL, -1.7976931348623157e308, 17);
    assert_true(sg_json_writer_end(&w, &err));
    assert_int_equal(out.len, 1 + 309 + 1 + 17);
    sg_buf_done(&out);
}

static void misuse_a_key_in_an_array(struct sg_json_writer *w)
{
    sg_json_begin(w, NULL, '[');
    sg_json_i64(w, "key", 1);
    sg_json_end(w);
}

static void misuse_no_key_in_an_object(struct sg_json_writer *w)
{
    sg_json_begin(w, NULL, '{');
    sg_json_i64(w, NULL, 1);
    sg_json_end(w);
}

static void misuse_a_second_document(struct sg_json_writer *w)
{
    sg_json_null(w, NULL);
    sg_json_null(w, NULL);
}

static void misuse_an_end_too_few(struct sg_json_writer *w)
{
    sg_json_begin(w, NULL, '[');
}

static void misuse_an_end_too_many(struct sg_json_writer *w)
{
    sg_json_begin(w, NULL, '[');
    sg_json_end(w);
    sg_json_end(w);
}

static void misuse_nothing_written(struct sg_json_writer *w)
{
    (void)w;
}

static void misuse_too_many_levels(struct sg_json_writer *w)
{
    for (int i = 0; i < 65; i++)
        sg_json_begin(w, NULL, '[');
    for (int i = 0; i < 65; i++)
        sg_json_end(w);
}

static void misuse_an_unknown_bracket(struct sg_json_writer *w)
{
    sg_json_begin(w, NULL, '(');
    sg_json_end(w);
}

/* In a child, since a test build is stopped there; a release says bug. */
static void misuse_of_the_writer_is_a_broken_promise(void **state)
{
    static const struct {
        const char *label;
        void (*fn)(struct sg_json_writer *w);
    } cases[] = {
        { "a key in an array", misuse_a_key_in_an_array },
        { "no key in an object", misuse_no_key_in_an_object },
        { "a second document", misuse_a_second_document },
        { "an end too few", misuse_an_end_too_few },
        { "an end too many", misuse_an_end_too_many },
        { "nothing written", misuse_nothing_written },
        { "too many levels", misuse_too_many_levels },
        { "an unknown bracket", misuse_an_unknown_bracket },
    };
    int status;
    pid_t pid;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct sg_error err = SG_ERROR_INIT;
            struct sg_buf out = SG_BUF_INIT;
            struct sg_json_writer w;

            signal(SIGABRT, SIG_DFL); /* cmocka's handler would go on with the next test */
            setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
            close(2);
            sg_json_writer_init(&w, &out);
            cases[i].fn(&w);
            _exit(!sg_json_writer_end(&w, &err) && err.code == SG_ERROR_BUG ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
#ifdef SG_TEST_BUILD
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
#else
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
#endif
            fail_msg("%s: status %#x", cases[i].label, (unsigned)status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_comes_as_its_events),
        cmocka_unit_test(a_text_cut_anywhere_is_bad),
        cmocka_unit_test(a_nul_byte_anywhere_is_bad),
        cmocka_unit_test(a_changed_byte_ends_well_or_bad),
        cmocka_unit_test(an_escaped_nul_is_within_the_text),
        cmocka_unit_test(levels_are_bounded),
        cmocka_unit_test(pos_is_just_behind_the_event),
        cmocka_unit_test(a_skipped_value_is_skipped_whole),
        cmocka_unit_test(what_is_bad_cannot_be_skipped),
        cmocka_unit_test(a_string_beyond_the_buffers_limit_is_bad),
        cmocka_unit_test(integers_are_those_written_as_such),
        cmocka_unit_test(commas_and_colons_are_the_writers_business),
        cmocka_unit_test(the_first_error_sticks),
        cmocka_unit_test(any_bytes_are_written_safely),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(reals_have_the_decimals_asked_for),
        cmocka_unit_test(the_largest_real_fits),
        cmocka_unit_test(misuse_of_the_writer_is_a_broken_promise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
