#include "stagegraph/template.h"

#include <stdlib.h>
#include <string.h>

#include "stagegraph/buf.h"

/*
 * A word is a flat list of operations, so that nothing recurses: text and ${x} append;
 * ${x:-default} appends x and goes on at `end`, or, if x is empty, with the operations that follow
 * up to `end`, which are the default; ${x:+text} the other way round.
 */
enum op_kind { OP_TEXT, OP_VAR, OP_DEFAULT, OP_ALTERNATIVE };

struct op {
    enum op_kind kind;
    uint32_t end;     /* of DEFAULT and ALTERNATIVE: behind what is inside */
    const char *text; /* of TEXT, else the name of the variable */
    size_t len;
};

struct sg_template_word {
    struct op *ops;
    uint32_t n_ops;
    bool vanishes; /* unquoted and only expansions: gone when it comes out empty */
    bool splices;  /* unquoted and one expansion: a list gives its words */
};

#define DEPTH 16

/* One ${x:-…} or ${x:+…} that is not closed yet. */
struct open {
    uint32_t op;
    char quote; /* in force around it */
};

struct parser {
    struct sg_arena *arena;
    struct sg_error *err;
    const char *p;
    bool splits; /* shell words; false: one word, quotes mean nothing */

    struct sg_template_word *words;
    const char **texts, **vars;
    size_t n_words, cap_words, cap_texts, n_vars, cap_vars;

    /* the word in the making */
    bool in_word, quoted, has_text;
    char quote;
    struct op *ops;
    size_t n_ops, cap_ops;
    uint32_t n_top; /* expansions that are not inside another */
    struct sg_buf literal, shown;
    struct open stack[DEPTH];
    unsigned depth;
};

static bool wrong(struct parser *ps, const char *what)
{
    return sg_error_set(ps->err, SG_ERROR_GRAPH, 0, "%s", what);
}

static bool add_op(struct parser *ps, struct op op)
{
    if (!sg_arena_grow(ps->arena, (void **)&ps->ops, ps->n_ops, &ps->cap_ops, sizeof(op), ps->err))
        return false;
    ps->ops[ps->n_ops++] = op;
    return true;
}

static bool end_literal(struct parser *ps)
{
    struct op op = { .kind = OP_TEXT, .len = ps->literal.len };

    if (ps->literal.len == 0)
        return true;
    op.text = sg_arena_copy(ps->arena, sg_buf_span(&ps->literal), ps->err);
    sg_buf_clear(&ps->literal);
    if (ps->depth == 0)
        ps->has_text = true;
    return op.text != NULL && add_op(ps, op);
}

static bool add_literal(struct parser *ps, char c, const char *shown)
{
    ps->in_word = true;
    return sg_buf_addc(&ps->literal, c, ps->err) && sg_buf_adds(&ps->shown, shown, ps->err);
}

static bool add_char(struct parser *ps, char c)
{
    return add_literal(ps, c, (const char[]){ c, '\0' });
}

