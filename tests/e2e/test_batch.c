/*
 * batch: several partitions in one process: where they are cut, what counts after a failure, a
 * kill, a fresh one in the middle.
 */
#include "fixture.h"

/* A day a partition, fifteen of them; raw and sum in batches, day by day. */
static const char graph[] = //
    "[graph]\n"
    "name      = weeks\n"
    "start     = 2024-01-01\n"
    "end       = 2024-01-16\n"
    "partition = day\n"
    "delay     = 0\n"
    "\n"
    "[store]\n"
    "root = warehouse\n"
    "sync = no\n"
    "\n"
    "[source landing]\n"
    "path   = landing/dt=${ds}\n"
    "marker = _DONE\n"
    "\n"
    "[stage raw]\n"
    "needs   = landing\n"
    "command = sh batch.sh raw ${output_root} ${partitions} landing\n"
    "output  = raw/dt=${ds}\n"
    "batch   = 7d\n"
    "backoff = 0\n"
    "\n"
    "[stage sum]\n"
    "needs   = raw\n"
    "command = sh batch.sh sum ${output_root} ${partitions} raw\n"
    "output  = sum/dt=${ds}\n";

/* do/STAGE@LABEL is sourced before the partition is written, done/STAGE lets it be reported. */
static const char job[] = //
    "stage=$1 root=$2 parts=$3 from=$4\n"
    "echo \"start $stage@$(paste -sd, \"$parts\") $$\" >>ran\n"
    "for label in $(cat \"$parts\"); do\n"
    "    [ ! -e \"do/$stage@$label\" ] || . \"./do/$stage@$label\"\n"
    "    mkdir -p \"$root/dt=$label\"\n"
    "    cat \"warehouse/$from/dt=$label/data\" >\"$root/dt=$label/data\"\n"
    "    [ ! -e \"done/$stage\" ] || echo \"$label\" >>\"$STAGEGRAPH_DONE_FILE\"\n"
    "done\n"
    "echo \"end $stage@$(paste -sd, \"$parts\") $$\" >>ran\n";

#define WEEK_1 "2024-01-01,2024-01-02,2024-01-03,2024-01-04,2024-01-05,2024-01-06,2024-01-07"
#define WEEK_2 "2024-01-08,2024-01-09,2024-01-10,2024-01-11,2024-01-12,2024-01-13,2024-01-14"

static void land(struct e2e *t, int day, const char *text)
{
    e2e_write(t, e2e_text(t, "warehouse/landing/dt=2024-01-%02d/data", day), text);
    e2e_write(t, e2e_text(t, "warehouse/landing/dt=2024-01-%02d/_DONE", day), "");
}

static void weeks(struct e2e *t)
{
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-02-01T00:00Z");
    e2e_write(t, "stagegraph.ini", graph);
    e2e_write(t, "batch.sh", job);
    for (int day = 1; day <= 15; day++)
        land(t, day, e2e_text(t, "%d\n", day));
}

static bool is_done(struct e2e *t, const char *node)
{
    return e2e_has_receipt(t, node);
}

/* ---- cutting */

static void a_backfill_takes_a_week_at_a_time(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_plan_is(t, "--only raw", "raw 2024-01-01..2024-01-15 15/3 missing\n");
    e2e_run(t, 0, "plan --only raw");
    e2e_has_line(t->out, "raw *2024-01-01 * 2024-01-15 *15 *3 *missing*");
    e2e_says(t->out, "To run 15 nodes in 3 jobs");
    e2e_run(t, 0, "run --only raw");
    e2e_ran(t, "raw@" WEEK_1 " raw@" WEEK_2 " raw@2024-01-15");
    e2e_run(t, 6, "plan --exit-code");
    e2e_run(t, 0, "run");
    e2e_says(e2e_jobs(t), "sum@2024-01-01 sum@2024-01-02");
    e2e_run(t, 0, "plan --exit-code");
}

