#include "report_fake.inc"

#include "stagegraph/table.h"

static void columns_are_as_wide_as_what_is_in_them(void **state)
{
    static const struct sg_column columns[] = {
        { "", false, 1 },
        { "NAME", false, 8 },
        { "COUNT", true, 0 },
        { "LAST", false, 0 },
    };
    static const char *const rows[][4] = {
        { "!", "a … b", "1", "x" },
        { NULL, "a long name", "1,000,000", NULL },
        { "", "日本", "", "end" },
    };
    struct fake_out f;
    struct sg_table t;

    (void)state;
    fake_out_init(&f, (struct sg_out_config){ .utf8 = true });
    sg_table_init(&t, &f.out, columns, 4);
    for (int i = 0; i < 3; i++)
        sg_table_measure(&t, rows[i]);
    sg_table_head(&t);
    for (int i = 0; i < 3; i++)
        sg_table_row(&t, rows[i]);
    assert_string_equal(fake_out_take(&f), "   NAME             COUNT  LAST\n"
                                           "!  a … b                1  x\n"
                                           "   a long name  1,000,000\n"
                                           "   日本                    end\n");
    fake_out_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_what_is_in_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
