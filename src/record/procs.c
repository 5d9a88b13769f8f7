/*
 * The processes that carry a nonce: found in /proc, ended, seen to be gone. They are known by the
 * mark that the shim gave to their forebear, or by their environment. The mark stays with what
 * clears its environment or writes over it, with what other users run, and while a process becomes
 * another program; the environment with what set the limit anew.
 *
 * A process that forks is found with its child or the child is found next time, so scans go on
 * until two in a row find none. A zombie shows no environment: it is gone. In the middle of an
 * execve() a process shows none for an instant either; it is told from a zombie, and looked at
 * again. A pidfd is opened before the environment is read, so a signal never reaches another
 * process that got the number meanwhile.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/claim.h"
#include "stagegraph/clock.h"
#include "stagegraph/proc.h"

#define VARIABLE      "STAGEGRAPH_NONCE="
#define ENVIRON_LIMIT ((size_t)32 << 20)
#define KILL_MS       2000
#define MANY_PIDS     2000

/* What a scan needs; `piece` grows to the largest environment met. */
struct scan {
    int proc; /* -1: not open */
    size_t n, at;
    _Alignas(struct dirent64) char entries[1024];
    char wanted[sizeof(VARIABLE) + 64];
    size_t n_wanted;
    uint64_t mark;
    struct sg_buf piece;
};

static bool scan_init(struct scan *s, const char *nonce)
{
    int n = snprintf(s->wanted, sizeof(s->wanted), VARIABLE "%s", nonce);

    s->n_wanted = (size_t)n;
    s->mark = sg_proc_mark(nonce);
    s->piece = (struct sg_buf)SG_BUF_INIT;
    s->n = s->at = 0;
    s->proc = n < (int)sizeof(s->wanted) ? open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    return s->proc >= 0;
}

static void scan_done(struct scan *s)
{
    if (s->proc >= 0)
        close(s->proc);
    sg_buf_done(&s->piece);
}