static void a_number_counts_partitions_and_a_fresh_one_cuts(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_edit(t, "stagegraph.ini", "batch   = 7d", "batch   = 4");
    e2e_run(t, 0, "run raw@2024-01-06");
    e2e_ran(t, "raw@2024-01-06");
    e2e_plan_is(t, "--only raw --from 2024-01-01 --to 2024-01-08",
                "raw 2024-01-01..2024-01-05 5/2 missing\n"
                "raw 2024-01-07..2024-01-08 2/1 missing\n");
    e2e_run(t, 0, "run --only raw --from 2024-01-01 --to 2024-01-08 -j3");
    e2e_ran_sorted(t, "raw@2024-01-01,2024-01-02,2024-01-03,2024-01-04 raw@2024-01-05 "
                      "raw@2024-01-07,2024-01-08");
}

static void two_batches_run_side_by_side(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int first, second;

    weeks(t);
    e2e_gate(t, "a");
    e2e_gate(t, "b");
    e2e_write(t, "do/raw@2024-01-02", "read -r x <gate.a\n");
    e2e_write(t, "do/raw@2024-01-10", "read -r x <gate.b\n");
    p = e2e_start(t, "run -j2");
    first = e2e_gate_reached(t, "a");
    second = e2e_gate_reached(t, "b");
    e2e_gate_let_go(first);
    e2e_gate_let_go(second);
    e2e_wait(p, 0);
    e2e_run(t, 0, "plan --exit-code");
}

/* ---- what the job is told */

static void a_job_is_told_of_all_its_partitions(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_append(
        t, "stagegraph.ini",
        "[stage say]\nneeds = landing sum@-1?\nbatch = 3\noutput = say/dt=${ds}\ncheck = none\n"
        "command = sh say.sh ${start} ${end} ${ds} ${end_ds} ${count} ${output_root} "
        "${input.landing}\n");
    e2e_write(t, "say.sh",
              "printf '%s\\n' \"$@\" >words\n"
              "cp \"$STAGEGRAPH_INPUTS_FILE\" inputs\ncp \"$STAGEGRAPH_PARTITIONS\" parts\n"
              "env | grep -E '^STAGEGRAPH_(OUTPUT|PARTITION|NODE|YYYY|MM|DD|HH|MINUTE)=' >single\n"
              "echo \"$STAGEGRAPH_START_EPOCH $STAGEGRAPH_END_EPOCH $STAGEGRAPH_COUNT\" >env\n");
    e2e_run(t, 0, "run --only say --from 2024-01-02 --to 2024-01-04");
    assert_string_equal(
        e2e_read(t, "words"),
        e2e_text(t,
                 "2024-01-02T00:00:00Z\n2024-01-05T00:00:00Z\n2024-01-02\n2024-01-04\n3\n"
                 "%s/warehouse/say\n%s/warehouse/landing/dt=2024-01-02\n"
                 "%s/warehouse/landing/dt=2024-01-03\n%s/warehouse/landing/dt=2024-01-04\n",
                 t->dir, t->dir, t->dir, t->dir));
    assert_string_equal(e2e_read(t, "parts"), "2024-01-02\n2024-01-03\n2024-01-04\n");
    assert_string_equal(e2e_read(t, "inputs"),
                        e2e_text(t,
                                 "landing\t2024-01-02\t%s/warehouse/landing/dt=2024-01-02\n"
                                 "landing\t2024-01-03\t%s/warehouse/landing/dt=2024-01-03\n"
                                 "landing\t2024-01-04\t%s/warehouse/landing/dt=2024-01-04\n",
                                 t->dir, t->dir, t->dir));
    assert_string_equal(e2e_read(t, "single"), "");
    assert_string_equal(e2e_read(t, "env"), "1704153600 1704412800 3\n");
}

static void a_variable_of_one_partition_is_an_error_at_load(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_append(t, "stagegraph.ini", "env.WHERE = ${output}\n[profile slow]\nsum.batch = 7d\n");
    e2e_run(t, 2, "plan");
    e2e_says(t->err,
             "a batch of sum can have several partitions, and its env.WHERE uses ${output}");
    e2e_edit(t, "stagegraph.ini", "sum.batch = 7d", "sum.batch = 36h");
    e2e_run(t, 0, "plan");
    e2e_run(t, 2, "plan --set sum.batch=2");
    e2e_says(t->err, "env.WHERE uses ${output}");
}

