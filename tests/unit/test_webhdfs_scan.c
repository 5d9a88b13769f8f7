/* Many markers at once, over a NameNode of these few functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"
#include "stagegraph/files.h"
#include "webhdfs_impl.h"

#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
#define MOST     2500
#define NOW_MS   INT64_C(1700000000000)

/* ---- the NameNode: stands in for webhdfs_read.c */

struct inode {
    char path[80];
    enum sg_entry_kind kind;
    uint64_t id;
    int64_t len, mtime_ms;
};

static struct {
    pthread_mutex_t lock;
    struct inode at[MOST];
    size_t n;
    uint64_t next_id;
    unsigned lists, stats, opens;
    size_t page;           /* entries of an answer at most */
    const char *open;      /* is being written */
    const char *forbidden; /* may not be listed */
    const char *broken;    /* can't be asked about */
} fs = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct inode *find(const char *path)
{
    for (size_t i = 0; i < fs.n; i++)
        if (strcmp(fs.at[i].path, path) == 0)
            return &fs.at[i];
    return NULL;
}

static struct inode *there(const char *path)
{
    struct inode *x = find(path);

    if (x == NULL)
        fail_msg("%s is not there", path);
    return x != NULL ? x : &fs.at[0];
}

static bool is_child(const char *dir, const char *path)
{
    size_t len = strlen(dir);

    if (len != 0 && (strncmp(path, dir, len) != 0 || path[len] != '/'))
        return false;
    path += len != 0 ? len + 1 : 0;
    return path[0] != '\0' && strchr(path, '/') == NULL;
}

static void fill(const struct inode *x, struct wh_status *ret)
{
    *ret = (struct wh_status){
        .kind = x->kind, .file_id = x->id, .len = x->len, .mtime_ms = x->mtime_ms
    };
    for (size_t i = 0; x->kind == SG_ENTRY_DIR && i < fs.n; i++)
        ret->children += is_child(x->path, fs.at[i].path);
}

bool wh_status(struct sg_webhdfs *w, const char *path, struct wh_status *ret, struct sg_error *err)
{
    const struct inode *x;

    (void)w;
    if (fs.broken != NULL && strcmp(path, fs.broken) == 0)
        return sg_error_set(err, SG_ERROR_STORE, 0, "GETFILESTATUS %s: no answer", path);
    pthread_mutex_lock(&fs.lock);
    fs.stats++;
    x = find(path);
    if (x != NULL)
        fill(x, ret);
    else
        *ret = (struct wh_status){ .kind = SG_ENTRY_ABSENT };
    pthread_mutex_unlock(&fs.lock);
    return true;
}

/* The child of dir whose name comes next. */
static const struct inode *next_child(const char *path, const char *after)
{
    const size_t own = path[0] != '\0' ? strlen(path) + 1 : 0;
    const struct inode *next = NULL;

    for (size_t i = 0; i < fs.n; i++)
        if (is_child(path, fs.at[i].path) && strcmp(fs.at[i].path + own, after) > 0 &&
            (next == NULL || strcmp(fs.at[i].path, next->path) < 0))
            next = &fs.at[i];
    return next;
}

bool wh_list_page(struct sg_webhdfs *w, const char *path, const char *after, wh_list_fn *fn,
                  void *ctx, bool *ret_there, bool *ret_more, struct sg_error *err)
{
    const struct inode *dir, *x;
    struct wh_status st;

    (void)w;
    if (fs.forbidden != NULL && strcmp(path, fs.forbidden) == 0)
        return sg_error_set(err, SG_ERROR_STORE, 0, "LISTSTATUS %s: AccessControlException: no",
                            path);
    if (fs.broken != NULL && strcmp(path, fs.broken) == 0)
        return sg_error_set(err, SG_ERROR_STORE, 0, "LISTSTATUS %s: no answer", path);
    pthread_mutex_lock(&fs.lock);
    fs.lists++;
    dir = path[0] != '\0' ? find(path) : &fs.at[0];
    *ret_there = dir != NULL && dir->kind == SG_ENTRY_DIR;
    for (size_t n = 0; *ret_there && n < fs.page && (x = next_child(path, after)) != NULL; n++) {
        fill(x, &st);
        after = x->path + (path[0] != '\0' ? strlen(path) + 1 : 0);
        st.name = sg_span_of(after);
        (void)fn(ctx, &st);
    }
    *ret_more = *ret_there && next_child(path, after) != NULL;
    pthread_mutex_unlock(&fs.lock);
    return true;
}

