/*
 * memory_store: a store whose files are texts in memory, for what shall not wait for a disk.
 *
 * It has what a plan, a decision and sg_bench_tree() ask of a store: files and markers are put and
 * read, nobody claims anything. Its clock stands still, an hour after all files. For one thread.
 */
#ifndef SG_MEMORY_STORE_H
#define SG_MEMORY_STORE_H

#include "stagegraph/store.h"

bool memory_store_open(const char *root, struct sg_store **ret, struct sg_error *err) SG_MUST;

#endif
