/*
 * buf: bytes that grow, and spans, bytes that somebody else owns.
 *
 * Floor: base. docs/design.md, "Memory".
 *
 *   struct sg_buf b = SG_BUF_INIT;
 *   if (!sg_buf_addf(&b, err, "%s/%s", dir, name)) ...
 *   use(sg_buf_text(&b));       NUL-terminated always, also when empty
 *   sg_buf_done(&b);
 *
 * A buffer has a limit (SG_BUF_LIMIT unless set), the most bytes that it holds, the NUL not
 * counted: beyond it an add fails with code limit, so bad input can't eat the machine. Where memory
 * is lacking, it fails with code memory. A failed add leaves the contents as they were. What is
 * added must not lie in the buffer itself, which may move.
 */
#ifndef STAGEGRAPH_BUF_H
#define STAGEGRAPH_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/error.h"

#define SG_BUF_LIMIT ((size_t)256 << 20)

struct sg_span {
    const char *at; /* borrowed; may be NULL when len is 0 */
    size_t len;
};

struct sg_buf {
    char *at; /* owned; NULL until the first add */
    size_t len, cap;
    size_t limit; /* 0: SG_BUF_LIMIT */
};

#define SG_BUF_INIT                                                                                \
    {                                                                                              \
        .at = NULL                                                                                 \
    }

void sg_buf_done(struct sg_buf *b);  /* frees; may be used again, the limit stays */
void sg_buf_clear(struct sg_buf *b); /* len = 0, keeps the memory */

/* Room for `more` bytes and a NUL; the contents don't change. */
bool sg_buf_reserve(struct sg_buf *b, size_t more, struct sg_error *err) SG_MUST;
bool sg_buf_add(struct sg_buf *b, const void *bytes, size_t n, struct sg_error *err) SG_MUST;
bool sg_buf_adds(struct sg_buf *b, const char *text, struct sg_error *err) SG_MUST;
bool sg_buf_addc(struct sg_buf *b, char c, struct sg_error *err) SG_MUST;
bool sg_buf_addf(struct sg_buf *b, struct sg_error *err, const char *fmt, ...) SG_MUST
    SG_PRINTF(3, 4);
bool sg_buf_addfv(struct sg_buf *b, struct sg_error *err, const char *fmt, va_list ap) SG_MUST
    SG_PRINTF(3, 0);

/* The contents as text, valid until the next change; "" when nothing was added. */
const char *sg_buf_text(const struct sg_buf *b);
/* The same as a span; its `at` may be NULL when nothing was added. */
struct sg_span sg_buf_span(const struct sg_buf *b);
/* The memory changes its owner: the caller frees it with free(); b is empty afterwards. NULL only
 * when nothing was ever added. */
char *sg_buf_move(struct sg_buf *b);

struct sg_span sg_span_of(const char *text); /* text may be NULL: an empty span */
bool sg_span_is(struct sg_span s, const char *text);

#endif
