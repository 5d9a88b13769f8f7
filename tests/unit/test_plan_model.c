/*
 * Plans of random graphs over random stores, against a model that is as naive as can be: it knows
 * what every node recorded, looks at all partitions for each need, and judges by the words of the
 * contract. A failure names its seed. In the environment: MODEL_SEEDS, how many (1,000);
 * MODEL_SEED, one alone, with its graph printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define MODEL_SEEDS 1000
#define START_S     INT64_C(1704146400) /* 2024-01-01T22:00Z */
#define NOW_S       INT64_C(1704164400) /* 2024-01-02T03:00Z */

enum { MAX_STAGES = 6, MAX_NODES = 24, MAX_NEEDS = 3 };
enum unit { HALF, HOUR, DAY, ONCE, UNITS };
static const char *const unit_names[] = { "30m", "hour", "day", "once" };
static const int64_t unit_s[] = { 1800, 3600, 86400, 0 };

struct need {
    int of;
    enum { MEETS, OFFSET, LATEST } kind;
    int lo, hi;
    bool optional, order_only;
};

struct recorded {
    int n;
    int64_t first;
    int64_t version[64];
};

struct node {
    int64_t index;
    enum sg_marker_kind kind;
    int64_t version; /* a number for each content; 0: none */
    int64_t mtime_s;
    int made_by; /* generation of the stage's command */
    struct recorded inputs[MAX_NEEDS];
    bool held, dead;
    bool only_partial; /* due, and its receipt is in the partial marker */
    /* judged */
    bool asked, there, must, completes;
    enum sg_verdict verdict;
    uint32_t reasons;
    enum sg_reason reason;
    const char *detail;
};

struct stage {
    char name[16];
    bool source, partial;
    enum unit unit;
    struct need needs[MAX_NEEDS];
    int n_needs;
    int generation;
    int64_t first, due_end;
    struct node nodes[MAX_NODES];
    int n_nodes;
    bool only, force;
};

struct model {
    struct stage stages[MAX_STAGES];
    int n;
    unsigned seed;
    uint64_t random;
    bool lost; /* the recipes */
    bool has_range, has_only, has_force, force_all, wait;
    int64_t from_s, to_s;
    uint32_t stale;
    unsigned n_held;
};

static unsigned chance(struct model *m, unsigned n)
{
    m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(m->random >> 33) % n;
}

/* ---- time */

static int64_t start_of(enum unit u, int64_t index)
{
    return u == ONCE ? INT64_MIN : index * unit_s[u];
}

static int64_t end_of(enum unit u, int64_t index)
{
    return u == ONCE ? INT64_MAX : (index + 1) * unit_s[u];
}

static bool meets(const struct stage *a, int64_t i, const struct stage *b, int64_t j)
{
    return start_of(a->unit, i) < end_of(b->unit, j) && start_of(b->unit, j) < end_of(a->unit, i);
}

static bool needs_node(const struct model *m, const struct stage *s, int64_t index,
                       const struct need *n, int64_t input)
{
    const struct stage *x = &m->stages[n->of];
    int64_t base;

    if (input < x->first || (x->unit == ONCE && input != 0))
        return false;
    switch (n->kind) {
    case MEETS:
        return meets(s, index, x, input) && (s->unit != ONCE || input < x->due_end);
    case OFFSET:
        base = start_of(s->unit, index) / unit_s[x->unit];
        return input >= base + n->lo && input <= base + n->hi;
    case LATEST:
        return input == x->due_end - 1;
    }
    return false;
}

static void find_due(struct model *m, struct stage *s)
{
    s->due_end = s->first;
    if (s->unit == ONCE) {
        s->due_end = 1;
        return;
    }
    for (int64_t i = s->first; end_of(s->unit, i) <= NOW_S; i++) {
        for (int k = 0; k < s->n_needs; k++) {
            const struct stage *x = &m->stages[s->needs[k].of];

            /* a self need is of earlier ones, which are due */
            if (s->needs[k].optional || x == s)
                continue;
            for (int64_t j = x->due_end; j < x->due_end + 60; j++)
                if (needs_node(m, s, i, &s->needs[k], j))
                    return;
        }
        s->due_end = i + 1;
    }
}