bool wh_store_stat(struct sg_store *s, const char *path, struct sg_entry *ret, struct sg_error *err)
{
    struct wh_status st;

    if (!wh_status(wh_of(s), path, &st, err))
        return false;
    wh_entry(&st, ret);
    return true;
}

bool wh_store_is_open(struct sg_store *s, const char *path, bool *ret, struct sg_error *err)
{
    (void)s;
    if (fs.broken != NULL && strcmp(path, fs.broken) == 0)
        return sg_error_set(err, SG_ERROR_STORE, 0, "GET_BLOCK_LOCATIONS %s: no answer", path);
    pthread_mutex_lock(&fs.lock);
    fs.opens++;
    *ret = fs.open != NULL && strcmp(path, fs.open) == 0;
    pthread_mutex_unlock(&fs.lock);
    return true;
}

bool wh_store_now(struct sg_store *s, struct sg_wall *ret, struct sg_error *err)
{
    (void)s;
    (void)err;
    ret->ns = NOW_MS * SG_NS_PER_MS;
    return true;
}

/* ---- what changes there */

static struct inode *add(const char *path, enum sg_entry_kind kind, int64_t at_ms)
{
    struct inode *x = find(path), *up;
    const char *slash = strrchr(path, '/');
    char parent[80];

    if (x != NULL)
        return x;
    if (slash != NULL) {
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        up = add(parent, SG_ENTRY_DIR, at_ms);
        up->mtime_ms = at_ms;
    }
    assert_true(fs.n < MOST);
    x = &fs.at[fs.n++];
    *x = (struct inode){ .kind = kind, .id = ++fs.next_id, .mtime_ms = at_ms };
    (void)snprintf(x->path, sizeof(x->path), "%s", path);
    return x;
}

/* Long ago. */
static struct inode *marker(const char *path)
{
    return add(path, SG_ENTRY_FILE, NOW_MS - 100000);
}

static void touch_parent(const char *path, int64_t at_ms)
{
    char parent[80];

    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
    there(parent)->mtime_ms = at_ms;
}

static void replace(const char *path, int64_t at_ms)
{
    struct inode *x = there(path);

    x->id = ++fs.next_id;
    x->mtime_ms = at_ms - 1;
    touch_parent(path, at_ms);
}

static void lose(const char *path, int64_t at_ms)
{
    struct inode *x = there(path);

    touch_parent(path, at_ms);
    *x = fs.at[--fs.n];
}

/* ---- a store */

static struct scratch dir;
static struct sg_webhdfs store;
static char root_text[] = "hdfs://ns/w";

static void open_store(void)
{
    struct sg_error err = SG_ERROR_INIT;

    store = (struct sg_webhdfs){ .base = { .root = root_text, .threads = 4 }, .state = dir.dir };
    OK(wh_scan_open(&store, &err));
}

static void close_store(void)
{
    wh_scan_free(&store);
}

static int set_up(void **state)
{
    (void)state;
    scratch_open(&dir);
    fs.n = 0;
    fs.next_id = 100;
    fs.forbidden = fs.broken = fs.open = NULL;
    fs.page = 1000;
    (void)add("", SG_ENTRY_DIR, NOW_MS - 100000);
    open_store();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close_store();
    scratch_close(&dir);
    return 0;
}

static const char *paths[MOST];
static char texts[MOST][80];
static size_t n_paths;
static struct sg_entry entries[MOST];
static bool receipts[MOST];

