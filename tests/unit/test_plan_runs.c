/*
 * A plan against the run that follows it, over random graphs: what runs is what the plan said, less
 * what came out unchanged, and afterwards nothing is left to run.
 *
 * The run is played: nodes are decided again once all that they need has been decided, as attempts
 * do under the scheduler, and receipts are written for those that run, some with the version that
 * was there before. SG_SEEDS=n changes the number of graphs, SG_SEED=k plays one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define N_STAGES 4
#define HOURS    3

struct play {
    struct world w;
    unsigned random;
    int generation[N_STAGES]; /* of each stage's command */
    char graph[4000];
    unsigned n_ran, n_unchanged; /* over all graphs: both must happen */
};

static unsigned chance(struct play *p, unsigned n)
{
    p->random = p->random * 1103515245u + 12345u;
    return (p->random >> 16) % n;
}

/* Stage i needs earlier ones, by one rule or two; now and then itself, an hour before. */
static void add_needs(struct play *p, int i, char *out, size_t size)
{
    static const char *const rules[][2] = {
        { "", "" }, { "", "@-1" }, { "", "?" }, { "", "@-2..0?" }, { "|", "" }
    };
    int first = i > 0 ? (int)chance(p, (unsigned)i) : 0;

    (void)snprintf(out, size, "%s", i == 0 ? "landing" : "");
    if (i == 0)
        return;
    for (int of = first; of < i && of < first + 2; of++) {
        const char *const *rule = rules[chance(p, 5)];
        char before[200];

        (void)snprintf(before, sizeof(before), "%.150s", out);
        (void)snprintf(out, size, "%s %ss%d%s", before, rule[0], of, rule[1]);
    }
    if (chance(p, 4) == 0) {
        char before[200];

        (void)snprintf(before, sizeof(before), "%.150s", out);
        (void)snprintf(out, size, "%s s%d@-1", before, i);
    }
}

static void write_graph(struct play *p, char needs[N_STAGES][220], const bool *halves)
{
    size_t n = (size_t)snprintf(p->graph, sizeof(p->graph), "%s%s", HEAD, LANDING);

    for (int i = 0; i < N_STAGES; i++)
        n += (size_t)snprintf(p->graph + n, sizeof(p->graph) - n,
                              "[stage s%d]\npartition = %s\nneeds = %s\ncommand = job%d %d\n"
                              "output = s%d/${partition}\n",
                              i, halves[i] ? "30m" : "hour", needs[i], i, p->generation[i], i);
}

static void node_text(const struct play *p, uint32_t id, char ret[SG_NODE_TEXT],
                      struct sg_node_view *v)
{
    sg_plan_node(p->w.plan, (struct sg_node_id){ id }, v);
    sg_node_format(v->stage, v->index, ret);
}

struct waits {
    const bool *done;
    bool yes;
};

static void wait_for(void *ctx, struct sg_node_id other, bool optional)
{
    struct waits *w = ctx;

    (void)optional;
    w->yes |= !w->done[other.i];
}

/* One node as its attempt would do it. */
static void attempt(struct play *p, uint32_t id)
{
    struct sg_node_view v;
    struct sg_decision d;
    char node[SG_NODE_TEXT], content[SG_NODE_TEXT + 32];

    node_text(p, id, node, &v);
    world_decide(&p->w, node,
                 (struct sg_decide_ask){ .planned_upstream = v.reason == SG_REASON_UPSTREAM }, &d);
    if (v.reason != SG_REASON_UPSTREAM)
        assert_int_equal(d.what, SG_DECIDE_RUN);
    if (d.what == SG_DECIDE_FRESH) {
        p->n_unchanged++;
        return;
    }
    assert_int_equal(d.what, SG_DECIDE_RUN);
    p->n_ran++;
    (void)snprintf(content, sizeof(content), "%s %u", node, chance(p, 2));
    world_build_as(&p->w, node, content);
}

