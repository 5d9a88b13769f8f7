/* The words of the command line, the params of a graph and the options of its profiles. */
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/keys.h"

#include "world.h"

#define RUN                                                                                        \
    (SG_GROUP_GLOBAL | SG_GROUP_RANGE | SG_GROUP_SELECT | SG_GROUP_PROFILE | SG_GROUP_RUN |        \
     SG_GROUP_OUTPUT)
#define PLAN                                                                                       \
    (SG_GROUP_GLOBAL | SG_GROUP_RANGE | SG_GROUP_SELECT | SG_GROUP_PROFILE | SG_GROUP_OUTPUT |     \
     SG_GROUP_PLAN)

#define GRAPH                                                                                      \
    HEAD "[source landing]\npath = landing/${ds}/${HH}\n"                                          \
         "[stage bronze]\nneeds = landing\ncommand = b\noutput = bronze/${ds}/${HH}\n"             \
         "[stage my_silver]\nneeds = bronze\ncommand = s\noutput = silver/${ds}/${HH}\n"           \
         "[stage the-gold]\nneeds = bronze\ncommand = g\noutput = gold/${ds}/${HH}\n"              \
         "[param bronze_mode]\ndefault = upsert\n"                                                 \
         "[param skip_validation]\ntype = bool\ndefault = no\n"                                    \
         "[param day]\ntype = date\ndefault = 2024-01-01\n"

struct line {
    struct world w;
    struct sg_arena arena;
    struct sg_options o;
    struct sg_error err;
    char text[400]; /* the words, cut */
    char *argv[32];
};

static void open_line(struct line *l, const char *graph)
{
    memset(l, 0, sizeof(*l));
    world_open(&l->w, graph);
}

static void close_line(struct line *l)
{
    sg_arena_done(&l->arena);
    world_close(&l->w);
}

/* Words after blanks; "~" is an empty one. */
static bool parse(struct line *l, const char *line, unsigned groups, bool words, bool graph)
{
    size_t n = 0;

    sg_arena_done(&l->arena);
    memset(&l->o, 0, sizeof(l->o));
    sg_error_clear(&l->err);
    (void)snprintf(l->text, sizeof(l->text), "%s", line);
    for (char *c = strtok(l->text, " "); c; c = strtok(NULL, " "))
        l->argv[n++] = strcmp(c, "~") == 0 ? c + 1 : c;
    l->argv[n] = NULL;
    return sg_options_parse(&l->o, &l->arena, l->argv, groups, words, graph ? l->w.graph : NULL,
                            &l->err);
}

static bool parse_run(struct line *l, const char *line)
{
    return parse(l, line, RUN, true, true);
}

/* Everything that was given, in the order of the table. */
static const char *said(const struct line *l)
{
    static char text[1000];
    size_t n = 0;

    text[0] = '\0';
#define SAY(...) n += (size_t)snprintf(text + n, sizeof(text) - n, __VA_ARGS__)
    for (size_t i = 0; i < SG_OPT_COUNT; i++)
        if (l->o.value[i])
            SAY("%s%s=%s", n ? " " : "", sg_option_table[i].name, l->o.value[i]);
    for (size_t i = 0; i < l->o.n_sets; i++)
        SAY("%sset:%s=%s", n ? " " : "", l->o.sets[i].key, l->o.sets[i].value);
    for (size_t i = 0; i < l->o.n_params; i++)
        SAY("%sparam:%s=%s", n ? " " : "", l->o.params[i].key, l->o.params[i].value);
    for (size_t i = 0; i < l->w.graph->n_stages; i++) {
        const char *name = l->w.graph->stages[i].name;

        if (l->o.stage_start && l->o.stage_start[i])
            SAY("%s%s:from=%s", n ? " " : "", name, l->o.stage_start[i]);
        if (l->o.stage_end && l->o.stage_end[i])
            SAY("%s%s:to=%s", n ? " " : "", name, l->o.stage_end[i]);
    }
    for (size_t i = 0; i < l->o.n_words; i++)
        SAY("%s[%s]", n ? " " : "", l->o.words[i]);
#undef SAY
    return text;
}

