/* zone: offsets and the beginnings of dates, held against the C library's. */
#include "stagegraph/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/clock.h"

#define DAY_S INT64_C(86400)

static const char *const names[] = {
    "UTC",
    "Etc/UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "America/Havana",
    "America/Juneau",
    "America/Nuuk",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kolkata",
    "Asia/Manila",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

static struct sg_zone *open_zone(const char *name)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_zone *z = NULL;

    if (!sg_zone_open(name, NULL, &z, &err))
        fail_msg("%s: %s", name, err.text);
    return z;
}

static void use_c_library_zone(const char *name)
{
    assert_int_equal(setenv("TZ", name, 1), 0);
    tzset();
}

static int64_t c_offset(int64_t t)
{
    struct tm tm;
    time_t at = t;

    assert_non_null(localtime_r(&at, &tm));
    return tm.tm_gmtoff;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t days_of(int year, int month, int day)
{
    return sg_date_days((struct sg_date){ .year = year, .month = month, .day = day });
}

static void offsets_are_those_of_the_c_library(void **state)
{
    uint64_t seed = 1;
    struct sg_zone *z;
    int64_t t;

    (void)state;
    for (size_t i = 0; i < N_NAMES; i++) {
        z = open_zone(names[i]);
        use_c_library_zone(names[i]);
        for (int n = 0; n < 20000; n++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            /* 1800 to 2600, and most of it near today. */
            t = (int64_t)(seed >> 20) % ((n % 4 == 0 ? 400 : 70) * 366 * DAY_S);
            t += n % 4 == 0 ? -170 * 366 * DAY_S : 0;
            if (sg_zone_offset(z, t) != c_offset(t))
                fail_msg("%s at %lld: %d, not %lld", names[i], (long long)t, sg_zone_offset(z, t),
                         (long long)c_offset(t));
        }
        sg_zone_free(z);
    }
}

static void the_offset_changes_where_a_span_ends(void **state)
{
    struct sg_zone_span span, next;
    struct sg_zone *z;
    int64_t t;
    int n;

    (void)state;
    for (size_t i = 0; i < N_NAMES; i++) {
        z = open_zone(names[i]);
        use_c_library_zone(names[i]);
        n = 0;
        for (t = days_of(1700, 1, 1) * DAY_S; t < days_of(2900, 1, 1) * DAY_S; t = span.end_s) {
            span = sg_zone_span_at(z, t);
            assert_true(span.start_s <= t && t < span.end_s);
            if (span.end_s == INT64_MAX)
                break;
            next = sg_zone_span_at(z, span.end_s);
            assert_int_equal(next.start_s, span.end_s);
            assert_int_equal(sg_zone_span_at(z, span.end_s - 1).start_s, span.start_s);
            assert_int_not_equal(next.offset_s, span.offset_s);
            if (c_offset(span.end_s) != next.offset_s || c_offset(span.end_s - 1) != span.offset_s)
                fail_msg("%s at %lld: %d then %d, not %lld then %lld", names[i],
                         (long long)span.end_s, span.offset_s, next.offset_s,
                         (long long)c_offset(span.end_s - 1), (long long)c_offset(span.end_s));
            n++;
        }
        if (strcmp(names[i], "America/New_York") == 0)
            assert_true(n > 1700);
        sg_zone_free(z);
    }
}

/* The first instant with that date, by asking the C library about every half minute. */
static bool c_day_start(int64_t days, int64_t *ret)
{
    for (int64_t t = days * DAY_S - 27 * 3600; t < (days + 1) * DAY_S + 27 * 3600; t += 30) {
        if (floor_div(t + c_offset(t), DAY_S) == days) {
            *ret = t;
            return true;
        }
    }
    return false;
}

static void dates_begin_where_the_c_library_has_them_first(void **state)
{
    struct sg_zone_span span;
    struct sg_zone *z;
    int64_t day, expected, t;
    bool exists, expect_exists;

    (void)state;
    for (size_t i = 0; i < N_NAMES; i++) {
        z = open_zone(names[i]);
        use_c_library_zone(names[i]);
        /* Since 1973 every offset is a multiple of half a minute. */
        t = days_of(1973, 1, 1) * DAY_S;
        for (int n = 0; n < 12; n++) {
            span = sg_zone_span_at(z, t);
            if (span.end_s == INT64_MAX)
                break;
            for (int near = -1; near <= 1; near++) {
                day = floor_div(span.end_s + span.offset_s, DAY_S) + near;
                expect_exists = c_day_start(day, &expected);
                if (!expect_exists)
                    assert_true(c_day_start(day + 1, &expected));
                assert_int_equal(sg_zone_day_start(z, day, &exists), expected);
                assert_int_equal(exists, expect_exists);
            }
            t = span.end_s + (n < 6 ? 0 : 3 * 366 * DAY_S);
        }
        sg_zone_free(z);
    }
}

static void odd_midnights_are_as_history_had_them(void **state)
{
    static const struct {
        const char *label, *zone;
        int year, month, day;
        const char *expected;
        bool exists;
    } cases[] = {
        { "midnight skipped by summer time", "America/Sao_Paulo", 2018, 11, 4,
          "2018-11-04T03:00:00Z", true },
        { "midnight twice", "America/Sao_Paulo", 2018, 2, 18, "2018-02-18T03:00:00Z", true },
        { "an hour of the day before comes again after 00:01", "America/St_Johns", 2007, 11, 4,
          "2007-11-04T02:30:00Z", true },
        { "skipped from 00:01", "America/St_Johns", 2007, 3, 11, "2007-03-11T03:30:00Z", true },
        { "midnight skipped in Beirut", "Asia/Beirut", 2022, 3, 27, "2022-03-26T22:00:00Z", true },
        { "midnight skipped in Havana", "America/Havana", 2023, 3, 12, "2023-03-12T05:00:00Z",
          true },
        { "one o'clock becomes midnight in Havana", "America/Havana", 2023, 11, 5,
          "2023-11-05T04:00:00Z", true },
        { "the day before the lost one", "Pacific/Apia", 2011, 12, 29, "2011-12-29T10:00:00Z",
          true },
        { "a date that never was", "Pacific/Apia", 2011, 12, 30, "2011-12-30T10:00:00Z", false },
        { "the day after it", "Pacific/Apia", 2011, 12, 31, "2011-12-30T10:00:00Z", true },
        { "the last day of 1844 never was", "Asia/Manila", 1844, 12, 31, "1844-12-31T15:56:08Z",
          false },
        { "the first of 1845", "Asia/Manila", 1845, 1, 1, "1844-12-31T15:56:08Z", true },
        { "half an hour of summer time", "Australia/Lord_Howe", 2024, 4, 7, "2024-04-06T13:00:00Z",
          true },
        { "long after the table", "America/New_York", 2713, 7, 1, "2713-07-01T04:00:00Z", true },
        { "long before it", "America/New_York", 1500, 7, 1, "1500-07-01T04:56:02Z", true },
    };
    struct sg_zone *z;
    char text[SG_UTC_TEXT];
    bool exists;
    int64_t at, day;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        z = open_zone(cases[i].zone);
        day = days_of(cases[i].year, cases[i].month, cases[i].day);
        at = sg_zone_day_start(z, day, &exists);
        sg_utc_format(at, text);
        if (strcmp(text, cases[i].expected) != 0 || exists != cases[i].exists)
            fail_msg("%s: %s, %s", cases[i].label, text, exists ? "exists" : "never was");
        if (exists) {
            assert_int_equal(sg_zone_day_of(z, at), day);
            assert_true(sg_zone_day_of(z, at - 1) < day);
        }
        sg_zone_free(z);
    }
}

