/* Output and path of stages: templates made into operations, and these run. */
#include "path.h"

#include <stdio.h>
#include <string.h>

#include "stagegraph/clock.h"
#include "stagegraph/text.h"

#define VAR_MAX 40 /* no variable is longer */

static const struct {
    const char *name;
    enum sg_path_kind kind;
} var_kinds[] = {
    { "ds", SG_PATH_DS },
    { "end_ds", SG_PATH_END_DS },
    { "YYYY", SG_PATH_YEAR },
    { "MM", SG_PATH_MONTH },
    { "DD", SG_PATH_DAY },
    { "HH", SG_PATH_HOUR },
    { "mm", SG_PATH_MINUTE },
    { "partition", SG_PATH_PARTITION },
    { "start_epoch", SG_PATH_START },
    { "end_epoch", SG_PATH_END },
    { "node", SG_PATH_PARTITION }, /* behind the stage and an @ */
};

/* ---- running them ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char *put_digits(char *to, int v, int n)
{
    for (int i = n; i > 0; i--, v /= 10)
        to[i - 1] = (char)('0' + v % 10);
    return to + n;
}

static char *put_date(char *to, struct sg_date d)
{
    if (d.year < 0 || d.year > 9999)
        return to + snprintf(to, VAR_MAX, "%04d-%02d-%02d", d.year, d.month, d.day);
    to = put_digits(to, d.year, 4);
    *to++ = '-';
    to = put_digits(to, d.month, 2);
    *to++ = '-';
    return put_digits(to, d.day, 2);
}

/* Minutes since UTC's midnight of an hour and less; 0 for a day and more, whose ds is local. */
static int minute_of(const struct sg_calendar *c, int64_t index, int64_t first_date)
{
    if (c->unit == SG_UNIT_HOUR)
        return (int)(index - first_date * 24) * 60;
    if (c->unit == SG_UNIT_MINUTES)
        return (int)(index * c->minutes - first_date * 1440);
    return 0;
}

static char *put_epoch(const struct sg_calendar *c, int64_t index, bool end, char *to)
{
    struct sg_interval i;

    (void)sg_calendar_interval(c, index, &i);
    return to + snprintf(to, VAR_MAX, "%lld", (long long)(end ? i.end_s : i.start_s));
}

char *sg_path_run(const struct sg_path_op *op, const struct sg_calendar *c, int64_t index, char *to)
{
    int64_t first = sg_calendar_first_date(c, index);
    struct sg_date d = sg_date_of_days(first);

    for (; op->kind != SG_PATH_DONE; op++) {
        switch (op->kind) {
        case SG_PATH_TEXT:
            memcpy(to, op->text, op->len);
            to += op->len;
            break;
        case SG_PATH_DS:
            to = put_date(to, d);
            break;
        case SG_PATH_END_DS:
            to = put_date(to, sg_date_of_days(sg_calendar_last_date(c, index)));
            break;
        case SG_PATH_YEAR:
            to = put_digits(to, d.year, 4);
            break;
        case SG_PATH_MONTH:
            to = put_digits(to, d.month, 2);
            break;
        case SG_PATH_DAY:
            to = put_digits(to, d.day, 2);
            break;
        case SG_PATH_HOUR:
            to = put_digits(to, minute_of(c, index, first) / 60, 2);
            break;
        case SG_PATH_MINUTE:
            to = put_digits(to, minute_of(c, index, first) % 60, 2);
            break;
        case SG_PATH_PARTITION:
            sg_calendar_label(c, index, to);
            to += strlen(to);
            break;
        case SG_PATH_START:
        case SG_PATH_END:
            to = put_epoch(c, index, op->kind == SG_PATH_END, to);
            break;
        case SG_PATH_DONE:
            break;
        }
    }
    *to = '\0';
    return to;
}

size_t sg_path_longest(const struct sg_path_op *op)
{
    while (op->kind != SG_PATH_DONE)
        op++;
    return op->len;
}

bool sg_stage_path(const struct sg_graph *g, const struct sg_stage *s, int64_t index,
                   struct sg_buf *out, struct sg_error *err)
{
    const struct sg_path_op *ops = g->private_->paths[s->id.i];

    if (!sg_buf_reserve(out, sg_path_longest(ops), err))
        return false;
    out->len = (size_t)(sg_path_run(ops, &s->cal, index, out->at + out->len) - out->at);
    return true;
}

