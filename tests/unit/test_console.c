#define FAKE_PLAN
#include "report_fake.inc"

#include <signal.h>

#include "stagegraph/console.h"

#define RULE "================================================================================\n"
#define DASH "--------------------------------------------------------------------------------\n"

/* The clock that the console sees. */
static struct sg_mono clock_now;

static struct sg_mono tell_time(void)
{
    return clock_now;
}

static void pass(double seconds)
{
    clock_now.ns += (int64_t)(seconds * 1e9);
}

/* A run under a console: each function is an event. */
struct show {
    struct fake_plan *plan;
    struct fake_out out, notices;
    struct sg_console *console;
    struct sg_sink sink;
    struct sg_console_config c;
    struct sg_event last;
    uint32_t n_result[SG_RESULT_COUNT];
};

static void open_show(struct show *s, struct sg_out_config out, struct sg_console_config c)
{
    struct sg_error err = SG_ERROR_INIT;

    clock_now.ns = 1000 * SG_NS_PER_S;
    memset(s->n_result, 0, sizeof(s->n_result));
    out.utf8 = true;
    fake_out_init(&s->out, out);
    fake_out_init(&s->notices, (struct sg_out_config){ .utf8 = true });
    c.out = &s->out.out;
    c.notices = &s->notices.out;
    c.jobs = c.jobs > 0 ? c.jobs : 1;
    c.program = "stagegraph";
    c.resume = "stagegraph resume";
    c.usual = &s->plan->source;
    c.now = tell_time;
    assert_true(sg_console_new(&c, &s->console, &err));
    s->sink = sg_console_sink(s->console);
}

static void close_show(struct show *s)
{
    sg_console_free(s->console);
    fake_out_done(&s->out);
    fake_out_done(&s->notices);
    fake_plan_free(s->plan);
}

static struct sg_event event_of(struct show *s, enum sg_event_kind kind)
{
    return (struct sg_event){ .kind = kind,
                              .run = "20130107T061000-3f2a9c",
                              .command = "hourly",
                              .profile = "hourly",
                              .plan = as_plan(s->plan),
                              .node = "",
                              .detail = "",
                              .why = "" };
}

static void send(struct show *s, const struct sg_event *e)
{
    s->sink.event(s->sink.ctx, e);
}

static void start_run(struct show *s)
{
    struct sg_event e = event_of(s, SG_EVENT_RUN_STARTED);

    send(s, &e);
    e.kind = SG_EVENT_PLAN;
    send(s, &e);
}

static struct sg_event node_event(struct show *s, enum sg_event_kind kind, uint32_t stage,
                                  const char *label)
{
    static char node[SG_NODE_TEXT];
    struct sg_event e = event_of(s, kind);

    e.stage = &s->plan->stages[stage];
    e.index = at(s->plan, stage, label);
    sg_node_format(e.stage, e.index, node);
    e.node = node;
    e.attempt = 1;
    e.reason = SG_REASON_MISSING;
    return e;
}

static void start(struct show *s, uint32_t stage, const char *label)
{
    struct sg_event e = node_event(s, SG_EVENT_NODE_STARTED, stage, label);

    send(s, &e);
}

static void print(struct show *s, uint32_t stage, const char *label, const char *text)
{
    struct sg_event e = node_event(s, SG_EVENT_NODE_OUTPUT, stage, label);

    e.bytes = text;
    e.n_bytes = strlen(text);
    send(s, &e);
}

struct finish {
    enum sg_result result;
    double seconds;
    const char *why, *log;
    int64_t peak, gc;
    double gc_s;
    enum sg_reason reason;
    const char *detail;
    bool will_retry;
};

static void finish(struct show *s, uint32_t stage, const char *label, struct finish f)
{
    struct sg_event e = node_event(s, SG_EVENT_NODE_FINISHED, stage, label);
    struct sg_job_end end = { .measure = { .peak_bytes = f.peak > 0 ? f.peak : -1,
                                           .jvms = f.gc > 0 ? 1 : 0,
                                           .gc_count = f.gc > 0 ? f.gc : -1,
                                           .gc_seconds = f.gc > 0 ? f.gc_s : NAN,
                                           .cpu_seconds = NAN,
                                           .heap_peak_bytes = -1 } };

    e.result = f.result;
    e.seconds = f.seconds;
    e.why = f.why != NULL ? f.why : "";
    e.log = f.log;
    e.end = &end;
    e.will_retry = f.will_retry;
    if (f.reason != SG_REASON_NONE)
        e.reason = f.reason;
    if (f.detail != NULL)
        e.detail = f.detail;
    if (!f.will_retry)
        s->n_result[f.result]++;
    send(s, &e);
}

static void skip_node(struct show *s, uint32_t stage, const char *label, enum sg_result result,
                      const char *why)
{
    struct sg_event e = node_event(s, SG_EVENT_NODE_SKIPPED, stage, label);

    e.result = result;
    e.why = why;
    s->n_result[result]++;
    send(s, &e);
}

static void end_run(struct show *s, double seconds, int status, int signo)
{
    struct sg_event e = event_of(s, SG_EVENT_RUN_FINISHED);

    e.seconds = seconds;
    e.exit_status = status;
    e.signo = signo;
    memcpy(e.n_result, s->n_result, sizeof(e.n_result));
    send(s, &e);
}

static void notice(struct show *s, const char *node, const char *text)
{
    struct sg_event e = event_of(s, SG_EVENT_NOTICE);

    e.node = node;
    e.text = text;
    send(s, &e);
}

