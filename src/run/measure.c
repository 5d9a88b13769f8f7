#include "measure.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup.h"
#include "hsperf.h"
#include "stagegraph/clock.h"
#include "stagegraph/proc.h"

#define FIRST_NS   (5 * SG_NS_PER_MS)
#define LONGEST_NS (250 * SG_NS_PER_MS)
#define COST_SHARE 100 /* a sample may take this part of the time to the next one */
#define MAX_CLIMB  64  /* from a JVM to the shim that it descends from */

struct jvm {
    pid_t pid;
    uint64_t start_ticks;
    ino_t ino; /* of its file: after an exec the same process may have another */
    int fd;
    struct sg_hsperf last;
    bool told; /* last is filled */
    int64_t heap_peak_bytes;
    double gc_longest_seconds; /* NaN: none was seen */
};

/* One for each loop: what all jobs share. */
struct measurer {
    struct sg_loop *loop;
    struct sg_meter *meters;
    char dir[280]; /* of the JVMs' files; "" when our user has no name */
    int inotify;   /* -1: none */
    bool watched;  /* the directory is there and watched */
    struct sg_watch *watch;
    struct sg_cgroups *groups; /* NULL: none can be made */
    bool asked_for_groups;
    int oom_fd;             /* a file with a line "oom_kill N" */
    uint64_t oom_explained; /* so many of its kills are put down to a job */
    long page_bytes;
    struct sg_tree tree; /* scratch for a sample */
};

struct sg_meter {
    struct measurer *of;
    struct sg_meter *prev, *next;
    pid_t shim;
    const struct sg_cgroup *group; /* NULL: none */
    struct sg_timer *timer;
    int64_t pause_ns;
    uint64_t oom_kills; /* when it began */
    int64_t peak_bytes;
    bool watched; /* since it began every new JVM was reported */
    bool sampled;
    struct jvm *jvms;
    size_t n_jvms;
    struct suspect {
        pid_t pid;
        uint64_t start_ticks;
    } suspect; /* the first process called java that has shown no file */
};

static const char part_key;

/* ---- the kernel's count of processes killed for memory */

/* The value of the line "oom_kill N"; 0 where there is none. */
static uint64_t read_oom_kills(int fd)
{
    char text[16384];
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;
    int64_t kills;

    text[n > 0 ? n : 0] = '\0';
    kills = sg_cgroup_line(text, "oom_kill");
    return kills > 0 ? (uint64_t)kills : 0;
}

