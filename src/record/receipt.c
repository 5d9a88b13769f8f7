/*
 * The text of a receipt. docs/formats.md, "Receipt", says the same for readers of other languages.
 *
 *   {"stagegraph":1,"node":"silver@2024-01-01T05","state":"done","stamp":"<32 hex>",
 *   "version":"<32 hex>","recipe":"<32 hex>","inputs":[{"need":"bronze","from":"2024-01-01T05",
 *   "count":1,"versions":"<16 hex>"}],"run":"…","attempt":1,"started":"2024-01-01T06:00:12Z",
 *   "seconds":180.5,"host":"…","xxh3":"<16 hex>"}
 *
 * One line without blanks, keys in this order, and a newline. A text is a receipt of a node if and
 * only if
 *
 *   1. it ends with `,"xxh3":"<16 lower-case hex>"}` and nothing or one newline behind it. (A
 * receipt that lost only its newline has lost nothing and is whole.)
 *   2. those digits are XXH3-64 (seed 0) of all bytes before that `,`;
 *   3. it is one JSON object, without a NUL byte, with "stagegraph":1, and with "node" being that
 *      node, "state" one of done, accepted, running, and "stamp", "version", "recipe" 32 hex;
 *   4. "inputs" is an array of objects with need, from, count and versions (16 hex for each of
 *      `count`, or `-` for one that was absent, with nothing between them), or the 32 hex of an
 *      inputs file. Further keys are skipped, here and in the objects.
 *
 * A text that is no receipt is foreign if it is empty, or holds neither `"stagegraph"` nor `"xxh3"`
 * (quotes included) nor a NUL byte and is no beginning of `{"stagegraph"`. Any other is damaged. A
 * changed byte can't hit both words, and a beginning of a receipt has the first or is a beginning
 * of it, so a damaged receipt is never taken for a foreign marker; only one cut to no byte at all
 * is.
 */
#include <assert.h>
#include <string.h>

#include "stagegraph/clock.h"
#include "stagegraph/json.h"
#include "stagegraph/marker.h"

#include "record_impl.h"

#define FIRST_KEY  "{\"stagegraph\""
#define TAIL_KEY   ",\"xxh3\":\""
#define TAIL_LEN   (sizeof(TAIL_KEY) - 1 + 16 + 2)
#define MAX_INPUTS 65536

static const struct {
    const char *text;
    enum sg_marker_kind kind;
} states[] = {
    { "done", SG_MARKER_DONE },
    { "accepted", SG_MARKER_ACCEPTED },
    { "running", SG_MARKER_RUNNING },
};

#define N_STATES (sizeof(states) / sizeof(states[0]))

static bool add_versions(struct sg_buf *b, const struct sg_input *in, struct sg_error *err)
{
    char hex[SG_HASH64_TEXT];

    sg_buf_clear(b);
    for (uint32_t i = 0; i < in->count; i++) {
        sg_hash64_format(in->versions[i], hex);
        if (!sg_buf_adds(b, in->versions[i] != 0 ? hex : "-", err))
            return false;
    }
    return true;
}

static bool write_inputs(struct sg_json_writer *w, const char *key, const struct sg_receipt *r,
                         struct sg_error *err)
{
    struct sg_buf versions = SG_BUF_INIT;
    bool ok = true;

    sg_json_begin(w, key, '[');
    for (uint32_t i = 0; ok && i < r->n_inputs; i++) {
        const struct sg_input *in = &r->inputs[i];

        ok = add_versions(&versions, in, err);
        sg_json_begin(w, NULL, '{');
        sg_json_text(w, "need", in->need);
        sg_json_text(w, "from", in->from != NULL ? in->from : "");
        sg_json_i64(w, "count", in->count);
        sg_json_span(w, "versions", sg_buf_span(&versions));
        sg_json_end(w);
    }
    sg_json_end(w);
    sg_buf_done(&versions);
    return ok;
}

bool sg_receipt_needs_inputs_file(const struct sg_receipt *r)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < r->n_inputs; i++)
        n += r->inputs[i].count;
    return n > SG_RECEIPT_VERSIONS;
}

