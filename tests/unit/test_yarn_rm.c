#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_peer.h"
#include "scratch.h"
#include "yarn_rm.h"

#define JSON  "Content-Type: application/json;charset=utf-8\r\n"
#define TAG   "stagegraph-00112233445566778899aabbccddeeff"
#define APPS  "GET /ws/v1/cluster/apps?applicationTags=" TAG "&user.name=a%20user"
#define STATE "PUT /ws/v1/cluster/apps/application_1_0001/state?user.name=a%20user"
#define APP(id, state, final, tags)                                                                \
    "{\"id\":\"application_1_000" id "\",\"user\":\"u\",\"name\":\"n\",\"queue\":\"q\","           \
    "\"state\":\"" state "\",\"finalStatus\":\"" final "\",\"progress\":5.0,"                      \
    "\"trackingUrl\":\"http://rm/proxy\",\"diagnostics\":\"\",\"startedTime\":17,"                 \
    "\"resourceSecondsMap\":{\"entry\":{\"key\":\"a\"},\"entry\":{\"key\":\"b\"}},"                \
    "\"applicationTags\":\"" tags "\",\"timeouts\":{\"timeout\":[{\"type\":\"LIFETIME\"}]}}"
#define ONE(state, final) "{\"apps\":{\"app\":[" APP("1", state, final, "mine," TAG) "]}}"
#define NONE              "{\"apps\":{}}"

static struct http_peer *peers[2];
static struct scratch conf;
static struct sg_yarn *yarn;
static struct sg_yarn_apps apps;
static struct sg_error err;

static void close_yarn(void)
{
    sg_yarn_free(yarn);
    yarn = NULL;
}

/* resource_manager of [yarn], or NULL. */
static bool try_open(const char *given, const char *auth)
{
    struct sg_yarn_config c = { .resource_manager = given,
                                .conf_dir = conf.dir,
                                .user = "a user",
                                .auth = auth,
                                .deadline_s = 30 };

    close_yarn();
    if (!sg_yarn_rm_open(&c, &yarn, &err))
        return false;
    if (yarn != NULL) {
        yarn->pause_ms = yarn->quiet_ms = 0;
        ((struct yarn_rm *)yarn)->retry_ms = 0;
    }
    return true;
}

static void open_both(void)
{
    char given[100];

    snprintf(given, sizeof(given), "127.0.0.1:%u, %s/", http_peer_port(peers[0]),
             http_peer_base(peers[1]));
    if (!try_open(given, "auto"))
        fail_msg("open: %s", err.text);
}

static int set_up(void **state)
{
    (void)state;
    sg_error_clear(&err);
    scratch_open(&conf);
    peers[0] = http_peer_open();
    peers[1] = http_peer_open();
    open_both();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_yarn();
    sg_yarn_apps_done(&apps);
    http_peer_close(peers[0]);
    http_peer_close(peers[1]);
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

static void says(const char *part)
{
    if (strstr(err.text, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, err.text);
    sg_error_clear(&err);
}

/* ---- finding */

/* A server that doesn't know the parameter answers with the applications of all. */
static void finds_what_has_the_tag_and_nothing_else(void **state)
{
    (void)state;
    reply(0, APPS, 200, JSON,
          "{\"apps\":{\"app\":[" APP("1", "RUNNING", "UNDEFINED", "") "," APP(
              "2", "ACCEPTED", "UNDEFINED",
              "other," TAG
              ",kind:hourly") "," APP("3", "RUNNING", "UNDEFINED",
                                      TAG "0") "," APP("4", "FINISHED", "SUCCEEDED", TAG) "]}}");
    assert_true(sg_yarn_find(yarn, TAG, &apps, &err));
    assert_int_equal(apps.n, 2);
    assert_string_equal(apps.at[0].id, "application_1_0002");
    assert_string_equal(apps.at[0].tracking_url, "http://rm/proxy");
    assert_string_equal(apps.at[0].queue, "q");
    assert_true(apps.at[0].alive);
    assert_string_equal(apps.at[1].final_status, "SUCCEEDED");
    assert_false(apps.at[1].alive);
    check();
}

static void no_application_is_an_answer(void **state)
{
    static const char *const bodies[] = { NONE, "{\"apps\":null}", "{\"apps\":{\"app\":[]}}",
                                          "{}", "{\"apps\":\"\"}", "{\"apps\":{\"app\":null}}" };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        reply(0, APPS, 200, JSON, bodies[i]);
        assert_true(sg_yarn_find(yarn, TAG, &apps, &err));
        assert_int_equal(apps.n, 0);
        check();
    }
}

static void a_damaged_answer_is_an_error(void **state)
{
    static const char *const bodies[] = { "", "{\"apps\":{\"app\":[",
                                          "{\"apps\":{\"app\":[{\"id\":\"application_1_0001\"",
                                          "{\"apps\":{\"app\":[]}" };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        reply(0, APPS, 200, JSON, bodies[i]);
        assert_false(sg_yarn_find(yarn, TAG, &apps, &err));
        says("no JSON, or was cut");
        assert_int_equal(apps.n, 0);
        check();
    }
}

