/*
 * stale: each reason for which a node runs again, with the part that it names, and what is none.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

/* The usual graph with everything made. */
static void made(struct e2e *t)
{
    e2e_flights(t);
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
}

/* explain shows the reason, the part and its values then and now; NULL: not looked for. */
static void explains(struct e2e *t, const char *node, const char *reason, const char *part,
                     const char *then, const char *now)
{
    e2e_run(t, 0, "explain %s", node);
    e2e_says(t->out, reason);
    if (part != NULL)
        e2e_says(t->out, part);
    if (then != NULL)
        e2e_says(t->out, then);
    if (now != NULL)
        e2e_says(t->out, now);
}

/* ---- missing and damaged */

static void without_its_marker_a_node_is_missing(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_remove(t, e2e_marker(t, "silver@2024-01-01T22"));
    e2e_plan_is(t, "",
                "silver 2024-01-01T22 1/1 missing\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    explains(t, "silver@2024-01-01T22", "it has no marker", NULL, NULL, NULL);
    /* It comes out as it was, so its day does not run: early cut-off. */
    e2e_run(t, 0, "run");
    e2e_ran(t, "silver@2024-01-01T22");
    e2e_says(t->out, "unchanged");
}

static void a_marker_that_does_not_verify_is_damaged(void **state)
{
    struct e2e *t = *state;
    const char *path, *whole, *other;
    size_t n;

    made(t);
    path = e2e_marker(t, "silver@2024-01-01T22");
    whole = e2e_read(t, path);
    other = e2e_read(t, e2e_marker(t, "silver@2024-01-01T21"));
    n = strlen(whole);

    /* A byte of it flipped: sampled over its length. */
    for (size_t i = 0; i < n; i += 29) {
        e2e_write(t, path, whole);
        e2e_poke(t, path, i, (char)(whole[i] ^ 1));
        e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 damaged*\n");
    }
    /* Cut anywhere (an empty one is another tool's). */
    for (size_t i = 1; i + 1 < n; i += 31) {
        e2e_write(t, path, e2e_text(t, "%.*s", (int)i, whole));
        e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 damaged*\n");
    }
    e2e_write(t, path, other);
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 damaged*\n");
    e2e_write(t, path, whole);
    e2e_poke(t, path, n / 2, '\0');
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 damaged*\n");
    explains(t, "silver@2024-01-01T22", "its receipt can't be read", "NUL", NULL, NULL);
    /* A text of another tool is none of ours; with a NUL it is damage. */
    e2e_write(t, path, "written by hand");
    e2e_poke(t, path, 3, '\0');
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 damaged*\n");
    e2e_write(t, path, whole);
    e2e_plan_is(t, "", "");
}

/* ---- code, command, params, version */

static void a_changed_code_file_is_named_and_its_mtime_alone_is_no_change(void **state)
{
    struct e2e *t = *state;

    made(t);
    assert_int_equal(utimensat(AT_FDCWD, e2e_path(t, "code/silver.txt"), NULL, 0), 0);
    e2e_plan_is(t, "", "");
    e2e_append(t, "code/silver.txt", "two\n");
    e2e_plan_is(t, "",
                "silver 2024-01-01T21..2024-01-01T23 3/3 code code/silver.txt\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    explains(t, "silver@2024-01-01T22", "code", "code/silver.txt", NULL, NULL);
    /* Content as it was is no change either. */
    e2e_write(t, "code/silver.txt", "one\n");
    e2e_plan_is(t, "", "");
}

static void a_code_file_of_the_same_length_and_time_is_seen_to_differ(void **state)
{
    struct e2e *t = *state;
    struct timespec times[2] = { { .tv_sec = 1700000000 }, { .tv_sec = 1700000000 } };

    e2e_flights(t);
    assert_int_equal(utimensat(AT_FDCWD, e2e_path(t, "code/silver.txt"), times, 0), 0);
    e2e_run(t, 0, "run");
    e2e_write(t, "code/silver.txt", "two\n");
    assert_int_equal(utimensat(AT_FDCWD, e2e_path(t, "code/silver.txt"), times, 0), 0);
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21..2024-01-01T23 3/3 code code/silver.txt\n");
}

static void a_code_file_that_comes_or_goes_is_named(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "code/silver.txt", "code/silver.txt lib/**.txt");
    e2e_write(t, "lib/a.txt", "a\n");
    e2e_write(t, "lib/deep/er/b.txt", "b\n");
    e2e_run(t, 0, "run");
    e2e_write(t, "lib/deep/c.txt", "c\n");
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21..2024-01-01T23 3/3 code lib/deep/c.txt\n");
    e2e_remove(t, "lib/deep/c.txt");
    e2e_plan_is(t, "", "");
    e2e_remove(t, "lib/deep/er/b.txt");
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21..2024-01-01T23 3/3 code lib/deep/er/b.txt\n");
    /* A file that no pattern names is nobody's business. */
    e2e_write(t, "lib/deep/er/b.txt", "b\n");
    e2e_write(t, "lib/deep/notes.md", "\n");
    e2e_plan_is(t, "", "");
}

static void changed_words_of_a_command_are_named(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_edit(t, "stagegraph.ini", "--level ${level}", "--level ${level} --strict");
    e2e_plan_is(t, "",
                "silver 2024-01-01T21..2024-01-01T23 3/3 command*\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    explains(t, "silver@2024-01-01T22", "command", "--strict", NULL, NULL);
    e2e_edit(t, "stagegraph.ini", "--level ${level} --strict", "--level ${level}");
    e2e_plan_is(t, "", "");
    /* The same words otherwise written are the same words. */
    e2e_edit(t, "stagegraph.ini", "--level ${level}", "'--level'\n  ${level}");
    e2e_plan_is(t, "", "");
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n", "[stage silver]\nenv.TZ = UTC\n");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T21..2024-01-01T23 3/3 command *TZ*\n");
    e2e_edit(t, "stagegraph.ini", "env.TZ = UTC\n", "check = sh -c true\n");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T21..2024-01-01T23 3/3 command *check*\n");
}

static void a_changed_param_is_named_with_its_old_and_its_new_value(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_plan_is(t, "--level high",
                "silver 2024-01-01T21..2024-01-01T23 3/3 params *level*low*high*\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    e2e_run(t, 0, "explain silver@2024-01-01T22 --level high");
    e2e_says(t->out, "params");
    e2e_has_line(t->out, "*level*low*high*");

    /* In the graph file it is the same. */
    e2e_edit(t, "stagegraph.ini", "default = low", "default = high");
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21..2024-01-01T23 3/3 params *level*low*high*\n");
    e2e_edit(t, "stagegraph.ini", "default = high", "default = low");
    e2e_plan_is(t, "", "");
    e2e_run(t, 0, "run --level high");
    e2e_ran(t, "silver@2024-01-01T21 silver@2024-01-01T22 silver@2024-01-01T23");
    e2e_plan_is(t, "--level high", "");
}

static void a_param_without_stamp_makes_nothing_stale(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "default = low", "default = low\nstamp = no");
    e2e_run(t, 0, "run");
    e2e_plan_is(t, "--level high", "");
}

static void a_changed_version_key_is_a_reason(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_edit(t, "stagegraph.ini", "[stage silver]\n", "[stage silver]\nversion = 2\n");
    e2e_plan_is(t, "",
                "silver 2024-01-01T21..2024-01-01T23 3/3 version*\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    explains(t, "silver@2024-01-01T21", "version", "2", NULL, NULL);
}

static void code_comes_before_command_and_params(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_append(t, "code/silver.txt", "two\n");
    e2e_edit(t, "stagegraph.ini", "--level ${level}", "--level ${level} --strict");
    e2e_plan_is(t, "--level high --only silver",
                "silver 2024-01-01T21..2024-01-01T23 3/3 code code/silver.txt\n");
    /* Asked for another of the reasons that hold, it shows that one. */
    e2e_plan_is(t, "--level high --only silver --stale=params",
                "silver 2024-01-01T21..2024-01-01T23 3/3 params *level*\n");
    /* All of what differs is in explain. */
    e2e_run(t, 0, "explain silver@2024-01-01T22 --level high");
    e2e_says(t->out, "code/silver.txt");
    e2e_says(t->out, "--strict");
    e2e_says(t->out, "high");
}

static void options_timeouts_and_titles_make_nothing_stale(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "${output} --level", "${output} ${options} --level");
    e2e_run(t, 0, "run");
    e2e_edit(t, "stagegraph.ini", "title   = SILVER TRANSFORMATION\n",
             "title = SILVER\n"
             "options = --fast --memory 4g\n"
             "timeout = 2h\n"
             "grace = 3s\n"
             "retries = 2\n"
             "backoff = 5s\n"
             "breaker = 9\n"
             "pool = small\n");
    e2e_append(t, "stagegraph.ini", "[pool small]\nsize = 1\n");
    e2e_plan_is(t, "", "");
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    /* Nor does it matter where all of it lies. */
    e2e_write(t, "moved/stagegraph.ini", e2e_read(t, "stagegraph.ini"));
    e2e_edit(t, "moved/stagegraph.ini", "root = warehouse",
             e2e_text(t, "root = %s/warehouse", t->dir));
    e2e_write(t, "moved/job.sh", e2e_read(t, "job.sh"));
    e2e_write(t, "moved/code/bronze.txt", "one\n");
    e2e_write(t, "moved/code/silver.txt", "one\n");
    e2e_write(t, "moved/code/gold.txt", "one\n");
    e2e_run(t, 0, "-f moved/stagegraph.ini plan --exit-code");
}

/* ---- inputs */

static void a_source_whose_listing_changed_is_an_input_that_changed(void **state)
{
    struct e2e *t = *state;

    made(t);
    /* The same names, lengths and marker are the same source, whatever the time. */
    e2e_land(t, "2024-01-01T22", "x\n");
    e2e_plan_is(t, "", "");
    e2e_land(t, "2024-01-01T22", "longer\n");
    e2e_plan_is(t, "",
                "bronze 2024-01-01T22 1/1 input *landing*\n"
                "silver 2024-01-01T22 1/1 upstream bronze\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    explains(t, "bronze@2024-01-01T22", "input", "landing", NULL, NULL);
    e2e_run(t, 0, "run");
    e2e_ran(t, "bronze@2024-01-01T22 silver@2024-01-01T22 gold@2024-01-01");
    assert_true(e2e_is_whole(t, "gold@2024-01-01"));
    e2e_says(e2e_read(t, e2e_text(t, "%s/data", e2e_output(t, "gold@2024-01-01"))), "longer");
}

static void hidden_names_of_a_source_do_not_count_and_its_marker_does(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_write(t, "warehouse/landing/dt=2024-01-01/hr=22/_log", "x\n");
    e2e_write(t, "warehouse/landing/dt=2024-01-01/hr=22/.tmp", "x\n");
    e2e_plan_is(t, "", "");
    e2e_write(t, "warehouse/landing/dt=2024-01-01/hr=22/more", "");
    e2e_run(t, 6, "plan --exit-code --only bronze");
    e2e_remove(t, "warehouse/landing/dt=2024-01-01/hr=22/more");
    e2e_plan_is(t, "", "");
    e2e_write(t, "warehouse/landing/dt=2024-01-01/hr=22/_DONE", "again\n");
    e2e_run(t, 6, "plan --exit-code --only bronze");
}

static void an_input_made_by_somebody_else_meanwhile_is_an_input_that_changed(void **state)
{
    struct e2e *t = *state;

    made(t);
    /* silver alone is made again, with other content. */
    e2e_does(t, "silver@2024-01-01T22", "body() { echo other; }\n");
    e2e_run(t, 0, "run --only silver --force --from 2024-01-01T22 --to 2024-01-01T23");
    e2e_ran(t, "silver@2024-01-01T22");
    e2e_plan_is(t, "", "gold 2024-01-01 1/1 input *silver*\n");
    explains(t, "gold@2024-01-01", "input", "silver", NULL, NULL);
}

static void content_that_came_out_the_same_stops_the_run_there(void **state)
{
    struct e2e *t = *state;
    struct e2e_doc *d;
    const char *lines, *line;
    bool seen = false;

    e2e_flights(t);
    e2e_does(t, "silver", "body() { echo the same; }\n");
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    e2e_append(t, "code/bronze.txt", "two\n");
    e2e_plan_is(t, "",
                "bronze 2024-01-01T21..2024-01-01T23 3/3 code code/bronze.txt\n"
                "silver 2024-01-01T21..2024-01-01T23 3/3 upstream bronze\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    e2e_run(t, 0, "run --json");
    /* bronze writes what it wrote: nothing behind it runs. */
    e2e_ran(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23");
    lines = t->out;
    for (line = lines; *line != '\0';) {
        const char *end = strchr(line, '\n');

        d = e2e_json(t, e2e_text(t, "%.*s", (int)(end - line), line));
        if (strcmp(e2e_get(d, "event"), "node_skipped") == 0) {
            assert_string_equal(e2e_get(d, "result"), "unchanged");
            seen = true;
        }
        line = end + 1;
    }
    assert_true(seen);
    e2e_plan_is(t, "", "");
}

static void a_gone_input_makes_nothing_stale_but_blocks_what_must_be_rebuilt(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_remove(t, "warehouse/landing/dt=2024-01-01/hr=22");
    e2e_plan_is(t, "", "");
    e2e_run(t, 0, "run");
    e2e_ran(t, "");
    e2e_append(t, "code/bronze.txt", "two\n");
    e2e_plan_is(t, "--only bronze",
                "bronze 2024-01-01T21 1/1 code code/bronze.txt\n"
                "bronze 2024-01-01T23 1/1 code code/bronze.txt\n"
                "blocked bronze 2024-01-01T22 1 code: landing@2024-01-01T22\n");
    e2e_run(t, 3, "run --only bronze");
    /* Its marker stays. */
    assert_true(e2e_has_receipt(t, "bronze@2024-01-01T22"));
}

static void an_optional_input_may_come_later_and_is_then_a_reason(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]",
             "[source weather]\n"
             "path = weather/${ds}T${HH}\n"
             "marker = _DONE\n"
             "[stage bronze]");
    e2e_edit(t, "stagegraph.ini", "needs   = bronze\n", "needs   = bronze weather?\n");
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    e2e_write(t, "warehouse/weather/2024-01-01T22/data", "rain\n");
    e2e_plan_is(t, "", "");
    e2e_write(t, "warehouse/weather/2024-01-01T22/_DONE", "");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 input *weather*\n");
    e2e_run(t, 0, "run");
    e2e_ran(t, "silver@2024-01-01T22 gold@2024-01-01");
    e2e_says(e2e_read(t, e2e_text(t, "%s/data", e2e_output(t, "silver@2024-01-01T22"))), "rain");
    /* Gone again: a notice at most. */
    e2e_remove(t, "warehouse/weather/2024-01-01T22");
    e2e_plan_is(t, "", "");
}

static void an_order_only_input_must_be_there_and_changes_nothing(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]",
             "[source dim]\n"
             "partition = once\n"
             "path = dims\n"
             "marker = _DONE\n"
             "[stage bronze]");
    e2e_edit(t, "stagegraph.ini", "needs   = bronze\n", "needs   = bronze |dim\n");
    e2e_run(t, 3, "run silver@2024-01-01T21");
    e2e_says(t->out, "dim");
    e2e_write(t, "warehouse/dims/data", "one\n");
    e2e_write(t, "warehouse/dims/_DONE", "");
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    e2e_write(t, "warehouse/dims/data", "another\n");
    e2e_write(t, "warehouse/dims/_DONE", "second\n");
    e2e_plan_is(t, "", "");
    /* In the receipt it is noted. */
    e2e_says(e2e_read(t, e2e_marker(t, "silver@2024-01-01T21")), "\"need\":\"|dim\"");
}

