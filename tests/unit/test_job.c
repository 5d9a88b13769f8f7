#include "stagegraph/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lab.h"
#include "stagegraph/claim.h"
#include "stagegraph/proc.h"

static const char *text(const struct lab *lab)
{
    return sg_buf_text(&lab->output);
}

/* ---- starting */

static void a_command_runs_and_its_exit_is_told(void **state)
{
    static const struct {
        const char *script;
        enum sg_job_how how;
        int exit_code, signo;
    } rows[] = {
        { "exit 0", SG_JOB_EXITED, 0, -1 },
        { "exit 3", SG_JOB_EXITED, 3, -1 },
        { "exit 127", SG_JOB_EXITED, 127, -1 },
        { "kill -9 $$", SG_JOB_SIGNALED, -1, SIGKILL },
        { "kill -15 $$", SG_JOB_SIGNALED, -1, SIGTERM },
    };
    struct lab *lab = lab_of(state);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("%s\n", rows[i].script);
        lab_run(lab, LAB_ARGV("sh", "-c", rows[i].script));
        assert_int_equal(lab->end.how, rows[i].how);
        assert_int_equal(lab->end.exit_code, rows[i].exit_code);
        assert_int_equal(lab->end.signo, rows[i].signo);
        assert_int_equal(lab->end.leftovers, 0);
        assert_int_equal(lab->end.stuck, 0);
        assert_false(lab->end.output_held);
        assert_false(lab->end.oom);
        assert_true(lab->end.measure.seconds >= 0);
        assert_true(lab->end.measure.cpu_seconds >= 0);
        assert_true(lab->end.measure.peak_bytes > 0);
        assert_int_equal(lab->end.measure.gc_count, -1);
    }
}

static void what_can_not_be_started_is_told_apart_from_any_exit(void **state)
{
    struct lab *lab = lab_of(state);

    lab_run(lab, LAB_ARGV("there-is-no-such-program", "x"));
    assert_int_equal(lab->end.how, SG_JOB_NOT_STARTED);
    assert_int_equal(lab->end.sys_errno, ENOENT);
    assert_string_equal(lab->end.what, "there-is-no-such-program");
    lab_run(lab, LAB_ARGV("/etc/passwd"));
    assert_int_equal(lab->end.how, SG_JOB_NOT_STARTED);
    assert_int_equal(lab->end.sys_errno, EACCES);
    lab->spec.workdir = "/there/is/no/such/dir";
    lab_run(lab, LAB_ARGV("true"));
    assert_int_equal(lab->end.how, SG_JOB_NOT_STARTED);
    assert_int_equal(lab->end.sys_errno, ENOENT);
    assert_string_equal(lab->end.what, "the working directory /there/is/no/such/dir");
    assert_true(isnan(lab->end.measure.seconds));
}

static void a_command_line_that_is_too_long_is_not_started(void **state)
{
    struct lab *lab = lab_of(state);
    size_t n = (size_t)200 << 10;
    char *word = malloc(n + 1);

    memset(word, 'x', n);
    word[n] = '\0';
    lab_run(lab, LAB_ARGV("true", word));
    free(word);
    assert_int_equal(lab->end.how, SG_JOB_NOT_STARTED);
    assert_int_equal(lab->end.sys_errno, E2BIG);
}

static void a_missing_shim_is_an_error_and_nothing_runs(void **state)
{
    struct lab *lab = lab_of(state);
    char name[] = "true", *argv[] = { name, NULL }, *envp[] = { NULL };
    struct sg_job *job = NULL;

    lab->spec.shim = "/there/is/no/shim";
    lab->spec.argv = argv;
    lab->spec.envp = envp;
    assert_false(sg_job_start(lab->loop, &lab->spec, &job, &lab->err));
    assert_int_equal(lab->err.code, SG_ERROR_SYSTEM);
    assert_non_null(strstr(lab->err.text, "/there/is/no/shim"));
    assert_null(job);
}

