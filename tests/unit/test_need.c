/* need and due: edges between partitions by rule, both ways, and what is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/clock.h"
#include "stagegraph/graph.h"

#define DAY_S INT64_C(86400)

static const char *const zone_names[] = {
    "UTC",          "America/New_York",  "Australia/Lord_Howe",
    "Pacific/Apia", "America/St_Johns",  "America/Sao_Paulo",
    "Asia/Kolkata", "Pacific/Kwajalein",
};
#define N_ZONES (sizeof(zone_names) / sizeof(zone_names[0]))

static const char *const calendar_names[] = { "5m",  "15m",  "30m",   "hour",
                                              "day", "week", "month", "once" };
#define N_CALENDARS (sizeof(calendar_names) / sizeof(calendar_names[0]))

static struct sg_zone *zones[N_ZONES];

static int open_zones(void **state)
{
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < N_ZONES; i++) {
        if (!sg_zone_open(zone_names[i], NULL, &zones[i], &err))
            fail_msg("%s", err.text);
    }
    return 0;
}

static int close_zones(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ZONES; i++)
        sg_zone_free(zones[i]);
    return 0;
}

static uint64_t seed = 7;

static int64_t below(int64_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)((seed >> 11) % (uint64_t)n);
}

#define STAGES 4

/* A graph by hand: its stages in topological order. */
struct fixture {
    struct sg_graph g;
    struct sg_stage stages[STAGES];
    struct sg_stage_id order[STAGES];
    struct sg_need needs[STAGES][3];
    int64_t due_end[STAGES];
};

static void add_stage(struct fixture *f, const char *calendar, const struct sg_zone *zone,
                      struct sg_interval life)
{
    struct sg_stage *s = &f->stages[f->g.n_stages];

    *s = (struct sg_stage){ .id.i = f->g.n_stages, .component = f->g.n_stages, .life = life };
    assert_true(sg_calendar_parse(calendar, zone, &s->cal));
    s->exists = sg_calendar_meeting(&s->cal, life);
    s->needs = f->needs[f->g.n_stages];
    f->order[f->g.n_stages] = s->id;
    f->g.n_stages++;
    f->g.stages = f->stages;
    f->g.order = f->order;
}

static struct sg_need *add_need(struct fixture *f, uint32_t s, uint32_t of, enum sg_need_kind kind,
                                int32_t lo, int32_t hi)
{
    struct sg_need *n = &f->needs[s][f->stages[s].n_needs++];

    *n = (struct sg_need){ .of.i = of, .kind = kind, .lo = lo, .hi = hi };
    return n;
}

static const char *describe(const struct fixture *f, const struct sg_need *n)
{
    static char text[160];

    snprintf(text, sizeof(text), "%s needs %s kind %d %d..%d in %s",
             sg_calendar_name(&f->stages[1].cal), sg_calendar_name(&f->stages[0].cal), n->kind,
             n->lo, n->hi, sg_zone_name(f->stages[0].cal.zone));
    return text;
}

static bool exists(const struct sg_stage *s, int64_t index)
{
    struct sg_interval i;

    return index >= s->exists.first && index < s->exists.end &&
           sg_calendar_interval(&s->cal, index, &i);
}

static bool holds(struct sg_range r, int64_t index)
{
    return index >= r.first && index < r.end;
}

/* Around dates that never were in Apia and Kwajalein, half-hour changes, and plain years. */
static int64_t random_start(void)
{
    static const int64_t starts[] = { 1325203200 /* 2011-12-30 */, 745891200 /* 1993-08-21 */,
                                      1709251200 /* 2024-03-01 */, 1541030400 /* 2018-11-01 */ };

    return starts[below(4)] - 3 * DAY_S + below(5 * DAY_S);
}

static struct sg_interval random_life(int64_t start)
{
    struct sg_interval life = { .start_s = start, .end_s = SG_TIME_MAX };

    if (below(3) == 0)
        life.start_s = SG_TIME_MIN;
    else
        life.start_s += below(4 * DAY_S);
    if (below(3) == 0)
        life.end_s = start + (1 + below(60)) * DAY_S;
    return life;
}

