#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stagegraph/text.h"

#define RUNS   (SG_GROUP_RUN)
#define OF_KEY NULL /* what its key in [profile] says */

/* clang-format off */
const struct sg_option sg_option_table[SG_OPT_COUNT] = {
    [SG_OPT_CHDIR] = { SG_OPT_CHDIR, "chdir", 'C', SG_ARG_REQUIRED, SG_GROUP_GLOBAL, "DIR",
        "go to DIR before anything else" },
    [SG_OPT_GRAPH] = { SG_OPT_GRAPH, "graph", 'f', SG_ARG_REQUIRED, SG_GROUP_GLOBAL, "GRAPH",
        "the graph file; else $STAGEGRAPH_GRAPH, stagegraph.ini, or the only graphs/*.ini" },
    [SG_OPT_NOW] = { SG_OPT_NOW, "now", 0, SG_ARG_REQUIRED, SG_GROUP_GLOBAL, "TIME",
        "decide what is due as if it were TIME; else $STAGEGRAPH_NOW" },
    [SG_OPT_HELP] = { SG_OPT_HELP, "help", 'h', SG_ARG_NONE, SG_GROUP_GLOBAL, "", "this text" },
    [SG_OPT_VERSION] = { SG_OPT_VERSION, "version", 0, SG_ARG_NONE, SG_GROUP_GLOBAL, "", "the version" },
    [SG_OPT_FROM] = { SG_OPT_FROM, "from", 0, SG_ARG_REQUIRED, SG_GROUP_RANGE, "D", OF_KEY },
    [SG_OPT_TO] = { SG_OPT_TO, "to", 0, SG_ARG_REQUIRED, SG_GROUP_RANGE, "D", OF_KEY },
    [SG_OPT_DATE] = { SG_OPT_DATE, "date", 0, SG_ARG_REQUIRED, SG_GROUP_RANGE, "D", OF_KEY },
    [SG_OPT_LAST] = { SG_OPT_LAST, "last", 0, SG_ARG_REQUIRED, SG_GROUP_RANGE, "24h|7d", OF_KEY },
    [SG_OPT_ONLY] = { SG_OPT_ONLY, "only", 0, SG_ARG_REQUIRED, SG_GROUP_SELECT | SG_GROUP_ACCEPT, "STAGE,…", OF_KEY },
    [SG_OPT_UPTO] = { SG_OPT_UPTO, "upto", 0, SG_ARG_REQUIRED, SG_GROUP_SELECT | SG_GROUP_ACCEPT, "STAGE,…", OF_KEY },
    [SG_OPT_WITH_NEEDS] = { SG_OPT_WITH_NEEDS, "with-needs", 0, SG_ARG_NONE, SG_GROUP_SELECT, "", OF_KEY },
    [SG_OPT_FORCE] = { SG_OPT_FORCE, "force", 0, SG_ARG_OPTIONAL, SG_GROUP_SELECT, "STAGE,…", OF_KEY },
    [SG_OPT_STALE] = { SG_OPT_STALE, "stale", 0, SG_ARG_REQUIRED, SG_GROUP_SELECT, "REASON,…", OF_KEY },
    [SG_OPT_PROFILE] = { SG_OPT_PROFILE, "profile", 0, SG_ARG_REQUIRED, SG_GROUP_PROFILE, "NAME",
        "take params, stage keys and run options from [profile NAME]" },
    [SG_OPT_SET] = { SG_OPT_SET, "set", 0, SG_ARG_REQUIRED, SG_GROUP_PROFILE, "stage.key=value",
        "a stage key for this run alone" },
    [SG_OPT_WINDOW] = { SG_OPT_WINDOW, "window", 0, SG_ARG_REQUIRED, SG_GROUP_SELECT | SG_GROUP_ACCEPT, "N", OF_KEY },
    [SG_OPT_LOOKBACK] = { SG_OPT_LOOKBACK, "lookback", 0, SG_ARG_REQUIRED, SG_GROUP_SELECT | SG_GROUP_ACCEPT, "N", OF_KEY },
    [SG_OPT_ORDER] = { SG_OPT_ORDER, "order", 0, SG_ARG_REQUIRED, SG_GROUP_SELECT, "newest|oldest", OF_KEY },
    [SG_OPT_JOBS] = { SG_OPT_JOBS, "jobs", 'j', SG_ARG_REQUIRED, RUNS | SG_GROUP_PLAN, "N", OF_KEY },
    [SG_OPT_KEEP_GOING] = { SG_OPT_KEEP_GOING, "keep-going", 'k', SG_ARG_REQUIRED, RUNS, "N", OF_KEY },
    [SG_OPT_DRY_RUN] = { SG_OPT_DRY_RUN, "dry-run", 'n', SG_ARG_NONE,
        RUNS | SG_GROUP_ACCEPT | SG_GROUP_REVOKE, "", OF_KEY },
    [SG_OPT_WAIT] = { SG_OPT_WAIT, "wait", 0, SG_ARG_NONE, RUNS, "", OF_KEY },
    [SG_OPT_JSON] = { SG_OPT_JSON, "json", 0, SG_ARG_OPTIONAL,
        SG_GROUP_OUTPUT | SG_GROUP_STATUS | SG_GROUP_ACCEPT | SG_GROUP_REVOKE, "FILE",
        "JSON to FILE, or to standard output (people's text then goes to standard error)" },
    [SG_OPT_NO_LOG] = { SG_OPT_NO_LOG, "no-log", 0, SG_ARG_NONE, RUNS, "", OF_KEY },
    [SG_OPT_QUIET] = { SG_OPT_QUIET, "quiet", 'q', SG_ARG_NONE, RUNS, "", OF_KEY },
    [SG_OPT_VERBOSE] = { SG_OPT_VERBOSE, "verbose", 'v', SG_ARG_NONE, RUNS | SG_GROUP_PLAN, "", OF_KEY },
    [SG_OPT_COLOR] = { SG_OPT_COLOR, "color", 0, SG_ARG_REQUIRED, RUNS | SG_GROUP_PLAN,
        "auto|always|never", OF_KEY },
    [SG_OPT_EXIT_CODE] = { SG_OPT_EXIT_CODE, "exit-code", 0, SG_ARG_NONE, SG_GROUP_PLAN, "",
        "exit 6 when there is something to run, else 3, 4 or 0" },
    [SG_OPT_STAGE] = { SG_OPT_STAGE, "stage", 0, SG_ARG_REQUIRED, SG_GROUP_HISTORY, "STAGE",
        "that stage alone" },
    [SG_OPT_FAILED] = { SG_OPT_FAILED, "failed", 0, SG_ARG_NONE, SG_GROUP_HISTORY, "",
        "what failed alone" },
    [SG_OPT_SUMMARY] = { SG_OPT_SUMMARY, "summary", 0, SG_ARG_NONE, SG_GROUP_HISTORY, "",
        "a summary of each stage alone: medians, 90th percentiles, what grew" },
    [SG_OPT_LIMIT] = { SG_OPT_LIMIT, "limit", 0, SG_ARG_REQUIRED, SG_GROUP_HISTORY, "N",
        "at most N rows (20 runs, 1000 attempts; of a summary 10000 of each stage)" },
    [SG_OPT_ATTEMPT] = { SG_OPT_ATTEMPT, "attempt", 0, SG_ARG_REQUIRED, SG_GROUP_LOG, "N",
        "of that attempt (the newest)" },
    [SG_OPT_FOLLOW] = { SG_OPT_FOLLOW, "follow", 0, SG_ARG_NONE, SG_GROUP_LOG, "",
        "go on while the job writes" },
    [SG_OPT_DOT] = { SG_OPT_DOT, "dot", 0, SG_ARG_NONE, SG_GROUP_GRAPH, "", "for Graphviz" },
    [SG_OPT_STORE] = { SG_OPT_STORE, "store", 0, SG_ARG_NONE, SG_GROUP_CHECK, "",
        "ask the store too" },
    [SG_OPT_YARN] = { SG_OPT_YARN, "yarn", 0, SG_ARG_NONE, SG_GROUP_CHECK, "",
        "ask YARN too: its state, and its room" },
    [SG_OPT_REASON] = { SG_OPT_REASON, "reason", 0, SG_ARG_REQUIRED, SG_GROUP_ACCEPT, "REASON,…",
        "also accept what is stale for these reasons alone (code command params version input)" },
    [SG_OPT_YES] = { SG_OPT_YES, "yes", 'y', SG_ARG_NONE, SG_GROUP_REVOKE, "", "don't ask" },
    [SG_OPT_PRUNE] = { SG_OPT_PRUNE, "prune", 0, SG_ARG_REQUIRED, SG_GROUP_HISTORY, "90d",
        "remove runs and attempts that began longer ago" },
};
/* clang-format on */

