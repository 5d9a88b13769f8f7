/*
 * The history: STATE/history.sqlite. docs/formats.md, "History", has the columns.
 *
 * Opening costs a look at the file's first bytes; SQLite itself is opened by the first read or
 * write, so a run that does nothing never pays for it. The journal is SQLite's rollback journal,
 * truncated instead of deleted: a write-ahead log needs shared memory, which network file systems
 * don't have. Several runs may write at once: each transaction is short, and waits for the others.
 *
 * Attempts are kept in memory and written together, a second later, by a thread that is there for
 * as long as something is to be written. So a node costs no transaction, a run that is killed loses
 * the last second of a disposable history, and no job waits for a disk or a lock. Where another is
 * at the file (somebody pages through a long SELECT), it is tried again a second later. Everything
 * else is done by the caller's thread, after the writer has ended.
 *
 * What SQLite finds damaged is renamed to history.sqlite.damaged-N, its journal with it (a journal
 * must never be played back into another file), and a new one is begun.
 */
#include "stagegraph/history.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/clock.h"

#include "history_impl.h"

#define FILE_NAME   "history.sqlite"
#define MAGIC       "SQLite format 3"
#define HEAD_LEN    100
#define LATE_NS     SG_NS_PER_S
#define MAX_WAITING 100000 /* attempts in memory, when nothing can be written */

/*
 * migrations[v] leads from user_version v to v + 1. A change of the schema adds one at the end and
 * never edits another; columns are only ever added, so that old statements go on working.
 */
static const char *const migrations[] = {
    "CREATE TABLE runs ("
    " run TEXT PRIMARY KEY, command TEXT, profile TEXT, request TEXT,"
    " started_ms INTEGER NOT NULL, ended_ms INTEGER, now_s INTEGER, explicit_range INTEGER,"
    " exit_status INTEGER, pid INTEGER, host TEXT, boot TEXT,"
    " planned INTEGER, ok INTEGER, unchanged INTEGER, failed INTEGER, blocked INTEGER,"
    " busy INTEGER);"
    "CREATE INDEX runs_started ON runs (started_ms);"
    "CREATE TABLE attempts ("
    " id INTEGER PRIMARY KEY, run TEXT NOT NULL, node TEXT NOT NULL, stage TEXT NOT NULL,"
    " label TEXT, attempt INTEGER, result TEXT NOT NULL, reason TEXT, detail TEXT, log TEXT,"
    " started_ms INTEGER NOT NULL, seconds REAL, cpu_seconds REAL, peak_bytes INTEGER,"
    " gc_count INTEGER, gc_seconds REAL, heap_peak_bytes INTEGER, exit_code INTEGER,"
    " signal INTEGER);"
    "CREATE INDEX attempts_run ON attempts (run);"
    "CREATE INDEX attempts_node ON attempts (node);"
    "CREATE INDEX attempts_stage ON attempts (stage, result, started_ms);",
    "ALTER TABLE attempts ADD COLUMN peak_source TEXT;"
    "ALTER TABLE attempts ADD COLUMN read_bytes INTEGER;"
    "ALTER TABLE attempts ADD COLUMN written_bytes INTEGER;"
    "ALTER TABLE attempts ADD COLUMN jvms INTEGER;"
    "ALTER TABLE attempts ADD COLUMN gc_longest_seconds REAL;"
    "ALTER TABLE attempts ADD COLUMN heap_used_bytes INTEGER;",
    "ALTER TABLE attempts ADD COLUMN applications TEXT;",
};

#define SCHEMA_VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

static bool is_damage(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

/* Whether the last failure is one that goes by: another was at the file. */
static bool is_in_use(const struct sg_history *h)
{
    return (h->code & 0xff) == SQLITE_BUSY;
}

/* The error that SQLite reports. err->sys is not set: what it knows is in its text. */
static bool fail(struct sg_history *h, const char *what, struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_SYSTEM, 0, "%s %s: %s", what, h->path,
                        h->db != NULL ? sqlite3_errmsg(h->db) : "out of memory");
}

static void close_db(struct sg_history *h)
{
    sqlite3_close(h->db); /* NULL is fine; every statement is finalized where it is made */
    h->db = NULL;
}

/* Whether another process has set the damaged file aside already: what is at the path is whole. */
static bool is_whole(const char *path)
{
    sqlite3_stmt *st = NULL;
    sqlite3 *db = NULL;
    bool whole = false;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, SG_HISTORY_BUSY_MS) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        whole = strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0;
    sqlite3_finalize(st);
    sqlite3_close(db);
    return whole;
}

