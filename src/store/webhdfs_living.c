/*
 * Who lives: by the heartbeats in HDFS, and on this host by locks. docs/design.md, "Claims on
 * HDFS".
 *
 *   STATE/claims/TOKEN    locked (flock) by executor and shim while the claim is held
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "webhdfs_claim.h"

#define OLD_LOCK_S (2 * 86400)

/* ---- heartbeats */

struct beats {
    struct sg_buf *lines;
    const char *own;
    int64_t own_ms;
    struct sg_error *err;
    bool ok;
};

static bool on_beat(void *ctx, const struct wh_status *st)
{
    struct beats *b = ctx;

    if (st->kind != SG_ENTRY_DIR)
        return true;
    if (sg_span_is(st->name, b->own))
        b->own_ms = st->mtime_ms;
    b->ok = sg_buf_addf(b->lines, b->err, "%.*s %" PRId64 " %" PRIu64 "\n", (int)st->name.len,
                        st->name.at, st->mtime_ms, st->file_id);
    return b->ok;
}

/* Who has a claim, or is about to, has a heartbeat that is as good as now: the NameNode gave it its
 * time. Who only looks asks for the store's clock. */
static bool list_beats(struct sg_webhdfs *w, struct wh_living *l, struct sg_error *err)
{
    struct beats b = { .lines = &l->beats, .own = w->claims->session, .err = err, .ok = true };
    struct sg_wall now;
    bool there;

    if (!wh_list(w, WH_RUNS, on_beat, &b, &there, err) || !b.ok)
        return false;
    l->now_ms = b.own_ms;
    if (b.own_ms == 0) {
        if (!wh_store_now(&w->base, &now, err))
            return false;
        l->now_ms = now.ns / SG_NS_PER_MS;
    }
    l->listed = true;
    return true;
}

void wh_living_done(struct wh_living *l)
{
    sg_buf_done(&l->beats);
    *l = (struct wh_living){ .listed = false };
}

/* The time of its last sign of life. False: there is no heartbeat. */
static bool find_beat(const struct wh_living *l, const char *session, int64_t *ret_ms)
{
    size_t n = strlen(session);
    const char *at = sg_buf_text(&l->beats);

    for (; *at != '\0'; at += strcspn(at, "\n") + 1)
        if (strncmp(at, session, n) == 0 && at[n] == ' ') {
            *ret_ms = strtoll(at + n, NULL, 10);
            return true;
        }
    return false;
}

bool wh_is_alive(struct sg_webhdfs *w, struct wh_living *l, const char *token, const char *session,
                 bool *ret, struct sg_error *err)
{
    const struct wh_claims *c = w->claims;
    int64_t lease_s = 0, beat_ms;
    enum wh_lock lock = wh_lock_look(c, token);

    if (lock != WH_LOCK_NONE) {
        *ret = lock == WH_LOCK_HELD;
        return true;
    }
    if (strcmp(session, c->session) == 0) {
        *ret = true;
        return true;
    }
    if (!l->listed && !list_beats(w, l, err))
        return false;
    *ret = wh_session_parse(sg_span_of(session), &lease_s) && find_beat(l, session, &beat_ms) &&
           l->now_ms - beat_ms <= lease_s * 1000;
    return true;
}

void wh_sweep(struct sg_webhdfs *w)
{
    struct sg_error ignored = SG_ERROR_INIT; /* what stays is swept by another */
    struct wh_living l = { .listed = false };
    char path[64];

    if (list_beats(w, &l, &ignored)) {
        for (const char *at = sg_buf_text(&l.beats); *at != '\0'; at += strcspn(at, "\n") + 1) {
            size_t n = strcspn(at, " ");
            int64_t lease_s, beat_ms;
            char *end;

            if (!wh_session_parse((struct sg_span){ at, n }, &lease_s))
                continue;
            beat_ms = strtoll(at + n, &end, 10);
            if (l.now_ms - beat_ms <= 2 * lease_s * 1000)
                continue;
            (void)snprintf(path, sizeof(path), "/.reserved/.inodes/%" PRIu64,
                           (uint64_t)strtoull(end, NULL, 10));
            (void)!wh_delete(w, path, true, &ignored);
        }
    }
    wh_living_done(&l);
}

/* ---- lock files of this host */

static bool lock_path(const struct wh_claims *c, const char *token, char ret[PATH_MAX])
{
    int n = c->lock_dir != NULL ? snprintf(ret, PATH_MAX, "%s/%s", c->lock_dir, token) : 0;

    return n > 0 && n < PATH_MAX;
}

int wh_lock_new(struct wh_claims *c, const char *token)
{
    char path[PATH_MAX];
    int fd;

    if (!lock_path(c, token, path))
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    (void)close(fd);
    (void)unlink(path); /* without it the heartbeat tells */
    return -1;
}

void wh_lock_remove(struct wh_claims *c, const char *token)
{
    char path[PATH_MAX];

    if (lock_path(c, token, path))
        (void)unlink(path); /* old ones are swept */
}

/* Of another host's claim the file may be there too, where hosts share a state directory: its lock
 * says nothing then. */
static bool is_of_this_host(const struct wh_claims *c, const char *token)
{
    return strncmp(token, c->session, WH_BOOT_HASH) == 0;
}

enum wh_lock wh_lock_look(const struct wh_claims *c, const char *token)
{
    enum wh_lock ret = WH_LOCK_NONE;
    char path[PATH_MAX];
    int fd;

    if (!is_of_this_host(c, token) || !lock_path(c, token, path))
        return WH_LOCK_NONE;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return WH_LOCK_NONE;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        ret = WH_LOCK_FREE;
    else if (errno == EWOULDBLOCK)
        ret = WH_LOCK_HELD;
    (void)close(fd);
    return ret;
}

/* Those of dead claims that nobody took over, or that another host did. */
void wh_locks_sweep(const struct wh_claims *c)
{
    DIR *d = opendir(c->lock_dir);
    const struct dirent *e;
    struct timespec now;
    struct stat st;

    if (d == NULL)
        return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    while ((e = readdir(d)) != NULL) {
        int fd;

        if (e->d_name[0] == '.')
            continue;
        fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            continue;
        if (fstat(fd, &st) == 0 && now.tv_sec - st.st_mtim.tv_sec > OLD_LOCK_S &&
            flock(fd, LOCK_EX | LOCK_NB) == 0)
            (void)unlinkat(dirfd(d), e->d_name, 0); /* what stays is swept next time */
        (void)close(fd);
    }
    closedir(d);
}
