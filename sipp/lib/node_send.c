// SPDX-License-Identifier: BSD-2-Clause
// Packets made here: payloads of applications, echoes, and the node's own messages.
#include "sipp/lib/node_internal.h"

#include "base/memory.h"

#include <assert.h>
#include <string.h>

// `link` says where a local-use address that becomes active is; NODE_NO_INTERFACE: unknown.
static bool send_payload(struct node *node, struct instant now, uint16_t link,
                         const struct route *route, uint8_t hop_limit, uint8_t payload_type,
                         const uint8_t *payload, size_t length, struct error *error)
{
    uint8_t bytes[SIPP_PACKET_MAX];
    size_t written =
        packet_encode(route, 0, hop_limit, payload_type, payload, length, bytes, sizeof(bytes));
    if (written == 0)
        return error_set(error, ERROR_INPUT, "too-long",
                         "%zu octets do not fit a packet with a route of %u addresses", length,
                         route->count);
    struct transit transit = {.bytes = bytes, .in = NODE_NO_INTERFACE, .link = link};
    enum packet_fault fault = packet_decode(bytes, written, &transit.packet);
    assert(fault == PACKET_OK);
    (void)fault;
    node_transmit(node, now, &transit);
    return true;
}

bool node_send(struct node *node, struct instant now, const struct route *route, uint8_t hop_limit,
               uint8_t payload_type, const uint8_t *payload, size_t length, struct error *error)
{
    return send_payload(node, now, NODE_NO_INTERFACE, route, hop_limit, payload_type, payload,
                        length, error);
}

void node_send_icmp(struct node *node, struct instant now, uint16_t link, const struct route *route,
                    uint8_t hop_limit, const struct icmp_message *message)
{
    uint8_t bytes[SIPP_PACKET_MAX];
    size_t length =
        icmp_encode(route_source(route), route_destination(route), message, bytes, sizeof(bytes));
    if (length > 0)
        (void)send_payload(node, now, link, route, hop_limit, SIPP_PAYLOAD_ICMP, bytes, length,
                           NULL);
}

void node_send_on_link(struct node *node, uint16_t interface, const struct link_address *link,
                       struct sipp_address destination, const struct icmp_message *message)
{
    assert(interface < node->link_count);
    const struct link *out = &node->links[interface];
    if (!out->carrier || sipp_address_none(out->local_use))
        return;
    struct route route = {.count = 2, .active = 1, .addresses = {out->local_use, destination}};
    uint8_t payload[ICMP_MESSAGE_MAX];
    uint8_t bytes[ICMP_MESSAGE_MAX + SIPP_HEADER_BYTES];
    size_t length = icmp_encode(out->local_use, destination, message, payload, sizeof(payload));
    assert(length > 0);
    length = packet_encode(&route, 0, HOP_LIMIT_LINK, SIPP_PAYLOAD_ICMP, payload, length, bytes,
                           sizeof(bytes));
    node_output(node, interface, link, bytes, length);
    node_count(node, COUNT_SENT);
}

bool node_send_echo(struct node *node, struct instant now, const struct route *route,
                    uint8_t hop_limit, uint16_t identifier, uint16_t number, const uint8_t *data,
                    size_t length, struct error *error)
{
    uint8_t bytes[SIPP_PACKET_MAX];
    struct icmp_message message = {.type = ICMP_ECHO};
    message.echo = (struct icmp_echo){identifier, number, data, length};
    size_t written =
        icmp_encode(route_source(route), route_destination(route), &message, bytes, sizeof(bytes));
    if (written == 0)
        return error_set(error, ERROR_INPUT, "too-long", "%zu octets do not fit an echo", length);
    return node_send(node, now, route, hop_limit, SIPP_PAYLOAD_ICMP, bytes, written, error);
}

