/* ini: sections, keys and lines as inih reads them, and what our reader keeps from it. */
#include "stagegraph/ini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct parsed {
    struct sg_arena arena;
    struct sg_ini ini;
    struct sg_diags diags;
};

static void parse_span(struct parsed *p, struct sg_span text)
{
    struct sg_error err = SG_ERROR_INIT;

    *p = (struct parsed){ .arena = SG_ARENA_INIT, .diags = SG_DIAGS_INIT };
    if (!sg_ini_parse(&p->arena, "f", text, &p->ini, &p->diags, &err))
        fail_msg("%s", err.text);
    sg_diags_sort(&p->diags);
}

static void parse(struct parsed *p, const char *text)
{
    parse_span(p, sg_span_of(text));
}

static void done(struct parsed *p)
{
    sg_diags_done(&p->diags);
    sg_arena_done(&p->arena);
}

/* A line a diagnostic. */
static const char *told(const struct parsed *p, char *to, size_t size)
{
    size_t n = 0;

    to[0] = '\0';
    for (size_t i = 0; i < p->diags.n; i++)
        n += (size_t)snprintf(to + n, size - n, "%s%s", i > 0 ? "\n" : "", p->diags.items[i].text);
    assert_true(n < size);
    return to;
}

static const char *value_of(const struct parsed *p, enum sg_section kind, const char *name,
                            const char *key)
{
    const struct sg_ini_entry *e = sg_ini_entry(sg_ini_section(&p->ini, kind, name), key);

    return e != NULL ? e->value : NULL;
}

static void values_are_read_with_their_lines(void **state)
{
    const char *text = "\xef\xbb\xbf# a comment\n"
                       "[graph]\n"
                       "name = flights            ; the name\n"
                       "end  =                    ; exclusive; empty: goes on\r\n"
                       "\n"
                       "[ stage  bronze ] ; the first\n"
                       "command = bash x.sh\n"
                       "  --conf a=b\n"
                       "; a comment between\n"
                       "\t--out ${output}   \n"
                       "\n"
                       "  --after-a-blank-line \"a;b\" ;no-blank\n"
                       "title=A=B: C\n"
                       "output =\n"
                       "  x/${ds}\n"
                       "[store]\n"
                       "  root = /indented/first/key\n"
                       "[profile p]";
    const struct sg_ini_section *s;
    char diags[1000];
    struct parsed p;

    (void)state;
    parse(&p, text);
    assert_string_equal(
        told(&p, diags, sizeof(diags)),
        "f:12: \" ;\" on an indented line would become part of the value of command: "
        "put a comment on a line of its own, and write a semicolon without the blank "
        "before it, or in quotes of its own: \";\"");
    assert_int_equal(p.ini.n, 4);
    assert_string_equal(value_of(&p, SG_SECTION_GRAPH, "", "name"), "flights");
    assert_string_equal(value_of(&p, SG_SECTION_GRAPH, "", "end"), "");
    assert_string_equal(value_of(&p, SG_SECTION_STAGE, "bronze", "command"),
                        "bash x.sh --conf a=b --out ${output}");
    assert_string_equal(value_of(&p, SG_SECTION_STAGE, "bronze", "title"), "A=B: C");
    assert_string_equal(value_of(&p, SG_SECTION_STAGE, "bronze", "output"), "x/${ds}");
    assert_string_equal(value_of(&p, SG_SECTION_STORE, "", "root"), "/indented/first/key");
    assert_null(value_of(&p, SG_SECTION_STAGE, "silver", "title"));
    s = sg_ini_section(&p.ini, SG_SECTION_STAGE, "bronze");
    assert_non_null(s);
    assert_int_equal(s->line, 6);
    assert_int_equal(sg_ini_entry(s, "command")->line, 7);
    assert_int_equal(sg_ini_entry(s, "output")->line, 14);
    assert_int_equal(sg_ini_section(&p.ini, SG_SECTION_PROFILE, "p")->line, 18);
    done(&p);
}