static void random_pair(struct fixture *f, int64_t start)
{
    const struct sg_zone *zone = zones[below((int64_t)N_ZONES)];
    const char *a = calendar_names[below((int64_t)N_CALENDARS)];
    const char *b = below(3) == 0 ? a : calendar_names[below((int64_t)N_CALENDARS)];
    bool once = strcmp(a, "once") == 0 || strcmp(b, "once") == 0;
    int32_t lo = -(int32_t)below(40), hi = lo + (int32_t)below(1 - lo);
    enum sg_need_kind kind = (enum sg_need_kind)below(3);

    *f = (struct fixture){ .g.n_stages = 0 };
    add_stage(f, a, zone, random_life(start));
    add_stage(f, b, zone, random_life(start));
    if (once && kind == SG_NEED_OFFSET)
        kind = SG_NEED_MEETS;
    add_need(f, 1, 0, kind, lo, hi);
    sg_graph_due(&f->g, start + 20 * DAY_S, f->due_end);
}

/* Indexes to try, near an instant. */
static struct sg_range near(const struct sg_stage *s, int64_t start)
{
    struct sg_range r = sg_calendar_meeting(
        &s->cal, (struct sg_interval){ start - 12 * DAY_S, start + 40 * DAY_S });

    if (sg_range_count(r) > 150) { /* five minutes: some of them */
        r.first += below(sg_range_count(r) - 100);
        r.end = r.first + 100;
    }
    return r;
}

static void needs_and_users_are_exact_inverses(void **state)
{
    struct fixture f;
    const struct sg_need *n = &f.needs[1][0];
    struct sg_range r, u;
    int64_t start;

    (void)state;
    for (int round = 0; round < 4000; round++) {
        start = random_start();
        random_pair(&f, start);
        r = near(&f.stages[1], start);
        for (int64_t i = r.first; i < r.end; i++) {
            if (!exists(&f.stages[1], i))
                continue;
            u = sg_need_range(&f.g, &f.stages[1], n, i, f.due_end);
            assert_true(u.first <= u.end);
            if (sg_range_count(u) > 300) /* the two ends are enough */
                u.end = u.first + 300;
            for (int64_t k = u.first; k < u.end; k++) {
                if (exists(&f.stages[0], k) &&
                    !holds(sg_need_users(&f.g, &f.stages[1], n, k, f.due_end), i))
                    fail_msg("%s: %lld needs %lld, which doesn't know it", describe(&f, n),
                             (long long)i, (long long)k);
            }
        }
        r = near(&f.stages[0], start);
        for (int64_t k = r.first; k < r.end; k++) {
            if (!exists(&f.stages[0], k))
                continue;
            u = sg_need_users(&f.g, &f.stages[1], n, k, f.due_end);
            assert_true(u.first <= u.end);
            if (u.first < INT64_MIN / 2) /* all of an endless stage */
                u.first = sg_calendar_index(&f.stages[1].cal, start);
            if (sg_range_count(u) > 300 || u.end > INT64_MAX / 2)
                u.end = u.first + 300;
            for (int64_t i = u.first; i < u.end; i++) {
                if (exists(&f.stages[1], i) &&
                    !holds(sg_need_range(&f.g, &f.stages[1], n, i, f.due_end), k))
                    fail_msg("%s: %lld is used by %lld, which doesn't need it", describe(&f, n),
                             (long long)k, (long long)i);
            }
        }
    }
}

