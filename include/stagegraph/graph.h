/*
 * graph: the graph file as loaded: stages, sources, needs, params, profiles, pools, the store.
 *
 * Floor: graph. docs/design.md, "The graph"; docs/reference.md has every key.
 *
 *   1. sg_graph_open()       reads and checks the whole file, every profile included; all errors in
 *                            one go in `diags`
 *   2. sg_graph_configure()  puts a profile, --set and params on top (once, before use)
 *   3. sg_graph_free()
 *
 * Stages and sources share one id space (struct sg_stage_id), in the order of the file; a source is
 * a stage without a command. Node edges follow from the needs and are never stored:
 * sg_need_range() gives the partitions that one node needs, sg_need_users() the reverse.
 * Everything lies in the graph's arena and is read-only after sg_graph_configure().
 */
#ifndef STAGEGRAPH_GRAPH_H
#define STAGEGRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/calendar.h"
#include "stagegraph/diag.h"
#include "stagegraph/error.h"
#include "stagegraph/template.h"

struct sg_stage_id {
    uint32_t i;
};

enum sg_need_kind {
    SG_NEED_MEETS,  /* X: all partitions of X whose interval meets the node's */
    SG_NEED_OFFSET, /* X@lo..hi: counted from the partition of X that contains the node's start */
    SG_NEED_LATEST  /* X@latest: the newest due one */
};

struct sg_need {
    struct sg_stage_id of;
    enum sg_need_kind kind;
    int32_t lo, hi;  /* of OFFSET: lo <= hi <= 0 */
    bool optional;   /* X? */
    bool order_only; /* |X */
    const char
        *text; /* canonical: "bronze", "silver@-23..0?", "|dim": what recipe and receipt say */
};

/* A value that the graph file, a profile or the command line gave; for messages. */
struct sg_origin {
    const char *file; /* NULL: the command line or a default */
    unsigned line;
};

enum sg_check {
    SG_CHECK_WRITTEN,
    SG_CHECK_REWRITTEN,
    SG_CHECK_EXISTS,
    SG_CHECK_NONE,
    SG_CHECK_COMMAND
};
enum sg_output_version { SG_VERSION_CONTENT, SG_VERSION_RUN, SG_VERSION_JOB };
enum sg_identity { SG_IDENTITY_LISTING, SG_IDENTITY_CONTENT, SG_IDENTITY_MARKER };

struct sg_env {
    const char *name;
    struct sg_template value; /* one word */
};

struct sg_stage {
    struct sg_stage_id id;
    const char *name;
    const char *title; /* default: the name in upper case for stages, the name for sources */
    struct sg_origin origin;
    bool is_source;
    struct sg_calendar cal;
    struct sg_interval life; /* [start, end) of the stage; open sides are SG_TIME_MIN / MAX */
    struct sg_range exists;  /* the partitions that meet `life`; open sides INT64_MIN / MAX */
    int64_t delay_s;
    struct sg_template path; /* output of a stage, path of a source: one word, relative to root */
    const char *marker;      /* file name; NULL for a source without one */
    uint32_t component;      /* strongly connected component, numbered in topological order */

    /* of a stage */
    struct sg_need *needs;
    uint32_t n_needs;
    struct sg_template command; /* words */
    struct sg_template options; /* words, substituted for ${options} */
    struct sg_env *env;         /* sorted by name */
    uint32_t n_env;
    const char **code; /* patterns, as written, relative to workdir */
    uint32_t n_code;
    const char *version; /* the version key, "" if none */
    enum sg_check check;
    struct sg_template check_command; /* words, when check is SG_CHECK_COMMAND */
    bool empty_ok;
    bool prepare_delete;
    enum sg_output_version output_version;
    int64_t version_limit; /* bytes */
    bool keep_marker, partial, exclusive;
    const char *partial_marker;
    int64_t timeout_s, grace_s, backoff_s;
    int32_t retries, breaker;
    int64_t batch_count; /* partitions in one process; when batch_s != 0 a duration instead */
    int64_t batch_s;
    uint32_t pool;       /* index into pools, SG_NO_POOL */
    int64_t memory;      /* bytes, 0: none given */
    const char *workdir; /* absolute */
    uint32_t *params;    /* indexes of the params that command, env or check name, ascending */
    uint32_t n_params;

