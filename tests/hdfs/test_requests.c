/*
 * requests: how many there are, counted by the proxy.
 */
#include "hdfs.h"

#define DAYS 6

/* Some days of a stage, accepted: it takes no run to make them. */
static void days(struct e2e *t)
{
    static const char graph[] = //
        "[graph]\nname = days\nstart = 2024-01-01\nend = 2024-01-%02d\n"
        "[store]\nroot = %s\n"
        "[stage bronze]\ncommand = sh job.sh ${node} ${output}\n"
        "output = bronze/dt=${ds}/hr=${HH}\n"
        "[stage gold]\npartition = day\nneeds = bronze\ncommand = sh job.sh ${node} ${output}\n"
        "output = gold/dt=${ds}\n";
    char *paths[DAYS * 25];
    size_t n = 0;

    for (int day = 1; day <= DAYS; day++) {
        for (int h = 0; h < 24; h++)
            paths[n++] = e2e_text(t, "warehouse/bronze/dt=2024-01-%02d/hr=%02d/_SUCCESS", day, h);
        paths[n++] = e2e_text(t, "warehouse/gold/dt=2024-01-%02d/_SUCCESS", day);
    }
    hdfs_make_many(t, paths, n, false);
    e2e_write(t, "stagegraph.ini", e2e_text(t, graph, DAYS + 1, hdfs_root(t, "proxy")));
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-02-01T00:10Z");
    for (int day = 1; day <= DAYS; day++)
        e2e_run(t, 0, "accept --date 2024-01-%02d", day);
    e2e_lives(t);
}

static void with_nothing_to_do_a_day_of_a_stage_takes_a_request(void **state)
{
    struct e2e *t = *state;
    size_t cold, warm;

    hdfs_proxy(t);
    days(t);
    e2e_pause(t, 3500); /* what is younger than two seconds is not trusted */
    e2e_remove(t, ".stagegraph");
    e2e_write(t, ".stagegraph/x", ""); /* planning makes no state, and then keeps nothing */
    hdfs_spoil(t, "");
    e2e_plan_is(t, "", "");
    cold = hdfs_requests(t, "");
    hdfs_spoil(t, "");
    e2e_plan_is(t, "", "");
    warm = hdfs_requests(t, "");
    print_message("%d days: %zu requests cold, %zu warm\n", DAYS, cold, warm);
    if (warm > 2 * DAYS + 10)
        e2e_fail(t, "%zu requests:\n%s", warm, hdfs_log(t));
    /* Each receipt, and no status of it. */
    if (cold > DAYS * (25 + 2) + 10)
        e2e_fail(t, "%zu requests cold", cold);
    assert_int_equal(hdfs_requests(t, " @"), 0); /* none to a DataNode */

    /* What is gone is seen with no more requests than that. */
    hdfs_remove(t, "warehouse/bronze/dt=2024-01-05/hr=05/_SUCCESS");
    hdfs_spoil(t, "");
    e2e_plan_is(t, "--only bronze", "bronze 2024-01-05T05 1/1 missing\n");
    if (hdfs_requests(t, "") > DAYS + 10)
        e2e_fail(t, "%zu requests:\n%s", hdfs_requests(t, ""), hdfs_log(t));
}

/* As a machine that has seen nothing: how many receipts that reads. */
static size_t receipts_read(struct e2e *t, const char *command)
{
    size_t n;

    e2e_remove(t, ".stagegraph");
    e2e_write(t, ".stagegraph/x", "");
    hdfs_spoil(t, "");
    e2e_run(t, 0, "%s", command);
    n = hdfs_requests(t, " GETXATTRS ");
    print_message("%s: %zu receipts, %zu requests\n", command, n, hdfs_requests(t, ""));
    return n;
}

/* What a plan needs is what is asked for, and the versions of its inputs. */
static void a_cold_plan_reads_no_receipt_that_it_does_not_need(void **state)
{
    struct e2e *t = *state;

    hdfs_proxy(t);
    days(t);
    e2e_pause(t, 3500);
    assert_int_equal(receipts_read(t, "plan"), DAYS * 25);
    assert_int_equal(receipts_read(t, "plan --date 2024-01-03"), 25);
    assert_int_equal(receipts_read(t, "plan --date 2024-01-03 --only bronze"), 24);
    assert_int_equal(receipts_read(t, "plan bronze@2024-01-03T05"), 1);
    assert_true(hdfs_requests(t, "") <= 10);
    /* The node and its inputs, once for the plan and once for the explanation. */
    assert_true(receipts_read(t, "explain gold@2024-01-03") <= 2 * 25 + 1);
    assert_true(receipts_read(t, "explain bronze@2024-01-03T05") <= 3);
    /* What has no marker is not read, nor are the inputs of inputs. */
    hdfs_remove(t, "warehouse/gold/dt=2024-01-05/_SUCCESS");
    assert_int_equal(receipts_read(t, "plan --only gold --date 2024-01-05"), 24);
}

