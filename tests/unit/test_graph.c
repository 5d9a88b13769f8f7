/* graph: the graph file as loaded and configured, and everything that is told about a wrong one. */
#include "stagegraph/graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/code.h"

/* The example of the contract. */
static const char flights[] =
    "[graph]\n"
    "name      = flights              ; default: the file's name\n"
    "start     = 2013-01-01           ; the first partition there is\n"
    "end       =                      ; exclusive; empty: goes on\n"
    "partition = hour                 ; default for stages\n"
    "timezone  = UTC                  ; where days, weeks and months begin (IANA name)\n"
    "delay     = 5m                   ; a partition is due this long after its end\n"
    "state     = .stagegraph          ; history, cache, logs; relative to this file\n"
    "jobs      = 1                    ; default of -j\n"
    "\n"
    "[store]\n"
    "root = hdfs://ns1/warehouse/flights   ; or webhdfs://host:9870/…, a relative path\n"
    "sync = yes                            ; durable against power loss, not only against crashes\n"
    "\n"
    "[source landing]\n"
    "partition = hour\n"
    "path      = landing/dt=${ds}/hr=${HH}\n"
    "marker    = _DONE                ; optional: without it the path itself must exist\n"
    "\n"
    "[source dim]\n"
    "partition = once\n"
    "path      = dims\n"
    "\n"
    "[stage bronze]\n"
    "title     = BRONZE INGESTION\n"
    "needs     = landing\n"
    "command   = bash scripts/spark_submit.sh ${options} jobs/bronze/run_bronze_pipeline.py --\n"
    "  --mode ${bronze_mode} --start ${start} --end ${end} --out ${output_root}\n"
    "options   = --conf spark.executor.memory=4g\n"
    "output    = bronze/dt=${ds}/hr=${HH}\n"
    "code      = jobs/bronze/**.py scripts/spark_submit.sh\n"
    "timeout   = 1h\n"
    "\n"
    "[stage silver]\n"
    "needs     = bronze |dim\n"
    "command   = bash scripts/spark_submit.sh jobs/silver/run_silver_pipeline.py --\n"
    "  --mode ${silver_mode} ${skip_validation:+--skip-validation} --out ${output}\n"
    "output    = silver/dt=${ds}/hr=${HH}\n"
    "code      = jobs/silver/run_silver_pipeline.py\n"
    "timeout   = 1h\n"
    "\n"
    "[stage gold]\n"
    "partition = day\n"
    "partial   = yes                  ; may run before its day is over\n"
    "needs     = silver\n"
    "command   = bash scripts/spark_submit.sh jobs/gold/run_gold_pipeline.py -- --mode "
    "${gold_mode} --date ${ds}\n"
    "output    = gold/dt=${ds}\n"
    "timeout   = 30m\n"
    "pool      = yarn\n"
    "\n"
    "[param bronze_mode]\n"
    "choices = upsert full backfill\n"
    "default = upsert\n"
    "stamp   = no                     ; a mode says how, not what: it makes nothing stale\n"
    "\n"
    "[param silver_mode]\n"
    "choices = incremental full\n"
    "default = incremental\n"
    "stamp   = no\n"
    "\n"
    "[param gold_mode]\n"
    "default = all\n"
    "\n"
    "[param skip_validation]\n"
    "type    = bool\n"
    "default = no\n"
    "stamp   = no\n"
    "\n"
    "[pool yarn]\n"
    "size    = 1                      ; YARN has room for one job at a time\n"
    "\n"
    "[profile hourly]\n"
    "window          = 1              ; the newest due partitions\n"
    "lookback        = 24             ; and look again at that many before them\n"
    "order           = newest\n"
    "stale           = missing interrupted damaged input upstream   ; the rest is reported\n"
    "bronze_mode     = upsert         ; a param\n"
    "skip_validation = yes\n"
    "\n"
    "[profile backfill]\n"
    "order           = oldest\n"
    "bronze_mode     = backfill\n"
    "bronze.timeout  = 2h             ; a stage key\n"
    "bronze.batch    = 7d\n";

static char dir[] = "/tmp/test_graph.XXXXXX";
static char real_dir[4096];

static int enter_dir(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_non_null(realpath(dir, real_dir));
    return chdir(dir);
}

static int leave_dir(void **state)
{
    (void)state;
    unlink("g.ini");
    assert_int_equal(chdir("/"), 0);
    return rmdir(dir);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static char told_text[8000];

/* A line a diagnostic, warnings marked. */
static const char *told(const struct sg_diags *d)
{
    size_t n = 0;

    told_text[0] = '\0';
    for (size_t i = 0; i < d->n; i++)
        n += (size_t)snprintf(told_text + n, sizeof(told_text) - n, "%s%s%s", i > 0 ? "\n" : "",
                              d->items[i].warning ? "warning: " : "", d->items[i].text);
    assert_true(n < sizeof(told_text));
    return told_text;
}

/* NULL: it has errors, which told_text then holds; warnings are there as well. */
static struct sg_graph *try_open(const char *text)
{
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_graph *g = NULL;

    write_text("g.ini", text);
    if (!sg_graph_open("g.ini", NULL, &g, &diags, &err)) {
        assert_null(g);
        assert_int_equal(err.code, SG_ERROR_GRAPH);
        assert_true(diags.n_errors > 0);
    }
    told(&diags);
    sg_diags_done(&diags);
    return g;
}

static struct sg_graph *open_text(const char *text)
{
    struct sg_graph *g = try_open(text);

    if (g == NULL)
        fail_msg("%s", told_text);
    return g;
}

static const struct sg_stage *stage(const struct sg_graph *g, const char *name)
{
    const struct sg_stage *s = sg_graph_find_stage(g, name);

    if (s == NULL)
        fail_msg("no stage %s", name);
    return s;
}

static void make_file(const char *path)
{
    char part[256];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        (void)mkdir(part, 0700); /* may be there */
    }
    write_text(path, "x\n");
}

