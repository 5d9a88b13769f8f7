/*
 * escape: programs that are hard to get rid of, and some of known behaviour, for the tests of jobs.
 *
 *   escape BEHAVIOUR [ARGUMENT]
 *
 * Each process of it adds a line "PID START" to the file $ESCAPE_LOG, so that a test can see
 * whether that very process is gone. All end by themselves after 60 s at the latest.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/proc.h"

#define LIFE_S 60

static void note(void)
{
    const char *log = getenv("ESCAPE_LOG");
    struct sg_proc p;
    char line[64];
    int fd, n;

    if (log == NULL || !sg_proc_read(getpid(), &p))
        return;
    fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    n = snprintf(line, sizeof(line), "%d %llu\n", (int)p.pid, (unsigned long long)p.start_ticks);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        _exit(99);
    close(fd);
}

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(98);
}

static void doze_us(long us)
{
    struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

static void doze_ms(long ms)
{
    doze_us(ms * 1000);
}

static void live_on(void)
{
    doze_ms(LIFE_S * 1000);
    _exit(97);
}

/* True in the child, which has noted itself; the parent goes on when it has. */
static bool fork_noted(void)
{
    int ready[2];
    char c;
    pid_t pid;

    if (pipe2(ready, O_CLOEXEC) != 0)
        _exit(96);
    pid = fork();
    if (pid == 0) {
        note();
        close(ready[0]);
        close(ready[1]);
        return true;
    }
    close(ready[1]);
    (void)!read(ready[0], &c, 1);
    close(ready[0]);
    return false;
}

static void ignore_term(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
}

/* ---- behaviours */

static int leave(const char *arg)
{
    if (fork_noted())
        live_on();
    return atoi(arg);
}

static int leave_deaf(const char *arg)
{
    ignore_term();
    return leave(arg);
}

/* A classic daemon: two forks, a session, no descriptors, another directory. */
static int run_daemon(const char *arg)
{
    int status;

    if (fork_noted()) {
        setsid();
        if (fork_noted()) {
            if (chdir("/") != 0)
                _exit(95);
            closefrom(0);
            live_on();
        }
        _exit(0);
    }
    (void)wait(&status);
    if (strcmp(arg, "stay") == 0)
        live_on();
    return 0;
}

/* The same, with nothing in the environment either. */
static int run_bare(const char *arg)
{
    static char name[] = "escape", behaviour[] = "sit";
    char *argv[] = { name, behaviour, NULL };
    char *envp[] = { NULL };
    int status;

    if (fork_noted()) {
        setsid();
        if (fork_noted()) {
            closefrom(0);
            execve("/proc/self/exe", argv, envp);
            _exit(94);
        }
        _exit(0);
    }
    (void)wait(&status);
    say("ready\n");
    if (strcmp(arg, "stay") == 0)
        live_on();
    return 0;
}

static int sit(const char *arg)
{
    (void)arg;
    live_on();
    return 0;
}

static int nap(const char *arg)
{
    say("ready\n");
    doze_ms(atol(arg));
    say("done\n");
    return 0;
}

static int deaf(const char *arg)
{
    (void)arg;
    ignore_term();
    if (fork_noted()) {
        setpgid(0, 0);
        live_on();
    }
    say("ready\n");
    live_on();
    return 0;
}

static int stopped(const char *arg)
{
    (void)arg;
    if (fork_noted()) {
        setsid();
        raise(SIGSTOP);
        live_on();
    }
    say("ready\n");
    raise(SIGSTOP);
    live_on();
    return 0;
}

/* A wrapper that waits for its child, as bash does for a java that it doesn't exec. */
static int wrap(const char *arg)
{
    int status;

    (void)arg;
    if (fork_noted())
        live_on();
    say("ready\n");
    (void)wait(&status);
    return 0;
}

/* Its first thread has ended, which makes the process look like a zombie. */
static void *thread_lives(void *ctx)
{
    (void)ctx;
    say("ready\n");
    live_on();
    return NULL;
}

static int headless(const char *arg)
{
    pthread_t t;

    (void)arg;
    ignore_term();
    if (pthread_create(&t, NULL, thread_lives, NULL) != 0)
        return 93;
    pthread_exit(NULL);
}

