// SPDX-License-Identifier: BSD-2-Clause
// The promise of the teller under attack: whoever was told something and may still believe it is
// told when it changes, or meets another instance. 10,000 queriers, most of them forged, some real
// but mute, ask a QSA with little memory, while mappings change and messages are lost.
#include "qsa_fixture.h"

#include "base/memory.h"

#define REAL      150 // queriers that keep to the protocol
#define MUTE      50  // prove their address, and acknowledge no update
#define FORGED    9800
#define NONCES    4096 // of a real querier
#define MICRONETS 64
#define FIRST     0x14010000u // 20.1.0.0, then every 16
#define LOSS      10          // of a hundred messages to and from real queriers
#define ROUNDS    6
#define TURNS     4000 // in a round
#define TOLD_MAX  1500

struct belief {
    bool held;
    struct range range;
    struct address etr;
    uint64_t mab_sequence;
    uint32_t server_sequence;
    uint64_t instance;
    struct instant asked;
    struct instant expires;
};

struct querier {
    struct endpoint endpoint;
    uint64_t token;
    uint32_t next; // nonce
    bool old;      // it knows nothing of flushes that go with another
    size_t answered, refused;
    struct belief beliefs[NONCES];
};

struct world {
    struct fixture f;
    struct querier *real;
    struct querier *mute;
    struct random_source random;
    unsigned loss;
    size_t flushed_together;
    bool split[MICRONETS];
};

static struct endpoint endpoint_at(uint32_t first, size_t number)
{
    return (struct endpoint){address_from_ipv4(first + (uint32_t)number), 4746};
}

static uint32_t any(struct world *world, uint32_t below)
{
    return (uint32_t)random_below(&world->random, below);
}

static struct range micronet(uint32_t number, uint32_t from, uint32_t units)
{
    return (struct range){FAMILY_IPV4, {FIRST + 16 * number + from}, {units}};
}

static struct address some_etr(struct world *world)
{
    return address_from_ipv4(0xc6120000u + any(world, 60000) + 1);
}

static struct world begin(uint64_t seed)
{
    struct qsa_config config = config_of();
    config.teller = (struct teller_config){.queriers_max = 1000,
                                           .unproven_max = 20,
                                           .told_max = TOLD_MAX,
                                           .told_per_querier_max = 100};
    struct world world = {.f = start_with(&config)};
    random_init(&world.random, random_seed_from_number(seed));
    struct update clear[] = {update_of(UPDATE_DELETE, "20.1.0.16/28", "zero"),
                             update_of(UPDATE_DELETE, "20.1.0.64/28", "zero"),
                             update_of(UPDATE_DELETE, "20.1.0.80/28", "zero")};
    apply(&world.f, (struct update[]){update_of(UPDATE_MAP, "20.1.0.16/28", "zero")}, 1);
    apply(&world.f, (struct update[]){update_of(UPDATE_MAP, "20.1.0.64/28", "zero")}, 1);
    apply(&world.f, clear, 3);
    for (uint32_t i = 0; i < MICRONETS; i++) {
        struct update update = {UPDATE_DEFINE, micronet(i, 0, 16), some_etr(&world), {0}};
        apply(&world.f, &update, 1);
    }
    world.real = memory_new_array(REAL, sizeof(*world.real));
    world.mute = memory_new_array(MUTE, sizeof(*world.mute));
    for (size_t i = 0; i < REAL; i++) {
        world.real[i].endpoint = endpoint_at(0xc6330001u, i);
        world.real[i].old = i % 2 == 1;
    }
    for (size_t i = 0; i < MUTE; i++)
        world.mute[i].endpoint = endpoint_at(0xcb000001u, i);
    return world;
}

static void end(struct world *world)
{
    stop(&world->f);
    memory_free(world->real);
    memory_free(world->mute);
}

// Mappings

// Splits a micronet, or joins its halves again: only what is mapped to zero can be.
static void change_boundaries(struct world *world, uint32_t number)
{
    struct update updates[] = {
        {UPDATE_MAP, micronet(number, 0, 16), ADDRESS_ZERO, {0}},
        {UPDATE_SPLIT, micronet(number, 0, 16), ADDRESS_ZERO, micronet(number, 8, 1).start},
    };
    if (world->split[number]) {
        updates[0].range = micronet(number, 0, 8);
        apply(&world->f, updates, 1);
        updates[0].range = micronet(number, 8, 8);
        updates[1] = (struct update){UPDATE_JOIN, micronet(number, 0, 16), ADDRESS_ZERO, {0}};
    }
    world->split[number] = !world->split[number];
    apply(&world->f, updates, 2);
}

