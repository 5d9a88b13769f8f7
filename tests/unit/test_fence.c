/* A run whose store says in the middle that its claims may be another's: real jobs under real
 * shims, on a local store with another answer to sg_store_fenced(). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/run.h"

#include "../../src/store/store_impl.h"
#include "world.h"

#define NODE "a@2024-01-01T00"
#define WHY  "lost its claim: the store could not be reached for 3m 00s"

/* A job that says so when it is up, and then goes on until it is ended. */
#define STAGE(trap, keys)                                                                          \
    "[stage a]\ncommand = sh -c \"trap '" trap "' TERM; echo $$$$; while :; do sleep 0.05; done\"" \
    "\noutput = a/${ds}/${HH}\n" keys

static struct {
    struct world w;
    struct sg_loop *loop;
    struct sg_store_ops ops;
    const struct sg_store_ops *plain;
    struct sg_run *run;
    struct sg_error err;
    bool lost, suspends;
    int64_t left_ms;
    unsigned asked, verified;
    pid_t job;
    enum sg_result result;
    char why[600];
    char notices[2000]; /* a line each */
    unsigned troubled;  /* how often it was asked for trouble */
    int64_t again_ms;   /* 0: soon */
} t;

static bool fenced(struct sg_store *s, struct sg_fence *ret)
{
    (void)s;
    t.asked++;
    *ret = (struct sg_fence){ .again_ms = t.again_ms != 0 ? t.again_ms : 5, .left_ms = t.left_ms };
    snprintf(ret->why, sizeof(ret->why), "%s", t.lost ? WHY : "");
    return t.lost;
}

#define SILENT "waiting for HDFS: MKDIRS /w at http://nn: no answer yet, up to 2m 00s"

/* Silent at the third look and some more, answered from the tenth on. */
static bool trouble(struct sg_store *s, struct sg_store_trouble *ret)
{
    const unsigned n = ++t.troubled;

    (void)s;
    *ret = (struct sg_store_trouble){ .answered = { n >= 10 ? sg_mono_now().ns : 1 } };
    if (n < 3 || n >= 7)
        return false;
    snprintf(ret->why, sizeof(ret->why), "%s", SILENT);
    return true;
}

static bool verify(struct sg_store *s, const struct sg_store_claim *claim, bool *ret,
                   struct sg_error *err)
{
    t.verified++;
    return t.lost ? sg_error_set(err, SG_ERROR_STORE, 0, "%s", WHY)
                  : t.plain->claim_verify(s, claim, ret, err);
}

static void on_event(void *ctx, const struct sg_event *e)
{
    (void)ctx;
    if (e->kind == SG_EVENT_NODE_OUTPUT && t.job == 0) {
        t.job = (pid_t)strtol(e->bytes, NULL, 10);
        if (t.suspends)
            sg_run_suspend(t.run, true);
        t.lost = true;
        if (t.suspends)
            sg_run_suspend(t.run, false);
    }
    if (e->kind == SG_EVENT_NOTICE)
        snprintf(t.notices + strlen(t.notices), sizeof(t.notices) - strlen(t.notices), "%s\n",
                 e->text);
    if (e->kind == SG_EVENT_NODE_FINISHED) {
        t.result = e->result;
        snprintf(t.why, sizeof(t.why), "%s", e->why);
    }
}

static void open_run(const char *stage)
{
    static char path[] = "PATH=/usr/bin:/bin";
    static char *const environment[] = { path, NULL };
    static const struct sg_sink sink = { .event = on_event };
    char graph[1000];

    memset(&t, 0, sizeof(t));
    if (getenv("STAGEGRAPH_SHIM") == NULL)
        skip();
    snprintf(graph, sizeof(graph), "%s%s", HEAD, stage);
    world_open(&t.w, graph);
    world_at(&t.w, "2024-01-01T01:00:00Z");
    world_plan(&t.w);
    assert_says(&t.w, NODE, "run missing");
    t.plain = t.w.store->ops;
    t.ops = *t.plain;
    t.ops.fenced = fenced;
    t.ops.claim_verify = verify;
    t.w.store->ops = &t.ops;
    if (!sg_loop_new(2, &t.loop, &t.err))
        fail_msg("%s", t.err.text);
    struct sg_run_config c = { .loop = t.loop,
                               .plan = t.w.plan,
                               .store = t.w.store,
                               .run_id = "20240101T010000-0000aa",
                               .command = "run",
                               .profile = "",
                               .shim = getenv("STAGEGRAPH_SHIM"),
                               .environ_ = environment,
                               .host = "h",
                               .boot = "b",
                               .jobs = 1,
                               .sinks = &sink,
                               .n_sinks = 1 };
    if (!sg_run_new(&c, &t.run, &t.err))
        fail_msg("%s", t.err.text);
}

