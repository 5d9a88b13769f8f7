/*
 * hsperf: what a JVM tells about itself in its performance data file.
 *
 * Floor: run. docs/design.md, "Jobs and the shim".
 *
 * A HotSpot JVM keeps its counters in a file of 32 KiB that it maps, /tmp/hsperfdata_USER/PID, from
 * its first milliseconds on, and unlinks it when it ends. An open descriptor outlives that: what it
 * reads then are the final figures. With -XX:-UsePerfData or -XX:+PerfDisableSharedMem there is
 * none, and of another user's or another container's we don't know.
 */
#ifndef STAGEGRAPH_RUN_HSPERF_H
#define STAGEGRAPH_RUN_HSPERF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/proc.h"

struct sg_hsperf {
    int64_t gc_count;       /* collections of all collectors; -1: not told */
    double gc_seconds;      /* NaN: not told */
    double gc_last_seconds; /* the longest of the collectors' last collections; NaN: not told */
    int64_t heap_bytes;     /* capacity of all generations now; -1 */
    int64_t used_bytes;     /* of these in use after the last collection; -1 */
};

/* False: not such a file, not yet, or not version 2. Any bytes are safe to pass. */
bool sg_hsperf_parse(const void *bytes, size_t n, struct sg_hsperf *ret);

/* "/tmp/hsperfdata_USER" of this process's user; false: the user has no name. */
bool sg_hsperf_dir(char *ret, size_t size);
/* The file of that process, opened; -1: none, or one that a dead process with its pid has left. */
int sg_hsperf_open(const char *dir, const struct sg_proc *p);
/* Reads and parses. Reading a mapped file instead would cost us our life if it is cut short. */
bool sg_hsperf_read(int fd, struct sg_hsperf *ret);

#endif
