#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "stagegraph/hash.h"

/* n bytes, i * 7 + 1 each, to be freed. */
static char *bytes_of(size_t n)
{
    char *bytes = malloc(n + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(i * 7 + 1);
    return bytes;
}

/* The values of libxxhash 0.8.1; NULL stands for bytes_of(n). */
static void hashes_are_those_of_xxh3(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *hash128, *hash64;
    } cases[] = {
        { "", 0, "99aa06d3014798d86001c324468d497f", "2d06800538d394c2" },
        { "a", 1, "a96faf705af16834e6c632b61e964e1f", "e6c632b61e964e1f" },
        { "abc", 3, "06b05ab6733a618578af5f94892f3950", "78af5f94892f3950" },
        { NULL, 17, "f889d91b7faf208294ad051aea796d7e", "2bf6f66973a6179d" },
        { NULL, 200, "91f8f631e6bb7d8fe5507d5f45f0f53e", "70d27115faab301e" },
        { NULL, 300, "f3923d2b852d817a935960848d04785c", "935960848d04785c" },
        { NULL, 1000, "75a121399f9b8485b8b406a98622d913", "b8b406a98622d913" },
    };
    char text128[SG_HASH128_TEXT], text64[SG_HASH64_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *bytes = bytes_of(cases[i].n);
        const char *at = cases[i].text != NULL ? cases[i].text : bytes;

        sg_hash128_format(sg_hash128_of(at, cases[i].n), text128);
        sg_hash64_format(sg_hash64_of(at, cases[i].n), text64);
        if (strcmp(text128, cases[i].hash128) != 0 || strcmp(text64, cases[i].hash64) != 0)
            fail_msg("%zu bytes: %s, %s", cases[i].n, text128, text64);
        free(bytes);
    }
}

static void pieces_give_the_hash_of_the_whole(void **state)
{
    static const size_t pieces[] = { 1, 3, 8, 63, 64, 65, 240, 241, 256, 1024, 5000 };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_hasher *h = sg_hasher_new(&err);
    char *bytes = bytes_of(4100);

    (void)state;
    assert_non_null(h);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        for (size_t n = 0; n <= 4100; n += n < 600 ? 1 : 97) {
            sg_hasher_reset(h);
            for (size_t at = 0; at < n; at += pieces[i])
                sg_hasher_bytes(h, bytes + at, n - at < pieces[i] ? n - at : pieces[i]);
            if (!sg_hash128_is(sg_hasher_end(h), sg_hash128_of(bytes, n)))
                fail_msg("%zu bytes in pieces of %zu", n, pieces[i]);
        }
    }
    free(bytes);
    sg_hasher_free(h);
}

static void a_new_hasher_is_an_empty_one(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_hasher *h = sg_hasher_new(&err);

    (void)state;
    assert_non_null(h);
    sg_hasher_bytes(h, NULL, 0);
    assert_true(sg_hash128_is(sg_hasher_end(h), sg_hash128_of("", 0)));
    sg_hasher_free(h);
    sg_hasher_free(NULL);
}

static void more_may_follow_an_end(void **state)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_hasher *h = sg_hasher_new(&err);

    (void)state;
    assert_non_null(h);
    sg_hasher_bytes(h, "a", 1);
    assert_true(sg_hash128_is(sg_hasher_end(h), sg_hash128_of("a", 1)));
    sg_hasher_bytes(h, "bc", 2);
    assert_true(sg_hash128_is(sg_hasher_end(h), sg_hash128_of("abc", 3)));
    sg_hasher_free(h);
}

static void texts_that_are_neighbours_are_not_confused(void **state)
{
    static const char *const pairs[][2] = {
        { "ab", "c" }, { "a", "bc" }, { "abc", "" }, { "", "abc" }, { "", "" },
    };
    enum { N = sizeof(pairs) / sizeof(pairs[0]) };
    struct sg_hash128 seen[N];
    struct sg_error err = SG_ERROR_INIT;
    struct sg_hasher *h = sg_hasher_new(&err);

    (void)state;
    assert_non_null(h);
    for (size_t i = 0; i < N; i++) {
        sg_hasher_reset(h);
        sg_hasher_text(h, pairs[i][0]);
        sg_hasher_text(h, pairs[i][1]);
        seen[i] = sg_hasher_end(h);
        for (size_t j = 0; j < i; j++) {
            if (sg_hash128_is(seen[i], seen[j]))
                fail_msg("'%s' '%s'", pairs[i][0], pairs[i][1]);
        }
    }
    sg_hasher_free(h);
}

static void numbers_and_lengths_are_little_endian(void **state)
{
    static const char want[] = "\x08\x07\x06\x05\x04\x03\x02\x01"
                               "\x03\0\0\0\0\0\0\0abc";
    struct sg_error err = SG_ERROR_INIT;
    struct sg_hasher *h = sg_hasher_new(&err);

    (void)state;
    assert_non_null(h);
    sg_hasher_u64(h, UINT64_C(0x0102030405060708));
    sg_hasher_text(h, "abc");
    assert_true(sg_hash128_is(sg_hasher_end(h), sg_hash128_of(want, sizeof(want) - 1)));
    sg_hasher_free(h);
}

