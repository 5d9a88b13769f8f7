#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PREFIX    "stagegraph-"
#define MOST_PIDS 1024
#define TEXT_MAX  16384

const struct sg_cgroup_files sg_cgroup_system = { "/proc/self/cgroup", "/sys/fs/cgroup/memory",
                                                  "/sys/fs/cgroup" };

struct sg_cgroups {
    char own[PATH_MAX];  /* the group that we were in when we began */
    char leaf[PATH_MAX]; /* of version 2: where we went; "": not (yet) */
    bool v2;
    bool refused;           /* of version 2: it can't be had here */
    struct sg_cgroup *left; /* that still had processes */
};

struct sg_cgroup {
    struct sg_cgroups *of;
    struct sg_cgroup *next; /* of those left */
    char dir[PATH_MAX];
    char door[PATH_MAX];
};

/* ---- files of a few lines */

static int open_at(const char *dir, const char *name, int how)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

    return n > 0 && (size_t)n < sizeof(path) ? open(path, how | O_CLOEXEC) : -1;
}

static bool read_at(const char *dir, const char *name, char text[TEXT_MAX])
{
    int fd = open_at(dir, name, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, TEXT_MAX - 1) : -1;

    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return n > 0;
}

static bool write_at(const char *dir, const char *name, const char *text)
{
    int fd = open_at(dir, name, O_WRONLY);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

int64_t sg_cgroup_line(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, word, n) == 0 && at[n] == ' ')
            return strtoll(at + n + 1, NULL, 10);
        if (*at == '\0')
            break;
    }
    return -1;
}

static int64_t number_at(const char *dir, const char *name)
{
    char text[TEXT_MAX], *end;
    int64_t v;

    if (!read_at(dir, name, text))
        return -1;
    v = strtoll(text, &end, 10);
    return end != text ? v : -1;
}

static bool has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        if ((at == text || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' ' || at[n] == '\n'))
            return true;
    return false;
}

static size_t pids_at(const char *dir, pid_t *ret, size_t max)
{
    char text[TEXT_MAX], *at = text, *end;
    size_t n = 0;

    if (!read_at(dir, "cgroup.procs", text))
        return 0;
    for (long pid = strtol(at, &end, 10); end != at && n < max; pid = strtol(at, &end, 10)) {
        at = end;
        ret[n++] = (pid_t)pid;
    }
    return n;
}

/* ---- where we are */

static bool has_us(const char *dir)
{
    pid_t pids[MOST_PIDS];
    size_t n = pids_at(dir, pids, MOST_PIDS);

    for (size_t i = 0; i < n; i++)
        if (pids[i] == getpid())
            return true;
    return false;
}

/* In a container the path may be the host's, while its own group is mounted as the root. A group
 * that doesn't name us is another's. */
static bool find_dir(const char *root, const char *path, char *ret, size_t size)
{
    int n = snprintf(ret, size, "%s%s", root, strcmp(path, "/") == 0 ? "" : path);

    if (n > 0 && (size_t)n < size && has_us(ret))
        return true;
    n = snprintf(ret, size, "%s", root);
    return n > 0 && (size_t)n < size && has_us(ret);
}

/* "4:memory:/PATH" (version 1) or "0::/PATH" (version 2). A controller is in one of the two. */
bool sg_cgroup_own(const struct sg_cgroup_files *f, char *ret, size_t size, bool *ret_v2)
{
    char line[PATH_MAX], path[PATH_MAX] = "";
    FILE *file = fopen(f->self, "re");

    *ret_v2 = true;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char *first = strchr(line, ':'), *second = first != NULL ? strchr(first + 1, ':') : NULL;

        if (second == NULL)
            continue;
        second[strcspn(second, "\n")] = '\0';
        *second = '\0';
        if (strcmp(first + 1, "memory") != 0 && first[1] != '\0')
            continue;
        memcpy(path, second + 1, strlen(second + 1) + 1);
        *ret_v2 = first[1] == '\0';
        if (!*ret_v2)
            break;
    }
    if (file != NULL)
        fclose(file);
    return path[0] == '/' && find_dir(*ret_v2 ? f->v2 : f->v1, path, ret, size);
}

/* ---- what is left of a group */

static int remove_group(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type == FTW_DP)
        (void)rmdir(path); /* its files are the kernel's, and go with it */
    return 0;
}

static bool remove_tree(const char *dir)
{
    if (rmdir(dir) == 0 || errno == ENOENT)
        return true;
    (void)nftw(dir, remove_group, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return access(dir, F_OK) != 0;
}

/* A group of ours without a process is of a dead run, or of a live one in the instant before its
 * job moves in: that job then runs without. The kernel refuses the others; what the job of a living
 * run has made in its own is left alone. */
static void remove_dead(const char *own)
{
    char path[PATH_MAX];
    DIR *d = opendir(own);
    const struct dirent *e;
    pid_t pid;

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0 &&
            snprintf(path, sizeof(path), "%s/%s", own, e->d_name) < (int)sizeof(path) &&
            pids_at(path, &pid, 1) == 0)
            (void)remove_tree(path);
    }
    if (d != NULL)
        closedir(d);
}

/* ---- version 2: only in a group that was given to us */

/* systemd marks what it delegates; a user's own directory was given to that user; and in a
 * container the root of what it sees is its own. */
