#include "stagegraph/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT     "…"
#define CUT_LEN (sizeof(CUT) - 1)

/* One clause while it is put together: longer than the longest path, small enough for the stack of
 * a worker thread. */
#define CLAUSE_MAX 8192

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Copies all n bytes, or the beginning and the end with "…" between them, never half of a UTF-8
 * sequence (bytes that are no UTF-8 are cut anywhere). */
static void fit(struct sg_error *err, const char *all, size_t n)
{
    size_t room = sizeof(err->text) - 1, head, tail;

    if (n <= room) {
        memcpy(err->text, all, n);
        err->text[n] = '\0';
        return;
    }
    head = (room - CUT_LEN) / 2;
    tail = n - (room - CUT_LEN - head);
    for (int i = 0; i < 3 && is_continuation(all[head]); i++)
        head--;
    for (int i = 0; i < 3 && is_continuation(all[tail]); i++)
        tail++;
    memcpy(err->text, all, head);
    memcpy(err->text + head, CUT, CUT_LEN);
    memcpy(err->text + head + CUT_LEN, all + tail, n - tail);
    err->text[head + CUT_LEN + n - tail] = '\0';
}

/* The formatted clause; its length. One that is longer than ret ends in "…". */
static size_t format_clause(char ret[CLAUSE_MAX], const char *fmt, va_list ap) SG_PRINTF(2, 0);
static size_t format_clause(char ret[CLAUSE_MAX], const char *fmt, va_list ap)
{
    int n = vsnprintf(ret, CLAUSE_MAX, fmt, ap);

    if (n < 0) /* a wide string that can't be converted, or a width beyond INT_MAX */
        n = snprintf(ret, CLAUSE_MAX, "(a message that can't be formatted)");
    if ((size_t)n < CLAUSE_MAX)
        return (size_t)n;
    memcpy(ret + CLAUSE_MAX - 1 - CUT_LEN, CUT, CUT_LEN + 1);
    return CLAUSE_MAX - 1;
}

/* Becomes "front: back"; back may be what err says now. */
static void join(struct sg_error *err, const char *front, size_t n_front, const char *back)
{
    char all[CLAUSE_MAX + sizeof(err->text) + 2];
    size_t n_back = strnlen(back, sizeof(err->text)), n = n_front;

    memcpy(all, front, n_front);
    memcpy(all + n, ": ", 2);
    n += 2;
    memcpy(all + n, back, n_back);
    fit(err, all, n + n_back);
}

bool sg_error_is_shortage(int sys)
{
    return sys == EMFILE || sys == ENFILE || sys == ENOMEM || sys == EAGAIN;
}

bool sg_error_set(struct sg_error *err, enum sg_error_code code, int sys, const char *fmt, ...)
{
    /* Formatted apart, since an argument may be the text that err has now. */
    char clause[CLAUSE_MAX], reason[128];
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = format_clause(clause, fmt, ap);
    va_end(ap);
    if (sys != 0)
        join(err, clause, n, strerror_r(sys, reason, sizeof(reason)));
    else
        fit(err, clause, n);
    if (code == SG_ERROR_NONE)
        err->code = SG_ERROR_BUG;
    else if (sg_error_is_shortage(sys) && code < SG_ERROR_SYSTEM)
        err->code = SG_ERROR_SYSTEM;
    else
        err->code = code;
    err->sys = sys;
    return false;
}

bool sg_error_wrap(struct sg_error *err, const char *fmt, ...)
{
    char clause[CLAUSE_MAX];
    va_list ap;
    size_t n;

    (void)SG_EXPECT(err->code != SG_ERROR_NONE, err); /* what it left in err is wrapped */
    va_start(ap, fmt);
    n = format_clause(clause, fmt, ap);
    va_end(ap);
    join(err, clause, n, err->text);
    return false;
}

void sg_error_clear(struct sg_error *err)
{
    err->code = SG_ERROR_NONE;
    err->sys = 0;
    err->text[0] = '\0';
}

bool sg_error_bug(struct sg_error *err, const char *what, const char *file, int line)
{
    sg_error_set(err, SG_ERROR_BUG, 0, "%s:%d: expected %s", file, line, what);
#ifdef SG_TEST_BUILD
    dprintf(2, "%s\n", err->text);
    abort();
#endif
    return false;
}
