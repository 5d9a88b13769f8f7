#include <stdio.h>
#include <string.h>

#include "cli.h"

#define COLUMNS 100 /* of the whole text */

static int width_of(const char *text, size_t n)
{
    int w = 0;

    for (size_t i = 0; i < n; i++)
        w += ((unsigned char)text[i] & 0xC0) != 0x80; /* `…` is one */
    return w;
}

/* Words up to the last column; further lines begin at `indent`. */
static void print_wrapped(FILE *out, const char *text, int indent, int at)
{
    while (*text) {
        size_t n = strcspn(text, " ");

        if (at > indent && at + 1 + width_of(text, n) > COLUMNS) {
            (void)fprintf(out, "\n%*s", indent, "");
            at = indent;
        }
        (void)fprintf(out, "%s%.*s", at > indent ? " " : "", (int)n, text);
        at += (at > indent) + width_of(text, n);
        text += n + strspn(text + n, " ");
    }
    (void)fprintf(out, "\n");
}

static void print_row(FILE *out, const char *left, int columns, const char *help)
{
    int n = width_of(left, strlen(left));

    if (n > columns)
        (void)fprintf(out, "  %s\n  %*s ", left, columns, "");
    else
        (void)fprintf(out, "  %s%*s ", left, columns - n, "");
    print_wrapped(out, help, columns + 3, columns + 3);
}

static void print_option(FILE *out, const struct sg_option *o)
{
    char left[80], help[SG_OPTION_HELP];
    char letter[8] = "    ";

    if (o->letter)
        (void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
    (void)snprintf(left, sizeof(left), "%s--%s%s%s%s", letter, o->name,
                   o->arg == SG_ARG_NONE       ? ""
                   : o->arg == SG_ARG_OPTIONAL ? "[="
                                               : " ",
                   o->metavar, o->arg == SG_ARG_OPTIONAL ? "]" : "");
    print_row(out, left, 28, sg_option_help(o, help));
}

static void print_options(FILE *out, unsigned groups)
{
    for (size_t i = 0; i < SG_OPT_COUNT; i++)
        if (sg_option_table[i].groups & groups)
            print_option(out, &sg_option_table[i]);
}

void sg_help_general(FILE *out)
{
    (void)fprintf(
        out, "usage: stagegraph [-C DIR] [-f GRAPH] [--now TIME] COMMAND [OPTIONS]\n"
             "\n"
             "Runs the stages of a graph of partitioned data that are stale, each in a process of "
             "its own,\nand nothing else.\n\ncommands:\n");
    for (size_t i = 0; sg_commands[i]; i++)
        if (!sg_commands[i]->hidden)
            print_row(out, sg_commands[i]->name, 10, sg_commands[i]->summary);
    (void)fprintf(out, "\noptions before the command:\n");
    print_options(out, SG_GROUP_GLOBAL);
    (void)fprintf(
        out, "\nexit status: 0 all is fresh, 1 a node failed, 2 usage or graph file, 3 blocked, "
             "4 held by\nanother run, 5 only timeouts, 6 plan --exit-code with something to run, "
             "70 a bug, 71 the\nsystem, 74 the store; interrupted: it dies of the signal.\n"
             "\nstagegraph COMMAND --help tells more of one command.\n");
}

static void print_params(FILE *out, const struct sg_graph *g)
{
    if (g->n_params > 0)
        (void)fprintf(out, "\nparams of graph %s:\n", g->name);
    for (uint32_t i = 0; i < g->n_params; i++) {
        const struct sg_param *p = &g->params[i];
        char left[120]; /* a name is at most 49 bytes */

        (void)snprintf(left, sizeof(left), "--%s%s%s", p->type == SG_PARAM_BOOL ? "[no-]" : "",
                       p->option,
                       p->type == SG_PARAM_BOOL   ? ""
                       : p->type == SG_PARAM_INT  ? " N"
                       : p->type == SG_PARAM_DATE ? " DATE"
                                                  : " TEXT");
        (void)fprintf(out, "      %-24s %s", left, p->help);
        for (uint32_t k = 0; k < p->n_choices; k++)
            (void)fprintf(out, "%s%s", k ? "|" : *p->help ? " (" : "(", p->choices[k]);
        (void)fprintf(out, "%s", p->n_choices ? ")" : "");
        if (p->type == SG_PARAM_BOOL)
            (void)fprintf(out, " [%s]\n", *p->value ? "yes" : "no");
        else
            (void)fprintf(out, " [%s]\n", p->value);
    }
}

void sg_help_command(FILE *out, const struct sg_command *c, const struct sg_graph *g)
{
    (void)fprintf(out, "usage: stagegraph %s%s%s\n\n%s.\n", c->name, *c->usage ? " " : "", c->usage,
                  c->summary);
    if (*c->detail)
        (void)fprintf(out, "\n%s\n", c->detail);
    if (c->groups & ~(unsigned)SG_GROUP_GLOBAL)
        (void)fprintf(out, "\noptions:\n");
    print_options(out, c->groups & ~(unsigned)SG_GROUP_GLOBAL);
    if (c->groups & SG_GROUP_RANGE) {
        print_row(out, "    --STAGE-start-date D", 28, "as --from, for that stage alone");
        print_row(out, "    --STAGE-end-date D", 28, "as --to, for that stage alone");
    }
    if (g && (c->groups & SG_GROUP_PROFILE))
        print_params(out, g);
}
