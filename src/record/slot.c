/*
 * Pools over several runs. docs/formats.md, "Pools".
 *
 *   DIR/lock         locked by whoever looks: all below is read and changed under it
 *   DIR/slot.NONCE   a holder: {"run":…,"node":…,"pid":…,"memory":BYTES,"nonce":…}
 *   DIR/wait.RUN     a ticket: {"run":…,"pid":…,"ticket":NUMBER}; its mtime is its last question
 *
 * A file of the two last kinds counts if and only if somebody has it locked. One that is not is of
 * the dead, also if it was cut short, and is removed. A holder gives its slot back by removing the
 * file, without the lock: whoever has just opened it then finds it dead, which it is.
 */
#include "stagegraph/slot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/arena.h"
#include "stagegraph/claim.h"
#include "stagegraph/clock.h"
#include "stagegraph/files.h"
#include "stagegraph/json.h"

#define LOOK_MS 10
#define LOOKS   30

struct sg_slots {
    char *dir, *run, *ticket_path;
    pthread_mutex_t mutex; /* over the ticket */
    int ticket_fd;         /* -1: none */
    int64_t ticket;
};

/* ---- the texts */

struct entry {
    const char *run, *nonce; /* in the arena; NULL where it says nothing */
    int64_t memory, ticket;
};

static void parse(struct sg_arena *a, struct sg_span text, struct entry *ret)
{
    struct sg_json_reader r;
    struct sg_error ignored = SG_ERROR_INIT; /* without memory it says nothing */
    enum sg_json_event ev;
    char key[16] = "";

    *ret = (struct entry){ .memory = 0 };
    sg_json_reader_init(&r, text);
    while ((ev = sg_json_next(&r)) != SG_JSON_END && ev != SG_JSON_BAD) {
        if (ev == SG_JSON_KEY) {
            size_t n = r.text.len < sizeof(key) - 1 ? r.text.len : sizeof(key) - 1;

            memcpy(key, r.text.at, n);
            key[n] = '\0';
        } else if (ev == SG_JSON_STRING && strcmp(key, "run") == 0) {
            ret->run = sg_arena_copy(a, r.text, &ignored);
        } else if (ev == SG_JSON_STRING && strcmp(key, "nonce") == 0) {
            ret->nonce = sg_arena_copy(a, r.text, &ignored);
        } else if (ev == SG_JSON_NUMBER && strcmp(key, "memory") == 0) {
            (void)!sg_json_int(r.text, &ret->memory);
        } else if (ev == SG_JSON_NUMBER && strcmp(key, "ticket") == 0) {
            (void)!sg_json_int(r.text, &ret->ticket);
        }
    }
    sg_json_reader_done(&r);
}

/* ask NULL: a ticket. */
static bool format(const struct sg_slots *s, const struct sg_slot_ask *ask, struct sg_buf *out,
                   struct sg_error *err)
{
    struct sg_json_writer w;

    sg_json_writer_init(&w, out);
    sg_json_begin(&w, NULL, '{');
    sg_json_text(&w, "run", s->run);
    if (ask)
        sg_json_text(&w, "node", ask->node);
    sg_json_i64(&w, "pid", getpid());
    if (ask) {
        sg_json_i64(&w, "memory", ask->memory);
        sg_json_text(&w, "nonce", ask->nonce);
    } else {
        sg_json_i64(&w, "ticket", s->ticket);
    }
    sg_json_end(&w);
    return sg_json_writer_end(&w, err) && sg_buf_addc(out, '\n', err);
}

/* A locked file with its text, under the pool's lock. One of its name is of the dead. */
static bool create(const char *path, struct sg_span text, int *ret, struct sg_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);

    if (fd < 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "create %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        sg_error_set(err, SG_ERROR_SYSTEM, errno, "lock %s", path);
    } else if (sg_files_write_fd(fd, text.at, text.len, err)) {
        *ret = fd;
        return true;
    } else {
        sg_error_wrap(err, "%s", path);
    }
    (void)unlink(path); /* what stays is removed by the next who looks */
    (void)close(fd);
    return false;
}

/* ---- who is there */

struct census {
    const struct sg_slots *s;
    const struct sg_slot_ask *ask;
    struct timespec now; /* the file system's */
    uint32_t held;
    int64_t memory;
    bool ahead;   /* a ticket comes before ours */
    int64_t last; /* the highest number of a ticket */
    char *holder;
    bool holder_holds; /* and does not only wait */
};

static void name_holder(struct census *c, const struct entry *e, bool holds)
{
    if (c->holder_holds || (c->holder[0] && !holds))
        return;
    c->holder_holds = holds;
    c->holder[0] = '\0';
    if (e->run)
        strncat(c->holder, e->run, SG_SLOT_RUN - 1);
}

