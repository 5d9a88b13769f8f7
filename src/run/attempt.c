#include "stagegraph/attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/files.h"
#include "stagegraph/marker.h"
#include "stagegraph/proc.h"
#include "stagegraph/recipe.h"

#include "attempt_impl.h"

bool sg_attempt_new(const struct sg_attempt_run *run, const struct sg_stage *stage, uint32_t number,
                    uint32_t n_members, struct sg_attempt **ret, struct sg_error *err)
{
    struct sg_attempt *a = calloc(1, sizeof(*a));

    if (!a)
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "an attempt");
    a->members = calloc(n_members, sizeof(*a->members));
    if (!a->members) {
        free(a);
        return sg_error_set(err, SG_ERROR_MEMORY, 0, "an attempt of %u nodes", n_members);
    }
    a->run = run;
    a->stage = stage;
    a->number = number;
    a->n_members = n_members;
    a->scratch = SG_NO_SCRATCH;
    *ret = a;
    return true;
}

void sg_attempt_free(struct sg_attempt *a)
{
    if (!a)
        return;
    for (uint32_t i = 0; i < a->n_members; i++) {
        if (a->members[i].claimed)
            sg_store_claim_leave(a->run->store, &a->members[i].claim);
        free(a->members[i].dir);
    }
    sg_vars_done(&a->vars);
    sg_words_done(&a->argv);
    sg_words_done(&a->check);
    sg_words_done(&a->envp);
    sg_arena_done(&a->arena);
    free(a->members);
    free(a->dir);
    free(a);
}

void sg_member_result(struct sg_member *m, enum sg_result result, const char *fmt, ...)
{
    va_list ap;

    m->result = result;
    va_start(ap, fmt);
    (void)vsnprintf(m->why, sizeof(m->why), fmt, ap); /* bounded text for people */
    va_end(ap);
}

void sg_member_failed(struct sg_attempt *a, struct sg_member *m, const struct sg_error *err)
{
    sg_member_result(m, SG_RESULT_FAILED, "%s", err->text);
    m->code = err->code;
    a->away = a->away || err->code == SG_ERROR_AWAY;
}

bool sg_member_remove_marker(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    m->marker_gone = true;
    return sg_store_remove_marker(a->run->store, m->dir, a->stage->marker, err) &&
           (!a->stage->partial ||
            sg_store_remove_marker(a->run->store, m->dir, a->stage->partial_marker, err));
}

const char *sg_member_marker(const struct sg_attempt *a, const struct sg_member *m)
{
    return m->decision.partial ? a->stage->partial_marker : a->stage->marker;
}

bool sg_member_drop_other_marker(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    return !a->stage->partial ||
           sg_store_remove_marker(a->run->store, m->dir,
                                  m->decision.partial ? a->stage->marker : a->stage->partial_marker,
                                  err);
}

atomic_uchar *sg_attempt_gone(const struct sg_attempt *a, int64_t index)
{
    struct sg_node_id n = sg_plan_find(a->run->plan, a->stage->id, index);

    return a->run->gone && n.i != SG_NO_NODE ? &a->run->gone[n.i] : NULL;
}

/* The claim goes, whatever became of the node. A claim that can't be removed is a dead one once we
 * have let go of its lock: its node is stale, or its receipt is of this run and attempt. */
void sg_member_drop(struct sg_attempt *a, struct sg_member *m)
{
    atomic_uchar *gone = m->marker_gone ? sg_attempt_gone(a, m->index) : NULL;
    struct sg_error err = SG_ERROR_INIT;

    if (!m->claimed)
        return;
    m->claimed = false;
    if (gone)
        atomic_fetch_add(gone, 1); /* before the claim goes: is_intact() looks in that order */
    if (a->away) {
        sg_store_claim_leave(a->run->store, &m->claim);
        return;
    }
    if (!sg_store_claim_drop(a->run->store, &m->claim, &err) && !a->notice[0])
        (void)snprintf(a->notice, sizeof(a->notice), "%.390s", err.text); /* for people */
}

