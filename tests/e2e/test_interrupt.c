/*
 * interrupt: ^C and other signals, what they leave, and how a run is taken up again.
 */
#include "fixture.h"

static const char hour[] = "bronze@2024-01-01T21";
static const char range[] = "--from 2024-01-01T21 --to 2024-01-02T00";

/* The id of the last run, as its events tell it. */
static const char *run_id(struct e2e *t, const char *events)
{
    const char *text = e2e_read(t, events);
    const char *id;

    assert_non_null(text);
    id = e2e_get(e2e_json(t, e2e_text(t, "%.*s", (int)strcspn(text, "\n"), text)), "run");
    assert_non_null(id);
    return id;
}

/* No claim is left. */
static void assert_no_claims(struct e2e *t)
{
    char *files = e2e_text(t, "find %s/warehouse/_stagegraph/claims -type f | grep -q .", t->dir);

    assert_int_not_equal(system(files), 0);
}

/* ---- signals */

static void one_interrupt_ends_the_jobs_and_the_run_dies_of_it(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T22", "echo $$ >job.pid\nsleep 1000 &\nread -r x <gate.a\n");
    p = e2e_start(t, "run --json=events %s", range);
    (void)e2e_pid_in(t, "job.pid");
    e2e_kill_group(p, SIGINT);
    e2e_wait(p, E2E_DIED(SIGINT));
    assert_false(e2e_is_alive(e2e_pid_in(t, "job.pid")));
    e2e_until_gone(t, E2E_ALL);
    assert_true(e2e_count(e2e_jobs(t), "@") < 7); /* nothing was started any more */
    /* The results are written: the display, the events, the history. */
    e2e_says(t->out, "Stage results:");
    e2e_says(e2e_read(t, "events"), "\"result\":\"interrupted\"");
    e2e_says(e2e_read(t, "events"), "\"event\":\"run_finished\"");
    e2e_says(t->out, "stagegraph resume");
    assert_true(e2e_has_receipt(t, hour));
    assert_false(e2e_exists(t, e2e_marker(t, "bronze@2024-01-01T22")));
    assert_no_claims(t);
}

static void a_second_interrupt_does_not_wait_for_the_grace(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    pid_t job;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ngrace = 10m\n");
    e2e_does(t, "bronze",
             "trap 'echo >got.term' TERM\n"
             "echo $$ >job.pid\n"
             "while :; do sleep 0.05; done\n");
    p = e2e_start(t, "run %s", range);
    job = e2e_pid_in(t, "job.pid");
    e2e_kill_group(p, SIGINT);
    e2e_until_exists(t, "got.term");
    assert_false(e2e_is_over(p));
    assert_true(e2e_is_alive(job));
    e2e_kill_group(p, SIGINT);
    e2e_wait(p, E2E_DIED(SIGINT));
    assert_false(e2e_is_alive(job));
    assert_no_claims(t);
}

static void term_and_hangup_do_the_same(void **state)
{
    static const int signals[] = { SIGTERM, SIGHUP };
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "echo $$ >job.pid\nread -r x <gate.a\n");
    for (size_t i = 0; i < 2; i++) {
        struct e2e_proc *p;

        e2e_remove(t, "job.pid");
        p = e2e_start(t, "run %s", hour);
        (void)e2e_pid_in(t, "job.pid");
        e2e_kill(p, signals[i]);
        e2e_wait(p, E2E_DIED(signals[i]));
        assert_false(e2e_is_alive(e2e_pid_in(t, "job.pid")));
        assert_no_claims(t);
    }
}

static void a_stopped_job_is_ended_too(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    pid_t job;

    e2e_flights(t);
    e2e_does(t, "bronze", "echo $$ >job.pid\nkill -STOP $$\n");
    p = e2e_start(t, "run %s", hour);
    job = e2e_pid_in(t, "job.pid");
    e2e_pause(t, 20);
    e2e_kill_group(p, SIGINT);
    e2e_wait(p, E2E_DIED(SIGINT));
    assert_false(e2e_is_alive(job));
}

