#include "outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

static bool locale_is_utf8(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

    for (size_t i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);

        if (v && *v)
            return strcasestr(v, "utf-8") || strcasestr(v, "utf8");
    }
    return false;
}

static bool wants_colour(const struct sg_cli *cli, bool terminal, bool dumb)
{
    const char *how = cli->options.value[SG_OPT_COLOR];
    const char *no = getenv("NO_COLOR");

    if (!how || strcmp(how, "auto") == 0)
        return terminal && !dumb && !(no && *no);
    return strcmp(how, "always") == 0;
}

/* A file or a pipe is read by programs and editors: it gets UTF-8; a terminal what it can show. */
static void config(const struct sg_cli *cli, int fd, struct sg_out_config *ret)
{
    const char *term = getenv("TERM");
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;
    struct winsize w;

    memset(ret, 0, sizeof(*ret));
    ret->fd = fd;
    ret->terminal = isatty(fd) != 0;
    ret->utf8 = !ret->terminal || locale_is_utf8();
    if (ret->terminal && ioctl(fd, TIOCGWINSZ, &w) == 0) {
        ret->columns = w.ws_col;
        ret->rows = w.ws_row;
    }
    ret->colour = wants_colour(cli, ret->terminal, dumb);
}

static bool same_file(int a, int b)
{
    struct stat x, y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino &&
           x.st_rdev == y.st_rdev;
}

static bool open_json(struct sg_cli *cli, struct sg_outputs *o, struct sg_error *err)
{
    const char *path = cli->options.value[SG_OPT_JSON];
    struct sg_out_config c = { .utf8 = true, .patient = true };

    if (!path)
        return true;
    if (!*path) {
        o->json = &o->standard;
        o->people = &o->error;
        o->block = false;
        return true;
    }
    o->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (o->fd < 0)
        return sg_error_set(err, SG_ERROR_USAGE, errno, "--json=%s", path);
    c.fd = o->fd;
    sg_out_init(&o->file, &c);
    o->json = &o->file;
    o->json_to_file = true;
    return true;
}

bool sg_outputs_open(struct sg_cli *cli, struct sg_outputs *ret, struct sg_error *err)
{
    const char *term = getenv("TERM");
    struct sg_out_config out, error;
    bool runs =
        (cli->command->groups & SG_GROUP_RUN) && !sg_options_has(&cli->options, SG_OPT_DRY_RUN);

    memset(ret, 0, sizeof(*ret));
    ret->fd = -1;
    ret->lost = &cli->output_lost;
    config(cli, STDOUT_FILENO, &out);
    config(cli, STDERR_FILENO, &error);
    out.patient = !runs;
    out.whole = cli->options.value[SG_OPT_JSON] && !*cli->options.value[SG_OPT_JSON];
    ret->block = out.terminal && term && *term && strcmp(term, "dumb") != 0;
    sg_out_init(&ret->standard, &out);
    sg_out_init(&ret->error, &error);
    ret->people = &ret->standard;
    ret->notices = &ret->error;
    if (out.terminal && error.terminal && same_file(STDOUT_FILENO, STDERR_FILENO))
        ret->notices = &ret->standard;
    if (open_json(cli, ret, err))
        return true;
    sg_outputs_close(ret);
    return false;
}

/* A reader that went away is nobody's fault; a full disk is a result that nobody will see. */
static void tell_lost(struct sg_outputs *o, struct sg_out *out, const char *name)
{
    sg_out_flush(out);
    if (sg_out_error(out) == 0 || sg_out_error(out) == EPIPE || sg_out_error(out) == EIO)
        return;
    sg_out_printf(&o->error, "stagegraph: %s: %s\n", name, strerror(sg_out_error(out)));
    *o->lost = true;
}

void sg_outputs_close(struct sg_outputs *o)
{
    tell_lost(o, &o->standard, "standard output");
    if (o->fd >= 0)
        tell_lost(o, &o->file, "the JSON file");
    sg_out_done(&o->standard, o->standard.is.whole ? -1 : 1000);
    sg_out_done(&o->error, 1000);
    if (o->fd >= 0) {
        sg_out_done(&o->file, 1000);
        (void)close(o->fd); /* sg_out_error has said what there was to say */
    }
}

const char *sg_program_words(struct sg_cli *cli)
{
    struct sg_error err = SG_ERROR_INIT;
    const char *dir = cli->options.value[SG_OPT_CHDIR], *graph = cli->options.value[SG_OPT_GRAPH];
    const char *text = sg_arena_printf(&cli->arena, &err, "stagegraph%s%s%s%s", dir ? " -C " : "",
                                       dir ? dir : "", graph ? " -f " : "", graph ? graph : "");

    return text ? text : "stagegraph";
}

const char *sg_resume_words(struct sg_cli *cli)
{
    struct sg_error err = SG_ERROR_INIT;

    return sg_arena_printf(&cli->arena, &err, "%s resume", sg_program_words(cli));
}
