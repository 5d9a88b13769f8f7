#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "stagegraph/arena.h"
#include "stagegraph/store.h"

#include "file_impl.h"

#define NONCE_DIGITS 16

/* One directory whose parent is there; its name is made durable in the parent. */
static bool make_one(struct sg_file_store *f, const char *full, struct sg_error *err)
{
    char parent[PATH_MAX];

    if (f->io.mkdir(f->io.ctx, full, 0777) == 0) {
        sg_file_parent(full, parent);
        return sg_file_flush_full(f, parent, err);
    }
    return errno == EEXIST ? true : sg_file_fail(err, errno, "make directory", full);
}

bool sg_file_make_full(struct sg_file_store *f, const char *full, struct sg_error *err)
{
    char path[PATH_MAX], parent[PATH_MAX];
    size_t n = strlen(full), at = n;
    struct stat st;

    if (f->io.stat(f->io.ctx, full, &st) == 0 && S_ISDIR(st.st_mode)) /* mostly it is there */
        return true;
    memcpy(path, full, n + 1);
    /* Up to the deepest that is there or can be made … */
    for (;;) {
        if (f->io.mkdir(f->io.ctx, path, 0777) == 0) {
            sg_file_parent(path, parent);
            if (!sg_file_flush_full(f, parent, err))
                return false;
            break;
        }
        if (errno == EEXIST)
            break;
        while (errno == ENOENT && at > 1 && full[at - 1] != '/')
            at--;
        if (errno != ENOENT || at <= 1)
            return sg_file_fail(err, errno, "make directory", path);
        path[--at] = '\0';
    }
    /* … and down again. */
    while (at < n) {
        path[at] = '/';
        at += strlen(path + at);
        if (!make_one(f, path, err))
            return false;
    }
    if (f->io.stat(f->io.ctx, full, &st) != 0)
        return sg_file_fail(err, errno, "make directory", full);
    return S_ISDIR(st.st_mode) ? true : sg_file_fail(err, ENOTDIR, "make directory", full);
}

bool sg_file_make_dir(struct sg_store *s, const char *dir, struct sg_error *err)
{
    char full[PATH_MAX];

    return sg_file_path(sg_file_of(s), dir, full, err) &&
           sg_file_make_full(sg_file_of(s), full, err);
}

bool sg_file_is_temp(const char *entry, const char *name)
{
    size_t n = strlen(entry), tail = sizeof(".tmp") - 1 + NONCE_DIGITS + 1, n_name;

    if (n < tail + 2 || entry[0] != '.' || strcmp(entry + n - 4, ".tmp") != 0 ||
        entry[n - tail] != '.')
        return false;
    for (const char *c = entry + n - tail + 1; c < entry + n - 4; c++) {
        if (!isdigit((unsigned char)*c) && !(*c >= 'a' && *c <= 'f'))
            return false;
    }
    n_name = n - tail - 1;
    return name == NULL || (strlen(name) == n_name && memcmp(entry + 1, name, n_name) == 0);
}

bool sg_file_temp_new(struct sg_file_store *f, const char *full, struct sg_file_temp *ret,
                      struct sg_error *err)
{
    char dir[PATH_MAX], nonce[SG_HASH64_TEXT], after[sizeof(".") + SG_HASH64_TEXT + sizeof(".tmp")];
    bool made = false;
    uint64_t random;

    sg_file_parent(full, dir);
    for (;;) {
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
            return sg_error_set(err, SG_ERROR_SYSTEM, errno, "get random bytes");
        sg_hash64_format(random, nonce);
        snprintf(after, sizeof(after), ".%s.tmp", nonce);
        if (!sg_file_join(dir, ".", strrchr(full, '/') + 1, after, ret->path, err))
            return false;
        ret->fd = sg_io_open(&f->io, ret->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
        if (ret->fd >= 0)
            return true;
        if (errno == ENOENT && !made) {
            made = true;
            if (!sg_file_make_full(f, dir, err))
                return false;
        } else if (errno != EEXIST) {
            return sg_file_fail(err, errno, "create", ret->path);
        }
    }
}

bool sg_file_temp_write(struct sg_file_store *f, const struct sg_file_temp *t, struct sg_span text,
                        struct sg_error *err)
{
    if (sg_io_write(&f->io, t->fd, text.at, text.len) != 0)
        return sg_file_fail(err, errno, "write", t->path);
    if (f->base.sync && sg_io_fsync(&f->io, t->fd) != 0)
        return sg_file_fail(err, errno, "flush", t->path);
    return true;
}

/*
 * Text to a temporary name, rename over `full`, flush of the directory; `crc`, if given, is removed
 * just before the rename, so that nobody sees the new file beside the old one's checksum. The file
 * is closed before it gets its name: network file systems report a failed write that late.
 */
static bool replace_file(struct sg_file_store *f, const char *full, const char *crc,
                         struct sg_span text, struct sg_entry *ret, struct sg_error *err)
{
    struct stat written, placed;
    struct sg_file_temp t;
    char dir[PATH_MAX];
    bool renamed = false;

