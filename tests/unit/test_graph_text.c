#define FAKE_PLAN
#include "report_fake.inc"

#include "stagegraph/clock.h"
#include "stagegraph/graph_text.h"

static struct sg_need silver_needs[] = {
    { .of = { BRONZE }, .text = "bronze" },
    { .of = { DIM }, .order_only = true, .text = "|dim" },
    { .of = { SILVER },
      .kind = SG_NEED_OFFSET,
      .lo = -1,
      .hi = -1,
      .optional = true,
      .text = "silver@-1?" },
};
static struct sg_need bronze_needs[] = { { .of = { LANDING }, .text = "landing" } };
static struct sg_need gold_needs[] = { { .of = { SILVER }, .text = "silver" } };

static struct fake_plan *graph(void)
{
    struct fake_plan *f = fake_plan_new();

    f->stages[BRONZE].needs = bronze_needs;
    f->stages[BRONZE].n_needs = 1;
    f->stages[SILVER].needs = silver_needs;
    f->stages[SILVER].n_needs = 3;
    f->stages[GOLD].needs = gold_needs;
    f->stages[GOLD].n_needs = 1;
    return f;
}

static void a_graph_is_a_table(void **state)
{
    struct fake_plan *f = graph();
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    sg_graph_text_write(&o.out, &f->graph);
    assert_string_equal(
        fake_out_take(&o),
        "Graph flights · store file:///data/warehouse · a partition is one hour · days of UTC\n"
        "\n"
        "STAGE    PARTITION  NEEDS                   TITLE\n"
        "landing  hour       (source)\n"
        "dim      once       (source)\n"
        "bronze   hour       landing                 BRONZE INGESTION\n"
        "silver   hour       bronze |dim silver@-1?  SILVER TRANSFORMATION\n"
        "gold     day        silver                  GOLD AGGREGATIONS\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

static void a_graph_is_dot(void **state)
{
    struct fake_plan *f = graph();
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    sg_graph_text_dot(&o.out, &f->graph);
    assert_string_equal(fake_out_take(&o),
                        "digraph \"flights\" {\n"
                        "  rankdir=LR;\n"
                        "  node [shape=box];\n"
                        "  \"landing\" [shape=cylinder tooltip=\"hour\"];\n"
                        "  \"dim\" [shape=cylinder tooltip=\"once\"];\n"
                        "  \"bronze\" [tooltip=\"hour\"];\n"
                        "  \"silver\" [tooltip=\"hour\"];\n"
                        "  \"gold\" [tooltip=\"day\"];\n"
                        "  \"landing\" -> \"bronze\" [style=solid];\n"
                        "  \"bronze\" -> \"silver\" [style=solid];\n"
                        "  \"dim\" -> \"silver\" [style=dotted];\n"
                        "  \"silver\" -> \"silver\" [label=\"silver@-1?\" style=dashed];\n"
                        "  \"silver\" -> \"gold\" [style=solid];\n"
                        "}\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

static void a_graph_is_json(void **state)
{
    struct fake_plan *f = graph();
    struct sg_error err = SG_ERROR_INIT;
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    f->graph.n_stages = 4;
    assert_true(sg_graph_text_json(&o.out, &f->graph, &err));
    assert_string_equal(
        fake_out_take(&o),
        "{\"graph\":\"flights\",\"file\":\"/flights/stagegraph.ini\",\"store\":\"/data/warehouse\","
        "\"timezone\":\"UTC\",\"partition\":\"hour\",\"stages\":["
        "{\"name\":\"landing\",\"title\":\"landing\",\"source\":true,\"partition\":\"hour\",\"needs\":[]},"
        "{\"name\":\"dim\",\"title\":\"dim\",\"source\":true,\"partition\":\"once\",\"needs\":[]},"
        "{\"name\":\"bronze\",\"title\":\"BRONZE INGESTION\",\"source\":false,\"partition\":\"hour\","
        "\"needs\":[{\"stage\":\"landing\",\"need\":\"landing\",\"kind\":\"meets\",\"first\":null,"
        "\"last\":null,\"optional\":false,\"order_only\":false}]},"
        "{\"name\":\"silver\",\"title\":\"SILVER TRANSFORMATION\",\"source\":false,"
        "\"partition\":\"hour\",\"needs\":["
        "{\"stage\":\"bronze\",\"need\":\"bronze\",\"kind\":\"meets\",\"first\":null,\"last\":null,"
        "\"optional\":false,\"order_only\":false},"
        "{\"stage\":\"dim\",\"need\":\"|dim\",\"kind\":\"meets\",\"first\":null,\"last\":null,"
        "\"optional\":false,\"order_only\":true},"
        "{\"stage\":\"silver\",\"need\":\"silver@-1?\",\"kind\":\"offset\",\"first\":-1,\"last\":-1,"
        "\"optional\":true,\"order_only\":false}]}]}\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_is_a_table),
        cmocka_unit_test(a_graph_is_dot),
        cmocka_unit_test(a_graph_is_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
