// SPDX-License-Identifier: BSD-2-Clause
// sipp-sim SEED PROVIDERS DOMAINS HOSTS: a random internet, and what must hold in every one.
//
// Providers form a random connected mesh, domains attach to one to three of them, every other
// domain uses addresses of two times 64 bits. Hosts then ping random hosts, some that do not
// exist, some over a prefix that two routers pass back and forth, through random policies. For each
// echo:
//   - the answer or an error reaches the host that sent it;
//   - the route of the answer, reversed, is the route that was sent;
//   - no packet lives longer than its hop limit says.
// Frames overtake each other, and with an odd seed one in fifty arrives twice.
// Prints one line and exits with 0, or says what did not hold and exits with 1.
#include "sipp/lib/notation.h"
#include "sipp/sim/fabric.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_MAX        1000
#define PROVIDERS_MAX    60
#define UPLINKS_MAX      3
#define ECHOES_PER_ROUND 40
#define ROUNDS           25
#define LOOP_PREFIX      UINT64_C(0x00ff000000000000)

struct host {
    size_t node;
    struct path paths[UPLINKS_MAX]; // how others reach it
    size_t path_count;
};

struct world {
    struct fabric *fabric;
    struct random_source random;
    size_t providers;
    size_t provider_nodes[PROVIDERS_MAX];
    struct host *hosts;
    size_t host_count;
    uint64_t frames;
    // What came of the echoes.
    uint64_t sent;
    uint64_t answered;
    uint64_t errors;
    uint64_t expired;
    uint64_t failures;
};

static void fail(struct world *world, const char *what, const struct route *route)
{
    char text[ROUTE_TEXT_MAX];
    if (world->failures++ < 10)
        (void)fprintf(stderr, "%s: %s\n", what, route_print(NULL, route, text));
}

// Every packet on a wire is well formed and within its hop limit.
static void watch(void *state, size_t wire, size_t from, const uint8_t *bytes, size_t length)
{
    struct world *world = state;
    struct packet packet;
    (void)wire;
    (void)from;
    world->frames++;
    if (packet_decode(bytes, length, &packet) != PACKET_OK || packet.hop_limit == 0)
        world->failures++;
}

static struct sipp_prefix provider_prefix(size_t provider)
{
    // Numbers from the left, as appendix A assigns them.
    uint64_t mirrored = 0;
    for (unsigned i = 0; i < 8; i++)
        mirrored |= ((provider + 1) >> i & 1) << (7 - i);
    return (struct sipp_prefix){{mirrored << 48}, 32};
}

static struct sipp_address with_number(const struct sipp_prefix *prefix, uint64_t number)
{
    return (struct sipp_address){prefix->address.bits | number};
}

static void own_one(struct world *world, size_t node, struct sipp_address address)
{
    struct sequence sequence = sequence_of(address);
    (void)node_add_own(fabric_node(world->fabric, node), &sequence, NULL);
}

static void stand_at(struct world *world, size_t node, struct sipp_prefix prefix, bool acts,
                     uint16_t interface)
{
    struct level level = {prefix, acts, interface};
    (void)node_add_level(fabric_node(world->fabric, node), &level, NULL);
    if (acts)
        fabric_originate(world->fabric, node, prefix, interface);
}

static void build_providers(struct world *world)
{
    const struct node_config config = {.router = true, .errors_per_second = 1000000};
    for (size_t i = 0; i < world->providers; i++) {
        struct sipp_prefix prefix = provider_prefix(i);
        size_t node = fabric_add(world->fabric, &config, false);
        world->provider_nodes[i] = node;
        own_one(world, node, with_number(&prefix, 0xffff0001));
        stand_at(world, node, prefix, true, NODE_NO_INTERFACE);
        // A tree keeps it connected, a few wires more give it a choice.
        if (i > 0)
            (void)fabric_join(world->fabric, node,
                              world->provider_nodes[random_below(&world->random, i)]);
        if (i > 2 && random_below(&world->random, 2) == 0)
            (void)fabric_join(world->fabric, node,
                              world->provider_nodes[random_below(&world->random, i - 1)]);
    }
}

struct domain {
    size_t router;
    uint16_t lan;
    bool extended;
    size_t number;
    struct sipp_prefix uplinks[UPLINKS_MAX]; // its prefix under each provider
    size_t uplink_count;
    struct sipp_prefix subnet; // of extended domains: known inside only
};

static void attach(struct world *world, struct domain *domain)
{
    size_t provider = random_below(&world->random, world->providers);
    struct sipp_prefix above = provider_prefix(provider);
    for (size_t i = 0; i < domain->uplink_count; i++) {
        if (sipp_prefix_contains(&above, domain->uplinks[i].address))
            return;
    }
    // A provider's router has few interfaces here; a full one takes nobody else.
    size_t node = world->provider_nodes[provider];
    if (node_interface_count(fabric_node(world->fabric, node)) >= NODE_INTERFACES_MAX - 8)
        return;
    uint64_t number = domain->number + 1;
    struct sipp_prefix prefix = {with_number(&above, domain->extended ? number : number << 16),
                                 domain->extended ? 64 : 48};
    domain->uplinks[domain->uplink_count++] = prefix;
    (void)fabric_join(world->fabric, domain->router, node);
    stand_at(world, domain->router, above, false, NODE_NO_INTERFACE);
    stand_at(world, domain->router, prefix, true,
             domain->extended ? NODE_NO_INTERFACE : domain->lan);
}

