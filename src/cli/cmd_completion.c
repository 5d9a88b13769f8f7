/* completion: a script for a shell; __complete: what the script asks of the graph at hand. */
#include <stdio.h>
#include <string.h>

#include "stagegraph/history.h"
#include "stagegraph/keys.h"

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

/* stage.key= for each key that --set takes. */
static void print_keys(const struct sg_graph *g)
{
    size_t n;
    const struct sg_key *keys = sg_keys(&n);

    for (uint32_t i = 0; i < g->n_stages; i++)
        for (size_t k = 0; k < n; k++)
            if (keys[k].profile && strcmp(keys[k].name, "env.NAME") != 0 &&
                keys[k].section == (g->stages[i].is_source ? SG_SECTION_SOURCE : SG_SECTION_STAGE))
                (void)printf("%s.%s=\n", g->stages[i].name, keys[k].name);
}

static bool print_bool(void)
{
    (void)printf("yes\nno\n");
    return true;
}

/* "stage.key" */
static bool print_key_values(const struct sg_graph *g, const char *word)
{
    const char *dot = strchr(word, '.');
    const struct sg_key *k = NULL;

    for (uint32_t i = 0; dot && i < g->n_stages; i++)
        if (strlen(g->stages[i].name) == (size_t)(dot - word) &&
            strncmp(g->stages[i].name, word, (size_t)(dot - word)) == 0)
            k = sg_key_find(g->stages[i].is_source ? SG_SECTION_SOURCE : SG_SECTION_STAGE, dot + 1);
    if (k && k->type == SG_KEY_BOOL)
        return print_bool();
    for (size_t c = 0; k && k->choices && k->choices[c]; c++)
        (void)printf("%s\n", k->choices[c]);
    for (uint32_t i = 0; k && k->type == SG_KEY_POOL && i < g->n_pools; i++)
        (void)printf("%s\n", g->pools[i].name);
    return true;
}

/* "param" */
static bool print_param_values(const struct sg_param *p, bool attached)
{
    if (p->type == SG_PARAM_BOOL)
        return attached && print_bool();
    for (uint32_t i = 0; i < p->n_choices; i++)
        (void)printf("%s\n", p->choices[i]);
    return true;
}

/*
 * What may stand behind an option that the graph gives, --param or --stage-end-date, or behind
 * stage.key. With a '=' at its end the value is attached. False: it takes no value, or isn't known.
 */
static bool print_values(struct sg_cli *cli, const char *word, struct sg_error *err)
{
    const struct sg_graph *g = cli->graph;
    size_t n = strlen(word);
    bool attached = n > 0 && word[n - 1] == '=';
    char *name = sg_arena_copy(&cli->arena, (struct sg_span){ word, n - attached }, err);

    if (!name)
        return false;
    if (strncmp(name, "--", 2) != 0)
        return print_key_values(g, name);
    for (uint32_t i = 0; i < g->n_params; i++)
        if (strcmp(g->params[i].option, name + 2) == 0)
            return print_param_values(&g->params[i], attached);
    n = strlen(name);
    return (n > 11 && strcmp(name + n - 11, "-start-date") == 0) ||
           (n > 9 && strcmp(name + n - 9, "-end-date") == 0);
}

static bool print_run(void *ctx, const struct sg_history_run *r)
{
    (void)ctx;
    (void)printf("%s\n", r->run);
    return true;
}

static void print_runs(const struct sg_graph *g, struct sg_error *err)
{
    const struct sg_history_run_filter newest = { .limit = 50, .uncounted = true };
    struct sg_history *h;

    if (!sg_history_open(g->state, true, &h, NULL, err))
        return;
    if (h && !sg_history_runs(h, &newest, print_run, NULL, err))
        sg_error_clear(err); /* nothing to complete is no error */
    sg_history_close(h);
}

/* Whatever is wrong, there is nothing to complete: silence, and status 0; 1 where `values` finds no
 * option that takes one. */
static int run_complete(struct sg_cli *cli, struct sg_error *err)
{
    const struct sg_options *o = &cli->options;
    const char *what = o->n_words ? o->words[0] : "";
    const struct sg_graph *g;

    cli->silent = true;
    if (!sg_cli_load(cli, err))
        return strcmp(what, "values") == 0 ? SG_EXIT_FAILED : SG_EXIT_OK;
    g = cli->graph;
    if (strcmp(what, "stages") == 0) {
        for (uint32_t i = 0; i < g->n_stages; i++)
            if (!g->stages[i].is_source)
                (void)printf("%s\n", g->stages[i].name);
    } else if (strcmp(what, "profiles") == 0) {
        for (uint32_t i = 0; i < g->n_profiles; i++)
            (void)printf("%s\n", g->profiles[i].name);
    } else if (strcmp(what, "keys") == 0) {
        print_keys(g);
    } else if (strcmp(what, "values") == 0 && o->n_words == 3) {
        return print_values(cli, o->words[2], err) ? SG_EXIT_OK : SG_EXIT_FAILED;
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
    .usage = "stages|profiles|runs|keys|options COMMAND|values COMMAND OPTION",
    .detail = "",
    .nodes = true,
    .no_graph = true,
    .hidden = true,
    .run = run_complete,
};
