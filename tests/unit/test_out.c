#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "report_fake.inc"

static const struct sg_out_config utf8 = { .utf8 = true };
static const struct sg_out_config ascii = { .utf8 = false };

static void a_text_without_utf8_keeps_its_meaning(void **state)
{
    static const struct {
        const char *text, *utf8, *ascii;
    } rows[] = {
        { "A → B · c … d\n", "A → B · c … d\n", "A -> B - c ... d\n" },
        { "naïve", "naïve", "naïve" }, /* a name is a name */
        { "a\033[2Jb\r", "a\\x1b[2Jb\\x0d", "a\\x1b[2Jb\\x0d" },
        { "\xc2\x9b"
          "1m",
          "\\x9b1m", "\\x9b1m" }, /* a C1 control */
        { "\xff!", "\\xff!", "\\xff!" },
        { "", "", "" },
    };
    struct fake_out a, b;

    (void)state;
    fake_out_init(&a, utf8);
    fake_out_init(&b, ascii);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sg_out_text(&a.out, rows[i].text);
        assert_string_equal(fake_out_take(&a), rows[i].utf8);
        sg_out_printf(&b.out, "%s", rows[i].text);
        assert_string_equal(fake_out_take(&b), rows[i].ascii);
    }
    fake_out_done(&a);
    fake_out_done(&b);
}

static void widths_are_columns(void **state)
{
    static const struct {
        const char *text;
        int utf8, ascii;
    } rows[] = {
        { "", 0, 0 },          { "bronze", 6, 6 }, { "a … b", 5, 7 }, { "→", 1, 2 },
        { "e\xcc\x81", 1, 1 }, { "日本", 4, 4 },   { "\x01", 4, 4 },  { "\xf0\x9f\x9a\x80", 2, 2 },
    };
    struct fake_out a, b;

    (void)state;
    fake_out_init(&a, utf8);
    fake_out_init(&b, ascii);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(sg_out_width(&a.out, rows[i].text), rows[i].utf8);
        assert_int_equal(sg_out_width(&b.out, rows[i].text), rows[i].ascii);
    }
    sg_out_pad(&a.out, "日本", 6, false);
    sg_out_pad(&a.out, "…", 3, true);
    sg_out_pad(&a.out, "long", 2, true);
    assert_string_equal(fake_out_take(&a), "日本    …long");
    fake_out_done(&a);
    fake_out_done(&b);
}

static void a_text_is_cut_to_fit(void **state)
{
    static const struct {
        const char *text;
        int columns;
        const char *cut;
    } rows[] = {
        { "silver@2013", 11, "silver@2013" },
        { "silver@2013", 10, "silver@20…" },
        { "silver@2013", 1, "…" },
        { "silver@2013", 0, "" },
        { "日本語", 6, "日本語" },
        { "日本語", 5, "日本…" },
        { "日本語", 4, "日…" },
    };
    struct fake_out f;
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    fake_out_init(&f, utf8);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_buf b = SG_BUF_INIT;

        assert_true(sg_out_fit(&f.out, rows[i].text, rows[i].columns, &b, &err));
        assert_string_equal(sg_buf_text(&b), rows[i].cut);
        sg_buf_done(&b);
    }
    fake_out_done(&f);
}

static void colour_is_there_when_asked_for(void **state)
{
    struct fake_out f;

    (void)state;
    fake_out_init(&f, (struct sg_out_config){ .colour = true });
    sg_out_coloured(&f.out, SG_COLOUR_GREEN, "OK");
    sg_out_coloured(&f.out, SG_COLOUR_RED, "FAILED");
    sg_out_coloured(&f.out, SG_COLOUR_NONE, "BUSY");
    assert_string_equal(fake_out_take(&f), "\033[32mOK\033[0m\033[31mFAILED\033[0mBUSY");
    fake_out_done(&f);
    fake_out_init(&f, utf8);
    sg_out_coloured(&f.out, SG_COLOUR_RED, "FAILED");
    assert_string_equal(fake_out_take(&f), "FAILED");
    fake_out_done(&f);
}

static void a_reader_that_went_away_is_nobodys_fault(void **state)
{
    for (int patient = 0; patient < 2; patient++) {
        struct sg_out o;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        sg_out_init(&o, &(struct sg_out_config){ .fd = fds[1], .patient = patient });
        sg_out_text(&o, "one\n");
        sg_out_flush(&o);
        assert_false(sg_out_gone(&o));
        close(fds[0]);
        sg_out_text(&o, "two\n");
        sg_out_flush(&o);
        assert_true(sg_out_gone(&o));
        assert_int_equal(sg_out_error(&o), EPIPE);
        sg_out_text(&o, "three\n"); /* dropped */
        sg_out_done(&o, -1);
        close(fds[1]);
    }
    (void)state;
}

