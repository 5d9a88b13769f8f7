/* calendar and label: partitions by number, by instant and by label. */
#include "stagegraph/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/clock.h"

#define DAY_S INT64_C(86400)

static const char *const zone_names[] = {
    "UTC",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Havana",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Asia/Kolkata",
};
#define N_ZONES (sizeof(zone_names) / sizeof(zone_names[0]))

static const char *const calendar_names[] = { "5m",  "10m",  "15m",   "30m", "hour",
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

static const struct sg_zone *zone_of(const char *name)
{
    for (size_t i = 0; i < N_ZONES; i++) {
        if (strcmp(zone_names[i], name) == 0)
            return zones[i];
    }
    fail_msg("no zone %s", name);
    return NULL;
}

static struct sg_calendar calendar_of(const char *name, const char *zone)
{
    struct sg_calendar c = { .zone = NULL };

    assert_true(sg_calendar_parse(name, zone_of(zone), &c));
    return c;
}

static int64_t utc(const char *text)
{
    int64_t t = 0;

    if (!sg_utc_parse(text, strlen(text), &t))
        fail_msg("bad instant %s", text);
    return t;
}

static uint64_t seed = 42;

static int64_t random_below(int64_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int64_t)((seed >> 11) % (uint64_t)n);
}

/* 1980 to 2040 mostly; every fourth near an end of 2011 in Apia and such. */
static int64_t random_instant(void)
{
    if (random_below(4) == 0)
        return utc("2011-12-30T00:00:00Z") + random_below(20 * DAY_S) - 10 * DAY_S;
    return random_below(60 * 365 * DAY_S) + 10 * 365 * DAY_S;
}

static void calendars_are_known_by_name(void **state)
{
    struct sg_calendar c, d;

    (void)state;
    for (size_t i = 0; i < N_CALENDARS; i++) {
        c = calendar_of(calendar_names[i], "UTC");
        assert_string_equal(sg_calendar_name(&c), calendar_names[i]);
        for (size_t k = 0; k < N_CALENDARS; k++) {
            d = calendar_of(calendar_names[k], "UTC");
            assert_int_equal(sg_calendar_is(&c, &d), i == k);
        }
    }
    assert_false(sg_calendar_parse("hourly", zones[0], &c));
    assert_false(sg_calendar_parse("20m", zones[0], &c));
    assert_false(sg_calendar_parse("", zones[0], &c));
}

