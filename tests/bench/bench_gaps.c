/*
 * How long nothing of ours ran: from the end of one command to the begin of the next, of commands
 * that ran one by one and wrote their stamps (bench_touch).
 *
 *   bench_gaps NAME FILE...     a line: the median and the quartiles, over all files
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct stamps {
    int64_t begun_ns, ended_ns;
};

struct gaps {
    double *us;
    size_t n, cap;
};

static bool add(struct gaps *g, double us)
{
    if (g->n == g->cap) {
        size_t cap = g->cap != 0 ? 2 * g->cap : 1024;
        double *more = realloc(g->us, cap * sizeof(*more));

        if (more == NULL)
            return false;
        g->us = more;
        g->cap = cap;
    }
    g->us[g->n++] = us;
    return true;
}

/* They stand in the order in which they ended, which at -j1 is that in which they began. */
static bool add_file(struct gaps *g, const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stamps before, s;
    bool ok = f != NULL && fread(&before, sizeof(before), 1, f) == 1;

    while (ok && fread(&s, sizeof(s), 1, f) == 1) {
        ok = s.begun_ns >= before.ended_ns && add(g, (double)(s.begun_ns - before.ended_ns) / 1e3);
        before = s;
    }
    if (f != NULL)
        fclose(f);
    if (!ok)
        fprintf(stderr, "bench_gaps: %s: not the stamps of commands one by one\n", path);
    return ok;
}

static int compare(const void *x, const void *y)
{
    const double *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

int main(int argc, char **argv)
{
    struct gaps g = { .n = 0 };

    for (int i = 2; i < argc; i++)
        if (!add_file(&g, argv[i]))
            return 1;
    if (g.n == 0) {
        fprintf(stderr, "usage: bench_gaps NAME FILE...\n");
        return 2;
    }
    qsort(g.us, g.n, sizeof(*g.us), compare);
    printf("  %-26s %6.0f us  (%.0f us - %.0f us)\n", argv[1], g.us[g.n / 2], g.us[g.n / 4],
           g.us[g.n * 3 / 4]);
    return 0;
}
