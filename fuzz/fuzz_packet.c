// SPDX-License-Identifier: BSD-2-Clause
// Any octets as a packet from the TUN and as a tunnelled packet.
//
//     octet 0      bit 0: the ETR is an IPv6 address; bit 1: unfinished checksum; bits 2-3: offload
//     octets 1-8   MTU, segment size, checksum start, checksum offset
//     the rest     the packet
//
// Whatever leaves must be well formed, fit the path, and go to the ETR; an ICMP error must not be
// longer than what it is about and its headers.
#include "fuzzer.h"

#include "tunnel/etr.h"
#include "tunnel/itr.h"

#include <stdlib.h>
#include <string.h>

#define CONTROL_BYTES 9

static const struct instant now = {1000};
static struct itr *itr;
static struct etr *etr;

static struct prefix prefix_of(const char *text)
{
    struct prefix prefix;
    REQUIRE(prefix_parse(text, &prefix, NULL));
    return prefix;
}

static struct address address_of(const char *text)
{
    struct address address;
    REQUIRE(address_parse(text, &address, NULL));
    return address;
}

static void set_up(void)
{
    struct itr_config config = {.hold_packets = 4,
                                .hold_time = duration_s(1),
                                .cached_max = 4,
                                .etrs_max = 4,
                                .usage_max = 4};
    struct prefix mabs[] = {prefix_of("20.0.0.0/14"), prefix_of("2001:db8::/32")};
    struct range serves[2];
    itr = itr_new(&config, random_seed_from_number(1), now);
    for (size_t i = 0; i < 2; i++) {
        REQUIRE(itr_add_mab(itr, &mabs[i], NULL));
        REQUIRE(range_of_prefix(&mabs[i], &serves[i], NULL));
    }
    struct etr_config etr_config = {.serves = serves, .serve_count = 2};
    etr = etr_new(&etr_config);
}

static void check_pieces(struct segmenter *segments, const struct address *to, uint32_t mtu)
{
    static uint8_t whole[PACKET_BYTES_MAX + PIECE_HEADER_BYTES_MAX];
    struct piece piece;
    while (segmenter_next(segments, &piece)) {
        struct packet packet;
        uint32_t length = piece.header_length + piece.payload_length;
        REQUIRE(length <= mtu);
        memcpy(whole, piece.header, piece.header_length);
        memcpy(whole + piece.header_length, piece.payload, piece.payload_length);
        REQUIRE(packet_parse(whole, length, &packet) == PACKET_OK);
        REQUIRE(packet.length == length && address_equal(&packet.destination, to));
    }
}

static void try_itr(const uint8_t *control, uint8_t *packet, uint32_t length)
{
    static struct itr_result result;
    bool ipv6 = (control[0] & 1) != 0;
    struct address to = address_of(ipv6 ? "3fff:3::1" : "198.18.3.1");
    struct address ours = address_of(ipv6 ? "3fff:2::1" : "192.0.2.1");
    uint32_t mtu = load_u16(control + 1);
    struct offload offload = {(enum offload_kind)((control[0] >> 2 & 3) % 3), load_u16(control + 3),
                              (control[0] & 2) != 0, load_u16(control + 5), load_u16(control + 7)};
    struct prefix mabs[] = {prefix_of("20.0.0.0/14"), prefix_of("2001:db8::/32")};
    for (size_t i = 0; i < 2; i++) {
        struct range all;
        REQUIRE(range_of_prefix(&mabs[i], &all, NULL));
        itr_learn(itr, now, &all, &to, instant_add(now, duration_s(600)));
    }
    itr_set_path(itr, now, &to, mtu, &ours);
    uint32_t least = ipv6 ? IPV6_MTU_MIN : IPV4_MTU_MIN;
    enum itr_verdict verdict = itr_input(itr, now, packet, length, &offload, &result);
    if (verdict == ITR_TUNNEL)
        check_pieces(&result.segments, &to, mtu < least ? least : mtu);
    if (verdict == ITR_ICMP) {
        REQUIRE(result.icmp_length <= ICMP_BYTES_MAX);
        REQUIRE(result.icmp_length <= length + IPV6_HEADER_BYTES + ICMP_HEADER_BYTES);
        icmp_set_source(result.icmp, result.icmp_length, &ours);
    }
}

static void try_etr(const uint8_t *control, uint8_t *packet, uint32_t length)
{
    struct etr_outer outer = {.protocol = control[0], .hop_limit = control[1]};
    struct etr_delivery delivery;
    uint32_t payload = 0;
    if (!etr_read_outer(etr, packet, length, &outer, &payload))
        return;
    if (etr_input(etr, &outer, packet + payload, length - payload, &delivery) == ETR_DELIVER) {
        struct packet inner;
        REQUIRE(delivery.length <= length - payload);
        REQUIRE(packet_parse(packet + payload, delivery.length, &inner) == PACKET_OK);
        REQUIRE(inner.hop_limit <= outer.hop_limit && inner.length == delivery.length);
        REQUIRE(address_equal(&inner.source, &outer.source));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (itr == NULL)
        set_up();
    if (length < CONTROL_BYTES || length - CONTROL_BYTES > PACKET_BYTES_MAX)
        return 0;
    // A copy that ends where the packet ends, so that a step past it is seen.
    size_t packet_length = length - CONTROL_BYTES;
    uint8_t *packet = malloc(packet_length + 1);
    REQUIRE(packet != NULL);
    uint8_t *exact = packet + 1;
    memcpy(exact, bytes + CONTROL_BYTES, packet_length);
    try_itr(bytes, exact, (uint32_t)packet_length);
    memcpy(exact, bytes + CONTROL_BYTES, packet_length);
    try_etr(bytes, exact, (uint32_t)packet_length);
    free(packet);
    return 0;
}
