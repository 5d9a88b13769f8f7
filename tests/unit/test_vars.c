/* What a job is told: its words, its environment, its files. */
#include "stagegraph/vars.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define NONCE "0123456789abcdef0123456789abcdef"

struct telling {
    struct world w;
    struct sg_arena arena;
    struct sg_vars v;
    struct sg_words argv, envp;
    char joined[4000];
};

static void check(bool ok, const struct sg_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static void open_graph(struct telling *t, const char *graph)
{
    memset(t, 0, sizeof(*t));
    world_open(&t->w, graph);
}

/* The job of the partitions from `node` to `last` (NULL: of one). */
static void set_job(struct telling *t, const char *node, const char *last, uint32_t count)
{
    sg_vars_done(&t->v);
    memset(&t->v, 0, sizeof(t->v));
    t->v.arena = &t->arena;
    t->v.graph = t->w.graph;
    world_parse(&t->w, node, &t->v.stage, &t->v.first);
    t->v.last = t->v.first;
    if (last != NULL)
        world_parse(&t->w, last, &t->v.stage, &t->v.last);
    t->v.count = count;
    t->v.root = "/warehouse";
    t->v.run_id = "20240101T060012-3f2a9c";
    t->v.attempt = 2;
    t->v.nonce = NONCE;
    t->v.files = (struct sg_vars_files){ "/s/partitions", "/s/inputs", "/s/done", "/s/version" };
}

static void open_job(struct telling *t, const char *graph, const char *node)
{
    open_graph(t, graph);
    set_job(t, node, NULL, 1);
}

static void close_job(struct telling *t)
{
    sg_words_done(&t->argv);
    sg_words_done(&t->envp);
    sg_vars_done(&t->v);
    sg_arena_done(&t->arena);
    world_close(&t->w);
}

/* The words, with a bar between two. */
static const char *words(struct telling *t, bool is_check)
{
    struct sg_error err = SG_ERROR_INIT;
    size_t n = 0;

    sg_words_done(&t->argv);
    check(sg_vars_argv(&t->v, is_check, &t->argv, &err), &err);
    t->joined[0] = '\0';
    for (size_t i = 0; i < t->argv.n; i++)
        n += (size_t)snprintf(t->joined + n, sizeof(t->joined) - n, "%s%s", i ? "|" : "",
                              t->argv.at[i]);
    return t->joined;
}

static const char *words_fail(struct telling *t)
{
    static struct sg_error err;

    sg_error_clear(&err);
    sg_words_done(&t->argv);
    assert_false(sg_vars_argv(&t->v, false, &t->argv, &err));
    assert_int_equal(err.code, SG_ERROR_GRAPH);
    return err.text;
}

static void make_env(struct telling *t, char *const *caller)
{
    struct sg_error err = SG_ERROR_INIT;

    sg_words_done(&t->envp);
    check(sg_vars_envp(&t->v, caller, &t->envp, &err), &err);
}

/* Its value; fails if it is there twice. NULL: it is not there. */
static const char *env(const struct telling *t, const char *name)
{
    const char *value = NULL;
    size_t n = strlen(name);

    for (size_t i = 0; i < t->envp.n; i++)
        if (strncmp(t->envp.at[i], name, n) == 0 && t->envp.at[i][n] == '=') {
            if (value != NULL)
                fail_msg("%s is there twice", name);
            value = t->envp.at[i] + n + 1;
        }
    assert_true(t->envp.at[t->envp.n] == NULL);
    return value;
}

static void assert_env(const struct telling *t, const char *name, const char *value)
{
    const char *is = env(t, name);

    if (is == NULL || strcmp(is, value) != 0)
        fail_msg("%s=%s, not %s", name, is ? is : "(not there)", value);
}

/* ---- variables ---- */

#define TIMES                                                                                      \
    "${start}", "${end}", "${start_epoch}", "${end_epoch}", "${ds}", "${end_ds}", "${YYYY}",       \
        "${MM}", "${DD}", "${HH}", "${mm}"

static void each_calendar_has_its_times(void **state)
{
    static const struct {
        const char *partition, *zone, *label, *expected;
    } rows[] = {
        { "15m", "UTC", "@2024-01-01T0515",
          "2024-01-01T05:15:00Z|2024-01-01T05:30:00Z|1704086100|1704087000|2024-01-01|2024-01-01|"
          "2024|01|01|05|15" },
        { "15m", "America/New_York", "@2024-01-01T2345", /* on UTC whatever the zone */
          "2024-01-01T23:45:00Z|2024-01-02T00:00:00Z|1704152700|1704153600|2024-01-01|2024-01-01|"
          "2024|01|01|23|45" },
        { "hour", "America/New_York", "@2024-01-01T23",
          "2024-01-01T23:00:00Z|2024-01-02T00:00:00Z|1704150000|1704153600|2024-01-01|2024-01-01|"
          "2024|01|01|23|00" },
        { "hour", "UTC", "@1969-12-31T22", /* before 1970 */
          "1969-12-31T22:00:00Z|1969-12-31T23:00:00Z|-7200|-3600|1969-12-31|1969-12-31|"
          "1969|12|31|22|00" },
        { "day", "UTC", "@2024-02-29",
          "2024-02-29T00:00:00Z|2024-03-01T00:00:00Z|1709164800|1709251200|2024-02-29|2024-02-29|"
          "2024|02|29|00|00" },
        { "day", "America/New_York", "@2024-03-10", /* 23 hours */
          "2024-03-10T05:00:00Z|2024-03-11T04:00:00Z|1710046800|1710129600|2024-03-10|2024-03-10|"
          "2024|03|10|00|00" },
        { "day", "America/New_York", "@2024-11-03", /* 25 hours */
          "2024-11-03T04:00:00Z|2024-11-04T05:00:00Z|1730606400|1730696400|2024-11-03|2024-11-03|"
          "2024|11|03|00|00" },
        { "week", "America/New_York", "@2024-W10",
          "2024-03-04T05:00:00Z|2024-03-11T04:00:00Z|1709528400|1710129600|2024-03-04|2024-03-10|"
          "2024|03|04|00|00" },
        { "week", "UTC", "@2025-W01", /* begins in the year before */
          "2024-12-30T00:00:00Z|2025-01-06T00:00:00Z|1735516800|1736121600|2024-12-30|2025-01-05|"
          "2024|12|30|00|00" },
        { "month", "America/New_York", "@2024-03",
          "2024-03-01T05:00:00Z|2024-04-01T04:00:00Z|1709269200|1711944000|2024-03-01|2024-03-31|"
          "2024|03|01|00|00" },
        { "once", "UTC", "", "||||||||||" },
    };
    static const char *const vars[] = { TIMES };
    char graph[2000], node[64], single[64];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct telling t;
        const char *value;
        size_t n = 0;

        n +=
            (size_t)snprintf(graph, sizeof(graph),
                             "[graph]\nstart = %s\ntimezone = %s\n[store]\nroot = s\n"
                             "[stage a]\npartition = %s\noutput = a/x%s\ncommand =",
                             strstr(rows[i].label, "1969") ? "1969-01-01" : "2024-01-01",
                             rows[i].zone, rows[i].partition, *rows[i].label ? "${partition}" : "");
        for (size_t k = 0; k < sizeof(vars) / sizeof(vars[0]); k++)
            n += (size_t)snprintf(graph + n, sizeof(graph) - n, " \"%s\"", vars[k]);
        (void)snprintf(graph + n, sizeof(graph) - n, "\n");
        (void)snprintf(node, sizeof(node), "a%s", rows[i].label);
        open_job(&t, graph, node);
        if (strcmp(words(&t, false), rows[i].expected) != 0)
            fail_msg("%s %s: %s", rows[i].partition, node, t.joined);
        /* and the environment says the same */
        make_env(&t, NULL);
        for (size_t k = 0; k < sizeof(vars) / sizeof(vars[0]); k++) {
            (void)snprintf(single, sizeof(single), "STAGEGRAPH_%.*s", (int)strlen(vars[k]) - 3,
                           vars[k] + 2);
            for (char *c = single; *c; c++)
                *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
            value = env(&t, k == 10 ? "STAGEGRAPH_MINUTE" : single);
            if (value == NULL || strcmp(value, t.argv.at[k]) != 0)
                fail_msg("%s %s: %s=%s", rows[i].partition, node, single, value ? value : "");
        }
        close_job(&t);
    }
}

