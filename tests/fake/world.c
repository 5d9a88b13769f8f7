#include "world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "stagegraph/claim.h"

#define RUN "20240101T000000-000001"

static void check(bool ok, const struct sg_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

int64_t world_time(const char *utc)
{
    int64_t t = 0;

    if (!sg_utc_parse(utc, strlen(utc), &t))
        fail_msg("no time: %s", utc);
    return t;
}

static void load(struct world *w, const struct sg_setting *param)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_diags diags = SG_DIAGS_INIT;
    bool ok = sg_graph_open(scratch_path(&w->scratch, "g.ini"), NULL, &w->graph, &diags, &err);

    ok = ok &&
         sg_graph_configure(w->graph, NULL, NULL, 0, param, param != NULL, false, &diags, &err);
    if (!ok)
        fail_msg("%s: %s", err.text, diags.n != 0 ? diags.items[0].text : "");
    sg_diags_done(&diags);
    sg_request_init(&w->request, w->request.now_s);
}

static void unload(struct world *w)
{
    sg_plan_free(w->plan);
    w->plan = NULL;
    sg_graph_free(w->graph);
    w->graph = NULL;
    sg_arena_done(&w->arena);
}

void world_open(struct world *w, const char *graph)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_store_config config = { .sync = false };

    memset(w, 0, sizeof(*w));
    scratch_open(&w->scratch);
    scratch_write(&w->scratch, "g.ini", graph);
    w->request.now_s = world_time("2024-01-02T00:00:00Z");
    load(w, NULL);
    config.root = scratch_path(&w->scratch, "store");
    check(sg_store_open(&config, &w->store, &err), &err);
    w->code = sg_code_cache_new(&err);
    check(w->code != NULL, &err);
}

void world_open_flights(struct world *w, const char *graph)
{
    char node[64];

    world_open(w, graph);
    world_at(w, "2024-01-01T03:00:00Z");
    for (int h = 0; h < 3; h++) {
        (void)snprintf(node, sizeof(node), "landing@2024-01-01T%02d", h);
        world_source(w, node, "rows");
    }
}

void world_drop_claims(struct world *w)
{
    struct sg_error err = SG_ERROR_INIT;

    while (w->n_claims != 0)
        check(sg_store_claim_drop(w->store, &w->claims[--w->n_claims], &err), &err);
}

void world_close(struct world *w)
{
    world_drop_claims(w);
    unload(w);
    sg_code_cache_free(w->code);
    sg_store_free(w->store);
    scratch_close(&w->scratch);
}

void world_graph(struct world *w, const char *graph)
{
    unload(w);
    scratch_write(&w->scratch, "g.ini", graph);
    load(w, NULL);
}

void world_param(struct world *w, const char *name, const char *value)
{
    struct sg_setting s = { .key = name, .value = value };

    unload(w);
    load(w, &s);
}

void world_at(struct world *w, const char *utc)
{
    w->request.now_s = world_time(utc);
}

void world_range(struct world *w, const char *from, const char *to)
{
    w->request.has_range = true;
    w->request.range = (struct sg_interval){ world_time(from), world_time(to) };
}

void world_parse(const struct world *w, const char *node, const struct sg_stage **ret_stage,
                 int64_t *ret_index)
{
    struct sg_error err = SG_ERROR_INIT;
    bool whole = false;

    check(sg_node_parse(w->graph, node, ret_stage, ret_index, &whole, &err), &err);
    assert_false(whole);
}

void world_name(struct world *w, const char *node)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_named_node *more =
        SG_ARENA_NEW(&w->arena, w->request.n_named + 1, struct sg_named_node, &err);
    const struct sg_stage *s;
    int64_t index;

    check(more != NULL, &err);
    world_parse(w, node, &s, &index);
    if (w->request.n_named != 0)
        memcpy(more, w->request.named, w->request.n_named * sizeof(*more));
    more[w->request.n_named++] = (struct sg_named_node){ s->id, index };
    w->request.named = more;
}

bool *world_stages(struct world *w, const char *stage)
{
    struct sg_error err = SG_ERROR_INIT;
    bool *set = SG_ARENA_NEW(&w->arena, w->graph->n_stages, bool, &err);
    const struct sg_stage *s = sg_graph_find_stage(w->graph, stage);

    check(set != NULL, &err);
    assert_non_null(s);
    set[s->id.i] = true;
    return set;
}

static bool plan(struct world *w, struct sg_error *err)
{
    struct sg_plan_config c = { .graph = w->graph,
                                .store = w->store,
                                .code = w->code,
                                .request = &w->request,
                                .own_run = w->own_run };

    sg_plan_free(w->plan);
    w->plan = NULL;
    return sg_plan_new(&c, &w->plan, err);
}

void world_plan(struct world *w)
{
    struct sg_error err = SG_ERROR_INIT;

    check(plan(w, &err), &err);
}

const char *world_plan_fails(struct world *w)
{
    static struct sg_error err;

    sg_error_clear(&err);
    assert_false(plan(w, &err));
    assert_int_not_equal(err.code, SG_ERROR_NONE);
    return err.text;
}

