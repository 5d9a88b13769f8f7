/*
 * origin: the command lines that the project began with, on graphs/hourly.ini and its wrapper, with
 * a stand-in for spark-submit that writes down how it was called and makes the output.
 */
#include "fixture.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONF "--conf spark.executor.memory=4g "

/* A line a call: stage, timeout in ms as the shim was told (it is our parent, the wrapper has made
 * way for us), and the words. */
static const char spark_submit[] =
    "#!/bin/sh\n"
    "set -eu\n"
    "timeout=$(tr '\\0' '\\n' </proc/$PPID/cmdline | sed -n 3p)\n"
    "echo \"$STAGEGRAPH_STAGE $timeout $*\" >>\"$E2E_DIR/submitted\"\n"
    "echo \"$STAGEGRAPH_STAGE ${PYTHONUNBUFFERED-} ${STAGEGRAPH_NONCE:+nonce} $PWD\" "
    ">>\"$E2E_DIR/environment\"\n"
    "dirs=\n"
    "while read -r label; do\n"
    "    dir=$STAGEGRAPH_OUTPUT_ROOT/dt=${label%T*}\n"
    "    [ \"$STAGEGRAPH_STAGE\" = gold ] || dir=$dir/hr=${label#*T}\n"
    "    dirs=\"$dirs $dir\"\n"
    "done <\"$STAGEGRAPH_PARTITIONS\"\n"
    "mkdir -p $dirs\n"
    "for dir in $dirs; do echo \"$STAGEGRAPH_STAGE\" >\"$dir/part-0\"; done\n";

static void copy(struct e2e *t, const char *path)
{
    char *from = e2e_text(t, "%s/%s", getenv("SRC_DIR"), path), bytes[16384];
    FILE *f = fopen(from, "r");
    size_t n;

    assert_non_null(f);
    n = fread(bytes, 1, sizeof(bytes) - 1, f);
    (void)fclose(f);
    bytes[n] = '\0';
    e2e_write(t, path, bytes);
}

/* A year is some 70,000 directories and files: in memory where there is a place for that. */
static int set_up_in_memory(void **state)
{
    bool can = getenv("TMPDIR") == NULL && access("/dev/shm", W_OK | X_OK) == 0;
    int failed;

    if (can)
        assert_int_equal(setenv("TMPDIR", "/dev/shm", 0), 0);
    failed = e2e_setup(state);
    if (can)
        assert_int_equal(unsetenv("TMPDIR"), 0);
    return failed;
}

static void set_up(struct e2e *t, const char *now)
{
    copy(t, "graphs/hourly.ini");
    copy(t, "graphs/hourly/scripts/spark_submit.sh");
    e2e_edit(t, "graphs/hourly.ini", "[store]\n", "[store]\nsync = no\n");
    e2e_write(t, "graphs/hourly/jobs/common/pipeline.py", "");
    e2e_write(t, "graphs/hourly/jobs/bronze/run_bronze_pipeline.py", "");
    e2e_write(t, "graphs/hourly/jobs/silver/run_silver_pipeline.py", "");
    e2e_write(t, "graphs/hourly/jobs/gold/run_gold_pipeline.py", "");
    e2e_write(t, "bin/spark-submit", spark_submit);
    assert_int_equal(chmod(e2e_path(t, "bin/spark-submit"), 0755), 0);
    e2e_setenv(t, "PATH", e2e_text(t, "%s/bin:%s", t->dir, getenv("PATH")));
    e2e_setenv(t, "STAGEGRAPH_NOW", now);
}

/* An hour of 2024 as the jobs are told it; 8784 is the first of 2025. */
static char *hour(struct e2e *t, int n)
{
    time_t at = (time_t)(1704067200 + (int64_t)n * 3600);
    char text[32];
    struct tm tm;

    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
    return e2e_text(t, "%s", text);
}

static char *bronze(struct e2e *t, const char *timeout, const char *mode, int from, int to)
{
    return e2e_text(t,
                    "bronze %s " CONF "jobs/bronze/run_bronze_pipeline.py --mode %s --start %s "
                    "--end %s --out %s/graphs/hourly/warehouse/bronze\n",
                    timeout, mode, hour(t, from), hour(t, to), t->dir);
}