static void a_partition_has_the_label_and_interval_of_its_zone(void **state)
{
    static const struct {
        const char *calendar, *zone, *label, *start, *end;
    } cases[] = {
        { "5m", "UTC", "2024-01-01T0515", "2024-01-01T05:15:00Z", "2024-01-01T05:20:00Z" },
        { "30m", "Asia/Kolkata", "2024-01-01T2330", "2024-01-01T23:30:00Z",
          "2024-01-02T00:00:00Z" },
        { "hour", "America/New_York", "2024-01-01T05", "2024-01-01T05:00:00Z",
          "2024-01-01T06:00:00Z" },
        { "hour", "UTC", "1969-12-31T23", "1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z" },
        { "day", "UTC", "2024-02-29", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z" },
        { "day", "America/New_York", "2024-03-10", "2024-03-10T05:00:00Z",
          "2024-03-11T04:00:00Z" }, /* 23 hours */
        { "day", "America/New_York", "2024-11-03", "2024-11-03T04:00:00Z",
          "2024-11-04T05:00:00Z" }, /* 25 hours */
        { "day", "Australia/Lord_Howe", "2024-04-07", "2024-04-06T13:00:00Z",
          "2024-04-07T13:30:00Z" }, /* 24.5 hours */
        { "day", "America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z",
          "2018-11-05T02:00:00Z" }, /* midnight was skipped */
        { "day", "Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z" },
        { "day", "Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z" },
        { "week", "UTC", "2024-W03", "2024-01-15T00:00:00Z", "2024-01-22T00:00:00Z" },
        { "week", "UTC", "2020-W53", "2020-12-28T00:00:00Z", "2021-01-04T00:00:00Z" },
        { "week", "UTC", "2025-W01", "2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z" },
        { "week", "UTC", "1969-W52", "1969-12-22T00:00:00Z", "1969-12-29T00:00:00Z" },
        { "week", "America/New_York", "2024-W10", "2024-03-04T05:00:00Z", "2024-03-11T04:00:00Z" },
        { "week", "Pacific/Apia", "2011-W52", "2011-12-26T10:00:00Z", "2012-01-01T10:00:00Z" },
        { "month", "UTC", "2024-01", "2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z" },
        { "month", "UTC", "1969-12", "1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z" },
        { "month", "America/New_York", "2024-03", "2024-03-01T05:00:00Z", "2024-04-01T04:00:00Z" },
        { "month", "Pacific/Apia", "2011-12", "2011-12-01T10:00:00Z", "2011-12-31T10:00:00Z" },
    };
    char label[SG_LABEL_TEXT], start[SG_UTC_TEXT], end[SG_UTC_TEXT];
    struct sg_interval i;
    struct sg_calendar c;
    int64_t index;

    (void)state;
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        c = calendar_of(cases[n].calendar, cases[n].zone);
        if (!sg_calendar_parse_label(&c, cases[n].label, &index))
            fail_msg("%s %s %s: no label", cases[n].calendar, cases[n].zone, cases[n].label);
        sg_calendar_label(&c, index, label);
        assert_string_equal(label, cases[n].label);
        assert_true(sg_calendar_interval(&c, index, &i));
        sg_utc_format(i.start_s, start);
        sg_utc_format(i.end_s, end);
        if (strcmp(start, cases[n].start) != 0 || strcmp(end, cases[n].end) != 0)
            fail_msg("%s %s %s: %s to %s", cases[n].calendar, cases[n].zone, cases[n].label, start,
                     end);
        assert_int_equal(sg_calendar_index(&c, i.start_s), index);
        assert_int_equal(sg_calendar_index(&c, i.end_s - 1), index);
        assert_int_not_equal(sg_calendar_index(&c, i.end_s), index);
    }
}

static void only_labels_of_the_calendar_are_read(void **state)
{
    static const struct {
        const char *calendar, *zone, *label;
        bool known;
    } cases[] = {
        { "15m", "UTC", "2024-01-01T05:15", true },
        { "15m", "UTC", "2024-01-01T0515", true },
        { "15m", "UTC", "2024-01-01T0510", false },
        { "15m", "UTC", "2024-01-01T05", false },
        { "15m", "UTC", "2024-01-01T05:15:00", false },
        { "15m", "UTC", "2024-01-01T0515Z", false },
        { "hour", "UTC", "2024-01-01T24", false },
        { "hour", "UTC", "2024-01-01T05:00", false },
        { "hour", "UTC", "2024-01-01T0500", false },
        { "hour", "UTC", "2024-01-01", false },
        { "hour", "UTC", "2024-1-1T05", false },
        { "hour", "UTC", "2024-01-01T5", false },
        { "hour", "UTC", "2024-01-01T05 ", false },
        { "hour", "UTC", " 2024-01-01T05", false },
        { "day", "UTC", "2023-02-29", false },
        { "day", "UTC", "2024-02-29", true },
        { "day", "UTC", "0000-01-01", false },
        { "day", "UTC", "9999-12-31", true },
        { "day", "UTC", "2024-01-01T05", false },
        { "day", "Pacific/Apia", "2011-12-30", false },
        { "day", "UTC", "2011-12-30", true },
        { "week", "UTC", "2024-W53", false },
        { "week", "UTC", "2020-W53", true },
        { "week", "UTC", "2024-W00", false },
        { "week", "UTC", "2024-W3", false },
        { "week", "UTC", "2024-01-01", false },
        { "month", "UTC", "2024-13", false },
        { "month", "UTC", "2024-00", false },
        { "month", "UTC", "2024-01-01", false },
        { "once", "UTC", "", true },
        { "once", "UTC", "_", true },
        { "once", "UTC", "2024", false },
    };
    struct sg_calendar c;
    int64_t index;

    (void)state;
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        c = calendar_of(cases[n].calendar, cases[n].zone);
        if (sg_calendar_parse_label(&c, cases[n].label, &index) != cases[n].known)
            fail_msg("%s %s \"%s\"", cases[n].calendar, cases[n].zone, cases[n].label);
    }
}

