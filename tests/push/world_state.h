// SPDX-License-Identifier: BSD-2-Clause
// What the files of the world share.
#ifndef IVIP_TESTS_PUSH_WORLD_STATE_H
#define IVIP_TESTS_PUSH_WORLD_STATE_H

#include "world.h"

#include "base/heap.h"
#include "base/list.h"

#define SEQUENCES_MAX 4096
#define EPOCHS_MAX    16

// What is on its way: a datagram, a question or an answer.
enum flight_kind { FLIGHT_DATAGRAM, FLIGHT_QUESTION, FLIGHT_ANSWER };

struct flight {
    struct heap_node node;
    enum flight_kind kind;
    size_t receiver;
    unsigned life; // of the receiver that asked
    struct receiver_event question;
    enum fetch_result result;
    struct directory directory;
    struct snapshot_info info;
    struct mapping *mapping;
    uint8_t *bytes;
    size_t length;
};

struct master {
    struct prefix prefix;
    struct mapping *mapping;
    uint64_t sequence;
    struct mapping *backup;
    uint64_t backup_sequence;
    struct mapping *snapshot;
    struct snapshot_info snapshot_info;
    struct instant snapshot_at;
    bool listed;
};

// What a receiver told of a MAB.
struct told {
    bool ready;
    uint64_t sequence;
};

struct follower {
    struct receiver *receiver;
    struct database *database;
    unsigned life;
    struct told told[WORLD_MABS];
};

struct world {
    struct random_source random;
    struct instant now;
    struct weather weather;
    unsigned sets_second;
    struct instant next_set;
    unsigned lose_next;
    uint64_t memory; // payloads that the RUAS keeps for those who missed some
    struct secret_key key;
    struct secret_key other_key;
    struct sender *sender; // NULL while the RUAS is down
    uint64_t epoch;
    struct master masters[WORLD_MABS];
    // The running hash of each MAB at each sequence, in each epoch: what a claim is checked by.
    struct mapping_hash hashes[EPOCHS_MAX][WORLD_MABS][SEQUENCES_MAX];
    struct follower followers[WORLD_RECEIVERS];
    struct heap flights;
    uint8_t old[PAYLOAD_BYTES_MAX]; // a payload to replay
    size_t old_length;
};

// True so many times in a thousand.
bool world_chance(struct world *world, unsigned thousandths);

// The master (world_master.c).
struct mapping *world_copy_mapping(const struct mapping *mapping);
void world_record_hash(struct world *world, size_t mab);
// A new sender for what the masters hold, in a new epoch.
void world_new_sender(struct world *world);
// Compares unit by unit, so that a fault of the running hash could not hide one of the copy.
bool world_same_mapping(const struct mapping *a, const struct mapping *b);

// The network (world_network.c).
void flight_free(struct flight *flight);
// Lets it arrive within `most_ms`.
void flight_send(struct world *world, struct flight *flight, uint64_t most_ms);
// Sends a payload to a receiver through the weather.
void world_send_datagram(struct world *world, const uint8_t *bytes, size_t length, size_t receiver);
// Answers a question that came to the RUAS, and sends the answer.
void world_answer(struct world *world, struct flight *flight);

#endif
