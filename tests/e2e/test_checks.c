/*
 * What becomes of an output before the job and after it: cleared as `prepare` says, kept markers,
 * leftovers; versions as `output_version` says.
 */
#include "fixture.h"

/* Two days in one process; the job sources `do` and writes a file for each. */
static const char graph[] = //
    "[graph]\n"
    "start     = 2024-01-01\n"
    "end       = 2024-01-03\n"
    "partition = day\n"
    "delay     = 0\n"
    "\n"
    "[store]\n"
    "root = warehouse\n"
    "sync = no\n"
    "\n"
    "[stage use]\n"
    "needs   = raw\n"
    "command = sh use.sh ${output}\n"
    "output  = use/dt=${ds}\n"
    "\n"
    "[stage raw]\n"
    "command = sh raw.sh ${partitions}\n"
    "output  = raw/dt=${ds}\n"
    "batch   = 2\n";

#define DAY_1 "warehouse/raw/dt=2024-01-01"
#define DAY_2 "warehouse/raw/dt=2024-01-02"

static void two_days(struct e2e *t, const char *keys)
{
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-02-01T00:00Z");
    e2e_write(t, "stagegraph.ini", graph);
    e2e_append(t, "stagegraph.ini", keys);
    e2e_write(t, "do", "");
    e2e_write(t, "raw.sh",
              ". ./do\n"
              "for d in $(cat \"$1\"); do\n"
              "    mkdir -p \"warehouse/raw/dt=$d\"\n"
              "    echo data >\"warehouse/raw/dt=$d/data\"\n"
              "done\n"
              "[ ! -e after ] || . ./after\n");
    e2e_write(t, "use.sh", "mkdir -p \"$1\"\ncp raw.sh \"$1/data\"\n");
}

/* What the job finds, and what is left of it afterwards. */
static void leftovers_go_and_the_rest_is_the_jobs(void **state)
{
    struct e2e *t = *state;

    two_days(t, "");
    e2e_run(t, 0, "run raw --from 2024-01-01");
    e2e_write(t, DAY_2 "/_temporary/0/x", "");
    e2e_write(t, DAY_2 "/.spark-staging-1/x", "");
    e2e_write(t, DAY_2 "/_other", "");
    e2e_write(t, DAY_2 "/old", "");
    e2e_write(t, "do", "(cd " DAY_2 " && ls -A) >found\n");
    e2e_run(t, 0, "run raw --force --from 2024-01-01");
    assert_string_equal(e2e_read(t, "found"), "_other\ndata\nold\n");
}

static void prepare_delete_takes_all_of_each_output(void **state)
{
    struct e2e *t = *state;

    two_days(t, "prepare = delete\nkeep_marker = yes\n");
    e2e_run(t, 0, "run raw --from 2024-01-01");
    e2e_write(t, DAY_2 "/old", "");
    e2e_write(t, "do", "ls -A warehouse/raw >found\n");
    e2e_run(t, 0, "run raw --force --from 2024-01-01");
    assert_string_equal(e2e_read(t, "found"), "");
    assert_false(e2e_exists(t, DAY_2 "/old"));
    assert_true(e2e_has_receipt(t, "raw@2024-01-01") && e2e_has_receipt(t, "raw@2024-01-02"));
}

static void a_kept_marker_says_running_of_each_member_and_goes_with_a_failure(void **state)
{
    struct e2e *t = *state;

    two_days(t, "keep_marker = yes\n");
    e2e_run(t, 0, "run raw --from 2024-01-01");
    e2e_write(t, "do", "cat warehouse/raw/*/_SUCCESS >found\nexit 3\n");
    e2e_run(t, 1, "run raw --force --from 2024-01-01");
    assert_int_equal(e2e_count(e2e_read(t, "found"), "\"state\":\"running\""), 2);
    assert_false(e2e_exists(t, DAY_1 "/_SUCCESS") || e2e_exists(t, DAY_2 "/_SUCCESS"));
    e2e_plan_is(t, "--upto raw", "raw 2024-01-01..2024-01-02 2/1 missing\n");
}

