// SPDX-License-Identifier: BSD-2-Clause
// An attacker off path: it sees nothing, but sends from any address. (One on path, who replays what
// he saw, is in the conditions of the network.)
#include "sim/world_state.h"

#include <string.h>

struct endpoint world_victim(void)
{
    return (struct endpoint){address_from_ipv4(0xcb007109), 4746}; // 203.0.113.9
}

static void send(struct world *world, const struct endpoint *from, const struct endpoint *to,
                 const struct query_message *message)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = query_encode(message, bytes, sizeof(bytes));
    world->report.attacks++;
    engine_inject(world->engine, world->attacker, from, to, bytes, length);
}

static struct query_message random_message(struct random_source *random, enum message_type type)
{
    return (struct query_message){
        .type = type,
        .nonce = random_u64(random),
        .token = random_u64(random),
        .querier_sequence = (uint32_t)random_u64(random),
        .server_sequence = (uint32_t)random_u64(random),
        .instance = 1 + random_below(random, UINT64_MAX - 1),
    };
}

// Requests in the name of someone else, to have answers sent there: a victim, or a node of ours.
static void ask_as_another(struct world *world, struct random_source *random)
{
    size_t servers = world->qsa_count + world->qsr_count;
    struct endpoint to = world_endpoint(random_below(random, servers));
    struct endpoint from = random_below(random, 2) == 0
                               ? world_victim()
                               : world_endpoint(random_below(random, world->config.node_count));
    bool alive = random_below(random, 5) == 0;
    struct query_message message =
        random_message(random, alive ? MESSAGE_ALIVE_REQUEST : MESSAGE_MAP_REQUEST);
    message.question = master_pick_address(&world->master, random);
    send(world, &from, &to, &message);
}

// Lies in the name of a server.
static void answer_as_another(struct world *world, struct random_source *random)
{
    static const enum message_type types[] = {MESSAGE_MAP_REPLY, MESSAGE_CACHE_UPDATE,
                                              MESSAGE_ALIVE_REPLY, MESSAGE_MAP_REQUEST_ACK};
    size_t servers = world->qsa_count + world->qsr_count;
    struct endpoint from = world_endpoint(random_below(random, servers));
    struct endpoint to = world_endpoint(random_below(random, world->config.node_count));
    struct query_message message = random_message(random, types[random_below(random, 4)]);
    struct address address = master_pick_address(&world->master, random);
    message.status = QUERY_MAPPED;
    message.caching_ms = 600000;
    message.range = (struct range){(enum family)address.family, unit_of_address(&address), {1}};
    message.etr = address_from_ipv4(0xc6336442); // 198.51.100.66: never a true ETR
    message.mab_sequence = UINT64_MAX;
    send(world, &from, &to, &message);
}

// Acknowledges what it never got, so that a server stops telling.
static void acknowledge_as_another(struct world *world, struct random_source *random)
{
    size_t servers = world->qsa_count + world->qsr_count;
    struct endpoint from = world_endpoint(random_below(random, world->config.node_count));
    struct endpoint to = world_endpoint(random_below(random, servers));
    struct query_message message = random_message(
        random, random_below(random, 2) == 0 ? MESSAGE_MAP_REPLY_ACK : MESSAGE_CACHE_UPDATE_ACK);
    message.server_sequence = (uint32_t)random_below(random, 50);
    send(world, &from, &to, &message);
}

static void send_junk(struct world *world, struct random_source *random)
{
    uint8_t bytes[QUERY_MESSAGE_BYTES_MAX];
    size_t length = 1 + random_below(random, sizeof(bytes));
    struct endpoint from = world_endpoint(random_below(random, world->config.node_count));
    struct endpoint to = world_endpoint(random_below(random, world->config.node_count));
    struct query_message message =
        random_message(random, (enum message_type)(1 + random_below(random, 8)));
    random_bytes(random, bytes, sizeof(bytes));
    message.range = (struct range){FAMILY_IPV4, {1}, {1}};
    message.status = QUERY_ZERO;
    message.question = address_from_ipv4(1);
    if (random_below(random, 2) == 0) { // a good header before the junk
        (void)query_encode(&message, bytes, sizeof(bytes));
        bytes[4] = (uint8_t)(length >> 8);
        bytes[5] = (uint8_t)length;
    }
    world->report.attacks++;
    engine_inject(world->engine, world->attacker, &from, &to, bytes, length);
}

// A payload that says what the attacker wants, in the name of the RUAS, signed with another key;
// or an old one again.
static void push_as_another(struct world *world, struct random_source *random)
{
    struct payload_header header;
    struct reader sections;
    struct endpoint from = world_endpoint(world->config.node_count);
    struct endpoint to =
        world_endpoint(world->qsas[random_below(random, world->qsa_count)].feed_node);
    if (world->heard_length == 0)
        return;
    world->report.attacks++;
    (void)payload_open(world->heard, world->heard_length, &header, &sections);
    if (random_below(random, 2) == 0) {
        engine_inject(world->engine, world->attacker, &from, &to, world->heard,
                      world->heard_length);
        return;
    }
    struct payload_writer payload;
    struct secret_key key;
    uint8_t seed[32] = {7};
    size_t mab = random_below(random, MASTER_MABS);
    header.sequence += random_below(random, 40);
    header.epoch += random_below(random, 2);
    payload_begin(&payload, &header);
    struct payload_section section = {.type = SECTION_STATE,
                                      .mab = world->master.prefixes[mab],
                                      .mab_sequence = 1 + random_below(random, 50)};
    (void)payload_add_section(&payload, &section);
    key_from_seed(seed, &key);
    size_t length = payload_seal(&payload, &key);
    engine_inject(world->engine, world->attacker, &from, &to, payload.bytes, length);
}

// A usage report again, as it was or changed.
static void report_as_another(struct world *world, struct random_source *random)
{
    if (world->heard_report == NULL || world->ruas.ruas == NULL || random_below(random, 8) > 0)
        return; // a signature is dear to check
    uint8_t bytes[USAGE_REPORT_BYTES_MAX];
    memcpy(bytes, world->heard_report, world->heard_report_length);
    bool changed = random_below(random, 2) == 0;
    if (changed)
        bytes[random_below(random, world->heard_report_length)] ^= 1 << random_below(random, 8);
    world->report.attacks++;
    if (world_ledger_take(world, bytes, world->heard_report_length) && changed)
        world_fail(world, WORLD_CHECK_USAGE, "the RUAS takes a report that was changed on the way");
}

void world_attack(struct world *world)
{
    struct random_source *random = engine_random(world->engine);
    switch (random_below(random, world->config.ideal_feed ? 5 : 6)) {
    case 0:
        ask_as_another(world, random);
        break;
    case 1:
        answer_as_another(world, random);
        break;
    case 2:
        acknowledge_as_another(world, random);
        break;
    case 3:
        send_junk(world, random);
        break;
    case 4:
        report_as_another(world, random);
        break;
    default:
        push_as_another(world, random);
        break;
    }
}
