/* The claims on nodes of the view: who works on them, or died. */
#include "plan_impl.h"

#include <string.h>

#include "stagegraph/claim.h"

#define LOOKS 32 /* claims of a stage that are looked at one by one */

struct claim_reader {
    struct sg_plan *p;
    const struct sg_stage *s;
    bool again; /* the second look: only for what is held by now */
    struct sg_error *err;
    bool failed;
};

static bool read_claim(struct claim_reader *r, const char *name, bool alive, struct sg_span text)
{
    struct sg_plan *p = r->p;
    const struct sg_plan_stage *v = &p->stages[r->s->id.i].pub;
    struct sg_owner owner;
    struct sg_seen_claim *c;
    bool valid = false;
    uint32_t id;
    int64_t index;

    if (!sg_calendar_parse_label(&r->s->cal, name, &index) || index < v->lo || index >= v->hi)
        return true;
    id = v->base + (uint32_t)(index - v->lo);
    if (r->again && (!alive || (p->flags[id] & (SG_NODE_HELD | SG_NODE_DEAD))))
        return true;
    if (!sg_owner_parse(&p->arena, text, &owner, &valid, r->err) ||
        !sg_arena_grow(&p->arena, (void **)&p->claims, p->n_claims, &p->cap_claims, sizeof(*c),
                       r->err))
        return false;
    c = &p->claims[p->n_claims++];
    c->node = id;
    c->alive = alive;
    c->run = valid && owner.run != NULL ? owner.run : "";
    c->attempt = valid ? owner.attempt : 0;
    if (!alive && !(valid && owner.attempt == SG_NO_ATTEMPT))
        p->flags[id] |= SG_NODE_DEAD;
    else if (alive && (p->c.own_run == NULL || strcmp(c->run, p->c.own_run) != 0))
        p->flags[id] |= SG_NODE_HELD;
    return true;
}

static bool on_claim(void *ctx, const char *name, bool alive, struct sg_span text)
{
    struct claim_reader *r = ctx;

    r->failed = !read_claim(r, name, alive, text);
    return !r->failed;
}

/* One by one: a stage may have a thousand claims when the job of a batch has them, and each of its
 * members is decided again. */
static bool look_at_claims(struct claim_reader *r, struct sg_buf *path, struct sg_error *err)
{
    const struct sg_plan_stage *v = &r->p->stages[r->s->id.i].pub;
    bool ok = true;

    for (int64_t x = v->lo; ok && x < v->hi; x++) {
        uint32_t id = v->base + (uint32_t)(x - v->lo);
        char label[SG_LABEL_TEXT];

        if ((r->p->flags[id] & SG_NODE_HOLE) || (r->p->claimed && r->p->claimed_node == id))
            continue;
        sg_calendar_label(&r->s->cal, x, label);
        sg_buf_clear(path);
        ok = sg_claim_path(r->s->name, label, path, err) &&
             sg_store_claim_look(r->p->c.store, sg_buf_text(path), on_claim, r, err) && !r->failed;
    }
    return ok;
}

static bool list_claims(struct claim_reader *r, struct sg_buf *dir, struct sg_error *err)
{
    sg_buf_clear(dir);
    return sg_buf_addf(dir, err, "_stagegraph/claims/%s", r->s->name) &&
           sg_store_claim_list(r->p->c.store, sg_buf_text(dir), on_claim, r, err) && !r->failed;
}

bool sg_scan_claims(struct sg_plan *p, bool few, bool again, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool ok = true;

    for (uint32_t i = 0; ok && !p->no_claims && i < p->c.graph->n_stages; i++) {
        struct claim_reader r = { .p = p, .s = sg_plan_stage_at(p, i), .again = again, .err = err };
        const struct sg_plan_stage *v = &p->stages[i].pub;

        if (r.s->is_source || v->lo == v->hi)
            continue;
        ok = few && v->hi - v->lo <= LOOKS ? look_at_claims(&r, &path, err)
                                           : list_claims(&r, &path, err);
    }
    sg_buf_done(&path);
    return ok || sg_error_wrap(err, "look at the claims");
}

const struct sg_seen_claim *sg_scan_claim(const struct sg_plan *p, uint32_t node)
{
    for (size_t i = 0; i < p->n_claims; i++)
        if (p->claims[i].node == node)
            return &p->claims[i];
    return NULL;
}
