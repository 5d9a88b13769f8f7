/*
 * plan_impl: what the files of src/plan share: the plan's arrays, edges, facts and judgements.
 *
 * Floor: plan. docs/design.md, "The plan" and "Judging".
 *
 *   edge     need rules as ranges of indexes and of node ids
 *   window   what the inputs of a need come to, as its range moves along
 *   select   ranges, stages, names → asked nodes
 *   scope    asked nodes → what is looked at (flags ASKED, NEEDED, LOOKED)
 *   scan     claims, markers, sources of the view; scan_claims and scan_read do it
 *   compare  recipes and inputs, then and now
 *   judge    facts of one node → reasons, detail, verdict; pure
 *   ahead    receipts whose inputs differ, read again many at once
 *   seen     what came of that, for the cache
 *   sweep    the order of the nodes, the facts of each, notices
 *   more     what --with-needs asks for as well
 *   batch    which nodes go into one process
 *   groups   a plan as it is read
 *   debt     what is stale and will not run, in the range and outside of it
 *
 * sg_plan_decide() and sg_plan_explain() make a plan of one node and its inputs and go through the
 * same scan and sweep, so that a decision can't differ from a plan of the same store.
 */
#ifndef STAGEGRAPH_PLAN_IMPL_H
#define STAGEGRAPH_PLAN_IMPL_H

#include <pthread.h>

#include "stagegraph/cache.h"
#include "stagegraph/digest.h"
#include "stagegraph/pieces.h"
#include "stagegraph/plan.h"

#define SG_REASON_BIT(r) (1u << (r))

enum {
    SG_NODE_ASKED = 1 << 0,      /* judged; gets a verdict */
    SG_NODE_NEEDED = 1 << 1,     /* an input of an asked (or looked at) node */
    SG_NODE_LOOKED = 1 << 2,     /* not asked, but judged for a notice if need be (--only) */
    SG_NODE_HOLE = 1 << 3,       /* a date that never was */
    SG_NODE_FORCED = 1 << 4,     /* --force reached it */
    SG_NODE_THERE = 1 << 5,      /* may be used as an input */
    SG_NODE_UNFINISHED = 1 << 6, /* a foreign marker of an interval that was not over */
    SG_NODE_HELD = 1 << 7,       /* claimed by another run that is alive */
    SG_NODE_DEAD = 1 << 8,       /* a dead claim, whose receipt is not there */
    SG_NODE_STALE = 1 << 9,      /* LOOKED, and stale */
    SG_NODE_SCANNED = 1 << 10,   /* marker or source was looked at */
    SG_NODE_OPEN = 1 << 11,      /* on the sweep's stack; LOOKED: to be judged */
    SG_NODE_JUDGED = 1 << 12,
    SG_NODE_MUST = 1 << 13,     /* runs by another reason than upstream */
    SG_NODE_FRESH_IN = 1 << 14, /* there, and nothing about it that its users need to know */
    /* due, with a receipt in its partial marker alone; once it is judged: that is renamed */
    SG_NODE_COMPLETES = 1 << 15
};

/* A need rule with what makes most of its ranges cheap to tell. */
enum sg_edge_kind {
    SG_EDGE_RULE,  /* ask sg_need_range() */
    SG_EDGE_FIXED, /* the same for every node: @latest, a once stage or its needs */
    SG_EDGE_SHIFT, /* one calendar without holes: [index + lo, index + hi] */
    SG_EDGE_SPLIT  /* `factor` partitions of X in one of ours */
};

struct sg_edge {
    const struct sg_need *need;
    enum sg_edge_kind kind;
    bool holes;  /* X may have partitions that never were */
    bool shared; /* another need of the stage is of the same X */
    uint64_t text_hash;
    int64_t lo, hi, factor;
    struct sg_range range; /* FIXED */
    struct sg_range clip;  /* the life of X */
};

/* A need of another stage, by which it uses this one. */
struct sg_use {
    uint32_t stage, need;
};
struct sg_uses {
    struct sg_use *at;
    uint32_t n;
};

struct sg_id_range {
    uint32_t first, end;
};

/* What the asked nodes of a stage met at one need, for the notices. */
struct sg_tally {
    uint32_t stale, blocked, gone;
};