static void the_table_is_in_order_and_says_what_each_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < SG_OPT_COUNT; i++) {
        const struct sg_option *row = &sg_option_table[i];
        char help[SG_OPTION_HELP];

        assert_int_equal(row->id, i);
        /* of what is a key as well, the key's row is the one that says it */
        assert_true(!row->help == (sg_option_key(row) != NULL));
        if (!row->name || !*row->name || !*sg_option_help(row, help) || row->groups == 0 ||
            (row->arg == SG_ARG_NONE) != (row->metavar[0] == '\0'))
            fail_msg("row %zu, %s", i, row->name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(sg_option_table[k].name, row->name) == 0 ||
                (row->letter && sg_option_table[k].letter == row->letter))
                fail_msg("--%s and --%s are alike", row->name, sg_option_table[k].name);
    }
}

static void the_words_of_an_option_are_the_choices_of_its_key(void **state)
{
    size_t seen = 0;

    (void)state;
    for (size_t i = 0; i < SG_OPT_COUNT; i++) {
        const struct sg_option *row = &sg_option_table[i];
        const struct sg_key *k = sg_option_key(row);
        char help[SG_OPTION_HELP], all[200] = "";

        if (!k || !k->choices)
            continue;
        for (size_t c = 0; k->choices[c]; c++)
            (void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", c ? "|" : "",
                           k->choices[c]);
        if (k->type == SG_KEY_CHOICE)
            assert_string_equal(row->metavar, all);
        for (size_t c = 0; k->type == SG_KEY_CHOICES && k->choices[c]; c++)
            assert_non_null(strstr(sg_option_help(row, help), k->choices[c]));
        seen++;
    }
    assert_int_equal(seen, 3); /* stale, order, color */
}

static void what_a_key_bounds_is_bounded_on_the_command_line(void **state)
{
    static const struct {
        enum sg_option_id id;
        const char *value, *says; /* NULL: fine */
    } rows[] = {
        { SG_OPT_JOBS, "100000", NULL },
        { SG_OPT_JOBS, "100001", "--jobs 100001: expected a whole number from 1 to 100000" },
        { SG_OPT_KEEP_GOING, "0", NULL },
        { SG_OPT_KEEP_GOING, "-1", "--keep-going -1: expected a whole number from 0 to 1000000" },
        { SG_OPT_WINDOW, "0", "--window 0: expected a whole number from 1 to 10000000" },
        { SG_OPT_LOOKBACK, "0", NULL },
        { SG_OPT_ORDER, "newest", NULL },
        { SG_OPT_ORDER, "new", "--order new: expected newest or oldest" },
        { SG_OPT_COLOR, "red", "--color red: expected auto, always or never" },
        { SG_OPT_LIMIT, "x", NULL }, /* no key's: the command's to check */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_options o = { .value = { NULL } };
        struct sg_error err = SG_ERROR_INIT;

        o.value[rows[i].id] = rows[i].value;
        if (sg_options_check(&o, &err) != !rows[i].says ||
            (rows[i].says && strcmp(err.text, rows[i].says) != 0))
            fail_msg("%s: %s", rows[i].value, err.text);
    }
}

