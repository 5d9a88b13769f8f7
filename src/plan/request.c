#include "stagegraph/request.h"

#include <string.h>

#include "stagegraph/json.h"
#include "stagegraph/text.h"

/* The words of section 5, in its order. */
static const char *const names[SG_REASON_COUNT] = {
    [SG_REASON_NONE] = "",
    [SG_REASON_FORCED] = "forced",
    [SG_REASON_INTERRUPTED] = "interrupted",
    [SG_REASON_MISSING] = "missing",
    [SG_REASON_DAMAGED] = "damaged",
    [SG_REASON_CODE] = "code",
    [SG_REASON_COMMAND] = "command",
    [SG_REASON_PARAMS] = "params",
    [SG_REASON_VERSION] = "version",
    [SG_REASON_INPUT] = "input",
    [SG_REASON_UPSTREAM] = "upstream",
};

const char *sg_reason_name(enum sg_reason r)
{
    return (unsigned)r < SG_REASON_COUNT ? names[r] : "";
}

bool sg_reason_parse(const char *name, enum sg_reason *ret)
{
    for (int r = SG_REASON_FORCED; r < SG_REASON_COUNT; r++)
        if (strcmp(name, names[r]) == 0) {
            *ret = (enum sg_reason)r;
            return true;
        }
    return false;
}

static bool bad_reason(const char *word, struct sg_error *err)
{
    const char *near = sg_text_nearest(word, names + 1, SG_REASON_COUNT - 1);

    if (near != NULL)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "%s is no reason (did you mean %s?)", word,
                            near);
    return sg_error_set(err, SG_ERROR_USAGE, 0,
                        "%s is no reason: forced, interrupted, missing, damaged, code, command, "
                        "params, version, input, upstream",
                        word);
}

bool sg_reasons_parse(const char *list, uint32_t *ret_mask, struct sg_error *err)
{
    static const char between[] = ", \t\n";
    uint32_t mask = 0;

    for (const char *at = list + strspn(list, between); *at != '\0'; at += strspn(at, between)) {
        size_t n = strcspn(at, between);
        enum sg_reason r = SG_REASON_NONE;
        char word[64];

        if (n >= sizeof(word))
            return sg_error_set(err, SG_ERROR_USAGE, 0, "%.32s… is no reason", at);
        memcpy(word, at, n);
        word[n] = '\0';
        if (!sg_reason_parse(word, &r))
            return bad_reason(word, err);
        mask |= 1u << r;
        at += n;
    }
    *ret_mask = mask;
    return true;
}

void sg_request_init(struct sg_request *r, int64_t now_s)
{
    memset(r, 0, sizeof(*r));
    r->now_s = now_s;
    r->stale = SG_REASONS_ALL;
}

/* The n-th partition before `index` (n = 0: itself), counting only those that there are. A zone
 * skips single dates, so the walk ends. */
static int64_t step_back(const struct sg_calendar *c, int64_t index, int32_t n)
{
    struct sg_interval i;

    for (;;) {
        bool is = sg_calendar_interval(c, index, &i);

        if (is && n == 0)
            return index;
        if (is)
            n--;
        index--;
    }
}

void sg_request_window(const struct sg_graph *g, const struct sg_request *r,
                       struct sg_interval *ret_range, struct sg_interval *ret_window)
{
    const struct sg_calendar *c = &g->cal;
    int64_t limit = r->now_s - g->delay_s, newest, first;
    struct sg_range life = sg_calendar_meeting(c, g->life);
    struct sg_interval last, i;

