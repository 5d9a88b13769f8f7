#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/store.h"

#include "fake_hdfs.h"
#include "scratch.h"
#include "webhdfs_impl.h"

#define RECEIPT "{\"stagegraph\":1,\"node\":\"a@2024-01-01\"}"
#define OLDER   "{\"stagegraph\":1,\"node\":\"older\"}"

static struct fake_hdfs *hdfs;
static struct sg_store *store;
static struct sg_error err;
static bool plain; /* the server heeds no renameoptions */

static void open_store(const char *receipts)
{
    char root[200];
    struct sg_store_config c = { .root = root,
                                 .user = "tester",
                                 .auth = "auto",
                                 .receipts = receipts,
                                 .connections = 2,
                                 .deadline_s = 60,
                                 .lease_s = 300 };

    snprintf(root, sizeof(root), "web%s/w", fake_hdfs_base(hdfs));
    memcpy(root + 3, "hdfs", 4); /* webhdfs://127.0.0.1:PORT/w */
    OK(sg_webhdfs_open(&c, &store, &err));
    wh_of(store)->pause_ms = 0; /* nothing here has to wait for anything */
}

static int set_up(void **state)
{
    (void)state;
    hdfs = fake_hdfs_open();
    open_store("auto");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sg_store_free(store);
    store = NULL;
    fake_hdfs_close(hdfs);
    hdfs = NULL;
    sg_error_clear(&err);
    return 0;
}

static struct sg_span span(const char *text)
{
    return sg_span_of(text);
}

/* ---- without faults */

static void a_receipt_is_the_attribute_of_an_empty_file(void **state)
{
    struct sg_entry e;

    (void)state;
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &e, &err));
    assert_string_equal(fake_hdfs_text(hdfs, "/w/d/_SUCCESS"), "");
    assert_string_equal(fake_hdfs_attribute(hdfs, "/w/d/_SUCCESS"), RECEIPT);
    assert_int_equal(fake_hdfs_files(hdfs, ""), 1);
    assert_int_equal(e.kind, SG_ENTRY_FILE);
    assert_int_equal(e.ident.id, fake_hdfs_id(hdfs, "/w/d/_SUCCESS"));
}

static void the_identity_that_a_put_tells_is_the_one_that_is_seen_later(void **state)
{
    struct sg_entry put, seen, renamed;

    (void)state;
    OK(sg_store_put_marker(store, "d", "_PARTIAL", span(RECEIPT), &put, &err));
    OK(sg_store_stat(store, "d/_PARTIAL", &seen, &err));
    assert_int_equal(put.kind, seen.kind);
    assert_memory_equal(&put.ident, &seen.ident, sizeof(put.ident));
    OK(sg_store_rename_marker(store, "d", "_PARTIAL", "_SUCCESS", &renamed, &err));
    OK(sg_store_stat(store, "d/_SUCCESS", &seen, &err));
    assert_int_equal(renamed.kind, seen.kind);
    assert_memory_equal(&renamed.ident, &seen.ident, sizeof(seen.ident));
    assert_false(fake_hdfs_has(hdfs, "/w/d/_PARTIAL"));
}

static void a_marker_costs_five_requests_and_one_at_a_data_node(void **state)
{
    struct sg_entry e;

    (void)state;
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &e, &err));
    fake_hdfs_fault(hdfs, 0, FAKE_FINE);
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &e, &err));
    assert_int_equal(fake_hdfs_count(hdfs), 5);
}

static void content_takes_the_receipt_where_attributes_are_not_to_be_had(void **state)
{
    struct sg_buf text = SG_BUF_INIT;
    struct sg_entry e;

    (void)state;
    fake_hdfs_no_attributes(hdfs);
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &e, &err));
    assert_string_equal(fake_hdfs_text(hdfs, "/w/d/_SUCCESS"), RECEIPT);
    assert_int_equal(fake_hdfs_files(hdfs, ""), 1);
    OK(sg_store_read_marker(store, "d", "_SUCCESS", 4096, &text, &e, &err));
    assert_string_equal(sg_buf_text(&text), RECEIPT);
    sg_buf_done(&text);

    /* … and isn't tried again in vain. */
    fake_hdfs_fault(hdfs, 0, FAKE_FINE);
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(OLDER), &e, &err));
    assert_int_equal(fake_hdfs_count(hdfs), 4);
}

