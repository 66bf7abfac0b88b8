// SPDX-License-Identifier: BSD-2-Clause
// Time in the world, what receivers say, and the checks of it.
#include "../check.h"
#include "base/memory.h"
#include "world_state.h"

#include <string.h>

const struct weather fair_weather = {.delay_ms = 5};

static const char *const mab_texts[WORLD_MABS] = {"20.0.0.0/22", "20.0.4.0/24", "2001:db8::/48",
                                                  "2001:db8:1::/48"};

struct prefix world_mab(size_t mab)
{
    struct prefix prefix;
    assert_true(prefix_parse(mab_texts[mab], &prefix, NULL));
    return prefix;
}

struct instant world_now(const struct world *world)
{
    return world->now;
}

bool world_chance(struct world *world, unsigned thousandths)
{
    return random_below(&world->random, 1000) < thousandths;
}

static void new_receiver(struct world *world, size_t i)
{
    struct follower *follower = &world->followers[i];
    struct public_key key = key_public(&world->key);
    struct receiver_config config = {.ruas_count = 1, .ruas = &key};
    struct random_seed seed;
    random_bytes(&world->random, seed.bytes, sizeof(seed.bytes));
    follower->database = database_new();
    follower->receiver = receiver_new(&config, follower->database, seed, world->now);
    follower->life++;
    memset(follower->told, 0, sizeof(follower->told));
}

struct world *world_new(uint64_t seed)
{
    struct world *world = memory_new(sizeof(*world));
    random_init(&world->random, random_seed_from_number(seed));
    world->now.ns = 1000000000;
    world->weather = fair_weather;
    world->memory = world_chance(world, 500) ? 10 + random_below(&world->random, 50) : UINT64_MAX;
    heap_init(&world->flights);
    uint8_t key_seed[32];
    random_bytes(&world->random, key_seed, sizeof(key_seed));
    key_from_seed(key_seed, &world->key);
    random_bytes(&world->random, key_seed, sizeof(key_seed));
    key_from_seed(key_seed, &world->other_key);
    for (size_t i = 0; i < WORLD_MABS; i++) {
        world->masters[i].prefix = world_mab(i);
        world->masters[i].mapping = mapping_new(&world->masters[i].prefix, NULL);
        world->masters[i].listed = true;
        world_record_hash(world, i);
    }
    world_new_sender(world);
    for (size_t i = 0; i < WORLD_RECEIVERS; i++)
        new_receiver(world, i);
    return world;
}

void world_free(struct world *world)
{
    while (heap_first(&world->flights) != NULL) {
        struct flight *flight = container_of(heap_first(&world->flights), struct flight, node);
        heap_remove(&world->flights, &flight->node);
        flight_free(flight);
    }
    heap_release(&world->flights);
    sender_free(world->sender);
    for (size_t i = 0; i < WORLD_RECEIVERS; i++) {
        receiver_free(world->followers[i].receiver);
        database_free(world->followers[i].database);
    }
    for (size_t i = 0; i < WORLD_MABS; i++) {
        mapping_free(world->masters[i].mapping);
        mapping_free(world->masters[i].backup);
        mapping_free(world->masters[i].snapshot);
    }
    memory_free(world);
}

void world_set_weather(struct world *world, struct weather weather)
{
    world->weather = weather;
}

void world_set_rate(struct world *world, unsigned sets_second)
{
    world->sets_second = sets_second;
    world->next_set = world->now;
}

void world_lose_next(struct world *world, unsigned count)
{
    world->lose_next = count;
}

static void pump_sender(struct world *world)
{
    uint8_t bytes[PAYLOAD_BYTES_MAX];
    if (world->sender == NULL)
        return;
    struct wall_time wall = {world->now.ns / 1000000};
    size_t length = 0;
    while ((length = sender_next_output(world->sender, world->now, wall, bytes)) > 0) {
        if (world->lose_next > 0) {
            world->lose_next--;
            continue;
        }
        for (size_t i = 0; i < WORLD_RECEIVERS; i++)
            world_send_datagram(world, bytes, length, i);
        if (world_chance(world, 50)) {
            memcpy(world->old, bytes, length);
            world->old_length = length;
        }
    }
}

