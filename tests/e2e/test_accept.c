/*
 * accept: receipts for outputs that are there, without a run; invalidate: markers removed.
 */
#include "fixture.h"

#include <sys/stat.h>

static const char *const nodes[] = { "bronze@2024-01-01T21", "bronze@2024-01-01T22",
                                     "bronze@2024-01-01T23", "silver@2024-01-01T21",
                                     "silver@2024-01-01T22", "silver@2024-01-01T23",
                                     "gold@2024-01-01" };
#define N_NODES (sizeof(nodes) / sizeof(*nodes))

static void made(struct e2e *t)
{
    e2e_flights(t);
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
}

/* What an older job left: data, empty markers, and nothing of ours. */
static void an_existing_warehouse(struct e2e *t)
{
    made(t);
    for (size_t i = 0; i < N_NODES; i++)
        e2e_write(t, e2e_marker(t, nodes[i]), "");
    e2e_remove(t, "warehouse/_stagegraph");
    e2e_remove(t, ".stagegraph");
}

static char *field(struct e2e *t, const char *node, const char *key)
{
    char *text = e2e_read(t, e2e_marker(t, node));

    return e2e_text(t, "%s", e2e_get(e2e_json(t, text), "%s", key));
}

static bool has_claims(struct e2e *t)
{
    for (size_t i = 0; i < N_NODES; i++) {
        const char *at = strchr(nodes[i], '@');

        if (e2e_exists(t, e2e_text(t, "warehouse/_stagegraph/claims/%.*s/%s", (int)(at - nodes[i]),
                                   nodes[i], at + 1)))
            return true;
    }
    return false;
}

/* ---- accept */

static void an_existing_warehouse_is_accepted_and_then_fresh(void **state)
{
    struct e2e *t = *state;

    an_existing_warehouse(t);
    e2e_run(t, 0, "accept -n");
    e2e_has_line(t->out, "accept *bronze *2024-01-01T21 … 2024-01-01T23 * 3 *unstamped");
    e2e_says(t->out, "nothing was written");
    assert_false(e2e_has_receipt(t, nodes[0]));
    e2e_run(t, 0, "accept");
    e2e_has_line(t->out, "accepted *bronze *2024-01-01T21 … 2024-01-01T23 * 3 *unstamped");
    e2e_has_line(t->out, "accepted *gold *2024-01-01 * 1 *unstamped");
    e2e_says(t->out, "Accepted 7 nodes, 0 fresh already");
    e2e_ran(t, "");
    for (size_t i = 0; i < N_NODES; i++) {
        assert_true(e2e_has_receipt(t, nodes[i]));
        assert_string_equal(field(t, nodes[i], "state"), "accepted");
    }
    assert_false(has_claims(t));
    e2e_run(t, 0, "plan --exit-code");
    assert_int_equal(strlen(t->err), 0);
    e2e_run(t, 0, "run");
    e2e_ran(t, "");
    e2e_run(t, 0, "accept");
    e2e_says(t->out, "Accepted 0 nodes, 7 fresh already");
    /* From here on a code change is seen, of that stage alone. */
    e2e_write(t, "code/silver.txt", "two\n");
    e2e_plan_is(t, "",
                "silver 2024-01-01T21..2024-01-01T23 3/3 code code/silver.txt\n"
                "gold 2024-01-01 1/1 upstream silver\n");
}

static void what_is_downstream_of_an_accepted_marker_stays_fresh(void **state)
{
    struct e2e *t = *state;

    made(t);
    /* Bronze was made again by another tool, and silver with it as its input. */
    e2e_write(t, e2e_marker(t, nodes[0]), "");
    e2e_write(t, "code/bronze.txt", "two\n");
    e2e_run(t, 0, "run --only silver,gold");
    e2e_ran(t, "silver@2024-01-01T21");
    e2e_run(t, 0, "accept bronze@2024-01-01T21");
    e2e_says(t->out, "Accepted 1 node");
    assert_string_equal(field(t, nodes[0], "state"), "accepted");
    e2e_run(t, 0, "plan --exit-code --only silver,gold");
}

