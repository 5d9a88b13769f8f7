#include "hsperf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <endian.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab.h"

/* ---- a file made by hand */

struct image {
    unsigned char at[4096];
    size_t n;
    bool little;
    uint32_t entries;
};

static void put32(struct image *m, size_t at, uint32_t v)
{
    v = m->little ? htole32(v) : htobe32(v);
    memcpy(m->at + at, &v, sizeof(v));
}

static void begin(struct image *m, bool little)
{
    *m = (struct image){ .n = 32, .little = little };
    memcpy(m->at, "\xca\xfe\xc0\xc0", 4);
    m->at[4] = little;
    m->at[5] = 2;
    m->at[7] = 1;
    put32(m, 24, 32);
}

static void add(struct image *m, const char *name, char type, int64_t value)
{
    size_t name_room = (strlen(name) + 8) / 8 * 8 + 4; /* the value is aligned to 8 */
    size_t length = 20 + name_room + 8;
    uint64_t v = m->little ? htole64((uint64_t)value) : htobe64((uint64_t)value);

    put32(m, m->n, (uint32_t)length);
    put32(m, m->n + 4, 20);
    m->at[m->n + 12] = (unsigned char)type;
    put32(m, m->n + 16, (uint32_t)(20 + name_room));
    memcpy(m->at + m->n + 20, name, strlen(name) + 1);
    memcpy(m->at + m->n + 20 + name_room, &v, sizeof(v));
    m->n += length;
    put32(m, 28, ++m->entries);
}

static void fill(struct image *m, bool little)
{
    begin(m, little);
    add(m, "java.cls.loadedClasses", 'J', 400);
    add(m, "sun.gc.collector.0.invocations", 'J', 14);
    add(m, "sun.gc.collector.0.time", 'J', 300000000);
    add(m, "sun.gc.collector.0.name", 'B', 99);
    add(m, "sun.gc.collector.1.invocations", 'J', 2);
    add(m, "sun.gc.collector.0.lastEntryTime", 'J', 5000000000);
    add(m, "sun.gc.collector.0.lastExitTime", 'J', 5040000000);
    add(m, "sun.gc.collector.1.time", 'J', 200000000);
    add(m, "sun.gc.collector.1.lastEntryTime", 'J', 9000000000); /* under way */
    add(m, "sun.gc.collector.1.lastExitTime", 'J', 3000000000);
    add(m, "sun.gc.generation.0.capacity", 'J', 1000);
    add(m, "sun.gc.generation.0.maxCapacity", 'J', 9000);
    add(m, "sun.gc.generation.0.space.0.used", 'J', 10);
    add(m, "sun.gc.generation.0.space.2.used", 'J', 5);
    add(m, "sun.gc.generation.1.capacity", 'J', 2000);
    add(m, "sun.gc.generation.1.space.0.used", 'J', 100);
    add(m, "sun.gc.generation.2.capacity", 'J', 70000); /* the permanent one of old JVMs */
    add(m, "sun.os.hrt.frequency", 'J', 1000000000);
}

static void counters_are_added_up_in_either_byte_order(void **state)
{
    struct image m;
    struct sg_hsperf p;

    (void)state;
    for (int little = 0; little < 2; little++) {
        fill(&m, little == 1);
        assert_true(sg_hsperf_parse(m.at, m.n, &p));
        assert_int_equal(p.gc_count, 16);
        assert_true(fabs(p.gc_seconds - 0.5) < 1e-9);
        assert_true(fabs(p.gc_last_seconds - 0.04) < 1e-9);
        assert_int_equal(p.heap_bytes, 3000);
        assert_int_equal(p.used_bytes, 115);
    }
}

static void what_is_not_told_is_not_zero(void **state)
{
    struct image m;
    struct sg_hsperf p;

    (void)state;
    begin(&m, true);
    add(&m, "sun.gc.collector.0.time", 'J', 5);
    assert_true(sg_hsperf_parse(m.at, m.n, &p));
    assert_int_equal(p.gc_count, -1);
    assert_true(isnan(p.gc_seconds)); /* no frequency */
    assert_true(isnan(p.gc_last_seconds));
    assert_int_equal(p.heap_bytes, -1);
    assert_int_equal(p.used_bytes, -1);
}

