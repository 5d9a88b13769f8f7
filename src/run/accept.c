#include "stagegraph/accept.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stagegraph/claim.h"
#include "stagegraph/marker.h"
#include "stagegraph/recipe.h"

#include "attempt_impl.h"

#define BIT(r) (1u << (r))

static void say(struct sg_accepted *ret, enum sg_accept_what what, const char *first,
                const char *second)
{
    ret->what = what;
    /* text for people, which may be cut */
    (void)snprintf(ret->why, sizeof(ret->why), "%.140s%s%.140s", first, *second ? " " : "", second);
}

/* The first reason of a mask, with the detail if that is the one it belongs to. */
static void say_reason(struct sg_accepted *ret, enum sg_accept_what what, uint32_t mask,
                       enum sg_reason shown, const char *detail)
{
    enum sg_reason r = mask ? (enum sg_reason)__builtin_ctz(mask) : SG_REASON_NONE;

    say(ret, what, sg_reason_name(r), r == shown ? detail : "");
}

/* `reasons` hold of a node with such a marker; `allowed` don't matter. */
static void weigh(enum sg_marker_kind kind, uint32_t reasons, uint32_t allowed,
                  enum sg_reason shown, const char *detail, struct sg_accepted *ret)
{
    uint32_t counted = reasons & ~(BIT(SG_REASON_UPSTREAM) | BIT(SG_REASON_FORCED));

    if (counted & ~allowed)
        say_reason(ret, SG_ACCEPT_LEFT, counted & ~allowed, shown, detail);
    else if (kind == SG_MARKER_FOREIGN)
        say(ret, SG_ACCEPT_TAKE, "unstamped", "");
    else if ((kind == SG_MARKER_DONE || kind == SG_MARKER_ACCEPTED) && counted)
        say_reason(ret, SG_ACCEPT_TAKE, counted, shown, detail);
    else
        say(ret, SG_ACCEPT_FRESH, "", "");
}

void sg_accept_look(const struct sg_node_view *v, uint32_t reasons, struct sg_accepted *ret)
{
    weigh(v->marker, v->reasons, reasons & SG_ACCEPTABLE, v->reason, v->detail, ret);
}

static bool open_attempt(const struct sg_attempt_run *run, const struct sg_stage *stage,
                         int64_t index, struct sg_attempt **ret, struct sg_error *err)
{
    struct sg_attempt *a;

    if (!sg_attempt_new(run, stage, SG_NO_ATTEMPT, 1, &a, err))
        return false;
    a->started_s = sg_wall_now().ns / SG_NS_PER_S;
    a->members[0].index = index;
    if (!sg_nonce_new(a->nonce, err) || !sg_member_claim(a, &a->members[0], err)) {
        sg_attempt_free(a);
        return false;
    }
    *ret = a;
    return true;
}

/* Is the marker still the file that was decided on? Who writes foreign markers takes no claim. */
static bool is_same_marker(struct sg_attempt *a, const struct sg_member *m, bool *ret,
                           struct sg_error *err)
{
    const struct sg_ident *was = &m->decision.own.ident;
    struct sg_marker now;

    if (!sg_plan_marker(a->run->plan, a->stage, m->index, m->dir, &a->arena, &now, NULL, NULL, err))
        return false;
    *ret = now.kind == m->decision.own.kind && now.ident.id == was->id &&
           now.ident.len == was->len && now.ident.mtime_ns == was->mtime_ns &&
           now.ident.ctime_ns == was->ctime_ns;
    return true;
}

static bool write_accepted(struct sg_attempt *a, struct sg_member *m, struct sg_accepted *ret,
                           struct sg_error *err)
{
    char node[SG_NODE_TEXT];
    struct sg_marker written;
    struct sg_receipt r = sg_member_receipt(a, m, SG_MARKER_ACCEPTED, node);
    bool ours, same;

