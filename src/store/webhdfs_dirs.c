/*
 * The file STATE/dirs-HASH, HASH being the XXH3-64 of the store's root:
 *
 *   head       64 bytes:  0 "sgdirs" NUL and the format's version as a digit
 *                         8 XXH3-64 of bytes 16 … 63    16 XXH3-128 of the root
 *                        32 number of records    40 number of groups
 *                        48 XXH3-64 of the groups    56 zeros
 *   records    72 bytes:  0 XXH3-128 of the marker's path below the root
 *                        16 its directory's file id    24 modification time in ns
 *                        32 number of children
 *                        40 the marker's file id    48 length    56 modification time in ns
 *                        64 1: it is a file, 2: it is a receipt of which nobody has asked for
 *                           more, 0: there was none (with 0 and 2, 40 … 63 are zeros)
 *   groups     40 bytes:  0 XXH3-128 of the path of the directories' parent
 *                        16 place of its first record    24 how many    32 XXH3-64 of these records
 *
 * Numbers are in the byte order of the machine, a hash has its first half first. Groups are sorted
 * by hash, so are the records of each. A group counts if and only if its checksum is right, and the
 * file if and only if its head's, its groups' and its length are; a record if and only if the
 * directory is the same now.
 *
 * The next file is written to STATE/dirs-HASH.tmp, which whoever writes locks, and renamed over.
 * Nothing is flushed: what a power cut leaves is damaged and unknown. A crash leaves the temporary
 * file to the next one who writes.
 */
#include "webhdfs_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/buf.h"
#include "stagegraph/files.h"

#define MAGIC        "sgdirs\0" /* and the version */
#define VERSION      '2'
#define SAVE_TO_ASK  4096 /* a record costs 0.1 µs to write anew, a request 0.4 ms at best */
#define PIECE        ((size_t)1 << 16)
#define MANY_RECORDS ((uint64_t)1 << 40)
#define ROWS         1024u /* what is remembered, by hash */
#define WAYS         8u

struct head {
    char magic[8];
    uint64_t check;
    struct sg_hash128 root;
    uint64_t n_records, n_groups, groups_check, zero;
};

struct group {
    struct sg_hash128 parent;
    uint64_t first, n, check;
};

_Static_assert(sizeof(struct head) == 64, "no padding");
_Static_assert(sizeof(struct wh_known) == 72, "no padding");
_Static_assert(sizeof(struct group) == 40, "no padding");
_Static_assert(WH_KNOWN_ABSENT == 0 && WH_KNOWN_FILE == 1 && WH_KNOWN_RECEIPT == 2,
               "the format has these");

struct note {
    struct sg_hash128 parent;
    struct wh_known known;
    size_t serial; /* of two of one path the later counts */
    enum wh_note note;
};

struct wh_dirs {
    char *state, *path, *tmp_path; /* NULL: nothing is kept */
    struct sg_hash128 root;
    int fd; /* of the old file; -1: none */
    struct group *groups;
    size_t n_groups;
    uint64_t n_records;
    pthread_mutex_t lock;        /* of what follows */
    struct wh_known *remembered; /* ROWS of WAYS; NULL: nothing yet */
    size_t turn;                 /* which one of a full row goes next */
    struct note *notes;
    size_t n_notes, cap_notes, n_sorted;
    size_t n_new; /* what is worth a request the next time */
};

static int compare_hashes(const struct sg_hash128 *a, const struct sg_hash128 *b)
{
    if (a->hi != b->hi)
        return a->hi < b->hi ? -1 : 1;
    return a->lo < b->lo ? -1 : a->lo > b->lo;
}

static int compare_groups(const void *a, const void *b)
{
    return compare_hashes(&((const struct group *)a)->parent, &((const struct group *)b)->parent);
}

static int compare_known(const void *a, const void *b)
{
    return compare_hashes(&((const struct wh_known *)a)->path, &((const struct wh_known *)b)->path);
}

/* ---- the old file ---- */

static uint64_t head_check(const struct head *h)
{
    return sg_hash64_of((const char *)h + 16, sizeof(*h) - 16);
}

static uint64_t place(uint64_t record)
{
    return sizeof(struct head) + record * sizeof(struct wh_known);
}