struct sg_stage_state {
    struct sg_plan_stage pub;
    struct sg_range asked; /* hull of the asked nodes */
    uint32_t *reached;     /* named nodes: not 0 where asked, from asked.first; NULL: all of it */
    bool looked;           /* its needed nodes are judged for notices */
    bool has_recipe;
    struct sg_tally *tally;     /* one a need */
    struct sg_id_range *marked; /* one a need: what was marked as needed last, and before it */
    struct sg_window *windows;  /* one a need; NULL: none of its nodes was judged */
    struct sg_id_range done;    /* hull of the nodes with a receipt of state done */
    uint32_t n_foreign;         /* asked nodes with a foreign marker */
};

/* Stale nodes of one stage and reason, and the hull of their indexes. */
struct sg_debt_count {
    uint32_t n;
    int64_t first, end;
};

/* Two recipes of one stage compared: which reasons hold, and their details. */
struct sg_recipe_change {
    uint32_t reasons; /* of CODE, COMMAND, PARAMS, VERSION, INPUT */
    const char *detail[SG_REASON_COUNT];
    bool lost; /* nothing can be named */
};

/* Small numbers for values that many nodes share: values lie in an array of the owner. */
struct sg_index {
    uint32_t *slots; /* value number + 1; 0 is free */
    size_t n, cap;
};
typedef bool sg_index_is(const void *ctx, uint32_t i, const void *key);

struct sg_seen_recipe {
    struct sg_hash128 hash;
    uint32_t stage;
    struct sg_recipe_change *change; /* NULL: not compared yet */
};

struct sg_seen_claim {
    uint32_t node;
    bool alive;
    const char *run; /* "" when the text can't be read */
    uint32_t attempt;
};

/* What comparing a receipt, read again, with the inputs of now came to. */
struct sg_compared {
    uint32_t node;
    bool done;
    uint64_t
        recorded; /* digest of the receipt's inputs; 0: it is not the receipt that was scanned */
    const char *changed; /* as sg_inputs_compare() has it */
    unsigned char *gone;
};

/* What the cache of markers shall know of a receipt that was read again. */
struct sg_seen_node {
    uint32_t node;
    struct sg_cache_seen what;
};

struct sg_plan {
    struct sg_plan_config c;
    struct sg_arena arena;
    int64_t *due_end;       /* of all stages; a small plan borrows its parent's, and its edges */
    struct sg_edge **edges; /* by stage, then need */
    struct sg_uses *uses;   /* by stage */
    struct sg_stage_state *stages;
    uint32_t n_nodes;
    uint32_t asked_reasons; /* mask; FORCED is always in it */
    bool wait;              /* as the request says; a decision never waits */

    /* by node */
    uint16_t *flags, *reasons;
    uint8_t *kind, *verdict, *reason;
    uint32_t *detail;  /* index into details; 0: none */
    uint32_t *recipe;  /* index into recipes; 0: none */
    uint64_t *version; /* short; 0 unless THERE */
    uint64_t *inputs;  /* digest that the receipt recorded, or by `known` another */
    uint16_t *known;   /* of its record in the cache: sg_cached's `seen`; see seen.c */
    /* of the marker, negative where it is that or older (its directory's); of a source as
     * sg_source_examine()'s unsettled */
    int64_t *mtime_ns;
    uint32_t *batch;         /* 1 + the first member's id; 0: alone; NULL: all are */
    struct sg_marker *whole; /* a decision's: gets all of the marker of whole_node; or NULL */
    uint32_t whole_node;
    bool claimed; /* a decision's: the caller has the claim of claimed_node; nobody need look */
    uint32_t claimed_node;
    const struct sg_entry *claimed_seen; /* its marker, listed since then; NULL: nobody has */
    bool no_claims;                      /* they are not looked at */

    struct sg_cache *cache; /* of markers, while the store is scanned; or NULL */
    bool borrows;           /* a decision's: nothing is put there */
    struct sg_wall seen;    /* the store's time before a marker was read; 0: nobody asked */

    pthread_mutex_t lock; /* recipes, `seen` and the arena, while markers are read */
    struct sg_seen_recipe *recipes;
    size_t n_recipes, cap_recipes;
    struct sg_index recipe_index;
    const char **details;
    size_t n_details, cap_details;
    struct sg_index detail_index;
    struct sg_seen_claim *claims;
    size_t n_claims, cap_claims;
    const char **notices;
    size_t n_notices, cap_notices;
    struct sg_named_node *extra; /* asked as well: --with-needs */
    size_t n_extra, cap_extra;
    struct sg_plan_counts counts;
    struct sg_debt_count *outside; /* by stage and reason; NULL: nobody looked */
    struct sg_input *now;          /* room for the needs of one node */
    struct sg_digest_part *parts;  /* the same: those that count, as they are now */
    uint64_t *places;              /* by part, from 1: index of its first partition */
    uint32_t n_parts, met_parts;   /* what holds of some input of these */
    unsigned char *met;            /* the same: what the walk over the inputs met at each need */
    struct sg_compared *compared;  /* of the stage that is swept, by node; or none */
    size_t n_compared;
    struct sg_seen_node *seen_nodes;
    size_t n_seen, cap_seen;
    struct sg_buf spare; /* versions of ranges with holes in them */
};

