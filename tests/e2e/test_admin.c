/*
 * admin: init, completion, the reference, status as JSON, and what is pruned.
 */
#include "fixture.h"

#include <sqlite3.h>
#include <time.h>

/* ---- init */

static void init_writes_a_graph_that_passes_check_and_runs(void **state)
{
    static const char write_out[] =
        "awk '/^# \\[/ { skip = 1 } /^\\[/ { skip = 0 } "
        "!skip && /^# [a-z_]+ = ./ { sub(/^# /, \"\") } { print }' stagegraph.ini >new && "
        "! cmp -s new stagegraph.ini && mv new stagegraph.ini";
    struct e2e *t = *state;
    const char *text;

    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-10T06:00Z");
    e2e_run(t, 0, "init");
    e2e_says(t->out, "wrote stagegraph.ini");
    text = e2e_read(t, "stagegraph.ini");
    for (const char *const *key =
             (const char *const[]){ "# timezone = UTC", "root = warehouse", "# retries = 0",
                                    "[stage days]", "# [source NAME]", "# log_keep = 30d",
                                    "# [profile NAME]", "# env.NAME =", "# window =", NULL };
         *key != NULL; key++)
        e2e_has_line(text, *key);
    e2e_run(t, 0, "check");
    assert_int_equal(strlen(t->err), 0);
    e2e_run(t, 6, "plan --exit-code");
    e2e_run(t, 0, "run");
    e2e_run(t, 0, "plan --exit-code");
    e2e_run(t, 0, "graph");
    e2e_has_line(t->out, "*report*day*days*");
    e2e_says(e2e_read(t, "warehouse/days/dt=2024-01-09/part-0"), "2024-01-09");
    assert_true(e2e_exists(t, "warehouse/report/dt=2024-01-07/part-0"));
    /* What is a comment is a default: with all of them written out it is the same graph. */
    e2e_wait(e2e_start_argv(t, (const char *const[]){ "/bin/sh", "-c", write_out, NULL }), 0);
    text = e2e_read(t, "stagegraph.ini");
    e2e_has_line(text, "timezone = UTC");
    e2e_has_line(text, "check = written");
    e2e_run(t, 0, "check");
    e2e_run(t, 0, "plan --exit-code");
}

static void init_never_overwrites(void **state)
{
    struct e2e *t = *state;

    e2e_write(t, "stagegraph.ini", "mine\n");
    e2e_run(t, 2, "init");
    e2e_says(t->err, "stagegraph.ini is there already");
    assert_string_equal(e2e_read(t, "stagegraph.ini"), "mine\n");
    e2e_run(t, 0, "init other.ini");
    e2e_run(t, 0, "-f other.ini check");
    e2e_run(t, 0, "-f third.ini init");
    assert_true(e2e_exists(t, "third.ini"));
    e2e_run(t, 2, "init a.ini b.ini");
    e2e_run(t, 2, "init no/such/dir.ini");
    e2e_says(t->err, "write no/such/dir.ini: No such file or directory");
    /* In a directory it has its usual name, and the answer says how it is found. */
    e2e_write(t, "dir/a", "");
    e2e_run(t, 0, "init dir");
    e2e_same(t->out,
             "wrote dir/stagegraph.ini: a graph of two stages that runs as it is (stagegraph -f "
             "dir/stagegraph.ini plan, then run)\n",
             __FILE__, __LINE__);
    e2e_run(t, 0, "-f dir/stagegraph.ini check");
    e2e_run(t, 2, "init dir");
    e2e_says(t->err, "dir/stagegraph.ini is there already");
    e2e_run(t, 2, "init --now yesterday new.ini");
    e2e_says(t->err, "--now yesterday: expected a date or a time");
    assert_false(e2e_exists(t, "new.ini"));
}

/* ---- completion */

static const char *const shells[] = { "bash", "zsh", "fish" };

