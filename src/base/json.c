#include "stagegraph/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stagegraph/text.h"

/* What the reader takes next. */
enum expect {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, /* just behind '[' */
    EXPECT_KEY_OR_END,   /* just behind '{' */
    EXPECT_COLON,
    EXPECT_MORE_OR_END, /* behind a value in an object or array */
    EXPECT_NOTHING,     /* behind the document */
    EXPECT_FAILED
};

/* Behind the bytes from `at` on that stand in a string as they are, one a character: most of all
 * text. The rest (what is escaped, what is not ASCII, DEL) is looked at closely. */
static size_t pass_plain(struct sg_span s, size_t at)
{
    static const bool is_plain[256] = {
        [' ' ... '!'] = true,
        ['#' ... '['] = true,
        [']' ... '~'] = true,
    };

    while (at < s.len && is_plain[(unsigned char)s.at[at]])
        at++;
    return at;
}

void sg_json_reader_init(struct sg_json_reader *r, struct sg_span text)
{
    *r = (struct sg_json_reader){ .in = text, .expect = EXPECT_VALUE };
}

void sg_json_reader_done(struct sg_json_reader *r)
{
    sg_buf_done(&r->scratch);
    r->text = (struct sg_span){ .at = NULL };
}

static enum sg_json_event bad(struct sg_json_reader *r, const char *why)
{
    r->why = why;
    r->expect = EXPECT_FAILED;
    r->text = (struct sg_span){ .at = NULL };
    return SG_JSON_BAD;
}

/* The byte at pos, or -1 behind the last one. */
static int peek(const struct sg_json_reader *r)
{
    return r->pos < r->in.len ? (unsigned char)r->in.at[r->pos] : -1;
}

