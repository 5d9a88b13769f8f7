/*
 * What is there: statuses, listings, contents, checksums, markers, the time.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/hash.h"

#include "webhdfs_impl.h"

#define READ_TRIES 3

/* ---- one status ---- */

bool wh_status(struct sg_webhdfs *w, const char *path, struct wh_status *ret, struct sg_error *err)
{
    struct wh_op op = { .method = "GET", .op = "GETFILESTATUS", .path = path };
    struct sg_http_answer answer = { .status = 0 };
    struct sg_error why = SG_ERROR_INIT;
    struct wh_fault fault;
    enum wh_result result;
    bool ok;

    ok = wh_call(w, &op, &answer, &result, &fault, err);
    if (ok && result == WH_OK) {
        ok = wh_json_status(sg_buf_span(&answer.body), ret, &why) ||
             wh_fail_answer(w, &op, why.text, err);
        if (ok && ret->encrypted)
            atomic_store(&w->encrypted, true);
    } else if (ok && wh_is_absent(&fault)) {
        *ret = (struct wh_status){ .kind = SG_ENTRY_ABSENT };
    } else if (ok) {
        ok = wh_fail(w, &op, &fault, err);
    }
    sg_http_answer_done(&answer);
    return ok;
}

bool wh_store_stat(struct sg_store *s, const char *path, struct sg_entry *ret, struct sg_error *err)
{
    struct wh_status st;

    if (!wh_status(wh_of(s), path, &st, err))
        return false;
    wh_entry(&st, ret);
    return true;
}

/* ---- listings ---- */

/* LISTSTATUS of a file has one entry, without a name. */
static bool is_directory(const struct wh_listing *l)
{
    return l->n != 1 || l->at[0].name.len != 0;
}

static void tell_entries(struct sg_webhdfs *w, const struct wh_listing *l, wh_list_fn *fn,
                         void *ctx)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->at[i].encrypted)
            atomic_store(&w->encrypted, true);
        if (!fn(ctx, &l->at[i]))
            return;
    }
}

/* A gateway or an older release that doesn't know the operation. */
static bool lacks_operation(const struct wh_fault *fault)
{
    return wh_is(fault, "UnsupportedOperationException") ||
           wh_is(fault, "IllegalArgumentException");
}

/* op is LISTSTATUS or LISTSTATUS_BATCH; *ret_lacks, which may be NULL: it is not known here. */
static bool list(struct sg_webhdfs *w, struct wh_op *op, struct wh_listing *l, wh_list_fn *fn,
                 void *ctx, bool *ret_there, bool *ret_lacks, struct sg_error *err)
{
    struct sg_http_answer answer = { .status = 0 };
    struct sg_error why = SG_ERROR_INIT;
    struct wh_fault fault;
    enum wh_result result;
    bool ok;

    op->on_body = wh_listing_body;
    op->on_again = wh_listing_again;
    op->ctx = l;
    ok = wh_call(w, op, &answer, &result, &fault, err);
    if (ok && result == WH_OK) {
        ok = wh_listing_end(l, &why) || wh_fail_answer(w, op, why.text, err);
        if (ok) {
            *ret_there = is_directory(l);
            if (*ret_there)
                tell_entries(w, l, fn, ctx);
        }
    } else if (ok && wh_is_absent(&fault)) {
        *ret_there = false;
    } else if (ok && ret_lacks != NULL && lacks_operation(&fault)) {
        *ret_lacks = true;
    } else if (ok) {
        ok = wh_fail(w, op, &fault, err);
    }
    sg_http_answer_done(&answer);
    return ok;
}

bool wh_list(struct sg_webhdfs *w, const char *path, wh_list_fn *fn, void *ctx, bool *ret_there,
             struct sg_error *err)
{
    struct wh_op op = { .method = "GET", .op = "LISTSTATUS", .path = path };
    struct wh_listing l;
    bool ok;