static const char *shown(struct show *s)
{
    return fake_out_take(&s->out);
}

/* One hour: bronze, silver, gold. */
static struct sg_plan_group hour[3];

static void plan_hour(struct show *s)
{
    s->plan = fake_plan_new();
    s->plan->view.focus =
        (struct sg_interval){ utc("2013-01-07T05:00:00Z"), utc("2013-01-07T06:00:00Z") };
    hour[0] = run_group(s->plan, BRONZE, "2013-01-07T05", "2013-01-07T05", SG_REASON_MISSING, "");
    hour[1] =
        run_group(s->plan, SILVER, "2013-01-07T05", "2013-01-07T05", SG_REASON_UPSTREAM, "bronze");
    hour[2] = run_group(s->plan, GOLD, "2013-01-07", "2013-01-07", SG_REASON_UPSTREAM, "silver");
    fake_plan_set(s->plan, hour, 3, (const uint32_t[3]){ 24, 24, 1 });
}

static void a_run_of_one_hour_looks_as_in_the_contract(void **state)
{
    struct show s;

    (void)state;
    plan_hour(&s);
    s.plan->usual[BRONZE] = 245.3;
    s.plan->usual[SILVER] = 180.5;
    s.plan->usual[GOLD] = 120.2;
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    assert_string_equal(shown(&s),
                        RULE "FLIGHTS: BRONZE → SILVER → GOLD · hourly · 2013-01-07T05\n" RULE
                             "3 to run, 49 fresh · about 9m 06s\n");
    start(&s, BRONZE, "2013-01-07T05");
    assert_string_equal(shown(&s),
                        "\n" RULE
                        "STAGE 1: BRONZE INGESTION · bronze@2013-01-07T05 (missing)\n" RULE "\n"
                        "[Bronze] Starting subprocess (fresh JVM)...\n"
                        "[Bronze] Output:\n" DASH);
    print(&s, BRONZE, "2013-01-07T05", "Loaded ");
    assert_string_equal(shown(&s), "Loaded "); /* at once, unaltered */
    print(&s, BRONZE, "2013-01-07T05", "100 \033[1mlocations\033[0m\n");
    assert_string_equal(shown(&s), "100 \033[1mlocations\033[0m\n");
    pass(245.3);
    finish(&s, BRONZE, "2013-01-07T05",
           (struct finish){ .result = SG_RESULT_OK,
                            .seconds = 245.3,
                            .peak = INT64_C(2040109465),
                            .gc = 14,
                            .gc_s = 0.41 });
    assert_string_equal(shown(&s), DASH "[Bronze] SUCCESS (245.3s)   peak 1.9 GiB   GC 14, 0.4s\n");
    start(&s, SILVER, "2013-01-07T05");
    assert_non_null(
        strstr(shown(&s), "STAGE 2: SILVER TRANSFORMATION · silver@2013-01-07T05 (missing)"));
    print(&s, SILVER, "2013-01-07T05", "no newline at the end");
    pass(180.5);
    finish(&s, SILVER, "2013-01-07T05",
           (struct finish){ .result = SG_RESULT_OK, .seconds = 180.5 });
    assert_string_equal(shown(&s), "no newline at the end\n" DASH "[Silver] SUCCESS (180.5s)\n");
    start(&s, GOLD, "2013-01-07");
    pass(120.2);
    finish(&s, GOLD, "2013-01-07", (struct finish){ .result = SG_RESULT_OK, .seconds = 120.2 });
    (void)shown(&s);
    end_run(&s, 546.0, 0, 0);
    assert_string_equal(shown(&s), "\n" RULE "FULL PIPELINE COMPLETE\n" RULE "\n"
                                   "Stage results:\n"
                                   "  [OK] BRONZE     245.3s\n"
                                   "  [OK] SILVER     180.5s\n"
                                   "  [OK] GOLD       120.2s\n"
                                   "\n"
                                   "Total pipeline time: 546.0s (9.1 minutes)\n" RULE);
    close_show(&s);
}

static void a_failure_names_the_log_and_the_command_that_goes_on(void **state)
{
    struct show s;

    (void)state;
    plan_hour(&s);
    open_show(&s, (struct sg_out_config){ .colour = true }, (struct sg_console_config){ 0 });
    start_run(&s);
    start(&s, BRONZE, "2013-01-07T05");
    pass(245.3);
    finish(&s, BRONZE, "2013-01-07T05",
           (struct finish){ .result = SG_RESULT_OK, .seconds = 245.3 });
    start(&s, SILVER, "2013-01-07T05");
    print(&s, SILVER, "2013-01-07T05", "Traceback…\n");
    (void)shown(&s);
    pass(12.4);
    finish(&s, SILVER, "2013-01-07T05",
           (struct finish){ .result = SG_RESULT_FAILED,
                            .seconds = 12.4,
                            .why = "exit 3",
                            .log = "/state/logs/silver.1.log" });
    assert_string_equal(shown(&s), DASH "[Silver] \033[31mFAILED\033[0m (exit 3, 12.4s)\n");
    skip_node(&s, GOLD, "2013-01-07", SG_RESULT_BLOCKED, "behind silver@2013-01-07T05");
    assert_string_equal(shown(&s),
                        "\n[Gold] BLOCKED · gold@2013-01-07 (behind silver@2013-01-07T05)\n");
    end_run(&s, 257.8, 1, 0);
    assert_string_equal(shown(&s), "\n" RULE "FULL PIPELINE FAILED\n" RULE "\n"
                                   "Stage results:\n"
                                   "  [\033[32mOK\033[0m] BRONZE     245.3s\n"
                                   "  [\033[31mFAILED\033[0m] SILVER     12.4s\n"
                                   "      silver@2013-01-07T05: exit 3\n"
                                   "      log: /state/logs/silver.1.log\n"
                                   "  [BLOCKED] GOLD       behind silver@2013-01-07T05\n"
                                   "\n"
                                   "To go on: stagegraph resume\n"
                                   "\n"
                                   "Total pipeline time: 257.8s (4.3 minutes)\n" RULE);
    close_show(&s);
}

