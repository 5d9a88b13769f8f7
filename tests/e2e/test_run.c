/*
 * run: what happens while jobs run: their output, environment, timeouts, retries, checks,
 * leftovers.
 */
#include "fixture.h"

static const char hour[] = "bronze@2024-01-01T21";

/* ---- output */

static void a_line_is_seen_while_the_job_still_runs(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int gate;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "echo 'half way'\nread -r x <gate.a\necho 'all of it'\n");
    p = e2e_start(t, "run %s", hour);
    e2e_until(p, "half way\n");
    gate = e2e_gate_reached(t, "a");
    assert_false(e2e_is_over(p));
    e2e_says_not(e2e_stdout(p), "all of it");
    e2e_gate_let_go(gate);
    e2e_wait(p, 0);
    e2e_says(t->out, "half way\nall of it\n");
}

static void a_partial_line_is_seen_at_once(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "printf 'progress: 50%%'\nread -r x <gate.a\necho ' 100%'\n");
    p = e2e_start(t, "run %s", hour);
    e2e_until(p, "progress: 50%");
    assert_false(e2e_is_over(p));
    e2e_gate_open(t, "a");
    e2e_wait(p, 0);
    e2e_says(t->out, "progress: 50% 100%\n");
}

static void both_streams_of_a_job_come_in_the_order_it_wrote_them(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "for i in 1 2 3; do echo \"out $i\"; echo \"err $i\" >&2; done\n");
    e2e_run(t, 0, "run %s", hour);
    e2e_says(t->out, "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
}

static void output_is_relayed_unaltered_whatever_its_bytes(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze",
             "printf 'tab\\there \\033[31mred\\033[0m \\377 %%s\\r\\n'\n"
             "head -c 300000 /dev/zero | tr '\\0' x\necho\n");
    e2e_run(t, 0, "run %s", hour);
    e2e_says(t->out, "tab\there \033[31mred\033[0m \377 %s\r\n");
    assert_true(e2e_count(t->out, "xxxxxxxxxx") == 30000);
}

static void with_more_than_one_job_each_line_says_its_node(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "echo 'hello from here'\n");
    e2e_run(t, 0, "run -j2 --only bronze");
    e2e_has_line(t->out, "*bronze@2024-01-01T21*hello from here");
    e2e_has_line(t->out, "*bronze@2024-01-01T22*hello from here");
}

static void the_run_goes_on_when_nobody_reads_its_output_any_more(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "echo one\nread -r x <gate.a\necho two\n");
    p = e2e_start(t, "run");
    e2e_until(p, "one\n");
    e2e_hang_up(p);
    for (int i = 0; i < 3; i++)
        e2e_gate_open(t, "a");
    e2e_wait(p, 0);
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
    assert_true(e2e_has_receipt(t, "gold@2024-01-01"));
}

static void the_log_of_a_node_is_kept_and_shown(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "echo \"attempt $STAGEGRAPH_ATTEMPT of $STAGEGRAPH_NODE\"\n");
    e2e_run(t, 0, "run");
    e2e_run(t, 0, "log %s", hour);
    e2e_says(t->out, "attempt 1 of bronze@2024-01-01T21\n");
    e2e_says_not(t->out, "2024-01-01T22");
    e2e_run(t, 0, "log %s --attempt 1", hour);
    e2e_says(t->out, "attempt 1 of bronze@2024-01-01T21\n");
    /* The newest. */
    e2e_does(t, "bronze", "echo 'the second run'\n");
    e2e_run(t, 0, "run --force %s", hour);
    e2e_run(t, 0, "log %s", hour);
    e2e_says(t->out, "the second run\n");
    e2e_says_not(t->out, "attempt 1 of");
    e2e_run(t, E2E_ANY, "log gold@2024-01-02");
    assert_int_not_equal(t->status, 0);
}

/* ---- what a job is given */

