/* The variables that commands, options, env and check use: known, and there when they are needed.
 */
#include "load.h"

#include <stdio.h>
#include <string.h>

#include "stagegraph/text.h"

static bool is_need(const struct sg_load *l, const struct sg_stage *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_needs; i++) {
        if (strcmp(l->g->stages[s->needs[i].of.i].name, name) == 0)
            return true;
    }
    return false;
}

/* Only for a message: what a wrong name may have meant. NULL where memory is short, too. */
static const char *near_var(struct sg_load *l, const struct sg_stage *s, const char *name)
{
    size_t n_vars, n = 0;
    const struct sg_var *vars = sg_vars(&n_vars);
    struct sg_error err = SG_ERROR_INIT;
    const char **names =
        SG_ARENA_NEW(l->arena, n_vars + l->g->n_params + s->n_needs, const char *, &err);

    if (names == NULL)
        return NULL;
    for (size_t i = 0; i < n_vars; i++) {
        if (strcmp(vars[i].name, "input.X") != 0)
            names[n++] = vars[i].name;
    }
    for (uint32_t i = 0; i < l->g->n_params; i++)
        names[n++] = l->g->params[i].name;
    for (uint32_t i = 0; i < s->n_needs; i++) {
        names[n] = sg_arena_printf(l->arena, &err, "input.%s", l->g->stages[s->needs[i].of.i].name);
        if (names[n] == NULL)
            return NULL;
        n++;
    }
    return sg_text_nearest(name, names, n);
}

/* One of the texts with variables of a stage. */
struct use {
    const struct sg_template *t;
    const char *key;
    bool counts; /* params in it are params of the stage */
};

static void check_var(struct sg_load *l, const struct sg_stage *s, const struct use *u,
                      const char *name, unsigned line)
{
    const struct sg_var *v = sg_var_find(name);
    const char *near, *input = strncmp(name, "input.", 6) == 0 ? name + 6 : NULL;

    if (v != NULL && input != NULL && !is_need(l, s, input) && !l->bad[s->id.i])
        SG_LOAD_WRONG(l, line, "%s: ${%s}: %s is not among the needs of %s", u->key, name, input,
                      s->name);
    else if (v != NULL && v->is_list && input == NULL && !strcmp(u->key, "options"))
        SG_LOAD_WRONG(l, line, "options: ${options} inside of itself");
    if (v != NULL || sg_load_find_param(l, name) != NULL)
        return;
    near = near_var(l, s, name);
    SG_LOAD_WRONG(l, line, "%s: there is no variable or param ${%s}%s%s%s", u->key, name,
                  near != NULL ? "; did you mean ${" : "", near != NULL ? near : "",
                  near != NULL ? "}?" : "");
}

static bool mark_params(struct sg_load *l, const struct sg_template *t, bool *used)
{
    const struct sg_param *p;

    for (uint32_t i = 0; i < t->n_vars; i++) {
        p = sg_load_find_param(l, t->vars[i]);
        if (p != NULL)
            used[p - l->g->params] = true;
    }
    return true;
}

static bool set_params(struct sg_load *l, struct sg_stage *s, const bool *used)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->g->n_params; i++)
        n += used[i];
    s->params = SG_ARENA_NEW(l->arena, n, uint32_t, l->err);
    if (s->params == NULL)
        return false;
    s->n_params = 0;
    for (uint32_t i = 0; i < l->g->n_params; i++) {
        if (used[i])
            s->params[s->n_params++] = i;
    }
    return true;
}

bool sg_load_uses(struct sg_load *l, struct sg_stage *s, const struct sg_origin *o)
{
    struct use uses[3] = { { &s->command, "command", true },
                           { &s->options, "options", false },
                           { &s->check_command, "check", true } };
    bool *used = SG_ARENA_NEW(l->arena, l->g->n_params, bool, l->err);
    char key[64];

    if (used == NULL)
        return false;
    for (size_t i = 0; i < 3 + (size_t)s->n_env; i++) {
        struct use u = i < 3 ? uses[i] : (struct use){ &s->env[i - 3].value, key, true };

        if (i >= 3)
            snprintf(key, sizeof(key), "env.%s", s->env[i - 3].name);
        for (uint32_t k = 0; k < u.t->n_vars; k++)
            check_var(l, s, &u, u.t->vars[k], o != NULL ? o->line : sg_load_line(l, s, u.key));
        if (u.counts)
            mark_params(l, u.t, used);
    }
    return set_params(l, s, used);
}

static const char *find_single(const struct sg_template *t)
{
    const struct sg_var *v;

    for (uint32_t i = 0; i < t->n_vars; i++) {
        v = sg_var_find(t->vars[i]);
        if (v != NULL && v->of_one)
            return v->name;
    }
    return NULL;
}

void sg_load_check_batch(struct sg_load *l, const struct sg_stage *s, unsigned line, const char *by)
{
    const char *key = "command", *var;
    char env[64];

    if (!sg_stage_has_batches(s))
        return;
    var = find_single(&s->command);
    if (var == NULL && (sg_template_uses(&s->command, "options") ||
                        sg_template_uses(&s->check_command, "options"))) {
        key = "options";
        var = find_single(&s->options);
    }
    if (var == NULL) {
        key = "check";
        var = find_single(&s->check_command);
    }
    for (uint32_t i = 0; var == NULL && i < s->n_env; i++) {
        snprintf(env, sizeof(env), "env.%s", s->env[i].name);
        key = env;
        var = find_single(&s->env[i].value);
    }
    if (var != NULL)
        SG_LOAD_WRONG(
            l, line,
            "a batch of %s can have several partitions, and its %s uses ${%s}, which is of "
            "one (of a batch are ${output_root} ${start} ${end} ${ds} ${end_ds} "
            "${partitions})%s",
            s->name, key, var, by);
}
