#include "http_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/buf.h"

#define MAX_LIVE 1024

/* A request and the bytes that it points into. */
struct record {
    struct http_request r;
    char *head, *body;
    struct record *next;
};

struct planned {
    struct http_reply reply;
    unsigned used;
    struct planned *next;
};

struct live {
    struct http_peer *peer;
    pthread_t thread;
    int fd;
    unsigned number;
};

struct http_peer {
    int listener;
    unsigned port;
    char base[64];
    pthread_t acceptor;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    bool closing, go;
    struct record *records, **last_record;
    struct record *gone; /* those that were cleared */
    struct planned *plans, **last_plan;
    struct live live[MAX_LIVE];
    size_t n_live, n_records, in_work, peak, unexpected;
    char surprise[200];
    http_peer_fn *fn;
    void *ctx;
    const char *greeting; /* instead of all else */
};

/* The threads of the peer can't fail a test by cmocka, which jumps. */
static void broken(const char *what)
{
    fprintf(stderr, "http_peer: %s: %s\n", what, strerror(errno));
    abort();
}

static void lock(struct http_peer *p)
{
    if (pthread_mutex_lock(&p->lock) != 0)
        broken("lock");
}

static void unlock(struct http_peer *p)
{
    (void)pthread_mutex_unlock(&p->lock);
}

static void *must(void *memory)
{
    if (memory == NULL)
        broken("memory");
    return memory;
}

/* ---- reading a request */

/* Bytes that came and are not yet taken. */
struct input {
    int fd;
    char *at;
    size_t len, cap;
};

/* False: the other side closed, or broke. */
static bool more(struct input *in)
{
    ssize_t n;

    if (in->len + 1 >= in->cap) {
        in->cap = in->cap == 0 ? 4096 : 2 * in->cap;
        in->at = must(realloc(in->at, in->cap));
    }
    n = recv(in->fd, in->at + in->len, in->cap - 1 - in->len, 0);
    if (n <= 0)
        return false;
    in->len += (size_t)n;
    in->at[in->len] = '\0';
    return true;
}

/* A copy of the first n bytes, which are taken. */
static char *cut_off(struct input *in, size_t n)
{
    char *copy = must(malloc(n + 1));

    memcpy(copy, in->at, n);
    copy[n] = '\0';
    in->len -= n;
    memmove(in->at, in->at + n, in->len + 1);
    return copy;
}

static char *find_header(const char *headers, const char *name)
{
    size_t n = strlen(name);

    for (const char *line = headers; line != NULL && *line != '\0';) {
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            const char *value = line + n + 1 + strspn(line + n + 1, " ");

            return must(strndup(value, strcspn(value, "\r\n")));
        }
        line = strstr(line, "\r\n");
        if (line != NULL)
            line += 2;
    }
    return NULL;
}

static size_t content_length(const char *headers)
{
    char *text = find_header(headers, "Content-Length");
    size_t n = text != NULL ? strtoul(text, NULL, 10) : 0;

    free(text);
    return n;
}

/* NULL: the connection ended before a whole request was there. Chunked bodies are not read. */
static struct record *read_request(struct input *in, unsigned connection)
{
    struct record *rec;
    char *end, *rest;
    size_t n;

    while (in->len == 0 || (end = strstr(in->at, "\r\n\r\n")) == NULL) {
        if (!more(in))
            return NULL;
    }
    rec = must(calloc(1, sizeof *rec));
    rec->head = cut_off(in, (size_t)(end - in->at) + 2);
    free(cut_off(in, 2));
    rest = strstr(rec->head, "\r\n");
    n = content_length(rest + 2);
    while (in->len < n) {
        if (!more(in)) {
            free(rec->head);
            free(rec);
            return NULL;
        }
    }
    rec->body = cut_off(in, n);
    *rest = '\0';
    rec->r = (struct http_request){ .method = strtok_r(rec->head, " ", &end),
                                    .headers = rest + 2,
                                    .body = rec->body,
                                    .body_len = n,
                                    .connection = connection };
    rec->r.target = strtok_r(NULL, " ", &end);
    return rec;
}

