// SPDX-License-Identifier: BSD-2-Clause
// Mobility (overview §7): the three parts of it a node can play.
//
//     mobile host     hears a base station's I-Am-Here, puts the base's address above its own and
//                     registers it with its home station
//     base station    delivers to hosts that announced themselves on its links, when a packet was
//                     advanced through its own address or came out of a home station's tunnel
//     home station    takes packets for a registered mobile host, also those from its home link,
//                     and tunnels them to the base
//
// The correspondent needs nothing but the reversal rules: the mobile host's first packet from its
// new place shows it the way. How the home station learns the base is left open by the document;
// here it is a registration with a keyed digest and a number that only grows.
#include "sipp/lib/node_internal.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

// ---- home station

bool node_serve_mobile(struct node *node, struct sipp_address mobile, const struct mobile_key *key,
                       struct error *error)
{
    if (node->binding_count == NODE_BINDINGS_MAX)
        return error_set(error, ERROR_LIMIT, "bindings-full",
                         "a home station serves at most %d mobile hosts", NODE_BINDINGS_MAX);
    if (node->bindings == NULL)
        node->bindings = memory_new_array(NODE_BINDINGS_MAX, sizeof(struct binding));
    // What was registered before this run is forgotten, so it must not be believed again.
    node->bindings[node->binding_count++] =
        (struct binding){.mobile = mobile, .key = *key, .last_number = node->config.clock};
    return true;
}

static struct binding *binding_of(struct node *node, struct sipp_address mobile)
{
    for (size_t i = 0; i < node->binding_count; i++) {
        if (sipp_address_equal(node->bindings[i].mobile, mobile))
            return &node->bindings[i];
    }
    return NULL;
}

struct binding *node_binding(struct node *node, struct instant now, struct sipp_address mobile)
{
    struct binding *binding = node->binding_count == 0 ? NULL : binding_of(node, mobile);
    bool away = binding != NULL && !sipp_address_none(binding->base) &&
                instant_before(now, binding->expires);
    return away ? binding : NULL;
}

void node_tunnel(struct node *node, struct instant now, struct transit *transit,
                 const struct binding *binding)
{
    struct packet *packet = &transit->packet;
    if (transit->in != NODE_NO_INTERFACE)
        packet_decrement_hop_limit(transit->bytes, packet);
    size_t source = sequence_choose(node->own, node->own_count, binding->base);
    struct path base = {.count = 1, .addresses = {binding->base}};
    struct route route;
    if (source == node->own_count ||
        !route_form(&node->own[source].sequence, NULL, &base, &route)) {
        node_count(node, DROP_NO_ROUTE);
        node_error(node, now, transit, ICMP_UNREACHABLE, ICMP_NO_ROUTE, 0);
        return;
    }
    (void)node_send(node, now, &route, SIPP_HOP_LIMIT_DEFAULT, SIPP_PAYLOAD_SIPP, transit->bytes,
                    packet->length, NULL);
}

static void answer_registration(struct node *node, struct instant now,
                                const struct transit *transit, const struct icmp_message *request,
                                const struct binding *binding, enum icmp_registration_code code)
{
    struct route reply;
    struct icmp_message message = *request;
    message.type = ICMP_REGISTRATION_REPLY;
    message.code = (uint8_t)code;
    message.registration.number = binding->last_number;
    icmp_registration_sign(&message, &binding->key);
    if (node_route_back(node, &transit->packet.route, &reply))
        node_send_icmp(node, now, transit->in, &reply, SIPP_HOP_LIMIT_DEFAULT, &message);
}

// A base is a node of its own: packets to it must not come back to where they are tunnelled.
static bool may_be_base(struct node *node, struct sipp_address base)
{
    return !sipp_address_none(base) && !sipp_address_multicast(base) &&
           !sipp_address_local_use(base) && !node_is_own(node, base) &&
           binding_of(node, base) == NULL;
}