const struct sg_key *sg_option_key(const struct sg_option *o)
{
    char name[40]; /* no row's is longer */
    size_t n = strlen(o->name);

    if (n >= sizeof(name))
        return NULL;
    for (size_t i = 0; i <= n; i++)
        name[i] = o->name[i] == '-' ? '_' : o->name[i];
    return sg_key_find(SG_SECTION_PROFILE, name);
}

const char *sg_option_help(const struct sg_option *o, char buf[SG_OPTION_HELP])
{
    const struct sg_key *k = o->help ? NULL : sg_option_key(o);
    size_t n;

    if (!k)
        return o->help;
    n = (size_t)snprintf(buf, SG_OPTION_HELP, "%s", k->help);
    for (size_t i = 0; k->type == SG_KEY_CHOICES && k->choices[i] && n < SG_OPTION_HELP; i++)
        n += (size_t)snprintf(buf + n, SG_OPTION_HELP - n, "%s%s", i ? " " : " (", k->choices[i]);
    if (k->type == SG_KEY_CHOICES && n < SG_OPTION_HELP)
        (void)snprintf(buf + n, SG_OPTION_HELP - n, ")");
    return buf;
}

bool sg_options_has(const struct sg_options *o, enum sg_option_id id)
{
    return o->value[id] != NULL;
}

