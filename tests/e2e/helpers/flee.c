/*
 * flee: jobs that do all they can to outlive their attempt, for test_escape.c.
 *
 *   flee BEHAVIOUR END DIR
 *
 * Starts processes that would live for LIFE_S, each of which adds a line "PID START" to
 * DIR/log.BEHAVIOUR, makes DIR/ready.BEHAVIOUR, and then ends as END says: an exit status, or
 * "stay" for never. Where DIR/again is there it starts nothing: what of the log still lives is
 * written to DIR/living.BEHAVIOUR, and it exits with 0. What the system does not permit is told in
 * DIR/refused.BEHAVIOUR; a child that only sits there takes its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/proc.h"

#define LIFE_S 120

static const char *behaviour, *dir, *end;
static const char *const *words; /* argv */

static void path_of(char ret[4096], const char *what)
{
    (void)snprintf(ret, 4096, "%s/%s.%s", dir, what, behaviour);
}

static void add_line(const char *what, const char *line)
{
    char path[4096];
    int fd;

    path_of(path, what);
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
        _exit(99);
    (void)close(fd);
}

/* In a pid namespace of its own a process is known by another number; /proc shows the outer one. */
static void note(void)
{
    char self[32] = "", line[64];
    struct sg_proc p;

    if (readlink("/proc/self", self, sizeof(self) - 1) < 0 || !sg_proc_read(atoi(self), &p))
        _exit(98);
    (void)snprintf(line, sizeof(line), "%d %llu\n", (int)p.pid, (unsigned long long)p.start_ticks);
    add_line("log", line);
}

static void doze_us(long us)
{
    struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

static void sit(void)
{
    doze_us(LIFE_S * 1000000L);
    _exit(97);
}

/* True in the child; the parent goes on when the child has settled, or has become another program.
 */
static int ready_fd = -1;

static bool fork_noted(void)
{
    int ready[2];
    pid_t pid;
    char c;

    if (pipe2(ready, O_CLOEXEC) != 0)
        _exit(96);
    pid = fork();
    if (pid < 0)
        _exit(95);
    if (pid == 0) {
        (void)close(ready[0]);
        if (ready_fd >= 0)
            (void)close(ready_fd); /* its parent's */
        ready_fd = ready[1];
        note();
        return true;
    }
    (void)close(ready[1]);
    (void)!read(ready[0], &c, 1);
    (void)close(ready[0]);
    return false;
}

/* The child is what it wants to be. */
static void settled(void)
{
    if (ready_fd >= 0)
        (void)close(ready_fd);
    ready_fd = -1;
}

static void settle_and_sit(void)
{
    settled();
    sit();
}

static void be_deaf(void)
{
    for (int signo = 1; signo < NSIG; signo++)
        if (signo != SIGCHLD)
            (void)signal(signo, SIG_IGN);
}

/* Until the log names so many: programs of others say nothing to us. */
static void await_lines(int n)
{
    char path[4096], text[4096];

    path_of(path, "log");
    for (int i = 0; i < LIFE_S * 100; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC), lines = 0;
        ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text));

        for (ssize_t k = 0; k < got; k++)
            lines += text[k] == '\n';
        if (fd >= 0)
            (void)close(fd);
        if (lines >= n)
            return;
        doze_us(5000);
    }
}

/* ---- behaviours: each returns in the job's first process */

static void plain(void)
{
    if (fork_noted())
        settle_and_sit();
}

static void session(void)
{
    if (fork_noted()) {
        (void)setsid();
        settle_and_sit();
    }
}

static void group(void)
{
    if (fork_noted()) {
        (void)setpgid(0, 0);
        if (fork_noted())
            settle_and_sit();
        settle_and_sit();
    }
}

static void hide(void)
{
    if (chdir("/") != 0)
        _exit(94);
    closefrom(0);
    ready_fd = -1;
    sit();
}

/* A classic daemon: its parent is gone, and so are its descriptors. */
static void run_daemon(void)
{
    if (fork_noted()) {
        (void)setsid();
        if (fork_noted())
            hide();
        _exit(0);
    }
}

/* A program with nothing in its environment. */
static void become(const char *what, char *const *env)
{
    const char *const argv[] = { what, what, "stay", dir, NULL };

    (void)execve("/proc/self/exe", (char *const *)(const void *)argv, env);
    _exit(93);
}

static void bare(void)
{
    static char *none[] = { NULL };

    if (fork_noted()) {
        (void)setsid();
        if (fork_noted())
            become("sit", none);
        _exit(0);
    }
}