/* With status 200, from a gateway, or something else that listens there. */
static void json_that_is_no_list_of_applications_does_not_say_that_there_are_none(void **state)
{
    static const char *const bodies[] = {
        "[]",
        "null",
        "\"up\"",
        "{\"status\":\"ok\"}",
        "{\"RemoteException\":{\"exception\":\"E\",\"message\":\"m\"}}",
        "{\"apps\":[]}",
        "{\"apps\":7}",
        "{\"apps\":\"none\"}",
        "{\"apps\":{\"app\":\"none\"}}",
        "{\"apps\":{\"app\":[1]}}",
        "[{\"apps\":{}}]",
        "[" APP("1", "RUNNING", "UNDEFINED", "a") "]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        reply(0, APPS, 200, JSON, bodies[i]);
        if (sg_yarn_find(yarn, TAG, &apps, &err))
            fail_msg("%s: no error", bodies[i]);
        assert_int_equal(err.code, SG_ERROR_STORE);
        says("the answer is no list of applications");
        check();
    }
}

static void a_refusal_is_an_error_with_its_message(void **state)
{
    (void)state;
    reply(
        0, APPS, 400, JSON,
        "{\"RemoteException\":{\"exception\":\"BadRequestException\",\"message\":\"no\\nmore\"}}");
    assert_false(sg_yarn_find(yarn, TAG, &apps, &err));
    assert_int_equal(err.code, SG_ERROR_STORE);
    says("HTTP 400: no");
    reply(0, APPS, 401, "WWW-Authenticate: Negotiate\r\nContent-Type: text/html\r\n", "<html>");
    reply(0, APPS, 401, "WWW-Authenticate: Negotiate\r\nContent-Type: text/html\r\n", "<html>");
    if (sg_yarn_find(yarn, TAG, &apps, &err))
        fail();
    says("(401)");
}

/* ---- ending */

static void a_kill_is_seen_to_have_worked(void **state)
{
    char names[100];

    (void)state;
    reply(0, APPS, 200, JSON, ONE("RUNNING", "UNDEFINED"));
    reply(0, STATE, 202, JSON, "{\"state\":\"RUNNING\"}");
    reply(0, APPS, 200, JSON, ONE("RUNNING", "UNDEFINED"));
    reply(0, APPS, 200, JSON, ONE("KILLED", "KILLED"));
    reply(0, APPS, 200, JSON, ONE("KILLED", "KILLED"));
    assert_true(sg_yarn_end(yarn, TAG, &apps, &err));
    assert_int_equal(sg_yarn_killed(&apps), 1);
    assert_string_equal(apps.at[0].state, "KILLED");
    sg_yarn_name(&apps, true, names, sizeof(names));
    assert_string_equal(names, "application_1_0001 (RUNNING)");
    assert_string_equal(http_peer_request(peers[0], 1)->body, "{\"state\":\"KILLED\"}");
    assert_string_equal(http_peer_header(http_peer_request(peers[0], 1), "Content-Type"),
                        "application/json");
    check();
}

static void what_arrives_after_the_first_look_is_ended_too(void **state)
{
    (void)state;
    reply(0, APPS, 200, JSON, NONE);
    reply(0, APPS, 200, JSON, ONE("NEW_SAVING", "UNDEFINED"));
    reply(0, STATE, 202, JSON, "{\"state\":\"KILLED\"}");
    reply(0, APPS, 200, JSON, ONE("KILLED", "KILLED"));
    reply(0, APPS, 200, JSON, ONE("KILLED", "KILLED"));
    assert_true(sg_yarn_end(yarn, TAG, &apps, &err));
    assert_int_equal(sg_yarn_killed(&apps), 1);
    check();
}