static void a_check_command_is_about_the_whole_batch(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_edit(t, "stagegraph.ini", "batch   = 7d",
             "batch   = 7d\ncheck = sh check.sh ${partitions}");
    e2e_write(t, "check.sh", "paste -sd, \"$1\" >>checked\n! grep -q 2024-01-03 \"$1\"\n");
    e2e_run(t, 1, "run --only raw --from 2024-01-01 --to 2024-01-03 --json");
    assert_int_equal(e2e_count(t->out, "\"result\":\"check_failed\""), 3);
    assert_false(is_done(t, "raw@2024-01-01"));
    e2e_run(t, 0, "run --only raw --from 2024-01-01 --to 2024-01-02");
    assert_string_equal(e2e_read(t, "checked"),
                        "2024-01-01,2024-01-02,2024-01-03\n2024-01-01,2024-01-02\n");
}

/* ---- crediting */

static void after_a_failure_what_the_job_reported_counts(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_write(t, "done/raw", "");
    e2e_write(t, "do/raw@2024-01-04", "exit 3\n");
    e2e_run(t, 1, "run --from 2024-01-01 --to 2024-01-07 --json");
    e2e_ran(t, "raw@" WEEK_1 " sum@2024-01-01 sum@2024-01-02 sum@2024-01-03");
    assert_true(is_done(t, "raw@2024-01-03") && !is_done(t, "raw@2024-01-04"));
    assert_true(is_done(t, "sum@2024-01-03") && !is_done(t, "sum@2024-01-04"));
}

static void only_the_rest_is_tried_again(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_edit(t, "stagegraph.ini", "batch   = 7d", "batch   = 7d\nretries = 1");
    e2e_write(t, "done/raw", "");
    e2e_write(t, "do/raw@2024-01-01", "echo this is the first\n");
    e2e_write(t, "do/raw@2024-01-04", "[ -e again ] || { : >again; exit 3; }\n");
    e2e_run(t, 0, "run --from 2024-01-01 --to 2024-01-07 --only raw");
    e2e_ran(t, "raw@" WEEK_1 " raw@2024-01-04,2024-01-05,2024-01-06,2024-01-07");
    e2e_run(t, 0, "log raw@2024-01-02");
    e2e_says(t->err, "raw/2024-01-02.1.log");
    e2e_says(t->out, "this is the first");
    e2e_run(t, 0, "log raw@2024-01-05");
    e2e_says(t->err, "raw/2024-01-05.2.log");
    e2e_says_not(t->out, "this is the first");
    e2e_run(t, 0, "plan --exit-code --only raw --from 2024-01-01 --to 2024-01-07");
}

static void without_a_report_all_of_it_fails(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_write(t, "do/raw@2024-01-04", "exit 3\n");
    e2e_run(t, 1, "run --from 2024-01-01 --to 2024-01-07");
    e2e_ran(t, "raw@" WEEK_1);
    e2e_plan_is(t, "--only raw --from 2024-01-01 --to 2024-01-07",
                "raw 2024-01-01..2024-01-07 7/1 missing\n");
}

/* To read a pipe the run would wait for ever, and hear no signal. */
static void a_report_that_the_job_made_something_else_of_is_none(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_write(t, "do/raw@2024-01-02",
              "rm \"$STAGEGRAPH_DONE_FILE\"; mkfifo \"$STAGEGRAPH_DONE_FILE\"; exit 3\n");
    e2e_run(t, 1, "run --only raw --from 2024-01-01 --to 2024-01-02");
    assert_false(is_done(t, "raw@2024-01-01"));
    e2e_write(t, "do/raw@2024-01-02",
              "rm \"$STAGEGRAPH_DONE_FILE\"; mkdir \"$STAGEGRAPH_DONE_FILE\"; exit 3\n");
    e2e_run(t, 1, "run --only raw --from 2024-01-01 --to 2024-01-02");
    e2e_append(t, "stagegraph.ini", "batch = 7\noutput_version = job\n");
    e2e_write(t, "do/raw@2024-01-02", "");
    e2e_write(t, "do/sum@2024-01-02",
              "rm \"$STAGEGRAPH_VERSION_FILE\"; mkfifo \"$STAGEGRAPH_VERSION_FILE\"\n");
    e2e_run(t, 1, "run --upto sum --from 2024-01-01 --to 2024-01-02");
    e2e_says(t->out, "wrote nothing to STAGEGRAPH_VERSION_FILE");
}

