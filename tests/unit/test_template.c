/* template: splitting by the shell's rules, substitution without a shell. */
#include "stagegraph/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const values[][2] = {
    { "x", "value" },       { "empty", "" },
    { "blank", "a b  c" },  { "tricky", "${x} 'q' $$ ; \"" },
    { "ds", "2024-01-01" }, { "yes", "true" },
};

static bool lookup(void *ctx, const char *var, const char **ret_value,
                   const struct sg_words **ret_list, struct sg_error *err)
{
    static char first[] = "--conf", second[] = "a=b c", uri[] = "/in/1";
    static char *two[] = { first, second, NULL }, *one[] = { uri, NULL };
    static const struct sg_words options = { .at = two, .n = 2 }, input = { .at = one, .n = 1 };
    static const struct sg_words none = { .n = 0 };

    (void)ctx;
    if (strcmp(var, "options") == 0)
        *ret_list = &options;
    else if (strcmp(var, "input.my-stage") == 0)
        *ret_list = &input;
    else if (strcmp(var, "input.none") == 0)
        *ret_list = &none;
    else if (strcmp(var, "fails") == 0)
        return sg_error_set(err, SG_ERROR_STORE, 0, "no luck");
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (strcmp(var, values[i][0]) == 0)
            *ret_value = values[i][1];
    }
    return true;
}

/* "[a][b c][]" */
static void show(const struct sg_words *w, char *to, size_t size)
{
    size_t n = 0;

    to[0] = '\0';
    for (size_t i = 0; i < w->n; i++)
        n += (size_t)snprintf(to + n, size - n, "[%s]", w->at[i]);
    assert_true(n < size);
}

