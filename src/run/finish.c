/* The second half of an attempt: check, version, receipt; or the marker gone. Then the claim goes.
 */
#include <stdio.h>
#include <string.h>

#include "stagegraph/files.h"
#include "stagegraph/marker.h"
#include "stagegraph/recipe.h"

#include "attempt_impl.h"

/* "no data file at all" is an answer of its own: a check that passes over an empty output would let
 * a job that did nothing count as done. */
static bool check_files(struct sg_attempt *a, struct sg_member *m, const struct sg_output_facts *f,
                        struct sg_error *err)
{
    const char *full;

    if (a->stage->check == SG_CHECK_NONE || f->files != 0)
        return true;
    if (a->stage->empty_ok)
        return sg_store_make_dir(a->run->store, m->dir, err);
    full = sg_vars_uri(&a->arena, sg_store_root(a->run->store), m->dir, err);
    if (full != NULL)
        sg_member_result(m, SG_RESULT_CHECK_FAILED, "no data file in %s", full);
    return full != NULL;
}

/* Were the files written under this claim? */
static bool check_age(struct sg_attempt *a, struct sg_member *m, const struct sg_output_facts *f,
                      struct sg_error *err)
{
    const struct sg_stage *s = a->stage;
    const char *full;

    if (f->files == 0 || (s->check != SG_CHECK_WRITTEN && s->check != SG_CHECK_REWRITTEN))
        return true;
    full = sg_vars_uri(&a->arena, sg_store_root(a->run->store), m->dir, err);
    if (full == NULL || !sg_store_claim_time(a->run->store, &m->claim, err))
        return false;
    if (s->check == SG_CHECK_WRITTEN && f->newest_ns < m->claim.ident.mtime_ns)
        sg_member_result(m, SG_RESULT_CHECK_FAILED,
                         "no data file in %s was written by this attempt (check = written)", full);
    else if (s->check == SG_CHECK_REWRITTEN && f->oldest_ns < m->claim.ident.mtime_ns)
        sg_member_result(m, SG_RESULT_CHECK_FAILED,
                         "a data file in %s is older than this attempt (check = rewritten)", full);
    return true;
}

static bool inputs_are_same(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    const char *moved = NULL;

    if (!sg_plan_inputs_moved(a->run->plan, a->stage, m->index, &m->decision, &a->arena, &moved,
                              err))
        return false;
    if (moved)
        sg_member_result(m, SG_RESULT_INPUT_MOVED, "%s changed while the job ran", moved);
    return true;
}

/* The output's version by the stage's rule; data are durable afterwards. */
static bool take_version(struct sg_attempt *a, struct sg_member *m, struct sg_output *o,
                         struct sg_output_facts *f, struct sg_error *err)
{
    const struct sg_stage *s = a->stage;
    bool content = s->output_version == SG_VERSION_CONTENT && f->bytes <= s->version_limit;
    struct sg_mono before = sg_mono_now();

    if (!sg_output_read(a->run->store, m->dir, o, content, true, f, err))
        return sg_error_wrap(err, "version of the output");
    if (s->output_version == SG_VERSION_CONTENT && (!content || f->incomparable)) {
        char node[SG_NODE_TEXT];

        sg_node_format(s, m->index, node); /* of a batch the notice names the first alone */
        (void)snprintf(a->notice, sizeof(a->notice),
                       "the output of %s %s: its version is the run's", node,
                       content ? "lies in an encryption zone, where checksums can't be compared"
                               : "is larger than version_limit");
        content = false;
    }
    if (s->output_version == SG_VERSION_JOB) {
        struct sg_buf text = SG_BUF_INIT;

        if (!sg_attempt_read_file(a->vars.files.version, &text, err)) {
            sg_buf_done(&text);
            return false;
        }
        if (text.len == 0)
            sg_member_result(
                m, SG_RESULT_CHECK_FAILED,
                "the job wrote nothing to STAGEGRAPH_VERSION_FILE (output_version = job)");
        f->version = sg_hash128_of(sg_buf_text(&text), text.len);
        sg_buf_done(&text);
    } else if (!content) {
        f->version = sg_hash128_of(a->nonce, strlen(a->nonce));
    }
    m->version_seconds = (double)(sg_mono_now().ns - before.ns) / 1e9;
    return true;
}

