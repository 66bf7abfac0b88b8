// SPDX-License-Identifier: BSD-2-Clause
// The coalescer against the segmenter: whatever it joins, cut again, is what came, in the order of
// each connection.
#include "../check.h"
#include "packets.h"
#include "tunnel/coalescer.h"

#include <stdlib.h>

#include "base/random.h"

#define ROUNDS      4000
#define CONNECTIONS 4
#define SEGMENT_MAX 1500
#define FLAG_FIN    0x01
#define FLAG_PSH    0x08
#define FLAG_ACK    0x10

struct connection {
    bool ipv6;
    uint16_t port;
    uint32_t sequence;
    uint32_t acknowledgement;
    uint16_t identification;
    uint32_t segment_size;
    // What was sent and not yet seen coming out, oldest first.
    uint8_t expected[COALESCER_BATCH][SEGMENT_MAX];
    uint32_t expected_length[COALESCER_BATCH];
    size_t sent;
    size_t seen;
};

struct bench {
    struct random_source random;
    struct coalescer coalescer;
    struct connection connections[CONNECTIONS];
    uint8_t packets[COALESCER_BATCH][SEGMENT_MAX];
    uint8_t whole[PACKET_BYTES_MAX];
    uint64_t joined;
};

// What a segment is like.
struct kind {
    uint32_t payload;
    uint8_t flags;
    uint8_t urgent;
    bool bad_checksum;
    bool may_fragment; // IPv4 without DF
};

// Writes the next segment of a connection and remembers it.
static uint32_t make_segment(struct bench *bench, struct connection *connection, uint8_t *bytes,
                             const struct kind *kind)
{
    uint32_t payload = kind->payload;
    struct address from = address_of(connection->ipv6 ? "3fff:1::7" : "198.18.1.7");
    struct address to = address_of(connection->ipv6 ? "2001:db8:0:40::9" : "20.1.0.17");
    uint32_t ip = connection->ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
    uint32_t length = ip + 32 + payload; // with 12 octets of options
    make_packet(bytes, &from, &to, length, !kind->may_fragment, 1);
    random_bytes(&bench->random, bytes + ip + 32, payload);
    bytes[connection->ipv6 ? 6 : 9] = PROTOCOL_TCP;
    if (!connection->ipv6) {
        store_u16(bytes + 4, connection->identification++);
        ipv4_finish_header(bytes, ip);
    }
    uint8_t *tcp = bytes + ip;
    memset(tcp, 1, 32);
    store_u16(tcp, connection->port);
    store_u16(tcp + 2, 80);
    store_u32(tcp + 4, connection->sequence);
    store_u32(tcp + 8, connection->acknowledgement);
    tcp[12] = 0x80;
    tcp[13] = kind->flags;
    store_u16(tcp + 16, 0);
    store_u16(tcp + 18, kind->urgent);
    uint32_t octets = connection->ipv6 ? 16 : 4;
    uint64_t sum =
        checksum_pseudo_header(from.octets, to.octets, octets, PROTOCOL_TCP, length - ip);
    uint16_t checksum = checksum_finish(checksum_add(sum, tcp, length - ip));
    store_u16(tcp + 16, kind->bad_checksum ? checksum ^ 1 : checksum);
    connection->sequence += payload;
    memcpy(connection->expected[connection->sent], bytes, length);
    connection->expected_length[connection->sent++] = length;
    return length;
}

static void add_random(struct bench *bench, uint8_t *bytes)
{
    struct connection *connection = &bench->connections[random_below(&bench->random, CONNECTIONS)];
    struct kind kind = {.payload = connection->segment_size, .flags = FLAG_ACK};
    uint32_t ahead = 0;
    struct offload offload = {0};
    switch (random_below(&bench->random, 16)) {
    case 0:
        kind.payload = (uint32_t)random_below(&bench->random, 1200);
        break;
    case 1:
        kind.flags |= FLAG_PSH;
        break;
    case 2:
        kind.flags |= FLAG_FIN;
        break;
    case 3:
        connection->acknowledgement++;
        break;
    case 4:
        connection->sequence += 1000; // as if one was lost
        break;
    case 5:
        kind.bad_checksum = true;
        break;
    case 6:
        ahead = 50000; // overtakes those that follow
        break;
    case 7:
        kind.may_fragment = true;
        break;
    case 8:
        kind.urgent = 7; // which means nothing without the flag, but must arrive
        break;
    default:
        break;
    }
    connection->sequence += ahead;
    uint32_t length = make_segment(bench, connection, bytes, &kind);
    if (ahead > 0)
        connection->sequence -= ahead + kind.payload;
    coalescer_add(&bench->coalescer, bytes, length, &offload);
}

