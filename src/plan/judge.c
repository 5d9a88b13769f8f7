/*
 * The one place that says why a node is stale and what becomes of it: section 5 of the contract as
 * a pure function. docs/design.md, "Judging".
 */
#include "plan_impl.h"

static bool is_stamped(enum sg_marker_kind k)
{
    return k == SG_MARKER_DONE || k == SG_MARKER_ACCEPTED;
}

/* What the receipt tells against today: recipe and inputs. */
static uint32_t changed(const struct sg_facts *f, const char *detail[SG_REASON_COUNT])
{
    uint32_t r = 0;

    if (f->recipe != NULL) {
        r = f->recipe->reasons;
        for (int i = SG_REASON_CODE; i <= SG_REASON_INPUT; i++)
            detail[i] = f->recipe->detail[i];
    }
    if (f->input != NULL && !(r & SG_REASON_BIT(SG_REASON_INPUT))) {
        r |= SG_REASON_BIT(SG_REASON_INPUT);
        detail[SG_REASON_INPUT] = f->input;
    }
    if (r == 0 && f->recipe != NULL) { /* the stamp differs, and nothing says by what */
        r = SG_REASON_BIT(SG_REASON_CODE);
        detail[SG_REASON_CODE] = "recipe lost";
    }
    return r;
}

static uint32_t reasons_of(const struct sg_facts *f, const char *detail[SG_REASON_COUNT])
{
    uint32_t r = 0;

    if (f->forced)
        r |= SG_REASON_BIT(SG_REASON_FORCED);
    if (f->dead_claim || f->kind == SG_MARKER_RUNNING)
        r |= SG_REASON_BIT(SG_REASON_INTERRUPTED);
    if (f->kind == SG_MARKER_ABSENT || (f->kind == SG_MARKER_FOREIGN && f->unfinished))
        r |= SG_REASON_BIT(SG_REASON_MISSING);
    if (f->kind == SG_MARKER_FOREIGN && f->unfinished)
        detail[SG_REASON_MISSING] = "marker of an unfinished interval";
    if (f->kind == SG_MARKER_DAMAGED)
        r |= SG_REASON_BIT(SG_REASON_DAMAGED);
    if (is_stamped(f->kind))
        r |= changed(f, detail);
    if (f->kind == SG_MARKER_FOREIGN && !f->unfinished && f->input != NULL) {
        r |= SG_REASON_BIT(SG_REASON_INPUT);
        detail[SG_REASON_INPUT] = f->input;
    }
    if (f->upstream != NULL) {
        r |= SG_REASON_BIT(SG_REASON_UPSTREAM);
        detail[SG_REASON_UPSTREAM] = f->upstream;
    }
    return r;
}

static enum sg_verdict verdict_of(const struct sg_facts *f, uint32_t reasons, uint32_t hit)
{
    if (reasons == 0)
        return SG_VERDICT_FRESH;
    if (hit == 0)
        return SG_VERDICT_DEBT;
    if (f->held)
        return SG_VERDICT_BUSY;
    if (f->lacks) /* before input_held: waiting for that one would not help */
        return SG_VERDICT_BLOCKED;
    if (f->input_held)
        return SG_VERDICT_BUSY;
    return SG_VERDICT_RUN;
}

void sg_judge(const struct sg_facts *f, uint32_t asked, struct sg_judgement *ret)
{
    const char *detail[SG_REASON_COUNT] = { NULL };
    uint32_t reasons = reasons_of(f, detail);
    uint32_t hit = reasons & (asked | SG_REASON_BIT(SG_REASON_FORCED));
    uint32_t shown = hit != 0 ? hit : reasons;

    ret->reasons = reasons;
    ret->reason = shown != 0 ? (enum sg_reason)__builtin_ctz(shown) : SG_REASON_NONE;
    ret->detail = detail[ret->reason] != NULL ? detail[ret->reason] : "";
    ret->verdict = verdict_of(f, reasons, hit);
    ret->must = (hit & ~SG_REASON_BIT(SG_REASON_UPSTREAM)) != 0;
}
