/* What an attempt's applications on YARN mean for it, with a cluster that says what it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "attempt_impl.h"
#include "fake_yarn.h"

#define NONCE "00112233445566778899aabbccddeeff"

struct trying {
    struct fake_yarn yarn;
    struct sg_attempt_run run;
    struct sg_attempt attempt;
    struct sg_attempt_outcome outcome;
    struct sg_yarn_apps apps;
    char why[600];
};

static void begin(struct trying *t, enum sg_result result, const char *why)
{
    memset(t, 0, sizeof(*t));
    fake_yarn_init(&t->yarn, "stagegraph-" NONCE);
    t->run.yarn = &t->yarn.base;
    t->attempt.run = &t->run;
    memcpy(t->attempt.nonce, NONCE, sizeof(NONCE));
    t->outcome.result = result;
    t->outcome.why = t->why;
    (void)snprintf(t->why, sizeof(t->why), "%s", why);
}

static void end(struct trying *t)
{
    sg_attempt_applications(&t->attempt, &t->outcome, t->why, sizeof(t->why), &t->apps);
}

/* Of a command that ended with 0: what its applications came to, and what the attempt says. */
static void exit_0_is_believed_only_if_all_have_succeeded(void **state)
{
    static const struct {
        const char *apps;
        enum sg_result result;
        const char *why;
    } rows[] = {
        { "", SG_RESULT_OK, "" },
        { "FINISHED/SUCCEEDED", SG_RESULT_OK, "" },
        { "FINISHED/ENDED", SG_RESULT_OK, "" },
        { "FINISHED/FAILED", SG_RESULT_FAILED,
          "exit 0, but its application application_1_0001 on YARN came out FAILED" },
        { "FINISHED/UNDEFINED", SG_RESULT_FAILED,
          "exit 0, but its application application_1_0001 on YARN came out UNDEFINED" },
        { "KILLED/KILLED", SG_RESULT_FAILED,
          "exit 0, but its application application_1_0001 on YARN came out KILLED" },
        { "FINISHED/SUCCEEDED FAILED/FAILED FINISHED/SUCCEEDED", SG_RESULT_FAILED,
          "exit 0, but its application application_1_0002 on YARN came out FAILED" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trying t;

        begin(&t, SG_RESULT_OK, "");
        t.yarn.apps = rows[i].apps;
        end(&t);
        assert_int_equal(t.outcome.result, rows[i].result);
        assert_string_equal(t.why, rows[i].why);
        assert_false(t.outcome.stuck);
        assert_int_equal(t.yarn.asked, 1); /* and no more than once */
        assert_int_equal(t.yarn.kills, 0);
        sg_yarn_apps_done(&t.apps);
    }
}

/* The first line of it: a stack trace may follow. */
static void what_yarn_says_of_a_failure_is_told(void **state)
{
    struct trying t;

    (void)state;
    begin(&t, SG_RESULT_OK, "");
    t.yarn.apps = "FINISHED/SUCCEEDED KILLED/KILLED";
    t.yarn.diagnostics = "\nApplication killed by \033[1moperator at host\n\tat a.b.C";
    end(&t);
    assert_string_equal(t.why, "exit 0, but its application application_1_0002 on YARN came out "
                               "KILLED: Application killed by \\x1b[1moperator at host");
    sg_yarn_apps_done(&t.apps);
}

static void after_a_failure_what_is_alive_is_killed_and_the_result_stays(void **state)
{
    struct trying t;

    (void)state;
    begin(&t, SG_RESULT_TIMEOUT, "timeout");
    t.yarn.apps = "RUNNING/UNDEFINED FINISHED/SUCCEEDED";
    t.yarn.after_kill = "KILLED/KILLED FINISHED/SUCCEEDED";
    end(&t);
    assert_int_equal(t.outcome.result, SG_RESULT_TIMEOUT);
    assert_string_equal(t.why, "timeout");
    assert_false(t.outcome.stuck);
    assert_int_equal(t.yarn.kills, 1);
    assert_int_equal(sg_yarn_killed(&t.apps), 1);
    assert_int_equal(t.apps.n, 2);
    sg_yarn_apps_done(&t.apps);
}

static void what_cannot_be_seen_to_be_over_makes_the_attempt_stuck(void **state)
{
    static const struct {
        enum sg_result was, is;
        const char *why, *says;
    } rows[] = {
        { SG_RESULT_OK, SG_RESULT_FAILED, "",
          "exit 0, but its applications on YARN may be alive: find the applications of YARN: away" },
        { SG_RESULT_INTERRUPTED, SG_RESULT_INTERRUPTED, "interrupted",
          "interrupted, but its applications on YARN may be alive: find the applications of YARN: "
          "away" },
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct trying t;

        begin(&t, rows[i].was, rows[i].why);
        t.yarn.away = true;
        end(&t);
        assert_int_equal(t.outcome.result, rows[i].is);
        assert_true(t.outcome.stuck);
        assert_string_equal(t.why, rows[i].says);
        assert_int_equal(t.apps.n, 0);
    }
}

static void one_that_lives_on_in_spite_of_the_kill_is_named(void **state)
{
    struct trying t;

    (void)state;
    begin(&t, SG_RESULT_FAILED, "exit 3");
    t.yarn.apps = t.yarn.after_kill = "RUNNING/UNDEFINED";
    end(&t);
    assert_true(t.outcome.stuck);
    assert_string_equal(t.why, "exit 3, but its applications on YARN may be alive: "
                               "application_1_0001 (RUNNING) can't be killed");
    sg_yarn_apps_done(&t.apps);
}

static void without_a_resource_manager_nobody_is_asked(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct trying t;
    char names[20];
    size_t ended = 7;

    (void)state;
    begin(&t, SG_RESULT_OK, "");
    t.yarn.away = true;
    t.run.yarn = NULL;
    end(&t);
    assert_int_equal(t.outcome.result, SG_RESULT_OK);
    assert_int_equal(t.yarn.asked, 0);
    assert_true(sg_dead_applications(NULL, NONCE, "run", &ended, names, sizeof(names), &err));
    assert_int_equal(ended, 0);
}

static void of_a_dead_run_they_are_ended_or_it_is_an_error(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct trying t;
    char names[100];
    size_t ended;

    (void)state;
    begin(&t, SG_RESULT_OK, "");
    t.yarn.apps = "ACCEPTED/UNDEFINED";
    t.yarn.after_kill = "KILLED/KILLED";
    assert_true(
        sg_dead_applications(&t.yarn.base, NONCE, "run1", &ended, names, sizeof(names), &err));
    assert_int_equal(ended, 1);
    assert_string_equal(names, "application_1_0001 (ACCEPTED)");
    t.yarn.away = true;
    assert_false(
        sg_dead_applications(&t.yarn.base, NONCE, "run1", &ended, names, sizeof(names), &err));
    assert_string_equal(err.text, "end the applications of dead run run1: find the applications of "
                                  "YARN: away");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_0_is_believed_only_if_all_have_succeeded),
        cmocka_unit_test(what_yarn_says_of_a_failure_is_told),
        cmocka_unit_test(after_a_failure_what_is_alive_is_killed_and_the_result_stays),
        cmocka_unit_test(what_cannot_be_seen_to_be_over_makes_the_attempt_stuck),
        cmocka_unit_test(one_that_lives_on_in_spite_of_the_kill_is_named),
        cmocka_unit_test(without_a_resource_manager_nobody_is_asked),
        cmocka_unit_test(of_a_dead_run_they_are_ended_or_it_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
