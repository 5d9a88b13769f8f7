#include "report_fake.inc"

#include <signal.h>
#include <sys/stat.h>

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
      .signo = -1,
      .applications = "application_1_0001" },
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

static size_t n_there, n_more, told, told_before_text;
static int looked_at;
static struct sg_history_attempt many[16];
static struct sg_history_filter asked; /* the last that attempts were asked by */
static size_t n_many;

bool sg_history_runs(struct sg_history *h, const struct sg_history_run_filter *f,
                     sg_history_run_fn *fn, void *ctx, struct sg_error *err)
{
    (void)h;
    (void)err;
    for (size_t i = 0; i < n_there && (int64_t)i < f->limit; i++)
        if (!fn(ctx, &runs[i]))
            break;
    return true;
}

bool sg_history_attempts(struct sg_history *h, const struct sg_history_filter *f,
                         sg_history_attempt_fn *fn, void *ctx, struct sg_error *err)
{
    (void)h;
    (void)err;
    asked = *f;
    for (size_t i = 0; i < n_many; i++)
        if (!fn(ctx, &many[i]))
            return true;
    for (size_t i = 0; i < n_more; i++) {
        struct stat st;

        if (!fn(ctx, &attempts[0]))
            return true;
        told++;
        if (told_before_text == 0 && fstat(looked_at, &st) == 0 && st.st_size > 0)
            told_before_text = told;
    }
    for (size_t i = 0; i < n_there && (f->limit == 0 || (int64_t)i < f->limit); i++)
        if (!fn(ctx, &attempts[i]))
            break;
    return true;
}

bool sg_history_stages(struct sg_history *h, sg_history_stage_fn *fn, void *ctx,
                       struct sg_error *err)
{
    (void)h;
    (void)err;
    (void)!fn(ctx, "silver");
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
        "silver@2013-01-07T05    1  failed (exit 3)  12.4s  20.0s  1.9 GiB  14     0.4s  code s.py  application_1_0001\n"
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
        "\"exit_code\":3,\"signal\":null,\"applications\":\"application_1_0001\"},"
        "{\"run\":\"r1\",\"node\":\"dim\",\"stage\":\"dim\",\"label\":null,\"attempt\":null,"
        "\"result\":\"blocked\",\"reason\":\"missing\",\"detail\":\"x is not there\",\"log\":null,"
        "\"started\":\"2013-01-07T06:10:00Z\",\"seconds\":null,\"cpu_seconds\":null,"
        "\"peak_bytes\":null,\"peak_source\":null,\"read_bytes\":null,\"written_bytes\":null,"
        "\"jvms\":null,\"gc_count\":null,\"gc_seconds\":null,\"gc_longest_seconds\":null,"
        "\"heap_peak_bytes\":null,\"heap_used_bytes\":null,"
        "\"exit_code\":null,\"signal\":null,\"applications\":null}]\n");
    fake_out_done(&o);
}

/* Twelve good attempts in three runs, each slower and larger than the one before, one that failed
 * at once and one that nothing was run for. */
static void fill_many(void)
{
    static const char *const in[] = { "r1", "r2", "r1", "r3" };
    static char nodes[14][32];

    for (n_many = 0; n_many < 14; n_many++) {
        struct sg_history_attempt *a = &many[n_many];
        int64_t k = (int64_t)n_many + 1;

        *a = (struct sg_history_attempt){ .run = in[n_many / 4],
                                          .node = nodes[n_many],
                                          .stage = "silver",
                                          .result = n_many < 12 ? "ok" : "failed",
                                          .attempt = n_many < 13,
                                          .started_ms = INT64_C(1357539000000) + k * 3600000,
                                          SG_HISTORY_UNSEEN };
        snprintf(nodes[n_many], sizeof(nodes[0]), "silver@2013-01-07T%02d", (int)k);
        a->seconds = n_many < 12 ? 10.0 * (double)k : 0.1;
        if (n_many < 12)
            a->peak_bytes = k << 30;
        if (n_many == 4)
            a->gc_count = 3;
    }
    many[13].result = "blocked";
}