static void options_are_taken_in_all_their_forms(void **state)
{
    static const struct {
        const char *line, *expected;
    } rows[] = {
        { "", "" },
        { "--from 2024-01-01 --to 2024-01-02", "from=2024-01-01 to=2024-01-02" },
        { "--from=2024-01-01", "from=2024-01-01" },
        { "--last=7d", "last=7d" },
        { "-j4", "jobs=4" },
        { "-j 4", "jobs=4" },
        { "--jobs 4", "jobs=4" },
        { "--jobs=4", "jobs=4" },
        { "-k0 -j2", "jobs=2 keep-going=0" },
        { "-n", "dry-run=" },
        { "-nq", "dry-run= quiet=" },
        { "-nqj4", "jobs=4 dry-run= quiet=" },
        { "-nqj 4", "jobs=4 dry-run= quiet=" },
        { "-v --dry-run", "dry-run= verbose=" },
        { "--force", "force=" },
        { "--force=bronze,my_silver", "force=bronze,my_silver" },
        { "--force bronze", "force= [bronze]" }, /* attached alone */
        { "--json", "json=" },
        { "--json=events.jsonl", "json=events.jsonl" },
        { "-j2 -j3", "jobs=3" }, /* the last counts */
        { "--set bronze.timeout=2h", "set:bronze.timeout=2h" },
        { "--set=bronze.timeout=2h --set a.b=c=d", "set:bronze.timeout=2h set:a.b=c=d" },
        { "--set bronze.options=", "set:bronze.options=" },
        { "bronze@2024-01-01T05 my_silver", "[bronze@2024-01-01T05] [my_silver]" },
        { "a --jobs 2 b", "jobs=2 [a] [b]" },
        { "-- --jobs -n", "[--jobs] [-n]" },
        { "a -- --", "[a] [--]" },
        { "-", "[-]" },
        { "--only ~", "only=" },
        { "--from -1", "from=-1" },
        { "--bronze-mode full", "param:bronze_mode=full" },
        { "--bronze-mode=full", "param:bronze_mode=full" },
        { "--bronze-mode=", "param:bronze_mode=" },
        { "--bronze-mode=a=b", "param:bronze_mode=a=b" },
        { "--bronze-mode --x", "param:bronze_mode=--x" },
        { "--skip-validation", "param:skip_validation=yes" },
        { "--skip-validation=no", "param:skip_validation=no" },
        { "--no-skip-validation", "param:skip_validation=no" },
        { "--skip-validation x", "param:skip_validation=yes [x]" },
        { "--skip-validation --no-skip-validation",
          "param:skip_validation=yes param:skip_validation=no" },
        { "--bronze-start-date 2024-01-01", "bronze:from=2024-01-01" },
        { "--bronze-start-date=2024-01-01 --bronze-end-date 2024-01-02",
          "bronze:from=2024-01-01 bronze:to=2024-01-02" },
        { "--my-silver-end-date 2024-01-02", "my_silver:to=2024-01-02" },
        { "--my_silver-end-date 2024-01-02", "my_silver:to=2024-01-02" },
        { "--the-gold-start-date 2024-01-02", "the-gold:from=2024-01-02" },
    };
    struct line l;

    (void)state;
    open_line(&l, GRAPH);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!parse_run(&l, rows[i].line))
            fail_msg("%s: %s", rows[i].line, l.err.text);
        if (strcmp(said(&l), rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].line, said(&l));
    }
    close_line(&l);
}

