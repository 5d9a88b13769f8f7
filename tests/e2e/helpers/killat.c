/*
 * killat: runs stagegraph and kills it, or its shim, at the k-th of its system calls that matter;
 * or lets that call fail.
 *
 *   killat executor|shim|both|term|none K LOG PROGRAM [ARG]...
 *   killat fail=N|from=ERROR K LOG PROGRAM [ARG]...
 *
 * Traces the program (with all its threads) and its shims, not the jobs. Calls that change
 * something or start, signal or wait for processes are counted from the first that makes something
 * below _stagegraph; at the entry of the K-th, before it has any effect, WHO gets SIGKILL (`term`:
 * the executor gets SIGTERM). For `shim` only what happens while there is a shim is counted. LOG
 * gets a line a counted call: its number, who, and its name. Ends when the program has, with its
 * exit status, or 128 + its signal.
 *
 * With fail=N the K-th call is not made and fails with the N-th (modulo their number) of the errors
 * that such a call can meet; with from=ENOSPC or from=EIO it and all behind it that can meet that
 * error do. Counted are, from the program's main() on, the calls that can fail for a reason outside
 * of the program: those on files below the working directory, and those that take descriptors,
 * processes or memory (these not with KILLAT_NO_MEMORY in the environment: a sanitizer needs them).
 * A child that is not yet what it will be counts too. A line of the LOG then has the call's object
 * as well, and how many errors there are; the last one reads `failed NUMBER WHO NAME OBJECT ERRNO`.
 * K = 0: nothing fails.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum role { NOBODY, EXECUTOR, SHIM };
static const char *const role_names[] = { "child", "executor", "shim" };

struct tracee {
    pid_t pid; /* 0: free */
    enum role role;
    int error; /* of the call that it is in and that is not made; 0: none */
};

static const struct call {
    long nr;
    const char *name;
    int path; /* the argument that is the path of what is made, -1: none */
} calls[] = {
#ifdef SYS_open
    { SYS_open, "open", 0 },
    { SYS_mkdir, "mkdir", 0 },
    { SYS_rename, "rename", -1 },
    { SYS_link, "link", -1 },
    { SYS_unlink, "unlink", -1 },
    { SYS_rmdir, "rmdir", -1 },
    { SYS_fork, "fork", -1 },
    { SYS_vfork, "vfork", -1 },
#endif
    { SYS_openat, "openat", 1 },
    { SYS_mkdirat, "mkdirat", 1 },
    { SYS_renameat, "renameat", -1 },
    { SYS_renameat2, "renameat2", -1 },
    { SYS_linkat, "linkat", -1 },
    { SYS_unlinkat, "unlinkat", -1 },
    { SYS_write, "write", -1 },
    { SYS_pwrite64, "pwrite64", -1 },
    { SYS_writev, "writev", -1 },
    { SYS_ftruncate, "ftruncate", -1 },
    { SYS_fsync, "fsync", -1 },
    { SYS_fdatasync, "fdatasync", -1 },
    { SYS_flock, "flock", -1 },
    { SYS_clone, "clone", -1 },
    { SYS_clone3, "clone3", -1 },
    { SYS_execve, "execve", -1 },
    { SYS_sendto, "sendto", -1 },
    { SYS_sendmsg, "sendmsg", -1 },
    { SYS_recvfrom, "recvfrom", -1 },
    { SYS_recvmsg, "recvmsg", -1 },
    { SYS_socketpair, "socketpair", -1 },
    { SYS_wait4, "wait4", -1 },
    { SYS_waitid, "waitid", -1 },
    { SYS_kill, "kill", -1 },
    { SYS_setsid, "setsid", -1 },
    { SYS_exit_group, "exit_group", -1 },
};

/* What a call works on, by its first arguments. */
enum object {
    RESOURCE, /* nothing that has a name */
    FD,
    PATH,    /* relative to the working directory */
    AT_PATH, /* a descriptor and a path */
    OPEN,    /* the same, and flags */
    MAP      /* anonymous memory, or not looked at */
};

#define MAX_ERRORS 6

