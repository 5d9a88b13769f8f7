#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/store.h"

#include "../../src/store/io.h"
#include "../../src/store/store_impl.h"
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

static void a_root_that_is_no_directory_is_an_error_of_the_store(void **state)
{
    struct sg_store *s = NULL;
    char path[4096];

    (void)state;
    scratch_write(&dir, "file", "x");
    for (size_t i = 0; i < 2; i++) {
        struct sg_store_config c = { .root = path };

        (void)snprintf(path, sizeof(path), i == 0 ? "%s/file" : "%s/file/below", dir.dir);
        assert_false(sg_store_open(&c, &s, &err));
        assert_int_equal(err.code, SG_ERROR_STORE);
        assert_non_null(strstr(err.text, path));
        assert_non_null(strstr(err.text, "Not a directory"));
        sg_error_clear(&err);
    }
}

static bool is_same(const struct sg_entry *a, const struct sg_entry *b)
{
    return a->kind == b->kind && a->ident.id == b->ident.id && a->ident.len == b->ident.len &&
           a->ident.mtime_ns == b->ident.mtime_ns && a->ident.ctime_ns == b->ident.ctime_ns;
}

static void stat_tells_files_directories_and_what_is_not_there(void **state)
{
    static const struct {
        const char *path;
        enum sg_entry_kind kind;
        int64_t len;
    } cases[] = {
        { "", SG_ENTRY_DIR, 0 },         { "d", SG_ENTRY_DIR, 0 },
        { "d/f", SG_ENTRY_FILE, 5 },     { "d/g", SG_ENTRY_ABSENT, 0 },
        { "x/y", SG_ENTRY_ABSENT, 0 },   { "d/f/z", SG_ENTRY_ABSENT, 0 },
        { "d/link", SG_ENTRY_FILE, 5 },  { "d/lost", SG_ENTRY_ABSENT, 0 },
        { "d/fifo", SG_ENTRY_OTHER, 0 },
    };
    const char *paths[sizeof(cases) / sizeof(cases[0])];
    struct sg_entry e, many[sizeof(cases) / sizeof(cases[0])];
    const size_t n = sizeof(cases) / sizeof(cases[0]);

    (void)state;
    scratch_write(&dir, "d/f", "12345");
    assert_int_equal(symlink("f", scratch_path(&dir, "d/link")), 0);
    assert_int_equal(symlink("nowhere", scratch_path(&dir, "d/lost")), 0);
    assert_int_equal(mkfifo(scratch_path(&dir, "d/fifo"), 0600), 0);
    for (size_t i = 0; i < n; i++)
        paths[i] = cases[i].path;
    OK(sg_store_stat_many(store, paths, n, many, &err));
    for (size_t i = 0; i < n; i++) {
        OK(sg_store_stat(store, cases[i].path, &e, &err));
        if (e.kind != cases[i].kind || e.ident.len != cases[i].len)
            fail_msg("%s: kind %d len %d", cases[i].path, (int)e.kind, (int)e.ident.len);
        if (!is_same(&e, &many[i]))
            fail_msg("%s: stat_many differs", cases[i].path);
    }
}

static int birth_without_time(void *ctx, const char *path, struct statx *ret)
{
    int result = sg_io_system.birth(ctx, path, ret);

    ret->stx_mask &= ~(unsigned)STATX_BTIME;
    return result;
}

/* The number alone never says that it is the same: a fake store gives all the same one. */
static void a_directory_made_anew_has_another_birth(void **state)
{
    struct sg_birth before, same, after;
    struct sg_io io = sg_io_system;
    struct sg_fake_store *f;
    struct sg_store *s;

    (void)state;
    assert_true(sg_fake_store_open(dir.dir, true, &f, &err));
    s = sg_fake_store_get(f);
    assert_true(sg_store_birth(s, "d", &before, &err));
    assert_false(before.is_there);
    scratch_make_dir(&dir, "d");
    assert_true(sg_store_birth(s, "d", &after, &err));
    assert_true(after.is_there);
    assert_false(sg_birth_is_same(&before, &after));
    before = after;

    scratch_write(&dir, "d/part-0", "x");
    assert_true(sg_store_birth(s, "d", &same, &err));
    assert_true(before.born_ns == 0 || sg_birth_is_same(&before, &same));
    do { /* until the file system's clock has moved on, if it keeps such times */
        assert_int_equal(unlink(scratch_path(&dir, "d/part-0")), 0);
        assert_int_equal(rmdir(scratch_path(&dir, "d")), 0);
        scratch_write(&dir, "d/part-0", "x");
        assert_true(sg_store_birth(s, "d", &after, &err));
        assert_int_equal(after.id, before.id);
    } while (after.born_ns == before.born_ns && before.born_ns != 0);
    assert_false(sg_birth_is_same(&before, &after));
    sg_fake_store_close(f);

    io.birth = birth_without_time;
    assert_true(sg_file_store_open(dir.dir, true, &io, &s, &err));
    assert_true(sg_store_birth(s, "d", &before, &err));
    assert_true(before.is_there);
    assert_false(sg_birth_is_same(&before, &before));
    sg_store_free(s);
}

