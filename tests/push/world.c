// SPDX-License-Identifier: BSD-2-Clause
#include "world.h"

#include "../check.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"

#include <string.h>

#define SEQUENCES_MAX     4096
#define EPOCHS_MAX        16
#define SNAPSHOT_SPACE_MS 500

const struct weather fair_weather = {.delay_ms = 5};

static const char *const mab_texts[WORLD_MABS] = {"20.0.0.0/22", "20.0.4.0/24", "2001:db8::/48",
                                                  "2001:db8:1::/48"};

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

static bool chance(struct world *world, unsigned thousandths)
{
    return random_below(&world->random, 1000) < thousandths;
}

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

static struct mapping *copy_mapping(const struct mapping *mapping)
{
    struct mapping *copy = mapping_new(mapping_mab(mapping), NULL);
    struct micronet micronet;
    struct unit from = mapping_units(mapping)->start;
    uint64_t last = range_last(mapping_units(mapping)).index;
    while (mapping_next(mapping, from, &micronet)) {
        struct update update = {UPDATE_DEFINE, micronet.range, micronet.etr, {0}};
        assert_true(mapping_apply(copy, &update, 1, NULL, NULL));
        uint64_t end = range_last(&micronet.range).index;
        if (end == last)
            break;
        from.index = end + 1;
    }
    struct mapping_hash a = mapping_hash(mapping);
    struct mapping_hash b = mapping_hash(copy);
    assert_true(mapping_hash_equal(&a, &b));
    return copy;
}

static void record_hash(struct world *world, size_t mab)
{
    const struct master *master = &world->masters[mab];
    assert_true(master->sequence < SEQUENCES_MAX && world->epoch < EPOCHS_MAX);
    world->hashes[world->epoch][mab][master->sequence] = mapping_hash(master->mapping);
}

static void new_sender(struct world *world)
{
    world->epoch++;
    assert_true(world->epoch < EPOCHS_MAX);
    memcpy(world->hashes[world->epoch], world->hashes[world->epoch - 1],
           sizeof(world->hashes[world->epoch]));
    struct sender_config config = {.epoch = world->epoch, .secret = world->key};
    world->sender = sender_new(&config, world->now);
    for (size_t i = 0; i < WORLD_MABS; i++) {
        struct master *master = &world->masters[i];
        record_hash(world, i);
        for (uint64_t n = master->sequence + 1; n < SEQUENCES_MAX; n++) // not yet, or undone
            world->hashes[world->epoch][i][n] = (struct mapping_hash){{UINT64_MAX, UINT64_MAX}};
        mapping_free(master->snapshot);
        master->snapshot = NULL;
        struct mapping_hash hash = mapping_hash(master->mapping);
        if (master->listed)
            sender_add_mab(world->sender, &master->prefix, master->sequence, &hash);
    }
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
    world->memory = chance(world, 500) ? 10 + random_below(&world->random, 50) : UINT64_MAX;
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
        record_hash(world, i);
    }
    new_sender(world);
    for (size_t i = 0; i < WORLD_RECEIVERS; i++)
        new_receiver(world, i);
    return world;
}

static void free_flight(struct flight *flight)
{
    directory_release(&flight->directory);
    mapping_free(flight->mapping);
    memory_free(flight->bytes);
    memory_free(flight);
}