static char *silver(struct e2e *t, const char *mode, int from, int to)
{
    return e2e_text(t,
                    "silver 3600000 " CONF "jobs/silver/run_silver_pipeline.py --mode %s "
                    "--start %s --end %s --out %s/graphs/hourly/warehouse/silver\n",
                    mode, hour(t, from), hour(t, to), t->dir);
}

static char *gold(struct e2e *t, int first, int last)
{
    return e2e_text(t,
                    "gold 1800000 " CONF "jobs/gold/run_gold_pipeline.py --mode all "
                    "--start-date %.10s --end-date %.10s --out %s/graphs/hourly/warehouse/gold\n",
                    hour(t, first * 24), hour(t, last * 24), t->dir);
}

static void submitted(struct e2e *t, const char *lines)
{
    e2e_same(e2e_read(t, "submitted"), lines, __FILE__, __LINE__);
    e2e_remove(t, "submitted");
}

/* The lines of one stage, in their order. */
static char *of_stage(struct e2e *t, const char *text, const char *stage)
{
    char *ret = e2e_text(t, "%s", text), *to = ret;
    size_t n = strlen(stage);

    for (const char *at = text, *end; *at != '\0'; at = end) {
        end = strchr(at, '\n') + 1;
        if (strncmp(at, stage, n) == 0) {
            memmove(to, at, (size_t)(end - at));
            to += end - at;
        }
    }
    *to = '\0';
    return ret;
}

static void hourly_makes_the_newest_hour_and_the_day_so_far(void **state)
{
    struct e2e *t = *state;
    static const char skip[] = "incremental --skip-validation";

    set_up(t, "2024-01-01T02:06Z");
    e2e_run(t, 0, "hourly");
    submitted(t,
              e2e_text(t, "%s%s%s%s%s", bronze(t, "3600000", "upsert", 1, 2), silver(t, skip, 1, 2),
                       bronze(t, "3600000", "upsert", 0, 1), silver(t, skip, 0, 1), gold(t, 0, 0)));
    e2e_same(e2e_read(t, "environment"),
             e2e_text(t,
                      "bronze 1 nonce %1$s/graphs/hourly\nsilver 1 nonce %1$s/graphs/hourly\n"
                      "bronze 1 nonce %1$s/graphs/hourly\nsilver 1 nonce %1$s/graphs/hourly\n"
                      "gold 1 nonce %1$s/graphs/hourly\n",
                      t->dir),
             __FILE__, __LINE__);
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-01T03:06Z");
    e2e_run(t, 0, "hourly");
    submitted(t, e2e_text(t, "%s%s%s", bronze(t, "3600000", "upsert", 2, 3), silver(t, skip, 2, 3),
                          gold(t, 0, 0)));
    e2e_run(t, 0, "hourly");
    assert_null(e2e_read(t, "submitted"));
}

static void a_run_with_options_hands_them_to_the_jobs(void **state)
{
    struct e2e *t = *state;

    set_up(t, "2024-01-01T01:06Z");
    e2e_run(t, 0,
            "run --bronze-mode upsert --silver-mode incremental --skip-validation --gold-mode all");
    submitted(t, e2e_text(t, "%s%s%s", bronze(t, "3600000", "upsert", 0, 1),
                          silver(t, "incremental --skip-validation", 0, 1), gold(t, 0, 0)));
    /* Modes are not in the stamp; without --force there is nothing to do. */
    e2e_run(t, 0, "run --bronze-mode full --silver-mode full");
    assert_null(e2e_read(t, "submitted"));
    e2e_run(t, 0, "run --bronze-mode full --silver-mode full --force=bronze,silver --upto silver");
    submitted(t, e2e_text(t, "%s%s", bronze(t, "3600000", "full", 0, 1), silver(t, "full", 0, 1)));
}

