/*
 * Flushes of directories by several threads: which of them are one, and what each may rely on. The
 * disk is one that takes as long as the test wants.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../src/store/file_impl.h"
#include "scratch.h"
#include "stagegraph/store.h"

#define MANY   8
#define CLAIMS "_stagegraph/claims/bronze"

static struct scratch dir;
static struct sg_store *store;
static struct sg_io io;
static struct sg_error err;

/* The flushes of directories whose path ends in `watched`. */
static struct {
    const char *watched;
    atomic_uint begun, ended;
    atomic_uint let;   /* so many may end */
    unsigned fails_at; /* the k-th fails with EIO; 0: none */
    bool is_held;      /* else they end at once */
} disk;

static bool is_watched(int fd)
{
    char link[64], path[PATH_MAX];
    size_t n_watched = strlen(disk.watched);
    struct stat st;
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && n > (ssize_t)n_watched &&
           memcmp(path + (size_t)n - n_watched, disk.watched, n_watched) == 0;
}

static int slow_fsync(void *ctx, int fd)
{
    unsigned mine;

    (void)ctx;
    if (!is_watched(fd))
        return 0;
    mine = atomic_fetch_add(&disk.begun, 1) + 1;
    while (disk.is_held && atomic_load(&disk.let) < mine)
        sched_yield();
    atomic_fetch_add(&disk.ended, 1);
    if (mine != disk.fails_at)
        return 0;
    errno = EIO;
    return -1;
}

static int set_up(void **state)
{
    (void)state;
    scratch_open(&dir);
    scratch_make_dir(&dir, "a");
    scratch_make_dir(&dir, "b");
    scratch_make_dir(&dir, CLAIMS);
    io = sg_io_system;
    io.fsync = slow_fsync;
    disk.watched = "/a";
    disk.is_held = true;
    disk.fails_at = 0;
    atomic_store(&disk.begun, 0);
    atomic_store(&disk.ended, 0);
    atomic_store(&disk.let, 0);
    if (!sg_file_store_open(dir.dir, true, &io, &store, &err))
        fail_msg("%s", err.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sg_store_free(store);
    scratch_close(&dir);
    return 0;
}

/* How many flush, or wait for a flush. */
static unsigned flushing(void)
{
    struct sg_file_store *f = sg_file_of(store);
    unsigned n;

    pthread_mutex_lock(&f->flush_lock);
    n = f->n_flushes;
    pthread_mutex_unlock(&f->flush_lock);
    return n;
}

static void until_flushing(unsigned n)
{
    while (flushing() != n)
        sched_yield();
}

struct one {
    pthread_t thread;
    const char *dir;
    char claim[80]; /* instead of `dir` */
    struct sg_store_claim held;
    unsigned ended; /* flushes that had ended when it came back */
    bool ok;
    struct sg_error err;
};

static void *flush_one(void *ctx)
{
    struct one *o = ctx;

    o->ok = sg_store_flush_dir(store, o->dir, &o->err);
    o->ended = atomic_load(&disk.ended);
    return NULL;
}

static void *claim_one(void *ctx)
{
    struct one *o = ctx;
    struct sg_buf held = SG_BUF_INIT;
    enum sg_claim_outcome outcome;

    o->ok = sg_store_claim_take(store, o->claim, sg_span_of("mine"), &o->held, &outcome, &held,
                                &o->err) &&
            outcome == SG_CLAIM_TAKEN;
    sg_buf_done(&held);
    return NULL;
}

static void start(struct one *o, const char *at)
{
    *o = (struct one){ .dir = at };
    assert_int_equal(pthread_create(&o->thread, NULL, flush_one, o), 0);
}

static void join(struct one *o)
{
    assert_int_equal(pthread_join(o->thread, NULL), 0);
}

/* One is under way, and MANY - 1 have come since. */
static void begin_many(struct one all[MANY])
{
    start(&all[0], "a");
    while (atomic_load(&disk.begun) == 0)
        sched_yield();
    for (unsigned i = 1; i < MANY; i++)
        start(&all[i], "a");
    until_flushing(MANY);
    assert_int_equal(atomic_load(&disk.begun), 1);
}

static void those_that_wait_for_a_flush_share_the_next(void **state)
{
    struct one all[MANY];

    (void)state;
    begin_many(all);
    atomic_store(&disk.let, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        join(&all[i]);
        assert_true(all[i].ok);
    }
    assert_int_equal(atomic_load(&disk.begun), 2);
    assert_int_equal(flushing(), 0);
}

/* What it has changed may have come after that one began. */
static void a_flush_that_was_under_way_is_not_enough(void **state)
{
    struct one first, second;

    (void)state;
    start(&first, "a");
    while (atomic_load(&disk.begun) == 0)
        sched_yield();
    start(&second, "a");
    until_flushing(2);
    atomic_store(&disk.let, 1);
    join(&first);
    while (atomic_load(&disk.begun) != 2) /* one of its own */
        sched_yield();
    assert_int_equal(flushing(), 1);
    atomic_store(&disk.let, 2);
    join(&second);
    assert_int_equal(second.ended, 2);
}

static void an_error_of_a_flush_is_told_to_all_that_shared_it(void **state)
{
    struct one all[MANY];

    (void)state;
    disk.fails_at = 2;
    begin_many(all);
    atomic_store(&disk.let, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        join(&all[i]);
        assert_int_equal(all[i].ok, i == 0);
        assert_int_equal(all[i].err.sys, i == 0 ? 0 : EIO);
    }
    start(&all[0], "a"); /* the next one is a new one */
    join(&all[0]);
    assert_true(all[0].ok);
}

static void flushes_of_two_directories_do_not_wait_for_each_other(void **state)
{
    struct one first, second;

    (void)state;
    start(&first, "a");
    while (atomic_load(&disk.begun) == 0)
        sched_yield();
    start(&second, "b");
    join(&second);
    assert_true(second.ok);
    assert_int_equal(atomic_load(&disk.ended), 0);
    atomic_store(&disk.let, 1);
    join(&first);
}

static void eight_claims_of_a_stage_at_the_same_time_flush_its_directory_twice(void **state)
{
    struct one all[MANY];

    (void)state;
    disk.watched = CLAIMS;
    for (unsigned i = 0; i < MANY; i++) {
        all[i] = (struct one){ .ok = false };
        snprintf(all[i].claim, sizeof(all[i].claim), CLAIMS "/2024-01-01T%02u", i);
        assert_int_equal(pthread_create(&all[i].thread, NULL, claim_one, &all[i]), 0);
    }
    until_flushing(MANY);
    atomic_store(&disk.let, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        join(&all[i]);
        assert_true(all[i].ok);
        sg_store_claim_leave(store, &all[i].held);
    }
    assert_in_range(atomic_load(&disk.begun), 1, 2);
    assert_int_equal(scratch_count(&dir, CLAIMS, ""), MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_that_wait_for_a_flush_share_the_next),
        cmocka_unit_test(a_flush_that_was_under_way_is_not_enough),
        cmocka_unit_test(an_error_of_a_flush_is_told_to_all_that_shared_it),
        cmocka_unit_test(flushes_of_two_directories_do_not_wait_for_each_other),
        cmocka_unit_test(eight_claims_of_a_stage_at_the_same_time_flush_its_directory_twice),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