/* Below a wrapper that stays, as env -i or sudo start it. */
static void cleared(void)
{
    static char *none[] = { NULL };

    if (fork_noted()) {
        if (fork_noted())
            become("sit", none);
        settle_and_sit();
    }
}

/* Writes over its environment, as what sets its own title does. */
static void scribbled(void)
{
    extern char **environ;

    if (fork_noted()) {
        (void)setsid();
        for (char **e = environ; *e != NULL; e++)
            memset(*e, 'x', strlen(*e));
        settle_and_sit();
    }
}

static void renamed(void)
{
    if (fork_noted()) {
        (void)prctl(PR_SET_NAME, ") Z 1 (x\n");
        settle_and_sit();
    }
}

/* Nobody but root may look at it. */
static void secret(void)
{
    if (fork_noted()) {
        (void)setsid();
        (void)prctl(PR_SET_DUMPABLE, 0);
        settle_and_sit();
    }
}

static void deaf(void)
{
    be_deaf();
    if (fork_noted()) {
        (void)setsid();
        settle_and_sit();
    }
}

static void stopped(void)
{
    be_deaf();
    if (fork_noted()) {
        (void)setsid();
        if (fork_noted()) {
            settled();
            (void)raise(SIGSTOP);
            sit();
        }
        settled();
        (void)raise(SIGSTOP);
        sit();
    }
}

/* Its first thread has ended, which makes it look like a zombie. */
static void *thread_sits(void *ctx)
{
    settle_and_sit();
    return ctx;
}

static void headless(void)
{
    pthread_t t;

    if (!fork_noted())
        return;
    be_deaf();
    if (pthread_create(&t, NULL, thread_sits, NULL) != 0)
        _exit(92);
    pthread_exit(NULL);
}

/* A dead child that nobody reaps, and a living one below it before it died. */
static void zombie(void)
{
    if (fork_noted()) {
        if (fork_noted()) {
            if (fork_noted())
                settle_and_sit();
            _exit(0);
        }
        settle_and_sit();
    }
}

/* Takes in what its descendants lose. */
static void reaper(void)
{
    if (fork_noted()) {
        (void)setsid();
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
        if (fork_noted()) {
            if (fork_noted())
                settle_and_sit();
            _exit(0);
        }
        settle_and_sit();
    }
}

/* Stands in vfork() for as long as its child is stopped. */
static void vforked(void)
{
    if (!fork_noted()) {
        await_lines(3);
        return;
    }
    be_deaf();
    settled();
    if (vfork() == 0) {
        note();
        (void)kill(getpid(), SIGSTOP);
        sit();
    }
    sit();
}