/* The driver is elsewhere then: what it needs of this machine goes along. */
static void on_yarn_the_mode_is_an_option_and_cluster_takes_its_files_along(void **state)
{
    struct e2e *t = *state;
    const char *scripts, *list;

    set_up(t, "2024-01-01T01:06Z");
    e2e_run(t, 0, "run --only bronze --yarn-mode client");
    submitted(t, e2e_text(t,
                          "bronze 3600000 " CONF "--master yarn --deploy-mode client "
                          "jobs/bronze/run_bronze_pipeline.py --mode upsert --start %s --end %s "
                          "--out %s/graphs/hourly/warehouse/bronze\n",
                          hour(t, 0), hour(t, 1), t->dir));
    e2e_write(t, "graphs/hourly/inputs", "");
    scripts = e2e_text(t, "%s/graphs/hourly/scripts", t->dir);
    list = e2e_text(t, "%s/graphs/hourly/inputs", t->dir);
    e2e_setenv(t, "STAGEGRAPH_STAGE", "test");
    e2e_setenv(t, "STAGEGRAPH_INPUTS_FILE", list);
    e2e_write(t, "bin/spark-submit", "#!/bin/sh\nfor w; do printf '[%s]' \"$w\"; done\n");
    e2e_write(t, "script.py", "");
    e2e_wait(e2e_start_argv(
                 t, (const char *const[]){ "/bin/sh", "-c",
                                           "bash graphs/hourly/scripts/spark_submit.sh --master "
                                           "yarn --deploy-mode cluster script.py -- x",
                                           NULL }),
             0);
    e2e_same(t->out,
             e2e_text(t,
                      "[--py-files][%s/../jobs/common/pipeline.py][--files][%s]"
                      "[--conf][spark.yarn.appMasterEnv.STAGEGRAPH_INPUTS_FILE=inputs]"
                      "[--master][yarn][--deploy-mode][cluster][script.py][x]",
                      scripts, list),
             __FILE__, __LINE__);
}

/* How the wrapper calls spark-submit, a line a case: what it is given, and what becomes of it. */
static void becomes(struct e2e *t, const char *const (*cases)[2], size_t n)
{
    char *lines = e2e_text(t, "%s", ""), *want = lines;

    e2e_write(t, "bin/spark-submit", "#!/bin/sh\nfor w; do printf '[%s]' \"$w\"; done\necho\n");
    e2e_write(t, "script.py", "");
    for (size_t i = 0; i < n; i++) {
        lines = e2e_text(t, "%sbash graphs/hourly/scripts/spark_submit.sh %s script.py\n", lines,
                         cases[i][0]);
        want = e2e_text(t, "%s%s[script.py]\n", want, cases[i][1]);
    }
    e2e_write(t, "run.sh", lines);
    e2e_wait(e2e_start_argv(t, (const char *const[]){ "/bin/sh", "run.sh", NULL }), 0);
    e2e_same(t->out, want, __FILE__, __LINE__);
}

/* Tags of one's own would replace the one by which an attempt's applications are found. */
static void tags_of_ones_own_are_kept_beside_the_attempts(void **state)
{
    struct e2e *t = *state;
    static const char *const given[][2] = {
        { "--master yarn", "[--master][yarn]" },
        { "--conf spark.yarn.tags=mine", "[--conf][spark.yarn.tags=mine,stagegraph-1]" },
        { "-c spark.yarn.tags=a --conf=spark.yarn.tags=b",
          "[-c][spark.yarn.tags=a,stagegraph-1][--conf=spark.yarn.tags=b,stagegraph-1]" },
        { "--properties-file mine.conf",
          "[--conf][spark.yarn.tags=kind:mine,stagegraph-1][--properties-file][mine.conf]" },
        { "--properties-file=none.conf", "[--properties-file=none.conf]" },
    };
    static const char *const configured[][2] = {
        { "--master yarn", "[--conf][spark.yarn.tags=a,b,stagegraph-1][--master][yarn]" },
        { "--conf=spark.yarn.tags=mine", "[--conf=spark.yarn.tags=mine,stagegraph-1]" },
        { "--properties-file none.conf", "[--properties-file][none.conf]" },
    };

    set_up(t, "2024-01-01T01:06Z");
    e2e_setenv(t, "STAGEGRAPH_YARN_TAG", "stagegraph-1");
    e2e_write(t, "mine.conf", "#spark.yarn.tags c\nspark.yarn.tags : kind:mine  \n");
    e2e_write(t, "none.conf", "spark.yarn.tagsx d\nspark.app.name spark.yarn.tags e\n");
    becomes(t, given, sizeof(given) / sizeof(given[0]));
    e2e_write(t, "elsewhere/spark-defaults.conf", "spark.ui.port 1\n  spark.yarn.tags\ta,b\n");
    e2e_setenv(t, "SPARK_CONF_DIR", "elsewhere");
    becomes(t, configured, sizeof(configured) / sizeof(configured[0]));
    /* Where pip has put it, with nothing said. */
    e2e_setenv(t, "SPARK_CONF_DIR", NULL);
    copy(t, "graphs/hourly/scripts/spark_start.sh");
    e2e_write(t, "lib/python3.11/site-packages/pyspark/jars/a.jar", "");
    e2e_write(t, "lib/python3.11/site-packages/pyspark/conf/spark-defaults.conf",
              "spark.yarn.tags=a,b");
    becomes(t, configured, sizeof(configured) / sizeof(configured[0]));
}

