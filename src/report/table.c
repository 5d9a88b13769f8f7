#include "stagegraph/table.h"

#define GAP 2

void sg_table_init(struct sg_table *t, struct sg_out *o, const struct sg_column *columns,
                   unsigned n)
{
    t->out = o;
    t->columns = columns;
    t->n = n < SG_TABLE_COLUMNS ? n : SG_TABLE_COLUMNS;
    for (unsigned i = 0; i < t->n; i++) {
        t->width[i] = sg_out_width(o, columns[i].head);
        if (t->width[i] < columns[i].least)
            t->width[i] = columns[i].least;
    }
}

void sg_table_measure(struct sg_table *t, const char *const *cells)
{
    int width;

    for (unsigned i = 0; i < t->n; i++) {
        width = cells[i] == NULL ? 0 : sg_out_width(t->out, cells[i]);
        if (t->width[i] < width)
            t->width[i] = width;
    }
}

void sg_table_row(struct sg_table *t, const char *const *cells)
{
    int gap = 0;

    for (unsigned i = 0; i < t->n; i++) {
        const char *cell = cells[i] == NULL ? "" : cells[i];

        /* Blanks are written only when something follows them. */
        if (cell[0] == '\0') {
            gap += t->width[i] + GAP;
            continue;
        }
        sg_out_pad(t->out, "", gap, false);
        sg_out_pad(t->out, cell, t->columns[i].right ? t->width[i] : 0, true);
        gap = GAP;
        if (!t->columns[i].right)
            gap += t->width[i] - sg_out_width(t->out, cell);
    }
    sg_out_text(t->out, "\n");
}

void sg_table_head(struct sg_table *t)
{
    const char *heads[SG_TABLE_COLUMNS];

    for (unsigned i = 0; i < t->n; i++)
        heads[i] = t->columns[i].head;
    sg_table_row(t, heads);
}
