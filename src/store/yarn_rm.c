/*
 * One question to the ResourceManagers, until the active one answers. docs/design.md, "YARN".
 *
 * All that is asked may be asked twice: reading, and to kill what is killed. So whatever goes wrong
 * on the way is tried again until the deadline; only what is refused, and a server that can't be
 * trusted, is an error at once.
 */
#include "yarn_rm.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/clock.h"

#include "webhdfs_impl.h"

#define CONNECT_MS      10000
#define CONNECTIONS     4
#define RETRY_MS        1000
#define SHORTEST_TRY_MS 1000
#define TRY_MS          10000 /* of a pair: one that hangs must not take the other one's time */
#define PAUSE_MS        200
#define SILENCE_MS      5000
#define QUIET_MS        2000 /* a node hears of a kill with its next heartbeat, a second apart */
#define ANSWER_LIMIT    ((size_t)64 << 20)
#define MAX_MANAGERS    4 /* whose troubles are told one by one */
#define TROUBLE_TEXT    200

struct ask {
    struct yarn_rm *rm;
    const char *method, *path, *query; /* "/ws/v1/cluster/…"; query "" or "a=b" */
    const char *body;                  /* JSON, or NULL */
    struct sg_http_answer answer;
    struct sg_mono until;
    int64_t try_ms; /* what a try may take of that; 0: all */
    struct sg_error *err;
    bool failed; /* err is set: nothing will help */
    char trouble[MAX_MANAGERS][TROUBLE_TEXT];
};

static bool make_url(const struct ask *q, const char *base, struct sg_buf *url)
{
    const char *user = q->rm->user;

    return sg_buf_addf(url, q->err, "%s%s%s%s%s%s", base, q->path,
                       q->query[0] != '\0' || user[0] != '\0' ? "?" : "", q->query,
                       q->query[0] != '\0' && user[0] != '\0' ? "&" : "", user);
}

/* A standby sends us to the active one; with none, it says so in plain text, and 200. */
static bool is_standby(const struct sg_http_answer *a)
{
    return (a->status >= 300 && a->status < 400) ||
           (a->status < 300 && strstr(sg_buf_text(&a->content_type), "json") == NULL);
}

static void say_standby(const struct sg_http_answer *a, char why[TROUBLE_TEXT])
{
    const char *to = sg_buf_text(&a->location), *host = strstr(to, "://"), *user;
    int scheme, n;

    if (a->status < 300) {
        (void)snprintf(why, TROUBLE_TEXT,
                       "it answers with %.60s, not JSON: none is active, or it is no "
                       "ResourceManager",
                       a->content_type.len > 0 ? sg_buf_text(&a->content_type) : "no type");
        return;
    }
    if (host == NULL) {
        (void)snprintf(why, TROUBLE_TEXT, "it is not the active one");
        return;
    }
    host += 3;
    scheme = (int)(host - to);
    n = (int)strcspn(host, "/?#");
    user = memchr(host, '@', (size_t)n); /* with a password, maybe */
    if (user != NULL) {
        n -= (int)(user + 1 - host);
        host = user + 1;
    }
    (void)snprintf(why, TROUBLE_TEXT, "it is not the active one (it sends us to %.*s%.*s)",
                   scheme < 20 ? scheme : 20, to, n < 100 ? n : 100, host);
}

/* Is it an answer of the active one? If not, why. */
static bool judge(struct ask *q, char why[TROUBLE_TEXT])
{
    const struct sg_http_answer *a = &q->answer;

    if (a->status == 401) {
        q->failed = true;
        return sg_error_set(q->err, SG_ERROR_STORE, 0, "it wants to know who we are (401)%s%s",
                            a->denied[0] != '\0' ? ": " : "", a->denied);
    }
    if (is_standby(a))
        say_standby(a, why);
    else if (a->status >= 500)
        (void)snprintf(why, TROUBLE_TEXT, "HTTP %d", a->status);
    else
        return true;
    return false;
}

/* The last one may begin right before the end. */
static struct sg_mono try_deadline(const struct ask *q)
{
    const int64_t now = sg_mono_now().ns, least = now + SHORTEST_TRY_MS * SG_NS_PER_MS;
    int64_t until = q->until.ns;

