/*
 * program: runs stagegraph and other programs, takes in what they print, and waits for them.
 *
 * All waits go through e2e_pump(), which polls the pipes and pidfds of everything that runs, so a
 * program never stands still because the test looks at another one.
 */
#include "fixture_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct stream {
    int fd; /* -1: at its end */
    char *text;
    size_t len, cap;
};

struct e2e_proc {
    struct e2e *t;
    struct e2e_proc *next;
    char *command; /* for messages */
    pid_t pid;
    int pidfd; /* -1: it has ended */
    int status;
    long peak_kib;
    bool runs_jobs;
    struct stream out, err;
};

void e2e_fail_at(struct e2e *t, const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    bool first = true;

    /* What runs, and what was started last. */
    for (struct e2e_proc *p = t->procs; p != NULL; p = p->next, first = false)
        if (first || p->pidfd >= 0)
            e2e_tell("---- %s (%s %d)\n%s%s", p->command, p->pidfd >= 0 ? "runs, pid" : "status",
                     p->pidfd >= 0 ? (int)p->pid : p->status, e2e_stdout(p), e2e_stderr(p));
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    e2e_tell("\n");
    _fail(file, line);
}

void e2e_setenv(struct e2e *t, const char *name, const char *value)
{
    size_t n = strlen(name), i = 0;
    char **grown;

    while (i < t->n_env && !(strncmp(t->env[i], name, n) == 0 && t->env[i][n] == '='))
        i++;
    if (i < t->n_env) {
        free(t->env[i]);
        t->env[i] = t->env[--t->n_env];
        t->env[t->n_env] = NULL;
    }
    if (value == NULL)
        return;
    grown = realloc(t->env, (t->n_env + 2) * sizeof(*grown));
    if (grown == NULL || asprintf(&grown[t->n_env], "%s=%s", name, value) < 0)
        fail_msg("out of memory");
    t->env = grown;
    t->env[++t->n_env] = NULL;
}

/* ---- starting */

