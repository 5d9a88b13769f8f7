#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

/* The claim's lock first: what it is moved away from may be a number that another needs. */
static int set_descriptors(posix_spawn_file_actions_t *a, const struct sg_job_spec *spec,
                           const struct pipes *p)
{
    int e = 0;

    if (spec->lock_fd >= 0)
        e = posix_spawn_file_actions_adddup2(a, spec->lock_fd, SG_SHIM_LOCK_FD);
    if (e == 0)
        e = posix_spawn_file_actions_adddup2(a, p->shim_control, SG_SHIM_CONTROL_FD);
    if (e == 0)
        e = posix_spawn_file_actions_adddup2(a, p->shim_output, 1);
    if (e == 0)
        e = posix_spawn_file_actions_addopen(a, 0, "/dev/null", O_RDONLY, 0);
    if (e == 0)
        e = posix_spawn_file_actions_adddup2(a, 0, 2); /* not our terminal: it may outlive us */
    if (e == 0 && spec->lock_fd < 0)
        e = posix_spawn_file_actions_addclose(a, SG_SHIM_LOCK_FD);
    for (size_t i = 0; e == 0 && i < p->n_locks; i++)
        e = posix_spawn_file_actions_adddup2(a, p->locks[i], SG_SHIM_LOCK_FD + 1 + (int)i);
    return e;
}

/* A session of its own, so that ^C and a KILL of our process group don't reach it. What our caller
 * ignores would be ignored by the job too. */
static int set_attributes(posix_spawnattr_t *a)
{
    sigset_t all;
    int e;

    sigfillset(&all);
    e = posix_spawnattr_setsigmask(a, &all);
    if (e == 0)
        e = posix_spawnattr_setsigdefault(a, &all);
    return e != 0 ? e
                  : posix_spawnattr_setflags(a, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
}

static int spawn(const struct sg_job_spec *spec, const struct pipes *p, char *const *argv,
                 pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int e = posix_spawn_file_actions_init(&actions);

    if (e != 0)
        return e;
    e = posix_spawnattr_init(&attr);
    if (e == 0) {
        e = set_attributes(&attr);
        if (e == 0)
            e = set_descriptors(&actions, spec, p);
        if (e == 0)
            e = posix_spawn(ret, spec->shim, &actions, &attr, argv, spec->envp);
        (void)posix_spawnattr_destroy(&attr);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return e;
}

/* The shim's arguments, then the command's words; the caller frees the array alone. */
static int spawn_shim(const struct sg_job_spec *spec, const struct pipes *p, const char *group,
                      pid_t *ret)
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
        e = spawn(spec, p, argv, ret);
    }
    free(argv);
    free(workdir);
    free(door);
    return e;
}

bool sg_shim_launch(const struct sg_job_spec *spec, const char *group, struct sg_shim_ends *ret,
                    int *ret_refused, struct sg_error *err)
{
    struct pipes p;
    pid_t pid = 0;
    int e;

    if (!open_pipes(&p, spec, err)) {
        close_pipes(&p);
        return false;
    }
    e = spawn_shim(spec, &p, group, &pid);
    *ret = (struct sg_shim_ends){ .pid = pid, .control = p.control, .output = p.output };
    if (e == 0)
        p.control = p.output = -1;
    close_pipes(&p);
    if (e != 0 && e != E2BIG)
        return sg_error_set(err, SG_ERROR_SYSTEM, e, "start %s", spec->shim);
    *ret_refused = e;
    return true;
}
