/*
 * Claims of HDFS. docs/formats.md, "Claims on HDFS"; why it is safe: docs/design.md, there too.
 *
 *   CLAIM/NAME     a directory at the claim's path with one child, whose name says who has it
 *   CLAIM          an empty one is no claim: somebody died between the two steps of dropping his
 *
 *   take       mkdirs runs/SESSION/N/NAME, then rename runs/SESSION/N to CLAIM, exclusively
 *   take over  rename CLAIM/NAME of the dead to CLAIM/OURS: the facts stay, the token changes
 *   replace    rename CLAIM/OURS to CLAIM/OTHER: the token stays, the facts change
 *   verify     is the child's token ours?
 *   drop       delete CLAIM/OURS; then CLAIM, if it is empty
 *
 * Each of these is one mutation of the namespace, in which the NameNode does one after the other. A
 * token never comes again, so who names CLAIM/NAME means this very claim, and of many that rename
 * it one succeeds: for the others there is no such name any more. When an answer was lost, the
 * source is removed, or looked for, and then CLAIM: that tells what became of it, and it can't
 * happen later.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "webhdfs_claim.h"

#define GIVE_UP_MS 10000
#define PAUSE_MS   5

/* ---- what is at a path */

struct seen {
    bool there;
    char name[WH_NAME]; /* of the child; "" if there is none */
    int64_t mtime_ms;   /* its */
    char lost[WH_NAME]; /* "" or NUMBER: what a contender could not rename to the path, see settle()
                         */
};

static bool on_child(void *ctx, const struct wh_status *st)
{
    struct seen *s = ctx;

    if (st->name.len == 0 || st->name.len >= sizeof(s->name))
        return true;
    if (strspn(st->name.at, "0123456789") == st->name.len) {
        memcpy(s->lost, st->name.at, st->name.len);
        s->lost[st->name.len] = '\0';
        return true;
    }
    memcpy(s->name, st->name.at, st->name.len);
    s->name[st->name.len] = '\0';
    s->mtime_ms = st->mtime_ms;
    return false;
}

static bool see(struct sg_webhdfs *w, const char *path, struct seen *ret, struct sg_error *err)
{
    *ret = (struct seen){ .there = false };
    return wh_list(w, path, on_child, ret, &ret->there, err);
}

static bool has_token(const struct seen *s, const char *token)
{
    size_t n = strlen(token);

    return n > 0 && strncmp(s->name, token, n) == 0 && (s->name[n] == '\0' || s->name[n] == '~');
}

static bool child_path(const char *dir, const char *name, struct sg_buf *ret, struct sg_error *err)
{
    sg_buf_clear(ret);
    return sg_buf_addf(ret, err, "%s/%s", dir, name);
}

/* ---- those of this session */

static struct wh_held *find(struct wh_claims *c, const struct sg_store_claim *claim)
{
    struct wh_held *h;

    (void)pthread_mutex_lock(&c->lock); /* of a plain mutex neither fails */
    for (h = c->held; h != NULL; h = h->next)
        if (h->how == WH_HELD && h->id == claim->ident.id && strcmp(h->path, claim->path) == 0)
            break;
    (void)pthread_mutex_unlock(&c->lock);
    return h;
}

static void add(struct wh_claims *c, struct wh_held *h)
{
    (void)pthread_mutex_lock(&c->lock);
    h->next = c->held;
    c->held = h;
    (void)pthread_mutex_unlock(&c->lock);
}

static void free_held(struct wh_held *h)
{
    free(h->path);
    free(h);
}

/* It is out of the list, or was never in it. */
static void forget(struct wh_claims *c, struct wh_held *h)
{
    if (h == NULL)
        return;
    if (h->lock_fd >= 0) {
        wh_lock_remove(c, h->token);
        (void)close(h->lock_fd); /* nothing was written to it */
    }
    free_held(h);
}