/* Of a partial stage, and not due: it has a partial marker alone, and is there for nobody. */
static bool is_early(const struct stage *s, int64_t index)
{
    return s->partial && index >= s->due_end;
}

/* It has begun, and so has something that it requires and that is not whole yet, if there is any.
 */
static bool has_begun(const struct model *m, const struct stage *s, int64_t index)
{
    bool any = false, begun = false, waits = false;

    for (int k = 0; k < s->n_needs; k++) {
        const struct stage *x = &m->stages[s->needs[k].of];
        bool due = false, later = false;

        if (s->needs[k].optional || s->needs[k].order_only)
            continue;
        for (int64_t i = x->first; i < x->first + 60; i++)
            if (needs_node(m, s, index, &s->needs[k], i)) {
                due |= i < x->due_end;
                later |= i >= x->due_end;
            }
        any |= due || later;
        waits |= later;
        begun |= later && due;
    }
    return start_of(s->unit, index) <= NOW_S && any && (begun || !waits);
}

static struct node *node_at(struct stage *s, int64_t index)
{
    for (int i = 0; i < s->n_nodes; i++)
        if (s->nodes[i].index == index)
            return &s->nodes[i];
    return NULL;
}

/* ---- the graph */

static void make_needs(struct model *m, struct stage *s, int self)
{
    int want = (int)chance(m, MAX_NEEDS + 1);

    for (int k = 0; k < want; k++) {
        struct need n = { .of = (int)chance(m, (unsigned)self + 1) };
        const struct stage *x = &m->stages[n.of];
        bool known = false;

        n.optional = chance(m, 4) == 0;
        n.order_only = chance(m, 5) == 0;
        if (n.of == self) { /* a chain */
            n.kind = OFFSET;
            n.hi = -1 - (int)chance(m, 2);
            n.lo = n.hi - (int)chance(m, chance(m, 3) == 0 ? 12 : 2);
        } else {
            unsigned kind = chance(m, 4);

            n.kind = kind < 2 ? MEETS : kind == 2 ? OFFSET : LATEST;
            n.hi = -(int)chance(m, 3);
            n.lo = n.hi - (int)chance(m, 3);
            if (chance(m, 3) == 0) /* a window that moves along */
                n.lo -= (int)chance(m, 12);
        }
        if (n.kind == OFFSET && (s->unit == ONCE || x->unit == ONCE))
            continue;
        for (int j = 0; j < s->n_needs; j++)
            known |= s->needs[j].of == n.of && s->needs[j].kind == n.kind;
        if (!known)
            s->needs[s->n_needs++] = n;
    }
}

static void make_stages(struct model *m)
{
    m->n = 2 + (int)chance(m, MAX_STAGES - 1);
    for (int i = 0; i < m->n; i++) {
        struct stage *s = &m->stages[i];
        unsigned u = chance(m, 8);

        s->source = i == 0 || (i == 1 && chance(m, 3) == 0);
        s->unit = u < 3 ? HALF : u < 6 ? HOUR : u < 7 ? DAY : ONCE;
        (void)snprintf(s->name, sizeof(s->name), "%c%d", s->source ? 's' : 'n', i);
        s->first = s->unit == ONCE ? 0 : START_S / unit_s[s->unit];
        if (!s->source)
            make_needs(m, s, i);
        s->partial = !s->source && s->unit != ONCE && chance(m, 3) == 0;
        find_due(m, s);
        /* two more than are due: optional needs look at them */
        for (int64_t x = s->first; x < s->due_end + (s->unit == ONCE ? 0 : 2); x++)
            s->nodes[s->n_nodes++] = (struct node){ .index = x };
    }
}

