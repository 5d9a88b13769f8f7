/*
 * Answers of WebHDFS. What is small is parsed as a whole; a listing as it comes, since one of
 * 100,000 entries is 24 MB of text. Unknown fields are skipped, since each release of Hadoop has
 * more of them; of a key that comes twice the last one counts.
 */
#include <string.h>

#include "stagegraph/json.h"

#include "webhdfs_impl.h"

#define ELEMENT_LIMIT ((size_t)256 << 10)
#define FRAME_LIMIT   ((size_t)64 << 20)

static bool bad_json(const struct sg_json_reader *r, struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_STORE, 0, "the answer is no JSON, or was cut: %s",
                        r->why != NULL ? r->why : "something is missing");
}

void wh_entry(const struct wh_status *st, struct sg_entry *ret)
{
    *ret = (struct sg_entry){
        .kind = st->kind,
        .ident = { .id = st->file_id,
                   .len = st->kind == SG_ENTRY_DIR ? 0 : st->len,
                   .mtime_ns = st->mtime_ms * SG_NS_PER_MS,
                   .ctime_ns = st->kind == SG_ENTRY_DIR ? st->children : 0 },
    };
}

/* ---- one value ---- */

/* Only the way is entered, all else skipped: so a key deeper than what was met lies on it. */
bool wh_json_find(struct sg_span text, const char *const *keys, size_t n, struct sg_buf *ret,
                  bool *ret_found, struct sg_error *err)
{
    struct sg_json_reader r;
    enum sg_json_event ev;
    size_t met = 0;
    bool found = false, ok = true;

    sg_json_reader_init(&r, text);
    while (ok && (ev = sg_json_next(&r)) != SG_JSON_END) {
        switch (ev) {
        case SG_JSON_BAD:
            ok = bad_json(&r, err);
            break;
        case SG_JSON_KEY:
            if (met < n && !found && r.depth > met && sg_span_is(r.text, keys[met]))
                met++;
            else if (!sg_json_skip(&r, ev))
                ok = bad_json(&r, err);
            break;
        case SG_JSON_STRING:
        case SG_JSON_NUMBER:
        case SG_JSON_TRUE:
        case SG_JSON_FALSE:
            if (met != n || found)
                break;
            found = true;
            if (ev == SG_JSON_STRING || ev == SG_JSON_NUMBER)
                ok = sg_buf_add(ret, r.text.at, r.text.len, err);
            else
                ok = sg_buf_adds(ret, ev == SG_JSON_TRUE ? "true" : "false", err);
            break;
        case SG_JSON_OBJECT:
        case SG_JSON_ARRAY:
        case SG_JSON_OBJECT_END:
        case SG_JSON_ARRAY_END:
        case SG_JSON_NULL:
        case SG_JSON_END:
            break;
        }
    }
    sg_json_reader_done(&r);
    if (ok)
        *ret_found = found;
    return ok;
}

/* One element of XAttrs, whose '{' was just read. */
static bool read_attribute(struct sg_json_reader *r, const char *name, struct sg_buf *ret,
                           bool *found, struct sg_error *err)
{
    struct sg_buf value = SG_BUF_INIT;
    enum sg_json_event ev;
    bool ok = true, named = false;

    while (ok && (ev = sg_json_next(r)) == SG_JSON_KEY) {
        bool is_name = sg_span_is(r->text, "name"), is_value = sg_span_is(r->text, "value");

        if (!is_name && !is_value) {
            ok = sg_json_skip(r, ev) || bad_json(r, err);
            continue;
        }
        ok = sg_json_next(r) == SG_JSON_STRING || bad_json(r, err);
        if (ok && is_name)
            named = sg_span_is(r->text, name);
        else if (ok)
            ok = sg_buf_add(&value, r->text.at, r->text.len, err);
    }
    ok = ok && (ev == SG_JSON_OBJECT_END || bad_json(r, err));
    if (ok && named && !*found) {
        *found = true;
        ok = sg_buf_add(ret, value.at, value.len, err);
    }
    sg_buf_done(&value);
    return ok;
}

bool wh_json_attribute(struct sg_span text, const char *name, struct sg_buf *ret, bool *ret_found,
                       struct sg_error *err)
{
    struct sg_json_reader r;
    enum sg_json_event ev = SG_JSON_BAD;
    bool found = false, ok;