static const struct fault {
    long nr;
    const char *name;
    enum object object;
    int errors[MAX_ERRORS]; /* 0 ends them */
} faults[] = {
#define CHANGE ENOSPC, EIO, EROFS, EACCES, EDQUOT
#define TABLE  EMFILE, ENFILE, ENOMEM
#ifdef SYS_open
    { SYS_mkdir, "mkdir", PATH, { CHANGE } },
    { SYS_rename, "rename", PATH, { CHANGE } },
    { SYS_link, "link", PATH, { CHANGE } },
    { SYS_symlink, "symlink", PATH, { CHANGE } },
    { SYS_unlink, "unlink", PATH, { EIO, EROFS, EACCES } },
    { SYS_rmdir, "rmdir", PATH, { EIO, EROFS, EACCES } },
    { SYS_stat, "stat", PATH, { EIO, EACCES } },
    { SYS_lstat, "lstat", PATH, { EIO, EACCES } },
    { SYS_fork, "fork", RESOURCE, { EAGAIN, ENOMEM } },
    { SYS_vfork, "vfork", RESOURCE, { EAGAIN, ENOMEM } },
    { SYS_poll, "poll", RESOURCE, { EINTR } },
    { SYS_epoll_wait, "epoll_wait", RESOURCE, { EINTR } },
#endif
    { SYS_openat, "openat", OPEN, { EMFILE, EIO, EACCES, ENOSPC, EROFS, EDQUOT } },
    { SYS_mkdirat, "mkdirat", AT_PATH, { CHANGE } },
    { SYS_renameat, "renameat", AT_PATH, { CHANGE } },
    { SYS_renameat2, "renameat2", AT_PATH, { CHANGE } },
    { SYS_linkat, "linkat", AT_PATH, { CHANGE } },
    { SYS_symlinkat, "symlinkat", RESOURCE, { CHANGE } },
    { SYS_unlinkat, "unlinkat", AT_PATH, { EIO, EROFS, EACCES } },
    { SYS_newfstatat, "newfstatat", AT_PATH, { EIO, EACCES } },
    { SYS_statx, "statx", AT_PATH, { EIO, EACCES } },
    { SYS_fstat, "fstat", FD, { EIO } },
    { SYS_fstatfs, "fstatfs", FD, { EIO } },
    { SYS_getdents64, "getdents64", FD, { EIO } },
    { SYS_read, "read", FD, { EIO } },
    { SYS_pread64, "pread64", FD, { EIO } },
    { SYS_write, "write", FD, { ENOSPC, EIO, EDQUOT } },
    { SYS_writev, "writev", FD, { ENOSPC, EIO, EDQUOT } },
    { SYS_pwrite64, "pwrite64", FD, { ENOSPC, EIO, EDQUOT } },
    { SYS_ftruncate, "ftruncate", FD, { EIO } },
    { SYS_fsync, "fsync", FD, { EIO, ENOSPC } },
    { SYS_fdatasync, "fdatasync", FD, { EIO, ENOSPC } },
    { SYS_flock, "flock", FD, { ENOLCK, EINTR } },
    { SYS_fcntl, "fcntl", FD, { ENOLCK } },
    { SYS_clone, "clone", RESOURCE, { EAGAIN, ENOMEM } },
    { SYS_clone3, "clone3", RESOURCE, { EAGAIN, ENOMEM } },
    { SYS_execve, "execve", RESOURCE, { ENOMEM, EACCES } },
    { SYS_pipe2, "pipe2", RESOURCE, { TABLE } },
    { SYS_socketpair, "socketpair", RESOURCE, { TABLE } },
    { SYS_epoll_create1, "epoll_create1", RESOURCE, { TABLE } },
    { SYS_epoll_ctl, "epoll_ctl", RESOURCE, { ENOSPC, ENOMEM } },
    { SYS_eventfd2, "eventfd2", RESOURCE, { TABLE } },
    { SYS_timerfd_create, "timerfd_create", RESOURCE, { TABLE } },
    { SYS_signalfd4, "signalfd4", RESOURCE, { TABLE } },
    { SYS_pidfd_open, "pidfd_open", RESOURCE, { TABLE } },
    { SYS_sendto, "sendto", RESOURCE, { ENOMEM } },
    { SYS_sendmsg, "sendmsg", RESOURCE, { ENOMEM } },
    { SYS_epoll_pwait, "epoll_pwait", RESOURCE, { EINTR } },
    { SYS_ppoll, "ppoll", RESOURCE, { EINTR } },
    { SYS_wait4, "wait4", RESOURCE, { EINTR } },
    { SYS_waitid, "waitid", RESOURCE, { EINTR } },
    { SYS_mmap, "mmap", MAP, { ENOMEM } },
    { SYS_mremap, "mremap", MAP, { ENOMEM } },
};

