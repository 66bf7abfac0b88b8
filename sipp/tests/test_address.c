// SPDX-License-Identifier: BSD-2-Clause
#include "tests/check.h"

#include "base/random.h"
#include "sipp/lib/address.h"
#include "sipp/lib/checksum.h"

#include <string.h>

static struct sipp_address address(const char *text)
{
    struct sipp_address parsed = SIPP_ADDRESS_NONE;
    assert_true(sipp_address_parse(text, &parsed, NULL));
    return parsed;
}

static void test_text_forms(void **state)
{
    (void)state;
    const uint64_t bits = UINT64_C(0x00800000c0a80101);
    assert_true(address("0080:0000:c0a8:0101").bits == bits);
    assert_true(address("0080:0000C0A80101").bits == bits);
    assert_true(address("0080:0000:c0a80101").bits == bits);
    char text[SIPP_ADDRESS_TEXT_MAX];
    assert_string_equal(sipp_address_print((struct sipp_address){bits}, text),
                        "0080:0000:c0a8:0101");
}

static void test_bad_texts(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               "0080",
                               "00800000c0a80101",
                               "0080:0000:c0a8:010",
                               "0080:0000:c0a8:0101:",
                               "0080::0000c0a80101",
                               ":0080:0000c0a80101",
                               "0080:0000:c0a8:01012",
                               "0080:000:0c0a8:0101",
                               "0080:0000:c0a8:010g",
                               "00800000:c0a80101"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sipp_address parsed = {42};
        struct error error;
        assert_false(sipp_address_parse(bad[i], &parsed, &error));
        assert_string_equal(error.reason, "bad-address");
        assert_true(parsed.bits == 42);
    }
}

static void test_text_round_trip(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(1));
    for (int i = 0; i < 10000; i++) {
        struct sipp_address one = {random_u64(&random)};
        char text[SIPP_ADDRESS_TEXT_MAX];
        assert_true(sipp_address_equal(address(sipp_address_print(one, text)), one));
    }
}

static void test_kinds(void **state)
{
    (void)state;
    assert_int_equal(sipp_address_kind(SIPP_ADDRESS_NONE), SIPP_UNSPECIFIED);
    assert_int_equal(sipp_address_kind(SIPP_ADDRESS_LOOPBACK), SIPP_LOOPBACK);
    assert_int_equal(sipp_address_kind(address("7d00:0200:0000:0001")), SIPP_LOCAL_USE);
    assert_int_equal(sipp_address_kind(address("7f02:0000:0000:0001")), SIPP_MULTICAST);
    assert_int_equal(sipp_address_kind(address("ff02:0000:0000:0001")), SIPP_MULTICAST);
    assert_int_equal(sipp_address_kind(address("0080:0000:0001:0007")), SIPP_UNICAST);
    assert_int_equal(sipp_address_kind(address("8080:0000:c0a8:0101")), SIPP_IPV4);
    assert_int_equal(sipp_address_kind(address("fd00:0200:0000:0001")), SIPP_IPV4);
}

static void test_special_addresses(void **state)
{
    (void)state;
    const uint8_t ethernet[6] = {0x02, 0x00, 0x5e, 0x10, 0x00, 0x01};
    struct sipp_address made = sipp_local_use(9, ethernet, 6);
    assert_true(made.bits == UINT64_C(0x7d0902005e100001));
    struct link_address link = sipp_local_use_link(made);
    assert_memory_equal(link.octets, ethernet, 6);
    const uint8_t short_link[2] = {0xab, 0xcd};
    assert_true(sipp_local_use(0, short_link, 2).bits == UINT64_C(0x7d0000000000abcd));

    assert_true(sipp_multicast(SIPP_SCOPE_LINK, SIPP_GROUP_ROUTERS).bits ==
                UINT64_C(0x7f02000000000003));
    assert_int_equal(sipp_multicast_scope(address("7f0e:0000:0000:0007")), SIPP_SCOPE_GLOBAL);

    struct sipp_address ipv4 = sipp_address_from_ipv4(address("0080:0000:dead:beef"), 0xc0a80101);
    assert_true(ipv4.bits == UINT64_C(0x80800000c0a80101));
    assert_int_equal(sipp_address_to_ipv4(ipv4), 0xc0a80101);
}

