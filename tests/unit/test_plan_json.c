#define FAKE_PLAN
#include "report_fake.inc"

#include "stagegraph/clock.h"
#include "stagegraph/json.h"
#include "stagegraph/plan_json.h"

static const char *show(struct fake_plan *f, struct fake_out *o, const struct sg_plan_json *how)
{
    struct sg_error err = SG_ERROR_INIT;

    assert_true(sg_plan_json_write(&o->out, &f->view, how, &err));
    return fake_out_take(o);
}

static void a_plan_is_one_document(void **state)
{
    static const char *const lacks[] = { "landing@2013-01-04T05" };
    static const char *const whys[] = { "unsettled: newest file 12s old, settle 5m" };
    struct fake_plan *f = fake_plan_new();
    struct sg_plan_group groups[4];
    struct sg_debt debts[3];
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ 0 });
    f->view.now_s = utc("2013-02-01T00:10:00Z");
    f->view.range =
        (struct sg_interval){ utc("2013-01-01T00:00:00Z"), utc("2013-02-01T00:00:00Z") };
    groups[0] =
        run_group(f, SILVER, "2013-01-10T00", "2013-01-12T23", SG_REASON_CODE, "a \"b\".py");
    groups[1] = run_group(f, GOLD, "2013-01-10", "2013-01-12", SG_REASON_UPSTREAM, "silver");
    groups[2] = run_group(f, BRONZE, "2013-01-04T05", "2013-01-04T05", SG_REASON_MISSING, "");
    groups[2].verdict = SG_VERDICT_BLOCKED;
    groups[2].lacks = lacks;
    groups[2].lacks_why = whys;
    groups[2].n_lacks = groups[2].n_lacks_all = 1;
    groups[3] = run_group(f, GOLD, "2013-01-04", "2013-01-04", SG_REASON_INPUT, "silver");
    groups[3].verdict = SG_VERDICT_BUSY;
    groups[3].run = "20130201T000812-3f2a9c";
    groups[0].jobs = 3;
    fake_plan_set(f, groups, 4, (const uint32_t[3]){ 743, 671, 27 });
    f->usual[SILVER] = 180;
    debts[0] = (struct sg_debt){ &f->stages[SILVER], SG_REASON_CODE, 6, false, 0, 0 };
    debts[1] = (struct sg_debt){ &f->stages[SILVER], SG_REASON_CODE, 26250, true, 0, 0 };
    debts[2] = (struct sg_debt){ &f->stages[SILVER], SG_REASON_PARAMS, 1, true, 0, 0 };
    f->debts = debts;
    f->n_debts = 3;
    assert_string_equal(
        show(f, &o, &(struct sg_plan_json){ .jobs = 1, .usual = &f->source }),
        "{\"graph\":\"flights\",\"now\":\"2013-02-01T00:10:00Z\",\"from\":\"2013-01-01T00:00:00Z\","
        "\"to\":\"2013-02-01T00:00:00Z\","
        "\"groups\":[{\"stage\":\"silver\",\"first\":\"2013-01-10T00\",\"last\":\"2013-01-12T23\","
        "\"count\":72,\"jobs\":3,\"reason\":\"code\",\"detail\":\"a \\\"b\\\".py\","
        "\"estimate_seconds\":12960.0},"
        "{\"stage\":\"gold\",\"first\":\"2013-01-10\",\"last\":\"2013-01-12\",\"count\":3,\"jobs\":3,"
        "\"reason\":\"upstream\",\"detail\":\"silver\",\"estimate_seconds\":null}],"
        "\"blocked\":[{\"stage\":\"bronze\",\"first\":\"2013-01-04T05\",\"last\":\"2013-01-04T05\","
        "\"count\":1,\"reason\":\"missing\",\"lacks\":[\"landing@2013-01-04T05\"],"
        "\"lacks_why\":[\"unsettled: newest file 12s old, settle 5m\"]}],"
        "\"busy\":[{\"stage\":\"gold\",\"first\":\"2013-01-04\",\"last\":\"2013-01-04\",\"count\":1,"
        "\"reason\":\"input\",\"lacks\":[],\"run\":\"20130201T000812-3f2a9c\"}],"
        "\"fresh\":{\"bronze\":743,\"silver\":671,\"gold\":27},"
        "\"debt\":{\"bronze\":0,\"silver\":26257,\"gold\":0},"
        "\"debts\":[{\"stage\":\"silver\",\"reason\":\"code\",\"count\":26256},"
        "{\"stage\":\"silver\",\"reason\":\"params\",\"count\":1}],"
        "\"totals\":{\"nodes\":75,\"jobs\":6,\"fresh\":1441,\"blocked\":1,\"busy\":1,"
        "\"estimate_seconds\":null}}\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

static void a_once_has_no_label_and_an_empty_range_no_ends(void **state)
{
    struct fake_plan *f = fake_plan_new();
    struct sg_plan_group group;
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ 0 });
    group = run_group(f, DIM, "", "", SG_REASON_MISSING, "");
    f->view.counts.run = 1;
    f->view.jobs = 1;
    f->view.n_stages = 0;
    f->groups = &group;
    f->n_groups = 1;
    assert_string_equal(
        show(f, &o,
             &(struct sg_plan_json){
                 .jobs = 1, .event_time = "2013-02-01T00:10:00.000Z", .event_run = "r" }),
        "{\"event\":\"plan\",\"time\":\"2013-02-01T00:10:00.000Z\",\"run\":\"r\","
        "\"graph\":\"flights\",\"now\":\"1970-01-01T00:00:00Z\",\"from\":null,\"to\":null,"
        "\"groups\":[{\"stage\":\"dim\",\"first\":null,\"last\":null,\"count\":1,\"jobs\":1,"
        "\"reason\":\"missing\",\"detail\":null,\"estimate_seconds\":null}],"
        "\"blocked\":[],\"busy\":[],\"fresh\":{},\"debt\":{},\"debts\":[],"
        "\"totals\":{\"nodes\":1,\"jobs\":1,\"fresh\":0,\"blocked\":0,\"busy\":0,"
        "\"estimate_seconds\":null}}\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

/* More text than the writer's buffer, in pieces, is still one document. */
static void many_groups_are_a_stream(void **state)
{
    enum { N = 20000 };
    struct fake_plan *f = fake_plan_new();
    struct sg_plan_group *groups = calloc(N, sizeof(*groups));
    struct sg_json_reader r;
    enum sg_json_event e;
    struct fake_out o;
    size_t objects = 0;

    (void)state;
    assert_non_null(groups);
    fake_out_init(&o, (struct sg_out_config){ 0 });
    for (int i = 0; i < N; i++) {
        groups[i] = run_group(f, BRONZE, "2013-01-04T05", "2013-01-04T05", SG_REASON_MISSING, "");
        groups[i].first = groups[i].last = groups[i].first + i;
    }
    fake_plan_set(f, groups, N, (const uint32_t[3]){ 0, 0, 0 });
    sg_json_reader_init(&r, sg_span_of(show(f, &o, &(struct sg_plan_json){ .jobs = 1 })));
    while ((e = sg_json_next(&r)) != SG_JSON_END) {
        assert_int_not_equal(e, SG_JSON_BAD);
        objects += e == SG_JSON_OBJECT;
    }
    assert_int_equal(objects, N + 4); /* document, fresh, debt, totals */
    sg_json_reader_done(&r);
    fake_out_done(&o);
    fake_plan_free(f);
    free(groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_one_document),
        cmocka_unit_test(a_once_has_no_label_and_an_empty_range_no_ends),
        cmocka_unit_test(many_groups_are_a_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
