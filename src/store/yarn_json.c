/*
 * Answers of the ResourceManager. Unknown fields are skipped; of a key that comes twice in an
 * object (they do) the last one counts.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stagegraph/json.h"
#include "stagegraph/text.h"

#include "yarn_rm.h"

#define LENGTH(list) (sizeof(list) / sizeof((list)[0]))

static bool bad_json(const struct sg_json_reader *r, struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_STORE, 0, "the answer is no JSON, or was cut: %s",
                        r->why != NULL ? r->why : "something is missing");
}

/* A field of an object that is text or a number. */
struct field {
    const char *key;
    const char **text; /* or */
    int64_t *number;   /* or */
    double *real;
};

static bool take(const struct field *f, enum sg_json_event ev, struct sg_span text,
                 struct sg_arena *a, struct sg_error *err)
{
    if (f->text != NULL && (ev == SG_JSON_STRING || ev == SG_JSON_NUMBER)) {
        *f->text = sg_arena_copy(a, text, err);
        return *f->text != NULL;
    }
    if (f->number != NULL && ev == SG_JSON_NUMBER)
        (void)!sg_json_int(text, f->number); /* with a point it is not told */
    if (f->real != NULL && ev == SG_JSON_NUMBER)
        *f->real = strtod(text.at, NULL);
    return true;
}

/* The rest of an object whose '{' was just read. */
static bool read_fields(struct sg_json_reader *r, const struct field *fields, size_t n,
                        struct sg_arena *a, struct sg_error *err)
{
    enum sg_json_event ev;

    while ((ev = sg_json_next(r)) == SG_JSON_KEY) {
        size_t i = 0;

        while (i < n && !sg_span_is(r->text, fields[i].key))
            i++;
        if (i == n) {
            if (!sg_json_skip(r, ev))
                return bad_json(r, err);
            continue;
        }
        ev = sg_json_next(r);
        if (ev == SG_JSON_BAD)
            return bad_json(r, err);
        if (!take(&fields[i], ev, r->text, a, err))
            return false;
        if ((ev == SG_JSON_OBJECT || ev == SG_JSON_ARRAY) && !sg_json_skip(r, ev))
            return bad_json(r, err);
    }
    return ev == SG_JSON_OBJECT_END || bad_json(r, err);
}

/* ---- applications ---- */

/* In a list with commas; YARN has lower-cased it. */
static bool has_tag(const char *tags, const char *tag)
{
    size_t n = strlen(tag);

    for (const char *at = tags;; at++) {
        size_t len = strcspn(at, ",");

        if (len == n && strncasecmp(at, tag, n) == 0)
            return true;
        at += len;
        if (*at == '\0')
            return false;
    }
}

/* What is none of these may yet do something. */
static bool is_over(const char *state)
{
    return strcmp(state, "FINISHED") == 0 || strcmp(state, "FAILED") == 0 ||
           strcmp(state, "KILLED") == 0;
}

/* Where a list of applications should be. Always false. */
static bool no_list(const struct sg_json_reader *r, enum sg_json_event ev, struct sg_error *err)
{
    if (ev == SG_JSON_BAD || ev == SG_JSON_END)
        return bad_json(r, err);
    return sg_error_set(err, SG_ERROR_STORE, 0, "the answer is no list of applications");
}

static bool read_app(struct sg_json_reader *r, const char *tag, struct sg_yarn_apps *ret,
                     struct sg_error *err)
{
    struct sg_yarn_app app = { .id = "",
                               .name = "",
                               .user = "",
                               .queue = "",
                               .state = "",
                               .final_status = "",
                               .tracking_url = "",
                               .diagnostics = "" };
    const char *tags = "";
    const struct field fields[] = {
        { .key = "id", .text = &app.id },
        { .key = "name", .text = &app.name },
        { .key = "user", .text = &app.user },
        { .key = "queue", .text = &app.queue },
        { .key = "state", .text = &app.state },
        { .key = "finalStatus", .text = &app.final_status },
        { .key = "trackingUrl", .text = &app.tracking_url },
        { .key = "diagnostics", .text = &app.diagnostics },
        { .key = "applicationTags", .text = &tags },
    };