static void a_batch_spans_its_members(void **state)
{
    static const char graph[] =
        HEAD "[stage a]\nbatch = 24\ncommand = ${start} ${end} ${start_epoch} ${end_epoch} ${ds} "
             "${end_ds} ${count}\noutput = a/${ds}/${HH}\n";
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf text = SG_BUF_INIT;
    struct telling t;

    (void)state;
    open_graph(&t, graph);
    set_job(&t, "a@2024-01-01T23", "a@2024-01-02T01", 3);
    assert_string_equal(words(&t, false), "2024-01-01T23:00:00Z|2024-01-02T02:00:00Z|1704150000|"
                                          "1704160800|2024-01-01|2024-01-02|3");
    assert_true(sg_vars_partitions_text(&t.v, &text, &err));
    assert_string_equal(sg_buf_text(&text), "2024-01-01T23\n2024-01-02T00\n2024-01-02T01\n");
    make_env(&t, NULL);
    assert_env(&t, "STAGEGRAPH_COUNT", "3");
    assert_null(env(&t, "STAGEGRAPH_OUTPUT")); /* of one partition */
    assert_null(env(&t, "STAGEGRAPH_PARTITION"));
    assert_null(env(&t, "STAGEGRAPH_HH"));
    sg_buf_done(&text);
    close_job(&t);
}

