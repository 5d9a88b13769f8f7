/*
 * world: a graph in text, a store on a scratch directory, and plans of it, for tests that read like
 * stories. Whatever does not work stops the test.
 *
 *   world_open(&w, "[stage silver]\n…");       the graph file is the scratch directory's g.ini
 *   world_at(&w, "2024-01-02T00:00:00Z");      now
 *   world_source(&w, "landing@2024-01-01T05", "v1");
 *   world_build(&w, "silver@2024-01-01T05");   decides it, and writes the receipt of a run
 *   world_plan(&w);
 *   assert_says(&w, "silver@2024-01-01T05", "fresh");
 *   world_close(&w);
 */
#ifndef SG_WORLD_H
#define SG_WORLD_H

#include "stagegraph/plan.h"

#include "scratch.h"

#define WORLD_CLAIMS 8

/* The flights of the example, from 2024-01-01 on, without a delay; parts of one graph file. */
#define HEAD    "[graph]\ndelay = 0\nstart = 2024-01-01\npartition = hour\n[store]\nroot = store\n"
#define LANDING "[source landing]\npath = landing/${ds}/${HH}\nmarker = _DONE\n"
#define BRONZE                                                                                     \
    "[stage bronze]\nneeds = landing\ncommand = bronze ${output}\n"                                \
    "output = bronze/${ds}/${HH}\n"
#define SILVER                                                                                     \
    "[stage silver]\nneeds = bronze\ncommand = silver ${output}\n"                                 \
    "output = silver/${ds}/${HH}\n"
#define GOLD                                                                                       \
    "[stage gold]\npartition = day\nneeds = silver\ncommand = gold ${ds}\noutput = gold/${ds}\n"
#define FLIGHTS HEAD LANDING BRONZE SILVER GOLD

struct world {
    struct scratch scratch;
    struct sg_graph *graph;
    struct sg_store *store;
    struct sg_code_cache *code;
    struct sg_arena arena; /* of the graph and request at hand */
    struct sg_request request;
    struct sg_plan *plan;
    const char *own_run;
    struct sg_store_claim claims[WORLD_CLAIMS];
    unsigned n_claims;
    bool accepts; /* world_build() writes receipts of state accepted */
};

void world_open(struct world *w, const char *graph);
/* At 03:00 of the first day, with the landing of its first three hours there. */
void world_open_flights(struct world *w, const char *graph);
void world_close(struct world *w);
/* Another graph file over the same store. The request begins anew, at the same time. */
void world_graph(struct world *w, const char *graph);
/* The same with one param given on the command line. */
void world_param(struct world *w, const char *name, const char *value);

int64_t world_time(const char *utc);
void world_at(struct world *w, const char *utc);
void world_range(struct world *w, const char *from, const char *to);
/* Names a node in the request. */
void world_name(struct world *w, const char *node);
/* A set of one stage, as --only and its like take them. */
bool *world_stages(struct world *w, const char *stage);

/* Plans again, from the store. */
void world_plan(struct world *w);
/* The same, where it has to fail: the message. */
const char *world_plan_fails(struct world *w);

void world_parse(const struct world *w, const char *node, const struct sg_stage **ret_stage,
                 int64_t *ret_index);
struct sg_node_id world_node(const struct world *w, const char *node);
/* "fresh", "run missing", "run code jobs/a.py", "blocked missing", "debt params x 1 → 2", "input",
 * "unseen" (outside of the view). Valid until the fourth call after. */
const char *world_says(const struct world *w, const char *node);
/* All reasons that hold: "code upstream". */
const char *world_reasons(const struct world *w, const char *node);

void world_decide(struct world *w, const char *node, struct sg_decide_ask ask,
                  struct sg_decision *ret);
/* Decides the node, whatever comes out, and writes the receipt of an attempt on it; the output's
 * version is the hash of `content` (world_build: of the node's name). */
void world_build(struct world *w, const char *node);
void world_build_as(struct world *w, const char *node, const char *content);
/* Plans and builds until nothing is to run. */
void world_build_all(struct world *w);

/* A source's partition: a file with that content, and the source's marker if it has one. */
void world_source(struct world *w, const char *node, const char *content);
/* Removes a node's output, or a source's partition. */
void world_lose(struct world *w, const char *node);
/* The marker of a node, with that text. */
void world_marker(struct world *w, const char *node, const char *text);
/* Sets the time of a marker. */
void world_touch(struct world *w, const char *node, const char *utc);
/* A claim of another run; alive ones are held until world_close(). */
void world_claim(struct world *w, const char *node, const char *run, uint32_t attempt, bool alive);
void world_drop_claims(struct world *w);

void world_assert_counts(const struct world *w, uint32_t run, uint32_t fresh, uint32_t blocked,
                         uint32_t busy, uint32_t debt);
/* Some notice has this text in it. */
void world_assert_notice(const struct world *w, const char *text);
void world_assert_no_notices(const struct world *w);

#define assert_says(w, node, what) assert_string_equal(world_says((w), (node)), (what))

#endif