static void ask_for(const char *path)
{
    (void)snprintf(texts[n_paths], sizeof(texts[0]), "%s", path);
    paths[n_paths] = texts[n_paths];
    receipts[n_paths] = true;
    n_paths++;
}

/* Two stages of `days` days of 24 hours, and one of days. Not in the order of names. */
static void ask_for_days(unsigned days)
{
    static const char *const stages[] = { "silver", "bronze" };
    char path[80];

    n_paths = 0;
    for (size_t s = 0; s < COUNT(stages); s++)
        for (unsigned d = 1; d <= days; d++)
            for (unsigned h = 24; h-- > 0;) {
                (void)snprintf(path, sizeof(path), "%s/dt=%02u/hr=%02u/_SUCCESS", stages[s], d, h);
                ask_for(path);
            }
    for (unsigned d = 1; d <= days; d++) {
        (void)snprintf(path, sizeof(path), "gold/dt=%02u/_SUCCESS", d);
        ask_for(path);
    }
}

static void make_all(void)
{
    for (size_t i = 0; i < n_paths; i++)
        (void)marker(paths[i]);
}

/* What is said is what is there; how many requests that took. */
static void look(unsigned lists, unsigned stats)
{
    struct sg_error err = SG_ERROR_INIT;

    fs.lists = fs.stats = fs.opens = 0;
    OK(wh_store_stat_many(&store.base, paths, n_paths, entries, &err));
    for (size_t i = 0; i < n_paths; i++) {
        const struct inode *x = find(paths[i]);
        enum sg_entry_kind kind = x != NULL ? x->kind : SG_ENTRY_ABSENT;

        if (entries[i].kind != kind ||
            (kind == SG_ENTRY_FILE &&
             (entries[i].ident.id != x->id || entries[i].ident.len != x->len ||
              entries[i].ident.mtime_ns != x->mtime_ms * SG_NS_PER_MS)))
            fail_msg("%s: kind %d, id %llu", paths[i], (int)entries[i].kind,
                     (unsigned long long)entries[i].ident.id);
    }
    assert_int_equal(fs.lists, lists);
    assert_int_equal(fs.stats, stats);
    wh_store_receipts(&store.base, paths, entries, entries, receipts, n_paths);
}

static void again(unsigned lists, unsigned stats)
{
    close_store();
    open_store();
    look(lists, stats);
}

static void what_did_not_change_costs_a_listing_of_each_parent(void **state)
{
    (void)state;
    ask_for_days(5);
    make_all();
    look(11, 245); /* bronze/dt=…, silver/dt=… and gold */
    again(11, 0);
    again(11, 0);
    ask_for_days(3);
    again(7, 0); /* a part of it */
    ask_for_days(7);
    again(15, 0); /* days that are not there */
}

static void what_changed_is_asked_for(void **state)
{
    (void)state;
    ask_for_days(4);
    make_all();
    look(9, 196);
    replace("bronze/dt=02/hr=03/_SUCCESS", NOW_MS - 50000);
    lose("bronze/dt=02/hr=04/_SUCCESS", NOW_MS - 50000);
    replace("gold/dt=01/_SUCCESS", NOW_MS - 50000);
    (void)add("silver/dt=03/hr=05/part-0", SG_ENTRY_FILE, NOW_MS - 50000);
    again(9, 3); /* what is empty has no marker */
    (void)add("bronze/dt=02/hr=04/part-0", SG_ENTRY_FILE, NOW_MS - 40000);
    again(9, 1);
    again(9, 0); /* that there is none is known too */
    (void)marker("bronze/dt=02/hr=04/_SUCCESS");
    again(9, 1);
    again(9, 0);
    /* A directory that was removed and made again. */
    there("silver/dt=01/hr=01")->id = 7;
    again(9, 1);
}

static void the_number_of_children_tells_where_the_time_does_not(void **state)
{
    (void)state;
    ask_for_days(1);
    make_all();
    (void)add("bronze/dt=01/hr=04/part-0", SG_ENTRY_FILE, NOW_MS - 100000);
    look(2, 49); /* gold has one day: it is not listed */
    lose("bronze/dt=01/hr=04/_SUCCESS", there("bronze/dt=01/hr=04")->mtime_ms);
    again(2, 2);
}