/* Its label is none: an empty line would be it. */
static void a_once_reports_nothing(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_append(t, "stagegraph.ini",
               "[stage table]\npartition = once\nneeds = landing\noutput = table\nbatch = 7\n"
               "command = sh table.sh ${output}\n");
    e2e_write(t, "table.sh", "mkdir -p $1\n: >$1/data\necho >>\"$STAGEGRAPH_DONE_FILE\"\nexit 3\n");
    e2e_run(t, 1, "run table");
    assert_false(e2e_exists(t, "warehouse/table/_SUCCESS"));
}

static void a_member_without_output_fails_alone(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_write(t, "do/raw@2024-01-04", "continue\n");
    e2e_run(t, 1, "run --from 2024-01-01 --to 2024-01-07");
    e2e_says(t->out, "raw@2024-01-04");
    assert_true(is_done(t, "raw@2024-01-05") && !is_done(t, "raw@2024-01-04"));
    assert_true(is_done(t, "sum@2024-01-05") && !is_done(t, "sum@2024-01-04"));
}

static void after_a_timeout_what_the_job_reported_counts(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_edit(t, "stagegraph.ini", "batch   = 7d", "batch   = 7d\ntimeout = 1s");
    e2e_gate(t, "a");
    e2e_write(t, "done/raw", "");
    e2e_write(t, "do/raw@2024-01-03",
              "printf 2024-01-03 >>\"$STAGEGRAPH_DONE_FILE\"\nread -r x <gate.a\n");
    e2e_run(t, 5, "run --only raw --from 2024-01-01 --to 2024-01-04 --json");
    assert_int_equal(e2e_count(t->out, "\"result\":\"timeout\""), 2);
    assert_true(is_done(t, "raw@2024-01-01") && is_done(t, "raw@2024-01-02"));
    assert_false(is_done(t, "raw@2024-01-03") || is_done(t, "raw@2024-01-04"));
}

static void only_the_member_whose_input_moved_is_tried_once_more(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_write(t, "do/raw@2024-01-04",
              "[ -e again ] || { : >again; echo more >warehouse/landing/dt=2024-01-02/more; }\n");
    e2e_run(t, 0, "run --only raw --from 2024-01-01 --to 2024-01-04 --json");
    e2e_says(t->out, "\"result\":\"input_moved\"");
    e2e_ran(t, "raw@2024-01-01,2024-01-02,2024-01-03,2024-01-04 raw@2024-01-02");
    e2e_run(t, 0, "plan --exit-code --only raw --from 2024-01-01 --to 2024-01-04");
}

/* The neighbour is nearer to some members than to others; the stage does nothing more. */
static void a_batch_that_deletes_its_table_is_not_done_at_all(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_edit(t, "stagegraph.ini", "batch   = 7d", "batch   = 13");
    e2e_run(t, 0, "run raw@2024-01-01 --only raw");
    e2e_write(t, "do/raw@2024-01-02", "rm -r warehouse/raw\n");
    e2e_run(t, 1, "run --only raw --from 2024-01-02 --json");
    assert_int_equal(e2e_count(t->out, "\"result\":\"trespass\""), 13);
    assert_int_equal(e2e_count(t->out, "\"result\":\"blocked\""), 1);
    assert_false(is_done(t, "raw@2024-01-14"));
}

static void a_member_that_is_blocked_blocks_the_next_that_needs_it(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_append(t, "stagegraph.ini",
               "[stage aside]\ncommand = sh aside.sh\noutput = aside/dt=${ds}\ncheck = none\n"
               "[stage acc]\nneeds = landing |aside acc@-1\noutput = acc/dt=${ds}\nbatch = 5\n"
               "command = sh batch.sh acc ${output_root} ${partitions} landing\n");
    e2e_write(t, "aside.sh", "");
    e2e_run(t, 0, "run --upto acc --from 2024-01-01 --to 2024-01-05");
    (void)e2e_jobs(t);
    e2e_append(t, "stagegraph.ini", "version = 2\n");
    e2e_write(t, "aside.sh", "rm -rf warehouse/landing/dt=2024-01-01\n");
    e2e_run(t, 3, "run --upto acc --force=aside --from 2024-01-01 --to 2024-01-05 --json");
    e2e_ran(t, "");
    assert_int_equal(e2e_count(t->out, "\"result\":\"blocked\""), 5);
    e2e_has_line(t->out, "*\"node\":\"acc@2024-01-02\"*\"detail\":\"behind acc@2024-01-01\"*");
}

