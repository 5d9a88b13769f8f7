#include "stagegraph/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- /proc/PID/stat: "PID (COMM) S PPID PGRP …", proc(5); COMM may hold blanks and parentheses */

/* Fields after the command's name, the state being number 3. */
enum {
    FIELD_PPID = 4,
    FIELD_PGRP = 5,
    FIELD_THREADS = 20,
    FIELD_START = 22,
    FIELD_VSIZE = 23,
    FIELD_RSS = 24
};

static void set_field(struct sg_proc *p, int field, const char *text)
{
    switch (field) {
    case FIELD_PPID:
        p->ppid = (pid_t)strtol(text, NULL, 10);
        break;
    case FIELD_PGRP:
        p->pgrp = (pid_t)strtol(text, NULL, 10);
        break;
    case FIELD_THREADS:
        p->threads = (int32_t)strtol(text, NULL, 10);
        break;
    case FIELD_START:
        p->start_ticks = strtoull(text, NULL, 10);
        break;
    case FIELD_VSIZE:
        p->vsize = strtoull(text, NULL, 10);
        break;
    case FIELD_RSS:
        p->rss_pages = strtol(text, NULL, 10);
        break;
    default:
        break;
    }
}

static bool parse_stat(char *text, struct sg_proc *ret)
{
    char *name = strchr(text, '('), *name_end = strrchr(text, ')'), *at;
    size_t n;

    if (name == NULL || name_end == NULL || name_end < name || name_end[1] != ' ')
        return false;
    name++;
    n = (size_t)(name_end - name);
    if (n > sizeof(ret->comm) - 1)
        n = sizeof(ret->comm) - 1;
    for (size_t i = 0; i < n; i++)
        ret->comm[i] = name[i] < ' ' || name[i] > '~' ? '?' : name[i];
    ret->comm[n] = '\0';
    ret->state = name_end[2];
    at = name_end + 2;
    for (int field = 4; field <= FIELD_RSS; field++) {
        at = strchr(at, ' ');
        if (at == NULL)
            return false;
        set_field(ret, field, ++at);
    }
    return true;
}

bool sg_proc_read(pid_t pid, struct sg_proc *ret)
{
    char path[32], text[1024];
    struct sg_proc p = { .pid = pid };
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0) /* ESRCH: it went between the two calls */
        return false;
    text[n] = '\0';
    if (!parse_stat(text, &p))
        return false;
    *ret = p;
    return true;
}

bool sg_proc_is_dead(const struct sg_proc *p)
{
    return p->state == 'X' || (p->state == 'Z' && p->threads <= 1);
}

/* ---- the mark */

#define MARK_BIT    (UINT64_C(1) << 60)
#define MARK_DIGITS 15

uint64_t sg_proc_mark(const char *nonce)
{
    char digits[MARK_DIGITS + 1] = "";

    strncat(digits, nonce, MARK_DIGITS);
    return MARK_BIT | strtoull(digits, NULL, 16);
}

/* The soft limit alone: a stagegraph that a job starts may set another. */
void sg_proc_set_mark(uint64_t mark)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_RTTIME, &limit) != 0)
        return;
    limit.rlim_cur = mark;
    (void)setrlimit(RLIMIT_RTTIME, &limit);
}

bool sg_proc_has_mark(pid_t pid, uint64_t mark)
{
    static const char name[] = "Max realtime timeout";
    char path[32], text[4096];
    const char *at;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    at = strstr(text, name);
    return at != NULL && strtoull(at + sizeof(name) - 1, NULL, 10) == mark;
}

/* ---- the tree */

/* The entries are in the order of /proc, which is that of the pids, but for later passes. */
bool sg_tree_has(const struct sg_tree *t, pid_t pid)
{
    for (unsigned i = t->n; i > 0; i--)
        if (t->at[i - 1].pid == pid)
            return true;
    return false;
}

/* A group lies within one session, and a session that a member of the tree is in was made by the
 * tree: no group reaches out of it. */
