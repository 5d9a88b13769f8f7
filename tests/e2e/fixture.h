/*
 * fixture: a scratch directory a test, the program run in it, and what a test asks afterwards.
 *
 * A test gets a struct e2e from e2e_setup(): a new directory below $TMPDIR with a graph file, jobs
 * and a store. e2e_teardown() fails the test when a process of it is still there, and removes the
 * directory (not with E2E_KEEP set). Everything that is handed out lives until then.
 *
 *   e2e_flights(t);                              the usual graph; or e2e_write(t, "stagegraph.ini",
 * …) e2e_run(t, 0, "run -j2");                    runs it, expects status 0; then t->out, t->err
 *   e2e_ran(t, "bronze@2024-01-01T21 …");        which jobs ran since the last look, in order
 *   e2e_plan_is(t, "--stale=code", "silver …");  what plan --json says, a line a group
 *
 * Nothing here waits without a bound, or measures time: a wait that takes E2E_PATIENCE_MS (or what
 * a variable of that name says) fails the test, and a watchdog process ends everything that belongs
 * to a test that hangs or dies.
 */
#ifndef E2E_FIXTURE_H
#define E2E_FIXTURE_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#define E2E_PATIENCE_MS  30000
#define E2E_PRINTF(f, a) __attribute__((format(printf, f, a)))

struct e2e_proc;

struct e2e {
    char *dir;             /* absolute */
    const char *out, *err; /* of the program that ended last */
    int status;            /* its exit status, or E2E_DIED(signal) */
    long peak_kib;         /* its largest resident size */

    /* private */
    char **env;
    size_t n_env;
    struct e2e_proc *procs;
    void **garbage;
    size_t n_garbage;
    size_t ran_seen; /* bytes of the job log that were looked at */
    char *transcript;
    pid_t watchdog;
    int watchdog_fd;
};

/* What e2e_run() and e2e_wait() expect and t->status says. */
#define E2E_ANY       (-1)
#define E2E_DIED(sig) (1000 + (sig))

int e2e_setup(void **state);
int e2e_teardown(void **state);
/* In a test of many trials, before each: the watchdog begins anew. */
void e2e_lives(struct e2e *t);
#define e2e_test(f) cmocka_unit_test_setup_teardown(f, e2e_setup, e2e_teardown)

