/* A node's attempt as a whole: its steps in order, dead claims, faults and crashes at every call.
 */
#include "stagegraph/attempt.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "trial.h"

#define GRAPH  HEAD LANDING BRONZE
#define MARKER TRIAL_OUT "/_SUCCESS"
#define NONCE  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* of world_claim() */
#define DEAD   "20240101T005959-0000dd"

static bool has(const struct trial *t, const char *path)
{
    return scratch_has(&t->w.scratch, path);
}

/* ---- the steps ---- */

/* Where the trace has the step, which it must have; the next is looked for behind it. */
static const char *after(const char *trace, const char *step)
{
    const char *at = strstr(trace, step);

    if (at == NULL)
        fail_msg("no %s in: %s", step, trace);
    return at + strlen(step);
}

static void the_steps_come_in_their_order_each_durable_before_the_next(void **state)
{
    const char *at;
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_make(&t, TRIAL_NODE, "v1");
    t.forced = true;
    trial_graph(&t, HEAD LANDING "[stage bronze]\nneeds = landing\ncommand = other ${output}\n"
                                 "output = bronze/${ds}/${HH}\n");
    trial_plan(&t);
    sg_fake_store_arm(t.fake, (struct sg_fault){ .at = 0 });
    t.a = trial_attempt(&t, TRIAL_NODE, 1, 1);
    at = after(sg_fake_store_trace(t.fake), "fsync:.2024-01-01T00.*.tmp"); /* 1: the claim */
    at = after(after(at, "rename:2024-01-01T00"), "fsync:bronze");
    at = after(after(at, "unlink:_SUCCESS"), "fsync:00"); /* 2: the marker goes */
    assert_string_equal(at, "");
    assert_true(t.a->to_run);

    trial_work(&t, "v2"); /* 3 */

    sg_fake_store_arm(t.fake, (struct sg_fault){ .at = 0 });
    trial_end(&t, SG_RESULT_OK);
    at = after(sg_fake_store_trace(t.fake), "fsync:part-0"); /* 5: the output, versioned */
    at = after(after(after(at, "fsync:00"), "rename:*"), "fsync:recipes"); /* the recipe */
    at = after(after(at, "fsync:._SUCCESS.*.tmp"), "rename:_SUCCESS");     /* the receipt */
    at = after(after(at, "fsync:00"), "unlink:2024-01-01T00");             /* 6: the claim goes */
    assert_string_equal(at, "");
    assert_whole(&t, TRIAL_NODE);
    trial_close(&t);
}

static void an_attempt_costs_no_more_flushes_than_promised(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_birth birth;
    struct trial t;
    unsigned n;

    (void)state;
    trial_open(&t, GRAPH);
    trial_make(&t, TRIAL_NODE, "v1"); /* directories and recipe are there */
    t.forced = true;
    trial_plan(&t);
    sg_fake_store_arm(t.fake, (struct sg_fault){ .at = 0 });
    sg_attempt_free(t.a);
    t.a = trial_attempt(&t, TRIAL_NODE, 2, 1);
    n = sg_fake_store_count(t.fake, "fsync");
    trial_work(&t, "v2");
    sg_fake_store_arm(t.fake, (struct sg_fault){ .at = 0 });
    trial_end(&t, SG_RESULT_OK);
    n += sg_fake_store_count(t.fake, "fsync");
    assert_true(sg_store_birth(t.run.store, "bronze/2024-01-01/00", &birth, &err));
    /* and one a data file; and the output's name, where it can't be told whether it is the same */
    assert_in_range(n, 1, 6 + 1 + (birth.born_ns == 0));
    trial_close(&t);
}

/* Flushes of the directory in which the output has its name, by an attempt that makes it anew or
 * writes into it. */
static unsigned flushes_of_the_name(struct trial *t, enum sg_result job)
{
    unsigned n = 0;

    trial_begin(t, TRIAL_NODE);
    trial_work(t, "v");
    sg_fake_store_arm(t->fake, (struct sg_fault){ .at = 0 });
    trial_end(t, job);
    for (const char *at = sg_fake_store_trace(t->fake);
         (at = strstr(at, "fsync:2024-01-01 ")) != NULL; at++)
        n++;
    return n;
}

static void an_outputs_name_is_flushed_unless_a_receipt_spoke_of_it(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_birth birth;
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    assert_int_equal(flushes_of_the_name(&t, SG_RESULT_FAILED), 0); /* but the job has made it */
    assert_int_equal(flushes_of_the_name(&t, SG_RESULT_OK), 1);
    t.forced = true;
    assert_true(sg_store_birth(t.run.store, "bronze/2024-01-01/00", &birth, &err));
    /* where it can't be told that it is the same one, it is flushed */
    assert_int_equal(flushes_of_the_name(&t, SG_RESULT_OK), birth.born_ns != 0 ? 0 : 1);
    trial_close(&t);
}