static void a_file_is_hashed_from_its_beginning(void **state)
{
    static const size_t lengths[] = { 0, 1, 1000, 256 << 10, (256 << 10) + 1, 3 << 20 };
    struct sg_error err = SG_ERROR_INIT;
    struct sg_hash128 hash;
    int64_t len;
    char *bytes;
    int fd;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        bytes = bytes_of(lengths[i]);
        fd = memfd_create("test_hash", MFD_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, lengths[i]), lengths[i]); /* leaves fd at the end */
        len = -1;
        if (!sg_hash128_fd(fd, NULL, &hash, &len, &err) || len != (int64_t)lengths[i] ||
            !sg_hash128_is(hash, sg_hash128_of(bytes, lengths[i])))
            fail_msg("%zu bytes: %lld %s", lengths[i], (long long)len, err.text);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), lengths[i]);
        close(fd);
        free(bytes);
    }
}

static void what_cannot_be_read_is_an_error(void **state)
{
    struct sg_hash128 hash = { 1, 2 };
    struct sg_error err;
    int64_t len = 3;
    int fds[3];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    fds[2] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fds[2] >= 0);
    for (int i = 0; i < 3; i++) {
        sg_error_clear(&err);
        if (sg_hash128_fd(fds[i], NULL, &hash, &len, &err) || err.code != SG_ERROR_SYSTEM ||
            err.sys == 0)
            fail_msg("%d: %s", i, err.text);
        close(fds[i]);
    }
    sg_error_clear(&err);
    assert_false(sg_hash128_fd(-1, NULL, &hash, &len, &err));
    assert_string_equal(err.text, "read: Bad file descriptor");
    assert_true(hash.hi == 1 && hash.lo == 2 && len == 3);
}

static void only_the_exact_text_is_parsed(void **state)
{
    static const struct {
        const char *label, *text;
        size_t n;
        bool ok128, ok64;
    } cases[] = {
        { "32 digits", "0123456789abcdef00000000fffffffe", 32, true, false },
        { "16 digits", "0123456789abcdef", 16, false, true },
        { "16 of more", "0123456789abcdef00000000fffffffe", 16, false, true },
        { "upper case", "0123456789ABCDEF00000000fffffffe", 32, false, false },
        { "upper case, 16", "0123456789ABCDEF", 16, false, false },
        { "no digit first", "g123456789abcdef00000000fffffffe", 32, false, false },
        { "no digit last", "0123456789abcdef00000000fffffffg", 32, false, false },
        { "a NUL",
          "0123456789abcde\0"
          "00000000fffffffe",
          32, false, false },
        { "a blank behind", "0123456789abcdef00000000fffffffe ", 33, false, false },
        { "one less", "0123456789abcdef00000000fffffff", 31, false, false },
        { "nothing", "", 0, false, false },
        { "below 0", "/123456789abcdef", 16, false, false },
        { "above 9", ":123456789abcdef", 16, false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_hash128 h128 = { 7, 7 };
        uint64_t h64 = 7;
        bool ok128 = sg_hash128_parse(cases[i].text, cases[i].n, &h128);
        bool ok64 = sg_hash64_parse(cases[i].text, cases[i].n, &h64);

        if (ok128 != cases[i].ok128 || ok64 != cases[i].ok64)
            fail_msg("%s: %d %d", cases[i].label, ok128, ok64);
        if (ok128 ? h128.hi != 0x0123456789abcdef || h128.lo != 0xfffffffe
                  : h128.hi != 7 || h128.lo != 7)
            fail_msg("%s: 128", cases[i].label);
        if (h64 != (ok64 ? 0x0123456789abcdef : 7))
            fail_msg("%s: 64", cases[i].label);
    }
}

static void each_digit_in_each_place_is_that_of_printf(void **state)
{
    (void)state;
    for (int place = 0; place < 64; place += 4)
        for (uint64_t digit = 0; digit < 16; digit++) {
            uint64_t v = digit << place | UINT64_C(0x0123456789abcdef) >> (60 - place);
            char text[SG_HASH64_TEXT], expected[SG_HASH64_TEXT];

            sg_hash64_format(v, text);
            snprintf(expected, sizeof(expected), "%016llx", (unsigned long long)v);
            assert_string_equal(text, expected);
        }
}

static void what_is_formatted_is_parsed_again(void **state)
{
    static const uint64_t words[] = { 0, 1, UINT64_MAX, UINT64_C(1) << 63, 0xfedcba9876543210 };
    char text[SG_HASH128_TEXT];
    struct sg_hash128 h, back;
    uint64_t back64;

    (void)state;
    for (size_t i = 0; i < 25; i++) {
        h = (struct sg_hash128){ .hi = words[i / 5], .lo = words[i % 5] };
        sg_hash128_format(h, text);
        if (!sg_hash128_parse(text, strlen(text), &back) || !sg_hash128_is(h, back))
            fail_msg("%s", text);
        sg_hash64_format(h.hi, text);
        if (!sg_hash64_parse(text, strlen(text), &back64) || back64 != h.hi)
            fail_msg("%s", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_xxh3),
        cmocka_unit_test(pieces_give_the_hash_of_the_whole),
        cmocka_unit_test(a_new_hasher_is_an_empty_one),
        cmocka_unit_test(more_may_follow_an_end),
        cmocka_unit_test(texts_that_are_neighbours_are_not_confused),
        cmocka_unit_test(numbers_and_lengths_are_little_endian),
        cmocka_unit_test(a_file_is_hashed_from_its_beginning),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
        cmocka_unit_test(only_the_exact_text_is_parsed),
        cmocka_unit_test(each_digit_in_each_place_is_that_of_printf),
        cmocka_unit_test(what_is_formatted_is_parsed_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
