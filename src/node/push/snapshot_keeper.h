// SPDX-License-Identifier: BSD-2-Clause
// The snapshots of a RUAS's MABs (fast-push §4.1.2).
//
// Writing a snapshot of a large MAB takes long, and must not be done beside the writer of its
// database. So each snapshot is made from the one before, in a worker, with the sets since:
//
//     loop's thread    first snapshot    set set set        set set
//                           |              |___|__ sets ______|
//     worker                +--> read -> apply ----> write -> second snapshot -> ...
//
// The loop's thread only writes the first one, at start, and hands over sets.
#ifndef IVIP_NODE_PUSH_SNAPSHOT_KEEPER_H
#define IVIP_NODE_PUSH_SNAPSHOT_KEEPER_H

#include "mapping/snapshot.h"
#include "node/node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_SPACING_MS    2000               // least time between two of one MAB
#define SNAPSHOT_LOG_BYTES_MAX ((size_t)32 << 20) // sets since the last one; then one is made
#define SNAPSHOT_WAITERS_MAX   1024               // requests that wait for one to be made
// Of snapshots that are not kept any more, but still being sent to who takes them slowly: while
// there are more, none is made but for logs that are full.
#define SNAPSHOT_SENDING_BYTES_MAX ((size_t)1 << 30)

// A snapshot that is being served. snapshot_file_release ends its use.
struct snapshot_file {
    size_t users;
    struct snapshot_keeper *keeper; // that counts it among those that are only being sent, or NULL
    struct snapshot_info info;
    uint8_t *bytes;
    size_t length;
};

void snapshot_file_release(void *file);

// Told of each snapshot made.
typedef void snapshot_made(void *state, const struct snapshot_info *info);
// Given the snapshot waited for, which the receiver must release; NULL when it will not come.
typedef void snapshot_given(void *state, struct snapshot_file *file);

struct snapshot_keeper;

struct snapshot_keeper_config {
    uint64_t epoch;
    struct duration every;   // how old the newest snapshot of a MAB that changed may become
    struct duration spacing; // 0: SNAPSHOT_SPACING_MS
    size_t sending_bytes;    // 0: SNAPSHOT_SENDING_BYTES_MAX
};

struct snapshot_keeper *snapshot_keeper_new(struct node *node,
                                            const struct snapshot_keeper_config *config,
                                            snapshot_made *made, void *state);
// Tells who waits that nothing comes, and frees the keeper once its worker is done and nothing of
// it is being sent any more.
void snapshot_keeper_stop(struct snapshot_keeper *keeper);
void snapshot_keeper_set_every(struct snapshot_keeper *keeper, struct duration every);

// Adds a MAB with its database, which must stay, and writes its first snapshot. `sequence` is that
// of the last set in it.
bool snapshot_keeper_add(struct snapshot_keeper *keeper, const struct mapping *mapping,
                         uint64_t sequence, struct error *error);
// Hands over the next set of a MAB. `hash` is the running hash after it, NULL where it is not known
// because the database is further on already.
void snapshot_keeper_set(struct snapshot_keeper *keeper, const struct prefix *mab,
                         uint64_t sequence, const struct update *updates, size_t count,
                         const struct mapping_hash *hash);

// The number of a MAB, in the order in which they were added from 0 on; it must have been.
size_t snapshot_keeper_number(const struct snapshot_keeper *keeper, const struct prefix *mab);

// The snapshot with that sequence, to be released by the caller; NULL where it is not kept.
struct snapshot_file *snapshot_keeper_find(struct snapshot_keeper *keeper, const struct prefix *mab,
                                           uint64_t sequence);
// Gives the newest snapshot, now or later: one with at least sequence `least`, or with `least` 0
// one that lacks no change older than the spacing. False, with a reason, where there is no
// such MAB, it never got to that sequence, or too many wait already.
bool snapshot_keeper_latest(struct snapshot_keeper *keeper, const struct prefix *mab,
                            uint64_t least, snapshot_given *given, void *state,
                            struct error *error);

struct snapshot_keeper_counters {
    uint64_t made, failed;
    uint64_t made_ns_total, made_ns_max; // time in the worker
    uint64_t bytes;                      // of those kept, now
    uint64_t sending_bytes;              // of those only being sent, now
    uint64_t waiting;                    // now
};
const struct snapshot_keeper_counters *
snapshot_keeper_counters(const struct snapshot_keeper *keeper);

#endif
