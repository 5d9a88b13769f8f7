/* The job of an attempt: its variables filled in, its scratch files written. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/files.h"

#include "attempt_impl.h"

/* The partitions of one need that are there, with their URIs, from *next on, which is moved. */
static bool fill_input(struct sg_attempt *a, const struct sg_need *need, const struct sg_input *in,
                       int64_t *next, struct sg_vars_input *ret, struct sg_error *err)
{
    const struct sg_graph *g = sg_plan_graph(a->run->plan);
    const struct sg_stage *x = sg_graph_stage(g, need->of);
    struct sg_buf path = SG_BUF_INIT;
    int64_t index = 0;
    bool ok = false;

    *ret = (struct sg_vars_input){ .need = need->text, .stage = x->name };
    ret->labels = SG_ARENA_NEW(&a->arena, in->count + 1, const char *, err);
    ret->uris = SG_ARENA_NEW(&a->arena, in->count + 1, const char *, err);
    if (!ret->labels || !ret->uris)
        return false;
    if (in->count > 0 && !sg_calendar_parse_label(&x->cal, in->from, &index))
        return sg_error_set(err, SG_ERROR_BUG, 0, "label %s of %s can't be read", in->from,
                            x->name);
    for (uint32_t k = 0; k < in->count; index++) {
        char label[SG_LABEL_TEXT];
        struct sg_interval i;

        if (!sg_calendar_interval(&x->cal, index, &i))
            continue; /* a date that never was is not counted */
        if (in->versions[k++] == 0 || index < *next)
            continue; /* absent, or named by the member before */
        *next = index + 1;
        sg_calendar_label(&x->cal, index, label);
        sg_buf_clear(&path);
        if (!sg_stage_path(g, x, index, &path, err))
            goto done;
        ret->labels[ret->n] = sg_arena_text(&a->arena, label, err);
        ret->uris[ret->n] = sg_vars_uri(&a->arena, a->vars.root, sg_buf_text(&path), err);
        if (!ret->labels[ret->n] || !ret->uris[ret->n])
            goto done;
        ret->n++;
    }
    ok = true;
done:
    sg_buf_done(&path);
    return ok;
}

/* The inputs of all members: a need at a time, partitions that neighbours share once. */
static bool fill_inputs(struct sg_attempt *a, struct sg_error *err)
{
    uint32_t n = 0, room = a->n_members * (a->stage->n_needs + 1);

    a->vars.inputs = SG_ARENA_NEW(&a->arena, room, struct sg_vars_input, err);
    if (!a->vars.inputs)
        return false;
    for (uint32_t k = 0; k < a->stage->n_needs; k++) {
        int64_t next = INT64_MIN;

        for (uint32_t i = 0; i < a->n_members; i++) {
            const struct sg_member *m = &a->members[i];

            if (!sg_member_is_to_run(m))
                continue;
            if (!fill_input(a, &a->stage->needs[k], &m->decision.inputs[k], &next,
                            &a->vars.inputs[n], err))
                return false;
            n++;
        }
    }
    a->vars.n_inputs = n;
    return true;
}

/*
 * The scratch directory of an attempt that is over serves another one: to make and remove five
 * inodes a node costs more than all the rest of an attempt on ext4, which looks at every inode that
 * was freed in the last five seconds before it gives out another. As many are kept as attempts go
 * on at once, with a number each; nobody has one open any more, for the tree of its job is gone.
 */
static uint32_t take_number(_Atomic uint64_t *numbers)
{
    uint64_t now = atomic_load(numbers);

    while (now != 0)
        if (atomic_compare_exchange_weak(numbers, &now, now & (now - 1)))
            return (uint32_t)__builtin_ctzll(now);
    return SG_NO_SCRATCH;
}

static bool numbered_path(const struct sg_attempt *a, struct sg_buf *out, struct sg_error *err)
{
    return sg_buf_addf(out, err, "%s/%u", a->run->scratch, a->scratch);
}

/* Where we read what the job wrote, its paths are this attempt's alone: whoever still writes to
 * those of another, from wherever, writes to nothing. */
static bool has_own_name(const struct sg_attempt *a)
{
    return a->scratch == SG_NO_SCRATCH || sg_stage_has_batches(a->stage) ||
           a->stage->output_version == SG_VERSION_JOB;
}

/* The directory's number and name. *ret: it should be there. */
static bool choose_scratch(struct sg_attempt *a, bool *ret, struct sg_error *err)
{
    struct sg_scratches *all = a->run->scratches;
    struct sg_buf dir = SG_BUF_INIT;

    a->scratch = all != NULL ? take_number(&all->kept) : SG_NO_SCRATCH;
    *ret = a->scratch != SG_NO_SCRATCH;
    if (!*ret && all != NULL)
        a->scratch = take_number(&all->others);
    if (!(has_own_name(a) ? sg_buf_addf(&dir, err, "%s/%s", a->run->scratch, a->nonce)
                          : numbered_path(a, &dir, err))) {
        sg_buf_done(&dir);
        return false;
    }
    a->dir = sg_buf_move(&dir);
    return true;
}

