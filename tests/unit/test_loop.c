#include "stagegraph/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MAX_NOTES 64

/* What happened, in order. */
struct story {
    struct sg_loop *loop;
    struct sg_error err;
    int notes[MAX_NOTES];
    int n, until; /* the loop stops at that many */
    struct sg_watch *watch, *other;
    struct sg_timer *timer;
    int fds[2], others[2];
    pthread_t loop_thread;
    unsigned wrong_thread;
};

static void note(struct story *s, int what)
{
    assert_true(s->n < MAX_NOTES);
    s->notes[s->n++] = what;
    if (s->n == s->until)
        sg_loop_stop(s->loop);
}

static void assert_notes(const struct story *s, const int *expected, int n)
{
    assert_int_equal(s->n, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(s->notes[i], expected[i]);
}

#define ASSERT_NOTES(s, ...)                                                                       \
    do {                                                                                           \
        const int expected_[] = { __VA_ARGS__ };                                                   \
        assert_notes((s), expected_, (int)(sizeof(expected_) / sizeof(expected_[0])));             \
    } while (0)

static int setup(void **state)
{
    struct story *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    assert_true(sg_loop_new(2, &s->loop, &s->err));
    assert_int_equal(pipe2(s->fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_int_equal(pipe2(s->others, O_CLOEXEC | O_NONBLOCK), 0);
    s->loop_thread = pthread_self();
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct story *s = *state;

    sg_loop_free(s->loop);
    for (int i = 0; i < 2; i++) {
        close(s->fds[i]);
        close(s->others[i]);
    }
    free(s);
    return 0;
}

static void run(struct story *s, int until)
{
    s->until = until;
    assert_true(sg_loop_run(s->loop, &s->err));
}

struct noted {
    struct story *s;
    int what;
};

static void note_timer(void *ctx)
{
    struct noted *x = ctx;

    note(x->s, x->what);
}

static struct sg_timer *set(struct story *s, int64_t ns, struct noted *x)
{
    struct sg_timer *t = NULL;

    x->s = s;
    assert_true(sg_loop_timer(s->loop, (struct sg_mono){ ns }, note_timer, x, &t, &s->err));
    return t;
}

static void timers_fire_in_the_order_of_their_times(void **state)
{
    struct story *s = *state;
    struct noted x[] = { { NULL, 1 }, { NULL, 2 }, { NULL, 3 }, { NULL, 4 }, { NULL, 5 } };

    set(s, 30, &x[2]);
    set(s, 10, &x[0]);
    set(s, 30, &x[3]);
    set(s, sg_mono_now().ns + 2 * SG_NS_PER_MS, &x[4]);
    set(s, 20, &x[1]);
    run(s, 5);
    ASSERT_NOTES(s, 1, 2, 3, 4, 5);
}

static void many_timers_fire_in_order_and_cancelled_ones_do_not(void **state)
{
    enum { N = 1000 };
    struct story *s = *state;
    static struct noted x[N];
    struct sg_timer *t[N];
    int expected = 0;

    s->notes[0] = -1;
    for (int i = 0; i < N; i++) {
        x[i].what = i;
        t[i] = set(s, 1 + (i * 7919) % N, &x[i]);
    }
    for (int i = 0; i < N; i++)
        if ((i * 7919) % N % 50 != 0)
            sg_timer_cancel(s->loop, t[i]);
    run(s, N / 50);
    for (int i = 0; i < N / 50; i++, expected += 50)
        assert_int_equal((s->notes[i] * 7919) % N, expected);
}

static void a_timer_never_fires_early(void **state)
{
    struct story *s = *state;
    struct noted x = { NULL, 1 };
    int64_t at = sg_mono_now().ns + 3 * SG_NS_PER_MS + 1;

    set(s, at, &x);
    run(s, 1);
    assert_true(sg_mono_now().ns >= at);
}

static void cancel_other(void *ctx)
{
    struct story *s = ctx;

    note(s, 1);
    sg_timer_cancel(s->loop, s->timer);
}

static void a_timer_can_cancel_one_that_is_due_at_the_same_time(void **state)
{
    struct story *s = *state;
    struct noted x[] = { { NULL, 2 }, { NULL, 3 } };
    struct sg_timer *t;

    assert_true(sg_loop_timer(s->loop, (struct sg_mono){ 1 }, cancel_other, s, &t, &s->err));
    s->timer = set(s, 2, &x[0]);
    set(s, 3, &x[1]);
    run(s, 2);
    ASSERT_NOTES(s, 1, 3);
}

static void cancel_itself(void *ctx)
{
    struct story *s = ctx;

    sg_timer_cancel(s->loop, s->timer);
    note(s, 1);
}

static void a_timer_may_cancel_itself_while_it_fires(void **state)
{
    struct story *s = *state;

    assert_true(
        sg_loop_timer(s->loop, (struct sg_mono){ 1 }, cancel_itself, s, &s->timer, &s->err));
    run(s, 1);
    ASSERT_NOTES(s, 1);
}

static void again_in_the_past(void *ctx)
{
    struct story *s = ctx;

    note(s, 1);
    assert_true(
        sg_loop_timer(s->loop, (struct sg_mono){ 0 }, again_in_the_past, s, &s->timer, &s->err));
}

static void a_timer_that_is_always_due_lets_the_others_through(void **state)
{
    struct story *s = *state;
    struct noted x = { NULL, 2 };

    again_in_the_past(s);
    set(s, 5, &x);
    run(s, 4);
    ASSERT_NOTES(s, 1, 1, 2, 1);
}

static void read_and_note(void *ctx, int fd, uint32_t events)
{
    struct story *s = ctx;
    char c;

    assert_true((events & (EPOLLIN | EPOLLHUP)) != 0);
    note(s, read(fd, &c, 1) == 1 ? c : -1);
}

static void a_watch_reports_readiness_again_until_it_is_used_up(void **state)
{
    struct story *s = *state;

    assert_true(sg_loop_watch(s->loop, s->fds[0], EPOLLIN, read_and_note, s, &s->watch, &s->err));
    assert_int_equal(write(s->fds[1], "abc", 3), 3);
    run(s, 3);
    ASSERT_NOTES(s, 'a', 'b', 'c');
    sg_watch_remove(s->loop, s->watch);
}

static void remove_both(void *ctx, int fd, uint32_t events)
{
    struct story *s = ctx;

    (void)fd;
    (void)events;
    note(s, 1);
    sg_watch_remove(s->loop, s->watch);
    sg_watch_remove(s->loop, s->other);
    sg_loop_stop(s->loop);
}

static void a_watch_removed_in_a_round_is_not_called_any_more(void **state)
{
    struct story *s = *state;

    assert_true(sg_loop_watch(s->loop, s->fds[0], EPOLLIN, remove_both, s, &s->watch, &s->err));
    assert_true(sg_loop_watch(s->loop, s->others[0], EPOLLIN, remove_both, s, &s->other, &s->err));
    assert_int_equal(write(s->fds[1], "a", 1), 1);
    assert_int_equal(write(s->others[1], "a", 1), 1);
    run(s, -1);
    ASSERT_NOTES(s, 1);
}

static void a_regular_file_is_always_ready(void **state)
{
    struct story *s = *state;
    char path[] = "/tmp/stagegraph-loop-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    struct noted x = { NULL, 9 };

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(pwrite(fd, "xy", 2, 0), 2);
    assert_true(sg_loop_watch(s->loop, fd, EPOLLIN, read_and_note, s, &s->watch, &s->err));
    set(s, 1, &x);
    run(s, 4);
    ASSERT_NOTES(s, 'x', 9, 'y', -1);
    sg_watch_remove(s->loop, s->watch);
    close(fd);
}

static void what_can_not_be_watched_is_an_error(void **state)
{
    struct story *s = *state;
    struct sg_watch *w = NULL;

    assert_false(sg_loop_watch(s->loop, 1000000, EPOLLIN, read_and_note, s, &w, &s->err));
    assert_int_equal(s->err.code, SG_ERROR_SYSTEM);
    assert_null(w);
}

static void note_signal(void *ctx, int signo)
{
    note(ctx, signo);
}

static void signals_are_delivered_as_calls_and_the_mask_is_restored(void **state)
{
    struct story *s = *state;
    sigset_t set, now;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    assert_true(sg_loop_signals(s->loop, &set, note_signal, s, &s->err));
    raise(SIGTERM);
    run(s, 1);
    raise(SIGUSR1);
    run(s, 2);
    ASSERT_NOTES(s, SIGTERM, SIGUSR1);
    sg_loop_free(s->loop);
    s->loop = NULL;
    sigprocmask(SIG_SETMASK, NULL, &now);
    assert_int_equal(sigismember(&now, SIGTERM), 0);
}

struct task {
    struct story *s;
    int what;
    bool worked;
};

static void work(void *ctx)
{
    struct task *t = ctx;

    t->worked = !pthread_equal(pthread_self(), t->s->loop_thread);
}

static void work_done(void *ctx)
{
    struct task *t = ctx;

    assert_true(pthread_equal(pthread_self(), t->s->loop_thread));
    note(t->s, t->worked ? t->what : -1);
}

static void work_is_done_on_a_worker_and_told_on_the_loop(void **state)
{
    struct story *s = *state;
    struct task t[MAX_NOTES];
    bool seen[MAX_NOTES] = { false };

    for (int i = 0; i < MAX_NOTES; i++) {
        t[i] = (struct task){ .s = s, .what = i };
        assert_true(sg_loop_work(s->loop, work, work_done, &t[i], &s->err));
    }
    run(s, MAX_NOTES);
    for (int i = 0; i < MAX_NOTES; i++)
        seen[s->notes[i]] = true;
    for (int i = 0; i < MAX_NOTES; i++)
        assert_true(seen[i]);
}

static void more_work(void *ctx)
{
    struct task *t = ctx;

    note(t->s, t->what++);
    if (t->what < 20)
        assert_true(sg_loop_work(t->s->loop, work, more_work, t, &t->s->err));
}

static void the_end_of_work_may_begin_more(void **state)
{
    struct story *s = *state;
    struct task t = { .s = s };

    assert_true(sg_loop_work(s->loop, work, more_work, &t, &s->err));
    run(s, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(s->notes[i], i);
}

struct block {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int running, most;
    bool go;
};

static void wait_for_go(void *ctx)
{
    struct block *b = ctx;

    pthread_mutex_lock(&b->lock);
    b->running++;
    b->most = b->running > b->most ? b->running : b->most;
    pthread_cond_broadcast(&b->changed);
    while (!b->go)
        pthread_cond_wait(&b->changed, &b->lock);
    b->running--;
    pthread_mutex_unlock(&b->lock);
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void two_workers_work_at_once_and_no_more(void **state)
{
    struct story *s = *state;
    struct block b = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    struct task t = { .s = s, .what = 1 };

    for (int i = 0; i < 5; i++)
        assert_true(sg_loop_work(s->loop, wait_for_go, nothing, &b, &s->err));
    assert_true(sg_loop_work(s->loop, work, work_done, &t, &s->err));
    pthread_mutex_lock(&b.lock);
    while (b.running < 2)
        pthread_cond_wait(&b.changed, &b.lock);
    b.go = true;
    pthread_cond_broadcast(&b.changed);
    pthread_mutex_unlock(&b.lock);
    run(s, 1);
    sg_loop_free(s->loop); /* one may still be at the last of them, and at b */
    s->loop = NULL;
    assert_int_equal(b.most, 2);
}

static void a_loop_with_unfinished_work_can_be_freed(void **state)
{
    struct story *s = *state;
    struct task t[50];

    for (int i = 0; i < 50; i++) {
        t[i] = (struct task){ .s = s };
        assert_true(sg_loop_work(s->loop, work, work_done, &t[i], &s->err));
    }
    sg_loop_free(s->loop);
    s->loop = NULL;
    assert_int_equal(s->n, 0);
}

static void stop_before_run_makes_run_return_at_once(void **state)
{
    struct story *s = *state;
    struct noted x = { NULL, 1 };

    sg_loop_stop(s->loop);
    run(s, -1);
    set(s, 1, &x);
    run(s, 1);
    ASSERT_NOTES(s, 1);
}

/* ---- short work, and the deputy that has the loop while it takes long */

struct lease {
    struct story *s;
    sem_t go; /* the work waits for it, where it is to block */
    bool blocks;
    pthread_t worked_on, told_on;
    struct lease *first; /* which waits for this one */
};

static void short_work(void *ctx)
{
    struct lease *l = ctx;

    l->worked_on = pthread_self();
    while (l->blocks && sem_wait(&l->go) != 0)
        ;
}

static void short_done(void *ctx)
{
    struct lease *l = ctx;

    l->told_on = pthread_self();
    note(l->s, 1);
}

static void lend(struct story *s, struct lease *l, bool blocks)
{
    *l = (struct lease){ .s = s, .blocks = blocks };
    assert_int_equal(sem_init(&l->go, 0, 0), 0);
    assert_true(sg_loop_work_short(s->loop, short_work, short_done, l, &s->err));
}

static void at_once(struct story *s, sg_timer_fn *fn, void *ctx)
{
    struct sg_timer *t;

    assert_true(sg_loop_timer(s->loop, sg_mono_now(), fn, ctx, &t, &s->err));
}

/* Waits until the deputy has the loop: then the loop's thread is at work, and waits for this. */
static void release(void *ctx)
{
    struct lease *l = ctx;

    if (pthread_equal(pthread_self(), l->s->loop_thread)) {
        at_once(l->s, release, l);
        return;
    }
    note(l->s, 0);
    assert_int_equal(sem_post(&l->go), 0);
}

static void short_work_is_done_and_told_on_the_loops_own_thread(void **state)
{
    struct story *s = *state;
    struct lease l;

    lend(s, &l, false);
    run(s, 1);
    assert_true(pthread_equal(l.worked_on, s->loop_thread));
    assert_true(pthread_equal(l.told_on, s->loop_thread));
}

/* Were nobody to have the loop, the timer would never let the work go on. */
static void work_that_blocks_does_not_keep_the_loop_from_its_timers(void **state)
{
    struct story *s = *state;
    struct lease l;

    lend(s, &l, true);
    at_once(s, release, &l);
    run(s, 2);
    assert_true(pthread_equal(l.worked_on, s->loop_thread));
    ASSERT_NOTES(s, 0, 1);
}

static void quick_done(void *ctx)
{
    struct lease *l = ctx;

    short_done(l);
    assert_int_equal(sem_post(&l->first->go), 0);
}

/* Were the second to wait for the first, neither would end. */
static void what_is_short_beside_work_that_blocks_does_not_wait_for_it(void **state)
{
    struct story *s = *state;
    struct lease first, second = { .s = s, .first = &first };

    lend(s, &first, true);
    assert_true(sg_loop_work_short(s->loop, short_work, quick_done, &second, &s->err));
    run(s, 2);
    assert_true(pthread_equal(first.worked_on, s->loop_thread));
    assert_false(pthread_equal(second.worked_on, s->loop_thread));
}

static void a_loop_that_is_lent_again_and_again_comes_back_each_time(void **state)
{
    struct story *s = *state;

    for (int i = 0; i < 20; i++) {
        struct lease l;

        s->n = 0;
        lend(s, &l, true);
        at_once(s, release, &l);
        run(s, 2);
    }
}

static void until_at_home(void *ctx)
{
    struct story *s = ctx;

    if (pthread_equal(pthread_self(), s->loop_thread))
        note(s, 2);
    else
        at_once(s, until_at_home, s);
}

static void afterwards_callbacks_come_from_the_loops_own_thread_again(void **state)
{
    struct story *s = *state;
    struct lease l;

    lend(s, &l, true);
    at_once(s, release, &l);
    run(s, 2);
    at_once(s, until_at_home, s);
    run(s, 3);
    assert_int_equal(s->notes[2], 2);
}

struct nested {
    struct lease inner, *outer;
};

static void let_outer_go(void *ctx)
{
    struct nested *n = ctx;

    n->inner.worked_on = pthread_self();
    assert_int_equal(sem_post(&n->outer->go), 0);
}

static void inner_done(void *ctx)
{
    (void)ctx;
}

static void begin_inner(void *ctx)
{
    struct nested *n = ctx;
    struct story *s = n->outer->s;

    if (pthread_equal(pthread_self(), s->loop_thread)) /* not lent yet */
        at_once(s, begin_inner, n);
    else
        assert_true(sg_loop_work_short(s->loop, let_outer_go, inner_done, n, &s->err));
}

/* The loop's thread waits for it, and the deputy has no deputy. */
static void what_is_begun_while_the_loop_is_lent_goes_to_a_worker(void **state)
{
    struct story *s = *state;
    struct lease outer;
    struct nested n = { .outer = &outer };

    lend(s, &outer, true);
    at_once(s, begin_inner, &n);
    run(s, 1);
    assert_false(pthread_equal(n.inner.worked_on, s->loop_thread));
}

static void signal_and_wait(void *ctx)
{
    struct lease *l = ctx;

    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    short_work(l);
}

static void release_by_signal(void *ctx, int signo)
{
    struct lease *l = ctx;

    (void)signo;
    note(l->s, 0);
    assert_int_equal(sem_post(&l->go), 0);
}

static void a_signal_is_heard_while_short_work_blocks(void **state)
{
    struct story *s = *state;
    struct lease l = { .s = s, .blocks = true };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    assert_int_equal(sem_init(&l.go, 0, 0), 0);
    assert_true(sg_loop_signals(s->loop, &set, release_by_signal, &l, &s->err));
    assert_true(sg_loop_work_short(s->loop, signal_and_wait, short_done, &l, &s->err));
    run(s, 2);
    ASSERT_NOTES(s, 0, 1);
}

static void stop_and_release(void *ctx)
{
    struct lease *l = ctx;

    if (pthread_equal(pthread_self(), l->s->loop_thread)) {
        at_once(l->s, stop_and_release, l);
        return;
    }
    sg_loop_stop(l->s->loop);
    assert_int_equal(sem_post(&l->go), 0);
}

static void a_loop_that_is_stopped_while_it_is_lent_returns_and_tells_no_end(void **state)
{
    struct story *s = *state;
    struct lease l;

    lend(s, &l, true);
    at_once(s, stop_and_release, &l);
    run(s, -1);
    assert_int_equal(s->n, 0);
}

struct part_of_story {
    struct story *s;
    int what;
};

static void free_part(void *part)
{
    struct part_of_story *p = part;

    sg_watch_remove(p->s->loop, p->s->watch); /* still allowed */
    p->s->watch = NULL;
    note(p->s, p->what);
}

static void parts_are_found_by_key_and_freed_with_the_loop_newest_first(void **state)
{
    static const char a, b;
    struct story *s = *state;
    struct part_of_story pa = { s, 1 }, pb = { s, 2 };

    assert_true(sg_loop_watch(s->loop, s->fds[0], EPOLLIN, read_and_note, s, &s->watch, &s->err));
    assert_null(sg_loop_part(s->loop, &a));
    assert_true(sg_loop_add_part(s->loop, &a, &pa, free_part, &s->err));
    assert_true(sg_loop_add_part(s->loop, &b, &pb, free_part, &s->err));
    assert_ptr_equal(sg_loop_part(s->loop, &a), &pa);
    assert_ptr_equal(sg_loop_part(s->loop, &b), &pb);
    sg_loop_free(s->loop);
    s->loop = NULL;
    ASSERT_NOTES(s, 2, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_the_order_of_their_times),
        TEST(many_timers_fire_in_order_and_cancelled_ones_do_not),
        TEST(a_timer_never_fires_early),
        TEST(a_timer_can_cancel_one_that_is_due_at_the_same_time),
        TEST(a_timer_may_cancel_itself_while_it_fires),
        TEST(a_timer_that_is_always_due_lets_the_others_through),
        TEST(a_watch_reports_readiness_again_until_it_is_used_up),
        TEST(a_watch_removed_in_a_round_is_not_called_any_more),
        TEST(a_regular_file_is_always_ready),
        TEST(what_can_not_be_watched_is_an_error),
        TEST(signals_are_delivered_as_calls_and_the_mask_is_restored),
        TEST(work_is_done_on_a_worker_and_told_on_the_loop),
        TEST(the_end_of_work_may_begin_more),
        TEST(two_workers_work_at_once_and_no_more),
        TEST(a_loop_with_unfinished_work_can_be_freed),
        TEST(stop_before_run_makes_run_return_at_once),
        TEST(short_work_is_done_and_told_on_the_loops_own_thread),
        TEST(work_that_blocks_does_not_keep_the_loop_from_its_timers),
        TEST(a_loop_that_is_lent_again_and_again_comes_back_each_time),
        TEST(afterwards_callbacks_come_from_the_loops_own_thread_again),
        TEST(what_is_begun_while_the_loop_is_lent_goes_to_a_worker),
        TEST(what_is_short_beside_work_that_blocks_does_not_wait_for_it),
        TEST(a_signal_is_heard_while_short_work_blocks),
        TEST(a_loop_that_is_stopped_while_it_is_lent_returns_and_tells_no_end),
        TEST(parts_are_found_by_key_and_freed_with_the_loop_newest_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