static void a_plain_need_is_what_meets_the_interval(void **state)
{
    struct fixture f;
    const struct sg_need *n = &f.needs[1][0];
    struct sg_interval a, b;
    struct sg_range r, s;
    int64_t start;
    bool meets;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        start = random_start();
        random_pair(&f, start);
        if (n->kind != SG_NEED_MEETS || f.stages[1].cal.unit == SG_UNIT_ONCE)
            continue;
        s = near(&f.stages[1], start);
        for (int64_t i = s.first; i < s.end && i < s.first + 30; i++) {
            if (!exists(&f.stages[1], i))
                continue;
            (void)sg_calendar_interval(&f.stages[1].cal, i, &b);
            r = sg_need_range(&f.g, &f.stages[1], n, i, f.due_end);
            for (int64_t k = r.first - 3; k < r.end + 3 && k < r.first + 200; k++) {
                if (!exists(&f.stages[0], k))
                    continue;
                (void)sg_calendar_interval(&f.stages[0].cal, k, &a);
                meets = a.start_s < b.end_s && b.start_s < a.end_s;
                if (meets != holds(r, k))
                    fail_msg("%s: %lld and %lld", describe(&f, n), (long long)i, (long long)k);
            }
        }
    }
}

static int64_t index_of(const struct sg_stage *s, const char *label)
{
    int64_t index = 0;

    if (!sg_calendar_parse_label(&s->cal, label, &index))
        fail_msg("no label %s", label);
    return index;
}

static void needs_are_the_partitions_that_the_contract_says(void **state)
{
    static const struct {
        const char *label, *of, *calendar, *zone;
        enum sg_need_kind kind;
        int32_t lo, hi;
        const char *node, *first, *last; /* first NULL: nothing */
    } cases[] = {
        { "the same one", "hour", "hour", "UTC", SG_NEED_MEETS, 0, 0, "2024-01-05T05",
          "2024-01-05T05", "2024-01-05T05" },
        { "those inside", "hour", "day", "UTC", SG_NEED_MEETS, 0, 0, "2024-01-05", "2024-01-05T00",
          "2024-01-05T23" },
        { "23 hours", "hour", "day", "America/New_York", SG_NEED_MEETS, 0, 0, "2024-03-10",
          "2024-03-10T05", "2024-03-11T03" },
        { "25 hours", "hour", "day", "America/New_York", SG_NEED_MEETS, 0, 0, "2024-11-03",
          "2024-11-03T04", "2024-11-04T04" },
        { "the one around", "day", "hour", "America/New_York", SG_NEED_MEETS, 0, 0, "2024-01-05T03",
          "2024-01-04", "2024-01-04" },
        { "the two around", "day", "hour", "Asia/Kolkata", SG_NEED_MEETS, 0, 0, "2024-01-05T18",
          "2024-01-05", "2024-01-06" },
        { "a week meets two months", "month", "week", "UTC", SG_NEED_MEETS, 0, 0, "2024-W05",
          "2024-01", "2024-02" },
        { "days of a week", "day", "week", "UTC", SG_NEED_MEETS, 0, 0, "2024-W05", "2024-01-29",
          "2024-02-04" },
        { "the one before", "hour", "hour", "UTC", SG_NEED_OFFSET, -1, -1, "2024-01-05T00",
          "2024-01-04T23", "2024-01-04T23" },
        { "a day up to now", "hour", "hour", "UTC", SG_NEED_OFFSET, -23, 0, "2024-01-05T05",
          "2024-01-04T06", "2024-01-05T05" },
        { "hours before a day", "hour", "day", "UTC", SG_NEED_OFFSET, -2, -1, "2024-01-05",
          "2024-01-04T22", "2024-01-04T23" },
        { "the first hour of a day", "hour", "day", "UTC", SG_NEED_OFFSET, 0, 0, "2024-01-05",
          "2024-01-05T00", "2024-01-05T00" },
        { "the day before an hour", "day", "hour", "UTC", SG_NEED_OFFSET, -1, -1, "2024-01-05T05",
          "2024-01-04", "2024-01-04" },
        { "the week before", "day", "day", "Pacific/Apia", SG_NEED_OFFSET, -2, -1, "2012-01-01",
          "2011-12-29", "2011-12-31" }, /* the 30th never was */
        { "the day before the lost one", "day", "day", "Pacific/Apia", SG_NEED_OFFSET, -1, -1,
          "2011-12-31", "2011-12-29", "2011-12-29" },
        { "before the start", "hour", "hour", "UTC", SG_NEED_OFFSET, -1, -1, "2010-01-01T00", NULL,
          NULL },
        { "in part before the start", "hour", "hour", "UTC", SG_NEED_OFFSET, -5, -1,
          "2010-01-01T02", "2010-01-01T00", "2010-01-01T01" },
        { "the newest due", "hour", "day", "UTC", SG_NEED_LATEST, 0, 0, "2024-01-05",
          "2024-01-09T23", "2024-01-09T23" },
        { "all due ones of a once", "day", "once", "UTC", SG_NEED_MEETS, 0, 0, "", "2010-01-01",
          "2024-01-09" },
        { "a once", "once", "day", "UTC", SG_NEED_MEETS, 0, 0, "2024-01-05", "", "" },
        { "a once of a once", "once", "once", "UTC", SG_NEED_MEETS, 0, 0, "", "", "" },
    };
    const struct sg_interval life = { .start_s = 1262304000 /* 2010 */, .end_s = SG_TIME_MAX };
    const struct sg_zone *zone = NULL;
    struct fixture f;
    struct sg_range r;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t z = 0; z < N_ZONES; z++) {
            if (strcmp(zone_names[z], cases[i].zone) == 0)
                zone = zones[z];
        }
        f = (struct fixture){ .g.n_stages = 0 };
        add_stage(&f, cases[i].of, zone, life);
        add_stage(&f, cases[i].calendar, zone, life);
        add_need(&f, 1, 0, cases[i].kind, cases[i].lo, cases[i].hi);
        sg_graph_due(&f.g, 1704844800 /* 2024-01-10 */, f.due_end);
        r = sg_need_range(&f.g, &f.stages[1], &f.needs[1][0], index_of(&f.stages[1], cases[i].node),
                          f.due_end);
        if (cases[i].first == NULL) {
            assert_int_equal(sg_range_count(r), 0);
            continue;
        }
        if (r.first != index_of(&f.stages[0], cases[i].first) ||
            r.end != index_of(&f.stages[0], cases[i].last) + 1)
            fail_msg("%s: %lld to %lld", cases[i].label, (long long)r.first, (long long)r.end);
    }
}