static void what_is_wrong_is_said_as_it_was_written(void **state)
{
    static const struct {
        const char *line, *expected;
    } rows[] = {
        { "--from", "--from needs a value" },
        { "-j", "-j needs a value" },
        { "-nj", "-nj needs a value" },
        { "--bronze-mode", "--bronze-mode needs a value" },
        { "--bronze-start-date", "--bronze-start-date needs a value" },
        { "--dry-run=yes", "--dry-run takes no value" },
        { "--no-skip-validation=yes", "--no-skip-validation takes no value" },
        { "--force=", "--force= has no value behind it" },
        { "--json=", "--json= has no value behind it" },
        { "--set bronze", "--set bronze: write stage.key=value" },
        { "--set timeout=2h", "--set timeout=2h: write stage.key=value" },
        { "--set timeout=2.5", "--set timeout=2.5: write stage.key=value" },
        { "-x", "unknown option -x in -x" },
        { "-nx", "unknown option -x in -nx" },
        { "--jbs 4", "unknown option --jbs; did you mean --jobs?" },
        { "--form=2024-01-01", "unknown option --form=2024-01-01; did you mean --from?" },
        { "--bronze_mode x", "unknown option --bronze_mode; did you mean --bronze-mode?" },
        { "--bronze-mod x", "unknown option --bronze-mod; did you mean --bronze-mode?" },
        { "--skip-validatoin",
          "unknown option --skip-validatoin; did you mean --skip-validation?" },
        { "--no-skip-validatoin",
          "unknown option --no-skip-validatoin; did you mean --no-skip-validation?" },
        { "--bronze-strat-date 2024-01-01",
          "unknown option --bronze-strat-date; did you mean --bronze-start-date?" },
        { "--landing-start-date 2024-01-01",
          "--landing-start-date: landing is a source, stages alone have dates" }, /* a source */
        { "--exit-code", "unknown option --exit-code" },                          /* of plan */
        { "--xyzzy", "unknown option --xyzzy" },
        { "-f other.ini", "-f GRAPH goes in front of the command" },
        { "--graph=other.ini", "-f GRAPH goes in front of the command" },
        { "-C /", "-C DIR goes in front of the command" },
    };
    struct line l;

    (void)state;
    open_line(&l, GRAPH);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (parse_run(&l, rows[i].line))
            fail_msg("%s: %s", rows[i].line, said(&l));
        if (l.err.code != SG_ERROR_USAGE ||
            strncmp(l.err.text, rows[i].expected, strlen(rows[i].expected)) != 0)
            fail_msg("%s: %s", rows[i].line, l.err.text);
    }
    close_line(&l);
}

static void a_command_takes_its_own_groups_alone(void **state)
{
    static const struct {
        const char *line;
        unsigned groups;
        bool words, graph, ok;
        const char *expected;
    } rows[] = {
        { "--exit-code", PLAN, true, true, true, "exit-code=" },
        { "--dry-run", PLAN, true, true, false, "unknown option --dry-run" },
        { "node", RUN, false, true, false, "unexpected word node" },
        { "-- --x", RUN, false, true, false, "unexpected word --x" },
        { "--", RUN, false, true, true, "" },
        { "--bronze-mode x", SG_GROUP_RANGE, false, true, false, "unknown option --bronze-mode" },
        { "--bronze-start-date x", SG_GROUP_LOG, false, true, false, "unknown option" },
        { "--bronze-mode x", RUN, false, false, false, "unknown option --bronze-mode" },
        { "--attempt 2 --follow", SG_GROUP_LOG, true, true, true, "attempt=2 follow=" },
        { "--now 2024-01-01", RUN, false, true, true, "now=2024-01-01" },
    };
    struct line l;

    (void)state;
    open_line(&l, GRAPH);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool ok = parse(&l, rows[i].line, rows[i].groups, rows[i].words, rows[i].graph);
        const char *is = ok ? said(&l) : l.err.text;

        if (ok != rows[i].ok || strncmp(is, rows[i].expected, strlen(rows[i].expected)) != 0)
            fail_msg("%s: %s", rows[i].line, is);
    }
    close_line(&l);
}

static void global_options_end_at_the_command(void **state)
{
    static const struct {
        const char *line;
        size_t used;
        const char *expected; /* NULL: fails */
    } rows[] = {
        { "", 0, "" },
        { "run -f x", 0, "" },
        { "-C dir run -n", 2, "chdir=dir" },
        { "-Cdir -f g.ini --now=2024-01-01 plan", 4, "chdir=dir graph=g.ini now=2024-01-01" },
        { "--chdir dir --graph g.ini x", 4, "chdir=dir graph=g.ini" },
        { "--version", 1, "version=" },
        { "-h run", 1, "help=" },
        { "- x", 0, "" },
        { "-f", 0, NULL },
        { "-j4 run", 0, NULL },
        { "--dry-run run", 0, NULL },
    };
    struct line l;

    (void)state;
    open_line(&l, GRAPH);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t used = 0;
        bool ok;

        (void)parse(&l, rows[i].line, RUN, true, true); /* for its words */
        memset(&l.o, 0, sizeof(l.o));
        sg_error_clear(&l.err);
        ok = sg_options_parse_global(&l.o, l.argv, &used, &l.err);
        if (ok != (rows[i].expected != NULL) ||
            (ok && (used != rows[i].used || strcmp(said(&l), rows[i].expected) != 0)) ||
            (!ok && l.err.code != SG_ERROR_USAGE))
            fail_msg("%s: %zu %s %s", rows[i].line, used, said(&l), l.err.text);
    }
    close_line(&l);
}

