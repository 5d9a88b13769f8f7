#include "stagegraph/vars.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/calendar.h"
#include "stagegraph/clock.h"
#include "stagegraph/yarn.h"

/*
 * Variables are rows: the name as templates write it (the environment has it in upper case behind
 * STAGEGRAPH_), and the function that makes its value. A function leaves `out` empty where the
 * variable has no value for this stage (the hour of a day, the interval of a once).
 */
typedef bool var_fn(struct sg_vars *v, struct sg_buf *out, struct sg_error *err);

struct var {
    const char *name;
    var_fn *make;
    bool single; /* of one partition: no value in a batch */
};

static bool is_once(const struct sg_vars *v)
{
    return v->stage->cal.unit == SG_UNIT_ONCE;
}

static bool is_local(const struct sg_vars *v)
{
    enum sg_unit u = v->stage->cal.unit;

    return u == SG_UNIT_DAY || u == SG_UNIT_WEEK || u == SG_UNIT_MONTH;
}

static struct sg_interval span_of(const struct sg_vars *v)
{
    struct sg_interval first, last;

    (void)sg_calendar_interval(&v->stage->cal, v->first, &first); /* a member exists */
    (void)sg_calendar_interval(&v->stage->cal, v->last, &last);
    return (struct sg_interval){ first.start_s, last.end_s };
}

/* The date that an instant has for this stage: local for a day and more, UTC below. */
static struct sg_date date_of(const struct sg_vars *v, int64_t t_s)
{
    if (is_local(v))
        return sg_date_of_days(sg_zone_day_of(v->stage->cal.zone, t_s));
    return sg_date_of_days(t_s >= 0 ? t_s / 86400 : -((-t_s + 86399) / 86400));
}

static bool add_date(const struct sg_vars *v, int64_t t_s, struct sg_buf *out, struct sg_error *err)
{
    struct sg_date d = date_of(v, t_s);

    return sg_buf_addf(out, err, "%04d-%02d-%02d", d.year, d.month, d.day);
}

static bool add_utc(int64_t t_s, struct sg_buf *out, struct sg_error *err)
{
    char text[SG_UTC_TEXT];

    sg_utc_format(t_s, text);
    return sg_buf_adds(out, text, err);
}

static bool make_start(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return is_once(v) || add_utc(span_of(v).start_s, out, err);
}

static bool make_end(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return is_once(v) || add_utc(span_of(v).end_s, out, err);
}

static bool make_start_epoch(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return is_once(v) || sg_buf_addf(out, err, "%" PRId64, span_of(v).start_s);
}

static bool make_end_epoch(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return is_once(v) || sg_buf_addf(out, err, "%" PRId64, span_of(v).end_s);
}

static bool make_ds(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return is_once(v) || add_date(v, span_of(v).start_s, out, err);
}

static bool make_end_ds(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return is_once(v) || add_date(v, span_of(v).end_s - 1, out, err);
}

static bool make_count(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_addf(out, err, "%" PRIu32, v->count);
}

static bool make_partitions(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_adds(out, v->files.partitions, err);
}

/* Between the root and a path below it: "/" and "file:///" have it already. */
static const char *root_slash(const char *root)
{
    size_t n = strlen(root);

    return n > 0 && root[n - 1] == '/' ? "" : "/";
}

static bool make_root(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_adds(out, v->root, err);
}

/* The output before its first variable, cut back to the last '/'. */
static bool make_output_root(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    struct sg_template_piece pieces[2] = { { .text = "" }, { .text = "" } };
    size_t n_pieces =
        v->stage->path.n_words ? sg_template_pieces(&v->stage->path, 0, pieces, 2) : 0;
    size_t n = pieces[0].is_var ? 0 : pieces[0].len;

    if (n_pieces > 1)
        while (n > 0 && pieces[0].text[n - 1] != '/')
            n--;
    while (n > 0 && pieces[0].text[n - 1] == '/')
        n--;
    if (n == 0)
        return sg_buf_adds(out, v->root, err);
    return sg_buf_addf(out, err, "%s%s%.*s", v->root, root_slash(v->root), (int)n, pieces[0].text);
}

