/*
 * plans: JSON as pairs of path and value, and the document of `plan --json` as lines.
 */
#include "fixture_impl.h"

#include <stdlib.h>

#include "stagegraph/json.h"

static void add(struct e2e *t, struct e2e_doc *d, const char *path, const char *value)
{
    struct e2e_pair *grown;

    if ((d->n & (d->n - 1)) == 0) { /* full at the powers of two */
        grown = realloc(d->pairs, (d->n == 0 ? 1 : d->n * 2) * sizeof(*grown));
        if (grown == NULL)
            fail_msg("out of memory");
        /* It has moved: the garbage list must know its place of now. */
        for (size_t i = 0; i < t->n_garbage; i++)
            if (t->garbage[i] == d->pairs && d->pairs != NULL)
                t->garbage[i] = NULL;
        d->pairs = e2e_keep(t, grown);
    }
    d->pairs[d->n].path = e2e_text(t, "%s", path);
    d->pairs[d->n++].value = e2e_text(t, "%s", value);
}

struct level {
    size_t len; /* of the path before this level's part */
    bool array;
    unsigned i;
};

struct e2e_doc *e2e_json(struct e2e *t, const char *text)
{
    struct e2e_doc *d = e2e_keep(t, calloc(1, sizeof(*d)));
    struct level stack[72] = { { .len = 0 } };
    struct sg_json_reader r;
    enum sg_json_event ev;
    char path[1024] = "";
    unsigned depth = 0;

    sg_json_reader_init(&r, sg_span_of(text));
    while ((ev = sg_json_next(&r)) != SG_JSON_END) {
        struct level *l = &stack[depth];
        const char *value = NULL;

        if (ev == SG_JSON_BAD) {
            e2e_tell("---- got\n%s\n---- which is no JSON at byte %zu: %s\n", text, r.pos, r.why);
            fail();
            break;
        }
        if (ev == SG_JSON_OBJECT_END || ev == SG_JSON_ARRAY_END) {
            depth--;
            path[stack[depth].len] = '\0';
            continue;
        }
        if (ev == SG_JSON_KEY) {
            (void)snprintf(path + l->len, sizeof(path) - l->len, "%s%s", l->len == 0 ? "" : ".",
                           r.text.at);
            continue;
        }
        if (l->array)
            (void)snprintf(path + l->len, sizeof(path) - l->len, "[%u]", l->i++);
        if (ev == SG_JSON_STRING || ev == SG_JSON_NUMBER)
            value = r.text.at;
        else if (ev == SG_JSON_TRUE || ev == SG_JSON_FALSE)
            value = ev == SG_JSON_TRUE ? "true" : "false";
        else if (ev == SG_JSON_NULL)
            value = "null";
        else
            value = ev == SG_JSON_OBJECT ? "{}" : "[]";
        add(t, d, path, value);
        if (ev == SG_JSON_OBJECT || ev == SG_JSON_ARRAY) {
            if (++depth == 72)
                fail_msg("too deep");
            stack[depth] = (struct level){ .len = strlen(path), .array = ev == SG_JSON_ARRAY };
        } else {
            path[l->len] = '\0';
        }
    }
    sg_json_reader_done(&r);
    return d;
}

const char *e2e_get(const struct e2e_doc *d, const char *fmt, ...)
{
    char path[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->pairs[i].path, path) == 0)
            return d->pairs[i].value;
    return NULL;
}

/* "stage first..last", shorter where there is only one or it has no label. */
static char *members(struct e2e *t, const struct e2e_doc *d, const char *list, unsigned i)
{
    const char *stage = e2e_get(d, "%s[%u].stage", list, i);
    const char *first = e2e_get(d, "%s[%u].first", list, i);
    const char *last = e2e_get(d, "%s[%u].last", list, i);

    if (stage == NULL || first == NULL || last == NULL)
        fail_msg("%s[%u] lacks its stage, first or last", list, i);
    if (strcmp(first, "null") == 0)
        return e2e_text(t, "%s", stage);
    if (strcmp(first, last) == 0)
        return e2e_text(t, "%s %s", stage, first);
    return e2e_text(t, "%s %s..%s", stage, first, last);
}

static const char *must(const struct e2e_doc *d, const char *list, unsigned i, const char *key)
{
    const char *value = e2e_get(d, "%s[%u].%s", list, i, key);

    if (value == NULL)
        fail_msg("%s[%u] lacks %s", list, i, key);
    return value;
}

char *e2e_plan_text(struct e2e *t, const struct e2e_doc *d)
{
    char *text = e2e_text(t, "%s", "");

    for (unsigned i = 0; e2e_get(d, "groups[%u]", i) != NULL; i++) {
        const char *detail = must(d, "groups", i, "detail");

        if (strcmp(detail, "null") == 0)
            detail = "";
        text = e2e_text(t, "%s%s %s/%s %s%s%s\n", text, members(t, d, "groups", i),
                        must(d, "groups", i, "count"), must(d, "groups", i, "jobs"),
                        must(d, "groups", i, "reason"), *detail == '\0' ? "" : " ", detail);
    }
    for (unsigned i = 0; e2e_get(d, "blocked[%u]", i) != NULL; i++) {
        text = e2e_text(t, "%sblocked %s %s %s:", text, members(t, d, "blocked", i),
                        must(d, "blocked", i, "count"), must(d, "blocked", i, "reason"));
        for (unsigned j = 0; e2e_get(d, "blocked[%u].lacks[%u]", i, j) != NULL; j++)
            text = e2e_text(t, "%s %s", text, e2e_get(d, "blocked[%u].lacks[%u]", i, j));
        text = e2e_text(t, "%s\n", text);
    }
    for (unsigned i = 0; e2e_get(d, "busy[%u]", i) != NULL; i++)
        text = e2e_text(t, "%sbusy %s %s\n", text, members(t, d, "busy", i),
                        must(d, "busy", i, "count"));
    return text;
}

void e2e_plan_is_at(struct e2e *t, const char *args, const char *lines, const char *file, int line)
{
    e2e_run_at(t, file, line, 0, "plan --json %s", args);
    e2e_looks_at(e2e_plan_text(t, e2e_json(t, t->out)), lines, file, line);
}
