/* Sections of the graph file to the structs of graph.h. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/clock.h"
#include "stagegraph/text.h"

unsigned sg_load_line(const struct sg_load *l, const struct sg_stage *s, const char *key)
{
    const struct sg_ini_entry *e = sg_ini_entry(l->p->sections[s->id.i], key);

    return e != NULL ? e->line : s->origin.line;
}

static struct sg_origin origin_of(const struct sg_load *l, const struct sg_ini_entry *e)
{
    return (struct sg_origin){ .file = l->file, .line = e->line };
}

static const char *section_title(const struct sg_ini_section *s, char *to, size_t size)
{
    const char *kind = sg_section_row(s->kind)->kind;

    snprintf(to, size, *s->name != '\0' ? "%s %s" : "%s%s", kind, s->name);
    return to;
}

/* The kind of section that a misplaced key belongs to, or NULL. */
static const char *home_of(const char *key)
{
    for (enum sg_section s = 0; s < SG_SECTION_COUNT; s++) {
        if (sg_key_find(s, key) != NULL)
            return sg_section_row(s)->kind;
    }
    return NULL;
}

static void unknown_key(struct sg_load *l, const struct sg_ini_section *s,
                        const struct sg_ini_entry *e)
{
    const char *near = sg_key_near(s->kind, e->key), *home = home_of(e->key);
    char title[64], hint[64] = "";

    if (near == NULL && s->kind == SG_SECTION_STAGE && strcmp(e->key, "path") == 0)
        near = "output";
    if (near == NULL && s->kind == SG_SECTION_SOURCE && strcmp(e->key, "output") == 0)
        near = "path";
    if (near != NULL)
        snprintf(hint, sizeof(hint), "; did you mean %s?", near);
    else if (home != NULL)
        snprintf(hint, sizeof(hint), "; it is a key of [%s]", home);
    SG_LOAD_WRONG(l, e->line, "unknown key %s in [%s]%s", e->key,
                  section_title(s, title, sizeof(title)), hint);
}

/* Keys nobody knows, and required ones that are not given. Profiles know more: profile.c. */
static void check_keys(struct sg_load *l, const struct sg_ini_section *s)
{
    const struct sg_ini_entry *e;
    const struct sg_key *rows;
    bool refused;
    char title[64];
    size_t n;

    for (size_t i = 0; i < s->n && s->kind != SG_SECTION_PROFILE; i++) {
        if (sg_key_find(s->kind, s->entries[i].key) == NULL)
            unknown_key(l, s, &s->entries[i]);
    }
    rows = sg_keys(&n);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].section != s->kind || !rows[i].required)
            continue;
        e = sg_ini_entry(s, rows[i].name);
        refused = false;
        for (size_t k = 0; k < s->n; k++)
            refused =
                refused || (s->entries[k].refused && !strcmp(s->entries[k].key, rows[i].name));
        if (!refused && (e == NULL || *e->value == '\0'))
            SG_LOAD_WRONG(l, e != NULL ? e->line : s->line, "[%s] has no %s",
                          section_title(s, title, sizeof(title)), rows[i].name);
    }
}

/* All keys of a section that stand for themselves. */
static bool set_keys(struct sg_load *l, void *object, const struct sg_ini_section *s)
{
    const struct sg_key *row;

    for (size_t i = 0; s != NULL && i < s->n; i++) {
        row = sg_key_find(s->kind, s->entries[i].key);
        if (row == NULL || s->entries[i].refused || (row->required && *s->entries[i].value == '\0'))
            continue;
        if (!sg_load_value(l, object, row, s->entries[i].key, s->entries[i].value,
                           origin_of(l, &s->entries[i])))
            return false;
    }
    return true;
}

static bool load_zone(struct sg_load *l, const struct sg_ini_section *s)
{
    const struct sg_ini_entry *e = sg_ini_entry(s, "timezone");
    struct sg_error err = SG_ERROR_INIT;

    if (e != NULL && !sg_zone_open(e->value, NULL, &l->p->zone, &err)) {
        if (err.code != SG_ERROR_GRAPH) {
            *l->err = err;
            return false;
        }
        SG_LOAD_WRONG(l, e->line, "%s", err.text);
    }
    if (l->p->zone == NULL && !sg_zone_open("UTC", NULL, &l->p->zone, l->err))
        return false;
    l->g->zone = l->p->zone;
    return true;
}