static bool add_var(struct parser *ps, const char *name)
{
    for (size_t i = 0; i < ps->n_vars; i++) {
        if (strcmp(ps->vars[i], name) == 0)
            return true;
    }
    if (!sg_arena_grow(ps->arena, (void **)&ps->vars, ps->n_vars, &ps->cap_vars, sizeof(*ps->vars),
                       ps->err))
        return false;
    ps->vars[ps->n_vars++] = name;
    return true;
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The name of a stage, in ${input.X}, may have dashes. */
static size_t name_length(const char *p)
{
    size_t n = 0;
    bool input = strncmp(p, "input.", 6) == 0;

    if (input)
        n = 6;
    else if (!is_alpha(*p))
        return 0;
    while (is_alpha(p[n]) || is_digit(p[n]) || (input && p[n] == '-'))
        n++;
    return n;
}

/* At "${". */
static bool parse_expansion(struct parser *ps)
{
    const char *name = ps->p + 2;
    size_t n = name_length(name);
    struct op op = { .kind = OP_VAR, .len = n };
    const char *end = name + n;

    if (strchr(name, '}') == NULL)
        return wrong(ps, "${ without }");
    if (n == 0)
        return wrong(ps, "${ without a name behind it (a dollar is $$)");
    if (end[0] == ':' && (end[1] == '-' || end[1] == '+'))
        op.kind = end[1] == '-' ? OP_DEFAULT : OP_ALTERNATIVE;
    else if (end[0] != '}')
        return sg_error_set(ps->err, SG_ERROR_GRAPH, 0,
                            "${%.*s is followed by \"%c\": write ${x}, ${x:-default} or ${x:+text}",
                            (int)n, name, end[0]);
    if (op.kind != OP_VAR && ps->depth == DEPTH)
        return wrong(ps, "too many ${ inside each other");
    op.text = sg_arena_copy(ps->arena, (struct sg_span){ .at = name, .len = n }, ps->err);
    if (op.text == NULL || !end_literal(ps) || !add_var(ps, op.text) || !add_op(ps, op))
        return false;
    ps->in_word = true;
    if (ps->depth == 0)
        ps->n_top++;
    ps->p = end + (op.kind == OP_VAR ? 1 : 2);
    if (op.kind != OP_VAR) {
        ps->stack[ps->depth++] = (struct open){ .op = (uint32_t)ps->n_ops - 1, .quote = ps->quote };
        /* Inside, quotes begin anew, unless a quote around it holds for all of it. */
    }
    return sg_buf_add(&ps->shown, name - 2, (size_t)(ps->p - (name - 2)), ps->err);
}

/* At "}" of an open ${x:-…}. */
static bool close_expansion(struct parser *ps)
{
    if (!end_literal(ps))
        return false;
    ps->depth--;
    ps->ops[ps->stack[ps->depth].op].end = (uint32_t)ps->n_ops;
    ps->p++;
    return sg_buf_addc(&ps->shown, '}', ps->err);
}

static bool end_word(struct parser *ps)
{
    struct sg_template_word w = { .vanishes = false };
    const char *text;
    bool only;

    if (!end_literal(ps))
        return false;
    only = ps->n_top > 0 && !ps->has_text;
    w.ops = ps->ops;
    w.n_ops = (uint32_t)ps->n_ops;
    w.vanishes = only && !ps->quoted;
    w.splices = w.vanishes && ps->n_top == 1;
    /* The one case where a quote changes what an expansion means is shown; others are resolved. */
    if (only && ps->quoted)
        text = sg_arena_printf(ps->arena, ps->err, "\"%s\"", sg_buf_text(&ps->shown));
    else
        text = sg_arena_text(ps->arena, sg_buf_text(&ps->shown), ps->err);
    if (text == NULL ||
        !sg_arena_grow(ps->arena, (void **)&ps->words, ps->n_words, &ps->cap_words, sizeof(w),
                       ps->err) ||
        !sg_arena_grow(ps->arena, (void **)&ps->texts, ps->n_words, &ps->cap_texts,
                       sizeof(*ps->texts), ps->err))
        return false;
    ps->words[ps->n_words] = w;
    ps->texts[ps->n_words++] = text;
    ps->in_word = ps->quoted = ps->has_text = false;
    ps->ops = NULL;
    ps->n_ops = ps->cap_ops = 0;
    ps->n_top = 0;
    sg_buf_clear(&ps->shown);
    return true;
}

/* A backslash and what it protects: anything outside of quotes, four characters inside "". */
static bool parse_backslash(struct parser *ps)
{
    char next = ps->p[1];

    if (next == '\0')
        return wrong(ps, "a backslash at the end");
    if (ps->quote == '"' && strchr("\"\\$`", next) == NULL && (next != '}' || ps->depth == 0)) {
        ps->p++;
        return add_char(ps, '\\');
    }
    ps->p += 2;
    if (next == '$')
        return add_literal(ps, '$', "$$");
    if (next == '}' && ps->depth > 0)
        return add_literal(ps, '}', "\\}");
    return add_char(ps, next);
}

static bool parse_quote(struct parser *ps)
{
    char c = *ps->p;
    /* The quote around the innermost ${…}: it may not end inside. */
    char outer = ps->depth > 0 ? ps->stack[ps->depth - 1].quote : '\0';

    if (outer == c)
        return wrong(ps, "a quote ends inside ${…}");
    if (outer != '\0' || (ps->quote != '\0' && ps->quote != c)) { /* a character like others */
        ps->p++;
        return add_char(ps, c);
    }
    ps->quote = ps->quote == c ? '\0' : c;
    ps->in_word = true;
    if (ps->depth == 0)
        ps->quoted = true;
    ps->p++;
    return true;
}

static bool parse_one(struct parser *ps)
{
    char c = *ps->p;
    char outer = ps->depth > 0 ? ps->stack[ps->depth - 1].quote : '\0';

    if (c == '$' && ps->p[1] == '$') {
        ps->p += 2;
        return add_literal(ps, '$', "$$");
    }
    if (c == '$' && ps->p[1] == '{')
        return parse_expansion(ps);
    if (c == '}' && ps->depth > 0 && ps->quote == outer)
        return close_expansion(ps);
    if (ps->splits && (c == '\'' || c == '"'))
        return parse_quote(ps);
    if (ps->splits && c == '\\' && ps->quote != '\'')
        return parse_backslash(ps);
    if (ps->splits && ps->depth == 0 && ps->quote == '\0' && strchr(" \t\r\n", c) != NULL) {
        ps->p++;
        return !ps->in_word || end_word(ps);
    }
    ps->p++;
    return add_char(ps, c);
}

static bool parse_all(struct parser *ps)
{
    ps->in_word = !ps->splits;
    while (*ps->p != '\0') {
        if (!parse_one(ps))
            return false;
    }
    if (ps->depth > 0)
        return wrong(ps, "${ without }");
    if (ps->quote != '\0')
        return wrong(ps, ps->quote == '"' ? "unclosed quote \"" : "unclosed quote '");
    return !ps->in_word || end_word(ps);
}

static bool parse(struct sg_arena *a, const char *text, bool splits, struct sg_template *ret,
                  struct sg_error *err)
{
    struct parser ps = { .arena = a, .err = err, .p = text, .splits = splits };
    bool ok = parse_all(&ps);

    sg_buf_done(&ps.literal);
    sg_buf_done(&ps.shown);
    if (ok)
        *ret = (struct sg_template){ .words = ps.words,
                                     .n_words = (uint32_t)ps.n_words,
                                     .texts = ps.texts,
                                     .vars = ps.vars,
                                     .n_vars = (uint32_t)ps.n_vars };
    return ok;
}

bool sg_template_parse(struct sg_arena *a, const char *text, struct sg_template *ret,
                       struct sg_error *err)
{
    return parse(a, text, true, ret, err);
}

bool sg_template_parse_word(struct sg_arena *a, const char *text, struct sg_template *ret,
                            struct sg_error *err)
{
    return parse(a, text, false, ret, err);
}

bool sg_template_uses(const struct sg_template *t, const char *var)
{
    for (uint32_t i = 0; i < t->n_vars; i++) {
        if (strcmp(t->vars[i], var) == 0)
            return true;
    }
    return false;
}

size_t sg_template_pieces(const struct sg_template *t, size_t word, struct sg_template_piece *ret,
                          size_t cap)
{
    const struct sg_template_word *w = &t->words[word];

    for (uint32_t i = 0; i < w->n_ops && i < cap; i++)
        ret[i] = (struct sg_template_piece){ .text = w->ops[i].text,
                                             .len = w->ops[i].len,
                                             .is_var = w->ops[i].kind != OP_TEXT,
                                             .is_plain = w->ops[i].kind <= OP_VAR };
    return w->n_ops;
}

void sg_words_done(struct sg_words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->at[i]);
    free(w->at);
    *w = (struct sg_words)SG_WORDS_INIT;
}

