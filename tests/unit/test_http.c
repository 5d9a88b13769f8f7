#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/http.h"

#include "http_peer.h"
#include "scratch.h"

#define SOON_MS   200
#define AGES_MS   120000
#define SECRET    "HAAEdGVzdGVyVOKEN"
#define URL_QUERY "?op=MKDIRS&delegation=" SECRET

static struct http_peer *peer;
static struct sg_http *http;
static struct sg_error err;
static struct sg_http_answer answer;
static enum sg_http_trouble trouble;
static char url[512];

static void open_http(const struct sg_http_config *config)
{
    sg_http_free(http);
    http = NULL;
    OK(sg_http_open(config, &http, &err));
}

static int set_up(void **state)
{
    (void)state;
    peer = http_peer_open();
    open_http(&(struct sg_http_config){ .connections = 1, .connect_ms = AGES_MS });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sg_http_answer_done(&answer);
    sg_http_free(http);
    http = NULL;
    http_peer_close(peer);
    peer = NULL;
    sg_error_clear(&err);
    return 0;
}

static struct sg_mono in_ms(int64_t ms)
{
    return (struct sg_mono){ sg_mono_now().ns + ms * SG_NS_PER_MS };
}

/* A request for a path of the peer's, with time. */
static struct sg_http_request ask(const char *method, const char *path)
{
    (void)snprintf(url, sizeof url, "%s%s", http_peer_base(peer), path);
    return (struct sg_http_request){ .method = method, .url = url, .deadline = in_ms(AGES_MS) };
}

static void do_it(const struct sg_http_request *r)
{
    OK(sg_http_do(http, r, &answer, &trouble, &err));
    assert_int_equal(trouble, SG_HTTP_FINE);
}

static void get(const char *path)
{
    struct sg_http_request r = ask("GET", path);

    do_it(&r);
}

static void check_trouble(const char *label, const struct sg_http_request *r,
                          enum sg_http_trouble expected)
{
    trouble = SG_HTTP_FINE;
    sg_error_clear(&err);
    if (sg_http_do(http, r, &answer, &trouble, &err))
        fail_msg("%s: there is an answer, %d", label, answer.status);
    if (trouble != expected)
        fail_msg("%s: trouble %d, not %d: %s", label, trouble, expected, err.text);
    if (err.text[0] == '\0')
        fail_msg("%s: no reason is given", label);
    assert_int_equal(answer.status, 0);
    assert_int_equal(answer.body.len, 0);
}

static void check_says(const char *part)
{
    if (strstr(err.text, part) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, part);
}

/* ---- answers */

static void an_answer_has_status_body_type_place_and_the_servers_time(void **state)
{
    (void)state;
    http_peer_reply(peer,
                    &(struct http_reply){ .match = "GET /a?x=%20b",
                                          .status = 307,
                                          .headers = "Location: http://dn:1/b?token=t\r\n"
                                                     "content-type: application/json\r\n"
                                                     "Date: Fri, 01 Mar 2013 00:00:01 GMT\r\n",
                                          .body = "{}" });
    get("/a?x=%20b");
    assert_int_equal(answer.status, 307);
    assert_string_equal(sg_buf_text(&answer.body), "{}");
    assert_string_equal(sg_buf_text(&answer.location), "http://dn:1/b?token=t");
    assert_string_equal(sg_buf_text(&answer.content_type), "application/json");
    assert_int_equal(answer.date_s, 1362096001);
    http_peer_check(peer);
}

static void an_answer_replaces_the_one_before(void **state)
{
    (void)state;
    http_peer_reply(peer,
                    &(struct http_reply){ .status = 307,
                                          .headers = "Location: http://dn:1/\r\n"
                                                     "Content-Type: text/html\r\n"
                                                     "Date: Fri, 01 Mar 2013 00:00:01 GMT\r\n",
                                          .body = "first" });
    http_peer_reply(peer, &(struct http_reply){ .status = 200 });
    get("/a");
    get("/b");
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body.len, 0);
    assert_string_equal(sg_buf_text(&answer.location), "");
    assert_string_equal(sg_buf_text(&answer.content_type), "");
    assert_int_equal(answer.date_s, 0);
}

