// SPDX-License-Identifier: BSD-2-Clause
// Stands for the authority in a simulation: MABs whose users change their mappings at random,
// always by the rules, and the log of all sets, from which any copy can be made.
#ifndef IVIP_SIM_MASTER_H
#define IVIP_SIM_MASTER_H

#include "base/random.h"
#include "mapping/mapping.h"
#include "sim/truth/history.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MASTER_MABS      2
#define MASTER_UNITS     192 // of each MAB are in use; the rest stays a gap
#define MASTER_SET_MAX   8
#define MASTER_ETR_COUNT 6 // 198.18.3.1 and following

// One atomic set.
struct master_set {
    struct instant at;
    size_t mab;
    uint64_t sequence;
    size_t count;
    struct update updates[MASTER_SET_MAX];
    struct mapping_hash hash; // of the MAB after it
};

struct master {
    struct prefix prefixes[MASTER_MABS]; // one IPv4, one IPv6
    struct mapping *mappings[MASTER_MABS];
    struct mapping_history *histories[MASTER_MABS];
    uint64_t sequences[MASTER_MABS];
    struct master_set *sets; // all there were, in order
    size_t set_count;
    size_t *numbers[MASTER_MABS]; // of the sets of each MAB, by sequence less 1
};

void master_init(struct master *master, struct instant now);
void master_release(struct master *master);
// Makes and applies a set, random but always the same for the same number and mapping. False where
// nothing came of it.
bool master_change(struct master *master, uint64_t number, struct instant now);
// Maps a micronet as its owner would: defines it in a gap, maps it where it is one. False where the
// rules forbid it, or it is in no MAB.
bool master_map(struct master *master, const struct range *range, const struct address *etr,
                struct instant now);
// An address in use: in one of the MABs.
struct address master_pick_address(const struct master *master, struct random_source *random);
// The set that took the MAB to a sequence from 1 on.
const struct master_set *master_set_at(const struct master *master, size_t mab, uint64_t sequence);

#endif
