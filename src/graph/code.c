#include "stagegraph/code.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/clock.h"
#include "stagegraph/text.h"

/* A file that changed less than this ago may change again without a new ctime (its clock ticks
 * every few milliseconds): its hash is used, but not remembered. */
#define SETTLED_NS (2 * SG_NS_PER_S)
/* So often a file that changes under our hands is read again. */
#define TRIES 10

struct entry {
    dev_t dev;
    ino_t ino;
    int64_t len;
    struct timespec mtime, ctime;
    struct sg_hash128 hash;
    bool used;
};

struct sg_code_cache {
    pthread_mutex_t lock;
    struct entry *entries; /* open addressing by device and inode, at most half full */
    size_t n, cap;
};

struct sg_code_cache *sg_code_cache_new(struct sg_error *err)
{
    struct sg_code_cache *c = calloc(1, sizeof(*c));

    if (c == NULL)
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for the hashes of code files");
    else
        (void)pthread_mutex_init(&c->lock, NULL); /* can't fail for a default one */
    return c;
}

void sg_code_cache_free(struct sg_code_cache *c)
{
    if (c == NULL)
        return;
    (void)pthread_mutex_destroy(&c->lock);
    free(c->entries);
    free(c);
}

static struct entry *find(const struct sg_code_cache *c, const struct stat *st)
{
    uint64_t hash = ((uint64_t)st->st_ino * UINT64_C(0x9e3779b97f4a7c15)) ^ (uint64_t)st->st_dev;
    size_t i = (size_t)(hash >> 7) & (c->cap - 1);

    while (c->entries[i].used &&
           (c->entries[i].ino != st->st_ino || c->entries[i].dev != st->st_dev))
        i = (i + 1) & (c->cap - 1);
    return &c->entries[i];
}

static bool is_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool recall(struct sg_code_cache *c, const struct stat *st, struct sg_hash128 *ret)
{
    const struct entry *e;
    bool known;

    (void)pthread_mutex_lock(&c->lock); /* never held twice */
    e = c->cap > 0 ? find(c, st) : NULL;
    known = e != NULL && e->used && e->len == st->st_size && is_time(e->mtime, st->st_mtim) &&
            is_time(e->ctime, st->st_ctim);
    if (known)
        *ret = e->hash;
    (void)pthread_mutex_unlock(&c->lock);
    return known;
}

/* With the lock held. False: no memory, and nothing lost but time. */
static bool make_room(struct sg_code_cache *c)
{
    struct entry *old = c->entries, *to;
    size_t n = c->cap, cap = n > 0 ? n * 2 : 64;
    struct stat st = { .st_ino = 0 };

    if (c->n * 2 < c->cap)
        return true;
    to = calloc(cap, sizeof(*to));
    if (to == NULL)
        return false;
    c->entries = to;
    c->cap = cap;
    for (size_t i = 0; i < n; i++) {
        if (!old[i].used)
            continue;
        st.st_ino = old[i].ino;
        st.st_dev = old[i].dev;
        *find(c, &st) = old[i];
    }
    free(old);
    return true;
}

static void remember(struct sg_code_cache *c, const struct stat *st, struct sg_hash128 hash)
{
    struct entry *e;

    (void)pthread_mutex_lock(&c->lock);
    if (make_room(c)) {
        e = find(c, st);
        c->n += !e->used;
        *e = (struct entry){ .dev = st->st_dev,
                             .ino = st->st_ino,
                             .len = st->st_size,
                             .mtime = st->st_mtim,
                             .ctime = st->st_ctim,
                             .hash = hash,
                             .used = true };
    }
    (void)pthread_mutex_unlock(&c->lock);
}

static bool is_settled(const struct stat *st, struct sg_wall now)
{
    return st->st_ctim.tv_sec * SG_NS_PER_S + st->st_ctim.tv_nsec < now.ns - SETTLED_NS;
}

/* Of an open file, until it holds still. */
static bool hash_open_file(struct sg_code_cache *c, int fd, struct sg_hash128 *ret,
                           struct sg_error *err)
{
    struct stat before, after;
    struct sg_hash128 hash;
    struct sg_wall now;
    int64_t len;

    for (int i = 0; i < TRIES; i++) {
        now = sg_wall_now();
        if (fstat(fd, &before) != 0)
            return sg_error_set(err, SG_ERROR_GRAPH, errno, "stat");
        if (!sg_hash128_fd(fd, NULL, &hash, &len, err))
            return false;
        if (fstat(fd, &after) != 0)
            return sg_error_set(err, SG_ERROR_GRAPH, errno, "stat");
        if (len != after.st_size || before.st_size != after.st_size ||
            !is_time(before.st_mtim, after.st_mtim) || !is_time(before.st_ctim, after.st_ctim))
            continue;
        if (is_settled(&after, now))
            remember(c, &after, hash);
        *ret = hash;
        return true;
    }
    return sg_error_set(err, SG_ERROR_GRAPH, 0, "it changes all the time");
}

