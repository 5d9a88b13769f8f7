/*
 * The shim: one for each job, between the executor and the command. It outlives both, and leaves
 * only when no process of the job is left. Its command line, descriptors and messages are described
 * in stagegraph/shim.h; the states below in docs/design.md, "Jobs and the shim".
 *
 * Small and static, for it is started with each job. It allocates nothing and blocks all signals: a
 * service manager that sends TERM to everything must not end the one that ends the others.
 */
#include "stagegraph/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/proc.h"

#define MS     INT64_C(1000000)
#define NEVER  INT64_MAX
#define MAX_MS (NEVER / MS / 4)
#define SETTLE_NS                                                                                  \
    (100 * MS)                 /* what ends by itself this soon after the command is not left over \
                                */
#define SWEEP_NS   (1000 * MS) /* from TERM to KILL for what is left over */
#define STARTED_NS (2 * MS)    /* what has ended by then wakes the executor once, not twice */
#define STUCK_NS   (1000 * MS) /* the least time from the first KILL to the word "stuck" */

enum { BAD_USE = 2, NOT_STARTED = 127 };

enum state {
    RUNNING,
    SETTLING, /* the command has ended; others are given a moment */
    ENDING,   /* TERM was sent */
    KILLING,
    STUCK, /* said so, and goes on killing */
    OVER,
    STATES
};

enum event {
    LEFT,  /* the command has ended */
    EMPTY, /* there is no process any more */
    STOP,
    HARD,
    GONE, /* the executor is dead */
    LATE, /* the state's deadline has passed */
    EVENTS
};

struct shim {
    enum state state;
    int64_t deadline_ns; /* of the state */
    int64_t kill_ns;     /* the next round of KILL */
    int64_t kill_pause_ns;
    int64_t paused_at_ns;  /* 0: not paused */
    int64_t started_at_ns; /* when to say that the command runs; NEVER: it was said */
    int64_t timeout_ns, grace_ns;
    int control;      /* -1: the executor is dead */
    uint64_t n_locks; /* besides the claim's */
    sigset_t waiting; /* the mask while it waits: all but CHLD blocked */
    struct sg_shim_news news;
    struct sg_tree tree;

    /* The command, before it is one. */
    char **argv; /* argv[-1] may be used too */
    const char *workdir;
    uint64_t files;    /* its soft limit of open files; 0: as it is */
    const char *group; /* "": none */
    volatile bool in_group;
    volatile int start_errno;
    volatile bool no_workdir;
    char path[PATH_MAX];
    _Alignas(16) char stack[16384];
};

static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * (1000 * MS) + t.tv_nsec;
}

static void tell(struct shim *s, enum sg_shim_kind kind)
{
    struct timespec pause = { .tv_nsec = 10 * MS };

    s->news.kind = kind;
    /* A few messages always fit, unless the kernel has no memory just now: without its news the
     * job would be taken for lost. A dead executor shows as end of file. */
    for (int i = 0; s->control >= 0 && i < 100; i++) {
        if (send(s->control, &s->news, sizeof(s->news), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
            (errno != ENOMEM && errno != ENOBUFS))
            return;
        (void)nanosleep(&pause, NULL);
    }
}

/* closefrom(), which not every C library has. Kernels before 5.9 lack the call. */
static void close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
        return;
    for (int fd = first; fd < 65536; fd++)
        close(fd);
}

/* The output is the job's alone. But it ends when the executor hears of the job's end, not before:
 * it would wake for each of the two. */
static void close_output(void)
{
    close(1);
}

/* ---- the command */

/* With execvp's rules: what has no #! line and is no program is a shell script. */
static void try_exec(struct shim *s, char *path)
{
    execve(path, s->argv, environ);
    if (errno == ENOEXEC) {
        static char sh[] = "/bin/sh";
        char *name = s->argv[0];

        s->argv[-1] = sh;
        s->argv[0] = path;
        execve(sh, s->argv - 1, environ);
        s->argv[0] = name;
    }
}

