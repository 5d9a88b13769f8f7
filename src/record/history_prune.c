/*
 * The history, made smaller.
 */
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/history.h"

#include "history_impl.h"

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
            (void)sqlite3_bind_int64(st, 1, p->before_ms); /* the step would fail */
            code = sqlite3_step(st) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(h->db);
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