static void close_run(void)
{
    sg_run_free(t.run);
    sg_loop_free(t.loop);
    t.w.store->ops = t.plain;
    world_close(&t.w);
}

/* The node failed for the store, its process is gone, and there is no marker; the run says so. */
static void check_lost(void)
{
    assert_false(sg_run_go(t.run, &t.err));
    assert_int_equal(t.err.code, SG_ERROR_STORE);
    assert_string_equal(t.err.text, WHY);
    assert_int_equal(t.result, SG_RESULT_FAILED);
    assert_string_equal(t.why, WHY);
    assert_true(t.job > 0);
    assert_int_equal(kill(t.job, 0), -1);
    assert_true(t.verified > 0);
    assert_false(scratch_has(&t.w.scratch, "store/a/2024-01-01/00/_SUCCESS"));
    assert_true(scratch_has(&t.w.scratch, "store/_stagegraph/claims/a/2024-01-01T00"));
}

static void a_lost_store_ends_the_jobs_and_the_run(void **state)
{
    (void)state;
    open_run(STAGE("exit 3", ""));
    t.left_ms = 60000;
    check_lost();
    close_run();
}

/* Its grace is an hour, which would keep the test for as long. */
static void no_grace_goes_beyond_the_lease(void **state)
{
    (void)state;
    open_run(STAGE("", "grace = 1h\n"));
    t.left_ms = 20;
    check_lost();
    close_run();
}

static void without_any_time_left_jobs_are_killed_at_once(void **state)
{
    (void)state;
    open_run(STAGE("", "grace = 1h\n"));
    check_lost();
    close_run();
}

/* The job is stopped when it is found out. */
static void a_run_that_was_stopped_for_too_long_looks_before_it_goes_on(void **state)
{
    (void)state;
    open_run(STAGE("", "grace = 1h\n"));
    t.suspends = true;
    check_lost();
    close_run();
}

static void a_silent_store_is_told_of_once_and_when_it_answers(void **state)
{
    (void)state;
    open_run("[stage a]\ncommand = sh -c \"sleep 1; mkdir -p ${output}; : >${output}/part\"\n"
             "output = a/${ds}/${HH}\n");
    t.ops.trouble = trouble;
    if (!sg_run_go(t.run, &t.err))
        fail_msg("%s", t.err.text);
    assert_true(t.troubled >= 10);
    assert_string_equal(t.notices, SILENT "\nHDFS answers again, 0s later\n");
    close_run();
}

static bool trouble_at_first(struct sg_store *s, struct sg_store_trouble *ret)
{
    const bool first = t.troubled++ == 0;

    (void)s;
    *ret = (struct sg_store_trouble){ .answered = { first ? 1 : sg_mono_now().ns } };
    if (first)
        snprintf(ret->why, sizeof(ret->why), "%s", SILENT);
    return first;
}

/* The next look would come in an hour. */
static void that_a_store_answers_again_is_told_at_the_latest_when_the_run_ends(void **state)
{
    (void)state;
    open_run("[stage a]\ncommand = sh -c \"mkdir -p ${output}; : >${output}/part\"\n"
             "output = a/${ds}/${HH}\n");
    t.ops.trouble = trouble_at_first;
    t.again_ms = 3600000;
    if (!sg_run_go(t.run, &t.err))
        fail_msg("%s", t.err.text);
    assert_int_equal(t.troubled, 2);
    assert_string_equal(t.notices, SILENT "\nHDFS answers again, 0s later\n");
    close_run();
}

static void a_local_store_is_asked_once(void **state)
{
    struct sg_fence f = { .again_ms = 1 };

    (void)state;
    open_run("[stage a]\ncommand = sh -c \"mkdir -p ${output}; : >${output}/part\"\n"
             "output = a/${ds}/${HH}\n");
    t.ops.fenced = NULL;
    assert_false(sg_store_fenced(t.w.store, &f));
    assert_int_equal(f.again_ms, 0);
    if (!sg_run_go(t.run, &t.err))
        fail_msg("%s", t.err.text);
    assert_int_equal(t.result, SG_RESULT_OK);
    close_run();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_store_ends_the_jobs_and_the_run),
        cmocka_unit_test(no_grace_goes_beyond_the_lease),
        cmocka_unit_test(without_any_time_left_jobs_are_killed_at_once),
        cmocka_unit_test(a_run_that_was_stopped_for_too_long_looks_before_it_goes_on),
        cmocka_unit_test(a_silent_store_is_told_of_once_and_when_it_answers),
        cmocka_unit_test(that_a_store_answers_again_is_told_at_the_latest_when_the_run_ends),
        cmocka_unit_test(a_local_store_is_asked_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
