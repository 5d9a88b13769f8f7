/*
 * The same work, done, for three build systems: some hours of three stages, as if all had been
 * made.
 *
 *   bench_tree HOURS COMMAND [todo|store]    in the current directory, which becomes about
 *                                            3 × HOURS × 2 files; with `todo` only the
 * descriptions, with `store` these and our store's markers alone
 *
 * Leaves flights.ini (store in sg/), build.ninja and Makefile (outputs in nj/ and mk/), .ninja_log,
 * and list, the paths of the markers. `COMMAND FILE` makes a node's one file. ninja holds a file
 * without an entry in its log for stale, and the entry has the hash of the command; see
 * murmur_hash(), and look whether ninja agrees.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/clock.h"

#include "tree.h"

#define START_S INT64_C(1356998400) /* 2013-01-01 */

static const char *const stages[] = { "bronze", "silver", "gold" };
#define STAGES 3

/* MurmurHash64A as ninja's build log of version 5 has it. */
static uint64_t murmur_hash(const char *text)
{
    const uint64_t m = UINT64_C(0xc6a4a7935bd1e995), seed = UINT64_C(0xDECAFBADDECAFBAD);
    size_t len = strlen(text);
    uint64_t h = seed ^ (len * m), k;

    for (; len >= 8; text += 8, len -= 8) {
        memcpy(&k, text, 8);
        k *= m;
        k ^= k >> 47;
        k *= m;
        h ^= k;
        h *= m;
    }
    if (len != 0) {
        k = 0;
        memcpy(&k, text, len);
        h ^= k;
        h *= m;
    }
    h ^= h >> 47;
    h *= m;
    return h ^ h >> 47;
}

/* "ROOT/bronze/dt=2013-01-01/hr=05"; for make, which would see assignments, "dt-2013-01-01/hr-05".
 */
static void node_dir(const char *root, int stage, int64_t hour, char ret[128])
{
    struct sg_date d = sg_date_of_days((START_S / 3600 + hour) / 24);
    char is = strcmp(root, "mk") == 0 ? '-' : '=';

    snprintf(ret, 128, "%s/%s/dt%c%04d-%02d-%02d/hr%c%02d", root, stages[stage], is, (int)d.year,
             (int)d.month, (int)d.day, is, (int)((START_S / 3600 + hour) % 24));
}

static bool write_graph(const char *command, int64_t hours)
{
    char end[SG_UTC_TEXT];
    FILE *f = fopen("flights.ini", "w");

    if (f == NULL)
        return false;
    sg_utc_format(START_S + hours * 3600, end);
    fprintf(f,
            "[graph]\nstart = 2013-01-01\nend = %s\npartition = hour\ndelay = 0\n"
            "state = state\n[store]\nroot = sg\nsync = no\n",
            end);
    for (int i = 0; i < STAGES; i++)
        fprintf(f, "[stage %s]\ncommand = %s ${output}/data\noutput = %s/dt=${ds}/hr=${HH}\n%s%s\n",
                stages[i], command, stages[i], i > 0 ? "needs = " : "", i > 0 ? stages[i - 1] : "");
    return fclose(f) == 0;
}

/* Files of nodes, deepest first, so that what is made later is newer. */
static bool write_ninja(const char *command, int64_t hours)
{
    FILE *f = fopen("build.ninja", "w");
    char dir[128], before[128];

    if (f == NULL)
        return false;
    fprintf(f, "rule make\n  command = %s $out\n", command);
    for (int64_t h = 0; h < hours; h++)
        for (int i = 0; i < STAGES; i++) {
            node_dir("nj", i, h, dir);
            if (i == 0)
                before[0] = '\0';
            else
                node_dir("nj", i - 1, h, before);
            fprintf(f, "build %s/data: make %s%s\n", dir, before, i > 0 ? "/data" : "");
        }
    return fclose(f) == 0;
}

