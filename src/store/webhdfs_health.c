/*
 * What a NameNode says of itself and its DataNodes, in its management page (/jmx). It is no part of
 * WebHDFS: HttpFS and gateways don't have it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/text.h"

#include "webhdfs_impl.h"

#define ANSWER_LIMIT ((size_t)4 << 20)
#define SKEW_S       30 /* more is told */
#define FULL_PERCENT 5  /* less room than that is told */

struct asking {
    struct sg_webhdfs *w;
    const char *base;
    struct sg_http_answer answer;
    struct sg_buf text; /* scratch */
    sg_store_health_fn *fn;
    void *ctx;
};

static void tell(struct asking *a, bool bad, const char *text)
{
    a->fn(a->ctx, bad, text);
}

/* *ret false: it was told why there is no such page. */
static bool get_bean(struct asking *a, const char *query, bool *ret, struct sg_error *err)
{
    const int64_t ms = a->w->deadline_ms < 10000 ? a->w->deadline_ms : 10000;
    struct sg_http_request r = { .method = "GET", .limit = ANSWER_LIMIT };
    enum sg_http_trouble trouble = SG_HTTP_FINE;
    struct sg_buf url = SG_BUF_INIT;
    struct sg_error why = SG_ERROR_INIT;
    char line[700];
    bool ok;

    r.deadline.ns = sg_mono_now().ns + ms * SG_NS_PER_MS;
    ok = sg_buf_addf(&url, err, "%s/jmx?%s", a->base, query);
    r.url = sg_buf_text(&url);
    *ret = ok && sg_http_do(a->w->http, &r, &a->answer, &trouble, &why);
    if (ok && !*ret) {
        ok = why.code == SG_ERROR_STORE;
        if (ok)
            (void)snprintf(line, sizeof(line), "NameNode %.600s", why.text);
        else
            *err = why;
    } else if (ok && a->answer.status != 200) {
        *ret = false;
        (void)snprintf(line, sizeof(line), "%s: HTTP %d for /jmx: its health is not told", a->base,
                       a->answer.status);
    }
    if (ok && !*ret)
        tell(a, true, line);
    sg_buf_done(&url);
    return ok;
}

/* The text of a bean's value; "" where it isn't told, or the page is none of ours. */
static const char *value(struct asking *a, const char *name)
{
    struct sg_error ignored = SG_ERROR_INIT;
    bool found = false;

    sg_buf_clear(&a->text);
    if (!WH_JSON_FIND(sg_buf_span(&a->answer.body), &a->text, &found, &ignored, "beans", name) ||
        !found)
        sg_buf_clear(&a->text);
    return sg_buf_text(&a->text);
}

/* -1: not told. */
static int64_t number(struct asking *a, const char *name)
{
    int64_t n;

    return sg_text_int(value(a, name), &n) ? n : -1;
}

static bool ask_state(struct asking *a, bool *ret_active, struct sg_error *err)
{
    int64_t skew = 0;
    char line[300];
    bool there;

    if (!get_bean(a, "qry=Hadoop:service=NameNode,name=NameNodeStatus", &there, err))
        return false;
    if (!there)
        return true;
    *ret_active = strcmp(value(a, "State"), "active") == 0;
    if (a->text.len == 0)
        (void)snprintf(line, sizeof(line), "%s is no NameNode: its health is not told", a->base);
    else
        (void)snprintf(line, sizeof(line), "NameNode %s: %.40s", a->base, sg_buf_text(&a->text));
    tell(a, false, line);
    if (a->answer.date_s != 0)
        skew = a->answer.date_s - sg_wall_now().ns / SG_NS_PER_S;
    if (llabs(skew) <= SKEW_S)
        return true;
    (void)snprintf(line, sizeof(line),
                   "NameNode %s: its clock is %" PRId64 " s %s this machine's (Kerberos allows 5 "
                   "minutes; what is due is told by this machine's clock, what is settled by the "
                   "store's)",
                   a->base, (int64_t)llabs(skew), skew > 0 ? "ahead of" : "behind");
    tell(a, true, line);
    return true;
}

static void tell_nodes(struct asking *a)
{
    const int64_t live = number(a, "NumLiveDataNodes"), dead = number(a, "NumDeadDataNodes"),
                  stale = number(a, "NumStaleDataNodes"), failed = number(a, "VolumeFailuresTotal");
    char line[200];

    if (live < 0)
        return;
    (void)snprintf(line, sizeof(line),
                   "DataNodes: %" PRId64 " live, %" PRId64 " dead, %" PRId64
                   " without a recent heartbeat, %" PRId64 " failed volumes",
                   live, dead, stale, failed);
    tell(a, live == 0 || dead > 0 || stale > 0 || failed > 0, line);
}

static void tell_room(struct asking *a)
{
    const int64_t total = number(a, "CapacityTotal"), left = number(a, "CapacityRemaining");
    char of[SG_SIZE_TEXT], has[SG_SIZE_TEXT], line[200];
    double percent;

    if (total <= 0 || left < 0)
        return;
    sg_size_format(total, of);
    sg_size_format(left, has);
    percent = 100.0 * (double)left / (double)total;
    (void)snprintf(line, sizeof(line), "room: %s of %s left (%.0f%%)", has, of, percent);
    tell(a, percent < FULL_PERCENT, line);
}

static bool ask_cluster(struct asking *a, struct sg_error *err)
{
    char line[200];
    int64_t missing;
    bool there;

    if (!get_bean(a, "qry=Hadoop:service=NameNode,name=FSNamesystemState", &there, err))
        return false;
    if (!there)
        return true;
    if (strcmp(value(a, "FSState"), "safeMode") == 0)
        tell(a, true, "safe mode: nothing can be written, and runs wait for its end");
    tell_nodes(a);
    tell_room(a);
    if (!get_bean(a, "get=Hadoop:service=NameNode,name=NameNodeInfo::NumberOfMissingBlocks", &there,
                  err))
        return false;
    missing = there ? number(a, "NumberOfMissingBlocks") : -1;
    if (missing > 0) {
        (void)snprintf(line, sizeof(line),
                       "blocks: %" PRId64 " are on no DataNode: files can't be read", missing);
        tell(a, true, line);
    }
    return true;
}

bool wh_store_health(struct sg_store *s, sg_store_health_fn *fn, void *ctx, struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct asking a = { .w = w, .fn = fn, .ctx = ctx };
    bool ok = true;

    for (size_t i = 0; ok && i < w->nn.n; i++) {
        bool active = false;

        a.base = w->nn.bases[i];
        ok = ask_state(&a, &active, err) && (!active || ask_cluster(&a, err));
    }
    sg_http_answer_done(&a.answer);
    sg_buf_done(&a.text);
    return ok;
}