static void a_need_that_came_or_went_is_an_input_reason(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_edit(t, "stagegraph.ini", "needs     = silver\n", "needs     = silver bronze\n");
    e2e_plan_is(t, "", "gold 2024-01-01 1/1 input *bronze*\n");
}

static void upstream_reaches_through_a_chain_of_the_stage_itself(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "needs   = bronze\n", "needs   = bronze silver@-1\n");
    e2e_run(t, 0, "run");
    (void)e2e_jobs(t);
    e2e_land(t, "2024-01-01T21", "changed\n");
    e2e_run(t, 0, "run --only bronze");
    e2e_ran(t, "bronze@2024-01-01T21");
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21 1/1 input *bronze*\n"
                "silver 2024-01-01T22..2024-01-01T23 2/2 upstream silver*\n");
    e2e_run(t, 0, "run");
    e2e_ran(t, "silver@2024-01-01T21 silver@2024-01-01T22 silver@2024-01-01T23 gold@2024-01-01");
    /* A link in the middle that is missing. */
    e2e_remove(t, e2e_marker(t, "silver@2024-01-01T22"));
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T22 1/1 missing\n"
                "silver 2024-01-01T23 1/1 upstream silver*\n");
    e2e_run(t, 0, "run");
    e2e_ran(t, "silver@2024-01-01T22");
}