static void a_job_gets_its_variables_and_nothing_else(void **state)
{
    static const char *const lines[] = {
        "STAGEGRAPH_START=2024-01-01T21:00:00Z",
        "STAGEGRAPH_END=2024-01-01T22:00:00Z",
        "STAGEGRAPH_START_EPOCH=1704142800",
        "STAGEGRAPH_END_EPOCH=1704146400",
        "STAGEGRAPH_DS=2024-01-01",
        "STAGEGRAPH_END_DS=2024-01-01",
        "STAGEGRAPH_COUNT=1",
        "STAGEGRAPH_STAGE=silver",
        "STAGEGRAPH_GRAPH=flights",
        "STAGEGRAPH_NODE=silver@2024-01-01T21",
        "STAGEGRAPH_PARTITION=2024-01-01T21",
        "STAGEGRAPH_ATTEMPT=1",
        "STAGEGRAPH_PARAM_LEVEL=low",
        "PYTHONUNBUFFERED=1",
        "CALLER=yes",
        "TZ=UTC",
    };
    struct e2e *t = *state;
    const char *env, *fds;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n", "[stage silver]\nenv.TZ = UTC\n");
    e2e_does(t, "silver",
             "env >env.silver\n"
             "cat \"$STAGEGRAPH_INPUTS_FILE\" >inputs\n"
             "cat \"$STAGEGRAPH_PARTITIONS\" >partitions\n"
             "[ -e \"$STAGEGRAPH_DONE_FILE\" ] && [ -e \"$STAGEGRAPH_VERSION_FILE\" ] && >files\n"
             "cat >stdin\n");
    e2e_does(t, "bronze", "env >env.bronze\n( exec 9>&-; ls -l /proc/self/fd ) >fds\n");
    e2e_setenv(t, "CALLER", "yes");
    e2e_run(t, 0, "run silver@2024-01-01T21");
    env = e2e_text(t, "\n%s", e2e_read(t, "env.silver"));
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        e2e_says(env, e2e_text(t, "\n%s\n", lines[i]));
    e2e_says(env, e2e_text(t, "\nSTAGEGRAPH_OUTPUT=%s\n",
                           e2e_path(t, e2e_output(t, "silver@2024-01-01T21"))));
    e2e_says(env, e2e_text(t, "\nSTAGEGRAPH_ROOT=%s/warehouse\n", t->dir));
    e2e_says(env, "\nSTAGEGRAPH_NONCE=");
    e2e_says(env, "\nSTAGEGRAPH_RUN_ID=");
    e2e_same(e2e_read(t, "inputs"),
             e2e_text(t, "bronze\t2024-01-01T21\t%s\n",
                      e2e_path(t, e2e_output(t, "bronze@2024-01-01T21"))),
             __FILE__, __LINE__);
    e2e_same(e2e_read(t, "partitions"), "2024-01-01T21\n", __FILE__, __LINE__);
    assert_true(e2e_exists(t, "files"));
    e2e_same(e2e_read(t, "stdin"), "", __FILE__, __LINE__);
    /* Params that a stage doesn't use are none of its business. */
    e2e_says_not(e2e_read(t, "env.bronze"), "STAGEGRAPH_PARAM_LEVEL");
    /* Three descriptors, and the one by which ls reads the list. */
    fds = e2e_read(t, "fds");
    assert_int_equal(e2e_count(fds, " -> "), 4);
    e2e_says(fds, " 0 -> /dev/null");
}

static void values_never_become_words_or_commands(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_write(t, "words.sh",
              "mkdir -p \"$1\"\necho x >\"$1/data\"\nshift\n"
              "for w; do echo \"[$w]\"; done >words\n");
    e2e_edit(t, "stagegraph.ini", "sh job.sh ${node} ${output} --level ${level}",
             "sh words.sh ${output} 'one word' two\\ words \"${level}\" ${level} a${level}b\n"
             "  ${level:+--level=${level}} ${nothing} \"${nothing}\" ${nothing:-none at all}\n"
             "  ${flag:+--flag} $$HOME ${options} *.sh a;b");
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n",
             "[stage silver]\noptions = --a 'b c' ${level}\n");
    e2e_append(t, "stagegraph.ini",
               "[param nothing]\ndefault =\n[param flag]\ntype = bool\ndefault = no\n");
    e2e_run(t, 0, "run silver@2024-01-01T21 --flag --level '$(touch pwned); x${node}'");
    e2e_same(e2e_read(t, "words"),
             "[one word]\n"
             "[two words]\n"
             "[$(touch pwned); x${node}]\n"
             "[$(touch pwned); x${node}]\n"
             "[a$(touch pwned); x${node}b]\n"
             "[--level=$(touch pwned); x${node}]\n"
             "[]\n"
             "[none at all]\n"
             "[--flag]\n"
             "[$HOME]\n"
             "[--a]\n"
             "[b c]\n"
             "[$(touch pwned); x${node}]\n"
             "[*.sh]\n"
             "[a;b]\n",
             __FILE__, __LINE__);
    assert_false(e2e_exists(t, "pwned"));
    e2e_run(t, 0, "run --force silver@2024-01-01T21 --no-flag");
    e2e_says_not(e2e_read(t, "words"), "--flag");
}

