/*
 * One operation, with all that it takes to get it answered. docs/design.md, "WebHDFS".
 *
 * A try ends in one of five ways (enum verdict). Which of them an exception means is decided by its
 * name alone: the status is 403 for nearly all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "stagegraph/hash.h"
#include "stagegraph/text.h"

#include "webhdfs_impl.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

#define ANSWER_LIMIT     ((size_t)1 << 20)
#define LONGEST_PAUSE_MS 5000
#define NAP_MS           200 /* how soon a pause notices that the store was stopped */
#define SHORTEST_TRY_MS  1000
#define MAX_NAMENODES    8 /* whose troubles are told one by one */

enum verdict {
    DONE,
    REFUSED, /* for good */
    PASSES,  /* certainly not executed, and may be another time or at another address */
    LOST,    /* may have been executed */
    FAILED   /* err is set: nothing will help */
};

/* What passes. All others are refusals for good, unknown ones too: AccessControlException,
 * NSQuotaExceededException, DSQuotaExceededException, SnapshotException, FileNotFoundException,
 * FileAlreadyExistsException, ParentNotDirectoryException, InvalidPathException,
 * IllegalArgumentException … */
static const char *const passing[] = {
    "StandbyException",               /* the other one is active, or will be */
    "ObserverRetryOnActiveException", /* this one is behind */
    "RetriableException",             /* starting, too busy, changing its state */
    "SafeModeException",              /* waits for its DataNodes, or for its administrator */
    "RetryStartFileException",        /* the key of an encryption zone was changed */
    "NotReplicatedYetException",
};

/* IOExceptions have no other name: what the NameNode says while no DataNode has reported yet. */
static const char *const passing_messages[] = {
    "Failed to find datanode",
    "could only be written to 0 of",
    "could only be replicated to 0 nodes",
};

/* What a server says that lost its own connection to another one: a DataNode after its NameNode was
 * started again, a gateway, a router. It may have been executed. */
static const char *const losing[] = {
    "EOFException",           "ConnectException",       "ConnectTimeoutException",
    "SocketTimeoutException", "SocketException",        "NoRouteToHostException",
    "InterruptedIOException", "ClosedChannelException", "BlockMissingException",
};
static const char *const losing_messages[] = {
    "ailed on local exception",
    "Connection reset",
    "Broken pipe",
};

struct call {
    struct sg_webhdfs *w;
    const struct wh_op *op;
    struct sg_http_answer *answer;
    struct wh_fault *fault;
    struct sg_error *err;
    struct wh_patience patience;
    struct sg_buf url;
    bool again;         /* on_body has been told something */
    bool token_renewed; /* once a call */
    bool unreachable;   /* of the last try: refused, or no such host */
    bool late;          /* of the last try: its time ran out */
    char trouble[MAX_NAMENODES][WH_TROUBLE_TEXT];
    struct wh_wait wait;
};

/* ---- texts ---- */

static bool add_encoded(struct sg_buf *out, const char *text, const char *kept,
                        struct sg_error *err)
{
    static const char hex[] = "0123456789ABCDEF";

    for (const char *c = text; *c != '\0'; c++) {
        unsigned char u = (unsigned char)*c;
        bool plain = (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9');

        if (plain || strchr(kept, *c) != NULL) {
            if (!sg_buf_addc(out, *c, err))
                return false;
        } else if (!sg_buf_addc(out, '%', err) || !sg_buf_addc(out, hex[u >> 4], err) ||
                   !sg_buf_addc(out, hex[u & 15], err)) {
            return false;
        }
    }
    return true;
}

bool wh_add_path(struct sg_buf *out, const char *path, struct sg_error *err)
{
    return add_encoded(out, path, "/-_.~", err);
}

bool wh_add_value(struct sg_buf *out, const char *text, struct sg_error *err)
{
    return add_encoded(out, text, "-_.~", err);
}

bool wh_join(struct sg_buf *out, const char *dir, const char *before, const char *name,
             const char *after, struct sg_error *err)
{
    sg_buf_clear(out);
    return sg_buf_addf(out, err, "%s%s%s%s%s", dir, dir[0] != '\0' ? "/" : "", before, name, after);
}

bool wh_nonce(char ret[17], struct sg_error *err)
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return sg_error_set(err, SG_ERROR_SYSTEM, 0, "get random bytes");
    sg_hash64_format(random, ret);
    return true;
}