static void any_status_is_an_answer(void **state)
{
    static const int status[] = { 200, 201, 204, 301, 302, 303, 307, 308,
                                  400, 401, 403, 404, 500, 502, 503 };

    (void)state;
    for (size_t i = 0; i < sizeof status / sizeof *status; i++) {
        http_peer_reply(peer, &(struct http_reply){ .status = status[i],
                                                    .headers = "Location: /elsewhere\r\n" });
        get("/a");
        assert_int_equal(answer.status, status[i]);
    }
    http_peer_check(peer); /* no redirect was followed */
    assert_int_equal(http_peer_connections(peer), 1);
}

static void a_path_is_asked_for_as_it_is_written(void **state)
{
    static const char path[] = "/a/./../%C3%A9%2525%20=+%26%23/b?x=%2B&y=./..";
    const char *target;

    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .status = 200 });
    get(path);
    target = http_peer_request(peer, 0)->target;
    assert_string_equal(target, path);
}

static void a_body_is_whole_by_its_length_its_chunks_or_the_close(void **state)
{
    static const enum http_framing how[] = { HTTP_LENGTH, HTTP_CHUNKED, HTTP_CLOSE };

    (void)state;
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        http_peer_reply(peer,
                        &(struct http_reply){ .body = "0123456789abcdef", .framing = how[i] });
        get("/a");
        assert_string_equal(sg_buf_text(&answer.body), "0123456789abcdef");
        assert_false(answer.cut);
    }
}

static void a_kept_body_is_cut_at_its_limit(void **state)
{
    struct sg_http_request r;

    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .body = "0123456789", .times = 3 });
    r = ask("GET", "/a");
    r.limit = 9;
    do_it(&r);
    assert_string_equal(sg_buf_text(&answer.body), "012345678");
    assert_true(answer.cut);
    r.limit = 10;
    do_it(&r);
    assert_string_equal(sg_buf_text(&answer.body), "0123456789");
    assert_false(answer.cut);
    r.limit = 0; /* the usual one */
    do_it(&r);
    assert_string_equal(sg_buf_text(&answer.body), "0123456789");
    assert_int_equal(http_peer_connections(peer), 1); /* the rest was read */
}

struct taken {
    struct sg_buf bytes;
    size_t most;
};

static bool take_some(void *ctx, const char *bytes, size_t n)
{
    struct taken *t = ctx;

    OK(sg_buf_add(&t->bytes, bytes, n, &err));
    return t->bytes.len < t->most;
}

static void a_body_is_streamed_only_of_success(void **state)
{
    struct taken t = { .most = 1000 };
    struct sg_http_request r;

    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .status = 200, .body = "good" });
    http_peer_reply(peer, &(struct http_reply){ .status = 404, .body = "bad" });
    http_peer_reply(peer, &(struct http_reply){ .status = 307, .body = "there" });
    r = ask("GET", "/a");
    r.on_body = take_some;
    r.ctx = &t;
    do_it(&r);
    assert_string_equal(sg_buf_text(&t.bytes), "good");
    assert_int_equal(answer.body.len, 0);
    do_it(&r);
    assert_string_equal(sg_buf_text(&answer.body), "bad");
    do_it(&r);
    assert_string_equal(sg_buf_text(&answer.body), "there");
    assert_string_equal(sg_buf_text(&t.bytes), "good");
    sg_buf_done(&t.bytes);
}

static void a_stream_may_be_given_up(void **state)
{
    struct taken t = { .most = 1 };
    struct sg_http_request r;

    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .body = "0123456789" });
    r = ask("GET", "/a");
    r.on_body = take_some;
    r.ctx = &t;
    check_trouble("given up", &r, SG_HTTP_GIVEN_UP);
    sg_buf_done(&t.bytes);
}

/* ---- what is sent */

