/*
 * load: what the files that turn a graph file into a struct sg_graph share.
 *
 * Floor: graph. docs/design.md, "The graph".
 *
 * What is wrong with the file goes to diags (SG_LOAD_WRONG), and loading goes on, so that all of it
 * is told in one go; a function returns false only when memory has run out, with err set.
 *
 *   graph_load.c  sections to structs      value.c   text of one key to its value
 *   needs.c       "X@-1?"                  uses.c    variables of commands
 *   params.c      params and values        profile.c profiles, --set
 *   paths.c       outputs and paths        path_clash.c  two nodes in one place
 *   check.c       calendars that don't fit
 *   cycle.c       components and cycles
 */
#ifndef SG_GRAPH_LOAD_H
#define SG_GRAPH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/diag.h"
#include "stagegraph/error.h"
#include "stagegraph/graph.h"
#include "stagegraph/ini.h"
#include "stagegraph/keys.h"

struct sg_path_op; /* private to paths.c */

/* What a profile or --set gives to a stage. */
struct sg_stage_setting {
    struct sg_stage_id stage;
    const struct sg_key *row;
    const char *key; /* "timeout", "env.FOO" */
    const char *value;
    struct sg_origin origin;
};

struct sg_param_setting {
    uint32_t param;
    const char *value; /* as a command sees it: a bool is "true" or "" */
    struct sg_origin origin;
};

struct sg_profile_settings {
    struct sg_stage_setting *stages;
    size_t n_stages, cap_stages;
    struct sg_param_setting *params;
    size_t n_params, cap_params;
};

struct sg_graph_private {
    struct sg_arena arena;
    struct sg_zone *zone;
    struct sg_ini ini;
    const struct sg_ini_section **sections; /* of each stage */
    struct sg_profile_settings *profiles;   /* of each profile */
    struct sg_path_op **paths;              /* of each stage, what its path is made of */
    bool configured;
};

struct sg_load {
    struct sg_graph *g;
    struct sg_graph_private *p;
    struct sg_arena *arena; /* the graph's */
    struct sg_diags *diags;
    const char *file; /* as it was given, for messages */
    struct sg_error *err;
    const char *now; /* as it was given, or NULL */
    int64_t now_s;   /* from when the zone is known */
    bool *bad;       /* of each stage: something is wrong that makes further checks senseless */
};

#define SG_LOAD_WRONG(l, line, ...) sg_diags_error((l)->diags, (l)->file, (line), __VA_ARGS__)

/* The line of a key of a stage, or of its section where the key is not given. */
unsigned sg_load_line(const struct sg_load *l, const struct sg_stage *s, const char *key);

/* "; did you mean X?" or "". */
struct sg_near {
    char text[128];
};
const char *sg_near_text(struct sg_near *n, const char *near);
/* The name of a stage that is none: ", did you mean …". */
const char *sg_load_near_stage(const struct sg_load *l, struct sg_near *n, const char *name);

/* value.c: sets what `row` describes in an object (a stage, the graph, …) from its text. */
bool sg_load_value(struct sg_load *l, void *object, const struct sg_key *row, const char *key,
                   const char *value, struct sg_origin o);
/* Looks at the value of a run option, which stays text. */
bool sg_load_check_option(struct sg_load *l, const struct sg_key *row, const char *value,
                          unsigned line);
bool sg_load_presets(struct sg_load *l, void *object, enum sg_section section);
/* Words after commas or blanks, as an array in the arena. */
bool sg_load_list(struct sg_load *l, const char *text, const char ***ret, uint32_t *ret_n);

/* needs.c */
bool sg_load_needs(struct sg_load *l, struct sg_stage *s, const char *text, unsigned line);

/* uses.c: variables of command, options, env and check are there; sets s->params. o: the lines of
 * messages, or NULL for those of the stage's own keys. */
bool sg_load_uses(struct sg_load *l, struct sg_stage *s, const struct sg_origin *o);
/* A batch of several with a variable of one partition. `by` ends the message (" (profile x)"). */
void sg_load_check_batch(struct sg_load *l, const struct sg_stage *s, unsigned line,
                         const char *by);

/* params.c */
bool sg_load_params(struct sg_load *l);
/* *ret is NULL when the value is wrong (and said to be). */
bool sg_load_param_value(struct sg_load *l, const struct sg_param *p, const char *value,
                         unsigned line, const char **ret);
struct sg_param *sg_load_find_param(const struct sg_load *l, const char *name);

/* profile.c */
bool sg_load_profiles(struct sg_load *l);

/* paths.c */
bool sg_load_paths(struct sg_load *l);

/* check.c */
bool sg_load_check_calendars(struct sg_load *l);

/* cycle.c */
bool sg_load_components(struct sg_load *l);
bool sg_load_check_cycles(struct sg_load *l);

#endif
