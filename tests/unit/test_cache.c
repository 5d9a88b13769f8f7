/* The cache of markers: what is found again, and that damage is never more than "not known". */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/cache.h"
#include "stagegraph/files.h"

#include "scratch.h"

#define ROOT  "/data/flights"
#define GRAPH "flights"

static const struct sg_calendar hours = { .unit = SG_UNIT_HOUR };
static const struct sg_calendar days = { .unit = SG_UNIT_DAY };
static const struct sg_wall seen = { INT64_C(1700000000) * SG_NS_PER_S };

static struct scratch dir;
static char *file; /* the cache's */

static int set_up(void **state)
{
    char name[SG_HASH64_TEXT];

    (void)state;
    scratch_open(&dir);
    scratch_make_dir(&dir, "state");
    sg_hash64_format(sg_hash64_of(ROOT "\0" GRAPH, sizeof(ROOT "\0" GRAPH) - 1), name);
    file = malloc(64);
    assert_non_null(file);
    (void)snprintf(file, 64, "state/cache-%s", name);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(file);
    scratch_close(&dir);
    return 0;
}

/* A cache with the stages silver (0) and gold (1). */
static struct sg_cache *open_as(const char *root, const char *graph)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_cache *c;
    uint32_t n;

    if (!sg_cache_open(scratch_path(&dir, "state"), root, graph, &c, &err) ||
        !sg_cache_stage(c, "silver", &hours, &n, &err) || n != 0 ||
        !sg_cache_stage(c, "gold", &days, &n, &err) || n != 1)
        fail_msg("%s", err.text);
    return c;
}

static struct sg_cache *open_cache(void)
{
    return open_as(ROOT, GRAPH);
}

/* The marker of a partition, as it is when `version` is what it says. */
static struct sg_cached marker(uint32_t stage, int64_t index, uint64_t version)
{
    uint64_t salt = (uint64_t)index * 1000003 + stage * 17 + version;

    return (struct sg_cached){ .ident = { .id = salt,
                                          .len = 400 + (int64_t)(salt % 100),
                                          .mtime_ns = seen.ns - INT64_C(1000000000000) -
                                                      (int64_t)(salt % 1000),
                                          .ctime_ns = seen.ns - INT64_C(900000000000) },
                               .kind = SG_MARKER_DONE,
                               .version = salt * 3 + 1,
                               .recipe = { 5 + version, stage },
                               .inputs = salt | 1 };
}

static void add(struct sg_cache *c, uint32_t stage, int64_t first, int64_t end, uint64_t version)
{
    for (int64_t x = first; x < end; x++) {
        struct sg_cached m = marker(stage, x, version);

        sg_cache_add(c, stage, x, &m, seen);
    }
}

static bool is_same(const struct sg_cached *a, const struct sg_cached *b)
{
    return a->ident.id == b->ident.id && a->ident.len == b->ident.len &&
           a->ident.mtime_ns == b->ident.mtime_ns && a->ident.ctime_ns == b->ident.ctime_ns &&
           a->kind == b->kind && a->version == b->version && sg_hash128_is(a->recipe, b->recipe) &&
           a->inputs == b->inputs;
}

/* How many of the partitions are known; what is known has to be what was added. */
static unsigned known_in(const struct sg_cache *c, uint32_t stage, int64_t first, int64_t end,
                         uint64_t version)
{
    struct sg_cache_look *l = sg_cache_look_new();
    unsigned n = 0;

    assert_non_null(l);
    for (int64_t x = first; x < end; x++) {
        struct sg_cached m = marker(stage, x, version), got;

        if (!sg_cache_find(c, l, stage, x, &m.ident, &got))
            continue;
        assert_true(is_same(&m, &got));
        n++;
    }
    sg_cache_look_free(l);
    return n;
}

static unsigned known(uint32_t stage, int64_t first, int64_t end, uint64_t version)
{
    struct sg_cache *c = open_cache();
    unsigned n = known_in(c, stage, first, end, version);

    sg_cache_close(c);
    return n;
}

static void save(uint32_t stage, int64_t first, int64_t end, uint64_t version)
{
    struct sg_cache *c = open_cache();

    add(c, stage, first, end, version);
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    assert_int_equal(scratch_count(&dir, "state", ""), 1); /* no temporary file is left */
}

