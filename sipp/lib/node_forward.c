// SPDX-License-Identifier: BSD-2-Clause
// The way of a packet through the node (overview §2.1.2, §3.1, §4).
//
//     decode -> is the active address ours? --no--> forward: hop limit, next hop, MTU, link address
//                  |  yes                              ^
//                  v                                   |
//               last one? --no--> advance, look again -+
//                  | yes
//                  v
//               deliver
#include "sipp/lib/node_internal.h"

#include <assert.h>

// The sender is inside the cluster as much as we are when its address lies in the cluster's prefix
// or in a prefix of the hierarchy at which we stand ourselves: a host of our own domain that sends
// from the address of another provider.
static bool sender_within(const struct node *node, const struct level *level,
                          struct sipp_address source)
{
    // An IPv4 host is inside its provider although its C-bit differs.
    source.bits &= ~(UINT64_C(1) << 63);
    if (sipp_prefix_contains(&level->prefix, source))
        return true;
    for (size_t i = 0; i < node->level_count; i++) {
        if (node->levels[i].acts && sipp_prefix_contains(&node->levels[i].prefix, source))
            return true;
    }
    return false;
}

const struct level *node_cluster(const struct node *node, struct sipp_address address,
                                 struct sipp_address source)
{
    for (size_t i = 0; i < node->level_count; i++) {
        const struct level *level = &node->levels[i];
        if (!sipp_address_equal(level->prefix.address, address))
            continue;
        // From within, the packet goes up to a router that stands at the level; from outside the
        // first router inside takes it.
        if (level->acts || !sender_within(node, level, source))
            return level;
    }
    return NULL;
}

// True where the active address names this node; then also says which link the next one is on, if
// the address names a subnet.
static bool names_us(const struct node *node, struct transit *transit)
{
    struct sipp_address active = route_active(&transit->packet.route);
    if (node_is_own(node, active) || node_is_served(node, active))
        return true;
    if (!node->config.router)
        return false;
    const struct level *level = node_cluster(node, active, route_source(&transit->packet.route));
    if (level == NULL)
        return false;
    transit->link = level->interface;
    return true;
}

// The only link a node has, or the one on which the neighbour was heard.
static uint16_t link_of_local_use(struct node *node, struct sipp_address address)
{
    for (uint16_t i = 0; i < node->link_count; i++) {
        if (neighbour_find(node, i, address) != NULL)
            return i;
    }
    return node->link_count == 1 ? 0 : NODE_NO_INTERFACE;
}

// The link on which a host that we just passed a packet to by our own address has announced itself.
static uint16_t link_of_visitor(struct node *node, struct instant now, struct sipp_address address)
{
    for (uint16_t i = 0; i < node->link_count; i++) {
        const struct neighbour *neighbour = neighbour_find(node, i, address);
        if (neighbour != NULL && neighbour->present && instant_before(now, neighbour->expires))
            return i;
    }
    return NODE_NO_INTERFACE;
}

// Where the active address lies; false where nobody knows.
static bool find_next_hop(struct node *node, struct instant now, const struct transit *transit,
                          struct next_hop *next_hop)
{
    struct sipp_address active = route_active(&transit->packet.route);
    next_hop->gateway = SIPP_ADDRESS_NONE;
    // On a link that the last address named, or of a subnet that routers of the site know?
    if (sipp_address_local_use(active) &&
        (sipp_local_use_subnet(active) == 0 ||
         (transit->advanced && transit->link != NODE_NO_INTERFACE))) {
        next_hop->interface = transit->link;
        if (transit->link == NODE_NO_INTERFACE && transit->in == NODE_NO_INTERFACE)
            next_hop->interface = link_of_local_use(node, active);
        return next_hop->interface != NODE_NO_INTERFACE;
    }
    if (transit->advanced && node->config.base_station) {
        next_hop->interface = link_of_visitor(node, now, active);
        if (next_hop->interface != NODE_NO_INTERFACE)
            return true;
    }
    const struct next_hop *found = forwarding_look_up(node->forwarding, active);
    if (found == NULL)
        return false;
    *next_hop = *found;
    return true;
}

// Checks that the packet may and can leave by `interface`; tells the sender where not.
static bool may_leave(struct node *node, struct instant now, const struct transit *transit,
                      uint16_t interface)
{
    const struct link *link = &node->links[interface];
    if (interface >= node->link_count || !link->carrier) {
        node_count(node, DROP_NO_CARRIER);
        node_error(node, now, transit, ICMP_UNREACHABLE, ICMP_NO_ROUTE, 0);
        return false;
    }
    if (!node_may_cross(node, transit, interface)) {
        node_count(node, DROP_SCOPE);
        node_error(node, now, transit, ICMP_UNREACHABLE, ICMP_BEYOND_SCOPE, 0);
        return false;
    }
    if (transit->packet.length > link->interface.mtu) {
        node_count(node, DROP_TOO_BIG);
        node_error(node, now, transit, ICMP_UNREACHABLE, ICMP_TOO_BIG, link->interface.mtu);
        return false;
    }
    return true;
}

