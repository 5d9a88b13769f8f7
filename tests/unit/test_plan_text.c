#define FAKE_PLAN
#include "report_fake.inc"

#include <signal.h>
#include <sys/stat.h>

#include "stagegraph/clock.h"
#include "stagegraph/plan_text.h"

/* The plan of the contract: January 2013, three days of silver made by an older job. */
static void example(struct fake_plan *f, struct sg_plan_group groups[5])
{
    static const uint32_t fresh[3] = { 743, 671, 27 };
    static const char job[] = "jobs/silver/run_silver_pipeline.py";

    f->view.now_s = utc("2013-02-01T00:10:00Z");
    f->view.range =
        (struct sg_interval){ utc("2013-01-01T00:00:00Z"), utc("2013-02-01T00:00:00Z") };
    groups[0] = run_group(f, BRONZE, "2013-01-03T05", "2013-01-03T05", SG_REASON_MISSING, "");
    groups[1] =
        run_group(f, SILVER, "2013-01-03T05", "2013-01-03T05", SG_REASON_UPSTREAM, "bronze");
    groups[2] = run_group(f, SILVER, "2013-01-10T00", "2013-01-12T23", SG_REASON_CODE, job);
    groups[3] = run_group(f, GOLD, "2013-01-03", "2013-01-03", SG_REASON_UPSTREAM, "silver");
    groups[4] = run_group(f, GOLD, "2013-01-10", "2013-01-12", SG_REASON_UPSTREAM, "silver");
    fake_plan_set(f, groups, 5, fresh);
    f->usual[BRONZE] = 245;
    f->usual[SILVER] = 180;
    f->usual[GOLD] = 120;
}

static const char *show(struct fake_plan *f, struct fake_out *o, struct sg_plan_text how)
{
    how.program = "stagegraph";
    how.jobs = how.jobs > 0 ? how.jobs : 1;
    sg_plan_text_write(&o->out, &f->view, &how);
    return fake_out_take(o);
}

