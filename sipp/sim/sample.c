// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/sim/sample.h"

#include "base/memory.h"
#include "sipp/lib/notation.h"

#include <assert.h>
#include <stdio.h>

#define FIRST_HOST 2 // router 1 of each domain

static const struct node_config provider_config = {.router = true, .errors_per_second = 1000000};
static const struct mobile_key mobile_key = {{7}};

void sample_fail(struct sample *sample, const char *what, const struct route *route)
{
    char text[ROUTE_TEXT_MAX];
    if (sample->failures++ < 10)
        (void)fprintf(stderr, "%s: %s\n", what,
                      route == NULL ? "-" : route_print(NULL, route, text));
}

// Every packet on a wire is well formed and within its hop limit.
static void watch(void *state, size_t wire, size_t from, const uint8_t *bytes, size_t length)
{
    struct sample *sample = state;
    struct packet packet;
    (void)wire;
    (void)from;
    sample->frames++;
    if (packet_decode(bytes, length, &packet) != PACKET_OK || packet.hop_limit == 0)
        sample_fail(sample, "a malformed packet", NULL);
}

struct sipp_prefix sample_provider_prefix(size_t provider)
{
    // Ones from the left, as appendix A assigns them.
    uint64_t mirrored = 0;
    for (unsigned i = 0; i < 8; i++)
        mirrored |= ((provider + 1) >> i & 1) << (7 - i);
    return (struct sipp_prefix){{mirrored << 48}, 32};
}

static struct sipp_address with_number(const struct sipp_prefix *prefix, uint64_t number)
{
    return (struct sipp_address){prefix->address.bits | number};
}

static bool is_station(const struct sample *sample, const struct sample_domain *domain)
{
    return (sample->shape.faults & FAULT_MOVES) != 0 && !domain->extended &&
           domain->uplink_count > 0;
}

// The address sequence of a domain's node under one of its providers.
static struct sequence sequence_under(const struct sample_domain *domain, size_t uplink,
                                      uint64_t number)
{
    const struct sipp_prefix *prefix = &domain->uplinks[uplink].prefix;
    if (!domain->extended)
        return sequence_of(with_number(prefix, number));
    return (struct sequence){.count = 2,
                             .addresses = {prefix->address, with_number(&domain->subnet, number)}};
}

// ---- what routers are

static void equip_provider(struct sample *sample, size_t provider)
{
    struct node *node = fabric_node(sample->fabric, sample->provider_nodes[provider]);
    struct sipp_prefix prefix = sample_provider_prefix(provider);
    struct sequence own = sequence_of(with_number(&prefix, 0xffff0001));
    struct level level = {prefix, true, NODE_NO_INTERFACE};
    (void)node_add_own(node, &own, NULL);
    (void)node_add_level(node, &level, NULL);
}

static void serve_mobiles(struct sample *sample, const struct sample_domain *domain)
{
    for (size_t i = 0; i < sample->mobile_count; i++) {
        const struct sample_mobile *mobile = &sample->mobiles[i];
        if (&sample->domains[mobile->home] == domain)
            (void)node_serve_mobile(fabric_node(sample->fabric, domain->router),
                                    path_identity(&sample->hosts[mobile->host].paths[0]),
                                    &mobile_key, NULL);
    }
}

static void equip_domain(struct sample *sample, const struct sample_domain *domain)
{
    struct node *router = fabric_node(sample->fabric, domain->router);
    for (size_t i = 0; i < domain->uplink_count; i++) {
        const struct sample_uplink *uplink = &domain->uplinks[i];
        struct sequence own = sequence_under(domain, i, 1);
        struct level above = {sample_provider_prefix(uplink->provider), false, NODE_NO_INTERFACE};
        struct level level = {uplink->prefix, true,
                              domain->extended ? NODE_NO_INTERFACE : domain->lan};
        (void)node_add_own(router, &own, NULL);
        (void)node_add_level(router, &above, NULL);
        (void)node_add_level(router, &level, NULL);
        if (!domain->extended)
            (void)node_announce(router, domain->lan, &uplink->prefix, NULL);
    }
    if (domain->extended) {
        forwarding_set(node_forwarding(router), &domain->subnet,
                       (struct next_hop){domain->lan, SIPP_ADDRESS_NONE});
        (void)node_announce(router, domain->lan, &domain->subnet, NULL);
    }
    serve_mobiles(sample, domain);
}

