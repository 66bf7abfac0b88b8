// SPDX-License-Identifier: BSD-2-Clause
#include "sim/world_state.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

struct endpoint world_endpoint(size_t node)
{
    return (struct endpoint){address_from_ipv4(0x0a000001 + (uint32_t)node), 4746};
}

size_t world_node_at(const struct world *world, const struct endpoint *endpoint)
{
    for (size_t node = 0; node < world->config.node_count; node++) {
        struct endpoint its = world_endpoint(node);
        if (endpoint_equal(&its, endpoint))
            return node;
    }
    return ENGINE_NOBODY;
}

struct world_list *world_list_of(struct world *world, size_t node)
{
    struct world_list *list = NULL;
    size_t first_itr = world->qsa_count + world->qsr_count;
    if (node >= first_itr && node - first_itr < world->itr_count)
        list = &world->itrs[node - first_itr].list;
    else if (node >= world->qsa_count && node < first_itr)
        list = &world->qsrs[node - world->qsa_count].list;
    return list == NULL || list->list == NULL ? NULL : list;
}

struct world_finder *world_finder_of(struct world *world, size_t node)
{
    struct world_finder *finder = NULL;
    size_t first_itr = world->qsa_count + world->qsr_count;
    if (node >= first_itr && node - first_itr < world->itr_count)
        finder = &world->itrs[node - first_itr].finder;
    else if (node >= world->qsa_count && node < first_itr)
        finder = &world->qsrs[node - world->qsa_count].finder;
    return finder == NULL || finder->locator == NULL ? NULL : finder;
}

struct teller_config world_teller_limits(const struct world *world)
{
    return (struct teller_config){
        .queriers_max = 1000,
        .unproven_max = 20, // so that attacks reach it
        .told_max = world->config.told_max,
        .told_per_querier_max = world->config.told_max,
        .update_burst = world->config.update_burst,
        .update_interval_ns = (uint32_t)world->config.update_every.ns,
    };
}

size_t world_advice(const struct world *world, enum world_role role,
                    struct endpoint others[TELLER_ALTERNATIVES_MAX])
{
    size_t count = 0;
    others[count++] = world_victim();
    for (size_t i = 0; i < world->config.node_count && count < TELLER_ALTERNATIVES_MAX; i++)
        if (world->config.nodes[i].role == role)
            others[count++] = world_endpoint(i);
    return count;
}

uint8_t world_load(struct world *world)
{
    return (uint8_t)random_below(engine_random(world->engine), UINT8_MAX + 1);
}

const uint8_t *world_as_heard(const struct world *world, size_t node, const uint8_t *bytes,
                              size_t *length, uint8_t *buffer)
{
    struct query_message message;
    if (!world->config.nodes[node].old || query_decode(bytes, *length, &message) != DECODE_OK ||
        message.flushed_count == 0)
        return bytes;
    message.flushed_count = 0;
    *length = query_encode(&message, buffer, QUERY_MESSAGE_BYTES_MAX);
    return buffer;
}

// The attacker has no core; it sends from attacker.c.

static void no_input(void *state, struct instant now, const struct endpoint *from,
                     const uint8_t *bytes, size_t length)
{
    (void)state, (void)now, (void)from, (void)bytes, (void)length;
}

static size_t no_output(void *state, struct instant now, struct endpoint *to, uint8_t *buffer)
{
    (void)state, (void)now, (void)to, (void)buffer;
    return 0;
}

static struct instant no_deadline(const void *state)
{
    (void)state;
    return INSTANT_NEVER;
}

static void no_tick(void *state, struct instant now)
{
    (void)state, (void)now;
}

static const struct engine_core no_core = {no_input, no_output, no_deadline, no_tick};

// All of them

static struct querier_config upstreams_of(const struct world_node *node)
{
    struct querier_config config = {.upstream_count = node->upstream_count};
    for (size_t i = 0; i < node->upstream_count; i++)
        config.upstreams[i] = world_endpoint(node->upstreams[i]);
    return config;
}

static size_t hops_of(const struct world *world, size_t node)
{
    const struct world_node *config = &world->config.nodes[node];
    size_t most = config->discovers ? 1 : 0;
    for (size_t i = 0; i < world->config.node_count && config->discovers; i++) {
        enum world_role role = world->config.nodes[i].role; // DNS may name any between
        if (role > WORLD_QSA && role < config->role && 1 + hops_of(world, i) > most)
            most = 1 + hops_of(world, i);
    }
    for (size_t i = 0; i < config->upstream_count; i++) {
        size_t hops = 1 + hops_of(world, config->upstreams[i]);
        most = hops > most ? hops : most;
    }
    return most;
}