/* A day of hours, of which all but one have been accepted, with what they are made from. */
static void day(struct e2e *t)
{
    static const char graph[] = //
        "[graph]\nname = day\nstart = 2024-01-01\nend = 2024-01-02\n"
        "[store]\nroot = %s\n"
        "[source landing]\npath = landing/dt=${ds}/hr=${HH}\nmarker = _DONE\n"
        "[stage bronze]\nneeds = landing\ncommand = sh job.sh ${node} ${output}\n"
        "output = bronze/dt=${ds}/hr=${HH}\n"
        "[stage silver]\nneeds = bronze\ncommand = sh job.sh ${node} ${output}\n"
        "output = silver/dt=${ds}/hr=${HH}\n"
        "[stage pack]\nneeds = bronze\nbatch = 24\n"
        "command = sh pack.sh ${partitions} ${output_root}\n"
        "output = pack/dt=${ds}/hr=${HH}\n";
    char *paths[24 * 4];
    size_t n = 0;

    hdfs_flights(t, hdfs_root(t, "proxy"), ""); /* its job, and three hours of its landing */
    for (int h = 0; h < 24; h++) {
        if (h < 21) {
            paths[n++] = e2e_text(t, "warehouse/landing/dt=2024-01-01/hr=%02d/data", h);
            paths[n++] = e2e_text(t, "warehouse/landing/dt=2024-01-01/hr=%02d/_DONE", h);
        }
        if (h != 21) {
            paths[n++] = e2e_text(t, "warehouse/bronze/dt=2024-01-01/hr=%02d/_SUCCESS", h);
            paths[n++] = e2e_text(t, "warehouse/silver/dt=2024-01-01/hr=%02d/_SUCCESS", h);
        }
    }
    hdfs_make_many(t, paths, n, false);
    e2e_write(t, "stagegraph.ini", e2e_text(t, graph, hdfs_root(t, "proxy")));
    e2e_write(t, "pack.sh",
              "while read -r label; do\n"
              "    echo \"$label\" | \"$HDFSIO\" put \"$2/dt=${label%T*}/hr=${label#*T}/data\" "
              "|| exit 1\n"
              "done <\"$1\"\n");
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-02T00:10Z");
    e2e_run(t, 0, "accept bronze silver");
    e2e_pause(t, 2500); /* what is younger than two seconds is not trusted */
}

/*
 * The requests of the attempts that a run made, from the first that prepares a claim to the last
 * that drops one, those of them with `part` in their line. The recipe is the run's own, once a
 * stage; so is the look for dead sessions, which comes when it comes.
 */
static size_t attempt_requests(struct e2e *t, const char *part)
{
    char *log = hdfs_log(t), *save = NULL;
    size_t n = 0, ret = 0;
    bool began = false;

    for (char *line = strtok_r(log, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (!began && !(strncmp(line, "PUT MKDIRS ", 11) == 0 && strchr(line, '~') != NULL))
            continue;
        began = true;
        n += strstr(line, "/_stagegraph/recipes/") == NULL &&
             strstr(line, "/_stagegraph/runs?op=LISTSTATUS") == NULL && strstr(line, part) != NULL;
        if (strncmp(line, "DELETE ", 7) == 0 && strstr(line, "/_stagegraph/claims/") != NULL)
            ret = n;
    }
    return ret;
}

/* A run with one attempt, and what that took. most: 0, it is only told. */
static void attempt_takes(struct e2e *t, const char *what, const char *args, int status,
                          const char *node, size_t most)
{
    size_t n;

    hdfs_spoil(t, "");
    e2e_run(t, status, "run %s", args);
    n = attempt_requests(t, "");
    print_message("%s: %zu requests\n", what, n);
    if (n == 0 || (most != 0 && n > most))
        e2e_fail(t, "%s: %zu requests, not %zu:\n%s", what, n, most, hdfs_log(t));
    if (node != NULL)
        e2e_ran(t, node);
    e2e_pause(t, 2500);
}

/* Its neighbours are all there, as long as an hour's are when it is made. */
static void an_attempt_takes_sixteen_requests_and_two_a_data_file(void **state)
{
    struct e2e *t = *state;

    hdfs_proxy(t);
    day(t);
    attempt_takes(t, "a first attempt", "--only bronze", 0, "bronze@2024-01-01T21", 16 + 2);
    attempt_takes(t, "a first attempt that needs a stage", "--only silver", 0,
                  "silver@2024-01-01T21", 16 + 2);
    hdfs_land(t, "2024-01-01T21", "again\n");
    attempt_takes(t, "an attempt that replaces a marker", "--only bronze", 0,
                  "bronze@2024-01-01T21", 16 + 2);
    /* The empty marker, and the data file's checksum. */
    assert_true(attempt_requests(t, " @") <= 2);
    attempt_takes(t, "one that replaces a marker and needs a stage", "--only silver", 0,
                  "silver@2024-01-01T21", 17 + 2);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\nversion = 2\n");
    attempt_takes(t, "an attempt of another recipe", "bronze@2024-01-01T21", 0,
                  "bronze@2024-01-01T21", 16 + 2);
    hdfs_land(t, "2024-01-01T21", "and again\n");
    e2e_write(t, "do/bronze", "exit 1\n");
    attempt_takes(t, "an attempt that fails", "bronze@2024-01-01T21", 1, NULL, 16);
    assert_int_equal(attempt_requests(t, " @"), 0);
    attempt_takes(t, "a batch of 12", "--only pack --from 2024-01-01T00 --to 2024-01-01T12", 0,
                  NULL, 0);
}

static void verbose_tells_the_requests(void **state)
{
    struct e2e *t = *state;

    hdfs_proxy(t);
    hdfs_flights(t, hdfs_root(t, "proxy"), "");
    hdfs_spoil(t, "");
    e2e_run(t, 0, "plan -v");
    e2e_says(t->out, e2e_text(t, "%zu requests", hdfs_requests(t, "")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(with_nothing_to_do_a_day_of_a_stage_takes_a_request),
        hdfs_test(a_cold_plan_reads_no_receipt_that_it_does_not_need),
        hdfs_test(an_attempt_takes_sixteen_requests_and_two_a_data_file),
        hdfs_test(verbose_tells_the_requests),
    };

    hdfs_use("plain", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