static void a_day_that_never_was_is_not_listed(void **state)
{
    static const char graph[] =
        "[graph]\nstart = 2011-12-01\ntimezone = Pacific/Apia\n[store]\nroot = s\n"
        "[stage a]\npartition = day\nbatch = 7\ncommand = a ${count}\noutput = a/${ds}\n";
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf text = SG_BUF_INIT;
    struct telling t;

    (void)state;
    open_graph(&t, graph);
    set_job(&t, "a@2011-12-29", "a@2011-12-31", 2); /* the 30th was left out */
    assert_true(sg_vars_partitions_text(&t.v, &text, &err));
    assert_string_equal(sg_buf_text(&text), "2011-12-29\n2011-12-31\n");
    sg_buf_done(&text);
    close_job(&t);
}

static void a_variable_of_one_partition_has_no_value_in_a_batch(void **state)
{
    static const char *const vars[] = { "output", "partition", "node", "YYYY",
                                        "MM",     "DD",        "HH",   "mm" };
    char graph[400], expected[100];

    (void)state;
    for (size_t i = 0; i < sizeof(vars) / sizeof(vars[0]); i++) {
        struct telling t;

        (void)snprintf(graph, sizeof(graph),
                       HEAD "[stage a]\ncommand = a ${%s}\noutput = a/${ds}/${HH}\n", vars[i]);
        open_graph(&t, graph);
        set_job(&t, "a@2024-01-01T00", "a@2024-01-01T01", 2);
        (void)snprintf(expected, sizeof(expected),
                       "command of stage a: ${%s} is of one partition, and this job has 2",
                       vars[i]);
        assert_string_equal(words_fail(&t), expected);
        close_job(&t);
    }
}

static void the_rest_of_the_variables(void **state)
{
    static const struct {
        const char *var, *expected; /* %s: the scratch directory */
    } rows[] = {
        { "count", "1" },
        { "partitions", "/s/partitions" },
        { "root", "/warehouse" },
        { "output_root", "/warehouse/a" },
        { "stage", "a" },
        { "graph", "flights" },
        { "attempt", "2" },
        { "run_id", "20240101T060012-3f2a9c" },
        { "state_dir", "%s/.stagegraph" },
        { "output", "/warehouse/a/2024-01-01/hr=05" },
        { "partition", "2024-01-01T05" },
        { "node", "a@2024-01-01T05" },
    };
    char graph[400], expected[400], name[64];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct telling t;

        (void)snprintf(graph, sizeof(graph),
                       "[graph]\nname = flights\nstart = 2024-01-01\npartition = hour\n"
                       "[store]\nroot = s\n"
                       "[stage a]\ncommand = ${%s}\noutput = a/${ds}/hr=${HH}\n",
                       rows[i].var);
        open_job(&t, graph, "a@2024-01-01T05");
        if (strncmp(rows[i].expected, "%s", 2) == 0)
            (void)snprintf(expected, sizeof(expected), "%s%s", t.w.scratch.dir,
                           rows[i].expected + 2);
        else
            (void)snprintf(expected, sizeof(expected), "%s", rows[i].expected);
        if (strcmp(words(&t, false), expected) != 0)
            fail_msg("%s: %s", rows[i].var, t.joined);
        (void)snprintf(name, sizeof(name), "STAGEGRAPH_%s", rows[i].var);
        for (char *c = name; *c; c++)
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        make_env(&t, NULL);
        assert_env(&t, name, expected);
        close_job(&t);
    }
}