static bool claim_text(struct sg_attempt *a, const struct sg_member *m, uint32_t number,
                       struct sg_buf *out, struct sg_error *err)
{
    char node[SG_NODE_TEXT];
    struct sg_owner o = {
        .node = node,
        .run = a->run->run_id,
        .host = a->run->host,
        .boot = a->run->boot,
        .attempt = number,
        .pid = getpid(),
        .started_s = a->started_s,
    };

    sg_node_format(a->stage, m->index, node);
    memcpy(o.nonce, a->nonce, sizeof(o.nonce));
    return sg_owner_format(&o, out, err);
}

/* "java (pid 123), sleep (pid 124)": who still carries the nonce, some of them. */
static void name_left(const char *nonce, char *ret, size_t size)
{
    pid_t pids[4];
    size_t n = sg_nonce_find(nonce, pids, 4), len = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < n && len < size; i++) {
        struct sg_proc p;

        if (sg_proc_read(pids[i], &p))
            len += (size_t)snprintf(ret + len, size - len, "%s%s (pid %d)", len > 0 ? ", " : "",
                                    p.comm, (int)p.pid);
    }
}

/* Members of a batch share their nonce: one of them is enough. */
static bool end_applications(struct sg_attempt *a, const struct sg_owner *dead,
                             struct sg_error *err)
{
    char names[300];
    size_t ended = 0;

    if (strcmp(a->ended, dead->nonce) == 0)
        return true;
    if (!sg_dead_applications(a->run->yarn, dead->nonce, dead->run, &ended, names, sizeof(names),
                              err))
        return false;
    memcpy(a->ended, dead->nonce, sizeof(a->ended));
    if (ended > 0)
        (void)snprintf(a->notice, sizeof(a->notice), "killed %s on YARN, left by dead run %.40s",
                       names, dead->run);
    return true;
}

/*
 * m->claim is a dead claim whose lock we hold. Ends what its owner left running, removes a marker
 * that the owner's job may have left (a valid receipt was written before its job began, or is its
 * own: it stays), and puts our claim in its place. *ret_dropped: its work was complete, it is gone,
 * try again.
 */
static bool take_over(struct sg_attempt *a, struct sg_member *m, struct sg_span dead_text,
                      struct sg_span ours, bool *ret_dropped, struct sg_error *err)
{
    struct sg_owner owner;
    struct sg_marker marker;
    struct sg_receipt receipt;
    bool valid;
    char node[SG_NODE_TEXT], names[200];
    unsigned ended = 0, left = 0;

    sg_node_format(a->stage, m->index, node);
    memset(&receipt, 0, sizeof(receipt));
    if (!sg_owner_parse(&a->arena, dead_text, &owner, &valid, err))
        return false;
    if (valid && owner.attempt == SG_NO_ATTEMPT) { /* it ran nothing: nothing to end or to clear */
        *ret_dropped = true;
        m->claimed = false;
        return sg_store_claim_drop(a->run->store, &m->claim, err);
    }
    if (valid && !sg_nonce_end(owner.nonce, a->stage->grace_s * 1000, &ended, &left, err))
        return sg_error_wrap(err, "end the processes of dead run %s", owner.run);
    if (left > 0) {
        name_left(owner.nonce, names, sizeof(names));
        return sg_error_set(err, SG_ERROR_SYSTEM, 0,
                            "%u process%s of dead run %s can't be ended (attempt %u of %s): %s",
                            left, left == 1 ? "" : "es", owner.run, owner.attempt, node, names);
    }
    if (valid && !end_applications(a, &owner, err))
        return false;
    /* Only now: what still ran may have written it. */
    if (!sg_plan_marker(a->run->plan, a->stage, m->index, m->dir, &a->arena, &marker, &receipt,
                        NULL, err))
        return false;
    if (valid && sg_receipt_is_of(&receipt, marker.kind, &owner)) {
        *ret_dropped = true;
        m->claimed = false;
        return sg_store_claim_drop(a->run->store, &m->claim, err);
    }
    /* Of a partial node the job's own marker counts for nothing, and goes too. */
    if ((marker.kind != SG_MARKER_ABSENT || a->stage->partial) && marker.kind != SG_MARKER_DONE &&
        marker.kind != SG_MARKER_ACCEPTED && !sg_member_remove_marker(a, m, err))
        return false;
    *ret_dropped = false;
    m->interrupted = true;
    if (ended > 0 && !a->notice[0])
        (void)snprintf(a->notice, sizeof(a->notice), "ended %u process%s that dead run %s had left",
                       ended, ended == 1 ? "" : "es", owner.run);
    /* What runs nothing may die too, or leave the node: it is still the dead one's then. */
    return sg_store_claim_replace(a->run->store, &m->claim,
                                  a->number == SG_NO_ATTEMPT ? dead_text : ours, err);
}