static void a_suspended_run_suspends_its_jobs_and_goes_on(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_does(t, "bronze",
             "i=0\nwhile [ ! -e stop ]; do i=$((i+1)); echo $i >beat; sleep 0.01; done\n");
    p = e2e_start(t, "run %s", hour);
    e2e_until_exists(t, "beat");
    e2e_kill_group(p, SIGTSTP);
    /* Until two looks, a while apart, see the same. */
    for (const char *a = "", *b = "b"; strcmp(a, b) != 0;) {
        a = e2e_read(t, "beat");
        e2e_pause(t, 100);
        b = e2e_read(t, "beat");
    }
    e2e_kill_group(p, SIGCONT);
    e2e_write(t, "stop", "");
    e2e_wait(p, 0);
    assert_true(e2e_has_receipt(t, hour));
}

/* ---- resume */

static void resume_after_a_failure_runs_just_the_rest(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "silver@2024-01-01T22", "exit 1\n");
    e2e_run(t, 1, "run --json=events %s", range);
    (void)e2e_jobs(t);
    e2e_remove(t, "do/silver@2024-01-01T22");
    e2e_run(t, 0, "resume");
    e2e_ran(t, "silver@2024-01-01T22 gold@2024-01-01");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), run_id(t, "events")); /* which run it resumes */
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
}

static void resume_after_an_interrupt_runs_just_the_rest(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "silver@2024-01-01T22", "read -r x <gate.a\n");
    p = e2e_start(t, "run --json=events %s", range);
    (void)e2e_gate_reached(t, "a");
    e2e_kill_group(p, SIGINT);
    e2e_wait(p, E2E_DIED(SIGINT));
    e2e_remove(t, "do");
    (void)e2e_jobs(t);
    e2e_run(t, 0, "resume");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), run_id(t, "events"));
    e2e_says(e2e_jobs(t), "silver@2024-01-01T22");
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
    e2e_says(e2e_read(t, "ran"), "end gold@2024-01-01");
    assert_int_equal(e2e_count(e2e_read(t, "ran"), "start bronze@2024-01-01T21 "), 1);
}

static void resume_after_a_kill_runs_just_the_rest(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "silver@2024-01-01T22", "read -r x <gate.a\n");
    p = e2e_start(t, "run --json=events %s", range);
    (void)e2e_gate_reached(t, "a");
    e2e_kill(p, SIGKILL);
    e2e_wait(p, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_ALL); /* the shim ends the job */
    e2e_remove(t, "do");
    e2e_run(t, 0, "resume");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), run_id(t, "events"));
    (void)e2e_jobs(t);
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
    assert_int_equal(e2e_count(e2e_read(t, "ran"), "start bronze@2024-01-01T21 "), 1);
    assert_int_equal(e2e_count(e2e_read(t, "ran"), "start silver@2024-01-01T22 "), 2);
    assert_no_claims(t);
}

static void resume_takes_range_params_selection_and_time_as_they_were(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "silver@2024-01-01T22", "exit 1\n");
    e2e_run(t, 1, "run --from 2024-01-01T22 --to 2024-01-02T00 --level high --upto silver");
    (void)e2e_jobs(t);
    e2e_remove(t, "do");
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-05T00:00Z");
    e2e_run(t, 0, "resume");
    e2e_ran(t, "silver@2024-01-01T22");
    e2e_run(t, 0,
            "plan --exit-code --from 2024-01-01T22 --to 2024-01-02T00 --upto silver "
            "--level high");
}

static void resume_does_not_force_again_what_is_done(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run");
    e2e_does(t, "bronze@2024-01-01T22", "exit 1\n");
    e2e_run(t, 1, "run --force --only bronze %s", range);
    (void)e2e_jobs(t);
    e2e_remove(t, "do");
    e2e_run(t, 0, "resume");
    e2e_ran(t, "bronze@2024-01-01T22");
}

static void resume_says_what_has_changed_since(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "silver@2024-01-01T22", "exit 1\n");
    e2e_run(t, 1, "run %s", range);
    (void)e2e_jobs(t);
    e2e_remove(t, "do");
    e2e_append(t, "code/silver.txt", "two\n");
    e2e_run(t, 0, "resume");
    e2e_ran_sorted(t, "gold@2024-01-01 silver@2024-01-01T21 silver@2024-01-01T22 "
                      "silver@2024-01-01T23");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "code/silver.txt");
}

