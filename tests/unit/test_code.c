/* code: which files a stage's patterns name, and their hashes. */
#include "stagegraph/code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/test_code.XXXXXX";

/* In the order in which they can be removed. */
static const char *const tree[] = {
    "jobs/bronze/a/b/deep.py", "jobs/bronze/a/lib.py", "jobs/bronze/run.py",
    "jobs/bronze/run.sh",      "jobs/silver/run.py",   "jobs/.hidden/x.py",
    "jobs/bronze/.dot.py",     "scripts/submit.sh",    "top.py",
};
static const char *const dirs[] = { "jobs/bronze/a/b", "jobs/bronze/a", "jobs/bronze",
                                    "jobs/silver",     "jobs/.hidden",  "jobs",
                                    "scripts",         "empty" };
#define N_TREE (sizeof(tree) / sizeof(tree[0]))
#define N_DIRS (sizeof(dirs) / sizeof(dirs[0]))

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        fail_msg("%s", path);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int make_tree(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    for (size_t i = N_DIRS; i > 0; i--)
        assert_int_equal(mkdir(dirs[i - 1], 0700), 0);
    for (size_t i = 0; i < N_TREE; i++)
        write_text(tree[i], tree[i]);
    assert_int_equal(symlink("../scripts/submit.sh", "jobs/link.sh"), 0);
    assert_int_equal(symlink("bronze", "jobs/linked"), 0);
    return 0;
}

static int remove_tree(void **state)
{
    (void)state;
    unlink("jobs/link.sh");
    unlink("jobs/linked");
    for (size_t i = 0; i < N_TREE; i++)
        unlink(tree[i]);
    for (size_t i = 0; i < N_DIRS; i++)
        rmdir(dirs[i]);
    assert_int_equal(chdir("/"), 0);
    return rmdir(dir);
}

static void patterns_name_files_sorted_and_once(void **state)
{
    static const struct {
        const char *patterns[3], *files;
    } cases[] = {
        { { "top.py" }, "top.py " },
        { { "./top.py" }, "top.py " },
        { { "*.py" }, "top.py " },
        { { "t?p.py" }, "top.py " },
        { { "jobs/bronze/*.py" }, "jobs/bronze/run.py " },
        { { "jobs/*/run.py" }, "jobs/bronze/run.py jobs/silver/run.py " },
        { { "jobs/bronze/**.py" },
          "jobs/bronze/a/b/deep.py jobs/bronze/a/lib.py jobs/bronze/run.py " },
        { { "jobs/**/run.py" }, "jobs/bronze/run.py jobs/silver/run.py " },
        { { "jobs/bronze/**" },
          "jobs/bronze/a/b/deep.py jobs/bronze/a/lib.py jobs/bronze/run.py jobs/bronze/run.sh " },
        { { "**.sh" }, "jobs/bronze/run.sh jobs/link.sh scripts/submit.sh " },
        { { "jobs/*" }, "jobs/link.sh " }, /* a link to a directory is no file, and not walked */
        { { "jobs/linked/run.py" }, "jobs/linked/run.py " }, /* unless it is named */
        { { "jobs/linked/*.py" }, "jobs/linked/run.py " },
        { { "jobs/bronze/.*" }, "jobs/bronze/.dot.py " },
        { { "jobs/.hidden/*.py" }, "jobs/.hidden/x.py " },
        { { "top.py", "scripts/*", "*.py" }, "scripts/submit.sh top.py " },
        { { "jobs/bronze/a/../run.py" }, "jobs/bronze/a/../run.py " },
    };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_code_cache *c = sg_code_cache_new(&err);
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_code_file *files;
    char shown[500];
    size_t n, k;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (k = 0; k < 3 && cases[i].patterns[k] != NULL; k++)
            ;
        if (!sg_code_list(c, &a, dir, cases[i].patterns, k, &files, &n, &err))
            fail_msg("%s: %s", cases[i].patterns[0], err.text);
        shown[0] = '\0';
        for (size_t f = 0; f < n; f++)
            strcat(strcat(shown, files[f].path), " ");
        if (strcmp(shown, cases[i].files) != 0)
            fail_msg("%s: %s, not %s", cases[i].patterns[0], shown, cases[i].files);
    }
    assert_true(sg_code_list(c, &a, dir, NULL, 0, &files, &n, &err));
    assert_int_equal(n, 0);
    sg_arena_done(&a);
    sg_code_cache_free(c);
    sg_code_cache_free(NULL);
}

