// SPDX-License-Identifier: BSD-2-Clause
// The invariants of the messages themselves: who is told what, and how much is sent to whom.
#include "sim/checks/checks.h"

#include "base/memory.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define HEARD_EVERY 7 // the attacker gets hold of one payload in so many

struct telling_key {
    struct endpoint server;
    struct endpoint querier;
    uint64_t nonce;
};

static bool telling_matches(const struct table_node *node, const void *key)
{
    const struct world_telling *telling = container_of(node, const struct world_telling, place);
    const struct telling_key *wanted = key;
    return telling->nonce == wanted->nonce && endpoint_equal(&telling->server, &wanted->server) &&
           endpoint_equal(&telling->querier, &wanted->querier);
}

static uint64_t telling_hash(const struct world *world, const struct telling_key *key)
{
    return hash_bytes(&world->key, &key->nonce, sizeof(key->nonce));
}

static struct world_telling *find_telling(const struct world *world, const struct telling_key *key)
{
    struct table_node *node =
        table_find(&world->tellings, telling_hash(world, key), telling_matches, key);
    return node == NULL ? NULL : container_of(node, struct world_telling, place);
}

// A request that came twice is answered twice, and its querier may use either answer.
static void note_reply(struct world *world, struct instant now, const struct telling_key *key,
                       const struct query_message *message)
{
    struct world_telling *telling = find_telling(world, key);
    struct instant until = instant_add(now, duration_ms(message->caching_ms + 1));
    if (message->status != QUERY_MAPPED && message->status != QUERY_ZERO)
        return;
    if (telling == NULL) {
        telling = memory_new(sizeof(*telling));
        telling->server = key->server;
        telling->querier = key->querier;
        telling->nonce = key->nonce;
        table_insert(&world->tellings, &telling->place, telling_hash(world, key));
    }
    if (!range_equal(&telling->range, &message->range) || instant_before(telling->until, until))
        telling->until = until;
    telling->range = message->range;
}

// Nobody is woken who was not told, nor for another range, nor after the caching time.
static void check_update(struct world *world, struct instant now, const struct telling_key *key,
                         const struct query_message *message)
{
    const struct world_telling *telling = find_telling(world, key);
    char querier[ENDPOINT_TEXT_MAX];
    char range[RANGE_TEXT_MAX];
    world->report.updates += 1 + message->flushed_count;
    if (telling == NULL || !range_equal(&telling->range, &message->range))
        world_fail(world, WORLD_CHECK_TELLING, "%s is woken for %s, which it was not told",
                   endpoint_print(&key->querier, querier), range_print(&message->range, range));
    else if (instant_before(telling->until, now))
        world_fail(world, WORLD_CHECK_TELLING, "%s is woken for %s after its caching time",
                   endpoint_print(&key->querier, querier), range_print(&message->range, range));
    else if (message->status != QUERY_FLUSH &&
             instant_before(telling->until, instant_add(now, duration_ms(message->caching_ms))))
        world_fail(world, WORLD_CHECK_TELLING, "an update lengthens the caching time of %s at %s",
                   range_print(&message->range, range), endpoint_print(&key->querier, querier));
}

// Nor is anybody told to forget what it was not told, or need not know any more.
static void check_flushed(struct world *world, struct instant now, const struct telling_key *key,
                          const struct query_message *message)
{
    char querier[ENDPOINT_TEXT_MAX];
    for (size_t i = 0; i < message->flushed_count; i++) {
        struct telling_key other = {key->server, key->querier, message->flushed[i]};
        const struct world_telling *telling = find_telling(world, &other);
        if (telling == NULL || instant_before(telling->until, now))
            world_fail(world, WORLD_CHECK_TELLING, "%s is to forget what it was not told",
                       endpoint_print(&key->querier, querier));
    }
}

// The address that the attacker takes never proves itself: no server sends it more octets than came
// to that server from it.
static void check_victim(struct world *world, const struct engine_datagram *datagram)
{
    struct endpoint victim = world_victim();
    bool arrives = datagram->fate == ENGINE_ARRIVED;
    if (arrives && endpoint_equal(&datagram->from, &victim))
        world->victim_sent[datagram->to_node] += datagram->length;
    if (arrives || !endpoint_equal(&datagram->to, &victim))
        return;
    size_t node = datagram->from_node;
    assert(node < world->config.node_count);
    world->victim_got[node] += datagram->length;
    if (world->victim_got[node] > world->victim_sent[node])
        world_fail(world, WORLD_CHECK_VICTIM,
                   "%s sends %" PRIu64 " octets to an address that proved nothing, for %" PRIu64,
                   world->config.nodes[node].name, world->victim_got[node],
                   world->victim_sent[node]);
}

// The RUAS sends nothing that cannot be read; the attacker listens.
static void check_payload(struct world *world, const struct engine_datagram *datagram)
{
    struct payload_header header;
    struct reader sections;
    if (payload_open(datagram->bytes, datagram->length, &header, &sections) != DECODE_OK)
        world_fail(world, WORLD_CHECK_COPIES, "the RUAS sent what cannot be read");
    if (header.sequence % HEARD_EVERY == 0) {
        memcpy(world->heard, datagram->bytes, datagram->length);
        world->heard_length = datagram->length;
    }
}