/* `name` ends in "=". */
static const char *variable(const char *name, const char *otherwise)
{
    size_t n = strlen(name);

    for (char **e = environ; *e != NULL; e++)
        if (strncmp(*e, name, n) == 0)
            return *e + n;
    return otherwise;
}

/* Returns only when it failed, with the errno that says most. */
static int exec_command(struct shim *s)
{
    const char *name = s->argv[0], *at = variable("PATH=", "/usr/local/bin:/usr/bin:/bin");
    size_t n_name = strlen(name);
    bool denied = false;

    if (strchr(name, '/') != NULL) {
        try_exec(s, s->argv[0]);
        return errno;
    }
    if (n_name == 0)
        return ENOENT;
    for (;; at++) {
        size_t n = strcspn(at, ":");

        if (n + n_name + 2 <= sizeof(s->path)) {
            memcpy(s->path, at, n);
            if (n != 0)
                s->path[n++] = '/';
            memcpy(s->path + n, name, n_name + 1);
            try_exec(s, s->path);
            if (errno == EACCES)
                denied = true;
            else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV &&
                     errno != ETIMEDOUT && errno != ENAMETOOLONG && errno != ELOOP)
                return errno;
        }
        at += strcspn(at, ":");
        if (*at == '\0')
            return denied ? EACCES : ENOENT;
    }
}

static void set_files(uint64_t soft)
{
    struct rlimit l;

    if (soft == 0 || getrlimit(RLIMIT_NOFILE, &l) != 0)
        return;
    l.rlim_cur = soft;
    (void)setrlimit(RLIMIT_NOFILE, &l); /* can't fail: it was raised from there */
}

/* What is charged for the command stays where it was charged: so it goes before it is one, and the
 * shim stays outside. */