static struct tracee tracees[256];
static pid_t executor, shim;
static const char *who;
static long at, count;
static bool armed;
static FILE *log_file;
static bool fails, from;  /* fail=N, from=ERROR */
static long which;        /* N */
static int lasting;       /* ERROR */
static char here[4096];   /* the working directory */
static char failed[9200]; /* the last line of the log */

static struct tracee *find(pid_t pid)
{
    struct tracee *free_one = NULL;

    for (size_t i = 0; i < 256; i++) {
        if (tracees[i].pid == pid)
            return &tracees[i];
        if (tracees[i].pid == 0 && free_one == NULL)
            free_one = &tracees[i];
    }
    if (free_one == NULL) {
        (void)fprintf(stderr, "killat: too many processes\n");
        exit(120);
    }
    *free_one = (struct tracee){ .pid = pid };
    return free_one;
}

static void forget(pid_t pid)
{
    for (size_t i = 0; i < 256; i++)
        if (tracees[i].pid == pid)
            tracees[i].pid = 0;
    if (pid == shim)
        shim = 0;
}

static bool is_thread_of(pid_t tid, pid_t pid)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)pid, (int)tid);
    return access(path, F_OK) == 0;
}

static bool is_shim(pid_t pid)
{
    char path[64], target[4096];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    n = readlink(path, target, sizeof(target));
    return n > 0 && memmem(target, (size_t)n, "stagegraph-shim", 15) != NULL;
}

/* A text at an address of the tracee, as much of it as can be read. */
static void read_text(pid_t pid, uint64_t address, char *ret, size_t size)
{
    struct iovec ours = { .iov_base = ret, .iov_len = size - 1 };
    struct iovec its = { .iov_base = (void *)(uintptr_t)address, .iov_len = size - 1 };
    ssize_t n = process_vm_readv(pid, &ours, 1, &its, 1, 0);

    if (n <= 0) { /* it may lie at the end of what is mapped */
        its.iov_len = ours.iov_len =
            4096 - (size_t)(address & 4095) < size ? 4096 - (size_t)(address & 4095) : size - 1;
        n = process_vm_readv(pid, &ours, 1, &its, 1, 0);
    }
    ret[n > 0 ? n : 0] = '\0';
}

/* Is the path, at an address of the tracee, below _stagegraph? */
static bool is_ours(pid_t pid, uint64_t address)
{
    char text[512];

    read_text(pid, address, text, sizeof(text));
    return strstr(text, "_stagegraph") != NULL;
}

static void count_call(const struct tracee *t, const struct __ptrace_syscall_info *info)
{
    const struct call *c = NULL;

    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        if ((uint64_t)calls[i].nr == info->entry.nr)
            c = &calls[i];
    if (c == NULL || t->role == NOBODY)
        return;
    if (!armed) {
        bool makes = c->nr != SYS_openat || (info->entry.args[2] & 0100) != 0; /* O_CREAT */

        armed = c->path >= 0 && makes && is_ours(t->pid, info->entry.args[c->path]);
        if (!armed)
            return;
    }
    if (strcmp(who, "shim") == 0 && shim == 0)
        return;
    count++;
    (void)fprintf(log_file, "%ld %s %s\n", count, t->role == SHIM ? "shim" : "executor", c->name);
    if (count != at)
        return;
    if (strcmp(who, "executor") == 0 || strcmp(who, "both") == 0)
        (void)kill(executor, SIGKILL);
    if ((strcmp(who, "shim") == 0 || strcmp(who, "both") == 0) && shim != 0)
        (void)kill(shim, SIGKILL);
    if (strcmp(who, "term") == 0)
        (void)kill(executor, SIGTERM);
}

/* ---- calls that fail */

