// SPDX-License-Identifier: BSD-2-Clause
// The ITR: what to do with each packet whose destination lies in a MAB (arch §1.4, §1.7, §2.23).
//
// A core without I/O. The shell reads packets from the TUN and gives them to itr_input, whose
// verdict it carries out at once:
//
//     packet --> itr_input --> TUNNEL   send the pieces of result.segments to result.etr
//                              PATH     tell itr_set_path the way to result.etr, then input again
//                              HELD     nothing: the core has a copy and asks
//                              ICMP     send result.icmp to the packet's source
//                              DROP     nothing; counted by reason
//                              FORWARD  send the pieces, which have no outer header, by the
//                              network's
//                                       other way to ITRs: they are for who knows their mapping
//                              PASS     no business of Ivip: let it go on as it came
//
// Mappings come from one of two sources: a database that the node keeps in step (full-database
// ITR, DITR), or the ITR's own cache, filled through itr_learn with the answers to the questions
// that itr_next_question gives out. After learning or failing, and after itr_tick, the shell takes
// packets that were held with itr_next_ready and inputs them again, before it reads new ones: so
// packets stay in order.
//
// A packet whose mapping must be asked for first is held, handed to a named ITR with all mappings
// inside a tunnel, or let go by the other way (enum itr_unmapped; arch §2.25, §10).
//
// Never, whatever the mapping says, does a packet go to an address that lies in a MAB, in a
// refused prefix, or that is not one host's.
#ifndef IVIP_TUNNEL_ITR_H
#define IVIP_TUNNEL_ITR_H

#include "base/instant.h"
#include "base/random.h"
#include "base/range.h"
#include "mapping/database.h"
#include "tunnel/etr_paths.h"
#include "tunnel/hold.h"
#include "tunnel/icmp.h"
#include "tunnel/mapping_cache.h"
#include "tunnel/segments.h"
#include "tunnel/sightings.h"
#include "tunnel/usage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ITR_CACHED_MAX       65536 // ranges in the cache
#define ITR_ETRS_MAX         65536 // ETRs remembered
#define ITR_USAGE_MAX        65536 // micronets counted
#define ITR_TOO_BIG_RATE     1000  // ICMP too big a second, and as many at once
#define ITR_UNREACHABLE_RATE 100   // ICMP unreachable a second, and as many at once

// What happens to a packet while its mapping is asked for.
enum itr_unmapped {
    ITR_UNMAPPED_HOLD,
    ITR_UNMAPPED_TUNNEL, // to the fallback
    ITR_UNMAPPED_PASS,   // by the other way
};

struct itr_config {
    size_t hold_packets;       // most packets held; at least 1
    struct duration hold_time; // longest a packet is held
    enum itr_unmapped unmapped;
    struct address fallback; // with ITR_UNMAPPED_TUNNEL: the ITR to hand packets to
    uint32_t pass_mtu;       // with ITR_UNMAPPED_PASS: octets that the other way carries
    bool ask_second;         // ask only for destinations that were seen twice (sightings.h)
    size_t cached_max;       // the limits above, when 0
    size_t etrs_max;
    size_t usage_max;
    struct usage_memory *usage; // counters that outlive the process, or NULL: the ITR's own. Stays
                                // the caller's, and must outlive the ITR
};

enum itr_verdict { ITR_TUNNEL, ITR_PATH, ITR_HELD, ITR_ICMP, ITR_DROP, ITR_PASS, ITR_FORWARD };

// Why a packet was not tunnelled. With verdict ICMP and DROP alike: ICMP is only sent as often as
// the limits allow, and where the RFCs do.
enum itr_reason {
    ITR_REASON_NONE,
    ITR_REASON_MALFORMED,        // no IP packet
    ITR_REASON_OFFLOAD,          // the virtio-net header does not fit the packet
    ITR_REASON_SOURCE,           // the source is not one host's address
    ITR_REASON_TTL,              // TTL or hop limit is 0
    ITR_REASON_NOT_IN_MAB,       // no MAB covers the destination
    ITR_REASON_ZERO,             // mapped to zero, or in no micronet: host unreachable
    ITR_REASON_NO_MAPPING,       // no query server answered: network unreachable
    ITR_REASON_HOLD_FULL,        // too many packets wait already
    ITR_REASON_ETR_NOT_ROUTABLE, // the mapping names no host's address
    ITR_REASON_ETR_IN_MAB,       // the ETR lies in a MAB
    ITR_REASON_ETR_REFUSED,      // the ETR lies in a refused prefix
    ITR_REASON_ETR_UNREACHABLE,  // there is no route to the ETR: network unreachable
    ITR_REASON_TOO_BIG,          // longer than the path carries: fragmentation needed
    ITR_REASON_COUNT,
};

