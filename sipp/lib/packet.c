// SPDX-License-Identifier: BSD-2-Clause
#include "sipp/lib/packet.h"

#include "base/cursor.h"

#include <assert.h>
#include <string.h>

#define OFFSET_PAYLOAD_LENGTH 4
#define OFFSET_HOP_LIMIT      7
#define OFFSET_DESTINATION    16
#define OFFSET_NUM_ADDRS      (SIPP_HEADER_BYTES + 4)
#define OFFSET_NEXT_ADDR      (SIPP_HEADER_BYTES + 5)
#define OFFSET_ADDRESSES      (SIPP_HEADER_BYTES + SIPP_ROUTING_FIXED_BYTES)

const char *packet_fault_name(enum packet_fault fault)
{
    static const char *const names[PACKET_FAULTS] = {
        [PACKET_OK] = "ok",
        [PACKET_TOO_SHORT] = "too-short",
        [PACKET_NOT_SIPP] = "not-sipp",
        [PACKET_CUT] = "cut",
        [PACKET_ROUTING_CUT] = "routing-header-cut",
        [PACKET_ROUTING_TOO_LONG] = "routing-header-too-long",
        [PACKET_ROUTING_NEXT_BEYOND] = "next-addr-beyond",
        [PACKET_ROUTING_TWICE] = "two-routing-headers",
    };
    assert(fault < PACKET_FAULTS);
    return names[fault];
}

uint32_t packet_fault_pointer(enum packet_fault fault)
{
    switch (fault) {
    case PACKET_CUT:
        return OFFSET_PAYLOAD_LENGTH;
    case PACKET_ROUTING_CUT:
    case PACKET_ROUTING_TOO_LONG:
    case PACKET_ROUTING_NEXT_BEYOND:
    case PACKET_ROUTING_TWICE:
        return OFFSET_NUM_ADDRS;
    case PACKET_OK:
    case PACKET_TOO_SHORT:
    case PACKET_NOT_SIPP:
    case PACKET_FAULTS:
        break;
    }
    return 0;
}

static struct sipp_address read_address(struct reader *reader)
{
    return (struct sipp_address){reader_u64(reader)};
}

// Reads the Routing Header and puts its addresses on both sides of the destination field's.
static enum packet_fault decode_routing(struct reader *reader, struct packet *packet)
{
    struct route *route = &packet->route;
    struct sipp_address destination = route->addresses[1];
    (void)reader_u32(reader);
    uint8_t count = reader_u8(reader);
    uint8_t next = reader_u8(reader);
    packet->payload_type = reader_u8(reader);
    (void)reader_u8(reader);
    if (reader->failed || reader_left(reader) < (size_t)count * SIPP_ADDRESS_OCTETS)
        return PACKET_ROUTING_CUT;
    if (count > SIPP_ROUTING_MAX)
        return PACKET_ROUTING_TOO_LONG;
    if (next > count)
        return PACKET_ROUTING_NEXT_BEYOND;
    if (packet->payload_type == SIPP_PAYLOAD_ROUTING)
        return PACKET_ROUTING_TWICE;
    size_t place = 1;
    for (uint8_t i = 0; i < count; i++) {
        if (i == next)
            route->addresses[place++] = destination;
        route->addresses[place++] = read_address(reader);
    }
    if (next == count)
        route->addresses[place++] = destination;
    assert(!reader->failed && place == (size_t)count + 2);
    route->count = (uint8_t)place;
    route->active = (uint8_t)(next + 1);
    return PACKET_OK;
}

