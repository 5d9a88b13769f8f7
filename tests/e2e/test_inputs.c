/*
 * inputs: sources without a marker, @latest, once stages, and receipts that were accepted, as what
 * their users see of them.
 */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

/* Hours of landing → hourly, which also takes the newest day of rates; model, once, of all hours;
 * report, a day, by the model. */
static const char graph[] = //
    "[graph]\n"
    "name      = inputs\n"
    "start     = 2024-01-01T22\n"
    "partition = hour\n"
    "delay     = 5m\n"
    "[store]\n"
    "root = warehouse\n"
    "sync = no\n"
    "[source landing]\n"
    "path = landing/dt=${ds}/hr=${HH}\n"
    "%s"
    "[source rates]\n"
    "partition = day\n"
    "start     = 2023-12-01\n"
    "path      = rates/${ds}\n"
    "settle    = 0\n"
    "[stage hourly]\n"
    "needs   = landing rates@latest?\n"
    "command = sh job.sh ${node} ${output}\n"
    "output  = hourly/dt=${ds}/hr=${HH}\n"
    "[stage model]\n"
    "partition = once\n"
    "needs     = hourly\n"
    "command   = sh job.sh ${node} ${output}\n"
    "output    = model\n"
    "[stage report]\n"
    "partition = day\n"
    "needs     = model\n"
    "command   = sh job.sh ${node} ${output}\n"
    "output    = report/dt=${ds}\n";

static void begin(struct e2e *t, const char *landing_keys)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    e2e_write(t, "stagegraph.ini", e2e_text(t, graph, landing_keys));
#pragma GCC diagnostic pop
    e2e_job_script(t);
}

static void at(struct e2e *t, const char *utc)
{
    e2e_setenv(t, "STAGEGRAPH_NOW", utc);
}

/* Its last change lies so long ago, by the real clock: that of the store. */
static void aged(struct e2e *t, const char *path, int seconds)
{
    struct timespec times[2];

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, e2e_path(t, path), times, 0), 0);
}

static void land(struct e2e *t, const char *hour, const char *text)
{
    const char *path = e2e_text(t, "warehouse/landing/dt=%.10s/hr=%s/rows", hour, hour + 11);

    e2e_write(t, path, text);
    aged(t, path, 3600);
}

static void a_source_without_a_marker_is_there_when_it_has_settled(void **state)
{
    static const char rows[] = "warehouse/landing/dt=2024-01-01/hr=22/rows";
    struct e2e *t = *state;

    begin(t, "");
    at(t, "2024-01-01T23:10Z");
    e2e_plan_is(t, "--only hourly",
                "blocked hourly 2024-01-01T22 1 missing: landing@2024-01-01T22\n");
    e2e_write(t, rows, "rows\n"); /* it may still be arriving: five minutes, unless it is said */
    e2e_plan_is(t, "--only hourly",
                "blocked hourly 2024-01-01T22 1 missing: landing@2024-01-01T22\n");
    aged(t, rows, 200);
    e2e_plan_is(t, "--only hourly",
                "blocked hourly 2024-01-01T22 1 missing: landing@2024-01-01T22\n");
    aged(t, rows, 400);
    e2e_plan_is(t, "--only hourly", "hourly 2024-01-01T22 1/1 missing\n");
    /* Names with _ or . don't count, neither as news nor as a part of it. */
    e2e_run(t, 0, "run --only hourly");
    e2e_write(t, "warehouse/landing/dt=2024-01-01/hr=22/_tmp", "new\n");
    e2e_write(t, "warehouse/landing/dt=2024-01-01/hr=22/.part", "new\n");
    e2e_plan_is(t, "--only hourly", "");
    /* What is unsettled again is no new version, and no lack of what is done. */
    e2e_append(t, rows, "more\n");
    e2e_plan_is(t, "--only hourly", "");
    aged(t, rows, 400);
    e2e_plan_is(t, "--only hourly", "hourly 2024-01-01T22 1/1 input landing\n");
    e2e_edit(t, "stagegraph.ini", "[source rates]", "settle = 2h\n[source rates]");
    e2e_plan_is(t, "--only hourly", "");
}

