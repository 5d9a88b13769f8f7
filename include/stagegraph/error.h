/*
 * error: what went wrong, told from the bottom up.
 *
 * Floor: base. docs/design.md, "Errors".
 *
 *   1. whatever can fail returns bool and takes a `struct sg_error *err`, never NULL;
 *   2. where it breaks, sg_error_set() names the code, the thing, the system's reason;
 *   3. each floor that knows more adds one clause in front with sg_error_wrap();
 *   4. only cli prints it and maps the code to the exit status.
 *
 * `false` means exactly: err is set, ret untouched, nothing leaked. The text sits in the struct and
 * is bounded: the error path never allocates. Where it would overflow, the middle is replaced by
 * "…", so that both the outermost clause and the system's reason survive. One clause alone keeps
 * its first 8 KiB.
 * Absent, stale, damaged, held are answers (ret), not errors.
 */
#ifndef STAGEGRAPH_ERROR_H
#define STAGEGRAPH_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#define SG_MUST         __attribute__((warn_unused_result))
#define SG_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* What a caller may branch on. The order is not a ranking; cli has the table of exit statuses. */
enum sg_error_code {
    SG_ERROR_NONE = 0,
    SG_ERROR_USAGE,  /* the command line: exit 2 */
    SG_ERROR_GRAPH,  /* the graph file: exit 2 */
    SG_ERROR_STORE,  /* the store can't be reached, or refuses: exit 74 */
    SG_ERROR_AWAY,   /* a remote store that nobody answers for, until the deadline: exit 74 */
    SG_ERROR_SYSTEM, /* the machine: processes, descriptors, the state directory: exit 71 */
    SG_ERROR_MEMORY, /* exit 71 */
    SG_ERROR_LIMIT,  /* a bound of ours on input (a buffer's limit): the caller maps it */
    SG_ERROR_BUG     /* a promise of our own code does not hold: exit 70 */
};

struct sg_error {
    enum sg_error_code code;
    int sys; /* errno where the system gave one, else 0 */
    char text[1000];
};

#define SG_ERROR_INIT                                                                              \
    {                                                                                              \
        .code = SG_ERROR_NONE                                                                      \
    }

/* Sets err to "text" or "text: strerror(sys)" when sys is not 0. Always returns false. The code is
 * one of the others than NONE; those before SYSTEM become SYSTEM where sys is a shortage. An
 * argument may be err's own text. */
bool sg_error_set(struct sg_error *err, enum sg_error_code code, int sys, const char *fmt, ...)
    SG_PRINTF(4, 5);

/* Puts "text: " in front of what err says already; code and sys stay. Always returns false. That
 * err is set is a promise of the caller's. */
bool sg_error_wrap(struct sg_error *err, const char *fmt, ...) SG_PRINTF(2, 3);

/* Descriptors, processes, memory: is that what an errno says there is not enough of? */
bool sg_error_is_shortage(int sys);

/* As SG_ERROR_INIT, without writing the whole text. */
void sg_error_clear(struct sg_error *err);

/*
 * SG_EXPECT(x, err): a promise of our own code, never of input. In a test build (SG_TEST_BUILD) a
 * broken one aborts; in a release it fills err with code bug and yields false:
 *     if (!SG_EXPECT(n < limit, err)) return false;
 */
#define SG_EXPECT(x, err) ((x) ? true : sg_error_bug((err), #x, __FILE__, __LINE__))
/* What a broken SG_EXPECT does. Always returns false. */
bool sg_error_bug(struct sg_error *err, const char *what, const char *file, int line);

#endif
