/* A plan with the cache of markers is the plan without it, whatever became of the cache. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/files.h"

#include "../../src/store/store_impl.h"
#include "world.h"

#define HOURS 140u
#define TWO_STAGES                                                                                 \
    HEAD "[stage bronze]\ncommand = b ${output}\noutput = bronze/${ds}/${HH}\n"                    \
         "[stage silver]\nneeds = bronze\ncommand = s ${output}\noutput = silver/${ds}/${HH}\n"

/* The store's clock is a day ahead, so that markers are old, and reads of markers are counted. */
static struct sg_store_ops ops;
static const struct sg_store_ops *system_ops;
static atomic_uint n_read;

static bool tomorrow(struct sg_store *s, struct sg_wall *ret, struct sg_error *err)
{
    if (!system_ops->now(s, ret, err))
        return false;
    ret->ns += 86400 * SG_NS_PER_S;
    return true;
}

static bool count_read(struct sg_store *s, const char *dir, const char *name, size_t limit,
                       struct sg_buf *out, struct sg_entry *ret, struct sg_error *err)
{
    atomic_fetch_add(&n_read, 1);
    return system_ops->read_marker(s, dir, name, limit, out, ret, err);
}

static void open_world(struct world *w)
{
    world_open(w, TWO_STAGES);
    system_ops = w->store->ops;
    ops = *system_ops;
    ops.now = tomorrow;
    ops.read_marker = count_read;
    w->store->ops = &ops;
    world_at(w, "2024-01-06T20:00:00Z"); /* 140 hours */
    world_build_all(w);
}

static void add_notice(void *ctx, const char *text)
{
    struct sg_error err = SG_ERROR_INIT;

    assert_true(sg_buf_addf(ctx, &err, "%s\n", text));
}

/* All that a plan says, as text to be freed; *ret_read: how many markers were read for it. */
static char *plan_text(struct world *w, unsigned *ret_read)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf text = SG_BUF_INIT;

    atomic_store(&n_read, 0);
    world_plan(w);
    *ret_read = atomic_load(&n_read);
    for (uint32_t i = 0; i < sg_plan_nodes(w->plan); i++) {
        struct sg_node_view v;
        char name[SG_NODE_TEXT];

        sg_plan_node(w->plan, (struct sg_node_id){ i }, &v);
        sg_node_format(v.stage, v.index, name);
        assert_true(sg_buf_addf(&text, &err, "%s %d %d %d %x %s\n", name, v.asked, (int)v.verdict,
                                (int)v.reason, v.reasons, v.detail));
    }
    sg_plan_notices(w->plan, add_notice, &text);
    return sg_buf_move(&text);
}

/* Plans with the state directory away. */
static char *plan_without(struct world *w)
{
    char state[300], away[310];
    unsigned n;
    char *text;

    (void)snprintf(state, sizeof(state), "%s", w->graph->state);
    (void)snprintf(away, sizeof(away), "%s.away", state);
    assert_int_equal(rename(state, away), 0);
    text = plan_text(w, &n);
    assert_int_not_equal(n, 0);
    assert_int_equal(rename(away, state), 0);
    return text;
}

/* With the cache as it is now, and then once more, the plan is what it is without. */
static void assert_same(struct world *w)
{
    char *without = plan_without(w);

    for (int i = 0; i < 2; i++) {
        unsigned n;
        char *with = plan_text(w, &n);

        assert_string_equal(with, without);
        free(with);
    }
    free(without);
}

static void make_state(const struct world *w)
{
    struct sg_error err = SG_ERROR_INIT;

    assert_true(sg_files_make_dir(w->graph->state, &err));
}

static const char *cache_path(const struct world *w)
{
    static char path[600];
    DIR *d = opendir(w->graph->state);
    const struct dirent *e;

    assert_non_null(d);
    path[0] = '\0';
    while ((e = readdir(d)) != NULL)
        if (strncmp(e->d_name, "cache-", 6) == 0)
            (void)snprintf(path, sizeof(path), "%s/%s", w->graph->state, e->d_name);
    closedir(d);
    return path[0] != '\0' ? path : NULL;
}

