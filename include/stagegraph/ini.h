/*
 * ini: a graph file as sections of keys and values, with the line of each.
 *
 * Floor: graph. docs/design.md, "The graph file"; section 2 of the contract.
 *
 * inih does the parsing, fed by a reader of our own that looks at each line first. As Debian builds
 * it, inih silently
 *   - cuts lines at 199 bytes, section names and keys at 49;
 *   - cuts a value at " ;", inside quotes too, but keeps " ;" on a continuation line;
 *   - takes "k: v" for "k = v";
 *   - takes an indented "output = y", or an indented "[stage x]", for more of the value above;
 *   - ignores what stands behind "]", and what has no "=".
 * Each of these is an error with its line that says how to write it instead; such a line is kept
 * from inih, so that all errors of a file come in one go.
 *
 * Lines end in LF or CRLF; a UTF-8 byte order mark is skipped; comments (# or ;) may be of any
 * length. The lines of a long value are joined by one blank.
 */
#ifndef STAGEGRAPH_INI_H
#define STAGEGRAPH_INI_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/diag.h"
#include "stagegraph/error.h"
#include "stagegraph/keys.h"

struct sg_ini_entry {
    const char *key, *value;
    unsigned line;
    bool refused; /* its line is an error that has been told: it has no value, but is no missing one
                   */
};

struct sg_ini_section {
    enum sg_section kind;
    const char *name; /* "" for those without a name */
    unsigned line;
    struct sg_ini_entry *entries; /* in the order of the file, each key once */
    size_t n, cap;
};

struct sg_ini {
    struct sg_ini_section *sections; /* in the order of the file, each once */
    size_t n, cap;
};

/* Everything lies in the arena. What is wrong with the text goes to `diags` (file is only for
 * them); false is for memory alone. */
bool sg_ini_parse(struct sg_arena *a, const char *file, struct sg_span text, struct sg_ini *ret,
                  struct sg_diags *diags, struct sg_error *err) SG_MUST;
/* The same of a file; one that can't be read is code graph. */
bool sg_ini_read(struct sg_arena *a, const char *file, struct sg_ini *ret, struct sg_diags *diags,
                 struct sg_error *err) SG_MUST;

/* The first section of a kind, or of a kind and name; NULL if there is none. */
const struct sg_ini_section *sg_ini_section(const struct sg_ini *ini, enum sg_section kind,
                                            const char *name);
/* NULL for a refused one, too. */
const struct sg_ini_entry *sg_ini_entry(const struct sg_ini_section *s, const char *key);

#endif