static void free_record(struct record *rec)
{
    free(rec->head);
    free(rec->body);
    free(rec);
}

/* ---- choosing the reply */

static bool matches(const struct http_reply *reply, const struct http_request *r)
{
    size_t n = strlen(r->method);
    const char *m = reply->match;

    return m == NULL || (strncmp(m, r->method, n) == 0 && m[n] == ' ' &&
                         strncmp(m + n + 1, r->target, strlen(m + n + 1)) == 0);
}

static unsigned times_of(const struct http_reply *reply)
{
    return reply->times == 0 ? 1 : reply->times;
}

/* Locked. */
static struct http_reply choose(struct http_peer *p, const struct http_request *r)
{
    struct http_reply reply = { .status = 0 };

    for (struct planned *plan = p->plans; plan != NULL; plan = plan->next) {
        if (plan->used < times_of(&plan->reply) && matches(&plan->reply, r)) {
            plan->used += plan->reply.times != HTTP_ALWAYS;
            return plan->reply;
        }
    }
    if (p->fn != NULL && p->fn(p->ctx, r, &reply))
        return reply;
    if (p->unexpected++ == 0)
        (void)snprintf(p->surprise, sizeof p->surprise, "%s %s", r->method, r->target);
    return (struct http_reply){ .status = 500, .body = "nobody said what to answer" };
}

/* Notes the request and says what to answer, once that may be sent. */
static struct http_reply take_reply(struct http_peer *p, struct record *rec)
{
    struct http_reply reply;

    lock(p);
    *p->last_record = rec;
    p->last_record = &rec->next;
    p->n_records++;
    if (++p->in_work > p->peak)
        p->peak = p->in_work;
    reply = choose(p, &rec->r);
    (void)pthread_cond_broadcast(&p->changed);
    while (reply.held && !p->go && !p->closing)
        (void)pthread_cond_wait(&p->changed, &p->lock);
    p->in_work--;
    unlock(p);
    return reply;
}

/* ---- answering */

static void add(struct sg_buf *b, const void *bytes, size_t n)
{
    struct sg_error err = SG_ERROR_INIT;

    if (n > 0 && !sg_buf_add(b, bytes, n, &err))
        broken(err.text);
}

static void add_text(struct sg_buf *b, const char *text)
{
    add(b, text, strlen(text));
}

static void add_chunks(struct sg_buf *b, const char *body, size_t n)
{
    char size[16];

    for (size_t i = 0, part; i < n; i += part) {
        part = n - i < 7 ? n - i : 7;
        (void)snprintf(size, sizeof size, "%zx\r\n", part);
        add_text(b, size);
        add(b, body + i, part);
        add_text(b, "\r\n");
    }
    add_text(b, "0\r\n\r\n");
}

/* The whole answer; returns where its body begins. */
static size_t compose(const struct http_reply *reply, struct sg_buf *out)
{
    size_t n = reply->body == NULL    ? 0
               : reply->body_len != 0 ? reply->body_len
                                      : strlen(reply->body);
    size_t begin;
    char line[96];

    (void)snprintf(line, sizeof line, "HTTP/1.1 %d Word\r\n",
                   reply->status != 0 ? reply->status : 200);
    add_text(out, line);
    if (reply->headers != NULL)
        add_text(out, reply->headers);
    if (reply->framing == HTTP_LENGTH) {
        (void)snprintf(line, sizeof line, "Content-Length: %lld\r\n",
                       (long long)n + (long long)reply->lie);
        add_text(out, line);
    }
    if (reply->framing == HTTP_CHUNKED)
        add_text(out, "Transfer-Encoding: chunked\r\n");
    if (reply->end != HTTP_KEEP || reply->framing == HTTP_CLOSE)
        add_text(out, "Connection: close\r\n");
    add_text(out, "\r\n");
    begin = out->len;
    if (reply->framing == HTTP_CHUNKED)
        add_chunks(out, reply->body != NULL ? reply->body : "", n);
    else
        add(out, reply->body, n);
    return begin;
}

/* False: nobody listens any more. */
static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL);

        if (done < 0)
            return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