static void add_node(struct world *world, size_t number)
{
    const struct world_node *node = &world->config.nodes[number];
    struct endpoint endpoint = world_endpoint(number);
    struct engine *engine = world->engine;
    if (node->role == WORLD_QSA) {
        struct world_qsa *qsa = &world->qsas[world->qsa_count++];
        qsa->world = world;
        qsa->name = node->name;
        qsa->lag.ns = random_below(engine_random(engine), world->config.feed_lag.ns + 1);
        qsa->node = engine_add_node(engine, node->name, &endpoint, &world_qsa_core, NULL);
    } else if (node->role == WORLD_ITR) {
        struct world_itr *itr = &world->itrs[world->itr_count++];
        itr->world = world;
        itr->name = node->name;
        itr->discovers = node->discovers;
        itr->configured = node->configured;
        itr->hops = hops_of(world, number);
        itr->upstreams = upstreams_of(node);
        world_usage_begin(itr);
        itr->node = engine_add_node(engine, node->name, &endpoint, &world_itr_core, NULL);
    } else {
        struct world_qsr *qsr = &world->qsrs[world->qsr_count++];
        qsr->world = world;
        qsr->name = node->name;
        qsr->qsc = node->role == WORLD_QSC;
        qsr->discovers = node->discovers;
        qsr->upstreams = upstreams_of(node);
        qsr->node = engine_add_node(engine, node->name, &endpoint, &world_qsr_core, NULL);
    }
}

void world_add_nodes(struct world *world)
{
    for (size_t i = 0; i < world->config.node_count; i++)
        add_node(world, i);
    world_push_add_nodes(world);
    world_dns_init(world);
    struct endpoint endpoint = {address_from_ipv4(0xc6336401), 4746}; // 198.51.100.1
    world->attacker = engine_add_node(world->engine, "attacker", &endpoint, &no_core, world);
    world_restart_all(world);
    for (size_t i = 0; i < world->itr_count; i++)
        world_itr_begin_traffic(&world->itrs[i]);
}

void world_free_nodes(struct world *world)
{
    for (size_t i = 0; i < world->qsa_count; i++)
        world_qsa_stop(&world->qsas[i]);
    for (size_t i = 0; i < world->qsr_count; i++)
        world_qsr_stop(&world->qsrs[i]);
    for (size_t i = 0; i < world->itr_count; i++) {
        world_itr_stop(&world->itrs[i]);
        world_usage_end(&world->itrs[i]);
    }
    world_free_posts(world);
    memory_free(world->heard_report);
    memory_free(world->ledger.lines);
    world_ruas_stop(world);
    disk_free(world->ruas.disk);
    world_people_release(world);
    world_free_transfers(world);
    world_free_lookups(world);
    key_wipe(&world->ruas.key);
}

// Crashes and restarts

void world_restart(struct world *world, size_t node)
{
    if (engine_node_up(world->engine, node == WORLD_RUAS ? world->ruas.node : node))
        return;
    world->disturbed = engine_now(world->engine);
    if (node == WORLD_RUAS)
        world_ruas_start(world);
    else if (node < world->qsa_count)
        world_qsa_start(&world->qsas[node]);
    else if (node < world->qsa_count + world->qsr_count)
        world_qsr_start(&world->qsrs[node - world->qsa_count]);
    else
        world_itr_start(&world->itrs[node - world->qsa_count - world->qsr_count]);
}

void world_restart_all(struct world *world)
{
    world_restart(world, WORLD_RUAS);
    for (size_t node = 0; node < world->config.node_count; node++)
        world_restart(world, node);
}

void world_crash(struct world *world, size_t node)
{
    size_t number = node == WORLD_RUAS ? world->ruas.node : node;
    if (!engine_node_up(world->engine, number))
        return;
    world->report.crashes++;
    world->disturbed = engine_now(world->engine);
    engine_set_state(world->engine, number, NULL);
    if (node == WORLD_RUAS)
        world_ruas_stop(world);
    else if (node < world->qsa_count) {
        if (!world->config.ideal_feed)
            engine_set_state(world->engine, world->qsas[node].feed_node, NULL);
        world_qsa_stop(&world->qsas[node]);
    } else if (node < world->qsa_count + world->qsr_count)
        world_qsr_stop(&world->qsrs[node - world->qsa_count]);
    else
        world_itr_stop(&world->itrs[node - world->qsa_count - world->qsr_count]);
}