/* *ret_there false: it has gone since it was listed. */
static bool hash_file(struct sg_code_cache *c, int dir, const char *path, struct sg_hash128 *ret,
                      bool *ret_there, struct sg_error *err)
{
    struct stat st;
    bool ok;
    int fd;

    *ret_there = true;
    if (fstatat(dir, path, &st, 0) == 0 && recall(c, &st, ret))
        return true;
    fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == ENOENT) {
        *ret_there = false;
        return true;
    }
    if (fd < 0)
        return sg_error_set(err, SG_ERROR_GRAPH, errno, "read the code file %s", path);
    ok = hash_open_file(c, fd, ret, err);
    (void)close(fd); /* only read from */
    return ok ? true : sg_error_wrap(err, "the code file %s", path);
}

/* ---- which files ---- */

struct walk {
    struct sg_arena *arena;
    struct sg_error *err;
    int dir; /* of the graph file */
    const char *pattern;
    const char **files; /* found so far, by all patterns */
    size_t n_files, cap_files;
    const char **dirs; /* to be read */
    size_t n_dirs, cap_dirs;
};

static bool push(struct walk *w, const char ***items, size_t *n, size_t *cap, const char *path)
{
    if (!sg_arena_grow(w->arena, (void **)items, *n, cap, sizeof(**items), w->err))
        return false;
    (*items)[(*n)++] = path;
    return true;
}

static size_t part_length(const char *p)
{
    return strcspn(p, "/");
}

static bool has_wildcard(const char *p, size_t n)
{
    return memchr(p, '*', n) != NULL || memchr(p, '?', n) != NULL;
}

/* One name against the part of the pattern at its depth. As in a shell, a name that begins with a
 * dot has to be asked for by one. */
static bool part_matches(const char *part, size_t n, const char *name, size_t n_name)
{
    char p[NAME_MAX + 1], s[NAME_MAX + 1];

    if (n > NAME_MAX || n_name > NAME_MAX)
        return false;
    memcpy(p, part, n);
    p[n] = '\0';
    memcpy(s, name, n_name);
    s[n_name] = '\0';
    return sg_glob_match(p, s);
}

/* Whether files below a directory can match. */
static bool leads_on(const char *pattern, const char *path)
{
    size_t n, len;

    for (;;) {
        n = part_length(pattern);
        len = part_length(path);
        if (memmem(pattern, n, "**", 2) != NULL)
            return true;
        if (!part_matches(pattern, n, path, len) || pattern[n] == '\0')
            return false;
        if (path[len] == '\0')
            return true;
        pattern += n + 1;
        path += len + 1;
    }
}

/* The part of the pattern that stands where the last name of the path does; "" if it has none. */
static const char *part_at(const char *pattern, const char *path)
{
    for (; *path != '\0'; path++) {
        if (*path != '/')
            continue;
        pattern += part_length(pattern);
        if (*pattern == '\0')
            return "";
        pattern++;
    }
    return pattern;
}

