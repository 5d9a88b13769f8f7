/*
 * registry: the runs of this machine that are alive, as locked files in the state directory.
 *
 * Floor: record. docs/formats.md, "State directory".
 *
 * STATE/runs/RUN holds one line of JSON and is locked (flock) while the run lives: an unlocked one
 * is of a run that died. Disposable: the truth about nodes are the claims in the store.
 */
#ifndef STAGEGRAPH_REGISTRY_H
#define STAGEGRAPH_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/error.h"

struct sg_registry_run {
    const char *run, *command;
    int64_t pid, started_s;
};

/* Makes the file and its lock; *ret_fd is closed by sg_registry_leave, which removes the file. */
bool sg_registry_enter(const char *state, const struct sg_registry_run *r, int *ret_fd,
                       struct sg_error *err) SG_MUST;
void sg_registry_leave(const char *state, const char *run, int fd);

/* All entries, in order of their names (of time). fn returns false to stop. */
typedef bool sg_registry_fn(void *ctx, const struct sg_registry_run *r, bool alive);
bool sg_registry_list(const char *state, sg_registry_fn *fn, void *ctx,
                      struct sg_error *err) SG_MUST;

/* Removes the entries and scratch directories (STATE/tmp/RUN) of runs that died, and entries that
 * were cut short. */
bool sg_registry_sweep(const char *state, struct sg_error *err) SG_MUST;

#endif
