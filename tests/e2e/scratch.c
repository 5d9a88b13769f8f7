/*
 * scratch: the directory of a test, its files, the usual graph and the log of its jobs.
 */
#include "fixture_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void *e2e_keep(struct e2e *t, void *memory)
{
    void **grown;

    if (memory == NULL)
        fail_msg("out of memory");
    grown = realloc(t->garbage, (t->n_garbage + 1) * sizeof(*grown));
    if (grown == NULL)
        fail_msg("out of memory");
    t->garbage = grown;
    t->garbage[t->n_garbage++] = memory;
    return memory;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

int e2e_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    struct e2e *t = calloc(1, sizeof(*t));
    char *dir, *real;

    if (t == NULL || asprintf(&dir, "%s/stagegraph-e2e-XXXXXX", tmp != NULL ? tmp : "/tmp") < 0)
        return -1;
    if (mkdtemp(dir) == NULL || (real = realpath(dir, NULL)) == NULL)
        return -1;
    free(dir);
    t->dir = real;
    t->out = t->err = "";
    *state = t;

    e2e_setenv(t, "PATH", getenv("PATH"));
    e2e_setenv(t, "HOME", t->dir);
    e2e_setenv(t, "LC_ALL", "C.UTF-8");
    e2e_setenv(t, "ASAN_OPTIONS", getenv("ASAN_OPTIONS"));
    e2e_setenv(t, "UBSAN_OPTIONS", getenv("UBSAN_OPTIONS"));
    e2e_setenv(t, "TSAN_OPTIONS", getenv("TSAN_OPTIONS"));
    e2e_setenv(t, "LLVM_PROFILE_FILE", getenv("LLVM_PROFILE_FILE"));
    e2e_setenv(t, "STAGEGRAPH_NOW", "2024-01-02T00:10Z");
    /* By this every process of the test is known, wherever it went. */
    e2e_setenv(t, "E2E_DIR", t->dir);
    e2e_watchdog_start(t);
    return 0;
}

int e2e_teardown(void **state)
{
    struct e2e *t = *state;
    pid_t left[64];
    size_t n, i;
    int64_t deadline = e2e_patience();

    e2e_programs_done(t);
    /* What a test has killed on purpose may take a moment to be gone. */
    while ((n = e2e_scan(t->dir, E2E_ALL, left, 64)) != 0 && !e2e_is_late(deadline - 20000))
        usleep(5000);
    for (i = 0; i < n; i++) {
        char path[64], name[256] = "";
        ssize_t got;
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)left[i]);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        got = fd < 0 ? 0 : read(fd, name, sizeof(name) - 1);
        for (ssize_t j = 0; j + 1 < got; j++)
            name[j] = name[j] == '\0' ? ' ' : name[j];
        if (fd >= 0)
            (void)close(fd);
        e2e_tell("left behind: %d %s\n", (int)left[i], name);
    }
    e2e_end_all(t->dir, 0);
    e2e_watchdog_stop(t);
    if (getenv("E2E_KEEP") == NULL)
        (void)nftw(t->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    else
        print_message("kept: %s\n", t->dir);
    for (i = 0; i < t->n_garbage; i++)
        free(t->garbage[i]);
    for (i = 0; i < t->n_env; i++)
        free(t->env[i]);
    free(t->garbage);
    free(t->env);
    free(t->dir);
    free(t);
    return n == 0 ? 0 : -1;
}

/* ---- texts and files */

E2E_PRINTF(2, 0)
static char *text_of(struct e2e *t, const char *fmt, va_list ap)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, ap) < 0)
        fail_msg("out of memory");
    return e2e_keep(t, text);
}

char *e2e_text(struct e2e *t, const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = text_of(t, fmt, ap);
    va_end(ap);
    return text;
}

char *e2e_path(struct e2e *t, const char *path)
{
    return path[0] == '/' ? e2e_text(t, "%s", path) : e2e_text(t, "%s/%s", t->dir, path);
}

static void make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            fail_msg("mkdir %s: %s", path, strerror(errno));
        *slash = '/';
    }
}

static void write_file(struct e2e *t, const char *path, const char *text, int flags)
{
    char *full = e2e_path(t, path);
    size_t n = strlen(text);
    int fd;

    make_parents(full);
    fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n || close(fd) != 0)
        fail_msg("write %s: %s", full, strerror(errno));
}

void e2e_write(struct e2e *t, const char *path, const char *text)
{
    write_file(t, path, text, O_TRUNC);
}

void e2e_append(struct e2e *t, const char *path, const char *text)
{
    write_file(t, path, text, O_APPEND);
}