static void change_some(struct world *world)
{
    uint32_t number = any(world, MICRONETS);
    if (any(world, 16) == 0) {
        change_boundaries(world, number);
        return;
    }
    struct update update = {UPDATE_MAP, micronet(number, 0, 16), some_etr(world), {0}};
    if (world->split[number])
        update.range = micronet(number, 8 * any(world, 2), 8);
    apply(&world->f, &update, 1);
}

static bool is_true(const struct world *world, const struct belief *belief)
{
    struct prefix mab = prefix_of(MAB);
    struct micronet now;
    (void)mapping_lookup(database_get(world->f.database, &mab), belief->range.start, &now);
    return range_equal(&now.range, &belief->range) && address_equal(&now.etr, &belief->etr);
}

// Queriers

static void send_from(struct world *world, const struct endpoint *from,
                      const struct query_message *message, bool may_be_lost)
{
    struct datagram datagram = datagram_of(message);
    if (may_be_lost && any(world, 100) < world->loss)
        return;
    qsa_input(world->f.qsa, world->f.now, from, datagram.bytes, datagram.length);
}

static void ask_from(struct world *world, struct querier *querier)
{
    struct query_message message = {
        .type = MESSAGE_MAP_REQUEST,
        .nonce = ++querier->next,
        .token = querier->token,
        .querier_sequence = querier->next,
        .instance = 0xe,
        .question = address_from_ipv4(FIRST + any(world, 16 * MICRONETS)),
    };
    querier->beliefs[querier->next % NONCES] = (struct belief){.asked = world->f.now};
    send_from(world, &querier->endpoint, &message, true);
}

static void forge(struct world *world)
{
    struct endpoint from = endpoint_at(0x0a000001u, any(world, FORGED));
    struct query_message message = {
        .type = MESSAGE_MAP_REQUEST,
        .nonce = random_u64(&world->random),
        .token = any(world, 2) ? random_u64(&world->random) : 0,
        .instance = 0xe,
        .question = address_from_ipv4(FIRST + any(world, 16 * MICRONETS)),
    };
    if (any(world, 8) == 0) { // in the name of a real one, or an acknowledgement of nothing
        from = world->real[any(world, REAL)].endpoint;
        message.type = any(world, 2) ? MESSAGE_MAP_REQUEST : MESSAGE_CACHE_UPDATE_ACK;
    }
    send_from(world, &from, &message, false);
}

static void acknowledge_from(struct world *world, const struct querier *querier,
                             const struct query_message *message, uint64_t released)
{
    struct query_message ack = acknowledgement_of(message);
    if (querier->old)
        ack.released_count = 0;
    if (released != 0)
        ack.released[ack.released_count++] = released;
    send_from(world, &querier->endpoint, &ack, true);
}

// What is flushed with another range. It may not even have come yet.
static void flush_others(struct world *world, struct querier *querier,
                         const struct query_message *message)
{
    for (size_t i = 0; i < message->flushed_count; i++) {
        struct belief *belief = &querier->beliefs[message->flushed[i] % NONCES];
        world->flushed_together++;
        belief->held = false;
        belief->expires = world->f.now;
    }
}

// What another instance told before is forgotten, as rule 8 says.
static void note_instance(struct querier *querier, uint64_t instance)
{
    for (size_t i = 0; i < NONCES; i++)
        if (querier->beliefs[i].held && querier->beliefs[i].instance != instance)
            querier->beliefs[i].held = false;
}

