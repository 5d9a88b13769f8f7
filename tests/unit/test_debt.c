/* Debt outside of what is asked for: what is told of it, and what looking at it costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan_impl.h"
#include "stagegraph/cache.h"
#include "world.h"

#define TWO_STAGES(command, silver)                                                                \
    "[graph]\ndelay = 0\nstart = 1824-01-01\npartition = hour\n[store]\nroot = store\n"            \
    "[stage bronze]\ncommand = " command "\noutput = bronze/${ds}/${HH}\n"                         \
    "[stage silver]\nneeds = " silver "\ncommand = s\noutput = silver/${ds}/${HH}\n"
#define STAGES  TWO_STAGES("b", "bronze")
#define CHANGED TWO_STAGES("b 2", "bronze bronze@-30?")

#define NOW "2024-01-01T00:00:00Z"
#define END (INT64_C(1704067200) / 3600) /* of the last hour that is due */

static const struct sg_wall long_ago = { INT64_C(1000000000) * SG_NS_PER_S };

/* The cache says that the last n hours of both stages were made by the recipes of today. */
static void make_history(struct world *w, int64_t n)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_cache *c;

    world_plan(w);
    scratch_make_dir(&w->scratch, ".stagegraph");
    if (!sg_cache_open(w->graph->state, sg_store_root(w->store), w->graph->name, &c, &err))
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < 2; i++) {
        const struct sg_recipe *r = &w->plan->stages[i].pub.recipe;
        uint32_t number;

        assert_true(sg_recipe_write(w->store, r, &err));
        assert_true(
            sg_cache_stage(c, w->graph->stages[i].name, &w->graph->stages[i].cal, &number, &err));
    }
    for (uint32_t i = 0; i < 2; i++)
        for (int64_t x = END - n; x < END; x++) {
            struct sg_cached m = { .ident = { .id = 1, .len = 400 },
                                   .kind = SG_MARKER_DONE,
                                   .version = (uint64_t)x,
                                   .recipe = w->plan->stages[i].pub.recipe.hash,
                                   .inputs = 1 };

            sg_cache_add(c, i, x, &m, long_ago);
        }
    assert_true(sg_cache_save(c));
    sg_cache_close(c);
}

static void open_history(struct world *w, int64_t n)
{
    world_open(w, STAGES);
    world_at(w, NOW);
    world_range(w, "2023-12-31T23:00:00Z", NOW);
    make_history(w, n);
}

struct told {
    char text[600];
};

static void tell(void *ctx, const struct sg_debt *d)
{
    char first[SG_LABEL_TEXT], last[SG_LABEL_TEXT], *to = ((struct told *)ctx)->text;
    size_t n = strlen(to);

    if (!d->outside)
        return;
    sg_calendar_label(&d->stage->cal, d->first, first);
    sg_calendar_label(&d->stage->cal, d->end - 1, last);
    (void)snprintf(to + n, sizeof(((struct told *)ctx)->text) - n, "%s%s %s %u %s..%s",
                   n != 0 ? ", " : "", d->stage->name, sg_reason_name(d->reason), d->count, first,
                   last);
}

static const char *debts(const struct world *w)
{
    static struct told t;

    t.text[0] = '\0';
    sg_plan_debts(w->plan, tell, &t);
    return t.text;
}

static void what_the_cache_counts_is_told_without_what_is_asked_for(void **state)
{
    struct world w;

    (void)state;
    open_history(&w, 500);
    world_plan(&w);
    assert_string_equal(debts(&w), "");
    world_graph(&w, CHANGED);
    world_range(&w, "2023-12-31T23:00:00Z", NOW);
    world_plan(&w);
    assert_string_equal(debts(&w), "bronze command 499 2023-12-11T04..2023-12-31T22, "
                                   "silver input 499 2023-12-11T04..2023-12-31T22");
    /* in the middle */
    world_range(&w, "2023-12-20T00:00:00Z", "2023-12-21T00:00:00Z");
    world_plan(&w);
    assert_string_equal(debts(&w), "bronze command 476 2023-12-11T04..2023-12-31T23, "
                                   "silver input 476 2023-12-11T04..2023-12-31T23");
    /* the oldest, and a range that begins before all */
    world_range(&w, "2023-12-01T00:00:00Z", "2023-12-12T00:00:00Z");
    world_plan(&w);
    assert_string_equal(debts(&w), "bronze command 480 2023-12-12T00..2023-12-31T23, "
                                   "silver input 480 2023-12-12T00..2023-12-31T23");
    /* all of it */
    world_range(&w, "2023-12-01T00:00:00Z", NOW);
    world_plan(&w);
    assert_string_equal(debts(&w), "");
    world_close(&w);
}

