// SPDX-License-Identifier: BSD-2-Clause
// The invariants that every run is held to (docs/simulator.md).
#include "sim/world_state.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

// How long a change may take over one leg at most: twelve tries of an update are lost, then the
// querier hears of it at its next alive check (rules 5 and 8).
#define LEG_MS 24000

// After that the QSAs have loaded for the first time, and questions from before have ended.
#define SETTLED_NS 8000000000

void world_fail(struct world *world, const char *format, ...)
{
    if (world->report.failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(world->report.failure, sizeof(world->report.failure), format, arguments);
    va_end(arguments);
    world->report.failed = true;
    engine_note(world->engine, "FAILED: %s", world->report.failure);
    engine_stop(world->engine);
}

// Nobody believes what is no longer true, for longer than allowed

static bool is_calm(const struct world_config *config)
{
    return config->paths.loss == 0 && config->paths.delayed == 0 && config->crash_every.ns == 0 &&
           config->cut_every.ns == 0 && config->misstep_every.ns == 0;
}

// In a calm network an update goes straight through; it may have to wait for the acknowledgement
// that proves the address of a new querier.
static struct duration bound_for(const struct world *world, size_t hops)
{
    const struct world_config *config = &world->config;
    if (config->bound_for_test.ns > 0)
        return config->bound_for_test;
    uint64_t leg = is_calm(config)
                       ? 3 * (config->paths.delay.ns + config->paths.jitter.ns) + duration_ms(1).ns
                       : duration_ms(LEG_MS).ns;
    uint64_t loading = config->misstep_every.ns == 0 ? 0 : duration_s(4).ns;
    return (struct duration){config->feed_lag.ns + loading + hops * leg};
}

static void check_belief(struct world *world, const struct world_itr *itr, size_t mab, size_t i,
                         struct duration bound)
{
    const struct belief *belief = &itr->beliefs[mab][i];
    struct instant ended;
    char address[ADDRESS_TEXT_MAX];
    char etr[ADDRESS_TEXT_MAX];
    if (!belief->known)
        return;
    const struct range *units = mapping_units(world->master.mappings[mab]);
    struct address unit = unit_address(units->family, (struct unit){units->start.index + i});
    if (!mapping_history_was(world->master.histories[mab], i, &belief->etr, &ended)) {
        world_fail(world, "%s believes that %s is mapped to %s, which it never was", itr->name,
                   address_print(&unit, address), address_print(&belief->etr, etr));
        return;
    }
    struct duration stale = instant_since(engine_now(world->engine), ended);
    if (stale.ns > world->report.stalest.ns)
        world->report.stalest = stale;
    if (stale.ns > bound.ns)
        world_fail(world, "%s believes that %s is mapped to %s, which ended %" PRIu64 " ms ago",
                   itr->name, address_print(&unit, address), address_print(&belief->etr, etr),
                   stale.ns / duration_ms(1).ns);
}

// In a calm network with memory enough every question is answered, once the QSAs have loaded.
void world_check_failed_question(struct world *world, const char *itr,
                                 const struct address *question)
{
    char text[ADDRESS_TEXT_MAX];
    world->report.failed_questions++;
    bool loading = instant_before(engine_now(world->engine), (struct instant){SETTLED_NS});
    if (is_calm(&world->config) && world->config.told_max >= MASTER_UNITS * 10 && !loading)
        world_fail(world, "%s gets no answer for %s in a calm network", itr,
                   address_print(question, text));
}

void world_check_beliefs(struct world *world)
{
    for (size_t n = 0; n < world->config.itrs; n++) {
        struct world_itr *itr = &world->itrs[n];
        struct duration bound = bound_for(world, itr->hops);
        if (bound.ns > world->report.bound.ns)
            world->report.bound = bound;
        for (size_t mab = 0; mab < MASTER_MABS; mab++)
            for (size_t i = 0; i < MASTER_UNITS; i++)
                check_belief(world, itr, mab, i, bound);
    }
}

// Once all is well again, every ITR gets right answers

#define ROUNDS   6
#define ROUND_MS 5000

// That it was learned counts, not that it still is: a server short of memory may flush it at once.
static void check_all_learn(struct world *world, size_t mab, size_t i)
{
    struct engine *engine = world->engine;
    char text[ADDRESS_TEXT_MAX];
    const struct range *units = mapping_units(world->master.mappings[mab]);
    struct unit unit = {units->start.index + i};
    struct address address = unit_address(units->family, unit);
    struct address etr = mapping_etr(world->master.mappings[mab], unit);
    for (size_t n = 0; n < world->config.itrs; n++)
        world_itr_ask(&world->itrs[n], &address);
    engine_run(engine, instant_add(engine_now(engine), duration_ms(ROUND_MS)));
    for (size_t n = 0; n < world->config.itrs; n++) {
        const struct querier_event *answer = &world->itrs[n].last_answer;
        if (!address_equal(&answer->question, &address) || !address_equal(&answer->etr, &etr))
            world_fail(world, "%s does not learn the mapping of %s when all is well again",
                       world->itrs[n].name, address_print(&address, text));
    }
}

void world_check_recovered(struct world *world)
{
    for (size_t round = 0; round < ROUNDS && !world->report.failed; round++)
        check_all_learn(world, round % MASTER_MABS,
                        random_below(engine_random(world->engine), MASTER_UNITS));
}

// Who is told, and how much is sent to whom

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

static void note_reply(struct world *world, struct instant now, const struct telling_key *key,
                       const struct query_message *message)
{
    struct world_telling *telling = find_telling(world, key);
    if (message->status != QUERY_MAPPED && message->status != QUERY_ZERO)
        return;
    if (telling == NULL) {
        telling = memory_new(sizeof(*telling));
        telling->server = key->server;
        telling->querier = key->querier;
        telling->nonce = key->nonce;
        table_insert(&world->tellings, &telling->place, telling_hash(world, key));
    }
    telling->range = message->range;
    telling->until = instant_add(now, duration_ms(message->caching_ms + 1));
}

// Nobody is woken who was not told, nor for another range, nor after the caching time.
static void check_update(struct world *world, struct instant now, const struct telling_key *key,
                         const struct query_message *message)
{
    const struct world_telling *telling = find_telling(world, key);
    char querier[ENDPOINT_TEXT_MAX];
    char range[RANGE_TEXT_MAX];
    world->report.updates++;
    if (telling == NULL || !range_equal(&telling->range, &message->range))
        world_fail(world, "%s is woken for %s, which it was not told",
                   endpoint_print(&key->querier, querier), range_print(&message->range, range));
    else if (instant_before(telling->until, now))
        world_fail(world, "%s is woken for %s after its caching time",
                   endpoint_print(&key->querier, querier), range_print(&message->range, range));
}

// The address that the attacker takes never proves itself: it gets no more octets than came from
// it.
static void check_victim(struct world *world, const struct engine_datagram *datagram)
{
    struct endpoint victim = world_victim();
    if (datagram->fate == ENGINE_ARRIVED && endpoint_equal(&datagram->from, &victim))
        world->victim_sent += datagram->length;
    if (datagram->fate == ENGINE_ARRIVED || !endpoint_equal(&datagram->to, &victim))
        return;
    world->victim_got += datagram->length;
    if (world->victim_got > world->victim_sent)
        world_fail(world, "an address that proved nothing got %" PRIu64 " octets for %" PRIu64,
                   world->victim_got, world->victim_sent);
}

void world_watch(void *state, struct instant now, const struct engine_datagram *datagram)
{
    struct world *world = state;
    struct query_message message;
    bool leaving = datagram->fate != ENGINE_ARRIVED && datagram->fate != ENGINE_IN_VAIN;
    world->report.datagrams += leaving;
    check_victim(world, datagram);
    if (!leaving || datagram->from_node == world->attacker)
        return;
    if (query_decode(datagram->bytes, datagram->length, &message) != DECODE_OK) {
        world_fail(world, "a node sent what cannot be read");
        return;
    }
    struct telling_key key = {datagram->from, datagram->to, message.nonce};
    if (message.type == MESSAGE_MAP_REPLY)
        note_reply(world, now, &key, &message);
    else if (message.type == MESSAGE_CACHE_UPDATE)
        check_update(world, now, &key, &message);
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
