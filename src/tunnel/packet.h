// SPDX-License-Identifier: BSD-2-Clause
// What a forwarder needs to know of an IPv4 or IPv6 packet. Compiles for BPF: fixed size, no
// calls.
//
//     IPv4 (RFC 791)                          IPv6 (RFC 8200)
//     0  version, header length               0  version, traffic class, flow label
//     1  traffic class                        4  payload length
//     2  total length                         6  next header
//     4  identification                       7  hop limit
//     6  DF, MF, fragment offset              8  source
//     8  TTL      9  protocol  10 checksum    24 destination
//     12 source   16 destination
#ifndef IVIP_TUNNEL_PACKET_H
#define IVIP_TUNNEL_PACKET_H

#include "base/address.h"
#include "tunnel/byte_order.h"
#include "tunnel/checksum.h"

#include <stdbool.h>
#include <stdint.h>

#define IPV4_HEADER_BYTES     20 // without options
#define IPV4_HEADER_BYTES_MAX 60
#define IPV6_HEADER_BYTES     40
#define PACKET_BYTES_MAX      65535 // the largest packet either family can describe here

#define IPV4_DONT_FRAGMENT   0x4000
#define IPV4_MORE_FRAGMENTS  0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff // in units of 8 octets

// Protocol numbers (IANA) that the tunnel handles by name.
enum protocol {
    PROTOCOL_HOP_OPTIONS = 0,
    PROTOCOL_ICMP = 1,
    PROTOCOL_IPV4 = 4, // an IPv4 packet inside
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_IPV6 = 41, // an IPv6 packet inside
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_DESTINATION_OPTIONS = 60,
};

// Why bytes are no packet.
enum packet_fault {
    PACKET_OK,
    PACKET_SHORT,         // fewer octets than a header
    PACKET_VERSION,       // neither IPv4 nor IPv6
    PACKET_HEADER_LENGTH, // IPv4 header length below 20 or past the end
    PACKET_LENGTH,        // longer than it is or a packet can be, or shorter than its header
    PACKET_CHECKSUM,      // IPv4 header checksum wrong
};

struct packet {
    uint8_t family;        // enum family
    uint8_t header_length; // octets: IPv4 with options, IPv6 without extension headers
    uint8_t protocol;      // IPv4 protocol, IPv6 next header
    uint8_t hop_limit;
    uint8_t traffic_class; // DSCP and ECN
    bool dont_fragment;    // IPv4: DF; IPv6: always
    bool fragment;         // IPv4: a fragment, first or later
    bool later_fragment;   // IPv4: a fragment other than the first
    uint32_t length;       // octets of the whole packet, by its own length field
    struct address source;
    struct address destination;
};

static inline enum packet_fault packet_parse_ipv4(const uint8_t *bytes, uint32_t length,
                                                  struct packet *packet)
{
    if (length < IPV4_HEADER_BYTES)
        return PACKET_SHORT;
    uint32_t header_length = (bytes[0] & 0x0fu) * 4u;
    if (header_length < IPV4_HEADER_BYTES || header_length > length)
        return PACKET_HEADER_LENGTH;
    uint32_t total = load_u16(bytes + 2);
    if (total < header_length || total > length)
        return PACKET_LENGTH;
    if (checksum_fold(checksum_add(0, bytes, header_length)) != 0xffff)
        return PACKET_CHECKSUM;
    uint16_t fragment = load_u16(bytes + 6);
    // Put together with the others it would be longer than a packet can be.
    if ((fragment & IPV4_FRAGMENT_OFFSET) * 8u + total - header_length > PACKET_BYTES_MAX)
        return PACKET_LENGTH;
    packet->family = FAMILY_IPV4;
    packet->header_length = (uint8_t)header_length;
    packet->protocol = bytes[9];
    packet->hop_limit = bytes[8];
    packet->traffic_class = bytes[1];
    packet->dont_fragment = (fragment & IPV4_DONT_FRAGMENT) != 0;
    packet->fragment = (fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)) != 0;
    packet->later_fragment = (fragment & IPV4_FRAGMENT_OFFSET) != 0;
    packet->length = total;
    packet->source.family = FAMILY_IPV4;
    packet->destination.family = FAMILY_IPV4;
    __builtin_memcpy(packet->source.octets, bytes + 12, 4);
    __builtin_memcpy(packet->destination.octets, bytes + 16, 4);
    return PACKET_OK;
}

