#include "stagegraph/http.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#define USUAL_LIMIT ((size_t)64 << 10)
#define STOPPED_MS  1000 /* what a request still has when all are stopped, by default */

/* What is going on while one request is under way. */
struct call {
    const struct sg_http_request *request;
    struct sg_http *http;
    CURL *curl;
    struct sg_http_answer *answer;
    struct sg_error *err;
    bool failed;            /* err is set */
    bool given_up;          /* by on_body */
    bool sent;              /* the request, or a part of it, may have left */
    bool answered;          /* something came back since */
    bool headed;            /* all of its header lines did */
    bool refused;           /* libcurl was not allowed to send it again */
    int sys;                /* why there is no socket */
    bool dropped;           /* all are stopped */
    struct sg_mono stopped; /* when that was seen; 0: not yet */
};

struct conn {
    CURL *curl;
    char reason[CURL_ERROR_SIZE];
};

struct sg_http {
    bool negotiate;
    const atomic_bool *stopped;
    int64_t stopped_ns; /* what a request still has then */
    bool global;        /* curl_global_init succeeded */
    CURLSH *share;
    pthread_mutex_t share_lock[CURL_LOCK_DATA_LAST];
    pthread_mutex_t lock; /* idle, n_idle */
    pthread_cond_t freed;
    struct conn *conns;
    struct conn **idle; /* a stack: the one that was used last is the likeliest to be connected */
    unsigned n, n_idle;
    _Atomic uint64_t requests, sent_bytes, received_bytes, connections;
};

/* ---- what libcurl calls */

static void lock_share(CURL *curl, curl_lock_data data, curl_lock_access access, void *ctx)
{
    struct sg_http *h = ctx;

    (void)curl;
    (void)access;
    (void)pthread_mutex_lock(&h->share_lock[data]);
}

static void unlock_share(CURL *curl, curl_lock_data data, void *ctx)
{
    struct sg_http *h = ctx;

    (void)curl;
    (void)pthread_mutex_unlock(&h->share_lock[data]);
}

/* libcurl's own sockets would be inherited by what other threads start. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct call *c = ctx;
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

    (void)purpose;
    c->sys = fd < 0 ? errno : 0;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/*
 * Called with a connection there (and trusted, with TLS), right before each sending. libcurl sends
 * a request of any method again when a connection that it used again was closed without an answer;
 * but a server that died in between may have done it. For what changes something that ends here.
 */
static int before_sending(void *ctx, char *to, char *from, int to_port, int from_port)
{
    struct call *c = ctx;

    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    if (c->sent && !c->answered && strcmp(c->request->method, "GET") != 0) {
        c->refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    c->sent = true;
    c->answered = false;
    atomic_fetch_add(&c->http->requests, 1);
    return CURL_PREREQFUNC_OK;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
    struct call *c = ctx;

    n *= size;
    c->answered = true;
    c->headed = n == 2 && memcmp(bytes, "\r\n", 2) == 0;
    return n;
}

static long status_of(CURL *curl)
{
    long status = 0;

    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status); /* it can only say 0 */
    return status;
}

static bool keep(struct call *c, const char *bytes, size_t n)
{
    struct sg_buf *body = &c->answer->body;
    size_t limit = c->request->limit != 0 ? c->request->limit : USUAL_LIMIT;

    if (n > limit - body->len) {
        n = limit - body->len;
        c->answer->cut = true;
    }
    return n == 0 || sg_buf_add(body, bytes, n, c->err);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct call *c = ctx;
    long status = status_of(c->curl);

    n *= size;
    atomic_fetch_add(&c->http->received_bytes, n);
    if (c->request->on_body != NULL && status >= 200 && status < 300) {
        c->given_up = !c->request->on_body(c->request->ctx, bytes, n);
        return c->given_up ? CURL_WRITEFUNC_ERROR : n;
    }
    c->failed = !keep(c, bytes, n);
    return c->failed ? CURL_WRITEFUNC_ERROR : n;
}

/* Called once a second at least. */
static int on_progress(void *ctx, curl_off_t all_down, curl_off_t down, curl_off_t all_up,
                       curl_off_t up)
{
    struct call *c = ctx;

    (void)all_down, (void)down, (void)all_up, (void)up;
    if (c->http->stopped == NULL || !atomic_load(c->http->stopped))
        return 0;
    if (c->stopped.ns == 0)
        c->stopped = sg_mono_now();
    c->dropped = sg_mono_now().ns - c->stopped.ns >= c->http->stopped_ns;
    return c->dropped;
}

