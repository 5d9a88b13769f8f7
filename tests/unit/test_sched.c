#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stagegraph/buf.h"
#include "stagegraph/sched.h"

#include "sched_story.h"

/* ---- needs */

static void a_job_starts_when_its_own_needs_are_done_without_barriers(void **state)
{
    (void)state;
    sg_story_check("-j 2\n"
                   "bronze1:\n"
                   "bronze2:\n"
                   "silver1: bronze1\n"
                   "silver2: bronze2 silver1\n"
                   "gold1: silver1 silver2\n",
                   "go => start bronze1, start bronze2, wait\n"
                   "bronze1 ok => bronze1 ok, start silver1, wait\n"
                   "silver1 ok => silver1 ok, wait\n"
                   "bronze2 ok => bronze2 ok, start silver2, wait\n"
                   "silver2 ok => silver2 ok, start gold1, wait\n"
                   "gold1 ok => gold1 ok, over\n"
                   "go => over\n");
}

static void without_jobs_it_is_over(void **state)
{
    (void)state;
    sg_story_check("-j 2\n", "go => over\ninterrupt => over\n");
}

static void ranks_order_what_is_ready_and_numbers_break_ties(void **state)
{
    (void)state;
    sg_story_check("a1 rank=5:\n"
                   "b1 rank=-3:\n"
                   "a2 rank=5:\n"
                   "b2 rank=9: b1\n"
                   "b3 rank=1: a1\n",
                   "go => start b1, wait\n"
                   "b1 ok => b1 ok, start a1, wait\n"
                   "a1 ok => a1 ok, start b3, wait\n"
                   "b3 ok => b3 ok, start a2, wait\n"
                   "a2 ok => a2 ok, start b2, wait\n"
                   "b2 ok => b2 ok, over\n");
}

static void of_one_rank_the_stage_with_the_longest_way_to_the_end_goes_first(void **state)
{
    (void)state;
    sg_story_check("stage a tail=10\n"
                   "stage b tail=90\n"
                   "stage c tail=40\n"
                   "a1 rank=1:\n"
                   "b1 rank=1:\n"
                   "c1 rank=1:\n"
                   "b2 rank=2:\n"
                   "a2 rank=2:\n",
                   "go => start b1, wait\n"
                   "b1 ok => b1 ok, start c1, wait\n"
                   "c1 ok => c1 ok, start a1, wait\n"
                   "a1 ok => a1 ok, start b2, wait\n"
                   "b2 ok => b2 ok, start a2, wait\n"
                   "a2 ok => a2 ok, over\n");
}

static void a_failed_need_blocks_at_once_all_that_requires_it(void **state)
{
    (void)state;
    sg_story_check("-j 2\n"
                   "bronze1:\n"
                   "bronze2:\n"
                   "silver1: bronze1 bronze2\n"
                   "gold1: silver1\n"
                   "gold2: bronze2\n"
                   "report1: gold1 gold2\n",
                   "go => start bronze1, start bronze2, wait\n"
                   "bronze1 failed => bronze1 failed, silver1 blocked by bronze1, gold1 blocked by "
                   "bronze1, report1 blocked by bronze1, wait\n"
                   "bronze2 ok => bronze2 ok, start gold2, wait\n"
                   "gold2 ok => gold2 ok, over\n");
}

static void an_optional_need_is_waited_for_and_may_fail(void **state)
{
    (void)state;
    sg_story_check("-j 4\n"
                   "a1:\n"
                   "b1:\n"
                   "c1: a1? b1\n"
                   "d1: a1\n"
                   "e1: d1? b1\n"
                   "f1: e1\n",
                   "go => start a1, start b1, wait\n"
                   "b1 ok => b1 ok, wait\n"
                   "a1 timeout => a1 timeout, d1 blocked by a1, start c1, start e1, wait\n"
                   "e1 unchanged => e1 unchanged, start f1, wait\n"
                   "c1 ok => c1 ok, wait\n"
                   "f1 completed => f1 completed, over\n");
}

static void behind_a_busy_job_all_that_requires_it_is_busy(void **state)
{
    (void)state;
    sg_story_check("-j 2\n"
                   "a1:\n"
                   "b1: a1\n"
                   "c1: b1\n"
                   "d1: b1?\n"
                   "e1: c1? d1\n",
                   "go => start a1, wait\n"
                   "a1 busy => a1 busy, b1 busy by a1, c1 busy by a1, start d1, wait\n"
                   "d1 ok => d1 ok, start e1, wait\n"
                   "e1 ok => e1 ok, over\n");
}

static void an_attempt_that_lacks_an_input_blocks_its_job(void **state)
{
    (void)state;
    sg_story_check("-k 1\n"
                   "stage a retries=3\n"
                   "a1:\n"
                   "b1: a1\n"
                   "c1:\n",
                   "go => start a1, wait\n"
                   "a1 blocked => a1 blocked, b1 blocked by a1, start c1, wait\n"
                   "c1 interrupted => c1 interrupted, over\n");
}

