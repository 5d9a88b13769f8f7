#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/claim.h"

static struct sg_error err;

#define OK(x)                                                                                      \
    do {                                                                                           \
        if (!(x))                                                                                  \
            fail_msg("%s: %s", #x, err.text);                                                      \
    } while (0)

#define TEXT                                                                                       \
    "{\"stagegraph_claim\":1,\"node\":\"silver@2024-01-01T05\",\"run\":\"r1\",\"attempt\":2,"      \
    "\"host\":\"etl1\",\"boot\":\"b-1\",\"pid\":4711,\"started\":\"2024-01-01T06:00:12Z\","        \
    "\"nonce\":\"0123456789abcdef0123456789abcdef\"}\n"

static void its_text_is_written_and_read(void **state)
{
    struct sg_owner o = { .node = "silver@2024-01-01T05",
                          .run = "r1",
                          .host = "etl1",
                          .boot = "b-1",
                          .attempt = 2,
                          .pid = 4711,
                          .started_s = 1704088812,
                          .nonce = "0123456789abcdef0123456789abcdef" },
                    got;
    struct sg_arena a = SG_ARENA_INIT;
    struct sg_buf b = SG_BUF_INIT;
    bool valid;

    (void)state;
    OK(sg_owner_format(&o, &b, &err));
    assert_string_equal(sg_buf_text(&b), TEXT);
    OK(sg_owner_parse(&a, sg_buf_span(&b), &got, &valid, &err));
    assert_true(valid);
    assert_string_equal(got.node, o.node);
    assert_string_equal(got.run, o.run);
    assert_string_equal(got.host, o.host);
    assert_string_equal(got.boot, o.boot);
    assert_string_equal(got.nonce, o.nonce);
    assert_true(got.attempt == 2 && got.pid == 4711 && got.started_s == o.started_s);
    for (size_t n = 0; n < b.len - 1; n++) {
        OK(sg_owner_parse(&a, (struct sg_span){ .at = b.at, .len = n }, &got, &valid, &err));
        if (valid)
            fail_msg("the first %zu bytes pass", n);
    }
    sg_buf_done(&b);
    sg_arena_done(&a);
}

static void what_is_no_claim_is_one_of_nobody_known(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        { "", false },
        { "locked by hand", false },
        { "{}", false },
        { "[1]", false },
        { "{\"stagegraph_claim\":1,\"node\":\"a\",\"run\":\"r\","
          "\"nonce\":\"0123456789abcdef0123456789abcdef\",\"later\":[{}],\"x\":null}",
          true },
        { "{\"stagegraph_claim\":2,\"node\":\"a\",\"run\":\"r\","
          "\"nonce\":\"0123456789abcdef0123456789abcdef\"}",
          false },
        { "{\"stagegraph_claim\":1,\"node\":\"a\",\"run\":\"r\","
          "\"nonce\":\"0123456789abcdef0123456789abcdeF\"}",
          false },
        { "{\"stagegraph_claim\":1,\"node\":\"a\",\"run\":\"r\",\"nonce\":\"\"}", false },
        { "{\"stagegraph_claim\":1,\"node\":\"a\",\"run\":\"r\"}", false },
        { "{\"stagegraph_claim\":1,\"run\":\"r\",\"nonce\":\"0123456789abcdef0123456789abcdef\"}",
          false },
    };
    struct sg_arena a = SG_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_owner got;
        bool valid = !cases[i].valid;

        OK(sg_owner_parse(&a, sg_span_of(cases[i].text), &got, &valid, &err));
        if (valid != cases[i].valid)
            fail_msg("%s", cases[i].text);
    }
    sg_arena_done(&a);
}

static void a_claim_lies_at_its_stage_and_label(void **state)
{
    struct sg_buf b = SG_BUF_INIT;

    (void)state;
    OK(sg_claim_path("silver", "2024-01-01T05", &b, &err));
    assert_string_equal(sg_buf_text(&b), "_stagegraph/claims/silver/2024-01-01T05");
    sg_buf_clear(&b);
    OK(sg_claim_path("dim", "", &b, &err));
    assert_string_equal(sg_buf_text(&b), "_stagegraph/claims/dim/_");
    sg_buf_done(&b);
}

static void nonces_are_new_and_the_host_is_known(void **state)
{
    struct sg_arena a = SG_ARENA_INIT;
    const char *host, *boot;
    char x[33], y[33], name[256];

    (void)state;
    OK(sg_nonce_new(x, &err));
    OK(sg_nonce_new(y, &err));
    assert_int_equal(strlen(x), 32);
    assert_int_equal(strspn(x, "0123456789abcdef"), 32);
    assert_string_not_equal(x, y);
    OK(sg_host_facts(&a, &host, &boot, &err));
    assert_int_equal(gethostname(name, sizeof(name)), 0);
    assert_string_equal(host, name);
    assert_int_equal(strlen(boot), 36);
    sg_arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_text_is_written_and_read),
        cmocka_unit_test(what_is_no_claim_is_one_of_nobody_known),
        cmocka_unit_test(a_claim_lies_at_its_stage_and_label),
        cmocka_unit_test(nonces_are_new_and_the_host_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