static bool busy(struct sg_attempt *a, struct sg_member *m, struct sg_span text,
                 struct sg_error *err)
{
    struct sg_owner owner;
    bool valid;

    if (!sg_owner_parse(&a->arena, text, &owner, &valid, err))
        return false;
    if (valid)
        sg_member_result(m, SG_RESULT_BUSY, "held by run %s", owner.run);
    else
        sg_member_result(m, SG_RESULT_BUSY, "held by another run");
    return true;
}

/* Step 1, first half: the claim. m->result says BUSY when somebody else has it. */
static bool take_claim(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT, ours = SG_BUF_INIT, held = SG_BUF_INIT;
    char label[SG_LABEL_TEXT];
    bool ok = false, again = true;

    sg_calendar_label(&a->stage->cal, m->index, label);
    if (!sg_claim_path(a->stage->name, label[0] ? label : "_", &path, err) ||
        !claim_text(a, m, a->number, &ours, err))
        goto done;
    while (again) {
        enum sg_claim_outcome outcome;

        sg_buf_clear(&held);
        /* those of a batch lie in one directory: flush_claims() */
        if (!(a->n_members > 1 ? sg_store_claim_take_unflushed : sg_store_claim_take)(
                a->run->store, sg_buf_text(&path), sg_buf_span(&ours), &m->claim, &outcome, &held,
                err))
            goto done;
        again = false;
        switch (outcome) {
        case SG_CLAIM_TAKEN:
            m->claimed = true;
            break;
        case SG_CLAIM_HELD:
            ok = busy(a, m, sg_buf_span(&held), err);
            goto done;
        case SG_CLAIM_DEAD:
            m->claimed = true;
            if (!take_over(a, m, sg_buf_span(&held), sg_buf_span(&ours), &again, err)) {
                if (m->claimed) /* it stays, dead: the next run tries again */
                    sg_store_claim_leave(a->run->store, &m->claim);
                m->claimed = false;
                goto done;
            }
            break;
        }
    }
    ok = true;
done:
    sg_buf_done(&path);
    sg_buf_done(&ours);
    sg_buf_done(&held);
    return ok || sg_error_wrap(err, "take the claim");
}

/* The claim says from here on that nothing runs under it. Dead, it then means nothing: the marker
 * has one name or the other, and neither is of this attempt. Fails where it is not ours any more.
 */
static bool claim_for_rename(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    bool ok = claim_text(a, m, SG_NO_ATTEMPT, &text, err) &&
              sg_store_claim_replace(a->run->store, &m->claim, sg_buf_span(&text), err);

    sg_buf_done(&text);
    return ok;
}

/* Its day is over, and its inputs are what they were when it ran: what was the partial marker is
 * the marker. */
static bool complete(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    struct sg_entry placed;

    if (!claim_for_rename(a, m, err) ||
        !sg_store_rename_marker(a->run->store, m->dir, a->stage->partial_marker, a->stage->marker,
                                &placed, err))
        return false;
    sg_member_result(m, SG_RESULT_COMPLETED, "%s", "");
    return true;
}

/* .MARKER.NONCE.tmp of a killed executor, .MARKER.crc: with the marker removed they went too, but a
 * kept one is replaced, and there may have been none. */
static bool is_temporary_marker(const char *name, const char *marker)
{
    size_t n = strlen(name), of = strlen(marker);

    if (n < of + 5 || name[0] != '.' || strncmp(name + 1, marker, of) != 0 || name[1 + of] != '.')
        return false;
    return strcmp(name + 1 + of, ".crc") == 0 || (n > of + 6 && strcmp(name + n - 4, ".tmp") == 0);
}

