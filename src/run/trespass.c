/*
 * Has the job changed partitions that are none of its own? A dynamic overwrite that turned static
 * deletes all of a table; an hour that is off by one overwrites its neighbour. So the nearest
 * siblings of the job's nodes, those with a marker in the same parent directory, are looked at
 * before the job and after it, once a job: what it did to them it did for each of its nodes. What
 * other attempts do to their own nodes meanwhile is not the job's doing: a claim shows those that
 * go on, a receipt those that are done, and the run's own count those that came to nothing.
 */
#include <stdio.h>
#include <string.h>

#include "stagegraph/claim.h"
#include "stagegraph/marker.h"
#include "stagegraph/registry.h"

#include "attempt_impl.h"

/* Partitions to either side: all hours of a day, or a month of days, and no more for a year. */
#define REACH 24

/* The directory that the path lies in, as a length. */
static size_t parent_len(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) : 0;
}

/* Do two paths, of which the first's parent is so long, lie in one directory? */
static bool is_beside(const char *path, size_t n, const char *other)
{
    return parent_len(other) == n && strncmp(path, other, n) == 0;
}

/* Is it beside a node of the job? */
static bool is_near(const struct sg_attempt *a, const char *path)
{
    size_t n = parent_len(path);

    for (uint32_t i = 0; i < a->n_members; i++)
        if (sg_member_is_to_run(&a->members[i]) && is_beside(path, n, a->members[i].dir))
            return true;
    return false;
}

/* A candidate: whether it has a marker is asked for all at once. */
static bool add_candidate(struct sg_attempt *a, int64_t index, struct sg_buf *path,
                          struct sg_error *err)
{
    const atomic_uchar *gone = sg_attempt_gone(a, index);
    struct sg_interval interval;
    struct sg_sibling *s;

    if (!sg_calendar_interval(&a->stage->cal, index, &interval))
        return true;
    sg_buf_clear(path);
    if (!sg_stage_path(sg_plan_graph(a->run->plan), a->stage, index, path, err))
        return false;
    if (!is_near(a, sg_buf_text(path)))
        return true;
    s = &a->siblings[a->n_siblings];
    s->index = index;
    s->gone = gone ? atomic_load(gone) : 0; /* before the marker is looked at */
    s->dir = sg_arena_text(&a->arena, sg_buf_text(path), err);
    if (!s->dir || !sg_buf_addc(path, '/', err) || !sg_buf_adds(path, a->stage->marker, err))
        return false;
    s->marker = sg_arena_text(&a->arena, sg_buf_text(path), err);
    a->n_siblings += s->marker != NULL;
    return s->marker != NULL;
}

bool sg_member_has_sibling(const struct sg_attempt *a, const struct sg_member *m)
{
    size_t n = parent_len(m->dir);
    bool has = false;

    for (uint32_t i = 0; i < a->n_siblings && !has; i++)
        has = is_beside(m->dir, n, a->siblings[i].dir);
    return has;
}

/* The markers of all siblings: on HDFS a request for each parent, and those of what has changed
 * since this process saw it. */
static bool stat_markers(struct sg_attempt *a, struct sg_entry ret[2 * REACH], struct sg_error *err)
{
    const char *paths[2 * REACH];

    for (uint32_t i = 0; i < a->n_siblings; i++)
        paths[i] = a->siblings[i].marker;
    return sg_store_stat_again(a->run->store, paths, a->n_siblings, ret, err);
}

/* Those that have no marker are not watched. */
static bool keep_marked(struct sg_attempt *a, struct sg_error *err)
{
    struct sg_entry entries[2 * REACH];
    uint32_t n = 0;

    if (!stat_markers(a, entries, err))
        return false;
    for (uint32_t i = 0; i < a->n_siblings; i++) {
        if (entries[i].kind != SG_ENTRY_FILE)
            continue;
        a->siblings[n] = a->siblings[i];
        a->siblings[n++].ident = entries[i].ident;
    }
    a->n_siblings = n;
    return true;
}

/* The nodes of a job are an unbroken run: what lies between its ends is its own. */
bool sg_attempt_watch_siblings(struct sg_attempt *a, struct sg_error *err)
{
    const struct sg_range life = a->stage->exists;
    const struct sg_member *first = NULL, *last = NULL;
    struct sg_buf path = SG_BUF_INIT;
    bool ok = true;

    for (uint32_t i = 0; i < a->n_members; i++)
        if (sg_member_is_to_run(&a->members[i])) {
            last = &a->members[i];
            first = first ? first : last;
        }
    a->siblings = SG_ARENA_NEW(&a->arena, (size_t)2 * REACH, struct sg_sibling, err);
    if (!a->siblings)
        return false;
    for (int64_t i = first->index - REACH; ok && i <= last->index + REACH; i++) {
        if (i == first->index)
            i = last->index;
        else if (i >= life.first && i < life.end)
            ok = add_candidate(a, i, &path, err);
    }
    ok = ok && keep_marked(a, err);
    sg_buf_done(&path);
    return ok || sg_error_wrap(err, "look at the neighbours");
}