struct itr_counters {
    uint64_t packets;       // given to itr_input, a super-packet counts once, re-inputs too
    uint64_t tunnelled;     // packets, a super-packet counts once
    uint64_t super_packets; // of those
    uint64_t segments;      // inner packets that left, before fragmentation
    uint64_t octets;        // of those
    uint64_t fragmented;    // packets that were longer than the path carries and were cut up
    uint64_t handed_over;   // to the fallback, segments singly; none of the counts above
    uint64_t let_go;        // by the other way, segments singly; none of the counts above
    uint64_t not_asked;     // packets without mapping that were the first for their destination
    uint64_t icmp_sent;
    uint64_t icmp_limited; // not sent because of the rate limits
    uint64_t reasons[ITR_REASON_COUNT];
};

// What itr_input decided. Only the fields that the verdict names count.
struct itr_result {
    enum itr_verdict verdict;
    enum itr_reason reason;    // ICMP, DROP, PASS
    struct address etr;        // TUNNEL (the fallback, too), PATH
    struct segmenter segments; // TUNNEL, FORWARD; points into the packet
    uint32_t icmp_length;      // ICMP; the source address is still to be set (icmp_set_source)
    uint8_t icmp[ICMP_BYTES_MAX];
};

struct itr;

struct itr *itr_new(const struct itr_config *config, struct random_seed seed, struct instant now);
void itr_free(struct itr *itr);

// Takes mappings from a database, which stays the caller's and must outlive the ITR; NULL: from
// the cache.
void itr_set_database(struct itr *itr, const struct database *database);

// The MABs: with the cache, destinations elsewhere are passed; always, no ETR may lie in one.
// Adding one that overlaps another is an error.
bool itr_add_mab(struct itr *itr, const struct prefix *mab, struct error *error);
bool itr_remove_mab(struct itr *itr, const struct prefix *mab);
// The prefixes that no packet may be tunnelled into; copies the list, which replaces the one
// before.
void itr_set_refused(struct itr *itr, const struct prefix *prefixes, size_t count);

// Decides about a packet of `length` octets at `bytes`. Unfinished checksums are finished in
// place, and `offload` is changed to say so.
enum itr_verdict itr_input(struct itr *itr, struct instant now, uint8_t *bytes, uint32_t length,
                           struct offload *offload, struct itr_result *result);

// The way to an ETR: the octets that an outer packet may have (0: no route) and the address of
// ours that the kernel would send from, which is used for ETRs of the other family than the packet
// (FAMILY_NONE: there is none). MTUs below what every path must carry are raised to that.
void itr_set_path(struct itr *itr, struct instant now, const struct address *etr, uint32_t mtu,
                  const struct address *source);
// The way to an ETR has changed (EMSGSIZE): find it out again with the next packet.
void itr_forget_path(struct itr *itr, const struct address *etr);

// The next address whose mapping is to be asked for: of held packets, and of cached ranges in use
// that expire soon.
bool itr_next_question(struct itr *itr, struct address *address);
// The mapping of a range until `expires`; an `etr` of FAMILY_NONE is zero.
void itr_learn(struct itr *itr, struct instant now, const struct range *range,
               const struct address *etr, struct instant expires);
void itr_forget(struct itr *itr, const struct range *range);
// Nobody answered the question for this address.
void itr_failed(struct itr *itr, struct instant now, const struct address *address);
// Takes out the next packet that was held into `buffer` (PACKET_BYTES_MAX).
bool itr_next_ready(struct itr *itr, uint8_t *buffer, uint32_t *length, struct offload *offload);

struct instant itr_next_deadline(const struct itr *itr);
void itr_tick(struct itr *itr, struct instant now);

const struct itr_counters *itr_counters(const struct itr *itr);
const struct hold *itr_hold(const struct itr *itr);
const struct mapping_cache *itr_cache(const struct itr *itr);
const struct etr_paths *itr_paths(const struct itr *itr);
struct usage_table *itr_usage(struct itr *itr);

// A word in kebab-case for metrics and status.
const char *itr_reason_name(enum itr_reason reason);

#endif