static void a_pattern_that_names_nothing_is_an_error(void **state)
{
    static const struct {
        const char *pattern, *told;
    } cases[] = {
        { "none.py", "the code pattern none.py matches no file" },
        { "none/*.py", "the code pattern none/*.py matches no file" },
        { "top.py/*.py", "the code pattern top.py/*.py matches no file" },
        { "empty/**", "the code pattern empty/** matches no file" },
        { "jobs/*.py", "the code pattern jobs/*.py matches no file" },
        { "jobs", "the code pattern jobs is a directory (its files are jobs/**)" },
    };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_code_cache *c = sg_code_cache_new(&err);
    struct sg_arena a = SG_ARENA_INIT;
    const char *patterns[2] = { "top.py" };
    struct sg_code_file *files;
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err = (struct sg_error)SG_ERROR_INIT;
        patterns[1] = cases[i].pattern;
        assert_false(sg_code_list(c, &a, dir, patterns, 2, &files, &n, &err));
        assert_int_equal(err.code, SG_ERROR_GRAPH);
        assert_string_equal(err.text, cases[i].told);
    }
    sg_arena_done(&a);
    sg_code_cache_free(c);
}

static struct sg_hash128 hash_of(struct sg_code_cache *c, const char *path)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_code_file *files;
    struct sg_hash128 hash;
    size_t n;

    if (!sg_code_list(c, &a, dir, &path, 1, &files, &n, &err))
        fail_msg("%s: %s", path, err.text);
    assert_int_equal(n, 1);
    hash = files[0].hash;
    sg_arena_done(&a);
    return hash;
}

static void a_hash_is_that_of_the_content_now(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_code_cache *c = sg_code_cache_new(&err);

    (void)state;
    assert_true(sg_hash128_is(hash_of(c, "top.py"), sg_hash128_of("top.py", 6)));
    /* The same length, within the same tick of the file system's clock. */
    for (int i = 0; i < 200; i++) {
        write_text("top.py", i % 2 == 0 ? "abcdef" : "ghijkl");
        assert_true(sg_hash128_is(hash_of(c, "top.py"),
                                  sg_hash128_of(i % 2 == 0 ? "abcdef" : "ghijkl", 6)));
    }
    write_text("top.py", "top.py");
    assert_true(sg_hash128_is(hash_of(c, "jobs/link.sh"), hash_of(c, "scripts/submit.sh")));
    sg_code_cache_free(c);
}

/* Files of the system are old enough for their hashes to be remembered. */
static void many_old_files_are_remembered(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_code_cache *c = sg_code_cache_new(&err);
    const char *all = "*/*";
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_code_file *first, *again;
    size_t n, m;

    (void)state;
    assert_true(sg_code_list(c, &a, "/usr/share/zoneinfo", &all, 1, &first, &n, &err));
    assert_true(n > 200);
    assert_true(sg_code_list(c, &a, "/usr/share/zoneinfo", &all, 1, &again, &m, &err));
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(first[i].path, again[i].path);
        assert_true(sg_hash128_is(first[i].hash, again[i].hash));
        assert_true(i == 0 || strcmp(first[i - 1].path, first[i].path) < 0);
    }
    sg_arena_done(&a);
    sg_code_cache_free(c);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_name_files_sorted_and_once),
        cmocka_unit_test(a_pattern_that_names_nothing_is_an_error),
        cmocka_unit_test(a_hash_is_that_of_the_content_now),
        cmocka_unit_test(many_old_files_are_remembered),
    };

    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
