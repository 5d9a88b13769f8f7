/* The expected values are what Hadoop 3.4.3's HdfsConfiguration said of the same files. */
#include "stagegraph/hadoop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"

#define XI       "xmlns:xi=\"http://www.w3.org/2001/XInclude\""
#define P(n, v)  "<property><name>" n "</name><value>" v "</value></property>\n"
#define CONF(ps) "<?xml version=\"1.0\"?>\n<configuration " XI ">\n" ps "\n</configuration>\n"
#define COUNT(x) (sizeof(x) / sizeof((x)[0]))

static struct scratch dir;

static int set_up(void **state)
{
    (void)state;
    scratch_open(&dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_close(&dir);
    return 0;
}

static const char *environment(const char *name)
{
    if (strcmp(name, "SET") == 0)
        return "set";
    return strcmp(name, "EMPTY") == 0 ? "" : NULL;
}

static struct sg_hadoop *opened(const char *where)
{
    struct sg_hadoop *h = NULL;
    struct sg_error err = SG_ERROR_INIT;

    OK(sg_hadoop_open(where, environment, "ann", &h, &err));
    return h;
}

static void check_value(const struct sg_hadoop *h, const char *name, const char *wanted)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    const char *got;

    OK(sg_hadoop_get(h, &a, name, &got, &err));
    if (wanted == NULL ? got != NULL : got == NULL || strcmp(got, wanted) != 0)
        fail_msg("%s: '%s', not '%s'", name, got != NULL ? got : "(unset)",
                 wanted != NULL ? wanted : "(unset)");
    sg_arena_done(&a);
}

static void check_error(const char *label, const struct sg_error *err, const char *says)
{
    if (err->code != SG_ERROR_GRAPH || strstr(err->text, says) == NULL)
        fail_msg("%s: code %d: %s", label, (int)err->code, err->text);
}

static void properties_are_read_and_expanded_as_hadoop_does_it(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        { "a.trim", "v1" },
        { "empty", "first" },
        { "novalue", "first" },
        { "attr", "x y" },
        { "attr2", "elem2" },
        { "not.quite.final", "2" },
        { "final", "1" },
        { "final.novalue", NULL },
        { "twice", "B/B" },
        { "nest", "nested" },
        { "unknown", "B-${nope}-${b}" },
        { "env.default", "dflt|d2|d3||${env.UNSET}" },
        { "env.set", "set set set" },
        { "env.empty", "" },
        { "who", "ann" },
        { "fs.defaultFS", "hdfs://old:1" },
        { "fs.default.name", "hdfs://old:1" },
        { "by.old.name", "hdfs://old:1" },
        { "comment", "ab" },
        { "cdata", "<x>" },
        { "entity", "a&b" },
        { "blank", "${ b}" },
        { "unclosed", "${b" },
        { "dollars", "$B$" },
        { "deep4", "end" },
        { "nobody", NULL },
    };
    static const char core[] = CONF(
        "<property><name> a.trim </name><value> v1\n </value></property>" P("empty",
                                                                            "first") P("empty", "")
            P("novalue",
              "first") "<property><name>novalue</name></property>\n"
                       "<property name=\"attr\" value=\"x y\" final=\"true\"/>"
                       "<property name=\"attr\" value=\"later\"/>"
                       "<property name=\"attr2\" value=\"attr2\"><value>elem2</value></property>"
                       "<property><name>not.quite.final</name><value>1</value><final> true </final></property>" P(
                           "not.quite.final",
                           "2") "<property><name>final</name><value>1</value><final>true</final>"
                                "<source>x</source><description>d</description></property>" P(
                                    "final",
                                    "2") "<property><name>final.novalue</name><final>true</final></property>" P("final.novalue",
                                                                                                                "late")
                                    P("b", "B") P("twice", "${b}/${b}") P("nest", "${n${b}}")
                                        P("nB", "nested") P("unknown", "${b}-${nope}-${b}") P(
                                            "env.default",
                                            "${env.NO:-dflt}|${env.NO-d2}|${env.EMPTY:-d3}|"
                                            "${env.EMPTY-d4}|${env.UNSET}")
                                            P("env.set", "${env.SET} ${env.SET:-x} ${env.SET-x}")
                                                P("env.empty", "${env.NO:-}")
                                                    P("who", "${user.name}") P("user.name", "conf")
                                                        P("fs.default.name", "hdfs://old:1")
                                                            P("by.old.name", "${fs.default.name}")
                                                                P("comment", "a<!-- c -->b")
                                                                    P("cdata", "<![CDATA[<x>]]>")
                                                                        P("entity", "a&amp;b")
                                                                            P("blank", "${ b}")
                                                                                P("unclosed", "${b")
                                                                                    P("dollars",
                                                                                      "$${b}$"));
    static const char yarn[] = CONF(P("attr", "over") P("final", "3") P("b", "B"));
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_hadoop *h;
    const char *got;
    char deep[4000] = "<configuration>";

    (void)state;
    for (int i = 1; i <= 22; i++)
        (void)snprintf(deep + strlen(deep), sizeof(deep) - strlen(deep), P("deep%d", "${deep%d}"),
                       i, i + 1);
    strcat(deep, P("deep23", "end") "</configuration>");
    scratch_write(&dir, "core-site.xml", core);
    scratch_write(&dir, "hdfs-site.xml", deep);
    scratch_write(&dir, "yarn-site.xml", yarn);
    h = opened(dir.dir);
    for (size_t i = 0; i < COUNT(cases); i++)
        check_value(h, cases[i].name, cases[i].value);
    assert_false(sg_hadoop_get(h, &a, "deep3", &got, &err));
    check_error("deep3", &err, "deep3: more than 19 variables, or in a circle");
    sg_arena_done(&a);
    sg_hadoop_free(h);
}

