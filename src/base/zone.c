#include "stagegraph/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/buf.h"
#include "stagegraph/clock.h"
#include "stagegraph/error.h"

/*
 * A TZif file (RFC 8536): a header of 44 bytes and a block with 32-bit times; from version 2 on the
 * same again with 64-bit times, then a footer, a POSIX TZ string between two newlines that holds
 * for all times after the last transition. All numbers are big-endian. A block is: transition
 * times, the type of each (a byte), types (offset 4, is-dst 1, name index 1), names, leap seconds,
 * two arrays of flags that say how the data were written and don't matter here.
 *
 * In memory a zone is one sorted table of spans, from INT64_MIN on. What the footer says is written
 * into the same table for 400 years, after which Gregorian dates (and weekdays) repeat: later times
 * are shifted back by whole periods, and every question is one binary search.
 */
#define DAY_S    INT64_C(86400)
#define PERIOD_S (INT64_C(146097) * DAY_S)
#define FILE_MAX ((size_t)1 << 20)
#define HEADER   44
/* No offset is further from UTC (RFC 8536: -25 to +26 hours, both exclusive). */
#define OFFSET_MAX (26 * INT64_C(3600))
/* Beyond this many days seconds would overflow. */
#define DAYS_MAX (INT64_MAX / DAY_S - 4)