    if (c->unit == SG_UNIT_ONCE) {
        *ret_range = *ret_window = (struct sg_interval){ SG_TIME_MIN, SG_TIME_MAX };
        return;
    }
    newest = sg_calendar_index(c, limit);
    if (!sg_calendar_interval(c, newest, &i) || i.end_s > limit)
        newest--;
    if (newest >= life.end)
        newest = life.end - 1;
    newest = step_back(c, newest, 0);
    sg_calendar_interval(c, newest, &last);
    first = r->window > 1 ? step_back(c, newest, r->window - 1) : newest;
    sg_calendar_interval(c, first, &i);
    *ret_window = (struct sg_interval){ i.start_s, last.end_s };
    if (r->lookback > 0)
        sg_calendar_interval(c, step_back(c, first, r->lookback), &i);
    *ret_range = (struct sg_interval){ i.start_s, last.end_s };
}

/* ---- as JSON, for resume: {"now":…,"range":[from,to],"narrow":{"silver":[…]},"window":…,
 * "lookback":…,"only":[…],"upto":[…],"force_all":…,"force":[…],"stale":[…],"with_needs":…,
 * "newest_first":…,"wait":…,"named":[…]}; seconds since 1970, null for an open side; what was not
 * given is left out. */

static void add_interval(struct sg_json_writer *w, const char *key, struct sg_interval i)
{
    sg_json_begin(w, key, '[');
    if (i.start_s == SG_TIME_MIN)
        sg_json_null(w, NULL);
    else
        sg_json_i64(w, NULL, i.start_s);
    if (i.end_s == SG_TIME_MAX)
        sg_json_null(w, NULL);
    else
        sg_json_i64(w, NULL, i.end_s);
    sg_json_end(w);
}

static void add_stages(struct sg_json_writer *w, const struct sg_graph *g, const char *key,
                       const bool *set)
{
    if (set == NULL)
        return;
    sg_json_begin(w, key, '[');
    for (uint32_t i = 0; i < g->n_stages; i++)
        if (set[i])
            sg_json_text(w, NULL, g->stages[i].name);
    sg_json_end(w);
}

static void add_narrow(struct sg_json_writer *w, const struct sg_graph *g,
                       const struct sg_request *r)
{
    if (r->narrow == NULL || r->narrowed == NULL)
        return;
    sg_json_begin(w, "narrow", '{');
    for (uint32_t i = 0; i < g->n_stages; i++)
        if (r->narrowed[i])
            add_interval(w, g->stages[i].name, r->narrow[i]);
    sg_json_end(w);
}

bool sg_request_format(const struct sg_graph *g, const struct sg_request *r, struct sg_buf *out,
                       struct sg_error *err)
{
    struct sg_json_writer w;

    sg_json_writer_init(&w, out);
    sg_json_begin(&w, NULL, '{');
    sg_json_i64(&w, "now", r->now_s);
    if (r->has_range)
        add_interval(&w, "range", r->range);
    add_narrow(&w, g, r);
    if (r->window != 0)
        sg_json_i64(&w, "window", r->window);
    if (r->lookback != 0)
        sg_json_i64(&w, "lookback", r->lookback);
    add_stages(&w, g, "only", r->only);
    add_stages(&w, g, "upto", r->upto);
    if (r->force_all)
        sg_json_bool(&w, "force_all", true);
    add_stages(&w, g, "force", r->force);
    sg_json_begin(&w, "stale", '[');
    for (int i = SG_REASON_FORCED; i < SG_REASON_COUNT; i++)
        if (r->stale & 1u << i)
            sg_json_text(&w, NULL, names[i]);
    sg_json_end(&w);
    if (r->with_needs)
        sg_json_bool(&w, "with_needs", true);
    if (r->newest_first)
        sg_json_bool(&w, "newest_first", true);
    if (r->wait)
        sg_json_bool(&w, "wait", true);
    if (r->n_named != 0)
        sg_json_begin(&w, "named", '[');
    for (uint32_t i = 0; i < r->n_named; i++) {
        char text[SG_NODE_TEXT];

        sg_node_format(sg_graph_stage(g, r->named[i].stage), r->named[i].index, text);
        sg_json_text(&w, NULL, text);
    }
    if (r->n_named != 0)
        sg_json_end(&w);
    sg_json_end(&w);
    return sg_json_writer_end(&w, err);
}