void world_free(struct world *world)
{
    while (heap_first(&world->flights) != NULL) {
        struct flight *flight = container_of(heap_first(&world->flights), struct flight, node);
        heap_remove(&world->flights, &flight->node);
        free_flight(flight);
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

static void send_flight(struct world *world, struct flight *flight, uint64_t most_ms)
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

static void send_datagram(struct world *world, const uint8_t *bytes, size_t length, size_t receiver)
{
    const struct weather *weather = &world->weather;
    if (chance(world, weather->forged))
        send_flight(world, forge(world, bytes, length, receiver), weather->delay_ms);
    if (world->old_length > 0 && chance(world, weather->replayed))
        send_flight(world, new_datagram(world->old, world->old_length, receiver),
                    weather->delay_ms);
    if (chance(world, weather->lost))
        return;
    unsigned copies = chance(world, weather->repeated) ? 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        struct flight *flight = new_datagram(bytes, length, receiver);
        if (chance(world, weather->corrupted))
            flight->bytes[random_below(&world->random, length)] ^=
                (uint8_t)(1 + random_below(&world->random, 255));
        if (chance(world, weather->corrupted / 4))
            flight->length = random_below(&world->random, length);
        send_flight(world, flight, weather->delay_ms);
    }
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
            send_datagram(world, bytes, length, i);
        if (chance(world, 50)) {
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
        send_flight(world, flight, 40);
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
    if (chance(world, world->weather.http_cut))
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
        if (chance(world, world->weather.http_cut))
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
        master->snapshot = copy_mapping(master->mapping);
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
    flight->mapping = copy_mapping(master->snapshot);
    flight->info = master->snapshot_info;
    flight->result = FETCH_DONE;
}

static void answer(struct world *world, struct flight *flight)
{
    flight->kind = FLIGHT_ANSWER;
    flight->result = FETCH_FAILED;
    if (world->sender == NULL || chance(world, world->weather.http_failed)) {
        send_flight(world, flight, 300);
        return;
    }
    if (flight->question.kind == RECEIVER_FETCH_DIRECTORY)
        answer_directory(world, flight);
    else if (flight->question.kind == RECEIVER_FETCH_PAYLOADS)
        answer_payloads(world, flight);
    else
        answer_snapshot(world, flight);
    send_flight(world, flight, 40);
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
        answer(world, flight);
        return;
    }
    if (flight->kind == FLIGHT_DATAGRAM)
        receiver_input(receiver, world->now, &from, flight->bytes, flight->length);
    else
        take_answer(world, flight);
    size_t i = flight->receiver;
    free_flight(flight);
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
        size_t count = chance(world, 30) ? 400 : 1 + random_below(&world->random, 6);
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

static struct address random_etr(struct world *world)
{
    struct address etr = ADDRESS_ZERO;
    if (chance(world, 200))
        return etr;
    etr.family = chance(world, 500) ? FAMILY_IPV4 : FAMILY_IPV6;
    etr.octets[0] = etr.family == FAMILY_IPV4 ? 198 : 0x20;
    etr.octets[3] = (uint8_t)random_below(&world->random, 8);
    return etr;
}

// One random update, which the rules may or may not allow.
static struct update random_update(struct world *world, const struct master *master)
{
    const struct range *units = mapping_units(master->mapping);
    uint64_t span = units->length.units < 600 ? units->length.units : 600;
    struct unit at = {units->start.index + random_below(&world->random, span)};
    struct micronet found;
    (void)mapping_lookup(master->mapping, at, &found);
    struct update update = {(enum update_kind)(1 + random_below(&world->random, 5)), found.range,
                            ADDRESS_ZERO, at};
    if (update.kind == UPDATE_DEFINE) {
        uint64_t most = range_last(units).index - at.index + 1;
        uint64_t want = 1 + random_below(&world->random, 5);
        update.range = (struct range){units->family, at, {want < most ? want : most}};
    }
    if (update.kind == UPDATE_MAP || update.kind == UPDATE_DEFINE)
        update.etr = random_etr(world);
    if (update.kind == UPDATE_SPLIT && at.index == update.range.start.index)
        update.kind = UPDATE_DELETE;
    return update;
}

// Maps as many micronets as there are, for sets that do not fit one payload.
static size_t remap_many(struct world *world, const struct master *master, struct update *updates,
                         size_t count)
{
    struct unit from = mapping_units(master->mapping)->start;
    uint64_t last = range_last(mapping_units(master->mapping)).index;
    struct micronet found;
    size_t used = 0;
    while (used < count && mapping_next(master->mapping, from, &found)) {
        updates[used++] = (struct update){UPDATE_MAP, found.range, random_etr(world), {0}};
        if (range_last(&found.range).index == last)
            break;
        from.index = range_last(&found.range).index + 1;
    }
    return used;
}

void world_change(struct world *world, size_t mab, size_t count)
{
    static struct update updates[UPDATE_SET_MAX];
    struct master *master = &world->masters[mab];
    if (!master->listed)
        return;
    size_t used = count > 20 ? remap_many(world, master, updates, count) : 0;
    for (; used == 0 || (count <= 20 && used < count); used++)
        updates[used] = random_update(world, master);
    while (!mapping_apply(master->mapping, updates, used, NULL, NULL)) {
        used = 1;
        updates[0] = random_update(world, master);
    }
    master->sequence++;
    record_hash(world, mab);
    struct mapping_hash hash = mapping_hash(master->mapping);
    bool hash_known = chance(world, 900);
    bool queued = sender_set(world->sender, world->now, &master->prefix, master->sequence, updates,
                             used, hash_known ? &hash : NULL);
    assert_true(queued);
}

void world_stop_ruas(struct world *world)
{
    sender_free(world->sender);
    world->sender = NULL;
}

void world_back_up(struct world *world)
{
    for (size_t i = 0; i < WORLD_MABS; i++) {
        struct master *master = &world->masters[i];
        mapping_free(master->backup);
        master->backup = copy_mapping(master->mapping);
        master->backup_sequence = master->sequence;
    }
}

void world_start_ruas(struct world *world, bool restored)
{
    assert_null(world->sender);
    for (size_t i = 0; restored && i < WORLD_MABS; i++) {
        struct master *master = &world->masters[i];
        mapping_free(master->mapping);
        master->mapping = copy_mapping(master->backup);
        master->sequence = master->backup_sequence;
    }
    new_sender(world);
}

void world_restart_receiver(struct world *world, size_t receiver)
{
    receiver_free(world->followers[receiver].receiver);
    database_free(world->followers[receiver].database);
    new_receiver(world, receiver);
}

void world_list_mab(struct world *world, size_t mab, bool listed)
{
    world_stop_ruas(world);
    world->masters[mab].listed = listed;
    new_sender(world);
}

struct receiver *world_receiver(struct world *world, size_t receiver)
{
    return world->followers[receiver].receiver;
}

struct sender *world_sender(struct world *world)
{
    return world->sender;
}

// Unit by unit, so that a fault of the running hash could not hide one of the copy.
static bool same_mapping(const struct mapping *a, const struct mapping *b)
{
    if (mapping_count(a) != mapping_count(b))
        return false;
    struct unit from = mapping_units(a)->start;
    uint64_t last = range_last(mapping_units(a)).index;
    struct micronet x;
    struct micronet y;
    while (mapping_next(a, from, &x)) {
        if (!mapping_next(b, from, &y) || !range_equal(&x.range, &y.range) ||
            !address_equal(&x.etr, &y.etr))
            return false;
        if (range_last(&x.range).index == last)
            break;
        from.index = range_last(&x.range).index + 1;
    }
    return true;
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
            !same_mapping(master->mapping, database_get(follower->database, &master->prefix)))
            return false;
    }
    return true;
}
