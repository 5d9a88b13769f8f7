/*
 * Memory: what stages say that they take against what the machine has, starts under pressure, and
 * a cgroup of a job's own.
 */
#include "fixture.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static const char hour[] = "bronze@2024-01-01T21";

/* In MiB, of the machine; a cgroup of this process may leave less. */
static long machine_mib(void)
{
    return sysconf(_SC_PHYS_PAGES) / 256 * (sysconf(_SC_PAGESIZE) / 4096);
}

static void bronze_takes(struct e2e *t, long mib)
{
    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n",
             e2e_text(t, "[stage bronze]\nmemory = %ldm\n", mib));
}

static void a_stage_that_wants_more_than_there_is_is_told_and_runs_alone(void **state)
{
    struct e2e *t = *state;

    bronze_takes(t, 2 * machine_mib());
    e2e_run(t, 0, "check");
    e2e_has_line(t->err,
                 "warning: stage bronze: memory = *, and this machine (or its cgroup) has *");
    e2e_run(t, 0, "run -j2 --only bronze");
    e2e_says(t->err, "stage bronze wants ");
    e2e_says(t->err, ": its jobs run alone");
    e2e_ran_sorted(t, "bronze@2024-01-01T21 bronze@2024-01-01T22 bronze@2024-01-01T23");
    /* Where its pool says what room there is, that counts: it may be a cluster's. */
    e2e_append(t, "stagegraph.ini", "[pool yarn]\nmemory = 900g\n");
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\npool = yarn\n");
    e2e_run(t, 0, "check");
    e2e_same(t->err, "", __FILE__, __LINE__);
    e2e_run(t, 0, "run -j2 --only bronze --force");
    e2e_says_not(t->err, "wants");
}

/* Two of them would be more than there is; silver, which says nothing, goes on beside. */
static void jobs_that_together_want_more_than_there_is_take_turns(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int gate;

    bronze_takes(t, machine_mib() * 2 / 3);
    e2e_gate(t, "a");
    e2e_does(t, "bronze", "read -r x <gate.a\n");
    p = e2e_start(t, "run -j4 --only bronze,silver");
    for (int i = 0; i < 3; i++) {
        gate = e2e_gate_reached(t, "a");
        e2e_pause(t, 150);
        assert_int_equal(e2e_count(e2e_read(t, "ran"), "start bronze"), i + 1);
        if (i > 0) /* of the hour before */
            e2e_until_exists(t, e2e_marker(t, e2e_text(t, "silver@2024-01-01T%d", 20 + i)));
        e2e_gate_let_go(gate);
        while (e2e_count(e2e_read(t, "ran"), "end bronze") != (size_t)i + 1)
            e2e_pause(t, 2);
    }
    e2e_wait(p, 0);
    e2e_says_not(t->err, "wants");
}

/* ---- pressure: the kernel's file is one of ours, in a mount namespace of the program's own */

static void press(struct e2e *t, const char *percent)
{
    e2e_write(t, "pressure",
              e2e_text(t,
                       "some avg10=%s avg60=0.00 avg300=0.00 total=1\n"
                       "full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
                       percent));
}

static bool can_press(struct e2e *t)
{
    static const char try[] = "unshare -m mount --bind /proc/version /proc/pressure/memory";
    struct e2e_proc *p = e2e_start_argv(t, (const char *const[]){ "/bin/sh", "-c", try, NULL });

    return e2e_end(p) == 0 && access("/sys/fs/cgroup/cgroup.controllers", F_OK) != 0;
}

static struct e2e_proc *start_pressed(struct e2e *t, const char *args)
{
    const char *line =
        e2e_text(t,
                 "mount --bind '%s' /proc/pressure/memory && exec \"$STAGEGRAPH_BIN\" "
                 "%s",
                 e2e_path(t, "pressure"), args);

    return e2e_start_argv(
        t, (const char *const[]){ "/usr/bin/unshare", "-m", "/bin/sh", "-c", line, NULL });
}