static void a_directory_of_the_last_two_seconds_is_not_believed(void **state)
{
    (void)state;
    ask_for_days(3);
    make_all();
    there("bronze/dt=01/hr=04")->mtime_ms = NOW_MS - 2000;
    there("bronze/dt=01/hr=05")->mtime_ms = NOW_MS - 2001;
    there("bronze/dt=01/hr=06")->mtime_ms = NOW_MS + 5000;
    look(7, 147);
    again(7, 2);
}

/* Closing a file that another tool writes changes it, and nothing else. */
static void a_marker_of_another_tool_is_believed_once_it_is_closed(void **state)
{
    (void)state;
    ask_for_days(3);
    make_all();
    receipts[10] = receipts[11] = receipts[12] = false;
    fs.open = paths[10];
    there(paths[12])->mtime_ms = NOW_MS - 86400001;
    look(7, 147);
    assert_int_equal(fs.opens, 2); /* the third is old */
    again(7, 1);
    assert_int_equal(fs.opens, 1);
    there(paths[10])->len = 5;
    there(paths[10])->mtime_ms = NOW_MS - 1000;
    again(7, 1);
    fs.open = NULL;
    again(7, 1);
    assert_int_equal(fs.opens, 1);
    again(7, 0);
    assert_int_equal(fs.opens, 0);
    assert_int_equal(entries[10].ident.len, 5);
    fs.broken = paths[12]; /* nobody asks about it any more */
    again(7, 0);
}

static void a_marker_that_is_closed_while_it_is_looked_at_is_not_believed(void **state)
{
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    ask_for_days(3);
    make_all();
    receipts[10] = false;
    OK(wh_store_stat_many(&store.base, paths, n_paths, entries, &err));
    there(paths[10])->mtime_ms = NOW_MS - 1;
    wh_store_receipts(&store.base, paths, entries, entries, receipts, n_paths);
    again(7, 1);
    again(7, 0);
    receipts[11] = false; /* where that can't be found out, it is not believed either */
    replace(paths[11], NOW_MS - 50000);
    close_store();
    open_store();
    OK(wh_store_stat_many(&store.base, paths, n_paths, entries, &err));
    fs.broken = paths[11];
    wh_store_receipts(&store.base, paths, entries, entries, receipts, n_paths);
    fs.broken = NULL;
    again(7, 1);
}

static void few_neighbours_are_not_worth_a_listing(void **state)
{
    (void)state;
    n_paths = 0;
    ask_for("a/x/m");
    ask_for("a/y/m");
    ask_for("b/x/m");
    ask_for("top/m");
    ask_for("m");
    make_all();
    look(0, 5);
    ask_for("a/z/m");
    make_all();
    look(1, 6);
    again(1, 3);
    /* Two markers of one directory, and one asked for twice. */
    ask_for("a/z/p");
    ask_for("a/z/m");
    again(1, 4);
}

static void names_are_compared_whole(void **state)
{
    static const char *const names[] = { "a/b/m",   "a/b-c/m", "a/b/c/m",  "a-b/c/m",
                                         "a-b/b/m", "a/bb/m",  "a/b.c/m",  "a-b/cc/m",
                                         "ab/c/m",  "a/c/m",   "a/b/cc/m", "a/b/d/m" };

    (void)state;
    n_paths = 0;
    for (size_t i = 0; i < COUNT(names); i++) {
        ask_for(names[i]);
        if (i % 3 != 0)
            (void)marker(names[i]);
    }
    look(3, 9); /* a, a/b, a-b; ab is asked for, and what is in three directories is not there */
    again(3, 1);
}

static void a_parent_that_may_not_be_listed_is_passed(void **state)
{
    (void)state;
    ask_for_days(2);
    make_all();
    fs.forbidden = "bronze/dt=02";
    look(3, 74 + 24);
    again(3, 26);
}

