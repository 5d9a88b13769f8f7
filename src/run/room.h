/*
 * room: the parts of stagegraph/room.h that a test gives files to.
 *
 * Floor: run. Private.
 */
#ifndef STAGEGRAPH_RUN_ROOM_H
#define STAGEGRAPH_RUN_ROOM_H

#include "cgroup.h"
#include "stagegraph/room.h"

int64_t sg_room_bytes_in(const char *meminfo, const struct sg_cgroup_files *f);

#endif