    if (q->try_ms > 0 && now + q->try_ms * SG_NS_PER_MS < until)
        until = now + q->try_ms * SG_NS_PER_MS;
    return (struct sg_mono){ least > until ? least : until };
}

static bool try_at(struct ask *q, size_t at)
{
    const char *base = q->rm->rms.bases[at];
    char *why = q->trouble[at < MAX_MANAGERS ? at : MAX_MANAGERS - 1];
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf url = SG_BUF_INIT;
    struct sg_http_request request = { .method = q->method,
                                       .content_type = q->body != NULL ? "application/json" : NULL,
                                       .body = sg_span_of(q->body),
                                       .deadline = try_deadline(q),
                                       .limit = ANSWER_LIMIT };
    enum sg_http_trouble trouble;
    bool ok;

    if (!make_url(q, base, &url)) {
        q->failed = true;
        sg_buf_done(&url);
        return false;
    }
    request.url = sg_buf_text(&url);
    ok = sg_http_do(q->rm->http, &request, &q->answer, &trouble, &err);
    sg_buf_done(&url);
    if (ok && judge(q, why))
        return true;
    if (!ok && (trouble == SG_HTTP_TLS || err.code == SG_ERROR_MEMORY)) {
        q->failed = true;
        *q->err = err;
    } else if (!ok) {
        (void)snprintf(why, TROUBLE_TEXT, "%.190s", err.text); /* for people; names the address */
    }
    return false;
}

static bool give_up(struct ask *q)
{
    char all[MAX_MANAGERS * (TROUBLE_TEXT + 40)] = "";
    size_t len = 0, n = q->rm->rms.n < MAX_MANAGERS ? q->rm->rms.n : MAX_MANAGERS;

    for (size_t i = 0; i < n && len < sizeof(all); i++) {
        const char *base = q->rm->rms.bases[i];
        bool named = strstr(q->trouble[i], base) != NULL;

        len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s%s%s", i > 0 ? "; " : "",
                                named ? "" : base, named ? "" : ": ", q->trouble[i]);
    }
    return sg_error_set(q->err, SG_ERROR_STORE, 0, "no ResourceManager answers: %s", all);
}

/* All of them in turn, the one that answered last first. */
static bool try_all(struct ask *q)
{
    size_t n = q->rm->rms.n, first = atomic_load(&q->rm->active);

    for (size_t i = 0; i < n && !q->failed; i++) {
        size_t at = (first + i) % n;

        if (!try_at(q, at)) {
            if (q->failed && strstr(q->err->text, q->rm->rms.bases[at]) == NULL)
                (void)sg_error_wrap(q->err, "ResourceManager %s", q->rm->rms.bases[at]);
            continue;
        }
        atomic_store(&q->rm->active, at);
        atomic_store(&q->rm->away, false);
        return true;
    }
    return false;
}

/* So that each of them has had its turn before half of the time is over. */
static int64_t first_try_ms(const struct yarn_rm *rm)
{
    const int64_t share = rm->base.deadline_ms / (2 * (int64_t)rm->rms.n);

    if (rm->rms.n == 1)
        return 0;
    return share < rm->try_ms ? share : rm->try_ms;
}

static bool ask(struct ask *q)
{
    struct yarn_rm *rm = q->rm;
    bool once = atomic_load(&rm->away);

    q->until.ns = sg_mono_now().ns + rm->base.deadline_ms * SG_NS_PER_MS;
    q->try_ms = first_try_ms(rm);
    while (!try_all(q)) {
        struct timespec t = { .tv_sec = rm->retry_ms / 1000,
                              .tv_nsec = rm->retry_ms % 1000 * SG_NS_PER_MS };

        if (q->failed)
            return false;
        if (once || atomic_load(&rm->base.hurried) ||
            sg_mono_now().ns + rm->retry_ms * SG_NS_PER_MS >= q->until.ns) {
            atomic_store(&rm->away, true);
            return give_up(q);
        }
        (void)nanosleep(&t, NULL); /* cut short by a signal: asked sooner */
        if (q->try_ms < rm->base.deadline_ms)
            q->try_ms *= 2;
    }
    return true;
}

