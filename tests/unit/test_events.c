#define FAKE_PLAN
#include "report_fake.inc"

#include <signal.h>

#include "stagegraph/clock.h"
#include "stagegraph/events.h"

#define HEAD(name)                                                                                 \
    "{\"event\":\"" name                                                                           \
    "\",\"time\":\"2013-01-07T06:10:00.250Z\",\"run\":\"20130107T061000-3f2a9c\","

struct stream {
    struct fake_plan *plan;
    struct fake_out out;
    struct sg_events *events;
    struct sg_sink sink;
};

static void open_stream(struct stream *s, bool verbose)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_events_config c = { .out = &s->out.out, .verbose = verbose, .jobs = 1 };

    s->plan = fake_plan_new();
    fake_out_init(&s->out, (struct sg_out_config){ 0 });
    assert_true(sg_events_new(&c, &s->events, &err));
    s->sink = sg_events_sink(s->events);
}

static void close_stream(struct stream *s)
{
    sg_events_free(s->events);
    fake_out_done(&s->out);
    fake_plan_free(s->plan);
}

static struct sg_event node_event(struct stream *s, enum sg_event_kind kind)
{
    struct sg_event e = { .kind = kind,
                          .time = { utc("2013-01-07T06:10:00Z") * SG_NS_PER_S +
                                    250 * SG_NS_PER_MS },
                          .run = "20130107T061000-3f2a9c",
                          .command = "hourly",
                          .plan = as_plan(s->plan),
                          .node = "silver@2013-01-07T05",
                          .stage = &s->plan->stages[SILVER],
                          .detail = "",
                          .why = "",
                          .reason = SG_REASON_CODE,
                          .attempt = 1 };

    e.index = at(s->plan, SILVER, "2013-01-07T05");
    return e;
}

static const char *send(struct stream *s, const struct sg_event *e)
{
    s->sink.event(s->sink.ctx, e);
    return fake_out_take(&s->out);
}