/* It is how one looks into a job on a cluster; here nobody has the time. */
static void a_job_on_a_cluster_has_its_web_page(void **state)
{
    struct e2e *t = *state;
    static const struct {
        const char *words, *defaults;
        bool has;
    } cases[] = {
        { "", "", false },
        { "--master local[4] --name yarn", "", false },
        { "--master yarn", "", true },
        { "--master=spark://h:7077", "", true },
        { "--conf spark.master=yarn", "spark.master local", true },
        { "", "spark.master yarn", true },
        { "--master local", "spark.master yarn", false },
    };

    set_up(t, "2024-01-01T01:06Z");
    copy(t, "graphs/hourly/scripts/spark_start.sh");
    e2e_write(t, "script.py", "");
    e2e_write(t, "bin/spark-submit", "#!/bin/sh\necho \"$SPARK_SUBMIT_OPTS\"\n");
    e2e_setenv(t, "SPARK_CONF_DIR", "conf");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        e2e_write(t, "conf/spark-defaults.conf", cases[i].defaults);
        e2e_wait(e2e_start_argv(
                     t,
                     (const char *const[]){
                         "/bin/sh", "-c",
                         e2e_text(t, "bash graphs/hourly/scripts/spark_submit.sh %s script.py",
                                  cases[i].words),
                         NULL }),
                 0);
        if ((strstr(t->out, "-Dspark.ui.enabled=false") == NULL) != cases[i].has)
            fail_msg("%s, %s: %s", cases[i].words, cases[i].defaults, t->out);
    }
}

/* Of --files and --py-files spark-submit takes the last, and then not what a key says. */
static void in_cluster_mode_the_jobs_own_files_go_along_too(void **state)
{
    struct e2e *t = *state;
    char *module, *inputs;
    const char *cases[][2] = {
        { "--deploy-mode client --files a", "[--deploy-mode][client][--files][a]" },
        { "--deploy-mode=cluster --files a,b --py-files=c", NULL },
        { "--conf spark.submit.deployMode=cluster --conf spark.files=d", NULL },
        { "--properties-file cluster.conf", NULL },
    };

    set_up(t, "2024-01-01T01:06Z");
    e2e_setenv(t, "STAGEGRAPH_INPUTS_FILE", "inputs");
    e2e_write(t, "cluster.conf", "spark.submit.deployMode=cluster\nspark.submit.pyFiles=e.py\n");
    module = e2e_text(t, "%s/graphs/hourly/scripts/../jobs/common/pipeline.py", t->dir);
    inputs = e2e_text(t, "%s", "[--conf][spark.yarn.appMasterEnv.STAGEGRAPH_INPUTS_FILE=inputs]");
    cases[1][1] = e2e_text(t, "%s[--deploy-mode=cluster][--files][a,b,inputs][--py-files=c,%s]",
                           inputs, module);
    cases[2][1] = e2e_text(t,
                           "[--py-files][%s][--files][d,inputs]%s[--conf][spark.submit.deployMode="
                           "cluster][--conf][spark.files=d]",
                           module, inputs);
    cases[3][1] = e2e_text(t,
                           "[--py-files][e.py,%s][--files][inputs]%s[--properties-file]"
                           "[cluster.conf]",
                           module, inputs);
    becomes(t, cases, sizeof(cases) / sizeof(cases[0]));
}

/* The command lines of the year, put together here: a stage's weeks from its first day on, the last
 * one cut off by the end of the range. */
