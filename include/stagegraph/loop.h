/*
 * loop: one thread at a time waits for everything: descriptors, deadlines, signals, finished work.
 *
 * Floor: base. docs/design.md, "The event loop".
 *
 *   sg_loop_new → sg_loop_watch / sg_loop_timer / sg_loop_signals / sg_loop_work … → sg_loop_run
 *
 * Callbacks run on the thread that has the loop, one at a time. A callback may add and remove any
 * watch or timer, its own included. What can block (the store, hashing, fsync) is handed to
 * sg_loop_work(): it runs on one of a few worker threads, and its `done` as a callback.
 *
 * A round delivers what is ready, then the timers that are due; what callbacks add waits for the
 * next one. Descriptors of the loop are close-on-exec. A loop belongs to one thread and is not used
 * on after fork().
 */
#ifndef STAGEGRAPH_LOOP_H
#define STAGEGRAPH_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/clock.h"
#include "stagegraph/error.h"

struct sg_loop;
struct sg_watch;
struct sg_timer;

/* workers: the most threads for sg_loop_work (0 counts as 1); each starts when there is work for
 * it. */
bool sg_loop_new(unsigned workers, struct sg_loop **ret, struct sg_error *err) SG_MUST;
/* Frees the parts, waits for running work, frees all watches and timers; signal mask restored. No
 * callback is called any more, work that did not start is dropped. NULL is fine. */
void sg_loop_free(struct sg_loop *l);

/* Runs until sg_loop_stop(), which ends it with the current round (the next one, when it does not
 * run); it can be run again. False: the loop itself failed (epoll), code system. */
bool sg_loop_run(struct sg_loop *l, struct sg_error *err) SG_MUST;
void sg_loop_stop(struct sg_loop *l);

/* Level-triggered readiness of a descriptor; events are EPOLLIN | EPOLLOUT …; the descriptor stays
 * the caller's, who removes the watch before closing it. Works for pidfds and eventfds. Regular
 * files and other things epoll refuses are reported ready at once, each round. */
typedef void sg_watch_fn(void *ctx, int fd, uint32_t events);
bool sg_loop_watch(struct sg_loop *l, int fd, uint32_t events, sg_watch_fn *fn, void *ctx,
                   struct sg_watch **ret, struct sg_error *err) SG_MUST;
void sg_watch_remove(struct sg_loop *l, struct sg_watch *w); /* NULL is fine */

/* Calls fn once at (or after) `at`. A timer that fired is freed after its callback. */
typedef void sg_timer_fn(void *ctx);
bool sg_loop_timer(struct sg_loop *l, struct sg_mono at, sg_timer_fn *fn, void *ctx,
                   struct sg_timer **ret, struct sg_error *err) SG_MUST;
void sg_timer_cancel(struct sg_loop *l, struct sg_timer *t); /* NULL is fine, and within its own
                                                               callback; not after it fired */

/* Blocks these signals in the process (call before threads start; workers block all) and delivers
 * them as calls, in the order of arrival as far as the kernel keeps it: of those that come within
 * one round, lower numbers go first. One set a loop. */
typedef void sg_signal_fn(void *ctx, int signo);
bool sg_loop_signals(struct sg_loop *l, const sigset_t *set, sg_signal_fn *fn, void *ctx,
                     struct sg_error *err) SG_MUST;

/* Queues work: `work(ctx)` on a worker thread, afterwards `done(ctx)` as a callback. Items
 * start in the order given. ctx is the caller's and must live until done was called. */
typedef void sg_work_fn(void *ctx);
bool sg_loop_work(struct sg_loop *l, sg_work_fn *work, sg_work_fn *done, void *ctx,
                  struct sg_error *err) SG_MUST;

/*
 * The same for work that is short as a rule and is done one piece after the other: where nothing
 * stands against it, on the loop's own thread, between two rounds, so that no other thread has to
 * be woken. Should it take longer than some milliseconds, another thread has the loop until it is
 * done: callbacks are then called from that one, one at a time as ever.
 */
bool sg_loop_work_short(struct sg_loop *l, sg_work_fn *work, sg_work_fn *done, void *ctx,
                        struct sg_error *err) SG_MUST;

/* What a module keeps once for each loop (the sampler of all jobs): found by `key`, the address of
 * a constant of that module, or NULL. sg_loop_free frees it by free_part, while watches and timers
 * can still be removed; the newest part goes first. */
typedef void sg_loop_part_fn(void *part);
void *sg_loop_part(const struct sg_loop *l, const void *key);
bool sg_loop_add_part(struct sg_loop *l, const void *key, void *part, sg_loop_part_fn *free_part,
                      struct sg_error *err) SG_MUST;

#endif
