/*
 * A job has two ends that outlive each other: the tie to its shim (the control socket, until the
 * shim is reaped) and the job itself (until on_end and sg_job_free). A shim that said OVER is on
 * its way out; one that said STUCK stays for as long as what it could not kill.
 */
#include "stagegraph/job.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "launch.h"
#include "lost.h"
#include "measure.h"
#include "stagegraph/shim.h"

#define READ_BYTES    ((size_t)128 << 10)
#define READS_A_ROUND 4 /* then the other jobs have their turn */
#define DRAIN_NS      SG_NS_PER_S
#define REAP_NS       SG_NS_PER_MS
#define OVER_NS       (100 * SG_NS_PER_MS) /* what has said OVER; the next start reaps it sooner */
#define STRANGERS_NS  SG_NS_PER_S          /* between two looks for what others left to a PID 1 */
#define SLACK_NS      (30 * SG_NS_PER_S)   /* a shim that is this late is taken for hung */

/* The executor's side of a shim. */
struct tie {
    struct supervisor *of;
    struct tie *prev, *next;
    struct sg_job *job; /* NULL: it has ended */
    pid_t shim;         /* 0: reaped */
    int control;        /* -1: closed */
    struct sg_watch *watch;
    bool over; /* it has said so, and exits */
};

/* One for each loop. */
struct supervisor {
    struct sg_loop *loop;
    struct tie *ties;
    struct sg_timer *reap_timer;
    struct sg_mono reap_at; /* while there is one */
    uint64_t ignored;       /* signals that we ignored at the first job */
    char bytes[READ_BYTES];
};

enum state {
    RUNNING,
    DRAINING, /* the tree is gone, its output may not have ended */
    LOST,     /* the shim is dead; the tree is being swept */
    ENDED
};

struct sg_job {
    struct supervisor *of;
    struct tie *tie; /* NULL: the shim is reaped, or the job has ended */
    enum state state;
    pid_t pid;
    uint64_t since_ticks;
    char nonce[33];
    int64_t timeout_ms, grace_ms;
    struct sg_mono started;
    bool stopped, hard, paused, held;
    bool late, hung; /* the shim should have ended it; it was given up */
    bool measured;
    char workdir[sizeof(((struct sg_job_end *)NULL)->what)]; /* for people */

    int output; /* -1: ended */
    struct sg_watch *output_watch;
    struct sg_timer *timer;  /* of the guard while RUNNING, then of the drain */
    struct sg_cgroup *group; /* NULL: none */
    struct sg_meter *meter;
    struct sg_lost *lost;
    struct sg_job_end end;
    void (*on_output)(void *ctx, const char *bytes, size_t n);
    void (*on_end)(void *ctx, const struct sg_job_end *end);
    void *ctx;
};

static const char part_key;

static void lose(struct sg_job *j);

/* ---- shims and their end */

static void close_control(struct tie *t)
{
    sg_watch_remove(t->of->loop, t->watch);
    t->watch = NULL;
    if (t->control >= 0)
        close(t->control);
    t->control = -1;
}

static void free_tie(struct tie *t)
{
    close_control(t);
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        t->of->ties = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    free(t);
}

static void reap(void *ctx);

static void reap_in(struct supervisor *s, int64_t ns)
{
    struct sg_mono at = { .ns = sg_mono_now().ns + ns };
    struct sg_error ignored = SG_ERROR_INIT; /* then the next end of a job reaps it */

    if (s->reap_timer != NULL && s->reap_at.ns <= at.ns)
        return;
    sg_timer_cancel(s->loop, s->reap_timer);
    s->reap_timer = NULL;
    s->reap_at = at;
    (void)!sg_loop_timer(s->loop, at, reap, s, &s->reap_timer, &ignored);
}

/* Adopted processes end as our children too. Only as the init of a container do we get those that
 * nobody asked for (of `docker exec`, say, while a job goes on); a shim is left to its own tie. */
