#define FAKE_PLAN
#include "report_fake.inc"

#include "stagegraph/clock.h"
#include "stagegraph/explain_text.h"

static struct sg_explanation explanation(struct fake_plan *f, enum sg_verdict v, enum sg_reason r,
                                         const char *detail)
{
    struct sg_explanation x = { .view = { .stage = &f->stages[SILVER],
                                          .index = at(f, SILVER, "2013-01-07T05"),
                                          .verdict = v,
                                          .asked = true,
                                          .reason = r,
                                          .detail = detail } };

    return x;
}

static void the_verdict_is_one_sentence(void **state)
{
    static const struct {
        enum sg_verdict verdict;
        enum sg_reason reason;
        const char *detail, *damage, *claim, *text;
    } rows[] = {
        { SG_VERDICT_RUN, SG_REASON_MISSING, "", NULL, NULL,
          "silver@2013-01-07T05 is stale (missing) and will run: it has no marker.\n" },
        { SG_VERDICT_RUN, SG_REASON_CODE, "jobs/silver.py", NULL, NULL,
          "silver@2013-01-07T05 is stale (code) and will run: its code changed: jobs/silver.py.\n" },
        { SG_VERDICT_RUN, SG_REASON_DAMAGED, "", "the checksum is wrong", NULL,
          "silver@2013-01-07T05 is stale (damaged) and will run: its receipt can't be read: the "
          "checksum is wrong.\n" },
        { SG_VERDICT_RUN, SG_REASON_INTERRUPTED, "", NULL, "dead claim of run x",
          "silver@2013-01-07T05 is stale (interrupted) and will run: an attempt did not come to its "
          "end: dead claim of run x.\n" },
        { SG_VERDICT_BLOCKED, SG_REASON_UPSTREAM, "bronze", NULL, NULL,
          "silver@2013-01-07T05 is blocked: bronze@2013-01-07T05 is not there. It is stale "
          "(upstream): an input will be rebuilt: bronze.\n" },
        { SG_VERDICT_BUSY, SG_REASON_MISSING, "", NULL, "held by run x",
          "silver@2013-01-07T05 is busy: held by run x. It is stale (missing): it has no marker.\n" },
        { SG_VERDICT_DEBT, SG_REASON_PARAMS, "max_wind: 150 -> 120", NULL, NULL,
          "silver@2013-01-07T05 is stale (params), but not for a reason that is asked for: a "
          "parameter changed: max_wind: 150 -> 120.\n" },
        { SG_VERDICT_INPUT, SG_REASON_NONE, "", NULL, NULL,
          "silver@2013-01-07T05 is not asked for, only an input.\n" },
    };
    struct fake_plan *f = fake_plan_new();
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_explanation x = explanation(f, rows[i].verdict, rows[i].reason, rows[i].detail);

        x.damage = rows[i].damage;
        x.claim = rows[i].claim;
        x.lacks =
            rows[i].verdict == SG_VERDICT_BLOCKED ? "bronze@2013-01-07T05 is not there" : NULL;
        sg_explain_text_write(&o.out, &x, NULL, 0);
        assert_string_equal(fake_out_take(&o), rows[i].text);
    }
    fake_out_done(&o);
    fake_plan_free(f);
}

static void a_blocked_node_says_where_its_source_should_be(void **state)
{
    struct fake_plan *f = fake_plan_new();
    struct sg_explanation x = explanation(f, SG_VERDICT_BLOCKED, SG_REASON_MISSING, "");
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    x.lacks = "dim is not there";
    x.source = "dim";
    x.source_path = "/data/dim/_DONE";
    sg_explain_text_write(&o.out, &x, NULL, 0);
    assert_string_equal(fake_out_take(&o),
                        "silver@2013-01-07T05 is blocked: dim is not there. It is stale (missing): "
                        "it has no marker.\n"
                        "dim is looked for at /data/dim/_DONE.\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

static void a_fresh_node_says_who_made_it(void **state)
{
    struct fake_plan *f = fake_plan_new();
    struct sg_explanation x = explanation(f, SG_VERDICT_FRESH, SG_REASON_NONE, "");
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    x.marker.kind = SG_MARKER_DONE;
    x.receipt.run = "20130107T061000-3f2a9c";
    x.receipt.started_s = utc("2013-01-07T06:10:02Z");
    x.receipt.seconds = 180.5;
    sg_explain_text_write(&o.out, &x, NULL, 0);
    assert_string_equal(
        fake_out_take(&o),
        "silver@2013-01-07T05 is fresh: made by run 20130107T061000-3f2a9c, started "
        "2013-01-07T06:10:02Z, in 3m 01s.\n");
    x.marker.kind = SG_MARKER_FOREIGN;
    sg_explain_text_write(&o.out, &x, NULL, 0);
    assert_string_equal(fake_out_take(&o),
                        "silver@2013-01-07T05 is fresh: its marker is not ours, so "
                        "only a newer input makes it stale.\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

static void the_parts_are_a_table_with_a_mark_where_they_differ(void **state)
{
    static const struct sg_explain_row rows[] = {
        { "code", "jobs/silver.py", "1111111111111111", "2222222222222222", true },
        { "command", "command",
          "[\"spark-submit\",\"jobs/silver.py\",\"--mode\",\"${mode}\",\"--out\"]",
          "[\"spark-submit\",\"jobs/silver.py\",\"--mode\",\"${mode}\",\"--to\"]", true },
        { "params", "max_wind", "150", "150", false },
        { "version", "version", NULL, "2", false },
        { "input", "bronze@2013-01-07T05", "aaaaaaaaaaaaaaaa", "gone", false },
    };
    struct fake_plan *f = fake_plan_new();
    struct sg_explanation x = explanation(f, SG_VERDICT_RUN, SG_REASON_CODE, "jobs/silver.py");
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    sg_explain_text_write(&o.out, &x, rows, sizeof(rows) / sizeof(rows[0]));
    assert_string_equal(
        fake_out_take(&o),
        "silver@2013-01-07T05 is stale (code) and will run: its code changed: jobs/silver.py.\n"
        "\n"
        "   PART     NAME                  THEN                                      NOW\n"
        "!  code     jobs/silver.py        1111111111111111                          2222222222222222\n"
        "!  command  command               [\"spark-submit\",\"jobs/silver.py\",\"--mod…  "
        "[\"spark-submit\",\"jobs/silver.py\",\"--mod…\n"
        "   params   max_wind              150                                       (same)\n"
        "   version  version               -                                         2\n"
        "   input    bronze@2013-01-07T05  aaaaaaaaaaaaaaaa                          gone\n"
        "\n"
        "command command\n"
        "  then: [\"spark-submit\",\"jobs/silver.py\",\"--mode\",\"${mode}\",\"--out\"]\n"
        "  now:  [\"spark-submit\",\"jobs/silver.py\",\"--mode\",\"${mode}\",\"--to\"]\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_verdict_is_one_sentence),
        cmocka_unit_test(a_blocked_node_says_where_its_source_should_be),
        cmocka_unit_test(a_fresh_node_says_who_made_it),
        cmocka_unit_test(the_parts_are_a_table_with_a_mark_where_they_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
