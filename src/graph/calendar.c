#include "stagegraph/calendar.h"

#include <string.h>

#include "stagegraph/clock.h"

#define DAY_S  INT64_C(86400)
#define HOUR_S INT64_C(3600)
/* Monday 1970-01-05, the first day of week 0. */
#define FIRST_MONDAY INT64_C(4)
/* Beyond this many partitions from 1970 a calendar is as good as endless; no sum overflows. */
#define INDEX_MAX (INT64_C(1) << 45)

static const struct {
    const char *name;
    enum sg_unit unit;
    int32_t minutes;
} names[] = {
    { "5m", SG_UNIT_MINUTES, 5 },   { "10m", SG_UNIT_MINUTES, 10 }, { "15m", SG_UNIT_MINUTES, 15 },
    { "30m", SG_UNIT_MINUTES, 30 }, { "hour", SG_UNIT_HOUR, 0 },    { "day", SG_UNIT_DAY, 0 },
    { "week", SG_UNIT_WEEK, 0 },    { "month", SG_UNIT_MONTH, 0 },  { "once", SG_UNIT_ONCE, 0 },
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t clamp(int64_t index)
{
    if (index > INDEX_MAX)
        return INDEX_MAX;
    return index < -INDEX_MAX ? -INDEX_MAX : index;
}

bool sg_calendar_parse(const char *text, const struct sg_zone *zone, struct sg_calendar *ret)
{
    for (size_t i = 0; i < N_NAMES; i++) {
        if (strcmp(text, names[i].name) == 0) {
            *ret = (struct sg_calendar){ .unit = names[i].unit,
                                         .minutes = names[i].minutes,
                                         .zone = zone };
            return true;
        }
    }
    return false;
}

const char *sg_calendar_name(const struct sg_calendar *c)
{
    for (size_t i = 0; i < N_NAMES; i++) {
        if (c->unit == names[i].unit && c->minutes == names[i].minutes)
            return names[i].name;
    }
    return "";
}

bool sg_calendar_is(const struct sg_calendar *a, const struct sg_calendar *b)
{
    return a->unit == b->unit && a->minutes == b->minutes && a->zone == b->zone;
}

/* Of partitions that lie on UTC. */
static int64_t length_s(const struct sg_calendar *c)
{
    return c->unit == SG_UNIT_HOUR ? HOUR_S : c->minutes * INT64_C(60);
}

static int64_t month_of(int64_t days)
{
    struct sg_date d = sg_date_of_days(days);

    return ((int64_t)d.year - 1970) * 12 + d.month - 1;
}

static int64_t first_of_month(int64_t index)
{
    int64_t year = floor_div(index, 12);
    struct sg_date d = { .month = (int32_t)(index - year * 12) + 1, .day = 1 };

    /* Years that don't fit an int32_t are beyond all that can be asked for. */
    if (year > INT32_MAX - 2000 || year < INT32_MIN + 2000)
        return year > 0 ? INT64_MAX / DAY_S : INT64_MIN / DAY_S;
    d.year = (int32_t)(year + 1970);
    return sg_date_days(d);
}

int64_t sg_calendar_first_date(const struct sg_calendar *c, int64_t index)
{
    index = clamp(index);
    switch (c->unit) {
    case SG_UNIT_MINUTES:
    case SG_UNIT_HOUR:
        return floor_div(index * length_s(c), DAY_S);
    case SG_UNIT_DAY:
        return index;
    case SG_UNIT_WEEK:
        return index * 7 + FIRST_MONDAY;
    case SG_UNIT_MONTH:
        return first_of_month(index);
    case SG_UNIT_ONCE:
        break;
    }
    return 0;
}

int64_t sg_calendar_last_date(const struct sg_calendar *c, int64_t index)
{
    switch (c->unit) {
    case SG_UNIT_WEEK:
    case SG_UNIT_MONTH:
        return sg_calendar_first_date(c, clamp(index) + 1) - 1;
    case SG_UNIT_MINUTES:
    case SG_UNIT_HOUR:
    case SG_UNIT_DAY:
    case SG_UNIT_ONCE:
        break;
    }
    return sg_calendar_first_date(c, index); /* an hour and less never crosses UTC's midnight */
}

bool sg_calendar_interval(const struct sg_calendar *c, int64_t index, struct sg_interval *ret)
{
    bool exists = true, next_exists;

    index = clamp(index);
    switch (c->unit) {
    case SG_UNIT_MINUTES:
    case SG_UNIT_HOUR:
        ret->start_s = index * length_s(c);
        ret->end_s = ret->start_s + length_s(c);
        return true;
    case SG_UNIT_ONCE:
        *ret = (struct sg_interval){ .start_s = SG_TIME_MIN, .end_s = SG_TIME_MAX };
        return true;
    case SG_UNIT_DAY:
    case SG_UNIT_WEEK:
    case SG_UNIT_MONTH:
        break;
    }
    ret->start_s = sg_zone_day_start(c->zone, sg_calendar_first_date(c, index), &exists);
    ret->end_s = sg_zone_day_start(c->zone, sg_calendar_first_date(c, index + 1), &next_exists);
    return c->unit != SG_UNIT_DAY || exists;
}

int64_t sg_calendar_index(const struct sg_calendar *c, int64_t t_s)
{
    switch (c->unit) {
    case SG_UNIT_MINUTES:
    case SG_UNIT_HOUR:
        return floor_div(t_s, length_s(c));
    case SG_UNIT_DAY:
        return sg_zone_day_of(c->zone, t_s);
    case SG_UNIT_WEEK:
        return floor_div(sg_zone_day_of(c->zone, t_s) - FIRST_MONDAY, 7);
    case SG_UNIT_MONTH:
        return month_of(sg_zone_day_of(c->zone, t_s));
    case SG_UNIT_ONCE:
        break;
    }
    return 0;
}

struct sg_range sg_calendar_meeting(const struct sg_calendar *c, struct sg_interval i)
{
    struct sg_range ret = { .first = INT64_MIN, .end = INT64_MAX };

    if (i.start_s >= i.end_s)
        return (struct sg_range){ .first = 0, .end = 0 };
    if (c->unit == SG_UNIT_ONCE)
        return (struct sg_range){ .first = 0, .end = 1 };
    if (i.start_s != SG_TIME_MIN)
        ret.first = sg_calendar_index(c, i.start_s);
    if (i.end_s != SG_TIME_MAX)
        ret.end = sg_calendar_index(c, i.end_s - 1) + 1;
    return ret;
}

int64_t sg_calendar_step(const struct sg_calendar *c, int64_t index, int64_t by)
{
    const int64_t *lost = NULL;
    size_t n = 0;

    if (index == INT64_MIN || index == INT64_MAX)
        return index;
    index = clamp(index);
    by = clamp(by);
    if (c->unit == SG_UNIT_DAY)
        n = sg_zone_lost_days(c->zone, &lost);
    /* Lost dates before it are taken out of the count, and those before the result put back. */
    for (size_t i = n; i > 0; i--) {
        if (lost[i - 1] < index)
            index--;
    }
    index += by;
    for (size_t i = 0; i < n; i++) {
        if (lost[i] <= index)
            index++;
    }
    return index;
}