/* A bare date begins in the graph's zone. */
static void take_now(struct sg_load *l)
{
    struct sg_interval at;

    if (l->now != NULL && sg_time_parse(l->now, l->g->zone, &at))
        l->now_s = at.start_s;
    else
        l->now_s = sg_wall_now().ns / SG_NS_PER_S;
}

static void check_life(struct sg_load *l, const struct sg_interval *life,
                       const struct sg_ini_section *s)
{
    const struct sg_ini_entry *e = sg_ini_entry(s, "end");

    if (e == NULL)
        e = sg_ini_entry(s, "start");
    if (life->start_s >= life->end_s && e != NULL)
        SG_LOAD_WRONG(l, e->line, "end is not after start: no partition exists");
}

/* The name of the file without its ".ini". */
static bool set_default_name(struct sg_load *l)
{
    const char *slash = strrchr(l->g->file, '/'), *base = slash != NULL ? slash + 1 : l->g->file;
    size_t n = strlen(base);

    if (l->g->name != NULL)
        return true;
    if (n > 4 && strcmp(base + n - 4, ".ini") == 0)
        n -= 4;
    l->g->name = sg_arena_copy(l->arena, (struct sg_span){ .at = base, .len = n }, l->err);
    return l->g->name != NULL;
}

static bool load_graph(struct sg_load *l)
{
    const struct sg_ini_section *s = sg_ini_section(&l->p->ini, SG_SECTION_GRAPH, "");
    struct sg_graph *g = l->g;

    g->life = (struct sg_interval){ .start_s = SG_TIME_MIN, .end_s = SG_TIME_MAX };
    if (!load_zone(l, s) || !sg_load_presets(l, g, SG_SECTION_GRAPH) || !set_keys(l, g, s) ||
        !set_default_name(l))
        return false;
    take_now(l);
    check_life(l, &g->life, s);
    return true;
}

static bool load_store(struct sg_load *l)
{
    const struct sg_ini_section *s = sg_ini_section(&l->p->ini, SG_SECTION_STORE, "");
    const struct sg_ini_section *yarn = sg_ini_section(&l->p->ini, SG_SECTION_YARN, "");

    if (s == NULL)
        SG_LOAD_WRONG(l, 0, "there is no [store]: write its root, where the data lie");
    return sg_load_presets(l, &l->g->store, SG_SECTION_STORE) && set_keys(l, &l->g->store, s) &&
           set_keys(l, &l->g->store, yarn);
}

/* Names stand in file names, on the command line, and before an '@'. */
static bool check_name(struct sg_load *l, const struct sg_ini_section *s)
{
    char title[64];

    for (const char *p = s->name; *p != '\0'; p++) {
        if ((*p < 'a' || *p > 'z') && (*p < 'A' || *p > 'Z') && (*p < '0' || *p > '9') &&
            *p != '_' && (*p != '-' || p == s->name)) {
            SG_LOAD_WRONG(l, s->line, "[%s]: a name has letters, digits, _ and -",
                          section_title(s, title, sizeof(title)));
            return false;
        }
    }
    return true;
}

static bool load_pools(struct sg_load *l)
{
    const struct sg_ini *ini = &l->p->ini;
    struct sg_graph *g = l->g;
    struct sg_pool *p;
    size_t n = 0;

    for (size_t i = 0; i < ini->n; i++)
        n += ini->sections[i].kind == SG_SECTION_POOL;
    g->pools = SG_ARENA_NEW(l->arena, n, struct sg_pool, l->err);
    if (g->pools == NULL)
        return false;
    for (size_t i = 0; i < ini->n; i++) {
        if (ini->sections[i].kind != SG_SECTION_POOL)
            continue;
        check_name(l, &ini->sections[i]);
        p = &g->pools[g->n_pools++];
        p->name = ini->sections[i].name;
        if (!set_keys(l, p, &ini->sections[i]))
            return false;
        if (ini->sections[i].n == 0)
            SG_LOAD_WRONG(l, ini->sections[i].line, "[pool %s] has neither size nor memory",
                          p->name);
    }
    return true;
}