struct sg_node_id world_node(const struct world *w, const char *node)
{
    const struct sg_stage *s;
    int64_t index;

    world_parse(w, node, &s, &index);
    return sg_plan_find(w->plan, s->id, index);
}

const char *world_says(const struct world *w, const char *node)
{
    static const char *const verdicts[] = {
        [SG_VERDICT_INPUT] = "input",     [SG_VERDICT_FRESH] = "fresh", [SG_VERDICT_RUN] = "run",
        [SG_VERDICT_BLOCKED] = "blocked", [SG_VERDICT_BUSY] = "busy",   [SG_VERDICT_DEBT] = "debt",
    };
    static char texts[4][600];
    static unsigned next;
    char *text = texts[next++ % 4];
    struct sg_node_id n = world_node(w, node);
    struct sg_node_view v;

    if (n.i == SG_NO_NODE)
        return "unseen";
    sg_plan_node(w->plan, n, &v);
    if (v.verdict == SG_VERDICT_INPUT || v.verdict == SG_VERDICT_FRESH)
        return verdicts[v.verdict];
    (void)snprintf(text, sizeof(texts[0]), "%s %s%s%s", verdicts[v.verdict],
                   sg_reason_name(v.reason), v.detail[0] != '\0' ? " " : "", v.detail);
    return text;
}

const char *world_reasons(const struct world *w, const char *node)
{
    static char text[200];
    struct sg_node_view v;

    sg_plan_node(w->plan, world_node(w, node), &v);
    text[0] = '\0';
    for (int r = SG_REASON_FORCED; r < SG_REASON_COUNT; r++)
        if (v.reasons & 1u << r) {
            if (text[0] != '\0')
                strcat(text, " ");
            strcat(text, sg_reason_name((enum sg_reason)r));
        }
    return text;
}

void world_decide(struct world *w, const char *node, struct sg_decide_ask ask,
                  struct sg_decision *ret)
{
    struct sg_error err = SG_ERROR_INIT;
    const struct sg_stage *s;
    int64_t index;

    if (w->plan == NULL)
        world_plan(w);
    world_parse(w, node, &s, &index);
    check(sg_plan_decide(w->plan, s, index, &ask, &w->arena, ret, &err), &err);
}

static char *node_dir(const struct world *w, const char *node, const struct sg_stage **ret)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf dir = SG_BUF_INIT;
    int64_t index;

    world_parse(w, node, ret, &index);
    check(sg_stage_path(w->graph, *ret, index, &dir, &err), &err);
    return sg_buf_move(&dir);
}

void world_build_as(struct world *w, const char *node, const char *content)
{
    struct sg_error err = SG_ERROR_INIT;
    const struct sg_stage *s;
    struct sg_decision d;
    struct sg_marker m;
    struct sg_entry e;
    char *dir = node_dir(w, node, &s);
    struct sg_receipt r = { .node = node,
                            .state = w->accepts ? SG_MARKER_ACCEPTED : SG_MARKER_DONE,
                            .version = sg_hash128_of(content, strlen(content)),
                            .run = RUN,
                            .attempt = 1,
                            .host = "here" };

    world_decide(w, node, (struct sg_decide_ask){ .forced = false }, &d);
    r.stamp = d.stamp;
    r.recipe = d.recipe.hash;
    r.inputs = d.inputs;
    r.n_inputs = d.n_inputs;
    if (d.what == SG_DECIDE_COMPLETE) {
        check(sg_store_rename_marker(w->store, dir, s->partial_marker, s->marker, &e, &err), &err);
    } else {
        check(sg_recipe_write(w->store, &d.recipe, &err), &err);
        if (s->partial) /* as an attempt does */
            check(sg_store_remove_marker(w->store, dir, d.partial ? s->marker : s->partial_marker,
                                         &err),
                  &err);
        check(
            sg_marker_write(w->store, dir, d.partial ? s->partial_marker : s->marker, &r, &m, &err),
            &err);
    }
    free(dir);
}

void world_build(struct world *w, const char *node)
{
    world_build_as(w, node, node);
}

struct todo {
    struct world *w;
    unsigned n;
    char (*nodes)[SG_NODE_TEXT];
    unsigned cap;
};

static bool on_group(void *ctx, const struct sg_plan_group *g)
{
    struct todo *t = ctx;

    for (int64_t x = g->first; x <= g->last; x++) {
        struct sg_interval i;

        if (!sg_calendar_interval(&g->stage->cal, x, &i))
            continue;
        if (t->n == t->cap) {
            t->cap = t->cap * 2 + 16;
            t->nodes = realloc(t->nodes, t->cap * sizeof(*t->nodes));
            assert_non_null(t->nodes);
        }
        sg_node_format(g->stage, x, t->nodes[t->n++]);
    }
    return true;
}

/* A stage whose partitions need each other comes out in time order, so one round does most; what
 * needs a later stage is built in the next. */