static bool enter_group(const char *group)
{
    int fd = group[0] != '\0' ? open(group, O_WRONLY | O_CLOEXEC) : -1;
    bool ok = fd >= 0 && write(fd, "0", 1) == 1;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* Runs in the shim's memory, which waits meanwhile. If the shim is killed, the kernel sends TERM to
 * the command: with the executor gone too, that is all there is before its claim is taken over. */
static int child(void *ctx)
{
    struct shim *s = ctx;
    const char *nonce = variable("STAGEGRAPH_NONCE=", NULL);
    sigset_t none;

    sigemptyset(&none); /* the dispositions are the plain ones: our launcher reset them */
    (void)setsid();     /* can't fail: it has just been forked */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    set_files(s->files);
    s->in_group = enter_group(s->group);
    if (nonce != NULL)
        sg_proc_set_mark(sg_proc_mark(nonce));
    if (chdir(s->workdir) != 0) {
        s->start_errno = errno;
        s->no_workdir = true;
    } else if (dup2(1, 2) < 0) {
        s->start_errno = errno;
    } else {
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        s->start_errno = exec_command(s);
    }
    _exit(NOT_STARTED);
}

static void say_started(struct shim *s)
{
    s->started_at_ns = NEVER;
    tell(s, SG_SHIM_STARTED);
}

/* Its exit is told by start_errno, whatever its status says. */
static bool start(struct shim *s)
{
    s->news.started_ns = now_ns();
    s->news.pid = clone(child, s->stack + sizeof(s->stack), CLONE_VM | CLONE_VFORK | SIGCHLD, s);
    if (s->news.pid < 0)
        s->start_errno = errno;
    s->news.sys_errno = s->start_errno;
    s->news.no_workdir = s->no_workdir;
    s->news.in_group = s->in_group;
    if (s->start_errno != 0) {
        (void)waitpid(s->news.pid, NULL, 0);
        s->news.pid = 0;
        close_from(SG_SHIM_LOCK_FD);
        close_output();
        tell(s, SG_SHIM_NOT_STARTED);
        return false;
    }
    if (s->group[0] != '\0')
        say_started(s);
    else
        s->started_at_ns = s->news.started_ns + STARTED_NS;
    s->deadline_ns = s->timeout_ns != 0 ? s->news.started_ns + s->timeout_ns : NEVER;
    return true;
}

/* ---- the tree */

/* As a subreaper the shim is at last the parent of all that lost theirs. */
static bool is_child(void *ctx, const struct sg_proc *p)
{
    (void)ctx;
    return p->ppid == getpid();
}

static void signal_tree(struct shim *s, int signo)
{
    sg_tree_find(&s->tree, is_child, s);
    sg_tree_signal(&s->tree, signo);
}

static void resume(struct shim *s)
{
    int64_t paused_ns;

    if (s->paused_at_ns == 0)
        return;
    paused_ns = now_ns() - s->paused_at_ns;
    s->paused_at_ns = 0;
    if (s->news.exited_ns == 0)
        s->news.paused_ns += paused_ns;
    if (s->state == RUNNING && s->deadline_ns != NEVER)
        s->deadline_ns += paused_ns;
    signal_tree(s, SIGCONT);
}

/* Twice: what was forked while the first round went on is found by the second, for by then its
 * parent stands still. */
static void pause_tree(struct shim *s)
{
    if (s->paused_at_ns != 0)
        return;
    s->paused_at_ns = now_ns();
    signal_tree(s, SIGSTOP);
    signal_tree(s, SIGSTOP);
}

/* CONT after TERM, so that what is stopped finds it pending when it wakes. Only once: what a trap
 * or a shutdown hook starts now is part of its grace. */
static void terminate(struct shim *s, int64_t grace_ns)
{
    signal_tree(s, SIGTERM);
    sg_tree_signal(&s->tree, SIGCONT);
    resume(s);
    s->deadline_ns = now_ns() + grace_ns;
}

/* ---- what happens in a state upon an event */

static void keep(struct shim *s)
{
    (void)s;
}

static void settle(struct shim *s)
{
    if (s->paused_at_ns != 0) /* killed while it stood still */
        s->news.paused_ns += s->news.exited_ns - s->paused_at_ns;
    s->deadline_ns = now_ns() + SETTLE_NS;
}

static void end_leftovers(struct shim *s)
{
    terminate(s, SWEEP_NS);
    s->news.leftovers = s->tree.n;
    sg_tree_names(&s->tree, s->news.leftover_names, sizeof(s->news.leftover_names));
}

static void end_orphaned(struct shim *s)
{
    terminate(s, s->grace_ns);
}

static void end_ordered(struct shim *s)
{
    s->news.why = SG_SHIM_BY_ORDER;
    terminate(s, s->grace_ns);
}

static void end_late(struct shim *s)
{
    s->news.why = SG_SHIM_BY_TIMEOUT;
    terminate(s, s->grace_ns);
}

static void begin_killing(struct shim *s)
{
    resume(s);
    s->kill_ns = now_ns();
    s->kill_pause_ns = MS;
    s->deadline_ns = s->kill_ns + (s->grace_ns > STUCK_NS ? s->grace_ns : STUCK_NS);
}

static void kill_ordered(struct shim *s)
{
    s->news.why = SG_SHIM_BY_ORDER;
    begin_killing(s);
}

/* The tree is what was found just now. The executor goes on without us; its node keeps the claim
 * whose lock we hold. */
static void say_stuck(struct shim *s)
{
    s->news.stuck = s->tree.n;
    sg_tree_names(&s->tree, s->news.stuck_names, sizeof(s->news.stuck_names));
    close_output();
    tell(s, SG_SHIM_STUCK);
    s->deadline_ns = NEVER;
}

struct step {
    enum state next;
    void (*action)(struct shim *s);
};

/* LEFT comes before EMPTY always; OVER is left at once. */
static const struct step steps[STATES][EVENTS] = {
    [RUNNING] = {
        [LEFT] = { SETTLING, settle },
        [EMPTY] = { RUNNING, keep },
        [STOP] = { ENDING, end_ordered },
        [HARD] = { KILLING, kill_ordered },
        [GONE] = { ENDING, end_orphaned },
        [LATE] = { ENDING, end_late },
    },
    [SETTLING] = {
        [LEFT] = { SETTLING, keep },
        [EMPTY] = { OVER, keep },
        [STOP] = { ENDING, end_leftovers },
        [HARD] = { KILLING, begin_killing },
        [GONE] = { ENDING, end_leftovers },
        [LATE] = { ENDING, end_leftovers },
    },
    [ENDING] = {
        [LEFT] = { ENDING, keep }, /* the others keep their grace */
        [EMPTY] = { OVER, keep },
        [STOP] = { ENDING, keep },
        [HARD] = { KILLING, begin_killing },
        [GONE] = { ENDING, keep },
        [LATE] = { KILLING, begin_killing },
    },
    [KILLING] = {
        [LEFT] = { KILLING, keep },
        [EMPTY] = { OVER, keep },
        [STOP] = { KILLING, keep },
        [HARD] = { KILLING, keep },
        [GONE] = { KILLING, keep },
        [LATE] = { STUCK, say_stuck },
    },
    [STUCK] = {
        [LEFT] = { STUCK, keep },
        [EMPTY] = { OVER, keep },
        [STOP] = { STUCK, keep },
        [HARD] = { STUCK, keep },
        [GONE] = { STUCK, keep },
        [LATE] = { STUCK, keep },
    },
    [OVER] = {
        [LEFT] = { OVER, keep },
        [EMPTY] = { OVER, keep },
        [STOP] = { OVER, keep },
        [HARD] = { OVER, keep },
        [GONE] = { OVER, keep },
        [LATE] = { OVER, keep },
    },
};

static void apply(struct shim *s, enum event event)
{
    const struct step *step = &steps[s->state][event];

    s->state = step->next;
    step->action(s);
}

/* ---- where events come from */

static void reap(struct shim *s)
{
    int status;

    for (;;) {
        pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);

        if (pid == 0 || (pid < 0 && errno == EINTR))
            return;
        if (pid < 0) {
            apply(s, EMPTY);
            return;
        }
        if (pid == s->news.pid && s->news.exited_ns == 0) {
            s->news.status = status;
            s->news.exited_ns = now_ns();
            apply(s, LEFT);
        }
    }
}