static void a_named_pipe_that_nobody_reads_is_gone_from_the_beginning(void **state)
{
    char dir[] = "/tmp/test_out.XXXXXX", path[64];
    struct sg_out o;
    int fd, writer;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/fifo", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    sg_out_init(&o, &(struct sg_out_config){ .fd = fd });
    assert_false(sg_out_gone(&o)); /* its own descriptor reads */
    sg_out_done(&o, 0);
    close(fd);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    writer = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(writer >= 0);
    close(fd);
    sg_out_init(&o, &(struct sg_out_config){ .fd = writer });
    assert_int_equal(sg_out_error(&o), EPIPE);
    sg_out_text(&o, "dropped\n");
    sg_out_done(&o, -1);
    close(writer);
    unlink(path);
    rmdir(dir);
}

static void a_full_disk_is_remembered(void **state)
{
    struct sg_out o;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    if (fd < 0)
        skip();
    sg_out_init(&o, &(struct sg_out_config){ .fd = fd });
    sg_out_text(&o, "lost\n");
    sg_out_flush(&o);
    assert_int_equal(sg_out_error(&o), ENOSPC);
    sg_out_done(&o, -1);
    close(fd);
}

/* The descriptor that others share must not become non-blocking by us. */
static void a_full_pipe_does_not_hold_up_a_run(void **state)
{
    static char block[4096], got[1 << 20];
    struct sg_out o;
    int fds[2], flags;
    size_t wrote = 0, n = 0;
    ssize_t some;

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    flags = fcntl(fds[1], F_GETFL);
    sg_out_init(&o, &(struct sg_out_config){ .fd = fds[1] });
    assert_int_equal(fcntl(fds[1], F_GETFL), flags);
    memset(block, 'x', sizeof(block));
    for (; wrote < 200 * sizeof(block); wrote += sizeof(block)) { /* a pipe takes 64 KiB */
        sg_out_write(&o, block, sizeof(block));
        sg_out_flush(&o);
    }
    sg_out_text(&o, "the end\n");
    sg_out_done(&o, 0); /* what nobody took is lost here; it didn't wait */
    close(fds[1]);
    while ((some = read(fds[0], got + n, sizeof(got) - n)) > 0)
        n += (size_t)some;
    assert_true(n >= sizeof(block) && n < wrote);
    close(fds[0]);
}

static void what_was_kept_comes_when_there_is_room(void **state)
{
    static char block[4096], got[1 << 20];
    int sockets = 0;

    (void)state;
    for (sockets = 0; sockets < 2; sockets++) {
        struct sg_out o;
        int fds[2];
        size_t n = 0, total = 200 * sizeof(block) + 8;
        ssize_t some;

        if (sockets)
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        else
            assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        sg_out_init(&o, &(struct sg_out_config){ .fd = fds[1] });
        for (int i = 0; i < 200; i++) {
            memset(block, 'a' + i % 26, sizeof(block));
            sg_out_write(&o, block, sizeof(block));
        }
        sg_out_text(&o, "the end\n");
        while (n < total) {
            sg_out_flush(&o);
            some = read(fds[0], got + n, sizeof(got) - n);
            assert_true(some > 0);
            n += (size_t)some;
        }
        assert_int_equal(n, total);
        for (size_t i = 0; i < 200; i++)
            assert_int_equal(got[i * sizeof(block) + 17], 'a' + (int)i % 26);
        assert_memory_equal(got + total - 8, "the end\n", 8);
        sg_out_done(&o, 0);
        close(fds[0]);
        close(fds[1]);
    }
}