static void take_applied(struct world *world, struct follower *follower, size_t mab,
                         const struct receiver_event *event)
{
    assert_int_equal(event->sequence, follower->told[mab].sequence + 1);
    assert_true(event->count > 0);
    follower->told[mab].sequence = event->sequence;
    // Whoever hears of a set finds the database exactly as the set left it.
    struct mapping_hash hash = mapping_hash(database_get(follower->database, &event->mab));
    bool equal = false;
    for (uint64_t epoch = 1; epoch <= world->epoch; epoch++)
        equal |= mapping_hash_equal(&hash, &world->hashes[epoch][mab][event->sequence]);
    assert_true(equal);
}

static void take_event(struct world *world, size_t receiver, const struct receiver_event *event)
{
    struct follower *follower = &world->followers[receiver];
    size_t mab = 0;
    while (mab < WORLD_MABS && !prefix_equal(&event->mab, &world->masters[mab].prefix))
        mab++;
    struct told *told = mab < WORLD_MABS ? &follower->told[mab] : NULL;
    switch (event->kind) {
    case RECEIVER_APPLIED:
        take_applied(world, follower, mab, event);
        break;
    case RECEIVER_RELOADED:
        assert_non_null(told);
        told->sequence = event->sequence;
        break;
    case RECEIVER_READY:
    case RECEIVER_LOST:
        assert_non_null(told);
        assert_true(told->ready == (event->kind == RECEIVER_LOST));
        told->ready = event->kind == RECEIVER_READY;
        break;
    case RECEIVER_REMOVED:
        assert_non_null(told);
        assert_null(database_get(follower->database, &event->mab));
        *told = (struct told){0};
        break;
    case RECEIVER_FETCH_DIRECTORY:
    case RECEIVER_FETCH_PAYLOADS:
    case RECEIVER_FETCH_SNAPSHOT: {
        struct flight *flight = memory_new(sizeof(*flight));
        flight->kind = FLIGHT_QUESTION;
        flight->receiver = receiver;
        flight->life = follower->life;
        flight->question = *event;
        flight_send(world, flight, 40);
        break;
    }
    }
}

static void pump_receiver(struct world *world, size_t i)
{
    struct receiver_event event;
    while (receiver_next_event(world->followers[i].receiver, world->now, &event))
        take_event(world, i, &event);
}

static void take_answer(struct world *world, struct flight *flight)
{
    struct follower *follower = &world->followers[flight->receiver];
    if (flight->life != follower->life)
        return; // who asked is gone
    bool good = flight->result == FETCH_DONE;
    const struct receiver_event *question = &flight->question;
    if (question->kind == RECEIVER_FETCH_DIRECTORY)
        receiver_directory(follower->receiver, world->now, 0, good ? &flight->directory : NULL);
    else if (question->kind == RECEIVER_FETCH_PAYLOADS)
        receiver_payloads(follower->receiver, world->now, 0, flight->result, flight->bytes,
                          flight->length);
    else {
        struct mapping *mapping = flight->mapping;
        flight->mapping = NULL;
        receiver_snapshot(follower->receiver, world->now, &question->mab, &flight->info, mapping,
                          NULL);
    }
}

static void land_flight(struct world *world, struct flight *flight)
{
    static const struct endpoint from = {{FAMILY_IPV4, {198, 18, 0, 1}}, 4749};
    struct receiver *receiver = world->followers[flight->receiver].receiver;
    if (flight->kind == FLIGHT_QUESTION) {
        world_answer(world, flight);
        return;
    }
    if (flight->kind == FLIGHT_DATAGRAM)
        receiver_input(receiver, world->now, &from, flight->bytes, flight->length);
    else
        take_answer(world, flight);
    size_t i = flight->receiver;
    flight_free(flight);
    pump_receiver(world, i);
}