static bool is_delegated(const char *own, const char *root)
{
    static const char *const marks[] = { "user.delegate", "trusted.delegate" };
    char value[8], path[PATH_MAX];
    struct stat st;

    if (stat(own, &st) != 0)
        return false;
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (getxattr(own, marks[i], value, sizeof(value)) == 1 && value[0] == '1')
            return true;
    if (geteuid() != 0)
        return st.st_uid == geteuid();
    /* The machine's own root has no type. */
    return strcmp(own, root) == 0 &&
           snprintf(path, sizeof(path), "%s/cgroup.type", own) < (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

static bool are_alone(const char *own)
{
    pid_t pids[2];

    return pids_at(own, pids, 2) == 1 && pids[0] == getpid();
}

static void go_back(struct sg_cgroups *c)
{
    if (c->leaf[0] == '\0')
        return;
    (void)write_at(c->own, "cgroup.subtree_control", "-memory");
    (void)write_at(c->own, "cgroup.procs", "0");
    (void)rmdir(c->leaf);
    c->leaf[0] = '\0';
}

static bool go_to_leaf(struct sg_cgroups *c)
{
    if (c->leaf[0] != '\0')
        return true;
    if (c->refused || !are_alone(c->own)) /* with others it may be their wish another time */
        return false;
    c->refused = true;
    if (snprintf(c->leaf, sizeof(c->leaf), "%s/" PREFIX "run-%d", c->own, (int)getpid()) >=
            (int)sizeof(c->leaf) ||
        (mkdir(c->leaf, 0755) != 0 && errno != EEXIST)) { /* of a dead one with our pid */
        c->leaf[0] = '\0';
        return false;
    }
    if (write_at(c->leaf, "cgroup.procs", "0") &&
        write_at(c->own, "cgroup.subtree_control", "+memory"))
        return true;
    go_back(c);
    return false;
}

/* ---- all groups */

static bool can_be_made(const struct sg_cgroups *c, const struct sg_cgroup_files *f)
{
    char text[TEXT_MAX];

    if (access(c->own, W_OK) != 0)
        return false;
    if (c->v2)
        return read_at(c->own, "cgroup.controllers", text) && has_word(text, "memory") &&
               is_delegated(c->own, f->v2);
    /* Else the limit of our group would not hold for those below it. */
    return number_at(c->own, "memory.use_hierarchy") == 1;
}

struct sg_cgroups *sg_cgroups_new(const struct sg_cgroup_files *f)
{
    struct sg_cgroups *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    if (!sg_cgroup_own(f, c->own, sizeof(c->own), &c->v2) || !can_be_made(c, f)) {
        free(c);
        return NULL;
    }
    remove_dead(c->own);
    return c;
}

static void try_left(struct sg_cgroups *c)
{
    struct sg_cgroup **at = &c->left;

    while (*at != NULL) {
        struct sg_cgroup *g = *at;

        if (remove_tree(g->dir)) {
            *at = g->next;
            free(g);
        } else {
            at = &g->next;
        }
    }
}

void sg_cgroups_free(struct sg_cgroups *c)
{
    struct sg_cgroup *g;

    if (c == NULL)
        return;
    try_left(c);
    while ((g = c->left) != NULL) {
        c->left = g->next;
        free(g);
    }
    go_back(c);
    free(c);
}

/* ---- one */

struct sg_cgroup *sg_cgroup_make(struct sg_cgroups *c, const char *nonce)
{
    struct sg_cgroup *g;

    if (c->v2 && !go_to_leaf(c))
        return NULL;
    g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    g->of = c;
    if (snprintf(g->dir, sizeof(g->dir), "%s/" PREFIX "%s", c->own, nonce) >= (int)sizeof(g->dir) ||
        snprintf(g->door, sizeof(g->door), "%s/cgroup.procs", g->dir) >= (int)sizeof(g->door) ||
        mkdir(g->dir, 0755) != 0) {
        free(g);
        return NULL;
    }
    return g;
}

const char *sg_cgroup_door(const struct sg_cgroup *g)
{
    return g->door;
}

/* Of version 1 `rss` is what version 2 calls `anon`, and "total_" counts the groups below. */
int64_t sg_cgroup_bytes(const struct sg_cgroup *g)
{
    char text[TEXT_MAX];
    int64_t anon, shared;

    if (!read_at(g->dir, "memory.stat", text))
        return -1;
    anon = sg_cgroup_line(text, g->of->v2 ? "anon" : "total_rss");
    shared = sg_cgroup_line(text, g->of->v2 ? "shmem" : "total_shmem");
    return anon >= 0 && shared >= 0 ? anon + shared : -1;
}

int64_t sg_cgroup_most_bytes(const struct sg_cgroup *g)
{
    return number_at(g->dir, g->of->v2 ? "memory.peak" : "memory.max_usage_in_bytes");
}

int64_t sg_cgroup_oom_kills(const struct sg_cgroup *g)
{
    char text[TEXT_MAX];

    return read_at(g->dir, g->of->v2 ? "memory.events" : "memory.oom_control", text)
               ? sg_cgroup_line(text, "oom_kill")
               : -1;
}

void sg_cgroup_remove(struct sg_cgroup *g)
{
    struct sg_cgroups *c;

    if (g == NULL)
        return;
    c = g->of;
    g->next = c->left;
    c->left = g;
    try_left(c);
}
