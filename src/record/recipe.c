/*
 * Recipes: their parts, text and comparison. docs/formats.md, "Recipe".
 *
 * The text begins with a line that says what it is, then has a line a part, sorted by kind (in the
 * order of enum sg_part_kind) and then bytewise by name; each line is JSON without blanks:
 *
 *   {"stagegraph_recipe":1}
 *   ["code","jobs/silver/run.py","<32 hex, XXH3-128 of its content>"]
 *   ["command","check","[\"written\"]"]
 *   ["command","command","[\"spark_submit.sh\",\"${options}\",\"--out\",\"${output}\"]"]
 *   ["command","env.TZ","[\"UTC\"]"]
 *   ["param","gold_mode","all"]
 *   ["version","version","2"]
 *   ["need","000","bronze"]
 *
 * Its name is XXH3-128 of the whole text, as 32 hex; a text under another name is damaged, and read
 * as lost. Nothing is stale for that alone; only the reason of a changed stamp can't be named.
 */
#include "stagegraph/recipe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/code.h"
#include "stagegraph/json.h"

#include "record_impl.h"

#define HEAD         "{\"stagegraph_recipe\":1}\n"
#define RECIPE_LIMIT ((size_t)64 << 20)

static const char *const kind_names[] = {
    [SG_PART_CODE] = "code",       [SG_PART_COMMAND] = "command", [SG_PART_PARAM] = "param",
    [SG_PART_VERSION] = "version", [SG_PART_NEED] = "need",
};

#define N_KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

/* A recipe being put together. */
struct draft {
    struct sg_arena *a;
    struct sg_part *parts;
    size_t n, cap;
    struct sg_error *err;
};

static bool add_part(struct draft *d, enum sg_part_kind kind, const char *name, const char *value)
{
    if (name == NULL || value == NULL ||
        !sg_arena_grow(d->a, (void **)&d->parts, d->n, &d->cap, sizeof(*d->parts), d->err))
        return false;
    d->parts[d->n++] = (struct sg_part){ .kind = kind, .name = name, .value = value };
    return true;
}

/* The words as a JSON array, in the arena. */
static const char *words_text(struct draft *d, const char *const *words, uint32_t n)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_json_writer w;
    const char *text = NULL;

    sg_json_writer_init(&w, &b);
    sg_json_begin(&w, NULL, '[');
    for (uint32_t i = 0; i < n; i++)
        sg_json_text(&w, NULL, words[i]);
    sg_json_end(&w);
    if (sg_json_writer_end(&w, d->err))
        text = sg_arena_copy(d->a, sg_buf_span(&b), d->err);
    sg_buf_done(&b);
    return text;
}

static bool add_words(struct draft *d, const char *name, const struct sg_template *t)
{
    return add_part(d, SG_PART_COMMAND, name,
                    words_text(d, (const char *const *)t->texts, t->n_words));
}

static bool add_code(struct draft *d, const struct sg_stage *s, struct sg_code_cache *cache)
{
    struct sg_code_file *files;
    char hex[SG_HASH128_TEXT];
    size_t n;

    if (s->n_code == 0)
        return true;
    if (!sg_code_list(cache, d->a, s->workdir, (const char *const *)s->code, s->n_code, &files, &n,
                      d->err))
        return false;
    for (size_t i = 0; i < n; i++) {
        sg_hash128_format(files[i].hash, hex);
        if (!add_part(d, SG_PART_CODE, files[i].path, sg_arena_text(d->a, hex, d->err)))
            return false;
    }
    return true;
}

/* The check is a part even where it is one word of ours: another check, another promise. */
static bool add_check(struct draft *d, const struct sg_stage *s)
{
    const char *word = NULL;

    switch (s->check) {
    case SG_CHECK_WRITTEN:
        word = "written";
        break;
    case SG_CHECK_REWRITTEN:
        word = "rewritten";
        break;
    case SG_CHECK_EXISTS:
        word = "exists";
        break;
    case SG_CHECK_NONE:
        word = "none";
        break;
    case SG_CHECK_COMMAND:
        return add_words(d, "check", &s->check_command);
    }
    return add_part(d, SG_PART_COMMAND, "check", words_text(d, &word, 1));
}