/* Also of a stage of which nothing was done yet, and where the plan is only shown. */
static void resume_says_what_has_changed_of_what_was_not_done(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze@2024-01-01T22", "exit 1\n");
    e2e_run(t, 1, "run --only bronze,silver --from 2024-01-01T22 --to 2024-01-01T23");
    e2e_append(t, "code/silver.txt", "two\n");
    e2e_run(t, 0, "resume -n");
    e2e_says(t->err, "changed since: how silver is made");
    e2e_says_not(t->err, "how bronze is made");
}

static void resume_takes_the_order_as_it_was(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "exit 1\n");
    e2e_run(t, 1, "run --order newest --only bronze %s", range);
    (void)e2e_jobs(t);
    e2e_remove(t, "do");
    e2e_run(t, 0, "resume");
    e2e_ran(t, "bronze@2024-01-01T23 bronze@2024-01-01T22 bronze@2024-01-01T21");
}

static void a_resumed_resume_does_not_force_again_what_either_did(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run");
    e2e_does(t, "bronze@2024-01-01T22", "exit 1\n");
    e2e_does(t, "bronze@2024-01-01T23", "exit 1\n");
    e2e_run(t, 1, "run --force --only bronze %s", range);
    e2e_remove(t, "do/bronze@2024-01-01T22");
    e2e_run(t, 1, "resume");
    (void)e2e_jobs(t);
    e2e_remove(t, "do");
    e2e_run(t, 0, "resume");
    e2e_ran(t, "bronze@2024-01-01T23");
}

static void a_run_that_is_alive_is_not_resumed(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int gate;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "silver@2024-01-01T22", "read -r x <gate.a\n");
    p = e2e_start(t, "run --json=events %s", range);
    gate = e2e_gate_reached(t, "a");
    e2e_run(t, 2, "resume");
    e2e_says(t->err, "no unfinished run");
    e2e_run(t, 2, "resume %s", run_id(t, "events"));
    e2e_says(t->err, "is alive");
    e2e_gate_let_go(gate);
    e2e_wait(p, 0);
}

/* The hourly run of an hour later does what this one did not. */
static void an_hourly_run_is_resumed_by_name_alone(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "silver@2024-01-01T23", "exit 1\n");
    e2e_run(t, 1, "run --json=events --window 1");
    (void)e2e_jobs(t);
    e2e_remove(t, "do");
    e2e_run(t, 2, "resume");
    e2e_says(t->err, "an interrupted hourly run is caught up by the next one");
    e2e_run(t, E2E_ANY, "resume %s", run_id(t, "events"));
    e2e_says(e2e_jobs(t), "silver@2024-01-01T23");
}

static void resume_names_what_is_no_longer_there(void **state)
{
    struct e2e *t = *state;
    char *graph;

    e2e_flights(t);
    e2e_does(t, "silver", "exit 1\n");
    e2e_run(t, 1, "backfill --json=events --level high --only bronze,silver %s", range);
    graph = e2e_read(t, "stagegraph.ini");
    e2e_edit(t, "stagegraph.ini", "[profile backfill]", "[profile other]");
    e2e_run(t, 2, "resume");
    e2e_says(t->err, e2e_text(t, "resume run %s: ", run_id(t, "events")));
    e2e_says(t->err, "has no [profile backfill]");
    e2e_says(t->err, "backfill --json=events --level high"); /* what it was, to be asked anew */
    e2e_write(t, "stagegraph.ini", graph);
    e2e_edit(t, "stagegraph.ini", "[param level]", "[param depth]");
    e2e_edit(t, "stagegraph.ini", "${level}", "${depth}");
    e2e_run(t, 2, "resume");
    e2e_says(t->err, "there is no param level");
    e2e_write(t, "stagegraph.ini", graph);
    e2e_edit(t, "stagegraph.ini", "[stage silver]", "[stage silber]");
    e2e_edit(t, "stagegraph.ini", "needs     = silver", "needs     = silber");
    e2e_run(t, 2, "resume");
    e2e_says(t->err, "no longer has a stage silver");
}

static void there_is_nothing_to_resume_after_a_run_that_ended_well(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, E2E_ANY, "resume");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "no unfinished run");
    e2e_run(t, 0, "run %s", range);
    (void)e2e_jobs(t);
    e2e_run(t, E2E_ANY, "resume");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "no unfinished run");
    e2e_ran(t, "");
}

