/*
 * Claims of the local store. docs/formats.md, "Claim".
 *
 * A claim is a file with its text, locked with flock() by whoever holds it. What makes it safe:
 *
 *   - the file gets its name when it is written (and flushed) and locked: at every instant a name
 * is absent, or a whole claim; one that is not locked has no living holder;
 *   - its name is given by an exclusive rename, so of many one succeeds;
 *   - only who holds the lock of the file that is at the name removes or replaces it. So whoever
 * has got a lock looks whether the name still leads to the file that he has locked; if so, that
 *     remains so until he changes it.
 *
 * A temporary file is open and not yet locked for an instant. Whoever sweeps the temporary files of
 * the dead may lock and remove it then; its maker notices (the lock is refused, or the name is gone
 * when he has got it) and makes another. From then on nobody touches it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/clock.h"
#include "stagegraph/store.h"

#include "file_impl.h"

#define CLAIM_LIMIT ((size_t)64 << 10)
/* A lock that is held for longer is a holder's and not a look's (sg_file_claim_list(), another
 * contender that finds the name changed). */
#define LOOK_MS    30
#define NO_TEXT_MS 200 /* a claim that shows no text for this long has none: another program's */
#define GIVE_UP_MS 10000

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether the name still leads to the open file. */
static bool is_at(struct sg_file_store *f, int fd, const char *full, bool *ret,
                  struct sg_error *err)
{
    struct stat ours, there;

    if (f->io.fstat(f->io.ctx, fd, &ours) != 0)
        return sg_file_fail(err, errno, "stat", full);
    if (f->io.stat(f->io.ctx, full, &there) != 0) {
        if (!sg_file_is_absent(errno))
            return sg_file_fail(err, errno, "stat", full);
        *ret = false;
        return true;
    }
    *ret = is_same(&ours, &there);
    return true;
}

/* *ret false: somebody else has the lock. */
static bool try_lock(struct sg_file_store *f, int fd, int operation, const char *full, bool *ret,
                     struct sg_error *err)
{
    if (sg_io_flock(&f->io, fd, operation | LOCK_NB) == 0)
        *ret = true;
    else if (errno == EWOULDBLOCK)
        *ret = false;
    else
        return sg_file_fail(err, errno, "lock", full);
    return true;
}

static void wait_ms(long ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * SG_NS_PER_MS };

    (void)nanosleep(&t, NULL); /* a signal that cuts it short does no harm */
}

static int64_t ms_since(struct sg_mono begun)
{
    return (sg_mono_now().ns - begun.ns) / SG_NS_PER_MS;
}

/* A claim file is opened for writing where that is allowed: an exclusive flock() needs it on NFS.
 * *ret -1: there is none. */
static bool open_claim(struct sg_file_store *f, const char *full, int *ret, struct sg_error *err)
{
    int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

    *ret = sg_io_open(&f->io, full, O_RDWR | flags);
    if (*ret < 0 && (errno == EACCES || errno == EROFS))
        *ret = sg_io_open(&f->io, full, O_RDONLY | flags);
    return *ret >= 0 || sg_file_is_absent(errno) ? true : sg_file_fail(err, errno, "open", full);
}

/* The text of an open claim file, in the place of what `out` held. One that is far too long is no
 * claim of ours: of nobody known, like an empty one. */
static bool read_text(struct sg_file_store *f, int fd, const char *full, struct sg_buf *out,
                      struct sg_error *err)
{
    sg_buf_clear(out);
    if (lseek(fd, 0, SEEK_SET) != 0)
        return sg_file_fail(err, errno, "read", full);
    if (sg_file_read_all(&f->io, fd, full, -1, CLAIM_LIMIT, out, err))
        return true;
    if (err->code != SG_ERROR_LIMIT)
        return false;
    sg_error_clear(err);
    return true;
}