static void a_script_names_every_command_and_option(void **state)
{
    static const char *const names[] = {
        "hourly",     "backfill", "run",        "plan",      "resume",   "explain",    "status",
        "history",    "log",      "graph",      "check",     "accept",   "invalidate", "init",
        "completion", "from",     "to",         "date",      "last",     "only",       "upto",
        "force",      "stale",    "with-needs", "window",    "lookback", "order",      "profile",
        "set",        "jobs",     "keep-going", "dry-run",   "wait",     "json",       "no-log",
        "quiet",      "verbose",  "color",      "exit-code", "stage",    "failed",     "limit",
        "attempt",    "follow",   "dot",        "store",     "reason",   "yes",        "prune",
        "chdir",      "graph",    "now",        "version",   "newest",   "missing",    "interrupted"
    };
    struct e2e *t = *state;

    for (size_t s = 0; s < 3; s++) {
        const char *const argv[] = { "/bin/sh", "-c",
                                     e2e_text(t,
                                              "if command -v %s >/dev/null; then %s -n script; "
                                              "else echo no %s; fi",
                                              shells[s], shells[s], shells[s]),
                                     NULL };

        e2e_run(t, 0, "completion %s", shells[s]);
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
            e2e_says(t->out, names[i]);
        e2e_says_not(t->out, "__reference");
        e2e_write(t, "script", t->out);
        e2e_wait(e2e_start_argv(t, argv), 0);
        assert_int_equal(strlen(t->err), 0);
    }
    e2e_run(t, 2, "completion tcsh");
    e2e_says(t->err, "bash, zsh or fish");
}

/* What bash offers behind these words, the last of which is being typed; in its order. */
static const char *offered(struct e2e *t, const char *words)
{
    const char *const argv[] = { "/bin/bash", "-c",
                                 e2e_text(t,
                                          "source ./script\n"
                                          "COMP_WORDS=(%s %s)\n"
                                          "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                                          "_stagegraph\n"
                                          "echo \"${COMPREPLY[@]}\"\n",
                                          getenv("STAGEGRAPH_BIN"), words),
                                 NULL };

    e2e_wait(e2e_start_argv(t, argv), 0);
    assert_int_equal(strlen(t->err), 0);
    return t->out;
}

static void bash_completes_commands_options_and_what_the_graph_has(void **state)
{
    static const struct {
        const char *words, *offered;
    } cases[] = {
        { "hou", "hourly\n" },
        { "--ver", "--version\n" },
        { "help inv", "invalidate\n" },
        { "run --keep", "--keep-going\n" },
        { "run --lev", "--level\n" },
        { "run --silver-st", "--silver-start-date\n" },
        { "history --level", "\n" },
        { "run --only si", "silver\n" },
        { "run --only = si", "silver\n" },
        { "run --only bronze,g", "bronze,gold\n" },
        { "run --force = go", "gold\n" },
        { "run --force go", "gold\n" },
        { "run --order n", "newest\n" },
        { "run --stale code,up", "code,upstream\n" },
        { "run --profile b", "backfill\n" },
        { "-f stagegraph.ini run br", "bronze\n" },
        { "--graph = stagegraph.ini plan br", "bronze\n" },
        { "accept --rea", "--reason\n" },
        { "accept --reason ver", "version\n" },
        { "run --set gold.empt", "gold.empty=\n" },
        { "run --set gold.empty = f", "fail\n" },
        { "run --set = gold.keep_m", "gold.keep_marker=\n" },
        { "run --mode s", "slow\n" },
        { "run --mode = s", "slow\n" },
        { "run --tidy = y", "yes\n" },
        { "run --tidy br", "bronze\n" }, /* no value goes behind a bool */
        { "run --level br", "\n" },      /* a value of which nothing is known */
        { "run --gold-end-date br", "\n" },
        { "completion z", "zsh\n" },
        { "-C co", "code\n" },
        { "init stage", "stagegraph.ini\n" },
        { "-f no.ini run br", "\n" },
        { "check br", "\n" },
    };
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_append(t, "stagegraph.ini",
               "[param mode]\nchoices = fast slow\ndefault = fast\n[param tidy]\ntype = bool\n");
    e2e_run(t, 0, "completion bash");
    e2e_write(t, "script", t->out);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *got = offered(t, cases[i].words);

        if (strcmp(got, cases[i].offered) != 0)
            fail_msg("%s: %s", cases[i].words, got);
    }
    e2e_run(t, 0, "run");
    e2e_run(t, 0, "history --json");
    e2e_says(e2e_text(t, "%s", offered(t, "resume 2")), "-");
    /* A broken graph file completes nothing, and says nothing. */
    e2e_append(t, "stagegraph.ini", "[nonsense]\n");
    assert_string_equal(offered(t, "run br"), "\n");
}

