/* log: what a node's job said. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/files.h"
#include "stagegraph/registry.h"

#include "cli.h"

/* STATE/logs/RUN/STAGE/LABEL.N.log: run ids begin with the second in which their run began, so of
 * the runs of the last second that has the node, the log that was written last is the newest. */
#define SECOND_TEXT (sizeof("20240101T060012") - 1)

struct search {
    struct sg_cli *cli;
    const struct sg_stage *stage;
    char label[SG_LABEL_TEXT];
    int64_t attempt; /* 0: the newest */
    const char *run; /* of the log found */
    const char *path;
    struct timespec written;
};

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static bool find_in_run(struct search *s, const char *run, struct sg_error *err)
{
    int64_t n = s->attempt ? s->attempt : 1;
    struct stat st;

    for (;; n++) {
        const char *path =
            sg_arena_printf(&s->cli->arena, err, "%s/logs/%s/%s/%s.%lld.log", s->cli->graph->state,
                            run, s->stage->name, s->label[0] ? s->label : "_", (long long)n);

        if (!path)
            return false;
        if (stat(path, &st) != 0)
            return true;
        if (s->path && is_before(&st.st_mtim, &s->written))
            return true;
        s->path = path;
        s->written = st.st_mtim;
        s->run = sg_arena_text(&s->cli->arena, run, err);
        if (!s->run)
            return false;
        if (s->attempt)
            return true;
    }
}

static bool find_log(struct search *s, struct sg_error *err)
{
    const char *dir = sg_arena_printf(&s->cli->arena, err, "%s/logs", s->cli->graph->state);
    struct dirent **names = NULL;
    int n = dir ? scandir(dir, &names, visible, alphasort) : -1;
    bool ok = dir != NULL;

    while (n-- > 0) {
        if (ok && (!s->path || strncmp(names[n]->d_name, s->run, SECOND_TEXT) == 0))
            ok = find_in_run(s, names[n]->d_name, err);
        free(names[n]);
    }
    free(names);
    return ok;
}

/* Whether what was written last has come through. A reader who has left ends it, quietly. */
static bool is_written(bool ok, bool *ret_gone, struct sg_error *err)
{
    if (ok)
        return true;
    *ret_gone = errno == EPIPE;
    return *ret_gone || sg_error_set(err, SG_ERROR_SYSTEM, errno, "standard output");
}

static bool copy_rest(int fd, bool *ret_some, bool *ret_gone, struct sg_error *err)
{
    char piece[65536];
    ssize_t n;

    *ret_some = *ret_gone = false;
    while ((n = read(fd, piece, sizeof(piece))) > 0) {
        *ret_some = true;
        if (!is_written(fwrite(piece, 1, (size_t)n, stdout) == (size_t)n, ret_gone, err))
            return false;
        if (*ret_gone)
            return true;
    }
    if (n < 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "read the log");
    return is_written(fflush(stdout) == 0, ret_gone, err);
}

/* Sleeps for a moment; false: the reader has left meanwhile. Nothing need be written to see it. */
static bool wait_a_moment(void)
{
    struct pollfd p = { .fd = STDOUT_FILENO };

    return poll(&p, 1, 100) <= 0 || !(p.revents & (POLLERR | POLLHUP)); /* cut short is fine */
}

struct alive {
    const char *run;
    bool yes;
};

static bool is_alive(void *ctx, const struct sg_registry_run *r, bool alive)
{
    struct alive *a = ctx;

    a->yes |= alive && strcmp(r->run, a->run) == 0;
    return true;
}

/* Prints what is there; with `follow` until the run has ended and nothing more comes. */
static bool print_log(struct search *s, bool follow, struct sg_error *err)
{
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 || sg_error_set(err, SG_ERROR_SYSTEM, errno, "open %s", s->path);
    bool some, gone = false;

    while (ok && !gone) {
        struct alive alive = { s->run, false };

        if (follow)
            ok = sg_registry_list(s->cli->graph->state, is_alive, &alive, err);
        ok = ok && copy_rest(fd, &some, &gone, err);
        if (!alive.yes)
            break;
        if (ok && !gone && !some)
            gone = !wait_a_moment();
    }
    if (fd >= 0)
        (void)close(fd); /* read only */
    return ok;
}

static int run_log(struct sg_cli *cli, struct sg_error *err)
{
    struct search s = { .cli = cli };
    int64_t index = 0;
    bool whole = false;

    if (cli->options.n_words != 1) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "log takes one node, like silver@2024-01-01T05");
        return -1;
    }
    if (!sg_options_int(&cli->options, SG_OPT_ATTEMPT, 1, 1000000, 0, &s.attempt, err) ||
        !sg_node_parse(cli->graph, cli->options.words[0], &s.stage, &index, &whole, err))
        return -1;
    if (whole || s.stage->is_source) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "log %s: name a node, like %s@2024-01-01",
                     cli->options.words[0], s.stage->name);
        return -1;
    }
    sg_calendar_label(&s.stage->cal, index, s.label);
    if (!find_log(&s, err))
        return -1;
    if (!s.path) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "there is no log of %s in %s/logs",
                     cli->options.words[0], cli->graph->state);
        return -1;
    }
    (void)fprintf(stderr, "%s\n", s.path);
    return print_log(&s, sg_options_has(&cli->options, SG_OPT_FOLLOW), err) ? SG_EXIT_OK : -1;
}

const struct sg_command sg_cmd_log = {
    .name = "log",
    .summary = "the newest log of a node",
    .usage = "NODE [--attempt N] [--follow]",
    .detail = "The log goes to standard output, its path to standard error.",
    .groups = SG_GROUP_LOG,
    .nodes = true,
    .run = run_log,
};
