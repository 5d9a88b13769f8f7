/* A job that changes partitions which are none of its own, and what only looks like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "trial.h"

#define GRAPH                                                                                      \
    HEAD "[source landing]\npath = landing/${ds}/${HH}\nmarker = _DONE\n"                          \
         "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n"

/* The hours before `node` are made, the next day's first too; then its attempt is prepared. */
static void open_trial(struct trial *t, unsigned made, const char *node)
{
    char name[64];

    trial_open(t, GRAPH);
    world_at(&t->w, "2024-01-02T02:00:00Z");
    for (unsigned h = 0; h < made; h++) {
        (void)snprintf(name, sizeof(name), "a@2024-01-01T%02u", h);
        trial_make(t, name, "v1");
    }
    trial_make(t, "a@2024-01-02T00", "v1");
    trial_begin(t, node);
    assert_true(t->a->to_run);
}

enum deed {
    NOTHING,
    LOSE_ALL, /* the directory of T02 */
    LOSE_MARKER,
    FOREIGN, /* another tool's marker in its place */
    DAMAGED,
    COPY,          /* the marker of T01 there */
    LOSE_CLAIMED,  /* while another run works on it */
    LOSE_DEAD,     /* and a dead claim stays */
    MADE_AGAIN,    /* by another attempt, meanwhile */
    FAILED,        /* by another attempt of this run, which failed */
    LOSE_OWN_DATA, /* of its own output */
    LOSE_FAR,      /* T00 */
    LOSE_OTHER_DAY
};

static void fail_meanwhile(struct trial *t, const char *node)
{
    struct sg_attempt *other;

    t->forced = true;
    other = trial_attempt(t, node, 1, 1);
    t->forced = false;
    assert_true(other->to_run);
    trial_finish(other, SG_RESULT_FAILED, "exit 3");
    sg_attempt_free(other);
}

static void make_meanwhile(struct trial *t, const char *node)
{
    struct sg_attempt *other;

    t->forced = true;
    other = trial_attempt(t, node, 1, 1);
    t->forced = false;
    scratch_write(&t->w.scratch, "store/a/2024-01-01/02/part-0", "v2");
    trial_finish(other, SG_RESULT_OK, "");
    assert_int_equal(other->members[0].result, SG_RESULT_OK);
    sg_attempt_free(other);
}

static void do_it(struct trial *t, enum deed what)
{
    static const char marker[] = "store/a/2024-01-01/02/_SUCCESS";
    char *text;

    switch (what) {
    case NOTHING:
        break;
    case LOSE_ALL:
        world_lose(&t->w, "a@2024-01-01T02");
        break;
    case LOSE_CLAIMED:
    case LOSE_DEAD:
    case LOSE_MARKER:
        if (what != LOSE_MARKER)
            world_claim(&t->w, "a@2024-01-01T02", "other", 1, what == LOSE_CLAIMED);
        assert_int_equal(unlink(scratch_path(&t->w.scratch, marker)), 0);
        break;
    case FOREIGN:
    case DAMAGED:
        assert_int_equal(unlink(scratch_path(&t->w.scratch, marker)), 0);
        scratch_write(&t->w.scratch, marker, what == FOREIGN ? "" : "{\"stagegraph\":1,");
        break;
    case COPY:
        text = scratch_read(&t->w.scratch, "store/a/2024-01-01/01/_SUCCESS", NULL);
        scratch_write(&t->w.scratch, marker, text);
        free(text);
        break;
    case MADE_AGAIN:
        make_meanwhile(t, "a@2024-01-01T02");
        break;
    case FAILED:
        fail_meanwhile(t, "a@2024-01-01T02");
        break;
    case LOSE_OWN_DATA:
        world_lose(&t->w, "a@2024-01-01T13");
        scratch_write(&t->w.scratch, "store/a/2024-01-01/13/part-1", "v1");
        break;
    case LOSE_FAR:
        world_lose(&t->w, "a@2024-01-01T00");
        break;
    case LOSE_OTHER_DAY:
        world_lose(&t->w, "a@2024-01-02T00");
        break;
    }
}

