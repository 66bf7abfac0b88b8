// SPDX-License-Identifier: BSD-2-Clause
#include "../check.h"
#include "base/memory.h"
#include "push/directory.h"

#include <string.h>

static struct secret_key some_key(uint8_t number)
{
    uint8_t seed[32] = {number};
    struct secret_key key;
    key_from_seed(seed, &key);
    return key;
}

static char *write_some(const struct secret_key *key, size_t *length)
{
    static struct directory_mab mabs[2];
    static struct prefix refused[1];
    assert_true(prefix_parse("20.0.0.0/14", &mabs[0].mab, NULL));
    assert_true(prefix_parse("2001:db8::/32", &mabs[1].mab, NULL));
    assert_true(prefix_parse("198.18.0.0/24", &refused[0], NULL));
    mabs[0].sequence = 9;
    mabs[0].hash_known = true;
    mabs[0].hash = (struct mapping_hash){{0x0011223344556677, 0x8899aabbccddeeff}};
    struct directory directory = {key_public(key), 3, 77, {1767225600123}, 2, mabs, 1, refused};
    return directory_write(&directory, key, length);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct secret_key secret = some_key(1);
    struct public_key key = key_public(&secret);
    size_t length = 0;
    char *text = write_some(&secret, &length);
    struct directory read;
    struct error error = {0};
    assert_true(directory_read(text, length, &key, &read, &error));
    assert_true(key_equal(&read.ruas, &key));
    assert_true(read.epoch == 3 && read.sequence == 77 && read.time.ms == 1767225600123);
    assert_int_equal(read.mab_count, 2);
    assert_int_equal(read.mabs[0].sequence, 9);
    assert_true(read.mabs[0].hash_known && !read.mabs[1].hash_known);
    assert_int_equal(read.mabs[0].hash.lanes[1], 0x8899aabbccddeeff);
    assert_int_equal(read.refused_count, 1);
    char prefix[PREFIX_TEXT_MAX];
    assert_string_equal(prefix_print(&read.mabs[1].mab, prefix), "2001:db8::/32");
    assert_string_equal(prefix_print(&read.refused[0], prefix), "198.18.0.0/24");
    directory_release(&read);
    memory_free(text);
}

// What docs/protocol.md prints must be what is written: keys sorted, no blanks.
static void test_canonical_text(void **state)
{
    (void)state;
    struct secret_key secret = some_key(1);
    size_t length = 0;
    char *text = write_some(&secret, &length);
    static const char *const start =
        "{\"epoch\":3,\"mabs\":[{\"hash\":\"00112233445566778899aabbccddeeff\","
        "\"prefix\":\"20.0.0.0/14\",\"sequence\":9},{\"prefix\":\"2001:db8::/32\",\"sequence\":0}],"
        "\"refused\":[\"198.18.0.0/24\"],\"ruas\":\"";
    assert_memory_equal(text, start, strlen(start));
    assert_non_null(strstr(text, "\",\"time\":1767225600123,\"v\":1}"));
    assert_int_equal(strlen(text), length);
    memory_free(text);
}

static void test_refuses_what_is_not_signed(void **state)
{
    (void)state;
    struct secret_key secret = some_key(1);
    struct public_key key = key_public(&secret);
    struct secret_key other_secret = some_key(2);
    struct public_key other = key_public(&other_secret);
    size_t length = 0;
    char *text = write_some(&secret, &length);
    struct directory read;
    struct error error = {0};
    assert_false(directory_read(text, length, &other, &read, &error));
    assert_string_equal(error.reason, "bad-signature");
    for (size_t i = 0; i < length; i++) {
        text[i] ^= 1;
        assert_false(directory_read(text, length, &key, &read, &error));
        assert_null(read.mabs);
        text[i] ^= 1;
        assert_false(directory_read(text, i, &key, &read, &error));
    }
    memory_free(text);
}

static void test_refuses_nonsense(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"v\":1}",
                                        "{\"v\":2,\"signature\":\"\"}",
                                        "{\"v\":1,\"signature\":7}",
                                        "nonsense"};
    struct secret_key secret = some_key(1);
    struct public_key key = key_public(&secret);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct directory read;
        struct error error = {0};
        assert_false(directory_read(texts[i], strlen(texts[i]), &key, &read, &error));
        assert_int_not_equal(error.code, ERROR_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_canonical_text),
        cmocka_unit_test(test_refuses_what_is_not_signed),
        cmocka_unit_test(test_refuses_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
