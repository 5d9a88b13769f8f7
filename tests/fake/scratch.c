#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

void scratch_open(struct scratch *s)
{
    const char *base = getenv("TMPDIR");

    snprintf(s->dir, sizeof(s->dir), "%s/sg-test.XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(s->dir) == NULL)
        fail_msg("%s: %s", s->dir, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    return at->level == 0 ? 0 : remove(path);
}

void scratch_empty(struct scratch *s)
{
    if (nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        fail_msg("empty %s: %s", s->dir, strerror(errno));
}

void scratch_close(struct scratch *s)
{
    scratch_empty(s);
    rmdir(s->dir);
}

const char *scratch_path(const struct scratch *s, const char *path)
{
    static char paths[4][4096];
    static unsigned next;
    char *ret = paths[next++ % 4];

    snprintf(ret, sizeof(paths[0]), "%s%s%s", s->dir, path[0] != '\0' ? "/" : "", path);
    return ret;
}

void scratch_make_dir(const struct scratch *s, const char *path)
{
    char full[4096];

    snprintf(full, sizeof(full), "%s/%s/", s->dir, path);
    for (char *slash = full + strlen(s->dir) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (mkdir(full, 0777) != 0 && errno != EEXIST)
            fail_msg("%s: %s", full, strerror(errno));
        *slash = '/';
    }
}

void scratch_write_bytes(const struct scratch *s, const char *path, const void *bytes, size_t n)
{
    const char *slash = strrchr(path, '/');
    char dir[4096];
    int fd;

    if (slash != NULL) {
        snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
        scratch_make_dir(s, dir);
    }
    fd = open(scratch_path(s, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        fail_msg("%s: %s", path, strerror(errno));
    close(fd);
}

void scratch_write(const struct scratch *s, const char *path, const char *text)
{
    scratch_write_bytes(s, path, text, strlen(text));
}

char *scratch_read(const struct scratch *s, const char *path, size_t *ret_n)
{
    FILE *f = fopen(scratch_path(s, path), "re");
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;

    if (f == NULL)
        return NULL;
    n = getdelim(&text, &cap, EOF, f);
    fclose(f);
    if (n < 0) { /* an empty file */
        free(text);
        text = calloc(1, 1);
        n = 0;
    }
    if (ret_n != NULL)
        *ret_n = (size_t)n;
    return text;
}

bool scratch_has(const struct scratch *s, const char *path)
{
    struct stat st;

    return lstat(scratch_path(s, path), &st) == 0;
}

static const char *counted_part;
static size_t counted;

static int count_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    if (kind != FTW_D && strstr(path + at->base, counted_part) != NULL)
        counted++;
    return 0;
}

size_t scratch_count(const struct scratch *s, const char *path, const char *part)
{
    counted = 0;
    counted_part = part;
    if (nftw(scratch_path(s, path), count_one, 16, FTW_PHYS) != 0 && errno != ENOENT)
        fail_msg("%s: %s", path, strerror(errno));
    return counted;
}

void scratch_age(const struct scratch *s, const char *path, int64_t seconds)
{
    struct timespec times[2];

    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    if (utimensat(AT_FDCWD, scratch_path(s, path), times, 0) != 0)
        fail_msg("%s: %s", path, strerror(errno));
}
