/*
 * out: where text for people goes: a descriptor that cli gives, buffered, and never in the run's
 * way.
 *
 * Floor: report. docs/design.md, "Output".
 *
 *   sg_out_init → sg_out_text / sg_out_printf / sg_out_write … → sg_out_flush → sg_out_done
 *
 * Nothing here fails as a call. When the descriptor breaks (EPIPE, EIO, ENOSPC …) the first errno
 * is kept (sg_out_error) and all later writes are dropped; listings look at sg_out_gone() and stop
 * early. SIGPIPE must be ignored by the program.
 *
 * A reader that does not read (a pager, a stopped terminal) does not stop a run: with `patient`
 * unset what it doesn't take is kept, and taken up by the next flush. Above 4 MiB the out is
 * "behind" (sg_out_is_behind), as long as the reader takes something each second: the run then
 * holds its jobs back. Above 8 MiB a write waits for it, at most a second without progress, and
 * then no more until the reader takes something again; above 16 MiB lines are dropped and their
 * number is told when there is room. With `patient` (listings) a flush waits as long as it takes.
 * With `whole` no write waits and nothing is dropped, as far as there is memory; where there is
 * none the out is broken (ENOMEM). Unless it is patient, a pipe or terminal is opened a second
 * time, non-blocking (the flag of the descriptor itself is shared with other programs); where that
 * can't be done, poll() is asked first.
 *
 * Texts of ours go through sg_out_text: where UTF-8 can't be shown, → … · become -> ... - ; control
 * characters but '\n' are shown as \xNN, so that names from a store can't move the cursor. Bytes of
 * jobs, and our own control sequences, go through sg_out_write as they are.
 */
#ifndef STAGEGRAPH_OUT_H
#define STAGEGRAPH_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/buf.h"
#include "stagegraph/clock.h"
#include "stagegraph/error.h"

struct sg_out_config {
    int fd;        /* borrowed */
    bool terminal; /* isatty */
    bool colour;
    bool utf8;
    int columns, rows; /* of a terminal; 0: not known (80 and 24 are assumed) */
    bool patient;      /* wait for a slow reader, for ever: listings */
    bool whole;        /* for a program: nothing is dropped, and it is behind also while its reader
                        * takes nothing */
};

struct sg_out {
    struct sg_out_config is; /* read it, don't change it; sg_out_resize does */
    int own_fd;              /* the rest is private */
    int sys;
    bool stalled, poll_first, socket;
    struct sg_mono moved; /* when something was taken, or nothing was left to take */
    size_t dropped;       /* lines */
    size_t at;            /* of buf: what is written already */
    struct sg_buf buf;
};

void sg_out_init(struct sg_out *o, const struct sg_out_config *c);
/* Flushes (waiting at most `wait_ms` for a reader that takes nothing, -1: for ever), then frees.
 * The descriptor stays open. */
void sg_out_done(struct sg_out *o, int wait_ms);

void sg_out_write(struct sg_out *o, const void *bytes, size_t n);
void sg_out_text(struct sg_out *o, const char *text);
void sg_out_printf(struct sg_out *o, const char *fmt, ...) SG_PRINTF(2, 3);
/* `text` padded with blanks to so many columns, at the left for `right`; longer texts stay whole.
 */
void sg_out_pad(struct sg_out *o, const char *text, int columns, bool right);
/* ", 1,234 what"; nothing for 0. */
void sg_out_also(struct sg_out *o, uint32_t n, const char *what);
/* `text` in the colour, if there is colour. */
enum sg_colour { SG_COLOUR_NONE, SG_COLOUR_GREEN, SG_COLOUR_RED };
void sg_out_coloured(struct sg_out *o, enum sg_colour c, const char *text);

void sg_out_flush(struct sg_out *o);
/* Bytes that are kept for the reader, and the descriptor to poll for when it takes more. */
size_t sg_out_pending(const struct sg_out *o);
int sg_out_descriptor(const struct sg_out *o);
/* Should what prints be held back for a while? */
bool sg_out_is_behind(const struct sg_out *o, struct sg_mono now);
bool sg_out_gone(const struct sg_out *o);
/* 0, or the errno that broke it. EPIPE and EIO are nobody's fault; ENOSPC is worth a message. */
int sg_out_error(const struct sg_out *o);
void sg_out_resize(struct sg_out *o, int columns, int rows);

/* How many columns the text takes on this output (after what sg_out_text does to it): wide and
 * combining characters count 2 and 0. */
int sg_out_width(const struct sg_out *o, const char *text);
/* The longest beginning of `text` that fits in so many columns, its end replaced by "…" when
 * something was cut. Fails with memory only. */
bool sg_out_fit(const struct sg_out *o, const char *text, int columns, struct sg_buf *ret,
                struct sg_error *err) SG_MUST;

#endif