    if (!sg_file_temp_new(f, full, &t, err))
        return false;
    if (!sg_file_temp_write(f, &t, text, err))
        goto fail;
    if (f->io.fstat(f->io.ctx, t.fd, &written) != 0) {
        sg_file_fail(err, errno, "stat", t.path);
        goto fail;
    }
    if (sg_io_close(&f->io, t.fd) != 0) {
        t.fd = -1;
        sg_file_fail(err, errno, "write", t.path);
        goto fail;
    }
    t.fd = -1;
    if (crc != NULL && f->io.unlink(f->io.ctx, crc) != 0 && !sg_file_is_absent(errno)) {
        sg_file_fail(err, errno, "remove", crc);
        goto fail;
    }
    if (f->io.rename(f->io.ctx, t.path, full) != 0) {
        sg_error_set(err, SG_ERROR_STORE, errno, "rename %s to %s", t.path, full);
        goto fail;
    }
    renamed = true;
    sg_file_parent(full, dir);
    if (!sg_file_flush_full(f, dir, err))
        goto fail;
    if (ret != NULL) {
        /* Only now: the rename has changed the ctime. */
        if (f->io.stat(f->io.ctx, full, &placed) != 0) {
            sg_file_fail(err, errno, "stat", full);
            goto fail;
        }
        if (placed.st_ino != written.st_ino || placed.st_dev != written.st_dev) {
            sg_error_set(err, SG_ERROR_STORE, 0, "write %s: somebody else has replaced it", full);
            goto fail;
        }
        *ret = sg_file_entry(&placed);
    }
    return true;
fail:
    if (t.fd >= 0)
        (void)sg_io_close(&f->io, t.fd); /* it is given up */
    if (!renamed)
        (void)f->io.unlink(f->io.ctx, t.path); /* if that fails too it stays, and says nothing */
    return false;
}

/* Whether the file is there with exactly these bytes. What can't be read is written anew. */
static bool has_text(struct sg_store *s, const char *path, struct sg_span text)
{
    struct sg_error ignored = SG_ERROR_INIT;
    struct sg_buf old = SG_BUF_INIT;
    struct sg_entry e;
    bool is = false;

    if (s->ops->stat(s, path, &e, &ignored) && e.kind == SG_ENTRY_FILE &&
        e.ident.len == (int64_t)text.len && s->ops->read(s, path, text.len, &old, &e, &ignored))
        is = old.len == text.len && (text.len == 0 || memcmp(old.at, text.at, text.len) == 0);
    sg_buf_done(&old);
    return is;
}

bool sg_file_put(struct sg_store *s, const char *path, struct sg_span text, struct sg_error *err)
{
    char full[PATH_MAX];

    if (!sg_file_path(sg_file_of(s), path, full, err))
        return false;
    return has_text(s, path, text) || replace_file(sg_file_of(s), full, NULL, text, NULL, err);
}

static bool marker_paths(struct sg_file_store *f, const char *dir, const char *name,
                         char ret_dir[PATH_MAX], char ret_marker[PATH_MAX], char ret_crc[PATH_MAX],
                         struct sg_error *err)
{
    return sg_file_path(f, dir, ret_dir, err) &&
           sg_file_join(ret_dir, "", name, "", ret_marker, err) &&
           sg_file_join(ret_dir, ".", name, ".crc", ret_crc, err);
}

bool sg_file_put_marker(struct sg_store *s, const char *dir, const char *name,
                        struct sg_span receipt, struct sg_entry *ret, struct sg_error *err)
{
    char full[PATH_MAX], marker[PATH_MAX], crc[PATH_MAX];

    return marker_paths(sg_file_of(s), dir, name, full, marker, crc, err) &&
           replace_file(sg_file_of(s), marker, crc, receipt, ret, err);
}

/* The checksum of what had the new name goes before the rename, that of the old name after it: no
 * reader meets a marker beside the checksum of another. */
bool sg_file_rename_marker(struct sg_store *s, const char *dir, const char *name, const char *to,
                           struct sg_entry *ret, struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    char full[PATH_MAX], from[PATH_MAX], marker[PATH_MAX], old_crc[PATH_MAX], crc[PATH_MAX];
    struct stat st;

    if (!marker_paths(f, dir, name, full, from, old_crc, err) ||
        !marker_paths(f, dir, to, full, marker, crc, err))
        return false;
    if (f->io.unlink(f->io.ctx, crc) != 0 && !sg_file_is_absent(errno))
        return sg_file_fail(err, errno, "remove", crc);
    if (f->io.rename(f->io.ctx, from, marker) != 0)
        return sg_error_set(err, SG_ERROR_STORE, errno, "rename %s to %s", from, marker);
    if (f->io.unlink(f->io.ctx, old_crc) != 0 && !sg_file_is_absent(errno))
        return sg_file_fail(err, errno, "remove", old_crc);
    if (!sg_file_flush_full(f, full, err))
        return false;
    if (f->io.stat(f->io.ctx, marker, &st) != 0)
        return sg_file_fail(err, errno, "stat", marker);
    *ret = sg_file_entry(&st);
    return true;
}

static bool remove_file(struct sg_file_store *f, const char *full, bool *removed,
                        struct sg_error *err)
{
    if (f->io.unlink(f->io.ctx, full) == 0)
        *removed = true;
    else if (!sg_file_is_absent(errno))
        return sg_file_fail(err, errno, "remove", full);
    return true;
}

/* Temporary names of a marker that an executor left when it was killed. */
static bool remove_temps(struct sg_file_store *f, const char *full, const char *name, bool *removed,
                         struct sg_error *err)
{
    DIR *d = opendir(full);
    char path[PATH_MAX];
    const struct dirent *e;
    bool ok = true;