static unsigned reads(struct world *w)
{
    unsigned n;

    free(plan_text(w, &n));
    return n;
}

static void a_marker_is_read_once(void **state)
{
    struct world w;

    (void)state;
    open_world(&w);
    assert_int_equal(reads(&w), 2 * HOURS);
    assert_int_equal(reads(&w), 2 * HOURS);
    assert_int_equal(access(w.graph->state, F_OK), -1); /* planning makes no state directory */
    make_state(&w);
    assert_int_equal(reads(&w), 2 * HOURS);
    assert_int_equal(reads(&w), 0);
    assert_int_equal(sg_plan_nodes(w.plan), 2 * HOURS);
    world_assert_counts(&w, 0, 2 * HOURS, 0, 0, 0);
    world_range(&w, "2024-01-02T00:00:00Z", "2024-01-03T00:00:00Z");
    assert_int_equal(reads(&w), 0); /* a part of it too */
    assert_int_equal(unlink(cache_path(&w)), 0);
    assert_int_equal(reads(&w), 48);
    assert_null(cache_path(&w)); /* too few to keep */
    world_close(&w);
}

static void what_changed_is_seen(void **state)
{
    struct world w;
    char *text;
    unsigned n;

    (void)state;
    open_world(&w);
    make_state(&w);
    (void)reads(&w);
    /* another receipt, made by another run */
    world_build_as(&w, "bronze@2024-01-02T03", "other rows");
    assert_int_equal(reads(&w), 2); /* its marker; and silver's, to name what changed */
    assert_says(&w, "bronze@2024-01-02T03", "fresh");
    assert_says(&w, "silver@2024-01-02T03", "run input bronze");
    assert_same(&w);
    /* gone, foreign, damaged, and one node's put in the place of another's */
    world_lose(&w, "bronze@2024-01-03T03");
    world_marker(&w, "silver@2024-01-03T04", "");
    world_marker(&w, "silver@2024-01-03T05", "{");
    text = scratch_read(&w.scratch, "store/bronze/2024-01-03/06/_SUCCESS", NULL);
    assert_non_null(text);
    world_marker(&w, "bronze@2024-01-03T07", text);
    free(text);
    assert_int_equal(rename(scratch_path(&w.scratch, "store/silver/2024-01-03/08"),
                            scratch_path(&w.scratch, "store/silver/2024-01-03/away")),
                     0);
    assert_int_equal(rename(scratch_path(&w.scratch, "store/silver/2024-01-03/09"),
                            scratch_path(&w.scratch, "store/silver/2024-01-03/08")),
                     0);
    assert_int_equal(rename(scratch_path(&w.scratch, "store/silver/2024-01-03/away"),
                            scratch_path(&w.scratch, "store/silver/2024-01-03/09")),
                     0);
    free(plan_text(&w, &n));
    assert_says(&w, "bronze@2024-01-03T03", "run missing");
    assert_says(&w, "silver@2024-01-03T05", "run damaged");
    assert_says(&w, "bronze@2024-01-03T07", "run damaged");
    assert_says(&w, "silver@2024-01-03T08", "run damaged");
    assert_says(&w, "silver@2024-01-03T09", "run damaged");
    assert_same(&w);
    world_close(&w);
}

