/* resume: the last unfinished run with an explicit range, again. */
#include <inttypes.h>
#include <string.h>

#include "stagegraph/history.h"
#include "stagegraph/json.h"
#include "stagegraph/registry.h"

#include "cli.h"

/*
 * A run's record, in the request column of the history: one JSON object of strings, with
 *   profile, resumes, jobs      each absent when not given
 *   set, param                  "key=value", any number of times
 *   recipe                      "stage=HASH" of each stage, to tell later what has changed
 *   request                     what sg_request_format wrote
 */
bool sg_cli_record_format(struct sg_cli *cli, struct sg_buf *out, struct sg_error *err)
{
    const struct sg_options *o = &cli->options;
    struct sg_json_writer w;
    struct sg_buf request = SG_BUF_INIT, pair = SG_BUF_INIT;
    char hex[SG_HASH128_TEXT];
    bool ok = false;

    if (!sg_request_format(cli->graph, &cli->request, &request, err))
        goto done;
    sg_json_writer_init(&w, out);
    sg_json_begin(&w, NULL, '{');
    if (cli->profile)
        sg_json_text(&w, "profile", cli->profile);
    if (cli->resumes)
        sg_json_text(&w, "resumes", cli->resumes);
    if (o->value[SG_OPT_JOBS])
        sg_json_text(&w, "jobs", o->value[SG_OPT_JOBS]);
    for (size_t i = 0; i < o->n_sets + o->n_params; i++) {
        bool set = i < o->n_sets;
        const struct sg_setting *s = set ? &o->sets[i] : &o->params[i - o->n_sets];

        sg_buf_clear(&pair);
        if (!sg_buf_addf(&pair, err, "%s=%s", s->key, s->value))
            goto done;
        sg_json_text(&w, set ? "set" : "param", sg_buf_text(&pair));
    }
    for (uint32_t i = 0; i < cli->graph->n_stages; i++) {
        const struct sg_plan_stage *v = sg_plan_stage(cli->plan, cli->graph->stages[i].id);

        if (!v->selected)
            continue;
        sg_hash128_format(v->recipe.hash, hex);
        sg_buf_clear(&pair);
        if (!sg_buf_addf(&pair, err, "%s=%s", cli->graph->stages[i].name, hex))
            goto done;
        sg_json_text(&w, "recipe", sg_buf_text(&pair));
    }
    sg_json_text(&w, "request", sg_buf_text(&request));
    sg_json_end(&w);
    ok = sg_json_writer_end(&w, err);
done:
    sg_buf_done(&request);
    sg_buf_done(&pair);
    return ok;
}

struct record {
    const char *profile, *resumes, *jobs, *request;
};

static bool add_setting(struct sg_cli *cli, struct sg_setting **items, size_t *n, size_t *cap,
                        const char *pair, struct sg_error *err)
{
    const char *eq = strchr(pair, '=');
    const char *key;

    if (!eq)
        return true;
    key = sg_arena_copy(&cli->arena, (struct sg_span){ pair, (size_t)(eq - pair) }, err);
    if (!key || !sg_arena_grow(&cli->arena, (void **)items, *n, cap, sizeof(**items), err))
        return false;
    (*items)[(*n)++] = (struct sg_setting){ key, eq + 1 };
    return true;
}