    wh_listing_init(&l);
    ok = list(w, &op, &l, fn, ctx, ret_there, NULL, err);
    wh_listing_done(&l);
    return ok;
}

bool wh_list_page(struct sg_webhdfs *w, const char *path, const char *after, wh_list_fn *fn,
                  void *ctx, bool *ret_there, bool *ret_more, struct sg_error *err)
{
    struct wh_op op = { .method = "GET", .op = "LISTSTATUS_BATCH", .path = path };
    struct sg_buf query = SG_BUF_INIT;
    struct wh_listing l;
    bool lacks = atomic_load(&w->pageless), ok = true;

    *ret_more = false;
    if (!lacks) {
        wh_listing_init(&l);
        l.page = true;
        ok = after[0] == '\0' ||
             (sg_buf_adds(&query, "&startAfter=", err) && wh_add_value(&query, after, err));
        op.query = sg_buf_text(&query);
        ok = ok && list(w, &op, &l, fn, ctx, ret_there, &lacks, err);
        *ret_more = ok && !lacks && *ret_there && l.n != 0 && l.remaining != 0;
        wh_listing_done(&l);
        sg_buf_done(&query);
    }
    if (!ok || !lacks)
        return ok;
    atomic_store(&w->pageless, true);
    return wh_list(w, path, fn, ctx, ret_there, err);
}

struct listing_ctx {
    sg_store_list_fn *fn;
    void *ctx;
};

static bool tell_entry(void *ctx, const struct wh_status *st)
{
    const struct listing_ctx *l = ctx;
    struct sg_entry e;

    wh_entry(st, &e);
    return l->fn(l->ctx, st->name.at, &e);
}

bool wh_store_list(struct sg_store *s, const char *dir, sg_store_list_fn *fn, void *ctx,
                   struct sg_error *err)
{
    struct listing_ctx l = { .fn = fn, .ctx = ctx };
    bool there;

    return wh_list(wh_of(s), dir, tell_entry, &l, &there, err);
}

/* ---- a walk ---- */

struct walk_dir {
    struct walk_dir *next;
    const char *rel;
};

struct walk {
    struct sg_arena arena;
    struct walk_dir *stack;
    const char *rel; /* of the directory being listed */
    sg_store_walk_fn *fn;
    void *ctx;
    struct sg_error *err;
    bool failed, enough;
};

static bool walk_push(struct walk *k, const char *rel, const char *name)
{
    struct walk_dir *d = SG_ARENA_NEW(&k->arena, 1, struct walk_dir, k->err);

    if (d == NULL)
        return false;
    d->rel = sg_arena_printf(&k->arena, k->err, "%s%s%s", rel, rel[0] != '\0' ? "/" : "", name);
    if (d->rel == NULL)
        return false;
    d->next = k->stack;
    k->stack = d;
    return true;
}

static bool walk_entry(void *ctx, const struct wh_status *st)
{
    struct walk *k = ctx;
    struct sg_data_file file = { .rel_dir = k->rel, .name = st->name.at };
    struct sg_entry e;

    if (st->name.at[0] == '.' || st->name.at[0] == '_')
        return true;
    if (st->kind == SG_ENTRY_DIR) {
        k->failed = !walk_push(k, k->rel, st->name.at);
    } else if (st->kind == SG_ENTRY_FILE) {
        wh_entry(st, &e);
        file.ident = e.ident;
        k->enough = !k->fn(k->ctx, &file);
    }
    return !k->failed && !k->enough;
}

bool wh_store_walk(struct sg_store *s, const char *dir, sg_store_walk_fn *fn, void *ctx,
                   struct sg_error *err)
{
    struct walk k = { .arena = SG_ARENA_INIT, .fn = fn, .ctx = ctx, .err = err };
    struct sg_buf path = SG_BUF_INIT;
    struct walk_dir *d;
    bool ok, there;