static void the_output_root_is_what_comes_before_the_first_variable(void **state)
{
    static const struct {
        const char *output, *expected;
    } rows[] = {
        { "a/${ds}", "/warehouse/a" },    { "a/b/dt=${ds}", "/warehouse/a/b" },
        { "dt=${ds}", "/warehouse" },     { "${ds}/a", "/warehouse" },
        { "a/b${ds}/c", "/warehouse/a" }, { "a$$b/${ds}", "/warehouse/a$b" },
        { "a/x$$${ds}", "/warehouse/a" },
    };
    char graph[400];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct telling t;

        (void)snprintf(graph, sizeof(graph),
                       HEAD "[stage a]\npartition = day\ncommand = ${output_root}\noutput = %s\n",
                       rows[i].output);
        open_job(&t, graph, "a@2024-01-01");
        if (strcmp(words(&t, false), rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].output, t.joined);
        close_job(&t);
    }
    for (int i = 0; i < 2; i++) { /* without a variable it is the output */
        struct telling t;

        (void)snprintf(graph, sizeof(graph),
                       HEAD "[stage a]\npartition = once\ncommand = ${output_root}\noutput = %s\n",
                       i ? "dims/a" : "dims");
        open_job(&t, graph, "a");
        assert_string_equal(words(&t, false), i ? "/warehouse/dims/a" : "/warehouse/dims");
        close_job(&t);
    }
}

static void outputs_are_uris_where_the_root_is_one(void **state)
{
    struct telling t;

    (void)state;
    open_job(&t,
             HEAD "[stage a]\ncommand = ${output} ${output_root} ${root}\noutput = a/${ds}/${HH}\n",
             "a@2024-01-01T05");
    t.v.root = "hdfs://ns1/warehouse";
    assert_string_equal(words(&t, false),
                        "hdfs://ns1/warehouse/a/2024-01-01/05|hdfs://ns1/warehouse/a|"
                        "hdfs://ns1/warehouse");
    close_job(&t);
}

static void a_root_that_ends_in_a_slash_gets_no_second_one(void **state)
{
    struct telling t;

    (void)state;
    open_job(&t,
             HEAD "[stage a]\ncommand = ${output} ${output_root} ${root}\noutput = a/${ds}/${HH}\n",
             "a@2024-01-01T05");
    t.v.root = "/";
    assert_string_equal(words(&t, false), "/a/2024-01-01/05|/a|/");
    t.v.root = "file:///";
    assert_string_equal(words(&t, false), "file:///a/2024-01-01/05|file:///a|file:///");
    close_job(&t);
}

/* ---- words ---- */

#define PARAMS                                                                                     \
    "[param mode]\ndefault = full\n[param skip]\ntype = bool\ndefault = no\n[param other]\n"       \
    "default = o\n"

