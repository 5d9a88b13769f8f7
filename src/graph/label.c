/* The text forms of calendar.h: labels of partitions, and times as people write them. */
#include "stagegraph/calendar.h"

#include <stdio.h>
#include <string.h>

#include "stagegraph/clock.h"

#define DAY_S    INT64_C(86400)
#define HOUR_S   INT64_C(3600)
#define MINUTE_S INT64_C(60)
/* The Thursday of week 0; the year of its Thursday is the year of an ISO week. */
#define FIRST_THURSDAY INT64_C(7)

static char *put2(char *to, int v)
{
    to[0] = (char)('0' + v / 10 % 10);
    to[1] = (char)('0' + v % 10);
    return to + 2;
}

/* Labels are written for every node: no printf where the year has four digits. */
static char *put_year(char *to, int year)
{
    if (year < 0 || year > 9999)
        return to + snprintf(to, 16, "%d", year);
    return put2(put2(to, year / 100), year % 100);
}

static char *put_date(char *to, int64_t days)
{
    struct sg_date d = sg_date_of_days(days);

    to = put_year(to, d.year);
    *to++ = '-';
    to = put2(to, d.month);
    *to++ = '-';
    return put2(to, d.day);
}

static int iso_week(int64_t index, int *ret_year)
{
    int64_t thursday = index * 7 + FIRST_THURSDAY;
    int year = sg_date_of_days(thursday).year;
    int64_t new_year = sg_date_days((struct sg_date){ .year = year, .month = 1, .day = 1 });

    *ret_year = year;
    return (int)((thursday - new_year) / 7) + 1;
}

void sg_calendar_label(const struct sg_calendar *c, int64_t index, char ret[SG_LABEL_TEXT])
{
    const int64_t bound = INT64_C(1) << 45; /* as in calendar.c; only to keep sums in range */
    int64_t first, minute;
    struct sg_date d;
    char *to = ret;
    int year, week;

    if (index > bound || index < -bound)
        index = index > 0 ? bound : -bound;
    first = sg_calendar_first_date(c, index);
    switch (c->unit) {
    case SG_UNIT_MINUTES:
        minute = index * c->minutes - first * (DAY_S / MINUTE_S);
        to = put_date(to, first);
        *to++ = 'T';
        to = put2(put2(to, (int)(minute / 60)), (int)(minute % 60));
        break;
    case SG_UNIT_HOUR:
        to = put_date(to, first);
        *to++ = 'T';
        to = put2(to, (int)(index - first * (DAY_S / HOUR_S)));
        break;
    case SG_UNIT_DAY:
        to = put_date(to, first);
        break;
    case SG_UNIT_WEEK:
        week = iso_week(index, &year);
        to = put_year(to, year);
        *to++ = '-';
        *to++ = 'W';
        to = put2(to, week);
        break;
    case SG_UNIT_MONTH:
        d = sg_date_of_days(first);
        to = put_year(to, d.year);
        *to++ = '-';
        to = put2(to, d.month);
        break;
    case SG_UNIT_ONCE:
        break;
    }
    *to = '\0';
}

/* Exactly n digits; moves on. */
static bool take(const char **p, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++) {
        if ((*p)[i] < '0' || (*p)[i] > '9')
            return false;
        v = v * 10 + ((*p)[i] - '0');
    }
    *p += n;
    *ret = v;
    return true;
}

