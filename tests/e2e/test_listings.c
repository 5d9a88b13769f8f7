/*
 * listings: histories, plans and logs of any length, whoever reads them and for how long; and what
 * is pruned of a history.
 */
#include "fixture.h"

#include <sqlite3.h>
#include <time.h>

static char *history_answers(struct e2e *t, const char *sql)
{
    sqlite3_stmt *st;
    sqlite3 *db;
    char *text;

    assert_int_equal(sqlite3_open(e2e_path(t, ".stagegraph/history.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    text = e2e_text(t, "%s",
                    sqlite3_step(st) == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : "");
    sqlite3_finalize(st);
    sqlite3_close(db);
    return text;
}

/* Everything in the history is a hundred days older than it was. */
static void age_history(struct e2e *t)
{
    (void)history_answers(t, "UPDATE runs SET started_ms = started_ms - 8640000000");
    (void)history_answers(t, "UPDATE attempts SET started_ms = started_ms - 8640000000");
}

/* ---- pruning */

static void the_run_that_resume_would_take_up_is_not_pruned(void **state)
{
    struct e2e *t = *state;
    char *run;

    e2e_flights(t);
    e2e_run(t, 0, "run --upto bronze --date 2024-01-01");
    e2e_does(t, "silver@2024-01-01T22", "exit 1\n");
    e2e_run(t, 1, "run --force --date 2024-01-01");
    run = history_answers(t, "SELECT run FROM runs ORDER BY started_ms DESC LIMIT 1");
    age_history(t);
    e2e_run(t, 0, "history --prune 90d");
    e2e_looks(t->out, e2e_text(t,
                               "removed 1 run that began more than 90d ago\n"
                               "kept %s, which resume would take up\n",
                               run));
    /* What it has done is not done again: its attempts are there yet. */
    e2e_remove(t, "do");
    (void)e2e_jobs(t);
    e2e_run(t, 0, "resume");
    e2e_ran(t, "silver@2024-01-01T22 gold@2024-01-01");
    /* Now it is settled. */
    e2e_run(t, 0, "history --prune 90d");
    e2e_looks(t->out, "removed 1 run that began more than 90d ago\n");
    e2e_run(t, 2, "history %s", run);
    e2e_run(t, 2, "resume");
}

static void a_history_is_pruned_while_a_run_goes_on(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int gate;

    e2e_flights(t);
    e2e_run(t, 0, "run --upto bronze");
    e2e_gate(t, "gold");
    e2e_does(t, "gold", "read -r x <gate.gold\n");
    p = e2e_start(t, "run");
    gate = e2e_gate_reached(t, "gold");
    do
        e2e_run(t, 0, "history --stage silver --json");
    while (strstr(t->out, "silver@2024-01-01T23") == NULL);
    age_history(t);
    e2e_run(t, 0, "history --prune 90d");
    e2e_looks(t->out, "removed 1 run that began more than 90d ago\n");
    e2e_gate_let_go(gate);
    e2e_wait(p, 0);
    assert_int_equal(strlen(t->err), 0);
    assert_string_equal(history_answers(t, "SELECT count(*) || ' ' || max(exit_status) FROM runs"),
                        "1 0");
    assert_string_equal(history_answers(t, "SELECT count(*) FROM attempts"), "4");
}

/* ---- plans, histories and logs that are long */

/* What sh runs; its status. */
static void sh(struct e2e *t, int want, const char *script)
{
    e2e_setenv(t, "STAGEGRAPH_BIN", getenv("STAGEGRAPH_BIN"));
    e2e_wait(e2e_start_argv(t, (const char *const[]){ "/bin/sh", "-c", script, NULL }), want);
}

/* A year of hours, two stages, of whose source each second hour is there: 8,760 groups that run or
 * are blocked by turns, and as many behind them. */
static void year_by_turns(struct e2e *t)
{
    static const time_t begin = 1672531200; /* 2023-01-01 */

    e2e_write(t, "stagegraph.ini",
              "[graph]\n"
              "name = year\n"
              "start = 2023-01-01\n"
              "end = 2024-01-01\n"
              "[store]\n"
              "root = warehouse\n"
              "[source landing]\n"
              "path = landing/dt=${ds}/hr=${HH}\n"
              "marker = ok\n"
              "[stage bronze]\n"
              "needs = landing\n"
              "command = true\n"
              "output = bronze/dt=${ds}/hr=${HH}\n"
              "[stage silver]\n"
              "needs = bronze\n"
              "command = true\n"
              "output = silver/dt=${ds}/hr=${HH}\n");
    for (time_t day = begin; day < begin + 365 * 86400L; day += 86400) {
        char label[32];

        (void)strftime(label, sizeof(label), "%Y-%m-%d", gmtime(&day));
        for (int hour = 0; hour < 24; hour += 2)
            e2e_write(t, e2e_text(t, "warehouse/landing/dt=%s/hr=%02d/ok", label, hour), "");
    }
}

/* Sanitizers keep what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MORE_KIB (512L << 10)
#else
#define MORE_KIB 768L
#endif

static void a_plan_of_many_groups_is_a_stream(void **state)
{
    static const struct {
        const char *command, *group, *end;
    } shows[] = {
        { "plan", "^bronze  *2023", "To run 8,760 nodes in 8,760 jobs, 0 fresh, 8,760 blocked" },
        { "plan -v", "^silver  *2023", "To run 8,760 nodes in 8,760 jobs, 0 fresh, 8,760 blocked" },
        { "plan --json", "{\"stage\":\"bronze\"", "\"totals\":{\"nodes\":8760," },
    };
    struct e2e *t = *state;
    long alone;

    year_by_turns(t);
    sh(t, 0, "exec \"$STAGEGRAPH_BIN\" status --from 2023-01-01 --to 2023-12-31"); /* plans, too */
    alone = t->peak_kib;
    for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
        /* To a file, and counted by others: our own size at the fork counts as the program's. */
        sh(t, 0, e2e_text(t, "exec \"$STAGEGRAPH_BIN\" %s >out", shows[i].command));
        if (t->peak_kib > alone + MORE_KIB)
            fail_msg("%s took %ld KiB, and the plan alone %ld", shows[i].command, t->peak_kib,
                     alone);
        sh(t, 0,
           e2e_text(t, "grep -o '%s' out | wc -l; grep -c '%s' out", shows[i].group, shows[i].end));
        assert_string_equal(t->out, "8760\n1\n");
    }
    /* Who leaves after a line ends it, quietly, and so does a disk that is full, with a word. */
    for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
        sh(t, 0,
           e2e_text(t, "{ \"$STAGEGRAPH_BIN\" %s 2>err; echo $? >status; } | head -c 10 >/dev/null",
                    shows[i].command));
        assert_string_equal(e2e_read(t, "status"), "0\n");
        assert_string_equal(e2e_read(t, "err"), "");
        sh(t, 71, e2e_text(t, "exec \"$STAGEGRAPH_BIN\" %s >/dev/full", shows[i].command));
        e2e_looks(t->err, "stagegraph: standard output: No space left on device\n");
    }
}

