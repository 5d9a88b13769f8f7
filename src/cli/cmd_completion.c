/* completion: a script for a shell; __complete: what the script asks of the graph at hand. */
#include <stdio.h>
#include <string.h>

#include "stagegraph/history.h"

#include "cli.h"
#include "completion.h"

static int run_completion(struct sg_cli *cli, struct sg_error *err)
{
    static const struct {
        const char *shell;
        void (*print)(FILE *out);
    } shells[] = {
        { "bash", sg_completion_bash },
        { "zsh", sg_completion_zsh },
        { "fish", sg_completion_fish },
    };
    const char *word = cli->options.n_words == 1 ? cli->options.words[0] : "";

    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
        if (strcmp(word, shells[i].shell) == 0) {
            shells[i].print(stdout);
            return SG_EXIT_OK;
        }
    sg_error_set(err, SG_ERROR_USAGE, 0, "completion%s%s: name a shell: bash, zsh or fish",
                 *word ? " " : "", word);
    return -1;
}

const struct sg_command sg_cmd_completion = {
    .name = "completion",
    .summary = "a completion script for a shell",
    .usage = "bash|zsh|fish",
    .detail =
        "bash: source <(stagegraph completion bash)\n"
        "zsh:  stagegraph completion zsh >DIR/_stagegraph, with DIR in $fpath before compinit\n"
        "fish: stagegraph completion fish >~/.config/fish/completions/stagegraph.fish",
    .nodes = true,
    .no_graph = true,
    .run = run_completion,
};

/* ---- what the scripts ask ---- */

/* Options that the graph gives to a command: params, and dates of stages. */
static void print_graph_options(const struct sg_graph *g, const char *command)
{
    unsigned groups = 0;

    for (size_t i = 0; sg_commands[i]; i++)
        if (strcmp(sg_commands[i]->name, command) == 0)
            groups = sg_commands[i]->groups;
    for (uint32_t i = 0; (groups & SG_GROUP_PROFILE) && i < g->n_params; i++) {
        (void)printf("--%s\n", g->params[i].option);
        if (g->params[i].type == SG_PARAM_BOOL)
            (void)printf("--no-%s\n", g->params[i].option);
    }
    for (uint32_t i = 0; (groups & SG_GROUP_RANGE) && i < g->n_stages; i++)
        if (!g->stages[i].is_source)
            (void)printf("--%s-start-date\n--%s-end-date\n", g->stages[i].name, g->stages[i].name);
}

static bool print_run(void *ctx, const struct sg_history_run *r)
{
    (void)ctx;
    (void)printf("%s\n", r->run);
    return true;
}

static void print_runs(const struct sg_graph *g, struct sg_error *err)
{
    struct sg_history *h;

    if (!sg_history_open(g->state, true, &h, NULL, err))
        return;
    if (h && !sg_history_runs(h, 50, print_run, NULL, err))
        sg_error_clear(err); /* nothing to complete is no error */
    sg_history_close(h);
}

/* Whatever is wrong, there is nothing to complete: silence, and status 0. */
static int run_complete(struct sg_cli *cli, struct sg_error *err)
{
    const struct sg_options *o = &cli->options;
    const char *what = o->n_words ? o->words[0] : "";
    const struct sg_graph *g;

    cli->silent = true;
    if (!sg_cli_load(cli, err))
        return SG_EXIT_OK;
    g = cli->graph;
    if (strcmp(what, "stages") == 0) {
        for (uint32_t i = 0; i < g->n_stages; i++)
            if (!g->stages[i].is_source)
                (void)printf("%s\n", g->stages[i].name);
    } else if (strcmp(what, "profiles") == 0) {
        for (uint32_t i = 0; i < g->n_profiles; i++)
            (void)printf("%s\n", g->profiles[i].name);
    } else if (strcmp(what, "runs") == 0) {
        print_runs(g, err);
    } else if (strcmp(what, "options") == 0 && o->n_words == 2) {
        print_graph_options(g, o->words[1]);
    }
    return SG_EXIT_OK;
}

const struct sg_command sg_cmd_complete = {
    .name = "__complete",
    .summary = "what completion scripts ask of the graph at hand",
    .usage = "stages|profiles|runs|options COMMAND",
    .detail = "",
    .nodes = true,
    .no_graph = true,
    .hidden = true,
    .run = run_complete,
};
