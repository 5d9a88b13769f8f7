/*
 * table: columns that are as wide as what is in them, for any number of rows without keeping them.
 *
 * Floor: report. docs/design.md, "Output".
 *
 *   1. sg_table_init
 *   2. sg_table_measure   for each row, with the cells that it will have
 *   3. sg_table_head, and sg_table_row for each row again
 *
 * Widths are columns on the output, not bytes. Two blanks between columns; nothing trails a row.
 */
#ifndef STAGEGRAPH_TABLE_H
#define STAGEGRAPH_TABLE_H

#include <stdbool.h>

#include "stagegraph/out.h"

#define SG_TABLE_COLUMNS 12

struct sg_column {
    const char *head;
    bool right; /* numbers; the head too */
    int least;  /* width at least */
};

struct sg_table {
    struct sg_out *out;
    const struct sg_column *columns; /* borrowed */
    unsigned n;
    int width[SG_TABLE_COLUMNS];
};

void sg_table_init(struct sg_table *t, struct sg_out *o, const struct sg_column *columns,
                   unsigned n);
/* cells has n texts; NULL is an empty one. */
void sg_table_measure(struct sg_table *t, const char *const *cells);
void sg_table_head(struct sg_table *t);
void sg_table_row(struct sg_table *t, const char *const *cells);

#endif
