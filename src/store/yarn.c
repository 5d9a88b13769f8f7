#include "stagegraph/yarn.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stagegraph/clock.h"

#include "yarn_impl.h"

#define KILL_AGAIN_MS 2000

bool sg_yarn_may_be(const struct sg_yarn_config *c)
{
    char path[4096];
    int n;

    if (c->resource_manager != NULL && c->resource_manager[0] != '\0')
        return strcmp(c->resource_manager, "none") != 0;
    if (c->conf_dir == NULL || c->conf_dir[0] == '\0')
        return false;
    n = snprintf(path, sizeof(path), "%s/yarn-site.xml", c->conf_dir);
    return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

bool sg_yarn_open(const struct sg_yarn_config *c, struct sg_yarn **ret, struct sg_error *err)
{
    sg_yarn_open_fn *open_rm = NULL;
    void *module, *symbol;

    if (!sg_yarn_may_be(c)) {
        *ret = NULL;
        return true;
    }
    if (!SG_EXPECT(c->module != NULL, err))
        return false;
    module = dlopen(c->module, RTLD_NOW | RTLD_LOCAL);
    symbol = module != NULL ? dlsym(module, SG_YARN_SYMBOL) : NULL;
    if (symbol == NULL)
        return sg_error_set(err, SG_ERROR_SYSTEM, 0, "load the client of YARN: %s", dlerror());
    memcpy(&open_rm, &symbol, sizeof(open_rm)); /* ISO C has no such cast */
    return open_rm(c, ret, err);                /* the module stays, as the store's does */
}

void sg_yarn_free(struct sg_yarn *y)
{
    if (y != NULL)
        y->ops->free(y);
}

void sg_yarn_tag(const char *nonce, char ret[SG_YARN_TAG])
{
    (void)snprintf(ret, SG_YARN_TAG, "stagegraph-%.32s", nonce); /* fits */
}

void sg_yarn_apps_done(struct sg_yarn_apps *a)
{
    sg_arena_done(&a->arena);
    *a = (struct sg_yarn_apps){ .n = 0 };
}

void sg_yarn_cluster_done(struct sg_yarn_cluster *c)
{
    sg_arena_done(&c->arena);
    *c = (struct sg_yarn_cluster){ .n_managers = 0 };
}

/* ---- what is waited for */

static void begin_wait(struct sg_yarn *y)
{
    if (atomic_load(&y->waiting) == 0) /* before it counts: else it had begun long ago */
        atomic_store(&y->since_ns, sg_mono_now().ns);
    atomic_fetch_add(&y->waiting, 1);
}

static bool end_wait(struct sg_yarn *y, bool ok)
{
    atomic_store(&y->since_ns, sg_mono_now().ns);
    atomic_fetch_sub(&y->waiting, 1);
    return ok;
}

bool sg_yarn_waits(struct sg_yarn *y, char *ret, size_t size)
{
    char most[SG_DURATION_TEXT];

    if (atomic_load(&y->waiting) == 0 ||
        sg_mono_now().ns - atomic_load(&y->since_ns) < y->silence_ms * SG_NS_PER_MS)
        return false;
    sg_duration_format((double)y->deadline_ms / 1000, false, most);
    (void)snprintf(ret, size,
                   "waiting for %s to say that a job's applications on YARN are over, up to %s",
                   y->where != NULL ? y->where : "YARN", most);
    return true;
}

/* ---- applications */

static bool look_for(struct sg_yarn *y, const char *tag, struct sg_yarn_apps *ret,
                     struct sg_error *err)
{
    sg_yarn_apps_done(ret);
    if (y->ops->find(y, tag, ret, err))
        return true;
    sg_yarn_apps_done(ret);
    return sg_error_wrap(err, "find the applications of YARN");
}

bool sg_yarn_find(struct sg_yarn *y, const char *tag, struct sg_yarn_apps *ret,
                  struct sg_error *err)
{
    begin_wait(y);
    return end_wait(y, look_for(y, tag, ret, err));
}

size_t sg_yarn_alive(const struct sg_yarn_apps *a)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++)
        n += a->at[i].alive;
    return n;
}

void sg_yarn_hurry(struct sg_yarn *y)
{
    atomic_store(&y->hurried, true);
}

size_t sg_yarn_killed(const struct sg_yarn_apps *a)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++)
        n += a->at[i].killed != NULL;
    return n;
}

void sg_yarn_name(const struct sg_yarn_apps *a, bool killed, char *ret, size_t size)
{
    size_t len = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < a->n && len < size; i++) {
        const struct sg_yarn_app *app = &a->at[i];

        if (killed ? app->killed == NULL : !app->alive)
            continue;
        len += (size_t)snprintf(ret + len, size - len, "%s%s (%s)", len > 0 ? ", " : "", app->id,
                                killed ? app->killed : app->state);
    }
}

static void pause_for(int64_t ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * SG_NS_PER_MS };

    (void)nanosleep(&t, NULL); /* cut short by a signal: looked at sooner */
}

static int64_t since_ms(struct sg_mono begun)
{
    return (sg_mono_now().ns - begun.ns) / SG_NS_PER_MS;
}

static bool await(struct sg_yarn *y, const char *tag, int64_t patience_ms, struct sg_yarn_apps *ret,
                  struct sg_error *err)
{
    struct sg_mono begun = sg_mono_now();