/* The groups of the file, or none. */
static void read_groups(struct wh_dirs *d)
{
    struct head h;
    struct stat st;
    uint64_t bytes;

    if (!sg_files_read_at(d->fd, &h, sizeof(h), 0) || memcmp(h.magic, MAGIC, 7) != 0 ||
        h.magic[7] != VERSION || head_check(&h) != h.check || !sg_hash128_is(h.root, d->root) ||
        h.n_records > MANY_RECORDS || h.n_groups > h.n_records)
        return;
    bytes = h.n_groups * sizeof(struct group);
    if (fstat(d->fd, &st) != 0 || (uint64_t)st.st_size != place(h.n_records) + bytes)
        return;
    d->groups = malloc(bytes + 1);
    if (d->groups == NULL || !sg_files_read_at(d->fd, d->groups, bytes, place(h.n_records)) ||
        sg_hash64_of(d->groups, bytes) != h.groups_check)
        return;
    d->n_groups = h.n_groups;
    d->n_records = h.n_records;
}

static bool name_paths(struct wh_dirs *d, const char *state, const char *root, struct sg_error *err)
{
    struct sg_buf dir = SG_BUF_INIT, path = SG_BUF_INIT, tmp = SG_BUF_INIT;
    char name[SG_HASH64_TEXT];
    bool ok;

    sg_hash64_format(sg_hash64_of(root, strlen(root)), name);
    ok = sg_buf_adds(&dir, state, err) && sg_buf_addf(&path, err, "%s/dirs-%s", state, name) &&
         sg_buf_addf(&tmp, err, "%s.tmp", path.at);
    if (ok) {
        d->state = sg_buf_move(&dir);
        d->path = sg_buf_move(&path);
        d->tmp_path = sg_buf_move(&tmp);
    }
    sg_buf_done(&dir);
    sg_buf_done(&path);
    sg_buf_done(&tmp);
    return ok;
}

bool wh_dirs_open(const char *state, const char *root, struct wh_dirs **ret, struct sg_error *err)
{
    struct wh_dirs *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for the cache of directories");
    (void)pthread_mutex_init(&d->lock, NULL); /* can't fail in glibc */
    d->fd = -1;
    d->root = sg_hash128_of(root, strlen(root));
    if (state != NULL && !name_paths(d, state, root, err)) {
        wh_dirs_free(d);
        return false;
    }
    if (d->path != NULL)
        d->fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (d->fd >= 0)
        read_groups(d);
    *ret = d;
    return true;
}

static bool read_group(const struct wh_dirs *d, const struct group *g, struct wh_run *ret)
{
    const size_t bytes = g->n * sizeof(*ret->at);
    struct wh_known *at;

    if (g->n > d->n_records || g->first > d->n_records - g->n)
        return false;
    at = malloc(bytes + 1);
    if (at == NULL || !sg_files_read_at(d->fd, at, bytes, place(g->first)) ||
        sg_hash64_of(at, bytes) != g->check) {
        free(at);
        return false;
    }
    *ret = (struct wh_run){ .at = at, .n = g->n };
    return true;
}

void wh_dirs_read(const struct wh_dirs *d, struct sg_hash128 parent, struct wh_run *ret)
{
    const struct group key = { .parent = parent };
    const struct group *g = NULL;

    *ret = (struct wh_run){ .at = NULL };
    if (d->n_groups != 0)
        g = bsearch(&key, d->groups, d->n_groups, sizeof(key), compare_groups);
    if (g != NULL)
        (void)read_group(d, g, ret); /* damaged is unknown */
}

const struct wh_known *wh_run_find(const struct wh_run *r, struct sg_hash128 path)
{
    const struct wh_known key = { .path = path };

    return r->n == 0 ? NULL : bsearch(&key, r->at, r->n, sizeof(key), compare_known);
}

/* ---- what is new ---- */

static void add_note(struct wh_dirs *d, struct sg_hash128 parent, const struct wh_known *known,
                     enum wh_note note)
{
    if (d->n_notes == d->cap_notes) {
        size_t cap = d->cap_notes != 0 ? 2 * d->cap_notes : 256;
        struct note *more = reallocarray(d->notes, cap, sizeof(*more));

        if (more == NULL)
            return; /* one that is asked for again */
        d->notes = more;
        d->cap_notes = cap;
    }
    d->notes[d->n_notes] =
        (struct note){ .parent = parent, .known = *known, .serial = d->n_notes, .note = note };
    d->n_notes++;
    d->n_new += note == WH_NOTE_SURE;
}