static bool is_stage(const struct sg_ini_section *s)
{
    return s->kind == SG_SECTION_STAGE || s->kind == SG_SECTION_SOURCE;
}

/* Ids and names, so that others can refer to them. */
static bool name_stages(struct sg_load *l)
{
    const struct sg_ini *ini = &l->p->ini;
    const struct sg_stage *other;
    struct sg_graph *g = l->g;
    struct sg_stage *s;
    size_t n = 0;

    for (size_t i = 0; i < ini->n; i++)
        n += is_stage(&ini->sections[i]);
    g->stages = SG_ARENA_NEW(l->arena, n, struct sg_stage, l->err);
    l->p->sections = SG_ARENA_NEW(l->arena, n, const struct sg_ini_section *, l->err);
    l->bad = SG_ARENA_NEW(l->arena, n, bool, l->err);
    if (g->stages == NULL || l->p->sections == NULL || l->bad == NULL)
        return false;
    for (size_t i = 0; i < ini->n; i++) {
        if (!is_stage(&ini->sections[i]))
            continue;
        other = sg_graph_find_stage(g, ini->sections[i].name);
        if (other != NULL)
            SG_LOAD_WRONG(l, ini->sections[i].line, "%s is a stage and a source (line %u)",
                          other->name, other->origin.line);
        l->bad[g->n_stages] = !check_name(l, &ini->sections[i]) || other != NULL;
        s = &g->stages[g->n_stages];
        s->id.i = g->n_stages;
        s->name = ini->sections[i].name;
        s->is_source = ini->sections[i].kind == SG_SECTION_SOURCE;
        s->origin = (struct sg_origin){ .file = l->file, .line = ini->sections[i].line };
        l->p->sections[g->n_stages++] = &ini->sections[i];
    }
    if (g->n_stages == 0)
        SG_LOAD_WRONG(l, 0, "there is no [stage NAME]");
    return true;
}

