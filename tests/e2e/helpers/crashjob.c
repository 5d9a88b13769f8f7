/*
 * crashjob: the job of all stages of the crash lab (tests/e2e/test_crash.c), which may be killed at
 * any instant and records what it did.
 *
 *   crashjob STAGE PARTITIONS_FILE FLAGS   1, 2: of a pool of that size, x: exclusive, d: reports
 *                                          what is done
 *
 * In the working directory: `facts`, a line NODE NEED STAGE LABEL for each input of each node;
 * code/STAGE; fail/NODE (see fail_as_told()); stall (see stall()); locks/; and `log`, to which it
 * appends
 *
 *   begin NODE PID NANOSECONDS RUN, end …     monotonic time
 *   overlap NODE PID …                        another process was at work on the node
 *   torn NODE PID …                           an input of it was being made, or not there
 *   crowd NODE PID …                          too many jobs of the pool, or of an exclusive stage
 *
 * Locks tell these: unlike a line of the log they go with the last process of the job. A node's
 * data is a function of the node, its code and its inputs' data, and ends in a sum of all before:
 *
 *   node NODE
 *   code TEXT
 *   NEED LABEL HASH            an input that was there; none for those that are order only
 *   sum HASH
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/hash.h"

#define MEMBERS 64
#define FACTS   4096
#define INPUTS  1024
#define NAME    64
#define BROKEN  98 /* exit status: not the program under test is at fault, but this */

struct fact {
    char node[NAME], need[NAME], stage[NAME], label[NAME];
};

static struct fact facts[FACTS];
static char members[MEMBERS][NAME];
static char there[INPUTS][NAME]; /* nodes whose output may be read */
static size_t n_facts, n_members, n_there;
static const char *stage, *flags;
static uint64_t chance;
static bool is_deaf;

static void broken(const char *what)
{
    (void)dprintf(2, "crashjob: %s: %s\n", what, strerror(errno));
    _exit(BROKEN);
}

static uint32_t draw(uint32_t n)
{
    chance = chance * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(chance >> 33) % n;
}

static void nap_us(uint32_t us)
{
    struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

    (void)nanosleep(&t, NULL);
}

static void note(const char *what, const char *node)
{
    struct timespec now;
    char line[200];
    int fd = open("log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666), n;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    n = snprintf(line, sizeof(line), "%s %s %d %lld %.60s\n", what, node, (int)getpid(),
                 (long long)now.tv_sec * 1000000000 + now.tv_nsec, getenv("STAGEGRAPH_RUN_ID"));
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        broken("log");
    (void)close(fd);
}

/* Until the last process that has it is gone: it stays open, and children inherit it. */
static bool lock(const char *name)
{
    char path[128];
    int fd;

    (void)snprintf(path, sizeof(path), "locks/%.60s", name);
    fd = open(path, O_RDWR | O_CREAT, 0666);
    if (fd < 0)
        broken(path);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    (void)close(fd);
    return false;
}

/* Has a job at work on the node its lock? */
static bool is_locked(const char *name)
{
    char path[128];
    bool locked;
    int fd;

    (void)snprintf(path, sizeof(path), "locks/%.60s", name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (fd >= 0)
        (void)close(fd);
    return locked;
}

/* ---- what it was given */

static FILE *open_file(const char *path)
{
    FILE *f = path == NULL ? NULL : fopen(path, "re");

    if (f == NULL)
        broken(path == NULL ? "a variable is not set" : path);
    return f;
}

/* NEED TAB LABEL TAB URI, where a need is as the graph file has it: |bronze@-1..0? */
static void add_input(char *line)
{
    const char *need = strtok(line, "\t"), *label = strtok(NULL, "\t");

    if (need == NULL || label == NULL)
        broken("inputs file");
    need += need[0] == '|';
    (void)snprintf(there[n_there++], NAME, "%.*s@%.30s", (int)strcspn(need, "@?"), need, label);
}

static void read_lists(const char *partitions)
{
    FILE *f = open_file(partitions);
    char line[4096];

    while (fgets(line, sizeof(line), f) != NULL && n_members < MEMBERS) {
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(members[n_members++], NAME, "%.30s@%.30s", stage, line);
    }
    (void)fclose(f);
    f = open_file("facts");
    while (n_facts < FACTS &&
           fscanf(f, "%63s %63s %63s %63s", facts[n_facts].node, facts[n_facts].need,
                  facts[n_facts].stage, facts[n_facts].label) == 4)
        n_facts++;
    (void)fclose(f);
    f = open_file(getenv("STAGEGRAPH_INPUTS_FILE"));
    while (fgets(line, sizeof(line), f) != NULL && n_there < INPUTS)
        add_input(line);
    (void)fclose(f);
}

static bool is_listed(const char *node, char list[][NAME], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], node) == 0)
            return true;
    return false;
}