static int open_oom_counter(void)
{
    char path[4096 + 32], *end;
    bool v2;
    int fd = -1;

    if (sg_cgroup_own(&sg_cgroup_system, path, 4096, &v2)) {
        end = path + strlen(path);
        snprintf(end, 32, "/%s", v2 ? "memory.events" : "memory.oom_control");
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return fd >= 0 ? fd : open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
}

bool sg_meter_oom(struct sg_meter *m)
{
    uint64_t kills = m != NULL && m->of != NULL ? read_oom_kills(m->of->oom_fd) : 0;

    if (m != NULL && m->group != NULL)
        return sg_cgroup_oom_kills(m->group) > 0;
    if (m == NULL || m->of == NULL || kills <= m->oom_kills || kills <= m->of->oom_explained)
        return false;
    m->of->oom_explained = kills;
    return true;
}

/* ---- JVMs */

static bool is_known(const struct sg_meter *meter, pid_t pid, uint64_t start_ticks)
{
    for (size_t i = 0; i < meter->n_jvms; i++)
        if (meter->jvms[i].pid == pid && meter->jvms[i].start_ticks == start_ticks)
            return true;
    return false;
}

static bool has_suspect(const struct sg_meter *meter)
{
    return meter->suspect.pid != 0 &&
           !is_known(meter, meter->suspect.pid, meter->suspect.start_ticks);
}

/* What can't be kept is not seen: measuring never fails a job. */
static void keep_jvm(struct sg_meter *meter, const struct sg_proc *p)
{
    struct jvm *jvms;
    struct stat st;
    int fd = sg_hsperf_open(meter->of->dir, p);

    if (fd < 0)
        return;
    if (fstat(fd, &st) != 0)
        goto failed;
    for (size_t i = 0; i < meter->n_jvms; i++)
        if (meter->jvms[i].pid == p->pid && meter->jvms[i].ino == st.st_ino)
            goto failed;
    jvms = reallocarray(meter->jvms, meter->n_jvms + 1, sizeof(*jvms));
    if (jvms == NULL)
        goto failed;
    meter->jvms = jvms;
    jvms[meter->n_jvms++] = (struct jvm){
        .pid = p->pid,
        .start_ticks = p->start_ticks,
        .ino = st.st_ino,
        .fd = fd,
        .heap_peak_bytes = -1,
        .gc_longest_seconds = NAN,
    };
    return;
failed:
    close(fd);
}

static void ask_jvms(struct sg_meter *meter)
{
    for (size_t i = 0; i < meter->n_jvms; i++) {
        struct jvm *j = &meter->jvms[i];

        if (!sg_hsperf_read(j->fd, &j->last))
            continue;
        j->told = true;
        if (j->last.heap_bytes > j->heap_peak_bytes)
            j->heap_peak_bytes = j->last.heap_bytes;
        j->gc_longest_seconds = fmax(j->gc_longest_seconds, j->last.gc_last_seconds);
    }
}

static struct sg_meter *meter_of(const struct measurer *m, pid_t pid, struct sg_proc *ret)
{
    struct sg_proc p;

    if (!sg_proc_read(pid, ret))
        return NULL;
    p = *ret;
    for (int i = 0; i < MAX_CLIMB && p.ppid > 1; i++) {
        for (struct sg_meter *meter = m->meters; meter != NULL; meter = meter->next)
            if (meter->shim == p.ppid)
                return meter;
        if (!sg_proc_read(p.ppid, &p))
            return NULL;
    }
    return NULL;
}

static void forget_watch(struct measurer *m)
{
    m->watched = false;
    for (struct sg_meter *meter = m->meters; meter != NULL; meter = meter->next)
        meter->watched = false;
}

/* A JVM makes its file within some 10 ms, and may be gone after 50: the samples would miss it. */
static void on_inotify(void *ctx, int fd, uint32_t events)
{
    struct measurer *m = ctx;
    _Alignas(struct inotify_event) char room[4096];
    ssize_t n;

    (void)events;
    while ((n = read(fd, room, sizeof(room))) > 0) {
        for (char *at = room; at < room + n;) {
            const struct inotify_event *e = (const struct inotify_event *)(const void *)at;
            struct sg_meter *meter = NULL;
            struct sg_proc p;

            if ((e->mask & (IN_IGNORED | IN_Q_OVERFLOW)) != 0)
                forget_watch(m);
            else if (e->len != 0 && e->name[0] >= '1' && e->name[0] <= '9')
                meter = meter_of(m, (pid_t)strtol(e->name, NULL, 10), &p);
            if (meter != NULL)
                keep_jvm(meter, &p);
            at += sizeof(*e) + e->len;
        }
    }
}

/* The directory comes with the user's first JVM, and /tmp is cleaned now and then. */
static void watch_dir(struct measurer *m)
{
    if (!m->watched && m->inotify >= 0 && m->dir[0] != '\0')
        m->watched = inotify_add_watch(m->inotify, m->dir, IN_CREATE | IN_ONLYDIR) >= 0;
}

/* ---- samples */

static bool is_below(void *ctx, const struct sg_proc *p)
{
    return p->ppid == *(const pid_t *)ctx;
}

/* False: there is no such list. */
static bool add_children(struct sg_tree *t, const char *path)
{
    char text[4096], *at = text, *end;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return n == 0;
    text[n] = '\0';
    for (long pid = strtol(at, &end, 10); end != at; pid = strtol(at, &end, 10)) {
        at = end;
        if (t->n < SG_TREE_MAX && sg_proc_read((pid_t)pid, &t->at[t->n]))
            t->n++;
    }
    return true;
}

/* A thread's children are listed apart from those of the others. False: one has no list. */
static bool add_children_of(struct sg_tree *t, const struct sg_proc *p)
{
    char path[320];
    bool listed;
    DIR *tasks;

    if (p->threads <= 1) {
        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)p->pid, (int)p->pid);
        return add_children(t, path);
    }
    snprintf(path, sizeof(path), "/proc/%d/task", (int)p->pid);
    tasks = opendir(path);
    listed = tasks != NULL;
    while (tasks != NULL) {
        const struct dirent *e = readdir(tasks);

        if (e == NULL)
            break;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)p->pid, e->d_name);
        listed &= add_children(t, path);
    }
    if (tasks != NULL)
        closedir(tasks);
    return listed;
}