static void a_later_file_replaces_what_is_not_final(void **state)
{
    struct sg_hadoop *h;

    (void)state;
    scratch_write(&dir, "core-site.xml", CONF(P("x", "core") P("y", "core") P("z", "core")));
    scratch_write(
        &dir, "hdfs-site.xml",
        CONF("<property><name>x</name><value>hdfs</value><final>true</final></property>" P(
            "y", "hdfs")));
    scratch_write(&dir, "yarn-site.xml", CONF(P("x", "yarn") P("y", "yarn")));
    h = opened(dir.dir);
    check_value(h, "x", "hdfs");
    check_value(h, "y", "yarn");
    check_value(h, "z", "core");
    sg_hadoop_free(h);
}

static void files_are_included_and_fallbacks_taken(void **state)
{
    struct sg_hadoop *h;

    (void)state;
    scratch_write(
        &dir, "a b/core-site.xml",
        CONF(P(
            "order",
            "before") "<xi:include href=\"sub/inc.xml\"/>\n"
                      "<xi:include href=\"gone.xml\"><xi:fallback>" P(
                          "fell",
                          "back") "</xi:fallback></xi:include>"
                                  "<xi:include href=\"sub/inc.xml\"><xi:fallback>" P(
                                      "unused",
                                      "x") "</xi:fallback></xi:include>"
                                           "<xi:include href=\"http://127.0.0.1:1/x.xml\"><xi:fallback/></xi:include>" P(
                                               "after", "after")));
    scratch_write(
        &dir, "a b/sub/inc.xml",
        CONF(P("order", "included") P("after", "included") "<xi:include href=\"inner.xml\"/>"));
    scratch_write(&dir, "a b/sub/inner.xml", CONF(P("inner", "yes")));
    h = opened(scratch_path(&dir, "a b"));
    check_value(h, "order", "included");
    check_value(h, "after", "after");
    check_value(h, "inner", "yes");
    check_value(h, "fell", "back");
    check_value(h, "unused", NULL);
    sg_hadoop_free(h);
}

static void without_files_everything_is_unset(void **state)
{
    struct sg_hadoop *h = opened(NULL);

    (void)state;
    check_value(h, "fs.defaultFS", NULL);
    sg_hadoop_free(h);
    h = opened("");
    check_value(h, "fs.defaultFS", NULL);
    sg_hadoop_free(h);
    h = opened(scratch_path(&dir, "not there"));
    check_value(h, "fs.defaultFS", NULL);
    sg_hadoop_free(h);
    sg_hadoop_free(NULL);
}

