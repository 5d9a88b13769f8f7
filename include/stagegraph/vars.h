/*
 * vars: what a job is told: its words, its environment, its files.
 *
 * Floor: run. docs/design.md, "Variables"; section 2 of the contract.
 *
 *   sg_vars_init → (sg_vars_member a member) → sg_vars_argv / sg_vars_check / sg_vars_envp →
 *   sg_vars_done
 *
 * The values lie in the arena that was given. Nothing here touches the disk: the caller writes the
 * texts of sg_vars_partitions and sg_vars_inputs to the files that it named.
 */
#ifndef STAGEGRAPH_VARS_H
#define STAGEGRAPH_VARS_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/error.h"
#include "stagegraph/graph.h"
#include "stagegraph/template.h"

/* The files of an attempt, absolute paths, borrowed. */
struct sg_vars_files {
    const char *partitions, *inputs, *done, *version;
};

/* One need of the job with the partitions that are there. */
struct sg_vars_input {
    const char *need;  /* canonical text */
    const char *stage; /* the X of input.X */
    const char **labels, **uris;
    uint32_t n;
};

struct sg_vars {
    struct sg_arena *arena;
    const struct sg_graph *graph;
    const struct sg_stage *stage;
    int64_t first, last; /* indexes of the members, inclusive; equal for a single partition */
    uint32_t count;
    const char *root; /* an absolute path, or the URI that the graph gave */
    const char *run_id;
    uint32_t attempt;
    const char *nonce;
    bool spark_tag; /* jobs may have applications on YARN: Spark is told the tag of theirs */
    struct sg_vars_files files;
    struct sg_vars_input *inputs;
    uint32_t n_inputs;
    struct sg_words list; /* scratch of the last word list that was asked for */
    struct sg_buf scratch;
    bool in_options; /* the words of options are expanded once: no ${options} in them */
};

void sg_vars_done(struct sg_vars *v);

/* The words of the command (check: of the check command), every variable in its place. Code graph
 * with the variable's name where it has no value here. */
bool sg_vars_argv(struct sg_vars *v, bool check, struct sg_words *ret,
                  struct sg_error *err) SG_MUST;

/* The whole environment of the job: the caller's (without STAGEGRAPH_* of an outer job), ours, the
 * stage's env.NAME, which win. */
bool sg_vars_envp(struct sg_vars *v, char *const *caller, struct sg_words *ret,
                  struct sg_error *err) SG_MUST;

/* "need TAB label TAB URI" a line. */
bool sg_vars_inputs_text(const struct sg_vars *v, struct sg_buf *out, struct sg_error *err) SG_MUST;
/* A label a line. */
bool sg_vars_partitions_text(const struct sg_vars *v, struct sg_buf *out,
                             struct sg_error *err) SG_MUST;

/* root + "/" + path, in the arena. */
const char *sg_vars_uri(struct sg_arena *a, const char *root, const char *path,
                        struct sg_error *err) SG_MUST;

#endif
