/* status: what runs now, what lingers of dead runs, how fresh the stages are. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/types.h>

#include "stagegraph/claim.h"
#include "stagegraph/clock.h"
#include "stagegraph/history.h"
#include "stagegraph/json.h"
#include "stagegraph/registry.h"
#include "stagegraph/table.h"
#include "stagegraph/text.h"
#include "stagegraph/view.h"

#include "cli.h"
#include "outputs.h"

#define MAX_PIDS 16
#define ASK_S    5 /* for YARN to answer */

/* The applications on YARN of whoever has, or had, a claim. They are worth no failure: *trouble,
 * once it is set, says why they are not known, and nobody is asked again. */
static void find_applications(struct sg_cli *cli, const struct sg_owner *o,
                              struct sg_error *trouble, struct sg_yarn_apps *ret)
{
    char tag[SG_YARN_TAG];

    if (!cli->yarn || trouble->code != SG_ERROR_NONE)
        return;
    sg_yarn_tag(o->nonce, tag);
    (void)!sg_yarn_find(cli->yarn, tag, ret, trouble);
}

/* Claims come stage by stage: each stage is asked for once. */
struct usual_time {
    struct sg_history *history; /* NULL: what is usual is not known */
    const struct sg_stage *of;  /* the last that was asked for */
    double s;
};

struct status {
    struct sg_cli *cli;
    struct sg_out *out;
    struct usual_time usual;
    const struct sg_stage *stage;
    struct sg_error *err;
    struct sg_error yarn; /* why applications are not known */
    uint32_t alive, dead;
    bool want_alive, ok;
};

static void print_elapsed(struct sg_out *out, int64_t started_s)
{
    char text[SG_DURATION_TEXT];
    int64_t s = sg_wall_now().ns / SG_NS_PER_S - started_s;

    sg_duration_format((double)(s > 0 ? s : 0), false, text);
    sg_out_printf(out, "%s", text);
}

/* Of a partition of the stage; NaN: not known. */
static double usual_s(struct usual_time *u, const struct sg_stage *s)
{
    struct sg_error ignored = SG_ERROR_INIT; /* it is worth no failure */
    double p90;
    int64_t n = 0;

    if (u->of == s)
        return u->s;
    u->of = s;
    if (!u->history || !sg_history_usual(u->history, s->name, &u->s, &p90, &n, &ignored) || n == 0)
        u->s = (double)NAN;
    return u->s;
}

static struct sg_history *open_history(const struct sg_graph *g)
{
    struct sg_error ignored = SG_ERROR_INIT;
    struct sg_history *h = NULL;

    return sg_history_open(g->state, true, &h, NULL, &ignored) ? h : NULL;
}

/* "  1m 05s of about 3m 00s  attempt 1 of run … on …" */
static void print_owner(struct status *s, const struct sg_owner *o)
{
    double usual = usual_s(&s->usual, s->stage);
    char text[SG_DURATION_TEXT];

    print_elapsed(s->out, o->started_s);
    if (!isnan(usual)) {
        sg_usual_format(usual, text);
        sg_out_printf(s->out, " of about %s", text);
    }
    sg_out_printf(s->out, "  attempt %" PRIu32 " of run %s on %s", o->attempt, o->run, o->host);
}

static bool print_run(void *ctx, const struct sg_registry_run *r, bool alive)
{
    struct status *s = ctx;

    if (!alive)
        return true;
    if (s->alive++ == 0)
        sg_out_text(s->out, "Runs alive\n");
    sg_out_printf(s->out, "  %s  pid %" PRId64 "  ", r->run, r->pid);
    print_elapsed(s->out, r->started_s);
    sg_out_printf(s->out, "  %s\n", r->command);
    return true;
}

static void print_applications(struct status *s, const struct sg_owner *o)
{
    struct sg_yarn_apps apps = { .n = 0 };

    find_applications(s->cli, o, &s->yarn, &apps);
    for (size_t i = 0; i < apps.n; i++) {
        const struct sg_yarn_app *a = &apps.at[i];

        sg_out_printf(s->out, "    %s  %s  queue %s%s%s\n", a->id, a->state, a->queue,
                      a->tracking_url[0] ? "  " : "", a->tracking_url);
    }
    sg_yarn_apps_done(&apps);
}

