/* A plan shown, or carried out: outputs, signals, history, the loop. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "stagegraph/claim.h"
#include "stagegraph/console.h"
#include "stagegraph/events.h"
#include "stagegraph/history.h"
#include "stagegraph/logs.h"
#include "stagegraph/loop.h"
#include "stagegraph/plan_json.h"
#include "stagegraph/plan_text.h"
#include "stagegraph/recorder.h"
#include "stagegraph/run.h"

#include "cli.h"
#include "outputs.h"
#include "pace.h"
#include "state.h"

#define TICK_NS (SG_CONSOLE_TICK_MS * SG_NS_PER_MS)

/* ---- what usually takes how long ---- */

struct usual {
    struct sg_history *history; /* NULL: nothing is known */
    struct sg_usual *by_stage;  /* asked once a stage */
    bool *asked;
};

static void ask_usual(void *ctx, const struct sg_stage *s, struct sg_usual *ret)
{
    struct usual *u = ctx;
    struct sg_error err = SG_ERROR_INIT;
    int64_t n = 0;

    if (u->by_stage && !u->asked[s->id.i]) {
        struct sg_usual *at = &u->by_stage[s->id.i];

        u->asked[s->id.i] = true;
        at->median_s = at->p90_s = NAN;
        if (u->history &&
            !sg_history_usual(u->history, s->name, &at->median_s, &at->p90_s, &n, &err))
            u->history = NULL; /* an estimate is worth no failure, and no second wait for a lock */
        if (n == 0)
            at->median_s = at->p90_s = NAN;
    }
    *ret = u->by_stage ? u->by_stage[s->id.i] : (struct sg_usual){ NAN, NAN };
}

static void init_usual(struct sg_cli *cli, struct sg_history *h, struct usual *u)
{
    struct sg_error err = SG_ERROR_INIT;

    u->history = h;
    u->asked = SG_ARENA_NEW(&cli->arena, cli->graph->n_stages, bool, &err);
    u->by_stage =
        u->asked ? SG_ARENA_NEW(&cli->arena, cli->graph->n_stages, struct sg_usual, &err) : NULL;
}

/* Asks now for all that a run may want to know, and never again: to read can block. */
static void ask_all_usual(struct sg_cli *cli, struct usual *u)
{
    for (uint32_t i = 0; i < cli->graph->n_stages; i++) {
        const struct sg_stage *s = &cli->graph->stages[i];
        const struct sg_plan_stage *v = sg_plan_stage(cli->plan, s->id);
        struct sg_usual ignored;

        if (!s->is_source && v->n_run + v->n_blocked > 0)
            ask_usual(u, s, &ignored);
    }
    u->history = NULL;
}

/* ---- plan ---- */

/* plan --exit-code: 6 with something to run, else 4 or 3 where they apply. */
static int plan_status(const struct sg_cli *cli)
{
    struct sg_plan_counts c;

    if (!sg_options_has(&cli->options, SG_OPT_EXIT_CODE))
        return SG_EXIT_OK;
    sg_plan_count(cli->plan, &c);
    if (c.run > 0)
        return SG_EXIT_TO_RUN;
    if (c.busy > 0)
        return SG_EXIT_BUSY;
    return c.blocked_must > 0 ? SG_EXIT_BLOCKED : SG_EXIT_OK;
}

static int32_t jobs_of(const struct sg_cli *cli)
{
    return (int32_t)sg_options_number(&cli->options, SG_OPT_JOBS, cli->graph->jobs);
}

