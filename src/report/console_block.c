/*
 * The block at the bottom of a terminal: lines that jobs have begun, running jobs, a bar, what is
 * left; elsewhere a line of the same now and then.
 *
 * No line of the block fills the last column, so that none wraps, and the cursor stays at the end
 * of its last line. It is cleared by going up as many rows as its lines take at the width of now: a
 * terminal that became narrower has wrapped them.
 */
#include "console_impl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stagegraph/text.h"

#define DRAW_EVERY (INT64_C(40) * SG_NS_PER_MS) /* and a tick: within a tenth of a second */
#define SAY_EVERY  (INT64_C(30) * SG_NS_PER_S)
#define BAR_WIDTH  30
#define NAMES_SAID 3
#define ECHOED     2 /* columns of "^C", which the terminal shows at the cursor */

static int rows_of(const struct sg_console *c)
{
    const char *at = sg_buf_text(&c->block);
    int columns = c->out->is.columns, rows = 0;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf line = SG_BUF_INIT;

    while (at != NULL) {
        const char *newline = strchr(at, '\n');
        int width = 0;

        sg_buf_clear(&line);
        if (sg_buf_add(&line, at, newline != NULL ? (size_t)(newline - at) : strlen(at), &err))
            width = sg_out_width(c->out, sg_buf_text(&line));
        rows += width > columns ? (width + columns - 1) / columns : 1;
        at = newline != NULL ? newline + 1 : NULL;
    }
    sg_buf_done(&line);
    return rows;
}

void sg_console_clear(struct sg_console *c)
{
    char up[32];
    int rows;

    if (!c->shown)
        return;
    rows = rows_of(c);
    snprintf(up, sizeof(up), "\033[%dA", rows - 1);
    sg_out_write(c->out, "\r", 1);
    if (rows > 1)
        sg_out_write(c->out, up, strlen(up));
    sg_out_write(c->out, "\033[J", 3);
    c->shown = false;
}

/* ---- what is left */

/* Seconds that a node of the stage takes: by the history, else by this run. */
static double usual_s(const struct sg_console *c, const struct sg_stage *s)
{
    double usual = sg_usual_of(c->c.usual, s).median_s;
    const struct sg_tally *t = &c->tally[s->id.i];

    if (isnan(usual) && t->n[SG_RESULT_OK] > 0)
        usual = t->ok_s / t->n[SG_RESULT_OK];
    return usual;
}

static uint32_t n_ended(const struct sg_tally *t)
{
    uint32_t n = 0;

    for (int r = SG_RESULT_OK; r < SG_RESULT_COUNT; r++)
        n += t->n[r];
    return n;
}

/* NaN when it can't be told. */
static double left_s(const struct sg_console *c, struct sg_mono now)
{
    double sum = 0, longest = 0, left;

    for (uint32_t i = 0; i < c->view.n_stages; i++) {
        const struct sg_view_stage *s = &c->view.stages[i];
        uint32_t ended = n_ended(&c->tally[s->stage->id.i]);
        uint32_t all = s->run + s->blocked + s->busy;

        if (all > ended && s->run > 0)
            sum += usual_s(c, s->stage) * (all - ended < s->run ? all - ended : s->run);
    }
    for (const struct sg_running *r = c->running; r != NULL; r = r->next) {
        double usual = usual_s(c, r->stage) * r->n;
        double passed = (double)(now.ns - r->since.ns) / (double)SG_NS_PER_S;

        left = usual > passed ? usual - passed : 0;
        sum -= usual - left;
        longest = left > longest ? left : longest;
    }
    sum /= c->at_once >= 1 ? c->at_once : 1;
    return sum < longest ? longest : sum;
}

static bool add_left(const struct sg_console *c, struct sg_mono now, struct sg_buf *b,
                     struct sg_error *err)
{
    double left = left_s(c, now);
    char text[SG_DURATION_TEXT];

    if (isnan(left))
        return true;
    sg_duration_format(left, false, text);
    return sg_buf_addf(b, err, " · about %s left", text);
}

/* ---- the block */

/* A line, cut so that the last column, and besides so many, stay free. */
static bool add_cut(const struct sg_console *c, struct sg_buf *block, const struct sg_buf *line,
                    int besides, struct sg_error *err)
{
    return (block->len == 0 || sg_buf_addc(block, '\n', err)) &&
           sg_out_fit(c->out, sg_buf_text(line), c->out->is.columns - 1 - besides, block, err);
}

static bool add_line(const struct sg_console *c, struct sg_buf *block, const struct sg_buf *line,
                     struct sg_error *err)
{
    return add_cut(c, block, line, 0, err);
}

/* The cursor stays behind it, and the terminal shows there what is typed. */
static bool add_last(const struct sg_console *c, struct sg_buf *block, const struct sg_buf *line,
                     struct sg_error *err)
{
    return add_cut(c, block, line, c->out->is.columns > 4 * ECHOED ? ECHOED : 0, err);
}

static bool add_job(const struct sg_console *c, const struct sg_running *r, struct sg_mono now,
                    struct sg_buf *b, struct sg_error *err)
{
    double usual = usual_s(c, r->stage) * r->n;
    char nodes[SG_NODES_TEXT], text[SG_DURATION_TEXT];

    sg_console_nodes(r->stage, r->first, r->last, nodes);
    sg_duration_format((double)(now.ns - r->since.ns) / (double)SG_NS_PER_S, false, text);
    if (!sg_buf_addf(b, err, "%s  %s", nodes, text))
        return false;
    if (isnan(usual))
        return true;
    sg_usual_format(usual, text);
    return sg_buf_addf(b, err, " of about %s", text);
}