// The own sequence to send from: the best match, in the end a local-use address for local use.
static bool choose_source(const struct node *node, struct sipp_address towards,
                          struct sequence *source)
{
    size_t best = sequence_choose(node->own, node->own_count, towards);
    bool local =
        (sipp_address_local_use(towards) && sipp_local_use_subnet(towards) == 0) ||
        (sipp_address_multicast(towards) && sipp_multicast_scope(towards) <= SIPP_SCOPE_LINK);
    if (best < node->own_count && !local) {
        *source = node->own[best].sequence;
        return true;
    }
    for (uint16_t i = 0; i < node->link_count; i++) {
        if (!sipp_address_none(node->links[i].local_use)) {
            *source = sequence_of(node->links[i].local_use);
            return true;
        }
    }
    return false;
}

// The own sequence of an identity that matches best, for an association that goes on.
static bool source_of_identity(const struct node *node, struct sipp_address identity,
                               struct sipp_address towards, struct sequence *source)
{
    struct own_sequence own[NODE_OWN_MAX];
    size_t count = 0;
    for (size_t i = 0; i < node->own_count; i++) {
        if (sipp_address_equal(sequence_identity(&node->own[i].sequence), identity))
            own[count++] = node->own[i];
    }
    // A mobile host away from home is reached only through its base station.
    size_t best = mobile_is_away(node) && count > 0 ? 0 : sequence_choose(own, count, towards);
    if (best == count)
        return false;
    *source = own[best].sequence;
    return true;
}

bool node_route_to(struct node *node, struct instant now, const struct path *via,
                   const struct path *destination, struct route *route, struct error *error)
{
    struct sipp_address first =
        via != NULL && via->count > 0 ? via->addresses[0] : destination->addresses[0];
    struct sequence source;
    if (!choose_source(node, first, &source))
        return error_set(error, ERROR_UNAVAILABLE, "no-source",
                         "this node has no address that it could send from yet");
    struct sipp_address local = sequence_identity(&source);
    struct association *association =
        associations_find(node->associations, local, path_identity(destination));
    bool known = via == NULL && association != NULL && association->heard;
    const struct path *path = known ? &association->path : destination;
    (void)source_of_identity(node, local, known ? path->addresses[0] : first, &source);
    if (!route_form(&source, via, path, route))
        return error_set(error, ERROR_INPUT, "sequence-too-long",
                         "the route would have more than %d addresses", ROUTE_MAX);
    if (!known)
        (void)associations_set(node->associations, now, local, destination, false);
    else
        association->last_used = now;
    return true;
}

// True where the route ends in the path.
static bool leads_along(const struct route *route, const struct path *path)
{
    size_t before = route->count - (size_t)path->count;
    return path->count < route->count && memcmp(&route->addresses[before], path->addresses,
                                                path->count * sizeof(path->addresses[0])) == 0;
}

void node_doubt(struct node *node, const struct route *route)
{
    struct association *association =
        associations_find(node->associations, route_source(route), route_destination(route));
    if (association != NULL && leads_along(route, &association->path))
        association->heard = false;
}

// A mobile host away from home shows the correspondent where it is, although the packet came by
// way of its home (§7.1: all packets after the move carry the base station).
static bool reply_from_away(const struct node *node, const struct route *received,
                            struct route *reply)
{
    size_t mine = route_isolate(received, node->own, node->own_count);
    if (!mobile_is_away(node) || mine == node->own_count ||
        !sipp_address_equal(route_destination(received), sequence_identity(&node->mobile.home)))
        return false;
    struct sequence away = mobile_sequence(node);
    struct path back = route_way_back(received, node->own[mine].sequence.count);
    return route_form(&away, NULL, &back, reply);
}

bool node_route_back(const struct node *node, const struct route *received, struct route *reply)
{
    if (reply_from_away(node, received, reply) ||
        route_reply(received, node->own, node->own_count, reply))
        return true;
    // Sent to a cluster, local-use or well-known group address: ours too, but not all sources.
    struct path back = route_way_back(received, 1);
    struct sipp_address last = route_destination(received);
    struct sequence source = sequence_of(last);
    bool itself = sipp_address_local_use(last) && node_is_own(node, last);
    return (itself || choose_source(node, back.addresses[0], &source)) &&
           route_form(&source, NULL, &back, reply);
}