// `whole`: all that the payload length speaks of must be there.
static enum packet_fault decode(const uint8_t *bytes, size_t length, bool whole,
                                struct packet *packet)
{
    if (length < SIPP_HEADER_BYTES)
        return PACKET_TOO_SHORT;
    if (bytes[0] >> 4 != SIPP_VERSION)
        return PACKET_NOT_SIPP;
    struct reader reader = reader_over(bytes, length);
    packet->flow_label = reader_u32(&reader) & 0x0fffffff;
    size_t payload_length = reader_u16(&reader);
    packet->payload_type = reader_u8(&reader);
    packet->hop_limit = reader_u8(&reader);
    packet->route.count = 2;
    packet->route.active = 1;
    packet->route.addresses[0] = read_address(&reader);
    packet->route.addresses[1] = read_address(&reader);
    if (payload_length > reader_left(&reader) && whole)
        return PACKET_CUT;
    if (payload_length > reader_left(&reader))
        payload_length = reader_left(&reader);
    struct reader payload = reader_sub(&reader, payload_length);
    if (packet->payload_type == SIPP_PAYLOAD_ROUTING) {
        enum packet_fault fault = decode_routing(&payload, packet);
        if (fault != PACKET_OK)
            return fault;
    }
    packet->length = SIPP_HEADER_BYTES + payload_length;
    packet->payload_length = reader_left(&payload);
    packet->payload_offset = packet->length - packet->payload_length;
    assert(route_valid(&packet->route));
    return PACKET_OK;
}

enum packet_fault packet_decode(const uint8_t *bytes, size_t length, struct packet *packet)
{
    return decode(bytes, length, true, packet);
}

enum packet_fault packet_decode_quote(const uint8_t *bytes, size_t length, struct packet *packet)
{
    return decode(bytes, length, false, packet);
}

size_t packet_headers_length(const struct route *route)
{
    assert(route_valid(route));
    if (route->count == 2)
        return SIPP_HEADER_BYTES;
    return OFFSET_ADDRESSES + (size_t)(route->count - 2) * SIPP_ADDRESS_OCTETS;
}

static void encode_routing(struct writer *writer, const struct route *route, uint8_t payload_type)
{
    writer_u32(writer, 0);
    writer_u8(writer, (uint8_t)(route->count - 2));
    writer_u8(writer, (uint8_t)(route->active - 1));
    writer_u8(writer, payload_type);
    writer_u8(writer, 0);
    for (uint8_t i = 1; i < route->count; i++) {
        if (i != route->active)
            writer_u64(writer, route->addresses[i].bits);
    }
}

size_t packet_encode(const struct route *route, uint32_t flow_label, uint8_t hop_limit,
                     uint8_t payload_type, const uint8_t *payload, size_t payload_length,
                     uint8_t *buffer, size_t size)
{
    size_t headers = packet_headers_length(route);
    size_t behind = headers - SIPP_HEADER_BYTES + payload_length;
    if (behind > UINT16_MAX || payload_type == SIPP_PAYLOAD_ROUTING)
        return 0;
    bool routed = route->count > 2;
    struct writer writer = writer_over(buffer, size);
    writer_u32(&writer, (uint32_t)SIPP_VERSION << 28 | (flow_label & 0x0fffffff));
    writer_u16(&writer, (uint16_t)behind);
    writer_u8(&writer, routed ? SIPP_PAYLOAD_ROUTING : payload_type);
    writer_u8(&writer, hop_limit);
    writer_u64(&writer, route->addresses[0].bits);
    writer_u64(&writer, route_active(route).bits);
    if (routed)
        encode_routing(&writer, route, payload_type);
    writer_bytes(&writer, payload, payload_length);
    return writer.failed ? 0 : writer_length(&writer);
}

void packet_advance(uint8_t *bytes, struct packet *packet)
{
    route_advance(&packet->route);
    assert(packet->payload_offset >= OFFSET_ADDRESSES);
    uint8_t *next =
        &bytes[OFFSET_ADDRESSES + (size_t)bytes[OFFSET_NEXT_ADDR] * SIPP_ADDRESS_OCTETS];
    uint8_t was_active[SIPP_ADDRESS_OCTETS];
    memcpy(was_active, &bytes[OFFSET_DESTINATION], sizeof(was_active));
    memcpy(&bytes[OFFSET_DESTINATION], next, sizeof(was_active));
    memcpy(next, was_active, sizeof(was_active));
    bytes[OFFSET_NEXT_ADDR]++;
    assert(bytes[OFFSET_NEXT_ADDR] == packet->route.active - 1);
}

void packet_decrement_hop_limit(uint8_t *bytes, struct packet *packet)
{
    assert(packet->hop_limit > 0 && bytes[OFFSET_HOP_LIMIT] == packet->hop_limit);
    bytes[OFFSET_HOP_LIMIT]--;
    packet->hop_limit--;
}
