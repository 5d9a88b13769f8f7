/*
 * The file STATE/cache-HASH, HASH being the XXH3-64 of store root, NUL, name of the graph:
 *
 *   head     4096 bytes:  0 "sgcache" and the format's version as a digit
 *                         8 XXH3-64 of bytes 16 … 4095
 *                        16 XXH3-128 of store root, NUL, name of the graph (a hash has its
 *                           first half first)
 *                        32 number of blocks    40 number of extents
 *                        48 XXH3-64 of extents and tallies    56 number of tallies, or ff…ff: too
 *                           many to be kept
 *                        64 the store's root, for people; cut to fit, zeros behind it
 *   blocks   4096 bytes:  0 XXH3-64 of bytes 8 … 4095
 *                         8 key of the stage: XXH3-128 of its name, NUL, name of its calendar
 *                        24 number of the block: it has the partitions 63 * number and on
 *                        32 zeros up to 63
 *                        64 a record for each of 63 partitions
 *   record     64 bytes:  0 inode  8 mtime  16 ctime, both in ns  24 length, below 2^40, then 16
 * bits `seen`, and in the highest byte the kind (0: nothing is known) 32 recipe  48 version, its
 * first 64 bits  56 digest of the inputs extents    48 bytes:  0 key of a stage  16 number of its
 * first block  24 how many in a row 32 the place of the first among the blocks of this file  40
 * zeros tallies    64 bytes:  0 key of a stage  16 recipe  32 the first partition of it that was
 * made by that recipe  40 the one behind the last  48 how many were  56 zeros; of kinds 1 and 2
 * alone
 *
 * Numbers are in the byte order of the machine: on one of the other order the version's digit may
 * be right, no checksum is. The extents are sorted by key, then number, and don't overlap.
 *
 * A block counts if and only if its checksum is right and it is of the stage and number that the
 * extents say; a record counts if and only if the identity in it is the marker's of now. A damaged
 * block is as good as none, and so is a file with a damaged head, damaged extents or tallies.
 *
 * The blocks are read with pread and not mapped: damage has to be looked for in memory that nobody
 * else can change, a file cut short by somebody must not be a SIGBUS, and of ten years of hours 17
 * MB would count as our memory.
 *
 * The next cache is written to STATE/cache-HASH.tmp, which whoever writes locks, and renamed over.
 * Nothing is flushed: what a power cut leaves is damaged and unknown. A crash leaves the temporary
 * file to the next one who writes. While a plan goes on, blocks with something new in them are
 * appended there; those that stayed as they were are copied when it is saved.
 */
#include "stagegraph/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/buf.h"
#include "stagegraph/files.h"

#include "tally.h"

#define MAGIC        "sgcache2"
#define BLOCK        4096
#define RECORDS      63
#define KIND_SHIFT   56
#define SEEN_SHIFT   40
#define LEN_MASK     (((uint64_t)1 << SEEN_SHIFT) - 1)
#define HELD         64 /* blocks in memory before they are written */
#define AGE_NS       (2 * SG_NS_PER_S)
#define MANY_BLOCKS  ((uint64_t)1 << 40)
#define NO_TALLIES   UINT64_MAX
#define SAVE_TO_READ 32   /* a record costs 0.1 µs to write anew, a marker 5 µs to read */
#define SAVE_TO_ASK  4096 /* or 0.4 ms and more, by requests */

struct head {
    char magic[8];
    uint64_t check;
    struct sg_hash128 key;
    uint64_t n_blocks, n_extents, ends_check, n_tallies;
    char root[BLOCK - 64];
};

struct record {
    uint64_t id;
    int64_t mtime_ns, ctime_ns;
    uint64_t len_kind;
    struct sg_hash128 recipe;
    uint64_t version, inputs;
};

struct block {
    uint64_t check;
    struct sg_hash128 key;
    int64_t number;
    uint64_t zero[4];
    struct record records[RECORDS];
};

struct extent {
    struct sg_hash128 key;
    int64_t first;
    uint64_t n, at, zero;
};

_Static_assert(sizeof(struct head) == BLOCK, "the head is as long as a block");
_Static_assert(sizeof(struct block) == BLOCK, "no padding");
_Static_assert(sizeof(struct extent) == 48, "no padding");
_Static_assert(sizeof(struct sg_tally_row) == 64, "no padding");
_Static_assert(SG_MARKER_DONE == 1 && SG_MARKER_ACCEPTED == 2 && SG_MARKER_FOREIGN == 4,
               "the format has these");