void world_build_all(struct world *w)
{
    for (int round = 0; round < 1000; round++) {
        struct todo t = { .w = w };

        world_plan(w);
        (void)sg_plan_groups(w->plan, SG_VERDICT_RUN, on_group, &t);
        for (unsigned i = 0; i < t.n; i++) {
            struct sg_decision d;

            world_decide(w, t.nodes[i], (struct sg_decide_ask){ .planned_upstream = true }, &d);
            if (d.what == SG_DECIDE_RUN)
                world_build(w, t.nodes[i]);
        }
        free(t.nodes);
        if (t.n == 0)
            return;
    }
    fail_msg("still something to run after 1000 rounds");
}

void world_source(struct world *w, const char *node, const char *content)
{
    const struct sg_stage *s;
    char *dir = node_dir(w, node, &s), path[600];

    (void)snprintf(path, sizeof(path), "store/%s/data", dir);
    scratch_write(&w->scratch, path, content);
    scratch_age(&w->scratch, path, 3600);
    if (s->marker != NULL) {
        (void)snprintf(path, sizeof(path), "store/%s/%s", dir, s->marker);
        scratch_write(&w->scratch, path, content);
    }
    free(dir);
}

void world_lose(struct world *w, const char *node)
{
    struct sg_error err = SG_ERROR_INIT;
    const struct sg_stage *s;
    char *dir = node_dir(w, node, &s);

    check(sg_store_remove_tree(w->store, dir, &err), &err);
    free(dir);
}

void world_marker(struct world *w, const char *node, const char *text)
{
    const struct sg_stage *s;
    char *dir = node_dir(w, node, &s), path[600];

    (void)snprintf(path, sizeof(path), "store/%s/%s", dir, s->marker);
    scratch_write(&w->scratch, path, text);
    free(dir);
}

void world_touch(struct world *w, const char *node, const char *utc)
{
    struct timespec times[2] = { { .tv_sec = world_time(utc) }, { .tv_sec = world_time(utc) } };
    const struct sg_stage *s;
    char *dir = node_dir(w, node, &s), path[600];

    (void)snprintf(path, sizeof(path), "store/%s/%s", dir, s->marker);
    assert_int_equal(utimensat(AT_FDCWD, scratch_path(&w->scratch, path), times, 0), 0);
    free(dir);
}

void world_claim(struct world *w, const char *node, const char *run, uint32_t attempt, bool alive)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf text = SG_BUF_INIT, path = SG_BUF_INIT, held = SG_BUF_INIT;
    struct sg_owner o = {
        .node = node, .run = run, .host = "there", .boot = "b", .attempt = attempt, .pid = 1
    };
    enum sg_claim_outcome outcome;
    const struct sg_stage *s;
    int64_t index;
    char label[SG_LABEL_TEXT], full[600];

    world_parse(w, node, &s, &index);
    sg_calendar_label(&s->cal, index, label);
    memset(o.nonce, 'a', 32);
    check(sg_owner_format(&o, &text, &err), &err);
    check(sg_claim_path(s->name, label[0] != '\0' ? label : "_", &path, &err), &err);
    if (alive) {
        assert_true(w->n_claims < WORLD_CLAIMS);
        check(sg_store_claim_take(w->store, sg_buf_text(&path), sg_buf_span(&text),
                                  &w->claims[w->n_claims], &outcome, &held, &err),
              &err);
        assert_int_equal(outcome, SG_CLAIM_TAKEN);
        w->n_claims++;
    } else {
        (void)snprintf(full, sizeof(full), "store/%s", sg_buf_text(&path));
        scratch_write(&w->scratch, full, sg_buf_text(&text));
    }
    sg_buf_done(&text);
    sg_buf_done(&path);
    sg_buf_done(&held);
}

void world_assert_counts(const struct world *w, uint32_t run, uint32_t fresh, uint32_t blocked,
                         uint32_t busy, uint32_t debt)
{
    struct sg_plan_counts c;

    sg_plan_count(w->plan, &c);
    if (c.run != run || c.fresh != fresh || c.blocked != blocked || c.busy != busy ||
        c.debt != debt)
        fail_msg("run %u fresh %u blocked %u busy %u debt %u", c.run, c.fresh, c.blocked, c.busy,
                 c.debt);
    assert_int_equal(c.asked, run + fresh + blocked + busy + debt);
}

struct search {
    const char *text; /* NULL: any */
    bool found;
};

static void find_notice(void *ctx, const char *text)
{
    struct search *s = ctx;

    s->found |= s->text == NULL || strstr(text, s->text) != NULL;
}

void world_assert_notice(const struct world *w, const char *text)
{
    struct search s = { text, false };

    sg_plan_notices(w->plan, find_notice, &s);
    if (!s.found)
        fail_msg("no notice says: %s", text);
}

void world_assert_no_notices(const struct world *w)
{
    struct search s = { NULL, false };

    sg_plan_notices(w->plan, find_notice, &s);
    assert_false(s.found);
}
