/*
 * Many nodes accepted at once, where each of them waits for the store. They are told in their
 * order; the first failure, or whoever wants an end, lets nothing more begin.
 */
#include <pthread.h>
#include <time.h>

#include "stagegraph/accept.h"
#include "stagegraph/clock.h"

#define THREADS 64u /* at most */
#define LOOK_MS 100 /* how soon an end is noticed */

struct many {
    const struct sg_attempt_run *run;
    const struct sg_accept_many *ask;
    pthread_mutex_t lock; /* of what follows, and of items' states */
    pthread_cond_t done;
    size_t next; /* item to begin */
    bool stop;
    struct sg_error *err; /* the first failure's */
    bool failed;
};

static bool accept_item(struct many *m, struct sg_accept_item *i, struct sg_error *err)
{
    struct sg_accepted planned = i->a;

    if (i->a.what != SG_ACCEPT_TAKE)
        return true;
    if (!sg_accept_node(m->run, i->stage, i->index, m->ask->reasons, &i->a, err))
        return false;
    if (i->a.what == SG_ACCEPT_TAKE)
        i->a = planned; /* the plan knows the detail */
    return true;
}

static void *accept_items(void *arg)
{
    struct many *m = arg;

    (void)pthread_mutex_lock(&m->lock); /* of a plain mutex neither fails */
    while (!m->stop && m->next < m->ask->n) {
        struct sg_accept_item *i = &m->ask->items[m->next++];
        struct sg_error err = SG_ERROR_INIT;
        bool ok;

        (void)pthread_mutex_unlock(&m->lock);
        ok = accept_item(m, i, &err);
        (void)pthread_mutex_lock(&m->lock);
        i->done = ok;
        if (!ok && !m->failed) {
            m->failed = true;
            *m->err = err;
        }
        m->stop = m->stop || !ok;
        (void)pthread_cond_signal(&m->done);
    }
    (void)pthread_cond_signal(&m->done);
    (void)pthread_mutex_unlock(&m->lock);
    return NULL;
}

static struct timespec soon(void)
{
    const int64_t ns = sg_mono_now().ns + LOOK_MS * SG_NS_PER_MS;

    return (struct timespec){ .tv_sec = ns / SG_NS_PER_S, .tv_nsec = ns % SG_NS_PER_S };
}

/* False: it will not be done, for there is an end. */
static bool wait_for(struct many *m, const struct sg_accept_item *i)
{
    struct timespec until;
    bool done;

    (void)pthread_mutex_lock(&m->lock);
    while (!i->done && !m->stop) {
        until = soon(); /* while it waits for the store, others must not begin after an end */
        (void)pthread_cond_clockwait(&m->done, &m->lock, CLOCK_MONOTONIC, &until);
        m->stop = m->stop || m->ask->ends(m->ask->ctx);
    }
    done = i->done;
    (void)pthread_mutex_unlock(&m->lock);
    return done;
}

static void stop(struct many *m)
{
    (void)pthread_mutex_lock(&m->lock);
    m->stop = true;
    (void)pthread_mutex_unlock(&m->lock);
}

/* Those that were done after one that was not are told too. */
static bool tell_rest(const struct sg_accept_many *ask, size_t first, struct sg_error *err)
{
    bool ok = true;

    for (size_t i = first; ok && i < ask->n; i++)
        if (ask->items[i].done)
            ok = ask->tell(ask->ctx, &ask->items[i], err);
    return ok;
}

static bool accept_on_threads(struct many *m, unsigned want, struct sg_error *err)
{
    const struct sg_accept_many *ask = m->ask;
    struct sg_error why = SG_ERROR_INIT;
    pthread_t threads[THREADS];
    size_t i = 0, started = 0;
    bool ok = true;

    while (started < want && pthread_create(&threads[started], NULL, accept_items, m) == 0)
        started++;
    if (started == 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, 0, "start a thread");
    while (ok && i < ask->n && !ask->ends(ask->ctx) && wait_for(m, &ask->items[i]))
        ok = ask->tell(ask->ctx, &ask->items[i++], &why);
    stop(m);
    while (started != 0)
        (void)pthread_join(threads[--started], NULL); /* its own thread, not joined yet */
    ok = ok && tell_rest(ask, i, &why);
    if (!ok && !m->failed)
        *err = why;
    return ok && !m->failed;
}

static bool accept_in_turn(struct many *m, struct sg_error *err)
{
    const struct sg_accept_many *ask = m->ask;
    bool ok = true;

    for (size_t i = 0; ok && i < ask->n && !ask->ends(ask->ctx); i++)
        ok = accept_item(m, &ask->items[i], err) && ask->tell(ask->ctx, &ask->items[i], err);
    return ok;
}

bool sg_accept_many(const struct sg_attempt_run *run, const struct sg_accept_many *ask,
                    struct sg_error *err)
{
    struct many m = { .run = run, .ask = ask, .err = err };
    unsigned want = sg_store_threads(run->store) < THREADS ? sg_store_threads(run->store) : THREADS;
    bool ok;

    if (want > ask->n)
        want = (unsigned)ask->n;
    if (want < 2)
        return accept_in_turn(&m, err);
    (void)pthread_mutex_init(&m.lock, NULL); /* neither can fail in glibc */
    (void)pthread_cond_init(&m.done, NULL);
    ok = accept_on_threads(&m, want, err);
    (void)pthread_cond_destroy(&m.done);
    (void)pthread_mutex_destroy(&m.lock);
    return ok;
}