static void words_are_split_before_values_come_in(void **state)
{
    static const struct {
        const char *label, *command, *mode, *skip, *expected;
    } rows[] = {
        { "a plain value", "a --mode ${mode}", "x", "no", "a|--mode|x" },
        { "blanks", "a --mode ${mode}", "x y  z", "no", "a|--mode|x y  z" },
        { "quotes", "a ${mode}", "\"x\" 'y'", "no", "a|\"x\" 'y'" },
        { "a command", "a ${mode}", "; rm -rf / $(id) `id`", "no", "a|; rm -rf / $(id) `id`" },
        { "a variable in a value", "a ${mode}", "${ds} $$", "no", "a|${ds} $$" },
        { "a star", "a ${mode}", "*", "no", "a|*" },
        { "a flag that is off", "a ${skip:+--skip-validation} b", "x", "no", "a|b" },
        { "a flag that is on", "a ${skip:+--skip-validation} b", "x", "yes",
          "a|--skip-validation|b" },
        { "a bool", "a ${skip} b", "x", "yes", "a|true|b" },
        { "a default", "a ${skip:-none}", "x", "no", "a|none" },
        { "empty and unquoted", "a ${mode} b", "", "no", "a|b" },
        { "empty and quoted", "a \"${mode}\" b", "", "no", "a||b" },
        { "empty with text", "a m=${mode} b", "", "no", "a|m=|b" },
        { "a dollar", "a $$HOME", "x", "no", "a|$HOME" },
    };
    char graph[800];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct telling t;

        (void)snprintf(graph, sizeof(graph),
                       HEAD PARAMS "[stage a]\ncommand = %s\noutput = a/${ds}/${HH}\n",
                       rows[i].command);
        open_graph(&t, graph);
        world_param(&t.w, rows[i].skip[0] == 'y' ? "skip" : "mode",
                    rows[i].skip[0] == 'y' ? "yes" : rows[i].mode);
        set_job(&t, "a@2024-01-01T05", NULL, 1);
        if (strcmp(words(&t, false), rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].label, t.joined);
        close_job(&t);
    }
}

static void options_are_words_and_are_expanded_once(void **state)
{
    static const struct {
        const char *label, *options, *command, *expected;
    } rows[] = {
        { "a list", "--conf a=b --x", "a ${options} z", "a|--conf|a=b|--x|z" },
        { "quoted in the list", "--conf \"a=b c\"", "a ${options}", "a|--conf|a=b c" },
        { "none", "", "a ${options} z", "a|z" },
        { "variables", "--day ${ds} ${skip:+--skip}", "a ${options}", "a|--day|2024-01-01" },
        { "a value with blanks", "--mode ${mode}", "a ${options}", "a|--mode|x y ${ds}" },
        { "inputs", "--in ${input.landing}", "a ${options}",
          "a|--in|/warehouse/landing/4|/warehouse/landing/5" },
        { "within a word", "--a --b", "a opts=${options}", "a|opts=--a --b" },
        { "if there are some", "--a", "a ${options:+--with-options}", "a|--with-options" },
    };
    static const char *labels[] = { "2024-01-01T04", "2024-01-01T05" };
    static const char *uris[] = { "/warehouse/landing/4", "/warehouse/landing/5" };
    struct sg_vars_input in = {
        .need = "landing@-1..0", .stage = "landing", .labels = labels, .uris = uris, .n = 2
    };
    char graph[900];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct telling t;

        (void)snprintf(graph, sizeof(graph),
                       HEAD LANDING PARAMS
                       "[stage a]\nneeds = landing@-1..0\ncommand = %s\noptions = %s\n"
                       "output = a/${ds}/${HH}\n",
                       rows[i].command, rows[i].options);
        open_graph(&t, graph);
        world_param(&t.w, "mode", "x y ${ds}");
        set_job(&t, "a@2024-01-01T05", NULL, 1);
        t.v.inputs = &in;
        t.v.n_inputs = 1;
        if (strcmp(words(&t, false), rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].label, t.joined);
        assert_string_equal(words(&t, false), rows[i].expected); /* and a second time */
        close_job(&t);
    }
}

