/* Old logs: by age, then by size, oldest first, and never those of who is alive. */
#include "stagegraph/logs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/files.h"
#include "stagegraph/registry.h"

#include "scratch.h"

#define DAY INT64_C(86400)
#define OWN "20240110T000000-aaaaaa"

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

static void log_of(const char *run, size_t bytes)
{
    static char text[100000];
    char path[200];

    memset(text, 'x', bytes);
    text[bytes] = '\0';
    (void)snprintf(path, sizeof(path), "logs/%s/bronze/2024-01-01.1.log", run);
    scratch_write(&dir, path, text);
}

static bool has(const char *run)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "logs/%s", run);
    return scratch_has(&dir, path);
}

static uint32_t prune(int64_t keep_s, int64_t limit)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_wall now = { INT64_C(1704844800) * SG_NS_PER_S }; /* 2024-01-10 */
    uint32_t n;

    if (!sg_logs_prune(scratch_path(&dir, ""), OWN, keep_s, limit, now, &n, &err))
        fail_msg("%s", err.text);
    return n;
}

static void without_logs_there_is_nothing_to_do(void **state)
{
    (void)state;
    assert_int_equal(prune(0, 0), 0);
}

static void what_is_older_than_log_keep_goes(void **state)
{
    (void)state;
    log_of("20240105T000000-aaaaaa", 10);
    log_of("20240106T235959-aaaaaa", 10);
    log_of("20240107T000000-aaaaaa", 10);
    log_of(OWN, 10);
    assert_int_equal(prune(3 * DAY, 1 << 30), 2);
    assert_false(has("20240106T235959-aaaaaa"));
    assert_true(has("20240107T000000-aaaaaa"));
    assert_true(has(OWN));
}

static void beyond_log_limit_the_oldest_go_first(void **state)
{
    (void)state;
    log_of("20240107T000000-aaaaaa", 40000);
    log_of("20240108T000000-aaaaaa", 40000);
    log_of("20240109T000000-aaaaaa", 40000);
    log_of(OWN, 40000);
    assert_int_equal(prune(30 * DAY, 100000), 2);
    assert_false(has("20240108T000000-aaaaaa"));
    assert_true(has("20240109T000000-aaaaaa"));
    /* Its own stays, whatever its size. */
    assert_int_equal(prune(0, 0), 1);
    assert_true(has(OWN));
}

static void what_is_no_run_stays(void **state)
{
    (void)state;
    scratch_write(&dir, "logs/notes/mine.txt", "x");
    scratch_write(&dir, "logs/20200101T000000/mine.txt", "x");
    scratch_write(&dir, "logs/20201301T000000-aaaaaa/mine.txt", "x");
    assert_int_equal(prune(0, 0), 0);
    assert_true(scratch_has(&dir, "logs/20201301T000000-aaaaaa/mine.txt"));
}

static void a_run_that_is_alive_keeps_its_logs(void **state)
{
    struct sg_registry_run r = {
        .run = "20240101T000000-bbbbbb", .command = "x", .pid = 1, .started_s = 0
    };
    struct sg_error err = SG_ERROR_INIT;
    int fd;

    (void)state;
    log_of(r.run, 10);
    log_of("20240101T000000-cccccc", 10);
    if (!sg_registry_enter(scratch_path(&dir, ""), &r, &fd, &err))
        fail_msg("%s", err.text);
    assert_int_equal(prune(0, 0), 1);
    assert_true(has(r.run));
    sg_registry_leave(scratch_path(&dir, ""), r.run, fd);
    assert_int_equal(prune(0, 0), 1);
    assert_false(has(r.run));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_logs_there_is_nothing_to_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_older_than_log_keep_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(beyond_log_limit_the_oldest_go_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_run_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_is_alive_keeps_its_logs, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("logs", tests, NULL, NULL);
}
