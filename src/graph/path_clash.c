/*
 * The proof that no two nodes share a place.
 *
 * It goes in two steps. Templates are compared as patterns, character by character, where a
 * variable is as many digits as it has (every variable but the two epochs has a fixed width). Where
 * two patterns can't meet, no node of theirs does; that is nearly always so, and costs a few
 * nanoseconds a pair. Where they can, partitions are tried until two meet: an error is always about
 * two nodes that exist, and has their names.
 */
#include "path.h"

#include <stdlib.h>
#include <string.h>

#include "stagegraph/hash.h"

/* The most partitions of a stage that are tried: more than a year of five minutes, after which any
 * set of month, day, hour and minute has come round. */
#define TRY_MAX INT64_C(106000)
#define DAY_S   INT64_C(86400)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool has(unsigned vars, enum sg_path_kind k)
{
    return (vars & (1u << k)) != 0;
}

/* The variables in the first `parts` names of a path, as bits of enum sg_path_kind. */
static unsigned vars_of(const struct sg_path *p, unsigned parts)
{
    unsigned vars = 0;

    for (const struct sg_path_op *op = p->ops; op->kind != SG_PATH_DONE; op++) {
        for (size_t i = 0; op->kind == SG_PATH_TEXT && i < op->len; i++) {
            if (op->text[i] == '/' && --parts == 0)
                return vars;
        }
        if (op->kind != SG_PATH_TEXT)
            vars |= 1u << op->kind;
    }
    return vars;
}

/* Whether these variables tell partitions apart. */
static bool is_injective(enum sg_unit unit, unsigned vars)
{
    bool date = has(vars, SG_PATH_DS) || has(vars, SG_PATH_END_DS) ||
                (has(vars, SG_PATH_YEAR) && has(vars, SG_PATH_MONTH) && has(vars, SG_PATH_DAY));

    if (has(vars, SG_PATH_PARTITION) || has(vars, SG_PATH_START) || has(vars, SG_PATH_END))
        return true;
    switch (unit) {
    case SG_UNIT_MINUTES:
        return date && has(vars, SG_PATH_HOUR) && has(vars, SG_PATH_MINUTE);
    case SG_UNIT_HOUR:
        return date && has(vars, SG_PATH_HOUR);
    case SG_UNIT_DAY:
    case SG_UNIT_WEEK:
        return date;
    case SG_UNIT_MONTH:
        return date || (has(vars, SG_PATH_YEAR) && has(vars, SG_PATH_MONTH));
    case SG_UNIT_ONCE:
        break;
    }
    return true;
}

/* Whether the first `parts` names tell where in time a partition lies, to a few days. */
static bool is_dated(const struct sg_path *p, unsigned parts)
{
    unsigned vars = vars_of(p, parts);

    return p->s->cal.unit <= SG_UNIT_DAY && is_injective(p->s->cal.unit, vars);
}

/* Paths that were seen, by hash; open addressing, never more than half full. */
struct seen {
    struct {
        uint64_t hash;
        int64_t index;
        bool used;
    } * slots;
    size_t mask;
};

static bool seen_init(struct sg_load *l, struct seen *t, int64_t n)
{
    size_t cap = 64;

    while (cap < (size_t)n * 2 + 1)
        cap *= 2;
    t->slots = calloc(cap, sizeof(*t->slots));
    t->mask = cap - 1;
    if (t->slots == NULL)
        sg_error_set(l->err, SG_ERROR_MEMORY, 0, "no memory to compare paths");
    return t->slots != NULL;
}

/* The slot of a hash, or a free one. */
static size_t seen_find(const struct seen *t, uint64_t hash)
{
    size_t i = (size_t)hash & t->mask;

    while (t->slots[i].used && t->slots[i].hash != hash)
        i = (i + 1) & t->mask;
    return i;
}

static bool seen_add(struct seen *t, uint64_t hash, int64_t index, int64_t *ret_other)
{
    size_t i = seen_find(t, hash);

    if (t->slots[i].used) {
        *ret_other = t->slots[i].index;
        return false;
    }
    t->slots[i].hash = hash;
    t->slots[i].index = index;
    t->slots[i].used = true;
    return true;
}

/* Of the first `parts` names of the path of a partition. to: room for the longest path. */
static uint64_t hash_path(const struct sg_path *p, int64_t index, unsigned parts, char *to)
{
    char *end = sg_path_run(p->ops, &p->s->cal, index, to), *at = to;

    while (parts > 0 && at < end) {
        if (*at == '/' && --parts == 0)
            break;
        at++;
    }
    *at = '\0';
    return sg_hash64_of(to, (size_t)(at - to));
}

/* At most TRY_MAX partitions, from the beginning of its life or of what is asked for. */
static struct sg_range sample(const struct sg_path *p, struct sg_interval i)
{
    struct sg_range r = sg_calendar_meeting(&p->s->cal, i);

    if (r.first < p->s->exists.first)
        r.first = p->s->exists.first;
    if (r.first == INT64_MIN)
        r.first = p->s->cal.unit == SG_UNIT_ONCE ? 0 : sg_calendar_index(&p->s->cal, 0);
    if (r.end > p->s->exists.end)
        r.end = p->s->exists.end;
    if (sg_range_count(r) > TRY_MAX)
        r.end = r.first + TRY_MAX;
    return r;
}

static bool exists(const struct sg_path *p, int64_t index)
{
    struct sg_interval unused;

    return sg_calendar_interval(&p->s->cal, index, &unused);
}

