/* Sections [param NAME], and what a param may be set to. */
#include "load.h"

#include <string.h>
#include <strings.h>

#include "stagegraph/text.h"

/* Options of the program that are no keys of a profile; a param of that name could not be given. */
static const char *const options[] = { "now",  "help", "version",   "profile", "set",
                                       "json", "yes",  "exit_code", "reason",  "chdir" };

struct sg_param *sg_load_find_param(const struct sg_load *l, const char *name)
{
    for (uint32_t i = 0; i < l->g->n_params; i++) {
        if (strcmp(l->g->params[i].name, name) == 0)
            return &l->g->params[i];
    }
    return NULL;
}

static bool is_identifier(const char *name)
{
    for (const char *p = name; *p != '\0'; p++) {
        if ((*p < 'a' || *p > 'z') && (*p < 'A' || *p > 'Z') && *p != '_' &&
            (*p < '0' || *p > '9' || p == name))
            return false;
    }
    return *name != '\0';
}

/* --X-start-date and --X-end-date are options of the stage X. */
static bool is_stage_option(const struct sg_load *l, const char *name)
{
    const char *stage;
    size_t len;

    for (uint32_t i = 0; i < l->g->n_stages; i++) {
        stage = l->g->stages[i].name;
        for (len = 0; stage[len] != '\0'; len++) {
            if ((stage[len] == '-' ? '_' : stage[len]) != name[len])
                break;
        }
        if (stage[len] == '\0' &&
            (strcmp(name + len, "_start_date") == 0 || strcmp(name + len, "_end_date") == 0))
            return true;
    }
    return false;
}

static void check_name(struct sg_load *l, const struct sg_param *p, unsigned line)
{
    const struct sg_param *other;
    bool option = sg_key_find(SG_SECTION_PROFILE, p->name) != NULL || is_stage_option(l, p->name);

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        option = option || strcmp(options[i], p->name) == 0;
    if (!is_identifier(p->name))
        SG_LOAD_WRONG(l, line, "[param %s]: no name of a param (letters, digits and _)", p->name);
    else if (sg_var_find(p->name) != NULL)
        SG_LOAD_WRONG(l, line, "[param %s]: ${%s} is a variable of every job", p->name, p->name);
    else if (option)
        SG_LOAD_WRONG(l, line, "[param %s]: --%s is an option of its own", p->name, p->option);
    for (other = l->g->params; other < p; other++) {
        if (strcasecmp(other->name, p->name) == 0)
            SG_LOAD_WRONG(l, line,
                          "[param %s] and [param %s] (line %u) are one name in the environment",
                          p->name, other->name, other->origin.line);
    }
}

/* "no_x" beside a bool "x": both would be --no-x. */
static void check_negations(struct sg_load *l)
{
    const struct sg_param *p, *other;

    for (uint32_t i = 0; i < l->g->n_params; i++) {
        p = &l->g->params[i];
        other = strncmp(p->name, "no_", 3) == 0 ? sg_load_find_param(l, p->name + 3) : NULL;
        if (other != NULL && other->type == SG_PARAM_BOOL)
            SG_LOAD_WRONG(l, p->origin.line, "[param %s]: --%s turns the bool %s off", p->name,
                          p->option, other->name);
    }
}

static bool is_choice(const struct sg_param *p, const char *value)
{
    for (uint32_t i = 0; i < p->n_choices; i++) {
        if (strcmp(p->choices[i], value) == 0)
            return true;
    }
    return p->n_choices == 0;
}

/* "none of its choices (a b)" */
static const char *not_chosen(struct sg_buf *b, const struct sg_param *p)
{
    struct sg_error err = SG_ERROR_INIT;
    bool ok = sg_buf_adds(b, "none of its choices (", &err);

    for (uint32_t i = 0; ok && i < p->n_choices; i++)
        ok = sg_buf_addf(b, &err, "%s%s", i > 0 ? " " : "", p->choices[i]);
    if (!ok || !sg_buf_adds(b, ")", &err))
        return "none of its choices"; /* there is no memory to name them */
    return sg_buf_text(b);
}

/* As the user wrote it: a line of the file, or, without one, an option. */
static void wrong_value(struct sg_load *l, const struct sg_param *p, const char *value,
                        unsigned line, const char *why, const char *near)
{
    if (line == 0)
        SG_LOAD_WRONG(l, 0, "--%s %s: %s%s", p->option, value, why, near);
    else
        SG_LOAD_WRONG(l, line, "%s = %s: %s%s", p->name, value, why, near);
}

