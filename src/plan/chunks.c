/* Work over many nodes, on as many threads as pay with the store. */
#include "plan_impl.h"

#include <sched.h>
#include <stdatomic.h>

#define REMOTE  4u  /* nodes that a thread takes at a time where each costs requests */
#define THREADS 16u /* of ours; a store may want more */
#define MOST    64u

struct chunks {
    sg_chunk_fn *fn;
    void *ctx;
    size_t n, grain;
    atomic_size_t next;
    atomic_bool failed;
    pthread_mutex_t lock;
    struct sg_error *err; /* the first failure's */
};

static void *take_chunks(void *arg)
{
    struct chunks *c = arg;
    struct sg_error err = SG_ERROR_INIT;

    while (!atomic_load(&c->failed)) {
        size_t first = atomic_fetch_add(&c->next, c->grain);
        size_t end = first + c->grain < c->n ? first + c->grain : c->n;

        if (first >= c->n)
            break;
        if (c->fn(c->ctx, first, end, &err))
            continue;
        pthread_mutex_lock(&c->lock);
        if (!atomic_exchange(&c->failed, true))
            *c->err = err;
        pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

size_t sg_chunk_grain(const struct sg_store *store)
{
    return sg_store_threads(store) != 0 ? REMOTE : SG_CHUNK;
}

/* How many threads pay: those that wait for a store as many as it says, else the processors. */
static size_t most_threads(const struct sg_store *store)
{
    size_t most = sg_store_threads(store);
    cpu_set_t cpus;

    if (most != 0)
        return most < MOST ? most : MOST;
    most = THREADS;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) < (int)most)
        most = (size_t)CPU_COUNT(&cpus);
    return most;
}

/* fn over [0, n) in chunks of a grain that begin at multiples of it, on threads; a few nodes are
 * not worth one. Where no thread is to be had, this one does it. */
bool sg_in_chunks(const struct sg_store *store, size_t n, sg_chunk_fn *fn, void *ctx,
                  struct sg_error *err)
{
    struct chunks c = { .fn = fn, .ctx = ctx, .n = n, .grain = sg_chunk_grain(store), .err = err };
    pthread_t threads[MOST];
    size_t want = (n + c.grain - 1) / c.grain, started = 0;

    if (want > 1 && want > most_threads(store))
        want = most_threads(store);
    pthread_mutex_init(&c.lock, NULL);
    while (started + 1 < want && pthread_create(&threads[started], NULL, take_chunks, &c) == 0)
        started++;
    take_chunks(&c);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&c.lock);
    return !atomic_load(&c.failed);
}