static void the_example_of_the_contract_is_loaded(void **state)
{
    static const char *const code[] = { "scripts/spark_submit.sh", "jobs/bronze/a/lib.py",
                                        "jobs/bronze/run_bronze_pipeline.py",
                                        "jobs/silver/run_silver_pipeline.py" };
    static const char *const dirs[] = { "jobs/bronze/a", "jobs/bronze", "jobs/silver", "jobs",
                                        "scripts" };
    struct sg_graph *g = open_text(flights);
    struct sg_error err = SG_ERROR_INIT;
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_code_cache *cache = sg_code_cache_new(&err);
    const struct sg_stage *s;
    char path[sizeof(real_dir) + 20];

    (void)state;
    assert_string_equal(told_text, "");
    assert_string_equal(g->name, "flights");
    snprintf(path, sizeof(path), "%s/g.ini", real_dir);
    assert_string_equal(g->file, path);
    assert_string_equal(g->dir, real_dir);
    snprintf(path, sizeof(path), "%s/.stagegraph", real_dir);
    assert_string_equal(g->state, path);
    assert_true(sg_zone_is_utc(g->zone));
    assert_string_equal(sg_calendar_name(&g->cal), "hour");
    assert_int_equal(g->life.start_s, 1356998400);
    assert_true(g->life.end_s == SG_TIME_MAX);
    assert_int_equal(g->delay_s, 300);
    assert_int_equal(g->jobs, 1);
    assert_int_equal(g->log_keep_s, 30 * 86400);
    assert_int_equal(g->log_limit, 1 << 30);
    assert_string_equal(g->store.root, "hdfs://ns1/warehouse/flights");
    assert_true(g->store.root_is_uri);
    assert_true(g->store.sync);
    assert_string_equal(g->store.receipts, "auto");
    assert_string_equal(g->store.auth, "auto");
    assert_null(g->store.user);
    assert_null(g->store.ca);
    assert_int_equal(g->store.connections, 16);
    assert_int_equal(g->store.deadline_s, 120);
    assert_int_equal(g->store.lease_s, 300);
    assert_int_equal(g->n_stages, 5);
    assert_int_equal(g->n_components, 5);

    s = stage(g, "landing");
    assert_true(s->is_source);
    assert_string_equal(s->title, "landing");
    assert_string_equal(s->marker, "_DONE");
    assert_int_equal(s->settle_s, 300);
    assert_int_equal(s->identity, SG_IDENTITY_LISTING);
    assert_int_equal(s->exists.first, 1356998400 / 3600);
    assert_true(s->exists.end == INT64_MAX);
    s = stage(g, "dim");
    assert_null(s->marker);
    assert_int_equal(s->exists.first, 0);
    assert_int_equal(s->exists.end, 1);

    s = stage(g, "bronze");
    assert_false(s->is_source);
    assert_string_equal(s->title, "BRONZE INGESTION");
    assert_int_equal(s->n_needs, 1);
    assert_string_equal(s->needs[0].text, "landing");
    assert_int_equal(s->command.n_words, 13);
    assert_string_equal(s->command.texts[12], "${output_root}");
    assert_int_equal(s->options.n_words, 2);
    assert_int_equal(s->n_code, 2);
    assert_string_equal(s->code[0], "jobs/bronze/**.py");
    assert_string_equal(s->marker, "_SUCCESS");
    assert_string_equal(s->partial_marker, "_PARTIAL");
    assert_string_equal(s->version, "");
    assert_string_equal(s->workdir, real_dir);
    assert_int_equal(s->timeout_s, 3600);
    assert_int_equal(s->grace_s, 10);
    assert_int_equal(s->backoff_s, 30);
    assert_int_equal(s->retries, 0);
    assert_int_equal(s->breaker, 3);
    assert_int_equal(s->batch_count, 1);
    assert_int_equal(s->batch_s, 0);
    assert_int_equal(s->check, SG_CHECK_WRITTEN);
    assert_int_equal(s->output_version, SG_VERSION_CONTENT);
    assert_true(s->version_limit == INT64_C(50) << 30);
    assert_false(s->empty_ok || s->prepare_delete || s->keep_marker || s->partial || s->exclusive);
    assert_int_equal(s->pool, SG_NO_POOL);
    assert_int_equal(s->memory, 0);
    assert_int_equal(s->n_params, 1);
    assert_string_equal(g->params[s->params[0]].name, "bronze_mode");

    s = stage(g, "silver");
    assert_string_equal(s->title, "SILVER");
    assert_int_equal(s->n_needs, 2);
    assert_string_equal(s->needs[1].text, "|dim");
    assert_true(s->needs[1].order_only);
    assert_int_equal(s->n_params, 2);

    s = stage(g, "gold");
    assert_true(s->partial);
    assert_int_equal(s->pool, 0);
    assert_int_equal(s->timeout_s, 1800);
    assert_string_equal(sg_calendar_name(&s->cal), "day");
    assert_string_equal(g->pools[0].name, "yarn");
    assert_int_equal(g->pools[0].size, 1);

    assert_int_equal(g->n_params, 4);
    assert_string_equal(g->params[3].option, "skip-validation");
    assert_string_equal(g->params[3].value, "");
    assert_true(g->params[2].stamp);
    assert_false(g->params[1].stamp);
    assert_int_equal(g->n_profiles, 2);
    assert_int_equal(g->profiles[0].n_options, 4);
    assert_string_equal(g->profiles[0].options[3].key, "stale");
    assert_string_equal(g->profiles[0].options[3].value,
                        "missing interrupted damaged input upstream");
    assert_int_equal(g->profiles[1].n_options, 1);

    /* Its code: first there is none. */
    assert_true(sg_graph_check_files(g, cache, &diags, &err));
    assert_string_equal(
        told(&diags),
        "g.ini:31: the code pattern jobs/bronze/**.py matches no file\n"
        "g.ini:31: the code pattern scripts/spark_submit.sh matches no file\n"
        "g.ini:39: the code pattern jobs/silver/run_silver_pipeline.py matches no file");
    sg_diags_done(&diags);
    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++)
        make_file(code[i]);
    assert_true(sg_graph_check_files(g, cache, &diags, &err));
    assert_int_equal(diags.n, 0);
    for (size_t i = 0; i < sizeof(code) / sizeof(code[0]); i++)
        unlink(code[i]);
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        rmdir(dirs[i]);
    sg_code_cache_free(cache);
    sg_graph_free(g);
}

static void everything_wrong_is_told_in_one_go_by_line(void **state)
{
    static const char text[] = "[graph]\n"
                               "start = 2013-13-01\n"
                               "jobs = 0\n"
                               "timezon = UTC\n"
                               "partition = hour\n"
                               "  delay = 5m\n"
                               "[store]\n"
                               "root: warehouse\n"
                               "[stgae x]\n"
                               "[source landing]\n"
                               "path = landing/${ds}/${HHH}\n"
                               "[stage bronze]\n"
                               "neds = landing\n"
                               "needs = lnding, landing@1\n"
                               "command = bash x.sh ${optons} 'a ; b'\n"
                               "output = bronze/dt=${ds}\n"
                               "timeout = 1x\n"
                               "timeout = 2h\n"
                               "retries = -1\n"
                               "check = writen\n"
                               "pool = yran\n"
                               "env.1X = a\n"
                               "[stage silver]\n"
                               "needs = bronze\n"
                               "command = bash x.sh ${output} ${bronze_mod}\n"
                               "output = ../silver/${ds}/${HH}\n"
                               "batch = 7d\n"
                               "[stage gold]\n"
                               "needs = bronze\n"
                               "output = gold\n"
                               "[pool yarn]\n"
                               "size = many\n"
                               "[param bronze_mode]\n"
                               "choices = upsert full\n"
                               "default = upsrt\n"
                               "[param window]\n"
                               "[profile hourly]\n"
                               "stale = mising input\n"
                               "bronze_mode = ful\n"
                               "bronze.timout = 1h\n"
                               "silver.output = x\n"
                               "brnze.batch = 3\n"
                               "only = gld\n"
                               "windw = 1\n"
                               "this line\n";
    static const char expected[] =
        "g.ini:2: start = 2013-13-01: no date or time (write 2024-01-31 or 2024-01-31T05:30)\n"
        "g.ini:3: jobs = 0: at least 1\n"
        "g.ini:4: unknown key timezon in [graph]; did you mean timezone?\n"
        "g.ini:6: the indented \"delay = 5m\" would be read as more of the value of partition (line "
        "5): begin the line with the key, or quote it if it is meant so\n"
        "g.ini:8: \"root:\" would be read as \"root =\": write root = warehouse\n"
        "g.ini:9: unknown section [stgae]; did you mean [stage NAME]?\n"
        "g.ini:11: path: ${HHH} can't stand in a path, which one partition must fix, without a colon "
        "(there can: start_epoch end_epoch ds end_ds stage graph partition node YYYY MM DD HH mm); "
        "did you mean HH?\n"
        "g.ini:13: unknown key neds in [stage bronze]; did you mean needs?\n"
        "g.ini:14: needs: there is no stage or source lnding; did you mean landing?\n"
        "g.ini:14: needs: landing@1: an offset above 0 would need the future\n"
        "g.ini:15: \" ;\" begins a comment, inside quotes too, and would cut the value of command: "
        "write the semicolon without the blank before it, or in quotes of its own: \";\"\n"
        "g.ini:17: timeout = 1x: no duration (write 90s, 30m, 2h or 7d)\n"
        "g.ini:18: a second timeout in [stage bronze]; the first is in line 17\n"
        "g.ini:19: retries = -1: at least 0\n"
        "g.ini:20: check = writen: none of written rewritten exists none, nor a command; did you mean "
        "written?\n"
        "g.ini:21: there is no [pool yran]; did you mean yarn?\n"
        "g.ini:22: env.1X: no name of an environment variable\n"
        "g.ini:25: command: there is no variable or param ${bronze_mod}; did you mean "
        "${bronze_mode}?\n"
        "g.ini:26: output = ../silver/${ds}/${HH}: names of dots lead elsewhere\n"
        "g.ini:27: a batch of silver can have several partitions, and its command uses ${output}, "
        "which is of one (of a batch are ${output_root} ${start} ${end} ${ds} ${end_ds} "
        "${partitions})\n"
        "g.ini:28: [stage gold] has no command\n"
        "g.ini:30: output = gold: gold@1970-01-01T00 and gold@1970-01-01T01 would share gold (it "
        "takes ${ds} and ${HH})\n"
        "g.ini:32: size = many: no whole number (write 3)\n"
        "g.ini:35: bronze_mode = upsrt: none of its choices (upsert full); did you mean upsert?\n"
        "g.ini:36: [param window]: --window is an option of its own\n"
        "g.ini:38: stale = mising: none of its choices (forced interrupted missing damaged code "
        "command params version input upstream); did you mean missing?\n"
        "g.ini:39: bronze_mode = ful: none of its choices (upsert full); did you mean full?\n"
        "g.ini:40: bronze.timout: there is no key timout in [stage]; did you mean timeout?\n"
        "g.ini:41: silver.output: output says what silver is, and can only be given in its section\n"
        "g.ini:42: brnze.batch: there is no stage or source brnze; did you mean bronze?\n"
        "g.ini:43: only: there is no stage gld; did you mean gold?\n"
        "g.ini:44: unknown key windw in [profile hourly]: no run option, param or stage.key; did you "
        "mean window?\n"
        "g.ini:45: no \"=\" in \"this line\": write key = value, or indent the line to go on with the "
        "value above";

    (void)state;
    assert_null(try_open(text));
    assert_string_equal(told_text, expected);
}