/* Somebody works on it, and took the marker away himself. */
static bool is_claimed(struct sg_attempt *a, const struct sg_sibling *s, bool *ret,
                       struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    char label[SG_LABEL_TEXT];
    struct sg_entry entry = { .kind = SG_ENTRY_ABSENT };
    bool ok;

    sg_calendar_label(&a->stage->cal, s->index, label);
    ok = sg_claim_path(a->stage->name, label[0] ? label : "_", &path, err) &&
         sg_store_stat(a->run->store, sg_buf_text(&path), &entry, err);
    sg_buf_done(&path);
    *ret = entry.kind != SG_ENTRY_ABSENT;
    return ok;
}

/* The process tree is gone, so what is found is the same for all nodes of the job. */
static bool look_at_all(struct sg_attempt *a, struct sg_error *err)
{
    struct sg_entry entries[2 * REACH];

    if (a->siblings_seen)
        return true;
    if (!stat_markers(a, entries, err))
        return false;
    for (uint32_t i = 0; i < a->n_siblings; i++) {
        struct sg_sibling *s = &a->siblings[i];

        s->same = entries[i].kind == SG_ENTRY_FILE &&
                  memcmp(&entries[i].ident, &s->ident, sizeof(s->ident)) == 0;
    }
    a->siblings_seen = true;
    return true;
}

/*
 * A sibling is as it was if its marker is, or if it is now a whole receipt (another attempt has
 * finished it). The marker is looked at a second time after the claim: an attempt puts the one back
 * before it drops the other, or counts that it did not.
 */
static bool is_intact(struct sg_attempt *a, const struct sg_sibling *s, bool *ret,
                      struct sg_error *err)
{
    const atomic_uchar *gone = sg_attempt_gone(a, s->index);
    char node[SG_NODE_TEXT];
    struct sg_marker marker;

    if (!is_claimed(a, s, ret, err))
        return false;
    *ret = *ret || (gone && atomic_load(gone) != s->gone);
    if (*ret)
        return true;
    sg_node_format(a->stage, s->index, node);
    if (!sg_marker_read(a->run->store, s->dir, a->stage->marker, node, &a->arena, &marker, NULL,
                        err))
        return false;
    *ret = marker.kind == SG_MARKER_DONE || marker.kind == SG_MARKER_ACCEPTED;
    return true;
}

struct others {
    const char *own;
    bool alive;
};

static bool note_other(void *ctx, const struct sg_registry_run *r, bool alive)
{
    struct others *o = ctx;

    o->alive |= alive && strcmp(r->run, o->own) != 0;
    return !o->alive;
}

/* An attempt of another run that failed meanwhile has taken its node's marker away and leaves no
 * trace of that; while there is such a run, nobody can tell who it was. */
static bool is_other_run_alive(const struct sg_attempt *a)
{
    struct others o = { .own = a->run->run_id };
    struct sg_error err = SG_ERROR_INIT;

    return sg_registry_list(sg_plan_graph(a->run->plan)->state, note_other, &o, &err) && o.alive;
}

static bool look_again(struct sg_attempt *a, struct sg_sibling *s, struct sg_error *err)
{
    char node[SG_NODE_TEXT];
    bool intact;

    if (s->same || s->seen)
        return true;
    if (!is_intact(a, s, &intact, err))
        return sg_error_wrap(err, "look at the neighbours again");
    s->seen = true;
    if (intact)
        return true;
    s->lost = !is_other_run_alive(a);
    if (!s->lost) {
        sg_node_format(a->stage, s->index, node);
        (void)snprintf(a->notice, sizeof(a->notice),
                       "the marker of %s went while the job ran: by the job, or by another run",
                       node);
    }
    return true;
}

bool sg_member_check_siblings(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    size_t n = parent_len(m->dir);
    char node[SG_NODE_TEXT];

    if (!look_at_all(a, err))
        return sg_error_wrap(err, "look at the neighbours again");
    for (uint32_t i = 0; i < a->n_siblings; i++) {
        struct sg_sibling *s = &a->siblings[i];

        if (!is_beside(m->dir, n, s->dir))
            continue;
        if (!look_again(a, s, err))
            return false;
        if (!s->lost)
            continue;
        sg_node_format(a->stage, s->index, node);
        sg_member_result(m, SG_RESULT_TRESPASS, "the marker of %s is gone: the job overwrote it",
                         node);
        return true;
    }
    return true;
}