bool sg_words_add(struct sg_words *w, const char *word, struct sg_error *err)
{
    size_t cap = w->cap > 0 ? w->cap * 2 : 16;
    char **at = w->at, *copy = strdup(word);

    if (copy != NULL && w->n + 2 > w->cap) {
        at = reallocarray(w->at, cap, sizeof(*at));
        if (at != NULL) {
            w->at = at;
            w->cap = cap;
        }
    }
    if (copy == NULL || at == NULL) {
        free(copy);
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "no memory for the words of a command");
    }
    w->at[w->n++] = copy;
    w->at[w->n] = NULL;
    return true;
}

/* A variable's value: one text, or a list. */
struct value {
    const char *text;
    const struct sg_words *list;
};

static bool is_empty(const struct value *v)
{
    return v->list != NULL ? v->list->n == 0 : v->text[0] == '\0';
}

static bool append_value(struct sg_buf *out, const struct value *v, struct sg_error *err)
{
    if (v->list == NULL)
        return sg_buf_adds(out, v->text, err);
    for (size_t i = 0; i < v->list->n; i++) {
        if ((i > 0 && !sg_buf_addc(out, ' ', err)) || !sg_buf_adds(out, v->list->at[i], err))
            return false;
    }
    return true;
}

struct expander {
    sg_template_lookup *lookup;
    void *ctx;
    struct sg_buf *out;
    struct sg_words *words; /* NULL: lists are joined */
    bool spliced;           /* the word was a list, and its words are in `words` */
};

