/*
 * loop_impl: the inside of the event loop, shared by its files: loop.c waits and delivers,
 * loop_work.c has the threads that do work.
 *
 * Floor: base. Private.
 */
#ifndef STAGEGRAPH_LOOP_IMPL_H
#define STAGEGRAPH_LOOP_IMPL_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "stagegraph/loop.h"

struct sg_watch {
    int fd;
    uint32_t events;
    sg_watch_fn *fn;
    void *ctx;
    bool polled;    /* false: epoll refuses it, so it is always ready */
    bool dead;      /* removed in this round; its memory goes when the round is over */
    uint64_t round; /* the last round in which it was called as always ready */
    struct sg_watch *prev, *next;
};

enum timer_state { WAITING, DUE, FIRING, CANCELLED };

struct sg_timer {
    struct sg_mono at;
    uint64_t seq; /* of two with the same time the older one goes first */
    size_t slot;  /* in the heap while WAITING */
    enum timer_state state;
    struct sg_timer *next; /* in the list of this round while DUE */
    sg_timer_fn *fn;
    void *ctx;
};

struct item {
    sg_work_fn *work, *done;
    void *ctx;
    struct item *next;
};

struct items {
    struct item *first, **end;
};

struct part {
    const void *key;
    void *part;
    sg_loop_part_fn *free_part;
    struct part *next;
};

/* The loop's own thread does short work itself; a deputy takes the loop over if it takes long. */
struct lease {
    struct items here; /* not started yet; of whoever has the loop, without the lock */
    pthread_t deputy;
    bool has_deputy, asleep; /* asleep: until the next lease */
    bool lent;               /* the loop's thread is at work, since: */
    struct sg_mono since;
    uint64_t n;          /* so many leases were there */
    bool taken;          /* the deputy has the loop */
    bool wanted;         /* its thread waits to have it back */
    pthread_cond_t more; /* to the deputy */
    pthread_cond_t back; /* to the loop's thread */
    bool failed;         /* the loop did, in the deputy's hands */
    struct sg_error err;
};

struct sg_loop {
    int epoll_fd;
    bool stopped, in_round;
    uint64_t round, seq;
    struct sg_watch *watches, *dead;
    unsigned n_always;
    struct sg_timer **heap;
    size_t n_timers, cap_timers;
    struct part *parts;

    int signal_fd;
    struct sg_watch *signal_watch;
    sigset_t old_mask;
    sg_signal_fn *signal_fn;
    void *signal_ctx;

    unsigned max_threads, n_threads;
    pthread_t *threads;
    int done_fd; /* eventfd: `finished` is no longer empty */
    struct sg_watch *done_watch;
    /* Below: guarded by the lock, shared with the workers. */
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct items queued, finished;
    size_t n_queued;
    unsigned n_idle;
    bool closing;
    struct lease lease;
};

/* ---- loop.c */

/* One round: waits, delivers what is ready, then what is due. For whoever has the loop. */
bool sg_loop_round(struct sg_loop *l, struct sg_error *err) SG_MUST;

/* ---- loop_work.c */

void sg_loop_work_init(struct sg_loop *l);
/* Waits for running work; what did not start is dropped. */
void sg_loop_work_done(struct sg_loop *l);
/* Does one piece of short work, if there is one. False: the loop failed meanwhile. */
bool sg_loop_work_here(struct sg_loop *l, struct sg_error *err) SG_MUST;

#endif