static void a_timeout_and_a_retry_are_told(void **state)
{
    struct show s;
    struct sg_event e;

    (void)state;
    plan_hour(&s);
    fake_plan_set(s.plan, hour, 1, (const uint32_t[3]){ 0, 0, 0 });
    s.plan->view.n_stages = 1;
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    assert_string_equal(shown(&s), RULE "FLIGHTS: BRONZE · hourly · 2013-01-07T05\n" RULE
                                        "1 to run, 0 fresh\n");
    start(&s, BRONZE, "2013-01-07T05");
    (void)shown(&s);
    pass(3600.02);
    finish(&s, BRONZE, "2013-01-07T05",
           (struct finish){ .result = SG_RESULT_TIMEOUT,
                            .seconds = 3600.02,
                            .why = "timeout",
                            .will_retry = true });
    e = node_event(&s, SG_EVENT_NODE_RETRY, BRONZE, "2013-01-07T05");
    e.delay_s = 30;
    send(&s, &e);
    assert_string_equal(shown(&s), DASH "[Bronze] TIMEOUT (3600s)\n[Bronze] Trying again in 30s\n");
    e = node_event(&s, SG_EVENT_NODE_STARTED, BRONZE, "2013-01-07T05");
    e.attempt = 2;
    send(&s, &e);
    assert_non_null(strstr(shown(&s), "bronze@2013-01-07T05 (missing, attempt 2)\n"));
    pass(3600.04);
    finish(&s, BRONZE, "2013-01-07T05",
           (struct finish){ .result = SG_RESULT_TIMEOUT,
                            .seconds = 3600.04,
                            .why = "timeout",
                            .log = "/state/logs/bronze.2.log" });
    assert_string_equal(shown(&s), DASH "[Bronze] TIMEOUT (3600s)\n");
    end_run(&s, 7230.1, 5, 0);
    assert_string_equal(shown(&s), "\n" RULE "FULL PIPELINE FAILED\n" RULE "\n"
                                   "Stage results:\n"
                                   "  [TIMEOUT] BRONZE     3600.0s\n"
                                   "      bronze@2013-01-07T05: timeout of 3600s\n"
                                   "      log: /state/logs/bronze.2.log\n"
                                   "\n"
                                   "To go on: stagegraph resume\n"
                                   "\n"
                                   "Total pipeline time: 7230.1s (120.5 minutes)\n" RULE);
    close_show(&s);
}

static void an_interrupted_run_says_so(void **state)
{
    struct show s;

    (void)state;
    plan_hour(&s);
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    start(&s, BRONZE, "2013-01-07T05");
    print(&s, BRONZE, "2013-01-07T05", "half");
    (void)shown(&s);
    pass(3);
    skip_node(&s, SILVER, "2013-01-07T05", SG_RESULT_INTERRUPTED, "");
    skip_node(&s, GOLD, "2013-01-07", SG_RESULT_INTERRUPTED, "");
    finish(&s, BRONZE, "2013-01-07T05",
           (struct finish){ .result = SG_RESULT_INTERRUPTED, .seconds = 3, .why = "interrupted" });
    assert_string_equal(shown(&s), "\n" DASH "[Bronze] INTERRUPTED (3.0s)\n");
    end_run(&s, 3.1, 130, SIGINT);
    assert_string_equal(shown(&s), "\n" RULE "FULL PIPELINE INTERRUPTED (SIGINT)\n" RULE "\n"
                                   "Stage results:\n"
                                   "  [INTERRUPTED] BRONZE     3.0s\n"
                                   "      bronze@2013-01-07T05: interrupted\n"
                                   "  [INTERRUPTED] SILVER     not started\n"
                                   "  [INTERRUPTED] GOLD       not started\n"
                                   "\n"
                                   "To go on: stagegraph resume\n"
                                   "\n"
                                   "Total pipeline time: 3.1s (0.1 minutes)\n" RULE);
    close_show(&s);
}

static void an_unchanged_input_leaves_the_rest_alone(void **state)
{
    struct show s;

    (void)state;
    plan_hour(&s);
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    start(&s, BRONZE, "2013-01-07T05");
    finish(&s, BRONZE, "2013-01-07T05", (struct finish){ .result = SG_RESULT_OK, .seconds = 1 });
    (void)shown(&s);
    skip_node(&s, SILVER, "2013-01-07T05", SG_RESULT_UNCHANGED, "");
    skip_node(&s, GOLD, "2013-01-07", SG_RESULT_COMPLETED, "");
    assert_string_equal(shown(&s), "\n[Silver] UNCHANGED · silver@2013-01-07T05\n"
                                   "\n[Gold] COMPLETED · gold@2013-01-07\n");
    end_run(&s, 1.2, 0, 0);
    assert_non_null(strstr(shown(&s), "Stage results:\n"
                                      "  [OK] BRONZE     1.0s\n"
                                      "  [OK] SILVER     unchanged\n"
                                      "  [OK] GOLD       completed\n"
                                      "\n"
                                      "Total pipeline time: 1.2s (0.0 minutes)\n"));
    close_show(&s);
}

