// SPDX-License-Identifier: BSD-2-Clause
// The network of the world: a channel that does its worst, and an HTTP that fails.
#include "../check.h"
#include "base/memory.h"
#include "world_state.h"

#include <string.h>

#define SNAPSHOT_SPACE_MS 500

void flight_free(struct flight *flight)
{
    directory_release(&flight->directory);
    mapping_free(flight->mapping);
    memory_free(flight->bytes);
    memory_free(flight);
}

void flight_send(struct world *world, struct flight *flight, uint64_t most_ms)
{
    struct duration delay = {1 + random_below(&world->random, duration_ms(most_ms).ns + 1)};
    heap_set(&world->flights, &flight->node, instant_add(world->now, delay));
}

static struct flight *new_datagram(const uint8_t *bytes, size_t length, size_t receiver)
{
    struct flight *flight = memory_new(sizeof(*flight));
    flight->kind = FLIGHT_DATAGRAM;
    flight->receiver = receiver;
    flight->bytes = memory_copy(bytes, length);
    flight->length = length;
    return flight;
}

// A payload that says what an attacker wants, for the place in the stream that `bytes` has.
static struct flight *forge(struct world *world, const uint8_t *bytes, size_t length,
                            size_t receiver)
{
    struct payload_header header;
    struct reader sections;
    assert_int_equal(payload_open(bytes, length, &header, &sections), DECODE_OK);
    header.sequence += random_below(&world->random, 4);
    header.epoch += random_below(&world->random, 2);
    struct payload_writer payload;
    payload_begin(&payload, &header);
    struct prefix mab = world_mab(random_below(&world->random, WORLD_MABS));
    struct payload_section section = {
        .type = SECTION_STATE, .mab = mab, .mab_sequence = 1 + random_below(&world->random, 50)};
    (void)payload_add_section(&payload, &section);
    size_t forged = payload_seal(&payload, &world->other_key);
    return new_datagram(payload.bytes, forged, receiver);
}

void world_send_datagram(struct world *world, const uint8_t *bytes, size_t length, size_t receiver)
{
    const struct weather *weather = &world->weather;
    if (world_chance(world, weather->forged))
        flight_send(world, forge(world, bytes, length, receiver), weather->delay_ms);
    if (world->old_length > 0 && world_chance(world, weather->replayed))
        flight_send(world, new_datagram(world->old, world->old_length, receiver),
                    weather->delay_ms);
    if (world_chance(world, weather->lost))
        return;
    unsigned copies = world_chance(world, weather->repeated) ? 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        struct flight *flight = new_datagram(bytes, length, receiver);
        if (world_chance(world, weather->corrupted))
            flight->bytes[random_below(&world->random, length)] ^=
                (uint8_t)(1 + random_below(&world->random, 255));
        if (world_chance(world, weather->corrupted / 4))
            flight->length = random_below(&world->random, length);
        flight_send(world, flight, weather->delay_ms);
    }
}

static void answer_directory(struct world *world, struct flight *flight)
{
    struct directory directory = {.ruas = key_public(&world->key),
                                  .epoch = world->epoch,
                                  .sequence = sender_position(world->sender),
                                  .time = {world->now.ns / 1000000},
                                  .mab_count = sender_mab_count(world->sender)};
    struct directory_mab mabs[WORLD_MABS];
    directory.mabs = mabs;
    for (size_t i = 0; i < directory.mab_count; i++) {
        struct sender_mab_state state = sender_mab_state(world->sender, i);
        mabs[i] = (struct directory_mab){state.mab, state.sequence, state.hash_known, state.hash};
    }
    size_t length = 0;
    char *text = directory_write(&directory, &world->key, &length);
    if (world_chance(world, world->weather.http_cut))
        text[random_below(&world->random, length)] ^= 1;
    if (directory_read(text, length, &directory.ruas, &flight->directory, NULL))
        flight->result = FETCH_DONE;
    memory_free(text);
}

static void answer_payloads(struct world *world, struct flight *flight)
{
    const struct receiver_event *question = &flight->question;
    uint64_t last = history_last(sender_history(world->sender));
    bool forgotten = question->first <= last && last - question->first >= world->memory;
    if (question->epoch != world->epoch || forgotten) {
        flight->result = FETCH_GONE;
        return;
    }
    switch (history_read(sender_history(world->sender), question->first, question->last,
                         &flight->bytes, &flight->length)) {
    case HISTORY_FOUND:
        flight->result = FETCH_DONE;
        if (world_chance(world, world->weather.http_cut))
            flight->length = random_below(&world->random, flight->length);
        break;
    case HISTORY_GONE:
        flight->result = FETCH_GONE;
        break;
    case HISTORY_NOT_YET:
        flight->result = FETCH_NOT_YET;
        break;
    }
}

// A snapshot as the RUAS serves it: made anew when it lacks changes, but not too often.
static void answer_snapshot(struct world *world, struct flight *flight)
{
    size_t mab = 0;
    while (!prefix_equal(&flight->question.mab, &world->masters[mab].prefix))
        mab++;
    struct master *master = &world->masters[mab];
    if (!master->listed)
        return;
    struct instant again = instant_add(master->snapshot_at, duration_ms(SNAPSHOT_SPACE_MS));
    if (master->snapshot == NULL || (master->snapshot_info.sequence != master->sequence &&
                                     instant_reached(world->now, again))) {
        mapping_free(master->snapshot);
        master->snapshot = world_copy_mapping(master->mapping);
        master->snapshot_at = world->now;
        struct public_key key = key_public(&world->key);
        master->snapshot_info = (struct snapshot_info){.ruas = key_id(&key),
                                                       .epoch = world->epoch,
                                                       .mab = master->prefix,
                                                       .sequence = master->sequence,
                                                       .hash = mapping_hash(master->mapping)};
        struct payload_section section = {.type = SECTION_SNAPSHOT,
                                          .mab = master->prefix,
                                          .mab_sequence = master->sequence,
                                          .hash = master->snapshot_info.hash};
        sender_announce(world->sender, &section);
    }
    flight->mapping = world_copy_mapping(master->snapshot);
    flight->info = master->snapshot_info;
    flight->result = FETCH_DONE;
}

void world_answer(struct world *world, struct flight *flight)
{
    flight->kind = FLIGHT_ANSWER;
    flight->result = FETCH_FAILED;
    if (world->sender == NULL || world_chance(world, world->weather.http_failed)) {
        flight_send(world, flight, 300);
        return;
    }
    if (flight->question.kind == RECEIVER_FETCH_DIRECTORY)
        answer_directory(world, flight);
    else if (flight->question.kind == RECEIVER_FETCH_PAYLOADS)
        answer_payloads(world, flight);
    else
        answer_snapshot(world, flight);
    flight_send(world, flight, 40);
}