static void a_day_needs_the_hours_that_its_zone_gives_it(void **state)
{
    struct e2e *t = *state;
    const char *inputs;

    /* New York, 10 March 2024: the clocks go forward, 23 hours, from 05Z to 04Z. */
    e2e_job_script(t);
    e2e_write(t, "stagegraph.ini",
              "[graph]\n"
              "name = ny\n"
              "start = 2024-03-10\n"
              "end = 2024-03-11\n"
              "timezone = America/New_York\n"
              "[store]\n"
              "root = warehouse\n"
              "sync = no\n"
              "[stage silver]\n"
              "partition = hour\n"
              "command = sh job.sh ${node} ${output}\n"
              "output = silver/dt=${ds}/hr=${HH}\n"
              "[stage gold]\n"
              "partition = day\n"
              "needs = silver\n"
              "command = sh job.sh ${node} ${output}\n"
              "output = gold/dt=${ds}\n");
    e2e_does(t, "gold", "cp \"$STAGEGRAPH_INPUTS_FILE\" inputs\n");
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-03-11T04:10Z");
    e2e_plan_is(t, "",
                "silver 2024-03-10T05..2024-03-11T03 23/23 missing\n"
                "gold 2024-03-10 1/1 missing\n");
    e2e_run(t, 0, "run -j2");
    inputs = e2e_read(t, "inputs");
    assert_non_null(inputs);
    assert_int_equal(e2e_count(inputs, "\n"), 23);
    e2e_says(inputs, "silver\t2024-03-10T05\t");
    e2e_says(inputs, "silver\t2024-03-11T03\t");
    assert_true(e2e_is_whole(t, "gold@2024-03-10"));
    e2e_plan_is(t, "", "");
    e2e_remove(t, e2e_marker(t, "silver@2024-03-11T03"));
    e2e_plan_is(t, "",
                "silver 2024-03-11T03 1/1 missing\n"
                "gold 2024-03-10 1/1 upstream silver\n");
}