static void write_graph(const struct model *m, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size,
                                "[graph]\nstart = 2024-01-01T22:00:00Z\ndelay = 0\n"
                                "[store]\nroot = store\n");

    for (int i = 0; i < m->n; i++) {
        const struct stage *s = &m->stages[i];

        n += (size_t)snprintf(out + n, size - n, "[%s %s]\npartition = %s\n%s = %s%s\n",
                              s->source ? "source" : "stage", s->name, unit_names[s->unit],
                              s->source ? "path" : "output", s->name,
                              s->unit == ONCE  ? ""
                              : s->unit == DAY ? "/${ds}"
                                               : "/${ds}-${HH}${mm}");
        if (s->source) {
            n += (size_t)snprintf(out + n, size - n, "marker = _DONE\n");
            continue;
        }
        n += (size_t)snprintf(out + n, size - n,
                              "%scommand = x %d\nneeds =", s->partial ? "partial = yes\n" : "",
                              s->generation);
        for (int k = 0; k < s->n_needs; k++) {
            const struct need *d = &s->needs[k];

            n += (size_t)snprintf(out + n, size - n, " %s%s", d->order_only ? "|" : "",
                                  m->stages[d->of].name);
            if (d->kind == LATEST)
                n += (size_t)snprintf(out + n, size - n, "@latest");
            if (d->kind == OFFSET && d->lo == d->hi)
                n += (size_t)snprintf(out + n, size - n, "@%d", d->lo);
            if (d->kind == OFFSET && d->lo != d->hi)
                n += (size_t)snprintf(out + n, size - n, "@%d..%d", d->lo, d->hi);
            n += (size_t)snprintf(out + n, size - n, "%s", d->optional ? "?" : "");
        }
        n += (size_t)snprintf(out + n, size - n, "\n");
    }
    assert_true(n < size);
}

/* ---- the store */

static bool unfinished(const struct stage *s, const struct node *n)
{
    return n->kind == SG_MARKER_FOREIGN && s->unit != ONCE &&
           n->mtime_s < end_of(s->unit, n->index);
}

static void settle(const struct stage *s, struct node *n)
{
    if (s->source)
        n->there = n->version != 0;
    else
        n->there = (n->kind == SG_MARKER_DONE || n->kind == SG_MARKER_ACCEPTED ||
                    n->kind == SG_MARKER_FOREIGN) &&
                   !n->dead && !unfinished(s, n) && !is_early(s, n->index) && !n->only_partial;
}

static void node_name(const struct model *m, const struct stage *s, const struct node *n,
                      const struct world *w, char out[SG_NODE_TEXT])
{
    (void)m;
    sg_node_format(sg_graph_find_stage(w->graph, s->name), n->index, out);
}

/* Writes a receipt, and notes in the model what it must have recorded. */
static void build(struct model *m, struct world *w, struct stage *s, struct node *n)
{
    char name[SG_NODE_TEXT], content[32];

    n->version = 1 + (int64_t)chance(m, 1000000);
    (void)snprintf(content, sizeof(content), "%lld", (long long)n->version);
    node_name(m, s, n, w, name);
    w->accepts = chance(m, 6) == 0;
    n->kind = w->accepts ? SG_MARKER_ACCEPTED : SG_MARKER_DONE;
    world_build_as(w, name, content);
    n->mtime_s = NOW_S + INT64_C(3) * 366 * 86400; /* whenever this test runs: between the others */
    if (!is_early(s, n->index))
        world_touch(w, name, "2027-01-04T03:00:00Z");
    n->made_by = s->generation;
    for (int k = 0; k < s->n_needs; k++) {
        struct stage *x = &m->stages[s->needs[k].of];
        struct recorded *r = &n->inputs[k];

        r->n = 0;
        for (int64_t i = x->first; i < x->first + 60; i++)
            if (needs_node(m, s, n->index, &s->needs[k], i)) {
                const struct node *input = node_at(x, i);

                if (r->n == 0)
                    r->first = i;
                r->version[r->n++] = input != NULL && input->there ? input->version : 0;
            }
    }
    settle(s, n);
}

static void change_source(struct model *m, struct world *w, struct stage *s, struct node *n)
{
    char name[SG_NODE_TEXT], content[32];

    node_name(m, s, n, w, name);
    if (chance(m, 3) == 0) {
        n->version = 0;
        world_lose(w, name);
    } else {
        n->version = 1 + (int64_t)chance(m, 1000000);
        (void)snprintf(content, sizeof(content), "%lld", (long long)n->version);
        world_source(w, name, content);
    }
    settle(s, n);
}