struct sg_receipt sg_member_receipt(const struct sg_attempt *a, const struct sg_member *m,
                                    enum sg_marker_kind state, char node[SG_NODE_TEXT])
{
    sg_node_format(a->stage, m->index, node);
    return (struct sg_receipt){
        .node = node,
        .state = state,
        .stamp = m->decision.stamp,
        .recipe = m->decision.recipe.hash,
        .inputs = m->decision.inputs,
        .n_inputs = m->decision.n_inputs,
        .run = a->run->run_id,
        .attempt = a->number,
        .started_s = a->started_s,
        .host = a->run->host,
    };
}

/* The output is a name in its parent: durable before the receipt that speaks of it. It has been
 * flushed if a receipt spoke of this very directory before the job; what a failed attempt made has
 * not. The members of a batch are all there when the first is looked at, for the job has ended:
 * neighbours have one flush. */
static bool flush_name(struct sg_attempt *a, struct sg_member *m, struct sg_error *err)
{
    char *slash = strrchr(m->dir, '/');
    struct sg_birth birth;
    bool ok;

    if (sg_store_is_write_once(a->run->store))
        return true; /* nothing is flushed there */
    if (!sg_store_birth(a->run->store, m->dir, &birth, err))
        return false;
    if (!birth.is_there ||
        (m->decision.own.kind == SG_MARKER_DONE && sg_birth_is_same(&birth, &m->output)))
        return true;
    if (!slash)
        return sg_store_flush_dir(a->run->store, "", err);
    *slash = '\0';
    ok = a->flushed != NULL && strcmp(a->flushed, m->dir) == 0;
    if (!ok && sg_store_flush_dir(a->run->store, m->dir, err)) {
        a->flushed = sg_arena_text(&a->arena, m->dir, err);
        ok = a->flushed != NULL;
    }
    *slash = '/';
    return ok;
}

bool sg_member_write_recipe(struct sg_attempt *a, const struct sg_member *m, struct sg_error *err)
{
    const struct sg_recipe *r = &m->decision.recipe;

    return (a->run->recipes != NULL &&
            atomic_load(&a->run->recipes[a->stage->id.i]) == r->hash.lo) ||
           sg_recipe_write(a->run->store, r, err) || sg_error_wrap(err, "write the recipe");
}

void sg_member_recipe_named(struct sg_attempt *a, const struct sg_member *m)
{
    if (a->run->recipes != NULL)
        atomic_store(&a->run->recipes[a->stage->id.i], m->decision.recipe.hash.lo);
}

/* The claim tells whether the output was written under it, and while it is verified that costs
 * nothing. */
static bool write_receipt(struct sg_attempt *a, struct sg_member *m,
                          const struct sg_output_facts *f, double seconds, struct sg_error *err)
{
    char node[SG_NODE_TEXT];
    struct sg_marker written;
    struct sg_receipt r = sg_member_receipt(a, m, SG_MARKER_DONE, node);
    bool ours;

    r.version = f->version;
    r.seconds = seconds;
    if (!flush_name(a, m, err) || !sg_member_write_recipe(a, m, err) ||
        !sg_store_claim_verify(a->run->store, &m->claim, &ours, err))
        return false;
    if (!ours) {
        sg_member_result(m, SG_RESULT_FAILED, "the claim was taken away while the job ran");
        return true;
    }
    if (!check_age(a, m, f, err))
        return sg_error_wrap(err, "check the output");
    if (m->result != SG_RESULT_NONE)
        return true;
    /* Spark's own marker would make a finished day of an unfinished one. */
    if (m->decision.partial && !sg_member_drop_other_marker(a, m, err))
        return false;
    if (!sg_marker_write(a->run->store, m->dir, sg_member_marker(a, m), &r,
                         sg_store_is_write_once(a->run->store) ? NULL : &written, err))
        return sg_error_wrap(err, "write the receipt");
    m->marker_gone = false;
    sg_member_recipe_named(a, m);
    return true;
}