static void what_was_added_is_found_again(void **state)
{
    struct sg_cache *c = open_cache();

    (void)state;
    assert_int_equal(known_in(c, 0, 0, 100, 1), 0);
    add(c, 0, -100, 6000, 1); /* more than are held in memory */
    add(c, 1, 19723, 19724, 1);
    assert_int_equal(known_in(c, 0, 0, 100, 1), 0); /* not before it is saved */
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    assert_int_equal(known(0, -200, 7000, 1), 6100);
    assert_int_equal(known(1, 19000, 20000, 1), 1);
    assert_int_equal(known(0, INT64_MIN, INT64_MIN + 100, 1), 0);
    assert_int_equal(known(0, INT64_MAX - 100, INT64_MAX, 1), 0);
}

static void another_identity_is_not_known(void **state)
{
    struct sg_cached m = marker(0, 5, 1), got;
    const struct sg_ident others[] = {
        { m.ident.id + 1, m.ident.len, m.ident.mtime_ns, m.ident.ctime_ns },
        { m.ident.id, m.ident.len + 1, m.ident.mtime_ns, m.ident.ctime_ns },
        { m.ident.id, m.ident.len, m.ident.mtime_ns + 1, m.ident.ctime_ns },
        { m.ident.id, m.ident.len, m.ident.mtime_ns, m.ident.ctime_ns - 1 },
        { m.ident.id, m.ident.len - (INT64_C(1) << 56), m.ident.mtime_ns, m.ident.ctime_ns },
        { 0, 0, 0, 0 },
    };
    struct sg_cache_look *l = sg_cache_look_new();
    struct sg_cache *c;

    (void)state;
    save(0, 0, 10, 1);
    c = open_cache();
    assert_true(sg_cache_find(c, l, 0, 5, &m.ident, &got));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(sg_cache_find(c, l, 0, 5, &others[i], &got));
    assert_false(sg_cache_find(c, l, 0, 6, &m.ident, &got));
    assert_false(sg_cache_find(c, l, 1, 5, &m.ident, &got));
    assert_false(sg_cache_find(c, l, 0, 10, &others[5], &got)); /* nothing is known of it */
    assert_false(sg_cache_find(c, NULL, 0, 5, &m.ident, &got)); /* no memory for a look */
    sg_cache_look_free(l);
    sg_cache_close(c);
}

static void what_a_plan_may_not_rely_on_is_left_out(void **state)
{
    struct sg_cached young = marker(0, 1, 1), changed = marker(0, 2, 1), just = marker(0, 3, 1),
                     running = marker(0, 4, 1), damaged = marker(0, 5, 1), lost = marker(0, 6, 1),
                     future = marker(0, 7, 1), foreign = marker(0, 8, 1), old = marker(0, 9, 1);
    struct sg_cached *all[] = { &young, &changed, &just,    &running, &damaged,
                                &lost,  &future,  &foreign, &old };
    struct sg_cache *c = open_cache();
    struct sg_cache_look *l = sg_cache_look_new();
    struct sg_cached got;

    (void)state;
    young.ident.mtime_ns = seen.ns - SG_NS_PER_S;
    changed.ident.ctime_ns = seen.ns - SG_NS_PER_S;
    just.ident.mtime_ns = seen.ns - 2 * SG_NS_PER_S;
    running.kind = SG_MARKER_RUNNING;
    damaged.kind = SG_MARKER_DAMAGED;
    lost.inputs = 0;
    future.ident.mtime_ns = INT64_MAX;
    foreign.kind = SG_MARKER_FOREIGN;
    foreign.inputs = 0;
    old.ident.mtime_ns = INT64_MIN;
    old.ident.ctime_ns = seen.ns - 2 * SG_NS_PER_S - 1;
    for (int i = 0; i < 9; i++)
        sg_cache_add(c, 0, i + 1, all[i], seen);
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    c = open_cache();
    for (int i = 0; i < 9; i++)
        assert_int_equal(sg_cache_find(c, l, 0, i + 1, &all[i]->ident, &got), i >= 7);
    sg_cache_look_free(l);
    sg_cache_close(c);
}