    ok = walk_push(&k, "", "");
    while (ok && !k.enough && (d = k.stack) != NULL) {
        k.stack = d->next;
        k.rel = d->rel;
        sg_buf_clear(&path);
        ok = sg_buf_addf(&path, err, "%s%s%s", dir, dir[0] != '\0' && d->rel[0] != '\0' ? "/" : "",
                         d->rel) &&
             wh_list(wh_of(s), sg_buf_text(&path), walk_entry, &k, &there, err) && !k.failed;
    }
    sg_buf_done(&path);
    sg_arena_done(&k.arena);
    return ok;
}

/* ---- contents ---- */

struct content {
    struct sg_buf *out;
    size_t before, limit; /* limit: of what is added */
    bool too_long;
    struct sg_error err;
};

static void content_again(void *ctx)
{
    struct content *c = ctx;

    c->too_long = false;
    c->out->len = c->before;
    if (c->out->at != NULL)
        c->out->at[c->before] = '\0';
}

static bool content_body(void *ctx, const char *bytes, size_t n)
{
    struct content *c = ctx;

    if (c->out->len - c->before + n > c->limit) {
        c->too_long = true;
        return sg_error_set(&c->err, SG_ERROR_LIMIT, 0, "longer than %zu bytes", c->limit);
    }
    return sg_buf_add(c->out, bytes, n, &c->err);
}

/* The bytes at a path, whatever file has it by now. *ret_there false: none. */
static bool read_content(struct sg_webhdfs *w, const char *path, struct content *c, bool *ret_there,
                         struct sg_error *err)
{
    struct wh_op op = { .method = "GET", .op = "OPEN", .path = path, .data = true };
    struct sg_http_answer answer = { .status = 0 };
    struct wh_fault fault;
    enum wh_result result;
    bool ok;

    op.on_body = content_body;
    op.on_again = content_again;
    op.ctx = c;
    ok = wh_call(w, &op, &answer, &result, &fault, err);
    if (!ok && c->err.code != SG_ERROR_NONE) { /* it was we who gave up */
        *err = c->err;
        sg_error_wrap(err, "read %s/%s", w->base.root, path);
    }
    if (ok && result != WH_OK && !wh_is_absent(&fault))
        ok = wh_fail(w, &op, &fault, err);
    if (ok)
        *ret_there = result == WH_OK;
    sg_http_answer_done(&answer);
    return ok;
}

/* Reads the file of a status; where another has taken its place meanwhile *ret_same is false. The
 * status is older than the bytes, never newer: what is remembered under it is not met again. */
static bool read_file(struct sg_webhdfs *w, const char *path, const struct wh_status *st,
                      size_t limit, struct sg_buf *out, bool *ret_same, struct sg_error *err)
{
    struct content c = { .out = out, .before = out->len, .limit = limit, .err = SG_ERROR_INIT };
    bool there;

    if (st->len > 0 && (uint64_t)st->len > limit)
        return sg_error_set(err, SG_ERROR_LIMIT, 0, "read %s/%s: longer than %zu bytes",
                            w->base.root, path, limit);
    *ret_same = true;
    if (st->len == 0)
        return true;
    c.limit = (size_t)st->len; /* one that is longer is another */
    if (!read_content(w, path, &c, &there, err)) {
        *ret_same = !c.too_long;
        content_again(&c);
        return !*ret_same;
    }
    *ret_same = there && out->len - c.before == (size_t)st->len;
    if (!*ret_same)
        content_again(&c);
    return true;
}

static bool fail_unsteady(const struct sg_webhdfs *w, const char *path, struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_STORE, 0, "read %s/%s: it changes while it is read",
                        w->base.root, path);
}

bool wh_store_read(struct sg_store *s, const char *path, size_t limit, struct sg_buf *out,
                   struct sg_entry *ret, struct sg_error *err)
{
    struct wh_status st;
    bool same = false;

