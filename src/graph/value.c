/* The text of one key to its value, by the row of the key. */
#include "load.h"

#include <string.h>

#include "stagegraph/clock.h"
#include "stagegraph/template.h"
#include "stagegraph/text.h"

const char *sg_near_text(struct sg_near *n, const char *near)
{
    n->text[0] = '\0';
    if (near != NULL && strlen(near) < sizeof(n->text) - 20)
        stpcpy(stpcpy(stpcpy(n->text, "; did you mean "), near), "?");
    return n->text;
}

const char *sg_load_near_stage(const struct sg_load *l, struct sg_near *n, const char *name)
{
    return sg_near_text(n, sg_graph_near_stage(l->g, name));
}

static size_t count_choices(const char *const *choices)
{
    size_t n = 0;

    while (choices[n] != NULL)
        n++;
    return n;
}

/* "keep, delete" */
static const char *list_choices(struct sg_buf *b, const char *const *choices)
{
    struct sg_error err = SG_ERROR_INIT;

    for (size_t i = 0; choices[i] != NULL; i++) {
        if (!sg_buf_addf(b, &err, "%s%s", i > 0 ? " " : "", choices[i]))
            break; /* a shorter message */
    }
    return sg_buf_text(b);
}

static void wrong_choice(struct sg_load *l, const char *key, const char *value,
                         const char *const *choices, unsigned line)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_near n;

    SG_LOAD_WRONG(l, line, "%s = %s: none of its choices (%s)%s", key, value,
                  list_choices(&b, choices),
                  sg_near_text(&n, sg_text_nearest(value, choices, count_choices(choices))));
    sg_buf_done(&b);
}

/* Where the row says, in as many bytes as it says; a flag, an int, an enum, or 64 bits. */
static void store_int(void *object, const struct sg_key *row, int64_t v)
{
    char *at = (char *)object + row->offset;
    int32_t v32 = (int32_t)v;
    bool flag = v != 0;

    if (row->width == sizeof(v))
        memcpy(at, &v, sizeof(v));
    else if (row->width == sizeof(v32))
        memcpy(at, &v32, sizeof(v32));
    else if (row->width == sizeof(flag))
        memcpy(at, &flag, sizeof(flag));
}

static void store_text(void *object, const struct sg_key *row, const char *text)
{
    if (row->width == sizeof(text))
        memcpy((char *)object + row->offset, &text, sizeof(text));
}

/* Numbers, sizes and durations with their bounds. */
static bool read_number(struct sg_load *l, const struct sg_key *row, const char *key,
                        const char *value, unsigned line, int64_t *ret)
{
    static const struct {
        const char *what, *how;
    } forms[SG_KEY_TYPE_COUNT] = {
        [SG_KEY_INT] = { "no whole number", "3" },
        [SG_KEY_SIZE] = { "no size", "512m or 4g" },
        [SG_KEY_DURATION] = { "no duration", "90s, 30m, 2h or 7d" },
    };
    bool ok = row->type == SG_KEY_INT    ? sg_text_int(value, ret)
              : row->type == SG_KEY_SIZE ? sg_size_parse(value, ret)
                                         : sg_duration_parse(value, ret);

    if (!ok)
        SG_LOAD_WRONG(l, line, "%s = %s: %s (write %s)", key, value, forms[row->type].what,
                      forms[row->type].how);
    else if (*ret < row->min)
        SG_LOAD_WRONG(l, line, "%s = %s: at least %lld%s", key, value, (long long)row->min,
                      row->type == SG_KEY_DURATION ? "s" : "");
    else if (*ret > row->max)
        SG_LOAD_WRONG(l, line, "%s = %s: too much", key, value);
    else
        return true;
    return false;
}

static int find_choice(const struct sg_key *row, const char *value)
{
    for (int i = 0; row->choices[i] != NULL; i++) {
        if (strcmp(row->choices[i], value) == 0)
            return i;
    }
    return -1;
}

static void set_choice(struct sg_load *l, void *object, const struct sg_key *row, const char *key,
                       const char *value, unsigned line)
{
    int i = find_choice(row, value);

    if (i < 0)
        wrong_choice(l, key, value, row->choices, line);
    else if (row->width == sizeof(char *))
        store_text(object, row, row->choices[i]);
    else
        store_int(object, row, i);
}

static void set_time(struct sg_load *l, void *object, const struct sg_key *row, const char *key,
                     const char *value, unsigned line)
{
    struct sg_interval i;

    if (*value == '\0')
        i.start_s = strcmp(row->name, "end") == 0 ? SG_TIME_MAX : SG_TIME_MIN;
    else if (!sg_time_parse(value, l->p->zone, &i)) {
        SG_LOAD_WRONG(l, line, "%s = %s: no date or time (write 2024-01-31 or 2024-01-31T05:30)",
                      key, value);
        return;
    }
    store_int(object, row, i.start_s);
}

