#include <pthread.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/store.h"

#include "fake_hdfs.h"
#include "http_peer.h"
#include "scratch.h"
#include "webhdfs_impl.h"

#define STATUS                                                                                     \
    "{\"FileStatus\":{\"childrenNum\":2,\"fileId\":16400,\"length\":0,\"modificationTime\":1000,"  \
    "\"pathSuffix\":\"\",\"type\":\"DIRECTORY\"}}"
#define REFUSAL(exception, message)                                                                \
    "{\"RemoteException\":{\"exception\":\"" exception "\",\"javaClassName\":\"x\","               \
    "\"message\":\"" message "\"}}"
#define JSON   "Content-Type: application/json\r\n"
#define HTML   "Content-Type: text/html;charset=utf-8\r\n"
#define SECRET "HAAEdGVzdGVy"

static struct http_peer *peers[2];
static struct scratch conf;
static struct sg_store *store;
static struct sg_error err;
static struct sg_entry entry;

/* The pair ns1 of both peers, as Hadoop's configuration tells of it. */
static void configure(const char *more)
{
    char text[2000];

    snprintf(text, sizeof(text),
             "<configuration>"
             "<property><name>dfs.nameservices</name><value>ns1</value></property>"
             "<property><name>dfs.ha.namenodes.ns1</name><value>a,b</value></property>"
             "<property><name>dfs.namenode.http-address.ns1.a</name><value>127.0.0.1:%u</value>"
             "</property>"
             "<property><name>dfs.namenode.http-address.ns1.b</name><value>127.0.0.1:%u</value>"
             "</property>%s</configuration>",
             http_peer_port(peers[0]), http_peer_port(peers[1]), more);
    scratch_write(&conf, "hdfs-site.xml", text);
}

static bool try_open(const char *root, const char *auth)
{
    struct sg_store_config c = { .root = root,
                                 .conf_dir = conf.dir,
                                 .user = "a user",
                                 .auth = auth,
                                 .connections = 2,
                                 .deadline_s = 60,
                                 .lease_s = 300 };

    sg_store_free(store);
    store = NULL;
    if (!sg_webhdfs_open(&c, &store, &err))
        return false;
    wh_of(store)->pause_ms = 0;
    return true;
}

static void open_as(const char *root, const char *auth)
{
    if (!try_open(root, auth))
        fail_msg("open %s: %s", root, err.text);
}

static int set_up(void **state)
{
    (void)state;
    sg_error_clear(&err);
    scratch_open(&conf);
    peers[0] = http_peer_open();
    peers[1] = http_peer_open();
    configure("");
    open_as("hdfs://ns1/w", "auto");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sg_store_free(store);
    store = NULL;
    http_peer_close(peers[0]);
    http_peer_close(peers[1]);
    peers[0] = peers[1] = NULL;
    scratch_close(&conf);
    return 0;
}

static void reply(int peer, const char *match, int status, const char *headers, const char *body)
{
    http_peer_reply(
        peers[peer],
        &(struct http_reply){ .match = match, .status = status, .headers = headers, .body = body });
}

static void check(void)
{
    http_peer_check(peers[0]);
    http_peer_check(peers[1]);
    http_peer_clear(peers[0]);
    http_peer_clear(peers[1]);
}

static bool says(const char *part)
{
    return strstr(err.text, part) != NULL;
}

#define assert_says(part)                                                                          \
    do {                                                                                           \
        if (!says(part))                                                                           \
            fail_msg("'%s' is not in: %s", part, err.text);                                        \
    } while (0)

/* ---- addresses */

static void what_the_standby_refuses_the_active_one_is_asked(void **state)
{
    (void)state;
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS&user.name=a%20user", 403, JSON,
          REFUSAL("StandbyException", "Operation category READ is not supported in state standby"));
    reply(1, "GET /webhdfs/v1/w?op=GETFILESTATUS&user.name=a%20user", 200, JSON, STATUS);
    OK(sg_store_stat(store, "", &entry, &err));
    assert_int_equal(entry.ident.id, 16400);
    check();

    /* … and from then on first. */
    reply(1, NULL, 200, JSON, STATUS);
    OK(sg_store_stat(store, "", &entry, &err));
    check();

    reply(1, NULL, 403, JSON, REFUSAL("StandbyException", "x"));
    reply(0, NULL, 200, JSON, "{\"boolean\":true}");
    OK(sg_store_make_dir(store, "d", &err));
    check();
}

static void a_name_node_that_is_down_is_passed_over(void **state)
{
    (void)state;
    http_peer_close(peers[0]);
    peers[0] = http_peer_open(); /* on another port, most likely; the old one refuses */
    reply(1, NULL, 200, JSON, "{\"boolean\":true}");
    OK(sg_store_make_dir(store, "d", &err));
    check();
}

