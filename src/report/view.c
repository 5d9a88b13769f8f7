#include "stagegraph/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "stagegraph/text.h"

struct pool_time {
    double *s;   /* by pool */
    double sum;  /* of all jobs */
    double most; /* a bound that one job, pool or exclusive stage sets */
    const struct sg_usual_source *usual;
    const struct sg_graph *graph;
    const struct sg_stage *stage; /* of `stage_s` */
    double stage_s;
    bool known, unknown;
};

void sg_usual_format(double seconds, char ret[SG_DURATION_TEXT])
{
    sg_duration_format(seconds, seconds < 9.95, ret);
}

static void at_least(struct pool_time *t, double s)
{
    if (s > t->most)
        t->most = s;
}

static bool add_group(void *ctx, const struct sg_plan_group *g)
{
    struct pool_time *t = ctx;
    double one = sg_usual_of(t->usual, g->stage).median_s, s = one * g->count;
    const struct sg_pool *pool;

    if (isnan(one)) {
        t->unknown = true;
        return true;
    }
    t->known = true;
    t->sum += s;
    at_least(t, g->jobs > 0 ? s / g->jobs : s);
    if (t->stage != g->stage)
        t->stage_s = 0;
    t->stage = g->stage;
    t->stage_s += s;
    if (g->stage->exclusive)
        at_least(t, t->stage_s);
    if (g->stage->pool < t->graph->n_pools) {
        pool = &t->graph->pools[g->stage->pool];
        t->s[g->stage->pool] += s;
        if (pool->size > 0)
            at_least(t, t->s[g->stage->pool] / pool->size);
    }
    return true;
}

double sg_view_estimate(const struct sg_view *v, const struct sg_usual_source *u, int32_t jobs,
                        bool *ret_partial)
{
    struct pool_time t = { .usual = u, .graph = v->graph };

    *ret_partial = false;
    t.s = calloc(v->graph->n_pools + 1, sizeof(*t.s));
    if (t.s == NULL)
        return NAN; /* an estimate less, on a machine without memory */
    (void)v->groups(v->of, SG_VERDICT_RUN, add_group, &t); /* it never stops early */
    free(t.s);
    if (!t.known)
        return NAN;
    *ret_partial = t.unknown;
    if (jobs <= 1) /* in whatever order */
        return t.sum;
    if (v->play != NULL) {
        double played = v->play(v->of, u, jobs);

        if (!isnan(played))
            return played;
    }
    at_least(&t, t.sum / jobs);
    return t.most;
}

static void two_texts(const char *first, const char *last, bool one, char ret[SG_RANGE_TEXT])
{
    if (one)
        snprintf(ret, SG_RANGE_TEXT, "%.40s", first);
    else
        snprintf(ret, SG_RANGE_TEXT, "%.40s … %.40s", first, last);
}

static bool is_whole_days(const struct sg_zone *z, struct sg_interval i)
{
    bool first, end;

    return sg_zone_day_start(z, sg_zone_day_of(z, i.start_s), &first) == i.start_s &&
           sg_zone_day_start(z, sg_zone_day_of(z, i.end_s), &end) == i.end_s;
}

static void add_count(const struct sg_calendar *c, int64_t n, char ret[SG_RANGE_TEXT])
{
    static const char *const words[] = {
        [SG_UNIT_MINUTES] = "partition", [SG_UNIT_HOUR] = "hour",   [SG_UNIT_DAY] = "day",
        [SG_UNIT_WEEK] = "week",         [SG_UNIT_MONTH] = "month", [SG_UNIT_ONCE] = NULL,
    };
    char head[SG_RANGE_TEXT], count[SG_COUNT_TEXT];

    if (words[c->unit] == NULL)
        return;
    snprintf(head, sizeof(head), "%s", ret);
    sg_count_format(n, count);
    snprintf(ret, SG_RANGE_TEXT, "%.90s (%s %s%s)", head, count, words[c->unit], n == 1 ? "" : "s");
}

void sg_view_range_format(const struct sg_view *v, struct sg_interval i, bool with_count,
                          char ret[SG_RANGE_TEXT])
{
    const struct sg_calendar *c = &v->graph->cal;
    struct sg_calendar day = { .unit = SG_UNIT_DAY, .zone = v->graph->zone };
    char first[SG_LABEL_TEXT], last[SG_LABEL_TEXT];
    struct sg_range r = sg_calendar_meeting(c, i);

    ret[0] = '\0';
    if (i.start_s >= i.end_s || i.start_s == SG_TIME_MIN || i.end_s == SG_TIME_MAX)
        return;
    if (sg_range_count(r) == 1 && c->unit != SG_UNIT_ONCE && !with_count) {
        sg_view_partitions_format(&(struct sg_stage){ .cal = *c }, r.first, r.first, ret);
    } else if ((c->unit <= SG_UNIT_DAY || c->unit == SG_UNIT_ONCE) &&
               is_whole_days(v->graph->zone, i)) {
        int64_t from = sg_zone_day_of(v->graph->zone, i.start_s);
        int64_t to = sg_zone_day_of(v->graph->zone, i.end_s - 1);

        sg_calendar_label(&day, from, first);
        sg_calendar_label(&day, to, last);
        two_texts(first, last, from == to, ret);
    } else if (c->unit != SG_UNIT_ONCE) {
        sg_calendar_label(c, r.first, first);
        sg_calendar_label(c, r.end - 1, last);
        two_texts(first, last, sg_range_count(r) == 1, ret);
    }
    if (with_count && ret[0] != '\0')
        add_count(c, sg_range_count(r), ret);
}

void sg_view_partitions_format(const struct sg_stage *s, int64_t first, int64_t last,
                               char ret[SG_RANGE_TEXT])
{
    char from[SG_LABEL_TEXT], to[SG_LABEL_TEXT];

    sg_calendar_label(&s->cal, first, from);
    sg_calendar_label(&s->cal, last, to);
    two_texts(from[0] != '\0' ? from : "-", to, first == last, ret);
}
