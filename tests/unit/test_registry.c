/* The runs of this machine that are alive, and what those that died left. */
#include "stagegraph/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"

static struct scratch dir;

static int set_up(void **state)
{
    (void)state;
    scratch_open(&dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_close(&dir);
    return 0;
}

static int enter(const char *run)
{
    struct sg_registry_run r = {
        .run = run, .command = "stagegraph run \"x\"", .pid = 4711, .started_s = 1704088812
    };
    struct sg_error err = SG_ERROR_INIT;
    int fd = -1;

    if (!sg_registry_enter(dir.dir, &r, &fd, &err))
        fail_msg("%s", err.text);
    return fd;
}

struct seen {
    char text[600];
    size_t stop_after, n;
};

static bool see(void *ctx, const struct sg_registry_run *r, bool alive)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);

    (void)snprintf(s->text + n, sizeof(s->text) - n, "%s%s %s", n ? ", " : "", r->run,
                   alive ? "alive" : "dead");
    if (strncmp(r->run, "20240101T", 9) == 0) {
        assert_string_equal(r->command, "stagegraph run \"x\"");
        assert_int_equal(r->pid, 4711);
        assert_int_equal(r->started_s, 1704088812);
    }
    return ++s->n != s->stop_after;
}

static void assert_list(const char *expected)
{
    struct sg_error err = SG_ERROR_INIT;
    struct seen s = { .text = "" };

    assert_true(sg_registry_list(dir.dir, see, &s, &err));
    assert_string_equal(s.text, expected);
}

static void sweep(void)
{
    struct sg_error err = SG_ERROR_INIT;

    if (!sg_registry_sweep(dir.dir, &err))
        fail_msg("%s", err.text);
}

static void a_run_is_alive_from_enter_to_leave(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct seen s = { .text = "", .stop_after = 1 };
    int a, b;

    (void)state;
    assert_list(""); /* there is not even a directory */
    sweep();
    b = enter("20240101T060012-bbbbbb");
    a = enter("20240101T060011-aaaaaa");
    assert_list("20240101T060011-aaaaaa alive, 20240101T060012-bbbbbb alive"); /* by time */
    assert_true(sg_registry_list(dir.dir, see, &s, &err));
    assert_string_equal(s.text, "20240101T060011-aaaaaa alive"); /* fn wanted no more */
    sg_registry_leave(dir.dir, "20240101T060012-bbbbbb", b);
    assert_list("20240101T060011-aaaaaa alive");
    sg_registry_leave(dir.dir, "20240101T060011-aaaaaa", a);
    assert_list("");
    assert_int_equal(scratch_count(&dir, "runs", ""), 0);
}

static void a_run_that_died_is_swept_with_its_scratch_and_a_live_one_is_not(void **state)
{
    int live, dead;

    (void)state;
    live = enter("20240101T060012-aaaaaa");
    dead = enter("20240101T060012-dddddd");
    scratch_write(&dir, "tmp/20240101T060012-aaaaaa/nonce/done", "");
    scratch_write(&dir, "tmp/20240101T060012-dddddd/nonce/done", "");
    (void)close(dead); /* as the kernel does for a process that is killed */
    assert_list("20240101T060012-aaaaaa alive, 20240101T060012-dddddd dead");
    sweep();
    assert_list("20240101T060012-aaaaaa alive");
    assert_true(scratch_has(&dir, "tmp/20240101T060012-aaaaaa/nonce/done"));
    assert_false(scratch_has(&dir, "tmp/20240101T060012-dddddd"));
    sg_registry_leave(dir.dir, "20240101T060012-aaaaaa", live);
}

static void a_child_does_not_inherit_the_lock(void **state)
{
    int fd = enter("20240101T060012-aaaaaa");

    (void)state;
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    sg_registry_leave(dir.dir, "20240101T060012-aaaaaa", fd);
}