static void what_the_plan_found_blocked_or_busy_is_listed_once(void **state)
{
    static const char *const lacks[] = { "landing@2013-01-07T05" };
    struct show s;

    (void)state;
    plan_hour(&s);
    hour[1].verdict = SG_VERDICT_BLOCKED;
    hour[1].lacks = lacks;
    hour[1].n_lacks = hour[1].n_lacks_all = 1;
    hour[2].verdict = SG_VERDICT_BUSY;
    hour[2].run = "20130107T060812-aaaaaa";
    fake_plan_set(s.plan, hour, 3, (const uint32_t[3]){ 24, 24, 1 });
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    assert_string_equal(
        shown(&s), RULE
        "FLIGHTS: BRONZE → SILVER → GOLD · hourly · 2013-01-07T05\n" RULE
        "1 to run, 49 fresh, 1 blocked, 1 busy\n"
        "\n"
        "BLOCKED  PARTITIONS                        COUNT  REASON           LACKS\n"
        "silver   2013-01-07T05                         1  upstream bronze  landing@2013-01-07T05\n"
        "\n"
        "BUSY  PARTITIONS                        COUNT  REASON           RUN\n"
        "gold  2013-01-07                            1  upstream silver  20130107T060812-aaaaaa\n");
    skip_node(&s, SILVER, "2013-01-07T05", SG_RESULT_BLOCKED, "landing@2013-01-07T05 is not there");
    skip_node(&s, GOLD, "2013-01-07", SG_RESULT_BUSY, "held by run 20130107T060812-aaaaaa");
    assert_string_equal(shown(&s), "");
    start(&s, BRONZE, "2013-01-07T05");
    finish(&s, BRONZE, "2013-01-07T05", (struct finish){ .result = SG_RESULT_OK, .seconds = 1 });
    (void)shown(&s);
    end_run(&s, 1.2, 3, 0);
    assert_string_equal(shown(&s), "\n" RULE "FULL PIPELINE BLOCKED\n" RULE "\n"
                                   "Stage results:\n"
                                   "  [OK] BRONZE     1.0s\n"
                                   "  [BLOCKED] SILVER     landing@2013-01-07T05 is not there\n"
                                   "  [BUSY] GOLD       held by run 20130107T060812-aaaaaa\n"
                                   "\n"
                                   "To go on: stagegraph resume\n"
                                   "\n"
                                   "Total pipeline time: 1.2s (0.0 minutes)\n" RULE);
    close_show(&s);
}

static void nothing_to_do_is_one_line_and_the_debt(void **state)
{
    struct sg_debt debt;

    (void)state;
    for (int quiet = 0; quiet < 2; quiet++) {
        struct show s;

        plan_hour(&s);
        fake_plan_set(s.plan, NULL, 0, (const uint32_t[3]){ 72, 72, 3 });
        debt = (struct sg_debt){ &s.plan->stages[SILVER], SG_REASON_CODE, 26256, true, 0, 0 };
        s.plan->debts = &debt;
        s.plan->n_debts = 1;
        open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ .quiet = quiet });
        start_run(&s);
        end_run(&s, 0.01, 0, 0);
        assert_string_equal(shown(&s),
                            "Nothing to do: 147 fresh. (--force runs it anyway)\n"
                            "26,256 silver outdated by code: stagegraph backfill --stale=code\n");
        close_show(&s);
    }
}

static void verbose_counts_the_requests_of_a_store_that_sends_some(void **state)
{
    static const char nothing[] = "Nothing to do: 147 fresh. (--force runs it anyway)\n";

    (void)state;
    for (int i = 0; i < 4; i++) {
        bool verbose = i & 1, counted = i & 2;
        struct sg_event e;
        struct show s;

        plan_hour(&s);
        fake_plan_set(s.plan, NULL, 0, (const uint32_t[3]){ 72, 72, 3 });
        open_show(&s, (struct sg_out_config){ 0 },
                  (struct sg_console_config){ .verbose = verbose });
        start_run(&s);
        assert_string_equal(shown(&s), nothing);
        e = event_of(&s, SG_EVENT_RUN_FINISHED);
        e.has_traffic = counted;
        e.traffic = (struct sg_store_traffic){ .requests = 1234, .bytes = 831000 };
        send(&s, &e);
        assert_string_equal(shown(&s),
                            verbose && counted ? "Store: 1,234 requests, 812 KiB\n" : "");
        close_show(&s);
    }
}

static void quiet_tells_failures_and_results(void **state)
{
    struct show s;

    (void)state;
    plan_hour(&s);
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ .quiet = true });
    start_run(&s);
    start(&s, BRONZE, "2013-01-07T05");
    print(&s, BRONZE, "2013-01-07T05", "hidden\n");
    finish(&s, BRONZE, "2013-01-07T05", (struct finish){ .result = SG_RESULT_OK, .seconds = 1 });
    start(&s, SILVER, "2013-01-07T05");
    print(&s, SILVER, "2013-01-07T05", "hidden");
    assert_string_equal(shown(&s), "");
    finish(
        &s, SILVER, "2013-01-07T05",
        (struct finish){ .result = SG_RESULT_OOM, .seconds = 2, .why = "signal 9, out of memory" });
    skip_node(&s, GOLD, "2013-01-07", SG_RESULT_BLOCKED, "behind silver@2013-01-07T05");
    assert_string_equal(shown(&s), "[Silver] FAILED (signal 9, out of memory, 2.0s)\n");
    end_run(&s, 3, 1, 0);
    assert_string_equal(shown(&s), "Stage results:\n"
                                   "  [OK] BRONZE     1.0s\n"
                                   "  [FAILED] SILVER     2.0s\n"
                                   "      silver@2013-01-07T05: signal 9, out of memory\n"
                                   "  [BLOCKED] GOLD       behind silver@2013-01-07T05\n"
                                   "\n"
                                   "To go on: stagegraph resume\n"
                                   "\n"
                                   "Total pipeline time: 3.0s (0.1 minutes)\n");
    close_show(&s);
}