static int skip_blanks(struct sg_json_reader *r)
{
    int c;

    while ((c = peek(r)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        r->pos++;
    return c;
}

static bool add_scratch(struct sg_json_reader *r, const void *bytes, size_t n)
{
    struct sg_error err;

    if (sg_buf_add(&r->scratch, bytes, n, &err))
        return true;
    bad(r, err.code == SG_ERROR_LIMIT ? "a string is too long" : "out of memory");
    return false;
}

/* Four hex digits at pos; -1 when they are not. */
static int take_hex4(struct sg_json_reader *r)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        int c = peek(r);

        if (c >= '0' && c <= '9')
            v = v << 4 | (c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            v = v << 4 | (c - 'A' + 10);
        else
            return -1;
        r->pos++;
    }
    return v;
}

/* Behind "\u": one code point, which may take a second escape. */
static bool take_unicode(struct sg_json_reader *r)
{
    int c = take_hex4(r), low;
    unsigned char utf8[4];
    size_t n;

    if (c >= 0xd800 && c <= 0xdbff) {
        if (peek(r) != '\\' || r->pos + 1 >= r->in.len || r->in.at[r->pos + 1] != 'u') {
            bad(r, "half of a surrogate pair");
            return false;
        }
        r->pos += 2;
        low = take_hex4(r);
        if (low >= 0 && (low < 0xdc00 || low > 0xdfff)) {
            bad(r, "half of a surrogate pair");
            return false;
        }
        c = low < 0 ? -1 : 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        bad(r, "half of a surrogate pair");
        return false;
    }
    if (c < 0) {
        bad(r, "\\u needs four hex digits");
        return false;
    }
    if (c < 0x80) {
        utf8[0] = (unsigned char)c;
        n = 1;
    } else if (c < 0x800) {
        utf8[0] = (unsigned char)(0xc0 | c >> 6);
        n = 2;
    } else if (c < 0x10000) {
        utf8[0] = (unsigned char)(0xe0 | c >> 12);
        n = 3;
    } else {
        utf8[0] = (unsigned char)(0xf0 | c >> 18);
        n = 4;
    }
    for (size_t i = 1; i < n; i++)
        utf8[i] = (unsigned char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
    return add_scratch(r, utf8, n);
}

/* Behind a backslash. */
static bool take_escape(struct sg_json_reader *r)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    const char *name;

    if (c < 0) {
        bad(r, "the text ends within a string");
        return false;
    }
    r->pos++;
    if (c == 'u')
        return take_unicode(r);
    name = c != '\0' ? strchr(names, c) : NULL;
    if (name == NULL) {
        bad(r, "unknown escape in a string");
        return false;
    }
    return add_scratch(r, &values[name - names], 1);
}

/* To what ends a string, or is escaped in it: a quote, a backslash, a control character, -1 for the
 * end of the text; or -2, where it is no UTF-8. */
static int pass_text(struct sg_json_reader *r)
{
    size_t n;
    int c;

    for (;;) {
        r->pos = pass_plain(r->in, r->pos);
        c = peek(r);
        if (c < 0x20 || c == '"' || c == '\\')
            return c;
        n = sg_text_utf8((struct sg_span){ .at = r->in.at + r->pos, .len = r->in.len - r->pos });
        if (n == 0)
            return -2;
        r->pos += n;
    }
}

/* From the quote at pos to behind the closing one. */
static bool take_string(struct sg_json_reader *r)
{
    size_t from;
    int c;

    sg_buf_clear(&r->scratch);
    r->pos++;
    for (;;) {
        from = r->pos;
        c = pass_text(r);
        if (c == -2) {
            bad(r, "invalid UTF-8 in a string");
            return false;
        }
        if (!add_scratch(r, r->in.at + from, r->pos - from))
            return false;
        if (c == '"')
            break;
        if (c != '\\') {
            bad(r, c < 0 ? "the text ends within a string" : "control character in a string");
            return false;
        }
        r->pos++;
        if (!take_escape(r))
            return false;
    }
    r->pos++;
    r->text = sg_buf_span(&r->scratch);
    return true;
}

static size_t skip_digits(struct sg_json_reader *r)
{
    size_t from = r->pos;

    while (peek(r) >= '0' && peek(r) <= '9')
        r->pos++;
    return r->pos - from;
}

/* RFC 8259, section 6: no plus, no leading zeros, digits on both sides of the point. */
static bool take_number(struct sg_json_reader *r)
{
    size_t from = r->pos;
    bool ok = true;

    if (peek(r) == '-')
        r->pos++;
    if (peek(r) == '0')
        r->pos++;
    else
        ok = skip_digits(r) > 0;
    if (ok && peek(r) == '.') {
        r->pos++;
        ok = skip_digits(r) > 0;
    }
    if (ok && (peek(r) == 'e' || peek(r) == 'E')) {
        r->pos++;
        if (peek(r) == '+' || peek(r) == '-')
            r->pos++;
        ok = skip_digits(r) > 0;
    }
    if (!ok) {
        bad(r, "malformed number");
        return false;
    }
    sg_buf_clear(&r->scratch);
    if (!add_scratch(r, r->in.at + from, r->pos - from))
        return false;
    r->text = sg_buf_span(&r->scratch);
    return true;
}

/* A value ended: what may follow it. */
static enum sg_json_event after_value(struct sg_json_reader *r, enum sg_json_event ev)
{
    r->expect = r->depth > 0 ? EXPECT_MORE_OR_END : EXPECT_NOTHING;
    return ev;
}

static enum sg_json_event open_level(struct sg_json_reader *r, char c)
{
    if (r->depth == sizeof(r->stack))
        return bad(r, "nested too deep");
    r->stack[r->depth++] = (unsigned char)c;
    r->pos++;
    r->expect = c == '{' ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return c == '{' ? SG_JSON_OBJECT : SG_JSON_ARRAY;
}

static enum sg_json_event close_level(struct sg_json_reader *r)
{
    r->depth--;
    r->pos++;
    return after_value(r, r->stack[r->depth] == '{' ? SG_JSON_OBJECT_END : SG_JSON_ARRAY_END);
}

static enum sg_json_event take_word(struct sg_json_reader *r, const char *word,
                                    enum sg_json_event ev)
{
    size_t n = strlen(word);

    if (r->in.len - r->pos < n || memcmp(r->in.at + r->pos, word, n) != 0)
        return bad(r, "not a value");
    r->pos += n;
    return after_value(r, ev);
}

static enum sg_json_event take_value(struct sg_json_reader *r, int c)
{
    switch (c) {
    case '{':
    case '[':
        return open_level(r, (char)c);
    case '"':
        return take_string(r) ? after_value(r, SG_JSON_STRING) : SG_JSON_BAD;
    case 't':
        return take_word(r, "true", SG_JSON_TRUE);
    case 'f':
        return take_word(r, "false", SG_JSON_FALSE);
    case 'n':
        return take_word(r, "null", SG_JSON_NULL);
    case -1:
        return bad(r, "the text ends early");
    default:
        if (c != '-' && (c < '0' || c > '9'))
            return bad(r, "not a value");
        return take_number(r) ? after_value(r, SG_JSON_NUMBER) : SG_JSON_BAD;
    }
}

static enum sg_json_event take_key(struct sg_json_reader *r, int c)
{
    if (c != '"')
        return bad(r, c < 0 ? "the text ends early" : "not a key");
    if (!take_string(r))
        return SG_JSON_BAD;
    r->expect = EXPECT_COLON;
    return SG_JSON_KEY;
}

static enum sg_json_event take_more(struct sg_json_reader *r, int c)
{
    bool object = r->stack[r->depth - 1] == '{';

    if (c == (object ? '}' : ']'))
        return close_level(r);
    if (c != ',')
        return bad(r, c < 0 ? "the text ends early" : "neither a comma nor an end behind a value");
    r->pos++;
    c = skip_blanks(r);
    return object ? take_key(r, c) : take_value(r, c);
}

enum sg_json_event sg_json_next(struct sg_json_reader *r)
{
    int c;

    if (r->expect == EXPECT_FAILED)
        return SG_JSON_BAD;
    r->text = (struct sg_span){ .at = NULL };
    c = skip_blanks(r);
    switch ((enum expect)r->expect) {
    case EXPECT_VALUE:
        return take_value(r, c);
    case EXPECT_VALUE_OR_END:
        return c == ']' ? close_level(r) : take_value(r, c);
    case EXPECT_KEY_OR_END:
        return c == '}' ? close_level(r) : take_key(r, c);
    case EXPECT_COLON:
        if (c != ':')
            return bad(r, c < 0 ? "the text ends early" : "no colon behind a key");
        r->pos++;
        return take_value(r, skip_blanks(r));
    case EXPECT_MORE_OR_END:
        return take_more(r, c);
    case EXPECT_NOTHING:
        return c < 0 ? SG_JSON_END : bad(r, "something follows the document");
    case EXPECT_FAILED:
        break;
    }
    return SG_JSON_BAD;
}

bool sg_json_skip(struct sg_json_reader *r, enum sg_json_event begun)
{
    unsigned depth;

    if (begun == SG_JSON_KEY)
        begun = sg_json_next(r);
    if (begun == SG_JSON_OBJECT || begun == SG_JSON_ARRAY) {
        depth = r->depth;
        while (r->depth >= depth) {
            if (sg_json_next(r) == SG_JSON_BAD)
                return false;
        }
    }
    return begun != SG_JSON_BAD;
}

bool sg_json_int(struct sg_span number, int64_t *ret)
{
    char text[24]; /* the longest int64_t has 20 characters */

    if (number.len >= sizeof(text) || number.len == 0)
        return false;
    memcpy(text, number.at, number.len);
    text[number.len] = '\0';
    return strlen(text) == number.len && sg_text_int(text, ret);
}

void sg_json_writer_init(struct sg_json_writer *w, struct sg_buf *out)
{
    w->out = out;
    sg_error_clear(&w->err);
    w->depth = 0;
    w->comma = false;
}

static bool add(struct sg_json_writer *w, const char *bytes, size_t n)
{
    return sg_buf_add(w->out, bytes, n, &w->err);
}

static bool addc(struct sg_json_writer *w, char c)
{
    return sg_buf_addc(w->out, c, &w->err);
}

/* What stands for the n bytes of one character, when they can't stand as they are; else NULL. */
static const char *replacement(const char *at, size_t n, char hex[7])
{
    static const char named[] = "\"\\\b\f\n\r\t";
    static const char *const escapes[] = { "\\\"", "\\\\", "\\b", "\\f", "\\n", "\\r", "\\t" };
    const char *name;

    if (n == 0)
        return "\xef\xbf\xbd"; /* U+FFFD */
    name = *at != '\0' ? strchr(named, *at) : NULL;
    if (name != NULL)
        return escapes[name - named];
    if ((unsigned char)*at >= 0x20)
        return NULL;
    snprintf(hex, 7, "\\u%04x", (unsigned)(unsigned char)*at);
    return hex;
}

static bool add_string(struct sg_json_writer *w, struct sg_span s)
{
    size_t from = 0, at = 0, n;
    const char *other;
    char hex[7];

    if (!addc(w, '"'))
        return false;
    while ((at = pass_plain(s, at)) < s.len) {
        n = sg_text_utf8((struct sg_span){ .at = s.at + at, .len = s.len - at });
        other = replacement(s.at + at, n, hex);
        n = n != 0 ? n : 1;
        if (other != NULL) {
            if (!add(w, s.at + from, at - from) || !add(w, other, strlen(other)))
                return false;
            from = at + n;
        }
        at += n;
    }
    return (from == at || add(w, s.at + from, at - from)) && addc(w, '"');
}

/* What stands before a value: a comma and its key. False after an error. */
static bool before_value(struct sg_json_writer *w, const char *key)
{
    bool in_object = w->depth > 0 && w->close[w->depth - 1] == '}';

    if (w->err.code != SG_ERROR_NONE)
        return false;
    if (!SG_EXPECT(in_object == (key != NULL), &w->err) ||
        !SG_EXPECT(w->depth > 0 || !w->comma, &w->err))
        return false;
    if (w->comma && !addc(w, ','))
        return false;
    w->comma = true;
    return key == NULL || (add_string(w, sg_span_of(key)) && addc(w, ':'));
}

void sg_json_begin(struct sg_json_writer *w, const char *key, char open)
{
    if (!before_value(w, key) || !SG_EXPECT(open == '{' || open == '[', &w->err) ||
        !SG_EXPECT(w->depth < sizeof(w->close), &w->err) || !addc(w, open))
        return;
    w->close[w->depth++] = open == '{' ? '}' : ']';
    w->comma = false;
}

void sg_json_end(struct sg_json_writer *w)
{
    if (w->err.code != SG_ERROR_NONE || !SG_EXPECT(w->depth > 0, &w->err) ||
        !addc(w, w->close[w->depth - 1]))
        return;
    w->depth--;
    w->comma = true;
}

void sg_json_text(struct sg_json_writer *w, const char *key, const char *text)
{
    if (text == NULL)
        sg_json_null(w, key);
    else
        sg_json_span(w, key, sg_span_of(text));
}

void sg_json_span(struct sg_json_writer *w, const char *key, struct sg_span s)
{
    if (before_value(w, key))
        (void)add_string(w, s); /* w->err remembers */
}

static void add_word(struct sg_json_writer *w, const char *key, const char *word)
{
    if (before_value(w, key))
        (void)add(w, word, strlen(word)); /* w->err remembers */
}

void sg_json_i64(struct sg_json_writer *w, const char *key, int64_t v)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", (long long)v);
    add_word(w, key, text);
}

void sg_json_real(struct sg_json_writer *w, const char *key, double v, int decimals)
{
    char text[400]; /* the largest double has 309 digits */
    size_t whole;

    if (!isfinite(v)) {
        sg_json_null(w, key);
        return;
    }
    decimals = decimals < 0 ? 0 : decimals > 17 ? 17 : decimals;
    snprintf(text, sizeof(text), "%.*f", decimals, v);
    whole = strspn(text, "-0123456789");
    if (text[whole] != '\0') { /* the locale's point, which may be a comma or several bytes */
        size_t fraction = strlen(text) - (size_t)decimals;

        text[whole] = '.';
        memmove(text + whole + 1, text + fraction, (size_t)decimals + 1);
    }
    add_word(w, key, text);
}

void sg_json_bool(struct sg_json_writer *w, const char *key, bool v)
{
    add_word(w, key, v ? "true" : "false");
}

void sg_json_null(struct sg_json_writer *w, const char *key)
{
    add_word(w, key, "null");
}

bool sg_json_writer_end(struct sg_json_writer *w, struct sg_error *err)
{
    if (w->err.code == SG_ERROR_NONE && SG_EXPECT(w->depth == 0 && w->comma, &w->err))
        return true;
    *err = w->err;
    return false;
}
