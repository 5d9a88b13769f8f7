/*
 * history_read: what a long history costs, counted in the steps of SQLite's machine, and how it is
 * read in pages.
 */
#include "history_long.inc"

#include <sys/stat.h>

#define STAGES 4

/* ---- costs */

struct cost {
    int64_t steps;   /* of SQLite's machine */
    int64_t scanned; /* rows that were looked at because no index says where to */
    int64_t rows;    /* told */
};

static int count_cost(unsigned kind, void *ctx, void *statement, void *ns)
{
    struct cost *c = ctx;

    (void)kind;
    (void)ns;
    c->steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    c->scanned += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
    return 0;
}

static struct cost cost;

static bool see_run(void *ctx, const struct sg_history_run *r)
{
    (void)r;
    cost.rows++;
    return ctx == NULL;
}

static bool see_attempt(void *ctx, const struct sg_history_attempt *a)
{
    (void)a;
    cost.rows++;
    return ctx == NULL;
}

static bool see_stage(void *ctx, const char *stage)
{
    (void)stage;
    cost.rows++;
    return ctx == NULL;
}

/* `last` is the number of the last run. */
static void newest_runs(int last)
{
    (void)last;
    OK(sg_history_runs(h, &(struct sg_history_run_filter){ .limit = 20 }, see_run, NULL, &err));
}

static void newest_with_range(int last)
{
    (void)last;
    OK(sg_history_runs(
        h, &(struct sg_history_run_filter){ .with_range = true, .uncounted = true, .limit = 3 },
        see_run, NULL, &err));
}

static void one_run(int last)
{
    char name[32];
    bool there = false;

    snprintf(name, sizeof(name), "r%d", last / 2);
    OK(sg_history_runs(h, &(struct sg_history_run_filter){ .run = name }, see_run, NULL, &err));
    OK(sg_history_has_run(h, name, &there, &err));
    assert_true(there);
    OK(sg_history_has_run(h, "nobody", &there, &err));
    assert_false(there);
}

static void ask(struct sg_history_filter f)
{
    OK(sg_history_attempts(h, &f, see_attempt, NULL, &err));
}

static void all_of_a_run(int last)
{
    char name[32];

    snprintf(name, sizeof(name), "r%d", last / 2);
    ask((struct sg_history_filter){ .run = name, .limit = 50 });
    ask((struct sg_history_filter){ .run = name, .failed = true });
    ask((struct sg_history_filter){ .run = name, .stage = "s1" });
    ask((struct sg_history_filter){ .run = name, .stage = "s1", .failed = true, .limit = 10 });
}

static void newest_of_a_stage(int last)
{
    (void)last;
    ask((struct sg_history_filter){ .stage = "s2", .limit = 100 });
}

static void newest_failures(int last)
{
    (void)last;
    ask((struct sg_history_filter){ .failed = true, .limit = 100 });
}

static void newest_failures_of_a_stage(int last)
{
    (void)last;
    ask((struct sg_history_filter){ .failed = true, .stage = "s1", .limit = 50 });
}

static void newest_attempts(int last)
{
    (void)last;
    ask((struct sg_history_filter){ .limit = 100 });
}

static void those_of_a_node(int last)
{
    char name[64];

    snprintf(name, sizeof(name), "s1@%d-1", last / 2);
    ask((struct sg_history_filter){ .node = name });
    ask((struct sg_history_filter){ .node = name, .stage = "s1", .limit = 5 });
}

static void stages(int last)
{
    (void)last;
    OK(sg_history_stages(h, see_stage, NULL, &err));
}

static void what_is_usual(int last)
{
    double median, p90;
    int64_t n;

    (void)last;
    OK(sg_history_usual(h, "s1", &median, &p90, &n, &err));
    cost.rows += n;
}

static void begin_and_end_a_run(int last)
{
    struct sg_history_run r = { .run = "new", .started_ms = 1000000000, .exit_status = -1 };
    struct sg_history_attempt a = { .run = "new",
                                    .node = "s1@x",
                                    .stage = "s1",
                                    .result = "ok",
                                    .attempt = 1,
                                    .started_ms = 1000000000,
                                    SG_HISTORY_UNSEEN };

    (void)last;
    OK(sg_history_run_begin(h, &r, &err));
    OK(sg_history_attempt_add(h, &a, &err));
    OK(sg_history_run_end(h, &r, &err));
}

static const struct question {
    const char *name;
    void (*ask)(int last);
    int64_t rows;
} questions[] = {
    { "the newest runs", newest_runs, 20 },
    { "the newest with a range", newest_with_range, 3 },
    { "a run by its name", one_run, 1 },
    { "attempts of a run", all_of_a_run, 50 + 10 + 25 + 5 },
    { "the newest of a stage", newest_of_a_stage, 100 },
    { "the newest failures", newest_failures, 100 },
    { "the newest failures of a stage", newest_failures_of_a_stage, 50 },
    { "the newest of all", newest_attempts, 100 },
    { "attempts of a node", those_of_a_node, 2 },
    { "stages", stages, STAGES },
    { "what is usual", what_is_usual, 200 },
    { "a run begins and ends", begin_and_end_a_run, 0 },
};

#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static void take_costs(int runs, struct cost ret[QUESTIONS])
{
    fill(runs);
    newest_runs(runs); /* so that it is open */
    assert_int_equal(sqlite3_trace_v2(h->db, SQLITE_TRACE_PROFILE, count_cost, &cost), SQLITE_OK);
    for (size_t i = 0; i < QUESTIONS; i++) {
        cost = (struct cost){ 0 };
        questions[i].ask(runs);
        ret[i] = cost;
    }
    sg_history_close(h);
    h = NULL;
}