static void read_orders(struct shim *s)
{
    for (;;) {
        unsigned char order = 0;
        ssize_t n = recv(s->control, &order, 1, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            close(s->control);
            s->control = -1;
            apply(s, GONE);
            return;
        }
        if (order == SG_SHIM_STOP)
            apply(s, STOP);
        else if (order == SG_SHIM_KILL)
            apply(s, HARD);
        else if (order == SG_SHIM_PAUSE && s->state == RUNNING)
            pause_tree(s);
        else if (order == SG_SHIM_RESUME)
            resume(s);
    }
}

/* A round of KILL soon after the other at first, for what forks faster than it is found. */
static void kill_round(struct shim *s)
{
    int64_t most_ns = s->state == STUCK ? 1000 * MS : 100 * MS;

    sg_tree_kill(&s->tree, is_child, s);
    s->kill_ns = now_ns() + s->kill_pause_ns;
    s->kill_pause_ns = 2 * s->kill_pause_ns < most_ns ? 2 * s->kill_pause_ns : most_ns;
}

static bool is_killing(const struct shim *s)
{
    return s->state == KILLING || s->state == STUCK;
}

static void wait_for_event(struct shim *s)
{
    struct pollfd p = { .fd = s->control, .events = POLLIN };
    int64_t until = s->paused_at_ns != 0 ? NEVER : s->deadline_ns, now;
    struct timespec t, *timeout = NULL;

    if (is_killing(s) && s->kill_ns < until)
        until = s->kill_ns;
    if (s->started_at_ns < until)
        until = s->started_at_ns;
    if (until != NEVER) {
        now = now_ns();
        until = until > now ? until - now : 0;
        t = (struct timespec){ .tv_sec = until / (1000 * MS), .tv_nsec = until % (1000 * MS) };
        timeout = &t;
    }
    /* CHLD is let through here alone, so none comes between the look and the wait. */
    (void)ppoll(&p, 1, timeout, &s->waiting);
    if (s->control >= 0 && p.revents != 0)
        read_orders(s);
}