static bool make_stage(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_adds(out, v->stage->name, err);
}

static bool make_graph(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_adds(out, v->graph->name, err);
}

static bool make_attempt(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_addf(out, err, "%" PRIu32, v->attempt);
}

static bool make_run_id(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_adds(out, v->run_id, err);
}

static bool make_state_dir(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_adds(out, v->graph->state, err);
}

static bool make_output(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_addf(out, err, "%s%s", v->root, root_slash(v->root)) &&
           sg_stage_path(v->graph, v->stage, v->first, out, err);
}

static bool make_partition(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    char label[SG_LABEL_TEXT];

    sg_calendar_label(&v->stage->cal, v->first, label);
    return sg_buf_adds(out, label, err);
}

static bool make_node(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    char node[SG_NODE_TEXT];

    sg_node_format(v->stage, v->first, node);
    return sg_buf_adds(out, node, err);
}

static bool make_year(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return is_once(v) || sg_buf_addf(out, err, "%04d", date_of(v, span_of(v).start_s).year);
}

static bool make_month(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return is_once(v) || sg_buf_addf(out, err, "%02d", date_of(v, span_of(v).start_s).month);
}

static bool make_day(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    return is_once(v) || sg_buf_addf(out, err, "%02d", date_of(v, span_of(v).start_s).day);
}

static bool make_hour(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    int64_t s;

    if (is_once(v))
        return true;
    if (is_local(v))
        return sg_buf_adds(out, "00", err);
    s = span_of(v).start_s;
    return sg_buf_addf(out, err, "%02d", (int)(((s % 86400) + 86400) % 86400 / 3600));
}

static bool make_minute(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    int64_t s;

    if (is_once(v))
        return true;
    if (is_local(v))
        return sg_buf_adds(out, "00", err);
    s = span_of(v).start_s;
    return sg_buf_addf(out, err, "%02d", (int)(((s % 3600) + 3600) % 3600 / 60));
}

static bool make_yarn_tag(struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    char tag[SG_YARN_TAG];

    sg_yarn_tag(v->nonce, tag);
    return sg_buf_adds(out, tag, err);
}

static const struct var vars[] = {
    { "start", make_start, false },
    { "end", make_end, false },
    { "start_epoch", make_start_epoch, false },
    { "end_epoch", make_end_epoch, false },
    { "ds", make_ds, false },
    { "end_ds", make_end_ds, false },
    { "count", make_count, false },
    { "partitions", make_partitions, false },
    { "root", make_root, false },
    { "output_root", make_output_root, false },
    { "stage", make_stage, false },
    { "graph", make_graph, false },
    { "attempt", make_attempt, false },
    { "run_id", make_run_id, false },
    { "state_dir", make_state_dir, false },
    { "yarn_tag", make_yarn_tag, false },
    { "output", make_output, true },
    { "partition", make_partition, true },
    { "node", make_node, true },
    { "YYYY", make_year, true },
    { "MM", make_month, true },
    { "DD", make_day, true },
    { "HH", make_hour, true },
    { "mm", make_minute, true },
};

#define N_VARS (sizeof(vars) / sizeof(vars[0]))

void sg_vars_done(struct sg_vars *v)
{
    sg_words_done(&v->list);
    sg_buf_done(&v->scratch);
}

/* The partitions of every need on X, in the order of the needs. */
static bool list_input(struct sg_vars *v, const char *stage, struct sg_error *err)
{
    sg_words_done(&v->list);
    for (uint32_t i = 0; i < v->n_inputs; i++) {
        const struct sg_vars_input *in = &v->inputs[i];

        if (strcmp(in->stage, stage) != 0)
            continue;
        for (uint32_t k = 0; k < in->n; k++)
            if (!sg_words_add(&v->list, in->uris[k], err))
                return false;
    }
    return true;
}

