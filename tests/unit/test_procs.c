#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/claim.h"
#include "stagegraph/proc.h"

static struct sg_error err;
static char nonce[33];

#define OK(x)                                                                                      \
    do {                                                                                           \
        if (!(x))                                                                                  \
            fail_msg("%s: %s", #x, err.text);                                                      \
    } while (0)

static int set_up(void **state)
{
    (void)state;
    OK(sg_nonce_new(nonce, &err));
    return 0;
}

/* Starts a shell with one more variable in its environment and a mark (0: none); it has written
 * "ready" by then. */
static pid_t start_marked(uint64_t mark, const char *variable, const char *script)
{
    char *const argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                           (char *)(uintptr_t)script, NULL };
    char *envp[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin", (char *)(uintptr_t)variable, NULL };
    int out[2];
    char ready;
    pid_t pid;

    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(out[1], 1);
        if (mark != 0)
            sg_proc_set_mark(mark);
        execve("/bin/sh", argv, envp);
        _exit(127);
    }
    close(out[1]);
    assert_int_equal(read(out[0], &ready, 1), 1);
    close(out[0]);
    return pid;
}

static pid_t start(const char *variable, const char *script)
{
    return start_marked(0, variable, script);
}

/* "STAGEGRAPH_NONCE=…" with something before and behind it. */
static const char *variable(const char *before, const char *behind)
{
    static char text[128];

    snprintf(text, sizeof(text), "%s%s%s", before, nonce, behind);
    return text;
}

static int status_of(pid_t pid)
{
    int status;

    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void end(int64_t grace_ms, unsigned expected)
{
    unsigned ended, left;
    pid_t pid;

    OK(sg_nonce_end(nonce, grace_ms, &ended, &left, &err));
    assert_int_equal(left, 0);
    if (expected != 0)
        assert_int_equal(ended, expected);
    assert_int_equal(sg_nonce_find(nonce, &pid, 1), 0);
}

static void a_process_that_carries_it_is_ended_by_term(void **state)
{
    pid_t pid = start(variable("STAGEGRAPH_NONCE=", ""), "echo; exec sleep 600"), found[4];

    (void)state;
    assert_int_equal(sg_nonce_find(nonce, found, 4), 1);
    assert_int_equal(found[0], pid);
    end(60000, 1);
    assert_int_equal(status_of(pid), SIGTERM);
}

static void one_that_does_not_listen_is_killed(void **state)
{
    pid_t pid = start(variable("STAGEGRAPH_NONCE=", ""), "trap '' TERM; echo; exec sleep 600");

    (void)state;
    end(20, 1);
    assert_int_equal(status_of(pid), SIGKILL);
}

static void a_stopped_one_hears_term_too(void **state)
{
    pid_t pid = start(variable("STAGEGRAPH_NONCE=", ""), "echo; exec sleep 600");

    (void)state;
    kill(pid, SIGSTOP);
    end(60000, 1);
    assert_int_equal(status_of(pid), SIGTERM);
}

static void only_that_very_variable_counts(void **state)
{
    static const char *const others[][2] = {
        { "STAGEGRAPH_NONCE=", "0" },  { "XSTAGEGRAPH_NONCE=", "" }, { "STAGEGRAPH_NONCE= ", "" },
        { "X=STAGEGRAPH_NONCE=", "" }, { "STAGEGRAPH_NONCES=", "" },
    };
    pid_t pids[5];

    (void)state;
    for (size_t i = 0; i < 5; i++)
        pids[i] = start(variable(others[i][0], others[i][1]), "echo; exec sleep 600");
    end(10, 0);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(waitpid(pids[i], NULL, WNOHANG), 0);
        kill(pids[i], SIGKILL);
        assert_int_equal(status_of(pids[i]), SIGKILL);
    }
}

static void those_that_left_the_session_are_found(void **state)
{
    pid_t pid = start(variable("STAGEGRAPH_NONCE=", ""),
                      "setsid sh -c 'echo; exec sleep 600' & setsid sleep 600 & wait");

    (void)state;
    end(60000, 0);
    (void)status_of(pid);
}

static void those_that_go_on_forking_are_caught(void **state)
{
    pid_t pid =
        start(variable("STAGEGRAPH_NONCE=", ""),
              "trap '' TERM; echo; f() { while :; do sh -c 'trap \"\" TERM; sleep 0.02; :' & "
              "sleep 0.005; done; }; f & f");

    (void)state;
    end(50, 0);
    (void)status_of(pid);
}