static void a_request_has_its_method_body_and_type(void **state)
{
    static const struct {
        const char *method, *body, *type, *length;
    } cases[] = {
        { "GET", NULL, NULL, NULL },
        { "DELETE", NULL, NULL, NULL },
        { "PUT", NULL, NULL, "0" },
        { "POST", NULL, NULL, "0" },
        { "PUT", "a=b", "application/octet-stream", "3" },
        { "POST", "{}", "application/json", "2" },
        { "PUT", "", "application/octet-stream", "0" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_http_request r = ask(cases[i].method, "/a?op=X");
        const struct http_request *seen;
        const char *type, *length;

        http_peer_reply(peer, &(struct http_reply){ .status = 201 });
        r.body = sg_span_of(cases[i].body);
        r.content_type = cases[i].type;
        do_it(&r);
        seen = http_peer_request(peer, i);
        assert_string_equal(seen->method, cases[i].method);
        assert_string_equal(seen->target, "/a?op=X");
        assert_string_equal(seen->body, cases[i].body != NULL ? cases[i].body : "");
        type = http_peer_header(seen, "Content-Type");
        length = http_peer_header(seen, "Content-Length");
        assert_string_equal(type != NULL ? type : "-", cases[i].type != NULL ? cases[i].type : "-");
        assert_string_equal(length != NULL ? length : "-",
                            cases[i].length != NULL ? cases[i].length : "-");
        assert_null(http_peer_header(seen, "Transfer-Encoding"));
        assert_null(http_peer_header(seen, "Authorization"));
        assert_null(http_peer_header(seen, "Expect"));
    }
    assert_int_equal(http_peer_connections(peer), 1);
}

static void a_large_body_is_sent_without_asking_first(void **state)
{
    size_t n = (size_t)3 << 20;
    char *body = malloc(n);
    struct sg_http_request r;
    const struct http_request *seen;

    (void)state;
    assert_non_null(body);
    for (size_t i = 0; i < n; i++)
        body[i] = (char)(i * 7 % 251);
    http_peer_reply(peer, &(struct http_reply){ .status = 201 });
    r = ask("PUT", "/a");
    r.body = (struct sg_span){ body, n };
    do_it(&r);
    seen = http_peer_request(peer, 0);
    assert_null(http_peer_header(seen, "Expect"));
    assert_int_equal(seen->body_len, n);
    assert_memory_equal(seen->body, body, n);
    assert_true(sg_http_counted(http).sent_bytes == n);
    free(body);
}

static void no_proxy_of_the_environment_is_used(void **state)
{
    (void)state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
    http_peer_reply(peer, &(struct http_reply){ .status = 200 });
    get("/a");
    http_peer_check(peer);
    (void)unsetenv("http_proxy");
    (void)unsetenv("all_proxy");
}

/* ---- connections */

static void a_connection_is_kept_and_counted(void **state)
{
    struct sg_http_count n;

    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .times = 5, .body = "12345" });
    for (int i = 0; i < 5; i++)
        get("/a");
    assert_int_equal(http_peer_connections(peer), 1);
    n = sg_http_counted(http);
    assert_true(n.requests == 5 && n.connections == 1 && n.received_bytes == 25 &&
                n.sent_bytes == 0);
}

static void a_connection_that_was_closed_is_made_again(void **state)
{
    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .end = HTTP_SAY });
    http_peer_reply(peer, &(struct http_reply){ .status = 200 });
    get("/a");
    get("/a");
    assert_int_equal(http_peer_connections(peer), 2);
    assert_true(sg_http_counted(http).connections == 2);
}

static void what_comes_after_an_answer_is_not_the_next_one(void **state)
{
    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .body = "fineHTTP/1.1 200 OK\r\n"
                                                        "Content-Length: 5\r\n\r\nwrong",
                                                .lie = -43 });
    http_peer_reply(peer, &(struct http_reply){ .body = "right" });
    get("/a");
    assert_string_equal(sg_buf_text(&answer.body), "fine");
    get("/b");
    assert_string_equal(sg_buf_text(&answer.body), "right");
}