/* The path in the file system, for people. */
struct full {
    const char *root, *slash, *rel;
};

static struct full full_of(const struct sg_webhdfs *w, const char *path)
{
    struct full f = { .root = w->nn.path, .slash = "/", .rel = path };

    if (path[0] == '/')
        f.root = f.slash = "";
    else if (path[0] == '\0' && w->nn.path[0] != '\0')
        f.slash = "";
    return f;
}

bool wh_is(const struct wh_fault *fault, const char *exception)
{
    return strcmp(fault->exception, exception) == 0;
}

bool wh_is_absent(const struct wh_fault *fault)
{
    static const char not_dir[] = "(is not a directory)"; /* some operations call that a matter of
                                                             permission */
    return wh_is(fault, "FileNotFoundException") || wh_is(fault, "ParentNotDirectoryException") ||
           (wh_is(fault, "AccessControlException") && strstr(fault->message, not_dir) != NULL);
}

bool wh_fail(struct sg_webhdfs *w, const struct wh_op *op, const struct wh_fault *fault,
             struct sg_error *err)
{
    struct full f = full_of(w, op->path);

    sg_error_set(err, SG_ERROR_STORE, 0, "%s %s%s%s at %s: %s%s%s", op->op, f.root, f.slash, f.rel,
                 fault->address, fault->exception,
                 fault->exception[0] != '\0' && fault->message[0] != '\0' ? ": " : "",
                 fault->message);
    if (wh_is_absent(fault))
        err->sys = ENOENT; /* as the local store has it: what was there a moment ago is gone */
    return false;
}

bool wh_fail_answer(struct sg_webhdfs *w, const struct wh_op *op, const char *why,
                    struct sg_error *err)
{
    struct full f = full_of(w, op->path);

    return sg_error_set(err, SG_ERROR_STORE, 0, "%s %s%s%s at %s: %s", op->op, f.root, f.slash,
                        f.rel, w->nn.bases[atomic_load(&w->active) % w->nn.n], why);
}

static void set_text(char *ret, size_t cap, const char *text)
{
    struct sg_error ignored = SG_ERROR_INIT;
    struct sg_buf b = SG_BUF_INIT;
    size_t n = strcspn(text, "\r\n");

    if (sg_text_add_quoted(&b, (struct sg_span){ .at = text, .len = n }, cap / 2, &ignored))
        snprintf(ret, cap, "%s", sg_buf_text(&b));
    sg_buf_done(&b);
}

/* "scheme://host:port" of a URL: what may be told of it. */
static void set_address(char *ret, size_t cap, const char *url)
{
    const char *host = strstr(url, "://");
    size_t n = host != NULL ? (size_t)(host - url) + 3 : 0;

    n += strcspn(url + n, "/?#");
    snprintf(ret, cap, "%.*s", (int)n, url);
}

/* ---- judging an answer ---- */

static bool is_html(const struct sg_http_answer *a)
{
    return strstr(sg_buf_text(&a->content_type), "html") != NULL;
}

/* What a page calls itself: "Error 404 Not Found". */
static void find_title(const struct sg_http_answer *a, char *ret, size_t cap)
{
    const char *text = sg_buf_text(&a->body), *title = strcasestr(text, "<title>");
    char raw[120] = "";

    if (title != NULL) {
        size_t n = strcspn(title + 7, "<\r\n");

        snprintf(raw, sizeof(raw), "%.*s", (int)(n < 100 ? n : 100), title + 7);
    }
    set_text(ret, cap, raw);
}

/* The first line of a plain text, as an RPC port has one; not what it may tell of our query. */
static bool find_words(const struct sg_http_answer *a, char *ret, size_t cap)
{
    const char *text = sg_buf_text(&a->body);
    char raw[160];

    if (strncmp(sg_buf_text(&a->content_type), "text/plain", 10) != 0)
        return false;
    snprintf(raw, sizeof(raw), "%.*s", (int)strcspn(text, "?\r\n"), text);
    set_text(ret, cap, raw);
    return ret[0] != '\0';
}