static void a_source_is_its_listing_its_content_or_its_marker(void **state)
{
    static const struct {
        const char *keys;
        bool same_length, new_name, marker; /* are they another version? */
    } rows[] = {
        { "marker = _DONE\n", false, true, true },
        { "marker = _DONE\nidentity = content\n", true, true, false },
        { "marker = _DONE\nidentity = marker\n", false, false, true },
    };
    static const char dir[] = "warehouse/landing/dt=2024-01-01/hr=22";

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct e2e *t = *state;
        const char *stale = "hourly 2024-01-01T22 1/1 input landing\n";

        e2e_remove(t, "warehouse");
        begin(t, rows[i].keys);
        at(t, "2024-01-01T23:10Z");
        e2e_write(t, e2e_text(t, "%s/rows", dir), "rows\n");
        e2e_write(t, e2e_text(t, "%s/_DONE", dir), "one\n");
        e2e_run(t, 0, "run --only hourly");
        aged(t, e2e_text(t, "%s/rows", dir), 86400); /* times are never a part of it */
        e2e_plan_is(t, "--only hourly", "");
        e2e_write(t, e2e_text(t, "%s/rows", dir), "ROWS\n");
        e2e_plan_is(t, "--only hourly", rows[i].same_length ? stale : "");
        e2e_run(t, 0, "run --only hourly");
        e2e_write(t, e2e_text(t, "%s/more", dir), "rows\n");
        e2e_plan_is(t, "--only hourly", rows[i].new_name ? stale : "");
        e2e_run(t, 0, "run --only hourly");
        e2e_write(t, e2e_text(t, "%s/_DONE", dir), "two\n");
        e2e_plan_is(t, "--only hourly", rows[i].marker ? stale : "");
    }
}

static void of_latest_the_version_counts_and_not_the_partition(void **state)
{
    struct e2e *t = *state;

    begin(t, "");
    land(t, "2024-01-01T22", "rows\n");
    at(t, "2024-01-01T23:10Z");
    e2e_write(t, "warehouse/rates/2023-12-31/eur", "1.1\n");
    e2e_run(t, 0, "run hourly@2024-01-01T22");
    e2e_ran(t, "hourly@2024-01-01T22");
    e2e_has_line(e2e_read(t, e2e_marker(t, "hourly@2024-01-01T22")),
                 "*{\"need\":\"rates@latest?\",\"from\":\"2023-12-31\",\"count\":1,*");
    /* The newest due one is of the next day now, and the same; what was before counts no more. */
    at(t, "2024-01-02T00:10Z");
    e2e_write(t, "warehouse/rates/2024-01-01/eur", "1.1\n");
    e2e_write(t, "warehouse/rates/2023-12-31/eur", "1.234\n");
    e2e_plan_is(t, "hourly@2024-01-01T22", "");
    e2e_write(t, "warehouse/rates/2024-01-01/eur", "1.25\n");
    e2e_plan_is(t, "hourly@2024-01-01T22", "hourly 2024-01-01T22 1/1 input rates\n");
    /* One that is not due is not the newest; one that is gone counts as it was. */
    e2e_remove(t, "warehouse/rates/2024-01-01");
    e2e_write(t, "warehouse/rates/2024-01-02/eur", "1.3000\n");
    e2e_plan_is(t, "hourly@2024-01-01T22", "");
}

static void a_once_stage_runs_again_when_a_partition_is_due(void **state)
{
    struct e2e *t = *state;

    begin(t, "");
    land(t, "2024-01-01T22", "rows\n");
    at(t, "2024-01-01T23:10Z");
    e2e_run(t, 0, "run");
    e2e_ran(t, "hourly@2024-01-01T22 model");
    assert_false(e2e_exists(t, "warehouse/_stagegraph/claims/model/_"));
    land(t, "2024-01-01T23", "rows\n");
    e2e_plan_is(t, "", ""); /* it is there, and not due */
    at(t, "2024-01-02T00:10Z");
    e2e_plan_is(t, "",
                "hourly 2024-01-01T23 1/1 missing\n"
                "model 1/1 input hourly\n"
                "report 2024-01-01 1/1 missing\n");
    e2e_run(t, 0, "run model");
    e2e_ran(t, "hourly@2024-01-01T23 model");
    e2e_run(t, 0, "run");
    e2e_ran(t, "report@2024-01-01");
    /* What retention takes away is no news for it. */
    e2e_remove(t, "warehouse/hourly/dt=2024-01-01/hr=22");
    e2e_plan_is(t, "--only model,report", "");
    e2e_plan_is(t, "--only model --force", "blocked model 1 forced: hourly@2024-01-01T22\n");
}

/* An accepted receipt says nothing about when its output was made. */
static void an_accepted_receipt_is_never_newer_than_a_foreign_marker(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_run(t, 0, "run");
    e2e_write(t, e2e_marker(t, "bronze@2024-01-01T21"), "");
    e2e_write(t, e2e_marker(t, "silver@2024-01-01T21"), "");
    e2e_run(t, 0, "accept --only bronze");
    e2e_plan_is(t, "--only silver", "");
    e2e_run(t, 0, "run --only bronze --force");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T21 1/1 input bronze\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(a_source_without_a_marker_is_there_when_it_has_settled),
        e2e_test(a_source_is_its_listing_its_content_or_its_marker),
        e2e_test(of_latest_the_version_counts_and_not_the_partition),
        e2e_test(a_once_stage_runs_again_when_a_partition_is_due),
        e2e_test(an_accepted_receipt_is_never_newer_than_a_foreign_marker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
