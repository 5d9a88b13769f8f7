/* init: a graph file to start from, made from the table of keys: all of them, with what they do. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/buf.h"
#include "stagegraph/calendar.h"
#include "stagegraph/clock.h"
#include "stagegraph/files.h"
#include "stagegraph/keys.h"
#include "stagegraph/zone.h"

#include "cli.h"

#define COLUMNS      98
#define DEFAULT_NAME "stagegraph.ini"
#define DAYS         3 /* of the example, so that its first run is short */

/* What the example gives to a key; else the key is a comment with its default. */
struct given {
    enum sg_section section;
    const char *key, *value;
};

static const struct given given[] = {
    { SG_SECTION_GRAPH, "start", NULL }, /* DAYS ago */
    { SG_SECTION_GRAPH, "partition", "day" },
    { SG_SECTION_STORE, "root", "warehouse" },
    { SG_SECTION_STAGE, "command",
      "sh -c 'mkdir -p \"$$2\" && echo \"$$1\" >\"$$2/part-0\"' sh ${ds} ${output}" },
    { SG_SECTION_STAGE, "output", "days/dt=${ds}" },
};

static const char second[] =
    "# A second stage, made from the first.\n"
    "[stage report]\n"
    "needs   = days\n"
    "command = sh -c 'mkdir -p \"$$1\" && wc -c \"$$2\"/part-* >\"$$1/part-0\"' sh ${output} "
    "${input.days}\n"
    "output  = report/dt=${ds}\n";

static const struct given *find_given(enum sg_section s, const char *key)
{
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
        if (given[i].section == s && strcmp(given[i].key, key) == 0)
            return &given[i];
    return NULL;
}

/* "# " and words, in lines of at most COLUMNS bytes. */
static bool add_comment(struct sg_buf *out, const char *text, struct sg_error *err)
{
    while (*text) {
        size_t n = strlen(text);

        if (n > COLUMNS)
            for (n = COLUMNS; n > 1 && text[n] != ' '; n--)
                ;
        if (!sg_buf_addf(out, err, "# %.*s\n", (int)n, text))
            return false;
        text += n + strspn(text + n, " ");
    }
    return true;
}

static bool add_key(struct sg_buf *out, const struct sg_key *k, const char *start, bool example,
                    struct sg_error *err)
{
    const struct given *g = example ? find_given(k->section, k->name) : NULL;
    char help[400] = "";
    size_t n = 0;

    for (size_t i = 0; k->choices && k->choices[i] && n < sizeof(help); i++)
        n += (size_t)snprintf(help + n, sizeof(help) - n, "%s%s", i ? " " : ": ", k->choices[i]);
    n = strlen(k->help) + strlen(help) + 1;
    if (!sg_buf_add(out, "\n", 1, err))
        return false;
    if (n < 500) {
        char text[500];

        (void)snprintf(text, sizeof(text), "%s%s", k->help, help); /* fits */
        if (!add_comment(out, text, err))
            return false;
    }
    return sg_buf_addf(out, err, "%s%s =%s%s\n", g ? "" : "# ", k->name,
                       g || (k->preset && *k->preset) ? " " : "",
                       g           ? g->value ? g->value : start
                       : k->preset ? k->preset
                                   : "");
}

static bool add_section(struct sg_buf *out, enum sg_section s, const char *start,
                        struct sg_error *err)
{
    const struct sg_section_row *row = sg_section_row(s);
    bool example = s == SG_SECTION_GRAPH || s == SG_SECTION_STORE || s == SG_SECTION_STAGE;
    size_t n;
    const struct sg_key *keys = sg_keys(&n);

    if (!sg_buf_add(out, "\n", 1, err) || !add_comment(out, row->help, err) ||
        !sg_buf_addf(out, err, "%s[%s%s]\n", example ? "" : "# ", row->kind,
                     s == SG_SECTION_STAGE ? " days"
                     : row->named          ? " NAME"
                                           : ""))
        return false;
    for (size_t i = 0; i < n; i++)
        if (keys[i].section == s && !add_key(out, &keys[i], start, example, err))
            return false;
    return s != SG_SECTION_STAGE ||
           (sg_buf_add(out, "\n", 1, err) && sg_buf_add(out, second, sizeof(second) - 1, err));
}

