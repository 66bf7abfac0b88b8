// SPDX-License-Identifier: BSD-2-Clause
// What the files of the mapping engine know of a mapping: mapping.c answers, mapping_apply.c
// changes it by sets of updates, snapshot files fill and read it in bulk.
//
//     lookups ----> sequence ----> store   units -> values
//                                  etrs    values -> ETR addresses
//     updates ----> undo log, then sequence, store, etrs, hash, count
#ifndef IVIP_MAPPING_MAPPING_STATE_H
#define IVIP_MAPPING_MAPPING_STATE_H

#include "mapping/etr_table.h"
#include "mapping/mapping.h"
#include "mapping/record_hash.h"
#include "mapping/sequence.h"
#include "mapping/store.h"

// One step of a set: micronet `range` had value `before`, and has `after`; ETR_GAP where it was
// no micronet, or is none any more.
struct change {
    uint64_t start;
    uint64_t length;
    uint32_t before;
    uint32_t after;
};

// What the last set changed, in order; and what was before it.
struct undo_log {
    struct change *changes; // owned
    size_t count;
    size_t capacity;
    uint64_t micronets;
    bool revertible;
};

// Records that the running hash does not have yet: they are hashed when there are enough to be
// hashed side by side, or when the hash is asked for.
struct unhashed {
    struct record records[RECORD_LANES];
    size_t count; // less than RECORD_LANES
};

struct mapping {
    struct sequence sequence;
    struct store store;
    struct etr_table etrs;
    uint64_t count;
    struct mapping_hash hash;  // but for:
    struct unhashed *unhashed; // owned; NULL before the first change
    struct prefix mab;
    struct undo_log undo;
};

// The lookups of one kind of MAB, for those who know which it is.

static inline uint32_t mapping_flat_place(const struct mapping *mapping, struct unit unit)
{
    return (uint32_t)(unit.index - mapping->store.units.start.index);
}

// The value of a unit of an IPv4 MAB.
SEQUENCE_READER static inline uint32_t mapping_flat_value(const struct mapping *mapping,
                                                          struct unit unit)
{
    for (;;) {
        uint64_t begun = sequence_begin(&mapping->sequence);
        uint32_t value = flat_map_value(&mapping->store.flat, mapping_flat_place(mapping, unit));
        if (!sequence_retry(&mapping->sequence, begun))
            return value;
    }
}

// The ETR of a unit of an IPv4 MAB.
SEQUENCE_READER static inline void mapping_flat_etr(const struct mapping *mapping, struct unit unit,
                                                    struct address *etr)
{
    for (;;) {
        uint64_t begun = sequence_begin(&mapping->sequence);
        uint32_t value = flat_map_value(&mapping->store.flat, mapping_flat_place(mapping, unit));
        if (sequence_retry(&mapping->sequence, begun))
            continue;
        *etr = etr_table_addresses(&mapping->etrs)[value];
        if (!sequence_retry(&mapping->sequence, begun))
            return;
    }
}

// The value and the ETR of a unit of an IPv6 MAB.
uint32_t mapping_tree_value(const struct mapping *mapping, struct unit unit);
void mapping_tree_etr(const struct mapping *mapping, struct unit unit, struct address *etr);

// Units whose ETRs are looked up under one look at the sequence lock.
#define MAPPING_BATCH 64

#endif
