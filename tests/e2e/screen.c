/*
 * screen: see screen.h.
 */
#include "screen.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

void screen_init(struct screen *s, int columns, int rows)
{
    *s = (struct screen){ .columns = columns, .rows = rows, .n = 1 };
    s->at = calloc(SCREEN_ROWS, sizeof(*s->at));
    assert_non_null(s->at);
    assert_true(columns <= SCREEN_COLUMNS);
}

void screen_done(struct screen *s)
{
    free(s->at);
    s->at = NULL;
}

static void see_top(struct screen *s)
{
    if (s->n - s->rows > s->top)
        s->top = s->n - s->rows;
}

static void down(struct screen *s, bool goes_on)
{
    s->row++;
    if (s->row < s->n)
        return;
    assert_true(s->n < SCREEN_ROWS);
    s->at[s->n++] = (struct screen_row){ .goes_on = goes_on };
    see_top(s);
}

static void put(struct screen *s, uint32_t c)
{
    struct screen_row *r;

    if (s->col >= s->columns) {
        s->col = 0;
        down(s, true);
    }
    r = &s->at[s->row];
    while (r->len < s->col)
        r->cell[r->len++] = ' ';
    r->cell[s->col++] = c;
    if (s->col > r->len)
        r->len = s->col;
}

static void clear_below(struct screen *s)
{
    if (s->at[s->row].len > s->col)
        s->at[s->row].len = s->col;
    s->n = s->row + 1;
}

/* "\033[" … and its last letter. */
static void sequence(struct screen *s)
{
    int n = atoi(s->seq + 2);

    s->seen++;
    switch (s->seq[s->n_seq - 1]) {
    case 'A':
        s->row -= n > 0 ? n : 1;
        s->row = s->row < s->top ? s->top : s->row;
        return;
    case 'J':
        if (n == 0) {
            clear_below(s);
            return;
        }
        break;
    case 'm':
        s->coloured = n != 0;
        return;
    case 'l':
    case 'h':
        if (strncmp(s->seq, "\033[?25", 5) == 0) {
            s->hidden = s->seq[s->n_seq - 1] == 'l';
            return;
        }
        break;
    }
    s->unknown = true;
}

static void control(struct screen *s, unsigned char c)
{
    switch (c) {
    case '\r':
        s->col = 0;
        return;
    case '\n':
        down(s, false);
        return;
    case '\b':
        s->col -= s->col > 0;
        break;
    case '\t':
        s->col = s->col / 8 * 8 + 8 < s->columns ? s->col / 8 * 8 + 8 : s->columns - 1;
        break;
    default:
        s->unknown = true;
    }
    s->seen++;
}

static void feed_byte(struct screen *s, unsigned char c)
{
    if (s->n_seq > 0) {
        s->seq[s->n_seq++] = (char)c;
        s->seq[s->n_seq] = '\0';
        if ((s->n_seq == 2 && c != '[') || s->n_seq == sizeof(s->seq) - 1) {
            s->unknown = true;
            s->n_seq = 0;
        } else if (s->n_seq > 2 && c >= 0x40) {
            sequence(s);
            s->n_seq = 0;
        }
    } else if (c == '\033') {
        s->seq[s->n_seq++] = (char)c;
    } else if (c < 0x20 || c == 0x7f) {
        control(s, c);
    } else if (c < 0x80) {
        put(s, c);
    } else if (c < 0xc0) {
        s->point = s->point << 6 | (c & 0x3fu);
        if (--s->more == 0)
            put(s, s->point);
    } else {
        s->more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        s->point = c & (0x3fu >> s->more);
    }
}

void screen_feed(struct screen *s, const char *text)
{
    for (; text[s->fed] != '\0'; s->fed++)
        feed_byte(s, (unsigned char)text[s->fed]);
}

void screen_resize(struct screen *s, int columns, int rows)
{
    struct screen old = *s;

    screen_init(s, columns, rows);
    for (int i = 0; i < old.n; i++) {
        if (i > 0 && !old.at[i].goes_on) {
            s->col = 0;
            down(s, false);
        }
        for (int k = 0; k < old.at[i].len; k++)
            put(s, old.at[i].cell[k]);
        if (i == old.row) /* the cursor is where it was in its line; always at the end of all */
            assert_true(i == old.n - 1 && old.col == old.at[i].len);
    }
    s->coloured = old.coloured;
    s->hidden = old.hidden;
    s->unknown = old.unknown;
    s->seen = old.seen;
    s->fed = old.fed;
    assert_int_equal(old.n_seq, 0);
    assert_int_equal(old.more, 0);
    screen_done(&old);
}

static size_t encode(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    to[0] = (char)(0xe0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 0x3f));
    to[2] = (char)(0x80 | (c & 0x3f));
    return 3;
}

static size_t copy_row(const struct screen_row *r, char *to)
{
    size_t n = 0;

    for (int k = 0; k < r->len; k++)
        n += encode(r->cell[k], to + n);
    return n;
}

static size_t trim(const char *text, size_t from, size_t n)
{
    while (n > from && text[n - 1] == ' ')
        n--;
    return n;
}

char *screen_lines(const struct screen *s)
{
    char *text = malloc((size_t)s->n * (3 * SCREEN_COLUMNS + 1) + 1);
    size_t n = 0, line = 0;

    assert_non_null(text);
    for (int i = 0; i < s->n; i++) {
        if (i > 0 && !s->at[i].goes_on) {
            n = trim(text, line, n);
            text[n++] = '\n';
            line = n;
        }
        n += copy_row(&s->at[i], text + n);
    }
    text[trim(text, line, n)] = '\0';
    return text;
}

char *screen_row(const struct screen *s, int from_last)
{
    char *text = malloc(3 * SCREEN_COLUMNS + 1);
    int last = s->n - 1;

    assert_non_null(text);
    while (last > 0 && s->at[last].len == 0)
        last--;
    text[last >= from_last ? copy_row(&s->at[last - from_last], text) : 0] = '\0';
    return text;
}
