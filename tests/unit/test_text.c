#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/text.h"

static void the_nearest_candidate_is_suggested(void **state)
{
    static const char *const keys[] = { "partition", "command", "output", "needs",
                                        "env",       "retries", "Marker", "jobs" };
    static const char long_word[] = "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb"
                                    "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb";
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        { "command", "command" },
        { "comand", "command" },
        { "commmand", "command" },
        { "commanx", "command" },
        { "ocmmand", "command" },
        { "OUTPUT", "output" },
        { "marker", "Marker" },
        { "partitoin", "partition" },
        { "partxxxon", "partition" },
        { "partxxxxn", NULL },
        { "need", "needs" },
        { "evn", "env" },
        { "job", "jobs" },
        { "en", "env" },
        { "e", NULL },
        { "zzz", NULL },
        { "", NULL },
        { "commands and outputs", NULL },
        { long_word, NULL },
    };
    const char *got;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        got = sg_text_nearest(cases[i].word, keys, sizeof(keys) / sizeof(keys[0]));
        if (got != cases[i].nearest &&
            (got == NULL || cases[i].nearest == NULL || strcmp(got, cases[i].nearest) != 0))
            fail_msg("'%s': '%s'", cases[i].word, got != NULL ? got : "(none)");
    }
    assert_null(sg_text_nearest("x", NULL, 0));
}

static void the_first_of_equally_near_ones_wins(void **state)
{
    static const char *const names[] = { "gold2", "gold1", "gold3" };

    (void)state;
    assert_string_equal(sg_text_nearest("gold", names, 3), "gold2");
    assert_string_equal(sg_text_nearest("gold3", names, 3), "gold3");
}

static void the_longest_words_have_a_nearest_too(void **state)
{
    char word[97], other[129];
    const char *const names[] = { other };

    (void)state;
    memset(word, 'w', 96);
    word[96] = '\0';
    memset(other, 'w', 128); /* a third longer: the row's whole length */
    other[128] = '\0';
    assert_ptr_equal(sg_text_nearest(word, names, 1), other);
}

static void only_whole_decimal_numbers_are_integers(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "42", true, 42 },
        { "-42", true, -42 },
        { "0042", true, 42 },
        { "9223372036854775807", true, INT64_MAX },
        { "-9223372036854775808", true, INT64_MIN },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775809", false, 0 },
        { "92233720368547758070", false, 0 },
        { "", false, 0 },
        { "-", false, 0 },
        { "+1", false, 0 },
        { "--1", false, 0 },
        { " 1", false, 0 },
        { "1 ", false, 0 },
        { "1.0", false, 0 },
        { "1e3", false, 0 },
        { "0x1", false, 0 },
        { "1-", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t v = 7;

        if (sg_text_int(cases[i].text, &v) != cases[i].ok ||
            v != (cases[i].ok ? cases[i].value : 7))
            fail_msg("'%s': %lld", cases[i].text, (long long)v);
    }
}

static void eight_words_are_yes_or_no(void **state)
{
    static const struct {
        const char *text;
        int value; /* -1: refused */
    } cases[] = {
        { "yes", 1 }, { "no", 0 },    { "true", 1 }, { "false", 0 }, { "on", 1 },
        { "off", 0 }, { "1", 1 },     { "0", 0 },    { "", -1 },     { "Yes", -1 },
        { "y", -1 },  { "yes ", -1 }, { "2", -1 },   { "00", -1 },   { "none", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int before = 0; before < 2; before++) {
            bool v = before;

            if (sg_text_bool(cases[i].text, &v) != (cases[i].value >= 0) ||
                v != (cases[i].value >= 0 ? cases[i].value : before))
                fail_msg("'%s'", cases[i].text);
        }
    }
}

