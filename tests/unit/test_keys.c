/* keys: the one table of sections, keys and variables. */
#include "stagegraph/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/calendar.h"
#include "stagegraph/clock.h"
#include "stagegraph/text.h"

static void every_row_has_help_a_type_and_a_default_that_parses(void **state)
{
    size_t n;
    const struct sg_key *rows = sg_keys(&n);
    struct sg_calendar c;
    const char *preset;
    int64_t v;
    bool flag, ok;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        preset = rows[i].preset;
        if (rows[i].help == NULL || *rows[i].help == '\0')
            fail_msg("%s has no help", rows[i].name);
        assert_true(*sg_key_type_name(rows[i].type) != '\0');
        if (i > 0)
            assert_true(rows[i].section >= rows[i - 1].section);
        if (rows[i].type == SG_KEY_CHOICE || rows[i].type == SG_KEY_CHOICES)
            assert_non_null(rows[i].choices);
        if (rows[i].type == SG_KEY_INT || rows[i].type == SG_KEY_DURATION ||
            rows[i].type == SG_KEY_SIZE)
            assert_true(rows[i].min < rows[i].max);
        if (preset == NULL)
            continue;
        v = rows[i].min;
        ok = rows[i].type == SG_KEY_INT        ? sg_text_int(preset, &v)
             : rows[i].type == SG_KEY_DURATION ? sg_duration_parse(preset, &v)
             : rows[i].type == SG_KEY_SIZE     ? sg_size_parse(preset, &v)
             : rows[i].type == SG_KEY_BOOL     ? sg_text_bool(preset, &flag)
             : rows[i].type == SG_KEY_CALENDAR ? sg_calendar_parse(preset, NULL, &c)
                                               : true;
        if (!ok || v < rows[i].min || v > rows[i].max)
            fail_msg("%s = %s", rows[i].name, preset);
        if (rows[i].type == SG_KEY_CHOICE || rows[i].type == SG_KEY_CHECK) {
            ok = false;
            for (size_t k = 0; rows[i].choices[k] != NULL; k++)
                ok = ok || strcmp(rows[i].choices[k], preset) == 0;
            assert_true(ok);
        }
    }
}

static void a_key_is_found_in_its_section_alone(void **state)
{
    size_t n;
    const struct sg_key *rows = sg_keys(&n);

    (void)state;
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(sg_key_find(rows[i].section, rows[i].name), &rows[i]);
    assert_null(sg_key_find(SG_SECTION_STAGE, "timezone"));
    assert_null(sg_key_find(SG_SECTION_STAGE, "env."));
    assert_null(sg_key_find(SG_SECTION_SOURCE, "env.FOO"));
    assert_string_equal(sg_key_find(SG_SECTION_STAGE, "env.FOO")->name, "env.NAME");
    assert_string_equal(sg_key_near(SG_SECTION_STAGE, "tiemout"), "timeout");
    assert_null(sg_key_near(SG_SECTION_STAGE, "quux"));
}

static void sections_are_known_by_their_kind(void **state)
{
    (void)state;
    for (enum sg_section s = 0; s < SG_SECTION_COUNT; s++)
        assert_int_equal(sg_section_find(sg_section_row(s)->kind), s);
    assert_int_equal(sg_section_find("stages"), SG_SECTION_COUNT);
}

static void what_the_contract_lists_is_there(void **state)
{
    static const char *const stage =
        "title partition needs command options output marker code version timeout grace retries "
        "backoff pool memory batch check empty prepare output_version version_limit keep_marker "
        "partial partial_marker exclusive breaker workdir start end delay env.NAME";
    static const char *const source = "title partition path marker identity settle start end delay";
    static const char *const vars =
        "start end start_epoch end_epoch ds end_ds count partitions root output_root stage graph "
        "attempt run_id state_dir yarn_tag output partition node YYYY MM DD HH mm options input.X";
    static const struct {
        int section; /* -1: variables */
        const char *const *names;
    } lists[] = { { SG_SECTION_STAGE, &stage }, { SG_SECTION_SOURCE, &source }, { -1, &vars } };
    char copy[500], *save, *name;
    size_t n, seen, rows = 0;
    const struct sg_key *keys = sg_keys(&n);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        snprintf(copy, sizeof(copy), "%s", *lists[i].names);
        seen = 0;
        for (name = strtok_r(copy, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save)) {
            seen++;
            if (lists[i].section < 0 ? sg_var_find(name) == NULL
                                     : sg_key_find((enum sg_section)lists[i].section, name) == NULL)
                fail_msg("%s is missing", name);
        }
        rows = 0;
        for (size_t k = 0; k < n; k++)
            rows += (int)keys[k].section == lists[i].section;
        if (lists[i].section < 0)
            (void)sg_vars(&rows);
        assert_int_equal(rows, seen);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_help_a_type_and_a_default_that_parses),
        cmocka_unit_test(a_key_is_found_in_its_section_alone),
        cmocka_unit_test(sections_are_known_by_their_kind),
        cmocka_unit_test(what_the_contract_lists_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
