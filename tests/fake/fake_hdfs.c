#include "fake_hdfs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/buf.h"

#define PREFIX "/webhdfs/v1"
#define DN     "/dn"
#define INODES "/.reserved/.inodes/"
#define EPOCH  INT64_C(1704067200000)

struct node {
    struct node *next;
    char *path; /* "/a/b"; the root is "" */
    bool dir, encrypted;
    uint64_t id;
    int64_t mtime_ms;
    struct sg_buf text, attribute;
    bool has_attribute;
};

struct fake_hdfs {
    struct http_peer *peer;
    pthread_mutex_t lock;
    struct node *nodes;
    uint64_t next_id;
    int64_t now_ms;
    size_t count, fault_at, max_attribute;
    enum fake_fault fault;
    bool no_attributes, no_inodes, plain_renames;
    struct sg_buf body[64]; /* of the last answer on each connection */
    struct sg_error err;
};

/* What a request asks for. */
struct ask {
    struct fake_hdfs *f;
    const struct http_request *r;
    const char *path; /* decoded */
    const char *query;
    struct sg_buf *body;
    int status;
    char scratch[2][8192];
};

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "fake_hdfs: %s\n", #x);                                                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void add(struct ask *a, const char *text)
{
    MUST(sg_buf_adds(a->body, text, &a->f->err));
}

/* ---- the tree ---- */

static struct node *find(const struct fake_hdfs *f, const char *path)
{
    for (struct node *n = f->nodes; n != NULL; n = n->next) {
        if (strcmp(n->path, path) == 0)
            return n;
    }
    return NULL;
}

static int64_t tick(struct fake_hdfs *f)
{
    return f->now_ms += 1000;
}

static struct node *make(struct fake_hdfs *f, const char *path, bool dir)
{
    struct node *n = calloc(1, sizeof(*n)), **at = &f->nodes;

    MUST(n != NULL);
    n->path = strdup(path);
    MUST(n->path != NULL);
    n->dir = dir;
    n->id = f->next_id++;
    n->mtime_ms = tick(f);
    while (*at != NULL && strcmp((*at)->path, path) < 0) /* sorted by path */
        at = &(*at)->next;
    n->next = *at;
    *at = n;
    return n;
}

static void drop(struct fake_hdfs *f, struct node *n)
{
    for (struct node **at = &f->nodes; *at != NULL; at = &(*at)->next) {
        if (*at == n) {
            *at = n->next;
            break;
        }
    }
    sg_buf_done(&n->text);
    sg_buf_done(&n->attribute);
    free(n->path);
    free(n);
}

static void parent_of(const char *path, char ret[4096])
{
    const char *slash = strrchr(path, '/');

    snprintf(ret, 4096, "%.*s", slash != NULL ? (int)(slash - path) : 0, path);
}

static void touch_parent(struct fake_hdfs *f, const char *path)
{
    char up[4096];
    struct node *n;

    parent_of(path, up);
    n = find(f, up);
    if (n != NULL)
        n->mtime_ms = tick(f);
}

/* False: a file is in the way. */
static bool make_dirs(struct fake_hdfs *f, const char *path)
{
    char up[4096];
    struct node *n = find(f, path);

    if (n != NULL)
        return n->dir;
    parent_of(path, up);
    if (!make_dirs(f, up)) /* as deep as the paths of a test */
        return false;
    make(f, path, true);
    touch_parent(f, path);
    return true;
}

static bool is_below(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

static void drop_tree(struct fake_hdfs *f, const char *path)
{
    char top[4096];
    struct node *n, *next;

    snprintf(top, sizeof(top), "%s", path);
    touch_parent(f, top);
    for (n = f->nodes; n != NULL; n = next) {
        next = n->next;
        if (strcmp(n->path, top) == 0 || is_below(n->path, top))
            drop(f, n);
    }
}

static int64_t count_children(const struct fake_hdfs *f, const char *dir)
{
    int64_t count = 0;

    for (struct node *n = f->nodes; n != NULL; n = n->next)
        count += is_below(n->path, dir) && strchr(n->path + strlen(dir) + 1, '/') == NULL;
    return count;
}

/* ---- requests ---- */

static void decode(const char *text, size_t n, char *ret, size_t cap)
{
    size_t m = 0;

    for (size_t i = 0; i < n && m + 1 < cap; i++) {
        unsigned c = (unsigned char)text[i];

        if (c == '%' && i + 2 < n && sscanf(text + i + 1, "%2x", &c) == 1)
            i += 2;
        ret[m++] = (char)c;
    }
    ret[m] = '\0';
}

/* The decoded value of a parameter; NULL: it is not there. */
static const char *parameter(struct ask *a, const char *name, int slot)
{
    size_t n = strlen(name);

    for (const char *at = a->query; at != NULL; at = strchr(at, '&')) {
        at += *at == '&';
        if (strncmp(at, name, n) == 0 && at[n] == '=') {
            decode(at + n + 1, strcspn(at + n + 1, "&"), a->scratch[slot],
                   sizeof(a->scratch[slot]));
            return a->scratch[slot];
        }
    }
    return NULL;
}

static void refuse(struct ask *a, int status, const char *exception, const char *message)
{
    sg_buf_clear(a->body);
    a->status = status;
    MUST(sg_buf_addf(a->body, &a->f->err,
                     "{\"RemoteException\":{\"exception\":\"%s\",\"javaClassName\":\"org.x.%s\","
                     "\"message\":\"%s\\nstack\"}}",
                     exception, exception, message));
}

static void add_escaped(struct ask *a, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            MUST(sg_buf_addc(a->body, '\\', &a->f->err));
        MUST(sg_buf_addc(a->body, *text, &a->f->err));
    }
}

