/* The few things that the state directory needs of the local file system. */
#include "stagegraph/files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

#include "scratch.h"

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

static void a_directory_is_made_with_its_parents(void **state)
{
    static const struct {
        const char *label, *path;
        int sys;          /* 0: it works */
        const char *says; /* the path in the message */
    } rows[] = {
        { "one", "a", 0, NULL },
        { "it is there", "a", 0, NULL },
        { "several", "b/c/d", 0, NULL },
        { "a part is there", "b/c/e/f", 0, NULL },
        { "a slash at the end", "g/h/", 0, NULL },
        { "two slashes", "i//j", 0, NULL },
        { "a link to a directory", "link", 0, NULL },
        { "through a link", "link/k/l", 0, NULL },
        { "a file is there", "file", ENOTDIR, "/file" },
        { "a file is on the way", "file/m/n", ENOTDIR, "/file" },
        { "a link to nowhere", "nowhere", ENOENT, "/nowhere" },
    };

    (void)state;
    scratch_write(&dir, "file", "x");
    scratch_make_dir(&dir, "real");
    assert_int_equal(symlink("real", scratch_path(&dir, "link")), 0);
    assert_int_equal(symlink("not/there", scratch_path(&dir, "nowhere")), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_error err = SG_ERROR_INIT;
        const char *path = scratch_path(&dir, rows[i].path);
        bool ok = sg_files_make_dir(path, &err);
        struct stat st;

        if (ok != (rows[i].sys == 0) || (ok && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))) ||
            (!ok && (err.code != SG_ERROR_SYSTEM || err.sys != rows[i].sys ||
                     strstr(err.text, rows[i].says) == NULL)))
            fail_msg("%s: %d %s", rows[i].label, ok, err.text);
    }
}

struct maker {
    const char *path;
    bool ok;
};

static void *make(void *ctx)
{
    struct maker *m = ctx;
    struct sg_error err = SG_ERROR_INIT;

    m->ok = sg_files_make_dir(m->path, &err);
    return NULL;
}