static void each_event_has_its_fields(void **state)
{
    struct sg_job_end end = { .exit_code = 0,
                              .signo = -1,
                              .measure = { .seconds = 180.5,
                                           .cpu_seconds = 301.25,
                                           .peak_bytes = 2040109465,
                                           .peak_from_cgroup = true,
                                           .read_bytes = 4096,
                                           .written_bytes = 0,
                                           .jvms = 2,
                                           .gc_count = 14,
                                           .gc_seconds = 0.4125,
                                           .gc_longest_seconds = 0.1,
                                           .heap_peak_bytes = 1024,
                                           .heap_used_bytes = 512 } };
    struct stream s;
    struct sg_event e;

    (void)state;
    open_stream(&s, false);
    e = node_event(&s, SG_EVENT_RUN_STARTED);
    assert_string_equal(send(&s, &e),
                        HEAD("run_started") "\"command\":\"hourly\",\"profile\":null}\n");
    e.kind = SG_EVENT_PLAN;
    assert_memory_equal(send(&s, &e), HEAD("plan") "\"graph\":\"flights\"",
                        strlen(HEAD("plan") "\"graph\":\"flights\""));
    e = node_event(&s, SG_EVENT_NODE_STARTED);
    e.detail = "jobs/silver.py";
    e.log = "/state/silver.log";
    assert_string_equal(
        send(&s, &e),
        HEAD(
            "node_started") "\"node\":\"silver@2013-01-07T05\",\"stage\":\"silver\",\"reason\":\"code\","
                            "\"detail\":\"jobs/silver.py\",\"attempt\":1,\"log\":\"/state/silver.log\"}\n");
    e.kind = SG_EVENT_NODE_OUTPUT;
    e.bytes = "not without -v\n";
    e.n_bytes = strlen(e.bytes);
    assert_string_equal(send(&s, &e), "");
    e.kind = SG_EVENT_NODE_FINISHED;
    e.result = SG_RESULT_OK;
    e.seconds = 180.5;
    e.end = &end;
    assert_string_equal(
        send(&s, &e),
        HEAD(
            "node_finished") "\"node\":\"silver@2013-01-07T05\",\"stage\":\"silver\",\"result\":\"ok\","
                             "\"reason\":\"code\",\"seconds\":180.500,\"cpu_seconds\":301.250,"
                             "\"peak_bytes\":2040109465,\"peak_source\":\"cgroup\","
                             "\"read_bytes\":4096,\"written_bytes\":0,\"jvms\":2,"
                             "\"gc_count\":14,\"gc_seconds\":0.412,\"gc_longest_seconds\":0.100,"
                             "\"heap_peak_bytes\":1024,\"heap_used_bytes\":512,"
                             "\"exit_code\":0,\"signal\":null,\"attempt\":1,"
                             "\"log\":\"/state/silver.log\",\"applications\":null}\n");
    e.result = SG_RESULT_CHECK_FAILED;
    e.seconds = 0.5;
    e.end = NULL; /* nothing was seen */
    e.log = NULL;
    e.apps = &(struct sg_yarn_apps){
        .n = 2,
        .at = (struct sg_yarn_app[]){ { .id = "application_1_0001",
                                        .state = "KILLED",
                                        .final_status = "KILLED",
                                        .tracking_url = "http://rm/1",
                                        .killed = "RUNNING" },
                                      { .id = "application_1_0002",
                                        .state = "FINISHED",
                                        .final_status = "",
                                        .tracking_url = "" } },
    };
    assert_string_equal(
        send(&s, &e),
        HEAD(
            "node_finished") "\"node\":\"silver@2013-01-07T05\",\"stage\":\"silver\","
                             "\"result\":\"check_failed\",\"reason\":\"code\",\"seconds\":0.500,"
                             "\"cpu_seconds\":null,\"peak_bytes\":null,\"peak_source\":null,"
                             "\"read_bytes\":null,\"written_bytes\":null,\"jvms\":null,"
                             "\"gc_count\":null,\"gc_seconds\":null,\"gc_longest_seconds\":null,"
                             "\"heap_peak_bytes\":null,\"heap_used_bytes\":null,\"exit_code\":null,\"signal\":null,\"attempt\":1,"
                             "\"log\":null,\"applications\":["
                             "{\"id\":\"application_1_0001\",\"state\":\"KILLED\","
                             "\"final_status\":\"KILLED\",\"tracking_url\":\"http://rm/1\","
                             "\"killed\":true},{\"id\":\"application_1_0002\","
                             "\"state\":\"FINISHED\",\"final_status\":null,"
                             "\"tracking_url\":null,\"killed\":false}]}\n");
    e.kind = SG_EVENT_NODE_SKIPPED;
    e.result = SG_RESULT_BUSY;
    e.why = "held by run x";
    assert_string_equal(
        send(&s, &e),
        HEAD(
            "node_skipped") "\"node\":\"silver@2013-01-07T05\",\"stage\":\"silver\",\"result\":\"busy\","
                            "\"detail\":\"held by run x\"}\n");
    e.kind = SG_EVENT_NODE_RETRY;
    assert_string_equal(send(&s, &e), "");
    e.kind = SG_EVENT_NOTICE;
    assert_string_equal(send(&s, &e), "");
    e.kind = SG_EVENT_RUN_FINISHED;
    e.exit_status = 130;
    e.signo = SIGINT;
    e.seconds = 12;
    e.n_result[SG_RESULT_OK] = 3;
    assert_string_equal(
        send(&s, &e),
        HEAD(
            "run_finished") "\"exit_status\":130,\"signal\":2,\"seconds\":12.000,\"results\":{\"ok\":3,"
                            "\"unchanged\":0,\"completed\":0,\"failed\":0,\"timeout\":0,"
                            "\"check_failed\":0,\"input_moved\":0,\"trespass\":0,\"oom\":0,"
                            "\"interrupted\":0,\"blocked\":0,\"busy\":0}}\n");
    e.has_traffic = true;
    e.traffic = (struct sg_store_traffic){ 97, 831000 };
    assert_non_null(
        strstr(send(&s, &e), "\"busy\":0},\"store_requests\":97,\"store_bytes\":831000}\n"));
    close_stream(&s);
}

#define OUTPUT(text)                                                                               \
    HEAD("node_output")                                                                            \
    "\"node\":\"silver@2013-01-07T05\",\"stage\":\"silver\",\"attempt\":1,\"text\":\"" text "\"}\n"

static void output_is_cut_into_whole_characters(void **state)
{
    static const struct {
        const char *bytes, *text; /* text NULL: nothing yet */
    } rows[] = {
        { "a\tb\n", OUTPUT("a\\tb\\n") },
        { "caf\xc3", OUTPUT("caf") },
        { "\xa9!", OUTPUT("é!") },
        { "\xe2\x82", NULL },
        { "\xac", OUTPUT("€") },
        { "\xf0", NULL },
        { "\x9f", NULL },
        { "\x9a\x80", OUTPUT("🚀") },
        { "x\xff", OUTPUT("x\xef\xbf\xbd") }, /* can't become a character */
        { "\xc3", NULL },
        { "(", OUTPUT("\xef\xbf\xbd(") },
        { "end\xe2\x80", OUTPUT("end") },
    };
    struct stream s;
    struct sg_event e;

    (void)state;
    open_stream(&s, true);
    e = node_event(&s, SG_EVENT_NODE_OUTPUT);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        e.bytes = rows[i].bytes;
        e.n_bytes = strlen(rows[i].bytes);
        assert_string_equal(send(&s, &e), rows[i].text != NULL ? rows[i].text : "");
    }
    /* What never got its rest comes with the end. */
    e = node_event(&s, SG_EVENT_NODE_FINISHED);
    e.result = SG_RESULT_OK;
    assert_memory_equal(send(&s, &e), OUTPUT("\xef\xbf\xbd\xef\xbf\xbd"),
                        strlen(OUTPUT("\xef\xbf\xbd\xef\xbf\xbd")));
    close_stream(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_has_its_fields),
        cmocka_unit_test(output_is_cut_into_whole_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
