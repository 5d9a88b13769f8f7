/* Claims of HDFS against a NameNode in memory. Two hosts are two stores whose sessions say so; what
 * dies is a store whose thread is stopped and whose locks are closed, as the kernel would. */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "namenode.h"
#include "scratch.h"
#include "webhdfs_claim.h"

#define PATH    "_stagegraph/claims/silver/2024-01-01T05"
#define DIR     "_stagegraph/claims/silver"
#define LEASE_S 100

static struct namenode *nn;
static struct scratch dir; /* the state directory of all */
static struct sg_error err;
static struct sg_buf held = SG_BUF_INIT;
static _Atomic int64_t clock_ns;

static int64_t fake_clock(void)
{
    return atomic_load(&clock_ns);
}

/* Time goes by, here and there. */
static void pass(int64_t seconds)
{
    atomic_fetch_add(&clock_ns, seconds * SG_NS_PER_S);
    namenode_pass(nn, seconds * 1000);
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(&clock_ns, 1000 * SG_NS_PER_S);
    scratch_open(&dir);
    nn = namenode_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    namenode_close(nn);
    scratch_close(&dir);
    sg_buf_done(&held);
    sg_error_clear(&err);
    return 0;
}

/* host: a letter. */
static struct sg_store *open_on(char host)
{
    struct sg_store_config c = { .root = namenode_root(nn),
                                 .user = "tester",
                                 .auth = "simple",
                                 .receipts = "auto",
                                 .state = dir.dir,
                                 .connections = 4,
                                 .deadline_s = 5,
                                 .lease_s = LEASE_S };
    struct sg_store *s = NULL;

    OK(sg_webhdfs_open(&c, &s, &err));
    wh_of(s)->pause_ms = 1; /* hundreds of lost answers are met here */
    memset(wh_of(s)->claims->session, host, WH_BOOT_HASH);
    wh_of(s)->claims->clock = fake_clock;
    return s;
}

static void stop_thread(struct sg_store *s)
{
    struct wh_claims *c = wh_of(s)->claims;

    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (c->has_thread)
        pthread_join(c->thread, NULL);
    c->has_thread = false;
}

/* As kill -9 does: nothing more is asked of the NameNode, and the locks are gone. */
static void kill_store(struct sg_store *s, struct sg_store_claim *claim)
{
    struct wh_claims *c = wh_of(s)->claims;

    stop_thread(s);
    for (struct wh_held *h = c->held; h != NULL; h = h->next)
        if (h->lock_fd >= 0)
            close(h->lock_fd);
    c->begun = false;
    sg_store_free(s);
    free(claim->path);
}

#define TEXT(run, attempt)                                                                         \
    "{\"stagegraph_claim\":1,\"node\":\"silver@2024-01-01T05\",\"run\":\"" run                     \
    "\",\"attempt\":" attempt ",\"host\":\"etl1\",\"boot\":\"b-1\",\"pid\":4711,"                  \
    "\"started\":\"2024-01-01T06:00:12Z\",\"nonce\":\"0123456789abcdef0123456789abcdef\"}\n"

static const char *text_of(const char *run)
{
    static _Thread_local char text[400];

    snprintf(text, sizeof(text), "%s",
             run[0] == 'a'   ? TEXT("a", "1")
             : run[0] == 'b' ? TEXT("b", "1")
                             : TEXT("c", "0"));
    return text;
}

static enum sg_claim_outcome take_as(struct sg_store *s, const char *run,
                                     struct sg_store_claim *ret)
{
    enum sg_claim_outcome o = SG_CLAIM_HELD;

    OK(sg_store_claim_take(s, PATH, sg_span_of(text_of(run)), ret, &o, &held, &err));
    return o;
}

static bool is_ours(struct sg_store *s, const struct sg_store_claim *c)
{
    bool ours = false;

    OK(sg_store_claim_verify(s, c, &ours, &err));
    return ours;
}

static void check_names(const char *path, unsigned expected)
{
    char *names = namenode_names(nn, path);
    unsigned n = 0;

    for (const char *at = names; *at != '\0'; at++)
        n += *at == ' ';
    if (n != expected)
        fail_msg("%s has %u children, not %u: %s", path, n, expected, names);
    free(names);
}