static void a_broken_file_is_an_error_with_its_line(void **state)
{
    static const struct {
        const char *label, *text, *says;
    } cases[] = {
        { "not closed", "<configuration>\n<property>\n</configuration>\n", "core-site.xml:3: " },
        { "empty", "", "core-site.xml" },
        { "another root", "<conf/>", "core-site.xml: not a <configuration>" },
        { "include of nothing", CONF("\n<xi:include href=\"gone.xml\"/>"), "core-site.xml:4: " },
        { "include of the network", CONF("<xi:include href=\"http://127.0.0.1:1/x.xml\"/>"),
          "127.0.0.1" },
        { "include of itself", CONF("<xi:include href=\"core-site.xml\"/>"), "core-site.xml" },
        { "include of a broken file", CONF("<xi:include href=\"broken.xml\"/>"), "broken.xml:3: " },
        { "include without namespace", "<configuration>\n<include href=\"x\"/>\n</configuration>",
          "core-site.xml:2: include is not of XInclude" },
        { "an entity of elsewhere",
          "<!DOCTYPE c [<!ENTITY x SYSTEM \"secret\">]>\n<configuration>" P(
              "x", "&x;") "&y;"
                          "</configuration>",
          "core-site.xml:" },
    };
    struct sg_error err;
    struct sg_hadoop *h;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        err = (struct sg_error)SG_ERROR_INIT;
        scratch_empty(&dir);
        scratch_write(&dir, "broken.xml", "<configuration>\n<oops\n</configuration>");
        scratch_write(&dir, "core-site.xml", cases[i].text);
        h = NULL;
        if (sg_hadoop_open(dir.dir, NULL, NULL, &h, &err))
            fail_msg("%s: was read", cases[i].label);
        assert_null(h);
        check_error(cases[i].label, &err, cases[i].says);
        check_error(cases[i].label, &err, "Hadoop's configuration: ");
    }
}

static void no_entity_of_another_file_is_read(void **state)
{
    struct sg_hadoop *h;

    (void)state;
    scratch_write(&dir, "secret", "secret");
    scratch_write(&dir, "core-site.xml",
                  "<!DOCTYPE configuration SYSTEM \"http://127.0.0.1:1/x.dtd\" "
                  "[<!ENTITY x SYSTEM \"secret\"><!ENTITY in \"inner\">]>\n<configuration>" P(
                      "x", "a&x;b") P("in", "&in;") "</configuration>");
    h = opened(dir.dir);
    check_value(h, "x", "ab");
    check_value(h, "in", "inner");
    sg_hadoop_free(h);
}

static void a_file_that_can_not_be_opened_is_an_error(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_hadoop *h = NULL;

    (void)state;
    scratch_write(&dir, "file", "");
    assert_false(sg_hadoop_open(scratch_path(&dir, "file"), NULL, NULL, &h, &err));
    check_error("a file in the directory's place", &err, "file/core-site.xml: open: ");
    assert_int_equal(err.sys, ENOTDIR);
}

/* ---- where the NameNodes are ---- */

#define HA                                                                                         \
    P("fs.defaultFS", "hdfs://ns1")                                                                \
    P("dfs.nameservices", "ns1, fed,\n bare,one,lost")                                             \
    P("dfs.ha.namenodes.ns1", "nn2, nn1")                                                          \
    P("dfs.namenode.rpc-address.ns1.nn1", "h1:8020")                                               \
    P("dfs.namenode.rpc-address.ns1.nn2", "h2:8021")                                               \
    P("dfs.namenode.servicerpc-address.ns1.nn2", "h2:8040")                                        \
    P("dfs.namenode.http-address.ns1.nn1", "h1:50070")                                             \
    P("dfs.namenode.http-address.ns1.nn2", "0.0.0.0:50072")                                        \
    P("dfs.namenode.https-address.ns1.nn1", "h1:50470")                                            \
    P("dfs.namenode.http-address.fed", "f:9870")                                                   \
    P("dfs.namenode.https-address.fed", "f")                                                       \
    P("dfs.namenode.rpc-address.bare", "b.example:8020")                                           \
    P("dfs.namenode.rpc-address", "alone")                                                         \
    P("dfs.ha.namenodes.lost", "nn1")                                                              \
    P("dfs.ha.namenodes.unlisted", "a")                                                            \
    P("dfs.namenode.http-address.unlisted.a", "[::1]:1234")                                        \
    P("dfs.namenode.rpc-address.unlisted.a", "[::1]:9000")