static void print_dead(struct status *s, const struct sg_owner *o, const char *node)
{
    pid_t pids[MAX_PIDS];
    size_t n = sg_nonce_find(o->nonce, pids, MAX_PIDS);

    sg_out_printf(s->out, "  %s  run %s attempt %" PRIu32 " died on %s", node, o->run, o->attempt,
                  o->host);
    if (n == 0)
        sg_out_text(s->out, ", no process left");
    else
        sg_out_printf(s->out, ", %zu%s process%s left:", n, n == MAX_PIDS ? " or more" : "",
                      n == 1 ? "" : "es");
    for (size_t i = 0; i < n; i++)
        sg_out_printf(s->out, " %d", (int)pids[i]);
    sg_out_text(s->out, "\n");
    print_applications(s, o);
}

static bool print_claim(void *ctx, const char *name, bool alive, struct sg_span text)
{
    struct status *s = ctx;
    struct sg_owner owner;
    bool valid;
    const char *node = strcmp(name, "_") == 0
                           ? s->stage->name
                           : sg_arena_printf(&s->cli->arena, s->err, "%s@%s", s->stage->name, name);

    if (alive != s->want_alive)
        return true;
    s->ok = node && sg_owner_parse(&s->cli->arena, text, &owner, &valid, s->err);
    if (!s->ok)
        return false;
    if (alive) {
        if (s->alive++ == 0)
            sg_out_text(s->out, "Nodes running\n");
        sg_out_printf(s->out, "  %s  ", node);
        if (valid)
            print_owner(s, &owner);
        sg_out_text(s->out, "\n");
        if (valid)
            print_applications(s, &owner);
        return true;
    }
    if (s->dead++ == 0)
        sg_out_text(s->out,
                    "Left by dead runs (the next run of these nodes ends it and takes over)\n");
    if (valid)
        print_dead(s, &owner, node);
    else
        sg_out_printf(s->out, "  %s  a claim that can't be read\n", node);
    return true;
}

static bool print_claims(struct status *s, bool alive)
{
    const struct sg_graph *g = s->cli->graph;

    s->want_alive = alive;
    for (uint32_t i = 0; i < g->n_stages && s->ok; i++) {
        const char *dir;

        s->stage = &g->stages[i];
        if (s->stage->is_source)
            continue;
        dir = sg_arena_printf(&s->cli->arena, s->err, "_stagegraph/claims/%s", s->stage->name);
        s->ok = dir && sg_store_claim_list(s->cli->store, dir, print_claim, s, s->err) && s->ok;
    }
    return s->ok;
}

/* ---- freshness ---- */

static const struct sg_column columns[] = {
    { "STAGE", false, 8 },  { "FRESH", true, 0 }, { "STALE", true, 0 },
    { "BLOCKED", true, 0 }, { "BUSY", true, 0 },  { "NEWEST FRESH", false, 0 },
};
#define N_COLUMNS ((unsigned)(sizeof(columns) / sizeof(columns[0])))

static void newest_fresh(const struct sg_plan *p, const struct sg_stage *s, char ret[SG_LABEL_TEXT])
{
    const struct sg_plan_stage *v = sg_plan_stage(p, s->id);

    (void)snprintf(ret, SG_LABEL_TEXT, "-");
    for (int64_t i = v->hi; i-- > v->lo;) {
        struct sg_node_view n;

        sg_plan_node(p, sg_plan_find(p, s->id, i), &n);
        if (n.asked && n.verdict == SG_VERDICT_FRESH && i < v->due_end) {
            sg_calendar_label(&s->cal, i, ret);
            if (!*ret)
                (void)snprintf(ret, SG_LABEL_TEXT, "yes"); /* a once */
            return;
        }
    }
}

static void print_freshness(struct status *s)
{
    const struct sg_plan *p = s->cli->plan;
    const struct sg_graph *g = s->cli->graph;
    struct sg_table t;

    sg_table_init(&t, s->out, columns, N_COLUMNS);
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            sg_table_head(&t);
        for (uint32_t i = 0; i < g->n_stages; i++) {
            const struct sg_stage *stage = sg_graph_stage(g, g->order[i]);
            const struct sg_plan_stage *v = sg_plan_stage(p, stage->id);
            char text[4][SG_COUNT_TEXT], label[SG_LABEL_TEXT];
            const char *cells[] = { stage->name, text[0], text[1], text[2], text[3], label };

            if (stage->is_source)
                continue;
            sg_count_format(v->n_fresh, text[0]);
            sg_count_format((int64_t)v->n_run + v->n_debt, text[1]);
            sg_count_format(v->n_blocked, text[2]);
            sg_count_format(v->n_busy, text[3]);
            newest_fresh(p, stage, label);
            if (pass == 0)
                sg_table_measure(&t, cells);
            else
                sg_table_row(&t, cells);
        }
    }
}

