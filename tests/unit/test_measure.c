#include "measure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "lab.h"
#include "stagegraph/proc.h"

#define MIB (1024.0 * 1024.0)

/* A sanitizer's shadow and quarantine are memory too. */
#ifdef __SANITIZE_ADDRESS__
#define SLACK 2
#else
#define SLACK 1
#endif

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    bool ok = f != NULL && fputs(text, f) >= 0;

    return f != NULL && fclose(f) == 0 && ok;
}

/* As the module itself finds out, but asked of the kernel. */
static bool has_groups(void)
{
    char own[4096], path[4200];
    bool v2, made;

    if (!sg_cgroup_own(&sg_cgroup_system, own, sizeof(own), &v2) || v2)
        return false;
    snprintf(path, sizeof(path), "%s/test-of-stagegraph-%d", own, (int)getpid());
    made = mkdir(path, 0755) == 0;
    return made && rmdir(path) == 0;
}

/* Programs of known size: what each must be seen to take, in MiB. */
static void the_peak_is_that_of_the_tree_and_counts_shared_memory_once(void **state)
{
    static const struct {
        const char *behaviour, *arg;
        double least, most;
    } rows[] = {
        { "hog", "64", 64, 72 },   /* one process */
        { "hogs", "48", 96, 112 }, /* two at once, each its own */
        { "share", "64", 64, 80 }, /* a forked child shares all */
        { "twin", "64", 64, 80 },  /* a vforked child runs in its parent */
    };
    struct lab *lab = lab_of(state);

    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        const char *behaviour = rows[i / 2].behaviour;
        bool grouped = i % 2 == 1;
        double mib;

        lab->spec.own_group = grouped;
        lab_run(lab, LAB_ARGV("escape", behaviour, rows[i / 2].arg));
        mib = (double)lab->end.measure.peak_bytes / MIB;
        print_message("%s %s: %.1f MiB (%s)\n", behaviour, rows[i / 2].arg, mib,
                      sg_job_peak_source(&lab->end.measure));
        assert_true(mib >= rows[i / 2].least);
        assert_true(mib <= rows[i / 2].most * SLACK);
        assert_int_equal(lab->end.measure.peak_from_cgroup, grouped && has_groups());
    }
}

static void needs_groups(void)
{
    if (has_groups())
        return;
    print_message("no memory cgroup can be made here: not tested\n");
    skip();
}

/* The page cache is charged to a group, and is no memory that a job needs. */
static void what_a_job_writes_is_not_its_memory(void **state)
{
    struct lab *lab = lab_of(state);
    double mib;

    needs_groups();
    lab->spec.own_group = true;
    lab_run(lab, LAB_ARGV("sh", "-c", "head -c 200m /dev/zero >file; sleep 0.3; rm file"));
    assert_int_equal(lab->end.exit_code, 0);
    mib = (double)lab->end.measure.peak_bytes / MIB;
    print_message("writing 200 MiB: %.1f MiB\n", mib);
    assert_true(lab->end.measure.peak_from_cgroup);
    assert_true(mib < 50 * SLACK);
}

/* Also of one that makes groups itself, and of one whose shim dies. */
static void a_group_goes_with_its_job(void **state)
{
    struct lab *lab = lab_of(state);
    char own[4096], path[4200], arg[13000];
    struct sg_proc p;
    bool v2;

    needs_groups();
    assert_true(sg_cgroup_own(&sg_cgroup_system, own, sizeof(own), &v2));
    snprintf(path, sizeof(path), "%s/stagegraph-%s", own, lab->nonce);
    lab->spec.own_group = true;
    snprintf(arg, sizeof(arg),
             "test -d %s && grep -qx $$ %s/cgroup.procs && mkdir -p %s/mine/too && echo inside",
             path, path, path);
    lab_run(lab, LAB_ARGV("sh", "-c", arg));
    assert_string_equal(sg_buf_text(&lab->output), "inside\n");
    assert_int_equal(access(path, F_OK), -1);

    assert_true(sg_job_subreaper(&lab->err));
    lab_start(lab, LAB_ARGV("sh", "-c", "echo up; sleep 100"));
    lab_wait_for(lab, "up");
    assert_int_equal(access(path, F_OK), 0);
    /* Its parent; the shim of the job before may not be gone yet. */
    assert_true(sg_proc_read(sg_job_pid(lab->job), &p));
    assert_int_equal(kill(p.ppid, SIGKILL), 0);
    lab_wait(lab);
    assert_int_equal(lab->end.how, SG_JOB_LOST);
    assert_int_equal(access(path, F_OK), -1);
}

/* Left by a run that was killed: the next one that makes a group removes it. */
static void groups_of_dead_runs_are_removed(void **state)
{
    struct lab *lab = lab_of(state);
    char own[4096], path[4200];
    bool v2;

    needs_groups();
    assert_true(sg_cgroup_own(&sg_cgroup_system, own, sizeof(own), &v2));
    snprintf(path, sizeof(path), "%s/stagegraph-00000000000000000000000000000000", own);
    assert_int_equal(mkdir(path, 0755), 0);
    lab->spec.own_group = true;
    lab_run(lab, LAB_ARGV("true"));
    assert_int_equal(lab->end.exit_code, 0);
    assert_int_equal(access(path, F_OK), -1);
}

