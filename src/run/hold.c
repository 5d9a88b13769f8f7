/*
 * The order is: the turn, the pool, the store's claim. Whoever can't have one gives back what it
 * has, so nobody waits holding something. The claim comes last for it costs the most.
 */
#include "hold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/claim.h"
#include "stagegraph/clock.h"

#include "attempt_impl.h"

struct sg_holds {
    struct sg_holds_config c;
    struct sg_slots **pools; /* by pool */
    struct sg_slots **turns; /* by stage; NULL where it is not exclusive */
    bool *told;              /* by stage */
};

bool sg_holds_new(const struct sg_holds_config *c, struct sg_holds **ret, struct sg_error *err)
{
    const struct sg_graph *g = c->graph;
    struct sg_holds *h = calloc(1, sizeof(*h));
    struct sg_buf dir = SG_BUF_INIT;
    bool ok = true;

    if (!h)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "pools");
    h->c = *c;
    h->pools = calloc(g->n_pools + 1, sizeof(struct sg_slots *));
    h->turns = calloc(g->n_stages + 1, sizeof(struct sg_slots *));
    h->told = calloc(g->n_stages + 1, sizeof(*h->told));
    if (!h->pools || !h->turns || !h->told)
        ok = sg_error_set(err, SG_ERROR_MEMORY, 0, "pools");
    for (uint32_t i = 0; ok && i < g->n_pools; i++) {
        sg_buf_clear(&dir);
        ok = sg_buf_addf(&dir, err, "%s/pools/%s", g->state, g->pools[i].name) &&
             sg_slots_new(sg_buf_text(&dir), c->run_id, &h->pools[i], err);
    }
    for (uint32_t i = 0; ok && i < g->n_stages; i++) {
        sg_buf_clear(&dir);
        ok = !g->stages[i].exclusive ||
             (sg_buf_addf(&dir, err, "%s/exclusive/%s", g->state, g->stages[i].name) &&
              sg_slots_new(sg_buf_text(&dir), c->run_id, &h->turns[i], err));
    }
    sg_buf_done(&dir);
    if (ok)
        *ret = h;
    else
        sg_holds_free(h);
    return ok;
}

void sg_holds_free(struct sg_holds *h)
{
    if (!h)
        return;
    for (uint32_t i = 0; h->pools && i < h->c.graph->n_pools; i++)
        sg_slots_free(h->pools[i]);
    for (uint32_t i = 0; h->turns && i < h->c.graph->n_stages; i++)
        sg_slots_free(h->turns[i]);
    free(h->pools);
    free(h->turns);
    free(h->told);
    free(h);
}

/* ---- the store's claim on an exclusive stage */

static bool claim_text(const struct sg_holds *h, const struct sg_hold_ask *ask, struct sg_buf *out,
                       struct sg_error *err)
{
    struct sg_owner o = {
        .node = ask->node,
        .run = h->c.run_id,
        .host = h->c.host,
        .boot = h->c.boot,
        .attempt = ask->attempt,
        .pid = getpid(),
        .started_s = sg_wall_now().ns / SG_NS_PER_S,
    };

    memcpy(o.nonce, ask->nonce, sizeof(o.nonce));
    return sg_owner_format(&o, out, err);
}

/* hold->exclusive is a dead claim whose lock we have: what its attempt left running is ended, then
 * it is ours. What can't be ended keeps the stage. */
static bool take_over(struct sg_holds *h, const struct sg_hold_ask *ask,
                      const struct sg_owner *dead, struct sg_span ours, struct sg_hold *hold,
                      struct sg_error *err)
{
    unsigned ended, left = 0;
    char names[300];
    size_t killed;

    if (dead && !sg_nonce_end(dead->nonce, ask->stage->grace_s * 1000, &ended, &left, err))
        sg_error_wrap(err, "end the processes of dead run %s", dead->run);
    else if (dead && left == 0 &&
             !sg_dead_applications(h->c.yarn, dead->nonce, dead->run, &killed, names, sizeof(names),
                                   err))
        ; /* it stays dead */
    else if (left > 0 || sg_store_claim_replace(h->c.store, &hold->exclusive, ours, err)) {
        hold->claimed = left == 0;
        if (left > 0)
            sg_store_claim_leave(h->c.store, &hold->exclusive);
        return true;
    }
    sg_store_claim_leave(h->c.store, &hold->exclusive);
    return false;
}

