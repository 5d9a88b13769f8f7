/* Profiles and --set: what they may change, and the change itself. */
#include "load.h"

#include <stdio.h>
#include <string.h>

#include "stagegraph/text.h"

/* "bronze.timeout" at its first dot. False: wrong, and said to be. */
static bool find_setting(struct sg_load *l, const char *key, unsigned line,
                         struct sg_stage_setting *ret)
{
    const char *dot = strchr(key, '.');
    const struct sg_stage *s;
    enum sg_section section;
    struct sg_near near;
    char name[64];

    snprintf(name, sizeof(name), "%.*s", (int)(dot - key), key); /* a longer one is no stage's */
    s = sg_graph_find_stage(l->g, name);
    if (s == NULL) {
        SG_LOAD_WRONG(l, line, "%s: there is no stage or source %s%s", key, name,
                      sg_load_near_stage(l, &near, name));
        return false;
    }
    section = s->is_source ? SG_SECTION_SOURCE : SG_SECTION_STAGE;
    ret->stage = s->id;
    ret->key = dot + 1;
    ret->row = sg_key_find(section, ret->key);
    if (ret->row == NULL) {
        SG_LOAD_WRONG(l, line, "%s: there is no key %s in [%s]%s", key, ret->key,
                      sg_section_row(section)->kind,
                      sg_near_text(&near, sg_key_near(section, ret->key)));
        return false;
    }
    if (!ret->row->profile) {
        SG_LOAD_WRONG(l, line, "%s: %s says what %s is, and can only be given in its section", key,
                      ret->key, s->name);
        return false;
    }
    return true;
}

static bool is_date_option(const struct sg_load *l, const char *key)
{
    size_t n = strlen(key), len;
    const char *stage;

    for (uint32_t i = 0; i < l->g->n_stages; i++) {
        stage = l->g->stages[i].name;
        len = strlen(stage);
        if (l->g->stages[i].is_source || n < len)
            continue;
        for (len = 0; stage[len] != '\0' && (stage[len] == '-' ? '_' : stage[len]) == key[len];)
            len++;
        if (stage[len] == '\0' &&
            (strcmp(key + len, "_start_date") == 0 || strcmp(key + len, "_end_date") == 0))
            return true;
    }
    return false;
}

static void unknown_key(struct sg_load *l, const struct sg_ini_section *s,
                        const struct sg_ini_entry *e)
{
    const char *near = sg_key_near(SG_SECTION_PROFILE, e->key);
    struct sg_near text;

    for (uint32_t i = 0; near == NULL && i < l->g->n_params; i++)
        near = sg_text_nearest(e->key, &l->g->params[i].name, 1);
    sg_near_text(&text, near);
    if (near == NULL && sg_key_find(SG_SECTION_STAGE, e->key) != NULL)
        snprintf(text.text, sizeof(text.text), "; write STAGE.%s", e->key);
    SG_LOAD_WRONG(l, e->line, "unknown key %s in [profile %s]: no run option, param or stage.key%s",
                  e->key, s->name, text.text);
}

/* `log = no` is the option --no-log. */
static struct sg_profile_option option_of(const struct sg_ini_entry *e, const char *file)
{
    struct sg_profile_option o = { .key = e->key,
                                   .value = e->value,
                                   .origin = { .file = file, .line = e->line } };
    bool log;

    if (strcmp(e->key, "log") == 0 && sg_text_bool(e->value, &log)) {
        o.key = "no_log";
        o.value = log ? "no" : "yes";
    }
    return o;
}

static bool add_option(struct sg_load *l, struct sg_profile *p, size_t *cap,
                       const struct sg_ini_entry *e, const struct sg_key *row)
{
    const struct sg_key date = { SG_SECTION_PROFILE, e->key, SG_KEY_TIME, .help = "" };

    if (!sg_load_check_option(l, row != NULL ? row : &date, e->value, e->line) ||
        !sg_arena_grow(l->arena, (void **)&p->options, p->n_options, cap, sizeof(*p->options),
                       l->err))
        return false;
    p->options[p->n_options++] = option_of(e, l->file);
    return true;
}

