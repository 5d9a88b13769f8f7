#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stagegraph/request.h"

#include "world.h"

static const char hours[] = "[graph]\nstart = 2024-01-01\ndelay = 5m\n[store]\nroot = store\n"
                            "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n"
                            "[stage b]\nneeds = a\ncommand = b\noutput = b/${ds}/${HH}\n"
                            "[stage c]\npartition = once\ncommand = c\noutput = c\n";

static void every_reason_has_a_name_that_reads_back(void **state)
{
    enum sg_reason r = SG_REASON_NONE;

    (void)state;
    for (int i = SG_REASON_FORCED; i < SG_REASON_COUNT; i++) {
        assert_true(sg_reason_parse(sg_reason_name((enum sg_reason)i), &r));
        assert_int_equal(r, i);
    }
    assert_string_equal(sg_reason_name(SG_REASON_NONE), "");
    assert_false(sg_reason_parse("", &r));
    assert_false(sg_reason_parse("Code", &r));
}

static void lists_of_reasons_take_commas_and_blanks(void **state)
{
    static const struct {
        const char *text;
        uint32_t mask;
        const char *wrong; /* in the message; NULL: it is fine */
    } rows[] = {
        { "", 0, NULL },
        { "code", 1u << SG_REASON_CODE, NULL },
        { "missing, damaged", 1u << SG_REASON_MISSING | 1u << SG_REASON_DAMAGED, NULL },
        { " input  upstream,", 1u << SG_REASON_INPUT | 1u << SG_REASON_UPSTREAM, NULL },
        { "code,code", 1u << SG_REASON_CODE, NULL },
        { "missing,coed", 0, "did you mean code?" },
        { "bronze", 0, "is no reason: forced," },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_error err = SG_ERROR_INIT;
        uint32_t mask = 77;
        bool ok = sg_reasons_parse(rows[i].text, &mask, &err);

        if (ok != (rows[i].wrong == NULL) || (ok && mask != rows[i].mask) ||
            (!ok &&
             (mask != 77 || err.code != SG_ERROR_USAGE || strstr(err.text, rows[i].wrong) == NULL)))
            fail_msg("'%s': %d %#x %s", rows[i].text, ok, mask, err.text);
    }
}

static void a_window_ends_with_the_newest_partition_whose_delay_is_past(void **state)
{
    static const struct {
        const char *now;
        int32_t window, lookback;
        const char *from, *window_from, *to;
    } rows[] = {
        /* the delay's last instant counts as past */
        { "2024-01-02T06:05:00Z", 1, 0, "2024-01-02T05:00:00Z", "2024-01-02T05:00:00Z",
          "2024-01-02T06:00:00Z" },
        { "2024-01-02T06:04:59Z", 1, 0, "2024-01-02T04:00:00Z", "2024-01-02T04:00:00Z",
          "2024-01-02T05:00:00Z" },
        { "2024-01-02T06:10:00Z", 2, 24, "2024-01-01T04:00:00Z", "2024-01-02T04:00:00Z",
          "2024-01-02T06:00:00Z" },
    };
    struct world w;

    (void)state;
    world_open(&w, hours);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_interval range, window;

        world_at(&w, rows[i].now);
        w.request.window = rows[i].window;
        w.request.lookback = rows[i].lookback;
        sg_request_window(w.graph, &w.request, &range, &window);
        assert_int_equal(range.start_s, world_time(rows[i].from));
        assert_int_equal(window.start_s, world_time(rows[i].window_from));
        assert_int_equal(range.end_s, world_time(rows[i].to));
        assert_int_equal(window.end_s, range.end_s);
    }
    world_close(&w);
}

static void a_window_of_days_counts_no_date_that_never_was(void **state)
{
    struct sg_interval range, window;
    struct world w;

    (void)state;
    world_open(&w, "[graph]\nstart = 2011-12-01\npartition = day\ntimezone = Pacific/Apia\n"
                   "[store]\nroot = store\n[stage a]\ncommand = a\noutput = a/${ds}\n");
    world_at(&w, "2012-01-01T12:00:00Z"); /* the 2nd of January there: the 1st is over */
    w.request.window = 1;
    w.request.lookback = 2; /* the 31st and, the 30th having been skipped, the 29th */
    sg_request_window(w.graph, &w.request, &range, &window);
    assert_int_equal(window.start_s, world_time("2011-12-31T10:00:00Z"));
    assert_int_equal(range.start_s, world_time("2011-12-29T10:00:00Z"));
    assert_int_equal(range.end_s, world_time("2012-01-01T10:00:00Z"));
    world_close(&w);
}

static void a_window_never_passes_the_graphs_end(void **state)
{
    struct sg_interval range, window;
    struct world w;

    (void)state;
    world_open(&w, "[graph]\nstart = 2024-01-01\nend = 2024-01-02\n[store]\nroot = store\n"
                   "[stage a]\ncommand = a\noutput = a/${ds}/${HH}\n");
    world_at(&w, "2025-01-01T00:00:00Z");
    w.request.window = 1;
    sg_request_window(w.graph, &w.request, &range, &window);
    assert_int_equal(range.start_s, world_time("2024-01-01T23:00:00Z"));
    assert_int_equal(range.end_s, world_time("2024-01-02T00:00:00Z"));
    world_close(&w);
}