struct extents {
    struct extent *at;
    size_t n, cap;
};

struct sg_cache_look {
    uint32_t stage;
    int64_t number;
    bool used;   /* stage and number are set */
    bool loaded; /* block is theirs; else there is none, or it is damaged */
    struct block block;
};

struct stage {
    struct sg_hash128 key;
    const struct extent *old; /* of this stage */
    size_t n_old;
    bool begun; /* something was added */
};

struct sg_cache {
    char *path, *tmp_path, *root;
    struct sg_hash128 key;
    int fd; /* of the old file; -1: none */
    struct extents old;
    const struct sg_tally_row *made; /* behind them in memory too; NULL: the file does not say */
    size_t n_made;
    uint64_t n_old_blocks;
    struct stage *stages;
    uint32_t n_stages;

    /* what is new */
    uint64_t n_new; /* markers added */
    bool broken;    /* something failed: nothing is saved */
    bool dear;
    struct block *held; /* HELD of them, not written yet; the last of them is being filled */
    size_t n_held;
    uint32_t stage;     /* of the last */
    int tmp_fd;         /* -1: not made yet */
    uint64_t n_written; /* blocks, before those that are held */
    struct extents new; /* of all of them */
    struct sg_tally tally;
};

/* ---- the old file */

static uint64_t place(uint64_t block)
{
    return BLOCK * (block + 1);
}

static uint64_t head_check(const struct head *h)
{
    return sg_hash64_of((const char *)h + 16, sizeof(*h) - 16);
}

static uint64_t block_check(const struct block *b)
{
    return sg_hash64_of((const char *)b + 8, sizeof(*b) - 8);
}

/* The extents and tallies of the file, or none. */
static void read_ends(struct sg_cache *c)
{
    struct head h;
    struct stat st;
    uint64_t extents, bytes;

    if (!sg_files_read_at(c->fd, &h, sizeof(h), 0) ||
        memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0 || head_check(&h) != h.check ||
        !sg_hash128_is(h.key, c->key) || h.n_blocks > MANY_BLOCKS || h.n_extents > h.n_blocks ||
        (h.n_tallies > SG_TALLY_MOST && h.n_tallies != NO_TALLIES) || fstat(c->fd, &st) != 0)
        return;
    extents = h.n_extents * sizeof(struct extent);
    bytes = extents;
    if (h.n_tallies != NO_TALLIES)
        bytes += h.n_tallies * sizeof(struct sg_tally_row);
    if ((uint64_t)st.st_size != place(h.n_blocks) + bytes)
        return;
    c->old.at = malloc(bytes + 1);
    if (c->old.at == NULL || !sg_files_read_at(c->fd, c->old.at, bytes, place(h.n_blocks)) ||
        sg_hash64_of(c->old.at, bytes) != h.ends_check)
        return;
    c->old.n = h.n_extents;
    c->n_old_blocks = h.n_blocks;
    if (h.n_tallies == NO_TALLIES)
        return;
    c->made = (const struct sg_tally_row *)(const void *)(c->old.at + c->old.n);
    c->n_made = h.n_tallies;
}

static bool read_block(const struct sg_cache *c, struct sg_hash128 key, int64_t number, uint64_t at,
                       struct block *ret)
{
    return sg_files_read_at(c->fd, ret, sizeof(*ret), place(at)) &&
           block_check(ret) == ret->check && sg_hash128_is(ret->key, key) && ret->number == number;
}

static int compare_keys(const struct sg_hash128 *a, const struct sg_hash128 *b)
{
    if (a->hi != b->hi)
        return a->hi < b->hi ? -1 : 1;
    return a->lo < b->lo ? -1 : a->lo > b->lo;
}

static int compare_extents(const void *x, const void *y)
{
    const struct extent *a = x, *b = y;
    int by_key = compare_keys(&a->key, &b->key);

    if (by_key != 0)
        return by_key;
    return a->first < b->first ? -1 : a->first > b->first;
}