static void utf8_is_checked_to_the_letter(void **state)
{
    static const struct {
        const char *label, *bytes;
        size_t len, want;
    } cases[] = {
        { "nothing", "", 0, 0 },
        { "a NUL", "\0", 1, 1 },
        { "the last of one byte", "\x7f", 1, 1 },
        { "a continuation", "\x80", 1, 0 },
        { "overlong, c0", "\xc0\x80", 2, 0 },
        { "overlong, c1", "\xc1\xbf", 2, 0 },
        { "the first of two bytes", "\xc2\x80", 2, 2 },
        { "the last of two bytes", "\xdf\xbf", 2, 2 },
        { "two bytes, one is lacking", "\xc3", 1, 0 },
        { "two bytes, no continuation", "\xc3\x28", 2, 0 },
        { "two bytes, a lead for a continuation", "\xc3\xc3", 2, 0 },
        { "overlong, e0", "\xe0\x9f\xbf", 3, 0 },
        { "the first of three bytes", "\xe0\xa0\x80", 3, 3 },
        { "the last before the surrogates", "\xed\x9f\xbf", 3, 3 },
        { "the first surrogate", "\xed\xa0\x80", 3, 0 },
        { "the last surrogate", "\xed\xbf\xbf", 3, 0 },
        { "the first behind the surrogates", "\xee\x80\x80", 3, 3 },
        { "the last of three bytes", "\xef\xbf\xbf", 3, 3 },
        { "three bytes, one is lacking", "\xe2\x82", 2, 0 },
        { "three bytes, the last no continuation", "\xe2\x82\x28", 3, 0 },
        { "overlong, f0", "\xf0\x8f\xbf\xbf", 4, 0 },
        { "the first of four bytes", "\xf0\x90\x80\x80", 4, 4 },
        { "U+10FFFF", "\xf4\x8f\xbf\xbf", 4, 4 },
        { "beyond U+10FFFF", "\xf4\x90\x80\x80", 4, 0 },
        { "f5", "\xf5\x80\x80\x80", 4, 0 },
        { "four bytes, one is lacking", "\xf0\x9d\x84", 3, 0 },
        { "four bytes, the third no continuation", "\xf0\x9d\x28\x9e", 4, 0 },
        { "ff", "\xff", 1, 0 },
        { "more behind it", "\xc3\xa9x", 3, 2 },
    };
    size_t got;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        got = sg_text_utf8((struct sg_span){ .at = cases[i].bytes, .len = cases[i].len });
        if (got != cases[i].want)
            fail_msg("%s: %zu", cases[i].label, got);
    }
}

static void foreign_bytes_are_made_printable(void **state)
{
    static const struct {
        const char *label, *bytes;
        size_t len, max;
        const char *want;
    } cases[] = {
        { "plain", "silver@2024", 11, 100, "silver@2024" },
        { "empty", "", 0, 100, "" },
        { "NULL", NULL, 0, 0, "" },
        { "a newline and a tab", "a\n\tb", 4, 100, "a\\x0a\\x09b" },
        { "an escape sequence", "\x1b[31m", 5, 100, "\\x1b[31m" },
        { "a NUL", "a\0b", 3, 100, "a\\x00b" },
        { "DEL", "\x7f", 1, 100, "\\x7f" },
        { "UTF-8 stays", "é→𝄞", 9, 100, "é→𝄞" },
        { "C1 (a terminal's CSI)", "\xc2\x9b", 2, 100, "\\xc2\\x9b" },
        { "behind C1", "\xc2\xa0", 2, 100, "\xc2\xa0" },
        { "invalid UTF-8", "a\xff\xc3(", 4, 100, "a\\xff\\xc3(" },
        { "a surrogate", "\xed\xa0\x80", 3, 100, "\\xed\\xa0\\x80" },
        { "a backslash stays", "a\\b", 3, 100, "a\\b" },
        { "exactly max", "abc", 3, 3, "abc" },
        { "one more than max", "abcd", 4, 3, "abc…" },
        { "max within a character", "aé", 3, 2, "a…" },
        { "max behind a character", "aéb", 4, 3, "aé…" },
        { "max 0", "abc", 3, 0, "…" },
        { "max within invalid bytes", "\xff\xff\xff", 3, 2, "\\xff\\xff…" },
    };
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_buf b = SG_BUF_INIT;
        struct sg_span s = { .at = cases[i].bytes, .len = cases[i].len };

        assert_true(sg_buf_adds(&b, ">", &err));
        if (!sg_text_add_quoted(&b, s, cases[i].max, &err) ||
            strcmp(sg_buf_text(&b) + 1, cases[i].want) != 0)
            fail_msg("%s: '%s' %s", cases[i].label, sg_buf_text(&b), err.text);
        sg_buf_done(&b);
    }
}

static void a_quoted_text_without_room_changes_nothing(void **state)
{
    struct sg_span s = { .at = "ab\n\xff\xc3\xa9yz", .len = 8 };
    struct sg_error err;

    (void)state;
    for (size_t limit = 2;; limit++) {
        struct sg_buf b = { .limit = limit };
        bool ok;

        sg_error_clear(&err);
        assert_true(sg_buf_adds(&b, "=>", &err));
        ok = sg_text_add_quoted(&b, s, 7, &err);
        if (!ok && (err.code != SG_ERROR_LIMIT || strcmp(sg_buf_text(&b), "=>") != 0 || b.len != 2))
            fail_msg("limit %zu: '%s'", limit, sg_buf_text(&b));
        if (ok)
            assert_string_equal(sg_buf_text(&b), "=>ab\\x0a\\xffé"
                                                 "y…");
        sg_buf_done(&b);
        if (ok)
            break;
    }
}

