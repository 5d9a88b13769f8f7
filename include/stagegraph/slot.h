/*
 * slot: room in a pool for one attempt, shared by all runs that use one state directory.
 *
 * Floor: record. docs/design.md, "Pools over several runs"; docs/formats.md, "Pools".
 *
 *   sg_slots_new                                nothing is touched on disk
 *   again and again: sg_slots_take              *ret_taken, or the pool has no room for it now
 *     sg_slot_drop, or sg_slot_leave            when the attempt is over
 *   sg_slots_free
 *
 * A slot is a locked file (flock) below the pool's directory, one a holder. The shim of the attempt
 * inherits the lock: it lives as long as any process of the attempt, and dies with the last, by
 * whatever signal. Whoever looks for room removes the files of the dead. If the shim was killed
 * too, the attempt's processes may live on without a lock: they are ended by their nonce first, as
 * with a claim.
 *
 * Nobody waits holding anything but a ticket, so there is no deadlock. Tickets are served in the
 * order of their numbers: a long run that frees a slot can't have it again before one that waited.
 * A ticket whose run has not asked for SG_SLOT_STALE_MS (it is suspended, has other work, or does
 * not want it any more) is passed by, and keeps its number.
 *
 * May be used from several threads.
 */
#ifndef STAGEGRAPH_SLOT_H
#define STAGEGRAPH_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/error.h"

#define SG_SLOT_RETRY_MS 300 /* how often those who wait should ask */
#define SG_SLOT_STALE_MS 3000

struct sg_slots; /* one run's view of one pool */

/* dir: the pool's directory, made when the first slot is taken. Both texts are copied. */
bool sg_slots_new(const char *dir, const char *run, struct sg_slots **ret,
                  struct sg_error *err) SG_MUST;
/* Gives back the ticket. NULL is fine. */
void sg_slots_free(struct sg_slots *s);

struct sg_slot_ask {
    int32_t size;        /* how many may be held at once; 0: no limit */
    int64_t pool_memory; /* bytes that all may take together; 0: no limit */
    int64_t memory;      /* what this one takes; more than there is: it runs alone */
    const char *node, *nonce;
    int64_t grace_ms; /* for processes of the dead */
    /* Ends what else a dead holder may have left running; NULL: nothing. */
    bool (*end)(void *ctx, const char *nonce, const char *run, struct sg_error *err);
    void *ctx;
};

struct sg_slot {
    char *path; /* owned; NULL: none is held */
    int fd;     /* O_CLOEXEC; its lock is to be inherited by the shim */
};
#define SG_SLOT_INIT                                                                               \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

#define SG_SLOT_RUN 48
/* Blocks for the moment that another looks, longer only where processes of the dead are ended.
 * *ret_taken false: no room; `holder` is a run that holds some, or waits before us; or another
 * looks for too long, for it was stopped; `holder` is then "". The limits are the asker's. Errors:
 * system. */
bool sg_slots_take(struct sg_slots *s, const struct sg_slot_ask *ask, struct sg_slot *ret,
                   bool *ret_taken, char holder[SG_SLOT_RUN], struct sg_error *err) SG_MUST;
/* None is fine. */
void sg_slot_drop(struct sg_slot *slot);
/* Processes of it live on (stuck), and hold the lock: the slot stays taken until they have ended.
 */
void sg_slot_leave(struct sg_slot *slot);

#endif