static void add_host(struct world *world, const struct domain *domain, size_t wire, uint64_t number)
{
    const struct node_config config = {.router = false};
    struct host *host = &world->hosts[world->host_count++];
    host->node = fabric_add(world->fabric, &config, false);
    (void)fabric_plug(world->fabric, wire, host->node, 1500);
    for (size_t i = 0; i < domain->uplink_count; i++) {
        struct sequence own = sequence_of(with_number(&domain->uplinks[i], number));
        if (domain->extended)
            own = (struct sequence){
                .count = 2,
                .addresses = {domain->uplinks[i].address, with_number(&domain->subnet, number)}};
        (void)node_add_own(fabric_node(world->fabric, host->node), &own, NULL);
        host->paths[host->path_count++] = path_of(&own);
    }
}

static void build_domain(struct world *world, size_t number, size_t hosts)
{
    const struct node_config config = {.router = true, .errors_per_second = 1000000};
    struct domain domain = {.number = number, .extended = number % 2 == 1};
    size_t wire = fabric_wire(world->fabric);
    domain.router = fabric_add(world->fabric, &config, true);
    domain.lan = fabric_plug(world->fabric, wire, domain.router, 1500);
    domain.subnet = (struct sipp_prefix){{UINT64_C(0x2000) << 48 | (uint64_t)number << 16}, 48};
    for (uint64_t uplinks = 1 + random_below(&world->random, UPLINKS_MAX); uplinks > 0; uplinks--)
        attach(world, &domain);
    if (domain.uplink_count == 0)
        return;
    struct node *router = fabric_node(world->fabric, domain.router);
    for (size_t i = 0; i < domain.uplink_count; i++) {
        struct sequence own = sequence_of(with_number(&domain.uplinks[i], 1));
        if (domain.extended)
            own = (struct sequence){
                .count = 2,
                .addresses = {domain.uplinks[i].address, with_number(&domain.subnet, 1)}};
        (void)node_add_own(router, &own, NULL);
        if (!domain.extended)
            (void)node_announce(router, domain.lan, &domain.uplinks[i], NULL);
    }
    if (domain.extended) {
        forwarding_set(node_forwarding(router), &domain.subnet,
                       (struct next_hop){domain.lan, SIPP_ADDRESS_NONE});
        (void)node_announce(router, domain.lan, &domain.subnet, NULL);
    }
    for (size_t i = 0; i < hosts && world->host_count < HOSTS_MAX; i++)
        add_host(world, &domain, wire, 2 + i);
}

// Two neighbouring providers each think that the other has the prefix.
static void build_loop(struct world *world)
{
    struct sipp_prefix loop = {{LOOP_PREFIX}, 16};
    fabric_originate(world->fabric, world->provider_nodes[0], loop, NODE_NO_INTERFACE);
    fabric_route(world->fabric);
    struct node *first = fabric_node(world->fabric, world->provider_nodes[0]);
    struct node *second = fabric_node(world->fabric, world->provider_nodes[1]);
    // The tree's first wire joins them, at interface 0 of both.
    struct sipp_address gateway = sipp_local_use(0, node_interface(second, 0)->link.octets, 6);
    forwarding_set(node_forwarding(first), &loop, (struct next_hop){0, gateway});
}

// ---- traffic

struct echo {
    size_t host;
    struct route route;
    bool done;
};

static struct path random_policy(struct world *world)
{
    struct path via = {.count = 0};
    for (uint64_t i = random_below(&world->random, 4); i > 0; i--) {
        struct sipp_prefix prefix = provider_prefix(random_below(&world->random, world->providers));
        via.addresses[via.count++] = prefix.address;
    }
    return via;
}

static struct path random_destination(struct world *world)
{
    const struct host *host = &world->hosts[random_below(&world->random, world->host_count)];
    struct path path = host->paths[random_below(&world->random, host->path_count)];
    uint64_t fate = random_below(&world->random, 10);
    if (fate == 0)
        path.addresses[path.count - 1].bits |= 0x7000; // nobody
    else if (fate == 1)
        path = (struct path){.count = 1, .addresses = {{LOOP_PREFIX | 1}}};
    else if (fate == 2)
        path = (struct path){.count = 1, .addresses = {{UINT64_C(0x00fe000000000001)}}};
    return path;
}

