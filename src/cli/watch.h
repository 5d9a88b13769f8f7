/*
 * watch: signals that ask for an end, counted on a thread of their own while the caller's waits for
 * the store.
 *
 * Floor: cli.
 *
 * The caller has blocked the set in all threads. The first signal is told by sg_watch_signo(); at
 * each further one again() is called, on the watch's thread.
 */
#ifndef STAGEGRAPH_WATCH_H
#define STAGEGRAPH_WATCH_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "stagegraph/error.h"

struct sg_watch {
    int signals, over; /* a signalfd; an eventfd: the watch is over */
    pthread_t thread;
    atomic_int signo; /* the first one's; 0: none has come */
    void (*again)(void *ctx);
    void *ctx;
};

/* In its place: the thread points to it. */
bool sg_watch_start(struct sg_watch *w, const sigset_t *set, void (*again)(void *ctx), void *ctx,
                    struct sg_error *err) SG_MUST;
int sg_watch_signo(const struct sg_watch *w);
void sg_watch_stop(struct sg_watch *w); /* sg_watch_signo() stays what it is */

#endif