void sample_equip_router(struct sample *sample, size_t node)
{
    for (size_t i = 0; i < sample->shape.providers; i++) {
        if (sample->provider_nodes[i] == node)
            equip_provider(sample, i);
    }
    for (size_t i = 0; i < sample->domain_count; i++) {
        if (sample->domains[i].router == node)
            equip_domain(sample, &sample->domains[i]);
    }
}

// ---- building

static void build_providers(struct sample *sample)
{
    for (size_t i = 0; i < sample->shape.providers; i++) {
        size_t node = fabric_add(sample->fabric, &provider_config, false);
        sample->provider_nodes[i] = node;
        equip_provider(sample, i);
        fabric_originate(sample->fabric, node, sample_provider_prefix(i), NODE_NO_INTERFACE);
        // A tree keeps it connected, a few wires more give it a choice.
        if (i > 0)
            (void)fabric_join(sample->fabric, node,
                              sample->provider_nodes[random_below(&sample->random, i)]);
        if (i > 2 && random_below(&sample->random, 2) == 0)
            (void)fabric_join(sample->fabric, node,
                              sample->provider_nodes[random_below(&sample->random, i - 1)]);
    }
}

// Attaches a domain to a random provider, unless it is attached there or the provider is full.
static void attach(struct sample *sample, struct sample_domain *domain)
{
    size_t provider = random_below(&sample->random, sample->shape.providers);
    size_t node = sample->provider_nodes[provider];
    struct sipp_prefix above = sample_provider_prefix(provider);
    for (size_t i = 0; i < domain->uplink_count; i++) {
        if (domain->uplinks[i].provider == provider)
            return;
    }
    if (node_interface_count(fabric_node(sample->fabric, node)) >= NODE_INTERFACES_MAX - 8)
        return;
    uint64_t number = domain->number + 1;
    struct sample_uplink *uplink = &domain->uplinks[domain->uplink_count++];
    uplink->provider = provider;
    uplink->prefix = (struct sipp_prefix){
        with_number(&above, domain->extended ? number : number << 16), domain->extended ? 64 : 48};
    uplink->interface = (uint16_t)node_interface_count(fabric_node(sample->fabric, domain->router));
    uplink->wire = fabric_join(sample->fabric, domain->router, node);
    fabric_originate(sample->fabric, domain->router, uplink->prefix,
                     domain->extended ? NODE_NO_INTERFACE : domain->lan);
}

static void add_host(struct sample *sample, const struct sample_domain *domain, uint64_t number)
{
    const struct node_config config = {.router = false};
    struct sample_host *host = &sample->hosts[sample->host_count++];
    host->node = fabric_add(sample->fabric, &config, false);
    (void)fabric_plug(sample->fabric, domain->wire, host->node, 1500);
    for (size_t i = 0; i < domain->uplink_count; i++) {
        struct sequence own = sequence_under(domain, i, number);
        (void)node_add_own(fabric_node(sample->fabric, host->node), &own, NULL);
        host->paths[host->path_count++] = path_of(&own);
    }
}

