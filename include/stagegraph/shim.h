/*
 * shim: what the executor and the shim say to each other.
 *
 * Floor: base (types alone). docs/design.md, "Jobs and the shim".
 *
 * The shim is started as
 *
 *   stagegraph-shim VERSION TIMEOUT_MS GRACE_MS LOCKS FILES GROUP WORKDIR COMMAND [ARG]...
 *
 * with the job's environment as its own and these descriptors: 0 /dev/null, 1 the write end of the
 * job's output, 3 its end of a SOCK_SEQPACKET pair, 4 the claim's lock (or nothing), 5 and on LOCKS
 * further locks, which live as long as the claim's. FILES is the soft limit of open files that the
 * command gets, which the executor may have raised for itself; 0: as it is. GROUP is empty, or the
 * file of a cgroup that the command enters by writing "0" into it, before it is one; where it
 * can't, it runs without. It answers with NOT_STARTED and exits; or with STARTED, at once where
 * there is a GROUP, else if the command runs for more than a moment, then, when no process is left,
 * with OVER, and exits; STUCK may come between. A closed socket means to the shim that the executor
 * is dead, and to the executor, unless OVER came, that the shim is. Orders are single bytes, news
 * are whole structs: both are of one build, VERSION makes sure.
 */
#ifndef STAGEGRAPH_SHIM_H
#define STAGEGRAPH_SHIM_H

#include <stdint.h>

#define SG_SHIM_VERSION "5"

enum { SG_SHIM_CONTROL_FD = 3, SG_SHIM_LOCK_FD = 4 };
#define SG_SHIM_LOCKS_MAX 1000 /* further ones */

enum sg_shim_order {
    SG_SHIM_STOP = 'T', /* TERM to all, after the grace KILL */
    SG_SHIM_KILL = 'K', /* KILL at once */
    SG_SHIM_PAUSE = 'P',
    SG_SHIM_RESUME = 'R'
};

enum sg_shim_kind {
    SG_SHIM_STARTED,     /* pid */
    SG_SHIM_NOT_STARTED, /* sys_errno, no_workdir */
    SG_SHIM_STUCK,       /* stuck, stuck_names; status if the command has ended */
    SG_SHIM_OVER         /* all but those */
};

enum sg_shim_why { SG_SHIM_BY_ITSELF, SG_SHIM_BY_TIMEOUT, SG_SHIM_BY_ORDER };

struct sg_shim_news {
    uint32_t kind; /* enum sg_shim_kind */
    int32_t pid;
    int32_t status; /* of the command, as wait gives it; -1: it has not ended */
    int32_t sys_errno;
    uint32_t no_workdir; /* it was the working directory that could not be entered */
    uint32_t why;        /* enum sg_shim_why: what ended the command */
    uint32_t leftovers, stuck;
    uint32_t in_group;             /* the command has entered GROUP */
    int64_t started_ns, exited_ns; /* monotonic clock; of the command; 0: not yet */
    int64_t paused_ns;             /* of the time between */
    int64_t cpu_us;                /* of all that were reaped */
    int64_t largest_bytes;         /* resident, of the largest single process */
    int64_t read_bytes, written_bytes;
    char leftover_names[200], stuck_names[200];
};

#endif
