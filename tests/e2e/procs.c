/*
 * procs: the processes of a test, found in /proc by its scratch directory, and its watchdog.
 */
#include "fixture_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEST_MAX 8 /* patiences for a test; sweeps take a minute and more under sanitizers */

static int64_t now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int e2e_patience_ms(void)
{
    const char *ms = getenv("E2E_PATIENCE_MS");

    return ms != NULL && atoi(ms) > 0 ? atoi(ms) : E2E_PATIENCE_MS;
}

int64_t e2e_patience(void)
{
    return now_ms() + e2e_patience_ms();
}

bool e2e_is_late(int64_t deadline_ms)
{
    return now_ms() >= deadline_ms;
}

/* Does /proc/PID/NAME hold the bytes? Of the environment and the command line the first 64 KiB. */
static bool proc_holds(pid_t pid, const char *name, const char *part)
{
    static char text[65536];
    char path[64];
    size_t have = 0;
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (have < sizeof(text) && (n = read(fd, text + have, sizeof(text) - have)) > 0)
        have += (size_t)n;
    (void)close(fd);
    return have != 0 && memmem(text, have, part, strlen(part)) != NULL;
}

static bool link_holds(pid_t pid, const char *name, const char *part)
{
    char path[64], target[4096];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    n = readlink(path, target, sizeof(target));
    return n > 0 && memmem(target, (size_t)n, part, strlen(part)) != NULL;
}

/* Its memory has gone, and with it what tells who it was; its files and their locks may not yet. */
static bool is_dying(pid_t pid)
{
    char path[64], target[1];

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    return readlink(path, target, sizeof(target)) < 0 && errno == ENOENT;
}

/* dying: also those of which it can't be told any more whether they are such. */
static size_t scan(const char *dir, enum e2e_who who, bool dying, pid_t *ret, size_t max)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    size_t n = 0;

    while (d != NULL && n < max && (e = readdir(d)) != NULL) {
        pid_t pid = (pid_t)atoi(e->d_name);

        if (pid <= 1 || pid == getpid())
            continue;
        if (!link_holds(pid, "cwd", dir) && !proc_holds(pid, "environ", dir) &&
            !proc_holds(pid, "cmdline", dir))
            continue;
        if (dying && is_dying(pid)) {
            ret[n++] = pid;
            continue;
        }
        if (who == E2E_SHIM && !link_holds(pid, "exe", "stagegraph-shim"))
            continue;
        if (who == E2E_JOB && (link_holds(pid, "exe", "stagegraph-shim") ||
                               !proc_holds(pid, "environ", "STAGEGRAPH_NONCE=")))
            continue;
        ret[n++] = pid;
    }
    if (d != NULL)
        (void)closedir(d);
    return n;
}

size_t e2e_scan(const char *dir, enum e2e_who who, pid_t *ret, size_t max)
{
    return scan(dir, who, false, ret, max);
}

void e2e_end_all(const char *dir, pid_t except)
{
    pid_t pids[256];
    int64_t deadline = now_ms() + 1000;
    size_t n, killed;

    do {
        killed = 0;
        n = e2e_scan(dir, E2E_ALL, pids, 256);
        for (size_t i = 0; i < n; i++)
            if (pids[i] != except && kill(pids[i], SIGKILL) == 0)
                killed++;
        if (killed != 0)
            usleep(2000);
    } while (killed != 0 && now_ms() < deadline);
}

/* The letter of the process's state; 0 when there is none. */
static char state_of(pid_t pid)
{
    char path[64], text[512] = "";
    const char *end;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return '\0';
    if (read(fd, text, sizeof(text) - 1) <= 0)
        text[0] = '\0';
    (void)close(fd);
    end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : '\0';
}

bool e2e_is_alive(pid_t pid)
{
    char s = state_of(pid);

    return s != '\0' && s != 'Z' && s != 'X';
}

void e2e_until_state(struct e2e *t, pid_t pid, char letter, bool is)
{
    int64_t deadline = e2e_patience();

    while ((state_of(pid) == letter) != is) {
        if (e2e_is_late(deadline))
            e2e_fail_at(t, __FILE__, __LINE__, "process %d: '%c', wanted %s%c", (int)pid,
                        state_of(pid), is ? "" : "no ", letter);
        e2e_pump(t, 2);
    }
}

void e2e_stop(struct e2e *t, pid_t pid)
{
    if (kill(pid, SIGSTOP) != 0)
        fail_msg("stop: %s", strerror(errno));
    e2e_until_state(t, pid, 'T', true);
}

size_t e2e_find(struct e2e *t, enum e2e_who who, pid_t *ret, size_t max)
{
    return e2e_scan(t->dir, who, ret, max);
}