static bool is_leftover(const struct sg_attempt *a, const char *name)
{
    return strcmp(name, "_temporary") == 0 || strncmp(name, ".spark-staging-", 15) == 0 ||
           is_temporary_marker(name, a->stage->marker) ||
           (a->stage->partial && is_temporary_marker(name, a->stage->partial_marker));
}

struct looking {
    struct sg_attempt *a;
    struct sg_member *m;
    struct sg_error *err;
    bool ok;
};

static bool see_child(void *ctx, const char *name, const struct sg_entry *entry)
{
    struct looking *l = ctx;
    struct sg_output_seen *seen = &l->m->seen;
    struct sg_leftover *left;

    seen->holds = true;
    if (strcmp(name, l->a->stage->marker) == 0)
        seen->marker = *entry;
    else if (l->a->stage->partial && strcmp(name, l->a->stage->partial_marker) == 0)
        seen->partial_marker = *entry;
    else if (is_leftover(l->a, name)) {
        left = SG_ARENA_NEW(&l->a->arena, 1, struct sg_leftover, l->err);
        l->ok = left != NULL &&
                (left->path = sg_arena_printf(&l->a->arena, l->err, "%s/%s", l->m->dir, name));
        if (l->ok) {
            left->next = seen->leftovers;
            seen->leftovers = left;
        }
    }
    return l->ok;
}

/* One look for the decision and for what has to go before the job. A local store is asked for
 * either when it is needed: a listing costs more than a look at the marker there. */
static bool look_at_output(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    struct looking l = { a, m, err, true };

    if (!sg_store_is_write_once(a->run->store))
        return true;
    m->seen = (struct sg_output_seen){ .listed = true };
    return (sg_store_list(a->run->store, m->dir, see_child, &l, err) && l.ok) ||
           sg_error_wrap(err, "look at the output");
}

/* Step 1, second half: decide again, now that nobody else can. */
static bool decide(struct sg_attempt *a, struct sg_member *m, const struct sg_member *first,
                   struct sg_error *err)
{
    struct sg_decide_ask ask = {
        .made_first = first != NULL ? first->index : m->index,
        .made_end = m->index,
        .forced = m->forced,
        .interrupted = m->interrupted,
        .planned_upstream = m->planned_upstream,
        .seen = m->seen.listed ? &m->seen.marker : NULL,
    };
    struct sg_decision *d = &m->decision;

    if (!sg_plan_decide(a->run->plan, a->stage, m->index, &ask, &a->arena, d, err))
        return false;
    switch (d->what) {
    case SG_DECIDE_RUN:
        break;
    case SG_DECIDE_FRESH:
        sg_member_result(m, SG_RESULT_UNCHANGED, "%s", "");
        break;
    case SG_DECIDE_COMPLETE:
        return complete(a, m, err);
    case SG_DECIDE_BLOCKED:
        sg_member_result(m, SG_RESULT_BLOCKED, "%s is not there%s%s%s", d->lacks,
                         d->lacks_why[0] ? " (" : "", d->lacks_why, d->lacks_why[0] ? ")" : "");
        break;
    case SG_DECIDE_BUSY:
        if (d->run && d->run[0])
            sg_member_result(m, SG_RESULT_BUSY, "%s is held by run %s", d->lacks, d->run);
        else
            sg_member_result(m, SG_RESULT_BUSY, "%s is held by another run", d->lacks);
        break;
    }
    return true;
}

struct leftovers {
    struct sg_attempt *a;
    const char *dir;
    struct sg_error *err;
    bool ok;
};

static bool remove_leftover(void *ctx, const char *name, const struct sg_entry *entry)
{
    struct leftovers *l = ctx;
    const char *path;

    (void)entry;
    if (!is_leftover(l->a, name))
        return true;
    path = sg_arena_printf(&l->a->arena, l->err, "%s/%s", l->dir, name);
    l->ok = path && sg_store_remove_tree(l->a->run->store, path, l->err);
    return l->ok;
}

