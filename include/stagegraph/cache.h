/*
 * cache: what markers said when they were read, known again by their identity in the store.
 *
 * Floor: record. docs/formats.md, "The cache of markers"; section 4 of the contract.
 *
 * Reading a marker costs an open, a read and a parse, some four times its stat. A plan that finds
 * a marker with the identity it had when it was read takes what it said from here instead. The
 * cache is disposable: deleted, damaged, of another store or out of date it makes a plan slower,
 * never different, and no failure of it is an error.
 *
 *   sg_cache_open(state, root, graph, &c, &err);
 *   for each stage: n = sg_cache_stage(c, name, calendar);
 *   while scanning, on any thread: sg_cache_find(c, look, n, index, &ident, &known)
 *   for what had to be read, in order: sg_cache_add(c, n, index, &known, seen);
 *   if (sg_cache_pays(c)) sg_cache_save(c);
 *   sg_cache_close(c);
 *
 * Memory and time follow what is asked for: finding reads the blocks of 63 partitions that are
 * asked about, adding holds at most 64 blocks in memory.
 */
#ifndef STAGEGRAPH_CACHE_H
#define STAGEGRAPH_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/calendar.h"
#include "stagegraph/clock.h"
#include "stagegraph/error.h"
#include "stagegraph/hash.h"
#include "stagegraph/marker.h"
#include "stagegraph/store.h"

/* What a plan needs of a marker. The stamp is not in it: a plan compares recipe and inputs. */
struct sg_cached {
    struct sg_ident ident;
    enum sg_marker_kind kind; /* DONE, ACCEPTED or FOREIGN */
    uint64_t version;         /* short */
    struct sg_hash128 recipe; /* zero if FOREIGN; and so is inputs */
    uint64_t inputs;
    /* 0: inputs is what the receipt recorded; else what sg_cache_see() was given, with this */
    uint16_t seen;
};

struct sg_cache;

/* The cache of one graph over one store, in the state directory. Nothing is made here; where there
 * is no cache, or none that can be used, it is empty. Fails for want of memory alone. */
bool sg_cache_open(const char *state, const char *root, const char *graph, struct sg_cache **ret,
                   struct sg_error *err) SG_MUST;
/* NULL is fine. What was added and not saved is dropped. */
void sg_cache_close(struct sg_cache *c);

/* The number of a stage, from 0, in the order of the calls; all of them come before the first find.
 * Of stages that were not named sg_cache_save() keeps nothing. */
bool sg_cache_stage(struct sg_cache *c, const char *name, const struct sg_calendar *cal,
                    uint32_t *ret, struct sg_error *err) SG_MUST;

/* The block that was looked at last; each thread has its own. NULL when memory is lacking, with
 * which nothing is found. */
struct sg_cache_look;
struct sg_cache_look *sg_cache_look_new(void) SG_MUST;
void sg_cache_look_free(struct sg_cache_look *l); /* NULL is fine */

/* What is known of the marker of a partition that has this identity now; false: nothing. From
 * several threads at once. */
bool sg_cache_find(const struct sg_cache *c, struct sg_cache_look *l, uint32_t stage, int64_t index,
                   const struct sg_ident *ident, struct sg_cached *ret);

/* Every marker of a stage and range that the file knows, whatever became of it since, in no
 * particular order; fn returns false to stop. Reads the blocks of that range. */
typedef bool sg_cache_walk_fn(void *ctx, int64_t index, enum sg_marker_kind kind,
                              struct sg_hash128 recipe);
void sg_cache_walk(const struct sg_cache *c, uint32_t stage, struct sg_range in,
                   sg_cache_walk_fn *fn, void *ctx);

/* By which recipes the markers of a stage were made that the file knows, without going through
 * them. False: it does not say. */
struct sg_cache_made {
    struct sg_hash128 recipe;
    uint64_t n;
    struct sg_range hull; /* of their indexes */
};
typedef bool sg_cache_made_fn(void *ctx, const struct sg_cache_made *m);
bool sg_cache_made(const struct sg_cache *c, uint32_t stage, sg_cache_made_fn *fn, void *ctx);

/*
 * Notes what a marker said that was read after `seen`, a time of the store's clock. One stage after
 * the other, each by ascending index. Left out are those that were not older than two seconds then
 * (their next change might not show in their identity), and other kinds than a plan may rely on.
 */
void sg_cache_add(struct sg_cache *c, uint32_t stage, int64_t index, const struct sg_cached *m,
                  struct sg_wall seen);

/* Notes of a marker whose record has `was` as its inputs that these two stand for it as well, by
 * the rules of the caller. In the same order, in a cache to which nothing else is added. worth: how
 * many ordinary markers could be read in the time that this saves. */
struct sg_cache_seen {
    uint64_t was, inputs;
    uint16_t seen;
    uint32_t worth;
};
void sg_cache_see(struct sg_cache *c, uint32_t stage, int64_t index, const struct sg_cache_seen *s);

/* Is saving worth it: were so many markers read that writing all of the cache anew takes less time
 * than reading them has taken? Never for fewer than SG_CACHE_MIN, unless they are dear. */
#define SG_CACHE_MIN 256
bool sg_cache_pays(const struct sg_cache *c);
/* May it be, where at most n are read? */
bool sg_cache_may_pay(const struct sg_cache *c, size_t n);
/* To read a marker costs requests to a server, not microseconds. */
void sg_cache_set_dear(struct sg_cache *c);
/* Puts a cache with what was added in the place of the old one, by rename. True: it is there.
 * False: it could not be written, or another process is writing one now; the old one stays. The
 * state directory is not made. */
bool sg_cache_save(struct sg_cache *c);

#endif
