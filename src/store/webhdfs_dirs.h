/*
 * webhdfs_dirs: the cache of directories: markers known again by the directory that they lie in.
 *
 * Floor: store; private. docs/formats.md, "The cache of directories".
 *
 * A marker that has been closed is not changed in place, only replaced, and that changes its
 * directory. So while the directory has the id, the modification time and the number of children
 * that it had, the marker has the identity that it had, or is still absent. Disposable: lost,
 * damaged or out of date it costs requests; no failure of it is an error. All from several threads
 * at once, but for opening and freeing.
 */
#ifndef STAGEGRAPH_WEBHDFS_DIRS_H
#define STAGEGRAPH_WEBHDFS_DIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/hash.h"
#include "stagegraph/store.h"

struct wh_dirs;

enum wh_known_kind {
    WH_KNOWN_ABSENT,
    WH_KNOWN_FILE,
    WH_KNOWN_RECEIPT /* it is there, closed; nobody has asked for its id, length and time */
};

/* What was seen of one marker, and of its directory just before. A record of the file. */
struct wh_known {
    struct sg_hash128 path; /* of the marker's path */
    uint64_t dir_id;
    int64_t dir_mtime_ns, dir_children;
    uint64_t id;
    int64_t len, mtime_ns;
    uint64_t kind; /* enum wh_known_kind */
};

/* The cache of one root in the state directory (NULL: none is kept). Fails for want of memory
 * alone. */
bool wh_dirs_open(const char *state, const char *root, struct wh_dirs **ret,
                  struct sg_error *err) SG_MUST;
/* Writes the file anew where that saves more requests than it costs time. NULL is fine. */
void wh_dirs_free(struct wh_dirs *d);

/* The records of the markers whose directories lie in one parent, sorted by path; to be freed. No
 * record: n is 0. */
struct wh_run {
    struct wh_known *at;
    size_t n;
};
void wh_dirs_read(const struct wh_dirs *d, struct sg_hash128 parent, struct wh_run *ret);
const struct wh_known *wh_run_find(const struct wh_run *r, struct sg_hash128 path); /* or NULL */

enum wh_note {
    WH_NOTE_SEEN, /* kept once it is believed */
    WH_NOTE_SURE, /* kept */
    WH_NOTE_GONE  /* the record is dropped: there is no such directory */
};
void wh_dirs_note(struct wh_dirs *d, struct sg_hash128 parent, const struct wh_known *known,
                  enum wh_note note);
/* What this process has seen itself, whether it is believed or not, the latest of some thousands;
 * false: it has not, or no more. */
void wh_dirs_remember(struct wh_dirs *d, const struct wh_known *known);
bool wh_dirs_recall(struct wh_dirs *d, struct sg_hash128 path, struct wh_known *ret);
/* Is there where to keep it? Planning makes no state directory. */
bool wh_dirs_keeps(const struct wh_dirs *d);
/* Is the marker with this identity noted, and not believed yet? */
bool wh_dirs_is_noted(struct wh_dirs *d, struct sg_hash128 parent, struct sg_hash128 path,
                      const struct sg_ident *ident);
/* The marker that was seen with this identity has been closed. */
void wh_dirs_believe(struct wh_dirs *d, struct sg_hash128 parent, struct sg_hash128 path,
                     const struct sg_ident *ident);

#endif
