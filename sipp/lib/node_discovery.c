// SPDX-License-Identifier: BSD-2-Clause
// Where-Are-You and I-Am-Here (overview §7.1, §8).
//
// Routers announce themselves, their prefixes and perhaps that they are base stations to a link's
// All Nodes group; hosts announce their identifying addresses and groups to All Routers. Both
// messages are believed only with the full hop limit, so none can come from another link.
#include "sipp/lib/node_internal.h"

#include <string.h>

static struct link_address everyone(enum sipp_group group)
{
    return multicast_link(sipp_multicast(SIPP_SCOPE_LINK, group));
}

// The address by which a base station wants to be named in route sequences.
static struct sipp_address station_address(const struct node *node)
{
    for (size_t i = 0; i < node->own_count; i++) {
        if (node->own[i].source_capable)
            return sequence_identity(&node->own[i].sequence);
    }
    return SIPP_ADDRESS_NONE;
}

static void announcement(const struct node *node, uint16_t interface, struct icmp_message *message)
{
    const struct link *link = &node->links[interface];
    bool station = node->config.base_station && !sipp_address_none(station_address(node));
    memset(message, 0, sizeof(*message));
    message->type = ICMP_I_AM_HERE;
    message->code = station ? ICMP_BASE_STATION : ICMP_ROUTER;
    message->here.lifetime = ANNOUNCE_LIFETIME_S;
    message->here.link = link->interface.link;
    message->here.identity = station ? station_address(node) : link->local_use;
    message->here.count = link->announced_count;
    memcpy(message->here.prefixes, link->announced, sizeof(link->announced));
}

// One I-Am-Here for each identifying address; the groups go with the first.
static void announce_host(struct node *node, uint16_t interface)
{
    struct sipp_address group = sipp_multicast(SIPP_SCOPE_LINK, SIPP_GROUP_ROUTERS);
    struct link_address link = everyone(SIPP_GROUP_ROUTERS);
    struct icmp_message message = {.type = ICMP_I_AM_HERE, .code = ICMP_HOST};
    message.here.lifetime = ANNOUNCE_LIFETIME_S;
    message.here.link = node->links[interface].interface.link;
    for (size_t i = 0; i < node->own_count; i++) {
        struct sipp_address identity = sequence_identity(&node->own[i].sequence);
        if (!node->own[i].source_capable && message.here.count < ICMP_PREFIXES_MAX)
            message.here.prefixes[message.here.count++] = sipp_prefix_of(identity, 64);
    }
    if (node->server.enabled && message.here.count < ICMP_PREFIXES_MAX)
        message.here.prefixes[message.here.count++] =
            sipp_prefix_of(sipp_multicast(SIPP_SCOPE_SITE, SIPP_GROUP_CONFIGURATION_SERVERS), 64);
    bool any = false;
    for (size_t i = 0; i < node->own_count; i++) {
        if (!node->own[i].source_capable)
            continue;
        message.here.identity = sequence_identity(&node->own[i].sequence);
        node_send_on_link(node, interface, &link, group, &message);
        message.here.count = 0;
        any = true;
    }
    if (!any) {
        message.here.identity = node->links[interface].local_use;
        node_send_on_link(node, interface, &link, group, &message);
    }
}

static bool knows_router(const struct node *node)
{
    struct sipp_prefix everything = {SIPP_ADDRESS_NONE, 0};
    return forwarding_get(node->forwarding, &everything) != NULL;
}

// A router that is new on a link also asks everybody there to speak up, so that it soon knows who
// is there and which groups are wanted. A host also asks for a router while it knows none, and,
// when it is mobile, at every new place.
void node_announce_all(struct node *node, struct instant now)
{
    for (uint16_t i = 0; i < node->link_count; i++) {
        struct sipp_address group = sipp_multicast(SIPP_SCOPE_LINK, SIPP_GROUP_NODES);
        struct link_address link = everyone(SIPP_GROUP_NODES);
        struct icmp_message message;
        if (!node->links[i].carrier)
            continue;
        if (!node->config.router) {
            announce_host(node, i);
            if (node->mobile.enabled || !knows_router(node))
                node_ask(node, i, SIPP_ADDRESS_NONE);
            continue;
        }
        announcement(node, i, &message);
        node_send_on_link(node, i, &link, group, &message);
        if (!node->links[i].asked)
            node_ask(node, i, group);
        node->links[i].asked = true;
    }
    // A tenth of jitter keeps many routers on a link from speaking at once.
    uint64_t jitter = random_below(&node->random, ANNOUNCE_INTERVAL_MS / 10);
    heap_set(&node->timers, &node->announce,
             instant_add(now, duration_ms(ANNOUNCE_INTERVAL_MS - jitter)));
}

void node_ask(struct node *node, uint16_t interface, struct sipp_address sought)
{
    enum sipp_group group = sipp_address_none(sought) ? SIPP_GROUP_ROUTERS : SIPP_GROUP_NODES;
    struct link_address link = everyone(group);
    struct icmp_message message = {.type = ICMP_WHERE_ARE_YOU};
    message.where.link = node->links[interface].interface.link;
    message.where.sought = sought;
    node_send_on_link(node, interface, &link, sipp_multicast(SIPP_SCOPE_LINK, group), &message);
}