/* That Kerberos has no ticket for us libcurl says nowhere else. */
static int on_talk(CURL *curl, curl_infotype type, char *text, size_t n, void *ctx)
{
    static const char mark[] = "gss_init_sec_context() failed: ";
    struct call *c = ctx;
    char *to = c->answer->denied;
    size_t max = sizeof c->answer->denied - 1;

    (void)curl;
    if (type != CURLINFO_TEXT || n < sizeof mark || memcmp(text, mark, sizeof mark - 1) != 0)
        return 0;
    text += sizeof mark - 1;
    n -= sizeof mark - 1;
    while (n > 0 && strchr("\n .", text[n - 1]) != NULL)
        n--;
    if (n > max)
        n = max;
    memcpy(to, text, n);
    to[n] = '\0';
    return 0;
}

/* ---- opening and closing */

static bool out_of_memory(struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_MEMORY, 0, "libcurl: out of memory");
}

/* What is the same for all requests. "Quick exit" means that a deadline holds while a name is
 * looked up, too: else libcurl waits for the thread that asks, which ends by itself. */
static bool set_usual(const struct sg_http *h, const struct sg_http_config *config,
                      struct conn *conn)
{
    CURL *c = conn->curl = curl_easy_init();

    return c != NULL && curl_easy_setopt(c, CURLOPT_SHARE, h->share) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_COOKIEFILE, "") == CURLE_OK && /* no file: turns them on */
           curl_easy_setopt(c, CURLOPT_ERRORBUFFER, conn->reason) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_USERAGENT, "stagegraph") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           (config->ca == NULL || curl_easy_setopt(c, CURLOPT_CAINFO, config->ca) == CURLE_OK) &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_ms) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, before_sending) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_DEBUGFUNCTION, on_talk) == CURLE_OK;
}

