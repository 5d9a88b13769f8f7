/*
 * scratch: a directory for one test, and the few things that tests do in it with the plain system.
 *
 * Everything here stops the test (cmocka's fail) when it does not work. Paths are relative to it.
 */
#ifndef SG_SCRATCH_H
#define SG_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A call that has to succeed, in a test that has `err` at hand. */
#define OK(x)                                                                                      \
    do {                                                                                           \
        if (!(x))                                                                                  \
            fail_msg("%s: %s", #x, err.text);                                                      \
    } while (0)

struct scratch {
    char dir[256]; /* absolute */
};

void scratch_open(struct scratch *s);
void scratch_close(struct scratch *s); /* removes it with all in it */
/* Removes what is in it. */
void scratch_empty(struct scratch *s);

/* The full path; valid until the fourth call after. */
const char *scratch_path(const struct scratch *s, const char *path);
void scratch_make_dir(const struct scratch *s, const char *path);
/* Makes directories as needed. */
void scratch_write(const struct scratch *s, const char *path, const char *text);
void scratch_write_bytes(const struct scratch *s, const char *path, const void *bytes, size_t n);
/* The whole file as text, to be freed; NULL: there is none. */
char *scratch_read(const struct scratch *s, const char *path, size_t *ret_n);
bool scratch_has(const struct scratch *s, const char *path);
/* How many files below a directory have `part` in their name ("" for all). */
size_t scratch_count(const struct scratch *s, const char *path, const char *part);
/* Sets the mtime to so many seconds before now. */
void scratch_age(const struct scratch *s, const char *path, int64_t seconds);

#endif