/* The same length and mtime; only the ctime tells. */
static void a_change_that_hides_is_seen(void **state)
{
    const char *path = "store/bronze/2024-01-02/03/_SUCCESS";
    struct stat before, after;
    struct timespec times[2];
    struct world w;
    char *text;
    int fd;

    (void)state;
    open_world(&w);
    make_state(&w);
    (void)reads(&w);
    assert_int_equal(stat(scratch_path(&w.scratch, path), &before), 0);
    text = scratch_read(&w.scratch, path, NULL);
    assert_non_null(text);
    text[30] ^= 1;
    fd = open(scratch_path(&w.scratch, path), O_WRONLY);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    times[0] = times[1] = before.st_mtim;
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
    free(text);
    assert_int_equal(stat(scratch_path(&w.scratch, path), &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    assert_int_equal(after.st_ino, before.st_ino);
    (void)reads(&w);
    assert_says(&w, "bronze@2024-01-02T03", "run damaged");
    assert_same(&w);
    world_close(&w);
}

static int64_t marker_time_ns;

static bool a_second_later(struct sg_store *s, struct sg_wall *ret, struct sg_error *err)
{
    (void)s;
    (void)err;
    ret->ns = marker_time_ns + SG_NS_PER_S;
    return true;
}

static void young_markers_are_not_kept(void **state)
{
    const char *path = "store/bronze/2024-01-02/03/_SUCCESS";
    struct world w;
    struct stat st;

    (void)state;
    open_world(&w);
    make_state(&w);
    assert_int_equal(utimensat(AT_FDCWD, scratch_path(&w.scratch, path), NULL, 0), 0);
    assert_int_equal(stat(scratch_path(&w.scratch, path), &st), 0);
    marker_time_ns = st.st_mtim.tv_sec * SG_NS_PER_S + st.st_mtim.tv_nsec;
    ops.now = a_second_later;
    (void)reads(&w);
    ops.now = tomorrow;
    assert_true(reads(&w) >= 1);
    world_close(&w);
}

/* A source whose old partitions somebody deletes, as is usual. */
#define KEPT 320u

static void open_kept(struct world *w)
{
    world_open(w, HEAD LANDING BRONZE SILVER);
    system_ops = w->store->ops;
    ops = *system_ops;
    ops.now = tomorrow;
    ops.read_marker = count_read;
    w->store->ops = &ops;
    world_at(w, "2024-01-14T08:00:00Z"); /* 320 hours */
    for (unsigned i = 0; i < KEPT; i++) {
        char node[40];

        (void)snprintf(node, sizeof(node), "landing@2024-01-%02uT%02u", 1 + i / 24, i % 24);
        world_source(w, node, node);
    }
    world_build_all(w);
    make_state(w);
}

static void receipts_on_inputs_that_are_gone_are_read_once(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct world w;

    (void)state;
    open_kept(&w);
    assert_int_equal(reads(&w), 2 * KEPT);
    assert_int_equal(reads(&w), 0);
    assert_true(sg_store_remove_tree(w.store, "landing", &err));
    assert_int_equal(reads(&w), KEPT);
    world_assert_notice(&w, "320 nodes of bronze stand on inputs that are gone");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(reads(&w), 0);
        world_assert_counts(&w, 0, 2 * KEPT, 0, 0, 0);
        world_assert_notice(&w, "320 nodes of bronze stand on inputs that are gone");
    }
    assert_same(&w);
    /* of those that came back only one as it was */
    world_source(&w, "landing@2024-01-05T05", "landing@2024-01-05T05");
    world_source(&w, "landing@2024-01-05T06", "other rows");
    assert_int_equal(reads(&w), 2);
    assert_says(&w, "bronze@2024-01-05T04", "fresh");
    assert_says(&w, "bronze@2024-01-05T05", "fresh");
    assert_says(&w, "bronze@2024-01-05T06", "run input landing");
    world_assert_notice(&w, "318 nodes of bronze stand on inputs that are gone");
    assert_same(&w);
    world_close(&w);
}

/* What will be made again is absent as well, but not gone. */
static void an_input_that_is_being_made_is_not_gone(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct world w;

    (void)state;
    open_kept(&w);
    (void)reads(&w);
    w.request.stale &= ~(1u << SG_REASON_MISSING); /* bronze is debt, and silver stays */
    assert_true(sg_store_remove_tree(w.store, "bronze", &err));
    assert_int_equal(reads(&w), KEPT);
    assert_int_equal(reads(&w), 0);
    world_assert_notice(&w, "320 nodes of silver stand on inputs that are gone");
    world_assert_counts(&w, 0, KEPT, 0, 0, KEPT);
    w.request.stale = SG_REASONS_ALL;
    assert_int_equal(reads(&w), KEPT);
    world_assert_counts(&w, 2 * KEPT, 0, 0, 0, 0);
    world_assert_no_notices(&w);
    assert_same(&w);
    world_close(&w);
}

/* With a hundred inputs; what the decision read. */
static unsigned reads_to_decide(struct world *w, const char *node, struct sg_decision *ret)
{
    if (w->plan == NULL)
        world_plan(w);
    atomic_store(&n_read, 0);
    world_decide(w, node, (struct sg_decide_ask){ .forced = false }, ret);
    return atomic_load(&n_read);
}

static void a_decision_on_many_inputs_reads_what_the_cache_does_not_know(void **state)
{
    static const char graph[] =
        HEAD "[stage bronze]\ncommand = b ${output}\noutput = bronze/${ds}/${HH}\n"
             "[stage silver]\nneeds = bronze@-99..0\ncommand = s\noutput = silver/${ds}/${HH}\n";
    struct sg_decision before, after;
    struct world w;

    (void)state;
    open_world(&w);
    world_graph(&w, graph);
    assert_int_equal(reads_to_decide(&w, "silver@2024-01-06T19", &before), 100 + 2);
    make_state(&w);
    (void)reads(&w);
    assert_int_equal(reads_to_decide(&w, "silver@2024-01-06T19", &after), 2); /* its own marker */
    assert_true(sg_hash128_is(before.stamp, after.stamp));
    assert_int_equal(after.what, SG_DECIDE_RUN);
    assert_int_equal(after.own.kind, SG_MARKER_DONE);
    assert_true(sg_hash128_is(before.own.stamp, after.own.stamp));
    world_build_as(&w, "bronze@2024-01-05T05", "other rows");
    assert_int_equal(reads_to_decide(&w, "silver@2024-01-06T19", &after), 3);
    assert_false(sg_hash128_is(before.stamp, after.stamp));
    assert_int_equal(scratch_count(&w.scratch, ".stagegraph", ""), 1); /* nothing is written */
    world_close(&w);
}

static void a_damaged_cache_changes_nothing(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf good = SG_BUF_INIT;
    char path[600], *without;
    struct world w;
    bool found;

    (void)state;
    open_world(&w);
    make_state(&w);
    world_marker(&w, "bronze@2024-01-03T04", "");
    world_build_as(&w, "bronze@2024-01-02T03", "other rows");
    world_lose(&w, "silver@2024-01-03T05");
    (void)reads(&w);
    without = plan_without(&w);
    (void)snprintf(path, sizeof(path), "%s", cache_path(&w));
    assert_true(sg_files_read(path, &good, &found, &err) && found);
    assert_int_equal(good.len, 7 * 4096 + 2 * 48 + 2 * 64);
    for (size_t at = 0; at < good.len; at += 397) {
        struct sg_span cut = { good.at, at };
        unsigned n;
        char *with;

        good.at[at] ^= 4;
        assert_true(sg_files_write(path, sg_buf_span(&good), &err));
        good.at[at] ^= 4;
        with = plan_text(&w, &n);
        assert_string_equal(with, without);
        free(with);
        assert_true(sg_files_write(path, cut, &err));
        with = plan_text(&w, &n);
        assert_string_equal(with, without);
        free(with);
    }
    sg_buf_done(&good);
    free(without);
    world_close(&w);
}

/* ---- a store where files are written once, and where looking costs requests */

#define LOADS 40u

static atomic_uint n_listed, n_looked;

static bool count_list(struct sg_store *s, const char *dir, sg_store_list_fn *fn, void *ctx,
                       struct sg_error *err)
{
    atomic_fetch_add(&n_listed, strncmp(dir, "landing", 7) == 0);
    return system_ops->list(s, dir, fn, ctx, err);
}

static bool count_stat(struct sg_store *s, const char *path, struct sg_entry *ret,
                       struct sg_error *err)
{
    atomic_fetch_add(&n_looked, strncmp(path, "landing", 7) == 0);
    return system_ops->stat(s, path, ret, err);
}

static unsigned listings(struct world *w)
{
    atomic_store(&n_listed, 0);
    atomic_store(&n_looked, 0);
    world_plan(w);
    assert_int_equal(n_looked, 0);
    return atomic_load(&n_listed);
}

static void open_remote(struct world *w, const char *graph)
{
    char node[40];

    world_open(w, graph);
    system_ops = w->store->ops;
    ops = *system_ops;
    ops.now = tomorrow;
    ops.list = count_list;
    ops.stat = count_stat;
    w->store->ops = &ops;
    w->store->write_once = true;
    w->store->threads = 3;
    world_at(w, "2024-01-02T16:00:00Z"); /* 40 hours */
    for (unsigned i = 0; i < LOADS; i++) {
        (void)snprintf(node, sizeof(node), "landing@2024-01-%02uT%02u", 1 + i / 24, i % 24);
        world_source(w, node, "rows");
    }
    world_build_all(w);
    make_state(w);
}

static void a_source_in_the_directory_that_it_was_is_not_listed(void **state)
{
    struct world w;

    (void)state;
    open_remote(&w, HEAD LANDING BRONZE);
    assert_int_equal(listings(&w), LOADS);
    assert_int_equal(listings(&w), 0);
    world_assert_counts(&w, 0, LOADS, 0, 0, 0);
    scratch_write(&w.scratch, "store/landing/2024-01-01/03/more", "more");
    assert_int_equal(listings(&w), 1);
    assert_says(&w, "bronze@2024-01-01T03", "run input landing");
    assert_int_equal(listings(&w), 0);
    assert_says(&w, "bronze@2024-01-01T03", "run input landing");
    world_lose(&w, "landing@2024-01-01T05");
    assert_int_equal(listings(&w), 0);
    assert_says(&w, "bronze@2024-01-01T05", "fresh"); /* it is as it was read */
    world_close(&w);
}

static void a_source_that_its_directory_does_not_tell_is_listed_each_time(void **state)
{
    struct world w;

    (void)state;
    open_remote(&w, HEAD LANDING BRONZE);
    scratch_write(&w.scratch, "store/landing/2024-01-01/03/part/x", "x"); /* nested */
    scratch_age(&w.scratch, "store/landing/2024-01-01/04/data", -90000);  /* of the future */
    scratch_age(&w.scratch, "store/landing/2024-01-01/05/_DONE", -90000);
    assert_int_equal(listings(&w), LOADS);
    assert_int_equal(listings(&w), 3);
    assert_says(&w, "bronze@2024-01-01T03", "run input landing");
    scratch_write(&w.scratch, "store/landing/2024-01-01/03/part/x", "longer");
    scratch_write(&w.scratch, "store/landing/2024-01-01/04/data", "longer");
    assert_int_equal(listings(&w), 3);
    assert_says(&w, "bronze@2024-01-01T04", "run input landing");
    world_close(&w);
}

static void another_rule_for_a_source_takes_its_version_anew(void **state)
{
    static const char by_marker[] = HEAD LANDING "identity = marker\n" BRONZE;
    struct world w;

    (void)state;
    open_remote(&w, HEAD LANDING BRONZE);
    assert_int_equal(listings(&w), LOADS);
    world_graph(&w, by_marker);
    assert_int_equal(listings(&w), LOADS);
    assert_int_equal(listings(&w), 0);
    world_graph(&w, HEAD LANDING BRONZE);
    assert_int_equal(listings(&w), LOADS);
    world_close(&w);
}

static void few_markers_are_kept_where_they_are_dear(void **state)
{
    struct world w;

    (void)state;
    open_remote(&w, HEAD LANDING BRONZE);
    ops.read_marker = count_read;
    assert_int_equal(reads(&w), LOADS);
    assert_int_equal(reads(&w), 0);
    world_build_as(&w, "bronze@2024-01-01T03", "other");
    assert_int_equal(reads(&w), 1);
    assert_int_equal(reads(&w), 0);
    world_close(&w);
}

static atomic_uint n_seen;

static bool read_seen(struct sg_store *s, const char *dir, const char *name,
                      const struct sg_entry *seen, size_t limit, struct sg_buf *out,
                      struct sg_entry *ret, struct sg_error *err)
{
    bool ok = system_ops->read_marker(s, dir, name, limit, out, ret, err);

    assert_true(ok && seen->kind == SG_ENTRY_FILE && seen->ident.id == ret->ident.id);
    atomic_fetch_add(&n_seen, 1);
    return ok;
}

static void what_was_seen_is_handed_to_whoever_reads_it(void **state)
{
    struct world w;

    (void)state;
    open_remote(&w, HEAD LANDING BRONZE);
    ops.read_seen = read_seen;
    ops.read_marker = count_read;
    world_lose(&w, "bronze@2024-01-01T05");
    atomic_store(&n_seen, 0);
    assert_int_equal(reads(&w), 0);
    assert_int_equal(n_seen, LOADS - 1);
    world_close(&w);
}

static const char *told[4 * LOADS];
static size_t n_told;

static void keep_receipts(struct sg_store *s, const char *const *paths, const struct sg_entry *seen,
                          const struct sg_entry *found, const bool *receipts, size_t n)
{
    (void)s;
    n_told = 0;
    for (size_t i = 0; i < n; i++)
        if (receipts[i]) {
            assert_int_equal(seen[i].kind, SG_ENTRY_FILE);
            assert_int_equal(found[i].kind, SG_ENTRY_FILE);
            assert_memory_equal(&found[i].ident, &seen[i].ident, sizeof(seen[i].ident));
            told[n_told++] = paths[i];
        }
}

static void the_store_is_told_which_markers_are_receipts(void **state)
{
    struct world w;

    (void)state;
    open_remote(&w, HEAD LANDING BRONZE);
    ops.receipts = keep_receipts;
    world_marker(&w, "bronze@2024-01-01T03", "");
    world_marker(&w, "bronze@2024-01-01T04", "{");
    world_lose(&w, "bronze@2024-01-01T05");
    for (int i = 0; i < 2; i++) { /* what the cache knows is told as well */
        world_plan(&w);
        assert_int_equal(n_told, LOADS - 3);
    }
    world_close(&w);
}

/* ---- markers told by their directories: as on HDFS, where a file's ctime is 0 */

static atomic_uint n_stats;

static bool stat_exact(struct sg_store *s, const char *const *paths, size_t n, struct sg_entry *ret,
                       struct sg_error *err)
{
    if (!system_ops->stat_many(s, paths, n, ret, err))
        return false;
    for (size_t i = 0; i < n; i++)
        ret[i].ident.ctime_ns = 0;
    atomic_fetch_add(&n_stats, (unsigned)n);
    return true;
}

static bool look_by_dir(struct sg_store *s, const char *const *paths, size_t n,
                        struct sg_entry *ret, struct sg_error *err)
{
    char dir[300];

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(paths[i], '/') - paths[i]),
                       paths[i]);
        if (!system_ops->stat(s, dir, &ret[i], err))
            return false;
        if (ret[i].kind != SG_ENTRY_DIR)
            continue;
        ret[i].kind = SG_ENTRY_UNSEEN;
        ret[i].ident.ctime_ns = 1;
    }
    return true;
}

