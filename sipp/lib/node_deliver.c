// SPDX-License-Identifier: BSD-2-Clause
// Packets that have arrived: the node's own messages are answered, the rest becomes events.
#include "sipp/lib/node_internal.h"

#include "base/memory.h"

// The correspondent's last packet shows the way back to it (§3.2).
static void follow_correspondent(struct node *node, struct instant now, const struct route *route)
{
    size_t mine = route_isolate(route, node->own, node->own_count);
    if (mine == node->own_count || !node->own[mine].source_capable)
        return;
    struct path back = route_way_back(route, node->own[mine].sequence.count);
    (void)associations_set(node->associations, now, route_destination(route), &back, true);
}

// Hands the payload to whoever runs the node.
static void deliver_event(struct node *node, const struct transit *transit,
                          enum node_event_kind kind, const struct icmp_message *message)
{
    const struct packet *packet = &transit->packet;
    const uint8_t *payload = transit->bytes + packet->payload_offset;
    struct queued *queued = queue_add(node, &node->events, payload, packet->payload_length);
    if (queued == NULL)
        return;
    struct node_event *event = &queued->event;
    event->kind = kind;
    event->route = packet->route;
    event->hop_limit = packet->hop_limit;
    event->payload_type = packet->payload_type;
    event->payload = queued->bytes;
    event->length = packet->payload_length;
    if (message == NULL)
        return;
    event->icmp = *message;
    if (kind == EVENT_ECHO_REPLY && message->echo.length > 0)
        event->icmp.echo.data = queued->bytes + (message->echo.data - payload);
    if (kind == EVENT_ERROR && message->error.quote_length > 0)
        event->icmp.error.quote = queued->bytes + (message->error.quote - payload);
}

// A path that leads nowhere is not taken again. Other errors say nothing about it: the packet
// arrived, was too big, or was meant to end on the way.
static void doubt_path(struct node *node, const struct icmp_message *message)
{
    const struct icmp_error *report = &message->error;
    struct packet packet;
    bool nowhere = message->code == ICMP_NO_ROUTE || message->code == ICMP_NO_NODE ||
                   message->code == ICMP_NO_RELAY || message->code == ICMP_BEYOND_SCOPE;
    if (message->type == ICMP_UNREACHABLE && nowhere &&
        packet_decode_quote(report->quote, report->quote_length, &packet) == PACKET_OK)
        node_doubt(node, &packet.route);
}

static void answer_echo(struct node *node, struct instant now, const struct transit *transit,
                        const struct icmp_message *request)
{
    struct route reply;
    if (!node_route_back(node, &transit->packet.route, &reply))
        return;
    struct icmp_message message = *request;
    message.type = ICMP_ECHO_REPLY;
    node_send_icmp(node, now, transit->in, &reply, SIPP_HOP_LIMIT_DEFAULT, &message);
}

static void deliver_icmp(struct node *node, struct instant now, const struct transit *transit)
{
    const struct packet *packet = &transit->packet;
    struct icmp_message message;
    if (!icmp_decode(route_source(&packet->route), route_destination(&packet->route),
                     transit->bytes + packet->payload_offset, packet->payload_length, &message)) {
        node_count(node, DROP_BAD_ICMP);
        return;
    }
    switch ((enum icmp_type)message.type) {
    case ICMP_ECHO:
        follow_correspondent(node, now, &packet->route);
        answer_echo(node, now, transit, &message);
        break;
    case ICMP_ECHO_REPLY:
        follow_correspondent(node, now, &packet->route);
        deliver_event(node, transit, EVENT_ECHO_REPLY, &message);
        break;
    case ICMP_UNREACHABLE:
    case ICMP_TIME_EXCEEDED:
    case ICMP_PARAMETER_PROBLEM:
        doubt_path(node, &message);
        deliver_event(node, transit, EVENT_ERROR, &message);
        break;
    case ICMP_WHERE_ARE_YOU:
        node_hear_where_are_you(node, now, transit, &message);
        break;
    case ICMP_I_AM_HERE:
        node_hear_i_am_here(node, now, transit, &message);
        break;
    case ICMP_REGISTRATION_REQUEST:
    case ICMP_REGISTRATION_REPLY:
        node_hear_registration(node, now, transit, &message);
        break;
    case ICMP_CONFIGURATION:
        node_hear_configuration(node, now, transit, &message);
        break;
    }
}

void node_deliver(struct node *node, struct instant now, const struct transit *transit)
{
    const struct packet *packet = &transit->packet;
    node_count(node, COUNT_DELIVERED);
    // An IPv4 host understands IPv4 and nothing else.
    if (packet->payload_type != SIPP_PAYLOAD_IPV4 &&
        node_is_served(node, route_destination(&packet->route))) {
        node_error(node, now, transit, ICMP_UNREACHABLE, ICMP_NO_PAYLOAD_TYPE, 0);
        return;
    }
    switch (packet->payload_type) {
    case SIPP_PAYLOAD_ICMP:
        deliver_icmp(node, now, transit);
        break;
    case SIPP_PAYLOAD_SIPP:
        node_untunnel(node, now, transit);
        break;
    default:
        follow_correspondent(node, now, &packet->route);
        deliver_event(node, transit, EVENT_PACKET, NULL);
    }
}