static void a_zombie_is_gone(void **state)
{
    pid_t pid = start(variable("STAGEGRAPH_NONCE=", ""), "echo; exit 3");
    siginfo_t info;

    (void)state;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    end(60000, 0);
    assert_int_equal(WEXITSTATUS(status_of(pid)), 3);
}

static void what_has_cleared_its_environment_is_known_by_its_mark(void **state)
{
    pid_t pid = start_marked(sg_proc_mark(nonce), "X=1",
                             "setsid env -i sleep 600 & setsid sh -c 'echo; exec sleep 600' & "
                             "wait");

    (void)state;
    end(60000, 0);
    (void)status_of(pid);
}

static void another_mark_counts_for_nothing(void **state)
{
    pid_t pid = start_marked(sg_proc_mark(nonce) ^ 1, "X=1", "echo; exec sleep 600");

    (void)state;
    end(10, 0);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGKILL);
    assert_int_equal(status_of(pid), SIGKILL);
}

static void a_marked_zombie_is_gone(void **state)
{
    pid_t pid = start_marked(sg_proc_mark(nonce), "X=1", "echo; exit 3");
    siginfo_t info;

    (void)state;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    end(60000, 0);
    assert_int_equal(WEXITSTATUS(status_of(pid)), 3);
}

/* A thousand times a second another process, deaf to TERM, in a session of its own now and then;
 * says so when it has lived long enough. */
static void be_a_comet(int out)
{
    sg_proc_set_mark(sg_proc_mark(nonce));
    (void)signal(SIGTERM, SIG_IGN);
    for (int generation = 0; generation < 20000; generation++) {
        struct timespec nap = { .tv_nsec = 1000000 };

        (void)nanosleep(&nap, NULL);
        if (fork() > 0)
            _exit(0);
        if (generation % 32 == 0)
            (void)setsid();
        if (generation == 16)
            (void)!write(out, "r", 1);
    }
    (void)!write(out, "s", 1);
    _exit(0);
}

static void what_forks_its_follower_and_ends_is_caught(void **state)
{
    int out[2];
    pid_t pid;
    char c;

    (void)state;
    (void)signal(SIGCHLD, SIG_IGN); /* nobody reaps them one by one */
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        be_a_comet(out[1]);
    close(out[1]);
    assert_int_equal(read(out[0], &c, 1), 1);
    end(50, 0);
    assert_int_equal(read(out[0], &c, 1), 0); /* the last that had it was killed */
    close(out[0]);
    (void)signal(SIGCHLD, SIG_DFL);
}

static void with_nobody_there_nothing_happens(void **state)
{
    unsigned ended = 7, left = 7;

    (void)state;
    OK(sg_nonce_end(nonce, 60000, &ended, &left, &err));
    assert_true(ended == 0 && left == 0);
}

/* This program again, carrying the nonce: it ends the others and lives. */
static void whoever_ends_them_is_spared(void **state)
{
    pid_t other = start(variable("STAGEGRAPH_NONCE=", ""), "echo; exec sleep 600"), self;
    char mine[64];

    (void)state;
    snprintf(mine, sizeof(mine), "STAGEGRAPH_NONCE=%s", nonce);
    self = fork();
    assert_true(self >= 0);
    if (self == 0) {
        char *const argv[] = { (char *)(uintptr_t) "test_procs", nonce, NULL };
        char *const envp[] = { mine, NULL };

        execve("/proc/self/exe", argv, envp);
        _exit(127);
    }
    assert_int_equal(status_of(self), 1 << 8); /* one was ended */
    assert_int_equal(status_of(other), SIGTERM);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_that_carries_it_is_ended_by_term),
        cmocka_unit_test(one_that_does_not_listen_is_killed),
        cmocka_unit_test(a_stopped_one_hears_term_too),
        cmocka_unit_test(only_that_very_variable_counts),
        cmocka_unit_test(those_that_left_the_session_are_found),
        cmocka_unit_test(those_that_go_on_forking_are_caught),
        cmocka_unit_test(a_zombie_is_gone),
        cmocka_unit_test(what_has_cleared_its_environment_is_known_by_its_mark),
        cmocka_unit_test(another_mark_counts_for_nothing),
        cmocka_unit_test(a_marked_zombie_is_gone),
        cmocka_unit_test(what_forks_its_follower_and_ends_is_caught),
        cmocka_unit_test(with_nobody_there_nothing_happens),
        cmocka_unit_test(whoever_ends_them_is_spared),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];
    unsigned ended, left;

    if (argc == 2)
        return sg_nonce_end(argv[1], 60000, &ended, &left, &err) && left == 0 ? (int)ended : 99;
    /* What a test starts and this one's grandchildren are ours to be reaped, and end with us. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