static void take_message(struct world *world, struct querier *querier,
                         const struct query_message *message)
{
    struct belief *belief = &querier->beliefs[message->nonce % NONCES];
    bool ours = message->nonce > 0 && message->nonce <= querier->next &&
                message->nonce + NONCES > querier->next;
    querier->token = message->token;
    if (!ours || message->type == MESSAGE_MAP_REQUEST_ACK || message->type == MESSAGE_ALIVE_REPLY)
        return;
    if (message->type == MESSAGE_MAP_REPLY && message->status == QUERY_BUSY) {
        querier->refused++;
        return;
    }
    bool first = !belief->held && message->type == MESSAGE_MAP_REPLY && belief->expires.ns == 0;
    querier->answered += first;
    if (message->type == MESSAGE_MAP_REPLY && !first) {
        acknowledge_from(world, querier, message, 0); // repeated, or overtaken
        return;
    }
    note_instance(querier, message->instance);
    if (!querier->old)
        flush_others(world, querier, message);
    struct instant expires = instant_add(belief->asked, duration_ms(message->caching_ms));
    if (message->type == MESSAGE_CACHE_UPDATE && !belief->held) {
        // It overtook its reply, which is not taken any more.
        belief->expires = world->f.now;
        acknowledge_from(world, querier, message, message->nonce);
        return;
    }
    if (first || (int32_t)(message->server_sequence - belief->server_sequence) > 0) {
        *belief = (struct belief){
            .held = message->status != QUERY_FLUSH,
            .range = message->range,
            .etr = message->etr,
            .server_sequence = message->server_sequence,
            .instance = message->instance,
            .asked = belief->asked,
            .expires = first ? expires : instant_earlier(belief->expires, expires),
        };
    }
    acknowledge_from(world, querier, message, 0);
}

static struct querier *find(struct querier *queriers, size_t count, const struct endpoint *to)
{
    for (size_t i = 0; i < count; i++)
        if (endpoint_equal(&queriers[i].endpoint, to))
            return &queriers[i];
    return NULL;
}

static void carry(struct world *world)
{
    struct query_message message;
    struct endpoint to;
    while (sent(&world->f, &message, &to)) {
        struct querier *real = find(world->real, REAL, &to);
        struct querier *mute = find(world->mute, MUTE, &to);
        if (real != NULL && any(world, 100) >= world->loss)
            take_message(world, real, &message);
        else if (mute != NULL)
            mute->token = message.token;
    }
    struct teller *teller = qsa_teller(world->f.qsa);
    assert_true(teller_told(teller) <= TOLD_MAX + TOLD_MAX / 4);
    assert_true(teller_queriers(teller) <= 1000);
}

// The attack

static void live(struct world *world)
{
    for (unsigned turn = 0; turn < TURNS; turn++) {
        for (unsigned i = 0; i < 8; i++)
            forge(world);
        ask_from(world, &world->real[any(world, REAL)]);
        ask_from(world, &world->real[any(world, REAL)]);
        ask_from(world, &world->mute[any(world, MUTE)]);
        if (any(world, 10) == 0)
            change_some(world);
        carry(world);
        pass(&world->f, any(world, 20));
        carry(world);
    }
}

// Nothing is asked or lost for as long as updates are repeated, and longer.
static void rest(struct world *world)
{
    world->loss = 0;
    for (unsigned i = 0; i < 300; i++) {
        pass(&world->f, 50);
        carry(world);
    }
    world->loss = LOSS;
}

// Every querier now makes its alive check.
static void check_beliefs(struct world *world)
{
    size_t held = 0;
    for (size_t i = 0; i < REAL; i++) {
        struct querier *querier = &world->real[i];
        struct query_message alive = {.type = MESSAGE_ALIVE_REQUEST, .nonce = 1, .instance = 0xe};
        alive.token = querier->token;
        struct query_message reply = {0};
        struct endpoint to;
        send_from(world, &querier->endpoint, &alive, false);
        assert_true(sent(&world->f, &reply, &to));
        assert_int_equal(reply.type, MESSAGE_ALIVE_REPLY);
        note_instance(querier, reply.instance);
        for (size_t n = 0; n < NONCES; n++) {
            struct belief *belief = &querier->beliefs[n];
            if (!belief->held || instant_reached(world->f.now, belief->expires))
                continue;
            held++;
            if (!is_true(world, belief))
                fail_msg("querier %zu believes what is no longer true, and was not told", i);
        }
    }
    assert_true(held > TOLD_MAX / 5); // the others did not crowd them out
}

static void test_nobody_is_forgotten(void **state)
{
    (void)state;
    struct world world = begin(1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t before = 0;
        size_t after = 0;
        for (size_t i = 0; i < REAL; i++)
            before += world.real[i].answered;
        world.loss = LOSS;
        live(&world);
        rest(&world);
        check_beliefs(&world);
        for (size_t i = 0; i < REAL; i++)
            after += world.real[i].answered;
        // The real ones are served meanwhile.
        assert_true(after - before > TURNS);
    }
    const struct teller_counters *counters = teller_counters(qsa_teller(world.f.qsa));
    assert_true(counters->evicted > 1000 && counters->told_to_prove > 1000);
    assert_true(counters->queriers_lost > MUTE);
    assert_true(world.flushed_together > 1000);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