/* Plays the run of the plan at hand. */
static void play(struct play *p)
{
    uint32_t n = sg_plan_nodes(p->w.plan), left = 0;
    bool *done = calloc(n + 1, sizeof(*done));

    for (uint32_t id = 0; id < n; id++) {
        struct sg_node_view v;

        sg_plan_node(p->w.plan, (struct sg_node_id){ id }, &v);
        done[id] = v.verdict != SG_VERDICT_RUN;
        left += v.verdict == SG_VERDICT_RUN;
    }
    while (left > 0) {
        uint32_t before = left;

        for (uint32_t id = 0; id < n; id++) {
            struct waits w = { .done = done };

            if (done[id])
                continue;
            sg_plan_needs(p->w.plan, (struct sg_node_id){ id }, wait_for, &w);
            if (w.yes)
                continue;
            attempt(p, id);
            done[id] = true;
            left--;
        }
        assert_true(left < before); /* else it would wait for ever */
    }
    free(done);
}

static void change(struct play *p)
{
    char node[SG_NODE_TEXT], content[32];
    struct sg_node_view v;

    switch (chance(p, 4)) {
    case 0:
        p->generation[chance(p, N_STAGES)]++;
        break;
    case 1: /* an hour of the source */
        (void)snprintf(node, sizeof(node), "landing@2024-01-01T%02u", chance(p, HOURS));
        (void)snprintf(content, sizeof(content), "again %u", chance(p, 1000));
        world_source(&p->w, node, content);
        break;
    default:
        node_text(p, chance(p, sg_plan_nodes(p->w.plan)), node, &v);
        if (v.asked && !v.stage->is_source)
            chance(p, 2) ? world_lose(&p->w, node) : world_marker(&p->w, node, "{\"stagegraph\":1");
    }
}

static void play_seed(struct play *p, unsigned seed)
{
    char needs[N_STAGES][220];
    bool halves[N_STAGES];
    struct sg_plan_counts c;

    p->random = seed * 2654435761u + 1;
    memset(p->generation, 0, sizeof(p->generation));
    for (int i = 0; i < N_STAGES; i++) {
        halves[i] = chance(p, 3) == 0;
        add_needs(p, i, needs[i], sizeof(needs[i]));
    }
    write_graph(p, needs, halves);
    world_open(&p->w, p->graph);
    world_at(&p->w, "2024-01-01T03:00:00Z");
    world_range(&p->w, "2024-01-01T00:00:00Z", "2024-01-01T03:00:00Z");
    for (int h = 0; h < HOURS; h++) {
        char node[SG_NODE_TEXT];

        (void)snprintf(node, sizeof(node), "landing@2024-01-01T%02d", h);
        world_source(&p->w, node, "v1");
    }
    for (int round = 0; round < 2; round++) {
        world_graph(&p->w, p->graph);
        world_at(&p->w, "2024-01-01T03:00:00Z");
        world_range(&p->w, "2024-01-01T00:00:00Z", "2024-01-01T03:00:00Z");
        world_plan(&p->w);
        play(p);
        world_plan(&p->w);
        sg_plan_count(p->w.plan, &c);
        if (c.run != 0 || c.blocked != 0 || c.debt != 0)
            fail_msg("seed %u, round %d: %u to run, %u blocked, %u debt after the run\n%s", seed,
                     round, c.run, c.blocked, c.debt, p->graph);
        for (unsigned k = 1 + chance(p, 3); k > 0; k--)
            change(p);
        write_graph(p, needs, halves);
    }
    world_close(&p->w);
}

static void what_runs_is_what_the_plan_said_less_what_came_out_unchanged(void **state)
{
    const char *one = getenv("SG_SEED"), *many = getenv("SG_SEEDS");
    static struct play p;
    unsigned first = one ? (unsigned)atoi(one) : 1;
    unsigned n = one ? 1 : many ? (unsigned)atoi(many) : 1000;

    (void)state;
    for (unsigned seed = first; seed < first + n; seed++) {
        memset(&p.w, 0, sizeof(p.w));
        play_seed(&p, seed);
    }
    print_message("%u nodes ran, %u came out unchanged\n", p.n_ran, p.n_unchanged);
    assert_true(one || (p.n_ran > 0 && p.n_unchanged > 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_runs_is_what_the_plan_said_less_what_came_out_unchanged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