static void a_command_that_is_not_there_fails_its_node_with_the_reason(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "sh job.sh ${node} ${output}\n", "no-such-program ${node}\n");
    e2e_run(t, 1, "run %s", hour);
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "no-such-program");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "No such file");
}

/* ---- timeouts */

/* A job that ignores TERM, with a grandchild in a session of its own that does too. */
static const char stubborn[] = //
    "trap '' TERM\n"
    "setsid sh -c 'trap \"\" TERM; echo $$ >deep.pid; while :; do sleep 1; done' &\n"
    "while [ ! -s deep.pid ]; do sleep 0.01; done\n"
    "echo $$ >job.pid\n"
    "while :; do sleep 1; done\n";

static void a_timeout_ends_the_whole_tree_even_what_ignores_term_and_left_the_session(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ntimeout = 1s\ngrace = 1s\n");
    e2e_does(t, "bronze", stubborn);
    e2e_run(t, 5, "run silver@2024-01-01T21");
    assert_false(e2e_is_alive(e2e_pid_in(t, "deep.pid")));
    assert_false(e2e_is_alive(e2e_pid_in(t, "job.pid")));
    e2e_has_line(t->out, "[Bronze] TIMEOUT (1s)*");
    e2e_says(t->out, "[TIMEOUT] BRONZE");
    e2e_says(t->out, "[BLOCKED] SILVER");
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
    e2e_ran(t, hour);
}

static void a_job_that_ends_on_term_is_not_killed(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ntimeout = 1s\ngrace = 1m\n");
    e2e_does(t, "bronze", "trap 'echo >got.term; exit 0' TERM\nwhile :; do sleep 0.05; done\n");
    e2e_run(t, 5, "run %s", hour); /* though it exited with 0 */
    assert_true(e2e_exists(t, "got.term"));
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
}

static void a_failure_outranks_a_timeout(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ntimeout = 1s\ngrace = 1s\n");
    e2e_does(t, "bronze@2024-01-01T21", "sleep 60\n");
    e2e_does(t, "bronze@2024-01-01T22", "exit 9\n");
    e2e_run(t, 1, "run");
}

/* ---- failures */

static void a_failed_node_is_tried_again_as_often_as_retries_says(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n",
             "[stage bronze]\nretries = 1\nbackoff = 1s\n");
    e2e_does(t, "bronze",
             "echo \"try $STAGEGRAPH_ATTEMPT\"\n[ $STAGEGRAPH_ATTEMPT -ge 2 ] || exit 7\n");
    e2e_run(t, 0, "run %s", hour);
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T21");
    e2e_says(t->out, "exit 7");
    e2e_says(e2e_read(t, e2e_marker(t, hour)), "\"attempt\":2");
    e2e_run(t, 0, "log %s --attempt 1", hour);
    e2e_says(t->out, "try 1\n");
    e2e_run(t, 0, "log %s", hour);
    e2e_says(t->out, "try 2\n");

    e2e_does(t, "bronze", "exit 7\n");
    e2e_run(t, 1, "run --force %s", hour);
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T21");
}

static void keep_going_stops_after_so_many_failures(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "exit 1\n");
    e2e_run(t, 1, "run -k 1");
    e2e_ran(t, "bronze@2024-01-01T21");
    e2e_run(t, 1, "run -k 2");
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T22");
    e2e_run(t, 1, "run"); /* 0: never */
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23");
}

static void a_stage_that_fails_again_and_again_is_stopped(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nbreaker = 2\n");
    e2e_does(t, "bronze", "exit 1\n");
    e2e_run(t, 1, "run");
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T22");
}

static void what_does_not_need_the_failed_node_still_runs(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze@2024-01-01T22", "exit 1\n");
    e2e_run(t, 1, "run");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23 "
                      "silver@2024-01-01T21 silver@2024-01-01T23");
    e2e_says(t->out, "[BLOCKED] GOLD");
}

static void a_job_that_dies_of_a_signal_has_failed(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "kill -SEGV $$\n");
    e2e_run(t, 1, "run --json %s", hour);
    e2e_says(t->out, "\"signal\":11");
    e2e_says(t->out, "\"exit_code\":null");
}

