/*
 * review_run: what a review of runs and plans found, each as a user would meet it.
 */
#include "fixture.h"

/* Another run makes an input anew while our job reads it, and comes to the same data: what our job
 * read half written must not count, though the input's version is what it was. */
static void an_input_made_anew_with_the_same_data_while_the_job_read_it_has_moved(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *silver, *bronze;
    int gate;

    e2e_flights(t);
    e2e_run(t, 0, "run silver@2024-01-01T21");
    (void)e2e_jobs(t);
    e2e_write(t, "code/silver.txt", "two\n");
    e2e_gate(t, "before");
    e2e_gate(t, "half");
    e2e_gate(t, "after");
    /* The job reads its input between the first gate and the last, the first time. */
    e2e_does(t, "silver",
             "[ -e read ] || { read -r x <gate.before; body >read; read -r x <gate.after; }\n");
    e2e_does(t, "bronze", "echo half >\"$out/data\"; read -r x <gate.half\n");
    silver = e2e_start(t, "run silver@2024-01-01T21");
    gate = e2e_gate_reached(t, "before");
    bronze = e2e_start(t, "run --force bronze@2024-01-01T21");
    int half = e2e_gate_reached(t, "half");
    e2e_gate_let_go(gate);
    gate = e2e_gate_reached(t, "after");
    e2e_says(e2e_read(t, "read"), "half");
    e2e_gate_let_go(half);
    e2e_wait(bronze, 0);
    e2e_gate_let_go(gate);
    e2e_wait(silver, 0);
    e2e_says(t->out, "bronze@2024-01-01T21 changed while the job ran");
    e2e_ran(t, "silver@2024-01-01T21 bronze@2024-01-01T21 silver@2024-01-01T21");
    assert_true(e2e_is_whole(t, "silver@2024-01-01T21"));
}

/* Killed between its receipt and the end of its claim, an attempt is done: the claim goes with the
 * next run, and nothing runs for it. */
static void a_claim_whose_attempt_was_done_goes_with_the_next_run(void **state)
{
    static const char node[] = "bronze@2024-01-01T21";
    static const char claim[] = "warehouse/_stagegraph/claims/bronze/2024-01-01T21";
    struct e2e *t = *state;
    const char *run;

    e2e_flights(t);
    e2e_run(t, 0, "run %s", node);
    (void)e2e_jobs(t);
    run = e2e_get(e2e_json(t, e2e_read(t, e2e_marker(t, node))), "run");
    for (int round = 0; round < 2; round++) {
        e2e_write(t, claim,
                  e2e_text(t,
                           "{\"stagegraph_claim\":1,\"node\":\"%s\",\"run\":\"%s\","
                           "\"attempt\":1,\"host\":\"h\",\"boot\":\"b\",\"pid\":1,"
                           "\"started\":\"2024-01-01T00:00:00Z\","
                           "\"nonce\":\"0123456789abcdef0123456789abcdef\"}\n",
                           node, run));
        e2e_run(t, 0, "run %s", round == 0 ? node : "silver@2024-01-01T21");
        assert_false(e2e_exists(t, claim));
    }
    e2e_ran(t, "silver@2024-01-01T21");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(an_input_made_anew_with_the_same_data_while_the_job_read_it_has_moved),
        e2e_test(a_claim_whose_attempt_was_done_goes_with_the_next_run),
    };

    return cmocka_run_group_tests_name("review_run", tests, NULL, NULL);
}