static void what_is_started_does_not_inherit_a_connection(void **state)
{
    struct sockaddr_in a;
    socklen_t n;
    int found = 0;

    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .status = 200 });
    get("/a");
    for (int fd = 3; fd < 1024; fd++) {
        n = sizeof a;
        if (getpeername(fd, (struct sockaddr *)&a, &n) != 0 ||
            ntohs(a.sin_port) != http_peer_port(peer))
            continue;
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        found++;
    }
    assert_int_equal(found, 1);
}

struct asker {
    pthread_t thread;
    struct sg_http_answer answer;
    enum sg_http_trouble trouble;
    struct sg_error err;
    int64_t ms; /* to its deadline */
    bool ok;
};

static void *ask_a(void *ctx)
{
    struct asker *a = ctx;
    struct sg_http_request r = { .method = "GET", .url = url, .deadline = in_ms(a->ms) };

    a->ok = sg_http_do(http, &r, &a->answer, &a->trouble, &a->err);
    return NULL;
}

static void start(struct asker *a, int64_t ms)
{
    *a = (struct asker){ .ms = ms };
    assert_int_equal(pthread_create(&a->thread, NULL, ask_a, a), 0);
}

static void end(struct asker *a)
{
    assert_int_equal(pthread_join(a->thread, NULL), 0);
    sg_http_answer_done(&a->answer);
}

static void as_many_requests_are_under_way_as_there_are_connections(void **state)
{
    struct asker askers[8];

    (void)state;
    open_http(&(struct sg_http_config){ .connections = 3 });
    http_peer_reply(peer, &(struct http_reply){ .times = 8, .held = true });
    (void)ask("GET", "/a");
    for (size_t i = 0; i < 8; i++)
        start(&askers[i], AGES_MS);
    http_peer_wait(peer, 3);
    http_peer_let_go(peer);
    for (size_t i = 0; i < 8; i++) {
        end(&askers[i]);
        if (!askers[i].ok)
            fail_msg("%s", askers[i].err.text);
    }
    assert_int_equal(http_peer_peak(peer), 3);
    assert_int_equal(http_peer_connections(peer), 3);
    http_peer_check(peer);
}

static void waiting_for_a_connection_ends_with_the_deadline(void **state)
{
    struct asker first, second;

    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .held = true });
    (void)ask("GET", "/a" URL_QUERY);
    start(&first, AGES_MS);
    http_peer_wait(peer, 1);
    start(&second, 1);
    end(&second);
    assert_false(second.ok);
    assert_int_equal(second.trouble, SG_HTTP_UNSENT);
    assert_non_null(strstr(second.err.text, "/a: no connection was free"));
    assert_null(strstr(second.err.text, SECRET));
    http_peer_let_go(peer);
    end(&first);
    assert_true(first.ok);
    assert_int_equal(http_peer_requests(peer), 1);
}

/* ---- no answer */

static void a_deadline_that_has_passed_sends_nothing(void **state)
{
    struct sg_http_request r = ask("PUT", "/a");

    (void)state;
    r.deadline = in_ms(-1);
    check_trouble("passed", &r, SG_HTTP_UNSENT);
    assert_int_equal(http_peer_requests(peer), 0);
}

static void a_server_that_does_not_answer_in_time_is_late(void **state)
{
    static const struct {
        const char *label;
        struct http_reply reply;
    } cases[] = {
        { "no answer", { .silent = true, .end = HTTP_HANG } },
        { "half a header", { .cut = true, .cut_after = 20, .end = HTTP_HANG } },
        { "half a body", { .body = "0123456789", .lie = 5, .end = HTTP_HANG } },
        { "byte by byte",
          { .body = "0123456789", .lie = 1000, .pace_ms = SOON_MS / 8, .end = HTTP_HANG } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_http_request r = ask("PUT", "/a" URL_QUERY);

        http_peer_reply(peer, &cases[i].reply);
        r.deadline = in_ms(SOON_MS);
        check_trouble(cases[i].label, &r, SG_HTTP_LATE);
        check_says("/a: ");
        check_says("timed out");
    }
    assert_int_equal(http_peer_requests(peer), 4);
}

static void a_slow_answer_is_waited_for(void **state)
{
    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .body = "0123456789", .pace_ms = 1 });
    get("/a");
    assert_string_equal(sg_buf_text(&answer.body), "0123456789");
}