static void stat_many_on_threads_gives_each_path_its_own_answer(void **state)
{
    enum { N = 6000 };
    const char **paths = calloc(N, sizeof(*paths));
    struct sg_entry *many = calloc(N, sizeof(*many)), e;

    (void)state;
    assert_true(paths != NULL && many != NULL);
    for (size_t i = 0; i < N; i++) {
        char path[64];

        snprintf(path, sizeof(path), "s/dt=%zu/hr=%zu/_S", i / 24 % 100, i % 24);
        if (i < 2400 && i % 3 != 0)
            scratch_write(&dir, path, i % 2 != 0 ? "x" : "");
        if (i >= 2400)
            snprintf(path, sizeof(path), "none/dt=%zu/hr=%zu/_S", i / 24, i % 24);
        paths[i] = strdup(path);
    }
    OK(sg_store_stat_many(store, paths, N, many, &err));
    for (size_t i = 0; i < N; i++) {
        OK(sg_store_stat(store, paths[i], &e, &err));
        if (!is_same(&e, &many[i]))
            fail_msg("%s differs", paths[i]);
        free((void *)(uintptr_t)paths[i]);
    }
    free(paths);
    free(many);
}

/* Neighbours are looked for from what they lie in: each may be the first of it, or the last. */
static void stat_many_finds_the_same_whatever_the_neighbours_are(void **state)
{
    static const char *const around[] = {
        "s/dt=1/hr=0/_S",
        "s/dt=1/hr=1/_S",
        "s/dt=1/hr=1/deep/_S",
        "s/dt=1",
        "s/dt=1/_S",
        "s/dt=12/hr=0/_S",
        "s/dt=none/hr=0/_S",
        "s/dt=none/hr=1/_S",
        "file/hr=0/_S",
        "file/hr=1/_S",
        "link/hr=0/_S",
        "link/hr=1/_S",
        "nowhere/x/_S",
        "nowhere/y/_S",
        "top",
        "s",
        "s/dt=1/hr=2/_S",
        "loop/dt=1/hr=0/_S",
        "loop/dt=1/hr=1/_S",
        "",
    };
    enum { N = sizeof(around) / sizeof(around[0]) };
    struct sg_entry alone[N], many[3];

    (void)state;
    scratch_write(&dir, "s/dt=1/hr=0/_S", "0");
    scratch_write(&dir, "s/dt=1/hr=1/_S", "11");
    scratch_write(&dir, "s/dt=1/hr=1/deep/_S", "deep");
    scratch_write(&dir, "s/dt=1/_S", "the day's");
    scratch_write(&dir, "s/dt=12/hr=0/_S", "another day");
    scratch_write(&dir, "file", "no directory");
    scratch_write(&dir, "top", "at the top");
    assert_int_equal(symlink("s/dt=1", scratch_path(&dir, "link")), 0);
    assert_int_equal(symlink("s", scratch_path(&dir, "loop")), 0);
    assert_int_equal(symlink("gone", scratch_path(&dir, "nowhere")), 0);
    for (size_t i = 0; i < N; i++)
        OK(sg_store_stat(store, around[i], &alone[i], &err));
    for (size_t i = 0; i < N * N * N; i++) {
        const size_t at[] = { i / N / N, i / N % N, i % N };
        const char *const paths[] = { around[at[0]], around[at[1]], around[at[2]] };

        OK(sg_store_stat_many(store, paths, 3, many, &err));
        for (size_t k = 0; k < 3; k++)
            if (!is_same(&many[k], &alone[at[k]]))
                fail_msg("%s behind %s and %s", paths[k], paths[k == 0 ? 1 : 0],
                         paths[k == 2 ? 1 : 2]);
    }
}

