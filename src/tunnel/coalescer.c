// SPDX-License-Identifier: BSD-2-Clause
#include "tunnel/coalescer.h"

#include <assert.h>
#include <string.h>

#define TCP_HEADER_BYTES_MIN 20
#define TCP_SEQUENCE         4
#define TCP_ACKNOWLEDGEMENT  8
#define TCP_LENGTH           12
#define TCP_FLAGS            13
#define TCP_WINDOW           14
#define TCP_CHECKSUM         16
#define TCP_URGENT           18
#define TCP_PSH              0x08
#define TCP_ACK              0x10

// A segment that may be joined with others.
struct segment {
    uint32_t ip_length;
    uint32_t header_length;
    uint32_t payload_length;
    uint32_t sequence;
    bool push;
};

static uint64_t pseudo_header(const uint8_t *bytes, uint32_t transport)
{
    if (bytes[0] >> 4 == 6)
        return checksum_pseudo_header(bytes + 8, bytes + 24, 16, PROTOCOL_TCP, transport);
    return checksum_pseudo_header(bytes + 12, bytes + 16, 4, PROTOCOL_TCP, transport);
}

// The length of a plain IP header with TCP behind it; 0 for anything else. What comes here has been
// through packet_parse.
static uint32_t plain_ip_header(const uint8_t *bytes, uint32_t length)
{
    if (bytes[0] == 0x45 && length > IPV4_HEADER_BYTES)
        return bytes[9] == PROTOCOL_TCP && load_u16(bytes + 6) == IPV4_DONT_FRAGMENT
                   ? IPV4_HEADER_BYTES
                   : 0;
    if (bytes[0] >> 4 == 6 && length > IPV6_HEADER_BYTES)
        return bytes[6] == PROTOCOL_TCP ? IPV6_HEADER_BYTES : 0;
    return 0;
}

static bool read_segment(const uint8_t *bytes, uint32_t length, struct segment *segment)
{
    uint32_t ip = plain_ip_header(bytes, length);
    if (ip == 0 || length < ip + TCP_HEADER_BYTES_MIN)
        return false;
    const uint8_t *tcp = bytes + ip;
    uint32_t transport = (tcp[TCP_LENGTH] >> 4) * 4u;
    if (transport < TCP_HEADER_BYTES_MIN || length <= ip + transport ||
        (tcp[TCP_FLAGS] & ~TCP_PSH) != TCP_ACK)
        return false;
    uint64_t sum = checksum_add(pseudo_header(bytes, length - ip), tcp, length - ip);
    if (checksum_fold(sum) != 0xffff)
        return false;
    segment->ip_length = ip;
    segment->header_length = ip + transport;
    segment->payload_length = length - ip - transport;
    segment->sequence = load_u32(tcp + TCP_SEQUENCE);
    segment->push = (tcp[TCP_FLAGS] & TCP_PSH) != 0;
    return true;
}

static bool same_connection(const uint8_t *a, const uint8_t *b, uint32_t ip_length)
{
    uint32_t addresses = ip_length == IPV4_HEADER_BYTES ? 12 : 8;
    // Both addresses, and the ports right behind them.
    return a[0] >> 4 == b[0] >> 4 &&
           memcmp(a + addresses, b + addresses, ip_length + 4 - addresses) == 0;
}

// All of the headers that segmentation would copy from the first segment.
static bool same_headers(const uint8_t *a, const uint8_t *b, const struct segment *segment)
{
    uint32_t ip = segment->ip_length;
    const uint8_t *x = a + ip;
    const uint8_t *y = b + ip;
    bool same_ip = ip == IPV4_HEADER_BYTES ? a[1] == b[1] && a[8] == b[8]
                                           : memcmp(a, b, 4) == 0 && a[7] == b[7];
    return same_ip && memcmp(x + TCP_ACKNOWLEDGEMENT, y + TCP_ACKNOWLEDGEMENT, 5) == 0 &&
           memcmp(x + TCP_WINDOW, y + TCP_WINDOW, 2) == 0 &&
           memcmp(x + TCP_URGENT, y + TCP_URGENT, 2) == 0 &&
           memcmp(x + TCP_HEADER_BYTES_MIN, y + TCP_HEADER_BYTES_MIN,
                  segment->header_length - ip - TCP_HEADER_BYTES_MIN) == 0;
}

static bool can_join(const struct coalesced_packet *packet, const uint8_t *bytes,
                     const struct segment *segment)
{
    return packet->ip_length == segment->ip_length &&
           packet->header_length == segment->header_length &&
           packet->next_sequence == segment->sequence && packet->count < COALESCER_BATCH &&
           segment->payload_length <= packet->offload.segment_size &&
           packet->length + segment->payload_length <= PACKET_BYTES_MAX &&
           same_headers(packet->first, bytes, segment);
}

// The last packet of the batch that belongs to the same connection and is open, or NULL.
static struct coalesced_packet *find_open(struct coalescer *coalescer, const uint8_t *bytes,
                                          uint32_t ip_length)
{
    for (size_t i = coalescer->count; i > 0; i--) {
        struct coalesced_packet *packet = &coalescer->packets[i - 1];
        if (packet->open && packet->ip_length == ip_length &&
            same_connection(packet->first, bytes, ip_length))
            return packet;
    }
    return NULL;
}

