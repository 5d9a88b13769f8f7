#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/error.h"
#include "stagegraph/text.h"

#define TEXT_MAX (sizeof(((struct sg_error *)NULL)->text) - 1)

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
    size_t n = strlen(text), n_with = strlen(with);

    return n >= n_with && strcmp(text + n - n_with, with) == 0;
}

static bool is_utf8(const char *text)
{
    struct sg_span s = sg_span_of(text);
    size_t n;

    for (; s.len > 0; s.at += n, s.len -= n) {
        n = sg_text_utf8(s);
        if (n == 0)
            return false;
    }
    return true;
}

static void an_error_has_a_code_a_reason_and_a_text(void **state)
{
    static const struct {
        const char *label;
        enum sg_error_code code;
        int sys;
        const char *what, *text;
    } cases[] = {
        { "no reason", SG_ERROR_GRAPH, 0, "unknown key", "unknown key" },
        { "a reason", SG_ERROR_SYSTEM, ENOSPC, "create", "create: No space left on device" },
        { "another", SG_ERROR_STORE, ENOENT, "open x", "open x: No such file or directory" },
        { "an unknown reason", SG_ERROR_SYSTEM, 9999, "open", "open: Unknown error 9999" },
        { "an empty text", SG_ERROR_USAGE, 0, "", "" },
    };
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (sg_error_set(&err, cases[i].code, cases[i].sys, "%s", cases[i].what))
            fail_msg("%s: true", cases[i].label);
        if (err.code != cases[i].code || err.sys != cases[i].sys ||
            strcmp(err.text, cases[i].text) != 0)
            fail_msg("%s: %d, %d, '%s'", cases[i].label, (int)err.code, err.sys, err.text);
    }
}

static void each_floor_puts_its_clause_in_front(void **state)
{
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    sg_error_set(&err, SG_ERROR_STORE, ENOSPC, "create");
    assert_false(sg_error_wrap(&err, "take the claim %s", "w/silver"));
    assert_false(sg_error_wrap(&err, "run %s@%d", "silver", 7));
    assert_string_equal(err.text,
                        "run silver@7: take the claim w/silver: create: No space left on device");
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_int_equal(err.sys, ENOSPC);
}

static void an_argument_may_be_the_errors_own_text(void **state)
{
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    sg_error_set(&err, SG_ERROR_GRAPH, 0, "line 3");
    sg_error_set(&err, SG_ERROR_USAGE, EINVAL, "read (%s)", err.text);
    assert_string_equal(err.text, "read (line 3): Invalid argument");
    sg_error_wrap(&err, "[%s]", err.text);
    assert_string_equal(err.text,
                        "[read (line 3): Invalid argument]: read (line 3): Invalid argument");
}

static void a_long_text_loses_its_middle_only(void **state)
{
    static const size_t lengths[] = { 900, 975, 976, 977, 980, 1000, 4096, 8191, 8192, 20000 };
    static char path[20001];
    struct sg_error err = SG_ERROR_INIT;
    bool whole;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        memset(path, 'p', lengths[i]);
        path[lengths[i]] = '\0';
        sg_error_set(&err, SG_ERROR_SYSTEM, ENOSPC, "%s", path);
        whole = strlen(path) + strlen(": No space left on device") <= TEXT_MAX;
        if (!begins(err.text, "pppp") || !ends(err.text, "p: No space left on device") ||
            strlen(err.text) > TEXT_MAX || (strstr(err.text, "…") == NULL) != whole) {
            /* Only beyond 8 KiB the clause itself ends in the mark. */
            if (lengths[i] < 8192 || !ends(err.text, "…: No space left on device"))
                fail_msg("%zu bytes: '%s'", lengths[i], err.text);
        }
        sg_error_wrap(&err, "outermost %zu", lengths[i]);
        if (!begins(err.text, "outermost ") || !ends(err.text, "No space left on device"))
            fail_msg("%zu bytes, wrapped: '%s'", lengths[i], err.text);
    }
}

static void both_ends_survive_any_number_of_clauses(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    char outermost[32];

    (void)state;
    sg_error_set(&err, SG_ERROR_STORE, EACCES, "innermost");
    for (int i = 0; i < 500; i++) {
        snprintf(outermost, sizeof(outermost), "clause %d: ", i);
        sg_error_wrap(&err, "clause %d", i);
        if (!begins(err.text, outermost) || !ends(err.text, ": innermost: Permission denied"))
            fail_msg("%d: '%s'", i, err.text);
    }
    assert_in_range(strlen(err.text), TEXT_MAX - 3, TEXT_MAX);
}