bool link_has_router(const struct link *link, struct instant now,
                     const struct link_address *address)
{
    for (size_t i = 0; i < link->router_count; i++) {
        const struct heard_router *router = &link->routers[i];
        if (instant_before(now, router->expires) &&
            (address == NULL || memcmp(&router->link, address, sizeof(*address)) == 0))
            return true;
    }
    return false;
}

// Remembers a router of the link; with ROUTERS_MAX others there it stays unknown.
static void remember_router(struct link *link, struct instant now,
                            const struct link_address *address, struct instant expires)
{
    struct heard_router *place = NULL;
    for (size_t i = 0; i < link->router_count; i++) {
        struct heard_router *router = &link->routers[i];
        bool same = memcmp(&router->link, address, sizeof(*address)) == 0;
        if (same || (place == NULL && instant_reached(now, router->expires)))
            place = router;
        if (same)
            break;
    }
    if (place == NULL && link->router_count < ROUTERS_MAX)
        place = &link->routers[link->router_count++];
    if (place != NULL)
        *place = (struct heard_router){*address, expires};
}

// Anybody on a link can make us answer, but only so often.
static bool may_answer(struct node *node, struct instant now)
{
    bool within = limiter_take(&node->answers, now);
    if (!within)
        node_count(node, DROP_ANSWER_LIMIT);
    return within;
}

static bool from_this_link(const struct transit *transit)
{
    return transit->in != NODE_NO_INTERFACE && transit->packet.hop_limit == HOP_LIMIT_LINK &&
           transit->packet.route.count == 2;
}

// A host on the subnet looks for its cluster address as for any other on the link, and for a mobile
// host whose home is there: while it is away, its home station answers.
static bool answers_for(struct node *node, struct instant now, struct sipp_address sought)
{
    for (size_t i = 0; node->config.router && i < node->level_count; i++) {
        if (node->levels[i].acts && sipp_address_equal(node->levels[i].prefix.address, sought))
            return true;
    }
    return node_is_own(node, sought) || node_binding(node, now, sought) != NULL;
}

// A new router asks everybody: all say who they are, but not at once.
static void announce_soon(struct node *node, struct instant now)
{
    struct instant soon =
        instant_add(now, duration_ms(random_below(&node->random, ANNOUNCE_SOON_MS)));
    if (instant_before(soon, node->announce.deadline))
        heap_set(&node->timers, &node->announce, soon);
}

// Says that `identity` is at `link`.
static void presence(struct icmp_message *message, struct sipp_address identity,
                     const struct link_address *link)
{
    memset(message, 0, sizeof(*message));
    message->type = ICMP_I_AM_HERE;
    message->code = ICMP_HOST;
    message->here.lifetime = NEIGHBOUR_LIFETIME_S;
    message->here.link = *link;
    message->here.identity = identity;
}

void node_hear_where_are_you(struct node *node, struct instant now, const struct transit *transit,
                             const struct icmp_message *message)
{
    struct sipp_address asker = route_source(&transit->packet.route);
    struct sipp_address sought = message->where.sought;
    const struct link *link = &node->links[transit->in];
    struct icmp_message answer;
    // Who asks does so from the local-use address of the link address that it names; so nobody is
    // made to answer to a third, or to believe something of one.
    if (!from_this_link(transit) ||
        !sipp_address_equal(asker, sipp_local_use(0, message->where.link.octets, 6))) {
        node_count(node, DROP_BAD_ICMP);
        return;
    }
    if (sipp_address_multicast(sought)) {
        announce_soon(node, now);
        return;
    }
    bool router = sipp_address_none(sought) && node->config.router;
    if ((!router && (sipp_address_none(sought) || !answers_for(node, now, sought))) ||
        !may_answer(node, now))
        return;
    if (router)
        announcement(node, transit->in, &answer);
    else
        presence(&answer, sought, &link->interface.link);
    (void)neighbour_learn(node, now, transit->in, asker, &message->where.link,
                          NEIGHBOUR_LIFETIME_S);
    node_send_on_link(node, transit->in, &message->where.link, asker, &answer);
}

// A host sends what it has no better way for to the router that it heard, and what lies in the
// link's prefixes straight to the link.
static void follow_router(struct node *node, struct instant now, uint16_t interface,
                          const struct icmp_i_am_here *here)
{
    struct sipp_prefix everything = {SIPP_ADDRESS_NONE, 0};
    if (here->lifetime == 0 || node->mobile.enabled)
        return;
    const struct next_hop *current = forwarding_get(node->forwarding, &everything);
    bool other = current != NULL && (current->interface != interface ||
                                     !sipp_address_equal(current->gateway, here->identity));
    for (uint8_t i = 0; i < here->count; i++)
        forwarding_set(node->forwarding, &here->prefixes[i],
                       (struct next_hop){interface, SIPP_ADDRESS_NONE});
    if (other)
        return;
    forwarding_set(node->forwarding, &everything, (struct next_hop){interface, here->identity});
    heap_set(&node->timers, &node->router_expiry, instant_add(now, duration_s(here->lifetime)));
}

