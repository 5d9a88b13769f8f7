/*
 * fake_store: the real local store on a scratch directory, with faults.
 *
 * Each system call of the store goes by here, so a test can fail the k-th, once or for good, cut a
 * write after n bytes, or let the process "die": from the k-th call on nothing has an effect any
 * more, as if it had been killed just before. What is on disk then is what a real crash leaves;
 * close the fake and look at the directory with sg_store_open().
 *
 *   struct sg_fake_store *f;
 *   sg_fake_store_open(dir, true, &f, &err);
 *   sg_fake_store_arm(f, (struct sg_fault){ .at = 3, .sys = ENOSPC });
 *   … sg_marker_write(sg_fake_store_get(f), …) …
 *   if (!sg_fake_store_hit(f)) break;         the sweep is over: fewer than 3 calls
 *   sg_fake_store_close(f);
 *
 * Files beside the calls: listing a directory is not counted (opening it is), nor are the threads
 * of sg_store_stat_many(), which does its stats one after the other here. For one thread at a time.
 */
#ifndef SG_FAKE_STORE_H
#define SG_FAKE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "stagegraph/store.h"

struct sg_fault {
    const char *call; /* only this one: "open close read write fsync fstat stat rename rename_new
                         link unlink rmdir mkdir flock"; NULL: any */
    const char *path; /* only where the path has this in it; NULL: any */
    unsigned at;      /* the k-th such call, from 1; 0: no fault */
    bool for_good;    /* and all such calls after it */
    bool dies;        /* and every call after it, without effect: the process is dead */
    int sys;          /* errno; 0: EIO */
    bool cuts;        /* counts bytes written instead: what goes beyond cut_at bytes fails */
    size_t cut_at;
};

struct sg_fake_store;

bool sg_fake_store_open(const char *dir, bool sync, struct sg_fake_store **ret,
                        struct sg_error *err) SG_MUST;
void sg_fake_store_close(struct sg_fake_store *f); /* NULL is fine */
struct sg_store *sg_fake_store_get(struct sg_fake_store *f);

/* From now on its checksums can't be compared, as in an encryption zone of HDFS. */
void sg_fake_store_encrypt(struct sg_fake_store *f);
/* Counts and trace begin anew. */
void sg_fake_store_arm(struct sg_fake_store *f, struct sg_fault fault);
bool sg_fake_store_hit(const struct sg_fake_store *f); /* did the fault happen? */
/* Calls of a kind since then (NULL: all, but close). */
unsigned sg_fake_store_count(const struct sg_fake_store *f, const char *call);
/* The changing calls and flushes since then that succeeded, a word each with the last name of the
 * path: "open:.x.tmp write:.x.tmp fsync:.x.tmp rename:x fsync:dir"; random digits are "*". */
const char *sg_fake_store_trace(const struct sg_fake_store *f);

#endif