static void what_is_no_entry_says_nothing_and_does_no_harm(void **state)
{
    static const struct {
        const char *name, *text;
        bool swept;
    } rows[] = {
        { "empty", "", true },
        { "cut", "{\"run\":\"cut\",\"comm", true },
        { "text", "hello\n", true },
        { "number", "{\"run\":1,\"command\":\"x\"}\n", true },
        { "liar", "{\"run\":\"../../precious\",\"command\":\"x\",\"pid\":1,\"started\":1}\n",
          true },
        { ".20240101T060012-eeeeee.new", "{\"run\":", true }, /* died before it had its name */
    };
    char path[100];

    (void)state;
    scratch_write(&dir, "precious/data", "x");
    scratch_write(&dir, "tmp/other/data", "x");
    scratch_write(&dir, "runs/directory/data", "x");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)snprintf(path, sizeof(path), "runs/%s", rows[i].name);
        scratch_write(&dir, path, rows[i].text);
    }
    assert_list("");
    sweep();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)snprintf(path, sizeof(path), "runs/%s", rows[i].name);
        if (scratch_has(&dir, path) == rows[i].swept)
            fail_msg("%s", rows[i].name);
    }
    assert_true(scratch_has(&dir, "precious/data"));
    assert_true(scratch_has(&dir, "tmp/other/data"));
    assert_true(scratch_has(&dir, "runs/directory/data"));
}

static void further_keys_are_skipped(void **state)
{
    (void)state;
    scratch_write(&dir, "runs/later",
                  "{\"run\":\"later\",\"format\":7,\"command\":\"x\",\"pid\":4711,\"started\":5,"
                  "\"more\":{\"n\":1.5,\"a\":[null]}}\n");
    assert_list("later dead");
}

static void an_entry_that_can_not_be_made_leaves_nothing(void **state)
{
    struct sg_registry_run r = { .run = "20240101T060012-aaaaaa", .command = "x" };
    struct sg_error err = SG_ERROR_INIT;
    int fd = -1, first = enter(r.run);

    (void)state;
    assert_false(sg_registry_enter(dir.dir, &r, &fd, &err)); /* there already */
    assert_int_equal(err.code, SG_ERROR_SYSTEM);
    assert_int_equal(err.sys, EEXIST);
    assert_int_equal(fd, -1);
    assert_list("20240101T060012-aaaaaa alive");
    assert_int_equal(scratch_count(&dir, "runs", ""), 1);
    sg_registry_leave(dir.dir, r.run, first);
    sg_error_clear(&err);
    scratch_write(&dir, "file", "");
    assert_false(sg_registry_enter(scratch_path(&dir, "file"), &r, &fd, &err));
    assert_int_equal(err.sys, ENOTDIR);
}

/* Others look and sweep while runs come and go: none of them may fail, or be taken for dead. */
struct sweeper {
    atomic_bool *over;
    unsigned dead;
};

static bool count_dead(void *ctx, const struct sg_registry_run *r, bool alive)
{
    struct sweeper *s = ctx;

    (void)r;
    s->dead += !alive;
    return true;
}

static void *sweep_all_the_time(void *ctx)
{
    struct sweeper *s = ctx;
    struct sg_error err = SG_ERROR_INIT;

    while (!atomic_load(s->over))
        if (!sg_registry_sweep(dir.dir, &err) || !sg_registry_list(dir.dir, count_dead, s, &err))
            s->dead += 1000;
    return NULL;
}

static void runs_that_begin_while_others_sweep_are_never_taken_for_dead(void **state)
{
    atomic_bool over = false;
    struct sweeper sweepers[2] = { { &over, 0 }, { &over, 0 } };
    pthread_t threads[2];
    char run[40], path[64];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sweep_all_the_time, &sweepers[i]), 0);
    for (int i = 0; i < 400; i++) {
        int fd;

        (void)snprintf(run, sizeof(run), "20240101T060012-%06x", (unsigned)i);
        (void)snprintf(path, sizeof(path), "runs/%s", run);
        fd = enter(run);
        if (!scratch_has(&dir, path))
            fail_msg("%s was swept", run);
        sg_registry_leave(dir.dir, run, fd);
    }
    atomic_store(&over, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(sweepers[i].dead, 0);
    }
    assert_int_equal(scratch_count(&dir, "runs", ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_alive_from_enter_to_leave),
        cmocka_unit_test(a_run_that_died_is_swept_with_its_scratch_and_a_live_one_is_not),
        cmocka_unit_test(a_child_does_not_inherit_the_lock),
        cmocka_unit_test(what_is_no_entry_says_nothing_and_does_no_harm),
        cmocka_unit_test(further_keys_are_skipped),
        cmocka_unit_test(an_entry_that_can_not_be_made_leaves_nothing),
        cmocka_unit_test(runs_that_begin_while_others_sweep_are_never_taken_for_dead),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