static void a_claim_and_a_receipt_say_who_and_when(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_arena arena = SG_ARENA_INIT;
    struct sg_receipt r;
    struct sg_marker m;
    struct sg_owner o;
    struct trial t;
    bool valid;
    char *text;

    (void)state;
    trial_open(&t, GRAPH);
    trial_plan(&t);
    t.a = trial_attempt(&t, TRIAL_NODE, 3, 1);
    text = scratch_read(&t.w.scratch, TRIAL_CLAIM, NULL);
    assert_non_null(text);
    assert_true(sg_owner_parse(&arena, sg_span_of(text), &o, &valid, &err));
    assert_true(valid);
    assert_string_equal(o.node, TRIAL_NODE);
    assert_string_equal(o.run, TRIAL_RUN);
    assert_string_equal(o.host, "here");
    assert_int_equal(o.attempt, 3);
    assert_int_equal(o.pid, getpid());
    assert_string_equal(o.nonce, t.a->nonce);
    free(text);
    trial_work(&t, "v1");
    trial_end(&t, SG_RESULT_OK);
    assert_true(sg_marker_read(t.w.store, "bronze/2024-01-01/00", "_SUCCESS", TRIAL_NODE, &arena,
                               &m, &r, &err));
    assert_int_equal(m.kind, SG_MARKER_DONE);
    assert_string_equal(r.run, TRIAL_RUN);
    assert_int_equal(r.attempt, 3);
    assert_true(r.started_s == t.a->started_s && r.started_s > 0);
    assert_true(r.seconds == 1.5);
    assert_int_equal(r.n_inputs, 1);
    assert_false(has(&t, TRIAL_CLAIM));
    sg_arena_done(&arena);
    trial_close(&t);
}

/* ---- decided again under the claim ---- */

static void a_node_that_came_fresh_is_left_as_it_is(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_make(&t, TRIAL_NODE, "v1");
    trial_begin(&t, TRIAL_NODE);
    assert_false(t.a->to_run);
    assert_result(&t, SG_RESULT_UNCHANGED);
    assert_false(has(&t, TRIAL_CLAIM));
    assert_whole(&t, TRIAL_NODE);
    trial_close(&t);
}

static void a_node_that_lacks_an_input_is_blocked_and_its_marker_stays(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_make(&t, TRIAL_NODE, "v1");
    world_lose(&t.w, "landing@2024-01-01T00");
    t.forced = true;
    trial_begin(&t, TRIAL_NODE);
    assert_false(t.a->to_run);
    assert_result(&t, SG_RESULT_BLOCKED);
    assert_string_equal(trial_why(&t), "landing@2024-01-01T00 is not there");
    assert_true(has(&t, MARKER));
    assert_false(has(&t, TRIAL_CLAIM));
    trial_close(&t);
}

static void what_another_run_holds_is_busy_and_says_by_whom(void **state)
{
    struct trial t;
    char *text;

    (void)state;
    trial_open(&t, GRAPH SILVER);
    trial_make(&t, TRIAL_NODE, "v1");
    trial_plan(&t);
    world_claim(&t.w, TRIAL_NODE, DEAD, 1, true);
    trial_begin(&t, "silver@2024-01-01T00"); /* its input */
    assert_result(&t, SG_RESULT_BUSY);
    assert_string_equal(trial_why(&t), TRIAL_NODE " is held by run " DEAD);
    assert_false(has(&t, "store/_stagegraph/claims/silver/2024-01-01T00"));
    trial_begin(&t, TRIAL_NODE); /* itself */
    assert_false(t.a->to_run);
    assert_result(&t, SG_RESULT_BUSY);
    assert_string_equal(trial_why(&t), "held by run " DEAD);
    text = scratch_read(&t.w.scratch, TRIAL_CLAIM, NULL);
    assert_non_null(strstr(text, DEAD)); /* and holds it still */
    free(text);
    trial_close(&t);
}

/* ---- the output before the job ---- */