static void a_receipt_that_is_too_long_for_this_cluster_becomes_content(void **state)
{
    struct sg_entry e;

    (void)state;
    fake_hdfs_max_attribute(hdfs, 20);
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &e, &err));
    assert_string_equal(fake_hdfs_text(hdfs, "/w/d/_SUCCESS"), RECEIPT);
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span("short"), &e, &err));
    assert_string_equal(fake_hdfs_attribute(hdfs, "/w/d/_SUCCESS"), "short");
}

static void attribute_alone_is_an_error_where_there_are_none(void **state)
{
    struct sg_entry e;

    (void)state;
    sg_store_free(store);
    open_store("attribute");
    fake_hdfs_no_attributes(hdfs);
    assert_false(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &e, &err));
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_non_null(strstr(err.text, "SETXATTR /w/d/._SUCCESS."));
    assert_non_null(strstr(err.text, "UnsupportedOperationException"));
    assert_int_equal(fake_hdfs_files(hdfs, ""), 0);
}

static void content_is_content_when_asked_for(void **state)
{
    struct sg_entry e;

    (void)state;
    sg_store_free(store);
    open_store("content");
    OK(sg_store_put_marker(store, "", "_SUCCESS", span(RECEIPT), &e, &err));
    assert_string_equal(fake_hdfs_text(hdfs, "/w/_SUCCESS"), RECEIPT);
    assert_null(fake_hdfs_attribute(hdfs, "/w/_SUCCESS"));
    assert_int_equal(e.ident.len, strlen(RECEIPT));
}

static void a_marker_seen_is_read_by_one_request_and_then_by_none(void **state)
{
    struct sg_buf text = SG_BUF_INIT;
    struct sg_entry seen, e;

    (void)state;
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &seen, &err));
    fake_hdfs_fault(hdfs, 0, FAKE_FINE);
    OK(sg_store_read_seen(store, "d", "_SUCCESS", &seen, 4096, &text, &e, &err));
    assert_int_equal(fake_hdfs_count(hdfs), 1);
    assert_string_equal(sg_buf_text(&text), RECEIPT);
    assert_memory_equal(&e.ident, &seen.ident, sizeof(e.ident));
    sg_buf_clear(&text);
    OK(sg_store_read_seen(store, "d", "_SUCCESS", &seen, 4096, &text, &e, &err));
    assert_int_equal(fake_hdfs_count(hdfs), 1);
    assert_string_equal(sg_buf_text(&text), RECEIPT);

    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &seen, &err)); /* another file */
    OK(sg_store_remove_marker(store, "d", "_SUCCESS", &err));
    sg_buf_clear(&text);
    OK(sg_store_read_seen(store, "d", "_SUCCESS", &seen, 4096, &text, &e, &err));
    assert_int_equal(e.kind, SG_ENTRY_ABSENT);
    for (int i = 0; i < 2; i++) { /* of another tool: empty, or with something in it */
        fake_hdfs_write(hdfs, "/w/d/_SUCCESS", i == 0 ? "" : "done");
        OK(sg_store_stat(store, "d/_SUCCESS", &seen, &err));
        sg_buf_clear(&text);
        OK(sg_store_read_seen(store, "d", "_SUCCESS", &seen, 4096, &text, &e, &err));
        assert_string_equal(sg_buf_text(&text), i == 0 ? "" : "done");
        assert_memory_equal(&e.ident, &seen.ident, sizeof(e.ident));
    }
    sg_buf_done(&text);
}

/* What is told of a marker whose directory alone was looked at. */
static unsigned requests_by_dir(struct sg_buf *text, struct sg_entry *e)
{
    static const struct sg_entry seen = { SG_ENTRY_UNSEEN, { 7, 0, 1000, 3 } };

    sg_buf_clear(text);
    fake_hdfs_fault(hdfs, 0, FAKE_FINE);
    OK(sg_store_read_seen(store, "d", "_SUCCESS", &seen, 4096, text, e, &err));
    if (e->kind == SG_ENTRY_FILE && sg_store_is_by_dir(store, &e->ident))
        assert_memory_equal(&e->ident, &seen.ident, sizeof(e->ident));
    return (unsigned)fake_hdfs_count(hdfs);
}