static bool fd_path(pid_t pid, int fd, char *ret, size_t size)
{
    char link[64];
    ssize_t n;

    if (fd == AT_FDCWD)
        (void)snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid);
    else
        (void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
    n = readlink(link, ret, size - 1);
    ret[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The path that the call is about, absolute; "": none. */
static void object_of(pid_t pid, const struct fault *f, const uint64_t *args, char ret[9000])
{
    char name[4096], dir[4096];
    int fd = f->object == PATH ? AT_FDCWD : (int)args[0];

    ret[0] = '\0';
    if (f->object == FD) {
        if (fd > 2) /* what is shown, to whom is not ours to test */
            (void)fd_path(pid, fd, ret, 9000);
    } else if (f->object == PATH || f->object == AT_PATH || f->object == OPEN) {
        read_text(pid, args[f->object == PATH ? 0 : 1], name, sizeof(name));
        if (name[0] == '/')
            (void)snprintf(ret, 9000, "%s", name);
        else if (fd_path(pid, fd, dir, sizeof(dir)))
            (void)snprintf(ret, 9000, "%s%s%s", dir, name[0] != '\0' ? "/" : "", name);
    }
}

static bool is_here(const char *path)
{
    size_t n = strlen(here);

    return strncmp(path, here, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The errors that the call can meet, given what it is about; their number. */
static size_t errors_of(const struct fault *f, const uint64_t *args, const char *object,
                        int ret[MAX_ERRORS])
{
    bool makes = f->object == OPEN && (args[2] & O_CREAT) != 0;
    size_t n = 0;

    if (f->nr == SYS_fcntl) {
        if (args[1] == F_DUPFD || args[1] == F_DUPFD_CLOEXEC)
            ret[n++] = EMFILE;
        else if (args[1] == F_SETLK && is_here(object))
            ret[n++] = ENOLCK;
        return n;
    }
    if ((f->nr == SYS_wait4 && (args[2] & WNOHANG) != 0) ||
        (f->nr == SYS_waitid && (args[3] & WNOHANG) != 0))
        return 0; /* what doesn't wait is not interrupted */
    if (f->object == MAP && (getenv("KILLAT_NO_MEMORY") != NULL || (args[3] & MAP_FIXED) != 0))
        return 0;
    for (size_t i = 0; i < MAX_ERRORS && f->errors[i] != 0; i++) {
        int e = f->errors[i];
        bool ok = f->object == RESOURCE || f->object == MAP || is_here(object);

        if (f->object == OPEN && e == EMFILE)
            ok = true;
        if (!makes && f->object == OPEN && (e == ENOSPC || e == EROFS || e == EDQUOT))
            ok = false;
        if (ok)
            ret[n++] = e;
    }
    return n;
}

/* At the entry of a call: it is not made. At its exit: it returns so. */
static bool set_registers(pid_t pid, bool at_exit, long result)
{
    struct user_regs_struct regs;
    struct iovec v = { .iov_base = &regs, .iov_len = sizeof(regs) };

    if (ptrace(PTRACE_GETREGSET, pid, (long)NT_PRSTATUS, &v) != 0)
        return false;
#if defined(__x86_64__)
    if (at_exit)
        regs.rax = (unsigned long long)result;
    else
        regs.orig_rax = (unsigned long long)-1;
#elif defined(__aarch64__)
    if (!at_exit) {
        int none = -1;

        v = (struct iovec){ .iov_base = &none, .iov_len = sizeof(none) };
        return ptrace(PTRACE_SETREGSET, pid, (long)NT_ARM_SYSTEM_CALL, &v) == 0;
    }
    regs.regs[0] = (unsigned long long)result;
#else
#error "say here how a system call is refused"
#endif
    return ptrace(PTRACE_SETREGSET, pid, (long)NT_PRSTATUS, &v) == 0;
}

static void count_fault(struct tracee *t, const struct __ptrace_syscall_info *info)
{
    const uint64_t *args = (const uint64_t *)info->entry.args;
    const struct fault *f = NULL;
    int errors[MAX_ERRORS];
    char object[9000];
    size_t n;

    /* The first thing that main() does. */
    armed = armed || (info->entry.nr == SYS_rt_sigaction && args[0] == SIGPIPE);
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        if ((uint64_t)faults[i].nr == info->entry.nr)
            f = &faults[i];
    if (f == NULL || !armed)
        return;
    object_of(t->pid, f, args, object);
    n = errors_of(f, args, object, errors);
    if (n == 0)
        return;
    count++;
    (void)fprintf(log_file, "%ld %s %s %zu %s\n", count, role_names[t->role], f->name, n, object);
    if (at == 0 || count < at || (!from && count > at))
        return;
    if (!from)
        t->error = errors[(size_t)which % n];
    for (size_t i = 0; from && i < n; i++)
        if (errors[i] == lasting && is_here(object))
            t->error = lasting;
    if (t->error != 0 && !set_registers(t->pid, false, 0))
        t->error = 0;
    if (t->error != 0 && failed[0] == '\0')
        (void)snprintf(failed, sizeof(failed), "failed %ld %s %s %s %s", count, role_names[t->role],
                       f->name, strerrorname_np(t->error), object);
}

/* A stop of a tracee: what it is, and how it goes on. */
static void stopped(pid_t pid, int status)
{
    struct tracee *t = find(pid);
    int signo = WSTOPSIG(status), event = status >> 16, pass = 0;

    if (t->role == NOBODY && is_thread_of(pid, executor))
        t->role = EXECUTOR;
    if (event == PTRACE_EVENT_EXEC && pid != executor) {
        if (!is_shim(pid)) {
            forget(pid);
            (void)ptrace(PTRACE_DETACH, pid, 0, 0);
            return;
        }
        t->role = SHIM;
        shim = pid;
    } else if (signo == (SIGTRAP | 0x80)) {
        struct __ptrace_syscall_info info;

        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0)
            info.op = PTRACE_SYSCALL_INFO_NONE; /* it is being killed */
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY && fails)
            count_fault(t, &info);
        else if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
            count_call(t, &info);
        else if (info.op == PTRACE_SYSCALL_INFO_EXIT && t->error != 0)
            (void)set_registers(pid, true, -t->error);
        if (info.op == PTRACE_SYSCALL_INFO_EXIT)
            t->error = 0;
    } else if (event == PTRACE_EVENT_STOP) {
        if (signo != SIGTRAP) {
            (void)ptrace(PTRACE_LISTEN, pid, 0, 0);
            return;
        }
    } else if (event == 0) {
        pass = signo;
    }
    (void)ptrace(PTRACE_SYSCALL, pid, 0, (long)pass);
}

static void start(char **argv)
{
    int gate[2];
    char byte;

    if (pipe(gate) != 0 || (executor = fork()) < 0)
        exit(121);
    if (executor == 0) {
        (void)close(gate[1]);
        if (read(gate[0], &byte, 1) != 1)
            _exit(122);
        (void)close(gate[0]);
        (void)execv(argv[0], argv);
        _exit(127);
    }
    (void)close(gate[0]);
    if (ptrace(PTRACE_SEIZE, executor, 0,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC) != 0) {
        (void)fprintf(stderr, "killat: ptrace: %s\n", strerror(errno));
        (void)kill(executor, SIGKILL);
        exit(125);
    }
    find(executor)->role = EXECUTOR;
    (void)ptrace(PTRACE_INTERRUPT, executor, 0, 0);
    (void)!write(gate[1], "", 1);
    (void)close(gate[1]);
}

int main(int argc, char **argv)
{
    int status, result = 124;
    pid_t pid;

    if (argc < 5) {
        (void)fprintf(stderr, "usage: killat executor|shim|both|term|none|fail=N|from=ERROR K LOG "
                              "PROGRAM [ARG]...\n");
        return 2;
    }
    who = argv[1];
    at = atol(argv[2]);
    from = strncmp(who, "from=", 5) == 0;
    fails = from || strncmp(who, "fail=", 5) == 0;
    which = fails && !from ? atol(who + 5) : 0;
    lasting = strcmp(who, "from=EIO") == 0 ? EIO : ENOSPC;
    if (fails && getcwd(here, sizeof(here)) == NULL)
        return 2;
    log_file = fopen(argv[3], "we");
    if (log_file == NULL) {
        (void)fprintf(stderr, "killat: %s: %s\n", argv[3], strerror(errno));
        return 2;
    }
    start(argv + 4);
    while ((pid = waitpid(-1, &status, __WALL)) > 0) {
        if (WIFSTOPPED(status)) {
            stopped(pid, status);
            continue;
        }
        forget(pid);
        if (pid != executor)
            continue;
        result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        break;
    }
    if (failed[0] != '\0')
        (void)fprintf(log_file, "%s\n", failed);
    (void)fclose(log_file);
    return result;
}