/* Lines 1 to 3 of every case; what it adds begins in line 4. */
#define HEAD                                                                                       \
    "[store]\n"                                                                                    \
    "root = w\n"                                                                                   \
    "[graph]\n"

static void what_is_wrong_with_a_graph_is_told(void **state)
{
    static const struct {
        const char *label, *text, *told;
    } cases[] = {
        { "no stage", "", "g.ini: there is no [stage NAME]" },
        { "an empty command", "[stage a]\ncommand =\noutput = a/${partition}\n",
          "g.ini:5: [stage a] has no command" },
        { "no output", "[stage a]\ncommand = x\n", "g.ini:4: [stage a] has no output" },
        { "a source without a path", "[source a]\n", "g.ini:4: [source a] has no path" },
        { "a name for two",
          "[source a]\npath = s/${partition}\n[stage a]\ncommand = x\noutput = "
          "a/${partition}\n",
          "g.ini:6: a is a stage and a source (line 4)" },
        { "a bad name", "[stage a.b]\ncommand = x\noutput = a/${partition}\n",
          "g.ini:4: [stage a.b]: a name has letters, digits, _ and -" },
        { "a key of another section", "[stage a]\ncommand = x\npath = a/${partition}\n",
          "g.ini:4: [stage a] has no output\n"
          "g.ini:6: unknown key path in [stage a]; did you mean output?" },
        { "another's key", "[stage a]\ncommand = x\noutput = a/${partition}\ntimezone = UTC\n",
          "g.ini:7: unknown key timezone in [stage a]; it is a key of [graph]" },
        { "an end before the start",
          "start = 2024-01-02\nend = 2024-01-02\n[stage a]\ncommand = x\noutput = a/${partition}\n",
          "g.ini:5: end is not after start: no partition exists" },
        { "an unknown zone",
          "timezone = Europe/Berln\n[stage a]\ncommand = x\noutput = a/${partition}\n",
          "g.ini:4: time zone Europe/Berln: no such time zone" },
        /* needs */
        { "an offset ahead", "[stage a]\nneeds = a@-1..1\ncommand = x\noutput = a/${partition}\n",
          "g.ini:5: needs: a@-1..1: an offset above 0 would need the future" },
        { "an offset with a plus",
          "[stage a]\nneeds = a@+1\ncommand = x\noutput = a/${partition}\n",
          "g.ini:5: needs: a@+1: an offset above 0 would need the future" },
        { "a crossed range", "[stage a]\nneeds = a@-1..-3\ncommand = x\noutput = a/${partition}\n",
          "g.ini:5: needs: a@-1..-3: the earlier one comes first (write -3..-1)" },
        { "no offset", "[stage a]\nneeds = a@last\ncommand = x\noutput = a/${partition}\n",
          "g.ini:5: needs: a@last: what is behind @ is no offset (write X@-1, X@-23..0 or "
          "X@latest)" },
        { "a lone bar", "[stage a]\nneeds = | a@-1\ncommand = x\noutput = a/${partition}\n",
          "g.ini:5: needs: \"|\" without a stage: write |X or X?, without a blank" },
        { "a need twice", "[stage a]\nneeds = a@-1 |a@-1?\ncommand = x\noutput = a/${partition}\n",
          "g.ini:5: needs: |a@-1? is there twice" },
        { "an offset on a once",
          "[source o]\npartition = once\npath = o\n[stage a]\nneeds = o@-1\ncommand = x\noutput = "
          "a/${partition}\n",
          "g.ini:8: needs: o@-1: o has no partitions to count: write o" },
        { "an offset of a once",
          "[source h]\npath = h/${partition}\n[stage a]\npartition = once\nneeds = h@-1\ncommand = "
          "x\noutput = a\n",
          "g.ini:8: needs: h@-1: a has no partitions to count: write h or X@latest" },
        /* variables */
        { "an unknown variable", "[stage a]\ncommand = x ${dss}\noutput = a/${partition}\n",
          "g.ini:5: command: there is no variable or param ${dss}; did you mean ${ds}?" },
        { "an input that is no need",
          "[stage b]\ncommand = x\noutput = b/${partition}\n[stage a]\nneeds = b\ncommand = x "
          "${input.b} ${input.c}\noutput = a/${partition}\n",
          "g.ini:9: command: ${input.c}: c is not among the needs of a" },
        { "options in options",
          "[stage a]\ncommand = x ${options}\noptions = a ${options}\noutput = a/${partition}\n",
          "g.ini:6: options: ${options} inside of itself" },
        { "a variable of env",
          "[stage a]\ncommand = x\nenv.A = ${nothing}\noutput = a/${partition}\n",
          "g.ini:6: env.A: there is no variable or param ${nothing}" },
        { "a variable of check",
          "[stage a]\ncommand = x\ncheck = t ${nodes}\noutput = a/${partition}\n",
          "g.ini:6: check: there is no variable or param ${nodes}; did you mean ${node}?" },
        { "an unclosed quote", "[stage a]\ncommand = x 'y\noutput = a/${partition}\n",
          "g.ini:5: command: unclosed quote '" },
        { "our environment",
          "[stage a]\ncommand = x\nenv.STAGEGRAPH_NODE = y\noutput = "
          "a/${partition}\n",
          "g.ini:6: env.STAGEGRAPH_NODE: names that begin with STAGEGRAPH_ are ours" },
        /* batches */
        { "a batch with ${partition}",
          "[stage a]\nbatch = 2\ncommand = x ${partition}\noutput = a/${partition}\n",
          "g.ini:5: a batch of a can have several partitions, and its command uses ${partition}, "
          "which is of one (of a batch are ${output_root} ${start} ${end} ${ds} ${end_ds} "
          "${partitions})" },
        { "a batch of one",
          "[stage a]\nbatch = 1\ncommand = x ${partition}\noutput = "
          "a/${partition}\n",
          NULL },
        { "a duration of one",
          "[stage a]\nbatch = 90m\ncommand = x ${partition}\noutput = "
          "a/${partition}\n",
          NULL },
        { "a batch of less than two days",
          "[stage a]\npartition = day\nbatch = 47h\ncommand = x ${partition}\noutput = "
          "a/${partition}\n",
          NULL },
        { "a batch of two days",
          "[stage a]\npartition = day\nbatch = 48h\ncommand = x ${partition}\noutput = "
          "a/${partition}\n",
          "g.ini:6: a batch of a can have several partitions, and its command uses ${partition}, "
          "which is of one (of a batch are ${output_root} ${start} ${end} ${ds} ${end_ds} "
          "${partitions})" },
        { "a batch of a stage that has one partition",
          "[stage a]\npartition = once\nbatch = 9\ncommand = x ${output}\noutput = a\n", NULL },
        { "a batch in a profile",
          "[stage a]\ncommand = x ${output}\noutput = a/${partition}\n[profile p]\na.batch = 2h\n",
          "g.ini:8: a batch of a can have several partitions, and its command uses ${output}, which "
          "is of one (of a batch are ${output_root} ${start} ${end} ${ds} ${end_ds} ${partitions}) "
          "(profile p)" },
        { "a batch and a command in a profile",
          "[stage a]\ncommand = x\noutput = a/${partition}\n[profile p]\na.command = y ${HH}\n"
          "a.batch = 2h\n",
          "g.ini:9: a batch of a can have several partitions, and its command uses ${HH}, which is "
          "of one (of a batch are ${output_root} ${start} ${end} ${ds} ${end_ds} ${partitions}) "
          "(profile p)" },
        { "no batch", "[stage a]\nbatch = 0\ncommand = x\noutput = a/${partition}\n",
          "g.ini:5: batch = 0: at least 1" },
        /* paths */
        { "an hour by its day", "start = 2013-01-01\n[stage a]\ncommand = x\noutput = a/${ds}\n",
          "g.ini:7: output = a/${ds}: a@2013-01-01T00 and a@2013-01-01T01 would share a/2013-01-01 "
          "(it takes ${ds} and ${HH})" },
        { "a day by its month",
          "start = 2013-01-01\npartition = day\n[stage a]\ncommand = x\noutput = a/${YYYY}-${MM}\n",
          "g.ini:8: output = a/${YYYY}-${MM}: a@2013-01-01 and a@2013-01-02 would share a/2013-01 "
          "(it takes ${ds})" },
        { "a single day by its hours",
          "start = 2013-01-01\nend = 2013-01-02\n[stage a]\ncommand = x\noutput = a/${HH}\n",
          NULL },
        { "two days by their hours",
          "start = 2013-01-01\nend = 2013-01-03\n[stage a]\ncommand = x\noutput = a/${HH}\n",
          "g.ini:8: output = a/${HH}: a@2013-01-01T00 and a@2013-01-02T00 would share a/00 (it takes "
          "${ds} and ${HH})" },
        { "one template for two",
          "start = 2013-01-01\n[stage a]\ncommand = x\noutput = a/${ds}/${HH}\n[stage b]\ncommand = "
          "x\noutput = a/${ds}/${HH}\n",
          "g.ini:10: output = a/${ds}/${HH}: a@2013-01-01T00 and b@2013-01-01T00 would share one "
          "path" },
        { "one template for two, one after the other",
          "[stage a]\nend = 2014-01-01\ncommand = x\noutput = a/${ds}/${HH}\n[stage b]\nstart = "
          "2014-01-01\ncommand = x\noutput = a/${ds}/${HH}\n",
          NULL },
        { "one inside the other",
          "start = 2013-01-01\n[stage a]\npartition = day\ncommand = x\noutput = t/${ds}\n[stage "
          "b]\ncommand = x\noutput = t/${YYYY}-${MM}-${DD}/${HH}\n",
          "g.ini:11: output = t/${YYYY}-${MM}-${DD}/${HH}: b@2013-01-01T00 would lie inside the "
          "output of a@2013-01-01" },
        { "one inside the other by a fixed name",
          "[stage a]\npartition = once\ncommand = x\noutput = t/2024-05-06\n[stage b]\nstart = "
          "2024-01-01\ncommand = x\noutput = t/${ds}/${HH}\n",
          "g.ini:11: output = t/${ds}/${HH}: b@2024-05-06T00 would lie inside the output of a" },
        { "fixed names that never meet",
          "[stage a]\npartition = once\ncommand = x\noutput = t/2023-05-06\n[stage b]\nstart = "
          "2024-01-01\ncommand = x\noutput = t/${ds}/${HH}\n",
          NULL },
        { "names that begin alike",
          "[stage a]\ncommand = x\noutput = gold/${ds}/${HH}\n[stage b]\ncommand = x\noutput = "
          "gold2/${ds}/${HH}\n[stage c]\npartition = month\ncommand = x\noutput = "
          "gold/${partition}\n",
          NULL },
        { "a minute that is off the grid",
          "[stage a]\npartition = 30m\nstart = 2024-01-01\ncommand = x\noutput = "
          "t/${ds}/${HH}${mm}\n[stage b]\npartition = once\ncommand = x\noutput = "
          "t/2024-01-01/0515\n",
          NULL },
        { "an output in a source",
          "[source s]\npartition = once\npath = s\n[stage a]\ncommand = x\noutput = "
          "s/${partition}\n",
          "g.ini:9: output = s/${partition}: a@1970-01-01T00 would lie inside the path of s" },
        { "a source in a source",
          "[source s]\npartition = day\npath = s/${ds}\n[source t]\npath = s/${ds}/${HH}\n[stage "
          "a]\ncommand = x\noutput = a/${partition}\n",
          NULL },
        { "a source for two names",
          "start = 2024-01-01\n[source s]\npath = s/${ds}/${HH}\n[source t]\npath = "
          "s/${ds}/${HH}\n[stage a]\ncommand = x\noutput = a/${partition}\n",
          "g.ini:8: path = s/${ds}/${HH}: s@2024-01-01T00 and t@2024-01-01T00 would share one path" },
        { "dots", "[stage a]\ncommand = x\noutput = a/../b/${partition}\n",
          "g.ini:6: output = a/../b/${partition}: names of dots lead elsewhere" },
        { "an absolute path", "[stage a]\ncommand = x\noutput = /a/${partition}\n",
          "g.ini:6: output = /a/${partition}: it is relative to the root" },
        { "a colon", "[stage a]\ncommand = x\noutput = a/${ds}T${HH}:${mm}\n",
          "g.ini:6: output = a/${ds}T${HH}:${mm}: HDFS allows no colon in a name" },
        { "our directory", "[stage a]\ncommand = x\noutput = _stagegraph/${partition}\n",
          "g.ini:6: output = _stagegraph/${partition}: _stagegraph is ours" },
        { "no name", "[stage a]\ncommand = x\noutput = a//${partition}\n",
          "g.ini:6: output = a//${partition}: a name between two / is empty" },
        { "a slash at the end", "[stage a]\ncommand = x\noutput = a/${partition}/\n", NULL },
        { "a param in a path",
          "[param mode]\n[stage a]\ncommand = x\noutput = ${mode}/${partition}\n",
          "g.ini:7: output: ${mode} can't stand in a path, which one partition must fix, without a "
          "colon (there can: start_epoch end_epoch ds end_ds stage graph partition node YYYY MM DD "
          "HH mm)" },
        { "a time in a path", "[stage a]\ncommand = x\noutput = a/${start}\n",
          "g.ini:6: output: ${start} can't stand in a path, which one partition must fix, without a "
          "colon (there can: start_epoch end_epoch ds end_ds stage graph partition node YYYY MM DD "
          "HH mm)" },
        { "a date of a once", "[stage a]\npartition = once\ncommand = x\noutput = a/${ds}\n",
          "g.ini:7: output: a is made once and has no ${ds}" },
        /* params */
        { "a param that is a variable",
          "[param ds]\n[stage a]\ncommand = x\noutput = "
          "a/${partition}\n",
          "g.ini:4: [param ds]: ${ds} is a variable of every job" },
        { "a param that is an option",
          "[param with_needs]\n[stage a]\ncommand = x\noutput = "
          "a/${partition}\n",
          "g.ini:4: [param with_needs]: --with-needs is an option of its own" },
        { "a param that is a stage's option",
          "[param a_start_date]\n[stage a]\ncommand = x\noutput = a/${partition}\n",
          "g.ini:4: [param a_start_date]: --a-start-date is an option of its own" },
        { "a param with a dash", "[param a-b]\n[stage a]\ncommand = x\noutput = a/${partition}\n",
          "g.ini:4: [param a-b]: no name of a param (letters, digits and _)" },
        { "two params in one variable",
          "[param m]\n[param M]\n[stage a]\ncommand = x\noutput = a/${partition}\n",
          "g.ini:5: [param M] and [param m] (line 4) are one name in the environment" },
        { "a param that turns another off",
          "[param x]\ntype = bool\n[param no_x]\n[stage a]\ncommand = x\noutput = a/${partition}\n",
          "g.ini:6: [param no_x]: --no-x turns the bool x off" },
        { "values of the wrong type",
          "[param i]\ntype = int\ndefault = x\n[param d]\ntype = date\ndefault = 2024-02-30\n[param "
          "b]\ntype = bool\ndefault = maybe\n[stage a]\ncommand = x\noutput = a/${partition}\n",
          "g.ini:6: i = x: no whole number\n"
          "g.ini:9: d = 2024-02-30: no date (write 2024-01-31)\n"
          "g.ini:12: b = maybe: write yes or no" },
        { "required with a default",
          "[param p]\nrequired = yes\ndefault = x\n[stage a]\ncommand = x\noutput = "
          "a/${partition}\n",
          "g.ini:5: required: p has a default" },
        /* the rest */
        { "a root of another kind",
          "[stage a]\ncommand = x\noutput = a/${partition}\n[yarn]\nresource_manager = r:8088\n",
          NULL },
        { "an empty pool", "[pool p]\n[stage a]\ncommand = x\noutput = a/${partition}\npool = p\n",
          "g.ini:4: [pool p] has neither size nor memory" },
        { "more memory than there is",
          "[pool p]\nmemory = 4g\n[stage a]\ncommand = x\noutput = a/${partition}\npool = "
          "p\nmemory = 8g\n",
          "g.ini:10: a wants more memory than [pool p] has: it would never run" },
        { "one file for two markers",
          "[stage a]\ncommand = x\noutput = a/${partition}\npartial = yes\npartial_marker = "
          "_SUCCESS\n",
          "g.ini:8: marker and partial_marker of a are the same file" },
        { "an identity without its marker",
          "[source s]\npath = s/${partition}\nidentity = marker\n[stage a]\ncommand = x\noutput = "
          "a/${partition}\n",
          "g.ini:6: identity = marker: [source s] has no marker" },
        { "absolute code", "[stage a]\ncommand = x\noutput = a/${partition}\ncode = /x/*.py\n",
          "g.ini:7: code: /x/*.py must be relative: the place of a checkout is no part of the "
          "stamp" },
        { "options that go nowhere",
          "[stage a]\ncommand = x\noutput = a/${partition}\noptions = -v\n",
          "warning: g.ini:7: options of a go nowhere: its command has no ${options}" },
        { "options of a command that is wrong itself",
          "[stage a]\ncommand = x ${options\noutput = a/${partition}\noptions = -v\n",
          "g.ini:5: command: ${ without }" },
        { "a stage's key without the stage",
          "[stage a]\ncommand = x\noutput = a/${partition}\n[profile p]\nbatch = 3\n",
          "g.ini:8: unknown key batch in [profile p]: no run option, param or stage.key; write "
          "STAGE.batch" },
        { "run options of every type",
          "[stage a]\ncommand = x\noutput = a/${partition}\n[profile p]\nfrom = x\nlast = x\nwindow "
          "= 0\norder = x\nwith_needs = x\nforce = b\nonly = a,b\nlog = no\na_start_date = x\n",
          "g.ini:8: from = x: no date or time (write 2024-01-31 or 2024-01-31T05:30)\n"
          "g.ini:9: last = x: no duration (write 90s, 30m, 2h or 7d)\n"
          "g.ini:10: window = 0: at least 1\n"
          "g.ini:11: order = x: none of its choices (newest oldest)\n"
          "g.ini:12: with_needs = x: write yes or no\n"
          "g.ini:13: force: there is no stage b\n"
          "g.ini:14: only: there is no stage b\n"
          "g.ini:16: a_start_date = x: no date or time (write 2024-01-31 or 2024-01-31T05:30)" },
        { "profiles that rebuild each other's partitions",
          "[param m]\n[param n]\nstamp = no\n[stage a]\ncommand = x ${m} ${n}\noutput = "
          "a/${partition}\n[profile p]\nm = 1\nn = 1\n[profile q]\nm = 1\nn = 2\n[profile r]\nm = "
          "2\n",
          "warning: g.ini:17: profiles p and r set m differently (\"1\" in line 11, \"2\"): they "
          "rebuild each other's partitions, unless the param has stamp = no" },
    };
    char text[2000];
    struct sg_graph *g;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), HEAD "%s", cases[i].text);
        g = try_open(text);
        if (strcmp(told_text, cases[i].told != NULL ? cases[i].told : "") != 0)
            fail_msg("%s:\n%s\nnot\n%s", cases[i].label, told_text,
                     cases[i].told != NULL ? cases[i].told : "");
        sg_graph_free(g);
    }
}