/* Whatever is missing, also in the header lines, it is no answer. */
static void an_answer_that_is_cut_is_none(void **state)
{
    static const enum http_framing how[] = { HTTP_LENGTH, HTTP_CHUNKED };
    struct http_reply reply = { .body = "{\"a\":1}", .cut = true, .end = HTTP_SAY };
    struct sg_http_request r = ask("PUT", "/a");
    size_t cuts = 0;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        reply.framing = how[i];
        for (reply.cut_after = 0;; reply.cut_after++) {
            http_peer_clear(peer);
            http_peer_reply(peer, &reply);
            if (sg_http_do(http, &r, &answer, &trouble, &err))
                break;
            if (trouble != SG_HTTP_LOST)
                fail_msg("cut after %zu bytes: trouble %d", reply.cut_after, trouble);
            assert_int_equal(http_peer_requests(peer), 1);
            cuts++;
        }
        assert_string_equal(sg_buf_text(&answer.body), "{\"a\":1}");
    }
    assert_true(cuts > 120); /* each byte of both was missing once */
}

static void what_is_no_http_is_lost(void **state)
{
    static const struct {
        const char *label;
        struct http_reply reply;
    } cases[] = {
        { "closed", { .silent = true, .end = HTTP_DROP } },
        { "reset", { .silent = true, .end = HTTP_RESET } },
        { "reset in the body", { .body = "0123", .lie = 5, .end = HTTP_RESET } },
        { "shorter than it says", { .body = "0123", .lie = 1, .end = HTTP_SAY } },
        { "a length that is none", { .headers = "Content-Length: x\r\n", .framing = HTTP_CLOSE } },
        { "no chunks",
          { .headers = "Transfer-Encoding: chunked\r\n",
            .body = "zz\r\n",
            .framing = HTTP_CLOSE } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sg_http_request r = ask("PUT", "/a" URL_QUERY);

        http_peer_reply(peer, &cases[i].reply);
        check_trouble(cases[i].label, &r, SG_HTTP_LOST);
        check_says("http://127.0.0.1:");
        assert_int_equal(http_peer_requests(peer), i + 1);
    }
}

/* libcurl would send any request again when a connection that it used again is closed. */
static void a_change_is_never_sent_twice(void **state)
{
    static const char *const methods[] = { "PUT", "POST", "DELETE" };
    static const enum http_end ends[] = { HTTP_DROP, HTTP_RESET };
    static const char *const bodies[] = { "", "some bytes" };

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        const char *method = methods[i % 3];
        struct sg_http_request r = ask(method, "/a");
        char label[64];

        (void)snprintf(label, sizeof label, "%s, end %zu, body %zu", method, i / 3 % 2, i / 6);
        http_peer_clear(peer);
        http_peer_reply(peer, &(struct http_reply){ .match = "GET /kept" });
        http_peer_reply(peer, &(struct http_reply){ .silent = true, .end = ends[i / 3 % 2] });
        http_peer_reply(peer, &(struct http_reply){ .match = "GET /again" });
        get("/kept");
        r = ask(method, "/a");
        if (strcmp(method, "DELETE") != 0)
            r.body = sg_span_of(bodies[i / 6]);
        check_trouble(label, &r, SG_HTTP_LOST);
        get("/again");
        assert_int_equal(http_peer_requests(peer), 3);
        if (http_peer_request(peer, 1)->connection != http_peer_request(peer, 0)->connection)
            fail_msg("%s: the connection was not kept", label);
        http_peer_check(peer);
    }
}

static void a_get_on_a_dead_connection_is_sent_again(void **state)
{
    (void)state;
    http_peer_reply(peer, &(struct http_reply){ .match = "GET /kept" });
    http_peer_reply(peer, &(struct http_reply){ .silent = true, .end = HTTP_DROP });
    http_peer_reply(peer, &(struct http_reply){ .body = "here" });
    get("/kept");
    get("/a");
    assert_string_equal(sg_buf_text(&answer.body), "here");
    assert_int_equal(http_peer_requests(peer), 3);
    assert_true(sg_http_counted(http).requests == 3);
}

