/*
 * Where batches are cut; and on random plans against a cut that is as naive as can be: it knows all
 * that every node reaches. A failure names its seed; BATCH_SEEDS says how many (200).
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

/* "00-03 04-05 07": the batches of a stage's nodes that will run, by label. */
static const char *batches(const struct world *w, const char *stage)
{
    static char text[4000];
    const struct sg_stage *s = sg_graph_find_stage(w->graph, stage);
    const struct sg_plan_stage *v = sg_plan_stage(w->plan, s->id);

    text[0] = '\0';
    for (int64_t x = v->lo; x < v->hi; x++) {
        struct sg_node_id n = { v->base + (uint32_t)(x - v->lo) }, first;
        struct sg_node_view view;
        char from[SG_LABEL_TEXT], part[100];
        uint32_t count;

        sg_plan_node(w->plan, n, &view);
        if (view.verdict != SG_VERDICT_RUN)
            continue;
        sg_plan_batch(w->plan, n, &first, &count);
        if (first.i != n.i)
            continue;
        sg_calendar_label(&s->cal, x, from);
        (void)snprintf(part, sizeof(part), "%s%s+%u", text[0] != '\0' ? " " : "", from + 5, count);
        strcat(text, part);
    }
    return text;
}

#define DAYS              "[graph]\ndelay = 0\nstart = 2024-01-01\npartition = day\n[store]\nroot = store\n"
#define STAGE(name, rest) "[stage " name "]\ncommand = " name "\noutput = " name "/${ds}\n" rest

static void a_number_and_a_duration_are_counted_from_the_first(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, DAYS STAGE("a", "batch = 3\n") STAGE("b", "batch = 2d\n")
                       STAGE("c", "batch = 47h\n") STAGE("d", ""));
    world_at(&w, "2024-01-08T00:00:00Z");
    world_plan(&w);
    assert_string_equal(batches(&w, "a"), "01-01+3 01-04+3 01-07+1");
    assert_string_equal(batches(&w, "b"), "01-01+2 01-03+2 01-05+2 01-07+1");
    assert_string_equal(batches(&w, "c"),
                        "01-01+1 01-02+1 01-03+1 01-04+1 01-05+1 01-06+1 01-07+1");
    assert_string_equal(batches(&w, "d"), batches(&w, "c"));
    world_close(&w);
}

/* 2024-03-31 has 23 hours there, 2024-10-27 25. */
static void a_local_day_counts_as_one_whatever_the_clocks_do(void **state)
{
    static const char *const starts[] = { "2024-03-29", "2024-10-25" };
    static const char *const now[] = { "2024-04-11T22:00:00Z", "2024-11-07T23:00:00Z" };
    static const char *const want[] = { "03-29+7 04-05+7", "10-25+7 11-01+7" };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world w;
        char graph[400];

        (void)snprintf(graph, sizeof(graph),
                       "[graph]\ndelay = 0\nstart = %s\npartition = day\ntimezone = Europe/Berlin\n"
                       "[store]\nroot = store\n" STAGE("a", "batch = 7d\n"),
                       starts[i]);
        world_open(&w, graph);
        world_at(&w, now[i]);
        world_plan(&w);
        assert_string_equal(batches(&w, "a"), want[i]);
        world_close(&w);
    }
}

static void a_date_that_never_was_does_not_cut(void **state)
{
    struct world w;

    (void)state;
    world_open(&w,
               "[graph]\ndelay = 0\nstart = 2011-12-28\npartition = day\ntimezone = Pacific/Apia\n"
               "[store]\nroot = store\n" STAGE("a", "batch = 3\n"));
    world_at(&w, "2012-01-01T11:00:00Z");
    world_plan(&w);
    assert_string_equal(batches(&w, "a"), "12-28+3 01-01+1");
    world_close(&w);
}

static void what_does_not_run_cuts(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, DAYS STAGE("a", "batch = 9\n"));
    world_at(&w, "2024-01-10T00:00:00Z");
    world_plan(&w);
    world_build(&w, "a@2024-01-03");
    world_claim(&w, "a@2024-01-06", "other", 1, true);
    world_plan(&w);
    assert_string_equal(batches(&w, "a"), "01-01+2 01-04+2 01-07+3");
    world_close(&w);
}

