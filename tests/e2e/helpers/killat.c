/*
 * killat: runs stagegraph and kills it, or its shim, at the k-th of its system calls that matter.
 *
 *   killat executor|shim|both|none K LOG PROGRAM [ARG]...
 *
 * Traces the program (with all its threads) and its shims, not the jobs. Calls that change
 * something or start, signal or wait for processes are counted from the first that makes something
 * below _stagegraph; at the entry of the K-th, before it has any effect, WHO gets SIGKILL. For
 * `shim` only what happens while there is a shim is counted. LOG gets a line a counted call: its
 * number, who, and its name. Ends when the program has, with its exit status, or 128 + its signal.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum role { NOBODY, EXECUTOR, SHIM };

struct tracee {
    pid_t pid; /* 0: free */
    enum role role;
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

static struct tracee tracees[256];
static pid_t executor, shim;
static const char *who;
static long at, count;
static bool armed;
static FILE *log_file;

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

/* Is the path, at an address of the tracee, below _stagegraph? */
static bool is_ours(pid_t pid, uint64_t address)
{
    char text[512] = "";
    struct iovec here = { .iov_base = text, .iov_len = sizeof(text) - 1 };
    struct iovec there = { .iov_base = (void *)(uintptr_t)address, .iov_len = sizeof(text) - 1 };
    ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);

    if (n <= 0) { /* it may lie at the end of what is mapped */
        there.iov_len = here.iov_len = 4096 - (size_t)(address & 4095) < sizeof(text)
                                           ? 4096 - (size_t)(address & 4095)
                                           : sizeof(text) - 1;
        n = process_vm_readv(pid, &here, 1, &there, 1, 0);
    }
    return n > 0 && memmem(text, strnlen(text, (size_t)n), "_stagegraph", 11) != NULL;
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
    if (strcmp(who, "shim") != 0 && strcmp(who, "none") != 0)
        (void)kill(executor, SIGKILL);
    if (strcmp(who, "executor") != 0 && strcmp(who, "none") != 0 && shim != 0)
        (void)kill(shim, SIGKILL);
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

        if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) > 0 &&
            info.op == PTRACE_SYSCALL_INFO_ENTRY)
            count_call(t, &info);
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
        (void)fprintf(stderr, "usage: killat executor|shim|both|none K LOG PROGRAM [ARG]...\n");
        return 2;
    }
    who = argv[1];
    at = atol(argv[2]);
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
    (void)fclose(log_file);
    return result;
}
