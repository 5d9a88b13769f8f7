/*
 * __reference: docs/reference.md with its tables as the program's own tables have them.
 *
 * A table stands between the lines "<!-- table: WHAT -->" and "<!-- end -->", and what is between
 * is replaced; all else is copied. WHAT is "commands", "options GROUP", "keys SECTION" or
 * "variables".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stagegraph/buf.h"
#include "stagegraph/clock.h"
#include "stagegraph/files.h"
#include "stagegraph/keys.h"

#include "cli.h"

/* Text of a cell: a bar would end it. */
static void print_cell(const char *text)
{
    for (; *text; text++)
        (void)printf("%s%c", *text == '|' ? "\\" : "", *text);
}

static void print_commands(void)
{
    (void)printf("| command | does |\n|---|---|\n");
    for (size_t i = 0; sg_commands[i]; i++) {
        const struct sg_command *c = sg_commands[i];

        if (c->hidden)
            continue;
        (void)printf("| `%s%s", c->name, *c->usage ? " " : "");
        print_cell(c->usage);
        (void)printf("` | ");
        print_cell(c->summary);
        (void)printf(" |\n");
    }
}

/* ---- options ---- */

static const struct {
    const char *name;
    unsigned groups;
} groups[] = {
    { "global", SG_GROUP_GLOBAL },
    { "range", SG_GROUP_RANGE },
    { "selection", SG_GROUP_SELECT | SG_GROUP_PROFILE },
    { "run", SG_GROUP_RUN | SG_GROUP_OUTPUT },
    { "others", SG_GROUP_PLAN | SG_GROUP_HISTORY | SG_GROUP_LOG | SG_GROUP_GRAPH | SG_GROUP_CHECK |
                    SG_GROUP_ACCEPT | SG_GROUP_REVOKE },
};

/* Of each option the first group that has it. */
static size_t group_of(const struct sg_option *o)
{
    size_t i = 0;

    while (!(groups[i].groups & o->groups))
        i++;
    return i;
}

static void print_takers(const struct sg_option *o)
{
    bool any = false;

    for (size_t i = 0; sg_commands[i]; i++)
        if (!sg_commands[i]->hidden && (sg_commands[i]->groups & o->groups)) {
            (void)printf("%s%s", any ? " " : "`", sg_commands[i]->name);
            any = true;
        }
    (void)printf("%s", any ? "`" : "");
}

static bool print_options(const char *name)
{
    size_t g = 0;

    while (g < sizeof(groups) / sizeof(groups[0]) && strcmp(groups[g].name, name) != 0)
        g++;
    if (g == sizeof(groups) / sizeof(groups[0]))
        return false;
    (void)printf(g ? "| option | | of |\n|---|---|---|\n" : "| option | |\n|---|---|\n");
    for (size_t i = 0; i < SG_OPT_COUNT; i++) {
        const struct sg_option *o = &sg_option_table[i];
        char help[SG_OPTION_HELP];

        if (group_of(o) != g)
            continue;
        (void)printf("| ");
        if (o->letter)
            (void)printf("`-%c`, ", o->letter);
        (void)printf("`--%s%s", o->name,
                     o->arg == SG_ARG_NONE       ? ""
                     : o->arg == SG_ARG_OPTIONAL ? "[="
                                                 : " ");
        print_cell(o->metavar);
        (void)printf("%s` | ", o->arg == SG_ARG_OPTIONAL ? "]" : "");
        print_cell(sg_option_help(o, help));
        (void)printf(" |");
        if (g) {
            (void)printf(" ");
            print_takers(o);
            (void)printf(" |");
        }
        (void)printf("\n");
    }
    return true;
}

/* ---- keys ---- */

static void print_type(const struct sg_key *k)
{
    if (!k->choices) {
        (void)printf("%s", sg_key_type_name(k->type));
        return;
    }
    if (k->type == SG_KEY_CHOICES)
        (void)printf("some of ");
    for (size_t i = 0; k->choices[i]; i++)
        (void)printf("%s`%s`", i ? " " : "", k->choices[i]);
    if (k->type == SG_KEY_CHECK)
        (void)printf(", or a command");
}

static void print_bound(const struct sg_key *k, int64_t v)
{
    if (k->type == SG_KEY_DURATION && v % 86400 == 0 && v)
        (void)printf("%" PRId64 "d", v / 86400);
    else if (k->type == SG_KEY_DURATION)
        (void)printf("%" PRId64 "s", v);
    else
        (void)printf("%" PRId64, v);
}

