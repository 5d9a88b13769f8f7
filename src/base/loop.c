#include "stagegraph/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define ROUND_EVENTS 64

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
};

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

bool sg_loop_new(unsigned workers, struct sg_loop **ret, struct sg_error *err)
{
    struct sg_loop *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for an event loop");
    l->signal_fd = l->done_fd = -1;
    l->max_threads = workers != 0 ? workers : 1;
    items_init(&l->queued);
    items_init(&l->finished);
    pthread_mutex_init(&l->lock, NULL); /* can't fail with default attributes on Linux */
    pthread_cond_init(&l->more, NULL);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        sg_error_set(err, SG_ERROR_SYSTEM, errno, "make an epoll descriptor");
        sg_loop_free(l);
        return false;
    }
    *ret = l;
    return true;
}

static void join_workers(struct sg_loop *l)
{
    struct item *i;

    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_cond_broadcast(&l->more);
    pthread_mutex_unlock(&l->lock);
    for (unsigned t = 0; t < l->n_threads; t++)
        pthread_join(l->threads[t], NULL);
    free(l->threads);
    while ((i = items_take(&l->queued)) != NULL)
        free(i);
    while ((i = items_take(&l->finished)) != NULL)
        free(i);
}

static void free_watches(struct sg_watch *w)
{
    while (w != NULL) {
        struct sg_watch *next = w->next;

        free(w);
        w = next;
    }
}

void sg_loop_free(struct sg_loop *l)
{
    if (l == NULL)
        return;
    /* The newest first, so that a part may use those that were there before it. */
    while (l->parts != NULL) {
        struct part *p = l->parts;

        l->parts = p->next;
        p->free_part(p->part);
        free(p);
    }
    join_workers(l);
    for (size_t i = 0; i < l->n_timers; i++)
        free(l->heap[i]);
    free(l->heap);
    free_watches(l->watches);
    free_watches(l->dead);
    if (l->signal_fd >= 0) {
        close(l->signal_fd);
        pthread_sigmask(SIG_SETMASK, &l->old_mask, NULL);
    }
    if (l->done_fd >= 0)
        close(l->done_fd);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    pthread_cond_destroy(&l->more);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* ---- descriptors */

bool sg_loop_watch(struct sg_loop *l, int fd, uint32_t events, sg_watch_fn *fn, void *ctx,
                   struct sg_watch **ret, struct sg_error *err)
{
    struct sg_watch *w = calloc(1, sizeof(*w));
    struct epoll_event e = { .events = events, .data.ptr = w };

    if (w == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory to watch descriptor %d", fd);
    *w = (struct sg_watch){ .fd = fd, .events = events, .fn = fn, .ctx = ctx, .polled = true };
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0) {
        if (errno != EPERM) {
            sg_error_set(err, SG_ERROR_SYSTEM, errno, "watch descriptor %d", fd);
            free(w);
            return false;
        }
        w->polled = false; /* a regular file or a directory: never blocks */
        w->round = l->round;
        l->n_always++;
    }
    w->next = l->watches;
    if (w->next != NULL)
        w->next->prev = w;
    l->watches = w;
    *ret = w;
    return true;
}

void sg_watch_remove(struct sg_loop *l, struct sg_watch *w)
{
    if (w == NULL || w->dead)
        return;
    if (w->polled)
        (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL); /* closed already: gone too */
    else
        l->n_always--;
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        l->watches = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    if (!l->in_round) {
        free(w);
        return;
    }
    /* The events that this round has still to deliver may point to it. */
    w->dead = true;
    w->prev = NULL;
    w->next = l->dead;
    l->dead = w;
}

static void call_ready(const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        struct sg_watch *w = events[i].data.ptr;

        if (!w->dead)
            w->fn(w->ctx, w->fd, events[i].events);
    }
}

/* Any callback may remove any watch, so the search begins again after each one; such watches are
 * few. */
static void call_always_ready(struct sg_loop *l)
{
    struct sg_watch *w = l->n_always != 0 ? l->watches : NULL;

    while (w != NULL) {
        if (w->polled || w->round == l->round) {
            w = w->next;
            continue;
        }
        w->round = l->round;
        w->fn(w->ctx, w->fd, w->events & (EPOLLIN | EPOLLOUT));
        w = l->watches;
    }
}

/* ---- timers: a binary heap */

static bool is_before(const struct sg_timer *a, const struct sg_timer *b)
{
    return a->at.ns < b->at.ns || (a->at.ns == b->at.ns && a->seq < b->seq);
}

static void put(struct sg_loop *l, size_t slot, struct sg_timer *t)
{
    l->heap[slot] = t;
    t->slot = slot;
}

