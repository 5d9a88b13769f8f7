/*
 * cgroup: a control group of a job's own, where one can be made.
 *
 * Floor: run. docs/design.md, "Jobs and the shim".
 *
 *   sg_cgroups_new → sg_cgroup_make(nonce) → the command moves itself through sg_cgroup_door()
 *   → sg_cgroup_bytes … → sg_cgroup_remove → sg_cgroups_free
 *
 * Groups are made below the group that this process is in, never elsewhere, and no process of
 * others is moved. Of version 1 (the memory hierarchy) the directory must be writable. Of version 2
 * a group with processes can't have children with a memory controller, so this process moves itself
 * into a leaf first; it does so only where its group was delegated to it and it is alone there.
 *
 * What was not seen is -1.
 */
#ifndef STAGEGRAPH_RUN_CGROUP_H
#define STAGEGRAPH_RUN_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where the kernel shows them; tests have a directory of their own. */
struct sg_cgroup_files {
    const char *self;    /* /proc/self/cgroup */
    const char *v1, *v2; /* /sys/fs/cgroup/memory, /sys/fs/cgroup */
};
extern const struct sg_cgroup_files sg_cgroup_system;

/* The directory of this process's memory group; false: there is none to be seen. */
bool sg_cgroup_own(const struct sg_cgroup_files *f, char *ret, size_t size, bool *ret_v2);

struct sg_cgroups;
struct sg_cgroup;

/* NULL: none can be made here. Removes what dead runs left: groups of ours without a process. */
struct sg_cgroups *sg_cgroups_new(const struct sg_cgroup_files *f);
/* Goes back to where this process was. NULL is fine. */
void sg_cgroups_free(struct sg_cgroups *c);

/* NULL: not now, or not at all; the job then runs where we are. */
struct sg_cgroup *sg_cgroup_make(struct sg_cgroups *c, const char *nonce);
/* The file that takes "0" from a process that is to be in the group. */
const char *sg_cgroup_door(const struct sg_cgroup *g);
/* Memory in use by all processes in it now, each page once: anonymous and shared, without the page
 * cache. */
int64_t sg_cgroup_bytes(const struct sg_cgroup *g);
/* The most that was charged to it at once, the page cache and the kernel's own part included. */
int64_t sg_cgroup_most_bytes(const struct sg_cgroup *g);
/* Processes in it that the kernel killed for want of memory. */
int64_t sg_cgroup_oom_kills(const struct sg_cgroup *g);
/* The group goes, with groups that the job made in it. One that still has processes stays, and is
 * tried again later. NULL is fine. */
void sg_cgroup_remove(struct sg_cgroup *g);

/* The number behind the word in lines "WORD NUMBER"; -1: there is no such line. */
int64_t sg_cgroup_line(const char *text, const char *word);

#endif
