/*
 * http_peer: a small HTTP/1.1 server in threads of the test, on 127.0.0.1, that says what it was
 * told.
 *
 *   p = http_peer_open();
 *   http_peer_reply(p, &(struct http_reply){ .match = "GET /a", .status = 200, .body = "hello" });
 *   … what is tested speaks to http_peer_base(p) …
 *   http_peer_check(p);                      all replies were used, and nothing else was asked
 *   http_peer_request(p, 0)->target …
 *   http_peer_close(p);
 *
 * A request takes the first of the replies, in their order, that matches it and is not used up;
 * else it is the handler's, where there is one; else it is answered with 500, which
 * http_peer_check() finds. What it can't do (no socket, no memory) stops the test.
 */
#ifndef STAGEGRAPH_TEST_HTTP_PEER_H
#define STAGEGRAPH_TEST_HTTP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_peer;

struct http_request {
    const char *method, *target; /* "PUT", "/webhdfs/v1/a?op=MKDIRS" */
    const char *headers;         /* all lines, each with its "\r\n" */
    const char *body;            /* with a NUL behind it */
    size_t body_len;
    unsigned connection; /* from 0, by the order of their coming */
};

enum http_framing {
    HTTP_LENGTH,  /* a Content-Length */
    HTTP_CHUNKED, /* chunks of at most 7 bytes */
    HTTP_CLOSE    /* neither: the body ends where the connection is closed */
};

enum http_end {
    HTTP_KEEP,  /* the connection stays open */
    HTTP_SAY,   /* "Connection: close", and it is */
    HTTP_DROP,  /* closed without a word */
    HTTP_RESET, /* with RST */
    HTTP_HANG   /* nothing more is sent; until the other side closes, or the peer is closed */
};

/* Zeroed: a 200 without a body, once. Text is borrowed while the peer is open. */
struct http_reply {
    const char *match;   /* how "METHOD TARGET" begins; NULL: any */
    unsigned times;      /* 0: once; HTTP_ALWAYS: any number, also none */
    bool silent;         /* no answer at all: only the end */
    int status;          /* 0: 200 */
    const char *headers; /* further lines, each with its "\r\n" */
    const char *body;    /* NULL: none */
    size_t body_len;     /* 0: of the text */
    enum http_framing framing;
    int64_t lie; /* added to the Content-Length that is announced */
    bool cut;    /* only cut_after bytes of the answer, headers included, then the end (DROP
                    where KEEP or SAY was asked for) */
    size_t cut_after;
    unsigned pace_ms; /* the body byte by byte, with that time between */
    bool held;        /* the answer waits for http_peer_let_go */
    enum http_end end;
};
#define HTTP_ALWAYS (~0U)

struct http_peer *http_peer_open(void);
void http_peer_close(struct http_peer *p);             /* ends its threads; NULL is fine */
const char *http_peer_base(const struct http_peer *p); /* "http://127.0.0.1:PORT" */
unsigned http_peer_port(const struct http_peer *p);

void http_peer_reply(struct http_peer *p,
                     const struct http_reply *reply); /* copied, not its text */

/* Fills *ret, which is zeroed, for a request that no reply is there for; false: 500. One call at a
 * time. What *ret points to has to live until the next call for the same connection. */
typedef bool http_peer_fn(void *ctx, const struct http_request *request, struct http_reply *ret);
void http_peer_handle(struct http_peer *p, http_peer_fn *fn, void *ctx);

/* From now on a connection gets this text after its first bytes, whatever they are, and is closed.
 */
void http_peer_greet(struct http_peer *p, const char *text);

/* Waits until n requests have been read whole, in all. */
void http_peer_wait(struct http_peer *p, size_t n);
void http_peer_let_go(struct http_peer *p); /* all answers that are held, now and later */

size_t http_peer_requests(struct http_peer *p);
size_t http_peer_connections(struct http_peer *p); /* that ever came */
size_t http_peer_peak(struct http_peer *p);        /* most requests read and not yet answered */
/* The i-th that was read; valid until the peer is closed. */
const struct http_request *http_peer_request(struct http_peer *p, size_t i);
/* The value of a header, in one of four buffers that are used in turn; NULL: it is not there. */
const char *http_peer_header(const struct http_request *r, const char *name);
/* Stops the test if a reply was not used, or a request had none. */
void http_peer_check(struct http_peer *p);
/* Forgets replies (not the handler) and requests; the connections stay. */
void http_peer_clear(struct http_peer *p);

#endif