/* ---- as JSON: docs/formats.md, "status --json" ---- */

struct status_json {
    struct sg_cli *cli;
    struct sg_json_writer w;
    struct usual_time usual;
    const struct sg_stage *stage;
    struct sg_error *err;
    struct sg_error yarn; /* why applications are not known */
    bool want_alive, ok;
};

static void write_time(struct sg_json_writer *w, const char *key, int64_t t_s)
{
    char text[SG_UTC_TEXT];

    sg_utc_format(t_s, text);
    sg_json_text(w, key, text);
}

static bool write_run(void *ctx, const struct sg_registry_run *r, bool alive)
{
    struct status_json *j = ctx;

    if (!alive)
        return true;
    sg_json_begin(&j->w, NULL, '{');
    sg_json_text(&j->w, "run", r->run);
    sg_json_i64(&j->w, "pid", r->pid);
    write_time(&j->w, "started", r->started_s);
    sg_json_text(&j->w, "command", r->command);
    sg_json_end(&j->w);
    return true;
}

/* null: nobody could be asked */
static void write_applications(struct status_json *j, const struct sg_owner *o)
{
    struct sg_yarn_apps apps = { .n = 0 };

    find_applications(j->cli, o, &j->yarn, &apps);
    if (!j->cli->yarn || j->yarn.code != SG_ERROR_NONE) {
        sg_json_null(&j->w, "applications");
        return;
    }
    sg_json_begin(&j->w, "applications", '[');
    for (size_t i = 0; i < apps.n; i++) {
        const struct sg_yarn_app *a = &apps.at[i];

        sg_json_begin(&j->w, NULL, '{');
        sg_json_text(&j->w, "id", a->id);
        sg_json_text(&j->w, "state", a->state);
        sg_json_text(&j->w, "queue", a->queue);
        sg_json_text(&j->w, "tracking_url", a->tracking_url[0] ? a->tracking_url : NULL);
        sg_json_end(&j->w);
    }
    sg_json_end(&j->w);
    sg_yarn_apps_done(&apps);
}

static void write_owner(struct status_json *j, const struct sg_owner *o, bool alive)
{
    pid_t pids[MAX_PIDS];
    size_t n = alive ? 0 : sg_nonce_find(o->nonce, pids, MAX_PIDS);

    sg_json_text(&j->w, "run", o->run);
    sg_json_i64(&j->w, "attempt", o->attempt);
    sg_json_text(&j->w, "host", o->host);
    write_time(&j->w, "started", o->started_s);
    write_applications(j, o);
    if (alive) {
        sg_json_real(&j->w, "usual_seconds", usual_s(&j->usual, j->stage), 1);
        return;
    }
    sg_json_begin(&j->w, "processes", '[');
    for (size_t i = 0; i < n; i++)
        sg_json_i64(&j->w, NULL, pids[i]);
    sg_json_end(&j->w);
}

static bool write_claim(void *ctx, const char *name, bool alive, struct sg_span text)
{
    struct status_json *j = ctx;
    struct sg_owner owner;
    bool valid;
    const char *node = strcmp(name, "_") == 0
                           ? j->stage->name
                           : sg_arena_printf(&j->cli->arena, j->err, "%s@%s", j->stage->name, name);

    if (alive != j->want_alive)
        return true;
    j->ok = node && sg_owner_parse(&j->cli->arena, text, &owner, &valid, j->err);
    if (!j->ok)
        return false;
    sg_json_begin(&j->w, NULL, '{');
    sg_json_text(&j->w, "node", node);
    sg_json_text(&j->w, "stage", j->stage->name);
    if (valid)
        write_owner(j, &owner, alive);
    sg_json_end(&j->w);
    return true;
}

static bool write_claims(struct status_json *j, const char *key, bool alive)
{
    const struct sg_graph *g = j->cli->graph;

    j->want_alive = alive;
    sg_json_begin(&j->w, key, '[');
    for (uint32_t i = 0; i < g->n_stages && j->ok; i++) {
        const char *dir;

        j->stage = &g->stages[i];
        if (j->stage->is_source)
            continue;
        dir = sg_arena_printf(&j->cli->arena, j->err, "_stagegraph/claims/%s", j->stage->name);
        j->ok = dir && sg_store_claim_list(j->cli->store, dir, write_claim, j, j->err) && j->ok;
    }
    sg_json_end(&j->w);
    return j->ok;
}

