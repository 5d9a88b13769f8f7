/*
 * exit_status: each status, and which of them a run has when several would do.
 *
 * One graph whose stages each end in a way of their own and need nothing of each other, so that any
 * of them can be put together in one run. 70 is not here: it is a bug of ours, and there is no way
 * to ask for one.
 */
#include "fixture.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char graph[] = //
    "[graph]\n"
    "name      = ends\n"
    "start     = 2024-01-01\n"
    "partition = day\n"
    "[store]\n"
    "root = warehouse\n"
    "sync = no\n"
    "[source absent]\n"
    "partition = once\n"
    "path      = absent\n"
    "[stage spoils_state]\n"
    "partition = once\n"
    "command   = sh -c 'rm -r .stagegraph/logs && : >.stagegraph/logs'\n"
    "check     = none\n"
    "output    = spoils_state\n"
    "[stage spoils]\n"
    "partition = once\n"
    "command   = sh -c 'rm -r warehouse && : >warehouse'\n"
    "output    = spoils\n"
    "[stage fine]\n"
    "partition = once\n"
    "command   = sh job.sh fine@1 ${output}\n"
    "output    = fine\n"
    "[stage failed]\n"
    "partition = once\n"
    "command   = sh -c 'exit 3'\n"
    "output    = failed\n"
    "[stage unchecked]\n"
    "partition = once\n"
    "command   = true\n" /* and wrote nothing */
    "output    = unchecked\n"
    "[stage timeout]\n"
    "partition = once\n"
    "command   = sleep 1000\n"
    "timeout   = 1s\n"
    "output    = timeout\n"
    "[stage blocked]\n"
    "partition = once\n"
    "needs     = absent\n"
    "command   = true\n"
    "output    = blocked\n"
    "[stage busy]\n"
    "partition = once\n"
    "command   = sh job.sh busy@1 ${output}\n"
    "output    = busy\n"
    "[stage parts]\n"
    "end     = 2024-01-04\n"
    "batch   = 3\n"
    "command = sh parts.sh ${output_root}\n"
    "output  = parts/dt=${ds}\n"
    /* What lies behind one of them. */
    "[stage behind_failed]\n"
    "partition = once\n"
    "needs     = failed\n"
    "command   = true\n"
    "output    = behind_failed\n"
    "[stage behind_timeout]\n"
    "partition = once\n"
    "needs     = timeout\n"
    "command   = true\n"
    "output    = behind_timeout\n"
    "[stage behind_busy]\n"
    "partition = once\n"
    "needs     = busy\n"
    "command   = true\n"
    "output    = behind_busy\n"
    "[stage long]\n"
    "partition = once\n"
    "command   = sh job.sh long@1 ${output}\n"
    "output    = long\n"
    "[profile hourly]\n"
    "window = 1\n"
    "[profile backfill]\n"
    "order  = oldest\n";

static void begin(struct e2e *t)
{
    e2e_write(t, "stagegraph.ini", graph);
    e2e_job_script(t);
    e2e_gate(t, "busy");
    e2e_does(t, "busy", "read -r x <gate.busy\n");
    e2e_does(t, "long", ">started\nexec sleep 1000\n");
    /* The first of a batch is made and told, then the job fails. */
    e2e_write(t, "parts.sh",
              "mkdir -p \"$1/dt=2024-01-01\" && echo x >\"$1/dt=2024-01-01/data\"\n"
              "echo 2024-01-01 >>\"$STAGEGRAPH_DONE_FILE\"\n"
              "exit 1\n");
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-10T00:00Z");
}

/* Another run holds `busy` until the gate is opened. */
static struct e2e_proc *hold(struct e2e *t, int *ret_gate)
{
    struct e2e_proc *p = e2e_start(t, "run busy");

    *ret_gate = e2e_gate_reached(t, "busy");
    return p;
}

/* What may hold at once, in the order of precedence (section 3 of the contract). */
static const struct {
    const char *stages; /* that make it, with what lies behind */
    int status;
} causes[] = {
    { "failed,behind_failed", 1 },
    { "parts", 1 },
    { "unchecked", 1 },
    { "timeout,behind_timeout", 5 },
    { "busy,behind_busy", 4 },
    { "blocked", 3 },
};

/* `--only` with the causes of a set, and `fine`. */
static const char *only(struct e2e *t, unsigned set)
{
    const char *list = "fine";

    for (size_t i = 0; i < COUNT(causes); i++)
        if (set & 1u << i)
            list = e2e_text(t, "%s,%s", list, causes[i].stages);
    return e2e_text(t, "--only %s", list);
}

static int first_of(unsigned set)
{
    for (size_t i = 0; i < COUNT(causes); i++)
        if (set & 1u << i)
            return causes[i].status;
    return 0;
}