static inline enum packet_fault packet_parse_ipv6(const uint8_t *bytes, uint32_t length,
                                                  struct packet *packet)
{
    if (length < IPV6_HEADER_BYTES)
        return PACKET_SHORT;
    uint32_t total = IPV6_HEADER_BYTES + (uint32_t)load_u16(bytes + 4);
    // Without payload there is no room for a hop-by-hop header but in a jumbogram (RFC 2675).
    bool jumbogram = total == IPV6_HEADER_BYTES && bytes[6] == PROTOCOL_HOP_OPTIONS;
    if (total > length || jumbogram)
        return PACKET_LENGTH;
    packet->family = FAMILY_IPV6;
    packet->header_length = IPV6_HEADER_BYTES;
    packet->protocol = bytes[6];
    packet->hop_limit = bytes[7];
    packet->traffic_class = (uint8_t)(bytes[0] << 4 | bytes[1] >> 4);
    packet->dont_fragment = true;
    packet->fragment = false;
    packet->later_fragment = false;
    packet->length = total;
    packet->source.family = FAMILY_IPV6;
    packet->destination.family = FAMILY_IPV6;
    __builtin_memcpy(packet->source.octets, bytes + 8, 16);
    __builtin_memcpy(packet->destination.octets, bytes + 24, 16);
    return PACKET_OK;
}

// Reads the IP header at `bytes`. What follows the packet's own length is no part of it. Nothing
// in `packet` may be used unless PACKET_OK is returned.
static inline enum packet_fault packet_parse(const uint8_t *bytes, uint32_t length,
                                             struct packet *packet)
{
    __builtin_memset(packet, 0, sizeof(*packet));
    if (length < 1)
        return PACKET_SHORT;
    switch (bytes[0] >> 4) {
    case 4:
        return packet_parse_ipv4(bytes, length, packet);
    case 6:
        return packet_parse_ipv6(bytes, length, packet);
    default:
        return PACKET_VERSION;
    }
}

// Changes the TTL or hop limit, and the IPv4 checksum with it.
static inline void packet_set_hop_limit(uint8_t *bytes, uint8_t hop_limit)
{
    if (bytes[0] >> 4 == 6) {
        bytes[7] = hop_limit;
        return;
    }
    uint16_t before = load_u16(bytes + 8);
    bytes[8] = hop_limit;
    store_u16(bytes + 10, checksum_replace(load_u16(bytes + 10), before, load_u16(bytes + 8)));
}

// Changes DSCP and ECN, and the IPv4 checksum with them.
static inline void packet_set_traffic_class(uint8_t *bytes, uint8_t traffic_class)
{
    if (bytes[0] >> 4 == 6) {
        bytes[0] = (uint8_t)((bytes[0] & 0xf0) | traffic_class >> 4);
        bytes[1] = (uint8_t)(traffic_class << 4 | (bytes[1] & 0x0f));
        return;
    }
    uint16_t before = load_u16(bytes);
    bytes[1] = traffic_class;
    store_u16(bytes + 10, checksum_replace(load_u16(bytes + 10), before, load_u16(bytes)));
}

// Computes the IPv4 header checksum anew.
static inline void ipv4_finish_header(uint8_t *header, uint32_t header_length)
{
    store_u16(header + 10, 0);
    store_u16(header + 10, checksum_finish(checksum_add(0, header, header_length)));
}

// True for an address that can be the source of a packet a router forwards, or of an answer to:
// one host's, not a group's, and not only of meaning on one link or host (RFC 1812 §5.3.7, RFC
// 4291 §2.5). IPv4: not 0/8, 127/8, 169.254/16, 224/3. IPv6: not ::/96, ::ffff:0:0/96, fe80::/10,
// ff00::/8.
static inline bool address_routable(const struct address *address)
{
    const uint8_t *octets = address->octets;
    if (address->family == FAMILY_IPV4)
        return octets[0] != 0 && octets[0] != 127 && octets[0] < 224 &&
               !(octets[0] == 169 && octets[1] == 254);
    if (address->family != FAMILY_IPV6)
        return false;
    if (octets[0] == 0xff || (octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80))
        return false;
    uint32_t a = load_u32(octets);
    uint32_t b = load_u32(octets + 4);
    uint32_t c = load_u32(octets + 8);
    return a != 0 || b != 0 || (c != 0 && c != 0xffff);
}

#endif