static bool read_by_dir(struct sg_store *s, const char *dir, const char *name,
                        const struct sg_entry *seen, size_t limit, struct sg_buf *out,
                        struct sg_entry *ret, struct sg_error *err)
{
    const size_t before = out->len;
    bool ok = system_ops->read_marker(s, dir, name, limit, out, ret, err);

    atomic_fetch_add(&n_seen, 1);
    if (ok && ret->kind == SG_ENTRY_FILE)
        ret->ident.ctime_ns = 0;
    if (ok && ret->kind == SG_ENTRY_FILE && out->len != before)
        ret->ident = seen->ident;
    return ok;
}

static unsigned seen_by(struct world *w)
{
    atomic_store(&n_seen, 0);
    atomic_store(&n_stats, 0);
    world_plan(w);
    return atomic_load(&n_seen);
}

static void a_foreign_marker_is_compared_by_its_inputs_own_times(void **state)
{
    struct world w;

    (void)state;
    open_remote(&w, HEAD LANDING BRONZE SILVER);
    ops.stat_many = stat_exact;
    ops.stat_dirs = system_ops->stat_many;
    ops.look_many = look_by_dir;
    ops.read_seen = read_by_dir;
    world_marker(&w, "silver@2024-01-01T03", "");
    world_touch(&w, "silver@2024-01-01T03", "2024-01-02T10:00:00Z");
    world_touch(&w, "bronze@2024-01-01T03", "2024-01-02T09:00:00Z");
    assert_int_equal(seen_by(&w), 2 * LOADS);
    assert_int_equal(n_stats, 1); /* of the one input that its directory leaves open */
    assert_says(&w, "silver@2024-01-01T03", "fresh");
    world_assert_counts(&w, 0, 2 * LOADS, 0, 0, 0);
    world_touch(&w, "bronze@2024-01-01T03", "2024-01-02T11:00:00Z");
    assert_int_equal(seen_by(&w), 1); /* what is foreign is not known by its directory */
    assert_says(&w, "silver@2024-01-01T03", "run input bronze");
    world_close(&w);
}