static void a_code_change_is_accepted_and_downstream_stays_as_it_is(void **state)
{
    struct e2e *t = *state;
    char *version, *gold;

    made(t);
    version = field(t, nodes[3], "version");
    gold = e2e_read(t, e2e_marker(t, "gold@2024-01-01"));
    e2e_write(t, "code/silver.txt", "two\n");
    /* Without its reason it is left alone. */
    e2e_run(t, 0, "accept");
    e2e_has_line(t->out, "left *silver *2024-01-01T21 … 2024-01-01T23 * 3 *code code/silver.txt");
    e2e_says(t->out, "3 left alone");
    e2e_run(t, 0, "accept --reason command");
    e2e_says(t->out, "Accepted 0 nodes");
    e2e_run(t, 0, "accept --reason code,params silver@2024-01-01T21");
    e2e_has_line(t->out, "accepted *silver *2024-01-01T21 * 1 *code code/silver.txt");
    e2e_plan_is(t, "",
                "silver 2024-01-01T22..2024-01-01T23 2/2 code code/silver.txt\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    e2e_run(t, 0, "accept --reason=code --only silver");
    e2e_says(t->out, "Accepted 2 nodes");
    assert_string_equal(field(t, nodes[3], "version"), version);
    e2e_same(e2e_read(t, e2e_marker(t, "gold@2024-01-01")), gold, __FILE__, __LINE__);
    e2e_run(t, 0, "plan --exit-code");
    e2e_ran(t, "");
    e2e_run(t, 0, "explain silver@2024-01-01T21");
    e2e_says(t->out, "accepted");
}

/* An input that retention has deleted counts as it was, also when it is there again. */
static void a_gone_input_is_accepted_as_it_was(void **state)
{
    struct e2e *t = *state;
    const char *versions;

    made(t);
    versions = e2e_text(t, "%s", field(t, nodes[3], "inputs[0].versions"));
    assert_int_equal(strlen(versions), 16);
    e2e_remove(t, e2e_output(t, nodes[0]));
    e2e_write(t, "code/silver.txt", "two\n");
    e2e_run(t, 0, "accept --reason code silver@2024-01-01T21");
    assert_string_equal(field(t, nodes[3], "state"), "accepted");
    assert_string_equal(field(t, nodes[3], "inputs[0].versions"), versions);
    e2e_run(t, 0, "run bronze@2024-01-01T21");
    e2e_run(t, 0, "run silver@2024-01-01T21");
    e2e_ran(t, nodes[0]);
}

static void a_change_of_params_and_of_inputs_is_accepted_by_its_name(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_run(t, 0, "accept --reason params --level high");
    e2e_has_line(t->out, "accepted *silver * 3 *params level*");
    e2e_run(t, 0, "plan --exit-code --level high");
    e2e_land(t, "2024-01-01T22", "late\n");
    e2e_run(t, 0, "accept --level high");
    e2e_has_line(t->out, "left *bronze *2024-01-01T22 * 1 *input landing");
    e2e_run(t, 0, "accept --level high --reason input");
    e2e_has_line(t->out, "accepted *bronze *2024-01-01T22 * 1 *input landing");
    e2e_run(t, 0, "plan --exit-code --level high");
}

static void what_is_missing_damaged_or_unfinished_is_left_alone(void **state)
{
    struct e2e *t = *state;

    an_existing_warehouse(t);
    e2e_remove(t, e2e_marker(t, nodes[3]));
    e2e_write(t, e2e_marker(t, nodes[4]), "{\"stagegraph\":1,\"node\"");
    e2e_run(t, 0, "accept");
    e2e_has_line(t->out, "left *silver *2024-01-01T21 * 1 *missing");
    e2e_has_line(t->out, "left *silver *2024-01-01T22 * 1 *damaged*");
    e2e_says(t->out, "2 left alone");
    assert_false(e2e_exists(t, e2e_marker(t, nodes[3])));
    assert_false(e2e_has_receipt(t, nodes[4]));
    assert_false(has_claims(t));
    e2e_run(t, 2, "accept --reason missing");
    e2e_says(t->err, "--reason missing");
    e2e_run(t, 2, "accept --reason cod");
}

static void what_another_run_holds_is_busy(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    an_existing_warehouse(t);
    e2e_gate(t, "silver");
    e2e_does(t, "silver@2024-01-01T21", "read -r x <gate.silver\n");
    p = e2e_start(t, "run --force silver@2024-01-01T21 --only silver");
    {
        int fd = e2e_gate_reached(t, "silver");

        e2e_run(t, 4, "accept");
        /* It was away when we looked, or it is held. */
        e2e_says_not(t->out, "accepted  silver  2024-01-01T21 ");
        e2e_run(t, 4, "accept gold@2024-01-01");
        e2e_gate_let_go(fd);
    }
    e2e_wait(p, 0);
}

/* A line a node that is not fresh, and a run in the history that nobody takes up again. */
static void what_was_accepted_is_told_as_events_and_in_the_history(void **state)
{
    struct e2e *t = *state;
    struct e2e_doc *d;

    an_existing_warehouse(t);
    e2e_remove(t, e2e_marker(t, nodes[3]));
    e2e_run(t, 0, "accept -n --json --date 2024-01-01");
    e2e_has_line(t->out, "*\"run\":null,\"node\":\"gold@2024-01-01\"*\"result\":\"accepted\"*");
    assert_false(e2e_exists(t, ".stagegraph")); /* nothing was done */
    e2e_run(t, 0, "accept --json --date 2024-01-01");
    e2e_looks(t->out,
              "{\"event\":\"run_started\",*\"command\":\"accept\",*}\n"
              "{\"event\":\"node_marked\",*\"node\":\"bronze@2024-01-01T21\",\"stage\":\"bronze\","
              "\"result\":\"accepted\",\"detail\":\"unstamped\"}\n"
              "...\n"
              "{\"event\":\"node_marked\",*\"node\":\"silver@2024-01-01T21\",\"stage\":\"silver\","
              "\"result\":\"left\",\"detail\":\"missing\"}\n"
              "...\n"
              "{\"event\":\"run_finished\",*\"exit_status\":0,\"results\":{\"unchanged\":0,"
              "\"accepted\":6,\"left\":1,\"busy\":0}}\n");
    e2e_says(t->err, "Accepted 6 nodes");
    e2e_run(t, 0, "history --json");
    d = e2e_json(t, t->out);
    assert_string_equal(e2e_get(d, "[0].command"), "stagegraph accept --json --date 2024-01-01");
    assert_string_equal(e2e_get(d, "[0].exit_status"), "0");
    assert_string_equal(e2e_get(d, "[0].ok"), "6");
    e2e_run(t, 0, "history %s", e2e_get(d, "[0].run"));
    e2e_has_line(t->out, "*gold@2024-01-01*accepted*unstamped*");
    e2e_run(t, 0, "history --failed --json");
    assert_null(e2e_get(e2e_json(t, t->out), "[0].run"));
    e2e_run(t, 0, "invalidate --yes --json gold@2024-01-01");
    e2e_has_line(t->out, "*\"node_marked\"*\"gold@2024-01-01\"*\"result\":\"invalidated\"*");
    e2e_run(t, 0, "history --stage gold --json");
    assert_string_equal(e2e_get(e2e_json(t, t->out), "[1].result"), "invalidated");
    e2e_run(t, 2, "resume");
    /* Nothing to do leaves no trace. */
    e2e_run(t, 0, "invalidate --yes --json gold@2024-01-01");
    assert_string_equal(t->out, "");
    e2e_run(t, 0, "history --json");
    assert_null(e2e_get(e2e_json(t, t->out), "[2].run"));
}

/* ---- killed */

/* Like killat's other users: at the k-th system call that matters. */
static long accept_killed(struct e2e *t, long at)
{
    const char *const argv[] = { e2e_text(t, "%s/killat", getenv("TEST_HELPERS")),
                                 "executor",
                                 e2e_text(t, "%ld", at),
                                 "killat.log",
                                 getenv("STAGEGRAPH_BIN"),
                                 "accept",
                                 "--reason=code,input",
                                 "silver@2024-01-01T21",
                                 NULL };
    struct e2e_proc *p = e2e_start_argv(t, argv);

    e2e_wait(p, E2E_ANY);
    return t->status == 125 ? -1 : (long)e2e_count(e2e_read(t, "killat.log"), "\n");
}

/* Bronze unstamped, and so another input for silver, which is stale by code too. */
static void before_the_kill(struct e2e *t)
{
    e2e_run(t, 0, "run silver@2024-01-01T21");
    e2e_write(t, e2e_marker(t, nodes[0]), "");
    e2e_write(t, "code/silver.txt", "two\n");
    (void)e2e_jobs(t);
    e2e_wait(e2e_start_argv(t, (const char *const[]){ "/bin/cp", "-a", e2e_path(t, "warehouse"),
                                                      e2e_path(t, "before"), NULL }),
             0);
}

static void restore(struct e2e *t)
{
    e2e_remove(t, "warehouse");
    e2e_wait(e2e_start_argv(t, (const char *const[]){ "/bin/cp", "-a", e2e_path(t, "before"),
                                                      e2e_path(t, "warehouse"), NULL }),
             0);
}

static void killed_at_any_step_it_leaves_the_node_as_it_was_or_whole(void **state)
{
    struct e2e *t = *state;
    long n;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "sync = no", "sync = yes");
    e2e_setenv(t, "ASAN_OPTIONS", "detect_leaks=0");
    before_the_kill(t);
    n = accept_killed(t, 1000000);
    if (n < 0) {
        print_message("SKIPPED: ptrace is not permitted here: nothing was killed\n");
        skip();
    }
    assert_true(t->status == 0 && n > 10);
    print_message("%ld steps\n", n);
    for (long at = 1; at <= n; at++) {
        const char *bronze, *silver, *was;

        restore(t);
        was = e2e_read(t, e2e_marker(t, nodes[3]));
        (void)accept_killed(t, at);
        bronze = e2e_read(t, e2e_marker(t, nodes[0]));
        silver = e2e_read(t, e2e_marker(t, nodes[3]));
        if (bronze == NULL || (*bronze != '\0' && !e2e_has_receipt(t, nodes[0])))
            fail_msg("killed at %ld: the marker of bronze is neither old nor new", at);
        if (silver == NULL ||
            (strcmp(silver, was) != 0 &&
             (strcmp(field(t, nodes[3], "state"), "accepted") != 0 ||
              strcmp(field(t, nodes[3], "version"), e2e_get(e2e_json(t, was), "version")) != 0)))
            fail_msg("killed at %ld: the marker of silver is neither old nor new", at);
        /* A dead claim of it says nothing: what was fresh is fresh, and it goes on. */
        e2e_run(t, 0, "plan --exit-code --only bronze bronze@2024-01-01T21");
        e2e_run(t, 0, "accept --reason code,input silver@2024-01-01T21");
        e2e_run(t, 0, "plan --exit-code silver@2024-01-01T21");
        if (strcmp(field(t, nodes[0], "state"), "accepted") != 0)
            fail_msg("killed at %ld: bronze was not accepted afterwards", at);
    }
    e2e_ran(t, "");
}