static void add_status(struct ask *a, const struct node *n, const char *name)
{
    add(a, "{\"accessTime\":0,\"blockSize\":0,");
    MUST(sg_buf_addf(a->body, &a->f->err,
                     "\"childrenNum\":%lld,\"fileId\":%llu,%s\"length\":%zu,"
                     "\"modificationTime\":%lld,\"future\":{\"x\":[1,{}]},\"pathSuffix\":\"",
                     (long long)(n->dir ? count_children(a->f, n->path) : 0),
                     (unsigned long long)n->id, n->encrypted ? "\"encBit\":true," : "", n->text.len,
                     (long long)n->mtime_ms));
    add_escaped(a, name);
    MUST(sg_buf_addf(a->body, &a->f->err, "\",\"type\":\"%s\"}", n->dir ? "DIRECTORY" : "FILE"));
}

static void list(struct ask *a, const struct node *dir)
{
    const char *comma = "";

    add(a, "{\"FileStatuses\":{\"FileStatus\":[\n");
    if (!dir->dir)
        add_status(a, dir, "");
    for (struct node *n = a->f->nodes; dir->dir && n != NULL; n = n->next) {
        const char *name = n->path + strlen(dir->path) + 1;

        if (!is_below(n->path, dir->path) || strchr(name, '/') != NULL)
            continue;
        add(a, comma);
        add_status(a, n, name);
        comma = ",\n";
    }
    add(a, "\n]}}\n");
}

static void get_attributes(struct ask *a, const struct node *n)
{
    add(a, "{\"XAttrs\":[{\"name\":\"user.other\",\"value\":\"0x00\"}");
    if (n->has_attribute) {
        add(a, ",{\"name\":\"user.stagegraph\",\"value\":\"0x");
        for (size_t i = 0; i < n->attribute.len; i++)
            MUST(sg_buf_addf(a->body, &a->f->err, "%02x", (unsigned char)n->attribute.at[i]));
        add(a, "\"}");
    }
    add(a, "]}");
}

static void set_attribute(struct ask *a, struct node *n)
{
    const char *value = parameter(a, "xattr.value", 0);

    if (a->f->no_attributes) {
        refuse(a, 403, "UnsupportedOperationException",
               "The XAttr operation has been rejected. Support for XAttrs has been disabled");
    } else if (n->has_attribute) {
        refuse(a, 403, "IOException",
               "XAttr: user.stagegraph already exists. The REPLACE flag must be specified.");
    } else if (strlen("stagegraph") + strlen(value) / 2 - 1 > a->f->max_attribute) {
        refuse(a, 400, "HadoopIllegalArgumentException", "The XAttr is too big.");
    } else {
        n->has_attribute = true;
        for (value += 2; *value != '\0'; value += 2) {
            unsigned c = 0;

            MUST(sscanf(value, "%2x", &c) == 1);
            MUST(sg_buf_addc(&n->attribute, (char)c, &a->f->err));
        }
    }
}

static void move_tree(struct fake_hdfs *f, const char *from, const char *to)
{
    char old[4096];
    struct node *again;

    snprintf(old, sizeof(old), "%s", from);
    touch_parent(f, old);
    do { /* the list is sorted: one at a time */
        again = NULL;
        for (struct node *n = f->nodes; n != NULL; n = n->next) {
            if (strcmp(n->path, old) == 0 || is_below(n->path, old))
                again = n;
        }
        if (again != NULL) {
            char path[8192];
            struct node moved = *again, *n;

            snprintf(path, sizeof(path), "%s%s", to, again->path + strlen(old));
            again->text = again->attribute = (struct sg_buf)SG_BUF_INIT;
            drop(f, again);
            n = make(f, path, moved.dir);
            n->id = moved.id;
            n->mtime_ms = moved.mtime_ms;
            n->text = moved.text;
            n->attribute = moved.attribute;
            n->has_attribute = moved.has_attribute;
            n->encrypted = moved.encrypted;
        }
    } while (again != NULL);
    touch_parent(f, to);
}