/* ---- checks */

static void a_job_that_wrote_nothing_has_failed_its_check(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "mkdir -p \"$out\"\nexit 0\n");
    e2e_run(t, 1, "run --json %s", hour);
    e2e_says(t->out, "\"result\":\"check_failed\"");
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
    /* Data of an earlier run are nothing that this one wrote. */
    e2e_remove(t, "do");
    e2e_run(t, 0, "run %s", hour);
    e2e_does(t, "bronze", "exit 0\n");
    e2e_run(t, 1, "run --force %s", hour);
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
}

static void a_marker_that_the_job_left_counts_for_nothing(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "mkdir -p \"$out\"\n: >\"$out/_SUCCESS\"\nexit 3\n");
    e2e_run(t, 1, "run %s", hour);
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
    /* Of one that did its work the receipt takes its place, and Hadoop's checksum of it goes. */
    e2e_does(t, "bronze", "mkdir -p \"$out\"\n: >\"$out/_SUCCESS\"\n: >\"$out/._SUCCESS.crc\"\n");
    e2e_run(t, 0, "run %s", hour);
    assert_true(e2e_has_receipt(t, hour));
    assert_false(e2e_exists(t, e2e_text(t, "%s/._SUCCESS.crc", e2e_output(t, hour))));
}

static void each_check_asks_for_what_it_says(void **state)
{
    static const struct {
        const char *check, *job;
        int want;
    } cases[] = {
        { "rewritten", "mkdir -p \"$out\"\ntouch -d 2020-01-01 \"$out/old\"\n", 1 },
        { "rewritten", ":\n", 0 },
        { "written", "mkdir -p \"$out\"\ntouch -d 2020-01-01 \"$out/old\"\n", 0 },
        { "exists",
          "mkdir -p \"$out\"\necho x >\"$out/x\"\ntouch -d 2020-01-01 \"$out/x\"\nexit 0\n", 0 },
        { "exists", "exit 0\n", 1 },
        { "none", "exit 0\n", 0 },
        { "sh check.sh ${output} 3", ":\n", 0 },
        { "sh check.sh ${output} 4", ":\n", 1 },
    };
    struct e2e *t = *state;
    const char *graph;

    e2e_flights(t);
    e2e_write(t, "check.sh", "echo checking\n[ -s \"$1/data\" ] && [ $2 = 3 ]\n");
    graph = e2e_read(t, "stagegraph.ini");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        e2e_write(t, "stagegraph.ini", graph);
        e2e_remove(t, "warehouse/bronze");
        e2e_edit(t, "stagegraph.ini", "[stage bronze]\n",
                 e2e_text(t, "[stage bronze]\ncheck = %s\n", cases[i].check));
        e2e_does(t, "bronze", cases[i].job);
        e2e_run(t, E2E_ANY, "run %s", hour);
        if (t->status != cases[i].want || e2e_has_receipt(t, hour) != (cases[i].want == 0))
            e2e_fail(t, "case %zu, check = %s: status %d", i, cases[i].check, t->status);
    }
}

static void no_data_at_all_is_fine_where_the_graph_says_so(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nempty = ok\n");
    e2e_does(t, "bronze", "exit 0\n");
    e2e_run(t, 0, "run %s", hour);
    assert_true(e2e_has_receipt(t, hour));
    e2e_run(t, 0, "plan --exit-code %s", hour);
}

static void an_input_that_changes_under_a_job_is_noticed(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nbackoff = 0\n");
    /* Once: it is tried once more even without retries. */
    e2e_does(t, "bronze",
             "[ -e once ] || echo more >>warehouse/landing/dt=2024-01-01/hr=21/data\n"
             ": >once\n");
    e2e_run(t, 0, "run --json %s", hour);
    e2e_says(t->out, "\"result\":\"input_moved\"");
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T21");
    assert_true(e2e_has_receipt(t, hour));
    e2e_run(t, 0, "plan --exit-code %s", hour);
    /* Always: no receipt. */
    e2e_does(t, "bronze", "echo more >>warehouse/landing/dt=2024-01-01/hr=21/data\n");
    e2e_run(t, 1, "run --force %s", hour);
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T21");
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
}