static void the_first_failure_is_the_scans(void **state)
{
    static const char *const broken[] = { "bronze/dt=02", "bronze/dt=02/hr=03/_SUCCESS" };
    struct sg_error err;

    (void)state;
    ask_for_days(3);
    make_all();
    for (size_t i = 0; i < COUNT(broken); i++) {
        err = (struct sg_error)SG_ERROR_INIT;
        fs.broken = broken[i];
        assert_false(wh_store_stat_many(&store.base, paths, n_paths, entries, &err));
        assert_non_null(strstr(err.text, "no answer"));
    }
}

static void directories_are_told_by_their_parents(void **state)
{
    static const char *const wanted[] = { "in/2", "in/1", "in/3", "in/4", "in/1", "x", "", "in/f" };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_entry got[COUNT(wanted)];

    (void)state;
    (void)marker("in/1/a");
    (void)marker("in/2/a");
    (void)marker("in/3/a");
    (void)marker("in/3/b");
    (void)marker("in/f");
    fs.lists = fs.stats = 0;
    OK(wh_store_stat_dirs(&store.base, wanted, COUNT(wanted), got, &err));
    assert_int_equal(fs.lists, 1);
    assert_int_equal(fs.stats, 2);
    for (size_t i = 0; i < COUNT(wanted); i++) {
        const struct inode *x = find(wanted[i]);

        assert_int_equal(got[i].kind, x != NULL ? x->kind : SG_ENTRY_ABSENT);
        assert_int_equal(got[i].ident.id, x != NULL ? x->id : 0);
    }
    assert_int_equal(got[2].ident.ctime_ns, 2);
    OK(wh_store_stat_dirs(&store.base, wanted, 0, got, &err));
}

/* ---- for who reads what is there */

/* As read_seen() of the store finds it: a receipt whose directory was seen keeps that identity. */
static void find_all(struct sg_entry *found, bool foreign)
{
    for (size_t i = 0; i < n_paths; i++) {
        const struct inode *x = find(paths[i]);

        found[i] = entries[i];
        receipts[i] = !foreign;
        if (entries[i].kind != SG_ENTRY_UNSEEN)
            continue;
        found[i].kind = x != NULL ? SG_ENTRY_FILE : SG_ENTRY_ABSENT;
        if (x != NULL && foreign)
            found[i].ident = (struct sg_ident){ x->id, x->len, x->mtime_ms * SG_NS_PER_MS, 0 };
    }
}

static void look_to_read(unsigned lists, unsigned stats, unsigned unseen, bool foreign)
{
    static struct sg_entry found[MOST];
    struct sg_error err = SG_ERROR_INIT;
    unsigned n = 0;

    close_store();
    open_store();
    fs.lists = fs.stats = fs.opens = 0;
    OK(wh_store_look_many(&store.base, paths, n_paths, entries, &err));
    for (size_t i = 0; i < n_paths; i++)
        n += entries[i].kind == SG_ENTRY_UNSEEN;
    assert_int_equal(fs.lists, lists);
    assert_int_equal(fs.stats, stats);
    assert_int_equal(n, unseen);
    find_all(found, foreign);
    wh_store_receipts(&store.base, paths, entries, found, receipts, n_paths);
}