void wh_dirs_note(struct wh_dirs *d, struct sg_hash128 parent, const struct wh_known *known,
                  enum wh_note note)
{
    if (d->path == NULL)
        return;
    (void)pthread_mutex_lock(&d->lock); /* of a plain mutex neither fails */
    add_note(d, parent, known, note);
    (void)pthread_mutex_unlock(&d->lock);
}

/* Where a path is remembered: in its row, in the place that has it, or that may be given to it. */
static struct wh_known *place_of(struct wh_dirs *d, struct sg_hash128 path)
{
    struct wh_known *row = &d->remembered[path.lo % ROWS * WAYS];

    for (size_t i = 0; i < WAYS; i++)
        if (sg_hash128_is(row[i].path, path))
            return &row[i];
    return &row[d->turn++ % WAYS];
}

void wh_dirs_remember(struct wh_dirs *d, const struct wh_known *known)
{
    (void)pthread_mutex_lock(&d->lock);
    if (d->remembered == NULL)
        d->remembered = calloc((size_t)ROWS * WAYS, sizeof(*d->remembered));
    if (d->remembered != NULL) /* else it is asked for again */
        *place_of(d, known->path) = *known;
    (void)pthread_mutex_unlock(&d->lock);
}

bool wh_dirs_recall(struct wh_dirs *d, struct sg_hash128 path, struct wh_known *ret)
{
    const struct wh_known *k;
    bool known = false;

    (void)pthread_mutex_lock(&d->lock);
    if (d->remembered != NULL) {
        k = place_of(d, path);
        known = sg_hash128_is(k->path, path);
        *ret = *k;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return known;
}

static int compare_notes(const void *a, const void *b)
{
    const struct note *x = a, *y = b;
    int order = compare_hashes(&x->parent, &y->parent);

    if (order == 0)
        order = compare_hashes(&x->known.path, &y->known.path);
    if (order == 0)
        order = x->serial < y->serial ? -1 : x->serial > y->serial;
    return order;
}

static void sort_notes(struct wh_dirs *d)
{
    if (d->n_sorted != d->n_notes)
        qsort(d->notes, d->n_notes, sizeof(*d->notes), compare_notes);
    d->n_sorted = d->n_notes;
}

/* What is noted of the marker with this identity, not yet believed; or NULL. */
static struct note *find_note(struct wh_dirs *d, struct sg_hash128 parent, struct sg_hash128 path,
                              const struct sg_ident *ident)
{
    const struct note key = { .parent = parent, .known.path = path, .serial = SIZE_MAX };
    size_t lo = 0, hi = d->n_notes, mid;
    struct note *n;

    sort_notes(d);
    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        if (compare_notes(&d->notes[mid], &key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return NULL;
    n = &d->notes[lo - 1]; /* the last of that path, if it is of that path */
    if (n->note != WH_NOTE_SEEN || !sg_hash128_is(n->parent, parent) ||
        !sg_hash128_is(n->known.path, path) || n->known.id != ident->id ||
        n->known.len != ident->len || n->known.mtime_ns != ident->mtime_ns)
        return NULL;
    return n;
}

bool wh_dirs_keeps(const struct wh_dirs *d)
{
    return d->state != NULL && access(d->state, W_OK | X_OK) == 0;
}

bool wh_dirs_is_noted(struct wh_dirs *d, struct sg_hash128 parent, struct sg_hash128 path,
                      const struct sg_ident *ident)
{
    bool is;

    (void)pthread_mutex_lock(&d->lock);
    is = find_note(d, parent, path, ident) != NULL;
    (void)pthread_mutex_unlock(&d->lock);
    return is;
}

void wh_dirs_believe(struct wh_dirs *d, struct sg_hash128 parent, struct sg_hash128 path,
                     const struct sg_ident *ident)
{
    struct note *n;

    (void)pthread_mutex_lock(&d->lock);
    n = find_note(d, parent, path, ident);
    if (n != NULL) {
        n->note = WH_NOTE_SURE;
        d->n_new++;
    }
    (void)pthread_mutex_unlock(&d->lock);
}

/* ---- the new file ---- */

struct writer {
    int fd;
    struct sg_buf piece;
    struct sg_buf groups;
    uint64_t n_records;
    struct sg_error ignored;
};

static bool put_bytes(struct writer *w, const void *bytes, size_t n)
{
    if (!sg_buf_add(&w->piece, bytes, n, &w->ignored))
        return false;
    if (w->piece.len < PIECE)
        return true;
    n = w->piece.len;
    w->piece.len = 0;
    return sg_files_write_fd(w->fd, w->piece.at, n, &w->ignored);
}

/* The records of one parent: old ones, but those of which something newer is known. */
static bool put_group(struct writer *w, struct sg_hash128 parent, const struct wh_run *old,
                      const struct note *notes, size_t n)
{
    struct group g = { .parent = parent, .first = w->n_records };
    struct wh_known *at = malloc((old->n + n) * sizeof(*at) + 1);
    size_t o = 0;
    bool ok;

    if (at == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct note *x = &notes[i];
        int order = 1;

        while (o < old->n && (order = compare_known(&old->at[o], &x->known)) < 0)
            at[g.n++] = old->at[o++];
        if (x->note == WH_NOTE_SEEN || (i + 1 < n && compare_known(&x->known, &x[1].known) == 0))
            continue; /* the last of a path counts */
        if (o < old->n && order == 0)
            o++;
        if (x->note == WH_NOTE_SURE)
            at[g.n++] = x->known;
    }
    while (o < old->n)
        at[g.n++] = old->at[o++];
    g.check = sg_hash64_of(at, g.n * sizeof(*at));
    ok = g.n == 0 || (put_bytes(w, at, g.n * sizeof(*at)) &&
                      sg_buf_add(&w->groups, &g, sizeof(g), &w->ignored));
    w->n_records += g.n;
    free(at);
    return ok;
}

static bool put_groups(struct wh_dirs *d, struct writer *w)
{
    size_t old = 0, note = 0, n;
    bool ok = true;

    while (ok && (old < d->n_groups || note < d->n_notes)) {
        struct wh_run run = { .at = NULL };
        struct sg_hash128 parent;
        int order;

        if (old == d->n_groups)
            order = 1;
        else if (note == d->n_notes)
            order = -1;
        else
            order = compare_hashes(&d->groups[old].parent, &d->notes[note].parent);
        parent = order <= 0 ? d->groups[old].parent : d->notes[note].parent;
        if (order <= 0)
            (void)read_group(d, &d->groups[old++], &run); /* damaged: dropped */
        for (n = 0; note + n < d->n_notes && sg_hash128_is(d->notes[note + n].parent, parent); n++)
            ;
        ok = put_group(w, parent, &run, &d->notes[note], n);
        note += n;
        free(run.at);
    }
    return ok;
}

static bool put_ends(struct wh_dirs *d, struct writer *w)
{
    struct head h = { .magic = MAGIC, .root = d->root, .n_records = w->n_records };

    h.magic[7] = VERSION;
    h.n_groups = w->groups.len / sizeof(struct group);
    h.groups_check = sg_hash64_of(w->groups.at, w->groups.len);
    h.check = head_check(&h);
    return w->groups.len != 0 && put_bytes(w, w->groups.at, w->groups.len) &&
           sg_files_write_fd(w->fd, w->piece.at, w->piece.len, &w->ignored) &&
           lseek(w->fd, 0, SEEK_SET) == 0 && sg_files_write_fd(w->fd, &h, sizeof(h), &w->ignored);
}

/* The temporary file, locked: whoever else writes one now does it for both. */
static int open_tmp(const char *path)
{
    struct stat mine, there;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);

    if (fd < 0)
        return -1;
    /* Between the two calls another may have renamed it. */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 && stat(path, &there) == 0 &&
        mine.st_dev == there.st_dev && mine.st_ino == there.st_ino && ftruncate(fd, 0) == 0)
        return fd;
    close(fd);
    return -1;
}

static void save(struct wh_dirs *d)
{
    static const struct head room;
    struct writer w = { .fd = open_tmp(d->tmp_path), .ignored = SG_ERROR_INIT };

    if (w.fd < 0)
        return;
    sort_notes(d);
    if (!put_bytes(&w, &room, sizeof(room)) || !put_groups(d, &w) || !put_ends(d, &w) ||
        rename(d->tmp_path, d->path) != 0)
        (void)unlink(d->tmp_path); /* locked, so it is ours */
    close(w.fd);
    sg_buf_done(&w.piece);
    sg_buf_done(&w.groups);
}

void wh_dirs_free(struct wh_dirs *d)
{
    if (d == NULL)
        return;
    if (d->path != NULL && d->n_new != 0 && d->n_new * SAVE_TO_ASK >= d->n_records)
        save(d);
    if (d->fd >= 0)
        close(d->fd);
    free(d->state);
    free(d->path);
    free(d->tmp_path);
    free(d->groups);
    free(d->notes);
    free(d->remembered);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}
