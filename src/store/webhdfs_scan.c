/*
 * Many paths at once. Directories that lie side by side are looked at by listing their parent: one
 * request shows each of them with id, modification time and number of children. What that says of
 * the markers in them the cache of directories knows (webhdfs_dirs.h); only where it doesn't is
 * the marker asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "webhdfs_dirs.h"
#include "webhdfs_impl.h"

#define FEW       3  /* directories of one parent that are looked at without listing it, below */
#define FEW_AGAIN 2  /* the same of what has been looked at before */
#define THREADS   64 /* at most */
#define STEADY_NS (2 * SG_NS_PER_S)

/* ---- work on threads ---- */

typedef bool work_fn(void *ctx, size_t i, struct sg_error *err);

struct work {
    work_fn *fn;
    void *ctx;
    size_t n;
    atomic_size_t next;
    atomic_bool failed;
    pthread_mutex_t lock;
    struct sg_error *err; /* the first failure's */
};

static void *do_work(void *arg)
{
    struct work *w = arg;
    struct sg_error err = SG_ERROR_INIT;
    size_t i;

    while (!atomic_load(&w->failed) && (i = atomic_fetch_add(&w->next, 1)) < w->n) {
        if (w->fn(w->ctx, i, &err))
            continue;
        pthread_mutex_lock(&w->lock);
        if (!atomic_exchange(&w->failed, true))
            *w->err = err;
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

/* fn for each of n, on as many threads as there are connections; they wait, they don't compute. */
static bool in_parallel(struct sg_webhdfs *s, size_t n, work_fn *fn, void *ctx,
                        struct sg_error *err)
{
    struct work w = { .fn = fn, .ctx = ctx, .n = n, .err = err };
    pthread_t threads[THREADS];
    size_t want = s->base.threads < THREADS ? s->base.threads : THREADS, started = 0;

    if (n == 0)
        return true;
    if (want > n)
        want = n;
    pthread_mutex_init(&w.lock, NULL);
    while (started + 1 < want && pthread_create(&threads[started], NULL, do_work, &w) == 0)
        started++; /* fewer are slower, not wrong */
    (void)do_work(&w);
    while (started != 0)
        pthread_join(threads[--started], NULL);
    pthread_mutex_destroy(&w.lock);
    return !atomic_load(&w.failed);
}

/* ---- looking at directories ---- */

/* A directory to look at: the first `len` bytes of path. */
struct look {
    const char *path;
    size_t len;
    size_t name;  /* where its own name begins; before it, without a slash, lies its parent */
    size_t first; /* of the items in it */
    size_t n;
    bool known; /* at is set */
    struct sg_entry at;
};

/* What was asked for; sorted, so that those of one directory lie together. */
struct item {
    const char *path;
    size_t i;    /* its place in paths and ret */
    size_t name; /* where the name of the marker begins */
    bool ask;
    bool gone; /* the cache knows it, and its directory is not there */
};

/* Looks whose parent is the same. */
struct family {
    size_t first, n;
};

struct scan {
    struct sg_webhdfs *w;
    bool markers; /* items are markers in the looks; else the looks themselves */
    bool again;   /* what this process has seen itself counts as well */
    struct item *items;
    struct look *looks;
    struct family *families;
    size_t n, n_looks, n_families;
    size_t *asked; /* items, or looks where these are what is asked for */
    size_t n_asked;
    struct sg_entry *ret;
    int64_t steady_ns; /* older directories can be trusted */
};

static size_t name_at(const char *path, size_t len)
{
    while (len != 0 && path[len - 1] != '/')
        len--;
    return len;
}

/* By directory, then by name; the parent's path is compared apart, so that "a/b" and "a/c" are
 * neighbours and "a-b/c" doesn't come between. */
static int compare_parts(const char *a, size_t a_up, size_t a_len, const char *b, size_t b_up,
                         size_t b_len)
{
    size_t up = a_up < b_up ? a_up : b_up, len;
    int order = memcmp(a, b, up);

    if (order != 0 || a_up != b_up)
        return order != 0 ? order : a_up < b_up ? -1 : 1;
    len = a_len < b_len ? a_len : b_len;
    order = memcmp(a + a_up, b + b_up, len - a_up);
    return order != 0 || a_len == b_len ? order : a_len < b_len ? -1 : 1;
}

static size_t dir_len(const struct item *it, bool markers)
{
    return markers ? (it->name != 0 ? it->name - 1 : 0) : strlen(it->path);
}

static int compare_dirs(const struct item *a, const struct item *b, bool markers)
{
    const size_t a_len = dir_len(a, markers), b_len = dir_len(b, markers);

    return compare_parts(a->path, name_at(a->path, a_len), a_len, b->path, name_at(b->path, b_len),
                         b_len);
}

static int compare_markers(const void *a, const void *b)
{
    return compare_dirs(a, b, true);
}

static int compare_paths(const void *a, const void *b)
{
    return compare_dirs(a, b, false);
}

static bool is_of_family(const struct look *a, const struct look *b)
{
    return a->name == b->name && memcmp(a->path, b->path, a->name) == 0;
}

/* Items to looks to families. */
static void group(struct scan *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct item *it = &s->items[i];
        struct look *last = s->n_looks != 0 ? &s->looks[s->n_looks - 1] : NULL;
        size_t len = dir_len(it, s->markers);

        if (last != NULL && compare_dirs(&s->items[last->first], it, s->markers) == 0) {
            last->n++;
            continue;
        }
        s->looks[s->n_looks] = (struct look){
            .path = it->path, .len = len, .name = name_at(it->path, len), .first = i, .n = 1
        };
        last = &s->looks[s->n_looks++];
        if (s->n_families != 0 && is_of_family(last - 1, last))
            s->families[s->n_families - 1].n++;
        else
            s->families[s->n_families++] = (struct family){ .first = s->n_looks - 1, .n = 1 };
    }
}

struct children {
    struct look *looks;
    size_t n;
};

static int compare_name(const struct look *l, struct sg_span name)
{
    const size_t len = l->len - l->name;
    int order = memcmp(l->path + l->name, name.at, len < name.len ? len : name.len);

    return order != 0 || len == name.len ? order : len < name.len ? -1 : 1;
}

static bool on_child(void *ctx, const struct wh_status *st)
{
    struct children *c = ctx;
    size_t lo = 0, hi = c->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = compare_name(&c->looks[mid], st->name);

        if (order == 0) {
            wh_entry(st, &c->looks[mid].at);
            break;
        }
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return true;
}

static struct sg_hash128 parent_hash(const struct look *l)
{
    return sg_hash128_of(l->path, l->name != 0 ? l->name - 1 : 0);
}

static bool is_known(const struct look *l, const struct wh_known *k)
{
    return k != NULL && k->dir_id == l->at.ident.id && k->dir_mtime_ns == l->at.ident.mtime_ns &&
           k->dir_children == l->at.ident.ctime_ns;
}

/* What lies in a directory that is not there, or is as it was when it was seen. */
static void settle_marker(struct scan *s, const struct look *l, struct item *it,
                          const struct wh_run *run)
{
    const struct sg_hash128 path = sg_hash128_of(it->path, strlen(it->path));
    const struct wh_known *k = wh_run_find(run, path);
    struct wh_known own;

    s->ret[it->i] = (struct sg_entry){ .kind = SG_ENTRY_ABSENT };
    it->gone = l->at.kind != SG_ENTRY_DIR && k != NULL;
    if (l->at.kind != SG_ENTRY_DIR)
        return;
    it->ask = !is_known(l, k);
    if (it->ask && s->again && wh_dirs_recall(s->w->dirs, path, &own)) {
        k = &own;
        it->ask = !is_known(l, k);
    }
    if (!it->ask && k->kind == SG_ENTRY_FILE)
        s->ret[it->i] = (struct sg_entry){
            .kind = SG_ENTRY_FILE,
            .ident = { .id = k->id, .len = k->len, .mtime_ns = k->mtime_ns },
        };
}

/* A parent that may be passed but not listed is no error: its children are asked for. */
static bool is_unlistable(const struct sg_error *err)
{
    return err->code == SG_ERROR_STORE && strstr(err->text, "AccessControlException") != NULL;
}

static bool list_family(struct scan *s, const struct family *f, struct sg_error *err)
{
    struct children c = { &s->looks[f->first], f->n };
    struct sg_buf parent = SG_BUF_INIT;
    bool there, listed;

    if (!sg_buf_add(&parent, c.looks->path, c.looks->name != 0 ? c.looks->name - 1 : 0, err))
        return false;
    listed = wh_list(s->w, sg_buf_text(&parent), on_child, &c, &there, err);
    sg_buf_done(&parent);
    if (!listed && !is_unlistable(err))
        return false;
    sg_error_clear(err);
    for (size_t i = 0; i < f->n; i++)
        c.looks[i].known = listed && c.looks[i].len != 0; /* who was not told of is absent */
    return true;
}

static bool look_at_family(void *ctx, size_t i, struct sg_error *err)
{
    struct scan *s = ctx;
    const struct family *f = &s->families[i];
    struct look *looks = &s->looks[f->first];
    struct wh_run run = { .at = NULL };

    if (f->n >= (s->again ? FEW_AGAIN : FEW) && !list_family(s, f, err))
        return false;
    if (s->markers && looks->known)
        wh_dirs_read(s->w->dirs, parent_hash(looks), &run);
    for (size_t k = 0; k < f->n; k++)
        for (size_t m = looks[k].first; m < looks[k].first + looks[k].n; m++) {
            struct item *it = &s->items[m];

            if (!looks[k].known)
                it->ask = true;
            else if (s->markers)
                settle_marker(s, &looks[k], it, &run);
            else
                s->ret[it->i] = looks[k].at;
        }
    free(run.at);
    return true;
}

static bool ask(void *ctx, size_t i, struct sg_error *err)
{
    struct scan *s = ctx;
    const struct item *it = &s->items[s->asked[i]];
    struct wh_status st;

    if (!wh_status(s->w, it->path, &st, err))
        return false;
    wh_entry(&st, &s->ret[it->i]);
    return true;
}

static void note_marker(struct scan *s, const struct look *l, const struct wh_known *k)
{
    wh_dirs_note(s->w->dirs, parent_hash(l), k,
                 k->kind == SG_ENTRY_FILE ? WH_NOTE_SEEN : WH_NOTE_SURE);
    wh_dirs_remember(s->w->dirs, k);
}

/* For the next time: what was asked for, in directories that are old enough to be trusted. */
static void note_markers(struct scan *s)
{
    for (size_t i = 0; i < s->n_looks; i++) {
        const struct look *l = &s->looks[i];

        for (size_t m = l->first; l->known && m < l->first + l->n; m++) {
            const struct item *it = &s->items[m];
            const struct sg_entry *e = &s->ret[it->i];
            struct wh_known k = { .path = sg_hash128_of(it->path, strlen(it->path)),
                                  .dir_id = l->at.ident.id,
                                  .dir_mtime_ns = l->at.ident.mtime_ns,
                                  .dir_children = l->at.ident.ctime_ns,
                                  .id = e->ident.id,
                                  .len = e->ident.len,
                                  .mtime_ns = e->ident.mtime_ns,
                                  .kind = e->kind };

            if (it->gone)
                wh_dirs_note(s->w->dirs, parent_hash(l), &k, WH_NOTE_GONE);
            else if (it->ask && l->at.ident.mtime_ns < s->steady_ns &&
                     (e->kind == SG_ENTRY_FILE || e->kind == SG_ENTRY_ABSENT))
                note_marker(s, l, &k);
        }
    }
}

static bool look(struct scan *s, struct sg_error *err)
{
    if (!in_parallel(s->w, s->n_families, look_at_family, s, err))
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i].ask)
            s->asked[s->n_asked++] = i;
    return in_parallel(s->w, s->n_asked, ask, s, err);
}