/* Waits until the other side closes, at most ms (-1: without end). True: it has not. */
static bool wait_for_close(int fd, int ms)
{
    struct pollfd f = { .fd = fd, .events = POLLIN | POLLRDHUP };

    return poll(&f, 1, ms) == 0;
}

static bool send_slowly(int fd, const char *bytes, size_t n, unsigned pace_ms)
{
    bool ok = true;

    for (size_t i = 0; ok && i < n; i++)
        ok = send_all(fd, bytes + i, 1) && wait_for_close(fd, (int)pace_ms);
    return ok;
}

/* True: the connection may have further requests. */
static bool answer(int fd, const struct http_reply *reply)
{
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    struct sg_buf out = SG_BUF_INIT;
    size_t begin = 0, n;
    bool ok = true;

    if (!reply->silent) {
        begin = compose(reply, &out);
        n = reply->cut && reply->cut_after < out.len ? reply->cut_after : out.len;
        begin = begin < n ? begin : n;
        if (reply->pace_ms == 0)
            ok = send_all(fd, out.at, n);
        else
            ok = send_all(fd, out.at, begin) &&
                 send_slowly(fd, out.at + begin, n - begin, reply->pace_ms);
    }
    sg_buf_done(&out);
    if (reply->end == HTTP_HANG && ok)
        (void)wait_for_close(fd, -1);
    if (reply->end == HTTP_RESET)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return ok && reply->end == HTTP_KEEP && !reply->silent && !reply->cut &&
           reply->framing != HTTP_CLOSE;
}

static const char *greeting_of(struct http_peer *p)
{
    const char *text;

    lock(p);
    text = p->greeting;
    unlock(p);
    return text;
}

static void *serve(void *ctx)
{
    struct live *l = ctx;
    struct input in = { .fd = l->fd };
    struct record *rec;
    struct http_reply reply;
    const char *greeting = greeting_of(l->peer);

    if (greeting != NULL && more(&in))
        (void)send_all(l->fd, greeting, strlen(greeting));
    while (greeting == NULL && (rec = read_request(&in, l->number)) != NULL) {
        reply = take_reply(l->peer, rec);
        if (!answer(l->fd, &reply))
            break;
    }
    free(in.at);
    lock(l->peer); /* http_peer_close shuts down only what is open */
    (void)close(l->fd);
    l->fd = -1;
    unlock(l->peer);
    return NULL;
}

static void *accept_all(void *ctx)
{
    struct http_peer *p = ctx;
    int fd, one = 1;

    while ((fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct live *l;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        lock(p);
        if (p->closing || p->n_live == MAX_LIVE) {
            (void)close(fd);
            unlock(p);
            continue;
        }
        l = &p->live[p->n_live];
        *l = (struct live){ .peer = p, .fd = fd, .number = (unsigned)p->n_live };
        p->n_live++;
        if (pthread_create(&l->thread, NULL, serve, l) != 0)
            broken("thread");
        unlock(p);
    }
    return NULL;
}

/* ---- for the test */

struct http_peer *http_peer_open(void)
{
    struct http_peer *p = must(calloc(1, sizeof *p));
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof a;

    p->last_record = &p->records;
    p->last_plan = &p->plans;
    if (pthread_mutex_init(&p->lock, NULL) != 0 || pthread_cond_init(&p->changed, NULL) != 0)
        broken("lock");
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(p->listener, 64) != 0 || getsockname(p->listener, (struct sockaddr *)&a, &n) != 0)
        broken("listen");
    p->port = ntohs(a.sin_port);
    (void)snprintf(p->base, sizeof p->base, "http://127.0.0.1:%u", p->port);
    if (pthread_create(&p->acceptor, NULL, accept_all, p) != 0)
        broken("thread");
    return p;
}

static void free_records(struct record *list)
{
    for (struct record *rec = list, *next; rec != NULL; rec = next) {
        next = rec->next;
        free_record(rec);
    }
}

static void free_plans(struct http_peer *p)
{
    for (struct planned *plan = p->plans, *next; plan != NULL; plan = next) {
        next = plan->next;
        free(plan);
    }
    p->plans = NULL;
    p->last_plan = &p->plans;
}

