#include "stagegraph/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "loop_impl.h"

#define ROUND_EVENTS 64

bool sg_loop_new(unsigned workers, struct sg_loop **ret, struct sg_error *err)
{
    struct sg_loop *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for an event loop");
    l->signal_fd = l->done_fd = -1;
    l->max_threads = workers != 0 ? workers : 1;
    sg_loop_work_init(l);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) {
        sg_error_set(err, SG_ERROR_SYSTEM, errno, "make an epoll descriptor");
        sg_loop_free(l);
        return false;
    }
    *ret = l;
    return true;
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
    sg_loop_work_done(l);
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

    if (l->stopped || l->n_always != 0 || l->lease.here.first != NULL)
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

bool sg_loop_round(struct sg_loop *l, struct sg_error *err)
{
    struct epoll_event events[ROUND_EVENTS];
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
    return true;
}

bool sg_loop_run(struct sg_loop *l, struct sg_error *err)
{
    while (!l->stopped)
        if (!sg_loop_round(l, err) || !sg_loop_work_here(l, err))
            return false;
    l->stopped = false;
    return true;
}

void sg_loop_stop(struct sg_loop *l)
{
    l->stopped = true;
}