static void what_is_not_due_by_an_earlier_clock_is_not_told(void **state)
{
    struct world w;

    (void)state;
    open_history(&w, 500);
    world_graph(&w, CHANGED);
    world_at(&w, "2023-12-21T00:00:00Z");
    world_range(&w, "2023-12-20T00:00:00Z", "2023-12-21T00:00:00Z");
    world_plan(&w);
    assert_string_equal(debts(&w), "bronze command 212 2023-12-11T04..2023-12-19T23, "
                                   "silver input 212 2023-12-11T04..2023-12-19T23");
    world_close(&w);
}

/* The cache keeps what lies before it. */
static void what_is_left_behind_a_start_that_was_moved_is_told(void **state)
{
    static const char start[] = "2023-12-20";
    struct world w;
    char *moved;

    (void)state;
    open_history(&w, 6000);
    moved = strdup(CHANGED);
    assert_non_null(moved);
    assert_non_null(strstr(moved, "start = "));
    memcpy(strstr(moved, "start = ") + strlen("start = "), start, strlen(start));
    world_graph(&w, moved);
    world_range(&w, "2023-12-31T23:00:00Z", NOW);
    world_plan(&w);
    assert_string_equal(debts(&w), "bronze command 287 2023-12-20T00..2023-12-31T22, "
                                   "silver input 287 2023-12-20T00..2023-12-31T22");
    free(moved);
    world_close(&w);
}

/* A stage whose named node is asked for, and of which others are only looked at. */
static void what_is_only_an_input_is_told(void **state)
{
    struct world w;

    (void)state;
    open_history(&w, 500);
    world_graph(&w, CHANGED);
    w.request.has_range = false;
    world_name(&w, "silver@2023-12-31T20");
    w.request.only = world_stages(&w, "silver");
    world_plan(&w);
    assert_string_equal(debts(&w), "bronze command 500 2023-12-11T04..2023-12-31T23, "
                                   "silver input 499 2023-12-11T04..2023-12-31T23");
    world_close(&w);
}

/* ---- what it costs */

struct io {
    uint64_t calls, bytes;
};

static uint64_t number_behind(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    assert_non_null(at);
    return strtoull(at + strlen(key), NULL, 10);
}

/* What this process has read so far, as the kernel counts it. */
static struct io io_so_far(void)
{
    char text[1000] = "";
    FILE *f = fopen("/proc/self/io", "r");
    size_t n;

    if (f == NULL)
        skip();
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    return (struct io){ number_behind(text, "syscr: "), number_behind(text, "rchar: ") };
}

/* Reading by the plan of an hour over n hours of history, of which all are outdated. */
static struct io plan_an_hour(int64_t n)
{
    struct io before, after;
    struct world w;

    open_history(&w, n);
    world_graph(&w, CHANGED);
    world_range(&w, "2023-12-31T23:00:00Z", NOW);
    before = io_so_far();
    world_plan(&w);
    after = io_so_far();
    assert_non_null(strstr(debts(&w), "bronze command"));
    world_close(&w);
    return (struct io){ after.calls - before.calls, after.bytes - before.bytes };
}

static void an_hour_reads_the_same_behind_days_and_behind_a_hundred_years(void **state)
{
    const struct io days = plan_an_hour(10 * 24), years = plan_an_hour(87600);
    const struct io century = plan_an_hour(876000);

    (void)state;
    /* the counts in /proc have a digit more now and then */
    if (years.calls != days.calls || century.calls != days.calls ||
        years.bytes > days.bytes + 100 || century.bytes > days.bytes + 100)
        fail_msg("%llu reads, %llu bytes; behind ten years %llu, %llu; behind a hundred %llu, %llu",
                 (unsigned long long)days.calls, (unsigned long long)days.bytes,
                 (unsigned long long)years.calls, (unsigned long long)years.bytes,
                 (unsigned long long)century.calls, (unsigned long long)century.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_cache_counts_is_told_without_what_is_asked_for),
        cmocka_unit_test(what_is_not_due_by_an_earlier_clock_is_not_told),
        cmocka_unit_test(what_is_left_behind_a_start_that_was_moved_is_told),
        cmocka_unit_test(what_is_only_an_input_is_told),
        cmocka_unit_test(an_hour_reads_the_same_behind_days_and_behind_a_hundred_years),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
