// SPDX-License-Identifier: BSD-2-Clause
#include "wire/usage_report.h"

#include "base/cursor.h"

#include <assert.h>
#include <string.h>

#define MAGIC   0x49765573 // "IvUs"
#define VERSION 1

size_t usage_report_write(const struct usage_report *report, const struct secret_key *key,
                          uint8_t bytes[USAGE_REPORT_BYTES_MAX])
{
    struct writer writer = writer_over(bytes, USAGE_REPORT_BYTES_MAX);
    struct public_key itr = key_public(key);
    struct signature signature;
    assert(report->count <= USAGE_RECORDS_MAX);
    writer_u32(&writer, MAGIC);
    writer_u16(&writer, VERSION);
    writer_u16(&writer, (uint16_t)report->count);
    writer_bytes(&writer, itr.bytes, sizeof(itr.bytes));
    writer_u64(&writer, report->boot);
    writer_u64(&writer, report->number);
    writer_u64(&writer, report->from.ms);
    writer_u64(&writer, report->to.ms);
    writer_u64(&writer, report->other_packets);
    writer_u64(&writer, report->other_octets);
    assert(writer_length(&writer) == USAGE_HEADER_BYTES);
    for (uint32_t i = 0; i < report->count; i++) {
        const struct usage_record *record = &report->records[i];
        writer_u8(&writer, (uint8_t)record->range.family);
        writer_zeros(&writer, 7);
        writer_u64(&writer, record->range.start.index);
        writer_u64(&writer, record->range.length.units);
        writer_u64(&writer, record->packets);
        writer_u64(&writer, record->octets);
    }
    key_sign(key, USAGE_REPORT_CONTEXT, bytes, writer_length(&writer), &signature);
    writer_bytes(&writer, signature.bytes, sizeof(signature.bytes));
    assert(!writer.failed);
    return writer_length(&writer);
}

static bool bad(struct error *error, const char *what)
{
    return error_set(error, ERROR_INPUT, "bad-report", "this is no usage report: %s", what);
}

static bool read_record(struct reader *reader, struct usage_record *record)
{
    record->range.family = (enum family)reader_u8(reader);
    (void)reader_take(reader, 7);
    record->range.start.index = reader_u64(reader);
    record->range.length.units = reader_u64(reader);
    record->packets = reader_u64(reader);
    record->octets = reader_u64(reader);
    return range_valid(&record->range) && record->packets <= USAGE_COUNT_MAX &&
           record->octets <= USAGE_COUNT_MAX;
}

bool usage_report_read(const uint8_t *bytes, size_t length, struct usage_report *report,
                       struct error *error)
{
    struct reader reader = reader_over(bytes, length);
    struct signature signature;
    if (reader_u32(&reader) != MAGIC || reader_u16(&reader) != VERSION || reader.failed)
        return bad(error, "it begins otherwise, or is of a version unknown here");
    report->count = reader_u16(&reader);
    reader_bytes(&reader, report->itr.bytes, sizeof(report->itr.bytes));
    report->boot = reader_u64(&reader);
    report->number = reader_u64(&reader);
    report->from.ms = reader_u64(&reader);
    report->to.ms = reader_u64(&reader);
    report->other_packets = reader_u64(&reader);
    report->other_octets = reader_u64(&reader);
    if (reader.failed || report->count > USAGE_RECORDS_MAX ||
        length != USAGE_HEADER_BYTES + report->count * USAGE_RECORD_BYTES + SIGNATURE_BYTES)
        return bad(error, "its length does not fit the number of its records");
    // Signed 64-bit numbers in databases hold these, and sums of many.
    if (report->to.ms < report->from.ms || report->to.ms > INT64_MAX || report->number == 0 ||
        report->number > INT64_MAX || report->other_packets > USAGE_COUNT_MAX ||
        report->other_octets > USAGE_COUNT_MAX)
        return bad(error, "a number in it is out of bounds");
    for (uint32_t i = 0; i < report->count; i++)
        if (!read_record(&reader, &report->records[i]))
            return bad(error, "a record has no range, or counts more than can be");
    reader_bytes(&reader, signature.bytes, sizeof(signature.bytes));
    assert(!reader.failed && reader_left(&reader) == 0);
    if (!key_verify(&report->itr, USAGE_REPORT_CONTEXT, bytes, length - SIGNATURE_BYTES,
                    &signature))
        return bad(error, "its signature is not that of the ITR it names");
    return true;
}