static void where_nothing_ever_answered_the_first_refusal_of_all_is_the_end(void **state)
{
    char base[2][100];

    (void)state;
    for (int i = 0; i < 2; i++) {
        snprintf(base[i], sizeof(base[i]), "%s: connect: Connection refused",
                 http_peer_base(peers[i]));
        http_peer_close(peers[i]);
        peers[i] = NULL;
    }
    assert_false(sg_store_stat(store, "d", &entry, &err));
    assert_int_equal(err.code, SG_ERROR_AWAY);
    assert_says("GETFILESTATUS /w/d: ");
    assert_says(base[0]);
    assert_says(base[1]);
    peers[0] = http_peer_open();
    peers[1] = http_peer_open();
}

static void where_nothing_ever_answered_the_deadline_asks_for_the_port(void **state)
{
    const struct http_reply drops = { .times = HTTP_ALWAYS, .silent = true, .end = HTTP_DROP };

    (void)state;
    for (int i = 0; i < 2; i++)
        http_peer_reply(peers[i], &drops);
    wh_of(store)->deadline_ms = 300;
    wh_of(store)->pause_ms = 100;
    assert_false(sg_store_stat(store, "", &entry, &err));
    assert_says("not done within 0 s: http://127.0.0.1:");
    assert_says("; nothing has answered yet: is it a NameNode's port for HTTP, without TLS?");
}

static void what_has_answered_before_is_waited_for_until_the_deadline(void **state)
{
    (void)state;
    reply(0, NULL, 200, JSON, STATUS);
    OK(sg_store_stat(store, "", &entry, &err));
    check();
    for (int i = 0; i < 2; i++)
        http_peer_close(peers[i]);
    wh_of(store)->deadline_ms = 300;
    wh_of(store)->pause_ms = 100;
    assert_false(sg_store_make_dir(store, "d", &err));
    assert_int_equal(err.code, SG_ERROR_AWAY);
    assert_says("MKDIRS /w/d: not done within 0 s: http://127.0.0.1:");
    assert_says("Connection refused");
    peers[0] = http_peer_open();
    peers[1] = http_peer_open();
}

static void *make_a_dir(void *done)
{
    *(bool *)done = sg_store_make_dir(store, "d", &err);
    return NULL;
}

static void once_it_is_stopped_nothing_is_waited_for(void **state)
{
    const struct http_reply hangs = { .times = HTTP_ALWAYS, .silent = true, .end = HTTP_HANG };
    const struct sg_mono begun = sg_mono_now();
    pthread_t thread;
    bool done = true;

    (void)state;
    for (int i = 0; i < 2; i++)
        http_peer_reply(peers[i], &hangs);
    assert_int_equal(pthread_create(&thread, NULL, make_a_dir, &done), 0);
    http_peer_wait(peers[0], 1);
    sg_store_stop(store);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(done);
    assert_int_equal(err.code, SG_ERROR_AWAY);
    assert_says("MKDIRS /w/d: given up: http://127.0.0.1:");
    assert_says("no answer, and nobody waits for it any longer");
    if (sg_mono_now().ns - begun.ns > 20 * SG_NS_PER_S) /* of the 60 that it has */
        fail_msg("it went on for %lld s", (long long)((sg_mono_now().ns - begun.ns) / SG_NS_PER_S));
}

static void wait_for_trouble(bool want, struct sg_store_trouble *ret)
{
    const struct timespec nap = { .tv_nsec = 10000000 };
    const struct sg_mono begun = sg_mono_now();

    while (sg_store_trouble(store, ret) != want) {
        if (sg_mono_now().ns - begun.ns > 20 * SG_NS_PER_S)
            fail_msg("after 20 s still %s", want ? "no trouble" : ret->why);
        nanosleep(&nap, NULL);
    }
}

static void what_waits_for_seconds_is_told_until_it_is_answered(void **state)
{
    const struct http_reply hangs = { .silent = true, .end = HTTP_HANG };
    const struct http_reply held = { .held = true, .headers = JSON, .body = "{\"boolean\":true}" };
    struct sg_store_trouble t;
    char want[300];
    pthread_t thread;
    bool done = false;

    (void)state;
    wh_of(store)->deadline_ms = 4000;
    wh_of(store)->silence_ms = 1;
    assert_false(sg_store_trouble(store, &t));
    assert_int_equal(t.answered.ns, 0);
    http_peer_reply(peers[0], &hangs);
    http_peer_reply(peers[1], &held);
    assert_int_equal(pthread_create(&thread, NULL, make_a_dir, &done), 0);
    wait_for_trouble(true, &t);
    snprintf(want, sizeof(want), "waiting for HDFS: MKDIRS /w/d at %s: no answer yet, up to 4s",
             http_peer_base(peers[0]));
    assert_string_equal(t.why, want);
    http_peer_wait(peers[1], 1); /* half of the time is over */
    assert_true(sg_store_trouble(store, &t));
    assert_non_null(strstr(t.why, "waiting for HDFS: MKDIRS /w/d at http://127.0.0.1:"));
    assert_null(strstr(t.why, "no answer yet"));
    http_peer_let_go(peers[1]);
    wait_for_trouble(false, &t);
    assert_string_equal(t.why, "");
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(done);
    assert_false(sg_store_trouble(store, &t));
    assert_true(t.answered.ns > 0);
}