static void receipts_whose_inputs_changed_are_read_again_once_each(void **state)
{
    struct world w;
    char path[80];

    (void)state;
    open_remote(&w, HEAD LANDING BRONZE SILVER);
    ops.stat_many = stat_exact;
    ops.stat_dirs = system_ops->stat_many;
    ops.look_many = look_by_dir;
    ops.read_seen = read_by_dir;
    assert_int_equal(seen_by(&w), 2 * LOADS);
    assert_int_equal(seen_by(&w), 0);
    world_lose(&w, "landing@2024-01-01T07"); /* gone */
    for (int h = 0; h < 20; h++) {
        (void)snprintf(path, sizeof(path), "store/landing/2024-01-01/%02d/more", h);
        if (h != 7)
            scratch_write(&w.scratch, path, "more");
    }
    assert_int_equal(seen_by(&w), 20);
    assert_says(&w, "bronze@2024-01-01T05", "run input landing");
    assert_says(&w, "bronze@2024-01-01T07", "fresh");
    world_assert_notice(&w, "landing: 1 node of bronze stands on inputs that are gone");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_marker_is_read_once),
        cmocka_unit_test(what_changed_is_seen),
        cmocka_unit_test(a_change_that_hides_is_seen),
        cmocka_unit_test(young_markers_are_not_kept),
        cmocka_unit_test(receipts_on_inputs_that_are_gone_are_read_once),
        cmocka_unit_test(an_input_that_is_being_made_is_not_gone),
        cmocka_unit_test(a_decision_on_many_inputs_reads_what_the_cache_does_not_know),
        cmocka_unit_test(a_damaged_cache_changes_nothing),
        cmocka_unit_test(a_source_in_the_directory_that_it_was_is_not_listed),
        cmocka_unit_test(a_source_that_its_directory_does_not_tell_is_listed_each_time),
        cmocka_unit_test(another_rule_for_a_source_takes_its_version_anew),
        cmocka_unit_test(few_markers_are_kept_where_they_are_dear),
        cmocka_unit_test(what_was_seen_is_handed_to_whoever_reads_it),
        cmocka_unit_test(the_store_is_told_which_markers_are_receipts),
        cmocka_unit_test(a_foreign_marker_is_compared_by_its_inputs_own_times),
        cmocka_unit_test(receipts_whose_inputs_changed_are_read_again_once_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