static void a_job_that_changes_its_neighbours_is_a_trespasser(void **state)
{
    static const struct {
        const char *label;
        enum deed what;
        const char *over; /* what it overwrote, NULL */
    } rows[] = {
        { "nothing happens", NOTHING, NULL },
        { "a neighbour is gone", LOSE_ALL, "a@2024-01-01T02" },
        { "a neighbour's marker is gone", LOSE_MARKER, "a@2024-01-01T02" },
        { "a neighbour has another tool's marker", FOREIGN, "a@2024-01-01T02" },
        { "a neighbour's marker is cut short", DAMAGED, "a@2024-01-01T02" },
        { "a neighbour has a third one's marker", COPY, "a@2024-01-01T02" },
        { "another run works on it", LOSE_CLAIMED, NULL },
        { "another run has died over it", LOSE_DEAD, NULL },
        { "another attempt has made it again", MADE_AGAIN, NULL },
        { "another attempt of the run has failed", FAILED, NULL },
        { "it clears its own output", LOSE_OWN_DATA, NULL },
        { "one far away is gone", LOSE_FAR, "a@2024-01-01T00" },
        { "one in another directory is gone", LOSE_OTHER_DAY, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        atomic_uchar gone[200] = { 0 };
        struct trial t;
        char why[100];

        open_trial(&t, 13, "a@2024-01-01T13");
        assert_in_range(sg_plan_nodes(t.w.plan), 1, 200);
        t.run.gone = gone;
        trial_work(&t, "v1");
        do_it(&t, rows[i].what);
        trial_end(&t, SG_RESULT_OK);
        if (trial_result(&t) != (rows[i].over ? SG_RESULT_TRESPASS : SG_RESULT_OK))
            fail_msg("%s: %s %s", rows[i].label, sg_result_name(trial_result(&t)), trial_why(&t));
        if (rows[i].over) {
            (void)snprintf(why, sizeof(why), "the marker of %s is gone: the job overwrote it",
                           rows[i].over);
            assert_string_equal(trial_why(&t), why);
            assert_false(scratch_has(&t.w.scratch, "store/a/2024-01-01/13/_SUCCESS"));
        }
        assert_false(scratch_has(&t.w.scratch, "store/_stagegraph/claims/a/2024-01-01T13"));
        trial_close(&t);
    }
}

/* What this run has made, or failed to make, before a job began is watched like the rest. */
static void what_the_run_made_itself_is_watched_too(void **state)
{
    atomic_uchar gone[200] = { 0 };
    struct trial t;

    (void)state;
    open_trial(&t, 2, "a@2024-01-01T02");
    t.run.gone = gone;
    trial_end(&t, SG_RESULT_FAILED);
    trial_make(&t, "a@2024-01-01T02", "v1"); /* the second try */
    trial_begin(&t, "a@2024-01-01T03");
    trial_work(&t, "v1");
    world_lose(&t.w, "a@2024-01-01T02");
    trial_end(&t, SG_RESULT_OK);
    assert_result(&t, SG_RESULT_TRESPASS);
    trial_close(&t);
}

static void partitions_that_were_not_there_are_not_missed(void **state)
{
    struct trial t;

    (void)state;
    open_trial(&t, 0, "a@2024-01-01T05");
    scratch_write(&t.w.scratch, "store/a/2024-01-01/04/part-0", "without a marker");
    trial_work(&t, "v1");
    world_lose(&t.w, "a@2024-01-01T04");
    trial_end(&t, SG_RESULT_OK);
    assert_result(&t, SG_RESULT_OK);
    assert_int_equal(t.a->n_siblings, 0);
    trial_close(&t);
}

static void a_store_that_fails_to_tell_is_no_trespass(void **state)
{
    struct trial t;

    (void)state;
    open_trial(&t, 3, "a@2024-01-01T03");
    trial_work(&t, "v1");
    sg_fake_store_arm(t.fake, (struct sg_fault){ .call = "stat", .path = "/02/_SUCCESS", .at = 1 });
    trial_end(&t, SG_RESULT_OK);
    assert_result(&t, SG_RESULT_FAILED);
    assert_non_null(strstr(trial_why(&t), "look at the neighbours again"));
    trial_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_changes_its_neighbours_is_a_trespasser),
        cmocka_unit_test(what_the_run_made_itself_is_watched_too),
        cmocka_unit_test(partitions_that_were_not_there_are_not_missed),
        cmocka_unit_test(a_store_that_fails_to_tell_is_no_trespass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
