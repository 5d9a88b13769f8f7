/*
 * http: requests over a few kept connections, for WebHDFS and YARN.
 *
 * Floor: net. docs/design.md, "HTTP". libcurl does the work: connections, SPNEGO, TLS, cookies.
 *
 *   sg_http_open → sg_http_do* (from any thread) → sg_http_free
 *
 * A request blocks its thread. At most `connections` are under way at once; further callers wait
 * for their turn, within their deadline. Each connection is kept alive, and what SPNEGO gave it
 * (the hadoop.auth cookie) is shared by all. Redirects are never followed: a DataNode is another
 * server, and asking it is the caller's decision. No proxy is used, whatever the environment says.
 *
 * Nothing is retried here but two things, both certain to be harmless: a GET on a kept connection
 * that turns out to be dead, and, with `negotiate`, a request that was answered by a challenge
 * (401). Any other request is sent once at most. Nothing secret is in an error's text: of a URL it
 * shows scheme, address and path, not the query.
 */
#ifndef STAGEGRAPH_HTTP_H
#define STAGEGRAPH_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/buf.h"
#include "stagegraph/clock.h"
#include "stagegraph/error.h"

struct sg_http;

struct sg_http_config {
    unsigned connections; /* at least 1 */
    bool negotiate;       /* SPNEGO with the caller's Kerberos credentials, where a server asks */
    const char *ca;       /* file of certificates to trust; NULL: the system's */
    int64_t connect_ms;   /* for one attempt to connect, TLS included; 0: libcurl's 5 minutes */
    /* Once it is true, no request goes on for more than stopped_ms (0: 1000) and a second, whatever
     * its deadline; borrowed until sg_http_free. NULL: never. */
    const atomic_bool *stopped;
    int64_t stopped_ms;
};

/* Copies what it needs. Errors: system, memory; code usage for a CA file that can't be read. */
bool sg_http_open(const struct sg_http_config *config, struct sg_http **ret,
                  struct sg_error *err) SG_MUST;
/* No request may be under way. NULL is fine. */
void sg_http_free(struct sg_http *h);

/* Bytes of a 2xx answer's body as they come; false ends the request (trouble SG_HTTP_GIVEN_UP). */
typedef bool sg_http_body_fn(void *ctx, const char *bytes, size_t n);

struct sg_http_request {
    const char *method;       /* GET PUT POST DELETE */
    const char *url;          /* complete and encoded; sent as it is, dots in the path too */
    const char *content_type; /* NULL: none */
    struct sg_span body;      /* of PUT and POST, which may be empty */
    bool no_auth;             /* never answer a challenge: a redirect's URL carries its own token */
    struct sg_mono deadline;
    size_t limit;             /* of a body that is kept; a longer one is read, and cut; 0: 64 KiB */
    sg_http_body_fn *on_body; /* NULL: the body is kept in answer.body */
    void *ctx;
};

struct sg_http_answer {
    int status;             /* 100…599 */
    struct sg_buf body;     /* of every answer that is not 2xx, and of all without on_body */
    struct sg_buf location; /* of a redirect; "" */
    struct sg_buf content_type;
    int64_t date_s; /* the server's clock; 0: not told */
    bool cut;       /* the body was longer than the limit */
    /* Of a 401 after a challenge that could not be answered: what Kerberos had to say ("No
     * credentials were supplied, …"); else "". */
    char denied[256];
};
void sg_http_answer_done(struct sg_http_answer *a); /* zeroed is fine; ready for another request */

/* Why there is no answer. */
enum sg_http_trouble {
    SG_HTTP_FINE,
    SG_HTTP_UNREACHABLE, /* unknown host, refused, no route: the request was certainly not sent */
    SG_HTTP_UNSENT,      /* timed out before a connection was there: certainly not sent */
    SG_HTTP_LOST,    /* the connection broke, the answer was cut or malformed: may have been done */
    SG_HTTP_LATE,    /* the deadline passed after it was sent: may have been done */
    SG_HTTP_TLS,     /* the server could not be trusted: not sent */
    SG_HTTP_GIVEN_UP /* by on_body */
};

/*
 * One request. ret is zeroed or has another request's answer, whose memory is used again. True:
 * *ret is an answer, whatever its status, whole: a body that was cut short of its length, or of its
 * last chunk, is no answer. (A server may announce neither, and end the body by closing; Hadoop's
 * never do.) False: *ret is empty, *ret_trouble says which kind, err the address and the reason;
 * code store, or system and memory where this machine lacks something.
 */
bool sg_http_do(struct sg_http *h, const struct sg_http_request *request,
                struct sg_http_answer *ret, enum sg_http_trouble *ret_trouble,
                struct sg_error *err) SG_MUST;

/* What was sent and received so far, by all threads; the bytes are those of bodies. */
struct sg_http_count {
    uint64_t requests, sent_bytes, received_bytes, connections;
};
struct sg_http_count sg_http_counted(const struct sg_http *h);

#endif