/* Comets: ARG processes that each fork their follower and end, two thousand times a second, deaf to
 * TERM, and in a session of its own now and then. Not faster and not for long: whoever has to reap
 * them is behind soon, and a machine has only so many pids. Every hundredth is noted. */
static int comets(const char *arg)
{
    int n = atoi(arg);

    ignore_term();
    say("ready\n");
    for (int i = 0; i < n; i++) {
        if (fork() != 0)
            continue;
        for (int generation = 0; generation < 20000; generation++) {
            doze_us(500);
            if (fork() > 0)
                _exit(0);
            if (generation % 64 == 0)
                setsid();
            if (generation % 100 == 0)
                note();
        }
        _exit(0);
    }
    live_on();
    return 0;
}

/* A bush: every process forks two and stays, at most ARG in all; killed ones are replaced. */
static int bush(const char *arg)
{
    int *left =
        mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (left == MAP_FAILED)
        return 92;
    *left = atoi(arg);
    ignore_term();
    say("ready\n");
    for (int i = 0; i < 1000000; i++) {
        if (__atomic_sub_fetch(left, 1, __ATOMIC_SEQ_CST) > 0) {
            if (fork() == 0)
                note();
        } else {
            doze_ms(1);
            while (waitpid(-1, NULL, WNOHANG) > 0)
                __atomic_add_fetch(left, 1, __ATOMIC_SEQ_CST);
        }
    }
    return 0;
}

/* On TERM the first process leaves at once, its child takes 300 ms to save its work. */
static void leave_now(int signo)
{
    (void)signo;
    _exit(5);
}

static void save_and_leave(int signo)
{
    (void)signo;
    doze_ms(300);
    say("saved\n");
    _exit(0);
}

static int early(const char *arg)
{
    (void)arg;
    signal(SIGTERM, leave_now); /* before anybody says "ready" */
    if (fork_noted()) {
        signal(SIGTERM, save_and_leave);
        say("ready\n");
        live_on();
    }
    live_on();
    return 0;
}

/* On TERM it starts a program that cleans up, as a shell's trap does. */
static void clean_up(int signo)
{
    int status;

    (void)signo;
    if (fork() == 0) {
        signal(SIGTERM, SIG_DFL);
        doze_ms(100);
        say("cleaned\n");
        _exit(0);
    }
    (void)wait(&status);
    _exit(WIFEXITED(status) ? 7 : 8);
}

static int trap(const char *arg)
{
    (void)arg;
    signal(SIGTERM, clean_up);
    say("ready\n");
    live_on();
    return 0;
}

/* Hands its standard output to whoever reads the socket ARG, outside of the tree. */
static int hand_out(const char *arg)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = "";
    char byte = 0;
    struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr m = {
        .msg_name = &a,
        .msg_namelen = sizeof(a),
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = room,
        .msg_controllen = sizeof(room),
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), out = 1;

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", arg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &out, sizeof(int));
    say("handed\n");
    return sendmsg(fd, &m, 0) == 1 ? 0 : 90;
}

/* Half a line, then waits until the file ARG is there, then the rest. */
static int partial(const char *arg)
{
    struct stat st;

    say("half a li");
    for (int i = 0; i < LIFE_S * 200 && stat(arg, &st) != 0; i++)
        doze_ms(5);
    say("ne\nno newline");
    return 0;
}

/* ARG numbered lines, on both streams in turn. */
static int lines(const char *arg)
{
    long n = atol(arg);
    char line[32];

    for (long i = 0; i < n; i++) {
        int len = snprintf(line, sizeof(line), "%ld\n", i);

        if (write(i % 2 == 0 ? 1 : 2, line, (size_t)len) != len)
            return 89;
    }
    return 0;
}

static int list_descriptors(const char *arg)
{
    char path[64], target[256];

    (void)arg;
    for (int fd = 0; fd < 4096; fd++) {
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
            continue;
        target[n] = '\0';
        dprintf(1, "%d %.*s\n", fd, (int)strcspn(target, ":["), target);
    }
    return 0;
}