static void the_first_need_that_is_lost_says_how(void **state)
{
    (void)state;
    sg_story_check("-j 2\n"
                   "a1:\n"
                   "a2:\n"
                   "b1: a1 a2\n"
                   "b2: a2 a1\n",
                   "go => start a1, start a2, wait\n"
                   "a2 busy => a2 busy, b1 busy by a2, b2 busy by a2, wait\n"
                   "a1 failed => a1 failed, over\n");
}

/* ---- attempts */

static void retries_wait_twice_as_long_each_time_without_slot_or_pool(void **state)
{
    (void)state;
    sg_story_check("pool yarn size=1\n"
                   "stage a retries=2 backoff=30 pool=yarn\n"
                   "stage b pool=yarn\n"
                   "a1:\n"
                   "b1:\n"
                   "b2:\n"
                   "c1: a1\n",
                   "go => start a1, wait\n"
                   "a1 failed => retry a1 failed at 30s, start b1, wait\n"
                   "b1 ok => b1 ok, start b2, wait\n"
                   "+29s => wait\n"
                   "b2 ok => b2 ok, wait until 30s\n"
                   "+1s => start a1 #2, wait\n"
                   "a1 oom => retry a1 oom at 90s, wait until 90s\n"
                   "+60s => start a1 #3, wait\n"
                   "a1 check_failed => a1 check_failed, c1 blocked by a1, over\n");
}

static void no_backoff_is_longer_than_ten_minutes(void **state)
{
    (void)state;
    sg_story_check("stage a retries=9 backoff=400\n"
                   "stage b retries=9 backoff=7000\n"
                   "stage c retries=9\n"
                   "a1:\n"
                   "b1: a1\n"
                   "c1: b1\n",
                   "go => start a1, wait\n"
                   "a1 failed => retry a1 failed at 400s, wait until 400s\n"
                   "+400s => start a1 #2, wait\n"
                   "a1 failed => retry a1 failed at 1000s, wait until 1000s\n"
                   "+600s => start a1 #3, wait\n"
                   "a1 ok => a1 ok, start b1, wait\n"
                   "b1 failed => retry b1 failed at 1600s, wait until 1600s\n"
                   "+600s => start b1 #2, wait\n"
                   "b1 ok => b1 ok, start c1, wait\n"
                   "c1 failed => retry c1 failed at 1600s, start c1 #2, wait\n"
                   "c1 ok => c1 ok, over\n");
}

static void a_job_that_comes_back_from_backoff_takes_its_rank_again(void **state)
{
    (void)state;
    sg_story_check("stage a retries=1 backoff=10\n"
                   "a1:\n"
                   "a2:\n"
                   "a3:\n",
                   "go => start a1, wait\n"
                   "a1 failed => retry a1 failed at 10s, start a2, wait\n"
                   "+10s => wait\n"
                   "a2 ok => a2 ok, start a1 #2, wait\n"
                   "a1 ok => a1 ok, start a3, wait\n"
                   "a3 ok => a3 ok, over\n");
}

static void a_retry_may_be_forbidden(void **state)
{
    (void)state;
    sg_story_check("stage a retries=5\n"
                   "a1:\n"
                   "b1: a1\n",
                   "go => start a1, wait\n"
                   "a1 timeout, no retry => a1 timeout, b1 blocked by a1, over\n");
}

static void an_input_that_moved_gives_one_more_try_and_only_one(void **state)
{
    (void)state;
    sg_story_check("stage a backoff=5\n"
                   "stage b backoff=5 retries=1\n"
                   "a1:\n"
                   "b1: a1?\n",
                   "go => start a1, wait\n"
                   "a1 input_moved => retry a1 input_moved at 0s, start a1 #2, wait\n"
                   "a1 input_moved => a1 input_moved, start b1, wait\n"
                   "b1 input_moved => retry b1 input_moved at 0s, start b1 #2, wait\n"
                   "b1 input_moved => retry b1 input_moved at 10s, wait until 10s\n"
                   "+10s => start b1 #3, wait\n"
                   "b1 failed => b1 failed, over\n");
}

/* ---- what stops a stage, or the run */

static void a_trespass_stops_its_stage_at_once(void **state)
{
    (void)state;
    sg_story_check(
        "-j 2\n"
        "stage a retries=3\n"
        "a1:\n"
        "a2:\n"
        "a3:\n"
        "b1: a3\n"
        "b2: a2\n",
        "go => start a1, start a2, wait\n"
        "a1 trespass => a1 trespass, stage a stopped, a3 blocked (a1 stopped the stage), "
        "b1 blocked by a1, wait\n"
        "a2 failed => a2 failed, b2 blocked by a2, over\n");
}