static void make_foreign(struct model *m, struct world *w, struct node *n, const char *name)
{
    static const struct {
        const char *utc;
        int64_t t_s;
    } times[] = {
        { "2020-01-01T00:00:00Z", INT64_C(1577836800) }, /* before any interval's end */
        { "2025-01-01T00:00:00Z", INT64_C(1735689600) }, /* before all receipts */
        { "2029-01-01T00:00:00Z", INT64_C(1861920000) }, /* after them */
    };
    unsigned i = chance(m, 3);

    world_marker(w, name, "");
    world_touch(w, name, times[i].utc);
    n->kind = SG_MARKER_FOREIGN;
    n->mtime_s = times[i].t_s;
    n->version = INT64_C(10000000) + i;
}

/* As if it had run with what it has before it was due. */
static void unfinish(const struct world *w, const char *name)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf dir = SG_BUF_INIT;
    const struct sg_stage *s;
    struct sg_entry e;
    int64_t index;

    world_parse(w, name, &s, &index);
    assert_true(sg_stage_path(w->graph, s, index, &dir, &err));
    assert_true(sg_store_rename_marker(w->store, sg_buf_text(&dir), s->marker, s->partial_marker,
                                       &e, &err));
    sg_buf_done(&dir);
}

static void change_node(struct model *m, struct world *w, struct stage *s, struct node *n)
{
    char name[SG_NODE_TEXT];
    unsigned what = chance(m, 60);

    node_name(m, s, n, w, name);
    if (what < 4) {
        world_lose(w, name);
        n->kind = SG_MARKER_ABSENT;
    } else if (what < 10 && is_early(s, n->index)) {
        world_marker(w, name, ""); /* nothing to it */
    } else if (what < 6) {
        world_marker(w, name, "{\"stagegraph\":1,\"node\"");
        n->kind = SG_MARKER_DAMAGED;
    } else if (what < 10) {
        make_foreign(m, w, n, name);
    } else if (what < 14) {
        build(m, w, s, n);
    } else if (what < 17) { /* the first attempt of a run that wrote this very receipt, or not */
        bool own = chance(m, 3) == 0;

        world_claim(w, name, own ? "20240101T000000-000001" : "gone", 1, false);
        n->dead = !own || (n->kind != SG_MARKER_DONE && n->kind != SG_MARKER_ACCEPTED);
    } else if (what < 20 && m->n_held < WORLD_CLAIMS) {
        world_claim(w, name, "other", 1, true);
        n->held = true;
        m->n_held++;
    } else if (what >= 30 && s->partial && n->index < s->due_end &&
               (n->kind == SG_MARKER_DONE || n->kind == SG_MARKER_ACCEPTED)) {
        unfinish(w, name);
        n->only_partial = true;
    }
    settle(s, n);
}

static void make_store(struct model *m, struct world *w)
{
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < m->n; i++) {
            struct stage *s = &m->stages[i];

            for (int j = 0; j < s->n_nodes; j++) {
                struct node *n = &s->nodes[j];

                if (s->source && (round == 0 || chance(m, 8) == 0))
                    change_source(m, w, s, n);
                else if (!s->source && round == 0 && chance(m, 8) != 0)
                    build(m, w, s, n);
                else if (!s->source && round == 1)
                    change_node(m, w, s, n);
            }
        }
}

/* ---- judging */

/* Recorded of the partition; the latest is compared by its place. */
static int64_t recorded(const struct need *n, const struct recorded *r, int64_t index, int at)
{
    int64_t i = n->kind == LATEST ? at : r->n != 0 ? index - r->first : -1;

    return i >= 0 && i < r->n ? r->version[i] : 0;
}