static void label_instant_and_interval_agree_everywhere(void **state)
{
    char label[SG_LABEL_TEXT], before[SG_LABEL_TEXT];
    struct sg_interval i, next;
    struct sg_calendar c;
    int64_t t, index, again;

    (void)state;
    for (int n = 0; n < 200000; n++) {
        c = calendar_of(calendar_names[n % (int)N_CALENDARS],
                        zone_names[random_below((int64_t)N_ZONES)]);
        t = random_instant();
        index = sg_calendar_index(&c, t);
        assert_true(sg_calendar_interval(&c, index, &i));
        assert_true(i.start_s <= t && t < i.end_s);
        sg_calendar_label(&c, index, label);
        if (!sg_calendar_parse_label(&c, label, &again) || again != index)
            fail_msg("%s: %lld, then %lld", label, (long long)index, (long long)again);
        if (c.unit == SG_UNIT_ONCE)
            continue;
        sg_calendar_label(&c, index - 1, before);
        assert_true(strcmp(before, label) < 0);
        (void)sg_calendar_interval(&c, index + 1, &next);
        assert_int_equal(next.start_s, i.end_s);
    }
}

static void a_date_that_never_was_is_an_empty_interval_and_is_stepped_over(void **state)
{
    struct sg_calendar c = calendar_of("day", "Pacific/Apia");
    int64_t lost = sg_date_days((struct sg_date){ .year = 2011, .month = 12, .day = 30 });
    struct sg_interval i;
    struct sg_range r;

    (void)state;
    assert_false(sg_calendar_interval(&c, lost, &i));
    assert_int_equal(i.start_s, i.end_s);
    assert_int_equal(i.start_s, utc("2011-12-30T10:00:00Z"));
    assert_int_equal(sg_calendar_index(&c, i.start_s), lost + 1);
    assert_int_equal(sg_calendar_step(&c, lost + 1, -1), lost - 1);
    assert_int_equal(sg_calendar_step(&c, lost + 1, -2), lost - 2);
    assert_int_equal(sg_calendar_step(&c, lost - 1, 1), lost + 1);
    assert_int_equal(sg_calendar_step(&c, lost - 1, 0), lost - 1);
    assert_int_equal(sg_calendar_step(&c, lost + 1, 0), lost + 1);
    assert_int_equal(sg_calendar_step(&c, lost + 10, -3), lost + 7);
    assert_int_equal(sg_calendar_step(&c, INT64_MIN, -3), INT64_MIN);
    assert_int_equal(sg_calendar_step(&c, INT64_MAX, -3), INT64_MAX);
    r = sg_calendar_meeting(
        &c, (struct sg_interval){ utc("2011-12-29T12:00:00Z"), utc("2011-12-30T12:00:00Z") });
    assert_int_equal(r.first, lost - 1);
    assert_int_equal(r.end, lost + 2);
}

static void meeting_gives_every_partition_that_overlaps_and_no_other(void **state)
{
    struct sg_interval want, i;
    struct sg_calendar c;
    struct sg_range r;
    int64_t len;

    (void)state;
    for (int n = 0; n < 50000; n++) {
        c = calendar_of(calendar_names[n % (int)(N_CALENDARS - 1)],
                        zone_names[random_below((int64_t)N_ZONES)]);
        len = 1 + random_below(n % 2 == 0 ? 10 * DAY_S : 4000);
        want.start_s = random_instant();
        want.end_s = want.start_s + len;
        r = sg_calendar_meeting(&c, want);
        assert_true(sg_calendar_interval(&c, r.first, &i));
        assert_true(i.start_s <= want.start_s && i.end_s > want.start_s);
        assert_true(sg_calendar_interval(&c, r.end - 1, &i));
        assert_true(i.start_s < want.end_s && i.end_s >= want.end_s);
    }
}

