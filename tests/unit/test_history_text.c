#include "report_fake.inc"

#include "stagegraph/history_text.h"

static const struct sg_history_run runs[] = {
    { .run = "20130201T001000-3f2a9c",
      .command = "backfill --from 2013-01-01 -j2",
      .profile = "backfill",
      .started_ms = INT64_C(1359677400000),
      .now_s = 1359677400,
      .explicit_range = true,
      .exit_status = -1,
      .pid = 7,
      .host = "h",
      .n_planned = 75 },
    { .run = "20130107T061000-aaaaaa",
      .command = "hourly",
      .started_ms = INT64_C(1357539000000),
      .ended_ms = INT64_C(1357539546000),
      .now_s = 1357539000,
      .exit_status = 1,
      .pid = 8,
      .n_ok = 1200,
      .n_failed = 2,
      .n_blocked = 1,
      .n_planned = 1203 },
};

static const struct sg_history_attempt attempts[] = {
    { .run = "r1",
      .node = "silver@2013-01-07T05",
      .stage = "silver",
      .label = "2013-01-07T05",
      .result = "failed",
      .reason = "code",
      .detail = "s.py",
      .log = "/l",
      .attempt = 1,
      .started_ms = INT64_C(1357539000000),
      .seconds = 12.4,
      .cpu_seconds = 20,
      .peak_bytes = 2040109465,
      .peak_source = "proc",
      .read_bytes = 4096,
      .written_bytes = 8192,
      .jvms = 2,
      .gc_count = 14,
      .gc_seconds = 0.4,
      .gc_longest_seconds = 0.05,
      .heap_peak_bytes = 1 << 30,
      .heap_used_bytes = 1 << 20,
      .exit_code = 3,
      .signo = -1 },
    { .run = "r1",
      .node = "dim",
      .detail = "x is not there",
      .stage = "dim",
      .label = "",
      .result = "blocked",
      .reason = "missing",
      .attempt = 0,
      .started_ms = INT64_C(1357539000000),
      SG_HISTORY_UNSEEN },
};

static size_t n_there;

bool sg_history_runs(struct sg_history *h, int64_t limit, sg_history_run_fn *fn, void *ctx,
                     struct sg_error *err)
{
    (void)h;
    (void)err;
    for (size_t i = 0; i < n_there && (int64_t)i < limit; i++)
        if (!fn(ctx, &runs[i]))
            break;
    return true;
}

bool sg_history_attempts(struct sg_history *h, const char *run, const char *stage, const char *node,
                         bool failed, int64_t limit, sg_history_attempt_fn *fn, void *ctx,
                         struct sg_error *err)
{
    (void)h;
    (void)run;
    (void)stage;
    (void)node;
    (void)failed;
    (void)err;
    for (size_t i = 0; i < n_there && (int64_t)i < limit; i++)
        if (!fn(ctx, &attempts[i]))
            break;
    return true;
}

static struct sg_history *some(void)
{
    return (void *)&n_there;
}

static void runs_are_a_table(void **state)
{
    struct fake_out o;
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    n_there = 2;
    assert_true(sg_history_text_runs(&o.out, some(), 10, false, &err));
    assert_string_equal(
        fake_out_take(&o),
        "RUN                     STARTED                 TIME   DONE  UNCHANGED  FAILED  BLOCKED  BUSY  STATUS      COMMAND\n"
        "20130201T001000-3f2a9c  2013-02-01T00:10:00Z       -      0          0       0        0     0  unfinished  backfill --from 2013-01-01 -j2\n"
        "20130107T061000-aaaaaa  2013-01-07T06:10:00Z  9m 06s  1,200          0       2        1     0  exit 1      hourly\n");
    n_there = 0;
    assert_true(sg_history_text_runs(&o.out, some(), 10, false, &err));
    assert_string_equal(fake_out_take(&o), "No runs yet.\n");
    assert_true(sg_history_text_runs(&o.out, NULL, 10, true, &err));
    assert_string_equal(fake_out_take(&o), "[]\n");
    fake_out_done(&o);
}

static void attempts_are_a_table(void **state)
{
    struct fake_out o;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_history_filter f = { .run = "r1", .limit = 10 };

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    n_there = 2;
    assert_true(sg_history_text_attempts(&o.out, some(), &f, false, &err));
    assert_string_equal(
        fake_out_take(&o),
        "NODE                  TRY  RESULT            TIME    CPU     PEAK  GC  GC TIME  REASON\n"
        "silver@2013-01-07T05    1  failed (exit 3)  12.4s  20.0s  1.9 GiB  14     0.4s  code s.py\n"
        "dim                     -  blocked              -      -        -   -        -  missing: x is not there\n");
    fake_out_done(&o);
}

static void both_are_json(void **state)
{
    struct fake_out o;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_history_filter f = { .limit = 10 };

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    n_there = 2;
    assert_true(sg_history_text_runs(&o.out, some(), 1, true, &err));
    assert_string_equal(
        fake_out_take(&o),
        "[{\"run\":\"20130201T001000-3f2a9c\",\"command\":\"backfill --from 2013-01-01 -j2\","
        "\"profile\":\"backfill\",\"started\":\"2013-02-01T00:10:00Z\",\"ended\":null,"
        "\"now\":\"2013-02-01T00:10:00Z\",\"explicit_range\":true,\"exit_status\":null,\"pid\":7,"
        "\"host\":\"h\",\"planned\":75,\"ok\":0,\"unchanged\":0,\"failed\":0,\"blocked\":0,"
        "\"busy\":0}]\n");
    assert_true(sg_history_text_attempts(&o.out, some(), &f, true, &err));
    assert_string_equal(
        fake_out_take(&o),
        "[{\"run\":\"r1\",\"node\":\"silver@2013-01-07T05\",\"stage\":\"silver\","
        "\"label\":\"2013-01-07T05\",\"attempt\":1,\"result\":\"failed\",\"reason\":\"code\","
        "\"detail\":\"s.py\",\"log\":\"/l\",\"started\":\"2013-01-07T06:10:00Z\",\"seconds\":12.400,"
        "\"cpu_seconds\":20.000,\"peak_bytes\":2040109465,\"peak_source\":\"proc\","
        "\"read_bytes\":4096,\"written_bytes\":8192,\"jvms\":2,\"gc_count\":14,"
        "\"gc_seconds\":0.400,\"gc_longest_seconds\":0.050,"
        "\"heap_peak_bytes\":1073741824,\"heap_used_bytes\":1048576,"
        "\"exit_code\":3,\"signal\":null},"
        "{\"run\":\"r1\",\"node\":\"dim\",\"stage\":\"dim\",\"label\":null,\"attempt\":null,"
        "\"result\":\"blocked\",\"reason\":\"missing\",\"detail\":\"x is not there\",\"log\":null,"
        "\"started\":\"2013-01-07T06:10:00Z\",\"seconds\":null,\"cpu_seconds\":null,"
        "\"peak_bytes\":null,\"peak_source\":null,\"read_bytes\":null,\"written_bytes\":null,"
        "\"jvms\":null,\"gc_count\":null,\"gc_seconds\":null,\"gc_longest_seconds\":null,"
        "\"heap_peak_bytes\":null,\"heap_used_bytes\":null,"
        "\"exit_code\":null,\"signal\":null}]\n");
    fake_out_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_a_table),
        cmocka_unit_test(attempts_are_a_table),
        cmocka_unit_test(both_are_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