static void so_many_failures_in_a_row_stop_a_stage(void **state)
{
    (void)state;
    sg_story_check(
        "-j 2\n"
        "stage a breaker=2\n"
        "a1:\n"
        "a2:\n"
        "a3:\n"
        "a4:\n"
        "a5:\n"
        "b1:\n"
        "b2: a5?\n"
        "a6: b1\n",
        "go => start a1, start a2, wait\n"
        "a1 failed => a1 failed, start a3, wait\n"
        "a2 ok => a2 ok, start a4, wait\n"
        "a3 failed => a3 failed, start a5, wait\n"
        "a4 unchanged => a4 unchanged, start b1, wait\n"
        "a5 timeout => a5 timeout, stage a stopped, a6 blocked (a5 stopped the stage), start "
        "b2, wait\n"
        "b1 ok => b1 ok, wait\n"
        "b2 ok => b2 ok, over\n");
    sg_story_check(
        "-j 2\n"
        "stage a breaker=2\n"
        "a1:\n"
        "a2:\n"
        "a3:\n"
        "a4: a3\n"
        "b1: a4?\n",
        "go => start a1, start a2, wait\n"
        "a1 failed => a1 failed, start a3, wait\n"
        "a2 failed => a2 failed, stage a stopped, a4 blocked (a2 stopped the stage), start "
        "b1, wait\n"
        "a3 ok => a3 ok, wait\n"
        "b1 ok => b1 ok, over\n");
}

static void a_stopped_stage_drops_its_retries(void **state)
{
    (void)state;
    sg_story_check("-j 3\n"
                   "stage a breaker=1 retries=1 backoff=10\n"
                   "a1:\n"
                   "a2:\n"
                   "a3:\n",
                   "go => start a1, start a2, start a3, wait\n"
                   "a1 failed => retry a1 failed at 10s, wait until 10s\n"
                   "a2 failed, no retry => a2 failed, stage a stopped, a1 blocked (a2 stopped the "
                   "stage), wait\n"
                   "a3 failed => a3 failed, over\n");
}

static void after_so_many_failed_jobs_nothing_new_starts(void **state)
{
    (void)state;
    sg_story_check("-j 3\n"
                   "-k 2\n"
                   "stage a retries=1 backoff=10\n"
                   "a1:\n"
                   "b1:\n"
                   "b2:\n"
                   "c1: b1\n"
                   "c2: b2\n"
                   "d1:\n"
                   "e1: a1 d1\n",
                   "go => start a1, start b1, start b2, wait\n"
                   "b1 failed => b1 failed, c1 blocked by b1, start d1, wait\n"
                   "d1 failed => d1 failed, e1 blocked by d1, c2 blocked (enough), wait\n"
                   "a1 failed => a1 failed, wait\n"
                   "b2 ok => b2 ok, over\n");
}

static void an_interrupt_stops_what_runs_and_ends_the_rest(void **state)
{
    (void)state;
    sg_story_check(
        "-j 2\n"
        "stage b retries=1 backoff=10\n"
        "stage c retries=1\n"
        "a1:\n"
        "b1:\n"
        "c1:\n"
        "d1: a1\n",
        "go => start a1, start b1, wait\n"
        "b1 failed => retry b1 failed at 10s, start c1, wait\n"
        "interrupt => stop a1, stop c1, b1 interrupted (not running), d1 interrupted (not "
        "running), wait\n"
        "a1 ok => a1 ok, wait\n"
        "interrupt => kill c1, wait\n"
        "interrupt => wait\n"
        "c1 failed => c1 failed, over\n");
}

static void an_interrupt_after_enough_failures_stops_what_still_runs(void **state)
{
    (void)state;
    sg_story_check("-j 2\n"
                   "-k 1\n"
                   "a1:\n"
                   "a2:\n"
                   "a3:\n",
                   "go => start a1, start a2, wait\n"
                   "a1 failed => a1 failed, a3 blocked (enough), wait\n"
                   "interrupt => stop a2, wait\n"
                   "a2 interrupted => a2 interrupted, over\n");
}

static void what_was_not_told_yet_gives_way_to_an_interrupt(void **state)
{
    struct sg_story *t = sg_story_read("-j 4\n"
                                       "stage a retries=1 backoff=10\n"
                                       "a1:\n"
                                       "b1:\n"
                                       "c1:\n"
                                       "d1:\n");
    struct sg_buf actions = SG_BUF_INIT;

    (void)state;
    sg_story_begin(t);
    sg_story_ask(t, &actions);
    sg_story_happen(t, "a1 failed"); /* its retry is dropped before it was told */
    sg_story_happen(t, "b1 ok");
    sg_story_happen(t, "interrupt");
    sg_story_happen(t, "c1 ok"); /* ended by itself before it was told to stop */
    sg_story_ask(t, &actions);
    assert_string_equal(sg_buf_text(&actions),
                        "stop d1, b1 ok, a1 interrupted (not running), c1 ok, wait");
    sg_story_happen(t, "d1 interrupted");
    sg_story_ask(t, &actions);
    assert_string_equal(sg_buf_text(&actions), "d1 interrupted, over");
    sg_buf_done(&actions);
    sg_story_free(t);
}

