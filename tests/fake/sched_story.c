#include "sched_story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_kth(uint32_t *k, uint32_t other, bool optional, struct sg_sched_edge *ret)
{
    *ret = (struct sg_sched_edge){ other, other + 1, optional };
    return (*k)-- == 0;
}

static bool needs_of(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const struct sg_story *t = ctx;

    for (size_t i = 0; i < t->n_edges; i++) {
        if (t->edges[i].user == job && is_kth(&k, t->edges[i].need, t->edges[i].optional, ret))
            return true;
    }
    return false;
}

static bool users_of(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const struct sg_story *t = ctx;

    for (size_t i = 0; i < t->n_edges; i++) {
        if (t->edges[i].need == job && is_kth(&k, t->edges[i].user, t->edges[i].optional, ret))
            return true;
    }
    return false;
}

static uint32_t find(char names[][SG_STORY_NAME], uint32_t n, const char *name)
{
    uint32_t i = 0;

    while (i < n && strcmp(names[i], name) != 0)
        i++;
    return i;
}

static uint32_t job_named(struct sg_story *t, const char *name)
{
    uint32_t i = find(t->job_names, t->config.n_jobs, name);

    if (i == t->config.n_jobs)
        fail_msg("no job %s", name);
    return i;
}

/* ---- the graph */

static uint32_t stage_named(struct sg_story *t, const char *name)
{
    uint32_t i = find(t->stage_names, t->config.n_stages, name);

    if (i == t->config.n_stages) {
        assert_true(i < SG_STORY_JOBS);
        snprintf(t->stage_names[i], SG_STORY_NAME, "%s", name);
        t->stages[i].pool = UINT32_MAX;
        t->config.n_stages++;
    }
    return i;
}

static void set(struct sg_story *t, struct sg_sched_stage *st, struct sg_sched_pool *p, char *word)
{
    char *value = strchr(word, '=');
    long number;

    if (value != NULL)
        *value++ = '\0';
    number = value == NULL ? 0 : strtol(value, NULL, 10);
    if (p != NULL && strcmp(word, "size") == 0)
        p->size = (int32_t)number;
    else if (p != NULL && strcmp(word, "memory") == 0)
        p->memory = number;
    else if (st != NULL && strcmp(word, "memory") == 0)
        st->memory = number;
    else if (st != NULL && strcmp(word, "room") == 0)
        st->room = number;
    else if (st != NULL && strcmp(word, "retries") == 0)
        st->retries = (int32_t)number;
    else if (st != NULL && strcmp(word, "backoff") == 0)
        st->backoff_ms = number * 1000;
    else if (st != NULL && strcmp(word, "tail") == 0)
        st->tail_ms = number * 1000;
    else if (st != NULL && strcmp(word, "breaker") == 0)
        st->breaker = (int32_t)number;
    else if (st != NULL && strcmp(word, "exclusive") == 0)
        st->exclusive = true;
    else if (st != NULL && strcmp(word, "pool") == 0)
        st->pool = find(t->pool_names, t->config.n_pools, value);
    else
        fail_msg("no setting %s", word);
}

