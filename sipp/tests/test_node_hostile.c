// SPDX-License-Identifier: BSD-2-Clause
// Packets that mean harm.
#include "internet.h"

#include <string.h>

// Hostile bytes: nothing crashes, and nothing malformed leaves the node.
static void test_hostile_packets(void **state)
{
    struct internet *net = *state;
    struct random_source random;
    random_init(&random, random_seed_from_number(9));
    struct node *d = internet_node(net, D);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[400];
        struct route route = {.count = (uint8_t)(2 + random_below(&random, 8))};
        route.active = (uint8_t)(1 + random_below(&random, route.count - 1u));
        for (uint8_t i = 0; i < route.count; i++) {
            struct sipp_prefix some;
            (void)names_entry(net->names, random_below(&random, names_count(net->names)), &some);
            route.addresses[i] = some.address;
        }
        uint8_t payload[120];
        random_bytes(&random, payload, sizeof(payload));
        const uint8_t types[] = {0, 3, 8, 11, 12, 33, 34, 35, 36, 253};
        payload[0] = types[random_below(&random, sizeof(types))];
        payload[1] = (uint8_t)random_below(&random, 3);
        uint8_t hop = random_below(&random, 4) == 0 ? 255 : (uint8_t)random_below(&random, 70);
        const uint8_t kinds[] = {1, 1, 1, 17, 41, 4};
        size_t length = packet_encode(&route, 0, hop, kinds[random_below(&random, 6)], payload,
                                      random_below(&random, sizeof(payload)), bytes, sizeof(bytes));
        if (random_below(&random, 3) == 0)
            bytes[random_below(&random, length)] = (uint8_t)random_u64(&random);
        struct node_hop out;
        if (node_receive(d, fabric_now(net->fabric, d), (uint16_t)random_below(&random, 3),
                         &node_interface(d, 0)->link, bytes, length, &out) == NODE_FORWARD) {
            struct packet packet;
            assert_int_equal(packet_decode(bytes, out.length, &packet), PACKET_OK);
            assert_true(out.interface < node_interface_count(d));
        }
        if (round % 100 == 0)
            fabric_run(net->fabric, duration_ms(200));
    }
}

// A route that goes to and fro between two routers costs what its Routing Header can hold.
static void test_routes_that_loop(void **state)
{
    struct internet *net = *state;
    struct route route = {.count = ROUTE_MAX, .active = 1};
    route.addresses[0] = internet_address(net, "Q.D.H");
    for (uint8_t i = 1; i < ROUTE_MAX; i++)
        route.addresses[i] = internet_address(net, i % 2 == 0 ? "P.r" : "R.r");
    net->seen_count = 0;
    internet_send(net, H, &route);
    fabric_run(net->fabric, duration_s(2));
    struct node_event event;
    assert_true(internet_event(net, H, EVENT_ECHO_REPLY, &event));
    // To P or R and back each time, at most the hop limit, and once more for the answer.
    assert_in_range(net->seen_count, ROUTE_MAX, 2 * 64);

    // The same address over and over is used up where it is, without a single wire.
    for (uint8_t i = 1; i + 1 < ROUTE_MAX; i++)
        route.addresses[i] = internet_address(net, "P.r");
    net->seen_count = 0;
    internet_send(net, H, &route);
    fabric_run(net->fabric, duration_s(2));
    assert_true(internet_event(net, H, EVENT_ECHO_REPLY, &event));
    assert_in_range(net->seen_count, 4, 16);
}

// A longer way round than the hop limit ends in an error, which finds its way back.
static void test_loop_beyond_the_hop_limit(void **state)
{
    struct internet *net = *state;
    struct route route = {.count = ROUTE_MAX, .active = 1};
    route.addresses[0] = internet_address(net, "Q.D.H");
    for (uint8_t i = 1; i < ROUTE_MAX; i++)
        route.addresses[i] = internet_address(net, i % 2 == 0 ? "Q.D.r" : "R.E.r");
    net->seen_count = 0;
    assert_true(node_send_echo(internet_node(net, H), internet_now(net, H), &route, 20, 1, 1, NULL,
                               0, NULL));
    fabric_run(net->fabric, duration_s(2));
    struct node_event event;
    assert_true(internet_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.type, ICMP_TIME_EXCEEDED);
    assert_in_range(net->seen_count, 20, 2 * 20);
}