#define FIFTY "x1234567890123456789012345678901234567890123456789"

static void what_inih_would_mangle_is_refused(void **state)
{
    static const struct {
        const char *label, *text, *told;
    } cases[] = {
        { "k: v", "[graph]\nname: x\n",
          "f:2: \"name:\" would be read as \"name =\": write name = x" },
        { "a colon before the equals sign", "[stage x]\nenv.A:B = c\n",
          "f:2: \"env.A:\" would be read as \"env.A =\": write env.A = B = c" },
        { "a quoted semicolon", "[stage x]\ncommand = sh -c 'a ; b'\n",
          "f:2: \" ;\" begins a comment, inside quotes too, and would cut the value of command: "
          "write the semicolon without the blank before it, or in quotes of its own: \";\"" },
        { "a quote that goes on below", "[stage x]\ncommand = sh -c 'a ; b\n  c'\n",
          "f:2: \" ;\" begins a comment, inside quotes too, and would cut the value of command: "
          "write the semicolon without the blank before it, or in quotes of its own: \";\"" },
        { "an escaped blank", "[stage x]\ncommand = find \\ ; x\n",
          "f:2: \" ;\" begins a comment, inside quotes too, and would cut the value of command: "
          "write the semicolon without the blank before it, or in quotes of its own: \";\"" },
        { "an apostrophe is no quote in a title", "[stage x]\ntitle = Don't ; a comment\n", "" },
        { "a plain comment", "[stage x]\ncommand = a 'b;c' \"d\" ; 'e\n", "" },
        { "an escaped semicolon", "[stage x]\ncommand = find -exec x {} \\;\n", "" },
        { "an indented key", "[stage x]\ncommand = a\n  output = y\n",
          "f:3: the indented \"output = y\" would be read as more of the value of command (line 2): "
          "begin the line with the key, or quote it if it is meant so" },
        { "an indented key without blanks", "[stage x]\ncommand = a\n  output=y\n",
          "f:3: the indented \"output=y\" would be read as more of the value of command (line 2): "
          "begin the line with the key, or quote it if it is meant so" },
        { "an indented env", "[stage x]\ncommand = a\n  env.A = y\n",
          "f:3: the indented \"env.A = y\" would be read as more of the value of command (line 2): "
          "begin the line with the key, or quote it if it is meant so" },
        { "an option with an equals sign", "[stage x]\ncommand = a\n  --conf a=b\n  x=1 y=2\n",
          "" },
        { "a quoted one", "[stage x]\ncommand = a\n  \"output\"=y 'output=y'\n", "" },
        { "a key of another section", "[stage x]\ncommand = dd\n  size=3\n", "" },
        { "an indented run option", "[profile p]\norder = oldest\n  window = 3\n",
          "f:3: the indented \"window = 3\" would be read as more of the value of order (line 2): "
          "begin the line with the key, or quote it if it is meant so" },
        { "an indented stage key", "[profile p]\norder = oldest\n  x.timeout = 3\n",
          "f:3: the indented \"x.timeout = 3\" would be read as more of the value of order (line 2): "
          "begin the line with the key, or quote it if it is meant so" },
        { "an indented param", "[profile p]\norder = oldest\n  mode = 3\n[param mode]\n",
          "f:3: the indented \"mode = 3\" would be read as more of the value of order (line 2): "
          "begin the line with the key, or quote it if it is meant so" },
        { "an indented header", "[graph]\nname = x\n  [stage y]\n",
          "f:3: the indented \"[stage y]\" would be read as more of the value of name: begin the "
          "line with the [" },
        { "an indented pattern", "[stage x]\ncode = a\n  [a-z].py\n", "" },
        { "a name that is cut", "[stage " FIFTY "]\n",
          "f:1: a section name of 56 bytes, 49 are read: choose a shorter one" },
        { "a key that is cut", "[graph]\n" FIFTY " = y\n",
          "f:2: a key of 50 bytes, 49 are read: choose a shorter one" },
        { "no equals sign", "[graph]\nname\n",
          "f:2: no \"=\" in \"name\": write key = value, or indent the line to go on with the value "
          "above" },
        { "an equals sign in a comment", "[graph]\nname ; x = y\n",
          "f:2: no \"=\" in \"name\": write key = value, or indent the line to go on with the value "
          "above" },
        { "no key", "[graph]\n= x\n", "f:2: \"=\" without a key before it" },
        { "no bracket", "[graph\nname = x\n", "f:1: a section without its ]" },
        { "text behind a header", "[graph] name = x\n",
          "f:1: what stands behind ] would be ignored: put it on a line of its own" },
        { "a comment in a header", "[stage ; x]\n", "f:1: a comment inside [ ]" },
        { "keys before sections", "name = x\n[graph]\n",
          "f:1: name = … before the first section: write [graph] above it" },
        { "unknown sections", "[stgae x]\nneeds = y\n[quux]\n",
          "f:1: unknown section [stgae]; did you mean [stage NAME]?\n"
          "f:3: unknown section [quux] (there are [graph], [store], [source NAME], [stage NAME], "
          "[param NAME], [pool NAME], [profile NAME], [yarn])" },
        { "a name too many", "[graph x]\n",
          "f:1: [graph x]: there is one [graph], without a name" },
        { "a name too few", "[stage]\n", "f:1: [stage] without a name: write [stage NAME]" },
        { "a second section", "[stage x]\n\n[stage y]\n[stage  x]\noutput = a\n",
          "f:4: a second [stage x]; the first is in line 1" },
        { "a second key", "[graph]\nname = a\nname = b\n  c\n",
          "f:3: a second name in [graph]; the first is in line 2" },
        { "a backslash as in a shell", "[stage x]\ncommand = a \\\n  b \\\\\n  c\n",
          "f:2: a backslash at the end of a line would protect the blank that follows: indented "
          "lines go on without it" },
        { "a control character", "[graph]\nname = a\033[1m\n", "f:2: a control character (\\x1b)" },
        { "a carriage return inside", "[graph]\rname = a\n", "f:1: a control character (\\x0d)" },
    };
    char diags[2000];
    struct parsed p;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        parse(&p, cases[i].text);
        if (strcmp(told(&p, diags, sizeof(diags)), cases[i].told) != 0)
            fail_msg("%s:\n%s\nnot\n%s", cases[i].label, diags, cases[i].told);
        done(&p);
    }
}

