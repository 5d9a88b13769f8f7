/*
 * A plan as people read it: unbroken runs of partitions with one verdict and reason.
 */
#include "plan_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/clock.h"

/* A month of hours; a list for people is cut far shorter. */
#define MAX_LACKS 1000
#define MAX_NEEDS 64

struct group_maker {
    const struct sg_plan *p;
    uint32_t stage;
    struct sg_plan_group g;
    uint64_t needs; /* BLOCKED: which needs lack, a bit a need; beyond 64 they share bits */
    struct sg_window windows[MAX_NEEDS]; /* by need, of the stage under way */
    uint32_t not_busy[MAX_NEEDS];        /* by need: of its inputs before this id none is busy */
    uint32_t *held; /* BUSY, by node: one that it waits for, + 1; 0: not known; NULL: no memory */

    /* what its members lack, each input once */
    uint32_t lacking[MAX_LACKS];
    uint32_t
        told[MAX_NEEDS]; /* by need: inputs before this id were looked at for a member before */
    char names[MAX_LACKS][SG_NODE_TEXT];
    const char *lacks[MAX_LACKS];
    char whys[MAX_LACKS][SG_LACK_WHY_TEXT];
    const char *lacks_why[MAX_LACKS];
};

static int64_t index_of(const struct sg_plan *p, uint32_t stage, uint32_t id)
{
    return p->stages[stage].pub.lo + (int64_t)(id - p->stages[stage].pub.base);
}

/* The needs of a node that lack an input. */
static uint64_t lacking_needs(struct group_maker *m, uint32_t id)
{
    const struct sg_plan *p = m->p;
    const struct sg_stage *s = sg_plan_stage_at(p, m->stage);
    int64_t index = index_of(p, m->stage, id);
    uint64_t needs = 0;

    for (uint32_t k = 0; k < s->n_needs; k++) {
        struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[m->stage][k], index);
        struct sg_window *w = k < MAX_NEEDS ? &m->windows[k] : NULL;

        if (!s->needs[k].optional &&
            (sg_window_meet(p, s->needs[k].of.i, ids, w, NULL) & SG_MEET_BIT(SG_MEET_LACKING)))
            needs |= UINT64_C(1) << (k % MAX_NEEDS);
    }
    return needs;
}

/* shared: by another need, too, which may have told it already. */
static void add_lacking(struct group_maker *m, uint32_t input, bool shared)
{
    for (uint32_t i = 0; shared && i < m->g.n_lacks; i++)
        if (m->lacking[i] == input)
            return;
    if (m->g.n_lacks < MAX_LACKS)
        m->lacking[m->g.n_lacks++] = input;
    m->g.n_lacks_all++;
}

/* What the node lacks, to what the members before it do. Ranges of inputs only move on. */
static void add_lacks(struct group_maker *m, uint32_t id)
{
    const struct sg_plan *p = m->p;
    const struct sg_stage *s = sg_plan_stage_at(p, m->stage);
    int64_t index = index_of(p, m->stage, id);

    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_edge *e = &p->edges[m->stage][k];
        struct sg_id_range ids = sg_edge_ids(p, s, e, index);

        if (k < MAX_NEEDS && ids.first < m->told[k])
            ids.first = m->told[k];
        if (k < MAX_NEEDS && ids.end > m->told[k])
            m->told[k] = ids.end;
        for (uint32_t x = ids.first; x < ids.end; x++)
            if (sg_sweep_lacks(p, &s->needs[k], x))
                add_lacking(m, x, e->shared || k >= MAX_NEEDS);
    }
}

static void name_lacks(struct group_maker *m)
{
    for (uint32_t i = 0; i < m->g.n_lacks; i++) {
        uint32_t of = sg_plan_stage_of(m->p, m->lacking[i]);

        sg_node_format(sg_plan_stage_at(m->p, of), index_of(m->p, of, m->lacking[i]), m->names[i]);
        m->lacks[i] = m->names[i];
        sg_plan_lack_why(m->p, (struct sg_node_id){ m->lacking[i] }, m->whys[i]);
        m->lacks_why[i] = m->whys[i];
    }
}

/* As the graph file has it: "5m", "90s", "2d". */
static void format_settle(int64_t s, char ret[SG_DURATION_TEXT])
{
    static const struct {
        int64_t s;
        char unit;
    } units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
    size_t i = 0;

    while (s % units[i].s != 0)
        i++;
    snprintf(ret, SG_DURATION_TEXT, "%lld%c", (long long)(s / units[i].s), units[i].unit);
}