/* With `settings` sets and params go to the options. *ret_valid false: not a record. */
static bool parse_record(struct sg_cli *cli, const char *text, bool settings, struct record *ret,
                         bool *ret_valid, struct sg_error *err)
{
    struct sg_options *o = &cli->options;
    struct sg_json_reader r;
    enum sg_json_event ev;
    const char *key = "";
    bool ok = true;

    memset(ret, 0, sizeof(*ret));
    sg_json_reader_init(&r, sg_span_of(text));
    while (ok && (ev = sg_json_next(&r)) != SG_JSON_END && ev != SG_JSON_BAD) {
        const char *s;

        if (ev != SG_JSON_KEY && ev != SG_JSON_STRING)
            continue;
        s = sg_arena_copy(&cli->arena, r.text, err);
        ok = s != NULL;
        if (!ok || ev == SG_JSON_KEY)
            key = s;
        else if (strcmp(key, "profile") == 0)
            ret->profile = s;
        else if (strcmp(key, "resumes") == 0)
            ret->resumes = s;
        else if (strcmp(key, "jobs") == 0)
            ret->jobs = s;
        else if (strcmp(key, "request") == 0)
            ret->request = s;
        else if (settings && strcmp(key, "set") == 0)
            ok = add_setting(cli, &o->sets, &o->n_sets, &o->cap_sets, s, err);
        else if (settings && strcmp(key, "param") == 0)
            ok = add_setting(cli, &o->params, &o->n_params, &o->cap_params, s, err);
        else if (settings && strcmp(key, "recipe") == 0)
            ok = add_setting(cli, &cli->recipes, &cli->n_recipes, &cli->cap_recipes, s, err);
    }
    sg_json_reader_done(&r);
    *ret_valid = ret->request != NULL;
    return ok;
}

/* ---- which run ---- */

struct names {
    const char **at; /* in the arena of cli */
    size_t n, cap;
};

struct pick {
    struct sg_cli *cli;
    const char *wanted; /* a run's id, or NULL: the last unfinished one with an explicit range */
    const char *run, *command, *record;
    int64_t started_ms;
    struct names alive;
    struct names settled; /* runs that a later one took up again: theirs is the word */
    const char *before;   /* the run that `run`, or the last of `chain`, took up; NULL: none */
    struct names chain;   /* those before, newest first */
    struct sg_error *err;
    bool ok;
};

static bool has_name(const struct names *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->at[i], name) == 0)
            return true;
    return false;
}

/* False: p->ok is false. */
static bool add_name(struct pick *p, struct names *l, const char *name)
{
    const char *copy = sg_arena_text(&p->cli->arena, name, p->err);

    p->ok = copy &&
            sg_arena_grow(&p->cli->arena, (void **)&l->at, l->n, &l->cap, sizeof(*l->at), p->err);
    if (p->ok)
        l->at[l->n++] = copy;
    return p->ok;
}

static bool note_alive(void *ctx, const struct sg_registry_run *r, bool alive)
{
    struct pick *p = ctx;

    return !alive || add_name(p, &p->alive, r->run);
}

static bool is_it(const struct pick *p, const struct sg_history_run *r, bool valid)
{
    if (p->wanted)
        return strcmp(r->run, p->wanted) == 0;
    return r->explicit_range && valid && r->exit_status != 0 && !has_name(&p->settled, r->run) &&
           !has_name(&p->alive, r->run);
}

/* The run, if it is that one; *ret what it says of itself. False: p->ok may be false. */
static bool take_run(struct pick *p, const struct sg_history_run *r, struct record *ret)
{
    bool valid = false;

    memset(ret, 0, sizeof(*ret));
    if (r->request)
        p->ok = parse_record(p->cli, r->request, false, ret, &valid, p->err);
    if (!p->ok || !is_it(p, r, valid))
        return false;
    p->run = sg_arena_text(&p->cli->arena, r->run, p->err);
    p->command = sg_arena_text(&p->cli->arena, r->command, p->err);
    p->record = valid ? sg_arena_text(&p->cli->arena, r->request, p->err) : "";
    p->started_ms = r->started_ms;
    p->before = ret->resumes;
    p->ok = p->run && p->command && p->record;
    return p->ok;
}

/* Newest first, until the run is found. */
static bool look_at(void *ctx, const struct sg_history_run *r)
{
    struct pick *p = ctx;
    struct record record;

    if (take_run(p, r, &record) || !p->ok)
        return false;
    return !record.resumes || add_name(p, &p->settled, record.resumes);
}

