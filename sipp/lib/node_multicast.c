// SPDX-License-Identifier: BSD-2-Clause
// Multicast as of 1993: along the shortest paths from the sender (overview §6).
//
// A packet to a group is taken only from the link that lies towards its sender, and goes to every
// other link where members or routers were heard, unless another router brings it there
// (node_designated.c). The sender is the address *behind* the group in
// the route sequence, in "S.H, Q.D, *M" it is Q.D; only a router inside domain D, whose own prefix
// Q.D is, looks one further behind, at S.H (§6.0.2).
#include "sipp/lib/node_internal.h"

#include <string.h>

struct link_address multicast_link(struct sipp_address group)
{
    struct link_address link = {{0x33, 0x33}};
    for (unsigned i = 0; i < 4; i++)
        link.octets[2 + i] = (uint8_t)(group.bits >> (24 - 8 * i));
    return link;
}

void node_heard_member(struct node *node, struct instant now, uint16_t interface,
                       struct sipp_address group, uint16_t lifetime)
{
    struct link *link = &node->links[interface];
    struct instant expires = instant_add(now, duration_s(lifetime));
    for (size_t i = 0; i < link->membership_count; i++) {
        struct membership *membership = &link->memberships[i];
        bool same = sipp_address_equal(membership->group, group);
        if (same || instant_reached(now, membership->expires)) {
            *membership = (struct membership){group, expires};
            return;
        }
    }
    if (link->membership_count < MEMBERSHIPS_MAX)
        link->memberships[link->membership_count++] = (struct membership){group, expires};
    else
        link->memberships_full_until = expires;
}

static bool has_member(const struct link *link, struct instant now, struct sipp_address group)
{
    for (size_t i = 0; i < link->membership_count; i++) {
        if (sipp_address_equal(link->memberships[i].group, group))
            return !instant_reached(now, link->memberships[i].expires);
    }
    return !instant_reached(now, link->memberships_full_until);
}

// The prefix around this router whose cluster address it is; NULL for none.
static const struct level *level_of(const struct node *node, struct sipp_address address)
{
    for (size_t i = 0; i < node->level_count; i++) {
        if (sipp_address_equal(node->levels[i].prefix.address, address))
            return &node->levels[i];
    }
    return NULL;
}

// Who sent it, as far as the way there goes from here: the address behind the group. `link` is
// where that address lies when no route says it.
static struct sipp_address sender_behind(const struct node *node, const struct route *route,
                                         uint16_t *link)
{
    uint8_t behind = (uint8_t)(route->active - 1);
    *link = NODE_NO_INTERFACE;
    for (const struct level *level; behind > 0; behind--) {
        level = level_of(node, route->addresses[behind]);
        if (level == NULL)
            break;
        *link = level->interface;
    }
    return route->addresses[behind];
}

// The link that lies towards the sender.
static uint16_t link_towards(const struct node *node, struct sipp_address sender, uint16_t link)
{
    if (sipp_address_local_use(sender) &&
        (link != NODE_NO_INTERFACE || sipp_local_use_subnet(sender) == 0))
        return link;
    const struct next_hop *next_hop = forwarding_look_up(node->forwarding, sender);
    return next_hop == NULL ? NODE_NO_INTERFACE : next_hop->interface;
}

// True where a copy is to go out of the link; counts why not.
static bool wants_copy(struct node *node, struct instant now, const struct transit *transit,
                       struct sipp_address sender, uint16_t interface)
{
    const struct link *link = &node->links[interface];
    struct sipp_address group = route_active(&transit->packet.route);
    if (interface == transit->in || !link->carrier || !node_may_cross(node, transit, interface))
        return false;
    if (transit->in != NODE_NO_INTERFACE) {
        if (!has_member(link, now, group) && !link_has_router(link, now, NULL))
            return false;
        if (designated_defers(node, now, interface, sender, group)) {
            node_count(node, DROP_DEFERRED);
            return false;
        }
    }
    if (transit->packet.length <= link->interface.mtu)
        return true;
    node_count(node, DROP_TOO_BIG);
    return false;
}

// Sends a copy out of every link that wants one but the one it came in on.
static void spread(struct node *node, struct instant now, const struct transit *transit,
                   struct sipp_address sender)
{
    struct link_address link_group = multicast_link(route_active(&transit->packet.route));
    bool made_here = transit->in == NODE_NO_INTERFACE;
    for (uint16_t i = 0; i < node->link_count; i++) {
        if (!wants_copy(node, now, transit, sender, i))
            continue;
        node_output(node, i, &link_group, transit->bytes, transit->packet.length);
        node_count(node, made_here ? COUNT_SENT : COUNT_FORWARDED);
    }
}

enum node_verdict node_transit_multicast(struct node *node, struct instant now,
                                         struct transit *transit)
{
    const struct route *route = &transit->packet.route;
    struct sipp_address group = route_active(route);
    uint16_t link;
    struct sipp_address sender = sender_behind(node, route, &link);
    if (!route_finished(route)) {
        node_count(node, DROP_MALFORMED);
        return NODE_DONE;
    }
    if (transit->in == NODE_NO_INTERFACE) {
        spread(node, now, transit, sender);
        return NODE_DONE;
    }
    bool forwards = node->config.router && sipp_multicast_scope(group) > SIPP_SCOPE_LINK;
    if (forwards && link_towards(node, sender, link) != transit->in) {
        node_count(node, DROP_REVERSE_PATH);
        designated_hear(node, now, transit, sender);
        return NODE_DONE;
    }
    if (node_is_member(node, group))
        node_deliver(node, now, transit);
    if (!forwards)
        return NODE_DONE;
    if (transit->packet.hop_limit <= 1) {
        node_count(node, DROP_HOP_LIMIT);
        return NODE_DONE;
    }
    packet_decrement_hop_limit(transit->bytes, &transit->packet);
    spread(node, now, transit, sender);
    return NODE_DONE;
}