/* ---- its output */

static void output_of(const char *of, const char *label, char *ret, size_t cap)
{
    if (strchr(label, 'T') == NULL)
        (void)snprintf(ret, cap, "warehouse/%s/dt=%s", of, label);
    else
        (void)snprintf(ret, cap, "warehouse/%s/dt=%.10s/hr=%s", of, label, label + 11);
}

static void hash_input(const char *node, const struct fact *f, char ret[SG_HASH64_TEXT])
{
    char path[256], text[16384];
    ssize_t n;
    int fd;

    output_of(f->stage, f->label, path, sizeof(path) - 8);
    (void)strcat(path, "/data");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (n < 0)
        note("torn", node);
    sg_hash64_format(sg_hash64_of(text, n < 0 ? 0 : (size_t)n), ret);
    if (fd >= 0)
        (void)close(fd);
}

/* It must be whole before the sum is added. */
static size_t write_body(size_t member, char *text, size_t cap)
{
    const char *node = members[member];
    char path[256], code[64] = "", hash[SG_HASH64_TEXT], input[NAME];
    size_t len;
    FILE *f;

    (void)snprintf(path, sizeof(path), "code/%s", stage);
    f = open_file(path);
    if (fscanf(f, "%63s", code) != 1)
        broken(path);
    (void)fclose(f);
    len = (size_t)snprintf(text, cap, "node %s\ncode %s\n", node, code);
    for (size_t i = 0; i < n_facts && len < cap; i++) {
        (void)snprintf(input, sizeof(input), "%.30s@%.30s", facts[i].stage, facts[i].label);
        if (strcmp(facts[i].node, node) != 0 || facts[i].need[0] == '|' ||
            (!is_listed(input, there, n_there) && !is_listed(input, members, member)))
            continue;
        hash_input(node, &facts[i], hash);
        len += (size_t)snprintf(text + len, cap - len, "%s %s %s\n", facts[i].need, facts[i].label,
                                hash);
    }
    if (len >= cap)
        broken("too many inputs");
    return len;
}

/* A marker such as Spark's: the executor has to take it away if the job fails. */
static void leave_marker(const char *out)
{
    char path[256];
    int fd;

    (void)snprintf(path, sizeof(path), "%.200s/_SUCCESS", out);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || close(fd) != 0)
        broken(path);
}

static void report(const char *label, bool whole_line)
{
    const char *path = getenv("STAGEGRAPH_DONE_FILE");
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    if (fd < 0 || dprintf(fd, whole_line ? "%s\n" : "%s", label) < 0 || close(fd) != 0)
        broken("done file");
}

/* once: fails, and not again; marker: having left one; report: half a line of it. */
static void fail_as_told(const char *node, const char *label, const char *out)
{
    char path[256], how[16] = "";
    FILE *f;

    (void)snprintf(path, sizeof(path), "fail/%s", node);
    f = fopen(path, "re");
    if (f == NULL)
        return;
    (void)!fscanf(f, "%15s", how);
    (void)fclose(f);
    if (strcmp(how, "once") == 0)
        (void)unlink(path);
    if (strcmp(how, "marker") == 0)
        leave_marker(out);
    if (strcmp(how, "report") == 0)
        report(label, false);
    exit(1);
}

