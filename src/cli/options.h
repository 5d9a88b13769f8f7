/*
 * options: every option of the command line as a row, and the words of one invocation.
 *
 * Floor: cli. One table feeds parsing, did-you-mean, --help, completion and the reference; what is
 * a key of profiles, too, has its help, bounds and choices in the table of keys alone.
 */
#ifndef STAGEGRAPH_OPTIONS_H
#define STAGEGRAPH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/error.h"
#include "stagegraph/graph.h"
#include "stagegraph/keys.h"

enum sg_option_id {
    SG_OPT_CHDIR,
    SG_OPT_GRAPH,
    SG_OPT_NOW,
    SG_OPT_HELP,
    SG_OPT_VERSION,
    SG_OPT_FROM,
    SG_OPT_TO,
    SG_OPT_DATE,
    SG_OPT_LAST,
    SG_OPT_ONLY,
    SG_OPT_UPTO,
    SG_OPT_WITH_NEEDS,
    SG_OPT_FORCE,
    SG_OPT_STALE,
    SG_OPT_PROFILE,
    SG_OPT_SET,
    SG_OPT_WINDOW,
    SG_OPT_LOOKBACK,
    SG_OPT_ORDER,
    SG_OPT_JOBS,
    SG_OPT_KEEP_GOING,
    SG_OPT_DRY_RUN,
    SG_OPT_WAIT,
    SG_OPT_JSON,
    SG_OPT_NO_LOG,
    SG_OPT_QUIET,
    SG_OPT_VERBOSE,
    SG_OPT_COLOR,
    SG_OPT_EXIT_CODE,
    SG_OPT_STAGE,
    SG_OPT_FAILED,
    SG_OPT_SUMMARY,
    SG_OPT_LIMIT,
    SG_OPT_ATTEMPT,
    SG_OPT_FOLLOW,
    SG_OPT_DOT,
    SG_OPT_STORE,
    SG_OPT_YARN,
    SG_OPT_REASON,
    SG_OPT_YES,
    SG_OPT_PRUNE,
    SG_OPT_COUNT
};

enum sg_option_group {
    SG_GROUP_GLOBAL = 1u << 0,
    SG_GROUP_RANGE = 1u << 1,
    SG_GROUP_SELECT = 1u << 2,
    SG_GROUP_PROFILE = 1u << 3, /* profile, set, params of the graph */
    SG_GROUP_RUN = 1u << 4,
    SG_GROUP_OUTPUT = 1u << 5, /* json, quiet, verbose, color */
    SG_GROUP_PLAN = 1u << 6,
    SG_GROUP_HISTORY = 1u << 7,
    SG_GROUP_LOG = 1u << 8,
    SG_GROUP_GRAPH = 1u << 9,
    SG_GROUP_CHECK = 1u << 10,
    SG_GROUP_ACCEPT = 1u << 11, /* accept, with what it has of SELECT */
    SG_GROUP_REVOKE = 1u << 12, /* invalidate */
    SG_GROUP_STATUS = 1u << 13
};

enum sg_option_arg { SG_ARG_NONE, SG_ARG_REQUIRED, SG_ARG_OPTIONAL /* attached with '=' */ };

struct sg_option {
    enum sg_option_id id;
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum sg_option_arg arg;
    unsigned groups;
    const char *metavar;
    const char *help; /* NULL: its key's; see sg_option_help() */
};

extern const struct sg_option sg_option_table[SG_OPT_COUNT]; /* row i has id i */

/* The key of [profile] that an option is as well, or NULL. Bounds, choices and help are the key's.
 */
const struct sg_key *sg_option_key(const struct sg_option *o);
/* Its help, or its key's with what may be chosen; in `buf` where it has to be put together. */
#define SG_OPTION_HELP 300
const char *sg_option_help(const struct sg_option *o, char buf[SG_OPTION_HELP]);

struct sg_options {
    const char *value[SG_OPT_COUNT]; /* NULL: not given; "" for a flag or an empty optional value */
    bool from_profile[SG_OPT_COUNT];
    struct sg_setting *sets, *params; /* in the arena */
    size_t n_sets, n_params, cap_sets, cap_params;
    const char **stage_start, **stage_end; /* a stage; NULL: none given */
    bool dates_given;                      /* one of them, on the command line */
    const char **words;                    /* NODE… */
    size_t n_words, cap_words;
};

/*
 * Parses the global options in front of the command. *ret_used is the number of words of argv that
 * were taken. Code usage with a did-you-mean.
 */
bool sg_options_parse_global(struct sg_options *o, char **argv, size_t *ret_used,
                             struct sg_error *err) SG_MUST;
/* Parses a command's words. g may be NULL (then there are no params and stage dates). */
bool sg_options_parse(struct sg_options *o, struct sg_arena *a, char **argv, unsigned groups,
                      bool words, const struct sg_graph *g, struct sg_error *err) SG_MUST;
/* The run options of a profile, where the command line did not give them, nor another range. */
bool sg_options_profile(struct sg_options *o, struct sg_arena *a, const struct sg_graph *g,
                        const struct sg_profile *p, struct sg_error *err) SG_MUST;

/* Numbers and choices, by the bounds of their keys. Code usage, naming option, value and what was
 * expected. */
bool sg_options_check(const struct sg_options *o, struct sg_error *err) SG_MUST;
/* The number of an option that sg_options_check() has passed; `fallback` when not given. */
int64_t sg_options_number(const struct sg_options *o, enum sg_option_id id, int64_t fallback);

bool sg_options_has(const struct sg_options *o, enum sg_option_id id);
/* A whole number within bounds; `fallback` when not given. Code usage, naming option and value. */
bool sg_options_int(const struct sg_options *o, enum sg_option_id id, int64_t min, int64_t max,
                    int64_t fallback, int64_t *ret, struct sg_error *err) SG_MUST;

#endif