/* Gives the temporary file its name if nobody has it. *ret false: somebody has. */
static bool place(struct sg_file_store *f, const struct sg_file_temp *t, const char *full,
                  bool *ret, struct sg_error *err)
{
    *ret = f->io.rename_new(f->io.ctx, t->path, full) == 0;
    if (*ret)
        return true;
    if (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP) {
        /* A file system without exclusive renames (NFS) has links. What is left of the temporary
         * name when we die now is swept like any other: it is the claim's own file. */
        *ret = f->io.link(f->io.ctx, t->path, full) == 0;
        if (*ret) {
            (void)f->io.unlink(f->io.ctx, t->path); /* swept when we are dead, if this fails */
            return true;
        }
    }
    return errno == EEXIST
               ? true
               : sg_error_set(err, SG_ERROR_STORE, errno, "rename %s to %s", t->path, full);
}

/* A temporary file with the text, locked. */
static bool new_locked(struct sg_file_store *f, const char *full, struct sg_span text,
                       struct sg_file_temp *ret, struct sg_error *err)
{
    bool locked = false, there = false;

    for (;;) {
        if (!sg_file_temp_new(f, full, ret, err))
            return false;
        if (!try_lock(f, ret->fd, LOCK_EX, ret->path, &locked, err) ||
            !is_at(f, ret->fd, ret->path, &there, err))
            break;
        if (locked && there) {
            if (!sg_file_temp_write(f, ret, text, err))
                break;
            return true;
        }
        (void)sg_io_close(&f->io, ret->fd); /* it is being swept, or has been */
    }
    (void)f->io.unlink(f->io.ctx, ret->path); /* left alone it is swept by the next process */
    (void)sg_io_close(&f->io, ret->fd);
    return false;
}

/* Removes a temporary file unless somebody lives who has it locked. */
static void sweep_one(struct sg_file_store *f, const char *full)
{
    int fd = sg_io_open(&f->io, full, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return;
    if (sg_io_flock(&f->io, fd, LOCK_EX | LOCK_NB) == 0)
        (void)f->io.unlink(f->io.ctx, full); /* what stays is swept next time */
    (void)sg_io_close(&f->io, fd);
}

/* Has this process been here? What others leave meanwhile is for the next one, or who lists. */
static bool was_swept(struct sg_file_store *f, const char *dir)
{
    uint64_t hash = sg_hash64_of(dir, strlen(dir));

    return atomic_exchange(&f->swept[hash % SG_FILE_SWEPT], hash) == hash;
}

/* The temporary files of dead processes in a directory of claims. Nobody's success depends on it.
 */
static void sweep(struct sg_file_store *f, const char *full)
{
    char dir[PATH_MAX], path[PATH_MAX];
    struct sg_error ignored = SG_ERROR_INIT;
    const struct dirent *e;
    DIR *d;

    sg_file_parent(full, dir);
    if (was_swept(f, dir))
        return;
    d = opendir(dir);
    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' && sg_file_is_temp(e->d_name, NULL) &&
            sg_file_join(dir, "", e->d_name, "", path, &ignored))
            sweep_one(f, path);
    }
    closedir(d);
}

static bool fill_claim(struct sg_file_store *f, const char *path, const char *full, int fd,
                       struct sg_store_claim *ret, struct sg_error *err)
{
    struct stat st;
    char *copy;

    if (f->io.fstat(f->io.ctx, fd, &st) != 0)
        return sg_file_fail(err, errno, "stat", full);
    copy = strdup(path);
    if (copy == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a claim");
    *ret =
        (struct sg_store_claim){ .path = copy, .lock_fd = fd, .ident = sg_file_entry(&st).ident };
    return true;
}

/* Nobody has the name: tries to have it. *ret_taken false: somebody was faster. */
static bool create_claim(struct sg_file_store *f, const char *path, const char *full, bool flush,
                         struct sg_span text, struct sg_store_claim *ret, bool *ret_taken,
                         struct sg_error *err)
{
    char dir[PATH_MAX];
    struct sg_file_temp t;