bool sg_receipt_inputs_text(const struct sg_receipt *r, struct sg_buf *out, struct sg_error *err)
{
    struct sg_json_writer w;
    size_t before = out->len;

    sg_json_writer_init(&w, out);
    if (write_inputs(&w, NULL, r, err) && sg_json_writer_end(&w, err) &&
        sg_buf_addc(out, '\n', err))
        return true;
    sg_record_cut(out, before);
    return false;
}

static bool write_inputs_hash(struct sg_json_writer *w, const struct sg_receipt *r,
                              struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    char hex[SG_HASH128_TEXT];
    bool ok = sg_receipt_inputs_text(r, &text, err);

    if (ok) {
        sg_hash128_format(sg_hash128_of(text.at, text.len), hex);
        sg_json_text(w, "inputs", hex);
    }
    sg_buf_done(&text);
    return ok;
}

static void write_hash(struct sg_json_writer *w, const char *key, struct sg_hash128 h)
{
    char hex[SG_HASH128_TEXT];

    sg_hash128_format(h, hex);
    sg_json_text(w, key, hex);
}

/* The line without its end: all that the checksum covers. */
static bool format_body(const struct sg_receipt *r, struct sg_buf *out, struct sg_error *err)
{
    char started[SG_UTC_TEXT];
    struct sg_json_writer w;
    const char *state = NULL;

    for (size_t i = 0; i < N_STATES; i++) {
        if (states[i].kind == r->state)
            state = states[i].text;
    }
    if (!SG_EXPECT(state != NULL, err))
        return false;
    sg_utc_format(r->started_s, started);
    sg_json_writer_init(&w, out);
    sg_json_begin(&w, NULL, '{');
    sg_json_i64(&w, "stagegraph", 1);
    sg_json_text(&w, "node", r->node);
    sg_json_text(&w, "state", state);
    write_hash(&w, "stamp", r->stamp);
    write_hash(&w, "version", r->version);
    write_hash(&w, "recipe", r->recipe);
    if (!(sg_receipt_needs_inputs_file(r) ? write_inputs_hash(&w, r, err)
                                          : write_inputs(&w, "inputs", r, err)))
        return false;
    sg_json_text(&w, "run", r->run);
    sg_json_i64(&w, "attempt", r->attempt);
    sg_json_text(&w, "started", started);
    sg_json_real(&w, "seconds", r->seconds, 1);
    sg_json_text(&w, "host", r->host);
    sg_json_end(&w);
    if (!sg_json_writer_end(&w, err))
        return false;
    sg_record_cut(out, out->len - 1); /* the brace comes behind the checksum */
    return true;
}

bool sg_receipt_format(const struct sg_receipt *r, struct sg_buf *out, struct sg_error *err)
{
    size_t before = out->len;
    char hex[SG_HASH64_TEXT];

    if (format_body(r, out, err)) {
        sg_hash64_format(sg_hash64_of(out->at + before, out->len - before), hex);
        if (sg_buf_addf(out, err, TAIL_KEY "%s\"}\n", hex))
            return true;
    }
    sg_record_cut(out, before);
    return sg_error_wrap(err, "write the receipt of %s", r->node);
}

/* What is read of a receipt, before it is known to be whole. */
struct draft {
    struct sg_receipt r;
    struct sg_hash128 inputs_file;
    int64_t format;
    bool has_node, has_state, has_stamp, has_version, has_recipe, has_inputs, in_file;
};

/* Versions as hex digits and dashes; *ret NULL where it is not `count` of them. */
static bool parse_versions(struct sg_arena *a, struct sg_span text, int64_t count, uint64_t **ret,
                           struct sg_error *err)
{
    size_t at = 0;
    uint64_t *v;

    *ret = NULL;
    if (count < 0 || (uint64_t)count > text.len)
        return true;
    v = SG_ARENA_NEW(a, (size_t)count, uint64_t, err);
    if (v == NULL)
        return false;
    for (int64_t i = 0; i < count; i++) {
        if (at < text.len && text.at[at] == '-')
            at++; /* 0 */
        else if (text.len - at >= 16 && sg_hash64_parse(text.at + at, 16, &v[i]) && v[i] != 0)
            at += 16;
        else
            return true;
    }
    if (at == text.len)
        *ret = v;
    return true;
}

