/*
 * The session of a process that has claims: its heartbeat, who else lives, and when it is lost.
 * docs/design.md, "Claims on HDFS"; the names in docs/formats.md.
 *
 *   _stagegraph/runs/SESSION/beat-0 or beat-1
 *
 * The heartbeat is a rename of the one to the other: one request, after which the NameNode has
 * given SESSION its time. Claims are prepared in SESSION too, so taking one is a sign of life as
 * well.
 *
 * Nothing here compares the clocks of two machines. How long we have been silent is measured here,
 * from before the last heartbeat that arrived was sent; how long another has, as the difference of
 * two times that the NameNode wrote. So we think ourselves older than others think us.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/files.h"

#include "webhdfs_claim.h"

#define POLL_MS   1000
#define PATH_ROOM 160 /* of "_stagegraph/runs/SESSION/…" */

static int64_t boot_clock(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_BOOTTIME, &t); /* it is there since Linux 2.6.39 */
    return t.tv_sec * SG_NS_PER_S + t.tv_nsec;
}

static int64_t lease_ns(const struct sg_webhdfs *w)
{
    return w->lease_s * SG_NS_PER_S;
}

/* ---- requests */

static bool join_root(const struct sg_webhdfs *w, const char *path, struct sg_buf *ret,
                      struct sg_error *err)
{
    const char *root = strcmp(w->nn.path, "/") == 0 ? "" : w->nn.path;

    return sg_buf_addf(ret, err, "%s/%s", root, path);
}

/* Why a server that doesn't say has refused it, as a NameNode would have. */
static bool explain_refusal(struct sg_webhdfs *w, const char *from, const char *to,
                            struct wh_fault *fault, struct sg_error *err)
{
    struct wh_status st;

    if (!wh_status(w, from, &st, err))
        return false;
    if (st.kind != SG_ENTRY_ABSENT && !wh_status(w, to, &st, err))
        return false;
    (void)snprintf(fault->exception, sizeof(fault->exception), "%s",
                   st.kind == SG_ENTRY_ABSENT ? "FileNotFoundException"
                                              : "FileAlreadyExistsException");
    return true;
}

static bool rename_within(struct sg_webhdfs *w, const char *from, const char *to, bool idempotent,
                          int64_t deadline_ms, enum wh_result *ret, struct wh_fault *fault,
                          struct sg_error *err)
{
    struct sg_buf full = SG_BUF_INIT, query = SG_BUF_INIT;
    struct sg_http_answer answer = { .status = 0 };
    bool ok;

    ok = join_root(w, to, &full, err) && sg_buf_adds(&query, "&destination=", err) &&
         wh_add_value(&query, sg_buf_text(&full), err) &&
         sg_buf_adds(&query, "&renameoptions=NONE", err);
    if (ok) {
        struct wh_op op = { .method = "PUT",
                            .op = "RENAME",
                            .path = from,
                            .query = sg_buf_text(&query),
                            .mutates = true,
                            .idempotent = idempotent,
                            .until.ns = deadline_ms != 0
                                            ? sg_mono_now().ns + deadline_ms * SG_NS_PER_MS
                                            : 0 };

        ok = wh_call(w, &op, &answer, ret, fault, err);
        if (ok && *ret == WH_REFUSED && wh_is(fault, WH_PLAIN_REFUSAL))
            ok = explain_refusal(w, from, to, fault, err);
    }
    sg_http_answer_done(&answer);
    sg_buf_done(&full);
    sg_buf_done(&query);
    return ok;
}

bool wh_rename(struct sg_webhdfs *w, const char *from, const char *to, bool idempotent,
               enum wh_result *ret, struct wh_fault *fault, struct sg_error *err)
{
    return rename_within(w, from, to, idempotent, 0, ret, fault, err);
}

bool wh_rename_failed(struct sg_webhdfs *w, const char *from, const struct wh_fault *fault,
                      struct sg_error *err)
{
    return wh_fail(w, &(struct wh_op){ .method = "PUT", .op = "RENAME", .path = from }, fault, err);
}

