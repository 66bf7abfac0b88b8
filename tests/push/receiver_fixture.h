// SPDX-License-Identifier: BSD-2-Clause
// A receiver that follows two RUASes, with payloads written by hand.
#ifndef IVIP_TESTS_PUSH_RECEIVER_FIXTURE_H
#define IVIP_TESTS_PUSH_RECEIVER_FIXTURE_H

#include "../check.h"
#include "base/memory.h"
#include "push/receiver.h"
#include "wire/payload.h"

#include <string.h>

#define EPOCH 4

// A receiver that follows two RUASes, and the hand that writes their payloads.
struct bench {
    struct receiver *receiver;
    struct database *database;
    struct secret_key keys[2];
    struct instant now;
    struct receiver_event event;
    uint64_t clock_back_ms; // how far the RUAS's clock was set back
};

#define WALL_MS 10000000

static const struct endpoint source = {{FAMILY_IPV4, {198, 18, 0, 1}}, 4749};

static inline struct prefix mab(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix, NULL));
    return prefix;
}

static inline struct bench start(size_t buffer_bytes)
{
    struct bench bench = {.now = {9000000000}};
    struct public_key keys[2];
    for (uint8_t i = 0; i < 2; i++) {
        key_from_seed((uint8_t[32]){i}, &bench.keys[i]);
        keys[i] = key_public(&bench.keys[i]);
    }
    bench.database = database_new();
    struct receiver_config config = {2, keys, buffer_bytes};
    bench.receiver = receiver_new(&config, bench.database, random_seed_from_number(1), bench.now);
    return bench;
}

static inline void stop(struct bench *bench)
{
    receiver_free(bench->receiver);
    database_free(bench->database);
}

// The next event, other than fetches of directories of RUAS 1, which is not there.
static inline bool next(struct bench *bench)
{
    while (receiver_next_event(bench->receiver, bench->now, &bench->event))
        if (bench->event.kind != RECEIVER_FETCH_DIRECTORY || bench->event.ruas != 1)
            return true;
    return false;
}

static inline void expect(struct bench *bench, enum receiver_event_kind kind)
{
    assert_true(next(bench));
    assert_int_equal(bench->event.kind, kind);
}

static inline void expect_nothing(struct bench *bench)
{
    assert_false(next(bench));
}

// Lets time pass, deadline by deadline, until something happens or `ms` have gone by.
static inline bool wait_event(struct bench *bench, uint64_t ms)
{
    struct instant end = instant_add(bench->now, duration_ms(ms));
    while (!next(bench)) {
        struct instant deadline = receiver_next_deadline(bench->receiver);
        if (instant_before(end, deadline)) {
            bench->now = end;
            return false;
        }
        if (instant_before(bench->now, deadline))
            bench->now = deadline;
        receiver_tick(bench->receiver, bench->now);
    }
    return true;
}

static inline struct payload_header header_of(const struct bench *bench, size_t ruas,
                                              uint64_t epoch, uint64_t sequence)
{
    struct public_key key = key_public(&bench->keys[ruas]);
    return (struct payload_header){key_id(&key), epoch, sequence, {1000 + sequence}};
}

static inline void send(struct bench *bench, struct payload_writer *payload, size_t ruas)
{
    size_t length = payload_seal(payload, &bench->keys[ruas]);
    receiver_input(bench->receiver, bench->now, &source, payload->bytes, length);
}

static inline void send_heartbeat(struct bench *bench, uint64_t epoch, uint64_t sequence)
{
    struct payload_writer payload;
    struct payload_header header = header_of(bench, 0, epoch, sequence);
    payload_begin(&payload, &header);
    (void)payload_add_section(&payload, &(struct payload_section){.type = SECTION_HEARTBEAT});
    send(bench, &payload, 0);
}

// A micronet of one address, `number`, as the set number `mab_sequence` of a MAB.
static inline struct update define(const struct prefix *prefix, uint32_t number)
{
    struct unit unit = {unit_of_address(&prefix->address).index + number};
    return (struct update){UPDATE_DEFINE, {FAMILY_IPV4, unit, {1}}, address_from_ipv4(number), {0}};
}

