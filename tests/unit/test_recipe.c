#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/code.h"
#include "stagegraph/recipe.h"

#include "fake_store.h"
#include "scratch_store.h"

static struct scratch dir;
static struct sg_store *store;
static struct sg_arena arena;
static struct sg_error err;

static int set_up(void **state)
{
    (void)state;
    store = scratch_store_open(&dir, &err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sg_arena_done(&arena);
    scratch_store_close(&dir, store);
    return 0;
}

/* A stage by hand; what a case changes is changed in it. */
struct example {
    struct sg_graph g;
    struct sg_stage s;
    const char *words[4], *check_words[2], *tz[1], *lang[1], *code[2];
    struct sg_env env[2];
    struct sg_param params[4];
    uint32_t used[3];
    struct sg_need needs[3];
};

static void make(struct example *e)
{
    *e = (struct example){
        .words = { "bash", "run.sh", "${options}", "--out=${output}" },
        .check_words = { "test", "-s" },
        .tz = { "UTC" },
        .lang = { "C \"x\"" },
        .code = { "jobs/**.py" },
        .params = { { .name = "unused", .value = "1", .stamp = true },
                    { .name = "mode", .value = "all", .stamp = true },
                    { .name = "how", .value = "upsert", .stamp = false },
                    { .name = "flag", .value = "", .stamp = true } },
        .used = { 1, 2, 3 },
        .needs = { { .text = "bronze" },
                   { .text = "|dim", .order_only = true },
                   { .text = "gold@-1?" } },
        .env = { { .name = "LANG" }, { .name = "TZ" } },
    };
    e->env[0].value = (struct sg_template){ .texts = e->lang, .n_words = 1 };
    e->env[1].value = (struct sg_template){ .texts = e->tz, .n_words = 1 };
    e->g.dir = "/elsewhere";
    e->s.workdir = dir.dir; /* where code lies */
    e->g.params = e->params;
    e->g.n_params = 4;
    e->s.name = "silver";
    e->s.title = "SILVER";
    e->s.command = (struct sg_template){ .texts = e->words, .n_words = 4 };
    e->s.check_command = (struct sg_template){ .texts = e->check_words, .n_words = 2 };
    e->s.env = e->env;
    e->s.n_env = 2;
    e->s.params = e->used;
    e->s.n_params = 3;
    e->s.needs = e->needs;
    e->s.n_needs = 3;
    e->s.code = e->code;
    e->s.n_code = 1;
    e->s.version = "2";
}

static struct sg_recipe recipe_of(const struct example *e)
{
    struct sg_code_cache *cache = sg_code_cache_new(&err);
    struct sg_recipe r;

    assert_non_null(cache);
    OK(sg_recipe_of(&e->g, &e->s, cache, &arena, &r, &err));
    sg_code_cache_free(cache);
    return r;
}

static void its_text_is_the_documented_one(void **state)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_recipe r;
    struct example e;
    char expected[2048], a[SG_HASH128_TEXT], x[SG_HASH128_TEXT];

    (void)state;
    scratch_write(&dir, "jobs/x/run.py", "print()");
    scratch_write(&dir, "jobs/a.py", "pass");
    sg_hash128_format(sg_hash128_of("pass", 4), a);
    sg_hash128_format(sg_hash128_of("print()", 7), x);
    make(&e);
    r = recipe_of(&e);
    OK(sg_recipe_format(&r, &b, &err));
    snprintf(expected, sizeof(expected),
             "{\"stagegraph_recipe\":1}\n"
             "[\"code\",\"jobs/a.py\",\"%s\"]\n"
             "[\"code\",\"jobs/x/run.py\",\"%s\"]\n"
             "[\"command\",\"check\",\"[\\\"written\\\"]\"]\n"
             "[\"command\",\"command\",\"[\\\"bash\\\",\\\"run.sh\\\",\\\"${options}\\\","
             "\\\"--out=${output}\\\"]\"]\n"
             "[\"command\",\"env.LANG\",\"[\\\"C \\\\\\\"x\\\\\\\"\\\"]\"]\n"
             "[\"command\",\"env.TZ\",\"[\\\"UTC\\\"]\"]\n"
             "[\"param\",\"flag\",\"\"]\n"
             "[\"param\",\"mode\",\"all\"]\n"
             "[\"version\",\"version\",\"2\"]\n"
             "[\"need\",\"000\",\"bronze\"]\n"
             "[\"need\",\"001\",\"gold@-1?\"]\n",
             a, x);
    assert_string_equal(sg_buf_text(&b), expected);
    assert_true(sg_hash128_is(r.hash, sg_hash128_of(b.at, b.len)));
    sg_buf_done(&b);
}

