/*
 * commands: those that only tell: version, help, graph, check, and what is asked for wrongly.
 */
#include "fixture.h"

#include <ctype.h>

static const char *const commands[] = { "hourly", "backfill", "run", "plan",  "resume", "explain",
                                        "status", "history",  "log", "graph", "check" };
#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static void version_is_one_line(void **state)
{
    struct e2e *t = *state;

    e2e_run(t, 0, "--version");
    e2e_looks(t->out, "stagegraph *\n");
    assert_true(isdigit((unsigned char)t->out[strlen("stagegraph ")]));
}

static void help_names_every_command_and_needs_no_graph(void **state)
{
    struct e2e *t = *state;

    e2e_run(t, 0, "--help");
    for (size_t i = 0; i < N_COMMANDS; i++)
        e2e_has_line(t->out, e2e_text(t, " *%s *", commands[i]));
    for (const char *const *o = (const char *const[]){ "-C", "-f", "--now", "--version", NULL };
         *o != NULL; o++)
        e2e_says(t->out, *o);
    assert_int_equal(strlen(t->err), 0);
}

static void help_of_each_command_has_its_options(void **state)
{
    static const struct {
        const char *command, *options;
    } cases[] = {
        { "hourly",
          "--from --to --date --last --only --upto --force --stale --window --lookback "
          "--order --set --jobs -j --keep-going -k --dry-run -n --wait --json --no-log -q "
          "-v --color --profile" },
        { "backfill",
          "--from --to --date --last --only --upto --force --stale --order --set --jobs "
          "--keep-going --dry-run --wait --json --no-log --color" },
        { "run", "--profile --from --to --date --last --only --upto --force --stale --window "
                 "--lookback --order --set --jobs --keep-going --dry-run --wait --json --no-log -q "
                 "-v --color" },
        { "plan", "--profile --from --to --date --last --only --upto --force --stale --window "
                  "--lookback --order --set --json --exit-code" },
        { "resume", "--jobs --json" },
        { "explain", "NODE" },
        { "status", "--from --to" },
        { "history", "--stage --failed --json" },
        { "log", "NODE --attempt" },
        { "graph", "--dot --json" },
        { "check", "check" },
    };
    struct e2e *t = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *options = e2e_text(t, "%s", cases[i].options), *save = NULL;

        e2e_run(t, 0, "%s --help", cases[i].command);
        for (char *o = strtok_r(options, " ", &save); o != NULL; o = strtok_r(NULL, " ", &save))
            if (strstr(t->out, o) == NULL)
                e2e_fail(t, "%s --help doesn't mention %s", cases[i].command, o);
        assert_int_equal(strlen(t->err), 0);
    }
    /* The params of a graph are options too, with their help and choices. */
    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "default = low",
             "default = low\nhelp = how high the silver is\nchoices = low high");
    e2e_run(t, 0, "run --help");
    e2e_has_line(t->out, "*--level*how high the silver is*");
}

static void a_graph_is_shown_as_text_dot_and_json(void **state)
{
    struct e2e *t = *state;
    struct e2e_doc *d;

    e2e_flights(t);
    e2e_run(t, 0, "graph");
    e2e_has_line(t->out, "*landing*");
    e2e_has_line(t->out, "*bronze*hour*landing*");
    e2e_has_line(t->out, "*gold*day*silver*");
    e2e_run(t, 0, "graph --dot");
    e2e_looks(t->out, "digraph *{\n...\n}\n");
    e2e_has_line(t->out, "*landing* -> *bronze*");
    e2e_has_line(t->out, "*bronze* -> *silver*");
    e2e_has_line(t->out, "*silver* -> *gold*");
    e2e_run(t, 0, "graph --json");
    d = e2e_json(t, t->out);
    assert_int_not_equal(d->n, 0);
    for (const char *const *s =
             (const char *const[]){ "landing", "bronze", "silver", "gold", NULL };
         *s != NULL; s++)
        e2e_says(t->out, e2e_text(t, "\"%s\"", *s));
}

static void check_of_a_good_graph_is_content(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "check");
    assert_int_equal(strlen(t->err), 0);
}

static void check_warns_of_profiles_that_rebuild_each_others_partitions(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[profile hourly]\n", "[profile hourly]\nlevel = high\n");
    e2e_edit(t, "stagegraph.ini", "[profile backfill]\n", "[profile backfill]\nlevel = low\n");
    e2e_run(t, 0, "check");
    e2e_has_line(t->err, "warning: stagegraph.ini:*hourly*backfill*level*");
    /* Not of one that is in no stamp. */
    e2e_edit(t, "stagegraph.ini", "default = low", "default = low\nstamp = no");
    e2e_run(t, 0, "check");
    e2e_says_not(t->err, "warning");
}