struct told {
    unsigned n;
    char name[64];
    bool alive;
    char text[400];
};

static bool on_claim(void *ctx, const char *name, bool alive, struct sg_span text)
{
    struct told *t = ctx;

    t->n++;
    snprintf(t->name, sizeof(t->name), "%s", name);
    t->alive = alive;
    snprintf(t->text, sizeof(t->text), "%.*s", (int)text.len, text.len > 0 ? text.at : "");
    return true;
}

static struct told look(struct sg_store *s)
{
    struct told t = { .n = 0 };

    OK(sg_store_claim_look(s, PATH, on_claim, &t, &err));
    return t;
}

/* ---- one after the other ---- */

static void a_claim_is_taken_held_and_dropped(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('b');
    struct sg_store_claim one, two;

    (void)state;
    assert_int_equal(take_as(a, "a", &one), SG_CLAIM_TAKEN);
    assert_true(one.lock_fd >= 0);
    assert_true(is_ours(a, &one));
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_HELD);
    assert_string_equal(sg_buf_text(&held), text_of("a"));
    assert_int_equal(take_as(a, "a", &two), SG_CLAIM_HELD);
    OK(sg_store_claim_drop(a, &one, &err));
    assert_null(one.path);
    check_names(DIR, 0);
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_TAKEN);
    OK(sg_store_claim_drop(b, &two, &err));
    sg_store_free(a);
    sg_store_free(b);
    check_names(DIR, 0);
    check_names(WH_RUNS, 0);
    assert_int_equal(scratch_count(&dir, "claims", ""), 0);
}

static void a_claim_costs_five_requests(void **state)
{
    struct sg_store *a = open_on('a');
    struct sg_store_claim c;

    (void)state;
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    OK(sg_store_claim_drop(a, &c, &err));
    stop_thread(a); /* it sweeps */
    namenode_arm(nn, (struct namenode_fault){ .how = NAMENODE_FINE });
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    assert_int_equal(namenode_count(nn, "MKDIRS"), 1);
    assert_int_equal(namenode_count(nn, "RENAME"), 1);
    assert_int_equal(namenode_count(nn, NULL), 2);
    assert_true(is_ours(a, &c));
    assert_int_equal(c.ident.mtime_ns, 0);
    OK(sg_store_claim_time(a, &c, &err)); /* the look at whose it is has told that */
    assert_int_not_equal(c.ident.mtime_ns, 0);
    OK(sg_store_claim_drop(a, &c, &err));
    assert_int_equal(namenode_count(nn, "LISTSTATUS"), 1);
    assert_int_equal(namenode_count(nn, "DELETE"), 2);
    assert_int_equal(namenode_count(nn, NULL), 5);
    sg_store_free(a);
}

static void a_claim_has_the_time_of_the_namenode(void **state)
{
    struct sg_store *a = open_on('a');
    struct sg_store_claim c;
    struct sg_wall now;

    (void)state;
    pass(86400 * 365);
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    OK(sg_store_now(a, &now, &err));
    OK(sg_store_claim_time(a, &c, &err));
    assert_in_range(c.ident.mtime_ns / SG_NS_PER_S, now.ns / SG_NS_PER_S - 5,
                    now.ns / SG_NS_PER_S + 5);
    OK(sg_store_claim_drop(a, &c, &err));
    sg_store_free(a);
}