static bool set_default_title(struct sg_load *l, struct sg_stage *s)
{
    char *title;

    if (s->title != NULL && *s->title != '\0')
        return true;
    title = sg_arena_text(l->arena, s->name, l->err);
    if (title == NULL)
        return false;
    for (char *p = title; *p != '\0' && !s->is_source; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
    s->title = title;
    return true;
}

static void check_markers(struct sg_load *l, const struct sg_stage *s)
{
    if (!s->is_source && s->partial && strcmp(s->marker, s->partial_marker) == 0)
        SG_LOAD_WRONG(l, sg_load_line(l, s, "partial_marker"),
                      "marker and partial_marker of %s are the same file", s->name);
    if (s->is_source && s->identity == SG_IDENTITY_MARKER && s->marker == NULL)
        SG_LOAD_WRONG(l, sg_load_line(l, s, "identity"),
                      "identity = marker: [source %s] has no marker", s->name);
}

/* preset: what every stage, or every source, begins as. */
static bool load_stage(struct sg_load *l, struct sg_stage *s, const struct sg_stage *preset)
{
    const struct sg_ini_section *section = l->p->sections[s->id.i];
    struct sg_stage fresh = *preset;
    size_t errors = l->diags->n_errors;

    fresh.id = s->id;
    fresh.name = s->name;
    fresh.is_source = s->is_source;
    fresh.origin = s->origin;
    *s = fresh;
    if (!set_keys(l, s, section) || !set_default_title(l, s))
        return false;
    check_life(l, &s->life, section);
    check_markers(l, s);
    s->exists = sg_calendar_meeting(&s->cal, s->life);
    l->bad[s->id.i] = l->bad[s->id.i] || l->diags->n_errors != errors;
    return true;
}

static bool load_stages(struct sg_load *l)
{
    struct sg_stage presets[2] = { { .pool = SG_NO_POOL }, { .pool = SG_NO_POOL } };
    struct sg_stage *s;

    for (int source = 0; source < 2; source++) {
        presets[source].cal = l->g->cal;
        presets[source].life = l->g->life;
        presets[source].delay_s = l->g->delay_s;
        if (!sg_load_presets(l, &presets[source], source ? SG_SECTION_SOURCE : SG_SECTION_STAGE))
            return false;
    }
    for (uint32_t i = 0; i < l->g->n_stages; i++) {
        s = &l->g->stages[i];
        if (!load_stage(l, s, &presets[s->is_source]))
            return false;
    }
    return true;
}

/* What refers to other stages and to params. */
static bool load_references(struct sg_load *l)
{
    const struct sg_ini_entry *e;
    struct sg_stage *s;

    for (uint32_t i = 0; i < l->g->n_stages; i++) {
        s = &l->g->stages[i];
        e = s->is_source ? NULL : sg_ini_entry(l->p->sections[i], "needs");
        if (e != NULL && !sg_load_needs(l, s, e->value, e->line))
            return false;
    }
    for (uint32_t i = 0; i < l->g->n_stages; i++) {
        s = &l->g->stages[i];
        if (s->is_source)
            continue;
        if (!sg_load_uses(l, s, NULL))
            return false;
        sg_load_check_batch(l, s, sg_load_line(l, s, "batch"), "");
        if (s->options.n_words > 0 && s->command.n_words > 0 &&
            !sg_template_uses(&s->command, "options") &&
            !sg_template_uses(&s->check_command, "options"))
            sg_diags_warn(l->diags, l->file, sg_load_line(l, s, "options"),
                          "options of %s go nowhere: its command has no ${options}", s->name);
    }
    return true;
}

static bool load_all(struct sg_load *l)
{
    if (!sg_ini_read(l->arena, l->file, &l->p->ini, l->diags, l->err))
        return false;
    for (size_t i = 0; i < l->p->ini.n; i++)
        check_keys(l, &l->p->ini.sections[i]);
    return load_graph(l) && load_store(l) && load_pools(l) && name_stages(l) && load_stages(l) &&
           sg_load_params(l) && load_references(l) && sg_load_profiles(l) && sg_load_paths(l) &&
           sg_load_components(l) && sg_load_check_calendars(l) && sg_load_check_cycles(l);
}

/* The directory without symbolic links, the name of the file as it was given. */
static bool set_place(struct sg_load *l)
{
    const char *slash = strrchr(l->file, '/'), *base = slash != NULL ? slash + 1 : l->file;
    char *dir, *real;

    dir = slash == NULL ? strdup(".") : strndup(l->file, (size_t)(slash - l->file) + 1);
    real = dir != NULL ? realpath(dir, NULL) : NULL;
    if (real == NULL)
        sg_error_set(l->err, dir == NULL ? SG_ERROR_MEMORY : SG_ERROR_GRAPH, 0,
                     "open the graph file %s: no such directory", l->file);
    else {
        l->g->dir = sg_arena_text(l->arena, real, l->err);
        l->g->file =
            sg_arena_printf(l->arena, l->err, "%s/%s", strcmp(real, "/") ? real : "", base);
    }
    free(dir);
    free(real);
    return l->g->dir != NULL && l->g->file != NULL;
}

bool sg_graph_open(const char *path, const char *now, struct sg_graph **ret, struct sg_diags *diags,
                   struct sg_error *err)
{
    struct {
        struct sg_graph graph; /* first: sg_graph_free frees it by this address */
        struct sg_graph_private private_;
    } *both = calloc(1, sizeof(*both));
    struct sg_load l = { .diags = diags, .err = err, .now = now };
    size_t before = diags->n_errors, n;
    bool ok;

    if (both == NULL)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for a graph");
    both->graph.private_ = &both->private_;
    l.g = &both->graph;
    l.p = &both->private_;
    l.arena = &both->private_.arena;
    l.file = sg_arena_text(l.arena, path, err);
    ok = l.file != NULL && set_place(&l) && load_all(&l);
    sg_diags_sort(diags);
    n = diags->n_errors - before;
    if (ok && n > 0)
        ok = sg_error_set(err, SG_ERROR_GRAPH, 0, "%s: %zu error%s", path, n, n == 1 ? "" : "s");
    if (!ok) {
        sg_graph_free(&both->graph);
        return false;
    }
    *ret = &both->graph;
    return true;
}
