#include <errno.h>
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

#include "fake_store.h"
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

static struct sg_hash128 version(void)
{
    struct sg_output_facts facts;

    OK(sg_output_examine(store, "out", true, false, &facts, &err));
    return facts.version;
}

/* Files of an output as "path=content" words; the version of it. */
static struct sg_hash128 version_of(const char *files)
{
    char copy[256], path[256];

    scratch_empty(&dir);
    snprintf(copy, sizeof(copy), "%s", files);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        char *content = strchr(word, '=');

        *content++ = '\0';
        snprintf(path, sizeof(path), "out/%s", word);
        scratch_write(&dir, path, content);
    }
    return version();
}

static void a_version_is_that_of_directories_lengths_and_contents(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        { "part-1=x part-2=y", "part-a=x part-b=y", true }, /* names are random */
        { "part-1=x part-2=y", "part-a=y part-b=x", true },
        { "p=x", "p=x _SUCCESS=z .p.crc=w _temporary/0/p=v", true },
        { "p=x", "p=y", false },
        { "p=x", "p=xx", false },
        { "p=x", "p=x q=x", false }, /* a multiset */
        { "p=x q=x", "p=x q=x r=x", false },
        { "k=1/p=x", "k=2/p=x", false }, /* directories are values of partitions */
        { "a/p=x b/p=y", "a/p=y b/p=x", false },
        { "a/b/p=x", "a/p=x", false },
        { "p=", "p= q=", false },
        { "", "_SUCCESS=", true },
        { "", "p=", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_hash128 a = version_of(cases[i].a), b = version_of(cases[i].b);

        if (sg_hash128_is(a, b) != cases[i].same)
            fail_msg("%s against %s", cases[i].a, cases[i].b);
    }
}

static void facts_count_files_bytes_and_the_newest(void **state)
{
    struct sg_output_facts facts;
    struct sg_entry e;

    (void)state;
    OK(sg_output_examine(store, "out", true, true, &facts, &err));
    assert_true(facts.files == 0 && facts.bytes == 0 && facts.newest_ns == 0);
    scratch_write(&dir, "out/a/p", "123");
    scratch_write(&dir, "out/q", "12345");
    scratch_write(&dir, "out/_SUCCESS", "123456");
    scratch_age(&dir, "out/q", 50);
    OK(sg_output_examine(store, "out", true, false, &facts, &err));
    OK(sg_store_stat(store, "out/a/p", &e, &err));
    assert_true(facts.files == 2 && facts.bytes == 8 && facts.newest_ns == e.ident.mtime_ns);
    OK(sg_output_examine(store, "out", false, false, &facts, &err));
    assert_true(facts.files == 2 && sg_hash128_is(facts.version, (struct sg_hash128){ 0, 0 }));
}

static void a_link_counts_as_what_it_leads_to(void **state)
{
    struct sg_hash128 linked, plain = version_of("p=data");

    (void)state;
    scratch_empty(&dir);
    scratch_write(&dir, "elsewhere", "data");
    scratch_make_dir(&dir, "out");
    assert_int_equal(symlink("../elsewhere", scratch_path(&dir, "out/p")), 0);
    linked = version();
    assert_true(sg_hash128_is(linked, plain));
}

static void durable_flushes_each_file_and_each_directory_once(void **state)
{
    static const struct {
        const char *files;
        unsigned flushes;
    } cases[] = {
        { "", 0 }, { "p", 2 }, { "p q", 3 }, { "a/p a/q p", 5 }, { "a/b/c/p", 5 }, { "a/p b/p", 5 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int checksums = 0; checksums < 2; checksums++) {
            struct sg_output_facts facts;
            struct sg_fake_store *f;
            char copy[64], path[64];

            scratch_empty(&dir);
            scratch_make_dir(&dir, "out/empty");
            snprintf(copy, sizeof(copy), "%s", cases[i].files);
            for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
                snprintf(path, sizeof(path), "out/%s", word);
                scratch_write(&dir, path, "x");
            }
            OK(sg_fake_store_open(dir.dir, true, &f, &err));
            sg_fake_store_arm(f, (struct sg_fault){ 0 });
            OK(sg_output_examine(sg_fake_store_get(f), "out", checksums != 0, true, &facts, &err));
            if (sg_fake_store_count(f, "fsync") != cases[i].flushes)
                fail_msg("%s: %s", cases[i].files, sg_fake_store_trace(f));
            sg_fake_store_close(f);
        }
    }
}

static void whatever_call_fails_the_output_has_no_version(void **state)
{
    struct sg_output_facts facts, whole;
    struct sg_fake_store *f;
    bool hit = true;

    (void)state;
    scratch_write(&dir, "out/a/p", "data");
    scratch_write(&dir, "out/q", "more");
    OK(sg_output_examine(store, "out", true, false, &whole, &err));
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    for (unsigned k = 1; hit; k++) {
        sg_fake_store_arm(f, (struct sg_fault){ .at = k });
        if (sg_output_examine(sg_fake_store_get(f), "out", true, true, &facts, &err))
            assert_true(sg_hash128_is(facts.version, whole.version));
        else
            assert_int_equal(err.code, SG_ERROR_STORE);
        hit = sg_fake_store_hit(f);
    }
    sg_fake_store_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_that_of_directories_lengths_and_contents),
        cmocka_unit_test(facts_count_files_bytes_and_the_newest),
        cmocka_unit_test(a_link_counts_as_what_it_leads_to),
        cmocka_unit_test(durable_flushes_each_file_and_each_directory_once),
        cmocka_unit_test(whatever_call_fails_the_output_has_no_version),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
