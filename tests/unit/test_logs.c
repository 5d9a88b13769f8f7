/* Old logs: by age, then by size, oldest first, and never those of who is alive. */
#include "stagegraph/logs.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static struct sg_logs_prune how_to(int64_t keep_s, int64_t limit)
{
    return (struct sg_logs_prune){
        .state = scratch_path(&dir, ""),
        .own = OWN,
        .keep_s = keep_s,
        .limit = limit,
        .now = { INT64_C(1704844800) * SG_NS_PER_S }, /* 2024-01-10 */
    };
}

static uint32_t prune(int64_t keep_s, int64_t limit)
{
    struct sg_logs_prune how = how_to(keep_s, limit);
    struct sg_error err = SG_ERROR_INIT;
    uint32_t n;

    if (!sg_logs_prune(&how, &n, &err))
        fail_msg("%s", err.text);
    return n;
}

static const char *sizes(void)
{
    static char text[20000];
    char *got = scratch_read(&dir, "log_sizes", NULL);

    (void)snprintf(text, sizeof(text), "%s", got != NULL ? got : "");
    free(got);
    return text;
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

/* What it has later is not looked at, neither its size nor how many files. */
static void a_run_that_is_over_is_measured_once(void **state)
{
    (void)state;
    log_of("20240107T000000-aaaaaa", 8192);
    log_of("20240108T000000-aaaaaa", 8192);
    log_of(OWN, 8192);
    assert_int_equal(prune(30 * DAY, 1 << 30), 0);
    assert_string_equal(sizes(), "20240107T000000-aaaaaa 8192\n"
                                 "20240108T000000-aaaaaa 8192\n" OWN " 8192\n");
    log_of("20240108T000000-aaaaaa", 90000);
    assert_int_equal(prune(30 * DAY, 24576), 0);
    assert_int_equal(prune(30 * DAY, 24575), 1);
    assert_false(has("20240107T000000-aaaaaa"));
}

static void a_run_that_is_alive_is_measured_each_time(void **state)
{
    struct sg_registry_run r = {
        .run = "20240109T000000-bbbbbb", .command = "x", .pid = 1, .started_s = 0
    };
    struct sg_error err = SG_ERROR_INIT;
    int fd;

    (void)state;
    log_of("20240107T000000-aaaaaa", 8192);
    log_of(r.run, 8192);
    if (!sg_registry_enter(scratch_path(&dir, ""), &r, &fd, &err))
        fail_msg("%s", err.text);
    assert_int_equal(prune(30 * DAY, 16384), 0);
    assert_string_equal(sizes(), "20240107T000000-aaaaaa 8192\n");
    log_of(r.run, 16384);
    assert_int_equal(prune(30 * DAY, 16384), 1);
    assert_true(has(r.run));
    sg_registry_leave(scratch_path(&dir, ""), r.run, fd);
}

static void sizes_that_say_nothing_are_measured_again(void **state)
{
    static const char run[] = "20240107T000000-aaaaaa";
    static const char *const texts[] = {
        "",
        "garbage\n",
        "20240107T000000-aaaaaa\n",
        "20240107T000000-aaaaaa -1\n",
        "20240107T000000-aaaaaa 1x\n",
        "20240107T000000-aaaaaa 99999999999999999999999\n",
        "20240107T000000-aaaaaa 1", /* cut short: it may have been a larger number */
        "20240107T000000-aaaaaa 120240108T000000-aaaaaa 5\n",
        "20240108T000000-aaaaaa 1\n", /* of a run that is gone */
    };
    char want[200];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        log_of(run, 8192);
        scratch_write(&dir, "log_sizes", texts[i]);
        (void)snprintf(want, sizeof(want), "%s%s%s 8192\n", texts[i],
                       strchr(texts[i], '\n') != NULL || texts[i][0] == '\0' ? "" : " ?\n", run);
        assert_int_equal(prune(30 * DAY, 8192), 0);
        assert_string_equal(sizes(), want);
        assert_int_equal(prune(30 * DAY, 8191), 1);
    }
}

/* A number that is wrong, and logs that somebody has removed by hand. */
static void nothing_goes_for_a_size_that_is_not_true(void **state)
{
    (void)state;
    log_of("20240107T000000-aaaaaa", 8192);
    log_of("20240108T000000-aaaaaa", 8192);
    log_of(OWN, 8192);
    scratch_write(&dir, "log_sizes", "20240108T000000-aaaaaa 9000000000000000000\n");
    assert_int_equal(prune(30 * DAY, 1 << 20), 0);
    scratch_write(&dir, "log_sizes",
                  "20240107T000000-aaaaaa 500000\n"
                  "20240108T000000-aaaaaa 524288\n");
    assert_int_equal(prune(30 * DAY, 1 << 20), 0);
    assert_true(has("20240107T000000-aaaaaa"));
}