static void read_fault(struct call *c)
{
    struct sg_span body = sg_buf_span(&c->answer->body);
    struct sg_buf name = SG_BUF_INIT, message = SG_BUF_INIT;
    struct sg_error ignored = SG_ERROR_INIT;
    struct wh_fault *f = c->fault;
    char title[200], words[280], to[120];
    bool found = false;

    f->exception[0] = f->message[0] = '\0';
    if (WH_JSON_FIND(body, &name, &found, &ignored, "RemoteException", "exception") && found) {
        set_text(f->exception, sizeof(f->exception), sg_buf_text(&name));
        if (WH_JSON_FIND(body, &message, &found, &ignored, "RemoteException", "message") && found)
            set_text(f->message, sizeof(f->message), sg_buf_text(&message));
    } else if (c->answer->location.len != 0) {
        set_address(to, sizeof(to), sg_buf_text(&c->answer->location));
        snprintf(f->message, sizeof(f->message), "HTTP %d: it sends us to %s", f->status, to);
    } else if (is_html(c->answer)) {
        find_title(c->answer, title, sizeof(title));
        snprintf(f->message, sizeof(f->message),
                 "HTTP %d with an HTML page%s%s: no WebHDFS there, or a proxy before it", f->status,
                 title[0] != '\0' ? " " : "", title);
    } else if (find_words(c->answer, words, sizeof(words))) {
        snprintf(f->message, sizeof(f->message), "HTTP %d: %s", f->status, words);
    } else {
        snprintf(f->message, sizeof(f->message), "HTTP %d without a word", f->status);
    }
    sg_buf_done(&name);
    sg_buf_done(&message);
}

static bool is_of(const struct wh_fault *f, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (wh_is(f, list[i]))
            return true;
    }
    return false;
}

static bool has_text_of(const char *text, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strstr(text, list[i]) != NULL)
            return true;
    }
    return false;
}

static bool is_token_fault(const struct wh_fault *f)
{
    return wh_is(f, "InvalidToken") || wh_is(f, "SecurityException") ||
           wh_is(f, "ExpiredTokenException") || wh_is(f, "TokenExpiredException");
}

static enum verdict fail_auth(struct call *c)
{
    const char *denied = c->answer->denied;

    if (c->w->kerberos)
        snprintf(c->fault->message, sizeof(c->fault->message),
                 "HTTP 401%s%.120s: the Kerberos credentials are missing, have expired, or are of "
                 "another realm (klist shows them, kinit gets new ones)",
                 denied[0] != '\0' ? ": " : "", denied);
    else
        snprintf(c->fault->message, sizeof(c->fault->message),
                 "HTTP 401: the cluster wants Kerberos (write auth = kerberos in [store], and get "
                 "credentials with kinit)");
    wh_fail(c->w, c->op, c->fault, c->err);
    return FAILED;
}

static enum verdict judge_exception(struct call *c)
{
    const struct wh_fault *f = c->fault;

    if (is_of(f, passing, COUNT(passing)))
        return PASSES;
    if (is_of(f, losing, COUNT(losing)))
        return LOST;
    if (wh_is(f, "IOException") &&
        has_text_of(f->message, passing_messages, COUNT(passing_messages)))
        return PASSES;
    if (wh_is(f, "IOException") && has_text_of(f->message, losing_messages, COUNT(losing_messages)))
        return LOST;
    if (is_token_fault(f) && c->w->kerberos && !c->op->spnego && !c->token_renewed) {
        c->token_renewed = true;
        wh_token_spoil(c->w, sg_buf_text(&c->url));
        return PASSES;
    }
    return REFUSED;
}

/* Of a rename with options, which a NameNode answers without a body. */
static enum verdict judge_rename(struct call *c)
{
    struct sg_buf said = SG_BUF_INIT;
    struct sg_error ignored = SG_ERROR_INIT;
    bool found = false, refused;

    if (!WH_JSON_FIND(sg_buf_span(&c->answer->body), &said, &found, &ignored, "boolean"))
        found = false;
    refused = found && strcmp(sg_buf_text(&said), "true") != 0;
    sg_buf_done(&said);
    if (found)
        atomic_store(&c->w->plain_renames, true);
    if (!refused)
        return DONE;
    snprintf(c->fault->exception, sizeof(c->fault->exception), WH_PLAIN_REFUSAL);
    snprintf(c->fault->message, sizeof(c->fault->message),
             "the server (HttpFS?) refuses it without a reason");
    return REFUSED;
}

/* An answer from a server, whatever it says. */
static enum verdict judge(struct call *c)
{
    const struct sg_http_answer *a = c->answer;
    int status = a->status;

