/*
 * Many paths at once. Directories that lie side by side are looked at by listing their parent, in
 * pages: one request shows each of them with id, modification time and number of children. What
 * that says of the markers in them the cache of directories knows (webhdfs_dirs.h); only where it
 * doesn't is the marker asked for, or left to who will read it.
 */
#include <stdlib.h>
#include <string.h>

#include "stagegraph/pieces.h"

#include "webhdfs_dirs.h"
#include "webhdfs_impl.h"

#define FEW       3   /* directories of one parent that are looked at without listing it, below */
#define FEW_AGAIN 2   /* the same of what has been looked at before */
#define PIECE     900 /* of one parent at a time: a page of 1,000 entries, if nothing else is there */
#define STEADY_NS (2 * SG_NS_PER_S)

/* One by one, on as many threads as there are connections; they wait, they don't compute. */
static bool in_parallel(struct sg_webhdfs *s, size_t n, sg_piece_fn *fn, void *ctx,
                        struct sg_error *err)
{
    return sg_in_pieces(n, 1, s->base.threads, fn, ctx, err);
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

/* Looks whose parent is the same, a piece of them. What the cache knows of the parent is read once,
 * by whichever piece comes first; it lies with the first piece. */
struct family {
    size_t first, n;
    size_t head; /* number of the parent's first piece */
    bool read;   /* of the first */
    struct wh_run run;
};

struct scan {
    struct sg_webhdfs *w;
    bool markers;         /* items are markers in the looks; else the looks themselves */
    bool again;           /* what this process has seen itself counts as well */
    bool by_dir;          /* a marker may be told by its directory */
    pthread_mutex_t lock; /* of the families' runs */
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

/* The last look: to the family of the one before it, or to one of its own. */
static void add_to_family(struct scan *s, const struct look *last)
{
    struct family *f = s->n_families != 0 ? &s->families[s->n_families - 1] : NULL;
    const bool same = f != NULL && is_of_family(last - 1, last);

    if (same && f->n < PIECE) {
        f->n++;
        return;
    }
    s->families[s->n_families] =
        (struct family){ .first = s->n_looks - 1, .n = 1, .head = same ? f->head : s->n_families };
    s->n_families++;
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
        add_to_family(s, last);
    }
}

struct children {
    struct look *looks;
    size_t n;
    struct sg_buf name; /* of the last child that was told */
    struct sg_error *err;
    bool failed;
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
    sg_buf_clear(&c->name);
    c->failed = !sg_buf_add(&c->name, st->name.at, st->name.len, c->err);
    return !c->failed;
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

/* What lies in a directory that is not there, is empty, or is as it was when it was seen. That it
 * has a receipt is enough for who looks again: if the directory changes, so does what is told. */
static void settle_marker(struct scan *s, const struct look *l, struct item *it,
                          const struct wh_run *run)
{
    const struct sg_hash128 path = sg_hash128_of(it->path, strlen(it->path));
    const struct wh_known *k = wh_run_find(run, path);
    struct sg_entry *e = &s->ret[it->i];
    struct wh_known own;

    *e = (struct sg_entry){ .kind = SG_ENTRY_ABSENT };
    it->gone = l->at.kind != SG_ENTRY_DIR && k != NULL;
    if (l->at.kind != SG_ENTRY_DIR || l->at.ident.ctime_ns == 0)
        return;
    if (!is_known(l, k) && s->again && wh_dirs_recall(s->w->dirs, path, &own))
        k = &own;
    if (!is_known(l, k)) {
        it->ask = !s->by_dir || l->at.ident.mtime_ns >= s->steady_ns;
        if (!it->ask)
            *e = (struct sg_entry){ .kind = SG_ENTRY_UNSEEN, .ident = l->at.ident };
    } else if (k->kind == WH_KNOWN_FILE) {
        e->kind = SG_ENTRY_FILE;
        e->ident = (struct sg_ident){ .id = k->id, .len = k->len, .mtime_ns = k->mtime_ns };
    } else if (k->kind == WH_KNOWN_RECEIPT) {
        it->ask = !s->by_dir && !s->again;
        if (!it->ask)
            *e = (struct sg_entry){ .kind = SG_ENTRY_FILE, .ident = l->at.ident };
    }
}

/* A parent that may be passed but not listed is no error: its children are asked for. */
static bool is_unlistable(const struct sg_error *err)
{
    return err->code == SG_ERROR_STORE && strstr(err->text, "AccessControlException") != NULL;
}

/* Where to begin: the first name without its last character comes before it, and nearly all that is
 * before it too comes before that. Cut within a character it would be no name. */
static bool begin_before(struct sg_buf *out, const struct look *first, struct sg_error *err)
{
    size_t len = first->len - first->name;
    const char *name = first->path + first->name;

    while (len != 0 && ((unsigned char)name[--len] & 0xc0) == 0x80)
        ;
    return sg_buf_add(out, name, len, err);
}

/* Does it come after the last look? Servers compare bytes with a sign: it has to hold either way.
 */
static bool is_past(const struct children *c)
{
    const struct look *last = &c->looks[c->n - 1];
    const size_t len = last->len - last->name;
    const char *name = last->path + last->name;

    for (size_t i = 0; i < len && i < c->name.len; i++) {
        const unsigned char a = (unsigned char)c->name.at[i], b = (unsigned char)name[i];

        if (a != b)
            return a > b && a < 0x80;
    }
    return c->name.len >= len;
}

/* Page by page, from the first look to the last. Where more pages lie between them than statuses
 * would be asked for, *ret_listed is false. */
static bool list_pages(struct scan *s, const char *parent, struct children *c, bool *ret_listed,
                       struct sg_error *err)
{
    struct sg_buf after = SG_BUF_INIT;
    bool there, more = true, ok = begin_before(&after, c->looks, err);

