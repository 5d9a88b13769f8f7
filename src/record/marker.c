#include "stagegraph/marker.h"

#include <stdio.h>

#include "stagegraph/arena.h"
#include "stagegraph/digest.h"

#include "record_impl.h"

#define INPUTS_LIMIT SG_BUF_LIMIT

bool sg_marker_is_receipt(enum sg_marker_kind kind)
{
    return kind == SG_MARKER_DONE || kind == SG_MARKER_ACCEPTED || kind == SG_MARKER_RUNNING;
}

static bool inputs_path(struct sg_hash128 hash, struct sg_buf *out, struct sg_error *err)
{
    char hex[SG_HASH128_TEXT];

    sg_hash128_format(hash, hex);
    return sg_buf_addf(out, err, SG_INPUTS_DIR "/%s", hex);
}

/* The list that a receipt keeps in a file of its own. Lost or damaged: ret keeps no inputs. */
static bool read_inputs(struct sg_store *store, struct sg_hash128 hash, struct sg_arena *a,
                        struct sg_receipt *ret, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT, text = SG_BUF_INIT;
    struct sg_entry e;
    bool ok, valid;

    ok = inputs_path(hash, &path, err) &&
         sg_store_read(store, sg_buf_text(&path), INPUTS_LIMIT, &text, &e, err);
    if (!ok && err->code == SG_ERROR_LIMIT) {
        sg_error_clear(err); /* not one of ours */
        ok = true;
    } else if (ok && sg_hash128_is(sg_hash128_of(text.at, text.len), hash)) {
        ok = sg_receipt_parse_inputs(a, sg_buf_span(&text), ret, &valid, err);
    }
    sg_buf_done(&path);
    sg_buf_done(&text);
    return ok;
}

/* Its mtime and length: all that is known of a marker that another tool has made. */
static struct sg_hash128 foreign_version(const struct sg_ident *ident)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "foreign %lld %lld", (long long)ident->mtime_ns,
                     (long long)ident->len);

    return sg_hash128_of(text, (size_t)n);
}

/* What a marker's text says, but for its identity. */
static bool judge(struct sg_store *store, struct sg_span text, const char *node, struct sg_arena *a,
                  struct sg_marker *m, struct sg_receipt *r, struct sg_error *err)
{
    static const struct sg_hash128 none;
    struct sg_hash128 file = none;

    if (!sg_receipt_parse(a, text, node, &m->kind, r, &file, NULL, err))
        return false;
    if (m->kind == SG_MARKER_FOREIGN)
        m->version = foreign_version(&m->ident);
    if (!sg_marker_is_receipt(m->kind))
        return true;
    if (r->inputs == NULL && !read_inputs(store, file, a, r, err))
        return false;
    m->recipe = r->recipe;
    m->version = r->version;
    if (r->inputs != NULL)
        m->inputs = sg_inputs_digest(r->inputs, r->n_inputs);
    if (m->kind != SG_MARKER_RUNNING)
        m->stamp = r->stamp;
    return true;
}

/* seen: NULL, nobody has looked. */
static bool read_marker(struct sg_store *store, const char *dir, const char *name, const char *node,
                        const struct sg_entry *seen, struct sg_arena *a, struct sg_marker *ret,
                        struct sg_receipt *ret_receipt, struct sg_error *err)
{
    struct sg_arena own = SG_ARENA_INIT;
    struct sg_receipt r = { .run = NULL };
    struct sg_marker m = { .kind = SG_MARKER_ABSENT };
    struct sg_buf text = SG_BUF_INIT;
    struct sg_entry e = { .kind = SG_ENTRY_ABSENT };
    bool ok = seen != NULL
                  ? sg_store_read_seen(store, dir, name, seen, SG_MARKER_LIMIT, &text, &e, err)
                  : sg_store_read_marker(store, dir, name, SG_MARKER_LIMIT, &text, &e, err);

    if (!ok && err->code == SG_ERROR_LIMIT) {
        struct sg_buf path = SG_BUF_INIT;

        sg_error_clear(err);
        m.kind = SG_MARKER_DAMAGED;
        ok = sg_buf_addf(&path, err, "%s%s%s", dir, dir[0] != '\0' ? "/" : "", name) &&
             sg_store_stat(store, sg_buf_text(&path), &e, err);
        m.ident = e.ident;
        sg_buf_done(&path);
    } else if (ok && e.kind != SG_ENTRY_ABSENT) {
        m.ident = e.ident;
        if (e.kind == SG_ENTRY_FILE)
            ok = judge(store, sg_buf_span(&text), node, a != NULL ? a : &own, &m, &r, err);
        else
            m.kind = SG_MARKER_DAMAGED; /* a directory */
    }
    if (ok) {
        *ret = m;
        if (ret_receipt != NULL && sg_marker_is_receipt(m.kind))
            *ret_receipt = r;
    }
    sg_buf_done(&text);
    sg_arena_done(&own);
    return ok ? true : sg_error_wrap(err, "marker of %s", node);
}

bool sg_marker_read(struct sg_store *store, const char *dir, const char *name, const char *node,
                    struct sg_arena *a, struct sg_marker *ret, struct sg_receipt *ret_receipt,
                    struct sg_error *err)
{
    return read_marker(store, dir, name, node, NULL, a, ret, ret_receipt, err);
}

bool sg_marker_read_seen(struct sg_store *store, const char *dir, const char *name,
                         const char *node, const struct sg_entry *seen, struct sg_arena *a,
                         struct sg_marker *ret, struct sg_receipt *ret_receipt,
                         struct sg_error *err)
{
    return read_marker(store, dir, name, node, seen, a, ret, ret_receipt, err);
}

static bool write_inputs(struct sg_store *store, const struct sg_receipt *r, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT, path = SG_BUF_INIT;
    bool ok;

    ok = sg_receipt_inputs_text(r, &text, err) &&
         inputs_path(sg_hash128_of(text.at, text.len), &path, err) &&
         sg_store_put(store, sg_buf_text(&path), sg_buf_span(&text), err);
    sg_buf_done(&text);
    sg_buf_done(&path);
    return ok;
}

bool sg_marker_write(struct sg_store *store, const char *dir, const char *name,
                     const struct sg_receipt *r, struct sg_marker *ret, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    struct sg_entry e;
    bool ok;

    /* Written only when whoever reads it finds what it names. */
    ok = sg_receipt_format(r, &text, err) &&
         (!sg_receipt_needs_inputs_file(r) || write_inputs(store, r, err)) &&
         sg_store_put_marker(store, dir, name, sg_buf_span(&text), ret != NULL ? &e : NULL, err);
    sg_buf_done(&text);
    if (!ok || ret == NULL)
        return ok;
    *ret = (struct sg_marker){ .kind = r->state,
                               .ident = e.ident,
                               .version = r->version,
                               .recipe = r->recipe,
                               .inputs = sg_inputs_digest(r->inputs, r->n_inputs) };
    if (r->state != SG_MARKER_RUNNING)
        ret->stamp = r->stamp;
    return true;
}