    sg_json_reader_init(&r, text);
    ok = (sg_json_next(&r) == SG_JSON_OBJECT && sg_json_next(&r) == SG_JSON_KEY &&
          sg_span_is(r.text, "XAttrs") && sg_json_next(&r) == SG_JSON_ARRAY) ||
         bad_json(&r, err);
    while (ok && (ev = sg_json_next(&r)) == SG_JSON_OBJECT)
        ok = read_attribute(&r, name, ret, &found, err);
    if (ok && (ev != SG_JSON_ARRAY_END || sg_json_next(&r) != SG_JSON_OBJECT_END ||
               sg_json_next(&r) != SG_JSON_END))
        ok = bad_json(&r, err);
    sg_json_reader_done(&r);
    if (ok)
        *ret_found = found;
    return ok;
}

/* ---- a status object ---- */

struct field {
    const char *name;
    bool number;
};

enum { F_TYPE, F_NAME, F_ID, F_LEN, F_MTIME, F_CHILDREN, F_ENCRYPTED, N_FIELDS };

static const struct field fields[N_FIELDS] = {
    [F_TYPE] = { "type", false },
    [F_NAME] = { "pathSuffix", false },
    [F_ID] = { "fileId", true },
    [F_LEN] = { "length", true },
    [F_MTIME] = { "modificationTime", true },
    [F_CHILDREN] = { "childrenNum", true },
    [F_ENCRYPTED] = { "encBit", false },
};

static enum sg_entry_kind kind_of(struct sg_span type)
{
    if (sg_span_is(type, "FILE"))
        return SG_ENTRY_FILE;
    return sg_span_is(type, "DIRECTORY") ? SG_ENTRY_DIR : SG_ENTRY_OTHER;
}

/* One field's value, just read. */
static bool take_field(struct wh_status *st, int field, enum sg_json_event ev, struct sg_span text,
                       struct sg_buf *name, struct sg_error *err)
{
    int64_t v = 0;

    if (field == F_ENCRYPTED) {
        st->encrypted = ev == SG_JSON_TRUE;
        return true;
    }
    if (fields[field].number ? ev != SG_JSON_NUMBER || !sg_json_int(text, &v) || v < 0
                             : ev != SG_JSON_STRING)
        return sg_error_set(err, SG_ERROR_STORE, 0, "\"%s\" of a status is not what it should be",
                            fields[field].name);
    switch (field) {
    case F_TYPE:
        st->kind = kind_of(text);
        break;
    case F_NAME:
        if (text.len != 0 && memchr(text.at, '\0', text.len) != NULL)
            return sg_error_set(err, SG_ERROR_STORE, 0, "a NUL byte in a name");
        sg_buf_clear(name);
        return sg_buf_add(name, text.at, text.len, err);
    case F_ID:
        st->file_id = (uint64_t)v;
        break;
    case F_LEN:
        st->len = v;
        break;
    case F_MTIME:
        st->mtime_ms = v;
        break;
    default:
        st->children = v;
        break;
    }
    return true;
}

/* The fields of an object whose '{' was just read. ret->name is in `name`. */
static bool read_status(struct sg_json_reader *r, struct wh_status *ret, struct sg_buf *name,
                        struct sg_error *err)
{
    struct wh_status st = { .kind = SG_ENTRY_ABSENT };
    enum sg_json_event ev;
    unsigned met = 0;

    sg_buf_clear(name);
    while ((ev = sg_json_next(r)) == SG_JSON_KEY) {
        int field = 0;

        while (field < N_FIELDS && !sg_span_is(r->text, fields[field].name))
            field++;
        if (field == N_FIELDS) {
            if (!sg_json_skip(r, ev))
                return bad_json(r, err);
            continue;
        }
        ev = sg_json_next(r);
        if (ev == SG_JSON_BAD)
            return bad_json(r, err);
        if (!take_field(&st, field, ev, r->text, name, err))
            return false;
        met |= 1U << field;
    }
    if (ev != SG_JSON_OBJECT_END)
        return bad_json(r, err);
    /* childrenNum is an addition of later releases, encBit is there where it is true */
    for (int field = F_TYPE; field <= F_MTIME; field++) {
        if ((met & 1U << field) == 0)
            return sg_error_set(err, SG_ERROR_STORE, 0, "a status without \"%s\"",
                                fields[field].name);
    }
    st.name = (struct sg_span){ .at = sg_buf_text(name), .len = name->len };
    *ret = st;
    return true;
}