/* ---- exceptions */

static void what_can_pass_is_tried_again_and_nothing_else(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool passes;
    } cases[] = {
        { 403, REFUSAL("SafeModeException", "Cannot create directory. Name node is in safe mode."),
          true },
        { 403, REFUSAL("RetriableException", "Namenode is in startup mode"), true },
        { 403, REFUSAL("ObserverRetryOnActiveException", "x"), true },
        { 403, REFUSAL("IOException", "Failed to find datanode, suggest to check health"), true },
        { 503, "", true },
        { 429, "slower", true },
        { 403, REFUSAL("AccessControlException", "Permission denied: user=x"), false },
        { 403, REFUSAL("NSQuotaExceededException", "The NameSpace quota is exceeded"), false },
        { 403, REFUSAL("DSQuotaExceededException", "The DiskSpace quota is exceeded"), false },
        { 403, REFUSAL("SnapshotException", "The directory has snapshots"), false },
        { 403, REFUSAL("ParentNotDirectoryException", "/w (is not a directory)"), false },
        { 400, REFUSAL("InvalidPathException", "Invalid path name /w/a:b"), false },
        { 400, REFUSAL("IllegalArgumentException", "Invalid value"), false },
        { 403, REFUSAL("IOException", "something else"), false },
        { 403, REFUSAL("SecurityException", "Failed to obtain user group information"), false },
        { 403, REFUSAL("BrandNewException", "nobody knows"), false },
        { 403, "forbidden", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_as("hdfs://ns1/w", "auto");
        reply(0, NULL, cases[i].status, JSON, cases[i].body);
        if (cases[i].passes)
            reply(1, NULL, 200, JSON, "{\"boolean\":true}");
        if (sg_store_make_dir(store, "d", &err) != cases[i].passes)
            fail_msg("%s: %s", cases[i].body, err.text);
        check();
        if (!cases[i].passes) {
            assert_int_equal(err.code, SG_ERROR_STORE);
            assert_says("MKDIRS /w/d at http://127.0.0.1:");
        }
    }
}

static void an_error_names_operation_path_address_exception_and_the_first_line(void **state)
{
    char want[300];

    (void)state;
    reply(0, NULL, 403, JSON,
          REFUSAL("AccessControlException", "Permission denied: user=x\\n\\tat org.apache.X"));
    assert_false(sg_store_stat(store, "a/b c", &entry, &err));
    snprintf(want, sizeof(want),
             "GETFILESTATUS /w/a/b c at %s: AccessControlException: Permission denied: user=x",
             http_peer_base(peers[0]));
    assert_string_equal(err.text, want);
    check();
}

static void a_page_is_no_answer(void **state)
{
    static const char page[] = "<html><head><title>Sign in to Corp</title></head><body/></html>";

    (void)state;
    reply(0, NULL, 200, HTML, page);
    assert_false(sg_store_stat(store, "", &entry, &err));
    assert_says("HTTP 200 with an HTML page Sign in to Corp: no WebHDFS there");
    reply(0, NULL, 404, HTML, page);
    assert_false(sg_store_stat(store, "", &entry, &err)); /* not: absent */
    assert_says("HTTP 404 with an HTML page Sign in to Corp");
    reply(0, NULL, 200, HTML, page);
    assert_false(sg_store_list(store, "", NULL, NULL, &err));
    assert_says("LISTSTATUS /w at http");
    assert_says("HTTP 200 with an HTML page");
    reply(0, NULL, 302, HTML "Location: https://sso.example/login?ticket=" SECRET "\r\n", page);
    assert_false(sg_store_stat(store, "", &entry, &err));
    assert_says("HTTP 302: it sends us to https://sso.example");
    assert_null(strstr(err.text, SECRET));
    reply(0, NULL, 404, "Content-Type: text/plain\r\n",
          "It looks like you are making an HTTP request to a Hadoop IPC port. More.\r\n");
    assert_false(sg_store_stat(store, "", &entry, &err));
    assert_says("HTTP 404: It looks like you are making an HTTP request to a Hadoop IPC port");
    reply(0, NULL, 400, "Content-Type: text/plain\r\n", "no /w?op=X&delegation=" SECRET " here");
    assert_false(sg_store_stat(store, "", &entry, &err));
    assert_says("HTTP 400: no /w");
    assert_null(strstr(err.text, SECRET));
    check();
}