static void set_calendar(struct sg_load *l, void *object, const struct sg_key *row, const char *key,
                         const char *value, unsigned line)
{
    static const char *const names[] = { "5m",  "10m",  "15m",   "30m", "hour",
                                         "day", "week", "month", "once" };
    struct sg_calendar c;
    struct sg_near n;

    if (sg_calendar_parse(value, l->p->zone, &c))
        memcpy((char *)object + row->offset, &c, sizeof(c));
    else
        SG_LOAD_WRONG(
            l, line, "%s = %s: no calendar (5m 10m 15m 30m hour day week month once)%s", key, value,
            sg_near_text(&n, sg_text_nearest(value, names, sizeof(names) / sizeof(names[0]))));
}

static void set_filename(struct sg_load *l, void *object, const struct sg_key *row, const char *key,
                         const char *value, unsigned line)
{
    bool optional = row->section == SG_SECTION_SOURCE || row->section == SG_SECTION_GRAPH;

    if (*value == '\0' && optional)
        store_text(object, row, NULL);
    else if (*value == '\0' || strpbrk(value, "/:") != NULL || strcmp(value, ".") == 0 ||
             strcmp(value, "..") == 0 || strstr(value, "_stagegraph") != NULL)
        SG_LOAD_WRONG(l, line, "%s = %s: no plain name (it may hold no / and no :)", key, value);
    else
        store_text(object, row, value);
}

/*
 * The path from the graph file's directory, without ".", empty names and the ".." that it begins
 * with: the directory has no symbolic links, so what is above it is known. A later ".." stays, for
 * what is before it may be a link.
 */
static char *absolute(struct sg_load *l, const char *path)
{
    char *to = sg_arena_printf(l->arena, l->err, "%s/%s", *path == '/' ? "" : l->g->dir, path);
    char *end = to, *from;
    size_t len;
    bool leading = *path != '/';

    if (to == NULL)
        return NULL;
    if (leading)
        end += strcmp(l->g->dir, "/") != 0 ? strlen(l->g->dir) : 0;
    for (from = end; *from != '\0'; from += len) {
        from += strspn(from, "/");
        len = strcspn(from, "/");
        if (len == 0 || (len == 1 && *from == '.'))
            continue;
        if (leading && len == 2 && from[0] == '.' && from[1] == '.') {
            while (end > to && *--end != '/')
                ;
            continue;
        }
        leading = false;
        *end++ = '/';
        memmove(end, from, len);
        end += len;
    }
    if (end == to)
        *end++ = '/';
    *end = '\0';
    return to;
}

static bool set_path(struct sg_load *l, void *object, const struct sg_key *row, const char *value)
{
    const char *path = row->preset != NULL ? l->g->dir : NULL;

    if (*value != '\0' && (path = absolute(l, value)) == NULL)
        return false;
    store_text(object, row, path);
    return true;
}

/* What a shell would have made of it: nobody means a directory of that name. */
static bool is_for_a_shell(struct sg_load *l, const char *value, unsigned line)
{
    bool tilde = value[0] == '~' && (value[1] == '/' || value[1] == '\0');

    if (!tilde && strchr(value, '$') == NULL)
        return false;
    SG_LOAD_WRONG(l, line,
                  "root = %s: no shell reads this, and it takes no variables: write %s out", value,
                  tilde ? "~" : "them");
    return true;
}

/* "hdfs:/w": Hadoop takes the NameNode from elsewhere then. */
static bool lacks_authority(struct sg_load *l, const char *value, unsigned line)
{
    static const char *const schemes[] = { "hdfs", "webhdfs", "swebhdfs" };
    size_t n;

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        n = strlen(schemes[i]);
        if (strncmp(value, schemes[i], n) != 0 || value[n] != ':' || strstr(value, "://") != NULL)
            continue;
        SG_LOAD_WRONG(l, line, "root = %s: write %s://NAMESERVICE/DIRECTORY", value, schemes[i]);
        return true;
    }
    return false;
}

