/* The scratch directories of a run's attempts: which attempt gets which, and what it finds there.
 */
#include "stagegraph/attempt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/files.h"
#include "trial.h"

#define SECOND "bronze@2024-01-01T01"

/* Two nodes that can be made. */
static void open_two(struct trial *t, struct sg_scratches *all, const char *graph)
{
    trial_open(t, graph);
    world_at(&t->w, "2024-01-01T02:00:00Z");
    world_source(&t->w, "landing@2024-01-01T01", "rows");
    *all = (struct sg_scratches){ .others = UINT64_MAX };
    t->run.scratches = all;
    trial_plan(t);
}

static struct sg_attempt *begin(struct trial *t, const char *node)
{
    struct sg_attempt *a = trial_attempt(t, node, 1, 1);

    assert_true(a->to_run);
    return a;
}

static void end(struct sg_attempt *a)
{
    trial_finish(a, SG_RESULT_FAILED, "exit 3");
    sg_attempt_free(a);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* 0: it is not there. */
static ino_t inode_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

static void assert_files(const struct sg_attempt *a)
{
    struct stat st;

    assert_int_equal(lstat(a->vars.files.done, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(lstat(a->vars.files.version, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(lstat(a->vars.files.partitions, &st), 0);
    assert_int_equal(st.st_size, sizeof("2024-01-01T00\n") - 1);
}

static void attempts_that_go_on_at_once_leave_each_its_directory_to_another(void **state)
{
    struct sg_scratches all;
    struct sg_attempt *a, *b;
    struct trial t;
    ino_t first, second;

    (void)state;
    open_two(&t, &all, HEAD LANDING BRONZE);
    a = begin(&t, TRIAL_NODE);
    b = begin(&t, SECOND);
    first = inode_of(a->dir);
    second = inode_of(b->dir);
    assert_true(first != 0 && second != 0 && first != second);
    write_text(a->vars.files.version, "said");
    end(a);
    end(b);
    a = begin(&t, TRIAL_NODE);
    b = begin(&t, SECOND);
    assert_true(inode_of(a->dir) == first && inode_of(b->dir) == second);
    assert_files(a); /* empty for each */
    assert_files(b);
    end(a);
    end(b);
    trial_close(&t);
}

static void one_in_which_the_job_has_left_something_is_made_anew(void **state)
{
    struct sg_scratches all;
    struct sg_attempt *a;
    struct trial t;
    char more[600];

    (void)state;
    open_two(&t, &all, HEAD LANDING BRONZE);
    a = begin(&t, TRIAL_NODE);
    (void)snprintf(more, sizeof(more), "%s/more", a->dir);
    write_text(more, "x");
    end(a);
    assert_true(inode_of(more) == 0);
    a = begin(&t, TRIAL_NODE);
    assert_true(inode_of(more) == 0);
    assert_files(a);
    end(a);
    trial_close(&t);
}

static void one_that_somebody_has_removed_is_made_again(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_scratches all;
    struct sg_attempt *a;
    struct trial t;

    (void)state;
    open_two(&t, &all, HEAD LANDING BRONZE);
    end(begin(&t, TRIAL_NODE));
    assert_true(all.kept != 0);
    OK(sg_files_remove_tree(t.scratch, &err));
    a = begin(&t, TRIAL_NODE);
    assert_files(a);
    end(a);
    trial_close(&t);
}

/* Whoever still writes to the paths of the one before, from wherever, writes to nothing. */
static void where_we_read_what_the_job_writes_each_has_a_name_of_its_own(void **state)
{
    static const char *const graphs[] = {
        HEAD LANDING BRONZE "output_version = job\n",
        HEAD LANDING "[stage bronze]\nneeds = landing\ncommand = b ${output_root}\n"
                     "output = bronze/${ds}/${HH}\nbatch = 2\n",
    };
    struct sg_scratches all;
    struct sg_attempt *a;
    struct trial t;
    char before[600];
    ino_t first;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        open_two(&t, &all, graphs[i]);
        a = begin(&t, TRIAL_NODE);
        (void)snprintf(before, sizeof(before), "%s", a->vars.files.done);
        first = inode_of(before);
        end(a);
        a = begin(&t, TRIAL_NODE);
        assert_string_not_equal(a->vars.files.done, before);
        assert_true(inode_of(before) == 0);
        assert_true(inode_of(a->vars.files.done) == first); /* the same directory all the same */
        assert_files(a);
        end(a);
        trial_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts_that_go_on_at_once_leave_each_its_directory_to_another),
        cmocka_unit_test(one_in_which_the_job_has_left_something_is_made_anew),
        cmocka_unit_test(one_that_somebody_has_removed_is_made_again),
        cmocka_unit_test(where_we_read_what_the_job_writes_each_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