    for (size_t pages = 0; ok && more && pages < c->n; pages++) {
        ok = wh_list_page(s->w, parent, sg_buf_text(&after), on_child, c, &there, &more, err) &&
             !c->failed;
        if (!ok || !more)
            break;
        more = !is_past(c);
        sg_buf_clear(&after);
        ok = sg_buf_add(&after, c->name.at, c->name.len, err);
    }
    *ret_listed = ok && !more;
    sg_buf_done(&after);
    return ok;
}

static bool list_family(struct scan *s, const struct family *f, struct sg_error *err)
{
    struct children c = { .looks = &s->looks[f->first], .n = f->n, .err = err };
    struct sg_buf parent = SG_BUF_INIT;
    bool listed = false, ok;

    if (!sg_buf_add(&parent, c.looks->path, c.looks->name != 0 ? c.looks->name - 1 : 0, err))
        return false;
    ok = list_pages(s, sg_buf_text(&parent), &c, &listed, err);
    sg_buf_done(&parent);
    sg_buf_done(&c.name);
    if (!ok && !is_unlistable(err))
        return false;
    sg_error_clear(err);
    for (size_t i = 0; i < f->n; i++)
        c.looks[i].known = listed && c.looks[i].len != 0; /* who was not told of is absent */
    return true;
}

/* What the cache knows of the family's parent. */
static const struct wh_run *run_of(struct scan *s, const struct family *f)
{
    struct family *head = &s->families[f->head];

    pthread_mutex_lock(&s->lock);
    if (!head->read)
        wh_dirs_read(s->w->dirs, parent_hash(&s->looks[head->first]), &head->run);
    head->read = true;
    pthread_mutex_unlock(&s->lock);
    return &head->run;
}

static bool look_at_family(void *ctx, size_t i, size_t end, struct sg_error *err)
{
    struct scan *s = ctx;
    const struct family *f = &s->families[i];
    struct look *looks = &s->looks[f->first];
    const struct wh_run *run = NULL;

    (void)end;
    if (f->n >= (s->again ? FEW_AGAIN : FEW) && !list_family(s, f, err))
        return false;
    if (s->markers && looks->known)
        run = run_of(s, f);
    for (size_t k = 0; k < f->n; k++)
        for (size_t m = looks[k].first; m < looks[k].first + looks[k].n; m++) {
            struct item *it = &s->items[m];

            if (!looks[k].known)
                it->ask = true;
            else if (s->markers)
                settle_marker(s, &looks[k], it, run);
            else
                s->ret[it->i] = looks[k].at;
        }
    return true;
}

static bool ask(void *ctx, size_t i, size_t end, struct sg_error *err)
{
    struct scan *s = ctx;
    const struct item *it = &s->items[s->asked[i]];
    struct wh_status st;

    (void)end;
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
                                  .kind =
                                      e->kind == SG_ENTRY_FILE ? WH_KNOWN_FILE : WH_KNOWN_ABSENT };

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

/* how: of a scan the flags alone. */
static bool scan(struct sg_webhdfs *w, struct scan how, const char *const *paths, size_t n,
                 struct sg_entry *ret, struct sg_error *err)
{
    struct scan s = {
        .w = w, .markers = how.markers, .again = how.again, .by_dir = how.by_dir, .n = n, .ret = ret
    };
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
        qsort(s.items, n, sizeof(*s.items), how.markers ? compare_markers : compare_paths);
        group(&s);
        pthread_mutex_init(&s.lock, NULL);
        ok = look(&s, err);
        pthread_mutex_destroy(&s.lock);
        for (size_t i = 0; i < s.n_families; i++)
            free(s.families[i].run.at);
    }
    if (ok && how.markers)
        note_markers(&s);
    sg_arena_done(&a);
    return ok;
}

bool wh_store_stat_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    return scan(wh_of(s), (struct scan){ .markers = true }, paths, n, ret, err);
}