/* Renames the damaged file and its journal to the first free damaged-N. */
static bool set_aside(struct sg_history *h, struct sg_error *err)
{
    struct sg_buf to = SG_BUF_INIT, journal = SG_BUF_INIT, notice = SG_BUF_INIT;
    bool ok = false;

    close_db(h);
    if (is_whole(h->path))
        return true;
    for (unsigned n = 1; to.len == 0 || access(sg_buf_text(&to), F_OK) == 0; n++) {
        sg_buf_clear(&to);
        if (!sg_buf_addf(&to, err, "%s.damaged-%u", h->path, n))
            goto done;
    }
    /* The journal first: a new file must not find it. */
    if (!sg_buf_addf(&journal, err, "%s-journal", h->path) ||
        !sg_buf_addf(&notice, err, "%s-journal", sg_buf_text(&to)))
        goto done;
    if ((rename(sg_buf_text(&journal), sg_buf_text(&notice)) != 0 && errno != ENOENT) ||
        (rename(h->path, sg_buf_text(&to)) != 0 && errno != ENOENT)) {
        sg_error_set(err, SG_ERROR_SYSTEM, errno, "set aside the damaged %s", h->path);
        goto done;
    }
    sg_buf_clear(&notice);
    if (!sg_buf_addf(&notice, err, "the history was damaged: it is now %s, and a new one is begun",
                     sg_buf_text(&to)))
        goto done;
    free(h->notice);
    h->notice = sg_buf_move(&notice);
    ok = true;
done:
    sg_buf_done(&to);
    sg_buf_done(&journal);
    sg_buf_done(&notice);
    return ok;
}

static int get_version(sqlite3 *db, int *ret)
{
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL);

    if (code == SQLITE_OK) {
        code = sqlite3_step(st);
        if (code == SQLITE_ROW)
            *ret = sqlite3_column_int(st, 0);
        sqlite3_finalize(st);
    }
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* One transaction from whatever version the file has by then. A newer one than ours is fine: its
 * columns are there, and more. */
static int migrate(sqlite3 *db)
{
    int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), version = 0;
    char text[64];

    if (code == SQLITE_OK)
        code = get_version(db, &version);
    for (; code == SQLITE_OK && version < SCHEMA_VERSION; version++)
        code = sqlite3_exec(db, migrations[version], NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        snprintf(text, sizeof(text), "PRAGMA user_version = %d; COMMIT", version);
        code = sqlite3_exec(db, text, NULL, NULL, NULL);
    }
    return code;
}

/* Opens SQLite if that has not been done. *ret_empty: a file without tables, which only who may
 * write fills. */
