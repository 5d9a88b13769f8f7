/*
 * What changes something. No mutation is repeated blindly: where an answer was lost, the state says
 * whether it was done. Names of ours carry a nonce, and HDFS's file ids tell our file from
 * another's.
 *
 * A marker appears whole by RENAME with OVERWRITE, which keeps the id of the file that is renamed.
 * Its receipt is an attribute of an empty file (no block, no DataNode to ask for it), set before
 * the rename and never changed after it: a change of an attribute shows nowhere else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "webhdfs_impl.h"

#define NONCE_DIGITS   16
#define ATTRIBUTE_MOST 16000 /* dfs.namenode.fs-limits.max-xattr-size, name and value, is 16384 */

static bool gone_wrong(const struct sg_webhdfs *w, const char *path, struct sg_error *err)
{
    return sg_error_set(err, SG_ERROR_STORE, 0, "write %s/%s: somebody else has replaced it",
                        w->base.root, path);
}

bool wh_store_flush(struct sg_store *s, const char *path, struct sg_error *err)
{
    (void)s;
    (void)path;
    (void)err;
    return true;
}

/* One whose answer is of no interest but for its kind. */
static bool call(struct sg_webhdfs *w, const struct wh_op *op, enum wh_result *ret,
                 struct wh_fault *fault, struct sg_error *err)
{
    struct sg_http_answer answer = { .status = 0 };
    bool ok = wh_call(w, op, &answer, ret, fault, err);

    sg_http_answer_done(&answer);
    return ok;
}

bool wh_store_make_dir(struct sg_store *s, const char *dir, struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct wh_op op = { .method = "PUT",
                        .op = "MKDIRS",
                        .path = dir,
                        .query = w->dir_mode,
                        .mutates = true,
                        .idempotent = true };
    struct sg_http_answer answer = { .status = 0 };
    struct sg_buf text = SG_BUF_INIT;
    struct sg_error why = SG_ERROR_INIT;
    struct wh_fault fault;
    enum wh_result result;
    bool ok, found = false;

    ok = wh_call(w, &op, &answer, &result, &fault, err);
    if (ok && result != WH_OK)
        ok = wh_fail(w, &op, &fault, err);
    if (ok && !(WH_JSON_FIND(sg_buf_span(&answer.body), &text, &found, &why, "boolean") && found &&
                strcmp(sg_buf_text(&text), "true") == 0))
        ok = wh_fail_answer(w, &op, "it made no directory, without a reason", err);
    sg_buf_done(&text);
    sg_http_answer_done(&answer);
    return ok;
}

/* ---- removing ---- */

bool wh_delete_inode(struct sg_webhdfs *w, uint64_t id, bool *ret_gone, struct sg_error *err)
{
    char path[64];
    struct wh_op op = { .method = "DELETE",
                        .op = "DELETE",
                        .path = path,
                        .query = "&recursive=true",
                        .mutates = true,
                        .idempotent = true }; /* ids are never used again */
    struct wh_fault fault;
    enum wh_result result;

    snprintf(path, sizeof(path), "/.reserved/.inodes/%llu", (unsigned long long)id);
    if (!call(w, &op, &result, &fault, err))
        return false;
    if (result == WH_REFUSED && !wh_is_absent(&fault))
        return wh_fail(w, &op, &fault, err);
    *ret_gone = result == WH_REFUSED;
    return true;
}

/* "boolean": was there something? What is not said plainly is taken for yes. */
static bool was_there(const struct sg_http_answer *answer)
{
    struct sg_error ignored = SG_ERROR_INIT;
    struct sg_buf text = SG_BUF_INIT;
    bool found = false, was;

    was = !WH_JSON_FIND(sg_buf_span(&answer->body), &text, &found, &ignored, "boolean") || !found ||
          strcmp(sg_buf_text(&text), "false") != 0;
    sg_buf_done(&text);
    return was;
}

/* By its name, once. *ret_was false: nothing was there. */
static bool delete_path(struct sg_webhdfs *w, const char *path, enum wh_result *ret,
                        struct wh_fault *fault, bool *ret_was, struct sg_error *err)
{
    struct wh_op op = { .method = "DELETE",
                        .op = "DELETE",
                        .path = path,
                        .query = "&recursive=true",
                        .mutates = true };
    struct sg_http_answer answer = { .status = 0 };
    bool ok = wh_call(w, &op, &answer, ret, fault, err);