static void another_store_graph_stage_or_calendar_is_not_known(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_cache *c;
    uint32_t n;

    (void)state;
    save(0, 0, 100, 1);
    c = open_as("/data/other", GRAPH);
    assert_int_equal(known_in(c, 0, 0, 100, 1), 0);
    sg_cache_close(c);
    c = open_as(ROOT, "other");
    assert_int_equal(known_in(c, 0, 0, 100, 1), 0);
    sg_cache_close(c);
    assert_true(sg_cache_open(scratch_path(&dir, "state"), ROOT, GRAPH, &c, &err));
    assert_true(sg_cache_stage(c, "silver", &days, &n, &err));
    assert_true(sg_cache_stage(c, "bronze", &hours, &n, &err));
    assert_int_equal(known_in(c, 0, 0, 100, 1), 0);
    assert_int_equal(known_in(c, 1, 0, 100, 1), 0);
    sg_cache_close(c);
    /* the file of another store under our name: somebody has copied it */
    c = open_as("/data/other", GRAPH);
    add(c, 0, 0, 100, 1);
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    {
        char name[SG_HASH64_TEXT], other[64];

        sg_hash64_format(sg_hash64_of("/data/other\0" GRAPH, sizeof("/data/other\0" GRAPH) - 1),
                         name);
        (void)snprintf(other, sizeof(other), "state/cache-%s", name);
        assert_int_equal(rename(scratch_path(&dir, other), scratch_path(&dir, file)), 0);
    }
    assert_int_equal(known(0, 0, 100, 1), 0);
}

static void saving_again_keeps_what_nothing_new_came_to(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_cache *c;
    uint32_t n;

    (void)state;
    save(0, 0, 1000, 1);
    save(1, 0, 1000, 1);
    save(0, 500, 510, 2);   /* in the middle of a block */
    save(0, 5000, 5100, 1); /* far from the others */
    save(0, -1000, -900, 1);
    save(0, 995, 1005, 2);
    assert_int_equal(known(1, 0, 1000, 1), 1000);
    assert_int_equal(known(0, 0, 1000, 1), 1000 - 10 - 5);
    assert_int_equal(known(0, 0, 2000, 2), 20);
    assert_int_equal(known(0, 5000, 5100, 1), 100);
    assert_int_equal(known(0, -1000, -900, 1), 100);
    assert_true(sg_cache_open(scratch_path(&dir, "state"), ROOT, GRAPH, &c, &err));
    assert_true(sg_cache_stage(c, "silver", &hours, &n, &err));
    add(c, 0, 0, 1, 3);
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    assert_int_equal(known(1, 0, 1000, 1), 0); /* gold is not a stage of this graph any more */
    assert_int_equal(known(0, 0, 1000, 1), 1000 - 10 - 5 - 1);
}

/* ---- by which recipes */

static bool add_made(void *ctx, const struct sg_cache_made *m)
{
    size_t n = strlen(ctx);

    (void)snprintf((char *)ctx + n, 300 - n, "%d: %d of %d..%d ", (int)m->recipe.hi, (int)m->n,
                   (int)m->hull.first, (int)m->hull.end);
    return true;
}

/* "6: 10 of 0..100 ", for each recipe of a stage. */
static void assert_made(uint32_t stage, const char *what)
{
    struct sg_cache *c = open_cache();
    char text[300] = "";

    assert_true(sg_cache_made(c, stage, add_made, text));
    sg_cache_close(c);
    assert_string_equal(text, what);
}

static void it_counts_markers_by_stage_and_recipe(void **state)
{
    (void)state;
    save(0, 0, 1000, 1);
    save(1, -50, 50, 1);
    assert_made(0, "6: 1000 of 0..1000 ");
    assert_made(1, "6: 100 of -50..50 ");
    save(0, 500, 700, 2); /* instead of others, and more */
    save(0, 990, 1010, 2);
    assert_made(0, "6: 790 of 0..990 7: 220 of 500..1010 ");
    save(0, 0, 1010, 3);
    assert_made(0, "8: 1010 of 0..1010 ");
    assert_made(1, "6: 100 of -50..50 ");
}

static void foreign_markers_have_no_recipe(void **state)
{
    struct sg_cache *c = open_cache();

    (void)state;
    for (int64_t x = 0; x < 300; x++) {
        struct sg_cached m = marker(0, x, 1);

        m.kind = x % 3 == 0 ? SG_MARKER_FOREIGN : x % 3 == 1 ? SG_MARKER_ACCEPTED : SG_MARKER_DONE;
        sg_cache_add(c, 0, x, &m, seen);
    }
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    assert_made(0, "6: 200 of 1..300 ");
}