static void no_character_is_cut_in_two(void **state)
{
    static const char *const characters[] = { "é", "→", "𝄞" };
    char text[3000];
    struct sg_error err = SG_ERROR_INIT;
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
        for (size_t shift = 0; shift < 12; shift++) {
            n = strlen(characters[i]);
            memset(text, 'x', shift);
            for (size_t at = shift; at + n < sizeof(text); at += n)
                memcpy(text + at, characters[i], n + 1);
            sg_error_set(&err, SG_ERROR_SYSTEM, 0, "%s", text);
            if (!is_utf8(err.text) || strlen(err.text) < TEXT_MAX - 6)
                fail_msg("%s shifted by %zu", characters[i], shift);
        }
    }
    memset(text, '\x80', sizeof(text) - 1); /* no UTF-8 at all: cut anywhere, but in bounds */
    text[sizeof(text) - 1] = '\0';
    sg_error_set(&err, SG_ERROR_SYSTEM, 0, "%s", text);
    assert_in_range(strlen(err.text), TEXT_MAX - 6, TEXT_MAX);
}

static void what_cannot_be_formatted_keeps_code_and_reason(void **state)
{
    static const wchar_t surrogate[] = { 0xd800, 0 };
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    sg_error_set(&err, SG_ERROR_STORE, ENOSPC, "write %ls", surrogate);
    assert_int_equal(err.code, SG_ERROR_STORE);
    assert_string_equal(err.text, "(a message that can't be formatted): No space left on device");
}

static void a_cleared_error_says_nothing(void **state)
{
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    sg_error_set(&err, SG_ERROR_STORE, EACCES, "x");
    sg_error_clear(&err);
    assert_int_equal(err.code, SG_ERROR_NONE);
    assert_int_equal(err.sys, 0);
    assert_string_equal(err.text, "");
}

static void a_kept_promise_is_true_and_leaves_the_error_alone(void **state)
{
    struct sg_error err = SG_ERROR_INIT;

    (void)state;
    assert_true(SG_EXPECT(1 + 1 == 2, &err));
    assert_int_equal(err.code, SG_ERROR_NONE);
}

static bool break_a_promise(struct sg_error *err)
{
    return !SG_EXPECT(1 + 1 == 3, err) && strstr(err->text, ": expected 1 + 1 == 3") != NULL;
}

static bool wrap_nothing(struct sg_error *err)
{
    return !sg_error_wrap(err, "outer") && begins(err->text, "outer: ");
}

/* In a child, since a test build is stopped there; a release says bug. */
static void a_broken_promise_stops_a_test_build_or_is_a_bug(void **state)
{
    static const struct {
        const char *label;
        bool (*fn)(struct sg_error *err);
    } cases[] = {
        { "a false condition", break_a_promise },
        { "a clause for no error", wrap_nothing },
    };
    int status;
    pid_t pid;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fflush(NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct sg_error err = SG_ERROR_INIT;

            signal(SIGABRT, SIG_DFL); /* cmocka's handler would go on with the next test */
            setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
            close(2);
            _exit(cases[i].fn(&err) && err.code == SG_ERROR_BUG ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
#ifdef SG_TEST_BUILD
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
#else
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
#endif
            fail_msg("%s: status %#x", cases[i].label, (unsigned)status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_has_a_code_a_reason_and_a_text),
        cmocka_unit_test(each_floor_puts_its_clause_in_front),
        cmocka_unit_test(an_argument_may_be_the_errors_own_text),
        cmocka_unit_test(a_long_text_loses_its_middle_only),
        cmocka_unit_test(both_ends_survive_any_number_of_clauses),
        cmocka_unit_test(no_character_is_cut_in_two),
        cmocka_unit_test(what_cannot_be_formatted_keeps_code_and_reason),
        cmocka_unit_test(a_cleared_error_says_nothing),
        cmocka_unit_test(a_kept_promise_is_true_and_leaves_the_error_alone),
        cmocka_unit_test(a_broken_promise_stops_a_test_build_or_is_a_bug),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