static void while_suspended_nothing_starts(void **state)
{
    (void)state;
    sg_story_check("-j 2\n"
                   "stage a retries=1 backoff=10\n"
                   "a1:\n"
                   "b1:\n"
                   "b2: b1\n",
                   "go => start a1, start b1, wait\n"
                   "suspend => wait\n"
                   "a1 failed => retry a1 failed at 10s, wait\n"
                   "b1 ok => b1 ok, wait\n"
                   "+10s => wait\n"
                   "resume => start a1 #2, start b2, wait\n"
                   "suspend => wait\n"
                   "interrupt => stop a1, stop b2, wait\n"
                   "a1 interrupted => a1 interrupted, wait\n"
                   "b2 interrupted => b2 interrupted, over\n");
}

/* ---- slots, pools, exclusive stages */

static void a_full_pool_lets_others_pass(void **state)
{
    (void)state;
    sg_story_check("-j 3\n"
                   "pool yarn size=1\n"
                   "stage a pool=yarn\n"
                   "stage b pool=yarn\n"
                   "a1:\n"
                   "a2:\n"
                   "b1:\n"
                   "c1:\n"
                   "c2: a1\n",
                   "go => start a1, start c1, wait\n"
                   "a1 ok => a1 ok, start a2, start c2, wait\n"
                   "c1 ok => c1 ok, wait\n"
                   "a2 ok => a2 ok, start b1, wait\n"
                   "b1 ok => b1 ok, wait\n"
                   "c2 ok => c2 ok, over\n");
}

static void memory_is_shared_out_and_a_large_job_is_not_overtaken(void **state)
{
    (void)state;
    sg_story_check("-j 9\n"
                   "pool big memory=8\n"
                   "stage a pool=big memory=3\n"
                   "stage b pool=big memory=6\n"
                   "stage c pool=big\n"
                   "a1:\n"
                   "a2:\n"
                   "b1:\n"
                   "c1:\n"
                   "a3:\n"
                   "d1:\n",
                   "go => start a1, start a2, start d1, wait\n"
                   "a1 ok => a1 ok, wait\n"
                   "a2 ok => a2 ok, start b1, start c1, wait\n"
                   "b1 ok => b1 ok, start a3, wait\n"
                   "c1 ok => c1 ok, wait\n"
                   "d1 ok => d1 ok, wait\n"
                   "a3 ok => a3 ok, over\n");
}

static void a_job_larger_than_its_pool_runs_alone_in_it(void **state)
{
    (void)state;
    sg_story_check("-j 9\n"
                   "pool big memory=8\n"
                   "stage a pool=big memory=1\n"
                   "stage b pool=big memory=20\n"
                   "stage c pool=big\n"
                   "a1:\n"
                   "b1:\n"
                   "b2:\n"
                   "c1:\n"
                   "d1:\n",
                   "go => start a1, start d1, wait\n"
                   "a1 ok => a1 ok, start b1, wait\n"
                   "b1 ok => b1 ok, start b2, wait\n"
                   "b2 ok => b2 ok, start c1, wait\n"
                   "c1 ok => c1 ok, wait\n"
                   "d1 ok => d1 ok, over\n");
}

static void jobs_that_take_room_wait_for_it_in_order_and_others_go_on(void **state)
{
    (void)state;
    sg_story_check("-j 9\n"
                   "-m 8\n"
                   "pool yarn size=2\n"
                   "stage a room=3\n"
                   "stage b room=6 pool=yarn\n"
                   "stage c pool=yarn\n"
                   "a1:\n"
                   "a2:\n"
                   "b1:\n"
                   "c1:\n"
                   "a3:\n"
                   "d1:\n",
                   "go => start a1, start a2, start c1, start d1, wait\n"
                   "a1 ok => a1 ok, wait\n"
                   "d1 ok => d1 ok, wait\n"
                   "a2 ok => a2 ok, start b1, wait\n"
                   "b1 ok => b1 ok, start a3, wait\n"
                   "c1 ok => c1 ok, wait\n"
                   "a3 ok => a3 ok, over\n");
}

static void a_job_larger_than_all_the_room_runs_alone_among_those_that_take_some(void **state)
{
    (void)state;
    sg_story_check("-j 9\n"
                   "-m 8\n"
                   "stage a room=1\n"
                   "stage b room=20\n"
                   "b1:\n"
                   "a1:\n"
                   "b2:\n"
                   "c1:\n",
                   "go => start b1, start c1, wait\n"
                   "b1 ok => b1 ok, start a1, wait\n"
                   "a1 ok => a1 ok, start b2, wait\n"
                   "c1 ok => c1 ok, wait\n"
                   "b2 ok => b2 ok, over\n");
}

static void an_exclusive_stage_runs_one_job_and_holds_up_nobody_else(void **state)
{
    (void)state;
    sg_story_check("-j 9\n"
                   "pool yarn size=2\n"
                   "stage a pool=yarn exclusive\n"
                   "stage b pool=yarn\n"
                   "a1:\n"
                   "a2:\n"
                   "b1:\n"
                   "b2:\n",
                   "go => start a1, start b1, wait\n"
                   "b1 ok => b1 ok, start b2, wait\n"
                   "a1 ok => a1 ok, start a2, wait\n"
                   "a2 ok => a2 ok, wait\n"
                   "b2 ok => b2 ok, over\n");
}