/* ---- markers of other tools */

static void the_marker_of_another_tool_is_fresh_until_an_input_is_newer(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_write(t, e2e_marker(t, "silver@2024-01-01T22"), "");
    e2e_write(t, e2e_marker(t, "silver@2024-01-01T23"), "made by hand\n");
    /* Their stamps are not known: code, command and params can't make them stale. */
    e2e_append(t, "code/silver.txt", "two\n");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T21 1/1 code code/silver.txt\n");
    /* An input with a receipt that is newer does. */
    e2e_run(t, 0, "run bronze@2024-01-01T22 --force");
    e2e_plan_is(t, "--only silver",
                "silver 2024-01-01T21 1/1 code code/silver.txt\n"
                "silver 2024-01-01T22 1/1 input *bronze*\n");
}

static void a_foreign_marker_of_an_unfinished_hour_does_not_count(void **state)
{
    struct e2e *t = *state;
    /* Written while its interval, 22:00 to 23:00, went on. */
    struct timespec times[2] = { { .tv_sec = 1704148200 }, { .tv_sec = 1704148200 } };

    made(t);
    e2e_write(t, e2e_marker(t, "bronze@2024-01-01T22"), "");
    assert_int_equal(
        utimensat(AT_FDCWD, e2e_path(t, e2e_marker(t, "bronze@2024-01-01T22")), times, 0), 0);
    e2e_plan_is(t, "--only bronze",
                "bronze 2024-01-01T22 1/1 missing marker of an unfinished interval\n");
    /* Of one that was over, a second after its end, it does. */
    times[0].tv_sec = times[1].tv_sec = 1704150001;
    assert_int_equal(
        utimensat(AT_FDCWD, e2e_path(t, e2e_marker(t, "bronze@2024-01-01T22")), times, 0), 0);
    e2e_plan_is(t, "--only bronze", "");
}