int sg_cli_show_plan(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_history *history = NULL;
    struct sg_error ignored = SG_ERROR_INIT;
    struct sg_outputs outs;
    struct usual usual;
    struct sg_usual_source source = { ask_usual, &usual };
    struct sg_store_traffic traffic;
    struct sg_view view;
    int32_t jobs = jobs_of(cli);
    int status = -1;

    if (!sg_outputs_open(cli, &outs, err))
        return -1;
    if (!sg_history_open(cli->graph->state, true, &history, NULL, &ignored))
        history = NULL; /* only estimates are lost */
    init_usual(cli, history, &usual);
    if (!sg_view_open(cli->plan, &view, err))
        goto done;
    if (outs.json) {
        struct sg_plan_json how = { .jobs = jobs, .usual = &source };

        if (!sg_plan_json_write(outs.json, &view, &how, err))
            goto close;
    }
    if (!outs.json || outs.json_to_file) {
        struct sg_plan_text how = {
            .program = sg_program_words(cli),
            .notices = outs.notices,
            .jobs = jobs,
            .verbose = sg_options_has(&cli->options, SG_OPT_VERBOSE),
            .usual = &source,
        };

        sg_plan_text_write(outs.people, &view, &how);
        if (how.verbose && sg_store_counted(cli->store, &traffic))
            sg_plan_text_traffic(outs.people, &traffic);
    }
    status = plan_status(cli);
close:
    sg_view_close(&view);
done:
    sg_outputs_close(&outs);
    sg_history_close(history);
    return status;
}

/* ---- run ---- */

struct execution {
    struct sg_cli *cli;
    struct sg_outputs outs;
    struct sg_state state;
    struct sg_console *console;
    struct sg_events *events;
    struct sg_recorder *recorder;
    struct sg_loop *loop;
    struct sg_run *run;
    struct sg_timer *timer;
    struct sg_pace pace;
    struct usual usual;
    struct sg_usual_source source;
    char run_id[SG_RUN_ID_TEXT];
    const char *host, *boot;
    char *shim;
    int32_t jobs, keep_going;
    struct sg_buf record;
};

/* Started with `&`, or sent there after a ^Z. A terminal that is not ours to control has no
 * foreground that would be news to us. */
static bool is_in_background(void)
{
    pid_t front = tcgetpgrp(STDOUT_FILENO);

    return front > 0 && front != getpgrp();
}

static void on_tick(void *ctx)
{
    struct execution *x = ctx;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_mono now = sg_mono_now();

    x->timer = NULL;
    sg_console_background(x->console, x->outs.block && is_in_background());
    sg_console_tick(x->console, now);
    sg_pace_look(&x->pace);
    if (!sg_loop_timer(x->loop, (struct sg_mono){ now.ns + TICK_NS }, on_tick, x, &x->timer, &err))
        x->timer = NULL; /* the show stands still, the run goes on */
}

static void resize(struct execution *x)
{
    struct winsize w;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0)
        sg_console_resize(x->console, w.ws_col, w.ws_row);
}

/* Stops as anybody does whom TSTP finds unprepared: the shell sees what stopped us, and without
 * job control (nobody could wake us) the kernel lets us go on. CONT brings us back here. */
static void stop(void)
{
    const struct timespec at_once = { 0 };
    sigset_t stops, wakes;

    sigemptyset(&stops);
    sigaddset(&stops, SIGTSTP);
    sigemptyset(&wakes);
    sigaddset(&wakes, SIGCONT);
    (void)raise(SIGTSTP); /* none of these can fail */
    (void)sigprocmask(SIG_UNBLOCK, &stops, NULL);
    (void)sigprocmask(SIG_BLOCK, &stops, NULL);
    (void)sigtimedwait(&wakes, NULL, &at_once); /* this CONT is dealt with here */
}

static void suspend(struct execution *x)
{
    sg_console_hide(x->console);
    sg_run_suspend(x->run, true);
    stop();
    sg_console_background(x->console, x->outs.block && is_in_background());
    resize(x); /* in the background one isn't told */
    sg_run_suspend(x->run, false);
}

static void on_signal(void *ctx, int signo)
{
    struct execution *x = ctx;

    if (signo == SIGTSTP)
        suspend(x);
    else if (signo == SIGWINCH)
        resize(x);
    else if (signo == SIGCONT) { /* after a STOP, which nobody announces */
        sg_console_lost(x->console);
        resize(x);
    } else {
        if (!x->cli->signo)
            x->cli->signo = signo;
        sg_console_hide(x->console); /* with the ^C that the terminal has shown */
        sg_run_interrupt(x->run, signo);
    }
}

