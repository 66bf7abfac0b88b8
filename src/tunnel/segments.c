// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/segments.h"

#include <assert.h>
#include <string.h>

#define TCP_HEADER_BYTES_MIN 20
#define UDP_HEADER_BYTES     8
#define TCP_FLAGS            13 // place of the flags in the TCP header
#define TCP_FIN              0x01
#define TCP_PSH              0x08
#define TCP_CWR              0x80
#define TCP_CHECKSUM         16
#define UDP_CHECKSUM         6
#define IPV4_OPTION_COPIED   0x80
#define IPV4_OPTION_END      0
#define IPV4_OPTION_NOTHING  1

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

// Sums the transport header and payload, whose checksum field holds the sum of the pseudo-header,
// and stores the result. A UDP checksum of zero would mean "none" (RFC 768).
static void finish_checksum(uint8_t *field, uint64_t sum, bool udp)
{
    uint16_t checksum = checksum_finish(sum);
    store_u16(field, udp && checksum == 0 ? 0xffff : checksum);
}

static uint32_t transport_length(const uint8_t *bytes, const struct offload *offload)
{
    if (offload->kind == OFFLOAD_UDP)
        return UDP_HEADER_BYTES;
    return (bytes[offload->checksum_start + 12] >> 4) * 4u;
}

static enum offload_fault check_super_packet(const uint8_t *bytes, const struct packet *packet,
                                             const struct offload *offload)
{
    bool tcp = offload->kind == OFFLOAD_TCP;
    uint32_t least = tcp ? TCP_HEADER_BYTES_MIN : UDP_HEADER_BYTES;
    uint32_t start = offload->checksum_start;
    // Only IPv6 may have extension headers between the IP and the transport header.
    bool behind = packet->family == FAMILY_IPV6 ? start >= packet->header_length
                                                : start == packet->header_length;
    if (!offload->checksum_unfinished || !behind || start + least > packet->length ||
        offload->checksum_offset != (tcp ? TCP_CHECKSUM : UDP_CHECKSUM))
        return OFFLOAD_BAD_START;
    uint32_t transport = transport_length(bytes, offload);
    if (transport < least || start + transport > packet->length ||
        start + transport > SEGMENT_HEADER_BYTES_MAX || packet->fragment)
        return OFFLOAD_BAD_HEADER;
    return offload->segment_size == 0 ? OFFLOAD_BAD_SIZE : OFFLOAD_OK;
}

enum offload_fault offload_check(uint8_t *bytes, const struct packet *packet,
                                 struct offload *offload)
{
    if (offload->kind != OFFLOAD_NONE)
        return check_super_packet(bytes, packet, offload);
    if (!offload->checksum_unfinished)
        return OFFLOAD_OK;
    uint32_t start = offload->checksum_start;
    uint32_t field = start + offload->checksum_offset;
    if (start < packet->header_length || start > packet->length || field + 2 > packet->length)
        return OFFLOAD_BAD_START;
    uint64_t sum = checksum_add(0, bytes + start, packet->length - start);
    finish_checksum(bytes + field, sum, offload->checksum_offset == UDP_CHECKSUM);
    offload->checksum_unfinished = false;
    return OFFLOAD_OK;
}

uint32_t offload_segment_length(const uint8_t *bytes, const struct packet *packet,
                                const struct offload *offload)
{
    if (offload->kind == OFFLOAD_NONE)
        return packet->length;
    uint32_t headers = offload->checksum_start + transport_length(bytes, offload);
    return smaller(packet->length, headers + offload->segment_size);
}

// The kernel gives a header with identification 0 one of its own: each fragment another.
static uint16_t not_zero(uint16_t identification)
{
    return identification == 0 ? 1 : identification;
}

static void next_identification(struct segmenter *s)
{
    s->identification = not_zero((uint16_t)(s->identification + 1));
}

// The octets that a piece has before the inner packet.
static uint32_t overhead(const struct segmenter *s)
{
    return s->bare ? 0 : encapsulation_overhead(s->etr.family);
}

static void start(struct segmenter *s, bool bare, const uint8_t *bytes, const struct packet *packet,
                  const struct offload *offload, const struct address *source,
                  const struct address *etr, uint32_t outer_mtu, uint16_t identification)
{
    assert(source->family == etr->family);
    assert(outer_mtu >= (etr->family == FAMILY_IPV6 ? IPV6_MTU_MIN : IPV4_MTU_MIN));
    s->bare = bare;
    s->inner = *packet;
    s->bytes = bytes;
    s->kind = offload->kind;
    s->source = *source;
    s->etr = *etr;
    s->outer_mtu = outer_mtu;
    s->identification = not_zero(identification);
    s->cut = 0;
    s->segments = 0;
    s->sent = 0;
    s->fragmenting = false;
    s->fragmenting_outer = false;
    if (offload->kind != OFFLOAD_NONE) {
        s->ip_length = offload->checksum_start;
        s->header_length = s->ip_length + transport_length(bytes, offload);
        s->segment_size = offload->segment_size;
        return;
    }
    bool whole = packet->dont_fragment || packet->length + overhead(s) <= outer_mtu;
    s->ip_length = whole ? 0 : packet->header_length;
    s->header_length = s->ip_length;
    s->segment_size = packet->length - s->header_length;
}