/* The answer says no, or nothing that is known: always false. */
static bool refused(struct ask *q)
{
    char message[300];

    yarn_json_message(sg_buf_span(&q->answer.body), message, sizeof(message));
    return sg_error_set(q->err, SG_ERROR_STORE, 0, "ResourceManager %s: %s %s: HTTP %d%s%s",
                        q->rm->rms.bases[atomic_load(&q->rm->active)], q->method, q->path,
                        q->answer.status, message[0] != '\0' ? ": " : "", message);
}

static bool is_fine(const struct ask *q)
{
    return q->answer.status >= 200 && q->answer.status < 300 && !q->answer.cut;
}

static bool rm_find(struct sg_yarn *y, const char *tag, struct sg_yarn_apps *ret,
                    struct sg_error *err)
{
    char query[SG_YARN_TAG + 40];
    struct ask q = { .rm = (struct yarn_rm *)y,
                     .method = "GET",
                     .path = "/ws/v1/cluster/apps",
                     .query = query,
                     .err = err };
    bool ok;

    (void)snprintf(query, sizeof(query), "applicationTags=%s", tag); /* of ours: plain letters */
    ok = ask(&q) && (is_fine(&q) || refused(&q)) &&
         (yarn_json_apps(sg_buf_span(&q.answer.body), tag, ret, err) ||
          sg_error_wrap(err, "ResourceManager %s", q.rm->rms.bases[atomic_load(&q.rm->active)]));
    sg_http_answer_done(&q.answer);
    return ok;
}

/* 202: it is being killed; 200: it is over. */
static bool rm_kill(struct sg_yarn *y, const char *id, struct sg_error *err)
{
    char path[200];
    struct ask q = { .rm = (struct yarn_rm *)y,
                     .method = "PUT",
                     .path = path,
                     .query = "",
                     .body = "{\"state\":\"KILLED\"}",
                     .err = err };
    bool ok;

    if (strspn(id, "abcdefghijklmnopqrstuvwxyz_0123456789") != strlen(id) || strlen(id) > 100)
        return sg_error_set(err, SG_ERROR_STORE, 0, "an application with a strange name");
    (void)snprintf(path, sizeof(path), "/ws/v1/cluster/apps/%s/state", id);
    ok = ask(&q) && (is_fine(&q) || refused(&q));
    sg_http_answer_done(&q.answer);
    return ok;
}

/* ---- state and room ---- */

/* Each is asked by itself: a standby answers this, too. */
static bool look_at(struct yarn_rm *rm, size_t at, struct sg_yarn_cluster *c, struct sg_error *err)
{
    struct sg_yarn_manager *m = &c->managers[at];
    struct sg_error why = SG_ERROR_INIT;
    struct ask q = {
        .rm = rm, .method = "GET", .path = "/ws/v1/cluster/info", .query = "", .err = &why
    };
    bool ok;

    q.until.ns = sg_mono_now().ns + CONNECT_MS * SG_NS_PER_MS;
    *m = (struct sg_yarn_manager){ .address = sg_arena_text(&c->arena, rm->rms.bases[at], err),
                                   .state = "",
                                   .ha = "",
                                   .version = "" };
    if (m->address == NULL)
        return false;
    ok = try_at(&q, at) && is_fine(&q) &&
         yarn_json_info(sg_buf_span(&q.answer.body), &c->arena, m, &why);
    if (!ok) {
        const char *trouble = q.trouble[at < MAX_MANAGERS ? at : MAX_MANAGERS - 1];

        m->trouble = sg_arena_text(&c->arena,
                                   why.code != SG_ERROR_NONE ? why.text
                                   : trouble[0] != '\0'      ? trouble
                                                             : "it has no REST API of YARN",
                                   err);
    }
    sg_http_answer_done(&q.answer);
    return ok || m->trouble != NULL;
}

static bool look_into(struct yarn_rm *rm, const char *path, struct sg_yarn_cluster *c,
                      bool (*read)(struct sg_span, struct sg_yarn_cluster *, struct sg_error *),
                      struct sg_error *err)
{
    struct ask q = { .rm = rm, .method = "GET", .path = path, .query = "", .err = err };
    bool ok = ask(&q) && (is_fine(&q) || refused(&q)) && read(sg_buf_span(&q.answer.body), c, err);

    sg_http_answer_done(&q.answer);
    return ok;
}

