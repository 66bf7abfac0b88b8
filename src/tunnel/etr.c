// SPDX-License-Identifier: BSD-2-Clause
//
// Unfinished checksums. A TCP or UDP checksum that holds just the sum of the pseudo-header was left
// to a network card that never came: the packet crossed only virtual links, or the kernel of this
// machine coalesced several TCP segments into one (GRO) before we saw them. Such a packet is
// delivered with the note that its checksum is to be finished; one that is longer than an Ethernet
// frame, also with the note to cut it into packets of ETR_SEGMENT_BYTES, since the size the sender
// chose is not known any more. A finished checksum looks like that once in 65,536 packets;
// finishing it again does no harm.
#include "tunnel/etr.h"

#include "base/memory.h"
#include "tunnel/prefix_set.h"

#include <assert.h>
#include <stdlib.h>

// Every path carries TCP segments that make packets of this size (RFC 8200 §5).
#define ETR_SEGMENT_BYTES 1280
// Unfinished TCP packets longer than this may have been coalesced here.
#define ETR_PACKET_BYTES_MAX 1500

#define TCP_HEADER_BYTES_MIN 20
#define TCP_CHECKSUM         16
#define UDP_HEADER_BYTES     8
#define UDP_CHECKSUM         6

struct etr {
    struct range *serves; // sorted by family and start, merged: ends rise too
    size_t serve_count;
    struct prefix_set *refused;
    bool refuses_ipv4; // lists prefixes of that family
    bool refuses_ipv6;
    struct prefix_set *accepted; // empty: all
    bool serves_all;
    struct etr_counters counters;
};

static int compare_ranges(const void *a, const void *b)
{
    const struct range *left = a;
    const struct range *right = b;
    if (left->family != right->family)
        return left->family < right->family ? -1 : 1;
    return left->start.index < right->start.index ? -1 : left->start.index > right->start.index;
}

// Sorts the ranges and joins those that overlap; returns how many are left.
static size_t merge_ranges(struct range *ranges, size_t count)
{
    if (count == 0)
        return 0;
    qsort(ranges, count, sizeof(*ranges), compare_ranges);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++) {
        struct range *last = &ranges[kept - 1];
        if (!range_overlaps(last, &ranges[i])) {
            ranges[kept++] = ranges[i];
        } else if (range_last(&ranges[i]).index > range_last(last).index) {
            *last = range_between(last->family, last->start, range_last(&ranges[i]));
        }
    }
    return kept;
}

static void free_rules(struct etr *etr)
{
    memory_free(etr->serves);
    prefix_set_free(etr->refused);
    prefix_set_free(etr->accepted);
}

void etr_reconfigure(struct etr *etr, const struct etr_config *config)
{
    free_rules(etr);
    etr->serves_all = config->serves_all;
    etr->accepted = prefix_set_new(config->accept_sources, config->accept_source_count);
    etr->serves = memory_copy(config->serves, config->serve_count * sizeof(struct range));
    etr->serve_count = merge_ranges(etr->serves, config->serve_count);
    etr->refused = prefix_set_new(config->refuse_sources, config->refuse_source_count);
    etr->refuses_ipv4 = prefix_set_has_family(etr->refused, FAMILY_IPV4);
    etr->refuses_ipv6 = prefix_set_has_family(etr->refused, FAMILY_IPV6);
}

struct etr *etr_new(const struct etr_config *config)
{
    struct etr *etr = memory_new(sizeof(*etr));
    etr_reconfigure(etr, config);
    return etr;
}

void etr_free(struct etr *etr)
{
    if (etr == NULL)
        return;
    free_rules(etr);
    memory_free(etr);
}

