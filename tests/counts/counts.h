/*
 * counts: what the paths without input and output take, in instructions.
 *
 * docs/performance.md, "Instruction counts".
 *
 * A path makes what it needs, hands what is to be counted to counted(), and returns how many units
 * (nodes, bytes, jobs …) that was. callgrind counts nothing but what runs inside of counted(), with
 * all that it calls. The same path takes the same instructions every time: nothing here may look at
 * the clock, at an address, at the environment, or at a name that is another one each time.
 */
#ifndef SG_COUNTS_H
#define SG_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/error.h"
#include "stagegraph/plan.h"

typedef void counted_fn(void *ctx);
/* Runs fn(ctx) once, counted. May be called again: it adds up. */
void counted(counted_fn *fn, void *ctx);

/* What a path asks of itself: where it does not hold, the program ends and says why. */
void must(bool ok, const struct sg_error *err);
void must_be(bool ok, const char *what);

/* A graph over a store in memory, in a directory of its own. */
struct counts_world {
    char dir[64];
    struct sg_graph *graph;
    struct sg_store *store;
    struct sg_code_cache *code;
    struct sg_request request; /* everything that is due */
    struct sg_plan_config config;
};
#define COUNTS_START "2013-01-02T23:00:00Z"
#define COUNTS_HOURS 8760
/* Writes the graph file and reads it; the request is of now_s. */
void counts_world_open(struct counts_world *w, const char *graph, int64_t now_s);
void counts_world_close(struct counts_world *w);
/* The end of so many hours from COUNTS_START. */
int64_t counts_after(int64_t hours);
/* Three stages of hours, the second from the first and the third from the second, by these needs;
 * `more` are further keys of each. In the buffer, which the caller frees. */
void counts_graph(struct sg_buf *out, const char *silver_needs, const char *gold_needs,
                  const char *more);
/* So many stages of hours, each from the two before it. */
void counts_wide_graph(struct sg_buf *out, unsigned stages);
/* Text into a file of the world's directory (or any other). */
void counts_write(const char *path, const char *text);

/* The paths, by floor. */
uint64_t count_json_read(void);
uint64_t count_json_written(void);
uint64_t count_hash(void);
uint64_t count_graph_text(void);
uint64_t count_graph_file(void);
uint64_t count_hours(void);
uint64_t count_days(void);
uint64_t count_needs(void);
uint64_t count_output_path(void);
uint64_t count_recipe(void);
uint64_t count_stamp(void);
uint64_t count_receipt_written(void);
uint64_t count_receipt_read(void);
uint64_t count_cache_written(void);
uint64_t count_cache_read(void);
uint64_t count_listing(void);
uint64_t count_view(void);
uint64_t count_sweep_fresh(void);
uint64_t count_sweep_window(void);
uint64_t count_sweep_year(void);
uint64_t count_sweep_days(void);
uint64_t count_sweep_stale(void);
uint64_t count_sweep_mutual(void);
uint64_t count_batches(void);
uint64_t count_batches_mutual(void);
uint64_t count_groups_busy(void);
uint64_t count_plan_first(void);
uint64_t count_with_needs(void);
uint64_t count_decide(void);
uint64_t count_explain(void);
uint64_t count_words(void);
uint64_t count_sched(void);
uint64_t count_plan_text(void);
uint64_t count_plan_json(void);
uint64_t count_events(void);

#endif