/* ---- what was asked for */

static void force_runs_what_is_named(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_plan_is(t, "--force=silver",
                "silver 2024-01-01T21..2024-01-01T23 3/3 forced\n"
                "gold 2024-01-01 1/1 upstream silver\n");
    e2e_run(t, 0, "run silver@2024-01-01T22 --force");
    e2e_ran(t, "silver@2024-01-01T22");
    e2e_run(t, 0, "run --force");
    assert_int_equal(e2e_count(e2e_jobs(t), "@"), 7);
}

static void stale_chooses_among_reasons_and_the_rest_is_debt(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_append(t, "code/silver.txt", "two\n");
    e2e_remove(t, e2e_marker(t, "bronze@2024-01-01T22"));
    e2e_plan_is(t, "--stale=missing", "bronze 2024-01-01T22 1/1 missing\n");
    e2e_run(t, 0, "plan --stale=missing");
    e2e_has_line(t->out, "*silver outdated by code*");
    e2e_says(t->out, "--stale=code");
    /* Debt doesn't count for the exit status. */
    e2e_run(t, 0, "run --stale=missing");
    e2e_ran(t, "bronze@2024-01-01T22");
    e2e_has_line(t->out, "*3 silver outdated by code*");
    e2e_run(t, 0, "plan --exit-code --stale=missing");
    e2e_run(t, 0, "run --stale=code,upstream");
    e2e_ran(t, "silver@2024-01-01T21 silver@2024-01-01T22 silver@2024-01-01T23");
}