struct seen {
    char text[512];
};

static bool see(void *ctx, enum sg_part_kind kind, const char *name, const char *before,
                const char *after)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);

    snprintf(s->text + n, sizeof(s->text) - n, "%d %s %s>%s;", (int)kind, name,
             before != NULL ? before : "-", after != NULL ? after : "-");
    return true;
}

static void change_nothing(struct example *e)
{
    e->s.timeout_s = 5;
    e->s.title = "another";
    e->params[2].value = "full"; /* not in the stamp */
    e->params[0].value = "2";    /* not used */
    e->needs[1].text = "|other";
    e->s.memory = 7;
    e->g.dir = "/another";
    e->s.pool = 3;
}

static void change_word(struct example *e)
{
    e->words[1] = "other.sh";
}

static void split_word(struct example *e)
{
    e->words[1] = "run.sh ${options}";
    e->words[2] = e->words[3];
    e->s.command.n_words = 3;
}

static void change_check(struct example *e)
{
    e->s.check = SG_CHECK_COMMAND;
}

static void drop_env(struct example *e)
{
    e->s.n_env = 1;
}

static void change_param(struct example *e)
{
    e->params[1].value = "some";
    e->params[3].value = "true";
}

static void change_version(struct example *e)
{
    e->s.version = "3";
}

static void swap_needs(struct example *e)
{
    e->needs[0].text = "gold@-1?";
    e->needs[2].text = "bronze";
}

static void drop_order_only(struct example *e)
{
    e->needs[1] = e->needs[2];
    e->s.n_needs = 2;
}

static void change_code(struct example *e)
{
    (void)e;
    scratch_write(&dir, "jobs/a.py", "changed");
    scratch_write(&dir, "jobs/b.py", "new");
    assert_int_equal(remove(scratch_path(&dir, "jobs/z.py")), 0);
}

static void each_part_that_changes_is_named(void **state)
{
    static const struct {
        const char *what, *seen;
        void (*change)(struct example *e);
    } cases[] = {
        { "nothing that counts", "", change_nothing },
        { "a word", "1 command [", change_word },
        { "where words end", "1 command [", split_word },
        { "check", "1 check [\"written\"]>[\"test\",\"-s\"];", change_check },
        { "env", "1 env.TZ [\"UTC\"]>-;", drop_env },
        { "params", "2 flag >true;2 mode all>some;", change_param },
        { "version", "3 version 2>3;", change_version },
        { "needs", "4 000 bronze>gold@-1?;4 001 gold@-1?>bronze;", swap_needs },
        { "a need of order only", "", drop_order_only },
        { "code", "0 jobs/a.py ", change_code },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_recipe before, after;
        struct seen seen = { "" };
        struct example e;

        scratch_write(&dir, "jobs/a.py", "a");
        scratch_write(&dir, "jobs/z.py", "z");
        remove(scratch_path(&dir, "jobs/b.py"));
        make(&e);
        before = recipe_of(&e);
        cases[i].change(&e);
        after = recipe_of(&e);
        sg_recipe_diff(&before, &after, see, &seen);
        if (strncmp(seen.text, cases[i].seen, strlen(cases[i].seen)) != 0 ||
            (cases[i].seen[0] == '\0') != (seen.text[0] == '\0'))
            fail_msg("%s: %s", cases[i].what, seen.text);
        assert_int_equal(sg_hash128_is(before.hash, after.hash), seen.text[0] == '\0');
        if (cases[i].change == change_code) {
            assert_non_null(strstr(seen.text, ";0 jobs/b.py ->"));
            assert_non_null(strstr(seen.text, ">-;"));
        }
    }
}

static void a_pattern_that_matches_nothing_is_an_error_of_the_graph(void **state)
{
    struct sg_code_cache *cache = sg_code_cache_new(&err);
    struct sg_recipe r;
    struct example e;

    (void)state;
    make(&e);
    assert_false(sg_recipe_of(&e.g, &e.s, cache, &arena, &r, &err));
    assert_int_equal(err.code, SG_ERROR_GRAPH);
    assert_non_null(strstr(err.text, "jobs/**.py"));
    sg_code_cache_free(cache);
}