char *e2e_read(struct e2e *t, const char *path)
{
    char *full = e2e_path(t, path), *text;
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    struct stat st;
    size_t have = 0;
    ssize_t n;

    if (fd < 0 && errno == ENOENT)
        return NULL;
    if (fd < 0 || fstat(fd, &st) != 0)
        fail_msg("read %s: %s", full, strerror(errno));
    text = e2e_keep(t, calloc(1, (size_t)st.st_size + 1));
    while (have < (size_t)st.st_size && (n = read(fd, text + have, (size_t)st.st_size - have)) > 0)
        have += (size_t)n;
    (void)close(fd);
    return text;
}

bool e2e_exists(struct e2e *t, const char *path)
{
    struct stat st;

    return lstat(e2e_path(t, path), &st) == 0;
}

void e2e_remove(struct e2e *t, const char *path)
{
    char *full = e2e_path(t, path);

    if (nftw(full, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        fail_msg("remove %s: %s", full, strerror(errno));
}

void e2e_edit_at(struct e2e *t, const char *path, const char *old, const char *new,
                 const char *file, int line)
{
    char *text = e2e_read(t, path);
    char *at = text == NULL ? NULL : strstr(text, old);

    if (at == NULL) {
        e2e_tell("no \"%s\" in %s\n", old, path);
        _fail(file, line);
        return;
    }
    e2e_write(t, path, e2e_text(t, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)));
}

void e2e_poke(struct e2e *t, const char *path, size_t offset, char byte)
{
    int fd = open(e2e_path(t, path), O_WRONLY | O_CLOEXEC);

    if (fd < 0 || pwrite(fd, &byte, 1, (off_t)offset) != 1 || close(fd) != 0)
        fail_msg("write %s: %s", path, strerror(errno));
}

/* ---- the usual graph */

static const char flights[] = //
    "[graph]\n"
    "name      = flights\n"
    "start     = 2024-01-01T21\n"
    "end       = 2024-01-02\n"
    "partition = hour\n"
    "delay     = 5m\n"
    "\n"
    "[store]\n"
    "root = warehouse\n"
    "sync = no\n"
    "\n"
    "[source landing]\n"
    "path   = landing/dt=${ds}/hr=${HH}\n"
    "marker = _DONE\n"
    "\n"
    "[stage bronze]\n"
    "title   = BRONZE INGESTION\n"
    "needs   = landing\n"
    "command = sh job.sh ${node} ${output}\n"
    "output  = bronze/dt=${ds}/hr=${HH}\n"
    "code    = code/bronze.txt\n"
    "\n"
    "[stage silver]\n"
    "title   = SILVER TRANSFORMATION\n"
    "needs   = bronze\n"
    "command = sh job.sh ${node} ${output} --level ${level}\n"
    "output  = silver/dt=${ds}/hr=${HH}\n"
    "code    = code/silver.txt\n"
    "\n"
    "[stage gold]\n"
    "title     = GOLD AGGREGATIONS\n"
    "partition = day\n"
    "needs     = silver\n"
    "command   = sh job.sh ${node} ${output}\n"
    "output    = gold/dt=${ds}\n"
    "code      = code/gold.txt\n"
    "\n"
    "[param level]\n"
    "default = low\n"
    "\n"
    "[profile hourly]\n"
    "window   = 1\n"
    "lookback = 2\n"
    "order    = newest\n"
    "\n"
    "[profile backfill]\n"
    "order = oldest\n";

/* The job of all stages: its data are its inputs' data, and last of all a line with their checksum.
 * The lock tells two of one node that run at once; the test's own part comes before the writing. */
static const char job_script[] = //
    "node=$1 out=$2 stage=${1%%@*}\n"
    "exec 9>>\"lock.$node\"\n"
    "flock -n 9 || echo \"overlap $node $$\" >>ran\n"
    "echo \"start $node $$\" >>ran\n"
    "body() {\n"
    "    echo \"$node\"\n"
    "    cut -f3 \"$STAGEGRAPH_INPUTS_FILE\" | while read -r uri; do cat \"$uri\"/data; done\n"
    "}\n"
    "[ ! -e \"do/$stage\" ] || . \"./do/$stage\"\n"
    "[ ! -e \"do/$node\" ] || . \"./do/$node\"\n"
    "mkdir -p \"$out\"\n"
    "body >\"$out/data\"\n"
    "echo \"whole $(cksum <\"$out/data\")\" >>\"$out/data\"\n"
    "echo \"end $node $$\" >>ran\n";

void e2e_job_script(struct e2e *t)
{
    e2e_write(t, "job.sh", job_script);
}

void e2e_flights(struct e2e *t)
{
    e2e_write(t, "stagegraph.ini", flights);
    e2e_job_script(t);
    e2e_write(t, "code/bronze.txt", "one\n");
    e2e_write(t, "code/silver.txt", "one\n");
    e2e_write(t, "code/gold.txt", "one\n");
    e2e_land(t, "2024-01-01T21", "a\n");
    e2e_land(t, "2024-01-01T22", "b\n");
    e2e_land(t, "2024-01-01T23", "c\n");
}

void e2e_does(struct e2e *t, const char *stage_or_node, const char *lines)
{
    e2e_write(t, e2e_text(t, "do/%s", stage_or_node), lines);
}

void e2e_land(struct e2e *t, const char *label, const char *text)
{
    const char *dir = e2e_text(t, "warehouse/landing/dt=%.10s/hr=%s", label, label + 11);

    e2e_write(t, e2e_text(t, "%s/data", dir), text);
    e2e_write(t, e2e_text(t, "%s/_DONE", dir), "");
}

char *e2e_output(struct e2e *t, const char *node)
{
    const char *at = strchr(node, '@');
    int n = at == NULL ? (int)strlen(node) : (int)(at - node);

    if (at == NULL)
        return e2e_text(t, "warehouse/%s", node);
    if (strchr(at, 'T') == NULL)
        return e2e_text(t, "warehouse/%.*s/dt=%s", n, node, at + 1);
    return e2e_text(t, "warehouse/%.*s/dt=%.10s/hr=%s", n, node, at + 1, at + 12);
}

char *e2e_marker(struct e2e *t, const char *node)
{
    return e2e_text(t, "%s/_SUCCESS", e2e_output(t, node));
}

/* The CRC of POSIX's cksum. */
static uint32_t cksum(const char *bytes, size_t n)
{
    uint32_t crc = 0;
    size_t len = n, i = 0;

    while (i < n || len != 0) {
        uint32_t byte = i < n ? (unsigned char)bytes[i] : (uint32_t)(len & 0xff);

        if (i < n)
            i++;
        else
            len >>= 8;
        crc ^= byte << 24;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x80000000u) != 0 ? (crc << 1) ^ 0x04c11db7u : crc << 1;
    }
    return ~crc;
}