/* Connections are not shared: libcurl has no locks for them. */
static bool set_share(struct sg_http *h)
{
    CURLSH *s = h->share = curl_share_init();

    return s != NULL && curl_share_setopt(s, CURLSHOPT_LOCKFUNC, lock_share) == CURLSHE_OK &&
           curl_share_setopt(s, CURLSHOPT_UNLOCKFUNC, unlock_share) == CURLSHE_OK &&
           curl_share_setopt(s, CURLSHOPT_USERDATA, h) == CURLSHE_OK &&
           curl_share_setopt(s, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE) == CURLSHE_OK &&
           curl_share_setopt(s, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK &&
           curl_share_setopt(s, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK;
}

/* Locks whose making can't fail on Linux, but for the clock of the condition. */
static void make_locks(struct sg_http *h)
{
    pthread_condattr_t attr;

    for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
        (void)pthread_mutex_init(&h->share_lock[i], NULL);
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&h->freed, &attr);
    (void)pthread_condattr_destroy(&attr);
}

static bool make_connections(struct sg_http *h, const struct sg_http_config *config)
{
    h->conns = calloc(config->connections, sizeof *h->conns);
    h->idle = calloc(config->connections, sizeof(struct conn *));
    if (h->conns == NULL || h->idle == NULL || !set_share(h))
        return false;
    for (h->n = 0; h->n < config->connections;) {
        struct conn *conn = &h->conns[h->n++];

        if (!set_usual(h, config, conn))
            return false;
        h->idle[h->n_idle++] = conn;
    }
    return true;
}

bool sg_http_open(const struct sg_http_config *config, struct sg_http **ret, struct sg_error *err)
{
    struct sg_http *h;

    if (!SG_EXPECT(config->connections > 0 && config->connect_ms >= 0, err))
        return false;
    if (config->ca != NULL && access(config->ca, R_OK) != 0)
        return sg_error_set(err, SG_ERROR_USAGE, errno, "certificates %s", config->ca);
    h = calloc(1, sizeof *h);
    if (h == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, errno, "connections");
    h->negotiate = config->negotiate;
    h->stopped = config->stopped;
    h->stopped_ns = (config->stopped_ms != 0 ? config->stopped_ms : STOPPED_MS) * SG_NS_PER_MS;
    make_locks(h);
    /* Counted by libcurl, and safe in threads since its 7.84. */
    h->global = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (!h->global || !make_connections(h, config)) {
        sg_http_free(h);
        return out_of_memory(err);
    }
    *ret = h;
    return true;
}

void sg_http_free(struct sg_http *h)
{
    if (h == NULL)
        return;
    for (unsigned i = 0; i < h->n; i++)
        curl_easy_cleanup(h->conns[i].curl);
    (void)curl_share_cleanup(h->share); /* refuses only while a handle uses it */
    if (h->global)
        curl_global_cleanup();
    for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
        (void)pthread_mutex_destroy(&h->share_lock[i]);
    (void)pthread_mutex_destroy(&h->lock);
    (void)pthread_cond_destroy(&h->freed);
    free(h->conns);
    free(h->idle);
    free(h);
}

/* ---- a request */

/* NULL: none was free before the deadline. */
static struct conn *take(struct sg_http *h, struct sg_mono deadline)
{
    struct timespec until = { .tv_sec = (time_t)(deadline.ns / SG_NS_PER_S),
                              .tv_nsec = (long)(deadline.ns % SG_NS_PER_S) };
    struct conn *conn = NULL;
    int e = 0;

    (void)pthread_mutex_lock(&h->lock);
    while (h->n_idle == 0 && e == 0)
        e = pthread_cond_timedwait(&h->freed, &h->lock, &until);
    if (h->n_idle > 0)
        conn = h->idle[--h->n_idle];
    (void)pthread_mutex_unlock(&h->lock);
    return conn;
}

static void give_back(struct sg_http *h, struct conn *conn)
{
    (void)pthread_mutex_lock(&h->lock);
    h->idle[h->n_idle++] = conn;
    (void)pthread_cond_signal(&h->freed);
    (void)pthread_mutex_unlock(&h->lock);
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);

    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

/* No `Expect: 100-continue`, which costs a round trip; and no type of libcurl's own choice. */
static bool make_headers(const struct sg_http_request *r, struct curl_slist **ret,
                         struct sg_error *err)
{
    struct sg_buf type = SG_BUF_INIT;
    bool ok;

    ok = sg_buf_adds(&type, "Content-Type:", err) &&
         (r->content_type == NULL || sg_buf_addf(&type, err, " %s", r->content_type));
    if (ok && (!add_header(ret, "Expect:") || !add_header(ret, sg_buf_text(&type))))
        ok = out_of_memory(err);
    sg_buf_done(&type);
    return ok;
}

static bool set_call(CURL *c, struct call *call)
{
    return curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, call) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PREREQDATA, call) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HEADERDATA, call) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, call) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_XFERINFODATA, call) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_DEBUGDATA, call) == CURLE_OK;
}

/* A body in memory is sent as libcurl's POST, under the name of any method: then there is nothing
 * to rewind, and an empty one has its Content-Length. */
static bool set_method(CURL *c, const struct sg_http_request *r)
{
    bool body = strcmp(r->method, "PUT") == 0 || strcmp(r->method, "POST") == 0;

    if (!body)
        return curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) == CURLE_OK &&
               curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK;
    return curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->body.len > 0 ? r->body.at : "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK;
}

/* The user ":" means: whoever the ticket says. */
static bool set_auth(CURL *c, bool negotiate)
{
    return curl_easy_setopt(c, CURLOPT_USERPWD, negotiate ? ":" : NULL) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTPAUTH,
                            (long)(negotiate ? CURLAUTH_NEGOTIATE : CURLAUTH_BASIC)) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_VERBOSE, negotiate ? 1L : 0L) == CURLE_OK;
}

static long left_ms(struct sg_mono deadline)
{
    int64_t ms = (deadline.ns - sg_mono_now().ns + SG_NS_PER_MS - 1) / SG_NS_PER_MS;

    return ms < INT_MAX ? (long)ms : INT_MAX;
}

static void empty(struct sg_http_answer *a)
{
    sg_buf_clear(&a->body);
    sg_buf_clear(&a->location);
    sg_buf_clear(&a->content_type);
    a->status = 0;
    a->date_s = 0;
    a->cut = false;
}

void sg_http_answer_done(struct sg_http_answer *a)
{
    empty(a);
    sg_buf_done(&a->body);
    sg_buf_done(&a->location);
    sg_buf_done(&a->content_type);
    a->denied[0] = '\0';
}