static void a_chain_is_one_batch(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, DAYS STAGE("a", "needs = a@-2..-1\nbatch = 4\n"));
    world_at(&w, "2024-01-08T00:00:00Z");
    world_plan(&w);
    assert_string_equal(batches(&w, "a"), "01-01+4 01-05+3");
    world_close(&w);
}

#define SILVER_OF_GOLD                                                                             \
    "[graph]\ndelay = 0\nstart = 2024-01-01\npartition = hour\n[store]\nroot = store\n"            \
    "[stage silver]\nneeds = gold@-1\ncommand = s\noutput = s/${ds}/${HH}\nbatch = 30\n"           \
    "[stage gold]\npartition = day\nneeds = silver\ncommand = g\noutput = g/${ds}\nbatch = 9\n"

static void a_need_by_way_of_another_stage_cuts_where_that_runs(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, SILVER_OF_GOLD);
    world_at(&w, "2024-01-04T00:00:00Z");
    world_plan(&w);
    assert_string_equal(batches(&w, "silver"), "01-01T00+24 01-02T00+24 01-03T00+24");
    assert_string_equal(batches(&w, "gold"), "01-01+1 01-02+1 01-03+1");
    /* gold of the first day does not run: the second day's silver reaches none of the first */
    world_marker(&w, "gold@2024-01-01", "");
    w.request.stale = 1u << SG_REASON_MISSING;
    world_plan(&w);
    assert_string_equal(batches(&w, "silver"), "01-01T00+30 01-02T06+18 01-03T00+24");
    world_close(&w);
}

/* Right one by one, and waiting for each other: one@4 needs two@2, two@3 needs one@3. */
static void batches_of_two_stages_never_wait_for_each_other(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, DAYS STAGE("one", "needs = two@-2\nbatch = 2\n")
                       STAGE("two", "needs = one\nbatch = 2\n"));
    world_at(&w, "2024-01-08T00:00:00Z");
    world_plan(&w);
    assert_string_equal(batches(&w, "one"), "01-01+2 01-03+2 01-05+2 01-07+1");
    assert_string_equal(batches(&w, "two"), "01-01+2 01-03+2 01-05+2 01-07+1");
    world_marker(&w, "two@2024-01-01", "");
    w.request.stale = 1u << SG_REASON_MISSING;
    world_plan(&w);
    assert_string_equal(batches(&w, "one"), "01-01+2 01-03+2 01-05+2 01-07+1");
    assert_string_equal(batches(&w, "two"), "01-02+1 01-03+2 01-05+2 01-07+1");
    world_close(&w);
}

static bool add_jobs(void *ctx, const struct sg_plan_group *g)
{
    char part[60];

    (void)snprintf(part, sizeof(part), "%u/%u ", g->count, g->jobs);
    strcat(ctx, part);
    return true;
}

static void a_batch_counts_where_its_first_member_is(void **state)
{
    char text[200] = "";
    struct world w;

    (void)state;
    world_open(&w, DAYS STAGE("a", "batch = 4\n"));
    world_at(&w, "2024-01-07T00:00:00Z");
    world_marker(&w, "a@2024-01-03", "{\"stagegraph\":1}");
    world_plan(&w);
    assert_true(sg_plan_groups(w.plan, SG_VERDICT_RUN, add_jobs, text));
    assert_string_equal(text, "2/1 1/0 3/1 "); /* missing, damaged, missing: 1–4, 5–6 */
    world_close(&w);
}

/* ---- random plans */

enum { MAX_NODES = 400 };

struct naive {
    const struct world *w;
    uint32_t n, from;
    bool needs[MAX_NODES][MAX_NODES]; /* one edge */
    bool reach[MAX_NODES][MAX_NODES]; /* any number, none included */
    uint64_t random, seed;
};

static unsigned chance(struct naive *m, unsigned n)
{
    m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(m->random >> 33) % n;
}

static void add_edge(void *ctx, struct sg_node_id other, bool optional)
{
    struct naive *m = ctx;

    (void)optional;
    m->needs[m->from][other.i] = m->reach[m->from][other.i] = true;
}