/* What is far away (100 years, 1024 PiB) says nothing. */
static void print_bounds(const struct sg_key *k)
{
    bool far = k->type == SG_KEY_DURATION || k->type == SG_KEY_SIZE;

    if (k->min == 0 && (k->max == 0 || far))
        return;
    (void)printf(far ? " from " : " ");
    print_bound(k, k->min);
    if (!far) {
        (void)printf(" … ");
        print_bound(k, k->max);
    }
}

static void print_key(const struct sg_key *k, bool stage)
{
    (void)printf("| `%s` | ", k->name);
    print_type(k);
    (void)printf(" |");
    if (k->required || (k->preset && !*k->preset))
        (void)printf(" %s", k->required ? "required" : "empty");
    else if (k->preset)
        (void)printf(" `%s`", k->preset);
    (void)printf(" |");
    print_bounds(k);
    if (stage)
        (void)printf(" |%s |%s", k->stamp ? " yes" : "", k->profile ? " yes" : "");
    (void)printf(" | ");
    print_cell(k->help);
    (void)printf(" |\n");
}

static bool print_keys(const char *section)
{
    enum sg_section s = sg_section_find(section);
    bool stage = s == SG_SECTION_STAGE || s == SG_SECTION_SOURCE;
    size_t n;
    const struct sg_key *keys = sg_keys(&n);

    if (s == SG_SECTION_COUNT)
        return false;
    (void)printf(stage ? "| key | type | default | bounds | stamp | profile | |\n"
                         "|---|---|---|---|---|---|---|\n"
                       : "| key | type | default | bounds | |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++)
        if (keys[i].section == s)
            print_key(&keys[i], stage);
    return true;
}

static void print_vars(void)
{
    size_t n;
    const struct sg_var *v = sg_vars(&n);

    (void)printf("| variable | one | path | |\n|---|---|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        (void)printf("| `%s` |%s |%s | ", v[i].name, v[i].of_one ? " yes" : "",
                     v[i].in_path ? " yes" : "");
        print_cell(v[i].help);
        (void)printf(" |\n");
    }
}

static bool print_table(const char *what)
{
    if (strcmp(what, "commands") == 0)
        print_commands();
    else if (strcmp(what, "variables") == 0)
        print_vars();
    else if (strncmp(what, "options ", 8) == 0)
        return print_options(what + 8);
    else if (strncmp(what, "keys ", 5) == 0)
        return print_keys(what + 5);
    else
        return false;
    return true;
}

static bool rewrite(const char *text, struct sg_error *err)
{
    static const char begin[] = "<!-- table: ", end[] = "<!-- end -->\n";

    while (*text) {
        const char *nl = strchr(text, '\n');
        size_t n = nl ? (size_t)(nl + 1 - text) : strlen(text);
        char what[64];

        (void)printf("%.*s", (int)n, text);
        if (strncmp(text, begin, sizeof(begin) - 1) == 0) {
            if (sscanf(text + sizeof(begin) - 1, "%63[^>]", what) != 1 || strlen(what) < 4)
                return sg_error_set(err, SG_ERROR_USAGE, 0, "a table without a name");
            what[strlen(what) - 3] = '\0'; /* " --" */
            if (!print_table(what))
                return sg_error_set(err, SG_ERROR_USAGE, 0, "there is no table %s", what);
            text = strstr(text, end);
            if (!text)
                return sg_error_set(err, SG_ERROR_USAGE, 0, "the table %s has no end", what);
            continue;
        }
        text += n;
    }
    return true;
}

static int run_reference(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    bool found = false, ok;

    if (cli->options.n_words != 1) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "__reference takes the file whose tables it replaces");
        return -1;
    }
    ok = sg_files_read(cli->options.words[0], &text, &found, err);
    if (ok && !found)
        ok = sg_error_set(err, SG_ERROR_USAGE, ENOENT, "%s", cli->options.words[0]);
    ok = ok && rewrite(sg_buf_text(&text), err);
    sg_buf_done(&text);
    return ok ? SG_EXIT_OK : -1;
}

const struct sg_command sg_cmd_reference = {
    .name = "__reference",
    .summary = "the reference with its tables as they are now",
    .usage = "FILE",
    .detail = "",
    .nodes = true,
    .no_graph = true,
    .hidden = true,
    .run = run_reference,
};
