/* Each part of a stamp, then and now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define PARTS                                                                                      \
    "[graph]\ndelay = 0\nstart = 2024-01-01\npartition = hour\n[store]\nroot = store\n"            \
    "[source landing]\npath = landing/${ds}/${HH}\nmarker = _DONE\n"                               \
    "[stage dim]\npartition = once\ncommand = dim\noutput = dim\n[param mode]\ndefault = fast\n"
#define GRAPH                                                                                      \
    PARTS "[stage a]\nneeds = landing |dim\ncommand = a ${mode}\ncode = a.py\nversion = 1\n"       \
          "output = a/${ds}/${HH}\n"

struct rows {
    char text[8000];
    bool hide; /* versions are "*" */
};

static const char *value(const struct rows *r, const char *text)
{
    return text == NULL                                                  ? "-"
           : r->hide && strspn(text, "0123456789abcdef") == strlen(text) ? "*"
                                                                         : text;
}

static void add_row(void *ctx, const struct sg_explain_row *row)
{
    struct rows *r = ctx;
    char line[600];

    (void)snprintf(line, sizeof(line), "%s%s %s: %s | %s\n", row->differs ? "! " : "", row->part,
                   row->name, value(r, row->then), value(r, row->now));
    strcat(r->text, line);
}

static const char *explain(struct world *w, const char *node, struct sg_explanation *x)
{
    static struct rows r;
    struct sg_error err = SG_ERROR_INIT;

    r.text[0] = '\0';
    r.hide = true;
    if (!sg_plan_explain(w->plan, world_node(w, node), &w->arena, x, add_row, &r, &err))
        fail_msg("%s", err.text);
    return r.text;
}

static void open_built(struct world *w)
{
    world_open(w, PARTS);
    scratch_write(&w->scratch, "a.py", "one");
    world_graph(w, GRAPH);
    world_at(w, "2024-01-01T02:00:00Z");
    world_source(w, "landing@2024-01-01T00", "rows");
    world_source(w, "landing@2024-01-01T01", "rows");
    world_build_all(w);
}

static void a_fresh_node_shows_equal_parts(void **state)
{
    struct sg_explanation x;
    struct world w;

    (void)state;
    open_built(&w);
    assert_string_equal(explain(&w, "a@2024-01-01T00", &x),
                        "code a.py: * | *\n"
                        "command check: [\"written\"] | [\"written\"]\n"
                        "command command: [\"a\",\"${mode}\"] | [\"a\",\"${mode}\"]\n"
                        "params mode: fast | fast\n"
                        "version version: * | *\n"
                        "need 1: landing | landing\n"
                        "input landing@2024-01-01T00: * | *\n"
                        "order-only dim: * | *\n");
    assert_int_equal(x.view.verdict, SG_VERDICT_FRESH);
    assert_int_equal(x.marker.kind, SG_MARKER_DONE);
    assert_string_equal(x.receipt.run, "20240101T000000-000001");
    assert_null(x.claim);
    assert_null(x.damage);
    world_close(&w);
}

static void what_differs_is_marked(void **state)
{
    struct sg_explanation x;
    struct world w;

    (void)state;
    open_built(&w);
    scratch_write(&w.scratch, "a.py", "one and a half");
    world_source(&w, "landing@2024-01-01T00", "more rows");
    world_build_as(&w, "dim", "other");
    world_graph(&w, PARTS "[stage a]\nneeds = landing |dim\ncommand = a ${mode} --now\n"
                          "code = a.py\nenv.X = 1\noutput = a/${ds}/${HH}\n");
    world_plan(&w);
    assert_string_equal(explain(&w, "a@2024-01-01T00", &x),
                        "! code a.py: * | *\n"
                        "command check: [\"written\"] | [\"written\"]\n"
                        "! command command: [\"a\",\"${mode}\"] | [\"a\",\"${mode}\",\"--now\"]\n"
                        "! command env.X: - | [\"1\"]\n"
                        "params mode: fast | fast\n"
                        "! version version: * | *\n"
                        "need 1: landing | landing\n"
                        "! input landing@2024-01-01T00: * | *\n"
                        "order-only dim: * | *\n");
    assert_int_equal(x.view.verdict, SG_VERDICT_RUN);
    assert_string_equal(x.view.detail, "a.py");
    world_close(&w);
}

static void without_a_receipt_only_today_is_known(void **state)
{
    struct sg_explanation x;
    struct world w;

    (void)state;
    open_built(&w);
    world_lose(&w, "a@2024-01-01T01");
    world_plan(&w);
    assert_non_null(strstr(explain(&w, "a@2024-01-01T01", &x), "params mode: - | fast\n"));
    assert_null(strstr(explain(&w, "a@2024-01-01T01", &x), "!"));
    assert_int_equal(x.marker.kind, SG_MARKER_ABSENT);
    world_close(&w);
}

static void a_gone_input_is_called_gone(void **state)
{
    struct sg_explanation x;
    struct world w;

    (void)state;
    open_built(&w);
    world_lose(&w, "landing@2024-01-01T01");
    world_plan(&w);
    assert_non_null(
        strstr(explain(&w, "a@2024-01-01T01", &x), "\ninput landing@2024-01-01T01: * | gone\n"));
    world_close(&w);
}

static void damage_and_claims_are_told(void **state)
{
    struct sg_explanation x;
    struct world w;

    (void)state;
    open_built(&w);
    world_marker(&w, "a@2024-01-01T00", "{\"stagegraph\":1");
    world_claim(&w, "a@2024-01-01T00", "other-run", 3, false);
    world_claim(&w, "a@2024-01-01T01", "live-run", 1, true);
    world_plan(&w);
    (void)explain(&w, "a@2024-01-01T00", &x);
    assert_int_equal(x.marker.kind, SG_MARKER_DAMAGED);
    assert_non_null(x.damage);
    assert_true(x.damage[0] != '\0');
    assert_string_equal(x.claim, "dead claim of run other-run");
    (void)explain(&w, "a@2024-01-01T01", &x);
    assert_string_equal(x.claim, "held by run live-run");
    world_close(&w);
}

static void a_source_shows_its_version(void **state)
{
    struct sg_explanation x;
    struct world w;

    (void)state;
    open_built(&w);
    assert_string_equal(explain(&w, "landing@2024-01-01T00", &x),
                        "source landing@2024-01-01T00: - | *\n");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_node_shows_equal_parts),
        cmocka_unit_test(what_differs_is_marked),
        cmocka_unit_test(without_a_receipt_only_today_is_known),
        cmocka_unit_test(a_gone_input_is_called_gone),
        cmocka_unit_test(damage_and_claims_are_told),
        cmocka_unit_test(a_source_shows_its_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