static bool scan(struct sg_webhdfs *w, bool markers, bool again, const char *const *paths, size_t n,
                 struct sg_entry *ret, struct sg_error *err)
{
    struct scan s = { .w = w, .markers = markers, .again = again, .n = n, .ret = ret };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_wall now;
    bool ok;

    if (n == 0)
        return true;
    s.items = SG_ARENA_NEW(&a, n, struct item, err);
    s.looks = SG_ARENA_NEW(&a, n, struct look, err);
    s.families = SG_ARENA_NEW(&a, n, struct family, err);
    s.asked = SG_ARENA_NEW(&a, n, size_t, err);
    ok = s.items != NULL && s.looks != NULL && s.families != NULL && s.asked != NULL &&
         wh_store_now(&w->base, &now, err);
    if (ok) {
        s.steady_ns = now.ns - STEADY_NS;
        for (size_t i = 0; i < n; i++)
            s.items[i] = (struct item){ .path = paths[i],
                                        .i = i,
                                        .name = name_at(paths[i], strlen(paths[i])) };
        qsort(s.items, n, sizeof(*s.items), markers ? compare_markers : compare_paths);
        group(&s);
        ok = look(&s, err);
    }
    if (ok && markers)
        note_markers(&s);
    sg_arena_done(&a);
    return ok;
}