static void sift_up(struct sg_loop *l, size_t slot, struct sg_timer *t)
{
    while (slot > 0 && is_before(t, l->heap[(slot - 1) / 2])) {
        put(l, slot, l->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    put(l, slot, t);
}

static void sift_down(struct sg_loop *l, size_t slot, struct sg_timer *t)
{
    for (size_t child = 2 * slot + 1; child < l->n_timers; child = 2 * slot + 1) {
        if (child + 1 < l->n_timers && is_before(l->heap[child + 1], l->heap[child]))
            child++;
        if (!is_before(l->heap[child], t))
            break;
        put(l, slot, l->heap[child]);
        slot = child;
    }
    put(l, slot, t);
}

static void take_out(struct sg_loop *l, size_t slot)
{
    struct sg_timer *last = l->heap[--l->n_timers];

    if (slot == l->n_timers)
        return;
    if (slot > 0 && is_before(last, l->heap[(slot - 1) / 2]))
        sift_up(l, slot, last);
    else
        sift_down(l, slot, last);
}

bool sg_loop_timer(struct sg_loop *l, struct sg_mono at, sg_timer_fn *fn, void *ctx,
                   struct sg_timer **ret, struct sg_error *err)
{
    struct sg_timer *t = malloc(sizeof(*t));

    if (t == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a timer");
    if (l->n_timers == l->cap_timers) {
        size_t cap = l->cap_timers != 0 ? 2 * l->cap_timers : 16;
        struct sg_timer **heap = reallocarray(l->heap, cap, sizeof(*heap));

        if (heap == NULL) {
            free(t);
            return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for %zu timers", cap);
        }
        l->heap = heap;
        l->cap_timers = cap;
    }
    *t = (struct sg_timer){ .at = at, .seq = l->seq++, .fn = fn, .ctx = ctx };
    l->n_timers++;
    sift_up(l, l->n_timers - 1, t);
    *ret = t;
    return true;
}

void sg_timer_cancel(struct sg_loop *l, struct sg_timer *t)
{
    if (t == NULL)
        return;
    if (t->state == WAITING) {
        take_out(l, t->slot);
        free(t);
    } else if (t->state == DUE) {
        t->state = CANCELLED; /* fire() frees it */
    }
}

/* What is due now, and nothing that its callbacks add: a timer that is set again and again for the
 * past can't keep the others from their turn. */
static void fire(struct sg_loop *l)
{
    struct sg_timer *first = NULL, **end = &first;
    struct sg_mono now;

    if (l->n_timers == 0)
        return;
    now = sg_mono_now();
    while (l->n_timers > 0 && l->heap[0]->at.ns <= now.ns) {
        struct sg_timer *t = l->heap[0];

        take_out(l, 0);
        t->state = DUE;
        t->next = NULL;
        *end = t;
        end = &t->next;
    }
    while (first != NULL) {
        struct sg_timer *t = first;

        if (t->state == DUE) {
            t->state = FIRING;
            t->fn(t->ctx);
        }
        first = t->next;
        free(t);
    }
}

static int wait_ms(const struct sg_loop *l)
{
    int64_t ns, ms;

    if (l->stopped || l->n_always != 0)
        return 0;
    if (l->n_timers == 0)
        return -1;
    ns = l->heap[0]->at.ns;
    if (ns <= 0)
        return 0;
    ns -= sg_mono_now().ns;
    if (ns <= 0)
        return 0;
    ms = (ns - 1) / SG_NS_PER_MS + 1; /* up: a timer never fires too early */
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

/* ---- signals */

static void on_signal(void *ctx, int fd, uint32_t events)
{
    struct sg_loop *l = ctx;
    struct signalfd_siginfo info;

    (void)events;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        l->signal_fn(l->signal_ctx, (int)info.ssi_signo);
}

bool sg_loop_signals(struct sg_loop *l, const sigset_t *set, sg_signal_fn *fn, void *ctx,
                     struct sg_error *err)
{
    int fd, e;

    if (!SG_EXPECT(l->signal_fd < 0, err))
        return false;
    fd = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "make a signal descriptor");
    if (!sg_loop_watch(l, fd, EPOLLIN, on_signal, l, &l->signal_watch, err)) {
        close(fd);
        return false;
    }
    e = pthread_sigmask(SIG_BLOCK, set, &l->old_mask);
    if (e != 0) {
        sg_watch_remove(l, l->signal_watch);
        l->signal_watch = NULL;
        close(fd);
        return sg_error_set(err, SG_ERROR_SYSTEM, e, "block signals");
    }
    l->signal_fd = fd;
    l->signal_fn = fn;
    l->signal_ctx = ctx;
    return true;
}

/* ---- work */

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
static int start_thread(struct sg_loop *l)
{
    sigset_t all, old;
    int e;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    e = pthread_create(&l->threads[l->n_threads], NULL, worker, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e == 0)
        l->n_threads++;
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
        e = start_thread(l);
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

/* ---- parts */

void *sg_loop_part(const struct sg_loop *l, const void *key)
{
    for (const struct part *p = l->parts; p != NULL; p = p->next)
        if (p->key == key)
            return p->part;
    return NULL;
}

bool sg_loop_add_part(struct sg_loop *l, const void *key, void *part, sg_loop_part_fn *free_part,
                      struct sg_error *err)
{
    struct part *p = malloc(sizeof(*p));

    if (p == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a part of the loop");
    *p = (struct part){ .key = key, .part = part, .free_part = free_part, .next = l->parts };
    l->parts = p;
    return true;
}

/* ---- the loop itself */

bool sg_loop_run(struct sg_loop *l, struct sg_error *err)
{
    struct epoll_event events[ROUND_EVENTS];

    while (!l->stopped) {
        int n = epoll_wait(l->epoll_fd, events, ROUND_EVENTS, wait_ms(l));

        if (n < 0 && errno != EINTR)
            return sg_error_set(err, SG_ERROR_SYSTEM, errno, "wait for events");
        l->in_round = true;
        l->round++;
        call_ready(events, n);
        call_always_ready(l);
        fire(l);
        l->in_round = false;
        free_watches(l->dead);
        l->dead = NULL;
    }
    l->stopped = false;
    return true;
}

void sg_loop_stop(struct sg_loop *l)
{
    l->stopped = true;
}
