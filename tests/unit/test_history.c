#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include <cmocka.h>

#include "stagegraph/history.h"

#include "history_impl.h"
#include "scratch.h"

static struct scratch dir;
static struct sg_history *h;
static struct sg_error err;

#define HOUR_NS (3600 * SG_NS_PER_S)

static int set_up(void **state)
{
    (void)state;
    scratch_open(&dir);
    sg_error_clear(&err);
    OK(sg_history_open(dir.dir, false, &h, NULL, &err));
    h->late_ns = HOUR_NS; /* nothing is written but by what the test does */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sg_history_close(h);
    scratch_close(&dir);
    return 0;
}

static struct sg_history_run a_run(const char *name, int64_t started_ms)
{
    return (struct sg_history_run){ .run = name,
                                    .command = "hourly",
                                    .profile = "hourly",
                                    .started_ms = started_ms,
                                    .now_s = 1000,
                                    .explicit_range = true,
                                    .exit_status = -1,
                                    .pid = 42,
                                    .host = "h",
                                    .boot = "b" };
}

static struct sg_history_attempt an_attempt(const char *stage, const char *result, double seconds)
{
    return (struct sg_history_attempt){ .run = "r1",
                                        .node = stage,
                                        .stage = stage,
                                        .label = "2024-01-01",
                                        .result = result,
                                        .reason = "missing",
                                        .attempt = 1,
                                        .started_ms = 1000,
                                        .seconds = seconds,
                                        .cpu_seconds = NAN,
                                        .peak_bytes = -1,
                                        .read_bytes = -1,
                                        .written_bytes = -1,
                                        .jvms = -1,
                                        .gc_count = -1,
                                        .gc_seconds = NAN,
                                        .gc_longest_seconds = NAN,
                                        .heap_peak_bytes = -1,
                                        .heap_used_bytes = -1,
                                        .exit_code = -1,
                                        .signo = -1 };
}

static char seen[4096];

static bool see_run(void *ctx, const struct sg_history_run *r)
{
    size_t n = strlen(seen);

    snprintf(seen + n, sizeof(seen) - n, "%s %s %s %s %s %d %d %d %d %d %s ok %d;", r->run,
             r->command, r->profile != NULL ? r->profile : "-",
             r->request != NULL ? r->request : "-", r->host, (int)r->started_ms, (int)r->ended_ms,
             (int)r->now_s, r->explicit_range, (int)r->exit_status, r->boot, (int)r->n_ok);
    return ctx == NULL;
}

static bool see_attempt(void *ctx, const struct sg_history_attempt *a)
{
    size_t n = strlen(seen);

    snprintf(seen + n, sizeof(seen) - n, "%s %s %s %g %g %d;", a->node, a->result,
             a->detail != NULL ? a->detail : "-", a->seconds, a->cpu_seconds, (int)a->peak_bytes);
    return ctx == NULL;
}

/* The numbers alone: its texts are gone afterwards. */
static bool keep_run(void *ctx, const struct sg_history_run *r)
{
    *(struct sg_history_run *)ctx = *r;
    return true;
}

static const char *runs(int64_t limit)
{
    seen[0] = '\0';
    OK(sg_history_runs(h, &(struct sg_history_run_filter){ .limit = limit }, see_run, NULL, &err));
    return seen;
}

static const char *attempts(const char *run, const char *stage, const char *node, bool failed,
                            int64_t limit)
{
    seen[0] = '\0';
    const struct sg_history_filter f = { run, stage, node, failed, limit };

    OK(sg_history_attempts(h, &f, see_attempt, NULL, &err));
    return seen;
}

static void a_run_begins_and_ends(void **state)
{
    struct sg_history_run r = a_run("r1", 5);

    (void)state;
    r.request = "{\"x\":1}";
    OK(sg_history_run_begin(h, &r, &err));
    assert_string_equal(runs(10), "r1 hourly hourly {\"x\":1} h 5 0 1000 1 -1 b ok 0;");
    r.ended_ms = 9;
    r.exit_status = 0;
    r.n_ok = 7;
    OK(sg_history_run_end(h, &r, &err));
    assert_string_equal(runs(10), "r1 hourly hourly {\"x\":1} h 5 9 1000 1 0 b ok 7;");
}