/* One holds the other as a debugger does. */
static void traced(void)
{
    pid_t pid;

    if (!fork_noted())
        return;
    pid = fork();
    if (pid == 0) {
        settled();
        note();
        (void)setsid();
        (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        (void)raise(SIGSTOP);
        sit();
    }
    (void)waitpid(pid, NULL, WUNTRACED);
    be_deaf();
    settle_and_sit();
}

static void refused(void)
{
    add_line("refused", strerror(errno));
    if (fork_noted())
        settle_and_sit();
}

static void in_namespaces(int flags)
{
    if (unshare(flags) != 0) {
        refused();
        return;
    }
    if (fork_noted()) {
        be_deaf(); /* the first process of a pid namespace */
        if (fork_noted())
            settle_and_sit();
        settle_and_sit();
    }
}

static void pid_namespace(void)
{
    in_namespaces(CLONE_NEWPID);
}

static void user_namespace(void)
{
    in_namespaces(CLONE_NEWUSER | CLONE_NEWPID);
}

/* Root for good, by the setuid bit: who started it may not kill it. */
static void root(void)
{
    if (setresuid(0, 0, 0) != 0)
        _exit(89);
}

/* Ends those who would end it: its shim, then the executor. */
static void regicide(void)
{
    struct sg_proc shim;

    be_deaf();
    if (fork_noted()) {
        (void)setsid();
        settle_and_sit();
    }
    if (sg_proc_read(getppid(), &shim)) {
        (void)kill(shim.ppid, SIGSTOP); /* it shall not see its shim die */
        (void)kill(shim.pid, SIGKILL);
        (void)kill(shim.ppid, SIGKILL);
    }
}

/* Another program all the time: in between it shows no environment. */
static void again_and_again(void)
{
    extern char **environ;

    doze_us(1000);
    become("again-and-again", environ);
}

static void execs(void)
{
    if (fork_noted()) {
        (void)setsid();
        (void)alarm(LIFE_S);
        again_and_again();
    }
}

/* A child that forks its follower and ends, some hundred times a second, deaf to TERM. */
static void comet(void)
{
    if (!fork_noted())
        return;
    be_deaf();
    settled();
    for (int generation = 0; generation < 20000; generation++) {
        doze_us(1000);
        if (fork() > 0)
            _exit(0);
        if (generation % 32 == 0)
            (void)setsid();
        if (generation % 16 == 0)
            note();
    }
    _exit(0);
}

/* Every process forks two and stays, 30 in all; killed ones are replaced. */
static void bush(void)
{
    int *left =
        mmap(NULL, sizeof(*left), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (left == MAP_FAILED)
        _exit(91);
    if (!fork_noted())
        return;
    *left = 30;
    be_deaf();
    settled();
    for (int i = 0; i < LIFE_S * 50; i++) {
        if (__atomic_sub_fetch(left, 1, __ATOMIC_SEQ_CST) > 0) {
            if (fork() == 0)
                note();
            continue;
        }
        __atomic_add_fetch(left, 1, __ATOMIC_SEQ_CST);
        doze_us(20000);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            __atomic_add_fetch(left, 1, __ATOMIC_SEQ_CST);
    }
    _exit(0);
}

/* Programs of others, told by their words; they note themselves through "sit". */
static void shell(const char *script)
{
    if (fork_noted()) {
        const char *const argv[] = { "bash", "-c", script, words[0], dir, behaviour, NULL };

        (void)execvp("bash", (char *const *)(const void *)argv);
        _exit(90);
    }
}

static void wrapper(void)
{
    shell("\"$0\" sit-noted stay \"$1\" \"$2\"; exit $?");
    await_lines(3);
}

static void nohup(void)
{
    shell("setsid nohup \"$0\" sit-noted stay \"$1\" \"$2\" >/dev/null 2>&1 & exit 0");
    await_lines(3);
}

/* bash, which does not exec its java, which has a child. */
static void java(void)
{
    shell("java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx16m -cp \"$1\" Flee \"$0\" \"$1\" "
          "\"$2\"; exit $?");
    await_lines(4);
}

static const struct behaviour {
    const char *name;
    void (*run)(void);
} behaviours[] = {
    { "plain", plain },
    { "session", session },
    { "group", group },
    { "daemon", run_daemon },
    { "bare", bare },
    { "cleared", cleared },
    { "scribbled", scribbled },
    { "renamed", renamed },
    { "secret", secret },
    { "deaf", deaf },
    { "stopped", stopped },
    { "headless", headless },
    { "zombie", zombie },
    { "reaper", reaper },
    { "vforked", vforked },
    { "traced", traced },
    { "pid-namespace", pid_namespace },
    { "user-namespace", user_namespace },
    { "execs", execs },
    { "comet", comet },
    { "bush", bush },
    { "wrapper", wrapper },
    { "nohup", nohup },
    { "java", java },
    { "regicide", regicide },
    { "root", root },
    { "sit", sit },
    { "again-and-again", again_and_again },
};

static bool exists(const char *name)
{
    char path[4096];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return stat(path, &st) == 0;
}

/* The second time: what of the first still lives? */
static int look(void)
{
    char path[4096], line[64];
    unsigned long long start;
    struct sg_proc p;
    FILE *f;
    int pid;

    path_of(path, "log");
    f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "%d %llu", &pid, &start) == 2 && sg_proc_read(pid, &p) &&
            p.start_ticks == start && !sg_proc_is_dead(&p))
            add_line("living", line);
    if (f != NULL)
        (void)fclose(f);
    add_line("looked", "");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    words = (const char *const *)argv;
    behaviour = argv[1];
    end = argv[2];
    dir = argv[3];
    if (strcmp(behaviour, "sit-noted") == 0 && argc > 4) {
        behaviour = argv[4];
        note();
        sit();
    }
    for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
        if (strcmp(behaviour, behaviours[i].name) != 0)
            continue;
        if (strcmp(behaviour, "sit") == 0 || strcmp(behaviour, "again-and-again") == 0)
            behaviours[i].run();
        if (exists("again"))
            return look();
        note();
        behaviours[i].run();
        add_line("ready", "");
        if (strcmp(end, "stay") == 0)
            sit();
        _exit(atoi(end)); /* a look for leaks can't be had in another pid namespace */
    }
    return 2;
}