bool sg_load_param_value(struct sg_load *l, const struct sg_param *p, const char *value,
                         unsigned line, const char **ret)
{
    struct sg_buf choices = SG_BUF_INIT;
    struct sg_interval i;
    struct sg_near near;
    const char *why = NULL;
    int64_t n;
    bool flag = false;

    *ret = NULL;
    if (p->type == SG_PARAM_BOOL && !sg_text_bool(value, &flag) && *value != '\0')
        why = "write yes or no";
    else if (p->type == SG_PARAM_INT && !sg_text_int(value, &n))
        why = "no whole number";
    else if (p->type == SG_PARAM_DATE && (strlen(value) != 10 || strchr(value, 'W') != NULL ||
                                          !sg_time_parse(value, l->p->zone, &i)))
        why = "no date (write 2024-01-31)";
    if (why != NULL) {
        wrong_value(l, p, value, line, why, "");
        return true;
    }
    if (!is_choice(p, value)) {
        wrong_value(l, p, value, line, not_chosen(&choices, p),
                    sg_near_text(&near, sg_text_nearest(value, p->choices, p->n_choices)));
        sg_buf_done(&choices);
        return true;
    }
    if (p->type == SG_PARAM_BOOL)
        *ret = flag ? "true" : "";
    else
        *ret = sg_arena_text(l->arena, value, l->err);
    return *ret != NULL;
}

static bool set_choices(struct sg_load *l, struct sg_param *p, const struct sg_ini_entry *e)
{
    const char **choices = NULL, *unused;
    uint32_t n = 0;

    if (e == NULL)
        return true;
    if (!sg_load_list(l, e->value, &choices, &n))
        return false;
    if (p->type == SG_PARAM_BOOL) {
        SG_LOAD_WRONG(l, e->line, "choices: a bool is yes or no");
        return true;
    }
    if (n == 0)
        SG_LOAD_WRONG(l, e->line, "choices is empty");
    for (uint32_t i = 0; i < n; i++) {
        if (!sg_load_param_value(l, p, choices[i], e->line, &unused))
            return false;
    }
    p->choices = choices;
    p->n_choices = n;
    return true;
}

static bool set_default(struct sg_load *l, struct sg_param *p, const struct sg_ini_section *s)
{
    const struct sg_ini_entry *e = sg_ini_entry(s, "default");
    const struct sg_ini_entry *required = sg_ini_entry(s, "required");
    const char *value = NULL;

    p->value = "";
    if (e == NULL)
        return true;
    if (p->required)
        SG_LOAD_WRONG(l, required->line, "required: %s has a default", p->name);
    if (!sg_load_param_value(l, p, e->value, e->line, &value))
        return false;
    p->has_default = true;
    if (value != NULL)
        p->value = value;
    return true;
}

static bool load_param(struct sg_load *l, struct sg_param *p, const struct sg_ini_section *s)
{
    const struct sg_key *row;
    char *option;

    *p = (struct sg_param){ .name = s->name, .origin = { .file = l->file, .line = s->line } };
    option = sg_arena_text(l->arena, s->name, l->err);
    if (option == NULL)
        return false;
    for (char *c = option; *c != '\0'; c++)
        *c = *c == '_' ? '-' : *c;
    p->option = option;
    if (!sg_load_presets(l, p, SG_SECTION_PARAM))
        return false;
    for (size_t i = 0; i < s->n; i++) {
        row = sg_key_find(SG_SECTION_PARAM, s->entries[i].key);
        if (row != NULL && row->width > 0 && !s->entries[i].refused &&
            !sg_load_value(l, p, row, row->name, s->entries[i].value,
                           (struct sg_origin){ .file = l->file, .line = s->entries[i].line }))
            return false;
    }
    check_name(l, p, s->line);
    return set_choices(l, p, sg_ini_entry(s, "choices")) && set_default(l, p, s);
}

bool sg_load_params(struct sg_load *l)
{
    struct sg_graph *g = l->g;
    size_t n = 0;

    for (size_t i = 0; i < l->p->ini.n; i++)
        n += l->p->ini.sections[i].kind == SG_SECTION_PARAM;
    g->params = SG_ARENA_NEW(l->arena, n, struct sg_param, l->err);
    if (g->params == NULL)
        return false;
    for (size_t i = 0; i < l->p->ini.n; i++) {
        if (l->p->ini.sections[i].kind != SG_SECTION_PARAM)
            continue;
        if (!load_param(l, &g->params[g->n_params], &l->p->ini.sections[i]))
            return false;
        g->n_params++;
    }
    check_negations(l);
    return true;
}
