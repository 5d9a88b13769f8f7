#include "fake_store.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/store/io.h"
#include "../../src/store/store_impl.h"

static const char *const calls[] = { "open",   "close", "read",   "write",      "fsync",
                                     "fstat",  "stat",  "rename", "rename_new", "link",
                                     "unlink", "rmdir", "mkdir",  "flock" };

#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

struct sg_fake_store {
    struct sg_store *store;
    struct sg_store_ops ops;
    struct sg_fault fault;
    unsigned counts[N_CALLS], matched;
    size_t written;
    bool hit, dead;
    struct sg_buf trace;
};

static size_t index_of(const char *call)
{
    size_t i = 0;

    while (i < N_CALLS && strcmp(calls[i], call) != 0)
        i++;
    return i;
}

static const char *path_of(int fd, char ret[PATH_MAX])
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, ret, PATH_MAX - 1);
    ret[n > 0 ? n : 0] = '\0';
    return ret;
}

/* Whether the call fails now, with errno set. */
static bool strikes(struct sg_fake_store *f, const char *call, const char *path)
{
    const struct sg_fault *t = &f->fault;

    f->counts[index_of(call)]++;
    if (f->dead) {
        errno = EIO;
        return true;
    }
    if (t->at == 0 || t->cuts || (t->call != NULL && strcmp(t->call, call) != 0) ||
        (t->call == NULL && strcmp(call, "close") == 0) ||
        (t->path != NULL && strstr(path, t->path) == NULL))
        return false;
    f->matched++;
    if (f->matched < t->at || (f->matched > t->at && !t->for_good))
        return false;
    f->hit = true;
    f->dead = t->dies;
    errno = t->sys != 0 ? t->sys : EIO;
    return true;
}

/* The last name, with each run of 16 and more hex digits as a star. */
static void add_trace(struct sg_fake_store *f, const char *call, const char *path)
{
    struct sg_error ignored = SG_ERROR_INIT;
    const char *name = strrchr(path, '/');
    bool ok = sg_buf_addf(&f->trace, &ignored, "%s%s:", f->trace.len != 0 ? " " : "", call);

    for (name = name != NULL ? name + 1 : path; ok && *name != '\0';) {
        size_t n = strspn(name, "0123456789abcdef");

        if (n >= 16)
            ok = sg_buf_addc(&f->trace, '*', &ignored);
        else
            ok = sg_buf_add(&f->trace, name, n = n != 0 ? n : 1, &ignored);
        name += n;
    }
}

static int told(struct sg_fake_store *f, const char *call, const char *path, int result)
{
    if (result >= 0)
        add_trace(f, call, path);
    return result;
}

static int fake_open(void *ctx, const char *path, int flags, mode_t mode)
{
    int fd;

    if (strikes(ctx, "open", path))
        return -1;
    fd = open(path, flags, mode);
    return (flags & O_CREAT) != 0 ? told(ctx, "create", path, fd) : fd;
}

/* A dead process's files are closed too: always, whatever is reported. */
static int fake_close(void *ctx, int fd)
{
    char path[PATH_MAX];
    bool fails = strikes(ctx, "close", path_of(fd, path));
    int sys = errno, result = close(fd);

    errno = fails ? sys : errno;
    return fails ? -1 : result;
}

static ssize_t fake_read(void *ctx, int fd, void *at, size_t n)
{
    char path[PATH_MAX];

    return strikes(ctx, "read", path_of(fd, path)) ? -1 : read(fd, at, n);
}

static ssize_t fake_write(void *ctx, int fd, const void *at, size_t n)
{
    struct sg_fake_store *f = ctx;
    char path[PATH_MAX];
    size_t room;

    path_of(fd, path);
    if (strikes(f, "write", path))
        return -1;
    if (f->fault.cuts && (f->fault.path == NULL || strstr(path, f->fault.path) != NULL)) {
        room = f->fault.cut_at > f->written ? f->fault.cut_at - f->written : 0;
        if (n > room) {
            f->hit = true;
            if (room != 0 && write(fd, at, room) != (ssize_t)room)
                return -1;
            f->written += room;
            f->dead = f->fault.dies;
            if (room != 0 && !f->dead)
                return (ssize_t)room; /* a short write; the next has no room at all */
            errno = f->fault.sys != 0 ? f->fault.sys : ENOSPC;
            return -1;
        }
        f->written += n;
    }
    return told(f, "write", path, (int)write(fd, at, n));
}

static int fake_fsync(void *ctx, int fd)
{
    char path[PATH_MAX];

    if (strikes(ctx, "fsync", path_of(fd, path)))
        return -1;
    return told(ctx, "fsync", path, 0); /* the disk is not what is tested */
}

static int fake_fstat(void *ctx, int fd, struct stat *ret)
{
    char path[PATH_MAX];

    return strikes(ctx, "fstat", path_of(fd, path)) ? -1 : fstat(fd, ret);
}

