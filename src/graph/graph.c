#include "stagegraph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "stagegraph/clock.h"
#include "stagegraph/text.h"

void sg_graph_free(struct sg_graph *g)
{
    if (g == NULL)
        return;
    sg_zone_free(g->private_->zone);
    sg_arena_done(&g->private_->arena);
    free(g);
}

const struct sg_stage *sg_graph_find_stage(const struct sg_graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->n_stages; i++) {
        if (strcmp(g->stages[i].name, name) == 0)
            return &g->stages[i];
    }
    return NULL;
}

const struct sg_profile *sg_graph_find_profile(const struct sg_graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->n_profiles; i++) {
        if (strcmp(g->profiles[i].name, name) == 0)
            return &g->profiles[i];
    }
    return NULL;
}

const struct sg_param *sg_graph_find_param(const struct sg_graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->n_params; i++) {
        if (strcmp(g->params[i].name, name) == 0)
            return &g->params[i];
    }
    return NULL;
}

/* The nearest of names that lie `step` bytes apart, each the first field of its struct. */
static const char *nearest(const char *word, const char *const *first, size_t n, size_t step)
{
    const char **names = n > 0 ? calloc(n, sizeof(*names)) : NULL, *near = NULL;

    for (size_t i = 0; names != NULL && i < n; i++)
        memcpy(&names[i], (const char *)first + i * step, sizeof(names[i]));
    if (names != NULL)
        near = sg_text_nearest(word, names, n);
    free(names);
    return near;
}

const char *sg_graph_near_stage(const struct sg_graph *g, const char *name)
{
    return g->n_stages == 0 ? NULL
                            : nearest(name, &g->stages[0].name, g->n_stages, sizeof(g->stages[0]));
}

const char *sg_graph_near_profile(const struct sg_graph *g, const char *name)
{
    return g->n_profiles == 0
               ? NULL
               : nearest(name, &g->profiles[0].name, g->n_profiles, sizeof(g->profiles[0]));
}

bool sg_stage_has_batches(const struct sg_stage *s)
{
    const int64_t day = 86400;
    int64_t two = 0; /* seconds: the shortest that two partitions are */

    switch (s->cal.unit) {
    case SG_UNIT_ONCE:
        return false;
    case SG_UNIT_MINUTES:
        two = 2 * s->cal.minutes * INT64_C(60);
        break;
    case SG_UNIT_HOUR:
        two = 2 * INT64_C(3600);
        break;
    case SG_UNIT_DAY:
        two = 2 * day;
        break;
    case SG_UNIT_WEEK:
        two = 14 * day;
        break;
    case SG_UNIT_MONTH:
        two = 59 * day;
        break;
    }
    return !s->is_source && (s->batch_s != 0 ? s->batch_s >= two : s->batch_count > 1);
}

void sg_node_format(const struct sg_stage *s, int64_t index, char ret[SG_NODE_TEXT])
{
    char *at = stpncpy(ret, s->name, SG_NODE_TEXT - SG_LABEL_TEXT - 2);

    *at = '\0';
    if (s->cal.unit == SG_UNIT_ONCE)
        return;
    *at++ = '@';
    sg_calendar_label(&s->cal, index, at);
}

/* How a label of this calendar looks. */
static const char *example_of(const struct sg_calendar *c)
{
    static const char *const examples[] = {
        [SG_UNIT_MINUTES] = "2024-01-01T0515", [SG_UNIT_HOUR] = "2024-01-01T05",
        [SG_UNIT_DAY] = "2024-01-01",          [SG_UNIT_WEEK] = "2024-W03",
        [SG_UNIT_MONTH] = "2024-01",           [SG_UNIT_ONCE] = "",
    };

    return examples[c->unit];
}

static bool check_exists(const struct sg_stage *s, int64_t index, const char *text,
                         struct sg_error *err)
{
    char when[SG_UTC_TEXT];
    bool early = index < s->exists.first;

    if (!early && index < s->exists.end)
        return true;
    sg_utc_format_short(early ? s->life.start_s : s->life.end_s, when);
    return sg_error_set(err, SG_ERROR_USAGE, 0, "%s: %s %s at %s", text, s->name,
                        early ? "starts" : "ends", when);
}

bool sg_node_parse(const struct sg_graph *g, const char *text, const struct sg_stage **ret_stage,
                   int64_t *ret_index, bool *ret_whole, struct sg_error *err)
{
    const char *at = strchrnul(text, '@'), *near;
    const struct sg_stage *s;
    char name[SG_NODE_TEXT];
    size_t len = (size_t)(at - text);
    int64_t index = 0;

    snprintf(name, sizeof(name), "%.*s", len < sizeof(name) ? (int)len : (int)sizeof(name) - 1,
             text);
    s = sg_graph_find_stage(g, name);
    if (s == NULL) {
        near = sg_graph_near_stage(g, name);
        return sg_error_set(err, SG_ERROR_USAGE, 0, "there is no stage %s%s%s%s%s", name,
                            near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                            near != NULL ? at : "", near != NULL ? "?" : "");
    }
    if (*at == '\0' && s->cal.unit != SG_UNIT_ONCE) {
        *ret_stage = s;
        *ret_whole = true;
        return true;
    }
    if (*at != '\0' && !sg_calendar_parse_label(&s->cal, at + 1, &index)) {
        if (s->cal.unit == SG_UNIT_ONCE)
            return sg_error_set(err, SG_ERROR_USAGE, 0,
                                "%s: %s has no partitions, write its name alone", text, s->name);
        return sg_error_set(err, SG_ERROR_USAGE, 0, "%s: no partition of %s (they look like %s@%s)",
                            text, s->name, s->name, example_of(&s->cal));
    }
    if (!check_exists(s, index, text, err))
        return false;
    *ret_stage = s;
    *ret_index = index;
    *ret_whole = false;
    return true;
}