/* Follows the lists of children, where the kernel has them: the cost is the tree's, not that of all
 * processes of the machine. Where it has none, or the shim is gone, all are looked through. */
static void look(struct measurer *m, pid_t shim)
{
    struct sg_tree *t = &m->tree;
    struct sg_proc root = { .pid = shim, .threads = 1 };
    bool listed;

    t->n = 0;
    listed = add_children_of(t, &root);
    for (unsigned i = 0; i < t->n; i++)
        (void)add_children_of(t, &t->at[i]); /* one that has ended */
    if (!listed && t->n == 0)
        sg_tree_find(t, is_below, &shim);
}

/* Between vfork and exec a child runs in its parent's memory. */
static bool is_twin(const struct sg_tree *t, unsigned i)
{
    const struct sg_proc *p = &t->at[i];
    long order;

    for (unsigned k = 0; k < i; k++) {
        if (t->at[k].pid != p->ppid || t->at[k].vsize != p->vsize)
            continue;
        order = syscall(SYS_kcmp, p->pid, p->ppid, KCMP_VM, 0, 0);
        return order == 0 || (order < 0 && t->at[k].rss_pages == p->rss_pages);
    }
    return false;
}

/* Its part of the pages that it shares with others; -1 where that can't be read. */
static int64_t proportional_bytes(pid_t pid)
{
    char path[64], text[2048], *at;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    at = strstr(text, "\nPss:");
    return at != NULL ? strtoll(at + 5, NULL, 10) * 1024 : -1;
}

/*
 * The sum of resident sizes counts what processes share once for each; of proportional sizes, once
 * in all. Those cost a walk through the page tables, so they are asked for only where the cheap
 * sum, which is never smaller, would be a new peak.
 */
static void weigh(struct sg_meter *meter)
{
    struct measurer *m = meter->of;
    int64_t resident = 0, proportional = 0;
    unsigned processes = 0;

    for (unsigned i = 0; i < m->tree.n; i++) {
        if (is_twin(&m->tree, i))
            m->tree.at[i].rss_pages = 0;
        resident += m->tree.at[i].rss_pages * m->page_bytes;
        processes += m->tree.at[i].rss_pages != 0;
    }
    if (resident <= meter->peak_bytes)
        return;
    for (unsigned i = 0; processes > 1 && i < m->tree.n; i++) {
        int64_t rss = m->tree.at[i].rss_pages * m->page_bytes;
        int64_t pss = rss != 0 ? proportional_bytes(m->tree.at[i].pid) : 0;

        proportional += pss >= 0 ? pss : rss;
    }
    if (processes > 1)
        resident = proportional;
    if (resident > meter->peak_bytes)
        meter->peak_bytes = resident;
}

/* Each page is counted once, whoever shares it. */
static void weigh_group(struct sg_meter *meter)
{
    int64_t bytes = sg_cgroup_bytes(meter->group);

    if (bytes > meter->peak_bytes)
        meter->peak_bytes = bytes;
}

static void sample(void *ctx);