static void hear_request(struct node *node, struct instant now, const struct transit *transit,
                         const struct icmp_message *message)
{
    const struct icmp_registration *request = &message->registration;
    struct binding *binding = binding_of(node, request->mobile);
    if (binding == NULL || !icmp_registration_verify(message, &binding->key) ||
        (request->lifetime > 0 && !may_be_base(node, request->base))) {
        node_count(node, DROP_BAD_ICMP);
        return;
    }
    if (request->number <= binding->last_number) {
        // Said again by somebody, or the mobile host's clock is behind: it hears how far.
        node_count(node, DROP_BAD_ICMP);
        if (limiter_take(&node->answers, now))
            answer_registration(node, now, transit, message, binding, ICMP_REGISTRATION_DENIED);
        return;
    }
    bool was_away = node_binding(node, now, request->mobile) != NULL;
    binding->last_number = request->number;
    binding->base = request->lifetime == 0 ? SIPP_ADDRESS_NONE : request->base;
    binding->expires = instant_add(now, duration_s(request->lifetime));
    answer_registration(node, now, transit, message, binding, ICMP_REGISTRATION_ACCEPTED);
    if (!was_away && request->lifetime > 0)
        node_stand_in(node, request->mobile);
    struct sequence agreed = {
        .count = 2,
        .addresses = {sipp_address_none(binding->base) ? request->mobile : binding->base,
                      request->mobile}};
    node_event(node, EVENT_REGISTERED, &agreed);
}

// ---- base station

void node_untunnel(struct node *node, struct instant now, const struct transit *transit)
{
    const struct packet *outer = &transit->packet;
    uint8_t bytes[SIPP_PACKET_MAX];
    struct transit inner = {.bytes = bytes, .in = transit->in, .link = NODE_NO_INTERFACE};
    if (!node->config.base_station || transit->untunnelled ||
        outer->payload_length > sizeof(bytes)) {
        node_count(node, DROP_NOT_OURS);
        return;
    }
    memcpy(bytes, transit->bytes + outer->payload_offset, outer->payload_length);
    if (packet_decode(bytes, outer->payload_length, &inner.packet) != PACKET_OK) {
        node_count(node, DROP_MALFORMED);
        return;
    }
    // Only for hosts that are here: a tunnel must not be a way around the routes of others.
    struct sipp_address mobile = route_active(&inner.packet.route);
    for (uint16_t i = 0; i < node->link_count; i++) {
        const struct neighbour *neighbour = neighbour_find(node, i, mobile);
        if (neighbour == NULL || !neighbour->present || instant_reached(now, neighbour->expires))
            continue;
        inner.advanced = true;
        inner.untunnelled = true;
        node_transmit(node, now, &inner);
        return;
    }
    node_count(node, DROP_NOT_OURS);
}

// ---- mobile host

void node_be_mobile(struct node *node, const struct sequence *home, const struct path *station,
                    const struct mobile_key *key)
{
    // From now on base stations decide where the default route leads.
    heap_remove(&node->timers, &node->router_expiry);
    node->mobile.enabled = true;
    node->mobile.home = *home;
    node->mobile.station = *station;
    node->mobile.key = *key;
}

static struct sequence away_sequence(const struct mobile *mobile, struct sipp_address base)
{
    return (struct sequence){.count = 2, .addresses = {base, sequence_identity(&mobile->home)}};
}

bool mobile_is_away(const struct node *node)
{
    return node->mobile.enabled && !sipp_address_none(node->mobile.base);
}

struct sequence mobile_sequence(const struct node *node)
{
    return mobile_is_away(node) ? away_sequence(&node->mobile, node->mobile.base)
                                : node->mobile.home;
}

static void register_place(struct node *node, struct instant now)
{
    struct mobile *mobile = &node->mobile;
    bool away = mobile_is_away(node);
    struct icmp_message message = {.type = ICMP_REGISTRATION_REQUEST};
    struct icmp_registration *request = &message.registration;
    uint64_t clock = node->config.clock + instant_since(now, node->started).ns / 1000000;
    mobile->number = clock > mobile->number ? clock : mobile->number + 1;
    request->number = mobile->number;
    request->lifetime = away ? REGISTRATION_LIFETIME : 0;
    request->mobile = sequence_identity(&mobile->home);
    request->base = mobile->base;
    icmp_registration_sign(&message, &mobile->key);
    struct sequence source = mobile_sequence(node);
    struct route route;
    if (route_form(&source, NULL, &mobile->station, &route))
        node_send_icmp(node, now, mobile->interface, &route, SIPP_HOP_LIMIT_DEFAULT, &message);
    heap_set(&node->timers, &mobile->timer, instant_add(now, duration_ms(REGISTRATION_RETRY_MS)));
}

