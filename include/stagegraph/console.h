/*
 * console: a run as people see it: banners, the jobs' own output, results; on a terminal a block at
 * the bottom.
 *
 * Floor: report. docs/design.md, "The console"; section 8 of the contract.
 *
 *   sg_console_new → a run with sg_console_sink() among its sinks, sg_console_tick() all
 *                    SG_CONSOLE_TICK_MS → sg_console_free
 *
 * Up to six jobs, one at a time, each have a section of their own, with their output unaltered.
 * With more, a job has a line when it ends. With -j above 1 each line of output has its node in
 * front; lines are never torn by others, but for a partial one that was shown after 0.1 s; where
 * there is a block, partial lines are shown in it.
 * The block is drawn at most twenty times a second and cleared before anything else is printed;
 * with -j1 it is absent while a job's line is unfinished, for that line has the cursor. On a
 * terminal, colours that a job left on are off in all that is ours.
 */
#ifndef STAGEGRAPH_CONSOLE_H
#define STAGEGRAPH_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/clock.h"
#include "stagegraph/error.h"
#include "stagegraph/event.h"
#include "stagegraph/out.h"
#include "stagegraph/view.h"

struct sg_console_config {
    struct sg_out *out;     /* the show and its results; borrowed, as all here */
    struct sg_out *notices; /* diagnostics (notices of the run); may be the same. Where both are one
                             * terminal, pass the same, so that the block is cleared before */
    bool quiet;             /* only failures and results */
    bool verbose;           /* reasons, CPU, version seconds, retries */
    bool block;             /* cli: a terminal that is not dumb, no --json on it */
    int32_t jobs;           /* -j */
    const char *program;    /* "stagegraph", with -C and -f as they were given */
    const char *resume;     /* the command that goes on, "stagegraph resume"; NULL: none */
    const struct sg_usual_source *usual; /* NULL: nothing is known */
    struct sg_mono (*now)(void);         /* NULL: sg_mono_now */
};

struct sg_console;
bool sg_console_new(const struct sg_console_config *c, struct sg_console **ret,
                    struct sg_error *err) SG_MUST;
void sg_console_free(struct sg_console *c); /* NULL is fine; clears the block */
struct sg_sink sg_console_sink(struct sg_console *c);

#define SG_CONSOLE_TICK_MS 50
/* From a timer (cheap when there is nothing to do): shows partial lines that
 * have waited, draws the block, says how far it is where there is no block, flushes. */
void sg_console_tick(struct sg_console *c, struct sg_mono now);
/* Takes the block away until the next tick: before a stop (TSTP), and before somebody else prints.
 */
void sg_console_hide(struct sg_console *c);
/* After SIGWINCH. Tells the out as well. */
void sg_console_resize(struct sg_console *c, int columns, int rows);
/* Somebody else may have printed: what was drawn is left where it is, and drawn anew below. */
void sg_console_lost(struct sg_console *c);
/* While another process has the terminal's foreground, there is no block: the shell's line, in
 * which somebody may be typing, has the cursor. */
void sg_console_background(struct sg_console *c, bool background);

#endif
