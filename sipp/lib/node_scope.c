// SPDX-License-Identifier: BSD-2-Clause
// How far a packet may go (overview §2.1.3; RFC 1710 §4.3).
//
//     local-use, subnet 0        its link: nobody elsewhere could answer it
//     local-use, subnet 1 to 255 its site, in which routers know the subnets
//     multicast                  as its scope says
//     everything else            anywhere
//
// An address sequence reaches as far as the farthest of its addresses: "C, T" can be answered from
// anywhere, as C leads to the link that T is on. Interfaces with `site_boundary` lie outside of the
// site.
#include "sipp/lib/node_internal.h"

enum reach { REACH_NODE, REACH_LINK, REACH_SITE, REACH_BEYOND };

static enum reach reach_of(struct sipp_address address)
{
    if (sipp_address_equal(address, SIPP_ADDRESS_LOOPBACK))
        return REACH_NODE;
    if (sipp_address_local_use(address))
        return sipp_local_use_subnet(address) == 0 ? REACH_LINK : REACH_SITE;
    if (!sipp_address_multicast(address) || sipp_multicast_scope(address) > SIPP_SCOPE_SITE)
        return REACH_BEYOND;
    if (sipp_multicast_scope(address) > SIPP_SCOPE_LINK)
        return REACH_SITE;
    return sipp_multicast_scope(address) > SIPP_SCOPE_NODE ? REACH_LINK : REACH_NODE;
}

// How far away an answer could still be sent from, along the addresses that are used up.
static enum reach source_reach(const struct route *route)
{
    enum reach reach = REACH_NODE;
    for (uint8_t i = 0; i < route->active && reach < REACH_BEYOND; i++) {
        if (reach_of(route->addresses[i]) > reach)
            reach = reach_of(route->addresses[i]);
    }
    return reach;
}

bool node_may_enter(const struct node *node, const struct transit *transit)
{
    const struct route *route = &transit->packet.route;
    enum reach destination = reach_of(route_active(route));
    if (destination == REACH_NODE)
        return false;
    if (!node->links[transit->in].interface.site_boundary)
        return true;
    return source_reach(route) != REACH_SITE && destination != REACH_SITE;
}

bool node_may_cross(const struct node *node, const struct transit *transit, uint16_t out)
{
    const struct route *route = &transit->packet.route;
    enum reach source = source_reach(route);
    enum reach destination = reach_of(route_active(route));
    if (transit->in == out)
        return true;
    if (destination == REACH_NODE)
        return false;
    if (source <= REACH_LINK && transit->in != NODE_NO_INTERFACE)
        return false;
    return !node->links[out].interface.site_boundary ||
           (source != REACH_SITE && destination != REACH_SITE);
}