static void an_interrupted_batch_keeps_what_it_reported(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    weeks(t);
    e2e_gate(t, "a");
    e2e_write(t, "done/raw", "");
    e2e_write(t, "do/raw@2024-01-03", "read -r x <gate.a\n");
    p = e2e_start(t, "run");
    (void)e2e_gate_reached(t, "a");
    e2e_kill(p, SIGINT);
    e2e_wait(p, E2E_DIED(SIGINT));
    assert_true(is_done(t, "raw@2024-01-02") && !is_done(t, "raw@2024-01-03"));
    e2e_until_gone(t, E2E_ALL);
}

static void a_killed_executor_leaves_all_of_the_batch_stale(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    weeks(t);
    e2e_gate(t, "a");
    e2e_write(t, "do/raw@2024-01-03", "[ -e again ] || { : >again; read -r x <gate.a; }\n");
    p = e2e_start(t, "run");
    (void)e2e_gate_reached(t, "a");
    e2e_run(t, 0, "run --only raw --from 2024-01-02 --to 2024-01-02 -n");
    e2e_kill(p, SIGKILL);
    e2e_wait(p, E2E_DIED(SIGKILL));
    e2e_until_gone(t, E2E_ALL);
    e2e_plan_is(t, "--only raw --from 2024-01-01 --to 2024-01-08",
                "raw 2024-01-01..2024-01-07 7/1 interrupted\nraw 2024-01-08 1/1 missing\n");
    (void)e2e_jobs(t);
    e2e_run(t, 0, "run --only raw --from 2024-01-01 --to 2024-01-07");
    e2e_ran(t, "raw@" WEEK_1);
    e2e_run(t, 0, "plan --exit-code --only raw --from 2024-01-01 --to 2024-01-07");
}

/* The shim holds every member's lock, not the first alone. */
static void all_members_stay_claimed_while_the_job_lives(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int gate;

    weeks(t);
    e2e_gate(t, "a");
    e2e_write(t, "do/raw@2024-01-03", "read -r x <gate.a\n");
    p = e2e_start(t, "run --only raw --to 2024-01-07 --from 2024-01-01");
    gate = e2e_gate_reached(t, "a");
    e2e_run(t, 4, "run raw@2024-01-06 --only raw");
    e2e_run(t, 4, "run raw@2024-01-01 --only raw");
    e2e_gate_let_go(gate);
    e2e_wait(p, 0);
}

/* ---- members that drop out */

static void members_whose_inputs_came_out_as_before_are_left_out(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_append(t, "stagegraph.ini", "batch   = 7\n");
    e2e_run(t, 0, "run --from 2024-01-01 --to 2024-01-07");
    e2e_ran(t, "raw@" WEEK_1 " sum@" WEEK_1);
    land(t, 2, "other\n");
    land(t, 5, "other too\n");
    land(t, 6, "and this one\n");
    e2e_run(t, 0, "run --force=raw --from 2024-01-01 --to 2024-01-07 --json");
    e2e_ran(t, "raw@" WEEK_1 " sum@2024-01-02 sum@2024-01-05,2024-01-06");
    assert_int_equal(e2e_count(t->out, "\"result\":\"unchanged\""), 4);
    e2e_run(t, 0, "plan --exit-code --from 2024-01-01 --to 2024-01-07");
}

static void a_failed_input_blocks_its_member_alone(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_append(t, "stagegraph.ini", "batch   = 7\n");
    e2e_write(t, "do/raw@2024-01-03", "continue\n");
    e2e_run(t, 1, "run --from 2024-01-01 --to 2024-01-07");
    e2e_ran(t, "raw@" WEEK_1 " sum@2024-01-01,2024-01-02 "
               "sum@2024-01-04,2024-01-05,2024-01-06,2024-01-07");
    e2e_says(t->out, "sum@2024-01-03 (behind raw@2024-01-03)");
}