/* The whole environment of a process; false where it is gone or not ours to see. */
static bool read_environ(struct scan *s, pid_t pid)
{
    struct sg_error ignored = SG_ERROR_INIT;
    char path[64];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    sg_buf_clear(&s->piece);
    do {
        if (s->piece.len > ENVIRON_LIMIT || !sg_buf_reserve(&s->piece, 16384, &ignored)) {
            n = -1;
            break;
        }
        n = read(fd, s->piece.at + s->piece.len, 16384);
        if (n > 0)
            s->piece.len += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    close(fd);
    return n == 0;
}

/*
 * Whether a process whose environment read as empty was between two programs: it has memory (field
 * 23 of /proc/PID/stat, the size; kernel threads and zombies have none), and either no place for an
 * environment yet (fields 50 and 51, where it begins and ends) or, by now, one with something in
 * it.
 */
static bool was_in_exec(pid_t pid)
{
    unsigned long size = 0, begin = 0;
    char path[64], text[2048], *at;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    at = strrchr(text, ')'); /* field 2 is the name, which may hold blanks and brackets */
    for (int field = 3; at != NULL && (at = strchr(at, ' ')) != NULL; field++) {
        unsigned long v = strtoul(++at, NULL, 10);

        if (field == 23)
            size = v;
        else if (field == 50)
            begin = v;
        else if (field == 51)
            return size != 0 && (v == 0 || v != begin);
    }
    return false;
}

enum carries { CARRIES_NOT, CARRIES_IT, CARRIES_UNKNOWN };

/* Whether one of the NUL-terminated texts is exactly the variable with the nonce. */
static enum carries look(struct scan *s, pid_t pid)
{
    const char *at, *end;

    if (!read_environ(s, pid))
        return CARRIES_NOT;
    if (s->piece.len == 0)
        return was_in_exec(pid) ? CARRIES_UNKNOWN : CARRIES_NOT;
    at = s->piece.at;
    end = at + s->piece.len;
    while (at < end) {
        const char *nul = memchr(at, '\0', (size_t)(end - at));
        size_t n = (size_t)((nul != NULL ? nul : end) - at);

        if (n == s->n_wanted && memcmp(at, s->wanted, n) == 0)
            return CARRIES_IT;
        at += n + 1;
    }
    return CARRIES_NOT;
}

/* A dead process has its limits still. */
static bool is_marked(const struct scan *s, pid_t pid)
{
    struct sg_proc p;

    return sg_proc_has_mark(pid, s->mark) && sg_proc_read(pid, &p) && !sg_proc_is_dead(&p);
}

/* By mark or environment, with some patience for an execve(). */
static enum carries look_again(struct scan *s, pid_t pid)
{
    const struct timespec pause = { .tv_nsec = 200000 };
    enum carries c = is_marked(s, pid) ? CARRIES_IT : look(s, pid);

    for (int i = 0; c == CARRIES_UNKNOWN && i < 50; i++) {
        (void)nanosleep(&pause, NULL); /* cut short by a signal: it looks sooner */
        c = look(s, pid);
    }
    return c;
}

/*
 * The next process but ourselves; 0 at the end. The names are read in small portions, in ascending
 * order: who forks a follower and ends is met as the follower, whose number is larger. In a list of
 * the whole directory it would be outdated.
 */
static pid_t next_pid(struct scan *s)
{
    for (;;) {
        const struct dirent64 *e;
        pid_t pid;

        if (s->at == s->n) {
            ssize_t n = getdents64(s->proc, s->entries, sizeof(s->entries));

            if (n <= 0)
                return 0;
            s->n = (size_t)n;
            s->at = 0;
        }
        e = (const struct dirent64 *)(const void *)(s->entries + s->at);
        s->at += e->d_reclen;
        pid = isdigit((unsigned char)e->d_name[0]) ? (pid_t)strtol(e->d_name, NULL, 10) : 0;
        if (pid > 1 && pid != getpid())
            return pid;
    }
}

static void begin_again(struct scan *s)
{
    (void)lseek(s->proc, 0, SEEK_SET);
    s->n = s->at = 0;
}

size_t sg_nonce_find(const char *nonce, pid_t *ret, size_t max)
{
    struct scan s;
    size_t n = 0;
    pid_t pid;

    if (scan_init(&s, nonce)) {
        while (n < max && (pid = next_pid(&s)) != 0) {
            if (look_again(&s, pid) == CARRIES_IT)
                ret[n++] = pid;
        }
    }
    scan_done(&s);
    return n;
}

/* The processes met so far: each gets TERM once. */
struct met {
    pid_t *at;
    size_t n, cap;
};

/* *ret_new: it was not met before. */
static bool meet(struct met *m, pid_t pid, bool *ret_new, struct sg_error *err)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->at[i] == pid) {
            *ret_new = false;
            return true;
        }
    }
    if (m->n == m->cap) {
        size_t cap = m->cap == 0 ? 16 : m->cap * 2;
        pid_t *at = realloc(m->at, cap * sizeof(*at));

        if (at == NULL)
            return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for %zu processes", cap);
        m->at = at;
        m->cap = cap;
    }
    m->at[m->n++] = pid;
    *ret_new = true;
    return true;
}

static void send(int pidfd, pid_t pid, int signo)
{
    /* It may be gone (ESRCH), or another user's (EPERM): the next scan tells. Without pidfds (they
     * need Linux 5.3, and some sandboxes refuse them) the number has to do. */
    if (pidfd >= 0)
        (void)pidfd_send_signal(pidfd, signo, NULL, 0);
    else
        (void)kill(pid, signo);
}

struct round {
    struct scan *s;
    struct met *m;
    bool hard;
    unsigned alive;
    bool sure; /* false: there are some of whom it is not known */
};

