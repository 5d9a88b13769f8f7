#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stagegraph/shim.h"

/* Not among the descriptors that the shim is to have. */
static bool lift(int *fd, int last, struct sg_error *err)
{
    int lifted;

    if (*fd > last)
        return true;
    lifted = fcntl(*fd, F_DUPFD_CLOEXEC, last + 1);
    if (lifted < 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "duplicate a descriptor");
    close(*fd);
    *fd = lifted;
    return true;
}

struct pipes {
    int control, shim_control, output, shim_output; /* -1: not open */
    int *locks; /* copies of the further ones, above those that the shim is to have */
    size_t n_locks;
};

static void close_pipes(struct pipes *p)
{
    int *const all[] = { &p->control, &p->shim_control, &p->output, &p->shim_output };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (*all[i] >= 0)
            close(*all[i]);
    for (size_t i = 0; i < p->n_locks; i++)
        close(p->locks[i]);
    free(p->locks);
}

static bool copy_locks(struct pipes *p, const struct sg_job_spec *spec, int last,
                       struct sg_error *err)
{
    if (spec->n_more_locks == 0)
        return true;
    p->locks = calloc(spec->n_more_locks, sizeof(*p->locks));
    if (p->locks == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a job");
    for (size_t i = 0; i < spec->n_more_locks; i++) {
        p->locks[i] = fcntl(spec->more_locks[i], F_DUPFD_CLOEXEC, last + 1);
        if (p->locks[i] < 0)
            return sg_error_set(err, SG_ERROR_SYSTEM, errno, "duplicate a descriptor");
        p->n_locks++;
    }
    return true;
}

static bool open_pipes(struct pipes *p, const struct sg_job_spec *spec, struct sg_error *err)
{
    int fds[2], last = SG_SHIM_LOCK_FD + (int)spec->n_more_locks;

    *p = (struct pipes){ -1, -1, -1, -1, NULL, 0 };
    if (!SG_EXPECT(spec->n_more_locks <= SG_SHIM_LOCKS_MAX, err))
        return false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "make a socket pair");
    p->control = fds[0];
    p->shim_control = fds[1];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "make a pipe");
    p->output = fds[0];
    p->shim_output = fds[1];
    if (fcntl(p->output, F_SETFL, O_NONBLOCK) != 0) /* the job's end goes on blocking */
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "set up a pipe");
    return lift(&p->shim_control, last, err) && lift(&p->shim_output, last, err) &&
           copy_locks(p, spec, last, err);
}

/* What the child needs, and what it says. */
struct birth {
    const struct sg_job_spec *spec;
    const struct pipes *pipes;
    uint64_t ignored;
    char *const *argv;
    int sys; /* of what failed; 0: it is a shim now */
};

/*
 * The child runs in our memory, and its thread of ours waits meanwhile. It uses the kernel's own
 * calls: what a sanitizer puts in front of the C library's would take its descriptors for ours, and
 * the library keeps two signals to itself.
 */

/* dup3() leaves one that is in its place already close-on-exec. */
static bool move_to(int from, int to)
{
    return from == to ? syscall(SYS_fcntl, to, F_SETFD, 0) == 0
                      : syscall(SYS_dup3, from, to, 0) == to;
}

/* The claim's lock first: where the others go may be its number. No terminal: it may outlive us. */
static bool set_descriptors(const struct sg_job_spec *spec, const struct pipes *p)
{
    if (spec->lock_fd >= 0 && !move_to(spec->lock_fd, SG_SHIM_LOCK_FD))
        return false;
    if (!move_to(p->shim_control, SG_SHIM_CONTROL_FD) || !move_to(p->shim_output, 1))
        return false;
    (void)syscall(SYS_close, 0); /* so that this is the number that the next one gets */
    if (syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY, 0) != 0 || !move_to(0, 2))
        return false;
    if (spec->lock_fd < 0)
        (void)syscall(SYS_close, SG_SHIM_LOCK_FD); /* it may not be open */
    for (size_t i = 0; i < p->n_locks; i++)
        if (!move_to(p->locks[i], SG_SHIM_LOCK_FD + 1 + (int)i))
            return false;
    return true;
}

