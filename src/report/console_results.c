/* The end of a run on the console: a line a stage, what failed and where its log is, how to go on.
 */
#include "console_impl.h"

#include <stdio.h>
#include <string.h>

#include "stagegraph/text.h"

#define NAME_LEAST 10                         /* columns, where results are times */
#define INCOMPLETE "FULL PIPELINE INCOMPLETE" /* but for what other runs hold */

static const char *headline(const struct sg_event *e)
{
    if (e->signo != 0)
        return "FULL PIPELINE INTERRUPTED";
    for (int r = SG_RESULT_OK; r < SG_RESULT_COUNT; r++)
        if (e->n_result[r] > 0 && sg_result_is_failure((enum sg_result)r))
            return "FULL PIPELINE FAILED";
    if (e->exit_status >= 70)
        return "FULL PIPELINE FAILED";
    if (e->n_result[SG_RESULT_INTERRUPTED] > 0)
        return "FULL PIPELINE INTERRUPTED";
    if (e->n_result[SG_RESULT_BLOCKED] > 0)
        return "FULL PIPELINE BLOCKED";
    return e->n_result[SG_RESULT_BUSY] > 0 ? INCOMPLETE : "FULL PIPELINE COMPLETE";
}

static uint32_t n_failed(const struct sg_tally *t)
{
    uint32_t n = 0;

    for (int r = SG_RESULT_OK; r < SG_RESULT_COUNT; r++)
        if (sg_result_is_failure((enum sg_result)r) && r != SG_RESULT_TIMEOUT)
            n += t->n[r];
    return n;
}

/* What a stage's line begins with: the worst that happened. */
static enum sg_result worst(const struct sg_tally *t)
{
    static const enum sg_result order[] = { SG_RESULT_TIMEOUT, SG_RESULT_INTERRUPTED,
                                            SG_RESULT_BLOCKED, SG_RESULT_BUSY };

    if (n_failed(t) > 0)
        return SG_RESULT_FAILED;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (t->n[order[i]] > 0)
            return order[i];
    return SG_RESULT_OK;
}

static bool is_shown(const struct sg_tally *t)
{
    bool any = t->number > 0 && t->run + t->fresh > 0;

    for (int r = SG_RESULT_OK; r < SG_RESULT_COUNT; r++)
        any = any || t->n[r] > 0;
    return any;
}

/* Time with a job of the stage running: with -j1 the sum of its jobs. */
static double active_s(const struct sg_tally *t)
{
    return (double)t->active_ns / (double)SG_NS_PER_S;
}

static void add_count(struct sg_out *o, bool *any, uint32_t n, const char *word)
{
    char count[SG_COUNT_TEXT];

    if (n == 0)
        return;
    sg_count_format(n, count);
    sg_out_printf(o, "%s%s %s", *any ? ", " : "", count, word);
    *any = true;
}

/* "72 run, 648 fresh  3h 31m" */
static void write_counts(struct sg_console *c, const struct sg_tally *t)
{
    char time[SG_DURATION_TEXT];
    bool any = false;

    add_count(c->out, &any, t->n[SG_RESULT_OK], "run");
    add_count(c->out, &any, t->n[SG_RESULT_UNCHANGED], "unchanged");
    add_count(c->out, &any, t->n[SG_RESULT_COMPLETED], "completed");
    add_count(c->out, &any, n_failed(t), "failed");
    add_count(c->out, &any, t->n[SG_RESULT_TIMEOUT], "timed out");
    add_count(c->out, &any, t->n[SG_RESULT_INTERRUPTED] - t->n_not_started, "interrupted");
    add_count(c->out, &any, t->n_not_started, "not started");
    add_count(c->out, &any, t->n[SG_RESULT_BLOCKED], "blocked");
    add_count(c->out, &any, t->n[SG_RESULT_BUSY], "busy");
    add_count(c->out, &any, t->fresh, "fresh");
    if (t->active_ns > 0) {
        sg_duration_format(active_s(t), true, time);
        sg_out_printf(c->out, "  %s", time);
    }
}

