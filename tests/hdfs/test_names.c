/*
 * names: paths that need escapes, and directories that are large.
 */
#include "hdfs.h"

#define MANY 100000

static void names_of_all_kinds_are_paths(void **state)
{
    static const char odd[] = "a b/50%25 = 1+1 & #2 'ä' \xe6\x97\xa5";
    struct e2e *t = *state;
    const char *root = e2e_text(t, "%s/%s", hdfs_root(t, "webhdfs"), odd);
    const char *data;

    hdfs_flights(t, root, "");
    hdfs_make_dir(t, e2e_text(t, "warehouse/%s", odd));
    hdfs_move(t, "warehouse/landing", e2e_text(t, "warehouse/%s/landing", odd));
    e2e_edit(t, "stagegraph.ini", "output  = silver/", "output  = sil ver%%+/");
    e2e_does(t, "silver", "printf '%s\\n' \"$out\" >uri\n");
    e2e_run(t, 0, "run -j2");
    e2e_plan_is(t, "", "");
    /* The job got it raw, as Hadoop's Path reads it. */
    e2e_says(e2e_read(t, "uri"), e2e_text(t, "%s/sil ver", root));
    data = hdfs_read(t, e2e_text(t, "warehouse/%s/gold/dt=2024-01-01/data", odd));
    e2e_says(data, "silver@2024-01-01T22\n");
    e2e_run(t, 0, "invalidate --yes silver@2024-01-01T22");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 missing\n");
    e2e_run(t, 0, "run");
    assert_int_equal(strcmp(hdfs_names(t, e2e_text(t, "warehouse/%s", odd)),
                            "_stagegraph bronze gold landing sil ver%%+"),
                     0);
}

/* Foreign directories among the hours of a day: whoever lists it gets 24 MB. */
static void a_directory_of_a_hundred_thousand_entries_is_read_whole_or_not_at_all(void **state)
{
    struct e2e *t = *state;
    char **paths = calloc(MANY, sizeof(*paths));

    assert_non_null(paths);
    hdfs_proxy(t);
    hdfs_flights(t, hdfs_root(t, "proxy"), "");
    e2e_run(t, 0, "run -j2");
    for (size_t i = 0; i < MANY; i++)
        paths[i] = e2e_text(t, "warehouse/silver/dt=2024-01-01/other-%06zu", i);
    hdfs_make_many(t, paths, MANY, true);
    free(paths);
    e2e_lives(t);
    hdfs_remove(t, "warehouse/silver/dt=2024-01-01/hr=22");
    hdfs_spoil(t, "");
    e2e_plan_is(t, "--only silver", "silver 2024-01-01T22 1/1 missing\n");
    assert_true(t->peak_kib < 128 * 1024);
    e2e_run(t, 0, "run");
    e2e_plan_is(t, "", "");
    e2e_edit(t, "stagegraph.ini", "[store]\n", "[store]\ndeadline = 60s\n");
    e2e_remove(t, ".stagegraph"); /* with what it remembers */
    hdfs_spoil(t, "LISTSTATUS 1 1 cut 20000000\nLISTSTATUS 2 1 cut 1000\n");
    e2e_plan_is(t, "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        hdfs_test(names_of_all_kinds_are_paths),
        hdfs_test(a_directory_of_a_hundred_thousand_entries_is_read_whole_or_not_at_all),
    };

    hdfs_use("plain", false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