static void a_challenge_is_told_as_what_it_is(void **state)
{
    (void)state;
    reply(0, NULL, 401, HTML "WWW-Authenticate: Negotiate\r\n", "<html/>");
    assert_false(sg_store_stat(store, "", &entry, &err));
    assert_says("the cluster wants Kerberos (write auth = kerberos in [store]");
    check();
}

static void a_cut_answer_is_asked_for_again(void **state)
{
    (void)state;
    http_peer_reply(peers[0],
                    &(struct http_reply){ .headers = JSON,
                                          .body = "{\"FileStatuses\":{\"FileStatus\":[]}}",
                                          .cut = true,
                                          .cut_after = 90 });
    reply(1, "GET /webhdfs/v1/w?op=LISTSTATUS", 200, JSON,
          "{\"FileStatuses\":{\"FileStatus\":[]}}");
    OK(sg_store_list(store, "", NULL, NULL, &err));
    check();
    reply(1, NULL, 200, JSON, "{\"FileStatuses\":{\"FileStatus\":[");
    assert_false(sg_store_list(store, "", NULL, NULL, &err));
    assert_says("LISTSTATUS /w at http://127.0.0.1:");
    assert_says("no JSON, or was cut");
    check();
}

static bool count_entry(void *ctx, const char *name, const struct sg_entry *e)
{
    (void)name;
    (void)e;
    ++*(int *)ctx;
    return true;
}

#define ELEMENT(name)                                                                                 \
    "{\"fileId\":1,\"length\":0,\"type\":\"DIRECTORY\",\"modificationTime\":1,\"pathSuffix\":\"" name \
    "\"}"

static void directories_are_listed_in_pages_where_there_are_any(void **state)
{
    static const char *const dirs[] = { "dt=1 a", "dt=1 b", "dt=1 c" };
    struct sg_entry got[3];

    (void)state;
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS", 200, JSON, STATUS); /* the time */
    reply(0, "GET /webhdfs/v1/w?op=LISTSTATUS_BATCH&user.name=a%20user&startAfter=dt%3D1%20", 200,
          JSON,
          "{\"DirectoryListing\":{\"partialListing\":{\"FileStatuses\":{\"FileStatus\":[" ELEMENT(
              "dt=1 a") "," ELEMENT("dt=1 b") "]}},\"remainingEntries\":2}}");
    reply(0, "GET /webhdfs/v1/w?op=LISTSTATUS_BATCH&user.name=a%20user&startAfter=dt%3D1%20b", 200,
          JSON,
          "{\"DirectoryListing\":{\"partialListing\":{\"FileStatuses\":{\"FileStatus\":[" ELEMENT(
              "dt=1 c") "]}},\"remainingEntries\":1}}");
    OK(sg_store_stat_dirs(store, dirs, 3, got, &err));
    for (int i = 0; i < 3; i++)
        assert_int_equal(got[i].kind, SG_ENTRY_DIR);
    check();
    /* A gateway without pages: then not asked for again. */
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS", 200, JSON, STATUS);
    reply(0, "GET /webhdfs/v1/w?op=LISTSTATUS_BATCH&user.name=a%20user&startAfter=dt%3D1%20", 400,
          JSON, REFUSAL("IllegalArgumentException", "No enum constant LISTSTATUS_BATCH"));
    for (int i = 0; i < 2; i++) {
        if (i == 1)
            reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS", 200, JSON, STATUS);
        reply(0, "GET /webhdfs/v1/w?op=LISTSTATUS", 200, JSON,
              "{\"FileStatuses\":{\"FileStatus\":[" ELEMENT("dt=1 b") "]}}");
        OK(sg_store_stat_dirs(store, dirs, 3, got, &err));
        assert_int_equal(got[0].kind, SG_ENTRY_ABSENT);
        assert_int_equal(got[1].kind, SG_ENTRY_DIR);
    }
    check();
}

static void a_listing_that_broke_off_tells_nothing_of_its_first_part(void **state)
{
    static const char element[] =
        "{\"FileStatuses\":{\"FileStatus\":[{\"fileId\":1,\"length\":1,\"type\":\"FILE\","
        "\"modificationTime\":1,\"pathSuffix\":\"x\"}";
    char whole[300];
    int n = 0;

    (void)state;
    snprintf(whole, sizeof(whole), "%s]}}", element);
    reply(0, NULL, 200, JSON, element);
    assert_false(sg_store_list(store, "", count_entry, &n, &err));
    assert_int_equal(n, 0);
    http_peer_reply(peers[0], &(struct http_reply){
                                  .headers = JSON, .body = whole, .lie = 5, .end = HTTP_SAY });
    http_peer_reply(peers[1], &(struct http_reply){ .headers = JSON, .body = whole });
    OK(sg_store_list(store, "", count_entry, &n, &err));
    assert_int_equal(n, 1);
    check();
}

