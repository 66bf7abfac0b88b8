// SPDX-License-Identifier: BSD-2-Clause
// The ETR: which tunnelled packets to take out of their outer header and deliver (arch §2.27,
// §14.1).
//
//     outer header + payload --> etr_input --> DELIVER  write the inner packet to the TUN; the
//                                                       kernel forwards it
//                                              DROP     counted by reason
//
// It trusts nobody. The inner source must be the outer source: the network's border filters have
// seen that one. An inner packet of the other family cannot be checked so; it is taken only where
// refuse_sources lists prefixes of its family, because that list is then all that keeps out packets
// that pretend to come from the network itself.
#ifndef IVIP_TUNNEL_ETR_H
#define IVIP_TUNNEL_ETR_H

#include "base/range.h"
#include "tunnel/segments.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct etr_config {
    const struct range *serves; // ranges delivered to; may overlap
    size_t serve_count;
    const struct prefix *refuse_sources; // inner sources refused
    size_t refuse_source_count;
    // With any, inner and outer source must lie in one of these, and the inner packet may be of the
    // other family: what a fallback ITR takes from the ITRs of its own network.
    const struct prefix *accept_sources;
    size_t accept_source_count;
    bool serves_all; // the destination does not matter: whoever takes the packet looks at it
};

enum etr_verdict { ETR_DELIVER, ETR_DROP };

enum etr_reason {
    ETR_REASON_NONE,
    ETR_REASON_OUTER,           // the outer header is no IP header
    ETR_REASON_INNER,           // the payload is no IP packet of the protocol's family
    ETR_REASON_SOURCE_MISMATCH, // inner and outer source differ
    ETR_REASON_FAMILY_MIXED,    // inner of the other family, and no list of refused sources
    ETR_REASON_SOURCE,          // the inner source is not one host's address
    ETR_REASON_SOURCE_REFUSED,  // the inner source is in a refused prefix
    ETR_REASON_NOT_SERVED,      // the inner destination is not one it delivers to
    ETR_REASON_TTL,             // TTL or hop limit is 0
    ETR_REASON_CONGESTION,      // congestion marked, and the sender cannot hear it (RFC 6040)
    ETR_REASON_COUNT,
};

struct etr_counters {
    uint64_t packets; // given to etr_input
    uint64_t delivered;
    uint64_t octets; // of inner packets delivered
    uint64_t reasons[ETR_REASON_COUNT];
};

// An outer header, however the shell came by it.
struct etr_outer {
    struct address source;
    uint8_t protocol; // PROTOCOL_IPV4 or PROTOCOL_IPV6
    uint8_t hop_limit;
    uint8_t traffic_class;
};

// What to deliver: octets of the payload given to etr_input, which was changed in place.
struct etr_delivery {
    uint32_t length;
    struct offload offload; // the inner checksum may be unfinished, see etr.c
};

struct etr;

// Copies the config.
struct etr *etr_new(const struct etr_config *config);
void etr_free(struct etr *etr);
// Takes over another config; counters go on.
void etr_reconfigure(struct etr *etr, const struct etr_config *config);

// Reads the outer IPv4 header of a received packet; *payload is where the inner packet begins.
// False (counted) where it is none.
bool etr_read_outer(struct etr *etr, const uint8_t *bytes, uint32_t length, struct etr_outer *outer,
                    uint32_t *payload);
// Decides about the `length` octets behind an outer header.
enum etr_verdict etr_input(struct etr *etr, const struct etr_outer *outer, uint8_t *payload,
                           uint32_t length, struct etr_delivery *delivery);

const struct etr_counters *etr_counters(const struct etr *etr);
// A word in kebab-case for metrics and status.
const char *etr_reason_name(enum etr_reason reason);

#endif