/* What is not in its place is said in the name, and what is too long is cut. */
static void every_text_comes_back(void **state)
{
    static const char start[] = "{\"stagegraph_claim\":1,\"node\":\"silver@2024-01-01T05\",\"run\":"
                                "\"r:1/2%3~4\",\"attempt\":3,\"host\":\"";
    static const char end[] = "\",\"boot\":\"01234567-89ab-cdef-0123-456789abcdef\",\"pid\":1,"
                              "\"started\":\"2024-01-01T06:00:12Z\","
                              "\"nonce\":\"0123456789abcdef0123456789abcdef\"}\n";
    struct sg_store *a = open_on('a'), *b = open_on('b');
    char text[1000], host[301] = "h\xc3\xa9 +&=#";

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sg_store_claim c, other;
        enum sg_claim_outcome o;
        const char *path = "_stagegraph/exclusive/silver";

        snprintf(text, sizeof(text), "%s%s%s", start, host, end);
        OK(sg_store_claim_take(a, path, sg_span_of(text), &c, &o, &held, &err));
        assert_int_equal(o, SG_CLAIM_TAKEN);
        OK(sg_store_claim_take(b, path, sg_span_of(text), &other, &o, &held, &err));
        assert_int_equal(o, SG_CLAIM_HELD);
        if (i == 0)
            assert_string_equal(sg_buf_text(&held), text);
        assert_true(strncmp(sg_buf_text(&held), start, strlen(start)) == 0);
        assert_non_null(strstr(sg_buf_text(&held), end));
        OK(sg_store_claim_drop(a, &c, &err));
        memset(host, 'h', 300);
    }
    sg_store_free(a);
    sg_store_free(b);
}

static void a_once_node_is_named_by_its_stage(void **state)
{
    struct sg_store *a = open_on('a');
    struct sg_store_claim c;
    enum sg_claim_outcome o;
    struct told t = { .n = 0 };

    (void)state;
    OK(sg_store_claim_take(a, "_stagegraph/claims/dim/_",
                           sg_span_of("{\"stagegraph_claim\":1,\"node\":\"dim\",\"run\":\"r\","
                                      "\"nonce\":\"0123456789abcdef0123456789abcdef\"}"),
                           &c, &o, &held, &err));
    OK(sg_store_claim_list(a, "_stagegraph/claims", on_claim, &t, &err));
    assert_int_equal(t.n, 1);
    assert_string_equal(t.name, "dim/_");
    assert_non_null(strstr(t.text, "\"node\":\"dim\",\"run\":\"r\""));
    OK(sg_store_claim_drop(a, &c, &err));
    sg_store_free(a);
}

static void claims_are_listed_with_their_texts(void **state)
{
    struct sg_store *a = open_on('a'), *reader = open_on('b');
    struct sg_store_claim c;
    struct told t = { .n = 0 };

    (void)state;
    OK(sg_store_claim_list(reader, DIR, on_claim, &t, &err));
    assert_int_equal(t.n, 0);
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    namenode_make_dir(nn, DIR "/empty");
    OK(sg_store_claim_list(reader, DIR, on_claim, &t, &err));
    assert_int_equal(t.n, 1);
    assert_string_equal(t.name, "2024-01-01T05");
    assert_true(t.alive);
    assert_string_equal(t.text, text_of("a"));
    OK(sg_store_claim_list(reader, "_stagegraph/claims", on_claim, &t, &err));
    assert_int_equal(t.n, 2);
    assert_string_equal(t.name, "silver/2024-01-01T05");
    assert_int_equal(look(reader).n, 1);
    assert_int_equal(look(a).n, 1);
    kill_store(a, &c);
    pass(LEASE_S - 10);
    assert_true(look(reader).alive);
    pass(20);
    assert_false(look(reader).alive);
    sg_store_free(reader);
}

/* ---- who lives ---- */

static void a_silent_host_is_dead_after_its_lease_and_one_is_told(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('b'), *c = open_on('c');
    struct sg_store_claim one, two, three;

    (void)state;
    assert_int_equal(take_as(a, "a", &one), SG_CLAIM_TAKEN);
    kill_store(a, &one);
    pass(LEASE_S - 10);
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_HELD);
    pass(20);
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_DEAD);
    assert_string_equal(sg_buf_text(&held), text_of("a"));
    assert_int_equal(take_as(c, "c", &three), SG_CLAIM_HELD);
    assert_string_equal(sg_buf_text(&held), text_of("a"));
    OK(sg_store_claim_replace(b, &two, sg_span_of(text_of("b")), &err));
    assert_true(is_ours(b, &two));
    assert_int_equal(take_as(c, "c", &three), SG_CLAIM_HELD);
    assert_string_equal(sg_buf_text(&held), text_of("b"));
    OK(sg_store_claim_drop(b, &two, &err));
    assert_int_equal(take_as(c, "c", &three), SG_CLAIM_TAKEN);
    OK(sg_store_claim_drop(c, &three, &err));
    sg_store_free(b);
    sg_store_free(c);
    check_names(DIR, 0);
    check_names("_stagegraph/claims", 1);
}

