// SPDX-License-Identifier: BSD-2-Clause
// ICMP errors that an ITR sends to the source of a packet it cannot carry (RFC 792, RFC 1191, RFC
// 1812 §4.3, RFC 4443). Compiles for BPF.
//
// They quote the packet as the host sent it, without any outer header, so that the host finds the
// connection it belongs to. The source address is filled in last (icmp_set_source): only the
// host's kernel knows by which of our addresses that host reaches us.
#ifndef IVIP_TUNNEL_ICMP_H
#define IVIP_TUNNEL_ICMP_H

#include "tunnel/packet.h"

enum icmp_error {
    ICMP_TOO_BIG,          // 3/4 fragmentation needed; ICMPv6 2/0 packet too big
    ICMP_HOST_UNREACHABLE, // 3/1; ICMPv6 1/3 address unreachable
    ICMP_NO_ROUTE,         // 3/0; ICMPv6 1/0
};

#define ICMP_HEADER_BYTES   8
#define ICMP_IPV4_BYTES_MAX 576  // RFC 1812 §4.3.2.3
#define ICMP_IPV6_BYTES_MAX 1280 // RFC 4443 §2.4(c)
#define ICMP_BYTES_MAX      ICMP_IPV6_BYTES_MAX
#define ICMP_HOP_LIMIT      64

// Extension headers stepped over to find out whether an IPv6 packet is itself an ICMP error.
#define ICMP_EXTENSIONS_MAX 6