static bool take_entry(struct walk *w, const char *dir, const struct dirent *e)
{
    unsigned char type = e->d_type;
    struct stat st;
    const char *path;

    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return true;
    path = *dir != '\0' ? sg_arena_printf(w->arena, w->err, "%s/%s", dir, e->d_name)
                        : sg_arena_text(w->arena, e->d_name, w->err);
    if (path == NULL)
        return false;
    if (e->d_name[0] == '.' && *part_at(w->pattern, path) != '.')
        return true;
    if (type == DT_UNKNOWN && fstatat(w->dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_LNK;
    if (type == DT_DIR)
        return !leads_on(w->pattern, path) || push(w, &w->dirs, &w->n_dirs, &w->cap_dirs, path);
    if ((type != DT_REG && type != DT_LNK) || !sg_glob_match(w->pattern, path))
        return true;
    if (type == DT_LNK && fstatat(w->dir, path, &st, 0) != 0)
        return sg_error_set(w->err, SG_ERROR_GRAPH, errno, "the code file %s", path);
    if (type == DT_LNK && !S_ISREG(st.st_mode))
        return true;
    return push(w, &w->files, &w->n_files, &w->cap_files, path);
}

static bool read_dir(struct walk *w, const char *path)
{
    int fd = openat(w->dir, *path != '\0' ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;
    bool ok = true;

    if (d == NULL) {
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
            return true;
        sg_error_set(w->err, SG_ERROR_GRAPH, errno, "read the directory %s", path);
        if (fd >= 0)
            (void)close(fd); /* nothing was done with it */
        return false;
    }
    for (errno = 0; ok && (e = readdir(d)) != NULL; errno = 0)
        ok = take_entry(w, path, e);
    if (ok && errno != 0)
        ok = sg_error_set(w->err, SG_ERROR_GRAPH, errno, "read the directory %s", path);
    (void)closedir(d); /* only read from */
    return ok;
}

/* The directory that the pattern names before its first wildcard; "" is that of the graph file. */
static const char *literal_prefix(struct walk *w, size_t *ret_len)
{
    const char *p = w->pattern;
    size_t n = 0, len;

    for (;;) {
        len = part_length(p + n);
        if (has_wildcard(p + n, len) || p[n + len] == '\0')
            break;
        n += len + 1;
    }
    *ret_len = n > 0 ? n - 1 : 0;
    return sg_arena_copy(w->arena, (struct sg_span){ .at = p, .len = *ret_len }, w->err);
}

static bool matches_nothing(struct walk *w)
{
    return sg_error_set(w->err, SG_ERROR_GRAPH, 0, "the code pattern %s matches no file",
                        w->pattern);
}

/* A pattern that is a path. */
static bool add_literal(struct walk *w)
{
    struct stat st;

    if (fstatat(w->dir, w->pattern, &st, 0) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return matches_nothing(w);
        return sg_error_set(w->err, SG_ERROR_GRAPH, errno, "the code file %s", w->pattern);
    }
    if (S_ISDIR(st.st_mode))
        return sg_error_set(w->err, SG_ERROR_GRAPH, 0,
                            "the code pattern %s is a directory (its files are %s/**)", w->pattern,
                            w->pattern);
    if (!S_ISREG(st.st_mode))
        return matches_nothing(w);
    return push(w, &w->files, &w->n_files, &w->cap_files, w->pattern);
}

static bool add_pattern(struct walk *w)
{
    size_t before = w->n_files, len;
    const char *path;

    while (strncmp(w->pattern, "./", 2) == 0)
        w->pattern += 2;
    if (!has_wildcard(w->pattern, strlen(w->pattern)))
        return add_literal(w);
    path = literal_prefix(w, &len);
    if (path == NULL)
        return false;
    w->n_dirs = 0;
    if (!push(w, &w->dirs, &w->n_dirs, &w->cap_dirs, path))
        return false;
    while (w->n_dirs > 0) {
        if (!read_dir(w, w->dirs[--w->n_dirs]))
            return false;
    }
    return w->n_files > before || matches_nothing(w);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool hash_all(struct sg_code_cache *c, struct walk *w, struct sg_code_file **ret,
                     size_t *ret_n)
{
    struct sg_code_file *files = SG_ARENA_NEW(w->arena, w->n_files, struct sg_code_file, w->err);
    size_t n = 0;
    bool there;

    if (files == NULL)
        return false;
    if (w->n_files > 0)
        qsort(w->files, w->n_files, sizeof(*w->files), by_bytes);
    for (size_t i = 0; i < w->n_files; i++) {
        if (i > 0 && strcmp(w->files[i], w->files[i - 1]) == 0)
            continue; /* two patterns name it */
        if (!hash_file(c, w->dir, w->files[i], &files[n].hash, &there, w->err))
            return false;
        if (there)
            files[n++].path = w->files[i];
    }
    *ret = files;
    *ret_n = n;
    return true;
}

bool sg_code_list(struct sg_code_cache *c, struct sg_arena *a, const char *dir,
                  const char *const *patterns, size_t n_patterns, struct sg_code_file **ret,
                  size_t *ret_n, struct sg_error *err)
{
    struct walk w = { .arena = a, .err = err, .dir = -1 };
    bool ok = true;

    if (n_patterns == 0) {
        *ret = NULL;
        *ret_n = 0;
        return true;
    }
    w.dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (w.dir < 0)
        return sg_error_set(err, SG_ERROR_GRAPH, errno, "look for code in %s", dir);
    for (size_t i = 0; ok && i < n_patterns; i++) {
        w.pattern = patterns[i];
        ok = add_pattern(&w);
    }
    ok = ok && hash_all(c, &w, ret, ret_n);
    (void)close(w.dir); /* only a place to start from */
    return ok;
}