static void several_may_make_one_directory_at_once(void **state)
{
    pthread_t threads[4];
    struct maker makers[4];

    (void)state;
    for (int round = 0; round < 20; round++) {
        scratch_empty(&dir);
        for (int i = 0; i < 4; i++) {
            makers[i] = (struct maker){ .path = scratch_path(&dir, "a/b/c/d/e") };
            assert_int_equal(pthread_create(&threads[i], NULL, make, &makers[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_true(makers[i].ok);
        }
    }
}

static void what_is_written_is_what_is_read(void **state)
{
    static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000 };
    struct sg_error err = SG_ERROR_INIT;
    char *bytes = malloc(100000);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < 100000; i++)
        bytes[i] = (char)(i * 7);
    for (size_t i = sizeof(sizes) / sizeof(sizes[0]); i-- > 0;) { /* the long first: truncated */
        struct sg_buf out = SG_BUF_INIT;
        bool found = false;

        assert_true(
            sg_files_write(scratch_path(&dir, "f"), (struct sg_span){ bytes, sizes[i] }, &err));
        assert_true(sg_buf_adds(&out, "before ", &err));
        assert_true(sg_files_read(scratch_path(&dir, "f"), &out, &found, &err));
        assert_true(found);
        assert_int_equal(out.len, 7 + sizes[i]);
        assert_memory_equal(out.at, "before ", 7);
        if (sizes[i] > 0)
            assert_memory_equal(out.at + 7, bytes, sizes[i]);
        assert_int_equal(out.at[out.len], '\0');
        sg_buf_done(&out);
    }
    free(bytes);
}

static void what_is_not_there_is_an_answer_and_what_can_not_be_read_an_error(void **state)
{
    static const struct {
        const char *label, *path;
        bool ok;
        int sys;
    } rows[] = {
        { "absent", "absent", true, 0 },
        { "below a file", "file/x", true, 0 },
        { "a directory", "d", false, EISDIR },
        { "a link to itself", "loop", false, ELOOP },
    };

    (void)state;
    scratch_write(&dir, "file", "x");
    scratch_make_dir(&dir, "d");
    assert_int_equal(symlink("loop", scratch_path(&dir, "loop")), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_error err = SG_ERROR_INIT;
        struct sg_buf out = SG_BUF_INIT;
        bool found = true, ok;

        assert_true(sg_buf_adds(&out, "kept", &err));
        ok = sg_files_read(scratch_path(&dir, rows[i].path), &out, &found, &err);
        if (ok != rows[i].ok || (ok && found) || strcmp(sg_buf_text(&out), "kept") != 0 ||
            (!ok && (err.sys != rows[i].sys || strstr(err.text, rows[i].path) == NULL)))
            fail_msg("%s: %d %s", rows[i].label, ok, err.text);
        sg_buf_done(&out);
    }
}

static void a_file_larger_than_the_buffers_limit_is_an_error_and_changes_nothing(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf out = { .limit = 5000 };
    char *bytes = malloc(20001);
    bool found = false;

    (void)state;
    memset(bytes, 'x', 20000);
    bytes[20000] = '\0';
    scratch_write(&dir, "f", bytes);
    free(bytes);
    assert_true(sg_buf_adds(&out, "kept", &err));
    assert_false(sg_files_read(scratch_path(&dir, "f"), &out, &found, &err));
    assert_int_equal(err.code, SG_ERROR_LIMIT);
    assert_string_equal(sg_buf_text(&out), "kept");
    sg_buf_done(&out);
}

static void what_can_not_be_written_says_where(void **state)
{
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    assert_false(sg_files_write(scratch_path(&dir, "no/f"), sg_span_of("x"), &err));
    assert_int_equal(err.sys, ENOENT);
    assert_non_null(strstr(err.text, "/no/f"));
    sg_error_clear(&err);
    assert_false(sg_files_write("/dev/full", sg_span_of("x"), &err));
    assert_int_equal(err.sys, ENOSPC);
    assert_non_null(strstr(err.text, "/dev/full"));
}

struct reader {
    int fd;
    size_t n;
};

static void *read_slowly(void *ctx)
{
    struct reader *r = ctx;
    char piece[1000];
    ssize_t n;

    while ((n = read(r->fd, piece, sizeof(piece))) > 0)
        r->n += (size_t)n;
    return NULL;
}

static void all_bytes_go_through_a_pipe_that_takes_few_at_a_time(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    char *bytes = calloc(1, 1 << 20);
    struct reader r = { .n = 0 };
    pthread_t thread;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    r.fd = fds[0];
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, &r), 0);
    assert_true(sg_files_write_fd(fds[1], bytes, 1 << 20, &err));
    assert_true(sg_files_write_fd(fds[1], bytes, 0, &err));
    (void)close(fds[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(r.n, 1 << 20);
    (void)close(fds[0]);
    free(bytes);
    assert_false(sg_files_write_fd(-1, "x", 1, &err));
    assert_int_equal(err.sys, EBADF);
}

static void a_tree_is_removed_and_links_are_not_followed(void **state)
{
    static const struct {
        const char *label, *path;
    } rows[] = {
        { "absent", "absent" }, { "below a file", "keep/file/x" },
        { "a file", "file" },   { "an empty directory", "e" },
        { "a tree", "tree" },   { "a link", "link" },
    };

    (void)state;
    scratch_write(&dir, "keep/file", "x");
    scratch_write(&dir, "file", "x");
    scratch_make_dir(&dir, "e");
    scratch_write(&dir, "tree/a/b/c", "x");
    scratch_write(&dir, "tree/a/.hidden", "x");
    assert_int_equal(symlink(scratch_path(&dir, "keep"), scratch_path(&dir, "tree/a/out")), 0);
    assert_int_equal(symlink("not/there", scratch_path(&dir, "tree/nowhere")), 0);
    assert_int_equal(mkfifo(scratch_path(&dir, "tree/fifo"), 0666), 0);
    assert_int_equal(symlink("keep", scratch_path(&dir, "link")), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_error err = SG_ERROR_INIT;

        if (!sg_files_remove_tree(scratch_path(&dir, rows[i].path), &err) ||
            scratch_has(&dir, rows[i].path))
            fail_msg("%s: %s", rows[i].label, err.text);
    }
    assert_true(scratch_has(&dir, "keep/file"));
}

static void what_is_written_over_is_the_same_file_with_the_new_text(void **state)
{
    static const char *const texts[] = { "first", "a longer one", "short", "", "again" };
    struct sg_error err = SG_ERROR_INIT;
    struct stat first, now;

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *text;

        assert_true(sg_files_write_over(scratch_path(&dir, "f"), sg_span_of(texts[i]), &err));
        text = scratch_read(&dir, "f", NULL);
        assert_string_equal(text, texts[i]);
        free(text);
        assert_int_equal(stat(scratch_path(&dir, "f"), &now), 0);
        if (i == 0)
            first = now;
        assert_int_equal(now.st_ino, first.st_ino);
    }
    assert_false(sg_files_write_over(scratch_path(&dir, "not/there"), sg_span_of(""), &err));
    assert_int_equal(err.sys, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_is_made_with_its_parents),
        cmocka_unit_test(several_may_make_one_directory_at_once),
        cmocka_unit_test(what_is_written_is_what_is_read),
        cmocka_unit_test(what_is_not_there_is_an_answer_and_what_can_not_be_read_an_error),
        cmocka_unit_test(a_file_larger_than_the_buffers_limit_is_an_error_and_changes_nothing),
        cmocka_unit_test(what_can_not_be_written_says_where),
        cmocka_unit_test(what_is_written_over_is_the_same_file_with_the_new_text),
        cmocka_unit_test(all_bytes_go_through_a_pipe_that_takes_few_at_a_time),
        cmocka_unit_test(a_tree_is_removed_and_links_are_not_followed),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