bool wh_store_stat_again(struct sg_store *s, const char *const *paths, size_t n,
                         struct sg_entry *ret, struct sg_error *err)
{
    return scan(wh_of(s), (struct scan){ .markers = true, .again = true }, paths, n, ret, err);
}

bool wh_store_look_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    return scan(wh_of(s), (struct scan){ .markers = true, .by_dir = true }, paths, n, ret, err);
}

bool wh_store_stat_dirs(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    return scan(wh_of(s), (struct scan){ .markers = false }, paths, n, ret, err);
}

/* ---- which of them can be believed the next time ---- */

#define CLOSED_NS (86400 * SG_NS_PER_S) /* nobody writes so long on a marker */

struct told {
    struct sg_webhdfs *w;
    const char *const *paths;
    const struct sg_entry *found;
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
static bool doubt(void *ctx, size_t i, size_t end, struct sg_error *err)
{
    struct told *t = ctx;
    const size_t k = t->doubted[i];
    struct sg_entry e;
    bool open;

    (void)end;
    if (!wh_store_is_open(&t->w->base, t->paths[k], &open, err))
        return false;
    if (open)
        return true;
    if (!wh_store_stat(&t->w->base, t->paths[k], &e, err))
        return false;
    t->sure[i] = e.kind == SG_ENTRY_FILE && e.ident.id == t->found[k].ident.id &&
                 e.ident.len == t->found[k].ident.len &&
                 e.ident.mtime_ns == t->found[k].ident.mtime_ns;
    return true;
}

/* Of what was not asked for when its directory was seen, nothing is noted yet. */
static void note_unseen(struct sg_webhdfs *w, const char *path, const struct sg_entry *seen,
                        const struct sg_entry *found)
{
    struct wh_known k = { .path = sg_hash128_of(path, strlen(path)),
                          .dir_id = seen->ident.id,
                          .dir_mtime_ns = seen->ident.mtime_ns,
                          .dir_children = seen->ident.ctime_ns };

    if (seen->kind != SG_ENTRY_UNSEEN)
        return;
    if (found->kind == SG_ENTRY_ABSENT) {
        k.kind = WH_KNOWN_ABSENT;
        wh_dirs_remember(w->dirs, &k);
        wh_dirs_note(w->dirs, hash_above(path), &k, WH_NOTE_SURE);
    } else if (found->kind == SG_ENTRY_FILE && wh_is_by_dir(&found->ident)) {
        k.kind = WH_KNOWN_RECEIPT;
        wh_dirs_remember(w->dirs, &k);
        wh_dirs_note(w->dirs, hash_above(path), &k, WH_NOTE_SURE);
    } else if (found->kind == SG_ENTRY_FILE) {
        k.kind = WH_KNOWN_FILE;
        k.id = found->ident.id;
        k.len = found->ident.len;
        k.mtime_ns = found->ident.mtime_ns;
        wh_dirs_note(w->dirs, hash_above(path), &k, WH_NOTE_SEEN);
    }
}

/* Those of other tools that are not to be believed yet go to t->doubted; their number. */
static size_t sort_out(struct told *t, const struct sg_entry *seen, const bool *receipts, size_t n,
                       struct sg_wall now)
{
    const bool keeps = wh_dirs_keeps(t->w->dirs);
    size_t doubted = 0;

    for (size_t i = 0; i < n; i++)
        note_unseen(t->w, t->paths[i], &seen[i], &t->found[i]);
    for (size_t i = 0; i < n; i++) {
        const struct sg_entry *e = &t->found[i];

        if (e->kind != SG_ENTRY_FILE || wh_is_by_dir(&e->ident))
            continue;
        if (receipts[i] || e->ident.mtime_ns < now.ns - CLOSED_NS)
            believe(t->w, t->paths[i], e);
        else if (keeps && is_noted(t->w, t->paths[i], e))
            t->doubted[doubted++] = i;
    }
    return doubted;
}

void wh_store_receipts(struct sg_store *s, const char *const *paths, const struct sg_entry *seen,
                       const struct sg_entry *found, const bool *receipts, size_t n)
{
    struct told t = { .w = wh_of(s), .paths = paths, .found = found };
    struct sg_error ignored = SG_ERROR_INIT; /* then they are asked for the next time */
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_wall now = { 0 };
    size_t doubted;

    t.doubted = SG_ARENA_NEW(&a, n, size_t, &ignored);
    t.sure = SG_ARENA_NEW(&a, n, bool, &ignored);
    if (t.doubted != NULL && t.sure != NULL && wh_store_now(s, &now, &ignored)) {
        doubted = sort_out(&t, seen, receipts, n, now);
        (void)in_parallel(t.w, doubted, doubt, &t, &ignored);
        for (size_t i = 0; i < doubted; i++)
            if (t.sure[i])
                believe(t.w, paths[t.doubted[i]], &found[t.doubted[i]]);
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
