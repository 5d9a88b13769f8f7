/* Facts in, reason and verdict out: section 5 of the contract as rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plan_impl.h"

#define BIT(r) SG_REASON_BIT(SG_REASON_##r)

static const struct sg_recipe_change code_and_params = {
    .reasons = BIT(CODE) | BIT(PARAMS),
    .detail = { [SG_REASON_CODE] = "a.py", [SG_REASON_PARAMS] = "x 1 → 2" },
};
static const struct sg_recipe_change need_rule = {
    .reasons = BIT(INPUT),
    .detail = { [SG_REASON_INPUT] = "dim" },
};
static const struct sg_recipe_change lost = { .lost = true };

static const struct row {
    const char *label;
    struct sg_facts f;
    uint32_t asked; /* 0: all */
    enum sg_verdict verdict;
    enum sg_reason reason;
    uint32_t reasons;
    const char *detail;
    bool must;
} rows[] = {
    { "a receipt with nothing changed",
      { .kind = SG_MARKER_DONE },
      0,
      SG_VERDICT_FRESH,
      SG_REASON_NONE,
      0,
      "",
      false },
    { "accepted is like done",
      { .kind = SG_MARKER_ACCEPTED },
      0,
      SG_VERDICT_FRESH,
      SG_REASON_NONE,
      0,
      "",
      false },
    { "no marker",
      { .kind = SG_MARKER_ABSENT },
      0,
      SG_VERDICT_RUN,
      SG_REASON_MISSING,
      BIT(MISSING),
      "",
      true },
    { "damage",
      { .kind = SG_MARKER_DAMAGED },
      0,
      SG_VERDICT_RUN,
      SG_REASON_DAMAGED,
      BIT(DAMAGED),
      "",
      true },
    { "a receipt of state running",
      { .kind = SG_MARKER_RUNNING },
      0,
      SG_VERDICT_RUN,
      SG_REASON_INTERRUPTED,
      BIT(INTERRUPTED),
      "",
      true },
    { "a dead claim without a marker",
      { .kind = SG_MARKER_ABSENT, .dead_claim = true },
      0,
      SG_VERDICT_RUN,
      SG_REASON_INTERRUPTED,
      BIT(INTERRUPTED) | BIT(MISSING),
      "",
      true },
    { "a dead claim beside a receipt",
      { .kind = SG_MARKER_DONE, .dead_claim = true },
      0,
      SG_VERDICT_RUN,
      SG_REASON_INTERRUPTED,
      BIT(INTERRUPTED),
      "",
      true },
    { "forced comes first",
      { .kind = SG_MARKER_ABSENT, .forced = true },
      0,
      SG_VERDICT_RUN,
      SG_REASON_FORCED,
      BIT(FORCED) | BIT(MISSING),
      "",
      true },
    { "forced whatever was asked for",
      { .kind = SG_MARKER_DONE, .forced = true },
      BIT(CODE),
      SG_VERDICT_RUN,
      SG_REASON_FORCED,
      BIT(FORCED),
      "",
      true },
    { "several parts: the first",
      { .kind = SG_MARKER_DONE, .recipe = &code_and_params },
      0,
      SG_VERDICT_RUN,
      SG_REASON_CODE,
      BIT(CODE) | BIT(PARAMS),
      "a.py",
      true },
    { "several parts: the first that was asked for",
      { .kind = SG_MARKER_DONE, .recipe = &code_and_params },
      BIT(PARAMS),
      SG_VERDICT_RUN,
      SG_REASON_PARAMS,
      BIT(CODE) | BIT(PARAMS),
      "x 1 → 2",
      true },
    { "not asked for is debt",
      { .kind = SG_MARKER_DONE, .recipe = &code_and_params },
      BIT(MISSING),
      SG_VERDICT_DEBT,
      SG_REASON_CODE,
      BIT(CODE) | BIT(PARAMS),
      "a.py",
      false },
    { "debt that lacks an input is debt",
      { .kind = SG_MARKER_ABSENT, .lacks = true },
      BIT(CODE),
      SG_VERDICT_DEBT,
      SG_REASON_MISSING,
      BIT(MISSING),
      "",
      false },
    { "an input",
      { .kind = SG_MARKER_DONE, .input = "bronze" },
      0,
      SG_VERDICT_RUN,
      SG_REASON_INPUT,
      BIT(INPUT),
      "bronze",
      true },
    { "a need rule",
      { .kind = SG_MARKER_DONE, .recipe = &need_rule, .input = "bronze" },
      0,
      SG_VERDICT_RUN,
      SG_REASON_INPUT,
      BIT(INPUT),
      "dim",
      true },
    { "a lost recipe",
      { .kind = SG_MARKER_DONE, .recipe = &lost },
      0,
      SG_VERDICT_RUN,
      SG_REASON_CODE,
      BIT(CODE),
      "recipe lost",
      true },
    { "a lost recipe, but an input can be named",
      { .kind = SG_MARKER_DONE, .recipe = &lost, .input = "bronze" },
      0,
      SG_VERDICT_RUN,
      SG_REASON_INPUT,
      BIT(INPUT),
      "bronze",
      true },
    { "upstream",
      { .kind = SG_MARKER_DONE, .upstream = "bronze" },
      0,
      SG_VERDICT_RUN,
      SG_REASON_UPSTREAM,
      BIT(UPSTREAM),
      "bronze",
      false },
    { "upstream and input: input",
      { .kind = SG_MARKER_DONE, .upstream = "a", .input = "b" },
      0,
      SG_VERDICT_RUN,
      SG_REASON_INPUT,
      BIT(INPUT) | BIT(UPSTREAM),
      "b",
      true },
    { "a foreign marker",
      { .kind = SG_MARKER_FOREIGN },
      0,
      SG_VERDICT_FRESH,
      SG_REASON_NONE,
      0,
      "",
      false },
    { "a foreign marker has no recipe",
      { .kind = SG_MARKER_FOREIGN, .recipe = &code_and_params },
      0,
      SG_VERDICT_FRESH,
      SG_REASON_NONE,
      0,
      "",
      false },
    { "a foreign marker with a later input",
      { .kind = SG_MARKER_FOREIGN, .input = "bronze" },
      0,
      SG_VERDICT_RUN,
      SG_REASON_INPUT,
      BIT(INPUT),
      "bronze",
      true },
    { "a foreign marker and upstream",
      { .kind = SG_MARKER_FOREIGN, .upstream = "bronze" },
      0,
      SG_VERDICT_RUN,
      SG_REASON_UPSTREAM,
      BIT(UPSTREAM),
      "bronze",
      false },
    { "a foreign marker of an unfinished interval",
      { .kind = SG_MARKER_FOREIGN, .unfinished = true, .input = "bronze" },
      0,
      SG_VERDICT_RUN,
      SG_REASON_MISSING,
      BIT(MISSING),
      "marker of an unfinished interval",
      true },
    { "lacking",
      { .kind = SG_MARKER_ABSENT, .lacks = true },
      0,
      SG_VERDICT_BLOCKED,
      SG_REASON_MISSING,
      BIT(MISSING),
      "",
      true },
    { "fresh though an input is gone",
      { .kind = SG_MARKER_DONE, .lacks = true },
      0,
      SG_VERDICT_FRESH,
      SG_REASON_NONE,
      0,
      "",
      false },
    { "upstream alone and lacking: blocked, but need not be made",
      { .kind = SG_MARKER_DONE, .lacks = true, .upstream = "bronze" },
      0,
      SG_VERDICT_BLOCKED,
      SG_REASON_UPSTREAM,
      BIT(UPSTREAM),
      "bronze",
      false },
    { "code, but only upstream asked for: need not be made",
      { .kind = SG_MARKER_DONE, .lacks = true, .recipe = &code_and_params, .upstream = "bronze" },
      BIT(UPSTREAM),
      SG_VERDICT_BLOCKED,
      SG_REASON_UPSTREAM,
      BIT(CODE) | BIT(PARAMS) | BIT(UPSTREAM),
      "bronze",
      false },
    { "held",
      { .kind = SG_MARKER_ABSENT, .held = true },
      0,
      SG_VERDICT_BUSY,
      SG_REASON_MISSING,
      BIT(MISSING),
      "",
      true },
    { "held and fresh",
      { .kind = SG_MARKER_DONE, .held = true },
      0,
      SG_VERDICT_FRESH,
      SG_REASON_NONE,
      0,
      "",
      false },
    { "held before lacking",
      { .kind = SG_MARKER_ABSENT, .held = true, .lacks = true },
      0,
      SG_VERDICT_BUSY,
      SG_REASON_MISSING,
      BIT(MISSING),
      "",
      true },
    { "an input is held",
      { .kind = SG_MARKER_ABSENT, .input_held = true },
      0,
      SG_VERDICT_BUSY,
      SG_REASON_MISSING,
      BIT(MISSING),
      "",
      true },
    { "an input is held, another lacks",
      { .kind = SG_MARKER_ABSENT, .input_held = true, .lacks = true },
      0,
      SG_VERDICT_BLOCKED,
      SG_REASON_MISSING,
      BIT(MISSING),
      "",
      true },
};