static void only_takes_inputs_as_they_are_and_upto_makes_them(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_append(t, "code/bronze.txt", "two\n");
    e2e_append(t, "code/silver.txt", "two\n");
    e2e_append(t, "code/gold.txt", "two\n");
    e2e_plan_is(t, "--only gold", "gold 2024-01-01 1/1 code code/gold.txt\n");
    e2e_plan_is(t, "--upto silver",
                "bronze 2024-01-01T21..2024-01-01T23 3/3 code code/bronze.txt\n"
                "silver 2024-01-01T21..2024-01-01T23 3/3 code code/silver.txt\n");
    e2e_run(t, 0, "run --only gold");
    e2e_ran(t, "gold@2024-01-01");
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "stale"); /* the notice of its inputs */
}

static void what_is_stale_outside_of_the_range_is_told_as_debt(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_append(t, "code/silver.txt", "two\n");
    e2e_run(t, 0, "plan --only silver --from 2024-01-01T23");
    e2e_has_line(t->out, "*2 silver outdated by code*");
}

static void with_needs_makes_what_is_missing_outside_of_the_range(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 3, "run --from 2024-01-01T23");
    e2e_ran(t, "bronze@2024-01-01T23 silver@2024-01-01T23");
    /* Against the dates of a stage too. */
    e2e_run(t, 0, "run --from 2024-01-01T23 --bronze-start-date 2024-01-01T23 --with-needs");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 gold@2024-01-01 "
                      "silver@2024-01-01T21 silver@2024-01-01T22");
    /* What is there is taken as it is; a selection is never gone against. */
    e2e_remove(t, e2e_marker(t, "bronze@2024-01-01T21"));
    e2e_run(t, 0, "run --from 2024-01-01T23 --with-needs");
    e2e_ran(t, "");
    e2e_remove(t, e2e_marker(t, "silver@2024-01-01T21"));
    e2e_run(t, 3, "run --from 2024-01-01T23 --only gold --force --with-needs");
    e2e_ran(t, "");
}

static void a_lost_recipe_makes_nothing_stale_by_itself(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_remove(t, "warehouse/_stagegraph/recipes");
    e2e_plan_is(t, "", "");
    e2e_append(t, "code/silver.txt", "two\n");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T21..2024-01-01T23 3/3 code recipe lost\n");
}

