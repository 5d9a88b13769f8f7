/*
 * endings: what every command says, word for word, when a run failed, timed out, was interrupted or
 * blocked. The texts are tests/e2e/texts/ending-*.txt: read them as a user would.
 */
#include "fixture.h"

/* One hour and one node a stage but silver, which needs a table as well: few jobs, the big blocks.
 */
static const char graph[] = //
    "[graph]\n"
    "name      = flights\n"
    "start     = 2024-01-01T23\n"
    "end       = 2024-01-02\n"
    "partition = hour\n"
    "delay     = 5m\n"
    "[store]\n"
    "root = warehouse\n"
    "sync = no\n"
    "[source landing]\n"
    "path   = landing/dt=${ds}/hr=${HH}\n"
    "marker = _DONE\n"
    "[source dim]\n"
    "partition = once\n"
    "path      = dim\n"
    "marker    = _DONE\n"
    "[stage bronze]\n"
    "title   = BRONZE INGESTION\n"
    "needs   = landing\n"
    "command = sh job.sh ${node} ${output}\n"
    "output  = bronze/dt=${ds}/hr=${HH}\n"
    "[stage silver]\n"
    "title   = SILVER TRANSFORMATION\n"
    "needs   = bronze dim\n"
    "command = sh job.sh ${node} ${output}\n"
    "output  = silver/dt=${ds}/hr=${HH}\n"
    "timeout = 1s\n"
    "[stage gold]\n"
    "title     = GOLD AGGREGATIONS\n"
    "partition = day\n"
    "needs     = silver\n"
    "command   = sh job.sh ${node} ${output}\n"
    "output    = gold/dt=${ds}\n"
    "[profile hourly]\n"
    "window   = 1\n"
    "lookback = 1\n"
    "order    = newest\n"
    "[profile backfill]\n"
    "order = oldest\n";

static void begin(struct e2e *t)
{
    e2e_write(t, "stagegraph.ini", graph);
    e2e_job_script(t);
    e2e_land(t, "2024-01-01T23", "a\n");
    e2e_write(t, "warehouse/dim/data", "d\n");
    e2e_write(t, "warehouse/dim/_DONE", "");
    e2e_does(t, "bronze", "echo 'bronze: 3 rows'\n");
    e2e_setenv(t, "STAGEGRAPH_NOW", NULL);
}

#define NOW   "--now 2024-01-02T00:10Z "
#define RANGE " --from 2024-01-01 --to 2024-01-01"

/* Those that begin a run, and how the run ends each time. */
static const char *const starting[] = {
    NOW "run",    NOW "hourly",  NOW "run silver@2024-01-01T23 --json",
    NOW "run -q", NOW "run -j2", NOW "backfill" RANGE,
    "resume",
};