static void a_refused_connection_is_unreachable(void **state)
{
    struct sg_http_request r = ask("PUT", "/a" URL_QUERY);

    (void)state;
    http_peer_close(peer);
    peer = NULL;
    check_trouble("refused", &r, SG_HTTP_UNREACHABLE);
    check_says("/a: connect: Connection refused");
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_true(sg_http_counted(http).requests == 0);
    r.url = "http://[::1]:1/a" URL_QUERY;
    check_trouble("IPv6", &r, SG_HTTP_UNREACHABLE);
    check_says("http://[::1]:1/a: connect: ");
}

static void an_unknown_host_is_unreachable(void **state)
{
    struct sg_http_request r = ask("PUT", "/a");

    (void)state;
    r.url = "http://nn1.invalid:9870/a" URL_QUERY;
    check_trouble("unknown", &r, SG_HTTP_UNREACHABLE);
    check_says("http://nn1.invalid:9870/a: Could not resolve host: nn1.invalid");
}

static void what_is_no_url_is_not_sent(void **state)
{
    static const char *const urls[] = { "file:///etc/passwd" URL_QUERY, "gopher://h/a" URL_QUERY,
                                        "http://h:port/a" URL_QUERY, "http:///a b" URL_QUERY,
                                        URL_QUERY };
    struct sg_http_request r = ask("GET", "/");

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        r.url = urls[i];
        check_trouble(urls[i], &r, SG_HTTP_UNREACHABLE);
        if (strstr(err.text, SECRET) != NULL)
            fail_msg("a secret is told: %s", err.text);
    }
}

/* One that never begins with TLS, one that goes away, one that can't. */
static void without_tls_nothing_is_sent(void **state)
{
    struct sg_http_request r = ask("PUT", "/a");

    (void)state;
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/a" URL_QUERY, http_peer_port(peer));
    r.deadline = in_ms(SOON_MS);
    check_trouble("silent", &r, SG_HTTP_UNSENT);
    r.deadline = in_ms(AGES_MS);
    http_peer_greet(peer, "");
    check_trouble("closed", &r, SG_HTTP_UNSENT);
    http_peer_greet(peer, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    check_trouble("plain", &r, SG_HTTP_TLS);
    check_says("/a: ");
    assert_int_equal(http_peer_requests(peer), 0);
    assert_true(sg_http_counted(http).requests == 0);
}

/* ---- certificates, with the server of openssl's command line */

struct tls {
    struct scratch dir;
    pid_t pid;
    FILE *said; /* read no further, but kept: it writes there */
    char url[128];
    char ca[300];
};

static pid_t spawn(const struct tls *t, const char *command, int out)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (chdir(t->dir.dir) == 0 && dup2(out, 1) >= 0)
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(126);
}

/* False: no openssl here. A server for 127.0.0.1 whose certificate, for `name`, is signed by
 * itself. */
static bool tls_open(struct tls *t, const char *name)
{
    char make[300], line[200];
    const char *const run =
        "exec openssl s_server -accept 127.0.0.1:0 -www -cert ca.pem -key key.pem "
        "2>&1";
    int fds[2], status = 0;
    unsigned port = 0;

    scratch_open(&t->dir);
    (void)snprintf(make, sizeof make,
                   "exec openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
                   "-keyout key.pem -out ca.pem -days 2 -subj /CN=x -addext subjectAltName=%s 2>&1",
                   name);
    assert_int_equal(pipe(fds), 0);
    t->pid = spawn(t, make, fds[1]);
    assert_true(t->pid > 0 && waitpid(t->pid, &status, 0) == t->pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
        (void)close(fds[0]);
        (void)close(fds[1]);
        scratch_close(&t->dir);
        return false;
    }
    assert_int_equal(status, 0);
    t->pid = spawn(t, run, fds[1]);
    assert_true(t->pid > 0);
    (void)close(fds[1]);
    t->said = fdopen(fds[0], "r");
    assert_non_null(t->said);
    while (port == 0 && fgets(line, sizeof line, t->said) != NULL)
        (void)sscanf(line, "ACCEPT 127.0.0.1:%u", &port);
    assert_true(port != 0);
    (void)snprintf(t->url, sizeof t->url, "https://127.0.0.1:%u/a" URL_QUERY, port);
    (void)snprintf(t->ca, sizeof t->ca, "%s/ca.pem", t->dir.dir);
    return true;
}