static void unlink_held(struct wh_claims *c, const struct wh_held *h)
{
    (void)pthread_mutex_lock(&c->lock);
    for (struct wh_held **at = &c->held; *at != NULL; at = &(*at)->next)
        if (*at == h) {
            *at = h->next;
            break;
        }
    (void)pthread_mutex_unlock(&c->lock);
}

/* Held no more: whoever has inherited its lock keeps it alive. */
static void let_go(struct wh_claims *c, struct wh_held *h, enum wh_hold how)
{
    if (h->lock_fd >= 0)
        (void)close(h->lock_fd); /* nothing was written to it */
    (void)pthread_mutex_lock(&c->lock);
    h->lock_fd = -1;
    h->how = how;
    (void)pthread_mutex_unlock(&c->lock);
}

/* A token with its lock, for the path; not in the list. */
static struct wh_held *new_held(struct wh_claims *c, const char *path, const char *facts,
                                struct sg_error *err)
{
    struct wh_held *h = calloc(1, sizeof(*h));

    if (h == NULL || (h->path = strdup(path)) == NULL) {
        free(h);
        sg_error_set(err, SG_ERROR_MEMORY, 0, "a claim");
        return NULL;
    }
    wh_token_new(c, h->token);
    h->lock_fd = -1;
    if (!wh_name_format(h->token, facts, h->name, err)) {
        free_held(h);
        return NULL;
    }
    h->lock_fd = wh_lock_new(c, h->token);
    return h;
}

/* What this session has let go of there, and is somebody else's or nobody's now. */
static void forget_left(struct wh_claims *c, const char *token)
{
    struct wh_held **at, *h = NULL;

    (void)pthread_mutex_lock(&c->lock);
    for (at = &c->held; *at != NULL; at = &(*at)->next)
        if ((*at)->how != WH_HELD && strcmp((*at)->token, token) == 0) {
            h = *at;
            *at = h->next;
            break;
        }
    (void)pthread_mutex_unlock(&c->lock);
    if (h != NULL)
        free_held(h);
    wh_lock_remove(c, token);
}

/* Has this session dropped it, though that did not come about yet? */
static bool is_dropped(struct wh_claims *c, const char *token)
{
    bool ret = false;

    (void)pthread_mutex_lock(&c->lock);
    for (const struct wh_held *h = c->held; h != NULL && !ret; h = h->next)
        ret = h->how == WH_DROPPED && strcmp(h->token, token) == 0;
    (void)pthread_mutex_unlock(&c->lock);
    return ret;
}

/* ---- taking */

struct taking {
    struct sg_webhdfs *w;
    const char *path;
    struct sg_buf facts;
    struct sg_buf aside, at; /* paths; at: scratch */
    struct wh_held *ours;    /* prepared aside; NULL: not yet */
    struct wh_held *dead;    /* what the dead one is being renamed to */
    bool dead_lost;          /* an answer to that was lost: it may come about later */
    struct wh_living living;
    struct sg_mono begun;
    int parents; /* how often the parent was made */
};

static bool prepare(struct taking *t, struct sg_error *err)
{
    struct wh_claims *c = t->w->claims;
    struct sg_buf *at = &t->at;

    t->ours = new_held(c, t->path, sg_buf_text(&t->facts), err);
    if (t->ours == NULL)
        return false;
    sg_buf_clear(&t->aside);
    return sg_buf_addf(&t->aside, err, WH_RUNS "/%s/%s", c->session,
                       strchr(t->ours->token, '.') + 1) &&
           child_path(sg_buf_text(&t->aside), t->ours->name, at, err) &&
           wh_mkdirs(t->w, sg_buf_text(at), err);
}

static bool remove_aside(struct taking *t, struct sg_error *err)
{
    return wh_delete(t->w, sg_buf_text(&t->aside), true, err);
}

/* It is at the path, and ours: told to the caller. When it was taken is asked for only by who wants
 * to know, and the claim's name tells the rest. */
static bool fill(struct taking *t, struct wh_held **held, struct sg_store_claim *ret,
                 struct sg_error *err)
{
    struct wh_held *h = *held;
    char *path = strdup(t->path);