void sg_plan_lack_why(const struct sg_plan *p, struct sg_node_id input, char ret[SG_LACK_WHY_TEXT])
{
    const struct sg_stage *s = sg_plan_stage_at(p, sg_plan_stage_of(p, input.i));
    char age[SG_DURATION_TEXT], settle[SG_DURATION_TEXT];
    int64_t ns = p->mtime_ns[input.i];

    ret[0] = '\0';
    if (!s->is_source || (p->flags[input.i] & SG_NODE_THERE) || ns < 0 ||
        !(p->flags[input.i] & SG_NODE_SCANNED))
        return;
    if (ns == SG_SOURCE_OPEN) {
        snprintf(ret, SG_LACK_WHY_TEXT, "unsettled: an empty file is still being written");
        return;
    }
    sg_duration_format((double)(ns / SG_NS_PER_S), false, age);
    format_settle(s->settle_s, settle);
    snprintf(ret, SG_LACK_WHY_TEXT, "unsettled: newest file %s old, settle %s", age, settle);
}

static void say_lack(const struct sg_plan *p, uint32_t stage, uint32_t id, bool more,
                     char ret[SG_LACKS_TEXT])
{
    char name[SG_NODE_TEXT], why[SG_LACK_WHY_TEXT];
    const char *others = more ? " and others" : "";
    const char *open, *close;
    bool behind = !sg_plan_stage_at(p, stage)->is_source && p->verdict[id] == SG_VERDICT_BLOCKED;

    sg_node_format(sg_plan_stage_at(p, stage), index_of(p, stage, id), name);
    sg_plan_lack_why(p, (struct sg_node_id){ id }, why);
    open = why[0] != '\0' ? " (" : "";
    close = why[0] != '\0' ? ")" : "";
    if (behind)
        snprintf(ret, SG_LACKS_TEXT, "behind %s%s", name, others);
    else if (more)
        snprintf(ret, SG_LACKS_TEXT, "%s%s%s%s and others are not there", name, open, why, close);
    else
        snprintf(ret, SG_LACKS_TEXT, "%s is not there%s%s%s", name, open, why, close);
}

bool sg_plan_lacks(const struct sg_plan *p, struct sg_node_id n, char ret[SG_LACKS_TEXT])
{
    uint32_t stage = sg_plan_stage_of(p, n.i), first = SG_NO_NODE, of = 0;
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    int64_t index = index_of(p, stage, n.i);
    bool more = false;

    for (uint32_t k = 0; k < s->n_needs; k++) {
        struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[stage][k], index);

        for (uint32_t x = ids.first; x < ids.end && !more; x++) {
            if (!sg_sweep_lacks(p, &s->needs[k], x) || x == first)
                continue;
            more = first != SG_NO_NODE;
            if (first == SG_NO_NODE) {
                first = x;
                of = s->needs[k].of.i;
            }
        }
    }
    ret[0] = '\0';
    if (first != SG_NO_NODE)
        say_lack(p, of, first, more, ret);
    return first != SG_NO_NODE;
}

/* The first input of the need that is held, or busy itself. looked: inputs before this id are
 * neither; of nodes one after the other ranges only move on, so none is looked at twice. */
static uint32_t busy_input(const struct sg_plan *p, uint32_t stage, uint32_t k, int64_t index,
                           uint32_t *looked)
{
    const struct sg_stage *s = sg_plan_stage_at(p, stage);
    struct sg_id_range ids = sg_edge_ids(p, s, &p->edges[stage][k], index);
    uint32_t x = looked != NULL && *looked > ids.first ? *looked : ids.first;

    while (x < ids.end && !(p->flags[x] & SG_NODE_HELD) &&
           (p->verdict[x] != SG_VERDICT_BUSY || s->needs[k].optional))
        x++;
    if (looked != NULL && x > *looked)
        *looked = x;
    return x < ids.end ? x : SG_NO_NODE;
}

/* What a busy node waits for; SG_NO_NODE: nothing is known. */
static uint32_t waits_for(struct group_maker *m, uint32_t id, bool in_turn)
{
    const struct sg_plan *p = m->p;
    uint32_t stage = in_turn ? m->stage : sg_plan_stage_of(p, id), next = SG_NO_NODE;

    for (uint32_t k = 0; k < sg_plan_stage_at(p, stage)->n_needs && next == SG_NO_NODE; k++)
        next = busy_input(p, stage, k, index_of(p, stage, id),
                          in_turn && k < MAX_NEEDS ? &m->not_busy[k] : NULL);
    return next;
}

/* The node that is held where a busy one waits for it: itself, or an input, or an input of that,
 * and so on. All on the way get to know what was found. */