static void commands_become_the_words_that_a_shell_would_make(void **state)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        { "", "" },
        { "   ", "" },
        { "a", "[a]" },
        { "  a   b\tc  ", "[a][b][c]" },
        { "'a b' \"c d\" e\\ f", "[a b][c d][e f]" },
        { "a'b'\"c\"d", "[abcd]" },
        { "'' \"\" x", "[][][x]" },
        { "'a\\b' \"a\\b\" \"a\\\"b\\\\c\" a\\b", "[a\\b][a\\b][a\"b\\c][ab]" },
        { "\"it's\" 'say \"hi\"'", "[it's][say \"hi\"]" },
        { "a#b # c", "[a#b][#][c]" },
        { "a|b > c && d; e", "[a|b][>][c][&&][d;][e]" },
        { "* ? ~ `x`", "[*][?][~][`x`]" },
        /* dollars */
        { "$$ a$$b $$$$ $${x}", "[$][a$b][$$][${x}]" },
        { "$HOME $1 $ a$", "[$HOME][$1][$][a$]" },
        { "\\${x} \"\\${x}\" '\\${x}'", "[${x}][${x}][\\value]" },
        /* expansion, quoted or not, is one word */
        { "${x} '${x}' \"${x}\"", "[value][value][value]" },
        { "a${x}b${ds}", "[avalueb2024-01-01]" },
        { "${blank}", "[a b  c]" },
        { "p=${blank}", "[p=a b  c]" },
        { "${tricky}", "[${x} 'q' $$ ; \"]" },
        /* a word that is only an expansion and comes out empty */
        { "a ${empty} b", "[a][b]" },
        { "a ${empty}${empty} b", "[a][b]" },
        { "a '${empty}' \"${empty}\" b", "[a][][][b]" },
        { "a ${empty}'' b", "[a][][b]" },
        { "a x${empty} b", "[a][x][b]" },
        { "a '${blank}'", "[a][a b  c]" },
        /* defaults and alternatives */
        { "${empty:-d} ${x:-d}", "[d][value]" },
        { "${empty:-a b} ${empty:-}", "[a b]" },
        { "${yes:+--skip} ${empty:+--skip} end", "[--skip][end]" },
        { "${yes:+--skip it now}", "[--skip it now]" },
        { "${yes:+'a'} ${yes:+\"b c\"} ${yes:+d\\}e}", "[a][b c][d}e]" },
        { "\"${yes:+it's}\" '${yes:+say \"x\"}'", "[it's][say \"x\"]" },
        { "${empty:-${x}} ${empty:-<${empty:-${ds}}>}", "[value][<2024-01-01>]" },
        { "${yes:+--date=${ds}} ${empty:+${fails}}", "[--date=2024-01-01]" },
        { "${x:-${fails}}", "[value]" },
        { "${yes:+$$}", "[$]" },
        { "${empty:-{}}", "[{}]" }, /* the first } closes, the second is text */
        { "{${x}}", "[{value}]" },
        /* lists */
        { "a ${options} b", "[a][--conf][a=b c][b]" },
        { "a '${options}' b", "[a][--conf a=b c][b]" },
        { "o=${options}", "[o=--conf a=b c]" },
        { "${options}${x}", "[--conf a=b cvalue]" },
        { "${input.my-stage} ${input.none} e", "[/in/1][e]" },
        { "${options:-x} ${input.none:-x} ${options:+y}", "[--conf][a=b c][x][y]" },
        { "${empty:-${options}}", "[--conf a=b c]" },
        { "\"${input.none}\"", "[]" },
    };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_words words;
    struct sg_template t;
    char shown[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        words = (struct sg_words)SG_WORDS_INIT;
        if (!sg_template_parse(&a, cases[i].text, &t, &err) ||
            !sg_template_expand(&t, lookup, NULL, &words, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        show(&words, shown, sizeof(shown));
        if (strcmp(shown, cases[i].words) != 0)
            fail_msg("%s: %s, not %s", cases[i].text, shown, cases[i].words);
        assert_true(words.n == 0 || words.at[words.n] == NULL);
        sg_words_done(&words);
    }
    sg_arena_done(&a);
}

static void what_is_no_command_says_why(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "a 'b", "unclosed quote '" },
        { "a \"b 'c'", "unclosed quote \"" },
        { "a\\", "a backslash at the end" },
        { "${x", "${ without }" },
        { "${x:-a", "${ without }" },
        { "${x:-${y}", "${ without }" },
        { "${}", "${ without a name behind it (a dollar is $$)" },
        { "${1}", "${ without a name behind it (a dollar is $$)" },
        { "${x-a}", "${x is followed by \"-\": write ${x}, ${x:-default} or ${x:+text}" },
        { "${x:?a}", "${x is followed by \":\": write ${x}, ${x:-default} or ${x:+text}" },
        { "${x y}", "${x is followed by \" \": write ${x}, ${x:-default} or ${x:+text}" },
        { "\"${x:+\"a\"}\"", "a quote ends inside ${…}" },
        { "'${x:+'a'}'", "a quote ends inside ${…}" },
        { "${x:+'a}", "${ without }" },
        { "${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-x}}}}}"
          "}}}}}}}}}}}}",
          "too many ${ inside each other" },
    };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err;
    struct sg_template t;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err = (struct sg_error)SG_ERROR_INIT;
        if (sg_template_parse(&a, cases[i].text, &t, &err))
            fail_msg("%s is a command", cases[i].text);
        assert_int_equal(err.code, SG_ERROR_GRAPH);
        assert_string_equal(err.text, cases[i].why);
    }
    sg_arena_done(&a);
}

static void one_word_takes_quotes_and_blanks_as_they_are(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        { "", "" },
        { "silver/dt=${ds}/hr=05", "silver/dt=2024-01-01/hr=05" },
        { "a 'b' \"c\" \\d", "a 'b' \"c\" \\d" },
        { "${empty}", "" },
        { "${options}", "--conf a=b c" },
        { "$$x ${empty:-y}", "$x y" },
    };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf out = SG_BUF_INIT;
    struct sg_template t;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sg_buf_clear(&out);
        assert_true(sg_template_parse_word(&a, cases[i].text, &t, &err));
        assert_true(sg_template_expand_word(&t, lookup, NULL, &out, &err));
        assert_string_equal(sg_buf_text(&out), cases[i].word);
    }
    sg_buf_done(&out);
    sg_arena_done(&a);
}