bool wh_store_stat_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    return scan(wh_of(s), true, false, paths, n, ret, err);
}

bool wh_store_stat_again(struct sg_store *s, const char *const *paths, size_t n,
                         struct sg_entry *ret, struct sg_error *err)
{
    return scan(wh_of(s), true, true, paths, n, ret, err);
}

bool wh_store_stat_dirs(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    return scan(wh_of(s), false, false, paths, n, ret, err);
}

/* ---- which of them can be believed the next time ---- */

#define CLOSED_NS (86400 * SG_NS_PER_S) /* nobody writes so long on a marker */

struct told {
    struct sg_webhdfs *w;
    const char *const *paths;
    const struct sg_entry *entries;
    size_t *doubted;
    bool *sure;
};

static struct sg_hash128 hash_above(const char *path)
{
    const size_t name = name_at(path, strlen(path)), up = name_at(path, name != 0 ? name - 1 : 0);

    return sg_hash128_of(path, up != 0 ? up - 1 : 0);
}

/* What the cache knew, or where the directory is too young, is not noted. */
static bool is_noted(struct sg_webhdfs *w, const char *path, const struct sg_entry *e)
{
    return wh_dirs_is_noted(w->dirs, hash_above(path), sg_hash128_of(path, strlen(path)),
                            &e->ident);
}

