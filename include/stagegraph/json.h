/*
 * json: a writer for one-line objects, and a pull reader that checks as it goes.
 *
 * Floor: base. RFC 8259.
 *
 * Reader: the text is borrowed and complete; values come as events; strings are unescaped into the
 * reader's scratch buffer, NUL-terminated, and stay valid until the next event (a \u0000 in a
 * string is a NUL within text.len). Depth is bounded (64), nothing recurses. A malformed text ends
 * with SG_JSON_BAD, and stays there: cut short, invalid UTF-8, half a surrogate pair, control
 * characters and NUL bytes, leading zeros, anything behind the document. Keys that come twice are
 * the caller's business. Commas and colons are consumed with the event behind them.
 *
 *   struct sg_json_reader r;
 *   sg_json_reader_init(&r, span);
 *   while ((ev = sg_json_next(&r)) != SG_JSON_END) { if (ev == SG_JSON_BAD) ...; }
 *   sg_json_reader_done(&r);
 */
#ifndef STAGEGRAPH_JSON_H
#define STAGEGRAPH_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/buf.h"
#include "stagegraph/error.h"

enum sg_json_event {
    SG_JSON_BAD,    /* malformed, too deep, or out of memory: r->why says which */
    SG_JSON_END,    /* the document is over and nothing but blanks follows */
    SG_JSON_OBJECT, /* { */
    SG_JSON_OBJECT_END,
    SG_JSON_ARRAY, /* [ */
    SG_JSON_ARRAY_END,
    SG_JSON_KEY,    /* r->text */
    SG_JSON_STRING, /* r->text */
    SG_JSON_NUMBER, /* r->text as written; sg_json_int() */
    SG_JSON_TRUE,
    SG_JSON_FALSE,
    SG_JSON_NULL
};

struct sg_json_reader {
    struct sg_span in;
    size_t pos; /* bytes consumed: after an event, the offset just behind it; after BAD, near it */
    struct sg_buf scratch;
    struct sg_span text; /* of KEY, STRING, NUMBER; valid until the next event */
    const char *why;     /* static text, after SG_JSON_BAD */
    unsigned depth;
    unsigned char stack[64]; /* private: '{' or '[' a level, and what is expected next */
    unsigned char expect;
};

void sg_json_reader_init(struct sg_json_reader *r, struct sg_span text);
void sg_json_reader_done(struct sg_json_reader *r);
enum sg_json_event sg_json_next(struct sg_json_reader *r);
/* Skips the value that begins with the event just returned (an object or array whole; after KEY the
 * key's value; other events are whole already). False: BAD. */
bool sg_json_skip(struct sg_json_reader *r, enum sg_json_event begun);
/* A number written as an integer that fits (no point, no exponent); ret is untouched else. */
bool sg_json_int(struct sg_span number, int64_t *ret) SG_MUST;

/*
 * Writer: appends one value without blanks to a buffer; commas and colons are its business. Errors
 * stick: the first failed add is remembered and sg_json_writer_end() reports it; the buffer then
 * ends with a part of the value. A key in an array, none in an object, a second value, more than 64
 * levels and an end too many or too few are broken promises (SG_EXPECT). Texts may hold any bytes:
 * what is not UTF-8 is written as U+FFFD, byte by byte.
 *
 *   struct sg_json_writer w;
 *   sg_json_writer_init(&w, &buf);
 *   sg_json_begin(&w, NULL, '{');
 *   sg_json_text(&w, "node", "a@2024-01-01");      key NULL inside arrays
 *   sg_json_end(&w);
 *   if (!sg_json_writer_end(&w, err)) ...
 */
struct sg_json_writer {
    struct sg_buf *out;
    struct sg_error err;
    unsigned depth;
    bool comma;
    char close[64];
};

void sg_json_writer_init(struct sg_json_writer *w, struct sg_buf *out);
void sg_json_begin(struct sg_json_writer *w, const char *key, char open); /* '{' or '[' */
void sg_json_end(struct sg_json_writer *w);
void sg_json_text(struct sg_json_writer *w, const char *key, const char *text); /* NULL: null */
void sg_json_span(struct sg_json_writer *w, const char *key, struct sg_span s);
void sg_json_i64(struct sg_json_writer *w, const char *key, int64_t v);
/* With `decimals` (0 to 17) digits behind the point, in any locale; what is not finite writes null.
 */
void sg_json_real(struct sg_json_writer *w, const char *key, double v, int decimals);
void sg_json_bool(struct sg_json_writer *w, const char *key, bool v);
void sg_json_null(struct sg_json_writer *w, const char *key);
bool sg_json_writer_end(struct sg_json_writer *w, struct sg_error *err) SG_MUST;

#endif
