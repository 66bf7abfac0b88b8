// SPDX-License-Identifier: BSD-2-Clause
// SIPP packets on the wire: the header, the Routing Header and how it is advanced in place.
//
//      0                8                16               24             31
//     +-------+--------------------------------------------------------+
//     | vers 6|                   flow label (28 bits)                 |
//     +-------+------------------------+----------------+--------------+
//     |        payload length          |  payload type  |  hop limit   |
//     +--------------------------------+----------------+--------------+
//     |                     source address (64 bits)                   |
//     |                   destination address (64 bits)                |
//     +----------------------------------------------------------------+
//     |                            reserved                            |  Routing Header, present
//     when
//     +----------------+----------------+----------------+--------------+  payload type is 43
//     |   num addrs    |   next addr    |  payload type  |   reserved   |
//     +----------------+----------------+----------------+--------------+
//     |                   address[0 .. num addrs - 1]                  |
//     +----------------------------------------------------------------+
//
// Payload length counts what follows the 24 bytes. Next addr is the index of the address that
// becomes active next: advancing swaps it with the destination field (§3.1), so
//
//     source field, address[0 .. next-1], destination field, address[next ..]
//
// read in this order is the route sequence.
#ifndef SIPP_LIB_PACKET_H
#define SIPP_LIB_PACKET_H

#include "sipp/lib/route.h"

#define SIPP_VERSION             6
#define SIPP_HEADER_BYTES        24
#define SIPP_ROUTING_FIXED_BYTES 8
#define SIPP_ROUTING_MAX         (ROUTE_MAX - 2) // most addresses in a Routing Header
#define SIPP_HEADERS_MAX                                                                           \
    (SIPP_HEADER_BYTES + SIPP_ROUTING_FIXED_BYTES + SIPP_ROUTING_MAX * SIPP_ADDRESS_OCTETS)
#define SIPP_HOP_LIMIT_DEFAULT 64
#define SIPP_MTU_MIN           576  // every link carries this much (RFC 8507)
#define SIPP_PACKET_MAX        9000 // largest packet a node here builds or holds

// Payload types are IPv4 protocol numbers (RFC 1710 §4.1).
enum sipp_payload_type {
    SIPP_PAYLOAD_ICMP = 1,
    SIPP_PAYLOAD_IPV4 = 4, // a whole IPv4 packet: what gateways carry
    SIPP_PAYLOAD_UDP = 17,
    SIPP_PAYLOAD_SIPP = 41, // a whole SIPP packet: home stations tunnel with it
    SIPP_PAYLOAD_ROUTING = 43,
};

// Why bytes are not a packet. `PACKET_OK` is 0.
enum packet_fault {
    PACKET_OK,
    PACKET_TOO_SHORT,           // less than a header
    PACKET_NOT_SIPP,            // another version
    PACKET_CUT,                 // payload length says more than there is
    PACKET_ROUTING_CUT,         // the Routing Header runs past the payload
    PACKET_ROUTING_TOO_LONG,    // more than SIPP_ROUTING_MAX addresses
    PACKET_ROUTING_NEXT_BEYOND, // next addr is greater than num addrs
    PACKET_ROUTING_TWICE,       // a Routing Header behind a Routing Header
    PACKET_FAULTS,
};

// A decoded packet; `payload` points into the bytes it was decoded from.
struct packet {
    uint32_t flow_label; // 28 bits
    uint8_t hop_limit;
    struct route route;
    uint8_t payload_type; // of the transport payload, behind a Routing Header
    size_t payload_offset;
    size_t payload_length;
    size_t length; // of the whole packet; bytes behind it (link padding) are not part of it
};

// A stable word for each fault, for counters and logs.
const char *packet_fault_name(enum packet_fault fault);
// Where the fault lies, as the offset that a Parameter Problem carries.
uint32_t packet_fault_pointer(enum packet_fault fault);

// Reads headers from bytes off a link. What `packet` holds means something only for PACKET_OK.
enum packet_fault packet_decode(const uint8_t *bytes, size_t length, struct packet *packet);

// The same for the beginning of a packet that an ICMP error quotes: its payload may be cut, its
// headers not. Lengths are those of what is there.
enum packet_fault packet_decode_quote(const uint8_t *bytes, size_t length, struct packet *packet);

// Writes headers and payload into `buffer`; a Routing Header only where the route has more than
// two addresses. Returns the bytes written, or 0 where `size` or 65,535 bytes do not hold them or
// the payload type is SIPP_PAYLOAD_ROUTING: a packet has at most one Routing Header.
size_t packet_encode(const struct route *route, uint32_t flow_label, uint8_t hop_limit,
                     uint8_t payload_type, const uint8_t *payload, size_t payload_length,
                     uint8_t *buffer, size_t size);

// Bytes of the headers that a route sequence needs.
size_t packet_headers_length(const struct route *route);

// Makes the next address active in the bytes themselves. The packet must have decoded and not be
// finished.
void packet_advance(uint8_t *bytes, struct packet *packet);
// Takes one from the hop limit in the bytes; it must not be 0.
void packet_decrement_hop_limit(uint8_t *bytes, struct packet *packet);

#endif