static void under_pressure_one_job_goes_on_and_no_other_is_started(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    int gate;

    if (!can_press(t)) {
        print_message("needs root, and /proc/pressure/memory with cgroups of version 1\n");
        skip();
    }
    e2e_flights(t);
    e2e_setenv(t, "STAGEGRAPH_BIN", getenv("STAGEGRAPH_BIN"));
    press(t, "55.00");
    for (int i = 1; i <= 3; i++) {
        e2e_gate(t, e2e_text(t, "%d", i));
        e2e_does(t, e2e_text(t, "bronze@2024-01-01T2%d", i),
                 e2e_text(t, "read -r x <gate.%d\n", i));
    }
    p = start_pressed(t, "run -j3 --only bronze");
    gate = e2e_gate_reached(t, "1");
    e2e_until_err(p, "memory is short");
    e2e_pause(t, 150);
    assert_int_equal(e2e_count(e2e_read(t, "ran"), "start "), 1);
    e2e_gate_let_go(gate); /* the next one starts: nothing else runs */
    gate = e2e_gate_reached(t, "2");
    e2e_pause(t, 150);
    assert_int_equal(e2e_count(e2e_read(t, "ran"), "start "), 2);
    press(t, "0.00"); /* and when it is over, the third beside the second */
    e2e_gate_open(t, "3");
    e2e_gate_let_go(gate);
    e2e_wait(p, 0);
    assert_int_equal(e2e_count(t->err, "memory is short"), 1);
}

/* ---- a cgroup of its own */

/* Of version 1, where one below that of this process can be made; NULL: can't. */
static const char *own_group(struct e2e *t)
{
    char line[1024];
    const char *dir = NULL;
    FILE *f = fopen("/proc/self/cgroup", "re");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        char *path = strstr(line, ":memory:");

        line[strcspn(line, "\n")] = '\0';
        if (path != NULL)
            dir =
                e2e_text(t, "/sys/fs/cgroup/memory%s", strcmp(path + 8, "/") == 0 ? "" : path + 8);
    }
    if (f != NULL)
        fclose(f);
    if (dir == NULL || mkdir(e2e_text(t, "%s/e2e-of-stagegraph", dir), 0755) != 0)
        return NULL;
    return rmdir(e2e_text(t, "%s/e2e-of-stagegraph", dir)) == 0 ? dir : NULL;
}

static void a_stage_that_says_its_memory_has_a_cgroup_for_each_job(void **state)
{
    struct e2e *t = *state;
    const char *dir = own_group(t), *line;
    struct e2e_doc *d;

    if (dir == NULL) {
        print_message("no memory cgroup of version 1 can be made here\n");
        skip();
    }
    bronze_takes(t, 64);
    e2e_does(t, "bronze", "cat /proc/self/cgroup; sleep 0.1\n");
    e2e_does(t, "silver", "cat /proc/self/cgroup\n");
    e2e_run(t, 0, "run --json silver@2024-01-01T21");
    for (line = t->out; strstr(line, "\"node_finished\"") != NULL; line = strchr(line, '\n') + 1) {
        d = e2e_json(t, e2e_text(t, "%.*s", (int)(strchr(line, '\n') - line), line));
        if (strcmp(e2e_get(d, "event"), "node_finished") != 0)
            continue;
        e2e_same(e2e_get(d, "peak_source"),
                 strcmp(e2e_get(d, "stage"), "bronze") == 0 ? "cgroup" : "proc", __FILE__,
                 __LINE__);
    }
    e2e_run(t, 0, "log %s", hour);
    e2e_says(t->out, "/stagegraph-");
    e2e_run(t, 0, "log silver@2024-01-01T21");
    e2e_says_not(t->out, "/stagegraph-");
    e2e_run(t, 0, "history --stage bronze --json");
    e2e_same(e2e_get(e2e_json(t, t->out), "[0].peak_source"), "cgroup", __FILE__, __LINE__);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(a_stage_that_wants_more_than_there_is_is_told_and_runs_alone),
        e2e_test(jobs_that_together_want_more_than_there_is_take_turns),
        e2e_test(under_pressure_one_job_goes_on_and_no_other_is_started),
        e2e_test(a_stage_that_says_its_memory_has_a_cgroup_for_each_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