    if (path == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "a claim");
    h->id = strtoull(strrchr(h->token, '.') + 1, NULL, 10);
    *ret = (struct sg_store_claim){ .path = path, .lock_fd = h->lock_fd, .ident.id = h->id };
    add(t->w->claims, h);
    *held = NULL;
    return true;
}

enum met {
    MET_NOTHING, /* it has changed: try again */
    MET_TAKEN,
    MET_HELD,
    MET_DEAD /* and is ours to take over: t->dead */
};

/* The child's name is the dead one's: it gets our token, and with that is ours alone. */
static bool take_dead(struct taking *t, const char *name, const char *facts, enum met *ret,
                      struct sg_error *err)
{
    struct sg_buf to = SG_BUF_INIT;
    enum wh_result result;
    struct wh_fault fault;
    struct seen seen;
    bool ok;

    *ret = MET_NOTHING;
    if (t->dead == NULL)
        t->dead = new_held(t->w->claims, t->path, facts, err);
    else if (!wh_name_format(t->dead->token, facts, t->dead->name, err))
        return false;
    ok = t->dead != NULL && child_path(t->path, name, &t->at, err) &&
         child_path(t->path, t->dead->name, &to, err) &&
         wh_rename(t->w, sg_buf_text(&t->at), sg_buf_text(&to), false, &result, &fault, err);
    sg_buf_done(&to);
    if (!ok)
        return false;
    if (result == WH_OK) {
        *ret = MET_DEAD;
    } else if (result == WH_LOST) {
        /* If the old name is still there it may yet come about: the next try has the same two
         * names, so one of the two does, and the child's token tells. */
        t->dead_lost = true;
        ok = see(t->w, t->path, &seen, err);
        if (ok && has_token(&seen, t->dead->token))
            *ret = MET_DEAD;
    } else if (!wh_is_absent(&fault)) {
        ok = wh_rename_failed(t->w, sg_buf_text(&t->at), &fault, err);
    }
    return ok;
}

/* A child that is none of our names says nothing of who has it: its directory's age has to do. */
static bool is_nobody_alive(struct taking *t, bool *ret, struct sg_error *err)
{
    struct wh_status st, own;

    if (!wh_status(t->w, t->path, &st, err) || !wh_status(t->w, sg_buf_text(&t->aside), &own, err))
        return false;
    *ret = st.kind != SG_ENTRY_DIR || own.kind != SG_ENTRY_DIR ||
           own.mtime_ms - st.mtime_ms <= t->w->lease_s * 1000;
    return true;
}

/* Dropped meanwhile, most likely. */
static bool is_no_file(struct taking *t, struct sg_error *err)
{
    struct wh_status st;

    return wh_status(t->w, t->path, &st, err) &&
           (st.kind != SG_ENTRY_FILE ||
            sg_error_set(err, SG_ERROR_STORE, 0, "claim %s: a file is in its place", t->path));
}

/* Behind HttpFS, see settle(): it was never a claim, and its owner doesn't miss it. */
static bool remove_lost(struct taking *t, const char *number, struct sg_error *err)
{
    return child_path(t->path, number, &t->at, err) &&
           wh_delete(t->w, sg_buf_text(&t->at), true, err);
}