// The last host of a domain that has a station is mobile, and known by one address.
static void make_mobile(struct sample *sample, size_t domain)
{
    struct sample_host *host = &sample->hosts[sample->host_count - 1];
    struct node *node = fabric_node(sample->fabric, host->node);
    struct sequence home =
        sequence_under(&sample->domains[domain], 0, FIRST_HOST + sample->shape.hosts - 1);
    struct sequence station = sequence_under(&sample->domains[domain], 0, 1);
    struct path to = path_of(&station);
    for (size_t i = 1; i < host->path_count; i++) {
        struct sequence other =
            sequence_under(&sample->domains[domain], i, FIRST_HOST + sample->shape.hosts - 1);
        (void)node_remove_own(node, &other);
    }
    host->path_count = 1;
    node_be_mobile(node, &home, &to, &mobile_key);
    sample->mobiles[sample->mobile_count++] =
        (struct sample_mobile){sample->host_count - 1, domain, domain};
}

static void build_domain(struct sample *sample, size_t number)
{
    struct sample_domain *domain = &sample->domains[sample->domain_count];
    bool stations = (sample->shape.faults & FAULT_MOVES) != 0;
    struct node_config config = provider_config;
    domain->number = number;
    domain->extended = number % 2 == 1;
    config.base_station = stations && !domain->extended;
    domain->wire = fabric_wire(sample->fabric);
    domain->router = fabric_add(sample->fabric, &config, true);
    domain->lan = fabric_plug(sample->fabric, domain->wire, domain->router, 1500);
    domain->subnet = (struct sipp_prefix){{UINT64_C(0x2000) << 48 | (uint64_t)number << 16}, 48};
    for (uint64_t i = 1 + random_below(&sample->random, SAMPLE_UPLINKS_MAX); i > 0; i--)
        attach(sample, domain);
    if (domain->uplink_count == 0)
        return;
    sample->domain_count++;
    for (size_t i = 0; i < sample->shape.hosts && sample->host_count < SAMPLE_HOSTS_MAX; i++)
        add_host(sample, domain, FIRST_HOST + i);
    if (is_station(sample, domain) && sample->shape.hosts > 1 &&
        sample->mobile_count < SAMPLE_MOBILES_MAX && sample->host_count < SAMPLE_HOSTS_MAX)
        make_mobile(sample, sample->domain_count - 1);
    equip_domain(sample, domain);
}

// Two neighbouring providers each think that the other has the prefix. The first one's route is
// fixed: the tree's first wire joins them, at interface 0 of both.
static void build_loop(struct sample *sample)
{
    struct sipp_prefix loop = {{SAMPLE_LOOP_PREFIX}, 16};
    fabric_originate(sample->fabric, sample->provider_nodes[0], loop, NODE_NO_INTERFACE);
    fabric_route(sample->fabric);
    struct node *first = fabric_node(sample->fabric, sample->provider_nodes[0]);
    struct node *second = fabric_node(sample->fabric, sample->provider_nodes[1]);
    struct sipp_address gateway = sipp_local_use(0, node_interface(second, 0)->link.octets, 6);
    forwarding_set(node_forwarding(first), &loop, (struct next_hop){0, gateway});
}

struct sample *sample_new(const struct sample_shape *shape)
{
    struct sample *sample = memory_new(sizeof(*sample));
    assert(shape->providers >= 2 && shape->providers <= SAMPLE_PROVIDERS_MAX);
    assert(shape->domains >= 1 && shape->domains <= SAMPLE_DOMAINS_MAX && shape->hosts >= 1);
    sample->shape = *shape;
    sample->fabric = fabric_new(shape->seed);
    random_init(&sample->random, random_seed_from_number(shape->seed + 1));
    build_providers(sample);
    for (size_t i = 0; i < shape->domains; i++)
        build_domain(sample, i);
    build_loop(sample);
    if ((shape->faults & FAULT_DUPLICATES) != 0)
        fabric_duplicate(sample->fabric, 20000);
    if ((shape->faults & FAULT_LOSS) != 0)
        fabric_lose(sample->fabric, 10000);
    fabric_set_watch(sample->fabric, watch, sample);
    fabric_run(sample->fabric, duration_s(1));
    return sample;
}

void sample_free(struct sample *sample)
{
    fabric_free(sample->fabric);
    memory_free(sample);
}