static struct sg_recipe written(void)
{
    struct sg_recipe r;
    struct example e;

    make(&e);
    e.s.n_code = 0;
    r = recipe_of(&e);
    OK(sg_recipe_write(store, &r, &err));
    return r;
}

static void what_is_written_is_read_back_by_its_hash(void **state)
{
    struct sg_recipe r, got;
    struct seen seen = { "" };
    bool found = false;

    (void)state;
    r = written();
    assert_int_equal(scratch_count(&dir, "_stagegraph/recipes", ""), 1);
    OK(sg_recipe_read(store, r.hash, &arena, &got, &found, &err));
    assert_true(found);
    assert_true(sg_hash128_is(got.hash, r.hash));
    assert_int_equal(got.n_parts, r.n_parts);
    sg_recipe_diff(&r, &got, see, &seen);
    assert_string_equal(seen.text, "");
    OK(sg_recipe_read(store, (struct sg_hash128){ 1, 2 }, &arena, &got, &found, &err));
    assert_false(found);
}

static void one_that_is_there_costs_a_stat(void **state)
{
    struct sg_fake_store *f;
    struct sg_recipe r;

    (void)state;
    r = written();
    OK(sg_fake_store_open(dir.dir, true, &f, &err));
    sg_fake_store_arm(f, (struct sg_fault){ 0 });
    OK(sg_recipe_write(sg_fake_store_get(f), &r, &err));
    assert_int_equal(sg_fake_store_count(f, NULL), 1);
    sg_fake_store_close(f);
}

static void a_damaged_one_is_lost(void **state)
{
    struct sg_buf text = SG_BUF_INIT;
    struct sg_recipe r, got;
    char path[128], hex[SG_HASH128_TEXT];
    bool found = true;

    (void)state;
    r = written();
    OK(sg_recipe_format(&r, &text, &err));
    sg_hash128_format(r.hash, hex);
    snprintf(path, sizeof(path), "_stagegraph/recipes/%s", hex);
    for (size_t n = 0; n < text.len; n++) {
        scratch_write_bytes(&dir, path, text.at, n);
        OK(sg_recipe_read(store, r.hash, &arena, &got, &found, &err));
        if (found)
            fail_msg("its first %zu bytes pass", n);
    }
    OK(sg_recipe_write(store, &r, &err)); /* and is written anew */
    OK(sg_recipe_read(store, r.hash, &arena, &got, &found, &err));
    assert_true(found);
    sg_buf_done(&text);
}

static void a_text_that_is_no_recipe_is_none_even_under_its_own_hash(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "{\"stagegraph_recipe\":2}\n",
        "{\"stagegraph_recipe\":1}\n[]\n",
        "{\"stagegraph_recipe\":1}\n[\"code\",\"a\"]\n",
        "{\"stagegraph_recipe\":1}\n[\"what\",\"a\",\"b\"]\n",
        "{\"stagegraph_recipe\":1}\n[\"code\",\"a\",\"b\",\"c\"]\n",
        "{\"stagegraph_recipe\":1}\n[\"code\",\"a\",\"b\"]",
        "{\"stagegraph_recipe\":1}\n[\"code\",\"b\",\"b\"]\n[\"code\",\"a\",\"b\"]\n",
        "{\"stagegraph_recipe\":1}\n\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sg_span text = sg_span_of(texts[i]);
        struct sg_recipe r;
        bool valid = true;

        OK(sg_recipe_parse(&arena, text, sg_hash128_of(text.at, text.len), &r, &valid, &err));
        if (valid)
            fail_msg("%s", texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_text_is_the_documented_one),
        cmocka_unit_test(each_part_that_changes_is_named),
        cmocka_unit_test(a_pattern_that_matches_nothing_is_an_error_of_the_graph),
        cmocka_unit_test(what_is_written_is_read_back_by_its_hash),
        cmocka_unit_test(one_that_is_there_costs_a_stat),
        cmocka_unit_test(a_damaged_one_is_lost),
        cmocka_unit_test(a_text_that_is_no_recipe_is_none_even_under_its_own_hash),
    };
    struct CMUnitTest each[sizeof(tests) / sizeof(tests[0])];

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        each[i] = tests[i];
        each[i].setup_func = set_up;
        each[i].teardown_func = tear_down;
    }
    return cmocka_run_group_tests(each, NULL, NULL);
}
