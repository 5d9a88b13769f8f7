/* Dead claims that mean nothing any more: their attempt's receipt is there, or there was none. */
#include <string.h>

#include "stagegraph/claim.h"
#include "stagegraph/marker.h"

#include "attempt_impl.h"

bool sg_receipt_is_of(const struct sg_receipt *r, enum sg_marker_kind kind,
                      const struct sg_owner *o)
{
    return (kind == SG_MARKER_DONE || kind == SG_MARKER_ACCEPTED) && r->run != NULL &&
           strcmp(r->run, o->run) == 0 && r->attempt == o->attempt;
}

/* What a claim's text and the node's marker say of each other. */
static bool is_settled(const struct sg_attempt_run *run, const struct sg_stage *stage,
                       int64_t index, struct sg_span claim, bool *ret, struct sg_error *err)
{
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_buf dir = SG_BUF_INIT;
    struct sg_receipt receipt = { .run = NULL };
    struct sg_marker marker;
    struct sg_owner owner;
    bool valid = false, ok;

    ok = sg_owner_parse(&a, claim, &owner, &valid, err) &&
         sg_stage_path(sg_plan_graph(run->plan), stage, index, &dir, err) &&
         sg_plan_marker(run->plan, stage, index, sg_buf_text(&dir), &a, &marker, &receipt, NULL,
                        err);
    if (ok)
        *ret = valid &&
               (owner.attempt == SG_NO_ATTEMPT || sg_receipt_is_of(&receipt, marker.kind, &owner));
    sg_buf_done(&dir);
    sg_arena_done(&a);
    return ok;
}

struct found {
    const char *name;
    struct sg_buf text;
    bool dead;
    struct sg_error *err;
    bool ok;
};

static bool on_claim(void *ctx, const char *name, bool alive, struct sg_span text)
{
    struct found *f = ctx;

    if (strcmp(name, f->name) != 0)
        return true;
    f->dead = !alive;
    f->ok = sg_buf_add(&f->text, text.at, text.len, f->err);
    return false;
}

/* Locks the dead claim and drops it. Should somebody be quicker, a claim of ours takes its place
 * until we have dropped that: with the dead one's text, so that it means nothing if we die here. */
static bool drop(const struct sg_attempt_run *run, const struct sg_stage *stage, int64_t index,
                 const char *path, struct sg_span text, struct sg_error *err)
{
    struct sg_buf held = SG_BUF_INIT;
    struct sg_store_claim claim;
    enum sg_claim_outcome outcome;
    bool settled = true, ok;

    ok = sg_store_claim_take(run->store, path, text, &claim, &outcome, &held, err);
    if (ok && outcome != SG_CLAIM_HELD) {
        if (outcome == SG_CLAIM_DEAD)
            ok = is_settled(run, stage, index, sg_buf_span(&held), &settled, err);
        if (ok && settled)
            ok = sg_store_claim_drop(run->store, &claim, err);
        else
            sg_store_claim_leave(run->store, &claim);
    }
    sg_buf_done(&held);
    return ok;
}

bool sg_attempt_settle(const struct sg_attempt_run *run, const struct sg_stage *stage,
                       int64_t index, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT, dir = SG_BUF_INIT;
    char label[SG_LABEL_TEXT];
    struct found f = { .text = SG_BUF_INIT, .err = err, .ok = true };
    bool ok;

    sg_calendar_label(&stage->cal, index, label);
    f.name = label[0] != '\0' ? label : "_";
    ok = sg_claim_path(stage->name, f.name, &path, err) &&
         sg_buf_add(&dir, path.at, (size_t)(strrchr(sg_buf_text(&path), '/') - path.at), err) &&
         sg_store_claim_list(run->store, sg_buf_text(&dir), on_claim, &f, err) && f.ok;
    if (ok && f.dead && f.text.len != 0)
        ok = drop(run, stage, index, sg_buf_text(&path), sg_buf_span(&f.text), err);
    sg_buf_done(&path);
    sg_buf_done(&dir);
    sg_buf_done(&f.text);
    return ok || sg_error_wrap(err, "drop the claim of stage %s that a dead run left", stage->name);
}