static const struct sg_option *find_long(const char *name, size_t n, unsigned groups)
{
    for (size_t i = 0; i < SG_OPT_COUNT; i++) {
        const struct sg_option *row = &sg_option_table[i];

        if ((row->groups & groups) && strlen(row->name) == n && strncmp(row->name, name, n) == 0)
            return row;
    }
    return NULL;
}

static const struct sg_option *find_letter(char letter, unsigned groups)
{
    for (size_t i = 0; i < SG_OPT_COUNT; i++)
        if ((sg_option_table[i].groups & groups) && sg_option_table[i].letter == letter)
            return &sg_option_table[i];
    return NULL;
}

struct parse {
    struct sg_options *o;
    struct sg_arena *arena; /* NULL while the global options are parsed */
    char **argv;
    size_t at;
    unsigned groups;
    const struct sg_graph *graph;
};

static bool add_setting(struct parse *p, struct sg_setting **items, size_t *n, size_t *cap,
                        const char *key, const char *value, struct sg_error *err)
{
    if (!sg_arena_grow(p->arena, (void **)items, *n, cap, sizeof(**items), err))
        return false;
    (*items)[(*n)++] = (struct sg_setting){ key, value };
    return true;
}

/* The value of an option that takes one: behind '=', or the next word. */
static bool take_value(struct parse *p, const char *option, const char *attached, const char **ret,
                       struct sg_error *err)
{
    if (attached) {
        *ret = attached;
        return true;
    }
    if (!p->argv[p->at])
        return sg_error_set(err, SG_ERROR_USAGE, 0, "%s needs a value", option);
    *ret = p->argv[p->at++];
    return true;
}

static bool take_row(struct parse *p, const struct sg_option *row, const char *word,
                     const char *attached, struct sg_error *err)
{
    const char *value = "";

    if (p->arena && (row->id == SG_OPT_CHDIR || row->id == SG_OPT_GRAPH))
        return sg_error_set(err, SG_ERROR_USAGE, 0, "-%c %s goes in front of the command",
                            row->letter, row->metavar); /* it has been too late for a while */
    if (row->arg == SG_ARG_NONE && attached)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "--%s takes no value", row->name);
    if (row->arg == SG_ARG_OPTIONAL && attached && !*attached)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "--%s= has no value behind it", row->name);
    if (row->arg == SG_ARG_REQUIRED && !take_value(p, word, attached, &value, err))
        return false;
    if (row->arg == SG_ARG_OPTIONAL && attached)
        value = attached;
    if (row->id == SG_OPT_SET) {
        const char *eq = strchr(value, '=');
        const char *key;

        if (!eq || !strchr(value, '.') || strchr(value, '.') > eq)
            return sg_error_set(err, SG_ERROR_USAGE, 0, "--set %s: write stage.key=value", value);
        key = sg_arena_copy(p->arena, (struct sg_span){ value, (size_t)(eq - value) }, err);
        return key && add_setting(p, &p->o->sets, &p->o->n_sets, &p->o->cap_sets, key, eq + 1, err);
    }
    p->o->value[row->id] = value;
    return true;
}