static void sizes_of_runs_that_are_gone_are_forgotten_in_the_end(void **state)
{
    char run[64];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        (void)snprintf(run, sizeof(run), "20240108T%02d%02d00-aaaaaa", i / 60, i % 60);
        log_of(run, 4096);
        assert_int_equal(prune(30 * DAY, 8192), i >= 2);
    }
    for (const char *c = sizes(); *c != '\0'; c++)
        n += *c == '\n';
    assert_true(n < 100);
    assert_non_null(strstr(sizes(), run));
    assert_int_equal(scratch_count(&dir, "", "log_sizes"), 1);
}

/* Of one second, or from a time that has not come yet: the names alone say what is older. */
static void ties_and_clocks_that_were_ahead_are_in_the_order_of_names(void **state)
{
    (void)state;
    log_of("20240109T000000-bbbbbb", 4096);
    log_of("20240109T000000-aaaaaa", 4096);
    log_of("20350101T000000-aaaaaa", 4096);
    assert_int_equal(prune(3600, 1 << 30), 2);
    assert_true(has("20350101T000000-aaaaaa"));
    log_of("20240109T000000-bbbbbb", 4096);
    log_of("20240109T000000-aaaaaa", 4096);
    assert_int_equal(prune(30 * DAY, 8192), 1);
    assert_true(has("20240109T000000-bbbbbb"));
    assert_int_equal(prune(30 * DAY, 4096), 1);
    assert_true(has("20350101T000000-aaaaaa"));
    assert_int_equal(prune(30 * DAY, 4095), 1);
}

static bool once(void *ctx)
{
    int *n = ctx;

    return (*n)++ == 0;
}

static void who_is_interrupted_stops_and_the_next_goes_on(void **state)
{
    struct sg_logs_prune how = how_to(DAY, 0);
    struct sg_error err = SG_ERROR_INIT;
    uint32_t n;
    int asked = 0;

    (void)state;
    log_of("20240105T000000-aaaaaa", 10);
    log_of("20240106T000000-aaaaaa", 10);
    log_of("20240109T120000-aaaaaa", 10);
    how.go_on = once;
    how.ctx = &asked;
    assert_true(sg_logs_prune(&how, &n, &err));
    assert_int_equal(n, 1);
    assert_true(has("20240106T000000-aaaaaa"));
    assert_int_equal(prune(DAY, 0), 2);
}

/* Names of 250 bytes within each other, until their path is longer than the system takes. */
static void make_deep(const char *run, bool make)
{
    static const int levels = 20;
    char name[251], up[] = "..";
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    memset(name, 'd', 250);
    name[250] = '\0';
    assert_int_equal(chdir(scratch_path(&dir, "logs")), 0);
    assert_true(!make || mkdir(run, 0777) == 0);
    assert_int_equal(chdir(run), 0);
    for (int i = 0; i < levels; i++) {
        assert_true(!make || mkdir(name, 0777) == 0);
        assert_int_equal(chdir(name), 0);
    }
    for (int i = 0; i < levels; i++) {
        assert_int_equal(chdir(up), 0);
        assert_true(make || rmdir(name) == 0);
    }
    assert_int_equal(fchdir(here), 0);
    (void)close(here);
}

static void one_that_cannot_be_removed_does_not_keep_the_others(void **state)
{
    struct sg_logs_prune how = how_to(DAY, 1 << 30);
    struct sg_error err = SG_ERROR_INIT;
    uint32_t n;

    (void)state;
    log_of("20240106T000000-aaaaaa", 10);
    make_deep("20240105T000000-aaaaaa", true);
    assert_false(sg_logs_prune(&how, &n, &err));
    assert_int_equal(n, 1);
    assert_non_null(strstr(err.text, "20240105T000000-aaaaaa"));
    assert_false(has("20240106T000000-aaaaaa"));
    make_deep("20240105T000000-aaaaaa", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_logs_there_is_nothing_to_do, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_older_than_log_keep_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(beyond_log_limit_the_oldest_go_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_run_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_is_alive_keeps_its_logs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_is_over_is_measured_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_is_alive_is_measured_each_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sizes_that_say_nothing_are_measured_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_goes_for_a_size_that_is_not_true, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(sizes_of_runs_that_are_gone_are_forgotten_in_the_end,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(ties_and_clocks_that_were_ahead_are_in_the_order_of_names,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_is_interrupted_stops_and_the_next_goes_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_cannot_be_removed_does_not_keep_the_others, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("logs", tests, NULL, NULL);
}
