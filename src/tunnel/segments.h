// SPDX-License-Identifier: BSD-2-Clause
// From one packet of the TUN to the packets that leave for the ETR.
//
// The kernel hands over super-packets of up to 64 KB (TSO, USO): one TCP or UDP header and the
// payload of many segments. The decision is made once for all of them; only then are they cut up,
// because the kernel takes no IP-in-IP GSO from user space. Three cuts, most packets need none:
//
//     packet      [ip][tcp][..........................payload............................]
//     segments    [ip][tcp][.............]  [ip][tcp][.............]  [ip][tcp][.........]
//     fragments   each segment of IPv4 without DF that is longer than the path carries
//     outer       an IPv6 packet of up to 1,280 octets that does not fit the path must be carried
//                 all the same (RFC 8200 §5): the outer packet is fragmented
//
// A piece is one outgoing packet as two buffers for an iovec: headers that were written here, and
// payload that still lies in the packet.
#ifndef IVIP_TUNNEL_SEGMENTS_H
#define IVIP_TUNNEL_SEGMENTS_H

#include "tunnel/encapsulation.h"

#include <stdbool.h>
#include <stdint.h>

// The longest inner IP and transport headers that segmentation copies.
#define SEGMENT_HEADER_BYTES_MAX 192
#define FRAGMENT_HEADER_BYTES    8 // of IPv6
#define PIECE_HEADER_BYTES_MAX   (OUTER_BYTES_MAX + FRAGMENT_HEADER_BYTES + SEGMENT_HEADER_BYTES_MAX)
// The least MTU of any IPv6 path (RFC 8200 §5); no smaller one is ever told to a host.
#define IPV6_MTU_MIN 1280
// The least outer MTU believed of an IPv4 path.
#define IPV4_MTU_MIN 576

enum offload_kind { OFFLOAD_NONE, OFFLOAD_TCP, OFFLOAD_UDP };

// What the kernel left undone on a packet (the fields of a virtio-net header).
struct offload {
    enum offload_kind kind;
    uint16_t segment_size;    // octets of payload a segment, for TCP and UDP
    bool checksum_unfinished; // always true for TCP and UDP
    uint16_t checksum_start;  // octets from the IP header to the transport header
    uint16_t checksum_offset; // octets from there to the checksum field
};

enum offload_fault {
    OFFLOAD_OK,
    OFFLOAD_BAD_START,  // checksum or transport header outside the packet
    OFFLOAD_BAD_HEADER, // transport header too short or longer than the limit
    OFFLOAD_BAD_SIZE,   // segment size zero
};

// A packet being cut, and the place in it. Points into the packet.
struct segmenter {
    struct packet inner;
    const uint8_t *bytes;
    enum offload_kind kind;
    struct address source;   // of the outer headers
    struct address etr;      // their destination
    uint32_t outer_mtu;      // octets an outgoing packet may have
    bool bare;               // no outer header: packets go on as they came
    uint16_t identification; // of the next outer header; never 0

    uint32_t ip_length;     // inner IP header, with extension headers where segments repeat them
    uint32_t header_length; // what each segment repeats: IP and transport header; 0: the packet
                            // leaves whole
    uint32_t segment_size;  // payload octets a segment
    uint32_t cut;           // payload octets that were put into segments
    uint32_t segments;      // how many segments were made

    // The current segment: headers here, payload in the packet.
    uint8_t header[SEGMENT_HEADER_BYTES_MAX];
    const uint8_t *payload;
    uint32_t payload_length;
    uint32_t sent;          // octets of it already out in fragments; 0: none, it is new
    bool fragmenting;       // inner fragments of it are under way
    bool fragmenting_outer; // outer fragments are
};

// One outgoing packet: send `header`, then `payload`.
struct piece {
    uint8_t header[PIECE_HEADER_BYTES_MAX];
    uint32_t header_length;
    const uint8_t *payload;
    uint32_t payload_length;
};

// Checks what the kernel said about a packet, and finishes the checksum of one that is not to be
// segmented.
enum offload_fault offload_check(uint8_t *bytes, const struct packet *packet,
                                 struct offload *offload);
// The length of the largest segment that a checked packet will be cut into: what a path MTU is to
// be compared with.
uint32_t offload_segment_length(const uint8_t *bytes, const struct packet *packet,
                                const struct offload *offload);

// Begins to cut a checked packet for a tunnel. `source` is the outer source, of the ETR's family.
// The packet stays the caller's and must not change until its pieces are sent.
void segmenter_start(struct segmenter *segmenter, const uint8_t *bytes, const struct packet *packet,
                     const struct offload *offload, const struct address *source,
                     const struct address *etr, uint32_t outer_mtu, uint16_t identification);
// The same for a packet that goes on without a tunnel, by a way that carries `mtu` octets; pieces
// have its own destination, which is left in `etr`. Packets longer than that must be of IPv4
// without DF.
void segmenter_start_bare(struct segmenter *segmenter, const uint8_t *bytes,
                          const struct packet *packet, const struct offload *offload, uint32_t mtu);
// The next outgoing packet; false when there is none left.
bool segmenter_next(struct segmenter *segmenter, struct piece *piece);

#endif