/* How many of the sorted extents come before (key, number). */
static size_t count_before(const struct extent *at, size_t n, const struct extent *key)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (compare_extents(&at[mid], key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The old file's block of that number, checked. */
static bool find_block(const struct sg_cache *c, uint32_t stage, int64_t number, struct block *ret)
{
    const struct stage *s = &c->stages[stage];
    struct extent key = { .key = s->key, .first = number };
    size_t i = count_before(s->old, s->n_old, &key);

    if (i == s->n_old || s->old[i].first != number) {
        if (i == 0)
            return false;
        i--;
    }
    if (number - s->old[i].first >= (int64_t)s->old[i].n)
        return false;
    return read_block(c, s->key, number, s->old[i].at + (uint64_t)(number - s->old[i].first), ret);
}

/* ---- opening */

static bool name_paths(struct sg_cache *c, const char *state, const char *root, const char *graph,
                       struct sg_error *err)
{
    struct sg_buf key = SG_BUF_INIT, path = SG_BUF_INIT, tmp = SG_BUF_INIT;
    char name[SG_HASH64_TEXT];
    bool ok = sg_buf_add(&key, root, strlen(root) + 1, err) && sg_buf_adds(&key, graph, err);

    if (ok) {
        c->key = sg_hash128_of(key.at, key.len);
        sg_hash64_format(sg_hash64_of(key.at, key.len), name);
        ok = sg_buf_addf(&path, err, "%s/cache-%s", state, name) &&
             sg_buf_addf(&tmp, err, "%s.tmp", path.at);
    }
    if (ok) {
        c->root = sg_buf_move(&key); /* the name of the graph is behind its end */
        c->path = sg_buf_move(&path);
        c->tmp_path = sg_buf_move(&tmp);
    }
    sg_buf_done(&key);
    sg_buf_done(&path);
    sg_buf_done(&tmp);
    return ok;
}

bool sg_cache_open(const char *state, const char *root, const char *graph, struct sg_cache **ret,
                   struct sg_error *err)
{
    struct sg_cache *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for the cache");
    c->fd = c->tmp_fd = -1;
    if (!name_paths(c, state, root, graph, err)) {
        sg_cache_close(c);
        return false;
    }
    c->fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (c->fd >= 0)
        read_ends(c);
    *ret = c;
    return true;
}

void sg_cache_close(struct sg_cache *c)
{
    if (c == NULL)
        return;
    if (c->tmp_fd >= 0) {
        (void)unlink(c->tmp_path); /* locked, so it is ours; what stays is used by the next */
        close(c->tmp_fd);
    }
    if (c->fd >= 0)
        close(c->fd);
    free(c->path);
    free(c->tmp_path);
    free(c->root);
    free(c->old.at);
    free(c->new.at);
    sg_tally_done(&c->tally);
    free(c->stages);
    free(c->held);
    free(c);
}

bool sg_cache_stage(struct sg_cache *c, const char *name, const struct sg_calendar *cal,
                    uint32_t *ret, struct sg_error *err)
{
    struct stage *more = reallocarray(c->stages, (size_t)c->n_stages + 1, sizeof(*more)), *s;
    struct extent from = { .first = INT64_MIN }, to = { .first = INT64_MAX };
    struct sg_buf key = SG_BUF_INIT;
    size_t first;

    if (more == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for the cache");
    c->stages = more;
    if (!sg_buf_add(&key, name, strlen(name) + 1, err) ||
        !sg_buf_adds(&key, sg_calendar_name(cal), err)) {
        sg_buf_done(&key);
        return false;
    }
    from.key = to.key = sg_hash128_of(key.at, key.len);
    sg_buf_done(&key);
    first = count_before(c->old.at, c->old.n, &from);
    s = &c->stages[c->n_stages];
    *s = (struct stage){ .key = from.key };
    s->n_old = count_before(c->old.at, c->old.n, &to) - first;
    s->old = s->n_old != 0 ? &c->old.at[first] : NULL;
    *ret = c->n_stages++;
    return true;
}

/* ---- finding */

/* The block that has the partition, and its place there. */
static int64_t number_of(int64_t index, unsigned *ret_at)
{
    int64_t number = index / RECORDS, rest = index % RECORDS;

    if (rest < 0) {
        rest += RECORDS;
        number--;
    }
    *ret_at = (unsigned)rest;
    return number;
}

struct sg_cache_look *sg_cache_look_new(void)
{
    struct sg_cache_look *l = malloc(sizeof(*l));

    if (l != NULL)
        l->used = false; /* nothing else of it is looked at before it is set */
    return l;
}

void sg_cache_look_free(struct sg_cache_look *l)
{
    free(l);
}

bool sg_cache_find(const struct sg_cache *c, struct sg_cache_look *l, uint32_t stage, int64_t index,
                   const struct sg_ident *ident, struct sg_cached *ret)
{
    const struct record *r;
    unsigned at;
    int64_t number = number_of(index, &at);

    if (l == NULL)
        return false;
    if (!l->used || l->number != number || l->stage != stage) {
        l->used = true;
        l->number = number;
        l->stage = stage;
        l->loaded = find_block(c, stage, number, &l->block);
    }
    if (!l->loaded)
        return false;
    r = &l->block.records[at];
    if (r->id != ident->id || r->mtime_ns != ident->mtime_ns || r->ctime_ns != ident->ctime_ns ||
        (r->len_kind & LEN_MASK) != (uint64_t)ident->len || r->len_kind >> KIND_SHIFT == 0)
        return false;
    *ret = (struct sg_cached){ .ident = *ident,
                               .kind = (enum sg_marker_kind)(r->len_kind >> KIND_SHIFT),
                               .version = r->version,
                               .recipe = r->recipe,
                               .inputs = r->inputs,
                               .seen = (uint16_t)(r->len_kind >> SEEN_SHIFT) };
    return true;
}

static bool walk_block(const struct block *b, struct sg_range in, sg_cache_walk_fn *fn, void *ctx)
{
    for (unsigned i = 0; i < RECORDS; i++) {
        const struct record *r = &b->records[i];
        uint64_t kind = r->len_kind >> KIND_SHIFT;
        int64_t index = b->number * RECORDS + i;

        if (kind != 0 && index >= in.first && index < in.end &&
            !fn(ctx, index, (enum sg_marker_kind)kind, r->recipe))
            return false;
    }
    return true;
}

void sg_cache_walk(const struct sg_cache *c, uint32_t stage, struct sg_range in,
                   sg_cache_walk_fn *fn, void *ctx)
{
    const struct stage *s = &c->stages[stage];
    unsigned at;
    int64_t first = number_of(in.first, &at), last = number_of(in.end - 1, &at);
    struct block b;

    for (size_t k = 0; in.first < in.end && k < s->n_old; k++) {
        const struct extent *e = &s->old[k];
        uint64_t i = first > e->first ? (uint64_t)(first - e->first) : 0;

        for (; i < e->n && e->first + (int64_t)i <= last; i++)
            if (read_block(c, s->key, e->first + (int64_t)i, e->at + i, &b) &&
                !walk_block(&b, in, fn, ctx))
                return;
    }
}

bool sg_cache_made(const struct sg_cache *c, uint32_t stage, sg_cache_made_fn *fn, void *ctx)
{
    for (size_t i = 0; c->made != NULL && i < c->n_made; i++) {
        const struct sg_tally_row *r = &c->made[i];
        struct sg_cache_made m = { .recipe = r->recipe, .n = r->n, .hull = { r->first, r->end } };

        if (sg_hash128_is(r->stage, c->stages[stage].key) && !fn(ctx, &m))
            break;
    }
    return c->made != NULL;
}

/* ---- what is new */

/* The temporary file, locked: whoever else writes one now does it for both. */
static bool open_tmp(struct sg_cache *c)
{
    struct stat mine, there;
    int fd = open(c->tmp_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);

    if (fd < 0)
        return false;
    /* Between the two calls another may have renamed it. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &mine) != 0 ||
        stat(c->tmp_path, &there) != 0 || mine.st_dev != there.st_dev ||
        mine.st_ino != there.st_ino || ftruncate(fd, 0) != 0) {
        close(fd);
        return false;
    }
    c->tmp_fd = fd;
    return true;
}

/* By which recipes its partitions were made: nearly always by one. */
static void count_block(struct sg_cache *c, const struct block *b)
{
    struct sg_tally_row run = { .stage = b->key };

    for (unsigned i = 0; i < RECORDS; i++) {
        const struct record *r = &b->records[i];
        uint64_t kind = r->len_kind >> KIND_SHIFT;
        int64_t index = b->number * RECORDS + i;

        if (kind != SG_MARKER_DONE && kind != SG_MARKER_ACCEPTED)
            continue;
        if (run.n == 0 || !sg_hash128_is(run.recipe, r->recipe)) {
            if (run.n != 0)
                sg_tally_add(&c->tally, &run);
            run = (struct sg_tally_row){ .stage = b->key, .recipe = r->recipe, .first = index };
        }
        run.n++;
        run.end = index + 1;
    }
    if (run.n != 0)
        sg_tally_add(&c->tally, &run);
}

static bool write_held(struct sg_cache *c)
{
    if (c->tmp_fd < 0 && !open_tmp(c))
        return false;
    for (size_t i = 0; i < c->n_held; i++) {
        count_block(c, &c->held[i]);
        c->held[i].check = block_check(&c->held[i]);
    }
    if (!sg_files_write_at(c->tmp_fd, c->held, c->n_held * sizeof(*c->held), place(c->n_written)))
        return false;
    c->n_written += c->n_held;
    c->n_held = 0;
    return true;
}

/* One more block, with that stage and number, whose contents the caller sees to. */
static struct block *next_block(struct sg_cache *c, struct sg_hash128 key, int64_t number)
{
    struct extent *last = c->new.n != 0 ? &c->new.at[c->new.n - 1] : NULL;
    uint64_t at;

    if (c->held == NULL)
        c->held = malloc(HELD * sizeof(*c->held));
    if (c->held == NULL || (c->n_held == HELD && !write_held(c)))
        return NULL;
    at = c->n_written + c->n_held;
    if (last != NULL && sg_hash128_is(last->key, key) && last->first + (int64_t)last->n == number &&
        last->at + last->n == at) {
        last->n++;
    } else {
        if (c->new.n == c->new.cap) {
            size_t cap = c->new.cap != 0 ? 2 * c->new.cap : 16;
            struct extent *more = reallocarray(c->new.at, cap, sizeof(*more));

            if (more == NULL)
                return NULL;
            c->new.at = more;
            c->new.cap = cap;
        }
        c->new.at[c->new.n++] = (struct extent){ .key = key, .first = number, .n = 1, .at = at };
    }
    return &c->held[c->n_held++];
}

/* The block that the next record goes to; it begins as it was. */
static struct block *block_to_fill(struct sg_cache *c, uint32_t stage, int64_t number)
{
    struct block *b = c->n_held != 0 ? &c->held[c->n_held - 1] : NULL;
    struct sg_hash128 key = c->stages[stage].key;

    if (b != NULL && c->stage == stage && b->number == number)
        return b;
    if (c->stages[stage].begun && (stage != c->stage || (b != NULL && number < b->number)))
        return NULL; /* not in order */
    b = next_block(c, key, number);
    if (b == NULL)
        return NULL;
    c->stage = stage;
    c->stages[stage].begun = true;
    if (!find_block(c, stage, number, b)) {
        memset(b, 0, sizeof(*b));
        b->key = key;
        b->number = number;
    }
    return b;
}

static bool is_worth_keeping(const struct sg_cached *m, struct sg_wall seen)
{
    int64_t old_ns = seen.ns - AGE_NS;

    if (m->ident.mtime_ns >= old_ns || m->ident.ctime_ns >= old_ns || m->ident.len < 0 ||
        (uint64_t)m->ident.len > LEN_MASK)
        return false;
    if (m->kind == SG_MARKER_FOREIGN)
        return true;
    /* without inputs, their list was lost: it may be found again */
    return (m->kind == SG_MARKER_DONE || m->kind == SG_MARKER_ACCEPTED) && m->inputs != 0;
}

void sg_cache_add(struct sg_cache *c, uint32_t stage, int64_t index, const struct sg_cached *m,
                  struct sg_wall seen)
{
    struct block *b;
    unsigned at;
    int64_t number = number_of(index, &at);

    if (c->broken || !is_worth_keeping(m, seen))
        return;
    b = block_to_fill(c, stage, number);
    if (b == NULL) {
        c->broken = true;
        return;
    }
    b->records[at] =
        (struct record){ .id = m->ident.id,
                         .mtime_ns = m->ident.mtime_ns,
                         .ctime_ns = m->ident.ctime_ns,
                         .len_kind = (uint64_t)m->ident.len | (uint64_t)m->kind << KIND_SHIFT,
                         .recipe = m->recipe,
                         .version = m->version,
                         .inputs = m->inputs };
    c->n_new++;
}

void sg_cache_see(struct sg_cache *c, uint32_t stage, int64_t index, const struct sg_cache_seen *s)
{
    struct record *r;
    struct block *b;
    unsigned at;
    int64_t number = number_of(index, &at);

    if (c->broken)
        return;
    b = block_to_fill(c, stage, number);
    if (b == NULL) {
        c->broken = true;
        return;
    }
    r = &b->records[at];
    if (r->len_kind >> KIND_SHIFT == 0 || r->inputs != s->was)
        return; /* it has been read by another plan meanwhile */
    r->inputs = s->inputs;
    r->len_kind &= ~((uint64_t)UINT16_MAX << SEEN_SHIFT);
    r->len_kind |= (uint64_t)s->seen << SEEN_SHIFT;
    c->n_new += s->worth;
}

/* ---- saving */

bool sg_cache_pays(const struct sg_cache *c)
{
    const uint64_t gain = c->dear ? SAVE_TO_ASK : SAVE_TO_READ;

    return !c->broken && c->n_new != 0 && sg_cache_may_pay(c, c->n_new) &&
           c->n_new * gain >= c->n_old_blocks * RECORDS;
}

bool sg_cache_may_pay(const struct sg_cache *c, size_t n)
{
    return c->dear || n >= SG_CACHE_MIN;
}

void sg_cache_set_dear(struct sg_cache *c)
{
    c->dear = true;
}

/* The blocks of one old extent that nothing was added to. The first `added` of the new extents are
 * sorted: those of what was added. */
static bool copy_extent(struct sg_cache *c, const struct extent *e, size_t added)
{
    struct extent at = { .key = e->key };
    struct block found, *b;

    for (uint64_t i = 0; i < e->n; i++) {
        const struct extent *before;
        size_t next;

        at.first = e->first + (int64_t)i + 1;
        next = count_before(c->new.at, added, &at);
        before = next != 0 ? &c->new.at[next - 1] : NULL;
        at.first--;
        if (before != NULL && sg_hash128_is(before->key, e->key) &&
            at.first - before->first < (int64_t)before->n)
            continue;
        if (!read_block(c, e->key, at.first, e->at + i, &found))
            continue; /* damaged */
        b = next_block(c, e->key, at.first);
        if (b == NULL)
            return false;
        *b = found;
    }
    return true;
}

static bool copy_old(struct sg_cache *c)
{
    size_t added = c->new.n;

    qsort(c->new.at, added, sizeof(*c->new.at), compare_extents);
    for (uint32_t i = 0; i < c->n_stages; i++)
        for (size_t k = 0; k < c->stages[i].n_old; k++)
            if (!copy_extent(c, &c->stages[i].old[k], added))
                return false;
    return true;
}

static bool write_ends(struct sg_cache *c)
{
    struct head h = {
        .magic = MAGIC, .key = c->key, .n_blocks = c->n_written, .n_extents = c->new.n
    };
    size_t extents = c->new.n * sizeof(*c->new.at), rows = c->tally.n * sizeof(*c->tally.rows);
    struct sg_buf ends = SG_BUF_INIT;
    struct sg_error ignored = SG_ERROR_INIT;
    bool ok;

    qsort(c->new.at, c->new.n, sizeof(*c->new.at), compare_extents);
    h.n_tallies = c->tally.lost ? NO_TALLIES : c->tally.n;
    ok = sg_buf_add(&ends, c->new.at, extents, &ignored) &&
         (c->tally.lost || rows == 0 || sg_buf_add(&ends, c->tally.rows, rows, &ignored));
    h.ends_check = sg_hash64_of(ends.at, ends.len);
    (void)snprintf(h.root, sizeof(h.root), "%s", c->root); /* for people, cut or not */
    h.check = head_check(&h);
    ok = ok && sg_files_write_at(c->tmp_fd, ends.at, ends.len, place(c->n_written)) &&
         sg_files_write_at(c->tmp_fd, &h, sizeof(h), 0);
    sg_buf_done(&ends);
    return ok;
}

bool sg_cache_save(struct sg_cache *c)
{
    if (c->broken || c->new.n == 0)
        return false;
    c->broken = true; /* whatever comes of it, it is done once */
    if (!copy_old(c) || !write_held(c) || !write_ends(c) || rename(c->tmp_path, c->path) != 0)
        return false;
    close(c->tmp_fd);
    c->tmp_fd = -1;
    return true;
}