static int open_db(struct sg_history *h, bool *ret_empty)
{
    int flags = SQLITE_OPEN_READWRITE | (h->read_only ? 0 : SQLITE_OPEN_CREATE), version = 0, code;

    *ret_empty = false;
    if (h->db != NULL)
        return sqlite3_busy_timeout(h->db, h->patience_ms);
    code = sqlite3_open_v2(h->path, &h->db, flags, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(h->db, h->patience_ms);
    if (code == SQLITE_OK)
        code = sqlite3_exec(h->db, "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = NORMAL",
                            NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = get_version(h->db, &version);
    *ret_empty = code == SQLITE_OK && version == 0 && h->read_only;
    if (code == SQLITE_OK && version < SCHEMA_VERSION && !*ret_empty)
        code = migrate(h->db);
    return code;
}

bool sg_history_perform(struct sg_history *h, const char *what, sg_history_work_fn *fn, void *ctx,
                        struct sg_error *err)
{
    for (bool again = false;; again = true) {
        bool empty;
        int code = open_db(h, &empty);
        bool opened = code == SQLITE_OK;

        if (opened && empty) {
            close_db(h); /* it may have tables the next time */
            return true;
        }
        if (opened)
            code = fn(h, ctx);
        h->code = code;
        if (code == SQLITE_OK)
            return true;
        fail(h, what, err);
        if (!sqlite3_get_autocommit(h->db))
            (void)sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL); /* closing would do it too */
        if (!opened)
            close_db(h); /* half open: the next call begins anew */
        if (!is_damage(code) || again || h->read_only)
            return false;
        if (!set_aside(h, err))
            return false;
    }
}

static uint32_t big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* By the head of a SQLite file, is it one, and as long as it has to be? (Its format, section 1.3:
 * page size at 16, pages at 28, valid if the change counter at 24 is the one at 92.) */
static bool is_head_whole(const unsigned char *head, ssize_t n, off_t len)
{
    uint32_t page;

    if (n == 0)
        return true; /* nothing has been written yet */
    if (n < HEAD_LEN || memcmp(head, MAGIC, sizeof(MAGIC)) != 0)
        return false;
    page = (uint32_t)head[16] << 8 | head[17];
    if (page == 1)
        page = 65536;
    return big_endian(head + 24) != big_endian(head + 92) ||
           (uint64_t)len >= (uint64_t)page * big_endian(head + 28);
}

/* A look at the first bytes. What they say against it is asked again of SQLite, since another run
 * may be writing just now. */
static bool looks_whole(const char *path, bool *ret_there, bool *ret, struct sg_error *err)
{
    unsigned char head[HEAD_LEN];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ssize_t n;

    *ret_there = fd >= 0;
    if (fd < 0)
        return errno == ENOENT ? true : sg_error_set(err, SG_ERROR_SYSTEM, errno, "open %s", path);
    n = read(fd, head, sizeof(head));
    if (n < 0 || fstat(fd, &st) != 0) {
        sg_error_set(err, SG_ERROR_SYSTEM, errno, "read %s", path);
        close(fd);
        return false;
    }
    close(fd);
    *ret = is_head_whole(head, n, st.st_size) || is_whole(path);
    return true;
}

/* With attributes or in memory of its own neither can fail on Linux. */
static void init_wake(struct sg_history *h)
{
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&h->mutex, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&h->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
}

bool sg_history_open(const char *state_dir, bool read_only, struct sg_history **ret,
                     const char **ret_notice, struct sg_error *err)
{
    struct sg_history *h = calloc(1, sizeof(*h));
    struct sg_buf path = SG_BUF_INIT;
    bool there, whole = true;

    if (h == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for the history");
    h->read_only = read_only;
    h->patience_ms = SG_HISTORY_BUSY_MS;
    h->late_ns = LATE_NS;
    init_wake(h);
    if (!sg_buf_addf(&path, err, "%s/" FILE_NAME, state_dir))
        goto fail;
    h->path = sg_buf_move(&path);
    if (!looks_whole(h->path, &there, &whole, err))
        goto fail;
    if (!whole && read_only) {
        sg_error_set(err, SG_ERROR_SYSTEM, 0, "the history %s is damaged", h->path);
        goto fail;
    }
    if (!whole && !set_aside(h, err))
        goto fail;
    if (!there && read_only) {
        sg_history_close(h);
        h = NULL;
    }
    *ret = h;
    if (ret_notice != NULL)
        *ret_notice = h != NULL ? h->notice : NULL;
    return true;
fail:
    sg_history_close(h);
    return false;
}

const char *sg_history_notice(struct sg_history *h)
{
    struct sg_error ignored = SG_ERROR_INIT; /* who writes next meets it again */

    (void)!sg_history_settle(h, &ignored);
    return h->notice;
}

static void bind_text(sqlite3_stmt *st, int i, const char *text)
{
    (void)sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC); /* NULL binds NULL; fails in step */
}

static void bind_int(sqlite3_stmt *st, int i, int64_t v)
{
    (void)sqlite3_bind_int64(st, i, v);
}

/* -1: not seen */
static void bind_seen(sqlite3_stmt *st, int i, int64_t v)
{
    if (v >= 0)
        bind_int(st, i, v); /* else it stays NULL */
}

static void bind_real(sqlite3_stmt *st, int i, double v)
{
    if (!isnan(v))
        (void)sqlite3_bind_double(st, i, v);
}

static int step_once(sqlite3_stmt *st)
{
    int code = sqlite3_step(st);

    (void)sqlite3_reset(st); /* says the same again */
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int put_attempt(sqlite3_stmt *st, const struct sg_history_attempt *a)
{
    const char *const texts[] = { a->run,    a->node,   a->stage, a->label,       a->result,
                                  a->reason, a->detail, a->log,   a->peak_source, a->applications };
    int i = 1;

    (void)sqlite3_clear_bindings(st);
    for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
        bind_text(st, i++, texts[k]);
    bind_int(st, i++, a->attempt);
    bind_int(st, i++, a->started_ms);
    bind_real(st, i++, a->seconds);
    bind_real(st, i++, a->cpu_seconds);
    bind_seen(st, i++, a->peak_bytes);
    bind_seen(st, i++, a->read_bytes);
    bind_seen(st, i++, a->written_bytes);
    bind_seen(st, i++, a->jvms);
    bind_seen(st, i++, a->gc_count);
    bind_real(st, i++, a->gc_seconds);
    bind_real(st, i++, a->gc_longest_seconds);
    bind_seen(st, i++, a->heap_peak_bytes);
    bind_seen(st, i++, a->heap_used_bytes);
    bind_seen(st, i++, a->exit_code);
    if (a->signo > 0)
        bind_int(st, i, a->signo);
    return step_once(st);
}

static int put_attempts(struct sg_history *h)
{
    static const char sql[] =
        "INSERT INTO attempts (run, node, stage, label, result, reason, detail, log, peak_source,"
        " applications,"
        " attempt, started_ms, seconds, cpu_seconds, peak_bytes, read_bytes, written_bytes, jvms,"
        " gc_count, gc_seconds, gc_longest_seconds, heap_peak_bytes, heap_used_bytes, exit_code,"
        " signal) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    sqlite3_stmt *st;
    int code;

    if (h->out.n == 0)
        return SQLITE_OK;
    code = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL);
    if (code != SQLITE_OK)
        return code;
    for (size_t i = 0; code == SQLITE_OK && i < h->out.n; i++)
        code = put_attempt(st, &h->out.attempts[i]);
    sqlite3_finalize(st);
    return code;
}

static int put_run(struct sg_history *h, const struct sg_history_run *r)
{
    static const char sql[] =
        "INSERT INTO runs (run, command, profile, request, host, boot, started_ms, ended_ms, now_s,"
        " explicit_range, exit_status, pid, planned, ok, unchanged, failed, blocked, busy)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (run) DO UPDATE SET"
        " ended_ms = excluded.ended_ms, exit_status = excluded.exit_status,"
        " planned = excluded.planned, ok = excluded.ok, unchanged = excluded.unchanged,"
        " failed = excluded.failed, blocked = excluded.blocked, busy = excluded.busy";
    const char *const texts[] = { r->run, r->command, r->profile, r->request, r->host, r->boot };
    const int64_t counts[] = { r->n_planned, r->n_ok,      r->n_unchanged,
                               r->n_failed,  r->n_blocked, r->n_busy };
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(h->db, sql, -1, &st, NULL), i = 1;

    if (code != SQLITE_OK)
        return code;
    for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
        bind_text(st, i++, texts[k]);
    bind_int(st, i++, r->started_ms);
    if (r->ended_ms != 0)
        bind_int(st, i, r->ended_ms);
    i++;
    bind_int(st, i++, r->now_s);
    bind_int(st, i++, r->explicit_range);
    bind_seen(st, i++, r->exit_status);
    bind_int(st, i++, r->pid);
    for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++)
        bind_int(st, i++, counts[k]);
    code = step_once(st);
    sqlite3_finalize(st);
    return code;
}

