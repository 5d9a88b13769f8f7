/* What the applications of an attempt on YARN mean for it. docs/design.md, "YARN". */
#include <stdio.h>
#include <string.h>

#include "stagegraph/text.h"
#include "stagegraph/yarn.h"

#include "attempt_impl.h"

/* An application ends a moment after its client. */
#define PATIENCE_MS 10000
#define DIAGNOSTICS 200 /* of what YARN says of it */

bool sg_dead_applications(struct sg_yarn *y, const char *nonce, const char *run, size_t *ret_ended,
                          char *names, size_t size, struct sg_error *err)
{
    struct sg_yarn_apps apps = { .n = 0 };
    char tag[SG_YARN_TAG];
    bool ok;

    *ret_ended = 0;
    if (y == NULL)
        return true;
    sg_yarn_tag(nonce, tag);
    ok = sg_yarn_end(y, tag, &apps, err);
    if (ok) {
        *ret_ended = sg_yarn_killed(&apps);
        sg_yarn_name(&apps, true, names, size);
    }
    sg_yarn_apps_done(&apps);
    return ok || sg_error_wrap(err, "end the applications of dead run %s", run);
}

/* Of one that is over. What has several parts with different ends says so, and is content. */
static bool has_succeeded(const struct sg_yarn_app *app)
{
    return strcmp(app->state, "FINISHED") == 0 &&
           (strcmp(app->final_status, "SUCCEEDED") == 0 || strcmp(app->final_status, "ENDED") == 0);
}

static const struct sg_yarn_app *find_failed(const struct sg_yarn_apps *apps)
{
    for (size_t i = 0; i < apps->n; i++)
        if (apps->at[i].killed != NULL || !has_succeeded(&apps->at[i]))
            return &apps->at[i];
    return NULL;
}

/* ": " and the first line of what YARN has to say of its end, or nothing. */
static void add_diagnostics(const struct sg_yarn_app *app, char *why, size_t size)
{
    const char *text = app->diagnostics + strspn(app->diagnostics, " \t\r\n");
    const struct sg_span line = { text, strcspn(text, "\r\n") };
    struct sg_buf quoted = SG_BUF_INIT;
    struct sg_error ignored = SG_ERROR_INIT; /* it is for people */
    size_t len = strlen(why);

    if (line.len > 0 && sg_text_add_quoted(&quoted, line, DIAGNOSTICS, &ignored))
        (void)snprintf(why + len, size - len, ": %s", sg_buf_text(&quoted));
    sg_buf_done(&quoted);
}

/* The command ended with 0, and its applications are over: is that true of them, too? */
static void weigh(struct sg_attempt_outcome *o, const struct sg_yarn_apps *apps, char *why,
                  size_t size)
{
    const struct sg_yarn_app *app = find_failed(apps);

    if (app == NULL)
        return;
    o->result = SG_RESULT_FAILED;
    if (app->killed != NULL) {
        (void)snprintf(why, size, "exit 0, but its application %s on YARN was still %s: killed",
                       app->id, app->killed);
        return;
    }
    (void)snprintf(why, size, "exit 0, but its application %s on YARN came out %s", app->id,
                   strcmp(app->state, "FINISHED") == 0 ? app->final_status : app->state);
    add_diagnostics(app, why, size);
}

void sg_attempt_applications(struct sg_attempt *a, struct sg_attempt_outcome *o, char *why,
                             size_t size, struct sg_yarn_apps *ret)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_yarn *y = a->run->yarn;
    char tag[SG_YARN_TAG], first[120];
    bool done = o->result == SG_RESULT_OK, ok;

    if (y == NULL || o->stuck)
        return;
    sg_yarn_tag(a->nonce, tag);
    ok = !done || sg_yarn_await(y, tag, PATIENCE_MS, ret, &err);
    if (ok && (!done || sg_yarn_alive(ret) > 0))
        ok = sg_yarn_end(y, tag, ret, &err);
    if (ok && done)
        weigh(o, ret, why, size);
    if (ok)
        return;
    o->stuck = true;
    if (done)
        o->result = SG_RESULT_FAILED;
    (void)snprintf(first, sizeof(first), "%.110s", done ? "exit 0" : why);
    (void)snprintf(why, size, "%s, but its applications on YARN may be alive: %.400s", first,
                   err.text);
}