static void cycles_of_nodes_are_told_and_chains_are_fine(void **state)
{
    static const struct {
        const char *label, *silver, *gold, *told; /* needs; NULL: fine */
    } cases[] = {
        { "a chain", "silver@-1", "silver", NULL },
        { "a window of its own", "silver@-23..-1", "silver gold@-1", NULL },
        { "itself", "silver", "",
          "g.ini:8: a cycle: silver@2024-01-01T00 needs "
          "silver@2024-01-01T00" },
        { "itself, optional and order only", "|silver?", "",
          "g.ini:8: a cycle: silver@2024-01-01T00 needs silver@2024-01-01T00" },
        { "a window with itself", "silver@-3..0", "",
          "g.ini:8: a cycle: silver@2024-01-01T00 needs silver@2024-01-01T00" },
        { "the day before", "gold@-1", "silver", NULL },
        { "the same day", "gold", "silver",
          "g.ini:8: a cycle: silver@2024-01-01T00 needs gold@2024-01-01 needs "
          "silver@2024-01-01T00" },
        { "the day of the start", "gold@0", "silver@-1..0",
          "g.ini:8: a cycle: silver@2024-01-01T00 needs gold@2024-01-01 needs "
          "silver@2024-01-01T00" },
        { "the hour before the day", "gold", "silver@-1", NULL },
        { "back and forth", "gold@-1 silver@-1", "silver gold@-1", NULL },
        { "the newest of itself", "silver@latest", "",
          "g.ini:8: needs: silver@latest: silver reaches itself through it, so that its newest one "
          "would need itself" },
        { "the newest of a user", "gold@latest?", "silver",
          "g.ini:8: needs: gold@latest?: silver reaches itself through it, so that its newest one "
          "would need itself" },
        { "the newest of another", "", "silver@latest", NULL },
    };
    char text[1000];
    struct sg_graph *g;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text),
                 HEAD "start = 2024-01-01\n[stage silver]\ncommand = x\noutput = "
                      "s/${ds}/${HH}\nneeds = %s\n[stage gold]\npartition = day\ncommand = "
                      "x\noutput = g/${ds}\nneeds = %s\n",
                 cases[i].silver, cases[i].gold);
        g = try_open(text);
        if (strcmp(told_text, cases[i].told != NULL ? cases[i].told : "") != 0)
            fail_msg("%s:\n%s\nnot\n%s", cases[i].label, told_text,
                     cases[i].told != NULL ? cases[i].told : "");
        sg_graph_free(g);
    }
}

