#include "stagegraph/out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/text.h"

#define FLUSH_AT  ((size_t)64 << 10)
#define HOLD_AT   ((size_t)4 << 20)
#define WAIT_AT   ((size_t)8 << 20)
#define LIMIT     ((size_t)16 << 20)
#define PATIENCE  1000 /* ms */
#define POLLED    512  /* what a terminal that has room at all most likely takes */
#define NO_COLUMN 80
#define NO_ROW    24

void sg_out_init(struct sg_out *o, const struct sg_out_config *c)
{
    struct stat st;
    char path[40];

    *o = (struct sg_out){ .is = *c, .own_fd = -1, .buf = { .limit = LIMIT } };
    if (c->whole)
        o->buf.limit = PTRDIFF_MAX;
    sg_out_resize(o, c->columns, c->rows);
    if (c->patient || fstat(c->fd, &st) != 0)
        return;
    o->socket = S_ISSOCK(st.st_mode);
    if (!S_ISFIFO(st.st_mode) && !(c->terminal && S_ISCHR(st.st_mode)))
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", c->fd);
    o->own_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (o->own_fd < 0 && errno == ENXIO)
        o->sys = EPIPE; /* a pipe that nobody reads */
    o->poll_first = o->own_fd < 0;
}

void sg_out_resize(struct sg_out *o, int columns, int rows)
{
    o->is.columns = columns > 0 ? columns : NO_COLUMN;
    o->is.rows = rows > 0 ? rows : NO_ROW;
}

bool sg_out_gone(const struct sg_out *o)
{
    return o->sys != 0;
}

int sg_out_error(const struct sg_out *o)
{
    return o->sys;
}

static size_t pending(const struct sg_out *o)
{
    return o->buf.len - o->at;
}

size_t sg_out_pending(const struct sg_out *o)
{
    return pending(o);
}

int sg_out_descriptor(const struct sg_out *o)
{
    return o->own_fd >= 0 ? o->own_fd : o->is.fd;
}

bool sg_out_is_behind(const struct sg_out *o, struct sg_mono now)
{
    return pending(o) >= HOLD_AT && (o->is.whole || now.ns - o->moved.ns < PATIENCE * SG_NS_PER_MS);
}