    if (!read_fields(r, fields, LENGTH(fields), &ret->arena, err))
        return false;
    if (!has_tag(tags, tag))
        return true;
    if (app.id[0] == '\0' || app.state[0] == '\0')
        return sg_error_set(err, SG_ERROR_STORE, 0, "an application without id or state");
    app.alive = !is_over(app.state);
    if (!sg_arena_grow(&ret->arena, (void **)&ret->at, ret->n, &ret->cap, sizeof(app), err))
        return false;
    ret->at[ret->n++] = app;
    return true;
}

/* Of an object whose '{' was just read: its "app". */
static bool read_apps(struct sg_json_reader *r, const char *tag, struct sg_yarn_apps *ret,
                      struct sg_error *err)
{
    enum sg_json_event ev;

    while ((ev = sg_json_next(r)) == SG_JSON_KEY) {
        if (!sg_span_is(r->text, "app")) {
            if (!sg_json_skip(r, ev))
                return bad_json(r, err);
            continue;
        }
        ev = sg_json_next(r);
        if (ev == SG_JSON_OBJECT) { /* one alone, as some gateways write it */
            if (!read_app(r, tag, ret, err))
                return false;
        } else if (ev == SG_JSON_ARRAY) {
            while ((ev = sg_json_next(r)) == SG_JSON_OBJECT)
                if (!read_app(r, tag, ret, err))
                    return false;
            if (ev != SG_JSON_ARRAY_END)
                return no_list(r, ev, err);
        } else if (ev != SG_JSON_NULL) {
            return no_list(r, ev, err);
        }
    }
    return ev == SG_JSON_OBJECT_END || bad_json(r, err);
}

/*
 * {"apps":{"app":[…]}}; without one {"apps":{}}, null or "", by version and gateway, or {}. That
 * none is alive is believed of these alone: any other JSON is no answer to what was asked.
 */
bool yarn_json_apps(struct sg_span text, const char *tag, struct sg_yarn_apps *ret,
                    struct sg_error *err)
{
    struct sg_json_reader r;
    enum sg_json_event ev;
    bool ok = true, told = false, others = false;

    sg_json_reader_init(&r, text);
    ev = sg_json_next(&r);
    if (ev != SG_JSON_OBJECT)
        ok = no_list(&r, ev, err);
    while (ok && (ev = sg_json_next(&r)) == SG_JSON_KEY) {
        told = told || sg_span_is(r.text, "apps");
        if (!sg_span_is(r.text, "apps")) {
            others = true;
            ok = sg_json_skip(&r, ev) || bad_json(&r, err);
            continue;
        }
        ev = sg_json_next(&r);
        if (ev == SG_JSON_OBJECT)
            ok = read_apps(&r, tag, ret, err);
        else if (ev != SG_JSON_NULL && (ev != SG_JSON_STRING || r.text.len > 0))
            ok = no_list(&r, ev, err);
    }
    if (ok) /* a cut answer is none */
        ok = (ev == SG_JSON_OBJECT_END && sg_json_next(&r) == SG_JSON_END) || bad_json(&r, err);
    if (ok && others && !told)
        ok = no_list(&r, ev, err);
    sg_json_reader_done(&r);
    return ok;
}

/* ---- the cluster ---- */

/* The fields of the document's object of that key. */
static bool read_one(struct sg_span text, const char *key, const struct field *fields, size_t n,
                     struct sg_arena *a, struct sg_error *err)
{
    struct sg_json_reader r;
    enum sg_json_event ev;
    bool ok = true;

    sg_json_reader_init(&r, text);
    ev = sg_json_next(&r);
    if (ev == SG_JSON_OBJECT)
        while (ok && (ev = sg_json_next(&r)) == SG_JSON_KEY && !sg_span_is(r.text, key))
            ok = sg_json_skip(&r, ev);
    if (ok && ev == SG_JSON_KEY)
        ev = sg_json_next(&r);
    if (!ok || ev == SG_JSON_BAD || ev == SG_JSON_END)
        ok = bad_json(&r, err);
    else
        ok = (ev == SG_JSON_OBJECT || sg_error_set(err, SG_ERROR_STORE, 0, "no %s in it", key)) &&
             read_fields(&r, fields, n, a, err);
    sg_json_reader_done(&r);
    return ok;
}

bool yarn_json_info(struct sg_span text, struct sg_arena *a, struct sg_yarn_manager *ret,
                    struct sg_error *err)
{
    const struct field fields[] = {
        { .key = "state", .text = &ret->state },
        { .key = "haState", .text = &ret->ha },
        { .key = "resourceManagerVersion", .text = &ret->version },
    };

