#include "completion.h"

#include <stdbool.h>
#include <string.h>

#include "stagegraph/request.h"

#include "cli.h"

/* What stands behind an option, or is a command's word: told by its metavar. */
enum values {
    VALUES_NONE,
    VALUES_WORDS, /* a|b|c */
    VALUES_STAGE,
    VALUES_STAGES,  /* a list with commas */
    VALUES_REASONS, /* likewise */
    VALUES_PROFILE,
    VALUES_KEY, /* stage.key= */
    VALUES_RUN,
    VALUES_FILE,
    VALUES_DIR
};

static enum values values_of(const char *metavar)
{
    static const struct {
        const char *metavar;
        enum values values;
    } rows[] = {
        { "STAGE", VALUES_STAGE },      { "STAGE,…", VALUES_STAGES },
        { "REASON,…", VALUES_REASONS }, { "NAME", VALUES_PROFILE },
        { "GRAPH", VALUES_FILE },       { "FILE", VALUES_FILE },
        { "DIR", VALUES_DIR },          { "stage.key=value", VALUES_KEY },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].metavar, metavar) == 0)
            return rows[i].values;
    return strchr(metavar, '|') ? VALUES_WORDS : VALUES_NONE;
}

/* A command's own words, by its usage. */
static enum values words_of(const struct sg_command *c)
{
    if (!c->nodes)
        return VALUES_NONE;
    if (strncmp(c->usage, "[RUN]", 5) == 0)
        return VALUES_RUN;
    if (strncmp(c->usage, "[FILE]", 6) == 0)
        return VALUES_FILE;
    return strstr(c->usage, "NODE") ? VALUES_STAGE : values_of(c->usage);
}

static void print_bars_as_blanks(FILE *out, const char *text)
{
    for (; *text; text++)
        (void)fputc(*text == '|' ? ' ' : *text, out);
}

static void print_reasons(FILE *out)
{
    for (int r = SG_REASON_INTERRUPTED; r < SG_REASON_COUNT; r++)
        (void)fprintf(out, "%s%s", r > SG_REASON_INTERRUPTED ? " " : "",
                      sg_reason_name((enum sg_reason)r));
}

static bool takes(const struct sg_command *c, const struct sg_option *o)
{
    unsigned groups = c ? c->groups | SG_GROUP_GLOBAL : SG_GROUP_GLOBAL;

    /* these two go in front of the command */
    return (o->groups & groups) &&
           !(c && (o->id == SG_OPT_CHDIR || o->id == SG_OPT_GRAPH || o->id == SG_OPT_VERSION));
}

/* "-j --jobs -n --dry-run", of a command, or (NULL) in front of it. */
static void print_options_of(FILE *out, const struct sg_command *c)
{
    bool any = false;

    for (size_t i = 0; i < SG_OPT_COUNT; i++) {
        const struct sg_option *o = &sg_option_table[i];

        if (!takes(c, o))
            continue;
        if (o->letter)
            (void)fprintf(out, "%s-%c", any ? " " : "", o->letter);
        any |= o->letter != 0;
        (void)fprintf(out, "%s--%s", any ? " " : "", o->name);
        any = true;
    }
}

static void print_commands(FILE *out, const char *between)
{
    bool any = false;

    for (size_t i = 0; sg_commands[i]; i++) {
        if (sg_commands[i]->hidden)
            continue;
        (void)fprintf(out, "%s%s", any ? between : "", sg_commands[i]->name);
        any = true;
    }
}

/* Options of the global group that take a value, as patterns of a case. */
static void print_globals(FILE *out, const char *end)
{
    bool any = false;

    for (size_t i = 0; i < SG_OPT_COUNT; i++) {
        const struct sg_option *o = &sg_option_table[i];

        if (!(o->groups & SG_GROUP_GLOBAL) || o->arg == SG_ARG_NONE)
            continue;
        if (o->letter && !*end)
            (void)fprintf(out, "%s-%c | --%s", any ? " | " : "", o->letter, o->name);
        else
            (void)fprintf(out, "%s--%s%s", any ? " | " : "", o->name, end);
        any = true;
    }
}