static void notices_go_where_diagnostics_go(void **state)
{
    static const char *const notices[] = { "3 inputs of gold are gone" };
    struct show s;

    (void)state;
    plan_hour(&s);
    s.plan->notices = notices;
    s.plan->n_notices = 1;
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    notice(&s, "silver@2013-01-07T05", "ended 2 processes that outlived the command");
    assert_string_equal(
        fake_out_take(&s.notices),
        "stagegraph: 3 inputs of gold are gone\n"
        "stagegraph: silver@2013-01-07T05: ended 2 processes that outlived the command\n");
    close_show(&s);
}

/* ---- many jobs */

static struct sg_plan_group days[2];

static void plan_days(struct show *s)
{
    s->plan = fake_plan_new();
    s->plan->view.focus =
        (struct sg_interval){ utc("2013-01-10T00:00:00Z"), utc("2013-01-13T00:00:00Z") };
    days[0] = run_group(s->plan, SILVER, "2013-01-10T00", "2013-01-12T23", SG_REASON_CODE, "s.py");
    days[1] = run_group(s->plan, GOLD, "2013-01-10", "2013-01-12", SG_REASON_UPSTREAM, "silver");
    fake_plan_set(s->plan, days, 2, (const uint32_t[3]){ 72, 648, 0 });
}

static const struct finish ok = { .result = SG_RESULT_OK,
                                  .seconds = 12.4,
                                  .peak = 1536 << 20,
                                  .reason = SG_REASON_CODE,
                                  .detail = "s.py" };

static void many_jobs_have_a_line_each(void **state)
{
    struct show s;

    (void)state;
    plan_days(&s);
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    assert_string_equal(shown(&s), RULE
                        "FLIGHTS: BRONZE → SILVER → GOLD · hourly · 2013-01-10 … 2013-01-12\n" RULE
                        "75 to run, 720 fresh\n"
                        "\n");
    start(&s, SILVER, "2013-01-10T00");
    print(&s, SILVER, "2013-01-10T00", "unaltered\nhalf");
    assert_string_equal(shown(&s), "unaltered\nhalf");
    pass(12.4);
    finish(&s, SILVER, "2013-01-10T00", ok);
    assert_string_equal(shown(&s),
                        "\n[1/75] silver@2013-01-10T00 OK 12.4s peak 1.5 GiB (code s.py)\n");
    start(&s, SILVER, "2013-01-10T01");
    pass(1);
    finish(&s, SILVER, "2013-01-10T01",
           (struct finish){ .result = SG_RESULT_CHECK_FAILED,
                            .seconds = 1,
                            .why = "no data file was written",
                            .log = "/state/logs/01.1.log" });
    assert_string_equal(
        shown(&s), "[2/75] silver@2013-01-10T01 FAILED (no data file was written, 1.0s) (missing)\n"
                   "  log: /state/logs/01.1.log\n");
    skip_node(&s, GOLD, "2013-01-10", SG_RESULT_BLOCKED, "behind silver@2013-01-10T01");
    skip_node(&s, SILVER, "2013-01-10T02", SG_RESULT_UNCHANGED, "");
    assert_string_equal(shown(&s), "[3/75] gold@2013-01-10 BLOCKED (behind silver@2013-01-10T01)\n"
                                   "[4/75] silver@2013-01-10T02 UNCHANGED\n");
    end_run(&s, 13.5, 1, 0);
    assert_string_equal(shown(&s),
                        "\n" RULE "FULL PIPELINE FAILED\n" RULE "\n"
                        "Stage results:\n"
                        "  [OK] BRONZE  72 fresh\n"
                        "  [FAILED] SILVER  1 run, 1 unchanged, 1 failed, 648 fresh  13.4s\n"
                        "      silver@2013-01-10T01: no data file was written\n"
                        "      log: /state/logs/01.1.log\n"
                        "  [BLOCKED] GOLD    1 blocked\n"
                        "\n"
                        "To go on: stagegraph resume\n"
                        "\n"
                        "Total pipeline time: 13.5s (0.2 minutes)\n" RULE);
    close_show(&s);
}

static void results_of_many_jobs_count(void **state)
{
    struct show s;
    char label[SG_LABEL_TEXT];

    (void)state;
    plan_days(&s);
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    for (int64_t i = days[0].first; i <= days[0].last; i++) {
        sg_calendar_label(&days[0].stage->cal, i, label);
        start(&s, SILVER, label);
        pass(175.83);
        finish(&s, SILVER, label, ok);
    }
    (void)shown(&s);
    end_run(&s, 12660, 0, 0);
    assert_non_null(strstr(shown(&s), "  [OK] SILVER  72 run, 648 fresh  3h 31m\n"));
    close_show(&s);
}