/* Hadoop checks a file against the .crc beside it: that of the job's marker would damn ours. */
static void the_check_sum_of_the_jobs_own_marker_goes(void **state)
{
    struct e2e *t = *state;

    two_days(t, "");
    e2e_write(t, "after", "touch " DAY_1 "/_SUCCESS " DAY_1 "/._SUCCESS.crc\n");
    e2e_run(t, 0, "run raw --from 2024-01-01");
    assert_true(e2e_has_receipt(t, "raw@2024-01-01"));
    assert_false(e2e_exists(t, DAY_1 "/._SUCCESS.crc"));
    e2e_append(t, "after", "exit 3\n");
    e2e_run(t, 1, "run raw --force --from 2024-01-01");
    assert_false(e2e_exists(t, DAY_1 "/_SUCCESS") || e2e_exists(t, DAY_1 "/._SUCCESS.crc"));
}

/* The same data again: is what uses them made again? */
static bool is_used_again(struct e2e *t, const char *keys)
{
    two_days(t, keys);
    e2e_write(t, "do", "echo 1 >\"$STAGEGRAPH_VERSION_FILE\"\n");
    e2e_run(t, 0, "run --from 2024-01-01");
    e2e_run(t, 0, "run --from 2024-01-01 --force=raw --json");
    assert_int_equal(e2e_count(t->out, "\"stage\":\"raw\",\"result\":\"ok\""), 2);
    return e2e_count(t->out, "\"stage\":\"use\",\"result\":\"ok\"") == 2;
}

static void a_version_is_of_the_content_unless_the_stage_says_otherwise(void **state)
{
    struct e2e *t = *state;

    assert_false(is_used_again(t, ""));
    e2e_remove(t, "warehouse");
    assert_true(is_used_again(t, "output_version = run\n"));
    e2e_remove(t, "warehouse");
    assert_false(is_used_again(t, "version_limit = 5\n"));
    e2e_remove(t, "warehouse");
    assert_true(is_used_again(t, "version_limit = 4\n"));
    e2e_says(t->err, "the output of raw@2024-01-02 is larger than version_limit");
    e2e_remove(t, "warehouse");
    assert_false(is_used_again(t, "output_version = job\n"));
}

static void a_version_of_the_job_is_what_it_says_and_must_be_said(void **state)
{
    struct e2e *t = *state;

    two_days(t, "output_version = job\n");
    e2e_run(t, 1, "run --from 2024-01-01 --json");
    assert_int_equal(e2e_count(t->out, "\"result\":\"check_failed\""), 2);
    e2e_write(t, "do", "echo 1 >\"$STAGEGRAPH_VERSION_FILE\"\n");
    e2e_run(t, 0, "run --from 2024-01-01");
    e2e_write(t, "do", "echo 2 >\"$STAGEGRAPH_VERSION_FILE\"\n");
    e2e_run(t, 0, "run --from 2024-01-01 --force=raw --json");
    assert_int_equal(e2e_count(t->out, "\"stage\":\"use\",\"result\":\"ok\""), 2);
}

/* An empty output counts if the stage says so, for each member by itself. */
static void no_data_of_a_member_is_its_own_failure(void **state)
{
    struct e2e *t = *state;

    two_days(t, "");
    e2e_write(t, "after", "rm -r " DAY_2 "\n");
    e2e_run(t, 1, "run --from 2024-01-01 --json");
    assert_int_equal(e2e_count(t->out, "\"result\":\"check_failed\""), 1);
    assert_true(e2e_has_receipt(t, "raw@2024-01-01") && e2e_has_receipt(t, "use@2024-01-01"));
    e2e_append(t, "stagegraph.ini", "empty = ok\n");
    e2e_run(t, 0, "run --from 2024-01-01");
    assert_true(e2e_has_receipt(t, "raw@2024-01-02"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(leftovers_go_and_the_rest_is_the_jobs),
        e2e_test(prepare_delete_takes_all_of_each_output),
        e2e_test(a_kept_marker_says_running_of_each_member_and_goes_with_a_failure),
        e2e_test(the_check_sum_of_the_jobs_own_marker_goes),
        e2e_test(a_version_is_of_the_content_unless_the_stage_says_otherwise),
        e2e_test(a_version_of_the_job_is_what_it_says_and_must_be_said),
        e2e_test(no_data_of_a_member_is_its_own_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