bool e2e_is_whole(struct e2e *t, const char *node)
{
    char *text = e2e_read(t, e2e_text(t, "%s/data", e2e_output(t, node)));
    char *last = text, *end;
    char want[64];

    if (text == NULL)
        return false;
    /* Data of inputs have such a line of their own; ours is the last one. */
    end = text + strlen(text);
    if (end == text || end[-1] != '\n')
        return false;
    for (char *p = text; p < end - 1; p++)
        if (*p == '\n')
            last = p + 1;
    (void)snprintf(want, sizeof(want), "whole %u %zu\n",
                   (unsigned)cksum(text, (size_t)(last - text)), (size_t)(last - text));
    return strcmp(last, want) == 0;
}

bool e2e_has_receipt(struct e2e *t, const char *node)
{
    char *text = e2e_read(t, e2e_marker(t, node));

    return text != NULL && (strstr(text, "\"state\":\"done\"") != NULL ||
                            strstr(text, "\"state\":\"accepted\"") != NULL);
}

/* ---- the log of the jobs */

char *e2e_jobs(struct e2e *t)
{
    char *log = e2e_read(t, "ran");
    char *list = e2e_keep(t, calloc(1, log == NULL ? 1 : strlen(log) + 1));
    char *line, *save = NULL;
    size_t have = 0;

    if (log == NULL || strlen(log) <= t->ran_seen)
        return list;
    log += t->ran_seen;
    t->ran_seen += strlen(log);
    for (line = strtok_r(log, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        char what[16], node[200];

        if (sscanf(line, "%15s %199s", what, node) != 2)
            fail_msg("a line of the job log is broken: %s", line);
        if (strcmp(what, "overlap") == 0)
            fail_msg("%s ran twice at once", node);
        if (strcmp(what, "start") == 0)
            have += (size_t)sprintf(list + have, "%s%s", have == 0 ? "" : " ", node);
    }
    return list;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *e2e_jobs_sorted(struct e2e *t)
{
    char *list = e2e_jobs(t), *sorted = e2e_text(t, "%s", list);
    char *words[4096], *word, *save = NULL;
    size_t n = 0, have = 0;

    for (word = strtok_r(list, " ", &save); word != NULL && n < 4096;
         word = strtok_r(NULL, " ", &save))
        words[n++] = word;
    qsort(words, n, sizeof(*words), by_text);
    for (size_t i = 0; i < n; i++)
        have += (size_t)sprintf(sorted + have, "%s%s", i == 0 ? "" : " ", words[i]);
    return sorted;
}