static void cycles_that_only_some_partitions_have_are_found(void **state)
{
    static const struct {
        const char *label, *text, *told;
    } cases[] = {
        /* a day of 25 hours holds its own first hour when its last looks 24 hours back */
        { "when the clock goes back",
          "timezone = America/New_York\nstart = 2023-01-01\n[stage h]\ncommand = x\noutput = "
          "h/${partition}\nneeds = k@-24\n[stage k]\ncommand = x\noutput = k/${partition}\nneeds = "
          "d\n[stage d]\npartition = day\ncommand = x\noutput = d/${ds}\nneeds = h\n",
          "g.ini:9: a cycle: h@2023-11-06T04 needs k@2023-11-05T04 needs d@2023-11-05 needs "
          "h@2023-11-06T04" },
        { "the same where it never does",
          "timezone = UTC\nstart = 2023-01-01\n[stage h]\ncommand = x\noutput = "
          "h/${partition}\nneeds = k@-24\n[stage k]\ncommand = x\noutput = k/${partition}\nneeds = "
          "d\n[stage d]\npartition = day\ncommand = x\noutput = d/${ds}\nneeds = h\n",
          NULL },
        /* 2021-02 and 2021-03 begin on a Monday; other months cut a week */
        { "weeks against months",
          "timezone = UTC\nstart = 2021-02-01\n[stage w]\npartition = week\ncommand = x\noutput = "
          "w/${partition}\nneeds = m\n[stage m]\npartition = month\ncommand = x\noutput = "
          "m/${partition}\nneeds = d\n[stage d]\npartition = day\ncommand = x\noutput = "
          "d/${ds}\nneeds = w@-1\n",
          "g.ini:10: a cycle: w@2021-W05 needs m@2021-02 needs d@2021-02-08 needs w@2021-W05" },
        { "two stages that begin later",
          "start = 2020-01-01\n[stage a]\ncommand = x\noutput = a/${partition}\nneeds = b\n[stage "
          "b]\nstart = 2022-01-01\ncommand = x\noutput = b/${partition}\nneeds = c\n[stage c]\n"
          "command = x\noutput = c/${partition}\nneeds = a\n",
          "g.ini:8: a cycle: a@2022-01-01T00 needs b@2022-01-01T00 needs c@2022-01-01T00 needs "
          "a@2022-01-01T00" },
        { "two stages that never live together",
          "start = 2020-01-01\n[stage a]\nend = 2021-01-01\ncommand = x\noutput = "
          "a/${partition}\nneeds = b\n[stage b]\nstart = 2022-01-01\ncommand = x\noutput = "
          "b/${partition}\nneeds = a\n",
          NULL },
        { "through a once",
          "start = 2020-01-01\n[stage o]\npartition = once\ncommand = x\noutput = o\nneeds = "
          "a\n[stage a]\ncommand = x\noutput = a/${partition}\nneeds = o\n",
          "g.ini:9: a cycle: o needs a@2020-01-01T00 needs o" },
    };
    char text[1000];
    struct sg_graph *g;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), HEAD "%s", cases[i].text);
        g = try_open(text);
        if (cases[i].told == NULL ? told_text[0] != '\0' : strcmp(told_text, cases[i].told) != 0)
            fail_msg("%s:\n%s\nnot\n%s", cases[i].label, told_text,
                     cases[i].told != NULL ? cases[i].told : "");
        sg_graph_free(g);
    }
}

