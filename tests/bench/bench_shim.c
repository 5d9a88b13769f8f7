/*
 * What a job costs for having a shim: the same command started and waited for by itself, and as a
 * job (sg_job_start to its end: sockets, output, measuring, the shim), in turns.
 *
 *   bench_shim SHIM TURNS COMMAND [ARGUMENT]...     200 of each a turn; lines with the medians
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stagegraph/clock.h"
#include "stagegraph/job.h"
#include "stagegraph/loop.h"

#define JOBS 200
#define MOST 100

struct cost {
    double wall_us[MOST], cpu_us[MOST];
};

static double us_of(struct timeval t)
{
    return (double)t.tv_sec * 1e6 + (double)t.tv_usec;
}

static double cpu_us(void)
{
    struct rusage own, children;

    (void)getrusage(RUSAGE_SELF, &own);
    (void)getrusage(RUSAGE_CHILDREN, &children);
    return us_of(own.ru_utime) + us_of(own.ru_stime) + us_of(children.ru_utime) +
           us_of(children.ru_stime);
}

static bool run_bare(char **command)
{
    int status;
    pid_t pid;

    return posix_spawn(&pid, command[0], NULL, NULL, command, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && status == 0;
}

struct job {
    struct sg_loop *loop;
    bool ok;
};

static void on_output(void *ctx, const char *bytes, size_t n)
{
    (void)ctx;
    (void)bytes;
    (void)n;
}

static void on_end(void *ctx, const struct sg_job_end *end)
{
    struct job *j = ctx;

    j->ok = end->how == SG_JOB_EXITED && end->exit_code == 0;
    sg_loop_stop(j->loop);
}

static bool run_job(struct sg_loop *loop, const char *shim, char **command, struct sg_error *err)
{
    struct job j = { .loop = loop };
    struct sg_job *process;
    struct sg_job_spec spec = {
        .shim = shim,
        .argv = command,
        .envp = environ,
        .workdir = "/",
        .lock_fd = -1,
        .timeout_ms = 3600000,
        .grace_ms = 10000,
        .on_output = on_output,
        .on_end = on_end,
        .ctx = &j,
    };

    if (!sg_job_start(loop, &spec, &process, err) || !sg_loop_run(loop, err))
        return false;
    sg_job_free(process);
    return j.ok || sg_error_set(err, SG_ERROR_SYSTEM, 0, "the command failed");
}

/* The loop is part of it: with its end the last shim is waited for. */
static bool run_all(const char *shim, char **command, struct cost *c, int turn,
                    struct sg_error *err)
{
    double cpu = cpu_us();
    struct sg_mono begun = sg_mono_now();
    struct sg_loop *loop = NULL;
    bool ok = true;

    if (shim != NULL && !sg_loop_new(1, &loop, err))
        return false;
    for (int i = 0; ok && i < JOBS; i++)
        if (shim != NULL)
            ok = run_job(loop, shim, command, err);
        else
            ok = run_bare(command) || sg_error_set(err, SG_ERROR_SYSTEM, 0, "the command failed");
    sg_loop_free(loop);
    c->wall_us[turn] = (double)(sg_mono_now().ns - begun.ns) / 1e3 / JOBS;
    c->cpu_us[turn] = (cpu_us() - cpu) / JOBS;
    return ok;
}

static int compare(const void *x, const void *y)
{
    const double *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

static double median(double *of, int n)
{
    qsort(of, (size_t)n, sizeof(*of), compare);
    return of[n / 2];
}

int main(int argc, char **argv)
{
    static struct cost bare, job;
    struct sg_error err = SG_ERROR_INIT;
    int turns = argc > 3 ? atoi(argv[2]) : 0;

    if (turns < 1 || turns > MOST) {
        fprintf(stderr, "usage: bench_shim SHIM TURNS COMMAND [ARGUMENT]...\n");
        return 2;
    }
    for (int turn = -1; turn < turns; turn++) {
        int at = turn < 0 ? 0 : turn;

        if (!run_all(NULL, argv + 3, &bare, at, &err) ||
            !run_all(argv[1], argv + 3, &job, at, &err)) {
            fprintf(stderr, "bench_shim: %s\n", err.text);
            return 1;
        }
    }
    printf("  %-26s %9s %12s\n", "", "wall", "cpu");
    printf("  %-26s %6.0f us %9.0f us\n", "started and waited for", median(bare.wall_us, turns),
           median(bare.cpu_us, turns));
    printf("  %-26s %6.0f us %9.0f us\n", "as a job, with its shim", median(job.wall_us, turns),
           median(job.cpu_us, turns));
    return 0;
}