static void a_start_taken_back_holds_its_stage(void **state)
{
    (void)state;
    sg_story_check("-j 2\n"
                   "stage a retries=1\n"
                   "a1:\n"
                   "a2:\n"
                   "b1:\n"
                   "b2:\n",
                   "go => start a1, start a2, wait\n"
                   "hold a1 5s => start b1, wait\n"
                   "hold a2 7s => start b2, wait\n"
                   "b1 ok => b1 ok, wait until 7s\n"
                   "b2 ok => b2 ok, wait until 7s\n"
                   "+5s => wait until 7s\n"
                   "+2s => start a1, start a2, wait\n"
                   "hold a2 9s => wait until 16s\n"
                   "hold a1 1s => wait until 16s\n"
                   "+9s => start a1, start a2, wait\n"
                   "a1 failed => retry a1 failed at 16s, start a1 #2, wait\n"
                   "a1 ok => a1 ok, wait\n"
                   "a2 ok => a2 ok, over\n");
}

static void a_start_put_off_leaves_its_stage_alone(void **state)
{
    (void)state;
    sg_story_check("stage a retries=1 backoff=30\n"
                   "a1:\n"
                   "a2:\n",
                   "go => start a1, wait\n"
                   "put off a1 60s => start a2, wait\n"
                   "a2 ok => a2 ok, wait until 60s\n"
                   "+60s => start a1, wait\n"
                   "a1 failed => retry a1 failed at 90s, wait until 90s\n"
                   "+30s => start a1 #2, wait\n"
                   "put off a1 1s => wait until 91s\n"
                   "+1s => start a1 #2, wait\n"
                   "a1 ok => a1 ok, over\n");
}

static void a_start_taken_back_from_a_stopped_stage_or_run_is_the_end_of_its_job(void **state)
{
    (void)state;
    sg_story_check("-j 3\n"
                   "a1:\n"
                   "a2:\n"
                   "b1: a2\n"
                   "c1:\n",
                   "go => start a1, start a2, start c1, wait\n"
                   "a1 trespass => a1 trespass, stage a stopped, wait\n"
                   "hold a2 5s => a2 blocked (a1 stopped the stage), b1 blocked by a1, wait\n"
                   "interrupt => stop c1, wait\n"
                   "put off c1 5s => c1 interrupted (not running), over\n");
    sg_story_check("-j 2\n"
                   "-k 1\n"
                   "a1:\n"
                   "a2:\n",
                   "go => start a1, start a2, wait\n"
                   "a1 failed => a1 failed, wait\n"
                   "put off a2 5s => a2 blocked (enough), over\n");
}

/* ---- promises broken, and size */

static void check_refused(const char *graph, const char *why)
{
    struct sg_story *t = sg_story_read(graph);
    struct sg_error err = SG_ERROR_INIT;

    assert_false(sg_sched_new(&t->config, &t->sched, &err));
    assert_null(t->sched);
    assert_int_equal(err.code, SG_ERROR_BUG);
    assert_string_equal(err.text, why);
    sg_story_free(t);
}

static void what_can_never_end_is_refused(void **state)
{
    struct sg_story *t = sg_story_read("a1:\nb1: a1\nc1: b1\nd1: c1\n");
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    t->edges[t->n_edges++] = (struct sg_story_edge){ .need = 2, .user = 1 };
    assert_false(sg_sched_new(&t->config, &t->sched, &err));
    assert_int_equal(err.code, SG_ERROR_BUG);
    assert_string_equal(err.text, "the scheduler: job 1 waits for itself");
    t->n_edges--;
    t->edges[t->n_edges++] = (struct sg_story_edge){ .need = 99, .user = 1 };
    assert_false(sg_sched_new(&t->config, &t->sched, &err));
    assert_string_equal(err.text, "the scheduler: job 1 needs [99, 100) of 4 jobs");
    sg_story_free(t);
    check_refused("-j 0\na1:\n", "the scheduler: 0 slots, keep_going 0");
    check_refused("stage a retries=-1\na1:\n", "the scheduler: the settings of stage 0");
    check_refused("stage a pool=nowhere memory=-1\na1:\n",
                  "the scheduler: the settings of stage 0");
    check_refused("pool p size=-1\n", "the scheduler: the limits of pool 0");
}

static void an_end_of_what_does_not_run_is_a_bug_of_the_callers(void **state)
{
    struct sg_story *t = sg_story_read("a1:\nb1: a1\n");
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf actions = SG_BUF_INIT;

    (void)state;
    sg_story_begin(t);
    sg_story_ask(t, &actions);
    assert_false(sg_sched_result(t->sched, t->now, 2, SG_RESULT_OK, false, &err));
    assert_false(sg_sched_result(t->sched, t->now, 0, SG_RESULT_NONE, false, &err));
    assert_false(sg_sched_postpone(t->sched, 2, t->now, &err));
    assert_false(sg_sched_result(t->sched, t->now, 1, SG_RESULT_OK, false, &err));
    assert_int_equal(err.code, SG_ERROR_BUG);
    assert_string_equal(err.text, "the scheduler: job 1 is waiting, and ended");
    /* From then on it is told at each end, but the run can still be brought to its own. */
    assert_false(sg_sched_result(t->sched, t->now, 0, SG_RESULT_OK, false, &err));
    assert_string_equal(err.text, "the scheduler: job 1 is waiting, and ended");
    sg_story_ask(t, &actions);
    assert_string_equal(sg_buf_text(&actions), "a1 ok, start b1, wait");
    sg_buf_done(&actions);
    sg_story_free(t);
}