/* The pattern of an option with a value: "-j | --jobs | --jobs=", or "--force=". */
static void print_pattern(FILE *out, const struct sg_option *o)
{
    if (o->letter && o->arg == SG_ARG_REQUIRED)
        (void)fprintf(out, "-%c | ", o->letter);
    if (o->arg == SG_ARG_REQUIRED)
        (void)fprintf(out, "--%s | ", o->name);
    (void)fprintf(out, "--%s=)", o->name);
}

/* ---- bash ---- */

static void print_bash_values(FILE *out, enum values v, const char *metavar)
{
    switch (v) {
    case VALUES_WORDS:
        (void)fprintf(out, "_stagegraph_words \"");
        print_bars_as_blanks(out, metavar);
        (void)fprintf(out, "\"");
        break;
    case VALUES_STAGE:
        (void)fprintf(out, "_stagegraph_words \"$(_stagegraph_ask stages)\"");
        break;
    case VALUES_STAGES:
        (void)fprintf(out, "_stagegraph_list \"$(_stagegraph_ask stages)\"");
        break;
    case VALUES_REASONS:
        (void)fprintf(out, "_stagegraph_list \"");
        print_reasons(out);
        (void)fprintf(out, "\"");
        break;
    case VALUES_PROFILE:
        (void)fprintf(out, "_stagegraph_words \"$(_stagegraph_ask profiles)\"");
        break;
    case VALUES_KEY:
        (void)fprintf(out, "_stagegraph_words \"$(_stagegraph_ask keys)\"; "
                           "compopt -o nospace 2>/dev/null");
        break;
    case VALUES_RUN:
        (void)fprintf(out, "_stagegraph_words \"$(_stagegraph_ask runs)\"");
        break;
    case VALUES_FILE:
        (void)fprintf(out, "COMPREPLY=($(compgen -f -- \"$cur\"))");
        break;
    case VALUES_DIR:
        (void)fprintf(out, "COMPREPLY=($(compgen -d -- \"$cur\"))");
        break;
    case VALUES_NONE:
        (void)fprintf(out, ":");
        break;
    }
}

static void print_option_cases(FILE *out, void print(FILE *, enum values, const char *))
{
    for (size_t i = 0; i < SG_OPT_COUNT; i++) {
        const struct sg_option *o = &sg_option_table[i];

        if (o->arg == SG_ARG_NONE)
            continue;
        (void)fprintf(out, "    ");
        print_pattern(out, o);
        (void)fprintf(out, " ");
        print(out, values_of(o->metavar), o->metavar);
        (void)fprintf(out, "; return ;;\n");
    }
}

static const char bash_head[] =
    "# Completion of stagegraph for bash, from its tables: stagegraph completion bash\n"
    "_stagegraph_ask() # WHAT: what the graph at hand has of it\n"
    "{\n"
    "    \"${COMP_WORDS[0]}\" \"${globals[@]}\" __complete \"$@\" 2>/dev/null\n"
    "}\n"
    "_stagegraph_words() # WORDS\n"
    "{\n"
    "    COMPREPLY=($(compgen -W \"$1\" -- \"$cur\"))\n"
    "}\n"
    "_stagegraph_list() # WORDS: the last one of a list with commas\n"
    "{\n"
    "    local before=\n"
    "    [[ $cur == *,* ]] && before=${cur%,*},\n"
    "    COMPREPLY=($(compgen -P \"$before\" -W \"$1\" -- \"${cur##*,}\"))\n"
    "}\n"
    "_stagegraph()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command= option=$prev word i\n"
    "    local -a globals=()\n"
    "    COMPREPLY=()\n"
    "    # bash breaks words at \"=\"\n"
    "    if [[ $cur == = ]]; then\n"
    "        option=$prev= cur=\n"
    "    elif [[ $prev == = ]]; then\n"
    "        option=${COMP_WORDS[COMP_CWORD - 2]}=\n"
    "    fi\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        case ${COMP_WORDS[i]} in\n"
    "        ";

