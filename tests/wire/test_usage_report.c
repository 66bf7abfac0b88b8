// SPDX-License-Identifier: BSD-2-Clause
// Usage reports: what is written is read; whatever else is refused (docs/protocol.md, "Usage
// report").
#include "../check.h"
#include "wire/usage_report.h"

#include <string.h>

// Where fields are in the octets.
#define AT_MAGIC   0
#define AT_VERSION 4
#define AT_COUNT   6
#define AT_NUMBER  48
#define AT_FROM    56
#define AT_OTHER   72
#define AT_RECORD  USAGE_HEADER_BYTES

static struct usage_report report;
static struct usage_report back;
static uint8_t bytes[USAGE_REPORT_BYTES_MAX + 1];
static struct secret_key key;

static size_t write_some(uint32_t count)
{
    key_generate(&key);
    memset(&report, 0, sizeof(report));
    report.boot = 7;
    report.number = 9;
    report.from.ms = 1767225600000;
    report.to.ms = 1767225660000;
    report.other_packets = 3;
    report.other_octets = USAGE_COUNT_MAX;
    report.count = count;
    for (uint32_t i = 0; i < count; i++)
        report.records[i] =
            (struct usage_record){{i % 2 ? FAMILY_IPV6 : FAMILY_IPV4, {i + 1}, {1}}, i, 2 * i};
    return usage_report_write(&report, &key, bytes);
}

static bool reads(size_t length)
{
    struct error error = {0};
    bool good = usage_report_read(bytes, length, &back, &error);
    if (!good)
        assert_string_equal(error.reason, "bad-report");
    return good;
}

static void test_round_trip(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 2, USAGE_RECORDS_MAX};
    for (size_t i = 0; i < 4; i++) {
        size_t length = write_some(counts[i]);
        struct public_key itr = key_public(&key);
        assert_int_equal(length, USAGE_HEADER_BYTES + counts[i] * USAGE_RECORD_BYTES + 64);
        assert_true(reads(length));
        assert_memory_equal(back.itr.bytes, itr.bytes, sizeof(itr.bytes));
        assert_int_equal(back.number, 9);
        assert_int_equal(back.to.ms, 1767225660000);
        assert_int_equal(back.other_octets, USAGE_COUNT_MAX);
        assert_int_equal(back.count, counts[i]);
        for (uint32_t n = 0; n < counts[i]; n++) {
            assert_true(range_equal(&back.records[n].range, &report.records[n].range));
            assert_int_equal(back.records[n].packets, n);
            assert_int_equal(back.records[n].octets, 2 * n);
        }
    }
}

// Every octet is signed but the signature, and nothing may be missing or behind.
static void test_every_octet_counts(void **state)
{
    (void)state;
    size_t length = write_some(2);
    for (size_t i = 0; i < length; i++) {
        bytes[i] ^= 1;
        assert_false(reads(length));
        bytes[i] ^= 1;
        assert_false(reads(i));
    }
    assert_false(reads(length + 1));
    assert_true(reads(length));
}

// Signs octets again that were changed by hand.
static bool reads_signed(size_t length)
{
    struct signature signature;
    key_sign(&key, USAGE_REPORT_CONTEXT, bytes, length - SIGNATURE_BYTES, &signature);
    memcpy(bytes + length - SIGNATURE_BYTES, signature.bytes, SIGNATURE_BYTES);
    return reads(length);
}

// Numbers that nobody may write are refused, rightly signed or not.
static void test_values(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t octet;
    } bad[] = {
        {AT_MAGIC, 0},       {AT_VERSION + 1, 2},    {AT_COUNT + 1, 1},      {AT_COUNT, 0xff},
        {AT_NUMBER, 0x80},   {AT_FROM + 2, 0xff},    {AT_OTHER, 0x41},       {AT_OTHER + 8, 0x41},
        {AT_RECORD, 5},      {AT_RECORD, 0},         {AT_RECORD + 8, 1},     {AT_RECORD + 16, 1},
        {AT_RECORD + 23, 0}, {AT_RECORD + 24, 0x41}, {AT_RECORD + 32, 0x80},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t length = write_some(2);
        assert_true(reads_signed(length));
        bytes[bad[i].at] = bad[i].octet;
        if (reads_signed(length))
            fail_msg("octet %zu is taken as %u", bad[i].at, bad[i].octet);
    }
    size_t length = write_some(2);
    memset(bytes + AT_NUMBER, 0, 8);
    assert_false(reads_signed(length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_octet_counts),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