    sweep(f, full);
    if (!new_locked(f, full, text, &t, err))
        return false;
    if (!place(f, &t, full, ret_taken, err))
        goto fail;
    if (!*ret_taken) {
        (void)f->io.unlink(f->io.ctx, t.path); /* swept by the next process if this fails */
        (void)sg_io_close(&f->io, t.fd);
        return true;
    }
    sg_file_parent(full, dir);
    if ((!flush || sg_file_flush_full(f, dir, err)) && fill_claim(f, path, full, t.fd, ret, err))
        return true;
    (void)f->io.unlink(f->io.ctx, full); /* ours and locked; what stays is a dead claim */
    (void)sg_io_close(&f->io, t.fd);
    return false;
fail:
    (void)f->io.unlink(f->io.ctx, t.path);
    (void)sg_io_close(&f->io, t.fd);
    return false;
}

enum look {
    LOOK_LOCKED,  /* we have its lock, and the name leads to it */
    LOOK_HELD,    /* another has, for long enough */
    LOOK_CHANGED, /* it is not at the name any more: look again */
};

/* Whether the only locks of it are shared ones: of those who look, in list_one(). */
static bool is_only_looked_at(struct sg_file_store *f, int fd, const char *full, bool *ret,
                              struct sg_error *err)
{
    if (!try_lock(f, fd, LOCK_SH, full, ret, err))
        return false;
    if (*ret && sg_io_flock(&f->io, fd, LOCK_UN) != 0)
        return sg_file_fail(err, errno, "unlock", full);
    return true;
}

/*
 * Tries to lock the open claim file that was at the name. A holder's lock is exclusive, so shared
 * ones are waited out; an exclusive one may be that of an instant too (`flock -n` as a question),
 * and is a holder's when it is still there after LOOK_MS.
 */
static bool look_at(struct sg_file_store *f, int fd, const char *full, enum look *ret,
                    struct sg_error *err)
{
    struct sg_mono held_since = sg_mono_now(), begun = held_since;
    bool locked = false, looked_at = false, there;