static void calendars_that_do_not_fit_are_told_only_where_it_matters(void **state)
{
    static const struct {
        const char *label, *zone, *start, *end, *fine, *coarse, *need, *told;
    } cases[] = {
        { "whole hours", "America/New_York", "2013-01-01", "", "hour", "day", "h", NULL },
        { "half past five", "Asia/Kolkata", "2024-01-01", "", "hour", "day", "h",
          "g.ini:14: needs: h: d@2024-01-01 begins at 2023-12-31T18:30Z, inside of h@2023-12-31T18: "
          "give h a finer partition (30m), or the graph another timezone" },
        { "half hours of it", "Asia/Kolkata", "2024-01-01", "", "30m", "day", "h", NULL },
        { "an offset counts, too", "Asia/Kolkata", "2024-01-01", "", "hour", "day", "h@-1",
          "g.ini:14: needs: h@-1: d@2024-01-01 begins at 2023-12-31T18:30Z, inside of "
          "h@2023-12-31T18: give h a finer partition (30m), or the graph another timezone" },
        { "the newest doesn't", "Asia/Kolkata", "2024-01-01", "", "hour", "day", "h@latest", NULL },
        { "half an hour of summer time", "Australia/Lord_Howe", "2024-05-01", "2024-09-01", "hour",
          "day", "h",
          "g.ini:14: needs: h: d@2024-05-01 begins at 2024-04-30T13:30Z, inside of "
          "h@2024-04-30T13: give h a finer partition (30m), or the graph another timezone" },
        { "the other half of the year", "Australia/Lord_Howe", "2024-01-01", "2024-03-01", "hour",
          "day", "h", NULL },
        { "days of a week", "Asia/Kolkata", "2024-01-01", "", "day", "week", "h", NULL },
        { "days of a month", "Asia/Kolkata", "2024-01-01", "", "day", "month", "h", NULL },
        { "weeks of a month", "UTC", "2024-01-01", "", "week", "month", "h",
          "g.ini:14: needs: h: weeks don't fit into the months of d" },
        { "hours of a month", "Asia/Kolkata", "2024-01-01", "", "hour", "month", "h",
          "g.ini:14: needs: h: d@2024-01 begins at 2023-12-31T18:30Z, inside of h@2023-12-31T18: "
          "give h a finer partition (30m), or the graph another timezone" },
        { "a day for hours", "Asia/Kolkata", "2024-01-01", "", "day", "hour", "h", NULL },
        { "before its time", "Asia/Kolkata", "2924-01-01", "", "hour", "day", "h", NULL },
    };
    char text[1000];
    struct sg_graph *g;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text),
                 HEAD "timezone = %s\nstart = %s\nend = %s\n[source h]\npartition = %s\npath = "
                      "h/${partition}\n[stage d]\npartition = %s\ncommand = x\noutput = "
                      "d/${partition}\nneeds = %s\n",
                 cases[i].zone, cases[i].start, cases[i].end, cases[i].fine, cases[i].coarse,
                 cases[i].need);
        g = try_open(text);
        if (strcmp(told_text, cases[i].told != NULL ? cases[i].told : "") != 0)
            fail_msg("%s:\n%s\nnot\n%s", cases[i].label, told_text,
                     cases[i].told != NULL ? cases[i].told : "");
        sg_graph_free(g);
    }
}

static void the_root_is_a_uri_or_a_path_from_the_graph_file(void **state)
{
    static const struct {
        const char *root, *expected; /* '%' is the directory of the graph file */
        bool is_uri;
    } cases[] = {
        { "warehouse", "%/warehouse", false },
        { "/data/w/", "/data/w", false },
        { "/", "/", false },
        { "./warehouse", "%/warehouse", false },
        { "a/./b//c/.", "%/a/b/c", false },
        { "/data//w/./x", "/data/w/x", false },
        { "link/../w", "%/link/../w", false }, /* what is above a link is not known */
        { "../../../../../../../../../../w", "/w", false },
        { "file:///data/w/", "file:///data/w", true },
        { "file:/data/w", "file:/data/w", true },
        { "hdfs://ns1/w/", "hdfs://ns1/w", true },
        { "hdfs://ns1:8020/w/.x/..y/a.", "hdfs://ns1:8020/w/.x/..y/a.", true },
        { "hdfs:///", "hdfs:///", true },
        { "webhdfs://host:9870/w", "webhdfs://host:9870/w", true },
    };
    static const struct {
        const char *root, *told;
    } bad[] = {
        { "s3a://b/w", "g.ini:2: root = s3a://b/w: a store of that kind is not known (file hdfs "
                       "webhdfs swebhdfs)" },
        { "hdsf://b/w", "g.ini:2: root = hdsf://b/w: a store of that kind is not known (file hdfs "
                        "webhdfs swebhdfs); did you mean hdfs?" },
        { "file://w", "g.ini:2: root = file://w: write file:///DIRECTORY, or the path alone" },
        { "hdfs:/w", "g.ini:2: root = hdfs:/w: write hdfs://NAMESERVICE/DIRECTORY" },
        { "hdfs://ns1:8020/w/a:b/x", "g.ini:2: root = hdfs://ns1:8020/w/a:b/x: HDFS takes no colon "
                                     "in a path" },
        { "webhdfs://h/w/../x", "g.ini:2: root = webhdfs://h/w/../x: HDFS takes no .. in a path" },
        { "hdfs://ns1/w/..", "g.ini:2: root = hdfs://ns1/w/..: HDFS takes no .. in a path" },
        { "hdfs://ns1/./w", "g.ini:2: root = hdfs://ns1/./w: HDFS takes no . in a path" },
        { "~/w", "g.ini:2: root = ~/w: no shell reads this, and it takes no variables: write ~ "
                 "out" },
        { "${HOME}/w", "g.ini:2: root = ${HOME}/w: no shell reads this, and it takes no "
                       "variables: write them out" },
        { "", "g.ini:2: [store] has no root" },
    };
    static const char rest[] = "[stage a]\ncommand = x\noutput = a/${partition}\n";
    char text[500], expected[4200], above[4096];
    struct sg_graph *g;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), "[store]\nroot = %s\n%s", cases[i].root, rest);
        g = open_text(text);
        snprintf(expected, sizeof(expected), "%s%s", *cases[i].expected == '%' ? real_dir : "",
                 cases[i].expected + (*cases[i].expected == '%'));
        assert_string_equal(g->store.root, expected);
        assert_int_equal(g->store.root_is_uri, cases[i].is_uri);
        sg_graph_free(g);
    }
    snprintf(above, sizeof(above), "%s", real_dir);
    *strrchr(above, '/') = '\0';
    snprintf(expected, sizeof(expected), "%s/w", above);
    snprintf(text, sizeof(text), "[store]\nroot = ./../w\n%s", rest);
    g = open_text(text);
    assert_string_equal(g->store.root, expected);
    sg_graph_free(g);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "[store]\nroot = %s\n%s", bad[i].root, rest);
        assert_null(try_open(text));
        assert_string_equal(told_text, bad[i].told);
    }
    assert_null(try_open(rest));
    assert_string_equal(told_text,
                        "g.ini: there is no [store]: write its root, where the data lie");
}

