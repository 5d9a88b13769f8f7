/*
 * io: the system calls of the local store, as a table that a test can replace.
 *
 * Floor: store (private). Every call that changes something, and every one that may fail while a
 * file is read or written, goes through the table; each acts like the call it is named after (-1
 * and errno). EINTR is dealt with by sg_io_…(), not by the table's functions.
 */
#ifndef STAGEGRAPH_IO_H
#define STAGEGRAPH_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct sg_io {
    void *ctx; /* handed to each */
    int (*open)(void *ctx, const char *path, int flags, mode_t mode);
    int (*close)(void *ctx, int fd); /* closes in any case */
    ssize_t (*read)(void *ctx, int fd, void *at, size_t n);
    ssize_t (*write)(void *ctx, int fd, const void *at, size_t n);
    int (*fsync)(void *ctx, int fd);
    int (*fstat)(void *ctx, int fd, struct stat *ret);
    int (*stat)(void *ctx, const char *path, struct stat *ret);
    int (*birth)(void *ctx, const char *path, struct statx *ret); /* its number and birth time */
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*rename_new)(void *ctx, const char *from, const char *to); /* RENAME_NOREPLACE */
    int (*link)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
    int (*rmdir)(void *ctx, const char *path);
    int (*mkdir)(void *ctx, const char *path, mode_t mode);
    int (*flock)(void *ctx, int fd, int operation);
};

extern const struct sg_io sg_io_system;

int sg_io_open(const struct sg_io *io, const char *path, int flags);
int sg_io_close(const struct sg_io *io, int fd); /* EINTR: closed, fine */
ssize_t sg_io_read(const struct sg_io *io, int fd, void *at, size_t n);
/* All n bytes, over short writes; a write of 0 bytes is ENOSPC. */
int sg_io_write(const struct sg_io *io, int fd, const void *at, size_t n);
int sg_io_fsync(const struct sg_io *io, int fd);
int sg_io_flock(const struct sg_io *io, int fd, int operation);

#endif
