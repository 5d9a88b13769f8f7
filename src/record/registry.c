/*
 * The live runs. docs/formats.md, "State directory".
 *
 * An entry gets its name when it is written and locked, so one that shows its name and is not
 * locked is of a run that died. Until then it is ".RUN.new"; what died before that is swept too.
 * Whoever sweeps may lock a new entry in the instant before its maker does: the maker notices, and
 * makes another.
 */
#include "stagegraph/registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stagegraph/files.h"
#include "stagegraph/json.h"

static bool entry_path(const char *state, const char *run, struct sg_buf *out, struct sg_error *err)
{
    sg_buf_clear(out);
    return sg_buf_addf(out, err, "%s/runs/%s", state, run);
}

static bool format(const struct sg_registry_run *r, struct sg_buf *out, struct sg_error *err)
{
    struct sg_json_writer w;

    sg_json_writer_init(&w, out);
    sg_json_begin(&w, NULL, '{');
    sg_json_text(&w, "run", r->run);
    sg_json_text(&w, "command", r->command);
    sg_json_i64(&w, "pid", r->pid);
    sg_json_i64(&w, "started", r->started_s);
    sg_json_end(&w);
    return sg_json_writer_end(&w, err) && sg_buf_addc(out, '\n', err);
}

static bool has_name(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* A new file, locked by us. */
static bool create_locked(const char *path, int *ret, struct sg_error *err)
{
    for (;;) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

        if (fd < 0)
            return sg_error_set(err, SG_ERROR_SYSTEM, errno, "create %s", path);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (has_name(fd)) {
                *ret = fd;
                return true;
            }
        } else if (errno != EWOULDBLOCK) {
            sg_error_set(err, SG_ERROR_SYSTEM, errno, "lock %s", path);
            (void)unlink(path); /* what stays is swept */
            (void)close(fd);
            return false;
        }
        (void)unlink(path); /* it is being swept, or has been */
        (void)close(fd);
    }
}

/* Writes the entry under its hidden name and gives it its own. *ret is -1 where a sweep that had
 * looked before we locked it took it away: then once more. */
static bool place(const char *hidden, const char *path, struct sg_span text, int *ret,
                  struct sg_error *err)
{
    int fd = -1;

    if (!create_locked(hidden, &fd, err))
        return false;
    if (!sg_files_write_fd(fd, text.at, text.len, err)) {
        (void)sg_error_wrap(err, "%s", hidden);
    } else if (rename(hidden, path) == 0) {
        *ret = fd;
        return true;
    } else if (errno == ENOENT) {
        (void)close(fd); /* nothing of it is left */
        *ret = -1;
        return true;
    } else {
        sg_error_set(err, SG_ERROR_SYSTEM, errno, "create %s", path);
    }
    (void)unlink(hidden); /* what stays is swept */
    (void)close(fd);
    return false;
}

bool sg_registry_enter(const char *state, const struct sg_registry_run *r, int *ret_fd,
                       struct sg_error *err)
{
    struct sg_buf dir = SG_BUF_INIT, path = SG_BUF_INIT, hidden = SG_BUF_INIT, text = SG_BUF_INIT;
    int fd = -1;
    bool ok = false;

    if (!sg_buf_addf(&dir, err, "%s/runs", state) || !sg_files_make_dir(sg_buf_text(&dir), err) ||
        !entry_path(state, r->run, &path, err) ||
        !sg_buf_addf(&hidden, err, "%s/.%s.new", sg_buf_text(&dir), r->run) ||
        !format(r, &text, err))
        goto done;
    if (access(sg_buf_text(&path), F_OK) == 0) {
        sg_error_set(err, SG_ERROR_SYSTEM, EEXIST, "create %s", sg_buf_text(&path));
        goto done;
    }
    while (!ok && place(sg_buf_text(&hidden), sg_buf_text(&path), sg_buf_span(&text), &fd, err))
        ok = fd >= 0;
    if (ok)
        *ret_fd = fd;
done:
    sg_buf_done(&dir);
    sg_buf_done(&path);
    sg_buf_done(&hidden);
    sg_buf_done(&text);
    return ok;
}

void sg_registry_leave(const char *state, const char *run, int fd)
{
    struct sg_buf path = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;

    if (entry_path(state, run, &path, &err))
        (void)unlink(sg_buf_text(&path)); /* what stays is swept by a later run */
    (void)close(fd);
    sg_buf_done(&path);
}