/* ---- invalidate */

static void without_a_terminal_invalidate_wants_yes(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_run(t, 2, "invalidate bronze@2024-01-01T21 silver@2024-01-01T22");
    e2e_says(t->err, "2 markers (1 of bronze, 1 of silver)");
    e2e_says(t->err, "--yes");
    assert_true(e2e_has_receipt(t, nodes[0]));
    e2e_run(t, 0, "invalidate -n bronze@2024-01-01T21");
    e2e_says(t->err, "silver, gold");
    assert_true(e2e_has_receipt(t, nodes[0]));
    e2e_run(t, 0, "invalidate --yes bronze@2024-01-01T21 silver@2024-01-01T22");
    e2e_says(t->out, "Removed 2 markers");
    assert_false(has_claims(t));
    e2e_plan_is(t, "",
                "bronze 2024-01-01T21 1/1 missing\n"
                "silver 2024-01-01T21 1/1 upstream bronze\n"
                "silver 2024-01-01T22 1/1 missing\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    e2e_run(t, 0, "run");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 silver@2024-01-01T22");
    e2e_run(t, 0, "invalidate --yes bronze@2024-01-01T21");
    e2e_run(t, 0, "invalidate --yes bronze@2024-01-01T21");
    e2e_says(t->out, "nothing to remove");
}

