/*
 * listings: histories, plans and logs of any length, whoever reads them and for how long; and what
 * is pruned of a history.
 */
#include "fixture.h"

#include <sqlite3.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(the_run_that_resume_would_take_up_is_not_pruned),
        e2e_test(a_history_is_pruned_while_a_run_goes_on),
    };

    return cmocka_run_group_tests_name("listings", tests, NULL, NULL);
}
