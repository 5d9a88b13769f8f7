#define FAKE_PLAN
#include "report_fake.inc"

#include "stagegraph/clock.h"
#include "stagegraph/recorder.h"

/* A history that writes down what it is told, and can fail from the n-th call on. */
static struct {
    char told[4000];
    int calls, fail_from;
} history;

static bool tell(struct sg_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static bool tell(struct sg_error *err, const char *fmt, ...)
{
    size_t n = strlen(history.told);
    va_list ap;

    if (++history.calls >= history.fail_from && history.fail_from > 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, 0, "history.sqlite: disk I/O error");
    va_start(ap, fmt);
    vsnprintf(history.told + n, sizeof(history.told) - n, fmt, ap);
    va_end(ap);
    return true;
}

bool sg_history_run_begin(struct sg_history *h, const struct sg_history_run *r,
                          struct sg_error *err)
{
    (void)h;
    return tell(err, "begin %s|%s|%s|%s|%lld|%lld|%d|%d|%d|%s|%s|%lld\n", r->run, r->command,
                r->profile, r->request, (long long)r->started_ms, (long long)r->now_s,
                r->explicit_range, r->exit_status, r->pid, r->host, r->boot,
                (long long)r->n_planned);
}

bool sg_history_run_end(struct sg_history *h, const struct sg_history_run *r, struct sg_error *err)
{
    (void)h;
    return tell(err, "end %s|%lld|%d|ok %lld|unchanged %lld|failed %lld|blocked %lld|busy %lld\n",
                r->run, (long long)r->ended_ms, r->exit_status, (long long)r->n_ok,
                (long long)r->n_unchanged, (long long)r->n_failed, (long long)r->n_blocked,
                (long long)r->n_busy);
}

bool sg_history_attempt_add(struct sg_history *h, const struct sg_history_attempt *a,
                            struct sg_error *err)
{
    (void)h;
    return tell(
        err,
        "%s|%s|%s|%u|%s|%s|%s|%s|%lld|%.1f|%.1f|%lld %s|%lld %lld|%d|%lld|%.1f %.1f|%lld %lld|%d|%d|%s\n",
        a->node, a->stage, a->label, a->attempt, a->result, a->reason, a->detail,
        a->log != NULL ? a->log : "-", (long long)a->started_ms, a->seconds, a->cpu_seconds,
        (long long)a->peak_bytes, a->peak_source != NULL ? a->peak_source : "-",
        (long long)a->read_bytes, (long long)a->written_bytes, a->jvms, (long long)a->gc_count,
        a->gc_seconds, a->gc_longest_seconds, (long long)a->heap_peak_bytes,
        (long long)a->heap_used_bytes, a->exit_code, a->signo,
        a->applications != NULL ? a->applications : "-");
}

bool sg_history_flush(struct sg_history *h, struct sg_error *err)
{
    (void)h;
    return tell(err, "flush\n");
}

void sg_plan_count(const struct sg_plan *p, struct sg_plan_counts *ret)
{
    *ret = ((const struct fake_plan *)(const void *)p)->view.counts;
}

static char notices[1000];

static void keep_notice(void *ctx, const char *text)
{
    (void)ctx;
    strcat(strcat(notices, text), "\n");
}

static struct sg_event node_event(struct fake_plan *f, enum sg_event_kind kind)
{
    struct sg_event e = { .kind = kind,
                          .time = { INT64_C(1357539000) * SG_NS_PER_S },
                          .run = "run1",
                          .profile = "hourly",
                          .plan = as_plan(f),
                          .node = "silver@2013-01-07T05",
                          .stage = &f->stages[SILVER],
                          .detail = "",
                          .why = "",
                          .reason = SG_REASON_CODE,
                          .attempt = 2 };

    e.index = at(f, SILVER, "2013-01-07T05");
    return e;
}

static void run_all(struct fake_plan *f)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_job_end end = { .exit_code = 3,
                              .signo = -1,
                              .measure = { .cpu_seconds = 20,
                                           .peak_bytes = 100,
                                           .peak_from_cgroup = true,
                                           .read_bytes = 7,
                                           .written_bytes = 8,
                                           .jvms = 3,
                                           .gc_count = 2,
                                           .gc_seconds = 0.5,
                                           .gc_longest_seconds = 0.2,
                                           .heap_peak_bytes = 50,
                                           .heap_used_bytes = 40 } };
    struct sg_recorder_config c = { .history = (void *)&history,
                                    .command = "hourly -j2",
                                    .request = "{}",
                                    .now_s = 1357539000,
                                    .explicit_range = true,
                                    .pid = 77,
                                    .host = "h",
                                    .boot = "b",
                                    .notice = keep_notice };
    struct sg_recorder *r = NULL;
    struct sg_sink sink;
    struct sg_event e;

    f->view.counts.run = 3;
    assert_true(sg_recorder_new(&c, &r, &err));
    sink = sg_recorder_sink(r);
    e = node_event(f, SG_EVENT_RUN_STARTED);
    sink.event(sink.ctx, &e);
    e.kind = SG_EVENT_PLAN;
    sink.event(sink.ctx, &e);
    e = node_event(f, SG_EVENT_NODE_FINISHED);
    e.result = SG_RESULT_FAILED;
    e.detail = "jobs/silver.py";
    e.why = "exit 3";
    e.log = "/state/1.log";
    e.seconds = 12.5;
    e.attempt_seconds = 13;
    e.end = &end;
    e.apps = &(struct sg_yarn_apps){
        .n = 2,
        .at = (struct sg_yarn_app[]){ { .id = "application_1_0001" },
                                      { .id = "application_1_0002" } },
    };
    sink.event(sink.ctx, &e);
    e = node_event(f, SG_EVENT_NODE_SKIPPED);
    e.result = SG_RESULT_BLOCKED;
    e.why = "behind bronze@2013-01-07T05";
    sink.event(sink.ctx, &e);
    e = node_event(f, SG_EVENT_RUN_FINISHED);
    e.exit_status = 1;
    e.n_result[SG_RESULT_OK] = 5;
    e.n_result[SG_RESULT_UNCHANGED] = 1;
    e.n_result[SG_RESULT_COMPLETED] = 1;
    e.n_result[SG_RESULT_FAILED] = 1;
    e.n_result[SG_RESULT_TIMEOUT] = 1;
    e.n_result[SG_RESULT_BLOCKED] = 4;
    sink.event(sink.ctx, &e);
    sg_recorder_free(r);
}

