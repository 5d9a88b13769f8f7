/*
 * zone: an IANA time zone, read from the system's TZif files; no process-wide state.
 *
 * Floor: base. docs/design.md, "Time"; the format is RFC 8536 (version 2+ with its footer).
 *
 * The C library can hold one zone a process (TZ and tzset), changes it for every thread, and takes
 * an unknown name for UTC without a word; hence a reader of our own. Its answers are tested against
 * the C library's.
 */
#ifndef STAGEGRAPH_ZONE_H
#define STAGEGRAPH_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/error.h"

struct sg_zone;

/* name: "UTC" (never touches a file), "America/New_York", … looked up below `dir` (NULL:
 * /usr/share/zoneinfo). An unknown or unreadable one is code graph, and says that tzdata may be
 * missing when the whole directory is. */
bool sg_zone_open(const char *name, const char *dir, struct sg_zone **ret,
                  struct sg_error *err) SG_MUST;
void sg_zone_free(struct sg_zone *z); /* NULL is fine */
const char *sg_zone_name(const struct sg_zone *z);
bool sg_zone_is_utc(const struct sg_zone *z);

/* Seconds to add to UTC for local time at this instant. */
int32_t sg_zone_offset(const struct sg_zone *z, int64_t t_s);

/*
 * The first instant whose local date is `days` (days since 1970-01-01). Where a change of the clock
 * skips midnight it is the instant of the change; where the date begins twice it is the first one.
 * *ret_exists is false for a date that never was (Pacific/Apia 2011-12-30): then the result is the
 * first instant of the next date that was.
 */
int64_t sg_zone_day_start(const struct sg_zone *z, int64_t days, bool *ret_exists);

/* The local date (days since 1970-01-01) of an instant: the largest d whose day_start is <= t. */
int64_t sg_zone_day_of(const struct sg_zone *z, int64_t t_s);

/* The dates that never were, ascending (of Pacific/Apia: 2011-12-30). Lives as long as the zone. */
size_t sg_zone_lost_days(const struct sg_zone *z, const int64_t **ret);

/* The longest [start_s, end_s) around an instant in which the offset stays the same; open sides are
 * INT64_MIN / INT64_MAX. */
struct sg_zone_span {
    int64_t start_s, end_s;
    int32_t offset_s;
};
struct sg_zone_span sg_zone_span_at(const struct sg_zone *z, int64_t t_s);

#endif