static void every_instant_lies_in_the_date_that_began_last(void **state)
{
    struct sg_zone_span span;
    struct sg_zone *z;
    int64_t day, t, last;
    bool exists;

    (void)state;
    for (size_t i = 0; i < N_NAMES; i++) {
        z = open_zone(names[i]);
        last = INT64_MIN;
        for (int64_t at = days_of(1840, 1, 1) * DAY_S; at < days_of(2040, 1, 1) * DAY_S;
             at = span.end_s) {
            span = sg_zone_span_at(z, at);
            if (span.end_s == INT64_MAX)
                break;
            for (int h = -50; h <= 50; h++) {
                t = span.end_s + h * 3600 - (h & 1);
                day = sg_zone_day_of(z, t);
                assert_true(sg_zone_day_start(z, day, &exists) <= t);
                assert_true(exists);
                assert_true(sg_zone_day_start(z, day + 1, &exists) > t);
                assert_true(day >= last || h == -50);
                last = day;
            }
        }
        sg_zone_free(z);
    }
}

static void lost_dates_are_listed(void **state)
{
    struct sg_zone *z = open_zone("Pacific/Apia");
    const int64_t *lost;

    (void)state;
    assert_int_equal(sg_zone_lost_days(z, &lost), 1);
    assert_int_equal(lost[0], days_of(2011, 12, 30));
    sg_zone_free(z);
    z = open_zone("Pacific/Kwajalein");
    assert_int_equal(sg_zone_lost_days(z, &lost), 1);
    assert_int_equal(lost[0], days_of(1993, 8, 21));
    sg_zone_free(z);
    z = open_zone("Europe/Berlin");
    assert_int_equal(sg_zone_lost_days(z, &lost), 0);
    sg_zone_free(z);
}

