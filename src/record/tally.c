#include "tally.h"

#include <stdlib.h>

static bool is_row(const struct sg_tally_row *r, struct sg_hash128 stage, struct sg_hash128 recipe)
{
    return sg_hash128_is(r->recipe, recipe) && sg_hash128_is(r->stage, stage);
}

static struct sg_tally_row *new_row(struct sg_tally *t)
{
    if (t->n == t->cap) {
        size_t cap = t->cap != 0 ? 2 * t->cap : 16;
        struct sg_tally_row *more =
            t->n < SG_TALLY_MOST ? reallocarray(t->rows, cap, sizeof(*more)) : NULL;

        if (more == NULL) {
            t->lost = true;
            return NULL;
        }
        t->rows = more;
        t->cap = cap;
    }
    t->last = t->n;
    return &t->rows[t->n++];
}

void sg_tally_add(struct sg_tally *t, const struct sg_tally_row *run)
{
    struct sg_tally_row *r;

    if (t->lost)
        return;
    /* nearly always it is the same again */
    if (t->n == 0 || !is_row(&t->rows[t->last], run->stage, run->recipe)) {
        t->last = 0;
        while (t->last < t->n && !is_row(&t->rows[t->last], run->stage, run->recipe))
            t->last++;
    }
    if (t->last == t->n) {
        r = new_row(t);
        if (r != NULL)
            *r = *run;
        return;
    }
    r = &t->rows[t->last];
    if (run->first < r->first)
        r->first = run->first;
    if (run->end > r->end)
        r->end = run->end;
    r->n += run->n;
}

void sg_tally_done(struct sg_tally *t)
{
    free(t->rows);
    *t = (struct sg_tally)SG_TALLY_INIT;
}
