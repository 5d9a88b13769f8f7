/* What holds between stages, and between the graph file and the world: calendars that fit into each
 * other where a stage needs a finer one, and directories and code that are there. */
#include "load.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "stagegraph/clock.h"
#include "stagegraph/code.h"

/* Seconds of a calendar that lies on UTC; 0 for others. */
static int64_t grid_of(const struct sg_calendar *c)
{
    if (c->unit == SG_UNIT_HOUR)
        return 3600;
    return c->unit == SG_UNIT_MINUTES ? c->minutes * INT64_C(60) : 0;
}

/* The first boundary of a day, week or month within [lo, hi] that is off the grid. */
static bool find_misfit(const struct sg_calendar *c, int64_t grid, int64_t lo, int64_t hi,
                        int64_t *ret)
{
    struct sg_zone_span span;
    struct sg_interval i;
    int64_t last;

    for (int64_t t = lo; t <= hi; t = span.end_s) {
        span = sg_zone_span_at(c->zone, t);
        last = hi < span.end_s ? hi : span.end_s - 1;
        /* Midnights of a span are all on the grid or all off it, but for a first one that the
         * change of the clock made. */
        if (span.offset_s % grid != 0 || (span.start_s >= lo && span.start_s % grid != 0)) {
            for (int64_t k = sg_calendar_index(c, t);; k++) {
                (void)sg_calendar_interval(c, k, &i); /* one that never was begins with the next */
                if (i.start_s > last)
                    break;
                if (i.start_s >= t && i.start_s % grid != 0) {
                    *ret = k;
                    return true;
                }
            }
        }
        if (span.end_s == INT64_MAX)
            break;
    }
    return false;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void check_need(struct sg_load *l, const struct sg_stage *s, const struct sg_need *n)
{
    const struct sg_stage *of = &l->g->stages[n->of.i];
    int64_t grid = grid_of(&of->cal), lo, hi, index;
    char node[SG_NODE_TEXT], inside[SG_NODE_TEXT], when[SG_UTC_TEXT];
    unsigned line = sg_load_line(l, s, "needs");
    struct sg_interval i;

    if (n->kind == SG_NEED_LATEST)
        return; /* versions alone are compared */
    if (s->cal.unit == SG_UNIT_MONTH && of->cal.unit == SG_UNIT_WEEK) {
        SG_LOAD_WRONG(l, line, "needs: %s: weeks don't fit into the months of %s", n->text,
                      s->name);
        return;
    }
    if (grid == 0 || s->cal.unit < SG_UNIT_DAY || s->cal.unit == SG_UNIT_ONCE ||
        sg_zone_is_utc(s->cal.zone))
        return;
    lo = later(s->life.start_s, of->life.start_s);
    if (lo == SG_TIME_MIN)
        lo = 0; /* 1970 */
    hi = earlier(earlier(s->life.end_s, of->life.end_s), l->now_s);
    if (!find_misfit(&s->cal, grid, lo, hi, &index))
        return;
    (void)sg_calendar_interval(&s->cal, index, &i);
    sg_node_format(s, index, node);
    sg_node_format(of, sg_calendar_index(&of->cal, i.start_s), inside);
    sg_utc_format_short(i.start_s, when);
    SG_LOAD_WRONG(l, line,
                  "needs: %s: %s begins at %s, inside of %s: give %s a finer partition%s, or the "
                  "graph another timezone",
                  n->text, node, when, inside, of->name,
                  of->cal.unit == SG_UNIT_HOUR && i.start_s % 1800 == 0 ? " (30m)" : "");
}

bool sg_load_check_calendars(struct sg_load *l)
{
    const struct sg_stage *s;

    for (uint32_t i = 0; i < l->g->n_stages; i++) {
        s = &l->g->stages[i];
        for (uint32_t k = 0; k < s->n_needs; k++) {
            if (!l->bad[i] && !l->bad[s->needs[k].of.i])
                check_need(l, s, &s->needs[k]);
        }
    }
    return true;
}

static bool check_code(const struct sg_graph *g, const struct sg_stage *s,
                       struct sg_code_cache *cache, struct sg_diags *diags, struct sg_error *err)
{
    const struct sg_ini_entry *e = sg_ini_entry(g->private_->sections[s->id.i], "code");
    unsigned line = e != NULL ? e->line : s->origin.line;
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_error why;
    struct sg_code_file *files;
    size_t n;
    bool ok = true;

    for (uint32_t i = 0; ok && i < s->n_code; i++) {
        why = (struct sg_error)SG_ERROR_INIT;
        if (sg_code_list(cache, &a, s->workdir, (const char *const *)&s->code[i], 1, &files, &n,
                         &why))
            continue;
        ok = why.code != SG_ERROR_MEMORY;
        if (ok)
            sg_diags_error(diags, s->origin.file, line, "%s", why.text);
        else
            *err = why;
    }
    sg_arena_done(&a);
    return ok;
}

/* False: it is none, and that has been said. */
static bool check_workdir(const struct sg_graph *g, const struct sg_stage *s,
                          struct sg_diags *diags)
{
    const struct sg_ini_entry *e = sg_ini_entry(g->private_->sections[s->id.i], "workdir");
    unsigned line = e != NULL ? e->line : s->origin.line;
    struct stat st;
    int why = stat(s->workdir, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;

    if (why != 0)
        sg_diags_error(diags, s->origin.file, line, "workdir = %s: %s: %s",
                       e != NULL ? e->value : "", s->workdir, strerror(why));
    return why == 0;
}

bool sg_graph_check_files(const struct sg_graph *g, struct sg_code_cache *cache,
                          struct sg_diags *diags, struct sg_error *err)
{
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = &g->stages[i];

        /* without the one, none of the others is there */
        if (!s->is_source && check_workdir(g, s, diags) && !check_code(g, s, cache, diags, err))
            return false;
    }
    return true;
}
