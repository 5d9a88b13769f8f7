/*
 * cli: the command line: options as rows, a file a command, the only place that prints or exits.
 *
 * Floor: cli. docs/design.md, "The command line"; section 3 of the contract.
 */
#ifndef STAGEGRAPH_CLI_H
#define STAGEGRAPH_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "stagegraph/arena.h"
#include "stagegraph/code.h"
#include "stagegraph/error.h"
#include "stagegraph/graph.h"
#include "stagegraph/plan.h"
#include "stagegraph/request.h"
#include "stagegraph/store.h"
#include "stagegraph/yarn.h"

#include "options.h"

enum sg_exit {
    SG_EXIT_OK = 0,
    SG_EXIT_FAILED = 1,
    SG_EXIT_USAGE = 2,
    SG_EXIT_BLOCKED = 3,
    SG_EXIT_BUSY = 4,
    SG_EXIT_TIMEOUT = 5,
    SG_EXIT_TO_RUN = 6,
    SG_EXIT_BUG = 70,
    SG_EXIT_SYSTEM = 71,
    SG_EXIT_STORE = 74
};

/* What an invocation has at hand. Zeroed at first; sg_cli_done() frees what was opened. */
struct sg_cli {
    const struct sg_command *command;
    struct sg_options options;
    char *const *environ_;
    const char *graph_path; /* -f, or NULL */
    bool silent;            /* a graph file with errors is not told about (completion) */
    int64_t now_s;
    struct sg_arena arena;
    struct sg_graph *graph;
    const char *profile; /* in force, or NULL */
    struct sg_store *store;
    struct sg_yarn *yarn; /* NULL: not opened, or there is no ResourceManager */
    struct sg_code_cache *code;
    struct sg_request request;
    struct sg_plan *plan;
    const char *resumes;        /* the run that this one takes up again, or NULL */
    struct sg_setting *recipes; /* stage and hash, as they were in that run */
    size_t n_recipes, cap_recipes;
    const char *argv_text; /* the command line for the history */
    bool output_lost;      /* results could not be written: exit 71 if nothing else is wrong */
    int signo;             /* to die of, once everything is put away */
};

/* One command: a row that its file exports. */
struct sg_command {
    const char *name, *summary;
    const char *usage;                                    /* behind "stagegraph NAME " */
    const char *detail;                                   /* paragraphs of --help */
    unsigned groups;                                      /* of options that it takes */
    bool nodes;                                           /* takes NODE…, or other words */
    bool no_graph;                                        /* the graph file is not read before */
    bool hidden;                                          /* for programs; not in --help */
    int (*run)(struct sg_cli *cli, struct sg_error *err); /* exit status; -1: err is set */
};

extern const struct sg_command sg_cmd_hourly, sg_cmd_backfill, sg_cmd_run, sg_cmd_plan,
    sg_cmd_resume, sg_cmd_explain, sg_cmd_status, sg_cmd_history, sg_cmd_log, sg_cmd_graph,
    sg_cmd_check, sg_cmd_accept, sg_cmd_invalidate, sg_cmd_init, sg_cmd_completion, sg_cmd_complete,
    sg_cmd_reference;
extern const struct sg_command *const sg_commands[]; /* NULL at the end */

void sg_cli_done(struct sg_cli *cli);
int sg_exit_of(const struct sg_error *err);

/* ---- setting up, each step on top of the one before ---- */

/* What --now says, or $STAGEGRAPH_NOW; NULL: neither. */
const char *sg_cli_now(const struct sg_cli *cli);
/* Finds the graph file, reads it (diagnostics to standard error), -1/false with err otherwise. */
bool sg_cli_load(struct sg_cli *cli, struct sg_error *err) SG_MUST;
/* Parses the command's words (the graph gives params and stage dates), puts the profile on top. */
bool sg_cli_configure(struct sg_cli *cli, const char *profile, bool lenient,
                      struct sg_error *err) SG_MUST;
bool sg_cli_open_store(struct sg_cli *cli, struct sg_error *err) SG_MUST;
/* Opens cli->yarn where the graph or Hadoop's configuration names a ResourceManager; deadline_s:
 * how long it is waited for. */
bool sg_cli_open_yarn(struct sg_cli *cli, int64_t deadline_s, struct sg_error *err) SG_MUST;
/* Fills cli->request from the options. */
bool sg_cli_request(struct sg_cli *cli, struct sg_error *err) SG_MUST;
/* The absolute path of a part of the installation: beside this program (a build tree), or in
 * ../libexec/stagegraph. */
bool sg_cli_find(struct sg_cli *cli, const char *name, char **ret, struct sg_error *err) SG_MUST;
bool sg_cli_make_plan(struct sg_cli *cli, const char *own_run, struct sg_error *err) SG_MUST;

/* ---- shared by commands ---- */

/* A line each, warnings marked, to standard error. */
void sg_cli_print_diags(const struct sg_diags *d);
/* Prints the plan (table or JSON) and gives plan's exit status. */
int sg_cli_show_plan(struct sg_cli *cli, struct sg_error *err);
/* Runs cli->plan. */
int sg_cli_execute(struct sg_cli *cli, struct sg_error *err);
/* Plans and runs (or shows, with -n) what cli->request asks. */
int sg_cli_plan_and_run(struct sg_cli *cli, struct sg_error *err);

/* resume: says on standard error which stages of the plan are made otherwise than in that run. */
void sg_cli_tell_changes(const struct sg_cli *cli);

/* Runs whose history is needed yet: those alive, the one that resume would take up, and what that
 * one took up. They lie in the arena of cli. */
struct sg_needed_runs {
    const char *const *runs;
    size_t n;
    const char *to_resume; /* NULL: none */
    int64_t to_resume_ms;  /* when it began */
    bool alive;            /* some are */
};
bool sg_cli_find_needed(struct sg_cli *cli, struct sg_needed_runs *ret,
                        struct sg_error *err) SG_MUST;

/* Makes cli->request, sets and params what `record` (a run's request column) says. */
bool sg_cli_record_format(struct sg_cli *cli, struct sg_buf *out, struct sg_error *err) SG_MUST;

void sg_help_general(FILE *out);
void sg_help_command(FILE *out, const struct sg_command *c, const struct sg_graph *g);

#endif