static bool rm_look(struct sg_yarn *y, struct sg_yarn_cluster *ret, struct sg_error *err)
{
    struct yarn_rm *rm = (struct yarn_rm *)y;

    ret->managers = SG_ARENA_NEW(&ret->arena, rm->rms.n, struct sg_yarn_manager, err);
    if (ret->managers == NULL)
        return false;
    while (ret->n_managers < rm->rms.n) {
        if (!look_at(rm, ret->n_managers, ret, err))
            return false;
        ret->n_managers++;
    }
    return look_into(rm, "/ws/v1/cluster/metrics", ret, yarn_json_metrics, err) &&
           look_into(rm, "/ws/v1/cluster/scheduler", ret, yarn_json_queues, err);
}

/* ---- opening ---- */

/* "http://rm1:8088 or http://rm2:8088" */
static bool name_all(struct yarn_rm *rm, struct sg_error *err)
{
    const char *all = rm->rms.bases[0];

    for (size_t i = 1; all != NULL && i < rm->rms.n; i++)
        all = sg_arena_printf(&rm->arena, err, "%s or %s", all, rm->rms.bases[i]);
    rm->base.where = all;
    return all != NULL;
}

static void rm_free(struct sg_yarn *y)
{
    struct yarn_rm *rm = (struct yarn_rm *)y;

    sg_http_free(rm->http);
    sg_arena_done(&rm->arena);
    free(rm);
}

static const struct sg_yarn_ops rm_ops = {
    .free = rm_free, .find = rm_find, .kill = rm_kill, .look = rm_look
};

/* Without a name the ResourceManager would take us for its own static user. */
static bool take_user(struct yarn_rm *rm, const char *user, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    char name[256];
    bool ok;

    if (user == NULL) {
        if (!wh_own_user(name, sizeof(name), err))
            return false;
        user = name;
    }
    ok = sg_buf_adds(&text, "user.name=", err) && wh_add_value(&text, user, err);
    if (ok)
        rm->user = sg_arena_text(&rm->arena, sg_buf_text(&text), err);
    sg_buf_done(&text);
    return ok && rm->user != NULL;
}

static bool fill(struct yarn_rm *rm, const struct sg_yarn_config *c, struct sg_error *err)
{
    struct sg_http_config http = { .connections = CONNECTIONS,
                                   .ca = c->ca,
                                   .stopped = &rm->base.hurried,
                                   /* of a pair each */
                                   .stopped_ms = SG_YARN_HURRIED_MS / 2 };
    bool simple = c->auth != NULL && strcmp(c->auth, "simple") == 0;
    struct sg_hadoop *h = NULL;
    bool ok;

    rm->user = "";
    rm->retry_ms = RETRY_MS;
    rm->try_ms = TRY_MS;
    rm->base.ops = &rm_ops;
    rm->base.deadline_ms = c->deadline_s * 1000;
    rm->base.pause_ms = PAUSE_MS;
    rm->base.quiet_ms = QUIET_MS;
    rm->base.silence_ms = SILENCE_MS;
    if (!sg_hadoop_open(c->conf_dir, c->getenv, c->user, &h, err))
        return false;
    ok = sg_hadoop_resource_managers(h, &rm->arena, c->resource_manager, &rm->rms, err);
    sg_hadoop_free(h);
    if (!ok || rm->rms.n == 0)
        return ok;
    http.connect_ms = rm->base.deadline_ms / 2 < CONNECT_MS ? rm->base.deadline_ms / 2 : CONNECT_MS;
    /* A ticket is offered only where one is asked for, so it does no harm on a simple cluster. */
    http.negotiate = !simple;
    return name_all(rm, err) && ((rm->rms.kerberos && !simple) || take_user(rm, c->user, err)) &&
           sg_http_open(&http, &rm->http, err);
}

__attribute__((visibility("default"))) bool
sg_yarn_rm_open(const struct sg_yarn_config *c, struct sg_yarn **ret, struct sg_error *err)
{
    struct yarn_rm *rm = calloc(1, sizeof(*rm));

    if (rm == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "the client of YARN");
    if (!fill(rm, c, err)) {
        rm_free(&rm->base);
        return sg_error_wrap(err, "YARN");
    }
    if (rm->rms.n == 0) {
        rm_free(&rm->base);
        *ret = NULL;
        return true;
    }
    *ret = &rm->base;
    return true;
}