static void lines_of_jobs_side_by_side_are_never_torn(void **state)
{
    struct show s;

    (void)state;
    plan_days(&s);
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ .jobs = 2 });
    start_run(&s);
    (void)shown(&s);
    start(&s, SILVER, "2013-01-10T00");
    start(&s, SILVER, "2013-01-10T01");
    print(&s, SILVER, "2013-01-10T00", "one of A\ntwo ");
    print(&s, SILVER, "2013-01-10T01", "one of B\n");
    print(&s, SILVER, "2013-01-10T00", "of A\n");
    assert_string_equal(shown(&s), "silver@2013-01-10T00 | one of A\n"
                                   "silver@2013-01-10T01 | one of B\n"
                                   "silver@2013-01-10T00 | two of A\n");

    /* A partial line is shown before a tenth of a second has passed, and goes on where it is. */
    print(&s, SILVER, "2013-01-10T00", "progress ");
    assert_string_equal(shown(&s), "");
    pass(0.05);
    sg_console_tick(s.console, clock_now);
    assert_string_equal(shown(&s), "silver@2013-01-10T00 | progress ");
    print(&s, SILVER, "2013-01-10T00", "50%, ");
    assert_string_equal(shown(&s), "50%, ");
    /* Another one takes the cursor: what follows says again whose it is. */
    print(&s, SILVER, "2013-01-10T01", "two of B\n");
    print(&s, SILVER, "2013-01-10T00", "100%\n");
    assert_string_equal(shown(&s), "\nsilver@2013-01-10T01 | two of B\n"
                                   "silver@2013-01-10T00 | 100%\n");

    print(&s, SILVER, "2013-01-10T00", "the last");
    print(&s, SILVER, "2013-01-10T01", "B waits");
    finish(&s, SILVER, "2013-01-10T00", ok);
    assert_string_equal(shown(&s),
                        "silver@2013-01-10T00 | the last\n"
                        "[1/75] silver@2013-01-10T00 OK 12.4s peak 1.5 GiB (code s.py)\n");
    pass(0.05);
    sg_console_tick(s.console, clock_now);
    finish(&s, SILVER, "2013-01-10T01", ok);
    assert_string_equal(shown(&s),
                        "silver@2013-01-10T01 | B waits\n"
                        "[2/75] silver@2013-01-10T01 OK 12.4s peak 1.5 GiB (code s.py)\n");
    close_show(&s);
}

static void a_batch_is_one_job(void **state)
{
    struct show s;
    struct sg_event e;

    (void)state;
    plan_days(&s);
    s.plan->stages[SILVER].batch_count = 24;
    days[0].jobs = 3;
    fake_plan_set(s.plan, days, 1, (const uint32_t[3]){ 0, 0, 0 });
    s.plan->view.jobs = 3;
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    (void)shown(&s);
    for (int i = 0; i < 3; i++) {
        e = node_event(&s, SG_EVENT_NODE_STARTED, SILVER, "2013-01-10T00");
        e.index += i;
        e.log = "/state/logs/a.log";
        send(&s, &e);
    }
    print(&s, SILVER, "2013-01-10T00", "x\n");
    assert_string_equal(
        shown(&s),
        "\n" RULE
        "STAGE 2: SILVER TRANSFORMATION · silver@2013-01-10T00 … 2013-01-10T02 (missing)\n" RULE
        "\n"
        "[Silver] Starting subprocess (fresh JVM)...\n"
        "[Silver] Output:\n" DASH "x\n");
    finish(&s, SILVER, "2013-01-10T00", ok);
    finish(&s, SILVER, "2013-01-10T01", ok);
    assert_string_equal(shown(&s), "");
    finish(&s, SILVER, "2013-01-10T02",
           (struct finish){ .result = SG_RESULT_FAILED, .seconds = 12.4, .why = "exit 3" });
    assert_string_equal(shown(&s),
                        DASH "[Silver] SUCCESS (12.4s)   peak 1.5 GiB   2 of 3 partitions\n"
                             "[Silver] FAILED (exit 3, 12.4s)   1 of 3 partitions\n");
    close_show(&s);
}

static void without_a_terminal_progress_is_a_line_now_and_then(void **state)
{
    struct show s;

    (void)state;
    plan_days(&s);
    s.plan->usual[SILVER] = 180;
    s.plan->usual[GOLD] = 120;
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ 0 });
    start_run(&s);
    start(&s, SILVER, "2013-01-10T00");
    (void)shown(&s);
    for (int i = 0; i < 290; i++) {
        pass(0.1);
        sg_console_tick(s.console, clock_now);
    }
    assert_string_equal(shown(&s), "");
    pass(1);
    sg_console_tick(s.console, clock_now);
    assert_string_equal(
        shown(&s),
        "[0/75] running silver@2013-01-10T00  30s of about 3m 00s · about 3h 42m left\n");
    print(&s, SILVER, "2013-01-10T00", "half a line");
    pass(31);
    sg_console_tick(s.console, clock_now); /* not into the job's line */
    assert_string_equal(shown(&s), "half a line");
    close_show(&s);
}

/* Of two at once a pool lets one run: what is left takes as long as they all, one by one. */
static void what_is_left_is_reckoned_with_pools(void **state)
{
    struct show s;

    (void)state;
    plan_days(&s);
    s.plan->usual[SILVER] = 180;
    s.plan->usual[GOLD] = 120;
    s.plan->stages[SILVER].pool = s.plan->stages[GOLD].pool = 0; /* of size 1 */
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ .jobs = 2 });
    start_run(&s);
    start(&s, SILVER, "2013-01-10T00");
    (void)shown(&s);
    pass(30);
    sg_console_tick(s.console, clock_now);
    assert_string_equal(
        shown(&s),
        "[0/75] running silver@2013-01-10T00  30s of about 3m 00s · about 3h 42m left\n");
    close_show(&s);
}