static void test_prefixes(void **state)
{
    (void)state;
    struct sipp_prefix prefix;
    struct error error;
    char text[SIPP_PREFIX_TEXT_MAX];
    assert_true(sipp_prefix_parse("0080:0000:0000:0000/32", &prefix, NULL));
    assert_string_equal(sipp_prefix_print(&prefix, text), "0080:0000:0000:0000/32");
    assert_true(sipp_prefix_contains(&prefix, address("0080:0000:ffff:ffff")));
    assert_false(sipp_prefix_contains(&prefix, address("8080:0000:ffff:ffff")));
    assert_false(sipp_prefix_parse("0080:0000:0000:0001/32", &prefix, &error));
    assert_string_equal(error.reason, "bits-behind-prefix");
    const char *const bad[] = {"0080:0000:0000:0000",    "0080:0000:0000:0000/65",
                               "0080:0000:0000:0000/",   "0080:0000:0000:0000/-1",
                               "0080:0000:0000:0000/3x", "/3"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(sipp_prefix_parse(bad[i], &prefix, &error));
    struct sipp_prefix all = {SIPP_ADDRESS_NONE, 0};
    assert_true(sipp_prefix_contains(&all, address("ffff:ffff:ffff:ffff")));
    assert_true(sipp_prefix_overlaps(&all, &prefix));
    assert_true(sipp_prefix_overlaps(&prefix, &all));
}

static void test_masks_are_contiguous(void **state)
{
    (void)state;
    struct sipp_address one = address("1234:5678:9abc:def0");
    for (unsigned length = 0; length <= 64; length++) {
        struct sipp_prefix prefix;
        assert_true(sipp_prefix_from_mask(one, sipp_mask(length), &prefix, NULL));
        assert_int_equal(prefix.length, length);
        assert_true(sipp_cluster(&prefix).bits == (one.bits & sipp_mask(length)));
        assert_true(sipp_prefix_contains(&prefix, one));
    }
    struct sipp_prefix prefix;
    struct error error;
    assert_false(sipp_prefix_from_mask(one, 0xff00ff0000000000, &prefix, &error));
    assert_string_equal(error.reason, "mask-not-contiguous");
    assert_false(sipp_prefix_from_mask(one, 1, &prefix, NULL));
}

static void test_common_bits(void **state)
{
    (void)state;
    assert_int_equal(sipp_common_bits(SIPP_ADDRESS_NONE, SIPP_ADDRESS_NONE), 64);
    assert_int_equal(sipp_common_bits(SIPP_ADDRESS_NONE, SIPP_ADDRESS_LOOPBACK), 63);
    assert_int_equal(sipp_common_bits((struct sipp_address){UINT64_C(1) << 63}, SIPP_ADDRESS_NONE),
                     0);
}

// The checksum of RFC 768 over the same IPv4 pseudo-header, computed by another rule: one big sum
// with end-around carries word by word.
static uint16_t ipv4_udp_checksum(uint32_t source, uint32_t destination, const uint8_t *bytes,
                                  size_t length)
{
    const uint32_t words[6] = {
        source >> 16, source & 0xffff, destination >> 16, destination & 0xffff,
        17,           (uint32_t)length};
    uint32_t sum = 0;
    for (size_t i = 0; i < 6 + (length + 1) / 2; i++) {
        uint32_t word;
        size_t at = i < 6 ? 0 : (i - 6) * 2;
        if (i < 6)
            word = words[i];
        else
            word = (uint32_t)bytes[at] << 8 | (at + 1 < length ? bytes[at + 1] : 0);
        sum += word;
        if (sum > 0xffff)
            sum -= 0xffff;
    }
    return (uint16_t)~sum;
}

static void test_checksum_of_ipv4_nodes(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(2));
    for (int i = 0; i < 1000; i++) {
        uint8_t message[41];
        random_bytes(&random, message, sizeof(message));
        size_t length = random_below(&random, sizeof(message)) + 1;
        uint32_t a = (uint32_t)random_u64(&random);
        uint32_t b = (uint32_t)random_u64(&random);
        struct sipp_address provider = {random_u64(&random)};
        uint16_t sum = sipp_checksum(sipp_address_from_ipv4(provider, a),
                                     sipp_address_from_ipv4(provider, b), 17, message, length);
        assert_int_equal(sum, ipv4_udp_checksum(a, b, message, length));
    }
}

static void test_checksum_detects_changes(void **state)
{
    (void)state;
    uint8_t message[] = {8, 0, 0, 0, 1, 2, 3, 4, 5};
    struct sipp_address a = address("0080:0000:0001:0007");
    struct sipp_address b = address("0040:0000:0001:0009");
    uint16_t sum = sipp_checksum(a, b, 1, message, sizeof(message));
    message[2] = (uint8_t)(sum >> 8);
    message[3] = (uint8_t)sum;
    assert_int_equal(sipp_checksum(a, b, 1, message, sizeof(message)), 0);
    for (unsigned bit = 0; bit < 64; bit++) {
        struct sipp_address other = {a.bits ^ UINT64_C(1) << bit};
        if (!sipp_address_ipv4(other))
            assert_int_not_equal(sipp_checksum(other, b, 1, message, sizeof(message)), 0);
    }
    message[8] ^= 1;
    assert_int_not_equal(sipp_checksum(a, b, 1, message, sizeof(message)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_forms),
        cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_special_addresses),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_masks_are_contiguous),
        cmocka_unit_test(test_common_bits),
        cmocka_unit_test(test_checksum_of_ipv4_nodes),
        cmocka_unit_test(test_checksum_detects_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
