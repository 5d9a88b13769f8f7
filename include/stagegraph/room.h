/*
 * room: what memory there is for jobs, and whether it is short just now.
 *
 * Floor: run. docs/design.md, "The scheduler".
 */
#ifndef STAGEGRAPH_ROOM_H
#define STAGEGRAPH_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/clock.h"
#include "stagegraph/graph.h"

/* Bytes that the machine has, or the cgroup that this process is in if it may take less; -1: not
 * known. */
int64_t sg_room_bytes(void);
/* What a job of the stage takes of that: 0 where it says nothing, or where its pool has a `memory`
 * of its own, which says what room there is (it may be a cluster's). */
int64_t sg_room_of(const struct sg_graph *g, const struct sg_stage *s);

/*
 * The kernel's pressure stall information: the share of time in which some process, or every one,
 * stood still for want of memory. Of our cgroup where it tells, else of the machine.
 */
struct sg_pressure;
/* path NULL: the system's. NULL: there is none; then memory is never short. */
struct sg_pressure *sg_pressure_new(const char *path);
void sg_pressure_free(struct sg_pressure *p);
/* Looks at most twice a second. Once it is high it stays so until it has fallen to half of that. */
bool sg_pressure_is_high(struct sg_pressure *p, struct sg_mono now);
/* Percent of the last ten seconds, as looked at last. */
double sg_pressure_some(const struct sg_pressure *p);

#endif
