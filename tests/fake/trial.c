#include "trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/files.h"

static char *const environment[] = { (char[]){ "PATH=/bin" }, NULL };

static void check(bool ok, const struct sg_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static void open_fake(struct trial *t)
{
    struct sg_error err = SG_ERROR_INIT;

    check(sg_fake_store_open(scratch_path(&t->w.scratch, "store"), true, &t->fake, &err), &err);
    t->run.store = sg_fake_store_get(t->fake);
}

static void close_fake(struct trial *t)
{
    sg_attempt_free(t->a);
    t->a = NULL;
    sg_plan_free(t->w.plan);
    t->w.plan = NULL;
    sg_fake_store_close(t->fake);
}

void trial_renew(struct trial *t)
{
    close_fake(t);
    open_fake(t);
}

void trial_open(struct trial *t, const char *graph)
{
    memset(t, 0, sizeof(*t));
    world_open(&t->w, graph);
    world_at(&t->w, "2024-01-01T01:00:00Z");
    if (sg_graph_find_stage(t->w.graph, "landing"))
        world_source(&t->w, "landing@2024-01-01T00", "rows");
    (void)snprintf(t->scratch, sizeof(t->scratch), "%s/tmp/" TRIAL_RUN, t->w.scratch.dir);
    open_fake(t);
    t->run.run_id = TRIAL_RUN;
    t->run.host = "here";
    t->run.boot = "b";
    t->run.scratch = t->scratch;
    t->run.environ_ = environment;
}

void trial_close(struct trial *t)
{
    close_fake(t);
    world_close(&t->w);
}

void trial_graph(struct trial *t, const char *graph)
{
    sg_attempt_free(t->a);
    t->a = NULL;
    world_graph(&t->w, graph);
}

void trial_empty(struct trial *t)
{
    struct sg_error err = SG_ERROR_INIT;

    close_fake(t);
    check(sg_files_remove_tree(scratch_path(&t->w.scratch, "store"), &err), &err);
    check(sg_files_remove_tree(scratch_path(&t->w.scratch, "tmp"), &err), &err);
    if (sg_graph_find_stage(t->w.graph, "landing"))
        world_source(&t->w, "landing@2024-01-01T00", "rows");
    open_fake(t);
    t->forced = false;
}

void trial_plan(struct trial *t)
{
    struct sg_store *plain = t->w.store;

    t->w.store = sg_fake_store_get(t->fake);
    t->w.own_run = TRIAL_RUN;
    world_plan(&t->w);
    t->w.own_run = NULL;
    t->w.store = plain;
    t->run.plan = t->w.plan;
}

struct sg_attempt *trial_attempt(struct trial *t, const char *node, uint32_t number, uint32_t n)
{
    struct sg_error err = SG_ERROR_INIT;
    const struct sg_stage *s;
    struct sg_attempt *a;
    int64_t index;

    world_parse(&t->w, node, &s, &index);
    check(sg_attempt_new(&t->run, s, number, n, &a, &err), &err);
    for (uint32_t i = 0; i < n; i++) {
        a->members[i].index = index + i;
        a->members[i].forced = t->forced;
    }
    sg_attempt_prepare(a);
    return a;
}

void trial_begin_batch(struct trial *t, const char *node, uint32_t n)
{
    sg_attempt_free(t->a);
    t->a = NULL;
    trial_plan(t);
    t->a = trial_attempt(t, node, 1, n);
}

void trial_begin(struct trial *t, const char *node)
{
    trial_begin_batch(t, node, 1);
}

void trial_work(struct trial *t, const char *content)
{
    char path[600];

    for (uint32_t i = 0; i < t->a->n_members; i++) {
        if (!sg_member_is_to_run(&t->a->members[i]))
            continue;
        (void)snprintf(path, sizeof(path), "store/%s/part-0", t->a->members[i].dir);
        scratch_write(&t->w.scratch, path, content);
    }
    (void)snprintf(t->wrote, sizeof(t->wrote), "%s", content);
}

void trial_finish(struct sg_attempt *a, enum sg_result job, const char *why)
{
    struct sg_attempt_outcome o = { .result = job, .why = why, .seconds = 1.5 };

    sg_attempt_finish(a, &o);
}

void trial_end(struct trial *t, enum sg_result job)
{
    trial_finish(t->a, job, job == SG_RESULT_OK ? "" : "exit 3");
}

void trial_make(struct trial *t, const char *node, const char *content)
{
    trial_begin(t, node);
    if (!t->a->to_run)
        fail_msg("%s is not to run: %s %s", node, sg_result_name(trial_result(t)), trial_why(t));
    trial_work(t, content);
    trial_end(t, SG_RESULT_OK);
    assert_result(t, SG_RESULT_OK);
}

enum sg_result trial_result(const struct trial *t)
{
    return t->a->members[0].result;
}

const char *trial_why(const struct trial *t)
{
    return t->a->members[0].why;
}

static void check_whole(const struct trial *t, struct sg_store *store, const char *node)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf dir = SG_BUF_INIT;
    struct sg_output_facts facts;
    const struct sg_stage *s;
    struct sg_marker m;
    int64_t index;

    world_parse(&t->w, node, &s, &index);
    check(sg_stage_path(t->w.graph, s, index, &dir, &err), &err);
    check(sg_marker_read(store, sg_buf_text(&dir), s->marker, node, NULL, &m, NULL, &err), &err);
    check(sg_output_examine(store, sg_buf_text(&dir), true, false, &facts, &err), &err);
    sg_buf_done(&dir);
    if (s->output_version == SG_VERSION_CONTENT && sg_marker_is_receipt(m.kind) &&
        !sg_hash128_is(m.version, facts.version))
        fail_msg("%s is fresh, and its receipt is not of what is there", node);
}

const char *trial_says(struct trial *t, const char *node)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_store_config config = { .root = scratch_path(&t->w.scratch, "store") };
    struct sg_store *plain = t->w.store;
    struct sg_plan *plan = t->w.plan;
    const char *says;

    t->w.plan = NULL;
    check(sg_store_open(&config, &t->w.store, &err), &err);
    world_plan(&t->w);
    says = world_says(&t->w, node);
    if (strcmp(says, "fresh") == 0)
        check_whole(t, t->w.store, node);
    sg_plan_free(t->w.plan);
    sg_store_free(t->w.store);
    t->w.plan = plan;
    t->w.store = plain;
    return says;
}

void trial_assert_text(const struct trial *t, const char *path, const char *text)
{
    char *is = scratch_read(&t->w.scratch, path, NULL);

    if ((is == NULL) != (text == NULL) || (is && strcmp(is, text) != 0))
        fail_msg("%s: %s", path, is ? is : "is not there");
    free(is);
}