static void the_ends_of_time_overflow_nothing(void **state)
{
    struct sg_zone *z;
    bool exists;

    (void)state;
    for (size_t i = 0; i < N_NAMES; i++) {
        z = open_zone(names[i]);
        assert_true(sg_zone_day_start(z, INT64_MAX, &exists) > 0);
        assert_true(sg_zone_day_start(z, INT64_MIN, &exists) < 0);
        assert_true(sg_zone_day_of(z, INT64_MAX) > 0);
        assert_true(sg_zone_day_of(z, INT64_MIN) < 0);
        (void)sg_zone_offset(z, INT64_MAX);
        (void)sg_zone_offset(z, INT64_MIN);
        (void)sg_zone_span_at(z, INT64_MAX);
        (void)sg_zone_span_at(z, INT64_MIN);
        sg_zone_free(z);
    }
}

static void utc_needs_no_file(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_zone *z = NULL;

    (void)state;
    assert_true(sg_zone_open("UTC", "/nonexistent", &z, &err));
    assert_true(sg_zone_is_utc(z));
    assert_string_equal(sg_zone_name(z), "UTC");
    sg_zone_free(z);
    z = open_zone("Etc/UTC");
    assert_true(sg_zone_is_utc(z));
    sg_zone_free(z);
    z = open_zone("Africa/Abidjan"); /* UTC today, not in 1900 */
    assert_false(sg_zone_is_utc(z));
    sg_zone_free(z);
    sg_zone_free(NULL);
}