static bool add_param(struct sg_load *l, struct sg_profile_settings *ps, const struct sg_param *p,
                      const struct sg_ini_entry *e)
{
    const char *value;

    if (!sg_load_param_value(l, p, e->value, e->line, &value))
        return false;
    if (value == NULL)
        return true;
    if (!sg_arena_grow(l->arena, (void **)&ps->params, ps->n_params, &ps->cap_params,
                       sizeof(*ps->params), l->err))
        return false;
    ps->params[ps->n_params++] =
        (struct sg_param_setting){ .param = (uint32_t)(p - l->g->params),
                                   .value = value,
                                   .origin = { .file = l->file, .line = e->line } };
    return true;
}

static bool add_setting(struct sg_load *l, struct sg_profile_settings *ps,
                        const struct sg_ini_entry *e)
{
    struct sg_stage_setting setting = { .value = e->value,
                                        .origin = { .file = l->file, .line = e->line } };

    if (!find_setting(l, e->key, e->line, &setting))
        return true;
    if (!sg_arena_grow(l->arena, (void **)&ps->stages, ps->n_stages, &ps->cap_stages,
                       sizeof(*ps->stages), l->err))
        return false;
    ps->stages[ps->n_stages++] = setting;
    return true;
}

static bool touches_uses(const struct sg_stage_setting *s)
{
    return s->row->type == SG_KEY_COMMAND || s->row->type == SG_KEY_CHECK ||
           s->row->type == SG_KEY_TEMPLATE;
}

static void check_memory(struct sg_load *l, const struct sg_stage *s, unsigned line)
{
    const struct sg_pool *p = s->pool != SG_NO_POOL ? &l->g->pools[s->pool] : NULL;

    if (p != NULL && p->memory > 0 && s->memory > p->memory)
        SG_LOAD_WRONG(l, line, "%s wants more memory than [pool %s] has: it would never run",
                      s->name, p->name);
}

/* Puts all settings of one stage on it (or on a copy, to try them), and looks at the whole. */
static bool apply_to_stage(struct sg_load *l, struct sg_stage *s,
                           const struct sg_stage_setting *settings, size_t n, const char *by)
{
    const struct sg_origin *uses = NULL, *batched = NULL, *at = NULL;
    const char *file = l->file;
    bool batch = false, ok = true;

    for (size_t i = 0; ok && i < n; i++) {
        if (settings[i].stage.i != s->id.i)
            continue;
        at = &settings[i].origin;
        l->file = at->file;
        ok = sg_load_value(l, s, settings[i].row, settings[i].key, settings[i].value, *at);
        if (touches_uses(&settings[i]))
            uses = at;
        batch = batch || settings[i].row->type == SG_KEY_BATCH;
        if (settings[i].row->type == SG_KEY_BATCH || !batch)
            batched = at;
    }
    if (ok && uses != NULL) {
        l->file = uses->file;
        ok = sg_load_uses(l, s, uses);
    }
    if (ok && (batch || uses != NULL)) {
        l->file = batched->file;
        sg_load_check_batch(l, s, batched->line, by);
    }
    if (ok && at != NULL) {
        l->file = at->file;
        check_memory(l, s, at->line);
    }
    l->file = file;
    return ok;
}

static bool try_profile(struct sg_load *l, const struct sg_profile *p,
                        const struct sg_profile_settings *ps)
{
    struct sg_stage copy;
    char by[96];
    bool seen;

    snprintf(by, sizeof(by), " (profile %s)", p->name);
    for (size_t i = 0; i < ps->n_stages; i++) {
        seen = false;
        for (size_t k = 0; k < i; k++)
            seen = seen || ps->stages[k].stage.i == ps->stages[i].stage.i;
        copy = l->g->stages[ps->stages[i].stage.i];
        if (!seen && !apply_to_stage(l, &copy, ps->stages, ps->n_stages, by))
            return false;
    }
    return true;
}

static bool load_profile(struct sg_load *l, const struct sg_ini_section *s, struct sg_profile *p,
                         struct sg_profile_settings *ps)
{
    const struct sg_ini_entry *e;
    const struct sg_param *param;
    const struct sg_key *row;
    size_t cap = 0;
    bool ok = true;

    *p = (struct sg_profile){ .name = s->name, .origin = { .file = l->file, .line = s->line } };
    for (size_t i = 0; ok && i < s->n; i++) {
        e = &s->entries[i];
        row = sg_key_find(SG_SECTION_PROFILE, e->key);
        param = sg_load_find_param(l, e->key);
        if (e->refused)
            continue;
        if (row != NULL)
            ok = add_option(l, p, &cap, e, row);
        else if (param != NULL)
            ok = add_param(l, ps, param, e);
        else if (strchr(e->key, '.') != NULL)
            ok = add_setting(l, ps, e);
        else if (is_date_option(l, e->key))
            ok = add_option(l, p, &cap, e, NULL);
        else
            unknown_key(l, s, e);
    }
    return ok && try_profile(l, p, ps);
}