/* One that should be there may have been removed by somebody. */
static bool is_taken(struct sg_attempt *a, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool taken;

    if (!has_own_name(a))
        return mkdir(a->dir, 0777) != 0 && errno == EEXIST;
    taken = numbered_path(a, &path, err) && rename(sg_buf_text(&path), a->dir) == 0;
    sg_buf_done(&path);
    return taken;
}

static bool take_scratch(struct sg_attempt *a, bool kept, struct sg_error *err)
{
    const struct sg_vars_files *f = &a->vars.files;
    struct sg_span empty = { "", 0 };

    return (kept && is_taken(a, err)) ||
           (sg_files_make_dir(a->dir, err) && sg_files_write_over(f->done, empty, err) &&
            sg_files_write_over(f->version, empty, err));
}

static int is_foreign(const struct dirent *e)
{
    static const char *const ours[] = { ".", "..", "partitions", "inputs", "done", "version" };

    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcmp(e->d_name, ours[i]) == 0)
            return 0;
    return 1;
}

/* A plain file of ours, that no other name leads to and that can be written. */
static bool is_plain(const char *path, bool empties)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
           (st.st_mode & S_IRUSR) != 0 && (st.st_mode & S_IWUSR) != 0 &&
           (!empties || st.st_size == 0 || truncate(path, 0) == 0);
}

/* Has the job left it as it got it, but for what it wrote into the files? Those that the next one
 * is to find empty are empty then. */
static bool is_clean(const struct sg_attempt *a)
{
    const struct sg_vars_files *f = &a->vars.files;
    struct dirent **foreign;
    struct stat st;
    int n = scandir(a->dir, &foreign, is_foreign, NULL);

    for (int i = 0; i < n; i++)
        free(foreign[i]);
    if (n >= 0)
        free(foreign);
    return n == 0 && lstat(a->dir, &st) == 0 && (st.st_mode & S_IRWXU) == S_IRWXU &&
           is_plain(f->partitions, false) && is_plain(f->inputs, false) &&
           is_plain(f->done, true) && is_plain(f->version, true);
}

bool sg_attempt_read_file(const char *path, struct sg_buf *ret, struct sg_error *err)
{
    struct stat st;
    bool found;

    return lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || sg_files_read(path, ret, &found, err);
}

bool sg_attempt_drop_scratch(struct sg_attempt *a, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool kept = a->scratch != SG_NO_SCRATCH && a->vars.files.version != NULL && is_clean(a) &&
                (!has_own_name(a) ||
                 (numbered_path(a, &path, err) && rename(a->dir, sg_buf_text(&path)) == 0));
    bool ok = kept || sg_files_remove_tree(a->dir, err);

    sg_buf_done(&path);
    if (ok && a->scratch != SG_NO_SCRATCH)
        atomic_fetch_or(kept ? &a->run->scratches->kept : &a->run->scratches->others,
                        UINT64_C(1) << a->scratch);
    a->scratch = SG_NO_SCRATCH;
    return ok;
}

static const char *scratch_file(struct sg_attempt *a, const char *name, struct sg_error *err)
{
    return sg_arena_printf(&a->arena, err, "%s/%s", a->dir, name);
}

static bool make_files(struct sg_attempt *a, bool kept, struct sg_error *err)
{
    struct sg_vars *v = &a->vars;
    struct sg_buf text = SG_BUF_INIT;
    bool ok = false;

    v->files.partitions = scratch_file(a, "partitions", err);
    v->files.inputs = v->files.partitions ? scratch_file(a, "inputs", err) : NULL;
    v->files.done = v->files.inputs ? scratch_file(a, "done", err) : NULL;
    v->files.version = v->files.done ? scratch_file(a, "version", err) : NULL;
    if (!v->files.version || !take_scratch(a, kept, err))
        goto done;
    if (!sg_vars_partitions_text(v, &text, err) ||
        !sg_files_write_over(v->files.partitions, sg_buf_span(&text), err))
        goto done;
    sg_buf_clear(&text);
    ok = sg_vars_inputs_text(v, &text, err) &&
         sg_files_write_over(v->files.inputs, sg_buf_span(&text), err);
done:
    sg_buf_done(&text);
    return ok || sg_error_wrap(err, "the files of the job");
}

bool sg_attempt_words(struct sg_attempt *a, struct sg_error *err)
{
    const struct sg_graph *g = sg_plan_graph(a->run->plan);
    struct sg_vars *v = &a->vars;
    bool kept;

    if (!choose_scratch(a, &kept, err))
        return false;
    v->arena = &a->arena;
    v->graph = g;
    v->stage = a->stage;
    v->root = g->store.root;
    v->run_id = a->run->run_id;
    v->attempt = a->number;
    v->nonce = a->nonce;
    v->spark_tag = a->run->yarn != NULL;
    for (uint32_t i = 0; i < a->n_members; i++) {
        const struct sg_member *m = &a->members[i];

        if (!sg_member_is_to_run(m))
            continue;
        if (v->count++ == 0)
            v->first = m->index;
        v->last = m->index;
    }
    return fill_inputs(a, err) && make_files(a, kept, err) &&
           sg_vars_argv(v, false, &a->argv, err) &&
           (a->stage->check != SG_CHECK_COMMAND || sg_vars_argv(v, true, &a->check, err)) &&
           sg_vars_envp(v, a->run->environ_, &a->envp, err);
}