/* A mutation that may be repeated. */
static bool mutate(struct sg_webhdfs *w, const char *method, const char *name, const char *path,
                   const char *query, enum wh_result *ret, struct wh_fault *fault,
                   struct sg_error *err)
{
    struct wh_op op = { .method = method,
                        .op = name,
                        .path = path,
                        .query = query,
                        .mutates = true,
                        .idempotent = true };
    struct sg_http_answer answer = { .status = 0 };
    bool ok = wh_call(w, &op, &answer, ret, fault, err);

    sg_http_answer_done(&answer);
    if (ok && *ret == WH_LOST)
        return wh_fail(w, &op, fault, err);
    return ok;
}

bool wh_mkdirs(struct sg_webhdfs *w, const char *path, struct sg_error *err)
{
    enum wh_result result;
    struct wh_fault fault;

    return mutate(w, "PUT", "MKDIRS", path, w->dir_mode, &result, &fault, err) &&
           (result == WH_OK ||
            wh_fail(w, &(struct wh_op){ .method = "PUT", .op = "MKDIRS", .path = path }, &fault,
                    err));
}

bool wh_delete(struct sg_webhdfs *w, const char *path, bool recursive, struct sg_error *err)
{
    enum wh_result result;
    struct wh_fault fault;

    if (!mutate(w, "DELETE", "DELETE", path, recursive ? "&recursive=true" : "&recursive=false",
                &result, &fault, err))
        return false;
    if (result == WH_OK || wh_is_absent(&fault) ||
        (!recursive && wh_is(&fault, "PathIsNotEmptyDirectoryException")))
        return true;
    return wh_fail(w, &(struct wh_op){ .method = "DELETE", .op = "DELETE", .path = path }, &fault,
                   err);
}

/* ---- when it is lost */

static void say_lost(struct wh_claims *c, int64_t silent_ns)
{
    char silent[SG_DURATION_TEXT];

    c->lost = true;
    sg_duration_format((double)silent_ns / 1e9, false, silent);
    if (c->taken_for_dead)
        (void)snprintf(
            c->why, sizeof(c->why),
            "lost its claim: another run took this one for dead (its heartbeat is gone)");
    else
        (void)snprintf(c->why, sizeof(c->why),
                       "lost its claim: the store could not be reached for %s%s%s", silent,
                       c->trouble[0] != '\0' ? ": " : "", c->trouble);
}

/* Under the lock. After three fifths of the lease; before others see the whole of it over, what
 * runs under its claims can be ended. */
static bool is_lost(struct sg_webhdfs *w)
{
    struct wh_claims *c = w->claims;
    int64_t silent = c->clock() - c->beat_ns;

    if (!c->lost && c->busy > 0 && silent >= lease_ns(w) / 5 * 3)
        say_lost(c, silent);
    return c->lost;
}

/* Always false. Under the lock. */
static bool fail_lost(const struct wh_claims *c, struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_STORE, 0, "%s", c->why);
}

bool wh_session_is_lost(struct sg_webhdfs *w, struct sg_fence *ret)
{
    struct wh_claims *c = w->claims;
    int64_t left_ms, again_ms = w->lease_s * 1000 / 100;
    bool lost;

    (void)pthread_mutex_lock(&c->lock); /* of a plain mutex neither fails */
    lost = c->begun && is_lost(w);
    left_ms = (c->beat_ns + lease_ns(w) / 5 * 4 - c->clock()) / SG_NS_PER_MS;
    *ret = (struct sg_fence){
        .again_ms = again_ms > POLL_MS ? POLL_MS : again_ms,
        .left_ms = c->taken_for_dead || left_ms < 0 ? 0 : left_ms,
    };
    if (lost)
        memcpy(ret->why, c->why, sizeof(ret->why));
    (void)pthread_mutex_unlock(&c->lock);
    return lost;
}