static inline const struct sg_stage *sg_plan_stage_at(const struct sg_plan *p, uint32_t i)
{
    return &p->c.graph->stages[i];
}

/* ---- edge */

static inline struct sg_range sg_range_cut(struct sg_range r, struct sg_range by)
{
    if (r.first < by.first)
        r.first = by.first;
    if (r.end > by.end)
        r.end = by.end;
    if (r.end < r.first)
        r.end = r.first;
    return r;
}

/* Fills p->edges. */
bool sg_edges_new(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* May a partition of this calendar never have been? */
bool sg_edge_may_have_holes(const struct sg_calendar *c);
/* As sg_need_range(). */
struct sg_range sg_edge_range(const struct sg_plan *p, const struct sg_stage *s,
                              const struct sg_edge *e, int64_t index);
/* The same as node ids, cut to the view (which holds all of it for judged nodes). */
struct sg_id_range sg_edge_ids(const struct sg_plan *p, const struct sg_stage *s,
                               const struct sg_edge *e, int64_t index);

/* ---- window */

/* What an input may have to tell its user; a window knows where each was seen last. */
enum sg_meet {
    SG_MEET_RUN,     /* it will run */
    SG_MEET_HELD,    /* another run has it */
    SG_MEET_BUSY,    /* it waits for one that does */
    SG_MEET_LACKING, /* it is due and not there, and nobody makes it */
    SG_MEET_BLOCKED, /* it is there, and blocked */
    SG_MEET_DEBT,    /* it is there, and stale, and nobody asked */
    SG_MEET_STALE,   /* the same, and it was only looked at */
    SG_MEET_ABSENT,  /* it has no version, whatever the reason */
    SG_MEETS
};
#define SG_MEET_BIT(m) (1u << (m))

/*
 * The inputs of one need, which move along with the node. Ranges only move on with the index, so
 * each input comes in once and goes out once, whatever the length. One that begins elsewhere is
 * gone through anew, and always right, if what was seen of the inputs in it has not changed since.
 */
struct sg_window {
    uint32_t first, end;       /* ids in it */
    uint32_t behind[SG_MEETS]; /* the id behind the last one of which it holds; 0: none */
    struct sg_sum sum;         /* of their versions, holes left out */
    uint64_t came;             /* how many have come in, ever: the work that it was */
};
/* What holds of some input in ids, a mask; *ret_sum, unless NULL, gets their versions' sum (value
 * and n). of: the stage of the need; w: its window, or NULL where each range is another. */
uint32_t sg_window_meet(const struct sg_plan *p, uint32_t of, struct sg_id_range ids,
                        struct sg_window *w, struct sg_sum *ret_sum);
/* Those of the inputs of stage `of` that may be later than a foreign marker: where all markers are
 * of another tool there are none, and a window of a year is not gone through for each. */
struct sg_id_range sg_window_done(const struct sg_plan *p, uint32_t of, struct sg_id_range ids);
/* What has been seen counts no more. */
void sg_windows_forget(struct sg_plan *p);
/* The windows of a stage, made when they are first asked for. */
bool sg_windows_of(struct sg_plan *p, const struct sg_stage *s, struct sg_error *err) SG_MUST;

/* ---- select and scope */

/* Asked set and view of the request; allocates the arrays by node. */
bool sg_select_request(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* The range of all stages, before each is narrowed; all of time when none was given. */
struct sg_interval sg_select_range(const struct sg_plan *p);
/* What two intervals share; empty (start at or behind end) when nothing. */
struct sg_interval sg_interval_both(struct sg_interval a, struct sg_interval b);
/* The view of what the stages' `asked` and p->extra say. */
bool sg_scope_new(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* The same for these partitions of a stage alone, due or not. */
bool sg_scope_some(struct sg_plan *p, const struct sg_stage *s, struct sg_range some,
                   struct sg_error *err) SG_MUST;
/* Marks what a node needs. */
void sg_scope_needs(struct sg_plan *p, const struct sg_stage *s, int64_t index);
/* The stage whose view holds the node. */
uint32_t sg_plan_stage_of(const struct sg_plan *p, uint32_t node);

/* ---- scan */

/* fn over [0, n) in chunks, on as many threads as pay with this store; the first failure ends it.
 */
bool sg_in_chunks(const struct sg_store *store, size_t n, sg_piece_fn *fn, void *ctx,
                  struct sg_error *err) SG_MUST;
/* How many are one chunk: SG_CHUNK at most. */
#define SG_CHUNK 256u
size_t sg_chunk_grain(const struct sg_store *store);
/* The claims on nodes of the view. few: of a plan of a node and its inputs; again: the second look,
 * only for what is held by now. */
bool sg_scan_claims(struct sg_plan *p, bool few, bool again, struct sg_error *err) SG_MUST;
bool sg_scan(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* The same with the cache of markers: what is not in it is read, and put there at sg_scan_end(). */
bool sg_scan_cached(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* What has been marked as needed since, in the view that has been scanned. */
bool sg_scan_more(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* Opens the cache, where the plan has one. */
bool sg_scan_begin(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* The cache is written, where that pays, and closed. */
void sg_scan_end(struct sg_plan *p);
/* The claim of a node, or NULL. */
const struct sg_seen_claim *sg_scan_claim(const struct sg_plan *p, uint32_t node);
/* Partitions [*, end) of the stage that may be taken: due ones, and those a `partial` stage has
 * begun. */
bool sg_plan_may_ask(const struct sg_plan *p, const struct sg_stage *s, int64_t index);
/* Is input `node` of a need not due, and of a partial stage? Then it is there for nobody. */
static inline bool sg_plan_is_early(const struct sg_plan *p, uint32_t stage, uint32_t node)
{
    const struct sg_plan_stage *v = &p->stages[stage].pub;

    return sg_plan_stage_at(p, stage)->partial && v->lo + (int64_t)(node - v->base) >= v->due_end;
}

/* ---- compare */

/* A number for (stage, recipe), from 1. Safe from several threads. */
bool sg_recipe_seen(struct sg_plan *p, uint32_t stage, struct sg_hash128 hash, uint32_t *ret,
                    struct sg_error *err) SG_MUST;
/* What changed from that recipe to the stage's own of now; NULL in *ret: it is the same. */
bool sg_recipe_change(struct sg_plan *p, uint32_t seen, const struct sg_recipe_change **ret,
                      struct sg_error *err) SG_MUST;
/* A number for a text, from 1; "" and NULL are 0. */
bool sg_plan_detail(struct sg_plan *p, const char *text, uint32_t *ret,
                    struct sg_error *err) SG_MUST;

/*
 * The inputs of a receipt against those of now (p->now, without labels), need by need. An input
 * that is not there counts as what the receipt recorded of the same partition: it is gone.
 * *ret_changed is the name of the stage whose need differs first, or NULL; ret_gone[k] is set where
 * need k stands on a gone input. whole: what is required and was not there then is a difference
 * while it is not there (a day that was unfinished then is no finished one now).
 */
bool sg_inputs_compare(struct sg_plan *p, const struct sg_stage *s, int64_t index,
                       const struct sg_receipt *then, bool whole, const char **ret_changed,
                       unsigned char *ret_gone, struct sg_error *err) SG_MUST;
/* The recorded version of partition `index` of need n, 0 when the receipt has none. position: its
 * place among the partitions of now. */
uint64_t sg_input_recorded(const struct sg_stage *of, const struct sg_need *n,
                           const struct sg_input *then, int64_t index, uint32_t position);
/* The receipt's input of that need, or NULL. */
const struct sg_input *sg_receipt_input(const struct sg_receipt *r, const char *need);

/* ---- judge */

struct sg_facts {
    enum sg_marker_kind kind;
    bool forced, dead_claim, unfinished;
    const struct sg_recipe_change *recipe; /* NULL: the same, or nothing to compare with */
    const char *input;    /* a need whose versions differ; FOREIGN: one made later; NULL: none */
    const char *upstream; /* a need that will run; NULL: none */
    bool held, input_held, lacks;
};

struct sg_judgement {
    enum sg_verdict verdict;
    enum sg_reason reason;
    uint32_t reasons;
    const char *detail; /* as the facts gave it; "" */
    bool must;          /* RUN, BLOCKED, BUSY: not by upstream alone */
};

/* asked: mask of the reasons that make a node run. */
void sg_judge(const struct sg_facts *f, uint32_t asked, struct sg_judgement *ret);

/* ---- sweep */

bool sg_sweep(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* Afterwards: are inputs stale that were only looked at, and that something will run from? Their
 * own inputs are not scanned before that is asked. */
bool sg_sweep_looked(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* What is to be told once, from what the sweep met. */
bool sg_sweep_notices(struct sg_plan *p, struct sg_error *err) SG_MUST;
/* Fills p->now with the inputs of a node, without labels. */
bool sg_sweep_now(struct sg_plan *p, const struct sg_stage *s, int64_t index,
                  struct sg_error *err) SG_MUST;
/* Fills p->parts with them. */
void sg_sweep_parts(struct sg_plan *p, const struct sg_stage *s, int64_t index);

/* ---- seen */

/* Are they others than the receipt recorded, so that it has to be read? p->parts has them. */
bool sg_has_other_inputs(const struct sg_plan *p, uint32_t id);
/* They are not: tells of those that are gone. */
void sg_seen_tally(struct sg_plan *p, const struct sg_stage *s, uint32_t id);
/* Its receipt was read, and nothing has changed. recorded: its digest, 0 if it is another one than
 * was scanned; gone: by need. */
bool sg_seen_note(struct sg_plan *p, const struct sg_stage *s, uint32_t id, uint64_t recorded,
                  const unsigned char *gone, struct sg_error *err) SG_MUST;
/* Puts what was noted into the cache, if that pays; after sg_scan_end(). */
void sg_seen_save(struct sg_plan *p);

/* ---- ahead */

/* Receipts of a stage, of which all are needed to judge it, read again at once, where that pays:
 * none of its nodes is judged yet, all that they need is. The arena has what they came to. */
bool sg_ahead_look(struct sg_plan *p, const struct sg_stage *s, struct sg_arena *a,
                   struct sg_error *err) SG_MUST;
/* Was the node's among them? Then *f and the tally have it. */
bool sg_ahead_take(struct sg_plan *p, const struct sg_stage *s, uint32_t id, struct sg_facts *f,
                   bool *ret, struct sg_error *err) SG_MUST;
/* True where a required or order-only input is not there and nobody makes it. */
bool sg_sweep_lacks(const struct sg_plan *p, const struct sg_need *n, uint32_t input);

/* ---- more */

/* --with-needs: appends to p->extra what nodes that are to run need, and what is outside of the
 * asked set and not there, transitively. *ret_any false: nothing more. */
bool sg_more_needs(struct sg_plan *p, bool *ret_any, struct sg_error *err) SG_MUST;
/* What `from` has read of nodes that both look at. */
bool sg_more_carry(struct sg_plan *p, const struct sg_plan *from, struct sg_error *err) SG_MUST;

/* ---- batch */

/* After the sweep: fills p->batch where a stage has batches. */
bool sg_batches_cut(struct sg_plan *p, struct sg_error *err) SG_MUST;

/* ---- debt */

/* Counts into p->outside what is stale outside of the asked set, when that costs little. */
bool sg_debt_look(struct sg_plan *p, struct sg_error *err) SG_MUST;

/* ---- plan */

/* A plan whose view is made and whose recipes are read, before the scan. from: an earlier round,
 * whose extra nodes are asked for too, or NULL. */
bool sg_plan_begin(const struct sg_plan_config *c, const struct sg_plan *from, struct sg_plan **ret,
                   struct sg_error *err) SG_MUST;
/* A plan of some partitions of a stage alone, with the parent's graph, store, due ends and edges.
 * Without a scan. */
bool sg_plan_small(const struct sg_plan *parent, const struct sg_stage *s, struct sg_range some,
                   struct sg_plan **ret, struct sg_error *err) SG_MUST;
/* The recipe of stage s as of now into the plan. */
bool sg_plan_recipe(struct sg_plan *p, uint32_t stage, struct sg_error *err) SG_MUST;
/* Will there be a job for it: RUN, or BLOCKED by upstream alone (decided again in the run)? */
bool sg_plan_has_job(const struct sg_plan *p, uint32_t node);
/* Output directory of a node; the buffer is cleared first. */
bool sg_plan_dir(const struct sg_plan *p, const struct sg_stage *s, int64_t index,
                 struct sg_buf *out, struct sg_error *err) SG_MUST;

#endif