    for (long pause = 1;; pause += pause < 4) {
        if (!try_lock(f, fd, LOCK_EX, full, &locked, err) || !is_at(f, fd, full, &there, err))
            return false;
        if (locked || !there)
            break;
        if (!is_only_looked_at(f, fd, full, &looked_at, err))
            return false;
        if (looked_at && ms_since(begun) < GIVE_UP_MS)
            held_since = sg_mono_now();
        else if (ms_since(held_since) >= LOOK_MS)
            break;
        wait_ms(pause);
    }
    *ret = !there ? LOOK_CHANGED : locked ? LOOK_LOCKED : LOOK_HELD;
    return true;
}

/* Looks at the claim that is there. *ret_known false: it has changed meanwhile, look again. */
static bool meet_claim(struct sg_file_store *f, const char *path, const char *full, int fd,
                       struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                       struct sg_buf *held_text, bool *ret_known, struct sg_error *err)
{
    struct sg_mono begun = sg_mono_now();
    enum look look;

    *ret_known = false;
    do {
        if (!look_at(f, fd, full, &look, err))
            return false;
        if (look == LOOK_CHANGED)
            return true;
        if (!read_text(f, fd, full, held_text, err))
            return false;
        /* Held, and no text: flock(1) has made the file. It may be about to write one. */
    } while (look == LOOK_HELD && held_text->len == 0 && ms_since(begun) < NO_TEXT_MS);
    *ret_known = true;
    *ret_outcome = look == LOOK_LOCKED ? SG_CLAIM_DEAD : SG_CLAIM_HELD;
    return look != LOOK_LOCKED || fill_claim(f, path, full, fd, ret, err);
}

static bool take(struct sg_file_store *f, const char *path, bool flush, struct sg_span text,
                 struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                 struct sg_buf *held_text, struct sg_error *err)
{
    struct sg_mono begun = sg_mono_now();
    char full[PATH_MAX];
    bool known, taken;
    int fd;

    if (!sg_file_path(f, path, full, err))
        return false;
    do {
        if (!open_claim(f, full, &fd, err))
            return false;
        if (fd < 0) {
            if (!create_claim(f, path, full, flush, text, ret, &taken, err))
                return false;
            if (taken) {
                *ret_outcome = SG_CLAIM_TAKEN;
                return true;
            }
            continue;
        }
        if (!meet_claim(f, path, full, fd, ret, ret_outcome, held_text, &known, err)) {
            (void)sg_io_close(&f->io, fd);
            return false;
        }
        if (known && *ret_outcome == SG_CLAIM_DEAD)
            return true; /* with its lock */
        (void)sg_io_close(&f->io, fd);
        if (known)
            return true;
        /* Each time round, somebody else has taken, replaced or dropped it. */
    } while (ms_since(begun) < GIVE_UP_MS);
    return sg_error_set(err, SG_ERROR_STORE, 0, "claim %s: it changes all the time", full);
}

bool sg_file_claim_take(struct sg_store *s, const char *path, struct sg_span text,
                        struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                        struct sg_buf *held_text, struct sg_error *err)
{
    return take(sg_file_of(s), path, true, text, ret, ret_outcome, held_text, err);
}

bool sg_file_claim_take_unflushed(struct sg_store *s, const char *path, struct sg_span text,
                                  struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                                  struct sg_buf *held_text, struct sg_error *err)
{
    return take(sg_file_of(s), path, false, text, ret, ret_outcome, held_text, err);
}

bool sg_file_claim_replace(struct sg_store *s, struct sg_store_claim *claim, struct sg_span text,
                           struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    char full[PATH_MAX], dir[PATH_MAX];
    struct sg_store_claim ours;
    struct sg_file_temp t;
    bool there, named = false;

    if (!sg_file_path(f, claim->path, full, err) || !new_locked(f, full, text, &t, err))
        return false;
    if (!is_at(f, claim->lock_fd, full, &there, err))
        goto fail;
    if (!there) {
        sg_error_set(err, SG_ERROR_STORE, 0, "replace %s: somebody has removed it", full);
        goto fail;
    }
    if (f->io.rename(f->io.ctx, t.path, full) != 0) {
        sg_error_set(err, SG_ERROR_STORE, errno, "rename %s to %s", t.path, full);
        goto fail;
    }
    named = true;
    sg_file_parent(full, dir);
    if (!sg_file_flush_full(f, dir, err) || !fill_claim(f, claim->path, full, t.fd, &ours, err))
        goto fail;
    free(claim->path);
    (void)sg_io_close(&f->io, claim->lock_fd); /* the dead one has no name any more */
    *claim = ours;
    return true;
fail:
    /* The dead claim's text is lost if its name was ours already; its processes are ended by now.
     */
    (void)f->io.unlink(f->io.ctx, named ? full : t.path);
    (void)sg_io_close(&f->io, t.fd);
    return false;
}

bool sg_file_claim_verify(struct sg_store *s, const struct sg_store_claim *claim, bool *ret,
                          struct sg_error *err)
{
    char full[PATH_MAX];