/* Does a need lack something that it lacked when the node was built? */
static bool still_lacks(struct model *m, struct stage *s, const struct node *n, int k)
{
    struct stage *x = &m->stages[s->needs[k].of];
    int at = 0;

    for (int64_t i = x->first; !s->needs[k].optional && i < x->first + 60; i++) {
        const struct node *input = node_at(x, i);

        if (!needs_node(m, s, n->index, &s->needs[k], i))
            continue;
        if (!(input != NULL && input->there) && recorded(&s->needs[k], &n->inputs[k], i, at) == 0)
            return true;
        at++;
    }
    return false;
}

static const char *changed_input(struct model *m, struct stage *s, struct node *n)
{
    for (int k = 0; k < s->n_needs; k++) {
        struct stage *x = &m->stages[s->needs[k].of];
        const struct recorded *r = &n->inputs[k];
        int at = 0;

        if (n->only_partial && still_lacks(m, s, n, k))
            return x->name;
        if (s->needs[k].order_only)
            continue;
        for (int64_t i = x->first; i < x->first + 60; i++) {
            const struct node *input = node_at(x, i);
            int64_t now;

            if (!needs_node(m, s, n->index, &s->needs[k], i))
                continue;
            now = input != NULL && input->there ? input->version : recorded(&s->needs[k], r, i, at);
            if (at >= r->n || r->version[at] != now)
                return x->name;
            at++;
        }
        if (at != r->n)
            return x->name;
    }
    return NULL;
}

static const char *later_input(struct model *m, struct stage *s, struct node *n)
{
    for (int k = 0; k < s->n_needs; k++) {
        struct stage *x = &m->stages[s->needs[k].of];

        for (int i = 0; i < x->n_nodes && !s->needs[k].order_only; i++)
            if (needs_node(m, s, n->index, &s->needs[k], x->nodes[i].index) && !x->source &&
                x->nodes[i].there && x->nodes[i].kind == SG_MARKER_DONE &&
                x->nodes[i].mtime_s > n->mtime_s)
                return x->name;
    }
    return NULL;
}

struct around {
    const char *upstream;
    bool lacks, held;
};

static void look_around(struct model *m, struct stage *s, struct node *n, struct around *a)
{
    for (int k = 0; k < s->n_needs; k++) {
        const struct need *d = &s->needs[k];
        struct stage *x = &m->stages[d->of];

        for (int64_t i = x->first; i < x->first + 60; i++) {
            struct node *input = node_at(x, i);
            bool runs, held, busy;

            if (!needs_node(m, s, n->index, d, i) || is_early(x, i))
                continue;
            runs = input != NULL && input->asked && input->verdict == SG_VERDICT_RUN;
            busy = input != NULL && input->asked && input->verdict == SG_VERDICT_BUSY;
            held = input != NULL && input->held;
            if (runs && !d->order_only && a->upstream == NULL)
                a->upstream = x->name;
            if ((held && !m->wait) || (busy && !d->optional))
                a->held = true;
            if (!d->optional && i < x->due_end && !(input != NULL && input->there) && !runs &&
                !held && !busy)
                a->lacks = true;
        }
    }
}

#define BIT(r) (1u << SG_REASON_##r)
/* What a finished day may be stale by and be finished all the same. */
#define RECIPE (BIT(CODE) | BIT(COMMAND) | BIT(PARAMS) | BIT(VERSION))