/* "245.3s", of a stage with one node at most */
static void write_time(struct sg_console *c, const struct sg_tally *t, enum sg_result shown)
{
    char time[SG_TENTHS_TEXT];

    if (t->n_ended > 0) {
        sg_console_tenths(t->last_s, time);
        sg_out_text(c->out, time);
    } else if (shown == SG_RESULT_OK) {
        sg_out_text(c->out, t->n[SG_RESULT_UNCHANGED] > 0   ? "unchanged"
                            : t->n[SG_RESULT_COMPLETED] > 0 ? "completed"
                                                            : "fresh");
    } else {
        sg_out_text(c->out, t->lacks != NULL ? t->lacks : "not started");
    }
}

static void write_failures(struct sg_console *c, const struct sg_tally *t)
{
    for (int i = 0; i < SG_CONSOLE_FAILURES && t->failed[i] != NULL; i++) {
        sg_out_printf(c->out, "      %s\n", t->failed[i]);
        if (t->log[i] != NULL)
            sg_out_printf(c->out, "      log: %s\n", t->log[i]);
    }
    if (t->n_untold > 0)
        sg_out_printf(c->out, "      … and %u more: %s history --failed\n", t->n_untold,
                      c->c.program);
}

static void write_stage(struct sg_console *c, const struct sg_stage *s, int width)
{
    const struct sg_tally *t = &c->tally[s->id.i];
    enum sg_result shown = worst(t);
    char name[SG_NODE_TEXT];

    sg_out_text(c->out, "  [");
    sg_out_coloured(c->out, sg_console_colour(shown), sg_console_result(shown));
    sg_out_text(c->out, "] ");
    sg_console_name(s->name, true, name);
    sg_out_pad(c->out, name, width, false);
    sg_out_text(c->out, c->one_each ? " " : "  ");
    if (c->one_each)
        write_time(c, t, shown);
    else
        write_counts(c, t);
    sg_out_text(c->out, "\n");
    write_failures(c, t);
}

static void write_stages(struct sg_console *c)
{
    const struct sg_graph *g = c->view.graph;
    int width = c->one_each ? NAME_LEAST : 0, w;

    for (uint32_t i = 0; i < g->n_stages; i++) {
        w = is_shown(&c->tally[i]) ? sg_out_width(c->out, g->stages[i].name) : 0;
        width = w > width ? w : width;
    }
    sg_out_text(c->out, "Stage results:\n");
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = sg_graph_stage(g, g->order[i]);

        if (is_shown(&c->tally[s->id.i]))
            write_stage(c, s, width);
    }
}

void sg_console_results(struct sg_console *c, const struct sg_event *e)
{
    const char *head = headline(e);
    bool complete = strcmp(head, "FULL PIPELINE COMPLETE") == 0;
    char total[SG_TENTHS_TEXT], minutes[SG_TENTHS_TEXT];

    if (!c->c.quiet) {
        sg_out_text(c->out, "\n");
        sg_console_rule(c->out, '=');
        sg_out_printf(c->out, "%s%s%s%s\n", head, e->signo != 0 ? " (SIG" : "",
                      e->signo != 0 ? sg_text_signal(e->signo) : "", e->signo != 0 ? ")" : "");
        sg_console_rule(c->out, '=');
        sg_out_text(c->out, "\n");
    }
    write_stages(c);
    if (!complete && c->c.resume != NULL)
        sg_out_printf(c->out, "\nTo go on: %s%s\n", c->c.resume,
                      /* what another run still holds would be left out again */
                      strcmp(head, INCOMPLETE) == 0 ? " --wait" : "");
    sg_console_tenths(e->seconds, total);
    sg_console_tenths(e->seconds / 60, minutes);
    minutes[strlen(minutes) - 1] = '\0'; /* its "s" */
    sg_out_printf(c->out, "\nTotal pipeline time: %s (%s minutes)\n", total, minutes);
    if (!c->c.quiet)
        sg_console_rule(c->out, '=');
}