/* What HDFS refuses in a path, and only once something is made there. */
static bool is_no_hdfs_path(struct sg_load *l, const char *value, unsigned line)
{
    const char *at = strstr(value, "://"), *bad = NULL;
    size_t n;

    if (at == NULL || strncmp(value, "file:", 5) == 0)
        return false;
    for (at += 3 + strcspn(at + 3, "/"); *at != '\0' && bad == NULL; at += n) {
        n = 1 + strcspn(at + 1, "/");
        if (memchr(at, ':', n) != NULL)
            bad = "colon";
        else if (n == 2 && at[1] == '.')
            bad = ".";
        else if (n == 3 && at[1] == '.' && at[2] == '.')
            bad = "..";
    }
    if (bad != NULL)
        SG_LOAD_WRONG(l, line, "root = %s: HDFS takes no %s in a path", value, bad);
    return bad != NULL;
}

/* hdfs:// and its like as they are, paths made absolute; no slash at the end. */
static bool set_root(struct sg_load *l, const char *value, unsigned line)
{
    static const char *const schemes[] = { "file", "hdfs", "webhdfs", "swebhdfs" };
    const char *mark = strstr(value, "://"), *rest;
    char *root, scheme[16] = "";
    struct sg_near n;
    size_t len;
    bool known = false;

    if (is_for_a_shell(l, value, line) || lacks_authority(l, value, line))
        return true;

    if (mark == NULL && strncmp(value, "file:/", 6) == 0)
        mark = value + 4; /* as Hadoop prints it */
    if (mark != NULL && (size_t)(mark - value) < sizeof(scheme))
        memcpy(scheme, value, (size_t)(mark - value));
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        known = known || strcmp(scheme, schemes[i]) == 0;
    if (*value == '\0') {
        SG_LOAD_WRONG(l, line, "root is empty: say where the data lie");
        return true;
    }
    if (mark != NULL && !known) {
        SG_LOAD_WRONG(l, line,
                      "root = %s: a store of that kind is not known (file hdfs webhdfs swebhdfs)%s",
                      value, sg_near_text(&n, sg_text_nearest(scheme, schemes, 4)));
        return true;
    }
    if (is_no_hdfs_path(l, value, line))
        return true;
    rest = mark != NULL ? mark + (mark[1] == '/' && mark[2] == '/' ? 3 : 1) : value;
    if (mark != NULL && strcmp(scheme, "file") == 0 && *rest != '/') {
        SG_LOAD_WRONG(l, line, "root = %s: write file:///DIRECTORY, or the path alone", value);
        return true;
    }
    root = mark == NULL ? absolute(l, value) : sg_arena_text(l->arena, value, l->err);
    if (root == NULL)
        return false;
    len = strlen(root);
    while (mark != NULL && len > (size_t)(rest - value) + 1 && root[len - 1] == '/')
        root[--len] = '\0';
    l->g->store.root = root;
    l->g->store.root_is_uri = mark != NULL;
    return true;
}

static bool set_template(struct sg_load *l, struct sg_template *to, const char *key,
                         const char *value, bool words, unsigned line)
{
    struct sg_template t;
    struct sg_error err = SG_ERROR_INIT;

    if (words ? sg_template_parse(l->arena, value, &t, &err)
              : sg_template_parse_word(l->arena, value, &t, &err)) {
        *to = t;
        return true;
    }
    if (err.code != SG_ERROR_GRAPH) {
        *l->err = err;
        return false;
    }
    SG_LOAD_WRONG(l, line, "%s: %s", key, err.text);
    return true;
}

/* env.NAME: into the sorted list, which is copied: a profile's try-out must not change the stage.
 */
static bool set_env(struct sg_load *l, struct sg_stage *s, const char *key, const char *value,
                    unsigned line)
{
    const char *name = key + 4;
    struct sg_env *env;
    uint32_t at = 0, n;
    bool there;

    for (const char *p = name; *p != '\0'; p++) {
        if ((*p < 'A' || *p > 'Z') && (*p < 'a' || *p > 'z') && *p != '_' &&
            (*p < '0' || *p > '9' || p == name)) {
            SG_LOAD_WRONG(l, line, "%s: no name of an environment variable", key);
            return true;
        }
    }
    if (strncmp(name, "STAGEGRAPH_", 11) == 0) {
        SG_LOAD_WRONG(l, line, "%s: names that begin with STAGEGRAPH_ are ours", key);
        return true;
    }
    while (at < s->n_env && strcmp(s->env[at].name, name) < 0)
        at++;
    there = at < s->n_env && strcmp(s->env[at].name, name) == 0;
    n = s->n_env + !there;
    env = SG_ARENA_NEW(l->arena, n, struct sg_env, l->err);
    if (env == NULL)
        return false;
    if (at > 0)
        memcpy(env, s->env, at * sizeof(*env));
    if (s->n_env > at)
        memcpy(env + at + !there, s->env + at, (s->n_env - at) * sizeof(*env));
    env[at].name = name;
    if (!set_template(l, &env[at].value, key, value, false, line))
        return false;
    s->env = env;
    s->n_env = n;
    return true;
}