bool wh_json_status(struct sg_span text, struct wh_status *ret, struct sg_error *err)
{
    struct sg_buf name = SG_BUF_INIT;
    struct sg_json_reader r;
    enum sg_json_event ev;
    bool found = false, ok;

    sg_json_reader_init(&r, text);
    ok = sg_json_next(&r) == SG_JSON_OBJECT || bad_json(&r, err);
    while (ok && (ev = sg_json_next(&r)) == SG_JSON_KEY) {
        if (sg_span_is(r.text, "FileStatus") && !found) {
            found = true;
            ok = (sg_json_next(&r) == SG_JSON_OBJECT || bad_json(&r, err)) &&
                 read_status(&r, ret, &name, err);
        } else if (!sg_json_skip(&r, ev)) {
            ok = bad_json(&r, err);
        }
    }
    if (ok && sg_json_next(&r) != SG_JSON_END)
        ok = bad_json(&r, err);
    if (ok && !found)
        ok = sg_error_set(err, SG_ERROR_STORE, 0, "the answer has no FileStatus");
    if (ok)
        ret->name = (struct sg_span){ .at = "", .len = 0 };
    sg_buf_done(&name);
    sg_json_reader_done(&r);
    return ok;
}

/* ---- a listing ---- */

void wh_listing_init(struct wh_listing *l)
{
    *l = (struct wh_listing){ .frame.limit = FRAME_LIMIT, .element.limit = ELEMENT_LIMIT };
}

void wh_listing_done(struct wh_listing *l)
{
    sg_arena_done(&l->arena);
    sg_buf_done(&l->frame);
    sg_buf_done(&l->element);
}

void wh_listing_again(void *ctx)
{
    struct wh_listing *l = ctx;
    const bool page = l->page;

    wh_listing_done(l);
    wh_listing_init(l);
    l->page = page;
}

static bool keep_element(struct wh_listing *l)
{
    struct sg_buf name = SG_BUF_INIT;
    struct sg_json_reader r;
    struct wh_status st;
    bool ok;

    sg_json_reader_init(&r, sg_buf_span(&l->element));
    ok = (sg_json_next(&r) == SG_JSON_OBJECT || bad_json(&r, &l->err)) &&
         read_status(&r, &st, &name, &l->err) &&
         (sg_json_next(&r) == SG_JSON_END || bad_json(&r, &l->err)) &&
         sg_arena_grow(&l->arena, (void **)&l->at, l->n, &l->cap, sizeof(*l->at), &l->err);
    if (ok) {
        st.name.at = sg_arena_copy(&l->arena, st.name, &l->err);
        ok = st.name.at != NULL;
    }
    if (ok)
        l->at[l->n++] = st;
    sg_json_reader_done(&r);
    sg_buf_done(&name);
    sg_buf_clear(&l->element);
    return ok && sg_buf_addc(&l->frame, '0', &l->err); /* stands for it in the frame */
}

/* Within a string, up to its end or that of the piece: how many of n bytes belong to it. */
static size_t pass_string(struct wh_listing *l, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (l->escape)
            l->escape = false;
        else if (bytes[i] == '\\')
            l->escape = true;
        else if (bytes[i] == '"') {
            l->string = false;
            return i + 1;
        }
    }
    return n;
}

/* An object directly in an array of the third depth is an element: {"FileStatuses":{"FileStatus":[
 * (of a page of the fifth). wh_listing_end() sees whether it was that array. */
static bool opens_element(const struct wh_listing *l, char c)
{
    size_t n = l->frame.len;

    if (c != '{' || l->depth != (l->page ? 5 : 3))
        return false;
    while (n != 0 && strchr(" \t\r\n", l->frame.at[n - 1]) != NULL)
        n--;
    return n != 0 && (l->frame.at[n - 1] == '[' || l->frame.at[n - 1] == ',');
}

/* One byte outside strings. */
static bool pass_byte(struct wh_listing *l, char c)
{
    bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';

    l->string = c == '"';
    if (l->inside == 0 && !opens_element(l, c)) {
        l->depth += opens;
        l->depth -= closes && l->depth != 0;
        return sg_buf_addc(&l->frame, c, &l->err);
    }
    l->inside += opens;
    l->inside -= closes;
    return sg_buf_addc(&l->element, c, &l->err) && (l->inside != 0 || keep_element(l));
}