static void a_terminal_has_a_block_at_the_bottom(void **state)
{
    struct show s;

    (void)state;
    plan_days(&s);
    s.plan->usual[SILVER] = 180;
    open_show(&s, (struct sg_out_config){ .terminal = true, .columns = 80, .rows = 24 },
              (struct sg_console_config){ .jobs = 2, .block = true });
    start_run(&s);
    (void)shown(&s);
    start(&s, SILVER, "2013-01-10T00");
    start(&s, SILVER, "2013-01-10T01");
    (void)shown(&s); /* not more often than ticks come: the second start waits for one */
    pass(12.1);
    sg_console_tick(s.console, clock_now);
    (void)shown(&s);
    pass(0.11);
    sg_console_tick(s.console, clock_now);
    assert_string_equal(shown(&s), ""); /* nothing new to show */
    pass(1);
    sg_console_tick(s.console, clock_now);
    assert_string_equal(shown(&s), "\r\033[2A\033[J"
                                   "silver@2013-01-10T00  13s of about 3m 00s\n"
                                   "silver@2013-01-10T01  13s of about 3m 00s\n"
                                   "[>                         ] 0/75");
    print(&s, SILVER, "2013-01-10T00", "a line\n");
    assert_string_equal(shown(&s), "\r\033[2A\033[Jsilver@2013-01-10T00 | a line\n");
    pass(0.2);
    finish(&s, SILVER, "2013-01-10T00", ok);
    assert_string_equal(shown(&s), "[1/75] silver@2013-01-10T00 OK 12.4s peak 1.5 GiB (code s.py)\n"
                                   "silver@2013-01-10T01  13s of about 3m 00s\n"
                                   "[>                         ] 1/75");

    /* A line that has only begun is shown in the block; of a progress bar its last state. */
    print(&s, SILVER, "2013-01-10T01", "10%\r20%\033[K");
    pass(0.1);
    sg_console_tick(s.console, clock_now);
    assert_non_null(strstr(shown(&s), "\033[Jsilver@2013-01-10T01 | 20%\\x1b[K\n"
                                      "silver@2013-01-10T01  14s of about 3m 00s\n"));
    print(&s, SILVER, "2013-01-10T01", "\n");
    assert_string_equal(shown(&s), "\r\033[2A\033[Jsilver@2013-01-10T01 | 10%\r20%\033[K\n");
    pass(0.1);
    sg_console_tick(s.console, clock_now);
    (void)shown(&s);

    /* Narrower: what is drawn takes more rows now, and has to go as a whole. */
    sg_console_resize(s.console, 40, 24);
    assert_string_equal(shown(&s), "\r\033[2A\033[J");
    sg_console_tick(s.console, clock_now);
    assert_string_equal(shown(&s), "silver@2013-01-10T01  14s of about 3m …\n"
                                   "[>            ] 1/75");
    sg_console_hide(s.console);
    assert_string_equal(shown(&s), "\r\033[1A\033[J");
    end_run(&s, 13, 130, SIGINT);
    assert_null(strchr(shown(&s), '\033'));
    close_show(&s);
}

/* Both ways: as a line of its own, and in the block. */
static void half_a_line_is_seen_within_a_tenth_of_a_second(void **state)
{
    const double tick = SG_CONSOLE_TICK_MS / 1000.0;

    (void)state;
    for (int block = 0; block < 2; block++) {
        for (int ms = 0; ms < SG_CONSOLE_TICK_MS; ms++) { /* it comes so long after a tick */
            struct show s;
            double waited = tick - ms / 1000.0;
            bool seen = false;

            plan_days(&s);
            open_show(&s, (struct sg_out_config){ .terminal = block, .columns = 80, .rows = 24 },
                      (struct sg_console_config){ .jobs = 2, .block = block });
            start_run(&s);
            start(&s, SILVER, "2013-01-10T00");
            pass(1);
            sg_console_tick(s.console, clock_now); /* draws the block */
            pass(ms / 1000.0);
            (void)shown(&s);
            print(&s, SILVER, "2013-01-10T00", "half");
            for (pass(waited); !seen && waited <= 0.1; waited += tick, pass(tick)) {
                sg_console_tick(s.console, clock_now);
                seen = strstr(shown(&s), "silver@2013-01-10T00 | half") != NULL;
            }
            if (!seen)
                fail_msg("block %d, %d ms after a tick: not seen in time", block, ms);
            close_show(&s);
        }
    }
}

static void the_bar_leaves_room_for_what_is_typed(void **state)
{
    (void)state;
    for (int columns = 2; columns <= 60; columns++) {
        struct show s;
        const char *bar;

        plan_days(&s);
        s.plan->usual[SILVER] = 180;
        s.plan->usual[GOLD] = 120;
        open_show(&s, (struct sg_out_config){ .terminal = true, .columns = columns, .rows = 24 },
                  (struct sg_console_config){ .jobs = 2, .block = true });
        start_run(&s);
        (void)shown(&s);
        start(&s, SILVER, "2013-01-10T00");
        pass(1);
        sg_console_tick(s.console, clock_now);
        bar = strrchr(shown(&s), '\n');
        assert_non_null(bar);
        /* "^C", and the last column, which would wrap */
        assert_true(sg_out_width(&s.out.out, bar + 1) < (columns > 8 ? columns - 2 : columns));
        close_show(&s);
    }
}

