/*
 * Logs that go, by age and by size. docs/formats.md, "Sizes of logs".
 *
 * To look at each log file of each run whenever a run ends would take seconds where there are a
 * million of them. So a run that is over is measured once, and what it has is written down in
 * STATE/log_sizes; what ends costs a list of the runs, their number and not that of their files.
 */
#include "stagegraph/logs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/files.h"
#include "stagegraph/registry.h"

#define STALE_MOST 64 /* lines of runs that are gone, besides as many as there are runs */

struct log_dir {
    const char *run;
    int64_t began_s;
    int64_t bytes;          /* -1: not known */
    bool alive, own, fresh; /* fresh: it was measured just now, and will not change */
};

struct log_dirs {
    struct sg_arena arena;
    const struct sg_logs_prune *how;
    const char *path, *sizes; /* STATE/logs, STATE/log_sizes */
    struct log_dir *at;       /* by name, which is by age */
    size_t n, cap;
    int64_t bytes;
    size_t n_lines; /* of the sizes, whatever is in them */
    bool torn;      /* the last one has no end */
    uint32_t n_removed;
    struct sg_error failed; /* the first removal that did */
};

/* "20240101T060012-3f2a9c": the second in which it began. */
static bool began(const char *run, int64_t *ret_s)
{
    char text[] = "YYYY-MM-DDTHH:MM:SSZ";
    static const unsigned char from[] = { 0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 14, 15, 17, 18 };

    if (strlen(run) < 17 || run[8] != 'T' || run[15] != '-')
        return false;
    for (size_t i = 0; i < sizeof(from); i++)
        text[from[i]] = run[i];
    return sg_utc_parse(text, sizeof(text) - 1, ret_s);
}

static int by_name(const void *a, const void *b)
{
    const struct log_dir *x = a, *y = b;

    return strcmp(x->run, y->run);
}

static bool list(struct log_dirs *l, struct sg_error *err)
{
    DIR *d = opendir(l->path);
    struct dirent *e;
    bool ok = d != NULL || errno == ENOENT ||
              sg_error_set(err, SG_ERROR_SYSTEM, errno, "list %s", l->path);
    int64_t s;

    while (ok && d != NULL && (e = readdir(d)) != NULL) {
        if (!began(e->d_name, &s))
            continue;
        ok = sg_arena_grow(&l->arena, (void **)&l->at, l->n, &l->cap, sizeof(*l->at), err);
        if (!ok)
            break;
        l->at[l->n] = (struct log_dir){
            .run = sg_arena_text(&l->arena, e->d_name, err),
            .began_s = s,
            .bytes = -1,
            .own = strcmp(e->d_name, l->how->own) == 0,
        };
        ok = l->at[l->n].run != NULL;
        l->n++;
    }
    if (d != NULL)
        (void)closedir(d); /* read only */
    if (ok && l->n != 0)
        qsort(l->at, l->n, sizeof(*l->at), by_name);
    return ok;
}

static struct log_dir *find(struct log_dirs *l, const char *run)
{
    const struct log_dir key = { .run = run };

    return l->n != 0 ? bsearch(&key, l->at, l->n, sizeof(*l->at), by_name) : NULL;
}

static bool spare(void *ctx, const struct sg_registry_run *r, bool alive)
{
    struct log_dir *at = alive ? find(ctx, r->run) : NULL;

    if (at != NULL && !at->own) /* that one has only to go yet */
        at->alive = true;
    return true;
}

/* ---- sizes */

/* "RUN BYTES". What is anything else says nothing: that run is measured again. So is one that would
 * take half of the room: for a number that is wrong others would have to go. */
static void take_line(struct log_dirs *l, char *line)
{
    char *blank = strchr(line, ' '), *end;
    struct log_dir *at;
    long long bytes;

    l->n_lines++;
    if (blank == NULL || blank[1] < '0' || blank[1] > '9')
        return;
    *blank = '\0';
    errno = 0;
    bytes = strtoll(blank + 1, &end, 10);
    at = *end == '\0' && errno == 0 && bytes <= l->how->limit / 2 ? find(l, line) : NULL;
    if (at != NULL && !at->alive)
        at->bytes = bytes;
}

static bool read_sizes(struct log_dirs *l, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    bool found;
    bool ok = sg_files_read(l->sizes, &text, &found, err);
    char *line = text.at, *end;

    l->torn = ok && text.len != 0 && text.at[text.len - 1] != '\n';
    while (ok && text.len != 0 &&
           (end = memchr(line, '\n', (size_t)(text.at + text.len - line))) != NULL) {
        *end = '\0';
        take_line(l, line);
        line = end + 1;
    }
    sg_buf_done(&text);
    return ok;
}

static bool add_lines(struct log_dirs *l, bool all, struct sg_buf *b, struct sg_error *err)
{
    bool ok = all || !l->torn || sg_buf_adds(b, " ?\n", err); /* so that it is none */

    for (size_t i = 0; ok && i < l->n; i++) {
        const struct log_dir *at = &l->at[i];

        if (at->run != NULL && at->bytes >= 0 && !at->alive && (all || at->fresh))
            ok = sg_buf_addf(b, err, "%s %lld\n", at->run, (long long)at->bytes);
    }
    return ok;
}

/* New ones are added at the end; anew, without those that are gone, from time to time. What another
 * run adds at the same moment may be lost, and is measured again. */
