// SPDX-License-Identifier: BSD-2-Clause
// Auto-configuration of hosts in the four cases of overview §8, and the server it asks.
//
//                      | no configuration server          | a configuration server answers
//     -----------------+----------------------------------+-------------------------------
//     no router        | T, the local-use address, stays  | its address, asked for on the link
//     a router         | prefix + link address, where the | its address, asked for through
//                      | prefix leaves 48 bits; else C:T  | the site, from the address on the left
//
// A host whose questions nobody answered goes by the address on the left, and goes on asking now
// and then: the server may have been away. C is the cluster address of the subnet that the router
// announced: packets to C:T go to the subnet's router, which advances to T and finds T's link
// address in it.
#include "sipp/lib/node_internal.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

#define LINK_ADDRESS_BITS 48

static void adopt(struct node *node, const struct sequence *sequence)
{
    struct configure *configure = &node->configure;
    struct sequence previous = configure->current;
    bool had_one = configure->formed;
    if (had_one && !sequence_equal(&previous, sequence))
        (void)node_remove_own(node, &previous);
    configure->formed = node_add_own(node, sequence, NULL);
    configure->current = *sequence;
}

// What a host can call itself with a router's prefix alone.
static struct sequence form_sequence(const struct link *link, const struct sipp_prefix *prefix)
{
    if (prefix->length + LINK_ADDRESS_BITS <= SIPP_ADDRESS_BITS) {
        uint64_t low = link->local_use.bits & UINT64_C(0xffffffffffff);
        return sequence_of((struct sipp_address){prefix->address.bits | low});
    }
    return (struct sequence){.count = 2, .addresses = {sipp_cluster(prefix), link->local_use}};
}

static void ask_server(struct node *node, struct instant now)
{
    struct configure *configure = &node->configure;
    enum sipp_scope scope = configure->router_known ? SIPP_SCOPE_SITE : SIPP_SCOPE_LINK;
    struct sipp_address group = sipp_multicast(scope, SIPP_GROUP_CONFIGURATION_SERVERS);
    struct icmp_message message = {.type = ICMP_CONFIGURATION, .code = ICMP_CONFIGURATION_REQUEST};
    configure->number = random_u64(&node->random);
    message.configuration.number = configure->number;
    message.configuration.link = node->links[0].interface.link;
    configure->tries++;
    heap_set(
        &node->timers, &configure->timer,
        instant_add(now, duration_ms(configure->state == CONFIGURE_ALONE ? CONFIGURE_AGAIN_MS
                                                                         : CONFIGURE_INTERVAL_MS)));
    struct sequence source =
        configure->formed ? configure->current : sequence_of(node->links[0].local_use);
    struct path destination = {.count = 1, .addresses = {group}};
    struct route route;
    if (route_form(&source, NULL, &destination, &route))
        node_send_icmp(node, now, 0, &route, SIPP_HOP_LIMIT_DEFAULT, &message);
}

// The host has an address to go by: a server's, or for want of one what it formed itself.
static void settle(struct node *node, enum configure_state state)
{
    struct configure *configure = &node->configure;
    configure->state = state;
    struct sequence result =
        configure->formed ? configure->current : sequence_of(node->links[0].local_use);
    if (!configure->formed)
        adopt(node, &result);
    node_event(node, EVENT_CONFIGURED, &result);
}

void configure_tick(struct node *node, struct instant now)
{
    struct configure *configure = &node->configure;
    if (node->link_count == 0) {
        heap_set(&node->timers, &configure->timer,
                 instant_add(now, duration_ms(CONFIGURE_INTERVAL_MS)));
        return;
    }
    if (configure->state == CONFIGURE_ROUTER && configure->tries < CONFIGURE_TRIES) {
        configure->tries++;
        heap_set(&node->timers, &configure->timer,
                 instant_add(now, duration_ms(CONFIGURE_INTERVAL_MS)));
        node_ask(node, 0, SIPP_ADDRESS_NONE);
        return;
    }
    if (configure->state == CONFIGURE_ROUTER) {
        configure->state = CONFIGURE_SERVER;
        configure->tries = 0;
    }
    if (configure->state == CONFIGURE_SERVER && configure->tries == CONFIGURE_TRIES)
        settle(node, CONFIGURE_ALONE);
    if (configure->state == CONFIGURE_SERVER || configure->state == CONFIGURE_ALONE)
        ask_server(node, now);
}

void configure_router_heard(struct node *node, struct instant now, uint16_t interface,
                            const struct icmp_i_am_here *here)
{
    struct configure *configure = &node->configure;
    if (configure->state == CONFIGURE_OFF || configure->router_known || interface != 0 ||
        here->count == 0)
        return;
    const struct sipp_prefix *best = &here->prefixes[0];
    for (uint8_t i = 1; i < here->count; i++) {
        if (here->prefixes[i].length < best->length)
            best = &here->prefixes[i];
    }
    struct sequence formed = form_sequence(&node->links[0], best);
    configure->router_known = true;
    adopt(node, &formed);
    configure->state = CONFIGURE_SERVER;
    configure->tries = 0;
    ask_server(node, now);
}