/* hold->claimed says whether we have it. */
static bool take_claim(struct sg_holds *h, const struct sg_hold_ask *ask, struct sg_hold *hold,
                       char holder[SG_SLOT_RUN], struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT, ours = SG_BUF_INIT, held = SG_BUF_INIT;
    struct sg_arena arena = SG_ARENA_INIT;
    enum sg_claim_outcome outcome;
    struct sg_owner owner;
    bool valid = false;
    bool ok = sg_buf_addf(&path, err, "_stagegraph/exclusive/%s", ask->stage->name) &&
              claim_text(h, ask, &ours, err) &&
              sg_store_claim_take(h->c.store, sg_buf_text(&path), sg_buf_span(&ours),
                                  &hold->exclusive, &outcome, &held, err);

    if (ok && outcome == SG_CLAIM_TAKEN) {
        hold->claimed = true;
    } else if (ok) {
        ok = sg_owner_parse(&arena, sg_buf_span(&held), &owner, &valid, err);
        if (ok && valid)
            (void)snprintf(holder, SG_SLOT_RUN, "%s", owner.run); /* for people */
        if (ok && outcome == SG_CLAIM_DEAD)
            ok = take_over(h, ask, valid ? &owner : NULL, sg_buf_span(&ours), hold, err);
        else if (outcome == SG_CLAIM_DEAD)
            sg_store_claim_leave(h->c.store, &hold->exclusive);
    }
    sg_buf_done(&path);
    sg_buf_done(&ours);
    sg_buf_done(&held);
    sg_arena_done(&arena);
    return ok;
}

/* ---- all of it */

static void say(char why[200], const char *what, const char *name, const char *holder)
{
    if (holder[0])
        (void)snprintf(why, 200, "%s %s: held by run %s", what, name, holder);
    else
        (void)snprintf(why, 200, "%s %s: held by another run", what, name);
}

/* Who holds room on a cluster holds it with its applications, too. */
static bool end_applications(void *ctx, const char *nonce, const char *run, struct sg_error *err)
{
    struct sg_holds *h = ctx;
    char names[300];
    size_t killed;

    return sg_dead_applications(h->c.yarn, nonce, run, &killed, names, sizeof(names), err);
}

static bool take_all(struct sg_holds *h, const struct sg_hold_ask *ask, struct sg_hold *hold,
                     bool *ret_held, char why[200], struct sg_error *err)
{
    const struct sg_stage *s = ask->stage;
    struct sg_slot_ask slot = {
        .size = 1,
        .node = ask->node,
        .nonce = ask->nonce,
        .grace_ms = s->grace_s * 1000,
        .end = h->c.yarn != NULL ? end_applications : NULL,
        .ctx = h,
    };
    char holder[SG_SLOT_RUN] = "";

    if (s->exclusive) {
        say(why, "exclusive stage", s->name, "");
        if (!sg_slots_take(h->turns[s->id.i], &slot, &hold->turn, ret_held, holder, err))
            return sg_error_wrap(err, "exclusive stage %s", s->name);
        say(why, "exclusive stage", s->name, holder);
        if (!*ret_held)
            return true;
    }
    if (s->pool != SG_NO_POOL) {
        const struct sg_pool *p = &h->c.graph->pools[s->pool];

        slot.size = p->size;
        slot.pool_memory = p->memory;
        slot.memory = s->memory;
        if (!sg_slots_take(h->pools[s->pool], &slot, &hold->pool, ret_held, holder, err))
            return sg_error_wrap(err, "pool %s", p->name);
        say(why, "pool", p->name, holder);
        if (!*ret_held)
            return true;
    }
    if (s->exclusive) {
        holder[0] = '\0';
        if (!take_claim(h, ask, hold, holder, err))
            return sg_error_wrap(err, "exclusive stage %s", s->name);
        say(why, "exclusive stage", s->name, holder);
        *ret_held = hold->claimed;
    }
    return true;
}

bool sg_hold_take(struct sg_holds *h, const struct sg_hold_ask *ask, struct sg_hold *ret,
                  bool *ret_held, char why[200], struct sg_error *err)
{
    struct sg_hold hold = SG_HOLD_INIT;
    struct sg_error ignored = SG_ERROR_INIT; /* nothing was claimed */
    bool held = true, ok;

    why[0] = '\0';
    ok = take_all(h, ask, &hold, &held, why, err);
    if (!ok || !held) {
        (void)!sg_hold_drop(h, &hold, &ignored);
    } else {
        *ret = hold;
    }
    if (ok)
        *ret_held = held;
    return ok;
}

bool sg_hold_drop(struct sg_holds *h, struct sg_hold *hold, struct sg_error *err)
{
    bool ok = !hold->claimed || sg_store_claim_drop(h->c.store, &hold->exclusive, err);

    hold->claimed = false;
    sg_slot_drop(&hold->pool);
    sg_slot_drop(&hold->turn);
    return ok;
}

void sg_hold_leave(struct sg_holds *h, struct sg_hold *hold)
{
    if (hold->claimed)
        sg_store_claim_leave(h->c.store, &hold->exclusive);
    hold->claimed = false;
    sg_slot_leave(&hold->pool);
    sg_slot_leave(&hold->turn);
}

size_t sg_hold_locks(const struct sg_hold *hold, int ret[SG_HOLD_LOCKS])
{
    size_t n = 0;

    if (hold->pool.fd >= 0)
        ret[n++] = hold->pool.fd;
    if (hold->turn.fd >= 0)
        ret[n++] = hold->turn.fd;
    if (hold->claimed && hold->exclusive.lock_fd >= 0)
        ret[n++] = hold->exclusive.lock_fd;
    return n;
}

bool sg_holds_is_news(struct sg_holds *h, const struct sg_stage *stage)
{
    bool told = h->told[stage->id.i];

    h->told[stage->id.i] = true;
    return !told;
}