static void on_one_host_the_lock_tells(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('a');
    struct sg_store_claim one, two;
    int inherited;

    (void)state;
    assert_int_equal(take_as(a, "a", &one), SG_CLAIM_TAKEN);
    inherited = dup(one.lock_fd); /* the shim's */
    stop_thread(a);
    pass(10 * LEASE_S);
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_HELD);
    kill_store(a, &one);
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_HELD);
    close(inherited);
    assert_false(look(b).alive);
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_DEAD);
    assert_string_equal(sg_buf_text(&held), text_of("a"));
    OK(sg_store_claim_drop(b, &two, &err));
    sg_store_free(b);
    assert_int_equal(scratch_count(&dir, "claims", ""), 0);
}

static void a_dead_claim_that_is_left_stays_dead(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('a'), *c = open_on('c');
    struct sg_store_claim one, two;

    (void)state;
    assert_int_equal(take_as(a, "a", &one), SG_CLAIM_TAKEN);
    kill_store(a, &one);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(take_as(b, "b", &two), SG_CLAIM_DEAD);
        assert_string_equal(sg_buf_text(&held), text_of("a"));
        sg_store_claim_leave(b, &two);
        assert_false(look(b).alive);
    }
    sg_store_free(b); /* with it what it has left is dead for other hosts too */
    assert_int_equal(take_as(c, "c", &two), SG_CLAIM_DEAD);
    assert_string_equal(sg_buf_text(&held), text_of("a"));
    OK(sg_store_claim_drop(c, &two, &err));
    sg_store_free(c);
}

static void what_a_process_keeps_is_alive_when_its_run_has_ended(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('a'), *c = open_on('c');
    struct sg_store_claim one, two;
    int inherited;

    (void)state;
    assert_int_equal(take_as(a, "a", &one), SG_CLAIM_TAKEN);
    inherited = dup(one.lock_fd);
    sg_store_claim_leave(a, &one);
    sg_store_free(a);
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_HELD);
    assert_int_equal(take_as(c, "c", &two), SG_CLAIM_HELD); /* until the lease is over */
    pass(LEASE_S + 1);
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_HELD);
    assert_int_equal(take_as(c, "c", &two), SG_CLAIM_DEAD);
    OK(sg_store_claim_drop(c, &two, &err));
    close(inherited);
    sg_store_free(b);
    sg_store_free(c);
}

static void an_own_claim_gets_another_text(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('b');
    struct sg_store_claim one, two;
    uint64_t id;

    (void)state;
    assert_int_equal(take_as(a, "a", &one), SG_CLAIM_TAKEN);
    id = one.ident.id;
    OK(sg_store_claim_replace(a, &one, sg_span_of(text_of("c")), &err));
    assert_int_equal(one.ident.id, id);
    assert_true(is_ours(a, &one));
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_HELD);
    assert_string_equal(sg_buf_text(&held), text_of("c"));
    OK(sg_store_claim_drop(a, &one, &err));
    check_names(DIR, 0);
    sg_store_free(a);
    sg_store_free(b);
}

static void what_is_removed_or_taken_over_is_not_ours(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('b');
    struct sg_store_claim one, two;
    char *name;
    char path[400];

    (void)state;
    assert_int_equal(take_as(a, "a", &one), SG_CLAIM_TAKEN);
    namenode_remove(nn, PATH);
    assert_false(is_ours(a, &one));
    assert_int_equal(take_as(b, "b", &two), SG_CLAIM_TAKEN);
    assert_false(is_ours(a, &one));
    assert_false(sg_store_claim_replace(a, &one, sg_span_of(text_of("c")), &err));
    assert_non_null(strstr(err.text, "somebody has removed it"));
    OK(sg_store_claim_drop(a, &one, &err)); /* and b's is left alone */
    assert_true(is_ours(b, &two));
    name = namenode_names(nn, PATH);
    name[strlen(name) - 1] = '\0';
    snprintf(path, sizeof(path), PATH "/%s", name);
    assert_true(namenode_has(nn, path));
    free(name);
    OK(sg_store_claim_drop(b, &two, &err));
    sg_store_free(a);
    sg_store_free(b);
}

