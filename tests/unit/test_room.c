#include "room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "scratch.h"

static struct scratch dir;

static int setup(void **state)
{
    (void)state;
    scratch_open(&dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_close(&dir);
    return 0;
}

static int64_t room(void)
{
    char meminfo[512], self[512], root[512];
    struct sg_cgroup_files f = { self, root, root };

    snprintf(meminfo, sizeof(meminfo), "%s", scratch_path(&dir, "meminfo"));
    snprintf(self, sizeof(self), "%s", scratch_path(&dir, "self"));
    snprintf(root, sizeof(root), "%s", scratch_path(&dir, "fs"));
    return sg_room_bytes_in(meminfo, &f);
}

static void be_in(const char *group)
{
    char path[256], text[32];

    snprintf(path, sizeof(path), "fs%s/cgroup.procs", group);
    snprintf(text, sizeof(text), "%d\n", (int)getpid());
    scratch_write(&dir, path, text);
}

static void the_room_is_the_machines_or_what_a_cgroup_leaves_of_it(void **state)
{
    (void)state;
    assert_int_equal(room(), -1); /* nothing is known */
    scratch_write(&dir, "meminfo", "MemTotal:        1000 kB\nMemFree:          10 kB\n");
    assert_int_equal(room(), 1000 * 1024);
    scratch_write(&dir, "self", "4:memory:/job\n0::/\n");
    be_in("/job");
    scratch_write(&dir, "fs/job/memory.stat",
                  "cache 5\nhierarchical_memory_limit 9223372036854771712\n");
    assert_int_equal(room(), 1000 * 1024);
    scratch_write(&dir, "fs/job/memory.stat", "cache 5\nhierarchical_memory_limit 4096\n");
    assert_int_equal(room(), 4096);
}

static void of_version_2_the_tightest_group_above_counts(void **state)
{
    (void)state;
    scratch_write(&dir, "meminfo", "MemTotal: 1000 kB\n");
    scratch_write(&dir, "self", "0::/a/b\n");
    be_in("/a/b");
    assert_int_equal(room(), 1000 * 1024);
    scratch_write(&dir, "fs/a/b/memory.max", "max\n");
    scratch_write(&dir, "fs/a/memory.max", "8192\n");
    assert_int_equal(room(), 8192);
    scratch_write(&dir, "fs/a/b/memory.max", "4096\n");
    assert_int_equal(room(), 4096);
    scratch_write(&dir, "fs/memory.max", "2048\n");
    assert_int_equal(room(), 2048);
}

static void press(double some, double full)
{
    char text[256];

    snprintf(text, sizeof(text),
             "some avg10=%.2f avg60=99.00 avg300=99.00 total=570727\n"
             "full avg10=%.2f avg60=99.00 avg300=99.00 total=70916\n",
             some, full);
    scratch_write(&dir, "memory", text);
}

static void pressure_is_high_from_a_threshold_until_it_has_fallen_to_half(void **state)
{
    static const struct {
        double some, full;
        bool high;
    } rows[] = {
        { 0, 0, false },  { 19.9, 9.9, false }, { 20, 0, true },
        { 10, 0, true },  { 9.9, 0, false },    { 19, 0, false },
        { 15, 10, true }, { 9, 5, true },       { 9, 4.9, false },
    };
    struct sg_mono now = { SG_NS_PER_S };
    struct sg_pressure *p;

    (void)state;
    press(0, 0);
    p = sg_pressure_new(scratch_path(&dir, "memory"));
    assert_non_null(p);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++, now.ns += SG_NS_PER_S) {
        press(rows[i].some, rows[i].full);
        print_message("some %.1f full %.1f\n", rows[i].some, rows[i].full);
        assert_int_equal(sg_pressure_is_high(p, now), rows[i].high);
        assert_true(sg_pressure_some(p) == rows[i].some);
        press(100 - rows[i].some, 100 - rows[i].full); /* looked at half a second later at most */
        assert_int_equal(sg_pressure_is_high(p, (struct sg_mono){ now.ns + 1 }), rows[i].high);
    }
    press(90, 90);
    assert_true(sg_pressure_is_high(p, now));
    scratch_write(&dir, "memory", "");
    now.ns += SG_NS_PER_S;
    assert_false(sg_pressure_is_high(p, now)); /* it tells nothing any more */
    sg_pressure_free(p);
}

static void without_the_kernels_word_memory_is_never_short(void **state)
{
    (void)state;
    assert_null(sg_pressure_new(scratch_path(&dir, "memory")));
    scratch_write(&dir, "memory", "nonsense\n");
    assert_null(sg_pressure_new(scratch_path(&dir, "memory")));
    assert_false(sg_pressure_is_high(NULL, (struct sg_mono){ 1 }));
    sg_pressure_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_room_is_the_machines_or_what_a_cgroup_leaves_of_it),
        TEST(of_version_2_the_tightest_group_above_counts),
        TEST(pressure_is_high_from_a_threshold_until_it_has_fallen_to_half),
        TEST(without_the_kernels_word_memory_is_never_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