    return sg_file_path(sg_file_of(s), claim->path, full, err) &&
           is_at(sg_file_of(s), claim->lock_fd, full, ret, err);
}

void sg_file_claim_leave(struct sg_store *s, struct sg_store_claim *claim)
{
    (void)sg_io_close(&sg_file_of(s)->io, claim->lock_fd); /* nothing is written any more */
    free(claim->path);
    *claim = (struct sg_store_claim){ .lock_fd = -1 };
}

/* Not flushed: a claim that comes back after a power cut is dead, and the receipt tells that its
 * attempt was done. */
bool sg_file_claim_drop(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err)
{
    struct sg_file_store *f = sg_file_of(s);
    char full[PATH_MAX];
    bool ok, there;

    ok = sg_file_path(f, claim->path, full, err) && is_at(f, claim->lock_fd, full, &there, err);
    if (ok && there && f->io.unlink(f->io.ctx, full) != 0 && !sg_file_is_absent(errno))
        ok = sg_file_fail(err, errno, "remove", full);
    sg_file_claim_leave(s, claim);
    return ok;
}

/* Tells fn of one claim, if it is still there. *ret_go false: fn wants no more. */
static bool list_one(struct sg_file_store *f, const char *full, const char *name,
                     struct sg_buf *text, sg_store_claim_fn *fn, void *ctx, bool *ret_go,
                     struct sg_error *err)
{
    bool ok = false, there = true, dead;
    int fd = sg_io_open(&f->io, full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return sg_file_is_absent(errno) ? true : sg_file_fail(err, errno, "open", full);
    /* Shared, so that two who look don't take each other for a holder, and for this instant only.
     */
    if (!try_lock(f, fd, LOCK_SH, full, &dead, err))
        goto done;
    if (dead) {
        if (!is_at(f, fd, full, &there, err))
            goto done;
        if (sg_io_flock(&f->io, fd, LOCK_UN) != 0) {
            sg_file_fail(err, errno, "unlock", full);
            goto done;
        }
    }
    if (there) {
        if (!read_text(f, fd, full, text, err))
            goto done;
        *ret_go = fn(ctx, name, !dead, sg_buf_span(text));
    }
    ok = true;
done:
    (void)sg_io_close(&f->io, fd);
    return ok;
}

/*
 * `prefix` is "" or "STAGE/", for names; directories are gone into when it is "" only. An entry
 * that changes while it is looked at is not told of, or told of as it was or will be.
 */
static bool list_claims(struct sg_file_store *f, const char *full, const char *prefix,
                        struct sg_buf *text, sg_store_claim_fn *fn, void *ctx, bool *ret_go,
                        struct sg_error *err)
{
    DIR *d = opendir(full);
    char path[PATH_MAX], name[NAME_MAX * 2 + 2];
    const struct dirent *e;
    bool ok = true;

    if (d == NULL)
        return sg_file_is_absent(errno) ? true : sg_file_fail(err, errno, "list", full);
    errno = 0;
    while (ok && *ret_go && (e = readdir(d)) != NULL) {
        struct stat st;

        if (e->d_name[0] == '.') {
            if (sg_file_is_temp(e->d_name, NULL) &&
                sg_file_join(full, "", e->d_name, "", path, err))
                sweep_one(f, path);
            errno = 0;
            continue;
        }
        ok = sg_file_join(full, "", e->d_name, "", path, err);
        if (!ok)
            break;
        memcpy(name, prefix, strlen(prefix));
        memcpy(name + strlen(prefix), e->d_name, strlen(e->d_name) + 1);
        if (e->d_type == DT_DIR ||
            (e->d_type == DT_UNKNOWN && stat(path, &st) == 0 && S_ISDIR(st.st_mode))) {
            if (prefix[0] == '\0') {
                memcpy(name + strlen(name), "/", 2);
                ok = list_claims(f, path, name, text, fn, ctx, ret_go, err);
            }
        } else {
            ok = list_one(f, path, name, text, fn, ctx, ret_go, err);
        }
        errno = 0;
    }
    if (ok && *ret_go && errno != 0)
        ok = sg_file_fail(err, errno, "list", full);
    closedir(d);
    return ok;
}

bool sg_file_claim_list(struct sg_store *s, const char *dir, sg_store_claim_fn *fn, void *ctx,
                        struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    char full[PATH_MAX];
    bool ok, go = true;

    ok = sg_file_path(sg_file_of(s), dir, full, err) &&
         list_claims(sg_file_of(s), full, "", &text, fn, ctx, &go, err);
    sg_buf_done(&text);
    return ok;
}

bool sg_file_claim_look(struct sg_store *s, const char *path, sg_store_claim_fn *fn, void *ctx,
                        struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    char full[PATH_MAX];
    bool ok, go = true;

    ok = sg_file_path(sg_file_of(s), path, full, err) &&
         list_one(sg_file_of(s), full, strrchr(full, '/') + 1, &text, fn, ctx, &go, err);
    sg_buf_done(&text);
    return ok;
}
