/*
 * clock: two kinds of time that are never mixed, and how time and durations are written.
 *
 * Floor: base. docs/design.md, "Time".
 *
 * Wall time (sg_wall) is what files, receipts and people see; monotonic time (sg_mono) is what
 * deadlines and elapsed times are made of. Instants of the calendar are plain int64_t seconds
 * since 1970 UTC and end in _s.
 */
#ifndef STAGEGRAPH_CLOCK_H
#define STAGEGRAPH_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/error.h"

struct sg_wall {
    int64_t ns; /* since 1970-01-01T00:00Z */
};

struct sg_mono {
    int64_t ns; /* CLOCK_MONOTONIC */
};

#define SG_NS_PER_S  INT64_C(1000000000)
#define SG_NS_PER_MS INT64_C(1000000)

struct sg_wall sg_wall_now(void);
struct sg_mono sg_mono_now(void);

/* "2024-01-01T05:00:00Z"; 21 bytes with the NUL for years 0001 to 9999, more for others. */
#define SG_UTC_TEXT 32
void sg_utc_format(int64_t t_s, char ret[SG_UTC_TEXT]);
/* "2024-01-01T05:00Z", without seconds when they are 0 */
void sg_utc_format_short(int64_t t_s, char ret[SG_UTC_TEXT]);
/* Exactly the first form, years 0001 to 9999; no leap seconds. The caller
 * names the thing. */
bool sg_utc_parse(const char *text, size_t n, int64_t *ret_s) SG_MUST;

/* Proleptic Gregorian dates as days since 1970-01-01 (H. Hinnant's algorithms). month is 1 to 12;
 * a day beyond its month's end runs on into the next (2024-02-30 is 2024-03-01). Days whose year
 * does not fit give the last or first date that does. */
struct sg_date {
    int32_t year;
    int32_t month, day;
};
int64_t sg_date_days(struct sg_date d);
struct sg_date sg_date_of_days(int64_t days);
bool sg_date_is_valid(struct sg_date d); /* 1 <= year <= 9999 and the day exists */
/* 0 Monday … 6 Sunday */
int sg_date_weekday(int64_t days);

/*
 * Durations as the graph file writes them: "90s" "30m" "2h" "7d", a bare number is seconds.
 * Answers false for anything else ("ms" too), for blanks, overflow and signs (no err: the caller
 * names key and line).
 */
bool sg_duration_parse(const char *text, int64_t *ret_s) SG_MUST;
/* "4m 05s", "3h 36m", from 48 hours on "5d 03h"; below a minute "12.4s" when `decimals`, else
 * "12s". Rounded to the last place shown; what is not above 0 is "0s" or "0.0s". */
#define SG_DURATION_TEXT 32
void sg_duration_format(double seconds, bool decimals, char ret[SG_DURATION_TEXT]);

/* "512m" "4g" "100k" "1t", a bare number is bytes; binary multiples, lower case. */
bool sg_size_parse(const char *text, int64_t *ret_bytes) SG_MUST;
/* "1.9 GiB", "512 MiB", "17 B": one decimal below 10 */
#define SG_SIZE_TEXT 32
void sg_size_format(int64_t bytes, char ret[SG_SIZE_TEXT]);

#endif