static void of_very_many_recipes_it_says_nothing(void **state)
{
    struct sg_cache *c = open_cache();
    char text[300] = "";

    (void)state;
    for (int64_t x = 0; x < 1025; x++) {
        struct sg_cached m = marker(0, x, 1);

        m.recipe.lo = (uint64_t)x;
        sg_cache_add(c, 0, x, &m, seen);
    }
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    c = open_cache();
    assert_false(sg_cache_made(c, 0, add_made, text));
    assert_string_equal(text, "");
    sg_cache_close(c);
    save(0, 0, 1025, 1); /* and then it does again */
    assert_made(0, "6: 1025 of 0..1025 ");
}

static bool add_index(void *ctx, int64_t index, enum sg_marker_kind kind, struct sg_hash128 recipe)
{
    int64_t *hull = ctx;

    (void)recipe;
    assert_int_equal(kind, SG_MARKER_DONE);
    hull[0] = index < hull[0] ? index : hull[0];
    hull[1] = index > hull[1] ? index : hull[1];
    hull[2]++;
    return true;
}

static void a_range_of_it_can_be_gone_through(void **state)
{
    static const int64_t rows[][5] = {
        /* from, to, and what is found: first, last, how many */
        { INT64_MIN, INT64_MAX, -100, 4999, 1100 },
        { 10, 20, 10, 19, 10 },
        { 62, 64, 62, 63, 2 },
        { -5, 5, -5, 4, 10 },
        { 800, 5000, 800, 4999, 200 },
        { 2000, 3000, INT64_MAX, INT64_MIN, 0 },
        { 7, 7, INT64_MAX, INT64_MIN, 0 },
        { INT64_MAX, 3, INT64_MAX, INT64_MIN, 0 },
    };
    struct sg_cache *c;

    (void)state;
    save(0, -100, 900, 1);
    save(0, 4900, 5000, 1);
    c = open_cache();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t hull[3] = { INT64_MAX, INT64_MIN, 0 };

        sg_cache_walk(c, 0, (struct sg_range){ rows[i][0], rows[i][1] }, add_index, hull);
        assert_true(hull[0] == rows[i][2] && hull[1] == rows[i][3] && hull[2] == rows[i][4]);
    }
    sg_cache_close(c);
}

static void what_was_seen_of_a_marker_is_kept_with_it(void **state)
{
    const struct sg_cached m = marker(0, 5, 1);
    const struct sg_cache_seen other = { .was = m.inputs + 1, .inputs = 2, .seen = 3, .worth = 1 };
    const struct sg_cache_seen s = { .was = m.inputs, .inputs = 77, .seen = 0xffff, .worth = 256 };
    struct sg_cache_look *l = sg_cache_look_new();
    struct sg_cached got;
    struct sg_cache *c;

    (void)state;
    save(0, 0, 100, 1);
    c = open_cache();
    sg_cache_see(c, 0, 4, &other); /* not what the record says: another has written it */
    sg_cache_see(c, 0, 5, &s);
    sg_cache_see(c, 0, 5000, &s); /* nothing is known of it */
    assert_true(sg_cache_pays(c));
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    c = open_cache();
    assert_true(sg_cache_find(c, l, 0, 5, &m.ident, &got));
    assert_true(got.inputs == 77 && got.seen == 0xffff && got.kind == m.kind);
    assert_true(got.version == m.version && got.ident.len == m.ident.len);
    sg_cache_close(c);
    assert_int_equal(known(0, 0, 5, 1) + known(0, 6, 100, 1), 99);
    assert_made(0, "6: 100 of 0..100 ");
    sg_cache_look_free(l);
}

/* ---- damage */

/* The file's bytes, to be freed. */
static char *slurp(size_t *ret_n)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf b = SG_BUF_INIT;
    bool found;

    assert_true(sg_files_read(scratch_path(&dir, file), &b, &found, &err) && found);
    *ret_n = b.len;
    return sg_buf_move(&b);
}

