/*
 * faultproxy: an HTTP server in front of a NameNode and its DataNodes that does what networks do.
 *
 *   faultproxy HOST:PORT          prints "PORT\n", its own on 127.0.0.1, and serves until it is
 * killed
 *
 * Of every answer it rewrites the addresses of other servers ("Location") so that the second step
 * at a DataNode comes here too, as /@HOST:PORT/…. As a gateway it has the NameNode below a path of
 * its own too, /gateway/default/webhdfs/v1/…. It is told what to spoil over HTTP itself:
 *
 *   PUT /-/rules    the body: a rule a line, instead of those before; the log begins anew
 *   GET /-/log      a line a request: METHOD OP STATUS PATH what-was-done ("-": nothing)
 *
 * A rule is `WHICH FROM COUNT WHAT`: of the requests that WHICH means, those from the FROM-th on
 * (the first is 1), COUNT of them (0: all), are spoiled. WHICH is `any`, `read` or `change` (of the
 * NameNode), `data` (a DataNode), or an operation ("RENAME"). The first rule that applies counts.
 * WHAT is one of
 *
 *   drop            the connection closes, the request goes nowhere
 *   lose            the request is done, its answer is lost
 *   cut N           the answer ends after N bytes of its body, the length says otherwise
 *   slow MS         so long after each byte of the answer's body
 *   say TEXT        status 200 and this body instead, the request goes nowhere
 *   status N TEXT   that status, TEXT as its body
 *   refuse N NAME MESSAGE    that status with a RemoteException of that name
 *   nowhere         a redirect to a port where nobody listens
 *   close MS        as drop, and for so long nobody listens here either
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define RULES_MAX 32
#define HEAD_MAX  65536
#define GATEWAY   "/gateway/default"

struct rule {
    char which[40], what[16];
    long from, count, number; /* number: N or MS */
    char text[512];           /* may hold blanks */
    long seen;                /* requests that it means */
};

struct bytes {
    char *at;
    size_t len, cap;
};

