/*
 * What a plan takes for a node, of three stages of hours over ten years (262,800 nodes), all fresh
 * and in memory: the view, and the judging.
 *
 *   bench_sweep [REPEATS]     prints the best of REPEATS (5), a line a shape of needs
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "stagegraph/clock.h"

#include "plan_impl.h"
#include "tree.h"

#define NOW_S  INT64_C(1672527600) /* 2022-12-31T23:00Z, 87,600 hours after the start */
#define STAGES 3

/* The same number of nodes of other shapes: what the needs cost. */
static const struct shape {
    const char *label, *needs[STAGES];
} shapes[] = {
    { "b, s: b, g: s", { "", "needs = bronze\n", "needs = silver\n" } },
    { "b, s: b s@-1, g: s", { "", "needs = bronze silver@-1\n", "needs = silver\n" } },
    { "b, s: b@-23..0, g: s", { "", "needs = bronze@-23..0\n", "needs = silver\n" } },
};

static bool write_graph(const char *path, const struct shape *shape)
{
    static const char *const names[STAGES] = { "bronze", "silver", "gold" };
    FILE *f = fopen(path, "w");

    if (f == NULL)
        return false;
    fprintf(f, "[graph]\nname = bench\nstart = 2013-01-02T23:00:00Z\ndelay = 0\npartition = hour\n"
               "[store]\nroot = store\n");
    for (int i = 0; i < STAGES; i++)
        fprintf(f, "[stage %s]\ncommand = make %s\noutput = %s/dt=${ds}/hr=${HH}\n%s", names[i],
                names[i], names[i], shape->needs[i]);
    return fclose(f) == 0;
}

static double best_of(double best, int64_t begin_ns, uint32_t n, int i)
{
    double took = (double)(sg_mono_now().ns - begin_ns) / n;

    return i == 0 || took < best ? took : best;
}

static bool bench_memory(const struct sg_plan_config *c, const char *label, int repeats,
                         struct sg_error *err)
{
    double view = 0, sweep = 0;
    struct sg_plan_counts counts = { 0 };
    size_t bytes = 0;

    for (int i = 0; i < repeats; i++) {
        int64_t begin_ns = sg_mono_now().ns;
        struct sg_plan *p;
        bool ok;

        if (!sg_plan_begin(c, NULL, &p, err))
            return false;
        view = best_of(view, begin_ns, p->n_nodes, i);
        ok = sg_bench_fill(p, err);
        begin_ns = sg_mono_now().ns;
        ok = ok && sg_sweep(p, err);
        sweep = best_of(sweep, begin_ns, p->n_nodes, i);
        sg_plan_count(p, &counts);
        bytes = p->arena.bytes / p->n_nodes;
        sg_plan_free(p);
        if (!ok)
            return false;
    }
    printf("%-24s %7u nodes, %u fresh: view %5.1f, sweep %5.1f ns a node, %zu bytes a node\n",
           label, counts.asked, counts.fresh, view, sweep, bytes);
    return true;
}

static bool run(const char *dir, int repeats, struct sg_error *err)
{
    char path[512];
    struct sg_store_config config = { .root = dir };
    struct sg_plan_config c = { .own_run = NULL };
    struct sg_request request;
    struct sg_graph *graph;
    bool ok = true;

    snprintf(path, sizeof(path), "%s/bench.ini", dir);
    sg_request_init(&request, NOW_S);
    c.request = &request;
    c.code = sg_code_cache_new(err);
    if (c.code == NULL || !sg_store_open(&config, &c.store, err))
        return false;
    for (size_t i = 0; ok && i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        ok = (write_graph(path, &shapes[i]) ||
              sg_error_set(err, SG_ERROR_SYSTEM, 0, "write %s", path)) &&
             sg_bench_graph(path, &graph, err);
        c.graph = graph;
        ok = ok && bench_memory(&c, shapes[i].label, repeats, err);
        if (ok)
            sg_graph_free(graph);
    }
    (void)unlink(path); /* the caller tells when the directory can't be removed */
    sg_store_free(c.store);
    sg_code_cache_free(c.code);
    return ok;
}

int main(int argc, char **argv)
{
    int repeats = argc > 1 ? atoi(argv[1]) : 5;
    struct sg_error err = SG_ERROR_INIT;
    const char *base = getenv("TMPDIR");
    char dir[256];
    bool ok;

    snprintf(dir, sizeof(dir), "%s/bench_sweep.XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    ok = run(dir, repeats, &err);
    if (!ok)
        fprintf(stderr, "bench_sweep: %s\n", err.text);
    if (rmdir(dir) != 0)
        perror(dir);
    return ok ? 0 : 1;
}