static void counts_have_a_comma_at_each_thousand(void **state)
{
    static const struct {
        int64_t n;
        const char *text;
    } cases[] = {
        { 0, "0" },
        { 7, "7" },
        { 999, "999" },
        { 1000, "1,000" },
        { 1441, "1,441" },
        { 26256, "26,256" },
        { 262800, "262,800" },
        { 2628000, "2,628,000" },
        { -999, "-999" },
        { -1000, "-1,000" },
        { -123456, "-123,456" },
        { INT64_MAX, "9,223,372,036,854,775,807" },
        { INT64_MIN, "-9,223,372,036,854,775,808" },
    };
    char text[SG_COUNT_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sg_count_format(cases[i].n, text);
        if (strcmp(text, cases[i].text) != 0)
            fail_msg("%s: '%s'", cases[i].text, text);
    }
}

static void a_pattern_matches_the_whole_path(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } cases[] = {
        { "", "", true },
        { "", "a", false },
        { "a", "", false },
        { "jobs/x.py", "jobs/x.py", true },
        { "jobs/x.py", "jobs/x.pyc", false },
        { "jobs/x.py", "jobs/x.p", false },
        { "jobs/x.py", "a/jobs/x.py", false },
        { "*", "x.py", true },
        { "*", "", true },
        { "*", "a/x.py", false },
        { "*.py", "x.py", true },
        { "*.py", ".py", true },
        { "*.py", "x.py.py", true },
        { "*.py", "x.pyc", false },
        { "*.py", "a/x.py", false },
        { "jobs/*.py", "jobs/x.py", true },
        { "jobs/*.py", "jobs/.hidden.py", true },
        { "jobs/*.py", "jobs/a/x.py", false },
        { "jobs/*/x.py", "jobs/a/x.py", true },
        { "jobs/*/x.py", "jobs/x.py", false },
        { "jobs/*/x.py", "jobs/a/b/x.py", false },
        { "a*b*c", "aXbYc", true },
        { "a*b*c", "abbbc", true },
        { "a*b*c", "ab/bc", false },
        { "*a*/*b*", "xaz/ybz", true },
        { "a?c", "abc", true },
        { "a?c", "ac", false },
        { "a?c", "a/c", false },
        { "a?c", "a?c", true },
        { "a?c", "aéc", true },
        { "a??c", "aéc", false },
        { "*?", "", false },
        { "a", "?", false },
        { "jobs/**/x.py", "jobs/x.py", true },
        { "jobs/**/x.py", "jobs/a/x.py", true },
        { "jobs/**/x.py", "jobs/a/b/x.py", true },
        { "jobs/**/x.py", "jobs/ax.py", false },
        { "jobs/**/x.py", "jobs/a/bx.py", false },
        { "jobs/**/x.py", "x.py", false },
        { "jobs/**/x.py", "jobsx.py", false },
        { "jobs/**/*.py", "jobs/a/b/x.py", true },
        { "jobs/**/*.py", "jobs/x.py", true },
        { "jobs/**/lib/*.py", "jobs/lib/a/lib/x.py", true },
        { "jobs/**/lib/*.py", "jobs/lib/a/x.py", false },
        { "**/x.py", "x.py", true },
        { "**/x.py", "a/b/x.py", true },
        { "**/x.py", "ax.py", false },
        { "**/a/**/b", "a/b", true },
        { "**/a/**/b", "x/a/y/z/b", true },
        { "**/a/**/b", "x/y/b", false },
        { "**/**/b", "b", true },
        { "**/**/b", "a/b", true },
        { "jobs/**", "jobs/x.py", true },
        { "jobs/**", "jobs/a/b/x.py", true },
        { "jobs/**", "jobs", false },
        { "jobs/**", "jobsx", false },
        { "**", "anything/at/all", true },
        { "**", "", true },
        { "jobs/bronze/**.py", "jobs/bronze/x.py", true },
        { "jobs/bronze/**.py", "jobs/bronze/a/b/x.py", true },
        { "jobs/bronze/**.py", "jobs/bronze/.py", true },
        { "jobs/bronze/**.py", "jobs/bronze/x.pyc", false },
        { "jobs/bronze/**.py", "jobs/x.py", false },
        { "jobs/a**/x", "jobs/ab/c/x", true },
        { "jobs/a**/x", "jobs/a/x", true },
        { "jobs/a**/x", "jobs/ax", false },
        { "jobs/**a/x", "jobs/b/ca/x", true },
        { "***", "a/b", true },
        { "a/***/b", "a/x/b", true },
        { "a/***/b", "a/b", false },
        { "[a]", "a", false },
        { "[a]", "[a]", true },
        { "\\*", "*", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (sg_glob_match(cases[i].pattern, cases[i].path) != cases[i].match)
            fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].path);
    }
}