static void a_root_that_is_not_there_reads_as_empty(void **state)
{
    const char *paths[] = { "a", "b/c" };
    struct sg_store_config c = { .root = scratch_path(&dir, "none/yet") };
    struct sg_buf out = SG_BUF_INIT;
    struct sg_entry e, many[2];
    struct sg_wall now;
    struct sg_store *s;

    (void)state;
    OK(sg_store_open(&c, &s, &err));
    OK(sg_store_stat(s, "", &e, &err));
    assert_int_equal(e.kind, SG_ENTRY_ABSENT);
    OK(sg_store_stat_many(s, paths, 2, many, &err));
    assert_int_equal(many[1].kind, SG_ENTRY_ABSENT);
    OK(sg_store_list(s, "x", NULL, NULL, &err));
    OK(sg_store_walk(s, "x", NULL, NULL, &err));
    OK(sg_store_claim_list(s, "_stagegraph/claims", NULL, NULL, &err));
    OK(sg_store_read(s, "x", 10, &out, &e, &err));
    assert_int_equal(e.kind, SG_ENTRY_ABSENT);
    OK(sg_store_remove_marker(s, "x", "_SUCCESS", &err));
    OK(sg_store_remove_tree(s, "x", &err));
    OK(sg_store_now(s, &now, &err));
    assert_false(scratch_has(&dir, "none"));
    sg_store_free(s);
}

static bool collect(void *ctx, const char *name, const struct sg_entry *entry)
{
    struct sg_buf *b = ctx;
    struct sg_error e = SG_ERROR_INIT;

    return sg_buf_addf(b, &e, "%s:%d ", name, (int)entry->kind) && b->len < 100;
}

static void list_gives_every_child_once(void **state)
{
    struct sg_buf b = SG_BUF_INIT;

    (void)state;
    scratch_write(&dir, "d/_SUCCESS", "");
    scratch_write(&dir, "d/.x", "1");
    scratch_make_dir(&dir, "d/sub");
    assert_int_equal(symlink("nowhere", scratch_path(&dir, "d/lost")), 0);
    OK(sg_store_list(store, "d", collect, &b, &err));
    assert_non_null(strstr(sg_buf_text(&b), "_SUCCESS:1 "));
    assert_non_null(strstr(sg_buf_text(&b), ".x:1 "));
    assert_non_null(strstr(sg_buf_text(&b), "sub:2 "));
    assert_non_null(strstr(sg_buf_text(&b), "lost:3 "));
    assert_int_equal(b.len, strlen("_SUCCESS:1 .x:1 sub:2 lost:3 "));
    sg_buf_clear(&b);
    OK(sg_store_list(store, "nothing", collect, &b, &err));
    OK(sg_store_list(store, "d/.x", collect, &b, &err)); /* a file has no children */
    assert_int_equal(b.len, 0);
    sg_buf_done(&b);
}