static bool is_stale(const struct census *c, const struct stat *st)
{
    int64_t ms = (int64_t)(c->now.tv_sec - st->st_mtim.tv_sec) * 1000 +
                 (c->now.tv_nsec - st->st_mtim.tv_nsec) / SG_NS_PER_MS;

    return ms > SG_SLOT_STALE_MS || ms < -SG_SLOT_STALE_MS; /* a clock may be put back */
}

/* *ret_gone false: processes of it can't be ended, so it still holds what it held. */
static bool bury(const struct census *c, const char *path, const struct entry *e, bool *ret_gone,
                 struct sg_error *err)
{
    unsigned ended, left = 0;

    if (e->nonce && !sg_nonce_end(e->nonce, c->ask->grace_ms, &ended, &left, err))
        return sg_error_wrap(err, "end the processes of dead run %s", e->run ? e->run : "");
    *ret_gone = left == 0;
    if (*ret_gone && e->nonce && c->ask->end &&
        !c->ask->end(c->ask->ctx, e->nonce, e->run ? e->run : "", err))
        return false;
    if (*ret_gone && unlink(path) != 0 && errno != ENOENT)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "remove %s", path);
    return true;
}

static void count(struct census *c, const struct entry *e, const struct stat *st, bool holds)
{
    if (holds) {
        c->held++;
        c->memory += e->memory;
        name_holder(c, e, true);
        return;
    }
    if (e->ticket > c->last)
        c->last = e->ticket;
    if ((c->s->ticket_fd < 0 || e->ticket < c->s->ticket) && !is_stale(c, st)) {
        c->ahead = true;
        name_holder(c, e, false);
    }
}

/* One file: counted if somebody lives who has it locked, removed if not. */
static bool meet(struct census *c, const char *path, bool holds, struct sg_error *err)
{
    struct sg_arena arena = SG_ARENA_INIT;
    struct sg_buf text = SG_BUF_INIT;
    struct entry e;
    struct stat st;
    bool ok = true, found, dead, gone = false;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) /* given back meanwhile */
        return errno == ENOENT ? true : sg_error_set(err, SG_ERROR_SYSTEM, errno, "open %s", path);
    dead = flock(fd, LOCK_SH | LOCK_NB) == 0;
    if (fstat(fd, &st) == 0 && st.st_nlink > 0) {
        ok = sg_files_read(path, &text, &found, err);
        if (ok) {
            parse(&arena, sg_buf_span(&text), &e);
            if (dead)
                ok = bury(c, path, &e, &gone, err);
            if (ok && !gone)
                count(c, &e, &st, holds);
        }
    }
    (void)close(fd); /* read only */
    sg_buf_done(&text);
    sg_arena_done(&arena);
    return ok;
}

static bool look(struct census *c, struct sg_error *err)
{
    DIR *d = opendir(c->s->dir);
    struct sg_buf path = SG_BUF_INIT;
    const struct dirent *e;
    bool ok = true;

    if (!d)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "list %s", c->s->dir);
    while (ok && (e = readdir(d)) != NULL) {
        bool holds = strncmp(e->d_name, "slot.", 5) == 0;

        if (!holds && strncmp(e->d_name, "wait.", 5) != 0)
            continue;
        if (!holds && strcmp(e->d_name + 5, c->s->run) == 0)
            continue; /* ours */
        sg_buf_clear(&path);
        ok = sg_buf_addf(&path, err, "%s/%s", c->s->dir, e->d_name) &&
             meet(c, sg_buf_text(&path), holds, err);
    }
    closedir(d);
    sg_buf_done(&path);
    return ok;
}

static bool has_room(const struct census *c)
{
    const struct sg_slot_ask *ask = c->ask;

    if (c->ahead)
        return false;
    if (c->held == 0)
        return true;
    if (ask->size > 0 && c->held >= (uint32_t)ask->size)
        return false;
    return ask->pool_memory == 0 ||
           (c->memory <= ask->pool_memory && ask->memory <= ask->pool_memory - c->memory);
}

/* ---- taking */

static void drop_ticket(struct sg_slots *s)
{
    if (s->ticket_fd < 0)
        return;
    (void)unlink(s->ticket_path); /* what stays is removed by the next who looks */
    (void)close(s->ticket_fd);
    s->ticket_fd = -1;
}

static bool hold_ticket(struct sg_slots *s, int64_t last, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    bool ok;

    if (s->ticket_fd >= 0) { /* its time says that we still ask */
        if (futimens(s->ticket_fd, NULL) != 0)
            return sg_error_set(err, SG_ERROR_SYSTEM, errno, "touch %s", s->ticket_path);
        return true;
    }
    s->ticket = last + 1;
    ok = format(s, NULL, &text, err) &&
         create(s->ticket_path, sg_buf_span(&text), &s->ticket_fd, err);
    sg_buf_done(&text);
    return ok;
}