void http_peer_close(struct http_peer *p)
{
    if (p == NULL)
        return;
    lock(p);
    p->closing = true;
    (void)pthread_cond_broadcast(&p->changed);
    for (size_t i = 0; i < p->n_live; i++) {
        if (p->live[i].fd >= 0)
            (void)shutdown(p->live[i].fd, SHUT_RDWR);
    }
    unlock(p);
    (void)shutdown(p->listener, SHUT_RDWR);
    (void)pthread_join(p->acceptor, NULL);
    for (size_t i = 0; i < p->n_live; i++)
        (void)pthread_join(p->live[i].thread, NULL);
    (void)close(p->listener);
    free_records(p->records);
    free_records(p->gone);
    free_plans(p);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

const char *http_peer_base(const struct http_peer *p)
{
    return p->base;
}

unsigned http_peer_port(const struct http_peer *p)
{
    return p->port;
}

void http_peer_reply(struct http_peer *p, const struct http_reply *reply)
{
    struct planned *plan = must(calloc(1, sizeof *plan));

    plan->reply = *reply;
    lock(p);
    *p->last_plan = plan;
    p->last_plan = &plan->next;
    unlock(p);
}

void http_peer_handle(struct http_peer *p, http_peer_fn *fn, void *ctx)
{
    lock(p);
    p->fn = fn;
    p->ctx = ctx;
    unlock(p);
}

void http_peer_greet(struct http_peer *p, const char *text)
{
    lock(p);
    p->greeting = text;
    unlock(p);
}

void http_peer_wait(struct http_peer *p, size_t n)
{
    lock(p);
    while (p->n_records < n)
        (void)pthread_cond_wait(&p->changed, &p->lock);
    unlock(p);
}

void http_peer_let_go(struct http_peer *p)
{
    lock(p);
    p->go = true;
    (void)pthread_cond_broadcast(&p->changed);
    unlock(p);
}

static size_t read_locked(struct http_peer *p, const size_t *value)
{
    size_t n;

    lock(p);
    n = *value;
    unlock(p);
    return n;
}

size_t http_peer_requests(struct http_peer *p)
{
    return read_locked(p, &p->n_records);
}

size_t http_peer_connections(struct http_peer *p)
{
    return read_locked(p, &p->n_live);
}

size_t http_peer_peak(struct http_peer *p)
{
    return read_locked(p, &p->peak);
}

const struct http_request *http_peer_request(struct http_peer *p, size_t i)
{
    struct record *rec;

    lock(p);
    rec = p->records;
    while (rec != NULL && i-- > 0)
        rec = rec->next;
    unlock(p);
    if (rec == NULL)
        fail_msg("the peer has no such request");
    return &rec->r;
}

const char *http_peer_header(const struct http_request *r, const char *name)
{
    static char text[4][1024];
    static atomic_uint turn;
    char *value = find_header(r->headers, name), *to = text[atomic_fetch_add(&turn, 1) % 4];

    if (value == NULL)
        return NULL;
    (void)snprintf(to, sizeof text[0], "%s", value);
    free(value);
    return to;
}

void http_peer_check(struct http_peer *p)
{
    char unused[200] = "", surprise[sizeof p->surprise] = "";

    lock(p);
    for (const struct planned *plan = p->plans; plan != NULL; plan = plan->next) {
        if (unused[0] == '\0' && plan->reply.times != HTTP_ALWAYS &&
            plan->used < times_of(&plan->reply))
            (void)snprintf(unused, sizeof unused, "%s",
                           plan->reply.match != NULL ? plan->reply.match : "anything");
    }
    if (p->unexpected > 0)
        memcpy(surprise, p->surprise, sizeof surprise);
    unlock(p);
    if (surprise[0] != '\0')
        fail_msg("the peer was asked %s, for which there is no reply", surprise);
    if (unused[0] != '\0')
        fail_msg("the peer was never asked %s", unused);
}

void http_peer_clear(struct http_peer *p)
{
    lock(p);
    *p->last_record = p->gone;
    p->gone = p->records;
    p->records = NULL;
    p->last_record = &p->records;
    p->n_records = p->peak = p->unexpected = 0;
    p->go = false;
    free_plans(p);
    unlock(p);
}
