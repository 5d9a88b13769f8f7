/*
 * full_disk: a store that fills up at every step of an attempt, down to the receipt's last byte.
 *
 * The store is a tmpfs of 64 KiB, mounted where nobody else sees it: in a mount namespace of this
 * driver, and without root in a user namespace too.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static const char hour[] = "bronze@2024-01-01T21";
static const char *no_mounts; /* why there can be none; NULL: there can */

static bool write_proc(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static void leave_the_mounts_of_others(void)
{
    char uid[64], gid[64];

    (void)snprintf(uid, sizeof(uid), "0 %u 1", (unsigned)geteuid());
    (void)snprintf(gid, sizeof(gid), "0 %u 1", (unsigned)getegid());
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
            !write_proc("/proc/self/setgroups", "deny") || !write_proc("/proc/self/uid_map", uid) ||
            !write_proc("/proc/self/gid_map", gid)) {
            no_mounts = strerror(errno);
            return;
        }
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        no_mounts = strerror(errno);
}

/* The usual graph with a store of 64 KiB. */
static void small_store(struct e2e *t)
{
    if (no_mounts == NULL && mkdir(e2e_path(t, "warehouse"), 0777) != 0)
        fail_msg("mkdir: %s", strerror(errno));
    if (no_mounts == NULL &&
        mount("small", e2e_path(t, "warehouse"), "tmpfs", 0, "size=64k,mode=0777") != 0)
        no_mounts = strerror(errno);
    if (no_mounts != NULL) {
        print_message("SKIPPED: no file system can be mounted here: %s\n", no_mounts);
        skip();
    }
    e2e_flights(t);
}

static int unmount(void **state)
{
    struct e2e *t = *state;

    (void)umount2(e2e_path(t, "warehouse"), MNT_DETACH);
    return e2e_teardown(state);
}

/* Nothing of the run can be written any more: what is left of the store is filled. */
static const char fill[] = //
    "cat /dev/zero >warehouse/fill 2>/dev/null || :\n";

static void nothing_is_fresh_that_is_not_whole(struct e2e *t)
{
    if (e2e_has_receipt(t, hour) && !e2e_is_whole(t, hour))
        fail_msg("a receipt beside an output that is not whole");
    e2e_run(t, E2E_ANY, "plan --exit-code %s", hour);
    assert_int_equal(t->status, e2e_has_receipt(t, hour) ? 0 : 6);
}

static void a_store_that_fills_while_the_receipt_is_written(void **state)
{
    struct e2e *t = *state;

    small_store(t);
    /* The job writes its output whole, then fills the rest. */
    e2e_does(t, "bronze",
             e2e_text(t,
                      "mkdir -p $out\nbody >$out/data\n"
                      "echo \"whole $(cksum <\"$out/data\")\" >>\"$out/data\"\n%s"
                      "echo \"end $node $$\" >>ran\nexit 0\n",
                      fill));
    e2e_run(t, 1, "run %s", hour);
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "No space left on device");
    assert_true(e2e_is_whole(t, hour));
    assert_false(e2e_exists(t, e2e_marker(t, hour)));
    nothing_is_fresh_that_is_not_whole(t);
    /* With room again it is made. */
    e2e_remove(t, "warehouse/fill");
    e2e_remove(t, "do");
    e2e_run(t, 0, "run %s", hour);
    assert_true(e2e_has_receipt(t, hour));
}

static void a_store_that_is_full_before_the_claim(void **state)
{
    struct e2e *t = *state;

    small_store(t);
    assert_int_equal(system(e2e_text(t, "cd %s && %s", t->dir, fill)), 0);
    e2e_run(t, 0, "plan %s", hour); /* reading needs no room */
    e2e_run(t, E2E_ANY, "run %s", hour);
    assert_true(t->status == 1 || t->status == 74);
    e2e_says(e2e_text(t, "%s%s", t->out, t->err), "No space left on device");
    e2e_ran(t, "");
    nothing_is_fresh_that_is_not_whole(t);
    e2e_remove(t, "warehouse/fill");
    e2e_run(t, 0, "run %s", hour);
}

static void a_store_with_room_for_part_of_an_attempt(void **state)
{
    struct e2e *t = *state;
    bool done = false, failed = false;

    small_store(t);
    for (int sync = 0; sync < 2; sync++) {
        if (sync == 1)
            e2e_edit(t, "stagegraph.ini", "sync = no", "sync = yes");
        /* All but so many pages is taken. */
        for (int pages = 0; pages < 9; pages++) {
            e2e_remove(t, "warehouse/_stagegraph");
            e2e_remove(t, "warehouse/bronze");
            assert_int_equal(system(e2e_text(t, "cd %s && %struncate -s -%dk warehouse/fill",
                                             t->dir, fill, pages * 4)),
                             0);
            e2e_run(t, E2E_ANY, "run %s", hour);
            done = done || t->status == 0;
            failed = failed || t->status != 0;
            if (t->status != 0 && t->status != 1 && t->status != 74)
                e2e_fail(t, "%d pages: status %d", pages, t->status);
            if (t->status == 0 && !e2e_is_whole(t, hour))
                fail_msg("%d pages: success with an output that is not whole", pages);
            nothing_is_fresh_that_is_not_whole(t);
            e2e_remove(t, "warehouse/fill");
            e2e_run(t, 0, "run %s", hour);
            assert_true(e2e_is_whole(t, hour));
        }
    }
    assert_true(done && failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_that_fills_while_the_receipt_is_written, e2e_setup,
                                        unmount),
        cmocka_unit_test_setup_teardown(a_store_that_is_full_before_the_claim, e2e_setup, unmount),
        cmocka_unit_test_setup_teardown(a_store_with_room_for_part_of_an_attempt, e2e_setup,
                                        unmount),
    };

    leave_the_mounts_of_others();
    return cmocka_run_group_tests_name("full disk", tests, NULL, NULL);
}