/* `out`, and a run if ctx is one, in one transaction. */
static int write_all(struct sg_history *h, void *ctx)
{
    int code = sqlite3_exec(h->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    if (code == SQLITE_OK && h->out.begun != NULL)
        code = put_run(h, h->out.begun);
    if (code == SQLITE_OK)
        code = put_attempts(h);
    if (code == SQLITE_OK && ctx != NULL)
        code = put_run(h, ctx);
    if (code == SQLITE_OK)
        code = sqlite3_exec(h->db, "COMMIT", NULL, NULL, NULL);
    return code;
}

static void empty(struct sg_history_batch *b)
{
    sg_arena_done(&b->a);
    *b = (struct sg_history_batch){ .a = SG_ARENA_INIT };
}

static bool has(const struct sg_history_batch *b)
{
    return b->begun != NULL || b->n != 0;
}

/* What came in is what goes out now, if nothing does. */
static void turn_over(struct sg_history *h)
{
    if (has(&h->out))
        return;
    h->out = h->next;
    h->next = (struct sg_history_batch){ .a = SG_ARENA_INIT };
}

static bool write_out(struct sg_history *h, struct sg_history_run *r, struct sg_error *err)
{
    if (!sg_history_perform(h, "write", write_all, r, err))
        return false;
    empty(&h->out);
    return true;
}

/* ---- the writer */

static struct timespec timespec_of(struct sg_mono t)
{
    return (struct timespec){ .tv_sec = (time_t)(t.ns / SG_NS_PER_S),
                              .tv_nsec = (long)(t.ns % SG_NS_PER_S) };
}

/* Under the mutex. */
static void wait_until_due(struct sg_history *h)
{
    while (!h->stop && sg_mono_now().ns < h->due.ns) {
        struct timespec at = timespec_of(h->due);

        (void)pthread_cond_timedwait(&h->wake, &h->mutex, &at); /* asked again by the clock */
    }
}

/* Until it is told to stop, all is written, or that fails. */
static void *write_in_turn(void *ctx)
{
    struct sg_history *h = ctx;
    struct sg_error err = SG_ERROR_INIT;

    (void)pthread_mutex_lock(&h->mutex);
    for (;;) {
        bool ok;

        wait_until_due(h);
        turn_over(h);
        if (h->stop || !has(&h->out))
            break;
        (void)pthread_mutex_unlock(&h->mutex);
        ok = write_out(h, NULL, &err);
        (void)pthread_mutex_lock(&h->mutex);
        if (!ok && !is_in_use(h)) {
            h->err = err;
            break;
        }
        sg_error_clear(&err);
        h->due.ns = sg_mono_now().ns + h->late_ns;
    }
    h->over = true;
    (void)pthread_mutex_unlock(&h->mutex);
    return NULL;
}

/* Under the mutex. Without a thread to be had it is written with the next ones, or at the end. */
static void start_writer(struct sg_history *h)
{
    sigset_t all, old;

    if (h->has_writer && h->over) {
        (void)pthread_join(h->writer, NULL);
        h->has_writer = false;
    }
    if (h->has_writer)
        return;
    h->over = h->stop = false;
    h->patience_ms = SG_HISTORY_BRIEF_MS; /* it has time, but whoever ends it has not */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    h->has_writer = pthread_create(&h->writer, NULL, write_in_turn, h) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

bool sg_history_settle(struct sg_history *h, struct sg_error *err)
{
    if (h->has_writer) {
        (void)pthread_mutex_lock(&h->mutex);
        h->stop = true;
        (void)pthread_cond_signal(&h->wake);
        (void)pthread_mutex_unlock(&h->mutex);
        (void)pthread_join(h->writer, NULL);
        h->has_writer = false;
    }
    if (h->err.code == SG_ERROR_NONE)
        return true;
    *err = h->err;
    sg_error_clear(&h->err);
    return false;
}

/* ---- writing */

/* All that waits, and a run where one is given. */
static bool write_with(struct sg_history *h, const struct sg_history_run *r, int patience_ms,
                       struct sg_error *err)
{
    struct sg_history_run copy;

    if (!SG_EXPECT(!h->read_only, err) || !sg_history_settle(h, err))
        return false;
    h->patience_ms = patience_ms;
    if (has(&h->out) && !write_out(h, NULL, err))
        return false;
    turn_over(h);
    if (r != NULL)
        copy = *r;
    return (r == NULL && !has(&h->out)) || write_out(h, r != NULL ? &copy : NULL, err);
}

static bool keep(struct sg_arena *a, const char **text, struct sg_error *err)
{
    if (*text == NULL)
        return true;
    *text = sg_arena_text(a, *text, err);
    return *text != NULL;
}

static bool keep_run(struct sg_history_batch *b, const struct sg_history_run *r,
                     struct sg_error *err)
{
    struct sg_history_run *copy = SG_ARENA_NEW(&b->a, 1, struct sg_history_run, err);

    if (copy == NULL)
        return false;
    *copy = *r;
    if (!keep(&b->a, &copy->run, err) || !keep(&b->a, &copy->command, err) ||
        !keep(&b->a, &copy->profile, err) || !keep(&b->a, &copy->request, err) ||
        !keep(&b->a, &copy->host, err) || !keep(&b->a, &copy->boot, err))
        return false;
    b->begun = copy;
    return true;
}

static bool keep_attempt(struct sg_history_batch *b, const struct sg_history_attempt *a,
                         struct sg_error *err)
{
    struct sg_history_attempt copy = *a;

    if (!sg_arena_grow(&b->a, (void **)&b->attempts, b->n, &b->cap, sizeof(copy), err) ||
        !keep(&b->a, &copy.run, err) || !keep(&b->a, &copy.node, err) ||
        !keep(&b->a, &copy.stage, err) || !keep(&b->a, &copy.label, err) ||
        !keep(&b->a, &copy.result, err) || !keep(&b->a, &copy.reason, err) ||
        !keep(&b->a, &copy.detail, err) || !keep(&b->a, &copy.log, err) ||
        !keep(&b->a, &copy.peak_source, err) || !keep(&b->a, &copy.applications, err))
        return false;
    b->attempts[b->n++] = copy;
    return true;
}

/* To be written by the writer: a run that begins, or an attempt. */
static bool add(struct sg_history *h, const struct sg_history_run *r,
                const struct sg_history_attempt *a, struct sg_error *err)
{
    bool ok, first;

    if (!SG_EXPECT(!h->read_only, err))
        return false;
    (void)pthread_mutex_lock(&h->mutex);
    if (h->err.code != SG_ERROR_NONE) {
        *err = h->err;
        sg_error_clear(&h->err);
        (void)pthread_mutex_unlock(&h->mutex);
        return false;
    }
    first = !has(&h->next);
    if (h->next.n >= MAX_WAITING)
        ok = sg_error_set(err, SG_ERROR_SYSTEM, 0, "write %s: %zu attempts are waiting", h->path,
                          h->next.n);
    else
        ok = r != NULL ? keep_run(&h->next, r, err) : keep_attempt(&h->next, a, err);
    if (ok && first && (!h->has_writer || h->over))
        h->due.ns = sg_mono_now().ns + h->late_ns;
    if (ok)
        start_writer(h);
    (void)pthread_mutex_unlock(&h->mutex);
    return ok;
}

bool sg_history_run_begin(struct sg_history *h, const struct sg_history_run *r,
                          struct sg_error *err)
{
    if (write_with(h, r, SG_HISTORY_BRIEF_MS, err))
        return true;
    if (!is_in_use(h))
        return false;
    sg_error_clear(err);
    return add(h, r, NULL, err);
}

bool sg_history_run_end(struct sg_history *h, const struct sg_history_run *r, struct sg_error *err)
{
    return write_with(h, r, SG_HISTORY_BUSY_MS, err);
}

bool sg_history_attempt_add(struct sg_history *h, const struct sg_history_attempt *a,
                            struct sg_error *err)
{
    return add(h, NULL, a, err);
}

bool sg_history_flush(struct sg_history *h, struct sg_error *err)
{
    return write_with(h, NULL, SG_HISTORY_BUSY_MS, err);
}

bool sg_history_flush_briefly(struct sg_history *h, struct sg_error *err)
{
    return write_with(h, NULL, SG_HISTORY_BRIEF_MS, err);
}

void sg_history_close(struct sg_history *h)
{
    struct sg_error ignored = SG_ERROR_INIT;

    if (h == NULL)
        return;
    if (!h->read_only) /* who wants to know flushes first; what was waited for is not again */
        (void)!write_with(h, NULL, is_in_use(h) ? 0 : SG_HISTORY_BUSY_MS, &ignored);
    close_db(h);
    empty(&h->out);
    empty(&h->next);
    (void)pthread_mutex_destroy(&h->mutex);
    (void)pthread_cond_destroy(&h->wake);
    free(h->path);
    free(h->notice);
    free(h);
}

struct prune {
    int64_t before_ms, n;
};

static int prune(struct sg_history *h, void *ctx)
{
    static const char *const sqls[] = { "DELETE FROM attempts WHERE started_ms < ?",
                                        "DELETE FROM runs WHERE started_ms < ?" };
    struct prune *p = ctx;
    int code = sqlite3_exec(h->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    for (size_t i = 0; code == SQLITE_OK && i < sizeof(sqls) / sizeof(sqls[0]); i++) {
        sqlite3_stmt *st;

        code = sqlite3_prepare_v2(h->db, sqls[i], -1, &st, NULL);
        if (code == SQLITE_OK) {
            bind_int(st, 1, p->before_ms);
            code = step_once(st);
            p->n = sqlite3_changes(h->db); /* in the end: of the runs */
            sqlite3_finalize(st);
        }
    }
    if (code == SQLITE_OK)
        code = sqlite3_exec(h->db, "COMMIT", NULL, NULL, NULL);
    return code;
}

bool sg_history_prune(struct sg_history *h, int64_t before_ms, int64_t *ret_n, struct sg_error *err)
{
    struct prune p = { .before_ms = before_ms };

    if (!SG_EXPECT(!h->read_only, err) || !sg_history_flush(h, err) ||
        !sg_history_perform(h, "prune", prune, &p, err))
        return false;
    /* The file shrinks if nobody else is at it; if somebody is, the space is used again. */
    if (p.n != 0)
        (void)sqlite3_exec(h->db, "VACUUM", NULL, NULL, NULL);
    *ret_n = p.n;
    return true;
}