static void lines_of_199_bytes_are_read_whole_and_longer_ones_refused(void **state)
{
    char text[1000], diags[200];
    struct parsed p;
    size_t n;

    (void)state;
    for (size_t len = 195; len < 205; len++) {
        n = (size_t)sprintf(text, "[graph]\nname = ");
        memset(text + n, 'x', len - 7);
        n += len - 7;
        n += (size_t)sprintf(text + n, "%s\n  more\n;", len % 2 ? "   " : "\r");
        memset(text + n, ' ', 400); /* a comment may have any length */
        memcpy(text + n + 400, "\n", 2);
        parse(&p, text);
        if (len <= 199) {
            assert_int_equal(p.diags.n, 0);
            assert_int_equal(strlen(value_of(&p, SG_SECTION_GRAPH, "", "name")), len - 7 + 5);
        } else {
            snprintf(text, sizeof(text),
                     "f:2: a line of %zu bytes, 199 are read: go on in an indented line below",
                     len);
            assert_string_equal(told(&p, diags, sizeof(diags)), text);
        }
        done(&p);
    }
}

static void a_refused_line_takes_what_belongs_to_it_along(void **state)
{
    struct parsed p;

    (void)state;
    /* Neither the key's more nor the section's keys end up with what stands above. */
    parse(&p, "[graph]\nname = a\nstate: b\n  c\n[stagee x]\nname = d\n  e\nstart = f\n[store]\n"
              "root: x\nroot = y\n");
    assert_int_equal(p.diags.n, 3);
    assert_string_equal(value_of(&p, SG_SECTION_GRAPH, "", "name"), "a");
    assert_null(value_of(&p, SG_SECTION_GRAPH, "", "state")); /* refused, but known to be there */
    assert_int_equal(sg_ini_section(&p.ini, SG_SECTION_GRAPH, "")->n, 2);
    assert_true(sg_ini_section(&p.ini, SG_SECTION_GRAPH, "")->entries[1].refused);
    assert_string_equal(value_of(&p, SG_SECTION_STORE, "", "root"), "y");
    done(&p);
}