struct request_reader {
    struct sg_json_reader json;
    const struct sg_graph *g;
    struct sg_arena *a;
    struct sg_request *r;
    struct sg_error *err;
};

static bool malformed(struct request_reader *q)
{
    return sg_error_set(q->err, SG_ERROR_SYSTEM, 0, "the request at byte %zu: not as written",
                        q->json.pos);
}

static bool find_stage(struct request_reader *q, const char *name, uint32_t *ret)
{
    const struct sg_stage *s = sg_graph_find_stage(q->g, name);

    if (s == NULL)
        return sg_error_set(q->err, SG_ERROR_USAGE, 0, "the graph no longer has a stage %s", name);
    *ret = s->id.i;
    return true;
}

static bool read_bool(struct request_reader *q, bool *ret)
{
    enum sg_json_event ev = sg_json_next(&q->json);

    if (ev != SG_JSON_TRUE && ev != SG_JSON_FALSE)
        return malformed(q);
    *ret = ev == SG_JSON_TRUE;
    return true;
}

/* A number, or null for what an open side stands for. */
static bool read_int(struct request_reader *q, const int64_t *open, int64_t *ret)
{
    enum sg_json_event ev = sg_json_next(&q->json);

    if (ev == SG_JSON_NULL && open != NULL) {
        *ret = *open;
        return true;
    }
    return (ev == SG_JSON_NUMBER && sg_json_int(q->json.text, ret)) || malformed(q);
}

static bool read_count(struct request_reader *q, int32_t *ret)
{
    int64_t n;

    if (!read_int(q, NULL, &n))
        return false;
    if (n < 0 || n > INT32_MAX)
        return malformed(q);
    *ret = (int32_t)n;
    return true;
}

static bool read_interval(struct request_reader *q, struct sg_interval *ret)
{
    static const int64_t min = SG_TIME_MIN, max = SG_TIME_MAX;

    if (sg_json_next(&q->json) != SG_JSON_ARRAY)
        return malformed(q);
    if (!read_int(q, &min, &ret->start_s) || !read_int(q, &max, &ret->end_s))
        return false;
    return sg_json_next(&q->json) == SG_JSON_ARRAY_END || malformed(q);
}

static bool read_narrow(struct request_reader *q)
{
    enum sg_json_event ev;
    uint32_t i = 0;

    q->r->narrow = SG_ARENA_NEW(q->a, q->g->n_stages, struct sg_interval, q->err);
    q->r->narrowed = SG_ARENA_NEW(q->a, q->g->n_stages, bool, q->err);
    if (q->r->narrow == NULL || q->r->narrowed == NULL)
        return false;
    if (sg_json_next(&q->json) != SG_JSON_OBJECT)
        return malformed(q);
    while ((ev = sg_json_next(&q->json)) == SG_JSON_KEY) {
        if (!find_stage(q, q->json.text.at, &i) || !read_interval(q, &q->r->narrow[i]))
            return false;
        q->r->narrowed[i] = true;
    }
    return ev == SG_JSON_OBJECT_END || malformed(q);
}

/* Calls `one` for each text of an array. */
static bool read_texts(struct request_reader *q,
                       bool (*one)(struct request_reader *q, void *ctx, const char *text),
                       void *ctx)
{
    enum sg_json_event ev;

    if (sg_json_next(&q->json) != SG_JSON_ARRAY)
        return malformed(q);
    while ((ev = sg_json_next(&q->json)) == SG_JSON_STRING)
        if (!one(q, ctx, q->json.text.at))
            return false;
    return ev == SG_JSON_ARRAY_END || malformed(q);
}

static bool one_stage(struct request_reader *q, void *ctx, const char *text)
{
    bool *set = ctx;
    uint32_t i = 0;

    if (!find_stage(q, text, &i))
        return false;
    set[i] = true;
    return true;
}

static bool read_stages(struct request_reader *q, bool **ret)
{
    bool *set = SG_ARENA_NEW(q->a, q->g->n_stages, bool, q->err);

    if (set == NULL || !read_texts(q, one_stage, set))
        return false;
    *ret = set;
    return true;
}

