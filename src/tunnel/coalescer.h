// SPDX-License-Identifier: BSD-2-Clause
// Joins TCP segments of one batch into super-packets, so that the kernel forwards one packet where
// dozens came: the reverse of segments.h.
//
//     batch     [a1] [b1] [a2] [a3] [udp] [b2]
//     out       [a1 a2 a3]     [b1 b2]    [udp]
//
// Segments are joined when they follow each other in one connection with equal headers: what the
// kernel cuts the super-packet into again are the segments that came, but for the identification of
// IPv4, which it counts up from the first one's and which means nothing with DF (RFC 6864). Only
// IPv4 with DF and without options and IPv6 without extension headers; only ACK and PSH set;
// checksums must be right, for they are made anew. Everything else goes through as it came. Packets
// of one connection stay in order.
//
// Nothing is copied: a super-packet is a list of parts that lie in the packets of the batch.
#ifndef IVIP_TUNNEL_COALESCER_H
#define IVIP_TUNNEL_COALESCER_H

#include "tunnel/segments.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COALESCER_BATCH 64 // packets between two calls of coalescer_begin

struct coalesced_part {
    const uint8_t *bytes;
    uint32_t length;
};

// One packet to hand over: its parts, one after the other.
struct coalesced_packet {
    struct coalesced_part parts[COALESCER_BATCH];
    size_t count;
    uint32_t length; // of all parts
    struct offload offload;
    // Of the coalescer: the connection's state; next_sequence counts only while it is open.
    uint8_t *first; // the first segment, whose headers are those of the whole
    uint32_t header_length;
    uint32_t ip_length;
    uint32_t next_sequence;
    bool open;
    bool push; // the last segment had PSH
};

struct coalescer {
    struct coalesced_packet packets[COALESCER_BATCH];
    size_t count;
    size_t taken;
};

// Begins a batch.
void coalescer_begin(struct coalescer *coalescer);
// Adds a packet, whose bytes stay where they are until the batch was taken. Its headers may be
// changed. At most COALESCER_BATCH in a batch.
void coalescer_add(struct coalescer *coalescer, uint8_t *bytes, uint32_t length,
                   const struct offload *offload);
// Takes the next packet out, finished; NULL at the end of the batch.
const struct coalesced_packet *coalescer_next(struct coalescer *coalescer);

#endif
