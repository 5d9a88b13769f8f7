#include "marking.h"

#include <stdio.h>
#include <string.h>

#include "stagegraph/claim.h"
#include "stagegraph/clock.h"
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

static void hold_signals(struct sg_marking *m)
{
    struct sigaction old;
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < N_SIGNALS; i++) /* what the caller ignores stays ignored */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaddset(&set, signals[i]);
    (void)sigprocmask(SIG_BLOCK, &set, &m->before); /* can't fail with these arguments */
}

/* In its place: the outputs point to each other. */
bool sg_marking_open(struct sg_cli *cli, struct sg_marking *ret, struct sg_error *err)
{
    memset(ret, 0, sizeof(*ret));
    ret->cli = cli;
    ret->dry = sg_options_has(&cli->options, SG_OPT_DRY_RUN);
    if (!sg_run_id_new(sg_wall_now(), ret->run_id, err) ||
        (!cli->plan && !sg_cli_make_plan(cli, ret->run_id, err)) ||
        !sg_host_facts(&cli->arena, &ret->run.host, &ret->run.boot, err) ||
        !sg_outputs_open(cli, &ret->outs, err))
        return false;
    ret->run.plan = cli->plan;
    ret->run.store = cli->store;
    ret->run.environ_ = cli->environ_;
    ret->run.run_id = ret->run_id;
    hold_signals(ret);
    return true;
}

bool sg_marking_interrupted(struct sg_marking *m)
{
    sigset_t set;

    if (m->cli->signo == 0 && sigpending(&set) == 0)
        for (size_t i = 0; i < N_SIGNALS && m->cli->signo == 0; i++)
            if (sigismember(&set, signals[i]) == 1)
                m->cli->signo = signals[i];
    return m->cli->signo != 0;
}

bool sg_marking_note(struct sg_marking *m, const struct sg_stage *s, int64_t index,
                     const struct sg_accepted *a, struct sg_error *err)
{
    struct sg_marked *last = m->n_groups ? &m->groups[m->n_groups - 1] : NULL;

    m->n[a->what]++;
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

void sg_marking_close(struct sg_marking *m)
{
    sg_outputs_close(&m->outs);
    if (m->cli->signo == 0) /* else main lets it through, once all is put away */
        (void)sigprocmask(SIG_SETMASK, &m->before, NULL);
}
