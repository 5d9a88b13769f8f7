/*
 * row: of numbers in a row, the next one that is still in it.
 *
 * Floor: base. docs/design.md, "The plan", "The scheduler".
 *
 * The row is an array: a number that is in has itself; one that was taken out has one that is
 * nearer to the next. The last can't be taken out. This is union-find with path halving, whose
 * trees are pieces of the row: a window of a year of hours that are out is passed in a few steps.
 *
 *   for (i = 0; i <= n; i++)          n ends every way
 *       row[i] = i;
 *   row[i] = i + 1;                   i is out; or i - 1, in a row that is read downwards
 *   sg_row_next(row, from)            the first from there on that is in
 */
#ifndef STAGEGRAPH_ROW_H
#define STAGEGRAPH_ROW_H

#include <stdint.h>

static inline uint32_t sg_row_next(uint32_t *row, uint32_t i)
{
    while (row[i] != i) {
        row[i] = row[row[i]]; /* who is passed points two steps further from then on */
        i = row[i];
    }
    return i;
}

#endif