    r.version = m->decision.own.version;
    r.seconds = NAN; /* nothing was run */
    if (!sg_member_write_recipe(a, m, err) ||
        !sg_store_claim_verify(a->run->store, &m->claim, &ours, err) ||
        !is_same_marker(a, m, &same, err))
        return false;
    if (!ours)
        say(ret, SG_ACCEPT_BUSY, "its claim was taken away", "");
    else if (!same)
        say(ret, SG_ACCEPT_LEFT, "its marker was just changed", "");
    else if (!sg_marker_write(a->run->store, m->dir, sg_member_marker(a, m), &r,
                              sg_store_is_write_once(a->run->store) ? NULL : &written, err))
        return sg_error_wrap(err, "write the receipt");
    else { /* a partial marker whose day is over, or what a job left beside it */
        sg_member_recipe_named(a, m);
        return sg_member_drop_other_marker(a, m, err);
    }
    return true;
}

/* Forced, so that the decision also tells an input that is held right now: its version is about to
 * change, or its marker is away. */
static bool accept_claimed(struct sg_attempt *a, struct sg_member *m, uint32_t reasons,
                           struct sg_accepted *ret, struct sg_error *err)
{
    struct sg_decide_ask ask = {
        .made_first = m->index,
        .made_end = m->index,
        .forced = true,
        .interrupted = m->interrupted,
        .keeps_gone = true,
    };
    struct sg_decision *d = &m->decision;

    if (!sg_plan_decide(a->run->plan, a->stage, m->index, &ask, &a->arena, d, err))
        return false;
    if (d->what == SG_DECIDE_BUSY) {
        say(ret, SG_ACCEPT_BUSY, d->lacks ? d->lacks : "an input", "is held by another run");
        return true;
    }
    weigh(d->own.kind, d->reasons, reasons & SG_ACCEPTABLE, d->reason, d->detail, ret);
    return ret->what != SG_ACCEPT_TAKE || write_accepted(a, m, ret, err);
}

/* A claim that was taken over stays, dead: the node is interrupted until a run has made it. */
static void let_go(struct sg_attempt *a, struct sg_member *m, bool settled)
{
    if (settled || !m->interrupted)
        sg_member_drop(a, m);
    /* else sg_attempt_free() leaves it */
}

static bool finish(bool ok, const char *what, const struct sg_stage *stage, int64_t index,
                   struct sg_error *err)
{
    char node[SG_NODE_TEXT];

    sg_node_format(stage, index, node);
    return ok || sg_error_wrap(err, "%s %s", what, node);
}

bool sg_accept_node(const struct sg_attempt_run *run, const struct sg_stage *stage, int64_t index,
                    uint32_t reasons, struct sg_accepted *ret, struct sg_error *err)
{
    struct sg_attempt *a = NULL;
    bool ok = open_attempt(run, stage, index, &a, err);

    if (ok && a->members[0].claimed) {
        ok = accept_claimed(a, &a->members[0], reasons, ret, err);
        let_go(a, &a->members[0], false);
    } else if (ok) {
        say(ret, SG_ACCEPT_BUSY, a->members[0].why, "");
    }
    sg_attempt_free(a);
    return finish(ok, "accept", stage, index, err);
}

static bool revoke_claimed(struct sg_attempt *a, struct sg_member *m, struct sg_accepted *ret,
                           struct sg_error *err)
{
    struct sg_marker marker;

    if (!sg_plan_marker(a->run->plan, a->stage, m->index, m->dir, &a->arena, &marker, NULL, NULL,
                        err))
        return false;
    /* one that was taken away while a dead claim was taken over has been removed too */
    say(ret, marker.kind != SG_MARKER_ABSENT || m->marker_gone ? SG_ACCEPT_TAKE : SG_ACCEPT_FRESH,
        "", "");
    return marker.kind == SG_MARKER_ABSENT || sg_member_remove_marker(a, m, err);
}

bool sg_accept_revoke(const struct sg_attempt_run *run, const struct sg_stage *stage, int64_t index,
                      struct sg_accepted *ret, struct sg_error *err)
{
    struct sg_attempt *a = NULL;
    bool ok = open_attempt(run, stage, index, &a, err);

    if (ok && a->members[0].claimed) {
        ok = revoke_claimed(a, &a->members[0], ret, err);
        let_go(a, &a->members[0], ok);
    } else if (ok) {
        say(ret, SG_ACCEPT_BUSY, a->members[0].why, "");
    }
    sg_attempt_free(a);
    return finish(ok, "remove the marker of", stage, index, err);
}