/* What the header says, word for word, at any price. */
static bool naive_match(const char *pattern, const char *p, const char *s)
{
    const char *after = p + strspn(p, "*");

    if (*p == '\0')
        return *s == '\0';
    if (*p != '*')
        return *s != '\0' && (*p == *s || (*p == '?' && *s != '/')) &&
               naive_match(pattern, p + 1, s + 1);
    if (after - p == 1) {
        for (;; s++) {
            if (naive_match(pattern, after, s))
                return true;
            if (*s == '\0' || *s == '/')
                return false;
        }
    }
    if (after - p == 2 && *after == '/' && (p == pattern || p[-1] == '/')) {
        for (;; s++) {
            if (naive_match(pattern, after + 1, s))
                return true;
            s += strcspn(s, "/");
            if (*s == '\0')
                return false;
        }
    }
    for (;; s++) {
        if (naive_match(pattern, after, s))
            return true;
        if (*s == '\0')
            return false;
    }
}

/* The n-th text over these letters, shortest first. */
static void nth_text(unsigned n, const char *letters, char ret[16])
{
    unsigned base = (unsigned)strlen(letters);
    size_t len = 0;

    for (; n > 0; n = (n - 1) / base)
        ret[len++] = letters[(n - 1) % base];
    ret[len] = '\0';
}

static void going_back_to_the_last_star_is_enough(void **state)
{
    char pattern[16], path[16];

    (void)state;
    for (unsigned i = 0; i < 19531; i++) { /* all patterns of up to 6 letters … */
        nth_text(i, "*/a?b", pattern);
        for (unsigned j = 0; j < 364; j++) { /* … against all paths of up to 5 */
            nth_text(j, "/ab", path);
            if (sg_glob_match(pattern, path) != naive_match(pattern, pattern, path))
                fail_msg("'%s' and '%s'", pattern, path);
        }
    }
}

/* 12 letters of pattern against 14 of path, by a generator of fixed seed: deeper than all of the
 * short ones. */
static void long_patterns_agree_with_the_naive_match(void **state)
{
    static const char letters[] = "***//ab?";
    char pattern[16], path[16];
    uint32_t random = 1;
    unsigned matches = 0;

    (void)state;
    for (int i = 0; i < 300000; i++) {
        size_t n_pattern = 6 + (size_t)i % 7, n_path = (size_t)i % 15;

        for (size_t j = 0; j < n_pattern; j++) {
            random = random * 1664525 + 1013904223;
            pattern[j] = letters[random >> 29];
        }
        for (size_t j = 0; j < n_path; j++) {
            random = random * 1664525 + 1013904223;
            path[j] = "/aab"[random >> 30];
        }
        pattern[n_pattern] = path[n_path] = '\0';
        if (sg_glob_match(pattern, path) != naive_match(pattern, pattern, path))
            fail_msg("'%s' and '%s'", pattern, path);
        matches += sg_glob_match(pattern, path);
    }
    assert_in_range(matches, 1000, 299000);
}

/* Each star would multiply the time of a matcher that goes back to all of them. */
static void many_stars_do_not_take_for_ever(void **state)
{
    char path[4001];

    (void)state;
    memset(path, 'a', 4000);
    path[4000] = '\0';
    assert_false(sg_glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path));
    assert_false(sg_glob_match("**a**a**a**a**a**a**a**a**a**a**a**b", path));
    for (size_t i = 1; i < 4000; i += 2)
        path[i] = '/';
    assert_false(sg_glob_match("**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b", path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_candidate_is_suggested),
        cmocka_unit_test(the_first_of_equally_near_ones_wins),
        cmocka_unit_test(the_longest_words_have_a_nearest_too),
        cmocka_unit_test(only_whole_decimal_numbers_are_integers),
        cmocka_unit_test(eight_words_are_yes_or_no),
        cmocka_unit_test(utf8_is_checked_to_the_letter),
        cmocka_unit_test(foreign_bytes_are_made_printable),
        cmocka_unit_test(a_quoted_text_without_room_changes_nothing),
        cmocka_unit_test(counts_have_a_comma_at_each_thousand),
        cmocka_unit_test(a_pattern_matches_the_whole_path),
        cmocka_unit_test(going_back_to_the_last_star_is_enough),
        cmocka_unit_test(long_patterns_agree_with_the_naive_match),
        cmocka_unit_test(many_stars_do_not_take_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
