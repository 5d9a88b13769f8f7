#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"
#include "webhdfs_impl.h"

#define DIR_1                                                                                      \
    "{\"accessTime\":0,\"blockSize\":0,\"childrenNum\":3,\"fileId\":16389,\"group\":\"g\","        \
    "\"length\":0,\"modificationTime\":1795647844634,\"owner\":\"root\",\"pathSuffix\":\"d\","     \
    "\"permission\":\"755\",\"replication\":0,\"storagePolicy\":0,\"type\":\"DIRECTORY\"}"
#define FILE_1                                                                                     \
    "{\"fileId\":16390,\"length\":11,\"modificationTime\":1795647844635,"                          \
    "\"pathSuffix\":\"a \\\"b\\\\\\u00e9\xc3\xa9 ]}[{,\",\"type\":\"FILE\",\"encBit\":true}"
#define LISTING "{\"FileStatuses\":{\"FileStatus\":[\n" DIR_1 ",\n" FILE_1 "\n]}}\n"

static struct sg_error err;
static struct wh_listing listing;

static int set_up(void **state)
{
    (void)state;
    sg_error_clear(&err);
    wh_listing_init(&listing);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wh_listing_done(&listing);
    return 0;
}

/* Feeds it in pieces of n bytes, each copied, so that a sanitizer sees a byte read behind it. */
static bool feed(const char *text, size_t len, size_t n)
{
    wh_listing_again(&listing);
    for (size_t at = 0; at < len; at += n) {
        size_t m = len - at < n ? len - at : n;
        char *copy = malloc(m);

        assert_non_null(copy);
        memcpy(copy, text + at, m);
        assert_true(wh_listing_body(&listing, copy, m));
        free(copy);
    }
    return wh_listing_end(&listing, &err);
}

static void a_listing_is_the_same_in_pieces_of_any_size(void **state)
{
    struct sg_entry e;

    (void)state;
    for (size_t n = 1; n <= strlen(LISTING); n++) {
        OK(feed(LISTING, strlen(LISTING), n));
        assert_int_equal(listing.n, 2);
        assert_string_equal(listing.at[0].name.at, "d");
        assert_string_equal(listing.at[1].name.at, "a \"b\\\xc3\xa9\xc3\xa9 ]}[{,");
        assert_false(listing.at[0].encrypted);
        assert_true(listing.at[1].encrypted);
        wh_entry(&listing.at[0], &e);
        assert_int_equal(e.kind, SG_ENTRY_DIR);
        assert_int_equal(e.ident.id, 16389);
        assert_int_equal(e.ident.len, 0);
        assert_int_equal(e.ident.mtime_ns, INT64_C(1795647844634000000));
        assert_int_equal(e.ident.ctime_ns, 3); /* its children */
        wh_entry(&listing.at[1], &e);
        assert_int_equal(e.kind, SG_ENTRY_FILE);
        assert_int_equal(e.ident.len, 11);
    }
}

static void a_listing_that_is_cut_anywhere_is_an_error(void **state)
{
    size_t len = strlen(LISTING) - 1; /* the line's end after it may be missing */

    (void)state;
    for (size_t n = 0; n < len; n++) {
        if (feed(LISTING, n, 7))
            fail_msg("cut at %zu: taken", n);
        assert_int_equal(err.code, SG_ERROR_STORE);
    }
    OK(feed(LISTING, len, 7));
}