/* One object of "inputs", its `{` just read. *ret_valid false: it is none. */
static bool parse_input(struct sg_arena *a, struct sg_json_reader *j, struct sg_input *ret,
                        bool *ret_valid, struct sg_error *err)
{
    struct sg_span versions = { .at = NULL };
    const char *need = NULL, *from = NULL;
    enum sg_json_event ev;
    int64_t count = -1;
    uint64_t *v;

    *ret_valid = false;
    while ((ev = sg_json_next(j)) == SG_JSON_KEY) {
        bool is_need = sg_span_is(j->text, "need"), is_from = sg_span_is(j->text, "from");
        bool is_count = sg_span_is(j->text, "count"), is_v = sg_span_is(j->text, "versions");
        char *copy;

        ev = sg_json_next(j);
        if ((is_need || is_from || is_v) && ev == SG_JSON_STRING) {
            copy = sg_arena_copy(a, j->text, err);
            if (copy == NULL)
                return false;
            if (is_need)
                need = copy;
            else if (is_from)
                from = copy;
            else
                versions = (struct sg_span){ .at = copy, .len = j->text.len };
        } else if (is_count && ev == SG_JSON_NUMBER) {
            if (!sg_json_int(j->text, &count) || count > UINT32_MAX)
                return true;
        } else if (is_need || is_from || is_v || is_count || !sg_json_skip(j, ev)) {
            return true;
        }
    }
    if (ev != SG_JSON_OBJECT_END || need == NULL || from == NULL || versions.at == NULL)
        return true;
    if (!parse_versions(a, versions, count, &v, err))
        return false;
    if (v == NULL)
        return true;
    *ret = (struct sg_input){ .need = need, .from = from, .count = (uint32_t)count, .versions = v };
    *ret_valid = true;
    return true;
}

/* The array of inputs, its `[` just read. */
static bool parse_inputs(struct sg_arena *a, struct sg_json_reader *j, struct sg_receipt *r,
                         bool *ret_valid, struct sg_error *err)
{
    struct sg_input *items = NULL;
    enum sg_json_event ev;
    size_t n = 0, cap = 0;
    bool valid = true;

    *ret_valid = false;
    while ((ev = sg_json_next(j)) == SG_JSON_OBJECT) {
        if (n >= MAX_INPUTS)
            return true;
        if (!sg_arena_grow(a, (void **)&items, n, &cap, sizeof(*items), err) ||
            !parse_input(a, j, &items[n], &valid, err))
            return false;
        if (!valid)
            return true;
        n++;
    }
    if (ev != SG_JSON_ARRAY_END)
        return true;
    if (n == 0) /* NULL means that they are in a file */
        items = SG_ARENA_NEW(a, 1, struct sg_input, err);
    if (items == NULL)
        return false;
    r->inputs = items;
    r->n_inputs = (uint32_t)n;
    *ret_valid = true;
    return true;
}

bool sg_receipt_parse_inputs(struct sg_arena *a, struct sg_span text, struct sg_receipt *ret,
                             bool *ret_valid, struct sg_error *err)
{
    struct sg_json_reader j;
    bool ok = true;

    *ret_valid = false;
    sg_json_reader_init(&j, text);
    if (sg_json_next(&j) == SG_JSON_ARRAY)
        ok = parse_inputs(a, &j, ret, ret_valid, err);
    *ret_valid = ok && *ret_valid && sg_json_next(&j) == SG_JSON_END;
    sg_json_reader_done(&j);
    return ok;
}

enum field {
    F_FORMAT,
    F_NODE,
    F_STATE,
    F_STAMP,
    F_VERSION,
    F_RECIPE,
    F_INPUTS,
    F_RUN,
    F_ATTEMPT,
    F_STARTED,
    F_SECONDS,
    F_HOST,
    F_OTHER
};

static enum field field_of(struct sg_span key)
{
    static const char *const names[] = { "stagegraph", "node",    "state",   "stamp",
                                         "version",    "recipe",  "inputs",  "run",
                                         "attempt",    "started", "seconds", "host" };
    size_t i = 0;