    *ret_was = ok && (*ret == WH_LOST || (*ret == WH_OK && was_there(&answer)));
    sg_http_answer_done(&answer);
    if (!ok)
        return false;
    if (*ret == WH_REFUSED && !wh_is_absent(fault))
        return wh_fail(w, &op, fault, err);
    return true;
}

/*
 * By its inode: a DELETE that was lost on its way and arrives late must not hit what was made at
 * that path since. Where there are no inode paths (a router), by name.
 */
bool wh_store_remove_tree(struct sg_store *s, const char *path, struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct wh_fault fault = { .status = 0 };
    enum wh_result result = WH_OK;
    struct wh_status st;
    struct wh_patience patience;
    uint64_t id = 0;
    bool gone = false, was;

    wh_patience_init(w, &patience);
    do {
        if (!wh_status(w, path, &st, err))
            return false;
        if (st.kind == SG_ENTRY_ABSENT)
            return true;
        if (gone && st.file_id == id) {
            if (!delete_path(w, path, &result, &fault, &was, err))
                return false;
            if (result == WH_OK)
                return true;
        } else {
            id = st.file_id;
            if (!wh_delete_inode(w, id, &gone, err))
                return false;
            if (!gone)
                return true;
        }
    } while (wh_wait(&patience));
    return sg_error_set(err, SG_ERROR_STORE, 0, "remove %s/%s: it is there again and again%s%s",
                        w->base.root, path, fault.message[0] != '\0' ? ": " : "", fault.message);
}

/* One file by its name; absent is fine. A lost answer: what is there is looked at, and removed if
 * it is there still. (Were it another's by then, its node would be stale, never wrongly fresh.) */
static bool remove_file(struct sg_webhdfs *w, const char *path, bool *ret_was, struct sg_error *err)
{
    struct wh_fault fault;
    enum wh_result result;

    if (!delete_path(w, path, &result, &fault, ret_was, err))
        return false;
    return result != WH_LOST || wh_store_remove_tree(&w->base, path, err);
}

static void forget_file(struct sg_webhdfs *w, const char *path)
{
    struct sg_error ignored = SG_ERROR_INIT;
    bool was;

    (void)!remove_file(w, path, &was, &ignored); /* if that fails too it stays, and says nothing */
}

/* ---- writing a file aside ---- */

/* ret is its path. Tried under another name when the answer was lost: the DataNode may still be
 * writing the first one. */
static bool create_temp(struct sg_webhdfs *w, const char *dir, const char *name,
                        struct sg_span text, struct sg_buf *ret, struct sg_error *err)
{
    struct sg_buf query = SG_BUF_INIT;
    struct wh_op op = { .method = "PUT", .op = "CREATE", .mutates = true, .data = true };
    char nonce[NONCE_DIGITS + 1], after[NONCE_DIGITS + 6];
    struct wh_patience patience;
    enum wh_result result;
    struct wh_fault fault;
    bool ok;

    wh_patience_init(w, &patience);
    op.body = text;
    op.until = patience.until;
    ok = sg_buf_addf(&query, err, "&overwrite=true%s", w->file_mode);
    op.query = sg_buf_text(&query);
    while (ok) {
        ok = wh_nonce(nonce, err);
        if (!ok)
            break;
        snprintf(after, sizeof(after), ".%s.tmp", nonce);
        ok = wh_join(ret, dir, ".", name, after, err);
        op.path = sg_buf_text(ret);
        ok = ok && call(w, &op, &result, &fault, err);
        if (!ok || result != WH_LOST || !wh_wait(&patience))
            break;
        forget_file(w, sg_buf_text(ret));
    }
    if (ok && result != WH_OK)
        ok = wh_fail(w, &op, &fault, err);
    if (!ok && ret->len != 0)
        forget_file(w, sg_buf_text(ret));
    sg_buf_done(&query);
    return ok;
}

/* Of a server that overwrites nothing: what is at the new name is removed, if the old one still has
 * our file. There is no marker for a moment, which is as if its node had not been made. */