static void an_empty_directory_is_an_empty_list_and_nothing_else_is(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        { "{\"FileStatuses\":{\"FileStatus\":[]}}", true },
        { " { \"FileStatuses\" : { \"x\":1, \"FileStatus\" : [ ] , \"y\":[{}]} , \"z\":{} } ",
          false },
        { " { \"FileStatuses\" : { \"x\":1, \"FileStatus\" : [ ] , \"y\":[1]} , \"z\":{} } ",
          true },
        { "", false },
        { "{}", false },
        { "[]", false },
        { "{\"FileStatuses\":{}}", false },
        { "{\"FileStatuses\":null}", false },
        { "{\"FileStatuses\":{\"FileStatus\":{}}}", false },
        { "{\"FileStatuses\":{\"FileStatus\":null}}", false },
        { "{\"FileStatuses\":{\"FileStatus\":[1]}}", false },
        { "{\"FileStatuses\":{\"FileStatus\":[]}}{}", false },
        { "{\"FileStatuses\":{\"Others\":[" DIR_1 "],\"FileStatus\":[]}}", false },
        { "{\"FileStatuses\":{\"FileStatus\":[" DIR_1 "],\"FileStatus\":[" DIR_1 "]}}", false },
        { "{\"FileStatuses\":{\"FileStatus\":[" DIR_1 " " DIR_1 "]}}", false },
        { "{\"FileStatuses\":{\"FileStatus\":[" DIR_1 ",]}}", false },
        { "{\"FileStatuses\":{\"FileStatus\":[{}]}}", false },
        { "{\"FileStatuses\":{\"FileStatus\":[{\"fileId\":1,\"length\":0,\"modificationTime\":1,"
          "\"pathSuffix\":\"x\"}]}}",
          false },
        { "{\"FileStatuses\":{\"FileStatus\":[{\"fileId\":\"1\",\"length\":0,\"type\":\"FILE\","
          "\"modificationTime\":1,\"pathSuffix\":\"x\"}]}}",
          false },
        { "{\"FileStatuses\":{\"FileStatus\":[{\"fileId\":1,\"length\":-1,\"type\":\"FILE\","
          "\"modificationTime\":1,\"pathSuffix\":\"x\"}]}}",
          false },
        { "{\"FileStatuses\":{\"FileStatus\":[{\"fileId\":1,\"length\":1,\"type\":\"FILE\","
          "\"modificationTime\":1,\"pathSuffix\":\"x\\u0000y\"}]}}",
          false },
        { "{\"FileStatuses\":{\"FileStatus\":[{\"fileId\":1,\"length\":1,\"type\":\"FILE\","
          "\"modificationTime\":1,\"pathSuffix\":\"\xff\"}]}}",
          false },
        { "{\"RemoteException\":{\"exception\":\"IOException\"}}", false },
        { "<html><body>Sign in</body></html>", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (feed(cases[i].text, strlen(cases[i].text), 5) != cases[i].good)
            fail_msg("%s: %s", cases[i].text, cases[i].good ? err.text : "taken");
        assert_true(!cases[i].good || listing.n == 0);
    }
}

#define PAGE(left)                                                                                 \
    "{\"DirectoryListing\":{\"partialListing\":" LISTING ",\"remainingEntries\":" left "}}"

static void a_page_is_a_listing_that_tells_what_is_left(void **state)
{
    static const char page[] = PAGE("9000");

    (void)state;
    listing.page = true;
    for (size_t n = 1; n <= sizeof(page); n++) {
        OK(feed(page, strlen(page), n));
        assert_int_equal(listing.n, 2);
        assert_string_equal(listing.at[0].name.at, "d");
        assert_int_equal(listing.remaining, 9000);
    }
    for (size_t cut = 0; cut < strlen(page); cut++)
        if (feed(page, cut, 50))
            fail_msg("taken: %.*s", (int)cut, page);
    OK(feed(PAGE("0"), strlen(PAGE("0")), 50));
    assert_int_equal(listing.remaining, 0);
}

static void what_is_no_page_is_an_error(void **state)
{
    static const char *const cases[] = {
        LISTING,
        PAGE("-1"),
        PAGE("\"1\""),
        "{\"DirectoryListing\":{\"partialListing\":" LISTING "}}",
        "{\"DirectoryListing\":{\"remainingEntries\":0}}",
        "{\"DirectoryListing\":" LISTING "}",
    };

    (void)state;
    listing.page = true;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (feed(cases[i], strlen(cases[i]), 5))
            fail_msg("taken: %s", cases[i]);
    listing.page = false;
    assert_false(feed(PAGE("1"), strlen(PAGE("1")), 5));
}

static void of_a_key_that_comes_twice_the_last_counts(void **state)
{
    static const char text[] =
        "{\"FileStatuses\":{\"FileStatus\":[{\"fileId\":1,\"fileId\":2,\"length\":1,\"length\":5,"
        "\"type\":\"DIRECTORY\",\"type\":\"FILE\",\"modificationTime\":1,\"pathSuffix\":\"x\","
        "\"pathSuffix\":\"y\"}]}}";

    (void)state;
    OK(feed(text, strlen(text), 3));
    assert_int_equal(listing.at[0].file_id, 2);
    assert_int_equal(listing.at[0].len, 5);
    assert_int_equal(listing.at[0].kind, SG_ENTRY_FILE);
    assert_string_equal(listing.at[0].name.at, "y");
}

static void a_further_try_begins_anew(void **state)
{
    (void)state;
    assert_false(feed(LISTING, 100, 100));
    OK(feed(LISTING, strlen(LISTING), 100));
    assert_int_equal(listing.n, 2);
    assert_false(feed("rubbish", 7, 7));
    OK(feed(LISTING, strlen(LISTING), 100));
}

