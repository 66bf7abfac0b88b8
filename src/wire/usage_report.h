// SPDX-License-Identifier: BSD-2-Clause
// Usage reports: what an ITR tells a RUAS about the traffic of its micronets (DRTM §3.1;
// docs/protocol.md, "Usage report").
//
//     magic version count | ITR key | boot | number | from | to | uncounted | records | signature
//
// ITR key, boot and number name a report for ever: whoever takes reports counts each name once.
#ifndef IVIP_WIRE_USAGE_REPORT_H
#define IVIP_WIRE_USAGE_REPORT_H

#include "base/error.h"
#include "base/instant.h"
#include "base/key.h"
#include "base/range.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USAGE_REPORT_CONTEXT "ivip usage report v1"
#define USAGE_RECORDS_MAX    1024 // in one report
#define USAGE_HEADER_BYTES   88
#define USAGE_RECORD_BYTES   40
#define USAGE_REPORT_BYTES_MAX                                                                     \
    (USAGE_HEADER_BYTES + USAGE_RECORDS_MAX * USAGE_RECORD_BYTES + SIGNATURE_BYTES)
#define USAGE_COUNT_MAX (UINT64_C(1) << 62) // packets and octets in one record

struct usage_record {
    struct range range; // the micronet
    uint64_t packets;
    uint64_t octets; // of inner packets
};

struct usage_report {
    struct public_key itr;
    uint64_t boot;          // chosen at random at each start of the ITR
    uint64_t number;        // rises by report, over all boots
    struct wall_time from;  // the traffic was counted in [from, to)
    struct wall_time to;    //
    uint64_t other_packets; // of micronets that found no room in the ITR's table
    uint64_t other_octets;
    uint32_t count;
    struct usage_record records[USAGE_RECORDS_MAX];
};

// Writes and signs; returns the length. `itr` is taken from the key.
size_t usage_report_write(const struct usage_report *report, const struct secret_key *key,
                          uint8_t bytes[USAGE_REPORT_BYTES_MAX]);
// Reads and checks form, values and signature. Who the ITR is, and whether it is known, is the
// caller's business.
bool usage_report_read(const uint8_t *bytes, size_t length, struct usage_report *report,
                       struct error *error);

#endif
