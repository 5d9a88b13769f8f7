/*
 * plan: what is stale, why, and what will run: a sweep over flat arrays of nodes.
 *
 * Floor: plan. docs/design.md, "The plan"; section 5 of the contract.
 *
 *   sg_plan_new → sg_plan_group… / sg_plan_node… / sg_plan_decide (from workers, while it runs)
 *               → sg_plan_free
 *
 * Nodes are never objects. The plan looks at the partitions asked for and at those they need (the
 * view): a contiguous range a stage; a node's id is the base of its stage plus its place in the
 * range. Edges come from the rules each time. The sweep goes through the stages' components in
 * topological order, a single stage in time order, several stages of one component by an iterative
 * walk; nothing recurses.
 * A node outside of the asked set is only an input: its marker is looked at, it is never judged.
 */
#ifndef STAGEGRAPH_PLAN_H
#define STAGEGRAPH_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/code.h"
#include "stagegraph/error.h"
#include "stagegraph/graph.h"
#include "stagegraph/marker.h"
#include "stagegraph/recipe.h"
#include "stagegraph/request.h"
#include "stagegraph/store.h"

struct sg_node_id {
    uint32_t i;
};
#define SG_NO_NODE UINT32_MAX

enum sg_verdict {
    SG_VERDICT_INPUT, /* not asked for: an input, or a hole in the calendar */
    SG_VERDICT_FRESH,
    SG_VERDICT_RUN,     /* will run, at most (upstream is decided again) */
    SG_VERDICT_BLOCKED, /* must run, and lacks a required input that nobody will make */
    SG_VERDICT_BUSY,    /* another run holds it, or an input of it */
    SG_VERDICT_DEBT     /* stale, but not for a reason that was asked for */
};

struct sg_plan_stage {
    int64_t lo, hi;          /* the view: indexes [lo, hi); empty when the stage is not touched */
    uint32_t base;           /* node id of lo */
    bool selected;           /* by --only / --upto / named nodes; sources never */
    struct sg_recipe recipe; /* as of now; of selected stages */
    int64_t due_end;
    uint32_t n_run, n_fresh, n_blocked, n_busy, n_debt; /* asked nodes */
};

struct sg_plan_counts {
    uint32_t run, fresh, blocked, busy, debt, asked;
    uint32_t completes;    /* fresh ones, and debt, whose partial marker a run renames */
    uint32_t blocked_must; /* blocked ones that must be rebuilt (not by upstream alone): exit 3 */
};

struct sg_plan; /* flat arrays; read through the functions below */

struct sg_plan_config {
    const struct sg_graph *graph;
    struct sg_store *store;
    struct sg_code_cache *code;
    const struct sg_request *request;
    const char *own_run; /* claims of this run are ours; NULL before there is a run */
};

/* All borrowed things must outlive the plan. Reads markers, sources and claims. Code usage: a stage
 * without a start and no range, a named node that is not due (err says when it is), is a source's,
 * or does not exist. Code graph: a code pattern of a stage that is asked for matches nothing. */
bool sg_plan_new(const struct sg_plan_config *c, struct sg_plan **ret,
                 struct sg_error *err) SG_MUST;
void sg_plan_free(struct sg_plan *p);

const struct sg_graph *sg_plan_graph(const struct sg_plan *p);
const struct sg_request *sg_plan_request(const struct sg_plan *p);
void sg_plan_count(const struct sg_plan *p, struct sg_plan_counts *ret);
const struct sg_plan_stage *sg_plan_stage(const struct sg_plan *p, struct sg_stage_id s);
/* What was asked for, for headings: the hull of its partitions, cut to the given range and to what
 * exists; an empty interval when nothing. */
struct sg_interval sg_plan_range(const struct sg_plan *p);
uint32_t sg_plan_nodes(const struct sg_plan *p);

struct sg_node_view {
    const struct sg_stage *stage;
    int64_t index;
    enum sg_verdict verdict;
    bool asked;
    bool forced;           /* by --force, as it reached this node */
    bool completes;        /* FRESH or DEBT by its partial marker, which the run renames */
    enum sg_reason reason; /* of RUN, BLOCKED, BUSY, DEBT */
    uint32_t reasons;      /* mask of all that hold */
    const char *detail;    /* "" if none; plan's life */
    enum sg_marker_kind marker;
};
void sg_plan_node(const struct sg_plan *p, struct sg_node_id n, struct sg_node_view *ret);
/* SG_NO_NODE when it is outside of the view: neither asked for nor needed by what is. */
struct sg_node_id sg_plan_find(const struct sg_plan *p, struct sg_stage_id s, int64_t index);

/* A node has a job if its verdict is RUN, if it is BLOCKED by upstream alone (it is decided again),
 * or if its partial marker is to be renamed. Those that n needs, each once, optional only where
 * every need that names it is; what is not due is waited for by nobody. */
