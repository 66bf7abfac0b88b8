// SPDX-License-Identifier: BSD-2-Clause
// Configs made at random from a seed, and the events in them.
#include "sim/world.h"

#include "base/memory.h"

#include <string.h>

#define CUT_MS_MAX          40000
#define DOWN_MS_MAX         20000 // also of a full disk
#define DNS_MS_MAX          25000
#define UPDATE_EVERY_MS_MAX 20
#define DNS_FROM_MS         8000 // so that QSRs have found their servers
#define STEP_MS_MAX         ((uint64_t)48 * 3600 * 1000)
#define SEED_OF_SHAPE       0x6976697073696d31
#define SEED_OF_CHAIN       0x636861696e
#define SEED_OF_PACE        0x70616365
#define SEED_OF_FATES       0x6661746573
#define SEED_OF_AGE         0x616765

struct dice {
    struct random_source random;
};

static bool one_in(struct dice *dice, uint64_t n)
{
    return random_below(&dice->random, n) == 0;
}

static uint64_t between(struct dice *dice, uint64_t least, uint64_t most)
{
    return least + random_below(&dice->random, most - least + 1);
}

// The shape of the world

static struct path_conditions random_paths(struct dice *dice, bool calm)
{
    // One statement for each: C does not say in which order initialisers are evaluated.
    struct path_conditions paths = {0};
    paths.delay = duration_ms(between(dice, 0, 40));
    paths.jitter = duration_ms(between(dice, 0, 30));
    paths.duplicated = one_in(dice, 2) ? (uint32_t)between(dice, 0, 200000) : 0;
    paths.replayed = one_in(dice, 2) ? (uint32_t)between(dice, 0, 50000) : 0;
    paths.replayed_by = duration_ms(between(dice, 1, 30000));
    if (calm)
        return paths;
    paths.loss = one_in(dice, 3) ? 0 : (uint32_t)between(dice, 0, 300000);
    paths.delayed = one_in(dice, 2) ? (uint32_t)between(dice, 0, 100000) : 0;
    paths.delayed_by = duration_ms(between(dice, 1, 3000));
    paths.rate = one_in(dice, 5) ? between(dice, 20000, 200000) : 0;
    return paths;
}

static struct world_dns_conditions random_dns(struct dice *dice, bool calm)
{
    struct world_dns_conditions dns = {0};
    dns.delay = duration_ms(between(dice, 1, 200));
    dns.lag = duration_ms(between(dice, 1, 8000));
    dns.ttl = duration_s(between(dice, 1, 20));
    dns.lost = calm || one_in(dice, 2) ? 0 : (uint32_t)between(dice, 0, 200000);
    return dns;
}

static struct duration sometimes(struct dice *dice, bool calm, uint64_t least_ms, uint64_t most_ms)
{
    return duration_ms(calm || one_in(dice, 2) ? 0 : between(dice, least_ms, most_ms));
}

static void add_nodes(struct world_config *config, enum world_role role, const char *name,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct world_node *node = &config->nodes[config->node_count++];
        *node = (struct world_node){.role = role};
        (void)snprintf(node->name, sizeof(node->name), "%s%zu", name, i + 1);
    }
}

size_t world_count(const struct world_config *config, enum world_role role)
{
    size_t count = 0;
    for (size_t i = 0; i < config->node_count; i++)
        count += config->nodes[i].role == role;
    return count;
}

// Some of the nodes of a role, in random order.
static void pick_upstreams(struct world_config *config, struct dice *dice, struct world_node *node,
                           enum world_role role)
{
    size_t first = 0;
    while (config->nodes[first].role != role)
        first++;
    size_t count = world_count(config, role);
    size_t wanted = between(dice, 1, count < 3 ? count : 3);
    size_t at = random_below(&dice->random, count);
    for (size_t i = 0; i < wanted; i++)
        node->upstreams[node->upstream_count++] = first + (at + i) % count;
}

// QSRs ask QSAs, QSCs ask QSRs; an ITR asks QSCs, QSRs or, as in a DITR site, QSAs.
static void connect_nodes(struct world_config *config, struct dice *dice, bool discovery)
{
    for (size_t i = 0; i < config->node_count; i++) {
        struct world_node *node = &config->nodes[i];
        enum world_role role = WORLD_QSA;
        if (node->role == WORLD_QSA)
            continue;
        node->configured = node->role == WORLD_ITR && one_in(dice, 3);
        if (discovery && one_in(dice, node->role == WORLD_QSR ? 2 : 3)) {
            node->discovers = true;
            continue;
        }
        if (node->role == WORLD_QSC)
            role = WORLD_QSR;
        if (node->role == WORLD_ITR)
            role = (enum world_role)random_below(&dice->random, 3);
        while (world_count(config, role) == 0)
            role--;
        pick_upstreams(config, dice, node, role);
    }
}

