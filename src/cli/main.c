/* stagegraph: words in, an exit status out. The only place where the process ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/text.h"

#include "cli.h"

#define VERSION "0.1.0"

const struct sg_command *const sg_commands[] = {
    &sg_cmd_hourly,     &sg_cmd_backfill,  &sg_cmd_run,
    &sg_cmd_plan,       &sg_cmd_resume,    &sg_cmd_explain,
    &sg_cmd_status,     &sg_cmd_history,   &sg_cmd_log,
    &sg_cmd_graph,      &sg_cmd_check,     &sg_cmd_accept,
    &sg_cmd_invalidate, &sg_cmd_init,      &sg_cmd_completion,
    &sg_cmd_complete,   &sg_cmd_reference, NULL,
};

static const struct sg_command *find_command(const char *name, struct sg_error *err)
{
    const char *names[32];
    const char *near;
    size_t n = 0;

    for (size_t i = 0; sg_commands[i]; i++) {
        if (strcmp(sg_commands[i]->name, name) == 0)
            return sg_commands[i];
        if (!sg_commands[i]->hidden)
            names[n++] = sg_commands[i]->name;
    }
    near = sg_text_nearest(name, names, n);
    sg_error_set(err, SG_ERROR_USAGE, 0, "unknown command %s%s%s%s", name,
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return NULL;
}

static const char *join_words(struct sg_arena *a, char **argv, struct sg_error *err)
{
    const char *text = "stagegraph";

    for (size_t i = 1; text && argv[i]; i++)
        text = sg_arena_printf(a, err, "%s %s", text, argv[i]);
    return text;
}

/* Words that ask for help are heeded wherever they stand, before the rest is looked at. */
static bool asks_help(char **argv)
{
    for (; *argv && strcmp(*argv, "--") != 0; argv++)
        if (strcmp(*argv, "--help") == 0 || strcmp(*argv, "-h") == 0)
            return true;
    return false;
}

static bool go_to_dir(const struct sg_cli *cli, struct sg_error *err)
{
    const char *dir = cli->options.value[SG_OPT_CHDIR];

    if (dir && chdir(dir) != 0)
        return sg_error_set(err, SG_ERROR_USAGE, errno, "-C %s", dir);
    return true;
}

static int help(struct sg_cli *cli, const struct sg_command *c)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_diags diags = SG_DIAGS_INIT;
    const char *env = getenv("STAGEGRAPH_GRAPH");
    const char *path = cli->options.value[SG_OPT_GRAPH] ? cli->options.value[SG_OPT_GRAPH]
                       : env && *env                    ? env
                                                        : "stagegraph.ini";

    if (!c) {
        sg_help_general(stdout);
        return SG_EXIT_OK;
    }
    /* with a graph at hand its params are shown; without one, or with a broken one, all else is */
    if (access(path, R_OK) == 0 && !sg_graph_open(path, NULL, &cli->graph, &diags, &err))
        cli->graph = NULL;
    sg_diags_done(&diags);
    sg_help_command(stdout, c, cli->graph);
    return SG_EXIT_OK;
}

/* No graph was found, so that the options can't be parsed: perhaps one of them says where it is. */
static void tell_late_option(char **words, struct sg_error *err)
{
    static const char *const late[] = { "-f", "--graph", "-C", "--chdir" };

    for (; *words && strcmp(*words, "--") != 0; words++)
        for (size_t i = 0; i < sizeof(late) / sizeof(*late); i++) {
            size_t n = strlen(late[i]);

            if (strncmp(*words, late[i], n) == 0 && ((*words)[n] == '\0' || (*words)[n] == '='))
                sg_error_set(err, SG_ERROR_USAGE, 0, "%s goes in front of the command", late[i]);
        }
}

/* --now may stand behind the command, whose words are parsed when the graph is there; the graph is
 * read with it. */
static void find_now(struct sg_options *o, char **words)
{
    for (; *words && strcmp(*words, "--") != 0; words++)
        if (strncmp(*words, "--now=", 6) == 0)
            o->value[SG_OPT_NOW] = *words + 6;
        else if (strcmp(*words, "--now") == 0 && words[1])
            o->value[SG_OPT_NOW] = words[1];
}

