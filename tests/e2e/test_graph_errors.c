/*
 * graph_errors: a graph file with mistakes is told all of them at once, with line and advice.
 */
#include "fixture.h"

/* Runs `check` on a graph file; its complaints, each on its line of standard error, must be exactly
 * those of `want`, a pattern a line. Exit status 2. */
#define complains(t, graph, want) complains_at(t, graph, want, __FILE__, __LINE__)

/* The graph file; without a store it would have a mistake more. */
static void write_graph(struct e2e *t, const char *graph)
{
    e2e_write(t, "stagegraph.ini", graph);
    if (strstr(graph, "[store]") == NULL)
        e2e_append(t, "stagegraph.ini", "[store]\nroot = warehouse\n");
}

static void complains_at(struct e2e *t, const char *graph, const char *want, const char *file,
                         int line)
{
    write_graph(t, graph);
    e2e_run_at(t, file, line, 2, "check");
    e2e_looks_at(t->err, want, file, line);
    /* A plan says the same, and does nothing. */
    e2e_run_at(t, file, line, 2, "plan");
    e2e_looks_at(t->err, want, file, line);
}

static const char stage[] = "[stage a]\npartition = day\ncommand = true\noutput = a/${ds}\n";

static void all_mistakes_are_told_in_one_go_with_their_lines(void **state)
{
    struct e2e *t = *state;

    complains(t,
              "[graph]\n"
              "nam = flights\n"               /* 2 */
              "start = 2024-01-01\n"          /* 3 */
              "partition = hours\n"           /* 4 */
              "jobs = 0\n"                    /* 5 */
              "[stag bronze]\n"               /* 6 */
              "command = true\n"              /* 7 */
              "[stage silver]\n"              /* 8 */
              "needs = landng\n"              /* 9 */
              "command = sh x ${outptu}\n"    /* 10 */
              "output = silver/${ds}/${HH}\n" /* 11 */
              "tiemout = 1h\n"                /* 12 */
              "retries = many\n"              /* 13 */
              "retries = 2\n"                 /* 14 */
              "[source landing]\n"            /* 15 */
              "path = landing/${ds}/${HH}\n"  /* 16 */
              "[stage gold]\n"                /* 17 */
              "partition = day\n"             /* 18 */
              "[profile hourly]\n"            /* 19 */
              "silver.timeuot = 1h\n"         /* 20 */
              "windw = 1\n",                  /* 21 */
              "stagegraph.ini:2: unknown key nam in [graph]; did you mean name?\n"
              "stagegraph.ini:4: partition = hours: *; did you mean hour?\n"
              "stagegraph.ini:5: jobs = 0: at least 1\n"
              "stagegraph.ini:6: unknown section [stag]; did you mean [stage NAME]?\n"
              "stagegraph.ini:9: needs: there is no stage or source landng; did you mean landing?\n"
              "stagegraph.ini:10: command: *${outptu}; did you mean ${output}?\n"
              "stagegraph.ini:12: unknown key tiemout in [stage silver]; did you mean timeout?\n"
              "stagegraph.ini:13: retries = many: *\n"
              "stagegraph.ini:14: a second retries in [stage silver]; the first is in line 13\n"
              "stagegraph.ini:17: [stage gold] has no command\n"
              "stagegraph.ini:17: [stage gold] has no output\n"
              "stagegraph.ini:20: silver.timeuot: *; did you mean timeout?\n"
              "stagegraph.ini:21: unknown key windw in [profile hourly]*; did you mean window?\n"
              "stagegraph: stagegraph.ini: 13 errors\n");
}

