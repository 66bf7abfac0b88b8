// SPDX-License-Identifier: BSD-2-Clause
// Any octets as a usage report: as they are, and signed anew, so that what stands behind the
// signature is reached. What is read must be written and read again as the same.
#include "fuzzer.h"

#include "wire/usage_report.h"

#include <string.h>

#define KEY_OFFSET 8 // behind magic, version and count

static struct usage_report report;
static struct usage_report again;

static void check_same(void)
{
    REQUIRE(key_equal(&report.itr, &again.itr) && report.boot == again.boot);
    REQUIRE(report.number == again.number && report.count == again.count);
    REQUIRE(report.from.ms == again.from.ms && report.to.ms == again.to.ms);
    REQUIRE(report.other_packets == again.other_packets);
    REQUIRE(report.other_octets == again.other_octets);
    for (uint32_t i = 0; i < report.count; i++) {
        const struct usage_record *record = &report.records[i];
        const struct usage_record *same = &again.records[i];
        REQUIRE(range_equal(&record->range, &same->range));
        REQUIRE(record->packets == same->packets && record->octets == same->octets);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const uint8_t seed[32] = {1};
    static uint8_t copy[USAGE_REPORT_BYTES_MAX];
    struct secret_key secret;
    (void)usage_report_read(bytes, length, &report, NULL);
    if (length < USAGE_HEADER_BYTES + SIGNATURE_BYTES || length > sizeof(copy))
        return 0;
    key_from_seed(seed, &secret);
    struct public_key key = key_public(&secret);
    struct signature signature;
    memcpy(copy, bytes, length);
    memcpy(copy + KEY_OFFSET, key.bytes, sizeof(key.bytes));
    key_sign(&secret, USAGE_REPORT_CONTEXT, copy, length - SIGNATURE_BYTES, &signature);
    memcpy(copy + length - SIGNATURE_BYTES, signature.bytes, sizeof(signature.bytes));
    if (!usage_report_read(copy, length, &report, NULL))
        return 0;
    size_t written = usage_report_write(&report, &secret, copy);
    REQUIRE(written == length && usage_report_read(copy, written, &again, NULL));
    check_same();
    return 0;
}
