#include "stagegraph/explain_text.h"

#include <stdio.h>
#include <string.h>

#include "stagegraph/arena.h"
#include "stagegraph/clock.h"
#include "stagegraph/table.h"

#define VALUE_MOST 40 /* columns; what is longer and differs is shown whole below the table */

static const struct sg_column columns[] = {
    { "", false, 1 },     { "PART", false, 0 }, { "NAME", false, 0 },
    { "THEN", false, 0 }, { "NOW", false, 0 },
};

/* Why it is stale, as the end of a sentence; `of` comes before the detail. */
static const struct {
    const char *plain, *of;
} whys[SG_REASON_COUNT] = {
    [SG_REASON_NONE] = { "of nothing that is known", "of " },
    [SG_REASON_FORCED] = { "it is forced", "it is forced: " },
    [SG_REASON_INTERRUPTED] = { "an attempt did not come to its end",
                                "an attempt did not come to its end: " },
    [SG_REASON_MISSING] = { "it has no marker", "it counts as not made: " },
    [SG_REASON_DAMAGED] = { "its receipt can't be read", "its receipt can't be read: " },
    [SG_REASON_CODE] = { "its code changed", "its code changed: " },
    [SG_REASON_COMMAND] = { "its command changed", "its command changed: " },
    [SG_REASON_PARAMS] = { "a parameter changed", "a parameter changed: " },
    [SG_REASON_VERSION] = { "its version key changed", "its version key changed: " },
    [SG_REASON_INPUT] = { "an input changed", "an input changed: " },
    [SG_REASON_UPSTREAM] = { "an input will be rebuilt", "an input will be rebuilt: " },
};

/* "it is stale (missing)", by the word of the plan and of --stale */
static void write_stale(struct sg_out *o, const char *stale, const struct sg_explanation *x)
{
    sg_out_text(o, stale);
    if (x->view.reason != SG_REASON_NONE)
        sg_out_printf(o, " (%s)", sg_reason_name(x->view.reason));
}

/* Is the claim what the sentence says of an interrupted attempt? */
static bool tells_claim(const struct sg_explanation *x)
{
    return x->view.reason == SG_REASON_INTERRUPTED && x->claim != NULL && x->view.detail[0] == '\0';
}

static void write_why(struct sg_out *o, const struct sg_explanation *x)
{
    const char *detail = x->view.detail;

    if (x->view.reason == SG_REASON_DAMAGED && x->damage != NULL && x->damage[0] != '\0')
        detail = x->damage;
    if (tells_claim(x))
        detail = x->claim;
    if (detail[0] != '\0')
        sg_out_printf(o, "%s%s", whys[x->view.reason].of, detail);
    else
        sg_out_text(o, whys[x->view.reason].plain);
}

static void write_fresh(struct sg_out *o, const struct sg_explanation *x)
{
    char started[SG_UTC_TEXT], time[SG_DURATION_TEXT];

    if (x->marker.kind == SG_MARKER_FOREIGN) {
        sg_out_text(o, "fresh: its marker is not ours, so only a newer input makes it stale");
        return;
    }
    sg_out_text(o, "fresh");
    if (x->receipt.run == NULL)
        return;
    sg_utc_format(x->receipt.started_s, started);
    if (x->marker.kind == SG_MARKER_ACCEPTED) {
        sg_out_printf(o, ": accepted by run %s at %s", x->receipt.run, started);
        return;
    }
    sg_duration_format(x->receipt.seconds, true, time);
    sg_out_printf(o, ": made by run %s, started %s, in %s", x->receipt.run, started, time);
}