static void a_script_without_a_first_line_runs_in_the_shell(void **state)
{
    struct lab *lab = lab_of(state);
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/script", lab->dir);
    f = fopen(path, "we");
    assert_non_null(f);
    fputs("echo \"$0 $1\"\n", f);
    fchmod(fileno(f), 0755);
    fclose(f);
    lab_run(lab, LAB_ARGV("./script", "one"));
    assert_int_equal(lab->end.exit_code, 0);
    assert_string_equal(text(lab), "./script one\n");
}

static void the_program_is_looked_up_in_the_path_of_the_job(void **state)
{
    struct lab *lab = lab_of(state);
    char path[128], env[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/only-here", lab->dir);
    f = fopen(path, "we");
    assert_non_null(f);
    fputs("#!/bin/sh\necho found\n", f);
    fchmod(fileno(f), 0755);
    fclose(f);
    lab_run(lab, LAB_ARGV("only-here"));
    assert_int_equal(lab->end.how, SG_JOB_NOT_STARTED);
    snprintf(env, sizeof(env), "PATH=/nowhere:%s", lab->dir);
    setenv("PATH", env + 5, 1);
    lab_run(lab, LAB_ARGV("only-here"));
    setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
    assert_string_equal(text(lab), "found\n");
}

static void a_job_has_three_descriptors_and_no_others(void **state)
{
    struct lab *lab = lab_of(state);
    /* Not close-on-exec, as a careless caller leaves them. */
    int low = open("/etc/passwd", O_RDONLY), high = fcntl(low, F_DUPFD, 200), lock;

    lock = open(lab->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lab->spec.lock_fd = lock;
    lab_run(lab, LAB_ARGV("escape", "descriptors"));
    close(low);
    close(high);
    close(lock);
    assert_string_equal(text(lab), "0 /dev/null\n1 pipe\n2 pipe\n");
}

static void a_job_leads_its_session_and_no_signal_is_blocked_or_ignored(void **state)
{
    /* Real-time ones too: a C library keeps some to itself, and not each the same. */
    const int ignored[] = { SIGPIPE, SIGINT, SIGCHLD, SIGRTMIN, SIGRTMAX };
    struct lab *lab = lab_of(state);
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    lab_run(lab, LAB_ARGV("escape", "signals"));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_DFL);
    assert_string_equal(text(lab), "leader 1\n");
}

/* ---- output */

static void let_go_on(struct lab *lab)
{
    char path[128];

    if (strcmp(text(lab), "half a li") != 0)
        return;
    snprintf(path, sizeof(path), "%s/go", lab->dir);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
}

/* The job waits for the file that is made when its half line has come. */
static void half_a_line_is_relayed_while_the_job_still_runs(void **state)
{
    struct lab *lab = lab_of(state);

    lab->on_output = let_go_on;
    lab_run(lab, LAB_ARGV("escape", "partial", "go"));
    assert_int_equal(lab->end.exit_code, 0);
    assert_string_equal(text(lab), "half a line\nno newline");
}

static void dawdle(struct lab *lab)
{
    (void)lab;
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void both_streams_come_in_order_and_whole_to_a_slow_reader(void **state)
{
    enum { LINES = 200000 };
    struct lab *lab = lab_of(state);
    const char *at;

    lab->on_output = dawdle;
    lab_run(lab, LAB_ARGV("escape", "lines", "200000"));
    assert_int_equal(lab->end.exit_code, 0);
    at = text(lab);
    for (long i = 0; i < LINES; i++) {
        char *end;

        assert_int_equal(strtol(at, &end, 10), i);
        assert_int_equal(*end, '\n');
        at = end + 1;
    }
    assert_int_equal(*at, '\0');
}

static void hold_at_once(struct lab *lab)
{
    sg_job_hold(lab->job, true); /* from within the callback */
}

static void a_job_that_is_held_waits_and_loses_nothing(void **state)
{
    struct lab *lab = lab_of(state);
    size_t before;
    const char *at;

    lab->on_output = hold_at_once;
    lab_start(lab, LAB_ARGV("escape", "lines", "200000"));
    lab_wait_for(lab, "0\n");
    before = lab->output.len;
    lab_turn(lab, 200);
    assert_int_equal(lab->output.len, before);
    assert_false(lab->ended);
    for (int i = 0; i < 3; i++) { /* a piece each time, more than that is not read */
        before = lab->output.len;
        sg_job_hold(lab->job, false);
        while (lab->output.len == before)
            lab_turn(lab, 10);
        assert_true(lab->output.len <= before + (128 << 10));
    }
    lab->on_output = NULL;
    sg_job_hold(lab->job, false);
    lab_wait(lab);
    assert_int_equal(lab->end.exit_code, 0);
    at = text(lab);
    for (long i = 0; i < 200000; i++) {
        char *end;

        assert_int_equal(strtol(at, &end, 10), i);
        at = end + 1;
    }
    assert_int_equal(*at, '\0');
}

/* What it left in the pipe is read at its end, and its end is not held. */
static void a_held_job_may_end_and_may_be_ended(void **state)
{
    struct lab *lab = lab_of(state);

    lab_start(lab, LAB_ARGV("/bin/sh", "-c", "echo one; echo two"));
    sg_job_hold(lab->job, true);
    lab_wait(lab);
    assert_int_equal(lab->end.exit_code, 0);
    assert_string_equal(text(lab), "one\ntwo\n");

    sg_job_free(lab->job);
    lab_start(lab, LAB_ARGV("/bin/sh", "-c", "echo begun >&2; exec yes"));
    lab_wait_for(lab, "begun");
    sg_job_hold(lab->job, true);
    lab_turn(lab, 50);
    sg_job_stop(lab->job, false);
    lab_wait(lab);
    assert_int_equal(lab->end.how, SG_JOB_STOPPED);
    assert_false(lab->end.output_held);
}

static void output_that_somebody_outside_holds_open_is_given_up(void **state)
{
    struct lab *lab = lab_of(state);
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s/socket", lab->dir);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
    lab_run(lab, LAB_ARGV("escape", "hand-out", a.sun_path)); /* in flight: held by the socket */
    close(s);
    assert_int_equal(lab->end.exit_code, 0);
    assert_string_equal(text(lab), "handed\n");
    assert_true(lab->end.output_held);
}

/* ---- the tree */

static void what_outlives_the_command_is_ended_and_named(void **state)
{
    static const struct {
        const char *behaviour, *arg;
        unsigned leftovers, noted;
        int exit_code;
    } rows[] = {
        { "leave", "3", 1, 2, 3 },
        { "leave-deaf", "0", 1, 2, 0 },
        { "daemon", "", 1, 3, 0 },
        { "bare", "", 1, 4, 0 },
    };
    struct lab *lab = lab_of(state);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("%s\n", rows[i].behaviour);
        unlink(lab->log);
        lab_run(lab, LAB_ARGV("escape", rows[i].behaviour, rows[i].arg));
        assert_int_equal(lab_living(lab), 0);
        assert_true(lab_noted(lab) >= rows[i].noted - 1);
        assert_int_equal(lab->end.how, SG_JOB_EXITED);
        assert_int_equal(lab->end.exit_code, rows[i].exit_code);
        assert_int_equal(lab->end.leftovers, rows[i].leftovers);
        assert_true(strstr(lab->end.leftover_names, "escape (pid ") != NULL ||
                    strstr(lab->end.leftover_names, "exe (pid ") != NULL);
        assert_false(lab->end.output_held);
    }
}

static void what_ends_by_itself_right_after_the_command_is_no_leftover(void **state)
{
    struct lab *lab = lab_of(state);

    lab_run(lab, LAB_ARGV("sh", "-c", "(sleep 0.03; echo late) & echo early"));
    assert_int_equal(lab->end.leftovers, 0);
    assert_string_equal(text(lab), "early\nlate\n");
}

/* Programs that would live for a minute, and what they print when they are ready. */
static const struct {
    const char *behaviour, *arg, *ready;
} stubborn[] = {
    { "sit", "", NULL },           { "wrap", "", "ready\n" },     { "deaf", "", "ready\n" },
    { "stopped", "", "ready\n" },  { "headless", "", "ready\n" }, { "daemon", "stay", NULL },
    { "bare", "stay", "ready\n" }, { "comets", "2", "ready\n" },  { "bush", "150", "ready\n" },
};
#define N_STUBBORN (sizeof(stubborn) / sizeof(stubborn[0]))

static void await_ready(struct lab *lab, size_t i)
{
    if (stubborn[i].ready != NULL)
        lab_wait_for(lab, stubborn[i].ready);
}

static void a_timeout_ends_the_whole_tree(void **state)
{
    struct lab *lab = lab_of(state);

    lab->spec.timeout_ms = 300;
    lab->spec.grace_ms = 200;
    for (size_t i = 0; i < N_STUBBORN; i++) {
        print_message("%s\n", stubborn[i].behaviour);
        unlink(lab->log);
        lab_run(lab, LAB_ARGV("escape", stubborn[i].behaviour, stubborn[i].arg));
        assert_int_equal(lab_living(lab), 0);
        assert_int_equal(lab->end.how, SG_JOB_TIMEOUT);
        assert_int_equal(lab->end.stuck, 0);
        assert_int_equal(lab->end.leftovers, 0);
        assert_true(lab->end.measure.seconds < 30);
    }
}

static void a_stop_ends_the_whole_tree(void **state)
{
    struct lab *lab = lab_of(state);

    for (size_t i = 0; i < 2 * N_STUBBORN; i++) {
        bool hard = i >= N_STUBBORN;

        print_message("%s %s\n", stubborn[i % N_STUBBORN].behaviour, hard ? "hard" : "");
        unlink(lab->log);
        lab->spec.grace_ms = hard ? 20000 : 100;
        lab_start(lab, LAB_ARGV("escape", stubborn[i % N_STUBBORN].behaviour,
                                stubborn[i % N_STUBBORN].arg));
        await_ready(lab, i % N_STUBBORN);
        sg_job_stop(lab->job, hard);
        lab_wait(lab);
        assert_int_equal(lab_living(lab), 0);
        assert_int_equal(lab->end.how, SG_JOB_STOPPED);
        assert_int_equal(lab->end.stuck, 0);
        assert_true(lab->end.measure.seconds < 15);
    }
}

static void a_second_stop_skips_the_grace(void **state)
{
    struct lab *lab = lab_of(state);

    lab->spec.grace_ms = 50000;
    lab_start(lab, LAB_ARGV("escape", "deaf"));
    lab_wait_for(lab, "ready\n");
    sg_job_stop(lab->job, false);
    sg_job_stop(lab->job, true);
    lab_wait(lab);
    assert_int_equal(lab_living(lab), 0);
    assert_int_equal(lab->end.how, SG_JOB_STOPPED);
    assert_int_equal(lab->end.signo, SIGKILL);
}

static void a_leader_that_leaves_early_does_not_cut_the_grace_of_the_others(void **state)
{
    struct lab *lab = lab_of(state);

    lab_start(lab, LAB_ARGV("escape", "early"));
    lab_wait_for(lab, "ready\n");
    sg_job_stop(lab->job, false);
    lab_wait(lab);
    assert_int_equal(lab_living(lab), 0);
    assert_int_equal(lab->end.how, SG_JOB_STOPPED);
    assert_int_equal(lab->end.exit_code, 5);
    assert_string_equal(text(lab), "ready\nsaved\n");
}

static void what_a_trap_starts_upon_the_term_has_its_grace(void **state)
{
    struct lab *lab = lab_of(state);

    lab_start(lab, LAB_ARGV("escape", "trap"));
    lab_wait_for(lab, "ready\n");
    sg_job_stop(lab->job, false);
    lab_wait(lab);
    assert_int_equal(lab->end.exit_code, 7);
    assert_string_equal(text(lab), "ready\ncleaned\n");
}

static void a_job_that_is_done_in_time_has_no_timeout(void **state)
{
    struct lab *lab = lab_of(state);

    lab->spec.timeout_ms = 30000;
    lab_run(lab, LAB_ARGV("true"));
    assert_int_equal(lab->end.how, SG_JOB_EXITED);
}

static char state_of(pid_t pid)
{
    struct sg_proc p;

    return sg_proc_read(pid, &p) ? p.state : '?';
}

static void await_state(pid_t pid, char state, bool is)
{
    for (int i = 0; i < 5000 && (state_of(pid) == state) != is; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    assert_true((state_of(pid) == state) == is);
}

static void pause_stops_the_tree_and_its_clock(void **state)
{
    struct lab *lab = lab_of(state);
    pid_t pid;

    lab->spec.timeout_ms = 2000;
    lab_start(lab, LAB_ARGV("escape", "nap", "800"));
    lab_wait_for(lab, "ready\n");
    pid = sg_job_pid(lab->job);
    sg_job_pause(lab->job, true);
    await_state(pid, 'T', true);
    lab_turn(lab, 2200);
    assert_false(lab->ended);
    sg_job_pause(lab->job, false);
    lab_wait(lab);
    assert_int_equal(lab->end.how, SG_JOB_EXITED);
    assert_int_equal(lab->end.exit_code, 0);
    assert_true(lab->end.measure.seconds < 2.1);
}

static void a_paused_job_can_be_stopped(void **state)
{
    struct lab *lab = lab_of(state);
    pid_t pid;

    lab_start(lab, LAB_ARGV("escape", "wrap"));
    lab_wait_for(lab, "ready\n");
    pid = sg_job_pid(lab->job);
    sg_job_pause(lab->job, true);
    await_state(pid, 'T', true);
    sg_job_stop(lab->job, false);
    lab_wait(lab);
    assert_int_equal(lab_living(lab), 0);
    assert_int_equal(lab->end.signo, SIGTERM);
}

/* ---- the claim's lock */

static bool is_locked(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;

    close(fd);
    return locked;
}

static void the_shim_holds_the_lock_as_long_as_the_tree_lives(void **state)
{
    struct lab *lab = lab_of(state);
    char path[128];

    snprintf(path, sizeof(path), "%s/claim", lab->dir);
    lab->spec.lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    assert_int_equal(flock(lab->spec.lock_fd, LOCK_EX), 0);
    lab_start(lab, LAB_ARGV("escape", "wrap"));
    lab_wait_for(lab, "ready\n");
    close(lab->spec.lock_fd);
    assert_true(is_locked(path));
    sg_job_stop(lab->job, false);
    lab_wait(lab);
    assert_false(is_locked(path));
}

/* ---- the executor or the shim dies */

/* A child process that plays the executor: its loop runs the job. Returns when the job is ready. */
static pid_t fork_executor(struct lab *lab, size_t i, pid_t *ret_shim)
{
    int ready[2];
    pid_t pid;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        pid_t shim;

        sg_loop_free(lab->loop);
        if (!sg_loop_new(1, &lab->loop, &lab->err) || !sg_job_subreaper(&lab->err))
            _exit(1);
        lab_start(lab, LAB_ARGV("escape", stubborn[i].behaviour, stubborn[i].arg));
        await_ready(lab, i);
        while (sg_job_pid(lab->job) == 0 || lab_noted(lab) == 0)
            lab_turn(lab, 1);
        shim = lab_shim(lab);
        if (write(ready[1], &shim, sizeof(shim)) != sizeof(shim))
            _exit(3);
        lab_wait(lab);
        _exit(lab->end.how == SG_JOB_LOST && lab->end.stuck == 0 ? 0 : 4);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], ret_shim, sizeof(*ret_shim)), sizeof(*ret_shim));
    close(ready[0]);
    return pid;
}