/* Two profiles with different values of a stamped param make each other's partitions stale. */
static void warn_rebuilds(struct sg_load *l)
{
    const struct sg_param_setting **seen, *now;
    const struct sg_param *p;
    struct sg_error err = SG_ERROR_INIT;
    uint32_t *by;

    seen = SG_ARENA_NEW(l->arena, l->g->n_params, const struct sg_param_setting *, &err);
    by = SG_ARENA_NEW(l->arena, l->g->n_params, uint32_t, &err);
    if (seen == NULL || by == NULL)
        return; /* only a warning */
    for (uint32_t i = 0; i < l->g->n_profiles; i++) {
        for (size_t k = 0; k < l->p->profiles[i].n_params; k++) {
            now = &l->p->profiles[i].params[k];
            p = &l->g->params[now->param];
            if (!p->stamp)
                continue;
            if (seen[now->param] == NULL) {
                seen[now->param] = now;
                by[now->param] = i;
            } else if (strcmp(seen[now->param]->value, now->value) != 0) {
                sg_diags_warn(
                    l->diags, l->file, now->origin.line,
                    "profiles %s and %s set %s differently (\"%s\" in line %u, \"%s\"): they "
                    "rebuild each other's partitions, unless the param has stamp = no",
                    l->g->profiles[by[now->param]].name, l->g->profiles[i].name, p->name,
                    seen[now->param]->value, seen[now->param]->origin.line, now->value);
            }
        }
    }
}

bool sg_load_profiles(struct sg_load *l)
{
    struct sg_graph *g = l->g;
    const struct sg_ini *ini = &l->p->ini;
    size_t n = 0;

    for (size_t i = 0; i < ini->n; i++)
        n += ini->sections[i].kind == SG_SECTION_PROFILE;
    g->profiles = SG_ARENA_NEW(l->arena, n, struct sg_profile, l->err);
    l->p->profiles = SG_ARENA_NEW(l->arena, n, struct sg_profile_settings, l->err);
    if (g->profiles == NULL || l->p->profiles == NULL)
        return false;
    for (size_t i = 0; i < ini->n; i++) {
        if (ini->sections[i].kind != SG_SECTION_PROFILE)
            continue;
        if (!load_profile(l, &ini->sections[i], &g->profiles[g->n_profiles],
                          &l->p->profiles[g->n_profiles]))
            return false;
        g->n_profiles++;
    }
    for (uint32_t i = 0; i < g->n_stages; i++) {
        if (!g->stages[i].is_source)
            check_memory(l, &g->stages[i], sg_load_line(l, &g->stages[i], "memory"));
    }
    warn_rebuilds(l);
    return true;
}

/* ---- putting it on the graph ---- */

static void set_param(struct sg_load *l, const struct sg_param_setting *s)
{
    struct sg_param *p = &l->g->params[s->param];

    p->value = s->value;
    p->given = true;
    p->origin = s->origin;
}

static bool read_sets(struct sg_load *l, const struct sg_setting *sets, size_t n,
                      struct sg_stage_setting **ret, size_t *ret_n)
{
    struct sg_stage_setting *out = SG_ARENA_NEW(l->arena, n, struct sg_stage_setting, l->err);
    size_t used = 0;
    const char *key, *value;

    if (out == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        key = sg_arena_text(l->arena, sets[i].key, l->err);
        value = key != NULL ? sg_arena_text(l->arena, sets[i].value, l->err) : NULL;
        if (value == NULL)
            return false;
        l->file = sg_arena_printf(l->arena, l->err, "--set %s=%s", key, value);
        if (l->file == NULL)
            return false;
        out[used].value = value;
        out[used].origin = (struct sg_origin){ .file = l->file, .line = 0 };
        if (strchr(key, '.') == NULL)
            SG_LOAD_WRONG(l, 0, "write STAGE.KEY=VALUE");
        else if (find_setting(l, key, 0, &out[used]))
            used++;
    }
    l->file = NULL;
    *ret = out;
    *ret_n = used;
    return true;
}

/* By its name or as its option is written. */
static const struct sg_param *find_given(const struct sg_load *l, const char *name)
{
    for (uint32_t i = 0; i < l->g->n_params; i++) {
        if (strcmp(l->g->params[i].name, name) == 0 || strcmp(l->g->params[i].option, name) == 0)
            return &l->g->params[i];
    }
    return NULL;
}

