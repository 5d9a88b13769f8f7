/*
 * console_impl: what the files of the console share.
 *
 * Floor: report. docs/design.md, "The console".
 *
 *   console          events, notices, the heading of a run
 *   console_node     a job's start, output and end
 *   console_block    what is drawn at the bottom of a terminal, and said now and then elsewhere
 *   console_results  the end
 */
#ifndef STAGEGRAPH_CONSOLE_IMPL_H
#define STAGEGRAPH_CONSOLE_IMPL_H

#include "stagegraph/buf.h"
#include "stagegraph/console.h"

#define SG_CONSOLE_FEW      6  /* more jobs: a line a job */
#define SG_CONSOLE_FAILURES 5  /* failed or interrupted jobs of a stage that the results name */
#define SG_CONSOLE_BLOCK    10 /* lines of the block, the bar included */

/* A job that runs: a node, or the members of a batch. */
struct sg_running {
    struct sg_running *next; /* in order of start */
    const struct sg_stage *stage;
    int64_t first, last;
    uint32_t n, n_ended;
    struct sg_mono since;
    bool announced;
    char *log; /* tells a batch from the next one; NULL: no log */
    enum sg_reason reason;
    char *detail;
    uint32_t attempt;
    struct sg_buf part; /* with a prefix: the beginning of a line, not shown yet */
    struct sg_mono part_since;
};

/* The end of a job: of several members when they came out the same. */
struct sg_ending {
    const struct sg_stage *stage;
    int64_t first, last;
    uint32_t n;
    enum sg_result result;
    enum sg_reason reason;
    char detail[300], why[300];
    struct sg_job_end end;
    bool has_end, will_retry;
    double seconds, version_seconds;
    char *log;
    const struct sg_running *job; /* NULL: no command was started */
};

struct sg_tally {
    uint32_t number;     /* STAGE 1 … ; 0: takes no part */
    uint32_t run, fresh; /* planned */
    uint32_t n[SG_RESULT_COUNT];
    uint32_t n_not_started; /* of the interrupted ones */
    double ok_s;            /* sum of the commands that came out well */
    double last_s;          /* of the command that ended last */
    uint32_t n_ended;       /* commands that ended for good */
    uint32_t active;        /* jobs running */
    struct sg_mono active_since;
    int64_t active_ns;                 /* time with a job running, up to active_since */
    char *failed[SG_CONSOLE_FAILURES]; /* "silver@2024-01-01T05: exit 3", "…: interrupted" */
    char *log[SG_CONSOLE_FAILURES];
    uint32_t n_untold; /* nodes that would be among them, but for the limit */
    char *lacks;       /* why the first blocked or busy one was left out */
};

struct sg_console {
    struct sg_console_config c;
    struct sg_out *out;
    bool has_view, over;
    struct sg_view view;
    char *own_title;
    bool many;      /* a line a job */
    bool prefix;    /* the node in front of its lines */
    double at_once; /* jobs, on average, as estimated: -j as far as needs and pools let it */
    bool one_each;  /* no stage has more than one node to run: results are times */
    struct sg_tally *tally; /* by stage id */
    uint32_t n_done;
    struct sg_running *running;
    struct sg_ending ending; /* not shown yet when ending.n > 0 */

    bool styled;     /* a job wrote control sequences since our last own text: colours, say */
    bool background; /* of a terminal where somebody else has the foreground */

    bool mid;                        /* the cursor is behind an unfinished line of a job's */
    const struct sg_running *mid_of; /* with a prefix: whose */

    struct sg_buf block; /* as drawn: lines between '\n' */
    bool shown;
    bool was_drawn;
    struct sg_mono drawn;
    struct sg_mono said; /* when something was last said on how far it is */
};

struct sg_mono sg_console_now(const struct sg_console *c);

/* Before anything of ours is printed: no block, the cursor at the start of a line, and no colour of
 * a job's. */
void sg_console_line(struct sg_console *c);
void sg_console_plain(struct sg_console *c); /* the last of these alone; shows the cursor, too */

/* "12.4s": tenths, in any locale */
#define SG_TENTHS_TEXT 32
void sg_console_tenths(double s, char ret[SG_TENTHS_TEXT]);
/* "silver@2013-01-10T05", "silver@2013-01-10T05 … 2013-01-10T08" */
#define SG_NODES_TEXT (SG_NODE_TEXT + SG_RANGE_TEXT)
void sg_console_nodes(const struct sg_stage *s, int64_t first, int64_t last,
                      char ret[SG_NODES_TEXT]);
/* "OK" "UNCHANGED" "FAILED" … ; and its colour */
const char *sg_console_result(enum sg_result r);
enum sg_colour sg_console_colour(enum sg_result r);
/* upper: "BRONZE", else "Bronze"; ASCII letters alone */
void sg_console_name(const char *name, bool upper, char ret[SG_NODE_TEXT]);
void sg_console_rule(struct sg_out *o, char c); /* 80 of them, and a newline */

/* ---- console_node */
void sg_console_started(struct sg_console *c, const struct sg_event *e);
void sg_console_output(struct sg_console *c, const struct sg_event *e);
void sg_console_finished(struct sg_console *c, const struct sg_event *e);
void sg_console_retry(struct sg_console *c, const struct sg_event *e);
void sg_console_skipped(struct sg_console *c, const struct sg_event *e);
/* Shows what was held back because more members of a batch might have come. `e`: but not what this
 * event may still belong to; NULL: all. */
void sg_console_settle(struct sg_console *c, const struct sg_event *e);
/* Partial lines that have waited long enough. */
void sg_console_show_parts(struct sg_console *c, struct sg_mono now);
void sg_console_forget(struct sg_running *r);

/* ---- console_block */
void sg_console_clear(struct sg_console *c);
bool sg_console_has_block(const struct sg_console *c);
void sg_console_draw(struct sg_console *c, struct sg_mono now);
void sg_console_progress(struct sg_console *c, struct sg_mono now);

/* ---- console_results */
void sg_console_results(struct sg_console *c, const struct sg_event *e);

#endif