/* Session, group, mask and ignored signals. */
static int list_signals(const char *arg)
{
    sigset_t mask;
    struct sigaction a;

    (void)arg;
    dprintf(1, "leader %d\n", getsid(0) == getpid() && getpgrp() == getpid());
    sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int i = 1; i < 65; i++) {
        if (sigismember(&mask, i) == 1)
            dprintf(1, "blocked %d\n", i);
        if (sigaction(i, NULL, &a) == 0 && a.sa_handler == SIG_IGN)
            dprintf(1, "ignored %d\n", i);
    }
    return 0;
}

static char *touch_mib(const char *arg)
{
    size_t n = (size_t)atol(arg) << 20;
    char *at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        _exit(88);
    for (size_t i = 0; i < n; i += 1024)
        at[i] = (char)(i + 1);
    return at;
}

/* So long that a sampler sees it on a busy machine too. */
#define HELD_MS 1000

/* ARG MiB for a while; in one process, or in two at once. */
static int hog(const char *arg)
{
    touch_mib(arg);
    doze_ms(HELD_MS);
    return 0;
}

/* On a busy machine one might be gone before the other has all of its own. */
static int hogs(const char *arg)
{
    int full[2], seen[2];
    bool child;
    char c = 0;

    if (pipe(full) != 0 || pipe(seen) != 0)
        _exit(88);
    child = fork_noted();
    touch_mib(arg);
    if (child ? write(full[1], &c, 1) != 1 || read(seen[0], &c, 1) != 1
              : read(full[0], &c, 1) != 1 || write(seen[1], &c, 1) != 1)
        _exit(88);
    doze_ms(HELD_MS);
    if (child)
        _exit(0);
    (void)wait(NULL);
    return 0;
}

/* ARG MiB that a forked child shares. */
static int share(const char *arg)
{
    touch_mib(arg);
    if (fork_noted()) {
        doze_ms(HELD_MS);
        _exit(0);
    }
    (void)wait(NULL);
    return 0;
}

/* ARG MiB that a vforked child runs in. */
static int twin(const char *arg)
{
    touch_mib(arg);
    if (vfork() == 0) {
        struct timespec t = { .tv_sec = HELD_MS / 1000 };

        nanosleep(&t, NULL);
        _exit(0);
    }
    (void)wait(NULL);
    return 0;
}

/* Uses the processor for ARG ms, half of it in a child's child. */
static void burn(long ms)
{
    struct timespec t;

    do
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < ms);
}

static int cpu(const char *arg)
{
    long half = atol(arg) / 2;

    if (fork() == 0) {
        if (fork() == 0) {
            burn(half);
            _exit(0);
        }
        (void)wait(NULL);
        _exit(0);
    }
    burn(half);
    (void)wait(NULL);
    return 0;
}

/* Becomes root for good by its setuid bit: whoever started it may not kill it. */
static int be_root(const char *arg)
{
    (void)arg;
    if (setresuid(0, 0, 0) != 0)
        return 87;
    say("ready\n");
    doze_ms(5000);
    return 0;
}

/* Stops or kills the shim, its parent. */
static int hit_parent(const char *arg)
{
    ignore_term();
    if (fork_noted())
        live_on();
    kill(getppid(), atoi(arg));
    live_on();
    return 0;
}

static const struct behaviour {
    const char *name;
    int (*run)(const char *arg);
} behaviours[] = {
    { "leave", leave },
    { "leave-deaf", leave_deaf },
    { "daemon", run_daemon },
    { "bare", run_bare },
    { "sit", sit },
    { "nap", nap },
    { "deaf", deaf },
    { "stopped", stopped },
    { "wrap", wrap },
    { "headless", headless },
    { "comets", comets },
    { "bush", bush },
    { "early", early },
    { "trap", trap },
    { "hand-out", hand_out },
    { "partial", partial },
    { "lines", lines },
    { "descriptors", list_descriptors },
    { "signals", list_signals },
    { "hog", hog },
    { "hogs", hogs },
    { "share", share },
    { "twin", twin },
    { "cpu", cpu },
    { "be-root", be_root },
    { "hit-parent", hit_parent },
};

int main(int argc, char **argv)
{
    note();
    for (size_t i = 0; argc > 1 && i < sizeof(behaviours) / sizeof(behaviours[0]); i++)
        if (strcmp(argv[1], behaviours[i].name) == 0)
            return behaviours[i].run(argc > 2 ? argv[2] : "");
    return 2;
}