    for (int tries = 0; tries < READ_TRIES; tries++) {
        if (!wh_status(wh_of(s), path, &st, err))
            return false;
        if (st.kind == SG_ENTRY_FILE && !read_file(wh_of(s), path, &st, limit, out, &same, err))
            return false;
        if (st.kind != SG_ENTRY_FILE || same) {
            wh_entry(&st, ret);
            return true;
        }
    }
    return fail_unsteady(wh_of(s), path, err);
}

/* ---- markers ---- */

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *at = strchr(digits, tolower((unsigned char)c));

    return c != '\0' && at != NULL ? (int)(at - digits) : -1;
}

/* "0x7b22…" */
static bool add_hex(struct sg_buf *out, const struct sg_buf *hex, struct sg_error *err)
{
    const char *text = sg_buf_text(hex);

    if (strncmp(text, "0x", 2) != 0)
        return sg_error_set(err, SG_ERROR_STORE, 0, "an attribute's value is not in hex");
    for (text += 2; *text != '\0'; text += 2) {
        int high = hex_digit(text[0]), low = high >= 0 ? hex_digit(text[1]) : -1;

        if (low < 0)
            return sg_error_set(err, SG_ERROR_STORE, 0, "an attribute's value is not in hex");
        if (!sg_buf_addc(out, (char)(high * 16 + low), err))
            return false;
    }
    return true;
}

/* Disabled, or a gateway that doesn't know the operation. */
bool wh_lacks_attributes(const struct wh_fault *fault)
{
    return wh_is(fault, "UnsupportedOperationException") ||
           wh_is(fault, "IllegalArgumentException") ||
           (strstr(fault->message, "XAttr") != NULL && strstr(fault->message, "disabled") != NULL);
}

/* The receipt in the attribute; *ret_there false: the file is gone. Without one nothing is added.
 */
bool wh_read_attribute(struct sg_webhdfs *w, const char *path, struct sg_buf *out, bool *ret_there,
                       struct sg_error *err)
{
    struct wh_op op = {
        .method = "GET", .op = "GETXATTRS", .path = path, .query = "&encoding=hex"
    };
    struct sg_http_answer answer = { .status = 0 };
    struct sg_error why = SG_ERROR_INIT;
    struct sg_buf hex = SG_BUF_INIT;
    struct wh_fault fault;
    enum wh_result result;
    bool ok, found = false;
    size_t before = out->len;

    *ret_there = true;
    ok = wh_call(w, &op, &answer, &result, &fault, err);
    if (ok && result == WH_OK) {
        ok = wh_json_attribute(sg_buf_span(&answer.body), WH_ATTRIBUTE, &hex, &found, &why) &&
             (!found || add_hex(out, &hex, &why));
        if (!ok) {
            out->len = before;
            ok = wh_fail_answer(w, &op, why.text, err);
        }
    } else if (ok && wh_is_absent(&fault)) {
        *ret_there = false;
    } else if (ok && !wh_lacks_attributes(&fault)) {
        ok = wh_fail(w, &op, &fault, err);
    } /* else it has no attributes at all: an empty file is what it is */
    sg_buf_done(&hex);
    sg_http_answer_done(&answer);
    return ok;
}

/* ---- receipts that this process has read ---- */

/*
 * A receipt is never changed after its file has its name, and a file's id is never used again: who
 * has read it once under a path needs only to see that the same file is there. The latest of some
 * thousands. Markers without one are read each time.
 */
#define SEEN_ROWS 1024u
#define SEEN_WAYS 4u
#define SEEN_MOST 4096u /* bytes; a longer one is read again */

struct wh_seen {
    struct seen_receipt {
        struct sg_hash128 path;
        uint64_t id;
        int64_t mtime_ns;
        char *text; /* NULL: none */
        size_t len;
    } at[SEEN_ROWS][SEEN_WAYS];
    size_t turn; /* which one of a full row goes next */
};

void wh_seen_free(struct wh_seen *seen)
{
    for (size_t i = 0; seen != NULL && i < SEEN_ROWS * SEEN_WAYS; i++)
        free(seen->at[i / SEEN_WAYS][i % SEEN_WAYS].text);
    free(seen);
}