static bool add_commands(struct draft *d, const struct sg_stage *s)
{
    if (!add_words(d, "command", &s->command) || !add_check(d, s))
        return false;
    for (uint32_t i = 0; i < s->n_env; i++) {
        if (!add_words(d, sg_arena_printf(d->a, d->err, "env.%s", s->env[i].name),
                       &s->env[i].value))
            return false;
    }
    return true;
}

static bool add_params(struct draft *d, const struct sg_graph *g, const struct sg_stage *s)
{
    for (uint32_t i = 0; i < s->n_params; i++) {
        const struct sg_param *p = &g->params[s->params[i]];

        if (p->stamp && !add_part(d, SG_PART_PARAM, p->name, p->value))
            return false;
    }
    return true;
}

/* Numbered among those that count, so that one of order only can come and go. */
static bool add_needs(struct draft *d, const struct sg_stage *s)
{
    unsigned number = 0;

    for (uint32_t i = 0; i < s->n_needs; i++) {
        if (!s->needs[i].order_only &&
            !add_part(d, SG_PART_NEED, sg_arena_printf(d->a, d->err, "%03u", number++),
                      s->needs[i].text))
            return false;
    }
    return true;
}

static int compare_parts(const void *a, const void *b)
{
    const struct sg_part *x = a, *y = b;

    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind)
                              : strcmp(x->name, y->name);
}

bool sg_recipe_of(const struct sg_graph *g, const struct sg_stage *s, struct sg_code_cache *cache,
                  struct sg_arena *a, struct sg_recipe *ret, struct sg_error *err)
{
    struct draft d = { .a = a, .err = err };
    struct sg_buf text = SG_BUF_INIT;
    struct sg_recipe r;
    bool ok;

    if (!add_code(&d, s, cache) || !add_commands(&d, s) || !add_params(&d, g, s) ||
        !add_part(&d, SG_PART_VERSION, "version", s->version != NULL ? s->version : "") ||
        !add_needs(&d, s))
        return sg_error_wrap(err, "stage %s", s->name);
    qsort(d.parts, d.n, sizeof(*d.parts), compare_parts);
    r = (struct sg_recipe){ .parts = d.parts, .n_parts = d.n };
    ok = sg_recipe_format(&r, &text, err);
    if (ok) {
        r.hash = sg_hash128_of(text.at, text.len);
        *ret = r;
    }
    sg_buf_done(&text);
    return ok;
}

bool sg_recipe_format(const struct sg_recipe *r, struct sg_buf *out, struct sg_error *err)
{
    size_t before = out->len;
    bool ok = sg_buf_adds(out, HEAD, err);

    for (size_t i = 0; ok && i < r->n_parts; i++) {
        struct sg_json_writer w;

        sg_json_writer_init(&w, out);
        sg_json_begin(&w, NULL, '[');
        sg_json_text(&w, NULL, kind_names[r->parts[i].kind]);
        sg_json_text(&w, NULL, r->parts[i].name);
        sg_json_text(&w, NULL, r->parts[i].value);
        sg_json_end(&w);
        ok = sg_json_writer_end(&w, err) && sg_buf_addc(out, '\n', err);
    }
    if (!ok)
        sg_record_cut(out, before);
    return ok;
}

static bool find_kind(struct sg_span text, enum sg_part_kind *ret)
{
    for (size_t i = 0; i < N_KINDS; i++) {
        if (sg_span_is(text, kind_names[i])) {
            *ret = (enum sg_part_kind)i;
            return true;
        }
    }
    return false;
}

/* One line: three texts in an array. */
static bool parse_part(struct draft *d, struct sg_span line, bool *ret_valid)
{
    const char *texts[2] = { NULL, NULL };
    enum sg_part_kind kind = SG_PART_CODE;
    struct sg_json_reader j;
    bool ok = true, valid;

    sg_json_reader_init(&j, line);
    valid = sg_json_next(&j) == SG_JSON_ARRAY && sg_json_next(&j) == SG_JSON_STRING &&
            find_kind(j.text, &kind);
    for (int i = 0; ok && valid && i < 2; i++) {
        valid = sg_json_next(&j) == SG_JSON_STRING;
        if (valid)
            ok = (texts[i] = sg_arena_copy(d->a, j.text, d->err)) != NULL;
    }
    valid = valid && ok && sg_json_next(&j) == SG_JSON_ARRAY_END && sg_json_next(&j) == SG_JSON_END;
    sg_json_reader_done(&j);
    *ret_valid = valid;
    return ok && (!valid || add_part(d, kind, texts[0], texts[1]));
}