/* Handlers are reset by the kernel; what is ignored would be ignored by the job too. */
static void heed(uint64_t ignored)
{
    static const uint64_t plain[8]; /* the kernel's struct: SIG_DFL, no flags */

    for (int signo = 1; signo <= 64 && ignored >> (signo - 1) != 0; signo++)
        if ((ignored >> (signo - 1) & 1) != 0)
            (void)syscall(SYS_rt_sigaction, signo, plain, NULL, sizeof(uint64_t));
}

/* A session of its own, so that ^C and a KILL of our process group don't reach it. All signals stay
 * blocked, as the shim wants them. */
static int be_shim(void *ctx)
{
    struct birth *b = ctx;

    heed(b->ignored);
    (void)syscall(SYS_setsid); /* can't fail: it has just been forked */
    if (set_descriptors(b->spec, b->pipes))
        (void)syscall(SYS_execve, b->spec->shim, b->argv, b->spec->envp);
    b->sys = errno;
    (void)syscall(SYS_exit_group, 127);
    return 0;
}

/* What posix_spawn() does, but for what this caller does not need: that sets the disposition of
 * each signal, asks for the limit of files for each descriptor, and maps a stack: 80 calls. */
static int spawn(struct birth *b, pid_t *ret)
{
    _Alignas(16) char stack[16384];
    const uint64_t all = UINT64_MAX; /* no handler of ours runs in the child */
    uint64_t before;

    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all)) != 0)
        return errno;
    *ret = clone(be_shim, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, b);
    if (*ret < 0)
        b->sys = errno;
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(all)); /* can't fail */
    if (*ret > 0 && b->sys != 0)
        (void)waitpid(*ret, NULL, 0); /* it has ended */
    return b->sys;
}

uint64_t sg_shim_ignored(void)
{
    struct sigaction now;
    uint64_t ret = 0;

    for (int signo = 1; signo <= 64; signo++)
        if (sigaction(signo, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            ret |= UINT64_C(1) << (signo - 1);
    return ret;
}

/* The shim's arguments, then the command's words; the caller frees the array alone. */
static int spawn_shim(const struct sg_job_spec *spec, const struct pipes *p, const char *group,
                      uint64_t ignored, pid_t *ret)
{
    static char name[] = "stagegraph-shim", version[] = SG_SHIM_VERSION;
    char timeout[24], grace[24], locks[24], files[24], *workdir = strdup(spec->workdir), **argv;
    char *door = strdup(group);
    size_t n = 0;
    int e = ENOMEM;

    while (spec->argv[n] != NULL)
        n++;
    argv = calloc(n + 9, sizeof(*argv));
    if (argv != NULL && workdir != NULL && door != NULL) {
        snprintf(timeout, sizeof(timeout), "%lld", (long long)spec->timeout_ms);
        snprintf(grace, sizeof(grace), "%lld", (long long)spec->grace_ms);
        argv[0] = name;
        argv[1] = version;
        argv[2] = timeout;
        argv[3] = grace;
        snprintf(locks, sizeof(locks), "%zu", spec->n_more_locks);
        argv[4] = locks;
        snprintf(files, sizeof(files), "%" PRIu64, spec->open_files);
        argv[5] = files;
        argv[6] = door;
        argv[7] = workdir;
        memcpy(argv + 8, spec->argv, n * sizeof(*argv));
        e = spawn(&(struct birth){ .spec = spec, .pipes = p, .ignored = ignored, .argv = argv },
                  ret);
    }
    free(argv);
    free(workdir);
    free(door);
    return e;
}

bool sg_shim_launch(const struct sg_job_spec *spec, const char *group, uint64_t ignored,
                    struct sg_shim_ends *ret, int *ret_refused, struct sg_error *err)
{
    struct pipes p;
    pid_t pid = 0;
    int e;

    if (!open_pipes(&p, spec, err)) {
        close_pipes(&p);
        return false;
    }
    e = spawn_shim(spec, &p, group, ignored, &pid);
    *ret = (struct sg_shim_ends){ .pid = pid, .control = p.control, .output = p.output };
    if (e == 0)
        p.control = p.output = -1;
    close_pipes(&p);
    if (e != 0 && e != E2BIG)
        return sg_error_set(err, SG_ERROR_SYSTEM, e, "start %s", spec->shim);
    *ret_refused = e;
    return true;
}
