/*
 * webhdfs_claim: what the files of HDFS's claims share. docs/formats.md, "Claims on HDFS".
 *
 * Floor: store; private. docs/design.md, "Claims on HDFS".
 *
 * A claim is a directory with one child directory, whose name says who has it. webhdfs_claim.c
 * takes and drops them, webhdfs_facts.c reads and writes such names, webhdfs_beat.c has the
 * session, what tells the others that this process lives; webhdfs_living.c looks who else does.
 */
#ifndef STAGEGRAPH_WEBHDFS_CLAIM_H
#define STAGEGRAPH_WEBHDFS_CLAIM_H

#include "webhdfs_impl.h"

#define WH_RUNS      "_stagegraph/runs"
#define WH_NAME      256 /* a component of a path, with its NUL */
#define WH_SESSION   64
#define WH_TOKEN     72
#define WH_BOOT_HASH 16

/* ---- names: webhdfs_facts.c ---- */

/*
 * "<boot>-<random>-<lease>": a process that has or had claims. boot is the XXH3-64 of the boot id
 * of its host, lease the seconds without a sign of life after which it counts as dead.
 */
bool wh_session_format(int64_t lease_s, char ret[WH_SESSION], struct sg_error *err) SG_MUST;
/* *ret_lease_s of a session's name; false: it is none. */
bool wh_session_parse(struct sg_span name, int64_t *ret_lease_s) SG_MUST;

/*
 * The child's name: "TOKEN", or "TOKEN~FACTS". TOKEN is "SESSION.NUMBER" and never comes again.
 * FACTS is the text of the claim, field by field; the node is left out where the claim's path says
 * it.
 */
bool wh_facts_of_text(struct sg_span text, const char *path, struct sg_buf *ret,
                      struct sg_error *err) SG_MUST;
/* The text of a claim again; nothing is added where the name has none, or not ours. */
bool wh_facts_text(const char *name, const char *path, struct sg_buf *ret,
                   struct sg_error *err) SG_MUST;
bool wh_name_format(const char *token, const char *facts, char ret[WH_NAME],
                    struct sg_error *err) SG_MUST;
/* The token's part of a name, and the session's of that; false: a name that is not ours. */
bool wh_name_token(const char *name, char ret_token[WH_TOKEN],
                   char ret_session[WH_SESSION]) SG_MUST;
/* What is behind the token and its "~"; "" where there is nothing. */
const char *wh_name_facts(const char *name);

/* ---- the session: webhdfs_beat.c ---- */

enum wh_hold {
    WH_HELD,
    WH_LEFT,   /* let go of, and still there: dead once nobody has its lock */
    WH_DROPPED /* to be removed: that could not be done, or not be seen to be done */
};

/* A claim of this session. */
struct wh_held {
    struct wh_held *next;
    char *path;
    uint64_t id;      /* of this session's claims, a number each */
    int64_t taken_ms; /* when it was taken, by the NameNode's clock; 0: nobody has looked */
    char token[WH_TOKEN], name[WH_NAME];
    int lock_fd; /* -1: none */
    enum wh_hold how;
};

struct wh_claims {
    pthread_mutex_t lock; /* over all but what is said otherwise */
    pthread_cond_t wake;  /* the thread's: stop */
    pthread_mutex_t turn; /* held while a request of the session's own is under way */
    bool begun, stop;
    pthread_t thread;
    bool has_thread;
    char session[WH_SESSION]; /* never changes */
    char *lock_dir;           /* of this host's lock files; NULL: none */
    bool second;              /* which of its two names the heartbeat has; under `turn` */
    int64_t beat_ns;          /* just before the last one that arrived was sent; by clock() */
    unsigned busy;            /* claims held, or being taken: what a lost session would lose */
    bool lost;
    bool taken_for_dead; /* and others may have our claims by now */
    char trouble[400];   /* why the last one did not arrive; "" */
    char why[700];       /* lost: for people */
    uint64_t n_tokens;
    struct wh_held *held;
    int64_t (*clock)(void); /* ns; CLOCK_BOOTTIME, which goes on while the machine sleeps */
};

/* True: the session has begun, its heartbeat is fresh, and one more claim may come to be held:
 * wh_session_less() when there is one less. A lost session is an error. */
bool wh_session_more(struct sg_webhdfs *w, struct sg_error *err) SG_MUST;
void wh_session_less(struct sg_webhdfs *w);
/* False: err says that it is lost, or that its heartbeat could not be renewed now. True: nobody
 * takes this session for dead for the better part of a lease. */
bool wh_session_check(struct sg_webhdfs *w, struct sg_error *err) SG_MUST;
/* Renews the heartbeat. */
bool wh_beat(struct sg_webhdfs *w, struct sg_error *err) SG_MUST;
bool wh_session_is_lost(struct sg_webhdfs *w, struct sg_fence *ret);
void wh_token_new(struct wh_claims *c, char ret[WH_TOKEN]);

/* One mutation without a body. */
bool wh_rename(struct sg_webhdfs *w, const char *from, const char *to, bool idempotent,
               enum wh_result *ret, struct wh_fault *fault, struct sg_error *err) SG_MUST;
bool wh_mkdirs(struct sg_webhdfs *w, const char *path, struct sg_error *err) SG_MUST;
/* Absent is fine. Not recursive: what is not empty stays, and that is fine too. */
bool wh_delete(struct sg_webhdfs *w, const char *path, bool recursive,
               struct sg_error *err) SG_MUST;
/* Always false. */
bool wh_rename_failed(struct sg_webhdfs *w, const char *from, const struct wh_fault *fault,
                      struct sg_error *err);

/* ---- who lives: webhdfs_living.c ---- */

/* Removes the heartbeats of sessions that ended long ago. */
void wh_sweep(struct sg_webhdfs *w);

/* Lock files of this host, by token. */
int wh_lock_new(struct wh_claims *c, const char *token); /* -1: none is to be had */
void wh_lock_remove(struct wh_claims *c, const char *token);
void wh_locks_sweep(const struct wh_claims *c); /* those that are unlocked and two days old */
enum wh_lock { WH_LOCK_NONE, WH_LOCK_FREE, WH_LOCK_HELD };
enum wh_lock wh_lock_look(const struct wh_claims *c, const char *token);

/* What lives: looked up at most once. */
struct wh_living {
    bool listed;
    int64_t now_ms;      /* by the NameNode's clock */
    struct sg_buf beats; /* lines "SESSION MTIME_MS" */
};
void wh_living_done(struct wh_living *l);
/* Does the session of a claim's name live, or who has inherited the claim's lock? */
bool wh_is_alive(struct sg_webhdfs *w, struct wh_living *l, const char *token, const char *session,
                 bool *ret, struct sg_error *err) SG_MUST;

#endif