static bool collect_file(void *ctx, const struct sg_data_file *f)
{
    char **names = ctx;

    for (size_t i = 0; i < 16; i++) {
        if (names[i] == NULL) {
            if (asprintf(&names[i], "%s|%s|%d", f->rel_dir, f->name, (int)f->ident.len) < 0)
                fail();
            return true;
        }
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void walk_leaves_hidden_names_out_and_follows_links_to_their_targets(void **state)
{
    static const char *const expected[] = { "a/b|deep|4", "a|one|1", "link|in|2", "|toplink|5",
                                            "|top|3" };
    char *names[16] = { NULL };
    size_t n = 0;

    (void)state;
    scratch_write(&dir, "out/top", "123");
    scratch_write(&dir, "out/a/one", "1");
    scratch_write(&dir, "out/a/b/deep", "1234");
    scratch_write(&dir, "out/_SUCCESS", "xx");
    scratch_write(&dir, "out/.top.crc", "xx");
    scratch_write(&dir, "out/_temporary/0/part", "xx");
    scratch_write(&dir, "out/a/.hidden/part", "xx");
    scratch_write(&dir, "elsewhere/in", "12");
    scratch_write(&dir, "target", "12345");
    assert_int_equal(symlink("../target", scratch_path(&dir, "out/toplink")), 0);
    assert_int_equal(symlink("../elsewhere", scratch_path(&dir, "out/link")), 0);
    assert_int_equal(symlink("..", scratch_path(&dir, "out/a/loop")), 0);
    assert_int_equal(symlink("nowhere", scratch_path(&dir, "out/lost")), 0);
    assert_int_equal(mkfifo(scratch_path(&dir, "out/fifo"), 0600), 0);
    OK(sg_store_walk(store, "out", collect_file, names, &err));
    while (names[n] != NULL)
        n++;
    qsort(names, n, sizeof(names[0]), by_text);
    assert_int_equal(n, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(names[i], expected[i]);
        free(names[i]);
    }
}

static void a_walk_needs_no_stack_for_depth(void **state)
{
    char path[2048] = "deep";
    char *names[16] = { NULL };

    (void)state;
    for (int i = 0; i < 400; i++)
        strcat(path, "/dd");
    strcat(path, "/f");
    scratch_write(&dir, path, "x");
    OK(sg_store_walk(store, "deep", collect_file, names, &err));
    assert_non_null(names[0]);
    assert_null(names[1]);
    free(names[0]);
    OK(sg_store_remove_tree(store, "deep", &err));
    assert_false(scratch_has(&dir, "deep"));
}

static void read_takes_whole_files_up_to_a_limit(void **state)
{
    struct sg_buf out = SG_BUF_INIT;
    struct sg_entry e;

    (void)state;
    scratch_write(&dir, "f", "12345");
    OK(sg_buf_adds(&out, "before ", &err));
    OK(sg_store_read(store, "f", 5, &out, &e, &err));
    assert_string_equal(sg_buf_text(&out), "before 12345");
    assert_int_equal(e.ident.len, 5);
    assert_false(sg_store_read(store, "f", 4, &out, &e, &err));
    assert_int_equal(err.code, SG_ERROR_LIMIT);
    assert_string_equal(sg_buf_text(&out), "before 12345");
    assert_int_equal(mkfifo(scratch_path(&dir, "fifo"), 0600), 0);
    OK(sg_store_read(store, "fifo", 4, &out, &e, &err)); /* and does not wait for a writer */
    assert_int_equal(e.kind, SG_ENTRY_OTHER);
    OK(sg_store_read(store, "", 4, &out, &e, &err));
    assert_int_equal(e.kind, SG_ENTRY_DIR);
    sg_buf_done(&out);
}

static void a_file_is_open_while_somebody_writes_it(void **state)
{
    bool is;
    int fd;

    (void)state;
    scratch_write(&dir, "f", "");
    OK(sg_store_is_open(store, "f", &is, &err));
    assert_false(is);
    fd = open(scratch_path(&dir, "f"), O_WRONLY);
    OK(sg_store_is_open(store, "f", &is, &err));
    assert_true(is);
    close(fd);
    fd = open(scratch_path(&dir, "f"), O_RDONLY);
    OK(sg_store_is_open(store, "f", &is, &err));
    assert_false(is);
    close(fd);
    OK(sg_store_is_open(store, "none", &is, &err));
    assert_false(is);
}

static void the_stores_clock_is_the_file_systems(void **state)
{
    struct sg_wall a, b;
    struct sg_entry e;

    (void)state;
    OK(sg_store_now(store, &a, &err));
    scratch_write(&dir, "f", "x");
    OK(sg_store_stat(store, "f", &e, &err));
    OK(sg_store_now(store, &b, &err));
    assert_true(a.ns <= e.ident.mtime_ns && e.ident.mtime_ns <= b.ns);
    assert_int_equal(scratch_count(&dir, "", ""), 1); /* and leaves nothing */
}

static void put_writes_once_and_leaves_no_other_names(void **state)
{
    struct sg_fake_store *f;
    char *text;

    (void)state;
    scratch_make_dir(&dir, "root");
    OK(sg_fake_store_open(scratch_path(&dir, "root"), true, &f, &err));
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    OK(sg_store_put(sg_fake_store_get(f), "a/b/c", sg_span_of("text"), &err));
    assert_string_equal(sg_fake_store_trace(f),
                        "mkdir:a fsync:root mkdir:b fsync:a create:.c.*.tmp write:.c.*.tmp "
                        "fsync:.c.*.tmp rename:c fsync:b");
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    OK(sg_store_put(sg_fake_store_get(f), "a/b/c", sg_span_of("text"), &err));
    assert_string_equal(sg_fake_store_trace(f), "");
    OK(sg_store_put(sg_fake_store_get(f), "a/b/c", sg_span_of("next"), &err));
    text = scratch_read(&dir, "root/a/b/c", NULL);
    assert_string_equal(text, "next");
    free(text);
    assert_int_equal(scratch_count(&dir, "root/a", ""), 1);
    sg_fake_store_close(f);
}

static void a_file_in_the_way_of_a_directory_is_an_error(void **state)
{
    (void)state;
    scratch_write(&dir, "a", "x");
    assert_false(sg_store_make_dir(store, "a", &err));
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_int_equal(err.sys, ENOTDIR);
    assert_false(sg_store_make_dir(store, "a/b/c", &err));
    assert_false(sg_store_put(store, "a/b", sg_span_of("x"), &err));
    OK(sg_store_make_dir(store, "x/y/z", &err));
    OK(sg_store_make_dir(store, "x/y/z", &err));
    OK(sg_store_make_dir(store, "", &err));
    assert_true(scratch_has(&dir, "x/y/z"));
}

static void removing_a_tree_stays_inside_of_it(void **state)
{
    (void)state;
    scratch_write(&dir, "keep/f", "x");
    scratch_write(&dir, "t/a/b/f", "x");
    scratch_write(&dir, "t/_S", "x");
    scratch_make_dir(&dir, "t/empty");
    assert_int_equal(symlink("../keep", scratch_path(&dir, "t/link")), 0);
    OK(sg_store_remove_tree(store, "t", &err));
    assert_false(scratch_has(&dir, "t"));
    assert_true(scratch_has(&dir, "keep/f"));
    assert_int_equal(symlink("keep", scratch_path(&dir, "link")), 0);
    OK(sg_store_remove_tree(store, "link", &err));
    assert_false(scratch_has(&dir, "link"));
    assert_true(scratch_has(&dir, "keep/f"));
    OK(sg_store_remove_tree(store, "keep/f", &err));
    OK(sg_store_remove_tree(store, "keep/f", &err));
    OK(sg_store_remove_tree(store, "no/such/thing", &err));
}

static void a_marker_is_flushed_before_and_after_its_rename_and_its_crc_goes_first(void **state)
{
    struct sg_fake_store *f;
    struct sg_entry e, there;

    (void)state;
    scratch_write(&dir, "o/part", "x");
    scratch_write(&dir, "o/_SUCCESS", "");
    scratch_write(&dir, "o/._SUCCESS.crc", "crc");
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    OK(sg_store_put_marker(sg_fake_store_get(f), "o", "_SUCCESS", sg_span_of("receipt"), &e, &err));
    assert_string_equal(sg_fake_store_trace(f),
                        "create:._SUCCESS.*.tmp write:._SUCCESS.*.tmp fsync:._SUCCESS.*.tmp "
                        "unlink:._SUCCESS.crc rename:_SUCCESS fsync:o");
    OK(sg_store_stat(store, "o/_SUCCESS", &there, &err));
    assert_true(is_same(&e, &there));
    assert_int_equal(scratch_count(&dir, "o", ""), 2);
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    OK(sg_store_remove_marker(sg_fake_store_get(f), "o", "_SUCCESS", &err));
    assert_string_equal(sg_fake_store_trace(f), "unlink:_SUCCESS fsync:o");
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    OK(sg_store_remove_marker(sg_fake_store_get(f), "o", "_SUCCESS", &err));
    assert_string_equal(sg_fake_store_trace(f), ""); /* nothing removed, nothing flushed */
    sg_fake_store_close(f);
}

static void a_marker_that_is_renamed_is_there_under_one_of_its_names_whatever_fails(void **state)
{
    struct sg_fake_store *f;
    struct sg_entry e, there;
    bool ok = false;

    (void)state;
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    for (unsigned k = 1; !ok; k++) {
        scratch_write(&dir, "o/_PARTIAL", "receipt");
        scratch_write(&dir, "o/._PARTIAL.crc", "crc");
        scratch_write(&dir, "o/._SUCCESS.crc", "crc");
        sg_fake_store_arm(f, (struct sg_fault){ .at = k, .sys = EIO });
        sg_error_clear(&err);
        ok = sg_store_rename_marker(sg_fake_store_get(f), "o", "_PARTIAL", "_SUCCESS", &e, &err);
        assert_true(scratch_has(&dir, "o/_SUCCESS") || scratch_has(&dir, "o/_PARTIAL"));
        if (!ok)
            assert_int_equal(err.code, SG_ERROR_STORE);
        assert_true(k < 100);
    }
    assert_string_equal(sg_fake_store_trace(f), "unlink:._SUCCESS.crc rename:_SUCCESS "
                                                "unlink:._PARTIAL.crc fsync:o");
    assert_int_equal(scratch_count(&dir, "o", ""), 1);
    OK(sg_store_stat(store, "o/_SUCCESS", &there, &err));
    assert_true(is_same(&e, &there));
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    assert_false(sg_store_rename_marker(sg_fake_store_get(f), "o", "_PARTIAL", "_SUCCESS", &e,
                                        &err)); /* there is none */
    assert_true(scratch_has(&dir, "o/_SUCCESS"));
    sg_error_clear(&err);
    sg_fake_store_close(f);
}

static void removing_a_marker_takes_only_temporary_names_of_ours(void **state)
{
    static const struct {
        const char *name;
        bool stays;
    } cases[] = {
        { "_SUCCESS", false },
        { "._SUCCESS.crc", false },
        { "._SUCCESS.0123456789abcdef.tmp", false },
        { "._SUCCESS.0123456789abcdeF.tmp", true },
        { "._SUCCESS.0123456789abcde.tmp", true },
        { "._SUCCESS.tmp", true },
        { "._OTHER.0123456789abcdef.tmp", true },
        { "_SUCCESS.0123456789abcdef.tmp", true },
        { "part-0", true },
    };
    char path[128];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(path, sizeof(path), "o/%s", cases[i].name);
        scratch_write(&dir, path, "x");
    }
    OK(sg_store_remove_marker(store, "o", "_SUCCESS", &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(path, sizeof(path), "o/%s", cases[i].name);
        if (scratch_has(&dir, path) != cases[i].stays)
            fail_msg("%s", path);
    }
}

static void a_failed_write_names_operation_path_and_reason(void **state)
{
    struct sg_fake_store *f;
    struct sg_entry e;
    char begin[512];

    (void)state;
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    sg_fake_store_arm(f, (struct sg_fault){ .call = "write", .at = 1, .sys = ENOSPC });
    assert_false(
        sg_store_put_marker(sg_fake_store_get(f), "o", "_SUCCESS", sg_span_of("x"), &e, &err));
    snprintf(begin, sizeof(begin), "write %s/o/._SUCCESS.", dir.dir);
    assert_int_equal(strncmp(err.text, begin, strlen(begin)), 0);
    assert_string_equal(strchr(err.text + strlen(begin), '.'), ".tmp: No space left on device");
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_int_equal(err.sys, ENOSPC);
    sg_fake_store_close(f);
}

static void interrupted_and_short_writes_go_on(void **state)
{
    static const char *const calls[] = { "open", "write", "fsync" };
    struct sg_fake_store *f;
    struct sg_entry e;
    char *text;

    (void)state;
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        sg_fake_store_arm(f, (struct sg_fault){ .call = calls[i], .at = 1, .sys = EINTR });
        OK(sg_store_put_marker(sg_fake_store_get(f), "o", "_S", sg_span_of(calls[i]), &e, &err));
        assert_true(sg_fake_store_hit(f));
        text = scratch_read(&dir, "o/_S", NULL);
        assert_string_equal(text, calls[i]);
        free(text);
    }
    sg_fake_store_close(f);
}

/* To be told of the end once more is a call for each marker. */
static void a_file_is_read_with_one_call(void **state)
{
    static const size_t sizes[] = { 1, 4095, 4096, 4097, 100000 };
    static char text[100001];
    struct sg_buf got = SG_BUF_INIT;
    struct sg_fake_store *f;
    struct sg_entry e;

    (void)state;
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(text, 'x', sizes[i]);
        text[sizes[i]] = '\0';
        scratch_write(&dir, "o/f", text);
        sg_fake_store_arm(f, (struct sg_fault){ .call = "read", .at = 2, .sys = EIO });
        sg_buf_clear(&got);
        OK(sg_store_read(sg_fake_store_get(f), "o/f", sizes[i], &got, &e, &err));
        assert_string_equal(sg_buf_text(&got), text);
        assert_int_equal(e.ident.len, sizes[i]);
        sg_fake_store_arm(f, (struct sg_fault){ .call = "read", .at = 1, .sys = EINTR });
        sg_buf_clear(&got);
        OK(sg_store_read(sg_fake_store_get(f), "o/f", sizes[i], &got, &e, &err));
        assert_string_equal(sg_buf_text(&got), text);
        assert_true(sg_fake_store_hit(f));
    }
    sg_buf_done(&got);
    sg_fake_store_close(f);
}