static void facts_make_reasons_and_verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct sg_judgement j;

        sg_judge(&r->f, r->asked != 0 ? r->asked : SG_REASONS_ALL, &j);
        if (j.verdict != r->verdict || j.reason != r->reason || j.reasons != r->reasons ||
            strcmp(j.detail, r->detail) != 0 || j.must != r->must)
            fail_msg("%s: verdict %d, reason %s of %#x, detail '%s', must %d", r->label, j.verdict,
                     sg_reason_name(j.reason), j.reasons, j.detail, j.must);
    }
}

static void no_reason_is_ever_lost_by_what_is_asked_for(void **state)
{
    (void)state;
    for (uint32_t asked = 0; asked < 1u << SG_REASON_COUNT; asked += 2)
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            struct sg_judgement j;
            uint32_t hit;

            sg_judge(&rows[i].f, asked, &j);
            hit = j.reasons & (asked | BIT(FORCED));
            assert_int_equal(j.reasons, rows[i].reasons);
            assert_int_equal(j.verdict == SG_VERDICT_FRESH, j.reasons == 0);
            assert_int_equal(j.verdict == SG_VERDICT_DEBT, j.reasons != 0 && hit == 0);
            if (hit != 0)
                assert_true(hit & 1u << j.reason);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_make_reasons_and_verdicts),
        cmocka_unit_test(no_reason_is_ever_lost_by_what_is_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