static void inputs_are_the_partitions_that_are_there(void **state)
{
    static const char *hours[] = { "2024-01-01T04", "2024-01-01T05" }, *once[] = { "" };
    static const char *hour_uris[] = { "/warehouse/landing/4", "/warehouse/landing/5 x" };
    static const char *dim_uris[] = { "/warehouse/dim" };
    struct sg_vars_input inputs[] = {
        { "landing@-1..0", "landing", hours, hour_uris, 2 },
        { "late?", "late", NULL, NULL, 0 },
        { "|dim", "dim", once, dim_uris, 1 },
    };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf text = SG_BUF_INIT;
    struct telling t;

    (void)state;
    open_job(&t,
             HEAD LANDING "[source late]\npath = late/${ds}/${HH}\n"
                          "[source dim]\npartition = once\npath = dim\n"
                          "[stage a]\nneeds = landing@-1..0 late? |dim\n"
                          "command = a ${input.landing} ${input.late} ${input.dim} "
                          "\"${input.landing}\" ${input.late:-none}\n"
                          "check = test ${input.dim}\n"
                          "output = a/${ds}/${HH}\n",
             "a@2024-01-01T05");
    t.v.inputs = inputs;
    t.v.n_inputs = 3;
    assert_string_equal(words(&t, false), "a|/warehouse/landing/4|/warehouse/landing/5 x|"
                                          "/warehouse/dim|"
                                          "/warehouse/landing/4 /warehouse/landing/5 x|none");
    assert_string_equal(words(&t, true), "test|/warehouse/dim");
    assert_true(sg_vars_inputs_text(&t.v, &text, &err));
    assert_string_equal(sg_buf_text(&text), "landing@-1..0\t2024-01-01T04\t/warehouse/landing/4\n"
                                            "landing@-1..0\t2024-01-01T05\t/warehouse/landing/5 x\n"
                                            "|dim\t\t/warehouse/dim\n");
    sg_buf_done(&text);
    close_job(&t);
}

static void a_command_that_comes_out_empty_is_an_error(void **state)
{
    struct telling t;

    (void)state;
    open_graph(&t, HEAD PARAMS "[stage a]\ncommand = ${mode}\noutput = a/${ds}/${HH}\n");
    world_param(&t.w, "mode", "");
    set_job(&t, "a@2024-01-01T05", NULL, 1);
    assert_string_equal(words_fail(&t), "command of stage a comes out without a word");
    close_job(&t);
}

/* ---- the environment ---- */

static void the_environment_is_the_callers_then_ours_then_the_stages(void **state)
{
    char *const caller[] = { (char[]){ "PATH=/bin" },
                             (char[]){ "TZ=caller" },
                             (char[]){ "TWICE=1" },
                             (char[]){ "TWICE=2" },
                             (char[]){ "PYTHONUNBUFFERED=" },
                             (char[]){ "STAGEGRAPH_NOW=2020-01-01" },
                             (char[]){ "STAGEGRAPH_PARAM_OLD=1" },
                             (char[]){ "STAGEGRAPH_NONCE=outer" },
                             (char[]){ "STAGEGRAPHICS=kept" },
                             (char[]){ "WITHOUT_EQUALS" },
                             NULL };
    struct telling t;

    (void)state;
    open_job(&t,
             HEAD PARAMS "[stage a]\ncommand = a ${mode} ${skip}\nenv.TZ = ${ds} x\n"
                         "env.TWICE = one\nenv.EMPTY = ${skip}\n"
                         "output = a/${ds}/${HH}\n",
             "a@2024-01-01T05");
    make_env(&t, caller);
    assert_env(&t, "PATH", "/bin");
    assert_env(&t, "TZ", "2024-01-01 x"); /* env.NAME wins, and is one text */
    assert_env(&t, "TWICE", "one");       /* over all that there are */
    assert_env(&t, "EMPTY", "");
    assert_env(&t, "PYTHONUNBUFFERED", "1");
    assert_env(&t, "STAGEGRAPHICS", "kept");
    assert_null(env(&t, "STAGEGRAPH_NOW")); /* of an outer job */
    assert_null(env(&t, "STAGEGRAPH_PARAM_OLD"));
    assert_env(&t, "STAGEGRAPH_NONCE", NONCE);
    assert_env(&t, "STAGEGRAPH_INPUTS_FILE", "/s/inputs");
    assert_env(&t, "STAGEGRAPH_DONE_FILE", "/s/done");
    assert_env(&t, "STAGEGRAPH_VERSION_FILE", "/s/version");
    assert_env(&t, "STAGEGRAPH_PARAM_MODE", "full");
    assert_env(&t, "STAGEGRAPH_PARAM_SKIP", "");
    assert_null(env(&t, "STAGEGRAPH_PARAM_OTHER")); /* which the stage does not use */
    make_env(&t, NULL);
    assert_null(env(&t, "PATH"));
    close_job(&t);
}

