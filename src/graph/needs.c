/* The key `needs`: "bronze", "|dim", "silver@-23..0?", "gold@latest". */
#include "load.h"

#include <stdio.h>
#include <string.h>

#include "stagegraph/text.h"

/* As far back as anybody may count; ten years of five minutes are a million. */
#define OFFSET_LEAST INT64_C(-100000000)

/* "-1" and "0"; *ret_ahead for "+1" and "1". */
static bool read_offset(const char *text, size_t len, int32_t *ret, bool *ret_ahead)
{
    char copy[16];
    int64_t v;

    if (len == 0 || len >= sizeof(copy))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (!sg_text_int(copy[0] == '+' ? copy + 1 : copy, &v))
        return false;
    if (v > 0) {
        *ret_ahead = true;
        return true;
    }
    if (v < OFFSET_LEAST)
        return false;
    *ret = (int32_t)v;
    return true;
}

/* What stands behind the '@'. */
static bool read_rule(struct sg_load *l, struct sg_need *n, const char *need, const char *rule,
                      unsigned line)
{
    const char *dots = strstr(rule, "..");
    size_t len = dots != NULL ? (size_t)(dots - rule) : strlen(rule);
    bool ahead = false, ok;

    if (strcmp(rule, "latest") == 0) {
        n->kind = SG_NEED_LATEST;
        return true;
    }
    n->kind = SG_NEED_OFFSET;
    ok = read_offset(rule, len, &n->lo, &ahead);
    n->hi = n->lo;
    if (ok && dots != NULL)
        ok = read_offset(dots + 2, strlen(dots + 2), &n->hi, &ahead);
    if (!ok)
        SG_LOAD_WRONG(l, line,
                      "needs: %s: what is behind @ is no offset (write X@-1, X@-23..0 or "
                      "X@latest)",
                      need);
    else if (ahead)
        SG_LOAD_WRONG(l, line, "needs: %s: an offset above 0 would need the future", need);
    else if (n->lo > n->hi)
        SG_LOAD_WRONG(l, line, "needs: %s: the earlier one comes first (write %d..%d)", need, n->hi,
                      n->lo);
    else
        return true;
    return false;
}

static bool format_need(struct sg_load *l, struct sg_need *n)
{
    const char *bar = n->order_only ? "|" : "", *mark = n->optional ? "?" : "";
    const char *name = l->g->stages[n->of.i].name;

    if (n->kind == SG_NEED_LATEST)
        n->text = sg_arena_printf(l->arena, l->err, "%s%s@latest%s", bar, name, mark);
    else if (n->kind == SG_NEED_MEETS)
        n->text = sg_arena_printf(l->arena, l->err, "%s%s%s", bar, name, mark);
    else if (n->lo == n->hi)
        n->text = sg_arena_printf(l->arena, l->err, "%s%s@%d%s", bar, name, n->lo, mark);
    else
        n->text = sg_arena_printf(l->arena, l->err, "%s%s@%d..%d%s", bar, name, n->lo, n->hi, mark);
    return n->text != NULL;
}

/* False: it is wrong, and said to be. */
static bool read_need(struct sg_load *l, const struct sg_stage *s, char *word, unsigned line,
                      struct sg_need *ret)
{
    struct sg_need n = { .kind = SG_NEED_MEETS };
    const struct sg_stage *of;
    struct sg_near near;
    char *name = word, *at, whole[SG_NODE_TEXT];
    size_t len = strlen(word);

    snprintf(whole, sizeof(whole), "%s", word);
    if (*name == '|') {
        n.order_only = true;
        name++;
        len--;
    }
    if (len > 0 && name[len - 1] == '?') {
        n.optional = true;
        name[--len] = '\0';
    }
    if (len == 0) {
        SG_LOAD_WRONG(l, line, "needs: \"%s\" without a stage: write |X or X?, without a blank",
                      whole);
        return false;
    }
    at = strchr(name, '@');
    if (at != NULL)
        *at++ = '\0';
    of = sg_graph_find_stage(l->g, name);
    if (of == NULL) {
        SG_LOAD_WRONG(l, line, "needs: there is no stage or source %s%s", name,
                      sg_load_near_stage(l, &near, name));
        return false;
    }
    n.of = of->id;
    if (at != NULL && !read_rule(l, &n, whole, at, line))
        return false;
    if (n.kind == SG_NEED_OFFSET && !l->bad[of->id.i] &&
        (of->cal.unit == SG_UNIT_ONCE || s->cal.unit == SG_UNIT_ONCE)) {
        SG_LOAD_WRONG(l, line, "needs: %s: %s has no partitions to count: write %s%s", whole,
                      of->cal.unit == SG_UNIT_ONCE ? of->name : s->name, of->name,
                      of->cal.unit == SG_UNIT_ONCE ? "" : " or X@latest");
        return false;
    }
    *ret = n;
    return true;
}

static bool is_same(const struct sg_need *a, const struct sg_need *b)
{
    return a->of.i == b->of.i && a->kind == b->kind && a->lo == b->lo && a->hi == b->hi;
}

bool sg_load_needs(struct sg_load *l, struct sg_stage *s, const char *text, unsigned line)
{
    const char **words;
    struct sg_need need;
    uint32_t n_words;
    char *word;
    bool known;

    if (!sg_load_list(l, text, &words, &n_words))
        return false;
    s->needs = SG_ARENA_NEW(l->arena, n_words, struct sg_need, l->err);
    if (s->needs == NULL)
        return false;
    for (uint32_t i = 0; i < n_words; i++) {
        word = sg_arena_text(l->arena, words[i], l->err);
        if (word == NULL)
            return false;
        if (!read_need(l, s, word, line, &need)) {
            l->bad[s->id.i] = true;
            continue;
        }
        known = false;
        for (uint32_t k = 0; k < s->n_needs; k++)
            known = known || is_same(&s->needs[k], &need);
        if (known) {
            SG_LOAD_WRONG(l, line, "needs: %s is there twice", words[i]);
            continue;
        }
        if (!format_need(l, &need))
            return false;
        s->needs[s->n_needs++] = need;
    }
    return true;
}
