#include "stagegraph/plan_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/table.h"
#include "stagegraph/text.h"

/* Wide enough that tables of one range after another mostly look alike. */
#define PARTITIONS_LEAST 32
#define LACKS_SHOWN      3
#define CELL             700
/* Columns are as wide as so many groups need; what comes then makes them wider where it must. To
 * look at a million of them first would take a second in which nothing is to be seen. */
#define MEASURED 10000

static const struct sg_column run_columns[] = {
    { "STAGE", false, 0 },  { "PARTITIONS", false, PARTITIONS_LEAST },
    { "COUNT", true, 0 },   { "JOBS", true, 0 },
    { "REASON", false, 0 }, { "EST", true, 0 },
    { "P90", true, 0 },
};

enum { RUN_COLUMNS = sizeof(run_columns) / sizeof(run_columns[0]) };

static const struct sg_column blocked_columns[] = {
    { "BLOCKED", false, 0 }, { "PARTITIONS", false, PARTITIONS_LEAST },
    { "COUNT", true, 0 },    { "REASON", false, 0 },
    { "LACKS", false, 0 },
};

static const struct sg_column busy_columns[] = {
    { "BUSY", false, 0 }, { "PARTITIONS", false, PARTITIONS_LEAST },
    { "COUNT", true, 0 }, { "REASON", false, 0 },
    { "RUN", false, 0 },
};

/* One pass over the groups: measuring, or writing. */
struct pass {
    struct sg_table *table;
    const struct sg_usual_source *usual;
    bool write;
    uint32_t most, n; /* groups to show (0: all), and how many there were */
};

/* False: it is enough. */
static bool put(const struct pass *p, const char *const *cells)
{
    if (!p->write || p->n > MEASURED)
        sg_table_measure(p->table, cells);
    if (p->write)
        sg_table_row(p->table, cells);
    return !sg_out_gone(p->table->out) && (p->write || p->n < MEASURED);
}

static void format_reason(const struct sg_plan_group *g, char ret[CELL])
{
    snprintf(ret, CELL, "%s%s%.600s", sg_reason_name(g->reason), g->detail[0] != '\0' ? " " : "",
             g->detail);
}

static void format_estimate(double one_s, uint32_t count, char ret[SG_DURATION_TEXT])
{
    if (isnan(one_s))
        snprintf(ret, SG_DURATION_TEXT, "-");
    else
        sg_usual_format(one_s * count, ret);
}

static bool run_row(void *ctx, const struct sg_plan_group *g)
{
    struct pass *p = ctx;
    struct sg_usual usual = sg_usual_of(p->usual, g->stage);
    char partitions[SG_RANGE_TEXT], count[SG_COUNT_TEXT], jobs[SG_COUNT_TEXT], reason[CELL];
    char median[SG_DURATION_TEXT], p90[SG_DURATION_TEXT];
    const char *const cells[RUN_COLUMNS] = { g->stage->name, partitions, count, jobs,
                                             reason,         median,     p90 };

    sg_view_partitions_format(g->stage, g->first, g->last, partitions);
    sg_count_format(g->count, count);
    sg_count_format(g->jobs, jobs);
    format_reason(g, reason);
    format_estimate(usual.median_s, g->count, median);
    format_estimate(usual.p90_s, g->count, p90);
    p->n++;
    return put(p, cells);
}

/* "dim", "dim (unsettled: newest file 12s old, settle 5m)" */
static size_t format_lack(const struct sg_plan_group *g, uint32_t i, char *ret, size_t size)
{
    const char *why = g->lacks_why != NULL ? g->lacks_why[i] : "";

    return (size_t)snprintf(ret, size, "%s%.90s%s%.120s%s", i > 0 ? ", " : "", g->lacks[i],
                            why[0] != '\0' ? " (" : "", why, why[0] != '\0' ? ")" : "");
}

static void format_lacks(const struct sg_plan_group *g, char ret[CELL])
{
    uint32_t shown = g->n_lacks < LACKS_SHOWN ? g->n_lacks : LACKS_SHOWN;
    uint32_t all = g->n_lacks_all > shown ? g->n_lacks_all : shown;
    size_t at = 0;

    ret[0] = '\0';
    for (uint32_t i = 0; i < shown; i++)
        at += format_lack(g, i, ret + at, CELL - at);
    if (all > shown)
        snprintf(ret + at, CELL - at, " and %u more", all - shown);
}

static bool lacking_row(void *ctx, const struct sg_plan_group *g)
{
    struct pass *p = ctx;
    char partitions[SG_RANGE_TEXT], count[SG_COUNT_TEXT], reason[CELL], last[CELL];
    const char *const cells[] = { g->stage->name, partitions, count, reason, last };

    p->n++;
    if (p->most > 0 && p->n > p->most)
        return true; /* only counted */
    sg_view_partitions_format(g->stage, g->first, g->last, partitions);
    sg_count_format(g->count, count);
    format_reason(g, reason);
    if (g->verdict == SG_VERDICT_BLOCKED)
        format_lacks(g, last);
    else
        snprintf(last, sizeof(last), "%.200s", g->run != NULL && g->run[0] != '\0' ? g->run : "-");
    return put(p, cells);
}

