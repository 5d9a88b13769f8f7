#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/buf.h"
#include "stagegraph/sched.h"

#include "sched_table.h"

static void each_state_is_reached_and_left(void **state)
{
    uint32_t reached = UINT32_C(1) << SG_STATE_WAITING, left = UINT32_C(1) << SG_STATE_FINISHED;
    const char *action;

    (void)state;
    for (uint32_t from = 0; from < SG_STATES; from++) {
        for (uint32_t event = 0; event < SG_EVENTS; event++) {
            uint32_t next = SG_STATES;

            if (!sg_sched_cell(from, event, &next, &action))
                continue;
            assert_in_range(next, 0, SG_STATES - 1);
            assert_string_not_equal(action, "");
            if (from == SG_STATE_FINISHED)
                assert_int_equal(next, from);
            if (next != from) {
                reached |= UINT32_C(1) << next;
                left |= UINT32_C(1) << from;
            }
        }
    }
    assert_int_equal(reached, (1 << SG_STATES) - 1);
    assert_int_equal(left, (1 << SG_STATES) - 1);
    assert_null(sg_sched_state_name(SG_STATES));
    assert_null(sg_sched_event_name(SG_EVENTS));
}

#define TABLE_BEGINS "<!-- the scheduler's table: printed by tests/unit/test_sched_table.c -->\n"
#define TABLE_ENDS   "<!-- end of the scheduler's table -->\n"

static void write_table(struct sg_buf *out)
{
    struct sg_error err = SG_ERROR_INIT;
    bool ok = sg_buf_adds(out,
                          TABLE_BEGINS "| a job that is | when | becomes | and |\n"
                                       "|---|---|---|---|\n",
                          &err);
    const char *action;
    uint32_t next;

    for (uint32_t from = 0; from < SG_STATES; from++) {
        for (uint32_t event = 0; event < SG_EVENTS; event++) {
            if (sg_sched_cell(from, event, &next, &action))
                ok = ok &&
                     sg_buf_addf(out, &err, "| %s | %s | %s | %s |\n", sg_sched_state_name(from),
                                 sg_sched_event_name(event), sg_sched_state_name(next), action);
        }
    }
    assert_true(ok && sg_buf_adds(out, TABLE_ENDS, &err));
}

static void read_file(const char *path, struct sg_buf *out)
{
    struct sg_error err = SG_ERROR_INIT;
    char block[4096];
    size_t n;
    FILE *f = fopen(path, "r");

    while (f != NULL && (n = fread(block, 1, sizeof(block), f)) > 0)
        assert_true(sg_buf_add(out, block, n, &err));
    if (f != NULL)
        fclose(f);
}

/* With SG_PRINT_TABLE set, prints what the text should have instead. */
static void the_table_in_the_design_text_is_this_one(void **state)
{
    static const char *const names[] = { "docs/design.md", "docs/design.d/sched.md" };
    const char *source = getenv("SRC_DIR");
    struct sg_buf table = SG_BUF_INIT, text = SG_BUF_INIT, path = SG_BUF_INIT;
    struct sg_error err = SG_ERROR_INIT;
    const char *begin = NULL;

    (void)state;
    write_table(&table);
    if (getenv("SG_PRINT_TABLE") != NULL)
        fputs(sg_buf_text(&table), stdout);
    for (size_t i = 0; i < 2 && begin == NULL; i++) {
        sg_buf_clear(&text);
        sg_buf_clear(&path);
        assert_true(sg_buf_addf(&path, &err, "%s/%s", source == NULL ? "." : source, names[i]));
        read_file(sg_buf_text(&path), &text);
        begin = strstr(sg_buf_text(&text), TABLE_BEGINS);
    }
    if (begin == NULL && source == NULL && text.len == 0)
        print_message("no design text below the current directory: not compared\n");
    else if (begin == NULL)
        fail_msg("no design text has the scheduler's table");
    else if (strncmp(begin, sg_buf_text(&table), table.len) != 0)
        fail_msg("%s has another table; SG_PRINT_TABLE=1 prints the right one", sg_buf_text(&path));
    sg_buf_done(&table);
    sg_buf_done(&text);
    sg_buf_done(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_is_reached_and_left),
        cmocka_unit_test(the_table_in_the_design_text_is_this_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
