#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/store.h"

#include "fake_store.h"
#include "scratch_store.h"

#define PATH "_stagegraph/claims/silver/2024-01-01T05"
#define DIR  "_stagegraph/claims/silver"

static struct scratch dir;
static struct sg_store *store;
static struct sg_error err;
static struct sg_buf held = SG_BUF_INIT;

static int set_up(void **state)
{
    (void)state;
    store = scratch_store_open(&dir, &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_store_close(&dir, store);
    sg_buf_done(&held);
    return 0;
}

static enum sg_claim_outcome take_in(struct sg_store *s, const char *text,
                                     struct sg_store_claim *ret)
{
    enum sg_claim_outcome o = SG_CLAIM_HELD;

    OK(sg_store_claim_take(s, PATH, sg_span_of(text), ret, &o, &held, &err));
    return o;
}

static enum sg_claim_outcome take(const char *text, struct sg_store_claim *ret)
{
    return take_in(store, text, ret);
}

static void check_text(const char *expected)
{
    char *text = scratch_read(&dir, PATH, NULL);

    if (expected == NULL ? text != NULL : text == NULL || strcmp(text, expected) != 0)
        fail_msg("the claim is %s, not %s", text != NULL ? text : "absent",
                 expected != NULL ? expected : "absent");
    free(text);
}

static void a_claim_is_taken_held_and_dropped(void **state)
{
    struct sg_store_claim a, b;
    bool ours;

    (void)state;
    assert_int_equal(take("a", &a), SG_CLAIM_TAKEN);
    check_text("a");
    assert_int_equal(take("b", &b), SG_CLAIM_HELD);
    assert_string_equal(sg_buf_text(&held), "a");
    OK(sg_store_claim_verify(store, &a, &ours, &err));
    assert_true(ours);
    OK(sg_store_claim_drop(store, &a, &err));
    assert_null(a.path);
    check_text(NULL);
    assert_int_equal(take("b", &b), SG_CLAIM_TAKEN);
    OK(sg_store_claim_drop(store, &b, &err));
    assert_int_equal(scratch_count(&dir, DIR, ""), 0);
}

static void a_claim_flushes_its_file_and_its_directory(void **state)
{
    struct sg_fake_store *f;
    struct sg_store_claim c;

    (void)state;
    scratch_make_dir(&dir, DIR);
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    assert_int_equal(take_in(sg_fake_store_get(f), "a", &c), SG_CLAIM_TAKEN);
    OK(sg_store_claim_drop(sg_fake_store_get(f), &c, &err));
    assert_string_equal(
        sg_fake_store_trace(f),
        "create:.2024-01-01T05.*.tmp write:.2024-01-01T05.*.tmp fsync:.2024-01-01T05.*.tmp "
        "rename:2024-01-01T05 fsync:silver unlink:2024-01-01T05");
    sg_fake_store_close(f);
}

static void a_claim_that_nobody_locks_is_dead_and_can_be_replaced(void **state)
{
    struct sg_store_claim c, other;

    (void)state;
    scratch_write(&dir, PATH, "dead");
    assert_int_equal(take("b", &c), SG_CLAIM_DEAD);
    assert_string_equal(sg_buf_text(&held), "dead");
    assert_int_equal(take("x", &other), SG_CLAIM_HELD); /* one is told so */
    assert_string_equal(sg_buf_text(&held), "dead");
    OK(sg_store_claim_replace(store, &c, sg_span_of("b"), &err));
    check_text("b");
    assert_int_equal(take("x", &other), SG_CLAIM_HELD);
    assert_string_equal(sg_buf_text(&held), "b");
    OK(sg_store_claim_drop(store, &c, &err));
    check_text(NULL);
}

static void a_dead_claim_can_be_dropped_or_left(void **state)
{
    struct sg_store_claim c;

    (void)state;
    scratch_write(&dir, PATH, "dead");
    assert_int_equal(take("b", &c), SG_CLAIM_DEAD);
    sg_store_claim_leave(store, &c);
    check_text("dead");
    assert_int_equal(take("b", &c), SG_CLAIM_DEAD);
    OK(sg_store_claim_drop(store, &c, &err));
    check_text(NULL);
}

static void a_claim_lives_as_long_as_a_descriptor_of_it(void **state)
{
    struct sg_store_claim a, b;
    int shim;

    (void)state;
    assert_int_equal(take("a", &a), SG_CLAIM_TAKEN);
    shim = dup(a.lock_fd);
    assert_int_equal(fcntl(a.lock_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    sg_store_claim_leave(store, &a);
    assert_int_equal(take("b", &b), SG_CLAIM_HELD);
    close(shim);
    assert_int_equal(take("b", &b), SG_CLAIM_DEAD);
    OK(sg_store_claim_drop(store, &b, &err));
}

static void a_claim_that_somebody_has_removed_is_no_longer_ours(void **state)
{
    struct sg_store_claim a, b;
    bool ours;

    (void)state;
    assert_int_equal(take("a", &a), SG_CLAIM_TAKEN);
    assert_int_equal(unlink(scratch_path(&dir, PATH)), 0);
    OK(sg_store_claim_verify(store, &a, &ours, &err));
    assert_false(ours);
    assert_int_equal(take("b", &b), SG_CLAIM_TAKEN);
    OK(sg_store_claim_verify(store, &a, &ours, &err));
    assert_false(ours);
    OK(sg_store_claim_drop(store, &a, &err)); /* and leaves b's alone */
    check_text("b");
    OK(sg_store_claim_verify(store, &b, &ours, &err));
    assert_true(ours);
    OK(sg_store_claim_drop(store, &b, &err));
}

static void a_dead_claim_that_is_gone_is_not_replaced(void **state)
{
    struct sg_store_claim c;

    (void)state;
    scratch_write(&dir, PATH, "dead");
    assert_int_equal(take("b", &c), SG_CLAIM_DEAD);
    assert_int_equal(unlink(scratch_path(&dir, PATH)), 0);
    assert_false(sg_store_claim_replace(store, &c, sg_span_of("b"), &err));
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_non_null(c.path);
    OK(sg_store_claim_drop(store, &c, &err));
    assert_int_equal(scratch_count(&dir, DIR, ""), 0);
}

static bool collect(void *ctx, const char *name, bool alive, struct sg_span text)
{
    struct sg_buf *b = ctx;

    OK(sg_buf_addf(b, &err, "%s %s %.*s\n", name, alive ? "alive" : "dead", (int)text.len,
                   text.at));
    return true;
}

static void listing_tells_the_living_from_the_dead_and_sweeps(void **state)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_store_claim c;
    int fd;

    (void)state;
    assert_int_equal(take("me", &c), SG_CLAIM_TAKEN);
    scratch_write(&dir, DIR "/.2024-01-01T06.0123456789abcdef.tmp", "of a dead process");
    scratch_write(&dir, DIR "/.2024-01-01T07.0123456789abcdef.tmp", "of a living one");
    fd = open(scratch_path(&dir, DIR "/.2024-01-01T07.0123456789abcdef.tmp"), O_RDONLY);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    OK(sg_store_claim_list(store, DIR, collect, &b, &err));
    assert_string_equal(sg_buf_text(&b), "2024-01-01T05 alive me\n");
    assert_int_equal(scratch_count(&dir, DIR, ".tmp"), 1);
    close(fd);
    sg_store_claim_leave(store, &c);
    sg_buf_clear(&b);
    OK(sg_store_claim_list(store, "_stagegraph/claims", collect, &b, &err));
    assert_string_equal(sg_buf_text(&b), "silver/2024-01-01T05 dead me\n");
    assert_int_equal(scratch_count(&dir, DIR, ".tmp"), 0);
    assert_int_equal(take("b", &c), SG_CLAIM_DEAD); /* a look has changed nothing */
    OK(sg_store_claim_drop(store, &c, &err));
    sg_buf_done(&b);
}

static void a_look_at_one_claim_tells_whether_it_lives(void **state)
{
    static const char path[] = DIR "/2024-01-01T05", other[] = DIR "/2024-01-01T06";
    struct sg_buf b = SG_BUF_INIT;
    struct sg_store_claim c;

    (void)state;
    OK(sg_store_claim_look(store, path, collect, &b, &err)); /* no directory even */
    assert_int_equal(take("me", &c), SG_CLAIM_TAKEN);
    OK(sg_store_claim_look(store, other, collect, &b, &err));
    assert_int_equal(b.len, 0);
    OK(sg_store_claim_look(store, path, collect, &b, &err));
    assert_string_equal(sg_buf_text(&b), "2024-01-01T05 alive me\n");
    sg_store_claim_leave(store, &c);
    sg_buf_clear(&b);
    OK(sg_store_claim_look(store, path, collect, &b, &err));
    assert_string_equal(sg_buf_text(&b), "2024-01-01T05 dead me\n");
    assert_int_equal(take("b", &c), SG_CLAIM_DEAD); /* a look has changed nothing */
    OK(sg_store_claim_drop(store, &c, &err));
    sg_buf_done(&b);
}

static void the_first_claim_of_a_process_sweeps_what_the_dead_have_left(void **state)
{
    struct sg_store_claim c;

    (void)state;
    scratch_write(&dir, DIR "/.2024-01-01T06.0123456789abcdef.tmp", "x");
    assert_int_equal(take("b", &c), SG_CLAIM_TAKEN);
    assert_int_equal(scratch_count(&dir, DIR, ".tmp"), 0);
    OK(sg_store_claim_drop(store, &c, &err));
}

static void a_file_system_without_exclusive_renames_has_links(void **state)
{
    static const int reasons[] = { EINVAL, ENOSYS, ENOTSUP };
    struct sg_fake_store *f;
    struct sg_store_claim a, b;

    (void)state;
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    for (size_t i = 0; i < 3; i++) {
        sg_fake_store_arm(f,
                          (struct sg_fault){
                              .call = "rename_new", .at = 1, .for_good = true, .sys = reasons[i] });
        assert_int_equal(take_in(sg_fake_store_get(f), "a", &a), SG_CLAIM_TAKEN);
        assert_int_equal(take_in(sg_fake_store_get(f), "b", &b), SG_CLAIM_HELD);
        OK(sg_store_claim_drop(sg_fake_store_get(f), &a, &err));
        assert_int_equal(scratch_count(&dir, DIR, ""), 0);
    }
    sg_fake_store_close(f);
}

/* util-linux's flock(1) holds the file at PATH until its standard input ends. */
static pid_t lock_from_outside(int *ret_stdin)
{
    int in[2], out[2];
    char ready;
    pid_t pid;

    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execlp("flock", "flock", scratch_path(&dir, PATH), "sh", "-c", "echo; cat >/dev/null",
               (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    if (read(out[0], &ready, 1) != 1) {
        (void)waitpid(pid, NULL, 0);
        close(in[1]);
        pid = 0; /* there is no flock(1) here */
    }
    close(out[0]);
    *ret_stdin = in[1];
    return pid;
}

static void a_lock_from_outside_is_respected(void **state)
{
    static const char *const texts[] = { "somebody's", "" };
    struct sg_buf b = SG_BUF_INIT;
    struct sg_store_claim c;
    int in;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pid_t pid;

        scratch_write(&dir, PATH, texts[i]);
        pid = lock_from_outside(&in);
        if (pid == 0)
            skip();
        assert_int_equal(take("a", &c), SG_CLAIM_HELD);
        assert_string_equal(sg_buf_text(&held), texts[i]);
        sg_buf_clear(&b);
        OK(sg_store_claim_list(store, DIR, collect, &b, &err));
        assert_non_null(strstr(sg_buf_text(&b), " alive "));
        close(in);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(take("a", &c), SG_CLAIM_DEAD);
        OK(sg_store_claim_drop(store, &c, &err));
    }
    sg_buf_done(&b);
}

static void an_endless_text_is_a_claim_of_nobody_known(void **state)
{
    char *text = calloc(1, 100000);
    struct sg_store_claim c;

    (void)state;
    assert_non_null(text);
    scratch_write_bytes(&dir, PATH, text, 100000);
    free(text);
    assert_int_equal(take("a", &c), SG_CLAIM_DEAD);
    assert_int_equal(held.len, 0);
    OK(sg_store_claim_drop(store, &c, &err));
}

/* What processes share in a contest. */
struct arena {
    atomic_int inside, worst, taken, held, dead, left, bad;
};

/* One contender: takes the claim over and over; what it has it drops, or leaves dead. */
static void contend(struct arena *a, int me, int rounds)
{
    unsigned random = (unsigned)me * 2654435761u + 12345;
    char text[32], seen[32];

    snprintf(text, sizeof(text), "process %d", me);
    for (int i = 0; i < rounds; i++) {
        struct sg_store_claim c;
        enum sg_claim_outcome o;
        bool ours;
        int n;

        if (!sg_store_claim_take(store, PATH, sg_span_of(text), &c, &o, &held, &err))
            goto bad;
        if (o == SG_CLAIM_HELD) {
            atomic_fetch_add(&a->held, 1);
            if (sscanf(sg_buf_text(&held), "process %d%n", &n, &n) != 1)
                goto bad;
            continue;
        }
        if (atomic_fetch_add(&a->inside, 1) != 0)
            atomic_fetch_add(&a->worst, 1);
        atomic_fetch_add(o == SG_CLAIM_DEAD ? &a->dead : &a->taken, 1);
        random = random * 1664525u + 1013904223u;
        if (o == SG_CLAIM_DEAD && (random >> 28) % 2 == 0 &&
            !sg_store_claim_replace(store, &c, sg_span_of(text), &err))
            goto bad;
        if (!sg_store_claim_verify(store, &c, &ours, &err) || !ours)
            goto bad;
        if ((random >> 24) % 4 == 0) {
            atomic_fetch_add(&a->left, 1);
            atomic_fetch_sub(&a->inside, 1);
            sg_store_claim_leave(store, &c);
        } else {
            atomic_fetch_sub(&a->inside, 1);
            if (!sg_store_claim_drop(store, &c, &err))
                goto bad;
        }
    }
    return;
bad:
    snprintf(seen, sizeof(seen), "%.20s", sg_buf_text(&held));
    dprintf(2, "contender %d: %s (held by %s)\n", me, err.text, seen);
    atomic_fetch_add(&a->bad, 1);
}

static void of_many_contenders_one_has_it_and_each_dead_one_is_found_once(void **state)
{
    enum { N = 16, ROUNDS = 120 };
    struct arena *a =
        mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sg_store_claim c;
    int there;

    (void)state;
    assert_ptr_not_equal(a, MAP_FAILED);
    for (int i = 0; i < N; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            contend(a, i, ROUNDS);
            _exit(0);
        }
    }
    for (int i = 0; i < N; i++)
        (void)wait(NULL);
    assert_int_equal(a->bad, 0);
    assert_int_equal(a->worst, 0);
    assert_int_equal(a->taken + a->dead + a->held, N * ROUNDS);
    there = scratch_has(&dir, PATH);
    assert_int_equal(a->left, a->dead + there);
    assert_true(a->taken > 0 && a->dead > 0);
    if (there) {
        assert_int_equal(take("last", &c), SG_CLAIM_DEAD);
        OK(sg_store_claim_drop(store, &c, &err));
    }
    assert_int_equal(scratch_count(&dir, DIR, ""), 0);
    munmap(a, sizeof(*a));
}

static bool ignore(void *ctx, const char *name, bool alive, struct sg_span text)
{
    (void)ctx;
    (void)name;
    (void)alive;
    (void)text;
    return true;
}

static void whoever_only_looks_makes_no_contender_fail(void **state)
{
    enum { LOOKERS = 3, ROUNDS = 400 };
    pid_t pids[LOOKERS];
    struct sg_store_claim c;

    (void)state;
    for (int i = 0; i < LOOKERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0); /* -1 below would kill everybody */
        if (pids[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            while (sg_store_claim_list(store, DIR, ignore, NULL, &err))
                ;
            _exit(1);
        }
    }
    for (int i = 0; i < ROUNDS; i++) {
        enum sg_claim_outcome o = take("me", &c);

        assert_int_equal(o, i % 2 == 0 ? SG_CLAIM_TAKEN : SG_CLAIM_DEAD);
        if (i % 2 == 0)
            sg_store_claim_leave(store, &c);
        else
            OK(sg_store_claim_drop(store, &c, &err));
    }
    for (int i = 0; i < LOOKERS; i++) {
        kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
}

/* After whatever happened: the claim is absent, or whole and, since nobody lives, dead; and the
 * next process takes it. */
static void check_outcome(const char *what, const struct sg_fault *fault, const char *before,
                          const char *after)
{
    const struct sg_store_config config = { .root = dir.dir, .sync = true };
    char *text = scratch_read(&dir, PATH, NULL);
    struct sg_store_claim c;
    struct sg_store *next;
    enum sg_claim_outcome o;

    if (text != NULL && strcmp(text, after) != 0 && (before == NULL || strcmp(text, before) != 0))
        fail_msg("%s, fault at %u: the claim is %s", what, fault->at, text);
    if (!fault->dies && !fault->for_good && scratch_count(&dir, "", ".tmp") != 0)
        fail_msg("%s, fault at %u: a temporary file stays", what, fault->at);
    OK(sg_store_open(&config, &next, &err));
    o = take_in(next, "next", &c);
    if (o != (text != NULL ? SG_CLAIM_DEAD : SG_CLAIM_TAKEN))
        fail_msg("%s, fault at %u: then outcome %d", what, fault->at, (int)o);
    OK(sg_store_claim_drop(next, &c, &err));
    if (scratch_count(&dir, "", "") != 0 && o == SG_CLAIM_TAKEN)
        fail_msg("%s, fault at %u: something stays", what, fault->at);
    sg_store_free(next);
    free(text);
}

static bool try_take(struct sg_fault fault)
{
    struct sg_store_claim c;
    enum sg_claim_outcome o;
    struct sg_fake_store *f;
    bool ok, hit;

    scratch_empty(&dir);
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    sg_fake_store_arm(f, fault);
    sg_error_clear(&err);
    ok = sg_store_claim_take(sg_fake_store_get(f), PATH, sg_span_of("mine"), &c, &o, &held, &err);
    hit = sg_fake_store_hit(f);
    if (ok) {
        assert_int_equal(o, SG_CLAIM_TAKEN);
        check_text("mine");
        sg_store_claim_leave(sg_fake_store_get(f), &c);
    } else if (!hit || (!fault.dies && !fault.for_good && scratch_has(&dir, PATH))) {
        fail_msg("take, fault at %u: failed (%s), but it is there", fault.at, err.text);
    }
    sg_fake_store_close(f);
    check_outcome("take", &fault, NULL, "mine");
    return hit;
}

static bool try_replace(struct sg_fault fault)
{
    struct sg_store_claim c;
    struct sg_fake_store *f;
    bool ok, hit;

    scratch_empty(&dir);
    scratch_write(&dir, PATH, "dead");
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    assert_int_equal(take_in(sg_fake_store_get(f), "mine", &c), SG_CLAIM_DEAD);
    sg_fake_store_arm(f, fault);
    ok = sg_store_claim_replace(sg_fake_store_get(f), &c, sg_span_of("mine"), &err);
    hit = sg_fake_store_hit(f);
    assert_true(ok || hit);
    if (ok)
        check_text("mine");
    assert_non_null(c.path);
    sg_store_claim_leave(sg_fake_store_get(f), &c);
    sg_fake_store_close(f);
    check_outcome("replace", &fault, "dead", "mine");
    return hit;
}

static bool try_drop(struct sg_fault fault)
{
    struct sg_store_claim c;
    struct sg_fake_store *f;
    bool ok, hit;

    scratch_empty(&dir);
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    assert_int_equal(take_in(sg_fake_store_get(f), "mine", &c), SG_CLAIM_TAKEN);
    sg_fake_store_arm(f, fault);
    ok = sg_store_claim_drop(sg_fake_store_get(f), &c, &err);
    hit = sg_fake_store_hit(f);
    assert_true(ok || hit);
    if (ok)
        check_text(NULL);
    assert_null(c.path);
    sg_fake_store_close(f);
    check_outcome("drop", &fault, NULL, "mine");
    return hit;
}

static void whatever_call_fails_a_claim_is_absent_or_whole(void **state)
{
    static bool (*const tries[])(struct sg_fault) = { try_take, try_replace, try_drop };
    static const struct sg_fault kinds[] = {
        { .sys = ENOSPC },
        { .sys = EIO, .for_good = true },
        { .dies = true },
    };

    (void)state;
    for (size_t t = 0; t < 3; t++) {
        for (size_t i = 0; i < 3; i++) {
            struct sg_fault fault = kinds[i];

            do
                fault.at++;
            while (tries[t](fault));
            assert_true(fault.at > 2);
        }
    }
}

static void a_claim_cut_at_any_byte_is_absent_or_whole(void **state)
{
    static bool (*const tries[])(struct sg_fault) = { try_take, try_replace };

    (void)state;
    for (size_t t = 0; t < 2; t++) {
        for (int dies = 0; dies < 2; dies++) {
            struct sg_fault fault = { .cuts = true, .dies = dies != 0 };

            while (tries[t](fault))
                fault.cut_at++;
            assert_int_equal(fault.cut_at, strlen("mine"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_is_taken_held_and_dropped),
        cmocka_unit_test(a_claim_flushes_its_file_and_its_directory),
        cmocka_unit_test(a_claim_that_nobody_locks_is_dead_and_can_be_replaced),
        cmocka_unit_test(a_dead_claim_can_be_dropped_or_left),
        cmocka_unit_test(a_claim_lives_as_long_as_a_descriptor_of_it),
        cmocka_unit_test(a_claim_that_somebody_has_removed_is_no_longer_ours),
        cmocka_unit_test(a_dead_claim_that_is_gone_is_not_replaced),
        cmocka_unit_test(listing_tells_the_living_from_the_dead_and_sweeps),
        cmocka_unit_test(a_look_at_one_claim_tells_whether_it_lives),
        cmocka_unit_test(the_first_claim_of_a_process_sweeps_what_the_dead_have_left),
        cmocka_unit_test(a_file_system_without_exclusive_renames_has_links),
        cmocka_unit_test(a_lock_from_outside_is_respected),
        cmocka_unit_test(an_endless_text_is_a_claim_of_nobody_known),
        cmocka_unit_test(of_many_contenders_one_has_it_and_each_dead_one_is_found_once),
        cmocka_unit_test(whoever_only_looks_makes_no_contender_fail),
        cmocka_unit_test(whatever_call_fails_a_claim_is_absent_or_whole),
        cmocka_unit_test(a_claim_cut_at_any_byte_is_absent_or_whole),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