static int run_command(struct sg_cli *cli, char **words, struct sg_error *err)
{
    const struct sg_command *c = cli->command;

    find_now(&cli->options, words);
    if (!c->no_graph && !sg_cli_load(cli, err)) {
        if (!cli->graph_path)
            tell_late_option(words, err);
        return -1;
    }
    if (!sg_options_parse(&cli->options, &cli->arena, words, c->groups | SG_GROUP_GLOBAL, c->nodes,
                          cli->graph, err))
        return -1;
    return c->run(cli, err);
}

static int invoke(struct sg_cli *cli, char **argv, struct sg_error *err)
{
    size_t used = 0;

    cli->argv_text = join_words(&cli->arena, argv, err);
    if (!cli->argv_text || !sg_options_parse_global(&cli->options, argv + 1, &used, err) ||
        !go_to_dir(cli, err))
        return -1;
    argv += 1 + used;
    if (sg_options_has(&cli->options, SG_OPT_VERSION)) {
        (void)printf("stagegraph " VERSION "\n");
        return SG_EXIT_OK;
    }
    if (argv[0] && strcmp(argv[0], "help") == 0) {
        argv++;
        cli->options.value[SG_OPT_HELP] = "";
    }
    if (argv[0]) {
        cli->command = find_command(argv[0], err);
        if (!cli->command)
            return -1;
    }
    if (sg_options_has(&cli->options, SG_OPT_HELP) || (argv[0] && asks_help(argv + 1)))
        return help(cli, cli->command);
    if (!argv[0]) {
        sg_help_general(stderr);
        return SG_EXIT_USAGE;
    }
    return run_command(cli, argv + 1, err);
}

/* Everything is put away: die of the signal, so that the caller sees what ended us. */
static void die_of(int signo)
{
    struct sigaction dfl = { .sa_handler = SIG_DFL };
    sigset_t set;

    sigemptyset(&dfl.sa_mask);
    (void)sigaction(signo, &dfl, NULL); /* fails for no signal that we wait for */
    sigemptyset(&set);
    sigaddset(&set, signo);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void)raise(signo);
}

/* A stream that the caller has closed (>&-) is a number that the next open() would get: our lines
 * would end in a claim or a database. */
static bool open_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return false;
    return true;
}

/* Whether all that went through stdio came out. A reader who has left is nobody's fault; of what
 * failed in between stdio remembers no more than that. */
static bool is_all_written(void)
{
    struct pollfd p = { .fd = STDOUT_FILENO };
    int sys = fflush(stdout) != 0 ? errno : 0;

    if ((sys == 0 && !ferror(stdout)) || sys == EPIPE ||
        (poll(&p, 1, 0) > 0 && (p.revents & POLLERR)))
        return true;
    (void)fprintf(stderr, "stagegraph: standard output: %s\n",
                  sys != 0 ? strerror(sys) : "not all could be written");
    return false;
}

int main(int argc, char **argv)
{
    struct sg_cli cli = { .arena = SG_ARENA_INIT };
    struct sg_error err = SG_ERROR_INIT;
    extern char **environ;
    int status, signo;

    (void)argc;
    if (!open_streams())
        return SG_EXIT_SYSTEM; /* and nowhere to say so */
    (void)signal(SIGPIPE,
                 SIG_IGN); /* a vanished reader is an error of write, and no end of a run */
    cli.environ_ = environ;
    status = invoke(&cli, argv, &err);
    if (status < 0) {
        (void)fprintf(stderr, "stagegraph: %s\n", err.text);
        status = sg_exit_of(&err);
    }
    signo = cli.signo;
    if (cli.output_lost && status == SG_EXIT_OK)
        status = SG_EXIT_SYSTEM;
    sg_cli_done(&cli);
    if (status == SG_EXIT_OK && !is_all_written())
        status = SG_EXIT_SYSTEM;
    if (!signo)
        return status;
    die_of(signo);
    return 128 + signo; /* as the init of a container we outlive it */
}
