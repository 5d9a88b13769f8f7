#include "stagegraph/usual.h"

#include <math.h>
#include <stddef.h>

struct sg_usual sg_usual_of(const struct sg_usual_source *u, const struct sg_stage *s)
{
    struct sg_usual usual = { .median_s = NAN, .p90_s = NAN };

    if (u != NULL && u->ask != NULL)
        u->ask(u->ctx, s, &usual);
    return usual;
}