    /* of a source */
    enum sg_identity identity;
    int64_t settle_s;
};

enum sg_param_type { SG_PARAM_STRING, SG_PARAM_BOOL, SG_PARAM_INT, SG_PARAM_DATE };

struct sg_param {
    const char *name;
    const char *option; /* the name with '-' for '_' */
    const char *help;   /* "" if none */
    enum sg_param_type type;
    const char **choices;
    uint32_t n_choices;
    bool has_default, required, stamp;
    const char *value; /* in force; a bool is "true" or ""; "" when nothing was given */
    bool given;        /* by a profile or the command line */
    struct sg_origin origin;
};

#define SG_NO_POOL UINT32_MAX
struct sg_pool {
    const char *name;
    int32_t size;   /* 0: no limit by number */
    int64_t memory; /* bytes, 0: none */
};

/* A run option that a profile sets ("window", "1"); cli parses it by its table of options. */
struct sg_profile_option {
    const char *key, *value;
    struct sg_origin origin;
};

struct sg_profile {
    const char *name;
    struct sg_origin origin;
    struct sg_profile_option *options; /* run options alone, without params and stage keys */
    uint32_t n_options;
};

struct sg_store_settings {
    const char *root; /* as written; a relative path is made absolute against the graph file */
    bool root_is_uri; /* URIs are given to jobs, else absolute paths */
    bool sync;
    const char *receipts; /* auto attribute content */
    int32_t connections;
    int64_t deadline_s, lease_s;
    const char *auth, *user, *ca; /* auto …; NULL where not given */
    const char *resource_manager; /* of [yarn]; NULL */
};

struct sg_graph {
    const char *name;
    const char *file;  /* absolute path of the graph file */
    const char *dir;   /* its directory, absolute */
    const char *state; /* absolute path of the state directory */
    const struct sg_zone *zone;
    struct sg_calendar cal; /* default partition of stages */
    struct sg_interval life;
    int64_t delay_s;
    int32_t jobs;
    int64_t log_keep_s, log_limit;
    struct sg_store_settings store;
    struct sg_stage *stages; /* sources too; index is the id */
    uint32_t n_stages;
    uint32_t n_components;
    struct sg_stage_id *order; /* all stages, by component in topological order */
    struct sg_param *params;
    uint32_t n_params;
    struct sg_profile *profiles;
    uint32_t n_profiles;
    struct sg_pool *pools;
    uint32_t n_pools;
    struct sg_graph_private *private_;
};

/* False: the file can't be read or holds errors (code graph); `diags` then has all of them, in the
 * order of their lines, and err the count. Warnings may be in diags on success. Calendars and
 * cycles are looked at up to `now`, a date or a time as in --now; NULL, and what is neither, is the
 * machine's clock. */
bool sg_graph_open(const char *path, const char *now, struct sg_graph **ret, struct sg_diags *diags,
                   struct sg_error *err) SG_MUST;
void sg_graph_free(struct sg_graph *g); /* NULL is fine */

struct sg_setting {
    const char *key, *value; /* "stage.key" or the name of a param */
};

/* profile may be NULL. sets are --set stage.key=value; params are name=value from the command line
 * (bools as yes/no). Command line beats profile beats stage. Required params are asserted here
 * unless `lenient` (check, graph). */
bool sg_graph_configure(struct sg_graph *g, const char *profile, const struct sg_setting *sets,
                        size_t n_sets, const struct sg_setting *params, size_t n_params,
                        bool lenient, struct sg_diags *diags, struct sg_error *err) SG_MUST;

