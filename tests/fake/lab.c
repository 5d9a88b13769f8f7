#include "lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/proc.h"

#define PATIENCE_S 60

static void on_output(void *ctx, const char *bytes, size_t n)
{
    struct lab *lab = ctx;

    assert_true(sg_buf_add(&lab->output, bytes, n, &lab->err));
    if (lab->on_output != NULL)
        lab->on_output(lab);
}

static void on_end(void *ctx, const struct sg_job_end *end)
{
    struct lab *lab = ctx;

    assert_false(lab->ended);
    lab->end = *end;
    lab->ended = true;
    sg_job_free(lab->job);
    lab->job = NULL;
    sg_loop_stop(lab->loop);
}

bool lab_open(struct lab *lab)
{
    const char *shim = getenv("STAGEGRAPH_SHIM");

    memset(lab, 0, sizeof(*lab));
    if (shim == NULL || getenv("TEST_HELPERS") == NULL)
        return false;
    strcpy(lab->dir, "/tmp/stagegraph-lab-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    snprintf(lab->nonce, sizeof(lab->nonce), "%08x89abcdef0123456789abcdef", (unsigned)getpid());
    snprintf(lab->log, sizeof(lab->log), "%s/log", lab->dir);
    assert_true(sg_loop_new(2, &lab->loop, &lab->err));
    lab->spec = (struct sg_job_spec){
        .shim = shim,
        .workdir = lab->dir,
        .lock_fd = -1,
        .nonce = lab->nonce,
        .grace_ms = 5000,
        .on_output = on_output,
        .on_end = on_end,
        .ctx = lab,
    };
    return true;
}

void lab_close(struct lab *lab)
{
    char command[128];

    sg_job_free(lab->job);
    sg_loop_free(lab->loop);
    sg_buf_done(&lab->output);
    snprintf(command, sizeof(command), "rm -rf '%s'", lab->dir);
    assert_int_equal(system(command), 0);
}

int lab_set_up(void **state)
{
    struct lab *lab = malloc(sizeof(*lab));

    assert_non_null(lab);
    *state = lab_open(lab) ? lab : NULL;
    if (*state == NULL)
        free(lab);
    return 0;
}

int lab_tear_down(void **state)
{
    struct lab *lab = *state;

    if (lab != NULL)
        lab_close(lab);
    free(lab);
    return 0;
}

struct lab *lab_of(void **state)
{
    if (*state == NULL) {
        print_message("STAGEGRAPH_SHIM and TEST_HELPERS are not set\n");
        skip();
    }
    return *state;
}

void lab_start(struct lab *lab, const char *const *argv)
{
    char helper[512], log[128], path[600], nonce[80];
    char *words[16] = { NULL };
    char *env[8] = { path, log, nonce };
    const char *dirs = getenv("PATH");
    int n = 0;

    for (; argv[n] != NULL; n++) {
        assert_true(n < 15);
        words[n] = strdup(argv[n]);
    }
    if (strcmp(argv[0], "escape") == 0) {
        snprintf(helper, sizeof(helper), "%s/escape", getenv("TEST_HELPERS"));
        free(words[0]);
        words[0] = strdup(helper);
    }
    snprintf(path, sizeof(path), "PATH=%s", dirs != NULL ? dirs : "/usr/bin:/bin");
    snprintf(log, sizeof(log), "ESCAPE_LOG=%s", lab->log);
    snprintf(nonce, sizeof(nonce), "STAGEGRAPH_NONCE=%s", lab->spec.nonce);
    env[3] = lab->extra_env != NULL ? strdup(lab->extra_env) : NULL;
    lab->spec.argv = words;
    lab->spec.envp = env;
    lab->ended = false;
    sg_buf_clear(&lab->output);
    if (!sg_job_start(lab->loop, &lab->spec, &lab->job, &lab->err))
        fail_msg("%s", lab->err.text);
    for (int i = 0; i < n; i++)
        free(words[i]);
    free(env[3]);
}

static void too_late(void *ctx)
{
    (void)ctx;
    fail_msg("nothing happened for %d s", PATIENCE_S);
}

static void run_loop(struct lab *lab)
{
    struct sg_mono at = { .ns = sg_mono_now().ns + PATIENCE_S * SG_NS_PER_S };
    struct sg_timer *t = NULL;

    assert_true(sg_loop_timer(lab->loop, at, too_late, lab, &t, &lab->err));
    assert_true(sg_loop_run(lab->loop, &lab->err));
    sg_timer_cancel(lab->loop, t);
}

void lab_wait(struct lab *lab)
{
    while (!lab->ended)
        run_loop(lab);
}

void lab_run(struct lab *lab, const char *const *argv)
{
    lab_start(lab, argv);
    lab_wait(lab);
}

static void end_turn(void *ctx)
{
    struct lab *lab = ctx;

    lab->turned = true;
    sg_loop_stop(lab->loop);
}

void lab_turn(struct lab *lab, int64_t ms)
{
    struct sg_mono at = { .ns = sg_mono_now().ns + ms * SG_NS_PER_MS };
    struct sg_timer *t = NULL;

    assert_true(sg_loop_timer(lab->loop, at, end_turn, lab, &t, &lab->err));
    lab->turned = false;
    assert_true(sg_loop_run(lab->loop, &lab->err));
    if (!lab->turned) /* on_end has stopped the loop */
        sg_timer_cancel(lab->loop, t);
}

void lab_wait_for(struct lab *lab, const char *text)
{
    for (int i = 0; i < PATIENCE_S * 1000; i++) {
        if (strstr(sg_buf_text(&lab->output), text) != NULL && sg_job_pid(lab->job) != 0)
            return;
        assert_false(lab->ended);
        lab_turn(lab, 1);
    }
    fail_msg("it does not say %s", text);
}

static unsigned count(const struct lab *lab, bool living)
{
    FILE *f = fopen(lab->log, "re");
    unsigned long long start;
    struct sg_proc p;
    unsigned n = 0;
    int pid;

    if (f == NULL)
        return 0;
    while (fscanf(f, "%d %llu", &pid, &start) == 2)
        n += !living || (sg_proc_read(pid, &p) && p.start_ticks == start);
    fclose(f);
    return n;
}

unsigned lab_noted(const struct lab *lab)
{
    return count(lab, false);
}

unsigned lab_living(const struct lab *lab)
{
    return count(lab, true);
}

bool lab_is_empty_soon(const struct lab *lab)
{
    for (int i = 0; i < 2000; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        if (lab_living(lab) == 0)
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    return false;
}

bool lab_is_gone_soon(pid_t pid)
{
    struct sg_proc p;

    for (int i = 0; i < 2000; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
        if (!sg_proc_read(pid, &p))
            return true;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    return false;
}

static bool is_our_shim(void *ctx, const struct sg_proc *p)
{
    char path[64], exe[4096];
    ssize_t n;

    (void)ctx;
    if (p->ppid != getpid())
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
    n = readlink(path, exe, sizeof(exe) - 1);
    if (n < 0)
        return false;
    exe[n] = '\0';
    return strstr(exe, "shim") != NULL;
}

/* Never 0 and never a guess: the caller is going to kill it. */
pid_t lab_shim(const struct lab *lab)
{
    static struct sg_tree tree;

    (void)lab;
    sg_tree_find(&tree, is_our_shim, NULL);
    if (tree.n == 0)
        abort(); /* in a forked executor an assertion would go on with the tests */
    return tree.at[0].pid;
}
