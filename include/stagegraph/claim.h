/*
 * claim: who is working on a node now, and how a dead owner's node is taken over.
 *
 * Floor: record. docs/formats.md, "Claim"; section 4 of the contract.
 *
 * The text is one line of JSON: {"stagegraph_claim":1,"node":…,"run":…,"attempt":1,"host":…,
 * "boot":…,"pid":…,"started":"…Z","nonce":"<32 hex>"}. pid is the executor's. The nonce is in the
 * environment of every process of the attempt as STAGEGRAPH_NONCE: by it the processes of a dead
 * claim are found and ended before its node is taken over.
 */
#ifndef STAGEGRAPH_CLAIM_H
#define STAGEGRAPH_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/error.h"
#include "stagegraph/store.h"

/* The number of the attempt in claims and receipts of what runs nothing (accept, invalidate): such
 * a claim, when it is dead, says nothing about its node. */
#define SG_NO_ATTEMPT 0

struct sg_owner {
    const char *node, *run, *host, *boot;
    uint32_t attempt;
    int64_t pid;
    int64_t started_s;
    char nonce[33]; /* 32 hex digits */
};

bool sg_owner_format(const struct sg_owner *o, struct sg_buf *out, struct sg_error *err) SG_MUST;
/* *ret_valid false: not a claim's text (a cut or empty file: still a claim, of nobody known). */
bool sg_owner_parse(struct sg_arena *a, struct sg_span text, struct sg_owner *ret, bool *ret_valid,
                    struct sg_error *err) SG_MUST;
/* 128 random bits as hex. */
bool sg_nonce_new(char ret[33], struct sg_error *err) SG_MUST;
/* The boot id of this machine, and its host name; static storage is not used: into the arena. */
bool sg_host_facts(struct sg_arena *a, const char **ret_host, const char **ret_boot,
                   struct sg_error *err) SG_MUST;

/* "_stagegraph/claims/STAGE/LABEL", "_" for a once node. */
bool sg_claim_path(const char *stage, const char *label, struct sg_buf *out,
                   struct sg_error *err) SG_MUST;

/*
 * Every process of this host that has the mark of the nonce (proc.h), or whose environment holds
 * STAGEGRAPH_NONCE=nonce, gets TERM, after
 * grace_ms KILL, until none is left (bounded: *ret_left counts what would not die within 2 s of
 * the KILL). *ret_ended counts those that were found. Blocks; run it on a worker.
 */
bool sg_nonce_end(const char *nonce, int64_t grace_ms, unsigned *ret_ended, unsigned *ret_left,
                  struct sg_error *err) SG_MUST;
/* The pids that carry it (at most max), for `status`. */
size_t sg_nonce_find(const char *nonce, pid_t *ret, size_t max);

#endif