static void open_and_empty_intervals_meet_everything_and_nothing(void **state)
{
    struct sg_calendar c = calendar_of("day", "America/New_York");
    struct sg_range r;

    (void)state;
    r = sg_calendar_meeting(&c, (struct sg_interval){ SG_TIME_MIN, SG_TIME_MAX });
    assert_int_equal(r.first, INT64_MIN);
    assert_int_equal(r.end, INT64_MAX);
    r = sg_calendar_meeting(&c, (struct sg_interval){ utc("2024-01-01T05:00:00Z"), SG_TIME_MAX });
    assert_int_equal(r.first, sg_date_days((struct sg_date){ 2024, 1, 1 }));
    assert_int_equal(r.end, INT64_MAX);
    r = sg_calendar_meeting(&c, (struct sg_interval){ SG_TIME_MIN, utc("2024-01-01T05:00:00Z") });
    assert_int_equal(r.end, sg_date_days((struct sg_date){ 2024, 1, 1 }));
    r = sg_calendar_meeting(&c, (struct sg_interval){ 5, 5 });
    assert_int_equal(sg_range_count(r), 0);
    c = calendar_of("once", "UTC");
    r = sg_calendar_meeting(&c, (struct sg_interval){ 5, 6 });
    assert_int_equal(r.first, 0);
    assert_int_equal(r.end, 1);
}

static void the_ends_of_time_overflow_nothing(void **state)
{
    char label[SG_LABEL_TEXT];
    struct sg_interval i;
    struct sg_calendar c;
    static const int64_t ends[] = { INT64_MIN, INT64_MIN + 1, -1, 0, INT64_MAX - 1, INT64_MAX };

    (void)state;
    for (size_t n = 0; n < N_CALENDARS; n++) {
        for (size_t z = 0; z < N_ZONES; z++) {
            c = calendar_of(calendar_names[n], zone_names[z]);
            for (size_t k = 0; k < sizeof(ends) / sizeof(ends[0]); k++) {
                (void)sg_calendar_interval(&c, ends[k], &i);
                assert_true(i.start_s <= i.end_s);
                (void)sg_calendar_index(&c, ends[k]);
                sg_calendar_label(&c, ends[k], label);
                (void)sg_calendar_step(&c, ends[k], -5);
                (void)sg_calendar_last_date(&c, ends[k]);
            }
        }
    }
}