static void counts_add_up(void **state)
{
    struct sg_story *t = sg_story_read("-j 2\n"
                                       "stage r retries=1 backoff=9\n"
                                       "r1:\n"
                                       "a1:\n"
                                       "b1: a1\n"
                                       "c1:\n"
                                       "c2:\n"
                                       "c3:\n"
                                       "d1: c1\n");
    struct sg_buf actions = SG_BUF_INIT;
    struct sg_sched_counts n;

    (void)state;
    sg_story_begin(t);
    sg_story_ask(t, &actions);
    sg_story_happen(t, "r1 failed");
    sg_story_happen(t, "a1 failed");
    sg_story_ask(t, &actions);
    sg_story_happen(t, "c1 ok");
    sg_sched_count(t->sched, &n);
    assert_int_equal(n.waiting, 1); /* r1 */
    assert_int_equal(n.ready, 2);   /* c3 d1 */
    assert_int_equal(n.running, 1); /* c2 */
    assert_int_equal(n.done, 1);    /* c1 */
    assert_int_equal(n.failed, 1);  /* a1 */
    assert_int_equal(n.blocked, 1); /* b1 */
    sg_buf_done(&actions);
    sg_story_free(t);
}

struct chain {
    uint32_t n;
};

static bool before_in_chain(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    (void)ctx;
    *ret = (struct sg_sched_edge){ job - 1, job, false };
    return k == 0 && job > 0;
}

static bool behind_in_chain(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    const struct chain *c = ctx;

    *ret = (struct sg_sched_edge){ job + 1, job + 2, false };
    return k == 0 && job + 1 < c->n;
}

/* Recursion would need a stack as deep as the chain. */
static void a_long_chain_is_blocked_by_its_first_job(void **state)
{
    struct chain chain = { .n = 1000000 };
    struct sg_sched_job *jobs = calloc(chain.n, sizeof(*jobs));
    struct sg_sched_stage stage = { .pool = UINT32_MAX };
    struct sg_sched_config config = { .jobs = jobs,
                                      .n_jobs = chain.n,
                                      .stages = &stage,
                                      .n_stages = 1,
                                      .needs = before_in_chain,
                                      .users = behind_in_chain,
                                      .ctx = &chain,
                                      .slots = 4 };
    struct sg_mono now = { .ns = 0 };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_sched *s;
    struct sg_action a;

    (void)state;
    assert_non_null(jobs);
    assert_true(sg_sched_new(&config, &s, &err));
    sg_sched_next(s, now, &a);
    assert_int_equal(a.kind, SG_ACT_START);
    sg_sched_next(s, now, &a);
    assert_int_equal(a.kind, SG_ACT_WAIT);
    assert_true(sg_sched_result(s, now, 0, SG_RESULT_FAILED, false, &err));
    for (uint32_t i = 0; i < chain.n; i++) {
        sg_sched_next(s, now, &a);
        assert_int_equal(a.kind, SG_ACT_DONE);
        assert_int_equal(a.job, i);
        assert_int_equal(a.result, i == 0 ? SG_RESULT_FAILED : SG_RESULT_BLOCKED);
        assert_int_equal(a.because, i == 0 ? UINT32_MAX : 0);
    }
    sg_sched_next(s, now, &a);
    assert_int_equal(a.kind, SG_ACT_OVER);
    sg_sched_free(s);
    free(jobs);
}

/* Two layers; each job of the second needs `window` of the first, up to the one of its place. */
enum first_layer { FREE, CHAIN, BEHIND_ONE };
struct windows {
    uint32_t width, window;
    enum first_layer first; /* what it needs: nothing; the one before; the one behind both layers */
    uint64_t n_asked;       /* edges */
};

static bool before_in_window(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    struct windows *w = ctx;
    uint32_t place = job % w->width;

    w->n_asked++;
    if (k > 0 || job == 2 * w->width)
        return false;
    if (job < w->width && w->first == BEHIND_ONE)
        *ret = (struct sg_sched_edge){ 2 * w->width, 2 * w->width + 1, false };
    else if (job < w->width)
        *ret = (struct sg_sched_edge){ place == 0 ? 0 : place - 1, place, false };
    else
        *ret = (struct sg_sched_edge){ place < w->window ? 0 : place + 1 - w->window, place + 1,
                                       false };
    return job >= w->width || w->first != FREE;
}