/* Texts as they are written, each of which has to read back to the same text. */
static const char *const texts[] = {
    "{\"now\":1704153600,\"stale\":[\"forced\",\"interrupted\",\"missing\",\"damaged\",\"code\","
    "\"command\",\"params\",\"version\",\"input\",\"upstream\"]}",
    "{\"now\":1,\"range\":[0,3600],\"stale\":[]}",
    "{\"now\":1,\"range\":[null,3600],\"stale\":[\"code\"]}",
    "{\"now\":1,\"range\":[0,null],\"stale\":[\"code\"]}",
    "{\"now\":1,\"narrow\":{\"a\":[0,null],\"c\":[5,6]},\"stale\":[]}",
    "{\"now\":-5,\"window\":1,\"lookback\":24,\"only\":[\"a\",\"b\"],\"upto\":[\"b\"],"
    "\"force_all\":true,\"force\":[\"c\"],\"stale\":[\"input\"],\"with_needs\":true,"
    "\"newest_first\":true,\"wait\":true,\"named\":[\"a@2024-01-01T05\",\"c\"]}",
};

static void a_request_reads_back_as_it_was(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, hours);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sg_error err = SG_ERROR_INIT;
        struct sg_buf again = SG_BUF_INIT;
        struct sg_request r;

        if (!sg_request_parse(w.graph, sg_span_of(texts[i]), &w.arena, &r, &err) ||
            !sg_request_format(w.graph, &r, &again, &err))
            fail_msg("%s: %s", texts[i], err.text);
        assert_string_equal(sg_buf_text(&again), texts[i]);
        sg_buf_done(&again);
    }
    world_close(&w);
}

static void keys_of_a_later_version_are_passed_over(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_request r;
    struct world w;

    (void)state;
    world_open(&w, hours);
    assert_true(sg_request_parse(w.graph,
                                 sg_span_of("{\"now\":7,\"moon\":{\"phase\":[1,2]},\"window\":3}"),
                                 &w.arena, &r, &err));
    assert_int_equal(r.now_s, 7);
    assert_int_equal(r.window, 3);
    assert_int_equal(r.stale, SG_REASONS_ALL);
    world_close(&w);
}

static void what_the_graph_no_longer_has_is_named(void **state)
{
    static const struct {
        const char *text, *says;
        enum sg_error_code code;
    } rows[] = {
        { "{\"now\":1,\"only\":[\"gone\"]}", "no longer has a stage gone", SG_ERROR_USAGE },
        { "{\"now\":1,\"narrow\":{\"gone\":[0,1]}}", "no longer has a stage gone", SG_ERROR_USAGE },
        { "{\"now\":1,\"named\":[\"gone@2024-01-01\"]}", "gone@2024-01-01", 0 },
        { "{\"now\":1,\"stale\":[\"moody\"]}", "moody is no reason", SG_ERROR_USAGE },
        { "{\"now\":1,\"range\":[0]}", "request at byte", SG_ERROR_SYSTEM },
        { "{\"now\":1", "request at byte", SG_ERROR_SYSTEM },
        { "{\"now\":\"soon\"}", "request at byte", SG_ERROR_SYSTEM },
        { "{\"now\":1,\"window\":-1}", "request at byte", SG_ERROR_SYSTEM },
        { "[]", "request at byte", SG_ERROR_SYSTEM },
        { "", "request at byte", SG_ERROR_SYSTEM },
    };
    struct world w;

    (void)state;
    world_open(&w, hours);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_error err = SG_ERROR_INIT;
        struct sg_request r = { .now_s = 99 };

        if (sg_request_parse(w.graph, sg_span_of(rows[i].text), &w.arena, &r, &err) ||
            r.now_s != 99 || strstr(err.text, rows[i].says) == NULL ||
            (rows[i].code != 0 && err.code != rows[i].code))
            fail_msg("%s: %s", rows[i].text, err.text);
    }
    world_close(&w);
}

static void a_request_cut_anywhere_is_refused(void **state)
{
    const char *whole = texts[5];
    struct world w;

    (void)state;
    world_open(&w, hours);
    for (size_t n = 0; n < strlen(whole); n++) {
        struct sg_error err = SG_ERROR_INIT;
        struct sg_span cut = { .at = whole, .len = n };
        struct sg_request r;

        assert_false(sg_request_parse(w.graph, cut, &w.arena, &r, &err));
        assert_int_not_equal(err.code, SG_ERROR_NONE);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_has_a_name_that_reads_back),
        cmocka_unit_test(lists_of_reasons_take_commas_and_blanks),
        cmocka_unit_test(a_window_ends_with_the_newest_partition_whose_delay_is_past),
        cmocka_unit_test(a_window_of_days_counts_no_date_that_never_was),
        cmocka_unit_test(a_window_never_passes_the_graphs_end),
        cmocka_unit_test(a_request_reads_back_as_it_was),
        cmocka_unit_test(keys_of_a_later_version_are_passed_over),
        cmocka_unit_test(what_the_graph_no_longer_has_is_named),
        cmocka_unit_test(a_request_cut_anywhere_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