static void receive(struct internet *net, size_t node, const uint8_t *bytes, size_t length)
{
    uint8_t copy[SIPP_PACKET_MAX];
    const struct link_address from = {{2, 0xee, 0, 0, 0, 1}};
    struct node_hop hop;
    assert_true(length <= sizeof(copy));
    memcpy(copy, bytes, length);
    assert_int_equal(node_receive(internet_node(net, node), internet_now(net, node), 0, &from, copy,
                                  length, &hop),
                     NODE_DONE);
}

// Routing Headers that point beyond their end, or beyond the packet's.
static void test_routing_headers_beyond_their_end(void **state)
{
    struct internet *net = *state;
    const struct path via = internet_path(net, "P.0:Q.0");
    const struct path to = internet_path(net, "Q.E.I");
    const struct sequence source = internet_sequence(net, "P.D.H");
    struct route route;
    uint8_t good[200];
    assert_true(route_form(&source, &via, &to, &route));
    size_t length = packet_encode(&route, 0, 64, SIPP_PAYLOAD_UDP, (const uint8_t *)"data", 4, good,
                                  sizeof(good));
    const size_t num_addrs = SIPP_HEADER_BYTES + 4;
    const size_t next_addr = SIPP_HEADER_BYTES + 5;
    uint64_t dropped = internet_counter(net, D, DROP_MALFORMED);
    uint64_t expected = 0;
    for (unsigned count = 0; count < 256; count++) {
        for (unsigned next = 0; next < 256; next++) {
            bool fits = count * 8 <= 4 + 2 * 8 && next <= count;
            if (fits)
                continue;
            good[num_addrs] = (uint8_t)count;
            good[next_addr] = (uint8_t)next;
            receive(net, D, good, length);
            expected++;
        }
    }
    assert_int_equal(internet_counter(net, D, DROP_MALFORMED) - dropped, expected);
    // Its sender is told, as often as errors are allowed.
    struct node_event event;
    fabric_run(net->fabric, duration_s(1));
    assert_true(internet_event(net, H, EVENT_ERROR, &event));
    assert_int_equal(event.icmp.type, ICMP_PARAMETER_PROBLEM);
}

// Tunnels in tunnels in tunnels: the first is opened, no other.
static void test_tunnels_in_tunnels(void **state)
{
    struct internet *net = *state;
    const struct node_config config = {.router = true, .base_station = true};
    size_t base = fabric_add(net->fabric, &config, true);
    (void)fabric_join(net->fabric, base, R);
    internet_own(net, base, "D.d");
    fabric_run(net->fabric, duration_s(1));
    struct route route = {.count = 2, .active = 1};
    route.addresses[0] = internet_address(net, "S.I");
    route.addresses[1] = internet_address(net, "D.d");
    uint8_t bytes[SIPP_PACKET_MAX];
    size_t length = 0;
    for (;;) {
        uint8_t outer[SIPP_PACKET_MAX];
        size_t longer =
            packet_encode(&route, 0, 64, SIPP_PAYLOAD_SIPP, bytes, length, outer, sizeof(outer));
        if (longer == 0)
            break;
        length = longer;
        memcpy(bytes, outer, length);
    }
    assert_true(length > SIPP_PACKET_MAX - 2 * SIPP_HEADER_BYTES);
    receive(net, base, bytes, length);
    assert_int_equal(internet_counter(net, base, DROP_NOT_OURS), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hostile_packets, internet_setup_extended,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_routes_that_loop, internet_setup_simple,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_loop_beyond_the_hop_limit, internet_setup_simple,
                                        internet_teardown),
        cmocka_unit_test_setup_teardown(test_routing_headers_beyond_their_end,
                                        internet_setup_simple, internet_teardown),
        cmocka_unit_test_setup_teardown(test_tunnels_in_tunnels, internet_setup_extended,
                                        internet_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