static void whatever_byte_is_damaged_nothing_wrong_is_known(void **state)
{
    unsigned worst = 0;
    size_t n;
    char *text;
    int fd;

    (void)state;
    save(0, 0, 120, 1);
    save(1, 63, 126, 1);
    text = slurp(&n);
    assert_int_equal(n, 4096 * 4 + 2 * 48 + 2 * 64);
    fd = open(scratch_path(&dir, file), O_WRONLY);
    for (size_t at = 0; at < n; at++) {
        char damaged = (char)(text[at] ^ 1 << at % 8);
        unsigned got;

        assert_int_equal(pwrite(fd, &damaged, 1, (off_t)at), 1);
        got = known(0, 0, 120, 1) + known(1, 63, 126, 1);
        assert_true(got <= 183 - 57); /* a block is the least that is lost */
        if (at >= 4096 && at < 4 * 4096)
            assert_true(got >= 183 - 63);
        if (183 - got > worst)
            worst = 183 - got;
        assert_int_equal(pwrite(fd, &text[at], 1, (off_t)at), 1);
    }
    close(fd);
    assert_int_equal(worst, 183);
    assert_int_equal(known(0, 0, 120, 1), 120);
    free(text);
}

static void wherever_it_is_cut_nothing_wrong_is_known(void **state)
{
    size_t n;
    char *text;

    (void)state;
    save(0, 0, 120, 1);
    text = slurp(&n);
    for (size_t len = n - 1; len != 0; len--) {
        assert_int_equal(truncate(scratch_path(&dir, file), (off_t)len), 0);
        assert_int_equal(known(0, 0, 120, 1), 0); /* the extents are near the end */
    }
    scratch_write_bytes(&dir, file, text, n);
    assert_int_equal(known(0, 0, 120, 1), 120);
    text = realloc(text, n + 1);
    assert_non_null(text);
    text[n] = 0;
    scratch_write_bytes(&dir, file, text, n + 1);
    assert_int_equal(known(0, 0, 120, 1), 0);
    free(text);
}

static void a_file_cut_while_it_is_open_is_not_known(void **state)
{
    struct sg_cache *c;

    (void)state;
    save(0, 0, 300, 1);
    c = open_cache();
    assert_int_equal(truncate(scratch_path(&dir, file), 4096 * 3), 0);
    assert_int_equal(known_in(c, 0, 0, 300, 1), 2 * 63);
    add(c, 0, 0, 10, 2);
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    assert_int_equal(known(0, 0, 300, 1), 2 * 63 - 10);
    assert_int_equal(known(0, 0, 300, 2), 10);
}

static void what_is_no_file_of_ours_is_not_known(void **state)
{
    (void)state;
    scratch_write(&dir, file, "");
    assert_int_equal(known(0, 0, 10, 1), 0);
    scratch_write(&dir, file, "sgcache1 and no more");
    assert_int_equal(known(0, 0, 10, 1), 0);
    assert_int_equal(unlink(scratch_path(&dir, file)), 0);
    assert_int_equal(mkfifo(scratch_path(&dir, file), 0600), 0);
    assert_int_equal(known(0, 0, 10, 1), 0);
    assert_int_equal(unlink(scratch_path(&dir, file)), 0);
    scratch_make_dir(&dir, file);
    assert_int_equal(known(0, 0, 10, 1), 0);
}

/* ---- saving that fails */

static bool save_fails(void)
{
    struct sg_cache *c = open_cache();
    bool saved;

    add(c, 0, 0, 5000, 2);
    saved = sg_cache_save(c);
    sg_cache_close(c);
    return !saved;
}

static void without_a_state_directory_none_is_made(void **state)
{
    (void)state;
    assert_int_equal(rmdir(scratch_path(&dir, "state")), 0);
    assert_true(save_fails());
    assert_false(scratch_has(&dir, "state"));
    scratch_write(&dir, "state", "a file");
    assert_true(save_fails());
}

static void a_full_disk_leaves_the_old_one(void **state)
{
    static const rlim_t limits[] = { 0, 1, 4096, 100000, 64 * 4096, 65 * 4096, 80 * 4096 };
    struct rlimit before, now;

    (void)state;
    save(0, 0, 100, 1);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        bool failed;

        now = before;
        now.rlim_cur = limits[i];
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
        failed = save_fails();
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_true(failed);
        assert_int_equal(scratch_count(&dir, "state", ""), 1);
        assert_int_equal(known(0, 0, 100, 1), 100);
    }
    (void)signal(SIGXFSZ, SIG_DFL);
    assert_false(save_fails());
}

