/*
 * calendar: time cut into partitions, and partitions by number and by label.
 *
 * Floor: graph. docs/design.md, "Calendars".
 *
 * A partition of a calendar is an index (int64_t): hours and minutes count from 1970 on UTC, days
 * are local dates counted from 1970-01-01, weeks are counted from the Monday of 1970-01-05 (index
 * 0), months from January 1970; `once` has the single index 0, whose interval is all of time.
 * Days, weeks and months begin at the first instant of their local date, so an interval has the
 * length that the zone gives it. A date that never was is an index with an empty interval: it is no
 * partition, and every function here skips it or says so.
 * Intervals [start_s, end_s) and index ranges [first, end) are half-open.
 */
#ifndef STAGEGRAPH_CALENDAR_H
#define STAGEGRAPH_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/error.h"
#include "stagegraph/zone.h"

enum sg_unit {
    SG_UNIT_MINUTES,
    SG_UNIT_HOUR,
    SG_UNIT_DAY,
    SG_UNIT_WEEK,
    SG_UNIT_MONTH,
    SG_UNIT_ONCE
};

struct sg_calendar {
    enum sg_unit unit;
    int32_t minutes;            /* 5 10 15 30 for SG_UNIT_MINUTES, else 0 */
    const struct sg_zone *zone; /* of days, weeks and months; borrowed from the graph */
};

#define SG_TIME_MIN INT64_MIN /* an open beginning */
#define SG_TIME_MAX INT64_MAX /* an open end */

struct sg_interval {
    int64_t start_s, end_s;
};

struct sg_range {
    int64_t first, end;
};

/* INT64_MAX for an open one. */
static inline int64_t sg_range_count(struct sg_range r)
{
    int64_t n;

    if (r.end <= r.first)
        return 0;
    return __builtin_sub_overflow(r.end, r.first, &n) ? INT64_MAX : n;
}

/* "5m" "10m" "15m" "30m" "hour" "day" "week" "month" "once" */
bool sg_calendar_parse(const char *text, const struct sg_zone *zone,
                       struct sg_calendar *ret) SG_MUST;
const char *sg_calendar_name(const struct sg_calendar *c);
bool sg_calendar_is(const struct sg_calendar *a, const struct sg_calendar *b);

/* False where the date never was (the interval is then empty, at the next instant). */
bool sg_calendar_interval(const struct sg_calendar *c, int64_t index, struct sg_interval *ret);
/* The partition that contains the instant. */
int64_t sg_calendar_index(const struct sg_calendar *c, int64_t t_s);
/* All partitions whose interval meets [start_s, end_s); both may be open. An open side gives
 * INT64_MIN / INT64_MAX (once: always [0, 1)). An empty interval meets nothing. */
struct sg_range sg_calendar_meeting(const struct sg_calendar *c, struct sg_interval i);
/* The partition `by` partitions after (before) an existing one; dates that never were don't count.
 * Open ends (INT64_MIN, INT64_MAX) stay as they are. */
int64_t sg_calendar_step(const struct sg_calendar *c, int64_t index, int64_t by);
/* The first and the last date of a partition, as days since 1970-01-01: local dates for a day and
 * more, UTC below. Of `once`: 0. (The variables ds and end_ds.) */
int64_t sg_calendar_first_date(const struct sg_calendar *c, int64_t index);
int64_t sg_calendar_last_date(const struct sg_calendar *c, int64_t index);

/* Labels, without colons: 2024-01-01T0515, 2024-01-01T05, 2024-01-01, 2024-W03 (ISO), 2024-01, ""
 * for once. Local dates for a day and more, UTC below. */
#define SG_LABEL_TEXT 32
void sg_calendar_label(const struct sg_calendar *c, int64_t index, char ret[SG_LABEL_TEXT]);
/* Exactly what sg_calendar_label writes, and T05:15 for minutes; false for a label of another
 * calendar, a date that never was, or a minute off the grid. "" and "_" for once. */
bool sg_calendar_parse_label(const struct sg_calendar *c, const char *label, int64_t *ret) SG_MUST;

/*
 * Times of the command line and the graph file (section 3 of the contract): "2024-01-02" (local
 * midnight of the zone), "2024-01-02T05", "…T0515", "…T05:30", "…T05:30:10", with "Z", "+02:00"
 * or nothing (UTC), "2024-W03", "2024-01". *ret is the interval meant: a date, week or month is
 * its whole interval, a time is empty (start_s == end_s). So --from takes start_s, --to end_s.
 */
bool sg_time_parse(const char *text, const struct sg_zone *zone, struct sg_interval *ret) SG_MUST;

#endif
