#include "stagegraph/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* mkdir() found something there: is it a directory? */
static bool is_dir(const char *path, struct sg_error *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "make directory %s", path);
    return S_ISDIR(st.st_mode) ||
           sg_error_set(err, SG_ERROR_SYSTEM, ENOTDIR, "make directory %s", path);
}

bool sg_files_make_dir(const char *path, struct sg_error *err)
{
    struct sg_buf b = SG_BUF_INIT;
    struct stat st;
    bool ok = false;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) /* mostly it is there */
        return true;
    if (mkdir(path, 0777) == 0)
        return true;
    if (errno == EEXIST)
        return is_dir(path, err);
    if (!sg_buf_adds(&b, path, err))
        return false;
    for (char *slash = strchr(b.at + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdir(b.at, 0777) != 0 && errno != EEXIST) {
            sg_error_set(err, SG_ERROR_SYSTEM, errno, "make directory %s", b.at);
            goto done;
        }
        if (!slash)
            break;
        *slash = '/';
    }
    ok = is_dir(path, err);
done:
    sg_buf_done(&b);
    return ok;
}

bool sg_files_write_fd(int fd, const void *bytes, size_t n, struct sg_error *err)
{
    const char *at = bytes;

    while (n > 0) {
        ssize_t w = write(fd, at, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return sg_error_set(err, SG_ERROR_SYSTEM, errno, "write");
        at += w;
        n -= (size_t)w;
    }
    return true;
}

bool sg_files_write(const char *path, struct sg_span text, struct sg_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok;

    if (fd < 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "create %s", path);
    ok = sg_files_write_fd(fd, text.at, text.len, err) || sg_error_wrap(err, "%s", path);
    if (close(fd) != 0 && ok)
        ok = sg_error_set(err, SG_ERROR_SYSTEM, errno, "close %s", path);
    return ok;
}

bool sg_files_write_over(const char *path, struct sg_span text, struct sg_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    struct stat st;
    bool ok;

    if (fd < 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "create %s", path);
    ok = sg_files_write_fd(fd, text.at, text.len, err) || sg_error_wrap(err, "%s", path);
    if (ok && (fstat(fd, &st) != 0 ||
               (st.st_size > (off_t)text.len && ftruncate(fd, (off_t)text.len) != 0)))
        ok = sg_error_set(err, SG_ERROR_SYSTEM, errno, "cut %s", path);
    if (close(fd) != 0 && ok)
        ok = sg_error_set(err, SG_ERROR_SYSTEM, errno, "close %s", path);
    return ok;
}

bool sg_files_read(const char *path, struct sg_buf *out, bool *ret_found, struct sg_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t before = out->len;

    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            return sg_error_set(err, SG_ERROR_SYSTEM, errno, "open %s", path);
        *ret_found = false;
        return true;
    }
    for (;;) {
        ssize_t n;

        if (!sg_buf_reserve(out, 4096, err))
            break;
        n = read(fd, out->at + out->len, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            sg_error_set(err, SG_ERROR_SYSTEM, errno, "read");
            break;
        }
        out->len += (size_t)n;
        out->at[out->len] = '\0';
        if (n == 0) {
            (void)close(fd); /* nothing was written */
            *ret_found = true;
            return true;
        }
    }
    (void)close(fd); /* the error is already set */
    out->len = before;
    if (out->at)
        out->at[before] = '\0';
    return sg_error_wrap(err, "%s", path);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path) != 0 && errno != ENOENT ? -1 : 0;
}

bool sg_files_remove_tree(const char *path, struct sg_error *err)
{
    struct stat st;

    for (unsigned again = 0; nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0; again++) {
        int sys = errno;

        if ((sys == ENOENT || sys == ENOTDIR) && lstat(path, &st) != 0)
            break;
        /* Still there: somebody else has removed a part of it, or put something there. */
        if ((sys != ENOENT && sys != ENOTEMPTY) || again == 100)
            return sg_error_set(err, SG_ERROR_SYSTEM, sys, "remove %s", path);
    }
    return true;
}

bool sg_files_read_at(int fd, void *to, size_t n, uint64_t offset)
{
    char *at = to;

    while (n != 0) {
        ssize_t got = pread(fd, at, n, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

bool sg_files_write_at(int fd, const void *from, size_t n, uint64_t offset)
{
    const char *at = from;

    while (n != 0) {
        ssize_t put = pwrite(fd, at, n, (off_t)offset);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        n -= (size_t)put;
        offset += (uint64_t)put;
    }
    return true;
}
