/*
 * history_prune: what is old goes, a little at a time, while others are at the file.
 */
#include "history_long.inc"

#include <sys/resource.h>
#include <sys/wait.h>

static int64_t prune(int64_t before_ms, const char *keep, bool alone)
{
    struct sg_history_prune how = {
        .before_ms = before_ms, .keep = &keep, .n_keep = keep != NULL, .alone = alone
    };
    int64_t n = -1;

    OK(sg_history_prune(h, &how, &n, &err));
    return n;
}

static void what_is_old_goes_page_by_page_and_what_is_needed_stays(void **state)
{
    (void)state;
    for (int64_t page = 1; page < 2000; page = page * 7 + 4) {
        fill(30);
        h->page = page;
        assert_int_equal(prune(20000, "r7", false), 18);
        assert_int_equal(asked("SELECT count(*) FROM runs"), 12);
        assert_int_equal(asked("SELECT count(*) FROM attempts"), 1200);
        assert_int_equal(asked("SELECT count(*) FROM attempts WHERE run = 'r7'"), 100);
        assert_int_equal(prune(20000, "r7", false), 0);
        assert_int_equal(prune(1000000, NULL, false), 12);
        assert_int_equal(asked("SELECT count(*) FROM attempts"), 0);
        sg_history_close(h);
        h = NULL;
    }
}

static int count_commits(unsigned kind, void *ctx, void *statement, void *text)
{
    int *left = ctx;

    (void)kind;
    (void)statement;
    if (strcmp(text, "COMMIT") == 0 && --*left == 0)
        _exit(9);
    return 0;
}

/* In a process of its own, which ends before it commits the k-th time. True: it came to its end. */
static bool prune_and_die(int k)
{
    pid_t pid;
    int status;

    sg_history_close(h); /* a process that forks must not carry an open file across */
    h = NULL;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int64_t n;
        bool ok;

        open_unflushed();
        (void)sqlite3_trace_v2(h->db, SQLITE_TRACE_STMT, count_commits, &k);
        h->page = 100;
        ok = sg_history_prune(h, &(struct sg_history_prune){ .before_ms = 10000 }, &n, &err);
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), 1);
    open_unflushed();
    return WEXITSTATUS(status) == 0;
}

static void a_prune_that_is_killed_has_removed_a_part_and_the_next_goes_on(void **state)
{
    int trials = 0;

    (void)state;
    fill(12);
    for (bool over = false; !over; trials++) {
        over = prune_and_die(3); /* two pages each */
        assert_int_equal(asked("SELECT count(*) FROM attempts WHERE started_ms >= 10000"), 300);
        assert_int_equal(asked("SELECT count(*) FROM pragma_integrity_check"
                               " WHERE integrity_check != 'ok'"),
                         0);
    }
    assert_true(trials > 4);
    assert_int_equal(asked("SELECT count(*) FROM attempts"), 300);
    assert_int_equal(asked("SELECT count(*) FROM runs"), 3);
    assert_null(sg_history_notice(h));
}

static int write_between(unsigned kind, void *ctx, void *statement, void *text)
{
    int *n = ctx;

    (void)kind;
    (void)statement;
    if (strcmp(text, "BEGIN IMMEDIATE") == 0) { /* it is about to, so nothing is locked */
        sqlite3 *db = shell();

        tell(db, "INSERT INTO attempts (run, node, stage, result, started_ms)"
                 " VALUES ('other', 'z', 's', 'ok', 1000000)");
        sqlite3_close(db);
        ++*n;
    }
    return 0;
}

static void a_run_can_write_between_the_pages_of_a_prune(void **state)
{
    int n = 0;

    (void)state;
    fill(12);
    h->page = 100;
    assert_int_equal(sqlite3_trace_v2(h->db, SQLITE_TRACE_STMT, write_between, &n), SQLITE_OK);
    assert_int_equal(prune(10000, NULL, false), 9);
    assert_int_equal(sqlite3_trace_v2(h->db, 0, NULL, NULL), SQLITE_OK);
    assert_true(n > 9);
    assert_int_equal(asked("SELECT count(*) FROM attempts WHERE run = 'other'"), n);
}

static void the_file_shrinks_with_what_is_removed(void **state)
{
    int64_t before;

    (void)state;
    fill(200);
    before = asked("PRAGMA page_count");
    assert_int_equal(prune(190000, NULL, false), 189);
    assert_int_equal(asked("PRAGMA freelist_count"), 0);
    assert_true(asked("PRAGMA page_count") < before / 10);
}

/* As stagegraph made them before. */
static void a_file_that_cannot_shrink_is_written_anew_when_nobody_else_is_at_it(void **state)
{
    int64_t before;
    sqlite3 *db;

    (void)state;
    fill(200);
    sg_history_close(h);
    db = shell();
    tell(db, "PRAGMA auto_vacuum = NONE; VACUUM");
    sqlite3_close(db);
    assert_int_equal(asked("PRAGMA auto_vacuum"), 0);
    open_unflushed();
    before = asked("PRAGMA page_count");
    assert_int_equal(prune(100000, NULL, false), 99); /* a run is alive */
    assert_int_equal(asked("PRAGMA page_count"), before);
    assert_int_equal(prune(190000, NULL, true), 90);
    assert_true(asked("PRAGMA page_count") < before / 10);
    assert_int_equal(asked("PRAGMA auto_vacuum"), 2);
}

/* No file may grow beyond what it has: the journal can't be written. */
static void a_prune_without_room_is_an_error_and_no_more(void **state)
{
    pid_t pid;
    int status;

    (void)state;
    fill(12);
    sg_history_close(h);
    h = NULL;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = { 600, 600 };
        int64_t n;

        (void)signal(SIGXFSZ, SIG_IGN);
        open_unflushed();
        (void)setrlimit(RLIMIT_FSIZE, &none);
        _exit(sg_history_prune(h, &(struct sg_history_prune){ .before_ms = 10000 }, &n, &err) ? 3
              : err.code == SG_ERROR_SYSTEM && strstr(err.text, "history.sqlite") != NULL     ? 0
                                                                                              : 4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    open_unflushed();
    assert_int_equal(asked("SELECT count(*) FROM attempts"), 1200);
    assert_int_equal(prune(10000, NULL, false), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_old_goes_page_by_page_and_what_is_needed_stays),
        cmocka_unit_test(a_prune_that_is_killed_has_removed_a_part_and_the_next_goes_on),
        cmocka_unit_test(a_run_can_write_between_the_pages_of_a_prune),
        cmocka_unit_test(the_file_shrinks_with_what_is_removed),
        cmocka_unit_test(a_file_that_cannot_shrink_is_written_anew_when_nobody_else_is_at_it),
        cmocka_unit_test(a_prune_without_room_is_an_error_and_no_more),
    };

    return run_each(tests, sizeof(tests) / sizeof(tests[0]));
}
