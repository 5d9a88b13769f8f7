/*
 * proc: processes as /proc shows them, the tree that belongs together, and signals to all of it.
 *
 * Floor: base (the shim links it: no memory is allocated here). docs/design.md, "Jobs and the
 * shim".
 *
 *   struct sg_tree *t = …;                  large: static or on the heap
 *   sg_tree_find(t, belongs, ctx);          a snapshot: processes come and go while it is taken
 *   sg_tree_signal(t, SIGTERM);
 *   sg_tree_kill(t, belongs, ctx);          again and again, until none is left
 *
 * Below a subreaper nothing escapes such a search: whoever leaves the session or loses its parent
 * is still a descendant. Processes that were forked while it ran are found by the next one.
 */
#ifndef STAGEGRAPH_PROC_H
#define STAGEGRAPH_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sg_proc {
    pid_t pid, ppid, pgrp;
    char state; /* R S D T Z … of its first thread */
    int32_t threads;
    uint64_t start_ticks; /* since boot; with the pid it names a process for good */
    uint64_t vsize;       /* bytes */
    int64_t rss_pages;
    char comm[20]; /* for people: what can't be printed is '?' */
};

/* False: there is no such process. */
bool sg_proc_read(pid_t pid, struct sg_proc *ret);
/* Has ended and only waits to be reaped. A process whose first thread alone has ended is alive. */
bool sg_proc_is_dead(const struct sg_proc *p);

/*
 * A mark that a process hands on to all that it starts, and that lasts where an environment does
 * not: it is a resource limit that is never reached (realtime, of 36 thousand years and more),
 * which no program touches and anybody may read. Sixty bits of the nonce.
 */
uint64_t sg_proc_mark(const char *nonce);
void sg_proc_set_mark(uint64_t mark); /* our own; where that is refused there is none */
bool sg_proc_has_mark(pid_t pid, uint64_t mark);

#define SG_TREE_MAX 4096

struct sg_tree {
    unsigned n; /* living processes that were found, at most SG_TREE_MAX */
    struct sg_proc at[SG_TREE_MAX];
};

/* All living processes for which `belongs` answers true, and all that descend from them. `belongs`
 * is asked about dead ones too, and may reap them. */
typedef bool sg_tree_fn(void *ctx, const struct sg_proc *p);
void sg_tree_find(struct sg_tree *t, sg_tree_fn *belongs, void *ctx);
bool sg_tree_has(const struct sg_tree *t, pid_t pid);

/*
 * Signals all: each process group of the tree at once, so that a process that forks meanwhile can't
 * slip its child through, then one by one those whose group is ours or unknown. Every process gets
 * the signal once. Errors are ignored: what is still there next time could not be ended.
 */
void sg_tree_signal(const struct sg_tree *t, int signo);

/* Finds, and sends KILL to each process and its group in the moment in which it is found: what
 * forks and ends all the time is another process a tenth of a millisecond later. */
void sg_tree_kill(struct sg_tree *t, sg_tree_fn *belongs, void *ctx);

/* "java (pid 123), sleep (pid 124)", ending in "…" when the room is too small. */
void sg_tree_names(const struct sg_tree *t, char *ret, size_t size);

#endif
