// SPDX-License-Identifier: BSD-2-Clause
// The hash of one micronet record, for the running hash of a database (docs/protocol.md, "Running
// hash"): SipHash-2-4-128 over first unit, units, ETR family and ETR address, 33 octets.
//
// libsodium has the same function; this one knows the length, keeps its state in registers and
// hashes several records side by side, which is five times as fast.
#ifndef IVIP_MAPPING_RECORD_HASH_H
#define IVIP_MAPPING_RECORD_HASH_H

#include "mapping/mapping.h"

#define RECORD_HASH_KEY "ivip mapping v1" // and its final NUL: 16 octets

// Records hashed side by side.
#define RECORD_LANES 16

struct record {
    uint64_t start;
    uint64_t units;
    struct address etr;
    bool gone; // to be taken away from the sum
};

// Adds the hashes of `count` records to `hash`, or takes them away.
void record_hash_add(struct mapping_hash *hash, const struct record *records, size_t count);

#endif