static void who_reads_is_told_of_directories_and_asks_for_no_status(void **state)
{
    (void)state;
    ask_for_days(4);
    make_all();
    there("bronze/dt=02/hr=07")->mtime_ms = NOW_MS - 1000; /* may change and look the same */
    (void)add("bronze/dt=03/hr=07/part-0", SG_ENTRY_FILE, NOW_MS - 100000);
    lose("bronze/dt=03/hr=07/_SUCCESS", NOW_MS - 100000);
    lose("bronze/dt=03/hr=08/_SUCCESS", NOW_MS - 100000); /* that is empty now */
    look_to_read(9, 1, 4 * 49 - 2, false);
    look_to_read(9, 1, 0, false);
    for (size_t i = 0; i < n_paths; i++) {
        const struct inode *x = find(paths[i]);

        assert_int_equal(entries[i].kind, x != NULL ? SG_ENTRY_FILE : SG_ENTRY_ABSENT);
        if (x != NULL && strcmp(paths[i], "bronze/dt=02/hr=07/_SUCCESS") != 0)
            assert_true(wh_is_by_dir(&entries[i].ident));
    }
    replace("gold/dt=01/_SUCCESS", NOW_MS - 50000);
    look_to_read(9, 1, 1, false);
    there("bronze/dt=02/hr=07")->mtime_ms = NOW_MS - 100000;
    look_to_read(9, 0, 1, false);
    /* Who compares times is told them, and then they are known. */
    again(9, 4 * 49 - 2);
    again(9, 0);
    look_to_read(9, 0, 0, false);
}

static void a_foreign_marker_is_known_by_itself(void **state)
{
    (void)state;
    ask_for_days(3);
    make_all();
    there(paths[5])->mtime_ms = NOW_MS - 86400001; /* old enough to be closed */
    fs.open = paths[6];
    look_to_read(7, 0, 147, true);
    assert_int_equal(fs.opens, 146);
    fs.open = NULL;
    look_to_read(7, 0, 1, true);
    assert_int_equal(fs.opens, 1);
    again(7, 0);
}

/* ---- pages */

static void a_long_listing_is_read_in_pages_from_the_first_to_the_last(void **state)
{
    char path[80];

    (void)state;
    n_paths = 0;
    for (unsigned i = 1000; i < 1900; i++) {
        (void)snprintf(path, sizeof(path), "flat/dt=%u/m", i);
        ask_for(path);
        (void)marker(path);
    }
    fs.page = 50;
    look(18, 900);
    again(18, 0);
    /* A few of them: from about there. */
    n_paths = 0;
    for (unsigned i = 1500; i < 1504; i++) {
        (void)snprintf(path, sizeof(path), "flat/dt=%u/m", i);
        ask_for(path);
    }
    again(1, 0);
    /* The first and the last: more pages than statuses. */
    ask_for("flat/dt=1000/m");
    ask_for("flat/dt=1899/m");
    again(6, 6);
}

static void one_parent_in_pieces_is_one_parent(void **state)
{
    char path[80];

    (void)state;
    n_paths = 0;
    for (unsigned i = 0; i < 950; i++) {
        (void)snprintf(path, sizeof(path), "flat/dt=%04u/m", i);
        ask_for(path);
        if (i % 2 == 0)
            (void)marker(path);
    }
    look(2, 475);
    again(2, 0);
}

static void names_beyond_ascii_are_found_in_any_order_of_the_server(void **state)
{
    (void)state;
    n_paths = 0;
    ask_for("x/\xc3\xa4/m");
    ask_for("x/\xc3\xb6/m");
    ask_for("x/a/m");
    ask_for("x/z/m");
    make_all();
    fs.page = 2;
    look(2, 4);
    again(2, 0);
}

/* ---- the file */

static const char *cache_path(void)
{
    static char path[600];
    char name[SG_HASH64_TEXT];

    sg_hash64_format(sg_hash64_of(root_text, strlen(root_text)), name);
    (void)snprintf(path, sizeof(path), "%s/dirs-%s", dir.dir, name);
    return path;
}

static void nothing_is_written_where_nothing_is_new(void **state)
{
    (void)state;
    ask_for_days(2);
    make_all();
    close_store();
    assert_int_equal(access(cache_path(), F_OK), -1);
    open_store();
    look(4, 98);
    close_store();
    assert_int_equal(unlink(cache_path()), 0);
    assert_int_equal(scratch_count(&dir, "", "dirs-"), 0); /* no temporary file */
    open_store();
    look(4, 98);
    again(4, 2);
    assert_int_equal(unlink(cache_path()), 0);
    again(4, 98);
}

