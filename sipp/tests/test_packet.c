// SPDX-License-Identifier: BSD-2-Clause
#include "tests/check.h"

#include "base/random.h"
#include "sipp/lib/packet.h"

#include <string.h>

static struct route random_route(struct random_source *random)
{
    struct route route = {.count = (uint8_t)(2 + random_below(random, ROUTE_MAX - 1))};
    route.active = (uint8_t)(1 + random_below(random, route.count - 1u));
    for (uint8_t i = 0; i < route.count; i++)
        route.addresses[i].bits = random_u64(random);
    return route;
}

static void test_plain_header(void **state)
{
    (void)state;
    struct route route = {.count = 2, .active = 1, .addresses = {{0x1122334455667788}, {0x99}}};
    uint8_t bytes[64];
    size_t length = packet_encode(&route, 0x7abcdef, 9, SIPP_PAYLOAD_UDP, (const uint8_t *)"abc", 3,
                                  bytes, sizeof(bytes));
    const uint8_t expected[] = {0x67, 0xab, 0xcd, 0xef, 0,    3,    17,   9,   0x11,
                                0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0,   0,
                                0,    0,    0,    0,    0,    0x99, 'a',  'b', 'c'};
    assert_int_equal(length, sizeof(expected));
    assert_memory_equal(bytes, expected, length);
}

// §3.1's table: where each address of "S, *A, B, D" lies in the packet at each step.
static void test_rotation_of_section_3_1(void **state)
{
    (void)state;
    struct route route = {.count = 4, .active = 1, .addresses = {{'S'}, {'A'}, {'B'}, {'D'}}};
    uint8_t bytes[64];
    size_t length = packet_encode(&route, 0, 64, 17, NULL, 0, bytes, sizeof(bytes));
    assert_int_equal(length, 24 + 8 + 16);
    const char rows[3][5] = {"SABD", "SBAD", "SDAB"};
    struct packet packet;
    assert_int_equal(packet_decode(bytes, length, &packet), PACKET_OK);
    for (unsigned step = 0; step < 3; step++) {
        const char fields[5] = {(char)bytes[15], (char)bytes[23], (char)bytes[39], (char)bytes[47],
                                0};
        assert_string_equal(fields, rows[step]);
        assert_int_equal(bytes[28], 2);
        assert_int_equal(bytes[29], step);
        struct packet again;
        assert_int_equal(packet_decode(bytes, length, &again), PACKET_OK);
        assert_true(route_equal(&again.route, &packet.route));
        assert_int_equal(again.route.active, step + 1);
        assert_memory_equal(again.route.addresses, route.addresses,
                            4 * sizeof(struct sipp_address));
        if (step < 2)
            packet_advance(bytes, &packet);
    }
    assert_true(route_finished(&packet.route));
}

static void test_round_trip(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(5));
    for (int i = 0; i < 5000; i++) {
        struct route route = random_route(&random);
        uint8_t payload[100];
        uint8_t bytes[SIPP_HEADERS_MAX + sizeof(payload) + 20];
        random_bytes(&random, payload, sizeof(payload));
        size_t payload_length = random_below(&random, sizeof(payload) + 1);
        uint8_t hop_limit = (uint8_t)(1 + random_below(&random, 255));
        uint32_t flow = (uint32_t)random_below(&random, 1 << 28);
        size_t length = packet_encode(&route, flow, hop_limit, 17, payload, payload_length, bytes,
                                      sizeof(bytes));
        assert_int_equal(length, packet_headers_length(&route) + payload_length);
        struct packet packet;
        size_t padding = random_below(&random, 20);
        assert_int_equal(packet_decode(bytes, length + padding, &packet), PACKET_OK);
        assert_int_equal(packet.length, length);
        assert_int_equal(packet.flow_label, flow);
        assert_int_equal(packet.payload_type, 17);
        assert_int_equal(packet.payload_length, payload_length);
        assert_memory_equal(bytes + packet.payload_offset, payload, payload_length);
        assert_true(route_equal(&packet.route, &route));
        packet_decrement_hop_limit(bytes, &packet);
        assert_int_equal(bytes[7], hop_limit - 1);
        for (size_t cut = 0; cut < length; cut++)
            assert_int_not_equal(packet_decode(bytes, cut, &packet), PACKET_OK);
    }
}

static void test_faults(void **state)
{
    (void)state;
    struct route route = {.count = 4, .active = 1};
    uint8_t good[64];
    uint8_t bytes[64];
    size_t length = packet_encode(&route, 0, 64, 17, NULL, 0, good, sizeof(good));
    struct packet packet;
    const struct {
        size_t offset;
        uint8_t value;
        enum packet_fault fault;
    } cases[] = {
        {0, 0x40, PACKET_NOT_SIPP},          {5, 25, PACKET_CUT},
        {5, 7, PACKET_ROUTING_CUT},          {28, 3, PACKET_ROUTING_CUT},
        {29, 3, PACKET_ROUTING_NEXT_BEYOND}, {30, 43, PACKET_ROUTING_TWICE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(bytes, good, length);
        bytes[cases[i].offset] = cases[i].value;
        assert_int_equal(packet_decode(bytes, length, &packet), cases[i].fault);
        assert_string_not_equal(packet_fault_name(cases[i].fault), "ok");
    }
    uint8_t many[24 + 8 + 31 * 8] = {0x60, 0, 0, 8 + 31 * 8 - 256, 43, 64};
    many[4] = 1;
    many[5] = 0;
    many[6] = 43;
    many[28] = 31;
    assert_int_equal(packet_decode(many, sizeof(many), &packet), PACKET_ROUTING_TOO_LONG);
    assert_int_equal(packet_fault_pointer(PACKET_ROUTING_TOO_LONG), 28);
}

static void test_encode_refuses_what_does_not_fit(void **state)
{
    (void)state;
    static uint8_t payload[UINT16_MAX];
    static uint8_t buffer[UINT16_MAX + SIPP_HEADERS_MAX];
    struct route route = {.count = 3, .active = 1};
    assert_int_equal(packet_encode(&route, 0, 1, 17, payload, 10, buffer, 49), 0);
    assert_int_equal(packet_encode(&route, 0, 1, 17, payload, 10, buffer, 50), 50);
    size_t most = UINT16_MAX - 16;
    assert_int_equal(packet_encode(&route, 0, 1, 17, payload, most, buffer, sizeof(buffer)),
                     UINT16_MAX + 24);
    assert_int_equal(packet_encode(&route, 0, 1, 17, payload, most + 1, buffer, sizeof(buffer)), 0);
}

// Random and mutated bytes decode to something consistent or to a fault, and encode back to
// themselves.
static void test_mutations(void **state)
{
    (void)state;
    struct random_source random;
    random_init(&random, random_seed_from_number(6));
    for (int i = 0; i < 50000; i++) {
        struct route route = random_route(&random);
        uint8_t bytes[SIPP_HEADERS_MAX];
        size_t length = packet_encode(&route, 0, 64, 17, NULL, 0, bytes, sizeof(bytes));
        for (uint64_t changes = random_below(&random, 4); changes > 0; changes--)
            bytes[random_below(&random, 34)] = (uint8_t)random_u64(&random);
        struct packet packet;
        if (packet_decode(bytes, length, &packet) != PACKET_OK)
            continue;
        assert_true(route_valid(&packet.route));
        assert_true(packet.payload_offset + packet.payload_length == packet.length);
        assert_true(packet.length <= length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_header),
        cmocka_unit_test(test_rotation_of_section_3_1),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_encode_refuses_what_does_not_fit),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