/* As write(2), but EAGAIN where it would have to wait (a file or a patient out may wait). */
static ssize_t write_some(const struct sg_out *o, const char *at, size_t n)
{
    struct pollfd p = { .fd = o->is.fd, .events = POLLOUT };

    if (o->socket)
        return send(o->is.fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (o->poll_first) {
        if (poll(&p, 1, 0) <= 0) {
            errno = EAGAIN;
            return -1;
        }
        n = n < POLLED ? n : POLLED;
    }
    return write(sg_out_descriptor(o), at, n);
}

/* Writes what is taken without waiting; true when something was. */
static bool push(struct sg_out *o)
{
    bool some = false;

    while (o->sys == 0 && pending(o) > 0) {
        ssize_t n = write_some(o, o->buf.at + o->at, pending(o));

        if (n >= 0) {
            o->at += (size_t)n;
            some = some || n > 0;
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            o->sys = errno;
        }
    }
    if (o->sys != 0 || pending(o) == 0) {
        sg_buf_clear(&o->buf);
        o->at = 0;
    } else if (o->at >= o->buf.len / 2) {
        memmove(o->buf.at, o->buf.at + o->at, pending(o));
        o->buf.len -= o->at;
        o->buf.at[o->buf.len] = '\0';
        o->at = 0;
    }
    o->stalled = o->stalled && !some && pending(o) > 0;
    if (some)
        o->moved = sg_mono_now();
    return some;
}

/* Pushes until no more than `left` bytes wait; gives up when nothing was taken for wait_ms (-1:
 * never). */
static void push_until(struct sg_out *o, size_t left, int wait_ms)
{
    int64_t wait_ns = (int64_t)wait_ms * SG_NS_PER_MS, since = sg_mono_now().ns, now;
    struct pollfd p = { .fd = sg_out_descriptor(o), .events = POLLOUT };

    (void)push(o);
    while (o->sys == 0 && pending(o) > left) {
        now = sg_mono_now().ns;
        if (wait_ms >= 0 && now - since >= wait_ns)
            break;
        (void)poll(&p, 1, wait_ms < 0 ? -1 : (int)((since + wait_ns - now) / SG_NS_PER_MS) + 1);
        if (push(o))
            since = o->moved.ns;
    }
    o->stalled = pending(o) > left;
}

void sg_out_flush(struct sg_out *o)
{
    if (o->is.patient)
        push_until(o, 0, -1);
    else
        (void)push(o); /* the rest waits for the next one */
}

void sg_out_done(struct sg_out *o, int wait_ms)
{
    push_until(o, 0, wait_ms);
    sg_buf_done(&o->buf);
    if (o->own_fd >= 0)
        close(o->own_fd);
    o->own_fd = -1;
}

static size_t count_lines(const char *at, size_t n)
{
    const char *end = at + n;
    size_t lines = 0;

    while (n > 0 && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        lines++;
    }
    return lines;
}

static void tell_dropped(struct sg_out *o)
{
    struct sg_error err = SG_ERROR_INIT;

    if (pending(o) < WAIT_AT &&
        sg_buf_addf(&o->buf, &err, "\n[%zu lines were not shown: nobody was reading]\n",
                    o->dropped))
        o->dropped = 0;
}

static void write_piece(struct sg_out *o, const char *at, size_t n)
{
    struct sg_error err = SG_ERROR_INIT;
    size_t lines;

    if (pending(o) == 0)
        o->moved = sg_mono_now();
    if (pending(o) + n > WAIT_AT && !o->stalled && !o->is.patient && !o->is.whole)
        push_until(o, WAIT_AT - n, PATIENCE);
    if (o->dropped > 0)
        tell_dropped(o);
    if (o->is.whole) {
        if (!sg_buf_add(&o->buf, at, n, &err))
            o->sys = ENOMEM; /* half an event would be none: it ends here, and cli says so */
    } else if (o->dropped > 0 || !sg_buf_add(&o->buf, at, n, &err)) {
        lines = count_lines(at, n);
        o->dropped += lines > 0 ? lines : 1;
    }
    if (pending(o) >= FLUSH_AT)
        sg_out_flush(o);
}

void sg_out_write(struct sg_out *o, const void *bytes, size_t n)
{
    const char *at = bytes;

    for (size_t piece; n > 0 && o->sys == 0; at += piece, n -= piece) {
        piece = n < FLUSH_AT ? n : FLUSH_AT;
        write_piece(o, at, piece);
    }
}

/*
 * Texts are shown piece by piece: a character, or what stands for it. A piece borrows from the text
 * or lies in `own`.
 */
struct piece {
    const char *at;
    size_t len;  /* bytes shown */
    size_t used; /* bytes of the text */
    int columns;
    char own[8];
};

static bool between(uint32_t c, uint32_t low, uint32_t high)
{
    return c >= low && c <= high;
}

/* The widths that matter; the C library's wcwidth() depends on the process's locale. */
static int width_of(uint32_t c)
{
    if (between(c, 0x300, 0x36f) || between(c, 0x200b, 0x200f) || between(c, 0xfe00, 0xfe0f) ||
        between(c, 0x20d0, 0x20ff) || between(c, 0x1ab0, 0x1aff))
        return 0;
    if (between(c, 0x1100, 0x115f) || between(c, 0x2e80, 0x303e) || between(c, 0x3041, 0xa4cf) ||
        between(c, 0xac00, 0xd7a3) || between(c, 0xf900, 0xfaff) || between(c, 0xfe30, 0xfe6f) ||
        between(c, 0xff00, 0xff60) || between(c, 0xffe0, 0xffe6) || between(c, 0x1f300, 0x1f64f) ||
        between(c, 0x1f680, 0x1f6ff) || between(c, 0x1f900, 0x1f9ff) ||
        between(c, 0x20000, 0x3fffd))
        return 2;
    return 1;
}

static uint32_t code_point(const unsigned char *p, size_t n)
{
    uint32_t c = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3fu);
    return c;
}

static void use(struct piece *p, const char *instead)
{
    p->at = instead;
    p->len = strlen(instead);
    p->columns = (int)p->len;
}