static void a_marker_whose_directory_was_seen_is_read_by_one_request(void **state)
{
    struct sg_buf text = SG_BUF_INIT;
    struct sg_entry e, own;

    (void)state;
    assert_int_equal(requests_by_dir(&text, &e), 1);
    assert_int_equal(e.kind, SG_ENTRY_ABSENT);
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &own, &err));
    assert_int_equal(requests_by_dir(&text, &e), 1);
    assert_int_equal(e.kind, SG_ENTRY_FILE);
    assert_true(sg_store_is_by_dir(store, &e.ident));
    assert_string_equal(sg_buf_text(&text), RECEIPT);

    /* Without an attribute it is what its status says; of the next this is asked first. */
    for (int i = 0; i < 2; i++) {
        OK(sg_store_remove_marker(store, "d", "_SUCCESS", &err));
        fake_hdfs_write(hdfs, "/w/d/_SUCCESS", "");
        OK(sg_store_stat(store, "d/_SUCCESS", &own, &err));
        assert_int_equal(requests_by_dir(&text, &e), i == 0 ? 3 : 2);
        assert_int_equal(text.len, 0);
        assert_memory_equal(&e.ident, &own.ident, sizeof(e.ident));
    }
    assert_int_equal(requests_by_dir(&text, &e), 2);
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &own, &err));
    assert_int_equal(requests_by_dir(&text, &e), 2);
    assert_string_equal(sg_buf_text(&text), RECEIPT);
    assert_memory_equal(&e.ident, &own.ident, sizeof(e.ident));
    assert_int_equal(requests_by_dir(&text, &e), 1);
    sg_buf_done(&text);
}

static void a_removed_marker_takes_its_leftovers_with_it_and_nothing_else(void **state)
{
    (void)state;
    fake_hdfs_write(hdfs, "/w/d/_SUCCESS", "");
    fake_hdfs_write(hdfs, "/w/d/._SUCCESS.crc", "");
    fake_hdfs_write(hdfs, "/w/d/._SUCCESS.0123456789abcdef.tmp", "");
    fake_hdfs_write(hdfs, "/w/d/._SUCCESS.0123456789abcde.tmp", "");
    fake_hdfs_write(hdfs, "/w/d/._OTHER.0123456789abcdef.tmp", "");
    fake_hdfs_write(hdfs, "/w/d/part-0", "");
    OK(sg_store_remove_marker(store, "d", "_SUCCESS", &err));
    assert_int_equal(fake_hdfs_files(hdfs, ""), 3);
    assert_true(fake_hdfs_has(hdfs, "/w/d/._SUCCESS.0123456789abcde.tmp"));
    assert_true(fake_hdfs_has(hdfs, "/w/d/._OTHER.0123456789abcdef.tmp"));
    assert_true(fake_hdfs_has(hdfs, "/w/d/part-0"));
    OK(sg_store_remove_marker(store, "d", "_SUCCESS", &err));
    OK(sg_store_remove_marker(store, "nowhere", "_SUCCESS", &err));
}

static void an_attribute_that_is_refused_for_another_reason_is_an_error(void **state)
{
    struct sg_entry e;

    (void)state;
    fake_hdfs_fault(hdfs, 2, FAKE_DENIED);
    assert_false(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &e, &err));
    assert_non_null(strstr(err.text, "SETXATTR /w/d/._SUCCESS."));
    assert_non_null(strstr(err.text, "AccessControlException"));
    assert_int_equal(fake_hdfs_files(hdfs, ""), 0);
}

static void what_is_put_a_second_time_is_not_written(void **state)
{
    uint64_t id;

    (void)state;
    OK(sg_store_put(store, "_stagegraph/recipes/x", span("recipe"), &err));
    id = fake_hdfs_id(hdfs, "/w/_stagegraph/recipes/x");
    OK(sg_store_put(store, "_stagegraph/recipes/x", span("recipe"), &err));
    assert_int_equal(fake_hdfs_id(hdfs, "/w/_stagegraph/recipes/x"), id);
    OK(sg_store_put(store, "_stagegraph/recipes/x", span("other!"), &err));
    assert_string_equal(fake_hdfs_text(hdfs, "/w/_stagegraph/recipes/x"), "other!");
    assert_int_equal(fake_hdfs_files(hdfs, ""), 1);
}