    c->fault->status = status;
    c->fault->exception[0] = c->fault->message[0] = '\0';
    if (status >= 200 && status < 300 && !is_html(a))
        return strcmp(c->op->op, "RENAME") == 0 ? judge_rename(c) : DONE;
    if (status == 401)
        return fail_auth(c);
    read_fault(c);
    if (c->fault->exception[0] != '\0')
        return judge_exception(c);
    if (status == 503 || status == 429)
        return PASSES;
    /* A gateway that lost its server, and a server's own trouble without a name. */
    return status == 500 || status == 502 || status == 504 ? LOST : REFUSED;
}

static void take_date(struct sg_webhdfs *w, int64_t date_s)
{
    if (date_s == 0)
        return;
    pthread_mutex_lock(&w->lock);
    w->date_s = date_s;
    w->date_at = sg_mono_now();
    pthread_mutex_unlock(&w->lock);
}

/* ---- one try ---- */

static struct sg_mono try_deadline(const struct call *c)
{
    int64_t now = sg_mono_now().ns, left = c->patience.until.ns - now, part = left / 2;

    /* Half of what is left: a server that takes a request and says nothing more must not be the end
     * of it all. */
    if (part < SHORTEST_TRY_MS * SG_NS_PER_MS)
        part = left;
    return (struct sg_mono){ now + part };
}

