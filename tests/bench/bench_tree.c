/*
 * The same work for several build systems, and the state of it, for any graph without sources.
 *
 *   bench_tree WHAT GRAPH NOW_S COMMAND     in the directory of the graph file, whose store's root
 * is a directory in it
 *
 *   todo    nothing is made: build.ninja and Makefile have a node as the file `data`, which is what
 *           the graph's commands are to make, too
 *   made    all is made: the markers are there, and the peers have them as their files
 *   both    all is made: a data file beside each marker, which is the peers' file
 *   store   the markers alone, and no description for peers
 *
 * Leaves build.ninja, Makefile, .ninja_log, `list` with the paths of the markers, and with todo
 * `work`, those of the data files. `COMMAND FILE` makes a node's one file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peers.h"
#include "tree.h"

enum what { WHAT_TODO, WHAT_MADE, WHAT_BOTH, WHAT_STORE, WHATS };
static const char *const whats[WHATS] = { "todo", "made", "both", "store" };

static bool describe(const struct sg_bench_peers *b, enum what what, struct sg_error *err)
{
    if (!sg_bench_list(b, "list", "_SUCCESS", err) ||
        (what == WHAT_TODO && !sg_bench_list(b, "work", "data", err)))
        return false;
    return what == WHAT_STORE || (sg_bench_ninja(b, err) && sg_bench_make(b, err) &&
                                  (what == WHAT_TODO || sg_bench_ninja_log(b, err)));
}

static bool make(enum what what, struct sg_plan_config *c, const char *command,
                 struct sg_error *err)
{
    const char *slash = strrchr(c->graph->store.root, '/');
    struct sg_bench_peers b = { .root = slash != NULL ? slash + 1 : c->graph->store.root,
                                .command = command,
                                .name = what == WHAT_MADE ? "_SUCCESS" : "data" };
    uint32_t n;
    bool ok;

    if (what != WHAT_TODO && !sg_bench_tree(c, what == WHAT_BOTH ? "data" : NULL, &n, err))
        return false;
    if (!sg_plan_begin(c, NULL, &b.plan, err))
        return false;
    n = b.plan->n_nodes;
    ok = describe(&b, what, err);
    sg_plan_free(b.plan);
    if (ok)
        printf("%u\n", n);
    return ok;
}

int main(int argc, char **argv)
{
    struct sg_plan_config c = { .own_run = NULL };
    struct sg_store_config store = { .sync = false };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_request request;
    struct sg_graph *graph;
    unsigned what = WHATS;
    bool ok;

    for (unsigned i = 0; argc == 5 && i < WHATS; i++)
        if (strcmp(argv[1], whats[i]) == 0)
            what = i;
    if (what == WHATS) {
        fprintf(stderr, "usage: bench_tree todo|made|both|store GRAPH NOW_S COMMAND\n");
        return 2;
    }
    sg_request_init(&request, atoll(argv[3]));
    c.request = &request;
    ok = sg_bench_graph(argv[2], &graph, &err);
    if (ok) {
        c.graph = graph;
        store.root = graph->store.root;
        c.code = sg_code_cache_new(&err);
        ok = c.code != NULL && sg_store_open(&store, &c.store, &err) &&
             make((enum what)what, &c, argv[4], &err);
        sg_store_free(c.store);
        sg_code_cache_free(c.code);
        sg_graph_free(graph);
    }
    if (!ok)
        fprintf(stderr, "bench_tree: %s\n", err.text);
    return ok ? 0 : 1;
}
