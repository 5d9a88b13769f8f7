/* A job on the console: its start, its output, its end. */
#include "console_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/text.h"

#define PART_WAIT  (INT64_C(40) * SG_NS_PER_MS) /* and a tick: within a tenth of a second */
#define PART_LIMIT ((size_t)64 << 10)
#define TOLD_LEFT  10 /* lines on blocked and busy nodes a stage; the results count them all */

static struct sg_tally *tally_of(struct sg_console *c, const struct sg_stage *s)
{
    return &c->tally[s->id.i];
}

/* ---- jobs that run */

static struct sg_running *find_running(const struct sg_console *c, const struct sg_event *e)
{
    struct sg_running *r = c->running;

    while (r != NULL && (r->stage != e->stage || e->index < r->first || e->index > r->last))
        r = r->next;
    return r;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The batch that this start of a member continues, or NULL. */
static struct sg_running *batch_of(const struct sg_console *c, const struct sg_event *e)
{
    struct sg_running *r = c->running;

    if (!sg_stage_has_batches(e->stage))
        return NULL;
    while (r != NULL && (r->stage != e->stage || r->announced || r->n_ended > 0 ||
                         e->index <= r->last || !is_same_text(r->log, e->log)))
        r = r->next;
    return r;
}

static char *copy(const char *text)
{
    return text != NULL && text[0] != '\0' ? strdup(text) : NULL; /* without memory: not shown */
}

static struct sg_running *add_running(struct sg_console *c, const struct sg_event *e)
{
    struct sg_running *r = calloc(1, sizeof(*r)), **at = &c->running;
    struct sg_tally *t = tally_of(c, e->stage);