static bool clear_way(struct sg_webhdfs *w, const char *from, const char *to, struct sg_error *err)
{
    struct wh_status st;
    bool gone;

    if (!wh_status(w, from, &st, err))
        return false;
    if (st.kind != SG_ENTRY_FILE)
        return true;
    if (!wh_status(w, to, &st, err))
        return false;
    if (st.kind == SG_ENTRY_DIR)
        return sg_error_set(err, SG_ERROR_STORE, 0, "write %s/%s: a directory is in its place",
                            w->base.root, to);
    return st.kind != SG_ENTRY_FILE || wh_delete_inode(w, st.file_id, &gone, err);
}

/*
 * RENAME with OVERWRITE. A lost answer: done if the new name has our file (id, where it is known)
 * or the old one is gone, which nobody else knows; not done if the old name has it.
 */
static bool rename_over(struct sg_webhdfs *w, const char *from, const char *to, uint64_t id,
                        struct sg_error *err)
{
    struct sg_buf full = SG_BUF_INIT, query = SG_BUF_INIT;
    struct wh_op op = { .method = "PUT", .op = "RENAME", .path = from, .mutates = true };
    struct wh_patience patience;
    enum wh_result result = WH_LOST;
    struct wh_fault fault;
    struct wh_status st;
    bool ok, lost = false;

    wh_patience_init(w, &patience);
    op.until = patience.until;
    ok = sg_buf_addf(&full, err, "%s/%s", w->nn.path, to) &&
         sg_buf_adds(&query, "&renameoptions=OVERWRITE&destination=", err) &&
         wh_add_value(&query, sg_buf_text(&full), err);
    op.query = sg_buf_text(&query);
    while (ok && result == WH_LOST && (!lost || wh_wait(&patience))) {
        ok = call(w, &op, &result, &fault, err);
        if (ok && result == WH_REFUSED && wh_is(&fault, WH_PLAIN_REFUSAL)) {
            ok = clear_way(w, from, to, err);
            result = WH_LOST;
        }
        if (!ok || (result != WH_LOST && !(lost && result == WH_REFUSED && wh_is_absent(&fault))))
            break;
        lost = true;
        result = WH_LOST;
        ok = wh_status(w, from, &st, err);
        if (ok && (st.kind == SG_ENTRY_ABSENT || (id != 0 && st.file_id != id))) {
            ok = wh_status(w, to, &st, err);
            if (ok && (st.kind != SG_ENTRY_FILE || (id != 0 && st.file_id != id)))
                ok = gone_wrong(w, to, err);
            result = WH_OK;
        }
    }
    if (ok && result != WH_OK)
        ok = wh_fail(w, &op, &fault, err);
    sg_buf_done(&full);
    sg_buf_done(&query);
    return ok;
}

/* ---- recipes and lists of inputs ---- */

static bool has_text(struct sg_store *s, const char *path, struct sg_span text)
{
    struct sg_error ignored = SG_ERROR_INIT;
    struct sg_buf old = SG_BUF_INIT;
    struct sg_entry e;
    bool is;

    is = wh_store_read(s, path, text.len, &old, &e, &ignored) && e.kind == SG_ENTRY_FILE &&
         old.len == text.len && (text.len == 0 || memcmp(old.at, text.at, text.len) == 0);
    sg_buf_done(&old);
    return is;
}

/* "a/b" in two; the directory of "b" is "". */
static bool split(const char *path, struct sg_buf *dir, const char **ret_name, struct sg_error *err)
{
    const char *slash = strrchr(path, '/');

    *ret_name = slash != NULL ? slash + 1 : path;
    return slash == NULL || sg_buf_add(dir, path, (size_t)(slash - path), err);
}

bool wh_store_put(struct sg_store *s, const char *path, struct sg_span text, struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct sg_buf dir = SG_BUF_INIT, temp = SG_BUF_INIT;
    const char *name;
    bool ok;

    if (has_text(s, path, text))
        return true;
    ok = split(path, &dir, &name, err) && create_temp(w, sg_buf_text(&dir), name, text, &temp, err);
    if (ok) {
        ok = rename_over(w, sg_buf_text(&temp), path, 0, err);
        if (!ok)
            forget_file(w, sg_buf_text(&temp));
    }
    sg_buf_done(&dir);
    sg_buf_done(&temp);
    return ok;
}

/* ---- markers ---- */