static void an_empty_directory_is_no_claim(void **state)
{
    struct sg_store *a = open_on('a');
    struct sg_store_claim c;

    (void)state;
    namenode_make_dir(nn, PATH);
    assert_int_equal(look(a).n, 0);
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    OK(sg_store_claim_drop(a, &c, &err));
    sg_store_free(a);
}

static void a_file_in_its_place_is_an_error(void **state)
{
    struct sg_store *a = open_on('a');
    struct sg_store_claim c;
    enum sg_claim_outcome o;

    (void)state;
    namenode_make_file(nn, PATH);
    assert_false(sg_store_claim_take(a, PATH, sg_span_of(text_of("a")), &c, &o, &held, &err));
    assert_non_null(strstr(err.text, "a file is in its place"));
    sg_store_free(a);
    check_names(WH_RUNS, 0);
}

static void what_says_nothing_is_nobodys_when_it_is_old(void **state)
{
    struct sg_store *a = open_on('a');
    struct sg_store_claim c;

    (void)state;
    namenode_make_dir(nn, PATH "/by-hand");
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_HELD);
    assert_int_equal(held.len, 0);
    assert_true(look(a).alive);
    pass(LEASE_S + 1);
    assert_false(look(a).alive);
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_DEAD);
    assert_int_equal(held.len, 0);
    OK(sg_store_claim_replace(a, &c, sg_span_of(text_of("a")), &err));
    assert_true(is_ours(a, &c));
    OK(sg_store_claim_drop(a, &c, &err));
    sg_store_free(a);
    check_names(DIR, 0);
}

/* ---- the lease ---- */

static void who_is_silent_for_too_long_is_lost(void **state)
{
    struct sg_store *a = open_on('a');
    struct sg_store_claim c, other;
    enum sg_claim_outcome o;
    struct sg_fence f;
    bool ours = true;

    (void)state;
    assert_false(sg_store_fenced(a, &f));
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    stop_thread(a);
    pass(LEASE_S * 3 / 5 - 1);
    assert_false(sg_store_fenced(a, &f));
    assert_true(f.again_ms > 0);
    pass(2);
    assert_true(sg_store_fenced(a, &f));
    assert_in_range(f.left_ms, 1, LEASE_S * 1000 / 5);
    assert_string_equal(f.why, "lost its claim: the store could not be reached for 1m 01s");
    assert_false(sg_store_claim_verify(a, &c, &ours, &err));
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_non_null(strstr(err.text, "lost its claim"));
    /* The store is there again: that heals nothing. */
    (void)!wh_beat(wh_of(a), &err);
    assert_true(sg_store_fenced(a, &f));
    assert_false(sg_store_claim_verify(a, &c, &ours, &err));
    assert_false(sg_store_claim_replace(a, &c, sg_span_of(text_of("c")), &err));
    assert_false(
        sg_store_claim_take(a, PATH "x", sg_span_of(text_of("a")), &other, &o, &held, &err));
    pass(LEASE_S);
    assert_true(sg_store_fenced(a, &f));
    assert_int_equal(f.left_ms, 0);
    sg_store_claim_leave(a, &c);
    sg_store_free(a);
    check_names(DIR, 1);
}

static void who_holds_nothing_may_sleep(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('b');
    struct sg_store_claim c;
    struct sg_fence f;

    (void)state;
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    OK(sg_store_claim_drop(a, &c, &err));
    stop_thread(a);
    pass(10 * LEASE_S);
    assert_int_equal(take_as(b, "b", &c), SG_CLAIM_TAKEN); /* and sweeps */
    wh_sweep(wh_of(b));
    check_names(WH_RUNS, 1);
    OK(sg_store_claim_drop(b, &c, &err));
    assert_false(sg_store_fenced(a, &f));
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    assert_true(is_ours(a, &c));
    check_names(WH_RUNS, 2);
    OK(sg_store_claim_drop(a, &c, &err));
    sg_store_free(a);
    sg_store_free(b);
}

