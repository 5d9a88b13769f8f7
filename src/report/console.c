#include "console_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/plan_text.h"
#include "stagegraph/text.h"

#define RULE_WIDTH    80
#define LACKING_SHOWN 10

struct sg_mono sg_console_now(const struct sg_console *c)
{
    return c->c.now != NULL ? c->c.now() : sg_mono_now();
}

void sg_console_plain(struct sg_console *c)
{
    static const char plain[] = "\033[0m\033[?25h";

    if (c->styled)
        sg_out_write(c->out, plain, sizeof(plain) - 1);
    c->styled = false;
}

void sg_console_line(struct sg_console *c)
{
    sg_console_clear(c);
    sg_console_plain(c);
    if (c->mid)
        sg_out_text(c->out, "\n");
    c->mid = false;
    c->mid_of = NULL;
}

void sg_console_tenths(double s, char ret[SG_TENTHS_TEXT])
{
    long long tenths = s > 0 && s < 1e15 ? (long long)(s * 10 + 0.5) : 0;

    snprintf(ret, SG_TENTHS_TEXT, "%lld.%llds", tenths / 10, tenths % 10);
}

void sg_console_nodes(const struct sg_stage *s, int64_t first, int64_t last,
                      char ret[SG_NODES_TEXT])
{
    char node[SG_NODE_TEXT], label[SG_LABEL_TEXT];

    sg_node_format(s, first, node);
    if (first == last) {
        snprintf(ret, SG_NODES_TEXT, "%s", node);
        return;
    }
    sg_calendar_label(&s->cal, last, label);
    snprintf(ret, SG_NODES_TEXT, "%s … %s", node, label);
}

static const struct {
    const char *word;
    enum sg_colour colour;
} results[SG_RESULT_COUNT] = {
    [SG_RESULT_NONE] = { "OK", SG_COLOUR_GREEN },
    [SG_RESULT_OK] = { "OK", SG_COLOUR_GREEN },
    [SG_RESULT_UNCHANGED] = { "UNCHANGED", SG_COLOUR_GREEN },
    [SG_RESULT_COMPLETED] = { "COMPLETED", SG_COLOUR_GREEN },
    [SG_RESULT_FAILED] = { "FAILED", SG_COLOUR_RED },
    [SG_RESULT_TIMEOUT] = { "TIMEOUT", SG_COLOUR_RED },
    [SG_RESULT_CHECK_FAILED] = { "FAILED", SG_COLOUR_RED },
    [SG_RESULT_INPUT_MOVED] = { "FAILED", SG_COLOUR_RED },
    [SG_RESULT_TRESPASS] = { "FAILED", SG_COLOUR_RED },
    [SG_RESULT_OOM] = { "FAILED", SG_COLOUR_RED },
    [SG_RESULT_INTERRUPTED] = { "INTERRUPTED", SG_COLOUR_NONE },
    [SG_RESULT_BLOCKED] = { "BLOCKED", SG_COLOUR_NONE },
    [SG_RESULT_BUSY] = { "BUSY", SG_COLOUR_NONE },
};

const char *sg_console_result(enum sg_result r)
{
    return results[r < SG_RESULT_COUNT ? r : SG_RESULT_NONE].word;
}

enum sg_colour sg_console_colour(enum sg_result r)
{
    return results[r < SG_RESULT_COUNT ? r : SG_RESULT_NONE].colour;
}

static char to_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

void sg_console_name(const char *name, bool upper, char ret[SG_NODE_TEXT])
{
    snprintf(ret, SG_NODE_TEXT, "%s", name);
    for (size_t i = 0; ret[i] != '\0' && (upper || i == 0); i++)
        ret[i] = to_upper(ret[i]);
}

void sg_console_rule(struct sg_out *o, char c)
{
    char rule[RULE_WIDTH + 1];

    memset(rule, c, RULE_WIDTH);
    rule[RULE_WIDTH] = '\n';
    sg_out_write(o, rule, sizeof(rule));
}

/* ---- the heading */