/* --bronze-mode X, --skip-validation, --no-skip-validation; *ret false: not a param. */
static bool take_param(struct parse *p, const char *name, size_t n, const char *attached, bool *ret,
                       struct sg_error *err)
{
    const struct sg_graph *g = p->graph;

    *ret = false;
    for (uint32_t i = 0; i < g->n_params; i++) {
        const struct sg_param *q = &g->params[i];
        bool is_bool = q->type == SG_PARAM_BOOL, no = false;
        const char *value = NULL;
        char option[200];

        if (strlen(q->option) == n && strncmp(q->option, name, n) == 0)
            no = false;
        else if (is_bool && n > 3 && strncmp(name, "no-", 3) == 0 && strlen(q->option) == n - 3 &&
                 strncmp(q->option, name + 3, n - 3) == 0)
            no = true;
        else
            continue;
        (void)snprintf(option, sizeof(option), "--%s", q->option); /* a name is at most 49 bytes */
        if (is_bool && attached && no)
            return sg_error_set(err, SG_ERROR_USAGE, 0, "--no-%s takes no value", q->option);
        if (is_bool)
            value = no ? "no" : attached ? attached : "yes";
        else if (!take_value(p, option, attached, &value, err))
            return false;
        *ret = true;
        return add_setting(p, &p->o->params, &p->o->n_params, &p->o->cap_params, q->name, value,
                           err);
    }
    return true;
}

/* "STAGE-start-date", "STAGE-end-date"; '_' in a stage's name may be written '-'. */
static bool is_stage_date(const struct sg_stage *s, const char *which, const char *name, size_t n)
{
    size_t len = strlen(s->name);

    if (n != len + strlen(which) || strncmp(name + len, which, n - len) != 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if (s->name[i] != name[i] && !(s->name[i] == '_' && name[i] == '-'))
            return false;
    return true;
}

/* The place of a stage's date; *ret NULL: it is none. */
static bool find_stage_date(struct sg_options *o, struct sg_arena *a, const struct sg_graph *g,
                            const char *name, size_t n, const char ***ret, struct sg_error *err)
{
    *ret = NULL;
    for (uint32_t i = 0; i < g->n_stages; i++) {
        bool start = is_stage_date(&g->stages[i], "-start-date", name, n);
        const char ***dates = start ? &o->stage_start : &o->stage_end;

        if (!start && !is_stage_date(&g->stages[i], "-end-date", name, n))
            continue;
        if (g->stages[i].is_source)
            return sg_error_set(err, SG_ERROR_USAGE, 0,
                                "--%.*s: %s is a source, stages alone have dates", (int)n, name,
                                g->stages[i].name);
        if (!*dates)
            *dates = SG_ARENA_NEW(a, g->n_stages, const char *, err);
        if (!*dates)
            return false;
        *ret = &(*dates)[i];
        return true;
    }
    return true;
}

static bool take_stage_date(struct parse *p, const char *word, const char *name, size_t n,
                            const char *attached, bool *ret, struct sg_error *err)
{
    const char **date;

    if (!find_stage_date(p->o, p->arena, p->graph, name, n, &date, err))
        return false;
    *ret = date != NULL;
    p->o->dates_given |= *ret;
    return !date || take_value(p, word, attached, date, err);
}

#define MAX_NAMES 600

/* For did-you-mean. Where memory is lacking there are fewer. */
struct names {
    struct sg_arena *arena;
    const char *at[MAX_NAMES];
    size_t n;
};

static void add_name(struct names *names, const char *before, const char *name, const char *after)
{
    struct sg_error ignored = SG_ERROR_INIT;

    if (names->n < MAX_NAMES && (*before || *after))
        name = sg_arena_printf(names->arena, &ignored, "%s%s%s", before, name, after);
    if (names->n < MAX_NAMES && name)
        names->at[names->n++] = name;
}

static bool unknown(struct parse *p, const char *word, const char *name, struct sg_error *err)
{
    struct names names = { .arena = p->arena };
    const struct sg_graph *g = p->graph;
    const char *near;

    for (size_t i = 0; i < SG_OPT_COUNT; i++)
        if (sg_option_table[i].groups & p->groups)
            add_name(&names, "", sg_option_table[i].name, "");
    for (uint32_t i = 0; g && (p->groups & SG_GROUP_PROFILE) && i < g->n_params; i++) {
        add_name(&names, "", g->params[i].option, "");
        if (g->params[i].type == SG_PARAM_BOOL)
            add_name(&names, "no-", g->params[i].option, "");
    }
    for (uint32_t i = 0; g && (p->groups & SG_GROUP_RANGE) && i < g->n_stages; i++)
        if (!g->stages[i].is_source) {
            add_name(&names, "", g->stages[i].name, "-start-date");
            add_name(&names, "", g->stages[i].name, "-end-date");
        }
    near = sg_text_nearest(name, names.at, names.n);
    if (near)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "unknown option %s; did you mean --%s?", word,
                            near);
    return sg_error_set(err, SG_ERROR_USAGE, 0, "unknown option %s", word);
}