static void a_hundred_thousand_entries_are_not_kept_as_text(void **state)
{
    struct sg_buf element = SG_BUF_INIT;
    size_t text = 0;

    (void)state;
    assert_true(wh_listing_body(&listing, "{\"FileStatuses\":{\"FileStatus\":[", 31));
    for (int i = 0; i < 100000; i++) {
        sg_buf_clear(&element);
        OK(sg_buf_addf(
            &element, &err,
            "%s{\"accessTime\":0,\"blockSize\":134217728,\"childrenNum\":0,\"fileId\":%d,"
            "\"group\":\"supergroup\",\"length\":%d,\"modificationTime\":1795647844635,"
            "\"owner\":\"root\",\"pathSuffix\":\"part-%05d\",\"permission\":\"644\","
            "\"replication\":3,\"storagePolicy\":0,\"type\":\"FILE\"}",
            i != 0 ? ",\n" : "", 16385 + i, i, i));
        text += element.len;
        assert_true(wh_listing_body(&listing, element.at, element.len));
    }
    assert_true(wh_listing_body(&listing, "]}}", 3));
    OK(wh_listing_end(&listing, &err));
    assert_int_equal(listing.n, 100000);
    assert_int_equal(listing.at[99999].len, 99999);
    assert_string_equal(listing.at[99999].name.at, "part-99999");
    /* arrays that grew by doubling lie in the arena, too */
    assert_true(listing.arena.bytes + listing.frame.cap < text);
    assert_true(listing.element.cap < 4096);
    sg_buf_done(&element);
}

static void one_value_is_found_by_its_way(void **state)
{
    static const struct {
        const char *text, *found; /* NULL: not there; "!": no JSON */
    } cases[] = {
        { "{\"A\":{\"B\":\"x\"}}", "x" },
        { "{\"z\":[{\"A\":{\"B\":\"no\"}}],\"A\":{\"q\":{\"B\":\"no\"},\"B\":\"x\",\"B\":\"y\"}}",
          "x" },
        { "{\"A\":{\"q\":1},\"B\":\"no\"}", NULL },
        { "{\"A\":{\"B\":12}}", "12" },
        { "{\"A\":{\"B\":true}}", "true" },
        { "{\"A\":{\"B\":false}}", "false" },
        { "{\"A\":{\"B\":null}}", NULL },
        { "{\"A\":null}", NULL },
        { "{\"A\":{\"B\":\"\\u00e9\"}}", "\xc3\xa9" },
        { "{\"A\":{\"B\":\"x\"}", "!" },
        { "", "!" },
        { "<html>", "!" },
    };
    struct sg_buf got = SG_BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *want = cases[i].found;
        bool found = false, ok;

        sg_buf_clear(&got);
        ok = WH_JSON_FIND(sg_span_of(cases[i].text), &got, &found, &err, "A", "B");
        if (ok != (want == NULL || strcmp(want, "!") != 0) || (ok && found != (want != NULL)) ||
            (found && strcmp(sg_buf_text(&got), want) != 0))
            fail_msg("%s: %d %d '%s'", cases[i].text, ok, found, sg_buf_text(&got));
    }
    sg_buf_done(&got);
}

static void an_attribute_is_found_by_its_name(void **state)
{
    static const char two[] = "{\"XAttrs\":[{\"value\":\"0x61\",\"name\":\"user.other\"},"
                              "{\"more\":[1],\"name\":\"user.stagegraph\",\"value\":\"0x62\"}]}";
    static const char *const bad[] = { "{}", "{\"XAttrs\":{}}", "{\"XAttrs\":[1]}",
                                       "{\"XAttrs\":[{\"name\":\"user.stagegraph\"}", "" };
    struct sg_buf got = SG_BUF_INIT;
    bool found;

    (void)state;
    OK(wh_json_attribute(sg_span_of(two), WH_ATTRIBUTE, &got, &found, &err));
    assert_true(found);
    assert_string_equal(sg_buf_text(&got), "0x62");
    OK(wh_json_attribute(sg_span_of("{\"XAttrs\":[]}"), WH_ATTRIBUTE, &got, &found, &err));
    assert_false(found);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(wh_json_attribute(sg_span_of(bad[i]), WH_ATTRIBUTE, &got, &found, &err));
    sg_buf_done(&got);
}

static void a_status_is_whole_or_an_error(void **state)
{
    static const char text[] = "{\"more\":{},\"FileStatus\":" DIR_1 "}";
    struct wh_status st;

    (void)state;
    OK(wh_json_status(sg_span_of(text), &st, &err));
    assert_int_equal(st.kind, SG_ENTRY_DIR);
    assert_int_equal(st.file_id, 16389);
    assert_int_equal(st.children, 3);
    for (size_t n = 0; n < strlen(text); n++)
        assert_false(wh_json_status((struct sg_span){ .at = text, .len = n }, &st, &err));
    assert_false(wh_json_status(sg_span_of("{\"boolean\":true}"), &st, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_listing_is_the_same_in_pieces_of_any_size, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_page_is_a_listing_that_tells_what_is_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_page_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_listing_that_is_cut_anywhere_is_an_error, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_empty_directory_is_an_empty_list_and_nothing_else_is,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_key_that_comes_twice_the_last_counts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_further_try_begins_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hundred_thousand_entries_are_not_kept_as_text, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_value_is_found_by_its_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_attribute_is_found_by_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_status_is_whole_or_an_error, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