static void without_a_state_directory_nothing_is_kept(void **state)
{
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    ask_for_days(2);
    make_all();
    for (int i = 0; i < 4; i++) {
        close_store();
        store.state = i < 2 ? NULL : scratch_path(&dir, "no/such");
        OK(wh_scan_open(&store, &err));
        receipts[7] = false;
        look(4, 98);
        assert_int_equal(fs.opens, 0); /* for nothing */
    }
}

static void records_of_directories_that_are_gone_are_dropped(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf before = SG_BUF_INIT, after = SG_BUF_INIT;
    bool found;

    (void)state;
    ask_for_days(2);
    make_all();
    look(4, 98);
    close_store();
    OK(sg_files_read(cache_path(), &before, &found, &err));
    lose("bronze/dt=01/hr=03/_SUCCESS", NOW_MS - 50000);
    lose("bronze/dt=01/hr=03", NOW_MS - 50000);
    replace("bronze/dt=02/hr=03/_SUCCESS", NOW_MS - 50000);
    open_store();
    look(4, 3);
    close_store();
    OK(sg_files_read(cache_path(), &after, &found, &err));
    assert_int_equal(after.len, before.len - 72);
    open_store();
    look(4, 2);
    sg_buf_done(&before);
    sg_buf_done(&after);
}

static void a_damaged_file_changes_no_answer(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf good = SG_BUF_INIT;
    bool found;

    (void)state;
    ask_for_days(3);
    make_all();
    look(7, 147);
    close_store();
    OK(sg_files_read(cache_path(), &good, &found, &err));
    assert_int_equal(good.len, 64 + 147 * 72 + 7 * 40);
    open_store();
    for (size_t at = 0; at < good.len; at += at < 64 ? 1 : 101) {
        close_store();
        good.at[at] ^= 4;
        OK(sg_files_write(cache_path(), sg_buf_span(&good), &err));
        good.at[at] ^= 4;
        open_store();
        OK(wh_store_stat_many(&store.base, paths, n_paths, entries, &err));
        for (size_t i = 0; i < n_paths; i++)
            assert_int_equal(entries[i].ident.id, there(paths[i])->id);
        close_store();
        OK(sg_files_write(cache_path(), (struct sg_span){ good.at, at }, &err));
        open_store();
        look(7, 147);
    }
    sg_buf_done(&good);
}

static void two_who_write_at_once_leave_a_whole_file(void **state)
{
    struct sg_webhdfs other;

    (void)state;
    ask_for_days(2);
    make_all();
    look(4, 98);
    other = store;
    open_store();
    ask_for_days(3);
    make_all();
    look(7, 147);
    wh_scan_free(&other);
    again(7, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_did_not_change_costs_a_listing_of_each_parent),
        TEST(what_changed_is_asked_for),
        TEST(the_number_of_children_tells_where_the_time_does_not),
        TEST(a_directory_of_the_last_two_seconds_is_not_believed),
        TEST(a_marker_of_another_tool_is_believed_once_it_is_closed),
        TEST(a_marker_that_is_closed_while_it_is_looked_at_is_not_believed),
        TEST(few_neighbours_are_not_worth_a_listing),
        TEST(names_are_compared_whole),
        TEST(a_parent_that_may_not_be_listed_is_passed),
        TEST(the_first_failure_is_the_scans),
        TEST(directories_are_told_by_their_parents),
        TEST(who_reads_is_told_of_directories_and_asks_for_no_status),
        TEST(a_foreign_marker_is_known_by_itself),
        TEST(a_long_listing_is_read_in_pages_from_the_first_to_the_last),
        TEST(one_parent_in_pieces_is_one_parent),
        TEST(names_beyond_ascii_are_found_in_any_order_of_the_server),
        TEST(nothing_is_written_where_nothing_is_new),
        TEST(without_a_state_directory_nothing_is_kept),
        TEST(records_of_directories_that_are_gone_are_dropped),
        TEST(a_damaged_file_changes_no_answer),
        TEST(two_who_write_at_once_leave_a_whole_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