/* Somebody has it: who, and does he live? */
static bool meet(struct taking *t, struct sg_buf *held_text, enum met *ret, struct sg_error *err)
{
    struct wh_claims *c = t->w->claims;
    char token[WH_TOKEN] = "", session[WH_SESSION] = "";
    struct seen seen;
    bool alive, known;

    *ret = MET_NOTHING;
    if (!see(t->w, t->path, &seen, err))
        return false;
    if (!seen.there)
        return is_no_file(t, err);
    if (seen.name[0] == '\0')
        return (seen.lost[0] == '\0' || remove_lost(t, seen.lost, err)) &&
               wh_delete(t->w, t->path, false, err);
    if (t->ours != NULL && has_token(&seen, t->ours->token)) {
        *ret = MET_TAKEN;
        return true;
    }
    known = wh_name_token(seen.name, token, session);
    sg_buf_clear(held_text);
    if (!wh_facts_text(seen.name, t->path, held_text, err))
        return false;
    if (t->dead != NULL && has_token(&seen, t->dead->token)) {
        *ret = MET_DEAD;
        return true;
    }
    if (known && is_dropped(c, token)) {
        if (!child_path(t->path, seen.name, &t->at, err) ||
            !wh_delete(t->w, sg_buf_text(&t->at), true, err))
            return false;
        forget_left(c, token);
        return true;
    }
    wh_living_done(&t->living);
    if (known ? !wh_is_alive(t->w, &t->living, token, session, &alive, err)
              : !is_nobody_alive(t, &alive, err))
        return false;
    if (alive) {
        *ret = MET_HELD;
        return true;
    }
    if (!take_dead(t, seen.name, known ? wh_name_facts(seen.name) : "", ret, err))
        return false;
    if (*ret == MET_DEAD && known)
        forget_left(c, token);
    return true;
}

/*
 * Is ours at the path, when the answer doesn't say? If the child is ours. If not, it was moved
 * nowhere; or, by a server that heeds no renameoptions, into what is there, where it hides nothing
 * and nobody else has a use for it.
 */
static bool settle(struct taking *t, enum met *ret, struct sg_error *err)
{
    struct seen seen;

    if (!see(t->w, t->path, &seen, err))
        return false;
    if (has_token(&seen, t->ours->token)) {
        *ret = MET_TAKEN;
        return true;
    }
    if (atomic_load(&t->w->plain_renames) &&
        !remove_lost(t, strrchr(sg_buf_text(&t->aside), '/') + 1, err))
        return false;
    forget(t->w->claims, t->ours);
    t->ours = NULL;
    return true;
}

/* One try at the name. */
static bool place(struct taking *t, struct sg_buf *held_text, enum met *ret, struct sg_error *err)
{
    char parent[WH_NAME * 2];
    enum wh_result result;
    struct wh_fault fault;

    *ret = MET_NOTHING;
    if (t->ours == NULL && !prepare(t, err))
        return false;
    if (!wh_rename(t->w, sg_buf_text(&t->aside), t->path, false, &result, &fault, err))
        return false;
    if (result == WH_OK && atomic_load(&t->w->plain_renames))
        return settle(t, ret, err) && (*ret == MET_TAKEN || meet(t, held_text, ret, err));
    if (result == WH_OK) {
        *ret = MET_TAKEN;
        return true;
    }
    if (result == WH_LOST) /* it can't come about later when there is nothing to rename */
        return remove_aside(t, err) && settle(t, ret, err);
    if (wh_is(&fault, "FileAlreadyExistsException"))
        return meet(t, held_text, ret, err);
    if (wh_is(&fault, "FileNotFoundException") && t->parents++ < 2) {
        int n = snprintf(parent, sizeof(parent), "%s", t->path);

        if (!SG_EXPECT(n > 0 && n < (int)sizeof(parent) && strrchr(parent, '/') != NULL, err))
            return false;
        *strrchr(parent, '/') = '\0';
        return wh_mkdirs(t->w, parent, err);
    }
    return wh_rename_failed(t->w, sg_buf_text(&t->aside), &fault, err);
}

static bool try_to_take(struct taking *t, struct sg_store_claim *ret,
                        enum sg_claim_outcome *ret_outcome, struct sg_buf *held_text,
                        struct sg_error *err)
{
    const struct timespec pause = { .tv_nsec = PAUSE_MS * SG_NS_PER_MS };
    enum met met;

    for (int i = 0;; i++) {
        if (!place(t, held_text, &met, err))
            return false;
        switch (met) {
        case MET_TAKEN:
            *ret_outcome = SG_CLAIM_TAKEN;
            return fill(t, &t->ours, ret, err);
        case MET_DEAD:
            *ret_outcome = SG_CLAIM_DEAD;
            return fill(t, &t->dead, ret, err);
        case MET_HELD:
            *ret_outcome = SG_CLAIM_HELD;
            return true;
        case MET_NOTHING:
            break;
        }
        if (sg_mono_now().ns - t->begun.ns > GIVE_UP_MS * SG_NS_PER_MS && i > 10)
            return sg_error_set(err, SG_ERROR_STORE, 0, "claim %s: it changes all the time",
                                t->path);
        if (i > 3)
            (void)nanosleep(&pause, NULL); /* a signal that cuts it short does no harm */
    }
}