/* The output of a member whose job says that it succeeded, and what it was made from. */
static bool look_around(struct sg_attempt *a, struct sg_member *m, struct sg_output *o,
                        struct sg_output_facts *facts, struct sg_error *err)
{
    if (!inputs_are_same(a, m, err))
        return sg_error_wrap(err, "look at the inputs again");
    if (m->result == SG_RESULT_NONE && !sg_member_check_siblings(a, m, err))
        return false;
    return m->result != SG_RESULT_NONE || take_version(a, m, o, facts, err);
}

/* Where it costs a request to know when the claim was taken, the output's age is checked with the
 * receipt; what it says comes first all the same. */
static bool accept(struct sg_attempt *a, struct sg_member *m, struct sg_output *o,
                   struct sg_output_facts *facts, double seconds, struct sg_error *err)
{
    bool first = m->claim.ident.mtime_ns != 0;

    if (!check_files(a, m, facts, err) ||
        (m->result == SG_RESULT_NONE && first && !check_age(a, m, facts, err)))
        return sg_error_wrap(err, "check the output");
    if (m->result != SG_RESULT_NONE)
        return true;
    if (!look_around(a, m, o, facts, err))
        return false;
    if (m->result == SG_RESULT_NONE)
        return write_receipt(a, m, facts, seconds, err);
    return first || check_age(a, m, facts, err) || sg_error_wrap(err, "check the output");
}

/* Steps 4 and 5. The job's processes are gone: its files are listed once. */
static bool complete(struct sg_attempt *a, struct sg_member *m, double seconds,
                     struct sg_error *err)
{
    struct sg_output_facts facts;
    struct sg_output *o;
    bool ok;

    if (!sg_output_look(a->run->store, m->dir, &o, &facts, err))
        return sg_error_wrap(err, "check the output");
    ok = accept(a, m, o, &facts, seconds, err);
    sg_output_free(o);
    return ok;
}

/* Whatever the job left that could be taken for a marker goes before the claim does. */
static void give_up(struct sg_attempt *a, struct sg_member *m)
{
    struct sg_error err = SG_ERROR_INIT;
    bool ours = true;

    if (a->away)
        goto leave;
    if (!sg_store_claim_verify(a->run->store, &m->claim, &ours, &err) || !ours)
        goto leave; /* the node is another run's now: nothing of it is ours to touch */
    if (sg_member_remove_marker(a, m, &err)) {
        sg_member_drop(a, m);
        return;
    }
    (void)snprintf(a->notice, sizeof(a->notice), "%.390s", err.text); /* for people */
leave: /* a dead claim keeps the node stale until a run takes it over */
    sg_store_claim_leave(a->run->store, &m->claim);
    m->claimed = false;
}

/* What the member needs of those before it in the job: their versions, now that they are known; or
 * it fails with them. made_first: the first member of the job. */
static bool meet_members(struct sg_attempt *a, struct sg_member *m, int64_t made_first,
                         const struct sg_attempt_outcome *o, struct sg_error *err)
{
    struct sg_decide_ask ask = { .made_first = made_first, .made_end = m->index };
    const char *lacks;

    if (!sg_plan_take_made(a->run->plan, a->stage, m->index, &ask, &a->arena, &m->decision, &lacks,
                           err))
        return false;
    if (lacks != NULL)
        sg_member_result(m, o->result == SG_RESULT_OK ? SG_RESULT_FAILED : o->result,
                         "needs %s, which failed", lacks);
    return true;
}

