#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

static int system_open(void *ctx, const char *path, int flags, mode_t mode)
{
    (void)ctx;
    return open(path, flags, mode);
}

static int system_close(void *ctx, int fd)
{
    (void)ctx;
    return close(fd);
}

static ssize_t system_read(void *ctx, int fd, void *at, size_t n)
{
    (void)ctx;
    return read(fd, at, n);
}

static ssize_t system_write(void *ctx, int fd, const void *at, size_t n)
{
    (void)ctx;
    return write(fd, at, n);
}

static int system_fsync(void *ctx, int fd)
{
    (void)ctx;
    return fsync(fd);
}

static int system_fstat(void *ctx, int fd, struct stat *ret)
{
    (void)ctx;
    return fstat(fd, ret);
}

static int system_stat(void *ctx, const char *path, struct stat *ret)
{
    (void)ctx;
    return stat(path, ret);
}

static int system_birth(void *ctx, const char *path, struct statx *ret)
{
    (void)ctx;
    return statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, ret);
}

static int system_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to);
}

static int system_rename_new(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

static int system_link(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return link(from, to);
}

static int system_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path);
}

static int system_rmdir(void *ctx, const char *path)
{
    (void)ctx;
    return rmdir(path);
}

static int system_mkdir(void *ctx, const char *path, mode_t mode)
{
    (void)ctx;
    return mkdir(path, mode);
}

static int system_flock(void *ctx, int fd, int operation)
{
    (void)ctx;
    return flock(fd, operation);
}

const struct sg_io sg_io_system = {
    .open = system_open,
    .close = system_close,
    .read = system_read,
    .write = system_write,
    .fsync = system_fsync,
    .fstat = system_fstat,
    .stat = system_stat,
    .birth = system_birth,
    .rename = system_rename,
    .rename_new = system_rename_new,
    .link = system_link,
    .unlink = system_unlink,
    .rmdir = system_rmdir,
    .mkdir = system_mkdir,
    .flock = system_flock,
};

int sg_io_open(const struct sg_io *io, const char *path, int flags)
{
    int fd;

    do
        fd = io->open(io->ctx, path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int sg_io_close(const struct sg_io *io, int fd)
{
    /* On Linux the descriptor is gone after EINTR too; closing again could close another's. */
    return io->close(io->ctx, fd) != 0 && errno != EINTR ? -1 : 0;
}

ssize_t sg_io_read(const struct sg_io *io, int fd, void *at, size_t n)
{
    ssize_t got;

    do
        got = io->read(io->ctx, fd, at, n);
    while (got < 0 && errno == EINTR);
    return got;
}

int sg_io_write(const struct sg_io *io, int fd, const void *at, size_t n)
{
    const char *from = at;

    while (n != 0) {
        ssize_t put = io->write(io->ctx, fd, from, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = ENOSPC;
        if (put <= 0)
            return -1;
        from += put;
        n -= (size_t)put;
    }
    return 0;
}

int sg_io_fsync(const struct sg_io *io, int fd)
{
    int r;

    do
        r = io->fsync(io->ctx, fd);
    while (r != 0 && errno == EINTR);
    return r;
}

int sg_io_flock(const struct sg_io *io, int fd, int operation)
{
    int r;

    do
        r = io->flock(io->ctx, fd, operation);
    while (r != 0 && errno == EINTR);
    return r;
}