/* ---- names, and the second step */

static void names_go_byte_by_byte(void **state)
{
    (void)state;
    reply(0, "GET /webhdfs/v1/w/a%20%25%3D%2B%26%23%3F%C3%A9/x-_.~%3B?op=GETFILESTATUS&", 200, JSON,
          STATUS);
    OK(sg_store_stat(store, "a %=+&#?\xc3\xa9/x-_.~;", &entry, &err));
    check();
}

static void the_root_of_the_file_system_has_a_path_too(void **state)
{
    (void)state;
    open_as("hdfs://ns1/", "auto");
    reply(0, "GET /webhdfs/v1/?op=GETFILESTATUS", 200, JSON, STATUS);
    reply(0, "GET /webhdfs/v1/a?op=GETFILESTATUS", 200, JSON, STATUS);
    OK(sg_store_stat(store, "", &entry, &err));
    OK(sg_store_stat(store, "a", &entry, &err));
    check();
    assert_string_equal(sg_store_uri(store), "hdfs://ns1");
}

static void a_data_node_is_asked_where_the_name_node_says(void **state)
{
    struct sg_buf text = SG_BUF_INIT;
    char location[400];

    (void)state;
    reply(0, "GET /webhdfs/v1/w/f?op=GETFILESTATUS", 200, JSON,
          "{\"FileStatus\":{\"fileId\":7,\"length\":5,\"modificationTime\":1000,"
          "\"pathSuffix\":\"\",\"type\":\"FILE\"}}");
    snprintf(location, sizeof(location),
             "{\"Location\":\"%s/dn/\xc3\xa9%%20?op=OPEN&delegation=t\"}",
             http_peer_base(peers[1]));
    reply(0, "GET /webhdfs/v1/w/f?op=OPEN&user.name=a%20user&noredirect=true", 200, JSON, location);
    reply(1, "GET /dn/%C3%A9%20?op=OPEN&delegation=t", 200,
          "Content-Type: application/octet-stream\r\n", "hello");
    OK(sg_store_read(store, "f", 100, &text, &entry, &err));
    assert_string_equal(sg_buf_text(&text), "hello");
    check();
    sg_buf_done(&text);
}

static void an_old_name_node_redirects_although_it_should_not(void **state)
{
    char location[400];
    struct sg_hash128 sum[2];
    const char *algorithm;

    (void)state;
    snprintf(location, sizeof(location), "Location: %s/dn?op=GETFILECHECKSUM\r\n",
             http_peer_base(peers[1]));
    for (int i = 0; i < 2; i++) {
        reply(0, "GET /webhdfs/v1/w/f?op=GETFILECHECKSUM", 307, location, NULL);
        reply(1, "GET /dn?op=GETFILECHECKSUM", 200, JSON,
              i == 0
                  ? "{\"FileChecksum\":{\"algorithm\":\"MD5\",\"bytes\":\"00aa\",\"length\":2}}"
                  : "{\"FileChecksum\":{\"algorithm\":\"MD5\",\"bytes\":\"00ab\",\"length\":2}}");
        OK(sg_store_checksum(store, "f", false, &sum[i], &algorithm, &err));
        assert_non_null(algorithm);
    }
    assert_false(sg_hash128_is(sum[0], sum[1]));
    check();
}

static void a_redirect_to_nowhere_is_an_error_that_names_it(void **state)
{
    const char *algorithm;
    struct sg_hash128 sum;
    int port;

    char location[200], address[100];

    (void)state;
    port = (int)http_peer_port(peers[1]);
    http_peer_close(peers[1]);
    peers[1] = http_peer_open();
    snprintf(address, sizeof(address), "http://127.0.0.1:%d: connect: Connection refused", port);
    snprintf(location, sizeof(location), "{\"Location\":\"http://127.0.0.1:%d/dn?delegation=%s\"}",
             port, SECRET);
    http_peer_reply(
        peers[0], &(struct http_reply){ .times = HTTP_ALWAYS, .headers = JSON, .body = location });
    open_as("hdfs://ns1/w", "auto");
    wh_of(store)->deadline_ms = 300;
    wh_of(store)->pause_ms = 100;
    assert_false(sg_store_checksum(store, "f", false, &sum, &algorithm, &err));
    assert_says(address);
    assert_null(strstr(err.text, SECRET));
    http_peer_clear(peers[0]);
    http_peer_clear(peers[1]);
    reply(0, NULL, 200, JSON, "{\"Location\":\"ftp://127.0.0.1/x\"}");
    assert_false(sg_store_checksum(store, "f", false, &sum, &algorithm, &err));
    assert_says("the answer names no DataNode");
}

