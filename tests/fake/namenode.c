#include "namenode.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/buf.h"
#include "stagegraph/json.h"

#define ROOT_ID     16385
#define CONNECTIONS 256
#define REQUEST     8192
#define LATE        16

struct inode {
    uint64_t id, parent; /* parent 0: none */
    char name[256];
    bool is_file;
    int64_t mtime_ms;
};

struct request {
    char method[16], op[32], path[4096], destination[4096];
    bool recursive;
};

struct answer {
    int status;
    struct sg_buf body;
};

struct late {
    struct request request;
    unsigned after; /* 0: free */
};

struct namenode {
    pthread_mutex_t lock;
    struct inode *at;
    size_t n, cap;
    uint64_t next_id;
    int64_t passed_ms;
    char root[64];
    int listener;
    bool silent, stop, plain_renames;
    pthread_t thread;
    struct {
        pthread_t thread;
        int fd;
        bool used, over;
    } connections[CONNECTIONS];
    struct namenode_fault fault;
    unsigned matched;
    bool hit;
    unsigned all;
    struct {
        char op[32];
        unsigned n;
    } counts[16];
    struct late late[LATE];
};

static struct sg_error err; /* what does not work stops the test */

static void must(bool ok)
{
    if (!ok)
        fail_msg("the fake NameNode: out of memory");
}

/* ---- the tree ---- */

static int64_t now_ms(const struct namenode *n)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000 + n->passed_ms;
}

static struct inode *by_id(struct namenode *n, uint64_t id)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->at[i].id == id)
            return &n->at[i];
    return NULL;
}

static struct inode *child(struct namenode *n, uint64_t parent, const char *name, size_t len)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->at[i].parent == parent && strlen(n->at[i].name) == len &&
            memcmp(n->at[i].name, name, len) == 0)
            return &n->at[i];
    return NULL;
}

static unsigned children(struct namenode *n, uint64_t id)
{
    unsigned count = 0;

    for (size_t i = 0; i < n->n; i++)
        count += n->at[i].parent == id;
    return count;
}

static struct inode *add(struct namenode *n, uint64_t parent, const char *name, size_t len,
                         bool is_file)
{
    struct inode *i, *above;

    assert_true(len < sizeof(i->name)); /* the component's limit of HDFS */
    if (n->n == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 64;
        n->at = realloc(n->at, n->cap * sizeof(*n->at));
        must(n->at != NULL);
    }
    i = &n->at[n->n++];
    *i = (struct inode){ .id = n->next_id++, .parent = parent, .is_file = is_file };
    memcpy(i->name, name, len);
    i->mtime_ms = now_ms(n);
    above = by_id(n, parent);
    if (above != NULL)
        above->mtime_ms = i->mtime_ms;
    return i;
}

static void drop(struct namenode *n, uint64_t id)
{
    for (size_t i = 0; i < n->n;) {
        if (n->at[i].parent == id) {
            drop(n, n->at[i].id);
            i = 0;
        } else {
            i++;
        }
    }
    for (size_t i = 0; i < n->n; i++)
        if (n->at[i].id == id) {
            n->at[i] = n->at[--n->n];
            return;
        }
}

/* The inode of a path, NULL: none; *ret_parent and *ret_name are of its last component, the parent
 * NULL where that is not there. *ret_not_dir: a component is a file. */
static struct inode *resolve(struct namenode *n, const char *path, struct inode **ret_parent,
                             const char **ret_name, bool *ret_not_dir)
{
    static const char inodes[] = "/.reserved/.inodes/";
    struct inode *at = by_id(n, ROOT_ID), *parent = NULL;
    const char *name = "";
    char *end;

    *ret_not_dir = false;
    if (strncmp(path, inodes, strlen(inodes)) == 0) {
        at = by_id(n, strtoull(path + strlen(inodes), &end, 10));
        path = end;
        parent = at != NULL ? by_id(n, at->parent) : NULL;
        name = at != NULL ? at->name : "";
    }
    while (*path == '/') {
        size_t len = strcspn(++path, "/");

        if (len == 0)
            break;
        if (at != NULL && at->is_file)
            *ret_not_dir = true;
        parent = at;
        name = path;
        at = at != NULL ? child(n, at->id, path, len) : NULL;
        path += len;
    }
    *ret_parent = parent;
    *ret_name = name;
    return at;
}