/* Are there no attributes here, or none more, or none of that size? */
static bool takes_no_attribute(struct sg_webhdfs *w, const struct wh_fault *fault)
{
    if (wh_lacks_attributes(fault)) {
        atomic_store(&w->no_attributes, true);
        return true;
    }
    return strstr(fault->message, "XAttr") != NULL && !wh_is(fault, "AccessControlException") &&
           !wh_is(fault, "FileNotFoundException");
}

static bool has_attribute(struct sg_webhdfs *w, const char *path, struct sg_span receipt, bool *ret,
                          struct sg_error *err)
{
    struct sg_buf text = SG_BUF_INIT;
    bool there, ok = wh_read_attribute(w, path, &text, &there, err);

    if (ok)
        *ret = text.len == receipt.len && memcmp(sg_buf_text(&text), receipt.at, text.len) == 0;
    sg_buf_done(&text);
    return ok;
}

static bool add_hex(struct sg_buf *out, struct sg_span bytes, struct sg_error *err)
{
    static const char digits[] = "0123456789abcdef";
    bool ok = sg_buf_reserve(out, 2 * bytes.len, err);

    for (size_t i = 0; ok && i < bytes.len; i++) {
        unsigned char u = (unsigned char)bytes.at[i];

        ok = sg_buf_addc(out, digits[u >> 4], err) && sg_buf_addc(out, digits[u & 15], err);
    }
    return ok;
}

/* *ret false: there are no attributes to be had for it. */
static bool set_attribute(struct sg_webhdfs *w, const char *path, struct sg_span receipt, bool *ret,
                          struct sg_error *err)
{
    struct sg_buf query = SG_BUF_INIT;
    struct wh_op op = { .method = "PUT", .op = "SETXATTR", .path = path, .mutates = true };
    struct wh_patience patience;
    enum wh_result result = WH_LOST;
    struct wh_fault fault;
    bool ok, set = false, lost = false;

    wh_patience_init(w, &patience);
    op.until = patience.until;
    ok = sg_buf_addf(&query, err, "&flag=CREATE&xattr.name=%s&xattr.value=0x", WH_ATTRIBUTE) &&
         add_hex(&query, receipt, err);
    op.query = sg_buf_text(&query);
    while (ok && !set && result == WH_LOST && (!lost || wh_wait(&patience))) {
        ok = call(w, &op, &result, &fault, err);
        lost = lost || result == WH_LOST;
        if (ok && lost && result != WH_OK) /* "already exists" may speak of the one that was lost */
            ok = has_attribute(w, path, receipt, &set, err);
    }
    set = set || result == WH_OK;
    if (ok && !set &&
        (result == WH_LOST || w->receipts == WH_RECEIPTS_ATTRIBUTE ||
         !takes_no_attribute(w, &fault)))
        ok = wh_fail(w, &op, &fault, err);
    if (ok)
        *ret = set;
    sg_buf_done(&query);
    return ok;
}

/* The marker under a temporary name, whole. ret: NULL, nobody wants to know its status, and then
 * the NameNode is not asked: the name is ours alone. */
static bool prepare_marker(struct sg_webhdfs *w, const char *dir, const char *name,
                           struct sg_span receipt, struct sg_buf *temp, struct wh_status *ret,
                           struct sg_error *err)
{
    bool as_attribute = w->receipts == WH_RECEIPTS_ATTRIBUTE ||
                        (w->receipts == WH_RECEIPTS_AUTO && receipt.len <= ATTRIBUTE_MOST &&
                         !atomic_load(&w->no_attributes));

    if (receipt.len == 0)
        as_attribute = false;
    if (as_attribute) {
        if (!create_temp(w, dir, name, (struct sg_span){ .at = NULL }, temp, err) ||
            !set_attribute(w, sg_buf_text(temp), receipt, &as_attribute, err))
            return false;
        if (!as_attribute)
            forget_file(w, sg_buf_text(temp));
    }
    if (!as_attribute && !create_temp(w, dir, name, receipt, temp, err))
        return false;
    if (ret == NULL)
        return true;
    if (!wh_status(w, sg_buf_text(temp), ret, err))
        return false;
    if (ret->kind != SG_ENTRY_FILE || ret->len != (as_attribute ? 0 : (int64_t)receipt.len))
        return gone_wrong(w, sg_buf_text(temp), err);
    return true;
}