pid_t e2e_find_one(struct e2e *t, enum e2e_who who)
{
    int64_t deadline = e2e_patience();
    pid_t pids[16];
    size_t n;

    while ((n = e2e_scan(t->dir, who, pids, 16)) != 1) {
        if (e2e_is_late(deadline))
            fail_msg("%zu processes where one was looked for", n);
        e2e_pump(t, 2);
    }
    return pids[0];
}

void e2e_until_gone(struct e2e *t, enum e2e_who who)
{
    int64_t deadline = e2e_patience();
    pid_t pids[16];

    while (scan(t->dir, who, true, pids, 16) != 0) {
        if (e2e_is_late(deadline))
            fail_msg("process %d is still there", (int)pids[0]);
        e2e_pump(t, 2);
    }
}

void e2e_until_exists(struct e2e *t, const char *path)
{
    int64_t deadline = e2e_patience();

    while (!e2e_exists(t, path)) {
        if (e2e_is_hopeless(t, deadline))
            e2e_fail_at(t, __FILE__, __LINE__, "%s does not appear", path);
        e2e_pump(t, 2);
    }
}

pid_t e2e_pid_in(struct e2e *t, const char *path)
{
    int64_t deadline = e2e_patience();
    const char *text;

    for (;;) {
        text = e2e_read(t, path);
        if (text != NULL && strchr(text, '\n') != NULL && atoi(text) > 1)
            return (pid_t)atoi(text);
        if (e2e_is_hopeless(t, deadline))
            e2e_fail_at(t, __FILE__, __LINE__, "no pid in %s", path);
        e2e_pump(t, 2);
    }
}

void e2e_pause(struct e2e *t, int ms)
{
    int64_t until = now_ms() + ms;

    while (now_ms() < until)
        e2e_pump(t, (int)(until - now_ms()));
}

void e2e_gate(struct e2e *t, const char *name)
{
    const char *path = e2e_path(t, e2e_text(t, "gate.%s", name));

    if (mkfifo(path, 0666) != 0)
        fail_msg("mkfifo %s: %s", path, strerror(errno));
}

int e2e_gate_reached(struct e2e *t, const char *name)
{
    const char *path = e2e_path(t, e2e_text(t, "gate.%s", name));
    int64_t deadline = e2e_patience();
    int fd;

    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
        if (errno != ENXIO)
            fail_msg("open %s: %s", path, strerror(errno));
        if (e2e_is_hopeless(t, deadline))
            e2e_fail_at(t, __FILE__, __LINE__, "no job came to gate.%s", name);
        e2e_pump(t, 2);
    }
    return fd;
}

/* Until the job has closed its end: the next that comes is another one. */
void e2e_gate_let_go(int fd)
{
    struct pollfd pfd = { .fd = fd };

    if (write(fd, "\n", 1) != 1)
        fail_msg("the job at the gate has gone: %s", strerror(errno));
    if (poll(&pfd, 1, e2e_patience_ms()) != 1)
        fail_msg("the job at the gate does not go on");
    (void)close(fd);
}

void e2e_gate_open(struct e2e *t, const char *name)
{
    e2e_gate_let_go(e2e_gate_reached(t, name));
}

/* ---- the watchdog */

/* In a child of its own: the test says when it is over; if it takes too long or dies, everything
 * that belongs to it is ended, at last itself. */
static void watch(const char *dir, int fd, pid_t test)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    char byte = 0;

    if (poll(&pfd, 1, TEST_MAX * e2e_patience_ms()) == 0) {
        static const char text[] = "e2e: the test hangs; everything that it started is killed\n";

        (void)!write(2, text, sizeof(text) - 1);
        e2e_end_all(dir, test);
        if (poll(&pfd, 1, 2000) == 0)
            (void)kill(test, SIGABRT);
        (void)poll(&pfd, 1, 10000);
    }
    if (read(fd, &byte, 1) != 1)
        e2e_end_all(dir, test);
    _exit(0);
}

void e2e_watchdog_start(struct e2e *t)
{
    pid_t test = getpid();
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0 || (t->watchdog = fork()) < 0)
        fail_msg("watchdog: %s", strerror(errno));
    if (t->watchdog == 0) {
        (void)close(fds[1]);
        watch(t->dir, fds[0], test);
    }
    (void)close(fds[0]);
    t->watchdog_fd = fds[1];
}

void e2e_watchdog_stop(struct e2e *t)
{
    if (t->watchdog_fd == 0)
        return;
    (void)!write(t->watchdog_fd, "", 1);
    (void)close(t->watchdog_fd);
    (void)waitpid(t->watchdog, NULL, 0);
    t->watchdog_fd = 0;
}

void e2e_lives(struct e2e *t)
{
    e2e_watchdog_stop(t);
    e2e_watchdog_start(t);
}