/* The place of a path's receipt, or the one that it may have. */
static struct seen_receipt *seen_place(struct wh_seen *seen, struct sg_hash128 path)
{
    struct seen_receipt *row = seen->at[path.lo % SEEN_ROWS];

    for (size_t i = 0; i < SEEN_WAYS; i++)
        if (sg_hash128_is(row[i].path, path))
            return &row[i];
    return &row[seen->turn++ % SEEN_WAYS];
}

static bool is_same_receipt(const struct seen_receipt *r, struct sg_hash128 path,
                            const struct sg_ident *ident)
{
    return r->text != NULL && r->id == ident->id && r->mtime_ns == ident->mtime_ns &&
           sg_hash128_is(r->path, path);
}

/* *ret_known false: it has to be read. */
static bool recall_receipt(struct sg_webhdfs *w, const char *path, const struct sg_ident *ident,
                           struct sg_buf *out, bool *ret_known, struct sg_error *err)
{
    const struct sg_hash128 hash = sg_hash128_of(path, strlen(path));
    const struct seen_receipt *r;
    bool ok = true;

    *ret_known = false;
    (void)pthread_mutex_lock(&w->lock); /* of a plain mutex neither fails */
    r = w->seen != NULL ? seen_place(w->seen, hash) : NULL;
    if (r != NULL && is_same_receipt(r, hash, ident)) {
        *ret_known = true;
        ok = sg_buf_add(out, r->text, r->len, err);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return ok;
}

static void remember_receipt(struct sg_webhdfs *w, const char *path, const struct sg_ident *ident,
                             const char *text, size_t len)
{
    const struct sg_hash128 hash = sg_hash128_of(path, strlen(path));
    char *copy = len != 0 && len <= SEEN_MOST ? malloc(len) : NULL;
    struct seen_receipt *r;

    if (copy == NULL)
        return; /* it is read again */
    memcpy(copy, text, len);
    (void)pthread_mutex_lock(&w->lock);
    if (w->seen == NULL)
        w->seen = calloc(1, sizeof(*w->seen));
    if (w->seen != NULL) {
        r = seen_place(w->seen, hash);
        free(r->text);
        *r = (struct seen_receipt){ hash, ident->id, ident->mtime_ns, copy, len };
        copy = NULL;
    }
    (void)pthread_mutex_unlock(&w->lock);
    free(copy);
}

/* As wh_read_attribute(), of the empty file with this identity. */
static bool read_attribute(struct sg_webhdfs *w, const char *path, const struct sg_ident *ident,
                           struct sg_buf *out, bool *ret_there, struct sg_error *err)
{
    const size_t before = out->len;
    bool known;