static void set_timer(struct sg_meter *meter, int64_t ns)
{
    struct sg_mono at = { .ns = sg_mono_now().ns + ns };
    struct sg_error ignored = SG_ERROR_INIT; /* no more samples: less is seen, nothing breaks */

    meter->timer = NULL;
    (void)!sg_loop_timer(meter->of->loop, at, sample, meter, &meter->timer, &ignored);
}

/* A JVM has many threads; what has one is not asked for a file at each sample. One that has no file
 * (yet) is known by its name alone. */
static void look_for_jvms(struct sg_meter *meter)
{
    const struct sg_tree *t = &meter->of->tree;

    for (unsigned i = 0; i < t->n; i++) {
        const struct sg_proc *p = &t->at[i];

        if (p->threads <= 1 || is_known(meter, p->pid, p->start_ticks))
            continue;
        if (meter->of->dir[0] != '\0')
            keep_jvm(meter, p);
        if (strcmp(p->comm, "java") == 0 && !has_suspect(meter))
            meter->suspect = (struct suspect){ p->pid, p->start_ticks };
    }
}

static void sample(void *ctx)
{
    struct sg_meter *meter = ctx;
    struct measurer *m = meter->of;
    int64_t begun_ns = sg_mono_now().ns, cost_ns;

    watch_dir(m);
    look(m, meter->shim);
    if (m->tree.n != 0)
        meter->sampled = true;
    look_for_jvms(meter);
    if (meter->group != NULL)
        weigh_group(meter);
    else
        weigh(meter);
    ask_jvms(meter);
    cost_ns = COST_SHARE * (sg_mono_now().ns - begun_ns);
    meter->pause_ns = meter->pause_ns * 3 / 2;
    if (meter->pause_ns > LONGEST_NS)
        meter->pause_ns = LONGEST_NS;
    set_timer(meter, cost_ns > meter->pause_ns ? cost_ns : meter->pause_ns);
}

/* ---- from a job's begin to its end */

static void free_measurer(void *part)
{
    struct measurer *m = part;

    sg_watch_remove(m->loop, m->watch);
    if (m->inotify >= 0)
        close(m->inotify);
    if (m->oom_fd >= 0)
        close(m->oom_fd);
    sg_cgroups_free(m->groups);
    for (struct sg_meter *meter = m->meters; meter != NULL; meter = meter->next) {
        meter->of = NULL;
        meter->timer = NULL; /* freed by the loop */
    }
    free(m);
}

static struct measurer *measurer_of(struct sg_loop *l, struct sg_error *err)
{
    struct measurer *m = sg_loop_part(l, &part_key);
    struct sg_error ignored = SG_ERROR_INIT;

    if (m != NULL)
        return m;
    m = calloc(1, sizeof(*m));
    if (m == NULL) {
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory to measure jobs");
        return NULL;
    }
    m->loop = l;
    m->page_bytes = sysconf(_SC_PAGESIZE);
    m->oom_fd = open_oom_counter();
    m->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (!sg_hsperf_dir(m->dir, sizeof(m->dir)))
        m->dir[0] = '\0';
    /* Without it only the samples look for JVMs. */
    if (m->inotify >= 0 &&
        !sg_loop_watch(l, m->inotify, EPOLLIN, on_inotify, m, &m->watch, &ignored)) {
        close(m->inotify);
        m->inotify = -1;
    }
    if (!sg_loop_add_part(l, &part_key, m, free_measurer, err)) {
        free_measurer(m);
        return NULL;
    }
    return m;
}

/* Asked for once, by the first job that wants one; of version 2 we may have moved by that, and the
 * kills of jobs without a group of their own are counted where we are now. */
struct sg_cgroup *sg_meter_make_group(struct sg_loop *l, const char *nonce)
{
    struct sg_error ignored = SG_ERROR_INIT;
    struct measurer *m = measurer_of(l, &ignored);
    struct sg_cgroup *g;