static void leftovers_of_dead_attempts_go_and_data_stay(void **state)
{
    static const struct {
        const char *label, *prepare;
        bool keeps;
    } rows[] = {
        { "prepare = keep", "", true },
        { "prepare = delete", "prepare = delete\n", false },
    };
    char graph[600];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct trial t;

        (void)snprintf(graph, sizeof(graph), "%s%s", GRAPH, rows[i].prepare);
        trial_open(&t, graph);
        scratch_write(&t.w.scratch, TRIAL_OUT "/part-9", "old");
        scratch_write(&t.w.scratch, TRIAL_OUT "/_temporary/0/part-1", "half");
        scratch_write(&t.w.scratch, TRIAL_OUT "/.spark-staging-7/part-1", "half");
        trial_begin(&t, TRIAL_NODE);
        assert_true(t.a->to_run);
        assert_false(has(&t, TRIAL_OUT "/_temporary"));
        assert_false(has(&t, TRIAL_OUT "/.spark-staging-7"));
        if (has(&t, TRIAL_OUT "/part-9") != rows[i].keeps)
            fail_msg("%s: part-9", rows[i].label);
        assert_true(has(&t, "store/bronze/2024-01-01"));
        trial_close(&t);
    }
}

static void the_parent_of_the_output_is_made_and_the_output_is_the_jobs(void **state)
{
    static const char *const prepares[] = { "", "prepare = delete\n" };
    char graph[600];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct trial t;

        (void)snprintf(graph, sizeof(graph), "%s%s", GRAPH, prepares[i]);
        trial_open(&t, graph);
        trial_begin(&t, TRIAL_NODE);
        if (!has(&t, "store/bronze/2024-01-01") || has(&t, TRIAL_OUT))
            fail_msg("prepare %zu", i);
        trial_close(&t);
    }
}

static void the_job_gets_its_words_and_files(void **state)
{
    struct trial t;
    char path[600];

    (void)state;
    trial_open(&t, GRAPH);
    trial_begin(&t, TRIAL_NODE);
    assert_int_equal(t.a->argv.n, 2);
    assert_string_equal(t.a->argv.at[0], "bronze");
    assert_string_equal(t.a->argv.at[1], scratch_path(&t.w.scratch, TRIAL_OUT));
    assert_int_equal(t.a->check.n, 0);
    assert_string_equal(t.a->envp.at[0], "PATH=/bin");
    (void)snprintf(path, sizeof(path), "tmp/" TRIAL_RUN "/%s/partitions", t.a->nonce);
    trial_assert_text(&t, path, "2024-01-01T00\n");
    (void)snprintf(path, sizeof(path), "tmp/" TRIAL_RUN "/%s/done", t.a->nonce);
    trial_assert_text(&t, path, "");
    (void)snprintf(path, sizeof(path), "tmp/" TRIAL_RUN "/%s/version", t.a->nonce);
    trial_assert_text(&t, path, "");
    (void)snprintf(path, sizeof(path), "tmp/" TRIAL_RUN "/%s/inputs", t.a->nonce);
    assert_true(has(&t, path));
    trial_work(&t, "v1");
    trial_end(&t, SG_RESULT_OK);
    assert_false(has(&t, path)); /* and they are gone with it */
    trial_close(&t);
}

/* The scratch directory serves the next attempt. */
static void what_a_job_did_to_its_files_the_next_one_does_not_see(void **state)
{
    static const char *const left[] = { NULL, "done", "version", "partitions", "inputs", "junk" };

    (void)state;
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        static const char *const files[] = { "done", "version", "partitions", "junk" };
        static const char *const texts[] = { "", "", "2024-01-01T00\n", NULL };
        struct trial t;
        char path[600];

        trial_open(&t, GRAPH);
        for (int again = 0; again < 2; again++) {
            t.forced = again;
            trial_begin(&t, TRIAL_NODE);
            for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
                (void)snprintf(path, sizeof(path), "tmp/" TRIAL_RUN "/%s/%s", t.a->nonce, files[k]);
                if (texts[k] != NULL)
                    trial_assert_text(&t, path, texts[k]);
                else
                    assert_false(has(&t, path));
            }
            (void)snprintf(path, sizeof(path), "tmp/" TRIAL_RUN "/%s/%s", t.a->nonce,
                           left[i] != NULL ? left[i] : "");
            if (left[i] != NULL)
                scratch_write(&t.w.scratch, path, "what a job may write, and longer than it was\n");
            trial_work(&t, again ? "v2" : "v1");
            trial_end(&t, SG_RESULT_OK);
            assert_false(has(&t, path));
        }
        trial_close(&t);
    }
}

static void without_a_place_for_its_files_an_attempt_fails_and_leaves_no_claim(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_make(&t, TRIAL_NODE, "v1");
    scratch_write(&t.w.scratch, "file", "");
    (void)snprintf(t.scratch, sizeof(t.scratch), "%s/file/tmp", t.w.scratch.dir);
    t.forced = true;
    trial_begin(&t, TRIAL_NODE);
    assert_false(t.a->to_run);
    assert_result(&t, SG_RESULT_FAILED);
    assert_non_null(strstr(trial_why(&t), "the files of the job"));
    assert_false(has(&t, TRIAL_CLAIM));
    assert_stale(&t, TRIAL_NODE, "missing");
    trial_close(&t);
}

