#include "measure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

#define MIB (1024.0 * 1024.0)

/* A sanitizer's shadow and quarantine are memory too. */
#ifdef __SANITIZE_ADDRESS__
#define SLACK 2
#else
#define SLACK 1
#endif

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

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double mib;

        lab_run(lab, LAB_ARGV("escape", rows[i].behaviour, rows[i].arg));
        mib = (double)lab->end.measure.peak_bytes / MIB;
        print_message("%s %s: %.1f MiB\n", rows[i].behaviour, rows[i].arg, mib);
        assert_true(mib >= rows[i].least);
        assert_true(mib <= rows[i].most * SLACK);
        assert_false(lab->end.measure.peak_from_cgroup);
    }
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

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    bool ok = f != NULL && fputs(text, f) >= 0;

    return f != NULL && fclose(f) == 0 && ok;
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
        lab_run(lab, LAB_ARGV("sh", "-c", "kill -9 $$"));
        ok = lab->end.signo == SIGKILL && !lab->end.oom;
        lab_run(lab, LAB_ARGV("escape", "hog", "200"));
        ok = ok && lab->end.signo == SIGKILL && lab->end.oom;
        lab_run(lab, LAB_ARGV("sh", "-c", "kill -9 $$"));
        ok = ok && lab->end.signo == SIGKILL && !lab->end.oom;
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
        TEST(a_peak_of_a_moment_is_not_lost),
        TEST(processor_time_is_that_of_the_whole_tree),
        TEST(what_was_not_seen_is_not_zero),
        TEST(a_kill_for_want_of_memory_is_told_from_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