void sg_completion_bash(FILE *out)
{
    (void)fprintf(out, "%s", bash_head);
    print_globals(out, "");
    (void)fprintf(out, ")\n"
                       "            word=${COMP_WORDS[i]}\n"
                       "            ((i++))\n"
                       "            [[ ${COMP_WORDS[i]-} != = ]] || ((i++))\n"
                       "            globals+=(\"$word\" \"${COMP_WORDS[i]-}\") ;;\n"
                       "        -*) ;;\n"
                       "        *) command=${COMP_WORDS[i]}; break ;;\n"
                       "        esac\n"
                       "    done\n"
                       "    case $option in\n");
    print_option_cases(out, print_bash_values);
    (void)fprintf(out, "    esac\n"
                       "    if [[ $option == --* || $option == *.*= ]] &&\n"
                       "        word=$(_stagegraph_ask values \"$command\" -- \"$option\"); then\n"
                       "        _stagegraph_words \"$word\"\n"
                       "        return\n"
                       "    fi\n"
                       "    case $command:$cur in\n"
                       "    :-*) _stagegraph_words \"");
    print_options_of(out, NULL);
    (void)fprintf(out, "\" ;;\n    :*) _stagegraph_words \"");
    print_commands(out, " ");
    (void)fprintf(out, " help\" ;;\n    help:*) _stagegraph_words \"");
    print_commands(out, " ");
    (void)fprintf(out, "\" ;;\n");
    for (size_t i = 0; sg_commands[i]; i++) {
        const struct sg_command *c = sg_commands[i];

        if (c->hidden)
            continue;
        (void)fprintf(out, "    %s:-*) _stagegraph_words \"", c->name);
        print_options_of(out, c);
        if (c->groups & (SG_GROUP_PROFILE | SG_GROUP_RANGE))
            (void)fprintf(out, " $(_stagegraph_ask options %s)", c->name);
        (void)fprintf(out, "\" ;;\n    %s:*) ", c->name);
        print_bash_values(out, words_of(c), c->usage);
        (void)fprintf(out, " ;;\n");
    }
    (void)fprintf(out, "    esac\n}\ncomplete -F _stagegraph stagegraph\n");
}

/* ---- zsh ---- */

static void print_zsh_values(FILE *out, enum values v, const char *metavar)
{
    switch (v) {
    case VALUES_WORDS:
        (void)fprintf(out, "compadd -- ");
        print_bars_as_blanks(out, metavar);
        break;
    case VALUES_STAGE:
        (void)fprintf(out, "compadd -- $(_stagegraph_ask stages)");
        break;
    case VALUES_STAGES:
        (void)fprintf(out, "compset -P '*,'; compadd -- $(_stagegraph_ask stages)");
        break;
    case VALUES_REASONS:
        (void)fprintf(out, "compset -P '*,'; compadd -- ");
        print_reasons(out);
        break;
    case VALUES_PROFILE:
        (void)fprintf(out, "compadd -- $(_stagegraph_ask profiles)");
        break;
    case VALUES_KEY:
        (void)fprintf(out, "_stagegraph_keys");
        break;
    case VALUES_RUN:
        (void)fprintf(out, "compadd -- $(_stagegraph_ask runs)");
        break;
    case VALUES_FILE:
        (void)fprintf(out, "_files");
        break;
    case VALUES_DIR:
        (void)fprintf(out, "_files -/");
        break;
    case VALUES_NONE:
        (void)fprintf(out, ":");
        break;
    }
}