/* ---- Kerberos and the token */

#define GET_TOKEN "GET /webhdfs/v1/?op=GETDELEGATIONTOKEN"
#define TOKEN(t)  "{\"Token\":{\"urlString\":\"" t "\"}}"

static void a_token_is_got_once_used_for_all_and_cancelled(void **state)
{
    (void)state;
    open_as("hdfs://ns1/w", "kerberos");
    reply(0, GET_TOKEN, 200, JSON, TOKEN(SECRET));
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS&delegation=" SECRET, 200, JSON, STATUS);
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS&delegation=" SECRET, 200, JSON, STATUS);
    OK(sg_store_stat(store, "", &entry, &err));
    OK(sg_store_stat(store, "", &entry, &err));
    check();
    reply(0, "PUT /webhdfs/v1/?op=CANCELDELEGATIONTOKEN&token=" SECRET, 200, JSON, NULL);
    sg_store_free(store);
    store = NULL;
    check();
}

static void a_token_that_is_refused_is_replaced_once(void **state)
{
    (void)state;
    open_as("hdfs://ns1/w", "kerberos");
    reply(0, GET_TOKEN, 200, JSON, TOKEN(SECRET));
    reply(0,
          "PUT /webhdfs/v1/w/d?op=MKDIRS&permission=755&unmaskedpermission=777&delegation=" SECRET,
          403, JSON, REFUSAL("SecurityException", "Failed to obtain user group information"));
    reply(1, GET_TOKEN, 403, JSON, REFUSAL("StandbyException", "x"));
    reply(0, GET_TOKEN, 200, JSON, TOKEN("second"));
    reply(0, "PUT /webhdfs/v1/w/d?op=MKDIRS", 200, JSON, "{\"boolean\":true}");
    reply(1, "PUT /webhdfs/v1/w/d?op=MKDIRS", 403, JSON, REFUSAL("StandbyException", "x"));
    wh_of(store)->nn.n = 2;
    OK(sg_store_make_dir(store, "d", &err));
    http_peer_clear(peers[0]);
    http_peer_clear(peers[1]);

    http_peer_reply(peers[0], &(struct http_reply){ .match = GET_TOKEN,
                                                    .times = HTTP_ALWAYS,
                                                    .headers = JSON,
                                                    .body = TOKEN(SECRET) });
    for (int i = 0; i < 2; i++)
        http_peer_reply(peers[i],
                        &(struct http_reply){ .times = HTTP_ALWAYS,
                                              .status = 403,
                                              .headers = JSON,
                                              .body = REFUSAL("InvalidToken", "expired") });
    wh_of(store)->nn.n = 1;
    assert_false(sg_store_make_dir(store, "d", &err));
    assert_says("InvalidToken: expired");
    assert_null(strstr(err.text, SECRET));
    assert_null(strstr(err.text, "second"));
}

static void a_token_is_renewed_in_time_and_one_that_can_not_be_is_replaced(void **state)
{
    (void)state;
    open_as("hdfs://ns1/w", "kerberos");
    reply(0, GET_TOKEN, 200, JSON, TOKEN(SECRET));
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS&delegation=" SECRET, 200, JSON, STATUS);
    OK(sg_store_stat(store, "", &entry, &err));

    wh_of(store)->token_renewal = sg_mono_now();
    reply(0, "PUT /webhdfs/v1/?op=RENEWDELEGATIONTOKEN&token=" SECRET, 200, JSON,
          "{\"long\":99999999999999}");
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS&delegation=" SECRET, 200, JSON, STATUS);
    OK(sg_store_stat(store, "", &entry, &err));
    assert_true(wh_of(store)->token_renewal.ns > sg_mono_now().ns);

    wh_of(store)->token_renewal = sg_mono_now();
    reply(0, "PUT /webhdfs/v1/?op=RENEWDELEGATIONTOKEN&token=" SECRET, 403, JSON,
          REFUSAL("InvalidToken", "token is expired"));
    reply(0, GET_TOKEN, 200, JSON, TOKEN("another"));
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS&delegation=another", 200, JSON, STATUS);
    OK(sg_store_stat(store, "", &entry, &err));
    check();
}

static void without_credentials_the_error_says_where_to_get_them(void **state)
{
    (void)state;
    open_as("hdfs://ns1/w", "kerberos");
    reply(0, GET_TOKEN, 401, HTML, "<html/>");
    assert_false(sg_store_stat(store, "", &entry, &err));
    assert_says("GETDELEGATIONTOKEN / at http://127.0.0.1:");
    assert_says("klist");
    assert_says("kinit");
    check();
}

