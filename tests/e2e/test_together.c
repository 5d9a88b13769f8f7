/*
 * together: several runs at once of one graph: no node twice at once, pools hold, nothing is lost.
 */
#include "fixture.h"

static const char hour[] = "bronze@2024-01-01T21";

static void two_runs_on_overlapping_ranges_make_each_node_once(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run --json=first");
    /* While the first stands at its gate, the second does what it can, and says what it left. */
    int gate = e2e_gate_reached(t, "a");
    e2e_run(t, 4, "run");
    e2e_says(t->out, "[BUSY] BRONZE");
    e2e_says(t->out, "To go on: stagegraph run --wait\n");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23 "
                      "silver@2024-01-01T22 silver@2024-01-01T23");
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_ran_sorted(t, "gold@2024-01-01 silver@2024-01-01T21");
    e2e_says(e2e_read(t, "first"), "\"result\":\"unchanged\"");
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
    e2e_plan_is(t, "", "");
}

static void a_plan_shows_what_another_run_holds(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first;
    int gate;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run --upto silver");
    gate = e2e_gate_reached(t, "a");
    e2e_plan_is(t, "--only bronze",
                "bronze 2024-01-01T22..2024-01-01T23 2/2 missing\n"
                "busy bronze 2024-01-01T21 1\n");
    e2e_run(t, 6, "plan --exit-code --only bronze");
    e2e_run(t, 4, "plan --exit-code %s", hour);
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
}

/* Spark writes one before it ends; the job may still fail, or its output be refused. */
static void the_marker_of_a_job_that_still_runs_counts_for_nothing(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21",
             "[ -e again ] || { : >again; mkdir -p \"$out\"; : >\"$out/_SUCCESS\"; "
             "read -r x <gate.a; exit 1; }\n");
    first = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    e2e_plan_is(t, hour, "busy bronze 2024-01-01T21 1\n");
    e2e_run(t, 4, "run %s", hour);
    second = e2e_start(t, "run --wait %s", hour);
    e2e_pause(t, 200);
    assert_false(e2e_is_over(second));
    e2e_gate_let_go(gate);
    e2e_wait(first, 1);
    e2e_wait(second, 0);
    assert_true(e2e_is_whole(t, hour));
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T21");
}

static void a_run_that_waits_does_what_another_run_held(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    second = e2e_start(t, "run --wait silver@2024-01-01T21");
    e2e_pause(t, 200);
    assert_false(e2e_is_over(second));
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_wait(second, 0);
    e2e_ran(t, "bronze@2024-01-01T21 silver@2024-01-01T21");
}

static void no_node_runs_while_another_run_makes_its_input(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first;
    int gate;

    e2e_flights(t);
    e2e_run(t, 0, "run --only bronze");
    (void)e2e_jobs(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run --force %s", hour);
    gate = e2e_gate_reached(t, "a");
    e2e_run(t, 4, "run --only silver");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 silver@2024-01-01T22 silver@2024-01-01T23");
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
}

static void a_pool_holds_over_all_runs(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    e2e_flights(t);
    e2e_append(t, "stagegraph.ini", "[pool yarn]\nsize = 1\n");
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\npool = yarn\n");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    second = e2e_start(t, "run bronze@2024-01-01T22");
    e2e_pause(t, 300);
    e2e_ran(t, "bronze@2024-01-01T21");
    assert_false(e2e_is_over(second));
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_wait(second, 0);
    e2e_ran(t, "bronze@2024-01-01T22");
}

/* The usual graph, bronze in a pool. */
static void with_pool(struct e2e *t, const char *limits, const char *keys)
{
    e2e_flights(t);
    e2e_append(t, "stagegraph.ini", e2e_text(t, "[pool yarn]\n%s\n", limits));
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n",
             e2e_text(t, "[stage bronze]\npool = yarn\n%s", keys));
}