/* Is the line the member's label, as we write it or in another form that is read as well? */
static bool names_member(const struct sg_attempt *a, const struct sg_member *m, const char *line,
                         size_t n)
{
    char text[SG_LABEL_TEXT];
    int64_t index;

    if (n > 0 && line[n - 1] == '\r')
        n--; /* a program that ends lines as Windows does */
    if (n >= sizeof(text))
        return false;
    memcpy(text, line, n);
    text[n] = '\0';
    return sg_calendar_parse_label(&a->stage->cal, text, &index) && index == m->index;
}

/* Is the label a whole line of what the job wrote to its done file? */
static bool is_credited(const struct sg_attempt *a, const struct sg_member *m,
                        const struct sg_buf *done)
{
    const char *at = done->at, *end, *stop;

    if (done->len == 0)
        return false;
    stop = at + done->len;
    for (; (end = memchr(at, '\n', (size_t)(stop - at))) != NULL; at = end + 1)
        if (names_member(a, m, at, (size_t)(end - at)))
            return true;
    return false;
}

/* What a job that did not come out well says that it has done. A check command is about all of the
 * job, and has not been run. */
static void read_done(struct sg_attempt *a, const struct sg_attempt_outcome *o, struct sg_buf *ret)
{
    struct sg_error err = SG_ERROR_INIT;

    if (o->result == SG_RESULT_OK || o->stuck || a->stage->check == SG_CHECK_COMMAND ||
        !sg_stage_has_batches(a->stage))
        return;
    if (!sg_attempt_read_file(a->vars.files.done, ret, &err)) {
        sg_buf_clear(ret); /* then nothing is done: tried again, at worst for nothing */
        (void)snprintf(a->notice, sizeof(a->notice), "%.390s", err.text);
    }
}

static void finish_member(struct sg_attempt *a, struct sg_member *m, int64_t made_first,
                          const struct sg_attempt_outcome *o, const struct sg_buf *done)
{
    struct sg_error err = SG_ERROR_INIT;

    if (o->result != SG_RESULT_OK && !is_credited(a, m, done)) {
        sg_member_result(m, o->result, "%s", o->why);
        m->code = o->code;
    } else if (a->away) { /* of a member before */
        sg_member_result(m, SG_RESULT_FAILED, "the store is away");
        m->code = SG_ERROR_AWAY;
    } else if (!meet_members(a, m, made_first, o, &err) ||
               (m->result == SG_RESULT_NONE && !complete(a, m, o->seconds, &err))) {
        if (sg_store_is_stopped(a->run->store))
            sg_member_result(m, SG_RESULT_INTERRUPTED, "interrupted");
        else
            sg_member_failed(a, m, &err);
    }
    if (m->result == SG_RESULT_NONE) {
        m->result = SG_RESULT_OK;
        sg_member_drop(a, m);
    } else {
        give_up(a, m);
    }
}

void sg_attempt_finish(struct sg_attempt *a, const struct sg_attempt_outcome *o)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf done = SG_BUF_INIT;
    int64_t first = 0;
    bool any = false;

    read_done(a, o, &done);
    for (uint32_t i = 0; i < a->n_members; i++) {
        struct sg_member *m = &a->members[i];

        if (!sg_member_is_to_run(m))
            continue;
        first = any ? first : m->index;
        any = true;
        if (o->stuck) {
            /* the shim lives as long as they do and holds the lock: the claim stays alive */
            sg_member_result(m, o->result == SG_RESULT_OK ? SG_RESULT_FAILED : o->result, "%s",
                             o->why);
            sg_store_claim_leave(a->run->store, &m->claim);
            m->claimed = false;
            continue;
        }
        finish_member(a, m, first, o, &done);
    }
    sg_buf_done(&done);
    if (a->dir && !o->stuck && !sg_attempt_drop_scratch(a, &err) && !a->notice[0])
        (void)snprintf(a->notice, sizeof(a->notice), "%.390s", err.text); /* for people */
}
