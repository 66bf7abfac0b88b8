// SPDX-License-Identifier: BSD-2-Clause
// ICMP errors: told to the sender along the addresses that the packet has used, in reverse, so
// that they arrive even where the source address alone leads nowhere.
#include "sipp/lib/node_internal.h"

#include <assert.h>

static bool within_limit(struct node *node, struct instant now)
{
    bool within = limiter_take(&node->errors, now);
    if (!within)
        node_count(node, DROP_ERROR_LIMIT);
    return within;
}

// Nobody is told of an error about an error, or about a packet to a group.
static bool may_be_told(const struct transit *transit)
{
    const struct packet *packet = &transit->packet;
    const struct route *route = &packet->route;
    for (uint8_t i = 0; i < route->count; i++) {
        if (sipp_address_multicast(route->addresses[i]))
            return false;
    }
    return packet->payload_type != SIPP_PAYLOAD_ICMP ||
           (packet->payload_length >= 1 && !icmp_is_error(transit->bytes[packet->payload_offset]));
}

// Our own sequence that errors along `way` come from: the best match, or else the local-use
// address of a link that both share.
static bool choose_source(const struct node *node, const struct transit *transit,
                          struct sipp_address towards, struct sequence *source)
{
    size_t best = sequence_choose(node->own, node->own_count, towards);
    if (best < node->own_count) {
        *source = node->own[best].sequence;
        return true;
    }
    if (transit->in == NODE_NO_INTERFACE || sipp_address_none(node->links[transit->in].local_use))
        return false;
    *source = sequence_of(node->links[transit->in].local_use);
    return true;
}

// The way to the sender: that of an answer where the packet has arrived, or else along what it has
// used of its route.
static bool way_back(const struct node *node, const struct transit *transit, struct route *back)
{
    const struct route *route = &transit->packet.route;
    struct sequence source;
    if (route_finished(route) && route_reply(route, node->own, node->own_count, back))
        return true;
    return choose_source(node, transit, route->addresses[route->active - 1], &source) &&
           route_error_back(route, &source, back);
}

void node_error(struct node *node, struct instant now, const struct transit *transit, uint8_t type,
                uint8_t code, uint32_t parameter)
{
    struct route back;
    if (!may_be_told(transit) || !way_back(node, transit, &back) || !within_limit(node, now))
        return;
    struct icmp_message message = {.type = type, .code = code};
    message.error.parameter = parameter;
    message.error.quote = transit->bytes;
    message.error.quote_length = transit->packet.length;
    node_count(node, COUNT_ERRORS_SENT);
    node_send_icmp(node, now, transit->in, &back, SIPP_HOP_LIMIT_DEFAULT, &message);
}

void node_error_malformed(struct node *node, struct instant now, const uint8_t *bytes,
                          size_t length, uint32_t pointer)
{
    struct reader reader = reader_over(bytes, length);
    (void)reader_take(&reader, 8);
    struct sipp_address source = {reader_u64(&reader)};
    struct sipp_address destination = {reader_u64(&reader)};
    size_t best = sequence_choose(node->own, node->own_count, source);
    if (reader.failed || sipp_address_none(source) || sipp_address_multicast(source) ||
        sipp_address_multicast(destination) || best == node->own_count || !within_limit(node, now))
        return;
    struct path towards = {.count = 1, .addresses = {source}};
    struct route back;
    if (!route_form(&node->own[best].sequence, NULL, &towards, &back))
        return;
    struct icmp_message message = {.type = ICMP_PARAMETER_PROBLEM};
    message.error.parameter = pointer;
    message.error.quote = bytes;
    message.error.quote_length = length;
    node_count(node, COUNT_ERRORS_SENT);
    node_send_icmp(node, now, NODE_NO_INTERFACE, &back, SIPP_HOP_LIMIT_DEFAULT, &message);
}

void node_refuse(struct node *node, struct instant now, const struct node_event *event,
                 enum icmp_unreachable_code code)
{
    uint8_t bytes[SIPP_PACKET_MAX];
    size_t length = packet_encode(&event->route, 0, event->hop_limit, event->payload_type,
                                  event->payload, event->length, bytes, sizeof(bytes));
    struct transit transit = {.bytes = bytes, .in = NODE_NO_INTERFACE, .link = NODE_NO_INTERFACE};
    assert(event->kind == EVENT_PACKET);
    if (length > 0 && packet_decode(bytes, length, &transit.packet) == PACKET_OK)
        node_error(node, now, &transit, ICMP_UNREACHABLE, (uint8_t)code, 0);
}
