#include "stagegraph/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_S INT64_C(86400)

/* Days and years of the calendar's period of 400 years; its arithmetic begins on 0000-03-01, so
 * that the leap day is the last day of a year. */
#define ERA_DAYS     INT64_C(146097)
#define EPOCH_OFFSET INT64_C(719468) /* from 0000-03-01 to 1970-01-01 */

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t); /* can't fail for these two clocks */
    return t.tv_sec * SG_NS_PER_S + t.tv_nsec;
}

struct sg_wall sg_wall_now(void)
{
    return (struct sg_wall){ .ns = clock_ns(CLOCK_REALTIME) };
}

struct sg_mono sg_mono_now(void)
{
    return (struct sg_mono){ .ns = clock_ns(CLOCK_MONOTONIC) };
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t sg_date_days(struct sg_date d)
{
    int64_t y = d.month <= 2 ? (int64_t)d.year - 1 : d.year;
    int64_t era = floor_div(y, 400), year_of_era = y - era * 400;
    int64_t month = d.month > 2 ? d.month - 3 : d.month + 9; /* 0 is March */
    int64_t day_of_year = (153 * month + 2) / 5 + d.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * ERA_DAYS + day_of_era - EPOCH_OFFSET;
}

/* days so that every year fits an int64_t: at most those of INT64_MAX seconds. */
static int64_t split_days(int64_t days, int *ret_month, int *ret_day)
{
    int64_t z = days + EPOCH_OFFSET, era = floor_div(z, ERA_DAYS);
    int64_t day_of_era = z - era * ERA_DAYS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */

    *ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    return year_of_era + era * 400 + (*ret_month <= 2);
}

struct sg_date sg_date_of_days(int64_t days)
{
    /* Twice the years that fit; only to keep the arithmetic in range. */
    const int64_t bound = INT64_C(2) * INT32_MAX * 366;
    int month, day;
    int64_t year;

    if (days > bound)
        days = bound;
    if (days < -bound)
        days = -bound;
    year = split_days(days, &month, &day);
    if (year > INT32_MAX)
        return (struct sg_date){ .year = INT32_MAX, .month = 12, .day = 31 };
    if (year < INT32_MIN)
        return (struct sg_date){ .year = INT32_MIN, .month = 1, .day = 1 };
    return (struct sg_date){ .year = (int32_t)year, .month = month, .day = day };
}

bool sg_date_is_valid(struct sg_date d)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = d.year % 4 == 0 && (d.year % 100 != 0 || d.year % 400 == 0);

    if (d.year < 1 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1)
        return false;
    return d.day <= lengths[d.month - 1] + (d.month == 2 && leap);
}

int sg_date_weekday(int64_t days)
{
    return (int)((days % 7 + 7 + 3) % 7); /* day 0 was a Thursday */
}

static void format_utc(int64_t t_s, bool seconds, char ret[SG_UTC_TEXT])
{
    int64_t days = floor_div(t_s, DAY_S), year;
    int s = (int)((t_s % DAY_S + DAY_S) % DAY_S), month, day;

    year = split_days(days, &month, &day);
    if (seconds)
        snprintf(ret, SG_UTC_TEXT, "%04lld-%02d-%02dT%02d:%02d:%02dZ", (long long)year, month, day,
                 s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(ret, SG_UTC_TEXT, "%04lld-%02d-%02dT%02d:%02dZ", (long long)year, month, day,
                 s / 3600, s / 60 % 60);
}

void sg_utc_format(int64_t t_s, char ret[SG_UTC_TEXT])
{
    format_utc(t_s, true, ret);
}

void sg_utc_format_short(int64_t t_s, char ret[SG_UTC_TEXT])
{
    format_utc(t_s, t_s % 60 != 0, ret);
}

/* Exactly n digits. */
static bool take_digits(const char *text, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (text[i] - '0');
    }
    *ret = v;
    return true;
}