static bool lookup(void *ctx, const char *name, const char **ret_value,
                   const struct sg_words **ret_list, struct sg_error *err)
{
    struct sg_vars *v = ctx;
    const struct sg_param *p;

    *ret_list = NULL;
    *ret_value = NULL;
    if (strncmp(name, "input.", 6) == 0) {
        if (!list_input(v, name + 6, err))
            return false;
        *ret_list = &v->list;
        return true;
    }
    if (strcmp(name, "options") == 0 && !v->in_options) {
        struct sg_words words = SG_WORDS_INIT;
        bool ok;

        v->in_options = true;
        ok = sg_template_expand(&v->stage->options, lookup, v, &words, err);
        v->in_options = false;
        if (!ok) {
            sg_words_done(&words);
            return sg_error_wrap(err, "options");
        }
        sg_words_done(&v->list);
        v->list = words;
        *ret_list = &v->list;
        return true;
    }
    for (size_t i = 0; i < N_VARS; i++) {
        if (strcmp(vars[i].name, name) != 0)
            continue;
        if (vars[i].single && v->count > 1)
            return sg_error_set(err, SG_ERROR_GRAPH, 0,
                                "${%s} is of one partition, and this job has %" PRIu32, name,
                                v->count);
        sg_buf_clear(&v->scratch);
        if (!vars[i].make(v, &v->scratch, err))
            return sg_error_wrap(err, "${%s}", name);
        *ret_value = sg_buf_text(&v->scratch);
        return true;
    }
    p = sg_graph_find_param(v->graph, name);
    if (p) {
        *ret_value = p->value;
        return true;
    }
    return sg_error_set(err, SG_ERROR_BUG, 0, "${%s} is not known here", name);
}