/* One kind of change to a file at "d/f": from `before` (NULL: absent) to `after`. */
struct change {
    const char *name, *before, *after;
    bool (*run)(struct sg_store *s);
};

static bool run_put(struct sg_store *s)
{
    return sg_store_put(s, "d/f", sg_span_of("the new text"), &err);
}

static bool run_put_marker(struct sg_store *s)
{
    struct sg_entry e;

    return sg_store_put_marker(s, "d", "f", sg_span_of("the new text"), &e, &err);
}

static bool run_remove_marker(struct sg_store *s)
{
    return sg_store_remove_marker(s, "d", "f", &err);
}

static bool run_remove_tree(struct sg_store *s)
{
    return sg_store_remove_tree(s, "d", &err);
}

static const struct change changes[] = {
    { "put a new file", NULL, "the new text", run_put },
    { "put over a file", "old", "the new text", run_put },
    { "put a new marker", NULL, "the new text", run_put_marker },
    { "put over a marker", "old", "the new text", run_put_marker },
    { "remove a marker", "old", NULL, run_remove_marker },
    { "remove a tree", "old", NULL, run_remove_tree },
};

static bool is_text(const char *text, const char *expected)
{
    return expected == NULL ? text == NULL : text != NULL && strcmp(text, expected) == 0;
}

