/*
 * screen: what a terminal shows of what it got, with all that has scrolled away.
 *
 * It knows text in UTF-8, CR, LF, BS, TAB, and of the control sequences those that a run may use:
 * cursor up, clear to the end, attributes, the cursor hidden and shown. Anything else is kept in
 * `unknown`. It wraps lines as xterm does (a full row wraps with the next character) and, when it
 * is resized, wraps them anew as most terminals do.
 */
#ifndef E2E_SCREEN_H
#define E2E_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_COLUMNS 256
#define SCREEN_ROWS    4096 /* kept; a test that prints more fails */

struct screen_row {
    uint32_t cell[SCREEN_COLUMNS];
    int len;
    bool goes_on; /* the row above was full: one line with it */
};

struct screen {
    int columns, rows;
    struct screen_row *at;
    int n;        /* rows there are */
    int top;      /* the first on the screen; those above can't be reached any more */
    int row, col; /* the cursor; col == columns: the next character wraps */
    bool coloured, hidden;
    bool unknown; /* a control that is none of the above */
    int seen;     /* control sequences and bare controls but CR and LF */

    /* private */
    size_t fed;
    char seq[32];
    int n_seq; /* 0: no sequence has begun */
    uint32_t point;
    int more; /* bytes of a character still to come */
};

void screen_init(struct screen *s, int columns, int rows);
void screen_done(struct screen *s);
/* The whole text so far; what was fed before is skipped. */
void screen_feed(struct screen *s, const char *text);
void screen_resize(struct screen *s, int columns, int rows);
/* All lines, wrapped rows joined, blanks at their ends removed. The caller frees it. */
char *screen_lines(const struct screen *s);
/* A row as it stands, counted from the last one that is not empty (0). The caller frees it. */
char *screen_row(const struct screen *s, int from_last);

#endif