static void a_question_costs_what_it_is_answered_with_and_not_the_history(void **state)
{
    struct cost small[QUESTIONS], large[QUESTIONS];

    (void)state;
    take_costs(40, small);
    take_costs(1000, large);
    for (size_t i = 0; i < QUESTIONS; i++) {
        const char *name = questions[i].name;

        if (small[i].rows != questions[i].rows || large[i].rows != questions[i].rows)
            fail_msg("%s: %d and %d rows", name, (int)small[i].rows, (int)large[i].rows);
        /* An index that is followed from its end is scanned too, but not further. */
        if (large[i].scanned != small[i].scanned)
            fail_msg("%s: scanned %d rows", name, (int)large[i].scanned);
        /* Some run begins in the middle of a page, another doesn't. */
        if (large[i].steps > small[i].steps + small[i].steps / 10)
            fail_msg("%s: %d steps with 4,000 attempts, %d with 100,000", name, (int)small[i].steps,
                     (int)large[i].steps);
    }
}

static void to_read_writes_nothing(void **state)
{
    struct stat before, after;
    double median, p90;
    int64_t n;

    (void)state;
    fill(3);
    sg_history_close(h);
    assert_int_equal(stat(scratch_path(&dir, "history.sqlite"), &before), 0);
    OK(sg_history_open(dir.dir, true, &h, NULL, &err));
    newest_runs(3);
    OK(sg_history_usual(h, "s1", &median, &p90, &n, &err));
    sg_history_close(h);
    h = NULL;
    assert_int_equal(stat(scratch_path(&dir, "history.sqlite"), &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
    assert_int_equal(asked("PRAGMA user_version"), 4);
}

/* ---- pages */

static char seen[8192];

static bool note_attempt(void *ctx, const struct sg_history_attempt *a)
{
    size_t n = strlen(seen);

    (void)ctx;
    snprintf(seen + n, sizeof(seen) - n, "%s ", a->node);
    return true;
}

static bool note_run(void *ctx, const struct sg_history_run *r)
{
    size_t n = strlen(seen);

    (void)ctx;
    snprintf(seen + n, sizeof(seen) - n, "%s ", r->run);
    return true;
}

static const char *nodes(struct sg_history_filter f)
{
    seen[0] = '\0';
    OK(sg_history_attempts(h, &f, note_attempt, NULL, &err));
    return seen;
}

/* Nodes a … j; c … g began at the same time, b is the youngest. */
static void fill_ties(void)
{
    static const int ms[] = { 1, 99, 7, 7, 7, 7, 7, 8, 9, 10 };

    OK(sg_history_open(dir.dir, false, &h, NULL, &err));
    for (int i = 0; i < 10; i++) {
        char name[2] = { (char)('a' + i), '\0' };
        struct sg_history_attempt a = { .run = "r",
                                        .node = name,
                                        .stage = i % 2 ? "odd" : "even",
                                        .result = "failed",
                                        .attempt = 1,
                                        .started_ms = ms[i],
                                        SG_HISTORY_UNSEEN };
        struct sg_history_run r = { .run = name, .started_ms = ms[i], .ended_ms = 100 };

        OK(sg_history_attempt_add(h, &a, &err));
        OK(sg_history_run_begin(h, &r, &err));
    }
}

static void page_by_page_each_row_comes_once_and_in_order(void **state)
{
    (void)state;
    fill_ties();
    for (h->page = 1; h->page < 12; h->page++) {
        assert_string_equal(nodes((struct sg_history_filter){ 0 }), "a c d e f g h i j b ");
        assert_string_equal(nodes((struct sg_history_filter){ .run = "r", .limit = 6 }),
                            "f g h i j b ");
        assert_string_equal(nodes((struct sg_history_filter){ .stage = "even" }), "a c e g i ");
        assert_string_equal(nodes((struct sg_history_filter){ .failed = true, .limit = 1 }), "b ");
        assert_string_equal(
            nodes((struct sg_history_filter){ .failed = true, .stage = "odd", .limit = 4 }),
            "f h j b ");
        assert_string_equal(nodes((struct sg_history_filter){ .node = "d" }), "d ");
    }
    for (h->page = 1; h->page < 120; h->page += 10) { /* a tenth for runs, and one */
        seen[0] = '\0';
        OK(sg_history_runs(h, &(struct sg_history_run_filter){ 0 }, note_run, NULL, &err));
        assert_string_equal(seen, "b j i h g f e d c a ");
        seen[0] = '\0';
        OK(sg_history_runs(h, &(struct sg_history_run_filter){ .limit = 7 }, note_run, NULL, &err));
        assert_string_equal(seen, "b j i h g f e ");
    }
}

static int n_told;

/* Somebody else, who doesn't wait, writes while a row is being told. */
static bool write_beside(void *ctx, const struct sg_history_attempt *a)
{
    sqlite3 *db = shell();

    (void)ctx;
    n_told++;
    tell(db, "INSERT INTO attempts (run, node, stage, result, started_ms)"
             " VALUES ('other', 'z', 's', 'ok', 1000)");
    sqlite3_close(db);
    return strcmp(a->run, "other") != 0;
}

static void who_takes_his_time_with_a_row_locks_nobody_out(void **state)
{
    (void)state;
    fill_ties();
    h->page = 3;
    OK(sg_history_attempts(h, &(struct sg_history_filter){ 0 }, write_beside, NULL, &err));
    assert_int_equal(n_told, 10); /* and what came meanwhile is not followed for ever */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_costs_what_it_is_answered_with_and_not_the_history),
        cmocka_unit_test(to_read_writes_nothing),
        cmocka_unit_test(page_by_page_each_row_comes_once_and_in_order),
        cmocka_unit_test(who_takes_his_time_with_a_row_locks_nobody_out),
    };

    return run_each(tests, sizeof(tests) / sizeof(tests[0]));
}