static void the_command_line_beats_the_profile(void **state)
{
    static const struct {
        const char *label, *profile, *line, *expected;
    } rows[] = {
        { "nothing given", "window = 1\nlookback = 24\norder = newest\njobs = 2", "",
          "window=1 lookback=24 order=newest jobs=2" },
        { "given", "jobs = 2\norder = newest", "-j4 --order oldest", "order=oldest jobs=4" },
        { "names with dashes", "keep_going = 3\nwith_needs = yes", "", "with-needs= keep-going=3" },
        { "flags", "wait = yes\nquiet = no\nverbose = on\ndry_run = false", "", "wait= verbose=" },
        { "no log", "log = no", "", "no-log=" },
        { "a log", "log = yes", "", "" },
        { "force all", "force = yes", "", "force=" },
        { "force some", "force = bronze", "", "force=bronze" },
        { "force none", "force = no", "", "" },
        { "force given", "force = bronze", "--force", "force=" },
        { "lists", "stale = missing input\nonly = bronze", "--stale=code",
          "only=bronze stale=code" },
        { "a range", "from = 2024-01-01\nto = 2024-01-02", "", "from=2024-01-01 to=2024-01-02" },
        { "one end given", "from = 2024-01-01\nto = 2024-01-02", "--to 2024-01-05",
          "from=2024-01-01 to=2024-01-05" },
        { "a date over a range", "from = 2024-01-01\nto = 2024-01-02", "--date 2024-01-05",
          "date=2024-01-05" },
        { "a duration over a date", "date = 2024-01-01", "--last 7d", "last=7d" },
        { "a range over a duration", "last = 7d", "--from 2024-01-01", "from=2024-01-01" },
        { "a window over a range", "from = 2024-01-01", "--window 3", "window=3" },
        { "a window over a date", "date = 2024-01-01\nlookback = 2", "--window 3",
          "window=3 lookback=2" },
        { "a range beside a window", "window = 1", "--date 2024-01-05",
          "date=2024-01-05 window=1" }, /* the request drops the window */
        { "a stage's date", "bronze_start_date = 2024-01-01\nmy_silver_end_date = 2024-01-02", "",
          "bronze:from=2024-01-01 my_silver:to=2024-01-02" },
        { "of a stage with a dash", "the_gold_end_date = 2024-01-02", "",
          "the-gold:to=2024-01-02" },
        { "a stage's date given", "bronze_start_date = 2024-01-01",
          "--bronze-start-date 2024-02-02", "bronze:from=2024-02-02" },
    };
    char graph[2000];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct sg_profile *p;
        struct line l;

        (void)snprintf(graph, sizeof(graph), "%s[profile p]\n%s\n", GRAPH, rows[i].profile);
        open_line(&l, graph);
        p = sg_graph_find_profile(l.w.graph, "p");
        if (!parse_run(&l, rows[i].line) ||
            !sg_options_profile(&l.o, &l.arena, l.w.graph, p, &l.err))
            fail_msg("%s: %s", rows[i].label, l.err.text);
        if (strcmp(said(&l), rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].label, said(&l));
        close_line(&l);
    }
}

static void what_comes_from_a_profile_is_marked(void **state)
{
    const struct sg_profile *p;
    struct line l;

    (void)state;
    open_line(&l, GRAPH "[profile p]\nwindow = 1\njobs = 2\nwait = no\n");
    p = sg_graph_find_profile(l.w.graph, "p");
    assert_true(parse_run(&l, "-j4"));
    assert_true(sg_options_profile(&l.o, &l.arena, l.w.graph, p, &l.err));
    assert_true(l.o.from_profile[SG_OPT_WINDOW]);
    assert_false(l.o.from_profile[SG_OPT_JOBS]);
    assert_false(l.o.from_profile[SG_OPT_WAIT]);
    assert_false(sg_options_has(&l.o, SG_OPT_WAIT));
    assert_true(sg_options_has(&l.o, SG_OPT_JOBS));
    close_line(&l);
}

