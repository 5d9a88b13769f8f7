#include "stagegraph/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP ((size_t)64)

void sg_buf_done(struct sg_buf *b)
{
    free(b->at);
    b->at = NULL;
    b->len = b->cap = 0;
}

void sg_buf_clear(struct sg_buf *b)
{
    b->len = 0;
    if (b->at != NULL)
        b->at[0] = '\0';
}

/* The slow half of sg_buf_reserve: there is not yet room for `more` bytes and a NUL. */
static bool grow(struct sg_buf *b, size_t more, struct sg_error *err)
{
    size_t limit = b->limit != 0 ? b->limit : SG_BUF_LIMIT, need, cap;
    char *at;

    if (limit > PTRDIFF_MAX - 1)
        limit = PTRDIFF_MAX - 1;
    if (b->len > limit || more > limit - b->len)
        return sg_error_set(err, SG_ERROR_LIMIT, 0, "more than %zu bytes", limit);
    need = b->len + more + 1;
    cap = b->cap < FIRST_CAP ? FIRST_CAP : b->cap;
    while (cap < need)
        cap *= 2; /* need <= PTRDIFF_MAX, so this stays below SIZE_MAX */
    if (cap > limit + 1)
        cap = limit + 1;
    at = realloc(b->at, cap);
    if (at == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for %zu bytes", cap);
    at[b->len] = '\0';
    b->at = at;
    b->cap = cap;
    return true;
}

static inline bool reserve(struct sg_buf *b, size_t more, struct sg_error *err)
{
    /* the byte left over is for the NUL */
    return __builtin_expect(more < b->cap - b->len, true) || grow(b, more, err);
}

bool sg_buf_reserve(struct sg_buf *b, size_t more, struct sg_error *err)
{
    return reserve(b, more, err);
}

bool sg_buf_add(struct sg_buf *b, const void *bytes, size_t n, struct sg_error *err)
{
    if (!reserve(b, n, err))
        return false;
    if (n != 0)
        memcpy(b->at + b->len, bytes, n);
    b->len += n;
    b->at[b->len] = '\0';
    return true;
}

bool sg_buf_adds(struct sg_buf *b, const char *text, struct sg_error *err)
{
    return sg_buf_add(b, text, strlen(text), err);
}

bool sg_buf_addc(struct sg_buf *b, char c, struct sg_error *err)
{
    if (!reserve(b, 1, err))
        return false;
    b->at[b->len++] = c;
    b->at[b->len] = '\0';
    return true;
}

bool sg_buf_addf(struct sg_buf *b, struct sg_error *err, const char *fmt, ...)
{
    va_list ap;
    bool ok;

    va_start(ap, fmt);
    ok = sg_buf_addfv(b, err, fmt, ap);
    va_end(ap);
    return ok;
}

bool sg_buf_addfv(struct sg_buf *b, struct sg_error *err, const char *fmt, va_list ap)
{
    size_t room = b->cap - b->len;
    va_list again;
    bool ok = false;
    int n;

    va_copy(again, ap);
    n = vsnprintf(room != 0 ? b->at + b->len : NULL, room, fmt, ap);
    if (n < 0) {
        sg_error_set(err, SG_ERROR_SYSTEM, errno, "format");
        goto done;
    }
    if ((size_t)n >= room) {
        if (!sg_buf_reserve(b, (size_t)n, err))
            goto done;
        vsnprintf(b->at + b->len, (size_t)n + 1, fmt, again);
    }
    b->len += (size_t)n;
    ok = true;
done:
    va_end(again);
    if (!ok && b->at != NULL)
        b->at[b->len] = '\0'; /* the first try wrote what fitted */
    return ok;
}

const char *sg_buf_text(const struct sg_buf *b)
{
    return b->at != NULL ? b->at : "";
}

struct sg_span sg_buf_span(const struct sg_buf *b)
{
    return (struct sg_span){ .at = b->at, .len = b->len };
}

char *sg_buf_move(struct sg_buf *b)
{
    char *at = b->at;

    b->at = NULL;
    b->len = b->cap = 0;
    return at;
}

struct sg_span sg_span_of(const char *text)
{
    return (struct sg_span){ .at = text, .len = text != NULL ? strlen(text) : 0 };
}

bool sg_span_is(struct sg_span s, const char *text)
{
    size_t n = strlen(text);

    return s.len == n && (n == 0 || memcmp(s.at, text, n) == 0);
}