static void a_killed_run_gives_its_slot_back(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;

    with_pool(t, "size = 1", "");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    (void)e2e_gate_reached(t, "a");
    second = e2e_start(t, "run bronze@2024-01-01T22");
    e2e_until_err(second, "waiting for pool yarn: held by run 20");
    e2e_kill(first, SIGKILL);
    e2e_wait(first, E2E_DIED(SIGKILL));
    e2e_wait(second, 0);
    assert_int_equal(e2e_count(t->err, "waiting for pool yarn"), 1);
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T22");
}

static void what_outlived_run_and_shim_is_ended_before_its_slot_is_taken(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first;
    pid_t shim, job;

    with_pool(t, "size = 1", "grace = 1s\n");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "trap '' TERM\necho $$ >pid\nread -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    (void)e2e_gate_reached(t, "a");
    job = e2e_pid_in(t, "pid");
    shim = e2e_find_one(t, E2E_SHIM);
    e2e_stop(t, e2e_pid(first)); /* else it sweeps */
    assert_int_equal(kill(shim, SIGKILL), 0);
    e2e_kill(first, SIGKILL);
    e2e_wait(first, E2E_DIED(SIGKILL));
    assert_true(e2e_is_alive(job));
    e2e_run(t, 0, "run bronze@2024-01-01T22");
    assert_false(e2e_is_alive(job));
}

static void a_pool_of_two_has_two_of_three_runs(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *runs[3];
    int a, b;

    with_pool(t, "size = 2", "");
    e2e_gate(t, "a");
    e2e_gate(t, "b");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    e2e_does(t, "bronze@2024-01-01T22", "read -r x <gate.b\n");
    runs[0] = e2e_start(t, "run bronze@2024-01-01T21");
    a = e2e_gate_reached(t, "a");
    runs[1] = e2e_start(t, "run bronze@2024-01-01T22");
    b = e2e_gate_reached(t, "b");
    runs[2] = e2e_start(t, "run -j4 bronze@2024-01-01T23");
    e2e_until_err(runs[2], "waiting for pool yarn");
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T22");
    e2e_gate_let_go(b);
    e2e_wait(runs[1], 0);
    e2e_wait(runs[2], 0); /* while the first still stands */
    e2e_ran(t, "bronze@2024-01-01T23");
    e2e_gate_let_go(a);
    e2e_wait(runs[0], 0);
}

/* Each job counts who is there with it. */
static void no_pool_is_ever_overfull(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *runs[4];

    with_pool(t, "size = 2", "");
    e2e_does(t, "bronze", "mkdir \"in.$$\"\nset -- in.*\necho $# >>most\nrmdir \"in.$$\"\n");
    for (int round = 0; round < 3; round++) {
        e2e_remove(t, "warehouse/bronze");
        for (size_t i = 0; i < 4; i++)
            runs[i] = e2e_start(t, "run -j3 --only bronze");
        for (size_t i = 0; i < 4; i++)
            e2e_wait(runs[i], E2E_ANY);
        e2e_run(t, 0, "run --only bronze");
    }
    e2e_says_not(e2e_read(t, "most"), "3");
    e2e_says_not(e2e_read(t, "most"), "4");
}

