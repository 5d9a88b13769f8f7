/*
 * The format, version 2, as HotSpot writes it (all integers in the byte order of byte 4):
 *
 *   0   4  magic ca fe c0 c0, in this order always
 *   4   1  0: big endian, 1: little endian
 *   5   1  major version 2; then a byte of minor version
 *   7   1  accessible: 1 when the JVM has filled it
 *   8   4  used bytes; 12  4  overflow; 16  8  time of modification
 *   24  4  offset of the first entry; 28  4  number of entries
 *
 * An entry, offsets counted from its own start:
 *
 *   0   4  its length
 *   4   4  offset of its name, which ends with a NUL
 *   8   4  length of a vector; 0: a scalar
 *   12  1  type: 'J' is a 64-bit integer; then a byte each of flags, unit, variability
 *   16  4  offset of its value
 *
 * The JVM goes on writing while we read: its counters are aligned words, so each is old or new.
 */
#include "hsperf.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HEADER_BYTES 32
#define ENTRY_BYTES  20
#define FILE_MAX     ((size_t)1 << 20)
#define GENERATIONS  2 /* young and old; a third one was no heap */
#define SPACES       8
#define COLLECTORS   8

struct reader {
    const unsigned char *at;
    size_t n;
    bool little;
};

static uint32_t u32(const struct reader *r, size_t at)
{
    uint32_t v;

    memcpy(&v, r->at + at, sizeof(v));
    return r->little ? le32toh(v) : be32toh(v);
}

static int64_t i64(const struct reader *r, size_t at)
{
    uint64_t v;

    memcpy(&v, r->at + at, sizeof(v));
    return (int64_t)(r->little ? le64toh(v) : be64toh(v));
}

/* What is added up of the entries; -1 where none was there. */
struct sums {
    int64_t invocations, ticks, frequency, capacity, used;
    int64_t entered[COLLECTORS], left[COLLECTORS]; /* of each its last collection, in ticks */
};

static void add(int64_t *sum, int64_t v)
{
    if (v < 0)
        return;
    if (*sum < 0)
        *sum = 0;
    if (__builtin_add_overflow(*sum, v, sum))
        *sum = INT64_MAX;
}

/* "PREFIX" NUMBER "REST" → REST; NULL when the name is another or the number not below the limit.
 */
static const char *after_number(const char *name, const char *prefix, long limit, long *ret)
{
    size_t n = strlen(prefix);
    char *end;

    if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9')
        return NULL;
    *ret = strtol(name + n, &end, 10);
    return *ret < limit ? end : NULL;
}

static void take_collector(struct sums *s, long which, const char *what, int64_t v)
{
    if (strcmp(what, ".invocations") == 0)
        add(&s->invocations, v);
    else if (strcmp(what, ".time") == 0)
        add(&s->ticks, v);
    else if (strcmp(what, ".lastEntryTime") == 0)
        s->entered[which] = v;
    else if (strcmp(what, ".lastExitTime") == 0)
        s->left[which] = v;
}

/* One that is under way has been entered later than it was left. */
static double last_seconds(const struct sums *s)
{
    int64_t longest = 0;

    for (int i = 0; i < COLLECTORS; i++)
        if (s->entered[i] > 0 && s->left[i] > s->entered[i] && s->left[i] - s->entered[i] > longest)
            longest = s->left[i] - s->entered[i];
    return longest > 0 && s->frequency > 0 ? (double)longest / (double)s->frequency : (double)NAN;
}

static void take(struct sums *s, const char *name, int64_t v)
{
    const char *rest, *space;
    long which;

    if (strncmp(name, "sun.", 4) != 0)
        return;
    if (strcmp(name, "sun.os.hrt.frequency") == 0) {
        s->frequency = v;
        return;
    }
    rest = after_number(name, "sun.gc.collector.", COLLECTORS, &which);
    if (rest != NULL) {
        take_collector(s, which, rest, v);
        return;
    }
    rest = after_number(name, "sun.gc.generation.", GENERATIONS, &which);
    if (rest == NULL)
        return;
    if (strcmp(rest, ".capacity") == 0)
        add(&s->capacity, v);
    space = after_number(rest, ".space.", SPACES, &which);
    if (space != NULL && strcmp(space, ".used") == 0)
        add(&s->used, v);
}