static void write_banner(struct sg_console *c)
{
    struct sg_out *o = c->out;
    char name[SG_NODE_TEXT], range[SG_RANGE_TEXT];

    sg_console_rule(o, '=');
    sg_console_name(c->view.graph->name, true, name);
    sg_out_printf(o, "%s:", name);
    for (uint32_t i = 0; i < c->view.n_stages; i++) {
        sg_console_name(c->view.stages[i].stage->name, true, name);
        sg_out_printf(o, "%s%s", i > 0 ? " → " : " ", name);
    }
    sg_view_range_format(&c->view, c->view.focus, false, range);
    sg_out_printf(o, " · %s%s%s\n", c->own_title != NULL ? c->own_title : "run",
                  range[0] != '\0' ? " · " : "", range);
    sg_console_rule(o, '=');
}

static void write_counts(struct sg_console *c)
{
    const struct sg_plan_counts *n = &c->view.counts;
    char run[SG_COUNT_TEXT], fresh[SG_COUNT_TEXT], time[SG_DURATION_TEXT];
    bool partial;
    double s = sg_view_estimate(&c->view, c->c.usual, c->c.jobs, &partial);
    double sum = sg_view_estimate(&c->view, c->c.usual, 1, &partial);

    c->at_once = s > 0 && !partial ? sum / s : c->c.jobs;

    sg_count_format(n->run, run);
    sg_count_format(n->fresh, fresh);
    sg_out_printf(c->out, "%s to run, %s fresh", run, fresh);
    sg_out_also(c->out, n->blocked, "blocked");
    sg_out_also(c->out, n->busy, "busy");
    if (!isnan(s)) {
        sg_usual_format(s, time);
        sg_out_printf(c->out, " · %s %s", partial ? "at least" : "about", time);
    }
    sg_out_text(c->out, "\n");
}

static void write_notice(struct sg_console *c, const char *node, const char *text)
{
    if (c->c.notices == c->out)
        sg_console_line(c);
    else
        sg_out_flush(c->out); /* in order, where both are one terminal */
    sg_out_printf(c->c.notices, "stagegraph: %s%s%s\n", node, node[0] != '\0' ? ": " : "", text);
    sg_out_flush(c->c.notices);
}

static void plan_notice(void *ctx, const char *text)
{
    write_notice(ctx, "", text);
}

/* ---- events */

static void run_started(struct sg_console *c, const struct sg_event *e)
{
    const char *title = e->command != NULL ? e->command : "run";

    if (strcmp(title, "run") == 0 && e->profile != NULL)
        title = e->profile;
    free(c->own_title);
    c->own_title = strdup(title); /* where memory is lacking it is "run" */
}

static bool take_view(struct sg_console *c, const struct sg_plan *p)
{
    struct sg_error err = SG_ERROR_INIT;

    if (!sg_view_open(p, &c->view, &err))
        return false;
    c->tally = calloc(c->view.graph->n_stages + 1, sizeof(*c->tally));
    if (c->tally == NULL) {
        sg_view_close(&c->view);
        return false;
    }
    c->has_view = true;
    c->at_once = c->c.jobs;
    c->one_each = true;
    for (uint32_t i = 0; i < c->view.n_stages; i++) {
        const struct sg_view_stage *s = &c->view.stages[i];
        struct sg_tally *t = &c->tally[s->stage->id.i];

        t->number = i + 1;
        t->run = s->run;
        t->fresh = s->fresh;
        if (s->run + s->blocked + s->busy > 1)
            c->one_each = false;
    }
    c->prefix = c->c.jobs > 1;
    c->many = c->prefix || c->view.jobs > SG_CONSOLE_FEW;
    return true;
}

static void plan(struct sg_console *c, const struct sg_event *e)
{
    if (c->has_view || !take_view(c, e->plan))
        return; /* without memory the run goes on unseen */
    if (c->view.counts.run == 0) {
        sg_plan_text_nothing(c->out, &c->view);
        sg_plan_text_lacking(c->out, &c->view, LACKING_SHOWN); /* quiet, too: it went wrong */
    } else if (!c->c.quiet) {
        write_banner(c);
        write_counts(c);
        sg_plan_text_lacking(c->out, &c->view, LACKING_SHOWN);
        if (c->many)
            sg_out_text(c->out, "\n");
    }
    c->said = sg_console_now(c);
    c->view.notices(c->view.of, plan_notice, c);
}