// Moves to another base station, or home for SIPP_ADDRESS_NONE.
static void attach(struct node *node, struct instant now, uint16_t interface,
                   struct sipp_address gateway, struct sipp_address base)
{
    struct mobile *mobile = &node->mobile;
    struct sipp_prefix everything = {SIPP_ADDRESS_NONE, 0};
    if (!sipp_address_none(mobile->base)) {
        struct sequence old = away_sequence(mobile, mobile->base);
        (void)node_remove_own(node, &old);
    }
    mobile->base = base;
    mobile->interface = interface;
    mobile->registered = false;
    forwarding_set(node->forwarding, &everything, (struct next_hop){interface, gateway});
    struct sequence place = mobile_sequence(node);
    if (!sipp_address_none(base)) {
        // In front of the home sequence, so that it is preferred while away.
        (void)node_remove_own(node, &mobile->home);
        (void)node_add_own(node, &place, NULL);
        (void)node_add_own(node, &mobile->home, NULL);
    }
    node_announce_all(node, now);
    register_place(node, now);
    node_event(node, EVENT_ATTACHED, &place);
}

// True for an announcement of the link that the home address belongs to.
static bool is_home(const struct mobile *mobile, const struct icmp_i_am_here *here)
{
    for (uint8_t i = 0; i < here->count; i++) {
        if (sipp_prefix_contains(&here->prefixes[i], sequence_identity(&mobile->home)))
            return true;
    }
    return false;
}

void mobile_base_heard(struct node *node, struct instant now, uint16_t interface,
                       const struct icmp_i_am_here *here, bool base_station)
{
    struct mobile *mobile = &node->mobile;
    if (!mobile->enabled)
        return;
    bool home = is_home(mobile, here);
    if (!home && !base_station)
        return;
    struct sipp_address base = home ? SIPP_ADDRESS_NONE : here->identity;
    bool placed = !instant_reached(now, mobile->base_expires);
    bool here_already =
        placed && sipp_address_equal(mobile->base, base) && mobile->interface == interface;
    // The place where we are is left when it falls silent, or for home.
    if (placed && !here_already && !home)
        return;
    mobile->base_expires = instant_add(now, duration_s(here->lifetime));
    if (!here_already)
        attach(node, now, interface, here->identity, base);
}

void mobile_carrier_lost(struct node *node, uint16_t interface)
{
    struct mobile *mobile = &node->mobile;
    if (mobile->enabled && mobile->interface == interface)
        mobile->base_expires = node->started;
}

void mobile_tick(struct node *node, struct instant now)
{
    register_place(node, now);
}

static void hear_reply(struct node *node, struct instant now, const struct icmp_message *message)
{
    struct mobile *mobile = &node->mobile;
    const struct icmp_registration *reply = &message->registration;
    bool denied = message->code == ICMP_REGISTRATION_DENIED;
    if (!mobile->enabled || !icmp_registration_verify(message, &mobile->key) ||
        (denied ? reply->number < mobile->number : reply->number != mobile->number)) {
        node_count(node, DROP_BAD_ICMP);
        return;
    }
    if (denied) {
        // The home station has heard greater numbers than our clock says: go on from there.
        mobile->number = reply->number;
        register_place(node, now);
        return;
    }
    bool away = mobile_is_away(node);
    heap_remove(&node->timers, &mobile->timer);
    if (away)
        heap_set(&node->timers, &mobile->timer,
                 instant_add(now, duration_s(REGISTRATION_LIFETIME / 2)));
    if (mobile->registered)
        return;
    mobile->registered = true;
    struct sequence place = mobile_sequence(node);
    node_event(node, EVENT_REGISTERED, &place);
}

void node_hear_registration(struct node *node, struct instant now, const struct transit *transit,
                            const struct icmp_message *message)
{
    if (message->type == ICMP_REGISTRATION_REQUEST)
        hear_request(node, now, transit, message);
    else
        hear_reply(node, now, message);
}
