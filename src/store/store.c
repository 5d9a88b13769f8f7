#include "stagegraph/store.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "store_impl.h"

/* The path of a file: URI, or NULL. As Hadoop's Path reads them: raw, without percent escapes. */
static const char *file_uri_path(const char *root)
{
    const char *rest;

    if (strncmp(root, "file:", 5) != 0)
        return NULL;
    rest = root + 5;
    if (strncmp(rest, "//", 2) == 0) {
        rest += 2;
        if (strncmp(rest, "localhost/", 10) == 0)
            rest += 9;
    }
    return rest[0] == '/' ? rest : NULL;
}

bool sg_store_is_remote(const char *root)
{
    static const char *const schemes[] = { "hdfs:", "webhdfs:", "swebhdfs:" };

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(root, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

/* curl, and what comes with it, take longer to load than a plan of three nodes takes in all. */
static bool open_module(const struct sg_store_config *config, struct sg_store **ret,
                        struct sg_error *err)
{
    sg_store_open_fn *open_store = NULL;
    void *module, *symbol;

    if (!SG_EXPECT(config->module != NULL, err))
        return false;
    module = dlopen(config->module, RTLD_NOW | RTLD_LOCAL);
    symbol = module != NULL ? dlsym(module, SG_WEBHDFS_SYMBOL) : NULL;
    if (symbol == NULL)
        return sg_error_set(err, SG_ERROR_SYSTEM, 0, "root %s: load WebHDFS: %s", config->root,
                            dlerror());
    memcpy(&open_store, &symbol, sizeof(open_store)); /* ISO C has no such cast */
    return open_store(config, ret, err); /* the module stays: threads of curl's may outlive us */
}

bool sg_store_open(const struct sg_store_config *config, struct sg_store **ret,
                   struct sg_error *err)
{
    const char *root = config->root, *colon, *path;

    if (root[0] == '/')
        return sg_file_store_open(root, config->sync, NULL, ret, err);
    path = file_uri_path(root);
    if (path != NULL)
        return sg_file_store_open(path, config->sync, NULL, ret, err);
    if (sg_store_is_remote(root))
        return open_module(config, ret, err);
    colon = strchr(root, ':');
    if (strncmp(root, "file:", 5) == 0)
        return sg_error_set(err, SG_ERROR_GRAPH, 0, "root %s: write file:///absolute/path", root);
    if (colon == NULL || strchr(root, '/') < colon)
        return sg_error_set(err, SG_ERROR_GRAPH, 0, "root %s: neither an absolute path nor a URI",
                            root);
    return sg_error_set(
        err, SG_ERROR_GRAPH, 0,
        "root %s: no store for %.*s: (known: a path, file:, hdfs:, webhdfs:, swebhdfs:)", root,
        (int)(colon - root), root);
}

void sg_store_free(struct sg_store *s)
{
    char *root, *uri;

    if (s == NULL)
        return;
    root = s->root;
    uri = s->uri;
    s->ops->free(s);
    free(root);
    free(uri);
}

const char *sg_store_root(const struct sg_store *s)
{
    return s->root;
}

const char *sg_store_uri(const struct sg_store *s)
{
    return s->uri;
}

/*
 * Relative, without "." and ".." and empty components: what the graph's floor has proved of every
 * path. Looked at again where something is made or removed, since a slip would leave the root.
 */
static bool is_inside(const char *path)
{
    if (path[0] == '\0')
        return true;
    for (;;) {
        size_t n = strcspn(path, "/");

        if (n == 0 || (path[0] == '.' && (n == 1 || (n == 2 && path[1] == '.'))))
            return false;
        if (path[n] == '\0')
            return true;
        path += n + 1;
    }
}

static bool is_name(const char *name)
{
    return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

bool sg_store_stat(struct sg_store *s, const char *path, struct sg_entry *ret, struct sg_error *err)
{
    return s->ops->stat(s, path, ret, err);
}

bool sg_store_birth(struct sg_store *s, const char *dir, struct sg_birth *ret, struct sg_error *err)
{
    return SG_EXPECT(s->ops->birth != NULL, err) && s->ops->birth(s, dir, ret, err);
}

bool sg_birth_is_same(const struct sg_birth *a, const struct sg_birth *b)
{
    return a->is_there && b->is_there && a->id == b->id && a->born_ns == b->born_ns &&
           a->born_ns != 0;
}

bool sg_store_stat_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    return s->ops->stat_many(s, paths, n, ret, err);
}

bool sg_store_stat_again(struct sg_store *s, const char *const *paths, size_t n,
                         struct sg_entry *ret, struct sg_error *err)
{
    if (s->ops->stat_again == NULL)
        return s->ops->stat_many(s, paths, n, ret, err);
    return s->ops->stat_again(s, paths, n, ret, err);
}

bool sg_store_look_many(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    if (s->ops->look_many == NULL)
        return s->ops->stat_many(s, paths, n, ret, err);
    return s->ops->look_many(s, paths, n, ret, err);
}

/* Only a directory's has a number of children. */
bool sg_store_is_by_dir(const struct sg_store *s, const struct sg_ident *ident)
{
    return s->ops->look_many != NULL && ident->ctime_ns != 0;
}

void sg_store_receipts(struct sg_store *s, const char *const *paths, const struct sg_entry *seen,
                       const struct sg_entry *found, const bool *receipts, size_t n)
{
    if (s->ops->receipts != NULL)
        s->ops->receipts(s, paths, seen, found, receipts, n);
}

bool sg_store_stat_dirs(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    if (s->ops->stat_dirs == NULL)
        return s->ops->stat_many(s, paths, n, ret, err);
    return s->ops->stat_dirs(s, paths, n, ret, err);
}

bool sg_store_is_write_once(const struct sg_store *s)
{
    return s->write_once;
}

unsigned sg_store_threads(const struct sg_store *s)
{
    return s->threads;
}

bool sg_store_counted(struct sg_store *s, struct sg_store_traffic *ret)
{
    if (s->ops->counted == NULL)
        return false;
    s->ops->counted(s, ret);
    return true;
}

bool sg_store_list(struct sg_store *s, const char *dir, sg_store_list_fn *fn, void *ctx,
                   struct sg_error *err)
{
    return s->ops->list(s, dir, fn, ctx, err);
}

bool sg_store_walk(struct sg_store *s, const char *dir, sg_store_walk_fn *fn, void *ctx,
                   struct sg_error *err)
{
    return s->ops->walk(s, dir, fn, ctx, err);
}

bool sg_store_read(struct sg_store *s, const char *path, size_t limit, struct sg_buf *out,
                   struct sg_entry *ret, struct sg_error *err)
{
    return s->ops->read(s, path, limit, out, ret, err);
}

bool sg_store_checksum(struct sg_store *s, const char *path, bool durable, struct sg_hash128 *ret,
                       const char **ret_algorithm, struct sg_error *err)
{
    return s->ops->checksum(s, path, durable, ret, ret_algorithm, err);
}

void sg_store_stop(struct sg_store *s)
{
    atomic_store(&s->stopped, true);
}

bool sg_store_is_stopped(const struct sg_store *s)
{
    return atomic_load(&s->stopped);
}

bool sg_store_is_open(struct sg_store *s, const char *path, bool *ret, struct sg_error *err)
{
    return s->ops->is_open(s, path, ret, err);
}

bool sg_store_flush_file(struct sg_store *s, const char *path, struct sg_error *err)
{
    return s->ops->flush_file(s, path, err);
}

bool sg_store_flush_dir(struct sg_store *s, const char *dir, struct sg_error *err)
{
    return s->ops->flush_dir(s, dir, err);
}

bool sg_store_make_dir(struct sg_store *s, const char *dir, struct sg_error *err)
{
    return SG_EXPECT(is_inside(dir), err) && s->ops->make_dir(s, dir, err);
}

bool sg_store_remove_tree(struct sg_store *s, const char *path, struct sg_error *err)
{
    return SG_EXPECT(path[0] != '\0' && is_inside(path), err) && s->ops->remove_tree(s, path, err);
}

bool sg_store_put(struct sg_store *s, const char *path, struct sg_span text, struct sg_error *err)
{
    return SG_EXPECT(path[0] != '\0' && is_inside(path), err) && s->ops->put(s, path, text, err);
}

bool sg_store_read_marker(struct sg_store *s, const char *dir, const char *name, size_t limit,
                          struct sg_buf *out, struct sg_entry *ret, struct sg_error *err)
{
    return s->ops->read_marker(s, dir, name, limit, out, ret, err);
}

bool sg_store_read_seen(struct sg_store *s, const char *dir, const char *name,
                        const struct sg_entry *seen, size_t limit, struct sg_buf *out,
                        struct sg_entry *ret, struct sg_error *err)
{
    if (s->ops->read_seen == NULL)
        return s->ops->read_marker(s, dir, name, limit, out, ret, err);
    return s->ops->read_seen(s, dir, name, seen, limit, out, ret, err);
}

bool sg_store_put_marker(struct sg_store *s, const char *dir, const char *name,
                         struct sg_span receipt, struct sg_entry *ret, struct sg_error *err)
{
    return SG_EXPECT(is_inside(dir) && is_name(name), err) &&
           s->ops->put_marker(s, dir, name, receipt, ret, err);
}

bool sg_store_rename_marker(struct sg_store *s, const char *dir, const char *name, const char *to,
                            struct sg_entry *ret, struct sg_error *err)
{
    return SG_EXPECT(is_inside(dir) && is_name(name) && is_name(to), err) &&
           s->ops->rename_marker(s, dir, name, to, ret, err);
}

bool sg_store_remove_marker(struct sg_store *s, const char *dir, const char *name,
                            struct sg_error *err)
{
    return SG_EXPECT(is_inside(dir) && is_name(name), err) &&
           s->ops->remove_marker(s, dir, name, err);
}

bool sg_store_remove_listed_marker(struct sg_store *s, const char *dir, const char *name,
                                   struct sg_error *err)
{
    if (s->ops->remove_listed_marker == NULL)
        return sg_store_remove_marker(s, dir, name, err);
    return SG_EXPECT(is_inside(dir) && is_name(name), err) &&
           s->ops->remove_listed_marker(s, dir, name, err);
}

bool sg_store_claim_take(struct sg_store *s, const char *path, struct sg_span text,
                         struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                         struct sg_buf *held_text, struct sg_error *err)
{
    return SG_EXPECT(path[0] != '\0' && is_inside(path) && text.len != 0, err) &&
           s->ops->claim_take(s, path, text, ret, ret_outcome, held_text, err);
}

bool sg_store_claim_take_unflushed(struct sg_store *s, const char *path, struct sg_span text,
                                   struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                                   struct sg_buf *held_text, struct sg_error *err)
{
    if (s->ops->claim_take_unflushed == NULL)
        return sg_store_claim_take(s, path, text, ret, ret_outcome, held_text, err);
    return SG_EXPECT(path[0] != '\0' && is_inside(path) && text.len != 0, err) &&
           s->ops->claim_take_unflushed(s, path, text, ret, ret_outcome, held_text, err);
}

bool sg_store_claim_replace(struct sg_store *s, struct sg_store_claim *claim, struct sg_span text,
                            struct sg_error *err)
{
    return SG_EXPECT(claim->path != NULL && text.len != 0, err) &&
           s->ops->claim_replace(s, claim, text, err);
}

bool sg_store_claim_verify(struct sg_store *s, const struct sg_store_claim *claim, bool *ret,
                           struct sg_error *err)
{
    return SG_EXPECT(claim->path != NULL, err) && s->ops->claim_verify(s, claim, ret, err);
}

bool sg_store_claim_time(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err)
{
    return SG_EXPECT(claim->path != NULL, err) &&
           (claim->ident.mtime_ns != 0 || s->ops->claim_time == NULL ||
            s->ops->claim_time(s, claim, err));
}

bool sg_store_claim_drop(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err)
{
    return SG_EXPECT(claim->path != NULL, err) && s->ops->claim_drop(s, claim, err);
}

void sg_store_claim_leave(struct sg_store *s, struct sg_store_claim *claim)
{
    if (claim->path != NULL)
        s->ops->claim_leave(s, claim);
}

bool sg_store_claim_list(struct sg_store *s, const char *dir, sg_store_claim_fn *fn, void *ctx,
                         struct sg_error *err)
{
    return s->ops->claim_list(s, dir, fn, ctx, err);
}

bool sg_store_claim_look(struct sg_store *s, const char *path, sg_store_claim_fn *fn, void *ctx,
                         struct sg_error *err)
{
    return s->ops->claim_look(s, path, fn, ctx, err);
}

bool sg_store_fenced(struct sg_store *s, struct sg_fence *ret)
{
    if (s->ops->fenced != NULL)
        return s->ops->fenced(s, ret);
    *ret = (struct sg_fence){ .again_ms = 0 };
    return false;
}

bool sg_store_trouble(struct sg_store *s, struct sg_store_trouble *ret)
{
    if (s->ops->trouble != NULL)
        return s->ops->trouble(s, ret);
    *ret = (struct sg_store_trouble){ .answered = { 0 } };
    return false;
}

bool sg_store_now(struct sg_store *s, struct sg_wall *ret, struct sg_error *err)
{
    return s->ops->now(s, ret, err);
}

bool sg_store_health(struct sg_store *s, sg_store_health_fn *fn, void *ctx, struct sg_error *err)
{
    return s->ops->health == NULL || s->ops->health(s, fn, ctx, err);
}
