/* A plan as it is read: groups, debts, and the edges that the scheduler asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

struct listing {
    char text[4000];
};

static bool add_group(void *ctx, const struct sg_plan_group *g)
{
    struct listing *l = ctx;
    char first[SG_LABEL_TEXT], last[SG_LABEL_TEXT], line[700];

    sg_calendar_label(&g->stage->cal, g->first, first);
    sg_calendar_label(&g->stage->cal, g->last, last);
    (void)snprintf(line, sizeof(line), "%s %s %s %u %s", g->stage->name, first, last, g->count,
                   sg_reason_name(g->reason));
    strcat(l->text, line);
    if (g->detail[0] != '\0')
        strcat(strcat(l->text, " "), g->detail);
    for (uint32_t i = 0; i < g->n_lacks; i++)
        strcat(strcat(l->text, i == 0 ? " lacks " : ","), g->lacks[i]);
    if (g->run[0] != '\0')
        strcat(strcat(l->text, " run "), g->run);
    strcat(l->text, "\n");
    assert_int_equal(g->jobs, g->count);
    return true;
}

static const char *groups(const struct world *w, enum sg_verdict v)
{
    static struct listing l;

    l.text[0] = '\0';
    assert_true(sg_plan_groups(w->plan, v, add_group, &l));
    return l.text;
}

static void groups_are_unbroken_runs_of_one_reason(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    world_lose(&w, "silver@2024-01-01T00");
    world_lose(&w, "silver@2024-01-01T02");
    world_build_as(&w, "bronze@2024-01-01T01", "other");
    world_plan(&w);
    assert_string_equal(groups(&w, SG_VERDICT_RUN),
                        "silver 2024-01-01T00 2024-01-01T00 1 missing\n"
                        "silver 2024-01-01T01 2024-01-01T01 1 input bronze\n"
                        "silver 2024-01-01T02 2024-01-01T02 1 missing\n");
    world_build(&w, "silver@2024-01-01T01");
    world_plan(&w);
    assert_string_equal(groups(&w, SG_VERDICT_RUN),
                        "silver 2024-01-01T00 2024-01-01T00 1 missing\n"
                        "silver 2024-01-01T02 2024-01-01T02 1 missing\n");
    world_at(&w, "2024-01-01T05:00:00Z");
    world_plan(&w);
    assert_string_equal(groups(&w, SG_VERDICT_BLOCKED),
                        "bronze 2024-01-01T03 2024-01-01T04 2 missing lacks "
                        "landing@2024-01-01T03,landing@2024-01-01T04\n"
                        "silver 2024-01-01T03 2024-01-01T04 2 missing lacks "
                        "bronze@2024-01-01T03,bronze@2024-01-01T04\n");
    world_close(&w);
}

static void a_date_that_never_was_does_not_break_a_group(void **state)
{
    struct world w;

    (void)state;
    world_open(&w,
               "[graph]\ndelay = 0\nstart = 2011-12-28\npartition = day\ntimezone = Pacific/Apia\n"
               "[store]\nroot = store\n[stage d]\ncommand = d\noutput = d/${ds}\n");
    world_at(&w, "2012-01-01T11:00:00Z");
    world_plan(&w);
    assert_string_equal(groups(&w, SG_VERDICT_RUN), "d 2011-12-28 2012-01-01 4 missing\n");
    world_close(&w);
}

static void busy_groups_say_who_holds_them(void **state)
{
    struct world w;

    (void)state;
    world_open_flights(&w, HEAD LANDING BRONZE SILVER);
    world_claim(&w, "bronze@2024-01-01T01", "other-run", 1, true);
    world_plan(&w);
    assert_string_equal(groups(&w, SG_VERDICT_BUSY),
                        "bronze 2024-01-01T01 2024-01-01T01 1 missing run other-run\n"
                        "silver 2024-01-01T01 2024-01-01T01 1 missing run other-run\n");
    world_close(&w);
}

static struct sg_node_id node(const struct world *w, const char *name)
{
    const struct sg_stage *s;
    struct sg_error err = SG_ERROR_INIT;
    int64_t index;
    bool whole;

    assert_true(sg_node_parse(w->graph, name, &s, &index, &whole, &err));
    return sg_plan_find(w->plan, s->id, index);
}

/* Needs that overlap from member to member, and two that reach the same input. */
static void each_lacking_input_is_named_once(void **state)
{
    char lacks[SG_LACKS_TEXT];
    struct world w;

    (void)state;
    world_open(&w, HEAD LANDING "[stage sum]\npartition = hour\nneeds = landing@-1..0 landing\n"
                                "command = s\noutput = s/${ds}/${HH}\n");
    world_source(&w, "landing@2024-01-01T00", "x");
    world_at(&w, "2024-01-01T04:00:00Z");
    world_plan(&w);
    assert_string_equal(groups(&w, SG_VERDICT_BLOCKED),
                        "sum 2024-01-01T01 2024-01-01T03 3 missing lacks "
                        "landing@2024-01-01T01,landing@2024-01-01T02,landing@2024-01-01T03\n");
    assert_true(sg_plan_lacks(w.plan, node(&w, "sum@2024-01-01T03"), lacks));
    assert_string_equal(lacks, "landing@2024-01-01T02 and others are not there");
    assert_true(sg_plan_lacks(w.plan, node(&w, "sum@2024-01-01T01"), lacks));
    assert_string_equal(lacks, "landing@2024-01-01T01 is not there");
    assert_false(sg_plan_lacks(w.plan, node(&w, "sum@2024-01-01T00"), lacks));
    assert_string_equal(lacks, "");
    world_close(&w);
}