/* False: the entry does not lie within the bytes. Entries of other types are passed over. */
static bool take_entry(const struct reader *r, size_t at, struct sums *s, size_t *ret_length)
{
    size_t length, name, data;

    if (at > r->n || r->n - at < ENTRY_BYTES)
        return false;
    length = u32(r, at);
    name = u32(r, at + 4);
    data = u32(r, at + 16);
    if (length < ENTRY_BYTES || length > r->n - at || name >= length)
        return false;
    if (memchr(r->at + at + name, '\0', length - name) == NULL)
        return false;
    if (r->at[at + 12] == 'J' && u32(r, at + 8) == 0 && data <= length && length - data >= 8)
        take(s, (const char *)r->at + at + name, i64(r, at + data));
    *ret_length = length;
    return true;
}

bool sg_hsperf_parse(const void *bytes, size_t n, struct sg_hsperf *ret)
{
    static const unsigned char magic[] = { 0xca, 0xfe, 0xc0, 0xc0 };
    struct reader r = { .at = bytes, .n = n };
    struct sums s = { -1, -1, -1, -1, -1, { 0 }, { 0 } };
    size_t at, length;
    uint32_t entries;

    if (n < HEADER_BYTES || memcmp(bytes, magic, sizeof(magic)) != 0 || r.at[4] > 1 ||
        r.at[5] != 2 || r.at[7] != 1)
        return false;
    r.little = r.at[4] == 1;
    at = u32(&r, 24);
    entries = u32(&r, 28);
    for (uint32_t i = 0; i < entries && take_entry(&r, at, &s, &length); i++)
        at += length;
    *ret = (struct sg_hsperf){
        .gc_count = s.invocations,
        .gc_seconds = s.ticks >= 0 && s.frequency > 0 ? (double)s.ticks / (double)s.frequency : NAN,
        .gc_last_seconds = last_seconds(&s),
        .heap_bytes = s.capacity,
        .used_bytes = s.used,
    };
    return true;
}

bool sg_hsperf_dir(char *ret, size_t size)
{
    char room[1024];
    struct passwd pw, *found = NULL;
    int n;

    if (getpwuid_r(geteuid(), &pw, room, sizeof(room), &found) != 0 || found == NULL)
        return false;
    n = snprintf(ret, size, "/tmp/hsperfdata_%s", pw.pw_name);
    return n > 0 && (size_t)n < size;
}

/* A JVM that was killed leaves its file behind; a later process with its pid is younger than it. */
static bool is_older_than(const struct stat *st, const struct sg_proc *p)
{
    struct timespec wall, boot;
    double started_s, age_s;

    (void)clock_gettime(CLOCK_REALTIME, &wall);
    (void)clock_gettime(CLOCK_BOOTTIME, &boot);
    started_s = (double)p->start_ticks / (double)sysconf(_SC_CLK_TCK);
    age_s = (double)boot.tv_sec - started_s;
    return (double)(wall.tv_sec - st->st_mtim.tv_sec) > age_s + 2;
}

int sg_hsperf_open(const char *dir, const struct sg_proc *p)
{
    char path[300];
    struct stat st;
    int fd, n = snprintf(path, sizeof(path), "%s/%d", dir, (int)p->pid);

    if (n < 0 || (size_t)n >= sizeof(path))
        return -1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        !is_older_than(&st, p))
        return fd;
    close(fd);
    return -1;
}

bool sg_hsperf_read(int fd, struct sg_hsperf *ret)
{
    struct stat st;
    unsigned char *bytes;
    size_t n;
    ssize_t got;
    bool ok;

    if (fstat(fd, &st) != 0 || st.st_size < HEADER_BYTES || st.st_size > (off_t)FILE_MAX)
        return false;
    n = (size_t)st.st_size;
    bytes = malloc(n);
    if (bytes == NULL)
        return false;
    got = pread(fd, bytes, n, 0);
    ok = got > 0 && sg_hsperf_parse(bytes, (size_t)got, ret);
    free(bytes);
    return ok;
}