/* It has written no counts of its own. */
static void the_nodes_of_a_run_that_was_killed_are_counted(void **state)
{
    static const struct {
        const char *node, *result;
    } tries[] = { { "a", "failed" },  { "a", "ok" },      { "b", "ok" },     { "c", "ok" },
                  { "d", "blocked" }, { "e", "timeout" }, { "f", "failed" }, { "g", "unchanged" } };
    struct sg_history_run r = a_run("r1", 5);

    (void)state;
    OK(sg_history_run_begin(h, &r, &err));
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        struct sg_history_attempt a = an_attempt("silver", tries[i].result, 1);

        a.node = tries[i].node;
        OK(sg_history_attempt_add(h, &a, &err));
    }
    OK(sg_history_flush(h, &err));
    OK(sg_history_runs(h, &(struct sg_history_run_filter){ .limit = 1 }, keep_run, &r, &err));
    assert_int_equal(r.n_ok, 3);
    assert_int_equal(r.n_unchanged, 1);
    assert_int_equal(r.n_failed, 2);
    assert_int_equal(r.n_blocked, 1);
    assert_int_equal(r.n_busy, 0);
    /* With an end it is its own word that counts. */
    r = a_run("r1", 5);
    r.ended_ms = 9;
    r.n_ok = 70;
    OK(sg_history_run_end(h, &r, &err));
    OK(sg_history_runs(h, &(struct sg_history_run_filter){ .limit = 1 }, keep_run, &r, &err));
    assert_int_equal(r.n_ok, 70);
    assert_int_equal(r.n_failed, 0);
}

static void the_newest_runs_come_first(void **state)
{
    struct sg_history_run r = a_run("r1", 5);

    (void)state;
    r.profile = NULL;
    OK(sg_history_run_begin(h, &r, &err));
    r = a_run("r2", 6);
    OK(sg_history_run_end(h, &r, &err)); /* one that never began is there too */
    assert_int_equal(strncmp(runs(0), "r2 ", 3), 0);
    assert_non_null(strstr(seen, ";r1 hourly - - "));
    assert_null(strstr(runs(1), "r1"));
    seen[0] = '\0';
    OK(sg_history_runs(h, &(struct sg_history_run_filter){ .limit = 0 }, see_run, &err,
                       &err)); /* fn stops */
    assert_null(strstr(seen, "r1"));
}

static void attempts_are_written_together(void **state)
{
    struct sg_history_attempt a = an_attempt("silver", "ok", 1.5);
    struct sg_history *other;

    (void)state;
    a.cpu_seconds = 0.25;
    a.peak_bytes = 100;
    a.detail = "d";
    OK(sg_history_attempt_add(h, &a, &err));
    assert_false(scratch_has(&dir, "history.sqlite")); /* not yet */
    OK(sg_history_flush(h, &err));
    OK(sg_history_open(dir.dir, true, &other, NULL, &err));
    seen[0] = '\0';
    OK(sg_history_attempts(other, &(struct sg_history_filter){ .run = "r1" }, see_attempt, NULL,
                           &err));
    assert_string_equal(seen, "silver ok d 1.5 0.25 100;");
    sg_history_close(other);
}

/* The file's change counter (SQLite's file format, offset 24), one more each transaction. */
static unsigned transactions(void)
{
    unsigned char b[4];
    int fd = open(scratch_path(&dir, "history.sqlite"), O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, b, sizeof(b), 24), sizeof(b));
    close(fd);
    return (unsigned)b[0] << 24 | (unsigned)b[1] << 16 | (unsigned)b[2] << 8 | b[3];
}