/* Few enough that their timeouts, a second each, don't take long. */
static bool is_worth_it(unsigned set)
{
    return __builtin_popcount(set) <= 3 && (set & 7u) != 7u;
}

static void of_all_that_holds_in_a_run_the_first_counts(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *other;
    int gate;

    begin(t);
    other = hold(t, &gate);
    for (unsigned set = 0; set < 1u << COUNT(causes); set++) {
        if (!is_worth_it(set))
            continue;
        e2e_run(t, E2E_ANY, "run -j8 %s", only(t, set));
        if (t->status != first_of(set))
            e2e_fail(t, "%s: status %d, wanted %d", only(t, set), t->status, first_of(set));
        e2e_remove(t, "warehouse/parts");
    }
    e2e_gate_let_go(gate);
    e2e_wait(other, 0);
}

static void a_plan_ends_with_0_and_says_more_only_when_asked(void **state)
{
    /* Which of them a plan can know. */
    static const struct {
        const char *stages;
        int status; /* of --exit-code */
    } cases[] = {
        { "fine", 0 },
        { "fine,blocked", 3 },
        { "fine,busy", 4 },
        { "fine,busy,behind_busy", 4 },
        { "fine,busy,blocked", 4 },
        { "fine,failed", 6 },
        { "failed,blocked", 6 },
        { "failed,busy", 6 },
        { "failed,busy,blocked", 6 },
    };
    struct e2e *t = *state;
    struct e2e_proc *other;
    int gate;

    begin(t);
    e2e_run(t, 0, "run fine");
    other = hold(t, &gate);
    for (size_t i = 0; i < COUNT(cases); i++) {
        e2e_run(t, 0, "plan --only %s", cases[i].stages);
        e2e_run(t, 0, "plan --json --only %s", cases[i].stages);
        e2e_run(t, 0, "run -n --only %s", cases[i].stages);
        e2e_run(t, E2E_ANY, "plan --exit-code --only %s", cases[i].stages);
        if (t->status != cases[i].status)
            e2e_fail(t, "%s: status %d, wanted %d", cases[i].stages, t->status, cases[i].status);
    }
    e2e_run(t, 0, "hourly -n");
    e2e_run(t, 0, "backfill -n --from 2024-01-01 --to 2024-01-02");
    e2e_gate_let_go(gate);
    e2e_wait(other, 0);
}

static void debt_is_no_failure(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_write(t, "code", "one\n");
    e2e_edit(t, "stagegraph.ini", "[stage fine]\n", "[stage fine]\ncode = code\n");
    e2e_run(t, 0, "run fine");
    e2e_write(t, "code", "two\n");
    e2e_run(t, 0, "run --only fine --stale=missing");
    e2e_says(t->out, "1 stale for reasons that were not asked for");
    e2e_run(t, 0, "plan --exit-code --only fine --stale=missing");
    e2e_run(t, 6, "plan --exit-code --only fine");
    /* What --only and --upto leave out is not even looked at. */
    e2e_run(t, 0, "run --only fine");
    e2e_run(t, 0, "run --upto fine");
    e2e_run(t, 3, "run --only fine,blocked");
}

/* ---- signals */

static void a_signal_comes_before_all_else(void **state)
{
    static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
    struct e2e *t = *state;
    struct e2e_proc *other;
    int gate;

    begin(t);
    other = hold(t, &gate);
    for (size_t i = 0; i < COUNT(signals) * 2; i++) {
        int signo = signals[i / 2];
        /* Once with everything else that can hold, once alone. */
        const char *with = i % 2 == 0 ? "failed,parts,unchecked,timeout,busy,blocked,fine," : "";
        struct e2e_proc *p = e2e_start(t, "run -j8 --json=events --only %slong", with);
        struct e2e_doc *last;
        const char *text, *at;

        e2e_until_exists(t, "started");
        if (i % 2 == 0) {
            e2e_until(p, "timeout TIMEOUT");
            e2e_until(p, "failed FAILED");
        }
        e2e_kill(p, signo);
        e2e_wait(p, E2E_DIED(signo));
        e2e_remove(t, "started");
        /* The events, and the history, know it as a shell does. */
        text = e2e_read(t, "events");
        at = strstr(text, "{\"event\":\"run_finished\"");
        assert_non_null(at);
        last = e2e_json(t, at);
        assert_string_equal(e2e_get(last, "exit_status"), e2e_text(t, "%d", 128 + signo));
        assert_string_equal(e2e_get(last, "signal"), e2e_text(t, "%d", signo));
        e2e_run(t, 0, "history --json --limit 1");
        assert_string_equal(e2e_get(e2e_json(t, t->out), "[0].exit_status"),
                            e2e_text(t, "%d", 128 + signo));
        e2e_remove(t, "warehouse/parts");
    }
    e2e_gate_let_go(gate);
    e2e_wait(other, 0);
}