static void judge(struct model *m, struct stage *s, struct node *n, bool forced)
{
    const char *input = NULL, *detail[SG_REASON_COUNT] = { NULL };
    struct around a = { NULL, false, false };
    uint32_t r = forced ? BIT(FORCED) : 0, hit;
    bool stamped = n->kind == SG_MARKER_DONE || n->kind == SG_MARKER_ACCEPTED;

    look_around(m, s, n, &a);
    if (n->dead || n->kind == SG_MARKER_RUNNING)
        r |= BIT(INTERRUPTED);
    if (n->kind == SG_MARKER_ABSENT || unfinished(s, n))
        r |= BIT(MISSING);
    if (unfinished(s, n))
        detail[SG_REASON_MISSING] = "marker of an unfinished interval";
    if (n->kind == SG_MARKER_DAMAGED)
        r |= BIT(DAMAGED);
    if (stamped)
        input = changed_input(m, s, n);
    if (n->kind == SG_MARKER_FOREIGN && !unfinished(s, n))
        input = later_input(m, s, n);
    if (input != NULL)
        r |= BIT(INPUT);
    if (stamped && n->made_by != s->generation) {
        if (!m->lost)
            r |= BIT(COMMAND);
        else if (input == NULL)
            r |= BIT(CODE);
    }
    if (a.upstream != NULL)
        r |= BIT(UPSTREAM);
    detail[SG_REASON_CODE] = "recipe lost";
    detail[SG_REASON_COMMAND] = "command";
    detail[SG_REASON_INPUT] = input;
    detail[SG_REASON_UPSTREAM] = a.upstream;
    hit = r & (m->stale | BIT(FORCED));
    n->reasons = r;
    n->reason = SG_REASON_NONE;
    for (int i = SG_REASON_COUNT - 1; i > 0; i--)
        if ((hit != 0 ? hit : r) & 1u << i)
            n->reason = (enum sg_reason)i;
    n->detail = detail[n->reason] != NULL ? detail[n->reason] : "";
    if (r == 0)
        n->verdict = SG_VERDICT_FRESH;
    else if (hit == 0)
        n->verdict = SG_VERDICT_DEBT;
    else if (n->held && !m->wait)
        n->verdict = SG_VERDICT_BUSY;
    else if (a.lacks)
        n->verdict = SG_VERDICT_BLOCKED;
    else if (a.held)
        n->verdict = SG_VERDICT_BUSY;
    else
        n->verdict = SG_VERDICT_RUN;
    n->must = (hit & ~BIT(UPSTREAM)) != 0;
    n->completes = n->only_partial && hit == 0 && (n->reasons & ~RECIPE) == 0 && !n->held;
    n->there = n->there || n->completes;
}

static bool is_asked(const struct model *m, const struct stage *s, const struct node *n)
{
    return !s->source && (n->index < s->due_end || (s->partial && has_begun(m, s, n->index))) &&
           (!m->has_only || s->only) &&
           (!m->has_range ||
            (start_of(s->unit, n->index) < m->to_s && m->from_s < end_of(s->unit, n->index)));
}

static void judge_all(struct model *m)
{
    for (int i = 0; i < m->n; i++)
        for (int j = 0; j < m->stages[i].n_nodes; j++) {
            struct stage *s = &m->stages[i];
            struct node *n = &s->nodes[j];

            n->asked = is_asked(m, s, n);
            if (n->asked)
                judge(m, s, n, m->force_all || (m->has_force && s->force));
        }
}

/* ---- the request */

static void make_request(struct model *m, struct world *w)
{
    m->has_range = chance(m, 3) != 0;
    m->from_s = START_S + (int64_t)chance(m, 12) * 1200;
    m->to_s = m->from_s + 1200 + (int64_t)chance(m, 15) * 1200;
    m->has_only = chance(m, 4) == 0;
    m->has_force = chance(m, 5) == 0;
    m->force_all = chance(m, 12) == 0;
    m->wait = chance(m, 6) == 0;
    m->stale = chance(m, 3) != 0 ? SG_REASONS_ALL : (chance(m, 1u << 11) & ~1u);
    w->request.has_range = m->has_range;
    w->request.range = (struct sg_interval){ m->from_s, m->to_s };
    w->request.stale = m->stale;
    w->request.wait = m->wait;
    w->request.force_all = m->force_all;
    if (m->has_only)
        w->request.only = world_stages(w, m->stages[0].name);
    if (m->has_force)
        w->request.force = world_stages(w, m->stages[0].name);
    for (int i = 0; i < m->n; i++) {
        uint32_t id = sg_graph_find_stage(w->graph, m->stages[i].name)->id.i;

        m->stages[i].only = chance(m, 2) == 0;
        m->stages[i].force = chance(m, 2) == 0;
        if (m->has_only)
            w->request.only[id] = m->stages[i].only;
        if (m->has_force)
            w->request.force[id] = m->stages[i].force;
    }
}

/* ---- against the plan */

