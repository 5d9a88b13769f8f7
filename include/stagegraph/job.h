/*
 * job: one process tree under the shim: started, watched, ended to its last process, measured.
 *
 * Floor: run. docs/design.md, "Jobs and the shim"; section 6 of the contract.
 *
 *   sg_job_start → on_output* → on_end (once, a callback of the loop; the job is then freed by
 *   sg_job_free) ; sg_job_stop at any time in between
 *
 * The shim (libexec/stagegraph-shim) is child subreaper, starts the command in a
 * session of its own, holds the claim's lock, and has a socket to us. If we die, it ends the tree;
 * if it dies, we (a subreaper too, sg_job_subreaper()) sweep. on_end comes only when no process of
 * the tree is left, or when what is left can't be killed (end.stuck).
 */
#ifndef STAGEGRAPH_JOB_H
#define STAGEGRAPH_JOB_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stagegraph/clock.h"
#include "stagegraph/error.h"
#include "stagegraph/loop.h"

enum sg_job_how {
    SG_JOB_EXITED,      /* exit_code */
    SG_JOB_SIGNALED,    /* signo */
    SG_JOB_TIMEOUT,     /* ended by its deadline, whatever it exited with then */
    SG_JOB_STOPPED,     /* ended by sg_job_stop() */
    SG_JOB_NOT_STARTED, /* exec failed: sys_errno and what: the program or workdir */
    SG_JOB_LOST         /* the shim died; the tree was swept */
};

/* What was seen of the tree. What was not seen is -1 / NaN, never 0. */
struct sg_job_measure {
    double seconds, cpu_seconds;
    int64_t peak_bytes; /* memory of the whole tree, its largest sample or the cgroup's figure */
    bool peak_from_cgroup;
    int32_t jvms;     /* JVMs seen; 0 is a fact once the tree was looked at */
    int64_t gc_count; /* of all JVMs together */
    double gc_seconds;
    double gc_longest_seconds;         /* the longest collection that was seen: at least that */
    int64_t heap_peak_bytes;           /* largest capacity of a JVM's heap */
    int64_t heap_used_bytes;           /* of a heap in use after its last collection; the largest */
    int64_t read_bytes, written_bytes; /* of block devices */
};

#define SG_JOB_MEASURE_INIT                                                                        \
    {                                                                                              \
        .seconds = NAN, .cpu_seconds = NAN, .peak_bytes = -1, .jvms = -1, .gc_count = -1,          \
        .gc_seconds = NAN, .gc_longest_seconds = NAN, .heap_peak_bytes = -1,                       \
        .heap_used_bytes = -1, .read_bytes = -1, .written_bytes = -1,                              \
    }

/* Where peak_bytes comes from: "cgroup", "proc"; NULL: it was not seen. */
const char *sg_job_peak_source(const struct sg_job_measure *m);

struct sg_job_end {
    enum sg_job_how how;
    int exit_code, signo; /* -1: none */
    int sys_errno;
    bool oom;                 /* the kernel's counters say that the tree was short of memory */
    unsigned leftovers;       /* processes that outlived the command and were ended */
    char leftover_names[200]; /* "java (pid 123), sleep (pid 124)" for people */
    bool output_held; /* something kept the output open after the exit; given up after 1 s */
    unsigned stuck;   /* processes that could not be killed */
    char stuck_names[200];
    char what[200]; /* NOT_STARTED: "bash", "the working directory /x" */
    struct sg_job_measure measure;
};

struct sg_job;

struct sg_job_spec {
    const char *shim;      /* absolute path of the shim */
    char *const *argv;     /* argv[0] is looked up in the PATH of envp */
    char *const *envp;     /* the whole environment */
    const char *workdir;   /* absolute */
    int lock_fd;           /* the claim's lock, inherited by the shim and nobody else; -1: none */
    const int *more_locks; /* further ones that are to live as long: of a pool, of other members */
    size_t n_more_locks;   /* at most SG_SHIM_LOCKS_MAX */
    const char *nonce;     /* in envp as STAGEGRAPH_NONCE too */
    uint64_t open_files;   /* the command's soft limit; 0: as ours is */
    int64_t timeout_ms;    /* 0: none */
    int64_t grace_ms;
    bool no_measure; /* for check commands */
    bool own_group;  /* a cgroup of its own, if one can be made: costs half a millisecond */
    void (*on_output)(void *ctx, const char *bytes, size_t n); /* as it comes, both streams */
    void (*on_end)(void *ctx, const struct sg_job_end *end);
    void *ctx;
};

/* Once, before the first job: this process adopts orphans. */
bool sg_job_subreaper(struct sg_error *err) SG_MUST;
/* Everything in spec is copied or consumed during the call. False: nothing runs. Signals that this
 * process ignores when the loop's first job is started are not ignored by its jobs. */
bool sg_job_start(struct sg_loop *loop, const struct sg_job_spec *spec, struct sg_job **ret,
                  struct sg_error *err) SG_MUST;
/* TERM (CONT for stopped ones), after the grace KILL until none is left; `hard`: KILL at once.
 * Again with hard while the first is under way: skips the rest of the grace. */
void sg_job_stop(struct sg_job *j, bool hard);
/* TSTP/CONT: stops the whole tree and its clocks. */
void sg_job_pause(struct sg_job *j, bool pause);
/* While it is held its output is not read, so that a pipeful later it waits in its write. Its clock
 * goes on, and at its end all is read. */
void sg_job_hold(struct sg_job *j, bool hold);
/* The command's; 0 before it is known, which may be after its first output. */
pid_t sg_job_pid(const struct sg_job *j);
/* After on_end (also from within it), and before the loop is freed. A job that has not ended is
 * left to its shim, which ends the tree as if we had died. NULL is fine. */
void sg_job_free(struct sg_job *j);

#endif