/* Each question would take the deadline; and the claim, dead, makes the node stale. */
static void of_a_store_that_is_away_nothing_more_is_asked_and_the_claim_stays(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    trial_begin(&t, TRIAL_NODE);
    trial_work(&t, "v1");
    t.a->away = true;
    trial_end(&t, SG_RESULT_OK);
    assert_result(&t, SG_RESULT_FAILED);
    assert_int_equal(t.a->members[0].code, SG_ERROR_AWAY);
    assert_true(has(&t, TRIAL_CLAIM));
    assert_stale(&t, TRIAL_NODE, "interrupted");
    trial_close(&t);
}

/* ---- batches ---- */

#define BATCHED                                                                                    \
    HEAD "[source dim]\npartition = day\npath = dim/${ds}\nmarker = _DONE\n"                       \
         "[stage a]\nneeds = dim\nbatch = 3\ncommand = a ${start} ${end} ${count} ${input.dim}\n"  \
         "output = a/${ds}/${HH}\n"

static void neighbours_that_share_an_input_name_it_once(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, BATCHED);
    world_at(&t.w, "2024-01-02T00:00:00Z");
    world_source(&t.w, "dim@2024-01-01", "d");
    trial_begin_batch(&t, "a@2024-01-01T00", 3);
    assert_int_equal(t.a->argv.n, 5);
    assert_string_equal(t.a->argv.at[1], "2024-01-01T00:00:00Z");
    assert_string_equal(t.a->argv.at[2], "2024-01-01T03:00:00Z");
    assert_string_equal(t.a->argv.at[3], "3");
    assert_string_equal(t.a->argv.at[4], scratch_path(&t.w.scratch, "store/dim/2024-01-01"));
    trial_close(&t);
}

static void members_are_judged_one_by_one(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, BATCHED);
    world_at(&t.w, "2024-01-02T00:00:00Z");
    world_source(&t.w, "dim@2024-01-01", "d");
    trial_make(&t, "a@2024-01-01T00", "v1");
    trial_begin_batch(&t, "a@2024-01-01T00", 3);
    assert_result(&t, SG_RESULT_UNCHANGED);
    assert_string_equal(t.a->argv.at[3], "2");
    trial_work(&t, "v2");
    assert_int_equal(unlink(scratch_path(&t.w.scratch, "store/a/2024-01-01/02/part-0")), 0);
    trial_end(&t, SG_RESULT_OK);
    assert_result(&t, SG_RESULT_UNCHANGED);
    assert_int_equal(t.a->members[1].result, SG_RESULT_OK);
    assert_int_equal(t.a->members[2].result, SG_RESULT_CHECK_FAILED);
    assert_whole(&t, "a@2024-01-01T01");
    assert_stale(&t, "a@2024-01-01T02", "missing");
    trial_assert_text(&t, "store/a/2024-01-01/00/part-0", "v1");
    assert_int_equal(scratch_count(&t.w.scratch, "store/_stagegraph/claims", ""), 0);
    trial_close(&t);
}

/* ---- dead claims ---- */

static void a_dead_claim_whose_receipt_is_there_is_only_dropped(void **state)
{
    struct trial t;
    char *before;

    (void)state;
    trial_open(&t, GRAPH);
    t.run.run_id = DEAD;
    trial_make(&t, TRIAL_NODE, "v1");
    t.run.run_id = TRIAL_RUN;
    before = scratch_read(&t.w.scratch, MARKER, NULL);
    world_claim(&t.w, TRIAL_NODE, DEAD, 1, false);
    trial_begin(&t, TRIAL_NODE);
    assert_false(t.a->to_run);
    assert_result(&t, SG_RESULT_UNCHANGED);
    assert_false(t.a->members[0].interrupted);
    assert_false(has(&t, TRIAL_CLAIM));
    trial_assert_text(&t, MARKER, before);
    assert_whole(&t, TRIAL_NODE);
    free(before);
    trial_close(&t);
}