static void what_inih_would_cut_or_join_is_refused_with_how_to_write_it(void **state)
{
    struct e2e *t = *state;
    char *longest = e2e_text(t, "%0300d", 0);

    complains(t, e2e_text(t, "%sversion = %s\n", stage, longest),
              "*stagegraph.ini:5: *199*\n...\n");
    complains(t, e2e_text(t, "%stitle: A\n", stage), "*stagegraph.ini:5: *title = A*\n...\n");
    complains(t, e2e_text(t, "%stitle = 'a ; b'\n", stage), "*stagegraph.ini:5: *;*\n...\n");
    complains(t, e2e_text(t, "%s  timeout = 2h\n", stage), "*stagegraph.ini:5: *timeout*\n...\n");
    complains(t, e2e_text(t, "%senv.%.60s = x\n", stage, longest), "*stagegraph.ini:5: *\n...\n");
    complains(t, e2e_text(t, "%s[param %.60s]\ndefault = x\n", stage, longest),
              "*stagegraph.ini:5: *\n...\n");
}

static void an_option_on_a_continuation_line_is_fine(void **state)
{
    struct e2e *t = *state;

    e2e_write(t, "stagegraph.ini",
              "[graph]\nstart = 2024-01-01\n"
              "[stage a]\npartition = day\noutput = a/${ds}\n"
              "command = spark-submit x\n"
              "  --conf a=b --conf spark.x=y\n"
              "  timeout=3 ; not a comment\n");
    e2e_run(t, E2E_ANY, "check");
    if (t->status == 2)
        e2e_says_not(t->err, "stagegraph.ini:7");
}

static void every_kind_of_mistake_is_an_error(void **state)
{
    static const struct {
        const char *graph, *want;
    } cases[] = {
        { "[stage a]\noutput = a/${ds}\n", "*:1: *command*\n...\n" },
        { "[stage a]\ncommand = true\n", "*:1: *output*\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${ds}/${HH}\n[stage a]\ncommand = true\n",
          "*:4: *a*\n...\n" },
        { "[stage a]\ncommand = true\ncommand = true\noutput = a/${ds}/${HH}\n",
          "*:3: *command*\n...\n" },
        { "[stage a]\ncommand = 'true\noutput = a/${ds}/${HH}\n", "*:2: *quote*\n...\n" },
        { "[stage a]\ncommand = true ${x\noutput = a/${ds}/${HH}\n", "*:2: *\n...\n" },
        /* Outputs: colons, .., the store's own name, one in another, two nodes with one. */
        { "[stage a]\ncommand = true\noutput = a/${ds}T${HH}:00\n", "*:3: *colon*\n...\n" },
        { "[stage a]\ncommand = true\noutput = ../a/${ds}/${HH}\n", "*:3: *..*\n...\n" },
        { "[stage a]\ncommand = true\noutput = _stagegraph/${ds}/${HH}\n",
          "*:3: *_stagegraph*\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${ds}\n", "*:3: *a/${ds}*\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${ds}/${HH}\n"
          "[stage b]\ncommand = true\noutput = a/${ds}/${HH}/b\n",
          "*:6: *inside*\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${ds}/${HH}\n"
          "[stage b]\ncommand = true\noutput = a/${ds}/${HH}\n",
          "*:6: *\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${start}\n", "*:3: *start*\n...\n" },
        /* Needs. */
        { "[stage a]\nneeds = a\ncommand = true\noutput = a/${ds}/${HH}\n",
          "*:2: *cycle*a*\n...\n" },
        { "[stage a]\nneeds = b@1\ncommand = true\noutput = a/${ds}/${HH}\n"
          "[stage b]\ncommand = true\noutput = b/${ds}/${HH}\n",
          "*:2: *\n...\n" },
        { "[stage a]\nneeds = c\ncommand = true\noutput = a/${ds}/${HH}\n"
          "[stage b]\nneeds = a\ncommand = true\noutput = b/${ds}/${HH}\n"
          "[stage c]\nneeds = b\ncommand = true\noutput = c/${ds}/${HH}\n",
          "*cycle*\n...\n" },
        /* Values. */
        { "[graph]\ntimezone = Amerika/New_York\n", "*:2: *Amerika/New_York*\n...\n" },
        { "[graph]\nstart = 2024-13-01\n", "*:2: *2024-13-01*\n...\n" },
        { "[store]\nroot = s3://bucket\n", "*:2: *s3*\n...\n" },
        { "[param x]\ntype = strin\n", "*:2: *strin*string*\n...\n" },
        { "[param x]\nchoices = a b\ndefault = c\n", "*:3: *c*a*b*\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${ds}/${HH}\ntimeout = 1 hour\n",
          "*:4: *timeout*\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${ds}/${HH}\npool = yran\n[pool yarn]\nsize = 1\n",
          "*:4: *yran*yarn*\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${ds}/${HH}\ncode = no/such/*.py\n",
          "*:4: *no/such/*\n...\n" },
        { "[stage a]\ncommand = true ${output}\noutput = a/${ds}/${HH}\nbatch = 4\n",
          "*${output}*batch*\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${ds}/${HH}\n[profile p]\nb.timeout = 1h\n",
          "*:5: *b*\n...\n" },
        { "stray = 1\n", "*:1: *\n...\n" },
        { "[stage a]\ncommand = true\noutput = a/${ds}/${HH}\nno equals sign\n", "*:4: *\n...\n" },
    };
    struct e2e *t = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        write_graph(t, cases[i].graph);
        e2e_run(t, E2E_ANY, "check");
        if (t->status != 2)
            e2e_fail(t, "case %zu: status %d\n%s", i, t->status, cases[i].graph);
        /* The first complaint, for a broken graph may be broken in more than one way. */
        if (strstr(t->err, "stagegraph.ini:") == NULL)
            fail_msg("case %zu: no line is named\n%s\n%s", i, cases[i].graph, t->err);
        e2e_looks(t->err, e2e_text(t, "...\n%s", cases[i].want));
    }
}

