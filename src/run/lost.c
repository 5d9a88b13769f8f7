#include "lost.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stagegraph/claim.h"
#include "stagegraph/clock.h"
#include "stagegraph/proc.h"

#define LOOK_NS      (20 * SG_NS_PER_MS)
#define STUCK_NS     SG_NS_PER_S
#define MAX_CARRIERS 1024

enum phase { FIRST, GRACE, KILLING };

struct sg_lost {
    struct sg_loop *loop;
    struct sg_lost_spec spec;
    char nonce[33];
    enum phase phase;
    int64_t deadline_ns;
    struct sg_timer *timer;
    pid_t carriers[MAX_CARRIERS];
    size_t n_carriers;
    bool restless; /* something has ended since the last look */
    struct sg_tree tree;
};

static bool is_orphan(const struct sg_lost *x, const struct sg_proc *p)
{
    return p->ppid == getpid() && p->start_ticks >= x->spec.since_ticks &&
           !x->spec.is_shim(x->spec.ctx, p->pid);
}

/* Those that ended are reaped at once, for nobody else will do it, and thousands of them may be in
 * the way of those that live. */
static bool belongs(void *ctx, const struct sg_proc *p)
{
    struct sg_lost *x = ctx;

    if (sg_proc_is_dead(p)) {
        x->restless |= is_orphan(x, p) && waitpid(p->pid, NULL, WNOHANG) > 0;
        return false;
    }
    for (size_t i = 0; i < x->n_carriers; i++)
        if (x->carriers[i] == p->pid)
            return true;
    return is_orphan(x, p);
}

static void find(struct sg_lost *x)
{
    x->n_carriers = x->nonce[0] != '\0' ? sg_nonce_find(x->nonce, x->carriers, MAX_CARRIERS) : 0;
    x->restless = false;
    if (x->phase == KILLING)
        sg_tree_kill(&x->tree, belongs, x);
    else
        sg_tree_find(&x->tree, belongs, x);
}

static int64_t grace_ns(const struct sg_lost *x)
{
    int64_t most = INT64_MAX / 4 / SG_NS_PER_MS;

    return (x->spec.grace_ms < most ? x->spec.grace_ms : most) * SG_NS_PER_MS;
}

static void step(void *ctx);

static bool look_again(struct sg_lost *x, int64_t ns, struct sg_error *err)
{
    x->timer = NULL;
    return sg_loop_timer(x->loop, (struct sg_mono){ .ns = sg_mono_now().ns + ns }, step, x,
                         &x->timer, err);
}

static void begin_killing(struct sg_lost *x)
{
    x->phase = KILLING;
    x->deadline_ns = sg_mono_now().ns + (grace_ns(x) > STUCK_NS ? grace_ns(x) : STUCK_NS);
}

static void give_up(struct sg_lost *x)
{
    char names[200];

    sg_tree_names(&x->tree, names, sizeof(names));
    x->spec.on_gone(x->spec.ctx, x->tree.n, names);
}

static void step(void *ctx)
{
    struct sg_lost *x = ctx;
    struct sg_error err = SG_ERROR_INIT;

    x->timer = NULL;
    if (x->phase == GRACE && sg_mono_now().ns >= x->deadline_ns)
        begin_killing(x);
    find(x);
    /* What forks and ends, forks and ends, may be overlooked, but leaves its dead behind. */
    if (x->tree.n == 0 && !x->restless) {
        x->spec.on_gone(x->spec.ctx, 0, "");
        return;
    }
    if (x->phase == FIRST) {
        sg_tree_signal(&x->tree, SIGTERM);
        sg_tree_signal(&x->tree, SIGCONT);
        x->phase = GRACE;
        x->deadline_ns = sg_mono_now().ns + grace_ns(x);
    }
    if (x->phase == KILLING && sg_mono_now().ns >= x->deadline_ns) {
        give_up(x);
        return;
    }
    /* Soon, where many end: their pids are in use until they are reaped. */
    if (!look_again(x, x->restless ? LOOK_NS / 10 : LOOK_NS,
                    &err)) { /* no memory for a timer: all that can be done */
        sg_tree_kill(&x->tree, belongs, x);
        give_up(x);
    }
}

bool sg_lost_start(struct sg_loop *l, const struct sg_lost_spec *spec, struct sg_lost **ret,
                   struct sg_error *err)
{
    struct sg_lost *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory to end a job");
    x->loop = l;
    x->spec = *spec;
    x->phase = FIRST;
    if (spec->nonce != NULL)
        strncpy(x->nonce, spec->nonce, sizeof(x->nonce) - 1);
    if (spec->hard)
        begin_killing(x);
    if (!look_again(x, 0, err)) {
        free(x);
        return false;
    }
    *ret = x;
    return true;
}

void sg_lost_hurry(struct sg_lost *x)
{
    if (x->phase != KILLING)
        begin_killing(x);
}

void sg_lost_free(struct sg_lost *x)
{
    if (x == NULL)
        return;
    sg_timer_cancel(x->loop, x->timer);
    free(x);
}