/* ---- making them ---- */

static void list_allowed(char *to, size_t size)
{
    size_t n_vars, n = 0;
    const struct sg_var *vars = sg_vars(&n_vars);

    for (size_t i = 0; i < n_vars && n < size; i++) {
        if (vars[i].in_path)
            n += (size_t)snprintf(to + n, size - n, "%s%s", n > 0 ? " " : "", vars[i].name);
    }
}

static const char *near_path_var(const char *name)
{
    const char *names[64];
    size_t n_vars, n = 0;
    const struct sg_var *vars = sg_vars(&n_vars);

    for (size_t i = 0; i < n_vars && n < 64; i++) {
        if (vars[i].in_path)
            names[n++] = vars[i].name;
    }
    return sg_text_nearest(name, names, n);
}

/* A variable of the template; *ret is TEXT for what is the same for all partitions. */
static bool find_op(struct sg_load *l, const struct sg_path *p,
                    const struct sg_template_piece *piece, struct sg_path_op *ret)
{
    bool once = p->s->cal.unit == SG_UNIT_ONCE;
    const struct sg_var *v = sg_var_find(piece->text);
    char allowed[160];
    struct sg_near near = { .text = "" };

    if (!piece->is_plain)
        SG_LOAD_WRONG(l, p->line, "%s: write ${%s} alone, without a default", p->key, piece->text);
    else if (v == NULL || !v->in_path) {
        list_allowed(allowed, sizeof(allowed));
        if (v == NULL && sg_load_find_param(l, piece->text) == NULL)
            sg_near_text(&near, near_path_var(piece->text));
        SG_LOAD_WRONG(l, p->line,
                      "%s: ${%s} can't stand in a path, which one partition must fix, without a "
                      "colon (there can: %s)%s",
                      p->key, piece->text, allowed, near.text);
    } else if (strcmp(v->name, "stage") == 0 || (once && strcmp(v->name, "node") == 0)) {
        *ret = (struct sg_path_op){ .text = p->s->name, .len = strlen(p->s->name) };
        return true;
    } else if (strcmp(v->name, "graph") == 0) {
        *ret = (struct sg_path_op){ .text = l->g->name, .len = strlen(l->g->name) };
        return true;
    } else if (once) {
        SG_LOAD_WRONG(l, p->line, "%s: %s is made once and has no ${%s}", p->key, p->s->name,
                      v->name);
    } else {
        for (size_t i = 0; i < sizeof(var_kinds) / sizeof(var_kinds[0]); i++) {
            if (strcmp(var_kinds[i].name, v->name) == 0)
                *ret = (struct sg_path_op){ .kind = var_kinds[i].kind };
        }
        return true;
    }
    return false;
}

static size_t length_of(const struct sg_path_op *op)
{
    return op->kind == SG_PATH_TEXT ? op->len : VAR_MAX;
}

/* False: memory. *ret_good false: the template is wrong, and said to be. */
static bool make_ops(struct sg_load *l, struct sg_path *p, bool *ret_good)
{
    const struct sg_template *t = &p->s->path;
    size_t n = sg_template_pieces(t, 0, NULL, 0), used = 0, longest_path = 1;
    struct sg_template_piece *pieces = SG_ARENA_NEW(l->arena, n, struct sg_template_piece, l->err);

    /* ${node} becomes three. */
    p->ops = SG_ARENA_NEW(l->arena, 3 * n + 1, struct sg_path_op, l->err);
    if (pieces == NULL || p->ops == NULL)
        return false;
    sg_template_pieces(t, 0, pieces, n);
    *ret_good = true;
    for (size_t i = 0; i < n; i++) {
        struct sg_path_op op = { .text = pieces[i].text, .len = pieces[i].len };

        if (pieces[i].is_var && !find_op(l, p, &pieces[i], &op)) {
            *ret_good = false;
            continue;
        }
        if (op.kind == SG_PATH_PARTITION && strcmp(pieces[i].text, "node") == 0) {
            p->ops[used++] = (struct sg_path_op){ .text = p->s->name, .len = strlen(p->s->name) };
            p->ops[used++] = (struct sg_path_op){ .text = "@", .len = 1 };
        }
        p->ops[used++] = op;
    }
    for (size_t i = 0; i < used; i++)
        longest_path += length_of(&p->ops[i]);
    p->ops[used] = (struct sg_path_op){ .kind = SG_PATH_DONE, .len = longest_path };
    l->p->paths[p->s->id.i] = p->ops;
    return true;
}

