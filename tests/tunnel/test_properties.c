// SPDX-License-Identifier: BSD-2-Clause
// What must hold for every packet, tried with random ones:
//   - what an ITR sends, taken out by an ETR, is the packet that went in, but for nothing;
//   - so is a super-packet, in segments with right checksums, fragmented or not;
//   - no packet leaves for an address in a MAB, in a refused prefix, or not one host's;
//   - no octets make either of them read or write out of bounds (under ASan), or send a packet
//     whose length fields are not its length.
#include "../check.h"
#include "packets.h"
#include "tunnel/etr.h"
#include "tunnel/itr.h"

#include <stdlib.h>

#define ROUNDS  20000
#define GARBAGE 60000

static const struct instant now = {1000};

static struct prefix prefix_of(const char *text)
{
    struct prefix prefix;
    assert_true(prefix_parse(text, &prefix, NULL));
    return prefix;
}

static struct itr *new_itr(void)
{
    struct itr_config config = {.hold_packets = 16,
                                .hold_time = duration_s(2),
                                .cached_max = 64,
                                .etrs_max = 16,
                                .usage_max = 16};
    struct itr *itr = itr_new(&config, random_seed_from_number(3), now);
    struct prefix mabs[] = {prefix_of("20.0.0.0/14"), prefix_of("2001:db8::/32")};
    for (size_t i = 0; i < 2; i++)
        assert_true(itr_add_mab(itr, &mabs[i], NULL));
    return itr;
}

static struct etr *new_etr(void)
{
    struct range serves[2];
    struct prefix refused[] = {prefix_of("192.168.0.0/16"), prefix_of("fd00::/8")};
    assert_true(range_parse("20.0.0.0/14", &serves[0], NULL));
    assert_true(range_parse("2001:db8::/32", &serves[1], NULL));
    struct etr_config config = {
        .serves = serves, .serve_count = 2, .refuse_sources = refused, .refuse_source_count = 2};
    return etr_new(&config);
}

// A learned mapping of everything to `etr`, with a path of `mtu`.
static void map_all(struct itr *itr, const struct address *etr, uint32_t mtu)
{
    const char *all[] = {"20.0.0.0/14", "2001:db8::/32"};
    struct address ours = address_of(etr->family == FAMILY_IPV6 ? "3fff:2::1" : "192.0.2.1");
    for (size_t i = 0; i < 2; i++) {
        struct range range;
        assert_true(range_parse(all[i], &range, NULL));
        itr_learn(itr, now, &range, etr, instant_add(now, duration_s(600)));
    }
    itr_set_path(itr, now, etr, mtu, &ours);
}

struct both {
    struct random_source random;
    struct itr *itr;
    struct etr *etr;
    struct itr_result result;
    uint8_t sent[PACKET_BYTES_MAX];
    uint8_t original[PACKET_BYTES_MAX];
    uint8_t outer[PACKET_BYTES_MAX + PIECE_HEADER_BYTES_MAX];
    uint8_t assembled[PACKET_BYTES_MAX];
    uint8_t joined[PACKET_BYTES_MAX]; // from inner fragments
};

// The outer packet's fields and where its payload begins; checks that it is well formed.
static uint32_t open_outer(struct both *both, const struct piece *piece, struct etr_outer *outer)
{
    struct packet packet;
    uint32_t length = piece->header_length + piece->payload_length;
    memcpy(both->outer, piece->header, piece->header_length);
    memcpy(both->outer + piece->header_length, piece->payload, piece->payload_length);
    assert_int_equal(packet_parse(both->outer, length, &packet), PACKET_OK);
    assert_int_equal(packet.length, length);
    assert_true(address_routable(&packet.destination));
    *outer =
        (struct etr_outer){packet.source, packet.protocol, packet.hop_limit, packet.traffic_class};
    return packet.header_length;
}

static bool is_outer_fragment(const uint8_t *outer)
{
    if (outer[0] >> 4 == 6)
        return outer[6] == PROTOCOL_FRAGMENT;
    return (load_u16(outer + 6) & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET)) != 0;
}