/* ---- what it answers ---- */

static void refuse(struct answer *a, int status, const char *exception, const char *message,
                   const char *path)
{
    struct sg_json_writer w;
    char text[5000];

    snprintf(text, sizeof(text), "%s: %s", message, path);
    a->status = status;
    sg_buf_clear(&a->body);
    sg_json_writer_init(&w, &a->body);
    sg_json_begin(&w, NULL, '{');
    sg_json_begin(&w, "RemoteException", '{');
    sg_json_text(&w, "exception", exception);
    sg_json_text(&w, "javaClassName", exception);
    sg_json_text(&w, "message", text);
    sg_json_end(&w);
    sg_json_end(&w);
    must(sg_json_writer_end(&w, &err));
}

static void say_bool(struct answer *a, bool value)
{
    must(sg_buf_addf(&a->body, &err, "{\"boolean\":%s}", value ? "true" : "false"));
}

static void write_status(struct namenode *n, struct sg_json_writer *w, const char *key,
                         const struct inode *i, const char *name)
{
    sg_json_begin(w, key, '{');
    sg_json_i64(w, "accessTime", 0);
    sg_json_i64(w, "blockSize", 0);
    sg_json_i64(w, "childrenNum", i->is_file ? 0 : children(n, i->id));
    sg_json_i64(w, "fileId", (int64_t)i->id);
    sg_json_text(w, "group", "supergroup");
    sg_json_i64(w, "length", 0);
    sg_json_i64(w, "modificationTime", i->mtime_ms);
    sg_json_text(w, "owner", "tester");
    sg_json_text(w, "pathSuffix", name);
    sg_json_text(w, "permission", "755");
    sg_json_i64(w, "replication", 0);
    sg_json_i64(w, "storagePolicy", 0);
    sg_json_text(w, "type", i->is_file ? "FILE" : "DIRECTORY");
    sg_json_end(w);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct inode *const *)a)->name, (*(const struct inode *const *)b)->name);
}

/* The children in order; to be freed. */
static const struct inode **sorted(struct namenode *n, uint64_t id, size_t *ret_n)
{
    const struct inode **list = calloc(n->n + 1, sizeof(struct inode *));

    must(list != NULL);
    *ret_n = 0;
    for (size_t i = 0; i < n->n; i++)
        if (n->at[i].parent == id)
            list[(*ret_n)++] = &n->at[i];
    qsort(list, *ret_n, sizeof(struct inode *), by_name);
    return list;
}

static void do_mkdirs(struct namenode *n, const struct request *r, struct answer *a)
{
    struct inode *at = by_id(n, ROOT_ID);
    const char *path = r->path;

    while (*path == '/') {
        size_t len = strcspn(++path, "/");
        uint64_t parent = at->id;

        if (len == 0)
            break;
        if (at->is_file) {
            refuse(a, 403, "ParentNotDirectoryException", "Parent path is not a directory", path);
            return;
        }
        at = child(n, parent, path, len);
        if (at == NULL)
            at = add(n, parent, path, len, false);
        path += len;
    }
    say_bool(a, true);
}

static void move(struct namenode *n, struct inode *from, struct inode *to, const char *name)
{
    struct inode *parent = by_id(n, from->parent);
    char again[256];

    assert_true(strlen(name) < sizeof(again));
    snprintf(again, sizeof(again), "%s", name); /* it may be the name that is replaced */
    memcpy(from->name, again, sizeof(again));
    from->parent = to->id;
    to->mtime_ms = now_ms(n);
    if (parent != NULL)
        parent->mtime_ms = to->mtime_ms;
}