static void a_job_that_overwrites_its_neighbours_stops_its_stage(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run %s", hour);
    (void)e2e_jobs(t);
    e2e_does(t, "bronze", "rm -rf warehouse/bronze/dt=2024-01-01/*\n");
    e2e_run(t, 1, "run --json --only bronze");
    e2e_says(t->out, "\"result\":\"trespass\"");
    e2e_ran(t, "bronze@2024-01-01T22");
}

/* ---- processes */

static void what_a_job_leaves_running_is_ended_and_reported(void **state)
{
    struct e2e *t = *state;
    const char *said;

    e2e_flights(t);
    e2e_does(t, "bronze",
             "setsid sleep 1000 >/dev/null 2>&1 &\n"
             "echo $! >left.pid\n");
    e2e_run(t, 0, "run %s", hour);
    assert_false(e2e_is_alive(e2e_pid_in(t, "left.pid")));
    said = e2e_text(t, "%s%s", t->out, t->err);
    e2e_says(said, "sleep");
    e2e_says(said, e2e_text(t, "%d", (int)e2e_pid_in(t, "left.pid")));
    assert_true(e2e_has_receipt(t, hour));
}

static void a_process_that_keeps_the_output_open_does_not_hold_up_the_run(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    /* It ignores TERM, has left the session and holds both streams. */
    e2e_does(t, "bronze",
             "setsid sh -c 'trap \"\" TERM; echo $$ >left.pid; while :; do sleep 1; done' &\n"
             "while [ ! -s left.pid ]; do sleep 0.01; done\n");
    e2e_run(t, 0, "run %s", hour);
    assert_false(e2e_is_alive(e2e_pid_in(t, "left.pid")));
    assert_true(e2e_has_receipt(t, hour));
}

static void a_job_starts_in_the_directory_of_its_graph_or_its_workdir(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "pwd >where\n");
    e2e_run(t, 0, "-C / -f %s/stagegraph.ini run %s", t->dir, hour);
    e2e_same(e2e_read(t, "where"), e2e_text(t, "%s\n", t->dir), __FILE__, __LINE__);
    e2e_write(t, "below/code/bronze.txt", "one\n"); /* code starts there too */
    e2e_write(t, "below/job.sh", "mkdir -p \"$2\"\npwd >\"$2/data\"\n");
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nworkdir = below\n");
    e2e_run(t, 0, "run --force %s", hour);
    e2e_same(e2e_read(t, e2e_text(t, "%s/data", e2e_output(t, hour))),
             e2e_text(t, "%s/below\n", t->dir), __FILE__, __LINE__);
}

/* ---- several at once */

static void two_jobs_run_at_once_with_j2_and_one_with_j1(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_gate(t, "b");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    e2e_does(t, "bronze@2024-01-01T22", "read -r x <gate.b\n");
    p = e2e_start(t, "run -j2 --only bronze");
    /* Both stand at their gates. */
    e2e_gate_open(t, "b");
    e2e_gate_open(t, "a");
    e2e_wait(p, 0);
    assert_int_equal(e2e_count(e2e_jobs(t), "@"), 3);

    p = e2e_start(t, "run -j1 --only bronze --force");
    e2e_gate_let_go(e2e_gate_reached(t, "a"));
    e2e_gate_open(t, "b");
    e2e_wait(p, 0);
    e2e_says(e2e_read(t, "ran"), "start bronze@2024-01-01T21");
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23");
}

static void a_node_starts_when_its_own_needs_are_done(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, "bronze@2024-01-01T21", "read -r x <gate.a\n");
    p = e2e_start(t, "run -j2");
    /* No barrier between the stages: the others are done while this one stands. */
    e2e_until_exists(t, e2e_marker(t, "silver@2024-01-01T22"));
    e2e_until_exists(t, e2e_marker(t, "silver@2024-01-01T23"));
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
    e2e_gate_open(t, "a");
    e2e_wait(p, 0);
}

static void a_pool_of_one_holds_whatever_j_says(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int gate;

    e2e_flights(t);
    e2e_append(t, "stagegraph.ini", "[pool yarn]\nsize = 1\n");
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\npool = yarn\n");
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "read -r x <gate.a\n");
    p = e2e_start(t, "run -j4 --only bronze");
    for (int i = 0; i < 3; i++) {
        gate = e2e_gate_reached(t, "a");
        e2e_pause(t, 150);
        assert_int_equal(e2e_count(e2e_read(t, "ran"), "start "), i + 1);
        e2e_gate_let_go(gate);
        while (e2e_count(e2e_read(t, "ran"), "end ") != (size_t)i + 1)
            e2e_pause(t, 2);
    }
    e2e_wait(p, 0);
}