static bool hold_slot(struct sg_slots *s, const struct sg_slot_ask *ask, struct sg_slot *ret,
                      struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT, path = SG_BUF_INIT;
    struct sg_slot slot = SG_SLOT_INIT;
    bool ok = sg_buf_addf(&path, err, "%s/slot.%s", s->dir, ask->nonce) &&
              format(s, ask, &text, err) &&
              create(sg_buf_text(&path), sg_buf_span(&text), &slot.fd, err);

    if (ok) {
        slot.path = sg_buf_move(&path);
        *ret = slot;
        drop_ticket(s);
    }
    sg_buf_done(&text);
    sg_buf_done(&path);
    return ok;
}

/* Looking takes no time, so who has the lock for longer is stopped, or ends processes of the dead.
 * A blocking lock would keep a worker, and a run that is to end, for as long as that. */
static int lock_soon(int fd)
{
    const struct timespec pause = { .tv_nsec = LOOK_MS * SG_NS_PER_MS };

    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || i == LOOKS)
            return -1;
        (void)nanosleep(&pause, NULL); /* woken early is fine */
    }
    return 0;
}

/* The pool's lock, and the time that it has. *ret -1: another has it. */
static bool lock_pool(const struct sg_slots *s, int *ret, struct timespec *ret_now,
                      struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    struct stat st;
    int fd, flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
    bool ok;

    if (!sg_buf_addf(&path, err, "%s/lock", s->dir))
        return false;
    fd = open(sg_buf_text(&path), flags, 0666);
    if (fd < 0 && errno == ENOENT) {
        if (!sg_files_make_dir(s->dir, err)) {
            sg_buf_done(&path);
            return false;
        }
        fd = open(sg_buf_text(&path), flags, 0666);
    }
    *ret = -1;
    ok = fd >= 0 && lock_soon(fd) == 0 && futimens(fd, NULL) == 0 && fstat(fd, &st) == 0;
    if (ok) {
        *ret = fd;
        *ret_now = st.st_mtim;
    } else {
        ok = fd >= 0 && errno == EWOULDBLOCK;
        if (!ok)
            sg_error_set(err, SG_ERROR_SYSTEM, errno, "lock %s", sg_buf_text(&path));
        if (fd >= 0)
            (void)close(fd); /* nothing was written */
    }
    sg_buf_done(&path);
    return ok;
}

bool sg_slots_take(struct sg_slots *s, const struct sg_slot_ask *ask, struct sg_slot *ret,
                   bool *ret_taken, char holder[SG_SLOT_RUN], struct sg_error *err)
{
    char name[SG_SLOT_RUN] = "";
    struct census c = { .s = s, .ask = ask, .holder = name };
    bool ok, room = false;
    int fd = -1;

    (void)pthread_mutex_lock(&s->mutex); /* of a plain mutex neither fails */
    ok = lock_pool(s, &fd, &c.now, err);
    if (ok && fd >= 0) {
        ok = look(&c, err);
        room = ok && has_room(&c);
        if (room)
            ok = hold_slot(s, ask, ret, err);
        else if (ok)
            ok = hold_ticket(s, c.last, err);
        (void)close(fd); /* nothing was written to it */
    }
    (void)pthread_mutex_unlock(&s->mutex);
    if (ok) {
        *ret_taken = room;
        memcpy(holder, name, sizeof(name));
    }
    return ok;
}

void sg_slot_drop(struct sg_slot *slot)
{
    if (slot->path)
        (void)unlink(slot->path); /* what stays is dead, and removed by the next who looks */
    sg_slot_leave(slot);
}

void sg_slot_leave(struct sg_slot *slot)
{
    if (slot->fd >= 0)
        (void)close(slot->fd); /* its text was written long ago */
    free(slot->path);
    *slot = (struct sg_slot)SG_SLOT_INIT;
}

/* ---- beginning and end */

bool sg_slots_new(const char *dir, const char *run, struct sg_slots **ret, struct sg_error *err)
{
    struct sg_slots *s = calloc(1, sizeof(*s));
    struct sg_buf path = SG_BUF_INIT;

    if (!s)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "a pool");
    s->ticket_fd = -1;
    s->dir = strdup(dir);
    s->run = strdup(run);
    (void)pthread_mutex_init(&s->mutex, NULL); /* of a plain mutex it can't fail */
    if (!s->dir || !s->run)
        sg_error_set(err, SG_ERROR_MEMORY, 0, "a pool");
    else if (sg_buf_addf(&path, err, "%s/wait.%s", dir, run)) {
        s->ticket_path = sg_buf_move(&path);
        *ret = s;
        return true;
    }
    sg_buf_done(&path);
    sg_slots_free(s);
    return false;
}

void sg_slots_free(struct sg_slots *s)
{
    if (!s)
        return;
    drop_ticket(s);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s->dir);
    free(s->run);
    free(s->ticket_path);
    free(s);
}