    if (r == NULL)
        return NULL;
    *r = (struct sg_running){
        .stage = e->stage,
        .first = e->index,
        .last = e->index,
        .n = 1,
        .since = sg_console_now(c),
        .log = copy(e->log),
        .reason = e->reason,
        .detail = copy(e->detail),
        .attempt = e->attempt,
    };
    while (*at != NULL)
        at = &(*at)->next;
    *at = r;
    if (t->active++ == 0)
        t->active_since = r->since;
    return r;
}

void sg_console_forget(struct sg_running *r)
{
    sg_buf_done(&r->part);
    free(r->log);
    free(r->detail);
    free(r);
}

static void remove_running(struct sg_console *c, struct sg_running *r)
{
    struct sg_running **at = &c->running;
    struct sg_tally *t = tally_of(c, r->stage);

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    if (--t->active == 0)
        t->active_ns += sg_console_now(c).ns - t->active_since.ns;
    if (c->mid_of == r)
        c->mid_of = NULL;
    sg_console_forget(r);
}

/* ---- start */

static void announce(struct sg_console *c, struct sg_running *r)
{
    struct sg_out *o = c->out;
    char nodes[SG_NODES_TEXT], name[SG_NODE_TEXT];

    r->announced = true;
    if (c->many || c->c.quiet)
        return;
    sg_console_line(c);
    sg_console_nodes(r->stage, r->first, r->last, nodes);
    sg_out_text(o, "\n");
    sg_console_rule(o, '=');
    sg_out_printf(o, "STAGE %u: %s · %s (%s%s%s", tally_of(c, r->stage)->number, r->stage->title,
                  nodes, sg_reason_name(r->reason), r->detail != NULL ? " " : "",
                  r->detail != NULL ? r->detail : "");
    if (r->attempt > 1)
        sg_out_printf(o, ", attempt %u", r->attempt);
    sg_out_text(o, ")\n");
    sg_console_rule(o, '=');
    sg_console_name(r->stage->name, false, name);
    sg_out_printf(o, "\n[%s] Starting subprocess (fresh JVM)...\n[%s] Output:\n", name, name);
    sg_console_rule(o, '-');
}

void sg_console_started(struct sg_console *c, const struct sg_event *e)
{
    struct sg_running *r = batch_of(c, e);

    if (r != NULL) {
        r->last = e->index;
        r->n++;
        return;
    }
    r = add_running(c, e);
    if (r != NULL && !sg_stage_has_batches(e->stage))
        announce(c, r);
}

/* ---- output */

static void write_bytes(struct sg_console *c, const char *at, size_t n)
{
    if (c->out->is.terminal && !c->styled && n > 0 && memchr(at, '\033', n) != NULL)
        c->styled = true;
    sg_out_write(c->out, at, n);
}

static void write_part(struct sg_console *c, struct sg_running *r, const char *at, size_t n)
{
    char nodes[SG_NODES_TEXT];

    if (c->mid_of != r || !c->mid) {
        sg_console_line(c);
        sg_console_nodes(r->stage, r->first, r->last, nodes);
        sg_out_printf(c->out, "%s | ", nodes);
    }
    write_bytes(c, r->part.at, r->part.len);
    sg_buf_clear(&r->part);
    write_bytes(c, at, n);
    c->mid = true;
    c->mid_of = r;
}

static void write_prefixed(struct sg_console *c, struct sg_running *r, const char *at, size_t n)
{
    struct sg_error err = SG_ERROR_INIT;
    const char *newline;
    size_t line;

    for (; n > 0; at += line, n -= line) {
        newline = memchr(at, '\n', n);
        line = newline != NULL ? (size_t)(newline - at) + 1 : n;
        if (newline != NULL) {
            write_part(c, r, at, line);
            c->mid = false;
            c->mid_of = NULL;
        } else if (c->mid_of == r || r->part.len + line > PART_LIMIT ||
                   !sg_buf_add(&r->part, at, line, &err)) {
            write_part(c, r, at, line); /* it has the cursor, or waiting has an end */
        } else if (r->part.len == line) {
            r->part_since = sg_console_now(c);
        }
    }
}

void sg_console_output(struct sg_console *c, const struct sg_event *e)
{
    struct sg_running *r = find_running(c, e);

    if (c->c.quiet || e->n_bytes == 0)
        return;
    sg_console_clear(c);
    if (c->prefix && r != NULL) {
        write_prefixed(c, r, e->bytes, e->n_bytes);
        return;
    }
    write_bytes(c, e->bytes, e->n_bytes);
    c->mid = e->bytes[e->n_bytes - 1] != '\n';
}

void sg_console_show_parts(struct sg_console *c, struct sg_mono now)
{
    if (sg_console_has_block(c))
        return; /* which has them */
    for (struct sg_running *r = c->running; r != NULL; r = r->next) {
        if (r->part.len > 0 && now.ns - r->part_since.ns >= PART_WAIT) {
            sg_console_clear(c);
            write_part(c, r, NULL, 0);
        }
    }
}

/* ---- end */

static void add_measures(struct sg_console *c, const struct sg_ending *x, const char *gap)
{
    const struct sg_job_measure *m = &x->end.measure;
    char text[SG_SIZE_TEXT], s[SG_TENTHS_TEXT];

    if (x->has_end && m->peak_bytes >= 0) {
        sg_size_format(m->peak_bytes, text);
        sg_out_printf(c->out, "%speak %s", gap, text);
    }
    if (x->has_end && m->gc_count >= 0 && m->jvms != 0) {
        sg_count_format(m->gc_count, text);
        sg_out_printf(c->out, "%sGC %s", gap, text);
        if (!isnan(m->gc_seconds)) {
            sg_console_tenths(m->gc_seconds, s);
            sg_out_printf(c->out, ", %s", s);
        }
    }
    if (!c->c.verbose)
        return;
    if (x->has_end && !isnan(m->gc_longest_seconds)) {
        sg_console_tenths(m->gc_longest_seconds, s);
        sg_out_printf(c->out, "%slongest %s", gap, s);
    }
    if (x->has_end && m->heap_peak_bytes >= 0) {
        sg_size_format(m->heap_peak_bytes, text);
        sg_out_printf(c->out, "%sheap %s", gap, text);
        if (m->heap_used_bytes >= 0) {
            sg_size_format(m->heap_used_bytes, text);
            sg_out_printf(c->out, ", %s after GC", text);
        }
    }
    if (x->has_end && !isnan(m->cpu_seconds)) {
        sg_console_tenths(m->cpu_seconds, s);
        sg_out_printf(c->out, "%sCPU %s", gap, s);
    }
    if (x->version_seconds > 0) {
        sg_console_tenths(x->version_seconds, s);
        sg_out_printf(c->out, "%sversion %s", gap, s);
    }
}

/* "(exit 3, 12.4s)", "(3600s)" */
static void add_why(struct sg_console *c, const struct sg_ending *x)
{
    char s[SG_TENTHS_TEXT];

    sg_console_tenths(x->seconds, s);
    if (x->result == SG_RESULT_TIMEOUT)
        sg_out_printf(c->out, " (%llds)", (long long)x->stage->timeout_s);
    else if (x->why[0] != '\0' && x->result != SG_RESULT_INTERRUPTED)
        sg_out_printf(c->out, " (%s, %s)", x->why, s);
    else
        sg_out_printf(c->out, " (%s)", s);
}

static void write_section_end(struct sg_console *c, const struct sg_ending *x)
{
    char name[SG_NODE_TEXT], s[SG_TENTHS_TEXT];

    sg_console_line(c);
    if (!c->c.quiet && x->job != NULL && x->job->n_ended == x->n)
        sg_console_rule(c->out, '-'); /* the first that is told of the job closes its output */
    else if (!c->c.quiet && x->job == NULL)
        sg_out_text(c->out, "\n");
    sg_console_name(x->stage->name, false, name);
    sg_out_printf(c->out, "[%s] ", name);
    if (x->result == SG_RESULT_OK) {
        sg_out_coloured(c->out, SG_COLOUR_GREEN, "SUCCESS");
        sg_console_tenths(x->seconds, s);
        sg_out_printf(c->out, " (%s)", s);
    } else {
        sg_out_coloured(c->out, sg_console_colour(x->result), sg_console_result(x->result));
        add_why(c, x);
    }
    add_measures(c, x, "   ");
    if (x->n > 1 || (x->job != NULL && x->job->n > 1))
        sg_out_printf(c->out, "   %u of %u partitions", x->n, x->job != NULL ? x->job->n : x->n);
    sg_out_text(c->out, "\n");
}

static void write_line_end(struct sg_console *c, const struct sg_ending *x)
{
    char nodes[SG_NODES_TEXT], s[SG_TENTHS_TEXT];

    sg_console_line(c);
    sg_console_nodes(x->stage, x->first, x->last, nodes);
    if (!x->will_retry)
        sg_out_printf(c->out, "[%u/%u] ", c->n_done, c->view.counts.run);
    sg_out_printf(c->out, "%s ", nodes);
    sg_out_coloured(c->out, sg_console_colour(x->result), sg_console_result(x->result));
    if (x->result == SG_RESULT_OK) {
        sg_console_tenths(x->seconds, s);
        sg_out_printf(c->out, " %s", s);
    } else {
        add_why(c, x);
    }
    add_measures(c, x, " ");
    if (x->reason != SG_REASON_NONE)
        sg_out_printf(c->out, " (%s%s%s)", sg_reason_name(x->reason),
                      x->detail[0] != '\0' ? " " : "", x->detail);
    sg_out_text(c->out, "\n");
    if (sg_result_is_failure(x->result) && x->log != NULL)
        sg_out_printf(c->out, "  log: %s\n", x->log);
    c->said = sg_console_now(c);
}

static void keep_failure(struct sg_console *c, const struct sg_ending *x)
{
    struct sg_tally *t = tally_of(c, x->stage);
    char nodes[SG_NODES_TEXT], text[SG_NODES_TEXT + sizeof(x->why) + 2];
    int i = 0;

    while (i < SG_CONSOLE_FAILURES && t->failed[i] != NULL)
        i++;
    if (i == SG_CONSOLE_FAILURES) {
        t->n_untold += x->n;
        return;
    }
    sg_console_nodes(x->stage, x->first, x->last, nodes);
    if (x->result == SG_RESULT_TIMEOUT)
        snprintf(text, sizeof(text), "%s: timeout of %llds", nodes, (long long)x->stage->timeout_s);
    else if (x->result == SG_RESULT_INTERRUPTED)
        snprintf(text, sizeof(text), "%s: interrupted", nodes);
    else
        snprintf(text, sizeof(text), "%s%s%s", nodes, x->why[0] != '\0' ? ": " : "", x->why);
    t->failed[i] = copy(text);
    t->log[i] = copy(x->log);
}

static void show_ending(struct sg_console *c)
{
    struct sg_ending *x = &c->ending;
    struct sg_tally *t = tally_of(c, x->stage);
    bool failed = sg_result_is_failure(x->result);

    if (!x->will_retry) {
        c->n_done += x->result != SG_RESULT_INTERRUPTED ? x->n : 0;
        t->n[x->result] += x->n;
        t->n_ended += x->n;
        t->last_s = x->seconds;
        if (x->result == SG_RESULT_OK)
            t->ok_s += x->seconds;
        if (failed || (x->result == SG_RESULT_INTERRUPTED && x->job != NULL))
            keep_failure(c, x);
    }
    if (!c->c.quiet || (failed && !x->will_retry)) {
        if (c->many)
            write_line_end(c, x);
        else
            write_section_end(c, x);
    }
    if (x->job != NULL && x->job->n_ended == x->job->n)
        for (struct sg_running *r = c->running; r != NULL; r = r->next) {
            if (r == x->job) {
                remove_running(c, r);
                break;
            }
        }
    free(x->log);
    x->log = NULL;
    x->n = 0;
}

static bool continues_ending(const struct sg_console *c, const struct sg_event *e)
{
    const struct sg_ending *x = &c->ending;

    return e->kind == SG_EVENT_NODE_FINISHED && x->job != NULL && find_running(c, e) == x->job &&
           e->result == x->result && e->will_retry == x->will_retry && e->index > x->last;
}

void sg_console_settle(struct sg_console *c, const struct sg_event *e)
{
    if (c->ending.n > 0 && (e == NULL || !continues_ending(c, e)))
        show_ending(c);
    for (struct sg_running *r = c->running; r != NULL; r = r->next)
        if (!r->announced && (e == NULL || e->kind != SG_EVENT_NODE_STARTED || batch_of(c, e) != r))
            announce(c, r);
}

/* With a prefix: what the job left of a line. */
static void end_part(struct sg_console *c, struct sg_running *r)
{
    if (r->part.len > 0)
        write_part(c, r, NULL, 0);
    if (c->prefix && c->mid_of == r)
        sg_console_line(c);
}

void sg_console_finished(struct sg_console *c, const struct sg_event *e)
{
    struct sg_running *r = find_running(c, e);
    struct sg_ending *x = &c->ending;

    if (x->n > 0) { /* settle has left it: one more member */
        x->last = e->index;
        x->n++;
        r->n_ended++;
        if (r->n_ended == r->n)
            show_ending(c);
        return;
    }
    *x = (struct sg_ending){
        .stage = e->stage,
        .first = e->index,
        .last = e->index,
        .n = 1,
        .result = e->result,
        .reason = e->reason,
        .has_end = e->end != NULL,
        .will_retry = e->will_retry,
        .seconds = e->seconds,
        .version_seconds = e->version_seconds,
        .log = copy(e->log),
        .job = r,
    };
    if (e->end != NULL)
        x->end = *e->end;
    snprintf(x->detail, sizeof(x->detail), "%s", e->detail != NULL ? e->detail : "");
    snprintf(x->why, sizeof(x->why), "%s", e->why != NULL ? e->why : "");
    if (r != NULL) {
        end_part(c, r);
        r->n_ended++;
    }
    if (r == NULL || r->n_ended == r->n)
        show_ending(c);
}

void sg_console_retry(struct sg_console *c, const struct sg_event *e)
{
    char name[SG_NODE_TEXT], time[SG_DURATION_TEXT];

    if (c->c.quiet)
        return;
    sg_console_line(c);
    sg_duration_format(e->delay_s, false, time);
    sg_console_name(e->stage->name, false, name);
    if (c->many)
        sg_out_printf(c->out, "%s trying again in %s\n", e->node, time);
    else
        sg_out_printf(c->out, "[%s] Trying again in %s\n", name, time);
}

/* ---- nodes that needed no command, or can't have one */

void sg_console_skipped(struct sg_console *c, const struct sg_event *e)
{
    struct sg_tally *t = tally_of(c, e->stage);
    enum sg_verdict planned = c->view.verdict(c->view.of, e->stage, e->index);
    bool left_out = e->result == SG_RESULT_BLOCKED || e->result == SG_RESULT_BUSY;
    const char *why = e->why != NULL && e->why[0] != '\0' ? e->why : left_out ? "not started" : "";
    char name[SG_NODE_TEXT];

    t->n[e->result]++;
    if (e->result == SG_RESULT_INTERRUPTED)
        t->n_not_started++;
    if (planned == SG_VERDICT_RUN && e->result != SG_RESULT_INTERRUPTED)
        c->n_done++;
    if (planned == SG_VERDICT_FRESH && e->result == SG_RESULT_COMPLETED && t->fresh > 0)
        t->fresh--; /* the plan counts it so */
    if (left_out && t->lacks == NULL)
        t->lacks = copy(why);
    if (c->c.quiet || e->result == SG_RESULT_INTERRUPTED)
        return;
    if (left_out && (planned != SG_VERDICT_RUN || (t->n[e->result] > TOLD_LEFT && !c->c.verbose)))
        return; /* it was in the plan's list, or there are too many of them */
    sg_console_line(c);
    if (c->many) {
        if (planned == SG_VERDICT_RUN)
            sg_out_printf(c->out, "[%u/%u] ", c->n_done, c->view.counts.run);
        sg_out_printf(c->out, "%s ", e->node);
        sg_out_coloured(c->out, sg_console_colour(e->result), sg_console_result(e->result));
        c->said = sg_console_now(c);
    } else {
        sg_console_name(e->stage->name, false, name);
        sg_out_printf(c->out, "\n[%s] ", name);
        sg_out_coloured(c->out, sg_console_colour(e->result), sg_console_result(e->result));
        sg_out_printf(c->out, " · %s", e->node);
    }
    sg_out_printf(c->out, why[0] != '\0' ? " (%s)\n" : "%s\n", why);
}