static bool compose(struct sg_buf *out, int64_t now_s, struct sg_error *err)
{
    char start[SG_UTC_TEXT];
    bool ok;

    sg_utc_format(now_s - INT64_C(86400) * DAYS, start);
    start[10] = '\0'; /* the date */
    ok = sg_buf_addf(
        out, err,
        "# A graph for stagegraph, made by `stagegraph init`. It runs as it is:\n"
        "#   stagegraph plan      what is stale, and why\n"
        "#   stagegraph run       makes it\n"
        "#   stagegraph check     what is wrong with this file\n"
        "# Every key is here. What begins with \"# \" and a key is its default, or an empty place.\n"
        "# Comments behind a value begin with \" ;\"; long values go on over indented lines.\n");
    for (enum sg_section s = 0; ok && s < SG_SECTION_COUNT; s++)
        ok = add_section(out, s, start, err);
    return ok;
}

static bool write_new(const char *path, struct sg_span text, struct sg_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool ok;

    if (fd < 0 && errno == EEXIST)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "%s is there already: it is left as it is",
                            path);
    if (fd < 0)
        return sg_error_set(err,
                            errno == ENOENT || errno == ENOTDIR ? SG_ERROR_USAGE : SG_ERROR_SYSTEM,
                            errno, "write %s", path);
    ok = sg_files_write_fd(fd, text.at, text.len, err);
    if (close(fd) != 0 && ok)
        ok = sg_error_set(err, SG_ERROR_SYSTEM, errno, "write %s", path);
    if (!ok)
        (void)unlink(path); /* half a file is worse than none */
    return ok || sg_error_wrap(err, "%s", path);
}

static bool take_now(const struct sg_cli *cli, int64_t *ret_s, struct sg_error *err)
{
    const char *text = sg_cli_now(cli);
    struct sg_interval at;
    struct sg_zone *utc;
    bool ok;

    *ret_s = sg_wall_now().ns / SG_NS_PER_S;
    if (!text)
        return true;
    if (!sg_zone_open("UTC", NULL, &utc, err))
        return false;
    ok = sg_time_parse(text, utc, &at);
    sg_zone_free(utc);
    if (!ok)
        return sg_error_set(err, SG_ERROR_USAGE, 0,
                            "%s%s: expected a date or a time like 2024-01-02T05:30Z",
                            cli->options.value[SG_OPT_NOW] ? "--now " : "$STAGEGRAPH_NOW = ", text);
    *ret_s = at.start_s;
    return true;
}

static int run_init(struct sg_cli *cli, struct sg_error *err)
{
    const struct sg_options *o = &cli->options;
    const char *path = o->n_words ? o->words[0] : o->value[SG_OPT_GRAPH];
    struct sg_buf text = SG_BUF_INIT;
    struct stat st;
    int64_t now_s;
    bool ok;

    if (o->n_words > 1 || (o->n_words && o->value[SG_OPT_GRAPH])) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "init takes one file");
        return -1;
    }
    if (!path)
        path = DEFAULT_NAME;
    else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        path = sg_arena_printf(&cli->arena, err, "%s/" DEFAULT_NAME, path);
    if (!path)
        return -1;
    if (!take_now(cli, &now_s, err))
        return -1;
    ok = compose(&text, now_s, err) && write_new(path, sg_buf_span(&text), err);
    sg_buf_done(&text);
    if (!ok)
        return -1;
    (void)printf("wrote %s: a graph of two stages that runs as it is (", path);
    if (strcmp(path, DEFAULT_NAME) == 0)
        (void)printf("stagegraph plan, stagegraph run)\n");
    else
        (void)printf("stagegraph -f %s plan, then run)\n", path);
    return SG_EXIT_OK;
}

const struct sg_command sg_cmd_init = {
    .name = "init",
    .summary = "write a commented graph file to start from",
    .usage = "[FILE]",
    .detail =
        "FILE is stagegraph.ini unless it is named; a directory gets one of that name. A file "
        "that is\nthere is never overwritten.",
    .nodes = true,
    .no_graph = true,
    .run = run_init,
};
