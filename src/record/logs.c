#include "stagegraph/logs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/files.h"
#include "stagegraph/registry.h"

struct log_dir {
    const char *run;
    int64_t began_s, bytes;
    bool keep; /* alive, or our own */
};

struct log_dirs {
    struct sg_arena arena;
    const char *path; /* STATE/logs */
    struct log_dir *at;
    size_t n, cap;
    int64_t bytes;
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

static bool list(struct log_dirs *l, const char *own, struct sg_error *err)
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
        l->at[l->n].run = sg_arena_text(&l->arena, e->d_name, err);
        l->at[l->n].began_s = s;
        l->at[l->n].bytes = 0;
        l->at[l->n].keep = strcmp(e->d_name, own) == 0;
        ok = l->at[l->n].run != NULL;
        l->n++;
    }
    if (d != NULL)
        (void)closedir(d); /* read only */
    if (ok && l->n != 0)
        qsort(l->at, l->n, sizeof(*l->at), by_name);
    return ok;
}

static bool spare(void *ctx, const struct sg_registry_run *r, bool alive)
{
    struct log_dirs *l = ctx;

    for (size_t i = 0; alive && i < l->n; i++)
        l->at[i].keep |= strcmp(l->at[i].run, r->run) == 0;
    return true;
}

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
    l->bytes += at->bytes;
    return ok;
}

static bool drop(struct log_dirs *l, struct log_dir *at, uint32_t *ret_n, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool ok = sg_buf_addf(&path, err, "%s/%s", l->path, at->run) &&
              sg_files_remove_tree(sg_buf_text(&path), err);

    sg_buf_done(&path);
    l->bytes -= ok ? at->bytes : 0;
    *ret_n += ok;
    return ok;
}

static bool prune(struct log_dirs *l, int64_t before_s, int64_t limit, uint32_t *ret_n,
                  struct sg_error *err)
{
    size_t first = 0;

    for (; first < l->n && l->at[first].began_s < before_s; first++)
        if (!l->at[first].keep && !drop(l, &l->at[first], ret_n, err))
            return false;
    for (size_t i = 0; i < l->n; i++)
        if ((i >= first || l->at[i].keep) && !measure(l, &l->at[i], err))
            return false;
    for (size_t i = first; i < l->n && l->bytes > limit; i++)
        if (!l->at[i].keep && !drop(l, &l->at[i], ret_n, err))
            return false;
    return true;
}

bool sg_logs_prune(const char *state, const char *own, int64_t keep_s, int64_t limit,
                   struct sg_wall now, uint32_t *ret_n, struct sg_error *err)
{
    struct log_dirs l = { .arena = SG_ARENA_INIT };
    uint32_t n = 0;
    bool ok;

    l.path = sg_arena_printf(&l.arena, err, "%s/logs", state);
    ok = l.path != NULL && list(&l, own, err) && sg_registry_list(state, spare, &l, err) &&
         prune(&l, now.ns / SG_NS_PER_S - keep_s, limit, &n, err);
    sg_arena_done(&l.arena);
    *ret_n = n;
    return ok || sg_error_wrap(err, "remove old logs");
}