void sg_completion_zsh(FILE *out)
{
    (void)fprintf(out, "#compdef stagegraph\n"
                       "# Completion of stagegraph for zsh, from its tables: stagegraph completion "
                       "zsh\n"
                       "_stagegraph_ask() # WHAT: what the graph at hand has of it\n"
                       "{\n"
                       "    $words[1] $globals __complete \"$@\" 2>/dev/null\n"
                       "}\n"
                       "_stagegraph_keys() # stage.key=, and behind it what the key may be\n"
                       "{\n"
                       "    local key=${PREFIX%%%%=*}=\n"
                       "    if compset -P '*='; then\n"
                       "        compadd -- $(_stagegraph_ask values \"$command\" -- $key)\n"
                       "    else\n"
                       "        compadd -S '' -- $(_stagegraph_ask keys)\n"
                       "    fi\n"
                       "}\n"
                       "_stagegraph()\n"
                       "{\n"
                       "    local command= option=$words[CURRENT-1] offered i\n"
                       "    local -a globals\n"
                       "    for ((i = 2; i < CURRENT; i++)); do\n"
                       "        case $words[i] in\n"
                       "        ");
    print_globals(out, "");
    (void)fprintf(out, ") globals+=($words[i] $words[i+1]); ((i++)) ;;\n        ");
    print_globals(out, "=*");
    (void)fprintf(out, ") globals+=($words[i]) ;;\n"
                       "        -*) ;;\n"
                       "        *) command=$words[i]; break ;;\n"
                       "        esac\n"
                       "    done\n"
                       "    if [[ $PREFIX == --*=* ]]; then\n"
                       "        option=${PREFIX%%%%=*}=\n"
                       "        compset -P 1 '*='\n"
                       "    fi\n"
                       "    case $option in\n");
    print_option_cases(out, print_zsh_values);
    (void)fprintf(out,
                  "    esac\n"
                  "    if [[ $option == --* ]] &&\n"
                  "        offered=$(_stagegraph_ask values \"$command\" -- \"$option\"); then\n"
                  "        compadd -- ${=offered}\n"
                  "        return\n"
                  "    fi\n"
                  "    case $command:$PREFIX in\n"
                  "    :-*) compadd -- ");
    print_options_of(out, NULL);
    (void)fprintf(out, " ;;\n    :*) compadd -- ");
    print_commands(out, " ");
    (void)fprintf(out, " help ;;\n    help:*) compadd -- ");
    print_commands(out, " ");
    (void)fprintf(out, " ;;\n");
    for (size_t i = 0; sg_commands[i]; i++) {
        const struct sg_command *c = sg_commands[i];

        if (c->hidden)
            continue;
        (void)fprintf(out, "    %s:-*) compadd -- ", c->name);
        print_options_of(out, c);
        if (c->groups & (SG_GROUP_PROFILE | SG_GROUP_RANGE))
            (void)fprintf(out, " $(_stagegraph_ask options %s)", c->name);
        (void)fprintf(out, " ;;\n    %s:*) ", c->name);
        print_zsh_values(out, words_of(c), c->usage);
        (void)fprintf(out, " ;;\n");
    }
    (void)fprintf(out, "    esac\n"
                       "}\n"
                       "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
                       "    _stagegraph \"$@\"\n"
                       "else\n"
                       "    compdef _stagegraph stagegraph\n"
                       "fi\n");
}

/* ---- fish ---- */

/* Between single quotes. */
static void print_quoted(FILE *out, const char *text)
{
    (void)fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
    (void)fputc('\'', out);
}

static void print_fish_values(FILE *out, enum values v, const char *metavar)
{
    switch (v) {
    case VALUES_WORDS:
        (void)fprintf(out, " -xa '");
        print_bars_as_blanks(out, metavar);
        (void)fprintf(out, "'");
        break;
    case VALUES_STAGE:
        (void)fprintf(out, " -xa '(__stagegraph_words stages)'");
        break;
    case VALUES_STAGES:
        (void)fprintf(out, " -xa '(__stagegraph_list (__stagegraph_ask stages))'");
        break;
    case VALUES_REASONS:
        (void)fprintf(out, " -xa '(__stagegraph_list ");
        print_reasons(out);
        (void)fprintf(out, ")'");
        break;
    case VALUES_PROFILE:
        (void)fprintf(out, " -xa '(__stagegraph_ask profiles)'");
        break;
    case VALUES_KEY:
        (void)fprintf(out, " -xa '(__stagegraph_keys)'");
        break;
    case VALUES_RUN:
        (void)fprintf(out, " -xa '(__stagegraph_words runs)'");
        break;
    case VALUES_FILE:
        (void)fprintf(out, " -rF");
        break;
    case VALUES_DIR:
        (void)fprintf(out, " -xa '(__fish_complete_directories)'");
        break;
    case VALUES_NONE:
        (void)fprintf(out, " -x");
        break;
    }
}