static void a_run_and_its_attempts_are_kept(void **state)
{
    struct fake_plan *f = fake_plan_new();

    (void)state;
    memset(&history, 0, sizeof(history));
    run_all(f);
    assert_string_equal(
        history.told,
        "begin run1|hourly -j2|hourly|{}|1357539000000|1357539000|1|-1|77|h|b|3\n"
        "silver@2013-01-07T05|silver|2013-01-07T05|2|failed|code|jobs/silver.py|/state/1.log|"
        "1357538987000|12.5|20.0|100 cgroup|7 8|3|2|0.5 0.2|50 40|3|-1|application_1_0001 application_1_0002\n"
        "silver@2013-01-07T05|silver|2013-01-07T05|0|blocked|code|behind bronze@2013-01-07T05|-|"
        "1357539000000|nan|nan|-1 -|-1 -1|-1|-1|nan nan|-1 -1|-1|-1|-\n"
        "end run1|1357539000000|1|ok 5|unchanged 2|failed 2|blocked 4|busy 0\n"
        "flush\n");
    assert_string_equal(notices, "");
    fake_plan_free(f);
}

/* Whichever call fails: it is told once, and nothing more is tried. */
static void a_failing_history_is_told_once_and_fails_nothing(void **state)
{
    struct fake_plan *f = fake_plan_new();

    (void)state;
    for (int k = 1; k <= 5; k++) {
        memset(&history, 0, sizeof(history));
        notices[0] = '\0';
        history.fail_from = k;
        run_all(f);
        assert_int_equal(history.calls, k);
        assert_string_equal(notices,
                            "the history of this run is not kept: history.sqlite: disk I/O "
                            "error\n");
    }
    notices[0] = '\0';
    fake_plan_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_and_its_attempts_are_kept),
        cmocka_unit_test(a_failing_history_is_told_once_and_fails_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
