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
    struct mapping_hash hash;
    uint64_t micronets;
    bool revertible;
};

struct mapping {
    struct sequence sequence;
    struct store store;
    struct etr_table etrs;
    uint64_t count;
    struct mapping_hash hash;
    struct prefix mab;
    struct undo_log undo;
};

// The ETR at a place of an IPv4 MAB (a unit less its first).
SEQUENCE_READER static inline void mapping_flat_etr(const struct mapping *mapping, uint32_t place,
                                                    struct address *etr)
{
    for (;;) {
        uint64_t begun = sequence_begin(&mapping->sequence);
        uint32_t value = flat_map_value(&mapping->store.flat, place);
        if (sequence_retry(&mapping->sequence, begun))
            continue;
        *etr = etr_table_get(&mapping->etrs, value);
        if (!sequence_retry(&mapping->sequence, begun))
            return;
    }
}

// The ETRs at places of an IPv4 MAB (units less its first), all from one state of the database; at
// most MAPPING_BATCH of them.
#define MAPPING_BATCH 64
void mapping_flat_etrs(const struct mapping *mapping, const uint32_t *places, size_t count,
                       struct address *etrs);

#endif