static void a_dead_claim_without_its_receipt_makes_the_node_run(void **state)
{
    static const struct {
        const char *label;
        const char *marker; /* text of it; "": foreign; NULL: none */
        bool receipt;       /* of an earlier run */
        uint32_t attempt;   /* of the claim: the receipt is of attempt 1 */
        bool garbled;       /* the claim's text */
    } rows[] = {
        { "no marker", NULL, false, 1, false },
        { "a marker that the job left", "", false, 1, false },
        { "half a receipt", "{\"stagegraph\":1,\"node\":\"bro", false, 1, false },
        { "a receipt from before", NULL, true, 2, false },
        { "a claim of nobody known", NULL, true, 1, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trial t;

        trial_open(&t, GRAPH);
        if (rows[i].receipt) {
            t.run.run_id = DEAD;
            trial_make(&t, TRIAL_NODE, "v1");
            t.run.run_id = TRIAL_RUN;
        }
        if (rows[i].marker != NULL)
            world_marker(&t.w, TRIAL_NODE, rows[i].marker);
        world_claim(&t.w, TRIAL_NODE, DEAD, rows[i].attempt, false);
        if (rows[i].garbled)
            scratch_write(&t.w.scratch, TRIAL_CLAIM, "{\"stagegraph_cl");
        trial_begin(&t, TRIAL_NODE);
        if (!t.a->to_run || !t.a->members[0].interrupted ||
            t.a->members[0].decision.reason != SG_REASON_INTERRUPTED || has(&t, MARKER))
            fail_msg("%s: %s", rows[i].label, trial_why(&t));
        trial_work(&t, "v2");
        trial_end(&t, SG_RESULT_OK);
        assert_result(&t, SG_RESULT_OK);
        assert_false(has(&t, TRIAL_CLAIM));
        assert_whole(&t, TRIAL_NODE);
        trial_close(&t);
    }
}

static void a_blocked_node_under_a_dead_claim_keeps_a_receipt_and_nothing_else(void **state)
{
    static const struct {
        const char *label, *marker; /* NULL: a receipt from before */
        const char *says;           /* afterwards */
    } rows[] = {
        { "a receipt from before", NULL, "fresh" }, /* its input is gone, which changes nothing */
        { "a marker that the job left", "", "blocked missing" },
        { "half a receipt", "{\"stagegraph\":1,", "blocked missing" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trial t;

        trial_open(&t, GRAPH);
        trial_make(&t, TRIAL_NODE, "v1");
        if (rows[i].marker != NULL)
            world_marker(&t.w, TRIAL_NODE, rows[i].marker);
        world_claim(&t.w, TRIAL_NODE, DEAD, 1, false);
        world_lose(&t.w, "landing@2024-01-01T00");
        trial_begin(&t, TRIAL_NODE);
        assert_result(&t, SG_RESULT_BLOCKED);
        assert_false(has(&t, TRIAL_CLAIM));
        if (has(&t, MARKER) != (rows[i].marker == NULL))
            fail_msg("%s: the marker", rows[i].label);
        if (strcmp(trial_says(&t, TRIAL_NODE), rows[i].says) != 0)
            fail_msg("%s: %s", rows[i].label, trial_says(&t, TRIAL_NODE));
        trial_close(&t);
    }
}

/* A process of a dead attempt: it ends at TERM, and writes a marker before it does. */
static int late_job(const char *marker)
{
    FILE *f;
    sigset_t set;
    int signo;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    if (write(STDOUT_FILENO, "r", 1) != 1 || sigwait(&set, &signo) != 0)
        return 1;
    f = fopen(marker, "we");
    return f == NULL || fclose(f) != 0;
}

static pid_t start_late_job(const char *marker)
{
    const char *const argv[] = { "late", "--late-job", marker, NULL };
    const char *const envp[] = { "STAGEGRAPH_NONCE=" NONCE, NULL };
    int fds[2];
    pid_t pid;
    char c;

    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)close(fds[0]);
        (void)close(fds[1]);
        (void)execve("/proc/self/exe", (char **)(uintptr_t)argv, (char **)(uintptr_t)envp);
        _exit(127);
    }
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &c, 1), 1); /* it waits for its signal */
    (void)close(fds[0]);
    return pid;
}

static void processes_of_a_dead_claim_are_ended_before_its_marker_is_looked_at(void **state)
{
    static const struct {
        const char *label;
        bool blocked;
    } rows[] = { { "to run", false }, { "blocked", true } };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct trial t;
        int status;
        pid_t pid;

        trial_open(&t, GRAPH);
        scratch_make_dir(&t.w.scratch, TRIAL_OUT);
        pid = start_late_job(scratch_path(&t.w.scratch, MARKER));
        world_claim(&t.w, TRIAL_NODE, DEAD, 1, false);
        if (rows[i].blocked)
            world_lose(&t.w, "landing@2024-01-01T00");
        trial_begin(&t, TRIAL_NODE);
        assert_int_equal(waitpid(pid, &status, WNOHANG), pid); /* it is gone already */
        assert_int_equal(status, 0);
        if (t.a->to_run == rows[i].blocked || has(&t, MARKER))
            fail_msg("%s: %s", rows[i].label, trial_why(&t));
        assert_non_null(strstr(t.a->notice, " that dead run " DEAD " had left"));
        trial_close(&t);
    }
}