static bool watch_signals(struct execution *x, struct sg_error *err)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT, SIGWINCH };
    struct sigaction old;
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        /* what the caller ignores stays ignored: nohup, a shell's background jobs */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN &&
            signals[i] != SIGTERM)
            continue;
        sigaddset(&set, signals[i]);
    }
    (void)signal(SIGTTOU,
                 SIG_IGN); /* in the background a run is heard, not stopped (stty tostop) */
    return sg_loop_signals(x->loop, &set, on_signal, x, err);
}

static void tell(void *ctx, const char *text)
{
    struct execution *x = ctx;

    if (x->console)
        sg_console_hide(x->console);
    sg_out_printf(x->outs.notices, "stagegraph: %s\n", text);
    sg_out_flush(x->outs.notices);
}

/* Damage inside the history shows when it is read or written. */
static void tell_of_history(struct execution *x)
{
    const char *notice = x->state.history ? sg_history_notice(x->state.history) : NULL;

    if (notice && notice != x->state.notice)
        tell(x, notice);
}

static bool has_work(const struct sg_plan *p)
{
    struct sg_plan_counts c;

    sg_plan_count(p, &c);
    return c.run > 0 || c.completes > 0 || c.blocked > c.blocked_must;
}

/* resume takes up runs with a range of their own; of others the same words do it. */
static const char *goes_on_by(struct sg_cli *cli)
{
    bool explicit = cli->request.has_range || cli->request.n_named > 0;

    return explicit ? sg_resume_words(cli) : cli->argv_text;
}

static bool open_sinks(struct execution *x, struct sg_sink *sinks, uint32_t *n,
                       struct sg_error *err)
{
    struct sg_cli *cli = x->cli;
    bool verbose = sg_options_has(&cli->options, SG_OPT_VERBOSE);
    struct sg_console_config console = {
        .out = x->outs.people,
        .notices = x->outs.notices,
        .quiet = sg_options_has(&cli->options, SG_OPT_QUIET),
        .verbose = verbose,
        .block = x->outs.block,
        .jobs = x->jobs,
        .program = sg_program_words(cli),
        .resume = goes_on_by(cli),
        .usual = &x->source,
    };
    struct sg_events_config events = {
        .out = x->outs.json, .verbose = verbose, .jobs = x->jobs, .usual = &x->source
    };
    struct sg_recorder_config recorder = {
        .history = x->state.history,
        .command = cli->argv_text,
        .request = sg_buf_text(&x->record),
        .now_s = cli->now_s,
        .explicit_range = cli->request.has_range || cli->request.n_named > 0,
        .pid = getpid(),
        .host = x->host,
        .boot = x->boot,
        .notice = tell,
        .ctx = x,
    };

    x->source = (struct sg_usual_source){ ask_usual, &x->usual };
    *n = 0;
    if (!sg_console_new(&console, &x->console, err))
        return false;
    if (x->state.history) {
        if (!sg_recorder_new(&recorder, &x->recorder, err))
            return false;
        sinks[(*n)++] = sg_recorder_sink(x->recorder);
    }
    if (x->outs.json) {
        if (!sg_events_new(&events, &x->events, err))
            return false;
        sinks[(*n)++] = sg_events_sink(x->events);
    }
    sinks[(*n)++] = sg_console_sink(x->console);
    sinks[(*n)++] = sg_pace_sink(&x->pace); /* the last: when the others have printed */
    return true;
}

