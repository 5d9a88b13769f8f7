/*
 * What is written to the history.
 *
 * Attempts are kept in memory and written together, a second later, by a thread that is there for
 * as long as something is to be written. So a node costs no transaction, a run that is killed loses
 * the last second of a disposable history, and no job waits for a disk or a lock. Where another is
 * at the file (somebody pages through a long SELECT), it is tried again a second later. Everything
 * else is done by the caller's thread, after the writer has ended.
 */
#include "stagegraph/history.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>

#include "stagegraph/arena.h"
#include "stagegraph/clock.h"

#include "history_impl.h"

#define MAX_WAITING 100000 /* attempts in memory, when nothing can be written */

/* Whether the last failure is one that goes by: another was at the file. */
static bool is_in_use(const struct sg_history *h)
{
    return (h->code & 0xff) == SQLITE_BUSY;
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
    return sg_history_step(st);
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
    code = sg_history_step(st);
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

/* All that waits, and a run where one is given: in one transaction, which is three flushes, unless
 * a batch that came later waits behind one that could not be written. */
static bool write_with(struct sg_history *h, const struct sg_history_run *r, int patience_ms,
                       struct sg_error *err)
{
    struct sg_history_run copy;

    if (!SG_EXPECT(!h->read_only, err) || !sg_history_settle(h, err))
        return false;
    h->patience_ms = patience_ms;
    if (has(&h->out) && has(&h->next) && !write_out(h, NULL, err))
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

bool sg_history_copy_run(struct sg_arena *a, const struct sg_history_run *r,
                         struct sg_history_run *ret, struct sg_error *err)
{
    struct sg_history_run copy = *r;

    if (!keep(a, &copy.run, err) || !keep(a, &copy.command, err) || !keep(a, &copy.profile, err) ||
        !keep(a, &copy.request, err) || !keep(a, &copy.host, err) || !keep(a, &copy.boot, err))
        return false;
    *ret = copy;
    return true;
}

bool sg_history_copy_attempt(struct sg_arena *a, const struct sg_history_attempt *at,
                             struct sg_history_attempt *ret, struct sg_error *err)
{
    struct sg_history_attempt copy = *at;

    if (!keep(a, &copy.run, err) || !keep(a, &copy.node, err) || !keep(a, &copy.stage, err) ||
        !keep(a, &copy.label, err) || !keep(a, &copy.result, err) || !keep(a, &copy.reason, err) ||
        !keep(a, &copy.detail, err) || !keep(a, &copy.log, err) ||
        !keep(a, &copy.peak_source, err) || !keep(a, &copy.applications, err))
        return false;
    *ret = copy;
    return true;
}

static bool keep_run(struct sg_history_batch *b, const struct sg_history_run *r,
                     struct sg_error *err)
{
    struct sg_history_run *copy = SG_ARENA_NEW(&b->a, 1, struct sg_history_run, err);

    if (copy == NULL || !sg_history_copy_run(&b->a, r, copy, err))
        return false;
    b->begun = copy;
    return true;
}

static bool keep_attempt(struct sg_history_batch *b, const struct sg_history_attempt *a,
                         struct sg_error *err)
{
    if (!sg_arena_grow(&b->a, (void **)&b->attempts, b->n, &b->cap, sizeof(*b->attempts), err) ||
        !sg_history_copy_attempt(&b->a, a, &b->attempts[b->n], err))
        return false;
    b->n++;
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

void sg_history_write_last(struct sg_history *h)
{
    struct sg_error ignored = SG_ERROR_INIT;

    if (!h->read_only) /* who wants to know flushes first; what was waited for is not again */
        (void)!write_with(h, NULL, is_in_use(h) ? 0 : SG_HISTORY_BUSY_MS, &ignored);
    empty(&h->out);
    empty(&h->next);
}