// Now and then the last QSC asks the one before it, first or last of all. (By dice of their own, so
// that all else of a seed's world is as it would be without.)
static void chain_qscs(struct world_config *config)
{
    struct dice dice;
    size_t last = config->node_count - world_count(config, WORLD_ITR) - 1;
    struct world_node *node = &config->nodes[last];
    random_init(&dice.random, random_seed_from_number(config->seed ^ SEED_OF_CHAIN));
    if (world_count(config, WORLD_QSC) < 2 || node->discovers || one_in(&dice, 3))
        return;
    node->upstreams[node->upstream_count++] = last - 1;
    if (one_in(&dice, 2)) {
        node->upstreams[node->upstream_count - 1] = node->upstreams[0];
        node->upstreams[0] = last - 1;
    }
}

// In every other world updates are paced so slowly that they queue. (Dice of their own, again.)
static void pace_updates(struct world_config *config)
{
    struct dice dice;
    random_init(&dice.random, random_seed_from_number(config->seed ^ SEED_OF_PACE));
    if (one_in(&dice, 2))
        return;
    config->update_every = duration_ms(between(&dice, 1, UPDATE_EVERY_MS_MAX));
    config->update_burst = (uint32_t)between(&dice, 1, 8);
}

// Some nodes are of a version that lacks what came later. (And again.)
static void age_nodes(struct world_config *config)
{
    struct dice dice;
    random_init(&dice.random, random_seed_from_number(config->seed ^ SEED_OF_AGE));
    bool some = one_in(&dice, 3);
    for (size_t i = 0; i < config->node_count && some; i++)
        config->nodes[i].old = config->nodes[i].role != WORLD_QSA && one_in(&dice, 2);
}

struct world_config world_config_random(uint64_t seed)
{
    struct dice dice;
    random_init(&dice.random, random_seed_from_number(seed ^ SEED_OF_SHAPE));
    bool calm = one_in(&dice, 4);
    bool small = one_in(&dice, 4); // memory so small that limits are reached
    struct world_config config = {.seed = seed};
    struct world_rates rates;
    add_nodes(&config, WORLD_QSA, "QSA", between(&dice, 1, 3));
    add_nodes(&config, WORLD_QSR, "QSR", between(&dice, 1, 3));
    add_nodes(&config, WORLD_QSC, "QSC", between(&dice, 0, 2));
    add_nodes(&config, WORLD_ITR, "ITR", between(&dice, 1, 5));
    bool discovery = one_in(&dice, 2);
    connect_nodes(&config, &dice, discovery);
    chain_qscs(&config);
    pace_updates(&config);
    age_nodes(&config);
    config.dns = random_dns(&dice, calm);
    config.paths = random_paths(&dice, calm);
    config.ideal_feed = one_in(&dice, 2);
    config.feed_lag = duration_ms(between(&dice, 1, 300));
    config.caching_time = duration_s(between(&dice, 5, 600));
    config.ask_every = duration_ms(between(&dice, 20, 500));
    config.attack_every = sometimes(&dice, false, 5, 200);
    config.told_max = small ? between(&dice, 48, 100) : 100000;
    config.cached_max = small ? between(&dice, 8, 40) : 10000;
    config.length = duration_s(between(&dice, 30, 120));
    rates.change = duration_ms(between(&dice, 50, 2000));
    rates.crash = sometimes(&dice, calm, 2000, 30000);
    rates.cut = sometimes(&dice, calm, 2000, 30000);
    rates.misstep = sometimes(&dice, calm || !config.ideal_feed, 3000, 30000);
    rates.clock = sometimes(&dice, config.ideal_feed, 3000, 30000);
    rates.admin = sometimes(&dice, false, 100, 5000);
    rates.power = sometimes(&dice, calm, 3000, 30000);
    rates.disk = sometimes(&dice, calm, 10000, 60000);
    rates.zone = sometimes(&dice, calm || !discovery, 1000, 20000);
    rates.dns = sometimes(&dice, !discovery, 5000, 30000);
    world_add_random_events(&config, &rates);
    return config;
}

// What befalls it