// Takes an outer fragment's payload into `assembled`, as the ETR's kernel does; returns the length
// when it was the last.
static uint32_t assemble(struct both *both, uint32_t length, uint32_t header, uint8_t *protocol)
{
    bool ipv6 = both->outer[0] >> 4 == 6;
    uint32_t start = header + (ipv6 ? FRAGMENT_HEADER_BYTES : 0);
    uint16_t field = load_u16(both->outer + (ipv6 ? header + 2 : 6));
    uint32_t offset = ipv6 ? field & 0xfff8u : (field & IPV4_FRAGMENT_OFFSET) * 8u;
    bool more = ipv6 ? (field & 1) != 0 : (field & IPV4_MORE_FRAGMENTS) != 0;
    *protocol = ipv6 ? both->outer[header] : both->outer[9];
    assert_true(offset + length - start <= PACKET_BYTES_MAX);
    memcpy(both->assembled + offset, both->outer + start, length - start);
    return more ? 0 : offset + length - start;
}

// Takes all pieces out at the ETR and collects the inner packet, whose fragments (of IPv4) are put
// together in `assembled` too.
static void deliver_all(struct both *both, uint32_t length, uint32_t mtu)
{
    struct piece piece;
    uint32_t inner_header = (both->original[0] & 0x0fu) * 4u;
    uint32_t collected = 0;
    while (segmenter_next(&both->result.segments, &piece)) {
        struct etr_outer outer;
        struct etr_delivery delivery;
        assert_true(piece.header_length + piece.payload_length <= mtu);
        uint32_t header = open_outer(both, &piece, &outer);
        uint8_t *payload = both->outer + header;
        uint32_t payload_length = piece.header_length + piece.payload_length - header;
        if (is_outer_fragment(both->outer)) {
            payload_length = assemble(both, payload_length + header, header, &outer.protocol);
            payload = both->assembled;
            if (payload_length == 0)
                continue;
        }
        assert_int_equal(etr_input(both->etr, &outer, payload, payload_length, &delivery),
                         ETR_DELIVER);
        if (delivery.length == length) {
            assert_memory_equal(payload, both->original, length);
            collected = length - inner_header;
            continue;
        }
        assert_int_equal(payload[0] >> 4, 4);
        uint32_t offset = (load_u16(payload + 6) & IPV4_FRAGMENT_OFFSET) * 8u;
        uint32_t part = delivery.length - inner_header;
        assert_memory_equal(payload + inner_header, both->original + inner_header + offset, part);
        assert_memory_equal(payload + 8, both->original + 8, 2);
        assert_memory_equal(payload + 12, both->original + 12, 8);
        collected += part;
    }
    assert_int_equal(collected, length - inner_header);
}

static struct both *new_both(uint64_t seed)
{
    struct both *both = calloc(1, sizeof(*both));
    random_init(&both->random, random_seed_from_number(seed));
    both->itr = new_itr();
    both->etr = new_etr();
    return both;
}

static void free_both(struct both *both)
{
    itr_free(both->itr);
    etr_free(both->etr);
    free(both);
}

static void test_there_and_back(void **state)
{
    (void)state;
    struct both *both = new_both(11);
    for (int round = 0; round < ROUNDS; round++) {
        bool ipv6 = random_below(&both->random, 2) == 1;
        bool etr_ipv6 = random_below(&both->random, 2) == 1;
        bool dont_fragment = random_below(&both->random, 2) == 1;
        uint32_t mtu = 576 + (uint32_t)random_below(&both->random, 1500);
        uint32_t length = 40 + (uint32_t)random_below(&both->random, 2500);
        struct address etr = address_of(etr_ipv6 ? "3fff:3::1" : "198.18.3.1");
        struct address from = address_of(ipv6 ? "3fff:1::7" : "198.18.1.7");
        struct address to = address_of(ipv6 ? "2001:db8:0:40::9" : "20.1.0.17");
        struct offload offload = {0};
        map_all(both->itr, &etr, mtu);
        if (etr_ipv6 && mtu < IPV6_MTU_MIN)
            mtu = IPV6_MTU_MIN; // what the ITR takes it for
        make_packet(both->sent, &from, &to, length, dont_fragment, 0);
        random_bytes(&both->random, both->sent + 40, length - 40);
        memcpy(both->original, both->sent, length);
        enum itr_verdict verdict =
            itr_input(both->itr, now, both->sent, length, &offload, &both->result);
        bool too_big = length + encapsulation_overhead(etr.family) > mtu;
        bool must_fit = ipv6 && length <= IPV6_MTU_MIN;
        if (too_big && !must_fit && (ipv6 || dont_fragment)) {
            assert_int_equal(both->result.reason, ITR_REASON_TOO_BIG);
            continue;
        }
        assert_int_equal(verdict, ITR_TUNNEL);
        deliver_all(both, length, mtu);
    }
    free_both(both);
}