/* False: not an entry of ours. */
static bool parse(struct sg_arena *a, struct sg_span text, struct sg_registry_run *ret)
{
    struct sg_json_reader r;
    struct sg_error err = SG_ERROR_INIT;
    enum sg_json_event ev;
    char key[16] = "";

    memset(ret, 0, sizeof(*ret));
    sg_json_reader_init(&r, text);
    while ((ev = sg_json_next(&r)) != SG_JSON_END && ev != SG_JSON_BAD) {
        if (ev == SG_JSON_KEY) {
            size_t n = r.text.len < sizeof(key) - 1 ? r.text.len : sizeof(key) - 1;

            memcpy(key, r.text.at, n);
            key[n] = '\0';
        } else if (ev == SG_JSON_STRING && strcmp(key, "run") == 0) {
            ret->run = sg_arena_copy(a, r.text, &err);
        } else if (ev == SG_JSON_STRING && strcmp(key, "command") == 0) {
            ret->command = sg_arena_copy(a, r.text, &err);
        } else if (ev == SG_JSON_NUMBER &&
                   (strcmp(key, "pid") == 0 || strcmp(key, "started") == 0)) {
            if (!sg_json_int(r.text, key[0] == 'p' ? &ret->pid : &ret->started_s))
                break;
        }
    }
    sg_json_reader_done(&r);
    return ev == SG_JSON_END && ret->run && ret->command;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* What STATE/runs has, to be freed with free_names(); not there: nothing. */
static bool list_names(const char *state, struct dirent ***ret, int *ret_n, struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool ok = sg_buf_addf(&path, err, "%s/runs", state);

    *ret = NULL;
    *ret_n = 0;
    if (ok) {
        *ret_n = scandir(sg_buf_text(&path), ret, NULL, compare_names);
        if (*ret_n < 0 && errno != ENOENT)
            ok = sg_error_set(err, SG_ERROR_SYSTEM, errno, "list %s", sg_buf_text(&path));
        if (*ret_n < 0)
            *ret_n = 0;
    }
    sg_buf_done(&path);
    return ok;
}

static void free_names(struct dirent **names, int n)
{
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

/* Looks at one entry; false: it is gone, or says nothing. ret lies in the arena. */
static bool look_at(const char *state, const char *name, struct sg_arena *a,
                    struct sg_registry_run *ret, bool *ret_alive)
{
    struct sg_buf path = SG_BUF_INIT, text = SG_BUF_INIT;
    struct sg_error ignored = SG_ERROR_INIT; /* what can't be read says nothing */
    bool found = false, there = false;
    int fd = -1;

    if (entry_path(state, name, &path, &ignored))
        fd = open(sg_buf_text(&path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        /* where there are no locks nobody is known to be dead */
        *ret_alive = flock(fd, LOCK_SH | LOCK_NB) != 0;
        there = has_name(fd) && sg_files_read(sg_buf_text(&path), &text, &found, &ignored) && found;
        (void)close(fd); /* read only */
    }
    there = there && parse(a, sg_buf_span(&text), ret) && strcmp(ret->run, name) == 0;
    sg_buf_done(&path);
    sg_buf_done(&text);
    return there;
}

bool sg_registry_list(const char *state, sg_registry_fn *fn, void *ctx, struct sg_error *err)
{
    struct sg_arena arena = SG_ARENA_INIT;
    struct dirent **names;
    int n;
    bool go = true;

    if (!list_names(state, &names, &n, err))
        return false;
    for (int i = 0; i < n && go; i++) {
        struct sg_registry_run r;
        bool alive;

        if (names[i]->d_name[0] != '.' && look_at(state, names[i]->d_name, &arena, &r, &alive))
            go = fn(ctx, &r, alive);
    }
    free_names(names, n);
    sg_arena_done(&arena);
    return true;
}

/* The name is the run's; what the entry says is not needed: it may have been cut short. The lock is
 * held until the entry is gone, so that the maker of a new one notices. */
static bool sweep_one(const char *state, const char *name, struct sg_error *err)
{
    struct sg_buf entry = SG_BUF_INIT, scratch = SG_BUF_INIT;
    struct stat st;
    bool ok = entry_path(state, name, &entry, err) &&
              sg_buf_addf(&scratch, err, "%s/tmp/%s", state, name);
    int fd = ok ? open(sg_buf_text(&entry), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        flock(fd, LOCK_EX | LOCK_NB) == 0) {
        ok = name[0] == '.' || sg_files_remove_tree(sg_buf_text(&scratch), err);
        if (ok && unlink(sg_buf_text(&entry)) != 0 && errno != ENOENT)
            ok = sg_error_set(err, SG_ERROR_SYSTEM, errno, "remove %s", sg_buf_text(&entry));
    }
    if (fd >= 0)
        (void)close(fd); /* read only */
    sg_buf_done(&entry);
    sg_buf_done(&scratch);
    return ok;
}

bool sg_registry_sweep(const char *state, struct sg_error *err)
{
    struct dirent **names;
    int n;
    bool ok;

    if (!list_names(state, &names, &n, err))
        return false;
    ok = true;
    for (int i = 0; i < n && ok; i++)
        if (strcmp(names[i]->d_name, ".") != 0 && strcmp(names[i]->d_name, "..") != 0)
            ok = sweep_one(state, names[i]->d_name, err);
    free_names(names, n);
    return ok;
}