struct request {
    struct bytes raw; /* the head, and all of the body */
    size_t head;      /* length of the head */
    char method[16], op[40];
    char target[8192]; /* as asked for */
    const char *path;  /* of target, without /@HOST:PORT */
    char host[256];    /* of the server that is meant: HOST:PORT */
    bool data;         /* a DataNode */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static size_t n_rules;
static struct bytes log_text;
static const char *namenode;
static int listener = -1;
static atomic_bool closed; /* for a time */
static struct sockaddr_in own;

static void die(const char *what)
{
    (void)fprintf(stderr, "faultproxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void add(struct bytes *b, const void *from, size_t n)
{
    if (b->len + n + 1 > b->cap) {
        b->cap = (b->len + n + 1) * 2;
        b->at = realloc(b->at, b->cap);
        if (b->at == NULL)
            die("memory");
    }
    memcpy(b->at + b->len, from, n);
    b->len += n;
    b->at[b->len] = '\0';
}

static void add_text(struct bytes *b, const char *text)
{
    add(b, text, strlen(text));
}

/* ---- sockets */

/* Below the ports that the system gives to clients: ours stays ours while nobody listens. */
static void listen_here(void)
{
    int one = 1;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
        die("socket");
    for (int tries = 0; tries < 1000; tries++) {
        bool chosen = own.sin_port != 0;

        if (!chosen)
            own.sin_port = htons((uint16_t)(12000 + (getpid() * 13 + tries * 101) % 8000));
        if (bind(listener, (struct sockaddr *)&own, sizeof(own)) == 0 && listen(listener, 256) == 0)
            return;
        if (!chosen)
            own.sin_port = 0;
        (void)usleep(1000);
    }
    die("listen");
}

/* "HOST:PORT"; -1 when nobody answers. */
static int connect_to(const char *address)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;
    char host[256];
    char *colon;
    int fd = -1;

    (void)snprintf(host, sizeof(host), "%s", address);
    colon = strrchr(host, ':');
    if (colon == NULL)
        return -1;
    *colon = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -1;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        (void)close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static bool send_all(int fd, const char *at, size_t n)
{
    while (n != 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* One more piece of what comes; false at its end. */
static bool receive(int fd, struct bytes *b)
{
    char piece[65536];
    ssize_t n = recv(fd, piece, sizeof(piece), 0);

    if (n <= 0)
        return false;
    add(b, piece, (size_t)n);
    return true;
}

/* With RST: the peer sees that the connection broke, not that it was closed. */
static void break_off(int fd)
{
    struct linger now = { .l_onoff = 1 };

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

/* ---- messages */

/* The value of a header field in a head, NULL: it isn't there. Not terminated. */
static const char *field(const struct bytes *b, size_t head, const char *name)
{
    size_t n = strlen(name);

    for (const char *line = b->at; line != NULL && line < b->at + head;) {
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            line += n + 1;
            while (*line == ' ')
                line++;
            return line;
        }
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return NULL;
}

static size_t head_of(const struct bytes *b)
{
    const char *end = b->at == NULL ? NULL : memmem(b->at, b->len, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(end - b->at) + 4;
}

/* The whole body of a request without a length (curl sends what it reads from a pipe so). */
static bool take_chunks(int fd, struct request *r)
{
    struct bytes raw = r->raw, body = { 0 };
    size_t at = r->head;
    bool ok = false;

    for (;;) {
        const char *end;
        size_t n;

        while ((end = memmem(raw.at + at, raw.len - at, "\r\n", 2)) == NULL)
            if (!receive(fd, &raw))
                goto done;
        n = strtoul(raw.at + at, NULL, 16);
        at = (size_t)(end - raw.at) + 2;
        while (raw.len < at + n + 2)
            if (!receive(fd, &raw))
                goto done;
        if (n == 0)
            break;
        add(&body, raw.at + at, n);
        at += n + 2;
    }
    raw.len = r->head;
    if (body.len != 0)
        add(&raw, body.at, body.len);
    ok = true;
done:
    free(body.at);
    r->raw = raw;
    return ok;
}

static bool take_body(int fd, struct request *r)
{
    const char *length = field(&r->raw, r->head, "Content-Length");
    const char *expect = field(&r->raw, r->head, "Expect");
    const char *coding = field(&r->raw, r->head, "Transfer-Encoding");
    size_t n = length == NULL ? 0 : strtoul(length, NULL, 10);
    static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (expect != NULL && !send_all(fd, go, sizeof(go) - 1))
        return false;
    if (coding != NULL && strncasecmp(coding, "chunked", 7) == 0)
        return take_chunks(fd, r);
    while (r->raw.len < r->head + n)
        if (!receive(fd, &r->raw))
            return false;
    return true;
}

/* A request, whole; false: the client has gone. */
static bool take_request(int fd, struct request *r)
{
    const char *op;

    r->raw.len = 0;
    while ((r->head = head_of(&r->raw)) == 0)
        if (r->raw.len > HEAD_MAX || !receive(fd, &r->raw))
            return false;
    if (!take_body(fd, r) || sscanf(r->raw.at, "%15s %8191s", r->method, r->target) != 2)
        return false;
    r->path = r->target;
    r->data = strncmp(r->target, "/@", 2) == 0;
    if (r->data) {
        size_t n = strcspn(r->target + 2, "/");

        if (n >= sizeof(r->host))
            return false;
        (void)snprintf(r->host, sizeof(r->host), "%.*s", (int)n, r->target + 2);
        r->path = r->target + 2 + n;
    } else {
        if (strncmp(r->target, GATEWAY "/", sizeof(GATEWAY)) == 0)
            r->path += strlen(GATEWAY);
        (void)snprintf(r->host, sizeof(r->host), "%s", namenode);
    }
    r->op[0] = '\0';
    op = strstr(r->path, "?op=");
    if (op == NULL)
        op = strstr(r->path, "&op=");
    if (op != NULL)
        (void)sscanf(op + 4, "%39[A-Za-z_]", r->op);
    return true;
}

/* The request to the server that is meant, which closes after its answer: the end of the connection
 * is the end of the answer (HTTP/1.0 knows no chunks). */
static bool forward(const struct request *r, struct bytes *answer)
{
    struct bytes out = { 0 };
    const char *line = strchr(r->raw.at, '\n') + 1, *end = r->raw.at + r->head - 2;
    char length[80];
    int fd = connect_to(r->host);
    bool ok;

    if (fd < 0)
        return false;
    add_text(&out, r->method);
    add_text(&out, " ");
    add_text(&out, r->path);
    add_text(&out, " HTTP/1.0\r\nConnection: close\r\nHost: ");
    add_text(&out, r->host);
    add_text(&out, "\r\n");
    while (line < end) {
        const char *next = strchr(line, '\n') + 1;

        if (strncasecmp(line, "Host:", 5) != 0 && strncasecmp(line, "Connection:", 11) != 0 &&
            strncasecmp(line, "Expect:", 7) != 0 && strncasecmp(line, "Content-Length:", 15) != 0 &&
            strncasecmp(line, "Transfer-Encoding:", 18) != 0)
            add(&out, line, (size_t)(next - line));
        line = next;
    }
    (void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n\r\n", r->raw.len - r->head);
    add_text(&out, length);
    add(&out, r->raw.at + r->head, r->raw.len - r->head);
    ok = send_all(fd, out.at, out.len);
    free(out.at);
    while (ok && receive(fd, answer)) {
    }
    (void)close(fd);
    return ok && head_of(answer) != 0;
}

/* Every "http://HOST:PORT/webhdfs" becomes one of ours. */
static void rewrite(const struct bytes *from, struct bytes *to)
{
    const char *at = from->at, *end = from->at + from->len, *hit;
    char mine[64];

    (void)snprintf(mine, sizeof(mine), "http://localhost:%u/@", ntohs(own.sin_port));
    while ((hit = memmem(at, (size_t)(end - at), "http://", 7)) != NULL) {
        size_t n = strcspn(hit + 7, "/ \r\n\"");

        add(to, at, (size_t)(hit - at));
        if (strncmp(hit + 7 + n, "/webhdfs/", 9) == 0)
            add_text(to, mine);
        else
            add_text(to, "http://");
        add(to, hit + 7, n);
        at = hit + 7 + n;
    }
    add(to, at, (size_t)(end - at));
}

static int status_of(const struct bytes *answer)
{
    int status = 0;

    if (answer->at == NULL || sscanf(answer->at, "HTTP/%*s %d", &status) != 1)
        return 0;
    return status;
}

/* The server's head as ours: HTTP/1.1, with the length of a body that is all there. */
static void add_head(const struct bytes *answer, size_t head, size_t body, struct bytes *out)
{
    const char *line = strchr(answer->at, ' '), *end = answer->at + head - 2;
    char length[80];

    add_text(out, "HTTP/1.1");
    while (line < end) {
        const char *next = strchr(line, '\n') + 1;

        if (strncasecmp(line, "Connection:", 11) != 0 &&
            strncasecmp(line, "Content-Length:", 15) != 0)
            add(out, line, (size_t)(next - line));
        line = next;
    }
    (void)snprintf(length, sizeof(length), "Content-Length: %zu\r\n\r\n", body);
    add_text(out, length);
}

/* ---- rules */

static bool read_rule(const char *line, struct rule *ret)
{
    int used = 0;

    memset(ret, 0, sizeof(*ret));
    if (sscanf(line, "%39s %ld %ld %15s %n", ret->which, &ret->from, &ret->count, ret->what,
               &used) < 4)
        return false;
    line += used;
    used = 0;
    if (sscanf(line, "%ld %n", &ret->number, &used) >= 1)
        line += used;
    (void)snprintf(ret->text, sizeof(ret->text), "%.*s", (int)strcspn(line, "\n"), line);
    return true;
}

/* "" when all of them were understood, else the line that was not. */
static const char *read_rules(const char *text)
{
    const char *wrong = "";

    (void)pthread_mutex_lock(&lock);
    n_rules = 0;
    log_text.len = 0;
    for (const char *line = text; *line != '\0';) {
        const char *next = line + strcspn(line, "\n");

        if (n_rules == RULES_MAX || !read_rule(line, &rules[n_rules])) {
            wrong = line;
            break;
        }
        n_rules++;
        line = next + (*next == '\n');
    }
    (void)pthread_mutex_unlock(&lock);
    return wrong;
}

static bool means(const struct rule *rule, const struct request *r)
{
    bool reads = strcmp(r->method, "GET") == 0;

    if (strcmp(rule->which, "any") == 0)
        return true;
    if (strcmp(rule->which, "data") == 0)
        return r->data;
    if (strcmp(rule->which, "read") == 0)
        return !r->data && reads;
    if (strcmp(rule->which, "change") == 0)
        return !r->data && !reads;
    return !r->data && strcasecmp(rule->which, r->op) == 0;
}

/* Counts the request with all the rules that mean it. */
static bool find_rule(const struct request *r, struct rule *ret)
{
    bool found = false;

    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_rules; i++) {
        struct rule *rule = &rules[i];

        if (!means(rule, r))
            continue;
        rule->seen++;
        if (!found && rule->seen >= rule->from &&
            (rule->count == 0 || rule->seen < rule->from + rule->count)) {
            *ret = *rule;
            found = true;
        }
    }
    (void)pthread_mutex_unlock(&lock);
    return found;
}

static void note(const struct request *r, int status, const char *done)
{
    char line[9000];

    (void)snprintf(line, sizeof(line), "%s %s %d %s%s %s\n", r->method,
                   r->op[0] == '\0' ? "-" : r->op, status, r->data ? "@" : "",
                   r->data ? r->path : r->target, done);
    (void)pthread_mutex_lock(&lock);
    add_text(&log_text, line);
    (void)pthread_mutex_unlock(&lock);
}

/* ---- one request */

static bool say(int fd, int status, const char *type, const char *text, size_t n)
{
    char head[600];

    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 %d Said\r\nContent-Type: %s\r\n%sContent-Length: %zu\r\n\r\n", status,
                   type, status == 401 ? "WWW-Authenticate: Negotiate\r\n" : "", n);
    return send_all(fd, head, strlen(head)) && send_all(fd, text, n);
}

static bool refuse(int fd, const struct rule *rule)
{
    int n = (int)strcspn(rule->text, " ");
    char body[1800];

    (void)snprintf(body, sizeof(body),
                   "{\"RemoteException\":{\"exception\":\"%.*s\",\"javaClassName\":"
                   "\"org.apache.hadoop.%.*s\",\"message\":\"%s\"}}",
                   n, rule->text, n, rule->text, rule->text + n + (rule->text[n] == ' '));
    return say(fd, (int)rule->number, "application/json", body, strlen(body));
}

static bool redirect_nowhere(int fd, const struct request *r)
{
    char head[600];
    const char *body = "{\"Location\":\"http://127.0.0.1:1/webhdfs/v1/nowhere?op=NONE\"}";
    bool json = strstr(r->path, "noredirect=true") != NULL;

    if (json)
        return say(fd, 200, "application/json", body, strlen(body));
    (void)snprintf(head, sizeof(head),
                   "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/webhdfs/v1/nowhere?"
                   "op=NONE\r\nContent-Length: 0\r\n\r\n");
    return send_all(fd, head, strlen(head));
}

static bool trickle(int fd, const char *at, size_t n, long ms)
{
    int one = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    for (size_t i = 0; i < n; i++) {
        if (!send_all(fd, at + i, 1))
            return false;
        (void)usleep((useconds_t)ms * 1000);
    }
    return true;
}

/* What the server says, spoiled on its way back; false: the connection is to be closed. */
static bool pass_on(int fd, const struct request *r, const struct rule *rule)
{
    struct bytes answer = { 0 }, ours = { 0 }, out = { 0 };
    const char *done = rule == NULL ? "-" : rule->what;
    size_t head = 0, body = 0;
    bool ok = false;

    if (!forward(r, &answer)) {
        note(r, 0, "gone");
        break_off(fd);
        goto done;
    }
    note(r, status_of(&answer), done);
    rewrite(&answer, &ours);
    head = head_of(&ours);
    body = ours.len - head;
    add_head(&ours, head, body, &out);
    if (rule != NULL && strcmp(rule->what, "lose") == 0) {
        break_off(fd);
        goto done;
    }
    if (rule != NULL && strcmp(rule->what, "cut") == 0) {
        size_t n = (size_t)rule->number < body ? (size_t)rule->number : body;

        (void)(send_all(fd, out.at, out.len) && send_all(fd, ours.at + head, n));
        goto done;
    }
    ok = send_all(fd, out.at, out.len) && (rule != NULL && strcmp(rule->what, "slow") == 0
                                               ? trickle(fd, ours.at + head, body, rule->number)
                                               : send_all(fd, ours.at + head, body));
done:
    free(answer.at);
    free(ours.at);
    free(out.at);
    return ok;
}

/* shutdown() wakes the main thread, which would go on listening otherwise. */
static void stop_listening(long ms)
{
    (void)pthread_mutex_lock(&lock);
    closed = true;
    (void)shutdown(listener, SHUT_RDWR);
    (void)close(listener);
    (void)usleep((useconds_t)ms * 1000);
    listen_here();
    closed = false;
    (void)pthread_mutex_unlock(&lock);
}

static bool serve_fault(int fd, const struct request *r, const struct rule *rule)
{
    const char *what = rule->what;

    if (strcmp(what, "lose") == 0 || strcmp(what, "cut") == 0 || strcmp(what, "slow") == 0)
        return pass_on(fd, r, rule);
    note(r, 0, what);
    if (strcmp(what, "say") == 0)
        return say(fd, 200, "application/json", rule->text, strlen(rule->text));
    if (strcmp(what, "status") == 0)
        return say(fd, (int)rule->number, "text/html", rule->text, strlen(rule->text));
    if (strcmp(what, "refuse") == 0)
        return refuse(fd, rule);
    if (strcmp(what, "nowhere") == 0)
        return redirect_nowhere(fd, r);
    break_off(fd);
    if (strcmp(what, "close") == 0)
        stop_listening(rule->number);
    return false;
}

/* Requests to ourselves. */
static bool serve_own(int fd, const struct request *r)
{
    const char *wrong;
    bool ok;

    if (strcmp(r->target, "/-/log") == 0) {
        (void)pthread_mutex_lock(&lock);
        ok = say(fd, 200, "text/plain", log_text.at == NULL ? "" : log_text.at, log_text.len);
        (void)pthread_mutex_unlock(&lock);
        return ok;
    }
    wrong = read_rules(r->raw.at + r->head);
    return say(fd, wrong[0] == '\0' ? 200 : 400, "text/plain", wrong, strlen(wrong));
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct request *r = calloc(1, sizeof(*r));
    struct rule rule;

    if (r == NULL)
        die("memory");
    while (take_request(fd, r)) {
        bool on;

        if (closed) {
            break_off(fd);
            break;
        }
        if (strncmp(r->target, "/-/", 3) == 0)
            on = serve_own(fd, r);
        else if (find_rule(r, &rule))
            on = serve_fault(fd, r, &rule);
        else
            on = pass_on(fd, r, NULL);
        if (!on)
            break;
    }
    (void)close(fd);
    free(r->raw.at);
    free(r);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_attr_t detached;

    if (argc != 2 || strchr(argv[1], ':') == NULL) {
        (void)fprintf(stderr, "usage: faultproxy HOST:PORT\n");
        return 2;
    }
    namenode = argv[1];
    (void)signal(SIGPIPE, SIG_IGN);
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_here();
    (void)printf("%u\n", ntohs(own.sin_port));
    (void)fflush(stdout);
    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;

        if (fd < 0) { /* closed under us, for a time: wait for the new one */
            (void)pthread_mutex_lock(&lock);
            (void)pthread_mutex_unlock(&lock);
            continue;
        }
        if (pthread_create(&thread, &detached, serve, (void *)(intptr_t)fd) != 0)
            (void)close(fd);
    }
}