    if (m == NULL)
        return NULL;
    if (!m->asked_for_groups && m->groups == NULL)
        m->groups = sg_cgroups_new(&sg_cgroup_system);
    g = m->groups != NULL ? sg_cgroup_make(m->groups, nonce) : NULL;
    if (g != NULL && !m->asked_for_groups) {
        if (m->oom_fd >= 0)
            close(m->oom_fd);
        m->oom_fd = open_oom_counter();
        m->oom_explained = 0;
    }
    m->asked_for_groups |= g != NULL || m->groups == NULL;
    return g;
}

bool sg_meter_start(struct sg_loop *l, pid_t shim, const struct sg_cgroup *group,
                    struct sg_meter **ret, struct sg_error *err)
{
    struct measurer *m = measurer_of(l, err);
    struct sg_meter *meter;

    if (m == NULL)
        return false;
    meter = calloc(1, sizeof(*meter));
    if (meter == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory to measure a job");
    watch_dir(m);
    *meter = (struct sg_meter){
        .of = m,
        .next = m->meters,
        .shim = shim,
        .group = group,
        .pause_ns = FIRST_NS,
        .oom_kills = read_oom_kills(m->oom_fd),
        .peak_bytes = -1,
        .watched = m->watched,
    };
    if (m->meters != NULL)
        m->meters->prev = meter;
    m->meters = meter;
    set_timer(meter, FIRST_NS);
    *ret = meter;
    return true;
}

static void add_up(const struct sg_meter *meter, struct sg_job_measure *ret)
{
    if ((meter->sampled || meter->watched) && !has_suspect(meter))
        ret->jvms = 0;
    for (size_t i = 0; i < meter->n_jvms; i++) {
        const struct jvm *j = &meter->jvms[i];

        if (!j->told)
            continue;
        ret->jvms = ret->jvms < 0 ? 1 : ret->jvms + 1;
        if (j->last.gc_count >= 0)
            ret->gc_count = (ret->gc_count < 0 ? 0 : ret->gc_count) + j->last.gc_count;
        if (!isnan(j->last.gc_seconds))
            ret->gc_seconds = (isnan(ret->gc_seconds) ? 0 : ret->gc_seconds) + j->last.gc_seconds;
        ret->gc_longest_seconds = fmax(ret->gc_longest_seconds, j->gc_longest_seconds);
        if (j->heap_peak_bytes > ret->heap_peak_bytes)
            ret->heap_peak_bytes = j->heap_peak_bytes;
        if (j->last.used_bytes > ret->heap_used_bytes)
            ret->heap_used_bytes = j->last.used_bytes;
    }
}

/*
 * Samples miss what comes and goes between two of them; the largest single process bounds the tree
 * from below. The most that was charged to a group bounds it from above: the size of a process
 * counts pages of libraries too, which may be charged to others.
 */
static int64_t peak_of(const struct sg_meter *m, int64_t largest_bytes)
{
    int64_t most = m->group != NULL ? sg_cgroup_most_bytes(m->group) : -1;
    int64_t peak = m->peak_bytes > largest_bytes ? m->peak_bytes : largest_bytes;

    return most >= 0 && most < peak ? most : peak;
}

void sg_meter_end(struct sg_meter *m, int64_t largest_bytes, struct sg_job_measure *ret)
{
    ret->peak_bytes = largest_bytes;
    if (m == NULL)
        return;
    if (m->of != NULL) {
        sg_timer_cancel(m->of->loop, m->timer);
        if (m->prev != NULL)
            m->prev->next = m->next;
        else
            m->of->meters = m->next;
        if (m->next != NULL)
            m->next->prev = m->prev;
    }
    ask_jvms(m);
    ret->peak_bytes = peak_of(m, largest_bytes);
    ret->peak_from_cgroup = m->group != NULL && m->peak_bytes >= 0;
    add_up(m, ret);
    for (size_t i = 0; i < m->n_jvms; i++)
        close(m->jvms[i].fd);
    free(m->jvms);
    free(m);
}
