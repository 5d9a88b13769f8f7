/*
 * The delegation token: got once with SPNEGO, then a part of each request, so that neither the KDC
 * nor a handshake is in the way of each. It is in the query of a request and nowhere else: no
 * error, no event holds it.
 *
 * Its interval (a day, unless the cluster says otherwise) is known only from renewing it. So it is
 * renewed after an hour, and then at half of what was granted; when that is refused (a token lives
 * seven days at most) another one is got. A token that ended all the same is refused by name, the
 * operation was then not executed, and wh_call() repeats it with another one.
 */
#include <string.h>

#include "stagegraph/text.h"

#include "webhdfs_impl.h"

#define FIRST_RENEWAL_S 3600
#define LONGEST_S       86400
#define AGAIN_S         60 /* after a renewal that failed while the token is still good */

static struct sg_mono in_seconds(int64_t s)
{
    return (struct sg_mono){ sg_mono_now().ns + s * SG_NS_PER_S };
}

/* Under the lock. */
static bool get_token(struct sg_webhdfs *w, struct sg_mono until, struct sg_error *err)
{
    struct wh_op op = { .method = "GET", .op = "GETDELEGATIONTOKEN", .path = "/", .spnego = true };
    struct sg_http_answer answer = { .status = 0 };
    struct sg_buf text = SG_BUF_INIT;
    struct wh_fault fault;
    enum wh_result result;
    bool found = false, ok;

    op.until = until; /* who waits for this one's lock has hardly more time */
    ok = wh_call(w, &op, &answer, &result, &fault, err);
    if (ok && result != WH_OK && wh_is(&fault, "AccessControlException"))
        ok = wh_fail(w, &op, &fault, err);
    if (ok && result == WH_OK &&
        !WH_JSON_FIND(sg_buf_span(&answer.body), &text, &found, err, "Token", "urlString"))
        ok = wh_fail_answer(w, &op, err->text, err);
    sg_buf_clear(&w->token);
    if (ok && !found) {
        w->tokenless = true; /* SPNEGO with each request then: slow, and as good */
    } else if (ok) {
        w->token_renewal = in_seconds(FIRST_RENEWAL_S);
        ok = wh_add_value(&w->token, sg_buf_text(&text), err);
    }
    sg_buf_done(&text);
    sg_http_answer_done(&answer);
    return ok;
}

/* Under the lock. False: it could not be renewed. */
static bool renew_token(struct sg_webhdfs *w, struct sg_mono until)
{
    struct wh_op op = {
        .method = "PUT", .op = "RENEWDELEGATIONTOKEN", .path = "/", .spnego = true
    };
    struct sg_http_answer answer = { .status = 0 };
    struct sg_buf query = SG_BUF_INIT, text = SG_BUF_INIT;
    struct sg_error ignored = SG_ERROR_INIT;
    struct wh_fault fault;
    enum wh_result result;
    bool found = false, ok;
    int64_t end_ms, left_s;

    op.idempotent = op.mutates = true;
    op.until = until;
    ok = sg_buf_addf(&query, &ignored, "&token=%s", sg_buf_text(&w->token));
    op.query = sg_buf_text(&query);
    ok = ok && wh_call(w, &op, &answer, &result, &fault, &ignored) && result == WH_OK &&
         WH_JSON_FIND(sg_buf_span(&answer.body), &text, &found, &ignored, "long") && found &&
         sg_text_int(sg_buf_text(&text), &end_ms);
    if (ok) {
        /* The server's clock and ours may differ by some minutes; half of the time allows for it.
         */
        left_s =
            end_ms / 1000 - (answer.date_s != 0 ? answer.date_s : sg_wall_now().ns / SG_NS_PER_S);
        left_s = left_s / 2 < LONGEST_S ? left_s / 2 : LONGEST_S;
        w->token_renewal = in_seconds(left_s > AGAIN_S ? left_s : AGAIN_S);
    }
    sg_buf_done(&query);
    sg_buf_done(&text);
    sg_http_answer_done(&answer);
    return ok;
}

bool wh_token_add(struct sg_webhdfs *w, struct sg_mono until, struct sg_buf *url,
                  struct sg_error *err)
{
    struct sg_error renewal = SG_ERROR_INIT;
    bool ok = true;

    pthread_mutex_lock(&w->token_lock);
    if (!w->tokenless && w->token.len == 0) {
        ok = get_token(w, until, err);
    } else if (!w->tokenless && sg_mono_now().ns >= w->token_renewal.ns) {
        w->token_renewal = in_seconds(AGAIN_S);
        if (!renew_token(w, until)) {
            struct sg_buf old = w->token;

            w->token = (struct sg_buf)SG_BUF_INIT;
            if (get_token(w, until, &renewal)) {
                sg_buf_done(&old);
            } else { /* the old one is good for a while yet: whoever asks in vain will say so */
                sg_buf_done(&w->token);
                w->token = old;
            }
        }
    }
    if (ok && w->token.len != 0)
        ok = sg_buf_addf(url, err, "&delegation=%s", sg_buf_text(&w->token));
    pthread_mutex_unlock(&w->token_lock);
    return ok;
}

void wh_token_spoil(struct sg_webhdfs *w, const char *url)
{
    const char *used = strstr(url, "&delegation=");

    pthread_mutex_lock(&w->token_lock);
    if (used != NULL && strcmp(used + strlen("&delegation="), sg_buf_text(&w->token)) == 0)
        sg_buf_clear(&w->token); /* else another thread has got another one already */
    pthread_mutex_unlock(&w->token_lock);
}

void wh_token_cancel(struct sg_webhdfs *w)
{
    struct wh_op op = { .method = "PUT", .op = "CANCELDELEGATIONTOKEN", .path = "/" };
    struct sg_http_answer answer = { .status = 0 };
    struct sg_error ignored = SG_ERROR_INIT;
    struct sg_buf query = SG_BUF_INIT;
    struct wh_fault fault;
    enum wh_result result;

    if (w->token.len == 0)
        return;
    op.spnego = op.mutates = true;
    op.until = in_seconds(2); /* the end of a run waits for it */
    if (sg_buf_addf(&query, &ignored, "&token=%s", sg_buf_text(&w->token))) {
        op.query = sg_buf_text(&query);
        (void)!wh_call(w, &op, &answer, &result, &fault, &ignored); /* it ends by itself */
    }
    sg_buf_clear(&w->token);
    sg_buf_done(&query);
    sg_http_answer_done(&answer);
}