bool wh_listing_body(void *ctx, const char *bytes, size_t n)
{
    struct wh_listing *l = ctx;
    size_t i = 0, m;

    while (i < n && !l->failed) {
        if (!l->string) {
            l->failed = !pass_byte(l, bytes[i++]);
            continue;
        }
        m = pass_string(l, bytes + i, n - i);
        l->failed = !sg_buf_add(l->inside != 0 ? &l->element : &l->frame, bytes + i, m, &l->err);
        i += m;
    }
    return true; /* what the answer is, HTML perhaps, is told by its head, at its end */
}

/* The array in the frame: a 0 for each element. */
static bool count_elements(struct sg_json_reader *r, size_t *ret, struct sg_error *err)
{
    enum sg_json_event ev = sg_json_next(r);
    size_t n = 0;

    if (ev != SG_JSON_ARRAY)
        return bad_json(r, err);
    while ((ev = sg_json_next(r)) == SG_JSON_NUMBER)
        n++;
    *ret = n;
    return ev == SG_JSON_ARRAY_END ? true : bad_json(r, err);
}

static const char *const whole_way[] = { "FileStatuses", "FileStatus" };
static const char *const page_way[] = { "DirectoryListing", "partialListing", "FileStatuses",
                                        "FileStatus" };

struct frame_judge {
    struct sg_json_reader r;
    const char *const *way;
    size_t n_way;
    unsigned met;       /* a bit a key of the way: of two of one name only the first is entered */
    size_t n;           /* elements */
    int64_t *remaining; /* NULL: it is no page */
};

/* The value of a key of the way, number `at`: the next object, or the array itself. */
static bool judge_step(struct frame_judge *j, size_t at, struct sg_error *err)
{
    j->met |= 1U << at;
    if (at + 1 == j->n_way)
        return count_elements(&j->r, &j->n, err);
    return sg_json_next(&j->r) == SG_JSON_OBJECT || bad_json(&j->r, err);
}

static bool judge_key(struct frame_judge *j, size_t at, struct sg_error *err)
{
    if (at < j->n_way && (j->met & 1U << at) == 0 && sg_span_is(j->r.text, j->way[at]))
        return judge_step(j, at, err);
    if (j->remaining != NULL && at == 1 && sg_span_is(j->r.text, "remainingEntries"))
        return (sg_json_next(&j->r) == SG_JSON_NUMBER && sg_json_int(j->r.text, j->remaining) &&
                *j->remaining >= 0) ||
               bad_json(&j->r, err);
    return sg_json_skip(&j->r, SG_JSON_KEY) || bad_json(&j->r, err);
}

/* A key on level d belongs to the object that the way's first d - 1 keys led to. */
static bool judge_frame(struct frame_judge *j, const struct wh_listing *l, struct sg_error *err)
{
    enum sg_json_event ev;

    if (sg_json_next(&j->r) != SG_JSON_OBJECT)
        return bad_json(&j->r, err);
    while ((ev = sg_json_next(&j->r)) == SG_JSON_KEY || ev == SG_JSON_OBJECT_END)
        if (ev == SG_JSON_KEY && !judge_key(j, j->r.depth - 1, err))
            return false;
    if (ev != SG_JSON_END)
        return bad_json(&j->r, err);
    if ((j->met & 1U << (j->n_way - 1)) == 0 || j->n != l->n ||
        (j->remaining != NULL && *j->remaining < 0))
        return sg_error_set(err, SG_ERROR_STORE, 0, "the answer is no listing");
    return true;
}

bool wh_listing_end(struct wh_listing *l, struct sg_error *err)
{
    struct frame_judge j = { .way = whole_way, .n_way = 2 };
    bool ok;

    if (l->failed) {
        *err = l->err;
        return false;
    }
    if (l->inside != 0)
        return sg_error_set(err, SG_ERROR_STORE, 0, "the answer was cut");
    if (l->page) {
        l->remaining = -1;
        j = (struct frame_judge){ .way = page_way, .n_way = 4, .remaining = &l->remaining };
    }
    sg_json_reader_init(&j.r, sg_buf_span(&l->frame));
    ok = judge_frame(&j, l, err);
    sg_json_reader_done(&j.r);
    return ok;
}