static int fake_stat(void *ctx, const char *path, struct stat *ret)
{
    return strikes(ctx, "stat", path) ? -1 : stat(path, ret);
}

/* On a disk that gives every directory the number of one that was removed. */
static int fake_birth(void *ctx, const char *path, struct statx *ret)
{
    if (strikes(ctx, "stat", path) || sg_io_system.birth(NULL, path, ret) != 0)
        return -1;
    ret->stx_ino = 7;
    return 0;
}

static int fake_rename(void *ctx, const char *from, const char *to)
{
    return strikes(ctx, "rename", to) ? -1 : told(ctx, "rename", to, rename(from, to));
}

static int fake_rename_new(void *ctx, const char *from, const char *to)
{
    return strikes(ctx, "rename_new", to)
               ? -1
               : told(ctx, "rename", to, sg_io_system.rename_new(NULL, from, to));
}

static int fake_link(void *ctx, const char *from, const char *to)
{
    return strikes(ctx, "link", to) ? -1 : told(ctx, "link", to, link(from, to));
}

static int fake_unlink(void *ctx, const char *path)
{
    return strikes(ctx, "unlink", path) ? -1 : told(ctx, "unlink", path, unlink(path));
}

static int fake_rmdir(void *ctx, const char *path)
{
    return strikes(ctx, "rmdir", path) ? -1 : told(ctx, "rmdir", path, rmdir(path));
}

static int fake_mkdir(void *ctx, const char *path, mode_t mode)
{
    return strikes(ctx, "mkdir", path) ? -1 : told(ctx, "mkdir", path, mkdir(path, mode));
}

static int fake_flock(void *ctx, int fd, int operation)
{
    char path[PATH_MAX];

    return strikes(ctx, "flock", path_of(fd, path)) ? -1 : sg_io_system.flock(NULL, fd, operation);
}

static bool fake_stat_many(struct sg_store *s, const char *const *paths, size_t n,
                           struct sg_entry *ret, struct sg_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!s->ops->stat(s, paths[i], &ret[i], err))
            return false;
    }
    return true;
}

bool sg_fake_store_open(const char *dir, bool sync, struct sg_fake_store **ret,
                        struct sg_error *err)
{
    struct sg_fake_store *f = calloc(1, sizeof(*f));
    struct sg_io io = {
        .ctx = f,
        .open = fake_open,
        .close = fake_close,
        .read = fake_read,
        .write = fake_write,
        .fsync = fake_fsync,
        .fstat = fake_fstat,
        .stat = fake_stat,
        .birth = fake_birth,
        .rename = fake_rename,
        .rename_new = fake_rename_new,
        .link = fake_link,
        .unlink = fake_unlink,
        .rmdir = fake_rmdir,
        .mkdir = fake_mkdir,
        .flock = fake_flock,
    };

    if (f == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a fake store");
    if (!sg_file_store_open(dir, sync, &io, &f->store, err)) {
        free(f);
        return false;
    }
    f->ops = *f->store->ops;
    f->ops.stat_many = fake_stat_many;
    f->store->ops = &f->ops;
    *ret = f;
    return true;
}

void sg_fake_store_close(struct sg_fake_store *f)
{
    if (f == NULL)
        return;
    sg_store_free(f->store);
    sg_buf_done(&f->trace);
    free(f);
}

struct sg_store *sg_fake_store_get(struct sg_fake_store *f)
{
    return f->store;
}

static bool no_checksum(struct sg_store *s, const char *path, bool durable, struct sg_hash128 *ret,
                        const char **ret_algorithm, struct sg_error *err)
{
    *ret = (struct sg_hash128){ .hi = 0 };
    *ret_algorithm = NULL;
    return !durable || s->ops->flush_file(s, path, err);
}

void sg_fake_store_encrypt(struct sg_fake_store *f)
{
    f->ops.checksum = no_checksum;
}

void sg_fake_store_arm(struct sg_fake_store *f, struct sg_fault fault)
{
    f->fault = fault;
    memset(f->counts, 0, sizeof(f->counts));
    f->matched = 0;
    f->written = 0;
    f->hit = f->dead = false;
    sg_buf_clear(&f->trace);
}

bool sg_fake_store_hit(const struct sg_fake_store *f)
{
    return f->hit;
}

unsigned sg_fake_store_count(const struct sg_fake_store *f, const char *call)
{
    unsigned n = 0;

    if (call != NULL)
        return index_of(call) < N_CALLS ? f->counts[index_of(call)] : 0;
    for (size_t i = 0; i < N_CALLS; i++) {
        if (strcmp(calls[i], "close") != 0)
            n += f->counts[i];
    }
    return n;
}

const char *sg_fake_store_trace(const struct sg_fake_store *f)
{
    return sg_buf_text(&f->trace);
}
