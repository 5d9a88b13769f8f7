/*
 * diag: a list of what is wrong in a file, so that all of it can be told in one go.
 *
 * Floor: base.
 */
#ifndef STAGEGRAPH_DIAG_H
#define STAGEGRAPH_DIAG_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/error.h"

struct sg_diag {
    char
        *text; /* "graphs/x.ini:12: unknown key tiemout in [stage bronze]; did you mean timeout?" */
    unsigned line; /* 0: no line */
    bool warning;
};

struct sg_diags {
    struct sg_diag *items; /* owned */
    size_t n, cap;
    size_t n_errors;
    bool lost; /* memory ran out: there were more */
};

#define SG_DIAGS_INIT                                                                              \
    {                                                                                              \
        .items = NULL                                                                              \
    }

void sg_diags_done(struct sg_diags *d);
/* file may be NULL; adds "file:line: " in front. Never fails: what can't be kept sets `lost`. */
void sg_diags_error(struct sg_diags *d, const char *file, unsigned line, const char *fmt, ...)
    SG_PRINTF(4, 5);
void sg_diags_warn(struct sg_diags *d, const char *file, unsigned line, const char *fmt, ...)
    SG_PRINTF(4, 5);
void sg_diags_sort(struct sg_diags *d); /* by line, stable */

#endif