static void env_name_can_set_what_is_ours_by_default(void **state)
{
    struct telling t;

    (void)state;
    open_job(&t, HEAD "[stage a]\ncommand = a\nenv.PYTHONUNBUFFERED = 0\noutput = a/${ds}/${HH}\n",
             "a@2024-01-01T05");
    make_env(&t, NULL);
    assert_env(&t, "PYTHONUNBUFFERED", "0");
    close_job(&t);
}

/* The caller's text, what comes of it; NULL: it has none. */
static void spark_is_told_the_tag_beside_those_that_are_there(void **state)
{
#define TAG  "stagegraph-" NONCE
#define TAGS "-Dspark.yarn.tags="
    static const struct {
        const char *was, *is;
    } rows[] = {
        { NULL, TAGS TAG },
        { "", TAGS TAG },
        { "-Da=b -Xmx1g", "-Da=b -Xmx1g " TAGS TAG },
        { "-Da=b " TAGS "mine,too -Dc=d", "-Da=b " TAGS TAG ",mine,too -Dc=d" },
        { "\"" TAGS "mine\" " TAGS "x", "\"" TAGS TAG ",mine\" " TAGS TAG ",x" },
    };
    struct telling t;

    (void)state;
    open_job(&t, HEAD "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n", "a@2024-01-01T05");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[200], *caller[] = { rows[i].was != NULL ? text : NULL, NULL };

        snprintf(text, sizeof(text), "SPARK_SUBMIT_OPTS=%s",
                 rows[i].was != NULL ? rows[i].was : "");

        t.v.spark_tag = true;
        make_env(&t, caller);
        assert_env(&t, "SPARK_SUBMIT_OPTS", rows[i].is);
        assert_env(&t, "STAGEGRAPH_YARN_TAG", TAG);
        t.v.spark_tag = false;
        make_env(&t, caller);
        if (rows[i].was == NULL)
            assert_null(env(&t, "SPARK_SUBMIT_OPTS"));
        else
            assert_env(&t, "SPARK_SUBMIT_OPTS", rows[i].was);
    }
    close_job(&t);
}

static void a_uri_is_the_root_and_a_path(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_arena a = SG_ARENA_INIT;

    (void)state;
    assert_string_equal(sg_vars_uri(&a, "/w", "a/b", &err), "/w/a/b");
    assert_string_equal(sg_vars_uri(&a, "hdfs://ns/w", "a b", &err), "hdfs://ns/w/a b"); /* raw */
    assert_string_equal(sg_vars_uri(&a, "/w", "", &err), "/w");
    assert_string_equal(sg_vars_uri(&a, "/", "a/b", &err), "/a/b");
    assert_string_equal(sg_vars_uri(&a, "file:///", "a/b", &err), "file:///a/b");
    sg_arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_calendar_has_its_times),
        cmocka_unit_test(a_batch_spans_its_members),
        cmocka_unit_test(a_day_that_never_was_is_not_listed),
        cmocka_unit_test(a_variable_of_one_partition_has_no_value_in_a_batch),
        cmocka_unit_test(the_rest_of_the_variables),
        cmocka_unit_test(the_output_root_is_what_comes_before_the_first_variable),
        cmocka_unit_test(outputs_are_uris_where_the_root_is_one),
        cmocka_unit_test(a_root_that_ends_in_a_slash_gets_no_second_one),
        cmocka_unit_test(words_are_split_before_values_come_in),
        cmocka_unit_test(options_are_words_and_are_expanded_once),
        cmocka_unit_test(inputs_are_the_partitions_that_are_there),
        cmocka_unit_test(a_command_that_comes_out_empty_is_an_error),
        cmocka_unit_test(the_environment_is_the_callers_then_ours_then_the_stages),
        cmocka_unit_test(env_name_can_set_what_is_ours_by_default),
        cmocka_unit_test(spark_is_told_the_tag_beside_those_that_are_there),
        cmocka_unit_test(a_uri_is_the_root_and_a_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