static void what_is_over_is_left_alone(void **state)
{
    (void)state;
    reply(0, APPS, 200, JSON, ONE("FINISHED", "SUCCEEDED"));
    reply(0, APPS, 200, JSON, ONE("FINISHED", "SUCCEEDED"));
    assert_true(sg_yarn_end(yarn, TAG, &apps, &err));
    assert_int_equal(sg_yarn_killed(&apps), 0);
    assert_int_equal(apps.n, 1);
    check();
}

static void one_that_may_not_be_killed_is_an_error(void **state)
{
    (void)state;
    yarn->deadline_ms = 0;
    http_peer_reply(peers[0], &(struct http_reply){ .match = APPS,
                                                    .times = HTTP_ALWAYS,
                                                    .headers = JSON,
                                                    .body = ONE("RUNNING", "UNDEFINED") });
    reply(0, STATE, 403, JSON,
          "{\"RemoteException\":{\"message\":\"User a user cannot perform MODIFY_APP\"}}");
    assert_false(sg_yarn_end(yarn, TAG, &apps, &err));
    assert_non_null(strstr(err.text, "application_1_0001 (RUNNING) can't be killed: ResourceM"));
    says("HTTP 403: User a user cannot perform MODIFY_APP");
    check();
}

/* It ended by itself between the look and the kill. */
static void a_kill_that_comes_too_late_is_none(void **state)
{
    (void)state;
    reply(0, APPS, 200, JSON, ONE("RUNNING", "UNDEFINED"));
    reply(0, STATE, 404, JSON, "{\"RemoteException\":{\"message\":\"not found\"}}");
    reply(0, APPS, 200, JSON, ONE("FINISHED", "SUCCEEDED"));
    reply(0, APPS, 200, JSON, ONE("FINISHED", "SUCCEEDED"));
    assert_true(sg_yarn_end(yarn, TAG, &apps, &err));
    assert_int_equal(sg_yarn_killed(&apps), 0);
    check();
}

/* It keeps some of those that are over, and of a run that ends it is told all the same. */
static void one_that_is_forgotten_after_its_kill_has_been_killed(void **state)
{
    char names[100];

    (void)state;
    reply(0, APPS, 200, JSON, ONE("RUNNING", "UNDEFINED"));
    reply(0, STATE, 202, JSON, "{\"state\":\"KILLED\"}");
    reply(0, APPS, 200, JSON, NONE);
    reply(0, APPS, 200, JSON, NONE);
    assert_true(sg_yarn_end(yarn, TAG, &apps, &err));
    assert_int_equal(sg_yarn_alive(&apps), 0);
    sg_yarn_name(&apps, true, names, sizeof(names));
    assert_string_equal(names, "application_1_0001 (RUNNING)");
    assert_string_equal(apps.at[0].state, "KILLED");
    check();
}

static void waits_for_one_that_is_just_ending(void **state)
{
    (void)state;
    reply(0, APPS, 200, JSON, ONE("RUNNING", "UNDEFINED"));
    reply(0, APPS, 200, JSON, ONE("FINISHED", "SUCCEEDED"));
    assert_true(sg_yarn_await(yarn, TAG, 60000, &apps, &err));
    assert_false(apps.at[0].alive);
    reply(0, APPS, 200, JSON, ONE("RUNNING", "UNDEFINED"));
    assert_true(sg_yarn_await(yarn, TAG, 0, &apps, &err));
    assert_true(apps.at[0].alive);
    check();
}

/* The second ^C: one that would not end is given up soon. */
static void who_is_in_a_hurry_waits_for_nothing(void **state)
{
    (void)state;
    sg_yarn_hurry(yarn);
    reply(0, APPS, 200, JSON, ONE("RUNNING", "UNDEFINED"));
    assert_true(sg_yarn_await(yarn, TAG, 3600000, &apps, &err));
    assert_true(apps.at[0].alive);
    yarn->quiet_ms = 3600000;
    reply(0, APPS, 200, JSON, ONE("RUNNING", "UNDEFINED"));
    reply(0, STATE, 202, JSON, "{}");
    reply(0, APPS, 200, JSON, ONE("KILLED", "KILLED"));
    reply(0, APPS, 200, JSON, ONE("KILLED", "KILLED"));
    assert_true(sg_yarn_end(yarn, TAG, &apps, &err));
    check();
    reply(0, APPS, 503, JSON, "");
    reply(1, APPS, 503, JSON, "");
    assert_false(sg_yarn_find(yarn, TAG, &apps, &err));
    says("no ResourceManager answers");
    check();
}