static bool take_long(struct parse *p, const char *word, struct sg_error *err)
{
    const char *name = word + 2, *eq = strchr(name, '=');
    size_t n = eq ? (size_t)(eq - name) : strlen(name);
    const char *attached = eq ? eq + 1 : NULL;
    const struct sg_option *row = find_long(name, n, p->groups);
    char plain[200];
    bool taken = false;

    if (row)
        return take_row(p, row, word, attached, err);
    if (p->graph && (p->groups & SG_GROUP_PROFILE)) {
        if (!take_param(p, name, n, attached, &taken, err))
            return false;
        if (taken)
            return true;
    }
    if (p->graph && (p->groups & SG_GROUP_RANGE)) {
        if (!take_stage_date(p, word, name, n, attached, &taken, err))
            return false;
        if (taken)
            return true;
    }
    (void)snprintf(plain, sizeof(plain), "%.*s", (int)(n < 190 ? n : 190), name);
    return unknown(p, word, plain, err);
}

static bool take_short(struct parse *p, const char *word, struct sg_error *err)
{
    for (const char *c = word + 1; *c; c++) {
        const struct sg_option *row = find_letter(*c, p->groups);

        if (!row)
            return sg_error_set(err, SG_ERROR_USAGE, 0, "unknown option -%c in %s", *c, word);
        if (row->arg == SG_ARG_NONE) {
            p->o->value[row->id] = "";
            continue;
        }
        return take_row(p, row, word, c[1] ? c + 1 : NULL, err); /* -j4 or -j 4 */
    }
    return true;
}

bool sg_options_parse_global(struct sg_options *o, char **argv, size_t *ret_used,
                             struct sg_error *err)
{
    struct parse p = { .o = o, .argv = argv, .groups = SG_GROUP_GLOBAL };

    while (argv[p.at] && argv[p.at][0] == '-' && argv[p.at][1] != '\0') {
        const char *word = argv[p.at++];

        if (!(word[1] == '-' ? take_long(&p, word, err) : take_short(&p, word, err)))
            return false;
    }
    *ret_used = p.at;
    return true;
}