static void tls_close(struct tls *t)
{
    (void)kill(t->pid, SIGKILL);
    (void)waitpid(t->pid, NULL, 0);
    (void)fclose(t->said);
    scratch_close(&t->dir);
}

static void only_a_server_that_the_file_of_certificates_knows_is_trusted(void **state)
{
    struct tls t;
    struct sg_http_request r = ask("GET", "/a");

    (void)state;
    if (!tls_open(&t, "IP:127.0.0.1"))
        skip();
    r.url = t.url;
    check_trouble("unknown", &r, SG_HTTP_TLS);
    check_says("/a: SSL certificate problem: self-signed certificate");
    assert_true(sg_http_counted(http).requests == 0);
    open_http(&(struct sg_http_config){ .connections = 1, .ca = t.ca });
    do_it(&r);
    assert_int_equal(answer.status, 200);
    tls_close(&t);
}

static void a_certificate_must_be_for_the_host(void **state)
{
    struct tls t;
    struct sg_http_request r = ask("GET", "/a");

    (void)state;
    if (!tls_open(&t, "DNS:elsewhere.example"))
        skip();
    r.url = t.url;
    open_http(&(struct sg_http_config){ .connections = 1, .ca = t.ca });
    check_trouble("other", &r, SG_HTTP_TLS);
    check_says("'127.0.0.1'");
    tls_close(&t);
}

static void a_file_of_certificates_must_be_readable(void **state)
{
    struct sg_http *h = NULL;

    (void)state;
    assert_false(sg_http_open(&(struct sg_http_config){ .connections = 1, .ca = "/no/such/ca.pem" },
                              &h, &err));
    assert_int_equal(err.code, SG_ERROR_USAGE);
    check_says("/no/such/ca.pem: No such file");
    assert_null(h);
}

/* ---- who we are */

static const struct http_reply challenge = {
    .status = 401,
    .headers = "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Negotiate\r\n",
    .body = "who?",
};

static void a_challenge_is_not_answered_unless_asked_for(void **state)
{
    struct sg_http_request r = ask("PUT", "/a");

    (void)state;
    http_peer_reply(peer, &challenge);
    do_it(&r);
    assert_int_equal(answer.status, 401);
    assert_string_equal(sg_buf_text(&answer.body), "who?");
    assert_string_equal(answer.denied, "");
    open_http(&(struct sg_http_config){ .connections = 1, .negotiate = true });
    http_peer_reply(peer, &challenge);
    r.no_auth = true;
    do_it(&r);
    assert_int_equal(answer.status, 401);
    assert_int_equal(http_peer_requests(peer), 2);
    assert_null(http_peer_header(http_peer_request(peer, 0), "Authorization"));
    assert_null(http_peer_header(http_peer_request(peer, 1), "Authorization"));
}

/* There is no ticket here, and where there is one, none for 127.0.0.1. */
static void an_answer_says_why_kerberos_could_not_answer_a_challenge(void **state)
{
    struct sg_http_request r = ask("PUT", "/a");
    struct http_reply again = challenge;

    (void)state;
    assert_int_equal(setenv("KRB5CCNAME", "FILE:/no/such/tickets", 1), 0);
    open_http(&(struct sg_http_config){ .connections = 1, .negotiate = true });
    again.times = HTTP_ALWAYS;
    http_peer_reply(peer, &again);
    do_it(&r);
    assert_int_equal(answer.status, 401);
    assert_string_equal(sg_buf_text(&answer.body), "who?");
    if (strstr(answer.denied, "credentials were unavailable") == NULL)
        fail_msg("it says: %s", answer.denied);
    (void)unsetenv("KRB5CCNAME");
}