/* Onto a directory: into it. */
static void do_plain_rename(struct namenode *n, const struct request *r, struct answer *a)
{
    struct inode *parent, *to_parent, *from, *to;
    const char *from_name, *to_name;
    bool not_dir;

    from = resolve(n, r->path, &parent, &from_name, &not_dir);
    to = resolve(n, r->destination, &to_parent, &to_name, &not_dir);
    if (to != NULL && !to->is_file && from != NULL) {
        to_parent = to;
        to_name = from->name;
        to = child(n, to_parent->id, to_name, strlen(to_name));
    }
    if (from != NULL && to == NULL && to_parent != NULL && !to_parent->is_file) {
        move(n, from, to_parent, to_name);
        say_bool(a, true);
    } else {
        say_bool(a, false);
    }
}

static void do_rename(struct namenode *n, const struct request *r, struct answer *a)
{
    struct inode *from_parent, *to_parent, *from, *to;
    const char *from_name, *to_name;
    bool not_dir;

    if (n->plain_renames) {
        do_plain_rename(n, r, a);
        return;
    }
    from = resolve(n, r->path, &from_parent, &from_name, &not_dir);
    to = resolve(n, r->destination, &to_parent, &to_name, &not_dir);
    if (from == NULL)
        refuse(a, 404, "FileNotFoundException", "rename source is not found", r->path);
    else if (to != NULL)
        refuse(a, 403, "FileAlreadyExistsException", "rename destination already exists",
               r->destination);
    else if (not_dir)
        refuse(a, 403, "ParentNotDirectoryException", "rename destination parent is a file",
               r->destination);
    else if (to_parent == NULL)
        refuse(a, 404, "FileNotFoundException", "rename destination parent not found",
               r->destination);
    else
        move(n, from, to_parent, to_name);
}

static void do_delete(struct namenode *n, const struct request *r, struct answer *a)
{
    struct inode *parent, *at;
    const char *name;
    bool not_dir;

    at = resolve(n, r->path, &parent, &name, &not_dir);
    if (at == NULL && strncmp(r->path, "/.reserved/", 11) == 0) {
        refuse(a, 404, "FileNotFoundException", "File for given inode path does not exist",
               r->path);
    } else if (at != NULL && !r->recursive && children(n, at->id) > 0) {
        refuse(a, 403, "PathIsNotEmptyDirectoryException", "is non empty", r->path);
    } else {
        if (at != NULL) {
            parent->mtime_ms = now_ms(n);
            drop(n, at->id);
        }
        say_bool(a, at != NULL);
    }
}

static void do_status(struct namenode *n, const struct request *r, struct answer *a, bool list)
{
    struct inode *parent, *at;
    struct sg_json_writer w;
    const char *name;
    bool not_dir;

    at = resolve(n, r->path, &parent, &name, &not_dir);
    if (at == NULL) {
        refuse(a, 404, "FileNotFoundException", "File does not exist", r->path);
        return;
    }
    sg_json_writer_init(&w, &a->body);
    sg_json_begin(&w, NULL, '{');
    if (!list) {
        write_status(n, &w, "FileStatus", at, "");
    } else {
        size_t count;
        const struct inode **all = sorted(n, at->id, &count);

        sg_json_begin(&w, "FileStatuses", '{');
        sg_json_begin(&w, "FileStatus", '[');
        if (at->is_file)
            write_status(n, &w, NULL, at, "");
        for (size_t i = 0; i < count; i++)
            write_status(n, &w, NULL, all[i], all[i]->name);
        sg_json_end(&w);
        sg_json_end(&w);
        free((void *)all);
    }
    sg_json_end(&w);
    must(sg_json_writer_end(&w, &err));
}

static void perform(struct namenode *n, const struct request *r, struct answer *a)
{
    sg_buf_clear(&a->body);
    a->status = 200;
    if (strcmp(r->op, "MKDIRS") == 0)
        do_mkdirs(n, r, a);
    else if (strcmp(r->op, "RENAME") == 0)
        do_rename(n, r, a);
    else if (strcmp(r->op, "DELETE") == 0)
        do_delete(n, r, a);
    else if (strcmp(r->op, "GETFILESTATUS") == 0)
        do_status(n, r, a, false);
    else if (strcmp(r->op, "LISTSTATUS") == 0)
        do_status(n, r, a, true);
    else
        refuse(a, 400, "IllegalArgumentException", "the fake NameNode does not do that", r->op);
}