static void other_files_are_refused(void **state)
{
    static const struct {
        const char *what;
        size_t at;
        unsigned char byte;
    } rows[] = {
        { "magic", 0, 0xcb },
        { "byte order", 4, 2 },
        { "version", 5, 1 },
        { "not accessible yet", 7, 0 },
    };
    struct sg_hsperf p;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct image m;

        print_message("%s\n", rows[i].what);
        fill(&m, true);
        m.at[rows[i].at] = rows[i].byte;
        assert_false(sg_hsperf_parse(m.at, m.n, &p));
    }
    assert_false(sg_hsperf_parse("", 0, &p));
}

/* Every cut and every changed byte, in memory of exactly that size: the sanitizer is the judge. */
/* What is taken for such a file tells what can be, and nothing else is touched. */
static void parse_whatever(const unsigned char *bytes, size_t n)
{
    struct sg_hsperf p, before;

    memset(&before, 0x5a, sizeof(before));
    p = before;
    if (!sg_hsperf_parse(bytes, n, &p))
        assert_memory_equal(&p, &before, sizeof(p));
    else if (p.gc_count < -1 || p.gc_seconds < 0 || p.gc_last_seconds < 0 || p.heap_bytes < -1 ||
             p.used_bytes < -1)
        fail_msg("%lld collections, %g s, last %g s, heap %lld, used %lld", (long long)p.gc_count,
                 p.gc_seconds, p.gc_last_seconds, (long long)p.heap_bytes, (long long)p.used_bytes);
}

static void no_bytes_lead_astray(void **state)
{
    struct image m;

    (void)state;
    fill(&m, true);
    for (size_t n = 0; n < m.n; n++) {
        unsigned char *cut = malloc(n + (n == 0));

        memcpy(cut, m.at, n);
        parse_whatever(cut, n);
        free(cut);
    }
    for (size_t at = 0; at < m.n; at++) {
        static const unsigned char bytes[] = { 0, 1, 0x7f, 0x80, 0xff };
        unsigned char *copy = malloc(m.n);

        for (size_t i = 0; i < sizeof(bytes); i++) {
            memcpy(copy, m.at, m.n);
            copy[at] = bytes[i];
            parse_whatever(copy, m.n);
        }
        free(copy);
    }
}

/* ---- real JVMs */

static const char program[] =
    "import java.lang.management.*;\n"
    "public class Collect {\n"
    "    static Object keep;\n"
    "    public static void main(String[] a) throws Exception {\n"
    "        for (int i = 0; i < Integer.parseInt(a[0]); i++) { keep = new byte[1 << 20]; "
    "System.gc(); }\n"
    "        long n = 0;\n"
    "        for (GarbageCollectorMXBean b : ManagementFactory.getGarbageCollectorMXBeans())\n"
    "            n += b.getCollectionCount();\n"
    "        System.out.println(n + \" \" + Runtime.getRuntime().totalMemory());\n"
    "    }\n"
    "}\n";

static int setup(void **state)
{
    struct lab *lab = malloc(sizeof(*lab));
    char command[256];
    FILE *f;

    *state = NULL;
    if (system("command -v javac >/dev/null 2>&1") != 0 || !lab_open(lab)) {
        free(lab);
        return 0;
    }
    snprintf(command, sizeof(command), "%s/Collect.java", lab->dir);
    f = fopen(command, "we");
    assert_non_null(f);
    fputs(program, f);
    fclose(f);
    snprintf(command, sizeof(command), "cd %s && javac Collect.java", lab->dir);
    assert_int_equal(system(command), 0);
    *state = lab;
    return 0;
}

static struct lab *java_lab(void **state)
{
    if (*state == NULL) {
        print_message("no javac, or STAGEGRAPH_SHIM and TEST_HELPERS are not set\n");
        skip();
    }
    return *state;
}