static void a_need_over_a_boundary_that_cuts_a_partition_is_an_error(void **state)
{
    struct e2e *t = *state;

    /* Kathmandu's days begin at 18:15 UTC. */
    complains(t,
              "[graph]\nstart = 2024-01-01\ntimezone = Asia/Kathmandu\n"
              "[stage a]\npartition = hour\ncommand = true\noutput = a/${ds}/${HH}\n"
              "[stage b]\npartition = day\nneeds = a\ncommand = true\noutput = b/${ds}\n",
              "*stagegraph.ini:*needs*\n...\n");
    /* With quarters of an hour it is fine. */
    e2e_edit(t, "stagegraph.ini", "partition = hour", "partition = 15m");
    e2e_edit(t, "stagegraph.ini", "a/${ds}/${HH}", "a/${ds}/${HH}${mm}");
    e2e_run(t, 0, "check");
}

/* Half-hour days don't fit into hours: wrong once there is one. */
static void a_graph_is_judged_by_the_time_that_it_is_told(void **state)
{
    struct e2e *t = *state;

    write_graph(t, "[graph]\nstart = 2090-01-01\ntimezone = Asia/Kolkata\n[source h]\npath = "
                   "h/${ds}/${HH}\n[stage a]\npartition = day\nneeds = h\ncommand = true\noutput "
                   "= a/${ds}\n");
    e2e_setenv(t, "STAGEGRAPH_NOW", NULL);
    e2e_run(t, 0, "check");
    e2e_run(t, 0, "--now 2089-12-31 check");
    e2e_run(t, 2, "--now 2090-02-01 check");
    e2e_looks(t->err, "stagegraph.ini:8: needs: h: a@2090-01-01 begins at 2089-12-31T18:30Z, "
                      "inside of h@*\n*\n");
    e2e_run(t, 2, "plan --now 2090-02-01");
    e2e_run(t, 2, "plan --now=2090-02-01");
    e2e_setenv(t, "STAGEGRAPH_NOW", "2090-02-01");
    e2e_run(t, 2, "check");
    e2e_run(t, 0, "--now 2089-12-31 check");
}

static void a_workdir_that_is_not_there_is_told(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n", "[stage silver]\nworkdir = elswhere\n");
    e2e_run(t, 2, "check");
    e2e_looks(t->err,
              "stagegraph.ini:*: workdir = elswhere: */elswhere: No such file or directory\n"
              "stagegraph: stagegraph.ini: 1 error\n");
    e2e_write(t, "elswhere", "");
    e2e_run(t, 2, "check");
    e2e_says(t->err, "elswhere: Not a directory");
}