static bool write_sizes(struct log_dirs *l, struct sg_error *err)
{
    struct sg_buf b = SG_BUF_INIT, tmp = SG_BUF_INIT;
    bool all = l->n_lines > 2 * l->n + STALE_MOST;
    bool ok = add_lines(l, all, &b, err);
    int fd = -1;

    if (ok && all) {
        ok = sg_buf_addf(&tmp, err, "%s.%d", l->sizes, (int)getpid()) &&
             sg_files_write(sg_buf_text(&tmp), sg_buf_span(&b), err);
        if (ok && rename(sg_buf_text(&tmp), l->sizes) != 0)
            ok = sg_error_set(err, SG_ERROR_SYSTEM, errno, "rename %s", sg_buf_text(&tmp));
        if (!ok && tmp.len != 0)
            (void)unlink(sg_buf_text(&tmp)); /* of a full disk */
    } else if (ok && b.len != 0) {
        fd = open(l->sizes, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        ok = (fd >= 0 || sg_error_set(err, SG_ERROR_SYSTEM, errno, "open %s", l->sizes)) &&
             (sg_files_write_fd(fd, b.at, b.len, err) || sg_error_wrap(err, "%s", l->sizes));
    }
    if (fd >= 0)
        (void)close(fd); /* what is lost is measured again */
    sg_buf_done(&b);
    sg_buf_done(&tmp);
    return ok;
}

/* ---- measuring */

/* Bytes on disk of the files in one directory; what can't be looked at counts as nothing. */
static int64_t bytes_in(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    struct stat st;
    int64_t sum = 0;

    while (d != NULL && (e = readdir(d)) != NULL)
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += (int64_t)st.st_blocks * 512;
    if (d != NULL)
        (void)closedir(d); /* read only */
    return sum;
}

/* LOGS/RUN/STAGE/LABEL.N.log: two levels, so no walk. */
static bool measure(struct log_dirs *l, struct log_dir *at, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool ok = sg_buf_addf(&path, err, "%s/%s", l->path, at->run);
    DIR *d = ok ? opendir(sg_buf_text(&path)) : NULL;
    struct dirent *e;

    at->bytes = 0;
    at->fresh = true;
    while (ok && d != NULL && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        sg_buf_clear(&path);
        ok = sg_buf_addf(&path, err, "%s/%s/%s", l->path, at->run, e->d_name);
        if (ok)
            at->bytes += bytes_in(sg_buf_text(&path));
    }
    if (d != NULL)
        (void)closedir(d); /* read only */
    sg_buf_done(&path);
    return ok;
}

static bool measure_rest(struct log_dirs *l, struct sg_error *err)
{
    l->bytes = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].run == NULL)
            continue;
        if (l->at[i].bytes < 0 && !measure(l, &l->at[i], err))
            return false;
        l->bytes += l->at[i].bytes;
    }
    return true;
}

/* One whose logs somebody has removed since need not go for them. */
static bool measure_again(struct log_dirs *l, struct log_dir *at, struct sg_error *err)
{
    int64_t before = at->bytes;

    if (!at->fresh && !measure(l, at, err))
        return false;
    l->bytes += at->bytes - before;
    return true;
}

/* ---- removing */

/* One that can't be removed doesn't keep the others. */
static void drop(struct log_dirs *l, struct log_dir *at)
{
    struct sg_buf path = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;

    if (sg_buf_addf(&path, &err, "%s/%s", l->path, at->run) &&
        sg_files_remove_tree(sg_buf_text(&path), &err)) {
        l->n_removed++;
        l->bytes -= at->bytes > 0 ? at->bytes : 0;
        at->run = NULL;
    } else if (l->failed.code == SG_ERROR_NONE) {
        l->failed = err;
    }
    sg_buf_done(&path);
}

static bool goes(const struct log_dirs *l, const struct log_dir *at)
{
    return at->run != NULL && !at->own && !at->alive &&
           (l->how->go_on == NULL || l->how->go_on(l->how->ctx));
}

static bool prune(struct log_dirs *l, struct sg_error *err)
{
    int64_t before_s = l->how->now.ns / SG_NS_PER_S - l->how->keep_s;

    for (size_t i = 0; i < l->n && l->at[i].began_s < before_s; i++)
        if (goes(l, &l->at[i]))
            drop(l, &l->at[i]);
    if (!measure_rest(l, err))
        return false;
    for (size_t i = 0; i < l->n && l->bytes > l->how->limit; i++) {
        if (!goes(l, &l->at[i]))
            continue;
        if (!measure_again(l, &l->at[i], err))
            return false;
        if (l->bytes > l->how->limit)
            drop(l, &l->at[i]);
    }
    return true;
}

bool sg_logs_prune(const struct sg_logs_prune *how, uint32_t *ret_n, struct sg_error *err)
{
    struct log_dirs l = { .arena = SG_ARENA_INIT, .how = how, .failed = SG_ERROR_INIT };
    struct sg_error ignored = SG_ERROR_INIT; /* the next one measures again */
    bool ok;

    l.path = sg_arena_printf(&l.arena, err, "%s/logs", how->state);
    l.sizes = l.path != NULL ? sg_arena_printf(&l.arena, err, "%s/log_sizes", how->state) : NULL;
    ok = l.sizes != NULL && list(&l, err) && sg_registry_list(how->state, spare, &l, err) &&
         (l.n == 0 || (read_sizes(&l, err) && prune(&l, err)));
    if (ok && l.n != 0)
        (void)!write_sizes(&l, &ignored);
    if (ok && l.failed.code != SG_ERROR_NONE) {
        *err = l.failed;
        ok = false;
    }
    sg_arena_done(&l.arena);
    *ret_n = l.n_removed;
    return ok || sg_error_wrap(err, "remove old logs");
}