    static_assert(sizeof(names) / sizeof(names[0]) == F_OTHER, "a name a field");
    while (i < F_OTHER && !sg_span_is(key, names[i]))
        i++;
    return (enum field)i;
}

/* A text of the receipt: *to gets a copy. */
static bool keep(struct sg_arena *a, struct sg_span text, const char **to, struct sg_error *err)
{
    *to = sg_arena_copy(a, text, err);
    return *to != NULL;
}

static bool parse_string(struct sg_arena *a, enum field f, struct sg_span s, struct draft *d,
                         bool *ret_valid, struct sg_error *err)
{
    *ret_valid = true;
    switch (f) {
    case F_NODE:
        d->has_node = true;
        return keep(a, s, &d->r.node, err);
    case F_RUN:
        return keep(a, s, &d->r.run, err);
    case F_HOST:
        return keep(a, s, &d->r.host, err);
    case F_STATE:
        for (size_t i = 0; i < N_STATES; i++) {
            if (sg_span_is(s, states[i].text)) {
                d->r.state = states[i].kind;
                d->has_state = true;
            }
        }
        *ret_valid = d->has_state;
        return true;
    case F_STAMP:
        *ret_valid = d->has_stamp = sg_hash128_parse(s.at, s.len, &d->r.stamp);
        return true;
    case F_VERSION:
        *ret_valid = d->has_version = sg_hash128_parse(s.at, s.len, &d->r.version);
        return true;
    case F_RECIPE:
        *ret_valid = d->has_recipe = sg_hash128_parse(s.at, s.len, &d->r.recipe);
        return true;
    case F_INPUTS:
        *ret_valid = d->in_file = d->has_inputs = sg_hash128_parse(s.at, s.len, &d->inputs_file);
        return true;
    case F_STARTED:
        *ret_valid = sg_utc_parse(s.at, s.len, &d->r.started_s);
        return true;
    case F_FORMAT:
    case F_ATTEMPT:
    case F_SECONDS:
        *ret_valid = false;
        return true;
    case F_OTHER:
        return true;
    }
    return true;
}

/* Digits and a fraction, as we write it; strtod() would ask the locale for its point. What stands
 * behind them (an exponent) is not read. */
static double real_of(struct sg_span s)
{
    double v = 0, unit = 1;
    size_t i = 0;

    for (; i < s.len && s.at[i] >= '0' && s.at[i] <= '9'; i++)
        v = v * 10 + (s.at[i] - '0');
    if (i < s.len && s.at[i] == '.') {
        for (i++; i < s.len && s.at[i] >= '0' && s.at[i] <= '9'; i++)
            v += (s.at[i] - '0') * (unit /= 10);
    }
    return v;
}

static bool parse_number(enum field f, struct sg_span s, struct draft *d)
{
    int64_t v;

    switch (f) {
    case F_FORMAT:
        return sg_json_int(s, &d->format);
    case F_ATTEMPT:
        if (!sg_json_int(s, &v) || v < 0 || v > UINT32_MAX)
            return false;
        d->r.attempt = (uint32_t)v;
        return true;
    case F_SECONDS:
        d->r.seconds = real_of(s);
        return true;
    case F_NODE:
    case F_STATE:
    case F_STAMP:
    case F_VERSION:
    case F_RECIPE:
    case F_INPUTS:
    case F_RUN:
    case F_STARTED:
    case F_HOST:
        return false;
    case F_OTHER:
        return true;
    }
    return true;
}

/* The whole object. *ret_valid false: it is not JSON, or a field is not what it has to be. */
static bool parse_object(struct sg_arena *a, struct sg_span text, struct draft *d, bool *ret_valid,
                         struct sg_error *err)
{
    struct sg_json_reader j;
    enum sg_json_event ev;
    bool ok = true, valid;

