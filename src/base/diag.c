#include "stagegraph/diag.h"

#include <stdarg.h>
#include <stdlib.h>

#include "stagegraph/buf.h"

void sg_diags_done(struct sg_diags *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->items[i].text);
    free(d->items);
    *d = (struct sg_diags)SG_DIAGS_INIT;
}

static bool has_room(struct sg_diags *d)
{
    size_t cap = d->cap > 0 ? d->cap * 2 : 8;
    struct sg_diag *items;

    if (d->n < d->cap)
        return true;
    items = reallocarray(d->items, cap, sizeof(*items));
    if (items == NULL)
        return false;
    d->items = items;
    d->cap = cap;
    return true;
}

static void add(struct sg_diags *d, bool warning, const char *file, unsigned line, const char *fmt,
                va_list ap) SG_PRINTF(5, 0);

static void add(struct sg_diags *d, bool warning, const char *file, unsigned line, const char *fmt,
                va_list ap)
{
    struct sg_buf text = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    bool ok = has_room(d);

    if (ok && file != NULL && line > 0)
        ok = sg_buf_addf(&text, &err, "%s:%u: ", file, line);
    else if (ok && file != NULL)
        ok = sg_buf_addf(&text, &err, "%s: ", file);
    ok = ok && sg_buf_addfv(&text, &err, fmt, ap);
    /* An error counts even when its text is lost: the file must not pass for a good one. */
    if (!warning)
        d->n_errors++;
    if (ok)
        d->items[d->n++] =
            (struct sg_diag){ .text = sg_buf_move(&text), .line = line, .warning = warning };
    else
        d->lost = true;
    sg_buf_done(&text);
}

void sg_diags_error(struct sg_diags *d, const char *file, unsigned line, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(d, false, file, line, fmt, ap);
    va_end(ap);
}

void sg_diags_warn(struct sg_diags *d, const char *file, unsigned line, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(d, true, file, line, fmt, ap);
    va_end(ap);
}

/* By insertion: they come nearly in order, and there are few. */
void sg_diags_sort(struct sg_diags *d)
{
    struct sg_diag item;
    size_t at;

    for (size_t i = 1; i < d->n; i++) {
        item = d->items[i];
        for (at = i; at > 0 && d->items[at - 1].line > item.line; at--)
            d->items[at] = d->items[at - 1];
        d->items[at] = item;
    }
}