// What a receiver claims of its copies must be true.
static void check_claims(struct world *world, size_t i)
{
    struct follower *follower = &world->followers[i];
    uint64_t epoch = receiver_ruas(follower->receiver, 0).epoch;
    for (size_t mab = 0; mab < WORLD_MABS; mab++) {
        struct receiver_mab_status status;
        if (!receiver_mab(follower->receiver, &world->masters[mab].prefix, &status))
            continue;
        assert_true(status.answering == follower->told[mab].ready);
        if (!status.in_step)
            continue;
        assert_true(status.has_copy && epoch > 0 && epoch <= world->epoch);
        const struct mapping *copy = database_get(follower->database, &world->masters[mab].prefix);
        struct mapping_hash hash = mapping_hash(copy);
        const struct mapping_hash *master = &world->hashes[epoch][mab][status.sequence];
        if (!mapping_hash_equal(&hash, master))
            fail_msg("receiver %zu: MAB %zu is not what it was at sequence %lu", i, mab,
                     (unsigned long)status.sequence);
    }
}

static struct instant next_moment(const struct world *world)
{
    struct instant next = heap_deadline(&world->flights);
    if (world->sender != NULL) {
        next = instant_earlier(next, sender_next_deadline(world->sender));
        if (world->sets_second > 0)
            next = instant_earlier(next, world->next_set);
    }
    for (size_t i = 0; i < WORLD_RECEIVERS; i++)
        next = instant_earlier(next, receiver_next_deadline(world->followers[i].receiver));
    return next;
}

static void step(struct world *world)
{
    struct heap_node *node = heap_first(&world->flights);
    if (node != NULL && instant_reached(world->now, node->deadline)) {
        heap_remove(&world->flights, node);
        land_flight(world, container_of(node, struct flight, node));
    }
    if (world->sender != NULL && world->sets_second > 0 &&
        instant_reached(world->now, world->next_set)) {
        size_t count = world_chance(world, 30) ? 400 : 1 + random_below(&world->random, 6);
        world_change(world, random_below(&world->random, WORLD_MABS), count);
        uint64_t mean = 1000000000 / world->sets_second;
        world->next_set =
            instant_add(world->now, (struct duration){1 + random_below(&world->random, 2 * mean)});
    }
    pump_sender(world);
    for (size_t i = 0; i < WORLD_RECEIVERS; i++) {
        struct receiver *receiver = world->followers[i].receiver;
        if (instant_reached(world->now, receiver_next_deadline(receiver))) {
            receiver_tick(receiver, world->now);
            pump_receiver(world, i);
        }
        check_claims(world, i);
    }
}

void world_run(struct world *world, struct duration duration)
{
    struct instant end = instant_add(world->now, duration);
    unsigned steps_at_once = 0;
    for (;;) {
        struct instant next = next_moment(world);
        if (instant_before(end, next))
            break;
        steps_at_once = instant_before(world->now, next) ? 0 : steps_at_once + 1;
        assert_true(steps_at_once < 10000); // a core that wants to be called without end
        if (instant_before(world->now, next))
            world->now = next;
        step(world);
    }
    world->now = end;
}

void world_restart_receiver(struct world *world, size_t receiver)
{
    receiver_free(world->followers[receiver].receiver);
    database_free(world->followers[receiver].database);
    new_receiver(world, receiver);
}

struct receiver *world_receiver(struct world *world, size_t receiver)
{
    return world->followers[receiver].receiver;
}

struct sender *world_sender(struct world *world)
{
    return world->sender;
}

bool world_in_step(struct world *world, size_t receiver)
{
    struct follower *follower = &world->followers[receiver];
    for (size_t i = 0; i < WORLD_MABS; i++) {
        const struct master *master = &world->masters[i];
        struct receiver_mab_status status;
        bool known = receiver_mab(follower->receiver, &master->prefix, &status);
        if (known != master->listed)
            return false;
        if (!known)
            continue;
        if (!status.in_step || !status.answering || status.sequence != master->sequence ||
            !world_same_mapping(master->mapping, database_get(follower->database, &master->prefix)))
            return false;
    }
    return true;
}