static void run_finished(struct sg_console *c, const struct sg_event *e)
{
    c->over = true;
    sg_console_line(c);
    if (c->view.counts.run > 0)
        sg_console_results(c, e);
    sg_plan_text_debts(c->out, &c->view, c->c.program);
    if (c->c.verbose && e->has_traffic)
        sg_plan_text_traffic(c->out, &e->traffic);
}

static void on_event(void *ctx, const struct sg_event *e)
{
    struct sg_console *c = ctx;

    if (c->has_view)
        sg_console_settle(c, e);
    switch (e->kind) {
    case SG_EVENT_RUN_STARTED:
        run_started(c, e);
        break;
    case SG_EVENT_PLAN:
        plan(c, e);
        break;
    case SG_EVENT_NOTICE:
        write_notice(c, e->node != NULL ? e->node : "", e->text);
        break;
    case SG_EVENT_NODE_STARTED:
        if (c->has_view)
            sg_console_started(c, e);
        break;
    case SG_EVENT_NODE_OUTPUT:
        if (c->has_view)
            sg_console_output(c, e);
        break;
    case SG_EVENT_NODE_FINISHED:
        if (c->has_view)
            sg_console_finished(c, e);
        break;
    case SG_EVENT_NODE_RETRY:
        if (c->has_view)
            sg_console_retry(c, e);
        break;
    case SG_EVENT_NODE_SKIPPED:
        if (c->has_view)
            sg_console_skipped(c, e);
        break;
    case SG_EVENT_RUN_FINISHED:
        if (c->has_view)
            run_finished(c, e);
        break;
    }
    if (c->has_view && !c->over)
        sg_console_draw(c, sg_console_now(c));
    sg_out_flush(c->out);
}

struct sg_sink sg_console_sink(struct sg_console *c)
{
    return (struct sg_sink){ .event = on_event, .ctx = c };
}

void sg_console_tick(struct sg_console *c, struct sg_mono now)
{
    if (c->has_view && !c->over) {
        sg_console_settle(c, NULL);
        sg_console_show_parts(c, now);
        sg_console_draw(c, now);
        sg_console_progress(c, now);
    }
    sg_out_flush(c->out);
    if (c->c.notices != c->out)
        sg_out_flush(c->c.notices);
}

void sg_console_hide(struct sg_console *c)
{
    sg_console_clear(c);
    sg_out_flush(c->out);
}

void sg_console_resize(struct sg_console *c, int columns, int rows)
{
    sg_out_resize(c->out, columns, rows);
    sg_console_hide(c); /* of what is drawn, as many rows as it takes now */
    c->was_drawn = false;
}

void sg_console_lost(struct sg_console *c)
{
    c->shown = false;
    c->was_drawn = false;
}

void sg_console_background(struct sg_console *c, bool background)
{
    if (c->background != background)
        sg_console_lost(c);
    c->background = background;
}

bool sg_console_new(const struct sg_console_config *c, struct sg_console **ret,
                    struct sg_error *err)
{
    struct sg_console *n = calloc(1, sizeof(*n));

    if (n == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "the console");
    n->c = *c;
    n->out = c->out;
    if (n->c.notices == NULL)
        n->c.notices = c->out;
    *ret = n;
    return true;
}

void sg_console_free(struct sg_console *c)
{
    struct sg_running *r;

    if (c == NULL)
        return;
    sg_console_hide(c);
    sg_console_plain(c);
    sg_out_flush(c->out);
    while ((r = c->running) != NULL) {
        c->running = r->next;
        sg_console_forget(r);
    }
    if (c->has_view) {
        for (uint32_t i = 0; i < c->view.graph->n_stages; i++) {
            for (int k = 0; k < SG_CONSOLE_FAILURES; k++) {
                free(c->tally[i].failed[k]);
                free(c->tally[i].log[k]);
            }
            free(c->tally[i].lacks);
        }
        sg_view_close(&c->view);
    }
    free(c->tally);
    free(c->ending.log);
    free(c->own_title);
    sg_buf_done(&c->block);
    free(c);
}
