// SPDX-License-Identifier: BSD-2-Clause
// A receiver's copy of one MAB and how it is kept equal to the master (fast-push §4.1.2).
//
//                        snapshot at or above the floor, then the sets buffered since
//     LOADING  ------------------------------------------------------------------->  READY
//        ^  ^                                                                         |  |
//        |  |  a set that does not follow, cannot be applied, or a state that differs |  |
//        |  +-------------------------------------------------------------------------+  |
//        |                                                                               |
//        |   the state of the new epoch differs            a new epoch                   |
//        +-----------------------------------  UNSURE  <---------------------------------+
//                                                 |  the state of the new epoch agrees   ^
//                                                 +--------------------------------------+
//
// The floor is the sequence from which on all sets are buffered: a snapshot below it leaves a hole.
#ifndef IVIP_PUSH_REPLICA_H
#define IVIP_PUSH_REPLICA_H

#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "mapping/database.h"
#include "mapping/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum replica_state { REPLICA_LOADING, REPLICA_UNSURE, REPLICA_READY };

struct replica {
    struct table_node by_prefix; // all of a receiver's replicas
    struct list_node of_ruas;    // those of one RUAS
    struct list_node changed;    // those whose owner is to be told something
    struct heap_node fetch;      // LOADING: when to fetch a snapshot
    struct heap_node stale;      // not READY: when the old copy may answer no more
    struct list_node buffer;     // LOADING: sets that came meanwhile, in order, without gaps
    size_t ruas;                 // index of its RUAS
    struct prefix mab;
    struct mapping *mapping; // belongs to the database; NULL until the first snapshot
    enum replica_state state;
    uint64_t sequence;            // of the last set in `mapping`
    bool floor_known;             // LOADING
    uint64_t floor;               // LOADING: least sequence of a snapshot that will do
    uint64_t buffered;            // LOADING: sequence of the last set in the buffer, else the floor
    size_t buffer_bytes;          // memory of the buffer
    struct instant answers_until; // not READY: how long the old copy may still answer
    bool removed;                 // only waits for its owner to be told so
    bool told_ready;              // what the owner was told last
    bool reloaded;                // which the owner is still to be told
    bool fetching;                // a snapshot is on its way
    unsigned attempts;            // fetches since it was last READY
    bool listed;                  // in the directory that is being taken over
    bool check;                   // `expected` is to be compared when the stream gets there
    uint64_t expected;
    bool expected_hash_known;
    struct mapping_hash expected_hash;
};

// What became of something given to a replica.
enum replica_outcome {
    REPLICA_APPLIED,  // a set changed the copy; the copy was replaced; a state agreed
    REPLICA_PASSED,   // nothing to do: the copy has it already, or cannot be compared
    REPLICA_BUFFERED, // kept until the snapshot is here
    REPLICA_DIVERGED, // the copy is not the master's any more: LOADING from now on
    REPLICA_TOO_OLD,  // a snapshot below the floor
};

// A replica without a copy; every set above `floor` will be given to it.
struct replica *replica_new(const struct prefix *mab, size_t ruas);
// Frees it and its buffer, but not the mapping.
void replica_free(struct replica *replica);

// The last sequence that it needs nothing more for: applied, buffered, or below the floor.
uint64_t replica_has(const struct replica *replica);

// Wants a snapshot of at least `floor`, with what is buffered forgotten.
void replica_restart(struct replica *replica, uint64_t floor);
// A new epoch began: the copy is in doubt until a state of that epoch comes.
void replica_doubt(struct replica *replica);

// Gives it the next set of its MAB. `room` is how many bytes its buffer may grow.
enum replica_outcome replica_set(struct replica *replica, uint64_t sequence,
                                 const struct update *updates, size_t count, size_t room);
// Compares the copy with a state: the RUAS's sequence and hash (NULL: not known). `exact`: the
// state is true at this place of the stream; otherwise the copy may be ahead of it.
enum replica_outcome replica_compare(struct replica *replica, uint64_t sequence,
                                     const struct mapping_hash *hash, bool exact);
// Takes over a snapshot and what was buffered behind it, and puts it into the database. The
// mapping is taken over, or freed where it is of no use.
enum replica_outcome replica_load(struct replica *replica, const struct snapshot_info *info,
                                  struct mapping *mapping, struct database *database,
                                  struct error *error);

#endif