#define FLAGS_LAST 0x09 // FIN and PSH, of the last segment only
#define FLAG_CWR   0x80 // of the first only
#define FLAG_ACK   0x10
#define TCP_HEADER 32 // with options
#define UDP_HEADER 8
#define SEQUENCE   0xfffff000 // about to wrap around

// A super-packet, and how much of it has come out.
struct super {
    bool ipv6;
    bool udp;
    uint32_t header; // octets of all headers
    uint32_t length;
    uint32_t segment; // octets of payload
    uint32_t seen;
};

static uint64_t pseudo_sum(const struct super *super, const uint8_t *bytes, uint32_t length)
{
    uint32_t ip = super->ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
    uint8_t protocol = super->udp ? PROTOCOL_UDP : PROTOCOL_TCP;
    return super->ipv6 ? checksum_pseudo_header(bytes + 8, bytes + 24, 16, protocol, length - ip)
                       : checksum_pseudo_header(bytes + 12, bytes + 16, 4, protocol, length - ip);
}

static struct super make_super(struct both *both, struct offload *offload, bool dont_fragment)
{
    struct random_source *random = &both->random;
    struct super super = {.ipv6 = random_below(random, 2) == 1,
                          .udp = random_below(random, 2) == 1};
    uint32_t ip = super.ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
    super.header = ip + (super.udp ? UDP_HEADER : TCP_HEADER);
    super.segment = 1 + (uint32_t)random_below(random, 1800);
    super.length = super.header + 1 + (uint32_t)random_below(random, 12000);
    struct address from = address_of(super.ipv6 ? "3fff:1::7" : "198.18.1.7");
    struct address to = address_of(super.ipv6 ? "2001:db8:0:40::9" : "20.1.0.17");
    uint8_t *bytes = both->sent;
    make_packet(bytes, &from, &to, super.length, dont_fragment, 0);
    random_bytes(random, bytes + ip, super.length - ip);
    bytes[super.ipv6 ? 6 : 9] = super.udp ? PROTOCOL_UDP : PROTOCOL_TCP;
    if (!super.ipv6)
        ipv4_finish_header(bytes, ip);
    uint8_t *transport = bytes + ip;
    if (super.udp) {
        store_u16(transport + 4, (uint16_t)(super.length - ip));
    } else {
        store_u32(transport + 4, SEQUENCE);
        transport[12] = TCP_HEADER / 4 << 4;
        transport[13] = FLAG_ACK | FLAGS_LAST | FLAG_CWR;
    }
    uint16_t field = super.udp ? 6 : 16;
    store_u16(transport + field, checksum_fold(pseudo_sum(&super, bytes, super.length)));
    memcpy(both->original, bytes, super.length);
    *offload = (struct offload){super.udp ? OFFLOAD_UDP : OFFLOAD_TCP, (uint16_t)super.segment,
                                true, (uint16_t)ip, field};
    return super;
}

// A whole segment has come: it is the next one, as a network card would have made it.
static void check_segment(struct both *both, struct super *super, const uint8_t *bytes,
                          uint32_t length)
{
    uint32_t ip = super->ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
    uint32_t payload = length - super->header;
    const uint8_t *transport = bytes + ip;
    const uint8_t *whole = both->original + ip;
    bool last = super->header + super->seen + payload == super->length;
    assert_true(last ? payload <= super->segment : payload == super->segment);
    assert_memory_equal(bytes + super->header, both->original + super->header + super->seen,
                        payload);
    uint64_t sum = checksum_add(pseudo_sum(super, bytes, length), transport, length - ip);
    assert_int_equal(checksum_fold(sum), 0xffff);
    assert_memory_equal(transport, whole, 4); // ports
    if (super->udp) {
        assert_int_equal(load_u16(transport + 4), length - ip);
    } else {
        uint8_t flags = FLAG_ACK;
        flags |= last ? FLAGS_LAST : 0;
        flags |= super->seen == 0 ? FLAG_CWR : 0;
        assert_int_equal(transport[13], flags);
        assert_int_equal(load_u32(transport + 4), (uint32_t)(SEQUENCE + super->seen));
        assert_memory_equal(transport + 20, whole + 20, TCP_HEADER - 20);
    }
    super->seen += payload;
}

// Puts inner fragments of IPv4 together; returns the length when a packet is whole.
static uint32_t join(struct both *both, const uint8_t *bytes, uint32_t length)
{
    uint16_t field = load_u16(bytes + 6);
    uint32_t offset = (field & IPV4_FRAGMENT_OFFSET) * 8u;
    if (offset == 0)
        memcpy(both->joined, bytes, IPV4_HEADER_BYTES);
    memcpy(both->joined + IPV4_HEADER_BYTES + offset, bytes + IPV4_HEADER_BYTES,
           length - IPV4_HEADER_BYTES);
    assert_memory_equal(both->joined + 4, bytes + 4, 2); // one identification
    return (field & IPV4_MORE_FRAGMENTS) != 0 ? 0 : offset + length;
}