bool sg_vars_argv(struct sg_vars *v, bool check, struct sg_words *ret, struct sg_error *err)
{
    const struct sg_template *t = check ? &v->stage->check_command : &v->stage->command;

    if (!sg_template_expand(t, lookup, v, ret, err))
        return sg_error_wrap(err, "%s of stage %s", check ? "check" : "command", v->stage->name);
    if (ret->n == 0)
        return sg_error_set(err, SG_ERROR_GRAPH, 0, "%s of stage %s comes out without a word",
                            check ? "check" : "command", v->stage->name);
    return true;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Sets NAME=value at the end, and drops what was of that name: of several (a caller may hand them
 * on) a program would take the first. */
static bool set_env(struct sg_words *env, const char *entry, struct sg_error *err)
{
    size_t n = strcspn(entry, "=") + 1, kept = 0;

    if (!sg_words_add(env, entry, err))
        return false;
    for (size_t i = 0; i < env->n; i++) {
        if (i + 1 < env->n && strncmp(env->at[i], entry, n) == 0)
            free(env->at[i]);
        else
            env->at[kept++] = env->at[i];
    }
    env->n = kept;
    env->at[kept] = NULL;
    return true;
}

static bool set_var(struct sg_words *env, struct sg_buf *line, const char *prefix, const char *name,
                    const char *value, struct sg_error *err)
{
    sg_buf_clear(line);
    if (!sg_buf_adds(line, prefix, err))
        return false;
    for (const char *c = name; *c; c++)
        if (!sg_buf_addc(line, upper(*c), err))
            return false;
    /* the names were made unique by the prefix: the caller's STAGEGRAPH_* are left out */
    return sg_buf_addc(line, '=', err) && sg_buf_adds(line, value, err) &&
           sg_words_add(env, sg_buf_text(line), err);
}

/* MM (month) and mm (minute) are one name in upper case: the environment calls the minute MINUTE.
 */
static const char *env_name(const char *name)
{
    return strcmp(name, "mm") == 0 ? "MINUTE" : name;
}

static bool add_vars(struct sg_vars *v, struct sg_words *env, struct sg_buf *line,
                     struct sg_error *err)
{
    for (size_t i = 0; i < N_VARS; i++) {
        if (vars[i].single && v->count > 1)
            continue;
        sg_buf_clear(&v->scratch);
        if (!vars[i].make(v, &v->scratch, err) ||
            !set_var(env, line, "STAGEGRAPH_", env_name(vars[i].name), sg_buf_text(&v->scratch),
                     err))
            return false;
    }
    for (uint32_t i = 0; i < v->stage->n_params; i++) {
        const struct sg_param *p = &v->graph->params[v->stage->params[i]];

        if (!set_var(env, line, "STAGEGRAPH_PARAM_", p->name, p->value, err))
            return false;
    }
    return set_var(env, line, "STAGEGRAPH_", "INPUTS_FILE", v->files.inputs, err) &&
           set_var(env, line, "STAGEGRAPH_", "DONE_FILE", v->files.done, err) &&
           set_var(env, line, "STAGEGRAPH_", "VERSION_FILE", v->files.version, err) &&
           set_var(env, line, "STAGEGRAPH_", "NONCE", v->nonce, err);
}

/* The tag for Spark, in what spark-submit gives its JVM: before the tags that are there, quoted or
 * not, in each place that sets them (of several the JVM takes the last). */
static bool add_spark_tag(struct sg_vars *v, struct sg_words *env, struct sg_buf *line,
                          struct sg_error *err)
{
    static const char name[] = "SPARK_SUBMIT_OPTS=", option[] = "-Dspark.yarn.tags=";
    const char *was = "", *at;
    char tag[SG_YARN_TAG];
    bool there = false;

    for (size_t i = 0; i < env->n; i++)
        if (strncmp(env->at[i], name, sizeof(name) - 1) == 0)
            was = env->at[i] + sizeof(name) - 1;
    sg_yarn_tag(v->nonce, tag);
    sg_buf_clear(line);
    if (!sg_buf_adds(line, name, err))
        return false;
    for (; (at = strstr(was, option)) != NULL; was = at + sizeof(option) - 1) {
        there = true;
        if (!sg_buf_addf(line, err, "%.*s%s%s,", (int)(at - was), was, option, tag))
            return false;
    }
    return sg_buf_adds(line, was, err) &&
           (there || sg_buf_addf(line, err, "%s%s%s", *was != '\0' ? " " : "", option, tag)) &&
           set_env(env, sg_buf_text(line), err);
}

bool sg_vars_envp(struct sg_vars *v, char *const *caller, struct sg_words *ret,
                  struct sg_error *err)
{
    struct sg_buf line = SG_BUF_INIT, value = SG_BUF_INIT;
    bool ok = false;

    for (; caller && *caller; caller++)
        if (strncmp(*caller, "STAGEGRAPH_", 11) != 0 && !sg_words_add(ret, *caller, err))
            goto done;
    if (!add_vars(v, ret, &line, err) || !set_env(ret, "PYTHONUNBUFFERED=1", err))
        goto done;
    for (uint32_t i = 0; i < v->stage->n_env; i++) {
        const struct sg_env *e = &v->stage->env[i];

        sg_buf_clear(&value);
        if (!sg_buf_addf(&value, err, "%s=", e->name) ||
            !sg_template_expand_word(&e->value, lookup, v, &value, err)) {
            (void)sg_error_wrap(err, "env.%s of stage %s", e->name, v->stage->name);
            goto done;
        }
        if (!set_env(ret, sg_buf_text(&value), err))
            goto done;
    }
    ok = !v->spark_tag || add_spark_tag(v, ret, &line, err);
done:
    sg_buf_done(&line);
    sg_buf_done(&value);
    return ok;
}

bool sg_vars_inputs_text(const struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    for (uint32_t i = 0; i < v->n_inputs; i++)
        for (uint32_t k = 0; k < v->inputs[i].n; k++)
            if (!sg_buf_addf(out, err, "%s\t%s\t%s\n", v->inputs[i].need, v->inputs[i].labels[k],
                             v->inputs[i].uris[k]))
                return false;
    return true;
}

bool sg_vars_partitions_text(const struct sg_vars *v, struct sg_buf *out, struct sg_error *err)
{
    char label[SG_LABEL_TEXT];
    struct sg_interval i;

    for (int64_t k = v->first; k <= v->last; k++) {
        if (!sg_calendar_interval(&v->stage->cal, k, &i))
            continue; /* a date that never was */
        sg_calendar_label(&v->stage->cal, k, label);
        if (!sg_buf_addf(out, err, "%s\n", label))
            return false;
    }
    return true;
}

const char *sg_vars_uri(struct sg_arena *a, const char *root, const char *path,
                        struct sg_error *err)
{
    return *path ? sg_arena_printf(a, err, "%s%s%s", root, root_slash(root), path)
                 : sg_arena_text(a, root, err);
}