/* ---- one table */

static void the_reference_is_current(void **state)
{
    struct e2e *t = *state;
    const char *path = e2e_text(t, "%s/docs/reference.md", getenv("SRC_DIR"));
    const char *is = e2e_read(t, path);

    e2e_run(t, 0, "__reference %s", path);
    if (strcmp(t->out, is) != 0) {
        e2e_write(t, "is", is);
        e2e_write(t, "should-be", t->out);
        e2e_fail(t, "docs/reference.md is not what `stagegraph __reference FILE` makes of it");
    }
    assert_true(e2e_count(is, "<!-- table: ") >= 14);
}

static void no_line_of_help_is_wider_than_100_columns(void **state)
{
    static const char *const commands[] = { "",        "hourly",     "backfill", "run",
                                            "plan",    "resume",     "explain",  "status",
                                            "history", "log",        "graph",    "check",
                                            "accept",  "invalidate", "init",     "completion" };
    struct e2e *t = *state;

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        e2e_run(t, 0, "%s --help", commands[i]);
        for (const char *line = t->out; *line; line += strcspn(line, "\n") + 1) {
            size_t n = 0;

            for (size_t k = 0; k < strcspn(line, "\n"); k++)
                n += ((unsigned char)line[k] & 0xC0) != 0x80;
            if (n > 100)
                e2e_fail(t, "%s --help: %.*s", commands[i], (int)strcspn(line, "\n"), line);
        }
    }
}

/* ---- status, history, logs */

static void status_is_told_as_json(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    struct e2e_doc *d;
    int fd;

    e2e_flights(t);
    e2e_gate(t, "silver");
    e2e_does(t, "silver@2024-01-01T21", "read -r x <gate.silver\n");
    p = e2e_start(t, "run");
    fd = e2e_gate_reached(t, "silver");
    e2e_run(t, 0, "status --json --date 2024-01-01");
    e2e_gate_let_go(fd);
    d = e2e_json(t, t->out);
    assert_string_equal(e2e_get(d, "graph"), "flights");
    assert_string_equal(e2e_get(d, "now"), "2024-01-02T00:10:00Z");
    assert_non_null(e2e_get(d, "runs[0].run"));
    assert_string_equal(e2e_get(d, "runs[0].pid"), e2e_text(t, "%d", (int)e2e_pid(p)));
    assert_string_equal(e2e_get(d, "running[0].node"), "silver@2024-01-01T21");
    assert_string_equal(e2e_get(d, "running[0].run"), e2e_get(d, "runs[0].run"));
    assert_string_equal(e2e_get(d, "stages[0].stage"), "bronze");
    assert_string_equal(e2e_get(d, "stages[0].fresh"), "1");
    assert_string_equal(e2e_get(d, "stages[0].newest_fresh"), "2024-01-01T21");
    assert_null(e2e_get(d, "dead[0].node"));
    e2e_wait(p, 0);
}

/* ---- estimates */