/* ---- pairs, and those that don't answer */

static void a_standby_is_passed_by_and_the_active_one_remembered(void **state)
{
    (void)state;
    reply(0, APPS, 307, "Location: http://elsewhere:8088/ws/v1/cluster/apps\r\n",
          "This is standby RM.");
    reply(1, APPS, 200, JSON, NONE);
    assert_true(sg_yarn_find(yarn, TAG, &apps, &err));
    reply(1, APPS, 200, JSON, NONE);
    assert_true(sg_yarn_find(yarn, TAG, &apps, &err));
    check();
}

/* Then it says so in plain text, and 200. */
static void while_none_is_active_it_is_asked_again(void **state)
{
    (void)state;
    reply(0, APPS, 200, "Content-Type: text/plain\r\nRefresh: 3\r\n",
          "There is no active RM right now. Will retry in next 3 seconds.");
    http_peer_reply(peers[1],
                    &(struct http_reply){ .match = APPS, .silent = true, .end = HTTP_DROP });
    http_peer_reply(peers[1],
                    &(struct http_reply){ .match = APPS, .silent = true, .end = HTTP_DROP });
    reply(0, APPS, 503, "Content-Type: text/html\r\n", "<html>");
    reply(1, APPS, 200, JSON, ONE("FINISHED", "FAILED"));
    assert_true(sg_yarn_find(yarn, TAG, &apps, &err));
    assert_string_equal(apps.at[0].final_status, "FAILED");
}

/* One that hangs takes connections and says nothing: the deadline is the other one's, too. */
static void one_of_a_pair_that_hangs_does_not_hold_up_the_other(void **state)
{
    const struct http_reply hangs = { .times = HTTP_ALWAYS, .silent = true, .end = HTTP_HANG };
    const struct sg_mono begun = sg_mono_now();

    (void)state;
    ((struct yarn_rm *)yarn)->try_ms = 1;
    http_peer_reply(peers[0], &hangs);
    reply(1, APPS, 200, JSON, NONE);
    assert_true(sg_yarn_find(yarn, TAG, &apps, &err));
    reply(1, APPS, 200, JSON, NONE); /* it is asked first now */
    assert_true(sg_yarn_find(yarn, TAG, &apps, &err));
    assert_int_equal(http_peer_requests(peers[0]), 1);
    if (sg_mono_now().ns - begun.ns > 20 * SG_NS_PER_S) /* of the 30 that it has */
        fail_msg("it took %lld s", (long long)((sg_mono_now().ns - begun.ns) / SG_NS_PER_S));
}

static void *find_apps(void *done)
{
    *(bool *)done = sg_yarn_find(yarn, TAG, &apps, &err);
    return NULL;
}

/* The second ^C comes while one is being waited for. */
static void who_gets_into_a_hurry_stops_waiting_for_an_answer(void **state)
{
    const struct http_reply hangs = { .times = HTTP_ALWAYS, .silent = true, .end = HTTP_HANG };
    const struct sg_mono begun = sg_mono_now();
    pthread_t thread;
    bool done = true;

    (void)state;
    http_peer_reply(peers[0], &hangs);
    http_peer_reply(peers[1], &hangs);
    assert_int_equal(pthread_create(&thread, NULL, find_apps, &done), 0);
    http_peer_wait(peers[0], 1);
    sg_yarn_hurry(yarn);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(done);
    says("no answer, and nobody waits for it any longer");
    if (sg_mono_now().ns - begun.ns > 8 * SG_NS_PER_S) /* 10 for a try, 30 in all */
        fail_msg("it took %lld s", (long long)((sg_mono_now().ns - begun.ns) / SG_NS_PER_S));
}

