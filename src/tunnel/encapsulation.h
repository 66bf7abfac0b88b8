// SPDX-License-Identifier: BSD-2-Clause
// One IP packet inside another (RFC 2003 and RFC 2473, without their options). Compiles for BPF.
//
//     +-----------------+------------------+---------+
//     | outer IP header | inner IP header  | payload |     protocol 4: IPv4 inside, 41: IPv6
//     +-----------------+------------------+---------+
//       src = inner src   src, dst untouched
//       dst = ETR
//
// - The outer source is the inner source, not the ITR (arch §14.1): the border filters of the
//   ETR's network then go on to catch forged inner sources.
// - TTL or hop limit is copied both ways (arch §1.4), so that the tunnel looks like the routers it
//   goes through: a loop ends, and traceroute counts true.
// - DSCP is copied to the outer header; ECN is carried as RFC 6040 says.
#ifndef IVIP_TUNNEL_ENCAPSULATION_H
#define IVIP_TUNNEL_ENCAPSULATION_H

#include "tunnel/packet.h"

#define OUTER_BYTES_MAX IPV6_HEADER_BYTES

enum ecn { ECN_NOT_CAPABLE = 0, ECN_CAPABLE_1 = 1, ECN_CAPABLE_0 = 2, ECN_CONGESTED = 3 };

// The octets that an outer header to an ETR of this family adds.
static inline uint32_t encapsulation_overhead(uint8_t family)
{
    return family == FAMILY_IPV6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
}

static inline uint8_t encapsulation_protocol(uint8_t inner_family)
{
    return inner_family == FAMILY_IPV6 ? PROTOCOL_IPV6 : PROTOCOL_IPV4;
}

// Writes an outer header for `inner_length` octets of `inner` and returns its length: 20 for an
// IPv4 destination, 40 for IPv6. `source` is of the family of `destination`. The identification
// and DF only count for IPv4.
static inline uint32_t encapsulate(uint8_t outer[OUTER_BYTES_MAX], const struct packet *inner,
                                   uint32_t inner_length, const struct address *source,
                                   const struct address *destination, uint16_t identification,
                                   bool dont_fragment)
{
    uint8_t protocol = encapsulation_protocol(inner->family);
    if (destination->family == FAMILY_IPV6) {
        // The flow label stays zero: it would have to be chosen for the outer source (RFC 6437).
        outer[0] = (uint8_t)(0x60 | inner->traffic_class >> 4);
        outer[1] = (uint8_t)(inner->traffic_class << 4);
        outer[2] = 0;
        outer[3] = 0;
        store_u16(outer + 4, (uint16_t)inner_length);
        outer[6] = protocol;
        outer[7] = inner->hop_limit;
        __builtin_memcpy(outer + 8, source->octets, 16);
        __builtin_memcpy(outer + 24, destination->octets, 16);
        return IPV6_HEADER_BYTES;
    }
    outer[0] = 0x45;
    outer[1] = inner->traffic_class;
    store_u16(outer + 2, (uint16_t)(IPV4_HEADER_BYTES + inner_length));
    store_u16(outer + 4, identification);
    store_u16(outer + 6, dont_fragment ? IPV4_DONT_FRAGMENT : 0);
    outer[8] = inner->hop_limit;
    outer[9] = protocol;
    __builtin_memcpy(outer + 12, source->octets, 4);
    __builtin_memcpy(outer + 16, destination->octets, 4);
    ipv4_finish_header(outer, IPV4_HEADER_BYTES);
    return IPV4_HEADER_BYTES;
}

// The inner traffic class after decapsulation (RFC 6040 figure 4). False: congestion was
// signalled on a packet whose sender cannot hear it, which must be dropped.
static inline bool decapsulated_traffic_class(uint8_t outer, uint8_t inner, uint8_t *result)
{
    uint8_t outer_ecn = outer & 3;
    uint8_t inner_ecn = inner & 3;
    uint8_t ecn = inner_ecn;
    if (outer_ecn == ECN_CONGESTED) {
        if (inner_ecn == ECN_NOT_CAPABLE)
            return false;
        ecn = ECN_CONGESTED;
    } else if (outer_ecn == ECN_CAPABLE_1 && inner_ecn == ECN_CAPABLE_0) {
        ecn = ECN_CAPABLE_1;
    }
    *result = (uint8_t)((inner & ~3) | ecn);
    return true;
}

// Makes the inner packet at `bytes` what it would be had it come by the outer one's path: TTL and
// ECN. False: drop it (ECN, above).
//
// An outer TTL above the inner cannot come from an ITR, which copies it; the smaller of the two is
// taken so that nobody can give packets new life.
static inline bool decapsulate(uint8_t *bytes, const struct packet *inner, uint8_t outer_hop_limit,
                               uint8_t outer_traffic_class)
{
    uint8_t traffic_class;
    if (!decapsulated_traffic_class(outer_traffic_class, inner->traffic_class, &traffic_class))
        return false;
    if (traffic_class != inner->traffic_class)
        packet_set_traffic_class(bytes, traffic_class);
    if (outer_hop_limit < inner->hop_limit)
        packet_set_hop_limit(bytes, outer_hop_limit);
    return true;
}

#endif
