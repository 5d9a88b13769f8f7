/*
 * Flushes of directories, those of many attempts in one. docs/design.md, "Stores".
 *
 * Attempts that go on at the same time take their claims in one directory and make their outputs in
 * another. Who wants a directory flushed while a flush of it is under way can't use that one, which
 * may have begun before his change; but all that wait for it to end need one more between them: the
 * first of them does it, when that one has ended, and leads the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "file_impl.h"

/* One who wants it, on the stack of his thread and in the list of the store. */
struct sg_file_flush {
    struct sg_file_flush *next;
    const char *dir;
    const struct sg_file_flush *leader; /* whose flush will be his too; NULL: his own */
    bool begun;                         /* a leader's: who comes now is late */
    bool ended;
    int sys;
};

/* The flush of the directory that is under way (begun), or that is still to begin. */
static const struct sg_file_flush *find(const struct sg_file_store *f, const char *dir, bool begun)
{
    const struct sg_file_flush *w = f->flushes;

    while (w != NULL && (w->leader != NULL || w->begun != begun || strcmp(w->dir, dir) != 0))
        w = w->next;
    return w;
}

static void take_out(struct sg_file_store *f, const struct sg_file_flush *mine)
{
    struct sg_file_flush **at = &f->flushes;

    while (*at != mine)
        at = &(*at)->next;
    *at = mine->next;
    f->n_flushes--;
}

/* 0, or an errno. A directory that is gone has nothing to flush, and some file systems (of FUSE,
 * SMB) have no fsync of directories: EINVAL, ENOTSUP. */
static int flush_now(const struct sg_file_store *f, const char *dir)
{
    int fd = sg_io_open(&f->io, dir, O_RDONLY | O_DIRECTORY), sys = 0;

    if (fd < 0)
        return sg_file_is_absent(errno) ? 0 : errno;
    if (sg_io_fsync(&f->io, fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        sys = errno;
    (void)sg_io_close(&f->io, fd); /* nothing was written */
    return sys;
}

/* An error is told to all: the kernel tells it to one fsync() only. */
static void lead(struct sg_file_store *f, struct sg_file_flush *mine)
{
    while (find(f, mine->dir, true) != NULL)
        pthread_cond_wait(&f->flush_ended, &f->flush_lock);
    mine->begun = true;
    pthread_mutex_unlock(&f->flush_lock);
    mine->sys = flush_now(f, mine->dir);
    pthread_mutex_lock(&f->flush_lock);
    for (struct sg_file_flush *w = f->flushes; w != NULL; w = w->next) {
        if (w->leader != mine || w->ended)
            continue;
        w->sys = mine->sys;
        w->ended = true;
    }
    pthread_cond_broadcast(&f->flush_ended);
}

bool sg_file_flush_full(struct sg_file_store *f, const char *full, struct sg_error *err)
{
    struct sg_file_flush mine = { .dir = full };

    if (!f->base.sync)
        return true;
    pthread_mutex_lock(&f->flush_lock);
    mine.leader = find(f, full, false);
    mine.next = f->flushes;
    f->flushes = &mine;
    f->n_flushes++;
    if (mine.leader == NULL)
        lead(f, &mine);
    while (mine.leader != NULL && !mine.ended)
        pthread_cond_wait(&f->flush_ended, &f->flush_lock);
    take_out(f, &mine);
    pthread_mutex_unlock(&f->flush_lock);
    return mine.sys == 0 || sg_file_fail(err, mine.sys, "flush", full);
}

bool sg_file_flush_dir(struct sg_store *s, const char *dir, struct sg_error *err)
{
    char full[PATH_MAX];

    return sg_file_path(sg_file_of(s), dir, full, err) &&
           sg_file_flush_full(sg_file_of(s), full, err);
}