/* What a program inherits: three streams, the usual signals, and our end of nothing. */
static void become(struct e2e *t, const char *const *argv)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    if (close_range(3, ~0u, 0) != 0 || chdir(t->dir) != 0)
        _exit(126);
    (void)execve(argv[0], (char *const *)(uintptr_t)argv, t->env);
    (void)dprintf(2, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static struct e2e_proc *new_proc(struct e2e *t, const char *const *argv)
{
    struct e2e_proc *p = e2e_keep(t, calloc(1, sizeof(*p)));

    (void)signal(SIGPIPE, SIG_IGN);
    p->t = t;
    p->out.fd = p->err.fd = -1;
    p->command = e2e_text(t, "%s", argv[0]);
    for (size_t i = 1; argv[i] != NULL; i++)
        p->command = e2e_text(t, "%s %s", p->command, argv[i]);
    return p;
}

static struct e2e_proc *add_proc(struct e2e_proc *p, int out, int err)
{
    (void)fcntl(out, F_SETFL, O_NONBLOCK);
    if (err >= 0)
        (void)fcntl(err, F_SETFL, O_NONBLOCK);
    p->out.fd = out;
    p->err.fd = err;
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (p->pidfd < 0)
        fail_msg("pidfd_open: %s", strerror(errno));
    p->next = p->t->procs;
    p->t->procs = p;
    return p;
}

struct e2e_proc *e2e_start_argv(struct e2e *t, const char *const *argv)
{
    struct e2e_proc *p = new_proc(t, argv);
    int out[2], err[2];

    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
        fail_msg("pipe: %s", strerror(errno));
    p->pid = fork();
    if (p->pid < 0)
        fail_msg("fork: %s", strerror(errno));
    if (p->pid == 0) {
        int null = open("/dev/null", O_RDONLY);

        (void)setpgid(0, 0);
        if (null < 0 || dup2(null, 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0)
            _exit(126);
        become(t, argv);
    }
    (void)setpgid(p->pid, p->pid);
    (void)close(out[1]);
    (void)close(err[1]);
    return add_proc(p, out[0], err[0]);
}

struct e2e_proc *e2e_start_argv_on_terminal(struct e2e *t, int columns, int rows,
                                            const char *const *argv)
{
    struct e2e_proc *p = new_proc(t, argv);
    struct winsize size = { .ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows };
    struct termios mode;
    bool has_term = false;
    int master;

    for (size_t i = 0; i < t->n_env; i++)
        has_term |= strncmp(t->env[i], "TERM=", 5) == 0;
    if (!has_term)
        e2e_setenv(t, "TERM", "xterm");
    p->pid = forkpty(&master, NULL, NULL, &size);
    if (p->pid < 0)
        fail_msg("forkpty: %s", strerror(errno));
    /* ^C makes the kernel drop what was written and not read yet, at about the time at which the
     * program answers the signal. */
    if (p->pid > 0 && tcgetattr(master, &mode) == 0) {
        mode.c_lflag |= NOFLSH;
        (void)tcsetattr(master, TCSANOW, &mode);
    }
    if (p->pid == 0)
        become(t, argv);
    (void)fcntl(master, F_SETFD, FD_CLOEXEC);
    return add_proc(p, master, -1);
}

void e2e_type(struct e2e_proc *p, const char *text)
{
    if (write(p->out.fd, text, strlen(text)) != (ssize_t)strlen(text))
        fail_msg("type: %s", strerror(errno));
}

void e2e_resize(struct e2e_proc *p, int columns, int rows)
{
    struct winsize size = { .ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows };

    if (ioctl(p->out.fd, TIOCSWINSZ, &size) != 0)
        fail_msg("resize: %s", strerror(errno));
}

/* Words at blanks; '…' keeps one together. */
static const char **split(struct e2e *t, const char *program, char *text)
{
    const char **argv = e2e_keep(t, calloc(strlen(text) / 2 + 3, sizeof(*argv)));
    size_t n = 0;

    argv[n++] = program;
    while (*text != '\0') {
        char *to = text;
        bool quoted = false;

        if (*text == ' ') {
            text++;
            continue;
        }
        argv[n++] = text;
        for (; *text != '\0' && (quoted || *text != ' '); text++) {
            if (*text == '\'')
                quoted = !quoted;
            else
                *to++ = *text;
        }
        if (*text == ' ')
            text++;
        *to = '\0';
    }
    return argv;
}

E2E_PRINTF(2, 0)
static const char **words(struct e2e *t, const char *fmt, va_list ap)
{
    const char *program = getenv("STAGEGRAPH_BIN");
    char *text;

    if (program == NULL)
        fail_msg("STAGEGRAPH_BIN is not set: run this with `ninja check`");
    if (vasprintf(&text, fmt, ap) < 0)
        fail_msg("out of memory");
    return split(t, program, e2e_keep(t, text));
}

static struct e2e_proc *is_stagegraph(struct e2e_proc *p, const char *const *argv)
{
    for (size_t i = 1; argv[i] != NULL; i++)
        p->runs_jobs |= strcmp(argv[i], "run") == 0 || strcmp(argv[i], "hourly") == 0 ||
                        strcmp(argv[i], "backfill") == 0 || strcmp(argv[i], "resume") == 0;
    return p;
}

struct e2e_proc *e2e_start(struct e2e *t, const char *fmt, ...)
{
    const char **argv;
    va_list ap;

    va_start(ap, fmt);
    argv = words(t, fmt, ap);
    va_end(ap);
    return is_stagegraph(e2e_start_argv(t, argv), argv);
}

struct e2e_proc *e2e_start_on_terminal(struct e2e *t, int columns, int rows, const char *fmt, ...)
{
    const char **argv;
    va_list ap;

    va_start(ap, fmt);
    argv = words(t, fmt, ap);
    va_end(ap);
    return is_stagegraph(e2e_start_argv_on_terminal(t, columns, rows, argv), argv);
}

/* ---- what they print */

static void take(struct stream *s)
{
    while (s->fd >= 0) {
        ssize_t n;

        if (s->cap - s->len < 4096) {
            size_t cap = s->cap == 0 ? 16384 : s->cap * 2;
            char *grown = realloc(s->text, cap);

            if (grown == NULL)
                fail_msg("out of memory");
            s->text = grown;
            s->cap = cap;
        }
        n = read(s->fd, s->text + s->len, s->cap - s->len - 1);
        if (n > 0) {
            s->len += (size_t)n;
        } else if (n == 0 || errno == EIO) { /* EIO: nobody has the terminal open any more */
            (void)close(s->fd);
            s->fd = -1;
        } else {
            return;
        }
    }
}

static const char *stream_text(struct stream *s)
{
    if (s->text == NULL)
        return "";
    s->text[s->len] = '\0';
    return s->text;
}

static void reap(struct e2e_proc *p)
{
    struct rusage usage;
    int status;

    if (p->pidfd < 0 || wait4(p->pid, &status, WNOHANG, &usage) != p->pid)
        return;
    p->peak_kib = usage.ru_maxrss;
    p->status = WIFSIGNALED(status) ? E2E_DIED(WTERMSIG(status)) : WEXITSTATUS(status);
    (void)close(p->pidfd);
    p->pidfd = -1;
}

void e2e_pump(struct e2e *t, int ms)
{
    struct pollfd fds[96];
    struct e2e_proc *p;
    nfds_t n = 0;

    for (p = t->procs; p != NULL && n + 3 <= 96; p = p->next) {
        if (p->out.fd >= 0)
            fds[n++] = (struct pollfd){ .fd = p->out.fd, .events = POLLIN };
        if (p->err.fd >= 0)
            fds[n++] = (struct pollfd){ .fd = p->err.fd, .events = POLLIN };
        if (p->pidfd >= 0)
            fds[n++] = (struct pollfd){ .fd = p->pidfd, .events = POLLIN };
    }
    (void)poll(fds, n, ms);
    for (p = t->procs; p != NULL; p = p->next) {
        reap(p); /* first: what it printed before its end is then in the pipe */
        take(&p->out);
        take(&p->err);
    }
}

const char *e2e_stdout(struct e2e_proc *p)
{
    return stream_text(&p->out);
}

const char *e2e_stderr(struct e2e_proc *p)
{
    return stream_text(&p->err);
}

pid_t e2e_pid(const struct e2e_proc *p)
{
    return p->pid;
}

bool e2e_is_over(struct e2e_proc *p)
{
    e2e_pump(p->t, 0);
    return p->pidfd < 0;
}

/* ---- waiting */

bool e2e_is_hopeless(struct e2e *t, int64_t deadline_ms)
{
    const struct e2e_proc *p = t->procs;

    while (p != NULL && p->pidfd < 0)
        p = p->next;
    return p == NULL || e2e_is_late(deadline_ms);
}

void e2e_until_at(struct e2e_proc *p, int fd, const char *text, const char *file, int line)
{
    struct stream *s = fd == 1 ? &p->out : &p->err;
    int64_t deadline = e2e_patience();
    bool over = false;

    while (strstr(stream_text(s), text) == NULL) {
        if (over || e2e_is_late(deadline)) {
            e2e_tell("---- %s\n%s%s\n---- never said \"%s\"\n", p->command, e2e_stdout(p),
                     e2e_stderr(p), text);
            _fail(file, line);
        }
        over = p->pidfd < 0;
        e2e_pump(p->t, 20);
    }
}

/* A run that ended by itself, and left nothing to another (4), has left no process, at that
 * instant. */
static void assert_nothing_left(struct e2e_proc *p, const char *file, int line)
{
    pid_t left[2];

    for (const struct e2e_proc *other = p->t->procs; other != NULL; other = other->next)
        if (other->pidfd >= 0)
            return;
    if (!p->runs_jobs || p->status == 4 || p->status == E2E_DIED(SIGKILL) ||
        e2e_scan(p->t->dir, E2E_JOB, left, 2) + e2e_scan(p->t->dir, E2E_SHIM, left, 2) == 0)
        return;
    e2e_tell("---- %s\n%s%s---- left process %d\n", p->command, e2e_stdout(p), e2e_stderr(p),
             (int)left[0]);
    _fail(file, line);
}

int e2e_end_at(struct e2e_proc *p, const char *file, int line)
{
    int64_t deadline = e2e_patience();

    while (p->pidfd >= 0) {
        if (e2e_is_late(deadline))
            e2e_fail_at(p->t, file, line, "%s does not end", p->command);
        e2e_pump(p->t, 100);
    }
    e2e_pump(p->t, 0);
    return p->status;
}

void e2e_wait_at(struct e2e_proc *p, int want, const char *file, int line)
{
    struct e2e *t = p->t;

    (void)e2e_end_at(p, file, line);
    t->out = e2e_text(t, "%s", e2e_stdout(p));
    t->err = e2e_text(t, "%s", e2e_stderr(p));
    t->status = p->status;
    t->peak_kib = p->peak_kib;
    if (want == E2E_ANY || p->status == want) {
        assert_nothing_left(p, file, line);
        return;
    }
    e2e_tell("---- %s\n%s---- its standard error\n%s---- status %d, wanted %d\n", p->command,
             t->out, t->err, p->status, want);
    _fail(file, line);
}

void e2e_run_at(struct e2e *t, const char *file, int line, int want, const char *fmt, ...)
{
    const char **argv;
    va_list ap;

    va_start(ap, fmt);
    argv = words(t, fmt, ap);
    va_end(ap);
    e2e_wait_at(is_stagegraph(e2e_start_argv(t, argv), argv), want, file, line);
}

void e2e_kill(struct e2e_proc *p, int signo)
{
    if (p->pidfd >= 0 && kill(p->pid, signo) != 0)
        fail_msg("kill %s: %s", p->command, strerror(errno));
}

void e2e_kill_group(struct e2e_proc *p, int signo)
{
    if (p->pidfd >= 0 && kill(-p->pid, signo) != 0)
        fail_msg("kill the group of %s: %s", p->command, strerror(errno));
}

void e2e_hang_up(struct e2e_proc *p)
{
    if (p->out.fd >= 0)
        (void)close(p->out.fd);
    p->out.fd = -1;
}

void e2e_programs_done(struct e2e *t)
{
    for (struct e2e_proc *p = t->procs; p != NULL; p = p->next) {
        if (p->pidfd >= 0) {
            (void)kill(p->pid, SIGKILL);
            (void)waitpid(p->pid, NULL, 0);
            (void)close(p->pidfd);
        }
        if (p->out.fd >= 0)
            (void)close(p->out.fd);
        if (p->err.fd >= 0)
            (void)close(p->err.fd);
        free(p->out.text);
        free(p->err.text);
    }
    t->procs = NULL;
}