bool sg_options_parse(struct sg_options *o, struct sg_arena *a, char **argv, unsigned groups,
                      bool words, const struct sg_graph *g, struct sg_error *err)
{
    struct parse p = { .o = o, .arena = a, .argv = argv, .groups = groups, .graph = g };
    bool only_words = false;

    while (argv[p.at]) {
        const char *word = argv[p.at++];

        if (!only_words && strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        if (!only_words && word[0] == '-' && word[1] != '\0') {
            if (!(word[1] == '-' ? take_long(&p, word, err) : take_short(&p, word, err)))
                return false;
            continue;
        }
        if (!words)
            return sg_error_set(err, SG_ERROR_USAGE, 0, "unexpected word %s", word);
        if (!sg_arena_grow(a, (void **)&o->words, o->n_words, &o->cap_words, sizeof(*o->words),
                           err))
            return false;
        o->words[o->n_words++] = word;
    }
    return true;
}

static bool is_given(const struct sg_options *o, enum sg_option_id id)
{
    return o->value[id] && !o->from_profile[id];
}

/* Whether the command line says something that an option of the profile must give way to: itself,
 * or another way to give the range. Of --from and --to each may come from one side. (A window gives
 * way to any range where the request is made.) */
static bool is_beaten(const struct sg_options *o, enum sg_option_id id)
{
    bool single =
        is_given(o, SG_OPT_DATE) || is_given(o, SG_OPT_LAST) || is_given(o, SG_OPT_WINDOW);
    bool pair = is_given(o, SG_OPT_FROM) || is_given(o, SG_OPT_TO);

    if (id == SG_OPT_FROM || id == SG_OPT_TO)
        return single || is_given(o, id);
    if (id == SG_OPT_DATE || id == SG_OPT_LAST)
        return single || pair;
    return is_given(o, id);
}

static bool profile_option(struct sg_options *o, struct sg_arena *a, const struct sg_graph *g,
                           const struct sg_profile_option *q, struct sg_error *err)
{
    const struct sg_option *row;
    const char **date;
    char *name = sg_arena_text(a, q->key, err);
    bool yes;

    if (!name)
        return false;
    for (char *c = name; *c; c++)
        *c = *c == '_' ? '-' : *c;
    row = find_long(name, strlen(name), ~0u);
    if (!row) {
        if (!find_stage_date(o, a, g, name, strlen(name), &date, err))
            return false;
        if (!date)
            return sg_error_set(err, SG_ERROR_BUG, 0, "run option %s has no row", q->key);
        if (!*date)
            *date = q->value;
        return true;
    }
    if (is_beaten(o, row->id))
        return true;
    if (row->arg != SG_ARG_REQUIRED && sg_text_bool(q->value, &yes))
        o->value[row->id] = yes ? "" : NULL;
    else
        o->value[row->id] = q->value;
    o->from_profile[row->id] = o->value[row->id] != NULL;
    return true;
}

bool sg_options_profile(struct sg_options *o, struct sg_arena *a, const struct sg_graph *g,
                        const struct sg_profile *p, struct sg_error *err)
{
    for (uint32_t i = 0; i < p->n_options; i++)
        if (!profile_option(o, a, g, &p->options[i], err))
            return sg_error_wrap(err, "profile %s", p->name);
    return true;
}

/* "newest or oldest", "auto, always or never". */
static void join_choices(const char *const *choices, char *buf, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; choices[i] && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s%s",
                              i == 0           ? ""
                              : choices[i + 1] ? ", "
                                               : " or ",
                              choices[i]);
}

static bool check_choice(const char *option, const struct sg_key *k, const char *value,
                         struct sg_error *err)
{
    char all[200];

    for (size_t i = 0; k->choices[i]; i++)
        if (strcmp(k->choices[i], value) == 0)
            return true;
    join_choices(k->choices, all, sizeof(all));
    return sg_error_set(err, SG_ERROR_USAGE, 0, "--%s %s: expected %s", option, value, all);
}

bool sg_options_check(const struct sg_options *o, struct sg_error *err)
{
    for (size_t i = 0; i < SG_OPT_COUNT; i++) {
        const struct sg_option *row = &sg_option_table[i];
        const struct sg_key *k = o->value[i] ? sg_option_key(row) : NULL;
        int64_t unused;

        if (k && k->type == SG_KEY_INT &&
            !sg_options_int(o, row->id, k->min, k->max, 0, &unused, err))
            return false;
        if (k && k->type == SG_KEY_CHOICE && !check_choice(row->name, k, o->value[i], err))
            return false;
    }
    return true;
}

int64_t sg_options_number(const struct sg_options *o, enum sg_option_id id, int64_t fallback)
{
    int64_t v;

    return o->value[id] && sg_text_int(o->value[id], &v) ? v : fallback;
}

bool sg_options_int(const struct sg_options *o, enum sg_option_id id, int64_t min, int64_t max,
                    int64_t fallback, int64_t *ret, struct sg_error *err)
{
    int64_t v;

    if (!o->value[id]) {
        *ret = fallback;
        return true;
    }
    if (!sg_text_int(o->value[id], &v) || v < min || v > max)
        return max == INT64_MAX
                   ? sg_error_set(err, SG_ERROR_USAGE, 0,
                                  "--%s %s: expected a whole number from %" PRId64 " on",
                                  sg_option_table[id].name, o->value[id], min)
                   : sg_error_set(err, SG_ERROR_USAGE, 0,
                                  "--%s %s: expected a whole number from %" PRId64 " to %" PRId64,
                                  sg_option_table[id].name, o->value[id], min, max);
    *ret = v;
    return true;
}