/* ---- needs among members */

static const char chain[] = //
    "[stage acc]\n"
    "needs   = landing acc@-1\n"
    "command = sh batch.sh acc ${output_root} ${partitions} landing\n"
    "output  = acc/dt=${ds}\n"
    "batch   = 5\n";

static void a_chain_runs_in_batches_and_is_fresh_afterwards(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_append(t, "stagegraph.ini", chain);
    e2e_plan_is(t, "--only acc", "acc 2024-01-01..2024-01-15 15/3 missing\n");
    e2e_run(t, 0, "run --only acc");
    e2e_says(e2e_jobs(t), "acc@2024-01-06,2024-01-07,2024-01-08,2024-01-09,2024-01-10");
    e2e_run(t, 0, "plan --exit-code --only acc");
    land(t, 7, "new\n");
    e2e_run(t, 0, "run --only acc");
    e2e_says(e2e_jobs(t), "acc@2024-01-07,2024-01-08,2024-01-09,2024-01-10,2024-01-11");
    e2e_run(t, 0, "plan --exit-code --only acc");
}

static void one_that_needs_a_failed_member_fails_with_it(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_append(t, "stagegraph.ini", chain);
    e2e_write(t, "do/acc@2024-01-03", "continue\n");
    e2e_run(t, 1, "run --only acc --from 2024-01-01 --to 2024-01-05");
    assert_true(is_done(t, "acc@2024-01-02") && !is_done(t, "acc@2024-01-03"));
    assert_false(is_done(t, "acc@2024-01-04") || is_done(t, "acc@2024-01-05"));
    e2e_says(t->out, "needs acc@2024-01-03, which failed");
}

static void stages_that_need_each_other_are_cut_where_they_must(void **state)
{
    struct e2e *t = *state;

    weeks(t);
    e2e_append(t, "stagegraph.ini",
               "[stage one]\nneeds = landing two@-3\noutput = one/dt=${ds}\nbatch = 7\n"
               "command = sh batch.sh one ${output_root} ${partitions} landing\n"
               "[stage two]\nneeds = one\noutput = two/dt=${ds}\nbatch = 7\n"
               "command = sh batch.sh two ${output_root} ${partitions} one\n");
    e2e_plan_is(t, "--upto two",
                "one 2024-01-01..2024-01-15 15/5 missing\n"
                "two 2024-01-01..2024-01-15 15/5 missing\n");
    e2e_run(t, 0, "run --upto two -j4");
    e2e_run(t, 0, "plan --exit-code --upto two");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(a_backfill_takes_a_week_at_a_time),
        e2e_test(a_number_counts_partitions_and_a_fresh_one_cuts),
        e2e_test(two_batches_run_side_by_side),
        e2e_test(a_job_is_told_of_all_its_partitions),
        e2e_test(a_variable_of_one_partition_is_an_error_at_load),
        e2e_test(a_check_command_is_about_the_whole_batch),
        e2e_test(after_a_failure_what_the_job_reported_counts),
        e2e_test(only_the_rest_is_tried_again),
        e2e_test(without_a_report_all_of_it_fails),
        e2e_test(a_report_that_the_job_made_something_else_of_is_none),
        e2e_test(a_once_reports_nothing),
        e2e_test(a_member_without_output_fails_alone),
        e2e_test(after_a_timeout_what_the_job_reported_counts),
        e2e_test(only_the_member_whose_input_moved_is_tried_once_more),
        e2e_test(a_batch_that_deletes_its_table_is_not_done_at_all),
        e2e_test(a_member_that_is_blocked_blocks_the_next_that_needs_it),
        e2e_test(an_interrupted_batch_keeps_what_it_reported),
        e2e_test(a_killed_executor_leaves_all_of_the_batch_stale),
        e2e_test(all_members_stay_claimed_while_the_job_lives),
        e2e_test(members_whose_inputs_came_out_as_before_are_left_out),
        e2e_test(a_failed_input_blocks_its_member_alone),
        e2e_test(a_chain_runs_in_batches_and_is_fresh_afterwards),
        e2e_test(one_that_needs_a_failed_member_fails_with_it),
        e2e_test(stages_that_need_each_other_are_cut_where_they_must),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