static void compare(const struct model *m, struct world *w, const struct stage *s,
                    const struct node *n)
{
    struct sg_stage_id id = sg_graph_find_stage(w->graph, s->name)->id;
    struct sg_node_id at = sg_plan_find(w->plan, id, n->index);
    struct sg_node_view v = { .asked = false };
    char name[SG_NODE_TEXT];

    node_name(m, s, n, w, name);
    if (at.i != SG_NO_NODE)
        sg_plan_node(w->plan, at, &v);
    if (v.asked != n->asked)
        fail_msg("seed %u: %s asked %d", m->seed, name, v.asked);
    if (n->asked && (v.verdict != n->verdict || v.reasons != n->reasons || v.reason != n->reason ||
                     v.completes != n->completes || strcmp(v.detail, n->detail) != 0))
        fail_msg("seed %u: %s: verdict %d, reasons %#x, %s '%s'; the model: %d, %#x, %s '%s'",
                 m->seed, name, v.verdict, v.reasons, sg_reason_name(v.reason), v.detail,
                 n->verdict, n->reasons, sg_reason_name(n->reason), n->detail);
}

/* A decision finds what the plan found, but for upstream: what was to run has run by then. */
static void compare_decision(struct model *m, struct world *w, const struct stage *s,
                             const struct node *n)
{
    struct sg_decide_ask ask = { .forced = (n->reasons & BIT(FORCED)) != 0,
                                 .interrupted = n->dead };
    uint32_t reasons = n->reasons & ~BIT(UPSTREAM);
    bool hit = (reasons & (m->stale | BIT(FORCED))) != 0;
    struct sg_decision d;
    char name[SG_NODE_TEXT];

    node_name(m, s, n, w, name);
    world_decide(w, name, ask, &d);
    if (d.reasons != reasons ||
        (d.what == SG_DECIDE_FRESH || d.what == SG_DECIDE_COMPLETE) == hit ||
        d.partial != is_early(s, n->index))
        fail_msg("seed %u: decide %s: %d, %#x, not %#x", m->seed, name, d.what, d.reasons, reasons);
}

static void complete(struct model *m, struct world *w, const struct stage *s, struct node *n)
{
    struct sg_decision d;
    char name[SG_NODE_TEXT];

    node_name(m, s, n, w, name);
    world_decide(w, name, (struct sg_decide_ask){ .forced = false }, &d);
    if (d.what != SG_DECIDE_COMPLETE)
        fail_msg("seed %u: %s is not completed: %d", m->seed, name, d.what);
    world_build(w, name);
}

struct pairs {
    uint32_t at, n, pair[8000][2]; /* the needed one; twice the other, and 1 where it is optional */
};

static void add_pair(void *ctx, struct sg_node_id other, bool optional)
{
    struct pairs *p = ctx;

    assert_true(p->n < 8000);
    p->pair[p->n][0] = other.i;
    p->pair[p->n][1] = p->at * 2 + optional;
    p->n++;
}

static int by_pair(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    int k = x[0] == y[0];

    return x[k] < y[k] ? -1 : x[k] > y[k];
}

static bool has_job(const struct world *w, uint32_t id)
{
    struct sg_node_view v;

    sg_plan_node(w->plan, (struct sg_node_id){ id }, &v);
    return v.verdict == SG_VERDICT_RUN || v.completes ||
           (v.verdict == SG_VERDICT_BLOCKED && v.reason == SG_REASON_UPSTREAM);
}

static void add_range(struct pairs *p, const struct world *w, const struct sg_node_range *r,
                      bool users)
{
    uint32_t at = p->at;

    for (uint32_t id = r->first; id < r->end; id++) {
        if (!has_job(w, id))
            continue;
        p->at = users ? id : at;
        add_pair(p, (struct sg_node_id){ users ? at : id }, r->optional);
    }
    p->at = at;
}

/* Of several edges of a pair the first stays: a required one, if there is one. */
static void drop_doubles(struct pairs *p)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n; i++)
        if (n == 0 || p->pair[i][0] != p->pair[n - 1][0] ||
            p->pair[i][1] / 2 != p->pair[n - 1][1] / 2)
            memcpy(p->pair[n++], p->pair[i], sizeof(p->pair[i]));
    p->n = n;
}