static void a_stage_is_summed_up_over_its_runs(void **state)
{
    struct fake_out o;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_history_filter f = { .stage = "silver" };

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    n_there = 0;
    fill_many();
    assert_true(sg_history_text_summary(&o.out, some(), &f, false, &err));
    assert_string_equal(
        fake_out_take(&o),
        "silver: 13 attempts in 3 runs, 2013-01-07T07:10:00Z … 2013-01-07T19:10:00Z; 12 ok, 1 failed, 1 blocked\n"
        "      SEEN   MEDIAN     P90     MAX  OF                    FIRST QUARTER  LAST QUARTER  CHANGE\n"
        "TIME    12   1m 05s  1m 50s  2m 00s  silver@2013-01-07T12          20.0s        1m 50s   +450%\n"
        "PEAK    12  6.5 GiB  11 GiB  12 GiB  silver@2013-01-07T12        2.0 GiB        11 GiB   +450%\n"
        "GC       1        3       3       3  silver@2013-01-07T05              -             -       -\n");
    assert_true(sg_history_text_summary(&o.out, some(), &f, true, &err));
    assert_string_equal(
        fake_out_take(&o),
        "[{\"stage\":\"silver\",\"attempts\":13,\"runs\":3,\"first\":\"2013-01-07T07:10:00Z\","
        "\"last\":\"2013-01-07T19:10:00Z\",\"results\":{\"ok\":12,\"failed\":1,\"blocked\":1},"
        "\"seconds\":{\"seen\":12,\"median\":65.000,\"p90\":110.000,\"max\":120.000,"
        "\"max_node\":\"silver@2013-01-07T12\",\"first_quarter\":20.000,\"last_quarter\":110.000},"
        "\"cpu_seconds\":null,"
        "\"peak_bytes\":{\"seen\":12,\"median\":6979321856,\"p90\":11811160064,\"max\":12884901888,"
        "\"max_node\":\"silver@2013-01-07T12\",\"first_quarter\":2147483648,"
        "\"last_quarter\":11811160064},"
        "\"gc_count\":{\"seen\":1,\"median\":3.000,\"p90\":3.000,\"max\":3.000,"
        "\"max_node\":\"silver@2013-01-07T05\",\"first_quarter\":null,\"last_quarter\":null},"
        "\"gc_seconds\":null,\"heap_used_bytes\":null}]\n");
    f.limit = 14; /* there may be more */
    assert_true(sg_history_text_summary(&o.out, some(), &f, false, &err));
    assert_non_null(strstr(fake_out_take(&o), "silver: the newest 13 attempts in 3 runs, 2013-"));
    f.limit = 0;
    n_many = 0;
    assert_true(sg_history_text_summary(&o.out, some(), &f, false, &err));
    assert_string_equal(fake_out_take(&o), "Nothing of that in the history.\n");
    assert_true(sg_history_text_summary(&o.out, NULL, &f, true, &err));
    assert_string_equal(fake_out_take(&o), "[]\n");
    fake_out_done(&o);
}

/* A limit of all stages together would leave some out. */
static void a_run_is_summed_up_stage_by_stage(void **state)
{
    struct fake_out o;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_history_filter f = { .run = "r1" };

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    n_there = 0;
    fill_many();
    assert_true(sg_history_text_summary(&o.out, some(), &f, false, &err));
    assert_string_equal(asked.stage, "silver");
    assert_string_equal(asked.run, "r1");
    assert_int_equal(asked.limit, 100000);
    f = (struct sg_history_filter){ .failed = true };
    assert_true(sg_history_text_summary(&o.out, some(), &f, false, &err));
    assert_string_equal(asked.stage, "silver");
    assert_true(asked.failed);
    assert_int_equal(asked.limit, 10000);
    n_many = 0;
    fake_out_done(&o);
}

static void the_rows_of_a_stage_end_with_its_summary(void **state)
{
    struct fake_out o;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_history_filter f = { .stage = "silver", .limit = 1 };
    const char *text;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    n_there = 0;
    fill_many();
    assert_true(sg_history_text_attempts(&o.out, some(), &f, false, &err));
    text = fake_out_take(&o);
    assert_int_equal(strncmp(text, "RUN  NODE", 9), 0);
    assert_non_null(strstr(text, "\n\nsilver: 13 attempts in 3 runs"));
    f.failed = true; /* of failures alone there is nothing to be said */
    assert_true(sg_history_text_attempts(&o.out, some(), &f, false, &err));
    assert_null(strstr(fake_out_take(&o), "attempts in"));
    n_many = 0;
    fake_out_done(&o);
}

static void rows_are_written_as_they_come(void **state)
{
    struct sg_history_filter f = { .limit = 10 };
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    n_there = 0;
    n_more = 50000;
    for (int json = 0; json < 2; json++) {
        struct fake_out o;
        struct sg_out out;
        int fds[2];

        fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
        looked_at = o.fd;
        told = told_before_text = 0;
        assert_true(sg_history_text_attempts(&o.out, some(), &f, json == 1, &err));
        assert_int_equal(told, n_more);
        assert_in_range(told_before_text, 1, 1100);
        assert_true(o.out.buf.cap < 1 << 20);
        fake_out_done(&o);
        /* Who has left is told no more. */
        assert_int_equal(pipe(fds), 0);
        sg_out_init(&out, &(struct sg_out_config){ .fd = fds[1], .patient = true });
        close(fds[0]);
        told = 0;
        assert_true(sg_history_text_attempts(&out, some(), &f, json == 1, &err));
        assert_in_range(told, 1, 1100);
        sg_out_done(&out, 0);
        close(fds[1]);
    }
    n_more = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_a_table),
        cmocka_unit_test(attempts_are_a_table),
        cmocka_unit_test(both_are_json),
        cmocka_unit_test(a_stage_is_summed_up_over_its_runs),
        cmocka_unit_test(a_run_is_summed_up_stage_by_stage),
        cmocka_unit_test(the_rows_of_a_stage_end_with_its_summary),
        cmocka_unit_test(rows_are_written_as_they_come),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