/* One that was taken up; what it took up itself is the next. */
static bool follow(void *ctx, const struct sg_history_run *r)
{
    struct pick *p = ctx;
    struct record record = { 0 };
    bool valid = false;

    if (r->request)
        p->ok = parse_record(p->cli, r->request, false, &record, &valid, p->err);
    p->before = record.resumes;
    return p->ok && add_name(p, &p->chain, r->run);
}

static bool find_chain(struct sg_history *h, struct pick *p, struct sg_error *err)
{
    struct sg_history_run_filter f = { .uncounted = true };
    bool ok = true;

    while (ok && p->ok && p->before && !has_name(&p->chain, p->before)) {
        f.run = p->before;
        p->before = NULL; /* it may be gone from the history */
        ok = sg_history_runs(h, &f, follow, p, err);
    }
    return ok && p->ok;
}

/* p->run is NULL afterwards where there is none. */
static bool find_run(struct sg_cli *cli, struct pick *p, struct sg_error *err)
{
    const struct sg_history_run_filter f = { .run = p->wanted,
                                             .with_range = !p->wanted,
                                             .uncounted = true };
    struct sg_history *h;
    bool ok;

    if (!sg_registry_list(cli->graph->state, note_alive, p, err) || !p->ok ||
        !sg_history_open(cli->graph->state, true, &h, NULL, err))
        return false;
    ok = !h || (sg_history_runs(h, &f, look_at, p, err) && p->ok && find_chain(h, p, err));
    sg_history_close(h);
    return ok;
}

bool sg_cli_find_needed(struct sg_cli *cli, struct sg_needed_runs *ret, struct sg_error *err)
{
    struct pick p = { .cli = cli, .err = err, .ok = true };
    struct names all = { 0 };

    if (!find_run(cli, &p, err) || (p.run && !add_name(&p, &all, p.run)))
        return false;
    for (size_t i = 0; i < p.chain.n; i++)
        if (!add_name(&p, &all, p.chain.at[i]))
            return false;
    for (size_t i = 0; i < p.alive.n; i++)
        if (!add_name(&p, &all, p.alive.at[i]))
            return false;
    *ret = (struct sg_needed_runs){
        .runs = all.at,
        .n = all.n,
        .to_resume = p.run,
        .to_resume_ms = p.started_ms,
        .alive = p.alive.n > 0,
    };
    return true;
}

static bool pick_run(struct sg_cli *cli, struct pick *p, struct sg_error *err)
{
    if (!find_run(cli, p, err))
        return false;
    if (!p->run && p->wanted)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "there is no run %s (see stagegraph history)",
                            p->wanted);
    if (!p->run)
        return sg_error_set(
            err, SG_ERROR_USAGE, 0,
            "no unfinished run with a range of its own: nothing to resume (an interrupted "
            "hourly run is caught up by the next one)");
    if (has_name(&p->alive, p->run))
        return sg_error_set(err, SG_ERROR_USAGE, 0, "run %s is alive (see stagegraph status)",
                            p->run);
    if (!*p->record)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "run %s left no record of what it was asked",
                            p->run);
    return true;
}

static bool take_done(void *ctx, const struct sg_history_attempt *a)
{
    struct sg_cli *cli = ctx;
    struct sg_request *r = &cli->request;
    const struct sg_stage *s;
    int64_t index = 0;
    bool whole = false;
    struct sg_error err = SG_ERROR_INIT;

    if (strcmp(a->result, "ok") != 0 ||
        !sg_node_parse(cli->graph, a->node, &s, &index, &whole, &err) || whole)
        return true; /* a stage that the graph no longer has */
    if (!sg_arena_grow(&cli->arena, (void **)&r->spared, r->n_spared, &r->cap_spared,
                       sizeof(*r->spared), &err))
        return false;
    r->spared[r->n_spared++] = (struct sg_named_node){ s->id, index };
    return true;
}