static void the_contracts_example_comes_out_to_the_letter(void **state)
{
    struct fake_plan *f = fake_plan_new();
    struct sg_plan_group groups[5];
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    example(f, groups);
    assert_string_equal(
        show(f, &o, (struct sg_plan_text){ .usual = &f->source }),
        "Graph flights · store file:///data/warehouse · 2013-01-01 … 2013-01-31 (744 hours) · now "
        "2013-02-01T00:10Z\n"
        "\n"
        "STAGE   PARTITIONS                        COUNT  JOBS  REASON                                      EST\n"
        "bronze  2013-01-03T05                         1     1  missing                                  4m 05s\n"
        "silver  2013-01-03T05                         1     1  upstream bronze                          3m 00s\n"
        "silver  2013-01-10T00 … 2013-01-12T23        72    72  code jobs/silver/run_silver_pipeline.py  3h 36m\n"
        "gold    2013-01-03                            1     1  upstream silver                          2m 00s\n"
        "gold    2013-01-10 … 2013-01-12               3     3  upstream silver                          6m 00s\n"
        "\n"
        "To run 78 nodes in 78 jobs, 1,441 fresh · about 3h 51m at -j1\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

static void what_is_not_known_is_a_dash_or_left_out(void **state)
{
    struct fake_plan *f = fake_plan_new();
    struct sg_plan_group groups[5];
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = false });
    example(f, groups);
    fake_plan_set(f, groups, 1, (const uint32_t[3]){ 0, 0, 0 });
    assert_string_equal(
        show(f, &o, (struct sg_plan_text){ .usual = NULL }),
        "Graph flights - store file:///data/warehouse - 2013-01-01 ... 2013-01-31 (744 hours) - now "
        "2013-02-01T00:10Z\n"
        "\n"
        "STAGE   PARTITIONS                        COUNT  JOBS  REASON   EST\n"
        "bronze  2013-01-03T05                         1     1  missing    -\n"
        "\n"
        "To run 1 node in 1 job, 0 fresh\n");
    fake_plan_set(f, groups, 3, (const uint32_t[3]){ 0, 0, 0 });
    f->usual[SILVER] = NAN;
    f->p90[BRONZE] = 300;
    assert_string_equal(
        show(f, &o, (struct sg_plan_text){ .usual = &f->source, .verbose = true, .jobs = 2 }),
        "Graph flights - store file:///data/warehouse - 2013-01-01 ... 2013-01-31 (744 hours) - now "
        "2013-02-01T00:10Z\n"
        "\n"
        "STAGE   PARTITIONS                        COUNT  JOBS  REASON                                      EST     P90\n"
        "bronze  2013-01-03T05                         1     1  missing                                  4m 05s  5m 00s\n"
        "silver  2013-01-03T05                         1     1  upstream bronze                               -       -\n"
        "silver  2013-01-10T00 ... 2013-01-12T23      72    72  code jobs/silver/run_silver_pipeline.py       -       -\n"
        "\n"
        "To run 74 nodes in 74 jobs, 0 fresh - at least 4m 05s at -j2\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

static void blocked_and_busy_nodes_say_what_they_lack(void **state)
{
    static const char *const lacks[] = { "landing@2013-01-04T05", "landing@2013-01-04T06",
                                         "landing@2013-01-04T07", "landing@2013-01-04T08" };
    static const char *const whys[] = { "", "unsettled: newest file 12s old, settle 5m", "", "" };
    static const char *const notices[] = { "inputs of gold are stale: silver" };
    struct fake_plan *f = fake_plan_new();
    struct sg_plan_group groups[3];
    struct fake_out o, notes;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    fake_out_init(&notes, (struct sg_out_config){ .utf8 = true });
    example(f, (struct sg_plan_group[5]){ 0 });
    groups[0] = run_group(f, BRONZE, "2013-01-03T05", "2013-01-03T05", SG_REASON_MISSING, "");
    groups[1] = run_group(f, BRONZE, "2013-01-04T05", "2013-01-04T06", SG_REASON_MISSING, "");
    groups[1].verdict = SG_VERDICT_BLOCKED;
    groups[1].lacks = lacks;
    groups[1].lacks_why = whys;
    groups[1].n_lacks = 4;
    groups[1].n_lacks_all = 24;
    groups[2] = run_group(f, GOLD, "2013-01-04", "2013-01-04", SG_REASON_INPUT, "silver");
    groups[2].verdict = SG_VERDICT_BUSY;
    groups[2].run = "20130201T000812-3f2a9c";
    fake_plan_set(f, groups, 3, (const uint32_t[3]){ 5, 1000, 0 });
    f->notices = notices;
    f->n_notices = 1;
    assert_string_equal(
        show(f, &o, (struct sg_plan_text){ .notices = &notes.out }),
        "Graph flights · store file:///data/warehouse · 2013-01-01 … 2013-01-31 (744 hours) · now "
        "2013-02-01T00:10Z\n"
        "\n"
        "STAGE   PARTITIONS                        COUNT  JOBS  REASON   EST\n"
        "bronze  2013-01-03T05                         1     1  missing    -\n"
        "\n"
        "To run 1 node in 1 job, 1,005 fresh, 2 blocked, 1 busy\n"
        "\n"
        "BLOCKED  PARTITIONS                        COUNT  REASON   LACKS\n"
        "bronze   2013-01-04T05 … 2013-01-04T06         2  missing  landing@2013-01-04T05, "
        "landing@2013-01-04T06 (unsettled: newest file 12s old, settle 5m), landing@2013-01-04T07 "
        "and 21 more\n"
        "\n"
        "BUSY  PARTITIONS                        COUNT  REASON        RUN\n"
        "gold  2013-01-04                            1  input silver  20130201T000812-3f2a9c\n");
    assert_string_equal(fake_out_take(&notes), "stagegraph: inputs of gold are stale: silver\n");
    fake_out_done(&o);
    fake_out_done(&notes);
    fake_plan_free(f);
}

static void nothing_to_do_says_so_and_how_to_force_it(void **state)
{
    struct fake_plan *f = fake_plan_new();
    struct sg_plan_group busy;
    struct sg_debt debts[3];
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    example(f, (struct sg_plan_group[5]){ 0 });
    fake_plan_set(f, NULL, 0, (const uint32_t[3]){ 72, 72, 3 });
    sg_plan_text_nothing(&o.out, &f->view);
    assert_string_equal(fake_out_take(&o), "Nothing to do: 147 fresh. (--force runs it anyway)\n");

    f->view.counts.completes = 1;
    sg_plan_text_nothing(&o.out, &f->view);
    assert_string_equal(
        fake_out_take(&o),
        "No job to run: 147 fresh, 1 of them to complete (its partial marker is renamed).\n");
    f->view.counts.completes = 0;

    debts[0] = (struct sg_debt){ &f->stages[SILVER], SG_REASON_CODE, 26250, true, 0, 0 };
    debts[1] = (struct sg_debt){ &f->stages[SILVER], SG_REASON_CODE, 6, false, 0, 0 };
    debts[2] = (struct sg_debt){ &f->stages[BRONZE], SG_REASON_MISSING, 2, true, 0, 0 };
    f->debts = debts;
    f->n_debts = 3;
    f->view.counts.debt = 6;
    assert_string_equal(
        show(f, &o, (struct sg_plan_text){ .usual = NULL }),
        "Graph flights · store file:///data/warehouse · 2013-01-01 … 2013-01-31 (744 hours) · now "
        "2013-02-01T00:10Z\n"
        "\n"
        "Nothing to do: 147 fresh, 6 stale for reasons that were not asked for. (--force runs it "
        "anyway)\n"
        "\n"
        "2 bronze missing: stagegraph backfill --stale=missing\n"
        "26,256 silver outdated by code: stagegraph backfill --stale=code\n");

    busy = run_group(f, GOLD, "2013-01-04", "2013-01-04", SG_REASON_MISSING, "");
    busy.verdict = SG_VERDICT_BUSY;
    fake_plan_set(f, &busy, 1, (const uint32_t[3]){ 24, 0, 0 });
    sg_plan_text_nothing(&o.out, &f->view);
    /* Force would not run it. */
    assert_string_equal(fake_out_take(&o),
                        "Nothing can run: 24 fresh, 1 busy. (--wait waits for the run that holds "
                        "them)\n");
    fake_plan_set(f, NULL, 0, (const uint32_t[3]){ 0, 0, 0 });
    sg_plan_text_nothing(&o.out, &f->view);
    assert_string_equal(fake_out_take(&o), "Nothing to do: no partition of the range is due.\n");

    f->graph.n_profiles = 1; /* no backfill there */
    sg_plan_text_debts(&o.out, &f->view, "stagegraph -f x.ini");
    assert_string_equal(fake_out_take(&o),
                        "2 bronze missing: stagegraph -f x.ini run --stale=missing\n"
                        "26,256 silver outdated by code: stagegraph -f x.ini run --stale=code\n");
    fake_out_done(&o);
    fake_plan_free(f);
}

/* ---- plans of many groups */

#define MANY 100000

static struct {
    const struct fake_plan *f;
    const struct sg_out *out;
    uint32_t told, told_before_text; /* groups, in all passes */
} many;

static bool many_groups(const void *of, enum sg_verdict verdict, sg_plan_group_fn *fn, void *ctx)
{
    for (uint32_t i = 0; verdict == SG_VERDICT_RUN && i < MANY; i++) {
        struct sg_plan_group g = { .stage = &many.f->stages[BRONZE],
                                   .first = 380000 + 2 * i,
                                   .last = 380000 + 2 * i,
                                   .count = 1,
                                   .jobs = 1,
                                   .verdict = verdict,
                                   .reason = SG_REASON_CODE,
                                   .detail = i == MANY - 1 ? "a/longer/one.py" : "a.py" };
        struct stat st;

        (void)of;
        if (!fn(ctx, &g))
            return false;
        many.told++;
        if (many.told_before_text == 0 && fstat(many.out->is.fd, &st) == 0 && st.st_size > 0)
            many.told_before_text = many.told;
    }
    return true;
}

static void make_many(struct fake_plan *f, const struct sg_out *out)
{
    struct sg_plan_group groups[5];

    example(f, groups);
    f->n_groups = 0;
    f->view.groups = many_groups;
    f->view.counts.run = MANY;
    many.f = f;
    many.out = out;
    many.told = many.told_before_text = 0;
}

static void of_many_groups_the_first_are_shown_at_once(void **state)
{
    struct fake_plan *f = fake_plan_new();
    const char *text, *last;
    struct fake_out o;

    (void)state;
    fake_out_init(&o, (struct sg_out_config){ .utf8 = true });
    make_many(f, &o.out);
    text = show(f, &o, (struct sg_plan_text){ .usual = &f->source });
    assert_in_range(many.told_before_text, 1, 12000);
    assert_int_equal(many.told, 10000 - 1 + 2 * MANY); /* the last pass is the estimate's */
    assert_true(o.out.buf.cap < 1 << 20);
    /* What doesn't fit makes its column wider; the head was for the others. */
    assert_non_null(strstr(text, "  REASON        EST\nbronze  2013-05-08T08 "));
    last = strstr(text, "code a/longer/one.py  4m 05s\n\nTo run 100,000 nodes");
    assert_non_null(last);
    fake_out_done(&o);
    fake_plan_free(f);
}

static void who_leaves_early_is_not_told_the_rest(void **state)
{
    struct fake_plan *f = fake_plan_new();
    struct sg_plan_text how = { .program = "stagegraph", .jobs = 1, .usual = &f->source };
    struct sg_out out;
    int fds[2];

    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(fds), 0);
    sg_out_init(&out, &(struct sg_out_config){ .fd = fds[1], .utf8 = true, .patient = true });
    close(fds[0]);
    make_many(f, &out);
    sg_plan_text_write(&out, &f->view, &how);
    assert_true(sg_out_gone(&out));
    assert_in_range(many.told, 1, 12000);
    sg_out_done(&out, 0);
    close(fds[1]);
    fake_plan_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_contracts_example_comes_out_to_the_letter),
        cmocka_unit_test(what_is_not_known_is_a_dash_or_left_out),
        cmocka_unit_test(blocked_and_busy_nodes_say_what_they_lack),
        cmocka_unit_test(nothing_to_do_says_so_and_how_to_force_it),
        cmocka_unit_test(of_many_groups_the_first_are_shown_at_once),
        cmocka_unit_test(who_leaves_early_is_not_told_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