static void write_lacking(struct sg_out *o, const struct sg_view *v, enum sg_verdict verdict,
                          uint32_t most)
{
    const struct sg_column *columns =
        verdict == SG_VERDICT_BLOCKED ? blocked_columns : busy_columns;
    struct sg_table t;
    struct pass p = { .table = &t, .most = most };

    sg_table_init(&t, o, columns, sizeof(blocked_columns) / sizeof(blocked_columns[0]));
    (void)v->groups(v->of, verdict, lacking_row, &p); /* false: it has seen enough */
    sg_out_text(o, "\n");
    sg_table_head(&t);
    p.write = true;
    p.n = 0;
    (void)v->groups(v->of, verdict, lacking_row, &p);
    if (most > 0 && p.n > most)
        sg_out_printf(o, "… and %u more groups\n", p.n - most);
}

void sg_plan_text_lacking(struct sg_out *o, const struct sg_view *v, uint32_t most)
{
    if (v->counts.blocked > 0)
        write_lacking(o, v, SG_VERDICT_BLOCKED, most);
    if (v->counts.busy > 0)
        write_lacking(o, v, SG_VERDICT_BUSY, most);
}

static void write_header(struct sg_out *o, const struct sg_view *v)
{
    char range[SG_RANGE_TEXT], now[SG_UTC_TEXT];
    const char *root = v->graph->store.root;

    sg_view_range_format(v, v->range, true, range);
    sg_utc_format_short(v->now_s, now);
    sg_out_printf(o, "Graph %s · store %s%s%s%s · now %s\n", v->graph->name,
                  root[0] == '/' ? "file://" : "", root, range[0] != '\0' ? " · " : "", range, now);
}

static void write_runs(struct sg_out *o, const struct sg_view *v, const struct sg_plan_text *how)
{
    struct sg_table t;
    struct pass p = { .table = &t, .usual = how->usual };

    sg_table_init(&t, o, run_columns, how->verbose ? RUN_COLUMNS : RUN_COLUMNS - 1);
    (void)v->groups(v->of, SG_VERDICT_RUN, run_row, &p); /* false: it has seen enough */
    sg_table_head(&t);
    p.write = true;
    p.n = 0;
    (void)v->groups(v->of, SG_VERDICT_RUN, run_row, &p);
}

/* Fresh ones that a run has still to rename a marker of. */
static void write_completes(struct sg_out *o, const struct sg_plan_counts *c)
{
    char count[SG_COUNT_TEXT];

    if (c->completes == 0)
        return;
    sg_count_format(c->completes, count);
    sg_out_printf(o, ", %s of them to complete (%s)", count,
                  c->completes == 1 ? "its partial marker is renamed"
                                    : "their partial markers are renamed");
}

static void write_totals(struct sg_out *o, const struct sg_view *v, const struct sg_plan_text *how)
{
    char nodes[SG_COUNT_TEXT], jobs[SG_COUNT_TEXT], fresh[SG_COUNT_TEXT], time[SG_DURATION_TEXT];
    bool partial;
    double s;

    if (sg_out_gone(o))
        return;
    s = sg_view_estimate(v, how->usual, how->jobs, &partial);
    sg_count_format(v->counts.run, nodes);
    sg_count_format(v->jobs, jobs);
    sg_count_format(v->counts.fresh, fresh);
    sg_out_printf(o, "To run %s node%s in %s job%s, %s fresh", nodes, v->counts.run == 1 ? "" : "s",
                  jobs, v->jobs == 1 ? "" : "s", fresh);
    write_completes(o, &v->counts);
    sg_out_also(o, v->counts.blocked, "blocked");
    sg_out_also(o, v->counts.busy, "busy");
    if (!isnan(s)) {
        sg_usual_format(s, time);
        sg_out_printf(o, " · %s %s at -j%d", partial ? "at least" : "about", time, how->jobs);
    }
    sg_out_text(o, "\n");
}

void sg_plan_text_nothing(struct sg_out *o, const struct sg_view *v)
{
    const struct sg_plan_counts *c = &v->counts;
    char fresh[SG_COUNT_TEXT], debt[SG_COUNT_TEXT];

    if (c->asked == 0 || c->fresh + c->debt + c->blocked + c->busy == 0) {
        sg_out_text(o, "Nothing to do: no partition of the range is due.\n");
        return;
    }
    sg_count_format(c->fresh, fresh);
    sg_count_format(c->debt, debt);
    sg_out_printf(o, "%s: %s fresh",
                  c->blocked + c->busy > 0 ? "Nothing can run"
                  : c->completes > 0       ? "No job to run"
                                           : "Nothing to do",
                  fresh);
    write_completes(o, c);
    if (c->debt > 0)
        sg_out_printf(o, ", %s stale for reasons that were not asked for", debt);
    sg_out_also(o, c->blocked, "blocked");
    sg_out_also(o, c->busy, "busy");
    sg_out_text(o, ".");
    /* What is blocked or busy would be so by force, too. */
    if (c->fresh > 0 && c->blocked + c->busy + c->completes == 0)
        sg_out_text(o, " (--force runs it anyway)");
    if (c->busy > 0)
        sg_out_text(o, " (--wait waits for the run that holds them)");
    sg_out_text(o, "\n");
}