static void believe(struct sg_webhdfs *w, const char *path, const struct sg_entry *e)
{
    wh_dirs_believe(w->dirs, hash_above(path), sg_hash128_of(path, strlen(path)), &e->ident);
}

/* A marker of another tool that is new: it may be open still, and closing it shows nowhere but in
 * itself. The status comes last: one that has been closed in between is another then. */
static bool doubt(void *ctx, size_t i, struct sg_error *err)
{
    struct told *t = ctx;
    const size_t k = t->doubted[i];
    struct sg_entry e;
    bool open;

    if (!wh_store_is_open(&t->w->base, t->paths[k], &open, err))
        return false;
    if (open)
        return true;
    if (!wh_store_stat(&t->w->base, t->paths[k], &e, err))
        return false;
    t->sure[i] = e.kind == SG_ENTRY_FILE && e.ident.id == t->entries[k].ident.id &&
                 e.ident.len == t->entries[k].ident.len &&
                 e.ident.mtime_ns == t->entries[k].ident.mtime_ns;
    return true;
}

void wh_store_receipts(struct sg_store *s, const char *const *paths, const struct sg_entry *entries,
                       const bool *receipts, size_t n)
{
    struct told t = { .w = wh_of(s), .paths = paths, .entries = entries };
    struct sg_error ignored = SG_ERROR_INIT; /* then they are asked for the next time */
    struct sg_arena a = SG_ARENA_INIT;
    const bool keeps = wh_dirs_keeps(t.w->dirs);
    struct sg_wall now = { 0 };
    size_t doubted = 0;

    t.doubted = SG_ARENA_NEW(&a, n, size_t, &ignored);
    t.sure = SG_ARENA_NEW(&a, n, bool, &ignored);
    if (t.doubted != NULL && t.sure != NULL && wh_store_now(s, &now, &ignored)) {
        for (size_t i = 0; i < n; i++) {
            if (entries[i].kind != SG_ENTRY_FILE)
                continue;
            if (receipts[i] || entries[i].ident.mtime_ns < now.ns - CLOSED_NS)
                believe(t.w, paths[i], &entries[i]);
            else if (keeps && is_noted(t.w, paths[i], &entries[i]))
                t.doubted[doubted++] = i;
        }
        (void)in_parallel(t.w, doubted, doubt, &t, &ignored);
        for (size_t i = 0; i < doubted; i++)
            if (t.sure[i])
                believe(t.w, paths[t.doubted[i]], &entries[t.doubted[i]]);
    }
    sg_arena_done(&a);
}

bool wh_scan_open(struct sg_webhdfs *w, struct sg_error *err)
{
    return wh_dirs_open(w->state, w->base.root, &w->dirs, err);
}

void wh_scan_free(struct sg_webhdfs *w)
{
    wh_dirs_free(w->dirs);
    w->dirs = NULL;
}