/* With a clock of its own: behind while the reader takes something each second, or for ever. */
static void a_reader_that_is_slow_is_behind_and_one_that_has_stopped_is_not(void **state)
{
    static char block[64 << 10], got[64 << 10];
    const int64_t second = INT64_C(1000) * SG_NS_PER_MS;

    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        struct sg_out o;
        struct sg_mono now;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        sg_out_init(&o, &(struct sg_out_config){ .fd = fds[1], .whole = whole });
        assert_false(sg_out_is_behind(&o, sg_mono_now()));
        while (sg_out_pending(&o) < 4 << 20) {
            now = sg_mono_now();
            assert_false(sg_out_is_behind(&o, now));
            sg_out_write(&o, block, sizeof(block));
        }
        now = o.moved; /* the pipe took its 64 KiB then */
        assert_true(sg_out_is_behind(&o, (struct sg_mono){ now.ns + second - 1 }));
        assert_int_equal(sg_out_is_behind(&o, (struct sg_mono){ now.ns + second }), whole);
        assert_int_equal(read(fds[0], got, 4096), 4096);
        sg_out_flush(&o);
        sg_out_write(&o, block, 4096);
        assert_true(o.moved.ns > now.ns); /* it reads again */
        assert_true(sg_out_is_behind(&o, (struct sg_mono){ o.moved.ns + second - 1 }));
        while (sg_out_pending(&o) >= 4 << 20) {
            assert_true(read(fds[0], got, sizeof(got)) > 0);
            sg_out_flush(&o);
        }
        assert_false(sg_out_is_behind(&o, o.moved));
        close(fds[0]);
        sg_out_done(&o, 0);
        close(fds[1]);
    }
}

/* Writes 20 MiB in lines that nobody reads, waits for real (a second) for a reader that does not
 * come, then reads all of it, and a last line. Returns the number of lines. */
static size_t write_to_nobody(bool whole, char *got, size_t size)
{
    static char lines[64 << 10];
    struct sg_out o;
    int fds[2];
    size_t n = 0, all = 0;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    sg_out_init(&o, &(struct sg_out_config){ .fd = fds[1], .whole = whole });
    memset(lines, 'x', sizeof(lines));
    for (size_t i = 63; i < sizeof(lines); i += 64)
        lines[i] = '\n';
    for (int i = 0; i < 320; i++, all += sizeof(lines) / 64)
        sg_out_write(&o, lines, sizeof(lines));
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    for (int idle = 0; idle < 2;) {
        ssize_t some = read(fds[0], got + n, size - 1 - n);

        idle = some > 0 ? 0 : idle + 1;
        n += some > 0 ? (size_t)some : 0;
        sg_out_flush(&o);
    }
    sg_out_text(&o, "after\n");
    sg_out_flush(&o);
    n += (size_t)read(fds[0], got + n, size - 1 - n);
    got[n] = '\0';
    sg_out_done(&o, 0);
    close(fds[0]);
    close(fds[1]);
    return all;
}

static size_t count_lines(const char *at, const char *end)
{
    size_t n = 0;

    while (at < end)
        n += *at++ == '\n';
    return n;
}

static void what_nobody_reads_for_long_is_dropped_and_counted(void **state)
{
    static char got[32 << 20];
    size_t all = write_to_nobody(false, got, sizeof(got));
    const char *note = strstr(got, "\n[");
    unsigned long dropped = 0;

    (void)state;
    assert_non_null(note);
    assert_int_equal(
        sscanf(note, "\n[%lu lines were not shown: nobody was reading]\nafter\n", &dropped), 1);
    assert_true(dropped > 0);
    assert_int_equal(count_lines(got, note) + dropped, all);
}

static void of_what_a_program_is_to_read_nothing_is_dropped(void **state)
{
    static char got[32 << 20];
    size_t all = write_to_nobody(true, got, sizeof(got));

    (void)state;
    assert_int_equal(strlen(got), all * 64 + strlen("after\n"));
    assert_int_equal(count_lines(got, got + strlen(got)), all + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_without_utf8_keeps_its_meaning),
        cmocka_unit_test(widths_are_columns),
        cmocka_unit_test(a_text_is_cut_to_fit),
        cmocka_unit_test(colour_is_there_when_asked_for),
        cmocka_unit_test(a_reader_that_went_away_is_nobodys_fault),
        cmocka_unit_test(a_named_pipe_that_nobody_reads_is_gone_from_the_beginning),
        cmocka_unit_test(a_full_disk_is_remembered),
        cmocka_unit_test(a_full_pipe_does_not_hold_up_a_run),
        cmocka_unit_test(what_was_kept_comes_when_there_is_room),
        cmocka_unit_test(a_reader_that_is_slow_is_behind_and_one_that_has_stopped_is_not),
        cmocka_unit_test(what_nobody_reads_for_long_is_dropped_and_counted),
        cmocka_unit_test(of_what_a_program_is_to_read_nothing_is_dropped),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* as cli does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