static void what_is_waited_for_is_told_until_it_is_answered(void **state)
{
    pthread_t thread;
    bool done = false;
    char text[300], want[300];

    (void)state;
    assert_false(sg_yarn_waits(yarn, text, sizeof(text)));
    http_peer_reply(peers[0], &(struct http_reply){
                                  .match = APPS, .headers = JSON, .body = NONE, .held = true });
    assert_int_equal(pthread_create(&thread, NULL, find_apps, &done), 0);
    http_peer_wait(peers[0], 1);
    yarn->silence_ms = 3600000;
    assert_false(sg_yarn_waits(yarn, text, sizeof(text)));
    yarn->silence_ms = 0;
    assert_true(sg_yarn_waits(yarn, text, sizeof(text)));
    snprintf(want, sizeof(want),
             "waiting for http://127.0.0.1:%u or %s to say that a job's applications on YARN are "
             "over, up to 30s",
             http_peer_port(peers[0]), http_peer_base(peers[1]));
    assert_string_equal(text, want);
    http_peer_let_go(peers[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(done);
    assert_false(sg_yarn_waits(yarn, text, sizeof(text)));
}

/* A page to log in on, say, or another server on that port. */
static void what_answers_without_json_is_told(void **state)
{
    (void)state;
    yarn->deadline_ms = 0;
    reply(0, APPS, 200, "Content-Type: text/html\r\n", "<html>");
    reply(1, APPS, 302, "Location: https://u:secret@sso.example/in?to=x\r\n", "");
    assert_false(sg_yarn_find(yarn, TAG, &apps, &err));
    assert_non_null(strstr(err.text, ": it answers with text/html, not JSON: none is active, or"));
    assert_null(strstr(err.text, "secret"));
    says("(it sends us to https://sso.example)");
}

static void one_that_nobody_answers_for_is_named(void **state)
{
    char given[60];
    unsigned port = http_peer_port(peers[0]);

    (void)state;
    snprintf(given, sizeof(given), "127.0.0.1:%u", port);
    assert_true(try_open(given, "auto"));
    yarn->deadline_ms = 1;
    http_peer_close(peers[0]);
    peers[0] = NULL;
    assert_false(sg_yarn_end(yarn, TAG, &apps, &err));
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_non_null(strstr(err.text, given));
    says("no ResourceManager answers");
    /* Not a deadline for each further question. */
    yarn->deadline_ms = 3600000;
    assert_false(sg_yarn_find(yarn, TAG, &apps, &err));
    peers[0] = http_peer_open();
}

/* ---- who we are, and where to ask */

static void a_configuration(const char *core, const char *site)
{
    char text[2000];

    snprintf(text, sizeof(text), "<configuration>%s</configuration>", core);
    scratch_write(&conf, "core-site.xml", text);
    snprintf(text, sizeof(text), "<configuration>%s</configuration>", site);
    scratch_write(&conf, "yarn-site.xml", text);
}
#define P(name, value) "<property><name>" name "</name><value>" value "</value></property>"
#define RM             "yarn.resourcemanager."

static const char *bases(void)
{
    static char text[300];
    const struct yarn_rm *rm = (const struct yarn_rm *)yarn;
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; rm != NULL && i < rm->rms.n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "",
                                rm->rms.bases[i]);
    return text;
}

static void addresses_come_from_the_graph_or_from_yarn_site(void **state)
{
    static const struct {
        const char *given, *site, *bases;
    } rows[] = {
        { "rm", "", "http://rm:8088" },
        { "rm:80,[::1]:81 https://gw:8443/gateway/x/", "",
          "http://rm:80 http://[::1]:81 https://gw:8443/gateway/x" },
        { "rm", P(RM "hostname", "other") P("yarn.http.policy", "HTTPS_ONLY"), "https://rm:8090" },
        { NULL, "", "" },
        { NULL, P(RM "webapp.address", "a:1") P(RM "hostname", "b"), "http://a:1" },
        { NULL, P(RM "webapp.address", "${" RM "hostname}:1") P(RM "hostname", "b"), "http://b:1" },
        { NULL, P(RM "hostname", "b"), "http://b:8088" },
        { NULL, P(RM "webapp.address", "0.0.0.0:99") P(RM "hostname", "b"), "http://b:99" },
        { NULL, P(RM "hostname", "0.0.0.0"), "" },
        { NULL,
          P("yarn.http.policy", "HTTPS_ONLY") P(RM "webapp.address", "a:1")
              P(RM "webapp.https.address", "a:2"),
          "https://a:2" },
        { NULL,
          P(RM "ha.enabled", "true") P(RM "ha.rm-ids", "rm1, rm2") P(RM "webapp.address.rm1", "a:1")
              P(RM "hostname.rm2", "b") P(RM "webapp.address", "c:1"),
          "http://a:1 http://b:8088" },
        { NULL, P(RM "ha.rm-ids", "rm1") P(RM "webapp.address.rm1", "a:1"), "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        a_configuration("", rows[i].site);
        if (!try_open(rows[i].given, "auto"))
            fail_msg("row %zu: %s", i, err.text);
        assert_string_equal(bases(), rows[i].bases);
    }
}

static void an_address_that_is_none_is_an_error_of_the_graph(void **state)
{
    static const char *const given[] = { "rm:x", "rm:0", "http://", "rm:1/path", "ftp://rm:1" };

    (void)state;
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
        if (try_open(given[i], "auto"))
            fail_msg("%s is taken for %s", given[i], bases());
        assert_int_equal(err.code, SG_ERROR_GRAPH);
        says("is no HOST:PORT");
    }
}

static void nobody_is_asked_where_the_graph_says_none(void **state)
{
    struct sg_yarn_config c = { .resource_manager = "none", .conf_dir = conf.dir };

    (void)state;
    a_configuration("", P(RM "hostname", "b"));
    assert_false(sg_yarn_may_be(&c));
    close_yarn();
    assert_true(sg_yarn_open(&c, &yarn, &err));
    assert_null(yarn);
    c.resource_manager = NULL;
    assert_true(sg_yarn_may_be(&c));
    c.conf_dir = "/nowhere";
    assert_false(sg_yarn_may_be(&c));
    c.resource_manager = "rm";
    assert_true(sg_yarn_may_be(&c));
}

static void with_kerberos_a_ticket_says_who_we_are(void **state)
{
    char given[60];

    (void)state;
    a_configuration(P("hadoop.security.authentication", "kerberos"), "");
    snprintf(given, sizeof(given), "127.0.0.1:%u", http_peer_port(peers[0]));
    assert_true(try_open(given, "auto"));
    reply(0, "GET /ws/v1/cluster/apps?applicationTags=" TAG, 200, JSON, NONE);
    assert_true(sg_yarn_find(yarn, TAG, &apps, &err));
    check();
    assert_true(try_open(given, "simple"));
    reply(0, APPS, 200, JSON, NONE);
    assert_true(sg_yarn_find(yarn, TAG, &apps, &err));
    check();
}

/* ---- the cluster */

#define INFO(ha)                                                                                   \
    "{\"clusterInfo\":{\"id\":1,\"state\":\"STARTED\",\"haState\":\"" ha "\","                     \
    "\"resourceManagerVersion\":\"3.4.3\"}}"
#define METRICS                                                                                    \
    "{\"clusterMetrics\":{\"appsRunning\":2,\"appsPending\":1,\"availableMB\":2048,"               \
    "\"availableVirtualCores\":6,\"totalMB\":4096,\"totalVirtualCores\":8,\"activeNodes\":1,"      \
    "\"lostNodes\":0}}"
#define SCHEDULER                                                                                  \
    "{\"scheduler\":{\"schedulerInfo\":{\"type\":\"capacityScheduler\",\"capacity\":100.0,"        \
    "\"usedCapacity\":50.0,\"queueName\":\"root\",\"queues\":{\"queue\":[{\"type\":\"x\","         \
    "\"capacity\":40.0,\"absoluteCapacity\":20.0,\"usedCapacity\":25.5,\"queueName\":\"etl\","     \
    "\"state\":\"RUNNING\",\"numPendingApplications\":3,\"users\":{\"user\":[{\"username\":"       \
    "\"u\"}]}},{\"queueName\":\"b\",\"queues\":{\"queue\":[{\"queueName\":\"c\",\"state\":"        \
    "\"STOPPED\"}]}}]}}}}"

static void the_cluster_tells_its_state_and_its_room(void **state)
{
    struct sg_yarn_cluster c;

    (void)state;
    reply(0, "GET /ws/v1/cluster/info", 200, JSON, INFO("STANDBY"));
    reply(1, "GET /ws/v1/cluster/info", 200, JSON, INFO("ACTIVE"));
    reply(0, "GET /ws/v1/cluster/metrics", 307, "Location: http://x/\r\n", "");
    reply(1, "GET /ws/v1/cluster/metrics", 200, JSON, METRICS);
    reply(1, "GET /ws/v1/cluster/scheduler", 200, JSON, SCHEDULER);
    assert_true(sg_yarn_look(yarn, &c, &err));
    check();
    assert_int_equal(c.n_managers, 2);
    assert_string_equal(c.managers[0].ha, "STANDBY");
    assert_string_equal(c.managers[1].ha, "ACTIVE");
    assert_string_equal(c.managers[1].version, "3.4.3");
    assert_int_equal(c.free_mb, 2048);
    assert_int_equal(c.total_cores, 8);
    assert_int_equal(c.n_queues, 2);
    assert_string_equal(c.queues[0].name, "etl");
    assert_true(c.queues[0].capacity == 20.0 && c.queues[0].used == 25.5);
    assert_int_equal(c.queues[0].pending, 3);
    assert_string_equal(c.queues[1].name, "c");
    assert_string_equal(c.queues[1].state, "STOPPED");
    sg_yarn_cluster_done(&c);
}

static void a_cluster_without_an_active_one_names_both(void **state)
{
    struct sg_yarn_cluster c;

    (void)state;
    reply(0, "GET /ws/v1/cluster/info", 200, JSON, INFO("STANDBY"));
    reply(1, "GET /ws/v1/cluster/info", 404, "Content-Type: text/html\r\n", "<html>");
    http_peer_reply(peers[0], &(struct http_reply){ .match = "GET /ws/v1/cluster/metrics",
                                                    .times = HTTP_ALWAYS,
                                                    .status = 307,
                                                    .headers = "Location: http://x/\r\n" });
    http_peer_reply(peers[1], &(struct http_reply){ .match = "GET /ws/v1/cluster/metrics",
                                                    .times = HTTP_ALWAYS,
                                                    .status = 307,
                                                    .headers = "Location: http://x/\r\n" });
    yarn->deadline_ms = 0;
    assert_false(sg_yarn_look(yarn, &c, &err));
    assert_int_equal(c.n_managers, 2);
    assert_null(c.managers[0].trouble);
    assert_string_equal(c.managers[1].trouble, "it has no REST API of YARN");
    says("it is not the active one (it sends us to http://x)");
    sg_yarn_cluster_done(&c);
}

static void a_tag_is_made_of_the_nonce(void **state)
{
    char tag[SG_YARN_TAG];

    (void)state;
    sg_yarn_tag("00112233445566778899aabbccddeeff", tag);
    assert_string_equal(tag, TAG);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(finds_what_has_the_tag_and_nothing_else),
        test(no_application_is_an_answer),
        test(a_damaged_answer_is_an_error),
        test(json_that_is_no_list_of_applications_does_not_say_that_there_are_none),
        test(a_refusal_is_an_error_with_its_message),
        test(a_kill_is_seen_to_have_worked),
        test(what_arrives_after_the_first_look_is_ended_too),
        test(what_is_over_is_left_alone),
        test(one_that_may_not_be_killed_is_an_error),
        test(a_kill_that_comes_too_late_is_none),
        test(one_that_is_forgotten_after_its_kill_has_been_killed),
        test(waits_for_one_that_is_just_ending),
        test(who_is_in_a_hurry_waits_for_nothing),
        test(a_standby_is_passed_by_and_the_active_one_remembered),
        test(while_none_is_active_it_is_asked_again),
        test(one_of_a_pair_that_hangs_does_not_hold_up_the_other),
        test(who_gets_into_a_hurry_stops_waiting_for_an_answer),
        test(what_is_waited_for_is_told_until_it_is_answered),
        test(what_answers_without_json_is_told),
        test(one_that_nobody_answers_for_is_named),
        test(addresses_come_from_the_graph_or_from_yarn_site),
        test(an_address_that_is_none_is_an_error_of_the_graph),
        test(nobody_is_asked_where_the_graph_says_none),
        test(with_kerberos_a_ticket_says_who_we_are),
        test(the_cluster_tells_its_state_and_its_room),
        test(a_cluster_without_an_active_one_names_both),
        test(a_tag_is_made_of_the_nonce),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