static void the_tree_ends_when_the_executor_is_killed(void **state)
{
    struct lab *lab = lab_of(state);
    pid_t shim;

    lab->spec.grace_ms = 200;
    for (size_t i = 0; i < N_STUBBORN; i++) {
        print_message("%s\n", stubborn[i].behaviour);
        unlink(lab->log);
        kill(fork_executor(lab, i, &shim), SIGKILL);
        assert_true(lab_is_empty_soon(lab));
        assert_true(lab_is_gone_soon(shim));
    }
}

static void a_stopped_executor_does_not_stop_the_clock_of_its_jobs(void **state)
{
    struct lab *lab = lab_of(state);
    pid_t shim, executor;

    lab->spec.timeout_ms = 1000;
    lab->spec.grace_ms = 100;
    executor = fork_executor(lab, 2, &shim);
    kill(executor, SIGSTOP);
    for (int i = 0; i < 2000 && lab_living(lab) != 0; i++)
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    assert_int_equal(lab_living(lab), 0);
    kill(executor, SIGKILL);
    assert_true(lab_is_gone_soon(executor));
}

static void the_executor_sweeps_when_the_shim_is_killed(void **state)
{
    struct lab *lab = lab_of(state);
    pid_t shim, executor;
    int status;

    lab->spec.grace_ms = 200;
    for (size_t i = 0; i < N_STUBBORN; i++) {
        print_message("%s\n", stubborn[i].behaviour);
        unlink(lab->log);
        executor = fork_executor(lab, i, &shim);
        kill(shim, SIGKILL);
        assert_int_equal(waitpid(executor, &status, 0), executor);
        assert_int_equal(lab_living(lab), 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void what_both_deaths_leave_is_found_by_its_nonce(void **state)
{
    struct lab *lab = lab_of(state);
    unsigned ended, left;
    pid_t shim, executor;

    for (size_t i = 0; i < N_STUBBORN; i++) {
        print_message("%s\n", stubborn[i].behaviour);
        unlink(lab->log);
        executor = fork_executor(lab, i, &shim);
        kill(executor, SIGSTOP);
        kill(shim, SIGKILL);
        kill(executor, SIGKILL);
        assert_true(sg_nonce_end(lab->nonce, 100, &ended, &left, &lab->err));
        assert_int_equal(left, 0);
        assert_true(lab_is_empty_soon(lab));
    }
}

static void the_command_at_least_hears_of_both_deaths(void **state)
{
    struct lab *lab = lab_of(state);
    pid_t shim, executor = fork_executor(lab, 0, &shim);

    kill(executor, SIGSTOP);
    kill(shim, SIGKILL);
    kill(executor, SIGKILL);
    assert_true(lab_is_empty_soon(lab));
}

static void a_job_that_kills_its_shim_is_swept(void **state)
{
    struct lab *lab = lab_of(state);

    lab->spec.grace_ms = 100;
    lab_run(lab, LAB_ARGV("escape", "hit-parent", "9"));
    assert_int_equal(lab->end.how, SG_JOB_LOST);
    assert_int_equal(lab->end.stuck, 0);
    assert_int_equal(lab_living(lab), 0);
}

static void a_job_that_stops_its_shim_can_be_stopped(void **state)
{
    struct lab *lab = lab_of(state);

    lab->spec.grace_ms = 100;
    lab_start(lab, LAB_ARGV("escape", "hit-parent", "19"));
    /* Perhaps before the shim could say that the command is started. */
    while (lab_noted(lab) < 2 || state_of(lab_shim(lab)) != 'T')
        lab_turn(lab, 1);
    sg_job_stop(lab->job, false);
    lab_wait(lab);
    assert_int_equal(lab->end.how, SG_JOB_STOPPED);
    assert_int_equal(lab_living(lab), 0);
}

static void a_job_that_stops_its_shim_still_has_its_timeout(void **state)
{
    struct lab *lab = lab_of(state);

    lab->spec.timeout_ms = 200;
    lab->spec.grace_ms = 100;
    lab_run(lab, LAB_ARGV("escape", "hit-parent", "19"));
    assert_int_equal(lab->end.how, SG_JOB_TIMEOUT);
    assert_int_equal(lab_living(lab), 0);
}

static void term_to_the_shim_ends_nothing(void **state)
{
    const int signals[] = {
        SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGUSR1, SIGRTMIN, SIGRTMAX,
    };
    struct lab *lab = lab_of(state);
    char path[128];

    lab_start(lab, LAB_ARGV("escape", "partial", "go"));
    lab_wait_for(lab, "half a li");
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        kill(lab_shim(lab), signals[i]);
    snprintf(path, sizeof(path), "%s/go", lab->dir);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    lab_wait(lab);
    assert_int_equal(lab->end.how, SG_JOB_EXITED);
    assert_string_equal(text(lab), "half a line\nno newline");
}

static void a_job_that_is_freed_while_it_runs_is_ended(void **state)
{
    struct lab *lab = lab_of(state);

    lab->spec.grace_ms = 100;
    lab_start(lab, LAB_ARGV("escape", "deaf"));
    lab_wait_for(lab, "ready\n");
    sg_job_free(lab->job);
    lab->job = NULL;
    assert_true(lab_is_empty_soon(lab));
}

/* ---- what can't be killed */

/* A program with root's setuid bit, started by another user. */
static void what_can_not_be_killed_is_named_and_holds_nobody_up(void **state)
{
    struct lab *lab = lab_of(state);
    char copy[160], command[700], claim[128];
    int status;
    pid_t pid;

    if (geteuid() != 0) {
        print_message("needs root\n");
        skip();
    }
    chmod(lab->dir, 0777);
    snprintf(copy, sizeof(copy), "%s/escape-root", lab->dir);
    snprintf(command, sizeof(command),
             "cp \"$TEST_HELPERS/escape\" %s && cp \"$STAGEGRAPH_SHIM\" %s/shim && "
             "chmod 4755 %s && chmod 755 %s/shim",
             copy, lab->dir, copy, lab->dir);
    assert_int_equal(system(command), 0);
    snprintf(claim, sizeof(claim), "%s/claim", lab->dir);
    lab->spec.lock_fd = open(claim, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    assert_int_equal(flock(lab->spec.lock_fd, LOCK_EX), 0);
    pid = fork();
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(9);
        snprintf(command, sizeof(command), "%s/shim", lab->dir);
        lab->spec.shim = command;
        lab->spec.grace_ms = 100;
        lab_start(lab, LAB_ARGV(copy, "be-root"));
        lab_wait_for(lab, "ready\n");
        sg_job_stop(lab->job, false);
        lab_wait(lab);
        _exit(lab->end.stuck == 1 && lab->end.how == SG_JOB_STOPPED &&
                      strstr(lab->end.stuck_names, "escape-root (pid ") != NULL
                  ? 0
                  : 1);
    }
    close(lab->spec.lock_fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(lab_living(lab), 1);
    assert_true(is_locked(claim)); /* the executor is gone, its shim keeps the claim */
    assert_true(lab_is_empty_soon(lab));
    for (int i = 0; i < 5000 && is_locked(claim); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    assert_false(is_locked(claim));
}

/* ---- many */

static void count_end(void *ctx, const struct sg_job_end *end)
{
    int *left = ctx;

    assert_int_equal(end->how, SG_JOB_EXITED);
    assert_int_equal(end->exit_code, 0);
    (*left)--;
}

static void drop_output(void *ctx, const char *bytes, size_t n)
{
    (void)ctx;
    (void)bytes;
    (void)n;
}

/* The lowest free one, when all shims are gone. */
static int free_descriptor(struct lab *lab)
{
    siginfo_t info;
    int fd;

    for (int i = 0; i < 1000 && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0; i++)
        lab_turn(lab, 5);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    return fd;
}

static void many_jobs_run_at_once_and_leave_no_descriptor_behind(void **state)
{
    enum { N = 60 };
    struct lab *lab = lab_of(state);
    struct sg_job *jobs[N];
    char name[] = "sh", c[] = "-c", script[] = "echo $$; sleep 0.05", path[] = "PATH=/usr/bin:/bin";
    char *argv[] = { name, c, script, NULL }, *envp[] = { path, NULL };
    int left = 0, before;

    lab_run(lab, LAB_ARGV("true")); /* what is kept once for all jobs is there then */
    before = free_descriptor(lab);
    lab->spec.argv = argv;
    lab->spec.envp = envp;
    lab->spec.on_end = count_end;
    lab->spec.on_output = drop_output;
    lab->spec.ctx = &left;
    for (int i = 0; i < N; i++, left++)
        assert_true(sg_job_start(lab->loop, &lab->spec, &jobs[i], &lab->err));
    while (left > 0)
        lab_turn(lab, 5);
    for (int i = 0; i < N; i++)
        sg_job_free(jobs[i]);
    assert_int_equal(free_descriptor(lab), before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, lab_set_up, lab_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_command_runs_and_its_exit_is_told),
        TEST(what_can_not_be_started_is_told_apart_from_any_exit),
        TEST(a_command_line_that_is_too_long_is_not_started),
        TEST(a_missing_shim_is_an_error_and_nothing_runs),
        TEST(a_script_without_a_first_line_runs_in_the_shell),
        TEST(the_program_is_looked_up_in_the_path_of_the_job),
        TEST(a_job_has_three_descriptors_and_no_others),
        TEST(a_job_leads_its_session_and_no_signal_is_blocked_or_ignored),
        TEST(half_a_line_is_relayed_while_the_job_still_runs),
        TEST(both_streams_come_in_order_and_whole_to_a_slow_reader),
        TEST(a_job_that_is_held_waits_and_loses_nothing),
        TEST(a_held_job_may_end_and_may_be_ended),
        TEST(output_that_somebody_outside_holds_open_is_given_up),
        TEST(what_outlives_the_command_is_ended_and_named),
        TEST(what_ends_by_itself_right_after_the_command_is_no_leftover),
        TEST(a_timeout_ends_the_whole_tree),
        TEST(a_stop_ends_the_whole_tree),
        TEST(a_second_stop_skips_the_grace),
        TEST(a_leader_that_leaves_early_does_not_cut_the_grace_of_the_others),
        TEST(what_a_trap_starts_upon_the_term_has_its_grace),
        TEST(a_job_that_is_done_in_time_has_no_timeout),
        TEST(pause_stops_the_tree_and_its_clock),
        TEST(a_paused_job_can_be_stopped),
        TEST(the_shim_holds_the_lock_as_long_as_the_tree_lives),
        TEST(the_tree_ends_when_the_executor_is_killed),
        TEST(a_stopped_executor_does_not_stop_the_clock_of_its_jobs),
        TEST(the_executor_sweeps_when_the_shim_is_killed),
        TEST(what_both_deaths_leave_is_found_by_its_nonce),
        TEST(the_command_at_least_hears_of_both_deaths),
        TEST(a_job_that_kills_its_shim_is_swept),
        TEST(a_job_that_stops_its_shim_can_be_stopped),
        TEST(a_job_that_stops_its_shim_still_has_its_timeout),
        TEST(term_to_the_shim_ends_nothing),
        TEST(a_job_that_is_freed_while_it_runs_is_ended),
        TEST(what_can_not_be_killed_is_named_and_holds_nobody_up),
        TEST(many_jobs_run_at_once_and_leave_no_descriptor_behind),
    };
    struct sg_error err = SG_ERROR_INIT;

    if (!sg_job_subreaper(&err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
