#include "marking.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/claim.h"
#include "stagegraph/clock.h"
#include "stagegraph/history.h"
#include "stagegraph/json.h"
#include "stagegraph/table.h"
#include "stagegraph/text.h"

#include "cli.h"

struct sg_marked {
    const struct sg_stage *stage;
    int64_t first, last, count;
    struct sg_accepted a;
};

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
#define N_SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* On the watch's thread: whoever asks twice doesn't wait for a store that is away. */
static void hurry(void *ctx)
{
    struct sg_marking *m = ctx;
    struct sg_yarn *yarn = atomic_load(&m->yarn);

    sg_store_stop(m->cli->store);
    if (yarn)
        sg_yarn_hurry(yarn);
}

static bool hold_signals(struct sg_marking *m, struct sg_error *err)
{
    struct sigaction old;
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < N_SIGNALS; i++) /* what the caller ignores stays ignored */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaddset(&set, signals[i]);
    (void)sigprocmask(SIG_BLOCK, &set, &m->before); /* can't fail with these arguments */
    if (sg_watch_start(&m->watch, &set, hurry, m, err))
        return true;
    (void)sigprocmask(SIG_SETMASK, &m->before, NULL);
    return false;
}

/* ---- events: docs/formats.md, "Events" */

static void begin_event(struct sg_marking *m, struct sg_json_writer *w, struct sg_buf *line,
                        const char *event)
{
    char time[SG_UTC_TEXT];

    sg_utc_format(sg_wall_now().ns / SG_NS_PER_S, time);
    sg_json_writer_init(w, line);
    sg_json_begin(w, NULL, '{');
    sg_json_text(w, "event", event);
    sg_json_text(w, "time", time);
    sg_json_text(w, "run", m->dry ? NULL : m->run_id);
}

static void end_event(struct sg_marking *m, struct sg_json_writer *w, struct sg_buf *line)
{
    struct sg_error err = SG_ERROR_INIT;

    sg_json_end(w);
    if (sg_json_writer_end(w, &err) && sg_buf_addc(line, '\n', &err))
        sg_out_write(m->outs.json, line->at, line->len);
    sg_buf_done(line); /* no memory: an event less, but never half a line */
}

static void tell_started(struct sg_marking *m)
{
    struct sg_buf line = SG_BUF_INIT;
    struct sg_json_writer w;

    if (!m->outs.json)
        return;
    begin_event(m, &w, &line, "run_started");
    sg_json_text(&w, "command", m->cli->command->name);
    sg_json_text(&w, "profile", m->cli->profile);
    end_event(m, &w, &line);
}

static const char *result_name(const struct sg_marking *m, enum sg_accept_what what)
{
    switch (what) {
    case SG_ACCEPT_FRESH:
        return "unchanged";
    case SG_ACCEPT_TAKE:
        return m->taken;
    case SG_ACCEPT_LEFT:
        return "left";
    case SG_ACCEPT_BUSY:
        break;
    }
    return "busy";
}

static void tell_marked(struct sg_marking *m, const struct sg_stage *s, const char *node,
                        const struct sg_accepted *a)
{
    struct sg_buf line = SG_BUF_INIT;
    struct sg_json_writer w;

    if (!m->outs.json || a->what == SG_ACCEPT_FRESH)
        return;
    begin_event(m, &w, &line, "node_marked");
    sg_json_text(&w, "node", node);
    sg_json_text(&w, "stage", s->name);
    sg_json_text(&w, "result", result_name(m, a->what));
    sg_json_text(&w, "detail", *a->why ? a->why : NULL);
    end_event(m, &w, &line);
}

static void tell_finished(struct sg_marking *m, int exit_status)
{
    struct sg_buf line = SG_BUF_INIT;
    struct sg_json_writer w;

    if (!m->outs.json)
        return;
    begin_event(m, &w, &line, "run_finished");
    sg_json_i64(&w, "exit_status", exit_status);
    sg_json_begin(&w, "results", '{');
    for (int i = SG_ACCEPT_FRESH; i <= SG_ACCEPT_BUSY; i++)
        sg_json_i64(&w, result_name(m, (enum sg_accept_what)i), m->n[i]);
    sg_json_end(&w);
    end_event(m, &w, &line);
}

