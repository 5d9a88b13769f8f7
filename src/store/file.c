#include "stagegraph/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/arena.h"

#include "file_impl.h"

bool sg_file_fail(struct sg_error *err, int sys, const char *operation, const char *path)
{
    return sg_error_set(err, SG_ERROR_STORE, sys, "%s %s", operation, path);
}

bool sg_file_is_absent(int sys)
{
    return sys == ENOENT || sys == ENOTDIR;
}

bool sg_file_path(const struct sg_file_store *f, const char *path, char ret[PATH_MAX],
                  struct sg_error *err)
{
    size_t n_prefix = strlen(f->prefix), n = strlen(path);

    if (n == 0) {
        memcpy(ret, f->base.root,
               strlen(f->base.root) + 1); /* sg_file_store_open() saw to its length */
        return true;
    }
    if (n_prefix + 1 + n >= PATH_MAX)
        return sg_error_set(err, SG_ERROR_STORE, ENAMETOOLONG, "open %s/%s", f->prefix, path);
    memcpy(ret, f->prefix, n_prefix);
    ret[n_prefix] = '/';
    memcpy(ret + n_prefix + 1, path, n + 1);
    return true;
}

bool sg_file_join(const char *dir, const char *before, const char *name, const char *after,
                  char ret[PATH_MAX], struct sg_error *err)
{
    int n =
        snprintf(ret, PATH_MAX, "%s/%s%s%s", strcmp(dir, "/") == 0 ? "" : dir, before, name, after);

    if (n < 0 || n >= PATH_MAX)
        return sg_error_set(err, SG_ERROR_STORE, ENAMETOOLONG, "open %s/%s%s%s", dir, before, name,
                            after);
    return true;
}

void sg_file_parent(const char *full, char ret[PATH_MAX])
{
    const char *slash = strrchr(full, '/');
    size_t n = slash == NULL || slash == full ? 1 : (size_t)(slash - full);

    memmove(ret, full, n);
    ret[n] = '\0';
}

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * SG_NS_PER_S + t.tv_nsec;
}

struct sg_entry sg_file_entry(const struct stat *st)
{
    struct sg_entry e = {
        .kind = S_ISREG(st->st_mode)   ? SG_ENTRY_FILE
                : S_ISDIR(st->st_mode) ? SG_ENTRY_DIR
                                       : SG_ENTRY_OTHER,
        .ident = { .id = st->st_ino,
                   .len = S_ISREG(st->st_mode) ? st->st_size : 0,
                   .mtime_ns = ns_of(st->st_mtim),
                   .ctime_ns = ns_of(st->st_ctim) },
    };

    return e;
}

bool sg_file_read_all(const struct sg_io *io, int fd, const char *full, int64_t len, size_t limit,
                      struct sg_buf *out, struct sg_error *err)
{
    size_t before = out->len, piece = 4096;
    bool known = len > 0 && (uint64_t)len <= limit;

    if (known && (size_t)len > piece)
        piece = (size_t)len;
    for (;;) {
        ssize_t n;

        if (!sg_buf_reserve(out, piece, err)) {
            sg_error_wrap(err, "read %s", full);
            break;
        }
        n = sg_io_read(io, fd, out->at + out->len, piece);
        if (n < 0) {
            sg_file_fail(err, errno, "read", full);
            break;
        }
        out->len += (size_t)n;
        if (n == 0 || (known && out->len - before == (size_t)len)) {
            out->at[out->len] = '\0';
            return true;
        }
        if (out->len - before > limit) {
            sg_error_set(err, SG_ERROR_LIMIT, 0, "read %s: longer than %zu bytes", full, limit);
            break;
        }
        if (piece < 65536)
            piece *= 2;
    }
    out->len = before;
    if (out->at != NULL)
        out->at[before] = '\0';
    return false;
}