static void who_is_swept_away_with_a_claim_is_lost_at_once(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('b');
    struct sg_store_claim c, other;
    struct sg_fence f;

    (void)state;
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    stop_thread(a);
    namenode_pass(nn, 3 * LEASE_S * 1000); /* its own clock stands still */
    assert_int_equal(take_as(b, "b", &other), SG_CLAIM_DEAD);
    wh_sweep(wh_of(b));
    check_names(WH_RUNS, 1);
    assert_false(wh_beat(wh_of(a), &err));
    assert_true(sg_store_fenced(a, &f));
    assert_int_equal(f.left_ms, 0);
    assert_non_null(strstr(f.why, "took this one for dead"));
    sg_store_claim_leave(a, &c);
    sg_store_free(a);
    OK(sg_store_claim_drop(b, &other, &err));
    sg_store_free(b);
}

static void a_heartbeat_is_one_request_whose_answer_may_be_lost(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('b');
    struct sg_store_claim c, other;
    struct sg_fence f;

    (void)state;
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    stop_thread(a);
    for (int how = NAMENODE_FINE; how <= NAMENODE_LATE; how++) {
        for (int i = 0; i < 4; i++) {
            namenode_arm(nn, (struct namenode_fault){
                                 .how = (enum namenode_how)how, .at = 1, .late = (unsigned)i });
            pass(LEASE_S / 2);
            OK(wh_beat(wh_of(a), &err));
            if (how == NAMENODE_FINE)
                assert_int_equal(namenode_count(nn, NULL), 1);
        }
    }
    namenode_arm(nn, (struct namenode_fault){ .how = NAMENODE_FINE });
    assert_false(sg_store_fenced(a, &f));
    assert_int_equal(take_as(b, "b", &other), SG_CLAIM_HELD);
    OK(sg_store_claim_drop(a, &c, &err));
    sg_store_free(a);
    sg_store_free(b);
    check_names(WH_RUNS, 0);
}

static void what_could_not_be_dropped_is_dropped_later(void **state)
{
    struct sg_store *a = open_on('a'), *b = open_on('b');
    struct sg_store_claim c;

    (void)state;
    wh_of(a)->deadline_ms = 300;
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN);
    stop_thread(a);
    namenode_silence(nn, true);
    assert_false(sg_store_claim_drop(a, &c, &err));
    namenode_silence(nn, false);
    check_names(PATH, 1);
    assert_int_equal(take_as(a, "a", &c), SG_CLAIM_TAKEN); /* nobody's any more */
    namenode_silence(nn, true);
    assert_false(sg_store_claim_drop(a, &c, &err));
    namenode_silence(nn, false);
    sg_store_free(a);
    assert_int_equal(look(b).n, 0);
    sg_store_free(b);
    assert_int_equal(scratch_count(&dir, "claims", ""), 0);
}

/* ---- answers that are lost ---- */

/* All that one does to a claim that another host's death has left, or nobody. */
static void live(bool of_the_dead)
{
    struct sg_store *b = open_on('b'), *c = open_on('c');
    struct sg_store_claim two, three;

    wh_of(b)->claims->has_thread = true; /* none: requests come in one order */
    wh_of(c)->claims->has_thread = true;
    assert_int_equal(take_as(b, "b", &two), of_the_dead ? SG_CLAIM_DEAD : SG_CLAIM_TAKEN);
    if (of_the_dead)
        assert_string_equal(sg_buf_text(&held), text_of("a"));
    assert_int_equal(take_as(c, "c", &three), SG_CLAIM_HELD);
    OK(sg_store_claim_replace(b, &two, sg_span_of(text_of("b")), &err));
    assert_true(is_ours(b, &two));
    assert_int_equal(take_as(c, "c", &three), SG_CLAIM_HELD);
    assert_string_equal(sg_buf_text(&held), text_of("b"));
    OK(sg_store_claim_replace(b, &two, sg_span_of(text_of("c")), &err));
    assert_true(is_ours(b, &two));
    OK(sg_store_claim_drop(b, &two, &err));
    assert_int_equal(look(c).n, 0);
    assert_int_equal(take_as(c, "c", &three), SG_CLAIM_TAKEN);
    assert_true(is_ours(c, &three));
    OK(sg_store_claim_drop(c, &three, &err));
    wh_of(b)->claims->has_thread = false;
    wh_of(c)->claims->has_thread = false;
    sg_store_free(b);
    sg_store_free(c);
}