/* Between two samples: the kernel's own note of the largest process is taken. */
static void a_peak_of_a_moment_is_not_lost(void **state)
{
    struct lab *lab = lab_of(state);

    lab_run(lab, LAB_ARGV("sh", "-c", "sleep 0.4; head -c 60m /dev/zero | tail -c 60m >/dev/null"));
    assert_int_equal(lab->end.exit_code, 0);
    assert_true((double)lab->end.measure.peak_bytes >= 60 * MIB);
}

static void processor_time_is_that_of_the_whole_tree(void **state)
{
    struct lab *lab = lab_of(state);
    const struct sg_job_measure *m = &lab->end.measure;

    lab_run(lab, LAB_ARGV("escape", "cpu", "400"));
    assert_true(m->cpu_seconds >= 0.395);
    assert_true(m->cpu_seconds < 1.5);
    assert_true(m->seconds >= 0.19);
}

static void what_was_not_seen_is_not_zero(void **state)
{
    struct lab *lab = lab_of(state);
    const struct sg_job_measure *m = &lab->end.measure;

    lab->spec.no_measure = true;
    lab_run(lab, LAB_ARGV("true"));
    assert_int_equal(m->jvms, -1);
    assert_int_equal(m->gc_count, -1);
    assert_true(isnan(m->gc_seconds));
    assert_int_equal(m->heap_peak_bytes, -1);
    assert_int_equal(m->heap_used_bytes, -1);
    assert_true(m->read_bytes >= 0);
    lab_run(lab, LAB_ARGV("/there/is/no/such/program"));
    assert_true(isnan(m->seconds));
    assert_true(isnan(m->cpu_seconds));
    assert_int_equal(m->peak_bytes, -1);
    assert_int_equal(m->read_bytes, -1);
    lab->spec.no_measure = false;
    lab_run(lab, LAB_ARGV("sleep", "0.1"));
    assert_int_equal(m->jvms, 0); /* looked at: a fact */
    assert_int_equal(m->gc_count, -1);
}

/* Of KILL; for want of memory or not. In a forked process: it can't assert. */
static bool dies_of(struct lab *lab, const char *const *argv, bool oom)
{
    lab_run(lab, argv);
    print_message("%s: signal %d, oom %d, peak %lld\n", argv[0], lab->end.signo, lab->end.oom,
                  (long long)lab->end.measure.peak_bytes);
    return lab->end.signo == SIGKILL && lab->end.oom == oom;
}

/* A memory cgroup (of version 1) of our own, with a limit that the job goes beyond. */
static void a_kill_for_want_of_memory_is_told_from_others(void **state)
{
    struct lab *lab = lab_of(state);
    const char *root = "/sys/fs/cgroup/memory/stagegraph-test";
    char path[128];
    int status;
    pid_t pid;

    snprintf(path, sizeof(path), "%s/memory.limit_in_bytes", root);
    if (geteuid() != 0 || mkdir(root, 0755) != 0 || !write_text(path, "67108864")) {
        print_message("needs root and a memory cgroup of version 1\n");
        rmdir(root);
        skip();
    }
    pid = fork();
    if (pid == 0) {
        bool ok;

        snprintf(path, sizeof(path), "%s/cgroup.procs", root);
        if (!write_text(path, "0"))
            _exit(8);
        sg_loop_free(lab->loop);
        if (!sg_loop_new(1, &lab->loop, &lab->err))
            _exit(9);
        ok = dies_of(lab, LAB_ARGV("sh", "-c", "kill -9 $$"), false) &&
             dies_of(lab, LAB_ARGV("escape", "hog", "200"), true) &&
             dies_of(lab, LAB_ARGV("sh", "-c", "kill -9 $$"), false);
        /* With a group of its own for each job the kills are exactly those of that job. */
        lab->spec.own_group = true;
        ok = ok && dies_of(lab, LAB_ARGV("escape", "hog", "200"), true) &&
             lab->end.measure.peak_bytes <= 64 << 20 &&
             dies_of(lab, LAB_ARGV("sh", "-c", "kill -9 $$"), false);
        sg_loop_free(lab->loop);
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < 100 && rmdir(root) != 0; i++)
        usleep(10000);
    assert_int_equal(status, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, lab_set_up, lab_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_peak_is_that_of_the_tree_and_counts_shared_memory_once),
        TEST(what_a_job_writes_is_not_its_memory),
        TEST(a_group_goes_with_its_job),
        TEST(groups_of_dead_runs_are_removed),
        TEST(a_peak_of_a_moment_is_not_lost),
        TEST(processor_time_is_that_of_the_whole_tree),
        TEST(what_was_not_seen_is_not_zero),
        TEST(a_kill_for_want_of_memory_is_told_from_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