static bool apply_params(struct sg_load *l, const struct sg_profile_settings *ps,
                         const struct sg_setting *params, size_t n)
{
    struct sg_param_setting given = { .value = NULL };
    const struct sg_param *p;
    const char *near = NULL;
    struct sg_near text;

    for (size_t i = 0; ps != NULL && i < ps->n_params; i++)
        set_param(l, &ps->params[i]);
    for (size_t i = 0; i < n; i++) {
        p = find_given(l, params[i].key);
        if (p == NULL) {
            for (uint32_t k = 0; near == NULL && k < l->g->n_params; k++)
                near = sg_text_nearest(params[i].key, &l->g->params[k].name, 1);
            SG_LOAD_WRONG(l, 0, "there is no param %s%s", params[i].key, sg_near_text(&text, near));
            continue;
        }
        given.param = (uint32_t)(p - l->g->params);
        if (!sg_load_param_value(l, p, params[i].value, 0, &given.value))
            return false;
        if (given.value != NULL)
            set_param(l, &given);
    }
    return true;
}

/* Profile first, then --set, each stage as a whole: a batch of one may go with a command of the
 * other. */
static bool apply_stages(struct sg_load *l, const struct sg_profile_settings *ps,
                         const struct sg_stage_setting *sets, size_t n_sets)
{
    size_t n_profile = ps != NULL ? ps->n_stages : 0, n = n_profile + n_sets;
    struct sg_stage_setting *all = SG_ARENA_NEW(l->arena, n, struct sg_stage_setting, l->err);
    bool *done = SG_ARENA_NEW(l->arena, l->g->n_stages, bool, l->err);

    if (all == NULL || done == NULL)
        return false;
    if (n_profile > 0)
        memcpy(all, ps->stages, n_profile * sizeof(*all));
    if (n_sets > 0)
        memcpy(all + n_profile, sets, n_sets * sizeof(*all));
    for (size_t i = 0; i < n; i++) {
        if (done[all[i].stage.i])
            continue;
        done[all[i].stage.i] = true;
        if (!apply_to_stage(l, &l->g->stages[all[i].stage.i], all, n, ""))
            return false;
    }
    return true;
}

static void check_required(struct sg_load *l)
{
    const struct sg_param *p;

    for (uint32_t i = 0; i < l->g->n_params; i++) {
        p = &l->g->params[i];
        if (p->required && !p->given)
            SG_LOAD_WRONG(l, 0, "the param %s is required: give --%s", p->name, p->option);
    }
}

bool sg_graph_configure(struct sg_graph *g, const char *profile, const struct sg_setting *sets,
                        size_t n_sets, const struct sg_setting *params, size_t n_params,
                        bool lenient, struct sg_diags *diags, struct sg_error *err)
{
    const struct sg_profile *p = profile != NULL ? sg_graph_find_profile(g, profile) : NULL;
    const struct sg_profile_settings *ps = NULL;
    struct sg_stage_setting *own = NULL;
    struct sg_load l = {
        .g = g, .p = g->private_, .arena = &g->private_->arena, .diags = diags, .err = err
    };
    size_t n_own = 0, before = diags->n_errors;
    struct sg_near near;

    if (!SG_EXPECT(!g->private_->configured, err))
        return false;
    if (profile != NULL && p == NULL)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "there is no [profile %s]%s", profile,
                            sg_near_text(&near, sg_graph_near_profile(g, profile)));
    if (p != NULL)
        ps = &g->private_->profiles[p - g->profiles];
    g->private_->configured = true;
    l.bad = SG_ARENA_NEW(l.arena, g->n_stages, bool, err);
    if (l.bad == NULL || !read_sets(&l, sets, n_sets, &own, &n_own) ||
        !apply_stages(&l, ps, own, n_own) || !apply_params(&l, ps, params, n_params))
        return false;
    if (!lenient)
        check_required(&l);
    if (diags->n_errors == before)
        return true;
    if (diags->n_errors == 1 && diags->n == 1 && !diags->lost) {
        sg_error_set(err, SG_ERROR_USAGE, 0, "%s", diags->items[0].text);
        sg_diags_done(diags);
        return false;
    }
    return sg_error_set(err, SG_ERROR_USAGE, 0, "%zu errors in what was set",
                        diags->n_errors - before);
}