void node_router_expired(struct node *node, struct instant now)
{
    struct sipp_prefix everything = {SIPP_ADDRESS_NONE, 0};
    (void)forwarding_remove(node->forwarding, &everything);
    for (uint16_t i = 0; i < node->link_count; i++)
        node_ask(node, i, SIPP_ADDRESS_NONE);
    (void)now;
}

static void hear_router(struct node *node, struct instant now, uint16_t interface,
                        const struct icmp_message *message)
{
    bool station = message->code == ICMP_BASE_STATION;
    remember_router(&node->links[interface], now, &message->here.link,
                    instant_add(now, duration_s(message->here.lifetime)));
    if (node->config.router)
        return;
    follow_router(node, now, interface, &message->here);
    mobile_base_heard(node, now, interface, &message->here, station);
    configure_router_heard(node, now, interface, &message->here);
}

// One of our addresses is at a link address that is not ours.
static void hear_conflict(struct node *node, struct instant now, const struct icmp_i_am_here *here)
{
    for (uint16_t i = 0; i < node->link_count; i++) {
        if (memcmp(&node->links[i].interface.link, &here->link, sizeof(here->link)) == 0)
            return;
    }
    node_count(node, COUNT_CONFLICTS);
    struct queued *queued =
        limiter_take(&node->conflicts_told, now) ? queue_add(node, &node->events, NULL, 0) : NULL;
    if (queued == NULL)
        return;
    queued->event.kind = EVENT_CONFLICT;
    queued->event.sequence = sequence_of(here->identity);
    queued->event.link = here->link;
}

// Somebody else has the address that a host just claimed: the host is told who.
static void tell_of_conflict(struct node *node, struct instant now, const struct transit *transit,
                             const struct icmp_i_am_here *here)
{
    const struct neighbour *holder = neighbour_find(node, transit->in, here->identity);
    struct icmp_message message;
    if (!node->config.router || holder == NULL || !holder->resolved || !may_answer(node, now))
        return;
    presence(&message, here->identity, &holder->link);
    node_send_on_link(node, transit->in, &here->link, route_source(&transit->packet.route),
                      &message);
}

void node_stand_in(struct node *node, struct sipp_address mobile)
{
    const struct next_hop *home = forwarding_look_up(node->forwarding, mobile);
    struct link_address everybody = everyone(SIPP_GROUP_NODES);
    struct icmp_message message;
    if (home == NULL || !sipp_address_none(home->gateway))
        return;
    presence(&message, mobile, &node->links[home->interface].interface.link);
    node_send_on_link(node, home->interface, &everybody,
                      sipp_multicast(SIPP_SCOPE_LINK, SIPP_GROUP_NODES), &message);
}

static void hear_host(struct node *node, struct instant now, const struct transit *transit,
                      const struct icmp_i_am_here *here)
{
    bool announced = sipp_address_multicast(route_destination(&transit->packet.route));
    struct neighbour *neighbour =
        neighbour_learn(node, now, transit->in, here->identity, &here->link, here->lifetime);
    if (neighbour != NULL)
        neighbour->present = neighbour->present || announced;
    else if (announced)
        tell_of_conflict(node, now, transit, here);
    for (uint8_t i = 0; i < here->count; i++) {
        if (here->prefixes[i].length == SIPP_ADDRESS_BITS &&
            sipp_address_multicast(here->prefixes[i].address))
            node_heard_member(node, now, transit->in, here->prefixes[i].address, here->lifetime);
    }
}

// True for addresses that no neighbour can have: ours, which a cluster address is too.
static bool nobody_elses(const struct node *node, struct sipp_address address)
{
    for (size_t i = 0; node->config.router && i < node->level_count; i++) {
        if (sipp_address_equal(node->levels[i].prefix.address, address))
            return true;
    }
    return node_is_own(node, address);
}

void node_hear_i_am_here(struct node *node, struct instant now, const struct transit *transit,
                         const struct icmp_message *message)
{
    struct icmp_message heard = *message;
    struct icmp_i_am_here *here = &heard.here;
    if (here->lifetime > PRESENCE_LIFETIME_MAX)
        here->lifetime = PRESENCE_LIFETIME_MAX;
    if (!from_this_link(transit) || sipp_address_none(here->identity) ||
        sipp_address_multicast(here->identity)) {
        node_count(node, DROP_BAD_ICMP);
        return;
    }
    if (node_is_own(node, here->identity)) {
        hear_conflict(node, now, here);
        return;
    }
    if (message->code == ICMP_HOST && nobody_elses(node, here->identity)) {
        node_count(node, DROP_BAD_ICMP);
        return;
    }
    if (message->code == ICMP_HOST) {
        hear_host(node, now, transit, here);
        return;
    }
    (void)neighbour_learn(node, now, transit->in, here->identity, &here->link, here->lifetime);
    hear_router(node, now, transit->in, &heard);
}