/* What was prepared is not needed, or a request of it went wrong: it may still be at the path, or
 * come there, and then is of nobody who lives. */
static void clean_up(struct taking *t, bool ok)
{
    struct wh_claims *c = t->w->claims;
    struct sg_error ignored = SG_ERROR_INIT;
    struct seen seen;

    if (t->ours != NULL && t->aside.len != 0) {
        bool gone = remove_aside(t, &ignored);

        if (ok && gone) { /* nothing was lost on the way: it never left */
            forget(c, t->ours);
        } else if (gone && see(t->w, t->path, &seen, &ignored) &&
                   !has_token(&seen, t->ours->token)) {
            forget(c, t->ours);
        } else {
            let_go(c, t->ours, WH_DROPPED);
            add(c, t->ours);
        }
    } else {
        forget(c, t->ours);
    }
    if (t->dead == NULL)
        return;
    if (ok && !t->dead_lost) {
        forget(c, t->dead); /* another was quicker, and the dead one's name has gone */
    } else {
        let_go(c, t->dead, WH_LEFT);
        add(c, t->dead);
    }
}

bool wh_claim_take(struct sg_store *s, const char *path, struct sg_span text,
                   struct sg_store_claim *ret, enum sg_claim_outcome *ret_outcome,
                   struct sg_buf *held_text, struct sg_error *err)
{
    struct taking t = { .w = wh_of(s), .path = path, .begun = sg_mono_now() };
    bool ok = wh_facts_of_text(text, path, &t.facts, err) && SG_EXPECT(t.facts.len != 0, err) &&
              wh_session_more(t.w, err);

    if (ok) {
        ok = try_to_take(&t, ret, ret_outcome, held_text, err);
        clean_up(&t, ok);
        if (!ok || *ret_outcome == SG_CLAIM_HELD)
            wh_session_less(t.w);
    }
    wh_living_done(&t.living);
    sg_buf_done(&t.facts);
    sg_buf_done(&t.aside);
    sg_buf_done(&t.at);
    return ok;
}

/* ---- what is held */

static bool ask_time(struct sg_webhdfs *w, struct sg_store_claim *claim, struct sg_error *err)
{
    struct wh_status st;

    if (!wh_status(w, claim->path, &st, err))
        return false;
    if (st.kind != SG_ENTRY_DIR)
        return sg_error_set(err, SG_ERROR_STORE, 0, "claim %s: somebody has removed it",
                            claim->path);
    claim->ident.mtime_ns = st.mtime_ms * SG_NS_PER_MS;
    return true;
}

/* The directory has the time of its child, with which it was made; a child that was renamed since
 * has given it a later one, and that was asked for then. */
bool wh_claim_time(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err)
{
    const struct wh_held *h = find(wh_of(s)->claims, claim);

    if (!SG_EXPECT(h != NULL, err))
        return false;
    if (h->taken_ms == 0)
        return ask_time(wh_of(s), claim, err);
    claim->ident.mtime_ns = h->taken_ms * SG_NS_PER_MS;
    return true;
}