static void send_one(struct world *world, struct echo *echo, uint16_t number)
{
    struct path via = random_policy(world);
    struct path destination = random_destination(world);
    echo->host = random_below(&world->random, world->host_count);
    echo->done = false;
    struct node *node = fabric_node(world->fabric, world->hosts[echo->host].node);
    bool good = node_route_to(node, fabric_now(world->fabric, node), &via, &destination,
                              &echo->route, NULL);
    assert(good);
    good = node_send_echo(node, fabric_now(world->fabric, node), &echo->route, 64, number, number,
                          NULL, 0, NULL);
    assert(good);
    (void)good;
    world->sent++;
}

static void check_reply(struct world *world, const struct echo *echo,
                        const struct node_event *event)
{
    const struct node *node = fabric_node(world->fabric, world->hosts[echo->host].node);
    struct route again;
    if (!node_route_back(node, &event->route, &again) || !route_equal(&again, &echo->route))
        fail(world, "reversal of reversal is another route", &echo->route);
}

// The number of the echo that an error quotes, or UINT16_MAX.
static uint16_t quoted_number(const struct node_event *event)
{
    struct packet packet;
    const struct icmp_error *error = &event->icmp.error;
    if (packet_decode(error->quote, error->quote_length, &packet) != PACKET_OK)
        return UINT16_MAX;
    struct reader reader = reader_over(error->quote + packet.payload_offset, packet.payload_length);
    (void)reader_take(&reader, 6);
    return reader_u16(&reader);
}

static void collect(struct world *world, struct echo *echoes, size_t host)
{
    struct node_event event;
    while (node_next_event(fabric_node(world->fabric, world->hosts[host].node), &event)) {
        bool reply = event.kind == EVENT_ECHO_REPLY;
        if (!reply && event.kind != EVENT_ERROR)
            continue;
        uint16_t number = reply ? event.icmp.echo.number : quoted_number(&event);
        if (number >= ECHOES_PER_ROUND || echoes[number].host != host)
            continue;
        struct echo *echo = &echoes[number];
        echo->done = true;
        if (reply) {
            world->answered++;
            check_reply(world, echo, &event);
        } else {
            world->errors++;
            world->expired += event.icmp.type == ICMP_TIME_EXCEEDED ? 1 : 0;
        }
    }
}

static void run_round(struct world *world)
{
    struct echo echoes[ECHOES_PER_ROUND];
    uint64_t before = world->frames;
    for (uint16_t i = 0; i < ECHOES_PER_ROUND; i++)
        send_one(world, &echoes[i], i);
    // Long enough for three unanswered Where-Are-You.
    fabric_run(world->fabric, duration_s(5));
    for (size_t i = 0; i < world->host_count; i++)
        collect(world, echoes, i);
    for (size_t i = 0; i < ECHOES_PER_ROUND; i++) {
        if (!echoes[i].done)
            fail(world, "neither answer nor error reached the source", &echoes[i].route);
    }
    // Each echo and its answer or error may cross 64 wires; the rest is announcements.
    uint64_t announcements = 3 * fabric_count(world->fabric) * NODE_INTERFACES_MAX;
    if (world->frames - before > ECHOES_PER_ROUND * 2 * 64 + announcements)
        world->failures++;
}

int main(int count, char **words)
{
    static struct world world;
    if (count != 5) {
        (void)fprintf(stderr, "usage: sipp-sim SEED PROVIDERS DOMAINS HOSTS\n"
                              "HOSTS are in each domain.\n");
        return 2;
    }
    uint64_t seed = strtoull(words[1], NULL, 10);
    world.providers = strtoul(words[2], NULL, 10);
    size_t domains = strtoul(words[3], NULL, 10);
    size_t hosts = strtoul(words[4], NULL, 10);
    if (world.providers < 2 || world.providers > PROVIDERS_MAX || domains == 0 || hosts == 0 ||
        world.providers + domains * (hosts + 1) > 2000)
        return 2;
    world.fabric = fabric_new(seed);
    world.hosts = memory_new_array(HOSTS_MAX, sizeof(struct host));
    random_init(&world.random, random_seed_from_number(seed + 1));
    build_providers(&world);
    for (size_t i = 0; i < domains; i++)
        build_domain(&world, i, hosts);
    build_loop(&world);
    if (seed % 2 == 1)
        fabric_duplicate(world.fabric, 20000);
    fabric_set_watch(world.fabric, watch, &world);
    fabric_run(world.fabric, duration_s(1));
    for (int i = 0; i < ROUNDS; i++)
        run_round(&world);
    (void)printf("seed %llu: %zu nodes, %llu echoes, %llu answered, %llu errors (%llu expired), "
                 "%llu frames, %llu failures\n",
                 (unsigned long long)seed, fabric_count(world.fabric),
                 (unsigned long long)world.sent, (unsigned long long)world.answered,
                 (unsigned long long)world.errors, (unsigned long long)world.expired,
                 (unsigned long long)world.frames, (unsigned long long)world.failures);
    // A run in which nothing of a kind happened has tested nothing.
    bool vacuous = world.answered == 0 || world.errors == 0 || world.expired == 0;
    memory_free(world.hosts);
    fabric_free(world.fabric);
    return world.failures == 0 && !vacuous ? 0 : 1;
}
