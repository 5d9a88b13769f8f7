#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void take(struct sg_watch *w)
{
    struct signalfd_siginfo info;
    int none = 0;

    while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (!atomic_compare_exchange_strong(&w->signo, &none, (int)info.ssi_signo))
            w->again(w->ctx);
        none = 0;
    }
}

static void *watch(void *arg)
{
    struct sg_watch *w = arg;
    struct pollfd fds[] = { { .fd = w->signals, .events = POLLIN },
                            { .fd = w->over, .events = POLLIN } };

    while (fds[1].revents == 0) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break; /* no memory: signals wait, as they would without us */
        take(w);
    }
    return NULL;
}

static void close_all(struct sg_watch *w)
{
    if (w->signals >= 0)
        (void)close(w->signals);
    if (w->over >= 0)
        (void)close(w->over);
}

bool sg_watch_start(struct sg_watch *w, const sigset_t *set, void (*again)(void *ctx), void *ctx,
                    struct sg_error *err)
{
    int rc;

    w->again = again;
    w->ctx = ctx;
    atomic_init(&w->signo, 0);
    w->signals = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
    w->over = eventfd(0, EFD_CLOEXEC);
    rc = w->signals < 0 || w->over < 0 ? errno : pthread_create(&w->thread, NULL, watch, w);
    if (rc == 0)
        return true;
    close_all(w);
    return sg_error_set(err, SG_ERROR_SYSTEM, rc, "watch for signals");
}

int sg_watch_signo(const struct sg_watch *w)
{
    return atomic_load(&w->signo);
}

void sg_watch_stop(struct sg_watch *w)
{
    while (eventfd_write(w->over, 1) != 0 && errno == EINTR)
        ;
    (void)pthread_join(w->thread, NULL); /* its own thread, not joined yet */
    close_all(w);
}