void sg_plan_text_traffic(struct sg_out *o, const struct sg_store_traffic *t)
{
    char requests[SG_COUNT_TEXT], bytes[SG_SIZE_TEXT];

    sg_count_format((int64_t)t->requests, requests);
    sg_size_format((int64_t)t->bytes, bytes);
    sg_out_printf(o, "Store: %s request%s, %s\n", requests, t->requests == 1 ? "" : "s", bytes);
}

/* By stage and reason: in the range and outside of it together. */
struct debts {
    struct debt {
        uint64_t n;
        int64_t first, end; /* the hull; empty: not told */
    } * of;
};

static void add_debt(void *ctx, const struct sg_debt *d)
{
    struct debt *to = &((struct debts *)ctx)->of[d->stage->id.i * SG_REASON_COUNT + d->reason];

    to->n += d->count;
    if (d->end == d->first)
        return;
    if (to->end == to->first) {
        to->first = d->first;
        to->end = d->end;
    }
    if (d->first < to->first)
        to->first = d->first;
    if (d->end > to->end)
        to->end = d->end;
}

/* " --from 2024-01-01T21 --to 2024-01-02T00": an hour as the end is exclusive, a day is not. */
static void write_hull(struct sg_out *o, const struct sg_stage *s, const struct debt *d)
{
    bool day = s->cal.unit != SG_UNIT_HOUR && s->cal.unit != SG_UNIT_MINUTES;
    char from[SG_LABEL_TEXT], to[SG_LABEL_TEXT];

    if (d->end == d->first || s->cal.unit == SG_UNIT_ONCE)
        return;
    sg_calendar_label(&s->cal, d->first, from);
    sg_calendar_label(&s->cal, day ? d->end - 1 : d->end, to);
    sg_out_printf(o, " --from %s --to %s", from, to);
}

static bool is_outdated_by(enum sg_reason r)
{
    return r >= SG_REASON_CODE;
}

void sg_plan_text_debts(struct sg_out *o, const struct sg_view *v, const char *program)
{
    const struct sg_graph *g = v->graph;
    bool backfill = sg_graph_find_profile(g, "backfill") != NULL;
    struct debts all;
    char count[SG_COUNT_TEXT];

    all.of = calloc((size_t)g->n_stages * SG_REASON_COUNT + 1, sizeof(*all.of));
    if (all.of == NULL)
        return; /* it would only have been a hint */
    v->debts(v->of, add_debt, &all);
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = sg_graph_stage(g, g->order[i]);

        for (int r = SG_REASON_FORCED; r < SG_REASON_COUNT; r++) {
            const struct debt *d = &all.of[s->id.i * SG_REASON_COUNT + (uint32_t)r];
            const char *reason = sg_reason_name((enum sg_reason)r);

            if (d->n == 0)
                continue;
            sg_count_format((int64_t)d->n, count);
            sg_out_printf(o, "%s %s %s%s: %s %s --stale=%s", count, s->name,
                          is_outdated_by((enum sg_reason)r) ? "outdated by " : "", reason, program,
                          backfill ? "backfill" : "run", reason);
            write_hull(o, s, d);
            sg_out_text(o, "\n");
        }
    }
    free(all.of);
}

static void count_debt(void *ctx, const struct sg_debt *d)
{
    bool *any = ctx;

    *any = *any || d->count > 0;
}

static void write_notice(void *ctx, const char *text)
{
    struct sg_out *o = ctx;

    sg_out_printf(o, "stagegraph: %s\n", text); /* as a run does */
}

void sg_plan_text_write(struct sg_out *o, const struct sg_view *v, const struct sg_plan_text *how)
{
    bool debts = false;

    write_header(o, v);
    sg_out_text(o, "\n");
    if (v->counts.run > 0) {
        write_runs(o, v, how);
        sg_out_text(o, "\n");
        write_totals(o, v, how);
    } else {
        sg_plan_text_nothing(o, v);
    }
    sg_plan_text_lacking(o, v, 0);
    v->debts(v->of, count_debt, &debts);
    if (debts)
        sg_out_text(o, "\n");
    sg_plan_text_debts(o, v, how->program);
    sg_out_flush(o);
    if (how->notices == NULL)
        return;
    v->notices(v->of, write_notice, how->notices);
    sg_out_flush(how->notices);
}
