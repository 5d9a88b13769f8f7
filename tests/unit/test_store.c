#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/store.h"

static void a_path_and_a_file_uri_are_local_stores(void **state)
{
    static const struct {
        const char *root, *path, *uri;
    } cases[] = {
        { "/data", "/data", "file:///data" },
        { "/data///", "/data", "file:///data" },
        { "/", "/", "file:///" },
        { "file:///data/x", "/data/x", "file:///data/x" },
        { "file:/data/x/", "/data/x", "file:///data/x" },
        { "file://localhost/data", "/data", "file:///data" },
        { "file:///a b%20c", "/a b%20c", "file:///a b%20c" }, /* raw, as Hadoop's Path */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_store_config c = { .root = cases[i].root };
        struct sg_error err = SG_ERROR_INIT;
        struct sg_store *s;

        if (!sg_store_open(&c, &s, &err))
            fail_msg("%s: %s", cases[i].root, err.text);
        assert_string_equal(sg_store_root(s), cases[i].path);
        assert_string_equal(sg_store_uri(s), cases[i].uri);
        sg_store_free(s);
    }
    sg_store_free(NULL);
}

static void what_is_no_store_is_an_error_of_the_graph(void **state)
{
    static const char *const roots[] = { "data",          "",       "s3a://bucket/x",
                                         "file://host/x", "file:x", "a/b:c" };

    (void)state;
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        struct sg_store_config c = { .root = roots[i] };
        struct sg_error err = SG_ERROR_INIT;
        struct sg_store *s = NULL;

        if (sg_store_open(&c, &s, &err))
            fail_msg("%s was opened", roots[i]);
        assert_int_equal(err.code, SG_ERROR_GRAPH);
        assert_non_null(strstr(err.text, roots[i]));
        assert_null(s);
    }
}

/* The local store has no use for these. */
static void what_a_store_does_not_provide_has_a_plain_answer(void **state)
{
    static const char *const paths[] = { "etc", "etc/no such file" };
    static const bool receipts[] = { true, false };
    struct sg_store_config c = { .root = "/" };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_store_traffic t = { 7, 7 };
    struct sg_entry e[2], one;
    struct sg_store *s;

    (void)state;
    assert_true(sg_store_open(&c, &s, &err));
    assert_true(sg_store_stat_dirs(s, paths, 2, e, &err));
    assert_true(sg_store_stat(s, paths[0], &one, &err));
    assert_int_equal(e[0].kind, SG_ENTRY_DIR);
    assert_int_equal(e[0].ident.id, one.ident.id);
    assert_int_equal(e[1].kind, SG_ENTRY_ABSENT);
    sg_store_receipts(s, paths, e, e, receipts, 2);
    assert_true(sg_store_look_many(s, paths, 2, e, &err));
    assert_int_equal(e[0].ident.id, one.ident.id);
    assert_false(sg_store_is_by_dir(s, &e[0].ident));
    assert_false(sg_store_is_write_once(s));
    assert_int_equal(sg_store_threads(s), 0);
    assert_false(sg_store_counted(s, &t));
    assert_int_equal(t.requests, 7);
    sg_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_and_a_file_uri_are_local_stores),
        cmocka_unit_test(what_is_no_store_is_an_error_of_the_graph),
        cmocka_unit_test(what_a_store_does_not_provide_has_a_plain_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
