/*
 * The history: STATE/history.sqlite. docs/formats.md, "History", has the columns.
 *
 * Opening costs a look at the file's first bytes; SQLite itself is opened by the first read or
 * write, so a run that does nothing never pays for it. The journal is SQLite's rollback journal,
 * truncated instead of deleted: a write-ahead log needs shared memory, which network file systems
 * don't have. Several runs may write at once: each transaction is short, and waits for the others.
 *
 * What SQLite finds damaged is renamed to history.sqlite.damaged-N, its journal with it (a journal
 * must never be played back into another file), and a new one is begun.
 */
#include "stagegraph/history.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/buf.h"
#include "stagegraph/clock.h"

#include "history_impl.h"

#define FILE_NAME "history.sqlite"
#define MAGIC     "SQLite format 3"
#define HEAD_LEN  100
#define LATE_NS   SG_NS_PER_S

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
    /* An index for each question that is asked, with time at its end: the newest are found without
     * looking at the rest. What usually takes how long is in its index whole. */
    "CREATE INDEX IF NOT EXISTS attempts_of_run ON attempts (run, started_ms);"
    "CREATE INDEX IF NOT EXISTS attempts_of_stage ON attempts (stage, started_ms);"
    "CREATE INDEX IF NOT EXISTS attempts_usual ON attempts (stage, result, started_ms, seconds);"
    "CREATE INDEX IF NOT EXISTS attempts_started ON attempts (started_ms);"
    "CREATE INDEX IF NOT EXISTS attempts_failed ON attempts (started_ms) WHERE " SG_HISTORY_FAILED
    ";"
    "CREATE INDEX IF NOT EXISTS runs_with_range ON runs (started_ms) WHERE explicit_range = 1;"
    "DROP INDEX IF EXISTS attempts_run;"
    "DROP INDEX IF EXISTS attempts_stage;",
};

#define SCHEMA_VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))
#define ALL_COLUMNS    3 /* versions from here on have them: what may not be written can be read */

static bool is_damage(int code)
{
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

/* The error that SQLite reports. err->sys is not set: what it knows is in its text. */
static bool fail(struct sg_history *h, const char *what, int code, struct sg_error *err)
{
    const char *why = sqlite3_errstr(code);

    if (h->db != NULL && sqlite3_errcode(h->db) == code)
        why = sqlite3_errmsg(h->db); /* which says more */
    return sg_error_set(err, SG_ERROR_SYSTEM, 0, "%s %s: %s", what, h->path, why);
}

static void close_db(struct sg_history *h)
{
    sqlite3_close(h->db); /* NULL is fine; every statement is finalized where it is made */
    h->db = NULL;
}

/* The first column of the first row, as a number, and whether it is "ok". False: there is none. */
static bool ask(sqlite3 *db, const char *sql, sqlite3_int64 *ret_number, bool *ret_ok)
{
    sqlite3_stmt *st = NULL;
    bool some =
        sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;

    if (some) {
        *ret_number = sqlite3_column_int64(st, 0);
        *ret_ok = strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0;
    }
    sqlite3_finalize(st);
    return some;
}

static bool open_to_look(const char *path, sqlite3 **ret)
{
    return sqlite3_open_v2(path, ret, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
           sqlite3_busy_timeout(*ret, SG_HISTORY_BUSY_MS) == SQLITE_OK;
}

/* Whether another process has set the damaged file aside already: what is at the path is whole.
 * It is read from end to end, once for a damage. */
static bool is_whole(const char *path)
{
    sqlite3 *db = NULL;
    sqlite3_int64 ignored;
    bool ok = false;
    bool whole = open_to_look(path, &db) && ask(db, "PRAGMA integrity_check(1)", &ignored, &ok);

    sqlite3_close(db);
    return whole && ok;
}

/* Whether it is as long as its head says while nobody writes: SQLite's lock is held meanwhile. */
static bool is_long_enough(const char *path)
{
    sqlite3_int64 pages = 0, page = 0, len = 0;
    sqlite3_file *file = NULL;
    sqlite3 *db = NULL;
    bool ignored;
    bool ok = open_to_look(path, &db) &&
              sqlite3_exec(db, "BEGIN; SELECT count(*) FROM sqlite_master", NULL, NULL, NULL) ==
                  SQLITE_OK &&
              ask(db, "PRAGMA page_count", &pages, &ignored) &&
              ask(db, "PRAGMA page_size", &page, &ignored) &&
              sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK &&
              file->pMethods->xFileSize(file, &len) == SQLITE_OK && len >= pages * page;

    sqlite3_close(db);
    return ok;
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

int sg_history_number(sqlite3 *db, const char *sql, int64_t *ret)
{
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

int sg_history_step(sqlite3_stmt *st)
{
    int code = sqlite3_step(st);

    (void)sqlite3_reset(st); /* says the same again */
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int get_version(sqlite3 *db, int64_t *ret)
{
    return sg_history_number(db, "PRAGMA user_version", ret);
}

/* One transaction from whatever version the file has by then. A newer one than ours is fine: its
 * columns are there, and more. */
static int migrate(sqlite3 *db)
{
    int code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    int64_t version = 0;
    char text[64];

    if (code == SQLITE_OK)
        code = get_version(db, &version);
    for (; code == SQLITE_OK && version < SCHEMA_VERSION; version++)
        code = sqlite3_exec(db, migrations[version], NULL, NULL, NULL);
    if (code == SQLITE_OK) {
        snprintf(text, sizeof(text), "PRAGMA user_version = %d; COMMIT", (int)version);
        code = sqlite3_exec(db, text, NULL, NULL, NULL);
    }
    return code;
}

/* Ends the transaction, if there is one. */
static int give_up(sqlite3 *db)
{
    return sqlite3_get_autocommit(db) ? SQLITE_OK : sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

/* Opens SQLite if that has not been done. *ret_empty: a file without tables, which only who may
 * write fills. */
static int open_db(struct sg_history *h, bool *ret_empty)
{
    int flags = SQLITE_OPEN_READWRITE | (h->read_only ? 0 : SQLITE_OPEN_CREATE), code;
    int64_t version = 0;

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
    if (code == SQLITE_OK && version == 0 &&
        !h->read_only) /* of a file with tables it is a write */
        code = sqlite3_exec(h->db, "PRAGMA auto_vacuum = INCREMENTAL", NULL, NULL, NULL);
    if (code == SQLITE_OK && version < SCHEMA_VERSION && !*ret_empty) {
        code = migrate(h->db);
        if (code != SQLITE_OK && !is_damage(code) && h->read_only && version >= ALL_COLUMNS)
            code = give_up(h->db); /* only indexes lack: may not be written, no room, in use */
    }
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
        fail(h, what, code, err);
        (void)give_up(h->db); /* closing would do it too */
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
    *ret = is_head_whole(head, n, st.st_size) || is_long_enough(path);
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
    h->page = SG_HISTORY_PAGE;
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

void sg_history_close(struct sg_history *h)
{
    if (h == NULL)
        return;
    sg_history_write_last(h);
    close_db(h);
    (void)pthread_mutex_destroy(&h->mutex);
    (void)pthread_cond_destroy(&h->wake);
    free(h->path);
    free(h->notice);
    free(h);
}