/* As if no options had been told: true or false, and onto a directory into it. */
static void rename_plainly(struct ask *a, const struct node *n)
{
    const char *to = parameter(a, "destination", 0);
    const struct node *there = find(a->f, to), *parent;
    char path[8192], up[4096];
    bool can;

    snprintf(path, sizeof(path), "%s%s", to,
             n != NULL && there != NULL && there->dir ? strrchr(n->path, '/') : "");
    parent_of(path, up);
    parent = find(a->f, up);
    can = n != NULL && find(a->f, path) == NULL && parent != NULL && parent->dir;
    if (can)
        move_tree(a->f, n->path, path);
    add(a, can ? "{\"boolean\":true}" : "{\"boolean\":false}");
}

static void rename_node(struct ask *a, const struct node *n)
{
    const char *to = parameter(a, "destination", 0), *options = parameter(a, "renameoptions", 1);
    char up[4096];
    struct node *there, *parent;

    if (a->f->plain_renames) {
        rename_plainly(a, n);
        return;
    }
    if (n == NULL) {
        refuse(a, 404, "FileNotFoundException", "rename source not found");
        return;
    }
    MUST(to != NULL && options != NULL);
    there = find(a->f, to);
    parent_of(to, up);
    parent = find(a->f, up);
    if (parent == NULL)
        refuse(a, 404, "FileNotFoundException", "rename destination parent not found");
    else if (there != NULL && strcmp(options, "OVERWRITE") != 0)
        refuse(a, 403, "FileAlreadyExistsException", "rename destination already exists");
    else if (there != NULL && there->dir != n->dir)
        refuse(a, 403, "IOException", "Source and destination must both be directories");
    else {
        if (there != NULL)
            drop_tree(a->f, to);
        move_tree(a->f, n->path, to);
    }
}

/* The first step of what goes to a DataNode. */
static void redirect(struct ask *a)
{
    MUST(sg_buf_addf(a->body, &a->f->err, "{\"Location\":\"%s" DN "%s\"}",
                     http_peer_base(a->f->peer), a->r->target + strlen(PREFIX)));
}

static void create(struct ask *a)
{
    struct node *n = find(a->f, a->path);
    char up[4096];

    parent_of(a->path, up);
    if (n != NULL && n->dir) {
        refuse(a, 403, "FileAlreadyExistsException", "already exists as a directory");
    } else if (!make_dirs(a->f, up)) {
        refuse(a, 403, "ParentNotDirectoryException", "(is not a directory)");
    } else {
        if (n != NULL)
            drop(a->f, n);
        n = make(a->f, a->path, false);
        touch_parent(a->f, a->path);
        MUST(sg_buf_add(&n->text, a->r->body, a->r->body_len, &a->f->err));
        a->status = 201;
    }
}

static void data_node(struct ask *a, const char *op)
{
    struct node *n = find(a->f, a->path);

    if (strcmp(op, "CREATE") == 0)
        create(a);
    else if (n == NULL || n->dir)
        refuse(a, 404, "FileNotFoundException", "File does not exist");
    else if (strcmp(op, "OPEN") == 0)
        MUST(sg_buf_add(a->body, n->text.at, n->text.len, &a->f->err));
    else if (strcmp(op, "GETFILECHECKSUM") == 0)
        MUST(sg_buf_addf(a->body, &a->f->err,
                         "{\"FileChecksum\":{\"algorithm\":\"MD5-of-0MD5-of-512CRC32C\","
                         "\"bytes\":\"%zu%s\",\"length\":28}}",
                         n->text.len, sg_buf_text(&n->text)));
    else
        refuse(a, 400, "IllegalArgumentException", op);
}

