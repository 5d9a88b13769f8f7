#include "stagegraph/pieces.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct pieces {
    sg_piece_fn *fn;
    void *ctx;
    size_t n, grain;
    atomic_size_t next;
    atomic_bool failed;
    struct sg_error *err; /* the first failure's */
};

static void *take_pieces(void *arg)
{
    struct pieces *p = arg;
    struct sg_error err = SG_ERROR_INIT;

    while (!atomic_load_explicit(&p->failed, memory_order_relaxed)) {
        size_t first = atomic_fetch_add(&p->next, p->grain);

        if (first >= p->n)
            break;
        if (!p->fn(p->ctx, first, p->n - first < p->grain ? p->n : first + p->grain, &err) &&
            !atomic_exchange(&p->failed, true))
            *p->err = err; /* nobody else writes it, and who reads it joins this thread first */
    }
    return NULL;
}

bool sg_in_pieces(size_t n, size_t grain, size_t threads, sg_piece_fn *fn, void *ctx,
                  struct sg_error *err)
{
    struct pieces p = { .fn = fn, .ctx = ctx, .n = n, .grain = grain, .err = err };
    pthread_t others[SG_PIECES_THREADS];
    size_t want = n / grain + (n % grain != 0), started = 0;

    if (want > threads)
        want = threads;
    if (want > SG_PIECES_THREADS)
        want = SG_PIECES_THREADS;
    while (started + 1 < want && pthread_create(&others[started], NULL, take_pieces, &p) == 0)
        started++; /* fewer are slower, not wrong */
    (void)take_pieces(&p);
    while (started != 0)
        (void)pthread_join(others[--started], NULL); /* ours, not joined yet: it can't fail */
    return !p.failed;
}

size_t sg_processors(size_t most)
{
    cpu_set_t cpus;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && (size_t)CPU_COUNT(&cpus) < most)
        most = (size_t)CPU_COUNT(&cpus);
    return most > 0 ? most : 1;
}