static void what_is_no_zone_is_refused(void **state)
{
    static const struct {
        const char *name, *dir, *why;
    } cases[] = {
        { "Europe/Berln", NULL, "time zone Europe/Berln: no such time zone" },
        { "Europe", NULL, "time zone Europe: no such time zone" },
        { "Europe/Berlin/x", NULL, "time zone Europe/Berlin/x: no such time zone" },
        { "tzdata.zi", NULL,
          "time zone tzdata.zi: no name of a time zone (they look like Europe/Berlin)" },
        { "../zoneinfo/UTC", NULL,
          "time zone ../zoneinfo/UTC: no name of a time zone (they look like Europe/Berlin)" },
        { "", NULL, "time zone : no name of a time zone (they look like Europe/Berlin)" },
        { "Europe/Berlin", "/nonexistent",
          "time zone Europe/Berlin: there is no /nonexistent: is tzdata installed?" },
    };
    struct sg_error err;
    struct sg_zone *z;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        z = NULL;
        err = (struct sg_error)SG_ERROR_INIT;
        assert_false(sg_zone_open(cases[i].name, cases[i].dir, &z, &err));
        assert_null(z);
        assert_int_equal(err.code, SG_ERROR_GRAPH);
        assert_string_equal(err.text, cases[i].why);
    }
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Written by hand: no transitions, and a rule alone. */
static size_t rule_file(unsigned char *to, const char *rule)
{
    static const unsigned char types[] = { 0, 0, 0, 0, 0, 0, 'X', 0 };
    size_t n = 0;

    memset(to, 0, 1024);
    for (int i = 0; i < 2; i++) {
        memcpy(to + n, "TZif2", 5);
        to[n + 39] = 1; /* types */
        to[n + 43] = 2; /* chars */
        n += 44;
        memcpy(to + n, types, sizeof(types));
        n += sizeof(types);
    }
    n += (size_t)sprintf((char *)to + n, "\n%s\n", rule);
    return n;
}

static void rules_of_every_form_are_the_c_librarys(void **state)
{
    static const char *const rules[] = {
        "EST5EDT,M3.2.0,M11.1.0",
        "EST5EDT4,M3.2.0/2:30:15,M11.1.0/-1",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "AAA3BBB,J60/3,J300",
        "AAA-3BBB,59/3,300",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "<+0330>-3:30<+0430>,J79/24,J263/24",
        "XXX4",
    };
    char dir[] = "/tmp/test_zone.XXXXXX", path[64];
    unsigned char bytes[1024];
    struct sg_error err = SG_ERROR_INIT;
    struct sg_zone *z;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/Rule", dir);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        write_file(path, bytes, rule_file(bytes, rules[i]));
        use_c_library_zone(rules[i]);
        z = NULL;
        if (!sg_zone_open("Rule", dir, &z, &err))
            fail_msg("%s: %s", rules[i], err.text);
        for (int64_t t = days_of(1970, 1, 1) * DAY_S; t < days_of(2500, 1, 1) * DAY_S; t += 10111) {
            if (sg_zone_offset(z, t) != c_offset(t))
                fail_msg("%s at %lld: %d, not %lld", rules[i], (long long)t, sg_zone_offset(z, t),
                         (long long)c_offset(t));
        }
        sg_zone_free(z);
    }
    unlink(path);
    rmdir(dir);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    char dir[] = "/tmp/test_zone.XXXXXX", path[64];
    unsigned char bytes[65536];
    struct sg_error err;
    struct sg_zone *z = NULL;
    FILE *f = fopen("/usr/share/zoneinfo/America/New_York", "rb");
    size_t n;

    (void)state;
    assert_non_null(f);
    n = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/Cut", dir);
    for (size_t cut = 0; cut < n; cut += cut + 64 < n ? 37 : 1) {
        write_file(path, bytes, cut);
        err = (struct sg_error)SG_ERROR_INIT;
        if (sg_zone_open("Cut", dir, &z, &err))
            fail_msg("cut at %zu of %zu is a zone", cut, n);
        assert_int_equal(err.code, SG_ERROR_GRAPH);
    }
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_those_of_the_c_library),
        cmocka_unit_test(the_offset_changes_where_a_span_ends),
        cmocka_unit_test(dates_begin_where_the_c_library_has_them_first),
        cmocka_unit_test(odd_midnights_are_as_history_had_them),
        cmocka_unit_test(every_instant_lies_in_the_date_that_began_last),
        cmocka_unit_test(lost_dates_are_listed),
        cmocka_unit_test(the_ends_of_time_overflow_nothing),
        cmocka_unit_test(utc_needs_no_file),
        cmocka_unit_test(what_is_no_zone_is_refused),
        cmocka_unit_test(rules_of_every_form_are_the_c_librarys),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
