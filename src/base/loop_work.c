/*
 * Work that may block: on worker threads, or, where it is short as a rule, on the loop's own. Then
 * the loop is lent: a deputy looks every few milliseconds whether the loop's thread is still at
 * work, and if so has the loop until that is back. docs/design.md, "The event loop".
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "loop_impl.h"

#define LEASE_NS (5 * SG_NS_PER_MS) /* the longest that nobody has the loop is twice that */

static void items_init(struct items *q)
{
    q->first = NULL;
    q->end = &q->first;
}

static void items_add(struct items *q, struct item *i)
{
    i->next = NULL;
    *q->end = i;
    q->end = &i->next;
}

static struct item *items_take(struct items *q)
{
    struct item *i = q->first;

    if (i != NULL) {
        q->first = i->next;
        if (q->first == NULL)
            q->end = &q->first;
    }
    return i;
}

void sg_loop_work_init(struct sg_loop *l)
{
    pthread_condattr_t monotonic;

    items_init(&l->queued);
    items_init(&l->finished);
    items_init(&l->lease.here);
    pthread_mutex_init(&l->lock, NULL); /* none can fail on Linux, as they are used here */
    pthread_cond_init(&l->more, NULL);
    pthread_cond_init(&l->lease.back, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->lease.more, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void sg_loop_work_done(struct sg_loop *l)
{
    struct item *i;

    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_cond_broadcast(&l->more);
    pthread_cond_signal(&l->lease.more);
    pthread_mutex_unlock(&l->lock);
    if (l->lease.has_deputy)
        pthread_join(l->lease.deputy, NULL);
    for (unsigned t = 0; t < l->n_threads; t++)
        pthread_join(l->threads[t], NULL);
    free(l->threads);
    while ((i = items_take(&l->queued)) != NULL)
        free(i);
    while ((i = items_take(&l->finished)) != NULL)
        free(i);
    while ((i = items_take(&l->lease.here)) != NULL)
        free(i);
    pthread_cond_destroy(&l->lease.back);
    pthread_cond_destroy(&l->lease.more);
    pthread_cond_destroy(&l->more);
    pthread_mutex_destroy(&l->lock);
}

/* The loop reads it to 0, so it is never full; should a sandbox or a tracer refuse it all the same,
 * a lost wake-up would be a hang. */
static void wake(int fd)
{
    const struct timespec pause = { .tv_nsec = 1000 * 1000 };

    for (int i = 0; i < 1000 && eventfd_write(fd, 1) != 0; i++)
        (void)nanosleep(&pause, NULL); /* woken early is fine */
}

static void *worker(void *ctx)
{
    struct sg_loop *l = ctx;

    pthread_mutex_lock(&l->lock);
    while (!l->closing) {
        struct item *i = items_take(&l->queued);
        bool first;

        if (i == NULL) {
            l->n_idle++;
            pthread_cond_wait(&l->more, &l->lock);
            l->n_idle--;
            continue;
        }
        l->n_queued--;
        pthread_mutex_unlock(&l->lock);
        i->work(i->ctx);
        pthread_mutex_lock(&l->lock);
        first = l->finished.first == NULL;
        items_add(&l->finished, i);
        if (first) { /* without the lock, which the loop asks for as soon as it is awake */
            pthread_mutex_unlock(&l->lock);
            wake(l->done_fd);
            pthread_mutex_lock(&l->lock);
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static void on_done(void *ctx, int fd, uint32_t events)
{
    struct sg_loop *l = ctx;
    struct items ready;
    struct item *i;
    eventfd_t n;

    (void)events;
    pthread_mutex_lock(&l->lock);
    (void)eventfd_read(fd, &n);
    ready.first = l->finished.first;
    items_init(&l->finished);
    pthread_mutex_unlock(&l->lock);
    while ((i = ready.first) != NULL) {
        ready.first = i->next;
        i->done(i->ctx);
        free(i);
    }
}

static bool open_pool(struct sg_loop *l, struct sg_error *err)
{
    if (l->done_fd >= 0)
        return true;
    l->threads = calloc(l->max_threads, sizeof(*l->threads));
    if (l->threads == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for %u threads", l->max_threads);
    l->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->done_fd < 0) {
        sg_error_set(err, SG_ERROR_SYSTEM, errno, "make an event descriptor");
        goto failed;
    }
    if (!sg_loop_watch(l, l->done_fd, EPOLLIN, on_done, l, &l->done_watch, err))
        goto failed;
    return true;
failed:
    if (l->done_fd >= 0)
        close(l->done_fd);
    l->done_fd = -1;
    free(l->threads);
    l->threads = NULL;
    return false;
}

/* Signals are the loop's business: a worker takes none. */
static int start_thread(struct sg_loop *l, void *(*fn)(void *), pthread_t *ret)
{
    sigset_t all, old;
    int e;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    e = pthread_create(ret, NULL, fn, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return e;
}

bool sg_loop_work(struct sg_loop *l, sg_work_fn *work, sg_work_fn *done, void *ctx,
                  struct sg_error *err)
{
    struct item *i = malloc(sizeof(*i));
    bool busy;
    int e;

    if (i == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a work item");
    *i = (struct item){ .work = work, .done = done, .ctx = ctx };
    if (!open_pool(l, err)) {
        free(i);
        return false;
    }
    pthread_mutex_lock(&l->lock);
    busy = l->n_idle <= l->n_queued; /* those that were woken already have work */
    pthread_mutex_unlock(&l->lock);
    if (busy && l->n_threads < l->max_threads) {
        e = start_thread(l, worker, &l->threads[l->n_threads]);
        l->n_threads += e == 0;
        if (e != 0 && l->n_threads == 0) {
            free(i);
            return sg_error_set(err, SG_ERROR_SYSTEM, e, "start a thread");
        }
    }
    pthread_mutex_lock(&l->lock);
    items_add(&l->queued, i);
    l->n_queued++;
    pthread_mutex_unlock(&l->lock);
    pthread_cond_signal(&l->more); /* without the lock, which the worker asks for at once */
    return true;
}

/* ---- short work */

/* Until its thread wants it back. What is stopped is left to that thread too. */
static void have_the_loop(struct sg_loop *l)
{
    struct lease *lease = &l->lease;

    lease->taken = true;
    while (!lease->wanted && !l->stopped && !lease->failed) {
        bool ok;

        pthread_mutex_unlock(&l->lock);
        ok = sg_loop_round(l, &lease->err);
        pthread_mutex_lock(&l->lock);
        lease->failed = !ok;
    }
    lease->taken = false;
    pthread_cond_signal(&lease->back);
}

static void sleep_until(struct sg_loop *l, struct sg_mono at)
{
    const struct timespec t = { .tv_sec = at.ns / SG_NS_PER_S, .tv_nsec = at.ns % SG_NS_PER_S };

    (void)pthread_cond_timedwait(&l->lease.more, &l->lock, &t); /* woken early is fine */
}

/* Between leases that follow each other it is not woken, but looks again and again: to wake a
 * thread is what short work is to save. What is wanted back is not taken again. */
static void *deputy(void *ctx)
{
    struct sg_loop *l = ctx;
    struct lease *lease = &l->lease;
    uint64_t seen = 0;

    pthread_mutex_lock(&l->lock);
    while (!l->closing) {
        struct sg_mono now = sg_mono_now();
        bool late = lease->lent && now.ns - lease->since.ns >= LEASE_NS;

        if (late && !lease->wanted && !l->stopped && !lease->failed) {
            have_the_loop(l);
        } else if (lease->lent || lease->n != seen) {
            seen = lease->n;
            sleep_until(l, (struct sg_mono){ now.ns + LEASE_NS });
        } else {
            lease->asleep = true;
            pthread_cond_wait(&lease->more, &l->lock);
            lease->asleep = false;
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

bool sg_loop_work_short(struct sg_loop *l, sg_work_fn *work, sg_work_fn *done, void *ctx,
                        struct sg_error *err)
{
    struct item *i;

    /* The deputy has no deputy, and what comes second must not wait for the first, however long
     * that takes. */
    if (l->lease.taken || l->lease.here.first != NULL || !open_pool(l, err))
        return sg_loop_work(l, work, done, ctx, err);
    if (!l->lease.has_deputy)
        l->lease.has_deputy = start_thread(l, deputy, &l->lease.deputy) == 0;
    if (!l->lease.has_deputy)
        return sg_loop_work(l, work, done, ctx, err);
    i = malloc(sizeof(*i));
    if (i == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a work item");
    *i = (struct item){ .work = work, .done = done, .ctx = ctx };
    items_add(&l->lease.here, i);
    return true;
}

/* Lends the loop while it works. *ret: it has it still. */
static void work_on_lease(struct sg_loop *l, struct item *i, bool *ret)
{
    struct lease *lease = &l->lease;
    bool wake_it;

    pthread_mutex_lock(&l->lock);
    lease->lent = true;
    lease->since = sg_mono_now();
    lease->n++;
    wake_it = lease->asleep;
    pthread_mutex_unlock(&l->lock);
    if (wake_it)
        pthread_cond_signal(&lease->more);
    i->work(i->ctx);
    pthread_mutex_lock(&l->lock);
    *ret = !lease->taken && !l->stopped && !lease->failed;
    if (!*ret) {
        items_add(&l->finished, i);
        wake(l->done_fd);
        lease->wanted = true;
        while (lease->taken)
            pthread_cond_wait(&lease->back, &l->lock);
        lease->wanted = false;
    }
    lease->lent = false;
    pthread_mutex_unlock(&l->lock);
}

/* One at a time: the end of one may begin the next, and signals want to be heard between them. */
bool sg_loop_work_here(struct sg_loop *l, struct sg_error *err)
{
    struct item *i = l->stopped ? NULL : items_take(&l->lease.here);
    bool still_ours;

    if (i == NULL)
        return true;
    work_on_lease(l, i, &still_ours);
    if (still_ours) {
        i->done(i->ctx);
        free(i);
    }
    if (l->lease.failed)
        *err = l->lease.err;
    return !l->lease.failed;
}
