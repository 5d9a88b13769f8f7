#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/marker.h"

#include "../../src/store/store_impl.h"
#include "scratch_store.h"

static struct scratch dir;
static struct sg_store *store;
static struct sg_error err;

static int set_up(void **state)
{
    (void)state;
    store = scratch_store_open(&dir, &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_store_close(&dir, store);
    return 0;
}

static bool there, steady;
static int64_t unsettled_ns;
static struct sg_hash128 version;

static bool look(const char *marker, enum sg_source_identity identity, int64_t settle_s)
{
    const struct sg_source source = {
        .path = "in", .marker = marker, .identity = identity, .settle_s = settle_s, .keep = true
    };
    struct sg_source_state st;

    OK(sg_source_examine(store, &source, &st, &err));
    there = st.there;
    steady = st.steady;
    unsettled_ns = st.unsettled_ns;
    version = st.version;
    assert_false(there && unsettled_ns >= 0);
    assert_true(there != sg_hash128_is(version, (struct sg_hash128){ 0, 0 }));
    return there;
}

static void without_a_marker_it_is_there_when_it_has_settled(void **state)
{
    (void)state;
    assert_false(look(NULL, SG_SOURCE_LISTING, 300));
    assert_false(look(NULL, SG_SOURCE_LISTING, 0));
    assert_true(unsettled_ns == -1); /* it is just not there */
    scratch_write(&dir, "in/a", "x");
    scratch_write(&dir, "in/b/c", "x");
    scratch_write(&dir, "in/_log", "x");
    assert_true(look(NULL, SG_SOURCE_LISTING, 0));
    assert_false(look(NULL, SG_SOURCE_LISTING, 300));
    scratch_age(&dir, "in/a", 301);
    assert_false(look(NULL, SG_SOURCE_LISTING, 300)); /* the newest counts */
    assert_in_range(unsettled_ns, 0, 299 * INT64_C(1000000000));
    scratch_age(&dir, "in/b/c", 301);
    assert_true(look(NULL, SG_SOURCE_LISTING, 300)); /* hidden names don't */
    assert_false(look(NULL, SG_SOURCE_LISTING, 302));
    scratch_age(&dir, "in/a", -50); /* a clock that is ahead */
    assert_false(look(NULL, SG_SOURCE_LISTING, 300));
    assert_int_equal(unsettled_ns, 0);
}

static void an_empty_file_that_is_being_written_is_not_there_yet(void **state)
{
    int fd;

    (void)state;
    scratch_write(&dir, "in/a", "x");
    scratch_write(&dir, "in/sub/b", "");
    scratch_age(&dir, "in/a", 400);
    scratch_age(&dir, "in/sub/b", 400);
    fd = open(scratch_path(&dir, "in/sub/b"), O_WRONLY | O_CLOEXEC);
    assert_false(look(NULL, SG_SOURCE_LISTING, 300));
    assert_false(look(NULL, SG_SOURCE_LISTING, 0));
    assert_true(unsettled_ns == SG_SOURCE_OPEN);
    close(fd);
    assert_true(look(NULL, SG_SOURCE_LISTING, 300));
}

static void a_directory_without_files_settles_by_itself(void **state)
{
    (void)state;
    scratch_make_dir(&dir, "in");
    assert_false(look(NULL, SG_SOURCE_LISTING, 300));
    scratch_age(&dir, "in", 301);
    assert_true(look(NULL, SG_SOURCE_LISTING, 300));
}

static void with_a_marker_it_is_there_when_that_is(void **state)
{
    static const enum sg_source_identity all[] = { SG_SOURCE_LISTING, SG_SOURCE_CONTENT,
                                                   SG_SOURCE_MARKER };

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_false(look("_DONE", all[i], 300));
    scratch_write(&dir, "in/a", "");
    for (size_t i = 0; i < 3; i++)
        assert_false(look("_DONE", all[i], 300));
    scratch_write(&dir, "in/_DONE", "");
    for (size_t i = 0; i < 3; i++)
        assert_true(look("_DONE", all[i], 300)); /* nothing has to settle */
}

static void a_single_file_is_a_source_too(void **state)
{
    struct sg_hash128 before;

    (void)state;
    scratch_write(&dir, "in", "x");
    assert_false(look(NULL, SG_SOURCE_LISTING, 300));
    assert_false(look("_DONE", SG_SOURCE_LISTING, 300));
    scratch_age(&dir, "in", 301);
    assert_true(look(NULL, SG_SOURCE_LISTING, 300));
    before = version;
    scratch_write(&dir, "in", "y");
    assert_true(look(NULL, SG_SOURCE_LISTING, 0));
    assert_true(sg_hash128_is(before, version));
    assert_true(look(NULL, SG_SOURCE_CONTENT, 0));
    before = version;
    scratch_write(&dir, "in", "z");
    assert_true(look(NULL, SG_SOURCE_CONTENT, 0));
    assert_false(sg_hash128_is(before, version));
}

/* What is changed, and which versions change with it. */
static void each_identity_sees_what_it_is_of(void **state)
{
    static const struct {
        const char *what, *path, *text; /* text NULL: only its time */
        bool listing, content, marker;
    } cases[] = {
        { "nothing", "in/a", "1234", false, false, false },
        { "a time", "in/a", NULL, false, false, false },
        { "a content of the same length", "in/a", "4321", false, true, false },
        { "a length", "in/a", "12345", true, true, false },
        { "a new file", "in/b", "1", true, true, false },
        { "a new file below", "in/d/b", "1", true, true, false },
        { "a hidden file", "in/_x", "1", false, false, false },
        { "the marker", "in/_DONE", "2", true, false, true },
        { "the marker's time", "in/_DONE", NULL, false, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_hash128 before[3];

        scratch_empty(&dir);
        scratch_write(&dir, "in/a", "1234");
        scratch_write(&dir, "in/_DONE", "1");
        for (int k = 0; k < 3; k++) {
            assert_true(look("_DONE", (enum sg_source_identity)k, 0));
            before[k] = version;
        }
        if (cases[i].text != NULL)
            scratch_write(&dir, cases[i].path, cases[i].text);
        else
            scratch_age(&dir, cases[i].path, 1000);
        for (int k = 0; k < 3; k++) {
            const bool changes[] = { cases[i].listing, cases[i].content, cases[i].marker };

            assert_true(look("_DONE", (enum sg_source_identity)k, 0));
            if (sg_hash128_is(before[k], version) == changes[k])
                fail_msg("%s, identity %d", cases[i].what, k);
        }
    }
}

static void names_are_relative_and_in_no_order(void **state)
{
    struct sg_hash128 before;

    (void)state;
    scratch_write(&dir, "in/b", "1");
    scratch_write(&dir, "in/a", "2");
    assert_true(look(NULL, SG_SOURCE_LISTING, 0));
    before = version;
    OK(sg_store_remove_tree(store, "in", &err));
    scratch_write(&dir, "in/a", "2");
    scratch_write(&dir, "in/b", "1");
    assert_true(look(NULL, SG_SOURCE_LISTING, 0));
    assert_true(sg_hash128_is(before, version));
    assert_int_equal(rename(scratch_path(&dir, "in/a"), scratch_path(&dir, "in/c")), 0);
    assert_true(look(NULL, SG_SOURCE_LISTING, 0));
    assert_false(sg_hash128_is(before, version)); /* names count, unlike in outputs */
}

/* With a marker it is there, but what it will be when the file is closed no directory tells. */
static void a_source_with_a_file_that_is_being_written_is_not_steady(void **state)
{
    int fd;

    (void)state;
    store->write_once = true;
    scratch_write(&dir, "in/a", "");
    scratch_write(&dir, "in/_DONE", "");
    scratch_age(&dir, "in/_DONE", 400);
    fd = open(scratch_path(&dir, "in/a"), O_WRONLY);
    assert_true(fd >= 0);
    scratch_age(&dir, "in/a", 400);
    assert_true(look("_DONE", SG_SOURCE_LISTING, 0));
    assert_false(steady);
    close(fd);
    assert_true(look("_DONE", SG_SOURCE_LISTING, 0));
    assert_true(steady);
    fd = open(scratch_path(&dir, "in/_DONE"), O_WRONLY);
    assert_true(look("_DONE", SG_SOURCE_LISTING, 0));
    assert_false(steady);
    scratch_age(&dir, "in/_DONE", 90000); /* nobody writes a day on a marker */
    assert_true(look("_DONE", SG_SOURCE_LISTING, 0));
    assert_true(steady);
    close(fd);
}

/* Where files are written once the directory is listed instead of walked. */
static void a_store_of_files_that_are_written_once_has_the_same_versions(void **state)
{
    static const struct {
        const char *label, *name;
        int64_t age_s;
        bool steady[3]; /* without a marker; with one; by the marker alone */
    } steps[] = {
        { "nothing in it", "in/_log", 400, { true } },
        { "a file", "in/a", 400, { true } },
        { "another, not old enough to be known as closed", "in/b", 60, { false } },
        { "it has aged", "in/b", 400, { true } },
        { "a hidden directory", "in/_temporary/0", 400, { true } },
        { "a marker", "in/_DONE", 400, { true, true, true } },
        { "a young marker", "in/_DONE", 60, { true, false, false } },
        { "it has aged", "in/_DONE", 400, { true, true, true } },
        { "a directory", "in/c/d", 400, { false, false, true } },
    };
    static const struct {
        const char *marker;
        enum sg_source_identity identity;
        int column;
    } ways[] = {
        { NULL, SG_SOURCE_LISTING, 0 },    { NULL, SG_SOURCE_CONTENT, 0 },
        { "_DONE", SG_SOURCE_LISTING, 1 }, { "_DONE", SG_SOURCE_CONTENT, 1 },
        { "_DONE", SG_SOURCE_MARKER, 2 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        scratch_write(&dir, steps[i].name, steps[i].name);
        scratch_age(&dir, steps[i].name, steps[i].age_s);
        scratch_age(&dir, "in", 400);
        for (size_t k = 0; k < sizeof(ways) / sizeof(ways[0]); k++) {
            struct sg_hash128 walked;
            bool was_there;

            store->write_once = false;
            was_there = look(ways[k].marker, ways[k].identity, 10);
            walked = version;
            assert_false(steady);
            store->write_once = true;
            if (look(ways[k].marker, ways[k].identity, 10) != was_there ||
                !sg_hash128_is(version, walked))
                fail_msg("%s: not the same (%zu)", steps[i].label, k);
            if (steady != steps[i].steady[ways[k].column])
                fail_msg("%s: %s (%zu)", steps[i].label, steady ? "steady" : "not steady", k);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_marker_it_is_there_when_it_has_settled),
        cmocka_unit_test(an_empty_file_that_is_being_written_is_not_there_yet),
        cmocka_unit_test(a_directory_without_files_settles_by_itself),
        cmocka_unit_test(with_a_marker_it_is_there_when_that_is),
        cmocka_unit_test(a_single_file_is_a_source_too),
        cmocka_unit_test(each_identity_sees_what_it_is_of),
        cmocka_unit_test(names_are_relative_and_in_no_order),
        cmocka_unit_test(a_source_with_a_file_that_is_being_written_is_not_steady),
        cmocka_unit_test(a_store_of_files_that_are_written_once_has_the_same_versions),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