void node_serve_configuration(struct node *node, const struct sipp_prefix *pool,
                              const struct sequence *high)
{
    assert(pool->length >= 1 && pool->length < SIPP_ADDRESS_BITS && high->count < SEQUENCE_MAX);
    node->server.enabled = true;
    node->server.pool = *pool;
    node->server.high = *high;
    if (node->server.leases == NULL)
        node->server.leases = memory_new_array(NODE_LEASES_MAX, sizeof(struct lease));
}

bool node_serves_configuration(const struct node *node)
{
    return node->server.enabled;
}

static struct lease *lease_of(const struct configuration_server *server,
                              const struct link_address *link)
{
    for (size_t i = 0; i < server->count; i++) {
        if (memcmp(&server->leases[i].link, link, sizeof(*link)) == 0)
            return &server->leases[i];
    }
    return NULL;
}

static bool in_pool(const struct configuration_server *server, uint64_t number)
{
    return number != 0 && number >> (SIPP_ADDRESS_BITS - server->pool.length) == 0;
}

static void lease_add(struct configuration_server *server, const struct link_address *link,
                      uint64_t number)
{
    assert(server->count < NODE_LEASES_MAX && in_pool(server, number));
    server->leases[server->count++] = (struct lease){*link, number};
    if (number > server->last_number)
        server->last_number = number;
}

bool node_add_lease(struct node *node, const struct link_address *link, uint64_t number,
                    struct error *error)
{
    struct configuration_server *server = &node->server;
    assert(server->enabled);
    if (!in_pool(server, number))
        return error_set(error, ERROR_INPUT, "bad-lease", "the pool has no number %llu",
                         (unsigned long long)number);
    if (lease_of(server, link) != NULL)
        return error_set(error, ERROR_INPUT, "lease-twice", "the host has a number already");
    for (size_t i = 0; i < server->count; i++) {
        if (server->leases[i].number == number)
            return error_set(error, ERROR_INPUT, "lease-twice", "another host has number %llu",
                             (unsigned long long)number);
    }
    if (server->count == NODE_LEASES_MAX)
        return error_set(error, ERROR_LIMIT, "leases-full", "at most %d hosts", NODE_LEASES_MAX);
    lease_add(server, link, number);
    return true;
}

// The number of a host: the one it had, or the next from the right; 0 when there is none left.
static uint64_t lease_number(struct node *node, const struct link_address *link)
{
    struct configuration_server *server = &node->server;
    const struct lease *lease = lease_of(server, link);
    if (lease != NULL)
        return lease->number;
    uint64_t number = server->last_number + 1;
    struct queued *queued = server->count < NODE_LEASES_MAX && in_pool(server, number)
                                ? queue_add(node, &node->events, NULL, 0)
                                : NULL;
    // What is not written down is not given out.
    if (queued == NULL)
        return 0;
    queued->event.kind = EVENT_LEASE;
    queued->event.link = *link;
    queued->event.number = number;
    lease_add(server, link, number);
    return number;
}

// A host asks from an address that holds its link address, in whichever way it was formed.
static bool asks_for_itself(const struct transit *transit, const struct icmp_message *request)
{
    uint64_t source = route_source(&transit->packet.route).bits;
    struct sipp_address asked = sipp_local_use(0, request->configuration.link.octets, 6);
    return ((source ^ asked.bits) & ((UINT64_C(1) << LINK_ADDRESS_BITS) - 1)) == 0;
}

static void serve(struct node *node, struct instant now, const struct transit *transit,
                  const struct icmp_message *request)
{
    struct configuration_server *server = &node->server;
    struct route reply;
    if (!asks_for_itself(transit, request) ||
        !node_route_back(node, &transit->packet.route, &reply)) {
        node_count(node, DROP_BAD_ICMP);
        return;
    }
    uint64_t number = lease_number(node, &request->configuration.link);
    if (number == 0) {
        node_count(node, DROP_POOL_EMPTY);
        return;
    }
    struct icmp_message message = *request;
    struct sequence *given = &message.configuration.sequence;
    message.code = ICMP_CONFIGURATION_REPLY;
    *given = server->high;
    given->addresses[given->count++].bits = server->pool.address.bits | number;
    node_send_icmp(node, now, transit->in, &reply, SIPP_HOP_LIMIT_DEFAULT, &message);
}

void node_hear_configuration(struct node *node, struct instant now, const struct transit *transit,
                             const struct icmp_message *message)
{
    const struct icmp_configuration *heard = &message->configuration;
    if (message->code == ICMP_CONFIGURATION_REQUEST) {
        if (node->server.enabled)
            serve(node, now, transit, message);
        return;
    }
    bool asking =
        node->configure.state == CONFIGURE_SERVER || node->configure.state == CONFIGURE_ALONE;
    if (!asking || heard->number != node->configure.number || heard->sequence.count == 0 ||
        memcmp(&heard->link, &node->links[0].interface.link, sizeof(heard->link)) != 0) {
        node_count(node, DROP_BAD_ICMP);
        return;
    }
    heap_remove(&node->timers, &node->configure.timer);
    adopt(node, &heard->sequence);
    settle(node, CONFIGURE_DONE);
}