/* A process that stays behind in a session of its own and would spoil the output. */
static void leave_behind(const char *data)
{
    int fd;

    if (fork() != 0)
        return;
    (void)setsid();
    if (draw(4) == 0)
        (void)signal(SIGTERM, SIG_IGN);
    nap_us(5000000);
    fd = open(data, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd >= 0)
        (void)dprintf(fd, "late\n");
    _exit(0);
}

/* With a file `stall`, which has a number, the deaf and some others stand still until there is a
 * file go.NUMBER. */
static void stall(void)
{
    char number[16] = "", go[32];
    FILE *f = draw(4) != 0 && !is_deaf ? NULL : fopen("stall", "re");

    if (f == NULL)
        return;
    (void)!fscanf(f, "%15s", number);
    (void)fclose(f);
    (void)snprintf(go, sizeof(go), "go.%s", number);
    for (int i = 0; i < 12000; i++) {
        if (access(go, F_OK) == 0)
            return;
        nap_us(5000);
    }
    broken("nobody ended it for a minute");
}

static void make(size_t member)
{
    const char *node = members[member], *label = strchr(node, '@') + 1;
    char out[200], data[256], text[32768], sum[SG_HASH64_TEXT];
    size_t len;
    int fd;

    output_of(stage, label, out, sizeof(out));
    (void)snprintf(data, sizeof(data), "%s/data", out);
    if (mkdir(out, 0777) != 0 && errno != EEXIST)
        broken(out);
    fd = open(data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || dprintf(fd, "not whole\n") < 0)
        broken(data);
    nap_us(draw(8000));
    stall();
    len = write_body(member, text, sizeof(text));
    nap_us(draw(8000));
    fail_as_told(node, label, out);
    sg_hash64_format(sg_hash64_of(text, len), sum);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, len, 0) != (ssize_t)len ||
        lseek(fd, 0, SEEK_END) < 0 || dprintf(fd, "sum %s\n", sum) < 0 || close(fd) != 0)
        broken(data);
    if (draw(2) == 0)
        leave_marker(out);
    if (strchr(flags, 'd') != NULL)
        report(label, true);
    if (draw(25) == 0)
        leave_behind(data);
    note("end", node);
}

/* Is this node the only one of its kind, and does it stand on firm ground? */
static void look_around(void)
{
    char name[NAME];

    for (size_t i = 0; i < n_members; i++) {
        if (!lock(members[i]))
            note("overlap", members[i]);
        note("begin", members[i]);
    }
    for (size_t i = 0; i < n_there; i++)
        if (!is_listed(there[i], members, n_members) && is_locked(there[i]))
            note("torn", members[0]);
    if ((strchr(flags, '1') != NULL && !lock("pool.1")) ||
        (strchr(flags, '2') != NULL && !lock("pool.1") && !lock("pool.2")))
        note("crowd", members[0]);
    (void)snprintf(name, sizeof(name), "exclusive.%.30s", stage);
    if (strchr(flags, 'x') != NULL && !lock(name))
        note("crowd", members[0]);
}

int main(int argc, char **argv)
{
    const char *nonce = getenv("STAGEGRAPH_NONCE");

    if (argc != 4 || nonce == NULL || getenv("STAGEGRAPH_RUN_ID") == NULL) {
        (void)fprintf(stderr, "usage: crashjob STAGE PARTITIONS_FILE FLAGS, as a job\n");
        return BROKEN;
    }
    stage = argv[1];
    flags = argv[3];
    chance = sg_hash64_of(nonce, strlen(nonce));
    read_lists(argv[2]);
    look_around();
    /* Without executor and shim, and deaf to TERM, it lives on. */
    is_deaf = draw(6) == 0;
    if (is_deaf) {
        (void)signal(SIGTERM, SIG_IGN);
        nap_us(draw(300000));
    }
    for (size_t i = 0; i < n_members; i++)
        make(i);
    return 0;
}