    if (d == NULL)
        return sg_file_is_absent(errno) ? true : sg_file_fail(err, errno, "list", full);
    errno = 0;
    while (ok && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' && sg_file_is_temp(e->d_name, name))
            ok = sg_file_join(full, "", e->d_name, "", path, err) &&
                 remove_file(f, path, removed, err);
        errno = 0;
    }
    if (ok && errno != 0)
        ok = sg_file_fail(err, errno, "list", full);
    closedir(d);
    return ok;
}

bool sg_file_remove_marker(struct sg_store *s, const char *dir, const char *name,
                           struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    char full[PATH_MAX], marker[PATH_MAX], crc[PATH_MAX];
    bool removed = false;

    /* The marker first: what comes after it is nobody's truth. */
    return marker_paths(f, dir, name, full, marker, crc, err) &&
           remove_file(f, marker, &removed, err) && remove_file(f, crc, &removed, err) &&
           remove_temps(f, full, name, &removed, err) &&
           (!removed || sg_file_flush_full(f, full, err));
}

/* A directory that is being emptied; those below it come off the stack before it does. */
struct doomed {
    struct doomed *next;
    const char *full;
    bool listed;
};

static bool doom(struct sg_arena *a, struct doomed **stack, const char *full, struct sg_error *err)
{
    struct doomed *d = SG_ARENA_NEW(a, 1, struct doomed, err);

    if (d == NULL || (d->full = sg_arena_text(a, full, err)) == NULL)
        return false;
    d->next = *stack;
    *stack = d;
    return true;
}

/* Removes the files of a directory, puts its directories on the stack. */
static bool empty_dir(struct sg_file_store *f, struct sg_arena *a, const char *full,
                      struct doomed **stack, struct sg_error *err)
{
    int fd = sg_io_open(&f->io, full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), sys;
    const struct dirent *e;
    char path[PATH_MAX];
    bool ok = true;
    DIR *d;

    if (fd < 0)
        return sg_file_is_absent(errno) ? true : sg_file_fail(err, errno, "list", full);
    d = fdopendir(fd);
    if (d == NULL) {
        sys = errno;
        close(fd);
        return sg_file_fail(err, sys, "list", full);
    }
    errno = 0;
    while (ok && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            ok = sg_file_join(full, "", e->d_name, "", path, err);
            if (!ok)
                break;
            if (e->d_type == DT_DIR || f->io.unlink(f->io.ctx, path) != 0) {
                if (e->d_type == DT_DIR || errno == EISDIR)
                    ok = doom(a, stack, path, err);
                else if (!sg_file_is_absent(errno))
                    ok = sg_file_fail(err, errno, "remove", path);
            }
        }
        errno = 0;
    }
    if (ok && errno != 0)
        ok = sg_file_fail(err, errno, "list", full);
    closedir(d);
    return ok;
}

bool sg_file_remove_tree(struct sg_store *s, const char *path, struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    struct sg_arena a = SG_ARENA_INIT;
    struct doomed *stack = NULL, *d;
    char full[PATH_MAX], parent[PATH_MAX];
    unsigned again = 0;
    bool ok = false;

    if (!sg_file_path(f, path, full, err))
        return false;
    sg_file_parent(full, parent);
    if (f->io.unlink(f->io.ctx, full) == 0)
        return sg_file_flush_full(f, parent, err);
    if (sg_file_is_absent(errno))
        return true;
    if (errno != EISDIR)
        return sg_file_fail(err, errno, "remove", full);
    if (!doom(&a, &stack, full, err))
        goto done;
    while ((d = stack) != NULL) {
        if (!d->listed) {
            d->listed = true;
            if (!empty_dir(f, &a, d->full, &stack, err))
                goto done;
        } else if (f->io.rmdir(f->io.ctx, d->full) == 0 || errno == ENOENT) {
            stack = d->next;
        } else if (errno == ENOTEMPTY && ++again < 100) {
            d->listed = false; /* somebody has put something there meanwhile */
        } else {
            sg_file_fail(err, errno, "remove", d->full);
            goto done;
        }
    }
    ok = sg_file_flush_full(f, parent, err);
done:
    sg_arena_done(&a);
    return ok;
}