/* ---- the history */

static void tell_notice(void *ctx, const char *text)
{
    struct sg_marking *m = ctx;

    sg_out_printf(m->outs.notices, "stagegraph: %s\n", text);
}

/* No failure of it fails what was asked for. */
static void recorded(struct sg_marking *m, bool ok, struct sg_error *err)
{
    if (ok)
        return;
    (void)sg_error_wrap(err, "the history of this run is not kept");
    tell_notice(m, err->text);
    sg_history_close(m->state.history);
    m->state.history = NULL;
}

static struct sg_history_run history_run(const struct sg_marking *m)
{
    return (struct sg_history_run){
        .run = m->run_id,
        .command = m->cli->argv_text,
        .profile = m->cli->profile,
        .started_ms = m->started_ms,
        .now_s = m->cli->now_s,
        .explicit_range = m->cli->request.has_range || m->cli->request.n_named > 0,
        .exit_status = -1,
        .pid = getpid(),
        .host = m->run.host,
        .boot = m->run.boot,
    };
}

bool sg_marking_enter(struct sg_marking *m, struct sg_error *err)
{
    struct sg_error soft = SG_ERROR_INIT;
    struct sg_history_run r;

    if (m->entered)
        return true;
    if (!sg_cli_open_yarn(m->cli, m->cli->graph->store.deadline_s, err) ||
        !sg_state_enter(m->cli, m->run_id, tell_notice, m, &m->state, err))
        return false;
    m->run.yarn = m->cli->yarn;
    atomic_store(&m->yarn, m->cli->yarn);
    m->entered = true;
    r = history_run(m);
    if (m->state.history)
        recorded(m, sg_history_run_begin(m->state.history, &r, &soft), &soft);
    return true;
}

/* Nothing was run: no attempt, no seconds. */
static void record_marked(struct sg_marking *m, const struct sg_stage *s, int64_t index,
                          const char *node, const struct sg_accepted *a)
{
    struct sg_error err = SG_ERROR_INIT;
    char label[SG_LABEL_TEXT];
    struct sg_history_attempt row = {
        .run = m->run_id,
        .node = node,
        .stage = s->name,
        .label = label,
        .result = m->taken,
        .detail = *a->why ? a->why : NULL,
        .started_ms = sg_wall_now().ns / SG_NS_PER_MS,
        SG_HISTORY_UNSEEN,
    };

    sg_calendar_label(&s->cal, index, label);
    if (m->state.history && a->what == SG_ACCEPT_TAKE)
        recorded(m, sg_history_attempt_add(m->state.history, &row, &err), &err);
}

static void record_end(struct sg_marking *m, int exit_status)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_history_run r = history_run(m);

    if (!m->state.history)
        return;
    r.ended_ms = sg_wall_now().ns / SG_NS_PER_MS;
    r.exit_status = exit_status;
    r.n_ok = m->n[SG_ACCEPT_TAKE];
    r.n_unchanged = m->n[SG_ACCEPT_FRESH];
    r.n_busy = m->n[SG_ACCEPT_BUSY];
    recorded(m,
             sg_history_run_end(m->state.history, &r, &err) &&
                 sg_history_flush(m->state.history, &err),
             &err);
}

/* ---- */

/* In its place: the outputs point to each other. */
bool sg_marking_open(struct sg_cli *cli, const char *taken, struct sg_marking *ret,
                     struct sg_error *err)
{
    memset(ret, 0, sizeof(*ret));
    ret->cli = cli;
    ret->taken = taken;
    ret->state = (struct sg_state)SG_STATE_INIT;
    ret->started_ms = sg_wall_now().ns / SG_NS_PER_MS;
    ret->dry = sg_options_has(&cli->options, SG_OPT_DRY_RUN);
    ret->run.recipes = SG_ARENA_NEW(&cli->arena, cli->graph->n_stages, _Atomic uint64_t, err);
    if (ret->run.recipes == NULL || !sg_run_id_new(sg_wall_now(), ret->run_id, err) ||
        (!cli->plan && !sg_cli_make_plan(cli, ret->run_id, err)) ||
        !sg_host_facts(&cli->arena, &ret->run.host, &ret->run.boot, err) ||
        !sg_outputs_open(cli, &ret->outs, err))
        return false;
    ret->run.plan = cli->plan;
    ret->run.store = cli->store;
    ret->run.environ_ = cli->environ_;
    ret->run.run_id = ret->run_id;
    if (!hold_signals(ret, err)) {
        sg_outputs_close(&ret->outs);
        return false;
    }
    tell_started(ret);
    return true;
}

