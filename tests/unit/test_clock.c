#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "stagegraph/clock.h"

static void now_lies_between_two_looks_at_the_system_clock(void **state)
{
    struct timespec before, after;
    struct sg_wall wall;
    struct sg_mono mono, later;

    (void)state;
    clock_gettime(CLOCK_REALTIME, &before);
    wall = sg_wall_now();
    clock_gettime(CLOCK_REALTIME, &after);
    assert_true(wall.ns >= before.tv_sec * SG_NS_PER_S + before.tv_nsec);
    assert_true(wall.ns <= after.tv_sec * SG_NS_PER_S + after.tv_nsec);
    mono = sg_mono_now();
    later = sg_mono_now();
    assert_true(mono.ns > 0 && later.ns >= mono.ns);
}

static void an_instant_has_two_forms(void **state)
{
    static const struct {
        int64_t t_s;
        const char *full, *brief;
    } cases[] = {
        { 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00Z" },
        { -1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59Z" },
        { -60, "1969-12-31T23:59:00Z", "1969-12-31T23:59Z" },
        { 1704085200, "2024-01-01T05:00:00Z", "2024-01-01T05:00Z" },
        { 1704085201, "2024-01-01T05:00:01Z", "2024-01-01T05:00:01Z" },
        { 1709164800, "2024-02-29T00:00:00Z", "2024-02-29T00:00Z" },
        { 951782400, "2000-02-29T00:00:00Z", "2000-02-29T00:00Z" },
        { 2147483648, "2038-01-19T03:14:08Z", "2038-01-19T03:14:08Z" },
        { -62135596800, "0001-01-01T00:00:00Z", "0001-01-01T00:00Z" },
        { 253402300799, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
        { 253402300800, "10000-01-01T00:00:00Z", "10000-01-01T00:00Z" },
        { INT64_MAX, "292277026596-12-04T15:30:07Z", "292277026596-12-04T15:30:07Z" },
        { INT64_MIN, "-292277022657-01-27T08:29:52Z", "-292277022657-01-27T08:29:52Z" },
    };
    char text[SG_UTC_TEXT];
    int64_t back;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sg_utc_format_short(cases[i].t_s, text);
        if (strcmp(text, cases[i].brief) != 0)
            fail_msg("%s: %s", cases[i].brief, text);
        sg_utc_format(cases[i].t_s, text);
        if (strcmp(text, cases[i].full) != 0)
            fail_msg("%s: %s", cases[i].full, text);
        back = 7;
        if (sg_utc_parse(text, strlen(text), &back) != (strlen(text) == 20) ||
            back != (strlen(text) == 20 ? cases[i].t_s : 7))
            fail_msg("%s: parsed as %lld", text, (long long)back);
    }
}

static void only_the_exact_form_is_an_instant(void **state)
{
    static const char *const refused[] = {
        "",
        "2024-01-01T05:00Z",
        "2024-01-01T05:00:00",
        "2024-01-01T05:00:00z",
        "2024-01-01t05:00:00Z",
        "2024-01-01 05:00:00Z",
        "2024-01-01T05:00:00Z ",
        " 2024-01-01T05:00:00Z",
        "2024/01/01T05:00:00Z",
        "2024-01-01T05-00-00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T05:60:00Z",
        "2016-12-31T23:59:60Z",
        "2024-00-01T05:00:00Z",
        "2024-13-01T05:00:00Z",
        "2024-01-00T05:00:00Z",
        "2024-01-32T05:00:00Z",
        "2024-04-31T05:00:00Z",
        "2023-02-29T05:00:00Z",
        "1900-02-29T05:00:00Z",
        "0000-01-01T05:00:00Z",
        "-001-01-01T05:00:00Z",
        "+024-01-01T05:00:00Z",
        "2024-1 -01T05:00:00Z",
        "2024-01-01T0x:00:00Z",
    };
    int64_t t_s = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (sg_utc_parse(refused[i], strlen(refused[i]), &t_s) || t_s != 7)
            fail_msg("'%s'", refused[i]);
    }
    assert_false(sg_utc_parse("2024-01-01T05:00:00Z", 19, &t_s));
    assert_false(sg_utc_parse("2024-01-01\0"
                              "05:00:00Z",
                              20, &t_s));
}

/* Each day of years 1 to 9999 follows the day before, and the C library agrees. */
static void days_and_dates_are_each_others_inverse(void **state)
{
    struct sg_date first = { 1, 1, 1 }, last = { 9999, 12, 31 }, d, before = { 0, 12, 31 };
    int64_t from = sg_date_days(first), to = sg_date_days(last);
    struct tm tm;
    time_t t;

    (void)state;
    assert_int_equal(to - from + 1, 3652059);
    for (int64_t days = from; days <= to; days++) {
        d = sg_date_of_days(days);
        if (!sg_date_is_valid(d) || sg_date_days(d) != days)
            fail_msg("day %lld: %d-%d-%d", (long long)days, d.year, d.month, d.day);
        if (d.day != before.day + 1 && (d.day != 1 || before.day < 28))
            fail_msg("day %lld does not follow", (long long)days);
        before = d;
        if (days % 29 == 0) {
            t = days * 86400;
            assert_non_null(gmtime_r(&t, &tm));
            if (d.year != tm.tm_year + 1900 || d.month != tm.tm_mon + 1 || d.day != tm.tm_mday ||
                sg_date_weekday(days) != (tm.tm_wday + 6) % 7)
                fail_msg("day %lld: %d-%d-%d", (long long)days, d.year, d.month, d.day);
        }
    }
}

static void days_that_no_date_has_give_the_nearest_one(void **state)
{
    static const int64_t far[] = { INT64_MAX, INT64_C(1) << 60, INT64_C(2147483647) * 366 };
    struct sg_date d, most = { INT32_MAX, 12, 31 }, least = { INT32_MIN, 1, 1 };

    (void)state;
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        d = sg_date_of_days(far[i]);
        assert_memory_equal(&d, &most, sizeof(d));
        d = sg_date_of_days(-far[i] - 1);
        assert_memory_equal(&d, &least, sizeof(d));
    }
    d = sg_date_of_days(sg_date_days(most));
    assert_memory_equal(&d, &most, sizeof(d));
    d = sg_date_of_days(sg_date_days(least));
    assert_memory_equal(&d, &least, sizeof(d));
    assert_in_range(sg_date_weekday(INT64_MAX), 0, 6);
    assert_in_range(sg_date_weekday(INT64_MIN), 0, 6);
}