static bool has_group(const struct sg_proc *p)
{
    return p->pgrp > 1 && p->pgrp != getpgrp();
}

struct search {
    struct sg_tree *tree;
    sg_tree_fn *belongs;
    void *ctx;
    bool kills;
    bool added;    /* in this pass */
    bool inverted; /* a process was left out whose parent has a larger pid: it may come later */
};

static void look_at(struct search *s, pid_t pid)
{
    struct sg_tree *t = s->tree;
    struct sg_proc p;
    bool belongs;

    if (t->n == SG_TREE_MAX || pid <= 1 || sg_tree_has(t, pid) || !sg_proc_read(pid, &p))
        return;
    belongs = s->belongs(s->ctx, &p);
    if (sg_proc_is_dead(&p))
        return;
    if (!belongs && !sg_tree_has(t, p.ppid)) {
        s->inverted |= p.ppid > pid;
        return;
    }
    if (s->kills && has_group(&p))
        (void)kill(-p.pgrp, SIGKILL);
    if (s->kills)
        (void)kill(pid, SIGKILL);
    t->at[t->n++] = p;
    s->added = true;
}

/* The names are read in small portions: of a whole directory of them the last ones would be
 * outdated before they are looked at. */
static void pass_over(struct search *s, int dir)
{
    _Alignas(struct dirent64) char entries[1024];
    ssize_t n;

    s->added = s->inverted = false;
    (void)lseek(dir, 0, SEEK_SET);
    while ((n = getdents64(dir, (void *)entries, sizeof(entries))) > 0) {
        for (char *at = entries; at < entries + n;) {
            const struct dirent64 *e = (const struct dirent64 *)(const void *)at;

            if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
                look_at(s, (pid_t)strtol(e->d_name, NULL, 10));
            at += e->d_reclen;
        }
    }
}

/*
 * /proc lists pids in ascending order and a parent mostly has a smaller pid than its child, so one
 * pass finds all; where pids have wrapped round, passes are added until one finds nothing. (Reading
 * /proc/PID/task/TID/children instead needs a kernel option and every thread's file.)
 */
static void search(struct search *s)
{
    int dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    s->tree->n = 0;
    if (dir < 0)
        return;
    do
        pass_over(s, dir);
    while (s->added && s->inverted);
    close(dir);
}

void sg_tree_find(struct sg_tree *t, sg_tree_fn *belongs, void *ctx)
{
    search(&(struct search){ .tree = t, .belongs = belongs, .ctx = ctx });
}

void sg_tree_kill(struct sg_tree *t, sg_tree_fn *belongs, void *ctx)
{
    search(&(struct search){ .tree = t, .belongs = belongs, .ctx = ctx, .kills = true });
}

static bool is_first_of_group(const struct sg_tree *t, unsigned i)
{
    for (unsigned k = 0; k < i; k++)
        if (t->at[k].pgrp == t->at[i].pgrp)
            return false;
    return true;
}

void sg_tree_signal(const struct sg_tree *t, int signo)
{
    for (unsigned i = 0; i < t->n; i++) {
        if (!has_group(&t->at[i]))
            (void)kill(t->at[i].pid, signo);
        else if (is_first_of_group(t, i))
            (void)kill(-t->at[i].pgrp, signo);
    }
}

void sg_tree_names(const struct sg_tree *t, char *ret, size_t size)
{
    static const char more[] = ", …";
    size_t len = 0;

    ret[0] = '\0';
    for (unsigned i = 0; i < t->n; i++) {
        char one[64];
        int n = snprintf(one, sizeof(one), "%s%s (pid %d)", len != 0 ? ", " : "", t->at[i].comm,
                         (int)t->at[i].pid);

        if (len + (size_t)n + sizeof(more) > size) {
            if (len != 0)
                memcpy(ret + len, more, sizeof(more));
            return;
        }
        memcpy(ret + len, one, (size_t)n + 1);
        len += (size_t)n;
    }
}