static void read_job(struct sg_story *t, char *name, char *rest)
{
    uint32_t job = t->config.n_jobs++;
    char stage[SG_STORY_NAME], *save = NULL, *colon = strchr(name, ':');

    assert_true(job < SG_STORY_JOBS);
    t->jobs[job].rank = job;
    if (colon != NULL) {
        *colon = '\0';
    } else if (rest != NULL && strncmp(rest, "rank=", 5) == 0) {
        t->jobs[job].rank = strtol(rest + 5, &rest, 10);
        rest += *rest == ':';
    }
    snprintf(t->job_names[job], SG_STORY_NAME, "%s", name);
    snprintf(stage, sizeof(stage), "%.*s", (int)strcspn(name, "0123456789"), name);
    t->jobs[job].stage = stage_named(t, stage);
    for (char *w = strtok_r(rest, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        struct sg_story_edge *e = &t->edges[t->n_edges++];

        e->optional = w[strlen(w) - 1] == '?';
        if (e->optional)
            w[strlen(w) - 1] = '\0';
        e->need = job_named(t, w);
        e->user = job;
    }
}

static void read_line(struct sg_story *t, char *line)
{
    char *save = NULL, *word = strtok_r(line, " ", &save);
    struct sg_sched_pool *pool = NULL;
    struct sg_sched_stage *stage = NULL;

    if (strcmp(word, "-j") == 0) {
        t->config.slots = atoi(save);
    } else if (strcmp(word, "-k") == 0) {
        t->config.keep_going = atoi(save);
    } else if (strcmp(word, "-m") == 0) {
        t->config.room = atoi(save);
    } else if (strcmp(word, "pool") == 0) {
        pool = &t->pools[t->config.n_pools];
        snprintf(t->pool_names[t->config.n_pools++], SG_STORY_NAME, "%s",
                 strtok_r(NULL, " ", &save));
    } else if (strcmp(word, "stage") == 0) {
        stage = &t->stages[stage_named(t, strtok_r(NULL, " ", &save))];
    } else {
        read_job(t, word, save);
    }
    if (pool == NULL && stage == NULL)
        return;
    for (word = strtok_r(NULL, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        set(t, stage, pool, word);
}

struct sg_story *sg_story_read(const char *graph)
{
    struct sg_story *t = calloc(1, sizeof(*t));
    char *text = strdup(graph), *save = NULL;

    assert_non_null(t);
    assert_non_null(text);
    t->config = (struct sg_sched_config){ .jobs = t->jobs,
                                          .stages = t->stages,
                                          .pools = t->pools,
                                          .needs = needs_of,
                                          .users = users_of,
                                          .ctx = t,
                                          .slots = 1 };
    t->now.ns = 1000 * SG_NS_PER_S; /* the clock of a machine does not begin with 0 */
    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        read_line(t, line);
    free(text);
    return t;
}

void sg_story_free(struct sg_story *t)
{
    sg_sched_free(t->sched);
    free(t);
}

/* ---- what happens */

void sg_story_begin(struct sg_story *t)
{
    struct sg_error err = SG_ERROR_INIT;

    if (!sg_sched_new(&t->config, &t->sched, &err))
        fail_msg("%s", err.text);
}

static enum sg_result result_named(const char *name)
{
    for (int r = SG_RESULT_NONE; r < SG_RESULT_COUNT; r++) {
        if (strcmp(sg_result_name((enum sg_result)r), name) == 0)
            return (enum sg_result)r;
    }
    fail_msg("no result %s", name);
    return SG_RESULT_NONE;
}

static struct sg_mono after(const struct sg_story *t, const char *seconds)
{
    return (struct sg_mono){ t->now.ns + atoi(seconds) * SG_NS_PER_S };
}

void sg_story_happen(struct sg_story *t, const char *event)
{
    struct sg_error err = SG_ERROR_INIT;
    char a[SG_STORY_NAME], b[SG_STORY_NAME], c[SG_STORY_NAME], d[SG_STORY_NAME];
    int n = sscanf(event, "%15[^ ,]%*[ ,]%15[^ ,]%*[ ,]%15[^ ,]%*[ ,]%15[^ ,]", a, b, c, d);
    bool ok = true;

    if (strcmp(a, "interrupt") == 0)
        sg_sched_interrupt(t->sched);
    else if (strcmp(a, "enough") == 0)
        sg_sched_give_up(t->sched);
    else if (strcmp(a, "suspend") == 0 || strcmp(a, "resume") == 0)
        sg_sched_suspend(t->sched, a[0] == 's');
    else if (a[0] == '+')
        t->now = after(t, a + 1);
    else if (strcmp(a, "hold") == 0 && n == 3)
        ok = sg_sched_postpone(t->sched, job_named(t, b), after(t, c), &err);
    else if (strcmp(a, "put") == 0 && n == 4)
        ok = sg_sched_postpone_job(t->sched, job_named(t, c), after(t, d), &err);
    else if (strcmp(a, "partly") == 0 && n == 4)
        ok = sg_sched_result_of(t->sched, t->now, job_named(t, b), result_named(c), false,
                                &(struct sg_sched_nodes){ (uint32_t)atoi(d), true }, &err);
    else if (strcmp(a, "again") == 0 && n == 4)
        ok = sg_sched_again(t->sched, t->now, job_named(t, b), result_named(c),
                            &(struct sg_sched_nodes){ (uint32_t)atoi(d), true }, &err);
    else if (strcmp(a, "go") != 0)
        ok = sg_sched_result(t->sched, t->now, job_named(t, a), result_named(b), n == 4, &err);
    if (!ok)
        fail_msg("%s: %s", event, err.text);
}

static void write_done(struct sg_story *t, const struct sg_action *a, struct sg_buf *out)
{
    struct sg_error err = SG_ERROR_INIT;
    const char *because = a->because == UINT32_MAX ? "nobody" : t->job_names[a->because];
    bool ok = sg_buf_addf(out, &err, "%s %s", t->job_names[a->job], sg_result_name(a->result));

    switch (a->why) {
    case SG_WHY_RESULT:
        ok = ok && a->because == UINT32_MAX && a->attempt > 0;
        break;
    case SG_WHY_NEED:
        ok = ok && sg_buf_addf(out, &err, " by %s", because) && a->attempt == 0;
        break;
    case SG_WHY_STAGE:
        ok = ok && sg_buf_addf(out, &err, " (%s stopped the stage)", because);
        break;
    case SG_WHY_KEEP_GOING:
        ok = ok && sg_buf_adds(out, " (enough)", &err) && a->because == UINT32_MAX;
        break;
    case SG_WHY_INTERRUPT:
        ok = ok && sg_buf_adds(out, " (not running)", &err) && a->because == UINT32_MAX;
        break;
    }
    assert_true(ok);
}

static void write_action(struct sg_story *t, const struct sg_action *a, struct sg_buf *out)
{
    struct sg_error err = SG_ERROR_INIT;
    const char *job = a->job < t->config.n_jobs ? t->job_names[a->job] : "";
    long long at_s = a->at.ns / SG_NS_PER_S - 1000;
    bool ok = out->len == 0 || sg_buf_adds(out, ", ", &err);

    switch (a->kind) {
    case SG_ACT_START:
        ok = ok &&
             sg_buf_addf(out, &err, a->attempt == 1 ? "start %s" : "start %s #%u", job, a->attempt);
        break;
    case SG_ACT_STOP:
        ok = ok && sg_buf_addf(out, &err, "%s %s", a->hard ? "kill" : "stop", job);
        break;
    case SG_ACT_DONE:
        write_done(t, a, out);
        break;
    case SG_ACT_RETRY:
        ok = ok &&
             sg_buf_addf(out, &err, "retry %s %s at %llds", job, sg_result_name(a->result), at_s);
        break;
    case SG_ACT_STAGE_STOPPED:
        ok =
            ok && sg_buf_addf(out, &err, "stage %s stopped", t->stage_names[t->jobs[a->job].stage]);
        break;
    case SG_ACT_WAIT:
        ok = ok && (a->at.ns == INT64_MAX ? sg_buf_adds(out, "wait", &err)
                                          : sg_buf_addf(out, &err, "wait until %llds", at_s));
        break;
    case SG_ACT_OVER:
        ok = ok && sg_buf_adds(out, "over", &err);
        break;
    }
    assert_true(ok);
}

void sg_story_ask(struct sg_story *t, struct sg_buf *out)
{
    struct sg_action a;

    sg_buf_clear(out);
    do {
        sg_sched_next(t->sched, t->now, &a);
        write_action(t, &a, out);
    } while (a.kind != SG_ACT_WAIT && a.kind != SG_ACT_OVER);
}

void sg_story_check(const char *graph, const char *script)
{
    struct sg_story *t = sg_story_read(graph);
    struct sg_buf actions = SG_BUF_INIT;
    char *text = strdup(script), *save = NULL;

    assert_non_null(text);
    sg_story_begin(t);
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *expected = strstr(line, " => ");

        assert_non_null(expected);
        *expected = '\0';
        expected += 4;
        sg_story_happen(t, line);
        sg_story_ask(t, &actions);
        if (strcmp(sg_buf_text(&actions), expected) != 0)
            fail_msg("%s\n  expected %s\n  but it is %s", line, expected, sg_buf_text(&actions));
    }
    free(text);
    sg_buf_done(&actions);
    sg_story_free(t);
}