static void a_date_has_to_exist(void **state)
{
    static const struct {
        struct sg_date d;
        bool valid;
    } cases[] = {
        { { 2024, 2, 29 }, true },  { { 2023, 2, 29 }, false },     { { 2000, 2, 29 }, true },
        { { 1900, 2, 29 }, false }, { { 2024, 2, 30 }, false },     { { 2024, 4, 30 }, true },
        { { 2024, 4, 31 }, false }, { { 2024, 12, 31 }, true },     { { 2024, 12, 32 }, false },
        { { 2024, 0, 1 }, false },  { { 2024, 13, 1 }, false },     { { 2024, 1, 0 }, false },
        { { 2024, 1, -1 }, false }, { { 0, 1, 1 }, false },         { { 1, 1, 1 }, true },
        { { 9999, 12, 31 }, true }, { { 10000, 1, 1 }, false },     { { -4, 2, 29 }, false },
        { { 2024, -1, 1 }, false }, { { INT32_MIN, 1, 1 }, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (sg_date_is_valid(cases[i].d) != cases[i].valid)
            fail_msg("%d-%d-%d", cases[i].d.year, cases[i].d.month, cases[i].d.day);
    }
}

struct scaled_case {
    const char *text;
    int64_t value; /* -1: refused */
};

static void check_scaled(const struct scaled_case *cases, size_t n,
                         bool (*parse)(const char *text, int64_t *ret))
{
    for (size_t i = 0; i < n; i++) {
        int64_t v = -1;

        if (parse(cases[i].text, &v) != (cases[i].value >= 0) || v != cases[i].value)
            fail_msg("'%s': %lld", cases[i].text, (long long)v);
    }
}

static void durations_are_a_number_and_a_unit(void **state)
{
    static const struct scaled_case cases[] = {
        { "90s", 90 },
        { "30m", 1800 },
        { "2h", 7200 },
        { "7d", 604800 },
        { "0", 0 },
        { "0d", 0 },
        { "45", 45 },
        { "007", 7 },
        { "9223372036854775807", INT64_MAX },
        { "9223372036854775807s", INT64_MAX },
        { "9223372036854775808", -1 },
        { "9223372036854775807m", -1 },
        { "106751991167301d", -1 },
        { "99999999999999999999999", -1 },
        { "", -1 },
        { "s", -1 },
        { "1 s", -1 },
        { " 1s", -1 },
        { "1s ", -1 },
        { "-1s", -1 },
        { "+1s", -1 },
        { "1.5h", -1 },
        { "1h30m", -1 },
        { "5ms", -1 },
        { "5S", -1 },
        { "1w", -1 },
        { "0x10", -1 },
    };

    (void)state;
    check_scaled(cases, sizeof(cases) / sizeof(cases[0]), sg_duration_parse);
}

static void sizes_are_a_number_and_a_unit(void **state)
{
    static const struct scaled_case cases[] = {
        { "512m", INT64_C(512) << 20 },
        { "4g", INT64_C(4) << 30 },
        { "100k", 102400 },
        { "1t", INT64_C(1) << 40 },
        { "0", 0 },
        { "123", 123 },
        { "8589934591g", INT64_C(8589934591) << 30 },
        { "8589934592g", -1 },
        { "9223372036854775808", -1 },
        { "", -1 },
        { "g", -1 },
        { "4gb", -1 },
        { "4G", -1 },
        { "4 g", -1 },
        { "-4g", -1 },
        { "1.5g", -1 },
        { "4b", -1 },
    };

    (void)state;
    check_scaled(cases, sizeof(cases) / sizeof(cases[0]), sg_size_parse);
}

static void a_duration_is_shown_in_two_places(void **state)
{
    static const struct {
        double seconds;
        const char *whole, *decimals;
    } cases[] = {
        { 0, "0s", "0.0s" },
        { -5, "0s", "0.0s" },
        { NAN, "0s", "0.0s" },
        { 0.04, "0s", "0.0s" },
        { 0.06, "0s", "0.1s" },
        { 12.4, "12s", "12.4s" },
        { 12.6, "13s", "12.6s" },
        { 59.4, "59s", "59.4s" },
        { 59.94, "1m 00s", "59.9s" },
        { 59.97, "1m 00s", "1m 00s" },
        { 60, "1m 00s", "1m 00s" },
        { 245.3, "4m 05s", "4m 05s" },
        { 3599.4, "59m 59s", "59m 59s" },
        { 3599.6, "1h 00m", "1h 00m" },
        { 12960, "3h 36m", "3h 36m" },
        { 12989, "3h 36m", "3h 36m" },
        { 12990, "3h 37m", "3h 37m" },
        { 172769, "47h 59m", "47h 59m" },
        { 172770, "2d 00h", "2d 00h" },
        { 442800, "5d 03h", "5d 03h" },
        { 1e300, "11574074074d 02h", "11574074074d 02h" },
        { INFINITY, "11574074074d 02h", "11574074074d 02h" },
    };
    char text[SG_DURATION_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sg_duration_format(cases[i].seconds, false, text);
        if (strcmp(text, cases[i].whole) != 0)
            fail_msg("%g: '%s'", cases[i].seconds, text);
        sg_duration_format(cases[i].seconds, true, text);
        if (strcmp(text, cases[i].decimals) != 0)
            fail_msg("%g with decimals: '%s'", cases[i].seconds, text);
    }
}

static void a_size_is_shown_with_its_unit(void **state)
{
    static const struct {
        int64_t bytes;
        const char *text;
    } cases[] = {
        { 0, "0 B" },
        { 17, "17 B" },
        { 1023, "1023 B" },
        { 1024, "1.0 KiB" },
        { 10188, "9.9 KiB" },
        { 10189, "10 KiB" },
        { 1048063, "1023 KiB" },
        { 1048064, "1.0 MiB" },
        { INT64_C(512) << 20, "512 MiB" },
        { 2040109466, "1.9 GiB" },
        { INT64_C(1) << 40, "1.0 TiB" },
        { INT64_MAX, "8.0 EiB" },
        { INT64_MIN, "-8.0 EiB" },
        { -17, "-17 B" },
    };
    char text[SG_SIZE_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sg_size_format(cases[i].bytes, text);
        if (strcmp(text, cases[i].text) != 0)
            fail_msg("%lld: '%s'", (long long)cases[i].bytes, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(now_lies_between_two_looks_at_the_system_clock),
        cmocka_unit_test(an_instant_has_two_forms),
        cmocka_unit_test(only_the_exact_form_is_an_instant),
        cmocka_unit_test(days_and_dates_are_each_others_inverse),
        cmocka_unit_test(days_that_no_date_has_give_the_nearest_one),
        cmocka_unit_test(a_date_has_to_exist),
        cmocka_unit_test(durations_are_a_number_and_a_unit),
        cmocka_unit_test(sizes_are_a_number_and_a_unit),
        cmocka_unit_test(a_duration_is_shown_in_two_places),
        cmocka_unit_test(a_size_is_shown_with_its_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