static void check_roots(const char *core, const char *const (*rows)[4], size_t n)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_buf bases = SG_BUF_INIT;
    struct sg_namenodes nn;
    struct sg_error err;
    struct sg_hadoop *h;

    scratch_empty(&dir);
    if (core != NULL)
        scratch_write(&dir, "core-site.xml", core);
    h = opened(dir.dir);
    for (size_t i = 0; i < n; i++) {
        err = (struct sg_error)SG_ERROR_INIT;
        if (!sg_hadoop_namenodes(h, &a, rows[i][0], &nn, &err)) {
            if (rows[i][1] != NULL)
                fail_msg("%s", err.text);
            check_error(rows[i][0], &err, rows[i][3]);
            continue;
        }
        if (rows[i][1] == NULL)
            fail_msg("%s: %s", rows[i][0], nn.bases[0]);
        sg_buf_clear(&bases);
        for (size_t k = 0; k < nn.n; k++)
            OK(sg_buf_addf(&bases, &err, "%s%s", k > 0 ? " " : "", nn.bases[k]));
        assert_string_equal(sg_buf_text(&bases), rows[i][1]);
        assert_string_equal(nn.path, rows[i][2]);
        assert_false(nn.kerberos);
    }
    sg_buf_done(&bases);
    sg_arena_done(&a);
    sg_hadoop_free(h);
}

static void a_root_leads_to_its_namenodes(void **state)
{
    static const char *const rows[][4] = {
        { "hdfs://ns1/w", "http://h2:50072 http://h1:50070", "/w", NULL },
        { "hdfs://ns1", "http://h2:50072 http://h1:50070", "", NULL },
        { "hdfs://ns1/", "http://h2:50072 http://h1:50070", "", NULL },
        { "hdfs:///a/b//", "http://h2:50072 http://h1:50070", "/a/b", NULL },
        { "webhdfs:///a", "http://h2:50072 http://h1:50070", "/a", NULL },
        { "webhdfs://ns1/a%20b c", "http://h2:50072 http://h1:50070", "/a%20b c", NULL },
        { "swebhdfs://ns1/w", "https://h2:9871 https://h1:50470", "/w", NULL },
        { "swebhdfs:///w", "https://h2:9871 https://h1:50470", "/w", NULL },
        { "hdfs://fed/w", "http://f:9870", "/w", NULL },
        { "swebhdfs://fed/w", "https://f:9871", "/w", NULL },
        { "hdfs://bare/w", "http://b.example:9870", "/w", NULL },
        { "hdfs://one/w", "http://alone:9870", "/w", NULL },
        { "hdfs://unlisted/w", "http://[::1]:1234", "/w", NULL },
        { "hdfs://h1:8020/w", "http://h1:50070", "/w", NULL },
        { "hdfs://H1/w", "http://h1:50070", "/w", NULL },
        { "hdfs://h2:8021/w", "http://h2:50072", "/w", NULL },
        { "hdfs://h2:8040/w", "http://h2:50072", "/w", NULL },
        { "hdfs://b.example/w", "http://b.example:9870", "/w", NULL },
        { "hdfs://alone:8020/w", "http://alone:9870", "/w", NULL },
        { "hdfs://[::1]:9000/w", "http://[::1]:1234", "/w", NULL },
        { "hdfs://ns1/webhdfs/v1/w", "http://h2:50072 http://h1:50070", "/webhdfs/v1/w", NULL },
        { "webhdfs://h9/w", "http://h9:9870", "/w", NULL },
        { "webhdfs://h9:1/w", "http://h9:1", "/w", NULL },
        { "webhdfs://[::1]/w", "http://[::1]:9870", "/w", NULL },
        { "swebhdfs://h9/w", "https://h9:9871", "/w", NULL },
        { "swebhdfs://h9:8443/w", "https://h9:8443", "/w", NULL },
        { "swebhdfs://gw:8443/gateway/default/webhdfs/v1/w/x/", "https://gw:8443/gateway/default",
          "/w/x", NULL },
        { "swebhdfs://gw/gateway/x/webhdfs/v1", "https://gw:9871/gateway/x", "", NULL },
        { "webhdfs://h9:1/webhdfs/v1/w/webhdfs/v1/x", "http://h9:1", "/w/webhdfs/v1/x", NULL },
        { "webhdfs://h9:1/a/webhdfs/v10/w", "http://h9:1", "/a/webhdfs/v10/w", NULL },
        { "hdfs://lost/w", NULL, NULL,
          "neither dfs.namenode.http-address.lost.nn1 nor dfs.namenode.rpc-address.lost.nn1 says "
          "its host in " },
        { "hdfs://h1:9999/w", NULL, NULL,
          "no dfs.namenode.rpc-address is h1:9999 (write webhdfs://h1:9870/… to name its HTTP "
          "address) in " },
        { "hdfs://ns2/w", NULL, NULL,
          "ns2 is no nameservice (dfs.nameservices), and no dfs.namenode.rpc-address is ns2:8020 "
          "in " },
        { "webhdfs://:9870/w", NULL, NULL, "its host is missing" },
        { "webhdfs://h:port/w", NULL, NULL, "h:port is no HOST:PORT" },
        { "webhdfs://h:0/w", NULL, NULL, "h:0 is no HOST:PORT" },
        { "webhdfs://h:65536/w", NULL, NULL, "h:65536 is no HOST:PORT" },
        { "webhdfs://me@h:1/w", NULL, NULL, "me@h:1 is no HOST:PORT" },
        { "webhdfs://[::1/w", NULL, NULL, "[::1 is no HOST:PORT" },
        { "file:///w", NULL, NULL, "not hdfs://, webhdfs:// or swebhdfs://" },
    };

    (void)state;
    check_roots(CONF(HA), rows, COUNT(rows));
}