/* Each is three flushes, which is what somebody waits for who runs a job of a moment. */
static void the_end_of_a_run_is_one_transaction_with_the_attempts_that_wait(void **state)
{
    struct sg_history_run r = a_run("r1", 1000);
    struct sg_history_attempt a = an_attempt("bronze", "ok", 1);
    unsigned before;

    (void)state;
    OK(sg_history_run_begin(h, &r, &err));
    OK(sg_history_attempt_add(h, &a, &err));
    before = transactions();
    r.ended_ms = 2000;
    OK(sg_history_run_end(h, &r, &err));
    assert_int_equal(transactions(), before + 1);
    OK(sg_history_flush(h, &err));
    assert_int_equal(transactions(), before + 1);
    seen[0] = '\0';
    OK(sg_history_attempts(h, &(struct sg_history_filter){ .run = "r1" }, see_attempt, NULL, &err));
    assert_string_equal(seen, "bronze ok - 1 nan -1;");
    assert_non_null(strstr(runs(1), "2000"));
}

static void what_was_not_seen_is_null(void **state)
{
    struct sg_history_attempt a = an_attempt("silver", "failed", NAN);
    sqlite3_stmt *st;
    sqlite3 *db;

    (void)state;
    OK(sg_history_attempt_add(h, &a, &err));
    assert_string_equal(attempts(NULL, NULL, NULL, false, 0), "silver failed - nan nan -1;");
    assert_int_equal(sqlite3_open(scratch_path(&dir, "history.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "SELECT count(*) FROM attempts WHERE coalesce(seconds,"
                                        " cpu_seconds, peak_bytes, peak_source, read_bytes,"
                                        " written_bytes, jvms, gc_count, gc_seconds,"
                                        " gc_longest_seconds, heap_peak_bytes, heap_used_bytes,"
                                        " exit_code, signal, applications) IS NULL",
                                        -1, &st, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(st, 0), 1);
    sqlite3_finalize(st);
    sqlite3_close(db);
}

static void attempts_are_asked_for_by_what_they_are_of(void **state)
{
    static const char *const results[] = { "ok",      "unchanged", "completed", "failed",
                                           "timeout", "busy",      "blocked" };

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        struct sg_history_attempt a =
            an_attempt(i % 2 != 0 ? "gold" : "silver", results[i], (double)i);

        a.started_ms = (int64_t)i;
        a.run = i < 4 ? "r1" : "r2";
        OK(sg_history_attempt_add(h, &a, &err));
    }
    assert_string_equal(
        attempts("r2", NULL, NULL, false, 0),
        "silver timeout - 4 nan -1;gold busy - 5 nan -1;silver blocked - 6 nan -1;");
    assert_string_equal(attempts(NULL, "gold", NULL, true, 0),
                        "gold failed - 3 nan -1;gold busy - 5 nan -1;");
    assert_string_equal(attempts("r1", NULL, "silver", false, 1), "silver completed - 2 nan -1;");
    assert_string_equal(attempts("none", NULL, NULL, false, 0), "");
}

static void usual_is_the_median_of_what_went_well(void **state)
{
    double median = 0, p90 = 0;
    int64_t n = 1;

    (void)state;
    OK(sg_history_usual(h, "silver", &median, &p90, &n, &err));
    assert_int_equal(n, 0);
    for (int i = 1; i <= 10; i++) {
        struct sg_history_attempt a = an_attempt("silver", "ok", i);

        OK(sg_history_attempt_add(h, &a, &err));
        a.result = "failed";
        a.seconds = 1000;
        OK(sg_history_attempt_add(h, &a, &err));
        a = an_attempt("gold", "ok", 2000);
        OK(sg_history_attempt_add(h, &a, &err));
    }
    OK(sg_history_usual(h, "silver", &median, &p90, &n, &err));
    assert_int_equal(n, 10);
    assert_true(median == 5.5 && p90 == 9);
    for (int i = 0; i < 200; i++) {
        struct sg_history_attempt a = an_attempt("silver", "ok", 3);

        a.started_ms = 5000 + i;
        OK(sg_history_attempt_add(h, &a, &err));
    }
    OK(sg_history_usual(h, "silver", &median, &p90, &n, &err));
    assert_true(n == 200 && median == 3 && p90 == 3); /* the newest */
}

static void reading_creates_nothing(void **state)
{
    struct sg_history *other = h;
    double m, p;
    int64_t n;

    (void)state;
    OK(sg_history_open(dir.dir, true, &other, NULL, &err));
    assert_null(other);
    assert_int_equal(scratch_count(&dir, "", ""), 0);
    scratch_write(&dir, "history.sqlite", ""); /* made, and nothing written yet */
    OK(sg_history_open(dir.dir, true, &other, NULL, &err));
    OK(sg_history_usual(other, "silver", &m, &p, &n, &err));
    assert_int_equal(n, 0);
    sg_history_close(other);
}

static void fill(void)
{
    struct sg_history_run r = a_run("r1", 1);

    for (int i = 0; i < 300; i++) {
        struct sg_history_attempt a = an_attempt("silver", "ok", i);

        OK(sg_history_attempt_add(h, &a, &err));
    }
    OK(sg_history_run_begin(h, &r, &err));
    OK(sg_history_flush(h, &err));
    sg_history_close(h);
    h = NULL;
}

static void a_file_that_is_no_history_is_set_aside_when_opened(void **state)
{
    struct sg_history_run r = a_run("r2", 1);
    const char *notice = NULL;
    struct sg_history *other;

    (void)state;
    for (int i = 1; i <= 3; i++) {
        sg_history_close(h);
        scratch_write(&dir, "history.sqlite", "this was never a database, but it is long enough");
        scratch_write(&dir, "history.sqlite-journal", "and this is no journal");
        assert_false(sg_history_open(dir.dir, true, &other, NULL, &err)); /* who reads leaves it */
        OK(sg_history_open(dir.dir, false, &h, &notice, &err));
        assert_non_null(notice);
        assert_non_null(strstr(notice, i == 1 ? "damaged-1" : i == 2 ? "damaged-2" : "damaged-3"));
        assert_false(scratch_has(&dir, "history.sqlite-journal"));
        OK(sg_history_run_begin(h, &r, &err));
        assert_int_equal(strncmp(runs(0), "r2", 2), 0);
    }
}

static void damage_inside_is_set_aside_when_it_is_met(void **state)
{
    struct sg_history_attempt a = an_attempt("gold", "ok", 1);
    const char *notice;
    struct stat st;
    int fd;

    (void)state;
    fill();
    fd = open(scratch_path(&dir, "history.sqlite"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 4096; at < st.st_size; at += 8)
        assert_int_equal(pwrite(fd, "garbage!", 8, at), 8);
    close(fd);
    OK(sg_history_open(dir.dir, false, &h, &notice, &err));
    assert_null(notice); /* nothing to be seen yet */
    OK(sg_history_attempt_add(h, &a, &err));
    OK(sg_history_flush(h, &err));
    assert_non_null(sg_history_notice(h));
    assert_true(scratch_has(&dir, "history.sqlite.damaged-1"));
    assert_string_equal(attempts(NULL, NULL, NULL, false, 0), "gold ok - 1 nan -1;");
}

static void cut_anywhere_it_is_whole_or_set_aside(void **state)
{
    struct stat st;

    (void)state;
    fill();
    assert_int_equal(stat(scratch_path(&dir, "history.sqlite"), &st), 0);
    for (off_t n = 1; n < st.st_size; n += 1531) {
        struct sg_history_attempt a = an_attempt("gold", "ok", 1);

        assert_int_equal(truncate(scratch_path(&dir, "history.sqlite"), n), 0);
        OK(sg_history_open(dir.dir, false, &h, NULL, &err));
        OK(sg_history_attempt_add(h, &a, &err));
        OK(sg_history_flush(h, &err));
        assert_non_null(strstr(attempts(NULL, "gold", NULL, false, 0), "gold ok"));
        sg_history_close(h);
        scratch_empty(&dir);
        OK(sg_history_open(dir.dir, false, &h, NULL, &err));
        fill();
    }
}

static void several_write_at_once(void **state)
{
    enum { N = 4, ROUNDS = 25 };
    int status;

    (void)state;
    for (int i = 0; i < N; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            struct sg_history_attempt a = an_attempt("silver", "ok", 1);
            struct sg_history *mine;
            bool ok = sg_history_open(dir.dir, false, &mine, NULL, &err);

            for (int k = 0; ok && k < ROUNDS; k++)
                ok = sg_history_attempt_add(mine, &a, &err) && sg_history_flush(mine, &err);
            if (!ok)
                dprintf(2, "%s\n", err.text);
            _exit(ok ? 0 : 1);
        }
    }
    for (int i = 0; i < N; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    seen[0] = '\0';
    {
        double m, p;
        int64_t n;

        OK(sg_history_usual(h, "silver", &m, &p, &n, &err));
        assert_int_equal(n, N * ROUNDS);
    }
    assert_int_equal(scratch_count(&dir, "", "damaged"), 0);
}

static void it_is_readable_while_it_is_written(void **state)
{
    struct sg_history_attempt a = an_attempt("silver", "ok", 1);
    sqlite3_stmt *st;
    sqlite3 *db;

    (void)state;
    OK(sg_history_attempt_add(h, &a, &err));
    OK(sg_history_flush(h, &err));
    OK(sg_history_attempt_add(h, &a, &err)); /* waiting */
    assert_int_equal(sqlite3_open(scratch_path(&dir, "history.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM attempts", -1, &st, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int(st, 0), 1);
    sqlite3_finalize(st);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_not_equal((const char *)sqlite3_column_text(st, 0), "wal");
    sqlite3_finalize(st);
    sqlite3_close(db);
}

/*
 * A disk that takes its time: every flush of SQLite's waits until the test lets it go on. It notes
 * which thread it was.
 */
static struct {
    sqlite3_vfs vfs;
    const sqlite3_vfs *base;
    sqlite3_io_methods methods;
    const sqlite3_io_methods *of;
    sem_t flushes, let;
    pthread_t caller;
    bool by_caller; /* the thread that must never wait */
} disk;

static int slow_sync(sqlite3_file *f, int flags)
{
    if (pthread_equal(pthread_self(), disk.caller)) {
        disk.by_caller = true;
    } else {
        (void)sem_post(&disk.flushes);
        (void)sem_wait(&disk.let);
        (void)sem_post(&disk.let); /* once let go on, it is a quick one */
    }
    return disk.of->xSync(f, flags);
}

static int slow_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    int code = disk.base->xOpen((sqlite3_vfs *)(uintptr_t)disk.base, name, f, flags, out);

    (void)vfs;
    if (code == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB) != 0) {
        disk.of = f->pMethods;
        disk.methods = *f->pMethods;
        disk.methods.xSync = slow_sync;
        f->pMethods = &disk.methods;
    }
    return code;
}

static void open_slow_disk(void)
{
    disk.base = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.base;
    disk.vfs.zName = "slow";
    disk.vfs.xOpen = slow_open;
    disk.caller = pthread_self();
    disk.by_caller = false;
    assert_int_equal(sem_init(&disk.flushes, 0, 0), 0);
    assert_int_equal(sem_init(&disk.let, 0, 0), 0);
    assert_int_equal(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}

static void close_slow_disk(void)
{
    assert_int_equal(sqlite3_vfs_unregister(&disk.vfs), SQLITE_OK);
    assert_int_equal(sqlite3_vfs_register((sqlite3_vfs *)(uintptr_t)disk.base, 1), SQLITE_OK);
    (void)sem_destroy(&disk.flushes);
    (void)sem_destroy(&disk.let);
}

static void a_disk_that_takes_its_time_stops_nobody(void **state)
{
    struct sg_history_attempt a = an_attempt("silver", "ok", 1);

    (void)state;
    open_slow_disk();
    h->late_ns = 0;
    OK(sg_history_attempt_add(h, &a, &err));
    assert_int_equal(sem_wait(&disk.flushes), 0); /* the writer stands at its flush */
    for (int i = 0; i < 100; i++)
        OK(sg_history_attempt_add(h, &a, &err));
    assert_false(disk.by_caller);
    (void)sem_post(&disk.let);
    OK(sg_history_flush(h, &err));
    assert_int_equal(strlen(attempts(NULL, NULL, NULL, false, 0)),
                     101 * strlen("silver ok - 1 nan -1;"));
    sg_history_close(h);
    h = NULL;
    close_slow_disk();
}

/* The last node before a long one must not wait for its end. */
static void one_attempt_alone_is_written_too(void **state)
{
    struct sg_history_attempt a = an_attempt("silver", "ok", 1);
    struct sg_history *other;

    (void)state;
    h->late_ns = 1;
    OK(sg_history_attempt_add(h, &a, &err));
    for (bool over = false; !over;) {
        (void)pthread_mutex_lock(&h->mutex);
        over = h->over;
        (void)pthread_mutex_unlock(&h->mutex);
    }
    OK(sg_history_open(dir.dir, true, &other, NULL, &err));
    seen[0] = '\0';
    OK(sg_history_attempts(other, &(struct sg_history_filter){ .run = "r1" }, see_attempt, NULL,
                           &err));
    sg_history_close(other);
    assert_string_equal(seen, "silver ok - 1 nan -1;");
}

static void what_the_writer_failed_with_is_told_once(void **state)
{
    struct sg_history_attempt a = an_attempt("silver", "ok", 1);
    struct sg_history *other;
    bool ok = true;

    (void)state;
    OK(sg_history_open(scratch_path(&dir, "none"), false, &other, NULL, &err));
    other->late_ns = 0;
    while (ok)
        ok = sg_history_attempt_add(other, &a, &err);
    assert_int_equal(err.code, SG_ERROR_SYSTEM);
    assert_non_null(strstr(err.text, "history.sqlite"));
    sg_error_clear(&err);
    sg_history_close(other);
}

/* Somebody pages through a long SELECT, or has a transaction open: no run waits for that, and none
 * loses its history. */
static void what_cannot_be_written_while_others_are_at_it_is_written_later(void **state)
{
    struct sg_history_attempt a = an_attempt("silver", "ok", 1);
    struct sg_history_run r = a_run("r1", 1);
    sqlite3 *db;

    (void)state;
    fill();
    OK(sg_history_open(dir.dir, false, &h, NULL, &err));
    h->late_ns = 1;
    assert_int_equal(sqlite3_open(scratch_path(&dir, "history.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    a.run = r.run = "r2";
    OK(sg_history_run_begin(h, &r, &err)); /* before there are jobs it waits, but briefly */
    for (int i = 0; i < 6; i++)
        OK(sg_history_attempt_add(h, &a, &err));
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    OK(sg_history_flush(h, &err));
    assert_non_null(strstr(runs(0), "r2 "));
    assert_int_equal(strlen(attempts("r2", NULL, NULL, false, 0)),
                     6 * strlen("silver ok - 1 nan -1;"));
}

static void a_newer_schema_is_used_as_far_as_it_is_known(void **state)
{
    struct sg_history_run r = a_run("r2", 1);
    sqlite3 *db;

    (void)state;
    fill();
    assert_int_equal(sqlite3_open(scratch_path(&dir, "history.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "ALTER TABLE runs ADD later TEXT; PRAGMA user_version = 99",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    OK(sg_history_open(dir.dir, false, &h, NULL, &err));
    OK(sg_history_run_begin(h, &r, &err));
    assert_non_null(strstr(runs(0), "r2 "));
    assert_null(sg_history_notice(h));
}

/* A file that an older stagegraph made, its schema and a row as it wrote them. */
static void a_file_of_the_first_version_is_kept_and_gets_the_new_columns(void **state)
{
    static const char old[] =
        "CREATE TABLE runs (run TEXT PRIMARY KEY, command TEXT, profile TEXT, request TEXT,"
        " started_ms INTEGER NOT NULL, ended_ms INTEGER, now_s INTEGER, explicit_range INTEGER,"
        " exit_status INTEGER, pid INTEGER, host TEXT, boot TEXT, planned INTEGER, ok INTEGER,"
        " unchanged INTEGER, failed INTEGER, blocked INTEGER, busy INTEGER);"
        "CREATE TABLE attempts (id INTEGER PRIMARY KEY, run TEXT NOT NULL, node TEXT NOT NULL,"
        " stage TEXT NOT NULL, label TEXT, attempt INTEGER, result TEXT NOT NULL, reason TEXT,"
        " detail TEXT, log TEXT, started_ms INTEGER NOT NULL, seconds REAL, cpu_seconds REAL,"
        " peak_bytes INTEGER, gc_count INTEGER, gc_seconds REAL, heap_peak_bytes INTEGER,"
        " exit_code INTEGER, signal INTEGER);"
        "INSERT INTO attempts (run, node, stage, result, started_ms, seconds, peak_bytes)"
        " VALUES ('r0', 'silver', 'silver', 'ok', 500, 7.5, 99);"
        "PRAGMA user_version = 1;";
    struct sg_history_attempt a = an_attempt("gold", "ok", 2);
    sqlite3_stmt *st;
    sqlite3 *db;

    (void)state;
    sg_history_close(h);
    assert_int_equal(sqlite3_open(scratch_path(&dir, "history.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, old, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    OK(sg_history_open(dir.dir, false, &h, NULL, &err));
    a.peak_bytes = 100;
    a.peak_source = "cgroup";
    a.heap_used_bytes = 11;
    a.gc_longest_seconds = 0.25;
    a.jvms = 2;
    a.applications = "application_1_0001 application_1_0002";
    OK(sg_history_attempt_add(h, &a, &err));
    assert_string_equal(attempts(NULL, NULL, NULL, false, 0),
                        "silver ok - 7.5 nan 99;gold ok - 2 nan 100;");
    assert_null(sg_history_notice(h));
    assert_int_equal(sqlite3_open(scratch_path(&dir, "history.sqlite"), &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT group_concat(stage || ' ' || coalesce(peak_source ||"
                           " ' ' || heap_used_bytes || ' ' || gc_longest_seconds ||"
                           " ' ' || jvms || ' ' || applications, 'null'), ';') FROM"
                           " attempts",
                           -1, &st, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0),
                        "silver null;gold cgroup 11 0.25 2 application_1_0001 application_1_0002");
    sqlite3_finalize(st);
    sqlite3_close(db);
}

/* Only who may write what is left of a change of the schema needs room and the file for itself. */
static void a_file_that_lacks_indexes_is_read_where_they_can_not_be_made(void **state)
{
    static const char older[] = "DROP INDEX attempts_of_run; DROP INDEX attempts_of_stage;"
                                "DROP INDEX attempts_usual; DROP INDEX attempts_started;"
                                "DROP INDEX attempts_failed; DROP INDEX runs_with_range;"
                                "PRAGMA user_version = 3; VACUUM";
    struct sg_history_attempt a = an_attempt("bronze", "ok", 1);
    struct rlimit limit, caller;
    struct stat st;
    sqlite3 *db;

    (void)state;
    OK(sg_history_attempt_add(h, &a, &err));
    sg_history_close(h);
    assert_int_equal(sqlite3_open(scratch_path(&dir, "history.sqlite"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, older, NULL, NULL, NULL), SQLITE_OK);

    /* another is at it */
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    OK(sg_history_open(dir.dir, true, &h, NULL, &err));
    assert_string_equal(attempts(NULL, NULL, NULL, false, 0), "bronze ok - 1 nan -1;");
    sg_history_close(h);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);

    /* no room */
    assert_int_equal(stat(scratch_path(&dir, "history.sqlite"), &st), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &caller), 0);
    limit = caller;
    limit.rlim_cur = (rlim_t)st.st_size;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    OK(sg_history_open(dir.dir, true, &h, NULL, &err));
    assert_string_equal(attempts(NULL, NULL, NULL, false, 0), "bronze ok - 1 nan -1;");
    sg_history_close(h);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &caller), 0);
    assert_int_equal(sqlite3_exec(db, "DROP INDEX attempts_usual", NULL, NULL, NULL), SQLITE_ERROR);

    /* and then they are made */
    OK(sg_history_open(dir.dir, true, &h, NULL, &err));
    assert_string_equal(attempts(NULL, NULL, NULL, false, 0), "bronze ok - 1 nan -1;");
    assert_int_equal(sqlite3_exec(db, "DROP INDEX attempts_usual", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void pruning_removes_what_is_old(void **state)
{
    struct sg_history_run r = a_run("old", 1000);
    struct sg_history_attempt a = an_attempt("silver", "ok", 1);
    int64_t n;

    (void)state;
    OK(sg_history_run_begin(h, &r, &err));
    OK(sg_history_attempt_add(h, &a, &err));
    r = a_run("new", 3000);
    OK(sg_history_run_begin(h, &r, &err));
    a.started_ms = 3000;
    OK(sg_history_attempt_add(h, &a, &err));
    OK(sg_history_prune(h, &(struct sg_history_prune){ .before_ms = 2000 }, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(strncmp(runs(0), "new ", 4), 0);
    assert_null(strstr(seen, "old"));
    assert_string_equal(attempts(NULL, NULL, NULL, false, 0), "silver ok - 1 nan -1;");
}

static void a_state_directory_that_is_gone_is_an_error_and_no_more(void **state)
{
    struct sg_history_run r = a_run("r1", 1000);
    struct sg_history *other;

    (void)state;
    OK(sg_history_open(scratch_path(&dir, "none"), false, &other, NULL, &err));
    assert_false(sg_history_run_begin(other, &r, &err));
    assert_int_equal(err.code, SG_ERROR_SYSTEM);
    assert_non_null(strstr(err.text, "history.sqlite"));
    sg_history_close(other);
    sg_history_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_begins_and_ends),
        cmocka_unit_test(the_nodes_of_a_run_that_was_killed_are_counted),
        cmocka_unit_test(the_newest_runs_come_first),
        cmocka_unit_test(attempts_are_written_together),
        cmocka_unit_test(the_end_of_a_run_is_one_transaction_with_the_attempts_that_wait),
        cmocka_unit_test(what_was_not_seen_is_null),
        cmocka_unit_test(attempts_are_asked_for_by_what_they_are_of),
        cmocka_unit_test(usual_is_the_median_of_what_went_well),
        cmocka_unit_test(reading_creates_nothing),
        cmocka_unit_test(a_file_that_is_no_history_is_set_aside_when_opened),
        cmocka_unit_test(damage_inside_is_set_aside_when_it_is_met),
        cmocka_unit_test(cut_anywhere_it_is_whole_or_set_aside),
        cmocka_unit_test(several_write_at_once),
        cmocka_unit_test(it_is_readable_while_it_is_written),
        cmocka_unit_test(a_disk_that_takes_its_time_stops_nobody),
        cmocka_unit_test(one_attempt_alone_is_written_too),
        cmocka_unit_test(what_the_writer_failed_with_is_told_once),
        cmocka_unit_test(what_cannot_be_written_while_others_are_at_it_is_written_later),
        cmocka_unit_test(a_newer_schema_is_used_as_far_as_it_is_known),
        cmocka_unit_test(a_file_of_the_first_version_is_kept_and_gets_the_new_columns),
        cmocka_unit_test(a_file_that_lacks_indexes_is_read_where_they_can_not_be_made),
        cmocka_unit_test(pruning_removes_what_is_old),
        cmocka_unit_test(a_state_directory_that_is_gone_is_an_error_and_no_more),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