static bool add_bar(const struct sg_console *c, struct sg_mono now, struct sg_buf *b,
                    struct sg_error *err)
{
    uint32_t all = c->view.counts.run, done = c->n_done < all ? c->n_done : all;
    int width = c->out->is.columns / 3 < BAR_WIDTH ? c->out->is.columns / 3 : BAR_WIDTH;
    int full = all > 0 ? (int)((uint64_t)done * (uint64_t)width / all) : 0;
    bool ok = sg_buf_addc(b, '[', err);

    for (int i = 0; ok && i < width; i++)
        ok = sg_buf_addc(b, i < full ? '=' : i == full ? '>' : ' ', err);
    return ok && sg_buf_addf(b, err, "] %u/%u", done, all) && add_left(c, now, b, err);
}

/* The line that a job has begun: what a terminal would show of it, so only what follows a '\r'. */
static bool add_part(const struct sg_console *c, const struct sg_running *r, struct sg_buf *b,
                     struct sg_error *err)
{
    const char *at = sg_buf_text(&r->part), *back = strrchr(at, '\r');
    size_t most = (size_t)c->out->is.columns * 4; /* bytes; the rest is cut anyway */
    char nodes[SG_NODES_TEXT];

    if (back != NULL && back[1] != '\0')
        at = back + 1;
    sg_console_nodes(r->stage, r->first, r->last, nodes);
    return sg_buf_addf(b, err, "%s | %.*s", nodes, (int)strnlen(at, most), at);
}

static bool add_parts(const struct sg_console *c, int *left, struct sg_buf *block,
                      struct sg_error *err)
{
    struct sg_buf line = SG_BUF_INIT;
    bool ok = true;
    int most = *left / 2;

    for (const struct sg_running *r = c->running; ok && r != NULL && most > 0; r = r->next) {
        if (r->part.len == 0)
            continue;
        sg_buf_clear(&line);
        ok = add_part(c, r, &line, err) && add_line(c, block, &line, err);
        most--;
        (*left)--;
    }
    sg_buf_done(&line);
    return ok;
}

static bool add_jobs(const struct sg_console *c, struct sg_mono now, int left, struct sg_buf *block,
                     struct sg_error *err)
{
    struct sg_buf line = SG_BUF_INIT;
    bool ok = true;
    int all = 0, n = 0;

    for (const struct sg_running *r = c->running; r != NULL; r = r->next)
        all++;
    for (const struct sg_running *r = c->running; ok && r != NULL && n < left; r = r->next, n++) {
        sg_buf_clear(&line);
        if (n + 1 == left && all > left)
            ok = sg_buf_addf(&line, err, "… and %d more", all - n);
        else
            ok = add_job(c, r, now, &line, err);
        ok = ok && add_line(c, block, &line, err);
    }
    sg_buf_done(&line);
    return ok;
}

static bool make_block(const struct sg_console *c, struct sg_mono now, struct sg_buf *block,
                       struct sg_error *err)
{
    int rows = c->out->is.rows - 1, left;
    struct sg_buf bar = SG_BUF_INIT;
    bool ok;

    left = (rows < SG_CONSOLE_BLOCK ? rows : SG_CONSOLE_BLOCK) - 1; /* one is the bar's */
    ok = add_parts(c, &left, block, err) && add_jobs(c, now, left, block, err) &&
         add_bar(c, now, &bar, err) && add_last(c, block, &bar, err);
    sg_buf_done(&bar);
    return ok;
}

bool sg_console_has_block(const struct sg_console *c)
{
    return c->c.block && !c->background && !c->c.quiet && c->many && c->view.counts.run > 0;
}

void sg_console_draw(struct sg_console *c, struct sg_mono now)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf block = SG_BUF_INIT;

    if (!sg_console_has_block(c) || c->mid || (c->was_drawn && now.ns - c->drawn.ns < DRAW_EVERY))
        return;
    if (!make_block(c, now, &block, &err) || /* memory: no block */
        (c->shown && strcmp(sg_buf_text(&block), sg_buf_text(&c->block)) == 0)) {
        sg_buf_done(&block);
        return;
    }
    sg_console_clear(c);
    sg_console_plain(c);
    sg_buf_done(&c->block);
    c->block = block;
    sg_out_text(c->out, sg_buf_text(&c->block));
    c->shown = true;
    c->was_drawn = true;
    c->drawn = now;
}

/* ---- where there is no block */

void sg_console_progress(struct sg_console *c, struct sg_mono now)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf line = SG_BUF_INIT;
    uint32_t n = 0;
    bool ok;

    if ((c->c.block && !c->background) || c->c.quiet || !c->many || c->mid || c->running == NULL ||
        now.ns - c->said.ns < SAY_EVERY)
        return;
    ok = sg_buf_addf(&line, &err, "[%u/%u] running", c->n_done, c->view.counts.run);
    for (const struct sg_running *r = c->running; ok && r != NULL; r = r->next, n++)
        if (n < NAMES_SAID)
            ok = sg_buf_adds(&line, n > 0 ? ", " : " ", &err) && add_job(c, r, now, &line, &err);
    if (n > NAMES_SAID)
        ok = ok && sg_buf_addf(&line, &err, " and %u more", n - NAMES_SAID);
    ok = ok && add_left(c, now, &line, &err);
    if (ok)
        sg_out_printf(c->out, "%s\n", sg_buf_text(&line));
    c->said = now;
    sg_buf_done(&line);
}