static void reap_strangers(struct supervisor *s)
{
    siginfo_t info;

    for (;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        for (struct tie *t = s->ties; t != NULL; t = t->next)
            if (t->shim == info.si_pid)
                return;
        (void)waitpid(info.si_pid, NULL, WNOHANG);
    }
}

/* The end of file on the socket comes a little before the shim can be reaped: the kernel closes
 * descriptors first, hands orphans over next, and tells the parent last. */
static void reap_now(struct supervisor *s)
{
    struct tie *next;
    bool again = false;

    for (struct tie *t = s->ties; t != NULL; t = next) {
        next = t->next;
        if (t->control >= 0)
            continue;
        if (waitpid(t->shim, NULL, WNOHANG) == 0) {
            again = true;
            continue;
        }
        t->shim = 0;
        if (t->job != NULL) {
            struct sg_job *j = t->job;

            j->tie = NULL;
            free_tie(t);
            lose(j);
            next = s->ties; /* what on_end did is unknown */
            continue;
        }
        free_tie(t);
    }
    if (getpid() == 1)
        reap_strangers(s);
    if (again)
        reap_in(s, REAP_NS);
    else if (getpid() == 1 && s->ties != NULL)
        reap_in(s, STRANGERS_NS);
}

static void reap(void *ctx)
{
    struct supervisor *s = ctx;

    s->reap_timer = NULL;
    reap_now(s);
}

/* Those that only had to exit, which has taken less time than to get here. Calls nobody. */
static void reap_over(struct supervisor *s)
{
    struct tie *next;

    for (struct tie *t = s->ties; t != NULL; t = next) {
        next = t->next;
        if (t->job == NULL && t->control < 0 && waitpid(t->shim, NULL, WNOHANG) != 0)
            free_tie(t);
    }
}

/* No job of ours any more. */
static void let_go(struct tie *t)
{
    t->job = NULL;
    close_control(t);
    reap_in(t->of, REAP_NS);
}

static bool is_shim(void *ctx, pid_t pid)
{
    const struct sg_job *j = ctx;

    for (const struct tie *t = j->of->ties; t != NULL; t = t->next)
        if (t->shim == pid)
            return true;
    return false;
}

/* What has said OVER exits in the next instant: a run that has ended leaves no shim behind, not
 * even for that long. One that stays for what can't be killed is not waited for. */
static void await_exit(const struct tie *t)
{
    const struct timespec pause = { .tv_nsec = 1000 * 1000 };

    for (int i = 0; t->over && t->shim > 0 && i < 200; i++) {
        if (waitpid(t->shim, NULL, WNOHANG) != 0)
            return;
        (void)nanosleep(&pause, NULL);
    }
}

static void free_supervisor(void *part)
{
    struct supervisor *s = part;

    while (s->ties != NULL) {
        await_exit(s->ties);
        if (s->ties->job != NULL)
            s->ties->job->tie = NULL;
        free_tie(s->ties);
    }
    sg_timer_cancel(s->loop, s->reap_timer);
    free(s);
}

static struct supervisor *supervisor_of(struct sg_loop *l, struct sg_error *err)
{
    struct supervisor *s = sg_loop_part(l, &part_key);

    if (s != NULL)
        return s;
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for jobs");
        return NULL;
    }
    s->loop = l;
    s->ignored = sg_shim_ignored();
    if (!sg_loop_add_part(l, &part_key, s, free_supervisor, err)) {
        free(s);
        return NULL;
    }
    return s;
}

/* ---- the end of a job */

static void close_output(struct sg_job *j)
{
    sg_watch_remove(j->of->loop, j->output_watch);
    j->output_watch = NULL;
    if (j->output >= 0)
        close(j->output);
    j->output = -1;
}

static void stop_timer(struct sg_job *j)
{
    sg_timer_cancel(j->of->loop, j->timer);
    j->timer = NULL;
}

static bool could_be_oom(const struct sg_job_end *e)
{
    return e->how == SG_JOB_SIGNALED || (e->how == SG_JOB_EXITED && e->exit_code != 0) ||
           e->how == SG_JOB_LOST;
}

