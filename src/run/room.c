#include "room.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS  (500 * SG_NS_PER_MS)
#define SOME_MAX 20.0 /* percent; docs/decisions.md */
#define FULL_MAX 10.0

struct sg_pressure {
    int fd;
    struct sg_mono looked; /* 0: never */
    double some, full;
    bool high;
};

static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* ---- how much */

static int64_t lesser(int64_t a, int64_t b)
{
    return b >= 0 && (a < 0 || b < a) ? b : a;
}

/* A number alone on its line; "max" or no file: -1. */
static int64_t limit_at(const char *dir)
{
    char path[PATH_MAX], text[64], *end;
    int64_t v;

    if (snprintf(path, sizeof(path), "%s/memory.max", dir) >= (int)sizeof(path) ||
        !read_text(path, text, sizeof(text)))
        return -1;
    v = strtoll(text, &end, 10);
    return end != text ? v : -1;
}

/* Of version 1 the kernel has looked at the groups above already. */
static int64_t cgroup_limit(const struct sg_cgroup_files *f)
{
    char dir[PATH_MAX], path[PATH_MAX], text[16384];
    int64_t limit = -1;
    bool v2;

    if (!sg_cgroup_own(f, dir, sizeof(dir), &v2))
        return -1;
    if (!v2)
        return snprintf(path, sizeof(path), "%s/memory.stat", dir) < (int)sizeof(path) &&
                       read_text(path, text, sizeof(text))
                   ? sg_cgroup_line(text, "hierarchical_memory_limit")
                   : -1;
    for (size_t root = strlen(f->v2); strlen(dir) >= root; *strrchr(dir, '/') = '\0')
        limit = lesser(limit, limit_at(dir));
    return limit;
}

int64_t sg_room_bytes_in(const char *meminfo, const struct sg_cgroup_files *f)
{
    char text[4096];
    const char *at = read_text(meminfo, text, sizeof(text)) ? strstr(text, "MemTotal:") : NULL;

    return lesser(at != NULL ? strtoll(at + 9, NULL, 10) * 1024 : -1, cgroup_limit(f));
}

int64_t sg_room_bytes(void)
{
    return sg_room_bytes_in("/proc/meminfo", &sg_cgroup_system);
}

int64_t sg_room_of(const struct sg_graph *g, const struct sg_stage *s)
{
    return s->pool != SG_NO_POOL && g->pools[s->pool].memory > 0 ? 0 : s->memory;
}

/* ---- how short */

static int open_system(void)
{
    char path[PATH_MAX];
    bool v2;
    size_t n;
    int fd = -1;

    if (sg_cgroup_own(&sg_cgroup_system, path, sizeof(path) - 20, &v2) && v2) {
        n = strlen(path);
        snprintf(path + n, sizeof(path) - n, "/memory.pressure");
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd >= 0 ? fd : open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
}

/* "some avg10=0.00 avg60=…" */
static bool take_average(const char *text, const char *which, double *ret)
{
    const char *at = strstr(text, which);
    char *end;

    if (at == NULL)
        return false;
    at += strlen(which);
    *ret = strtod(at, &end);
    return end != at;
}

static bool look(struct sg_pressure *p)
{
    char text[512];
    ssize_t n = pread(p->fd, text, sizeof(text) - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return take_average(text, "some avg10=", &p->some) &&
           take_average(text, "full avg10=", &p->full);
}

struct sg_pressure *sg_pressure_new(const char *path)
{
    struct sg_pressure *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : open_system();
    if (p->fd >= 0 && look(p)) /* switched off, it can be opened but not read */
        return p;
    sg_pressure_free(p);
    return NULL;
}

void sg_pressure_free(struct sg_pressure *p)
{
    if (p == NULL)
        return;
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

bool sg_pressure_is_high(struct sg_pressure *p, struct sg_mono now)
{
    double part;

    if (p == NULL || (p->looked.ns != 0 && now.ns - p->looked.ns < LOOK_NS))
        return p != NULL && p->high;
    p->looked = now;
    if (!look(p)) {
        p->high = false; /* it was there and is gone: nobody is held up for that */
        return false;
    }
    part = p->high ? 0.5 : 1;
    p->high = p->some >= SOME_MAX * part || p->full >= FULL_MAX * part;
    return p->high;
}

double sg_pressure_some(const struct sg_pressure *p)
{
    return p->some;
}