/* Twenty thousand attempts of a stage, a log of two megabytes, and stages enough for a long graph.
 */
static void much_of_everything(struct e2e *t)
{
    e2e_flights(t);
    e2e_does(t, "gold", "head -c 2000000 /dev/zero | tr '\\0' '\\n'\n");
    e2e_run(t, 0, "run");
    (void)history_answers(t, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE"
                             " i < 20000) INSERT INTO attempts (run, node, stage, attempt, result,"
                             " started_ms, seconds) SELECT 'r', 'gold@2024-01-01', 'gold', 1,"
                             " CASE WHEN i % 2 THEN 'ok' ELSE 'failed' END, i, 1 FROM n");
    (void)history_answers(t, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE"
                             " i < 20000) INSERT INTO runs (run, command, started_ms, ended_ms)"
                             " SELECT 'r' || i, 'run', i, i FROM n");
    for (int i = 0; i < 2000; i++)
        e2e_append(
            t, "stagegraph.ini",
            e2e_text(t, "[stage s%d]\ncommand = true\noutput = s%d/dt=${ds}/hr=${HH}\n", i, i));
}

static void who_leaves_a_listing_ends_it_quietly(void **state)
{
    struct e2e *t = *state;
    static const char *const commands[] = {
        "history --limit 20000",
        "history --limit 20000 --json",
        "history --stage gold --limit 20000",
        "history --failed --limit 20000 --json",
        "history r --limit 20000",
        "log gold@2024-01-01",
        "graph",
        "graph --dot",
        "graph --json",
        "status",
        "status --json",
        "explain gold@2024-01-01",
        "plan",
        "hourly -n",
        "completion bash",
        "help run",
    };

    much_of_everything(t);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        bool log = strncmp(commands[i], "log", 3) == 0;

        sh(t, 0,
           e2e_text(t, "{ \"$STAGEGRAPH_BIN\" %s 2>err; echo $? >status; } | head -c 10 >/dev/null",
                    commands[i]));
        if (strcmp(e2e_read(t, "status"), "0\n") != 0 ||
            (log ? e2e_count(e2e_read(t, "err"), "\n") != 1 : *e2e_read(t, "err") != '\0'))
            e2e_fail(t, "%s: status %s%s", commands[i], e2e_read(t, "status"), e2e_read(t, "err"));
        sh(t, 71, e2e_text(t, "exec \"$STAGEGRAPH_BIN\" %s >/dev/full", commands[i]));
        e2e_has_line(t->err, "stagegraph: standard output: *");
    }
}

/* It would otherwise sit there until the job says something. */
static void who_leaves_a_log_that_is_followed_ends_it(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p, *log;
    int gate;

    e2e_flights(t);
    e2e_gate(t, "gold");
    e2e_does(t, "gold", "echo first\nread -r x <gate.gold\n");
    p = e2e_start(t, "run");
    gate = e2e_gate_reached(t, "gold");
    log = e2e_start(t, "log --follow gold@2024-01-01");
    e2e_until(log, "first");
    e2e_hang_up(log);
    e2e_wait(log, 0);
    assert_int_equal(e2e_count(t->err, "\n"), 1); /* the log's path */
    e2e_gate_let_go(gate);
    e2e_wait(p, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(the_run_that_resume_would_take_up_is_not_pruned),
        e2e_test(a_history_is_pruned_while_a_run_goes_on),
        e2e_test(a_plan_of_many_groups_is_a_stream),
        e2e_test(who_leaves_a_listing_ends_it_quietly),
        e2e_test(who_leaves_a_log_that_is_followed_ends_it),
    };

    return cmocka_run_group_tests_name("listings", tests, NULL, NULL);
}