/* The last that is done with a job: on_end may free it. */
static void finish(struct sg_job *j)
{
    int64_t largest_bytes = j->end.measure.peak_bytes;

    stop_timer(j);
    close_output(j);
    if (j->tie != NULL)
        j->tie->job = NULL;
    j->tie = NULL;
    sg_lost_free(j->lost);
    j->lost = NULL;
    j->end.oom = could_be_oom(&j->end) && sg_meter_oom(j->meter);
    sg_meter_end(j->meter, largest_bytes, &j->end.measure);
    j->meter = NULL;
    sg_cgroup_remove(j->group);
    j->group = NULL;
    j->state = ENDED;
    j->on_end(j->ctx, &j->end);
}

/* Reads what is there; at most `rounds` times, 0: until it is empty. False: the output has ended.
 */
static bool relay(struct sg_job *j, unsigned rounds)
{
    char *bytes = j->of->bytes;

    for (unsigned i = 0; (rounds == 0 || i < rounds) && !j->held; i++) {
        ssize_t n = read(j->output, bytes, READ_BYTES);

        if (n > 0) {
            j->on_output(j->ctx, bytes, (size_t)n);
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        close_output(j);
        return false;
    }
    return true;
}

static void on_readable(void *ctx, int fd, uint32_t events)
{
    struct sg_job *j = ctx;

    (void)fd;
    (void)events;
    if (!relay(j, READS_A_ROUND) && j->state == DRAINING)
        finish(j);
}

/* Somebody outside of the tree has the pipe, or what is stuck has. Of an endless stream what fits
 * into a pipe is taken, no more. */
static void give_up_output(void *ctx)
{
    struct sg_job *j = ctx;

    j->timer = NULL;
    if (j->output >= 0 && relay(j, (1 << 20) / READ_BYTES))
        j->end.output_held = true;
    finish(j);
}

/* All that the tree wrote is in the pipe now; it has ended unless another process holds it. */
static void drain(struct sg_job *j)
{
    struct sg_error ignored = SG_ERROR_INIT;
    struct sg_mono at = { .ns = sg_mono_now().ns + DRAIN_NS };

    stop_timer(j);
    sg_job_hold(j, false);
    j->state = DRAINING;
    if (j->output < 0 || !relay(j, (1 << 20) / READ_BYTES + 1))
        finish(j);
    else if (!sg_loop_timer(j->of->loop, at, give_up_output, j, &j->timer, &ignored))
        give_up_output(j);
}

/* ---- news from the shim */

static void set_status(struct sg_job_end *e, const struct sg_shim_news *n)
{
    e->how = n->why == SG_SHIM_BY_TIMEOUT               ? SG_JOB_TIMEOUT
             : n->why == SG_SHIM_BY_ORDER               ? SG_JOB_STOPPED
             : n->status >= 0 && WIFSIGNALED(n->status) ? SG_JOB_SIGNALED
                                                        : SG_JOB_EXITED;
    if (n->status < 0)
        return;
    if (WIFEXITED(n->status))
        e->exit_code = WEXITSTATUS(n->status);
    if (WIFSIGNALED(n->status))
        e->signo = WTERMSIG(n->status);
}

static void measure(struct sg_job *j)
{
    struct sg_error ignored = SG_ERROR_INIT; /* then it is not measured */

    if (j->measured && j->tie != NULL)
        (void)!sg_meter_start(j->of->loop, j->tie->shim, j->group, &j->meter, &ignored);
}

static void on_started(struct sg_job *j, const struct sg_shim_news *n)
{
    j->pid = n->pid;
    if (j->group == NULL)
        return; /* it is measured already: of a short job this news never comes */
    if (n->in_group == 0) {
        sg_cgroup_remove(j->group);
        j->group = NULL;
    }
    measure(j);
}

static void on_not_started(struct sg_job *j, const struct sg_shim_news *n)
{
    struct sg_job_measure nothing = SG_JOB_MEASURE_INIT;

    sg_meter_end(j->meter, -1, &nothing);
    j->meter = NULL;
    j->end.how = SG_JOB_NOT_STARTED;
    j->end.sys_errno = n->sys_errno;
    if (n->no_workdir)
        memcpy(j->end.what, j->workdir, sizeof(j->workdir));
    drain(j);
}

static void on_over(struct sg_job *j, const struct sg_shim_news *n)
{
    struct sg_job_measure *m = &j->end.measure;
    int64_t end_ns = n->exited_ns != 0 ? n->exited_ns : sg_mono_now().ns;

    if (j->tie != NULL)
        j->tie->over = true;
    if (j->tie != NULL && n->kind == SG_SHIM_OVER) { /* its last word: its end need not wake us */
        close_control(j->tie);
        reap_in(j->of, OVER_NS);
    }
    set_status(&j->end, n);
    j->end.leftovers = n->leftovers;
    memcpy(j->end.leftover_names, n->leftover_names, sizeof(j->end.leftover_names));
    m->seconds = (double)(end_ns - n->started_ns - n->paused_ns) / (double)SG_NS_PER_S;
    if (n->kind == SG_SHIM_STUCK) {
        j->end.stuck = n->stuck;
        memcpy(j->end.stuck_names, n->stuck_names, sizeof(j->end.stuck_names));
    } else {
        m->cpu_seconds = (double)n->cpu_us / 1e6;
        m->peak_bytes = n->largest_bytes > 0 ? n->largest_bytes : -1;
        m->read_bytes = n->read_bytes;
        m->written_bytes = n->written_bytes;
    }
    drain(j);
}

/* What the shim still says after the end of its job (OVER after STUCK) is only read. */
static void on_news(struct sg_job *j, const struct sg_shim_news *n)
{
    if (j == NULL || j->state != RUNNING)
        return;
    switch (n->kind) {
    case SG_SHIM_STARTED:
        on_started(j, n);
        break;
    case SG_SHIM_NOT_STARTED:
        on_not_started(j, n);
        break;
    case SG_SHIM_STUCK:
    case SG_SHIM_OVER:
        on_over(j, n);
        break;
    default:
        break;
    }
}

static void on_control(void *ctx, int fd, uint32_t events)
{
    struct tie *t = ctx;
    struct sg_shim_news news;
    ssize_t n;

    (void)events;
    n = recv(fd, &news, sizeof(news), MSG_DONTWAIT);
    if (n == (ssize_t)sizeof(news))
        on_news(t->job, &news);
    /* A reset says that the shim left without reading our last order; news may be queued behind. */
    else if (n >= 0 || (errno != EAGAIN && errno != EINTR && errno != ECONNRESET)) {
        close_control(t);
        reap_now(t->of);
    }
}

/* ---- a lost shim */

static void on_gone(void *ctx, unsigned stuck, const char *names)
{
    struct sg_job *j = ctx;

    j->end.stuck = stuck;
    snprintf(j->end.stuck_names, sizeof(j->end.stuck_names), "%s", names);
    drain(j);
}

/* The shim is reaped, and its children are ours. */
static void lose(struct sg_job *j)
{
    struct sg_lost_spec spec = {
        .nonce = j->nonce[0] != '\0' ? j->nonce : NULL,
        .since_ticks = j->since_ticks,
        .grace_ms = j->grace_ms,
        .hard = j->hard || j->hung,
        .is_shim = is_shim,
        .on_gone = on_gone,
        .ctx = j,
    };
    struct sg_error ignored = SG_ERROR_INIT;

    if (j->state != RUNNING)
        return;
    stop_timer(j);
    j->state = LOST;
    j->end.how = j->stopped ? SG_JOB_STOPPED : j->hung ? SG_JOB_TIMEOUT : SG_JOB_LOST;
    j->end.measure.seconds = (double)(sg_mono_now().ns - j->started.ns) / (double)SG_NS_PER_S;
    if (!sg_lost_start(j->of->loop, &spec, &j->lost, &ignored))
        drain(j);
}

/* ---- the guard: a shim that does not do its work (stopped, or hung) is done away with */

static void guard_at(struct sg_job *j, int64_t ns);

static int64_t ending_ns(const struct sg_job *j)
{
    int64_t most = INT64_MAX / 8 / SG_NS_PER_MS;

    return 2 * (j->grace_ms < most ? j->grace_ms : most) * SG_NS_PER_MS + SLACK_NS;
}

static void on_guard(void *ctx)
{
    struct sg_job *j = ctx;

    j->timer = NULL;
    if (j->state != RUNNING || j->tie == NULL || j->tie->shim == 0)
        return;
    if (j->stopped || j->late) {
        j->hung = true;
        (void)kill(j->tie->shim, SIGKILL); /* the rest follows from the end of its socket */
        return;
    }
    j->late = true;
    (void)kill(j->tie->shim, SIGCONT); /* it may only have been stopped */
    guard_at(j, ending_ns(j));
}

static void guard_at(struct sg_job *j, int64_t ns)
{
    struct sg_mono at = { .ns = sg_mono_now().ns };
    struct sg_error ignored = SG_ERROR_INIT; /* the shim does its work without */

    stop_timer(j);
    at.ns = ns < INT64_MAX - at.ns ? at.ns + ns : INT64_MAX;
    (void)!sg_loop_timer(j->of->loop, at, on_guard, j, &j->timer, &ignored);
}

static void guard_timeout(struct sg_job *j)
{
    int64_t most = INT64_MAX / 8 / SG_NS_PER_MS;

    if (j->timeout_ms != 0)
        guard_at(j, (j->timeout_ms < most ? j->timeout_ms : most) * SG_NS_PER_MS + SG_NS_PER_S);
}

/* ---- orders */

static void order(struct sg_job *j, enum sg_shim_order what)
{
    unsigned char byte = (unsigned char)what;

    if (j->tie != NULL && j->tie->control >= 0)
        (void)send(j->tie->control, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void sg_job_stop(struct sg_job *j, bool hard)
{
    if (j->state == LOST && hard)
        sg_lost_hurry(j->lost);
    if (j->state != RUNNING || (j->stopped && (!hard || j->hard)))
        return;
    j->stopped = true;
    j->hard |= hard;
    j->paused = false;
    order(j, hard ? SG_SHIM_KILL : SG_SHIM_STOP);
    if (j->tie != NULL && j->tie->shim != 0)
        (void)kill(j->tie->shim, SIGCONT);
    guard_at(j, ending_ns(j));
}

void sg_job_pause(struct sg_job *j, bool pause)
{
    if (j->state != RUNNING || j->stopped || j->paused == pause)
        return;
    j->paused = pause;
    order(j, pause ? SG_SHIM_PAUSE : SG_SHIM_RESUME);
    if (pause)
        stop_timer(j);
    else
        guard_timeout(j); /* later than need be, which does no harm */
}

void sg_job_hold(struct sg_job *j, bool hold)
{
    struct sg_error ignored = SG_ERROR_INIT; /* then it is held until it is asked again */

    if (j->held == hold || j->output < 0 || (hold && j->state != RUNNING))
        return;
    if (hold) {
        sg_watch_remove(j->of->loop, j->output_watch);
        j->output_watch = NULL;
        j->held = true;
    } else if (sg_loop_watch(j->of->loop, j->output, EPOLLIN, on_readable, j, &j->output_watch,
                             &ignored)) {
        j->held = false;
    }
}

pid_t sg_job_pid(const struct sg_job *j)
{
    return j->pid;
}

/* ---- start */

static uint64_t boot_ticks(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)(t.tv_sec * sysconf(_SC_CLK_TCK) +
                      t.tv_nsec / (SG_NS_PER_S / sysconf(_SC_CLK_TCK)));
}

static struct sg_job *new_job(struct supervisor *s, const struct sg_job_spec *spec)
{
    struct sg_job *j = calloc(1, sizeof(*j));

    if (j == NULL)
        return NULL;
    j->of = s;
    j->output = -1;
    j->since_ticks = boot_ticks();
    if (spec->nonce != NULL)
        snprintf(j->nonce, sizeof(j->nonce), "%s", spec->nonce);
    j->timeout_ms = spec->timeout_ms;
    j->grace_ms = spec->grace_ms;
    j->started = sg_mono_now();
    j->measured = !spec->no_measure;
    j->end = (struct sg_job_end){ .exit_code = -1, .signo = -1, .measure = SG_JOB_MEASURE_INIT };
    snprintf(j->end.what, sizeof(j->end.what), "%s", spec->argv[0]);
    snprintf(j->workdir, sizeof(j->workdir), "the working directory %s", spec->workdir);
    j->on_output = spec->on_output;
    j->on_end = spec->on_end;
    j->ctx = spec->ctx;
    return j;
}

static struct tie *new_tie(struct supervisor *s)
{
    struct tie *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    *t = (struct tie){ .of = s, .next = s->ties, .control = -1 };
    if (s->ties != NULL)
        s->ties->prev = t;
    s->ties = t;
    return t;
}

/* on_end tells it, from the loop as ever. */
static bool refuse(struct sg_job *j, int e, struct sg_error *err)
{
    j->end.how = SG_JOB_NOT_STARTED;
    j->end.sys_errno = e;
    j->state = DRAINING;
    return sg_loop_timer(j->of->loop, sg_mono_now(), give_up_output, j, &j->timer, err);
}

/* From here on a failure ends what the shim may have begun: it takes us for dead. */
static bool tie_up(struct sg_job *j, struct tie *t, const struct sg_shim_ends *ends,
                   struct sg_error *err)
{
    struct sg_loop *l = j->of->loop;

    t->shim = ends->pid;
    t->control = ends->control;
    j->output = ends->output;
    if (!sg_loop_watch(l, j->output, EPOLLIN, on_readable, j, &j->output_watch, err) ||
        !sg_loop_watch(l, t->control, EPOLLIN, on_control, t, &t->watch, err))
        return false;
    t->job = j;
    j->tie = t;
    if (j->group == NULL)
        measure(j);
    guard_timeout(j);
    if (getpid() == 1 && j->of->reap_timer == NULL)
        reap_in(j->of, STRANGERS_NS);
    return true;
}

bool sg_job_start(struct sg_loop *loop, const struct sg_job_spec *spec, struct sg_job **ret,
                  struct sg_error *err)
{
    struct supervisor *s = supervisor_of(loop, err);
    struct sg_shim_ends ends;
    struct sg_job *j;
    struct tie *t;
    int refused = 0;

    if (s == NULL)
        return false;
    reap_over(s);
    j = new_job(s, spec);
    t = new_tie(s);
    if (j == NULL || t == NULL) {
        sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a job");
        goto failed;
    }
    if (spec->own_group && !spec->no_measure && spec->nonce != NULL)
        j->group = sg_meter_make_group(loop, spec->nonce);
    if (!sg_shim_launch(spec, j->group != NULL ? sg_cgroup_door(j->group) : "", s->ignored, &ends,
                        &refused, err))
        goto failed;
    if (refused != 0) {
        if (!refuse(j, refused, err))
            goto failed;
        free_tie(t);
    } else if (!tie_up(j, t, &ends, err)) {
        close_output(j);
        let_go(t);
        t = NULL;
        goto failed;
    }
    *ret = j;
    return true;
failed:
    if (t != NULL)
        free_tie(t);
    if (j != NULL)
        sg_cgroup_remove(j->group);
    free(j);
    return false;
}

/* One that has not ended is left to its shim, which takes us for dead. */
void sg_job_free(struct sg_job *j)
{
    if (j == NULL)
        return;
    if (j->state != ENDED) {
        stop_timer(j);
        close_output(j);
        sg_lost_free(j->lost);
        sg_meter_end(j->meter, -1, &j->end.measure);
        sg_cgroup_remove(j->group);
        if (j->tie != NULL)
            let_go(j->tie);
    }
    free(j);
}

bool sg_job_subreaper(struct sg_error *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "become a subreaper");
    return true;
}