static void events_are_one_json_object_a_line(void **state)
{
    static const char *const keys[] = { "node",
                                        "stage",
                                        "result",
                                        "reason",
                                        "seconds",
                                        "cpu_seconds",
                                        "peak_bytes",
                                        "gc_count",
                                        "gc_seconds",
                                        "exit_code",
                                        "signal",
                                        "attempt",
                                        "log",
                                        "peak_source",
                                        "jvms",
                                        "read_bytes",
                                        "written_bytes",
                                        "gc_longest_seconds",
                                        "heap_peak_bytes",
                                        "heap_used_bytes" };
    struct e2e *t = *state;
    const char *line, *seen = "", *text;

    e2e_flights(t);
    e2e_does(t, "bronze", "echo hello\n");
    e2e_run(t, 0, "run --json %s", hour);
    e2e_says(t->err, "SUCCESS"); /* what is for people has moved there */
    for (line = t->out; *line != '\0'; line = strchr(line, '\n') + 1) {
        struct e2e_doc *d =
            e2e_json(t, e2e_text(t, "%.*s", (int)(strchr(line, '\n') - line), line));

        assert_non_null(e2e_get(d, "time"));
        assert_non_null(e2e_get(d, "run"));
        seen = e2e_text(t, "%s %s", seen, e2e_get(d, "event"));
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) &&
                           strcmp(e2e_get(d, "event"), "node_finished") == 0;
             i++)
            if (e2e_get(d, "%s", keys[i]) == NULL)
                fail_msg("node_finished lacks %s", keys[i]);
    }
    e2e_same(seen, " run_started plan node_started node_finished run_finished", __FILE__, __LINE__);
    /* To a file, and with the output in it. */
    e2e_run(t, 0, "run -v --json=events.jsonl --force %s", hour);
    e2e_says(t->out, "SUCCESS");
    text = e2e_read(t, "events.jsonl");
    assert_non_null(text);
    e2e_says(text, "\"event\":\"node_output\"");
    e2e_says(text, "hello");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(a_line_is_seen_while_the_job_still_runs),
        e2e_test(a_partial_line_is_seen_at_once),
        e2e_test(both_streams_of_a_job_come_in_the_order_it_wrote_them),
        e2e_test(output_is_relayed_unaltered_whatever_its_bytes),
        e2e_test(with_more_than_one_job_each_line_says_its_node),
        e2e_test(the_run_goes_on_when_nobody_reads_its_output_any_more),
        e2e_test(the_log_of_a_node_is_kept_and_shown),
        e2e_test(a_job_gets_its_variables_and_nothing_else),
        e2e_test(values_never_become_words_or_commands),
        e2e_test(a_command_that_is_not_there_fails_its_node_with_the_reason),
        e2e_test(a_timeout_ends_the_whole_tree_even_what_ignores_term_and_left_the_session),
        e2e_test(a_job_that_ends_on_term_is_not_killed),
        e2e_test(a_failure_outranks_a_timeout),
        e2e_test(a_failed_node_is_tried_again_as_often_as_retries_says),
        e2e_test(keep_going_stops_after_so_many_failures),
        e2e_test(a_stage_that_fails_again_and_again_is_stopped),
        e2e_test(what_does_not_need_the_failed_node_still_runs),
        e2e_test(a_job_that_dies_of_a_signal_has_failed),
        e2e_test(a_job_that_wrote_nothing_has_failed_its_check),
        e2e_test(a_marker_that_the_job_left_counts_for_nothing),
        e2e_test(each_check_asks_for_what_it_says),
        e2e_test(no_data_at_all_is_fine_where_the_graph_says_so),
        e2e_test(an_input_that_changes_under_a_job_is_noticed),
        e2e_test(a_job_that_overwrites_its_neighbours_stops_its_stage),
        e2e_test(what_a_job_leaves_running_is_ended_and_reported),
        e2e_test(a_process_that_keeps_the_output_open_does_not_hold_up_the_run),
        e2e_test(a_job_starts_in_the_directory_of_its_graph_or_its_workdir),
        e2e_test(two_jobs_run_at_once_with_j2_and_one_with_j1),
        e2e_test(a_node_starts_when_its_own_needs_are_done),
        e2e_test(a_pool_of_one_holds_whatever_j_says),
        e2e_test(events_are_one_json_object_a_line),
    };

    return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