bool wh_store_put_marker(struct sg_store *s, const char *dir, const char *name,
                         struct sg_span receipt, struct sg_entry *ret, struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct sg_buf temp = SG_BUF_INIT, path = SG_BUF_INIT;
    struct wh_status st = { .file_id = 0 };
    bool ok;

    ok = wh_join(&path, dir, "", name, "", err) &&
         prepare_marker(w, dir, name, receipt, &temp, ret != NULL ? &st : NULL, err) &&
         rename_over(w, sg_buf_text(&temp), sg_buf_text(&path), st.file_id, err);
    if (!ok && temp.len != 0)
        forget_file(w, sg_buf_text(&temp));
    if (ok && ret != NULL)
        wh_entry(&st, ret); /* a rename changes nothing of it */
    sg_buf_done(&temp);
    sg_buf_done(&path);
    return ok;
}

bool wh_store_rename_marker(struct sg_store *s, const char *dir, const char *name, const char *to,
                            struct sg_entry *ret, struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct sg_buf from = SG_BUF_INIT, path = SG_BUF_INIT;
    struct wh_status st;
    bool ok;

    ok = wh_join(&from, dir, "", name, "", err) && wh_join(&path, dir, "", to, "", err) &&
         wh_status(w, sg_buf_text(&from), &st, err);
    if (ok && st.kind != SG_ENTRY_FILE)
        ok = sg_error_set(err, SG_ERROR_STORE, 0, "rename %s/%s: it is not there", w->base.root,
                          sg_buf_text(&from));
    ok = ok && rename_over(w, sg_buf_text(&from), sg_buf_text(&path), st.file_id, err);
    if (ok)
        wh_entry(&st, ret);
    sg_buf_done(&from);
    sg_buf_done(&path);
    return ok;
}

/* ".NAME.crc", or ".NAME.NONCE.tmp" */
static bool is_leftover(const char *entry, const char *name)
{
    size_t n = strlen(name), digits;

    if (entry[0] != '.' || strncmp(entry + 1, name, n) != 0 || entry[1 + n] != '.')
        return false;
    entry += n + 2;
    digits = strspn(entry, "0123456789abcdef");
    return strcmp(entry, "crc") == 0 ||
           (digits == NONCE_DIGITS && strcmp(entry + digits, ".tmp") == 0);
}

struct leftovers {
    const char *dir, *name;
    struct sg_buf paths; /* each with its NUL */
    struct sg_error *err;
    bool failed;
};

static bool add_leftover(void *ctx, const struct wh_status *st)
{
    struct leftovers *l = ctx;

    if (is_leftover(st->name.at, l->name))
        l->failed = !sg_buf_addf(&l->paths, l->err, "%s%s%s", l->dir, l->dir[0] != '\0' ? "/" : "",
                                 st->name.at) ||
                    !sg_buf_addc(&l->paths, '\0', l->err);
    return !l->failed;
}

bool wh_store_remove_listed_marker(struct sg_store *s, const char *dir, const char *name,
                                   struct sg_error *err)
{
    struct sg_buf path = SG_BUF_INIT;
    bool was, ok = wh_join(&path, dir, "", name, "", err) &&
                   remove_file(wh_of(s), sg_buf_text(&path), &was, err);

    sg_buf_done(&path);
    return ok;
}

bool wh_store_remove_marker(struct sg_store *s, const char *dir, const char *name,
                            struct sg_error *err)
{
    struct sg_webhdfs *w = wh_of(s);
    struct leftovers l = { .dir = dir, .name = name, .paths = SG_BUF_INIT, .err = err };
    struct sg_buf path = SG_BUF_INIT;
    bool ok, there, was = false;

    /* The marker first: what comes after it is nobody's truth, and without it not looked for. */
    ok = wh_join(&path, dir, "", name, "", err) && remove_file(w, sg_buf_text(&path), &was, err) &&
         (!was || (wh_list(w, dir, add_leftover, &l, &there, err) && !l.failed));
    for (size_t at = 0; ok && at < l.paths.len; at += strlen(l.paths.at + at) + 1)
        ok = remove_file(w, l.paths.at + at, &was, err);
    sg_buf_done(&l.paths);
    sg_buf_done(&path);
    return ok;
}