static void a_cookie_is_shared_by_all_connections(void **state)
{
    struct asker other;
    const char *cookie;

    (void)state;
    open_http(&(struct sg_http_config){ .connections = 2 });
    http_peer_reply(
        peer, &(struct http_reply){ .match = "GET /first",
                                    .headers = "Set-Cookie: hadoop.auth=\"u=me&s=x/y=\"; Path=/; "
                                               "HttpOnly\r\n" });
    get("/first");
    http_peer_reply(peer, &(struct http_reply){ .times = 2, .held = true });
    (void)ask("GET", "/a");
    start(&other, AGES_MS);
    http_peer_wait(peer, 2);
    http_peer_let_go(peer);
    get("/a");
    end(&other);
    /* The second handle had no part in the first answer. */
    for (size_t i = 1; i < 3; i++) {
        cookie = http_peer_header(http_peer_request(peer, i), "Cookie");
        assert_string_equal(cookie != NULL ? cookie : "-", "hadoop.auth=\"u=me&s=x/y=\"");
    }
}

static void no_error_tells_a_secret(void **state)
{
    static const struct http_reply replies[] = {
        { .silent = true, .end = HTTP_DROP },
        { .silent = true, .end = HTTP_RESET },
        { .body = "0123", .lie = 5, .end = HTTP_SAY },
        { .headers = "Transfer-Encoding: chunked\r\n", .body = "zz\r\n", .framing = HTTP_CLOSE },
        { .headers = "Content-Length: x\r\n", .framing = HTTP_CLOSE },
        { .silent = true, .end = HTTP_HANG },
    };

    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct sg_http_request r = ask("PUT", "/a" URL_QUERY);

        http_peer_reply(peer, &replies[i]);
        r.deadline = in_ms(replies[i].end == HTTP_HANG ? SOON_MS : AGES_MS);
        assert_false(sg_http_do(http, &r, &answer, &trouble, &err));
        if (strstr(err.text, SECRET) != NULL || strchr(err.text, '?') != NULL)
            fail_msg("a secret is told: %s", err.text);
        check_says("/a: ");
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_has_status_body_type_place_and_the_servers_time),
        TEST(an_answer_replaces_the_one_before),
        TEST(any_status_is_an_answer),
        TEST(a_path_is_asked_for_as_it_is_written),
        TEST(a_body_is_whole_by_its_length_its_chunks_or_the_close),
        TEST(a_kept_body_is_cut_at_its_limit),
        TEST(a_body_is_streamed_only_of_success),
        TEST(a_stream_may_be_given_up),
        TEST(a_request_has_its_method_body_and_type),
        TEST(a_large_body_is_sent_without_asking_first),
        TEST(no_proxy_of_the_environment_is_used),
        TEST(a_connection_is_kept_and_counted),
        TEST(a_connection_that_was_closed_is_made_again),
        TEST(what_comes_after_an_answer_is_not_the_next_one),
        TEST(what_is_started_does_not_inherit_a_connection),
        TEST(as_many_requests_are_under_way_as_there_are_connections),
        TEST(waiting_for_a_connection_ends_with_the_deadline),
        TEST(a_deadline_that_has_passed_sends_nothing),
        TEST(a_server_that_does_not_answer_in_time_is_late),
        TEST(a_slow_answer_is_waited_for),
        TEST(an_answer_that_is_cut_is_none),
        TEST(what_is_no_http_is_lost),
        TEST(a_change_is_never_sent_twice),
        TEST(a_get_on_a_dead_connection_is_sent_again),
        TEST(a_refused_connection_is_unreachable),
        TEST(an_unknown_host_is_unreachable),
        TEST(what_is_no_url_is_not_sent),
        TEST(without_tls_nothing_is_sent),
        TEST(only_a_server_that_the_file_of_certificates_knows_is_trusted),
        TEST(a_certificate_must_be_for_the_host),
        TEST(a_file_of_certificates_must_be_readable),
        TEST(a_challenge_is_not_answered_unless_asked_for),
        TEST(an_answer_says_why_kerberos_could_not_answer_a_challenge),
        TEST(a_cookie_is_shared_by_all_connections),
        TEST(no_error_tells_a_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