static void write_stages(struct status_json *j)
{
    const struct sg_plan *p = j->cli->plan;
    const struct sg_graph *g = j->cli->graph;

    sg_json_begin(&j->w, "stages", '[');
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = sg_graph_stage(g, g->order[i]);
        const struct sg_plan_stage *v = sg_plan_stage(p, s->id);
        char label[SG_LABEL_TEXT];

        if (s->is_source)
            continue;
        newest_fresh(p, s, label);
        sg_json_begin(&j->w, NULL, '{');
        sg_json_text(&j->w, "stage", s->name);
        sg_json_i64(&j->w, "fresh", v->n_fresh);
        sg_json_i64(&j->w, "stale", (int64_t)v->n_run + v->n_debt);
        sg_json_i64(&j->w, "blocked", v->n_blocked);
        sg_json_i64(&j->w, "busy", v->n_busy);
        /* a once has no label: it is fresh, or not */
        sg_json_text(&j->w, "newest_fresh",
                     strcmp(label, "-") == 0 || strcmp(label, "yes") == 0 ? NULL : label);
        sg_json_end(&j->w);
    }
    sg_json_end(&j->w);
}

static bool write_status(struct sg_cli *cli, struct sg_out *out, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    struct status_json j = {
        .cli = cli, .usual.history = open_history(cli->graph), .err = err, .ok = true
    };
    struct sg_interval range;
    bool ok;

    sg_json_writer_init(&j.w, &text);
    sg_json_begin(&j.w, NULL, '{');
    sg_json_text(&j.w, "graph", cli->graph->name);
    write_time(&j.w, "now", cli->now_s);
    sg_json_begin(&j.w, "runs", '[');
    ok = sg_registry_list(cli->graph->state, write_run, &j, err);
    sg_json_end(&j.w);
    ok = ok && write_claims(&j, "running", true) && write_claims(&j, "dead", false) &&
         sg_cli_make_plan(cli, NULL, err);
    if (ok) {
        range = sg_plan_range(cli->plan);
        write_time(&j.w, "from", range.start_s);
        write_time(&j.w, "to", range.end_s);
        write_stages(&j);
        sg_json_end(&j.w);
        ok = sg_json_writer_end(&j.w, err);
    }
    if (ok) {
        sg_out_write(out, text.at, text.len);
        sg_out_text(out, "\n");
    }
    sg_history_close(j.usual.history);
    sg_buf_done(&text);
    return ok;
}

static int run_status(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_outputs outs;
    struct status s = { .cli = cli, .err = err, .ok = true };
    bool ok = false;

    if (!sg_cli_configure(cli, NULL, true, err) || !sg_cli_request(cli, err))
        return -1;
    if (!cli->request.has_range) { /* the last 7 days */
        cli->request.has_range = true;
        cli->request.range = (struct sg_interval){ cli->now_s - INT64_C(7) * 86400, cli->now_s };
    }
    if (!sg_cli_open_store(cli, err) || !sg_cli_open_yarn(cli, ASK_S, err) ||
        !sg_outputs_open(cli, &outs, err))
        return -1;
    s.out = &outs.standard;
    if (outs.json) {
        ok = write_status(cli, outs.json, err);
        goto done;
    }
    if (!sg_registry_list(cli->graph->state, print_run, &s, err))
        goto done;
    if (s.alive == 0)
        sg_out_text(s.out, "No run is alive\n");
    s.alive = 0;
    s.usual.history = open_history(cli->graph);
    if (!print_claims(&s, true) || !print_claims(&s, false))
        goto done;
    if (s.yarn.code != SG_ERROR_NONE)
        sg_out_printf(s.out, "What runs on YARN is not known: %s\n", s.yarn.text);
    if (!sg_cli_make_plan(cli, NULL, err))
        goto done;
    sg_out_text(s.out, "\n");
    print_freshness(&s);
    ok = true;
done:
    sg_history_close(s.usual.history);
    sg_outputs_close(&outs);
    return ok ? SG_EXIT_OK : -1;
}

const struct sg_command sg_cmd_status = {
    .name = "status",
    .summary = "what runs now, what lingers of dead runs, how fresh the stages are",
    .usage = "[OPTIONS]",
    .detail = "Freshness is told over a range, the last 7 days unless one is given.",
    .groups = SG_GROUP_RANGE | SG_GROUP_STATUS,
    .run = run_status,
};