static bool behind_in_window(void *ctx, uint32_t job, uint32_t k, struct sg_sched_edge *ret)
{
    struct windows *w = ctx;
    uint32_t end = w->width - job < w->window ? w->width : job + w->window;

    w->n_asked++;
    if (job == 2 * w->width) {
        *ret = (struct sg_sched_edge){ 0, w->width, false };
        return k == 0 && w->first == BEHIND_ONE;
    }
    if (k == 0)
        *ret = (struct sg_sched_edge){ w->width + job, w->width + end, false };
    else
        *ret = (struct sg_sched_edge){ job + 1, job + 1 < w->width ? job + 2 : job + 1, false };
    return job < w->width && k < (w->first == CHAIN ? 2U : 1U);
}

/* fails: all jobs of the first layer do. Returns how many edges were asked for. */
static uint64_t go_through_windows(bool newest_first, bool fails, enum first_layer first)
{
    struct windows w = { .width = 20000, .window = 5000, .first = first };
    struct sg_sched_job *jobs = calloc(2 * w.width + 1, sizeof(*jobs));
    struct sg_sched_stage stages[3] = { { .pool = UINT32_MAX },
                                        { .pool = UINT32_MAX },
                                        { .pool = UINT32_MAX } };
    struct sg_sched_config config = { .jobs = jobs,
                                      .n_jobs = 2 * w.width + 1,
                                      .stages = stages,
                                      .n_stages = 3,
                                      .needs = before_in_window,
                                      .users = behind_in_window,
                                      .ctx = &w,
                                      .slots = 1 };
    struct sg_mono now = { .ns = 0 };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_action a = { .kind = SG_ACT_WAIT };
    uint32_t n_first = 0, n_done = 0, n_blocked = 0;
    struct sg_sched *s;

    assert_non_null(jobs);
    for (uint32_t i = 0; i < config.n_jobs; i++) {
        int64_t place = i % w.width;

        jobs[i] =
            (struct sg_sched_job){ .stage = i / w.width, .rank = newest_first ? -place : place };
    }
    assert_true(sg_sched_new(&config, &s, &err));
    while (a.kind != SG_ACT_OVER) {
        sg_sched_next(s, now, &a);
        n_done += a.kind == SG_ACT_DONE && a.result == SG_RESULT_OK;
        n_blocked += a.kind == SG_ACT_DONE && a.result == SG_RESULT_BLOCKED;
        if (a.kind != SG_ACT_START)
            continue;
        n_first += a.job < w.width;
        if (a.job >= w.width && a.job < 2 * w.width &&
            !newest_first) /* it starts behind the last of its window */
            assert_true(n_first > a.job % w.width);
        assert_true(sg_sched_result(
            s, now, a.job, fails && a.job < w.width ? SG_RESULT_FAILED : SG_RESULT_OK, true, &err));
    }
    assert_int_equal(n_done, fails ? 1 : 2 * w.width + 1);
    assert_int_equal(n_blocked, fails ? w.width : 0);
    sg_sched_free(s);
    free(jobs);
    return w.n_asked;
}

/* 100 million needs: to go through them once would take a second. */
static void a_window_costs_no_more_than_a_single_need(void **state)
{
    (void)state;
    for (enum first_layer first = FREE; first <= BEHIND_ONE; first++) {
        assert_in_range(go_through_windows(false, false, first), 40000, 25 * 40000);
        assert_in_range(go_through_windows(true, false, first), 40000, 25 * 40000);
    }
    assert_in_range(go_through_windows(false, true, FREE), 40000, 10 * 40000);
    assert_in_range(go_through_windows(true, true, FREE), 40000, 10 * 40000);
}

/* ---- jobs of several nodes */

static void what_needs_a_partly_done_job_goes_on(void **state)
{
    (void)state;
    sg_story_check("a1:\nb1: a1\nc1: b1\n", "go => start a1, wait\n"
                                            "partly a1 failed 2 => a1 failed, start b1, wait\n"
                                            "b1 blocked => b1 blocked, c1 blocked by b1, over\n");
}

static void keep_going_counts_nodes_of_a_job(void **state)
{
    (void)state;
    sg_story_check("-k 3\na1:\na2:\na3:\n", "go => start a1, wait\n"
                                            "partly a1 failed 2 => a1 failed, start a2, wait\n"
                                            "a2 failed => a2 failed, a3 blocked (enough), over\n");
}

static void when_it_is_given_up_what_runs_goes_on_and_nothing_is_tried_again(void **state)
{
    (void)state;
    sg_story_check("-j 2\nstage a retries=3\na1:\na2:\na3:\nb1: a2\n",
                   "go => start a1, start a2, wait\n"
                   "enough => a3 blocked (enough), b1 blocked (enough), wait\n"
                   "a1 failed => a1 failed, wait\n"
                   "enough => wait\n"
                   "a2 ok => a2 ok, over\n");
}

