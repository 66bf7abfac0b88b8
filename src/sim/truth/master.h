// SPDX-License-Identifier: BSD-2-Clause
// What the world was told: every set of updates that a RUAS acknowledged, in order, and what each
// unit was mapped to by them. It is kept from what the RUAS says alone and shares no state with it,
// so that whatever the RUAS, a QSA or an ITR has can be held against it. Beside it stands a
// database of the mapping engine, for the hashes, which must agree with it.
#ifndef IVIP_SIM_TRUTH_MASTER_H
#define IVIP_SIM_TRUTH_MASTER_H

#include "base/random.h"
#include "mapping/mapping.h"
#include "sim/truth/history.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MASTER_MABS    2
#define MASTER_UNITS   CELLS // of each MAB are in use; the rest stays a gap
#define MASTER_SET_MAX 24

// One atomic set.
struct master_set {
    struct instant at; // when it was acknowledged
    size_t mab;
    uint64_t sequence;
    size_t count;
    struct update updates[MASTER_SET_MAX];
    struct mapping_hash hash; // of the MAB after it
};

struct master {
    struct prefix prefixes[MASTER_MABS]; // one IPv4, one IPv6
    struct cells cells[MASTER_MABS];
    struct mapping *mappings[MASTER_MABS];
    struct mapping_history *histories[MASTER_MABS];
    uint64_t sequences[MASTER_MABS];
    struct master_set *sets; // all there were, in order
    size_t set_count;
    size_t *numbers[MASTER_MABS]; // of the sets of each MAB, by sequence less 1
};

void master_init(struct master *master, struct instant now);
void master_release(struct master *master);

// Takes in a set that was acknowledged; fills `changed` with the units that it changed. False where
// it is not the next of its MAB, or breaks a rule of mapping: nothing changes then.
bool master_take(struct master *master, size_t mab, uint64_t sequence, const struct update *updates,
                 size_t count, struct instant now, bool changed[MASTER_UNITS]);
// Whether the mapping engine makes the same of a MAB as the rules do.
bool master_agrees(const struct master *master, size_t mab);
// An address in use: in one of the MABs.
struct address master_pick_address(const struct master *master, struct random_source *random);
// The set that took the MAB to a sequence from 1 on.
const struct master_set *master_set_at(const struct master *master, size_t mab, uint64_t sequence);

#endif
