// SPDX-License-Identifier: BSD-2-Clause
// The sending side of fast push: what a RUAS tells the world (fast-push §3.9, §4.1.1).
//
// Sets of updates come in, numbered within their MAB; payloads come out, numbered within the
// epoch. Everyone gets identical bytes.
//
//     sender_set -> [ set | set | set ] -> fill a payload -> sign -> history -> out
//                     queue, in order         + snapshots made
//                                             + states that are due
//                                             or a heartbeat
//
// A set leaves at once when no updates were sent for a few milliseconds, otherwise it waits for
// company, at most SENDER_BATCH_MS. Output is paced: never more than the configured bytes a second,
// smoothly. Heartbeats come soon after updates and then less often, so that the loss of the last
// payload is seen nearly as fast as that of any other. A core without I/O: see src/push/receiver.h
// for the other side.
#ifndef IVIP_PUSH_SENDER_H
#define IVIP_PUSH_SENDER_H

#include "base/instant.h"
#include "base/key.h"
#include "mapping/mapping.h"
#include "push/history.h"
#include "wire/payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENDER_QUIET_MS             4   // after which a set need not wait for company
#define SENDER_BATCH_MS             20  // longest that a set waits for company
#define HEARTBEAT_MS                250 // longest silence
#define HEARTBEAT_FIRST_MS          30  // after updates; then it doubles up to the longest
#define STATE_SECONDS               60  // in which each MAB's state is sent at least once
#define SENDER_BYTES_SECOND_DEFAULT 4000000
#define SENDER_BURST_MS             10 // how much of the rate may be sent in one go
#define SENDER_QUEUE_BYTES_MAX      ((size_t)256 << 20)

struct sender_config {
    uint64_t epoch;           // above that of every sender before it with this key
    uint64_t bytes_second;    // most bytes a second to each feed; 0: the default
    size_t queue_bytes;       // for sets not yet sent; 0: SENDER_QUEUE_BYTES_MAX
    struct secret_key secret; // copied; wiped by sender_free
};

// Only ever grow.
struct sender_counters {
    uint64_t payloads, bytes, sets, updates, heartbeats, states, snapshots;
    uint64_t refused_full; // sets that found the queue full: receivers learn them by a snapshot
};

struct sender;

struct sender *sender_new(const struct sender_config *config, struct instant now);
void sender_free(struct sender *sender);

// Makes a MAB known as it stands now: `sequence` is that of the last set in it (0: none). Its state
// is sent at once. To be called before the first set of that MAB.
void sender_add_mab(struct sender *sender, const struct prefix *mab, uint64_t sequence,
                    const struct mapping_hash *hash);

// Queues a set, which is copied: the next of its MAB. `hash` is the running hash after the set;
// NULL where it is not known any more, because later sets have been applied already. False where
// the queue is full.
bool sender_set(struct sender *sender, struct instant now, const struct prefix *mab,
                uint64_t mab_sequence, const struct update *updates, size_t count,
                const struct mapping_hash *hash);
// Announces a snapshot: a section of type SECTION_SNAPSHOT.
void sender_announce(struct sender *sender, const struct payload_section *snapshot);

// The next payload to send to every feed: fills `buffer` (PAYLOAD_BYTES_MAX) and returns its
// length; 0 when nothing is due. `wall` goes into the payload.
size_t sender_next_output(struct sender *sender, struct instant now, struct wall_time wall,
                          uint8_t *buffer);
// When sender_next_output will have something, unless a set comes first.
struct instant sender_next_deadline(const struct sender *sender);

// For the directory: how MAB `i` (below sender_mab_count) stands after the payload with sequence
// sender_position, in which no set is left half. `hash_known` may be false.
struct sender_mab_state {
    struct prefix mab;
    uint64_t sequence;
    bool hash_known;
    struct mapping_hash hash;
};
size_t sender_mab_count(const struct sender *sender);
struct sender_mab_state sender_mab_state(const struct sender *sender, size_t i);
uint64_t sender_position(const struct sender *sender);
uint64_t sender_epoch(const struct sender *sender);

const struct history *sender_history(const struct sender *sender);
const struct sender_counters *sender_counters(const struct sender *sender);
// Bytes of sets that wait to be sent.
size_t sender_queued(const struct sender *sender);

#endif