/* ---- what goes wrong ---- */

static void count(struct namenode *n, const char *op)
{
    n->all++;
    for (size_t i = 0; i < sizeof(n->counts) / sizeof(n->counts[0]); i++) {
        if (n->counts[i].n == 0)
            snprintf(n->counts[i].op, sizeof(n->counts[i].op), "%s", op);
        if (strcmp(n->counts[i].op, op) == 0) {
            n->counts[i].n++;
            return;
        }
    }
}

static bool strikes(struct namenode *n, const char *op)
{
    const struct namenode_fault *f = &n->fault;
    bool now;

    if (f->how == NAMENODE_FINE || (f->op != NULL && strcmp(f->op, op) != 0))
        return false;
    n->matched++;
    now = n->matched == f->at ||
          (f->every != 0 && n->matched > f->at && (n->matched - f->at) % f->every == 0);
    n->hit = n->hit || now;
    return now;
}

static void do_late(struct namenode *n)
{
    struct answer ignored = { .body = SG_BUF_INIT };

    for (size_t i = 0; i < LATE; i++)
        if (n->late[i].after > 0 && --n->late[i].after == 0)
            perform(n, &n->late[i].request, &ignored);
    sg_buf_done(&ignored.body);
}

static void put_off(struct namenode *n, const struct request *r)
{
    for (size_t i = 0; i < LATE; i++)
        if (n->late[i].after == 0) {
            n->late[i].request = *r;
            n->late[i].after = n->fault.late + 1;
            return;
        }
    fail_msg("the fake NameNode: too many late requests");
}

/* False: there is no answer. */
static bool serve(struct namenode *n, const struct request *r, struct answer *a)
{
    bool strike, answers = true;

    pthread_mutex_lock(&n->lock);
    count(n, r->op);
    strike = strikes(n, r->op);
    if (!strike || n->fault.how == NAMENODE_AFTER)
        perform(n, r, a);
    else if (n->fault.how == NAMENODE_LATE)
        put_off(n, r);
    answers = !strike && !n->silent;
    do_late(n);
    pthread_mutex_unlock(&n->lock);
    return answers;
}

/* ---- HTTP ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static void decode(const char *at, size_t n, char *ret, size_t cap)
{
    size_t len = 0;

    for (size_t i = 0; i < n && len + 1 < cap; i++) {
        if (at[i] == '%' && i + 2 < n && hex(at[i + 1]) >= 0 && hex(at[i + 2]) >= 0) {
            ret[len++] = (char)(hex(at[i + 1]) * 16 + hex(at[i + 2]));
            i += 2;
        } else {
            ret[len++] = at[i];
        }
    }
    ret[len] = '\0';
}

/* "PUT /webhdfs/v1/root/x?op=MKDIRS&… HTTP/1.1" */
static bool parse(const char *head, struct request *r)
{
    static const char prefix[] = "/webhdfs/v1";
    const char *at = strchr(head, ' '), *end, *query;

    memset(r, 0, sizeof(*r));
    if (at == NULL || (size_t)(at - head) >= sizeof(r->method))
        return false;
    memcpy(r->method, head, (size_t)(at - head));
    at++;
    end = strpbrk(at, " \r\n");
    if (end == NULL || strncmp(at, prefix, strlen(prefix)) != 0)
        return false;
    at += strlen(prefix);
    query = memchr(at, '?', (size_t)(end - at));
    if (query == NULL)
        return false;
    decode(at, (size_t)(query - at), r->path, sizeof(r->path));
    for (at = query + 1; at < end; at += strcspn(at, "& ") + 1) {
        size_t n = strcspn(at, "& ");

        if (strncmp(at, "op=", 3) == 0)
            decode(at + 3, n - 3, r->op, sizeof(r->op));
        else if (strncmp(at, "destination=", 12) == 0)
            decode(at + 12, n - 12, r->destination, sizeof(r->destination));
        else if (strncmp(at, "recursive=true", 14) == 0)
            r->recursive = true;
    }
    return true;
}

