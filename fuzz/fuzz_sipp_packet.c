// SPDX-License-Identifier: BSD-2-Clause
// SIPP headers, Routing Headers, route sequences and ICMP messages from any octets: what decodes
// encodes to the same, and can be advanced to its end and reversed.
#include "fuzzer.h"

#include "sipp/lib/checksum.h"
#include "sipp/lib/icmp.h"

#include <assert.h>
#include <string.h>

static void check_packet(const uint8_t *data, size_t size)
{
    static uint8_t copy[UINT16_MAX + SIPP_HEADER_BYTES];
    static uint8_t again[UINT16_MAX + SIPP_HEADER_BYTES];
    struct packet packet;
    if (size > sizeof(copy) || packet_decode(data, size, &packet) != PACKET_OK)
        return;
    memcpy(copy, data, size);
    struct route route = packet.route;
    while (!route_finished(&packet.route))
        packet_advance(copy, &packet);
    struct packet finished;
    assert(packet_decode(copy, size, &finished) == PACKET_OK);
    assert(route_equal(&finished.route, &packet.route));
    size_t length =
        packet_encode(&route, packet.flow_label, packet.hop_limit, packet.payload_type,
                      data + packet.payload_offset, packet.payload_length, again, sizeof(again));
    struct packet decoded;
    assert(length > 0 && packet_decode(again, length, &decoded) == PACKET_OK);
    assert(route_equal(&decoded.route, &route));
    assert(decoded.payload_length == packet.payload_length);
    struct path back = route_way_back(&route, 1);
    assert(back.count == route.count - 1);
}

static void check_icmp(const uint8_t *data, size_t size)
{
    static uint8_t bytes[UINT16_MAX];
    static uint8_t again[UINT16_MAX];
    struct sipp_address a = {1};
    struct sipp_address b = {2};
    struct icmp_message message;
    if (size < ICMP_HEADER_BYTES || size > sizeof(bytes))
        return;
    // The fuzzer is not asked to find checksums.
    memcpy(bytes, data, size);
    bytes[2] = 0;
    bytes[3] = 0;
    uint16_t sum = sipp_checksum(a, b, SIPP_PAYLOAD_ICMP, bytes, size);
    bytes[2] = (uint8_t)(sum >> 8);
    bytes[3] = (uint8_t)sum;
    if (!icmp_decode(a, b, bytes, size, &message))
        return;
    size_t length = icmp_encode(a, b, &message, again, sizeof(again));
    struct icmp_message decoded;
    assert(length > 0 && icmp_decode(a, b, again, length, &decoded));
    assert(decoded.type == message.type && decoded.code == message.code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_packet(data, size);
    check_icmp(data, size);
    return 0;
}