static bool file_stat(struct sg_store *s, const char *path, struct sg_entry *ret,
                      struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    char full[PATH_MAX];
    struct stat st;

    if (!sg_file_path(f, path, full, err))
        return false;
    if (f->io.stat(f->io.ctx, full, &st) == 0)
        *ret = sg_file_entry(&st);
    else if (sg_file_is_absent(errno))
        *ret = (struct sg_entry){ .kind = SG_ENTRY_ABSENT };
    else
        return sg_file_fail(err, errno, "stat", full);
    return true;
}

/* Opens a directory for reading its names. *ret NULL: there is none. */
static bool open_dir(struct sg_file_store *f, const char *full, DIR **ret, struct sg_error *err)
{
    int fd = sg_io_open(&f->io, full, O_RDONLY | O_DIRECTORY), sys;
    DIR *d;

    if (fd < 0) {
        if (!sg_file_is_absent(errno))
            return sg_file_fail(err, errno, "list", full);
        *ret = NULL;
        return true;
    }
    d = fdopendir(fd);
    if (d == NULL) {
        sys = errno;
        close(fd);
        return sg_file_fail(err, sys, "list", full);
    }
    *ret = d;
    return true;
}

/* The next name but "." and ".."; NULL at the end, or with *ret_sys set. */
static const struct dirent *next_entry(DIR *d, int *ret_sys)
{
    const struct dirent *e;

    do {
        errno = 0;
        e = readdir(d);
    } while (e != NULL && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
    *ret_sys = e == NULL ? errno : 0;
    return e;
}

static bool file_list(struct sg_store *s, const char *dir, sg_store_list_fn *fn, void *ctx,
                      struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    char full[PATH_MAX];
    const struct dirent *e;
    bool ok = false;
    int sys;
    DIR *d;

    if (!sg_file_path(f, dir, full, err) || !open_dir(f, full, &d, err))
        return false;
    if (d == NULL)
        return true;
    while ((e = next_entry(d, &sys)) != NULL) {
        struct sg_entry entry;
        struct stat st;

        if (fstatat(dirfd(d), e->d_name, &st, 0) == 0) {
            entry = sg_file_entry(&st);
        } else if (errno == ENOENT || errno == ELOOP) {
            /* gone since, or a symbolic link that leads nowhere: that one is there */
            if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
                continue;
            entry = sg_file_entry(&st);
            entry.kind = SG_ENTRY_OTHER;
        } else {
            sg_error_set(err, SG_ERROR_STORE, errno, "stat %s/%s", full, e->d_name);
            goto done;
        }
        if (!fn(ctx, e->d_name, &entry)) {
            ok = true;
            goto done;
        }
    }
    ok = sys == 0 ? true : sg_file_fail(err, sys, "list", full);
done:
    closedir(d);
    return ok;
}

/* One directory of a walk: on the stack of those to be read, and the parent of its children. */
struct walk_dir {
    struct walk_dir *parent, *next;
    dev_t dev;
    ino_t ino;
    const char *rel;
};

static bool is_loop(const struct walk_dir *dir)
{
    for (const struct walk_dir *up = dir->parent; up != NULL; up = up->parent) {
        if (up->dev == dir->dev && up->ino == dir->ino)
            return true;
    }
    return false;
}

static bool walk_push(struct sg_arena *a, struct walk_dir **stack, struct walk_dir *parent,
                      const char *name, struct sg_error *err)
{
    struct walk_dir *d = SG_ARENA_NEW(a, 1, struct walk_dir, err);

    if (d == NULL)
        return false;
    if (parent == NULL || parent->rel[0] == '\0')
        d->rel = sg_arena_text(a, name, err);
    else
        d->rel = sg_arena_printf(a, err, "%s/%s", parent->rel, name);
    if (d->rel == NULL)
        return false;
    d->parent = parent;
    d->next = *stack;
    *stack = d;
    return true;
}

/* Reads one directory: files to fn, directories onto the stack. *ret_go false: fn wants no more. */
static bool walk_one(struct sg_file_store *f, struct sg_arena *a, const char *top,
                     struct walk_dir *dir, struct walk_dir **stack, sg_store_walk_fn *fn, void *ctx,
                     bool *ret_go, struct sg_error *err)
{
    char full[PATH_MAX];
    const struct dirent *e;
    struct stat st;
    bool ok = false;
    int sys;
    DIR *d;

    if (dir->rel[0] == '\0')
        memcpy(full, top, strlen(top) + 1);
    else if (!sg_file_join(top, "", dir->rel, "", full, err))
        return false;
    if (!open_dir(f, full, &d, err))
        return false;
    if (d == NULL)
        return true;
    if (fstat(dirfd(d), &st) != 0) {
        sg_file_fail(err, errno, "stat", full);
        goto done;
    }
    dir->dev = st.st_dev;
    dir->ino = st.st_ino;
    if (is_loop(dir)) { /* a symbolic link to a directory above it */
        ok = true;
        goto done;
    }
    while ((e = next_entry(d, &sys)) != NULL) {
        if (e->d_name[0] == '.' || e->d_name[0] == '_')
            continue;
        if (e->d_type == DT_DIR) {
            if (!walk_push(a, stack, dir, e->d_name, err))
                goto done;
            continue;
        }
        if (fstatat(dirfd(d), e->d_name, &st, 0) != 0) {
            if (errno == ENOENT || errno == ELOOP) /* gone since, or a link that leads nowhere */
                continue;
            sg_error_set(err, SG_ERROR_STORE, errno, "stat %s/%s", full, e->d_name);
            goto done;
        }
        if (S_ISDIR(st.st_mode)) {
            if (!walk_push(a, stack, dir, e->d_name, err))
                goto done;
        } else if (S_ISREG(st.st_mode)) {
            struct sg_data_file file = { .rel_dir = dir->rel,
                                         .name = e->d_name,
                                         .ident = sg_file_entry(&st).ident };

            *ret_go = fn(ctx, &file);
            if (!*ret_go) {
                ok = true;
                goto done;
            }
        }
    }
    ok = sys == 0 ? true : sg_file_fail(err, sys, "list", full);
done:
    closedir(d);
    return ok;
}

/*
 * Symbolic links count as what they lead to, files and directories, since that is what the readers
 * of the data see; one that leads to a directory above itself is left out, and so is one that leads
 * nowhere.
 */
static bool file_walk(struct sg_store *s, const char *dir, sg_store_walk_fn *fn, void *ctx,
                      struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    struct sg_arena a = SG_ARENA_INIT;
    struct walk_dir *stack = NULL, *d;
    char top[PATH_MAX];
    bool ok, go = true;

    ok = sg_file_path(f, dir, top, err) && walk_push(&a, &stack, NULL, "", err);
    while (ok && go && stack != NULL) {
        d = stack;
        stack = d->next;
        ok = walk_one(f, &a, top, d, &stack, fn, ctx, &go, err);
    }
    sg_arena_done(&a);
    return ok;
}

/* Opens a file for reading; *ret_fd -1: there is none. Never waits for the writer of a FIFO. */
static bool open_file(struct sg_file_store *f, const char *full, int *ret_fd, struct stat *ret,
                      struct sg_error *err)
{
    int fd = sg_io_open(&f->io, full, O_RDONLY | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 && !sg_file_is_absent(errno))
        return sg_file_fail(err, errno, "open", full);
    if (fd >= 0 && f->io.fstat(f->io.ctx, fd, ret) != 0) {
        sg_file_fail(err, errno, "stat", full);
        (void)sg_io_close(&f->io, fd); /* nothing was written */
        return false;
    }
    *ret_fd = fd;
    return true;
}

static bool read_full(struct sg_file_store *f, const char *full, size_t limit, struct sg_buf *out,
                      struct sg_entry *ret, struct sg_error *err)
{
    struct stat st;
    bool ok;
    int fd;

    if (!open_file(f, full, &fd, &st, err))
        return false;
    if (fd < 0) {
        *ret = (struct sg_entry){ .kind = SG_ENTRY_ABSENT };
        return true;
    }
    ok = !S_ISREG(st.st_mode) || sg_file_read_all(&f->io, fd, full, st.st_size, limit, out, err);
    (void)sg_io_close(&f->io, fd); /* nothing was written */
    if (ok)
        *ret = sg_file_entry(&st);
    return ok;
}

static bool file_read(struct sg_store *s, const char *path, size_t limit, struct sg_buf *out,
                      struct sg_entry *ret, struct sg_error *err)
{
    char full[PATH_MAX];

    return sg_file_path(sg_file_of(s), path, full, err) &&
           read_full(sg_file_of(s), full, limit, out, ret, err);
}

static bool file_read_marker(struct sg_store *s, const char *dir, const char *name, size_t limit,
                             struct sg_buf *out, struct sg_entry *ret, struct sg_error *err)
{
    char full_dir[PATH_MAX], full[PATH_MAX];

    return sg_file_path(sg_file_of(s), dir, full_dir, err) &&
           sg_file_join(full_dir, "", name, "", full, err) &&
           read_full(sg_file_of(s), full, limit, out, ret, err);
}

static bool file_checksum(struct sg_store *s, const char *path, bool durable,
                          struct sg_hash128 *ret, const char **ret_algorithm, struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    struct sg_hash128 hash;
    char full[PATH_MAX];
    struct stat st;
    int64_t len;
    bool ok = false;
    int fd;

    if (!sg_file_path(f, path, full, err) || !open_file(f, full, &fd, &st, err))
        return false;
    if (fd < 0)
        return sg_file_fail(err, ENOENT, "checksum", full);
    if (!S_ISREG(st.st_mode)) {
        sg_error_set(err, SG_ERROR_STORE, 0, "checksum %s: not a file", full);
        goto done;
    }
    if (!sg_hash128_fd(fd, &s->stopped, &hash, &len, err)) {
        sg_error_wrap(err, "checksum %s", full);
        if (err->code == SG_ERROR_SYSTEM && !sg_error_is_shortage(err->sys))
            err->code = SG_ERROR_STORE;
        goto done;
    }
    if (durable && s->sync && sg_io_fsync(&f->io, fd) != 0) {
        sg_file_fail(err, errno, "flush", full);
        goto done;
    }
    *ret = hash;
    *ret_algorithm = "xxh3-128";
    ok = true;
done:
    (void)sg_io_close(&f->io, fd); /* nothing was written */
    return ok;
}

/*
 * Whether somebody has it open for writing: a read lease is refused then. Where leases are not to
 * be had (another's file, a network file system) the answer is no. Whoever opens the file for
 * writing in the instant of the lease makes the kernel send us a signal: SIGURG, which is ignored
 * by default, instead of SIGIO, which kills.
 */
static bool file_is_open(struct sg_store *s, const char *path, bool *ret, struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    char full[PATH_MAX];
    struct stat st;
    int fd;

    if (!sg_file_path(f, path, full, err) || !open_file(f, full, &fd, &st, err))
        return false;
    *ret = false;
    if (fd < 0)
        return true;
    if (S_ISREG(st.st_mode) && fcntl(fd, F_SETSIG, SIGURG) == 0) {
        if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
            (void)fcntl(fd, F_SETLEASE, F_UNLCK); /* closing would let go of it too */
        else
            *ret = errno == EAGAIN;
    }
    (void)sg_io_close(&f->io, fd); /* nothing was written */
    return true;
}

static bool file_flush_file(struct sg_store *s, const char *path, struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    char full[PATH_MAX];
    struct stat st;
    bool ok = true;
    int fd;

    if (!sg_file_path(f, path, full, err))
        return false;
    if (!s->sync)
        return true;
    if (!open_file(f, full, &fd, &st, err))
        return false;
    if (fd < 0)
        return sg_file_fail(err, ENOENT, "flush", full);
    if (sg_io_fsync(&f->io, fd) != 0)
        ok = sg_file_fail(err, errno, "flush", full);
    (void)sg_io_close(&f->io, fd); /* nothing was written */
    return ok;
}

/*
 * The file system's clock is what it stamps a new file with: one without a name where that can be
 * had, else one in _stagegraph if that is there (asking for the time makes no directories). A root
 * that is not there, is full or read-only has the machine's clock.
 */
static bool file_now(struct sg_store *s, struct sg_wall *ret, struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    char path[PATH_MAX];
    struct stat st;
    int fd = open(s->root, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    bool named = false;

    if (fd < 0 && sg_file_path(f, "_stagegraph", path, err)) {
        size_t n = strlen(path);

        if (n + sizeof("/.now.XXXXXX") <= sizeof(path)) {
            memcpy(path + n, "/.now.XXXXXX", sizeof("/.now.XXXXXX"));
            fd = mkostemp(path, O_CLOEXEC);
            named = fd >= 0;
        }
    }
    if (fd >= 0 && fstat(fd, &st) == 0)
        ret->ns = sg_file_entry(&st).ident.mtime_ns;
    else
        *ret = sg_wall_now();
    if (named)
        (void)unlink(path); /* an empty hidden file is all that could stay */
    if (fd >= 0)
        close(fd);
    return true;
}

static void file_free(struct sg_store *s)
{
    struct sg_file_store *f = sg_file_of(s);

    pthread_cond_destroy(&f->flush_ended);
    pthread_mutex_destroy(&f->flush_lock);
    free(f);
}

static const struct sg_store_ops file_ops = {
    .free = file_free,
    .stat = file_stat,
    .stat_many = sg_file_stat_many,
    .birth = sg_file_birth,
    .list = file_list,
    .walk = file_walk,
    .read = file_read,
    .checksum = file_checksum,
    .is_open = file_is_open,
    .flush_file = file_flush_file,
    .flush_dir = sg_file_flush_dir,
    .make_dir = sg_file_make_dir,
    .remove_tree = sg_file_remove_tree,
    .put = sg_file_put,
    .read_marker = file_read_marker,
    .put_marker = sg_file_put_marker,
    .rename_marker = sg_file_rename_marker,
    .remove_marker = sg_file_remove_marker,
    .claim_take = sg_file_claim_take,
    .claim_take_unflushed = sg_file_claim_take_unflushed,
    .claim_replace = sg_file_claim_replace,
    .claim_verify = sg_file_claim_verify,
    .claim_drop = sg_file_claim_drop,
    .claim_leave = sg_file_claim_leave,
    .claim_list = sg_file_claim_list,
    .claim_look = sg_file_claim_look,
    .now = file_now,
};

/* What is not there yet will be made. But of a root that is something else, or lies below it, every
 * answer would be "absent". */
static bool check_root(const struct sg_file_store *f, struct sg_error *err)
{
    struct stat st;

    if (f->io.stat(f->io.ctx, f->base.root, &st) != 0)
        return errno == ENOENT || sg_file_fail(err, errno, "open the store", f->base.root);
    return S_ISDIR(st.st_mode) || sg_file_fail(err, ENOTDIR, "open the store", f->base.root);
}

bool sg_file_store_open(const char *path, bool sync, const struct sg_io *io, struct sg_store **ret,
                        struct sg_error *err)
{
    struct sg_file_store *f;
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n >= PATH_MAX)
        return sg_error_set(err, SG_ERROR_GRAPH, ENAMETOOLONG, "root %s", path);
    f = calloc(1, sizeof(*f));
    if (f != NULL) {
        f->base.root = strndup(path, n);
        f->base.uri = malloc(n + sizeof("file://"));
    }
    if (f == NULL || f->base.root == NULL || f->base.uri == NULL) {
        if (f != NULL) {
            free(f->base.root);
            free(f->base.uri);
        }
        free(f);
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a store");
    }
    memcpy(f->base.uri, "file://", 7);
    memcpy(f->base.uri + 7, f->base.root, n + 1);
    f->base.ops = &file_ops;
    f->base.sync = sync;
    f->prefix = n == 1 ? "" : f->base.root;
    pthread_mutex_init(&f->flush_lock, NULL); /* can't fail with default attributes on Linux */
    pthread_cond_init(&f->flush_ended, NULL);
    f->io = io != NULL ? *io : sg_io_system;
    if (!check_root(f, err)) {
        sg_store_free(&f->base);
        return false;
    }
    *ret = &f->base;
    return true;
}
