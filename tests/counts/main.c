/*
 * One path, so often that its beginning and end don't show:
 *
 *   counts PATH       prints how many units it went through; under callgrind, which counts them
 *   counts --list     a line a path: its name and its unit
 *   counts --about    what the figures depend on, a line each: compiler, machine, C library
 *
 * run.sh calls it.
 */
#include <gnu/libc-version.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counts.h"

static const struct path {
    const char *name, *unit;
    uint64_t (*run)(void);
} paths[] = {
    { "json-read", "byte", count_json_read },
    { "json-written", "byte", count_json_written },
    { "hash", "KiB", count_hash },
    { "graph-text", "byte", count_graph_text },
    { "graph-file", "stage", count_graph_file },
    { "calendar-hours", "partition", count_hours },
    { "calendar-days", "partition", count_days },
    { "needs", "node", count_needs },
    { "output-path", "node", count_output_path },
    { "recipe", "recipe", count_recipe },
    { "stamp", "node", count_stamp },
    { "receipt-written", "receipt", count_receipt_written },
    { "receipt-read", "receipt", count_receipt_read },
    { "cache-written", "marker", count_cache_written },
    { "cache-read", "marker", count_cache_read },
    { "webhdfs-listing", "entry", count_listing },
    { "view", "node", count_view },
    { "sweep-fresh", "node", count_sweep_fresh },
    { "sweep-window", "node", count_sweep_window },
    { "sweep-year", "node", count_sweep_year },
    { "sweep-days", "node", count_sweep_days },
    { "sweep-stale", "node", count_sweep_stale },
    { "sweep-mutual", "node", count_sweep_mutual },
    { "batches", "node", count_batches },
    { "batches-mutual", "node", count_batches_mutual },
    { "groups-busy", "node", count_groups_busy },
    { "plan-first", "node", count_plan_first },
    { "with-needs", "node", count_with_needs },
    { "decide", "node", count_decide },
    { "explain", "node", count_explain },
    { "job-words", "job", count_words },
    { "scheduler", "job", count_sched },
    { "plan-text", "group", count_plan_text },
    { "plan-json", "group", count_plan_json },
    { "events", "event", count_events },
};

#define N_PATHS (sizeof(paths) / sizeof(paths[0]))

/*
 * The same instructions however long the environment is: what copies memory takes other ways for
 * other alignments, so the stack is put at the beginning of a page. Not inlined, for callgrind
 * knows it by its name.
 */
__attribute__((noinline)) void counted(counted_fn *fn, void *ctx)
{
    size_t n = (uintptr_t)__builtin_frame_address(0) & 4095;
    volatile char *pad = __builtin_alloca(n);

    if (n != 0) /* else it is there already */
        pad[0] = 0;
    fn(ctx);
}

void must(bool ok, const struct sg_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "counts: %s\n", err->text);
    exit(1);
}

void must_be(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "counts: not so: %s\n", what);
    exit(1);
}

/* Threads would share the work out by chance. */
static void use_one_core(void)
{
    cpu_set_t all, one;

    must_be(sched_getaffinity(0, sizeof(all), &all) == 0, "there is a core");
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &one);
    must_be(sched_setaffinity(0, sizeof(one), &one) == 0, "one core is enough");
}

static void print_about(void)
{
#ifdef __clang__
    printf("compiler: clang %d\n", __clang_major__);
#else
    printf("compiler: gcc %d\n", __GNUC__);
#endif
#ifdef __x86_64__
    printf("machine: x86_64\n");
#else
    printf("machine: another\n");
#endif
    printf("library: glibc %s\n", gnu_get_libc_version());
}

int main(int argc, char **argv)
{
    const char *ask = argc == 2 ? argv[1] : "";

    if (strcmp(ask, "--about") == 0) {
        print_about();
        return 0;
    }
    for (size_t i = 0; i < N_PATHS; i++) {
        if (strcmp(ask, "--list") == 0)
            printf("%s %s\n", paths[i].name, paths[i].unit);
        if (strcmp(ask, paths[i].name) != 0)
            continue;
        use_one_core();
        printf("%llu\n", (unsigned long long)paths[i].run());
        return 0;
    }
    if (strcmp(ask, "--list") == 0)
        return 0;
    fprintf(stderr, "usage: counts --list | --about | PATH\n");
    return 2;
}