static void deliver_segments(struct both *both, struct super *super, uint32_t mtu)
{
    struct piece piece;
    while (segmenter_next(&both->result.segments, &piece)) {
        struct etr_outer outer;
        struct etr_delivery delivery;
        uint32_t length = piece.header_length + piece.payload_length;
        assert_true(length <= mtu);
        uint32_t header = open_outer(both, &piece, &outer);
        const uint8_t *inner = both->outer + header;
        uint32_t inner_length = length - header;
        if (is_outer_fragment(both->outer)) {
            inner_length = assemble(both, length, header, &outer.protocol);
            inner = both->assembled;
            if (inner_length == 0)
                continue;
        }
        memmove(both->sent, inner, inner_length);
        assert_int_equal(etr_input(both->etr, &outer, both->sent, inner_length, &delivery),
                         ETR_DELIVER);
        assert_int_equal(delivery.length, inner_length);
        if (!super->ipv6) {
            inner_length = join(both, both->sent, inner_length);
            if (inner_length > 0)
                check_segment(both, super, both->joined, inner_length);
        } else {
            check_segment(both, super, both->sent, inner_length);
        }
    }
    assert_int_equal(super->header + super->seen, super->length);
}

static void test_super_packets(void **state)
{
    (void)state;
    struct both *both = new_both(14);
    unsigned tunnelled = 0;
    for (int round = 0; round < ROUNDS / 4; round++) {
        struct offload offload;
        bool dont_fragment = random_below(&both->random, 2) == 1;
        bool etr_ipv6 = random_below(&both->random, 2) == 1;
        uint32_t mtu = 576 + (uint32_t)random_below(&both->random, 1500);
        struct address etr = address_of(etr_ipv6 ? "3fff:3::1" : "198.18.3.1");
        map_all(both->itr, &etr, mtu);
        mtu = etr_ipv6 && mtu < IPV6_MTU_MIN ? IPV6_MTU_MIN : mtu;
        struct super super = make_super(both, &offload, dont_fragment);
        uint32_t payload = super.length - super.header;
        uint32_t segment = super.header + (payload < super.segment ? payload : super.segment);
        bool too_big = segment + encapsulation_overhead(etr.family) > mtu &&
                       (super.ipv6 ? segment > IPV6_MTU_MIN : dont_fragment);
        // The packet is on the heap, exactly as long, so that ASan sees a step past the end.
        uint8_t *exact = malloc(super.length);
        memcpy(exact, both->sent, super.length);
        enum itr_verdict verdict =
            itr_input(both->itr, now, exact, super.length, &offload, &both->result);
        assert_int_equal(both->result.reason, too_big ? ITR_REASON_TOO_BIG : ITR_REASON_NONE);
        if (!too_big) {
            assert_int_equal(verdict, ITR_TUNNEL);
            deliver_segments(both, &super, mtu);
            tunnelled++;
        }
        free(exact);
    }
    assert_true(tunnelled > ROUNDS / 16);
    free_both(both);
}

// Half of them near the limits of what is refused.
static struct address random_etr(struct random_source *random)
{
    static const char *const near[] = {
        "20.0.0.0",       "20.3.255.255", "19.255.255.255",  "20.4.0.0",  "198.51.100.0",
        "198.51.100.255", "224.0.0.0",    "255.255.255.255", "127.0.0.1", "0.0.0.1",
        "2001:db8::",     "2001:db9::",   "ff02::1",         "fe80::1",   "::1",
        "3fff:1::1",      "198.51.101.0", "::ffff:20.0.0.1"};
    if (random_below(random, 2) == 0)
        return address_of(near[random_below(random, sizeof(near) / sizeof(near[0]))]);
    struct address address = {.family = random_below(random, 2) == 0 ? FAMILY_IPV4 : FAMILY_IPV6};
    random_bytes(random, address.octets, family_octets((enum family)address.family));
    return address;
}

