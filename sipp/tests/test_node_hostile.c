// SPDX-License-Identifier: BSD-2-Clause
// Packets that mean harm.
#include "internet.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hostile_packets, internet_setup_extended,
                                        internet_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