struct contender {
    struct sg_attempt_run run;
    struct sg_attempt *a;
    pthread_barrier_t *start;
};

static void *contend(void *ctx)
{
    struct contender *c = ctx;

    (void)pthread_barrier_wait(c->start);
    sg_attempt_prepare(c->a);
    return NULL;
}

static void of_two_contenders_one_runs(void **state)
{
    static const struct {
        const char *label;
        bool receipt, dead, stale;
    } rows[] = {
        { "no claim", false, false, true },
        { "a dead claim", false, true, true },
        { "a dead claim with its receipt, changed since", true, true, true },
        { "a dead claim with its receipt", true, true, false },
    };

    (void)state;
    for (size_t i = 0; i < 6 * sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t r = i / 6;
        struct contender c[2];
        struct sg_error err = SG_ERROR_INIT;
        const struct sg_stage *s;
        pthread_barrier_t start;
        pthread_t threads[2];
        int64_t index, runs = 0;
        struct trial t;

        trial_open(&t, GRAPH);
        t.run.run_id = DEAD;
        if (rows[r].receipt)
            trial_make(&t, TRIAL_NODE, "v1");
        if (rows[r].stale)
            world_source(&t.w, "landing@2024-01-01T00", "more rows");
        if (rows[r].dead)
            world_claim(&t.w, TRIAL_NODE, DEAD, 1, false);
        sg_attempt_free(t.a);
        t.a = NULL;
        world_plan(&t.w);
        world_parse(&t.w, TRIAL_NODE, &s, &index);
        (void)pthread_barrier_init(&start, NULL, 2);
        for (int k = 0; k < 2; k++) {
            c[k].start = &start;
            c[k].run = t.run;
            c[k].run.run_id = k ? "run-one" : "run-two";
            c[k].run.store = t.w.store;
            c[k].run.plan = t.w.plan;
            assert_true(sg_attempt_new(&c[k].run, s, 1, 1, &c[k].a, &err));
            c[k].a->members[0].index = index;
            assert_int_equal(pthread_create(&threads[k], NULL, contend, &c[k]), 0);
        }
        for (int k = 0; k < 2; k++)
            assert_int_equal(pthread_join(threads[k], NULL), 0);
        for (int k = 0; k < 2; k++) {
            enum sg_result is = c[k].a->members[0].result;

            runs += c[k].a->to_run;
            if (!c[k].a->to_run && is != SG_RESULT_BUSY &&
                (rows[r].stale || is != SG_RESULT_UNCHANGED))
                fail_msg("%s: %s %s", rows[r].label, sg_result_name(is), c[k].a->members[0].why);
        }
        if (runs != rows[r].stale)
            fail_msg("%s: %d run", rows[r].label, (int)runs);
        for (int k = 0; k < 2; k++) {
            if (c[k].a->to_run) {
                scratch_write(&t.w.scratch, TRIAL_OUT "/part-0", "v2");
                trial_finish(c[k].a, SG_RESULT_OK, "");
                assert_int_equal(c[k].a->members[0].result, SG_RESULT_OK);
            }
            sg_attempt_free(c[k].a);
        }
        assert_false(has(&t, TRIAL_CLAIM));
        assert_whole(&t, TRIAL_NODE);
        (void)pthread_barrier_destroy(&start);
        trial_close(&t);
    }
}

/* ---- faults and crashes ---- */

/* What is there before an attempt, and what its job does. */
struct scene {
    const char *name;
    bool made;    /* by an earlier attempt of the run DEAD: "v1" */
    bool changed; /* its source since */
    bool forced;
    bool dead;      /* a dead claim of that run */
    bool marker;    /* a foreign one is there */
    bool job_fails; /* having written half, and a marker */
};

static const struct scene scenes[] = {
    { .name = "the first attempt" },
    { .name = "the first attempt, its job fails", .job_fails = true },
    { .name = "a changed source", .made = true, .changed = true },
    { .name = "a changed source, the job fails", .made = true, .changed = true, .job_fails = true },
    { .name = "forced", .made = true, .forced = true },
    { .name = "forced, the job fails", .made = true, .forced = true, .job_fails = true },
    { .name = "a dead claim", .dead = true },
    { .name = "a dead claim over a marker", .dead = true, .marker = true },
    { .name = "a dead claim over its receipt", .made = true, .dead = true },
    { .name = "the same, and a changed source", .made = true, .dead = true, .changed = true },
};
#define N_SCENES (sizeof(scenes) / sizeof(scenes[0]))