/* What http says behind "URL: "; the address is told apart. */
static const char *reason_of(const char *url, const char *text)
{
    size_t n = strcspn(url, "?");

    return strncmp(text, url, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : text;
}

static enum verdict ask(struct call *c, const char *url, bool data_node)
{
    const struct wh_op *op = c->op;
    bool last = data_node || !op->data;
    struct sg_http_request r = { .method = op->method,
                                 .url = url,
                                 .no_auth = data_node || (c->w->kerberos && !op->spnego &&
                                                          strstr(url, "&delegation=") != NULL),
                                 .deadline = try_deadline(c),
                                 .limit = op->limit != 0 ? op->limit : ANSWER_LIMIT,
                                 .ctx = op->ctx };
    enum sg_http_trouble trouble = SG_HTTP_FINE;
    struct sg_error why = SG_ERROR_INIT;
    enum verdict v;

    if (data_node) {
        r.content_type = "application/octet-stream"; /* a gateway insists on it */
        r.body = op->body;
    }
    if (last && op->on_body != NULL) {
        if (c->again && op->on_again != NULL)
            op->on_again(op->ctx);
        c->again = true;
        r.on_body = op->on_body;
    }
    set_address(c->fault->address, sizeof(c->fault->address), url);
    c->unreachable = c->late = false;
    sg_http_answer_done(c->answer);
    if (sg_http_do(c->w->http, &r, c->answer, &trouble, &why)) {
        if (!data_node) {
            atomic_store(&c->w->answered, true);
            take_date(c->w, c->answer->date_s);
        }
        return judge(c);
    }
    c->fault->status = 0;
    c->fault->exception[0] = '\0';
    set_text(c->fault->message, sizeof(c->fault->message), reason_of(url, why.text));
    switch (trouble) {
    case SG_HTTP_UNREACHABLE:
    case SG_HTTP_TLS:
        c->unreachable = !data_node;
        v = PASSES;
        break;
    case SG_HTTP_UNSENT:
        c->late = true;
        v = PASSES;
        break;
    case SG_HTTP_LATE:
        c->late = true;
        v = LOST;
        break;
    case SG_HTTP_LOST:
        v = LOST;
        break;
    case SG_HTTP_GIVEN_UP:
    case SG_HTTP_FINE:
    default:
        *c->err = why;
        return FAILED;
    }
    if (why.code != SG_ERROR_STORE) { /* memory, descriptors */
        *c->err = why;
        return FAILED;
    }
    return v;
}

/* Where the NameNode sends us: in the body, or of one that doesn't know noredirect in the head. A
 * body holds letters beyond ASCII as they are. */
static bool take_location(struct call *c, struct sg_buf *ret)
{
    struct sg_buf raw = SG_BUF_INIT;
    bool found = false, ok;

    if (c->answer->location.len != 0) {
        found = true;
        ok = sg_buf_adds(&raw, sg_buf_text(&c->answer->location), c->err);
    } else {
        ok = WH_JSON_FIND(sg_buf_span(&c->answer->body), &raw, &found, c->err, "Location");
    }
    if (ok && (!found || (strncmp(sg_buf_text(&raw), "http://", 7) != 0 &&
                          strncmp(sg_buf_text(&raw), "https://", 8) != 0)))
        ok = wh_fail_answer(c->w, c->op, "the answer names no DataNode", c->err);
    ok = ok && add_encoded(ret, sg_buf_text(&raw), "-_.~:/?#[]@!$&'()*+,;=%", c->err);
    sg_buf_done(&raw);
    return ok;
}

static enum verdict ask_data_node(struct call *c, const char *url)
{
    const char *base = c->wait.base;
    enum verdict v;

    wh_wait_at(c->w, &c->wait, base, true);
    v = ask(c, url, true);
    wh_wait_at(c->w, &c->wait, base, false);
    return v;
}

static enum verdict second_step(struct call *c)
{
    struct sg_buf url = SG_BUF_INIT;
    enum verdict v = FAILED;

    if (take_location(c, &url))
        v = ask_data_node(c, sg_buf_text(&url));
    sg_buf_done(&url);
    return v;
}

static bool make_url(struct call *c, const char *base)
{
    struct sg_webhdfs *w = c->w;
    struct full f = full_of(w, c->op->path);
    struct sg_buf *u = &c->url;

    sg_buf_clear(u);
    return sg_buf_addf(u, c->err, "%s/webhdfs/v1", base) && wh_add_path(u, f.root, c->err) &&
           sg_buf_adds(u, f.slash, c->err) && wh_add_path(u, f.rel, c->err) &&
           sg_buf_addf(u, c->err, "?op=%s%s%s%s%s", c->op->op, w->user != NULL ? "&user.name=" : "",
                       w->user != NULL ? w->user : "", c->op->data ? "&noredirect=true" : "",
                       c->op->query != NULL ? c->op->query : "") &&
           (!w->kerberos || c->op->spnego || wh_token_add(w, c->patience.until, u, c->err));
}

static enum verdict try_at(struct call *c, size_t at)
{
    enum verdict v;

    wh_wait_at(c->w, &c->wait, c->w->nn.bases[at], false);
    if (!make_url(c, c->w->nn.bases[at]))
        return FAILED;
    v = ask(c, sg_buf_text(&c->url), false);
    if (!c->op->data)
        return v;
    if (v == REFUSED && c->fault->status >= 300 && c->fault->status < 400 &&
        c->answer->location.len != 0)
        v = DONE;
    if (v == LOST)
        v = PASSES; /* the first step does nothing but name a DataNode */
    return v == DONE ? second_step(c) : v;
}

/* ---- all tries ---- */

/* Of a last try that had hardly any time left, the one before knows more. */
static void note_trouble(struct call *c, size_t at)
{
    const struct wh_fault *f = c->fault;

    if (at >= MAX_NAMENODES || (c->late && c->trouble[at][0] != '\0'))
        return;
    snprintf(c->trouble[at], WH_TROUBLE_TEXT, "%.100s: %.60s%s%.130s", f->address, f->exception,
             f->exception[0] != '\0' ? ": " : "", f->message);
    wh_wait_trouble(c->w, &c->wait, c->trouble[at]);
}

static enum verdict give_up(struct call *c, bool late)
{
    struct full f = full_of(c->w, c->op->path);
    const bool tls = strncmp(c->w->nn.bases[0], "https:", 6) == 0;
    const char *hint = "";
    char all[2 * WH_TROUBLE_TEXT + 40] = "";
    size_t n = 0;

    for (size_t i = 0; i < c->w->nn.n && i < MAX_NAMENODES && n < sizeof(all); i++) {
        int m = snprintf(all + n, sizeof(all) - n, "%s%s",
                         n != 0 && c->trouble[i][0] != '\0' ? "; " : "", c->trouble[i]);
        n += m > 0 ? (size_t)m : 0;
    }
    if (!atomic_load(&c->w->answered))
        hint = tls ? "; nothing has answered yet: is it a NameNode's port for HTTPS?"
                   : "; nothing has answered yet: is it a NameNode's port for HTTP, without TLS?";
    if (atomic_load(&c->w->base.stopped))
        sg_error_set(c->err, SG_ERROR_AWAY, 0, "%s %s%s%s: given up: %s", c->op->op, f.root,
                     f.slash, f.rel, all);
    else if (late)
        sg_error_set(c->err, SG_ERROR_AWAY, 0, "%s %s%s%s: not done within %lld s: %s%s", c->op->op,
                     f.root, f.slash, f.rel, (long long)(c->w->deadline_ms / 1000), all, hint);
    else
        sg_error_set(c->err, SG_ERROR_AWAY, 0, "%s %s%s%s: %s", c->op->op, f.root, f.slash, f.rel,
                     all);
    return FAILED;
}

void wh_patience_init(const struct sg_webhdfs *w, struct wh_patience *ret)
{
    *ret = (struct wh_patience){ .until.ns = sg_mono_now().ns + w->deadline_ms * SG_NS_PER_MS,
                                 .pause_ms = w->pause_ms,
                                 .stopped = &w->base.stopped };
}

static void sleep_until(int64_t ns)
{
    const struct timespec until = { .tv_sec = ns / SG_NS_PER_S, .tv_nsec = ns % SG_NS_PER_S };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        ; /* interrupted */
}

/* Half to all of the pause, so that those who failed together don't come back together. */
bool wh_wait(struct wh_patience *p)
{
    uint32_t random = 0;
    int64_t ns, end, now;

    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        random = 0; /* then it's half */
    ns = p->pause_ms * SG_NS_PER_MS / 2 + p->pause_ms * SG_NS_PER_MS / 2 * (random % 1024) / 1024;
    end = sg_mono_now().ns + ns;
    if (end >= p->until.ns)
        return false;
    p->pause_ms = p->pause_ms * 2 < LONGEST_PAUSE_MS ? p->pause_ms * 2 : LONGEST_PAUSE_MS;
    while (!atomic_load(p->stopped) && (now = sg_mono_now().ns) < end)
        sleep_until(end - now < NAP_MS * SG_NS_PER_MS ? end : now + NAP_MS * SG_NS_PER_MS);
    return !atomic_load(p->stopped);
}

static enum verdict try_all(struct call *c)
{
    size_t n = c->w->nn.n, at = atomic_load(&c->w->active) % n, tried = 0;
    bool may_repeat = !c->op->mutates || c->op->idempotent, nowhere = true;
    struct sg_mono until = c->patience.until;
    enum verdict v;

    for (;;) {
        c->patience.until = until;
        if (c->op->mutates && !wh_claims_allow(c->w, &c->patience.until, c->err))
            return FAILED;
        v = try_at(c, at);
        if (v == DONE || v == REFUSED)
            atomic_store(&c->w->active, (unsigned)at);
        if (v == DONE || v == REFUSED || v == FAILED || (v == LOST && !may_repeat))
            return v;
        note_trouble(c, at);
        nowhere = nowhere && c->unreachable;
        at = (at + 1) % n;
        if (++tried < n)
            continue;
        if (nowhere && !atomic_load(&c->w->answered))
            return give_up(c, false);
        if (atomic_load(&c->w->closing) || !wh_wait(&c->patience))
            return give_up(c, true);
        tried = 0;
        nowhere = true;
    }
}

static void begin(struct call *c)
{
    struct sg_webhdfs *w = c->w;
    struct full f = full_of(w, c->op->path);

    wh_patience_init(w, &c->patience);
    if (c->op->until.ns != 0)
        c->patience.until = c->op->until;
    c->wait.until = c->patience.until;
    (void)snprintf(c->wait.what, sizeof(c->wait.what), "%s %s%s%s", c->op->op, f.root, f.slash,
                   f.rel);
    wh_wait_begin(w, &c->wait, w->nn.bases[atomic_load(&w->active) % w->nn.n]);
}

bool wh_call(struct sg_webhdfs *w, const struct wh_op *op, struct sg_http_answer *answer,
             enum wh_result *ret, struct wh_fault *fault, struct sg_error *err)
{
    struct call c = { .w = w, .op = op, .answer = answer, .fault = fault, .err = err };
    enum verdict v;

    *fault = (struct wh_fault){ .status = 0 };
    begin(&c);
    v = try_all(&c);
    wh_wait_end(w, &c.wait, v == DONE || v == REFUSED);
    sg_buf_done(&c.url);
    if (v == FAILED)
        return false;
    *ret = v == DONE ? WH_OK : v == REFUSED ? WH_REFUSED : WH_LOST;
    return true;
}