static void sweep(enum namenode_how how, unsigned late, unsigned every, bool of_the_dead)
{
    bool hit = true;

    for (unsigned k = 1; hit; k++) {
        if (of_the_dead) {
            struct sg_store *a = open_on('a');
            struct sg_store_claim one;

            namenode_arm(nn, (struct namenode_fault){ .how = NAMENODE_FINE });
            wh_of(a)->claims->has_thread = true;
            assert_int_equal(take_as(a, "a", &one), SG_CLAIM_TAKEN);
            wh_of(a)->claims->has_thread = false;
            kill_store(a, &one);
            pass(LEASE_S + 1);
        }
        namenode_arm(nn,
                     (struct namenode_fault){ .how = how, .at = k, .late = late, .every = every });
        live(of_the_dead);
        hit = namenode_hit(nn);
        if (k > 200)
            fail_msg("it never ends");
        /* nothing is left, whatever was lost and came late */
        for (int i = 0; i < 5; i++) {
            struct sg_store *c = open_on('d');

            namenode_arm(nn, (struct namenode_fault){ .how = NAMENODE_FINE });
            assert_int_equal(look(c).n, 0);
            sg_store_free(c);
        }
        check_names(DIR, 0);
    }
}

static void a_lost_answer_anywhere_is_settled(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        sweep(NAMENODE_AFTER, 0, 0, dead);
        sweep(NAMENODE_BEFORE, 0, 0, dead);
    }
}

static void a_request_that_is_done_late_is_settled_anywhere(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 4; late++)
        for (int dead = 0; dead < 2; dead++)
            sweep(NAMENODE_LATE, late, 0, dead);
}

static void lost_answers_again_and_again_are_settled(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        sweep(NAMENODE_AFTER, 0, 3, dead);
        sweep(NAMENODE_LATE, 1, 5, dead);
    }
}

/* ---- many at once ---- */

#define CONTENDERS 8
#define ROUNDS     25

struct contender {
    pthread_t thread;
    struct sg_store *s;
    struct sg_buf held;
    unsigned taken, dead;
    char trouble[200];
};

static atomic_int holders;
static atomic_uint dead_told;

static bool contend(struct contender *c, struct sg_error *why)
{
    struct sg_store_claim claim;
    enum sg_claim_outcome o;
    bool ours = false;

    if (!sg_store_claim_take(c->s, PATH, sg_span_of(text_of("b")), &claim, &o, &c->held, why))
        return false;
    if (o == SG_CLAIM_HELD)
        return true;
    if (atomic_fetch_add(&holders, 1) != 0)
        return sg_error_set(why, SG_ERROR_STORE, 0, "two have it");
    if (o == SG_CLAIM_DEAD) {
        atomic_fetch_add(&dead_told, 1);
        if (!sg_store_claim_replace(c->s, &claim, sg_span_of(text_of("b")), why))
            return false;
    }
    c->taken++;
    if (!sg_store_claim_verify(c->s, &claim, &ours, why))
        return false;
    if (!ours)
        return sg_error_set(why, SG_ERROR_STORE, 0, "it was taken away");
    atomic_fetch_sub(&holders, 1);
    return sg_store_claim_drop(c->s, &claim, why);
}

static void *run_contender(void *arg)
{
    struct contender *c = arg;
    struct sg_error why = SG_ERROR_INIT;

    for (int i = 0; i < ROUNDS && c->trouble[0] == '\0'; i++)
        if (!contend(c, &why))
            snprintf(c->trouble, sizeof(c->trouble), "%.190s", why.text);
    return NULL;
}