    if (!recall_receipt(w, path, ident, out, &known, err))
        return false;
    *ret_there = true;
    if (known)
        return true;
    if (!wh_read_attribute(w, path, out, ret_there, err))
        return false;
    if (*ret_there && out->len != before)
        remember_receipt(w, path, ident, out->at + before, out->len - before);
    return true;
}

static bool read_receipt(struct sg_webhdfs *w, const char *path, const struct wh_status *st,
                         size_t limit, struct sg_buf *out, bool *ret_same, struct sg_error *err)
{
    size_t before = out->len;
    struct sg_entry e;

    if (st->len != 0)
        return read_file(w, path, st, limit, out, ret_same, err);
    wh_entry(st, &e);
    if (!read_attribute(w, path, &e.ident, out, ret_same, err))
        return false;
    if (out->len - before > limit) {
        out->len = before;
        return sg_error_set(err, SG_ERROR_LIMIT, 0, "read %s/%s: longer than %zu bytes",
                            w->base.root, path, limit);
    }
    return true;
}

bool wh_store_read_marker(struct sg_store *s, const char *dir, const char *name, size_t limit,
                          struct sg_buf *out, struct sg_entry *ret, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    struct wh_status st;
    bool same = false, ok = wh_join(&path, dir, "", name, "", err);

    for (int tries = 0; ok && !same && tries < READ_TRIES; tries++) {
        ok = wh_status(wh_of(s), sg_buf_text(&path), &st, err);
        if (ok && st.kind == SG_ENTRY_FILE)
            ok = read_receipt(wh_of(s), sg_buf_text(&path), &st, limit, out, &same, err);
        else
            same = true;
    }
    if (ok && !same)
        ok = fail_unsteady(wh_of(s), sg_buf_text(&path), err);
    if (ok)
        wh_entry(&st, ret);
    sg_buf_done(&path);
    return ok;
}

/* What was seen is its directory: then the attribute alone says that the marker is there, and what
 * it says. It is of then or newer, and the directory changes with it. Without an attribute it is
 * another tool's, or a content: where one is there are more, and of these the status is asked
 * first.
 */
static bool read_by_dir(struct sg_webhdfs *w, const char *dir, const char *name,
                        const struct sg_entry *seen, size_t limit, struct sg_buf *out,
                        struct sg_entry *ret, struct sg_error *err)
{
    const size_t before = out->len;
    struct sg_buf path = SG_BUF_INIT;
    bool ok, there = false;

    if (!atomic_load(&w->bare)) {
        ok = wh_join(&path, dir, "", name, "", err) &&
             wh_read_attribute(w, sg_buf_text(&path), out, &there, err);
        sg_buf_done(&path);
        if (!ok)
            return false;
        if (!there || (out->len != before && out->len - before <= limit)) {
            *ret = (struct sg_entry){ .kind = there ? SG_ENTRY_FILE : SG_ENTRY_ABSENT };
            if (there)
                ret->ident = seen->ident;
            return true;
        }
        out->len = before;
    }
    if (!wh_store_read_marker(&w->base, dir, name, limit, out, ret, err))
        return false;
    if (ret->kind == SG_ENTRY_FILE)
        atomic_store(&w->bare, ret->ident.len != 0 || out->len == before);
    return true;
}

/* The status is older than the attribute here too. Not by the file's id: behind a router another
 * nameservice may have the same. */
bool wh_store_read_seen(struct sg_store *s, const char *dir, const char *name,
                        const struct sg_entry *seen, size_t limit, struct sg_buf *out,
                        struct sg_entry *ret, struct sg_error *err)
{
    const size_t before = out->len;
    struct sg_buf path = SG_BUF_INIT;
    bool ok = true, there = false;