bool sg_recipe_parse(struct sg_arena *a, struct sg_span text, struct sg_hash128 hash,
                     struct sg_recipe *ret, bool *ret_valid, struct sg_error *err)
{
    struct draft d = { .a = a, .err = err };
    const size_t n_head = sizeof(HEAD) - 1;
    bool valid;

    valid = text.len >= n_head && memcmp(text.at, HEAD, n_head) == 0 &&
            text.at[text.len - 1] == '\n' && sg_hash128_is(sg_hash128_of(text.at, text.len), hash);
    for (size_t at = n_head; valid && at < text.len;) {
        size_t n =
            (size_t)((const char *)memchr(text.at + at, '\n', text.len - at) - (text.at + at));

        if (!parse_part(&d, (struct sg_span){ .at = text.at + at, .len = n }, &valid))
            return false;
        if (valid && d.n > 1 && compare_parts(&d.parts[d.n - 2], &d.parts[d.n - 1]) >= 0)
            valid = false; /* sg_recipe_diff() relies on the order */
        at += n + 1;
    }
    if (valid)
        *ret = (struct sg_recipe){ .parts = d.parts, .n_parts = d.n, .hash = hash };
    *ret_valid = valid;
    return true;
}

static bool recipe_path(struct sg_hash128 hash, struct sg_buf *out, struct sg_error *err)
{
    char hex[SG_HASH128_TEXT];

    sg_hash128_format(hash, hex);
    return sg_buf_addf(out, err, SG_RECIPES_DIR "/%s", hex);
}

bool sg_recipe_write(struct sg_store *s, const struct sg_recipe *r, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT, text = SG_BUF_INIT;
    struct sg_entry e;
    bool ok;

    ok = recipe_path(r->hash, &path, err) && sg_recipe_format(r, &text, err) &&
         sg_store_stat(s, sg_buf_text(&path), &e, err);
    /* It came by rename, so its length tells a whole one from anything but later damage. */
    if (ok && !(e.kind == SG_ENTRY_FILE && e.ident.len == (int64_t)text.len))
        ok = sg_store_put(s, sg_buf_text(&path), sg_buf_span(&text), err);
    sg_buf_done(&path);
    sg_buf_done(&text);
    return ok;
}

bool sg_recipe_read(struct sg_store *s, struct sg_hash128 hash, struct sg_arena *a,
                    struct sg_recipe *ret, bool *ret_found, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT, text = SG_BUF_INIT;
    struct sg_entry e;
    bool ok, found = false;

    ok = recipe_path(hash, &path, err) &&
         sg_store_read(s, sg_buf_text(&path), RECIPE_LIMIT, &text, &e, err);
    if (!ok && err->code == SG_ERROR_LIMIT) {
        sg_error_clear(err); /* not one of ours */
        ok = true;
    } else if (ok && e.kind == SG_ENTRY_FILE) {
        ok = sg_recipe_parse(a, sg_buf_span(&text), hash, ret, &found, err);
    }
    if (ok)
        *ret_found = found;
    sg_buf_done(&path);
    sg_buf_done(&text);
    return ok;
}

void sg_recipe_diff(const struct sg_recipe *before, const struct sg_recipe *after,
                    sg_recipe_diff_fn *fn, void *ctx)
{
    size_t b = 0, a = 0;
    bool go = true;

    while (go && (b < before->n_parts || a < after->n_parts)) {
        const struct sg_part *x = b < before->n_parts ? &before->parts[b] : NULL;
        const struct sg_part *y = a < after->n_parts ? &after->parts[a] : NULL;
        int d = x == NULL ? 1 : y == NULL ? -1 : compare_parts(x, y);

        if (x != NULL && d < 0) {
            go = fn(ctx, x->kind, x->name, x->value, NULL);
            b++;
        } else if (y != NULL && d > 0) {
            go = fn(ctx, y->kind, y->name, NULL, y->value);
            a++;
        } else if (x != NULL && y != NULL) {
            if (strcmp(x->value, y->value) != 0)
                go = fn(ctx, y->kind, y->name, x->value, y->value);
            b++;
            a++;
        }
    }
}