static void on_existing(struct ask *a, const char *op, struct node *n)
{
    if (n == NULL) {
        refuse(a, 404, "FileNotFoundException", "File does not exist");
    } else if (strcmp(op, "GETFILESTATUS") == 0) {
        add(a, "{\"FileStatus\":");
        add_status(a, n, "");
        add(a, "}");
    } else if (strcmp(op, "LISTSTATUS") == 0) {
        list(a, n);
    } else if (strcmp(op, "GETXATTRS") == 0) {
        if (a->f->no_attributes)
            refuse(a, 403, "UnsupportedOperationException", "XAttrs: disabled");
        else
            get_attributes(a, n);
    } else if (strcmp(op, "SETXATTR") == 0) {
        set_attribute(a, n);
    } else if (strcmp(op, "OPEN") == 0 || strcmp(op, "GETFILECHECKSUM") == 0) {
        redirect(a);
    } else if (strcmp(op, "GET_BLOCK_LOCATIONS") == 0) {
        add(a, "{\"LocatedBlocks\":{\"isUnderConstruction\":false,\"locatedBlocks\":[]}}");
    } else {
        refuse(a, 400, "IllegalArgumentException", op);
    }
}

static void name_node(struct ask *a, const char *op)
{
    struct node *n = NULL;

    if (strncmp(a->path, INODES, strlen(INODES)) == 0) {
        uint64_t id = strtoull(a->path + strlen(INODES), NULL, 10);

        for (n = a->f->no_inodes ? NULL : a->f->nodes; n != NULL && n->id != id; n = n->next)
            ;
        if (n == NULL) {
            refuse(a, 404, "FileNotFoundException", "File for given inode path does not exist");
            return;
        }
        a->path = n->path;
    } else {
        n = find(a->f, a->path);
    }
    if (strcmp(op, "MKDIRS") == 0) {
        if (n != NULL && !n->dir)
            refuse(a, 403, "FileAlreadyExistsException", "Path is not a directory");
        else if (!make_dirs(a->f, a->path))
            refuse(a, 403, "ParentNotDirectoryException", "(is not a directory)");
        else
            add(a, "{\"boolean\":true}");
    } else if (strcmp(op, "DELETE") == 0) {
        add(a, n != NULL ? "{\"boolean\":true}" : "{\"boolean\":false}");
        if (n != NULL)
            drop_tree(a->f, n->path);
    } else if (strcmp(op, "RENAME") == 0) {
        rename_node(a, n);
    } else if (strcmp(op, "CREATE") == 0) {
        redirect(a);
    } else {
        on_existing(a, op, n);
    }
}

static void answer(struct ask *a)
{
    bool dn = strncmp(a->r->target, DN "/", strlen(DN) + 1) == 0;
    const char *at = a->r->target + strlen(dn ? DN : PREFIX), *mark = strchr(at, '?');
    char path[4096], op[64];

    MUST(dn || strncmp(a->r->target, PREFIX "/", strlen(PREFIX) + 1) == 0);
    MUST(mark != NULL);
    decode(at, (size_t)(mark - at), path, sizeof(path));
    if (strcmp(path, "/") == 0)
        path[0] = '\0';
    a->path = path;
    a->query = mark + 1;
    MUST(parameter(a, "op", 0) != NULL);
    snprintf(op, sizeof(op), "%.60s", parameter(a, "op", 0));
    if (dn)
        data_node(a, op);
    else
        name_node(a, op);
}

static bool handle(void *ctx, const struct http_request *r, struct http_reply *ret)
{
    struct fake_hdfs *f = ctx;
    struct ask a = { .f = f, .r = r, .status = 200 };
    enum fake_fault fault;

    pthread_mutex_lock(&f->lock);
    fault = f->count++ == f->fault_at ? f->fault : FAKE_FINE;
    a.body = &f->body[r->connection % 64];
    sg_buf_clear(a.body);
    switch (fault) {
    case FAKE_LOST_BEFORE:
        break;
    case FAKE_STANDBY:
        refuse(&a, 403, "StandbyException", "Operation category READ is not supported");
        break;
    case FAKE_DENIED:
        refuse(&a, 403, "AccessControlException", "Permission denied: user=tester");
        break;
    case FAKE_BUSY:
        a.status = 503;
        break;
    case FAKE_FINE:
    case FAKE_LOST_AFTER:
    case FAKE_CUT_AFTER:
        answer(&a);
        break;
    case FAKE_EOF:
        answer(&a);
        refuse(&a, 403, "EOFException", "End of File Exception between local host and nn1");
        break;
    }
    ret->status = a.status;
    ret->headers = "Content-Type: application/json\r\nDate: Wed, 25 Nov 2026 12:00:00 GMT\r\n";
    ret->body = sg_buf_text(a.body);
    ret->body_len = a.body->len;
    ret->framing = HTTP_CHUNKED;
    if (fault == FAKE_LOST_BEFORE || fault == FAKE_LOST_AFTER) {
        ret->silent = true;
        ret->end = HTTP_DROP;
    } else if (fault == FAKE_CUT_AFTER) {
        ret->cut = true;
        ret->cut_after = 60 + a.body->len / 2;
    }
    pthread_mutex_unlock(&f->lock);
    return true;
}