/* What was listed of the node's two markers, with what else of them is left for later. */
static bool remove_listed(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    struct sg_store *store = a->run->store;
    const struct sg_output_seen *seen = &m->seen;

    m->marker_gone = true;
    return (seen->marker.kind == SG_ENTRY_ABSENT ||
            sg_store_remove_listed_marker(store, m->dir, a->stage->marker, err)) &&
           (seen->partial_marker.kind == SG_ENTRY_ABSENT ||
            sg_store_remove_listed_marker(store, m->dir, a->stage->partial_marker, err));
}

static bool remove_leftovers(struct sg_attempt *a, const struct sg_output_seen *seen,
                             struct sg_error *err)
{
    bool ok = true;

    for (const struct sg_leftover *l = seen->leftovers; ok && l != NULL; l = l->next)
        ok = sg_store_remove_tree(a->run->store, l->path, err);
    return ok;
}

/* The marker goes, or with keep_marker says that it means nothing now: some readers want a marker
 * to be there at all times. */
static bool unmark(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    char node[SG_NODE_TEXT];
    struct sg_marker written;
    struct sg_receipt r;

    if (!a->stage->keep_marker || a->stage->prepare_delete ||
        m->decision.own.kind == SG_MARKER_ABSENT)
        return m->seen.listed ? remove_listed(a, m, err) : sg_member_remove_marker(a, m, err);
    r = sg_member_receipt(a, m, SG_MARKER_RUNNING, node);
    m->marker_gone = true;
    return sg_member_drop_other_marker(a, m, err) &&
           sg_marker_write(a->run->store, m->dir, sg_member_marker(a, m), &r, &written, err);
}

/* The marker goes first, so that from here on nobody takes the output for whole. */
static bool clear_output(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    struct sg_store *store = a->run->store;
    struct leftovers l = { a, m->dir, err, true };

    if (!unmark(a, m, err))
        return false;
    if (a->stage->prepare_delete)
        return sg_store_remove_tree(store, m->dir, err);
    if (m->seen.listed)
        return remove_leftovers(a, &m->seen, err);
    return sg_store_list(store, m->dir, remove_leftover, &l, err) && l.ok;
}

/* The parent is made, as ninja does; the output itself is the job's. It is there where it was just
 * seen to hold something. */
static bool make_parent(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    char *slash = strrchr(m->dir, '/');
    bool ok;

    if (slash == NULL || (m->seen.listed && (m->seen.holds || sg_member_has_sibling(a, m))))
        return true;
    *slash = '\0';
    ok = sg_store_make_dir(a->run->store, m->dir, err);
    *slash = '/';
    return ok;
}

/* Step 2, and what the output directory is before the job. In one that is not there nothing has to
 * go: five looks for a node that is made for the first time. */
static bool clear(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    if (sg_store_is_write_once(a->run->store))
        return clear_output(a, m, err); /* it was listed, and nothing is flushed there */
    if (!sg_store_birth(a->run->store, m->dir, &m->output, err))
        return false;
    m->marker_gone = true;
    return !m->output.is_there || clear_output(a, m, err);
}

bool sg_member_claim(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    struct sg_buf dir = SG_BUF_INIT;

    if (!sg_stage_path(sg_plan_graph(a->run->plan), a->stage, m->index, &dir, err)) {
        sg_buf_done(&dir);
        return false;
    }
    m->dir = sg_buf_move(&dir);
    return take_claim(a, m, err);
}

/* Step 1. `first`: of those that are to run before it, or NULL. */
static bool claim_and_decide(struct sg_attempt *a, struct sg_member *m,
                             const struct sg_member *first, struct sg_error *err)
{
    if (!a->nonce[0] && !sg_nonce_new(a->nonce, err))
        return false;
    if (!sg_member_claim(a, m, err))
        return false;
    if (m->result != SG_RESULT_NONE)
        return true;
    if (!look_at_output(a, m, err) || !decide(a, m, first, err))
        return false;
    if (m->result != SG_RESULT_NONE)
        sg_member_drop(a, m);
    return true;
}

static bool follows(const struct sg_attempt *a, int64_t before, int64_t index)
{
    struct sg_interval i;

    while (++before < index)
        if (sg_calendar_interval(&a->stage->cal, before, &i))
            return false;
    return true;
}