// Any node, now and then the RUAS.
static size_t pick_node(const struct world_config *config, struct dice *dice)
{
    size_t node = random_below(&dice->random, config->node_count + !config->ideal_feed);
    return node == config->node_count ? WORLD_RUAS : node;
}

static size_t pick_itr(const struct world_config *config, struct dice *dice)
{
    size_t count = world_count(config, WORLD_ITR);
    return config->node_count - count + random_below(&dice->random, count);
}

static struct world_event random_event(const struct world_config *config, struct dice *dice,
                                       enum world_event_kind kind)
{
    struct world_event event = {.kind = kind};
    if (kind == WORLD_CHANGE || kind == WORLD_ADMIN)
        event.number = random_below(&dice->random, UINT32_MAX);
    if (kind == WORLD_CRASH || kind == WORLD_CUT) {
        event.node = pick_node(config, dice);
        event.length = duration_ms(between(dice, 1, kind == WORLD_CUT ? CUT_MS_MAX : DOWN_MS_MAX));
    }
    if (kind == WORLD_CUT) {
        event.other = pick_node(config, dice);
        event.both = one_in(dice, 2);
    }
    if (kind == WORLD_MISSTEP) {
        event.node = random_below(&dice->random, world_count(config, WORLD_QSA));
        event.length = duration_ms(between(dice, 1, 4000));
        event.both = one_in(dice, 2);
    }
    if (kind == WORLD_ZONE)
        event.number = random_below(&dice->random, UINT32_MAX);
    if (kind == WORLD_DNS) {
        static const enum dns_outcome outcomes[] = {DNS_FAILED, DNS_INSECURE, DNS_BOGUS};
        event.outcome = outcomes[random_below(&dice->random, 3)];
        event.length = duration_ms(between(dice, 1, DNS_MS_MAX));
    }
    if (kind == WORLD_POWER || kind == WORLD_DISK) {
        bool ruas = one_in(dice, 2) && !(kind == WORLD_POWER && config->ideal_feed);
        event.node = ruas ? WORLD_RUAS : pick_itr(config, dice);
        event.length = duration_ms(between(dice, 1, DOWN_MS_MAX));
    }
    if (kind == WORLD_CLOCK)
        event.step_ms = (int64_t)between(dice, 0, 2 * STEP_MS_MAX) - (int64_t)STEP_MS_MAX;
    return event;
}

void world_add_random_events(struct world_config *config, const struct world_rates *rates)
{
    const struct duration means[] = {
        [WORLD_CHANGE] = rates->change, [WORLD_CRASH] = rates->crash,
        [WORLD_CUT] = rates->cut,       [WORLD_MISSTEP] = rates->misstep,
        [WORLD_CLOCK] = rates->clock,   [WORLD_ADMIN] = rates->admin,
        [WORLD_POWER] = rates->power,   [WORLD_DISK] = rates->disk,
        [WORLD_ZONE] = rates->zone,     [WORLD_DNS] = rates->dns};
    for (size_t kind = 0; kind < sizeof(means) / sizeof(means[0]); kind++) {
        struct dice dice; // one for each kind, so that a rate changes nothing of other kinds
        random_init(&dice.random, random_seed_from_number((config->seed ^ SEED_OF_FATES) + kind));
        uint64_t mean_ms = means[kind].ns / 1000000;
        if (mean_ms == 0)
            continue;
        uint64_t end_ms = config->length.ns / 1000000;
        uint64_t at = kind == WORLD_DNS ? DNS_FROM_MS : 0;
        for (at += between(&dice, 0, 2 * mean_ms); at < end_ms;
             at += between(&dice, 0, 2 * mean_ms)) {
            struct world_event event = random_event(config, &dice, (enum world_event_kind)kind);
            event.at = duration_ms(at);
            if (event.kind != WORLD_CUT || event.node != event.other)
                world_add_event(config, &event);
        }
    }
}

// Configs

void world_add_event(struct world_config *config, const struct world_event *event)
{
    config->events =
        memory_resize(config->events, (config->event_count + 1) * sizeof(*config->events));
    config->events[config->event_count++] = *event;
}

void world_config_release(struct world_config *config)
{
    memory_free(config->events);
    memory_free(config->links);
    config->events = NULL;
    config->links = NULL;
    config->event_count = config->link_count = 0;
}

struct world_config world_config_copy(const struct world_config *config)
{
    struct world_config copy = *config;
    copy.events = memory_copy(config->events, config->event_count * sizeof(*config->events));
    copy.links = memory_copy(config->links, config->link_count * sizeof(*config->links));
    return copy;
}