static void paths_are_those_of_the_partition(void **state)
{
    static const struct {
        const char *partition, *zone, *output, *label, *path;
    } cases[] = {
        { "hour", "UTC", "a/dt=${ds}/hr=${HH}", "2024-01-02T05", "a/dt=2024-01-02/hr=05" },
        { "hour", "America/New_York", "a/dt=${ds}/hr=${HH}", "2024-01-02T02",
          "a/dt=2024-01-02/hr=02" },
        { "day", "America/New_York", "a/${YYYY}/${MM}/${DD}/${HH}${mm}", "2024-01-02",
          "a/2024/01/02/0000" },
        { "5m", "UTC", "a/${YYYY}${MM}${DD}/${HH}${mm}", "2024-01-02T0515", "a/20240102/0515" },
        { "15m", "UTC", "${partition}", "2024-01-02T0515", "2024-01-02T0515" },
        { "week", "UTC", "a/${ds}_${end_ds}", "2024-W03", "a/2024-01-15_2024-01-21" },
        { "month", "UTC", "a/${end_ds}", "2024-02", "a/2024-02-29" },
        { "month", "UTC", "${graph}/${stage}/${node}", "2024-02", "g/x/x@2024-02" },
        { "hour", "UTC", "a/${start_epoch}-${end_epoch}", "2024-01-01T00",
          "a/1704067200-1704070800" },
        { "day", "America/New_York", "a/${start_epoch}", "2024-01-01", "a/1704085200" },
        { "once", "UTC", "${stage}/all/$$x", "", "x/all/$x" },
        { "hour", "UTC", "a b/${ds} ${HH}'", "2024-01-01T00", "a b/2024-01-01 00'" },
    };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf b = SG_BUF_INIT;
    struct sg_graph *g;
    char text[500];
    int64_t index;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text),
                 HEAD "partition = %s\ntimezone = %s\n[stage x]\ncommand = x\noutput = %s\n",
                 cases[i].partition, cases[i].zone, cases[i].output);
        g = open_text(text);
        assert_true(sg_calendar_parse_label(&g->stages[0].cal, cases[i].label, &index));
        sg_buf_clear(&b);
        assert_true(sg_buf_adds(&b, "root/", &err));
        assert_true(sg_stage_path(g, &g->stages[0], index, &b, &err));
        assert_string_equal(sg_buf_text(&b) + 5, cases[i].path);
        assert_int_equal(b.len, strlen(cases[i].path) + 5);
        sg_graph_free(g);
    }
    sg_buf_done(&b);
}

static void a_profile_the_settings_and_params_come_on_top(void **state)
{
    const struct sg_setting sets[] = { { "bronze.timeout", "3h" },
                                       { "gold.env.B", "2" },
                                       { "gold.env.A", "${gold_mode}${silver_mode}" },
                                       { "gold.check", "none" } };
    const struct sg_setting params[] = { { "gold_mode", "some" }, { "skip-validation", "no" } };
    struct sg_graph *g = open_text(flights);
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_error err = SG_ERROR_INIT;
    const struct sg_stage *s;

    (void)state;
    if (!sg_graph_configure(g, "backfill", sets, 4, params, 2, false, &diags, &err))
        fail_msg("%s\n%s", err.text, told(&diags));
    s = stage(g, "bronze");
    assert_int_equal(s->timeout_s, 3 * 3600);
    assert_int_equal(s->batch_s, 7 * 86400);
    s = stage(g, "gold");
    assert_int_equal(s->n_env, 2);
    assert_string_equal(s->env[0].name, "A");
    assert_string_equal(s->env[1].name, "B");
    assert_int_equal(s->check, SG_CHECK_NONE);
    assert_int_equal(s->n_params, 2); /* by env.A, too */
    assert_string_equal(sg_graph_find_param(g, "bronze_mode")->value, "backfill");
    assert_true(sg_graph_find_param(g, "bronze_mode")->given);
    assert_int_equal(sg_graph_find_param(g, "bronze_mode")->origin.line, 82);
    assert_string_equal(sg_graph_find_param(g, "gold_mode")->value, "some");
    assert_null(sg_graph_find_param(g, "gold_mode")->origin.file);
    assert_string_equal(sg_graph_find_param(g, "skip_validation")->value, "");
    assert_false(sg_graph_find_param(g, "silver_mode")->given);
    assert_int_equal(diags.n, 0);
    sg_graph_free(g);

    g = open_text(flights);
    assert_true(sg_graph_configure(g, "hourly", NULL, 0, NULL, 0, false, &diags, &err));
    assert_string_equal(sg_graph_find_param(g, "skip_validation")->value, "true");
    assert_int_equal(stage(g, "bronze")->timeout_s, 3600);
    sg_graph_free(g);
}

static void a_wrong_command_line_is_an_error_of_usage(void **state)
{
    static const struct {
        const char *profile, *set, *value, *param, *param_value, *told;
    } cases[] = {
        { "hourli", NULL, NULL, NULL, NULL, "there is no [profile hourli]; did you mean hourly?" },
        { NULL, "bronze.timeot", "1h", NULL, NULL,
          "--set bronze.timeot=1h: bronze.timeot: there is no key timeot in [stage]; did you mean "
          "timeout?" },
        { NULL, "bronz.timeout", "1h", NULL, NULL,
          "--set bronz.timeout=1h: bronz.timeout: there is no stage or source bronz; did you mean "
          "bronze?" },
        { NULL, "timeout", "1h", NULL, NULL, "--set timeout=1h: write STAGE.KEY=VALUE" },
        { NULL, "bronze.timeout", "never", NULL, NULL,
          "--set bronze.timeout=never: timeout = never: no duration (write 90s, 30m, 2h or 7d)" },
        { NULL, "bronze.needs", "dim", NULL, NULL,
          "--set bronze.needs=dim: bronze.needs: needs says what bronze is, and can only be given in its section" },
        { NULL, NULL, NULL, "gold_mod", "x",
          "there is no param gold_mod; did you mean gold_mode?" },
        { NULL, NULL, NULL, "silver_mode", "fll",
          "--silver-mode fll: none of its choices (incremental full); did you mean full?" },
        /* silver's command uses ${output} */
        { NULL, "silver.batch", "2", NULL, NULL,
          "--set silver.batch=2: a batch of silver can have several partitions, and its command uses ${output}, which is of "
          "one (of a batch are ${output_root} ${start} ${end} ${ds} ${end_ds} ${partitions})" },
        /* bronze's batch comes from the profile */
        { "backfill", "bronze.command", "x ${HH}", NULL, NULL,
          "g.ini:84: a batch of bronze can have several partitions, and its command uses ${HH}, which is of one "
          "(of a batch are ${output_root} ${start} ${end} ${ds} ${end_ds} ${partitions})" },
        { NULL, "gold.command", "x ${gold_mod}", NULL, NULL,
          "--set gold.command=x ${gold_mod}: command: there is no variable or param ${gold_mod}; did "
          "you mean ${gold_mode}?" },
    };
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_error err;
    struct sg_graph *g;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_setting set = { cases[i].set, cases[i].value };
        struct sg_setting param = { cases[i].param, cases[i].param_value };

        g = open_text(flights);
        err = (struct sg_error)SG_ERROR_INIT;
        assert_false(sg_graph_configure(g, cases[i].profile, &set, set.key != NULL, &param,
                                        param.key != NULL, false, &diags, &err));
        assert_int_equal(err.code, SG_ERROR_USAGE);
        assert_string_equal(err.text, cases[i].told);
        assert_int_equal(diags.n, 0);
        sg_graph_free(g);
    }
}