static void what_a_job_left_on_is_off_in_what_is_ours(void **state)
{
    struct show s;

    (void)state;
    plan_days(&s);
    open_show(&s, (struct sg_out_config){ .terminal = true, .columns = 80, .rows = 24 },
              (struct sg_console_config){ .jobs = 2 });
    start_run(&s);
    start(&s, SILVER, "2013-01-10T00");
    (void)shown(&s);
    print(&s, SILVER, "2013-01-10T00", "\033[31mred\nstill\n");
    assert_string_equal(shown(&s), "silver@2013-01-10T00 | \033[31mred\n"
                                   "\033[0m\033[?25hsilver@2013-01-10T00 | still\n");
    print(&s, SILVER, "2013-01-10T00", "\033[?25l\n");
    (void)shown(&s);
    close_show(&s); /* the end of a run that was cut short */
    plan_days(&s);
    open_show(&s, (struct sg_out_config){ 0 }, (struct sg_console_config){ .jobs = 2 });
    start_run(&s);
    start(&s, SILVER, "2013-01-10T00");
    (void)shown(&s);
    print(&s, SILVER, "2013-01-10T00", "\033[31mred\nstill\n"); /* no terminal: unaltered */
    assert_string_equal(shown(&s), "silver@2013-01-10T00 | \033[31mred\n"
                                   "silver@2013-01-10T00 | still\n");
    close_show(&s);
}

static void in_the_background_there_is_no_block(void **state)
{
    struct show s;

    (void)state;
    plan_days(&s);
    open_show(&s, (struct sg_out_config){ .terminal = true, .columns = 60, .rows = 24 },
              (struct sg_console_config){ .jobs = 2, .block = true });
    start_run(&s);
    start(&s, SILVER, "2013-01-10T00");
    assert_non_null(strstr(shown(&s), "0/75"));
    sg_console_background(s.console, true);
    print(&s, SILVER, "2013-01-10T00", "a line\nhalf");
    pass(0.1);
    sg_console_tick(s.console, clock_now);
    /* What was drawn is above the shell's line, out of reach. */
    assert_string_equal(shown(&s), "silver@2013-01-10T00 | a line\n"
                                   "silver@2013-01-10T00 | half");
    print(&s, SILVER, "2013-01-10T00", "\n");
    pass(31);
    sg_console_tick(s.console, clock_now);
    assert_string_equal(shown(&s), "\n[0/75] running silver@2013-01-10T00  31s\n");
    sg_console_background(s.console, false);
    sg_console_tick(s.console, clock_now);
    assert_string_equal(shown(&s), "silver@2013-01-10T00  31s\n"
                                   "[>                   ] 0/75");
    /* Stopped and woken: somebody has printed below. */
    sg_console_lost(s.console);
    sg_console_tick(s.console, clock_now);
    assert_string_equal(shown(&s), "silver@2013-01-10T00  31s\n"
                                   "[>                   ] 0/75");
    close_show(&s);
}

static void the_block_never_takes_the_whole_screen(void **state)
{
    struct show s;
    char label[SG_LABEL_TEXT];

    (void)state;
    plan_days(&s);
    open_show(&s, (struct sg_out_config){ .terminal = true, .columns = 60, .rows = 5 },
              (struct sg_console_config){ .jobs = 20, .block = true });
    start_run(&s);
    for (int64_t i = days[0].first; i < days[0].first + 20; i++) {
        sg_calendar_label(&days[0].stage->cal, i, label);
        start(&s, SILVER, label);
    }
    sg_console_hide(s.console);
    (void)shown(&s);
    pass(1);
    sg_console_tick(s.console, clock_now);
    assert_string_equal(shown(&s), "silver@2013-01-10T00  1s\n"
                                   "silver@2013-01-10T01  1s\n"
                                   "… and 18 more\n"
                                   "[>                   ] 0/75");
    close_show(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_of_one_hour_looks_as_in_the_contract),
        cmocka_unit_test(a_failure_names_the_log_and_the_command_that_goes_on),
        cmocka_unit_test(a_timeout_and_a_retry_are_told),
        cmocka_unit_test(an_interrupted_run_says_so),
        cmocka_unit_test(an_unchanged_input_leaves_the_rest_alone),
        cmocka_unit_test(what_the_plan_found_blocked_or_busy_is_listed_once),
        cmocka_unit_test(nothing_to_do_is_one_line_and_the_debt),
        cmocka_unit_test(verbose_counts_the_requests_of_a_store_that_sends_some),
        cmocka_unit_test(quiet_tells_failures_and_results),
        cmocka_unit_test(notices_go_where_diagnostics_go),
        cmocka_unit_test(many_jobs_have_a_line_each),
        cmocka_unit_test(results_of_many_jobs_count),
        cmocka_unit_test(lines_of_jobs_side_by_side_are_never_torn),
        cmocka_unit_test(a_batch_is_one_job),
        cmocka_unit_test(without_a_terminal_progress_is_a_line_now_and_then),
        cmocka_unit_test(what_is_left_is_reckoned_with_pools),
        cmocka_unit_test(a_terminal_has_a_block_at_the_bottom),
        cmocka_unit_test(half_a_line_is_seen_within_a_tenth_of_a_second),
        cmocka_unit_test(the_bar_leaves_room_for_what_is_typed),
        cmocka_unit_test(what_a_job_left_on_is_off_in_what_is_ours),
        cmocka_unit_test(in_the_background_there_is_no_block),
        cmocka_unit_test(the_block_never_takes_the_whole_screen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