/* By the definition: its end and delay are past, and what it must have is due. */
static bool is_due(const struct fixture *f, uint32_t s, int64_t index, int64_t now_s)
{
    const struct sg_stage *stage = &f->stages[s];
    struct sg_interval i;
    struct sg_range r;

    if (stage->cal.unit == SG_UNIT_ONCE)
        return true;
    (void)sg_calendar_interval(&stage->cal, index, &i);
    if (i.end_s + stage->delay_s > now_s)
        return false;
    for (uint32_t k = 0; k < stage->n_needs; k++) {
        if (stage->needs[k].optional || stage->needs[k].kind == SG_NEED_LATEST)
            continue;
        r = sg_need_range(&f->g, stage, &stage->needs[k], index, f->due_end);
        for (int64_t p = r.first; p < r.end; p++) {
            if (exists(&f->stages[stage->needs[k].of.i], p) &&
                !is_due(f, stage->needs[k].of.i, p, now_s))
                return false;
        }
    }
    return true;
}

static void due_is_what_the_definition_says(void **state)
{
    static const char *const few[] = { "30m", "hour", "day", "week", "month" };
    struct fixture f;
    const struct sg_zone *zone;
    struct sg_range r;
    int64_t start, now_s, first;

    (void)state;
    for (int round = 0; round < 1500; round++) {
        f = (struct fixture){ .g.n_stages = 0 };
        zone = zones[below((int64_t)N_ZONES)];
        start = random_start();
        now_s = start + below(70 * DAY_S);
        for (uint32_t s = 0; s < STAGES; s++) {
            add_stage(&f, few[below(5)], zone,
                      (struct sg_interval){ start + below(2) * 3 * DAY_S, SG_TIME_MAX });
            f.stages[s].delay_s = below(4) == 0 ? below(3 * DAY_S) : 300;
            for (uint32_t k = 0; s > 0 && k < 1 + (uint32_t)below(2); k++) {
                int32_t lo = -(int32_t)below(5);
                struct sg_need *n = add_need(&f, s, (uint32_t)below(s), (enum sg_need_kind)below(3),
                                             lo, lo + (int32_t)below(1 - lo));

                n->optional = below(5) == 0;
            }
        }
        sg_graph_due(&f.g, now_s, f.due_end);
        for (uint32_t s = 0; s < STAGES; s++) {
            r = f.stages[s].exists;
            for (first = r.first;
                 exists(&f.stages[s], first) == false || is_due(&f, s, first, now_s); first++)
                ;
            if (f.due_end[s] > r.first)
                assert_true(exists(&f.stages[s], f.due_end[s] - 1));
            /* Behind the last due one may lie a date that never was. */
            for (int64_t i = f.due_end[s]; i < first; i++)
                assert_false(exists(&f.stages[s], i));
            assert_true(f.due_end[s] <= first);
        }
    }
}