bool wh_claim_replace(struct sg_store *s, struct sg_store_claim *claim, struct sg_span text,
                      struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct wh_held *h = find(w->claims, claim);
    struct sg_buf facts = SG_BUF_INIT, from = SG_BUF_INIT, to = SG_BUF_INIT;
    enum wh_result result = WH_OK;
    struct wh_fault fault;
    char name[WH_NAME];
    bool ok;

    ok = SG_EXPECT(h != NULL, err) && wh_session_check(w, err) &&
         wh_facts_of_text(text, claim->path, &facts, err) && SG_EXPECT(facts.len != 0, err) &&
         wh_name_format(h->token, sg_buf_text(&facts), name, err) &&
         child_path(claim->path, h->name, &from, err) && child_path(claim->path, name, &to, err);
    if (ok && strcmp(name, h->name) != 0) {
        ok = wh_rename(w, sg_buf_text(&from), sg_buf_text(&to), true, &result, &fault, err);
        if (ok && result != WH_OK) {
            struct seen seen; /* a try whose answer was lost may have done it */

            if (!see(w, claim->path, &seen, err))
                ok = false;
            else if (strcmp(seen.name, name) != 0)
                ok = has_token(&seen, h->token) || result == WH_LOST
                         ? wh_rename_failed(w, sg_buf_text(&from), &fault, err)
                         : sg_error_set(err, SG_ERROR_STORE, 0,
                                        "replace claim %s: somebody has removed it", claim->path);
        }
        if (ok) {
            (void)pthread_mutex_lock(&w->claims->lock);
            memcpy(h->name, name, sizeof(name));
            (void)pthread_mutex_unlock(&w->claims->lock);
            ok = ask_time(w, claim, err);
        }
    }
    sg_buf_done(&facts);
    sg_buf_done(&from);
    sg_buf_done(&to);
    return ok;
}

bool wh_claim_verify(struct sg_store *s, const struct sg_store_claim *claim, bool *ret,
                     struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct wh_held *h = find(w->claims, claim);
    struct seen seen;

    if (!SG_EXPECT(h != NULL, err) || !wh_session_check(w, err) ||
        !see(w, claim->path, &seen, err) || !wh_session_check(w, err))
        return false;
    *ret = has_token(&seen, h->token);
    if (*ret)
        h->taken_ms = seen.mtime_ms;
    return true;
}

/* The child first: with it the claim has gone. What is left of it then is in nobody's way. A late
 * answer to a replace may have given the child another name, with the same token. */
static bool remove_claim(struct sg_webhdfs *w, struct wh_held *h, struct sg_error *err)
{
    struct sg_error ignored = SG_ERROR_INIT;
    struct sg_buf at = SG_BUF_INIT;
    bool ok = child_path(h->path, h->name, &at, err) && wh_delete(w, sg_buf_text(&at), true, err);

    if (ok)
        (void)!wh_delete(w, h->path, false, &ignored);
    sg_buf_done(&at);
    return ok;
}

bool wh_claim_drop(struct sg_store *s, struct sg_store_claim *claim, struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct wh_held *h = find(w->claims, claim);
    bool ok = SG_EXPECT(h != NULL, err);

    if (ok) {
        ok = remove_claim(w, h, err);
        if (ok) {
            unlink_held(w->claims, h);
            forget(w->claims, h);
        } else { /* tried again with the next heartbeat */
            let_go(w->claims, h, WH_DROPPED);
        }
        wh_session_less(w);
    }
    free(claim->path);
    *claim = (struct sg_store_claim){ .lock_fd = -1 };
    return ok;
}

void wh_claim_leave(struct sg_store *s, struct sg_store_claim *claim)
{
    struct sg_webhdfs *w = wh_of(s);
    struct wh_held *h = find(w->claims, claim);

    if (h != NULL) {
        let_go(w->claims, h, WH_LEFT);
        wh_session_less(w);
    }
    free(claim->path);
    *claim = (struct sg_store_claim){ .lock_fd = -1 };
}

/* ---- looking */

struct names {
    struct sg_buf lines; /* a name each */
    struct sg_error *err;
    bool ok;
};

static bool on_dir(void *ctx, const struct wh_status *st)
{
    struct names *n = ctx;

    if (st->kind == SG_ENTRY_DIR && st->children > 0 &&
        memchr(st->name.at, '\n', st->name.len) == NULL)
        n->ok = sg_buf_addf(&n->lines, n->err, "%.*s\n", (int)st->name.len, st->name.at);
    return n->ok;
}