/* What the JVM itself prints: its number of collections, and its heap. */
static void the_collections_of_a_jvm_are_those_that_it_counts_itself(void **state)
{
    static const char *const collectors[] = { "-XX:+UseSerialGC", "-XX:+UseG1GC",
                                              "-XX:+UseParallelGC" };
    struct lab *lab = java_lab(state);
    const struct sg_job_measure *m = &lab->end.measure;

    for (size_t i = 0; i < sizeof(collectors) / sizeof(collectors[0]); i++) {
        int64_t count;
        double heap;
        char *rest;

        lab_run(lab, LAB_ARGV("java", collectors[i], "-Xms64m", "-Xmx64m", "Collect", "7"));
        assert_int_equal(lab->end.exit_code, 0);
        count = strtoll(sg_buf_text(&lab->output), &rest, 10);
        heap = strtod(rest, NULL);
        print_message("%s: %lld collections in %.4f s, heap %.1f MB, used %.1f MB, peak %.1f MB\n",
                      collectors[i], (long long)m->gc_count, m->gc_seconds,
                      (double)m->heap_peak_bytes / 1e6, (double)m->heap_used_bytes / 1e6,
                      (double)m->peak_bytes / 1e6);
        assert_int_equal(m->jvms, 1);
        assert_true(count >= 7);
        assert_int_equal(m->gc_count, count);
        assert_true(m->gc_seconds > 0 && m->gc_seconds < 5);
        assert_true(m->gc_longest_seconds > 0 && m->gc_longest_seconds <= m->gc_seconds);
        assert_true((double)m->heap_peak_bytes >= heap && (double)m->heap_peak_bytes <= heap + 4e6);
        assert_true(m->heap_used_bytes > 0 && m->heap_used_bytes < 64 << 20);
        assert_true(m->peak_bytes > 16 << 20);
    }
}

static void a_short_jvm_without_collections_is_seen(void **state)
{
    struct lab *lab = java_lab(state);
    const struct sg_job_measure *m = &lab->end.measure;

    for (int i = 0; i < 5; i++) {
        lab_run(lab, LAB_ARGV("java", "-XX:+UseSerialGC", "-Xshare:auto", "-version"));
        assert_int_equal(m->jvms, 1);
        assert_int_equal(m->gc_count, 0);
        assert_true(m->gc_seconds == 0);
        assert_true(isnan(m->gc_longest_seconds));
        assert_true(m->heap_peak_bytes > 0);
    }
}

static void the_jvms_of_a_wrapper_are_added_up(void **state)
{
    struct lab *lab = java_lab(state);
    const struct sg_job_measure *m = &lab->end.measure;

    lab_run(lab, LAB_ARGV("sh", "-c",
                          "java -XX:+UseSerialGC Collect 3 && java -XX:+UseSerialGC Collect 4; "
                          "exec java -XX:+UseSerialGC Collect 5"));
    assert_int_equal(m->jvms, 3);
    assert_int_equal(m->gc_count, 12);
}

static void a_jvm_without_performance_data_is_not_seen(void **state)
{
    struct lab *lab = java_lab(state);

    lab_run(lab, LAB_ARGV("java", "-XX:-UsePerfData", "-XX:+UseSerialGC", "Collect", "3"));
    assert_int_equal(lab->end.exit_code, 0);
    assert_int_equal(lab->end.measure.jvms, -1); /* "java" ran, and told nothing */
    assert_int_equal(lab->end.measure.gc_count, -1);
    assert_true(isnan(lab->end.measure.gc_seconds));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_are_added_up_in_either_byte_order),
        cmocka_unit_test(what_is_not_told_is_not_zero),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(no_bytes_lead_astray),
        cmocka_unit_test(the_collections_of_a_jvm_are_those_that_it_counts_itself),
        cmocka_unit_test(a_short_jvm_without_collections_is_seen),
        cmocka_unit_test(the_jvms_of_a_wrapper_are_added_up),
        cmocka_unit_test(a_jvm_without_performance_data_is_not_seen),
    };

    return cmocka_run_group_tests(tests, setup, lab_tear_down);
}