static void only_one_writes_at_a_time(void **state)
{
    struct sg_cache *first, *second;

    (void)state;
    save(0, 0, 100, 1);
    first = open_cache();
    second = open_cache();
    add(first, 0, 0, 5000, 2); /* more than is held: the temporary file is there */
    add(second, 0, 0, 5000, 3);
    assert_false(sg_cache_save(second));
    sg_cache_close(second);
    assert_true(sg_cache_save(first));
    sg_cache_close(first);
    assert_int_equal(known(0, 0, 5000, 2), 5000);
    assert_false(save_fails()); /* and the lock is gone */
}

static void a_temporary_file_that_a_crash_left_is_used(void **state)
{
    char tmp[80];

    (void)state;
    (void)snprintf(tmp, sizeof(tmp), "%s.tmp", file);
    scratch_write(&dir, tmp, "the beginning of one that never was renamed");
    save(0, 0, 100, 1);
    assert_int_equal(known(0, 0, 100, 1), 100);
    scratch_make_dir(&dir, tmp); /* or something that we can't use */
    assert_true(save_fails());
    assert_int_equal(known(0, 0, 100, 1), 100);
}

static void what_is_not_saved_leaves_nothing(void **state)
{
    struct sg_cache *c = open_cache();

    (void)state;
    add(c, 0, 0, 5000, 1);
    assert_int_equal(scratch_count(&dir, "state", ""), 1);
    sg_cache_close(c);
    assert_int_equal(scratch_count(&dir, "state", ""), 0);
    c = open_cache();
    assert_false(sg_cache_save(c)); /* nothing is new */
    add(c, 0, 100, 200, 1);
    add(c, 0, 0, 10, 1); /* not in order: a bug of the caller's, and no cache */
    assert_false(sg_cache_save(c));
    sg_cache_close(c);
    sg_cache_close(NULL);
}

static void it_pays_when_reading_took_longer_than_writing_will(void **state)
{
    struct sg_cache *c = open_cache();

    (void)state;
    add(c, 0, 0, SG_CACHE_MIN - 1, 1);
    assert_false(sg_cache_pays(c));
    add(c, 0, SG_CACHE_MIN - 1, 32000, 1);
    assert_true(sg_cache_pays(c));
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
    c = open_cache();
    add(c, 0, 32000, 32900, 1);
    assert_false(sg_cache_pays(c)); /* 900 of 32,000 */
    add(c, 0, 32900, 33100, 1);
    assert_true(sg_cache_pays(c));
    sg_cache_close(c);
}

/* ---- threads */

struct finder {
    const struct sg_cache *c;
    unsigned n;
};

static void *find_all(void *arg)
{
    struct finder *f = arg;

    f->n = known_in(f->c, 0, 0, 3000, 1);
    return NULL;
}

static void several_threads_find_at_once(void **state)
{
    struct finder finders[4];
    pthread_t threads[4];
    struct sg_cache *c;

    (void)state;
    save(0, 0, 3000, 1);
    c = open_cache();
    for (int i = 0; i < 4; i++) {
        finders[i].c = c;
        assert_int_equal(pthread_create(&threads[i], NULL, find_all, &finders[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(finders[i].n, 3000);
    }
    sg_cache_close(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_added_is_found_again),
        TEST(another_identity_is_not_known),
        TEST(what_a_plan_may_not_rely_on_is_left_out),
        TEST(what_was_seen_of_a_marker_is_kept_with_it),
        TEST(it_counts_markers_by_stage_and_recipe),
        TEST(foreign_markers_have_no_recipe),
        TEST(of_very_many_recipes_it_says_nothing),
        TEST(a_range_of_it_can_be_gone_through),
        TEST(another_store_graph_stage_or_calendar_is_not_known),
        TEST(saving_again_keeps_what_nothing_new_came_to),
        TEST(whatever_byte_is_damaged_nothing_wrong_is_known),
        TEST(wherever_it_is_cut_nothing_wrong_is_known),
        TEST(a_file_cut_while_it_is_open_is_not_known),
        TEST(what_is_no_file_of_ours_is_not_known),
        TEST(without_a_state_directory_none_is_made),
        TEST(a_full_disk_leaves_the_old_one),
        TEST(only_one_writes_at_a_time),
        TEST(a_temporary_file_that_a_crash_left_is_used),
        TEST(what_is_not_saved_leaves_nothing),
        TEST(it_pays_when_reading_took_longer_than_writing_will),
        TEST(several_threads_find_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