static void must_be_alike(const struct model *m, const struct pairs *a, const struct pairs *b,
                          const char *what)
{
    if (a->n != b->n || memcmp(a->pair, b->pair, a->n * sizeof(a->pair[0])) != 0)
        fail_msg("seed %u: %u needs, %u %s, or others", m->seed, a->n, b->n, what);
}

/* Among nodes with jobs, the ranges of needs and of users are each other's inverse, and needs one
 * by one are those of the ranges, no pair twice. */
static void compare_edges(const struct model *m, struct world *w)
{
    static struct pairs needs, users, each;

    needs.n = users.n = each.n = 0;
    for (uint32_t id = 0; id < sg_plan_nodes(w->plan); id++) {
        struct sg_node_id n = { id };
        struct sg_node_range r;

        if (!has_job(w, id))
            continue;
        needs.at = users.at = each.at = id;
        for (uint32_t k = 0; sg_plan_needs_at(w->plan, n, k, &r); k++)
            add_range(&needs, w, &r, false);
        for (uint32_t k = 0; sg_plan_users_at(w->plan, n, k, &r); k++)
            add_range(&users, w, &r, true);
        sg_plan_needs(w->plan, n, add_pair, &each);
    }
    qsort(needs.pair, needs.n, sizeof(needs.pair[0]), by_pair);
    qsort(users.pair, users.n, sizeof(users.pair[0]), by_pair);
    qsort(each.pair, each.n, sizeof(each.pair[0]), by_pair);
    must_be_alike(m, &needs, &users, "users");
    drop_doubles(&needs);
    must_be_alike(m, &needs, &each, "needs one by one");
}

static void run_seed(unsigned seed)
{
    static struct model m;
    static char text[4000];
    struct world w;

    memset(&m, 0, sizeof(m));
    m.seed = seed;
    m.random = seed * UINT64_C(0x9e3779b97f4a7c15);
    make_stages(&m);
    write_graph(&m, text, sizeof(text));
    world_open(&w, text);
    w.request.now_s = NOW_S;
    make_store(&m, &w);
    for (int i = 0; i < m.n; i++)
        m.stages[i].generation += chance(&m, 4) == 0;
    if (chance(&m, 10) == 0) {
        struct sg_error err = SG_ERROR_INIT;

        m.lost = true;
        assert_true(sg_store_remove_tree(w.store, "_stagegraph/recipes", &err));
    }
    write_graph(&m, text, sizeof(text));
    world_graph(&w, text);
    if (getenv("MODEL_SEED") != NULL)
        print_message("%s", text);
    make_request(&m, &w);
    judge_all(&m);
    world_plan(&w);
    for (int i = 0; i < m.n; i++)
        for (int j = 0; j < m.stages[i].n_nodes; j++)
            compare(&m, &w, &m.stages[i], &m.stages[i].nodes[j]);
    compare_edges(&m, &w);
    for (int i = 0; i < m.n; i++)
        for (int j = 0; j < m.stages[i].n_nodes; j++)
            if (m.stages[i].nodes[j].completes)
                complete(&m, &w, &m.stages[i], &m.stages[i].nodes[j]);
    for (int i = 0; i < m.n; i++)
        for (int j = 0; j < m.stages[i].n_nodes; j++)
            if (m.stages[i].nodes[j].asked)
                compare_decision(&m, &w, &m.stages[i], &m.stages[i].nodes[j]);
    world_close(&w);
}

static void plans_of_random_graphs_are_the_models(void **state)
{
    const char *one = getenv("MODEL_SEED"), *many = getenv("MODEL_SEEDS");
    unsigned last = many != NULL ? (unsigned)strtoul(many, NULL, 10) : MODEL_SEEDS;

    (void)state;
    if (one != NULL) {
        run_seed((unsigned)strtoul(one, NULL, 10));
        return;
    }
    for (unsigned seed = 1; seed <= last; seed++)
        run_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_of_random_graphs_are_the_models),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