    for (;;) {
        if (!look_for(y, tag, ret, err))
            return false;
        if (sg_yarn_alive(ret) == 0 || since_ms(begun) >= patience_ms || atomic_load(&y->hurried))
            return true;
        pause_for(y->pause_ms);
    }
}

bool sg_yarn_await(struct sg_yarn *y, const char *tag, int64_t patience_ms,
                   struct sg_yarn_apps *ret, struct sg_error *err)
{
    begin_wait(y);
    return end_wait(y, await(y, tag, patience_ms, ret, err));
}

/* Of one that was killed, and that the ResourceManager knows no more: it keeps a number of those
 * that are over, and may have been started anew. It is over, and told of. */
static bool keep(struct sg_yarn_apps *a, const struct sg_yarn_app *app, struct sg_error *err)
{
    struct sg_yarn_app copy = { .state = "KILLED", .alive = false };
    const struct {
        const char *from, **to;
    } texts[] = {
        { app->id, &copy.id },
        { app->name, &copy.name },
        { app->user, &copy.user },
        { app->queue, &copy.queue },
        { app->final_status, &copy.final_status },
        { app->tracking_url, &copy.tracking_url },
        { app->diagnostics, &copy.diagnostics },
        { app->killed, &copy.killed },
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i].to = sg_arena_text(&a->arena, texts[i].from, err);
        if (*texts[i].to == NULL)
            return false;
    }
    if (!sg_arena_grow(&a->arena, (void **)&a->at, a->n, &a->cap, sizeof(copy), err))
        return false;
    a->at[a->n++] = copy;
    return true;
}

/* What was killed before has been killed. */
static bool remember(struct sg_yarn_apps *now, const struct sg_yarn_app *was, struct sg_error *err)
{
    size_t k = 0;

    if (was->killed == NULL)
        return true;
    while (k < now->n && strcmp(was->id, now->at[k].id) != 0)
        k++;
    if (k == now->n)
        return keep(now, was, err);
    now->at[k].killed = sg_arena_text(&now->arena, was->killed, err);
    return now->at[k].killed != NULL;
}

/* The same as *was, looked at again. */
static bool find_again(struct sg_yarn *y, const char *tag, struct sg_yarn_apps *was,
                       struct sg_error *err)
{
    struct sg_yarn_apps now = { .n = 0 };

    if (!look_for(y, tag, &now, err))
        return false;
    for (size_t i = 0; i < was->n; i++) {
        if (!remember(&now, &was->at[i], err)) {
            sg_yarn_apps_done(&now);
            return false;
        }
    }
    sg_yarn_apps_done(was);
    *was = now;
    return true;
}

/* One that can't be killed may just be ending: the next look tells. *why says why not. */
static void kill_alive(struct sg_yarn *y, struct sg_yarn_apps *a, struct sg_error *why)
{
    for (size_t i = 0; i < a->n; i++) {
        struct sg_error err = SG_ERROR_INIT;

        if (!a->at[i].alive)
            continue;
        if (!y->ops->kill(y, a->at[i].id, &err))
            *why = err;
        else if (a->at[i].killed == NULL)
            a->at[i].killed = a->at[i].state;
    }
}

static bool still_alive(const struct sg_yarn_apps *a, const struct sg_error *why,
                        struct sg_error *err)
{
    char names[300];

    sg_yarn_name(a, false, names, sizeof(names));
    return sg_error_set(err, SG_ERROR_STORE, 0, "%s can't be killed%s%s", names,
                        why->code != SG_ERROR_NONE ? ": " : "", why->text);
}

static bool end_all(struct sg_yarn *y, const char *tag, struct sg_yarn_apps *ret,
                    struct sg_error *err)
{
    struct sg_mono begun = sg_mono_now();
    struct sg_error why = SG_ERROR_INIT;
    int64_t killed_ms = -1; /* since begun */
    unsigned none = 0;

    sg_yarn_apps_done(ret);
    for (;;) {
        int64_t ms;

        if (!find_again(y, tag, ret, err))
            return false;
        ms = since_ms(begun);
        none = sg_yarn_alive(ret) == 0 ? none + 1 : 0;
        if (none == 2)
            break;
        if (none == 0 && killed_ms >= 0 &&
            (ms >= y->deadline_ms || (ms >= SG_YARN_HURRIED_MS && atomic_load(&y->hurried))))
            return still_alive(ret, &why, err);
        if (none == 0 && (killed_ms < 0 || ms - killed_ms >= KILL_AGAIN_MS)) {
            kill_alive(y, ret, &why);
            killed_ms = ms;
        }
        pause_for(y->pause_ms);
    }
    if (sg_yarn_killed(ret) > 0 && !atomic_load(&y->hurried))
        pause_for(y->quiet_ms);
    return true;
}

bool sg_yarn_end(struct sg_yarn *y, const char *tag, struct sg_yarn_apps *ret, struct sg_error *err)
{
    begin_wait(y);
    return end_wait(y, end_all(y, tag, ret, err));
}

bool sg_yarn_look(struct sg_yarn *y, struct sg_yarn_cluster *ret, struct sg_error *err)
{
    *ret = (struct sg_yarn_cluster){ .n_managers = 0 };
    return y->ops->look(y, ret, err) || sg_error_wrap(err, "look at YARN");
}