static bool prepare(struct execution *x, struct sg_sink *sinks, struct sg_error *err)
{
    struct sg_cli *cli = x->cli;
    struct sg_run_config c = {
        .plan = cli->plan,
        .store = cli->store,
        .run_id = x->run_id,
        .command = cli->command->name,
        .profile = cli->profile,
        .environ_ = cli->environ_,
        .wait = sg_options_has(&cli->options, SG_OPT_WAIT),
        .no_log = sg_options_has(&cli->options, SG_OPT_NO_LOG),
        .sinks = sinks,
        .usual = &x->source,
    };

    if (has_work(cli->plan)) {
        if (!sg_state_enter(cli, x->run_id, tell, x, &x->state, err) ||
            !sg_cli_find(cli, "stagegraph-shim", &x->shim, err) ||
            !sg_cli_open_yarn(cli, cli->graph->store.deadline_s, err) ||
            !sg_cli_record_format(cli, &x->record, err))
            return false;
    }
    init_usual(cli, x->state.history, &x->usual);
    ask_all_usual(cli, &x->usual);
    if (!sg_host_facts(&cli->arena, &x->host, &x->boot, err) ||
        !open_sinks(x, sinks, &c.n_sinks, err) || !sg_loop_new(4, &x->loop, err))
        return false;
    c.loop = x->loop;
    c.yarn = cli->yarn;
    c.host = x->host;
    c.boot = x->boot;
    c.shim = x->shim;
    c.jobs = x->jobs;
    c.keep_going = x->keep_going;
    if (!sg_run_new(&c, &x->run, err))
        return false;
    sg_pace_init(&x->pace, x->loop, x->run, &x->outs);
    return !has_work(cli->plan) || watch_signals(x, err);
}

/* Signals are still blocked: one that came meanwhile is for now. */
static bool is_undisturbed(void *ctx)
{
    sigset_t pending;

    (void)ctx;
    return sigpending(&pending) != 0 ||
           (!sigismember(&pending, SIGINT) && !sigismember(&pending, SIGTERM) &&
            !sigismember(&pending, SIGHUP));
}

/* log_keep and log_limit, when a run that executed something is over. */
static void prune_logs(struct execution *x)
{
    const struct sg_logs_prune how = {
        .state = x->cli->graph->state,
        .own = x->run_id,
        .keep_s = x->cli->graph->log_keep_s,
        .limit = x->cli->graph->log_limit,
        .now = sg_wall_now(),
        .go_on = is_undisturbed,
    };
    struct sg_error soft = SG_ERROR_INIT;
    uint32_t n;

    if (!sg_logs_prune(&how, &n, &soft))
        tell(x, soft.text);
}

int sg_cli_execute(struct sg_cli *cli, struct sg_error *err)
{
    struct execution x = { .cli = cli, .state = SG_STATE_INIT };
    struct sg_sink sinks[4];
    int status = -1;

    if (!sg_outputs_open(cli, &x.outs, err))
        return -1;
    x.jobs = jobs_of(cli);
    x.keep_going = (int32_t)sg_options_number(&cli->options, SG_OPT_KEEP_GOING, 0);
    if (!sg_run_id_new(sg_wall_now(), x.run_id, err) || !sg_cli_make_plan(cli, x.run_id, err) ||
        !prepare(&x, sinks, err))
        goto done;
    if (cli->resumes)
        sg_cli_tell_changes(cli);
    if (has_work(cli->plan))
        on_tick(&x);
    if (!sg_run_go(x.run, err))
        goto done;
    tell_of_history(&x);
    if (has_work(cli->plan))
        prune_logs(&x);
    status = sg_outcome_status(sg_run_outcome(x.run));
done:
    sg_pace_done(&x.pace);
    sg_run_free(x.run);
    sg_console_free(x.console);
    sg_events_free(x.events);
    sg_recorder_free(x.recorder);
    sg_state_leave(cli, x.run_id, &x.state);
    sg_loop_free(x.loop); /* from here on signals end us as they find us */
    sg_outputs_close(&x.outs);
    sg_buf_done(&x.record);
    return status;
}

int sg_cli_plan_and_run(struct sg_cli *cli, struct sg_error *err)
{
    if (!sg_options_has(&cli->options, SG_OPT_DRY_RUN))
        return sg_cli_execute(cli, err);
    if (!sg_cli_make_plan(cli, NULL, err))
        return -1;
    if (cli->resumes)
        sg_cli_tell_changes(cli);
    return sg_cli_show_plan(cli, err);
}