struct looking {
    struct sg_webhdfs *w;
    struct wh_living living;
    struct sg_buf text;
    sg_store_claim_fn *fn;
    void *ctx;
    bool go;
};

/* Of a claim that is not ours to read: is it younger than a lease? */
static bool is_young(struct sg_webhdfs *w, const char *path, bool *ret, struct sg_error *err)
{
    struct wh_status st;
    struct sg_wall now;

    if (!wh_status(w, path, &st, err) || !wh_store_now(&w->base, &now, err))
        return false;
    *ret = now.ns / SG_NS_PER_MS - st.mtime_ms <= w->lease_s * 1000;
    return true;
}

static bool tell(struct looking *l, const char *path, const char *name, const char *child,
                 struct sg_error *err)
{
    char token[WH_TOKEN], session[WH_SESSION];
    bool alive = true;

    sg_buf_clear(&l->text);
    if (!wh_facts_text(child, path, &l->text, err))
        return false;
    if (wh_name_token(child, token, session)
            ? !wh_is_alive(l->w, &l->living, token, session, &alive, err)
            : !is_young(l->w, path, &alive, err))
        return false;
    l->go = l->fn(l->ctx, name, alive, sg_buf_span(&l->text));
    return true;
}

static bool look_in(struct looking *l, const char *dir, const char *prefix, struct sg_error *err);

/* One directory below the one that is listed: a claim, or in the directory of all stages a stage.
 */
static bool look_at(struct looking *l, const char *dir, const char *prefix, const char *name,
                    struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT, full = SG_BUF_INIT;
    char token[WH_TOKEN], session[WH_SESSION];
    struct seen seen;
    bool ok;

    ok = child_path(dir, name, &path, err) && sg_buf_addf(&full, err, "%s%s", prefix, name) &&
         see(l->w, sg_buf_text(&path), &seen, err);
    if (ok && seen.there && seen.name[0] != '\0') {
        if (prefix[0] == '\0' && !wh_name_token(seen.name, token, session)) {
            ok = sg_buf_addc(&full, '/', err) &&
                 look_in(l, sg_buf_text(&path), sg_buf_text(&full), err);
        } else {
            ok = tell(l, sg_buf_text(&path), sg_buf_text(&full), seen.name, err);
        }
    }
    sg_buf_done(&path);
    sg_buf_done(&full);
    return ok;
}

/* Goes down one more level at most: prefix is "" above it. */
static bool look_in(struct looking *l, const char *dir, const char *prefix, struct sg_error *err)
{
    struct names n = { .lines = SG_BUF_INIT, .err = err, .ok = true };
    bool there, ok = wh_list(l->w, dir, on_dir, &n, &there, err) && n.ok;
    char *at = n.lines.at;

    while (ok && l->go && at != NULL && *at != '\0') {
        char *end = strchr(at, '\n');

        *end = '\0';
        ok = look_at(l, dir, prefix, at, err);
        at = end + 1;
    }
    sg_buf_done(&n.lines);
    return ok;
}

bool wh_claim_list(struct sg_store *s, const char *dir, sg_store_claim_fn *fn, void *ctx,
                   struct sg_error *err)
{
    struct looking l = { .w = wh_of(s), .fn = fn, .ctx = ctx, .go = true };
    bool ok = look_in(&l, dir, "", err);

    wh_living_done(&l.living);
    sg_buf_done(&l.text);
    return ok;
}

bool wh_claim_look(struct sg_store *s, const char *path, sg_store_claim_fn *fn, void *ctx,
                   struct sg_error *err)
{
    struct looking l = { .w = wh_of(s), .fn = fn, .ctx = ctx, .go = true };
    struct seen seen;
    bool ok = see(l.w, path, &seen, err);

    if (ok && seen.name[0] != '\0')
        ok = tell(&l, path, strrchr(path, '/') + 1, seen.name, err);
    wh_living_done(&l.living);
    sg_buf_done(&l.text);
    return ok;
}

bool wh_claim_fenced(struct sg_store *s, struct sg_fence *ret)
{
    return wh_session_is_lost(wh_of(s), ret);
}