static bool see_whys(void *ctx, const struct sg_plan_group *g)
{
    struct listing *l = ctx;

    for (uint32_t i = 0; i < g->n_lacks; i++)
        snprintf(l->text + strlen(l->text), sizeof(l->text) - strlen(l->text), "%s (%s)\n",
                 g->lacks[i], g->lacks_why[i]);
    return true;
}

/* What has not settled is told apart from what is not there, and from what lies behind it. */
static void an_unsettled_source_is_named_as_the_cause(void **state)
{
    char lacks[SG_LACKS_TEXT];
    struct world w;
    struct listing l = { .text = "" };

    (void)state;
    world_open(&w, HEAD "[source table]\npartition = once\npath = table\nsettle = 2d\n"
                        "[source other]\npartition = once\npath = other\n"
                        "[stage sum]\npartition = once\nneeds = table other\n"
                        "command = s\noutput = s\n"
                        "[stage top]\npartition = once\nneeds = sum\n"
                        "command = s\noutput = t\n");
    world_source(&w, "table", "x");
    world_plan(&w);
    assert_true(sg_plan_groups(w.plan, SG_VERDICT_BLOCKED, see_whys, &l));
    assert_non_null(strstr(l.text, "table (unsettled: newest file "));
    assert_non_null(strstr(l.text, " old, settle 2d)\n"));
    assert_non_null(strstr(l.text, "\nother ()\nsum ()\n"));
    assert_true(sg_plan_lacks(w.plan, node(&w, "sum"), lacks));
    assert_non_null(strstr(lacks, ") and others are not there"));
    assert_true(sg_plan_lacks(w.plan, node(&w, "top"), lacks));
    assert_string_equal(lacks, "behind sum");
    world_close(&w);
}

static bool count_lacks(void *ctx, const struct sg_plan_group *g)
{
    uint32_t *counts = ctx;

    counts[0] = g->n_lacks;
    counts[1] = g->n_lacks_all;
    return true;
}

static void of_very_many_lacking_inputs_a_thousand_are_named(void **state)
{
    uint32_t counts[2] = { 0 };
    struct world w;

    (void)state;
    world_open(&w, HEAD LANDING "[stage month]\npartition = month\nneeds = landing\ncommand = m\n"
                                "output = m/${YYYY}${MM}\n");
    world_at(&w, "2024-04-02T00:00:00Z");
    world_plan(&w);
    assert_true(sg_plan_groups(w.plan, SG_VERDICT_BLOCKED, count_lacks, counts));
    assert_int_equal(counts[0], 1000);
    assert_int_equal(counts[1], 91 * 24);
    world_close(&w);
}

static void list_debt(void *ctx, const struct sg_debt *d)
{
    struct listing *l = ctx;
    char line[200];

    (void)snprintf(line, sizeof(line), "%u %s %s\n", d->count, d->stage->name,
                   sg_reason_name(d->reason));
    strcat(l->text, line);
}

static void debt_is_counted_by_stage_and_reason(void **state)
{
    struct listing l = { "" };
    struct world w;

    (void)state;
    world_open_flights(&w, FLIGHTS);
    world_build_all(&w);
    world_source(&w, "landing@2024-01-01T02", "more");
    world_lose(&w, "bronze@2024-01-01T00");
    world_lose(&w, "bronze@2024-01-01T01");
    w.request.stale = 1u << SG_REASON_CODE;
    world_plan(&w);
    sg_plan_debts(w.plan, list_debt, &l);
    assert_string_equal(l.text, "2 bronze missing\n1 bronze input\n");
    world_close(&w);
}

struct edges {
    char text[2000];
    const struct world *w;
};

static void add_edge(void *ctx, struct sg_node_id other, bool optional)
{
    struct edges *e = ctx;
    struct sg_node_view v;
    char name[SG_NODE_TEXT];

    sg_plan_node(e->w->plan, other, &v);
    sg_node_format(v.stage, v.index, name);
    strcat(strcat(e->text, name), optional ? "? " : " ");
}

static void edges_lead_to_nodes_with_jobs_and_are_told_once(void **state)
{
    static const char graph[] =
        HEAD "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n"
             "[stage b]\nneeds = a@-1..0? a b@-1\ncommand = b\noutput = b/${ds}/${HH}\n";
    struct edges needs;
    struct world w;

    (void)state;
    needs.w = &w;
    needs.text[0] = '\0';
    world_open(&w, graph);
    world_at(&w, "2024-01-01T04:00:00Z");
    world_build(&w, "a@2024-01-01T00");
    world_plan(&w);
    sg_plan_needs(w.plan, world_node(&w, "b@2024-01-01T02"), add_edge, &needs);
    assert_string_equal(needs.text, "a@2024-01-01T01? a@2024-01-01T02 b@2024-01-01T01 ");
    needs.text[0] = '\0';
    sg_plan_needs(w.plan, world_node(&w, "b@2024-01-01T00"), add_edge, &needs);
    assert_string_equal(needs.text, ""); /* a@T00 is fresh: no job */
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_unbroken_runs_of_one_reason),
        cmocka_unit_test(a_date_that_never_was_does_not_break_a_group),
        cmocka_unit_test(busy_groups_say_who_holds_them),
        cmocka_unit_test(each_lacking_input_is_named_once),
        cmocka_unit_test(an_unsettled_source_is_named_as_the_cause),
        cmocka_unit_test(of_very_many_lacking_inputs_a_thousand_are_named),
        cmocka_unit_test(debt_is_counted_by_stage_and_reason),
        cmocka_unit_test(edges_lead_to_nodes_with_jobs_and_are_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