static bool one_reason(struct request_reader *q, void *ctx, const char *text)
{
    uint32_t *mask = ctx;
    enum sg_reason r = SG_REASON_NONE;

    if (!sg_reason_parse(text, &r))
        return bad_reason(text, q->err);
    *mask |= 1u << r;
    return true;
}

static bool one_node(struct request_reader *q, void *ctx, const char *text)
{
    size_t *cap = ctx;
    struct sg_named_node *n;
    const struct sg_stage *s = NULL;
    int64_t index = 0;
    bool whole = false;

    if (!sg_node_parse(q->g, text, &s, &index, &whole, q->err))
        return sg_error_wrap(q->err, "the graph no longer has %s", text);
    if (whole)
        return malformed(q);
    if (!sg_arena_grow(q->a, (void **)&q->r->named, q->r->n_named, cap, sizeof(*n), q->err))
        return false;
    n = &q->r->named[q->r->n_named++];
    n->stage = s->id;
    n->index = index;
    return true;
}

static bool read_key(struct request_reader *q, const char *key)
{
    struct sg_request *r = q->r;
    size_t cap = 0;

    if (strcmp(key, "now") == 0)
        return read_int(q, NULL, &r->now_s);
    if (strcmp(key, "range") == 0) {
        r->has_range = true;
        return read_interval(q, &r->range);
    }
    if (strcmp(key, "narrow") == 0)
        return read_narrow(q);
    if (strcmp(key, "window") == 0)
        return read_count(q, &r->window);
    if (strcmp(key, "lookback") == 0)
        return read_count(q, &r->lookback);
    if (strcmp(key, "only") == 0)
        return read_stages(q, &r->only);
    if (strcmp(key, "upto") == 0)
        return read_stages(q, &r->upto);
    if (strcmp(key, "force_all") == 0)
        return read_bool(q, &r->force_all);
    if (strcmp(key, "force") == 0)
        return read_stages(q, &r->force);
    if (strcmp(key, "stale") == 0) {
        r->stale = 0;
        return read_texts(q, one_reason, &r->stale);
    }
    if (strcmp(key, "with_needs") == 0)
        return read_bool(q, &r->with_needs);
    if (strcmp(key, "newest_first") == 0)
        return read_bool(q, &r->newest_first);
    if (strcmp(key, "wait") == 0)
        return read_bool(q, &r->wait);
    if (strcmp(key, "named") == 0)
        return r->named == NULL ? read_texts(q, one_node, &cap) : malformed(q);
    return sg_json_skip(&q->json, SG_JSON_KEY) || malformed(q); /* a later version's */
}

static bool read_request(struct request_reader *q)
{
    enum sg_json_event ev;
    char key[64];

    if (sg_json_next(&q->json) != SG_JSON_OBJECT)
        return malformed(q);
    while ((ev = sg_json_next(&q->json)) == SG_JSON_KEY) {
        /* The reader's text is gone with the next event. A longer key is none of ours. */
        size_t n = q->json.text.len < sizeof(key) ? q->json.text.len : sizeof(key) - 1;

        memcpy(key, q->json.text.at, n);
        key[n] = '\0';
        if (!read_key(q, key))
            return false;
    }
    if (ev != SG_JSON_OBJECT_END || sg_json_next(&q->json) != SG_JSON_END)
        return malformed(q);
    return true;
}

bool sg_request_parse(const struct sg_graph *g, struct sg_span text, struct sg_arena *a,
                      struct sg_request *ret, struct sg_error *err)
{
    struct sg_request r;
    struct request_reader q = { .g = g, .a = a, .r = &r, .err = err };
    bool ok;

    sg_request_init(&r, 0);
    sg_json_reader_init(&q.json, text);
    ok = read_request(&q);
    sg_json_reader_done(&q.json);
    if (ok)
        *ret = r;
    return ok;
}