static inline bool icmpv4_is_error(uint8_t type)
{
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

// True when an IPv6 packet is an ICMPv6 error or redirect, or cannot be seen not to be.
static inline bool icmpv6_is_error(const struct packet *packet, const uint8_t *bytes)
{
    uint8_t next = packet->protocol;
    uint32_t at = IPV6_HEADER_BYTES;
    for (int i = 0; i <= ICMP_EXTENSIONS_MAX; i++) {
        if (next == PROTOCOL_ICMPV6)
            return at >= packet->length || bytes[at] < 128 || bytes[at] == 137;
        bool fragment = next == PROTOCOL_FRAGMENT;
        if (next != PROTOCOL_HOP_OPTIONS && next != PROTOCOL_ROUTING && !fragment &&
            next != PROTOCOL_DESTINATION_OPTIONS)
            return false;
        if (at + 8 > packet->length)
            return true;
        if (fragment && (load_u16(bytes + at + 2) & 0xfff8) != 0)
            return false;
        next = bytes[at];
        at += fragment ? 8u : 8u + bytes[at + 1] * 8u;
    }
    return true;
}

// True where an ICMP error about this packet may be sent: not about an ICMP error, a later
// fragment, or a packet whose source or destination is not one host (RFC 1122 §3.2.2, RFC 4443
// §2.4(e)).
static inline bool icmp_allowed(const struct packet *packet, const uint8_t *bytes)
{
    if (!address_routable(&packet->source) || !address_routable(&packet->destination))
        return false;
    if (packet->family == FAMILY_IPV6)
        return !icmpv6_is_error(packet, bytes);
    if (packet->later_fragment)
        return false;
    if (packet->protocol != PROTOCOL_ICMP)
        return true;
    return packet->length > packet->header_length && !icmpv4_is_error(bytes[packet->header_length]);
}

// The octets in front of the quote, and of the quote itself.
static inline uint32_t icmp_overhead(uint8_t family)
{
    return ICMP_HEADER_BYTES + (family == FAMILY_IPV6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES);
}

static inline uint32_t icmp_quote(uint8_t family, uint32_t quoted_length)
{
    uint32_t most = family == FAMILY_IPV6 ? ICMP_IPV6_BYTES_MAX : ICMP_IPV4_BYTES_MAX;
    uint32_t room = most - icmp_overhead(family);
    return quoted_length < room ? quoted_length : room;
}

// Writes the headers in front of `quote` octets of a packet that already stand behind them.
static inline void icmp_write_ipv4(uint8_t *out, enum icmp_error error, uint32_t mtu,
                                   const struct packet *packet, uint32_t quote,
                                   uint32_t quoted_length)
{
    __builtin_memset(out, 0, IPV4_HEADER_BYTES + ICMP_HEADER_BYTES);
    out[0] = 0x45;
    out[1] = 0xc0; // internetwork control (RFC 1812 §4.3.2.5)
    store_u16(out + 2, (uint16_t)(IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + quote));
    out[8] = ICMP_HOP_LIMIT;
    out[9] = PROTOCOL_ICMP;
    __builtin_memcpy(out + 16, packet->source.octets, 4);
    uint8_t *icmp = out + IPV4_HEADER_BYTES;
    icmp[0] = 3;
    icmp[1] = error == ICMP_TOO_BIG ? 4 : error == ICMP_HOST_UNREACHABLE ? 1 : 0;
    if (error == ICMP_TOO_BIG)
        store_u16(icmp + 6, (uint16_t)mtu);
    uint8_t *quoted = icmp + ICMP_HEADER_BYTES;
    if (quoted_length != packet->length) {
        store_u16(quoted + 2, (uint16_t)quoted_length);
        ipv4_finish_header(quoted, packet->header_length);
    }
    store_u16(icmp + 2, checksum_finish(checksum_add(0, icmp, ICMP_HEADER_BYTES + quote)));
}

// The same for IPv6. The checksum covers the source, so icmp_set_source computes it.
static inline void icmp_write_ipv6(uint8_t *out, enum icmp_error error, uint32_t mtu,
                                   const struct packet *packet, uint32_t quote,
                                   uint32_t quoted_length)
{
    __builtin_memset(out, 0, IPV6_HEADER_BYTES + ICMP_HEADER_BYTES);
    out[0] = 0x60;
    store_u16(out + 4, (uint16_t)(ICMP_HEADER_BYTES + quote));
    out[6] = PROTOCOL_ICMPV6;
    out[7] = ICMP_HOP_LIMIT;
    __builtin_memcpy(out + 24, packet->source.octets, 16);
    uint8_t *icmp = out + IPV6_HEADER_BYTES;
    icmp[0] = error == ICMP_TOO_BIG ? 2 : 1;
    icmp[1] = error == ICMP_HOST_UNREACHABLE ? 3 : 0;
    if (error == ICMP_TOO_BIG)
        store_u32(icmp + 4, mtu);
    if (quoted_length != packet->length)
        store_u16(icmp + ICMP_HEADER_BYTES + 4, (uint16_t)(quoted_length - IPV6_HEADER_BYTES));
}

// Writes an ICMP error about the packet at `bytes` into `out` (ICMP_BYTES_MAX) and returns its
// length; 0 where none may be sent. `mtu` only counts for ICMP_TOO_BIG. `quoted_length` is the
// packet's length, or for a super-packet that of one of its segments: what the host would see on
// its wire; the quoted length field says that. The source address is still zero. (BPF, which
// cannot copy a variable length, makes room in front of the packet and calls the two above.)
static inline uint32_t icmp_write(uint8_t out[ICMP_BYTES_MAX], enum icmp_error error, uint32_t mtu,
                                  const struct packet *packet, const uint8_t *bytes,
                                  uint32_t quoted_length)
{
    if (!icmp_allowed(packet, bytes) || quoted_length > packet->length ||
        quoted_length < packet->header_length)
        return 0;
    uint32_t quote = icmp_quote(packet->family, quoted_length);
    __builtin_memcpy(out + icmp_overhead(packet->family), bytes, quote);
    if (packet->family == FAMILY_IPV6)
        icmp_write_ipv6(out, error, mtu, packet, quote, quoted_length);
    else
        icmp_write_ipv4(out, error, mtu, packet, quote, quoted_length);
    return icmp_overhead(packet->family) + quote;
}

// Where an error that icmp_write wrote is to be sent: the source of the packet it is about.
static inline struct address icmp_destination(const uint8_t *icmp)
{
    struct address destination = {0};
    if (icmp[0] >> 4 == 4) {
        destination.family = FAMILY_IPV4;
        __builtin_memcpy(destination.octets, icmp + 16, 4);
    } else {
        destination.family = FAMILY_IPV6;
        __builtin_memcpy(destination.octets, icmp + 24, 16);
    }
    return destination;
}

// Puts in the source address, of the packet's family, and completes the checksums. `length` is
// what icmp_write returned.
static inline void icmp_set_source(uint8_t *icmp, uint32_t length, const struct address *source)
{
    if (icmp[0] >> 4 == 4) {
        __builtin_memcpy(icmp + 12, source->octets, 4);
        ipv4_finish_header(icmp, IPV4_HEADER_BYTES);
        return;
    }
    __builtin_memcpy(icmp + 8, source->octets, 16);
    uint8_t *body = icmp + IPV6_HEADER_BYTES;
    uint32_t body_length = length - IPV6_HEADER_BYTES;
    store_u16(body + 2, 0);
    uint64_t sum = checksum_pseudo_header(icmp + 8, icmp + 24, 16, PROTOCOL_ICMPV6, body_length);
    store_u16(body + 2, checksum_finish(checksum_add(sum, body, body_length)));
}

#endif