/* ---- history and status */

static void history_knows_runs_and_their_nodes(void **state)
{
    struct e2e *t = *state;
    const char *first, *second;

    e2e_flights(t);
    e2e_does(t, "bronze@2024-01-01T22", "exit 3\n");
    e2e_run(t, 1, "run --json=events %s", range);
    first = run_id(t, "events");
    e2e_remove(t, "do");
    e2e_run(t, 0, "run --json=events %s", range);
    second = run_id(t, "events");
    assert_string_not_equal(first, second);

    e2e_run(t, 0, "history");
    e2e_says(t->out, first);
    e2e_says(t->out, second);
    e2e_run(t, 0, "history %s", first);
    e2e_has_line(t->out, "*bronze@2024-01-01T21*ok*");
    e2e_has_line(t->out, "*bronze@2024-01-01T22*failed*");
    e2e_run(t, 0, "history --failed");
    e2e_says(t->out, "bronze@2024-01-01T22");
    e2e_says_not(t->out, "bronze@2024-01-01T21");
    e2e_run(t, 0, "history --stage gold");
    e2e_says(t->out, "gold@2024-01-01");
    e2e_says_not(t->out, "silver@");
    e2e_run(t, 0, "history --json");
    e2e_says(t->out, second);
    /* Readable with SQLite's own tool. */
    assert_true(e2e_exists(t, ".stagegraph/history.sqlite"));
}

static void status_shows_a_run_while_it_goes_on_and_what_a_dead_one_left(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    const char *id;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "read -r x <gate.a\n");
    e2e_run(t, 0, "status");
    p = e2e_start(t, "run --json=events %s", range);
    (void)e2e_gate_reached(t, "a");
    id = run_id(t, "events");
    e2e_run(t, 0, "status");
    e2e_says(t->out, id);
    e2e_says(t->out, hour);
    e2e_kill(p, SIGKILL);
    e2e_wait(p, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_ALL);
    e2e_run(t, 0, "status");
    e2e_says(t->out, id); /* what lingers: its claim */
    e2e_says(t->out, hour);
    e2e_remove(t, "do");
    e2e_run(t, 0, "run");
    e2e_run(t, 0, "status");
    e2e_says_not(t->out, id);
}

static void a_damaged_history_is_set_aside_and_fails_nothing(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run %s", hour);
    e2e_write(t, ".stagegraph/history.sqlite", "this is no database at all, but long enough ");
    e2e_remove(t, ".stagegraph/history.sqlite-journal");
    e2e_run(t, 0, "run");
    e2e_says(t->err, "history");
    e2e_run(t, 0, "history");
    e2e_says(t->out, "run");
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(one_interrupt_ends_the_jobs_and_the_run_dies_of_it),
        e2e_test(a_second_interrupt_does_not_wait_for_the_grace),
        e2e_test(term_and_hangup_do_the_same),
        e2e_test(a_stopped_job_is_ended_too),
        e2e_test(a_suspended_run_suspends_its_jobs_and_goes_on),
        e2e_test(resume_after_a_failure_runs_just_the_rest),
        e2e_test(resume_after_an_interrupt_runs_just_the_rest),
        e2e_test(resume_after_a_kill_runs_just_the_rest),
        e2e_test(resume_takes_range_params_selection_and_time_as_they_were),
        e2e_test(resume_does_not_force_again_what_is_done),
        e2e_test(resume_says_what_has_changed_since),
        e2e_test(resume_says_what_has_changed_of_what_was_not_done),
        e2e_test(resume_takes_the_order_as_it_was),
        e2e_test(a_resumed_resume_does_not_force_again_what_either_did),
        e2e_test(a_run_that_is_alive_is_not_resumed),
        e2e_test(an_hourly_run_is_resumed_by_name_alone),
        e2e_test(resume_names_what_is_no_longer_there),
        e2e_test(there_is_nothing_to_resume_after_a_run_that_ended_well),
        e2e_test(history_knows_runs_and_their_nodes),
        e2e_test(status_shows_a_run_while_it_goes_on_and_what_a_dead_one_left),
        e2e_test(a_damaged_history_is_set_aside_and_fails_nothing),
    };

    return cmocka_run_group_tests_name("interrupt", tests, NULL, NULL);
}
