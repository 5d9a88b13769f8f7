#include "memory_store.h"

#include <stdlib.h>
#include <string.h>

#include "store_impl.h"

#define SLOTS   ((size_t)1 << 16) /* of the table; at least twice the files */
#define MADE_NS (INT64_C(1700000000) * SG_NS_PER_S)

struct file {
    char *path, *text; /* owned; path NULL: a free slot */
    size_t len;
    struct sg_ident ident;
};

struct memory_store {
    struct sg_store base; /* first */
    struct file *files;   /* open addressing */
    size_t n;
};

static struct memory_store *of(struct sg_store *s)
{
    return (struct memory_store *)s;
}

/* The file, or the free slot where it would be. */
static struct file *find(struct memory_store *m, const char *path)
{
    size_t at = (size_t)sg_hash64_of(path, strlen(path)) & (SLOTS - 1);

    while (m->files[at].path != NULL && strcmp(m->files[at].path, path) != 0)
        at = (at + 1) & (SLOTS - 1);
    return &m->files[at];
}

static void show(const struct file *f, struct sg_entry *ret)
{
    *ret = (struct sg_entry){ .kind = SG_ENTRY_ABSENT };
    if (f->path != NULL)
        *ret = (struct sg_entry){ .kind = SG_ENTRY_FILE, .ident = f->ident };
}

static void store_free(struct sg_store *s)
{
    struct memory_store *m = of(s);

    for (size_t i = 0; m->files != NULL && i < SLOTS; i++) {
        free(m->files[i].path);
        free(m->files[i].text);
    }
    free(m->files);
    free(m);
}

static bool store_stat(struct sg_store *s, const char *path, struct sg_entry *ret,
                       struct sg_error *err)
{
    (void)err;
    show(find(of(s), path), ret);
    return true;
}

static bool store_stat_many(struct sg_store *s, const char *const *paths, size_t n,
                            struct sg_entry *ret, struct sg_error *err)
{
    (void)err;
    for (size_t i = 0; i < n; i++)
        show(find(of(s), paths[i]), &ret[i]);
    return true;
}

static bool store_read(struct sg_store *s, const char *path, size_t limit, struct sg_buf *out,
                       struct sg_entry *ret, struct sg_error *err)
{
    const struct file *f = find(of(s), path);

    show(f, ret);
    if (f->path != NULL && f->len > limit)
        return sg_error_set(err, SG_ERROR_LIMIT, 0, "%s is too long", path);
    return f->path == NULL || sg_buf_add(out, f->text, f->len, err);
}

static bool store_put(struct sg_store *s, const char *path, struct sg_span text,
                      struct sg_error *err)
{
    struct memory_store *m = of(s);
    struct file *f = find(m, path), new = { .path = strdup(path), .text = malloc(text.len + 1) };

    if (new.path == NULL || new.text == NULL || m->n > SLOTS / 2) {
        free(new.path);
        free(new.text);
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for %s", path);
    }
    memcpy(new.text, text.len != 0 ? text.at : "", text.len);
    new.len = text.len;
    new.ident = (struct sg_ident){
        .id = ++m->n, .len = (int64_t)text.len, .mtime_ns = MADE_NS, .ctime_ns = MADE_NS
    };
    free(f->path);
    free(f->text);
    *f = new;
    return true;
}

static bool join(struct sg_buf *out, const char *dir, const char *name, struct sg_error *err)
{
    return sg_buf_addf(out, err, "%s%s%s", dir, dir[0] != '\0' ? "/" : "", name);
}

static bool store_read_marker(struct sg_store *s, const char *dir, const char *name, size_t limit,
                              struct sg_buf *out, struct sg_entry *ret, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool ok =
        join(&path, dir, name, err) && store_read(s, sg_buf_text(&path), limit, out, ret, err);

    sg_buf_done(&path);
    return ok;
}

static bool store_put_marker(struct sg_store *s, const char *dir, const char *name,
                             struct sg_span receipt, struct sg_entry *ret, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool ok = join(&path, dir, name, err) && store_put(s, sg_buf_text(&path), receipt, err);

    if (ok && ret != NULL)
        show(find(of(s), sg_buf_text(&path)), ret);
    sg_buf_done(&path);
    return ok;
}

static bool store_claims(struct sg_store *s, const char *path, sg_store_claim_fn *fn, void *ctx,
                         struct sg_error *err)
{
    (void)s;
    (void)path;
    (void)fn;
    (void)ctx;
    (void)err;
    return true;
}

static bool store_now(struct sg_store *s, struct sg_wall *ret, struct sg_error *err)
{
    (void)s;
    (void)err;
    ret->ns = MADE_NS + 3600 * SG_NS_PER_S;
    return true;
}

static const struct sg_store_ops ops = {
    .free = store_free,
    .stat = store_stat,
    .stat_many = store_stat_many,
    .read = store_read,
    .put = store_put,
    .read_marker = store_read_marker,
    .put_marker = store_put_marker,
    .claim_list = store_claims,
    .claim_look = store_claims,
    .now = store_now,
};

bool memory_store_open(const char *root, struct sg_store **ret, struct sg_error *err)
{
    struct memory_store *m = calloc(1, sizeof(*m));
    struct sg_buf uri = SG_BUF_INIT;

    if (m == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a store");
    m->base.ops = &ops;
    m->files = calloc(SLOTS, sizeof(*m->files));
    m->base.root = strdup(root);
    if (m->files == NULL || m->base.root == NULL || !sg_buf_addf(&uri, err, "file://%s", root)) {
        sg_store_free(&m->base);
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a store");
    }
    m->base.uri = sg_buf_move(&uri);
    *ret = &m->base;
    return true;
}
