/* A control group file system made by hand: what is looked for, and what is left alone. */
#include "cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"

static struct scratch dir;
static char self[512], root[512];

static int setup(void **state)
{
    (void)state;
    scratch_open(&dir);
    snprintf(self, sizeof(self), "%s", scratch_path(&dir, "self"));
    snprintf(root, sizeof(root), "%s", scratch_path(&dir, "fs"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_close(&dir);
    return 0;
}

/* Valid until the next call. */
static const char *reads(const char *path)
{
    static char text[128];
    size_t n;
    char *all = scratch_read(&dir, path, &n);

    snprintf(text, sizeof(text), "%s", all != NULL ? all : "(not there)");
    free(all);
    return text;
}

static void write_pids(const char *path, bool others)
{
    char text[64];

    snprintf(text, sizeof(text), "%s%d\n", others ? "1\n" : "", (int)getpid());
    scratch_write(&dir, path, text);
}

static struct sg_cgroup_files files(void)
{
    return (struct sg_cgroup_files){ self, root, root };
}

/* Of version 1: ours is fs/job of the memory hierarchy. */
static void fill_v1(void)
{
    scratch_write(&dir, "self", "7:cpu:/elsewhere\n4:memory:/job\n0::/\n");
    write_pids("fs/job/cgroup.procs", true);
    scratch_write(&dir, "fs/job/memory.use_hierarchy", "1\n");
}

/* Of version 2: the root of a container, whose leaf is there as the kernel would fill it. */
static void fill_v2(void)
{
    char leaf[96];

    scratch_write(&dir, "self", "0::/\n");
    write_pids("fs/cgroup.procs", false);
    scratch_write(&dir, "fs/cgroup.type", "domain\n");
    scratch_write(&dir, "fs/cgroup.controllers", "cpuset cpu memory pids\n");
    scratch_write(&dir, "fs/cgroup.subtree_control", "");
    snprintf(leaf, sizeof(leaf), "fs/stagegraph-run-%d/cgroup.procs", (int)getpid());
    scratch_write(&dir, leaf, "");
}

static void the_group_of_version_1_is_used_where_the_limit_of_ours_holds_below_it(void **state)
{
    struct sg_cgroup_files f = files();
    struct sg_cgroups *c;
    struct sg_cgroup *g;
    char own[512];
    bool v2;

    (void)state;
    fill_v1();
    assert_true(sg_cgroup_own(&f, own, sizeof(own), &v2));
    assert_string_equal(own, scratch_path(&dir, "fs/job"));
    assert_false(v2);
    c = sg_cgroups_new(&f);
    assert_non_null(c);
    g = sg_cgroup_make(c, "n1");
    assert_non_null(g);
    assert_string_equal(sg_cgroup_door(g), scratch_path(&dir, "fs/job/stagegraph-n1/cgroup.procs"));
    /* The kernel has written nothing yet. */
    assert_int_equal(sg_cgroup_bytes(g), -1);
    assert_int_equal(sg_cgroup_most_bytes(g), -1);
    assert_int_equal(sg_cgroup_oom_kills(g), -1);
    scratch_write(&dir, "fs/job/stagegraph-n1/memory.stat",
                  "cache 7000\nrss 1\nshmem 2\ntotal_cache 9000\ntotal_rss 100\ntotal_rss_huge 4\n"
                  "total_shmem 20\n");
    scratch_write(&dir, "fs/job/stagegraph-n1/memory.max_usage_in_bytes", "9999\n");
    scratch_write(&dir, "fs/job/stagegraph-n1/memory.oom_control",
                  "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    assert_int_equal(sg_cgroup_bytes(g), 120);
    assert_int_equal(sg_cgroup_most_bytes(g), 9999);
    assert_int_equal(sg_cgroup_oom_kills(g), 3);
    sg_cgroup_remove(g);
    sg_cgroups_free(c);

    scratch_write(&dir, "fs/job/memory.use_hierarchy", "0\n");
    assert_null(sg_cgroups_new(&f));
}

static void of_version_2_we_go_to_a_leaf_and_come_back(void **state)
{
    struct sg_cgroup_files f = files();
    struct sg_cgroups *c;
    struct sg_cgroup *g;
    char leaf[96];

    (void)state;
    fill_v2();
    snprintf(leaf, sizeof(leaf), "fs/stagegraph-run-%d/cgroup.procs", (int)getpid());
    c = sg_cgroups_new(&f);
    assert_non_null(c);
    assert_string_equal(reads(leaf), ""); /* not before it pays */
    g = sg_cgroup_make(c, "n1");
    assert_non_null(g);
    assert_string_equal(reads(leaf), "0");
    assert_string_equal(reads("fs/cgroup.subtree_control"), "+memory");
    scratch_write(&dir, "fs/stagegraph-n1/memory.stat",
                  "anon 100\nfile 9000\nkernel 7\nshmem 20\nfile_mapped 3\nanon_thp 1\n");
    scratch_write(&dir, "fs/stagegraph-n1/memory.peak", "9999\n");
    scratch_write(&dir, "fs/stagegraph-n1/memory.events",
                  "low 0\nhigh 0\nmax 5\noom 1\noom_kill 2\noom_group_kill 0\n");
    assert_int_equal(sg_cgroup_bytes(g), 120);
    assert_int_equal(sg_cgroup_most_bytes(g), 9999);
    assert_int_equal(sg_cgroup_oom_kills(g), 2);
    sg_cgroup_remove(g);
    sg_cgroups_free(c);
    assert_string_equal(reads("fs/cgroup.subtree_control"), "-memory");
    assert_int_equal(reads("fs/cgroup.procs")[0], '0');
}

/* Each of these is a group that is not, or not wholly, ours to change. */
static void what_is_not_ours_is_left_alone(void **state)
{
    struct sg_cgroup_files f = files();
    struct sg_cgroups *c;
    struct sg_cgroup *g;

    (void)state;
    fill_v2();
    write_pids("fs/cgroup.procs", true); /* others are in it: perhaps not for long */
    c = sg_cgroups_new(&f);
    assert_non_null(c);
    assert_null(sg_cgroup_make(c, "n1"));
    assert_string_equal(reads("fs/cgroup.subtree_control"), "");
    write_pids("fs/cgroup.procs", false);
    g = sg_cgroup_make(c, "n1");
    assert_non_null(g);
    sg_cgroup_remove(g);
    sg_cgroups_free(c);

    write_pids("fs/cgroup.procs", false);
    scratch_write(&dir, "fs/cgroup.controllers", "cpu memory_like\n");
    assert_null(sg_cgroups_new(&f)); /* nothing to be had */
    scratch_write(&dir, "fs/cgroup.controllers", "cpu memory\n");
    assert_int_equal(unlink(scratch_path(&dir, "fs/cgroup.type")), 0);
    if (geteuid() == 0)
        assert_null(sg_cgroups_new(&f)); /* the machine's own root */
    scratch_write(&dir, "fs/cgroup.procs", "1\n");
    assert_null(sg_cgroups_new(&f)); /* we are not in it: it is another's */
    scratch_write(&dir, "self", "0::/somewhere\n");
    assert_null(sg_cgroups_new(&f));
    assert_int_equal(unlink(self), 0);
    assert_null(sg_cgroups_new(&f));
}

static void a_move_that_fails_is_taken_back_and_not_tried_again(void **state)
{
    struct sg_cgroup_files f = files();
    struct sg_cgroups *c;
    char leaf[96];

    (void)state;
    fill_v2();
    assert_int_equal(unlink(scratch_path(&dir, "fs/cgroup.subtree_control")), 0);
    snprintf(leaf, sizeof(leaf), "fs/stagegraph-run-%d", (int)getpid());
    c = sg_cgroups_new(&f);
    assert_null(sg_cgroup_make(c, "n1"));
    assert_false(scratch_has(&dir, "fs/stagegraph-n1"));
    scratch_write(&dir, "fs/cgroup.subtree_control", "");
    write_pids("fs/cgroup.procs", false);
    assert_null(sg_cgroup_make(c, "n2"));
    sg_cgroups_free(c);
}

static void lines_are_found_by_their_whole_word(void **state)
{
    (void)state;
    assert_int_equal(sg_cgroup_line("oom_kill_disable 4\noom 5\noom_kill 6\n", "oom_kill"), 6);
    assert_int_equal(sg_cgroup_line("oom_kill 6", "oom_kill"), 6);
    assert_int_equal(sg_cgroup_line("oom_kill_disable 4\n", "oom_kill"), -1);
    assert_int_equal(sg_cgroup_line("", "oom_kill"), -1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_group_of_version_1_is_used_where_the_limit_of_ours_holds_below_it),
        TEST(of_version_2_we_go_to_a_leaf_and_come_back),
        TEST(what_is_not_ours_is_left_alone),
        TEST(a_move_that_fails_is_taken_back_and_not_tried_again),
        TEST(lines_are_found_by_their_whole_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