static void print_fish_option(FILE *out, const struct sg_option *o)
{
    char help[SG_OPTION_HELP];

    if (o->groups & SG_GROUP_GLOBAL) {
        (void)fprintf(out, "complete -c stagegraph");
    } else {
        (void)fprintf(out, "complete -c stagegraph -n '__fish_seen_subcommand_from");
        for (size_t i = 0; sg_commands[i]; i++)
            if (!sg_commands[i]->hidden && takes(sg_commands[i], o))
                (void)fprintf(out, " %s", sg_commands[i]->name);
        (void)fprintf(out, "'");
    }
    if (o->letter)
        (void)fprintf(out, " -s %c", o->letter);
    (void)fprintf(out, " -l %s", o->name);
    if (o->arg == SG_ARG_REQUIRED)
        print_fish_values(out, values_of(o->metavar), o->metavar);
    (void)fprintf(out, " -d ");
    print_quoted(out, sg_option_help(o, help));
    (void)fprintf(out, "\n");
}

static void print_fish_command(FILE *out, const struct sg_command *c)
{
    (void)fprintf(out, "complete -c stagegraph -n __fish_use_subcommand -a %s -d ", c->name);
    print_quoted(out, c->summary);
    (void)fprintf(out, "\n");
    if (words_of(c) != VALUES_NONE) {
        (void)fprintf(out, "complete -c stagegraph -n '__fish_seen_subcommand_from %s'", c->name);
        print_fish_values(out, words_of(c), c->usage);
        (void)fprintf(out, "\n");
    }
    if (c->groups & (SG_GROUP_PROFILE | SG_GROUP_RANGE))
        (void)fprintf(out,
                      "complete -c stagegraph -n '__fish_seen_subcommand_from %s; and string match "
                      "-q -- \"-*\" (commandline -ct)' -xa '(__stagegraph_options %s)'\n",
                      c->name, c->name);
}

void sg_completion_fish(FILE *out)
{
    (void)fprintf(
        out, "# Completion of stagegraph for fish, from its tables: stagegraph completion fish\n"
             "function __stagegraph_ask # WHAT: what the graph at hand has of it\n"
             "    set -l words (commandline -opc)\n"
             "    set -l globals\n"
             "    for i in (seq 2 (count $words))\n"
             "        if contains -- $words[(math $i - 1)] -C --chdir -f --graph\n"
             "            set -a globals $words[(math $i - 1)] $words[$i]\n"
             "        end\n"
             "    end\n"
             "    $words[1] $globals __complete $argv 2>/dev/null\n"
             "end\n"
             "function __stagegraph_words # WHAT: values of the param before it, or WHAT\n"
             "    set -l last (commandline -opc)[-1]\n"
             "    if string match -q -- '--*' $last; and __stagegraph_ask values '' -- $last\n"
             "        return\n"
             "    end\n"
             "    __stagegraph_ask $argv\n"
             "end\n"
             "function __stagegraph_options # COMMAND: options of the graph, --param=value too\n"
             "    set -l option (string match -r -- '^--.*=' (commandline -ct))\n"
             "    if test -n \"$option\"\n"
             "        printf '%%s\\n' $option(__stagegraph_ask values $argv -- $option)\n"
             "    else\n"
             "        __stagegraph_ask options $argv\n"
             "    end\n"
             "end\n"
             "function __stagegraph_keys # stage.key=, and behind it what the key may be\n"
             "    set -l key (string match -r -- '[^=]+\\.[^=]*=' (commandline -ct))\n"
             "    if test -n \"$key\"\n"
             "        printf '%%s\\n' $key(__stagegraph_ask values '' -- $key)\n"
             "    else\n"
             "        __stagegraph_ask keys\n"
             "    end\n"
             "end\n"
             "function __stagegraph_list # WORDS: the last one of a list with commas\n"
             "    set -l before (string replace -rf '^(.*,).*$' '$1' -- (commandline -ct))\n"
             "    printf '%%s\\n' \"$before\"$argv\n"
             "end\n"
             "complete -c stagegraph -f\n");
    for (size_t i = 0; sg_commands[i]; i++)
        if (!sg_commands[i]->hidden)
            print_fish_command(out, sg_commands[i]);
    (void)fprintf(out, "complete -c stagegraph -n __fish_use_subcommand -a help -d 'this text'\n"
                       "complete -c stagegraph -n '__fish_seen_subcommand_from help' -a '");
    print_commands(out, " ");
    (void)fprintf(out, "'\n");
    for (size_t i = 0; i < SG_OPT_COUNT; i++)
        print_fish_option(out, &sg_option_table[i]);
}
