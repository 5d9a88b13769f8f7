/* Text, hashes: what everything else is made of. */
#include <string.h>

#include "stagegraph/hash.h"
#include "stagegraph/json.h"

#include "counts.h"

#define OBJECTS 2000
#define ROUNDS  64
#define KIB     1024

/* Objects like those of events and receipts. */
static void write_json(struct sg_buf *out, struct sg_error *err)
{
    struct sg_json_writer w;

    sg_json_writer_init(&w, out);
    sg_json_begin(&w, NULL, '[');
    for (int i = 0; i < OBJECTS; i++) {
        sg_json_begin(&w, NULL, '{');
        sg_json_text(&w, "node", "silver@2024-01-01T05");
        sg_json_i64(&w, "count", INT64_C(20240101) * i);
        sg_json_real(&w, "seconds", 0.125 * i, 3);
        sg_json_text(&w, "why", "\"caf\xc3\xa9\"\tis not there\n");
        sg_json_bool(&w, "done", i % 2 != 0);
        sg_json_null(&w, "log");
        sg_json_begin(&w, "of", '[');
        sg_json_text(&w, NULL, "bronze@2024-01-01T05");
        sg_json_end(&w);
        sg_json_end(&w);
    }
    sg_json_end(&w);
    must(sg_json_writer_end(&w, err), err);
}

static void write_counted(void *ctx)
{
    struct sg_error err = SG_ERROR_INIT;

    write_json(ctx, &err);
}

uint64_t count_json_written(void)
{
    struct sg_buf text = SG_BUF_INIT;
    uint64_t n;

    counted(write_counted, &text);
    n = text.len;
    sg_buf_done(&text);
    return n;
}

static void read_counted(void *ctx)
{
    const struct sg_buf *text = ctx;
    struct sg_json_reader r;
    enum sg_json_event e;

    sg_json_reader_init(&r, sg_buf_span(text));
    do {
        e = sg_json_next(&r);
    } while (e != SG_JSON_END && e != SG_JSON_BAD);
    must_be(e == SG_JSON_END, "the JSON is well-formed");
    sg_json_reader_done(&r);
}

uint64_t count_json_read(void)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf text = SG_BUF_INIT;
    uint64_t n;

    write_json(&text, &err);
    n = text.len;
    counted(read_counted, &text);
    sg_buf_done(&text);
    return n;
}

static void hash_counted(void *ctx)
{
    struct sg_hash128 h = { 0, 0 };

    for (int i = 0; i < ROUNDS; i++) {
        memcpy(ctx, &h, sizeof(h));
        h = sg_hash128_of(ctx, 4 * KIB);
    }
    must_be(h.hi != 0, "a hash says something");
}

uint64_t count_hash(void)
{
    static char bytes[4 * KIB];

    counted(hash_counted, bytes);
    return UINT64_C(4) * ROUNDS;
}
