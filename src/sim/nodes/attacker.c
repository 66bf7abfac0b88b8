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
    if (message.type == MESSAGE_CACHE_UPDATE && random_below(random, 2) == 0) {
        message.status = QUERY_FLUSH;
        message.etr = ADDRESS_ZERO;
        for (; message.flushed_count < QUERY_FLUSHED_MAX; message.flushed_count++)
            message.flushed[message.flushed_count] = random_u64(random);
    }
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

// A page of a set that the attacker would like.
static void forge_page(struct random_source *random, struct page_message *reply, uint8_t *bytes)
{
    static const char entry[] = "198.51.100.0/24 dsoc1";
    bytes[0] = sizeof(entry) - 1;
    memcpy(bytes + 1, entry, sizeof(entry) - 1);
    mab_page_name(bytes, sizeof(entry), reply->page);
    memcpy(reply->root.page, reply->page, sizeof(reply->page));
    reply->type = MESSAGE_PAGE_REPLY;
    reply->nonce = random_u64(random);
    reply->bytes = bytes;
    reply->length = sizeof(entry);
}

// Tells of MABs in the name of a server, or has a server send pages to someone else.
static void page_as_another(struct world *world, struct random_source *random)
{
    uint8_t page[MAB_PAGE_BYTES_MAX];
    uint8_t bytes[PAGE_MESSAGE_BYTES_MAX];
    struct page_message message = {.status = PAGE_FOUND};
    size_t servers = world->qsa_count + world->qsr_count;
    struct endpoint server = world_endpoint(random_below(random, servers));
    struct endpoint node = world_endpoint(random_below(random, world->config.node_count));
    forge_page(random, &message, page);
    bool asks = random_below(random, 2) == 0;
    if (asks) {
        const struct mab_page *own = &world->dns.zone.site.items[0];
        message = (struct page_message){.type = MESSAGE_PAGE_REQUEST, .nonce = message.nonce};
        memcpy(message.page, own->name, sizeof(message.page));
        node = random_below(random, 2) == 0 ? world_victim() : node;
    } else if (random_below(random, 2) == 0) { // as to one who asks for the root
        message.status = PAGE_NONE;
        message.page[0] = '\0';
        message.length = 0;
    }
    size_t length = page_message_encode(&message, bytes, sizeof(bytes));
    if (asks && random_below(random, 2) == 0) { // without its padding: there is no room for a page
        length = PAGE_HEADER_BYTES;
        bytes[4] = 0;
        bytes[5] = PAGE_HEADER_BYTES;
    }
    world->report.attacks++;
    engine_inject(world->engine, world->attacker, asks ? &node : &server, asks ? &server : &node,
                  bytes, length);
}

// On path: the attacker knows the nonce and what was asked, and has another page in the place of
// the true one. It does not touch the root, which nothing but the path protects.
void world_tamper(struct world *world, const struct engine_datagram *datagram,
                  const struct page_message *reply)
{
    struct random_source *random = engine_random(world->engine);
    uint8_t page[MAB_PAGE_BYTES_MAX];
    uint8_t bytes[PAGE_MESSAGE_BYTES_MAX];
    struct page_message message;
    struct world_list *list = world_list_of(world, datagram->to_node);
    bool may = !world->calm && !world->quiet && world->config.attack_every.ns > 0;
    if (!may || list == NULL || reply->status != PAGE_FOUND || random_below(random, 8) > 0)
        return;
    forge_page(random, &message, page);
    message = (struct page_message){.type = MESSAGE_PAGE_REPLY,
                                    .nonce = reply->nonce,
                                    .status = PAGE_FOUND,
                                    .root = reply->root,
                                    .length = message.length,
                                    .bytes = page};
    memcpy(message.page, reply->page, sizeof(message.page));
    size_t length = page_message_encode(&message, bytes, sizeof(bytes));
    world->report.attacks++;
    list->disturbed = engine_now(world->engine);
    engine_inject(world->engine, world->attacker, &datagram->from, &datagram->to, bytes, length);
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
    switch (random_below(random, world->config.ideal_feed ? 6 : 7)) {
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
    case 5:
        page_as_another(world, random);
        break;
    default:
        push_as_another(world, random);
        break;
    }
}