bool sg_utc_parse(const char *text, size_t n, int64_t *ret_s)
{
    int year, month, day, h, m, s;
    struct sg_date d;

    if (n != sizeof("2024-01-01T05:00:00Z") - 1)
        return false;
    if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
        text[19] != 'Z')
        return false;
    if (!take_digits(text, 4, &year) || !take_digits(text + 5, 2, &month) ||
        !take_digits(text + 8, 2, &day) || !take_digits(text + 11, 2, &h) ||
        !take_digits(text + 14, 2, &m) || !take_digits(text + 17, 2, &s))
        return false;
    d = (struct sg_date){ .year = year, .month = month, .day = day };
    if (!sg_date_is_valid(d) || h > 23 || m > 59 || s > 59)
        return false;
    *ret_s = sg_date_days(d) * DAY_S + h * 3600 + m * 60 + s;
    return true;
}

/* Digits and at most one letter of `units`, whose factor stands in `factors`. */
static bool parse_scaled(const char *text, const char *units, const int64_t *factors, int64_t *ret)
{
    int64_t v = 0;
    const char *p = text, *unit;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
            return false;
    }
    if (p == text)
        return false;
    if (*p != '\0') {
        unit = strchr(units, *p);
        if (unit == NULL || p[1] != '\0' || __builtin_mul_overflow(v, factors[unit - units], &v))
            return false;
    }
    *ret = v;
    return true;
}

bool sg_duration_parse(const char *text, int64_t *ret_s)
{
    static const int64_t factors[] = { 1, 60, 3600, DAY_S };

    return parse_scaled(text, "smhd", factors, ret_s);
}

bool sg_size_parse(const char *text, int64_t *ret_bytes)
{
    static const int64_t factors[] = { INT64_C(1) << 10, INT64_C(1) << 20, INT64_C(1) << 30,
                                       INT64_C(1) << 40 };

    return parse_scaled(text, "kmgt", factors, ret_bytes);
}

void sg_duration_format(double seconds, bool decimals, char ret[SG_DURATION_TEXT])
{
    const double most = 1e15; /* so that the whole numbers below are exact */
    long long tenths, s, m, h;

    if (!(seconds > 0)) /* NaN too */
        seconds = 0;
    if (seconds > most)
        seconds = most;
    /* Each form rounds to its own last place, and one that would show 60 is the next form's. */
    tenths = (long long)(seconds * 10 + 0.5);
    s = (long long)(seconds + 0.5);
    m = (long long)(seconds / 60 + 0.5);
    h = (long long)(seconds / 3600 + 0.5);
    if (decimals && tenths < 600)
        snprintf(ret, SG_DURATION_TEXT, "%lld.%llds", tenths / 10, tenths % 10);
    else if (s < 60)
        snprintf(ret, SG_DURATION_TEXT, "%llds", s);
    else if (s < 3600)
        snprintf(ret, SG_DURATION_TEXT, "%lldm %02llds", s / 60, s % 60);
    else if (m < 48 * 60)
        snprintf(ret, SG_DURATION_TEXT, "%lldh %02lldm", m / 60, m % 60);
    else
        snprintf(ret, SG_DURATION_TEXT, "%lldd %02lldh", h / 24, h % 24);
}

void sg_size_format(int64_t bytes, char ret[SG_SIZE_TEXT])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    const char *sign = bytes < 0 ? "-" : "";
    double v = bytes < 0 ? -(double)bytes : (double)bytes;
    size_t u = 0;
    int tenths;

    /* 1023.5 would be shown as 1024, which is 1.0 of the next unit. */
    while (u + 1 < sizeof(units) / sizeof(units[0]) && v >= (u == 0 ? 1024 : 1023.5)) {
        v /= 1024;
        u++;
    }
    /* 9.95 would be shown as 10.0, and from ten on there are no decimals. In whole numbers, since
     * the point of %f is the locale's. */
    tenths = (int)(v * 10 + 0.5);
    if (u > 0 && v < 9.95)
        snprintf(ret, SG_SIZE_TEXT, "%s%d.%d %s", sign, tenths / 10, tenths % 10, units[u]);
    else
        snprintf(ret, SG_SIZE_TEXT, "%s%d %s", sign, (int)(v + 0.5), units[u]);
}