static bool splice(struct expander *x, const struct sg_words *list, struct sg_error *err)
{
    x->spliced = true;
    for (size_t i = 0; i < list->n; i++) {
        if (!sg_words_add(x->words, list->at[i], err))
            return false;
    }
    return true;
}

static bool expand_ops(struct expander *x, const struct sg_template_word *w, struct sg_error *err)
{
    const struct op *op;
    struct value v;
    uint32_t i = 0;
    bool use;

    while (i < w->n_ops) {
        op = &w->ops[i++];
        if (op->kind == OP_TEXT) {
            if (!sg_buf_add(x->out, op->text, op->len, err))
                return false;
            continue;
        }
        v = (struct value){ .text = NULL };
        if (!x->lookup(x->ctx, op->text, &v.text, &v.list, err))
            return false;
        if (!SG_EXPECT((v.text == NULL) != (v.list == NULL), err))
            return false;
        use = op->kind == OP_VAR || (op->kind == OP_DEFAULT && !is_empty(&v));
        if (use && v.list != NULL && w->splices && x->words != NULL && op == w->ops)
            return splice(x, v.list, err);
        if (use && !append_value(x->out, &v, err))
            return false;
        /* Skips what is inside, unless that is what counts. */
        if (op->kind != OP_VAR && (op->kind == OP_DEFAULT) != is_empty(&v))
            i = op->end;
    }
    return true;
}

bool sg_template_expand(const struct sg_template *t, sg_template_lookup *lookup, void *ctx,
                        struct sg_words *out, struct sg_error *err)
{
    struct sg_buf word = SG_BUF_INIT;
    struct expander x = { .lookup = lookup, .ctx = ctx, .out = &word, .words = out };
    size_t n = out->n;
    bool ok = true;

    for (uint32_t i = 0; ok && i < t->n_words; i++) {
        sg_buf_clear(&word);
        x.spliced = false;
        ok = expand_ops(&x, &t->words[i], err);
        if (ok && !x.spliced && (word.len > 0 || !t->words[i].vanishes))
            ok = sg_words_add(out, sg_buf_text(&word), err);
    }
    sg_buf_done(&word);
    while (!ok && out->n > n)
        free(out->at[--out->n]);
    if (!ok && out->at != NULL)
        out->at[out->n] = NULL;
    return ok;
}

bool sg_template_expand_word(const struct sg_template *t, sg_template_lookup *lookup, void *ctx,
                             struct sg_buf *out, struct sg_error *err)
{
    struct expander x = { .lookup = lookup, .ctx = ctx, .out = out };
    size_t len = out->len;
    bool ok = t->n_words == 0 || expand_ops(&x, &t->words[0], err);

    if (!ok && out->at != NULL) {
        out->len = len;
        out->at[len] = '\0';
    }
    return ok;
}
