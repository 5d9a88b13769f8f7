/*
 * text: did-you-mean, safe printing of foreign bytes, and small parsers.
 *
 * Floor: base.
 */
#ifndef STAGEGRAPH_TEXT_H
#define STAGEGRAPH_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/buf.h"
#include "stagegraph/error.h"

/*
 * The candidate nearest to `word` by Damerau-Levenshtein distance (at most a third of the word's
 * length, at least 1, and never the whole word), ignoring ASCII case, or NULL. It counts in bytes;
 * words above 96 bytes have no nearest. Candidates are borrowed; the first of equals wins.
 */
const char *sg_text_nearest(const char *word, const char *const *candidates, size_t n);

/* A whole decimal number, an optional '-', nothing else; false on overflow. */
bool sg_text_int(const char *text, int64_t *ret) SG_MUST;

/* yes/no/true/false/on/off/1/0, lower case */
bool sg_text_bool(const char *text, bool *ret) SG_MUST;

/* Adds `s` with control characters (C0, DEL, C1) and invalid UTF-8 as \xNN, so that foreign bytes
 * can be printed in messages; at most `max` bytes of the source, whole characters, then "…". No
 * quotes are put around it, and a backslash stays one. */
bool sg_text_add_quoted(struct sg_buf *b, struct sg_span s, size_t max,
                        struct sg_error *err) SG_MUST;

/* The length (1 to 4) of the valid UTF-8 sequence that s begins with; 0 when it begins with none:
 * no byte, a stray or missing continuation, an overlong form, a surrogate, beyond U+10FFFF. */
size_t sg_text_utf8(struct sg_span s);

/* "INT", "TERM"; of a number that is no signal's "?" */
const char *sg_text_signal(int signo);

/* 1441 → "1,441" */
#define SG_COUNT_TEXT 32
void sg_count_format(int64_t n, char ret[SG_COUNT_TEXT]);

/*
 * Matches a whole relative path against a pattern:
 *
 *   *     any run of characters without '/', also none
 *   ?     one character (of UTF-8) that is not '/'
 *   **    alone between two slashes, or before the first: any number of directories, also none
 *         (jobs, then **, then x.py: matches jobs/x.py and jobs/a/b/x.py)
 *   **    anywhere else: any run of characters, '/' too (behind "jobs/", all below jobs; "**.py":
 *         whatever ends in .py, at any depth)
 *
 * A leading dot is nothing special; there are no classes and no escapes. Nothing recurses, and the
 * time is bounded by the product of the lengths (with "**" by the path's length once more).
 */
bool sg_glob_match(const char *pattern, const char *path);

#endif