static void a_file_that_is_not_there_is_named(void **state)
{
    struct e2e *t = *state;

    e2e_run(t, 2, "-f nowhere.ini plan");
    e2e_says(t->err, "nowhere.ini");
    e2e_says(t->err, "No such file");
    e2e_run(t, 2, "-C nowhere plan");
    e2e_says(t->err, "nowhere");
}

static void a_wrong_command_line_is_told_with_what_was_meant(void **state)
{
    static const struct {
        const char *args, *says;
    } cases[] = {
        { "", "usage" },
        { "paln", "plan" },
        { "hourl", "hourly" },
        { "plan --form 2024-01-01", "--from" },
        { "plan --from", "--from" },
        { "plan --from yesterday", "yesterday" },
        { "plan --from 2024-01-02 --to 2024-01-01", "--to" },
        { "plan --only sliver", "silver" },
        { "plan --upto glod", "gold" },
        { "plan --stale=cod", "code" },
        { "plan --force=silvr", "silver" },
        { "plan --profile hurly", "hourly" },
        { "plan --levle high", "--level" },
        { "plan --set silver.tiemout=3", "timeout" },
        { "plan --set silver", "silver" },
        { "plan --order newst", "newest" },
        { "plan --last 3x", "3x" },
        { "plan --window none", "none" },
        { "run -j 0", "-j" },
        { "run -j many", "many" },
        { "run slver@2024-01-01T21", "silver" },
        { "run silver@2024-01-01", "silver@2024-01-01" },
        { "run silver@2024-02-30T00", "2024-02-30" },
        { "--now later plan", "later" },
        { "log", "node" },
        { "explain", "node" },
    };
    struct e2e *t = *state;

    e2e_flights(t);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        e2e_run(t, E2E_ANY, "%s", cases[i].args);
        if (t->status != 2 || strstr(t->err, cases[i].says) == NULL)
            e2e_fail(t, "stagegraph %s: wanted status 2 and \"%s\", got %d", cases[i].args,
                     cases[i].says, t->status);
        assert_int_equal(strlen(t->out), 0);
    }
    e2e_ran(t, "");
}

static void params_are_checked_like_options(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_append(t, "stagegraph.ini",
               "[param mode]\nchoices = fast slow\ndefault = fast\n"
               "[param check_all]\ntype = bool\ndefault = no\n"
               "[param when]\ntype = date\ndefault = 2024-01-01\n"
               "[param size]\ntype = int\ndefault = 1\n");
    e2e_run(t, 0, "plan --mode slow --check-all --when 2024-02-29 --size -3");
    e2e_run(t, 0, "plan --mode=slow --no-check-all");
    e2e_run(t, 2, "plan --mode slwo");
    e2e_says(t->err, "slow");
    e2e_run(t, 2, "plan --when 2023-02-29");
    e2e_run(t, 2, "plan --size much");
    e2e_append(t, "stagegraph.ini", "[param who]\nrequired = yes\n");
    e2e_run(t, 2, "plan");
    e2e_says(t->err, "--who");
    e2e_run(t, 0, "plan --who me");
    e2e_run(t, 0, "check");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(all_mistakes_are_told_in_one_go_with_their_lines),
        e2e_test(what_inih_would_cut_or_join_is_refused_with_how_to_write_it),
        e2e_test(an_option_on_a_continuation_line_is_fine),
        e2e_test(every_kind_of_mistake_is_an_error),
        e2e_test(a_need_over_a_boundary_that_cuts_a_partition_is_an_error),
        e2e_test(a_graph_is_judged_by_the_time_that_it_is_told),
        e2e_test(a_workdir_that_is_not_there_is_told),
        e2e_test(a_file_that_is_not_there_is_named),
        e2e_test(a_wrong_command_line_is_told_with_what_was_meant),
        e2e_test(params_are_checked_like_options),
    };

    return cmocka_run_group_tests_name("graph errors", tests, NULL, NULL);
}