static void a_tree_is_removed_by_its_id(void **state)
{
    (void)state;
    fake_hdfs_write(hdfs, "/w/d/a/b", "x");
    OK(sg_store_remove_tree(store, "d", &err));
    assert_false(fake_hdfs_has(hdfs, "/w/d"));
    OK(sg_store_remove_tree(store, "d", &err));
}

static void where_there_are_no_inode_paths_a_tree_is_removed_by_its_name(void **state)
{
    (void)state;
    fake_hdfs_no_inode_paths(hdfs);
    fake_hdfs_write(hdfs, "/w/d/a/b", "x");
    OK(sg_store_remove_tree(store, "d", &err));
    assert_false(fake_hdfs_has(hdfs, "/w/d"));
}

static void the_umask_is_told_with_each_thing_that_is_made(void **state)
{
    struct sg_entry e;

    (void)state;
    OK(sg_store_make_dir(store, "d", &err));
    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &e, &err));
    assert_non_null(strstr(http_peer_request(fake_hdfs_peer(hdfs), 0)->target,
                           "op=MKDIRS&user.name=tester&permission=755&unmaskedpermission=777"));
    assert_non_null(strstr(http_peer_request(fake_hdfs_peer(hdfs), 1)->target,
                           "op=CREATE&user.name=tester&noredirect=true&overwrite=true"
                           "&permission=644&unmaskedpermission=666"));
}

/* ---- with faults */

struct story {
    const char *label;
    void (*before)(void);
    bool (*act)(void);
    void (*after)(void);         /* it succeeded */
    void (*after_failure)(void); /* old or new, and whole */
};

static void old_marker(void)
{
    struct sg_entry e;

    OK(sg_store_put_marker(store, "d", "_SUCCESS", span(OLDER), &e, &err));
}

static bool put_marker(void)
{
    struct sg_entry e;

    return sg_store_put_marker(store, "d", "_SUCCESS", span(RECEIPT), &e, &err) &&
           e.ident.id == fake_hdfs_id(hdfs, "/w/d/_SUCCESS");
}

static const char *marker_text(const char *path)
{
    const char *text = fake_hdfs_attribute(hdfs, path);

    return text != NULL ? text : fake_hdfs_text(hdfs, path);
}

static void new_marker(void)
{
    assert_string_equal(marker_text("/w/d/_SUCCESS"), RECEIPT);
    assert_int_equal(fake_hdfs_attribute(hdfs, "/w/d/_SUCCESS") != NULL,
                     wh_of(store)->receipts == WH_RECEIPTS_AUTO);
    assert_int_equal(fake_hdfs_files(hdfs, ".tmp"), 0);
}

static void either_marker(void)
{
    const char *text = marker_text("/w/d/_SUCCESS");

    if (plain && text == NULL)
        return; /* as if it had not been made */
    assert_true(strcmp(text, OLDER) == 0 || strcmp(text, RECEIPT) == 0);
}

static void partial_marker(void)
{
    struct sg_entry e;

    old_marker();
    OK(sg_store_put_marker(store, "d", "_PARTIAL", span(RECEIPT), &e, &err));
}

static bool rename_marker(void)
{
    struct sg_entry e;

    return sg_store_rename_marker(store, "d", "_PARTIAL", "_SUCCESS", &e, &err) &&
           e.ident.id == fake_hdfs_id(hdfs, "/w/d/_SUCCESS");
}

static void renamed_marker(void)
{
    new_marker();
    assert_false(fake_hdfs_has(hdfs, "/w/d/_PARTIAL"));
}

static bool remove_marker(void)
{
    return sg_store_remove_marker(store, "d", "_SUCCESS", &err);
}

static void leftovers(void)
{
    old_marker();
    fake_hdfs_write(hdfs, "/w/d/._SUCCESS.crc", "");
    fake_hdfs_write(hdfs, "/w/d/._SUCCESS.0123456789abcdef.tmp", "");
}

static void no_files(void)
{
    assert_int_equal(fake_hdfs_files(hdfs, ""), 0);
}

static void nothing(void)
{
}

static bool put_recipe(void)
{
    return sg_store_put(store, "_stagegraph/recipes/x", span("recipe"), &err);
}

static void old_recipe(void)
{
    fake_hdfs_write(hdfs, "/w/_stagegraph/recipes/x", "rotten");
}