/* First in a test of what is not built yet: skips it, unless E2E_NOT_YET is set. */
#define e2e_not_yet(what)                                                                          \
    do {                                                                                           \
        if (getenv("E2E_NOT_YET") == NULL) {                                                       \
            print_message("not built yet: %s\n", what);                                            \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/* ---- texts and files; paths are relative to the scratch directory */

char *e2e_text(struct e2e *t, const char *fmt, ...) E2E_PRINTF(2, 3);
char *e2e_path(struct e2e *t, const char *path);
void e2e_write(struct e2e *t, const char *path, const char *text); /* makes its directories */
void e2e_append(struct e2e *t, const char *path, const char *text);
char *e2e_read(struct e2e *t, const char *path); /* NULL when it is not there */
bool e2e_exists(struct e2e *t, const char *path);
void e2e_remove(struct e2e *t, const char *path); /* a whole tree; absent is fine */
/* Replaces the first `old` in a file, which must hold it. */
#define e2e_edit(t, path, old, new) e2e_edit_at(t, path, old, new, __FILE__, __LINE__)
void e2e_edit_at(struct e2e *t, const char *path, const char *old, const char *new,
                 const char *file, int line);
/* Overwrites one byte. */
void e2e_poke(struct e2e *t, const char *path, size_t offset, char byte);

/* ---- the usual graph */

/*
 * landing (a source with a marker) → bronze → silver → gold (a day), from 2024-01-01T21 to the end
 * of that day: three hours and their day, seven nodes, all due at the time that programs are told
 * ($STAGEGRAPH_NOW, 2024-01-02T00:10Z). The landing hours are there. Each stage's code is
 * code/STAGE.txt; the param `level` is silver's and in its stamp.
 */
void e2e_flights(struct e2e *t);
void e2e_job_script(struct e2e *t); /* job.sh alone, see there */
/* What jobs of a stage or a node do besides: lines of sh, sourced by job.sh before it writes. */
void e2e_does(struct e2e *t, const char *stage_or_node, const char *lines);
/* One hour of the source landing, with its marker: "2024-01-01T21". */
void e2e_land(struct e2e *t, const char *label, const char *text);

/* Where the usual graph puts a node's output; "bronze@2024-01-01T21", "gold@2024-01-01". */
char *e2e_output(struct e2e *t, const char *node);
char *e2e_marker(struct e2e *t, const char *node); /* its path */
/* Is the output there as a job wrote it, to its last line, the checksum of all before? */
bool e2e_is_whole(struct e2e *t, const char *node);
bool e2e_has_receipt(struct e2e *t, const char *node); /* a marker of state done or accepted */

/*
 * The jobs that were started since the last call, in order, separated by blanks. Fails when two of
 * one node ran at once.
 */
char *e2e_jobs(struct e2e *t);
char *e2e_jobs_sorted(struct e2e *t);
#define e2e_ran(t, nodes)        e2e_same(e2e_jobs(t), nodes, __FILE__, __LINE__)
#define e2e_ran_sorted(t, nodes) e2e_same(e2e_jobs_sorted(t), nodes, __FILE__, __LINE__)

/* ---- programs */

void e2e_setenv(struct e2e *t, const char *name, const char *value); /* NULL: unset */

/* Runs stagegraph; the words are split at blanks ('…' keeps them together). */
#define e2e_run(t, want, ...) e2e_run_at(t, __FILE__, __LINE__, want, __VA_ARGS__)
void e2e_run_at(struct e2e *t, const char *file, int line, int want, const char *fmt, ...)
    E2E_PRINTF(5, 6);

/* In the background, in a process group of its own, as a terminal's foreground job is. */
struct e2e_proc *e2e_start(struct e2e *t, const char *fmt, ...) E2E_PRINTF(2, 3);
/* Any program, its arguments NULL-terminated. */
struct e2e_proc *e2e_start_argv(struct e2e *t, const char *const *argv);
pid_t e2e_pid(const struct e2e_proc *p);
bool e2e_is_over(struct e2e_proc *p); /* looks, doesn't wait */
/* What it has printed so far. */
const char *e2e_stdout(struct e2e_proc *p);
const char *e2e_stderr(struct e2e_proc *p);
/* Until its standard output (standard error) holds the text; it must not end before. */
#define e2e_until(p, text)     e2e_until_at(p, 1, text, __FILE__, __LINE__)
#define e2e_until_err(p, text) e2e_until_at(p, 2, text, __FILE__, __LINE__)
void e2e_until_at(struct e2e_proc *p, int fd, const char *text, const char *file, int line);
/* Until it ends; its output is then t->out and t->err. */
#define e2e_wait(p, want) e2e_wait_at(p, want, __FILE__, __LINE__)
void e2e_wait_at(struct e2e_proc *p, int want, const char *file, int line);
/* Until it ends, whatever it leaves; its status. */
#define e2e_end(p) e2e_end_at(p, __FILE__, __LINE__)
int e2e_end_at(struct e2e_proc *p, const char *file, int line);
void e2e_kill(struct e2e_proc *p, int signo);       /* the process alone */
void e2e_kill_group(struct e2e_proc *p, int signo); /* as ^C does: its whole process group */
/* Closes our end of its standard output; of a terminal: the terminal goes. */
void e2e_hang_up(struct e2e_proc *p);

/* ---- transcripts: whole texts of commands, in tests/e2e/texts */

/*
 * Runs it, and adds it to the transcript: "$ stagegraph COMMAND", its standard output, its standard
 * error behind "2> ", its status as "[1]" or "[died of INT]".
 */
void e2e_show(struct e2e *t, const char *command);
/* Adds the program that e2e_wait() waited for last. */
void e2e_show_ended(struct e2e *t, const char *command);
/*
 * The transcript so far is that of texts/NAME.txt, but for what varies from run to run: the scratch
 * directory is DIR, run ids RUN1, RUN2 …, hashes HASH1 …, times of the clock TIME, durations 0.0s,
 * sizes SIZE; blanks within a line are two at most. $E2E_WRITE_TEXTS writes the file.
 */
#define e2e_transcript_is(t, name) e2e_transcript_is_at(t, name, __FILE__, __LINE__)
void e2e_transcript_is_at(struct e2e *t, const char *name, const char *file, int line);
/*
 * On a terminal of its own, as the leader of its session: all three streams are a pseudo-terminal
 * of that size (0: not known), and e2e_stdout() is what it has got. TERM is xterm unless it was
 * set. What it shows is for screen.h to tell.
 */
struct e2e_proc *e2e_start_on_terminal(struct e2e *t, int columns, int rows, const char *fmt, ...)
    E2E_PRINTF(4, 5);
struct e2e_proc *e2e_start_argv_on_terminal(struct e2e *t, int columns, int rows,
                                            const char *const *argv);
void e2e_type(struct e2e_proc *p, const char *text); /* "\003" is ^C */
void e2e_resize(struct e2e_proc *p, int columns, int rows);

/* ---- other processes of the test */

enum e2e_who {
    E2E_ALL,  /* whatever belongs to the scratch directory */
    E2E_SHIM, /* the shims */
    E2E_JOB   /* what carries a nonce and is no shim */
};
size_t e2e_find(struct e2e *t, enum e2e_who who, pid_t *ret, size_t max);
/* The only one there is; waits for it. */
pid_t e2e_find_one(struct e2e *t, enum e2e_who who);
void e2e_until_gone(struct e2e *t, enum e2e_who who);
bool e2e_is_alive(pid_t pid);            /* a zombie isn't */
void e2e_stop(struct e2e *t, pid_t pid); /* SIGSTOP, and waits until it stands */
/* Until the letter of its state in /proc (T: it stands) is that one, or no longer that one. */
void e2e_until_state(struct e2e *t, pid_t pid, char letter, bool is);
/* The number that a job wrote into a file; waits until it is there. */
pid_t e2e_pid_in(struct e2e *t, const char *path);
void e2e_until_exists(struct e2e *t, const char *path);
/* Lets programs run for a moment; only where the absence of something is to be seen. */
void e2e_pause(struct e2e *t, int ms);

/*
 * A FIFO gate.NAME, at which a job stands still: `read -r x <gate.NAME`. reached: a job stands
 * there now. open: lets one go (waits for it to come).
 */
void e2e_gate(struct e2e *t, const char *name);
int e2e_gate_reached(struct e2e *t, const char *name); /* for e2e_gate_let_go() */
void e2e_gate_let_go(int fd);
void e2e_gate_open(struct e2e *t, const char *name);

/* ---- JSON and plans */

/* A document as pairs of path and value: "groups[0].stage" "bronze". A string is bare, an object or
 * array has the value "{}" or "[]" whatever is in it. */
struct e2e_doc {
    struct e2e_pair {
        char *path, *value;
    } * pairs;
    size_t n;
};
/* Fails the test when the text is not JSON. */
struct e2e_doc *e2e_json(struct e2e *t, const char *text);
const char *e2e_get(const struct e2e_doc *d, const char *fmt, ...) E2E_PRINTF(2, 3); /* or NULL */

/*
 * `plan --json` as lines, in its order:
 *   silver 2024-01-01T21..2024-01-01T23 3/3 code code/silver.txt
 *   blocked gold 2024-01-01 1 missing: landing@2024-01-01T23
 *   busy silver 2024-01-01T21 1
 * groups with count/jobs, reason and detail; then blocked ones with what they lack; then busy ones.
 * The lines of e2e_plan_is() are patterns as in e2e_looks().
 */
char *e2e_plan_text(struct e2e *t, const struct e2e_doc *d);
#define e2e_plan_is(t, args, lines) e2e_plan_is_at(t, args, lines, __FILE__, __LINE__)
void e2e_plan_is_at(struct e2e *t, const char *args, const char *lines, const char *file, int line);

/* ---- comparing */

void e2e_same(const char *got, const char *want, const char *file, int line);
#define e2e_says(text, part)     e2e_says_at(text, part, true, __FILE__, __LINE__)
#define e2e_says_not(text, part) e2e_says_at(text, part, false, __FILE__, __LINE__)
void e2e_says_at(const char *text, const char *part, bool want, const char *file, int line);
/*
 * Line by line: `*` in the pattern is anything within a line; a line "..." any number of lines.
 */
#define e2e_looks(text, pattern) e2e_looks_at(text, pattern, __FILE__, __LINE__)
void e2e_looks_at(const char *text, const char *pattern, const char *file, int line);
bool e2e_line_matches(const char *line, size_t n, const char *pattern, size_t pattern_n);
/* Fails the test, telling what the last program said. */
#define e2e_fail(t, ...) e2e_fail_with(t, __FILE__, __LINE__, __VA_ARGS__)
void e2e_fail_with(struct e2e *t, const char *file, int line, const char *fmt, ...)
    E2E_PRINTF(4, 5);
/* Some line of the text matches. */
#define e2e_has_line(text, pattern) e2e_has_line_at(text, pattern, __FILE__, __LINE__)
void e2e_has_line_at(const char *text, const char *pattern, const char *file, int line);
size_t e2e_count(const char *text, const char *part);

#endif