static void a_cluster_without_tokens_is_asked_without_one(void **state)
{
    (void)state;
    open_as("hdfs://ns1/w", "kerberos");
    reply(0, GET_TOKEN, 200, JSON, "{\"Token\":null}");
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS", 200, JSON, STATUS);
    reply(0, "GET /webhdfs/v1/w?op=GETFILESTATUS", 200, JSON, STATUS);
    OK(sg_store_stat(store, "", &entry, &err));
    OK(sg_store_stat(store, "", &entry, &err));
    check();
}

/* ---- the rest of reading */

static void a_file_that_is_replaced_while_it_is_read_is_read_again(void **state)
{
    struct fake_hdfs *f = fake_hdfs_open();
    struct sg_buf text = SG_BUF_INIT;
    char root[100];

    (void)state;
    snprintf(root, sizeof(root), "webhdfs://127.0.0.1:%u/w", http_peer_port(fake_hdfs_peer(f)));
    open_as(root, "simple");
    fake_hdfs_write(f, "/w/f", "new text");
    http_peer_reply(fake_hdfs_peer(f),
                    &(struct http_reply){ .headers = JSON,
                                          .body = "{\"FileStatus\":{\"fileId\":7,\"length\":5,"
                                                  "\"modificationTime\":1000,\"pathSuffix\":\"\","
                                                  "\"type\":\"FILE\"}}" });
    OK(sg_store_read(store, "f", 100, &text, &entry, &err));
    assert_string_equal(sg_buf_text(&text), "new text");
    assert_int_equal(entry.ident.id, fake_hdfs_id(f, "/w/f"));
    sg_buf_clear(&text);
    assert_false(sg_store_read(store, "f", 7, &text, &entry, &err));
    assert_int_equal(err.code, SG_ERROR_LIMIT);
    OK(sg_store_read(store, "f", 8, &text, &entry, &err));
    sg_buf_done(&text);
    sg_store_free(store);
    store = NULL;
    fake_hdfs_close(f);
}

static bool add_walked(void *ctx, const struct sg_data_file *file)
{
    return sg_buf_addf(ctx, &err, "%s|%s|%lld ", file->rel_dir, file->name,
                       (long long)file->ident.len);
}

static void a_walk_leaves_out_what_is_hidden_and_all_below_it(void **state)
{
    struct fake_hdfs *f = fake_hdfs_open();
    struct sg_buf text = SG_BUF_INIT;
    const char *algorithm;
    struct sg_hash128 sum;
    char root[100];

    (void)state;
    snprintf(root, sizeof(root), "webhdfs://127.0.0.1:%u/w", http_peer_port(fake_hdfs_peer(f)));
    open_as(root, "simple");
    fake_hdfs_write(f, "/w/d/part-0", "x");
    fake_hdfs_write(f, "/w/d/_SUCCESS", "x");
    fake_hdfs_write(f, "/w/d/_temporary/0/part-0", "x");
    fake_hdfs_write(f, "/w/d/.part-0.crc", "x");
    fake_hdfs_write(f, "/w/d/k=1/l=2/part-1", "xy");
    OK(sg_store_walk(store, "d", add_walked, &text, &err));
    assert_string_equal(sg_buf_text(&text), "|part-0|1 k=1/l=2|part-1|2 ");
    OK(sg_store_walk(store, "nowhere", add_walked, &text, &err));

    /* An encryption zone is seen in a listing, and then asked about. */
    OK(sg_store_checksum(store, "d/part-0", false, &sum, &algorithm, &err));
    assert_non_null(algorithm);
    fake_hdfs_encrypt(f, "/w/d/k=1/l=2/part-1");
    OK(sg_store_walk(store, "d", add_walked, &text, &err));
    OK(sg_store_checksum(store, "d/k=1/l=2/part-1", false, &sum, &algorithm, &err));
    assert_null(algorithm);
    OK(sg_store_checksum(store, "d/part-0", false, &sum, &algorithm, &err));
    assert_non_null(algorithm);
    sg_buf_done(&text);
    sg_store_free(store);
    store = NULL;
    fake_hdfs_close(f);
}

static void the_time_is_the_servers(void **state)
{
    struct sg_wall now;

    (void)state;
    reply(0, NULL, 200, JSON "Date: Wed, 25 Nov 2026 12:00:00 GMT\r\n", STATUS);
    OK(sg_store_now(store, &now, &err));
    assert_in_range(now.ns / SG_NS_PER_S - 1795608000, 0, 50);
    OK(sg_store_now(store, &now, &err)); /* of the same answer */
    assert_in_range(now.ns / SG_NS_PER_S - 1795608000, 0, 50);
    check();
}