static void sql(struct e2e *t, const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(e2e_path(t, ".stagegraph/history.sqlite"), &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        e2e_fail(t, "%s: %s", text, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* Medians of a partition of each stage; with -v the 90th percentile; at any -j what the scheduler
 * makes of them. bronze 100 s, silver 10 s, gold 50 s. */
static void a_plan_estimates_from_the_history(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run");
    sql(t, "UPDATE attempts SET seconds = 100 WHERE stage = 'bronze';"
           "UPDATE attempts SET seconds = 500 WHERE node = 'bronze@2024-01-01T22';"
           "UPDATE attempts SET seconds = 10 WHERE stage = 'silver';"
           "UPDATE attempts SET seconds = 50 WHERE stage = 'gold'");
    e2e_run(t, 0, "plan --force -v");
    e2e_looks(t->out, "...\n"
                      "bronze *forced*5m 00s*25m 00s\n"
                      "silver *30s*30s\n"
                      "gold *50s*50s\n"
                      "...\n"
                      "To run 7 nodes in 7 jobs, 0 fresh · about 6m 20s at -j1\n"
                      "...");
    /* two bronze, their silver, the third hour, gold: 100 + 10 + 110 + 50 */
    e2e_run(t, 0, "plan --force -j2");
    e2e_says(t->out, "about 4m 30s at -j2");
    e2e_run(t, 0, "plan --force -j9 --json");
    assert_string_equal(e2e_get(e2e_json(t, t->out), "totals.estimate_seconds"), "160.0");
    e2e_append(t, "stagegraph.ini", "[pool yarn]\nsize = 1\n");
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\npool = yarn\n");
    e2e_run(t, 0, "plan --force -j9 --json");
    assert_string_equal(e2e_get(e2e_json(t, t->out), "totals.estimate_seconds"), "360.0");
    e2e_run(t, 0, "run --force -j9 --only bronze");
    e2e_says(t->out, "3 to run, 0 fresh · about 5m 00s");
}

/* Of one hour the stage goes first from which the way to the end usually is the longest. */
static void the_critical_path_goes_first_where_the_history_knows(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_append(t, "stagegraph.ini",
               "[stage zinc]\npartition = hour\nneeds = landing\n"
               "command = sh job.sh ${node} ${output}\n"
               "output = zinc/${partition}\n");
    e2e_run(t, 0, "run --upto silver,zinc --to 2024-01-01T22");
    e2e_says(e2e_jobs(t), "bronze@2024-01-01T21 ");
    sql(t, "UPDATE attempts SET seconds = 1; "
           "UPDATE attempts SET seconds = 9 WHERE stage = 'zinc'");
    e2e_run(t, 0, "run --only bronze,zinc bronze@2024-01-01T22 zinc@2024-01-01T22");
    e2e_ran(t, "zinc@2024-01-01T22 bronze@2024-01-01T22");
    sql(t, "UPDATE attempts SET seconds = 9 WHERE stage = 'bronze'");
    e2e_run(t, 0, "run --only bronze,zinc bronze@2024-01-01T23 zinc@2024-01-01T23");
    e2e_ran(t, "bronze@2024-01-01T23 zinc@2024-01-01T23");
}

static void status_tells_elapsed_and_usual(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int gate;

    e2e_flights(t);
    e2e_run(t, 0, "run --only bronze --to 2024-01-01T22");
    e2e_gate(t, "bronze");
    e2e_does(t, "bronze@2024-01-01T22", "read -r x <gate.bronze\n");
    sql(t, "UPDATE attempts SET seconds = 180");
    p = e2e_start(t, "run --upto silver");
    gate = e2e_gate_reached(t, "bronze");
    e2e_run(t, 0, "status --date 2024-01-01");
    e2e_has_line(t->out, "  bronze@2024-01-01T22  *s of about 3m 00s  attempt 1 of run *");
    e2e_run(t, 0, "status --json --date 2024-01-01");
    assert_string_equal(e2e_get(e2e_json(t, t->out), "running[0].usual_seconds"), "180.0");
    e2e_gate_let_go(gate);
    e2e_wait(p, 0);
}

/* ---- the history */

/* Somebody has a transaction open in the sqlite3 shell: the run goes on, and is recorded if that
 * ends before it does. */
static void a_locked_history_stops_no_run(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    sqlite3 *db;
    int gate;

    e2e_flights(t);
    e2e_run(t, 0, "run --upto bronze");
    (void)e2e_jobs(t);
    assert_int_equal(sqlite3_open(e2e_path(t, ".stagegraph/history.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    e2e_run(t, 0, "run --upto silver");
    e2e_ran(t, "silver@2024-01-01T21 silver@2024-01-01T22 silver@2024-01-01T23");
    e2e_says(t->err, "the history of this run is not kept");
    e2e_run(t, 6, "plan --exit-code");
    e2e_gate(t, "gold");
    e2e_does(t, "gold", "read -r x <gate.gold\n");
    p = e2e_start(t, "run --json=events");
    gate = e2e_gate_reached(t, "gold");
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    e2e_gate_let_go(gate);
    e2e_wait(p, 0);
    assert_int_equal(strlen(t->err), 0);
    e2e_run(t, 0, "history --stage gold");
    e2e_has_line(t->out, "*gold@2024-01-01*ok*");
}

/* A node that has ended is in the history while a later one runs, however long that takes. */
static void what_has_ended_is_in_the_history_while_others_run(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int gate;

    e2e_flights(t);
    e2e_gate(t, "gold");
    e2e_does(t, "gold", "read -r x <gate.gold\n");
    p = e2e_start(t, "run");
    gate = e2e_gate_reached(t, "gold");
    do
        e2e_run(t, 0, "history --stage silver");
    while (strstr(t->out, "silver@2024-01-01T23") == NULL);
    e2e_gate_let_go(gate);
    e2e_wait(p, 0);
}

static void history_tells_what_failed_and_log_each_attempt(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n", "[stage silver]\nretries = 1\nbackoff = 0\n");
    e2e_does(t, "silver@2024-01-01T22", "echo \"try $STAGEGRAPH_ATTEMPT\"\nexit 9\n");
    e2e_run(t, 1, "run");
    e2e_run(t, 0, "history --failed --json");
    e2e_says(t->out, "silver@2024-01-01T22");
    e2e_says(t->out, "gold@2024-01-01");
    e2e_says_not(t->out, "silver@2024-01-01T21");
    e2e_run(t, 0, "history --stage silver");
    e2e_has_line(t->out, "silver: 4 attempts in 1 run, * … *; 2 ok, 2 failed");
    e2e_run(t, 0, "history --summary --json");
    assert_string_equal(e2e_get(e2e_json(t, t->out), "[0].stage"), "bronze");
    assert_string_equal(e2e_get(e2e_json(t, t->out), "[0].seconds.seen"), "3");
    assert_string_equal(e2e_get(e2e_json(t, t->out), "[1].results.failed"), "2");
    assert_string_equal(e2e_get(e2e_json(t, t->out), "[2].attempts"), "0");
    assert_string_equal(e2e_get(e2e_json(t, t->out), "[2].first"), "null");
    e2e_run(t, 0, "history --failed --stage gold");
    e2e_says_not(t->out, "exit 9");
    e2e_says(t->out, "gold@2024-01-01");
    e2e_run(t, 0, "log silver@2024-01-01T22");
    e2e_says(t->out, "try 2");
    e2e_run(t, 0, "log --attempt 1 silver@2024-01-01T22");
    e2e_says(t->out, "try 1");
    e2e_run(t, 2, "log --attempt 3 silver@2024-01-01T22");
}

static void a_state_directory_that_cannot_be_made_is_the_systems_fault(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_write(t, "file", "not a directory\n");
    e2e_edit(t, "stagegraph.ini", "[graph]\n", "[graph]\nstate = file/state\n");
    e2e_run(t, 71, "run");
    e2e_says(t->err, "the state directory");
    e2e_ran(t, "");
    e2e_run(t, 0, "plan"); /* which needs none */
}

static void a_damaged_history_is_set_aside_with_a_notice(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run --upto silver");
    for (size_t at = 4096; at < 12288; at += 16)
        e2e_poke(t, ".stagegraph/history.sqlite", at, 'x');
    e2e_run(t, 0, "run");
    e2e_says(t->err, "the history was damaged: it is now ");
    assert_true(e2e_exists(t, ".stagegraph/history.sqlite.damaged-1"));
    e2e_run(t, 0, "history");
    e2e_says(t->out, "run");
    e2e_write(t, ".stagegraph/history.sqlite", "nothing of the kind");
    e2e_run(t, 0, "run --force");
    e2e_says(t->err, "damaged-2");
}

static void history_is_pruned_by_age(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "history --prune 90d");
    e2e_says(t->out, "removed 0 runs");
    assert_false(e2e_exists(t, ".stagegraph/history.sqlite"));
    e2e_run(t, 0, "run");
    e2e_run(t, 0, "history --prune 90d");
    e2e_says(t->out, "removed 0 runs");
    e2e_run(t, 2, "history --prune soon");
    e2e_run(t, 2, "history --prune 90d --failed");
    e2e_pause(t, 1100); /* until the run began more than a second ago */
    e2e_run(t, 0, "history --prune 1s");
    e2e_says(t->out, "removed 1 run ");
    e2e_run(t, 0, "history --json");
    assert_null(e2e_get(e2e_json(t, t->out), "[0].run"));
}

static void old_logs_go_when_a_run_ends(void **state)
{
    struct e2e *t = *state;
    char recent[64], text[5000];
    time_t now = time(NULL) - 3600;
    struct tm tm;

    e2e_flights(t);
    (void)gmtime_r(&now, &tm);
    (void)strftime(recent, sizeof(recent), "%Y%m%dT%H%M%S-abcdef", &tm);
    e2e_write(t, ".stagegraph/logs/20200101T000000-abcdef/bronze/x.1.log", "old\n");
    e2e_write(t, ".stagegraph/logs/notes/mine.txt", "mine\n");
    e2e_write(t, e2e_text(t, ".stagegraph/logs/%s/bronze/x.1.log", recent), "recent\n");
    e2e_run(t, 0, "run");
    assert_false(e2e_exists(t, ".stagegraph/logs/20200101T000000-abcdef"));
    assert_true(e2e_exists(t, ".stagegraph/logs/notes/mine.txt"));
    assert_true(e2e_exists(t, e2e_text(t, ".stagegraph/logs/%s", recent)));
    e2e_run(t, 0, "log gold@2024-01-01");
    /* Nothing is run: nothing goes. */
    e2e_write(t, ".stagegraph/logs/20200101T000000-abcdef/bronze/x.1.log", "old\n");
    e2e_run(t, 0, "run");
    assert_true(e2e_exists(t, ".stagegraph/logs/20200101T000000-abcdef"));
    /* By size: the oldest first, the run's own never. */
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    e2e_write(t, e2e_text(t, ".stagegraph/logs/%s/bronze/x.1.log", recent), text);
    e2e_edit(t, "stagegraph.ini", "delay     = 5m\n", "delay     = 5m\nlog_limit = 1\n");
    e2e_run(t, 0, "run --force=gold gold@2024-01-01");
    assert_false(e2e_exists(t, e2e_text(t, ".stagegraph/logs/%s", recent)));
    e2e_run(t, 0, "log gold@2024-01-01");
}

static void log_follow_goes_on_until_the_run_is_over(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p, *log;
    int fd;

    e2e_flights(t);
    e2e_gate(t, "gold");
    e2e_does(t, "gold", "echo first\nread -r x <gate.gold\necho second\n");
    p = e2e_start(t, "run");
    fd = e2e_gate_reached(t, "gold");
    log = e2e_start(t, "log --follow gold@2024-01-01");
    e2e_until(log, "first");
    assert_false(e2e_is_over(log));
    e2e_gate_let_go(fd);
    e2e_wait(p, 0);
    e2e_wait(log, 0);
    e2e_says(t->out, "second");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(init_writes_a_graph_that_passes_check_and_runs),
        e2e_test(init_never_overwrites),
        e2e_test(a_script_names_every_command_and_option),
        e2e_test(bash_completes_commands_options_and_what_the_graph_has),
        e2e_test(the_reference_is_current),
        e2e_test(no_line_of_help_is_wider_than_100_columns),
        e2e_test(status_is_told_as_json),
        e2e_test(a_plan_estimates_from_the_history),
        e2e_test(the_critical_path_goes_first_where_the_history_knows),
        e2e_test(status_tells_elapsed_and_usual),
        e2e_test(a_locked_history_stops_no_run),
        e2e_test(what_has_ended_is_in_the_history_while_others_run),
        e2e_test(history_tells_what_failed_and_log_each_attempt),
        e2e_test(a_state_directory_that_cannot_be_made_is_the_systems_fault),
        e2e_test(a_damaged_history_is_set_aside_with_a_notice),
        e2e_test(history_is_pruned_by_age),
        e2e_test(old_logs_go_when_a_run_ends),
        e2e_test(log_follow_goes_on_until_the_run_is_over),
    };

    return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