void segmenter_start(struct segmenter *segmenter, const uint8_t *bytes, const struct packet *packet,
                     const struct offload *offload, const struct address *source,
                     const struct address *etr, uint32_t outer_mtu, uint16_t identification)
{
    start(segmenter, false, bytes, packet, offload, source, etr, outer_mtu, identification);
}

void segmenter_start_bare(struct segmenter *segmenter, const uint8_t *bytes,
                          const struct packet *packet, const struct offload *offload, uint32_t mtu)
{
    assert(offload_segment_length(bytes, packet, offload) <= mtu || !packet->dont_fragment);
    start(segmenter, true, bytes, packet, offload, &packet->source, &packet->destination, mtu, 0);
}

// Writes the IP header's length, identification and checksum for the current segment.
static void finish_ip_header(struct segmenter *s, uint32_t length, uint16_t identification)
{
    if (s->inner.family == FAMILY_IPV6) {
        store_u16(s->header + 4, (uint16_t)(length - IPV6_HEADER_BYTES));
        return;
    }
    store_u16(s->header + 2, (uint16_t)length);
    store_u16(s->header + 4, identification);
    ipv4_finish_header(s->header, s->inner.header_length);
}

// Makes the transport header that of one segment: as the sender's network card would have.
static void finish_transport_header(struct segmenter *s, bool last)
{
    uint8_t *transport = s->header + s->ip_length;
    uint32_t header = s->header_length - s->ip_length;
    uint32_t length = header + s->payload_length;
    bool udp = s->kind == OFFLOAD_UDP;
    uint8_t *field = transport + (udp ? UDP_CHECKSUM : TCP_CHECKSUM);
    if (udp) {
        store_u16(transport + 4, (uint16_t)length);
    } else {
        uint32_t before = s->cut - s->payload_length; // payload in earlier segments
        store_u32(transport + 4, load_u32(transport + 4) + before);
        if (!last)
            transport[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
        if (s->segments > 0)
            transport[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
    }
    // The field holds the pseudo-header's sum with the length of the super-packet: exchange that.
    uint16_t super_length = (uint16_t)(s->inner.length - s->ip_length);
    uint64_t sum = (uint64_t)(uint16_t)~super_length + length;
    sum = checksum_add(sum, transport, header);
    sum = checksum_add(sum, s->payload, s->payload_length);
    finish_checksum(field, sum, udp);
}

static void make_segment(struct segmenter *s)
{
    uint32_t total = s->inner.length - s->header_length;
    memcpy(s->header, s->bytes, s->header_length);
    s->payload = s->bytes + s->header_length + s->cut;
    s->payload_length = smaller(s->segment_size, total - s->cut);
    s->cut += s->payload_length;
    s->sent = 0;
    if (s->kind != OFFLOAD_NONE) {
        uint16_t identification = (uint16_t)(load_u16(s->bytes + 4) + s->segments);
        finish_ip_header(s, s->header_length + s->payload_length, identification);
        finish_transport_header(s, s->cut == total);
    }
    s->segments++;
}

// Puts the outer header for `length` inner octets into the piece.
static void put_outer(struct segmenter *s, struct piece *piece, uint32_t length, bool dont_fragment)
{
    piece->header_length = s->bare ? 0
                                   : encapsulate(piece->header, &s->inner, length, &s->source,
                                                 &s->etr, s->identification, dont_fragment);
}

static void put_header(struct piece *piece, const uint8_t *bytes, uint32_t length)
{
    assert(piece->header_length + length <= PIECE_HEADER_BYTES_MAX);
    memcpy(piece->header + piece->header_length, bytes, length);
    piece->header_length += length;
}

// Options that belong to the first fragment only become no-operations in the later ones (RFC 791
// §3.1), which leaves the header's length alone.
static void blank_options(uint8_t *header, uint32_t header_length)
{
    for (uint32_t at = IPV4_HEADER_BYTES; at < header_length;) {
        uint8_t type = header[at];
        if (type == IPV4_OPTION_END)
            return;
        if (type == IPV4_OPTION_NOTHING) {
            at++;
            continue;
        }
        uint32_t length = at + 1 < header_length ? header[at + 1] : 0;
        if (length < 2 || at + length > header_length)
            return; // malformed: nobody downstream reads it either
        if ((type & IPV4_OPTION_COPIED) == 0)
            memset(header + at, IPV4_OPTION_NOTHING, length);
        at += length;
    }
}

// The next inner fragment of the current IPv4 segment.
static void next_fragment(struct segmenter *s, struct piece *piece)
{
    uint32_t transport = s->header_length - s->ip_length;
    uint32_t total = transport + s->payload_length;
    uint32_t room = (s->outer_mtu - overhead(s) - s->ip_length) & ~UINT32_C(7);
    uint32_t length = smaller(room, total - s->sent);
    assert(length > 0 && (s->sent > 0 || length > transport));
    bool first = s->sent == 0;
    bool more = s->sent + length < total;
    uint8_t ip[IPV4_HEADER_BYTES_MAX];
    memcpy(ip, s->header, s->ip_length);
    if (!first)
        blank_options(ip, s->ip_length);
    uint16_t original = load_u16(s->bytes + 6);
    uint16_t field = (uint16_t)((original & ~IPV4_MORE_FRAGMENTS) + s->sent / 8);
    if (more || (original & IPV4_MORE_FRAGMENTS) != 0)
        field |= IPV4_MORE_FRAGMENTS;
    store_u16(ip + 2, (uint16_t)(s->ip_length + length));
    store_u16(ip + 6, field);
    ipv4_finish_header(ip, s->ip_length);
    put_outer(s, piece, s->ip_length + length, false);
    put_header(piece, ip, s->ip_length);
    if (first)
        put_header(piece, s->header + s->ip_length, transport);
    piece->payload = s->payload + (first ? 0 : s->sent - transport);
    piece->payload_length = first ? length - transport : length;
    s->sent += length;
    s->fragmenting = more;
    next_identification(s);
}

static void put_ipv6_fragment_header(struct segmenter *s, struct piece *piece, uint32_t offset,
                                     bool more)
{
    uint8_t fragment[FRAGMENT_HEADER_BYTES] = {piece->header[6]};
    store_u16(fragment + 2, (uint16_t)(offset | more));
    store_u32(fragment + 4, s->identification);
    piece->header[6] = PROTOCOL_FRAGMENT;
    put_header(piece, fragment, sizeof(fragment));
}

// The next outer fragment of the current segment.
static void next_outer_fragment(struct segmenter *s, struct piece *piece)
{
    bool ipv6 = s->etr.family == FAMILY_IPV6;
    uint32_t extra = ipv6 ? FRAGMENT_HEADER_BYTES : 0;
    uint32_t total = s->header_length + s->payload_length;
    uint32_t room = (s->outer_mtu - encapsulation_overhead(s->etr.family) - extra) & ~UINT32_C(7);
    uint32_t length = smaller(room, total - s->sent);
    bool more = s->sent + length < total;
    put_outer(s, piece, length + extra, false);
    if (ipv6) {
        put_ipv6_fragment_header(s, piece, s->sent, more);
    } else {
        store_u16(piece->header + 6,
                  (uint16_t)((more ? IPV4_MORE_FRAGMENTS : 0) | (int)(s->sent / 8)));
        ipv4_finish_header(piece->header, IPV4_HEADER_BYTES);
    }
    uint32_t from_header =
        s->sent < s->header_length ? smaller(length, s->header_length - s->sent) : 0;
    put_header(piece, s->header + (from_header > 0 ? s->sent : 0), from_header);
    piece->payload = s->payload + (s->sent + from_header - s->header_length);
    piece->payload_length = length - from_header;
    s->sent += length;
    s->fragmenting_outer = more;
    if (!more)
        next_identification(s);
}

bool segmenter_next(struct segmenter *segmenter, struct piece *piece)
{
    struct segmenter *s = segmenter;
    if (!s->fragmenting && !s->fragmenting_outer) {
        if (s->segments > 0 && s->cut == s->inner.length - s->header_length)
            return false;
        make_segment(s);
        uint32_t length = s->header_length + s->payload_length;
        bool fits = length + overhead(s) <= s->outer_mtu;
        if (fits) {
            put_outer(s, piece, length, s->inner.dont_fragment);
            put_header(piece, s->header, s->header_length);
            piece->payload = s->payload;
            piece->payload_length = s->payload_length;
            next_identification(s);
            return true;
        }
        s->fragmenting = !s->inner.dont_fragment;
        s->fragmenting_outer = s->inner.dont_fragment;
        assert(!s->bare || !s->fragmenting_outer);
    }
    if (s->fragmenting)
        next_fragment(s, piece);
    else
        next_outer_fragment(s, piece);
    return true;
}