    *ret_valid = false;
    sg_json_reader_init(&j, text);
    valid = sg_json_next(&j) == SG_JSON_OBJECT;
    while (ok && valid && (ev = sg_json_next(&j)) != SG_JSON_OBJECT_END) {
        enum field f;

        if (ev != SG_JSON_KEY) {
            valid = false;
            break;
        }
        f = field_of(j.text);
        ev = sg_json_next(&j);
        if (ev == SG_JSON_STRING) {
            ok = parse_string(a, f, j.text, d, &valid, err);
        } else if (ev == SG_JSON_NUMBER) {
            valid = parse_number(f, j.text, d);
        } else if (f == F_INPUTS && ev == SG_JSON_ARRAY) {
            ok = parse_inputs(a, &j, &d->r, &valid, err);
            d->has_inputs = valid;
        } else {
            /* Texts and numbers that were not known when it was written are null. */
            valid = (f == F_OTHER || (ev == SG_JSON_NULL && f >= F_RUN)) && sg_json_skip(&j, ev);
        }
    }
    *ret_valid = ok && valid && sg_json_next(&j) == SG_JSON_END;
    sg_json_reader_done(&j);
    return ok;
}

/* Whether the text ends as a receipt does and its checksum holds. *ret_len: without a newline. */
static bool is_whole(struct sg_span text, size_t *ret_len)
{
    size_t n = text.len;
    uint64_t sum;

    if (n != 0 && text.at[n - 1] == '\n')
        n--;
    *ret_len = n;
    return n > TAIL_LEN && memcmp(text.at + n - TAIL_LEN, TAIL_KEY, sizeof(TAIL_KEY) - 1) == 0 &&
           memcmp(text.at + n - 2, "\"}", 2) == 0 && sg_hash64_parse(text.at + n - 18, 16, &sum) &&
           sum == sg_hash64_of(text.at, n - TAIL_LEN);
}

static bool holds(struct sg_span text, const char *word)
{
    return text.len != 0 && memmem(text.at, text.len, word, strlen(word)) != NULL;
}

static bool is_foreign(struct sg_span text)
{
    if (text.len == 0)
        return true;
    if (holds(text, "\"stagegraph\"") || holds(text, "\"xxh3\""))
        return false;
    return text.len >= sizeof(FIRST_KEY) || memcmp(text.at, FIRST_KEY, text.len) != 0;
}

/* Why a draft that was read is not the receipt of `node`; NULL: it is. */
static const char *why_not(const struct draft *d, const char *node)
{
    if (d->format != 1)
        return "a receipt of a format that is not known here";
    if (!d->has_node || !d->has_state || !d->has_stamp || !d->has_version || !d->has_recipe ||
        !d->has_inputs)
        return "a receipt that lacks a key";
    if (node != NULL && strcmp(d->r.node, node) != 0)
        return "the receipt of another node";
    return NULL;
}

bool sg_receipt_parse(struct sg_arena *a, struct sg_span text, const char *node,
                      enum sg_marker_kind *ret_kind, struct sg_receipt *ret,
                      struct sg_hash128 *ret_inputs_file, const char **ret_why,
                      struct sg_error *err)
{
    struct sg_arena own = SG_ARENA_INIT;
    struct draft d = { .r = { .run = "", .host = "" } };
    enum sg_marker_kind kind = SG_MARKER_DAMAGED;
    const char *why = NULL;
    bool ok = true, valid;
    size_t n;

    if (text.len > SG_MARKER_LIMIT) {
        why = "longer than a receipt can be";
    } else if (text.len != 0 && memchr(text.at, '\0', text.len) != NULL) {
        why = "a NUL byte in it";
    } else if (is_foreign(text)) {
        kind = SG_MARKER_FOREIGN;
    } else if (!is_whole(text, &n)) {
        why = "its checksum does not fit";
    } else {
        ok = parse_object(a != NULL ? a : &own, (struct sg_span){ .at = text.at, .len = n }, &d,
                          &valid, err);
        why = ok && valid ? why_not(&d, node) : "no receipt's JSON";
        if (why == NULL)
            kind = d.r.state;
    }
    if (ok) {
        *ret_kind = kind;
        if (ret_why != NULL)
            *ret_why = why;
        if (ret != NULL && sg_marker_is_receipt(kind))
            *ret = d.r;
        if (ret_inputs_file != NULL && sg_marker_is_receipt(kind))
            *ret_inputs_file = d.inputs_file;
    }
    sg_arena_done(&own);
    return ok;
}