static void arrange(struct trial *t, const struct scene *s)
{
    trial_empty(t);
    t->run.run_id = DEAD;
    if (s->made)
        trial_make(t, TRIAL_NODE, "v1");
    t->run.run_id = TRIAL_RUN;
    if (s->changed)
        world_source(&t->w, "landing@2024-01-01T00", "more rows");
    if (s->marker)
        world_marker(&t->w, TRIAL_NODE, "");
    if (s->dead)
        world_claim(&t->w, TRIAL_NODE, DEAD, 1, false);
    t->forced = s->forced;
}

static void play(struct trial *t, const struct scene *s)
{
    if (!t->a->to_run)
        return;
    trial_work(t, s->job_fails ? "v2, half" : "v2, whole");
    if (s->job_fails)
        world_marker(&t->w, TRIAL_NODE, "");
    trial_end(t, s->job_fails ? SG_RESULT_FAILED : SG_RESULT_OK);
}

/* Stale, or fresh and whole: the receipt is there, and of what the job wrote last. */
static void check_after(struct trial *t, const struct scene *s, const char *when)
{
    const char *says = trial_says(t, TRIAL_NODE);
    char *text;

    if (strncmp(says, "run ", 4) == 0)
        return;
    if (strcmp(says, "fresh") != 0)
        fail_msg("%s, %s: %s", s->name, when, says);
    text = scratch_read(&t->w.scratch, MARKER, NULL);
    if (text == NULL || strstr(text, "\"state\":\"done\"") == NULL)
        fail_msg("%s, %s: fresh by %s", s->name, when, text ? text : "nothing");
    free(text);
    if (s->job_fails && strcmp(t->wrote, "v1") != 0)
        fail_msg("%s, %s: fresh, and its job had failed", s->name, when);
    text = scratch_read(&t->w.scratch, TRIAL_OUT "/part-0", NULL);
    if (text == NULL || strcmp(text, t->wrote) != 0)
        fail_msg("%s, %s: fresh, and holds %s", s->name, when, text ? text : "nothing");
    free(text);
}

/* Whoever comes next completes it, and leaves nothing lying about. */
static void complete(struct trial *t, const struct scene *s, const char *when)
{
    enum sg_result is;

    trial_renew(t);
    t->forced = false;
    trial_begin(t, TRIAL_NODE);
    if (t->a->to_run) {
        trial_work(t, "v3");
        trial_end(t, SG_RESULT_OK);
    }
    is = trial_result(t);
    if (is != SG_RESULT_OK && is != SG_RESULT_UNCHANGED)
        fail_msg("%s, %s, then: %s %s", s->name, when, sg_result_name(is), trial_why(t));
    if (strcmp(trial_says(t, TRIAL_NODE), "fresh") != 0)
        fail_msg("%s, %s, then: %s", s->name, when, trial_says(t, TRIAL_NODE));
    if (scratch_count(&t->w.scratch, "store/_stagegraph/claims", "") != 0 ||
        (is == SG_RESULT_OK && scratch_count(&t->w.scratch, "store/bronze", ".tmp") != 0))
        fail_msg("%s, %s, then: something stays", s->name, when);
}

/* One attempt with a fault. False: it was over before the fault. */
static bool one_fault(struct trial *t, const struct scene *s, struct sg_fault fault)
{
    char when[100];
    bool hit;

    (void)snprintf(when, sizeof(when), "%s%s%s at %u, cut at %zu", fault.dies ? "death" : "fault",
                   fault.for_good ? " for good" : "", fault.call ? " of close" : "", fault.at,
                   fault.cut_at);
    arrange(t, s);
    sg_attempt_free(t->a);
    t->a = NULL;
    trial_plan(t);
    sg_fake_store_arm(t->fake, fault);
    t->a = trial_attempt(t, TRIAL_NODE, 1, 1);
    play(t, s);
    hit = sg_fake_store_hit(t->fake);
    trial_renew(t); /* it is gone, and with it its locks */
    check_after(t, s, when);
    complete(t, s, when);
    return hit;
}

static void sweep(struct sg_fault fault)
{
    struct trial t;

    trial_open(&t, GRAPH);
    for (size_t i = 0; i < N_SCENES; i++) {
        if (fault.for_good && scenes[i].dead && !scenes[i].marker)
            continue; /* looking for the dead's processes takes most of the time */
        fault.at = 0;
        do
            fault.at++;
        while (one_fault(&t, &scenes[i], fault));
        assert_true(fault.at > 20 || fault.call != NULL);
    }
    trial_close(&t);
}

static void whichever_call_fails_once_the_node_is_stale_or_fresh_and_whole(void **state)
{
    (void)state;
    sweep((struct sg_fault){ .sys = EIO });
}

static void whichever_call_fails_for_good_the_node_is_stale_or_fresh_and_whole(void **state)
{
    (void)state;
    sweep((struct sg_fault){ .sys = ENOSPC, .for_good = true });
}

