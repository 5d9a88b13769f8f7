/*
 * request: what was asked of a plan: range, selection, reasons, force. cli fills it, resume keeps
 * it.
 *
 * Floor: plan. Section 3 of the contract; docs/design.md, "Requests".
 *
 * A zeroed request with `now_s` and `stale` set means: every stage from its start to its newest due
 * partition. All arrays have one entry a stage of the graph and lie in the caller's arena.
 */
#ifndef STAGEGRAPH_REQUEST_H
#define STAGEGRAPH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/error.h"
#include "stagegraph/graph.h"

/* Reasons, in the order of section 5: the first that holds is a node's reason. */
enum sg_reason {
    SG_REASON_NONE,
    SG_REASON_FORCED,
    SG_REASON_INTERRUPTED,
    SG_REASON_MISSING,
    SG_REASON_DAMAGED,
    SG_REASON_CODE,
    SG_REASON_COMMAND,
    SG_REASON_PARAMS,
    SG_REASON_VERSION,
    SG_REASON_INPUT,
    SG_REASON_UPSTREAM,
    SG_REASON_COUNT
};

const char *sg_reason_name(enum sg_reason r); /* "code"; "" for NONE */
/* False for anything but a name of the list. */
bool sg_reason_parse(const char *name, enum sg_reason *ret) SG_MUST;
/* Words after commas or blanks to a mask of 1u << reason; false names the bad word in err. */
bool sg_reasons_parse(const char *list, uint32_t *ret_mask, struct sg_error *err) SG_MUST;
#define SG_REASONS_ALL (((1u << SG_REASON_COUNT) - 1u) & ~1u)

struct sg_named_node {
    struct sg_stage_id stage;
    int64_t index;
};

struct sg_request {
    int64_t now_s;
    bool has_range;
    struct sg_interval range;   /* for all stages; open sides SG_TIME_MIN / SG_TIME_MAX */
    struct sg_interval *narrow; /* a stage: --X-start-date / --X-end-date; NULL: none at all */
    bool *narrowed;
    int32_t window, lookback; /* partitions of the graph's default; window 0: none; a range wins */
    bool *only, *upto;        /* NULL: not given */
    bool force_all;
    bool *force;    /* --force=STAGE; NULL: not given */
    uint32_t stale; /* mask of reasons that make a node run */
    bool with_needs;
    bool newest_first;
    bool wait; /* claims of other runs are waited for: what they hold is to run, not BUSY */
    struct sg_named_node *named; /* instead of a range: these, and what they need within them */
    uint32_t n_named;
    struct sg_named_node
        *spared; /* not forced although force says so: resume, what is done already */
    uint32_t n_spared;
    size_t cap_spared;
};

void sg_request_init(struct sg_request *r, int64_t now_s);

/* The interval of a window and its lookback: ends with the newest default partition of the graph's
 * life whose end plus [graph] delay is past, or now. *ret_window is the part that --force may
 * touch. */
void sg_request_window(const struct sg_graph *g, const struct sg_request *r,
                       struct sg_interval *ret_range, struct sg_interval *ret_window);

/* One line of JSON that sg_request_parse reads again with the same graph (stages by name); what the
 * graph no longer has is named in err. */
bool sg_request_format(const struct sg_graph *g, const struct sg_request *r, struct sg_buf *out,
                       struct sg_error *err) SG_MUST;
bool sg_request_parse(const struct sg_graph *g, struct sg_span text, struct sg_arena *a,
                      struct sg_request *ret, struct sg_error *err) SG_MUST;

#endif