static inline void send_set(struct bench *bench, size_t ruas, uint64_t sequence,
                            const struct prefix *prefix, uint64_t mab_sequence)
{
    struct payload_writer payload;
    struct payload_header header = header_of(bench, ruas, EPOCH, sequence);
    struct update update = define(prefix, (uint32_t)mab_sequence);
    payload_begin(&payload, &header);
    assert_int_equal(payload_add_updates(&payload, prefix, mab_sequence, 0, 1, &update, 1), 1);
    send(bench, &payload, ruas);
}

// The master of a MAB after `mab_sequence` sets.
static inline struct mapping *master(const struct prefix *prefix, uint64_t mab_sequence)
{
    struct mapping *mapping = mapping_new(prefix, NULL);
    for (uint32_t i = 1; i <= mab_sequence; i++) {
        struct update update = define(prefix, i);
        assert_true(mapping_apply(mapping, &update, 1, NULL, NULL));
    }
    return mapping;
}

static inline struct mapping_hash master_hash(const struct prefix *prefix, uint64_t mab_sequence)
{
    struct mapping *mapping = master(prefix, mab_sequence);
    struct mapping_hash hash = mapping_hash(mapping);
    mapping_free(mapping);
    return hash;
}

static inline void send_state(struct bench *bench, uint64_t epoch, uint64_t sequence,
                              const struct prefix *prefix, uint64_t mab_sequence, bool right)
{
    struct payload_writer payload;
    struct payload_header header = header_of(bench, 0, epoch, sequence);
    struct payload_section section = {.type = SECTION_STATE,
                                      .mab = *prefix,
                                      .mab_sequence = mab_sequence,
                                      .hash = master_hash(prefix, mab_sequence)};
    section.hash.lanes[1] += right ? 0 : 1;
    payload_begin(&payload, &header);
    assert_true(payload_add_section(&payload, &section));
    send(bench, &payload, 0);
}

static inline void give_directory(struct bench *bench, size_t ruas, uint64_t epoch,
                                  uint64_t sequence, const char *const *prefixes,
                                  const uint64_t *sequences, size_t count)
{
    struct directory_mab mabs[4];
    for (size_t i = 0; i < count; i++) {
        struct prefix prefix = mab(prefixes[i]);
        mabs[i] =
            (struct directory_mab){prefix, sequences[i], true, master_hash(&prefix, sequences[i])};
    }
    struct directory directory = {key_public(&bench->keys[ruas]),
                                  epoch,
                                  sequence,
                                  {WALL_MS - bench->clock_back_ms},
                                  count,
                                  mabs,
                                  0,
                                  NULL};
    receiver_directory(bench->receiver, bench->now, ruas, &directory);
}

static inline void give_snapshot(struct bench *bench, const struct prefix *prefix,
                                 uint64_t mab_sequence)
{
    struct public_key key = key_public(&bench->keys[0]);
    struct snapshot_info info = {
        .ruas = key_id(&key), .epoch = EPOCH, .mab = *prefix, .sequence = mab_sequence};
    receiver_snapshot(bench->receiver, bench->now, prefix, &info, master(prefix, mab_sequence),
                      NULL);
}

static inline struct receiver_mab_status status(const struct bench *bench,
                                                const struct prefix *prefix)
{
    struct receiver_mab_status status;
    assert_true(receiver_mab(bench->receiver, prefix, &status));
    return status;
}

static const char *const two_mabs[] = {"20.0.0.0/24", "20.0.1.0/24"};

// Boots until both MABs of RUAS 0 are in step, at sequence 2 each, payload 10 done.
static inline struct bench boot(size_t buffer_bytes)
{
    struct bench bench = start(buffer_bytes);
    expect(&bench, RECEIVER_FETCH_DIRECTORY);
    give_directory(&bench, 0, EPOCH, 10, two_mabs, (uint64_t[]){2, 2}, 2);
    for (size_t i = 0; i < 2; i++) {
        expect(&bench, RECEIVER_FETCH_SNAPSHOT);
        struct prefix prefix = bench.event.mab;
        give_snapshot(&bench, &prefix, 2);
        expect(&bench, RECEIVER_RELOADED);
        assert_int_equal(bench.event.sequence, 2);
        expect(&bench, RECEIVER_READY);
        assert_true(prefix_equal(&bench.event.mab, &prefix));
        assert_true(status(&bench, &prefix).in_step);
    }
    expect_nothing(&bench);
    return bench;
}

#endif