static void whichever_close_fails_the_node_is_stale_or_fresh_and_whole(void **state)
{
    (void)state;
    sweep((struct sg_fault){ .call = "close", .sys = EIO });
}

static void dying_at_any_call_leaves_the_node_stale_or_fresh_and_whole(void **state)
{
    (void)state;
    sweep((struct sg_fault){ .dies = true });
}

static void a_write_cut_at_any_byte_leaves_the_node_stale_or_fresh_and_whole(void **state)
{
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    for (int dies = 0; dies < 2; dies++) {
        struct sg_fault fault = { .cuts = true, .dies = dies != 0 };

        while (one_fault(&t, &scenes[0], fault))
            fault.cut_at += dies ? 7 : 1;
        assert_true(fault.cut_at > 600); /* claim, recipe, receipt */
    }
    trial_close(&t);
}

static void an_executor_that_dies_while_its_job_runs_leaves_the_node_interrupted(void **state)
{
    static const struct {
        const char *label;
        bool made, marker;
    } rows[] = {
        { "the first attempt", false, false },
        { "its job had written a marker", false, true },
        { "over an older output", true, false },
    };
    struct trial t;

    (void)state;
    trial_open(&t, GRAPH);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct scene s = { .name = rows[i].label, .made = rows[i].made };

        arrange(&t, &s);
        t.forced = true;
        trial_begin(&t, TRIAL_NODE);
        assert_true(t.a->to_run);
        trial_work(&t, "v2, half");
        if (rows[i].marker)
            world_marker(&t.w, TRIAL_NODE, "");
        trial_renew(&t);
        if (strcmp(trial_says(&t, TRIAL_NODE), "run interrupted") != 0)
            fail_msg("%s: %s", rows[i].label, trial_says(&t, TRIAL_NODE));
        t.run.run_id = "20240101T020000-0000bb";
        complete(&t, &s, "killed");
        t.run.run_id = TRIAL_RUN;
    }
    trial_close(&t);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_steps_come_in_their_order_each_durable_before_the_next),
        cmocka_unit_test(an_attempt_costs_no_more_flushes_than_promised),
        cmocka_unit_test(an_outputs_name_is_flushed_unless_a_receipt_spoke_of_it),
        cmocka_unit_test(a_claim_and_a_receipt_say_who_and_when),
        cmocka_unit_test(a_node_that_came_fresh_is_left_as_it_is),
        cmocka_unit_test(a_node_that_lacks_an_input_is_blocked_and_its_marker_stays),
        cmocka_unit_test(what_another_run_holds_is_busy_and_says_by_whom),
        cmocka_unit_test(leftovers_of_dead_attempts_go_and_data_stay),
        cmocka_unit_test(the_parent_of_the_output_is_made_and_the_output_is_the_jobs),
        cmocka_unit_test(the_job_gets_its_words_and_files),
        cmocka_unit_test(what_a_job_did_to_its_files_the_next_one_does_not_see),
        cmocka_unit_test(without_a_place_for_its_files_an_attempt_fails_and_leaves_no_claim),
        cmocka_unit_test(of_a_store_that_is_away_nothing_more_is_asked_and_the_claim_stays),
        cmocka_unit_test(neighbours_that_share_an_input_name_it_once),
        cmocka_unit_test(members_are_judged_one_by_one),
        cmocka_unit_test(a_dead_claim_whose_receipt_is_there_is_only_dropped),
        cmocka_unit_test(a_dead_claim_without_its_receipt_makes_the_node_run),
        cmocka_unit_test(a_blocked_node_under_a_dead_claim_keeps_a_receipt_and_nothing_else),
        cmocka_unit_test(processes_of_a_dead_claim_are_ended_before_its_marker_is_looked_at),
        cmocka_unit_test(of_two_contenders_one_runs),
        cmocka_unit_test(whichever_call_fails_once_the_node_is_stale_or_fresh_and_whole),
        cmocka_unit_test(whichever_call_fails_for_good_the_node_is_stale_or_fresh_and_whole),
        cmocka_unit_test(whichever_close_fails_the_node_is_stale_or_fresh_and_whole),
        cmocka_unit_test(dying_at_any_call_leaves_the_node_stale_or_fresh_and_whole),
        cmocka_unit_test(a_write_cut_at_any_byte_leaves_the_node_stale_or_fresh_and_whole),
        cmocka_unit_test(an_executor_that_dies_while_its_job_runs_leaves_the_node_interrupted),
    };

    if (argc == 3 && strcmp(argv[1], "--late-job") == 0)
        return late_job(argv[2]);
    /* The sweeps make and remove some hundred thousand small files. */
    if (access("/dev/shm", W_OK) == 0)
        (void)setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