static bool answer(struct namenode *n, int fd, const struct answer *a)
{
    struct sg_error failed = SG_ERROR_INIT;
    struct sg_buf out = SG_BUF_INIT;
    char date[64];
    time_t now;
    struct tm tm;
    bool ok;

    pthread_mutex_lock(&n->lock);
    now = (time_t)(now_ms(n) / 1000);
    pthread_mutex_unlock(&n->lock);
    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    ok = sg_buf_addf(&out, &failed,
                     "HTTP/1.1 %d X\r\nDate: %s\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     a->status, date, a->body.len, sg_buf_text(&a->body)) &&
         send(fd, out.at, out.len, MSG_NOSIGNAL) == (ssize_t)out.len;
    sg_buf_done(&out);
    return ok;
}

struct peer {
    struct namenode *n;
    int fd;
    size_t slot;
};

static void *run_connection(void *arg)
{
    struct peer p = *(struct peer *)arg;
    struct answer a = { .body = SG_BUF_INIT };
    char in[REQUEST];
    size_t len = 0;
    struct request r;

    free(arg);
    for (;;) {
        char *end;
        ssize_t got = recv(p.fd, in + len, sizeof(in) - 1 - len, 0);

        if (got <= 0)
            break;
        len += (size_t)got;
        in[len] = '\0';
        end = strstr(in, "\r\n\r\n");
        if (end == NULL && len + 1 < sizeof(in))
            continue;
        if (end == NULL || !parse(in, &r) || !serve(p.n, &r, &a) || !answer(p.n, p.fd, &a))
            break;
        len -= (size_t)(end + 4 - in);
        memmove(in, end + 4, len);
    }
    sg_buf_done(&a.body);
    pthread_mutex_lock(&p.n->lock);
    shutdown(p.fd, SHUT_RDWR);
    p.n->connections[p.slot].over = true;
    pthread_mutex_unlock(&p.n->lock);
    return NULL;
}

/* Under the lock. */
static void bury(struct namenode *n, size_t i)
{
    pthread_t thread = n->connections[i].thread;
    int fd = n->connections[i].fd;

    pthread_mutex_unlock(&n->lock);
    pthread_join(thread, NULL);
    close(fd);
    pthread_mutex_lock(&n->lock);
    n->connections[i].used = false;
}

static void take(struct namenode *n, int fd)
{
    struct peer *p = malloc(sizeof(*p));
    size_t i = 0;

    must(p != NULL);
    pthread_mutex_lock(&n->lock);
    for (size_t k = 0; k < CONNECTIONS; k++)
        if (n->connections[k].used && n->connections[k].over)
            bury(n, k);
    while (i < CONNECTIONS && n->connections[i].used)
        i++;
    if (i == CONNECTIONS || n->silent) {
        close(fd);
        free(p);
    } else {
        *p = (struct peer){ n, fd, i };
        n->connections[i].fd = fd;
        n->connections[i].over = false;
        n->connections[i].used = true;
        must(pthread_create(&n->connections[i].thread, NULL, run_connection, p) == 0);
    }
    pthread_mutex_unlock(&n->lock);
}

static void *run_listener(void *arg)
{
    struct namenode *n = arg;
    int fd;

    while ((fd = accept4(n->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        take(n, fd);
    return NULL;
}

/* ---- what the test sees ---- */

struct namenode *namenode_open(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    struct namenode *n = calloc(1, sizeof(*n));

    must(n != NULL);
    pthread_mutex_init(&n->lock, NULL);
    n->next_id = ROOT_ID;
    add(n, 0, "", 0, false);
    add(n, ROOT_ID, "root", 4, false);
    n->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(n->listener >= 0);
    assert_int_equal(bind(n->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(n->listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(listen(n->listener, 128), 0);
    snprintf(n->root, sizeof(n->root), "webhdfs://127.0.0.1:%u/root", ntohs(address.sin_port));
    must(pthread_create(&n->thread, NULL, run_listener, n) == 0);
    return n;
}

void namenode_close(struct namenode *n)
{
    if (n == NULL)
        return;
    shutdown(n->listener, SHUT_RDWR); /* wakes accept() */
    pthread_join(n->thread, NULL);
    close(n->listener);
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < CONNECTIONS; i++)
        if (n->connections[i].used) {
            shutdown(n->connections[i].fd, SHUT_RDWR);
            bury(n, i);
        }
    pthread_mutex_unlock(&n->lock);
    pthread_mutex_destroy(&n->lock);
    free(n->at);
    free(n);
}

const char *namenode_root(const struct namenode *n)
{
    return n->root;
}

void namenode_arm(struct namenode *n, struct namenode_fault fault)
{
    pthread_mutex_lock(&n->lock);
    n->fault = fault;
    n->matched = n->all = 0;
    n->hit = false;
    memset(n->counts, 0, sizeof(n->counts));
    pthread_mutex_unlock(&n->lock);
}

bool namenode_hit(struct namenode *n)
{
    bool ret;

    pthread_mutex_lock(&n->lock);
    ret = n->hit;
    pthread_mutex_unlock(&n->lock);
    return ret;
}

unsigned namenode_count(struct namenode *n, const char *op)
{
    unsigned ret = 0;

    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < sizeof(n->counts) / sizeof(n->counts[0]); i++)
        if (op != NULL && strcmp(n->counts[i].op, op) == 0)
            ret = n->counts[i].n;
    if (op == NULL)
        ret = n->all;
    pthread_mutex_unlock(&n->lock);
    return ret;
}

void namenode_silence(struct namenode *n, bool silent)
{
    pthread_mutex_lock(&n->lock);
    n->silent = silent;
    for (size_t i = 0; silent && i < CONNECTIONS; i++)
        if (n->connections[i].used && !n->connections[i].over)
            shutdown(n->connections[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&n->lock);
}

void namenode_plain_renames(struct namenode *n)
{
    n->plain_renames = true;
}

void namenode_pass(struct namenode *n, int64_t ms)
{
    pthread_mutex_lock(&n->lock);
    n->passed_ms += ms;
    pthread_mutex_unlock(&n->lock);
}

static void inside(struct namenode *n, const char *op, const char *path)
{
    struct answer a = { .body = SG_BUF_INIT };
    struct request r = { .recursive = true };

    snprintf(r.op, sizeof(r.op), "%s", op);
    snprintf(r.path, sizeof(r.path), "/root/%s", path);
    perform(n, &r, &a);
    assert_int_equal(a.status, 200);
    sg_buf_done(&a.body);
}

void namenode_make_dir(struct namenode *n, const char *path)
{
    pthread_mutex_lock(&n->lock);
    inside(n, "MKDIRS", path);
    pthread_mutex_unlock(&n->lock);
}

static struct inode *find(struct namenode *n, const char *path)
{
    char full[4096];
    struct inode *parent;
    const char *name;
    bool not_dir;

    snprintf(full, sizeof(full), "/root/%s", path);
    return resolve(n, full, &parent, &name, &not_dir);
}

void namenode_make_file(struct namenode *n, const char *path)
{
    pthread_mutex_lock(&n->lock);
    inside(n, "MKDIRS", path);
    find(n, path)->is_file = true;
    pthread_mutex_unlock(&n->lock);
}

void namenode_remove(struct namenode *n, const char *path)
{
    pthread_mutex_lock(&n->lock);
    inside(n, "DELETE", path);
    pthread_mutex_unlock(&n->lock);
}

bool namenode_has(struct namenode *n, const char *path)
{
    bool ret;

    pthread_mutex_lock(&n->lock);
    ret = find(n, path) != NULL;
    pthread_mutex_unlock(&n->lock);
    return ret;
}

char *namenode_names(struct namenode *n, const char *path)
{
    struct sg_buf out = SG_BUF_INIT;
    const struct inode **all;
    struct inode *at;
    size_t count = 0;

    pthread_mutex_lock(&n->lock);
    at = find(n, path);
    all = sorted(n, at != NULL ? at->id : UINT64_MAX, &count);
    for (size_t i = 0; i < count; i++)
        must(sg_buf_addf(&out, &err, "%s ", all[i]->name));
    pthread_mutex_unlock(&n->lock);
    free((void *)all);
    if (out.at == NULL)
        must(sg_buf_reserve(&out, 1, &err));
    return sg_buf_move(&out);
}