// A QSA says what is in its copy at that moment, in replies and in updates: whole micronets, which
// do not overlap; and nothing from a copy that it knows to be behind for too long.
static void check_answer(struct world *world, const struct world_qsa *qsa,
                         const struct query_message *message)
{
    char range[RANGE_TEXT_MAX];
    struct micronet found = {0};
    size_t mab = message->range.family == FAMILY_IPV6;
    if (!world_tells_mapping(message))
        return;
    const struct mapping *copy = database_get(qsa->database, &world->master.prefixes[mab]);
    enum mapping_state state =
        copy == NULL ? MAPPING_GAP : mapping_lookup(copy, message->range.start, &found);
    if (!range_equal(&found.range, &message->range) || !address_equal(&found.etr, &message->etr) ||
        (message->status == QUERY_MAPPED) != (state == MAPPING_MAPPED))
        world_fail(world, WORLD_CHECK_COPIES, "%s tells of %s what is not in its copy", qsa->name,
                   range_print(&message->range, range));
    world_check_fit(qsa, mab);
}

// Who was given its servers asks those and nobody else, whatever they advise.
static void check_configured(struct world *world, const struct engine_datagram *datagram)
{
    const struct world_node *node = &world->config.nodes[datagram->from_node];
    char server[ENDPOINT_TEXT_MAX];
    for (size_t i = 0; i < node->upstream_count; i++)
        if (node->upstreams[i] == datagram->to_node)
            return;
    world_fail(world, WORLD_CHECK_DISCOVERY, "%s asks %s, which is none of its servers", node->name,
               endpoint_print(&datagram->to, server));
}

static void check_asked(struct world *world, const struct engine_datagram *datagram,
                        const struct query_message *message)
{
    size_t node = datagram->from_node - world->qsa_count;
    if (message->type != MESSAGE_MAP_REQUEST && message->type != MESSAGE_ALIVE_REQUEST)
        return;
    const struct world_finder *finder = world_finder_of(world, datagram->from_node);
    if (node < world->qsr_count && world->qsrs[node].discovery != NULL)
        world_check_asked(&world->qsrs[node], &datagram->to, message);
    else if (finder != NULL)
        world_check_found(finder, &datagram->to);
    else
        check_configured(world, datagram);
}

// The messages by which the set of MABs is told. What is in them is looked at in lists.c.
static void watch_page(struct world *world, const struct engine_datagram *datagram, bool leaving)
{
    struct page_message message;
    bool good = page_message_decode(datagram->bytes, datagram->length, &message) == DECODE_OK;
    const struct world_finder *finder = world_finder_of(world, datagram->from_node);
    if (datagram->from_node == world->attacker)
        return;
    if (!good) {
        world_fail(world, WORLD_CHECK_TELLING, "a node sent a page message that cannot be read");
        return;
    }
    if (!leaving && message.type == MESSAGE_PAGE_REPLY)
        world_note_page(world, datagram, &message);
    if (!leaving)
        return;
    if (message.type == MESSAGE_PAGE_REPLY) {
        world->report.pages++;
        world_tamper(world, datagram, &message);
    } else if (finder != NULL)
        world_check_found(finder, &datagram->to);
    else
        check_configured(world, datagram);
}

void world_watch(void *state, struct instant now, const struct engine_datagram *datagram)
{
    struct world *world = state;
    struct query_message message;
    bool leaving = datagram->fate != ENGINE_ARRIVED && datagram->fate != ENGINE_IN_VAIN;
    world->report.datagrams += leaving;
    check_victim(world, datagram);
    bool pushes = !world->config.ideal_feed && datagram->from_node == world->ruas.node;
    if (!pushes && page_message_claimed(datagram->bytes, datagram->length)) {
        watch_page(world, datagram, leaving);
        return;
    }
    size_t nodes = world->config.node_count;
    if (datagram->fate == ENGINE_ARRIVED && datagram->from_node < nodes &&
        datagram->to_node < nodes)
        world->heard_from[datagram->to_node][datagram->from_node] = now;
    if (pushes && datagram->fate == ENGINE_ARRIVED)
        world_note_payload(world, datagram);
    if (datagram->fate == ENGINE_ARRIVED &&
        query_decode(datagram->bytes, datagram->length, &message) == DECODE_OK)
        world_note_told(world, now, datagram, &message);
    if (!leaving || datagram->from_node == world->attacker)
        return;
    if (pushes) {
        check_payload(world, datagram);
        return;
    }
    if (query_decode(datagram->bytes, datagram->length, &message) != DECODE_OK) {
        world_fail(world, WORLD_CHECK_TELLING, "a node sent what cannot be read");
        return;
    }
    check_asked(world, datagram, &message);
    world_check_told_on(world, now, datagram, &message);
    struct telling_key key = {datagram->from, datagram->to, message.nonce};
    if (datagram->from_node < world->qsa_count)
        check_answer(world, &world->qsas[datagram->from_node], &message);
    if (message.type == MESSAGE_MAP_REPLY)
        note_reply(world, now, &key, &message);
    else if (message.type == MESSAGE_CACHE_UPDATE) {
        check_update(world, now, &key, &message);
        check_flushed(world, now, &key, &message);
    }
}

void world_free_tellings(struct world *world)
{
    struct table_node *node = table_next(&world->tellings, NULL);
    while (node != NULL) {
        struct table_node *next = table_next(&world->tellings, node);
        memory_free(container_of(node, struct world_telling, place));
        node = next;
    }
    table_release(&world->tellings);
}