struct sg_zone {
    char *name;
    bool utc;
    int64_t *at; /* when a span begins; at[0] is INT64_MIN */
    int32_t *offset;
    size_t n, cap;
    bool repeats; /* from cycle_s on, every PERIOD_S */
    int64_t cycle_s;
    int64_t *lost;
    size_t n_lost;
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

void sg_zone_free(struct sg_zone *z)
{
    if (z == NULL)
        return;
    free(z->name);
    free(z->at);
    free(z->offset);
    free(z->lost);
    free(z);
}

static bool no_memory(struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a time zone");
}

static bool reserve(struct sg_zone *z, size_t cap, struct sg_error *err)
{
    int64_t *at;
    int32_t *offset;

    if (cap <= z->cap)
        return true;
    at = reallocarray(z->at, cap, sizeof(*at));
    if (at == NULL)
        return no_memory(err);
    z->at = at;
    offset = reallocarray(z->offset, cap, sizeof(*offset));
    if (offset == NULL)
        return no_memory(err);
    z->offset = offset;
    z->cap = cap;
    return true;
}

/* Room has been reserved. A span that changes nothing goes on with the one before; one that begins
 * where the last begins takes its place. */
static void add_span(struct sg_zone *z, int64_t at, int32_t offset)
{
    while (z->n > 0 && z->at[z->n - 1] == at)
        z->n--;
    if (z->n > 0 && z->offset[z->n - 1] == offset)
        return;
    z->at[z->n] = at;
    z->offset[z->n] = offset;
    z->n++;
}

/* One rule of a footer: Mm.w.d, Jn or n, and the local time of day at which it strikes. */
struct rule {
    char kind; /* 'M' 'J' '0' */
    int month, week, day;
    int32_t time_s;
};

struct footer {
    int32_t std_s, dst_s; /* offsets to add to UTC */
    bool has_dst;
    struct rule begin, end; /* of daylight saving */
};

static bool take_int(const char **p, int most, int *ret)
{
    int v = 0;
    const char *s = *p;

    for (; *s >= '0' && *s <= '9'; s++) {
        v = v * 10 + (*s - '0');
        if (v > most)
            return false;
    }
    if (s == *p)
        return false;
    *p = s;
    *ret = v;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **p, int32_t *ret)
{
    int h = 0, m = 0, s = 0, sign = 1;

    if (**p == '+' || **p == '-')
        sign = *(*p)++ == '-' ? -1 : 1;
    if (!take_int(p, 167, &h))
        return false;
    if (**p == ':') {
        (*p)++;
        if (!take_int(p, 59, &m))
            return false;
        if (**p == ':') {
            (*p)++;
            if (!take_int(p, 59, &s))
                return false;
        }
    }
    *ret = sign * (h * 3600 + m * 60 + s);
    return true;
}

static bool take_name(const char **p)
{
    const char *s = *p;

    if (*s == '<') {
        s = strchr(s, '>');
        if (s == NULL)
            return false;
        *p = s + 1;
        return true;
    }
    while ((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z'))
        s++;
    if (s - *p < 3)
        return false;
    *p = s;
    return true;
}

static bool take_rule(const char **p, struct rule *ret)
{
    struct rule r = { .kind = '0', .time_s = 7200 };

    if (**p != ',')
        return false;
    (*p)++;
    if (**p == 'M') {
        r.kind = 'M';
        (*p)++;
        if (!take_int(p, 12, &r.month) || *(*p)++ != '.' || !take_int(p, 5, &r.week) ||
            *(*p)++ != '.' || !take_int(p, 6, &r.day) || r.month < 1 || r.week < 1)
            return false;
    } else {
        if (**p == 'J') {
            r.kind = 'J';
            (*p)++;
        }
        if (!take_int(p, 365, &r.day))
            return false;
    }
    if (**p == '/') {
        (*p)++;
        if (!take_time(p, &r.time_s))
            return false;
    }
    *ret = r;
    return true;
}

static bool parse_footer(const char *text, struct footer *ret)
{
    struct footer f = { .has_dst = false };
    const char *p = text;
    int32_t west;

    if (!take_name(&p) || !take_time(&p, &west))
        return false;
    f.std_s = -west;
    if (*p != '\0') {
        f.has_dst = true;
        if (!take_name(&p))
            return false;
        west = -f.std_s - 3600;
        if (*p != ',' && !take_time(&p, &west))
            return false;
        f.dst_s = -west;
        if (!take_rule(&p, &f.begin) || !take_rule(&p, &f.end) || *p != '\0')
            return false;
    }
    *ret = f;
    return true;
}

/* The instant at which a rule strikes in a year, by the offset in force before. */
static int64_t rule_at(const struct rule *r, int year, int32_t offset_s)
{
    int64_t first = sg_date_days((struct sg_date){ .year = year, .month = 1, .day = 1 });
    int64_t march = sg_date_days((struct sg_date){ .year = year, .month = 3, .day = 1 });
    int64_t days, next;

    if (r->kind == 'M') { /* the week-th `day` (0 is Sunday) of the month, 5 is the last */
        first = sg_date_days((struct sg_date){ .year = year, .month = r->month, .day = 1 });
        next =
            r->month == 12
                ? first + 31
                : sg_date_days((struct sg_date){ .year = year, .month = r->month + 1, .day = 1 });
        days = first + (r->day + 6 - sg_date_weekday(first) + 7) % 7 + (r->week - 1) * 7;
        if (days >= next)
            days -= 7;
    } else if (r->kind == 'J') { /* 1 to 365, 29 February is never counted */
        days = first + r->day - 1;
        if (march - first == 60 && r->day >= 60)
            days++;
    } else {
        days = first + r->day;
    }
    return days * DAY_S + r->time_s - offset_s;
}

/* Goes on with the table by the footer, for a year and one period after the file's last transition
 * (INT64_MIN: it has none). */
static bool extend(struct sg_zone *z, const struct footer *f, int64_t last, struct sg_error *err)
{
    const int years = 403;
    int64_t a, b;
    int year = 1800; /* no transition at all: the rule holds for every time that matters */
    bool dst_first;

    if (last != INT64_MIN)
        year = sg_date_of_days(floor_div(last, DAY_S)).year;
    if (!reserve(z, z->n + 2 * (size_t)years + 1, err))
        return false;
    if (!f->has_dst) {
        if (last == INT64_MIN)
            z->offset[0] = f->std_s;
        else
            add_span(z, last + 1, f->std_s); /* where the file's last type says something else */
        return true;
    }
    z->cycle_s = sg_date_days((struct sg_date){ .year = year + 1, .month = 1, .day = 1 }) * DAY_S;
    z->repeats = true;
    for (int i = 0; i < years; i++) {
        a = rule_at(&f->begin, year + i, f->std_s);
        b = rule_at(&f->end, year + i, f->dst_s);
        dst_first = a < b;
        /* Where both meet (daylight saving all year), the later rule of the two years wins. */
        if ((dst_first ? a : b) > last)
            add_span(z, dst_first ? a : b, dst_first ? f->dst_s : f->std_s);
        if ((dst_first ? b : a) > last)
            add_span(z, dst_first ? b : a, dst_first ? f->std_s : f->dst_s);
    }
    return true;
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be_time(const unsigned char *p, size_t width)
{
    if (width == 4)
        return (int32_t)be32(p);
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

/* The counts of a block, in the order in which the header has them. */
enum { N_ISUT, N_ISSTD, N_LEAP, N_TIME, N_TYPE, N_CHAR, N_COUNTS };

struct block {
    const unsigned char *at; /* behind the header */
    size_t counts[N_COUNTS], width, len;
    char version;
};

static bool read_block(const unsigned char *p, size_t n, size_t width, struct block *ret)
{
    struct block b = { .width = width };

    if (n < HEADER || memcmp(p, "TZif", 4) != 0)
        return false;
    b.version = (char)p[4];
    for (int i = 0; i < N_COUNTS; i++) {
        b.counts[i] = be32(p + 20 + 4 * i);
        if (b.counts[i] > FILE_MAX)
            return false;
    }
    b.at = p + HEADER;
    b.len = b.counts[N_TIME] * (width + 1) + b.counts[N_TYPE] * 6 + b.counts[N_CHAR] +
            b.counts[N_LEAP] * (width + 4) + b.counts[N_ISSTD] + b.counts[N_ISUT];
    if (b.len > n - HEADER || b.counts[N_TYPE] == 0)
        return false;
    *ret = b;
    return true;
}

static const char *load_block(struct sg_zone *z, const struct block *b, struct sg_error *err)
{
    const unsigned char *indexes = b->at + b->counts[N_TIME] * b->width;
    const unsigned char *types = indexes + b->counts[N_TIME];
    size_t type;
    int64_t at;

    if (b->counts[N_LEAP] > 0)
        return "it counts leap seconds";
    if (!reserve(z, b->counts[N_TIME] + 1, err))
        return "";
    add_span(z, INT64_MIN, (int32_t)be32(types));
    for (size_t i = 0; i < b->counts[N_TIME]; i++) {
        at = be_time(b->at + i * b->width, b->width);
        type = indexes[i];
        if (type >= b->counts[N_TYPE] || at < z->at[z->n - 1])
            return "it is damaged";
        add_span(z, at, (int32_t)be32(types + type * 6));
    }
    for (size_t i = 0; i < z->n; i++) {
        if (z->offset[i] <= -OFFSET_MAX || z->offset[i] >= OFFSET_MAX)
            return "it is damaged";
    }
    return NULL;
}

/* What is wrong, NULL if nothing, "" if err is set. */
static const char *load(struct sg_zone *z, const unsigned char *p, size_t n, struct sg_error *err)
{
    struct block b;
    const unsigned char *end;
    const char *why;
    char text[128];
    struct footer f;
    int64_t last;
    size_t len;

    if (!read_block(p, n, 4, &b))
        return "it is no time zone file";
    if (b.version >= '2') {
        len = HEADER + b.len;
        if (!read_block(p + len, n - len, 8, &b))
            return "it is damaged";
    }
    why = load_block(z, &b, err);
    if (why != NULL || b.width == 4)
        return why;
    last = INT64_MIN;
    if (b.counts[N_TIME] > 0)
        last = be_time(b.at + (b.counts[N_TIME] - 1) * b.width, b.width);
    end = b.at + b.len;
    len = n - (size_t)(end - p);
    if (len < 2 || end[0] != '\n' || len - 2 >= sizeof(text) || end[len - 1] != '\n')
        return "it is damaged";
    memcpy(text, end + 1, len - 2);
    text[len - 2] = '\0';
    if (text[0] == '\0')
        return NULL; /* nothing is known about the future: it stays as it was */
    if (!parse_footer(text, &f))
        return "its rule for the future can't be read";
    return extend(z, &f, last, err) ? NULL : "";
}

/* Dates that no instant has: a clock that jumps forward by a day or more. */
static bool find_lost_days(struct sg_zone *z, struct sg_error *err)
{
    int64_t *lost;
    bool exists;

    for (size_t i = 1; i < z->n; i++) {
        if (z->offset[i] - z->offset[i - 1] < DAY_S)
            continue;
        for (int64_t d = floor_div(z->at[i] + z->offset[i - 1], DAY_S);
             d * DAY_S < z->at[i] + z->offset[i]; d++) {
            (void)sg_zone_day_start(z, d, &exists);
            if (exists)
                continue;
            lost = reallocarray(z->lost, z->n_lost + 1, sizeof(*lost));
            if (lost == NULL)
                return no_memory(err);
            z->lost = lost;
            z->lost[z->n_lost++] = d;
        }
    }
    return true;
}

static bool is_name(const char *name)
{
    const char *p = name;

    if (*p == '\0' || *p == '/' || *p == '.' || strlen(name) > 200 || strstr(name, "/.") != NULL)
        return false;
    for (; *p != '\0'; p++) {
        if ((*p < 'A' || *p > 'Z') && (*p < 'a' || *p > 'z') && (*p < '0' || *p > '9') &&
            strchr("_+-/", *p) == NULL)
            return false;
    }
    return true;
}

static bool read_all(int fd, unsigned char *to, size_t n, struct sg_error *err)
{
    size_t got = 0;
    ssize_t r;

    while (got < n) {
        r = read(fd, to + got, n - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return sg_error_set(err, SG_ERROR_GRAPH, r < 0 ? errno : 0, "read it");
        got += (size_t)r;
    }
    return true;
}

static bool open_file(const char *name, const char *dir, int *ret, size_t *ret_len,
                      struct sg_error *err)
{
    char path[4096];
    struct stat st;
    int fd;

    if (!is_name(name) || strlen(dir) + strlen(name) + 2 > sizeof(path))
        return sg_error_set(err, SG_ERROR_GRAPH, 0,
                            "no name of a time zone (they look like Europe/Berlin)");
    stpcpy(stpcpy(stpcpy(path, dir), "/"), name);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT && access(dir, F_OK) != 0)
        return sg_error_set(err, SG_ERROR_GRAPH, 0, "there is no %s: is tzdata installed?", dir);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return sg_error_set(err, SG_ERROR_GRAPH, 0, "no such time zone");
    if (fd < 0)
        return sg_error_set(err, SG_ERROR_GRAPH, errno, "open %s", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MAX) {
        (void)close(fd); /* only read from */
        return sg_error_set(err, SG_ERROR_GRAPH, 0, "no such time zone");
    }
    *ret = fd;
    *ret_len = (size_t)st.st_size;
    return true;
}

static bool load_file(struct sg_zone *z, const char *dir, struct sg_error *err)
{
    unsigned char *bytes = NULL;
    const char *why = "";
    size_t len;
    int fd;

    if (!open_file(z->name, dir, &fd, &len, err))
        return false;
    bytes = malloc(len > 0 ? len : 1);
    if (bytes == NULL)
        no_memory(err);
    else if (read_all(fd, bytes, len, err))
        why = load(z, bytes, len, err);
    free(bytes);
    (void)close(fd); /* only read from */
    if (why == NULL)
        return find_lost_days(z, err);
    if (*why != '\0')
        sg_error_set(err, SG_ERROR_GRAPH, 0, "%s/%s can't be used: %s", dir, z->name, why);
    return false;
}

bool sg_zone_open(const char *name, const char *dir, struct sg_zone **ret, struct sg_error *err)
{
    struct sg_zone *z = calloc(1, sizeof(*z));
    bool ok;

    if (z == NULL)
        return no_memory(err);
    z->name = strdup(name);
    ok = z->name != NULL ? true : no_memory(err);
    if (ok && strcmp(name, "UTC") == 0) {
        ok = reserve(z, 1, err);
        if (ok)
            add_span(z, INT64_MIN, 0);
    } else if (ok) {
        ok = load_file(z, dir != NULL ? dir : "/usr/share/zoneinfo", err);
    }
    if (!ok) {
        sg_zone_free(z);
        return sg_error_wrap(err, "time zone %s", name);
    }
    z->utc = z->n == 1 && z->offset[0] == 0;
    *ret = z;
    return true;
}

const char *sg_zone_name(const struct sg_zone *z)
{
    return z->name;
}

bool sg_zone_is_utc(const struct sg_zone *z)
{
    return z->utc;
}

size_t sg_zone_lost_days(const struct sg_zone *z, const int64_t **ret)
{
    *ret = z->lost;
    return z->n_lost;
}

/* The span that holds t. */
static size_t find(const struct sg_zone *z, int64_t t)
{
    size_t lo = 0, hi = z->n, mid;

    while (hi - lo > 1) {
        mid = lo + (hi - lo) / 2;
        if (z->at[mid] <= t)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* How many seconds (whole periods) to go back so that t lies in the table. */
static int64_t shift_of(const struct sg_zone *z, int64_t t)
{
    if (!z->repeats || t < z->cycle_s + PERIOD_S)
        return 0;
    return (t - z->cycle_s) / PERIOD_S * PERIOD_S;
}

int32_t sg_zone_offset(const struct sg_zone *z, int64_t t_s)
{
    if (z->n == 1)
        return z->offset[0];
    return z->offset[find(z, t_s - shift_of(z, t_s))];
}

struct sg_zone_span sg_zone_span_at(const struct sg_zone *z, int64_t t_s)
{
    int64_t shift = shift_of(z, t_s);
    size_t i = find(z, t_s - shift);
    struct sg_zone_span ret = { .start_s = z->at[i], .end_s = INT64_MAX, .offset_s = z->offset[i] };

    if (i + 1 < z->n)
        ret.end_s = z->at[i + 1];
    if (shift != 0 && __builtin_add_overflow(ret.start_s, shift, &ret.start_s))
        ret.start_s = INT64_MIN;
    if (shift != 0 && __builtin_add_overflow(ret.end_s, shift, &ret.end_s))
        ret.end_s = INT64_MAX;
    return ret;
}

/* The first instant of the table's time whose local date begins at midnight_s; false if none has.
 */
static bool first_instant(const struct sg_zone *z, int64_t midnight_s, int64_t *ret)
{
    int64_t begin, end;

    for (size_t i = find(z, midnight_s - OFFSET_MAX); i < z->n; i++) {
        if (z->at[i] > midnight_s + DAY_S + OFFSET_MAX)
            break;
        begin = midnight_s - z->offset[i];
        end = begin + DAY_S;
        if (begin < z->at[i])
            begin = z->at[i];
        if (i + 1 < z->n && end > z->at[i + 1])
            end = z->at[i + 1];
        if (begin < end) {
            *ret = begin;
            return true;
        }
    }
    return false;
}

int64_t sg_zone_day_start(const struct sg_zone *z, int64_t days, bool *ret_exists)
{
    int64_t shift, at = 0;

    *ret_exists = true;
    if (days > DAYS_MAX)
        return INT64_MAX;
    if (days < -DAYS_MAX)
        return INT64_MIN;
    if (z->n == 1)
        return days * DAY_S - z->offset[0];
    shift = shift_of(z, days * DAY_S);
    for (int64_t d = days; !first_instant(z, d * DAY_S - shift, &at) && d < days + 4; d++)
        *ret_exists = false;
    return at + shift;
}

int64_t sg_zone_day_of(const struct sg_zone *z, int64_t t_s)
{
    int64_t shift, day;
    bool exists;
    size_t i;

    if (t_s > DAYS_MAX * DAY_S)
        return DAYS_MAX;
    if (t_s < -DAYS_MAX * DAY_S)
        return -DAYS_MAX;
    if (z->n == 1)
        return floor_div(t_s + z->offset[0], DAY_S);
    shift = shift_of(z, t_s);
    t_s -= shift;
    i = find(z, t_s);
    day = floor_div(t_s + z->offset[i], DAY_S);
    /* Where the clock went back over midnight a moment ago, the later date has begun already. */
    if (i > 0 && t_s - 2 * OFFSET_MAX < z->at[i]) {
        while (sg_zone_day_start(z, day + 1, &exists) <= t_s)
            day++;
    }
    return day + shift / DAY_S;
}