static void required_params_are_asked_for_unless_nothing_runs(void **state)
{
    static const char text[] = HEAD "[param day]\ntype = date\nrequired = yes\n[param n]\ntype = "
                                    "int\nrequired = yes\n[stage a]\ncommand = x ${day}\noutput = "
                                    "a/${partition}\n[profile p]\nday = 2024-01-01\nn = 3\n";
    const struct sg_setting param = { "n", "3" };
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_graph *g = open_text(text);

    (void)state;
    assert_false(sg_graph_configure(g, NULL, NULL, 0, NULL, 0, false, &diags, &err));
    assert_string_equal(err.text, "2 errors in what was set");
    assert_string_equal(told(&diags), "the param day is required: give --day\n"
                                      "the param n is required: give --n");
    sg_diags_done(&diags);
    sg_graph_free(g);
    g = open_text(text);
    assert_false(sg_graph_configure(g, NULL, NULL, 0, &param, 1, false, &diags, &err));
    assert_string_equal(err.text, "the param day is required: give --day");
    sg_graph_free(g);
    g = open_text(text);
    assert_true(sg_graph_configure(g, NULL, NULL, 0, NULL, 0, true, &diags, &err));
    sg_graph_free(g);
    g = open_text(text);
    assert_true(sg_graph_configure(g, "p", NULL, 0, NULL, 0, false, &diags, &err));
    sg_graph_free(g);
}

static void run_options_of_profiles_are_kept_as_the_command_line_has_them(void **state)
{
    struct sg_graph *g =
        open_text(HEAD "[stage a-b]\ncommand = x\noutput = a/${partition}\n[profile "
                       "p]\nlog = no\nforce = a-b\na_b_start_date = "
                       "2024-01-01\n[profile q]\nlog = yes\nno_log = yes\n");
    const struct sg_profile *p = sg_graph_find_profile(g, "p");

    (void)state;
    assert_int_equal(p->n_options, 3);
    assert_string_equal(p->options[0].key, "no_log");
    assert_string_equal(p->options[0].value, "yes");
    assert_int_equal(p->options[0].origin.line, 8);
    assert_string_equal(p->options[1].value, "a-b");
    assert_string_equal(p->options[2].key, "a_b_start_date");
    p = sg_graph_find_profile(g, "q");
    assert_string_equal(p->options[0].value, "no");
    sg_graph_free(g);
}

static void nodes_are_written_and_read(void **state)
{
    static const struct {
        const char *text, *node; /* node NULL: the stage alone */
        bool whole;
    } good[] = {
        { "silver@2013-01-01T05", "silver@2013-01-01T05", false },
        { "gold@2013-01-01", "gold@2013-01-01", false },
        { "dim", "dim", false },
        { "dim@_", "dim", false },
        { "landing@2013-01-01T05", "landing@2013-01-01T05", false },
        { "silver", NULL, true },
    };
    static const struct {
        const char *text, *told;
    } bad[] = {
        { "silvr@2013-01-01T05", "there is no stage silvr; did you mean silver@2013-01-01T05?" },
        { "silvr", "there is no stage silvr; did you mean silver?" },
        { "qqq", "there is no stage qqq" },
        { "silver@2013-01-01", "silver@2013-01-01: no partition of silver (they look like "
                               "silver@2024-01-01T05)" },
        { "gold@2013-01-01T05", "gold@2013-01-01T05: no partition of gold (they look like "
                                "gold@2024-01-01)" },
        { "silver@", "silver@: no partition of silver (they look like silver@2024-01-01T05)" },
        { "dim@2013-01-01", "dim@2013-01-01: dim has no partitions, write its name alone" },
        { "silver@2012-12-31T23", "silver@2012-12-31T23: silver starts at 2013-01-01T00:00Z" },
        { "", "there is no stage " },
    };
    struct sg_graph *g = open_text(flights);
    const struct sg_stage *s;
    struct sg_error err;
    char node[SG_NODE_TEXT];
    int64_t index;
    bool whole;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        err = (struct sg_error)SG_ERROR_INIT;
        index = -1;
        if (!sg_node_parse(g, good[i].text, &s, &index, &whole, &err))
            fail_msg("%s: %s", good[i].text, err.text);
        assert_int_equal(whole, good[i].whole);
        if (good[i].node == NULL) {
            assert_int_equal(index, -1);
            continue;
        }
        sg_node_format(s, index, node);
        assert_string_equal(node, good[i].node);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err = (struct sg_error)SG_ERROR_INIT;
        assert_false(sg_node_parse(g, bad[i].text, &s, &index, &whole, &err));
        assert_int_equal(err.code, SG_ERROR_USAGE);
        assert_string_equal(err.text, bad[i].told);
    }
    sg_graph_free(g);
    sg_graph_free(NULL);
}

static void stages_come_after_what_they_need(void **state)
{
    struct sg_graph *g =
        open_text(HEAD "start = 2024-01-01\n[stage c]\nneeds = b\ncommand = x\noutput = "
                       "c/${partition}\n[stage b]\nneeds = a a2@-1\ncommand = x\noutput = "
                       "b/${partition}\n[stage a2]\nneeds = b\ncommand = x\noutput = "
                       "a2/${partition}\n[stage a]\ncommand = x\noutput = a/${partition}\n");
    char order[64] = "";

    (void)state;
    for (uint32_t i = 0; i < g->n_stages; i++) {
        strcat(order, g->stages[g->order[i].i].name);
        strcat(order, " ");
        if (i > 0)
            assert_true(g->stages[g->order[i].i].component >=
                        g->stages[g->order[i - 1].i].component);
    }
    assert_string_equal(order, "a b a2 c ");
    assert_int_equal(g->n_components, 3);
    assert_int_equal(stage(g, "b")->component, stage(g, "a2")->component);
    sg_graph_free(g);
}

/* A chain as deep as there are stages: nothing recurses. */
static void many_stages_are_loaded(void **state)
{
    enum { N = 3000 };
    char *text = malloc(N * 160 + 100), *to = text;
    struct sg_graph *g;

    (void)state;
    assert_non_null(text);
    to += sprintf(to, HEAD "start = 2024-01-01\n");
    for (int i = 0; i < N; i++) {
        to += sprintf(to, "[stage s%d]\ncommand = x ${start}\noutput = s%d/${ds}/${HH}\n", i, i);
        if (i + 1 < N)
            to += sprintf(to, "needs = s%d\n", i + 1);
    }
    g = open_text(text);
    assert_int_equal(g->n_stages, N);
    assert_string_equal(g->stages[g->order[0].i].name, "s2999");
    sg_graph_free(g);
    free(text);
}

static void a_graph_that_cannot_be_opened_is_one_error(void **state)
{
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_graph *g = NULL;

    (void)state;
    assert_false(sg_graph_open("none.ini", NULL, &g, &diags, &err));
    assert_int_equal(err.code, SG_ERROR_GRAPH);
    assert_string_equal(err.text, "open the graph file none.ini: No such file or directory");
    err = (struct sg_error)SG_ERROR_INIT;
    assert_false(sg_graph_open("none/none.ini", NULL, &g, &diags, &err));
    assert_string_equal(err.text, "open the graph file none/none.ini: no such directory");
    assert_int_equal(diags.n, 0);
    assert_null(g);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_contract_is_loaded),
        cmocka_unit_test(everything_wrong_is_told_in_one_go_by_line),
        cmocka_unit_test(what_is_wrong_with_a_graph_is_told),
        cmocka_unit_test(cycles_of_nodes_are_told_and_chains_are_fine),
        cmocka_unit_test(cycles_that_only_some_partitions_have_are_found),
        cmocka_unit_test(calendars_that_do_not_fit_are_told_only_where_it_matters),
        cmocka_unit_test(the_root_is_a_uri_or_a_path_from_the_graph_file),
        cmocka_unit_test(paths_are_those_of_the_partition),
        cmocka_unit_test(a_profile_the_settings_and_params_come_on_top),
        cmocka_unit_test(a_wrong_command_line_is_an_error_of_usage),
        cmocka_unit_test(required_params_are_asked_for_unless_nothing_runs),
        cmocka_unit_test(run_options_of_profiles_are_kept_as_the_command_line_has_them),
        cmocka_unit_test(nodes_are_written_and_read),
        cmocka_unit_test(stages_come_after_what_they_need),
        cmocka_unit_test(many_stages_are_loaded),
        cmocka_unit_test(a_graph_that_cannot_be_opened_is_one_error),
    };

    return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
