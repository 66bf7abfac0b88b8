// SPDX-License-Identifier: BSD-2-Clause
// Snapshots: the whole database of one MAB at one sequence number, signed by its RUAS
// (fast-push §4.1.2, §4.2.1; arch §2.9). Format: docs/protocol.md, "Snapshot".
#ifndef IVIP_MAPPING_SNAPSHOT_H
#define IVIP_MAPPING_SNAPSHOT_H

#include "base/error.h"
#include "base/instant.h"
#include "base/key.h"
#include "mapping/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Larger snapshots are not written, and refused before anything else is looked at.
#define SNAPSHOT_BYTES_MAX (1 << 30)
// Most micronets of one MAB that a snapshot may hold.
#define SNAPSHOT_MICRONETS_MAX (1 << 28)

struct snapshot_info {
    uint64_t ruas;  // key_id of the RUAS's key
    uint64_t epoch; // of the RUAS's payload numbering
    struct prefix mab;
    uint64_t sequence; // the MAB's sequence number: the last atomic set that is in it
    struct wall_time time;
    uint64_t micronets;
    struct mapping_hash hash;
};

// Bytes that the callee allocated and the caller frees with memory_free(bytes).
struct snapshot_bytes {
    uint8_t *bytes;
    size_t length;
};

// Writes `mapping`; of `info`, the caller fills ruas, epoch, sequence and time, the rest is taken
// from the mapping and filled in. Not beside a writer of the mapping. The same database with the
// same `info` gives the same bytes. Reasons: too-many-micronets, too-many-etrs, snapshot-too-large,
// compression-failed.
bool snapshot_write(const struct mapping *mapping, struct snapshot_info *info,
                    const struct secret_key *key, struct snapshot_bytes *snapshot,
                    struct error *error);
// Checks the signature and everything else and builds a new database, which the caller owns.
// Reasons: not-a-snapshot, snapshot-truncated, snapshot-too-large, snapshot-too-new,
// snapshot-forged, snapshot-corrupt, bad-mab. Memory is bounded by SNAPSHOT_MICRONETS_MAX and the
// size of the MAB, and is only taken once the signature was found good.
bool snapshot_read(const void *bytes, size_t length, const struct public_key *key,
                   struct snapshot_info *info, struct mapping **mapping, struct error *error);
// Reads only what it says of itself, checking nothing but the format: for `ivip snapshot FILE`.
bool snapshot_inspect(const void *bytes, size_t length, struct snapshot_info *info,
                      struct error *error);

#endif
