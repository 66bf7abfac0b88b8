// SPDX-License-Identifier: BSD-2-Clause
// One RUAS that a receiver follows: its stream of payloads, and when to fetch what.
#ifndef IVIP_PUSH_SUBSCRIPTION_H
#define IVIP_PUSH_SUBSCRIPTION_H

#include "base/heap.h"
#include "base/list.h"
#include "push/assembly.h"
#include "push/receiver.h"
#include "push/replica.h"
#include "push/stream.h"

struct subscription {
    struct list_node active; // those that something happened to since they were looked at
    struct heap_node timer;  // when to look at it again
    size_t index;
    struct public_key key;
    uint64_t id;
    struct stream stream;
    bool synced; // false: waits for a directory to know where in the stream it stands
    struct list_node replicas;
    size_t replica_count;
    size_t buffered;           // bytes in the buffers of all replicas
    struct heap snapshots;     // replicas that want a snapshot, by when to ask for it
    size_t snapshots_fetching; // on their way

    bool reading; // the payload at the front of the stream, section by section
    struct reader sections;
    struct assembly assembly;

    bool heard;
    struct instant heard_at;
    struct wall_time time; // of the last payload

    bool directory_fetching;
    struct instant directory_at;
    unsigned directory_attempts;
    uint64_t directory_epoch;    // of the last one taken, and after which payload it was true:
    uint64_t directory_position; // its time may go back, with the clock of its RUAS
    unsigned resyncs;            // in a row, with no payload taken in between
    bool check;                  // states of a directory are to be compared
    uint64_t check_position;     // once the stream has passed this sequence

    bool payloads_fetching;
    uint64_t asked_first;      // what is being fetched, or was last
    struct instant gap_at;     // when to ask for missing payloads; never while none is missing
    unsigned gap_attempts;     // since the gap last shrank
    struct duration silence;   // how long to wait for a datagram before asking: its own
    struct instant silence_at; // when to ask for what comes next
    unsigned silence_attempts;

    bool behind;
    struct instant behind_since;
    bool lost; // behind for too long
};

void subscription_init(struct subscription *subscription, size_t index,
                       const struct public_key *key, struct instant now,
                       struct random_source *random);
void subscription_release(struct subscription *subscription);

// Starts to expect `next` of an epoch. Not `synced`: until a directory says what the MABs hold.
void subscription_restart(struct subscription *subscription, struct instant now, uint64_t epoch,
                          uint64_t next, bool synced);
// Goes on behind `position`, at which a directory says how all MABs stand.
void subscription_rebase(struct subscription *subscription, struct instant now, uint64_t position);
// Gives up on what is missing: a directory shall say how the MABs stand. At once, but later and
// later where the directories that were had for that brought the stream no further.
void subscription_resync(struct subscription *subscription, struct instant now,
                         struct random_source *random);

// Notes a genuine payload: a datagram, or one that was fetched.
void subscription_heard(struct subscription *subscription, struct instant now, bool fetched,
                        const struct payload_header *header);

// Wants the directory no later than `delay` from now, give or take a random half of it.
void subscription_want_directory(struct subscription *subscription, struct instant now,
                                 struct duration delay, struct random_source *random);
// Notes how the fetch of a directory ended, and when to try again.
void subscription_directory_done(struct subscription *subscription, struct instant now, bool good,
                                 struct random_source *random);

// Once the stream went as far as it can: sees whether payloads are missing, and when to ask.
void subscription_schedule(struct subscription *subscription, struct instant now,
                           struct random_source *random);
// True when payloads are to be asked for now: those from `first` to `last`.
bool subscription_fetch_due(struct subscription *subscription, struct instant now, uint64_t *first,
                            uint64_t *last);
// Notes how a fetch of payloads ended, after what it brought was given to the stream. True when
// what is missing cannot be had.
bool subscription_payloads_done(struct subscription *subscription, struct instant now,
                                enum fetch_result result, struct random_source *random);
// True when a snapshot is to be asked for now: gives whose, which counts as on its way from then
// on.
bool subscription_snapshot_due(struct subscription *subscription, struct instant now,
                               struct replica **replica);
struct instant subscription_deadline(const struct subscription *subscription);

#endif