static void find_reach(struct naive *m)
{
    bool more = true;

    m->n = sg_plan_nodes(m->w->plan);
    assert_in_range(m->n, 1, MAX_NODES);
    memset(m->needs, 0, sizeof(m->needs));
    memset(m->reach, 0, sizeof(m->reach));
    for (m->from = 0; m->from < m->n; m->from++) {
        struct sg_node_view v;

        m->reach[m->from][m->from] = true;
        sg_plan_node(m->w->plan, (struct sg_node_id){ m->from }, &v);
        if (v.verdict == SG_VERDICT_RUN)
            sg_plan_needs(m->w->plan, (struct sg_node_id){ m->from }, add_edge, m);
    }
    while (more) {
        more = false;
        for (uint32_t a = 0; a < m->n; a++)
            for (uint32_t b = 0; b < m->n; b++)
                for (uint32_t c = 0; m->needs[a][b] && c < m->n; c++)
                    if (m->reach[b][c] && !m->reach[a][c])
                        more = m->reach[a][c] = true;
    }
}

static const struct sg_stage *stage_of(const struct naive *m, uint32_t id)
{
    struct sg_node_view v;

    sg_plan_node(m->w->plan, (struct sg_node_id){ id }, &v);
    return v.stage;
}

static bool runs(const struct naive *m, uint32_t id)
{
    struct sg_node_view v;

    sg_plan_node(m->w->plan, (struct sg_node_id){ id }, &v);
    return v.verdict == SG_VERDICT_RUN;
}

/* Does one of [first, last] need another through a node of another stage? */
static bool conflicts(const struct naive *m, uint32_t first, uint32_t last)
{
    for (uint32_t a = first; a <= last; a++)
        for (uint32_t x = 0; x < m->n; x++) {
            if (!m->needs[a][x] || stage_of(m, x) == stage_of(m, a))
                continue;
            for (uint32_t b = first; b <= last; b++)
                if (m->reach[x][b])
                    return true;
        }
    return false;
}

static uint32_t first_of(const struct naive *m, uint32_t id)
{
    struct sg_node_id first;
    uint32_t count;

    sg_plan_batch(m->w->plan, (struct sg_node_id){ id }, &first, &count);
    return first.i;
}

static bool has_room(const struct sg_stage *s, uint32_t count)
{
    int64_t one = s->cal.unit == SG_UNIT_DAY ? 86400 : 3600;

    return s->batch_s != 0 ? count * one <= s->batch_s : count <= s->batch_count;
}

static void assert_cut(const struct naive *m, const struct sg_stage *s, bool alone)
{
    const struct sg_plan_stage *v = sg_plan_stage(m->w->plan, s->id);
    uint32_t end = v->base + (uint32_t)(v->hi - v->lo), first = end;

    for (uint32_t id = v->base; id < end; id++) {
        if (!runs(m, id)) {
            first = end;
            continue;
        }
        if (!alone) { /* what its own batches say is at least right by itself */
            first = first_of(m, id);
            if (first > id || (id != first && !has_room(s, id - first + 1)) ||
                (id != first && conflicts(m, first, id)))
                fail_msg("BATCH_SEED=%d: %s: node %u of %u", (int)m->seed, s->name, id, first);
            continue;
        }
        if (first == end || !has_room(s, id - first + 1) || conflicts(m, first, id))
            first = id;
        if (first_of(m, id) != first)
            fail_msg("BATCH_SEED=%d: %s: node %u of %u, not %u", (int)m->seed, s->name, id,
                     first_of(m, id), first);
    }
}

/* Takes away jobs that need no other, until none is left. */
static void assert_no_way_round(const struct naive *m)
{
    bool left[MAX_NODES], more = true;
    uint32_t n_left = 0;

    for (uint32_t i = 0; i < m->n; i++)
        left[i] = runs(m, i) && first_of(m, i) == i;
    while (more) {
        more = false;
        n_left = 0;
        for (uint32_t job = 0; job < m->n; job++) {
            bool waits = false;

            if (!left[job])
                continue;
            for (uint32_t a = job; a < m->n; a++)
                for (uint32_t x = 0; runs(m, a) && first_of(m, a) == job && x < m->n; x++)
                    waits |= m->needs[a][x] && first_of(m, x) != job && left[first_of(m, x)];
            left[job] = waits;
            n_left += waits;
            more |= !waits;
        }
    }
    if (n_left != 0)
        fail_msg("BATCH_SEED=%d: %u jobs wait for each other", (int)m->seed, n_left);
}