static void a_file_that_is_being_written_is_seen(void **state)
{
    bool open = false;

    (void)state;
    reply(0, "GET /webhdfs/v1/w/f?op=GET_BLOCK_LOCATIONS", 200, JSON,
          "{\"LocatedBlocks\":{\"fileLength\":0,\"isUnderConstruction\":true}}");
    OK(sg_store_is_open(store, "f", &open, &err));
    assert_true(open);
    reply(0, NULL, 400, JSON, REFUSAL("IllegalArgumentException", "no such op on a gateway"));
    OK(sg_store_is_open(store, "f", &open, &err));
    assert_false(open);
    reply(0, NULL, 404, JSON, REFUSAL("FileNotFoundException", "gone"));
    OK(sg_store_is_open(store, "f", &open, &err));
    assert_false(open);
    check();
}

/* ---- opening */

static void the_umask_of_the_configuration_is_kept(void **state)
{
    static const struct {
        const char *umask, *dir, *file; /* dir NULL: refused */
    } cases[] = {
        { "027", "&permission=750&", "&permission=640&" },
        { "0077", "&permission=700&", "&permission=600&" },
        { "000", "&permission=777&", "&permission=666&" },
        { "u=rwx,g=rx,o=", "&permission=750&", "&permission=640&" },
        { "a=rx", "&permission=555&", "&permission=444&" },
        { "9", NULL, NULL },
        { "1000", NULL, NULL },
        { "g-w", NULL, NULL },
        { "x", NULL, NULL },
    };
    char property[200];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(property, sizeof(property),
                 "<property><name>fs.permissions.umask-mode</name><value>%s</value></property>",
                 cases[i].umask);
        configure(property);
        if (try_open("hdfs://ns1/w", "auto") != (cases[i].dir != NULL))
            fail_msg("%s: %s", cases[i].umask, err.text);
        if (cases[i].dir != NULL) {
            assert_non_null(strstr(wh_of(store)->dir_mode, cases[i].dir));
            assert_non_null(strstr(wh_of(store)->file_mode, cases[i].file));
        } else {
            assert_int_equal(err.code, SG_ERROR_GRAPH);
            assert_says(cases[i].umask);
        }
    }
}

static void a_root_that_can_not_be_resolved_is_an_error_of_the_graph(void **state)
{
    (void)state;
    assert_false(try_open("hdfs://ns9/w", "auto"));
    assert_int_equal(err.code, SG_ERROR_GRAPH);
    assert_int_equal(strncmp(err.text, "root hdfs://ns9/w: ns9 is no nameservice", 39), 0);
    configure("<property><name>dfs.namenode.http-address.ns1.a</name><value>h:port</value>"
              "</property>");
    assert_false(try_open("hdfs://ns1/w", "auto"));
    assert_says("root hdfs://ns1/w: dfs.namenode.http-address.ns1.a = h:port is no HOST:PORT in ");
    assert_says(conf.dir);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_the_standby_refuses_the_active_one_is_asked),
        T(a_name_node_that_is_down_is_passed_over),
        T(where_nothing_ever_answered_the_first_refusal_of_all_is_the_end),
        T(where_nothing_ever_answered_the_deadline_asks_for_the_port),
        T(what_has_answered_before_is_waited_for_until_the_deadline),
        T(once_it_is_stopped_nothing_is_waited_for),
        T(what_waits_for_seconds_is_told_until_it_is_answered),
        T(what_can_pass_is_tried_again_and_nothing_else),
        T(an_error_names_operation_path_address_exception_and_the_first_line),
        T(a_page_is_no_answer),
        T(a_challenge_is_told_as_what_it_is),
        T(a_cut_answer_is_asked_for_again),
        T(directories_are_listed_in_pages_where_there_are_any),
        T(a_listing_that_broke_off_tells_nothing_of_its_first_part),
        T(names_go_byte_by_byte),
        T(the_root_of_the_file_system_has_a_path_too),
        T(a_data_node_is_asked_where_the_name_node_says),
        T(an_old_name_node_redirects_although_it_should_not),
        T(a_redirect_to_nowhere_is_an_error_that_names_it),
        T(a_token_is_got_once_used_for_all_and_cancelled),
        T(a_token_that_is_refused_is_replaced_once),
        T(a_token_is_renewed_in_time_and_one_that_can_not_be_is_replaced),
        T(without_credentials_the_error_says_where_to_get_them),
        T(a_cluster_without_tokens_is_asked_without_one),
        T(a_file_that_is_replaced_while_it_is_read_is_read_again),
        T(a_walk_leaves_out_what_is_hidden_and_all_below_it),
        T(the_time_is_the_servers),
        T(a_file_that_is_being_written_is_seen),
        T(the_umask_of_the_configuration_is_kept),
        T(a_root_that_can_not_be_resolved_is_an_error_of_the_graph),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