static void test_never_to_a_mab_or_a_refused_prefix(void **state)
{
    (void)state;
    struct both *both = new_both(12);
    struct prefix refused[] = {prefix_of("198.51.100.0/24"), prefix_of("3fff:f::/32")};
    struct prefix never[] = {refused[0],
                             refused[1],
                             prefix_of("20.0.0.0/14"),
                             prefix_of("2001:db8::/32"),
                             prefix_of("224.0.0.0/3"),
                             prefix_of("127.0.0.0/8"),
                             prefix_of("ff00::/8")};
    itr_set_refused(both->itr, refused, 2);
    unsigned tunnelled = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct address etr = random_etr(&both->random);
        bool ipv6 = random_below(&both->random, 2) == 1;
        struct address from = address_of(ipv6 ? "3fff:1::7" : "198.18.1.7");
        struct address to = address_of(ipv6 ? "2001:db8:0:40::9" : "20.1.0.17");
        struct offload offload = {0};
        struct piece piece;
        map_all(both->itr, &etr, 1500);
        uint32_t length = make_packet(both->sent, &from, &to, 100, true, 1);
        if (itr_input(both->itr, now, both->sent, length, &offload, &both->result) != ITR_TUNNEL)
            continue;
        tunnelled++;
        while (segmenter_next(&both->result.segments, &piece)) {
            struct etr_outer outer;
            struct packet packet;
            (void)open_outer(both, &piece, &outer);
            (void)packet_parse(both->outer, PACKET_BYTES_MAX, &packet);
            assert_true(address_equal(&packet.destination, &etr));
            for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
                assert_false(prefix_contains(&never[i], &packet.destination));
        }
    }
    assert_true(tunnelled > ROUNDS / 10);
    free_both(both);
}

// Random octets, most of them with a good header somewhere, and random words of the kernel.
static uint32_t make_garbage(struct both *both, struct offload *offload)
{
    struct random_source *random = &both->random;
    uint32_t length = (uint32_t)random_below(random, 400);
    random_bytes(random, both->sent, length);
    bool ipv6 = random_below(random, 2) == 1;
    if (length >= 60 && random_below(random, 8) > 0) {
        struct address from = address_of(ipv6 ? "3fff:1::7" : "198.18.1.7");
        struct address to = address_of(ipv6 ? "2001:db8:0:40::9" : "20.1.0.17");
        uint8_t rest[400];
        memcpy(rest, both->sent, length);
        make_packet(both->sent, &from, &to, length, random_below(random, 2) == 1, 0);
        uint32_t header = ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
        memcpy(both->sent + header, rest + header, length - header);
        both->sent[ipv6 ? 6 : 9] = (uint8_t)random_below(random, 61);
        if (!ipv6)
            ipv4_finish_header(both->sent, header);
    }
    offload->kind = (enum offload_kind)random_below(random, 3);
    offload->segment_size = (uint16_t)random_below(random, 200);
    offload->checksum_unfinished = random_below(random, 2) == 1;
    offload->checksum_start =
        (uint16_t)(random_below(random, 2) == 0 ? (ipv6 ? 40 : 20) : random_below(random, 500));
    offload->checksum_offset =
        (uint16_t)(random_below(random, 2) == 0 ? (offload->kind == OFFLOAD_UDP ? 6 : 16)
                                                : random_below(random, 500));
    return length;
}

static void test_garbage(void **state)
{
    (void)state;
    struct both *both = new_both(13);
    struct address etr = address_of("198.18.3.1");
    map_all(both->itr, &etr, 576);
    unsigned tunnelled = 0;
    for (int round = 0; round < GARBAGE; round++) {
        struct offload offload;
        uint32_t length = make_garbage(both, &offload);
        // On the heap, exactly as long, so that ASan sees a step past the end.
        uint8_t *exact = malloc(length == 0 ? 1 : length);
        memcpy(exact, both->sent, length);
        struct piece piece;
        if (itr_input(both->itr, now, exact, length, &offload, &both->result) == ITR_TUNNEL) {
            struct etr_outer outer;
            while (segmenter_next(&both->result.segments, &piece))
                (void)open_outer(both, &piece, &outer);
            tunnelled++;
        }
        struct etr_outer outer;
        struct etr_delivery delivery;
        uint32_t payload;
        if (etr_read_outer(both->etr, exact, length, &outer, &payload))
            (void)etr_input(both->etr, &outer, exact + payload, length - payload, &delivery);
        outer = (struct etr_outer){address_of("3fff:1::7"), PROTOCOL_IPV6, 64, 0};
        if (etr_input(both->etr, &outer, exact, length, &delivery) == ETR_DELIVER)
            assert_true(delivery.length <= length);
        free(exact);
    }
    assert_true(tunnelled > GARBAGE / 20);
    free_both(both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_super_packets),
        cmocka_unit_test(test_never_to_a_mab_or_a_refused_prefix),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