bool sg_marking_interrupted(struct sg_marking *m)
{
    m->cli->signo = sg_watch_signo(&m->watch);
    return m->cli->signo != 0;
}

bool sg_marking_note(struct sg_marking *m, const struct sg_stage *s, int64_t index,
                     const struct sg_accepted *a, struct sg_error *err)
{
    struct sg_marked *last = m->n_groups ? &m->groups[m->n_groups - 1] : NULL;
    char node[SG_NODE_TEXT];

    m->n[a->what]++;
    sg_node_format(s, index, node);
    tell_marked(m, s, node, a);
    record_marked(m, s, index, node, a);
    if (last && last->stage == s && last->a.what == a->what && strcmp(last->a.why, a->why) == 0) {
        last->last = index;
        last->count++;
        return true;
    }
    if (!sg_arena_grow(&m->cli->arena, (void **)&m->groups, m->n_groups, &m->cap_groups,
                       sizeof(*m->groups), err))
        return false;
    m->groups[m->n_groups++] =
        (struct sg_marked){ .stage = s, .first = index, .last = index, .count = 1, .a = *a };
    return true;
}

static const struct sg_column columns[] = {
    { "RESULT", false, 8 }, { "STAGE", false, 6 },  { "PARTITIONS", false, 0 },
    { "COUNT", true, 0 },   { "REASON", false, 0 },
};
#define N_COLUMNS ((unsigned)(sizeof(columns) / sizeof(columns[0])))

static void partitions(const struct sg_marked *g, char *ret, size_t size)
{
    char first[SG_LABEL_TEXT], last[SG_LABEL_TEXT];

    sg_calendar_label(&g->stage->cal, g->first, first);
    sg_calendar_label(&g->stage->cal, g->last, last);
    if (g->first == g->last)
        (void)snprintf(ret, size, "%s", *first ? first : "-");
    else
        (void)snprintf(ret, size, "%s … %s", first, last); /* two labels fit */
}

void sg_marking_table(struct sg_marking *m, const char *taken)
{
    const char *const words[] = {
        [SG_ACCEPT_TAKE] = taken, [SG_ACCEPT_LEFT] = "left", [SG_ACCEPT_BUSY] = "busy"
    };
    struct sg_table t;

    if (m->n[SG_ACCEPT_TAKE] + m->n[SG_ACCEPT_LEFT] + m->n[SG_ACCEPT_BUSY] == 0)
        return;
    sg_table_init(&t, m->outs.people, columns, N_COLUMNS);
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            sg_table_head(&t);
        for (size_t i = 0; i < m->n_groups; i++) {
            const struct sg_marked *g = &m->groups[i];
            char range[2 * SG_LABEL_TEXT + 8], count[SG_COUNT_TEXT];
            const char *cells[] = { NULL, g->stage->name, range, count, g->a.why };

            if (g->a.what == SG_ACCEPT_FRESH)
                continue;
            cells[0] = words[g->a.what];
            partitions(g, range, sizeof(range));
            sg_count_format(g->count, count);
            if (pass == 0)
                sg_table_measure(&t, cells);
            else
                sg_table_row(&t, cells);
        }
    }
    sg_out_text(m->outs.people, "\n");
}

void sg_marking_close(struct sg_marking *m, int exit_status)
{
    if (sg_marking_interrupted(m))
        exit_status = 128 + m->cli->signo;
    tell_finished(m, exit_status);
    record_end(m, exit_status);
    sg_state_leave(m->cli, m->run_id, &m->state);
    sg_outputs_close(&m->outs);
    sg_watch_stop(&m->watch);
    if (!sg_marking_interrupted(m)) /* else main lets it through, once all is put away */
        (void)sigprocmask(SIG_SETMASK, &m->before, NULL);
}
