#define FAKE_PLAN
#include "report_fake.inc"

#include "stagegraph/clock.h"

static void ranges_read_as_people_say_them(void **state)
{
    static const struct {
        enum sg_unit unit;
        const char *from, *to, *plain, *counted;
    } rows[] = {
        { SG_UNIT_HOUR, "2013-01-01T00:00:00Z", "2013-02-01T00:00:00Z", "2013-01-01 … 2013-01-31",
          "2013-01-01 … 2013-01-31 (744 hours)" },
        { SG_UNIT_HOUR, "2013-01-07T00:00:00Z", "2013-01-08T00:00:00Z", "2013-01-07",
          "2013-01-07 (24 hours)" },
        { SG_UNIT_HOUR, "2013-01-01T00:00:00Z", "2014-01-01T00:00:00Z", "2013-01-01 … 2013-12-31",
          "2013-01-01 … 2013-12-31 (8,760 hours)" },
        { SG_UNIT_HOUR, "2013-01-07T05:00:00Z", "2013-01-07T06:00:00Z", "2013-01-07T05",
          "2013-01-07T05 (1 hour)" },
        { SG_UNIT_HOUR, "2013-01-06T05:00:00Z", "2013-01-07T06:00:00Z",
          "2013-01-06T05 … 2013-01-07T05", "2013-01-06T05 … 2013-01-07T05 (25 hours)" },
        { SG_UNIT_DAY, "2013-01-07T00:00:00Z", "2013-01-08T00:00:00Z", "2013-01-07",
          "2013-01-07 (1 day)" },
        { SG_UNIT_DAY, "2013-01-07T05:00:00Z", "2013-01-08T05:00:00Z", "2013-01-07 … 2013-01-08",
          "2013-01-07 … 2013-01-08 (2 days)" },
        { SG_UNIT_MONTH, "2013-01-01T00:00:00Z", "2013-03-01T00:00:00Z", "2013-01 … 2013-02",
          "2013-01 … 2013-02 (2 months)" },
        { SG_UNIT_ONCE, "2013-01-01T00:00:00Z", "2013-03-01T00:00:00Z", "2013-01-01 … 2013-02-28",
          "2013-01-01 … 2013-02-28" },
        { SG_UNIT_HOUR, "2013-01-07T05:00:00Z", "2013-01-07T05:00:00Z", "", "" },
    };
    struct fake_plan *f = fake_plan_new();
    char text[SG_RANGE_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_interval range = { utc(rows[i].from), utc(rows[i].to) };

        f->graph.cal.unit = rows[i].unit;
        sg_view_range_format(&f->view, range, false, text);
        assert_string_equal(text, rows[i].plain);
        sg_view_range_format(&f->view, range, true, text);
        assert_string_equal(text, rows[i].counted);
    }
    sg_view_range_format(&f->view, (struct sg_interval){ SG_TIME_MIN, SG_TIME_MAX }, true, text);
    assert_string_equal(text, "");
    sg_view_partitions_format(&f->stages[DIM], 0, 0, text);
    assert_string_equal(text, "-");
    fake_plan_free(f);
}

static void an_estimate_knows_what_can_run_at_once(void **state)
{
    static const uint32_t fresh[3];
    struct fake_plan *f = fake_plan_new();
    struct sg_plan_group groups[2];
    bool partial;

    (void)state;
    groups[0] = run_group(f, SILVER, "2013-01-10T00", "2013-01-10T09", SG_REASON_MISSING, "");
    groups[1] = run_group(f, GOLD, "2013-01-10", "2013-01-12", SG_REASON_UPSTREAM, "silver");
    fake_plan_set(f, groups, 2, fresh);
    assert_true(isnan(sg_view_estimate(&f->view, NULL, 1, &partial)));
    assert_true(isnan(sg_view_estimate(&f->view, &f->source, 1, &partial)));
    assert_false(partial);
    f->usual[SILVER] = 100;
    assert_true(sg_view_estimate(&f->view, &f->source, 1, &partial) == 1000);
    assert_true(partial);
    f->usual[GOLD] = 120;
    assert_true(sg_view_estimate(&f->view, &f->source, 1, &partial) == 1360);
    assert_false(partial);
    assert_true(sg_view_estimate(&f->view, &f->source, 2, &partial) == 680);
    assert_true(sg_view_estimate(&f->view, &f->source, 100, &partial) == 120); /* one job */
    f->stages[GOLD].pool = 0;                                                  /* of size 1 */
    assert_true(sg_view_estimate(&f->view, &f->source, 100, &partial) == 360);
    f->stages[SILVER].exclusive = true;
    assert_true(sg_view_estimate(&f->view, &f->source, 100, &partial) == 1000);
    fake_plan_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_read_as_people_say_them),
        cmocka_unit_test(an_estimate_knows_what_can_run_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