bool wh_claims_allow(struct sg_webhdfs *w, struct sg_mono *deadline, struct sg_error *err)
{
    struct wh_claims *c = w->claims;
    int64_t until;
    bool ok = true;

    if (c == NULL) /* not open yet, or closed */
        return true;
    (void)pthread_mutex_lock(&c->lock);
    if (c->lost) {
        ok = fail_lost(c, err);
    } else if (c->busy > 0) {
        ok = !is_lost(w) || fail_lost(c, err);
        until = sg_mono_now().ns + c->beat_ns + lease_ns(w) / 5 * 3 - c->clock();
        if (deadline->ns > until)
            deadline->ns = until;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return ok;
}

/* ---- the heartbeat */

static void beat_path(const struct wh_claims *c, bool second, char ret[PATH_ROOM])
{
    (void)snprintf(ret, PATH_ROOM, WH_RUNS "/%s/beat-%d", c->session, second);
}

static void note_beat(struct sg_webhdfs *w, int64_t sent_ns)
{
    struct wh_claims *c = w->claims;

    (void)pthread_mutex_lock(&c->lock);
    if (!is_lost(w)) { /* one that arrived too late heals nothing: others may have been quicker */
        c->beat_ns = sent_ns;
        c->trouble[0] = '\0';
    }
    (void)pthread_mutex_unlock(&c->lock);
}

/* The heartbeat is not there. If there is nothing that we could lose, it is made again: who slept
 * for long is swept away. */
static bool begin_again(struct sg_webhdfs *w, struct sg_error *err)
{
    struct wh_claims *c = w->claims;
    char path[PATH_ROOM];
    int64_t sent;
    bool lost;

    (void)pthread_mutex_lock(&c->lock);
    if (c->busy > 0 && !c->lost) {
        c->taken_for_dead = true;
        say_lost(c, 0);
    }
    lost = c->lost;
    if (lost)
        fail_lost(c, err);
    sent = c->clock();
    (void)pthread_mutex_unlock(&c->lock);
    if (lost)
        return false;
    c->second = false;
    beat_path(c, false, path);
    if (!wh_mkdirs(w, path, err))
        return false;
    note_beat(w, sent);
    return true;
}

/* An answer that was lost shows next time: then the names are the other way round. A NameNode that
 * takes a request and says nothing must not be the end: there is time for more than one. */
static bool beat_once(struct sg_webhdfs *w, struct sg_error *err)
{
    int64_t deadline_ms = w->lease_s * 1000 / 5;
    struct wh_claims *c = w->claims;
    char from[PATH_ROOM], to[PATH_ROOM];
    enum wh_result result;
    struct wh_fault fault;

    if (deadline_ms > w->deadline_ms)
        deadline_ms = w->deadline_ms;
    for (int i = 0; i < 2; i++) {
        int64_t sent = c->clock();

        beat_path(c, c->second, from);
        beat_path(c, !c->second, to);
        if (!rename_within(w, from, to, true, deadline_ms, &result, &fault, err))
            return false;
        if (result == WH_OK) {
            c->second = !c->second;
            note_beat(w, sent);
            return true;
        }
        if (result == WH_LOST || !wh_is_absent(&fault))
            return wh_rename_failed(w, from, &fault, err);
        c->second = !c->second;
    }
    return begin_again(w, err);
}

bool wh_beat(struct sg_webhdfs *w, struct sg_error *err)
{
    struct wh_claims *c = w->claims;
    bool ok;

    (void)pthread_mutex_lock(&c->turn);
    ok = beat_once(w, err);
    (void)pthread_mutex_unlock(&c->turn);
    if (!ok) {
        (void)pthread_mutex_lock(&c->lock);
        (void)snprintf(c->trouble, sizeof(c->trouble), "%.390s", err->text); /* for people */
        (void)pthread_mutex_unlock(&c->lock);
    }
    return ok;
}

static bool is_old(struct sg_webhdfs *w, bool *ret_lost)
{
    struct wh_claims *c = w->claims;
    bool old;

    (void)pthread_mutex_lock(&c->lock);
    *ret_lost = is_lost(w);
    old = c->clock() - c->beat_ns >= lease_ns(w) / 5;
    (void)pthread_mutex_unlock(&c->lock);
    return old;
}

bool wh_session_check(struct sg_webhdfs *w, struct sg_error *err)
{
    struct wh_claims *c = w->claims;
    bool lost, ok = true;

    if (is_old(w, &lost) && !lost && !wh_beat(w, err))
        ok = sg_error_wrap(err, "renew the heartbeat");
    (void)pthread_mutex_lock(&c->lock);
    if (is_lost(w)) {
        sg_error_clear(err);
        ok = fail_lost(c, err);
    }
    (void)pthread_mutex_unlock(&c->lock);
    return ok;
}

/* ---- its thread */

/* Tries once more to remove what could not be removed; the claim's directory too, whatever was said
 * of its child: not while there is one in it. */
static void remove_dropped(struct sg_webhdfs *w)
{
    struct wh_claims *c = w->claims;
    struct sg_error ignored = SG_ERROR_INIT; /* tried again later, or dead with the session */
    struct sg_buf path = SG_BUF_INIT, dir = SG_BUF_INIT;
    char token[WH_TOKEN] = "";

    for (;;) {
        struct wh_held *h;
        bool gone;

        sg_buf_clear(&path);
        sg_buf_clear(&dir);
        (void)pthread_mutex_lock(&c->lock);
        for (h = c->held; h != NULL; h = h->next)
            if (h->how == WH_DROPPED && h->path != NULL)
                break;
        if (h != NULL && sg_buf_adds(&dir, h->path, &ignored) &&
            sg_buf_addf(&path, &ignored, "%s/%s", h->path, h->name))
            memcpy(token, h->token, sizeof(token));
        (void)pthread_mutex_unlock(&c->lock);
        if (h == NULL || path.len == 0)
            break;
        gone = wh_delete(w, sg_buf_text(&path), true, &ignored);
        (void)!wh_delete(w, sg_buf_text(&dir), false, &ignored);
        if (!gone)
            break;
        wh_lock_remove(c, token);
        (void)pthread_mutex_lock(&c->lock);
        for (struct wh_held **at = &c->held; *at != NULL; at = &(*at)->next) {
            h = *at;
            if (strcmp(h->token, token) == 0) {
                *at = h->next;
                free(h->path);
                free(h);
                break;
            }
        }
        (void)pthread_mutex_unlock(&c->lock);
    }
    sg_buf_done(&path);
    sg_buf_done(&dir);
}

static void *run_thread(void *arg)
{
    struct sg_webhdfs *w = arg;
    struct wh_claims *c = w->claims;
    int64_t period_ms = w->lease_s * 1000 / 5, swept_ns = 0;
    struct timespec until;
    bool stop = false, lost;

    if (period_ms > POLL_MS)
        period_ms = POLL_MS; /* and look: the machine may have slept */
    while (!stop) {
        struct sg_error ignored = SG_ERROR_INIT; /* c->trouble has it */

        if (is_old(w, &lost) && !lost && wh_beat(w, &ignored))
            remove_dropped(w);
        if (!lost && (swept_ns == 0 || c->clock() - swept_ns > lease_ns(w))) {
            swept_ns = c->clock();
            wh_sweep(w);
        }
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += period_ms / 1000;
        until.tv_nsec += period_ms % 1000 * SG_NS_PER_MS;
        if (until.tv_nsec >= SG_NS_PER_S) {
            until.tv_sec++;
            until.tv_nsec -= SG_NS_PER_S;
        }
        (void)pthread_mutex_lock(&c->lock);
        while (!c->stop && pthread_cond_timedwait(&c->wake, &c->lock, &until) == 0)
            ;
        stop = c->stop;
        (void)pthread_mutex_unlock(&c->lock);
    }
    return NULL;
}

static bool start_thread(struct sg_webhdfs *w, struct sg_error *err)
{
    sigset_t all, before;
    int failed;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    failed = pthread_create(&w->claims->thread, NULL, run_thread, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, failed, "start a thread for the heartbeat");
    w->claims->has_thread = true;
    return true;
}

/* ---- beginning and end */

static bool begin(struct sg_webhdfs *w, struct sg_error *err)
{
    struct wh_claims *c = w->claims;
    struct sg_error ignored = SG_ERROR_INIT; /* without lock files the heartbeat has to do */

    if (c->lock_dir != NULL && sg_files_make_dir(c->lock_dir, &ignored))
        wh_locks_sweep(c);
    if (!begin_again(w, err) || (!c->has_thread && !start_thread(w, err)))
        return false;
    (void)pthread_mutex_lock(&c->lock);
    c->begun = true;
    (void)pthread_mutex_unlock(&c->lock);
    return true;
}

bool wh_session_more(struct sg_webhdfs *w, struct sg_error *err)
{
    struct wh_claims *c = w->claims;
    bool begun, ok = true, lost;

    (void)pthread_mutex_lock(&c->turn);
    (void)pthread_mutex_lock(&c->lock);
    begun = c->begun;
    (void)pthread_mutex_unlock(&c->lock);
    if (!begun)
        ok = begin(w, err);
    (void)pthread_mutex_unlock(&c->turn);
    if (!ok || (is_old(w, &lost) && !lost && !wh_beat(w, err)))
        return sg_error_wrap(err, "begin to have claims");
    (void)pthread_mutex_lock(&c->lock);
    ok = !c->lost || fail_lost(c, err);
    if (ok)
        c->busy++;
    (void)pthread_mutex_unlock(&c->lock);
    return ok;
}

void wh_session_less(struct sg_webhdfs *w)
{
    (void)pthread_mutex_lock(&w->claims->lock);
    w->claims->busy--;
    (void)pthread_mutex_unlock(&w->claims->lock);
}

void wh_token_new(struct wh_claims *c, char ret[WH_TOKEN])
{
    (void)pthread_mutex_lock(&c->lock);
    (void)snprintf(ret, WH_TOKEN, "%s.%" PRIu64, c->session, ++c->n_tokens); /* fits */
    (void)pthread_mutex_unlock(&c->lock);
}

bool wh_claims_open(struct sg_webhdfs *w, struct sg_error *err)
{
    struct wh_claims *c = calloc(1, sizeof(*c));
    struct sg_buf dir = SG_BUF_INIT;
    pthread_condattr_t attr;

    if (c == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "claims on HDFS");
    if (!wh_session_format(w->lease_s, c->session, err) ||
        (w->state != NULL && !sg_buf_addf(&dir, err, "%s/claims", w->state))) {
        free(c);
        return false;
    }
    c->lock_dir = sg_buf_move(&dir);
    c->clock = boot_clock;
    (void)pthread_mutex_init(&c->lock, NULL); /* none of these can fail in glibc */
    (void)pthread_mutex_init(&c->turn, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&c->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    w->claims = c;
    return true;
}

/* Is every claim that was left dead, so that the others need not wait for it? A process that can't
 * be killed has inherited its lock. */
static bool is_nothing_left(const struct wh_claims *c)
{
    for (const struct wh_held *h = c->held; h != NULL; h = h->next)
        if (wh_lock_look(c, h->token) != WH_LOCK_FREE)
            return false;
    return true;
}

void wh_claims_free(struct sg_webhdfs *w)
{
    struct wh_claims *c = w->claims;
    struct sg_error ignored = SG_ERROR_INIT; /* a heartbeat that stays is swept when it is old */
    char path[PATH_ROOM];

    if (c == NULL)
        return;
    atomic_store(&w->closing, true);
    if (c->has_thread) {
        (void)pthread_mutex_lock(&c->lock);
        c->stop = true;
        (void)pthread_cond_signal(&c->wake);
        (void)pthread_mutex_unlock(&c->lock);
        (void)pthread_join(c->thread, NULL);
    }
    if (c->begun && !c->lost) {
        remove_dropped(w);
        for (struct wh_held *h = c->held; h != NULL; h = h->next)
            if (h->lock_fd >= 0)
                (void)close(h->lock_fd); /* nothing was written to it */
        (void)snprintf(path, sizeof(path), WH_RUNS "/%s", c->session);
        if (is_nothing_left(c))
            (void)!wh_delete(w, path, true, &ignored);
    }
    while (c->held != NULL) {
        struct wh_held *h = c->held;

        c->held = h->next;
        free(h->path);
        free(h);
    }
    free(c->lock_dir);
    (void)pthread_cond_destroy(&c->wake);
    (void)pthread_mutex_destroy(&c->lock);
    (void)pthread_mutex_destroy(&c->turn);
    free(c);
    w->claims = NULL;
}