/* The piece that the text (not empty) begins with. */
static void next_piece(const struct sg_out *o, const char *text, size_t len, struct piece *p)
{
    size_t n = sg_text_utf8((struct sg_span){ .at = text, .len = len < 4 ? len : 4 });
    uint32_t c = n == 0 ? 0 : code_point((const unsigned char *)text, n);

    p->at = text;
    p->len = p->used = n > 0 ? n : 1;
    p->columns = 1;
    if (n == 0 || (c < 0x20 && c != '\n') || between(c, 0x7f, 0x9f)) {
        /* A C1 control has two bytes of UTF-8; its number is its second byte. */
        snprintf(p->own, sizeof(p->own), "\\x%02x", (unsigned)(unsigned char)text[n == 2 ? 1 : 0]);
        use(p, p->own);
    } else if (!o->is.utf8 && c == 0x2192) {
        use(p, "->");
    } else if (!o->is.utf8 && c == 0x2026) {
        use(p, "...");
    } else if (!o->is.utf8 && c == 0xb7) {
        use(p, "-");
    } else if (c >= 0x80) {
        p->columns = width_of(c);
    }
}

/* Bytes at the beginning that stand for themselves, one column each (as next_piece() has it of
 * '\n', too). */
static size_t plain(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && ((text[n] >= 0x20 && text[n] < 0x7f) || text[n] == '\n'))
        n++;
    return n;
}

static void add_text(struct sg_out *o, const char *text, size_t len)
{
    struct piece p;
    size_t n;

    while (len > 0) {
        n = plain(text, len);
        sg_out_write(o, text, n);
        text += n;
        len -= n;
        if (len == 0)
            break;
        next_piece(o, text, len, &p);
        sg_out_write(o, p.at, p.len);
        text += p.used;
        len -= p.used;
    }
}

void sg_out_text(struct sg_out *o, const char *text)
{
    add_text(o, text, strlen(text));
}

void sg_out_printf(struct sg_out *o, const char *fmt, ...)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    va_list ap;

    va_start(ap, fmt);
    if (sg_buf_addfv(&b, &err, fmt, ap)) /* where memory is lacking, so is the text */
        add_text(o, b.at, b.len);
    va_end(ap);
    sg_buf_done(&b);
}

void sg_out_also(struct sg_out *o, uint32_t n, const char *what)
{
    char count[SG_COUNT_TEXT];

    if (n == 0)
        return;
    sg_count_format(n, count);
    sg_out_printf(o, ", %s %s", count, what);
}

int sg_out_width(const struct sg_out *o, const char *text)
{
    size_t len = strlen(text);
    struct piece p;
    int columns = 0;
    size_t n;

    for (;;) {
        n = plain(text, len);
        columns += (int)n;
        text += n;
        len -= n;
        if (len == 0)
            return columns;
        next_piece(o, text, len, &p);
        columns += p.columns;
        text += p.used;
        len -= p.used;
    }
}

static void add_blanks(struct sg_out *o, int n)
{
    static const char blanks[] = "                                                                ";

    for (; n > 0; n -= (int)sizeof(blanks) - 1)
        sg_out_write(o, blanks, n < (int)sizeof(blanks) ? (size_t)n : sizeof(blanks) - 1);
}

void sg_out_pad(struct sg_out *o, const char *text, int columns, bool right)
{
    int blanks = columns - sg_out_width(o, text);

    if (right)
        add_blanks(o, blanks);
    sg_out_text(o, text);
    if (!right)
        add_blanks(o, blanks);
}

void sg_out_coloured(struct sg_out *o, enum sg_colour c, const char *text)
{
    static const char *const begin[] = {
        [SG_COLOUR_NONE] = "",
        [SG_COLOUR_GREEN] = "\033[32m",
        [SG_COLOUR_RED] = "\033[31m",
    };
    bool on = o->is.colour && c != SG_COLOUR_NONE;

    if (on)
        sg_out_write(o, begin[c], strlen(begin[c]));
    sg_out_text(o, text);
    if (on)
        sg_out_write(o, "\033[0m", 4);
}

bool sg_out_fit(const struct sg_out *o, const char *text, int columns, struct sg_buf *ret,
                struct sg_error *err)
{
    int mark = sg_out_width(o, "…"), width = 0;
    size_t len = strlen(text), at = 0, cut = 0;
    struct piece p;

    while (at < len) {
        next_piece(o, text + at, len - at, &p);
        if (width + p.columns > columns)
            break;
        at += p.used;
        width += p.columns;
        if (width + mark <= columns)
            cut = at;
    }
    if (at == len)
        return sg_buf_add(ret, text, len, err);
    return sg_buf_add(ret, text, cut, err) && (columns < mark || sg_buf_adds(ret, "…", err));
}