static void times_are_read_as_section_3_says(void **state)
{
    static const struct {
        const char *text, *zone, *start, *end; /* end NULL: an instant */
    } cases[] = {
        { "2024-01-02", "UTC", "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z" },
        { "2024-01-02", "America/New_York", "2024-01-02T05:00:00Z", "2024-01-03T05:00:00Z" },
        { "2024-01-02T05", "America/New_York", "2024-01-02T05:00:00Z", NULL },
        { "2024-01-02T0515", "America/New_York", "2024-01-02T05:15:00Z", NULL },
        { "2024-01-02T05:30", "Asia/Kolkata", "2024-01-02T05:30:00Z", NULL },
        { "2024-01-02T05:30:10", "UTC", "2024-01-02T05:30:10Z", NULL },
        { "2024-01-02T05:30:10Z", "America/New_York", "2024-01-02T05:30:10Z", NULL },
        { "2024-01-02T05:00:00+02:00", "UTC", "2024-01-02T03:00:00Z", NULL },
        { "2024-01-02T05-0330", "UTC", "2024-01-02T08:30:00Z", NULL },
        { "2024-01-02T05+02", "UTC", "2024-01-02T03:00:00Z", NULL },
        { "2024-01-02T0515Z", "UTC", "2024-01-02T05:15:00Z", NULL },
        { "2024-W03", "UTC", "2024-01-15T00:00:00Z", "2024-01-22T00:00:00Z" },
        { "2024-02", "UTC", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z" },
        { "2024-02", "America/New_York", "2024-02-01T05:00:00Z", "2024-03-01T05:00:00Z" },
        { "2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z" },
    };
    static const char *const bad[] = {
        "",
        "2024",
        "2024-01-02Z",
        "2024-01-32",
        "2024-13-01",
        "2024-01-02T",
        "2024-01-02T5",
        "2024-01-02T24",
        "2024-01-02T05:60",
        "2024-01-02T05:30:60",
        "2024-01-02 05:30",
        "2024-01-02T05:30+",
        "2024-01-02T05:30z",
        "2024-01-02T05:30:10.5",
        "2024-W54",
        "2024-W03T05",
        "yesterday",
        "2024-01-02T05:30+02:00x",
    };
    char start[SG_UTC_TEXT], end[SG_UTC_TEXT];
    struct sg_interval i;

    (void)state;
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        if (!sg_time_parse(cases[n].text, zone_of(cases[n].zone), &i))
            fail_msg("%s is no time", cases[n].text);
        sg_utc_format(i.start_s, start);
        sg_utc_format(i.end_s, end);
        if (strcmp(start, cases[n].start) != 0 ||
            strcmp(end, cases[n].end != NULL ? cases[n].end : cases[n].start) != 0)
            fail_msg("%s in %s: %s to %s", cases[n].text, cases[n].zone, start, end);
    }
    for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
        if (sg_time_parse(bad[n], zones[0], &i))
            fail_msg("\"%s\" is a time", bad[n]);
    }
}

static void dates_of_a_partition_are_local_for_a_day_and_more(void **state)
{
    static const struct {
        const char *calendar, *zone, *label;
        struct sg_date first, last;
    } cases[] = {
        { "hour", "America/New_York", "2024-01-02T01", { 2024, 1, 2 }, { 2024, 1, 2 } },
        { "5m", "UTC", "2024-01-02T2355", { 2024, 1, 2 }, { 2024, 1, 2 } },
        { "day", "America/New_York", "2024-01-02", { 2024, 1, 2 }, { 2024, 1, 2 } },
        { "week", "UTC", "2024-W01", { 2024, 1, 1 }, { 2024, 1, 7 } },
        { "month", "UTC", "2024-02", { 2024, 2, 1 }, { 2024, 2, 29 } },
    };
    struct sg_calendar c;
    int64_t index;

    (void)state;
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        c = calendar_of(cases[n].calendar, cases[n].zone);
        assert_true(sg_calendar_parse_label(&c, cases[n].label, &index));
        assert_int_equal(sg_calendar_first_date(&c, index), sg_date_days(cases[n].first));
        assert_int_equal(sg_calendar_last_date(&c, index), sg_date_days(cases[n].last));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendars_are_known_by_name),
        cmocka_unit_test(a_partition_has_the_label_and_interval_of_its_zone),
        cmocka_unit_test(only_labels_of_the_calendar_are_read),
        cmocka_unit_test(label_instant_and_interval_agree_everywhere),
        cmocka_unit_test(a_date_that_never_was_is_an_empty_interval_and_is_stepped_over),
        cmocka_unit_test(meeting_gives_every_partition_that_overlaps_and_no_other),
        cmocka_unit_test(open_and_empty_intervals_meet_everything_and_nothing),
        cmocka_unit_test(the_ends_of_time_overflow_nothing),
        cmocka_unit_test(times_are_read_as_section_3_says),
        cmocka_unit_test(dates_of_a_partition_are_local_for_a_day_and_more),
    };

    return cmocka_run_group_tests(tests, open_zones, close_zones);
}