/* ---- what a test sees of it ---- */

struct fake_hdfs *fake_hdfs_open(void)
{
    struct fake_hdfs *f = calloc(1, sizeof(*f));

    MUST(f != NULL);
    pthread_mutex_init(&f->lock, NULL);
    f->next_id = 16385;
    f->now_ms = EPOCH;
    f->fault_at = SIZE_MAX;
    f->max_attribute = 16384;
    make(f, "", true);
    f->peer = http_peer_open();
    http_peer_handle(f->peer, handle, f);
    return f;
}

void fake_hdfs_close(struct fake_hdfs *f)
{
    if (f == NULL)
        return;
    http_peer_close(f->peer);
    while (f->nodes != NULL)
        drop(f, f->nodes);
    for (size_t i = 0; i < sizeof(f->body) / sizeof(f->body[0]); i++)
        sg_buf_done(&f->body[i]);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

const char *fake_hdfs_base(const struct fake_hdfs *f)
{
    return http_peer_base(f->peer);
}

struct http_peer *fake_hdfs_peer(struct fake_hdfs *f)
{
    return f->peer;
}

void fake_hdfs_fault(struct fake_hdfs *f, size_t k, enum fake_fault fault)
{
    pthread_mutex_lock(&f->lock);
    f->count = 0;
    f->fault_at = fault == FAKE_FINE ? SIZE_MAX : k;
    f->fault = fault;
    pthread_mutex_unlock(&f->lock);
}

size_t fake_hdfs_count(struct fake_hdfs *f)
{
    size_t n;

    pthread_mutex_lock(&f->lock);
    n = f->count;
    pthread_mutex_unlock(&f->lock);
    return n;
}

void fake_hdfs_no_attributes(struct fake_hdfs *f)
{
    f->no_attributes = true;
}

void fake_hdfs_max_attribute(struct fake_hdfs *f, size_t max)
{
    f->max_attribute = max;
}

void fake_hdfs_plain_renames(struct fake_hdfs *f)
{
    f->plain_renames = true;
}

void fake_hdfs_no_inode_paths(struct fake_hdfs *f)
{
    f->no_inodes = true;
}

void fake_hdfs_encrypt(struct fake_hdfs *f, const char *path)
{
    struct node *n;

    pthread_mutex_lock(&f->lock);
    n = find(f, path);
    MUST(n != NULL);
    n->encrypted = true;
    pthread_mutex_unlock(&f->lock);
}

void fake_hdfs_write(struct fake_hdfs *f, const char *path, const char *text)
{
    char up[4096];
    struct node *n;

    pthread_mutex_lock(&f->lock);
    parent_of(path, up);
    assert_true(make_dirs(f, up));
    n = find(f, path);
    if (n != NULL)
        drop(f, n);
    n = make(f, path, false);
    touch_parent(f, path);
    assert_true(sg_buf_adds(&n->text, text, &f->err));
    pthread_mutex_unlock(&f->lock);
}

bool fake_hdfs_has(struct fake_hdfs *f, const char *path)
{
    return fake_hdfs_id(f, path) != 0;
}

uint64_t fake_hdfs_id(struct fake_hdfs *f, const char *path)
{
    const struct node *n;
    uint64_t id;

    pthread_mutex_lock(&f->lock);
    n = find(f, path);
    id = n != NULL ? n->id : 0;
    pthread_mutex_unlock(&f->lock);
    return id;
}

const char *fake_hdfs_text(struct fake_hdfs *f, const char *path)
{
    const struct node *n;

    pthread_mutex_lock(&f->lock);
    n = find(f, path);
    pthread_mutex_unlock(&f->lock);
    return n != NULL && !n->dir ? sg_buf_text(&n->text) : NULL;
}

const char *fake_hdfs_attribute(struct fake_hdfs *f, const char *path)
{
    const struct node *n;

    pthread_mutex_lock(&f->lock);
    n = find(f, path);
    pthread_mutex_unlock(&f->lock);
    return n != NULL && n->has_attribute ? sg_buf_text(&n->attribute) : NULL;
}

size_t fake_hdfs_files(struct fake_hdfs *f, const char *part)
{
    size_t count = 0;

    pthread_mutex_lock(&f->lock);
    for (const struct node *n = f->nodes; n != NULL; n = n->next)
        count += !n->dir && strstr(n->path, part) != NULL;
    pthread_mutex_unlock(&f->lock);
    return count;
}