static void new_recipe(void)
{
    assert_string_equal(fake_hdfs_text(hdfs, "/w/_stagegraph/recipes/x"), "recipe");
    assert_int_equal(fake_hdfs_files(hdfs, ".tmp"), 0);
}

static void either_recipe(void)
{
    const char *text = fake_hdfs_text(hdfs, "/w/_stagegraph/recipes/x");

    if (plain && text == NULL)
        return;
    assert_true(strcmp(text, "rotten") == 0 || strcmp(text, "recipe") == 0);
}

static bool make_dir(void)
{
    return sg_store_make_dir(store, "a/b/c", &err);
}

static void made_dir(void)
{
    assert_true(fake_hdfs_has(hdfs, "/w/a/b/c"));
}

static void a_tree(void)
{
    fake_hdfs_write(hdfs, "/w/d/a/b", "x");
    fake_hdfs_write(hdfs, "/w/e", "x");
}

static bool remove_tree(void)
{
    return sg_store_remove_tree(store, "d", &err);
}

static void no_tree(void)
{
    assert_false(fake_hdfs_has(hdfs, "/w/d"));
    assert_true(fake_hdfs_has(hdfs, "/w/e"));
}

static void e_is_there(void)
{
    assert_true(fake_hdfs_has(hdfs, "/w/e"));
}

static const struct story stories[] = {
    { "put a marker", old_marker, put_marker, new_marker, either_marker },
    { "rename a marker", partial_marker, rename_marker, renamed_marker, either_marker },
    { "remove a marker", leftovers, remove_marker, no_files, nothing },
    { "put a recipe", old_recipe, put_recipe, new_recipe, either_recipe },
    { "make a directory", nothing, make_dir, made_dir, nothing },
    { "remove a tree", a_tree, remove_tree, no_tree, e_is_there },
};

static void start_anew(const char *receipts)
{
    (void)tear_down(NULL);
    hdfs = fake_hdfs_open();
    if (plain)
        fake_hdfs_plain_renames(hdfs);
    open_store(receipts);
}

static void sweep(const struct story *s, enum fake_fault fault, const char *receipts)
{
    bool passes = fault != FAKE_DENIED, reached = true;

    for (size_t k = 0; reached; k++) {
        start_anew(receipts);
        s->before();
        fake_hdfs_fault(hdfs, k, fault);
        sg_error_clear(&err);
        if (s->act()) {
            s->after();
        } else if (passes) {
            fail_msg("%s, fault %d of request %zu: %s", s->label, fault, k, err.text);
        } else {
            assert_int_equal(err.code, SG_ERROR_STORE);
            assert_non_null(strstr(err.text, "AccessControlException"));
            s->after_failure();
        }
        reached = fake_hdfs_count(hdfs) > k;
        assert_true(reached || k > 0);
    }
}

static void sweep_all(void)
{
    static const char *const receipts[] = { "auto", "content" };

    for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
        for (size_t r = 0; r < 2; r++) {
            for (int fault = FAKE_LOST_BEFORE; fault <= FAKE_DENIED; fault++)
                sweep(&stories[i], (enum fake_fault)fault, receipts[r]);
        }
    }
}

static void every_answer_may_be_lost_or_late_or_refused(void **state)
{
    (void)state;
    sweep_all();
}

static void behind_httpfs_too(void **state)
{
    (void)state;
    plain = true;
    sweep_all();
    plain = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_receipt_is_the_attribute_of_an_empty_file, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_identity_that_a_put_tells_is_the_one_that_is_seen_later,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_marker_costs_five_requests_and_one_at_a_data_node, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            content_takes_the_receipt_where_attributes_are_not_to_be_had, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_receipt_that_is_too_long_for_this_cluster_becomes_content,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(attribute_alone_is_an_error_where_there_are_none, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(content_is_content_when_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_marker_seen_is_read_by_one_request_and_then_by_none,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_marker_whose_directory_was_seen_is_read_by_one_request,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_removed_marker_takes_its_leftovers_with_it_and_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_attribute_that_is_refused_for_another_reason_is_an_error,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_put_a_second_time_is_not_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_tree_is_removed_by_its_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            where_there_are_no_inode_paths_a_tree_is_removed_by_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_umask_is_told_with_each_thing_that_is_made, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_answer_may_be_lost_or_late_or_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(behind_httpfs_too, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