static bool take_char(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

/* What a text begins with: a year, a month, a week, or a date. */
enum form { FORM_NONE, FORM_DATE, FORM_WEEK, FORM_MONTH };

/* *ret_index: days, weeks or months since 1970 (week 0 is that of 1970-01-05). */
static enum form take_form(const char **p, int64_t *ret_index)
{
    struct sg_date d = { .year = 0 };
    int64_t fourth;
    int week, year, n;

    if (!take(p, 4, &d.year) || d.year < 1 || !take_char(p, '-'))
        return FORM_NONE;
    if (take_char(p, 'W')) {
        if (!take(p, 2, &week) || week < 1)
            return FORM_NONE;
        /* Week 1 has the 4th of January. */
        fourth = sg_date_days((struct sg_date){ .year = d.year, .month = 1, .day = 4 });
        *ret_index = (fourth - sg_date_weekday(fourth) + 3 - FIRST_THURSDAY) / 7;
        *ret_index += week - 1;
        n = iso_week(*ret_index, &year);
        return n == week && year == d.year ? FORM_WEEK : FORM_NONE;
    }
    if (!take(p, 2, &d.month) || d.month < 1 || d.month > 12)
        return FORM_NONE;
    if (!take_char(p, '-')) {
        *ret_index = ((int64_t)d.year - 1970) * 12 + d.month - 1;
        return FORM_MONTH;
    }
    if (!take(p, 2, &d.day) || !sg_date_is_valid(d))
        return FORM_NONE;
    *ret_index = sg_date_days(d);
    return FORM_DATE;
}

/* "05", "0515", "05:15", and with seconds "05:15:30"; *ret_form is the number of digits, negative
 * with colons. */
static bool take_clock(const char **p, int64_t *ret_s, int *ret_form)
{
    int h, m = 0, s = 0, form = 2;

    if (!take(p, 2, &h) || h > 23)
        return false;
    if (take_char(p, ':')) {
        form = -4;
        if (!take(p, 2, &m))
            return false;
        if (take_char(p, ':')) {
            form = -6;
            if (!take(p, 2, &s))
                return false;
        }
    } else if (**p >= '0' && **p <= '9') {
        form = 4;
        if (!take(p, 2, &m))
            return false;
    }
    if (m > 59 || s > 59)
        return false;
    *ret_s = h * HOUR_S + m * MINUTE_S + s;
    *ret_form = form;
    return true;
}

/* "Z", "+02:00", "+0200", "+02"; nothing is UTC. */
static bool take_offset(const char **p, int64_t *ret_s)
{
    int h, m = 0, sign;

    *ret_s = 0;
    if (**p == '\0' || take_char(p, 'Z'))
        return true;
    if (**p != '+' && **p != '-')
        return false;
    sign = *(*p)++ == '-' ? -1 : 1;
    if (!take(p, 2, &h) || h > 25)
        return false;
    if (**p != '\0') {
        (void)take_char(p, ':'); /* with or without */
        if (!take(p, 2, &m) || m > 59)
            return false;
    }
    *ret_s = sign * (h * HOUR_S + m * MINUTE_S);
    return true;
}

bool sg_calendar_parse_label(const struct sg_calendar *c, const char *label, int64_t *ret)
{
    static const enum form forms[] = {
        [SG_UNIT_MINUTES] = FORM_DATE, [SG_UNIT_HOUR] = FORM_DATE,   [SG_UNIT_DAY] = FORM_DATE,
        [SG_UNIT_WEEK] = FORM_WEEK,    [SG_UNIT_MONTH] = FORM_MONTH, [SG_UNIT_ONCE] = FORM_NONE,
    };
    const char *p = label;
    struct sg_interval unused;
    int64_t index, s = 0;
    int digits;

    if (c->unit == SG_UNIT_ONCE) {
        if (*label != '\0' && strcmp(label, "_") != 0)
            return false;
        *ret = 0;
        return true;
    }
    if (take_form(&p, &index) != forms[c->unit])
        return false;
    if (c->unit == SG_UNIT_MINUTES || c->unit == SG_UNIT_HOUR) {
        if (!take_char(&p, 'T') || !take_clock(&p, &s, &digits))
            return false;
        if (c->unit == SG_UNIT_HOUR ? digits != 2 : digits != 4 && digits != -4)
            return false;
        s += index * DAY_S;
        if (c->unit == SG_UNIT_MINUTES && s % (c->minutes * MINUTE_S) != 0)
            return false;
        index = sg_calendar_index(c, s);
    }
    if (*p != '\0' || !sg_calendar_interval(c, index, &unused))
        return false;
    *ret = index;
    return true;
}

bool sg_time_parse(const char *text, const struct sg_zone *zone, struct sg_interval *ret)
{
    static const enum sg_unit units[] = {
        [FORM_NONE] = SG_UNIT_ONCE,
        [FORM_DATE] = SG_UNIT_DAY,
        [FORM_WEEK] = SG_UNIT_WEEK,
        [FORM_MONTH] = SG_UNIT_MONTH,
    };
    const char *p = text;
    int64_t index, s, offset_s;
    struct sg_calendar c = { .zone = zone };
    enum form form = take_form(&p, &index);
    int digits;

    if (form == FORM_NONE)
        return false;
    if (*p == '\0') {
        c.unit = units[form];
        /* A date that never was is the empty interval where it would lie: both --from and --to
         * have a meaning there. */
        (void)sg_calendar_interval(&c, index, ret);
        return true;
    }
    if (form != FORM_DATE || !take_char(&p, 'T') || !take_clock(&p, &s, &digits) ||
        !take_offset(&p, &offset_s) || *p != '\0')
        return false;
    ret->start_s = ret->end_s = index * DAY_S + s - offset_s;
    return true;
}