static void write_verdict(struct sg_out *o, const struct sg_explanation *x)
{
    char node[SG_NODE_TEXT];

    sg_node_format(x->view.stage, x->view.index, node);
    sg_out_printf(o, "%s is ", node);
    switch (x->view.verdict) {
    case SG_VERDICT_FRESH:
        write_fresh(o, x);
        break;
    case SG_VERDICT_RUN:
        write_stale(o, "stale", x);
        sg_out_text(o, " and will run: ");
        write_why(o, x);
        break;
    case SG_VERDICT_BLOCKED:
        sg_out_printf(o, "blocked: %s. ", x->lacks != NULL ? x->lacks : "an input is not there");
        write_stale(o, "It is stale", x);
        sg_out_text(o, ": ");
        write_why(o, x);
        break;
    case SG_VERDICT_BUSY:
        sg_out_printf(o, "busy: %s. ",
                      x->claim != NULL ? x->claim : "an input is held by another run");
        write_stale(o, "It is stale", x);
        sg_out_text(o, ": ");
        write_why(o, x);
        break;
    case SG_VERDICT_DEBT:
        write_stale(o, "stale", x);
        sg_out_text(o, ", but not for a reason that is asked for: ");
        write_why(o, x);
        break;
    case SG_VERDICT_INPUT:
        sg_out_text(o, x->view.stage->is_source ? "a source: somebody else makes it"
                                                : "not asked for, only an input");
        break;
    }
    sg_out_text(o, ".\n");
    if (x->view.verdict == SG_VERDICT_FRESH && x->view.completes)
        sg_out_text(o, "It is over now: the next run renames its partial marker.\n");
    if (x->view.verdict == SG_VERDICT_BLOCKED && x->source != NULL)
        sg_out_printf(o, "%s is looked for at %s.\n", x->source, x->source_path);
    if (x->claim != NULL && x->view.verdict != SG_VERDICT_BUSY && !tells_claim(x))
        sg_out_printf(o, "Its claim: %s.\n", x->claim);
}

static bool is_long(const struct sg_out *o, const char *text)
{
    return text != NULL && sg_out_width(o, text) > VALUE_MOST;
}

static bool is_same(const struct sg_explain_row *r)
{
    return r->then != NULL && r->now != NULL && strcmp(r->then, r->now) == 0;
}

static const char *cell(const struct sg_out *o, const char *text, struct sg_buf *b)
{
    struct sg_error err = SG_ERROR_INIT;

    if (text == NULL)
        return "-";
    if (text[0] == '\0')
        return "(empty)";
    sg_buf_clear(b);
    return sg_out_fit(o, text, VALUE_MOST, b, &err) ? sg_buf_text(b) : text;
}

static void table_pass(struct sg_table *t, const struct sg_explain_row *rows, uint32_t n,
                       bool write)
{
    struct sg_buf then = SG_BUF_INIT, now = SG_BUF_INIT;

    for (uint32_t i = 0; i < n && !sg_out_gone(t->out); i++) {
        const struct sg_explain_row *r = &rows[i];
        const char *cells[] = {
            r->differs ? "!" : NULL,
            r->part,
            r->name,
            cell(t->out, r->then, &then),
            is_same(r) ? "(same)" : cell(t->out, r->now, &now),
        };

        if (write)
            sg_table_row(t, cells);
        else
            sg_table_measure(t, cells);
    }
    sg_buf_done(&then);
    sg_buf_done(&now);
}

static void write_long(struct sg_out *o, const struct sg_explain_row *r)
{
    if (!r->differs || (!is_long(o, r->then) && !is_long(o, r->now)))
        return;
    sg_out_printf(o, "\n%s %s\n  then: %s\n  now:  %s\n", r->part, r->name,
                  r->then != NULL ? r->then : "-", r->now != NULL ? r->now : "-");
}

void sg_explain_text_write(struct sg_out *o, const struct sg_explanation *x,
                           const struct sg_explain_row *rows, uint32_t n)
{
    struct sg_table t;

    write_verdict(o, x);
    if (n > 0) {
        sg_table_init(&t, o, columns, sizeof(columns) / sizeof(columns[0]));
        table_pass(&t, rows, n, false);
        sg_out_text(o, "\n");
        sg_table_head(&t);
        table_pass(&t, rows, n, true);
        for (uint32_t i = 0; i < n; i++)
            write_long(o, &rows[i]);
    }
    sg_out_flush(o);
}