/* Absent, the old text or the new one whole; the new one if it was said to be done. */
static void check_outcome(const struct change *c, const struct sg_fault *fault, bool ok)
{
    char *text = scratch_read(&dir, "d/f", NULL);

    if (!is_text(text, c->after) && (ok || !is_text(text, c->before)))
        fail_msg("%s, fault at %u (cut %zu): said %d, is %s", c->name, fault->at, fault->cut_at, ok,
                 text != NULL ? text : "absent");
    free(text);
    if (!fault->dies && !fault->for_good && scratch_count(&dir, "", ".tmp") != 0)
        fail_msg("%s, fault at %u: a temporary file stays", c->name, fault->at);
}

/* True while the fault still happens. */
static bool try_change(const struct change *c, struct sg_fault fault)
{
    struct sg_fake_store *f;
    bool ok, hit;

    scratch_empty(&dir);
    if (c->before != NULL) {
        scratch_write(&dir, "d/f", c->before);
        scratch_write(&dir, "d/.f.crc", "crc");
    }
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    sg_fake_store_arm(f, fault);
    sg_error_clear(&err);
    ok = c->run(sg_fake_store_get(f));
    hit = sg_fake_store_hit(f);
    if (!ok && (!hit || err.code != SG_ERROR_STORE))
        fail_msg("%s: failed without a fault: %s", c->name, err.text);
    if (!ok && !fault.dies && strstr(err.text, dir.dir) == NULL)
        fail_msg("%s: no full path: %s", c->name, err.text);
    sg_fake_store_close(f);
    check_outcome(c, &fault, ok);
    return hit;
}