// One inner packet came out: it must be the oldest of its connection.
static void check_next(struct bench *bench, const uint8_t *bytes, uint32_t length)
{
    uint32_t ip = bytes[0] >> 4 == 6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
    struct connection *connection = &bench->connections[load_u16(bytes + ip) - 1000];
    assert_true(connection->seen < connection->sent);
    assert_int_equal(length, connection->expected_length[connection->seen]);
    assert_memory_equal(bytes, connection->expected[connection->seen], length);
    connection->seen++;
}

static void check_packet(struct bench *bench, const struct coalesced_packet *out)
{
    uint32_t length = 0;
    for (size_t i = 0; i < out->count; i++) {
        memcpy(bench->whole + length, out->parts[i].bytes, out->parts[i].length);
        length += out->parts[i].length;
    }
    assert_int_equal(length, out->length);
    if (out->count == 1) {
        assert_int_equal(out->offload.kind, OFFLOAD_NONE);
        check_next(bench, bench->whole, length);
        return;
    }
    bench->joined += out->count;
    struct packet packet;
    struct offload offload = out->offload;
    assert_int_equal(packet_parse(bench->whole, length, &packet), PACKET_OK);
    assert_int_equal(packet.length, length);
    assert_int_equal(offload_check(bench->whole, &packet, &offload), OFFLOAD_OK);
    struct address etr = address_of("198.18.3.1");
    struct address ours = address_of("192.0.2.1");
    static struct segmenter segmenter;
    static struct piece piece;
    segmenter_start(&segmenter, bench->whole, &packet, &offload, &ours, &etr, 65535, 1);
    while (segmenter_next(&segmenter, &piece)) {
        uint8_t bytes[SEGMENT_MAX + PIECE_HEADER_BYTES_MAX];
        memcpy(bytes, piece.header, piece.header_length);
        memcpy(bytes + piece.header_length, piece.payload, piece.payload_length);
        check_next(bench, bytes + IPV4_HEADER_BYTES,
                   piece.header_length + piece.payload_length - IPV4_HEADER_BYTES);
    }
}

static void test_what_is_joined_comes_apart_again(void **state)
{
    (void)state;
    struct bench *bench = calloc(1, sizeof(*bench));
    random_init(&bench->random, random_seed_from_number(21));
    for (int round = 0; round < ROUNDS; round++) {
        for (uint16_t i = 0; i < CONNECTIONS; i++) {
            struct connection *connection = &bench->connections[i];
            connection->ipv6 = i % 2 == 1;
            connection->port = (uint16_t)(1000 + i);
            connection->segment_size = 1 + (uint32_t)random_below(&bench->random, 1400);
            connection->sequence = (uint32_t)random_u64(&bench->random);
            connection->sent = 0;
            connection->seen = 0;
        }
        coalescer_begin(&bench->coalescer);
        size_t count = random_below(&bench->random, COALESCER_BATCH + 1);
        for (size_t i = 0; i < count; i++)
            add_random(bench, bench->packets[i]);
        const struct coalesced_packet *out;
        while ((out = coalescer_next(&bench->coalescer)) != NULL)
            check_packet(bench, out);
        for (size_t i = 0; i < CONNECTIONS; i++)
            assert_int_equal(bench->connections[i].seen, bench->connections[i].sent);
    }
    assert_true(bench->joined > ROUNDS * 8);
    free(bench);
}

static void test_a_full_run_is_one_packet(void **state)
{
    (void)state;
    struct bench *bench = calloc(1, sizeof(*bench));
    random_init(&bench->random, random_seed_from_number(22));
    struct connection *connection = &bench->connections[0];
    connection->port = 1000;
    coalescer_begin(&bench->coalescer);
    for (size_t i = 0; i < 40; i++) {
        struct offload offload = {0};
        struct kind kind = {.payload = 1400, .flags = FLAG_ACK};
        uint32_t length = make_segment(bench, connection, bench->packets[i], &kind);
        coalescer_add(&bench->coalescer, bench->packets[i], length, &offload);
    }
    const struct coalesced_packet *out = coalescer_next(&bench->coalescer);
    assert_int_equal(out->count, 40);
    assert_int_equal(out->length, 20 + 32 + 40 * 1400);
    assert_int_equal(out->offload.segment_size, 1400);
    assert_null(coalescer_next(&bench->coalescer));
    free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_joined_comes_apart_again),
        cmocka_unit_test(test_a_full_run_is_one_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