static void the_policy_chooses_between_http_and_https(void **state)
{
    static const char *const only[][4] = {
        { "hdfs://ns1/w", "https://h2:9871 https://h1:50470", "/w", NULL },
        { "webhdfs://fed/w", "https://f:9871", "/w", NULL },
        { "webhdfs://h9:1/w", "http://h9:1", "/w", NULL },
        { "hdfs://h1:8020/w", "https://h1:50470", "/w", NULL },
    };
    static const char *const both[][4] = {
        { "hdfs://ns1/w", "http://h2:50072 http://h1:50070", "/w", NULL },
        { "swebhdfs://ns1/w", "https://h2:9871 https://h1:50470", "/w", NULL },
    };

    (void)state;
    check_roots(CONF(HA P("dfs.http.policy", " HTTPS_ONLY ")), only, COUNT(only));
    check_roots(CONF(HA P("dfs.http.policy", "HTTP_AND_HTTPS")), both, COUNT(both));
    check_roots(CONF(HA P("dfs.http.policy", "HTTP_ONLY")), both, COUNT(both));
}

static void the_default_file_system_alone_is_enough(void **state)
{
    static const char *const rpc[][4] = {
        { "hdfs:///w", "http://nn:9870", "/w", NULL },
        { "hdfs://nn:8020/w", "http://nn:9870", "/w", NULL },
        { "hdfs://nn/w", "http://nn:9870", "/w", NULL },
        { "swebhdfs:///w", "https://nn:9871", "/w", NULL },
    };
    static const char *const web[][4] = {
        { "hdfs:///w", "http://nn:1", "/w", NULL },
        { "swebhdfs:///w", "https://nn:1", "/w", NULL },
    };
    static const char *const tls[][4] = { { "webhdfs:///w", "https://nn:1", "/w", NULL } };
    static const char *const other[][4] = {
        { "hdfs:///w", NULL, NULL, "it names no host, and fs.defaultFS is no hdfs://NAMESERVICE" }
    };
    static const char *const variable[][4] = {
        { "hdfs:///w", NULL, NULL, "${env.NO} is no HOST:PORT" },
    };
    static const char *const none[][4] = {
        { "hdfs://ns1/w", NULL, NULL, "there is no core-site.xml or hdfs-site.xml in " },
        { "webhdfs://h/w", "http://h:9870", "/w", NULL },
    };

    (void)state;
    check_roots(CONF(P("fs.defaultFS", "hdfs://nn:8020/")), rpc, COUNT(rpc));
    check_roots(CONF(P("fs.default.name", "nn:8020")), rpc, COUNT(rpc));
    check_roots(CONF(P("fs.defaultFS", "webhdfs://nn:1")), web, COUNT(web));
    check_roots(CONF(P("fs.defaultFS", "swebhdfs://nn:1")), tls, COUNT(tls));
    check_roots(CONF(P("fs.defaultFS", "file:///")), other, COUNT(other));
    check_roots(CONF(P("fs.defaultFS", "s3a://bucket")), other, COUNT(other));
    check_roots(CONF(""), other, COUNT(other));
    check_roots(CONF(P("fs.defaultFS", "hdfs://${env.NO}")), variable, COUNT(variable));
    check_roots(NULL, none, COUNT(none));
}