/* What is dead and only not yet reaped is not stuck. */
static void be_late(struct shim *s)
{
    if (s->state == KILLING) {
        sg_tree_find(&s->tree, is_child, s);
        if (s->tree.n == 0) {
            s->deadline_ns = now_ns() + SETTLE_NS;
            return;
        }
    }
    apply(s, LATE);
}

static void supervise(struct shim *s)
{
    for (;;) {
        reap(s);
        if (s->state == OVER)
            return;
        if (s->news.exited_ns == 0 && now_ns() >= s->started_at_ns)
            say_started(s);
        if (s->paused_at_ns == 0 && now_ns() >= s->deadline_ns)
            be_late(s);
        if (is_killing(s) && now_ns() >= s->kill_ns)
            kill_round(s);
        wait_for_event(s);
    }
}

static void say_over(struct shim *s)
{
    struct rusage u;

    (void)getrusage(RUSAGE_CHILDREN, &u);
    s->news.cpu_us = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) +
                     u.ru_utime.tv_usec + u.ru_stime.tv_usec;
    s->news.largest_bytes = u.ru_maxrss * INT64_C(1024);
    s->news.read_bytes = u.ru_inblock * INT64_C(512);
    s->news.written_bytes = u.ru_oublock * INT64_C(512);
    close_from(SG_SHIM_LOCK_FD); /* before the executor hears of it and drops the claim */
    close_output();
    tell(s, SG_SHIM_OVER);
}

/* ---- start */

static void on_child(int signo)
{
    (void)signo; /* only interrupts ppoll */
}

static void prepare(struct shim *s)
{
    struct sigaction noticed = { .sa_handler = on_child };
    sigset_t all;

    (void)fcntl(SG_SHIM_CONTROL_FD, F_SETFD, FD_CLOEXEC);
    for (int i = 0; i <= (int)s->n_locks; i++)
        (void)fcntl(SG_SHIM_LOCK_FD + i, F_SETFD, FD_CLOEXEC);
    /* What our caller's caller forgot to close. */
    close_from(SG_SHIM_LOCK_FD + 1 + (int)s->n_locks);
    (void)sigaction(SIGCHLD, &noticed, NULL); /* first: musl unblocks two signals in it */
    memset(&all, 0xff, sizeof(all)); /* sigfillset() leaves some out, not each library the same */
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    s->waiting = all;
    sigdelset(&s->waiting, SIGCHLD);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static bool parse_ms(const char *text, int64_t *ret_ns)
{
    char *end;
    long long ms;

    errno = 0;
    ms = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || ms < 0)
        return false;
    *ret_ns = (ms < MAX_MS ? ms : MAX_MS) * MS;
    return true;
}

static bool parse_count(const char *text, uint64_t most, uint64_t *ret)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != '\0' || n > most)
        return false;
    *ret = n;
    return true;
}

static int refuse(void)
{
    static const char text[] = "stagegraph-shim: is started by stagegraph, not by hand\n";

    (void)!write(2, text, sizeof(text) - 1);
    return BAD_USE;
}

int main(int argc, char **argv)
{
    static struct shim s; /* large, and most of it never touched */
    int type;
    socklen_t n = sizeof(type);

    s.control = SG_SHIM_CONTROL_FD;
    s.news.status = -1;
    if (argc < 9 || strcmp(argv[1], SG_SHIM_VERSION) != 0 || !parse_ms(argv[2], &s.timeout_ns) ||
        !parse_ms(argv[3], &s.grace_ns) || !parse_count(argv[4], SG_SHIM_LOCKS_MAX, &s.n_locks) ||
        !parse_count(argv[5], UINT64_MAX, &s.files) ||
        getsockopt(SG_SHIM_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &n) != 0)
        return refuse();
    s.group = argv[6];
    s.workdir = argv[7];
    s.argv = argv + 8;
    prepare(&s);
    if (!start(&s))
        return 0;
    supervise(&s);
    say_over(&s);
    return 0;
}