/* A word of the table, or a command. */
static bool set_check(struct sg_load *l, struct sg_stage *s, const struct sg_key *row,
                      const char *value, unsigned line)
{
    int i = find_choice(row, value);
    const char *near = NULL;
    struct sg_near n;

    if (i >= 0) {
        s->check = (enum sg_check)i;
        s->check_command = (struct sg_template){ .n_words = 0 };
        return true;
    }
    if (strpbrk(value, " /$") == NULL)
        near = sg_text_nearest(value, row->choices, count_choices(row->choices));
    if (*value == '\0' || near != NULL) {
        SG_LOAD_WRONG(l, line, "check = %s: none of written rewritten exists none, nor a command%s",
                      value, sg_near_text(&n, near));
        return true;
    }
    s->check = SG_CHECK_COMMAND;
    return set_template(l, &s->check_command, row->name, value, true, line);
}

static void set_batch(struct sg_load *l, struct sg_stage *s, const struct sg_key *row,
                      const char *value, unsigned line)
{
    int64_t v;

    if (sg_text_int(value, &v) && v >= row->min && v <= row->max) {
        s->batch_count = v;
        s->batch_s = 0;
    } else if (sg_text_int(value, &v)) {
        SG_LOAD_WRONG(l, line, "batch = %s: %s", value, v < row->min ? "at least 1" : "too much");
    } else if (sg_duration_parse(value, &v) && v > 0) {
        s->batch_count = 1;
        s->batch_s = v;
    } else {
        SG_LOAD_WRONG(l, line,
                      "batch = %s: neither a number of partitions nor a duration (write 24 or 7d)",
                      value);
    }
}

static void set_pool(struct sg_load *l, struct sg_stage *s, const char *value, unsigned line)
{
    const char *near = NULL;
    struct sg_near n;

    s->pool = SG_NO_POOL;
    for (uint32_t i = 0; i < l->g->n_pools; i++) {
        if (strcmp(l->g->pools[i].name, value) == 0)
            s->pool = i;
        else if (near == NULL)
            near = sg_text_nearest(value, &l->g->pools[i].name, 1);
    }
    if (s->pool == SG_NO_POOL && *value != '\0')
        SG_LOAD_WRONG(l, line, "there is no [pool %s]%s", value, sg_near_text(&n, near));
}

bool sg_load_list(struct sg_load *l, const char *text, const char ***ret, uint32_t *ret_n)
{
    static const char breaks[] = ", \t";
    const char **items = NULL;
    size_t n = 0, cap = 0, len;

    for (text += strspn(text, breaks); *text != '\0'; text += strspn(text, breaks)) {
        len = strcspn(text, breaks);
        if (!sg_arena_grow(l->arena, (void **)&items, n, &cap, sizeof(*items), l->err))
            return false;
        items[n] = sg_arena_copy(l->arena, (struct sg_span){ .at = text, .len = len }, l->err);
        if (items[n] == NULL)
            return false;
        n++;
        text += len;
    }
    *ret = items;
    *ret_n = (uint32_t)n;
    return true;
}

static bool set_code(struct sg_load *l, struct sg_stage *s, const char *value, unsigned line)
{
    if (!sg_load_list(l, value, &s->code, &s->n_code))
        return false;
    for (uint32_t i = 0; i < s->n_code; i++) {
        if (s->code[i][0] == '/')
            SG_LOAD_WRONG(l, line,
                          "code: %s must be relative: the place of a checkout is no part of "
                          "the stamp",
                          s->code[i]);
        else if (strstr(s->code[i], "${") != NULL)
            SG_LOAD_WRONG(l, line, "code: %s: patterns take no variables", s->code[i]);
    }
    return true;
}

static void set_bool(struct sg_load *l, void *object, const struct sg_key *row, const char *key,
                     const char *value, unsigned line)
{
    bool v;

    if (sg_text_bool(value, &v))
        store_int(object, row, v);
    else
        SG_LOAD_WRONG(l, line, "%s = %s: write yes or no", key, value);
}