/* Digits for variables, all else as it is: the path of any partition, with its digits blotted out.
 */
static bool make_pattern(struct sg_load *l, struct sg_path *p)
{
    char *pattern = SG_ARENA_NEW(l->arena, sg_path_longest(p->ops), char, l->err), *to = pattern,
         *end;
    const struct sg_path_op *op;

    if (pattern == NULL)
        return false;
    p->parts = 1;
    for (op = p->ops; op->kind != SG_PATH_DONE; op++) {
        struct sg_path_op one[2] = { *op, { .kind = SG_PATH_DONE } };

        end = sg_path_run(one, &p->s->cal, 0, to);
        if (op->kind == SG_PATH_START || op->kind == SG_PATH_END)
            end = (char *)memset(to, '0', 10) + 10; /* as today: from 2001 to 2286 */
        for (; to < end; to++) {
            p->parts += *to == '/';
            if (op->kind != SG_PATH_TEXT && is_digit(*to))
                *to = SG_PATH_DIGIT;
        }
    }
    *to = '\0';
    p->pattern = pattern;
    return true;
}

static bool is_dots(const char *name, size_t len)
{
    return len == 0 || (len <= 2 && strspn(name, ".") >= len);
}

static bool check_text(struct sg_load *l, const struct sg_path *p)
{
    const char *text = p->pattern, *why = NULL;
    size_t len;

    if (strchr(text, ':') != NULL)
        why = "HDFS allows no colon in a name";
    else if (text[0] == '/')
        why = "it is relative to the root";
    else if (strstr(text, "_stagegraph") != NULL)
        why = "_stagegraph is ours";
    for (const char *at = text; why == NULL; at += len + 1) {
        len = strcspn(at, "/");
        if (is_dots(at, len))
            why = len == 0 ? "a name between two / is empty" : "names of dots lead elsewhere";
        if (at[len] == '\0')
            break;
    }
    if (why != NULL)
        SG_LOAD_WRONG(l, p->line, "%s = %s: %s", p->key, p->s->path.texts[0], why);
    return why == NULL;
}

static bool make_path(struct sg_load *l, struct sg_path *p)
{
    struct sg_stage *s = &l->g->stages[p->s->id.i];
    const struct sg_ini_entry *e = sg_ini_entry(l->p->sections[s->id.i], p->key);
    struct sg_error err = SG_ERROR_INIT;
    bool good = false;
    char *text;
    size_t len;

    p->line = e != NULL ? e->line : s->origin.line;
    if (e == NULL || *e->value == '\0')
        return true; /* said to be required */
    text = sg_arena_text(l->arena, e->value, l->err);
    if (text == NULL)
        return false;
    for (len = strlen(text); len > 1 && text[len - 1] == '/';)
        text[--len] = '\0';
    if (!sg_template_parse_word(l->arena, text, &s->path, &err)) {
        if (err.code != SG_ERROR_GRAPH) {
            *l->err = err;
            return false;
        }
        SG_LOAD_WRONG(l, p->line, "%s: %s", p->key, err.text);
        return true;
    }
    if (!make_ops(l, p, &good))
        return false;
    if (!good || l->bad[s->id.i])
        return true;
    if (!make_pattern(l, p))
        return false;
    if (!check_text(l, p))
        p->pattern = NULL;
    return true;
}

bool sg_load_paths(struct sg_load *l)
{
    struct sg_graph *g = l->g;
    struct sg_path *paths = SG_ARENA_NEW(l->arena, g->n_stages, struct sg_path, l->err);
    size_t n = 0;

    l->p->paths = SG_ARENA_NEW(l->arena, g->n_stages, struct sg_path_op *, l->err);
    if (paths == NULL || l->p->paths == NULL)
        return false;
    for (uint32_t i = 0; i < g->n_stages; i++) {
        struct sg_path *p = &paths[n];

        *p = (struct sg_path){ .s = &g->stages[i],
                               .key = g->stages[i].is_source ? "path" : "output" };
        if (!make_path(l, p))
            return false;
        n += p->pattern != NULL;
    }
    return sg_load_check_clashes(l, paths, n);
}
