#include "stagegraph/text.h"

#include <stdio.h>
#include <string.h>

/* Longer words get no suggestion; the rows below lie on the stack. */
#define WORD_MAX 96
#define ROW      (WORD_MAX + WORD_MAX / 3 + 1)

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many bytes have to be inserted, removed, replaced or swapped with their neighbour, row by row
 * (a row is made of the two before it); n_b < ROW. */
static unsigned distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    unsigned rows[3][ROW], *before = rows[0], *last = rows[1], *row = rows[2], *spare;

    for (size_t j = 0; j <= n_b; j++)
        last[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= n_a; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n_b; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);

            row[j] = least(least(last[j], row[j - 1]) + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y)
                row[j] = least(row[j], before[j - 2] + 1);
        }
        spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[n_b];
}

const char *sg_text_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t len = strlen(word), most = len / 3 > 0 ? len / 3 : 1, best_distance = most + 1;
    const char *best = NULL;

    if (len == 0 || len > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t other = strlen(candidates[i]), d;

        if (other > len + most || other + most < len)
            continue;
        d = distance(word, len, candidates[i], other);
        if (d < best_distance && d < len) { /* d == len: nothing of the word is left */
            best_distance = d;
            best = candidates[i];
        }
    }
    return best;
}

bool sg_text_int(const char *text, int64_t *ret)
{
    bool minus = text[0] == '-';
    const char *p = text + minus;
    int64_t v = 0;

    if (*p == '\0')
        return false;
    for (; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return false;
        /* Downwards for a minus, since the least number has no positive counterpart. */
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, minus ? '0' - *p : *p - '0', &v))
            return false;
    }
    *ret = v;
    return true;
}

bool sg_text_bool(const char *text, bool *ret)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {
        { "yes", true }, { "no", false },  { "true", true }, { "false", false },
        { "on", true },  { "off", false }, { "1", true },    { "0", false },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i].text) == 0) {
            *ret = words[i].value;
            return true;
        }
    }
    return false;
}

size_t sg_text_utf8(struct sg_span s)
{
    const unsigned char *p = (const unsigned char *)s.at;
    unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
    size_t n;

    if (s.len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;
    } else if ((p[0] & 0xf0) == 0xe0) {
        n = 3;
        if (p[0] == 0xe0)
            low = 0xa0; /* below: a longer form than needed */
        else if (p[0] == 0xed)
            high = 0x9f; /* above: surrogates */
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;
        if (p[0] == 0xf0)
            low = 0x90;
        else if (p[0] == 0xf4)
            high = 0x8f; /* above: beyond U+10FFFF */
    } else {
        return 0;
    }
    if (s.len < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

/* A valid sequence that a terminal would take for a command: C0, DEL, and C1 in two bytes. */
static bool is_control(const char *at, size_t n)
{
    unsigned char a = (unsigned char)at[0];

    return (n == 1 && (a < 0x20 || a == 0x7f)) || (n == 2 && a == 0xc2 && (at[1] & 0x60) == 0);
}

static bool add_escaped(struct sg_buf *b, const char *at, size_t n, struct sg_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!sg_buf_addf(b, err, "\\x%02x", (unsigned)(unsigned char)at[i]))
            return false;
    }
    return true;
}

bool sg_text_add_quoted(struct sg_buf *b, struct sg_span s, size_t max, struct sg_error *err)
{
    size_t len = b->len, at = 0, n;
    bool ok = true;

    while (ok && at < s.len) {
        n = sg_text_utf8((struct sg_span){ .at = s.at + at, .len = s.len - at });
        if (at + (n != 0 ? n : 1) > max) {
            ok = sg_buf_adds(b, "…", err);
            break;
        }
        if (n == 0 || is_control(s.at + at, n)) {
            n = n != 0 ? n : 1;
            ok = add_escaped(b, s.at + at, n, err);
        } else {
            ok = sg_buf_add(b, s.at + at, n, err);
        }
        at += n;
    }
    if (!ok && b->at != NULL) {
        b->len = len;
        b->at[len] = '\0';
    }
    return ok;
}

const char *sg_text_signal(int signo)
{
    const char *name = sigabbrev_np(signo);

    return name != NULL ? name : "?";
}

void sg_count_format(int64_t n, char ret[SG_COUNT_TEXT])
{
    char digits[SG_COUNT_TEXT];
    uint64_t v = n < 0 ? -(uint64_t)n : (uint64_t)n;
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);
    char *to = ret;

    if (n < 0)
        *to++ = '-';
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
}

/*
 * Only the last '*' and the last "**" are gone back to. That is enough: whatever an earlier one
 * could take more, the later one can take as well; and a '*' that has met a '/' has no other way,
 * since the '/' behind it in the pattern can only be that one.
 */
bool sg_glob_match(const char *pattern, const char *path)
{
    const char *p = pattern, *s = path, *after;
    const char *star = NULL, *star_s = NULL; /* behind '*', and where what it takes ends */
    const char *deep = NULL, *deep_s = NULL; /* the same of "**" */
    bool deep_dirs = false;                  /* "**" stands alone: it takes whole directories */

    for (;;) {
        if (p[0] == '*' && p[1] == '*') {
            after = p + strspn(p, "*");
            deep_dirs = after - p == 2 && (p == pattern || p[-1] == '/') && *after == '/';
            p = deep_dirs ? after + 1 : after;
            deep = p;
            deep_s = s;
            star = NULL;
        } else if (*p == '*') {
            star = ++p;
            star_s = s;
        } else if (*p == '?' && *s != '\0' && *s != '/') {
            p++;
            s++;
            while ((*s & 0xc0) == 0x80)
                s++;
        } else if (*p == *s && *p != '?') {
            if (*p == '\0')
                return true;
            p++;
            s++;
        } else if (star != NULL && *star_s != '\0' && *star_s != '/') {
            p = star;
            s = ++star_s;
        } else if (deep != NULL) {
            if (deep_dirs)
                deep_s += strcspn(deep_s, "/");
            if (*deep_s == '\0')
                return false;
            p = deep;
            s = ++deep_s;
            star = NULL;
        } else {
            return false;
        }
    }
}