static void a_backfill_takes_a_year_week_by_week(void **state)
{
    struct e2e *t = *state;
    const int days = 366, week = 7;
    char *want_bronze = e2e_text(t, "%s", ""), *want_silver = want_bronze, *want_gold = want_bronze;
    const struct e2e_doc *plan;
    struct e2e_proc *p;
    char *got;
    size_t jobs = 0;

    set_up(t, "2025-01-05T00:10Z");
    p = e2e_start(t, "backfill --bronze-start-date 2024-01-01 --bronze-end-date 2024-12-31");
    for (int day = 0; day < days; day += week) {
        int end = day + week < days ? day + week : days;

        e2e_until(p, e2e_text(t, "gold@%.10s", hour(t, day * 24))); /* patience for each week */
        want_bronze =
            e2e_text(t, "%s%s", want_bronze, bronze(t, "7200000", "backfill", day * 24, end * 24));
        want_silver =
            e2e_text(t, "%s%s", want_silver, silver(t, "incremental", day * 24, end * 24));
        want_gold = e2e_text(t, "%s%s", want_gold, gold(t, day, end - 1));
        jobs += 3;
    }
    e2e_wait(p, 0);
    got = e2e_read(t, "submitted");
    e2e_same(of_stage(t, got, "bronze "), want_bronze, __FILE__, __LINE__);
    e2e_same(of_stage(t, got, "silver "), want_silver, __FILE__, __LINE__);
    e2e_same(of_stage(t, got, "gold "), want_gold, __FILE__, __LINE__);
    assert_int_equal(e2e_count(got, "\n"), jobs);
    /* All of it is made: the year's hours twice, and its days. */
    e2e_run(t, 0, "plan --from 2024-01-01 --to 2024-12-31 --json");
    plan = e2e_json(t, t->out);
    e2e_same(e2e_get(plan, "totals.fresh"), "17934", __FILE__, __LINE__);
    e2e_same(e2e_get(plan, "totals.nodes"), "0", __FILE__, __LINE__);
}

static void the_wrapper_says_what_is_wrong(void **state)
{
    struct e2e *t = *state;
    static const struct {
        const char *words, *spark_home, *says;
        int status;
    } cases[] = {
        { "", NULL, "no script", 2 },
        { "-- x", NULL, "no script", 2 },
        { "--conf a=b --verbose -- x", NULL, "is the option --verbose", 2 },
        { "--conf a=b -- x", NULL, "are --conf a=b", 2 },
        { "jobs/none.py -- x", NULL, "the script jobs/none.py can't be read", 2 },
        { "script.py", "/nowhere", "/nowhere/bin/spark-submit is no program", 127 },
    };

    set_up(t, "2024-01-01T01:06Z");
    e2e_write(t, "script.py", "");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *line =
            e2e_text(t, "bash graphs/hourly/scripts/spark_submit.sh %s", cases[i].words);
        const char *argv[] = { "/bin/sh", "-c", line, NULL };

        e2e_setenv(t, "SPARK_HOME", cases[i].spark_home);
        e2e_wait(e2e_start_argv(t, argv), cases[i].status);
        e2e_says(t->err, cases[i].says);
    }
    e2e_setenv(t, "SPARK_HOME", NULL);
    e2e_setenv(t, "STAGEGRAPH_STAGE", "test");
    e2e_write(t, "bin/spark-submit", "#!/bin/sh\nfor w; do printf '[%s]' \"$w\"; done\nexit 5\n");
    e2e_wait(
        e2e_start_argv(t, (const char *const[]){ "/bin/sh", "-c",
                                                 "bash graphs/hourly/scripts/spark_submit.sh "
                                                 "--conf 'a=b c' script.py -- '' 'x y' -- --conf",
                                                 NULL }),
        5);
    e2e_same(t->out, "[--conf][a=b c][script.py][][x y][--][--conf]", __FILE__, __LINE__);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(hourly_makes_the_newest_hour_and_the_day_so_far),
        e2e_test(a_run_with_options_hands_them_to_the_jobs),
        e2e_test(on_yarn_the_mode_is_an_option_and_cluster_takes_its_files_along),
        e2e_test(tags_of_ones_own_are_kept_beside_the_attempts),
        e2e_test(a_job_on_a_cluster_has_its_web_page),
        e2e_test(in_cluster_mode_the_jobs_own_files_go_along_too),
        cmocka_unit_test_setup_teardown(a_backfill_takes_a_year_week_by_week, set_up_in_memory,
                                        e2e_teardown),
        e2e_test(the_wrapper_says_what_is_wrong),
    };

    return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