static bool write_make(const char *command, int64_t hours)
{
    FILE *f = fopen("Makefile", "w");
    char dir[128], before[128];

    if (f == NULL)
        return false;
    /* no rules of its own, and no shell: what a careful user of large makefiles writes */
    fprintf(f, "MAKEFLAGS += -r\n.SUFFIXES:\nall:");
    for (int64_t h = 0; h < hours; h++) { /* one list: a line for each would be quadratic */
        node_dir("mk", STAGES - 1, h, dir);
        fprintf(f, " \\\n  %s/data", dir);
    }
    fprintf(f, "\n");
    for (int64_t h = 0; h < hours; h++)
        for (int i = 0; i < STAGES; i++) {
            node_dir("mk", i, h, dir);
            if (i == 0)
                before[0] = '\0';
            else
                node_dir("mk", i - 1, h, before);
            fprintf(f, "%s/data: %s%s\n\t%s $@\n", dir, before, i > 0 ? "/data" : "", command);
        }
    return fclose(f) == 0;
}

static bool write_list(int64_t hours)
{
    FILE *f = fopen("list", "w");
    char dir[128];

    if (f == NULL)
        return false;
    for (int i = 0; i < STAGES; i++)
        for (int64_t h = 0; h < hours; h++) {
            node_dir("sg", i, h, dir);
            fprintf(f, "%s/_SUCCESS\n", dir);
        }
    return fclose(f) == 0;
}

/* mkdir -p of all before the last name, then the file. */
static bool touch(char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    for (char *at = path; fd < 0 && (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0777);
        *at = '/';
    }
    if (fd < 0)
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    return fd >= 0 && close(fd) == 0;
}

/* A file and its entry in the log; in the order of the stages. */
static bool touch_all(const char *command, int64_t hours)
{
    FILE *log = fopen(".ninja_log", "w");
    char dir[128], path[256], line[4096];
    struct stat st;

    if (log == NULL)
        return false;
    fprintf(log, "# ninja log v5\n");
    for (int i = 0; i < STAGES; i++)
        for (int64_t h = 0; h < hours; h++) {
            node_dir("nj", i, h, dir);
            snprintf(path, sizeof(path), "%s/data", dir);
            if (!touch(path) || stat(path, &st) != 0)
                return false;
            snprintf(line, sizeof(line), "%s '%s'", command, path); /* it quotes what has a = */
            fprintf(log, "0\t1\t%" PRId64 "\t%s\t%" PRIx64 "\n",
                    st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec, path,
                    murmur_hash(line));
            node_dir("mk", i, h, dir);
            snprintf(path, sizeof(path), "%s/data", dir);
            if (!touch(path))
                return false;
        }
    return fclose(log) == 0;
}

static bool make_store(int64_t hours, const char *data, struct sg_error *err)
{
    struct sg_plan_config c = { .own_run = NULL };
    struct sg_store_config store = { .sync = false };
    struct sg_request request;
    struct sg_graph *graph;
    uint32_t n = 0;
    bool ok;

    sg_request_init(&request, START_S + hours * 3600);
    if (!sg_bench_graph("flights.ini", &graph, err))
        return false;
    store.root = graph->store.root;
    c.request = &request;
    c.graph = graph;
    c.code = sg_code_cache_new(err);
    ok = c.code != NULL && sg_store_open(&store, &c.store, err) && sg_bench_tree(&c, data, &n, err);
    sg_store_free(c.store);
    sg_code_cache_free(c.code);
    sg_graph_free(graph);
    if (ok && n != 3 * hours)
        return sg_error_set(err, SG_ERROR_BUG, 0, "%u nodes, not %" PRId64, n, 3 * hours);
    return ok;
}

int main(int argc, char **argv)
{
    struct sg_error err = SG_ERROR_INIT;
    int64_t hours = argc > 2 ? atoll(argv[1]) : 0;
    const bool todo = argc > 3 && strcmp(argv[3], "todo") == 0;
    const bool store = argc > 3 && !todo;

    if (hours < 1 || (store && strcmp(argv[3], "store") != 0)) {
        fprintf(stderr, "usage: bench_tree HOURS COMMAND [todo|store]\n");
        return 2;
    }
    if (!write_graph(argv[2], hours) || !write_ninja(argv[2], hours) ||
        !write_make(argv[2], hours) || !write_list(hours)) {
        perror("bench_tree");
        return 1;
    }
    if (todo)
        return 0;
    if (!store && !touch_all(argv[2], hours)) {
        perror("bench_tree: touch");
        return 1;
    }
    if (!make_store(hours, store ? NULL : "data", &err)) {
        fprintf(stderr, "bench_tree: %s\n", err.text);
        return 1;
    }
    return 0;
}