    return read_one(text, "clusterInfo", fields, LENGTH(fields), a, err);
}

bool yarn_json_metrics(struct sg_span text, struct sg_yarn_cluster *ret, struct sg_error *err)
{
    const struct field fields[] = {
        { .key = "availableMB", .number = &ret->free_mb },
        { .key = "totalMB", .number = &ret->total_mb },
        { .key = "availableVirtualCores", .number = &ret->free_cores },
        { .key = "totalVirtualCores", .number = &ret->total_cores },
        { .key = "activeNodes", .number = &ret->nodes },
        { .key = "lostNodes", .number = &ret->lost_nodes },
        { .key = "appsRunning", .number = &ret->running },
        { .key = "appsPending", .number = &ret->pending },
    };

    return read_one(text, "clusterMetrics", fields, LENGTH(fields), &ret->arena, err);
}

/* An object that may turn out to be a queue, and whether one lies in it. */
struct level {
    struct sg_yarn_queue queue;
    bool has_queues;
};

static void open_level(struct level *l)
{
    *l = (struct level){
        .queue = { .state = "", .capacity = (double)NAN, .used = (double)NAN, .pending = -1 }
    };
}

static bool read_level(struct sg_json_reader *r, struct level *l, struct sg_arena *a,
                       struct sg_error *err, enum sg_json_event *ev)
{
    const struct field fields[] = {
        { .key = "queueName", .text = &l->queue.name },
        { .key = "state", .text = &l->queue.state },
        { .key = "absoluteCapacity", .real = &l->queue.capacity },
        { .key = "usedCapacity", .real = &l->queue.used },
        { .key = "numPendingApplications", .number = &l->queue.pending },
    };

    for (size_t i = 0; i < LENGTH(fields); i++) {
        if (!sg_span_is(r->text, fields[i].key))
            continue;
        *ev = sg_json_next(r);
        return take(&fields[i], *ev, r->text, a, err);
    }
    *ev = sg_json_next(r);
    return true;
}

/* levels[depth] has just been closed. */
static bool close_level(struct level *levels, unsigned depth, struct sg_yarn_cluster *ret,
                        struct sg_error *err)
{
    const struct level *l = &levels[depth];

    if (l->queue.name == NULL)
        return true;
    for (unsigned i = 0; i < depth; i++)
        levels[i].has_queues = true;
    if (l->has_queues)
        return true;
    if (!sg_arena_grow(&ret->arena, (void **)&ret->queues, ret->n_queues, &ret->cap_queues,
                       sizeof(l->queue), err))
        return false;
    ret->queues[ret->n_queues++] = l->queue;
    return true;
}

bool yarn_json_queues(struct sg_span text, struct sg_yarn_cluster *ret, struct sg_error *err)
{
    struct sg_json_reader r;
    struct level levels[sizeof(r.stack) + 1];
    enum sg_json_event ev;
    bool ok = true;

    sg_json_reader_init(&r, text);
    open_level(&levels[0]);
    for (ev = sg_json_next(&r); ok && ev != SG_JSON_END;) {
        if (ev == SG_JSON_BAD) {
            ok = bad_json(&r, err);
        } else if (ev == SG_JSON_KEY) {
            ok = read_level(&r, &levels[r.depth], &ret->arena, err, &ev);
            continue;
        } else if (ev == SG_JSON_OBJECT || ev == SG_JSON_ARRAY) {
            open_level(&levels[r.depth]);
        } else if (ev == SG_JSON_OBJECT_END) {
            ok = close_level(levels, r.depth + 1, ret, err);
        }
        ev = sg_json_next(&r);
    }
    sg_json_reader_done(&r);
    return ok;
}

void yarn_json_message(struct sg_span text, char *ret, size_t size)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_buf quoted = SG_BUF_INIT;
    struct sg_error ignored = SG_ERROR_INIT;
    const char *message = "";
    const struct field fields[] = { { .key = "message", .text = &message } };

    ret[0] = '\0';
    if (read_one(text, "RemoteException", fields, LENGTH(fields), &a, &ignored) &&
        sg_text_add_quoted(&quoted, (struct sg_span){ message, strcspn(message, "\r\n") }, size / 2,
                           &ignored))
        (void)snprintf(ret, size, "%s", sg_buf_text(&quoted)); /* for people */
    sg_buf_done(&quoted);
    sg_arena_done(&a);
}