static void the_end_of_an_interval_and_its_delay_are_included(void **state)
{
    const struct sg_interval life = { .start_s = 1704067200 /* 2024 */, .end_s = SG_TIME_MAX };
    struct fixture f = { .g.n_stages = 0 };
    int64_t first;

    (void)state;
    add_stage(&f, "hour", zones[0], life);
    f.stages[0].delay_s = 300;
    first = f.stages[0].exists.first;
    sg_graph_due(&f.g, life.start_s + 3600 + 299, f.due_end);
    assert_int_equal(f.due_end[0], first);
    sg_graph_due(&f.g, life.start_s + 3600 + 300, f.due_end);
    assert_int_equal(f.due_end[0], first + 1);
    sg_graph_due(&f.g, life.start_s - 1000 * DAY_S, f.due_end);
    assert_int_equal(f.due_end[0], first);
    f.stages[0].exists.end = first + 5;
    sg_graph_due(&f.g, life.start_s + 1000 * DAY_S, f.due_end);
    assert_int_equal(f.due_end[0], first + 5);
}

static void stages_that_need_each_other_hold_each_other_back(void **state)
{
    const struct sg_interval life = { .start_s = 1704067200, .end_s = SG_TIME_MAX };
    struct fixture f = { .g.n_stages = 0 };

    (void)state;
    /* silver (hour) needs gold@-1 of the day before; gold (day) needs silver, and waits a day. */
    add_stage(&f, "hour", zones[0], life);
    add_stage(&f, "day", zones[0], life);
    f.stages[1].component = 0;
    f.stages[1].delay_s = DAY_S;
    add_need(&f, 0, 1, SG_NEED_OFFSET, -1, -1);
    add_need(&f, 1, 0, SG_NEED_MEETS, 0, 0);
    sg_graph_due(&f.g, life.start_s + 5 * DAY_S, f.due_end);
    assert_int_equal(f.due_end[1], f.stages[1].exists.first + 4);
    assert_int_equal(f.due_end[0], f.stages[0].exists.first + 5 * 24);
    f.stages[1].delay_s = 3 * DAY_S; /* gold is due to the 2nd, so silver to the 3rd */
    sg_graph_due(&f.g, life.start_s + 5 * DAY_S, f.due_end);
    assert_int_equal(f.due_end[1], f.stages[1].exists.first + 2);
    assert_int_equal(f.due_end[0], f.stages[0].exists.first + 3 * 24);
    f.stages[0].needs[0].optional = true;
    sg_graph_due(&f.g, life.start_s + 5 * DAY_S, f.due_end);
    assert_int_equal(f.due_end[0], f.stages[0].exists.first + 5 * 24);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(needs_and_users_are_exact_inverses),
        cmocka_unit_test(a_plain_need_is_what_meets_the_interval),
        cmocka_unit_test(needs_are_the_partitions_that_the_contract_says),
        cmocka_unit_test(due_is_what_the_definition_says),
        cmocka_unit_test(the_end_of_an_interval_and_its_delay_are_included),
        cmocka_unit_test(stages_that_need_each_other_hold_each_other_back),
    };

    return cmocka_run_group_tests(tests, open_zones, close_zones);
}
