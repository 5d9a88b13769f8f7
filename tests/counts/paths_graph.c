/* The graph file, calendars, edges, paths. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/calendar.h"
#include "stagegraph/ini.h"

#include "counts.h"

#define STAGES 200
#define DAYS   3653

static void parse_text(void *ctx)
{
    const struct sg_buf *text = ctx;
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_ini ini = { .n = 0 };

    must(sg_ini_parse(&a, "g.ini", sg_buf_span(text), &ini, &diags, &err), &err);
    must_be(ini.n == STAGES + 3 && diags.n == 0, "the text is well-formed");
    sg_diags_done(&diags);
    sg_arena_done(&a);
}

uint64_t count_graph_text(void)
{
    struct sg_buf text = SG_BUF_INIT;
    uint64_t n;

    counts_wide_graph(&text, STAGES);
    n = text.len;
    counted(parse_text, &text);
    sg_buf_done(&text);
    return n;
}

static void open_file(void *ctx)
{
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_graph *g;

    must(sg_graph_open(ctx, "2013-02-01", &g, &diags, &err), &err);
    must(sg_graph_configure(g, NULL, NULL, 0, NULL, 0, false, &diags, &err), &err);
    must_be(g->n_stages == STAGES && diags.n == 0, "the graph is in order");
    sg_graph_free(g);
    sg_diags_done(&diags);
}

/* Reading, checking and freeing all of it. */
uint64_t count_graph_file(void)
{
    struct counts_world w;
    struct sg_buf text = SG_BUF_INIT;
    char file[80];

    counts_wide_graph(&text, STAGES);
    counts_world_open(&w, sg_buf_text(&text), counts_after(24));
    snprintf(file, sizeof(file), "%s/again.ini", w.dir);
    counts_write(file, sg_buf_text(&text));
    counted(open_file, file);
    must_be(unlink(file) == 0, file);
    counts_world_close(&w);
    sg_buf_done(&text);
    return STAGES;
}

struct range {
    struct sg_calendar cal;
    int64_t first;
    uint32_t n;
};

/* To its interval and back, to its label and back. */
static void go_through(void *ctx)
{
    const struct range *r = ctx;

    for (int64_t x = r->first; x < r->first + r->n; x++) {
        struct sg_interval i;
        char label[SG_LABEL_TEXT];
        int64_t again = 0;

        must_be(sg_calendar_interval(&r->cal, x, &i), "the date was");
        must_be(sg_calendar_index(&r->cal, i.start_s) == x, "an interval is of its partition");
        sg_calendar_label(&r->cal, x, label);
        must_be(sg_calendar_parse_label(&r->cal, label, &again) && again == x,
                "a label is of its partition");
    }
}

static uint64_t count_calendar(const char *name, const char *zone, uint32_t n)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_zone *z;
    struct range r = { .n = n };

    must(sg_zone_open(zone, NULL, &z, &err), &err);
    must_be(sg_calendar_parse(name, z, &r.cal), name);
    r.first = sg_calendar_index(&r.cal, counts_after(0));
    counted(go_through, &r);
    sg_zone_free(z);
    return n;
}

uint64_t count_hours(void)
{
    return count_calendar("hour", "UTC", COUNTS_HOURS);
}

uint64_t count_days(void)
{
    return count_calendar("day", "America/New_York", DAYS);
}

/* Both ways of every edge. */
static void walk_edges(void *ctx)
{
    const struct counts_world *w = ctx;
    const struct sg_graph *g = w->graph;
    int64_t due_end[3], needs = 0, users = 0;

    sg_graph_due(g, w->request.now_s, due_end);
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = &g->stages[i];

        for (uint32_t k = 0; k < s->n_needs; k++)
            for (int64_t x = s->exists.first; x < due_end[i]; x++)
                needs += sg_range_count(sg_need_range(g, s, &s->needs[k], x, due_end));
        for (uint32_t k = 0; k < s->n_needs; k++)
            for (int64_t x = s->exists.first; x < due_end[s->needs[k].of.i]; x++)
                users += sg_range_count(sg_need_users(g, s, &s->needs[k], x, due_end));
    }
    /* users that are not due yet count too: those of the last day */
    must_be(needs > 26 * (COUNTS_HOURS - 24) && users > needs, "each node has its edges");
}

uint64_t count_needs(void)
{
    struct counts_world w;
    struct sg_buf text = SG_BUF_INIT;

    counts_graph(&text, "bronze silver@-1", "silver@-23..0", "");
    counts_world_open(&w, sg_buf_text(&text), counts_after(COUNTS_HOURS));
    counted(walk_edges, &w);
    counts_world_close(&w);
    sg_buf_done(&text);
    return UINT64_C(3) * COUNTS_HOURS;
}

static void write_output_paths(void *ctx)
{
    const struct counts_world *w = ctx;
    const struct sg_stage *s = &w->graph->stages[1];
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf path = SG_BUF_INIT;

    for (int64_t x = s->exists.first; x < s->exists.first + COUNTS_HOURS; x++) {
        sg_buf_clear(&path);
        must(sg_stage_path(w->graph, s, x, &path, &err), &err);
    }
    must_be(path.len == strlen("silver/dt=2013-01-01/hr=00"), "it is the path of an hour");
    sg_buf_done(&path);
}

uint64_t count_output_path(void)
{
    struct counts_world w;
    struct sg_buf text = SG_BUF_INIT;

    counts_graph(&text, "bronze", "silver", "");
    counts_world_open(&w, sg_buf_text(&text), counts_after(COUNTS_HOURS));
    counted(write_output_paths, &w);
    counts_world_close(&w);
    sg_buf_done(&text);
    return COUNTS_HOURS;
}