static bool serves(const struct etr *etr, const struct address *destination)
{
    size_t low = 0;
    size_t high = etr->serve_count;
    struct range wanted = {(enum family)destination->family, unit_of_address(destination), {1}};
    // The last range that starts at or before the destination.
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_ranges(&etr->serves[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && range_contains_address(&etr->serves[low - 1], destination);
}

static bool refuses_source(const struct etr *etr, const struct address *outer,
                           const struct address *inner)
{
    return prefix_set_contains(etr->refused, inner) ||
           (!prefix_set_empty(etr->accepted) && (!prefix_set_contains(etr->accepted, inner) ||
                                                 !prefix_set_contains(etr->accepted, outer)));
}

// An inner packet of the other family, whose source says nothing about the outer one's.
static bool takes_mixed(const struct etr *etr, uint8_t inner_family)
{
    return !prefix_set_empty(etr->accepted) ||
           (inner_family == FAMILY_IPV4 ? etr->refuses_ipv4 : etr->refuses_ipv6);
}

bool etr_read_outer(struct etr *etr, const uint8_t *bytes, uint32_t length, struct etr_outer *outer,
                    uint32_t *payload)
{
    struct packet packet;
    // The kernel has checked the header and put fragments together again.
    if (packet_parse(bytes, length, &packet) != PACKET_OK || packet.fragment) {
        etr->counters.packets++;
        etr->counters.reasons[ETR_REASON_OUTER]++;
        return false;
    }
    outer->source = packet.source;
    outer->protocol = packet.protocol;
    outer->hop_limit = packet.hop_limit;
    outer->traffic_class = packet.traffic_class;
    *payload = packet.header_length;
    return true;
}

// Why the inner packet is not to be delivered; ETR_REASON_NONE when it is.
static enum etr_reason objection(const struct etr *etr, const struct etr_outer *outer,
                                 const struct packet *inner)
{
    if (inner->family == outer->source.family) {
        if (!address_equal(&inner->source, &outer->source))
            return ETR_REASON_SOURCE_MISMATCH;
    } else if (!takes_mixed(etr, inner->family)) {
        return ETR_REASON_FAMILY_MIXED;
    }
    if (!address_routable(&inner->source))
        return ETR_REASON_SOURCE;
    if (refuses_source(etr, &outer->source, &inner->source))
        return ETR_REASON_SOURCE_REFUSED;
    if (!etr->serves_all && !serves(etr, &inner->destination))
        return ETR_REASON_NOT_SERVED;
    if (inner->hop_limit == 0 || outer->hop_limit == 0)
        return ETR_REASON_TTL;
    return ETR_REASON_NONE;
}

// Fills the offload of a packet whose checksum is unfinished (see the top).
static void find_unfinished(const uint8_t *bytes, const struct packet *inner,
                            struct offload *offload)
{
    *offload = (struct offload){0};
    bool tcp = inner->protocol == PROTOCOL_TCP;
    uint32_t transport = inner->length - inner->header_length;
    if ((!tcp && inner->protocol != PROTOCOL_UDP) || inner->fragment ||
        transport < (tcp ? TCP_HEADER_BYTES_MIN : UDP_HEADER_BYTES))
        return;
    uint32_t octets = inner->family == FAMILY_IPV6 ? 16 : 4;
    uint64_t sum = checksum_pseudo_header(inner->source.octets, inner->destination.octets, octets,
                                          inner->protocol, transport);
    uint16_t offset = tcp ? TCP_CHECKSUM : UDP_CHECKSUM;
    if (load_u16(bytes + inner->header_length + offset) != checksum_fold(sum))
        return;
    offload->checksum_unfinished = true;
    offload->checksum_start = inner->header_length;
    offload->checksum_offset = offset;
    uint32_t headers = inner->header_length + (bytes[inner->header_length + 12] >> 4) * 4u;
    if (tcp && inner->length > ETR_PACKET_BYTES_MAX && headers < ETR_SEGMENT_BYTES) {
        offload->kind = OFFLOAD_TCP;
        offload->segment_size = (uint16_t)(ETR_SEGMENT_BYTES - headers);
    }
}

enum etr_verdict etr_input(struct etr *etr, const struct etr_outer *outer, uint8_t *payload,
                           uint32_t length, struct etr_delivery *delivery)
{
    struct packet inner;
    etr->counters.packets++;
    enum etr_reason reason = ETR_REASON_INNER;
    if (packet_parse(payload, length, &inner) == PACKET_OK &&
        outer->protocol == encapsulation_protocol(inner.family))
        reason = objection(etr, outer, &inner);
    if (reason == ETR_REASON_NONE &&
        !decapsulate(payload, &inner, outer->hop_limit, outer->traffic_class))
        reason = ETR_REASON_CONGESTION;
    etr->counters.reasons[reason]++;
    if (reason != ETR_REASON_NONE)
        return ETR_DROP;
    etr->counters.delivered++;
    etr->counters.octets += inner.length;
    delivery->length = inner.length;
    find_unfinished(payload, &inner, &delivery->offload);
    return ETR_DELIVER;
}

const struct etr_counters *etr_counters(const struct etr *etr)
{
    return &etr->counters;
}

const char *etr_reason_name(enum etr_reason reason)
{
    static const char *const names[ETR_REASON_COUNT] = {
        [ETR_REASON_NONE] = "none",
        [ETR_REASON_OUTER] = "bad-outer",
        [ETR_REASON_INNER] = "bad-inner",
        [ETR_REASON_SOURCE_MISMATCH] = "source-mismatch",
        [ETR_REASON_FAMILY_MIXED] = "family-mixed",
        [ETR_REASON_SOURCE] = "source-not-routable",
        [ETR_REASON_SOURCE_REFUSED] = "source-refused",
        [ETR_REASON_NOT_SERVED] = "not-served",
        [ETR_REASON_TTL] = "ttl-expired",
        [ETR_REASON_CONGESTION] = "congestion",
    };
    assert(reason < ETR_REASON_COUNT);
    return names[reason];
}