static uint32_t held_behind(struct group_maker *m, uint32_t id)
{
    uint32_t at = id, next;

    while (!(m->p->flags[at] & SG_NODE_HELD)) {
        next = m->held != NULL ? m->held[at] : 0;
        next = next != 0 ? next - 1 : waits_for(m, at, at == id);
        if (next == SG_NO_NODE)
            return SG_NO_NODE;
        if (m->held != NULL)
            m->held[at] = next + 1;
        at = next;
    }
    for (; m->held != NULL && id != at; id = next) {
        next = m->held[id] - 1;
        m->held[id] = at + 1;
    }
    return at;
}

static const char *holder(struct group_maker *m, uint32_t id)
{
    uint32_t held = held_behind(m, id);
    const struct sg_seen_claim *c = held != SG_NO_NODE ? sg_scan_claim(m->p, held) : NULL;

    return c != NULL ? c->run : "";
}

static bool joins(const struct group_maker *m, uint32_t id, const char *run, uint64_t needs)
{
    const struct sg_plan *p = m->p;
    const char *detail = p->detail[id] != 0 ? p->details[p->detail[id]] : "";

    return m->g.count != 0 && m->g.reason == (enum sg_reason)p->reason[id] &&
           strcmp(m->g.detail, detail) == 0 && m->needs == needs && strcmp(m->g.run, run) == 0;
}

static bool flush(struct group_maker *m, sg_plan_group_fn *fn, void *ctx)
{
    bool on = true;

    if (m->g.count != 0) {
        name_lacks(m);
        on = fn(ctx, &m->g);
    }
    m->g.count = 0;
    return on;
}

static void begin(struct group_maker *m, enum sg_verdict verdict, uint32_t id, const char *run,
                  uint64_t needs)
{
    const struct sg_plan *p = m->p;

    memset(&m->g, 0, sizeof(m->g));
    m->g.stage = sg_plan_stage_at(p, m->stage);
    m->g.first = index_of(p, m->stage, id);
    m->g.verdict = verdict;
    m->g.reason = (enum sg_reason)p->reason[id];
    m->g.detail = p->detail[id] != 0 ? p->details[p->detail[id]] : "";
    m->g.run = run;
    m->g.lacks = m->lacks;
    m->g.lacks_why = m->lacks_why;
    m->needs = needs;
    memset(m->told, 0, sizeof(m->told));
}

static bool groups_of_stage(struct group_maker *m, enum sg_verdict verdict, sg_plan_group_fn *fn,
                            void *ctx)
{
    const struct sg_plan *p = m->p;
    const struct sg_plan_stage *v = &p->stages[m->stage].pub;

    for (uint32_t id = v->base; id < v->base + (uint32_t)(v->hi - v->lo); id++) {
        const char *run = "";
        uint64_t needs = 0;

        if (p->flags[id] & SG_NODE_HOLE)
            continue;
        if ((enum sg_verdict)p->verdict[id] != verdict) {
            if (!flush(m, fn, ctx))
                return false;
            continue;
        }
        if (verdict == SG_VERDICT_BUSY)
            run = holder(m, id);
        if (verdict == SG_VERDICT_BLOCKED)
            needs = lacking_needs(m, id);
        if (!joins(m, id, run, needs)) {
            if (!flush(m, fn, ctx))
                return false;
            begin(m, verdict, id, run, needs);
        }
        if (verdict == SG_VERDICT_BLOCKED)
            add_lacks(m, id);
        m->g.last = index_of(p, m->stage, id);
        m->g.count++;
        m->g.jobs += p->batch == NULL || p->batch[id] == 0 || p->batch[id] == id + 1;
    }
    return flush(m, fn, ctx);
}

bool sg_plan_groups(const struct sg_plan *p, enum sg_verdict verdict, sg_plan_group_fn *fn,
                    void *ctx)
{
    struct group_maker m = { .p = p };
    bool on = true;

    if (verdict != SG_VERDICT_RUN && verdict != SG_VERDICT_BLOCKED && verdict != SG_VERDICT_BUSY)
        return true;
    if (verdict == SG_VERDICT_BUSY && p->counts.busy != 0)
        m.held = calloc(p->n_nodes, sizeof(*m.held));
    for (uint32_t i = 0; on && i < p->c.graph->n_stages; i++) {
        m.stage = p->c.graph->order[i].i;
        memset(m.windows, 0, sizeof(m.windows));
        memset(m.not_busy, 0, sizeof(m.not_busy));
        on = groups_of_stage(&m, verdict, fn, ctx);
    }
    free(m.held);
    return on;
}