static const char *header(CURL *c, const char *name, size_t i)
{
    struct curl_header *h;

    return curl_easy_header(c, name, i, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : NULL;
}

static bool read_headers(struct call *c)
{
    const char *location = header(c->curl, "Location", 0);
    const char *type = header(c->curl, "Content-Type", 0), *date = header(c->curl, "Date", 0);
    time_t t = date != NULL ? curl_getdate(date, NULL) : -1;

    c->answer->status = (int)status_of(c->curl);
    c->answer->date_s = t > 0 ? t : 0;
    return (location == NULL || sg_buf_adds(&c->answer->location, location, c->err)) &&
           (type == NULL || sg_buf_adds(&c->answer->content_type, type, c->err));
}

static bool asks_for_negotiate(CURL *c)
{
    const char *value;

    for (size_t i = 0; (value = header(c, "WWW-Authenticate", i)) != NULL; i++) {
        if (strncasecmp(value, "Negotiate", 9) == 0)
            return true;
    }
    return false;
}

static void count(struct sg_http *h, CURL *c)
{
    long connections = 0;
    curl_off_t sent = 0;

    (void)curl_easy_getinfo(c, CURLINFO_NUM_CONNECTS, &connections); /* they can only say 0 */
    (void)curl_easy_getinfo(c, CURLINFO_SIZE_UPLOAD_T, &sent);
    atomic_fetch_add(&h->connections, (uint64_t)connections);
    atomic_fetch_add(&h->sent_bytes, (uint64_t)sent);
}

static CURLcode perform(struct call *c, bool negotiate)
{
    CURLcode code;
    long ms = left_ms(c->request->deadline);

    empty(c->answer);
    c->sent = c->answered = c->headed = false;
    if (ms <= 0)
        return CURLE_OPERATION_TIMEDOUT;
    if (!set_auth(c->curl, negotiate) ||
        curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, ms) != CURLE_OK)
        return CURLE_OUT_OF_MEMORY;
    code = curl_easy_perform(c->curl);
    /* A later closing of the connection must not talk to a call that is over. */
    (void)curl_easy_setopt(c->curl, CURLOPT_VERBOSE, 0L);
    count(c->http, c->curl);
    /* Header lines that are cut are fine with libcurl, and the body is then empty. */
    return code == CURLE_OK && !c->headed ? CURLE_PARTIAL_FILE : code;
}

/*
 * First as if nobody asked who we are: the cookie answers that, once a challenge was met. libcurl
 * would make a new token for each request, which costs the server more than all the rest of it.
 */
static CURLcode exchange(struct call *c)
{
    CURLcode code = perform(c, false);

    if (code == CURLE_OK && c->http->negotiate && !c->request->no_auth &&
        status_of(c->curl) == 401 && asks_for_negotiate(c->curl))
        code = perform(c, true);
    return code;
}

/* ---- what went wrong */

/* Reset or closed in the middle of the handshake: a server that comes or goes, and can be tried
 * again. libcurl has one code for that and for a server that can't speak TLS. */
static bool broke_off(const char *reason)
{
    return strstr(reason, "SSL_connect:") != NULL || strstr(reason, "unexpected eof") != NULL;
}

static enum sg_http_trouble classify(const struct call *c, CURLcode code, const char *reason)
{
    static const struct {
        CURLcode code;
        enum sg_http_trouble trouble;
    } before[] = {
        { CURLE_URL_MALFORMAT, SG_HTTP_UNREACHABLE },
        { CURLE_UNSUPPORTED_PROTOCOL, SG_HTTP_UNREACHABLE },
        { CURLE_COULDNT_RESOLVE_HOST, SG_HTTP_UNREACHABLE },
        { CURLE_COULDNT_CONNECT, SG_HTTP_UNREACHABLE },
        { CURLE_SSL_CONNECT_ERROR, SG_HTTP_TLS },
        { CURLE_PEER_FAILED_VERIFICATION, SG_HTTP_TLS },
        { CURLE_SSL_ENGINE_NOTFOUND, SG_HTTP_TLS },
        { CURLE_SSL_ENGINE_SETFAILED, SG_HTTP_TLS },
        { CURLE_SSL_CERTPROBLEM, SG_HTTP_TLS },
        { CURLE_SSL_CIPHER, SG_HTTP_TLS },
        { CURLE_SSL_CACERT_BADFILE, SG_HTTP_TLS },
        { CURLE_SSL_CRL_BADFILE, SG_HTTP_TLS },
        { CURLE_SSL_ISSUER_ERROR, SG_HTTP_TLS },
        { CURLE_SSL_INVALIDCERTSTATUS, SG_HTTP_TLS },
        { CURLE_SSL_CLIENTCERT, SG_HTTP_TLS },
    };