/* The keys of profiles are rows of the graph floor, the options rows of this one. */
static void every_key_of_a_profile_is_an_option(void **state)
{
    size_t n_keys;
    const struct sg_key *keys = sg_keys(&n_keys);
    struct line l;

    (void)state;
    open_line(&l, GRAPH);
    for (size_t i = 0; i < n_keys; i++) {
        struct sg_profile_option q = { .key = keys[i].name, .value = "1" };
        struct sg_profile p = { .name = "p", .options = &q, .n_options = 1 };

        /* `log` is turned into no_log where the graph is read */
        if (keys[i].section != SG_SECTION_PROFILE || strcmp(keys[i].name, "log") == 0)
            continue;
        assert_true(parse_run(&l, ""));
        if (!sg_options_profile(&l.o, &l.arena, l.w.graph, &p, &l.err) || !*said(&l))
            fail_msg("%s: %s", keys[i].name, l.err.text);
    }
    close_line(&l);
}

static void numbers_are_whole_and_within_bounds(void **state)
{
    static const struct {
        const char *text; /* NULL: not given */
        bool ok;
        int64_t value;
    } rows[] = {
        { NULL, true, 7 },  { "1", true, 1 },    { "100", true, 100 },
        { "0", false, 0 },  { "101", false, 0 }, { "", false, 0 },
        { "x", false, 0 },  { "4x", false, 0 },  { "1.5", false, 0 },
        { "-1", false, 0 }, { "=4", false, 0 },  { " 4", false, 0 },
        { "007", true, 7 }, { "1e2", false, 0 }, { "99999999999999999999", false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_options o = { .value = { NULL } };
        struct sg_error err = SG_ERROR_INIT;
        char expected[100];
        int64_t v = -7;
        bool ok;

        o.value[SG_OPT_JOBS] = rows[i].text;
        ok = sg_options_int(&o, SG_OPT_JOBS, 1, 100, 7, &v, &err);
        (void)snprintf(expected, sizeof(expected),
                       "--jobs %s: expected a whole number from 1 to 100", rows[i].text);
        if (ok != rows[i].ok || v != (ok ? rows[i].value : -7) ||
            (!ok && (err.code != SG_ERROR_USAGE || strcmp(err.text, expected) != 0)))
            fail_msg("%s: %d %s", rows[i].text, ok, err.text);
    }
}

static void a_number_without_an_upper_bound_is_told_without_one(void **state)
{
    struct sg_options o = { .value = { [SG_OPT_LIMIT] = "0" } };
    struct sg_error err = SG_ERROR_INIT;
    int64_t v;

    (void)state;
    assert_false(sg_options_int(&o, SG_OPT_LIMIT, 1, INT64_MAX, 7, &v, &err));
    assert_string_equal(err.text, "--limit 0: expected a whole number from 1 on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_in_order_and_says_what_each_does),
        cmocka_unit_test(the_words_of_an_option_are_the_choices_of_its_key),
        cmocka_unit_test(what_a_key_bounds_is_bounded_on_the_command_line),
        cmocka_unit_test(options_are_taken_in_all_their_forms),
        cmocka_unit_test(what_is_wrong_is_said_as_it_was_written),
        cmocka_unit_test(a_command_takes_its_own_groups_alone),
        cmocka_unit_test(global_options_end_at_the_command),
        cmocka_unit_test(the_command_line_beats_the_profile),
        cmocka_unit_test(what_comes_from_a_profile_is_marked),
        cmocka_unit_test(every_key_of_a_profile_is_an_option),
        cmocka_unit_test(numbers_are_whole_and_within_bounds),
        cmocka_unit_test(a_number_without_an_upper_bound_is_told_without_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