/* Six hundred inputs, so that their list is a file of its own. */
static void a_lost_list_of_inputs_makes_nothing_stale_where_some_are_gone(void **state)
{
    struct e2e *t = *state;

    e2e_write(t, "stagegraph.ini",
              "[graph]\nstart = 2024-01-01\nend = 2024-01-26\npartition = hour\n"
              "[store]\nroot = warehouse\nsync = no\n"
              "[stage a]\nbatch = 600\ncommand = sh many.sh ${output_root} ${partitions}\n"
              "output = a/dt=${ds}/hr=${HH}\n"
              "[stage b]\nneeds = a@-599..0\ncommand = sh make.sh ${output}\n"
              "output = b/dt=${ds}/hr=${HH}\n");
    e2e_write(t, "make.sh", "mkdir -p $1 && cp one $1/data\n");
    e2e_write(t, "many.sh", "while read -r l; do sh make.sh $1/dt=${l%T*}/hr=${l#*T}; done <$2\n");
    e2e_write(t, "one", "one\n");
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-02-01T00:00Z");
    e2e_run(t, 0, "run --only a -q");
    e2e_run(t, 0, "run b@2024-01-25T23 -q");
    e2e_remove(t, "warehouse/a/dt=2024-01-01");
    e2e_remove(t, "warehouse/_stagegraph/inputs");
    e2e_run(t, 0, "plan --only b --from 2024-01-25T23");
    e2e_says(t->out, "1 fresh");
    e2e_says(t->err, "gone");
    /* With all there the stamp tells. */
    e2e_run(t, 0, "run --only a -q");
    e2e_run(t, 0, "plan --only b --from 2024-01-25T23");
    e2e_says(t->out, "1 fresh");
    e2e_write(t, "one", "two\n");
    e2e_run(t, 0, "run --only a --force a@2024-01-02T03 -q");
    e2e_run(t, 0, "plan --only b --from 2024-01-25T23");
    e2e_says(t->out, "input a");
}

static void everything_local_can_be_deleted(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_remove(t, ".stagegraph");
    e2e_plan_is(t, "", "");
    e2e_run(t, 0, "run");
    e2e_ran(t, "");
}

static void explain_of_a_fresh_node_says_that_it_is_fresh(void **state)
{
    struct e2e *t = *state;

    made(t);
    e2e_run(t, 0, "explain silver@2024-01-01T22");
    e2e_says(t->out, "fresh");
    e2e_says(t->out, "code/silver.txt");
    e2e_says(t->out, "level");
    e2e_says(t->out, "bronze");
    e2e_run(t, 2, "explain silver@2024-01-01T22X");
    e2e_run(t, 2, "explain sliver@2024-01-01T22");
    e2e_says(t->err, "silver");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(without_its_marker_a_node_is_missing),
        e2e_test(a_marker_that_does_not_verify_is_damaged),
        e2e_test(a_changed_code_file_is_named_and_its_mtime_alone_is_no_change),
        e2e_test(a_code_file_of_the_same_length_and_time_is_seen_to_differ),
        e2e_test(a_code_file_that_comes_or_goes_is_named),
        e2e_test(changed_words_of_a_command_are_named),
        e2e_test(a_changed_param_is_named_with_its_old_and_its_new_value),
        e2e_test(a_param_without_stamp_makes_nothing_stale),
        e2e_test(a_changed_version_key_is_a_reason),
        e2e_test(code_comes_before_command_and_params),
        e2e_test(options_timeouts_and_titles_make_nothing_stale),
        e2e_test(a_source_whose_listing_changed_is_an_input_that_changed),
        e2e_test(hidden_names_of_a_source_do_not_count_and_its_marker_does),
        e2e_test(an_input_made_by_somebody_else_meanwhile_is_an_input_that_changed),
        e2e_test(content_that_came_out_the_same_stops_the_run_there),
        e2e_test(a_gone_input_makes_nothing_stale_but_blocks_what_must_be_rebuilt),
        e2e_test(an_optional_input_may_come_later_and_is_then_a_reason),
        e2e_test(an_order_only_input_must_be_there_and_changes_nothing),
        e2e_test(a_need_that_came_or_went_is_an_input_reason),
        e2e_test(upstream_reaches_through_a_chain_of_the_stage_itself),
        e2e_test(a_day_needs_the_hours_that_its_zone_gives_it),
        e2e_test(the_marker_of_another_tool_is_fresh_until_an_input_is_newer),
        e2e_test(a_foreign_marker_of_an_unfinished_hour_does_not_count),
        e2e_test(force_runs_what_is_named),
        e2e_test(stale_chooses_among_reasons_and_the_rest_is_debt),
        e2e_test(only_takes_inputs_as_they_are_and_upto_makes_them),
        e2e_test(what_is_stale_outside_of_the_range_is_told_as_debt),
        e2e_test(with_needs_makes_what_is_missing_outside_of_the_range),
        e2e_test(a_lost_recipe_makes_nothing_stale_by_itself),
        e2e_test(a_lost_list_of_inputs_makes_nothing_stale_where_some_are_gone),
        e2e_test(everything_local_can_be_deleted),
        e2e_test(explain_of_a_fresh_node_says_that_it_is_fresh),
    };

    return cmocka_run_group_tests_name("stale", tests, NULL, NULL);
}