    if (c->given_up)
        return SG_HTTP_GIVEN_UP;
    if (c->sent)
        return code == CURLE_OPERATION_TIMEDOUT ? SG_HTTP_LATE : SG_HTTP_LOST;
    if (code == CURLE_SSL_CONNECT_ERROR && broke_off(reason))
        return SG_HTTP_UNSENT;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        if (before[i].code == code)
            return before[i].trouble;
    }
    return SG_HTTP_UNSENT;
}

/* libcurl's texts have no URL in them. That they also had no query, which may have a token, is not
 * promised anywhere. */
static const char *plain_reason(const struct call *c, CURLcode code, char *reason)
{
    const char *query = strchr(c->request->url, '?');

    if (c->given_up)
        return "given up";
    if (c->dropped)
        return "no answer, and nobody waits for it any longer";
    if (c->refused)
        return "the connection was closed before an answer came";
    if (reason[0] == '\0' ||
        (query != NULL && query[1] != '\0' && strstr(reason, query + 1) != NULL))
        return curl_easy_strerror(code);
    for (char *p = reason; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?'; /* of a certificate's names, say */
    }
    return reason;
}

/* Always false. */
static bool explain(struct call *c, CURLcode code, char *reason)
{
    int n = (int)strcspn(c->request->url, "?#");
    const char *url = c->request->url;
    long sys = c->sys;

    if (code == CURLE_OUT_OF_MEMORY)
        return sg_error_set(c->err, SG_ERROR_MEMORY, 0, "%.*s: out of memory", n, url);
    if (code == CURLE_COULDNT_CONNECT && sys == 0)
        (void)curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &sys); /* it can only say 0 */
    if (code == CURLE_COULDNT_CONNECT && sys != 0 && !c->sent)
        return sg_error_set(c->err, SG_ERROR_STORE, (int)sys, "%.*s: connect", n, url);
    return sg_error_set(c->err, SG_ERROR_STORE, 0, "%.*s: %s", n, url,
                        plain_reason(c, code, reason));
}

static bool do_on(struct sg_http *h, struct conn *conn, const struct sg_http_request *request,
                  struct sg_http_answer *ret, enum sg_http_trouble *ret_trouble,
                  struct sg_error *err)
{
    struct call c = {
        .request = request, .http = h, .curl = conn->curl, .answer = ret, .err = err
    };
    struct curl_slist *headers = NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    bool ok;

    conn->reason[0] = '\0';
    ok = make_headers(request, &headers, err);
    if (ok && set_call(conn->curl, &c) && set_method(conn->curl, request) &&
        curl_easy_setopt(conn->curl, CURLOPT_URL, request->url) == CURLE_OK &&
        curl_easy_setopt(conn->curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK)
        code = exchange(&c);
    *ret_trouble = code == CURLE_OK ? SG_HTTP_FINE : classify(&c, code, conn->reason);
    if (ok && code != CURLE_OK)
        ok = !c.failed && explain(&c, code, conn->reason);
    else if (ok && !read_headers(&c)) {
        *ret_trouble = SG_HTTP_LOST;
        ok = false;
    }
    curl_slist_free_all(headers);
    return ok;
}

bool sg_http_do(struct sg_http *h, const struct sg_http_request *request,
                struct sg_http_answer *ret, enum sg_http_trouble *ret_trouble, struct sg_error *err)
{
    struct conn *conn = take(h, request->deadline);
    bool ok;

    empty(ret);
    ret->denied[0] = '\0';
    if (conn == NULL) {
        *ret_trouble = SG_HTTP_UNSENT;
        return sg_error_set(err, SG_ERROR_STORE, 0,
                            "%.*s: no connection was free before the deadline",
                            (int)strcspn(request->url, "?#"), request->url);
    }
    ok = do_on(h, conn, request, ret, ret_trouble, err);
    give_back(h, conn);
    if (!ok || ret->status != 401)
        ret->denied[0] = '\0';
    if (!ok)
        empty(ret);
    return ok;
}

struct sg_http_count sg_http_counted(const struct sg_http *h)
{
    return (struct sg_http_count){
        .requests = atomic_load(&h->requests),
        .sent_bytes = atomic_load(&h->sent_bytes),
        .received_bytes = atomic_load(&h->received_bytes),
        .connections = atomic_load(&h->connections),
    };
}