static void a_file_that_is_no_text_is_one_error(void **state)
{
    static const char utf16[] = "\xff\xfe[\0g\0r\0a\0p\0h\0]\0\n\0";
    char diags[200];
    struct parsed p;

    (void)state;
    parse_span(&p, (struct sg_span){ .at = utf16, .len = sizeof(utf16) - 1 });
    assert_string_equal(told(&p, diags, sizeof(diags)),
                        "f:1: a NUL byte: save the file as UTF-8 text");
    done(&p);
    parse(&p, "");
    assert_int_equal(p.diags.n, 0);
    assert_int_equal(p.ini.n, 0);
    done(&p);
}

static void a_file_that_cannot_be_read_says_why(void **state)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_ini ini;

    (void)state;
    assert_false(sg_ini_read(&a, "/nonexistent/x.ini", &ini, &diags, &err));
    assert_int_equal(err.code, SG_ERROR_GRAPH);
    assert_string_equal(err.text,
                        "open the graph file /nonexistent/x.ini: No such file or directory");
    err = (struct sg_error)SG_ERROR_INIT;
    assert_false(sg_ini_read(&a, "/tmp", &ini, &diags, &err));
    assert_string_equal(err.text, "the graph file /tmp: read: Is a directory");
    err = (struct sg_error)SG_ERROR_INIT;
    assert_false(sg_ini_read(&a, "/dev/zero", &ini, &diags, &err));
    assert_int_equal(err.code, SG_ERROR_GRAPH); /* and not of the machine */
    assert_string_equal(err.text, "the graph file /dev/zero: more than 16 MiB: is it one?");
    assert_int_equal(diags.n, 0);
    sg_arena_done(&a);
}

/* Whatever it is fed, every entry has a value, and nothing is read or written out of bounds. */
static void nonsense_is_survived(void **state)
{
    static const char *const pieces[] = { "[graph]", "[stage x]", "\n",   "  ",   "name",   " = ",
                                          ";",       " ;",        "'",    "\"",   "\\",     "]",
                                          "[",       ":",         "\r\n", "\t",   "x=y",    "${",
                                          "output",  "#",         "\xff", "env.", "command" };
    const size_t n_pieces = sizeof(pieces) / sizeof(pieces[0]);
    uint64_t seed = 99;
    char text[1000];
    struct parsed p;
    size_t n;

    (void)state;
    for (int round = 0; round < 5000; round++) {
        n = 0;
        for (int i = 0; i < 60; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            n += (size_t)sprintf(text + n, "%s", pieces[(seed >> 33) % n_pieces]);
        }
        parse(&p, text);
        for (size_t i = 0; i < p.ini.n; i++) {
            for (size_t k = 0; k < p.ini.sections[i].n; k++)
                assert_non_null(p.ini.sections[i].entries[k].value);
        }
        done(&p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_with_their_lines),
        cmocka_unit_test(what_inih_would_mangle_is_refused),
        cmocka_unit_test(lines_of_199_bytes_are_read_whole_and_longer_ones_refused),
        cmocka_unit_test(a_refused_line_takes_what_belongs_to_it_along),
        cmocka_unit_test(a_file_that_is_no_text_is_one_error),
        cmocka_unit_test(a_file_that_cannot_be_read_says_why),
        cmocka_unit_test(nonsense_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