static void a_stage_is_invalidated_only_in_a_range(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_run(t, 2, "invalidate --yes silver");
    e2e_says(t->err, "give a range");
    e2e_run(t, 2, "invalidate --yes");
    e2e_run(t, 2, "invalidate --yes slver --date 2024-01-01");
    e2e_says(t->err, "did you mean silver?");
    e2e_run(t, 0, "invalidate --yes silver --from 2024-01-01T22 --to 2024-01-02");
    e2e_has_line(t->out, "removed *silver *2024-01-01T22 … 2024-01-01T23 * 2*");
    e2e_plan_is(t, "",
                "silver 2024-01-01T22..2024-01-01T23 2/2 missing\n"
                "gold 2024-01-01 1/1 upstream silver\n");
}

/* Runs it on a terminal that answers. */
static void on_a_terminal(struct e2e *t, const char *answer, const char *words)
{
    const char *const argv[] = { "/bin/sh", "-c",
                                 e2e_text(t, "echo %s | script -qec '%s %s' /dev/null", answer,
                                          getenv("STAGEGRAPH_BIN"), words),
                                 NULL };

    e2e_wait(e2e_start_argv(t, argv), 0);
}

static void on_a_terminal_it_asks_first(void **state)
{
    struct e2e *t = *state;

    made(t);
    on_a_terminal(t, "n", "invalidate gold@2024-01-01");
    e2e_says(t->out, "[y/N]");
    e2e_says(t->out, "nothing was removed");
    assert_true(e2e_has_receipt(t, "gold@2024-01-01"));
    on_a_terminal(t, "y", "invalidate gold@2024-01-01");
    e2e_says(t->out, "Removed 1 marker");
    assert_false(e2e_exists(t, e2e_marker(t, "gold@2024-01-01")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(an_existing_warehouse_is_accepted_and_then_fresh),
        e2e_test(what_is_downstream_of_an_accepted_marker_stays_fresh),
        e2e_test(a_code_change_is_accepted_and_downstream_stays_as_it_is),
        e2e_test(a_gone_input_is_accepted_as_it_was),
        e2e_test(a_change_of_params_and_of_inputs_is_accepted_by_its_name),
        e2e_test(what_is_missing_damaged_or_unfinished_is_left_alone),
        e2e_test(what_another_run_holds_is_busy),
        e2e_test(what_was_accepted_is_told_as_events_and_in_the_history),
        e2e_test(killed_at_any_step_it_leaves_the_node_as_it_was_or_whole),
        e2e_test(without_a_terminal_invalidate_wants_yes),
        e2e_test(a_stage_is_invalidated_only_in_a_range),
        e2e_test(on_a_terminal_it_asks_first),
    };

    return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