static void let_contend(unsigned every, enum namenode_how how, bool of_the_dead)
{
    struct contender c[CONTENDERS] = { { .s = NULL } };
    struct sg_store_claim one;
    unsigned taken = 0;

    atomic_store(&holders, 0);
    atomic_store(&dead_told, 0);
    if (of_the_dead) {
        struct sg_store *a = open_on('a');

        assert_int_equal(take_as(a, "a", &one), SG_CLAIM_TAKEN);
        kill_store(a, &one);
        pass(LEASE_S + 1);
    }
    namenode_arm(nn, (struct namenode_fault){ .how = how, .at = 5, .every = every, .late = 1 });
    for (int i = 0; i < CONTENDERS; i++)
        c[i].s = open_on((char)('b' + i % 3));
    for (int i = 0; i < CONTENDERS; i++)
        assert_int_equal(pthread_create(&c[i].thread, NULL, run_contender, &c[i]), 0);
    for (int i = 0; i < CONTENDERS; i++)
        pthread_join(c[i].thread, NULL);
    for (int i = 0; i < CONTENDERS; i++) {
        assert_string_equal(c[i].trouble, "");
        taken += c[i].taken;
        sg_buf_done(&c[i].held);
        sg_store_free(c[i].s);
    }
    assert_true(taken > 0);
    assert_int_equal(atomic_load(&dead_told), of_the_dead);
    check_names(DIR, 0);
}

static void of_many_one_has_it(void **state)
{
    (void)state;
    let_contend(0, NAMENODE_FINE, false);
    let_contend(0, NAMENODE_FINE, true);
}

static void of_many_one_has_it_also_with_answers_lost(void **state)
{
    (void)state;
    let_contend(7, NAMENODE_AFTER, true);
    let_contend(7, NAMENODE_BEFORE, true);
    let_contend(7, NAMENODE_LATE, true);
}

/* ---- the same behind HttpFS ---- */

static void renames_that_heed_no_options_are_settled(void **state)
{
    namenode_plain_renames(nn);
    a_claim_is_taken_held_and_dropped(state);
    for (int dead = 0; dead < 2; dead++) {
        sweep(NAMENODE_FINE, 0, 0, dead);
        sweep(NAMENODE_AFTER, 0, 0, dead);
        sweep(NAMENODE_BEFORE, 0, 0, dead);
        sweep(NAMENODE_AFTER, 0, 7, dead); /* a try has as many requests as would be lost of 3 */
        for (unsigned late = 0; late < 4; late++)
            sweep(NAMENODE_LATE, late, 0, dead);
    }
}

static void of_many_one_has_it_where_options_are_not_heeded(void **state)
{
    (void)state;
    namenode_plain_renames(nn);
    let_contend(0, NAMENODE_FINE, false);
    let_contend(0, NAMENODE_FINE, true);
    let_contend(7, NAMENODE_AFTER, true);
    let_contend(7, NAMENODE_BEFORE, true);
    let_contend(7, NAMENODE_LATE, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(a_claim_is_taken_held_and_dropped),
        T(a_claim_costs_five_requests),
        T(a_claim_has_the_time_of_the_namenode),
        T(every_text_comes_back),
        T(a_once_node_is_named_by_its_stage),
        T(claims_are_listed_with_their_texts),
        T(a_silent_host_is_dead_after_its_lease_and_one_is_told),
        T(on_one_host_the_lock_tells),
        T(a_dead_claim_that_is_left_stays_dead),
        T(what_a_process_keeps_is_alive_when_its_run_has_ended),
        T(an_own_claim_gets_another_text),
        T(what_is_removed_or_taken_over_is_not_ours),
        T(an_empty_directory_is_no_claim),
        T(a_file_in_its_place_is_an_error),
        T(what_says_nothing_is_nobodys_when_it_is_old),
        T(who_is_silent_for_too_long_is_lost),
        T(who_holds_nothing_may_sleep),
        T(who_is_swept_away_with_a_claim_is_lost_at_once),
        T(a_heartbeat_is_one_request_whose_answer_may_be_lost),
        T(what_could_not_be_dropped_is_dropped_later),
        T(a_lost_answer_anywhere_is_settled),
        T(a_request_that_is_done_late_is_settled_anywhere),
        T(lost_answers_again_and_again_are_settled),
        T(of_many_one_has_it),
        T(of_many_one_has_it_also_with_answers_lost),
        T(renames_that_heed_no_options_are_settled),
        T(of_many_one_has_it_where_options_are_not_heeded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