/* ---- what comes before any node runs */

static void a_state_directory_that_cannot_be_made_is_71(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_write(t, ".stagegraph", "a file\n");
    e2e_run(t, 71, "run --only fine");
    e2e_says(t->err, "the state directory");
    e2e_run(t, 71, "run --only fine,failed,timeout,blocked");
    assert_false(e2e_exists(t, "ran"));
    /* Nothing is kept of a run that has nothing to do, or of a plan. */
    e2e_run(t, 3, "run --only blocked");
    e2e_run(t, 6, "plan --exit-code --only fine,blocked");
    e2e_run(t, 0, "plan --only fine,blocked");
}

static void usage_and_graph_errors_are_2(void **state)
{
    static const char *const lines[] = {
        "",
        "no-such-command",
        "run --no-such-option",
        "run no_such_stage",
        "run --from yesterday",
        "run --from 2024-01-02 --to 2024-01-01",
        "run -j none",
        "run --stale=no-such-reason",
        "run --only no_such_stage",
        "plan no_such_node@2024-01-01",
        "backfill",
        "resume",
        "resume no-such-run",
        "explain",
        "explain no_such_stage",
        "log fine",
        "accept --reason no-such-reason",
        "invalidate",
        "history --stage no_such_stage",
        "completion tcsh",
        "-f no-such-file.ini plan",
        "--now never plan",
        "-C no/such/directory plan",
    };
    struct e2e *t = *state;

    begin(t);
    for (size_t i = 0; i < COUNT(lines); i++) {
        e2e_run(t, E2E_ANY, "%s", lines[i]);
        if (t->status != 2)
            e2e_fail(t, "%s: status %d, wanted 2", lines[i], t->status);
        if (t->err[0] == '\0' || t->out[0] != '\0')
            e2e_fail(t, "%s: what is wrong belongs on standard error", lines[i]);
    }
    /* Also where the state directory and the store can't be used: neither is tried. */
    e2e_append(t, "stagegraph.ini", "[stage bad]\ncommand = x\n");
    e2e_write(t, ".stagegraph", "a file\n");
    e2e_write(t, "warehouse", "a file\n");
    for (const char *const *c = (const char *const[]){ "run", "plan", "check", "graph", "status",
                                                       "history", "explain fine", NULL };
         *c != NULL; c++)
        e2e_run(t, 2, "%s", *c);
}

static void a_store_that_cannot_be_read_is_74(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_write(t, "warehouse", "a file\n");
    e2e_run(t, 74, "plan");
    e2e_run(t, 74, "plan --exit-code");
    e2e_run(t, 74, "run --only fine,blocked");
    e2e_run(t, 74, "hourly");
    e2e_run(t, 74, "explain fine");
    e2e_run(t, 74, "status");
    e2e_run(t, 74, "accept");
    e2e_says(t->err, e2e_path(t, "warehouse"));
    assert_false(e2e_exists(t, "ran"));
    /* These don't ask the store. */
    e2e_run(t, 0, "graph");
    e2e_run(t, 0, "history");
}

/* The store goes while the run is on: that is the failure of those that come too late. */
static void a_store_that_goes_in_the_middle_fails_the_attempts(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_run(t, 1, "run --only spoils,fine");
    e2e_says(t->out, "[FAILED] SPOILS");
    e2e_says(t->out, "[FAILED] FINE");
    e2e_says(t->out, "Not a directory");
}

/* Without room for logs the run goes on: nothing but its log is lost. */
static void a_state_directory_that_goes_in_the_middle_costs_the_logs_alone(void **state)
{
    struct e2e *t = *state;

    begin(t);
    e2e_run(t, 0, "run --only spoils_state,fine");
    e2e_has_line(t->err, "stagegraph: fine: no log is kept: *Not a directory");
    e2e_run(t, 1, "run --force --only fine,failed");
    e2e_says(t->out, "failed: exit 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(of_all_that_holds_in_a_run_the_first_counts),
        e2e_test(a_plan_ends_with_0_and_says_more_only_when_asked),
        e2e_test(debt_is_no_failure),
        e2e_test(a_signal_comes_before_all_else),
        e2e_test(a_state_directory_that_cannot_be_made_is_71),
        e2e_test(a_state_directory_that_goes_in_the_middle_costs_the_logs_alone),
        e2e_test(usage_and_graph_errors_are_2),
        e2e_test(a_store_that_cannot_be_read_is_74),
        e2e_test(a_store_that_goes_in_the_middle_fails_the_attempts),
    };

    return cmocka_run_group_tests_name("exit_status", tests, NULL, NULL);
}