/* It asks nobody: there is no server at that address. */
static void check_warns_where_a_lease_is_too_short(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "root = warehouse\n",
             "root = webhdfs://localhost:1/warehouse\nlease = 50s\ndeadline = 30s\n");
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ngrace = 10s\n");
    e2e_run(t, 0, "check");
    e2e_says_not(t->err, "warning");
    e2e_edit(t, "stagegraph.ini", "grace = 10s", "grace = 11s");
    e2e_edit(t, "stagegraph.ini", "deadline = 30s", "deadline = 31s");
    e2e_run(t, 0, "check");
    e2e_has_line(t->err, "warning: stage bronze: grace = 11*lease = 50*kills its jobs 10*");
    e2e_has_line(t->err, "warning: deadline = 31*lease = 50*away for 30*");
    assert_int_equal(e2e_count(t->err, "warning"), 2);
    /* A local store has no lease. */
    e2e_edit(t, "stagegraph.ini", "webhdfs://localhost:1/warehouse", "warehouse");
    e2e_run(t, 0, "check");
    e2e_says_not(t->err, "warning");
}

static void check_warns_of_a_configuration_that_is_not_there(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_setenv(t, "HADOOP_CONF_DIR", "/nowhere/conf");
    e2e_run(t, 0, "check"); /* of a local store nobody asks */
    e2e_says_not(t->err, "warning");
    e2e_edit(t, "stagegraph.ini", "root = warehouse\n", "root = webhdfs://localhost:1/warehouse\n");
    e2e_run(t, 0, "check");
    e2e_has_line(t->err, "warning: HADOOP_CONF_DIR is /nowhere/conf, which is not there*");
    assert_int_equal(e2e_count(t->err, "warning"), 1);
    e2e_setenv(t, "HADOOP_CONF_DIR", "/");
    e2e_run(t, 0, "check");
    e2e_says_not(t->err, "warning");
    e2e_setenv(t, "HADOOP_CONF_DIR", "/nowhere/conf");
    e2e_edit(t, "stagegraph.ini", "webhdfs://localhost:1/warehouse", "hdfs://ns1/warehouse");
    e2e_run(t, E2E_ANY, "check");
    assert_int_not_equal(t->status, 0);
    e2e_says(t->err, "HADOOP_CONF_DIR is /nowhere/conf, which is not there");
}

/* What the loader says that it loads. Of a run its jobs say so too. */
static void a_local_store_loads_no_http(void **state)
{
    static const char *const asked[] = { "plan", "run", "check --store", "status",
                                         "explain bronze@2024-01-01T21" };
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_setenv(t, "LD_DEBUG", "files");
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        e2e_run(t, 0, "%s", asked[i]);
        e2e_says(t->err, "libc.so");
        e2e_says_not(t->err, "libcurl");
        e2e_says_not(t->err, "stagegraph-webhdfs");
    }
    e2e_edit(t, "stagegraph.ini", "root = warehouse\n", "root = webhdfs://localhost:1/warehouse\n");
    e2e_run(t, 0, "check");
    e2e_says(t->err, "stagegraph-webhdfs");
    e2e_says(t->err, "libcurl");
}

static void nothing_is_written_by_commands_that_only_tell(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "plan");
    e2e_run(t, 0, "explain bronze@2024-01-01T21");
    e2e_run(t, 0, "status");
    e2e_run(t, 0, "history");
    e2e_run(t, 0, "graph");
    e2e_run(t, 0, "check");
    assert_false(e2e_exists(t, "warehouse/_stagegraph"));
    assert_false(e2e_exists(t, "warehouse/bronze"));
}

static void there_are_no_control_characters_where_there_is_no_terminal(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run");
    e2e_says_not(t->out, "\033");
    e2e_says_not(t->out, "\r");
    e2e_run(t, 0, "run --force --color always");
    e2e_says(t->out, "\033[");
    e2e_setenv(t, "NO_COLOR", "1");
    e2e_run(t, 0, "run --force --color auto");
    e2e_says_not(t->out, "\033");
}

static void quiet_says_only_what_went_wrong(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run -q");
    e2e_says_not(t->out, "STAGE 1");
    e2e_does(t, "bronze", "exit 3\n");
    e2e_run(t, 1, "run -q --force");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "exit 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(version_is_one_line),
        e2e_test(help_names_every_command_and_needs_no_graph),
        e2e_test(help_of_each_command_has_its_options),
        e2e_test(a_graph_is_shown_as_text_dot_and_json),
        e2e_test(check_of_a_good_graph_is_content),
        e2e_test(check_warns_of_profiles_that_rebuild_each_others_partitions),
        e2e_test(check_warns_where_a_lease_is_too_short),
        e2e_test(check_warns_of_a_configuration_that_is_not_there),
        e2e_test(a_local_store_loads_no_http),
        e2e_test(nothing_is_written_by_commands_that_only_tell),
        e2e_test(there_are_no_control_characters_where_there_is_no_terminal),
        e2e_test(quiet_says_only_what_went_wrong),
    };

    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