typedef void sg_plan_edge_fn(void *ctx, struct sg_node_id other, bool optional);
void sg_plan_needs(const struct sg_plan *p, struct sg_node_id n, sg_plan_edge_fn *fn, void *ctx);

/* The same as ranges, for the scheduler, and the reverse: the nodes [first, end) that n needs by
 * its need number k, or that need n by the k-th need there is for its stage. Exact inverses. There
 * are nodes without a job among them; a range may be empty, and two may overlap: what one of them
 * requires is required. False: there is no k. */
struct sg_node_range {
    uint32_t first, end;
    bool optional;
};
bool sg_plan_needs_at(const struct sg_plan *p, struct sg_node_id n, uint32_t k,
                      struct sg_node_range *ret);
bool sg_plan_users_at(const struct sg_plan *p, struct sg_node_id n, uint32_t k,
                      struct sg_node_range *ret);

/* Members of a batch at most: each has an open claim, and a process only so many descriptors. */
#define SG_BATCH_MOST 960

/* The batch of a node that will run: its first member, and how many they are. The members are the
 * nodes from the first on, holes of the calendar left out. A node alone is a batch of one. */
void sg_plan_batch(const struct sg_plan *p, struct sg_node_id n, struct sg_node_id *ret_first,
                   uint32_t *ret_count);

/* Unbroken runs of one stage's partitions with one verdict, reason and detail (for blocked ones the
 * same needs lacking, for busy ones one holder), by stage in topological order, then time. Holes of
 * the calendar break none. Verdicts RUN, BLOCKED, BUSY. */
struct sg_plan_group {
    const struct sg_stage *stage;
    int64_t first, last;  /* indexes, both inclusive */
    uint32_t count, jobs; /* a batch counts where its first member is */
    enum sg_verdict verdict;
    enum sg_reason reason;
    const char *detail;
    const char *const *lacks; /* BLOCKED: what its members lack, each input once, at most 1000 */
    const char *const *lacks_why; /* by it: as sg_plan_lack_why() */
    uint32_t n_lacks, n_lacks_all;
    const char *run; /* BUSY: who holds it, "" when not known */
};
typedef bool sg_plan_group_fn(void *ctx, const struct sg_plan_group *g);
/* False: fn said stop. */
bool sg_plan_groups(const struct sg_plan *p, enum sg_verdict verdict, sg_plan_group_fn *fn,
                    void *ctx);

/* Nodes of the view with a dead claim whose very attempt wrote the receipt: they are done, and the
 * claim is a left-over that a run drops. */
typedef void sg_plan_node_fn(void *ctx, struct sg_node_id n);
void sg_plan_settled(const struct sg_plan *p, sg_plan_node_fn *fn, void *ctx);

/* Of an input that is not there, what more can be said: "unsettled: newest file 12s old, settle
 * 5m"; "" when it is just not there. */
#define SG_LACK_WHY_TEXT 128
void sg_plan_lack_why(const struct sg_plan *p, struct sg_node_id input, char ret[SG_LACK_WHY_TEXT]);
/* Of one node, where a group names what all its members lack: "landing@2024-01-01T05 is not there",
 * "dim is not there (unsettled: …)", "a (unsettled: …) and others are not there", "behind
 * silver@2024-01-01T05", which is blocked itself. False and "" when it lacks nothing. */
#define SG_LACKS_TEXT (SG_NODE_TEXT + SG_LACK_WHY_TEXT + 64)
bool sg_plan_lacks(const struct sg_plan *p, struct sg_node_id n, char ret[SG_LACKS_TEXT]);

/* Things to tell once, for people: "inputs of silver are stale: …", "gone inputs", foreign markers.
 */
typedef void sg_plan_notice_fn(void *ctx, const char *text);
void sg_plan_notices(const struct sg_plan *p, sg_plan_notice_fn *fn, void *ctx);

/*
 * Debt: what is stale and will not run now: by stage and reason, in the range (verdict DEBT), and
 * outside of it where a look costs little: what was made by another recipe than today's, as a few
 * markers or the cache of them tell.
 */
struct sg_debt {
    const struct sg_stage *stage;
    enum sg_reason reason;
    uint32_t count;
    bool outside;
    int64_t first, end; /* the hull of its partitions' indexes; empty: not told */
};
typedef void sg_plan_debt_fn(void *ctx, const struct sg_debt *d);
void sg_plan_debts(const struct sg_plan *p, sg_plan_debt_fn *fn, void *ctx);

/*
 * Decides one node again from the store alone, under its claim (step 1 of an attempt): own marker,
 * inputs' markers and claims, code re-read. From worker threads, several at once. What a receipt
 * will say lies in *ret and in the arena.
 */