static void a_run_that_waited_comes_before_the_next_job_of_the_one_that_held(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    with_pool(t, "size = 1", "");
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n", "[stage silver]\npool = yarn\n");
    e2e_run(t, 0, "run --upto silver");
    (void)e2e_jobs(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run --force --only bronze");
    gate = e2e_gate_reached(t, "a");
    second = e2e_start(t, "run --force --only silver silver@2024-01-01T23");
    e2e_until_err(second, "waiting for pool yarn");
    e2e_gate_let_go(gate);
    e2e_wait(second, 0);
    e2e_wait(first, 0);
    e2e_ran(t, "bronze@2024-01-01T21 silver@2024-01-01T23 bronze@2024-01-01T22 "
               "bronze@2024-01-01T23");
}

static void a_run_that_waits_for_a_pool_can_be_interrupted(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    with_pool(t, "size = 1", "");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    second = e2e_start(t, "run bronze@2024-01-01T22");
    e2e_until_err(second, "waiting for pool yarn");
    e2e_kill(second, SIGINT);
    e2e_wait(second, E2E_DIED(SIGINT));
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_ran(t, "bronze@2024-01-01T21");
}

/* Its processes stand still, and hold what they hold; who waits for them does not. */
static void a_run_that_is_suspended_keeps_its_slot_and_stops_nobody(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second, *third;
    pid_t shim;
    int gate;

    with_pool(t, "size = 1", "");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    shim = e2e_find_one(t, E2E_SHIM);
    e2e_stop(t, e2e_pid(first));
    e2e_stop(t, shim);
    second = e2e_start(t, "run bronze@2024-01-01T22");
    e2e_until_err(second, "waiting for pool yarn");
    third = e2e_start(t, "run bronze@2024-01-01T23");
    e2e_until_err(third, "waiting for pool yarn");
    e2e_kill(second, SIGINT);
    e2e_wait(second, E2E_DIED(SIGINT));
    e2e_ran(t, "bronze@2024-01-01T21");
    assert_int_equal(kill(shim, SIGCONT), 0);
    e2e_kill(first, SIGCONT);
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_wait(third, 0);
    e2e_ran(t, "bronze@2024-01-01T23");
}

static void a_run_that_was_killed_while_it_waited_is_passed(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second, *third;
    int gate;

    with_pool(t, "size = 1", "");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    second = e2e_start(t, "run bronze@2024-01-01T22");
    e2e_until_err(second, "waiting for pool yarn");
    third = e2e_start(t, "run bronze@2024-01-01T23");
    e2e_until_err(third, "waiting for pool yarn");
    e2e_kill(second, SIGKILL);
    e2e_wait(second, E2E_DIED(SIGKILL));
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_wait(third, 0);
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T23");
}

static void the_memory_of_a_pool_is_shared_by_all_runs(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    with_pool(t, "memory = 8g", "memory = 5g\n");
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n", "[stage silver]\npool = yarn\nmemory = 3g\n");
    e2e_run(t, 0, "run silver@2024-01-01T23");
    (void)e2e_jobs(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    e2e_run(t, 0, "run --force --only silver silver@2024-01-01T23"); /* 5 + 3 */
    second = e2e_start(t, "run bronze@2024-01-01T22");
    e2e_until_err(second, "waiting for pool yarn");
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_wait(second, 0);
    e2e_ran(t, "bronze@2024-01-01T21 silver@2024-01-01T23 bronze@2024-01-01T22");
}

/* Each run goes by the size that it has read. */
static void a_pool_may_be_made_larger_while_it_is_full(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first;
    int gate;

    with_pool(t, "size = 1", "");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    e2e_edit(t, "stagegraph.ini", "size = 1", "size = 2");
    e2e_run(t, 0, "run bronze@2024-01-01T22");
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T22");
}

/* --wait: it holds neither the node nor room in the pool meanwhile. */
static void a_run_that_waits_for_a_claim_holds_nothing_and_can_be_interrupted(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    with_pool(t, "size = 2", "");
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n", "[stage silver]\npool = yarn\n");
    e2e_run(t, 0, "run --only bronze");
    (void)e2e_jobs(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run --force %s", hour);
    gate = e2e_gate_reached(t, "a");
    second = e2e_start(t, "run --wait --only silver silver@2024-01-01T21");
    e2e_pause(t, 300);
    assert_false(e2e_is_over(second));
    assert_false(e2e_exists(t, "warehouse/_stagegraph/claims/silver/2024-01-01T21"));
    e2e_run(t, 0, "run --only silver silver@2024-01-01T22"); /* there is room */
    e2e_kill(second, SIGINT);
    e2e_wait(second, E2E_DIED(SIGINT));
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_ran(t, "bronze@2024-01-01T21 silver@2024-01-01T22");
}

static void an_exclusive_stage_has_one_attempt_over_all_runs(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nexclusive = yes\n");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run -j3 --only bronze");
    gate = e2e_gate_reached(t, "a");
    second = e2e_start(t, "run bronze@2024-01-01T23");
    e2e_pause(t, 300);
    e2e_ran(t, "bronze@2024-01-01T21");
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_wait(second, 0);
    e2e_ran_sorted(t, "bronze@2024-01-01T22 bronze@2024-01-01T23");
}

/* As from two hosts. */
static void an_exclusive_stage_is_so_for_all_who_share_the_store(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *first, *second;
    int gate;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nexclusive = yes\n");
    e2e_write(t, "other.ini", e2e_read(t, "stagegraph.ini"));
    e2e_edit(t, "other.ini", "[graph]\n", "[graph]\nstate = .other\n");
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    first = e2e_start(t, "run %s", hour);
    gate = e2e_gate_reached(t, "a");
    second = e2e_start(t, "-f other.ini run bronze@2024-01-01T22");
    e2e_until_err(second, "waiting for exclusive stage bronze: held by run 20");
    e2e_ran(t, "bronze@2024-01-01T21");
    e2e_gate_let_go(gate);
    e2e_wait(first, 0);
    e2e_wait(second, 0);
    e2e_ran(t, "bronze@2024-01-01T22");
    first = e2e_start(t, "run --force %s", hour);
    (void)e2e_gate_reached(t, "a");
    second = e2e_start(t, "-f other.ini run --force bronze@2024-01-01T22");
    e2e_until_err(second, "waiting for exclusive stage bronze");
    e2e_kill(first, SIGKILL);
    e2e_wait(first, E2E_DIED(SIGKILL));
    e2e_wait(second, 0);
    assert_false(e2e_exists(t, "warehouse/_stagegraph/exclusive/bronze"));
}

static void many_runs_started_at_once_make_each_node_once(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *runs[6];

    e2e_flights(t);
    for (int round = 0; round < 3; round++) {
        e2e_remove(t, "warehouse/bronze");
        e2e_remove(t, "warehouse/silver");
        e2e_remove(t, "warehouse/gold");
        for (size_t i = 0; i < 6; i++)
            runs[i] = e2e_start(t, "run -j2");
        for (size_t i = 0; i < 6; i++) {
            e2e_wait(runs[i], E2E_ANY);
            if (t->status != 0 && t->status != 4)
                e2e_fail(t, "status %d", t->status);
        }
        e2e_run(t, 0, "run");
        e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23 "
                          "gold@2024-01-01 silver@2024-01-01T21 silver@2024-01-01T22 "
                          "silver@2024-01-01T23");
        e2e_plan_is(t, "", "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(two_runs_on_overlapping_ranges_make_each_node_once),
        e2e_test(a_plan_shows_what_another_run_holds),
        e2e_test(the_marker_of_a_job_that_still_runs_counts_for_nothing),
        e2e_test(a_run_that_waits_does_what_another_run_held),
        e2e_test(no_node_runs_while_another_run_makes_its_input),
        e2e_test(a_pool_holds_over_all_runs),
        e2e_test(a_killed_run_gives_its_slot_back),
        e2e_test(what_outlived_run_and_shim_is_ended_before_its_slot_is_taken),
        e2e_test(a_pool_of_two_has_two_of_three_runs),
        e2e_test(no_pool_is_ever_overfull),
        e2e_test(a_run_that_waited_comes_before_the_next_job_of_the_one_that_held),
        e2e_test(a_run_that_waits_for_a_pool_can_be_interrupted),
        e2e_test(a_run_that_is_suspended_keeps_its_slot_and_stops_nobody),
        e2e_test(a_run_that_was_killed_while_it_waited_is_passed),
        e2e_test(the_memory_of_a_pool_is_shared_by_all_runs),
        e2e_test(a_pool_may_be_made_larger_while_it_is_full),
        e2e_test(a_run_that_waits_for_a_claim_holds_nothing_and_can_be_interrupted),
        e2e_test(an_exclusive_stage_has_one_attempt_over_all_runs),
        e2e_test(an_exclusive_stage_is_so_for_all_who_share_the_store),
        e2e_test(many_runs_started_at_once_make_each_node_once),
    };

    return cmocka_run_group_tests_name("together", tests, NULL, NULL);
}