// True for TCP whose connection plain_ip_header does not find, and for what may be.
static bool hides_tcp(const uint8_t *bytes)
{
    if (bytes[0] >> 4 == 4)
        return bytes[9] == PROTOCOL_TCP;
    uint8_t next = bytes[6];
    return next == PROTOCOL_HOP_OPTIONS || next == PROTOCOL_ROUTING || next == PROTOCOL_FRAGMENT ||
           next == PROTOCOL_DESTINATION_OPTIONS;
}

// Closes all connections between the two hosts of a packet.
static void close_between(struct coalescer *coalescer, const uint8_t *bytes)
{
    bool ipv6 = bytes[0] >> 4 == 6;
    size_t addresses = ipv6 ? 8 : 12;
    size_t octets = ipv6 ? 32 : 8;
    for (size_t i = 0; i < coalescer->count; i++) {
        struct coalesced_packet *packet = &coalescer->packets[i];
        if (packet->open && packet->first[0] >> 4 == bytes[0] >> 4 &&
            memcmp(packet->first + addresses, bytes + addresses, octets) == 0)
            packet->open = false;
    }
}

void coalescer_begin(struct coalescer *coalescer)
{
    coalescer->count = 0;
    coalescer->taken = 0;
}

static struct coalesced_packet *add_packet(struct coalescer *coalescer, uint8_t *bytes,
                                           uint32_t length, const struct offload *offload)
{
    assert(coalescer->count < COALESCER_BATCH);
    struct coalesced_packet *packet = &coalescer->packets[coalescer->count++];
    packet->parts[0] = (struct coalesced_part){bytes, length};
    packet->count = 1;
    packet->length = length;
    packet->offload = *offload;
    packet->first = bytes;
    packet->open = false;
    packet->push = false;
    return packet;
}

static void join(struct coalesced_packet *packet, const uint8_t *bytes,
                 const struct segment *segment)
{
    packet->parts[packet->count++] =
        (struct coalesced_part){bytes + segment->header_length, segment->payload_length};
    packet->length += segment->payload_length;
    packet->next_sequence += segment->payload_length;
    packet->push = segment->push;
    // A short or pushed segment can only be the last.
    packet->open = !segment->push && segment->payload_length == packet->offload.segment_size;
}

void coalescer_add(struct coalescer *coalescer, uint8_t *bytes, uint32_t length,
                   const struct offload *offload)
{
    struct segment segment = {0};
    bool joinable = offload->kind == OFFLOAD_NONE && !offload->checksum_unfinished &&
                    read_segment(bytes, length, &segment);
    uint32_t ip_length = joinable ? segment.ip_length : plain_ip_header(bytes, length);
    struct coalesced_packet *open =
        ip_length > 0 && length >= ip_length + 4 ? find_open(coalescer, bytes, ip_length) : NULL;
    if (open != NULL && joinable && can_join(open, bytes, &segment)) {
        join(open, bytes, &segment);
        return;
    }
    // Nothing later may overtake this one within its connection.
    if (open != NULL)
        open->open = false;
    else if (ip_length == 0 && hides_tcp(bytes))
        close_between(coalescer, bytes);
    struct coalesced_packet *packet = add_packet(coalescer, bytes, length, offload);
    if (!joinable)
        return;
    packet->ip_length = segment.ip_length;
    packet->header_length = segment.header_length;
    packet->next_sequence = segment.sequence + segment.payload_length;
    packet->offload.segment_size = (uint16_t)segment.payload_length;
    packet->open = !segment.push;
    packet->push = segment.push;
}

// Makes the first segment's headers those of the super-packet.
static void finish(struct coalesced_packet *packet)
{
    uint8_t *first = packet->first;
    uint32_t transport = packet->length - packet->ip_length;
    if (packet->ip_length == IPV4_HEADER_BYTES) {
        store_u16(first + 2, (uint16_t)packet->length);
        ipv4_finish_header(first, IPV4_HEADER_BYTES);
    } else {
        store_u16(first + 4, (uint16_t)transport);
    }
    uint8_t *tcp = first + packet->ip_length;
    if (packet->push)
        tcp[TCP_FLAGS] |= TCP_PSH;
    store_u16(tcp + TCP_CHECKSUM, checksum_fold(pseudo_header(first, transport)));
    packet->offload.kind = OFFLOAD_TCP;
    packet->offload.checksum_unfinished = true;
    packet->offload.checksum_start = (uint16_t)packet->ip_length;
    packet->offload.checksum_offset = TCP_CHECKSUM;
}

const struct coalesced_packet *coalescer_next(struct coalescer *coalescer)
{
    if (coalescer->taken == coalescer->count)
        return NULL;
    struct coalesced_packet *packet = &coalescer->packets[coalescer->taken++];
    if (packet->count > 1)
        finish(packet);
    return packet;
}