enum sg_decide {
    SG_DECIDE_RUN,
    SG_DECIDE_FRESH,
    SG_DECIDE_COMPLETE, /* its partial marker says what the marker shall: rename it */
    SG_DECIDE_BLOCKED,
    SG_DECIDE_BUSY
};

struct sg_decision {
    enum sg_decide what;
    enum sg_reason reason;
    uint32_t reasons;
    const char *detail;
    bool partial; /* it is not due: its receipt goes to the partial marker */
    struct sg_marker own;
    struct sg_recipe recipe;
    struct sg_input *inputs; /* all needs, order-only too */
    uint32_t n_inputs;
    int64_t *const *marked_ns; /* by need, as its versions: when each input's marker was made */
    struct sg_hash128 stamp;
    const char *lacks; /* BLOCKED: the node that is not there; BUSY: the node that is held; NULL */
    const char *lacks_why; /* BLOCKED: of it, as sg_plan_lack_why(); NULL */
    const char *run;       /* BUSY: by whom, "" when not known; NULL */
};

struct sg_decide_ask {
    bool forced;
    bool interrupted;      /* a dead claim was taken over, and its receipt is not there */
    bool planned_upstream; /* the plan's reason was upstream: a changed input counts as asked for */
    bool keeps_gone;       /* inputs that are gone are named as the node's own receipt has them */
    const struct sg_entry *seen; /* its marker, listed since it was claimed; NULL: nobody has */
    /* Partitions of the same stage that the very job makes before this one, of a batch: they count
     * as there, of a version that is not known yet. */
    int64_t made_first, made_end;
};
bool sg_plan_decide(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                    const struct sg_decide_ask *ask, struct sg_arena *a, struct sg_decision *ret,
                    struct sg_error *err) SG_MUST;
/* Is it a node of a `partial` stage that is not due? Then it reads and writes its partial marker,
 * and nobody else takes that for a marker. */
bool sg_plan_is_partial(const struct sg_plan *p, const struct sg_stage *s, int64_t index);
/* Reads what stands for the node's marker: the marker; of a partial node its partial marker, unless
 * the marker has a receipt (its day was finished once, by a later clock); of a node that is due and
 * has no marker, the partial marker that is left. As sg_marker_read(); *ret_name, which may be
 * NULL, gets the name of the file. */
bool sg_plan_marker(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                    const char *dir, struct sg_arena *a, struct sg_marker *ret,
                    struct sg_receipt *ret_receipt, const char **ret_name,
                    struct sg_error *err) SG_MUST;
/* After the job, with the receipts of those partitions written: puts the versions that they got
 * into the decision. *ret_lacks names one that is required and is not there (in the arena), or is
 * NULL. */
bool sg_plan_take_made(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                       const struct sg_decide_ask *ask, struct sg_arena *a, struct sg_decision *d,
                       const char **ret_lacks, struct sg_error *err) SG_MUST;
/* Step 4: are the inputs what the decision saw, and not made anew meanwhile either? *ret_moved
 * names the first that is not (in the arena), or is NULL. */
bool sg_plan_inputs_moved(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                          const struct sg_decision *d, struct sg_arena *a, const char **ret_moved,
                          struct sg_error *err) SG_MUST;

/*
 * explain: every part of the stamp, then and now. fn gets a row a part; `differs` where it changed.
 * then is NULL when it is not known (no receipt, foreign, recipe lost), or, where it differs, when
 * the part was not there; now is NULL when it is not there any more. Versions are 16 hex digits,
 * "absent", "unsettled" for a source that may not be whole yet, or "gone" for an input that counts
 * as it was. Rows are valid during the call of fn.
 */
struct sg_explain_row {
    /* "code", "command", "params", "version", "need", "input", "order-only"; of a source "source"
     */
    const char *part;
    const char *name, *then, *now;
    bool differs;
};
typedef void sg_explain_fn(void *ctx, const struct sg_explain_row *row);
struct sg_explanation {
    struct sg_node_view view; /* with the plan's verdict */
    struct sg_marker marker;
    struct sg_receipt receipt; /* when DONE / ACCEPTED / RUNNING */
    const char *damage;        /* DAMAGED: what is wrong */
    const char *claim;         /* "held by run …", "dead claim of run …", NULL */
    const char *lacks;         /* BLOCKED: as sg_plan_lacks(); NULL */
    const char *source;        /* the first source that it requires and that is not there; NULL */
    const char *source_path;   /* where that is looked for, with its marker */
};
bool sg_plan_explain(const struct sg_plan *p, struct sg_node_id n, struct sg_arena *a,
                     struct sg_explanation *ret, sg_explain_fn *fn, void *ctx,
                     struct sg_error *err) SG_MUST;

#endif