static bool requires_itself(const struct sg_stage *s)
{
    for (uint32_t k = 0; k < s->n_needs; k++)
        if (s->needs[k].of.i == s->id.i && !s->needs[k].optional)
            return true;
    return false;
}

static bool has_come_to_nothing(const struct sg_member *m)
{
    return m->result == SG_RESULT_BLOCKED || sg_result_is_failure(m->result);
}

/*
 * All are decided before anything is touched, for the last may show that the job ends earlier.
 *
 * In a stage that needs itself, those behind a member that came to nothing are the run's to judge:
 * they may be blocked with it, which its old marker does not tell. And one that is blocked, but
 * stale by what the job makes before it alone, is judged again when that is made: if it comes out
 * as before, nothing is to be done.
 */
static void decide_members(struct sg_attempt *a)
{
    const struct sg_member *first = NULL, *last = NULL;
    bool hole = false, chained = requires_itself(a->stage);

    for (uint32_t i = 0; i < a->n_members; i++) {
        struct sg_member *m = &a->members[i];
        struct sg_error err = SG_ERROR_INIT;

        hole = hole || (last != NULL && !follows(a, last->index, m->index));
        if (hole) {
            m->later = true;
            continue;
        }
        if (!claim_and_decide(a, m, first, &err)) {
            sg_member_failed(a, m, &err);
            sg_member_drop(a, m);
        }
        if (m->result == SG_RESULT_NONE) {
            first = first != NULL ? first : m;
            last = m;
            continue;
        }
        hole = a->away || last != NULL || (chained && has_come_to_nothing(m));
        if (last != NULL && m->result == SG_RESULT_BLOCKED &&
            m->decision.reason == SG_REASON_UPSTREAM) {
            sg_member_result(m, SG_RESULT_NONE, "%s", "");
            m->later = true;
        }
    }
}

static void fail_all(struct sg_attempt *a, const struct sg_error *err)
{
    a->to_run = false;
    for (uint32_t i = 0; i < a->n_members; i++)
        if (sg_member_is_to_run(&a->members[i])) {
            sg_member_failed(a, &a->members[i], err);
            sg_member_drop(a, &a->members[i]);
        }
}

/* The claims of a batch are durable before the first of its markers goes: by one flush. */
static bool flush_claims(struct sg_attempt *a, struct sg_error *err)
{
    const struct sg_member *m = a->members, *end = m + a->n_members;
    char *dir;

    while (m != end && !m->claimed)
        m++;
    if (a->n_members == 1 || m == end)
        return true;
    dir = sg_arena_text(&a->arena, m->claim.path, err);
    if (dir == NULL)
        return false;
    *strrchr(dir, '/') = '\0'; /* it has one: sg_claim_path() */
    return sg_store_flush_dir(a->run->store, dir, err) || sg_error_wrap(err, "take the claims");
}

typedef bool prepare_fn(struct sg_attempt *a, struct sg_member *m, struct sg_error *err);

/* Step 2, of each member in turn. Behind one that can't be prepared there is a hole. */
static void prepare_members(struct sg_attempt *a, prepare_fn *fn)
{
    bool hole = false;

    a->to_run = false;

    for (uint32_t i = 0; i < a->n_members; i++) {
        struct sg_member *m = &a->members[i];
        struct sg_error err = SG_ERROR_INIT;

        if (!sg_member_is_to_run(m))
            continue;
        if (hole) {
            m->later = true;
        } else if (fn(a, m, &err)) {
            a->to_run = true;
            continue;
        } else {
            sg_member_failed(a, m, &err);
            hole = true;
        }
        sg_member_drop(a, m);
    }
}

void sg_attempt_prepare(struct sg_attempt *a)
{
    struct sg_error err = SG_ERROR_INIT;

    a->started_s = sg_wall_now().ns / SG_NS_PER_S;
    decide_members(a);
    if (!flush_claims(a, &err)) {
        fail_all(a, &err);
        return;
    }
    prepare_members(a, clear);
    if (!a->to_run)
        return;
    if (sg_attempt_watch_siblings(a, &err)) {
        prepare_members(a, make_parent);
        if (!a->to_run || sg_attempt_words(a, &err))
            return;
    }
    fail_all(a, &err);
}