/* Says of every `workdir` that is no directory, and of every `code` pattern that matches nothing,
 * or can't be read, where it stands (for `check`, which wants all of them; a run meets the first
 * when it reads the code or starts the job). False: memory. */
struct sg_code_cache;
bool sg_graph_check_files(const struct sg_graph *g, struct sg_code_cache *cache,
                          struct sg_diags *diags, struct sg_error *err) SG_MUST;

/* By name, or NULL. The near variants give a did-you-mean, or NULL. */
const struct sg_stage *sg_graph_find_stage(const struct sg_graph *g, const char *name);
const struct sg_profile *sg_graph_find_profile(const struct sg_graph *g, const char *name);
const struct sg_param *sg_graph_find_param(const struct sg_graph *g, const char *name);
const char *sg_graph_near_stage(const struct sg_graph *g, const char *name);
const char *sg_graph_near_profile(const struct sg_graph *g, const char *name);

static inline const struct sg_stage *sg_graph_stage(const struct sg_graph *g, struct sg_stage_id id)
{
    return &g->stages[id.i];
}

/* "silver@2024-01-01T05", "dim" for once. */
#define SG_NODE_TEXT 160
void sg_node_format(const struct sg_stage *s, int64_t index, char ret[SG_NODE_TEXT]);
/* Parses "stage@label" or the bare name of a `once` stage. On a bare name of another stage
 * *ret_index is left alone and *ret_whole is true. False: err names what is wrong, with a
 * did-you-mean. */
bool sg_node_parse(const struct sg_graph *g, const char *text, const struct sg_stage **ret_stage,
                   int64_t *ret_index, bool *ret_whole, struct sg_error *err) SG_MUST;

/*
 * due_end[stage.i]: the first index of each stage that is not due, as sg_graph_due() gives it.
 * The partitions of need n that node (s, index) needs, clipped to X's life; may be empty.
 * MEETS of a `once` node: the due partitions of X.
 */
struct sg_range sg_need_range(const struct sg_graph *g, const struct sg_stage *s,
                              const struct sg_need *n, int64_t index, const int64_t *due_end);
/* The reverse: the partitions of s that need partition `index` of n->of by this need, clipped to
 * the life of s. LATEST: all of s (when `index` is the newest due one, else empty). */
struct sg_range sg_need_users(const struct sg_graph *g, const struct sg_stage *s,
                              const struct sg_need *n, int64_t index, const int64_t *due_end);

/* Fills due_end[0 .. n_stages): a partition is due `delay` after its end, that instant included,
 * if its required and order-only needs are due too. The due partitions of a stage are always
 * [exists.first, due_end). `once`: 1. */
void sg_graph_due(const struct sg_graph *g, int64_t now_s, int64_t *due_end);

/*
 * May partition `index` of a `partial` stage run though it is not due? Once its interval has begun
 * and a partition that it requires is due: one of a need that is not due as a whole, where there is
 * one (yesterday's, or a `once`, don't begin a day). False of what is due, and of other stages.
 */
bool sg_graph_is_partial(const struct sg_graph *g, const struct sg_stage *s, int64_t index,
                         int64_t now_s, const int64_t *due_end);
/* Behind the last partition of s that is due, or that is partial in that sense. */
int64_t sg_graph_partial_end(const struct sg_graph *g, const struct sg_stage *s, int64_t now_s,
                             const int64_t *due_end);

/* Can a job of the stage have several partitions, by its `batch`? Days count as 24 hours. */
bool sg_stage_has_batches(const struct sg_stage *s);

/* Output or source path of one partition, relative to the root. Never fails but for memory/limit:
 * sg_graph_open has proved the template. */
bool sg_stage_path(const struct sg_graph *g, const struct sg_stage *s, int64_t index,
                   struct sg_buf *out, struct sg_error *err) SG_MUST;

#endif