static void add_need(struct naive *m, int self, int of, bool is_day, char *graph)
{
    unsigned k = chance(m, 6), n = chance(m, 3);

    if (of >= self || is_day)
        k++;
    if (of >= self || k > 3)
        (void)sprintf(graph + strlen(graph), " n%d@-%u..-%u", of, k + n, k);
    else
        (void)sprintf(graph + strlen(graph), " n%d", of);
    if (chance(m, 5) == 0)
        strcat(graph, "?");
}

static void make_graph(struct naive *m, bool one, char *graph)
{
    int n = 2 + (int)chance(m, 3), days = chance(m, 2) ? n - 1 : n;

    strcpy(graph, HEAD);
    for (int i = 0; i < n; i++) {
        (void)sprintf(graph + strlen(graph),
                      "[stage n%d]\ncommand = n%d\noutput = n%d/${ds}%s\n"
                      "partition = %s\nneeds =",
                      i, i, i, i < days ? "/${HH}" : "", i < days ? "hour" : "day");
        if (i == days) { /* the hours of its day, and the hours need the day before */
            (void)sprintf(graph + strlen(graph), " n%d", (int)chance(m, (unsigned)i));
        } else {
            for (int of = 0; of < n; of++)
                if (of == days && chance(m, 2))
                    (void)sprintf(graph + strlen(graph), " n%d@-1", of);
                else if (of != days && chance(m, 2))
                    add_need(m, i, of, false, graph);
        }
        strcat(graph, "\n");
        if (!one || i == 0)
            (void)sprintf(graph + strlen(graph), "batch = %u%s\n", 1 + chance(m, 14),
                          chance(m, 2) ? "h" : "");
    }
}

static void one_random_plan(struct naive *m, uint64_t seed, uint32_t *n_batched)
{
    bool one = seed % 2;
    char graph[4000], node[SG_NODE_TEXT];
    struct world w;

    m->random = seed * 77 + 5;
    m->w = &w;
    make_graph(m, one, graph);
    print_message("%s", getenv("BATCH_SEED") != NULL ? graph : "");
    world_open(&w, graph);
    world_at(&w, "2024-01-02T12:00:00Z");
    world_plan(&w);
    for (uint32_t i = 0, n = sg_plan_nodes(w.plan), share = 1 + chance(m, 40); i < n; i++) {
        struct sg_node_view v;

        sg_plan_node(w.plan, (struct sg_node_id){ i }, &v);
        sg_node_format(v.stage, v.index, node);
        if (v.asked && chance(m, share) == 0)
            world_marker(&w, node, "");
    }
    w.request.stale = 1u << SG_REASON_MISSING;
    world_plan(&w);
    if (sg_plan_nodes(w.plan) > 0)
        find_reach(m);
    for (uint32_t i = 0; i < w.graph->n_stages; i++)
        assert_cut(m, &w.graph->stages[i], one);
    assert_no_way_round(m);
    for (uint32_t i = 0; i < m->n; i++)
        *n_batched += runs(m, i) && first_of(m, i) != i;
    world_close(&w);
}

static void random_plans_are_cut_as_the_naive_way_does(void **state)
{
    static struct naive m;
    const char *many = getenv("BATCH_SEEDS"), *seed = getenv("BATCH_SEED");
    uint64_t end = many != NULL ? strtoull(many, NULL, 10) : 200;
    uint32_t n_batched = 0;

    (void)state;
    if (seed != NULL) {
        one_random_plan(&m, strtoull(seed, NULL, 10), &n_batched);
        return;
    }
    for (uint64_t i = 0; i < end; i++) {
        m.seed = i;
        one_random_plan(&m, i, &n_batched);
    }
    assert_true(n_batched > 5 * end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_and_a_duration_are_counted_from_the_first),
        cmocka_unit_test(a_local_day_counts_as_one_whatever_the_clocks_do),
        cmocka_unit_test(a_date_that_never_was_does_not_cut),
        cmocka_unit_test(what_does_not_run_cuts),
        cmocka_unit_test(a_chain_is_one_batch),
        cmocka_unit_test(a_need_by_way_of_another_stage_cuts_where_that_runs),
        cmocka_unit_test(batches_of_two_stages_never_wait_for_each_other),
        cmocka_unit_test(a_batch_counts_where_its_first_member_is),
        cmocka_unit_test(random_plans_are_cut_as_the_naive_way_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
