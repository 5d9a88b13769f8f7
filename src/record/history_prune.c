/*
 * The history, made smaller. docs/design.md, "The history".
 *
 * A million rows are not removed at once: a run that goes on could not write meanwhile, and the
 * journal would be as large as what is removed. So it goes page by page, each page a transaction of
 * its own, with a pause behind it in which others get at the file. Ended in between, some old rows
 * are left, and the next prune goes on. The file shrinks in the same way (auto_vacuum =
 * INCREMENTAL); one that was begun without that is written anew, once, if nobody else is at it.
 */
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stagegraph/clock.h"
#include "stagegraph/history.h"

#include "history_impl.h"

#define FREE_AT_ONCE 1000 /* pages of the file */

struct prune {
    const struct sg_history_prune *how;
    const char *table;
    int64_t after_ms, after_id; /* where the next page begins */
    int64_t page, n;            /* old rows that it may have, and has */
    int64_t *ids, n_ids;        /* those of them that go */
};

/* For as long as the page took: others have a half of the time. */
static void leave_room(struct sg_mono since)
{
    int64_t ns = sg_mono_now().ns - since.ns;
    struct timespec t = { .tv_sec = (time_t)(ns / SG_NS_PER_S),
                          .tv_nsec = (long)(ns % SG_NS_PER_S) };

    (void)nanosleep(&t, NULL); /* woken early is fine */
}

static bool is_kept(const struct sg_history_prune *how, const char *run)
{
    for (size_t i = 0; i < how->n_keep; i++)
        if (strcmp(how->keep[i], run) == 0)
            return true;
    return false;
}

/* What bind fails with the step fails with. */
static int find_old(sqlite3 *db, struct prune *p)
{
    sqlite3_stmt *st;
    char sql[256];
    int code;

    sqlite3_snprintf(sizeof(sql), sql,
                     "SELECT started_ms, rowid, run FROM %s WHERE started_ms >= ?1 AND"
                     " started_ms < ?2 AND (+started_ms > ?1 OR +rowid > ?3)"
                     " ORDER BY started_ms, rowid LIMIT ?4",
                     p->table);
    code = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (code != SQLITE_OK)
        return code;
    (void)sqlite3_bind_int64(st, 1, p->after_ms);
    (void)sqlite3_bind_int64(st, 2, p->how->before_ms);
    (void)sqlite3_bind_int64(st, 3, p->after_id);
    (void)sqlite3_bind_int64(st, 4, p->page);
    while ((code = sqlite3_step(st)) == SQLITE_ROW && p->n < p->page) {
        p->after_ms = sqlite3_column_int64(st, 0);
        p->after_id = sqlite3_column_int64(st, 1);
        if (!is_kept(p->how, (const char *)sqlite3_column_text(st, 2)))
            p->ids[p->n_ids++] = p->after_id;
        p->n++;
    }
    sqlite3_finalize(st);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int remove_rows(sqlite3 *db, struct prune *p)
{
    sqlite3_stmt *st;
    char sql[64];
    int code;

    sqlite3_snprintf(sizeof(sql), sql, "DELETE FROM %s WHERE rowid = ?", p->table);
    code = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    for (int64_t i = 0; code == SQLITE_OK && i < p->n_ids; i++) {
        (void)sqlite3_bind_int64(st, 1, p->ids[i]);
        code = sg_history_step(st);
    }
    sqlite3_finalize(st);
    return code;
}

/* A page of a table, in a transaction. */
static int remove_page(struct sg_history *h, void *ctx)
{
    struct prune *p = ctx;
    struct prune before = *p;
    int code = sqlite3_exec(h->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    p->n = p->n_ids = 0;
    if (code == SQLITE_OK)
        code = find_old(h->db, p);
    if (code == SQLITE_OK)
        code = remove_rows(h->db, p);
    if (code == SQLITE_OK)
        code = sqlite3_exec(h->db, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        *p = before; /* it may be done again */
    return code;
}

static bool remove_from(struct sg_history *h, const char *table, const struct sg_history_prune *how,
                        int64_t *ret_n, struct sg_error *err)
{
    struct prune p = {
        .how = how, .table = table, .page = h->page, .after_ms = INT64_MIN, .after_id = INT64_MIN
    };
    bool ok = true, more = true;

    p.ids = calloc((size_t)p.page, sizeof(*p.ids));
    if (p.ids == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "prune %s", h->path);
    *ret_n = 0;
    while (ok && more) {
        struct sg_mono since = sg_mono_now();

        ok = sg_history_perform(h, "prune", remove_page, &p, err);
        *ret_n += ok ? p.n_ids : 0;
        more = p.n == p.page;
        if (ok && more)
            leave_room(since);
    }
    free(p.ids);
    return ok;
}

static int64_t pragma(sqlite3 *db, const char *sql)
{
    int64_t v = 0;

    (void)sg_history_number(db, sql, &v); /* then nothing is given back */
    return v;
}

/* What is not given back is used again, so no failure of this is worth a word. */
static void give_back(struct sg_history *h, bool alone)
{
    int64_t left = pragma(h->db, "PRAGMA freelist_count"), before;
    char sql[64];

    if (pragma(h->db, "PRAGMA auto_vacuum") == 0) {
        if (alone && left > pragma(h->db, "PRAGMA page_count") / 8)
            (void)sqlite3_exec(h->db, "PRAGMA auto_vacuum = INCREMENTAL; VACUUM", NULL, NULL, NULL);
        return;
    }
    sqlite3_snprintf(sizeof(sql), sql, "PRAGMA incremental_vacuum(%d)", FREE_AT_ONCE);
    do {
        struct sg_mono since = sg_mono_now();

        before = left;
        (void)sqlite3_exec(h->db, sql, NULL, NULL, NULL);
        left = pragma(h->db, "PRAGMA freelist_count");
        if (left > 0)
            leave_room(since);
    } while (left > 0 && left < before);
}

bool sg_history_prune(struct sg_history *h, const struct sg_history_prune *how, int64_t *ret_n,
                      struct sg_error *err)
{
    int64_t n_attempts, n;

    /* The attempts first: without its row a run's could not be found by its name. */
    if (!SG_EXPECT(!h->read_only, err) || !sg_history_flush(h, err) ||
        !remove_from(h, "attempts", how, &n_attempts, err) || !remove_from(h, "runs", how, &n, err))
        return false;
    if (n_attempts + n > 0)
        give_back(h, how->alone);
    *ret_n = n;
    return true;
}