static void whatever_call_fails_a_file_is_old_new_or_absent(void **state)
{
    static const struct sg_fault kinds[] = {
        { .sys = ENOSPC },
        { .sys = EIO },
        { .sys = EIO, .for_good = true },
        { .dies = true },
        { .call = "close", .sys = EIO },
    };

    (void)state;
    for (size_t c = 0; c < sizeof(changes) / sizeof(changes[0]); c++) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            struct sg_fault fault = kinds[i];

            do
                fault.at++;
            while (try_change(&changes[c], fault));
            if (fault.call == NULL)
                assert_true(fault.at > 3);
        }
    }
}

static void a_write_cut_at_any_byte_leaves_a_file_old_or_new(void **state)
{
    (void)state;
    for (size_t c = 0; c < 4; c++) {
        for (int dies = 0; dies < 2; dies++) {
            struct sg_fault fault = { .cuts = true, .dies = dies != 0 };

            while (try_change(&changes[c], fault))
                fault.cut_at++;
            assert_int_equal(fault.cut_at, strlen("the new text"));
        }
    }
}

static void a_store_without_sync_never_flushes(void **state)
{
    struct sg_fake_store *f;
    struct sg_hash128 h;
    const char *algorithm;
    struct sg_entry e;

    (void)state;
    OK(sg_fake_store_open(dir.dir, false, &f, &err));
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    OK(sg_store_put_marker(sg_fake_store_get(f), "a/b", "m", sg_span_of("x"), &e, &err));
    OK(sg_store_checksum(sg_fake_store_get(f), "a/b/m", true, &h, &algorithm, &err));
    OK(sg_store_flush_dir(sg_fake_store_get(f), "a/b", &err));
    OK(sg_store_flush_file(sg_fake_store_get(f), "a/b/m", &err));
    OK(sg_store_remove_marker(sg_fake_store_get(f), "a/b", "m", &err));
    assert_int_equal(sg_fake_store_count(f, "fsync"), 0);
    sg_fake_store_close(f);
}