    if (seen->kind == SG_ENTRY_UNSEEN || wh_is_by_dir(&seen->ident))
        return read_by_dir(wh_of(s), dir, name, seen, limit, out, ret, err);
    if (seen->kind == SG_ENTRY_FILE && seen->ident.len == 0)
        ok = wh_join(&path, dir, "", name, "", err) &&
             read_attribute(wh_of(s), sg_buf_text(&path), &seen->ident, out, &there, err);
    sg_buf_done(&path);
    if (!ok)
        return false;
    if (there && out->len - before <= limit) {
        *ret = *seen;
        return true;
    }
    /* It has content, or is gone meanwhile: another look shows what it is. */
    out->len = before;
    return wh_store_read_marker(s, dir, name, limit, out, ret, err);
}

/* ---- versions ---- */

/*
 * The NameNode has a checksum of checksums: MD5-of-1MD5-of-512CRC32C and its bytes. In an
 * encryption zone it is of what is stored, which differs each time for the same contents; whether a
 * file is in one only its status says, so that it is asked for where such a file has been listed.
 */
bool wh_store_checksum(struct sg_store *s, const char *path, bool durable, struct sg_hash128 *ret,
                       const char **ret_algorithm, struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct wh_op op = { .method = "GET", .op = "GETFILECHECKSUM", .path = path, .data = true };
    struct sg_http_answer answer = { .status = 0 };
    struct sg_buf text = SG_BUF_INIT;
    struct sg_error why = SG_ERROR_INIT;
    struct wh_status st = { .kind = SG_ENTRY_FILE };
    struct wh_fault fault;
    enum wh_result result;
    bool algorithm = false, bytes = false, ok;

    (void)durable;
    if (atomic_load(&w->encrypted) && !wh_status(w, path, &st, err))
        return false;
    if (st.encrypted) {
        *ret = (struct sg_hash128){ 0, 0 };
        *ret_algorithm = NULL;
        return true;
    }
    ok = wh_call(w, &op, &answer, &result, &fault, err);
    if (ok && result != WH_OK)
        ok = wh_fail(w, &op, &fault, err);
    if (ok) {
        struct sg_span body = sg_buf_span(&answer.body);

        ok = WH_JSON_FIND(body, &text, &algorithm, &why, "FileChecksum", "algorithm") &&
             sg_buf_addc(&text, ' ', &why) &&
             WH_JSON_FIND(body, &text, &bytes, &why, "FileChecksum", "bytes");
        if (ok && (!algorithm || !bytes))
            ok = sg_error_set(&why, SG_ERROR_STORE, 0, "the answer has no checksum");
        if (!ok)
            ok = wh_fail_answer(w, &op, why.text, err);
    }
    if (ok) {
        *ret = sg_hash128_of(text.at, text.len);
        *ret_algorithm = "hdfs";
    }
    sg_buf_done(&text);
    sg_http_answer_done(&answer);
    return ok;
}

/* Of GETFILESTATUS nothing is to be learnt of it. The operation is one that Hadoop's own client
 * uses and no document tells; where there is none (a gateway's server), nobody is seen to write. */
bool wh_store_is_open(struct sg_store *s, const char *path, bool *ret, struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct wh_op op = {
        .method = "GET", .op = "GET_BLOCK_LOCATIONS", .path = path, .query = "&offset=0&length=1"
    };
    struct sg_http_answer answer = { .status = 0 };
    struct sg_buf text = SG_BUF_INIT;
    struct sg_error why = SG_ERROR_INIT;
    struct wh_fault fault;
    enum wh_result result;
    bool found = false, ok;

    ok = wh_call(w, &op, &answer, &result, &fault, err);
    if (ok && result == WH_OK)
        ok = WH_JSON_FIND(sg_buf_span(&answer.body), &text, &found, &why, "LocatedBlocks",
                          "isUnderConstruction") ||
             wh_fail_answer(w, &op, why.text, err);
    else if (ok && !wh_is_absent(&fault) && fault.status != 400)
        ok = wh_fail(w, &op, &fault, err);
    if (ok)
        *ret = found && strcmp(sg_buf_text(&text), "true") == 0;
    sg_buf_done(&text);
    sg_http_answer_done(&answer);
    return ok;
}

/* ---- the time ---- */

#define CLOCK_GOOD_S 60

/* What the last answer said, and what has passed since; at most a second behind, never ahead. */
static bool known_time(struct sg_webhdfs *w, struct sg_wall *ret)
{
    int64_t passed;
    bool known;

    pthread_mutex_lock(&w->lock);
    passed = sg_mono_now().ns - w->date_at.ns;
    known = w->date_s != 0 && passed < CLOCK_GOOD_S * SG_NS_PER_S;
    if (known)
        ret->ns = w->date_s * SG_NS_PER_S + passed;
    pthread_mutex_unlock(&w->lock);
    return known;
}

bool wh_store_now(struct sg_store *s, struct sg_wall *ret, struct sg_error *err)
{
    struct wh_status st;

    if (known_time(wh_of(s), ret))
        return true;
    if (!wh_status(wh_of(s), "", &st, err))
        return false;
    if (!known_time(wh_of(s), ret))
        *ret = sg_wall_now(); /* a server without a Date */
    return true;
}