static void a_partly_done_job_is_a_success_and_then_a_failure(void **state)
{
    (void)state;
    sg_story_check("stage a breaker=2\na1:\na2:\na3:\na4:\n",
                   "go => start a1, wait\n"
                   "a1 failed => a1 failed, start a2, wait\n"
                   "partly a2 failed 3 => a2 failed, start a3, wait\n"
                   "a3 failed => a3 failed, stage a stopped, a4 blocked (a3 stopped the stage), "
                   "over\n");
}

static void the_rest_of_a_job_is_tried_at_once_and_anew(void **state)
{
    (void)state;
    sg_story_check("-k 4\nstage a retries=1 backoff=10\na1:\nb1: a1\n",
                   "go => start a1, wait\n"
                   "a1 failed => retry a1 failed at 10s, wait until 10s\n"
                   "+10s => start a1 #2, wait\n"
                   "again a1 failed 2 => start a1, wait\n"
                   "a1 failed => retry a1 failed at 20s, wait until 20s\n"
                   "+10s => start a1 #2, wait\n"
                   "a1 failed => a1 failed, start b1, wait\n"
                   "b1 ok => b1 ok, over\n");
}

static void a_rest_that_may_not_start_any_more_is_given_up(void **state)
{
    (void)state;
    sg_story_check("-k 2\na1:\nb1: a1\n",
                   "go => start a1, wait\n"
                   "again a1 failed 2 => b1 blocked (enough), a1 blocked (enough), over\n");
    sg_story_check("a1:\n", "go => start a1, wait\n"
                            "interrupt => stop a1, wait\n"
                            "again a1 interrupted 0 => a1 interrupted (not running), over\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_starts_when_its_own_needs_are_done_without_barriers),
        cmocka_unit_test(without_jobs_it_is_over),
        cmocka_unit_test(ranks_order_what_is_ready_and_numbers_break_ties),
        cmocka_unit_test(of_one_rank_the_stage_with_the_longest_way_to_the_end_goes_first),
        cmocka_unit_test(a_failed_need_blocks_at_once_all_that_requires_it),
        cmocka_unit_test(an_optional_need_is_waited_for_and_may_fail),
        cmocka_unit_test(behind_a_busy_job_all_that_requires_it_is_busy),
        cmocka_unit_test(an_attempt_that_lacks_an_input_blocks_its_job),
        cmocka_unit_test(the_first_need_that_is_lost_says_how),
        cmocka_unit_test(retries_wait_twice_as_long_each_time_without_slot_or_pool),
        cmocka_unit_test(no_backoff_is_longer_than_ten_minutes),
        cmocka_unit_test(a_job_that_comes_back_from_backoff_takes_its_rank_again),
        cmocka_unit_test(a_retry_may_be_forbidden),
        cmocka_unit_test(an_input_that_moved_gives_one_more_try_and_only_one),
        cmocka_unit_test(a_trespass_stops_its_stage_at_once),
        cmocka_unit_test(so_many_failures_in_a_row_stop_a_stage),
        cmocka_unit_test(a_stopped_stage_drops_its_retries),
        cmocka_unit_test(after_so_many_failed_jobs_nothing_new_starts),
        cmocka_unit_test(an_interrupt_stops_what_runs_and_ends_the_rest),
        cmocka_unit_test(an_interrupt_after_enough_failures_stops_what_still_runs),
        cmocka_unit_test(what_was_not_told_yet_gives_way_to_an_interrupt),
        cmocka_unit_test(while_suspended_nothing_starts),
        cmocka_unit_test(a_full_pool_lets_others_pass),
        cmocka_unit_test(memory_is_shared_out_and_a_large_job_is_not_overtaken),
        cmocka_unit_test(a_job_larger_than_its_pool_runs_alone_in_it),
        cmocka_unit_test(jobs_that_take_room_wait_for_it_in_order_and_others_go_on),
        cmocka_unit_test(a_job_larger_than_all_the_room_runs_alone_among_those_that_take_some),
        cmocka_unit_test(an_exclusive_stage_runs_one_job_and_holds_up_nobody_else),
        cmocka_unit_test(a_start_taken_back_holds_its_stage),
        cmocka_unit_test(a_start_put_off_leaves_its_stage_alone),
        cmocka_unit_test(a_start_taken_back_from_a_stopped_stage_or_run_is_the_end_of_its_job),
        cmocka_unit_test(what_can_never_end_is_refused),
        cmocka_unit_test(an_end_of_what_does_not_run_is_a_bug_of_the_callers),
        cmocka_unit_test(counts_add_up),
        cmocka_unit_test(a_long_chain_is_blocked_by_its_first_job),
        cmocka_unit_test(a_window_costs_no_more_than_a_single_need),
        cmocka_unit_test(what_needs_a_partly_done_job_goes_on),
        cmocka_unit_test(keep_going_counts_nodes_of_a_job),
        cmocka_unit_test(when_it_is_given_up_what_runs_goes_on_and_nothing_is_tried_again),
        cmocka_unit_test(a_partly_done_job_is_a_success_and_then_a_failure),
        cmocka_unit_test(the_rest_of_a_job_is_tried_at_once_and_anew),
        cmocka_unit_test(a_rest_that_may_not_start_any_more_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