static void a_checksum_is_that_of_the_contents(void **state)
{
    struct sg_hash128 h;
    const char *algorithm;

    (void)state;
    scratch_write(&dir, "f", "contents");
    OK(sg_store_checksum(store, "f", true, &h, &algorithm, &err));
    assert_true(sg_hash128_is(h, sg_hash128_of("contents", 8)));
    assert_string_equal(algorithm, "xxh3-128");
    assert_false(sg_store_checksum(store, "none", false, &h, &algorithm, &err));
    assert_int_equal(err.sys, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_tells_files_directories_and_what_is_not_there),
        cmocka_unit_test(a_directory_made_anew_has_another_birth),
        cmocka_unit_test(stat_many_on_threads_gives_each_path_its_own_answer),
        cmocka_unit_test(stat_many_finds_the_same_whatever_the_neighbours_are),
        cmocka_unit_test(a_root_that_is_not_there_reads_as_empty),
        cmocka_unit_test(a_root_that_is_no_directory_is_an_error_of_the_store),
        cmocka_unit_test(list_gives_every_child_once),
        cmocka_unit_test(walk_leaves_hidden_names_out_and_follows_links_to_their_targets),
        cmocka_unit_test(a_walk_needs_no_stack_for_depth),
        cmocka_unit_test(read_takes_whole_files_up_to_a_limit),
        cmocka_unit_test(a_file_is_open_while_somebody_writes_it),
        cmocka_unit_test(the_stores_clock_is_the_file_systems),
        cmocka_unit_test(put_writes_once_and_leaves_no_other_names),
        cmocka_unit_test(a_file_in_the_way_of_a_directory_is_an_error),
        cmocka_unit_test(removing_a_tree_stays_inside_of_it),
        cmocka_unit_test(a_marker_is_flushed_before_and_after_its_rename_and_its_crc_goes_first),
        cmocka_unit_test(a_marker_that_is_renamed_is_there_under_one_of_its_names_whatever_fails),
        cmocka_unit_test(removing_a_marker_takes_only_temporary_names_of_ours),
        cmocka_unit_test(a_failed_write_names_operation_path_and_reason),
        cmocka_unit_test(interrupted_and_short_writes_go_on),
        cmocka_unit_test(a_file_is_read_with_one_call),
        cmocka_unit_test(whatever_call_fails_a_file_is_old_new_or_absent),
        cmocka_unit_test(a_write_cut_at_any_byte_leaves_a_file_old_or_new),
        cmocka_unit_test(a_store_without_sync_never_flushes),
        cmocka_unit_test(a_checksum_is_that_of_the_contents),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
