/* Room in pools, among runs that are here objects of one process: a lock doesn't know the
 * difference. */
#include "stagegraph/slot.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"

static struct scratch dir;
static struct sg_slots *runs[4];
static char holder[SG_SLOT_RUN];

static int set_up(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    char name[8];

    (void)state;
    scratch_open(&dir);
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof(name), "run%zu", i);
        if (!sg_slots_new(scratch_path(&dir, "pools/yarn"), name, &runs[i], &err))
            return -1;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        sg_slots_free(runs[i]);
    scratch_close(&dir);
    return 0;
}

static bool take(unsigned run, int32_t size, int64_t pool_memory, int64_t memory,
                 struct sg_slot *ret)
{
    static unsigned number;
    struct sg_error err = SG_ERROR_INIT;
    char nonce[33];
    bool taken = false;
    struct sg_slot_ask ask = {
        .size = size, .pool_memory = pool_memory, .memory = memory, .node = "a", .nonce = nonce
    };

    (void)snprintf(nonce, sizeof(nonce), "%032u", ++number);
    if (!sg_slots_take(runs[run], &ask, ret, &taken, holder, &err))
        fail_msg("%s", err.text);
    return taken;
}

static void no_more_than_size_hold_a_slot(void **state)
{
    struct sg_slot a = SG_SLOT_INIT, b = SG_SLOT_INIT, c = SG_SLOT_INIT;

    (void)state;
    assert_true(take(0, 2, 0, 0, &a));
    assert_true(take(1, 2, 0, 0, &b));
    assert_false(take(2, 2, 0, 0, &c));
    assert_memory_equal(holder, "run", 3);
    sg_slot_drop(&a);
    assert_true(take(2, 2, 0, 0, &c));
    sg_slot_drop(&b);
    sg_slot_drop(&c);
}

static void memory_is_shared_and_what_is_larger_runs_alone(void **state)
{
    struct sg_slot a = SG_SLOT_INIT, b = SG_SLOT_INIT, c = SG_SLOT_INIT;

    (void)state;
    assert_true(take(0, 0, 10, 6, &a));
    assert_true(take(1, 0, 10, 4, &b));
    assert_false(take(2, 0, 10, 12, &c));
    assert_false(take(3, 0, 10, 1, &c));
    sg_slot_drop(&b);
    assert_false(take(3, 0, 10, 1, &c)); /* nothing goes past what waits for memory */
    sg_slot_drop(&a);
    assert_true(take(2, 0, 10, 12, &c));
    assert_false(take(3, 0, 10, 0, &a)); /* it is alone */
    sg_slot_drop(&c);
    assert_true(take(3, 0, 10, 1, &a));
    sg_slot_drop(&a);
}

static void those_who_wait_are_served_in_order(void **state)
{
    struct sg_slot a = SG_SLOT_INIT;

    (void)state;
    assert_true(take(0, 1, 0, 0, &a));
    assert_false(take(1, 1, 0, 0, &a));
    assert_false(take(2, 1, 0, 0, &a));
    sg_slot_drop(&a);
    assert_false(take(0, 1, 0, 0, &a)); /* its next job is behind them */
    assert_string_equal(holder, "run1");
    assert_false(take(2, 1, 0, 0, &a));
    assert_true(take(1, 1, 0, 0, &a));
    sg_slot_drop(&a);
    assert_false(take(0, 1, 0, 0, &a));
    assert_true(take(2, 1, 0, 0, &a));
    sg_slot_drop(&a);
    assert_true(take(0, 1, 0, 0, &a));
    sg_slot_drop(&a);
}

static void a_ticket_of_who_asks_no_more_is_passed_and_keeps_its_number(void **state)
{
    struct sg_slot a = SG_SLOT_INIT;
    const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

    (void)state;
    assert_true(take(0, 1, 0, 0, &a));
    assert_false(take(1, 1, 0, 0, &a));
    assert_int_equal(utimensat(AT_FDCWD, scratch_path(&dir, "pools/yarn/wait.run1"), old, 0), 0);
    sg_slot_drop(&a);
    assert_true(take(2, 1, 0, 0, &a));
    assert_false(take(3, 1, 0, 0, &a));
    assert_false(take(1, 1, 0, 0, &a)); /* it is back */
    sg_slot_drop(&a);
    assert_false(take(3, 1, 0, 0, &a));
    assert_true(take(1, 1, 0, 0, &a));
    sg_slot_drop(&a);
}

/* The clock was put back after it asked last: else all would wait until that time comes again. */
static void a_ticket_from_the_future_is_passed_too(void **state)
{
    struct sg_slot a = SG_SLOT_INIT;
    struct timespec later[2];

    (void)state;
    assert_true(take(0, 1, 0, 0, &a));
    assert_false(take(1, 1, 0, 0, &a));
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &later[0]), 0);
    later[0].tv_sec += 3600;
    later[1] = later[0];
    assert_int_equal(utimensat(AT_FDCWD, scratch_path(&dir, "pools/yarn/wait.run1"), later, 0), 0);
    sg_slot_drop(&a);
    assert_true(take(2, 1, 0, 0, &a));
    sg_slot_drop(&a);
}

/* A run that is suspended while it looks holds the pool's lock for as long as it stands. */
static void who_stands_still_while_looking_stops_nobody(void **state)
{
    struct sg_slot a = SG_SLOT_INIT;
    int fd;

    (void)state;
    assert_true(take(0, 2, 0, 0, &a));
    fd = open(scratch_path(&dir, "pools/yarn/lock"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    sg_slot_drop(&a);
    assert_false(take(1, 2, 0, 0, &a)); /* and is asked again, as for a full one */
    assert_string_equal(holder, "");
    (void)close(fd);
    assert_true(take(1, 2, 0, 0, &a));
    sg_slot_drop(&a);
}

static void what_the_dead_held_is_free_whatever_is_in_it(void **state)
{
    static const char *const texts[] = {
        "", "{\"run\":\"x\"", "{\"run\":\"x\",\"nonce\":\"0123456789abcdef0123456789abcdef\"}\n"
    };
    struct sg_slot a = SG_SLOT_INIT;

    (void)state;
    assert_true(take(0, 1, 0, 0, &a));
    sg_slot_drop(&a);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        scratch_write(&dir, "pools/yarn/slot.dead", texts[i]);
        scratch_write(&dir, "pools/yarn/wait.dead", "{\"ticket\":0}\n");
        assert_true(take(1, 1, 0, 0, &a));
        assert_int_not_equal(access(scratch_path(&dir, "pools/yarn/slot.dead"), F_OK), 0);
        sg_slot_drop(&a);
    }
}

static void a_slot_that_is_left_is_free_when_the_last_lock_goes(void **state)
{
    struct sg_slot a = SG_SLOT_INIT, b = SG_SLOT_INIT;
    int shim;

    (void)state;
    assert_true(take(0, 1, 0, 0, &a));
    shim = dup(a.fd);
    sg_slot_leave(&a);
    assert_false(take(1, 1, 0, 0, &b));
    (void)close(shim);
    assert_true(take(1, 1, 0, 0, &b));
    sg_slot_drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_more_than_size_hold_a_slot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_shared_and_what_is_larger_runs_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(those_who_wait_are_served_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ticket_of_who_asks_no_more_is_passed_and_keeps_its_number,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_ticket_from_the_future_is_passed_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_stands_still_while_looking_stops_nobody, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_the_dead_held_is_free_whatever_is_in_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_slot_that_is_left_is_free_when_the_last_lock_goes, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("slot", tests, NULL, NULL);
}