static void without_a_directory_the_error_says_so(void **state)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_hadoop *h = opened(NULL);
    struct sg_error err = SG_ERROR_INIT;
    struct sg_namenodes nn;

    (void)state;
    assert_false(sg_hadoop_namenodes(h, &a, "hdfs://ns1/w", &nn, &err));
    check_error("ns1", &err, "no directory of Hadoop's configuration is set (HADOOP_CONF_DIR)");
    OK(sg_hadoop_namenodes(h, &a, "webhdfs://h/w", &nn, &err));
    sg_hadoop_free(h);
    sg_arena_done(&a);
}

static void of_a_directory_that_is_not_there_the_error_says_so(void **state)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_hadoop *h = opened("/nowhere/conf");
    struct sg_error err = SG_ERROR_INIT;
    struct sg_namenodes nn;

    (void)state;
    assert_false(sg_hadoop_namenodes(h, &a, "hdfs://ns1/w", &nn, &err));
    check_error("ns1", &err, "HADOOP_CONF_DIR is /nowhere/conf, which is not there");
    OK(sg_hadoop_namenodes(h, &a, "webhdfs://h/w", &nn, &err));
    sg_hadoop_free(h);
    sg_arena_done(&a);
}

static void kerberos_is_asked_for_by_the_configuration(void **state)
{
    static const struct {
        const char *text;
        bool kerberos;
    } cases[] = { { "kerberos", true }, { " Kerberos\n", true }, { "simple", false } };
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_namenodes nn;
    struct sg_hadoop *h;
    char text[300];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        (void)snprintf(text, sizeof(text), CONF(P("hadoop.security.authentication", "%s")),
                       cases[i].text);
        scratch_write(&dir, "core-site.xml", text);
        h = opened(dir.dir);
        OK(sg_hadoop_namenodes(h, &a, "webhdfs://h/", &nn, &err));
        assert_int_equal(nn.kerberos, cases[i].kerberos);
        sg_hadoop_free(h);
    }
    sg_arena_done(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(properties_are_read_and_expanded_as_hadoop_does_it),
        TEST(a_later_file_replaces_what_is_not_final),
        TEST(files_are_included_and_fallbacks_taken),
        TEST(without_files_everything_is_unset),
        TEST(a_broken_file_is_an_error_with_its_line),
        TEST(no_entity_of_another_file_is_read),
        TEST(a_file_that_can_not_be_opened_is_an_error),
        TEST(a_root_leads_to_its_namenodes),
        TEST(the_policy_chooses_between_http_and_https),
        TEST(the_default_file_system_alone_is_enough),
        TEST(without_a_directory_the_error_says_so),
        TEST(of_a_directory_that_is_not_there_the_error_says_so),
        TEST(kerberos_is_asked_for_by_the_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