/* If it carries the nonce it is counted, and gets KILL, or, if it is new, TERM. */
static bool signal_one(struct round *r, pid_t pid, struct sg_error *err)
{
    int pidfd = pidfd_open(pid, 0);
    bool ok = true, is_new = false;
    enum carries c;

    /* Gone, or the number of a thread that is not a process's first. */
    if (pidfd < 0 && (errno == ESRCH || errno == EINVAL || errno == ENOENT))
        return true;
    c = look_again(r->s, pid);
    if (c == CARRIES_UNKNOWN)
        r->sure = false;
    if (c == CARRIES_IT) {
        r->alive++;
        ok = meet(r->m, pid, &is_new, err);
        if (ok && r->hard) {
            send(pidfd, pid, SIGKILL);
        } else if (ok && is_new) {
            send(pidfd, pid, SIGTERM);
            send(pidfd, pid, SIGCONT); /* a stopped one acts on TERM only then */
        }
    }
    if (pidfd >= 0)
        close(pidfd);
    return ok;
}

/* The pid that was given out last, the last word of /proc/loadavg; 0: not known. */
static pid_t newest_pid(void)
{
    char text[128], *last;
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    last = strrchr(text, ' ');
    return last != NULL ? (pid_t)strtol(last, NULL, 10) : 0;
}

/*
 * One scan. What forks its follower and ends is another process by the time it is looked at, and
 * the follower is in no list. So those that were born meanwhile are looked at one by one, until
 * none was: whoever lives then has been seen.
 */
static bool signal_all(struct round *r, struct sg_error *err)
{
    pid_t seen = newest_pid(), newest = 0, pid;
    bool ok = true;

    r->alive = 0;
    r->sure = true;
    begin_again(r->s);
    while (ok && (pid = next_pid(r->s)) != 0)
        ok = signal_one(r, pid, err);
    while (ok && r->alive == 0 && r->sure && (newest = newest_pid()) != seen) {
        if (newest < seen || newest - seen > MANY_PIDS) /* wrapped round, or a scan is shorter */
            r->sure = false;
        while (ok && r->sure && seen < newest)
            ok = signal_one(r, ++seen, err);
    }
    return ok;
}

/* Scans until two in a row find none, or the time is up. */
static bool signal_until(struct scan *s, struct met *m, bool hard, int64_t limit_ms,
                         unsigned *ret_alive, struct sg_error *err)
{
    struct round r = { .s = s, .m = m, .hard = hard };
    struct sg_mono begun = sg_mono_now();
    long pause_ms = 1;
    unsigned none = 0;

    for (;;) {
        struct timespec t;
        int64_t left_ms;

        if (!signal_all(&r, err))
            return false;
        *ret_alive = r.alive;
        none = r.alive == 0 && r.sure ? none + 1 : 0;
        left_ms = limit_ms - (sg_mono_now().ns - begun.ns) / SG_NS_PER_MS;
        if (none == 2 || (none == 0 && left_ms <= 0))
            return true;
        if (none == 0 && pause_ms < 50)
            pause_ms *= 2;
        if (none == 0 && pause_ms > left_ms)
            pause_ms = (long)left_ms;
        t = (struct timespec){ .tv_nsec = (none != 0 ? 1 : pause_ms) * SG_NS_PER_MS };
        (void)nanosleep(&t, NULL); /* cut short by a signal: it scans sooner */
    }
}

bool sg_nonce_end(const char *nonce, int64_t grace_ms, unsigned *ret_ended, unsigned *ret_left,
                  struct sg_error *err)
{
    struct met m = { .at = NULL };
    unsigned alive = 0;
    struct scan s;
    bool ok;

    if (!scan_init(&s, nonce)) {
        scan_done(&s);
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "look for processes in /proc");
    }
    ok = signal_until(&s, &m, false, grace_ms, &alive, err) &&
         (alive == 0 || signal_until(&s, &m, true, KILL_MS, &alive, err));
    if (ok) {
        *ret_ended = (unsigned)m.n;
        *ret_left = alive;
    }
    free(m.at);
    scan_done(&s);
    return ok;
}