/* Those that tell about it afterwards, or leave it alone. */
static const char *const telling[] = {
    NOW "plan",
    NOW "run -n",
    NOW "plan --json",
    NOW "plan --exit-code",
    NOW "explain silver@2024-01-01T23",
    NOW "explain gold@2024-01-01",
    NOW "status",
    NOW "status --json",
    "history",
    "history --failed",
    "history --json --limit 1",
    "log silver@2024-01-01T23",
    "log gold@2024-01-01",
    "graph",
    "check",
    NOW "accept",
    "invalidate silver@2024-01-01T23 --yes",
    "invalidate bronze@2024-01-01T23",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* `history RUN` of the run that ended last. */
static void show_last_run(struct e2e *t)
{
    const char *run;

    e2e_run(t, 0, "history --json");
    run = e2e_get(e2e_json(t, t->out), "[0].run");
    e2e_show(t, e2e_text(t, "history %s", run));
    e2e_show(t, e2e_text(t, "history %s --json", run));
}

static void show_telling(struct e2e *t)
{
    for (size_t i = 0; i < COUNT(telling); i++)
        e2e_show(t, telling[i]);
    show_last_run(t);
}

static void of_a_run_that_failed(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_does(t, "silver", "echo 'silver: no such column'\nexit 3\n");
    for (size_t i = 0; i < COUNT(starting); i++)
        e2e_show(t, starting[i]);
    show_telling(t);
    e2e_transcript_is(t, "ending-failed");
}

static void of_a_run_that_timed_out(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_does(t, "silver", "echo 'silver: waiting for a lock'\nexec sleep 1000\n");
    for (size_t i = 0; i < COUNT(starting); i++)
        e2e_show(t, starting[i]);
    show_telling(t);
    e2e_transcript_is(t, "ending-timeout");
}

static void of_a_run_that_was_blocked(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_remove(t, "warehouse/dim");
    for (size_t i = 0; i < COUNT(starting); i++)
        e2e_show(t, starting[i]);
    show_telling(t);
    e2e_transcript_is(t, "ending-blocked");
}

/* The job stands at a gate; then the signal comes. */
static void interrupt(struct e2e *t, const char *command, int signo)
{
    struct e2e_proc *p = e2e_start(t, "%s", command);

    e2e_until_exists(t, "started");
    e2e_kill(p, signo);
    e2e_wait(p, E2E_DIED(signo));
    e2e_show_ended(t, command);
    e2e_remove(t, "started");
}

static void show_interrupted(struct e2e *t, int signo)
{
    begin(t);
    e2e_edit(t, "stagegraph.ini", "timeout = 1s\n", "");
    e2e_does(t, "silver", "echo 'silver: half way'\n>started\nexec sleep 1000\n");
    for (size_t i = 0; i < COUNT(starting); i++)
        interrupt(t, starting[i], signo);
    show_telling(t);
}

static void of_a_run_that_was_interrupted(void **state)
{
    struct e2e *t = *state;

    show_interrupted(t, SIGINT);
    e2e_transcript_is(t, "ending-interrupted");
}

static void of_a_run_that_was_terminated(void **state)
{
    struct e2e *t = *state;

    show_interrupted(t, SIGTERM);
    e2e_transcript_is(t, "ending-terminated");
}

/* What has ended before a long job is in the history while that runs. */
static void until_recorded(struct e2e *t)
{
    for (int i = 0; i < 1000; i++) {
        e2e_run(t, 0, "history --json");
        if (strstr(t->out, "\"ok\":1") != NULL)
            return;
        e2e_pause(t, 20);
    }
    fail_msg("the first node of the run never comes into the history");
}

/* The run can't say anything any more: what is left says it. */
static void of_a_run_that_was_killed(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    begin(t);
    e2e_edit(t, "stagegraph.ini", "timeout = 1s\n", "");
    e2e_does(t, "silver", "echo 'silver: half way'\n>started\nexec sleep 1000\n");
    p = e2e_start(t, NOW "run" RANGE);
    e2e_until_exists(t, "started");
    until_recorded(t);
    e2e_kill(p, SIGKILL);
    e2e_wait(p, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_ALL); /* its shim has ended the job */
    e2e_show_ended(t, NOW "run" RANGE);
    show_telling(t);
    e2e_remove(t, "do");
    e2e_show(t, "resume");
    e2e_show(t, NOW "status");
    e2e_show(t, "history");
    e2e_transcript_is(t, "ending-killed");
}

/* Silver is in the hands of another run. */
static void of_a_run_that_left_nodes_to_another(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *other;
    int gate;

    begin(t);
    e2e_edit(t, "stagegraph.ini", "timeout = 1s\n", "");
    e2e_gate(t, "silver");
    e2e_does(t, "silver", "read -r x <gate.silver\n");
    other = e2e_start(t, NOW "run silver@2024-01-01T23");
    gate = e2e_gate_reached(t, "silver");
    for (const char *const *c =
             (const char *const[]){ "run", "run -q", "run --json", "plan", "plan --json",
                                    "explain silver@2024-01-01T23", "explain gold@2024-01-01",
                                    "accept", "invalidate silver@2024-01-01T23 --yes", NULL };
         *c != NULL; c++)
        e2e_show(t, e2e_text(t, NOW "%s", *c));
    e2e_gate_let_go(gate);
    e2e_wait(other, 0);
    e2e_transcript_is(t, "ending-busy");
}

/* What is there, but may not be all of it yet, is told apart from what is not there. */
static void of_a_run_whose_source_has_not_settled(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_edit(t, "stagegraph.ini", "path      = dim\nmarker    = _DONE\n", "path = dim\n");
    e2e_show(t, NOW "run");
    e2e_show(t, NOW "plan");
    e2e_show(t, NOW "plan --json");
    e2e_show(t, NOW "explain silver@2024-01-01T23");
    e2e_show(t, NOW "run --json");
    e2e_show(t, "history --failed");
    e2e_transcript_is(t, "ending-unsettled");
}

/* A day that was made before it was over, and is over now with nothing new: no job, a rename. */
static void of_a_run_that_only_completes_a_day(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_edit(t, "stagegraph.ini", "[stage gold]\n", "[stage gold]\npartial = yes\ndelay   = 2h\n");
    e2e_run(t, 0, "--now 2024-01-02T00:10Z run");
    for (const char *const *c =
             (const char *const[]){ "plan", "run -n", "plan --exit-code", "explain gold@2024-01-01",
                                    "run", "run", NULL };
         *c != NULL; c++)
        e2e_show(t, e2e_text(t, "--now 2024-01-02T02:10Z %s", *c));
    e2e_show(t, "history");
    e2e_transcript_is(t, "ending-completed");
}

/* ---- many jobs: a line each */

static void begin_many(struct e2e *t)
{
    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n", "[stage silver]\ntimeout = 1s\n");
    e2e_setenv(t, "STAGEGRAPH_NOW", NULL);
    e2e_land(t, "2024-01-01T20", "z\n");
}

static void show_many(struct e2e *t)
{
    e2e_show(t, NOW "run");
    e2e_show(t, NOW "run -q" RANGE);
    e2e_show(t, NOW "plan");
    e2e_show(t, NOW "status");
    e2e_show(t, "history");
    e2e_show(t, "history --stage silver");
}

static void of_many_jobs_of_which_some_failed(void **state)
{
    struct e2e *t = *state;

    begin_many(t);
    e2e_does(t, "silver@2024-01-01T22", "echo 'no such column'\nexit 3\n");
    e2e_does(t, "silver@2024-01-01T23", "kill -SEGV $$\n");
    show_many(t);
    e2e_transcript_is(t, "ending-many-failed");
}

static void of_many_jobs_of_which_some_timed_out(void **state)
{
    struct e2e *t = *state;

    begin_many(t);
    e2e_does(t, "silver@2024-01-01T22", "exec sleep 1000\n");
    show_many(t);
    e2e_transcript_is(t, "ending-many-timeout");
}

static void of_many_jobs_of_which_some_were_blocked(void **state)
{
    struct e2e *t = *state;

    begin_many(t);
    e2e_edit(t, "stagegraph.ini", "start     = 2024-01-01T21\n", "start     = 2024-01-01T18\n");
    e2e_land(t, "2024-01-01T19", "y\n");
    e2e_remove(t, "warehouse/landing/dt=2024-01-01/hr=22");
    show_many(t);
    e2e_transcript_is(t, "ending-many-blocked");
}

static void of_many_jobs_that_were_interrupted(void **state)
{
    struct e2e *t = *state;

    begin_many(t);
    e2e_edit(t, "stagegraph.ini", "timeout = 1s\n", "");
    e2e_does(t, "silver@2024-01-01T21", ">started\nexec sleep 1000\n");
    interrupt(t, NOW "run", SIGINT);
    interrupt(t, NOW "run -q" RANGE, SIGTERM);
    e2e_show(t, NOW "plan");
    e2e_show(t, "history");
    e2e_show(t, "history --stage silver");
    e2e_transcript_is(t, "ending-many-interrupted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(of_a_run_that_failed),
        e2e_test(of_a_run_that_timed_out),
        e2e_test(of_a_run_that_was_interrupted),
        e2e_test(of_a_run_that_was_terminated),
        e2e_test(of_a_run_that_was_blocked),
        e2e_test(of_a_run_that_was_killed),
        e2e_test(of_a_run_that_left_nodes_to_another),
        e2e_test(of_a_run_whose_source_has_not_settled),
        e2e_test(of_a_run_that_only_completes_a_day),
        e2e_test(of_many_jobs_of_which_some_failed),
        e2e_test(of_many_jobs_of_which_some_timed_out),
        e2e_test(of_many_jobs_of_which_some_were_blocked),
        e2e_test(of_many_jobs_that_were_interrupted),
    };

    return cmocka_run_group_tests_name("endings", tests, NULL, NULL);
}