/* Forced nodes that the run has done, or one that it took up, are not forced again. */
static bool spare_done(struct sg_cli *cli, const struct pick *p, struct sg_error *err)
{
    struct sg_history_filter f = { .run = NULL };
    struct sg_history *h;
    bool ok;

    if (!cli->request.force_all && !cli->request.force)
        return true;
    if (!sg_history_open(cli->graph->state, true, &h, NULL, err))
        return false;
    f.run = p->run;
    ok = !h || sg_history_attempts(h, &f, take_done, cli, err);
    for (size_t i = 0; h && ok && i < p->chain.n; i++) {
        f.run = p->chain.at[i];
        ok = sg_history_attempts(h, &f, take_done, cli, err);
    }
    sg_history_close(h);
    return ok;
}

/* ---- what has changed ---- */

/* Is a stage built otherwise now than in the run that is resumed? */
static bool has_changed(const struct sg_cli *cli, const struct sg_stage *s)
{
    char hex[SG_HASH128_TEXT];

    sg_hash128_format(sg_plan_stage(cli->plan, s->id)->recipe.hash, hex);
    for (size_t i = 0; i < cli->n_recipes; i++)
        if (strcmp(cli->recipes[i].key, s->name) == 0)
            return strcmp(cli->recipes[i].value, hex) != 0;
    return false;
}

struct changes {
    const struct sg_cli *cli;
    const struct sg_stage *stage;
    unsigned n_told; /* of the stage */
};

/* By what it makes stale in what was done already. */
static bool tell_change(void *ctx, const struct sg_plan_group *g)
{
    struct changes *c = ctx;

    if (g->stage != c->stage || g->reason < SG_REASON_CODE || g->reason > SG_REASON_VERSION)
        return true;
    if (c->n_told++ >= 8)
        return false;
    (void)fprintf(stderr, "stagegraph: changed since: %s of %s, %s: %u node%s\n",
                  sg_reason_name(g->reason), g->stage->name, g->detail, g->count,
                  g->count == 1 ? "" : "s");
    return true;
}

void sg_cli_tell_changes(const struct sg_cli *cli)
{
    for (uint32_t i = 0; i < cli->graph->n_stages; i++) {
        struct changes c = { .cli = cli, .stage = &cli->graph->stages[i] };

        if (!has_changed(cli, c.stage))
            continue;
        (void)sg_plan_groups(cli->plan, SG_VERDICT_RUN, tell_change, &c); /* it may stop early */
        if (c.n_told == 0)
            (void)fprintf(stderr, "stagegraph: changed since: how %s is made\n", c.stage->name);
    }
}

static int run_resume(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_options *o = &cli->options;
    struct pick p = {
        .cli = cli, .wanted = o->n_words ? o->words[0] : NULL, .err = err, .ok = true
    };
    struct record record;
    bool valid;

    if (o->n_words > 1) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "resume takes one run");
        return -1;
    }
    if (!pick_run(cli, &p, err) || !parse_record(cli, p.record, true, &record, &valid, err))
        return -1;
    if (record.jobs && !o->value[SG_OPT_JOBS])
        o->value[SG_OPT_JOBS] = record.jobs;
    cli->resumes = p.run;
    (void)fprintf(stderr, "stagegraph: resuming run %s: %s\n", p.run, p.command);
    if (!sg_cli_configure(cli, record.profile, false, err) ||
        !sg_request_parse(cli->graph, sg_span_of(record.request), &cli->arena, &cli->request,
                          err)) {
        (void)sg_error_wrap(err, "resume run %s", p.run); /* what it was asked, the graph lacks */
        return -1;
    }
    if (!spare_done(cli, &p, err) || !sg_cli_open_store(cli, err))
        return -1;
    cli->now_s = cli->request.now_s;
    return sg_cli_plan_and_run(cli, err);
}

const struct sg_command sg_cmd_resume = {
    .name = "resume",
    .summary = "take up the last unfinished run with an explicit range again",
    .usage = "[RUN] [OPTIONS]",
    .detail = "Range, time, params and selection are as they were; the graph file and the code are "
              "today's.\nOnly what is not done yet runs. With RUN, any run of the history.",
    .groups = SG_GROUP_RUN | SG_GROUP_OUTPUT,
    .nodes = true,
    .run = run_resume,
};