static enum node_verdict forward(struct node *node, struct instant now, struct transit *transit,
                                 struct node_hop *hop)
{
    struct packet *packet = &transit->packet;
    bool made_here = transit->in == NODE_NO_INTERFACE;
    if (!made_here && packet->hop_limit <= 1) {
        node_count(node, DROP_HOP_LIMIT);
        node_error(node, now, transit, ICMP_TIME_EXCEEDED, 0, 0);
        return NODE_DONE;
    }
    const struct binding *binding = node_binding(node, now, route_active(&packet->route));
    // A tunnel leads to a base station, never through another tunnel.
    if (binding != NULL && packet->payload_type != SIPP_PAYLOAD_SIPP) {
        node_tunnel(node, now, transit, binding);
        return NODE_DONE;
    }
    struct next_hop next_hop;
    if (!find_next_hop(node, now, transit, &next_hop)) {
        node_count(node, DROP_NO_ROUTE);
        node_error(node, now, transit, ICMP_UNREACHABLE, ICMP_NO_ROUTE, 0);
        return NODE_DONE;
    }
    if (!may_leave(node, now, transit, next_hop.interface))
        return NODE_DONE;
    if (!made_here)
        packet_decrement_hop_limit(transit->bytes, packet);
    struct sipp_address towards =
        sipp_address_none(next_hop.gateway) ? route_active(&packet->route) : next_hop.gateway;
    if (!neighbour_resolve(node, now, next_hop.interface, towards, transit->bytes, packet->length,
                           &hop->link))
        return NODE_DONE;
    hop->interface = next_hop.interface;
    hop->length = packet->length;
    node_count(node, made_here ? COUNT_SENT : COUNT_FORWARDED);
    return NODE_FORWARD;
}

enum node_verdict node_transit(struct node *node, struct instant now, struct transit *transit,
                               struct node_hop *hop)
{
    struct route *route = &transit->packet.route;
    if (sipp_address_multicast(route_active(route)))
        return node_transit_multicast(node, now, transit);
    while (names_us(node, transit)) {
        if (route_finished(route)) {
            node_deliver(node, now, transit);
            return NODE_DONE;
        }
        // A host is no relay: it advances only along its own sequence.
        if (!node->config.router && !node_is_own(node, route->addresses[route->active + 1])) {
            node_count(node, DROP_NOT_FOR_US);
            node_error(node, now, transit, ICMP_UNREACHABLE, ICMP_NO_RELAY, 0);
            return NODE_DONE;
        }
        packet_advance(transit->bytes, &transit->packet);
        transit->advanced = true;
        node_count(node, COUNT_ADVANCED);
        if (sipp_address_multicast(route_active(route)))
            return node_transit_multicast(node, now, transit);
    }
    if (transit->in != NODE_NO_INTERFACE && !node->config.router) {
        node_count(node, DROP_NOT_FOR_US);
        return NODE_DONE;
    }
    return forward(node, now, transit, hop);
}

void node_transmit(struct node *node, struct instant now, struct transit *transit)
{
    struct node_hop hop;
    if (node_transit(node, now, transit, &hop) == NODE_FORWARD)
        node_output(node, hop.interface, &hop.link, transit->bytes, hop.length);
}

// Sources that nobody can have; nothing is ever sent back to them.
static bool source_is_bad(struct sipp_address source)
{
    return sipp_address_none(source) || sipp_address_multicast(source) ||
           sipp_address_equal(source, SIPP_ADDRESS_LOOPBACK);
}

enum node_verdict node_receive(struct node *node, struct instant now, uint16_t interface,
                               const struct link_address *from, uint8_t *bytes, size_t length,
                               struct node_hop *hop)
{
    assert(interface < node->link_count);
    // Field by field: the route inside is large, and most packets use little of it.
    struct transit transit;
    transit.bytes = bytes;
    transit.from = from;
    transit.in = interface;
    transit.link = NODE_NO_INTERFACE;
    transit.advanced = false;
    transit.untunnelled = false;
    node_count(node, COUNT_RECEIVED);
    enum packet_fault fault = packet_decode(bytes, length, &transit.packet);
    if (fault != PACKET_OK) {
        node_count(node, DROP_MALFORMED);
        if (fault >= PACKET_ROUTING_CUT)
            node_error_malformed(node, now, bytes, length, packet_fault_pointer(fault));
        return NODE_DONE;
    }
    if (!node->links[interface].carrier || source_is_bad(route_source(&transit.packet.route))) {
        node_count(node, DROP_BAD_SOURCE);
        return NODE_DONE;
    }
    if (!node_may_enter(node, &transit)) {
        node_count(node, DROP_SCOPE);
        return NODE_DONE;
    }
    return node_transit(node, now, &transit, hop);
}