static void the_texts_of_the_stamp_have_quotes_resolved_and_variables_kept(void **state)
{
    static const struct {
        const char *text, *texts;
    } cases[] = {
        { "bash  'run it.sh' --date ${ds}", "[bash][run it.sh][--date][${ds}]" },
        { "a\"b\"'c' \\x", "[abc][x]" },
        { "${x:-'a b'} p${empty:+ q}", "[${x:-a b}][p${empty:+ q}]" },
        /* what differs in meaning differs in text */
        { "${x} \"${x}\" '${x}'", "[${x}][\"${x}\"][\"${x}\"]" },
        { "$$ \\${x} $y", "[$$][$${x}][$y]" },
        { "'' a", "[][a]" },
    };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_words words;
    struct sg_template t;
    char shown[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        words = (struct sg_words)SG_WORDS_INIT;
        assert_true(sg_template_parse(&a, cases[i].text, &t, &err));
        for (uint32_t k = 0; k < t.n_words; k++)
            assert_true(sg_words_add(&words, t.texts[k], &err));
        show(&words, shown, sizeof(shown));
        assert_string_equal(shown, cases[i].texts);
        sg_words_done(&words);
    }
    sg_arena_done(&a);
}

static void variables_are_listed_once_in_order_of_first_use(void **state)
{
    static const char *const expected[] = { "b", "a", "c", "d", "input.my-stage" };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_template t;

    (void)state;
    assert_true(sg_template_parse(&a, "${b} ${a} '${b}' ${c:-${d}} ${a:+x} $${e} ${input.my-stage}",
                                  &t, &err));
    assert_int_equal(t.n_vars, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(t.vars[i], expected[i]);
        assert_true(sg_template_uses(&t, expected[i]));
    }
    assert_false(sg_template_uses(&t, "e"));
    sg_arena_done(&a);
}

static void a_failing_lookup_leaves_the_words_as_they_were(void **state)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_words words = SG_WORDS_INIT;
    struct sg_buf out = SG_BUF_INIT;
    struct sg_template t;

    (void)state;
    assert_true(sg_words_add(&words, "before", &err));
    assert_true(sg_template_parse(&a, "a b ${fails}", &t, &err));
    assert_false(sg_template_expand(&t, lookup, NULL, &words, &err));
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_int_equal(words.n, 1);
    assert_string_equal(words.at[0], "before");
    assert_null(words.at[1]);
    assert_true(sg_buf_adds(&out, "before", &err));
    assert_true(sg_template_parse_word(&a, "a${fails}", &t, &err));
    assert_false(sg_template_expand_word(&t, lookup, NULL, &out, &err));
    assert_string_equal(sg_buf_text(&out), "before");
    sg_buf_done(&out);
    sg_words_done(&words);
    sg_arena_done(&a);
}

static void a_long_command_is_split_whole(void **state)
{
    static char text[200001];
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_words words = SG_WORDS_INIT;
    struct sg_template t;

    (void)state;
    for (size_t i = 0; i < 100000; i++)
        memcpy(text + 2 * i, "a ", 2);
    assert_true(sg_template_parse(&a, text, &t, &err));
    assert_int_equal(t.n_words, 100000);
    assert_true(sg_template_expand(&t, lookup, NULL, &words, &err));
    assert_int_equal(words.n, 100000);
    sg_words_done(&words);
    sg_arena_done(&a);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_become_the_words_that_a_shell_would_make),
        cmocka_unit_test(what_is_no_command_says_why),
        cmocka_unit_test(one_word_takes_quotes_and_blanks_as_they_are),
        cmocka_unit_test(the_texts_of_the_stamp_have_quotes_resolved_and_variables_kept),
        cmocka_unit_test(variables_are_listed_once_in_order_of_first_use),
        cmocka_unit_test(a_failing_lookup_leaves_the_words_as_they_were),
        cmocka_unit_test(a_long_command_is_split_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