static const char *missing_vars(const struct sg_path *p)
{
    switch (p->s->cal.unit) {
    case SG_UNIT_MINUTES:
        return "${ds}, ${HH} and ${mm}";
    case SG_UNIT_HOUR:
        return "${ds} and ${HH}";
    case SG_UNIT_MONTH:
        return "${YYYY} and ${MM}";
    case SG_UNIT_DAY:
    case SG_UNIT_WEEK:
    case SG_UNIT_ONCE:
        break;
    }
    return "${ds}";
}

/* Two partitions of one stage with one path. */
static bool check_own(struct sg_load *l, const struct sg_path *p, char *room)
{
    const struct sg_interval always = { .start_s = SG_TIME_MIN, .end_s = SG_TIME_MAX };
    struct sg_range r = sample(p, always);
    char a[SG_NODE_TEXT], b[SG_NODE_TEXT];
    struct seen seen;
    int64_t other;

    if (is_injective(p->s->cal.unit, vars_of(p, UINT32_MAX)))
        return true;
    if (!seen_init(l, &seen, sg_range_count(r)))
        return false;
    for (int64_t i = r.first; i < r.end; i++) {
        if (!exists(p, i) || seen_add(&seen, hash_path(p, i, UINT32_MAX, room), i, &other))
            continue;
        sg_node_format(p->s, other, a);
        sg_node_format(p->s, i, b);
        SG_LOAD_WRONG(l, p->line, "%s = %s: %s and %s would share %s (it takes %s)", p->key,
                      p->s->path.texts[0], a, b, room, missing_vars(p));
        break;
    }
    free(seen.slots);
    return true;
}

static bool can_be(char a, char b)
{
    return a == b || (a == SG_PATH_DIGIT && is_digit(b)) || (b == SG_PATH_DIGIT && is_digit(a));
}

/* Whether two patterns can be the same, or one the beginning (by whole names) of the other. */
static bool can_meet(const struct sg_path *a, const struct sg_path *b)
{
    const char *p = a->pattern, *q = b->pattern;

    while (*p != '\0' && *q != '\0' && can_be(*p, *q)) {
        p++;
        q++;
    }
    return (*p == '\0' && (*q == '\0' || *q == '/')) || (*q == '\0' && *p == '/');
}

/* Where to look for two that meet: paths with a date in both only meet in the same days. */
static struct sg_interval overlap(const struct sg_load *l, const struct sg_path *a,
                                  const struct sg_path *b, unsigned parts)
{
    struct sg_interval i = { .start_s = SG_TIME_MIN, .end_s = l->now_s + 366 * DAY_S };

    if (!is_dated(a, parts) || !is_dated(b, parts))
        return i;
    i.start_s = a->s->life.start_s > b->s->life.start_s ? a->s->life.start_s : b->s->life.start_s;
    if (i.start_s == SG_TIME_MIN)
        i.start_s = 0;
    i.end_s = i.start_s + 40 * DAY_S;
    i.start_s -= 8 * DAY_S;
    return i;
}

static void say_shared(struct sg_load *l, const struct sg_path *a, int64_t ia,
                       const struct sg_path *b, int64_t ib)
{
    const struct sg_path *late = a->line > b->line ? a : b, *inner = a->parts > b->parts ? a : b;
    const struct sg_path *outer = inner == a ? b : a;
    char x[SG_NODE_TEXT], y[SG_NODE_TEXT];

    sg_node_format(inner->s, inner == a ? ia : ib, x);
    sg_node_format(outer->s, inner == a ? ib : ia, y);
    if (a->parts == b->parts)
        SG_LOAD_WRONG(l, late->line, "%s = %s: %s and %s would share one path", late->key,
                      late->s->path.texts[0], y, x);
    else
        SG_LOAD_WRONG(l, late->line, "%s = %s: %s would lie inside the %s of %s", late->key,
                      late->s->path.texts[0], x, outer->key, y);
}

static bool check_pair(struct sg_load *l, const struct sg_path *a, const struct sg_path *b,
                       char *room)
{
    unsigned parts = a->parts < b->parts ? a->parts : b->parts;
    struct sg_interval when = overlap(l, a, b, parts);
    struct sg_range r = sample(a, when), q = sample(b, when);
    struct seen seen;
    int64_t other;
    size_t slot;

    if (!seen_init(l, &seen, sg_range_count(r)))
        return false;
    for (int64_t i = r.first; i < r.end; i++) {
        if (exists(a, i))
            (void)seen_add(&seen, hash_path(a, i, parts, room), i, &other); /* any one will do */
    }
    for (int64_t i = q.first; i < q.end; i++) {
        if (!exists(b, i))
            continue;
        slot = seen_find(&seen, hash_path(b, i, parts, room));
        if (seen.slots[slot].used) {
            say_shared(l, a, seen.slots[slot].index, b, i);
            break;
        }
    }
    free(seen.slots);
    return true;
}

bool sg_load_check_clashes(struct sg_load *l, const struct sg_path *paths, size_t n)
{
    size_t room_size = 1;
    bool ok = true;
    char *room;

    for (size_t i = 0; i < n; i++) {
        if (sg_path_longest(paths[i].ops) > room_size)
            room_size = sg_path_longest(paths[i].ops);
    }
    room = SG_ARENA_NEW(l->arena, room_size, char, l->err);
    if (room == NULL)
        return false;
    for (size_t i = 0; ok && i < n; i++) {
        ok = check_own(l, &paths[i], room);
        for (size_t k = 0; ok && k < i; k++) {
            /* Sources are only read: one may lie inside another. */
            if (can_meet(&paths[k], &paths[i]) &&
                !(paths[k].s->is_source && paths[i].s->is_source &&
                  paths[k].parts != paths[i].parts))
                ok = check_pair(l, &paths[k], &paths[i], room);
        }
    }
    return ok;
}