bool sg_load_value(struct sg_load *l, void *object, const struct sg_key *row, const char *key,
                   const char *value, struct sg_origin o)
{
    int64_t v;

    switch (row->type) {
    case SG_KEY_TEXT:
        store_text(object, row, value);
        break;
    case SG_KEY_BOOL:
        set_bool(l, object, row, key, value, o.line);
        break;
    case SG_KEY_INT:
    case SG_KEY_DURATION:
    case SG_KEY_SIZE:
        if (read_number(l, row, key, value, o.line, &v))
            store_int(object, row, v);
        break;
    case SG_KEY_CHOICE:
        set_choice(l, object, row, key, value, o.line);
        break;
    case SG_KEY_TIME:
        set_time(l, object, row, key, value, o.line);
        break;
    case SG_KEY_CALENDAR:
        set_calendar(l, object, row, key, value, o.line);
        break;
    case SG_KEY_FILENAME:
        set_filename(l, object, row, key, value, o.line);
        break;
    case SG_KEY_PATH:
        return set_path(l, object, row, value);
    case SG_KEY_ROOT:
        return set_root(l, value, o.line);
    case SG_KEY_TEMPLATE:
        if (strncmp(key, "env.", 4) == 0)
            return set_env(l, object, key, value, o.line);
        return true; /* output and path: paths.c */
    case SG_KEY_COMMAND:
        return set_template(l, (struct sg_template *)(void *)((char *)object + row->offset), key,
                            value, true, o.line);
    case SG_KEY_CHECK:
        return set_check(l, object, row, value, o.line);
    case SG_KEY_PATTERNS:
        return set_code(l, object, value, o.line);
    case SG_KEY_BATCH:
        set_batch(l, object, row, value, o.line);
        break;
    case SG_KEY_POOL:
        set_pool(l, object, value, o.line);
        break;
    case SG_KEY_ZONE:  /* needed before all others: graph_load.c */
    case SG_KEY_NEEDS: /* needs.c */
    case SG_KEY_LIST:  /* params.c */
    case SG_KEY_CHOICES:
    case SG_KEY_STAGES:
    case SG_KEY_BOOL_OR_STAGES: /* run options stay text */
    case SG_KEY_TYPE_COUNT:
        break;
    }
    return true;
}

static void check_stages(struct sg_load *l, const struct sg_key *row, const char **names,
                         uint32_t n, unsigned line)
{
    const struct sg_stage *s;
    struct sg_near near;

    for (uint32_t i = 0; i < n; i++) {
        s = sg_graph_find_stage(l->g, names[i]);
        if (s == NULL)
            SG_LOAD_WRONG(l, line, "%s: there is no stage %s%s", row->name, names[i],
                          sg_load_near_stage(l, &near, names[i]));
        else if (s->is_source)
            SG_LOAD_WRONG(l, line, "%s: %s is a source, which nobody runs", row->name, names[i]);
    }
}

bool sg_load_check_option(struct sg_load *l, const struct sg_key *row, const char *value,
                          unsigned line)
{
    struct sg_interval i;
    const char **items;
    uint32_t n;
    int64_t v;
    bool flag;

    switch ((int)row->type) {
    case SG_KEY_BOOL:
        if (!sg_text_bool(value, &flag))
            SG_LOAD_WRONG(l, line, "%s = %s: write yes or no", row->name, value);
        break;
    case SG_KEY_INT:
    case SG_KEY_DURATION:
        (void)read_number(l, row, row->name, value, line, &v); /* says what is wrong */
        break;
    case SG_KEY_TIME:
        if (!sg_time_parse(value, l->p->zone, &i))
            SG_LOAD_WRONG(l, line,
                          "%s = %s: no date or time (write 2024-01-31 or 2024-01-31T05:30)",
                          row->name, value);
        break;
    case SG_KEY_CHOICE:
        if (find_choice(row, value) < 0)
            wrong_choice(l, row->name, value, row->choices, line);
        break;
    default:
        if (!sg_load_list(l, value, &items, &n))
            return false;
        if (n == 0)
            SG_LOAD_WRONG(l, line, "%s is empty", row->name);
        if (row->type == SG_KEY_CHOICES) {
            for (uint32_t k = 0; k < n; k++) {
                if (find_choice(row, items[k]) < 0)
                    wrong_choice(l, row->name, items[k], row->choices, line);
            }
        } else if (row->type == SG_KEY_STAGES ||
                   (row->type == SG_KEY_BOOL_OR_STAGES && !sg_text_bool(value, &flag))) {
            check_stages(l, row, items, n, line);
        }
        break;
    }
    return true;
}

bool sg_load_presets(struct sg_load *l, void *object, enum sg_section section)
{
    size_t n;
    const struct sg_key *rows = sg_keys(&n);

    for (size_t i = 0; i < n; i++) {
        if (rows[i].section == section && rows[i].preset != NULL &&
            !sg_load_value(l, object, &rows[i], rows[i].name, rows[i].preset,
                           (struct sg_origin){ .line = 0 }))
            return false;
    }
    return true;
}
